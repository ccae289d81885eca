//! The number of nonzero entries.

use crate::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, check};

/// The scaled number of nonzero entries, $g(x) = \lambda \|x\|_0$. Not convex.
///
/// In plain text: `g(x) = lambda * #{j : x_j != 0}`. Its prox is the hard threshold: `v` where
/// `v² > 2·step·lambda`, else 0 (both are minimisers at equality; 0 is returned). O(n), no temporaries.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `lambda` | finite, `>= 0` | price of a nonzero entry |
///
/// Every slope is a subgradient at 0, so the subdifferential distance there is 0: zero is a local minimum of any
/// smooth function plus this one.
///
/// Source: Blumensath and Davies 2008, *Iterative thresholding for sparse approximations*.
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::L0};
/// let g = L0::new(2.0)?;
/// let mut out = [0.0; 3];
/// let value = g.prox_into(&[2.0, -2.5, 1.0], 1.0, &mut out, Workspace::new(g.scratch(3)).stack());
/// assert_eq!((out, value), ([0.0, -2.5, 0.0], 2.0));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct L0<T> {
    lambda: T,
}

impl<T: Scalar> L0<T> {
    /// The penalty with weight `lambda`.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `lambda` is finite and `>= 0`.
    pub fn new(lambda: T) -> Result<Self, LinalgError> {
        check::non_negative("lambda", lambda)?;
        Ok(Self { lambda })
    }
}

impl<T: Scalar> Prox<T> for L0<T> {
    fn value(&self, x: &[T]) -> T {
        self.lambda * T::of_usize(x.iter().filter(|v| **v != T::zero()).count())
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("L0::prox_into out", x.len(), out.len());
        for (o, &v) in out.iter_mut().zip(x) {
            *o = self.prox_at(0, v, step);
        }
        self.value(out)
    }

    fn facts(&self) -> Facts {
        Facts::default().separable()
    }
}

impl<T: Scalar> SeparableProx<T> for L0<T> {
    fn value_at(&self, _j: usize, v: T) -> T {
        if v == T::zero() { T::zero() } else { self.lambda }
    }

    fn prox_at(&self, _j: usize, v: T, step: T) -> T {
        if v.abs() <= (T::of(2.0) * step * self.lambda).sqrt() { T::zero() } else { v }
    }

    fn subdiff_distance_at(&self, _j: usize, w: T, grad: T) -> T {
        if w == T::zero() && !grad.is_nan() { T::zero() } else { grad.abs() }
    }
}
