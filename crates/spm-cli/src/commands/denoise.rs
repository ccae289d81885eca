//! `spm denoise`: image denoising.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueEnum;
use sparse_modeling::image::denoise_ksvd::KsvdDenoise;
use sparse_modeling::image::dictionary::dictionary_picture;
use sparse_modeling::image::io::{AnyImage, Picture};
use sparse_modeling::image::tv::{
    Coupling, Fidelity, Tgv, TvDeblur, TvDenoise, TvDenoised, TvDiscrepancy, TvRestore, TvSelfSupervised,
    TvSure,
};
use sparse_modeling::image::{Gray, Image, ImageError, ImageRef, estimate_sigma};
use sparse_modeling::linalg::Scalar;
use sparse_modeling::solvers;

use super::compare::{Similarity, similarity};
use crate::Context;
use crate::args::{count, non_negative, positive};
use crate::error::CliError;
use crate::io::read_array;
use crate::outcome::Outcome;
use crate::pixels::{read_image, read_picture, write_image, write_picture};

/// Remove noise from an image by total variation, with a duality gap, or by a dictionary learned from the image.
///
/// `tv` minimises ½·Σ(bᵢ − xᵢ)² + weight·TV(x) with values in [0, 1]; without --weight it chooses the weight by the noise level.
/// `tgv` adds slopes to what costs nothing: no stairs on shaded surfaces; its weight is chosen as for `tv`.
/// `ksvd` codes every patch with few atoms of a dictionary that is trained on the noisy image (Elad and Aharon 2006) and boosts
/// the result. Without --sigma the noise is estimated from the image.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("strength"))]
pub(crate) struct Args {
    /// The noisy image.
    input: PathBuf,
    /// Where the result goes; .npy gets the unclamped floats.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How.
    #[arg(long, value_enum, default_value = "tv")]
    method: Method,
    /// Standard deviation of the noise in grey levels, 0–255; estimated from the image by default.
    #[arg(long, group = "strength", value_parser = non_negative, allow_negative_numbers = true)]
    sigma: Option<f64>,
    /// Weight of the total variation, for values in [0, 1].
    #[arg(long, group = "strength", value_parser = non_negative, allow_negative_numbers = true)]
    weight: Option<f64>,
    /// Estimate the noise from the image: what happens without --sigma and --weight, said aloud.
    #[arg(long, group = "strength")]
    auto: bool,
    /// How the weight of the total variation follows from the noise level.
    #[arg(long, value_enum, default_value = "sure", conflicts_with = "weight")]
    choose: Choose,
    /// How the distance from the data is measured; other than squared needs --weight.
    #[arg(long, value_enum, default_value = "squared")]
    loss: Loss,
    /// Where the Huber loss becomes linear, in grey levels.
    #[arg(long, default_value_t = 10.0, value_parser = positive)]
    delta: f64,
    /// The image is also blurred by this kernel (.npy, circular, centre in the middle); needs --weight.
    #[arg(long, value_name = "FILE", requires = "weight")]
    blur: Option<PathBuf>,
    /// Penalise vertical and horizontal differences separately.
    #[arg(long)]
    anisotropic: bool,
    /// Duality gap at which to stop, relative to the objective.
    #[arg(long, default_value_t = 1e-4, value_parser = positive)]
    tol: f64,
    /// Most iterations.
    #[arg(long, default_value_t = 10_000, value_parser = count)]
    max_iter: usize,
    /// K-SVD as published in 2006, without what has been found since.
    #[arg(long)]
    paper: bool,
    /// Where the dictionary of K-SVD goes: a picture of its atoms (grey images only).
    #[arg(long, value_name = "FILE")]
    dictionary: Option<PathBuf>,
    /// The clean image, to report PSNR and SSIM.
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Loss {
    /// ½(x − b)².
    Squared,
    /// |x − b|: outliers.
    Absolute,
    /// Squared near 0, linear beyond --delta.
    Huber,
    /// Kullback-Leibler divergence: counts.
    Poisson,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Choose {
    /// The least error, by Stein's unbiased estimate.
    Sure,
    /// As much is removed as there is noise (Morozov): smoother.
    Discrepancy,
    /// Pixels left out are predicted best (J-invariance): asks for no noise level, the noise need not be Gaussian.
    Prediction,
}

impl Choose {
    /// The rule in words.
    fn why(self) -> &'static str {
        match self {
            Self::Sure => "the least squared error as estimated by Stein's rule",
            Self::Discrepancy => "exactly the noise is removed (discrepancy principle)",
            Self::Prediction => "pixels left out are predicted best (J-invariance)",
        }
    }
}

/// A result, and how its weight was chosen.
struct Found<const C: usize> {
    result: TvDenoised<f64, C>,
    chosen: Option<Chosen>,
}

struct Chosen {
    /// Noise in grey levels, and whether it was estimated; none if the rule does without.
    sigma: Option<(f64, bool)>,
    /// The estimated mean squared error.
    error: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Method {
    /// Total variation.
    Tv,
    /// Total generalised variation of second order.
    Tgv,
    /// Sparse coding in a learned dictionary.
    Ksvd,
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    if args.method == Method::Ksvd {
        if args.weight.is_some() {
            return Err(CliError::Usage("--weight is for --method tv and tgv".to_owned()));
        }
        if args.loss != Loss::Squared {
            return Err(CliError::Usage("--loss is for --method tv".to_owned()));
        }
        return ksvd(args, ctx);
    }
    if args.choose == Choose::Prediction && args.sigma.is_some() {
        return Err(CliError::Usage("--choose prediction does without --sigma".to_owned()));
    }
    if args.weight.is_none() && args.loss != Loss::Squared {
        return Err(CliError::Usage("--loss other than squared needs --weight".to_owned()));
    }
    let plain = args.loss == Loss::Squared && args.blur.is_none() && !args.anisotropic;
    if args.method == Method::Tgv && !plain {
        return Err(CliError::Usage("--loss, --blur and --anisotropic are for --method tv".to_owned()));
    }
    if args.blur.is_some() && args.loss != Loss::Squared {
        return Err(CliError::Usage("--blur goes with the squared loss only".to_owned()));
    }
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

/// Single precision: twice as fast, half the memory, and no difference to see.
fn ksvd(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    let picture = read_picture::<f32>(&args.input)?;
    let reference = args.reference.as_deref().map(read_picture::<f32>).transpose()?.map(|p| p.image);
    match &picture.image {
        AnyImage::Gray(g) => learn(args, ctx, g.view(), &picture, reference.map(AnyImage::into_gray)),
        AnyImage::Rgb(c) => learn(args, ctx, c.view(), &picture, reference.map(AnyImage::into_rgb)),
    }
}

fn learn<const C: usize>(
    args: &Args,
    ctx: &Context,
    image: ImageRef<'_, f32, C>,
    picture: &Picture<f32>,
    reference: Option<Image<f32, C>>,
) -> Result<Outcome, CliError> {
    if args.dictionary.is_some() && C != 1 {
        return Err(CliError::Usage("--dictionary needs a grey image".to_owned()));
    }
    let mut options = if args.paper { KsvdDenoise::paper() } else { KsvdDenoise::new() };
    options.sigma = args.sigma.map(|s| (s / 255.0) as f32);
    let bar = ctx.progress.spinner("denoise");
    let start = Instant::now();
    let result = options
        .run_watched(image, &mut |step| {
            bar.set_message(format!("{} {}/{}", step.what, step.done, step.total));
            ControlFlow::Continue(())
        })
        .map_err(|e| CliError::from(e).within(&args.input))?;
    let elapsed = start.elapsed();
    bar.finish_and_clear();
    let quality = quality(&result.image, reference.as_ref(), args.reference.as_deref())?;
    write_picture(&args.output, result.image.view(), picture)?;
    if let (Some(path), Some(d)) = (&args.dictionary, &result.dictionary) {
        write_image(
            path,
            dictionary_picture(d.as_dense(), (options.patch, options.patch))?.view(),
            picture.depth,
        )?;
    }
    let outcome = Outcome::new("denoise")
        .status(result.status)
        .set("method", "ksvd")
        .set("sigma", f64::from(result.sigma) * 255.0)
        .set("atoms", result.dictionary.map_or(0, |d| d.n_atoms()))
        .seconds(elapsed);
    Ok(with_quality(outcome, quality))
}

/// The similarity to a reference, if there is one, as the file will show it.
pub(crate) fn quality<T: Scalar, const C: usize>(
    image: &Image<T, C>,
    reference: Option<&Image<T, C>>,
    path: Option<&Path>,
) -> Result<Option<Similarity>, CliError> {
    let (Some(clean), Some(path)) = (reference, path) else { return Ok(None) };
    let clamped = image.clone().clamped();
    Ok(Some(similarity(clean.view(), clamped.view()).map_err(|e| e.within(path))?))
}

/// The outcome with PSNR and SSIM, if known.
pub(crate) fn with_quality(outcome: Outcome, quality: Option<Similarity>) -> Outcome {
    match quality {
        Some(Similarity { psnr, ssim, .. }) => outcome.set("psnr", psnr).set("ssim", ssim),
        None => outcome,
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
    let start = Instant::now();
    let found = solve(args, ctx.seed, image, coupling, &mut observer)?;
    let elapsed = start.elapsed();
    let result = found.result;
    spinner.finish_and_clear();
    let quality = quality(&result.image, reference.as_ref(), args.reference.as_deref())?;
    write_picture(&args.output, result.image.view(), picture)?;
    let outcome = Outcome::new("denoise")
        .status(result.status())
        .set("weight", result.lambda)
        .set("objective", result.certificate.primal)
        .set("gap", result.certificate.gap())
        .set("iterations", result.iterations())
        .seconds(elapsed);
    let outcome = match found.chosen {
        None => outcome,
        Some(Chosen { sigma, error }) => {
            let name = args.choose.to_possible_value().map_or_else(String::new, |v| v.get_name().to_owned());
            let outcome = match sigma {
                Some((sigma, estimated)) => {
                    let origin = if estimated { "estimated from the image" } else { "as given" };
                    outcome.set_shown("sigma", sigma, vec![format!("{sigma:.2} grey levels, {origin}")])
                }
                None => outcome,
            };
            let outcome = outcome.set_shown("chosen_by", name, vec![args.choose.why().to_owned()]);
            match error {
                Some(error) => outcome.set("estimated_mse", error),
                None => outcome,
            }
        }
    };
    Ok(with_quality(outcome, quality))
}

/// Calls the method that the options ask for.
fn solve<const C: usize>(
    args: &Args,
    seed: u64,
    image: ImageRef<'_, f64, C>,
    coupling: Coupling,
    observer: &mut dyn FnMut(&solvers::Progress<f64>) -> ControlFlow<()>,
) -> Result<Found<C>, CliError> {
    let refused = |e: ImageError| CliError::from(e).within(&args.input);
    let plain = |result| Found { result, chosen: None };
    let generalised = |weight: f64, observer: &mut dyn FnMut(&solvers::Progress<f64>) -> ControlFlow<()>| {
        Tgv::new(weight).tol(args.tol).max_iter(args.max_iter).denoise_with(image, observer).map_err(refused)
    };
    if let (Some(path), Some(weight)) = (&args.blur, args.weight) {
        let array = read_array(path)?;
        let (h, w) = array.rows_cols(path)?;
        let kernel = Gray::new(h, w, array.data).map_err(|e| CliError::from(e).within(path))?;
        let method = TvDeblur::new(weight).coupling(coupling).tol(args.tol).max_iter(args.max_iter);
        return method.deblur_with(image, kernel.view(), observer).map(plain).map_err(refused);
    }
    let Some(weight) = args.weight else {
        let sigma = || args.sigma.map_or_else(|| estimate_sigma(image), |s| s / 255.0);
        let level = |sigma: f64| Some((255.0 * sigma, args.sigma.is_none()));
        let (found, level, error) = match args.choose {
            Choose::Discrepancy => {
                let sigma = sigma();
                let method =
                    TvDiscrepancy::new(sigma).coupling(coupling).tol(args.tol).max_iter(args.max_iter);
                (method.denoise_with(image, observer).map_err(refused)?, level(sigma), None)
            }
            Choose::Sure => {
                let sigma = sigma();
                let method = TvSure::new(sigma).coupling(coupling).tol(args.tol).max_iter(args.max_iter);
                let found = method.seed(seed).denoise_with(image, observer).map_err(refused)?;
                (found.result, level(sigma), Some(found.mean_squared_error))
            }
            Choose::Prediction => {
                let method = TvSelfSupervised::new().coupling(coupling).tol(args.tol).max_iter(args.max_iter);
                (method.denoise_with(image, observer).map_err(refused)?.result, None, None)
            }
        };
        let chosen = |error| Some(Chosen { sigma: level, error });
        if args.method == Method::Tgv {
            return Ok(Found { result: generalised(found.lambda, observer)?, chosen: chosen(None) });
        }
        return Ok(Found { result: found, chosen: chosen(error) });
    };
    if args.method == Method::Tgv {
        return generalised(weight, observer).map(plain);
    }
    let fidelity = match args.loss {
        Loss::Squared => {
            let method = TvDenoise::new(weight).coupling(coupling).tol(args.tol).max_iter(args.max_iter);
            return method.denoise_with(image, observer).map(plain).map_err(refused);
        }
        Loss::Absolute => Fidelity::Absolute,
        Loss::Huber => Fidelity::Huber { delta: args.delta / 255.0 },
        Loss::Poisson => Fidelity::Poisson,
    };
    let method =
        TvRestore::new(weight).fidelity(fidelity).coupling(coupling).tol(args.tol).max_iter(args.max_iter);
    method.image_with(image, None, observer).map(plain).map_err(refused)
}
