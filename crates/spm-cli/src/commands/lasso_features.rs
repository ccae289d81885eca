//! `spm lasso --features`: least squares on few features, chosen greedily.

use sparse_modeling::models::{FitControl, FittedOmp, LinearModel, OmpRegression, Score};
use sparse_modeling::solvers::Status;

use super::lasso::{self, Args, Table, each};
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::{Context, progress};

/// Each target on its own, with at most `k` features.
pub(super) fn run(k: usize, args: &Args, table: &Table<'_>, ctx: &Context) -> Result<Outcome, CliError> {
    let within = |e| CliError::from(e).within_any(table.files, &args.y);
    let bar = ctx.progress.spinner("lasso");
    let (mut fits, mut scores): (Vec<FittedOmp<f64>>, Vec<f64>) = (Vec::new(), Vec::new());
    for data in table.targets() {
        let model = OmpRegression::new(k).fit_intercept(!args.no_intercept);
        let mut observer = progress::observer(&bar, "lasso");
        let fit = model.fit_with(data, FitControl::default().observer(&mut observer)).map_err(within)?;
        scores.push(fit.score(data).map_err(within)?);
        fits.push(fit);
    }
    bar.finish_and_clear();
    let models: Vec<LinearModel<f64>> = fits.iter().cloned().map(LinearModel::from).collect();
    lasso::write_models(args, &models)?;
    let status = fits.iter().map(FittedOmp::status).find(|s| !s.is_converged()).unwrap_or(Status::Converged);
    Ok(Outcome::new("lasso")
        .status(status)
        .set("objective", each(fits.iter().map(|f| f.objective)))
        .set("objective_at_zero", each(fits.iter().map(|f| f.objective_at_zero)))
        .set("violation", each(fits.iter().map(|f| f.violation)))
        .set("selected", each(fits.iter().map(FittedOmp::support)))
        .set("nnz", each(fits.iter().map(|f| f.steps.len())))
        .set("intercept", each(fits.iter().map(|f| f.intercept)))
        .set("r2", each(scores))
        .set("iterations", fits.iter().map(|f| f.report.last.iter).sum::<usize>())
        .seconds(fits.iter().map(|f| f.report.elapsed).sum()))
}
