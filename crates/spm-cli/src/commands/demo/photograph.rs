//! Total variation denoising of a photograph.

use std::time::Duration;

use serde_json::json;
use sparse_modeling::image::Gray;
use sparse_modeling::image::tv::{Coupling, TvSure};

use super::report::{Experiment, Figure};
use super::{data, timed};
use crate::commands::compare::similarity;
use crate::error::CliError;
use crate::outcome::number;
use crate::pixels::{decode_gray, png};

/// Noise in grey levels.
const SIGMA: f64 = 25.0;

pub(super) fn run(seed: u64) -> Result<Experiment, CliError> {
    let clean = decode_gray(data::PHOTOGRAPH);
    let (h, w) = clean.size();
    let noise = data::noise(h * w, seed.wrapping_add(25));
    let noisy: Vec<f64> = clean.data().iter().zip(&noise).map(|(c, e)| c + SIGMA / 255.0 * e).collect();
    let noisy = Gray::new(h, w, noisy)?;
    let mut time = Duration::ZERO;
    let chosen = |coupling| TvSure::new(SIGMA / 255.0).coupling(coupling).denoise(noisy.view());
    let iso = timed(&mut time, || chosen(Coupling::Isotropic))?.result;
    let aniso = timed(&mut time, || chosen(Coupling::Anisotropic))?.result;
    let before = similarity(clean.view(), noisy.view())?;
    let after = similarity(clean.view(), iso.image.view())?;
    let other = similarity(clean.view(), aniso.image.view())?;
    let show = |image: &Gray<f64>, caption: String| Figure::png(&png(image), 308, caption);
    Ok(Experiment {
        id: "photograph",
        title: "Noise off a photograph",
        question: format!(
            "Noise of standard deviation {SIGMA} grey levels on a photograph. Total variation keeps edges and takes small \
             fluctuations away; the strength is the one of the least error as Stein's rule estimates it from the noisy photograph alone."
        ),
        answer: format!(
            "PSNR rises from {:.2} to {:.2} dB, SSIM from {:.3} to {:.3}; the result is certified to a relative gap of {:.0e}.",
            before.psnr,
            after.psnr,
            before.ssim,
            after.ssim,
            iso.relative_gap()
        ),
        figures: vec![
            show(&clean, "The photograph.".to_owned()),
            show(&noisy, format!("With noise: {:.2} dB.", before.psnr)),
            show(&iso.image, format!("Isotropic total variation: {:.2} dB.", after.psnr)),
        ],
        facts: vec![
            (
                "weight found",
                format!("{} isotropic, {} anisotropic", number(iso.lambda), number(aniso.lambda)),
            ),
            (
                "relative gap",
                format!("{:.1e} isotropic, {:.1e} anisotropic", iso.relative_gap(), aniso.relative_gap()),
            ),
            ("iterations", format!("{} and {}", iso.iterations(), aniso.iterations())),
            ("anisotropic", format!("{:.2} dB, SSIM {:.3}", other.psnr, other.ssim)),
        ],
        results: json!({
            "sigma": SIGMA,
            "psnr": { "noisy": before.psnr, "isotropic": after.psnr, "anisotropic": other.psnr },
            "ssim": { "noisy": before.ssim, "isotropic": after.ssim, "anisotropic": other.ssim },
            "weight": { "isotropic": iso.lambda, "anisotropic": aniso.lambda },
            "relative_gap": { "isotropic": iso.relative_gap(), "anisotropic": aniso.relative_gap() },
        }),
        converged: iso.status().is_converged() && aniso.status().is_converged(),
        seconds: time.as_secs_f64(),
    })
}
