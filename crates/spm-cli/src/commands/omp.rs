//! `spm omp`: sparse codes.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use sparse_modeling::linalg::{Dense, Scalar, vecops};
use sparse_modeling::models::dictionary::{AnyCoder, Coder, Codes, Encoder, MaskedCoder, known_entries};
use sparse_modeling::solvers::Status;

use super::atoms::Atoms;
use super::coder::{CoderArgs, Judged, judge};
use crate::Context;
use crate::error::CliError;
use crate::io::{Array, extension, read_array, write_array};
use crate::outcome::Outcome;

/// Sparse codes of signals in a dictionary.
///
/// By default orthogonal matching pursuit: adds atoms one by one until there are k, or the residual's 2-norm is at most eps. With
/// missing entries, atoms and residual are those of the known ones, and eps² goes with their share. An encoder (a model file
/// that spm ksvd --encoder writes) brings its own coder and normalisation.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Dictionary, K × d, an atom a row (or a model file .spm: a dictionary or an encoder).
    dictionary: PathBuf,
    /// Signals, N × d, a signal a row.
    signals: PathBuf,
    /// Where the codes go, N × K.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    coder: CoderArgs,
    #[command(flatten)]
    gaps: Gaps,
    /// Compute in single precision.
    #[arg(long)]
    f32: bool,
}

/// Which entries of the signals are missing.
#[derive(Debug, clap::Args)]
pub(super) struct Gaps {
    /// Which entries are known, N × d: 0 = missing. Codes are fitted to the known ones.
    #[arg(long, value_name = "FILE")]
    mask: Option<PathBuf>,
    /// Take NaN as missing.
    #[arg(long)]
    missing: bool,
}

impl Gaps {
    /// What is known of the signals; `None` for everything. Refuses values that are known and not finite.
    pub(super) fn known(&self, signals: &Array, path: &Path) -> Result<Option<Vec<bool>>, CliError> {
        let (n, dim) = signal_shape(signals, path)?;
        let mut known = self.missing.then(|| known_entries(&signals.data));
        if let Some(mask) = &self.mask {
            let array = read_array(mask)?;
            if signal_shape(&array, mask)? != (n, dim) {
                let message = format!("expected a mask of {n} × {dim} values, as the signals have");
                return Err(CliError::file(mask, message));
            }
            let shown = array.data.iter().map(|&m| m != 0.0);
            known = Some(match known {
                Some(known) => known.into_iter().zip(shown).map(|(a, b)| a && b).collect(),
                None => shown.collect(),
            });
        }
        let is_known = |k: usize| known.as_ref().is_none_or(|known| known[k]);
        match signals.data.iter().enumerate().position(|(k, v)| is_known(k) && !v.is_finite()) {
            Some(k) => Err(not_finite(path, k, dim)),
            None => Ok(known),
        }
    }
}

fn not_finite(path: &Path, k: usize, dim: usize) -> CliError {
    CliError::file(path, format!("NaN or infinite value at row {}, column {}", k / dim, k % dim))
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    if extension(&args.dictionary) != "spm" {
        // An encoder alone can do without.
        args.coder.coder::<f64>()?;
    }
    let atoms = Atoms::read(&args.dictionary)?;
    let signals = read_array(&args.signals)?;
    let (_, width) = signal_shape(&signals, &args.signals)?;
    let dim = match &atoms {
        Atoms::Plain(array) => array.rows_cols(&args.dictionary)?.1,
        Atoms::Double(encoder) => encoder.dim(),
        Atoms::Single(encoder) => encoder.dim(),
    };
    if width != dim {
        let message = format!("expected {dim} values a signal, as the dictionary has, found {width}");
        return Err(CliError::file(&args.signals, message));
    }
    let known = args.gaps.known(&signals, &args.signals)?;
    if !matches!(atoms, Atoms::Plain(_)) && (!args.coder.is_default() || known.is_some() || args.f32) {
        let message = "an encoder brings its own coder and precision, for complete signals";
        return Err(CliError::Usage(message.into()));
    }
    let spinner = ctx.progress.spinner("omp");
    let coded = match atoms {
        Atoms::Plain(array) => {
            if let Some(k) = array.data.iter().position(|v| !v.is_finite()) {
                return Err(not_finite(&args.dictionary, k, dim));
            }
            if args.f32 {
                code(args, &narrow(&array.data), &narrow(&signals.data), known.as_deref(), dim)?
            } else {
                code(args, &array.data, &signals.data, known.as_deref(), dim)?
            }
        }
        Atoms::Double(encoder) => encode(args, &encoder, &signals.data)?,
        Atoms::Single(encoder) => encode(args, &encoder, &narrow(&signals.data))?,
    };
    spinner.finish_and_clear();
    write_array(&args.output, &Array::matrix(coded.n_signals, coded.n_atoms, coded.codes))?;
    let status = match coded.judged {
        Some(judged) if !judged.converged => Status::MaxIterations,
        _ => Status::Converged,
    };
    let mut outcome = Outcome::new("omp")
        .status(status)
        .set("signals", coded.n_signals)
        .set("mean_nnz", coded.nnz as f64 / coded.n_signals.max(1) as f64)
        .set("rmse", coded.rmse);
    if let Some(judged) = coded.judged {
        outcome = outcome.set("objective", judged.objective).set("gap", judged.gap);
    }
    Ok(outcome.seconds(coded.elapsed))
}

