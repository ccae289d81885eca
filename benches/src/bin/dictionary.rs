//! The dictionary suite: a server that codes and trains on command, so that a script can time it and Python peers by turns.
//!
//! Argument: the number of threads. Every line of the standard input is a command, answered by one JSON line:
//!
//! | command | does |
//! |---|---|
//! | `signals FILE DIM` | loads signals, f64, one after the other |
//! | `dictionary FILE` | loads a dictionary of the same `DIM` |
//! | `code omp\|ols\|lasso\|lars f64\|f32 K BOUND` | codes all signals; `K` 0: no limit; `BOUND`: error bound, or lambda |
//! | `train METHOD f64\|f32 K ITERATIONS OUT [coherence=C] [batch=B] [fading=F]` | trains from the dictionary loaded and writes the result; METHOD: `approximate`, `exact`, `online`, `online-l1` (`K` is then lambda) |
//! | `memory` | peak memory of the process, and what it holds now, MiB |
//!
//! The time is wall time of the computation alone.

use std::io::{BufRead, Write};
use std::time::Instant;

use serde_json::json;
use sparse_modeling::linalg::{Dense, Scalar};
use sparse_modeling::models::dictionary::{
    Coder, Codes, Dictionary, Ksvd, LarsCoder, LassoCoder, Omp, Online, Rule, Update,
};

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

/// What is loaded, in both precisions.
#[derive(Default)]
struct Data {
    dim: usize,
    signals: (Vec<f64>, Vec<f32>),
    atoms: (Vec<f64>, Vec<f32>),
}

trait Pick: Scalar {
    fn of_pair(pair: &(Vec<f64>, Vec<f32>)) -> &[Self];
}

impl Pick for f64 {
    fn of_pair(pair: &(Vec<f64>, Vec<f32>)) -> &[Self] {
        &pair.0
    }
}

impl Pick for f32 {
    fn of_pair(pair: &(Vec<f64>, Vec<f32>)) -> &[Self] {
        &pair.1
    }
}

fn read(path: &str) -> Outcome<(Vec<f64>, Vec<f32>)> {
    let bytes = std::fs::read(path)?;
    let double: Vec<f64> =
        bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap_or_default())).collect();
    let single = double.iter().map(|&v| v as f32).collect();
    Ok((double, single))
}

fn code<T: Pick>(data: &Data, method: &str, k: usize, bound: f64) -> Outcome<serde_json::Value> {
    let (y, atoms) = (T::of_pair(&data.signals), T::of_pair(&data.atoms));
    let dictionary = Dense::from_column_major(atoms, data.dim, atoms.len() / data.dim)?;
    let mut greedy = Omp::default().rule(if method == "ols" { Rule::Ols } else { Rule::Omp });
    greedy.k = (k > 0).then_some(k);
    greedy.eps = (bound > 0.0).then_some(T::of(bound));
    let start = Instant::now();
    let codes: Codes<T> = match method {
        "lasso" => LassoCoder::new(T::of(bound)).code(dictionary, y)?,
        "lars" => LarsCoder::new(T::of(bound)).code(dictionary, y)?,
        _ => greedy.code(dictionary, y)?,
    };
    let seconds = start.elapsed().as_secs_f64();
    let size: f64 = codes.values().iter().map(|v| v.as_f64().abs()).sum();
    let rmse = codes.rmse(dictionary, y).as_f64();
    Ok(
        json!({"seconds": seconds, "rmse": rmse, "nnz": codes.nnz(), "norm1": size, "signals": codes.n_signals()}),
    )
}

/// How training differs from its defaults.
#[derive(Debug, Default)]
struct Tuning {
    coherence: Option<f64>,
    batch: Option<usize>,
    fading: Option<f64>,
}

impl Tuning {
    fn parse(words: &[&str]) -> Outcome<Self> {
        let mut this = Self::default();
        for word in words {
            match word.split_once('=') {
                Some(("coherence", v)) => this.coherence = Some(v.parse()?),
                Some(("batch", v)) => this.batch = Some(v.parse()?),
                Some(("fading", v)) => this.fading = Some(v.parse()?),
                _ => return Err(format!("unknown option: {word}").into()),
            }
        }
        Ok(this)
    }

