//! A fitted trend: its values, knots and certificate.

use spm_linalg::{Scalar, check};
use spm_solvers::{Certificate, Status};

use crate::{Series, TimeSeriesError};

/// A fitted [`TrendFilter`](crate::TrendFilter).
#[derive(Debug, Clone, PartialEq)]
pub struct FittedTrend<T = f64> {
    pub(crate) x: Vec<T>,
    pub(crate) order: usize,
    pub(crate) circular: bool,
    pub(crate) lambda: T,
    pub(crate) delta: T,
    pub(crate) lambda_max: T,
    pub(crate) knots: Vec<Knot<T>>,
    pub(crate) certificate: Certificate<T>,
    pub(crate) status: Status,
    pub(crate) iterations: usize,
}

/// Where the k-th derivative of the trend jumps.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Knot<T = f64> {
    /// The row of `D^(k+1)` that is not 0 there; it spans the points `row ..= row + k + 1`, counted round the ring if there is one.
    pub row: usize,
    /// The point at the knot, in the middle of those: for k = 0 the first of the new segment, for k = 1 the kink.
    pub index: usize,
    /// `(D^(k+1) x)[row]`, the jump of the k-th derivative.
    pub jump: T,
}

impl<T: Scalar> FittedTrend<T> {
    /// The fitted values.
    #[must_use]
    pub fn x(&self) -> &[T] {
        &self.x
    }

    /// The fitted values, by value.
    #[must_use]
    pub fn into_x(self) -> Vec<T> {
        self.x
    }

    /// The order k.
    #[must_use]
    pub fn order(&self) -> usize {
        self.order
    }

    /// The knots, in order.
    #[must_use]
    pub fn knots(&self) -> &[Knot<T>] {
        &self.knots
    }

    /// How many polynomial pieces there are: one more than knots, on a ring as many.
    #[must_use]
    pub fn n_segments(&self) -> usize {
        if self.circular { self.knots.len().max(1) } else { self.knots.len() + 1 }
    }

    /// The weight that was used.
    #[must_use]
    pub fn lambda(&self) -> T {
        self.lambda
    }

    /// The sparse outliers of `series`, the series that was fitted with the [Huber loss](crate::TrendFilter::huber): by how much a residual
    /// is beyond `delta`, with its sign, and exactly 0 for the others and for missing values.
    ///
    /// # Errors
    /// [`TimeSeriesError::Linalg`] for an invalid series or one of another length.
    ///
    /// ```
    /// use spm_timeseries::{Series, TrendFilter};
    /// let mut y: Vec<f64> = (0..20).map(f64::from).collect();
    /// y[7] += 100.0;
    /// let fit = TrendFilter::new(1, 50.0).huber(0.5).fit(Series::new(&y))?;
    /// let outliers = fit.outliers(Series::new(&y))?;
    /// assert!((outliers[7] - 99.5).abs() < 1.0);
    /// assert_eq!(outliers.iter().filter(|o| **o != 0.0).count(), 1);
    /// # Ok::<(), spm_timeseries::TimeSeriesError>(())
    /// ```
    pub fn outliers(&self, series: Series<'_, T>) -> Result<Vec<T>, TimeSeriesError> {
        let (y, w) = series.checked()?;
        check::len("series", self.x.len(), y.len())?;
        let beyond = |r: T| if r.abs() > self.delta { r - self.delta.copysign(r) } else { T::zero() };
        Ok((0..y.len())
            .map(|i| if w[i] > T::zero() { beyond(y[i] - self.x[i]) } else { T::zero() })
            .collect())
    }

    /// The smallest `lambda` at which the fit is one polynomial.
    #[must_use]
    pub fn lambda_max(&self) -> T {
        self.lambda_max
    }

    /// `lambda / lambda_max`; infinite if `lambda_max` is 0.
    #[must_use]
    pub fn lambda_ratio(&self) -> T {
        self.lambda / self.lambda_max
    }

    /// The objective of the trend as it is represented, by knots and pieces.
    ///
    /// Evaluating it from [`x`](Self::x) adds the rounding of `x`, about `lambda 2^(k+1) ε Σ|x|`: for long series and large
    /// `lambda` that is more than the gap.
    #[must_use]
    pub fn objective(&self) -> T {
        self.certificate.primal
    }

    /// The objective and a lower bound of the optimum, from a dual point built anew from `y − x`.
    ///
    /// Where the solution has a closed form (`lambda` at least [`lambda_max`](Self::lambda_max), or 0) both are its objective:
    /// the dual point is the one that [`trend_lambda_max`](crate::trend_lambda_max) computes, inside its box by the choice of
    /// `lambda`. Elsewhere, where values are missing the dual constraint `(Dᵀ u)_i = 0` holds to rounding; what is left of it enters the gap
    /// times `|x_i|`.
    #[must_use]
    pub fn certificate(&self) -> Certificate<T> {
        self.certificate
    }

    /// Why the iteration ended.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Iterations done; 0 for the cases with a closed form and for order 0.
    #[must_use]
    pub fn iterations(&self) -> usize {
        self.iterations
    }

    /// The fit itself if it converged.
    ///
    /// # Errors
    /// [`TimeSeriesError::NotConverged`].
    pub fn require_converged(self) -> Result<Self, TimeSeriesError> {
        if self.status.is_converged() {
            return Ok(self);
        }
        let c = self.certificate;
        Err(TimeSeriesError::NotConverged {
            iterations: self.iterations,
            relative_gap: c.relative_gap(c.primal).as_f64(),
        })
    }
}
