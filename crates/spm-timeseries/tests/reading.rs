//! What people read off a series: chosen lambdas, predictions, pieces, diagnostics, change points.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use spm_linalg::Scalar;
use spm_linalg::testing::Rng;
use spm_timeseries::{
    Criterion, Diagnostics, FusedLasso, MergeJumps, Pelt, SeasonalTrend, Series, TrendCv, TrendFilter,
    TrendSelect, TrendWithKnots, noise_level, trend_lambda_max,
};

fn zigzag(t: f64) -> f64 {
    if t < 60.0 {
        0.2 * t
    } else if t < 130.0 {
        12.0 - 0.3 * (t - 60.0)
    } else {
        -9.0 + 0.1 * (t - 130.0)
    }
}

fn noisy(n: usize, sigma: f64, seed: u64, f: impl Fn(f64) -> f64) -> Vec<f64> {
    let mut rng = Rng::new(seed);
    (0..n).map(|i| f(i as f64) + sigma * rng.normal::<f64>()).collect()
}

fn distance(x: &[f64], f: impl Fn(f64) -> f64) -> f64 {
    let square: f64 = x.iter().enumerate().map(|(i, v)| (v - f(i as f64)).powi(2)).sum();
    (square / x.len() as f64).sqrt()
}

#[test]
fn every_choice_of_lambda_finds_the_signal() {
    let y = noisy(200, 1.0, 1, zigzag);
    let series = Series::new(&y);
    let filter = TrendFilter::new(1, 0.0);
    let best = TrendSelect::new(filter.clone(), Criterion::Sure).sigma(1.0).fit(series).unwrap();
    let least = best
        .lambdas
        .iter()
        .map(|&l| distance(TrendFilter::new(1, l).fit(series).unwrap().x(), zigzag))
        .fold(f64::INFINITY, f64::min);
    for criterion in [Criterion::Aic, Criterion::Bic, Criterion::Sure] {
        let chosen = TrendSelect::new(filter.clone(), criterion).fit(series).unwrap();
        let error = distance(chosen.fit.x(), zigzag);
        assert!(error < 2.0 * least, "{criterion:?}: {error} {least}");
    }
    let cv = TrendCv::new(filter.clone()).fit(series).unwrap();
    assert!(distance(cv.fit.x(), zigzag) < 2.0 * least);
    let simple = TrendCv::new(filter).one_se().fit(series).unwrap();
    assert_eq!(simple.fit.lambda(), simple.lambda_1se);
    assert!(simple.lambda_1se >= cv.lambda_best);
    let i = cv.lambdas.iter().position(|&l| l == cv.lambda_best).unwrap();
    assert!(cv.errors.iter().all(|&e| e >= cv.errors[i]));
    assert_eq!(cv, TrendCv::new(TrendFilter::new(1, 0.0)).fit(series).unwrap());
}

/// The cross-validation error from its definition, the held-out values made missing one fold at a time.
#[test]
fn cross_validation_is_what_it_says() {
    let y = noisy(40, 0.5, 2, zigzag);
    let lambda = 3.0;
    let cv =
        TrendCv::new(TrendFilter::new(1, 0.0)).folds(3).lambdas(vec![lambda]).fit(Series::new(&y)).unwrap();
    let mut errors = Vec::new();
    for f in 0..3 {
        let held: Vec<usize> = (1..39).filter(|i| (i - 1) % 3 == f).collect();
        let mut gaps = y.clone();
        held.iter().for_each(|&i| gaps[i] = f64::NAN);
        let fit = TrendFilter::new(1, lambda).fit(Series::new(&gaps)).unwrap();
        errors.push(held.iter().map(|&i| (y[i] - fit.x()[i]).powi(2)).sum::<f64>() / held.len() as f64);
    }
    let mean = errors.iter().sum::<f64>() / 3.0;
    assert!((cv.errors[0] - mean).abs() <= 1e-9 * mean);
    assert_eq!(cv.fit.lambda(), lambda);
    assert!(TrendCv::new(TrendFilter::new(1, 0.0)).folds(39).fit(Series::new(&y)).is_err());
    assert!(TrendCv::new(TrendFilter::new(1, 0.0)).folds(1).fit(Series::new(&y)).is_err());
    assert!(TrendCv::new(TrendFilter::new(1, 0.0)).lambdas(vec![]).fit(Series::new(&y)).is_err());
}

