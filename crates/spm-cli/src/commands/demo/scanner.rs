//! Compressed-sensing MRI: the phantom from a few radial lines of its spectrum.

use std::time::Duration;

use serde_json::json;
use sparse_modeling::image::Gray;
use sparse_modeling::image::mri::{Complex, KSpace, Mri, fft_shift, mask, phantom};

use super::report::{Experiment, Figure};
use super::timed;
use crate::error::CliError;
use crate::pixels::png;

const SIDE: usize = 128;
const LINES: usize = 22;

pub(super) fn run(_seed: u64) -> Result<Experiment, CliError> {
    let size = (SIDE, SIDE);
    let truth = phantom(SIDE)?;
    let measured = mask::radial(size, LINES)?;
    let kspace = KSpace::measure(size, measured.clone(), &truth, vec![])?;
    let zero_filled = kspace.zero_filled();
    let mut time = Duration::ZERO;
    let found = timed(&mut time, || Mri::new(0.0).real(true).tol(1e-6).reconstruct(&kspace))?;
    let share = 100.0 * measured.iter().filter(|&&m| m).count() as f64 / measured.len() as f64;
    let (before, after) = (relative_error(&zero_filled, &truth), relative_error(&found.image, &truth));
    let shifted = fft_shift(&measured, size).into_iter().map(|m| f64::from(u8::from(m))).collect();
    let show = |image: &Gray<f64>, caption: String| Figure::png(&png(image), 308, caption);
    let magnitude = |x: &[Complex]| Gray::new(SIDE, SIDE, x.iter().map(|v| v.norm()).collect());
    Ok(Experiment {
        id: "scanner",
        title: "A scan in a fraction of the time",
        question: format!(
            "A magnetic resonance scanner measures the image's spectrum, line by line. Here are {LINES} lines, {share:.1} % of it. Among \
             all images that agree with them, which has the least total variation?"
        ),
        answer: format!(
            "The image comes back with a relative error of {after:.0e}; with zeros for what is not measured the error is {before:.2}."
        ),
        figures: vec![
            show(&Gray::new(SIDE, SIDE, shifted)?, format!("Where the spectrum is measured: {share:.1} %.")),
            show(&magnitude(&zero_filled)?, "Zeros for the rest.".to_owned()),
            show(&found.magnitude(), "Least total variation.".to_owned()),
        ],
        facts: vec![
            ("measured", format!("{share:.1} % of {} coefficients", SIDE * SIDE)),
            ("relative error", format!("{before:.2} with zeros, {after:.1e} by total variation")),
            ("relative gap", format!("{:.1e} after {} iterations", found.relative_gap(), found.iterations())),
        ],
        results: json!({
            "side": SIDE, "lines": LINES, "measured_percent": share,
            "relative_error": { "zero_filled": before, "total_variation": after },
            "relative_gap": found.relative_gap(), "iterations": found.iterations(),
        }),
        converged: found.status().is_converged(),
        seconds: time.as_secs_f64(),
    })
}

fn relative_error(x: &[Complex], truth: &[Complex]) -> f64 {
    let wrong: f64 = x.iter().zip(truth).map(|(a, b)| (a - b).norm_sqr()).sum();
    (wrong / truth.iter().map(|v| v.norm_sqr()).sum::<f64>()).sqrt()
}
