//! `cargo xtask bench timeseries`: total variation on a line and trend filtering, by turns with the Python peers.

use std::process::Command;

use super::peers;
use crate::{Outcome, cargo, must, root, say};

const PACKAGES: [&str; 7] =
    ["numpy", "scipy", "scikit-image", "prox-tv", "TVDCondat2013", "cvxpy", "ruptures"];

/// How to run the suite.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Take turns with the Python peers, set up in `target/peers`. The data come from one of them: without, nothing runs.
    #[arg(long)]
    peers: bool,
    /// small: up to 1e6 values for total variation, 1e5 for trends, a few minutes; full: ten times that.
    #[arg(long, default_value = "small")]
    size: String,
    /// Repetitions; the least time counts.
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// Also writes the page of the documentation.
    #[arg(long)]
    page: bool,
}

/// Runs the suite; its script prints the lines.
pub(super) fn run(args: &Args) -> Outcome {
    if !args.peers {
        return Err("the time series suite takes turns with its peers: add --peers".into());
    }
    let package = ["--release", "--quiet", "--package", "spm-benches", "--bin", "timeseries"];
    must(cargo(&["build"]).args(package))?;
    let python = peers::environment(&PACKAGES)?;
    let repeat = args.repeat.to_string();
    say(&format!("# {repeat} repetitions, {}", args.size));
    let mut script = Command::new(python);
    script
        .arg(root().join("benches/peers/timeseries.py"))
        .arg(root().join("target/release/timeseries"))
        .args([&repeat, &args.size])
        .env("OMP_NUM_THREADS", "1");
    if args.page {
        script.arg(root().join("docs/benchmarks/timeseries.md"));
    }
    must(&mut script)
}
