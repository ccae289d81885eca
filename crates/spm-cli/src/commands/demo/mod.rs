//! `spm demo`: the experiments of the talk on data inside the program, and a report to look at.

mod bone;
mod data;
mod diabetes;
mod dictionary;
mod holes;
mod parts;
mod photograph;
mod report;
mod river;
mod scanner;
mod signals;
mod thousand;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use report::Experiment;
use serde_json::Value;
use sparse_modeling::solvers::Status;

use crate::Context;
use crate::error::CliError;
use crate::io::write_atomically;
use crate::outcome::Outcome;

/// Run the experiments on embedded data and write one HTML report with pictures, figures and certificates.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Folder of the report.
    #[arg(long, value_name = "DIR", default_value = "spm-demo")]
    out: PathBuf,
}

type Run = fn(u64) -> Result<Experiment, CliError>;

const EXPERIMENTS: [(&str, Run); 10] = [
    ("a thousand features, a hundred samples", thousand::run),
    ("diabetes: which measurements matter", diabetes::run),
    ("a photograph from 64 atoms", dictionary::run),
    ("noise off a photograph", photograph::run),
    ("half of a photograph", holes::run),
    ("a scan in a fraction of the time", scanner::run),
    ("good parts only", parts::run),
    ("the outline of a bone", bone::run),
    ("steps, ramps and a sine", signals::run),
    ("the Nile: when did it change", river::run),
];

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    std::fs::create_dir_all(&args.out).map_err(|e| CliError::io(&args.out, e))?;
    let bar = ctx.progress.bar(EXPERIMENTS.len(), "demo");
    let start = Instant::now();
    let mut done = Vec::with_capacity(EXPERIMENTS.len());
    for (name, experiment) in EXPERIMENTS {
        bar.set_message(name);
        done.push(experiment(ctx.seed)?);
        bar.inc(1);
    }
    bar.finish_and_clear();
    let path = args.out.join("report.html");
    let html = report::html(&done).map_err(|e| CliError::file(&path, e.to_string()))?;
    write_atomically(&path, html.as_bytes())?;
    let worst = if done.iter().all(|e| e.converged) { Status::Converged } else { Status::MaxIterations };
    let shown = done.iter().map(|e| format!("{}: {}", e.title, e.answer)).collect();
    Ok(Outcome::new("demo")
        .status(worst)
        .set_shown("experiments", done.iter().map(Experiment::json).collect::<Vec<Value>>(), shown)
        .seconds(start.elapsed())
        .set("report", path.to_string_lossy().into_owned()))
}

/// A relative gap in words; below the rounding of the objective there is nothing to tell.
fn gap_text(relative: f64) -> String {
    if relative < 1e-15 {
        "relative gap below 1e-15".to_owned()
    } else {
        format!("relative gap {relative:.1e}")
    }
}

/// Runs a computation and adds its wall time to `total`.
fn timed<R>(total: &mut Duration, compute: impl FnOnce() -> R) -> R {
    let start = Instant::now();
    let result = compute();
    *total += start.elapsed();
    result
}
