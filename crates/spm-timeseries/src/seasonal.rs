//! A trend and a component that repeats with a period.

use spm_linalg::{LinalgError, Scalar, check};
use spm_solvers::Status;

use crate::{FittedTrend, Series, TimeSeriesError, TrendFilter};

/// Trend filtering with a seasonal component that is free at every phase of a period.
///
/// $$\min_{x, s}\ \tfrac12 \sum_i w_i (y_i - x_i - s_{i \bmod P})^2 + \lambda \|D^{(k+1)} x\|_1, \qquad \sum_{q} s_q = 0$$
///
/// In plain text: alternates the exact trend of `y - s` and the exact seasonal means of `y - x`. The problem is convex, its
/// penalty concerns `x` alone and the rest is smooth, so the alternation converges to the minimum (Tseng 2001, theorem 4.1). It
/// stops when no phase of the residual has a weighted mean above `tol` times the range of the data: that mean is the derivative by
/// the season at a trend that is optimal given it. Phases are indices: a missing value keeps its place, positions only shape
/// the trend. A phase without any observed value has the mean of the others, 0.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `filter` | required | | order, lambda and options of the trend |
/// | `period` | required | 2 to n | P |
/// | `tol` | 1e-6 | finite, `> 0` | largest seasonal mean of the residual at which to stop, relative to the range of the data |
/// | `max_iter` | 200 | | alternations |
///
/// One trend filter an alternation, started from the last. Few are needed where the trend can't follow the season; a stiff trend over several periods is
/// such a case.
///
/// ```
/// use spm_timeseries::{SeasonalTrend, Series, TrendFilter};
/// let season = [1.0, -1.0, 0.5, -0.5];
/// let y: Vec<f64> = (0..48).map(|i| 0.1 * i as f64 + season[i % 4]).collect();
/// let fit = SeasonalTrend::new(TrendFilter::new(1, 5.0), 4).fit(Series::new(&y))?;
/// assert!(fit.season.iter().zip(&season).all(|(a, b)| (a - b).abs() < 1e-4));
/// # Ok::<(), spm_timeseries::TimeSeriesError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SeasonalTrend<T = f64> {
    /// Order, lambda and options of the trend.
    pub filter: TrendFilter<T>,
    /// The period.
    pub period: usize,
    /// Largest seasonal mean of the residual at which to stop, relative to the range of the data.
    pub tol: f64,
    /// Most alternations.
    pub max_iter: usize,
}

/// A trend and a season.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FittedSeasonal<T = f64> {
    /// The trend of the data without the season; its certificate is for this season.
    pub trend: FittedTrend<T>,
    /// The season by phase, index modulo the period; it sums to 0.
    pub season: Vec<T>,
    /// The largest weighted mean of the residual over a phase, relative to the range of the data: 0 at the joint minimum.
    pub violation: f64,
    /// Whether that is at most the tolerance and the trend converged.
    pub status: Status,
    /// Alternations done.
    pub iterations: usize,
}

impl<T: Scalar> FittedSeasonal<T> {
    /// Trend plus season.
    #[must_use]
    pub fn x(&self) -> Vec<T> {
        let p = self.season.len();
        self.trend.x().iter().enumerate().map(|(i, &v)| v + self.season[i % p]).collect()
    }
}

impl<T: Scalar> SeasonalTrend<T> {
    /// A trend with a season of the given period.
    #[must_use]
    pub fn new(filter: TrendFilter<T>, period: usize) -> Self {
        Self { filter, period, tol: 1e-6, max_iter: 200 }
    }

    /// Sets the tolerance.
    #[must_use]
    pub fn tol(mut self, tol: f64) -> Self {
        self.tol = tol;
        self
    }

    /// Sets the most alternations.
    #[must_use]
    pub fn max_iter(mut self, max_iter: usize) -> Self {
        self.max_iter = max_iter;
        self
    }

    /// Fits the series.
    ///
    /// # Errors
    /// As [`TrendFilter::fit`]; [`TimeSeriesError::Linalg`] for a period or tolerance outside its range.
    pub fn fit(&self, series: Series<'_, T>) -> Result<FittedSeasonal<T>, TimeSeriesError> {
        let (y, w) = series.checked()?;
        check::positive("tol", self.tol)?;
        let p = self.period;
        if p < 2 || p > y.len() {
            let expected = "at least 2, at most the length of the series";
            return Err(LinalgError::InvalidParam { name: "period", expected, got: p as f64 }.into());
        }
        let seen = (0..y.len()).filter(|&i| w[i] > T::zero());
        let (low, high) = seen
            .map(|i| y[i].as_f64())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let range = if high > low { high - low } else { 1.0 };
        // Means by phase, then without their own mean, which the trend takes.
        let seasonal = |rest: &dyn Fn(usize) -> f64| {
            let (mut sum, mut weight) = (vec![0.0; p], vec![0.0; p]);
            for i in 0..y.len() {
                sum[i % p] += w[i].as_f64() * rest(i);
                weight[i % p] += w[i].as_f64();
            }
            let observed = weight.iter().filter(|w| **w > 0.0).count() as f64;
            let means: Vec<f64> =
                sum.iter().zip(&weight).map(|(s, w)| if *w > 0.0 { s / w } else { 0.0 }).collect();
            let common = means.iter().sum::<f64>() / observed;
            means
                .iter()
                .zip(&weight)
                .map(|(m, w)| if *w > 0.0 { m - common } else { 0.0 })
                .collect::<Vec<f64>>()
        };
        let mut season = vec![0.0; p];
        let mut iterations = 0;
        let mut last: Option<FittedTrend<T>> = None;
        loop {
            let rest: Vec<T> = (0..y.len()).map(|i| y[i] - T::of(season[i % p])).collect();
            let rest = Series { y: &rest, weights: Some(&w), ..series };
            let trend = match &last {
                Some(start) => self.filter.fit_from(rest, start)?,
                None => self.filter.fit(rest)?,
            };
            iterations += 1;
            let next = seasonal(&|i| (y[i] - trend.x()[i]).as_f64());
            let violation = next.iter().zip(&season).fold(0.0, |m: f64, (a, b)| m.max((a - b).abs())) / range;
            let done = violation <= self.tol;
            if done || iterations >= self.max_iter.max(1) {
                let status = if done { trend.status() } else { Status::MaxIterations };
                let season = season.into_iter().map(T::of).collect();
                return Ok(FittedSeasonal { trend, season, violation, status, iterations });
            }
            season = next;
            last = Some(trend);
        }
    }
}
