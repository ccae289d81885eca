//! The time series suite: a server that fits on command, so that a script can time it and Python peers by turns.
//!
//! Argument: the number of threads. Every line of the standard input is a command, answered by one JSON line:
//!
//! | command | does |
//! |---|---|
//! | `signal FILE` | loads a series, f64 |
//! | `copy` | copies it: the floor |
//! | `tv LAMBDA` | total variation, the solution alone |
//! | `fused LAMBDA` | the same with its certificate and `lambda_max` |
//! | `merge LAMBDA` | change points: merged jumps of the fused lasso |
//! | `pelt` | change points by optimal partitioning |
//! | `trend K RATIO OUT` | trend filtering of order K at a share of `lambda_max`; writes the trend |
//!
//! The time is wall time of the computation alone.

use std::io::{BufRead, Write};
use std::time::{Duration, Instant};

use serde_json::json;
use sparse_modeling::timeseries::{
    ChangePoints, FusedLasso, MergeJumps, Pelt, Series, TrendFilter, trend_lambda_max,
};
use spm_linalg::Workspace;
use spm_linalg::penalty::{tv1d_halves_into, tv1d_into, tv1d_scratch};

/// The most time of one trend.
const PATIENCE: Duration = Duration::from_secs(30);

type Outcome<T> = Result<T, Box<dyn std::error::Error>>;

fn answer(y: &mut Vec<f64>, words: &[&str]) -> Outcome<serde_json::Value> {
    match *words {
        ["signal", path] => {
            let bytes = std::fs::read(path)?;
            *y =
                bytes.chunks_exact(8).map(|b| f64::from_le_bytes(b.try_into().unwrap_or_default())).collect();
            Ok(json!({"n": y.len()}))
        }
        ["copy"] => {
            let mut to = vec![1.0; y.len()];
            let clock = Instant::now();
            to.copy_from_slice(y);
            let seconds = clock.elapsed().as_secs_f64();
            Ok(json!({"seconds": seconds, "last": to.last()}))
        }
        ["tv", lambda] => {
            let (lambda, mut x) = (lambda.parse()?, vec![1.0; y.len()]);
            let n = y.len();
            let (seconds, ()) = least(n, || {
                // As the fused lasso does it.
                if n < 1 << 15 {
                    let mut ws = Workspace::new(tv1d_scratch::<f64>(n));
                    tv1d_into(y, None, lambda, None, &mut x, ws.stack());
                } else {
                    tv1d_halves_into(y, None, lambda, None, &mut x, |a, b| {
                        rayon::join(a, b);
                    });
                }
                Ok(())
            })?;
            Ok(json!({"seconds": seconds, "last": x.last()}))
        }
        ["fused", lambda] => {
            let model = FusedLasso::new(lambda.parse()?);
            let (seconds, fit) = least(y.len(), || Ok(model.fit(Series::new(y))?))?;
            let c = fit.certificate();
            Ok(
                json!({"seconds": seconds, "objective": c.primal, "gap": c.gap(), "segments": fit.segments().len()}),
            )
        }
        ["trend", order, ratio, out] => {
            let (order, ratio): (usize, f64) = (order.parse()?, ratio.parse()?);
            let lambda = ratio * trend_lambda_max(Series::new(y), order)?;
            let clock = Instant::now();
            let fit = TrendFilter::new(order, lambda).time_limit(PATIENCE).fit(Series::new(y))?;
            let seconds = clock.elapsed().as_secs_f64();
            let bytes: Vec<u8> = fit.x().iter().flat_map(|v| v.to_le_bytes()).collect();
            std::fs::write(out, bytes)?;
            let c = fit.certificate();
            Ok(json!({
                "seconds": seconds, "lambda": lambda, "objective": c.primal, "gap": c.gap(),
                "knots": fit.knots().len(), "iterations": fit.iterations(), "status": fit.status().as_str(),
            }))
        }
        ["merge", lambda] => {
            let clock = Instant::now();
            let series = Series::new(y);
            let found = MergeJumps::new().fit(series, &FusedLasso::new(lambda.parse()?).fit(series)?)?;
            Ok(changes(&found, clock))
        }
        ["pelt"] => {
            let clock = Instant::now();
            let found = Pelt::new().fit(Series::new(y))?;
            Ok(changes(&found, clock))
        }
        _ => Err(format!("unknown command: {}", words.join(" ")).into()),
    }
}

/// The least time of a few calls for a short series, of one for a long one, and what the last call returned.
fn least<R>(n: usize, mut call: impl FnMut() -> Outcome<R>) -> Outcome<(f64, R)> {
    let mut least = f64::INFINITY;
    let mut last = None;
    for _ in 0..if n < 10_000 { 10 } else { 1 } {
        let clock = Instant::now();
        last = Some(call()?);
        least = least.min(clock.elapsed().as_secs_f64());
    }
    Ok((least, last.ok_or("never called")?))
}

fn changes(found: &ChangePoints<f64>, clock: Instant) -> serde_json::Value {
    let at: Vec<usize> = found.points.iter().map(|p| p.index).collect();
    json!({"seconds": clock.elapsed().as_secs_f64(), "changes": at})
}

fn main() -> Outcome<()> {
    let threads = std::env::args().nth(1).and_then(|t| t.parse().ok()).unwrap_or(1);
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global()?;
    let mut y = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        if !words.is_empty() {
            let mut out = std::io::stdout().lock();
            writeln!(out, "{}", answer(&mut y, &words)?)?;
            out.flush()?;
        }
    }
    Ok(())
}
