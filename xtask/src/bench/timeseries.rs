//! `cargo xtask bench timeseries`: total variation on a line and trend filtering, by turns with the Python peers.

use std::process::Command;

use super::peers;
use crate::{Outcome, cargo, must, root, say};

const PACKAGES: [&str; 4] = ["numpy", "prox-tv", "TVDCondat2013", "cvxpy"];

/// How to run the suite.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Take turns with the Python peers, set up in `target/peers`. The data come from one of them: without, nothing runs.
    #[arg(long)]
    peers: bool,
    /// small: up to 1e6 values for total variation, 1e5 for trends; full: ten times that.
    #[arg(long, default_value = "small")]
    size: String,
    /// Repetitions; the least time counts.
    #[arg(long, default_value_t = 7)]
    repeat: usize,
    /// Threads for ours; the peers have one.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

/// Runs the suite; its script prints the lines.
pub(super) fn run(args: &Args) -> Outcome {
    if !args.peers {
        return Err("the time series suite takes turns with its peers: add --peers".into());
    }
    let package = ["--release", "--quiet", "--package", "spm-benches", "--bin", "timeseries"];
    must(cargo(&["build"]).args(package))?;
    let python = peers::environment(&PACKAGES)?;
    let (threads, repeat) = (args.threads.to_string(), args.repeat.to_string());
    say(&format!("# {threads} thread(s), {repeat} repetitions, {}", args.size));
    must(
        Command::new(python)
            .arg(root().join("benches/peers/timeseries.py"))
            .arg(root().join("target/release/timeseries"))
            .args([&threads, &repeat, &args.size])
            .env("OMP_NUM_THREADS", "1"),
    )
}
