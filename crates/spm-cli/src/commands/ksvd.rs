//! `spm ksvd`: learn a dictionary.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use sparse_modeling::linalg::Scalar;
use sparse_modeling::models::dictionary::{
    Coder, Codes, Dictionary, Encoder, FittedKsvd, FittedOnline, Init, Ksvd, Omp, Online, Update,
};
use sparse_modeling::models::file::{self, Model};
use sparse_modeling::models::preprocess::Normalizer;
use sparse_modeling::solvers;

use super::atoms::{Atoms, array};
use super::coder::RuleName;
use super::omp::{Gaps, narrow, signal_shape};
use crate::Context;
use crate::args::{count, non_negative};
use crate::error::CliError;
use crate::io::{Array, encode_array, extension, read_array, write_all};
use crate::outcome::Outcome;

/// Learn a dictionary from signals by K-SVD or online.
///
/// K-SVD alternates sparse coding with k atoms a signal and an update of every atom with its coefficients; online learning
/// updates the dictionary after every few hundred signals. Unused and near-duplicate atoms give way to the signals that are
/// represented worst.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Signals, N × d, a signal a row.
    signals: PathBuf,
    /// Where the dictionary goes, K × d; .spm writes a model file.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// How many atoms.
    #[arg(long, value_name = "K", value_parser = count)]
    atoms: usize,
    /// At most this many atoms a signal.
    #[arg(long, value_name = "S", value_parser = count)]
    k: usize,
    /// Iterations.
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = count)]
    iters: usize,
    /// Stop early when the error decreases by less than this share in an iteration.
    #[arg(long, default_value_t = 0.0, value_parser = non_negative)]
    tol: f64,
    /// How atoms are updated.
    #[arg(long, value_enum, default_value = "approximate")]
    method: Method,
    /// Where to start: dct, samples, random, or a dictionary file (or a model file .spm).
    #[arg(long, default_value = "samples")]
    init: String,
    /// How the next atom is chosen in coding.
    #[arg(long, value_enum, default_value = "omp")]
    rule: RuleName,
    /// Atoms must be >= 0.
    #[arg(long)]
    positive: bool,
    /// With missing entries, let atoms compete by what is seen of them as it stands, not as if that had unit norm.
    #[arg(long)]
    no_renormalize: bool,
    /// Take the mean off every signal first; an encoder does so too.
    #[arg(long)]
    center: bool,
    /// Write a model file of dictionary, coder and normalisation, which spm omp takes for a dictionary.
    #[arg(long, value_name = "FILE")]
    encoder: Option<PathBuf>,
    /// Write the codes, N × K.
    #[arg(long, value_name = "FILE")]
    codes: Option<PathBuf>,
    #[command(flatten)]
    gaps: Gaps,
    /// Compute in single precision.
    #[arg(long)]
    f32: bool,
}

/// Rounds of the approximate update where entries are missing.
const MASKED_ROUNDS: usize = 5;

/// The most values that a dictionary may have.
const MAX_VALUES: usize = 1 << 28;

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Method {
    /// One round of power iteration an atom.
    Approximate,
    /// The best rank-1 approximation an atom.
    Exact,
    /// Online dictionary learning: an iteration is a pass over the signals.
    Online,
}

/// What a method gives.
struct Learned<T> {
    dictionary: Dictionary<T>,
    codes: Codes<T>,
    errors: Vec<T>,
    replaced: usize,
    report: solvers::Report<T>,
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    let mut signals = read_array(&args.signals)?;
    let (n, dim) = signal_shape(&signals, &args.signals)?;
    if args.atoms.checked_mul(dim).is_none_or(|total| total > MAX_VALUES) {
        let message = format!("--atoms {}: more than {MAX_VALUES} values with {dim} an atom", args.atoms);
        return Err(CliError::Usage(message));
    }
    let known = args.gaps.known(&signals, &args.signals)?;
    if known.is_some() && matches!(args.method, Method::Online) {
        return Err(CliError::Usage("--method online takes complete signals only".into()));
    }
    if args.center {
        let y = &mut signals.data;
        match &known {
            None => Normalizer::new().apply(y, dim),
            Some(known) => Normalizer::new().apply_masked(y, known, dim),
        }
        .map_err(|e| CliError::from(e).within(&args.signals))?;
    }
    if args.f32 {
        learn(args, ctx, &narrow(&signals.data), known.as_deref(), n)
    } else {
        learn(args, ctx, &signals.data, known.as_deref(), n)
    }
}

