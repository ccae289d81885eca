//! The product of two operators.

use core::marker::PhantomData;

use super::LinearOperator;
use crate::{LinalgError, MemStack, Scalar, StackReq, check};

/// The composition $A B$: first `B`, then `A`.
///
/// In plain text: `(A B) x = A (B x)`. One product of each; a temporary of `nrows(B)` numbers. The norm bound is
/// the product of the two.
///
/// ```
/// use spm_linalg::operator::{Diagonal, LinearOperatorExt, Mask};
/// let weigh_then_select = Mask::from_bools(&[false, true]).compose(Diagonal::new(vec![2.0, 3.0])?)?;
/// assert_eq!(weigh_then_select.apply_vec(&[1.0, 1.0]), [3.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Compose<T, A, B> {
    outer: A,
    inner: B,
    scalar: PhantomData<T>,
}

impl<T: Scalar, A: LinearOperator<T>, B: LinearOperator<T>> Compose<T, A, B> {
    /// `outer` after `inner`.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] unless `outer` has as many columns as `inner` has rows.
    pub fn new(outer: A, inner: B) -> Result<Self, LinalgError> {
        check::len("columns of the outer operator", inner.nrows(), outer.ncols())?;
        Ok(Self { outer, inner, scalar: PhantomData })
    }
}

impl<T: Scalar, A: LinearOperator<T>, B: LinearOperator<T>> LinearOperator<T> for Compose<T, A, B> {
    fn nrows(&self) -> usize {
        self.outer.nrows()
    }

    fn ncols(&self) -> usize {
        self.inner.ncols()
    }

    fn apply(&self, x: &[T], y: &mut [T], stack: &mut MemStack) {
        let (mut mid, stack) = stack.make_with(self.inner.nrows(), |_| T::zero());
        self.inner.apply(x, &mut mid, stack);
        self.outer.apply(&mid, y, stack);
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], stack: &mut MemStack) {
        let (mut mid, stack) = stack.make_with(self.inner.nrows(), |_| T::zero());
        self.outer.apply_adjoint(y, &mut mid, stack);
        self.inner.apply_adjoint(&mid, x, stack);
    }

    fn scratch(&self) -> StackReq {
        StackReq::new::<T>(self.inner.nrows()).and(self.outer.scratch().or(self.inner.scratch()))
    }

    fn norm_bound(&self) -> Option<T> {
        Some(self.outer.norm_bound()? * self.inner.norm_bound()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::{Identity, Mask};

    #[test]
    fn shapes_must_fit() {
        let mask = Mask::from_bools(&[true, false]);
        assert_eq!(
            Compose::<f64, _, _>::new(Identity::new(3), mask).map(|_| ()),
            Err(LinalgError::Shape { what: "columns of the outer operator", expected: 1, got: 3 })
        );
    }
}
