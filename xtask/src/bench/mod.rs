//! `cargo xtask bench <suite>` and `bench-diff`: problem suites, their results, and what changed.
//!
//! A suite is a file here that says how to run it, a program in `benches/src/bin` that solves its problems and prints one
//! JSON line a result, optionally a script in `benches/peers` that has Python packages solve the same problems, and a page in
//! `docs/benchmarks` with the figures.

mod dictionary;
mod elpv;
mod image;
mod overview;
mod page;
mod peers;
mod regression;
mod shrinkage;
mod timeseries;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::{Outcome, cargo, must, read, say};

/// Which suite to run, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    suite: Suite,
}

#[derive(Debug, clap::Subcommand)]
enum Suite {
    /// Defects of solar cells, learned from 60 good cells.
    Elpv(elpv::Args),
    /// A few problems of every area: what `golden` compares.
    Overview(Options),
    /// Lasso: single fits, paths, cross-validation; peers scikit-learn, celer, skglm, adelie, python-glmnet.
    Regression(regression::Args),
    /// Sparse coding and dictionary learning; peers SPAMS, scikit-learn.
    Dictionary(dictionary::Args),
    /// Images: total variation, compressed sensing, denoising by K-SVD; peers scikit-image, prox-tv, SPAMS, NumPy.
    Image(image::Args),
    /// Total variation on a line, trend filtering; peers prox-tv, TVDCondat2013, cvxpy with Clarabel.
    Timeseries(timeseries::Args),
}

/// What every suite understands.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Problem sizes: tiny, small or medium.
    #[arg(long, default_value = "small")]
    pub(crate) size: String,
    /// Repetitions; the median time is reported.
    #[arg(long, default_value_t = 5)]
    pub(crate) repeat: usize,
    /// Also run the problems by Python peers, set up in `target/peers`, on one thread.
    #[arg(long)]
    pub(crate) peers: bool,
    /// Write the JSON lines here instead of printing them.
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
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
    /// Peak memory of the process that solved it, above what it held with the data loaded, in MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    peak_mib: Option<f64>,
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
        serde_json::to_string(&Self { seconds: 0.0, peak_mib: None, ..self.clone() }).unwrap_or_default()
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

/// Runs a suite.
pub(crate) fn run(args: &Args) -> Outcome {
    match &args.suite {
        Suite::Elpv(args) => elpv::run(args),
        Suite::Overview(options) => overview::run(options),
        Suite::Regression(args) => regression::run(args),
        Suite::Dictionary(args) => dictionary::run(args),
        Suite::Image(args) => image::run(args),
        Suite::Timeseries(args) => timeseries::run(args),
    }
}

/// The results of the overview, for the golden file.
pub(crate) fn overview(size: &str, repeat: usize) -> Outcome<Vec<Row>> {
    overview::solve(size, repeat)
}

/// Prints the rows as JSON lines, or writes them where the options say.
fn emit(options: &Options, rows: &[Row]) -> Outcome {
    let lines: Vec<String> = rows.iter().map(|r| serde_json::to_string(r).unwrap_or_default()).collect();
    match &options.out {
        Some(path) => {
            std::fs::write(path, lines.join("\n") + "\n").map_err(|e| format!("{}: {e}", path.display()))
        }
        None => {
            lines.iter().for_each(|l| say(l));
            Ok(())
        }
    }
}

/// Builds a program of `benches/src/bin` and runs it; what it printed.
fn program(name: &str, args: &[&str]) -> Outcome<String> {
    program_with(name, args, &[])
}

/// As [`program`], with variables in its environment.
fn program_with(name: &str, args: &[&str], variables: &[(&str, &str)]) -> Outcome<String> {
    let package = ["--release", "--quiet", "--package", "spm-benches", "--bin", name];
    must(cargo(&["build"]).args(package))?;
    let output = cargo(&["run"])
        .args(package)
        .arg("--")
        .args(args)
        .envs(variables.iter().copied())
        .stderr(std::process::Stdio::inherit())
        .output()
        .map_err(|e| format!("{name} did not start: {e}"))?;
    if !output.status.success() {
        return Err(format!("{name} failed"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Prints how many times faster `ours` is than the fastest peer that is as accurate, problem by problem, and the geometric mean.
fn compare(rows: &[Row], ours: &str, peers: &[Row]) {
    let mut logs = Vec::new();
    for row in rows.iter().filter(|r| r.solver == ours) {
        let rivals = peers.iter().filter(|p| p.problem == row.problem && p.gap <= p.tol);
        if let Some(best) = rivals.min_by(|a, b| a.seconds.total_cmp(&b.seconds)) {
            let ratio = best.seconds / row.seconds;
            logs.push(ratio.ln());
            say(&format!(
                "{}: {:.2e} s, {ratio:.2} x faster than {} ({:.2e} s)",
                row.problem, row.seconds, best.solver, best.seconds
            ));
        }
    }
    if !logs.is_empty() {
        let mean = (logs.iter().sum::<f64>() / logs.len() as f64).exp();
        say(&format!("geometric mean over {} problems: {mean:.2} x", logs.len()));
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
