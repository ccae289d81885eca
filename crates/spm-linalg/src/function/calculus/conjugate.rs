//! The convex conjugate as a function of its own.

use crate::{Facts, LinalgError, MemStack, Prox, Scalar, StackReq, Workspace};

/// The convex conjugate, $g^*(u) = \sup_x \langle u, x \rangle - g(x)$.
///
/// In plain text: `h(u) = sup over x of <u, x> − g(x)`. Its prox is [`Prox::prox_conj_into`] of `g`, its conjugate
/// `g` itself (closed and convex). The cost of `g`; [`value`](Prox::value) allocates the temporaries of `g`, and
/// [`conj_value`](Prox::conj_value) what the value of `g` allocates.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `g` | convex, with a [`Prox::conj_value`] | the function |
///
/// Source: Rockafellar 1970, *Convex Analysis*, section 12; Moreau 1965, *Proximité et dualité dans un espace
/// hilbertien*.
///
/// ```
/// use spm_linalg::{Prox, Workspace, calculus::Conjugate, penalty::L1};
/// let h = Conjugate::new(L1::new(1.0)?)?; // the indicator of the box [-1, 1]^n
/// let mut out = [0.0; 2];
/// h.prox_into(&[3.0, 0.5], 1.0, &mut out, Workspace::new(h.scratch(2)).stack());
/// assert_eq!(out, [1.0, 0.5]);
/// assert_eq!(h.value(&[2.0, 0.0]), f64::INFINITY);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Conjugate<G> {
    g: G,
}

impl<G> Conjugate<G> {
    /// The conjugate of `g`.
    ///
    /// # Errors
    /// [`LinalgError::MissingProperty`] if `g` does not declare convexity or has no [`Prox::conj_value`].
    pub fn new<T: Scalar>(g: G) -> Result<Self, LinalgError>
    where
        G: Prox<T>,
    {
        super::require_convex(&g)?;
        let n = g.dim().unwrap_or(1);
        let origin = vec![T::zero(); n];
        if g.conj_value(&origin, Workspace::new(g.scratch(n)).stack()).is_none() {
            return Err(LinalgError::MissingProperty {
                name: "g",
                expected: "a function whose conjugate is known in closed form",
            });
        }
        Ok(Self { g })
    }
}

impl<G: Prox<T>, T: Scalar> Prox<T> for Conjugate<G> {
    fn value(&self, x: &[T]) -> T {
        let mut ws = Workspace::new(self.g.scratch(x.len()));
        self.g.conj_value(x, ws.stack()).unwrap_or_else(T::nan)
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        self.g.prox_conj_into(x, step, out, stack)
    }

    fn scratch(&self, n: usize) -> StackReq {
        self.g.scratch_conj(n)
    }

    fn dim(&self) -> Option<usize> {
        self.g.dim()
    }

    /// The conjugate of a norm is an indicator and the other way round.
    fn facts(&self) -> Facts {
        let f = self.g.facts();
        Facts {
            convex: true,
            separable: f.separable,
            indicator: f.positively_homogeneous,
            positively_homogeneous: f.indicator,
        }
    }

    fn prox_conj_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        self.g.prox_into(x, step, out, stack)
    }

    fn scratch_conj(&self, n: usize) -> StackReq {
        self.g.scratch(n)
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        Some(self.g.value(u))
    }
}
