//! `spm lasso --groups` and `--multitask`: features that enter together.

use std::path::Path;

use sparse_modeling::linalg::LinearOperator;
use sparse_modeling::models::{
    FitControl, FittedLinear, GroupLasso, MultiTaskLasso, MultiTaskModel, MultiXy, Score, file,
};

use super::lasso::{self, Args, Table, each};
use crate::error::CliError;
use crate::io::{Array, extension, read_vector, write_array};
use crate::outcome::Outcome;
use crate::{Context, progress};

/// Group numbers, one a feature.
fn read_groups(path: &Path, p: usize) -> Result<Vec<usize>, CliError> {
    let values = read_vector(path)?;
    if values.len() != p {
        return Err(CliError::file(
            path,
            format!("expected {p} group numbers, one a feature, found {}", values.len()),
        ));
    }
    let whole = |(j, v): (usize, &f64)| {
        if v.fract() == 0.0 && (0.0..9e15).contains(v) {
            Ok(*v as usize)
        } else {
            Err(CliError::file(path, format!("group of feature {j} is {v}, expected a whole number >= 0")))
        }
    };
    values.iter().enumerate().map(whole).collect()
}

/// Each target on its own, with a group Lasso.
pub(super) fn groups(args: &Args, table: &Table<'_>, ctx: &Context) -> Result<Outcome, CliError> {
    let path = args.groups.as_ref().ok_or_else(|| CliError::Usage("--groups is missing".to_owned()))?;
    let groups = read_groups(path, table.design.ncols())?;
    let group_weights = args.group_weights.as_deref().map(read_vector).transpose()?;
    let bar = ctx.progress.spinner("lasso");
    let (mut fits, mut tops, mut scores) = (Vec::new(), Vec::new(), Vec::new());
    for data in table.targets() {
        let within = |e| CliError::from(e).within_any(table.files, &args.y);
        let mut model = GroupLasso::new(1.0, groups.clone())
            .l1_ratio(args.sparse_group_ratio)
            .fit_intercept(!args.no_intercept)
            .standardize(args.standardize)
            .tol(args.tol)
            .max_iter(args.max_iter);
        model.group_weights.clone_from(&group_weights);
        let top = model.alpha_max(data).map_err(within)?;
        model.alpha = args.strength(top);
        let mut observer = progress::observer(&bar, "lasso");
        let fit = model.fit_with(data, FitControl::default().observer(&mut observer)).map_err(within)?;
        scores.push(fit.score(data).map_err(within)?);
        tops.push(top);
        fits.push(fit);
    }
    bar.finish_and_clear();
    lasso::write_fits(args, &fits)?;
    let active = each(fits.iter().map(|f| active_groups(f, &groups)));
    Ok(lasso::outcome(&fits, &tops, &scores).set("active_groups", active))
}

fn active_groups(fit: &FittedLinear<f64>, groups: &[usize]) -> usize {
    let mut active: Vec<usize> = fit.nonzeros().map(|(j, _)| groups[j]).collect();
    active.sort_unstable();
    active.dedup();
    active.len()
}

/// All targets together.
pub(super) fn multitask(args: &Args, table: &Table<'_>, ctx: &Context) -> Result<Outcome, CliError> {
    let within = |e| CliError::from(e).within_any(table.files, &args.y);
    let &Table { design, y, weights, .. } = table;
    let rows = design.nrows();
    let mut data = MultiXy::new(design, y);
    if let Some(w) = weights {
        data = data.sample_weight(w);
    }
    let mut model = MultiTaskLasso::new(1.0)
        .fit_intercept(!args.no_intercept)
        .standardize(args.standardize)
        .tol(args.tol)
        .max_iter(args.max_iter);
    model.penalty_weights = table.penalty_weights.map(<[f64]>::to_vec);
    let top = model.alpha_max(data).map_err(within)?;
    model.alpha = args.strength(top);
    let bar = ctx.progress.spinner("lasso");
    let mut observer = progress::observer(&bar, "lasso");
    let fit = model.fit_with(data, FitControl::default().observer(&mut observer)).map_err(within)?;
    bar.finish_and_clear();
    let prediction = fit.predict(design).map_err(within)?;
    let r2: Vec<f64> =
        y.chunks_exact(rows).zip(prediction.chunks_exact(rows)).map(|(y, f)| r2(y, f, weights)).collect();
    let t = fit.intercept.len();
    let p = fit.coef.len() / t;
    if extension(&args.output) == "spm" {
        file::save(&MultiTaskModel::from(fit.clone()), &args.output)
            .map_err(|e| CliError::from(e).within(&args.output))?;
    } else {
        let row_major =
            (0..p).flat_map(|j| (0..t).map(move |s| (j, s))).map(|(j, s)| fit.coef_of(s)[j]).collect();
        write_array(&args.output, &Array::matrix(p, t, row_major))?;
    }
    Ok(Outcome::new("lasso")
        .status(fit.status())
        .set("alpha", fit.alpha)
        .set("alpha_max", top)
        .set("objective", fit.objective())
        .set("objective_at_zero", fit.objective_at_zero)
        .set("gap", fit.gap())
        .set("nnz", fit.selected().count())
        .set("intercept", fit.intercept.clone())
        .set("r2", r2)
        .set("iterations", fit.report.last.iter)
        .seconds(fit.report.elapsed))
}

/// The coefficient of determination.
fn r2(y: &[f64], prediction: &[f64], weights: Option<&[f64]>) -> f64 {
    let w = |i: usize| weights.map_or(1.0, |w| w[i]);
    let total: f64 = (0..y.len()).map(w).sum();
    let mean = y.iter().enumerate().map(|(i, y)| w(i) * y).sum::<f64>() / total;
    let rest: f64 = (0..y.len()).map(|i| w(i) * (y[i] - prediction[i]).powi(2)).sum();
    let all: f64 = (0..y.len()).map(|i| w(i) * (y[i] - mean).powi(2)).sum();
    match (all > 0.0, rest == 0.0) {
        (true, _) => 1.0 - rest / all,
        (false, exact) => f64::from(u8::from(exact)),
    }
}
