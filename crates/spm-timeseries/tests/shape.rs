//! Trends whose k-th derivative has one sign: monotone lines, convex and concave parabolas.
#![allow(clippy::unwrap_used, missing_docs)]

use spm_linalg::testing::Rng;
use spm_timeseries::{FittedTrend, Series, Shape, TrendFilter};

/// Divided differences times the factorial of their order: the k-th derivative between knots.
fn derivative(x: &[f64], t: &[f64], k: usize) -> Vec<f64> {
    (0..k).fold(x.to_vec(), |d, l| {
        (0..d.len().saturating_sub(1))
            .map(|i| (l + 1) as f64 * (d[i + 1] - d[i]) / (t[i + l + 1] - t[i]))
            .collect()
    })
}

/// The smallest value of the derivative towards the sign that it must have.
fn least(fit: &FittedTrend, t: &[f64], k: usize, shape: Shape) -> f64 {
    let sign = if matches!(shape, Shape::Increasing | Shape::Convex) { 1.0 } else { -1.0 };
    derivative(fit.x(), t, k).iter().fold(f64::INFINITY, |a, d| a.min(sign * d))
}

#[test]
fn objectives_of_a_conic_solver() {
    // Clarabel through cvxpy at tolerances of 1e-13.
    let even: Vec<f64> = (0..16).map(f64::from).collect();
    let uneven: Vec<f64> = even.iter().map(|i| i + 0.3 * (1.7 * i).sin()).collect();
    let value = |i: &f64| 0.02 * (i - 7.0) * (i - 7.0) + (0.9 * i).sin() + 0.3 * (2.3 * i).cos();
    for (shape, k, holes, on_uneven, lambda, objective) in [
        (Shape::Increasing, 1, false, false, 0.3, 4.7395854768),
        (Shape::Decreasing, 1, false, true, 0.1, 4.2519725106),
        (Shape::Increasing, 1, true, true, 0.05, 2.9779000781),
        (Shape::Convex, 2, false, false, 0.2, 2.701713145),
        (Shape::Concave, 2, false, true, 0.05, 5.7624554852),
        (Shape::Convex, 2, true, true, 0.02, 1.6476892173),
    ] {
        let mut y: Vec<f64> = even.iter().map(value).collect();
        if holes {
            for i in [0, 5, 6, 15] {
                y[i] = f64::NAN;
            }
        }
        let t = if on_uneven { &uneven } else { &even };
        let fit = TrendFilter::new(k, lambda).shape(shape).fit(Series::new(&y).positions(t)).unwrap();
        assert!(fit.status().is_converged(), "{shape:?} {k}");
        assert!((fit.objective() - objective).abs() < 1e-8 * objective, "{shape:?} {k}: {}", fit.objective());
        assert!(least(&fit, t, k, shape) >= -1e-12);
        let primal: f64 = y
            .iter()
            .zip(fit.x())
            .filter(|(y, _)| !y.is_nan())
            .map(|(y, x)| 0.5 * (y - x).powi(2))
            .sum::<f64>()
            + lambda * derivative(fit.x(), t, k).windows(2).map(|d| (d[1] - d[0]).abs()).sum::<f64>();
        assert!((primal - objective).abs() < 1e-8 * objective, "{primal}");
    }
}