/// Signals and values a signal; a vector is one signal.
pub(super) fn signal_shape(a: &Array, path: &Path) -> Result<(usize, usize), CliError> {
    match a.shape[..] {
        [d] => Ok((1, d)),
        _ => a.rows_cols(path),
    }
}

/// Values in single precision.
pub(super) fn narrow(v: &[f64]) -> Vec<f32> {
    v.iter().map(|&x| x as f32).collect()
}

struct Coded {
    /// Row-major, N × K.
    codes: Vec<f64>,
    n_signals: usize,
    n_atoms: usize,
    nnz: usize,
    rmse: f64,
    judged: Option<Judged>,
    elapsed: Duration,
}

impl Coded {
    fn new<T: Scalar>(codes: &Codes<T>, rmse: T, elapsed: Duration) -> Self {
        Self {
            n_signals: codes.n_signals(),
            n_atoms: codes.n_atoms(),
            nnz: codes.nnz(),
            rmse: rmse.as_f64(),
            codes: codes.to_dense().iter().map(|v| v.as_f64()).collect(),
            judged: None,
            elapsed,
        }
    }
}

fn code<T: Scalar>(
    args: &Args,
    atoms: &[T],
    signals: &[T],
    known: Option<&[bool]>,
    dim: usize,
) -> Result<Coded, CliError> {
    // A row-major N × d file is a column-major d × N matrix: signals and atoms are columns already.
    let dictionary = Dense::from_column_major(atoms, dim, atoms.len() / dim.max(1))
        .map_err(|e| CliError::from(e).within(&args.dictionary))?;
    let coder: AnyCoder<T> = args.coder.coder()?;
    let bad = |e| CliError::from(e).within(&args.signals);
    let start = Instant::now();
    let Some(known) = known else {
        let codes = coder.code(dictionary, signals).map_err(bad)?;
        let elapsed = start.elapsed();
        let judged = judge(&coder, dictionary, signals, &codes)?;
        return Ok(Coded { judged, ..Coded::new(&codes, codes.rmse(dictionary, signals), elapsed) });
    };
    let AnyCoder::Omp(omp) = coder else {
        return Err(CliError::Usage("missing entries go with --method omp only".into()));
    };
    let codes = omp.code_masked(dictionary, signals, known).map_err(bad)?;
    Ok(Coded::new(&codes, codes.rmse_masked(dictionary, signals, known), start.elapsed()))
}

/// Codes by an encoder; the error is that of the signals as they were given.
fn encode<T: Scalar>(args: &Args, encoder: &Encoder<T>, signals: &[T]) -> Result<Coded, CliError> {
    let bad = |e| CliError::from(e).within(&args.signals);
    let start = Instant::now();
    let encoded = encoder.encode(signals).map_err(bad)?;
    let elapsed = start.elapsed();
    let back = encoder.decode(&encoded).map_err(bad)?;
    let rmse = (vecops::sq_dist(&back, signals) / T::of_usize(signals.len().max(1))).sqrt();
    Ok(Coded::new(&encoded.codes, rmse, elapsed))
}
