//! The certificate: a primal value and a lower bound of the optimum.

use spm_linalg::Scalar;

/// A proof of near-optimality: the objective reached and a value that no point can go below.
///
/// `dual` is the dual objective at a feasible dual point, so `primal - dual` bounds the suboptimality from above,
/// whatever the solver did to get there.
///
/// ```
/// use spm_solvers::Certificate;
/// let certificate = Certificate::new(2.0, 1.5);
/// assert_eq!(certificate.gap(), 0.5);
/// assert_eq!(certificate.relative_gap(10.0), 0.05);
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Certificate<T> {
    /// The objective at the returned point.
    pub primal: T,
    /// A lower bound of the optimal objective.
    pub dual: T,
}

impl<T: Scalar> Certificate<T> {
    /// A certificate from the two values.
    pub fn new(primal: T, dual: T) -> Self {
        Self { primal, dual }
    }

    /// The absolute duality gap, `primal − dual`, at least 0 (rounding can make the difference slightly negative);
    /// NaN if either is.
    #[must_use]
    pub fn gap(&self) -> T {
        let gap = self.primal - self.dual;
        // Not `max`, which would turn a NaN into a gap of 0.
        if gap < T::zero() { T::zero() } else { gap }
    }

    /// The gap divided by `scale`, an objective value such as the one at zero; the plain gap if `scale` is 0.
    #[must_use]
    pub fn relative_gap(&self, scale: T) -> T {
        if scale == T::zero() { self.gap() } else { self.gap() / scale.abs() }
    }
}

/// Judges points of one problem, whatever solver they come from.
///
/// [`crate::kkt::DualityGap`] does so for any loss and penalty, [`crate::CoordinateDescent`] for a quadratic loss and
/// a separable penalty, unpenalised columns included. [`crate::Certified`] asks it while another solver runs.
pub trait Certify<T: Scalar> {
    /// The objective at `w` and a lower bound of the optimum: `−∞` where none is known, NaN where `w` is not finite.
    ///
    /// # Panics
    /// If `w` has not the length of the problem.
    fn certify(&mut self, w: &[T]) -> Certificate<T>;
}

impl<T: Scalar, C: Certify<T> + ?Sized> Certify<T> for &mut C {
    fn certify(&mut self, w: &[T]) -> Certificate<T> {
        (**self).certify(w)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounding_below_zero_is_zero_but_nan_and_infinity_stay() {
        assert_eq!(Certificate::new(1.0, 1.0 + 1e-16).gap(), 0.0);
        assert_eq!(Certificate::new(1.0, 1.5).gap(), 0.0);
        assert!(Certificate::new(1.0, f64::NAN).gap().is_nan());
        assert!(Certificate::new(f64::NAN, 0.0).relative_gap(2.0).is_nan());
        assert_eq!(Certificate::new(1.0_f32, f32::NEG_INFINITY).gap(), f32::INFINITY);
        assert_eq!(Certificate::new(3.0, 1.0).relative_gap(0.0), 2.0);
        assert_eq!(Certificate::new(3.0, 1.0).relative_gap(-4.0), 0.5);
    }
}
