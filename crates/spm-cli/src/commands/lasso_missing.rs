//! `spm lasso --missing`: NaN in X means missing.

use std::time::Duration;

use sparse_modeling::models::{Fit, FittedHmLasso, HmLasso, LinearModel};
use sparse_modeling::solvers::Status;

use super::lasso::{self, Args, Table, each};
use crate::Context;
use crate::error::CliError;
use crate::outcome::Outcome;

/// Each target on its own.
pub(super) fn run(args: &Args, table: &Table<'_>, ctx: &Context) -> Result<Outcome, CliError> {
    let within = |e| CliError::from(e).within_any(table.files, &args.x);
    let bar = ctx.progress.spinner("lasso");
    let (mut fits, mut tops): (Vec<FittedHmLasso<f64>>, Vec<f64>) = (Vec::new(), Vec::new());
    for data in table.targets() {
        let mut model = HmLasso::new(1.0)
            .weight_power(args.weight_power)
            .fit_intercept(!args.no_intercept)
            .standardize(args.standardize)
            .tol(args.tol)
            .max_iter(args.max_iter);
        model.penalty_weights = table.penalty_weights.map(<[f64]>::to_vec);
        let top = model.alpha_max(data).map_err(within)?;
        model.alpha = args.strength(top);
        fits.push(model.fit(data).map_err(within)?);
        tops.push(top);
    }
    bar.finish_and_clear();
    let models: Vec<LinearModel<f64>> = fits.iter().cloned().map(LinearModel::from).collect();
    lasso::write_models(args, &models)?;
    let status =
        fits.iter().map(FittedHmLasso::status).find(|s| !s.is_converged()).unwrap_or(Status::Converged);
    let elapsed: Duration = fits.iter().map(|f| f.report.elapsed + f.covariance_report.elapsed).sum();
    Ok(Outcome::new("lasso")
        .status(status)
        .set("alpha", each(fits.iter().map(|f| f.alpha)))
        .set("alpha_max", each(tops))
        .set("objective", each(fits.iter().map(FittedHmLasso::objective)))
        .set("objective_at_zero", each(fits.iter().map(|f| f.objective_at_zero)))
        .set("gap", each(fits.iter().map(FittedHmLasso::gap)))
        .set("covariance_gap", each(fits.iter().map(|f| f.covariance_certificate.gap())))
        .set("lift", each(fits.iter().map(|f| f.lift)))
        .set("nnz", each(fits.iter().map(FittedHmLasso::nnz)))
        .set("intercept", each(fits.iter().map(|f| f.intercept)))
        .set(
            "iterations",
            fits.iter().map(|f| f.report.last.iter + f.covariance_report.last.iter).sum::<usize>(),
        )
        .seconds(elapsed))
}
