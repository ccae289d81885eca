//! Reading and writing files.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::container::MAX_FILE;
use super::{FileError, Info, Model, from_bytes, inspect_bytes, to_bytes};

/// Saves a model: the file at `path` is replaced as a whole or not at all.
///
/// The bytes go to a new file in the same folder, are flushed to the disk, and only then take the name.
///
/// # Errors
/// [`FileError::Io`]; [`FileError::Invalid`] if the model makes no sense.
pub fn save<M: Model>(model: &M, path: impl AsRef<Path>) -> Result<(), FileError> {
    let path = path.as_ref();
    let bytes = to_bytes(model)?;
    let (mut file, temporary) = create_beside(path)?;
    let written = file.write_all(&bytes).and_then(|()| file.sync_all());
    drop(file);
    let done = written.and_then(|()| fs::rename(&temporary, path));
    if done.is_err() {
        // The error that counts is the first one.
        let _ = fs::remove_file(&temporary);
    }
    Ok(done?)
}

/// Loads a model.
///
/// # Errors
/// [`FileError`].
pub fn load<M: Model>(path: impl AsRef<Path>) -> Result<M, FileError> {
    read(File::open(path)?)
}

/// What a model file holds, of whatever kind.
///
/// # Errors
/// [`FileError`] if it can't be read or the container is damaged.
pub fn inspect(path: impl AsRef<Path>) -> Result<Info, FileError> {
    inspect_bytes(&read_all(File::open(path)?)?)
}

/// Writes the bytes of a model file.
///
/// # Errors
/// [`FileError::Io`]; [`FileError::Invalid`] if the model makes no sense.
pub fn write<M: Model>(model: &M, mut out: impl Write) -> Result<(), FileError> {
    out.write_all(&to_bytes(model)?)?;
    Ok(out.flush()?)
}

/// Reads a model from everything that `input` has.
///
/// # Errors
/// [`FileError`].
pub fn read<M: Model>(input: impl Read) -> Result<M, FileError> {
    from_bytes(&read_all(input)?)
}

/// Everything, up to one byte more than a model file may have.
fn read_all(input: impl Read) -> Result<Vec<u8>, FileError> {
    let mut bytes = Vec::new();
    input.take(MAX_FILE as u64 + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// A new file in the folder of `path`.
fn create_beside(path: &Path) -> io::Result<(File, PathBuf)> {
    let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
    for n in 0..1000 {
        let mut temporary = OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{n}.tmp"));
        let temporary = path.with_file_name(temporary);
        match OpenOptions::new().write(true).create_new(true).open(&temporary) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
            Ok(file) => return Ok((file, temporary)),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}
