//! Trends on a ring: optimality from the definition, turns of the ring, a line far from its ends, and the ends of the range.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use spm_linalg::testing::Rng;
use spm_timeseries::{FittedTrend, FusedLasso, Series, Shape, TrendCv, TrendFilter, TrendWithKnots};

/// Smooth round the ring, with noise.
fn wave(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed);
    (0..n)
        .map(|i| {
            let a = std::f64::consts::TAU * i as f64 / n as f64;
            3.0 * a.sin() + (3.0 * a).cos().abs() + 0.2 * rng.normal::<f64>()
        })
        .collect()
}

fn turned<T: Copy>(v: &[T], by: usize) -> Vec<T> {
    let mut v = v.to_vec();
    v.rotate_left(by);
    v
}

/// `C^(k+1) x`.
fn differences(x: &[f64], k: usize) -> Vec<f64> {
    let n = x.len();
    (0..=k).fold(x.to_vec(), |d, _| (0..n).map(|i| d[(i + 1) % n] - d[i]).collect())
}

/// Objective and lower bound from the definition: `u` by running sums round the ring, each freed of its mean, in the middle of its range, and
/// shrunk into the box.
fn certify(y: &[f64], w: &[f64], k: usize, lambda: f64, x: &[f64]) -> (f64, f64) {
    let n = y.len();
    let jumps = differences(x, k);
    let primal = (0..n).map(|i| 0.5 * w[i] * (y[i] - x[i]).powi(2)).sum::<f64>()
        + lambda * jumps.iter().map(|d| d.abs()).sum::<f64>();
    let mut u: Vec<f64> = (0..n).map(|i| w[i] * (y[i] - x[i])).collect();
    for _ in 0..=k {
        let mean = u.iter().sum::<f64>() / n as f64;
        let mut sum = 0.0;
        u.iter_mut().for_each(|v| {
            sum -= *v - mean;
            *v = sum;
        });
    }
    let (lo, hi) = u.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(*v), b.max(*v)));
    let shrink = f64::min(1.0, lambda / (0.5 * (hi - lo)));
    u.iter_mut().for_each(|v| *v = (*v - 0.5 * (hi + lo)) * shrink);
    let back = (0..=k).fold(u, |d, _| (0..n).map(|i| d[(i + n - 1) % n] - d[i]).collect::<Vec<f64>>());
    (primal, (0..n).map(|i| back[i] * y[i] - 0.5 * back[i].powi(2) / w[i]).sum())
}

fn sane(fit: &FittedTrend, n: usize) {
    assert!(fit.status().is_converged(), "{:?} {:?}", fit.status(), fit.certificate());
    assert!(fit.x().len() == n && fit.x().iter().all(|v| v.is_finite()));
    assert!(fit.certificate().gap() <= 1e-8 * fit.objective() || fit.objective() < 1e-25);
    assert!(fit.knots().windows(2).all(|p| p[0].row < p[1].row));
    assert!(fit.knots().iter().all(|k| k.index < n && k.row < n));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn optimal_by_the_definition(n in 1_usize..60, k in 1_usize..=5, ratio in 0.001_f64..1.1, seed in 0_u64..100_000) {
        let mut rng = Rng::new(seed);
        let y = wave(n, seed + 1);
        let w: Vec<f64> = (0..n).map(|_| 0.2 + rng.uniform::<f64>()).collect();
        let series = Series::new(&y).weights(&w);
        let model = TrendFilter::new(k, 1.0).circular();
        let top = model.lambda_max(series).unwrap();
        let lambda = ratio * top;
        let fit = TrendFilter::new(k, lambda).circular().fit(series).unwrap();
        sane(&fit, n);
        let (primal, dual) = certify(&y, &w, k, lambda, fit.x());
        prop_assert!(primal - dual <= 1e-7 * (1.0 + primal), "{primal} {dual} {:?}", fit.certificate());
        prop_assert!((fit.objective() - primal).abs() <= 1e-7 * (1.0 + primal));
        prop_assert_eq!(ratio >= 1.0 || top == 0.0, fit.knots().is_empty());
        // Knots are where the differences are.
        let jumps = differences(fit.x(), k);
        for knot in fit.knots() {
            prop_assert!((jumps[knot.row] - knot.jump).abs() <= 1e-11, "{} {}", jumps[knot.row], knot.jump);
        }
        // Turning the ring turns the trend.
        let by = seed as usize % n;
        let again = TrendFilter::new(k, lambda).circular().fit(Series::new(&turned(&y, by)).weights(&turned(&w, by))).unwrap();
        for (a, b) in turned(fit.x(), by).iter().zip(again.x()) {
            prop_assert!((a - b).abs() <= 1e-3, "{a} {b}");
        }
        prop_assert!((again.objective() - fit.objective()).abs() <= 1e-7 * (1.0 + fit.objective()));
    }
}

