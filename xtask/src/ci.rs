//! `cargo xtask ci`: the gates, cheapest first.

use std::time::Instant;

use crate::{Outcome, cargo, docs, golden, must, say, tidy};

/// Which gates.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Leave the test suite out, for callers that have just run it.
    #[arg(long)]
    skip_tests: bool,
}

/// Runs every gate and stops at the first that fails.
pub(crate) fn run(args: &Args) -> Outcome {
    gate("format", || run_cargo(&["fmt", "--all", "--check"]))?;
    gate("tidy", tidy::run)?;
    gate("clippy", || {
        run_cargo(&["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"])
    })?;
    if !args.skip_tests {
        gate("tests", || run_cargo(&["test", "--workspace", "--all-features"]))?;
    }
    gate("no default features", no_default_features)?;
    gate("documentation", || docs::run(&docs::Args::default()))?;
    gate("golden results", || golden::run(&golden::Args::check()))?;
    gate("examples", examples)?;
    gate("benches, one pass each", || {
        run_cargo(&["test", "--release", "--benches", "--package", "spm-benches"])
    })?;
    Ok(())
}

fn gate(name: &str, check: impl FnOnce() -> Outcome) -> Outcome {
    say(&format!("== {name}"));
    let start = Instant::now();
    check()?;
    say(&format!("== {name}: passed in {:.0} s", start.elapsed().as_secs_f64()));
    Ok(())
}

fn run_cargo(args: &[&str]) -> Outcome {
    must(&mut cargo(args))
}

/// Every library crate must build alone and without its default features, and every view of other matrices without the others.
fn no_default_features() -> Outcome {
    for name in ["spm-linalg", "spm-solvers", "spm-models", "spm-image", "spm-timeseries", "sparse-modeling"]
    {
        run_cargo(&["check", "--quiet", "--package", name, "--no-default-features", "--features", "std"])?;
    }
    for feature in ["ndarray", "nalgebra", "sprs"] {
        run_cargo(&["check", "--quiet", "--package", "spm-linalg", "--features", feature])?;
    }
    Ok(())
}

/// Every example runs to its end.
fn examples() -> Outcome {
    run_cargo(&["build", "--release", "--package", "spm-examples", "--bins"])?;
    let folder = crate::root().join("examples/src/bin");
    let mut names: Vec<String> = std::fs::read_dir(&folder)
        .map_err(|e| format!("{}: {e}", folder.display()))?
        .filter_map(|entry| entry.ok()?.path().file_stem().map(|s| s.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    for name in names {
        say(&format!("-- example {name}"));
        let mut command =
            cargo(&["run", "--release", "--quiet", "--package", "spm-examples", "--bin", &name]);
        must(command.stdout(std::process::Stdio::null()))?;
    }
    Ok(())
}
