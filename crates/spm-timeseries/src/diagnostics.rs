//! What is left after a fit: noise level, correlation from value to value, runs of one sign.

use spm_linalg::{Scalar, check};

use crate::{Series, TimeSeriesError};

/// The median of `|N(0, 1)|`: an absolute median divided by it estimates a standard deviation.
const MEDIAN_OF_NORMAL: f64 = 0.674_489_750_196_081_7;

/// The noise level of a series without a model of it: the standard deviation of a value of weight 1.
///
/// $$\hat\sigma = \mathrm{median}_i |e_i| / 0.6745, \qquad
/// e_i = \frac{a_i y_{i-1} + (1 - a_i) y_{i+1} - y_i}{\sqrt{a_i^2/w_{i-1} + (1 - a_i)^2/w_{i+1} + 1/w_i}}$$
///
/// In plain text: each observed value is compared with the straight line between its observed neighbours, scaled to the
/// variance of one value (Gasser, Sroka and Jennen-Steinmetz 1986, equation 2.2); the median does not care about jumps and
/// outliers. With fewer than three observed values it is 0. O(n log n).
///
/// # Errors
/// [`TimeSeriesError::Linalg`] for invalid data, [`TimeSeriesError::NothingObserved`].
///
/// ```
/// use spm_timeseries::{Series, noise_level};
/// let line: Vec<f64> = (0..50).map(|i| 2.0 * i as f64).collect();
/// assert!(noise_level::<f64>(Series::new(&line))? < 1e-12);
/// # Ok::<(), spm_timeseries::TimeSeriesError>(())
/// ```
pub fn noise_level<T: Scalar>(series: Series<'_, T>) -> Result<T, TimeSeriesError> {
    let seen = series.observed()?;
    let mut e: Vec<f64> = seen
        .windows(3)
        .map(|p| {
            let [[ta, ya, wa], [t, y, w], [tb, yb, wb]] = [p[0], p[1], p[2]];
            let a = (tb - t) / (tb - ta);
            let b = 1.0 - a;
            (a * ya + b * yb - y).abs() / (a * a / wa + b * b / wb + w.recip()).sqrt()
        })
        .collect();
    Ok(T::of(median(&mut e) / MEDIAN_OF_NORMAL))
}

/// What the residuals of a fit say about it.
///
/// Of a good fit with independent noise the two levels agree, the autocorrelations are within `2 / sqrt(n)` of 0 and the number of
/// runs is within two deviations of what chance gives. Positive autocorrelation and too few runs: the trend is too
/// stiff, or the noise is not independent. Negative ones and too many runs: the trend follows the noise.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Diagnostics {
    /// Observed values.
    pub n: usize,
    /// Root mean square of the residuals, each times the root of its weight.
    pub rms: f64,
    /// Standard deviation of the noise from the median of the absolute residuals: outliers don't count.
    pub sigma_mad: f64,
    /// The noise level from differences of the data, which no fit enters: see [`noise_level`].
    pub sigma_differences: f64,
    /// Correlation of a residual with the one `lag + 1` observed values later.
    pub autocorrelation: Vec<f64>,
    /// Runs of residuals of one sign.
    pub runs: usize,
    /// How many runs independent residuals with as many of either sign have on average.
    pub runs_expected: f64,
    /// `(runs - expected) / deviation` (Wald and Wolfowitz 1940); 0 if all have one sign.
    pub runs_z: f64,
}

impl Diagnostics {
    /// Diagnostics of the fitted values `x` of a series, with autocorrelations up to `lags`. O(n (log n + lags)).
    ///
    /// # Errors
    /// [`TimeSeriesError::Linalg`] for an invalid series, or `x` of another length or not finite.
    ///
    /// ```
    /// use spm_timeseries::{Diagnostics, FusedLasso, Series};
    /// let y = [0.1, -0.1, 0.2, 5.1, 4.9, 5.2, 4.8];
    /// let fit = FusedLasso::new(0.3).fit(Series::new(&y))?;
    /// let d = Diagnostics::new(Series::new(&y), fit.x(), 2)?;
    /// assert!(d.rms < 0.5 && d.autocorrelation.len() == 2);
    /// # Ok::<(), spm_timeseries::TimeSeriesError>(())
    /// ```
    pub fn new<T: Scalar>(series: Series<'_, T>, x: &[T], lags: usize) -> Result<Self, TimeSeriesError> {
        let (y, w) = series.checked()?;
        check::len("fitted values", y.len(), x.len())?;
        check::finite("fitted values", x)?;
        let r: Vec<f64> = (0..y.len())
            .filter(|&i| w[i] > T::zero())
            .map(|i| w[i].as_f64().sqrt() * (y[i] - x[i]).as_f64())
            .collect();
        let n = r.len();
        let square: f64 = r.iter().map(|v| v * v).sum();
        let product = |lag: usize| r.iter().zip(&r[lag.min(n)..]).map(|(a, b)| a * b).sum::<f64>();
        let autocorrelation =
            (1..=lags).map(|lag| if square > 0.0 { product(lag) / square } else { 0.0 }).collect();
        let signs: Vec<bool> = r.iter().filter(|v| **v != 0.0).map(|v| *v > 0.0).collect();
        let runs = signs.chunk_by(|a, b| a == b).count();
        let (total, up) = (signs.len() as f64, signs.iter().filter(|s| **s).count() as f64);
        let both = 2.0 * up * (total - up);
        let runs_expected = if total > 0.0 { both / total + 1.0 } else { 0.0 };
        let variance = both * (both - total) / (total * total * (total - 1.0));
        let runs_z = if variance > 0.0 { (runs as f64 - runs_expected) / variance.sqrt() } else { 0.0 };
        let mut size: Vec<f64> = r.iter().map(|v| v.abs()).collect();
        Ok(Self {
            n,
            rms: (square / n as f64).sqrt(),
            sigma_mad: median(&mut size) / MEDIAN_OF_NORMAL,
            sigma_differences: noise_level(series)?.as_f64(),
            autocorrelation,
            runs,
            runs_expected,
            runs_z,
        })
    }
}

/// The median; 0 of nothing.
fn median(v: &mut [f64]) -> f64 {
    if v.is_empty() {
        return 0.0;
    }
    let (half, odd) = (v.len() / 2, v.len() % 2 == 1);
    let (below, &mut middle, _) = v.select_nth_unstable_by(half, f64::total_cmp);
    if odd { middle } else { 0.5 * (middle + below.iter().copied().fold(f64::NEG_INFINITY, f64::max)) }
}
