//! Algebra and convenience on every operator.

use super::{Adjoint, Compose, Gram, LinearOperator, Scaled, Sum};
use crate::{LinalgError, Scalar, Workspace};

/// Short forms on every [`LinearOperator`]: `a.adjoint()`, `a.compose(b)?`, `a.apply_vec(&x)`.
///
/// The constructors take `self` by value; put `(&a)` in front to borrow. Where nothing says which scalar an operator
/// without numbers works on, such as a mask, write `Adjoint::new(mask)` instead of `mask.adjoint()`. The products
/// allocate their output and scratch: for scripts and tests, not for loops.
///
/// ```
/// use spm_linalg::{LinearOperator, operator::{Diagonal, LinearOperatorExt, Mask}};
/// let weights = Diagonal::new(vec![1.0, 2.0, 3.0])?;
/// let a = Mask::from_bools(&[true, false, true]).compose(&weights)?.scaled(10.0);
/// assert_eq!(a.apply_vec(&[1.0, 1.0, 1.0]), [10.0, 30.0]);
/// assert_eq!(a.norm_bound(), Some(30.0));
/// assert_eq!(a.gram().apply_vec(&[1.0, 1.0, 1.0]), [100.0, 0.0, 900.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
pub trait LinearOperatorExt<T: Scalar>: LinearOperator<T> {
    /// `Aᵀ` as an operator.
    fn adjoint(self) -> Adjoint<Self>
    where
        Self: Sized,
    {
        Adjoint::new(self)
    }

    /// `a·A`.
    fn scaled(self, a: T) -> Scaled<T, Self>
    where
        Self: Sized,
    {
        Scaled::new(a, self)
    }

    /// `A·inner`: first `inner`, then `self`.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] unless `self.ncols() == inner.nrows()`.
    fn compose<B: LinearOperator<T>>(self, inner: B) -> Result<Compose<T, Self, B>, LinalgError>
    where
        Self: Sized,
    {
        Compose::new(self, inner)
    }

    /// `A + other`.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] unless the shapes are equal.
    fn plus<B: LinearOperator<T>>(self, other: B) -> Result<Sum<T, Self, B>, LinalgError>
    where
        Self: Sized,
    {
        Sum::new(self, other)
    }

    /// `AᵀA` as an operator.
    fn gram(self) -> Gram<T, Self>
    where
        Self: Sized,
    {
        Gram::new(self)
    }

    /// `A x` in a new vector.
    ///
    /// # Panics
    /// If `x.len() != ncols()`.
    #[must_use]
    fn apply_vec(&self, x: &[T]) -> Vec<T> {
        let mut y = vec![T::zero(); self.nrows()];
        self.apply(x, &mut y, Workspace::new(self.scratch()).stack());
        y
    }

    /// `Aᵀ y` in a new vector.
    ///
    /// # Panics
    /// If `y.len() != nrows()`.
    #[must_use]
    fn apply_adjoint_vec(&self, y: &[T]) -> Vec<T> {
        let mut x = vec![T::zero(); self.ncols()];
        self.apply_adjoint(y, &mut x, Workspace::new(self.scratch()).stack());
        x
    }
}

impl<T: Scalar, A: LinearOperator<T> + ?Sized> LinearOperatorExt<T> for A {}
