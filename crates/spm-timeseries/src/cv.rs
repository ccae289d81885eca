//! Choosing lambda by cross-validation that respects the order of the series.

use spm_linalg::{LinalgError, Scalar};

use crate::join::map;
use crate::select::{GRID, at, checked_grid, grid};
use crate::{FittedTrend, Series, TimeSeriesError, TrendFilter};

/// The grid ends early once the error has been this many times the smallest for [`PATIENCE`] values.
const WORSE: f64 = 1.5;
const PATIENCE: usize = 4;

/// Trend filtering with the lambda that predicts left-out values best.
///
/// $$\mathrm{CV}(\lambda) = \frac1K \sum_{f=1}^K \frac{\sum_{i \in f} w_i (y_i - \hat x_i^{(-f)}(\lambda))^2}{\sum_{i \in f} w_i}$$
///
/// In plain text: fold `f` holds every K-th observed value, from the second to the last but one; the series is fitted with
/// these values missing, so that the trend itself interpolates them; the error is the weighted mean square, averaged
/// over the folds. Then the series is fitted once more with all values. Leaving out blocks instead would test
/// extrapolation, and random folds would leave gaps of random length (Tibshirani 2014, section 5.1).
///
/// The noise must be independent from value to value: with positively correlated noise every K-th value can be
/// predicted from its neighbours, and a lambda that is too small wins.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `filter` | required | | order and options; its `lambda` plays no role |
/// | `folds` | 5 | 2 to the number of inner observed values | K |
/// | `one_se` | false | | take the largest lambda within one standard error of the best |
/// | `lambdas` | 50 values | finite, `>= 0` | the grid; by default logarithmic, from `lambda_max` down to near the data |
///
/// The default grid, in decreasing order, is cut after four values in a row whose error is more than 1.5 times the smallest.
/// `folds` fits a grid value, each started from the fold's last and at the same time as the others; the result is the same for any
/// number of threads.
///
/// ```
/// use spm_timeseries::{Series, TrendCv, TrendFilter};
/// let y: Vec<f64> = (0..60).map(|i| (30 - i as i32).abs() as f64 + 0.3 * (7.3 * i as f64).sin()).collect();
/// let chosen = TrendCv::new(TrendFilter::new(1, 0.0)).fit(Series::new(&y))?;
/// assert!(chosen.lambda_1se >= chosen.lambda_best);
/// assert_eq!(chosen.fit.lambda(), chosen.lambda_best);
/// # Ok::<(), spm_timeseries::TimeSeriesError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TrendCv<T = f64> {
    /// Order and options of the fits.
    pub filter: TrendFilter<T>,
    /// How many folds.
    pub folds: usize,
    /// Whether to take the largest lambda within one standard error of the best.
    pub one_se: bool,
    /// The grid.
    pub lambdas: Option<Vec<T>>,
}

/// What [`TrendCv`] found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct CvTrend<T = f64> {
    /// The fit to all values at the chosen lambda.
    pub fit: FittedTrend<T>,
    /// The grid, decreasing, as far as it was tried.
    pub lambdas: Vec<T>,
    /// The mean error over the folds at each: the square of what is missed, or of the Huber loss twice its value.
    pub errors: Vec<f64>,
    /// Its standard error, from the spread of the folds.
    pub standard_errors: Vec<f64>,
    /// The lambda of the smallest error.
    pub lambda_best: T,
    /// The largest lambda whose error is within one standard error of the smallest.
    pub lambda_1se: T,
}

impl<T: Scalar> TrendCv<T> {
    /// Cross-validation with the order and options of `filter`.
    #[must_use]
    pub fn new(filter: TrendFilter<T>) -> Self {
        Self { filter, folds: 5, one_se: false, lambdas: None }
    }

    /// Sets the number of folds.
    #[must_use]
    pub fn folds(mut self, folds: usize) -> Self {
        self.folds = folds;
        self
    }

    /// Takes the largest lambda within one standard error of the best, a simpler trend.
    #[must_use]
    pub fn one_se(mut self) -> Self {
        self.one_se = true;
        self
    }

