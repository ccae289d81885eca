//! The Nile: a change of level, and when.

use std::time::Duration;

use serde_json::json;
use sparse_modeling::timeseries::{FusedLasso, Series as Signal, TrendFilter};

use super::report::{Experiment, Figure};
use super::{data, gap_text, timed};
use crate::error::CliError;
use crate::outcome::number;
use crate::plot::{self, Series};

/// Share of the lambda at which the series becomes one level.
const RATIO: f64 = 0.5;

pub(super) fn run(_seed: u64) -> Result<Experiment, CliError> {
    let table = data::nile();
    let (years, flow) = (&table.columns[0], &table.columns[1]);
    let mut time = Duration::ZERO;
    let most = FusedLasso::new(0.0).fit(Signal::new(flow))?.lambda_max();
    let fused = timed(&mut time, || FusedLasso::new(RATIO * most).fit(Signal::new(flow)))?;
    let mut gaps = flow.clone();
    gaps[60..66].fill(f64::NAN);
    let trend = timed(&mut time, || TrendFilter::new(1, 2e4).fit(Signal::new(&gaps).positions(years)))?;
    let segments = fused.segments();
    let changes: Vec<i64> = segments.iter().skip(1).map(|s| years[s.range.start] as i64).collect();
    let at = |v: &[f64]| -> Vec<(f64, f64)> { years.iter().zip(v).map(|(&t, &v)| (t, v)).collect() };
    let picture = plot::svg(
        "Flow of the Nile at Aswan",
        "year",
        "10⁸ m³ a year",
        vec![
            Series::dots(at(&gaps), "#8d99a5", 3.0).label("flow"),
            Series::line(at(fused.x()), "#d9480f").label("fused lasso"),
            Series::line(at(trend.x()), "#0b6e99").label("trend, order 1, 1931–1936 left out"),
        ],
    );
    let years_text = changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    Ok(Experiment {
        id: "nile",
        title: "The Nile: when did it change",
        question: "A hundred yearly flows, 1871 to 1970. Did the level change, and when? The trend is fitted with six years left \
                   out, to show that gaps are ordinary input."
            .to_owned(),
        answer: format!("The fused lasso sees {} levels; the new one begins in {years_text}.", segments.len()),
        figures: vec![Figure::svg(picture, "A drop about 1899 is well known in these data (Cobb 1978).")],
        facts: vec![
            ("levels", segments.iter().map(|s| number(s.value)).collect::<Vec<_>>().join(", ")),
            ("lambda", format!("{} ({RATIO} of lambda_max)", number(fused.lambda()))),
            ("fused lasso", gap_text(fused.certificate().relative_gap(fused.objective()))),
            ("trend", gap_text(trend.certificate().relative_gap(trend.objective()))),
        ],
        results: json!({
            "changes": changes,
            "levels": segments.iter().map(|s| s.value).collect::<Vec<f64>>(),
            "gap": { "fused": fused.certificate().gap(), "trend": trend.certificate().gap() },
        }),
        converged: fused.status().is_converged() && trend.status().is_converged(),
        seconds: time.as_secs_f64(),
    })
}
