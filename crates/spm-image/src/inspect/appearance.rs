//! How bright a part is at every place, beside good parts.

use spm_linalg::{LinalgError, check};

use super::second_stage::{at_quantiles, sorted};
use super::zscore::{PlaceStats, PlaceSums};
use super::{Map, Planes, Scope, View};

/// The mean and standard deviation of the brightness of good parts at every place, over windows of [`WINDOWS`] reduced values.
///
/// Detectors say how unlike a patch is to good ones, whatever way it is unlike. This has a sign, by which what is too dark
/// here and what is too bright there can be told apart once examples say which of them matter.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Appearance {
    /// Of each of [`maps`].
    stats: Vec<PlaceStats>,
}

/// What is seen: the planes as they are, and without what whole rows and columns have in common.
const VIEWS: [View; 2] = [View::Plain, View::Local];
/// Sides of the windows.
const WINDOWS: [usize; 3] = [3, 9, 27];
/// Distance of the windows.
const STRIDE: usize = 3;
/// Quantiles of a map that become features.
const QUANTILES: [f64; 7] = [0.002, 0.02, 0.1, 0.5, 0.9, 0.98, 0.998];

impl Appearance {
    /// Of good parts, which have one size if places count for themselves.
    pub(super) fn fit(good: &[Planes], scope: Scope) -> Self {
        let maps: Vec<Vec<Map>> = crate::par::map(good.iter().collect(), maps);
        let of_kind = |k: usize| {
            let own: Vec<Map> = maps.iter().map(|m| m[k].clone()).collect();
            PlaceSums::new(&own, scope == Scope::Position).sharp_stats()
        };
        Self { stats: (0..maps[0].len()).map(of_kind).collect() }
    }

    /// Quantiles of each map in standard deviations of good parts.
    pub(super) fn features(&self, part: &Planes) -> Vec<f64> {
        let of_map =
            |(map, stats): (Map, &PlaceStats)| at_quantiles(&sorted(&stats.z(&map).values), &QUANTILES);
        maps(part).into_iter().zip(&self.stats).flat_map(of_map).collect()
    }

    /// Whether an appearance from a file fits parts of this size.
    pub(super) fn validate(&self, channels: usize, size: (usize, usize)) -> Result<(), LinalgError> {
        check::len("maps of brightness", channels * VIEWS.len() * WINDOWS.len(), self.stats.len())?;
        self.stats.iter().try_for_each(|s| s.validate(size.0.div_ceil(STRIDE) * size.1.div_ceil(STRIDE)))
    }
}

/// How many features a part has.
pub(super) fn count(channels: usize) -> usize {
    channels * VIEWS.len() * WINDOWS.len() * QUANTILES.len()
}

/// Means over windows: of each view, of each plane, of each side.
fn maps(part: &Planes) -> Vec<Map> {
    let (height, width) = part.size();
    let mut out = Vec::new();
    for seen in View::all(&VIEWS, part, 1) {
        for plane in seen.data().chunks_exact(height * width) {
            let sums = summed_area(plane, width);
            out.extend(WINDOWS.map(|w| means(&sums, (height, width), w)));
        }
    }
    out
}

/// `S[i, j]`, the sum of the values above row `i` and left of column `j`; one row and one column more than the plane.
fn summed_area(plane: &[f32], width: usize) -> Vec<f64> {
    let mut sums = vec![0.0; width + 1];
    for (i, row) in plane.chunks_exact(width).enumerate() {
        let mut along = 0.0;
        sums.push(0.0);
        for (j, &v) in row.iter().enumerate() {
            along += f64::from(v);
            sums.push(along + sums[i * (width + 1) + j + 1]);
        }
    }
    sums
}

/// The means over what of the windows of this side lies inside, centred on every third value down and across.
fn means(sums: &[f64], size: (usize, usize), side: usize) -> Map {
    let (rows, cols) = (size.0.div_ceil(STRIDE), size.1.div_ceil(STRIDE));
    let range = |k: usize, n: usize| {
        let centre = (STRIDE * k + STRIDE / 2).min(n - 1);
        (centre.saturating_sub(side / 2), (centre + side / 2 + 1).min(n))
    };
    let at = |i: usize, j: usize| sums[i * (size.1 + 1) + j];
    let mut values = Vec::with_capacity(rows * cols);
    for k in 0..rows {
        let (top, bottom) = range(k, size.0);
        for l in 0..cols {
            let (left, right) = range(l, size.1);
            let sum = at(bottom, right) - at(top, right) - at(bottom, left) + at(top, left);
            values.push((sum / ((bottom - top) * (right - left)) as f64) as f32);
        }
    }
    Map { rows, cols, values }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn part(seed: usize, size: (usize, usize)) -> Planes {
        let value = |k: usize| ((k * 31 + seed * 977) as f32 * 0.7311).sin();
        Planes::new(1, size.0, size.1, (0..size.0 * size.1).map(value).collect()).unwrap()
    }

    #[test]
    fn windows_are_means_of_what_is_inside() {
        for size in [(1, 1), (2, 5), (7, 10), (31, 30)] {
            let part = part(3, size);
            let found = maps(&part);
            assert_eq!(found.len(), 6);
            for (map, side) in found.iter().zip(WINDOWS) {
                for k in 0..map.rows {
                    for l in 0..map.cols {
                        let (ci, cj) = ((3 * k + 1).min(size.0 - 1), (3 * l + 1).min(size.1 - 1));
                        let near = |i: usize, c: usize| i.abs_diff(c) <= side / 2;
                        let inside: Vec<f32> = (0..size.0 * size.1)
                            .filter(|q| near(q / size.1, ci) && near(q % size.1, cj))
                            .map(|q| part.data()[q])
                            .collect();
                        let mean = inside.iter().sum::<f32>() / inside.len() as f32;
                        assert!((map.values[k * map.cols + l] - mean).abs() < 1e-5, "{size:?} {side}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_dark_place_is_told_from_a_bright_one() {
        let good: Vec<Planes> = (0..12).map(|seed| part(seed, (30, 30))).collect();
        let with = |change: f32| {
            let mut data = good[0].data().to_vec();
            (0..36).for_each(|k| data[(6 + k / 6) * 30 + 6 + k % 6] += change);
            good[0].with_data(data)
        };
        for scope in [Scope::Position, Scope::Anywhere] {
            let appearance = Appearance::fit(&good, scope);
            appearance.validate(1, (30, 30)).unwrap();
            let [fine, dark, bright] = [0.0, -5.0, 5.0].map(|c| appearance.features(&with(c)));
            assert_eq!(fine.len(), count(1));
            let (lowest, highest) = (0, QUANTILES.len() - 1);
            assert!(dark[lowest] < fine[lowest] - 1.0 && bright[highest] > fine[highest] + 1.0);
            assert!(
                (dark[highest] - fine[highest]).abs() < 0.5 && (bright[lowest] - fine[lowest]).abs() < 0.5
            );
        }
    }
}
