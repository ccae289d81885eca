//! The log-sum penalty.

use crate::function::kernels::abs_subdiff_distance;
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, check};

/// The log-sum penalty, $g(x) = \lambda \sum_j \log(1 + |x_j|/\varepsilon)$. Not convex.
///
/// In plain text: `g(x) = lambda * sum_j log(1 + |x_j| / epsilon)`. Its prox is the larger root of
/// `(z − |v|)(z + epsilon) + step·lambda = 0` where that beats 0, else 0; 0 at a tie. O(n), no temporaries.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `lambda` | finite, `>= 0` | weight |
/// | `epsilon` | finite, `> 0` | scale below which the penalty is almost linear, with slope `lambda/epsilon` |
///
/// Source: Candès, Wakin and Boyd 2008, *Enhancing sparsity by reweighted l1 minimization*, section 2.
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::LogSum};
/// let g = LogSum::new(2.0, 1.0)?;
/// let mut out = [0.0; 2];
/// g.prox_into(&[3.0, 1.0], 1.0, &mut out, Workspace::new(g.scratch(2)).stack());
/// assert!((out[0] - (1.0 + 2_f64.sqrt())).abs() < 1e-15); // z² − 2z − 1 = 0
/// assert_eq!(out[1], 0.0);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogSum<T> {
    lambda: T,
    epsilon: T,
}

impl<T: Scalar> LogSum<T> {
    /// The penalty with weight `lambda` and scale `epsilon`.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `lambda` is finite and `>= 0` and `epsilon` finite and `> 0`.
    pub fn new(lambda: T, epsilon: T) -> Result<Self, LinalgError> {
        check::non_negative("lambda", lambda)?;
        check::positive("epsilon", epsilon)?;
        Ok(Self { lambda, epsilon })
    }
}

impl<T: Scalar> Prox<T> for LogSum<T> {
    fn value(&self, x: &[T]) -> T {
        x.iter().map(|&v| self.value_at(0, v)).sum()
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("LogSum::prox_into out", x.len(), out.len());
        for (o, &v) in out.iter_mut().zip(x) {
            *o = self.prox_at(0, v, step);
        }
        self.value(out)
    }

    fn facts(&self) -> Facts {
        Facts::default().separable()
    }
}

impl<T: Scalar> SeparableProx<T> for LogSum<T> {
    fn value_at(&self, _j: usize, v: T) -> T {
        self.lambda * (v.abs() / self.epsilon).ln_1p()
    }

    fn prox_at(&self, j: usize, v: T, step: T) -> T {
        if v.is_nan() {
            return v;
        }
        let (a, e, t, half) = (v.abs(), self.epsilon, step * self.lambda, T::of(0.5));
        // The roots have sum a − e and product t − a e, and square of the difference (a + e)² − 4t.
        let spread = (a + e) * (a + e) - T::of(4.0) * t;
        if spread < T::zero() {
            return T::zero();
        }
        let root = spread.sqrt();
        let z = if a >= e { half * ((a - e) + root) } else { (a * e - t) / (half * ((e - a) + root)) };
        if z <= T::zero() {
            return T::zero();
        }
        // Relative to the objective at 0: value(z) + (z − a)²/(2 step) − a²/(2 step).
        let gain = self.value_at(j, z) + half * z * ((z - T::of(2.0) * a) / step);
        if gain < T::zero() { z.copysign(v) } else { T::zero() }
    }

    fn subdiff_distance_at(&self, _j: usize, w: T, grad: T) -> T {
        abs_subdiff_distance(w, grad, self.lambda / (self.epsilon + w.abs()))
    }
}
