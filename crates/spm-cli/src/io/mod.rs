//! Arrays in files: `.npy`, `.npz`, `.csv`, `.mtx`; read with every length checked, written whole or not at all.

mod atomic;
mod csc;
mod csv;
mod mtx;
mod npy;
mod npz;

use std::path::{Path, PathBuf};

pub(crate) use atomic::{write_all, write_atomically};
pub(crate) use csc::Csc;

use sparse_modeling::image::mri::Complex;

use crate::error::CliError;

/// A dense array of doubles in C order.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Array {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Vec<f64>,
}

/// A design matrix as a file holds it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Matrix {
    /// Row-major.
    Dense(Array),
    Sparse(Csc),
}

impl Array {
    pub(crate) fn vector(data: Vec<f64>) -> Self {
        Self { shape: vec![data.len()], data }
    }

    /// A row-major matrix.
    pub(crate) fn matrix(nrows: usize, ncols: usize, data: Vec<f64>) -> Self {
        debug_assert_eq!(nrows * ncols, data.len());
        Self { shape: vec![nrows, ncols], data }
    }

    /// Rows and columns; a vector is one column.
    pub(crate) fn rows_cols(&self, path: &Path) -> Result<(usize, usize), CliError> {
        match self.shape[..] {
            [n] => Ok((n, 1)),
            [n, p] => Ok((n, p)),
            _ => Err(CliError::file(
                path,
                format!("expected a vector or a matrix, found {}", shape_text(&self.shape)),
            )),
        }
    }

    /// The values, if the array is a vector or has one row or one column.
    pub(crate) fn into_vector(self, path: &Path) -> Result<Vec<f64>, CliError> {
        match self.shape[..] {
            [_] | [_, 1] | [1, _] => Ok(self.data),
            _ => Err(CliError::file(path, format!("expected a vector, found {}", shape_text(&self.shape)))),
        }
    }

    /// The values column by column.
    pub(crate) fn column_major(&self) -> Vec<f64> {
        let (n, p) = match self.shape[..] {
            [n, p] => (n, p),
            _ => return self.data.clone(),
        };
        let mut out = Vec::with_capacity(self.data.len());
        for j in 0..p {
            out.extend((0..n).map(|i| self.data[i * p + j]));
        }
        out
    }
}

/// `3 × 4` and the like.
pub(crate) fn shape_text(shape: &[usize]) -> String {
    if shape.is_empty() {
        return "a single number".to_owned();
    }
    let dims: Vec<String> = shape.iter().map(ToString::to_string).collect();
    format!("an array of shape {}", dims.join(" × "))
}

/// Reads a dense array from `.npy`, `.npz` (first array, or `file.npz:name`) or `.csv`.
pub(crate) fn read_array(spec: &Path) -> Result<Array, CliError> {
    match read_matrix(spec)? {
        Matrix::Dense(a) => Ok(a),
        Matrix::Sparse(s) => {
            let total = s.nrows.checked_mul(s.ncols).filter(|&t| t <= 1 << 28);
            let total = total
                .ok_or_else(|| CliError::file(spec, "this sparse matrix is too large to be used densely"))?;
            let mut data = vec![0.0; total];
            for j in 0..s.ncols {
                for k in s.col_ptr[j]..s.col_ptr[j + 1] {
                    data[s.row_idx[k] * s.ncols + j] = s.values[k];
                }
            }
            Ok(Array::matrix(s.nrows, s.ncols, data))
        }
    }
}

/// Reads a dense or sparse matrix that is not empty: what [`read_array`] reads, SciPy's sparse `.npz`, Matrix Market `.mtx`.
pub(crate) fn read_matrix(spec: &Path) -> Result<Matrix, CliError> {
    let (path, member) = split_member(spec);
    let matrix = match extension(&path).as_str() {
        "npy" => Matrix::Dense(npy::read(&path)?),
        "npz" => npz::read(&path, member.as_deref())?,
        "csv" | "tsv" | "txt" => Matrix::Dense(csv::read(&path)?),
        "mtx" => mtx::read(&path)?,
        other => {
            let message = format!("unknown array format '.{other}' (expected .npy, .npz, .csv or .mtx)");
            return Err(CliError::file(&path, message));
        }
    };
    let shape = match &matrix {
        Matrix::Dense(a) => a.shape.clone(),
        Matrix::Sparse(s) => vec![s.nrows, s.ncols],
    };
    if shape.contains(&0) {
        return Err(CliError::file(spec, format!("is empty: {}", shape_text(&shape))));
    }
    Ok(matrix)
}

/// Reads an `.npy` array of complex or other numbers, in C order: shape and values.
pub(crate) fn read_complex(path: &Path) -> Result<(Vec<usize>, Vec<Complex>), CliError> {
    npy::read_complex(path)
}

/// The bytes of a complex `.npy` file.
pub(crate) fn encode_complex(shape: &[usize], data: &[Complex]) -> Vec<u8> {
    npy::encode_complex(shape, data)
}

/// Reads a vector; see [`read_array`].
pub(crate) fn read_vector(spec: &Path) -> Result<Vec<f64>, CliError> {
    read_array(spec)?.into_vector(spec)
}

/// Writes f8 `.npy` in C order, or CSV if the name ends in `.csv`; whole or not at all.
pub(crate) fn write_array(path: &Path, array: &Array) -> Result<(), CliError> {
    write_atomically(path, &encode_array(path, array))
}

/// The bytes that [`write_array`] writes.
pub(crate) fn encode_array(path: &Path, array: &Array) -> Vec<u8> {
    if extension(path) == "csv" { csv::encode(array) } else { npy::encode(array) }
}

/// The lower-case extension, empty if there is none.
pub(crate) fn extension(path: &Path) -> String {
    path.extension().map(|e| e.to_string_lossy().to_lowercase()).unwrap_or_default()
}

/// Splits `file.npz:name`; a file that exists under the whole name wins.
fn split_member(spec: &Path) -> (PathBuf, Option<String>) {
    let text = spec.to_string_lossy();
    if !spec.exists()
        && let Some((file, name)) = text.rsplit_once(':')
        && extension(Path::new(file)) == "npz"
    {
        return (PathBuf::from(file), Some(name.to_owned()));
    }
    (spec.to_owned(), None)
}