/// SURE on average is the squared error: the degrees of freedom are the knots plus k + 1.
#[test]
fn sure_is_unbiased() {
    for order in [0, 1, 2] {
        let lambda = [1.0, 6.0, 40.0][order];
        let (mut sure, mut loss) = (0.0, 0.0);
        for seed in 0..150 {
            let y = noisy(100, 1.0, 100 + seed, zigzag);
            let one = TrendSelect::new(TrendFilter::new(order, 0.0), Criterion::Sure).sigma(1.0);
            let chosen = one.lambdas(vec![lambda]).fit(Series::new(&y)).unwrap();
            sure += chosen.scores[0];
            loss += 100.0 * distance(chosen.fit.x(), zigzag).powi(2);
        }
        // A mean of 150; the deviation of one is about sqrt(2 n).
        assert!(
            (sure - loss).abs() / 150.0 < 3.0 * (200.0_f64 / 150.0).sqrt(),
            "order {order}: {sure} {loss}"
        );
    }
}

#[test]
fn a_number_of_knots_is_met_or_said_to_be_missed() {
    let y = noisy(200, 0.5, 3, zigzag);
    for order in [0, 1, 2] {
        for knots in [0, 1, 2, 5, 9] {
            let found =
                TrendWithKnots::new(TrendFilter::new(order, 0.0), knots).fit(Series::new(&y)).unwrap();
            assert_eq!(found.exact, found.fit.knots().len() == knots);
            assert!(found.fit.knots().len().abs_diff(knots) <= 1, "order {order}, {knots} knots");
            assert!(found.fit.status().is_converged() && found.tries <= 64);
            if order == 0 {
                assert!(found.exact);
            }
        }
    }
    // Two jumps of one size enter together: 1 doesn't exist.
    let step = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0];
    let found = TrendWithKnots::new(TrendFilter::new(0, 0.0), 1).fit(Series::new(&step)).unwrap();
    assert!(!found.exact && found.fit.knots().is_empty());
    // More than there can be.
    let found = TrendWithKnots::new(TrendFilter::new(0, 0.0), 100).fit(Series::new(&step)).unwrap();
    assert!(!found.exact && found.fit.knots().len() >= 2);
    let found = TrendWithKnots::new(TrendFilter::new(1, 0.0), 1).fit(Series::new(&[2.0])).unwrap();
    assert!(!found.exact);
}

/// Leaving out a point of a fit and predicting it from the others is the fit: the prediction is the spline that has no
/// knot there.
/// Products of two weights are beyond the numbers here; the objective is too, but the knots are not.
#[test]
fn a_number_of_knots_at_the_ends_of_the_scale() {
    let y = noisy(200, 0.5, 21, zigzag);
    let at = |scale: f64| {
        let y: Vec<f64> = y.iter().map(|v| v * scale).collect();
        TrendWithKnots::new(TrendFilter::new(1, 0.0), 4).fit(Series::new(&y)).unwrap()
    };
    let one = at(1.0);
    assert!(one.exact);
    for exponent in [-990, 990] {
        let other = at(f64::from(exponent).exp2());
        assert!(other.exact, "2^{exponent}");
        let rows = |k: &spm_timeseries::KnotTrend| k.fit.knots().iter().map(|k| k.row).collect::<Vec<_>>();
        assert_eq!(rows(&one), rows(&other), "2^{exponent}");
    }
}

/// Outliers that are left out count linearly in the error, as they do in the loss: the standard error is that of the others.
#[test]
fn cross_validation_judges_by_the_loss_of_the_filter() {
    let mut y = noisy(200, 0.5, 22, zigzag);
    for i in [20, 91, 150, 163] {
        y[i] += 40.0;
    }
    let chosen = TrendCv::new(TrendFilter::new(1, 0.0).huber(0.7)).fit(Series::new(&y)).unwrap();
    let best = chosen.errors.iter().copied().fold(f64::INFINITY, f64::min);
    // 4 outliers of 200 that cost 2 · 0.7 · 40, and the noise of variance 1/4.
    assert!((best - (0.02 * 56.0 + 0.25)).abs() < 0.3, "{best}");
    let simple = TrendCv::new(TrendFilter::new(1, 0.0).huber(0.7)).one_se().fit(Series::new(&y)).unwrap();
    assert!(distance(simple.fit.x(), zigzag) < 1.0, "{}", distance(simple.fit.x(), zigzag));
}

