//! The Poisson loss.

use spm_linalg::{LinalgError, Scalar, check};

use super::{Pointwise, PointwiseLoss};

/// The Poisson loss with log link, $F(p) = s \sum_i \omega_i \left(e^{p_i} - y_i p_i\right)$ with $y_i \ge 0$.
///
/// In plain text: `F(p) = scale * sum_i weights_i (exp p_i - y_i p_i)`, the negative log likelihood of counts with
/// mean `exp p_i` up to `log y_i!`. Its curvature is unbounded, so gradient methods need backtracking, and the
/// value is `+∞` once `exp` overflows.
///
/// Source: McCullagh and Nelder 1989, *Generalized Linear Models*, chapter 6.
///
/// ```
/// use spm_solvers::loss::{Loss, Poisson};
/// let loss = Poisson::new(&[2.0])?;
/// let mut slope = [0.0];
/// loss.grad_into(&[2f64.ln()], &mut slope); // the mean equals the count: stationary
/// assert!(slope[0].abs() < 1e-15);
/// assert!(loss.curvature().is_infinite());
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
pub type Poisson<'a, T> = PointwiseLoss<'a, T, PoissonPoint>;

/// `exp p − y p`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoissonPoint;

impl<T: Scalar> Pointwise<T> for PoissonPoint {
    #[inline(always)]
    fn value_slope(&self, p: T, y: T) -> (T, T) {
        let mean = p.exp();
        (mean - y * p, mean - y)
    }

    fn curvature(&self) -> T {
        T::infinity()
    }

    fn conj(&self, u: T, y: T) -> T {
        let v = u + y;
        if v > T::zero() {
            v * v.ln() - v
        } else if v >= T::of(-8.0) * T::epsilon() * y {
            T::zero()
        } else {
            T::infinity()
        }
    }
}

impl<'a, T: Scalar> Poisson<'a, T> {
    /// The loss with counts `y`, scale 1, no weights.
    ///
    /// # Errors
    /// [`LinalgError::Empty`], [`LinalgError::NonFinite`] or, for a negative count, [`LinalgError::InvalidParam`].
    pub fn new(y: &'a [T]) -> Result<Self, LinalgError> {
        check::all_non_negative("target of the Poisson loss", y)?;
        Self::of(PoissonPoint, y)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Loss;
    use super::super::pointwise::laws::check_loss;
    use super::*;

    #[test]
    fn obeys_the_laws() {
        check_loss(PoissonPoint, &[0.0, 1.0, 3.0, 10.0], 1.0);
    }

    #[test]
    fn far_below_the_count_the_slope_is_minus_the_count() {
        let loss = Poisson::new(&[3.0]).unwrap();
        let mut g = [f64::NAN];
        assert_eq!(loss.grad_into(&[-1e4], &mut g), 3e4);
        assert_eq!(g, [-3.0]);
        assert_eq!(loss.conj_value(&g), 0.0);
        assert!(Poisson::new(&[-1.0]).is_err());
    }
}
