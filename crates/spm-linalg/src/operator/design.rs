//! A design matrix whose storage is chosen at run time.

use faer::MatRef;

use super::{Dense, DesignMatrix, LinearOperator, Sparse};
use crate::{LinalgError, MemStack, Scalar};

/// A borrowed design matrix, dense or sparse: `n` observations in rows, `p` features in columns.
///
/// ```
/// use spm_linalg::{Design, LinearOperator};
/// let x = Design::dense(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, 2)?;
/// assert_eq!((x.nrows(), x.ncols()), (3, 2));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Design<'a, T: Scalar> {
    /// Column-major.
    Dense(Dense<'a, T>),
    /// Compressed columns.
    Sparse(Sparse<'a, T>),
}

impl<'a, T: Scalar> Design<'a, T> {
    /// Views `data` as an `n × p` matrix stored column by column.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if the length is not `n·p`.
    pub fn dense(data: &'a [T], n: usize, p: usize) -> Result<Self, LinalgError> {
        Dense::from_column_major(data, n, p).map(Self::Dense)
    }

    /// Views CSC arrays, see [`Sparse::from_csc`].
    ///
    /// # Errors
    /// As [`Sparse::from_csc`].
    pub fn sparse(
        n: usize,
        indptr: &'a [usize],
        indices: &'a [usize],
        values: &'a [T],
    ) -> Result<Self, LinalgError> {
        Sparse::from_csc(n, indptr, indices, values).map(Self::Sparse)
    }

    /// Requires every entry to be finite.
    ///
    /// # Errors
    /// [`LinalgError::NonFiniteAt`] with the first offending row and column.
    pub fn check_finite(&self, what: &'static str) -> Result<(), LinalgError> {
        match self {
            Self::Dense(x) => x.check_finite(what),
            Self::Sparse(x) => x.check_finite(what),
        }
    }
}

impl<'a, T: Scalar> From<Dense<'a, T>> for Design<'a, T> {
    fn from(x: Dense<'a, T>) -> Self {
        Self::Dense(x)
    }
}

impl<'a, T: Scalar> From<Sparse<'a, T>> for Design<'a, T> {
    fn from(x: Sparse<'a, T>) -> Self {
        Self::Sparse(x)
    }
}

impl<'a, T: Scalar> TryFrom<MatRef<'a, T>> for Design<'a, T> {
    type Error = LinalgError;

    fn try_from(x: MatRef<'a, T>) -> Result<Self, LinalgError> {
        Dense::new(x).map(Self::Dense)
    }
}

macro_rules! each {
    ($self:ident, $x:ident => $body:expr) => {
        match $self {
            Design::Dense($x) => $body,
            Design::Sparse($x) => $body,
        }
    };
}

impl<T: Scalar> LinearOperator<T> for Design<'_, T> {
    fn nrows(&self) -> usize {
        each!(self, x => x.nrows())
    }
    fn ncols(&self) -> usize {
        each!(self, x => x.ncols())
    }
    fn apply(&self, x: &[T], y: &mut [T], stack: &mut MemStack) {
        each!(self, a => a.apply(x, y, stack));
    }
    fn apply_adjoint(&self, y: &[T], x: &mut [T], stack: &mut MemStack) {
        each!(self, a => a.apply_adjoint(y, x, stack));
    }
}

impl<T: Scalar> DesignMatrix<T> for Design<'_, T> {
    #[inline]
    fn col_dot(&self, j: usize, v: &[T]) -> T {
        each!(self, x => x.col_dot(j, v))
    }
    #[inline]
    fn col_axpy(&self, j: usize, a: T, out: &mut [T]) {
        each!(self, x => x.col_axpy(j, a, out));
    }
    fn col_sq_norm(&self, j: usize) -> T {
        each!(self, x => x.col_sq_norm(j))
    }
    fn stored(&self) -> usize {
        each!(self, x => x.stored())
    }
    fn carried_dots(&self, columns: &[usize], v: &[T], out: &mut [T]) {
        each!(self, x => x.carried_dots(columns, v, out));
    }
}
