//! `spm`: sparse modelling on files.
//!
//! Parse, call the library, write the result. Exit codes: 0 done, 1 bad data or file, 2 wrong usage, 3 written but
//! not converged.

mod args;
mod commands;
mod error;
mod io;
mod outcome;
mod pixels;
mod plot;
mod progress;

use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::error::CliError;
use crate::outcome::Outcome;
use crate::progress::Progress;

/// Sparse modelling on files: regression, dictionaries, images and time series, with certificates.
#[derive(Debug, Parser)]
#[command(name = "spm", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// Options of every command.
#[derive(Debug, Clone, clap::Args)]
struct Common {
    /// Print exactly one JSON object on standard output.
    #[arg(long, global = true)]
    json: bool,
    /// Number of threads; all cores by default. The result has the same bits for any number.
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: Option<u16>,
    /// Seed of everything random.
    #[arg(long, global = true, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// No progress display and no messages.
    #[arg(long, global = true)]
    quiet: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    Demo(commands::demo::Args),
    Lasso(commands::lasso::Args),
    Genlasso(commands::genlasso::Args),
    Path(commands::path::Args),
    Cv(commands::cv::Args),
    Omp(commands::omp::Args),
    Ksvd(commands::ksvd::Args),
    Tv1d(commands::tv1d::Args),
    Trend(commands::trend::Args),
    Denoise(commands::denoise::Args),
    Inpaint(commands::inpaint::Args),
    Superres(commands::superres::Args),
    SuperresTrain(commands::superres::TrainArgs),
    Mri(commands::mri::Args),
    Compare(commands::compare::Args),
    Curvature(commands::curvature::Args),
    Inspect(commands::inspect::Args),
    Info(commands::info::Args),
}

/// What a command gets beside its own arguments.
struct Context {
    seed: u64,
    progress: Progress,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(&cli) {
        Ok(outcome) => {
            let text = if cli.common.json { outcome.json() } else { outcome.table() };
            // A closed pipe is the reader's choice, not a failure of the computation.
            let _ = std::io::stdout().write_all(text.as_bytes());
            if !outcome.is_converged() && !cli.common.quiet {
                let _ = writeln!(std::io::stderr(), "spm: the result was written but did not converge");
            }
            ExitCode::from(outcome.exit_code())
        }
        Err(e) => {
            let _ = writeln!(std::io::stderr(), "spm: {}", one_line(&e.to_string()));
            ExitCode::from(e.exit_code())
        }
    }
}

/// Whatever a decoder has to say, on one line.
fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn run(cli: &Cli) -> Result<Outcome, CliError> {
    if let Some(n) = cli.common.threads {
        rayon::ThreadPoolBuilder::new()
            .num_threads(usize::from(n))
            .build_global()
            .map_err(|e| CliError::Usage(format!("--threads {n}: {e}")))?;
    }
    let ctx = Context { seed: cli.common.seed, progress: Progress::new(cli.common.quiet) };
    match &cli.command {
        Command::Demo(a) => commands::demo::run(a, &ctx),
        Command::Lasso(a) => commands::lasso::run(a, &ctx),
        Command::Genlasso(a) => commands::genlasso::run(a, &ctx),
        Command::Path(a) => commands::path::run(a, &ctx),
        Command::Cv(a) => commands::cv::run(a, &ctx),
        Command::Omp(a) => commands::omp::run(a, &ctx),
        Command::Ksvd(a) => commands::ksvd::run(a, &ctx),
        Command::Tv1d(a) => commands::tv1d::run(a, &ctx),
        Command::Trend(a) => commands::trend::run(a, &ctx),
        Command::Denoise(a) => commands::denoise::run(a, &ctx),
        Command::Inpaint(a) => commands::inpaint::run(a, &ctx),
        Command::Superres(a) => commands::superres::run(a, &ctx),
        Command::SuperresTrain(a) => commands::superres::train(a, &ctx),
        Command::Mri(a) => commands::mri::run(a, &ctx),
        Command::Compare(a) => commands::compare::run(a, &ctx),
        Command::Curvature(a) => commands::curvature::run(a, &ctx),
        Command::Inspect(a) => commands::inspect::run(a, &ctx),
        Command::Info(a) => commands::info::run(a, &ctx),
    }
}
