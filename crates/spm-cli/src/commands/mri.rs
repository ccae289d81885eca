//! `spm mri`: an image from undersampled Fourier coefficients.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use sparse_modeling::image::Gray;
use sparse_modeling::image::io::Depth;
use sparse_modeling::image::mri::{Complex, KSpace, Mri, Reconstruction, fft_shift, ifft_shift, mask};
use sparse_modeling::image::wavelet::Wavelet;

use crate::Context;
use crate::args::{count, non_negative, positive};
use crate::error::CliError;
use crate::io::{encode_complex, extension, read_array, read_complex, shape_text, write_atomically};
use crate::outcome::Outcome;
use crate::pixels::{read_image, write_image};

/// Reconstruct an image from undersampled k-space by total variation, wavelets or both.
///
/// Minimises ½·Σ|F x − k|² over the measured coefficients + lambda·TV(x) + wavelet-lambda·‖W x‖₁. The k-space file is a complex
/// height × width array as numpy's fft2(image) has it, frequency 0 first (--shifted: in the centre), not normalised (--norm ortho:
/// as norm="ortho"); or the list of the measured values in the order of the mask; or coils × height × width with --coils.
/// F in the objective is unitary, so lambda is in units of the image. With a lambda of 0 and no wavelet the data are fitted exactly.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The measurements, complex .npy; with --simulate an image.
    input: PathBuf,
    /// Where the image goes; .npy gets the floats.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Which coefficients are measured (nonzero), height × width; by default the nonzero entries.
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// Weight of the total variation.
    #[arg(long, value_parser = non_negative, allow_negative_numbers = true)]
    lambda: f64,
    /// Also penalise the coefficients of this wavelet.
    #[arg(long, value_enum, value_name = "NAME")]
    wavelet: Option<WaveletName>,
    /// Weight of the wavelet coefficients; lambda by default.
    #[arg(long, value_parser = non_negative, allow_negative_numbers = true, requires = "wavelet")]
    wavelet_lambda: Option<f64>,
    /// Sensitivities of the coils, complex, coils × height × width.
    #[arg(long, value_name = "FILE")]
    coils: Option<PathBuf>,
    /// Frequency 0 is in the centre of k-space and mask.
    #[arg(long)]
    shifted: bool,
    /// How the transform of the file is normalised.
    #[arg(long, value_enum, default_value = "backward")]
    norm: Norm,
    /// The image is known to be real.
    #[arg(long)]
    real: bool,
    /// What is written.
    #[arg(long = "as", value_enum, default_value = "magnitude")]
    kind: Kind,
    /// Penalise vertical and horizontal differences separately.
    #[arg(long)]
    anisotropic: bool,
    /// Take an image and measure only part of its spectrum: radial:LINES, cartesian:ACCELERATION or random:ACCELERATION.
    #[arg(long, value_name = "PATTERN", conflicts_with_all = ["mask", "coils", "shifted"], value_parser = pattern)]
    simulate: Option<Pattern>,
    /// Write the mask that was used, as uint-valued .npy, frequency 0 as in the input.
    #[arg(long, value_name = "FILE")]
    mask_out: Option<PathBuf>,
    /// Duality gap at which to stop, relative to the objective.
    #[arg(long, default_value_t = 1e-4, value_parser = positive)]
    tol: f64,
    /// Most iterations.
    #[arg(long, default_value_t = 2000, value_parser = count)]
    max_iter: usize,
    /// The true image, to report PSNR (for .npy over its largest magnitude, else over 1) and the relative error.
    #[arg(long, value_name = "FILE")]
    reference: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum WaveletName {
    Haar,
    Db2,
    Db3,
    Db4,
    Db5,
    Db6,
    Db7,
    Db8,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Norm {
    /// No factor in the forward transform.
    Backward,
    /// The unitary transform.
    Ortho,
}

#[derive(Debug, Clone, Copy, PartialEq, ValueEnum)]
enum Kind {
    /// |x|.
    Magnitude,
    /// Re x.
    Real,
    /// x itself, .npy only.
    Complex,
}

#[derive(Debug, Clone, Copy)]
enum Pattern {
    Radial(usize),
    Cartesian(f64),
    Random(f64),
}

fn pattern(text: &str) -> Result<Pattern, String> {
    let wrong = || "expected radial:LINES, cartesian:ACCELERATION or random:ACCELERATION".to_owned();
    let (name, number) = text.split_once(':').ok_or_else(wrong)?;
    let factor = || number.parse::<f64>().ok().filter(|v| v.is_finite() && *v >= 1.0).ok_or_else(wrong);
    match name {
        "radial" => count(number).map(Pattern::Radial),
        "cartesian" => factor().map(Pattern::Cartesian),
        "random" => factor().map(Pattern::Random),
        _ => Err(wrong()),
    }
}

/// The true image and the range of its values.
struct Truth {
    image: Vec<Complex>,
    size: (usize, usize),
    range: f64,
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    if args.kind == Kind::Complex && extension(&args.output) != "npy" {
        return Err(CliError::Usage("--as complex needs an output name that ends in .npy".to_owned()));
    }
    let simulated = args.simulate.map(|p| simulate(args, p, ctx.seed)).transpose()?;
    let (kspace, truth) = match simulated {
        Some((k, t)) => (k, Some(t)),
        None => (load(args)?, None),
    };
    let truth = match &args.reference {
        Some(path) => Some(read_truth(path)?),
        None => truth,
    };
    if let (Some(t), Some(path)) = (&truth, &args.reference)
        && t.size != kspace.size()
    {
        let (size, want) = ([t.size.0, t.size.1], [kspace.size().0, kspace.size().1]);
        let text = format!("is {}, the k-space {}", shape_text(&size), shape_text(&want));
        return Err(CliError::file(path, text));
    }
    let mut method = Mri::new(args.lambda)
        .real(args.real)
        .tol(args.tol)
        .max_iter(args.max_iter)
        .anisotropic(args.anisotropic);
    if let Some(w) = args.wavelet {
        method = method.wavelet(w.into(), args.wavelet_lambda.unwrap_or(args.lambda));
    }
    let spinner = ctx.progress.spinner("mri");
    let result = method
        .reconstruct_with(&kspace, &mut |p| {
            spinner.set_message(format!("mri: iteration {}, gap {:.1e}", p.iter, p.residual));
            ControlFlow::Continue(())
        })
        .map_err(|e| CliError::from(e).within(&args.input))?;
    spinner.finish_and_clear();
    if let Some(path) = &args.mask_out {
        let size = kspace.size();
        let mask = kspace.mask().to_vec();
        let mask = if args.shifted { fft_shift(&mask, size) } else { mask };
        let data = mask.into_iter().map(|m| f64::from(u8::from(m))).collect();
        crate::io::write_array(path, &crate::io::Array::matrix(size.0, size.1, data))?;
    }
    write(args, &result)?;
    let measured = kspace.mask().iter().filter(|&&m| m).count() as f64 / kspace.mask().len() as f64;
    let outcome = Outcome::new("mri")
        .status(result.status())
        .set("measured", measured)
        .set("objective", result.certificate.primal)
        .set("gap", result.certificate.gap())
        .set("iterations", result.iterations())
        .seconds(result.report.elapsed);
    Ok(match truth {
        Some(t) => {
            let (psnr, error) = quality(args.kind, &result.image, &t);
            let (start, _) = quality(args.kind, &kspace.zero_filled(), &t);
            outcome.set("psnr", psnr).set("relative_error", error).set("psnr_zero_filled", start)
        }
        None => outcome,
    })
}

/// PSNR and relative error of what is written against the truth, which is taken in the same way.
fn quality(kind: Kind, image: &[Complex], truth: &Truth) -> (f64, f64) {
    let view = |v: &Complex| match kind {
        Kind::Magnitude => Complex::new(v.norm(), 0.0),
        Kind::Real => Complex::new(v.re, 0.0),
        Kind::Complex => *v,
    };
    let wrong: f64 = image.iter().zip(&truth.image).map(|(x, t)| (view(x) - view(t)).norm_sqr()).sum();
    let total: f64 = truth.image.iter().map(|t| view(t).norm_sqr()).sum();
    let mse = wrong / image.len() as f64;
    (10.0 * (truth.range * truth.range / mse).log10(), (wrong / total).sqrt())
}

fn write(args: &Args, result: &Reconstruction) -> Result<(), CliError> {
    let picture: Gray<f64> = match args.kind {
        Kind::Complex => {
            let bytes = encode_complex(&[result.size.0, result.size.1], &result.image);
            return write_atomically(&args.output, &bytes);
        }
        Kind::Magnitude => result.magnitude(),
        Kind::Real => result.real(),
    };
    write_image(&args.output, picture.view(), Depth::Eight)
}

fn simulate(args: &Args, pattern: Pattern, seed: u64) -> Result<(KSpace, Truth), CliError> {
    let truth = read_truth(&args.input)?;
    let mask = match pattern {
        Pattern::Radial(lines) => mask::radial(truth.size, lines),
        Pattern::Cartesian(factor) => mask::cartesian(truth.size, factor, 0.08, seed),
        Pattern::Random(factor) => mask::random(truth.size, factor, 0.02, seed),
    };
    let kspace = mask.and_then(|m| KSpace::measure(truth.size, m, &truth.image, Vec::new()));
    Ok((kspace.map_err(|e| CliError::from(e).within(&args.input))?, truth))
}

fn read_truth(path: &Path) -> Result<Truth, CliError> {
    if extension(path) == "npy" {
        let (shape, image) = read_complex(path)?;
        let [h, w] = shape[..] else {
            return Err(CliError::file(
                path,
                format!("expected height × width, found {}", shape_text(&shape)),
            ));
        };
        let range = image.iter().map(|v| v.norm()).fold(0.0, f64::max);
        return Ok(Truth { image, size: (h, w), range });
    }
    let gray = read_image(path)?.0.into_gray();
    let image = gray.data().iter().map(|&v| Complex::new(v, 0.0)).collect();
    Ok(Truth { image, size: gray.size(), range: 1.0 })
}

fn load(args: &Args) -> Result<KSpace, CliError> {
    let (shape, values) = read_complex(&args.input)?;
    let mask = match &args.mask {
        Some(path) => {
            let array = read_array(path)?;
            let [h, w] = array.shape[..] else {
                let found = shape_text(&array.shape);
                return Err(CliError::file(path, format!("expected height × width, found {found}")));
            };
            Some(((h, w), array.data.iter().map(|&v| v != 0.0).collect::<Vec<bool>>()))
        }
        None => None,
    };
    let wrong = |what: &str| CliError::file(&args.input, format!("{what}, found {}", shape_text(&shape)));
    let size = match (&shape[..], &mask) {
        (&[h, w], _) | (&[_, h, w], _) => (h, w),
        (&[_], Some((size, _))) => *size,
        (&[_], None) => return Err(wrong("a list of measurements needs --mask")),
        _ => return Err(wrong("expected height × width, or coils × height × width")),
    };
    let plane = size.0 * size.1;
    let mask = match (&args.mask, mask) {
        (Some(path), Some((found, mask))) => {
            if found != size {
                let found = shape_text(&[found.0, found.1]);
                let want = shape_text(&[size.0, size.1]);
                return Err(CliError::file(path, format!("is {found}, the k-space has {want}")));
            }
            mask
        }
        _ => (0..plane)
            .map(|k| values.iter().skip(k).step_by(plane.max(1)).any(|v| v.norm_sqr() > 0.0))
            .collect(),
    };
    let mut values = match shape.len() {
        1 => {
            let samples = mask.iter().filter(|&&m| m).count();
            if samples != values.len() {
                return Err(wrong(&format!("the mask has {samples} entries")));
            }
            let mut rest = values.into_iter();
            mask.iter()
                .map(|&m| if m { rest.next().unwrap_or_default() } else { Complex::default() })
                .collect()
        }
        _ => values,
    };
    if args.norm == Norm::Backward {
        let unit = (plane as f64).sqrt();
        values.iter_mut().for_each(|v| *v /= unit);
    }
    let mut mask = mask;
    if args.shifted {
        mask = ifft_shift(&mask, size);
        values = values.chunks_exact(plane.max(1)).flat_map(|v| ifft_shift(v, size)).collect();
    }
    let built = match &args.coils {
        Some(path) => {
            let (coil_shape, maps) = read_complex(path)?;
            if coil_shape != shape {
                let text = format!("is {}, the k-space {}", shape_text(&coil_shape), shape_text(&shape));
                return Err(CliError::file(path, text));
            }
            KSpace::with_coils(size, mask, values, maps)
        }
        None if shape.len() == 3 && shape[0] > 1 => return Err(wrong("several coils need --coils")),
        None => KSpace::new(size, mask, values),
    };
    built.map_err(|e| CliError::from(e).within(&args.input))
}

impl From<WaveletName> for Wavelet {
    fn from(name: WaveletName) -> Self {
        match name {
            WaveletName::Haar => Self::Haar,
            WaveletName::Db2 => Self::Db2,
            WaveletName::Db3 => Self::Db3,
            WaveletName::Db4 => Self::Db4,
            WaveletName::Db5 => Self::Db5,
            WaveletName::Db6 => Self::Db6,
            WaveletName::Db7 => Self::Db7,
            WaveletName::Db8 => Self::Db8,
        }
    }
}
