//! `cargo xtask bench regression`: sparse regression against its peers.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::page::{Page, machine};
use super::shrinkage::Shrinkage;
use super::{Options, Row, compare, emit, parse, peers};
use crate::{Outcome, cargo, must, read, root, say};

/// python-glmnet asks for an older NumPy than it needs.
const PACKAGES: [&str; 6] = ["numpy", "scikit-learn", "celer", "skglm", "adelie", "--no-deps python-glmnet"];
const TASKS: [&str; 4] = ["alpha_max/10", "alpha_max/100", "path", "cv"];

/// How to run the suite.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,
    /// A folder with more problems: `problems.json` and the arrays it names, as the suite's program dumps them.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A peer that needs more seconds of the processor than this for a task, all its runs together, is left out.
    #[arg(long, value_name = "SECONDS", default_value_t = 6.0)]
    budget: f64,
    /// A peer is given at least two seconds, and no more than this many times what ours takes.
    #[arg(long, value_name = "TIMES", default_value_t = 20.0)]
    patience: f64,
    /// Also write the page with the tables.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

/// Runs the suite, ours and the peers in turn, task after task, and prints or writes its lines. Everything on one thread.
pub(super) fn run(args: &Args) -> Outcome {
    let options = &args.options;
    let program = Program::build()?;
    let data = root().join("target/regression").join(&options.size);
    std::fs::create_dir_all(&data).map_err(|e| format!("{}: {e}", data.display()))?;
    program.call(&["dump", &options.size, &data.to_string_lossy()])?;
    let real = root().join("target/regression/real");
    let mut rivals = if options.peers { Some((Rivals::start(&real)?, Shrinkage::build()?)) } else { None };
    let mut folders = vec![data];
    // The smallest size is for smoke runs.
    if options.size != "tiny" && real.join("problems.json").exists() {
        folders.push(real);
    }
    folders.extend(args.data.clone());
    let (mut rows, mut theirs) = (Vec::new(), Vec::new());
    for folder in &folders {
        let list: Vec<serde_json::Value> = serde_json::from_str(&read(&folder.join("problems.json"))?)
            .map_err(|e| format!("{}: {e}", folder.display()))?;
        for (index, task) in (0..list.len()).flat_map(|k| TASKS.map(|task| (k, task))) {
            let repeat = options.repeat.to_string();
            let words = ["solve", &folder.to_string_lossy(), &index.to_string(), task, &repeat];
            let ours = parse(&program.call(&words)?)?;
            if let Some((rivals, shrinkage)) = &mut rivals {
                let seconds: f64 = ours.iter().map(|r| r.seconds).sum();
                let runs = options.repeat as f64 + 2.0;
                let limit = (args.patience * seconds * runs).min(args.budget).max(2.0);
                theirs.extend(rivals.ask(folder, index, task, options.repeat, limit)?);
                theirs.extend(shrinkage.ask(folder, index, task, options.repeat, limit)?);
            }
            rows.extend(ours);
        }
    }
    if let Some((rivals, _)) = rivals {
        compare(&rows, "ours", &theirs);
        if let Some(path) = &args.page {
            let versions = format!("{}, {}", rivals.versions, Shrinkage::VERSION);
            std::fs::write(path, page(&rows, &theirs, &versions, args))
                .map_err(|e| format!("{}: {e}", path.display()))?;
        }
    }
    rows.extend(theirs);
    emit(options, &rows)
}

/// The suite's program, a process for every task.
struct Program(PathBuf);

impl Program {
    fn build() -> Outcome<Self> {
        must(cargo(&["build"]).args([
            "--release",
            "--quiet",
            "--package",
            "spm-benches",
            "--bin",
            "regression",
        ]))?;
        let target =
            std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
        Ok(Self(target.join("release/regression")))
    }

