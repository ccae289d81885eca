//! The L1 norm on the nonnegative orthant.

use crate::function::kernels::{indicator, larger, positive_part};
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, check, vecops};

/// The L1 norm restricted to nonnegative vectors, $g(x) = \lambda \sum_j x_j$ for $x \ge 0$, $+\infty$ elsewhere.
///
/// In plain text: `g(x) = lambda * sum_j x_j` if every `x_j >= 0`, else infinity. Its prox is
/// `max(v − step·lambda, 0)`; its conjugate is 0 where every `u_j <= lambda`. O(n), no temporaries.
/// For other penalties with bounds use [`crate::calculus::Bounded`].
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `lambda` | finite, `>= 0` | weight of the norm |
///
/// Source: Parikh and Boyd 2014, *Proximal Algorithms*, sections 6.5.2 and 6.2.
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::NonNegL1};
/// let g = NonNegL1::new(0.5)?;
/// let mut out = [0.0; 3];
/// let value = g.prox_into(&[2.0, 0.3, -1.0], 1.0, &mut out, Workspace::new(g.scratch(3)).stack());
/// assert_eq!((out, value), ([1.5, 0.0, 0.0], 0.75));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct NonNegL1<T> {
    lambda: T,
}

impl<T: Scalar> NonNegL1<T> {
    /// The penalty with weight `lambda`.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `lambda` is finite and `>= 0`.
    pub fn new(lambda: T) -> Result<Self, LinalgError> {
        check::non_negative("lambda", lambda)?;
        Ok(Self { lambda })
    }

    /// The weight.
    #[must_use]
    pub fn lambda(&self) -> T {
        self.lambda
    }
}

impl<T: Scalar> Prox<T> for NonNegL1<T> {
    fn value(&self, x: &[T]) -> T {
        if x.iter().any(|&v| v < T::zero()) { T::infinity() } else { self.lambda * vecops::sum(x) }
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("NonNegL1::prox_into out", x.len(), out.len());
        for (o, &v) in out.iter_mut().zip(x) {
            *o = self.prox_at(0, v, step);
        }
        self.lambda * vecops::sum(out)
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().separable().positively_homogeneous()
    }

    /// The exact projection onto `u <= lambda`.
    fn prox_conj_into(&self, x: &[T], _step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("NonNegL1::prox_conj_into out", x.len(), out.len());
        for (o, &v) in out.iter_mut().zip(x) {
            *o = if v > self.lambda { self.lambda } else { v };
        }
        T::zero()
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        Some(indicator(u.iter().all(|&v| v <= self.lambda)))
    }

    fn polar(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        let largest = u.iter().copied().fold(T::zero(), larger);
        Some(if largest == T::zero() { T::zero() } else { largest / self.lambda })
    }
}

impl<T: Scalar> SeparableProx<T> for NonNegL1<T> {
    fn value_at(&self, _j: usize, v: T) -> T {
        if v < T::zero() { T::infinity() } else { self.lambda * v }
    }

    fn prox_at(&self, _j: usize, v: T, step: T) -> T {
        let t = step * self.lambda;
        if v <= t { T::zero() } else { v - t }
    }

    fn subdiff_distance_at(&self, _j: usize, w: T, grad: T) -> T {
        let slope = grad + self.lambda;
        if w > T::zero() {
            slope.abs()
        } else if w == T::zero() {
            positive_part(-slope)
        } else {
            T::infinity()
        }
    }

    fn expansion_at(&self, _j: usize, w: T) -> Option<(T, T)> {
        (w > T::zero()).then(|| (self.lambda, T::zero()))
    }
}
