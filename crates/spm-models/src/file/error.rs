//! Why a model file was refused.

use crate::ModelError;

/// What is wrong with a model file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// Reading or writing failed.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// The file is larger than any model.
    #[error("{got} bytes are more than the {limit} that a model file may have")]
    TooLarge {
        /// Size of the file, as far as read.
        got: u64,
        /// The cap.
        limit: u64,
    },
    /// The file does not start as a model file does.
    #[error("not a model file")]
    NotAModel,
    /// The file ends too early.
    #[error("the file is cut off: expected {expected} bytes, got {got}")]
    Truncated {
        /// Bytes needed.
        expected: u64,
        /// Bytes there.
        got: u64,
    },
    /// Bytes after the end.
    #[error("{extra} bytes too many")]
    TrailingBytes {
        /// How many.
        extra: u64,
    },
    /// The format, codec or flags are of a later version.
    #[error("{what} {got} is not known to this version")]
    Unsupported {
        /// Which field.
        what: &'static str,
        /// Its value.
        got: u32,
    },
    /// A checksum does not match: the file is damaged.
    #[error("the checksum does not match: the file is damaged")]
    Checksum,
    /// The file holds another kind of model.
    #[error("the file holds a model of kind {got}, expected {expected} ({name})")]
    WrongKind {
        /// The kind asked for.
        expected: u32,
        /// Its name.
        name: &'static str,
        /// The kind in the file.
        got: u32,
    },
    /// The file holds numbers of the other width.
    #[error("the file holds {got} numbers, expected {expected}")]
    WrongScalar {
        /// The type asked for.
        expected: &'static str,
        /// The type in the file.
        got: &'static str,
    },
    /// The payload can't be decoded or encoded.
    #[error("the payload is invalid: {0}")]
    Payload(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The model makes no sense.
    #[error(transparent)]
    Invalid(#[from] ModelError),
}
