//! A fitted trend at other times, and its pieces with their slopes.

use spm_linalg::{LinalgError, Scalar, check};

use crate::{FittedTrend, Series, TimeSeriesError};

/// Values of a trend at new positions.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Prediction<T = f64> {
    /// One value a position.
    pub values: Vec<T>,
    /// Whether the position lies before the first or after the last observed one: there the value continues the
    /// outermost polynomial, and no data speak for it.
    pub extrapolated: Vec<bool>,
}

/// A piece of a trend between two knots.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Piece<T = f64> {
    /// Index of the first value.
    pub first: usize,
    /// Index of the last value. For order 0 the next piece begins after it, otherwise with it. On a ring it may be less than the first.
    pub last: usize,
    /// Position of the first value.
    pub start: T,
    /// Position of the last value; on a ring counted on from the first.
    pub end: T,
    /// Slope from the first to the last value, in units of the data by units of the positions; 0 for a single value.
    /// For order 1 it is the slope throughout, for higher orders the mean slope.
    pub slope: T,
}

impl<T: Scalar> FittedTrend<T> {
    /// The trend at the positions `at`, in any order; `series` must be the one that was fitted.
    ///
    /// Between the points of the series the trend is the discrete spline of its order: at `t[i] < s < t[i + 1]` the polynomial
    /// of degree k through the values at `t[i - k + 1], …, t[i + 1]` (Tibshirani 2022, corollary 1), for order 1 the straight
    /// line between the neighbours; of order 0 a value holds until the next. Beyond the ends the outermost polynomial
    /// goes on, and [`Prediction::extrapolated`] says so; a ring has no ends, and positions go round it. O(log n + k²) a position.
    ///
    /// # Errors
    /// [`TimeSeriesError::Linalg`] for an invalid series, one of another length, or positions that are not finite.
    ///
    /// ```
    /// use spm_timeseries::{Series, TrendFilter};
    /// let (t, y) = ([0.0_f64, 1.0, 3.0, 4.0], [0.0, 2.0, 6.0, 8.0]);
    /// let series = Series::new(&y).positions(&t);
    /// let fit = TrendFilter::new(1, 1.0).fit(series)?;
    /// let p = fit.predict(series, &[2.0, 5.0])?;
    /// assert!((p.values[0] - 4.0).abs() < 1e-12 && (p.values[1] - 10.0).abs() < 1e-12);
    /// assert_eq!(p.extrapolated, [false, true]);
    /// # Ok::<(), spm_timeseries::TimeSeriesError>(())
    /// ```
    pub fn predict(&self, series: Series<'_, T>, at: &[T]) -> Result<Prediction<T>, TimeSeriesError> {
        let (t, w) = self.axis(series)?;
        check::finite("positions to predict at", at)?;
        let n = t.len();
        let first = w.iter().position(|w| *w > T::zero()).unwrap_or(0);
        let last = w.iter().rposition(|w| *w > T::zero()).unwrap_or(n - 1);
        if self.circular {
            // Enough of the neighbours on either side of one turn.
            let (period, beyond) = (T::of(n as f64), self.order() + 1);
            let around = |i: usize| self.x()[(i + beyond * (n - 1)) % n];
            let x: Vec<T> = (0..n + 2 * beyond).map(around).collect();
            let t: Vec<T> = (0..x.len()).map(|i| T::of(i as f64 - beyond as f64)).collect();
            let turn = |s: T| s - period * (s / period).floor();
            let values = at.iter().map(|&s| self.value_at(&t, &x, turn(s))).collect();
            return Ok(Prediction { values, extrapolated: vec![false; at.len()] });
        }
        let extrapolated = at.iter().map(|&s| s < t[first] || s > t[last]).collect();
        let values = at.iter().map(|&s| self.value_at(&t, self.x(), s)).collect();
        Ok(Prediction { values, extrapolated })
    }