    /// Sets the grid.
    #[must_use]
    pub fn lambdas(mut self, lambdas: Vec<T>) -> Self {
        self.lambdas = Some(lambdas);
        self
    }

    /// Chooses lambda and fits.
    ///
    /// # Errors
    /// As [`TrendFilter::fit`]; [`TimeSeriesError::Linalg`] for an empty grid or a number of folds outside its range.
    pub fn fit(&self, series: Series<'_, T>) -> Result<CvTrend<T>, TimeSeriesError> {
        let (y, w) = series.checked()?;
        let seen: Vec<usize> = (0..y.len()).filter(|&i| w[i] > T::zero()).collect();
        let inner = seen.len().saturating_sub(2);
        if self.folds < 2 || self.folds > inner {
            return Err(LinalgError::InvalidParam {
                name: "folds",
                expected: "at least 2, at most the number of observed values without the first and the last",
                got: self.folds as f64,
            }
            .into());
        }
        let mut lambdas = match &self.lambdas {
            Some(l) => checked_grid(l)?,
            None => grid(&self.filter, series, GRID)?,
        };
        let mut folds: Vec<Fold<T>> = (0..self.folds)
            .map(|f| {
                let held: Vec<usize> = seen[1..=inner].iter().skip(f).step_by(self.folds).copied().collect();
                let mut kept = w.clone();
                for &i in &held {
                    kept[i] = T::zero();
                }
                Fold { held, kept, last: None }
            })
            .collect();
        let (mut errors, mut standard_errors) = (Vec::new(), Vec::new());
        let (mut best, mut worse) = (f64::INFINITY, 0);
        for &lambda in &lambdas {
            let filter = at(&self.filter, lambda);
            let errors_of_folds = map(&mut folds, |fold| {
                let without = Series { y: &y, weights: Some(&fold.kept), ..series };
                let fit = match &fold.last {
                    Some(start) => filter.fit_from(without, start)?,
                    None => filter.fit(without)?,
                };
                let error = fold.error(&y, &w, fit.x(), self.filter.delta.as_f64());
                fold.last = Some(fit);
                Ok(error)
            });
            let each = errors_of_folds.into_iter().collect::<Result<Vec<f64>, TimeSeriesError>>()?;
            let count = each.len() as f64;
            let mean = each.iter().sum::<f64>() / count;
            let spread = each.iter().map(|e| (e - mean).powi(2)).sum::<f64>() / (count - 1.0);
            errors.push(mean);
            standard_errors.push((spread / count).sqrt());
            best = best.min(mean);
            worse = if mean > WORSE * best { worse + 1 } else { 0 };
            // From the straight start the error may stay high for long before the first fall: only a rise counts.
            if self.lambdas.is_none() && worse >= PATIENCE {
                break;
            }
        }
        lambdas.truncate(errors.len());
        let at_best = (0..errors.len()).fold(0, |b, i| if errors[i] < errors[b] { i } else { b });
        let limit = errors[at_best] + standard_errors[at_best];
        let at_1se = (0..at_best).find(|&i| errors[i] <= limit).unwrap_or(at_best);
        let (lambda_best, lambda_1se) = (lambdas[at_best], lambdas[at_1se]);
        let fit = at(&self.filter, if self.one_se { lambda_1se } else { lambda_best }).fit(series)?;
        Ok(CvTrend { fit, lambdas, errors, standard_errors, lambda_best, lambda_1se })
    }
}

struct Fold<T> {
    held: Vec<usize>,
    /// The weights without it.
    kept: Vec<T>,
    /// The fit at the last lambda, from which the next starts.
    last: Option<FittedTrend<T>>,
}

impl<T: Scalar> Fold<T> {
    /// The mean of twice the loss.
    fn error(&self, y: &[T], w: &[T], x: &[T], delta: f64) -> f64 {
        let (mut sum, mut weight) = (0.0, 0.0);
        for &i in &self.held {
            let size = (y[i] - x[i]).as_f64().abs();
            let near = size.min(delta);
            sum += w[i].as_f64() * near * (2.0 * size - near);
            weight += w[i].as_f64();
        }
        sum / weight
    }
}
