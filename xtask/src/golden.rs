//! `cargo xtask golden`: have the results or the iteration counts changed?

use crate::bench::{self, Row};
use crate::{Outcome, read, root, say};

const FILE: &str = "fixtures/golden/suite.jsonl";

/// What to do with the golden file.
#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Args {
    /// Compare and fail on a difference.
    #[arg(long)]
    check: bool,
    /// Replace the golden file by the present results.
    #[arg(long)]
    bless: bool,
}

impl Args {
    /// `--check`.
    pub(crate) fn check() -> Self {
        Self { check: true, bless: false }
    }
}

/// Solves the tiny overview and compares or replaces the golden file.
pub(crate) fn run(args: &Args) -> Outcome {
    let now = bench::overview("tiny", 1)?;
    let path = root().join(FILE);
    if args.bless {
        let lines: Vec<String> = now.iter().map(Row::without_time).collect();
        std::fs::write(&path, lines.join("\n") + "\n").map_err(|e| format!("{}: {e}", path.display()))?;
        say(&format!("wrote {FILE}: {} results", now.len()));
        return Ok(());
    }
    let golden: Vec<Row> = bench::parse(&read(&path)?)?;
    let mut wrong = Vec::new();
    for old in &golden {
        match now.iter().find(|r| r.same_case(old)) {
            None => wrong.push(format!("{} is gone", old.case())),
            Some(new) => wrong.extend(new.deviates_from(old)),
        }
    }
    wrong.extend(
        now.iter().filter(|r| !golden.iter().any(|o| o.same_case(r))).map(|r| format!("{} is new", r.case())),
    );
    if wrong.is_empty() {
        say(&format!("{} results as in {FILE}", golden.len()));
        Ok(())
    } else {
        Err(format!("{}\n(`cargo xtask golden --bless` accepts this)", wrong.join("\n")))
    }
}