#[test]
fn gaps_anywhere_are_filled_by_the_trend() {
    let y = wave(90, 3);
    for k in 1..=3 {
        for gap in [0..20, 40..60, 80..90] {
            let mut holes = y.clone();
            holes[gap.clone()].fill(f64::NAN);
            let top = TrendFilter::new(k, 1.0).circular().lambda_max(Series::new(&holes)).unwrap();
            let fit = TrendFilter::new(k, 0.01 * top).circular().fit(Series::new(&holes)).unwrap();
            sane(&fit, 90);
            let turn =
                TrendFilter::new(k, 0.01 * top).circular().fit(Series::new(&turned(&holes, 45))).unwrap();
            sane(&turn, 90);
            assert!((turn.objective() - fit.objective()).abs() <= 1e-7 * fit.objective());
            assert!(fit.x().iter().all(|v| v.abs() < 10.0), "{:?}", fit.x());
        }
    }
}

/// Rings so short and so full of holes that the data don't determine which knots there are: nothing is seen between some of them.
#[test]
fn hardly_observed_rings_converge() {
    let mut rng = Rng::new(8);
    for round in 0..600 {
        let (n, k) = (6 + rng.below(20), 1 + round % 3);
        let holes = |v: f64, hole: bool| if hole { f64::NAN } else { v };
        let mut y: Vec<f64> = (0..n).map(|_| holes(rng.normal(), rng.below(5) < 2)).collect();
        y[0] = 1.0;
        let lambda_max = TrendFilter::new(k, 1.0).circular().lambda_max(Series::new(&y)).unwrap();
        let lambda = [0.3, 0.05, 0.003][round / 3 % 3] * lambda_max;
        sane(&TrendFilter::new(k, lambda).circular().fit(Series::new(&y)).unwrap(), n);
    }
}

#[test]
fn a_path_is_its_fits_and_starts_help() {
    let y = wave(200, 5);
    let model = TrendFilter::new(2, 0.0).circular();
    let top = model.lambda_max(Series::new(&y)).unwrap();
    let lambdas: Vec<f64> = [0.3, 0.1, 0.03, 0.01, 0.0].iter().map(|r| r * top).collect();
    for fit in model.path(Series::new(&y), &lambdas).unwrap() {
        let alone = TrendFilter::new(2, fit.lambda()).circular().fit(Series::new(&y)).unwrap();
        assert!((alone.objective() - fit.objective()).abs() <= 2e-8 * fit.objective());
    }
    let from = model.path(Series::new(&y), &lambdas[..1]).unwrap();
    assert!(from[0].knots().len() >= 2);
}

#[test]
fn a_long_ring_in_both_precisions() {
    for (k, n) in [(1, 20_000), (2, 20_000), (3, 4000)] {
        let y = wave(n, 9);
        let top = TrendFilter::new(k, 1.0).circular().lambda_max(Series::new(&y)).unwrap();
        let fit = TrendFilter::new(k, 1e-3 * top).circular().fit(Series::new(&y)).unwrap();
        sane(&fit, n);
        let single: Vec<f32> = y.iter().map(|v| *v as f32).collect();
        let fit32 = TrendFilter::new(k, (1e-3 * top) as f32).circular().fit(Series::new(&single)).unwrap();
        assert!((f64::from(fit32.objective()) / fit.objective() - 1.0).abs() < 1e-5);
    }
}

#[test]
fn order_zero_is_the_fused_lasso_on_the_ring() {
    let y = wave(80, 2);
    for lambda in [0.0, 0.3, 1e6] {
        let fit = TrendFilter::new(0, lambda).circular().fit(Series::new(&y)).unwrap();
        let fused = FusedLasso::new(lambda).circular().fit(Series::new(&y)).unwrap();
        assert_eq!((fit.x(), fit.lambda_max()), (fused.x(), fused.lambda_max()));
        assert_eq!(
            TrendFilter::new(0, 1.0).circular().lambda_max(Series::new(&y)).unwrap(),
            fused.lambda_max()
        );
        assert_eq!(fit.n_segments(), fused.segments().len());
    }
}

