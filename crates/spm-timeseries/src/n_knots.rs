//! A trend with a requested number of knots.

use spm_linalg::Scalar;

use crate::select::{at, flat};
use crate::{FittedTrend, Series, TimeSeriesError, TrendFilter};

/// Fits tried before the nearest number of knots is returned.
const TRIES: usize = 64;
/// Two lambdas this close, relatively, have no useful third between them.
const CLOSE: f64 = 1e-9;

/// Trend filtering with a given number of knots.
///
/// $$\text{find}\ \lambda:\quad \#\{i : (D^{(k+1)} \hat x(\lambda))_i \ne 0\} = N$$
///
/// In plain text: the search is a bisection of `log lambda` between one polynomial (no knot, `lambda_max`) and the first
/// power of ten below with at least N knots. Of order 0 the number of knots never grows with lambda, and every number at
/// which the path stops is found; of higher order knots can also leave on the way down, and the search finds a lambda
/// with N knots in the bracket if the numbers on its way lead to one. Where several knots enter at one lambda (ties, or a
/// symmetric signal) some numbers don't exist at all. Then the result is the nearest number that was met, the smaller
/// one of two, and [`KnotTrend::exact`] is false.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `filter` | required | | order and options; its `lambda` plays no role |
/// | `knots` | required | | N |
///
/// At most 64 fits.
///
/// ```
/// use spm_timeseries::{Series, TrendFilter, TrendWithKnots};
/// let y: Vec<f64> = (0..60).map(|i| (30 - i as i32).abs() as f64 + 0.1 * (7.3 * i as f64).sin()).collect();
/// let found = TrendWithKnots::new(TrendFilter::new(1, 0.0), 1).fit(Series::new(&y))?;
/// assert!(found.exact);
/// assert_eq!(found.fit.knots().len(), 1);
/// # Ok::<(), spm_timeseries::TimeSeriesError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TrendWithKnots<T = f64> {
    /// Order and options of the fits.
    pub filter: TrendFilter<T>,
    /// How many knots.
    pub knots: usize,
}

/// What [`TrendWithKnots`] found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KnotTrend<T = f64> {
    /// The fit.
    pub fit: FittedTrend<T>,
    /// Whether it has the number of knots that was asked for.
    pub exact: bool,
    /// How many values of lambda were tried.
    pub tries: usize,
}

impl<T: Scalar> TrendWithKnots<T> {
    /// `knots` knots with the order and options of `filter`.
    #[must_use]
    pub fn new(filter: TrendFilter<T>, knots: usize) -> Self {
        Self { filter, knots }
    }

    /// Searches and fits.
    ///
    /// # Errors
    /// As [`TrendFilter::fit`].
    pub fn fit(&self, series: Series<'_, T>) -> Result<KnotTrend<T>, TimeSeriesError> {
        let top = flat(&self.filter, series)?.as_f64();
        let mut tries = 0;
        let mut best: Option<FittedTrend<T>> = None;
        let distance = |fit: &FittedTrend<T>| fit.knots().len().abs_diff(self.knots);
        // Keeps the nearest, of two equally near the one with fewer knots.
        let mut attempt = |lambda: f64| -> Result<usize, TimeSeriesError> {
            tries += 1;
            let fit = at(&self.filter, T::of(lambda)).fit(series)?;
            let count = fit.knots().len();
            let nearer =
                best.as_ref().is_none_or(|b| (distance(&fit), count) < (distance(b), b.knots().len()));
            if nearer {
                best = Some(fit);
            }
            Ok(count)
        };
        let (mut high, mut low) = (top, top);
        let mut count = attempt(top)?;
        let mut spent = 1;
        while count < self.knots && spent < TRIES && low > 1e-12 * top {
            (high, low) = (low, 0.1 * low);
            count = attempt(low)?;
            spent += 1;
        }
        while count != self.knots && spent < TRIES && low < (1.0 - CLOSE) * high {
            let middle = low.sqrt() * high.sqrt();
            count = attempt(middle)?;
            spent += 1;
            if count > self.knots {
                low = middle;
            } else {
                high = middle;
            }
        }
        let fit = best.expect("lambda_max was tried");
        Ok(KnotTrend { exact: fit.knots().len() == self.knots, fit, tries })
    }
}
