//! Dictionaries and encoders in files.

use std::path::Path;

use sparse_modeling::linalg::Scalar;
use sparse_modeling::models::dictionary::{Dictionary, Encoder};
use sparse_modeling::models::file;

use crate::error::CliError;
use crate::io::{Array, extension, read_array};

/// What a file says about atoms.
pub(super) enum Atoms {
    /// Atoms alone, K × d.
    Plain(Array),
    Double(Encoder<f64>),
    Single(Encoder<f32>),
}

impl Atoms {
    /// Reads an array, or a dictionary or encoder from a model file of either precision.
    pub(super) fn read(path: &Path) -> Result<Self, CliError> {
        if extension(path) != "spm" {
            return Ok(Self::Plain(read_array(path)?));
        }
        let bad = |e| CliError::from(e).within(path);
        let info = file::inspect(path).map_err(bad)?;
        Ok(match (info.name.as_str(), info.scalar) {
            ("encoder", "f32") => Self::Single(file::load(path).map_err(bad)?),
            ("encoder", _) => Self::Double(file::load(path).map_err(bad)?),
            (_, "f32") => Self::Plain(array(&file::load::<Dictionary<f32>>(path).map_err(bad)?)),
            _ => Self::Plain(array(&file::load::<Dictionary<f64>>(path).map_err(bad)?)),
        })
    }

    /// The atoms alone, K × d.
    pub(super) fn into_array(self) -> Array {
        match self {
            Self::Plain(array) => array,
            Self::Double(encoder) => array(&encoder.dictionary),
            Self::Single(encoder) => array(&encoder.dictionary),
        }
    }
}

/// A dictionary as files have it, an atom a row.
pub(super) fn array<T: Scalar>(d: &Dictionary<T>) -> Array {
    Array::matrix(d.n_atoms(), d.dim(), d.atoms().iter().map(|v| v.as_f64()).collect())
}
