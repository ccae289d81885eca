//! Optimal partitioning into constant pieces: change points by PELT.

use spm_linalg::{LinalgError, Scalar};

use crate::changepoint::Levels;
use crate::{ChangePoints, Series, TimeSeriesError};

/// The piecewise constant fit with a price on every change point, exactly.
///
/// $$\min_{x}\ \tfrac12 \sum_i w_i (y_i - x_i)^2 + \gamma\, \#\{i : x_{i+1} \ne x_i\}$$
///
/// In plain text: `min_x 1/2 sum w[i] (y[i] - x[i])^2 + penalty · (number of jumps)`, over all partitions into segments of at least
/// `min_size` observed values: a global minimum of a problem that is not convex. (Programs that count the sum of squares
/// without the half take twice this penalty.)
///
/// Dynamic programming over the last change point; candidates that can never win again are dropped (Killick, Fearnhead
/// and Eckley 2012, *Optimal detection of changepoints with a linear computational cost*, theorem 3.1). With `min_size` above 1 a
/// candidate is dropped only `min_size` values after the bound has beaten it, when the bound's own change point is allowed.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `penalty` | `2 sigma^2 ln n` | finite, `>= 0` | price of a change point; sigma is the [`noise_level`](crate::noise_level) |
/// | `min_size` | 1 | `>= 1` | observed values of a segment |
///
/// O(n) on average where the number of change points grows with n, O(n²) at worst (no change point at all). A
/// missing value has no cost and belongs to the segment before it.
///
/// ```
/// use spm_timeseries::{Pelt, Series};
/// let y = [0.1, -0.1, 0.0, 5.1, 4.9, 5.0, 0.0, 0.1];
/// let found = Pelt::new().penalty(0.5).fit(Series::new(&y))?;
/// let places: Vec<usize> = found.points.iter().map(|p| p.index).collect();
/// assert_eq!(places, [3, 6]);
/// # Ok::<(), spm_timeseries::TimeSeriesError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Pelt<T = f64> {
    /// Price of a change point.
    pub penalty: Option<T>,
    /// Observed values of a segment.
    pub min_size: usize,
}

impl<T: Scalar> Default for Pelt<T> {
    fn default() -> Self {
        Self { penalty: None, min_size: 1 }
    }
}

impl<T: Scalar> Pelt<T> {
    /// With the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the price of a change point.
    #[must_use]
    pub fn penalty(mut self, penalty: T) -> Self {
        self.penalty = Some(penalty);
        self
    }

    /// Sets the least number of observed values of a segment.
    #[must_use]
    pub fn min_size(mut self, min_size: usize) -> Self {
        self.min_size = min_size;
        self
    }

    /// Finds the change points.
    ///
    /// # Errors
    /// [`TimeSeriesError::Linalg`] for invalid data or parameters, [`TimeSeriesError::NothingObserved`].
    pub fn fit(&self, series: Series<'_, T>) -> Result<ChangePoints<T>, TimeSeriesError> {
        if self.min_size == 0 {
            let expected = "at least 1";
            return Err(LinalgError::InvalidParam { name: "min_size", expected, got: 0.0 }.into());
        }
        let levels = Levels::new(series)?;
        let penalty = levels.penalty(self.penalty)?;
        let n = levels.seen.len();
        // Fewer values than one segment wants: one segment.
        let size = self.min_size.min(n);
        // best[t]: the smallest cost of the first t values, one price a segment; from[t]: where its last one begins.
        let mut best = vec![f64::INFINITY; n + 1];
        let mut from = vec![0; n + 1];
        best[0] = 0.0;
        // Start of the last segment, and the first end at which it is out.
        let mut candidates: Vec<(usize, usize)> = Vec::new();
        let mut costs = Vec::new();
        for t in size..=n {
            if best[t - size] < f64::INFINITY {
                candidates.push((t - size, usize::MAX));
            }
            candidates.retain(|c| c.1 > t);
            costs.clear();
            costs.extend(candidates.iter().map(|c| best[c.0] + levels.cost(c.0, t)));
            for (c, &cost) in candidates.iter().zip(&costs) {
                if cost + penalty < best[t] {
                    (best[t], from[t]) = (cost + penalty, c.0);
                }
            }
            for (c, &cost) in candidates.iter_mut().zip(&costs) {
                if cost > best[t] {
                    c.1 = c.1.min(t + size);
                }
            }
        }
        let mut cuts = vec![n];
        let mut t = n;
        while t > 0 {
            t = from[t];
            cuts.push(t);
        }
        cuts.reverse();
        Ok(levels.package(&cuts, penalty))
    }
}
