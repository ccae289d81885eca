//! The adjoint of an operator.

use super::LinearOperator;
use crate::{MemStack, Scalar, StackReq};

/// The adjoint $A^\top$ of an operator: the two products change places.
///
/// In plain text: `Aᵀ`. Costs what `A` costs; same norm.
///
/// ```
/// use spm_linalg::operator::{Adjoint, LinearOperatorExt, Mask};
/// let spread = Adjoint::new(Mask::from_bools(&[false, true]));
/// assert_eq!(spread.apply_vec(&[5.0_f64]), [0.0, 5.0]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Adjoint<A> {
    op: A,
}

impl<A> Adjoint<A> {
    /// The adjoint of `op`.
    #[must_use]
    pub fn new(op: A) -> Self {
        Self { op }
    }
}

impl<T: Scalar, A: LinearOperator<T>> LinearOperator<T> for Adjoint<A> {
    fn nrows(&self) -> usize {
        self.op.ncols()
    }

    fn ncols(&self) -> usize {
        self.op.nrows()
    }

    fn apply(&self, x: &[T], y: &mut [T], stack: &mut MemStack) {
        self.op.apply_adjoint(x, y, stack);
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], stack: &mut MemStack) {
        self.op.apply(y, x, stack);
    }

    fn scratch(&self) -> StackReq {
        self.op.scratch()
    }

    fn norm_bound(&self) -> Option<T> {
        self.op.norm_bound()
    }
}
