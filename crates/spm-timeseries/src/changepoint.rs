//! Change points with their sizes: the jumps of a fused lasso fit, merged and refitted.

use spm_linalg::{LinalgError, Scalar, check};

use crate::{FittedFused, Segment, Series, TimeSeriesError, noise_level};

/// Where the level of a series changes.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct ChangePoint<T = f64> {
    /// The first observed value of the new level.
    pub index: usize,
    /// Its position; its index where the series has no positions.
    pub position: T,
    /// The level before.
    pub before: T,
    /// The level after.
    pub after: T,
    /// `after - before`.
    pub size: T,
}

/// A piecewise constant fit by means between change points.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ChangePoints<T = f64> {
    /// The change points, in order.
    pub points: Vec<ChangePoint<T>>,
    /// The pieces; the value of each is the weighted mean of its data.
    pub segments: Vec<Segment<T>>,
    /// `1/2 sum w (y - x)^2 + penalty · (number of change points)`.
    pub objective: T,
    /// The price of a change point.
    pub penalty: T,
}

impl<T: Scalar> ChangePoints<T> {
    /// The fitted values.
    #[must_use]
    pub fn x(&self) -> Vec<T> {
        self.segments.iter().flat_map(|s| std::iter::repeat_n(s.value, s.range.len())).collect()
    }
}

/// Change points from the jumps of a fused lasso: merge what belongs together, refit, drop what does not pay.
///
/// The fused lasso shrinks jumps and splits a large one into a staircase of small ones of the same sign, so its raw jumps
/// over-segment. Three steps repair that, each O(n) but for the last:
///
/// 1. runs of jumps of one sign with at most `distance` values between neighbours become one change point, at the
///    position in the run that fits the data best;
/// 2. every segment gets the mean of its data, so no jump is shrunk;
/// 3. while removing some change point raises `1/2 sum w (y - x)^2` by less than `penalty`, the one with the smallest rise goes. O(m²)
///    for m change points.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `distance` | 5 | | values between jumps that are merged |
/// | `penalty` | `2 sigma^2 ln n` | finite, `>= 0` | least gain of a change point; sigma is the [`noise_level`] |
///
/// The result is a local optimum of the problem that [`Pelt`](crate::Pelt) solves exactly, for a start that costs O(n).
///
/// ```
/// use spm_timeseries::{FusedLasso, MergeJumps, Series};
/// let y: Vec<f64> = (0..60).map(|i| if i < 30 { 0.0 } else { 4.0 } + 0.3 * (7.3 * i as f64).sin()).collect();
/// let series = Series::new(&y);
/// let fit = FusedLasso::new(0.5).fit(series)?;
/// let found = MergeJumps::new().fit(series, &fit)?;
/// assert_eq!(found.points.len(), 1);
/// assert_eq!(found.points[0].index, 30);
/// assert!((found.points[0].size - 4.0).abs() < 0.1);
/// # Ok::<(), spm_timeseries::TimeSeriesError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MergeJumps<T = f64> {
    /// Values between jumps that are merged.
    pub distance: usize,
    /// Least gain of a change point.
    pub penalty: Option<T>,
}

impl<T: Scalar> Default for MergeJumps<T> {
    fn default() -> Self {
        Self { distance: 5, penalty: None }
    }
}

impl<T: Scalar> MergeJumps<T> {
    /// With the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how many values may lie between jumps that are merged.
    #[must_use]
    pub fn distance(mut self, distance: usize) -> Self {
        self.distance = distance;
        self
    }

    /// Sets the least gain of a change point.
    #[must_use]
    pub fn penalty(mut self, penalty: T) -> Self {
        self.penalty = Some(penalty);
        self
    }

