//! Choosing lambda from the data: what all choices share, and the information criteria.

use spm_linalg::{LinalgError, Scalar, check};

use crate::{FittedTrend, Series, TimeSeriesError, TrendFilter, noise_level};

/// What is minimised over lambda, with `n` observed values, residual sum of squares `rss = sum w (y - x)^2` and
/// `df` [degrees of freedom](FittedTrend::degrees_of_freedom).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Criterion {
    /// Akaike: `n ln(rss / n) + 2 df`.
    Aic,
    /// Schwarz: `n ln(rss / n) + ln(n) df`; the fewest knots of the three.
    Bic,
    /// Stein's unbiased estimate of the squared error: `rss - n sigma^2 + 2 sigma^2 df`.
    Sure,
}

/// Trend filtering with the lambda of a grid that minimises an information criterion.
///
/// $$\hat\lambda = \arg\min_\lambda\ \mathrm{criterion}\bigl(\mathrm{rss}(\lambda),\ \mathrm{df}(\lambda)\bigr), \qquad
/// \mathrm{df} = \#\mathrm{knots} + k + 1$$
///
/// In plain text: fits every lambda of a grid and keeps the one of the smallest [`Criterion`]. The number of knots plus
/// `k + 1` is an unbiased estimate of the degrees of freedom (Tibshirani and Taylor 2012, theorem 3; Tibshirani 2014,
/// equation 21). Fits with more than half as many degrees of freedom as observed values don't compete, because there `ln rss`
/// falls without bound.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `filter` | required | | order and options; its `lambda` plays no role |
/// | `criterion` | required | | what is minimised |
/// | `sigma` | [`noise_level`] | finite, `>= 0` | standard deviation of a value of weight 1, for SURE |
/// | `lambdas` | 50 values | finite, `>= 0` | the grid; by default logarithmic, from `lambda_max` down to near the data |
///
/// One fit a grid value, O(n k²) an iteration each.
///
/// ```
/// use spm_timeseries::{Criterion, Series, TrendFilter, TrendSelect};
/// let y: Vec<f64> = (0..60).map(|i| (30 - i as i32).abs() as f64 + 0.1 * (7.3 * i as f64).sin()).collect();
/// let chosen = TrendSelect::new(TrendFilter::new(1, 0.0), Criterion::Bic).fit(Series::new(&y))?;
/// assert_eq!(chosen.scores.len(), chosen.lambdas.len());
/// assert!(chosen.fit.knots().iter().any(|k| k.index == 30));
/// # Ok::<(), spm_timeseries::TimeSeriesError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TrendSelect<T = f64> {
    /// Order and options of the fits.
    pub filter: TrendFilter<T>,
    /// What is minimised.
    pub criterion: Criterion,
    /// Standard deviation of a value of weight 1.
    pub sigma: Option<T>,
    /// The grid.
    pub lambdas: Option<Vec<T>>,
}

/// The best fit of a grid.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SelectedTrend<T = f64> {
    /// The best fit.
    pub fit: FittedTrend<T>,
    /// The grid.
    pub lambdas: Vec<T>,
    /// The criterion at each value of the grid; infinite where a fit does not compete.
    pub scores: Vec<f64>,
}

impl<T: Scalar> TrendSelect<T> {
    /// Selection by `criterion` with the order and options of `filter`.
    #[must_use]
    pub fn new(filter: TrendFilter<T>, criterion: Criterion) -> Self {
        Self { filter, criterion, sigma: None, lambdas: None }
    }

    /// Sets the noise level for SURE.
    #[must_use]
    pub fn sigma(mut self, sigma: T) -> Self {
        self.sigma = Some(sigma);
        self
    }

    /// Sets the grid.
    #[must_use]
    pub fn lambdas(mut self, lambdas: Vec<T>) -> Self {
        self.lambdas = Some(lambdas);
        self
    }

    /// Fits the grid and keeps the best.
    ///
    /// # Errors
    /// As [`TrendFilter::fit`]; [`TimeSeriesError::Linalg`] for an empty grid.
    pub fn fit(&self, series: Series<'_, T>) -> Result<SelectedTrend<T>, TimeSeriesError> {
        let lambdas = match &self.lambdas {
            Some(l) => checked_grid(l)?,
            None => grid(&self.filter, series, GRID)?,
        };
        let sigma = match self.sigma {
            Some(s) => {
                check::non_negative("sigma", s)?;
                s.as_f64()
            }
            None => noise_level(series)?.as_f64(),
        };
        let mut best: Option<(f64, FittedTrend<T>)> = None;
        let mut scores = Vec::with_capacity(lambdas.len());
        for &lambda in &lambdas {
            let fit = at(&self.filter, lambda).fit(series)?;
            let score = self.score(&fit, series, sigma)?;
            if best.as_ref().is_none_or(|(s, _)| score < *s) {
                best = Some((score, fit));
            }
            scores.push(score);
        }
        let (_, fit) = best.ok_or(LinalgError::Empty { what: "lambdas" })?;
        Ok(SelectedTrend { fit, lambdas, scores })
    }

