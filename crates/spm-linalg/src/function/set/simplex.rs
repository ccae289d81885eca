//! The simplex.

use crate::function::kernels::{indicator, larger, simplex_level, slack};
use crate::vecops::sum;
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, StackReq, check};

/// The indicator of the scaled simplex, $\{x : x \ge 0, \sum_j x_j = r\}$.
///
/// In plain text: every `x_j >= 0` and `sum_j x_j = radius`. Its prox cuts a common amount from every entry, then
/// the negatives; its conjugate is `radius * max_j u_j`. O(n) by median splits, `n` temporaries. Dimension at
/// least 1.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `radius` | finite, `> 0` | the sum; 1 for probabilities |
///
/// Source: Duchi, Shalev-Shwartz, Singer and Chandra 2008, *Efficient projections onto the l1-ball for learning in
/// high dimensions*, figure 2.
///
/// ```
/// use spm_linalg::{Prox, Workspace, set::Simplex};
/// let g = Simplex::new(1.0)?;
/// let mut out = [0.0; 3];
/// g.prox_into(&[1.0, 0.5, -3.0], 1.0, &mut out, Workspace::new(g.scratch(3)).stack());
/// assert_eq!(out, [0.75, 0.25, 0.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Simplex<T> {
    radius: T,
}

impl<T: Scalar> Simplex<T> {
    /// The simplex of nonnegative vectors with sum `radius`.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `radius` is finite and `> 0`.
    pub fn new(radius: T) -> Result<Self, LinalgError> {
        check::positive("radius", radius)?;
        Ok(Self { radius })
    }
}

impl<T: Scalar> Prox<T> for Simplex<T> {
    fn value(&self, x: &[T]) -> T {
        let off = (sum(x) - self.radius).abs();
        indicator(x.iter().all(|&v| v >= T::zero()) && off <= slack::<T>(x.len()) * self.radius)
    }

    /// # Panics
    /// Also if the length is 0: there the set is empty.
    fn prox_into(&self, x: &[T], _step: T, out: &mut [T], stack: &mut MemStack) -> T {
        check::dim("Simplex::prox_into out", x.len(), out.len());
        assert!(!x.is_empty(), "Simplex::prox_into: expected length >= 1, got 0");
        let top = x.iter().copied().fold(x[0], |m, v| if v > m || v.is_nan() { v } else { m });
        let (mut gaps, _) = stack.make_with(x.len(), |i| top - x[i]);
        let level = simplex_level(&mut gaps, self.radius);
        for (o, &v) in out.iter_mut().zip(x) {
            let kept = level - (top - v);
            *o = if kept <= T::zero() { T::zero() } else { kept };
        }
        T::zero()
    }

    fn scratch(&self, n: usize) -> StackReq {
        StackReq::new::<T>(n)
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().indicator()
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        Some(self.radius * u.iter().copied().fold(T::neg_infinity(), larger))
    }
}
