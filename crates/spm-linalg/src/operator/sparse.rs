//! A sparse matrix in compressed column form.

use faer::sparse::SparseColMatRef;

use super::{DesignMatrix, LinearOperator};
use crate::{LinalgError, MemStack, Scalar, check};

/// A borrowed sparse matrix in compressed column (CSC) form.
///
/// Column `j` holds the values `values[indptr[j]..indptr[j + 1]]` in the rows `indices[indptr[j]..indptr[j + 1]]`,
/// strictly increasing. Products cost O(stored entries); nothing is copied.
///
/// ```
/// use spm_linalg::{DesignMatrix, Sparse};
/// // [1 0]
/// // [0 3]
/// // [2 0]
/// let a = Sparse::from_csc(3, &[0, 2, 3], &[0, 2, 1], &[1.0, 2.0, 3.0])?;
/// assert_eq!(a.col_dot(0, &[10.0, 20.0, 30.0]), 70.0);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Sparse<'a, T: Scalar> {
    nrows: usize,
    start: &'a [usize],
    /// Entries in use a column, where the columns are not tightly packed.
    count: Option<&'a [usize]>,
    indices: &'a [usize],
    values: &'a [T],
}

impl<'a, T: Scalar> Sparse<'a, T> {
    /// Views CSC arrays: `indptr` has one entry more than there are columns.
    ///
    /// O(stored entries).
    ///
    /// # Errors
    /// [`LinalgError::Shape`] or [`LinalgError::Empty`] if the lengths contradict each other;
    /// [`LinalgError::InvalidParam`] if `indptr` decreases, or a column's row indices are not strictly increasing
    /// and below `nrows`.
    pub fn from_csc(
        nrows: usize,
        indptr: &'a [usize],
        indices: &'a [usize],
        values: &'a [T],
    ) -> Result<Self, LinalgError> {
        check::non_empty("CSC indptr", indptr.len())?;
        check::len("CSC values", indices.len(), values.len())?;
        check::len("CSC indptr, last entry", indices.len(), indptr[indptr.len() - 1])?;
        Self { nrows, start: indptr, count: None, indices, values }.validated()
    }

    /// Views a faer matrix.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] if a column's row indices are not strictly increasing.
    pub fn new(mat: SparseColMatRef<'a, usize, T>) -> Result<Self, LinalgError> {
        let (nrows, _, start, count, indices) = mat.symbolic().parts();
        Self { nrows, start, count, indices, values: mat.val() }.validated()
    }

    fn validated(self) -> Result<Self, LinalgError> {
        let decreasing = self.start.windows(2).find(|w| w[0] > w[1] || w[1] > self.indices.len());
        if let Some(w) = decreasing {
            return Err(LinalgError::InvalidParam {
                name: "CSC indptr",
                expected: "non-decreasing and within the stored entries",
                got: w[1] as f64,
            });
        }
        for j in 0..self.ncols() {
            let rows = self.col(j).0;
            let unsorted = rows.windows(2).find(|w| w[0] >= w[1]).map(|w| w[1]);
            if let Some(row) = unsorted.or(rows.last().copied().filter(|&i| i >= self.nrows)) {
                return Err(LinalgError::InvalidParam {
                    name: "CSC row index",
                    expected: "strictly increasing within a column and below the number of rows",
                    got: row as f64,
                });
            }
        }
        Ok(self)
    }

    /// Row indices and values of column `j`.
    ///
    /// # Panics
    /// If `j >= ncols`.
    #[must_use]
    #[inline]
    pub fn col(&self, j: usize) -> (&'a [usize], &'a [T]) {
        let start = self.start[j];
        let end = match self.count {
            None => self.start[j + 1],
            Some(count) => start + count[j],
        };
        (&self.indices[start..end], &self.values[start..end])
    }

    /// The arrays of the matrix as [`from_csc`](Self::from_csc) takes them; `None` if there is unused room between the columns.
    #[must_use]
    pub fn as_csc(&self) -> Option<(&'a [usize], &'a [usize], &'a [T])> {
        let tight = self.count.is_none() && self.start[0] == 0;
        let nnz = self.nnz();
        tight.then(|| (self.start, &self.indices[..nnz], &self.values[..nnz]))
    }

    /// The number of stored entries.
    #[must_use]
    pub fn nnz(&self) -> usize {
        match self.count {
            None => self.start[self.start.len() - 1] - self.start[0],
            Some(count) => count.iter().sum(),
        }
    }

