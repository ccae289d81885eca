//! The L1 norm.

use crate::function::kernels::abs_subdiff_distance;
use crate::vecops::{norm_1, norm_inf, soft_threshold};
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, check};

/// The scaled L1 norm, $g(x) = \lambda \|x\|_1$.
///
/// In plain text: `g(x) = lambda * sum_j |x_j|`. Its prox is the soft threshold at `step·lambda`, with exact
/// zeros; its polar is `‖u‖_∞ / lambda`. O(n), no temporaries.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `lambda` | finite, `>= 0` | weight of the norm |
///
/// Source: Parikh and Boyd 2014, *Proximal Algorithms*, section 6.5.2.
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::L1};
/// let g = L1::new(0.5)?;
/// let mut out = [0.0; 3];
/// let value = g.prox_into(&[2.0, -0.3, -1.0], 1.0, &mut out, Workspace::new(g.scratch(3)).stack());
/// assert_eq!(out, [1.5, 0.0, -0.5]);
/// assert_eq!(value, 1.0);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct L1<T> {
    lambda: T,
}

impl<T: Scalar> L1<T> {
    /// The norm with weight `lambda`.
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

impl<T: Scalar> Prox<T> for L1<T> {
    fn value(&self, x: &[T]) -> T {
        self.lambda * norm_1(x)
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("L1::prox_into out", x.len(), out.len());
        let t = step * self.lambda;
        for (o, &v) in out.iter_mut().zip(x) {
            *o = soft_threshold(v, t);
        }
        self.value(out)
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().separable().positively_homogeneous()
    }

    /// The exact projection onto the box `[-lambda, lambda]^n`.
    fn prox_conj_into(&self, x: &[T], _step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("L1::prox_conj_into out", x.len(), out.len());
        for (o, &v) in out.iter_mut().zip(x) {
            *o = num_traits::clamp(v, -self.lambda, self.lambda);
        }
        T::zero()
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        Some(if norm_inf(u) <= self.lambda { T::zero() } else { T::infinity() })
    }

    fn polar(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        let m = norm_inf(u);
        Some(if m == T::zero() { T::zero() } else { m / self.lambda })
    }
}

impl<T: Scalar> SeparableProx<T> for L1<T> {
    fn value_at(&self, _j: usize, v: T) -> T {
        self.lambda * v.abs()
    }

    fn prox_at(&self, _j: usize, v: T, step: T) -> T {
        soft_threshold(v, step * self.lambda)
    }

    fn subdiff_distance_at(&self, _j: usize, w: T, grad: T) -> T {
        abs_subdiff_distance(w, grad, self.lambda)
    }

    fn expansion_at(&self, _j: usize, w: T) -> Option<(T, T)> {
        (w != T::zero()).then(|| (self.lambda * w.signum(), T::zero()))
    }
}
