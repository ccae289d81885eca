//! `spm denoise`: image denoising.

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::ValueEnum;
use sparse_modeling::image::io::{AnyImage, Picture};
use sparse_modeling::image::tv::{Coupling, TvDenoise, TvDenoised, TvDiscrepancy};
use sparse_modeling::image::{Image, ImageRef};
use sparse_modeling::solvers;

use super::compare::{Similarity, similarity};
use crate::Context;
use crate::args::{count, non_negative, positive};
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::pixels::{read_image, read_picture, write_picture};

/// Remove noise from an image by total variation, with a duality gap.
///
/// Minimises ½·Σ(bᵢ − xᵢ)² + weight·TV(x) with values in [0, 1].
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("strength").required(true))]
pub(crate) struct Args {
    /// The noisy image.
    input: PathBuf,
    /// Where the result goes; .npy gets the unclamped floats.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How.
    #[arg(long, value_enum, default_value = "tv")]
    method: Method,
    /// Standard deviation of the noise in grey levels, 0–255; the weight is chosen so that exactly that much is removed.
    #[arg(long, group = "strength", value_parser = non_negative, allow_negative_numbers = true)]
    sigma: Option<f64>,
    /// Weight of the total variation, for values in [0, 1].
    #[arg(long, group = "strength", value_parser = non_negative, allow_negative_numbers = true)]
    weight: Option<f64>,
    /// Penalise vertical and horizontal differences separately.
    #[arg(long)]
    anisotropic: bool,
    /// Duality gap at which to stop, relative to the objective.
    #[arg(long, default_value_t = 1e-4, value_parser = positive)]
    tol: f64,
    /// Most iterations.
    #[arg(long, default_value_t = 10_000, value_parser = count)]
    max_iter: usize,
    /// The clean image, to report PSNR and SSIM.
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Method {
    Tv,
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    let Method::Tv = args.method;
    let picture = read_picture(&args.input)?;
    let reference = args.reference.as_deref().map(read_image).transpose()?.map(|(r, _)| r);
    match &picture.image {
        AnyImage::Gray(g) => {
            let reference = reference.map(AnyImage::into_gray);
            denoise(args, ctx, g.view(), &picture, reference, Coupling::Isotropic)
        }
        AnyImage::Rgb(c) => {
            let reference = reference.map(AnyImage::into_rgb);
            denoise(args, ctx, c.view(), &picture, reference, Coupling::Vectorial)
        }
    }
}

fn denoise<const C: usize>(
    args: &Args,
    ctx: &Context,
    image: ImageRef<'_, f64, C>,
    picture: &Picture,
    reference: Option<Image<f64, C>>,
    coupling: Coupling,
) -> Result<Outcome, CliError> {
    let coupling = if args.anisotropic { Coupling::Anisotropic } else { coupling };
    let spinner = ctx.progress.spinner("denoise");
    let mut observer = |p: &solvers::Progress<f64>| {
        spinner.set_message(format!("denoise: iteration {}", p.iter));
        ControlFlow::Continue(())
    };
    let result: TvDenoised<f64, C> = match (args.sigma, args.weight) {
        (Some(sigma), _) => TvDiscrepancy::new(sigma / 255.0)
            .coupling(coupling)
            .tol(args.tol)
            .max_iter(args.max_iter)
            .denoise_with(image, &mut observer),
        (None, weight) => TvDenoise::new(weight.unwrap_or(0.0))
            .coupling(coupling)
            .tol(args.tol)
            .max_iter(args.max_iter)
            .denoise_with(image, &mut observer),
    }
    .map_err(|e| CliError::from(e).within(&args.input))?;
    spinner.finish_and_clear();
    let quality = match (&reference, &args.reference) {
        (Some(clean), Some(path)) => {
            let clamped = result.image.clone().clamped();
            Some(similarity(clean.view(), clamped.view()).map_err(|e| e.within(path))?)
        }
        _ => None,
    };
    write_picture(&args.output, result.image.view(), picture)?;
    let outcome = Outcome::new("denoise")
        .status(result.status())
        .set("weight", result.lambda)
        .set("objective", result.certificate.primal)
        .set("gap", result.certificate.gap())
        .set("iterations", result.iterations())
        .seconds(result.report.elapsed);
    Ok(match quality {
        Some(Similarity { psnr, ssim, .. }) => outcome.set("psnr", psnr).set("ssim", ssim),
        None => outcome,
    })
}
