//! `cargo xtask bench` and `bench-diff`: the problem suite, its results, and what changed.

use std::path::PathBuf;
use std::process::Command;

use serde::{Deserialize, Serialize};

use crate::{Outcome, cargo, must, read, root, say};

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Problem sizes: tiny, small or medium.
    #[arg(long, default_value = "small")]
    size: String,
    /// Repetitions; the median time is reported.
    #[arg(long, default_value_t = 5)]
    repeat: usize,
    /// Also run the regression problems by Python peers (scikit-learn, celer), set up in `target/peers`, on one thread.
    #[arg(long)]
    peers: bool,
    /// Write the JSON lines here instead of printing them.
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

/// Which results to compare.
#[derive(Debug, clap::Args)]
pub(crate) struct DiffArgs {
    /// Results before.
    before: PathBuf,
    /// Results after.
    after: PathBuf,
}

/// One result: a problem solved by a solver to a tolerance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Row {
    problem: String,
    solver: String,
    tol: f64,
    iterations: u64,
    #[serde(default)]
    seconds: f64,
    objective: f64,
    /// Relative duality gap recomputed from the solution alone.
    gap: f64,
    nnz: u64,
}

impl Row {
    /// Names the case.
    pub(crate) fn case(&self) -> String {
        format!("{} by {} to {:e}", self.problem, self.solver, self.tol)
    }

    pub(crate) fn same_case(&self, other: &Self) -> bool {
        self.case() == other.case()
    }

    /// The line without its time, which no golden file holds.
    pub(crate) fn without_time(&self) -> String {
        serde_json::to_string(&Self { seconds: 0.0, ..self.clone() }).unwrap_or_default()
    }

    /// How this result differs from a golden one.
    pub(crate) fn deviates_from(&self, golden: &Self) -> Vec<String> {
        let mut wrong = Vec::new();
        let scale = golden.objective.abs().max(f64::MIN_POSITIVE);
        if (self.objective - golden.objective).abs() / scale > 1e-9_f64.max(2.0 * self.tol) {
            wrong.push(format!("{}: objective {} was {}", self.case(), self.objective, golden.objective));
        }
        if self.gap > self.tol {
            wrong.push(format!("{}: the gap {:e} misses the tolerance", self.case(), self.gap));
        }
        if self.nnz != golden.nnz {
            wrong.push(format!("{}: {} nonzeros, there were {}", self.case(), self.nnz, golden.nnz));
        }
        if self.iterations as f64 > 1.2 * golden.iterations as f64 + 2.0 {
            wrong.push(format!(
                "{}: {} iterations, there were {}",
                self.case(),
                self.iterations,
                golden.iterations
            ));
        }
        wrong
    }
}

/// Runs the suite and prints or writes its lines.
pub(crate) fn run(args: &Args) -> Outcome {
    let mut rows = suite(&args.size, args.repeat)?;
    if args.peers {
        let peers = peers(&args.size, args.repeat)?;
        compare(&rows, &peers);
        rows.extend(peers);
    }
    let lines: Vec<String> = rows.iter().map(|r| serde_json::to_string(r).unwrap_or_default()).collect();
    match &args.out {
        Some(path) => {
            std::fs::write(path, lines.join("\n") + "\n").map_err(|e| format!("{}: {e}", path.display()))
        }
        None => {
            lines.iter().for_each(|l| say(l));
            Ok(())
        }
    }
}

/// Builds and runs the suite.
pub(crate) fn suite(size: &str, repeat: usize) -> Outcome<Vec<Row>> {
    run_quiet(&["build", "--release", "--quiet", "--package", "spm-benches", "--bin", "suite"])?;
    let repeat = repeat.to_string();
    let args =
        ["run", "--release", "--quiet", "--package", "spm-benches", "--bin", "suite", "--", size, &repeat];
    let output = cargo(&args).output().map_err(|e| format!("the suite did not start: {e}"))?;
    if !output.status.success() {
        return Err(format!("the suite failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// Sets up a virtual environment and runs the peers on the suite's own problems.
fn peers(size: &str, repeat: usize) -> Outcome<Vec<Row>> {
    let folder = root().join("target/peers");
    let python = folder.join("bin/python");
    if !python.exists() {
        must(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
        must(Command::new(&python).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "numpy",
            "scikit-learn",
            "celer",
        ]))?;
    }
    let data = folder.join("problems");
    std::fs::create_dir_all(&data).map_err(|e| format!("{}: {e}", data.display()))?;
    let dump =
        ["run", "--release", "--quiet", "--package", "spm-benches", "--bin", "suite", "--", "dump", size];
    must(cargo(&dump).arg(&data))?;
    let script = root().join("benches/peers/regression.py");
    let output = Command::new(&python)
        .arg(script)
        .arg(&data)
        .arg(repeat.to_string())
        .envs(["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"].map(|k| (k, "1")))
        .output()
        .map_err(|e| format!("the peers did not start: {e}"))?;
    if !output.status.success() {
        return Err(format!("the peers failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    parse(&String::from_utf8_lossy(&output.stdout))
}

/// Prints how many times faster coordinate descent is than the fastest peer.
fn compare(ours: &[Row], peers: &[Row]) {
    for row in ours.iter().filter(|r| r.solver == "cd") {
        let rivals = peers.iter().filter(|p| p.problem == row.problem && p.gap <= row.tol);
        if let Some(best) = rivals.min_by(|a, b| a.seconds.total_cmp(&b.seconds)) {
            let ratio = best.seconds / row.seconds;
            say(&format!(
                "{}: {:.2e} s, {ratio:.1} x faster than {} ({:.2e} s)",
                row.problem, row.seconds, best.solver, best.seconds
            ));
        }
    }
}

/// Reads JSON lines.
pub(crate) fn parse(text: &str) -> Outcome<Vec<Row>> {
    text.lines()
        .filter(|l| !l.trim().is_empty())
        .map(|l| serde_json::from_str(l).map_err(|e| format!("bad result line: {e}: {l}")))
        .collect()
}

/// Flags changed iterations apart from changed times: the first are exact, the second are noisy.
pub(crate) fn diff(args: &DiffArgs) -> Outcome {
    let before = parse(&read(&args.before)?)?;
    let after = parse(&read(&args.after)?)?;
    for old in &before {
        let Some(new) = after.iter().find(|r| r.same_case(old)) else {
            say(&format!("{}: only in the first file", old.case()));
            continue;
        };
        if new.iterations != old.iterations {
            say(&format!("{}: iterations {} -> {}", old.case(), old.iterations, new.iterations));
        }
        let ratio = new.seconds / old.seconds;
        if !(0.8..=1.25).contains(&ratio) {
            say(&format!(
                "{}: time x{ratio:.2} ({:.2e} s -> {:.2e} s)",
                old.case(),
                old.seconds,
                new.seconds
            ));
        }
    }
    for new in after.iter().filter(|r| !before.iter().any(|o| o.same_case(r))) {
        say(&format!("{}: only in the second file", new.case()));
    }
    Ok(())
}

fn run_quiet(args: &[&str]) -> Outcome {
    must(&mut cargo(args))
}
