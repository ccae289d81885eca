//! A separable function after a diagonal scaling.

use crate::function::kernels::{dims, indicator, slack};
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, StackReq, check};

/// A separable function after a diagonal scaling, $h(x) = g(D x)$, $D = \operatorname{diag}(d)$.
///
/// In plain text: `h(x) = g(d_1 x_1, d_2 x_2, …)`. Its prox is `prox_g(d_j v, step·d_j²) / d_j` in every coordinate;
/// where every `d_j != 0` its conjugate is `g*(u/d)`, its polar that of `g` at `u/d`. The cost of `g`, and `n`
/// temporaries for the conjugate.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `g` | | the function |
/// | `diagonal` | finite | `d`; fixes the dimension; `d_j = 0` leaves coordinate `j` free |
///
/// Source: Combettes and Pesquet 2011, *Proximal splitting methods in signal processing*, table 10.1.
///
/// ```
/// use spm_linalg::{Prox, Workspace, calculus::PrecomposeDiagonal, penalty::L1};
/// let h = PrecomposeDiagonal::new(L1::new(1.0)?, vec![2.0, 0.0])?;
/// let mut out = [0.0; 2];
/// let value = h.prox_into(&[3.0, 1.0], 1.0, &mut out, Workspace::new(h.scratch(2)).stack());
/// assert_eq!((out, value), ([1.0, 1.0], 2.0));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct PrecomposeDiagonal<G, T> {
    g: G,
    diagonal: Vec<T>,
}

impl<G: SeparableProx<T>, T: Scalar> PrecomposeDiagonal<G, T> {
    /// `g` after the scaling by `diagonal`.
    ///
    /// # Errors
    /// [`LinalgError::NonFinite`] if `diagonal` has a NaN or an infinity, [`LinalgError::Shape`] if `g` fixes another
    /// dimension.
    pub fn new(g: G, diagonal: Vec<T>) -> Result<Self, LinalgError> {
        check::finite("diagonal", &diagonal)?;
        check::len("diagonal", g.dim().unwrap_or(diagonal.len()), diagonal.len())?;
        Ok(Self { g, diagonal })
    }

    fn invertible(&self) -> bool {
        self.diagonal.iter().all(|&d| d != T::zero())
    }
}

impl<G: SeparableProx<T>, T: Scalar> Prox<T> for PrecomposeDiagonal<G, T> {
    fn value(&self, x: &[T]) -> T {
        check::dim("PrecomposeDiagonal::value x", self.diagonal.len(), x.len());
        x.iter().enumerate().map(|(j, &v)| self.value_at(j, v)).sum()
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        dims("PrecomposeDiagonal::prox_into", Some(self.diagonal.len()), x.len(), out.len());
        for (j, (o, &v)) in out.iter_mut().zip(x).enumerate() {
            *o = self.prox_at(j, v, step);
        }
        self.value(out)
    }

    /// For the conjugate and the polar.
    fn scratch(&self, n: usize) -> StackReq {
        StackReq::new::<T>(n).and(self.g.scratch(n))
    }

    fn dim(&self) -> Option<usize> {
        Some(self.diagonal.len())
    }

    fn facts(&self) -> Facts {
        self.g.facts()
    }

    /// For a positively homogeneous `g` the polar decides, within rounding.
    fn conj_value(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        if let Some(polar) = self.polar(u, stack) {
            return Some(indicator(polar <= T::one() + slack::<T>(u.len())));
        }
        if !self.invertible() {
            return None;
        }
        let (scaled, stack) = stack.make_with(u.len(), |j| u[j] / self.diagonal[j]);
        self.g.conj_value(&scaled, stack)
    }

    fn polar(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        if !self.invertible() {
            return None;
        }
        let (scaled, stack) = stack.make_with(u.len(), |j| u[j] / self.diagonal[j]);
        self.g.polar(&scaled, stack)
    }
}

impl<G: SeparableProx<T>, T: Scalar> SeparableProx<T> for PrecomposeDiagonal<G, T> {
    fn value_at(&self, j: usize, v: T) -> T {
        self.g.value_at(j, self.diagonal[j] * v)
    }

    fn prox_at(&self, j: usize, v: T, step: T) -> T {
        let d = self.diagonal[j];
        if d == T::zero() { v } else { self.g.prox_at(j, d * v, step * d * d) / d }
    }

    fn subdiff_distance_at(&self, j: usize, w: T, grad: T) -> T {
        let d = self.diagonal[j];
        if d == T::zero() {
            return grad.abs();
        }
        d.abs() * self.g.subdiff_distance_at(j, d * w, grad / d)
    }
}
