//! The Gram operator.

use core::marker::PhantomData;

use super::LinearOperator;
use crate::{MemStack, Scalar, StackReq};

/// The Gram operator $A^\top A$, symmetric and positive semidefinite, without forming the matrix.
///
/// In plain text: `(AᵀA) x = Aᵀ (A x)`. One product of each kind; a temporary of `nrows(A)` numbers. The norm bound is
/// the square of that of `A`.
///
/// ```
/// use spm_linalg::operator::{Diagonal, LinearOperatorExt};
/// let g = Diagonal::new(vec![2.0, 3.0])?.gram();
/// assert_eq!(g.apply_vec(&[1.0, 1.0]), [4.0, 9.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Gram<T, A> {
    op: A,
    scalar: PhantomData<T>,
}

impl<T: Scalar, A: LinearOperator<T>> Gram<T, A> {
    /// `opᵀ op`.
    #[must_use]
    pub fn new(op: A) -> Self {
        Self { op, scalar: PhantomData }
    }
}

impl<T: Scalar, A: LinearOperator<T>> LinearOperator<T> for Gram<T, A> {
    fn nrows(&self) -> usize {
        self.op.ncols()
    }

    fn ncols(&self) -> usize {
        self.op.ncols()
    }

    fn apply(&self, x: &[T], y: &mut [T], stack: &mut MemStack) {
        let (mut ax, stack) = stack.make_with(self.op.nrows(), |_| T::zero());
        self.op.apply(x, &mut ax, stack);
        self.op.apply_adjoint(&ax, y, stack);
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], stack: &mut MemStack) {
        self.apply(y, x, stack);
    }

    fn scratch(&self) -> StackReq {
        StackReq::new::<T>(self.op.nrows()).and(self.op.scratch())
    }

    fn norm_bound(&self) -> Option<T> {
        self.op.norm_bound().map(|b| b * b)
    }
}
