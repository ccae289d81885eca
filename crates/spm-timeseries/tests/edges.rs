//! The ends of the range: tiny series, the largest penalty, extreme scales, exact structure, closed forms certified anew.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use spm_linalg::operator::Difference;
use spm_linalg::testing::Rng;
use spm_linalg::{LinearOperator, Scalar, Workspace};
use spm_solvers::Status;
use spm_timeseries::{FittedTrend, FusedLasso, Series, TrendFilter, fused_lambda_max, trend_lambda_max};

fn difference(t: &[f64], k: usize) -> Difference<f64> {
    Difference::uneven(t, k + 1).unwrap()
}

fn apply(d: &Difference<f64>, x: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; d.nrows()];
    d.apply(x, &mut out, Workspace::new(d.scratch()).stack());
    out
}

/// `u` with `Dᵀ u = r`, by substitution down the banded triangular part; what is left of `r` comes back too.
fn substitute(d: &Difference<f64>, r: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let mut rest = r.to_vec();
    let mut row = vec![0.0; d.order() + 1];
    let mut u = vec![0.0; d.nrows()];
    for j in 0..d.nrows() {
        d.row_into(j, &mut row);
        u[j] = rest[j] / row[0];
        for (r, v) in rest[j..].iter_mut().zip(&row) {
            *r -= u[j] * v;
        }
    }
    (u, rest)
}

/// Objective and lower bound from `y`, `w`, `t` and `x` alone: `u` by substitution, scaled into the box. Complete
/// data only, and series short enough for substitution.
fn certify(y: &[f64], w: &[f64], t: &[f64], k: usize, lambda: f64, x: &[f64]) -> (f64, f64) {
    let d = difference(t, k);
    let r: Vec<f64> = (0..y.len()).map(|i| w[i] * (y[i] - x[i])).collect();
    let (mut u, _) = substitute(&d, &r);
    let largest = u.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    if largest > lambda {
        u.iter_mut().for_each(|v| *v *= lambda / largest);
    }
    let mut back = vec![0.0; y.len()];
    d.apply_adjoint(&u, &mut back, Workspace::new(d.scratch()).stack());
    let primal = (0..y.len()).map(|i| 0.5 * w[i] * (y[i] - x[i]).powi(2)).sum::<f64>()
        + lambda * apply(&d, x).iter().map(|v| v.abs()).sum::<f64>();
    let dual = (0..y.len()).map(|i| back[i] * y[i] - 0.5 * back[i] * back[i] / w[i]).sum();
    (primal, dual)
}

/// What every result must be, whatever the input.
fn sane(fit: &FittedTrend, n: usize) {
    assert_eq!(fit.x().len(), n);
    assert!(fit.x().iter().all(|v| v.is_finite()));
    assert!(
        fit.certificate().gap() <= 1e-8 * fit.objective().max(f64::MIN_POSITIVE) || fit.objective() < 1e-25
    );
    assert!(fit.knots().windows(2).all(|p| p[0].row < p[1].row));
    assert!(fit.knots().iter().all(|k| k.index < n && k.row + fit.order() + 1 < n));
}

#[test]
fn one_two_and_three_values_at_every_order() {
    for k in 0..=5 {
        for n in 1..=3 {
            for lambda in [0.0, 0.1, 1.0, 1e6] {
                let y = [2.0, -1.0, 4.0];
                let t = [0.0, 0.5, 3.0];
                let even = TrendFilter::new(k, lambda).fit(Series::new(&y[..n])).unwrap();
                let uneven =
                    TrendFilter::new(k, lambda).fit(Series::new(&y[..n]).positions(&t[..n])).unwrap();
                for fit in [&even, &uneven] {
                    sane(fit, n);
                    assert!(fit.status().is_converged());
                    if n <= k + 1 {
                        assert!(fit.knots().is_empty());
                        assert!(fit.x().iter().zip(&y).all(|(x, y)| (x - y).abs() < 1e-14));
                    }
                }
            }
        }
    }
}

#[test]
fn one_value_among_missing_ones() {
    for k in 0..=5 {
        for n in [1, 2, 7] {
            for at in 0..n {
                for lambda in [0.0, 0.3, 1e9] {
                    let mut y = vec![f64::NAN; n];
                    y[at] = -3.5;
                    let fit = TrendFilter::new(k, lambda).fit(Series::new(&y)).unwrap();
                    assert!(fit.status().is_converged() && fit.knots().is_empty());
                    assert_eq!(fit.x(), vec![-3.5; n]);
                    assert_eq!(fit.objective(), 0.0);
                }
            }
        }
    }
}

