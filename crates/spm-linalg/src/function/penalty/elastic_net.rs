//! The elastic net.

use crate::function::kernels::{abs_subdiff_distance, indicator, positive_part};
use crate::vecops::{norm_1, norm_inf, soft_threshold, sq_norm};
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, check};

/// The elastic net, $g(x) = \lambda_1 \|x\|_1 + \tfrac{\lambda_2}{2} \|x\|_2^2$.
///
/// In plain text: `g(x) = l1 * sum_j |x_j| + l2/2 * sum_j x_j²`. Its prox is the soft threshold at `step·l1` divided
/// by `1 + step·l2`; its conjugate is `Σ max(|u_j| − l1, 0)² / (2·l2)`. O(n), no temporaries.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `l1` | finite, `>= 0` | weight of the L1 norm |
/// | `l2` | finite, `>= 0` | weight of half the squared norm; 0 gives [`super::L1`] |
///
/// Source: Zou and Hastie 2005, *Regularization and variable selection via the elastic net*.
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::ElasticNet};
/// let g = ElasticNet::new(0.5, 2.0)?;
/// let mut out = [0.0; 2];
/// let value = g.prox_into(&[2.0, -0.3], 1.0, &mut out, Workspace::new(g.scratch(2)).stack());
/// assert_eq!((out, value), ([0.5, 0.0], 0.5));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ElasticNet<T> {
    l1: T,
    l2: T,
}

impl<T: Scalar> ElasticNet<T> {
    /// The penalty with these weights.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless both are finite and `>= 0`.
    pub fn new(l1: T, l2: T) -> Result<Self, LinalgError> {
        check::non_negative("l1", l1)?;
        check::non_negative("l2", l2)?;
        Ok(Self { l1, l2 })
    }

    /// The weight of the L1 norm.
    #[must_use]
    pub fn l1(&self) -> T {
        self.l1
    }

    /// The weight of half the squared norm.
    #[must_use]
    pub fn l2(&self) -> T {
        self.l2
    }
}

impl<T: Scalar> Prox<T> for ElasticNet<T> {
    fn value(&self, x: &[T]) -> T {
        self.l1 * norm_1(x) + T::of(0.5) * self.l2 * sq_norm(x)
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("ElasticNet::prox_into out", x.len(), out.len());
        for (o, &v) in out.iter_mut().zip(x) {
            *o = self.prox_at(0, v, step);
        }
        self.value(out)
    }

    fn facts(&self) -> Facts {
        let facts = Facts::default().convex().separable();
        if self.l2 == T::zero() { facts.positively_homogeneous() } else { facts }
    }

    /// Exact: for `l2 = 0` it is the projection onto the box `[-l1, l1]^n`.
    fn prox_conj_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        check::dim("ElasticNet::prox_conj_into out", x.len(), out.len());
        let factor = self.l2 / (step + self.l2);
        for (o, &v) in out.iter_mut().zip(x) {
            let inside = num_traits::clamp(v, -self.l1, self.l1);
            *o = inside + factor * (v - inside);
        }
        self.conj_value(out, stack).unwrap_or_else(T::zero)
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        if self.l2 == T::zero() {
            return Some(indicator(norm_inf(u) <= self.l1));
        }
        let excess = |&v: &T| {
            let e = positive_part(v.abs() - self.l1);
            e * e
        };
        Some(T::of(0.5) * u.iter().map(excess).sum::<T>() / self.l2)
    }

    /// Known for `l2 = 0`, where the penalty is a norm.
    fn polar(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        if self.l2 > T::zero() {
            return None;
        }
        let m = norm_inf(u);
        Some(if m == T::zero() { T::zero() } else { m / self.l1 })
    }
}

impl<T: Scalar> SeparableProx<T> for ElasticNet<T> {
    fn value_at(&self, _j: usize, v: T) -> T {
        self.l1 * v.abs() + T::of(0.5) * self.l2 * v * v
    }

    fn prox_at(&self, _j: usize, v: T, step: T) -> T {
        soft_threshold(v, step * self.l1) / (T::one() + step * self.l2)
    }

    fn subdiff_distance_at(&self, _j: usize, w: T, grad: T) -> T {
        abs_subdiff_distance(w, grad + self.l2 * w, self.l1)
    }

    fn expansion_at(&self, _j: usize, w: T) -> Option<(T, T)> {
        (w != T::zero()).then(|| (self.l1 * w.signum() + self.l2 * w, self.l2))
    }
}
