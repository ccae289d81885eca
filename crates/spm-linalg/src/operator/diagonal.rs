//! A diagonal matrix.

use super::{DesignMatrix, LinearOperator};
use crate::{LinalgError, MemStack, Scalar, check, vecops};

/// A diagonal matrix, $(A x)_i = d_i x_i$.
///
/// In plain text: `(A x)_i = d_i * x_i`, with `d`: n. O(n), no temporaries; the norm `max |d_i|` is exact.
///
/// ```
/// use spm_linalg::{LinearOperator, operator::{Diagonal, LinearOperatorExt}};
/// let d = Diagonal::new(vec![2.0, -3.0])?;
/// assert_eq!(d.apply_vec(&[1.0, 1.0]), [2.0, -3.0]);
/// assert_eq!(d.norm_bound(), Some(3.0));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Diagonal<T> {
    d: Vec<T>,
}

impl<T: Scalar> Diagonal<T> {
    /// The matrix with diagonal `d`.
    ///
    /// # Errors
    /// [`LinalgError::NonFinite`] if an entry is NaN or infinite.
    pub fn new(d: Vec<T>) -> Result<Self, LinalgError> {
        check::finite("diagonal", &d)?;
        Ok(Self { d })
    }

    /// The diagonal.
    #[must_use]
    pub fn entries(&self) -> &[T] {
        &self.d
    }
}

impl<T: Scalar> LinearOperator<T> for Diagonal<T> {
    fn nrows(&self) -> usize {
        self.d.len()
    }

    fn ncols(&self) -> usize {
        self.d.len()
    }

    fn apply(&self, x: &[T], y: &mut [T], _stack: &mut MemStack) {
        check::dim("Diagonal::apply x", self.d.len(), x.len());
        check::dim("Diagonal::apply y", self.d.len(), y.len());
        for ((o, &v), &d) in y.iter_mut().zip(x).zip(&self.d) {
            *o = d * v;
        }
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], stack: &mut MemStack) {
        self.apply(y, x, stack);
    }

    fn norm_bound(&self) -> Option<T> {
        Some(vecops::norm_inf(&self.d))
    }
}

impl<T: Scalar> DesignMatrix<T> for Diagonal<T> {
    fn col_dot(&self, j: usize, v: &[T]) -> T {
        check::dim("Diagonal::col_dot v", self.d.len(), v.len());
        self.d[j] * v[j]
    }

    fn col_axpy(&self, j: usize, a: T, out: &mut [T]) {
        check::dim("Diagonal::col_axpy out", self.d.len(), out.len());
        out[j] += a * self.d[j];
    }

    fn col_sq_norm(&self, j: usize) -> T {
        self.d[j] * self.d[j]
    }
}
