//! Fused lasso and trend filtering of noisy signals, and the sine experiment.

use std::time::Duration;

use serde_json::{Value, json};
use sparse_modeling::timeseries::{FusedLasso, Series as Signal, TrendFilter};

use super::report::{Experiment, Figure};
use super::{data, gap_text, timed};
use crate::error::CliError;
use crate::outcome::number;
use crate::plot::{self, Series};

const N: usize = 400;
const NAMES: [&str; 3] =
    ["piecewise constant (order 0)", "piecewise linear (order 1)", "piecewise quadratic (order 2)"];
const COLORS: [&str; 3] = ["#d9480f", "#0b6e99", "#2b8a3e"];
/// Strengths tried for the sine, as powers of ten.
const GRID: [f64; 25] = {
    let mut g = [0.0; 25];
    let mut k = 0;
    while k < 25 {
        g[k] = -1.0 + 0.25 * k as f64;
        k += 1;
    }
    g
};

pub(super) fn run(seed: u64) -> Result<Experiment, CliError> {
    let mut time = Duration::ZERO;
    let noise =
        |k: u64, s: f64| -> Vec<f64> { data::noise(N, seed.wrapping_add(k)).iter().map(|e| s * e).collect() };
    let add = |a: &[f64], e: &[f64]| -> Vec<f64> { a.iter().zip(e).map(|(a, e)| a + e).collect() };

    let steps = data::steps(N);
    let y = add(&steps, &noise(28, 0.4));
    let fused = timed(&mut time, || FusedLasso::new(3.0).fit(Signal::new(&y)))?;
    let ramps = data::ramps(N);
    let z = add(&ramps, &noise(29, 0.3));
    let trend = timed(&mut time, || TrendFilter::new(1, 60.0).fit(Signal::new(&z)))?;

    // The sine: each order at the strength that serves it best, measured against the truth.
    let sine = data::sine(N);
    let s = add(&sine, &noise(31, 0.3));
    let mut best: Vec<(f64, f64, Vec<f64>)> = Vec::new();
    let mut converged = fused.status().is_converged() && trend.status().is_converged();
    let mut largest_gap = relative(fused.certificate().gap(), fused.objective())
        .max(relative(trend.certificate().gap(), trend.objective()));
    for order in 0..3 {
        let mut winner = (f64::INFINITY, 0.0, Vec::new());
        for power in GRID {
            let lambda = 10_f64.powf(power);
            let fit = timed(&mut time, || TrendFilter::new(order, lambda).fit(Signal::new(&s)))?;
            converged &= fit.status().is_converged();
            largest_gap = largest_gap.max(relative(fit.certificate().gap(), fit.objective()));
            let error = rmse(fit.x(), &sine);
            if error < winner.0 {
                winner = (error, lambda, fit.into_x());
            }
        }
        best.push(winner);
    }

    let points =
        |v: &[f64]| -> Vec<(f64, f64)> { v.iter().enumerate().map(|(i, &v)| (i as f64, v)).collect() };
    let draw = |title: &str, data: &[f64], truth: &[f64], fits: Vec<Series>| {
        let mut all = vec![
            Series::dots(points(data), "#b4bec8", 2.0).label("data"),
            Series::dashed(points(truth), "#1d2733").label("truth"),
        ];
        all.extend(fits);
        plot::svg(title, "sample", "value", all)
    };
    let figures = vec![
        Figure::svg(
            draw(
                "Fused lasso",
                &y,
                &steps,
                vec![Series::line(points(fused.x()), COLORS[0]).label("fused lasso")],
            ),
            format!(
                "{} segments; inside a segment all values are the same number, bit for bit.",
                fused.segments().len()
            ),
        ),
        Figure::svg(
            draw(
                "Trend filtering, order 1",
                &z,
                &ramps,
                vec![Series::line(points(trend.x()), COLORS[1]).label("trend")],
            ),
            format!("{} straight pieces.", trend.n_segments()),
        ),
        Figure::svg(
            draw(
                "A noisy sine by trend filtering of order 0, 1 and 2",
                &s,
                &sine,
                (0..3).map(|k| Series::line(points(&best[k].2), COLORS[k]).label(NAMES[k])).collect(),
            ),
            "Each at the strength that comes closest to the truth, to compare the models and not the choice of strength.",
        ),
    ];
    let sine_errors: Vec<Value> =
        best.iter().enumerate().map(|(k, b)| json!({ "order": k, "lambda": b.1, "rmse": b.0 })).collect();
    Ok(Experiment {
        id: "signals",
        title: "Steps, ramps and a sine",
        question: "What changes: the level, the slope, or the curvature? The fused lasso looks for few jumps, trend filtering of \
                   order 1 for few kinks, of order 2 for few changes of curvature."
            .to_owned(),
        answer: format!(
            "The right model follows the signal: on the sine the error is {:.3} with constant, {:.3} with linear and {:.3} with \
             quadratic pieces, from noise of 0.3.",
            best[0].0, best[1].0, best[2].0
        ),
        figures,
        facts: vec![
            ("fused lasso", format!("error {:.3} (noise 0.4), {}", rmse(fused.x(), &steps), gap_text(relative(fused.certificate().gap(), fused.objective())))),
            ("trend, order 1", format!("error {:.3} (noise 0.3), {}", rmse(trend.x(), &ramps), gap_text(relative(trend.certificate().gap(), trend.objective())))),
            ("sine, strengths", best.iter().map(|b| number(b.1)).collect::<Vec<_>>().join(", ")),
            ("all fits", gap_text(largest_gap)),
        ],
        results: json!({
            "n": N,
            "fused": { "segments": fused.segments().len(), "rmse": rmse(fused.x(), &steps) },
            "trend": { "segments": trend.n_segments(), "rmse": rmse(trend.x(), &ramps) },
            "sine": sine_errors,
            "largest_relative_gap": largest_gap,
        }),
        converged,
        seconds: time.as_secs_f64(),
    })
}

fn rmse(a: &[f64], b: &[f64]) -> f64 {
    (a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
}

fn relative(gap: f64, objective: f64) -> f64 {
    if objective > 0.0 { gap / objective } else { gap }
}
