//! The Euclidean norm, not squared.

use crate::function::kernels::{indicator, project_ball, shrink_block, slack};
use crate::vecops::norm;
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, check};

/// The scaled Euclidean norm, not squared, $g(x) = \lambda \|x\|_2$.
///
/// In plain text: `g(x) = lambda * sqrt(sum_j x_j²)`. Its prox shortens the vector by `step·lambda`, down to exactly
/// zero; its polar is `‖u‖₂ / lambda`. O(n), no temporaries.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `lambda` | finite, `>= 0` | weight of the norm |
///
/// Source: Parikh and Boyd 2014, *Proximal Algorithms*, section 6.5.1.
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::L2};
/// let g = L2::new(1.0)?;
/// let mut out = [0.0; 2];
/// let value = g.prox_into(&[6.0, 8.0], 5.0, &mut out, Workspace::new(g.scratch(2)).stack());
/// assert_eq!((out, value), ([3.0, 4.0], 5.0));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct L2<T> {
    lambda: T,
}

impl<T: Scalar> L2<T> {
    /// The norm with weight `lambda`.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `lambda` is finite and `>= 0`.
    pub fn new(lambda: T) -> Result<Self, LinalgError> {
        check::non_negative("lambda", lambda)?;
        Ok(Self { lambda })
    }

    /// The weight.
    #[must_use]
    pub fn lambda(&self) -> T {
        self.lambda
    }
}

impl<T: Scalar> Prox<T> for L2<T> {
    fn value(&self, x: &[T]) -> T {
        self.lambda * norm(x)
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("L2::prox_into out", x.len(), out.len());
        self.lambda * shrink_block(x, step * self.lambda, out)
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().positively_homogeneous()
    }

    /// The projection onto the ball of radius `lambda`.
    fn prox_conj_into(&self, x: &[T], _step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("L2::prox_conj_into out", x.len(), out.len());
        project_ball(x, self.lambda, out);
        T::zero()
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        Some(indicator(norm(u) <= self.lambda * (T::one() + slack::<T>(u.len()))))
    }

    fn polar(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        let n = norm(u);
        Some(if n == T::zero() { T::zero() } else { n / self.lambda })
    }
}
