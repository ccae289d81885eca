//! Inpainting: a photograph of which half of the pixels are missing.

use std::time::Duration;

use serde_json::json;
use sparse_modeling::image::Gray;
use sparse_modeling::image::inpaint::{KsvdInpaint, fill_smoothly};

use super::report::{Experiment, Figure};
use super::{data, timed};
use crate::commands::compare::similarity;
use crate::error::CliError;
use crate::pixels::{decode_gray, png};

/// The part of the photograph that is used: row, column, side.
const VIEW: (usize, usize, usize) = (60, 130, 192);
/// Share of the pixels that are missing.
const MISSING: f64 = 0.5;

pub(super) fn run(seed: u64) -> Result<Experiment, CliError> {
    let photograph = decode_gray(data::PHOTOGRAPH);
    let (top, left, side) = VIEW;
    let pixel = |k: usize| photograph.data()[(top + k / side) * photograph.width() + left + k % side];
    let clean = Gray::new(side, side, (0..side * side).map(pixel).collect())?;
    let missing: Vec<bool> =
        data::uniform(side * side, seed.wrapping_add(50)).into_iter().map(|u| u < MISSING).collect();
    let kept = |k: usize| if missing[k] { 0.0 } else { clean.data()[k] };
    let holes = Gray::new(side, side, (0..side * side).map(kept).collect())?;
    let mut time = Duration::ZERO;
    let smooth = timed(&mut time, || fill_smoothly(holes.view(), &missing))?;
    let learned = timed(&mut time, || KsvdInpaint::new().run(holes.view(), &missing))?;
    let before = similarity(clean.view(), smooth.view())?;
    let after = similarity(clean.view(), learned.image.view())?;
    let show = |image: &Gray<f64>, caption: String| Figure::png(&png(image), 308, caption);
    Ok(Experiment {
        id: "holes",
        title: "Half of a photograph",
        question: format!(
            "{:.0} % of the pixels of a photograph are lost. Patches of the rest are written with few atoms, learned from the same \
             damaged photograph; the atoms say what belongs in the gaps.",
            100.0 * MISSING
        ),
        answer: format!(
            "The dictionary restores the photograph at {:.2} dB and SSIM {:.3}; a smooth surface through the known pixels reaches \
             {:.2} dB and {:.3}. The given pixels keep their bits.",
            after.psnr, after.ssim, before.psnr, before.ssim
        ),
        figures: vec![
            show(&holes, "What is left; missing pixels in black.".to_owned()),
            show(&learned.image, format!("Filled by the dictionary: {:.2} dB.", after.psnr)),
            show(&clean, "The photograph.".to_owned()),
        ],
        facts: vec![
            ("missing pixels", missing.iter().filter(|&&m| m).count().to_string()),
            ("smooth surface", format!("{:.2} dB, SSIM {:.3}", before.psnr, before.ssim)),
            ("learned dictionary", format!("{:.2} dB, SSIM {:.3}", after.psnr, after.ssim)),
        ],
        results: json!({
            "missing": MISSING,
            "psnr": { "smooth": before.psnr, "dictionary": after.psnr },
            "ssim": { "smooth": before.ssim, "dictionary": after.ssim },
        }),
        converged: learned.status.is_converged(),
        seconds: time.as_secs_f64(),
    })
}
