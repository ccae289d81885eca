//! The sum of two operators.

use core::marker::PhantomData;

use super::LinearOperator;
use crate::{LinalgError, MemStack, Scalar, StackReq, check, vecops};

/// The sum $A + B$ of two operators of the same shape.
///
/// In plain text: `(A + B) x = A x + B x`. One product of each and a temporary of the length of the output; the norm
/// bound is the sum of the two. With [`Gram`](super::Gram) it makes the matrix of a regularised least-squares
/// problem, `AᵀA + a BᵀB`, for [`krylov::Cg`](crate::krylov::Cg).
///
/// ```
/// use spm_linalg::operator::{Diagonal, Identity, LinearOperatorExt};
/// let shifted = Diagonal::new(vec![1.0, 2.0])?.plus(Identity::new(2).scaled(10.0))?;
/// assert_eq!(shifted.apply_vec(&[1.0, 1.0]), [11.0, 12.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Sum<T, A, B> {
    first: A,
    second: B,
    scalar: PhantomData<T>,
}

impl<T: Scalar, A: LinearOperator<T>, B: LinearOperator<T>> Sum<T, A, B> {
    /// `first` plus `second`.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] unless the shapes are equal.
    pub fn new(first: A, second: B) -> Result<Self, LinalgError> {
        check::len("rows of the second operator", first.nrows(), second.nrows())?;
        check::len("columns of the second operator", first.ncols(), second.ncols())?;
        Ok(Self { first, second, scalar: PhantomData })
    }

    /// The second operator, to change it in place, such as the factor of a [`Scaled`](super::Scaled) one.
    pub fn second_mut(&mut self) -> &mut B {
        &mut self.second
    }
}

impl<T: Scalar, A: LinearOperator<T>, B: LinearOperator<T>> LinearOperator<T> for Sum<T, A, B> {
    fn nrows(&self) -> usize {
        self.first.nrows()
    }

    fn ncols(&self) -> usize {
        self.first.ncols()
    }

    fn apply(&self, x: &[T], y: &mut [T], stack: &mut MemStack) {
        self.first.apply(x, y, stack);
        let (mut part, stack) = stack.make_with(y.len(), |_| T::zero());
        self.second.apply(x, &mut part, stack);
        vecops::axpy(T::one(), &part, y);
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], stack: &mut MemStack) {
        self.first.apply_adjoint(y, x, stack);
        let (mut part, stack) = stack.make_with(x.len(), |_| T::zero());
        self.second.apply_adjoint(y, &mut part, stack);
        vecops::axpy(T::one(), &part, x);
    }

    fn scratch(&self) -> StackReq {
        let longest = self.first.nrows().max(self.first.ncols());
        StackReq::new::<T>(longest).and(self.second.scratch()).or(self.first.scratch())
    }

    fn norm_bound(&self) -> Option<T> {
        Some(self.first.norm_bound()? + self.second.norm_bound()?)
    }
}
