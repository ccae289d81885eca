//! Maps of deviations in units of what good parts do at each place.

use spm_linalg::{LinalgError, check};

use super::Map;

/// The mean and standard deviation of good maps at every place, smoothed over neighbours; or one of each for all places.
///
/// Both are smoothed by a Gaussian of [`SMOOTHING`] places, the variance around the smoothed mean, because some tens of parts
/// say little about a single place; in [`PlaceSums::sharp_stats`] only the variance is.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct PlaceStats {
    /// One a place, or one.
    mean: Vec<f32>,
    /// `1/σ`.
    inverse_deviation: Vec<f32>,
}

/// Width of the smoothing in places.
const SMOOTHING: f64 = 1.5;
/// No deviation of good maps is taken for smaller.
const LEAST: f64 = 1e-3;

/// Sums over good maps from which the statistics of all, or of all but one, follow.
#[derive(Debug)]
pub(super) struct PlaceSums {
    sum: Vec<f64>,
    squares: Vec<f64>,
    count: usize,
    /// Rows and columns; `None` for one statistic of all places.
    grid: Option<(usize, usize)>,
}

impl PlaceSums {
    /// Of `maps`, which have one size if statistics are by place.
    pub(super) fn new(maps: &[Map], by_place: bool) -> Self {
        let grid = by_place.then(|| (maps[0].rows, maps[0].cols));
        let places = grid.map_or(1, |(r, c)| r * c);
        let mut this = Self { sum: vec![0.0; places], squares: vec![0.0; places], count: 0, grid };
        maps.iter().for_each(|m| this.add(m, 1.0));
        this.count = maps.len();
        this
    }

    fn add(&mut self, map: &Map, sign: f64) {
        let share = if self.grid.is_some() { 1.0 } else { 1.0 / map.values.len() as f64 };
        for (k, &v) in map.values.iter().enumerate() {
            let (k, v) = (if self.grid.is_some() { k } else { 0 }, f64::from(v));
            self.sum[k] += sign * share * v;
            self.squares[k] += sign * share * v * v;
        }
    }

    /// The statistics of all maps.
    pub(super) fn stats(&self) -> PlaceStats {
        self.around(&self.smooth(&self.mean()))
    }

    /// The statistics of all maps, the mean of every place its own: for maps with edges, which smoothing would blur.
    pub(super) fn sharp_stats(&self) -> PlaceStats {
        self.around(&self.mean())
    }

    fn mean(&self) -> Vec<f64> {
        self.sum.iter().map(|s| s / self.count as f64).collect()
    }

    fn around(&self, centre: &[f64]) -> PlaceStats {
        let spread: Vec<f64> = (0..centre.len())
            .map(|k| {
                let mean = self.sum[k] / self.count as f64;
                (self.squares[k] / self.count as f64 - mean * mean).max(0.0) + (mean - centre[k]).powi(2)
            })
            .collect();
        let inverse = self.smooth(&spread).into_iter().map(|v| (1.0 / v.sqrt().max(LEAST)) as f32).collect();
        PlaceStats { mean: centre.iter().map(|&v| v as f32).collect(), inverse_deviation: inverse }
    }

    /// The statistics without one of the maps: what that map would have met had it come later.
    pub(super) fn without(&self, map: &Map) -> PlaceStats {
        let mut rest = Self { sum: self.sum.clone(), squares: self.squares.clone(), ..*self };
        rest.add(map, -1.0);
        rest.count -= 1;
        rest.stats()
    }

    fn smooth(&self, values: &[f64]) -> Vec<f64> {
        match self.grid {
            Some((rows, cols)) => blur(values, rows, cols, SMOOTHING),
            None => values.to_vec(),
        }
    }
}

impl PlaceStats {
    /// The map in standard deviations above what is normal.
    pub(super) fn z(&self, map: &Map) -> Map {
        let at = |k: usize| if self.mean.len() == 1 { 0 } else { k };
        let z = |(k, &v): (usize, &f32)| (v - self.mean[at(k)]) * self.inverse_deviation[at(k)];
        Map { values: map.values.iter().enumerate().map(z).collect(), ..*map }
    }

    pub(super) fn validate(&self, places: usize) -> Result<(), LinalgError> {
        let n = self.mean.len();
        check::len("mean deviations", if n == 1 { 1 } else { places }, n)?;
        check::len("spreads of deviations", n, self.inverse_deviation.len())?;
        check::finite("mean deviations", &self.mean)?;
        self.inverse_deviation.iter().try_for_each(|&v| check::positive("spread of deviations", v))
    }
}

/// A Gaussian blur of width `sigma`, cut at four widths, borders mirrored.
fn blur(values: &[f64], rows: usize, cols: usize, sigma: f64) -> Vec<f64> {
    let radius = (4.0 * sigma).ceil() as isize;
    let weights: Vec<f64> = (-radius..=radius).map(|d| (-0.5 * (d as f64 / sigma).powi(2)).exp()).collect();
    let total: f64 = weights.iter().sum();
    let mirror = |i: isize, n: usize| {
        let period = 2 * n as isize;
        let i = i.rem_euclid(period);
        if i < n as isize { i as usize } else { (period - 1 - i) as usize }
    };
    let along = |data: &[f64], n: usize, at: &dyn Fn(usize, usize) -> usize| {
        let mut out = vec![0.0; data.len()];
        for line in 0..data.len() / n {
            for i in 0..n {
                let taps = weights.iter().zip(-radius..);
                let sum: f64 = taps.map(|(w, d)| w * data[at(line, mirror(i as isize + d, n))]).sum();
                out[at(line, i)] = sum / total;
            }
        }
        out
    };
    let across = along(values, cols, &|line, i| line * cols + i);
    along(&across, rows, &|line, i| i * cols + line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blur_keeps_constants_and_mass() {
        let flat = blur(&[2.0; 12], 3, 4, 1.5);
        assert!(flat.iter().all(|v| (v - 2.0).abs() < 1e-12));
        let mut spike = vec![0.0; 20 * 21];
        spike[10 * 21 + 10] = 1.0;
        let out = blur(&spike, 20, 21, 1.5);
        assert!((out.iter().sum::<f64>() - 1.0).abs() < 1e-12);
        assert!((out[10 * 21 + 10] - 0.0707).abs() < 1e-3); // 1/(2π σ²)
    }

    #[test]
    fn leaving_one_out_is_the_statistics_of_the_others() {
        let maps: Vec<Map> = (0..5)
            .map(|i| Map {
                rows: 3,
                cols: 4,
                values: (0..12).map(|k| ((i * 12 + k) as f32 * 1.7).sin()).collect(),
            })
            .collect();
        for by_place in [true, false] {
            let left = PlaceSums::new(&maps, by_place).without(&maps[4]);
            let direct = PlaceSums::new(&maps[..4], by_place).stats();
            for (a, b) in left.z(&maps[4]).values.iter().zip(&direct.z(&maps[4]).values) {
                assert!((a - b).abs() < 1e-4 * b.abs().max(1.0), "{a} {b}");
            }
        }
    }
}
