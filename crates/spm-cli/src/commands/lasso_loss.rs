//! `spm lasso --loss`: logistic, Huber and Poisson regression.

use clap::ValueEnum;
use sparse_modeling::models::file;
use sparse_modeling::models::{Family, FitControl, FittedGlm, GlmModel, SparseGlm};
use sparse_modeling::solvers::Status;

use super::lasso::{self, Args, Table, each};
use crate::error::CliError;
use crate::io::extension;
use crate::outcome::Outcome;
use crate::{Context, progress};

/// What the response is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Loss {
    /// Real numbers: least squares.
    Squared,
    /// 0 or 1.
    Logistic,
    /// Real numbers with outliers.
    Huber,
    /// Counts.
    Poisson,
}

/// Each target on its own.
pub(super) fn run(args: &Args, table: &Table<'_>, ctx: &Context) -> Result<Outcome, CliError> {
    let family = match args.loss {
        Loss::Logistic => Family::Logistic,
        Loss::Huber => Family::Huber { delta: args.delta },
        Loss::Poisson => Family::Poisson,
        Loss::Squared => return Err(CliError::Usage("--loss squared has no family".to_owned())),
    };
    let bounds = args.read_bounds()?;
    let within = |e| CliError::from(e).within_any(table.files, &args.y);
    let bar = ctx.progress.spinner("lasso");
    let (mut fits, mut tops): (Vec<FittedGlm<f64>>, Vec<f64>) = (Vec::new(), Vec::new());
    for data in table.targets() {
        let mut model = SparseGlm::new(family, 1.0)
            .l1_ratio(args.l1_ratio)
            .fit_intercept(!args.no_intercept)
            .positive(args.positive)
            .standardize(args.standardize)
            .tol(args.tol)
            .max_iter(args.max_iter);
        model.penalty_weights = table.penalty_weights.map(<[f64]>::to_vec);
        model.bounds.clone_from(&bounds);
        let top = if args.l1_ratio > 0.0 { model.alpha_max(data).map_err(within)? } else { f64::INFINITY };
        model.alpha = args.strength(top);
        let mut observer = progress::observer(&bar, "lasso");
        let control = FitControl::default().observer(&mut observer);
        fits.push(model.fit_with(data, control).map_err(within)?);
        tops.push(top);
    }
    bar.finish_and_clear();
    match &fits[..] {
        [one] if extension(&args.output) == "spm" => {
            file::save(&GlmModel::from(one.clone()), &args.output)
                .map_err(|e| CliError::from(e).within(&args.output))?;
        }
        all => lasso::write(args, &all.iter().map(|f| &f.coef[..]).collect::<Vec<_>>())?,
    }
    let status = fits.iter().map(FittedGlm::status).find(|s| !s.is_converged()).unwrap_or(Status::Converged);
    Ok(Outcome::new("lasso")
        .status(status)
        .set("alpha", each(fits.iter().map(|f| f.alpha)))
        .set("alpha_max", each(tops))
        .set("objective", each(fits.iter().map(FittedGlm::objective)))
        .set("objective_at_zero", each(fits.iter().map(|f| f.objective_at_zero)))
        .set("gap", each(fits.iter().map(FittedGlm::gap)))
        .set("nnz", each(fits.iter().map(FittedGlm::nnz)))
        .set("intercept", each(fits.iter().map(|f| f.intercept)))
        .set("deviance_explained", each(fits.iter().map(|f| f.explained)))
        .set("iterations", fits.iter().map(|f| f.report.last.iter).sum::<usize>())
        .seconds(fits.iter().map(|f| f.report.elapsed).sum()))
}
