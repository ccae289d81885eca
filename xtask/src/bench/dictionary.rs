//! `cargo xtask bench dictionary`: sparse coding and dictionary learning, by turns with the Python peers.

use std::process::Command;

use super::peers;
use crate::{Outcome, cargo, must, root, say};

const PACKAGES: [&str; 4] = ["numpy", "scikit-image", "scikit-learn", "spams-bin"];

/// How to run the suite.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Take turns with the Python peers, set up in `target/peers`. The data come from one of them: without, nothing runs.
    #[arg(long)]
    peers: bool,
    /// small: 20 000 patches; full: all patches of a photograph, and training with 100 000.
    #[arg(long, default_value = "small")]
    size: String,
    /// Repetitions; the least time counts.
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// Threads, for ours and theirs.
    #[arg(long, default_value_t = 1)]
    threads: usize,
}

/// Runs the suite; its script prints the lines.
pub(super) fn run(args: &Args) -> Outcome {
    if !args.peers {
        return Err("the dictionary suite takes turns with its peers: add --peers".into());
    }
    let package = ["--release", "--quiet", "--package", "spm-benches", "--bin", "dictionary"];
    must(cargo(&["build"]).args(package))?;
    let python = peers::environment(&PACKAGES)?;
    let (threads, repeat) = (args.threads.to_string(), args.repeat.to_string());
    say(&format!("# {threads} thread(s), {repeat} repetitions, {}", args.size));
    must(
        Command::new(python)
            .arg(root().join("benches/peers/dictionary.py"))
            .arg(root().join("target/release/dictionary"))
            .args([&threads, &repeat, &args.size])
            .envs(
                ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"].map(|k| (k, threads.as_str())),
            ),
    )
}
