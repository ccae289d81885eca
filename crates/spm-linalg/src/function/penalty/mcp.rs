//! The minimax concave penalty.

use crate::function::kernels::abs_subdiff_distance;
use crate::vecops::soft_threshold;
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, check};

/// The minimax concave penalty, $g(x) = \sum_j m(x_j)$ with $m(v) = \lambda |v| - v^2/(2\gamma)$ for
/// $|v| \le \gamma\lambda$ and $\gamma\lambda^2/2$ beyond. Not convex.
///
/// In plain text: `m(v) = lambda*|v| − v²/(2 gamma)` if `|v| <= gamma*lambda`, else `gamma*lambda²/2`. O(n), no
/// temporaries.
///
/// For `step < gamma` the prox is the firm threshold: 0 up to `step·lambda`, the soft threshold divided by
/// `1 − step/gamma` up to `gamma·lambda`, the identity beyond. For `step >= gamma` it is the hard threshold at
/// `lambda·sqrt(step·gamma)`, with 0 at the tie. Both are the global minimiser.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `lambda` | finite, `>= 0` | slope at 0 |
/// | `gamma` | finite, `> 0`, commonly 3 | concavity; the L1 norm as it grows |
///
/// Source: Zhang 2010, *Nearly unbiased variable selection under minimax concave penalty*; firm
/// threshold: Gao and Bruce 1997, *WaveShrink with firm shrinkage*.
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::Mcp};
/// let g = Mcp::new(1.0, 2.0)?;
/// let mut out = [0.0; 3];
/// g.prox_into(&[3.0, 1.5, -1.0], 1.0, &mut out, Workspace::new(g.scratch(3)).stack());
/// assert_eq!(out, [3.0, 1.0, 0.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mcp<T> {
    lambda: T,
    gamma: T,
}

impl<T: Scalar> Mcp<T> {
    /// The penalty with slope `lambda` at 0 and concavity `1/gamma`.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `lambda` is finite and `>= 0` and `gamma` finite and `> 0`.
    pub fn new(lambda: T, gamma: T) -> Result<Self, LinalgError> {
        check::non_negative("lambda", lambda)?;
        check::positive("gamma", gamma)?;
        Ok(Self { lambda, gamma })
    }
}

impl<T: Scalar> Prox<T> for Mcp<T> {
    fn value(&self, x: &[T]) -> T {
        x.iter().map(|&v| self.value_at(0, v)).sum()
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("Mcp::prox_into out", x.len(), out.len());
        for (o, &v) in out.iter_mut().zip(x) {
            *o = self.prox_at(0, v, step);
        }
        self.value(out)
    }

    fn facts(&self) -> Facts {
        Facts::default().separable()
    }
}

impl<T: Scalar> SeparableProx<T> for Mcp<T> {
    fn value_at(&self, _j: usize, v: T) -> T {
        let (a, half) = (v.abs(), T::of(0.5));
        if a <= self.gamma * self.lambda {
            self.lambda * a - half * a * (a / self.gamma)
        } else {
            half * self.gamma * self.lambda * self.lambda
        }
    }

    fn prox_at(&self, _j: usize, v: T, step: T) -> T {
        let a = v.abs();
        if step >= self.gamma {
            return if a <= self.lambda * (step * self.gamma).sqrt() { T::zero() } else { v };
        }
        if a <= self.gamma * self.lambda {
            soft_threshold(v, step * self.lambda) / (T::one() - step / self.gamma)
        } else {
            v
        }
    }

    fn subdiff_distance_at(&self, _j: usize, w: T, grad: T) -> T {
        if w.abs() <= self.gamma * self.lambda {
            abs_subdiff_distance(w, grad - w / self.gamma, self.lambda)
        } else {
            grad.abs()
        }
    }
    fn expansion_at(&self, _j: usize, w: T) -> Option<(T, T)> {
        if w.abs() >= self.gamma * self.lambda {
            return Some((T::zero(), T::zero()));
        }
        (w != T::zero()).then(|| (self.lambda * w.signum() - w / self.gamma, -self.gamma.recip()))
    }
}
