//! The identity.

use super::{DesignMatrix, LinearOperator};
use crate::{MemStack, Scalar, check};

/// The identity of size `n × n`, $A x = x$.
///
/// In plain text: `A x = x`. O(n), no temporaries, norm 1.
///
/// ```
/// use spm_linalg::operator::{Identity, LinearOperatorExt};
/// assert_eq!(Identity::new(2).apply_vec(&[3.0, -1.0]), [3.0, -1.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    n: usize,
}

impl Identity {
    /// The identity on vectors of length `n`.
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self { n }
    }
}

impl<T: Scalar> LinearOperator<T> for Identity {
    fn nrows(&self) -> usize {
        self.n
    }

    fn ncols(&self) -> usize {
        self.n
    }

    fn apply(&self, x: &[T], y: &mut [T], _stack: &mut MemStack) {
        check::dim("Identity::apply x", self.n, x.len());
        check::dim("Identity::apply y", self.n, y.len());
        y.copy_from_slice(x);
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], stack: &mut MemStack) {
        self.apply(y, x, stack);
    }

    fn norm_bound(&self) -> Option<T> {
        Some(T::one())
    }
}

impl<T: Scalar> DesignMatrix<T> for Identity {
    fn col_dot(&self, j: usize, v: &[T]) -> T {
        check::dim("Identity::col_dot v", self.n, v.len());
        v[j]
    }

    fn col_axpy(&self, j: usize, a: T, out: &mut [T]) {
        check::dim("Identity::col_axpy out", self.n, out.len());
        out[j] += a;
    }

    fn col_sq_norm(&self, j: usize) -> T {
        assert!(j < self.n, "Identity::col_sq_norm: column {j} of {}", self.n);
        T::one()
    }
}
