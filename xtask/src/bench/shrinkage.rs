//! The Lasso of the crate shrinkage, a peer in Rust: a package of its own under `benches/peers`.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Row, parse, peers};
use crate::{Outcome, cargo, must, root, say};

/// Its program, a process for every task.
pub(super) struct Shrinkage(PathBuf);

impl Shrinkage {
    pub(super) const VERSION: &str = "shrinkage 0.1.0";

    pub(super) fn build() -> Outcome<Self> {
        let manifest = root().join("benches/peers/shrinkage/Cargo.toml");
        let target = peers::folder().join("rust");
        must(
            cargo(&["build", "--release", "--quiet", "--locked", "--manifest-path"])
                .arg(manifest)
                .arg("--target-dir")
                .arg(&target),
        )?;
        Ok(Self(target.join("release/peer-shrinkage")))
    }

    /// Its row for a single strength within `limit` seconds for all its runs; nothing for other tasks.
    pub(super) fn ask(
        &self,
        folder: &Path,
        index: usize,
        task: &str,
        repeat: usize,
        limit: f64,
    ) -> Outcome<Vec<Row>> {
        let Some(divisor) = task.strip_prefix("alpha_max/") else {
            return Ok(Vec::new());
        };
        let failed = |e| format!("{}: {e}", self.0.display());
        let mut child = Command::new(&self.0)
            .arg(folder)
            .args([&index.to_string(), divisor, &repeat.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let start = Instant::now();
        while child.try_wait().map_err(failed)?.is_none() {
            if start.elapsed().as_secs_f64() > limit {
                child.kill().and_then(|()| child.wait()).map_err(failed)?;
                say(&format!("{task}: shrinkage takes more than {limit:.1} s"));
                return Ok(Vec::new());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let output = child.wait_with_output().map_err(failed)?;
        if !output.status.success() {
            return Err(format!("{} failed", self.0.display()));
        }
        parse(&String::from_utf8_lossy(&output.stdout))
    }
}
