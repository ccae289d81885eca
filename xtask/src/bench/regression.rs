//! `cargo xtask bench regression`: sparse regression against its Python peers.

use super::{Options, compare, emit, parse, peers, program};
use crate::Outcome;

const PACKAGES: [&str; 3] = ["numpy", "scikit-learn", "celer"];

/// How to run the suite.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,
}

/// Runs the suite and prints or writes its lines.
pub(super) fn run(args: &Args) -> Outcome {
    let options = &args.options;
    let repeat = options.repeat.to_string();
    let mut rows = parse(&program("suite", &[&options.size, &repeat])?)?;
    rows.retain(|r| r.problem.starts_with("lasso-"));
    if options.peers {
        let data = peers::folder().join("regression");
        std::fs::create_dir_all(&data).map_err(|e| format!("{}: {e}", data.display()))?;
        let data = data.to_string_lossy();
        program("suite", &["dump", &options.size, &data])?;
        let rivals = parse(&peers::script("regression.py", &PACKAGES, &[&data, &repeat])?)?;
        compare(&rows, "cd", &rivals);
        rows.extend(rivals);
    }
    emit(options, &rows)
}