#[test]
fn nan_and_weight_zero_are_the_same() {
    let mut rng = Rng::new(3);
    let y: Vec<f64> = (0..40).map(|i| (0.2 * f64::from(i)).sin() + 0.1 * rng.normal::<f64>()).collect();
    let gone = |i: usize| i < 2 || i % 6 == 4 || i == 39;
    let nan: Vec<f64> = (0..40).map(|i| if gone(i) { f64::NAN } else { y[i] }).collect();
    let w: Vec<f64> = (0..40).map(|i| if gone(i) { 0.0 } else { 1.0 }).collect();
    let junk: Vec<f64> = (0..40).map(|i| if gone(i) { f64::INFINITY } else { y[i] }).collect();
    for k in 0..=3 {
        let a = TrendFilter::new(k, 0.2).fit(Series::new(&nan)).unwrap();
        let b = TrendFilter::new(k, 0.2).fit(Series::new(&y).weights(&w)).unwrap();
        let c = TrendFilter::new(k, 0.2).fit(Series::new(&junk).weights(&w)).unwrap();
        assert!(a == b && b == c, "order {k}");
    }
    let sparse = FusedLasso::new(0.2).lambda_sparse(0.1);
    assert_eq!(sparse.fit(Series::new(&nan)).unwrap(), sparse.fit(Series::new(&y).weights(&w)).unwrap());
}

#[test]
fn order_zero_is_the_fused_lasso_to_the_bit() {
    fn same<T: Scalar>(seed: u64) {
        let mut rng = Rng::new(seed);
        let y: Vec<T> = (0..50).map(|_| rng.normal::<T>()).collect();
        let w: Vec<T> = (0..50).map(|_| T::of_usize(rng.below(3))).collect();
        for lambda in [0.0, 0.3, 2.0, 1e3].map(T::of) {
            let a = TrendFilter::new(0, lambda).fit(Series::new(&y).weights(&w)).unwrap();
            let b = FusedLasso::new(lambda).fit(Series::new(&y).weights(&w)).unwrap();
            assert_eq!((a.x(), a.certificate(), a.lambda_max()), (b.x(), b.certificate(), b.lambda_max()));
            let starts: Vec<usize> = b.segments().iter().skip(1).map(|s| s.range.start).collect();
            assert_eq!(a.knots().iter().map(|k| k.index).collect::<Vec<_>>(), starts);
            for s in b.segments() {
                assert!(b.x()[s.range].iter().all(|v| *v == s.value));
            }
        }
    }
    for seed in 0..10 {
        same::<f64>(seed);
        same::<f32>(seed);
    }
}

/// At `lambda_max` and above nothing bends, in either precision; just below there is a knot.
fn threshold<T: Scalar>(k: usize, seed: u64, uneven: bool, missing: bool) {
    let mut rng = Rng::new(seed);
    let n = 8 + rng.below(25);
    let y: Vec<T> = (0..n).map(|_| rng.normal::<T>()).collect();
    let w: Vec<T> = (0..n)
        .map(|i| if missing && i % 5 == 2 { T::zero() } else { T::of(0.2) + rng.uniform::<T>() })
        .collect();
    let mut t = vec![T::zero(); n];
    for i in 1..n {
        t[i] = t[i - 1] + if uneven { T::of(0.2) + rng.uniform::<T>() } else { T::one() };
    }
    let series = Series::new(&y).weights(&w).positions(&t);
    let most = trend_lambda_max(series, k).unwrap();
    for lambda in [most, T::of(1.5) * most, T::of(1e6) * most] {
        let fit = TrendFilter::new(k, lambda).fit(series).unwrap();
        assert!(fit.status().is_converged());
        assert_eq!(fit.n_segments(), 1, "order {k} seed {seed} uneven {uneven} missing {missing}");
        assert_eq!(fit.lambda_max(), if k == 0 { fused_lambda_max(series, None).unwrap() } else { most });
    }
    let below = TrendFilter::new(k, T::of(1.0 - 1e-4) * most).fit(series).unwrap();
    assert!(below.status().is_converged());
    assert!((1..=2).contains(&below.knots().len()), "order {k} seed {seed}: {}", below.knots().len());
}

#[test]
fn the_largest_lambda_is_exact() {
    for seed in 0..12 {
        for k in 0..=3 {
            for (uneven, missing) in [(false, false), (true, false), (false, true), (true, true)] {
                threshold::<f64>(k, seed, uneven, missing);
                threshold::<f32>(k, seed, uneven, missing);
            }
        }
    }
}

