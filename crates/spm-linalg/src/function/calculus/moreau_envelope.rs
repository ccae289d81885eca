//! The Moreau envelope: a smooth version of a convex function.

use crate::{LinalgError, MemStack, Prox, Scalar, Smooth, StackReq, check};

/// The Moreau envelope of a convex function, $f(x) = \min_z g(z) + \|z - x\|_2^2/(2\gamma)$: smooth, with the same
/// minimisers.
///
/// In plain text: `f(x) = min over z of g(z) + ‖z − x‖²/(2 gamma)`. Its gradient is `(x − prox_g(x, gamma))/gamma`,
/// with Lipschitz constant `1/gamma`. One prox of `g`, and `n` temporaries.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `g` | convex | the function |
/// | `gamma` | finite, `> 0` | smoothing: `g` again as it goes to 0 |
/// | `dim` | that of `g` if it fixes one | length of `x` |
///
/// Source: Moreau 1965, *Proximité et dualité dans un espace hilbertien*; Parikh and Boyd 2014, *Proximal
/// Algorithms*, section 3.1.
///
/// ```
/// use spm_linalg::{Smooth, Workspace, calculus::MoreauEnvelope, penalty::L1};
/// let f = MoreauEnvelope::new(L1::new(1.0)?, 1.0, 2)?; // the Huber function
/// let mut grad = [0.0; 2];
/// let value = f.value_grad_into(&[3.0, 0.5], &mut grad, Workspace::new(f.scratch()).stack());
/// assert_eq!((grad, value), ([1.0, 0.5], 2.5 + 0.125));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MoreauEnvelope<G, T> {
    g: G,
    gamma: T,
    dim: usize,
}

impl<G: Prox<T>, T: Scalar> MoreauEnvelope<G, T> {
    /// The envelope of `g` on vectors of length `dim`.
    ///
    /// # Errors
    /// [`LinalgError::MissingProperty`] if `g` does not declare convexity, [`LinalgError::InvalidParam`] unless `gamma` is
    /// finite and `> 0`, [`LinalgError::Shape`] if `g` fixes another dimension.
    pub fn new(g: G, gamma: T, dim: usize) -> Result<Self, LinalgError> {
        super::require_convex(&g)?;
        check::positive("gamma", gamma)?;
        check::len("dimension", g.dim().unwrap_or(dim), dim)?;
        Ok(Self { g, gamma, dim })
    }
}

impl<G: Prox<T>, T: Scalar> Smooth<T> for MoreauEnvelope<G, T> {
    fn dim(&self) -> usize {
        self.dim
    }

    fn value(&self, x: &[T], stack: &mut MemStack) -> T {
        let (mut grad, stack) = stack.make_with(self.dim, |_| T::zero());
        self.value_grad_into(x, &mut grad, stack)
    }

    fn value_grad_into(&self, x: &[T], grad: &mut [T], stack: &mut MemStack) -> T {
        check::dim("MoreauEnvelope x", self.dim, x.len());
        check::dim("MoreauEnvelope grad", self.dim, grad.len());
        let mut value = self.g.prox_into(x, self.gamma, grad, stack);
        for (p, &v) in grad.iter_mut().zip(x) {
            let slope = (v - *p) / self.gamma;
            value += T::of(0.5) * (v - *p) * slope;
            *p = slope;
        }
        value
    }

    fn scratch(&self) -> StackReq {
        StackReq::new::<T>(self.dim).and(self.g.scratch(self.dim))
    }

    fn lipschitz(&self) -> Option<T> {
        Some(self.gamma.recip())
    }
}