#[test]
fn predictions_interpolate_as_the_trend_does() {
    for order in 0..=3 {
        let t: Vec<f64> = (0..60).map(|i| f64::from(i) + 0.3 * f64::from(i % 3)).collect();
        let y = noisy(60, 0.5, 4, |s| zigzag(3.0 * s));
        let fit = TrendFilter::new(order, 20.0).fit(Series::new(&y).positions(&t)).unwrap();
        let series = Series::new(&y).positions(&t);
        let same = fit.predict(series, &t).unwrap();
        assert_eq!(same.values, fit.x());
        assert!(same.extrapolated.iter().all(|e| !e));
        let out = fit.predict(series, &[-1.0, 100.0]).unwrap();
        assert_eq!(out.extrapolated, [true, true]);
        // A missing value between two others is filled with the prediction from them.
        let mut gap = y.clone();
        gap[29] = f64::NAN;
        let with = TrendFilter::new(order, 20.0).fit(Series::new(&gap).positions(&t)).unwrap();
        if order == 1 && with.knots().iter().all(|k| k.index != 29) {
            let line = with.x()[28] + (with.x()[30] - with.x()[28]) * (t[29] - t[28]) / (t[30] - t[28]);
            assert!((with.x()[29] - line).abs() < 1e-9);
        }
        assert!(fit.predict(series, &[f64::NAN]).is_err());
        assert!(fit.predict(Series::new(&y[1..]), &[1.0]).is_err());
    }
    // A polynomial of the order is continued exactly, between and beyond the points.
    for order in 1..=3 {
        let p = |s: f64| 1.0 - s + 0.5 * s.powi(order as i32);
        let t: Vec<f64> = (0..12).map(|i| 0.1 * f64::from(i * i)).collect();
        let y: Vec<f64> = t.iter().map(|&s| p(s)).collect();
        let series = Series::new(&y).positions(&t);
        let fit = TrendFilter::new(order, 1.0).fit(series).unwrap();
        for s in [-1.0, 0.05, 3.3, 12.0, 15.0] {
            let got = fit.predict(series, &[s]).unwrap().values[0];
            assert!((got - p(s)).abs() < 1e-8 * (1.0 + p(s).abs()), "order {order} at {s}: {got} {}", p(s));
        }
    }
    let y = [1.0, 1.0, 4.0, 4.0];
    let fit = TrendFilter::new(0, 0.0).fit(Series::new(&y)).unwrap();
    assert_eq!(fit.predict(Series::new(&y), &[-3.0, 1.5, 2.5, 9.0]).unwrap().values, [1.0, 1.0, 4.0, 4.0]);
}

#[test]
fn pieces_have_slopes_in_units_of_the_axis() {
    let hours: Vec<f64> = (0..200).map(|i| f64::from(i) / 10.0).collect();
    let y = noisy(200, 0.0, 5, zigzag);
    let series = Series::new(&y).positions(&hours);
    let lambda = 1e-4 * trend_lambda_max(series, 1).unwrap();
    let fit = TrendFilter::new(1, lambda).fit(series).unwrap();
    let pieces = fit.pieces(series).unwrap();
    assert!(pieces.len() >= 3);
    assert!((pieces[0].slope - 2.0).abs() < 0.01 && (pieces[pieces.len() - 1].slope - 1.0).abs() < 0.01);
    assert!(pieces.windows(2).all(|p| p[0].last == p[1].first && p[0].end == p[1].start));
    for (jump, p) in fit.knots().iter().zip(pieces.windows(2)) {
        assert!((jump.jump - (p[1].slope - p[0].slope)).abs() < 1e-7);
    }
}

#[test]
fn noise_levels_and_diagnostics() {
    let y = noisy(4000, 0.7, 6, |t| (0.01 * t).sin() * 5.0);
    let sigma = noise_level(Series::new(&y)).unwrap();
    assert!((sigma / 0.7 - 1.0).abs() < 0.06, "{sigma}");
    // Uneven times, weights, and gaps that don't matter.
    let mut rng = Rng::new(7);
    let w: Vec<f64> = (0..4000).map(|i| f64::from(1 + i % 4)).collect();
    let mut t = vec![0.0];
    (1..4000).for_each(|i| t.push(t[i - 1] + 0.1 + rng.uniform::<f64>()));
    let mut z: Vec<f64> = (0..4000).map(|i| 0.3 * t[i] + 0.7 * rng.normal::<f64>() / w[i].sqrt()).collect();
    z[100] = f64::NAN;
    let sigma = noise_level(Series::new(&z).weights(&w).positions(&t)).unwrap();
    assert!((sigma / 0.7 - 1.0).abs() < 0.06, "{sigma}");
    let good =
        Diagnostics::new(Series::new(&y), &noisy(4000, 0.0, 0, |t| (0.01 * t).sin() * 5.0), 5).unwrap();
    assert!(good.runs_z.abs() < 3.0 && good.autocorrelation.iter().all(|r| r.abs() < 0.06));
    assert!((good.rms - 0.7).abs() < 0.04 && (good.sigma_mad - 0.7).abs() < 0.05);
    let stiff = Diagnostics::new(Series::new(&y), &vec![0.0; 4000], 5).unwrap();
    assert!(stiff.runs_z < -10.0 && stiff.autocorrelation[0] > 0.5);
    let same = Diagnostics::new(Series::new(&y), &y, 2).unwrap();
    assert_eq!((same.rms, same.runs_z, same.runs), (0.0, 0.0, 0));
    assert!(Diagnostics::new(Series::new(&y), &y[1..], 2).is_err());
    let one = Diagnostics::new(Series::new(&[1.0]), &[0.0], 3).unwrap();
    assert_eq!((one.n, one.runs, one.sigma_differences), (1, 1, 0.0));
}

