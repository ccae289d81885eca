//! `spm compare`: similarity of two images.

use std::path::PathBuf;
use std::time::Instant;

use sparse_modeling::image::ImageRef;
use sparse_modeling::image::io::AnyImage;
use sparse_modeling::image::metrics::{Ssim, ms_ssim, mse, psnr};
use sparse_modeling::linalg::Scalar;
use sparse_modeling::solvers::Status;

use crate::Context;
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::pixels::read_image;

/// Similarity of two images of one size: mean squared error, PSNR, SSIM.
///
/// Values are taken in [0, 1]. SSIM has a 7 × 7 uniform window and the sample covariance, as scikit-image by default; MS-SSIM
/// needs 176 pixels a side and is null below. Identical images have an infinite PSNR, written as null.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// One image.
    a: PathBuf,
    /// The other.
    b: PathBuf,
}

/// What is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Similarity {
    pub(crate) mse: f64,
    pub(crate) psnr: f64,
    pub(crate) ssim: f64,
    pub(crate) ms_ssim: f64,
}

pub(crate) fn run(args: &Args, _ctx: &Context) -> Result<Outcome, CliError> {
    let (a, _) = read_image(&args.a)?;
    let (b, _) = read_image(&args.b)?;
    let start = Instant::now();
    let found = match (a, b) {
        (AnyImage::Gray(a), AnyImage::Gray(b)) => similarity(a.view(), b.view()),
        (a, b) => similarity(a.into_rgb().view(), b.into_rgb().view()),
    };
    let found = found.map_err(|e| e.within(&args.b))?;
    Ok(Outcome::new("compare")
        .status(Status::Converged)
        .set("mse", found.mse)
        .set("psnr", found.psnr)
        .set("ssim", found.ssim)
        .set("ms_ssim", found.ms_ssim)
        .seconds(start.elapsed()))
}

/// Measures two images with values in `[0, 1]`.
pub(crate) fn similarity<T: Scalar, const C: usize>(
    a: ImageRef<'_, T, C>,
    b: ImageRef<'_, T, C>,
) -> Result<Similarity, CliError> {
    Ok(Similarity {
        mse: mse(a, b)?,
        psnr: psnr(a, b, 1.0)?,
        ssim: Ssim::uniform(1.0).mean(a, b)?,
        ms_ssim: ms_ssim(a, b, 1.0).unwrap_or(f64::NAN),
    })
}