    fn apply<T: Scalar, C: Coder<T>>(&self, mut online: Online<T, C>) -> Online<T, C> {
        online.max_coherence = self.coherence.map_or(online.max_coherence, T::of);
        online.batch = self.batch.unwrap_or(online.batch);
        online.fading = self.fading.map_or(online.fading, T::of);
        online
    }
}

fn train<T: Pick>(
    data: &Data,
    method: &str,
    k: f64,
    iterations: usize,
    out: &str,
    tuning: &Tuning,
) -> Outcome<serde_json::Value> {
    let (y, dim) = (T::of_pair(&data.signals), data.dim);
    let start = Dictionary::normalized(T::of_pair(&data.atoms).to_vec(), dim)?;
    let (n_atoms, coder) = (start.n_atoms(), Omp::with_k(k as usize));
    let clock = Instant::now();
    let (dictionary, errors) = match method {
        "online" => {
            let online = tuning.apply(Online::new(n_atoms, coder)).init(start).max_iter(iterations);
            let fit = online.fit(y, dim)?;
            (fit.dictionary, fit.errors)
        }
        "online-l1" => {
            let coder = LassoCoder::new(T::of(k));
            let online = tuning.apply(Online::new(n_atoms, coder)).init(start).max_iter(iterations);
            let fit = online.fit(y, dim)?;
            (fit.dictionary, fit.errors)
        }
        _ => {
            let update = if method == "exact" { Update::Exact } else { Update::default() };
            let mut ksvd = Ksvd::new(n_atoms, coder).update(update).init(start).max_iter(iterations);
            ksvd.max_coherence = tuning.coherence.map_or(ksvd.max_coherence, T::of);
            let fit = ksvd.fit(y, dim)?;
            (fit.dictionary, fit.errors)
        }
    };
    let seconds = clock.elapsed().as_secs_f64();
    let bytes: Vec<u8> = dictionary.atoms().iter().flat_map(|v| v.as_f64().to_le_bytes()).collect();
    std::fs::write(out, bytes)?;
    let errors: Vec<f64> = errors.iter().map(|e| e.as_f64()).collect();
    Ok(json!({"seconds": seconds, "errors": errors}))
}

/// Resident memory, MiB, at its peak (`VmHWM:`) or now (`VmRSS:`); 0 where the system does not say.
fn memory(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|l| l.starts_with(field)).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|v| v.parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

fn answer(data: &mut Data, words: &[&str]) -> Outcome<serde_json::Value> {
    match *words {
        ["signals", path, dim] => {
            data.dim = dim.parse()?;
            data.signals = read(path)?;
            Ok(json!({"signals": data.signals.0.len() / data.dim.max(1)}))
        }
        ["dictionary", path] => {
            data.atoms = read(path)?;
            Ok(json!({"atoms": data.atoms.0.len() / data.dim.max(1)}))
        }
        ["code", method, "f32", k, bound] => code::<f32>(data, method, k.parse()?, bound.parse()?),
        ["code", method, "f64", k, bound] => code::<f64>(data, method, k.parse()?, bound.parse()?),
        ["train", method, precision, k, n, out, ref tuning @ ..] => {
            let (k, n, tuning) = (k.parse()?, n.parse()?, Tuning::parse(tuning)?);
            match precision {
                "f32" => train::<f32>(data, method, k, n, out, &tuning),
                _ => train::<f64>(data, method, k, n, out, &tuning),
            }
        }
        ["memory"] => Ok(json!({"peak_mib": memory("VmHWM:"), "now_mib": memory("VmRSS:")})),
        _ => Err(format!("unknown command: {}", words.join(" ")).into()),
    }
}

fn main() -> Outcome<()> {
    let threads = std::env::args().nth(1).and_then(|t| t.parse().ok()).unwrap_or(1);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let mut data = Data::default();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        if !words.is_empty() {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{}", answer(&mut data, &words)?)?;
            out.flush()?;
        }
    }
    Ok(())
}
