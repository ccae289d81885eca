//! Defect detection: what is strange about a part, learned from good parts alone.

use std::time::Duration;

use serde_json::json;
use sparse_modeling::image::Gray;
use sparse_modeling::image::inspect::{Inspector, Planes};

use super::report::{Experiment, Figure};
use super::{data, timed};
use crate::commands::inspect::{heat_map, p_text};
use crate::error::CliError;
use crate::pixels::png;

const SIDE: usize = 120;
/// Good parts that are learned from, and others that are judged.
const GOOD: usize = 60;
const OTHERS: usize = 40;

pub(super) fn run(seed: u64) -> Result<Experiment, CliError> {
    let inspector = Inspector::default();
    let preparation = inspector.preparation((SIDE, SIDE), 1)?;
    let ready = |image: &Gray<f64>| -> Result<Planes, CliError> { Ok(preparation.apply(image.view())?) };
    let part = |k: usize| good_part(seed.wrapping_add(1000 + k as u64));
    let good = (0..GOOD).map(|k| ready(&part(k)?)).collect::<Result<Vec<_>, _>>()?;
    let defects: [(&str, Gray<f64>); 3] = [
        ("a scratch", scratch(part(GOOD)?)?),
        ("a stain", stain(part(GOOD + 1)?)?),
        ("a hole that is not drilled", filled(part(GOOD + 2)?)?),
    ];
    let others = (0..OTHERS).map(|k| ready(&part(GOOD + 3 + k)?)).collect::<Result<Vec<_>, _>>()?;
    let bad = defects.iter().map(|(_, image)| ready(image)).collect::<Result<Vec<_>, _>>()?;

    let mut time = Duration::ZERO;
    let model = timed(&mut time, || inspector.train(preparation, &good, &mut |_, _| ()))?;
    let found = timed(&mut time, || model.score(&bad))?;
    let judged = timed(&mut time, || model.score(&others))?;
    let alarms = judged.iter().filter(|f| f.defective).count();
    let caught = found.iter().filter(|f| f.defective).count();

    let show = |image: &Gray<f64>, caption: String| Figure::png(&png(image), 228, caption);
    // A row of pictures, and below it what the model says of each.
    let mut figures = vec![show(&part(GOOD + 3)?, "A good part the model has not seen.".to_owned())];
    figures.extend(defects.iter().map(|(name, image)| show(image, format!("With {name}."))));
    for (planes, finding) in others[..1].iter().chain(&bad).zip(judged[..1].iter().chain(&found)) {
        let place = model.localize(finding, (SIDE, SIDE))?;
        let caption = format!("Score {:.1}, p = {}.", finding.score, p_text(finding.p_value));
        figures.push(Figure::png(&heat_map(planes, &place), 228, caption));
    }
    let threshold = model.threshold();
    Ok(Experiment {
        id: "parts",
        title: "Good parts only",
        question: format!(
            "{GOOD} pictures of good parts, none of a defect. A model of the patch at every place says how strange another part is there; \
             how strange is too strange follows from good parts the model has not seen."
        ),
        answer: format!(
            "{caught} of {} kinds of defect are found and shown; of {OTHERS} other good parts {alarms} are called defective, where {:.0} % \
             were allowed.",
            defects.len(),
            100.0 * threshold.false_alarm
        ),
        figures,
        facts: vec![
            ("threshold of the score", format!("{:.2}", threshold.value)),
            (
                "scores",
                found
                    .iter()
                    .zip(&defects)
                    .map(|(f, d)| format!("{} {:.1}", d.0, f.score))
                    .collect::<Vec<_>>()
                    .join(", "),
            ),
            ("false alarms", format!("{alarms} of {OTHERS}")),
        ],
        results: json!({
            "good": GOOD, "threshold": threshold.value, "false_alarms": alarms, "others": OTHERS,
            "scores": found.iter().map(|f| f.score).collect::<Vec<_>>(),
            "p_values": found.iter().map(|f| f.p_value).collect::<Vec<_>>(),
        }),
        converged: true,
        seconds: time.as_secs_f64(),
    })
}

/// Drilled holes: row, column and radius.
const HOLES: [(f64, f64, f64); 5] =
    [(24.0, 24.0, 8.0), (24.0, 96.0, 8.0), (96.0, 24.0, 8.0), (96.0, 96.0, 8.0), (60.0, 60.0, 17.0)];

/// A brushed plate with five holes, each with other brightness, brush marks and noise.
fn good_part(seed: u64) -> Result<Gray<f64>, CliError> {
    let noise = data::noise(SIDE * SIDE + SIDE + 1, seed);
    let (pixels, rest) = noise.split_at(SIDE * SIDE);
    let brightness = 1.0 + 0.04 * rest[SIDE];
    let value = |k: usize| {
        let (i, j) = ((k / SIDE) as f64, (k % SIDE) as f64);
        // Negative inside of a hole, in pixels.
        let edge = HOLES.iter().map(|h| (i - h.0).hypot(j - h.1) - h.2).fold(f64::INFINITY, f64::min);
        let plate = 0.62 + 0.06 * ((i + 0.4 * j) / 60.0).sin() + 0.012 * rest[k / SIDE];
        let inside = (0.5 - edge).clamp(0.0, 1.0);
        let chamfer = 0.12 * (-(edge - 1.5).powi(2) / 2.0).exp();
        brightness * (plate * (1.0 - inside) + 0.16 * inside + chamfer) + 0.02 * pixels[k]
    };
    Ok(Gray::new(SIDE, SIDE, (0..SIDE * SIDE).map(value).collect())?)
}

fn changed(part: Gray<f64>, change: impl Fn(f64, f64, f64) -> f64) -> Result<Gray<f64>, CliError> {
    let data = part.data().iter().enumerate();
    let data = data.map(|(k, &v)| change((k / SIDE) as f64, (k % SIDE) as f64, v)).collect();
    Ok(Gray::new(SIDE, SIDE, data)?)
}

/// A bright line a pixel wide.
fn scratch(part: Gray<f64>) -> Result<Gray<f64>, CliError> {
    changed(part, |i, j, v| {
        let (along, beside) = ((i - 36.0) * 0.6 + (j - 70.0) * 0.8, (j - 70.0) * 0.6 - (i - 36.0) * 0.8);
        if (0.0..28.0).contains(&along) { v + 0.14 * (-beside * beside).exp() } else { v }
    })
}

/// A faint dark spot.
fn stain(part: Gray<f64>) -> Result<Gray<f64>, CliError> {
    changed(part, |i, j, v| v * (1.0 - 0.14 * (-((i - 84.0).powi(2) + (j - 60.0).powi(2)) / 40.0).exp()))
}

/// The plate where the second hole should be.
fn filled(part: Gray<f64>) -> Result<Gray<f64>, CliError> {
    let (row, column, radius) = HOLES[1];
    let source = part.clone();
    changed(part, |i, j, v| {
        if (i - row).hypot(j - column) < radius + 4.0 {
            source.data()[i as usize * SIDE + (j as usize - 30)]
        } else {
            v
        }
    })
}
