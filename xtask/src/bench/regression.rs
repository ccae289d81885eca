//! `cargo xtask bench regression`: sparse regression against its Python peers.

use std::path::PathBuf;

use super::{Options, compare, emit, parse, peers, program, program_with};
use crate::Outcome;

const PACKAGES: [&str; 6] = ["numpy", "scikit-learn", "celer", "skglm", "adelie", "python-glmnet"];

/// How to run the suite.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,
    /// A folder with more problems: `problems.json` and the arrays it names, as the suite's program dumps them.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A peer that takes longer than this for one fit (four times this for a path) is left out.
    #[arg(long, value_name = "SECONDS", default_value_t = 20.0)]
    budget: f64,
}

/// Runs the suite and prints or writes its lines. Everything on one thread.
pub(super) fn run(args: &Args) -> Outcome {
    let options = &args.options;
    let repeat = options.repeat.to_string();
    let more = args.data.as_ref().map(|d| d.to_string_lossy().into_owned());
    let mut words = vec![options.size.as_str(), &repeat];
    words.extend(more.as_deref());
    let mut rows = parse(&program_with("regression", &words, &[("RAYON_NUM_THREADS", "1")])?)?;
    if options.peers {
        let data = peers::folder().join("regression");
        std::fs::create_dir_all(&data).map_err(|e| format!("{}: {e}", data.display()))?;
        let data = data.to_string_lossy();
        program("regression", &["dump", &options.size, &data])?;
        let budget = args.budget.to_string();
        let mut words = vec![repeat.as_str(), &budget, &data];
        words.extend(more.as_deref());
        let rivals = parse(&peers::script("regression.py", &PACKAGES, &words)?)?;
        compare(&rows, "ours", &rivals);
        rows.extend(rivals);
    }
    emit(options, &rows)
}