    /// Requires every stored entry to be finite.
    ///
    /// # Errors
    /// [`LinalgError::NonFiniteAt`] with the first offending row and column.
    pub fn check_finite(&self, what: &'static str) -> Result<(), LinalgError> {
        for j in 0..self.ncols() {
            let (rows, values) = self.col(j);
            if let Err(LinalgError::NonFinite { index, .. }) = check::finite(what, values) {
                return Err(LinalgError::NonFiniteAt { what, row: rows[index], col: j });
            }
        }
        Ok(())
    }

    /// `Σ_i x_ij f(i)` over the stored entries of column `j`, in a fixed order.
    #[inline(always)]
    pub(super) fn fold_col(&self, j: usize, f: impl Fn(usize) -> T) -> T {
        let (rows, values) = self.col(j);
        let (mut a, mut b) = (T::zero(), T::zero());
        let (mut r2, mut v2) = (rows.chunks_exact(2), values.chunks_exact(2));
        for (i, v) in (&mut r2).zip(&mut v2) {
            a += v[0] * f(i[0]);
            b += v[1] * f(i[1]);
        }
        for (&i, &v) in r2.remainder().iter().zip(v2.remainder()) {
            a += v * f(i);
        }
        a + b
    }
}

impl<T: Scalar> LinearOperator<T> for Sparse<'_, T> {
    fn nrows(&self) -> usize {
        self.nrows
    }

    fn ncols(&self) -> usize {
        self.start.len() - 1
    }

    fn apply(&self, x: &[T], y: &mut [T], _stack: &mut MemStack) {
        check::dim("Sparse::apply x", self.ncols(), x.len());
        check::dim("Sparse::apply y", self.nrows, y.len());
        y.fill(T::zero());
        for (j, &xj) in x.iter().enumerate() {
            if xj != T::zero() {
                self.col_axpy(j, xj, y);
            }
        }
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], _stack: &mut MemStack) {
        check::dim("Sparse::apply_adjoint y", self.nrows, y.len());
        check::dim("Sparse::apply_adjoint x", self.ncols(), x.len());
        for (j, xj) in x.iter_mut().enumerate() {
            *xj = self.col_dot(j, y);
        }
    }
}

impl<T: Scalar> DesignMatrix<T> for Sparse<'_, T> {
    #[inline]
    fn col_dot(&self, j: usize, v: &[T]) -> T {
        check::dim("Sparse::col_dot", self.nrows, v.len());
        self.fold_col(j, |i| v[i])
    }

    #[inline]
    fn col_axpy(&self, j: usize, a: T, out: &mut [T]) {
        check::dim("Sparse::col_axpy", self.nrows, out.len());
        let (rows, values) = self.col(j);
        for (&i, &v) in rows.iter().zip(values) {
            out[i] += a * v;
        }
    }

    fn col_sq_norm(&self, j: usize) -> T {
        crate::vecops::sq_norm(self.col(j).1)
    }

    fn stored(&self) -> usize {
        self.nnz()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn malformed_arrays_are_refused() {
        let v = [1.0, 2.0];
        assert!(Sparse::from_csc(3, &[], &[0, 1], &v).is_err());
        assert!(Sparse::from_csc(3, &[0, 1], &[0, 1], &v).is_err(), "indptr does not cover the entries");
        assert!(Sparse::from_csc(3, &[0, 2, 1, 2], &[0, 1], &v).is_err(), "indptr decreases");
        assert!(Sparse::from_csc(3, &[0, 9, 2], &[0, 1], &v).is_err(), "indptr leaves the arrays");
        assert!(Sparse::from_csc(3, &[0, 2], &[1, 1], &v).is_err(), "duplicate row");
        assert!(Sparse::from_csc(3, &[0, 2], &[1, 3], &v).is_err(), "row out of range");
        assert!(Sparse::from_csc(3, &[0, 2], &[0], &v).is_err(), "lengths differ");
        assert!(Sparse::from_csc(3, &[0, 1, 2], &[2, 0], &v).is_ok());
        let nan =
            Sparse::from_csc(3, &[0, 1, 2], &[2, 0], &[1.0, f64::NAN]).and_then(|a| a.check_finite("X"));
        assert_eq!(nan, Err(LinalgError::NonFiniteAt { what: "X", row: 0, col: 1 }));
    }
}