    fn call(&self, words: &[&str]) -> Outcome<String> {
        let output = Command::new(&self.0)
            .args(words)
            .env("RAYON_NUM_THREADS", "1")
            .stderr(Stdio::inherit())
            .output()
            .map_err(|e| format!("{}: {e}", self.0.display()))?;
        if !output.status.success() {
            return Err(format!("regression {} failed", words.join(" ")));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}

/// The peers' script, which answers requests.
struct Rivals {
    process: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
    versions: String,
}

impl Rivals {
    /// Starts it; it writes the real tables to `real`.
    fn start(real: &Path) -> Outcome<Self> {
        let mut process = peers::command("regression.py", &PACKAGES)?
            .arg(real)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("regression.py did not start: {e}"))?;
        let (Some(requests), Some(answers)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("regression.py has no pipes".into());
        };
        let mut rivals =
            Self { process, requests, answers: BufReader::new(answers), versions: String::new() };
        rivals.versions = rivals.line()?.trim().to_owned();
        Ok(rivals)
    }

    fn line(&mut self) -> Outcome<String> {
        let mut line = String::new();
        match self.answers.read_line(&mut line) {
            Ok(0) | Err(_) => Err("regression.py ended early".into()),
            Ok(_) => Ok(line),
        }
    }

    fn ask(
        &mut self,
        folder: &Path,
        index: usize,
        task: &str,
        repeat: usize,
        limit: f64,
    ) -> Outcome<Vec<Row>> {
        let ask = serde_json::json!({
            "folder": folder, "index": index, "task": task, "repeat": repeat, "limit": limit,
        });
        writeln!(self.requests, "{ask}").map_err(|e| format!("regression.py: {e}"))?;
        let mut text = String::new();
        loop {
            let line = self.line()?;
            if line.trim().is_empty() {
                return parse(&text);
            }
            text.push_str(&line);
        }
    }
}

impl Drop for Rivals {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The page with the figures.
fn page(rows: &[Row], peers: &[Row], versions: &str, args: &Args) -> String {
    let mut page = Page::new("Sparse regression against its peers", rows, "ours", peers);
    page.text(&format!(
        "```sh\ncargo xtask bench regression --size {} --repeat {} --peers --page docs/benchmarks/regression.md\n```",
        args.options.size, args.options.repeat
    ));
    page.text(
        "This page is what the command writes.\n\n\
         Problem: `1/(2n)‖y − Xw − b‖² + alpha‖w‖₁` with an intercept. Ours and the peers take turns, task after task, on one thread\n\
         each, with the same arrays. A peer's tolerance is tightened by half decades until the duality gap, recomputed from the\n\
         coefficients alone, is at most 1e-6 of the objective at zero, on a path at its worst point; ours is asked for 1e-6. Times\n\
         are seconds of the processor, start to finish. \"path\" is 100 strengths from alpha_max down to a thousandth, the same for\n\
         everybody (ours finds alpha_max itself); \"cv\" is five contiguous folds over that grid and a final fit, the same for\n\
         everybody; who has no cross-validation of that kind gets a loop over its own path. Of the crates in Rust, shrinkage, which has\n\
         neither paths nor cross-validation, runs in a process of its own and by the clock on the wall; linfa-elasticnet 0.8 takes the mean\n\
         off y but not off X, so that it solves another problem.",
    );
    page.text(&format!(
        "A peer gets up to {} times the time of ours, at least two seconds and at most {} seconds, for all its runs of a task; a dash is one\n\
         that needs more, does not reach the gap, or cannot do it. A row without any peer is not in the mean.",
        args.patience, args.budget
    ));
    page.text(&format!("On {}; {versions}.", machine()));
    page.text(
        "nci60 and khan are gene expression (from the package ISLP; response: one kind of cancer against the rest, and the class);\n\
         breast-cancer-products and diabetes-products are scikit-learn's tables with all products of two features, standardised.\n\
         The others are made: independent features (talk, small, wide, sparse), correlation 0.9^|i−j| (toeplitz) and 0.3^|i−j| (tall).",
    );
    page.heading("Milliseconds");
    page.times();
    page.heading("Peak memory");
    page.text(
        "MiB that one run needs at its peak beyond what its process holds with the data loaded; every run in a process of its own\n\
         (ours started for it, the peers' forked for it).",
    );
    page.memory();
    page.heading("Gaps of ours");
    page.gaps();
    say("the page is written");
    page.finish()
}
