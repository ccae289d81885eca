//! The Huber function.

use crate::function::kernels::indicator;
use crate::vecops::{norm_inf, sq_norm};
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, check};

/// The Huber function of every entry, $g(x) = \lambda \sum_j h_\delta(x_j)$ with $h_\delta(v) = v^2/(2\delta)$ for
/// $|v| \le \delta$ and $|v| - \delta/2$ beyond: the L1 norm with a rounded corner.
///
/// In plain text: `g(x) = lambda * sum_j h(x_j)`, `h(v) = v²/(2 delta)` if `|v| <= delta`, else `|v| − delta/2`.
/// Its conjugate is `delta·‖u‖²/(2·lambda)` on `‖u‖_∞ <= lambda`. O(n), no temporaries.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `lambda` | finite, `>= 0` | slope of the linear part |
/// | `delta` | finite, `> 0` | half width of the quadratic part |
///
/// Source: Huber 1964, *Robust estimation of a location parameter*; it is the Moreau envelope of `lambda|v|`
/// (Beck 2017, *First-Order Methods in Optimization*, example 6.54).
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::Huber};
/// let g = Huber::new(1.0, 1.0)?;
/// let mut out = [0.0; 2];
/// let value = g.prox_into(&[3.0, 1.0], 1.0, &mut out, Workspace::new(g.scratch(2)).stack());
/// assert_eq!((out, value), ([2.0, 0.5], 1.5 + 0.125));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Huber<T> {
    lambda: T,
    delta: T,
}

impl<T: Scalar> Huber<T> {
    /// The function with slope `lambda` beyond `delta`.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `lambda` is finite and `>= 0` and `delta` finite and `> 0`.
    pub fn new(lambda: T, delta: T) -> Result<Self, LinalgError> {
        check::non_negative("lambda", lambda)?;
        check::positive("delta", delta)?;
        Ok(Self { lambda, delta })
    }
}

impl<T: Scalar> Prox<T> for Huber<T> {
    fn value(&self, x: &[T]) -> T {
        x.iter().map(|&v| self.value_at(0, v)).sum()
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("Huber::prox_into out", x.len(), out.len());
        for (o, &v) in out.iter_mut().zip(x) {
            *o = self.prox_at(0, v, step);
        }
        self.value(out)
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().separable()
    }

    /// Exact: never outside the box `[-lambda, lambda]^n`.
    fn prox_conj_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("Huber::prox_conj_into out", x.len(), out.len());
        let factor = self.lambda / (self.lambda + step * self.delta);
        for (o, &v) in out.iter_mut().zip(x) {
            *o = num_traits::clamp(factor * v, -self.lambda, self.lambda);
        }
        self.conj_inside(out)
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        let outside: T = indicator(norm_inf(u) <= self.lambda);
        Some(if outside == T::zero() { self.conj_inside(u) } else { outside })
    }
}

impl<T: Scalar> Huber<T> {
    fn conj_inside(&self, u: &[T]) -> T {
        if self.lambda == T::zero() {
            return T::zero();
        }
        T::of(0.5) * self.delta * sq_norm(u) / self.lambda
    }
}

impl<T: Scalar> SeparableProx<T> for Huber<T> {
    fn value_at(&self, _j: usize, v: T) -> T {
        let a = v.abs();
        let half = T::of(0.5);
        self.lambda * if a <= self.delta { half * v * (v / self.delta) } else { a - half * self.delta }
    }

    fn prox_at(&self, _j: usize, v: T, step: T) -> T {
        let t = step * self.lambda;
        if v.abs() <= self.delta + t { v * (self.delta / (self.delta + t)) } else { v - t * v.signum() }
    }

    fn subdiff_distance_at(&self, _j: usize, w: T, grad: T) -> T {
        (grad + self.lambda * num_traits::clamp(w / self.delta, -T::one(), T::one())).abs()
    }
}
