//! The logistic loss.

use spm_linalg::{LinalgError, Scalar, check};

use super::{Pointwise, PointwiseLoss};

/// The logistic loss, $F(p) = s \sum_i \omega_i \left(\log(1 + e^{p_i}) - y_i p_i\right)$ with $y_i \in [0, 1]$.
///
/// In plain text: `F(p) = scale * sum_i weights_i (log(1 + exp p_i) - y_i p_i)`. Targets are class 0 or 1, or a
/// probability in between; the prediction is the log odds. Curvature `scale * max weights / 4`. Neither large
/// positive nor large negative predictions overflow.
///
/// Source: Hastie, Tibshirani and Friedman 2009, *The Elements of Statistical Learning*, eq. 4.20.
///
/// ```
/// use spm_solvers::loss::{Logistic, Loss};
/// let loss = Logistic::new(&[1.0, 0.0])?;
/// assert_eq!(loss.value(&[1e6, -1e6]), 0.0);
/// assert_eq!(loss.value(&[0.0, 0.0]), 2.0 * 2f64.ln());
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
pub type Logistic<'a, T> = PointwiseLoss<'a, T, LogisticPoint>;

/// `log(1 + exp p) − y p`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogisticPoint;

impl<T: Scalar> Pointwise<T> for LogisticPoint {
    #[inline(always)]
    fn value_slope(&self, p: T, y: T) -> (T, T) {
        // log(1 + exp p) − y p = log(1 + exp(−|p|)) + (1 − y) p for p > 0: no difference of large numbers.
        let e = (-p.abs()).exp();
        let tail = e.ln_1p();
        if p > T::zero() {
            (tail + (T::one() - y) * p, (T::one() - y) - e / (T::one() + e))
        } else {
            (tail - y * p, e / (T::one() + e) - y)
        }
    }

    fn curvature(&self) -> T {
        T::of(0.25)
    }

    fn conj(&self, u: T, y: T) -> T {
        let v = u + y;
        let slack = T::of(8.0) * T::epsilon();
        if v < -slack || v > T::one() + slack {
            return T::infinity();
        }
        let v = clamp_unit(v);
        x_log_x(v) + x_log_x(T::one() - v)
    }
}

impl<'a, T: Scalar> Logistic<'a, T> {
    /// The loss with targets `y`, scale 1, no weights.
    ///
    /// # Errors
    /// [`LinalgError::Empty`], [`LinalgError::NonFinite`] or, for a target outside `[0, 1]`,
    /// [`LinalgError::InvalidParam`].
    pub fn new(y: &'a [T]) -> Result<Self, LinalgError> {
        check::finite("targets", y)?;
        if let Some(bad) = y.iter().find(|v| **v < T::zero() || **v > T::one()) {
            let (name, expected) = ("target of the logistic loss", "in [0, 1]");
            return Err(LinalgError::InvalidParam { name, expected, got: bad.as_f64() });
        }
        Self::of(LogisticPoint, y)
    }
}

fn clamp_unit<T: Scalar>(v: T) -> T {
    v.max(T::zero()).min(T::one())
}

/// `v log v`, continued by 0 at 0.
fn x_log_x<T: Scalar>(v: T) -> T {
    if v > T::zero() { v * v.ln() } else { T::zero() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::Loss;
    use super::super::pointwise::laws::check_loss;
    use super::*;

    #[test]
    fn obeys_the_laws() {
        check_loss(LogisticPoint, &[0.0, 1.0, 0.3, 1.0, 0.0], 2.0);
    }

    #[test]
    fn extreme_predictions_are_exact() {
        let loss = Logistic::new(&[1.0_f32, 0.0]).unwrap();
        let mut g = [f32::NAN; 2];
        assert_eq!(loss.grad_into(&[-1e30, 1e30], &mut g), 2e30);
        assert_eq!(g, [-1.0, 1.0]);
        assert_eq!(loss.conj_value(&g), 0.0);
        // The tail keeps its relative precision: log(1 + e^-80) = e^-80.
        let tail = Logistic::new(&[1.0_f64]).unwrap().value(&[80.0]);
        assert!((tail / (-80.0_f64).exp() - 1.0).abs() < 1e-12);
    }

    #[test]
    fn targets_outside_the_unit_interval_are_refused() {
        assert!(matches!(Logistic::new(&[-1.0, 1.0]), Err(LinalgError::InvalidParam { .. })));
    }
}