/// All partitions by plain dynamic programming, costs from their definition.
fn optimal_partition(y: &[f64], w: &[f64], penalty: f64, size: usize) -> f64 {
    let n = y.len();
    let cost = |a: usize, b: usize| {
        let weight: f64 = w[a..b].iter().sum();
        let mean = (a..b).map(|i| w[i] * y[i]).sum::<f64>() / weight;
        (a..b).map(|i| 0.5 * w[i] * (y[i] - mean).powi(2)).sum::<f64>()
    };
    let mut best = vec![f64::INFINITY; n + 1];
    best[0] = -penalty;
    for t in size.min(n)..=n {
        for s in 0..=t - size.min(n) {
            best[t] = best[t].min(best[s] + cost(s, t) + penalty);
        }
    }
    best[n]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    #[test]
    fn pelt_is_optimal_partitioning(
        n in 1_usize..40, size in 1_usize..6, penalty in 0.0_f64..4.0, seed in 0_u64..10_000,
    ) {
        let mut rng = Rng::new(seed);
        let y: Vec<f64> = (0..n).map(|i| f64::from((i / 7 % 3) as u8) * 2.0 + rng.normal::<f64>()).collect();
        let w: Vec<f64> = (0..n).map(|_| 0.5 + rng.uniform::<f64>()).collect();
        let found = Pelt::new().penalty(penalty).min_size(size).fit(Series::new(&y).weights(&w)).unwrap();
        let want = optimal_partition(&y, &w, penalty, size);
        prop_assert!((found.objective - want).abs() <= 1e-9 * (1.0 + want.abs()), "{} {want}", found.objective);
        prop_assert!(found.segments.iter().all(|s| s.range.len() >= size.min(n)));
        prop_assert_eq!(found.points.len() + 1, found.segments.len());
        let x = found.x();
        let value = (0..n).map(|i| 0.5 * w[i] * (y[i] - x[i]).powi(2)).sum::<f64>()
            + penalty * found.points.len() as f64;
        prop_assert!((value - found.objective).abs() <= 1e-9 * (1.0 + value));
    }
}

fn blocks(n: usize, sigma: f64, seed: u64) -> (Vec<f64>, Vec<usize>) {
    let cuts = [n / 10, n / 4, n * 2 / 5, n * 3 / 5, n * 4 / 5];
    let levels = [0.0, 3.0, -1.0, 2.0, 5.0, 1.0];
    let y = noisy(n, sigma, seed, |t| levels[cuts.iter().filter(|&&c| t as usize >= c).count()]);
    (y, cuts.to_vec())
}

/// F1 of change points that lie within `near` of a true one, each counted once.
fn f1(found: &[usize], truth: &[usize], near: usize) -> f64 {
    let hit = truth.iter().filter(|&&t| found.iter().any(|&f| f.abs_diff(t) <= near)).count() as f64;
    2.0 * hit / (found.len() + truth.len()) as f64
}

#[test]
fn merged_jumps_beat_raw_ones() {
    let (mut raw, mut merged, mut pelt) = (0.0, 0.0, 0.0);
    for seed in 0..20 {
        let (y, truth) = blocks(400, 1.0, seed);
        let series = Series::new(&y);
        let fit = FusedLasso::new(8.0).fit(series).unwrap();
        let jumps: Vec<usize> = fit.segments().iter().skip(1).map(|s| s.range.start).collect();
        let places = |p: &spm_timeseries::ChangePoints| p.points.iter().map(|p| p.index).collect::<Vec<_>>();
        raw += f1(&jumps, &truth, 5) / 20.0;
        merged += f1(&places(&MergeJumps::new().fit(series, &fit).unwrap()), &truth, 5) / 20.0;
        pelt += f1(&places(&Pelt::new().fit(series).unwrap()), &truth, 5) / 20.0;
    }
    assert!(raw < 0.7 && merged > 0.95 && pelt > 0.95, "{raw} {merged} {pelt}");
}

