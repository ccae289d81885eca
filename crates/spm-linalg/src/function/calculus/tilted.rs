//! A function plus a linear one.

use crate::function::kernels::{dims, indicator, slack};
use crate::vecops::dot;
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, StackReq, check};

/// A function plus a linear one, $h(x) = g(x) + \langle c, x \rangle$.
///
/// In plain text: `h(x) = g(x) + sum_j c_j x_j`. Its prox is `prox_g(v − step·c)`; its conjugate is `g*(u − c)`. The
/// cost of `g`, and `n` temporaries.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `g` | | the function |
/// | `c` | finite | the slope; fixes the dimension |
///
/// Source: Parikh and Boyd 2014, *Proximal Algorithms*, section 2.2.
///
/// ```
/// use spm_linalg::{Prox, Workspace, calculus::Tilted, set::NonNeg};
/// let h = Tilted::new(NonNeg, vec![1.0, 1.0])?; // the L1 norm on the orthant
/// let mut out = [0.0; 2];
/// h.prox_into(&[3.0, 0.5], 1.0, &mut out, Workspace::new(h.scratch(2)).stack());
/// assert_eq!(out, [2.0, 0.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Tilted<G, T> {
    g: G,
    c: Vec<T>,
}

impl<G: Prox<T>, T: Scalar> Tilted<G, T> {
    /// `g` plus the linear function of slope `c`.
    ///
    /// # Errors
    /// [`LinalgError::NonFinite`] if `c` has a NaN or an infinity, [`LinalgError::Shape`] if `g` fixes another
    /// dimension.
    pub fn new(g: G, c: Vec<T>) -> Result<Self, LinalgError> {
        check::finite("c", &c)?;
        check::len("c", g.dim().unwrap_or(c.len()), c.len())?;
        Ok(Self { g, c })
    }
}

impl<G: Prox<T>, T: Scalar> Prox<T> for Tilted<G, T> {
    fn value(&self, x: &[T]) -> T {
        self.g.value(x) + dot(&self.c, x)
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        dims("Tilted::prox_into", Some(self.c.len()), x.len(), out.len());
        let (moved, stack) = stack.make_with(x.len(), |i| x[i] - step * self.c[i]);
        self.g.prox_into(&moved, step, out, stack) + dot(&self.c, out)
    }

    fn scratch(&self, n: usize) -> StackReq {
        StackReq::new::<T>(n).and(self.g.scratch(n))
    }

    fn dim(&self) -> Option<usize> {
        Some(self.c.len())
    }

    fn facts(&self) -> Facts {
        Facts { indicator: false, ..self.g.facts() }
    }

    fn prox_conj_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        dims("Tilted::prox_conj_into", Some(self.c.len()), x.len(), out.len());
        let (moved, stack) = stack.make_with(x.len(), |i| x[i] - self.c[i]);
        let value = self.g.prox_conj_into(&moved, step, out, stack);
        for (o, &c) in out.iter_mut().zip(&self.c) {
            *o += c;
        }
        value
    }

    fn scratch_conj(&self, n: usize) -> StackReq {
        StackReq::new::<T>(n).and(self.g.scratch_conj(n))
    }

    /// For a positively homogeneous `g` the polar of `u − c` decides, within the rounding of the difference.
    fn conj_value(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        let rounding = self.g.polar(u, stack).filter(|p| p.is_finite());
        let (moved, stack) = stack.make_with(u.len(), |i| u[i] - self.c[i]);
        match (self.g.polar(&moved, stack), rounding) {
            (Some(polar), Some(size)) => {
                Some(indicator(polar <= T::one() + slack::<T>(u.len()) * (T::one() + size)))
            }
            _ => self.g.conj_value(&moved, stack),
        }
    }
}

impl<G: SeparableProx<T>, T: Scalar> SeparableProx<T> for Tilted<G, T> {
    fn value_at(&self, j: usize, v: T) -> T {
        self.g.value_at(j, v) + self.c[j] * v
    }

    fn prox_at(&self, j: usize, v: T, step: T) -> T {
        self.g.prox_at(j, v - step * self.c[j], step)
    }

    fn subdiff_distance_at(&self, j: usize, w: T, grad: T) -> T {
        self.g.subdiff_distance_at(j, w, grad + self.c[j])
    }
}
