//! `cargo xtask bench dictionary`: sparse coding and dictionary learning, by turns with the Python peers.

mod tables;

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::peers;
use crate::{Outcome, cargo, must, read, root, say};

const PACKAGES: [&str; 6] = ["numpy", "scikit-image", "scikit-learn", "spams-bin", "dictlearn", "ksvd"];

/// The part of the page that a run writes lies between these.
const MARKS: [&str; 2] =
    ["<!-- measured: what follows is written by the command -->\n", "<!-- measured: end -->\n"];

/// How to run the suite.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Take turns with the Python peers, set up in `target/peers`. The data come from one of them: without, nothing runs.
    #[arg(long)]
    peers: bool,
    /// small: 20 000 patches; full: all patches of a photograph, and training with 100 000.
    #[arg(long, default_value = "full")]
    size: String,
    /// Repetitions; the least time counts.
    #[arg(long, default_value_t = 3)]
    repeat: usize,
    /// Threads, for ours and theirs: one run for each number.
    #[arg(long, value_delimiter = ',', default_value = "1,2")]
    threads: Vec<usize>,
    /// Write the tables into this page, between its marks, instead of printing them.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// Make the tables from the JSON lines in this file instead of measuring.
    #[arg(long, value_name = "FILE")]
    from: Option<PathBuf>,
}

/// Runs the suite: prints a JSON line a result as it comes, then the tables.
pub(super) fn run(args: &Args) -> Outcome {
    let rows = match &args.from {
        Some(path) => read(path)?.lines().map(parse).collect::<Outcome<Vec<_>>>()?,
        None => measure(args)?,
    };
    let text = tables::render(&rows);
    match &args.page {
        Some(path) => splice(path, &text),
        None => {
            say(&text);
            Ok(())
        }
    }
}

fn parse(line: &str) -> Outcome<serde_json::Value> {
    serde_json::from_str(line).map_err(|e| format!("bad result line: {e}: {line}"))
}

fn measure(args: &Args) -> Outcome<Vec<serde_json::Value>> {
    if !args.peers {
        return Err("the dictionary suite takes turns with its peers: add --peers".into());
    }
    let package = ["--release", "--quiet", "--package", "spm-benches", "--bin", "dictionary"];
    must(cargo(&["build"]).args(package))?;
    let python = peers::environment(&PACKAGES)?;
    let repeat = args.repeat.to_string();
    let mut rows = Vec::new();
    for threads in &args.threads {
        let threads = threads.to_string();
        let libraries = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"];
        let mut script = Command::new(&python)
            .arg(root().join("benches/peers/dictionary.py"))
            .arg(root().join("target/release/dictionary"))
            .args([&threads, &repeat, &args.size])
            .envs(libraries.map(|k| (k, threads.as_str())))
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("dictionary.py did not start: {e}"))?;
        for line in script.stdout.take().into_iter().flat_map(|out| BufReader::new(out).lines()) {
            let line = line.map_err(|e| format!("dictionary.py: {e}"))?;
            say(&line);
            rows.push(parse(&line)?);
        }
        if !script.wait().is_ok_and(|status| status.success()) {
            if rows.is_empty() {
                return Err("dictionary.py failed".into());
            }
            say("dictionary.py ended early: the tables hold what was measured until then");
        }
    }
    Ok(rows)
}

/// Puts `text` between the marks of a page.
fn splice(path: &Path, text: &str) -> Outcome {
    let page = read(path)?;
    let (Some(start), Some(end)) = (page.find(MARKS[0]), page.find(MARKS[1])) else {
        return Err(format!("{}: the marks are missing", path.display()));
    };
    let page = format!("{}{}\n{text}\n{}", &page[..start], MARKS[0].trim_end(), &page[end..]);
    std::fs::write(path, page).map_err(|e| format!("{}: {e}", path.display()))
}
