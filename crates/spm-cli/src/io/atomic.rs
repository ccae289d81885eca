//! Whole files or none: write beside the target, then rename.

use std::fs;
use std::io::{Error, ErrorKind, Write};
use std::path::{Path, PathBuf};

use crate::error::CliError;

/// Writes `bytes` to a temporary file beside `path` and renames it into place, so that a failure leaves whatever
/// was there before.
pub(crate) fn write_atomically(path: &Path, bytes: &[u8]) -> Result<(), CliError> {
    write_all(&[(path, bytes)])
}

/// Writes several files; none takes its name before all are on the disk.
pub(crate) fn write_all(files: &[(&Path, &[u8])]) -> Result<(), CliError> {
    let mut staged = Vec::with_capacity(files.len());
    for (path, bytes) in files {
        staged.push(Staged::new(path, bytes).map_err(|e| CliError::io(path, e))?);
    }
    for ((path, bytes), file) in files.iter().zip(staged) {
        file.commit(bytes).map_err(|e| CliError::io(path, e))?;
    }
    Ok(())
}

/// A file that is on the disk, but not yet under its name. Dropped without a commit, it goes away.
enum Staged {
    Temporary {
        temporary: PathBuf,
        target: PathBuf,
    },
    /// A device or a pipe, which is written to and not replaced.
    Special(PathBuf),
}

impl Staged {
    fn new(path: &Path, bytes: &[u8]) -> std::io::Result<Self> {
        // A symbolic link stays one: what it points to is replaced.
        let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        if let Ok(found) = fs::metadata(&target) {
            if found.is_dir() {
                return Err(Error::from(ErrorKind::IsADirectory));
            }
            if !found.is_file() {
                return Ok(Self::Special(target));
            }
        }
        let name = target.file_name().ok_or_else(|| Error::from(ErrorKind::InvalidFilename))?;
        let name = format!(".{}.{}.tmp", name.to_string_lossy(), std::process::id());
        let temporary = target.with_file_name(name);
        let mut file = fs::File::create(&temporary)?;
        let staged = Self::Temporary { temporary, target };
        file.write_all(bytes)?;
        file.sync_all()?;
        Ok(staged)
    }

    fn commit(self, bytes: &[u8]) -> std::io::Result<()> {
        match &self {
            Self::Temporary { temporary, target } => fs::rename(temporary, target),
            Self::Special(path) => fs::OpenOptions::new().write(true).open(path)?.write_all(bytes),
        }
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if let Self::Temporary { temporary, .. } = self {
            // Renamed away after a commit; otherwise the first error is the one worth telling.
            let _ = fs::remove_file(temporary);
        }
    }
}
