//! `spm lasso --penalty mcp|scad`: penalties that do not shrink large coefficients.

use clap::ValueEnum;
use sparse_modeling::models::{Concave, ConcaveRegression, FitControl, FittedConcave, LinearModel, Score};
use sparse_modeling::solvers::Status;

use super::lasso::{self, Args, Table, each};
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::{Context, progress};

/// The shape of the penalty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Penalty {
    /// Lasso and elastic net: convex.
    L1,
    /// Minimax concave penalty.
    Mcp,
    /// Smoothly clipped absolute deviation.
    Scad,
}

/// Each target on its own.
pub(super) fn run(args: &Args, table: &Table<'_>, ctx: &Context) -> Result<Outcome, CliError> {
    if args.positive || args.bounds.is_some() || args.l1_ratio != 1.0 {
        let message = "--penalty mcp and scad go with none of --positive, --bounds and --l1-ratio";
        return Err(CliError::Usage(message.to_owned()));
    }
    let penalty = match args.penalty {
        Penalty::Scad => Concave::Scad { a: args.gamma.unwrap_or(3.7) },
        _ => Concave::Mcp { gamma: args.gamma.unwrap_or(3.0) },
    };
    let within = |e| CliError::from(e).within_any(table.files, &args.y);
    let bar = ctx.progress.spinner("lasso");
    let (mut fits, mut tops, mut scores): (Vec<FittedConcave<f64>>, Vec<f64>, Vec<f64>) = Default::default();
    for data in table.targets() {
        let mut model = ConcaveRegression::new(1.0, penalty)
            .fit_intercept(!args.no_intercept)
            .standardize(args.standardize)
            .tol(args.tol)
            .max_iter(args.max_iter);
        model.penalty_weights = table.penalty_weights.map(<[f64]>::to_vec);
        let top = model.alpha_max(data).map_err(within)?;
        model.alpha = args.strength(top);
        let mut observer = progress::observer(&bar, "lasso");
        let fit = model.fit_with(data, FitControl::default().observer(&mut observer)).map_err(within)?;
        scores.push(fit.score(data).map_err(within)?);
        fits.push(fit);
        tops.push(top);
    }
    bar.finish_and_clear();
    let models: Vec<LinearModel<f64>> = fits.iter().cloned().map(LinearModel::from).collect();
    lasso::write_models(args, &models)?;
    let status =
        fits.iter().map(FittedConcave::status).find(|s| !s.is_converged()).unwrap_or(Status::Converged);
    Ok(Outcome::new("lasso")
        .status(status)
        .set("alpha", each(fits.iter().map(|f| f.alpha)))
        .set("alpha_max", each(tops))
        .set("objective", each(fits.iter().map(|f| f.objective)))
        .set("objective_at_zero", each(fits.iter().map(|f| f.objective_at_zero)))
        .set("violation", each(fits.iter().map(|f| f.violation)))
        .set("violation_at_zero", each(fits.iter().map(|f| f.violation_at_zero)))
        .set("local_minimum", each(fits.iter().map(FittedConcave::is_local_minimum)))
        .set("nnz", each(fits.iter().map(FittedConcave::nnz)))
        .set("intercept", each(fits.iter().map(|f| f.intercept)))
        .set("r2", each(scores))
        .set("iterations", fits.iter().map(|f| f.report.last.iter).sum::<usize>())
        .seconds(fits.iter().map(|f| f.report.elapsed).sum()))
}
