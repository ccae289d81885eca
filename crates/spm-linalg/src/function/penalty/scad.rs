//! The smoothly clipped absolute deviation penalty.

use crate::function::kernels::abs_subdiff_distance;
use crate::vecops::soft_threshold;
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, check};

/// The smoothly clipped absolute deviation penalty, $g(x) = \sum_j s(x_j)$: slope $\lambda$ up to $\lambda$, then
/// falling linearly to 0 at $a\lambda$. Not convex.
///
/// In plain text: `s(v) = lambda*|v|` for `|v| <= lambda`, `(2 a lambda |v| − v² − lambda²) / (2(a − 1))` up to
/// `a*lambda`, `lambda²(a + 1)/2` beyond. O(n), no temporaries.
///
/// For `step < a − 1` the prox is the soft threshold up to `lambda(1 + step)`, then
/// `((a − 1)v − step·a·lambda·sign v) / (a − 1 − step)` up to `a·lambda`, the identity beyond. For larger steps the
/// better of the soft threshold (cut at `lambda`) and the identity, the former at a tie. Both are the global
/// minimiser.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `lambda` | finite, `>= 0` | slope at 0 |
/// | `a` | finite, `> 1`, commonly 3.7 | where the penalty levels off, in units of `lambda` |
///
/// Source: Fan and Li 2001, *Variable selection via nonconcave penalized likelihood and its oracle properties*,
/// equations 2.7 and 2.8.
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::Scad};
/// let g = Scad::new(1.0, 3.0)?;
/// let mut out = [0.0; 4];
/// g.prox_into(&[4.0, 2.5, 1.5, -1.0], 1.0, &mut out, Workspace::new(g.scratch(4)).stack());
/// assert_eq!(out, [4.0, 2.0, 0.5, 0.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scad<T> {
    lambda: T,
    a: T,
}

impl<T: Scalar> Scad<T> {
    /// The penalty with slope `lambda` at 0, constant beyond `a·lambda`.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `lambda` is finite and `>= 0` and `a` finite and `> 1`.
    pub fn new(lambda: T, a: T) -> Result<Self, LinalgError> {
        check::non_negative("lambda", lambda)?;
        if !(a.is_finite() && a > T::one()) {
            return Err(LinalgError::InvalidParam { name: "a", expected: "finite and > 1", got: a.as_f64() });
        }
        Ok(Self { lambda, a })
    }
}

impl<T: Scalar> Prox<T> for Scad<T> {
    fn value(&self, x: &[T]) -> T {
        x.iter().map(|&v| self.value_at(0, v)).sum()
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("Scad::prox_into out", x.len(), out.len());
        for (o, &v) in out.iter_mut().zip(x) {
            *o = self.prox_at(0, v, step);
        }
        self.value(out)
    }

    fn facts(&self) -> Facts {
        Facts::default().separable()
    }
}

impl<T: Scalar> SeparableProx<T> for Scad<T> {
    fn value_at(&self, _j: usize, v: T) -> T {
        let (z, l, half) = (v.abs(), self.lambda, T::of(0.5));
        if z <= l {
            l * z
        } else if z <= self.a * l {
            // λz minus the parabola that starts at λ.
            l * z - half * (z - l) * ((z - l) / (self.a - T::one()))
        } else {
            half * l * l * (self.a + T::one())
        }
    }

    fn prox_at(&self, j: usize, v: T, step: T) -> T {
        let (z, l) = (v.abs(), self.lambda);
        let flatness = self.a - T::one() - step;
        if flatness > T::zero() {
            return if z <= l * (T::one() + step) {
                soft_threshold(v, step * l)
            } else if z <= self.a * l {
                ((self.a - T::one()) * v - step * self.a * l * v.signum()) / flatness
            } else {
                v
            };
        }
        // The middle part is concave: the minimiser is on the first part or is v itself.
        let near = num_traits::clamp(soft_threshold(v, step * l), -l, l);
        let d = near - v;
        let near_objective = l * near.abs() + T::of(0.5) * d * (d / step);
        if z <= self.a * l || near_objective <= self.value_at(j, v) { near } else { v }
    }

    fn subdiff_distance_at(&self, _j: usize, w: T, grad: T) -> T {
        let (z, l) = (w.abs(), self.lambda);
        if z <= l {
            abs_subdiff_distance(w, grad, l)
        } else if z <= self.a * l {
            (grad + (self.a * l - z) / (self.a - T::one()) * w.signum()).abs()
        } else {
            grad.abs()
        }
    }
    fn expansion_at(&self, _j: usize, w: T) -> Option<(T, T)> {
        let z = w.abs();
        if z >= self.a * self.lambda {
            return Some((T::zero(), T::zero()));
        }
        if z > self.lambda {
            let concavity = (self.a - T::one()).recip();
            return Some(((self.a * self.lambda - z) * concavity * w.signum(), -concavity));
        }
        (w != T::zero()).then(|| (self.lambda * w.signum(), T::zero()))
    }
}