#[test]
fn scales_offsets_and_constants() {
    let y = wave(70, 4);
    let w: Vec<f64> = (0..70).map(|i| 1.0 + f64::from(i % 3)).collect();
    let fit = |y: &[f64], s: f64, k: usize| {
        let ws: Vec<f64> = w.iter().map(|v| v * s).collect();
        let series = Series::new(y).weights(&ws);
        let top = TrendFilter::new(k, 1.0).circular().lambda_max(series).unwrap();
        TrendFilter::new(k, 0.05 * top).circular().fit(series).unwrap()
    };
    for k in 1..=5 {
        let plain = fit(&y, 1.0, k);
        for s in [1e-12, 1e12] {
            let scaled = fit(&y.iter().map(|v| s * v).collect::<Vec<_>>(), s, k);
            sane(&scaled, 70);
            assert!(
                plain.x().iter().zip(scaled.x()).all(|(a, b)| (s * a - b).abs() <= 1e-4 * s),
                "order {k}"
            );
        }
        let flat = TrendFilter::new(k, 0.1).circular().fit(Series::new(&[0.1; 9])).unwrap();
        assert_eq!((flat.x(), flat.lambda_max(), flat.n_segments()), (&[0.1; 9][..], 0.0, 1));
        assert_eq!(flat.degrees_of_freedom(), 1);
        let one = TrendFilter::new(k, 0.1).circular().fit(Series::new(&[f64::NAN, 2.5, f64::NAN])).unwrap();
        assert_eq!(one.x(), [2.5; 3]);
        // At lambda 0 the data, a gap across the seam filled by a straight line.
        let holes = [f64::NAN, 2.0, 5.0, 0.0, f64::NAN];
        let data = TrendFilter::new(k, 0.0).circular().fit(Series::new(&holes)).unwrap();
        let want = [4.0 / 3.0, 2.0, 5.0, 0.0, 2.0 / 3.0];
        assert!(data.x().iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-15), "{:?}", data.x());
        assert!(differences(data.x(), k).iter().filter(|d| d.abs() > 1e-12).count() <= data.knots().len());
    }
}

#[test]
fn predictions_and_pieces_go_round() {
    let y: Vec<f64> = (0..12).map(|i| (f64::from(i) - 6.0).abs()).collect();
    let series = Series::new(&y);
    let fit = TrendFilter::new(1, 0.0).circular().fit(series).unwrap();
    let p = fit.predict(series, &[-0.5, 0.0, 5.5, 11.5, 12.0, 23.25]).unwrap();
    let want = [5.5, 6.0, 0.5, 5.5, 6.0, 5.25];
    assert!(p.values.iter().zip(want).all(|(a, b)| (a - b).abs() < 1e-12), "{:?}", p.values);
    assert!(p.extrapolated.iter().all(|e| !e));
    let pieces: Vec<_> =
        fit.pieces(series).unwrap().iter().map(|p| (p.first, p.last, p.end, p.slope)).collect();
    assert_eq!(pieces, [(6, 0, 12.0, 1.0), (0, 6, 6.0, -1.0)]);
    let steps = TrendFilter::new(0, 0.0).circular().fit(Series::new(&[1.0, 2.0, 2.0, 1.0])).unwrap();
    let pieces: Vec<_> =
        steps.pieces(Series::new(&[0.0; 4])).unwrap().iter().map(|p| (p.first, p.last)).collect();
    assert_eq!(pieces, [(1, 2), (3, 0)]);
    let flat = TrendFilter::new(2, 1e9).circular().fit(series).unwrap();
    assert_eq!(flat.pieces(series).unwrap().len(), 1);
    assert!((flat.predict(series, &[100.3]).unwrap().values[0] - flat.x()[0]).abs() < 1e-12);
}

#[test]
fn lambda_is_chosen_on_a_ring_and_misuse_is_named() {
    let y = wave(120, 6);
    let filter = TrendFilter::new(1, 1.0).circular();
    let chosen = TrendCv::new(filter.clone()).fit(Series::new(&y)).unwrap();
    assert!(chosen.fit.status().is_converged() && chosen.fit.knots().len() > 3);
    let four = TrendWithKnots::new(filter.clone(), 4).fit(Series::new(&y)).unwrap();
    assert!(four.fit.knots().len().abs_diff(4) <= 1);
    let names = |e: spm_timeseries::TimeSeriesError, what: &str| assert!(e.to_string().contains(what), "{e}");
    let t: Vec<f64> = (0..120).map(f64::from).collect();
    names(filter.fit(Series::new(&y).positions(&t)).unwrap_err(), "positions");
    names(filter.lambda_max(Series::new(&y).positions(&t)).unwrap_err(), "positions");
    names(filter.clone().huber(1.0).fit(Series::new(&y)).unwrap_err(), "delta");
    names(filter.shape(Shape::Convex).fit(Series::new(&y)).unwrap_err(), "shape");
}
