//! A function times a positive number.

use crate::function::kernels::{indicator, slack};
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, StackReq, check};

/// A function times a positive number, $h(x) = a\,g(x)$.
///
/// In plain text: `h(x) = a * g(x)`. Its prox is that of `g` with the step `a·step`; its conjugate is
/// `a·g*(u/a)`, its polar that of `g` over `a`. The cost of `g`, and `n` temporaries for the conjugate.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `g` | | the function |
/// | `factor` | finite, `> 0` | `a` |
///
/// Source: Parikh and Boyd 2014, *Proximal Algorithms*, section 2.2.
///
/// ```
/// use spm_linalg::{Prox, Workspace, calculus::Scaled, penalty::L1};
/// let h = Scaled::new(L1::new(1.0)?, 0.5)?;
/// assert_eq!(h.value(&[2.0, -1.0]), 1.5);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scaled<G, T> {
    g: G,
    factor: T,
}

impl<G: Prox<T>, T: Scalar> Scaled<G, T> {
    /// `factor` times `g`.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `factor` is finite and `> 0`.
    pub fn new(g: G, factor: T) -> Result<Self, LinalgError> {
        check::positive("factor", factor)?;
        Ok(Self { g, factor })
    }
}

impl<G: Prox<T>, T: Scalar> Prox<T> for Scaled<G, T> {
    fn value(&self, x: &[T]) -> T {
        self.factor * self.g.value(x)
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        self.factor * self.g.prox_into(x, step * self.factor, out, stack)
    }

    fn scratch(&self, n: usize) -> StackReq {
        StackReq::new::<T>(n).and(self.g.scratch(n))
    }

    fn dim(&self) -> Option<usize> {
        self.g.dim()
    }

    fn facts(&self) -> Facts {
        self.g.facts()
    }

    fn prox_conj_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        let a = self.factor;
        let (scaled, stack) = stack.make_with(x.len(), |i| x[i] / a);
        let value = self.g.prox_conj_into(&scaled, step / a, out, stack);
        for o in out.iter_mut() {
            *o *= a;
        }
        a * value
    }

    fn scratch_conj(&self, n: usize) -> StackReq {
        StackReq::new::<T>(n).and(self.g.scratch_conj(n))
    }

    /// For a positively homogeneous `g` the polar decides, within rounding.
    fn conj_value(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        if let Some(polar) = self.g.polar(u, stack) {
            return Some(indicator(polar <= self.factor * (T::one() + slack::<T>(u.len()))));
        }
        let (scaled, stack) = stack.make_with(u.len(), |i| u[i] / self.factor);
        Some(self.factor * self.g.conj_value(&scaled, stack)?)
    }

    fn polar(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        Some(self.g.polar(u, stack)? / self.factor)
    }
}

impl<G: SeparableProx<T>, T: Scalar> SeparableProx<T> for Scaled<G, T> {
    fn value_at(&self, j: usize, v: T) -> T {
        self.factor * self.g.value_at(j, v)
    }

    fn prox_at(&self, j: usize, v: T, step: T) -> T {
        self.g.prox_at(j, v, step * self.factor)
    }

    fn subdiff_distance_at(&self, j: usize, w: T, grad: T) -> T {
        self.factor * self.g.subdiff_distance_at(j, w, grad / self.factor)
    }
}