#[test]
fn change_points_of_series_with_gaps() {
    let (mut y, _) = blocks(100, 0.2, 3);
    let plain = Pelt::new().penalty(1.0).fit(Series::new(&y)).unwrap();
    y.splice(30..30, [f64::NAN; 4]);
    let t: Vec<f64> = (0..104).map(|i| 2.0 * f64::from(i)).collect();
    let gaps = Pelt::new().penalty(1.0).fit(Series::new(&y).positions(&t)).unwrap();
    assert_eq!(gaps.objective, plain.objective);
    for (a, b) in plain.points.iter().zip(&gaps.points) {
        assert_eq!((a.index + if a.index >= 30 { 4 } else { 0 }, a.size), (b.index, b.size));
        assert_eq!(b.position, 2.0 * b.index as f64);
    }
    assert_eq!(gaps.x().len(), 104);
    assert!(Pelt::new().min_size(0).fit(Series::new(&y)).is_err());
    assert!(Pelt::new().penalty(-1.0).fit(Series::new(&y)).is_err());
    assert!(Pelt::<f64>::new().fit(Series::new(&[f64::NAN])).is_err());
    assert_eq!(Pelt::new().fit(Series::new(&[3.0])).unwrap().segments.len(), 1);
    let fit = FusedLasso::new(1.0).fit(Series::new(&y)).unwrap();
    assert!(MergeJumps::new().fit(Series::new(&y[1..]), &fit).is_err());
    let single =
        MergeJumps::new().fit(Series::new(&[1.0]), &FusedLasso::new(1.0).fit(Series::new(&[1.0])).unwrap());
    assert!(single.unwrap().points.is_empty());
}

fn both_precisions<T: Scalar>() {
    let y: Vec<T> = noisy(120, 0.3, 8, zigzag).into_iter().map(T::of).collect();
    let series = Series::new(&y);
    assert!(TrendCv::new(TrendFilter::new(1, T::zero())).fit(series).unwrap().fit.status().is_converged());
    assert!(TrendWithKnots::new(TrendFilter::new(1, T::zero()), 3).fit(series).unwrap().exact);
    assert!((noise_level(series).unwrap().as_f64() - 0.3).abs() < 0.15);
    assert!(!Pelt::new().fit(series).unwrap().points.is_empty());
}

#[test]
fn single_and_double_precision() {
    both_precisions::<f32>();
    both_precisions::<f64>();
}

/// The joint minimum, by stationarity: the trend is optimal given the season (its certificate), and the residual has no
/// seasonal mean.
#[test]
fn trend_and_season_are_separated() {
    let season = [2.0, -1.0, 0.5, 0.0, -1.5];
    for order in [0, 1, 2] {
        let mut y = noisy(200, 0.3, 9, zigzag);
        y.iter_mut().enumerate().for_each(|(i, v)| *v += season[i % 5]);
        y[57] = f64::NAN;
        let lambda = [3.0, 20.0, 100.0][order];
        let fit = SeasonalTrend::new(TrendFilter::new(order, lambda), 5).fit(Series::new(&y)).unwrap();
        assert!(fit.status.is_converged() && fit.iterations < 100, "order {order}: {}", fit.iterations);
        assert!(fit.season.iter().sum::<f64>().abs() < 1e-9);
        let close = fit.season.iter().zip(&season).all(|(a, b)| (a - b).abs() < 0.25);
        assert!(close, "order {order}: {:?}", fit.season);
        let x = fit.x();
        for phase in 0..5 {
            let r: Vec<f64> = (phase..200).step_by(5).filter(|&i| i != 57).map(|i| y[i] - x[i]).collect();
            assert!((r.iter().sum::<f64>() / r.len() as f64).abs() < 1e-3, "order {order}, phase {phase}");
        }
        assert!(fit.trend.certificate().gap() <= 1e-6 * fit.trend.objective());
    }
    let y = [1.0, 2.0, 3.0];
    assert!(SeasonalTrend::new(TrendFilter::new(1, 1.0), 1).fit(Series::new(&y)).is_err());
    assert!(SeasonalTrend::new(TrendFilter::new(1, 1.0), 4).fit(Series::new(&y)).is_err());
    assert!(SeasonalTrend::new(TrendFilter::new(1, 1.0), 2).tol(0.0).fit(Series::new(&y)).is_err());
}
