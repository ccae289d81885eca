//! `spm omp`: sparse codes.

use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::ValueEnum;
use sparse_modeling::linalg::{Dense, Scalar};
use sparse_modeling::models::dictionary::{Coder, Codes, Dictionary, MaskedCoder, Omp, Rule, known_entries};
use sparse_modeling::models::file;
use sparse_modeling::solvers::Status;

use crate::Context;
use crate::args::{count, non_negative};
use crate::error::CliError;
use crate::io::{Array, extension, read_array, write_array};
use crate::outcome::Outcome;

/// Sparse codes of signals in a dictionary, by orthogonal matching pursuit.
///
/// Adds atoms one by one until there are k, or the residual's 2-norm is at most eps. With missing entries, atoms and
/// residual are those of the known ones, and eps² goes with their share.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("bound").required(true).multiple(true))]
pub(crate) struct Args {
    /// Dictionary, K × d, an atom a row (or a model file .spm).
    dictionary: PathBuf,
    /// Signals, N × d, a signal a row.
    signals: PathBuf,
    /// Where the codes go, N × K.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// At most this many atoms a signal.
    #[arg(long, group = "bound", value_parser = count)]
    k: Option<usize>,
    /// Stop when the residual's 2-norm is at most this.
    #[arg(long, group = "bound", value_parser = non_negative)]
    eps: Option<f64>,
    /// omp: the atom most correlated with the residual. ols: the atom that lowers it most.
    #[arg(long, value_enum, default_value = "omp")]
    rule: RuleName,
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

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(super) enum RuleName {
    Omp,
    Ols,
}

impl From<RuleName> for Rule {
    fn from(name: RuleName) -> Self {
        match name {
            RuleName::Omp => Self::Omp,
            RuleName::Ols => Self::Ols,
        }
    }
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    let dictionary = if extension(&args.dictionary) == "spm" {
        stored(&args.dictionary)?
    } else {
        read_array(&args.dictionary)?
    };
    let (n_atoms, dim) = dictionary.rows_cols(&args.dictionary)?;
    let signals = read_array(&args.signals)?;
    let (_, width) = signal_shape(&signals, &args.signals)?;
    if width != dim {
        let message = format!("expected {dim} values a signal, as the dictionary has, found {width}");
        return Err(CliError::file(&args.signals, message));
    }
    if let Some(k) = dictionary.data.iter().position(|v| !v.is_finite()) {
        return Err(not_finite(&args.dictionary, k, dim));
    }
    let known = args.gaps.known(&signals, &args.signals)?;

    let spinner = ctx.progress.spinner("omp");
    let start = Instant::now();
    let coded = if args.f32 {
        code(args, &narrow(&dictionary.data), &narrow(&signals.data), known.as_deref(), dim)?
    } else {
        code(args, &dictionary.data, &signals.data, known.as_deref(), dim)?
    };
    let elapsed = start.elapsed();
    spinner.finish_and_clear();
    write_array(&args.output, &Array::matrix(coded.n_signals, n_atoms, coded.codes))?;
    Ok(Outcome::new("omp")
        .status(Status::Converged)
        .set("signals", coded.n_signals)
        .set("mean_nnz", coded.nnz as f64 / coded.n_signals.max(1) as f64)
        .set("rmse", coded.rmse)
        .seconds(elapsed))
}

/// The atoms of a model file of either precision.
fn stored(path: &Path) -> Result<Array, CliError> {
    let bad = |e| CliError::from(e).within(path);
    if file::inspect(path).map_err(bad)?.scalar == "f32" {
        let d: Dictionary<f32> = file::load(path).map_err(bad)?;
        let atoms = d.atoms().iter().map(|&v| f64::from(v)).collect();
        return Ok(Array::matrix(d.n_atoms(), d.dim(), atoms));
    }
    let d: Dictionary<f64> = file::load(path).map_err(bad)?;
    Ok(Array::matrix(d.n_atoms(), d.dim(), d.into_atoms()))
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
    nnz: usize,
    rmse: f64,
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
    let mut coder = Omp::default().rule(args.rule.into());
    coder.k = args.k;
    coder.eps = args.eps.map(T::of);
    let codes: Codes<T> = match known {
        None => coder.code(dictionary, signals),
        Some(known) => coder.code_masked(dictionary, signals, known),
    }
    .map_err(|e| CliError::from(e).within(&args.signals))?;
    let rmse = match known {
        None => codes.rmse(dictionary, signals),
        Some(known) => codes.rmse_masked(dictionary, signals, known),
    };
    Ok(Coded {
        n_signals: codes.n_signals(),
        nnz: codes.nnz(),
        rmse: rmse.as_f64(),
        codes: codes.to_dense().iter().map(|v| v.as_f64()).collect(),
    })
}
