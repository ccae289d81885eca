//! Folders and lists of images, read in parallel; what can't be used is reported and left out.

use std::io::Write;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use sparse_modeling::image::inspect::{Planes, Preparation};
use sparse_modeling::image::io::{AnyImage, read};

use crate::error::CliError;
use crate::io::extension;

/// Images read between two looks at the progress bar.
pub(super) const BATCH: usize = 64;

/// An image file: what it is called and where it is.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// As in the list, or the folder and the name.
    pub(super) name: String,
    pub(super) path: PathBuf,
}

/// The images of a folder, by name, or those that a text file lists, a path a line. A path in a list is relative to the folder of
/// the list, or else to the working folder; empty lines and lines that begin with `#` do not count.
pub(super) fn list(source: &Path) -> Result<Vec<Entry>, CliError> {
    let entries: Vec<Entry> = if source.is_dir() {
        let found = std::fs::read_dir(source).map_err(|e| CliError::io(source, e))?;
        let mut paths = Vec::new();
        for entry in found {
            let path = entry.map_err(|e| CliError::io(source, e))?.path();
            let image = matches!(
                extension(&path).as_str(),
                "png" | "jpg" | "jpeg" | "tif" | "tiff" | "pgm" | "ppm" | "pnm" | "pbm"
            );
            if image && path.is_file() {
                paths.push(path);
            }
        }
        paths.sort();
        paths.into_iter().map(|path| Entry { name: path.to_string_lossy().into_owned(), path }).collect()
    } else {
        let text = std::fs::read_to_string(source).map_err(|e| match e.kind() {
            std::io::ErrorKind::InvalidData => {
                CliError::file(source, "expected a folder or a text file with a path a line")
            }
            _ => CliError::io(source, e),
        })?;
        let folder = source.parent().unwrap_or(Path::new(""));
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        let locate = |name: &str| {
            let beside = folder.join(name);
            if beside.exists() { beside } else { PathBuf::from(name) }
        };
        lines.map(|name| Entry { name: name.to_owned(), path: locate(name) }).collect()
    };
    if entries.is_empty() {
        return Err(CliError::file(source, "no images found"));
    }
    Ok(entries)
}

/// Planes of an image, and the size of the image.
pub(super) type Prepared = (Planes, (usize, usize));

/// An image made ready, in grey or colour as the model wants it.
fn prepare(entry: &Entry, preparation: &Preparation) -> Result<Prepared, CliError> {
    let (image, _) = read::<f32>(&entry.path)?;
    let (planes, size) = if preparation.channels() == 1 {
        let image = image.into_gray();
        (preparation.apply(image.view()), image.size())
    } else {
        let image = image.into_rgb();
        (preparation.apply(image.view()), image.size())
    };
    Ok((planes.map_err(|e| CliError::from(e).within(&entry.path))?, size))
}

/// Makes all images of a batch ready, in order.
pub(super) fn prepare_all(entries: &[Entry], preparation: &Preparation) -> Vec<Result<Prepared, CliError>> {
    entries.par_iter().map(|e| prepare(e, preparation)).collect()
}

/// Size and number of channels of the first image that can be read.
pub(super) fn first_shape(entries: &[Entry]) -> Result<((usize, usize), usize), CliError> {
    let mut first_error = None;
    for entry in entries {
        match read::<f32>(&entry.path) {
            Ok((AnyImage::Gray(g), _)) => return Ok((g.size(), 1)),
            Ok((AnyImage::Rgb(c), _)) => return Ok((c.size(), 3)),
            Err(e) => first_error = first_error.or(Some(e)),
        }
    }
    Err(first_error.map_or_else(|| CliError::Usage("no images".to_owned()), CliError::from))
}

/// Tells of an image that is left out.
pub(super) fn report_bad(error: &CliError) {
    let _ = writeln!(std::io::stderr(), "spm: left out: {}", crate::one_line(&error.to_string()));
}
