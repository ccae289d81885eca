//! A dense matrix in column-major order.

use faer::{Accum, ColMut, ColRef, MatMut, MatRef, Par};

use super::{DesignMatrix, LinearOperator};
use crate::{LinalgError, MemStack, Scalar, check, vecops};

/// A borrowed dense matrix, column-major, each column contiguous.
///
/// Products cost `2·nrows·ncols` operations. Nothing is copied: a [`faer::MatRef`] with contiguous columns or a
/// tight column-major slice is viewed in place.
///
/// ```
/// use spm_linalg::{Dense, LinearOperator, Workspace};
/// // [1 3]
/// // [2 4]
/// let a = Dense::from_column_major(&[1.0, 2.0, 3.0, 4.0], 2, 2)?;
/// let mut y = [0.0; 2];
/// a.apply(&[1.0, 1.0], &mut y, Workspace::new(a.scratch()).stack());
/// assert_eq!(y, [4.0, 6.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Dense<'a, T: Scalar> {
    mat: MatRef<'a, T>,
}

impl<'a, T: Scalar> Dense<'a, T> {
    /// Views `data` (length `nrows·ncols`) as an `nrows × ncols` matrix stored column by column.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if the length is not `nrows·ncols`.
    pub fn from_column_major(data: &'a [T], nrows: usize, ncols: usize) -> Result<Self, LinalgError> {
        let expected = nrows.saturating_mul(ncols);
        check::len("dense matrix data", expected, data.len())?;
        Ok(Self { mat: MatRef::from_column_major_slice(data, nrows, ncols) })
    }

    /// Views a faer matrix.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] if its columns are not contiguous (a transposed view, say).
    pub fn new(mat: MatRef<'a, T>) -> Result<Self, LinalgError> {
        if mat.nrows() > 1 && mat.row_stride() != 1 {
            return Err(LinalgError::InvalidParam {
                name: "row stride of a dense matrix",
                expected: "1 (column-major)",
                got: mat.row_stride() as f64,
            });
        }
        Ok(Self { mat })
    }

    /// The matrix as a faer view.
    #[must_use]
    pub fn as_faer(&self) -> MatRef<'a, T> {
        self.mat
    }

    /// Column `j`.
    ///
    /// # Panics
    /// If `j >= ncols`.
    #[must_use]
    #[inline]
    pub fn col(&self, j: usize) -> &'a [T] {
        match self.mat.col(j).try_as_col_major() {
            Some(col) => col.as_slice(),
            None => unreachable!("columns are contiguous by construction"),
        }
    }

    /// `out ← Aᵀ Y` for the `count` columns of `y` (`nrows·count`, column-major); `out` is `ncols·count`.
    ///
    /// One matrix product on one thread: `2·nrows·ncols·count` operations, far cheaper than as many
    /// [`LinearOperator::apply_adjoint`].
    ///
    /// # Panics
    /// If a length is wrong.
    #[track_caller]
    pub fn apply_adjoint_block(&self, y: &[T], count: usize, out: &mut [T]) {
        let (m, n) = (self.mat.nrows(), self.mat.ncols());
        check::dim("Dense::apply_adjoint_block y", m * count, y.len());
        check::dim("Dense::apply_adjoint_block out", n * count, out.len());
        faer::linalg::matmul::matmul(
            MatMut::from_column_major_slice_mut(out, n, count),
            Accum::Replace,
            self.mat.transpose(),
            MatRef::from_column_major_slice(y, m, count),
            T::one(),
            Par::Seq,
        );
    }

    /// `out ← A X` for the `count` columns of `x` (`ncols·count`, column-major); `out` is `nrows·count`.
    ///
    /// One matrix product on one thread: `2·nrows·ncols·count` operations.
    ///
    /// # Panics
    /// If a length is wrong.
    #[track_caller]
    pub fn apply_block(&self, x: &[T], count: usize, out: &mut [T]) {
        let (m, n) = (self.mat.nrows(), self.mat.ncols());
        check::dim("Dense::apply_block x", n * count, x.len());
        check::dim("Dense::apply_block out", m * count, out.len());
        faer::linalg::matmul::matmul(
            MatMut::from_column_major_slice_mut(out, m, count),
            Accum::Replace,
            self.mat,
            MatRef::from_column_major_slice(x, n, count),
            T::one(),
            Par::Seq,
        );
    }

    /// `out_k ← Σ_i (x_ij − m_j) v_i` with `j = columns[k]`, four columns at a time.
    pub(super) fn dots_shifted(&self, columns: &[usize], m: impl Fn(usize) -> T, v: &[T], out: &mut [T]) {
        let (fours, rest) = columns.as_chunks::<4>();
        let (out, last) = out.split_at_mut(4 * fours.len());
        for (out, &js) in out.chunks_exact_mut(4).zip(fours) {
            out.copy_from_slice(&vecops::dots_shifted(js.map(|j| self.col(j)), js.map(&m), v));
        }
        for (o, &j) in last.iter_mut().zip(rest) {
            *o = vecops::dot_shifted(self.col(j), m(j), v);
        }
    }

    /// Requires every entry to be finite.
    ///
    /// # Errors
    /// [`LinalgError::NonFiniteAt`] with the first offending row and column.
    pub fn check_finite(&self, what: &'static str) -> Result<(), LinalgError> {
        for j in 0..self.mat.ncols() {
            if let Err(LinalgError::NonFinite { index, .. }) = check::finite(what, self.col(j)) {
                return Err(LinalgError::NonFiniteAt { what, row: index, col: j });
            }
        }
        Ok(())
    }
}

impl<T: Scalar> LinearOperator<T> for Dense<'_, T> {
    fn nrows(&self) -> usize {
        self.mat.nrows()
    }

    fn ncols(&self) -> usize {
        self.mat.ncols()
    }

    fn apply(&self, x: &[T], y: &mut [T], _stack: &mut MemStack) {
        check::dim("Dense::apply x", self.mat.ncols(), x.len());
        check::dim("Dense::apply y", self.mat.nrows(), y.len());
        faer::linalg::matmul::matmul(
            ColMut::from_slice_mut(y),
            Accum::Replace,
            self.mat,
            ColRef::from_slice(x),
            T::one(),
            Par::Seq,
        );
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], _stack: &mut MemStack) {
        check::dim("Dense::apply_adjoint y", self.mat.nrows(), y.len());
        check::dim("Dense::apply_adjoint x", self.mat.ncols(), x.len());
        faer::linalg::matmul::matmul(
            ColMut::from_slice_mut(x),
            Accum::Replace,
            self.mat.transpose(),
            ColRef::from_slice(y),
            T::one(),
            Par::Seq,
        );
    }
}

impl<T: Scalar> DesignMatrix<T> for Dense<'_, T> {
    #[inline]
    fn col_dot(&self, j: usize, v: &[T]) -> T {
        vecops::dot(self.col(j), v)
    }

    #[inline]
    fn col_axpy(&self, j: usize, a: T, out: &mut [T]) {
        vecops::axpy(a, self.col(j), out);
    }

    fn col_sq_norm(&self, j: usize) -> T {
        vecops::sq_norm(self.col(j))
    }

    fn carried_dots(&self, columns: &[usize], v: &[T], out: &mut [T]) {
        check::dim("Dense::carried_dots", columns.len(), out.len());
        self.dots_shifted(columns, |_| T::zero(), v, out);
    }
}