#[test]
fn ties_and_constants_stay() {
    for k in 0..=3 {
        for value in [0.0_f64, -0.3, 1e12, 1e-12] {
            let y = [value; 9];
            let fit = TrendFilter::new(k, 0.5 * value.abs()).fit(Series::new(&y)).unwrap();
            assert!(fit.x().iter().all(|v| (v - value).abs() <= 1e-15 * value.abs()), "{k} {value}");
            assert!(fit.knots().is_empty() && fit.status().is_converged());
        }
        let y = [0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0];
        for lambda in [0.25, 0.5, 1.0] {
            let fit = TrendFilter::new(k, lambda).fit(Series::new(&y)).unwrap();
            sane(&fit, 12);
            assert!(fit.status().is_converged(), "{k} {lambda}");
        }
    }
}

#[test]
fn a_long_series_of_high_order_says_how_it_ended() {
    // The best point found is never worse than the polynomial, and the status says whether it is certified.
    let n = 20_000;
    let noise: Vec<f64> = Rng::new(1).normals(n);
    let y: Vec<f64> = (0..n).map(|i| (12.0 * i as f64 / n as f64).sin() + 0.2 * noise[i]).collect();
    for order in [3, 5] {
        let lambda = 0.5 * trend_lambda_max(Series::new(&y), order).unwrap();
        let fit = TrendFilter::new(order, lambda).max_iter(30).fit(Series::new(&y)).unwrap();
        let flat = TrendFilter::new(order, 2.0 * lambda).fit(Series::new(&y)).unwrap();
        assert!(fit.objective() <= flat.objective() * (1.0 + 1e-12));
        let gap = fit.certificate().gap() / fit.objective();
        match fit.status() {
            Status::Converged => assert!(gap <= 1e-8),
            other => assert!(other == Status::MaxIterations && gap > 1e-8),
        }
    }
}

/// Sums of four levels over so many values leave no digit of `f64`: the bells of the splines are in double-double.
#[test]
fn cubic_trends_of_half_a_million_values_converge() {
    let n = 500_000;
    let noise: Vec<f64> = Rng::new(2).normals(n);
    let y: Vec<f64> = (0..n).map(|i| (12.0 * i as f64 / n as f64).sin() + 0.2 * noise[i]).collect();
    let lambda = 1e-2 * trend_lambda_max(Series::new(&y), 3).unwrap();
    let fit = TrendFilter::new(3, lambda).fit(Series::new(&y)).unwrap();
    assert!(fit.status().is_converged() && fit.iterations() <= 8, "{:?} {}", fit.status(), fit.iterations());
    assert!(fit.certificate().gap() <= 1e-8 * fit.objective());
    let square = |i: usize| (fit.x()[i] - (12.0 * i as f64 / n as f64).sin()).powi(2);
    let error = ((0..n).map(square).sum::<f64>() / n as f64).sqrt();
    assert!(error < 0.05, "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn closed_forms_are_certified_from_the_result_alone(
        seed in any::<u64>(), n in 2_usize..25, k in 0_usize..4, uneven in any::<bool>(), which in 0_usize..3,
    ) {
        let mut rng = Rng::new(seed);
        let y: Vec<f64> = (0..n).map(|_| rng.normal::<f64>()).collect();
        let w: Vec<f64> = (0..n).map(|_| 0.2 + rng.uniform::<f64>()).collect();
        let mut t = vec![0.0; n];
        for i in 1..n {
            t[i] = t[i - 1] + if uneven { 0.3 + rng.uniform::<f64>() } else { 1.0 };
        }
        let series = Series::new(&y).weights(&w).positions(&t);
        let series = if k == 0 { Series::new(&y).weights(&w) } else { series };
        let most = trend_lambda_max(series, k).unwrap();
        let lambda = [0.0, 1.0, 3.0][which] * most;
        let fit = TrendFilter::new(k, lambda).fit(series).unwrap();
        let (primal, dual) = certify(&y, &w, &t, k, lambda, fit.x());
        let size: f64 = (0..n).map(|i| 0.5 * w[i] * y[i] * y[i]).sum();
        // Rounding of x: D x between knots is not exactly 0, and lambda magnifies it.
        let rounding = 1e-14 * (n as f64) * (size + lambda * difference(&t, k).norm_bound().unwrap_or(0.0));
        prop_assert!((primal - fit.objective()).abs() <= 1e-10 * size + rounding, "{primal} {}", fit.objective());
        prop_assert!(primal - dual <= 1e-8 * size + rounding, "gap {} of {size}", primal - dual);
    }
}