    /// The pieces between the knots, in order; `series` must be the one that was fitted.
    ///
    /// # Errors
    /// [`TimeSeriesError::Linalg`] for an invalid series or one of another length.
    ///
    /// ```
    /// use spm_timeseries::{Series, TrendFilter};
    /// let y: Vec<f64> = (0..11).map(|i| 5.0 - (i as f64 - 5.0).abs()).collect();
    /// let fit = TrendFilter::new(1, 0.0).fit(Series::new(&y))?;
    /// let slopes: Vec<f64> = fit.pieces(Series::new(&y))?.iter().map(|p| p.slope).collect();
    /// assert_eq!(slopes, [1.0, -1.0]);
    /// # Ok::<(), spm_timeseries::TimeSeriesError>(())
    /// ```
    pub fn pieces(&self, series: Series<'_, T>) -> Result<Vec<Piece<T>>, TimeSeriesError> {
        let (t, _) = self.axis(series)?;
        let x = self.x();
        let piece = |first: usize, last: usize| {
            let width = t[last] - t[first];
            let slope = if last > first { (x[last] - x[first]) / width } else { T::zero() };
            Piece { first, last, start: t[first], end: t[last], slope }
        };
        if self.circular && !self.knots().is_empty() {
            return Ok(self.pieces_of_ring());
        }
        let mut out = Vec::with_capacity(self.knots().len() + 1);
        let mut first = 0;
        for knot in self.knots() {
            if self.order() == 0 {
                out.push(piece(first, knot.index - 1));
            } else if knot.index > first {
                out.push(piece(first, knot.index));
            }
            first = knot.index;
        }
        out.push(piece(first, x.len() - 1));
        Ok(out)
    }

    /// From every knot to the next round the ring.
    fn pieces_of_ring(&self) -> Vec<Piece<T>> {
        let (n, x, knots) = (self.x().len(), self.x(), self.knots());
        // Of order 0 the value after the last belongs to the next piece.
        let rest = usize::from(self.order() == 0);
        (0..knots.len())
            .map(|l| {
                let (first, next) = (knots[l].index, knots[(l + 1) % knots.len()].index);
                let length = (next + n - first - 1) % n + 1 - rest;
                let last = (first + length) % n;
                let (start, width) = (T::of(first as f64), T::of(length as f64));
                let slope = if length > 0 { (x[last] - x[first]) / width } else { T::zero() };
                Piece { first, last, start, end: start + width, slope }
            })
            .collect()
    }

    /// Positions and weights of the series, which must have the length of the fit.
    fn axis(&self, series: Series<'_, T>) -> Result<(Vec<T>, Vec<T>), TimeSeriesError> {
        let (_, w) = series.checked()?;
        check::len("series", self.x().len(), w.len())?;
        Ok((series.axis(), w))
    }

    fn value_at(&self, t: &[T], x: &[T], s: T) -> T {
        let (k, n) = (self.order(), t.len());
        // The first point beyond s.
        let next = t.partition_point(|&v| v <= s);
        if next > 0 && t[next - 1] == s {
            return x[next - 1];
        }
        if k == 0 {
            return x[next.saturating_sub(1)];
        }
        let count = (k + 1).min(n);
        let end = (next + 1).clamp(count, n);
        // Neville's scheme on the k + 1 points up to the next one.
        let (t, mut p) = (&t[end - count..end], x[end - count..end].to_vec());
        for level in 1..count {
            for i in 0..count - level {
                let (a, b) = (t[i], t[i + level]);
                p[i] = ((b - s) * p[i] + (s - a) * p[i + 1]) / (b - a);
            }
        }
        p[0]
    }
}

impl<T: Scalar> Series<'_, T> {
    /// The positions, `0, 1, 2, …` where there are none.
    pub(crate) fn axis(&self) -> Vec<T> {
        match self.positions {
            Some(t) => t.to_vec(),
            None => (0..self.y.len()).map(|i| T::of(i as f64)).collect(),
        }
    }

    /// Positions, values and weights of what was observed, in double precision.
    pub(crate) fn observed(&self) -> Result<Vec<[f64; 3]>, TimeSeriesError> {
        let (y, w) = self.checked()?;
        let t = self.axis();
        let all = (0..y.len()).map(|i| [t[i].as_f64(), y[i].as_f64(), w[i].as_f64()]);
        let seen: Vec<[f64; 3]> = all.filter(|p| p[2] > 0.0).collect();
        match seen.iter().position(|p| !p[0].is_finite()) {
            None => Ok(seen),
            Some(index) => Err(LinalgError::NonFinite { what: "positions", index }.into()),
        }
    }
}
