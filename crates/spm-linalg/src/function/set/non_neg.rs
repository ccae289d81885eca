//! The nonnegative orthant.

use crate::function::kernels::{indicator, positive_part};
use crate::{Facts, MemStack, Prox, Scalar, SeparableProx, check};

/// The indicator of the nonnegative orthant, $\{x : x \ge 0\}$.
///
/// In plain text: every `x_j >= 0`. Its prox is `max(x_j, 0)`; its conjugate is the indicator of the nonpositive
/// orthant. O(n), no temporaries.
///
/// Source: Parikh and Boyd 2014, *Proximal Algorithms*, section 6.2.
///
/// ```
/// use spm_linalg::{Prox, Workspace, set::NonNeg};
/// let mut out = [0.0; 2];
/// let value = NonNeg.prox_into(&[2.0, -0.3], 1.0, &mut out, Workspace::new(Prox::<f64>::scratch(&NonNeg, 2)).stack());
/// assert_eq!((out, value), ([2.0, 0.0], 0.0));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NonNeg;

impl<T: Scalar> Prox<T> for NonNeg {
    fn value(&self, x: &[T]) -> T {
        indicator(x.iter().all(|&v| v >= T::zero()))
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("NonNeg::prox_into out", x.len(), out.len());
        for (o, &v) in out.iter_mut().zip(x) {
            *o = self.prox_at(0, v, step);
        }
        T::zero()
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().indicator().separable().positively_homogeneous()
    }

    /// The exact projection onto the nonpositive orthant.
    fn prox_conj_into(&self, x: &[T], _step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("NonNeg::prox_conj_into out", x.len(), out.len());
        for (o, &v) in out.iter_mut().zip(x) {
            *o = if v > T::zero() { T::zero() } else { v };
        }
        T::zero()
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        Some(indicator(u.iter().all(|&v| v <= T::zero())))
    }

    fn polar(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        self.conj_value(u, stack)
    }
}

impl<T: Scalar> SeparableProx<T> for NonNeg {
    fn value_at(&self, _j: usize, v: T) -> T {
        indicator(v >= T::zero())
    }

    fn prox_at(&self, _j: usize, v: T, _step: T) -> T {
        if v < T::zero() { T::zero() } else { v }
    }

    fn subdiff_distance_at(&self, _j: usize, w: T, grad: T) -> T {
        if w > T::zero() {
            grad.abs()
        } else if w == T::zero() {
            positive_part(-grad)
        } else {
            T::infinity()
        }
    }
}
