//! What can go wrong on the command line, and the exit code it stands for.

use std::path::{Path, PathBuf};

use sparse_modeling::image::ImageError;
use sparse_modeling::linalg::LinalgError;
use sparse_modeling::models::ModelError;
use sparse_modeling::models::file::FileError;
use sparse_modeling::solvers::SolveError;
use sparse_modeling::timeseries::TimeSeriesError;

/// One clear line for the user. [`CliError::Usage`] exits with 2, everything else with 1.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// A file can't be opened, read or written.
    #[error("{}: {source}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    /// A file's content is not what it should be.
    #[error("{}: {message}", path.display())]
    File { path: PathBuf, message: String },
    /// The arguments contradict each other or the data.
    #[error("{0}")]
    Usage(String),
    #[error(transparent)]
    Linalg(#[from] LinalgError),
    #[error(transparent)]
    Solve(#[from] SolveError),
    #[error(transparent)]
    Model(#[from] ModelError),
    /// A model file; the message names it.
    #[error(transparent)]
    Stored(#[from] FileError),
    #[error(transparent)]
    Image(#[from] ImageError),
    #[error(transparent)]
    TimeSeries(#[from] TimeSeriesError),
    /// The computation was refused; the file that the data came from is named in front.
    #[error("{}: {source}", path.display())]
    Data { path: PathBuf, source: Box<CliError> },
}

impl CliError {
    /// An error about the content of `path`.
    pub(crate) fn file(path: &Path, message: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), message: message.into() }
    }

    /// An input or output error at `path`.
    pub(crate) fn io(path: &Path, source: std::io::Error) -> Self {
        Self::Io { path: path.to_owned(), source }
    }

    /// Names the file that the refused data came from.
    pub(crate) fn within(self, path: &Path) -> Self {
        match self {
            Self::Usage(_)
            | Self::Io { .. }
            | Self::File { .. }
            | Self::Data { .. }
            | Self::Image(ImageError::File { .. } | ImageError::Format { .. }) => self,
            other => Self::Data { path: path.to_owned(), source: Box::new(other) },
        }
    }

    /// As [`CliError::within`], with the file that the refused argument came from: `arguments` holds the library's names of
    /// arguments that were read from files of their own, `path` is the file of all others.
    pub(crate) fn within_any(self, arguments: &[(&str, Option<&PathBuf>)], path: &Path) -> Self {
        let name = self.argument().unwrap_or_default();
        let found = arguments.iter().find(|(argument, _)| name.ends_with(argument));
        self.within(found.and_then(|(_, file)| file.map(PathBuf::as_path)).unwrap_or(path))
    }

    /// Which argument the library refused.
    fn argument(&self) -> Option<&'static str> {
        let error = match self {
            Self::Linalg(e)
            | Self::Model(ModelError::Linalg(e))
            | Self::Image(ImageError::Linalg(e))
            | Self::TimeSeries(TimeSeriesError::Linalg(e)) => e,
            _ => return None,
        };
        match *error {
            LinalgError::Shape { what, .. }
            | LinalgError::Empty { what }
            | LinalgError::NonFinite { what, .. }
            | LinalgError::NonFiniteAt { what, .. } => Some(what),
            LinalgError::InvalidParam { name, .. } => Some(name),
            _ => None,
        }
    }

    /// The process's exit code.
    pub(crate) fn exit_code(&self) -> u8 {
        if matches!(self, Self::Usage(_)) { 2 } else { 1 }
    }
}
