//! Sparse matrices as files hold them.

use std::path::Path;

use crate::error::CliError;

/// The most rows or columns that are read: a file of a few bytes can claim any number, and memory grows with the columns.
const MAX_SIDE: usize = 1 << 27;

/// A sparse matrix in compressed column form, rows ascending within a column.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Csc {
    pub(crate) nrows: usize,
    pub(crate) ncols: usize,
    pub(crate) col_ptr: Vec<usize>,
    pub(crate) row_idx: Vec<usize>,
    pub(crate) values: Vec<f64>,
}

impl Csc {
    /// Builds the matrix from `(row, column, value)` triplets within `nrows` × `ncols`; duplicates are added.
    pub(super) fn from_entries(
        path: &Path,
        nrows: usize,
        ncols: usize,
        mut entries: Vec<(usize, usize, f64)>,
    ) -> Result<Self, CliError> {
        if nrows > MAX_SIDE || ncols > MAX_SIDE {
            let message =
                format!("claims {nrows} × {ncols} entries, more than {MAX_SIDE} a side are not read");
            return Err(CliError::file(path, message));
        }
        entries.sort_by_key(|&(i, j, _)| (j, i));
        let mut out = Self {
            nrows,
            ncols,
            col_ptr: vec![0; ncols + 1],
            row_idx: Vec::with_capacity(entries.len()),
            values: Vec::with_capacity(entries.len()),
        };
        let mut previous = None;
        for (i, j, v) in entries {
            if previous == Some((i, j)) {
                *out.values.last_mut().expect("a previous entry exists") += v;
                continue;
            }
            previous = Some((i, j));
            out.row_idx.push(i);
            out.values.push(v);
            out.col_ptr[j + 1] = out.values.len();
        }
        for j in 0..ncols {
            out.col_ptr[j + 1] = out.col_ptr[j + 1].max(out.col_ptr[j]);
        }
        Ok(out)
    }
}
