//! A multiple of an operator.

use super::LinearOperator;
use crate::{MemStack, Scalar, StackReq, vecops};

/// The multiple $a A$ of an operator.
///
/// In plain text: `a * A`. One pass over the output on top of the product; norm bound `|a|` times that of `A`.
///
/// ```
/// use spm_linalg::operator::{Identity, LinearOperatorExt};
/// assert_eq!(Identity::new(2).scaled(2.0).apply_vec(&[1.0, 4.0]), [2.0, 8.0]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Scaled<T, A> {
    a: T,
    op: A,
}

impl<T: Scalar, A: LinearOperator<T>> Scaled<T, A> {
    /// `a` times `op`.
    #[must_use]
    pub fn new(a: T, op: A) -> Self {
        Self { a, op }
    }

    /// Changes the factor, as when a penalty parameter moves.
    pub fn set_factor(&mut self, a: T) {
        self.a = a;
    }
}

impl<T: Scalar, A: LinearOperator<T>> LinearOperator<T> for Scaled<T, A> {
    fn nrows(&self) -> usize {
        self.op.nrows()
    }

    fn ncols(&self) -> usize {
        self.op.ncols()
    }

    fn apply(&self, x: &[T], y: &mut [T], stack: &mut MemStack) {
        self.op.apply(x, y, stack);
        vecops::scale(self.a, y);
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], stack: &mut MemStack) {
        self.op.apply_adjoint(y, x, stack);
        vecops::scale(self.a, x);
    }

    fn scratch(&self) -> StackReq {
        self.op.scratch()
    }

    fn norm_bound(&self) -> Option<T> {
        self.op.norm_bound().map(|b| self.a.abs() * b)
    }
}
