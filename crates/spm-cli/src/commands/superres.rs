//! `spm superres` and `spm superres-train`: super-resolution.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueEnum;
use sparse_modeling::image::io::{AnyImage, Picture};
use sparse_modeling::image::superres::{SuperResMethod, SuperResModel, SuperResTrainer};
use sparse_modeling::image::{Gray, Image, ImageRef};
use sparse_modeling::models::file;
use sparse_modeling::solvers::Status;

use super::denoise::with_quality;
use crate::Context;
use crate::args::count;
use crate::commands::compare::{Similarity, similarity};
use crate::error::CliError;
use crate::outcome::Outcome;
use crate::pixels::{read_image, read_picture, write_picture};

/// Enlarge an image, with a model trained by superres-train or a small one that is built in.
///
/// The built-in models (512 atoms, one for each factor) were trained on seven freely licensed images of scikit-image: astronaut, brick,
/// chelsea, coins, grass, gravel and rocket. The luma is predicted by the model, the colours are enlarged by bicubic interpolation. With --reference PSNR and SSIM are those of the luma,
/// a border of `scale` pixels cut off, as in the literature.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The small image.
    input: PathBuf,
    /// Where the result goes; .npy gets the unclamped floats.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The factor; if left out, that of the model, or 2.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..=4))]
    scale: Option<u32>,
    /// The model; a built-in one if left out.
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    /// The large image, to report PSNR and SSIM.
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    let model = match &args.model {
        Some(path) => load(path, args.scale)?,
        None => file::from_bytes(built_in(args.scale.unwrap_or(2)))?,
    };
    let picture = read_picture::<f64>(&args.input)?;
    let reference = args.reference.as_deref().map(read_image).transpose()?.map(|(r, _)| r.into_gray());
    let bar = ctx.progress.spinner("superres");
    let start = Instant::now();
    let refuse = |e| CliError::from(e).within(&args.input);
    match &picture.image {
        AnyImage::Gray(g) => {
            let large = model.upscale(g.view()).map_err(refuse)?;
            let seconds = start.elapsed();
            bar.finish_and_clear();
            report(args, &model, &picture, &large, &large, reference, seconds)
        }
        AnyImage::Rgb(c) => {
            let large = model.upscale_rgb(c.view()).map_err(refuse)?;
            let seconds = start.elapsed();
            bar.finish_and_clear();
            report(args, &model, &picture, &large, &large.to_gray(), reference, seconds)
        }
    }
}

/// The model in a file, which must have the factor that was asked for.
fn load(path: &Path, scale: Option<u32>) -> Result<SuperResModel, CliError> {
    let model: SuperResModel = file::load(path).map_err(|e| CliError::from(e).within(path))?;
    match scale.filter(|&s| s != model.scale) {
        None => Ok(model),
        Some(scale) => {
            let message = format!("the model enlarges by {}, not by {scale}", model.scale);
            Err(CliError::file(path, message))
        }
    }
}

/// The model file for a factor; see `data/README.md` for how it was made.
fn built_in(scale: u32) -> &'static [u8] {
    match scale {
        3 => include_bytes!("../../data/superres_x3.spm"),
        4 => include_bytes!("../../data/superres_x4.spm"),
        _ => include_bytes!("../../data/superres_x2.spm"),
    }
}

fn report<const C: usize>(
    args: &Args,
    model: &SuperResModel,
    picture: &Picture<f64>,
    large: &Image<f64, C>,
    luma: &Gray<f64>,
    reference: Option<Gray<f64>>,
    seconds: std::time::Duration,
) -> Result<Outcome, CliError> {
    let quality = match (&reference, &args.reference) {
        (Some(clean), Some(path)) => Some(inner_similarity(clean, luma, model.scale as usize, path)?),
        _ => None,
    };
    write_picture(&args.output, large.view(), picture)?;
    let outcome = Outcome::new("superres")
        .status(Status::Converged)
        .set("scale", model.scale)
        .set("model", args.model.as_ref().map_or("built-in".to_owned(), |p| p.display().to_string()))
        .set("atoms", model.n_atoms())
        .seconds(seconds);
    Ok(with_quality(outcome, quality))
}

