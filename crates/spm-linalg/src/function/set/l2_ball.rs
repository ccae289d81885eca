//! The Euclidean ball.

use crate::function::kernels::{indicator, project_ball, shrink_block, slack};
use crate::vecops::norm;
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, check};

/// The indicator of the Euclidean ball about 0, $\{x : \|x\|_2 \le r\}$.
///
/// In plain text: `sqrt(sum_j x_j²) <= radius`. Its prox rescales; its conjugate is `radius·‖u‖₂`. O(n), no
/// temporaries. For another centre use [`crate::calculus::Translated`].
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `radius` | finite, `>= 0` | radius |
///
/// Source: Parikh and Boyd 2014, *Proximal Algorithms*, section 6.5.1.
///
/// ```
/// use spm_linalg::{Prox, Workspace, set::L2Ball};
/// let g = L2Ball::new(5.0)?;
/// let mut out = [0.0; 2];
/// g.prox_into(&[6.0, 8.0], 1.0, &mut out, Workspace::new(g.scratch(2)).stack());
/// assert_eq!(out, [3.0, 4.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct L2Ball<T> {
    radius: T,
}

impl<T: Scalar> L2Ball<T> {
    /// The ball of the given radius about 0.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `radius` is finite and `>= 0`.
    pub fn new(radius: T) -> Result<Self, LinalgError> {
        check::non_negative("radius", radius)?;
        Ok(Self { radius })
    }
}

impl<T: Scalar> Prox<T> for L2Ball<T> {
    fn value(&self, x: &[T]) -> T {
        indicator(norm(x) <= self.radius * (T::one() + slack::<T>(x.len())))
    }

    fn prox_into(&self, x: &[T], _step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("L2Ball::prox_into out", x.len(), out.len());
        project_ball(x, self.radius, out);
        T::zero()
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().indicator()
    }

    fn prox_conj_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("L2Ball::prox_conj_into out", x.len(), out.len());
        self.radius * shrink_block(x, step * self.radius, out)
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        Some(self.radius * norm(u))
    }
}
