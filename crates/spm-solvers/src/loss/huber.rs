//! Huber's loss.

use spm_linalg::{LinalgError, Scalar, check};

use super::{Pointwise, PointwiseLoss};

/// Huber's loss, $F(p) = s \sum_i \omega_i h_\delta(y_i - p_i)$ with $h_\delta(r) = r^2/2$ for $|r| \le \delta$
/// and $\delta(|r| - \delta/2)$ beyond.
///
/// In plain text: `F(p) = scale * sum_i weights_i h(y_i - p_i)`, quadratic near 0 and linear in the tails, so that
/// an outlier pulls with at most `delta`. Curvature `scale * max weights`.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `delta` | finite, `> 0` | residual at which the loss turns linear, in units of `y` |
///
/// Source: Huber 1964, *Robust estimation of a location parameter*.
///
/// ```
/// use spm_solvers::loss::{Huber, Loss};
/// let loss = Huber::new(&[0.0, 0.0], 1.0)?;
/// assert_eq!(loss.value(&[0.5, 10.0]), 0.125 + 9.5);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
pub type Huber<'a, T> = PointwiseLoss<'a, T, HuberPoint<T>>;

/// `r²/2` for `|r| <= delta`, else `delta (|r| − delta/2)`, with `r = y − p`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HuberPoint<T> {
    delta: T,
}

impl<T: Scalar> Pointwise<T> for HuberPoint<T> {
    #[inline(always)]
    fn value_slope(&self, p: T, y: T) -> (T, T) {
        let r = p - y;
        let slope = if r > self.delta {
            self.delta
        } else if r < -self.delta {
            -self.delta
        } else {
            r
        };
        // With r clipped to s: s²/2 + s (r − s), both cases in one formula.
        (slope * (r - T::of(0.5) * slope), slope)
    }

    fn curvature(&self) -> T {
        T::one()
    }

    fn conj(&self, u: T, y: T) -> T {
        if u.abs() > self.delta * (T::one() + T::of(8.0) * T::epsilon()) {
            return T::infinity();
        }
        u * (y + T::of(0.5) * u)
    }
}

impl<'a, T: Scalar> Huber<'a, T> {
    /// The loss with targets `y` and threshold `delta`, scale 1, no weights.
    ///
    /// # Errors
    /// [`LinalgError::Empty`] or [`LinalgError::NonFinite`] for the targets, [`LinalgError::InvalidParam`] for
    /// `delta`.
    pub fn new(y: &'a [T], delta: T) -> Result<Self, LinalgError> {
        check::positive("delta", delta)?;
        Self::of(HuberPoint { delta }, y)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::pointwise::laws::check_loss;
    use super::super::{Loss, Quadratic};
    use super::*;

    #[test]
    fn obeys_the_laws() {
        check_loss(HuberPoint { delta: 0.7 }, &[0.0, 5.0, -2.0, 1.0], 2.0);
    }

    #[test]
    fn a_large_threshold_is_the_quadratic_loss() {
        let (y, p) = ([1.0, -4.0, 2.0], [0.5, 9.0, 2.0]);
        assert_eq!(Huber::new(&y, 1e9).unwrap().value(&p), Quadratic::new(&y).unwrap().value(&p));
        assert!(Huber::new(&y, 0.0).is_err());
    }
}
