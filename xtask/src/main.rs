//! Project tasks: `cargo xtask <task>`.
//!
//! Plain Rust that drives cargo; nothing here is needed to use the libraries.

mod bench;
mod ci;
mod docs;
mod golden;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use clap::{Parser, Subcommand};

#[derive(Debug, Parser)]
#[command(name = "xtask", about = "Project tasks")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Everything that must pass before a change lands.
    Ci(ci::Args),
    /// The house rules that no compiler checks.
    Tidy,
    /// Run a problem suite: one JSON line a problem and solver.
    Bench(bench::Args),
    /// Compare two result files of `bench`.
    BenchDiff(bench::DiffArgs),
    /// Compare the overview's results with the golden file.
    Golden(golden::Args),
    /// Build the documentation with warnings denied.
    Docs(docs::Args),
}

/// What went wrong, in words.
type Outcome<T = ()> = Result<T, String>;

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::Ci(args) => ci::run(&args),
        Task::Tidy => tidy::run(),
        Task::Bench(args) => bench::run(&args),
        Task::BenchDiff(args) => bench::diff(&args),
        Task::Golden(args) => golden::run(&args),
        Task::Docs(args) => docs::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            say(&format!("xtask: {message}"));
            ExitCode::FAILURE
        }
    }
}

/// Prints a line for the person at the terminal.
#[allow(clippy::print_stdout)]
fn say(line: &str) {
    println!("{line}");
}

/// The workspace's root folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().map(Path::to_owned).unwrap_or_default()
}

/// A cargo command in the workspace's root.
fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(args).current_dir(root());
    command
}

/// Runs a command and requires success.
fn must(command: &mut Command) -> Outcome {
    let shown = format!("{command:?}").replace('"', "");
    let status = command.status().map_err(|e| format!("{shown}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("failed: {shown}")) }
}

/// Reads a text file, naming it if that fails.
fn read(path: &Path) -> Outcome<String> {
    std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}
