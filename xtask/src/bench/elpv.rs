//! `cargo xtask bench elpv`: defects of solar cells, learned from 60 good cells.

use std::path::PathBuf;

use super::program;
use crate::{Outcome, say};

/// Where the data is, and how often to draw.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder with `labels.csv` and `images/` of the ELPV data (the folder `elpv_dataset/data` of the Python package).
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Random draws of 60 good cells.
    #[arg(long, default_value_t = 10)]
    draws: usize,
    /// Seed of the first draw.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

/// Runs the suite and prints its lines.
pub(super) fn run(args: &Args) -> Outcome {
    let (draws, seed) = (args.draws.to_string(), args.seed.to_string());
    let lines = program("elpv", &[&args.data.to_string_lossy(), &draws, &seed])?;
    lines.lines().for_each(say);
    Ok(())
}