fn learn<T: Scalar>(
    args: &Args,
    ctx: &Context,
    signals: &[T],
    known: Option<&[bool]>,
    n: usize,
) -> Result<Outcome, CliError>
where
    Dictionary<T>: Model,
    Encoder<T>: Model,
{
    let dim = signals.len() / n.max(1);
    let coder = Omp::with_k(args.k).rule(args.rule.into()).renormalize(!args.no_renormalize);
    let init = start(&args.init, dim)?;
    let bar = ctx.progress.bar(args.iters, "ksvd");
    let mut observer = |p: &solvers::Progress<T>, _: &[T]| {
        bar.set_position(p.iter as u64);
        ControlFlow::Continue(())
    };
    let bad = |e| CliError::from(e).within(&args.signals);
    let learned = if let Method::Online = args.method {
        let online = Online::new(args.atoms, coder).max_iter(args.iters).tol(T::of(args.tol));
        let online = online.positive(args.positive);
        let fitted =
            online.seed(ctx.seed).init(init).fit_observed(signals, dim, &mut observer).map_err(bad)?;
        let codes = coder
            .code(fitted.dictionary.as_dense(), signals)
            .map_err(|e| CliError::from(e).within(&args.signals))?;
        let FittedOnline { dictionary, errors, replaced, report, .. } = fitted;
        Learned { dictionary, codes, errors, replaced, report }
    } else {
        let update = match (&args.method, known) {
            (Method::Exact, _) => Update::Exact,
            (_, None) => Update::default(),
            (_, Some(_)) => Update::Rounds(MASKED_ROUNDS),
        };
        let model = Ksvd::new(args.atoms, coder).update(update).max_iter(args.iters).tol(T::of(args.tol));
        let model = model.seed(ctx.seed).init(init).positive(args.positive);
        let fitted = match known {
            None => model.fit_observed(signals, dim, &mut observer),
            Some(known) => model.fit_masked_observed(signals, known, dim, &mut observer),
        };
        let FittedKsvd { dictionary, codes, errors, replaced, report, .. } = fitted.map_err(bad)?;
        Learned { dictionary, codes, errors, replaced, report }
    };
    bar.finish_and_clear();
    let Learned { dictionary, codes, errors, replaced, report } = learned;
    let atoms = if extension(&args.output) == "spm" {
        file::to_bytes(&dictionary).map_err(|e| CliError::from(e).within(&args.output))?
    } else {
        encode_array(&args.output, &array(&dictionary))
    };
    let encoder = match args.encoder.as_deref() {
        None => None,
        Some(path) => {
            let mut encoder = Encoder::new(dictionary, coder);
            encoder.normalizer = args.center.then(Normalizer::new);
            Some((path, file::to_bytes(&encoder).map_err(|e| CliError::from(e).within(path))?))
        }
    };
    let dense = args.codes.as_deref().map(|path| {
        let dense = codes.to_dense().iter().map(|v| v.as_f64()).collect();
        (path, encode_array(path, &Array::matrix(n, args.atoms, dense)))
    });
    let mut files = vec![(args.output.as_path(), atoms.as_slice())];
    files.extend(dense.iter().chain(&encoder).map(|(path, bytes)| (*path, bytes.as_slice())));
    write_all(&files)?;
    // All iterations done is what was asked for: only an interruption is not.
    Ok(Outcome::new("ksvd")
        .status(solvers::Status::Converged)
        .set("iterations", report.last.iter)
        .set("errors", errors.iter().map(|e| e.as_f64()).collect::<Vec<f64>>())
        .set("mean_nnz", codes.nnz() as f64 / n as f64)
        .set("replaced", replaced)
        .seconds(report.elapsed))
}

fn start<T: Scalar>(init: &str, dim: usize) -> Result<Init<T>, CliError> {
    Ok(match init {
        "samples" => Init::Samples,
        "random" => Init::Random,
        "dct" => Init::Dct,
        file => {
            let path = Path::new(file);
            let array = Atoms::read(path)?.into_array();
            let (_, width) = array.rows_cols(path)?;
            if width != dim {
                return Err(CliError::file(path, format!("expected atoms of {dim} values, found {width}")));
            }
            let atoms = array.data.iter().map(|&v| T::of(v)).collect();
            Init::Given(Dictionary::normalized(atoms, dim).map_err(|e| CliError::from(e).within(path))?)
        }
    })
}
