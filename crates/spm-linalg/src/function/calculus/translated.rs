//! A function moved to another origin.

use crate::function::kernels::dims;
use crate::vecops::dot;
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, StackReq, check};

/// A function moved to another origin, $h(x) = g(x - b)$.
///
/// In plain text: `h(x) = g(x − b)`. Its prox is `b + prox_g(v − b)`; its conjugate is `g*(u) + ⟨u, b⟩`. The cost of
/// `g`, and `n` temporaries; [`value`](Prox::value) allocates `n`.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `g` | | the function |
/// | `b` | finite | the new origin; fixes the dimension |
///
/// Source: Parikh and Boyd 2014, *Proximal Algorithms*, section 2.2.
///
/// ```
/// use spm_linalg::{Prox, Workspace, calculus::Translated, penalty::L1};
/// let h = Translated::new(L1::new(1.0)?, vec![5.0, 0.0])?;
/// let mut out = [0.0; 2];
/// h.prox_into(&[7.0, 0.5], 1.0, &mut out, Workspace::new(h.scratch(2)).stack());
/// assert_eq!(out, [6.0, 0.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Translated<G, T> {
    g: G,
    b: Vec<T>,
}

impl<G: Prox<T>, T: Scalar> Translated<G, T> {
    /// `g` about the origin `b`.
    ///
    /// # Errors
    /// [`LinalgError::NonFinite`] if `b` has a NaN or an infinity, [`LinalgError::Shape`] if `g` fixes another
    /// dimension.
    pub fn new(g: G, b: Vec<T>) -> Result<Self, LinalgError> {
        check::finite("b", &b)?;
        check::len("b", g.dim().unwrap_or(b.len()), b.len())?;
        Ok(Self { g, b })
    }
}

impl<G: Prox<T>, T: Scalar> Prox<T> for Translated<G, T> {
    fn value(&self, x: &[T]) -> T {
        check::dim("Translated::value x", self.b.len(), x.len());
        let moved: Vec<T> = x.iter().zip(&self.b).map(|(&v, &b)| v - b).collect();
        self.g.value(&moved)
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        dims("Translated::prox_into", Some(self.b.len()), x.len(), out.len());
        let (moved, stack) = stack.make_with(x.len(), |i| x[i] - self.b[i]);
        let value = self.g.prox_into(&moved, step, out, stack);
        for (o, &b) in out.iter_mut().zip(&self.b) {
            *o += b;
        }
        value
    }

    fn scratch(&self, n: usize) -> StackReq {
        StackReq::new::<T>(n).and(self.g.scratch(n))
    }

    fn dim(&self) -> Option<usize> {
        Some(self.b.len())
    }

    fn facts(&self) -> Facts {
        Facts { positively_homogeneous: false, ..self.g.facts() }
    }

    fn prox_conj_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        dims("Translated::prox_conj_into", Some(self.b.len()), x.len(), out.len());
        let (moved, stack) = stack.make_with(x.len(), |i| x[i] - step * self.b[i]);
        self.g.prox_conj_into(&moved, step, out, stack) + dot(out, &self.b)
    }

    fn scratch_conj(&self, n: usize) -> StackReq {
        StackReq::new::<T>(n).and(self.g.scratch_conj(n))
    }

    fn conj_value(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        Some(self.g.conj_value(u, stack)? + dot(u, &self.b))
    }
}

impl<G: SeparableProx<T>, T: Scalar> SeparableProx<T> for Translated<G, T> {
    fn value_at(&self, j: usize, v: T) -> T {
        self.g.value_at(j, v - self.b[j])
    }

    fn prox_at(&self, j: usize, v: T, step: T) -> T {
        self.b[j] + self.g.prox_at(j, v - self.b[j], step)
    }

    fn subdiff_distance_at(&self, j: usize, w: T, grad: T) -> T {
        self.g.subdiff_distance_at(j, w - self.b[j], grad)
    }
}
