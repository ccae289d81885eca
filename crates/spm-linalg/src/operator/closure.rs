//! An operator made of two closures.

use core::fmt;

use super::LinearOperator;
use crate::{LinalgError, MemStack, Scalar, check};

/// An operator given by a closure for each product.
///
/// Each closure gets the input and an output to overwrite. An operator that needs temporaries wants a type of its
/// own, so that it can reserve them in [`LinearOperator::scratch`].
///
/// ```
/// use spm_linalg::{operator::FnOperator, testing::check_operator};
/// // Running sums.
/// let a = FnOperator::new(
///     5,
///     5,
///     |x: &[f64], y: &mut [f64]| {
///         let mut sum = 0.0;
///         for (o, v) in y.iter_mut().zip(x) {
///             sum += v;
///             *o = sum;
///         }
///     },
///     |y: &[f64], x: &mut [f64]| {
///         let mut sum = 0.0;
///         for (o, v) in x.iter_mut().zip(y).rev() {
///             sum += v;
///             *o = sum;
///         }
///     },
/// );
/// check_operator(&a);
/// ```
#[derive(Clone, Copy)]
pub struct FnOperator<T, F, G> {
    nrows: usize,
    ncols: usize,
    apply: F,
    adjoint: G,
    norm_bound: Option<T>,
}

impl<T, F, G> FnOperator<T, F, G>
where
    T: Scalar,
    F: Fn(&[T], &mut [T]) + Send + Sync,
    G: Fn(&[T], &mut [T]) + Send + Sync,
{
    /// The operator `R^ncols → R^nrows` with the products `apply(x, y)` and `adjoint(y, x)`.
    #[must_use]
    pub fn new(nrows: usize, ncols: usize, apply: F, adjoint: G) -> Self {
        Self { nrows, ncols, apply, adjoint, norm_bound: None }
    }

    /// States an upper bound of the norm.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `bound` is finite and `>= 0`.
    pub fn with_norm_bound(mut self, bound: T) -> Result<Self, LinalgError> {
        check::non_negative("norm bound", bound)?;
        self.norm_bound = Some(bound);
        Ok(self)
    }
}

impl<T, F, G> LinearOperator<T> for FnOperator<T, F, G>
where
    T: Scalar,
    F: Fn(&[T], &mut [T]) + Send + Sync,
    G: Fn(&[T], &mut [T]) + Send + Sync,
{
    fn nrows(&self) -> usize {
        self.nrows
    }

    fn ncols(&self) -> usize {
        self.ncols
    }

    fn apply(&self, x: &[T], y: &mut [T], _stack: &mut MemStack) {
        check::dim("FnOperator::apply x", self.ncols, x.len());
        check::dim("FnOperator::apply y", self.nrows, y.len());
        (self.apply)(x, y);
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], _stack: &mut MemStack) {
        check::dim("FnOperator::apply_adjoint y", self.nrows, y.len());
        check::dim("FnOperator::apply_adjoint x", self.ncols, x.len());
        (self.adjoint)(y, x);
    }

    fn norm_bound(&self) -> Option<T> {
        self.norm_bound
    }
}

impl<T: fmt::Debug, F, G> fmt::Debug for FnOperator<T, F, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FnOperator")
            .field("nrows", &self.nrows)
            .field("ncols", &self.ncols)
            .field("norm_bound", &self.norm_bound)
            .finish_non_exhaustive()
    }
}
