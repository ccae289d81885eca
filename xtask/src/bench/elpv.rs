//! `cargo xtask bench elpv`: defects of solar cells, learned from 60 good cells or from cells with labels.

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
    /// Only the methods whose names have this in them.
    #[arg(long, default_value = "")]
    only: String,
}

/// Runs the suite and prints its lines.
pub(super) fn run(args: &Args) -> Outcome {
    let (draws, seed) = (args.draws.to_string(), args.seed.to_string());
    let lines = program("elpv", &[&args.data.to_string_lossy(), &draws, &seed, &args.only])?;
    lines.lines().for_each(say);
    Ok(())
}