    /// Change points of `series` from its fit.
    ///
    /// # Errors
    /// [`TimeSeriesError::Linalg`] for an invalid series or penalty, a fit of another length, or one on a ring.
    pub fn fit(
        &self,
        series: Series<'_, T>,
        fit: &FittedFused<T>,
    ) -> Result<ChangePoints<T>, TimeSeriesError> {
        let levels = Levels::new(series)?;
        check::len("series", fit.x().len(), series.len())?;
        if fit.circular {
            let (name, expected) = ("circular", "a fit on a line, 0, for change points");
            return Err(LinalgError::InvalidParam { name, expected, got: 1.0 }.into());
        }
        let penalty = levels.penalty(self.penalty)?;
        let n = levels.seen.len();
        let x: Vec<T> = levels.seen.iter().map(|&i| fit.x()[i]).collect();
        // Runs of jumps: first and last place where the new level begins.
        let mut runs: Vec<(usize, usize, bool)> = Vec::new();
        for i in (1..n).filter(|&i| x[i] != x[i - 1]) {
            let up = x[i] > x[i - 1];
            match runs.last_mut() {
                Some(run) if run.2 == up && i - run.1 <= self.distance => run.1 = i,
                _ => runs.push((i, i, up)),
            }
        }
        let mut cuts = vec![0];
        for (k, &(first, last, _)) in runs.iter().enumerate() {
            let from = cuts[cuts.len() - 1];
            let to = runs.get(k + 1).map_or(n, |next| next.0);
            let cost = |c: usize| levels.cost(from, c) + levels.cost(c, to);
            let best = (first..=last).fold(first, |b, c| if cost(c) < cost(b) { c } else { b });
            cuts.push(best);
        }
        cuts.push(n);
        let rise = |cuts: &[usize], k: usize| {
            levels.cost(cuts[k - 1], cuts[k + 1])
                - levels.cost(cuts[k - 1], cuts[k])
                - levels.cost(cuts[k], cuts[k + 1])
        };
        let mut rises: Vec<f64> = (1..cuts.len() - 1).map(|k| rise(&cuts, k)).collect();
        while let Some(k) = (0..rises.len()).reduce(|b, k| if rises[k] < rises[b] { k } else { b }) {
            if rises[k] >= penalty {
                break;
            }
            rises.remove(k);
            cuts.remove(k + 1);
            for j in k.saturating_sub(1)..(k + 1).min(rises.len()) {
                rises[j] = rise(&cuts, j + 1);
            }
        }
        Ok(levels.package(&cuts, penalty))
    }
}

/// The observed values of a series with running sums: the cost of a segment in O(1).
pub(crate) struct Levels<'a, T> {
    series: Series<'a, T>,
    /// Indices of the observed values.
    pub(crate) seen: Vec<usize>,
    /// Running sums of w, w y and w y², values about their mean.
    sums: Vec<[f64; 3]>,
    about: f64,
}

impl<'a, T: Scalar> Levels<'a, T> {
    pub(crate) fn new(series: Series<'a, T>) -> Result<Self, TimeSeriesError> {
        let (y, w) = series.checked()?;
        let seen: Vec<usize> = (0..y.len()).filter(|&i| w[i] > T::zero()).collect();
        let pair = |i: usize| (y[i].as_f64(), w[i].as_f64());
        let total: f64 = seen.iter().map(|&i| pair(i).1).sum();
        let about = seen.iter().map(|&i| pair(i)).map(|(y, w)| w * y).sum::<f64>() / total;
        let mut sums = vec![[0.0; 3]];
        let mut s = [0.0; 3];
        for &i in &seen {
            let (y, w) = (pair(i).0 - about, pair(i).1);
            s = [s[0] + w, s[1] + w * y, s[2] + w * y * y];
            sums.push(s);
        }
        Ok(Self { series, seen, sums, about })
    }

    /// `min_m 1/2 sum w (y - m)^2` over the observed values `from .. to`; 0 of none.
    #[inline]
    pub(crate) fn cost(&self, from: usize, to: usize) -> f64 {
        let (a, b) = (self.sums[from], self.sums[to]);
        let [w, s, q] = [b[0] - a[0], b[1] - a[1], b[2] - a[2]];
        if w > 0.0 { 0.5 * (q - s * s / w).max(0.0) } else { 0.0 }
    }

    /// The caller's penalty, checked, or the default.
    pub(crate) fn penalty(&self, given: Option<T>) -> Result<f64, TimeSeriesError> {
        if let Some(p) = given {
            check::non_negative("penalty", p)?;
            return Ok(p.as_f64());
        }
        let sigma = noise_level(self.series)?.as_f64();
        Ok(2.0 * sigma * sigma * (self.seen.len() as f64).ln())
    }

    /// The fit by means between cuts; the first cut is 0, the last the number of observed values.
    pub(crate) fn package(&self, cuts: &[usize], penalty: f64) -> ChangePoints<T> {
        let mean = |p: &[usize]| {
            let (a, b) = (self.sums[p[0]], self.sums[p[1]]);
            T::of(self.about + (b[1] - a[1]) / (b[0] - a[0]))
        };
        let pairs = cuts.windows(2);
        let last = cuts.len() - 2;
        // A gap belongs to the segment before it, a gap at the start to the first.
        let place = |cut: usize| self.seen[cut];
        let segments: Vec<Segment<T>> = pairs
            .enumerate()
            .map(|(k, p)| Segment {
                range: if k == 0 { 0 } else { place(p[0]) }..if k == last {
                    self.series.len()
                } else {
                    place(p[1])
                },
                value: mean(p),
            })
            .collect();
        let points = segments
            .windows(2)
            .map(|s| {
                let index = s[1].range.start;
                let position = self.series.positions.map_or(T::of(index as f64), |t| t[index]);
                let (before, after) = (s[0].value, s[1].value);
                ChangePoint { index, position, before, after, size: after - before }
            })
            .collect();
        let fit: f64 = cuts.windows(2).map(|p| self.cost(p[0], p[1])).sum();
        let objective = T::of(fit + penalty * last as f64);
        ChangePoints { points, segments, objective, penalty: T::of(penalty) }
    }
}
