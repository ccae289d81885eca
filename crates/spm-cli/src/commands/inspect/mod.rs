//! `spm inspect`: from a folder of good parts to a decision with a picture.

mod files;
mod report;
mod score;
mod train;

pub(crate) use report::{heat_map, p_text};

use clap::Subcommand;

use crate::Context;
use crate::error::CliError;
use crate::outcome::Outcome;

/// Learn what good parts look like, and find the parts that do not.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Train(train::Args),
    Score(score::Args),
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    match &args.command {
        Command::Train(a) => train::run(a, ctx),
        Command::Score(a) => score::run(a, ctx),
    }
}

/// A share, as a number or in percent: `0.01` or `1%`.
fn rate(text: &str) -> Result<f64, String> {
    let value = match text.strip_suffix('%') {
        Some(percent) => percent.trim().parse::<f64>().map(|v| v / 100.0),
        None => text.parse(),
    };
    match value {
        Ok(v) if v > 0.0 && v < 1.0 => Ok(v),
        _ => Err("expected a share above 0 and below 1, such as 0.01 or 1%".to_owned()),
    }
}
