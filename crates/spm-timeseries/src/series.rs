//! The data: values with optional weights and positions.

use spm_linalg::{LinalgError, Scalar, check};

use crate::TimeSeriesError;

/// A series `y[0], …, y[n−1]`, NaN where a value is missing, with optional weights and positions.
///
/// | part | length | range | default |
/// |---|---|---|---|
/// | `y` | n, at least 1 | finite, NaN = missing | |
/// | weights | n | finite, `>= 0`, 0 = missing | 1 |
/// | positions | n | finite, strictly increasing | 0, 1, 2, … |
///
/// ```
/// use spm_timeseries::Series;
/// let series = Series::new(&[1.0, f64::NAN, 2.0]).weights(&[1.0, 1.0, 3.0]);
/// assert_eq!(series.len(), 3);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Series<'a, T = f64> {
    pub(crate) y: &'a [T],
    pub(crate) weights: Option<&'a [T]>,
    pub(crate) positions: Option<&'a [T]>,
}

impl<'a, T: Scalar> Series<'a, T> {
    /// Values on an even grid, each of weight 1.
    #[must_use]
    pub fn new(y: &'a [T]) -> Self {
        Self { y, weights: None, positions: None }
    }

    /// Adds weights: `weights[i]` multiplies `1/2 (y[i] - x[i])^2`.
    #[must_use]
    pub fn weights(mut self, weights: &'a [T]) -> Self {
        self.weights = Some(weights);
        self
    }

    /// Adds positions: where, or when, each value was taken.
    #[must_use]
    pub fn positions(mut self, positions: &'a [T]) -> Self {
        self.positions = Some(positions);
        self
    }

    /// How many values there are, missing ones included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.y.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.y.is_empty()
    }

    /// Whether this is nothing but finite values, to be used as they are.
    pub(crate) fn is_plain(&self) -> bool {
        let bare = self.weights.is_none() && self.positions.is_none() && !self.y.is_empty();
        // A sum of zeros unless something is infinite or missing.
        bare && self.y.chunks(1024).all(|c| c.iter().map(|v| *v * T::zero()).sum::<T>() == T::zero())
    }

    /// Checks everything; returns values and weights with 0 in both where a value is missing.
    pub(crate) fn checked(&self) -> Result<(Vec<T>, Vec<T>), TimeSeriesError> {
        self.checked_with(self.y.len())
    }

    /// The same where several values share each of so many positions.
    pub(crate) fn checked_with(&self, positions: usize) -> Result<(Vec<T>, Vec<T>), TimeSeriesError> {
        let n = self.y.len();
        check::non_empty("y", n)?;
        let mut w = match self.weights {
            Some(w) => {
                check::len("weights", n, w.len())?;
                check::all_non_negative("weights", w)?;
                w.to_vec()
            }
            None => vec![T::one(); n],
        };
        if let Some(t) = self.positions {
            check::len("positions", positions, t.len())?;
            check::finite("positions", t)?;
            if let Some(pair) = t.windows(2).find(|p| p[1] <= p[0]) {
                return Err(LinalgError::InvalidParam {
                    name: "positions",
                    expected: "strictly increasing",
                    got: pair[1].as_f64(),
                }
                .into());
            }
        }
        let mut y = self.y.to_vec();
        for (i, (v, w)) in y.iter_mut().zip(&mut w).enumerate() {
            if v.is_nan() || *w == T::zero() {
                (*v, *w) = (T::zero(), T::zero());
            } else if v.is_infinite() {
                return Err(LinalgError::NonFinite { what: "y", index: i }.into());
            }
        }
        if w.iter().all(|w| *w == T::zero()) {
            return Err(TimeSeriesError::NothingObserved);
        }
        Ok((y, w))
    }
}
