//! Knots to start from: those of the same trend over means of neighbouring values.

use crate::problem::Problem;
use crate::search::TrendSearch;

/// Values in one mean, and the length from which a series is searched so.
const BLOCK: usize = 8;
const LONG: usize = 4096;
/// Rounds of the coarse search, and the relative gap at which it ends.
const ROUNDS: usize = 24;
const TOL: f64 = 1e-11;

/// Rows of `D` near the knots of `p` and the signs of their jumps; empty where nothing is gained by looking at means.
///
/// A trend hardly bends within a block, so the means, at their mean positions and with the weights of their values, have the same
/// trend: with the same `lambda`, since `D x` is a jump of the k-th derivative whatever the spacing. Its knots are found to a block or
/// two at an eighth of the cost, and from there a few rounds find the rows themselves. The coarse series starts from a coarser
/// one in turn.
pub(crate) fn coarse_knots(p: &Problem) -> Vec<(usize, f64)> {
    let (blocks, order) = (p.y.len() / BLOCK, p.d.order());
    if p.y.len() < LONG || p.delta < f64::INFINITY || p.ring {
        return Vec::new();
    }
    let sum = |b: usize, f: &dyn Fn(usize) -> f64| (BLOCK * b..BLOCK * (b + 1)).map(f).sum::<f64>();
    let w: Vec<f64> = (0..blocks).map(|b| sum(b, &|i| p.w[i])).collect();
    let y: Vec<f64> =
        (0..blocks).map(|b| sum(b, &|i| p.w[i] * p.y[i]) / w[b].max(f64::MIN_POSITIVE)).collect();
    let t: Vec<f64> = (0..blocks).map(|b| sum(b, &|i| p.t[i]) / BLOCK as f64).collect();
    if w.iter().all(|w| *w == 0.0) {
        return Vec::new();
    }
    let Ok(coarse) = Problem::new(&y, &w, Some(&t), p.k(), p.lambda) else { return Vec::new() };
    let coarse = coarse.with(f64::INFINITY, p.may).with_slope(p.slope);
    if coarse.m() == 0 || coarse.lambda >= coarse.lambda_max {
        return Vec::new();
    }
    let first = coarse.units.first;
    let mut search = TrendSearch::<f64>::new(coarse, TOL, blocks, core::iter::empty());
    search.rounds(ROUNDS);
    let best = search.best();
    // A knot of the means stands over the middle of its row, order / 2 further on; so does one of the series.
    let middle = |j: usize| BLOCK * (first + j) + (BLOCK - 1) * (order + 1) / 2;
    best.knots.iter().zip(&best.jumps).map(|(&j, d)| (middle(j).min(p.m() - 1), d.signum())).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use spm_linalg::testing::Rng;

    use super::*;
    use crate::{Series, TrendFilter, trend_lambda_max};

    /// The largest knot of a long series is near one of its means; gaps, weights and uneven times included.
    #[test]
    fn knots_of_means_are_near_those_of_the_series() {
        let n = 5000;
        let mut rng = Rng::new(3);
        let mut y: Vec<f64> =
            (0..n).map(|i| (9.0 * i as f64 / n as f64).sin() + 0.1 * rng.normal::<f64>()).collect();
        let w: Vec<f64> = (0..n).map(|i| 1.0 + (i % 3) as f64).collect();
        let mut t: Vec<f64> = (0..n).map(|i| i as f64).collect();
        for round in 0..3 {
            if round == 1 {
                y[..7].fill(f64::NAN);
                y[2000..2200].fill(f64::NAN);
            } else if round == 2 {
                t.iter_mut().for_each(|t| *t += 0.6 * rng.normal::<f64>().tanh().abs());
            }
            let series = Series::new(&y).weights(&w).positions(&t);
            for order in 1..=3 {
                let lambda = 1e-2 * trend_lambda_max(series, order).unwrap();
                let (values, weights) = series.checked().unwrap();
                let p = Problem::new(&values, &weights, series.positions, order, lambda).unwrap();
                let coarse = coarse_knots(&p);
                assert!(!coarse.is_empty());
                let fit = TrendFilter::new(order, lambda).fit(series).unwrap();
                assert!(fit.status().is_converged());
                let size = |k: &crate::Knot| k.jump.abs();
                let largest = fit.knots().iter().max_by(|a, b| size(a).total_cmp(&size(b))).unwrap();
                let near = |&(row, sign): &(usize, f64)| {
                    (row + p.units.first).abs_diff(largest.row) <= 4 * BLOCK && sign * largest.jump > 0.0
                };
                assert!(coarse.iter().any(near), "order {order}: {} {coarse:?}", largest.row);
            }
        }
    }
}
