//! `spm inpaint`: missing pixels of an image.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueEnum;
use sparse_modeling::image::inpaint::{KsvdInpaint, fill_smoothly};
use sparse_modeling::image::io::{AnyImage, Picture};
use sparse_modeling::image::tv::{Coupling, Fidelity, TvDenoised, TvRestore};
use sparse_modeling::image::{Image, ImageError, ImageRef};
use sparse_modeling::solvers::{Progress, Status};

use super::denoise::{quality, with_quality};
use crate::Context;
use crate::args::{count, non_negative, positive};
use crate::error::CliError;
use crate::io::{extension, read_array};
use crate::outcome::Outcome;
use crate::pixels::{read_image, read_picture, write_picture};

/// Fill the missing pixels of an image.
///
/// `ksvd` codes all patches with few atoms of a dictionary learned from the image and imputes the missing pixels, round by round; `smooth`
/// minimises the squared Laplacian; `tv` minimises the total variation, with a duality gap: all of it over the missing pixels, or
/// ½·Σ(bᵢ − xᵢ)² over the given ones + weight·TV(x) with --weight, values in [0, 1]. Pixels that are given stay as they are unless --sigma or --weight says that they are noisy.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The image.
    input: PathBuf,
    /// Where the result goes; .npy gets the unclamped floats.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Which pixels are missing: an image or array of the same size, nonzero = missing.
    #[arg(long, value_name = "FILE")]
    mask: PathBuf,
    /// How.
    #[arg(long, value_enum, default_value = "ksvd")]
    method: Method,
    /// Standard deviation of the noise of the given pixels in grey levels, 0–255 (ksvd).
    #[arg(long, default_value_t = 0.0, value_parser = non_negative, allow_negative_numbers = true)]
    sigma: f64,
    /// Denoise as well, with this weight of the total variation (tv).
    #[arg(long, value_parser = positive, allow_negative_numbers = true)]
    weight: Option<f64>,
    /// Duality gap at which to stop, relative to the objective (tv).
    #[arg(long, default_value_t = 1e-3, value_parser = positive)]
    tol: f64,
    /// Most iterations (tv).
    #[arg(long, default_value_t = 20_000, value_parser = count)]
    max_iter: usize,
    /// The complete image, to report PSNR and SSIM.
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Method {
    Ksvd,
    Smooth,
    Tv,
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    let picture = read_picture(&args.input)?;
    let missing = read_mask(&args.mask, picture.image.size())?;
    let reference = args.reference.as_deref().map(read_image).transpose()?.map(|(r, _)| r);
    match &picture.image {
        AnyImage::Gray(g) => {
            inpaint(args, ctx, g.view(), &picture, &missing, reference.map(AnyImage::into_gray))
        }
        AnyImage::Rgb(c) => {
            inpaint(args, ctx, c.view(), &picture, &missing, reference.map(AnyImage::into_rgb))
        }
    }
}

fn inpaint<const C: usize>(
    args: &Args,
    ctx: &Context,
    image: ImageRef<'_, f64, C>,
    picture: &Picture<f64>,
    missing: &[bool],
    reference: Option<Image<f64, C>>,
) -> Result<Outcome, CliError> {
    let bar = ctx.progress.spinner("inpaint");
    let start = Instant::now();
    let mut certificate = None;
    let (filled, status) = match args.method {
        Method::Smooth => fill_smoothly(image, missing).map(|x| (x, Status::Converged)),
        Method::Tv => total_variation(args, image, missing, &mut |p| {
            bar.set_message(format!("inpaint: iteration {}, gap {:.1e}", p.iter, p.residual));
        })
        .map(|r| {
            certificate = Some((r.certificate, r.iterations()));
            let status = r.status();
            (r.image, status)
        }),
        Method::Ksvd => learned(args, image, missing, &mut |done, total| {
            bar.set_message(format!("inpaint: round {done} of {total}"));
        }),
    }
    .map_err(|e| CliError::from(e).within_any(&[("missing pixels", Some(&args.mask))], &args.input))?;
    let elapsed = start.elapsed();
    bar.finish_and_clear();
    let quality = quality(&filled, reference.as_ref(), args.reference.as_deref())?;
    write_picture(&args.output, filled.view(), picture)?;
    let outcome = Outcome::new("inpaint")
        .status(status)
        .set("missing", missing.iter().filter(|&&m| m).count())
        .seconds(elapsed);
    let outcome = match certificate {
        Some((c, iterations)) => {
            outcome.set("objective", c.primal).set("gap", c.gap()).set("iterations", iterations)
        }
        None => outcome,
    };
    Ok(with_quality(outcome, quality))
}