    fn score(&self, fit: &FittedTrend<T>, series: Series<'_, T>, sigma: f64) -> Result<f64, TimeSeriesError> {
        let (y, w) = series.checked()?;
        let n = w.iter().filter(|w| **w > T::zero()).count() as f64;
        let rss: f64 = (0..y.len()).map(|i| w[i].as_f64() * (y[i] - fit.x()[i]).as_f64().powi(2)).sum();
        let df = fit.degrees_of_freedom() as f64;
        if df > 0.5 * n && !fit.knots().is_empty() {
            return Ok(f64::INFINITY);
        }
        Ok(match self.criterion {
            Criterion::Aic => n * (rss / n).ln() + 2.0 * df,
            Criterion::Bic => n * (rss / n).ln() + n.ln() * df,
            Criterion::Sure => rss - n * sigma * sigma + 2.0 * sigma * sigma * df,
        })
    }
}

impl<T: Scalar> FittedTrend<T> {
    /// The number of knots plus `k + 1`, an unbiased estimate of the degrees of freedom of the fit (Tibshirani and
    /// Taylor 2012); on a ring the number of knots, at least 1.
    #[must_use]
    pub fn degrees_of_freedom(&self) -> usize {
        if self.circular { self.knots().len().max(1) } else { self.knots().len() + self.order() + 1 }
    }
}

/// How many values a grid has.
pub(crate) const GRID: usize = 50;

/// The filter with another lambda.
pub(crate) fn at<T: Scalar>(filter: &TrendFilter<T>, lambda: T) -> TrendFilter<T> {
    TrendFilter { lambda, ..filter.clone() }
}

/// The smallest lambda at which a filter of this order is flat, with squared errors and of any shape.
pub(crate) fn flat<T: Scalar>(filter: &TrendFilter<T>, series: Series<'_, T>) -> Result<T, TimeSeriesError> {
    let plain = TrendFilter::new(filter.order, T::one());
    TrendFilter { circular: filter.circular, ..plain }.lambda_max(series)
}

/// A caller's grid, checked, in decreasing order.
pub(crate) fn checked_grid<T: Scalar>(lambdas: &[T]) -> Result<Vec<T>, TimeSeriesError> {
    check::non_empty("lambdas", lambdas.len())?;
    check::all_non_negative("lambdas", lambdas)?;
    let mut out = lambdas.to_vec();
    out.sort_by(|a, b| b.partial_cmp(a).expect("finite numbers have an order"));
    Ok(out)
}

/// `count` values in geometric progression from `lambda_max` down to where the trend follows the noise.
///
/// There the dual variable `u` of `Dᵀ u = w (y − x)` need only be as large as the noise: a fraction of
/// `w sigma step^k`.
pub(crate) fn grid<T: Scalar>(
    filter: &TrendFilter<T>,
    series: Series<'_, T>,
    count: usize,
) -> Result<Vec<T>, TimeSeriesError> {
    let order = filter.order;
    let top = flat(filter, series)?.as_f64();
    if top == 0.0 {
        return Ok(vec![T::zero()]);
    }
    let (_, w) = series.checked()?;
    let observed: Vec<f64> = w.iter().map(|w| w.as_f64()).filter(|w| *w > 0.0).collect();
    let weight = observed.iter().sum::<f64>() / observed.len() as f64;
    let step = match series.positions {
        Some(t) if t.len() > 1 => (t[t.len() - 1] - t[0]).as_f64() / (t.len() - 1) as f64,
        _ => 1.0,
    };
    let noise = 0.2 * weight * noise_level(series)?.as_f64() * step.powi(order as i32);
    let bottom = noise.clamp(1e-10 * top, 0.1 * top);
    let ratio = (bottom / top).powf(((count - 1) as f64).recip());
    Ok((0..count).map(|i| T::of(top * ratio.powi(i as i32))).collect())
}
