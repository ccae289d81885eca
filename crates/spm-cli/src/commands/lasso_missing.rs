//! `spm lasso --missing`: NaN in X means missing.

use std::time::Duration;

use serde_json::json;
use sparse_modeling::models::file;
use sparse_modeling::models::{Design, Fit, FittedHmLasso, HmLasso, LinearModel, Xy};
use sparse_modeling::solvers::Status;

use super::lasso::Args;
use crate::Context;
use crate::error::CliError;
use crate::io::{Array, extension, write_array};
use crate::outcome::Outcome;

/// Each target on its own.
pub(super) fn run(
    args: &Args,
    design: Design<'_, f64>,
    y: &[f64],
    rows: usize,
    weights: Option<&[f64]>,
    penalty_weights: Option<&[f64]>,
    ctx: &Context,
) -> Result<Outcome, CliError> {
    let files = [
        ("sample_weight", args.sample_weight.as_ref()),
        ("penalty_weights", args.penalty_weights.as_ref()),
        ("y", Some(&args.y)),
    ];
    let within = |e| CliError::from(e).within_any(&files, &args.x);
    let bar = ctx.progress.spinner("lasso");
    let (mut fits, mut tops): (Vec<FittedHmLasso<f64>>, Vec<f64>) = (Vec::new(), Vec::new());
    for target in y.chunks_exact(rows) {
        let mut data = Xy::new(design, target);
        if let Some(w) = weights {
            data = data.sample_weight(w);
        }
        let mut model = HmLasso::new(1.0)
            .weight_power(args.weight_power)
            .fit_intercept(!args.no_intercept)
            .standardize(args.standardize)
            .tol(args.tol)
            .max_iter(args.max_iter);
        model.penalty_weights = penalty_weights.map(<[f64]>::to_vec);
        let top = model.alpha_max(data).map_err(within)?;
        model.alpha = args.strength(top);
        fits.push(model.fit(data).map_err(within)?);
        tops.push(top);
    }
    bar.finish_and_clear();
    let p = fits.first().map_or(0, |f| f.coef.len());
    let array = match &fits[..] {
        [one] => Array::vector(one.coef.clone()),
        _ => Array::matrix(p, fits.len(), (0..p).flat_map(|j| fits.iter().map(move |f| f.coef[j])).collect()),
    };
    match &fits[..] {
        [one] if extension(&args.output) == "spm" => {
            LinearModel::new(one.coef.clone(), one.intercept, one.alpha).map_err(CliError::from).and_then(
                |m| file::save(&m, &args.output).map_err(|e| CliError::from(e).within(&args.output)),
            )?
        }
        _ => write_array(&args.output, &array)?,
    }
    let status =
        fits.iter().map(FittedHmLasso::status).find(|s| !s.is_converged()).unwrap_or(Status::Converged);
    let each = |f: &dyn Fn(&FittedHmLasso<f64>) -> f64| match &fits[..] {
        [one] => json!(f(one)),
        all => json!(all.iter().map(f).collect::<Vec<_>>()),
    };
    let nnz: Vec<usize> = fits.iter().map(FittedHmLasso::nnz).collect();
    let elapsed: Duration = fits.iter().map(|f| f.report.elapsed + f.covariance_report.elapsed).sum();
    Ok(Outcome::new("lasso")
        .status(status)
        .set("alpha", each(&|f| f.alpha))
        .set("alpha_max", if let [one] = tops[..] { json!(one) } else { json!(tops) })
        .set("objective", each(&|f| f.objective()))
        .set("objective_at_zero", each(&|f| f.objective_at_zero))
        .set("gap", each(&|f| f.gap()))
        .set("covariance_gap", each(&|f| f.covariance_certificate.gap()))
        .set("nnz", if let [one] = nnz[..] { json!(one) } else { json!(nnz) })
        .set("intercept", each(&|f| f.intercept))
        .set(
            "iterations",
            fits.iter().map(|f| f.report.last.iter + f.covariance_report.last.iter).sum::<usize>(),
        )
        .seconds(elapsed))
}
