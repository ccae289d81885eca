//! The error type of this crate.

use spm_linalg::LinalgError;
use spm_solvers::SolveError;

/// Why an image operation was refused or failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImageError {
    /// Data or a parameter is invalid.
    #[error(transparent)]
    Linalg(#[from] LinalgError),
    /// The solver failed.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// A dictionary or model is unsound.
    #[error(transparent)]
    Model(#[from] spm_models::ModelError),
    /// A window or patch does not fit into the image.
    #[error(
        "{what} of {} x {} pixels does not fit into an image of {} x {} (height x width)",
        .size.0, .size.1, .image.0, .image.1
    )]
    TooSmall {
        /// What does not fit.
        what: &'static str,
        /// Its height and width.
        size: (usize, usize),
        /// Height and width of the image.
        image: (usize, usize),
    },
    /// Two images that must have one size do not.
    #[error("images differ in size: {} x {} and {} x {} (height x width)", .first.0, .first.1, .second.0, .second.1)]
    SizeMismatch {
        /// Height and width of the first.
        first: (usize, usize),
        /// Height and width of the second.
        second: (usize, usize),
    },
    /// Nothing in the image is on the shape's side of the level.
    #[error("no shape: the image has no boundary at the level {level}")]
    NoShape {
        /// The level.
        level: f64,
    },
    /// A file can't be read or written.
    #[cfg(feature = "io")]
    #[error("{}: {source}", path.display())]
    File {
        /// Which file.
        path: std::path::PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// A file is not an image that this crate reads, is damaged, or is too large.
    #[cfg(feature = "io")]
    #[error("{}: {source}", path.display())]
    Format {
        /// Which file.
        path: std::path::PathBuf,
        /// What the decoder or encoder says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Requires two images of one size.
pub(crate) fn same_size(first: (usize, usize), second: (usize, usize)) -> Result<(), ImageError> {
    if first == second { Ok(()) } else { Err(ImageError::SizeMismatch { first, second }) }
}

/// Requires a count to be at least `least`.
pub(crate) fn at_least(
    name: &'static str,
    expected: &'static str,
    least: usize,
    got: usize,
) -> Result<(), LinalgError> {
    if got >= least { Ok(()) } else { Err(LinalgError::InvalidParam { name, expected, got: got as f64 }) }
}