/// By total variation, with the certificate.
fn total_variation<const C: usize>(
    args: &Args,
    image: ImageRef<'_, f64, C>,
    missing: &[bool],
    show: &mut dyn FnMut(&Progress<f64>),
) -> Result<TvDenoised<f64, C>, ImageError> {
    let weights = missing.iter().map(|&m| f64::from(u8::from(!m))).collect::<Vec<_>>().repeat(C);
    let (weight, fidelity) = args.weight.map_or((1.0, Fidelity::Exact), |w| (w, Fidelity::Squared));
    TvRestore::new(weight)
        .fidelity(fidelity)
        .coupling(Coupling::Vectorial)
        .tol(args.tol)
        .max_iter(args.max_iter)
        .image_with(image, Some(&weights), &mut |p| {
            show(p);
            ControlFlow::Continue(())
        })
}

/// In single precision; the given pixels keep their double precision.
fn learned<const C: usize>(
    args: &Args,
    image: ImageRef<'_, f64, C>,
    missing: &[bool],
    show: &mut dyn FnMut(usize, usize),
) -> Result<(Image<f64, C>, Status), ImageError> {
    let (h, w) = image.size();
    let single = Image::<f32, C>::new(h, w, image.data().iter().map(|&v| v as f32).collect())?;
    let result = KsvdInpaint::new().sigma((args.sigma / 255.0) as f32).run_watched(
        single.view(),
        missing,
        &mut |s| {
            show(s.done, s.total);
            ControlFlow::Continue(())
        },
    )?;
    let keep = args.sigma == 0.0;
    let data = result.image.data().iter().zip(image.data()).enumerate();
    let data = data.map(|(k, (&new, &old))| if keep && !missing[k % (h * w)] { old } else { f64::from(new) });
    Ok((Image::new(h, w, data.collect())?, result.status))
}

/// A mask from an array or an image file; any channel that is not zero counts.
fn read_mask(path: &Path, size: (usize, usize)) -> Result<Vec<bool>, CliError> {
    let (found, mask): ((usize, usize), Vec<bool>) =
        if matches!(extension(path).as_str(), "npy" | "csv" | "npz") {
            let array = read_array(path)?;
            let [h, w] = array.shape[..] else {
                return Err(CliError::file(
                    path,
                    format!("expected a matrix, found shape {:?}", array.shape),
                ));
            };
            ((h, w), array.data.iter().map(|&v| v != 0.0).collect())
        } else {
            match read_image(path)?.0 {
                AnyImage::Gray(g) => (g.size(), g.data().iter().map(|&v| v != 0.0).collect()),
                AnyImage::Rgb(c) => {
                    let pixels = c.plane(0).iter().zip(c.plane(1)).zip(c.plane(2));
                    (c.size(), pixels.map(|((&r, &g), &b)| r != 0.0 || g != 0.0 || b != 0.0).collect())
                }
            }
        };
    if found != size {
        let message = format!(
            "the mask is {} x {}, the image {} x {} (height x width)",
            found.0, found.1, size.0, size.1
        );
        return Err(CliError::file(path, message));
    }
    Ok(mask)
}
