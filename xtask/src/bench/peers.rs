//! The Python peers: a virtual environment under `target/peers` that grows by what a suite needs.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::{Outcome, must, root};

/// `target/peers`, where the environment and the suites' data are.
pub(super) fn folder() -> PathBuf {
    root().join("target/peers")
}

/// The interpreter of an environment that has `packages` (requirements as pip takes them, with options before
/// one that must not change what is there), made or completed if need be.
pub(super) fn environment(packages: &[&str]) -> Outcome<PathBuf> {
    let folder = folder();
    let python = folder.join("bin/python");
    if !python.exists() {
        must(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    }
    // What was asked of pip before, one requirement a line: no network for what is there.
    let list = folder.join("installed.txt");
    let mut installed = std::fs::read_to_string(&list).unwrap_or_default();
    let missing: Vec<&str> =
        packages.iter().copied().filter(|p| !installed.lines().any(|l| l == *p)).collect();
    if !missing.is_empty() {
        let (plain, special): (Vec<&str>, Vec<&str>) = missing.iter().partition(|p| !p.starts_with('-'));
        let pip = || {
            let mut command = Command::new(&python);
            command.args(["-m", "pip", "install", "--quiet"]);
            command
        };
        if !plain.is_empty() {
            must(pip().args(&plain))?;
        }
        for package in special {
            must(pip().args(package.split_whitespace()))?;
        }
        for package in missing {
            installed.push_str(package);
            installed.push('\n');
        }
        std::fs::write(&list, installed).map_err(|e| format!("{}: {e}", list.display()))?;
    }
    Ok(python)
}

/// A script of `benches/peers` with `packages`, every library on one thread; notes go where those of this program go.
pub(super) fn command(name: &str, packages: &[&str]) -> Outcome<Command> {
    let python = environment(packages)?;
    let threads = ["OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"];
    let mut command = Command::new(&python);
    command
        .arg(root().join("benches/peers").join(name))
        .envs(threads.map(|k| (k, "1")))
        .stderr(Stdio::inherit());
    Ok(command)
}

/// Runs such a script; what it printed.
pub(super) fn script(name: &str, packages: &[&str], args: &[&str]) -> Outcome<String> {
    let output =
        command(name, packages)?.args(args).output().map_err(|e| format!("{name} did not start: {e}"))?;
    if !output.status.success() {
        return Err(format!("{name} failed"));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