/// Any data: feasible, certified, level stretches exactly level, and at most as good as without the shape.
#[test]
fn random_series_are_feasible_and_certified() {
    let mut rng = Rng::new(6);
    for round in 0..300 {
        let (n, k) = (2 + rng.below(60), 1 + round % 2);
        let shape =
            [[Shape::Increasing, Shape::Decreasing], [Shape::Convex, Shape::Concave]][k - 1][round / 2 % 2];
        let tilt: f64 = 3.0 * rng.normal::<f64>();
        let y: Vec<f64> = (0..n).map(|i| tilt * (i as f64 / n as f64) + 0.5 * rng.normal::<f64>()).collect();
        let w: Vec<f64> = (0..n).map(|_| 0.2 + rng.uniform::<f64>()).collect();
        let t: Vec<f64> = (0..n).map(|i| i as f64 + 0.7 * rng.uniform::<f64>()).collect();
        let series = Series::new(&y).weights(&w).positions(&t);
        let model = TrendFilter::new(k, 0.3 * 0.1_f64.powi(round as i32 / 4 % 3)).shape(shape);
        let fit = model.fit(series).unwrap();
        assert!(fit.status().is_converged(), "{round} {:?}", fit.certificate());
        assert!(least(&fit, &t, k, shape) >= -1e-12, "{round}");
        if k == 1 {
            let level = fit.x().windows(2).filter(|p| (p[1] - p[0]).abs() < 1e-12);
            assert!(
                level.clone().count() == 0
                    || level.clone().all(|p| (p[1] - p[0]).abs() <= 4.0 * f64::EPSILON * p[0].abs())
            );
        }
        let free = TrendFilter::new(k, model.lambda).fit(series).unwrap();
        assert!(free.objective() <= fit.objective() * (1.0 + 1e-7) + 1e-12);
        if least(&free, &t, k, shape) > 1e-9 {
            assert!((free.objective() - fit.objective()).abs() <= 1e-7 * fit.objective() + 1e-12);
        }
    }
}

#[test]
fn from_lambda_max_on_there_is_one_piece() {
    let y: Vec<f64> = (0..40).map(|i| (0.35 * f64::from(i)).sin() - 0.02 * f64::from(i)).collect();
    for (k, shape) in
        [(1, Shape::Increasing), (1, Shape::Decreasing), (2, Shape::Convex), (2, Shape::Concave)]
    {
        let lambda_max = TrendFilter::new(k, 1.0).shape(shape).lambda_max(Series::new(&y)).unwrap();
        let at =
            |share: f64| TrendFilter::new(k, share * lambda_max).shape(shape).fit(Series::new(&y)).unwrap();
        assert!(at(1.0 + 1e-9).knots().is_empty() && !at(0.99).knots().is_empty(), "{k} {shape:?}");
    }
    // Data that fall all the way: as an increasing line their mean; exact ones, too.
    let fall: Vec<f64> = (0..9).map(|i| 4.0 - f64::from(i)).collect();
    let fit = TrendFilter::new(1, 0.1).shape(Shape::Increasing).fit(Series::new(&fall)).unwrap();
    assert!(fit.status().is_converged() && fit.x().iter().all(|v| v.abs() < 1e-12));
    let same = TrendFilter::new(1, 0.1).shape(Shape::Decreasing).fit(Series::new(&fall)).unwrap();
    assert!(same.x().iter().zip(&fall).all(|(a, b)| (a - b).abs() < 1e-12));
}

#[test]
fn scales_and_single_precision() {
    let mut rng = Rng::new(2);
    let y: Vec<f64> = (0..80).map(|i| (f64::from(i) / 30.0).powi(2) + 0.4 * rng.normal::<f64>()).collect();
    let reference = TrendFilter::new(1, 1.0).shape(Shape::Increasing).fit(Series::new(&y)).unwrap();
    for s in [1e-12, 1e12] {
        let scaled: Vec<f64> = y.iter().map(|v| s * v).collect();
        let fit = TrendFilter::new(1, s).shape(Shape::Increasing).fit(Series::new(&scaled)).unwrap();
        assert_eq!(fit.knots().len(), reference.knots().len());
        assert!(fit.x().iter().zip(reference.x()).all(|(a, b)| (a / s - b).abs() < 1e-7));
    }
    let single: Vec<f32> = y.iter().map(|v| *v as f32).collect();
    let fit = TrendFilter::new(1, 1.0_f32).shape(Shape::Increasing).fit(Series::new(&single)).unwrap();
    assert!(fit.x().iter().zip(reference.x()).all(|(a, b)| (f64::from(*a) - b).abs() < 1e-4));
    assert!(fit.x().windows(2).all(|p| p[1] >= p[0]));
}
