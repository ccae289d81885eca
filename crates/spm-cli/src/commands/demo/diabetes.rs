//! Diabetes: the order in which the measurements enter.

use std::time::Duration;

use serde_json::json;
use sparse_modeling::models::{Design, Fit, Lasso, Score, Xy};

use super::report::{Experiment, Figure};
use super::{data, gap_text, timed};
use crate::error::CliError;
use crate::outcome::number;
use crate::plot::{self, Series};

const STRENGTHS: usize = 60;
const COLORS: [&str; 10] = [
    "#0b6e99", "#d9480f", "#2b8a3e", "#862e9c", "#e67700", "#1864ab", "#c2255c", "#5c940d", "#495057",
    "#087f5b",
];

pub(super) fn run(_seed: u64) -> Result<Experiment, CliError> {
    let table = data::diabetes();
    let (y, features) = table.columns.split_last().expect("the table has columns");
    let x = features.concat();
    let (n, p) = (y.len(), features.len());
    let xy = Xy::new(Design::dense(&x, n, p)?, y);
    let mut time = Duration::ZERO;
    let mut converged = true;
    let top = Lasso::new(1.0).standardize(true).alpha_max(xy)?;
    let mut path = Vec::with_capacity(STRENGTHS);
    for k in 0..STRENGTHS {
        let alpha = top * 10_f64.powf(-3.0 * k as f64 / (STRENGTHS - 1) as f64);
        let fitted = timed(&mut time, || Lasso::new(alpha).standardize(true).tol(1e-10).fit(xy))?;
        converged &= fitted.status().is_converged();
        path.push(fitted);
    }
    let deviation: Vec<f64> = features
        .iter()
        .map(|c| {
            let mean = c.iter().sum::<f64>() / n as f64;
            (c.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n as f64).sqrt()
        })
        .collect();
    let entry: Vec<usize> =
        (0..p).map(|j| path.iter().position(|f| f.coef[j] != 0.0).unwrap_or(STRENGTHS)).collect();
    let mut order: Vec<usize> = (0..p).collect();
    order.sort_by_key(|&j| entry[j]);
    let curves = (0..p).map(|j| {
        let points = path.iter().map(|f| (f.alpha / top, f.coef[j] * deviation[j]));
        Series::line(points, COLORS[j]).label(table.names[j])
    });
    let picture = plot::svg_log_x(
        "Lasso path: effect of one standard deviation of each measurement",
        "alpha / alpha_max",
        "effect on progression",
        curves.collect(),
    );
    let chosen = path.iter().find(|f| f.nnz() >= 4).unwrap_or(&path[STRENGTHS - 1]);
    let r2 = chosen.score(xy)?;
    let names: Vec<&str> = order.iter().map(|&j| table.names[j]).collect();
    let largest = path.iter().map(|f| f.relative_gap()).fold(0.0, f64::max);
    Ok(Experiment {
        id: "diabetes",
        title: "Diabetes: which measurements matter",
        question: format!(
            "{n} patients, {p} measurements, the progression of the disease after a year (Efron et al. 2004). In which order do \
             the measurements become worth their place in the model?"
        ),
        answer: format!(
            "{}, {}, {} enter first; with {} measurements the model already explains {:.0} % of the variance.",
            names[0],
            names[1],
            names[2],
            chosen.nnz(),
            100.0 * r2
        ),
        figures: vec![Figure::svg(
            picture,
            "From right to left the penalty weakens. bmi: body mass index, ltg: log of serum triglycerides, bp: blood pressure.",
        )],
        facts: vec![
            ("order of entry", names.join(", ")),
            ("alpha_max", number(top)),
            ("fits", format!("{STRENGTHS}, largest {}", gap_text(largest))),
        ],
        results: json!({ "n": n, "p": p, "order": names, "alpha_max": top, "r2": r2, "largest_relative_gap": largest }),
        converged,
        seconds: time.as_secs_f64(),
    })
}