/// The similarity where both images have pixels, without a border. A reference may be larger by less than the factor: enlarged images
/// have multiples of it.
fn inner_similarity(
    clean: &Gray<f64>,
    luma: &Gray<f64>,
    scale: usize,
    path: &Path,
) -> Result<Similarity, CliError> {
    let (h, w) = luma.size();
    let larger = |a: usize, b: usize| a >= b && a - b < scale;
    if !larger(clean.height(), h) || !larger(clean.width(), w) {
        let message = format!("the image is {} x {}, expected {h} x {w}", clean.height(), clean.width());
        return Err(CliError::file(path, message));
    }
    let inner = |image: ImageRef<'_, f64>| {
        let rows = (scale..h - scale).flat_map(|i| (scale..w - scale).map(move |j| image.get(0, i, j)));
        Gray::new(h - 2 * scale, w - 2 * scale, rows.map(|v| v.clamp(0.0, 1.0)).collect())
    };
    similarity(inner(clean.view())?.view(), inner(luma.view())?.view()).map_err(|e| e.within(path))
}

/// Train a super-resolution model from a folder of images.
///
/// Every image file in the folder (not in folders inside it) serves; they are taken in the order of their names.
#[derive(Debug, clap::Args)]
pub(crate) struct TrainArgs {
    /// The folder.
    folder: PathBuf,
    /// Where the model goes.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// The factor.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(2..=4))]
    scale: u32,
    /// Coupled dictionaries, or anchored regression (better, larger).
    #[arg(long, value_enum, default_value = "anchored")]
    method: Method,
    /// Most atoms.
    #[arg(long, default_value_t = 1024, value_parser = count)]
    atoms: usize,
    /// Most training patches.
    #[arg(long, default_value_t = 200_000, value_parser = count)]
    patches: usize,
    /// Iterations of K-SVD.
    #[arg(long, default_value_t = 20, value_parser = count)]
    iters: usize,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Method {
    Zeyde,
    Anchored,
}

pub(crate) fn train(args: &TrainArgs, ctx: &Context) -> Result<Outcome, CliError> {
    let images = folder_images(&args.folder)?;
    let method = match args.method {
        Method::Zeyde => SuperResMethod::Zeyde,
        Method::Anchored => SuperResMethod::Anchored,
    };
    let bar = ctx.progress.spinner("superres-train");
    let start = Instant::now();
    let trained = SuperResTrainer::new(args.scale as usize)
        .method(method)
        .atoms(args.atoms)
        .patches(args.patches)
        .max_iter(args.iters)
        .seed(ctx.seed)
        .train_watched(&images, &mut |step| {
            bar.set_message(format!("{} {}/{}", step.what, step.done, step.total));
            ControlFlow::Continue(())
        })
        .map_err(|e| CliError::from(e).within(&args.folder))?;
    let seconds = start.elapsed();
    bar.finish_and_clear();
    file::save(&trained.model, &args.output).map_err(|e| CliError::from(e).within(&args.output))?;
    Ok(Outcome::new("superres-train")
        .status(trained.status)
        .set("scale", args.scale)
        .set("images", images.len())
        .set("patches", trained.patches)
        .set("atoms", trained.model.n_atoms())
        .seconds(seconds))
}

/// All images of a folder, in grey, by name.
fn folder_images(folder: &Path) -> Result<Vec<Gray<f32>>, CliError> {
    let entries = std::fs::read_dir(folder).map_err(|e| CliError::io(folder, e))?;
    let mut paths = Vec::new();
    for entry in entries {
        let path = entry.map_err(|e| CliError::io(folder, e))?.path();
        let extension = path.extension().unwrap_or_default().to_string_lossy().to_ascii_lowercase();
        if matches!(extension.as_str(), "png" | "jpg" | "jpeg" | "tif" | "tiff" | "pgm" | "ppm") {
            paths.push(path);
        }
    }
    paths.sort();
    if paths.is_empty() {
        return Err(CliError::file(folder, "no image files in this folder"));
    }
    paths.iter().map(|p| Ok(read_picture::<f32>(p)?.image.into_gray())).collect()
}
