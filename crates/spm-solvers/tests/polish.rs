//! Polishing against an exact active-set answer and bad input.
#![allow(clippy::unwrap_used)]

use spm_linalg::penalty::L1;
use spm_linalg::testing::Rng;
use spm_linalg::{Dense, Scalar, vecops};
use spm_solvers::admm::{Admm, AdmmOptions, least_squares_update};
use spm_solvers::polish::PolishL1;
use spm_solvers::stop::Residual;
use spm_solvers::{Control, Iteration, run};

/// Correlated columns and a sparse truth.
fn problem<T: Scalar>(n: usize, p: usize) -> (Vec<T>, Vec<T>) {
    let mut rng = Rng::new(4);
    let mut x: Vec<T> = rng.normals(n * p);
    for e in n..n * p {
        x[e] = T::of(0.8) * x[e - n] + T::of(0.6) * x[e];
    }
    let y = (0..n).map(|i| T::of(2.0) * x[i] - x[i + (p - 1) * n] + T::of(0.5) * rng.normal::<T>()).collect();
    (x, y)
}

/// The largest optimality violation in plain loops, relative to `lambda`.
fn violation(
    x: &[f64],
    y: &[f64],
    s: f64,
    lambda: impl Fn(usize) -> f64,
    ridge: impl Fn(usize) -> f64,
    w: &[f64],
) -> f64 {
    let n = y.len();
    let residual: Vec<f64> =
        (0..n).map(|i| (0..w.len()).map(|j| x[i + j * n] * w[j]).sum::<f64>() - y[i]).collect();
    (0..w.len())
        .map(|j| {
            let g = s * (0..n).map(|i| x[i + j * n] * residual[i]).sum::<f64>() + ridge(j) * w[j];
            if w[j] == 0.0 { (g.abs() - lambda(j)).max(0.0) } else { (g + lambda(j) * w[j].signum()).abs() }
        })
        .fold(0.0, f64::max)
}

fn approximate(a: Dense<'_, f64>, y: &[f64], s: f64, lambda: f64, tol: f64) -> Vec<f64> {
    let g = L1::new(lambda).unwrap();
    let update = least_squares_update(a, y, s, None).unwrap();
    let mut admm = Admm::new(update, &g, None, &AdmmOptions::default()).unwrap();
    let report = run(&mut admm, Control::new(5000, &mut Residual { tol })).unwrap();
    assert!(report.status.is_converged());
    admm.iterate().to_vec()
}

#[test]
fn rough_solutions_become_exact() {
    for (n, p) in [(60, 20), (30, 80)] {
        let (x, y) = problem::<f64>(n, p);
        let a = Dense::from_column_major(&x, n, p).unwrap();
        let s = 1.0 / n as f64;
        for (lambda, tol) in [(0.3, 1e-3), (0.05, 1e-4), (0.05, 1e-2)] {
            let mut w = approximate(a, &y, s, lambda, tol);
            let rough = violation(&x, &y, s, |_| lambda, |_| 0.0, &w);
            let done = PolishL1::new(&a, &y, s, lambda).polish(&mut w, 100).unwrap();
            assert!(done.accepted);
            assert!((done.before - rough).abs() < 1e-13);
            let after = violation(&x, &y, s, |_| lambda, |_| 0.0, &w);
            assert!(after < 1e-13, "{n}x{p} lambda {lambda} tol {tol}: {after:e}");
            assert!((done.after - after).abs() < 1e-13);
            // The tight run finds the same point.
            let tight = approximate(a, &y, s, lambda, 1e-11);
            assert!(vecops::sq_dist(&w, &tight).sqrt() < 1e-8);
        }
    }
}

#[test]
fn nearly_collinear_columns_need_only_a_rough_start() {
    // Smooth curves sampled densely: neighbouring columns differ by 1e-3. First-order methods take 1e5 iterations here.
    let (n, p) = (30, 120);
    let mut rng = Rng::new(1);
    let mut x = vec![0.0_f64; n * p];
    for i in 0..n {
        let c: Vec<f64> = rng.normals(6);
        for j in 0..p {
            let t = j as f64 / p as f64;
            let smooth = |k: usize| c[k] * (-30.0 * (t - k as f64 / 6.0).powi(2)).exp();
            x[i + j * n] = (0..6).map(smooth).sum::<f64>() + 1e-3 * rng.normal::<f64>();
        }
    }
    let y: Vec<f64> =
        (0..n).map(|i| x[i + 20 * n] - 2.0 * x[i + 70 * n] + 0.05 * rng.normal::<f64>()).collect();
    let a = Dense::from_column_major(&x, n, p).unwrap();
    let s = 1.0 / n as f64;
    for lambda in [1e-2, 1e-3] {
        let mut w = approximate(a, &y, s, lambda, 1e-3);
        let done = PolishL1::new(&a, &y, s, lambda).polish(&mut w, 300).unwrap();
        assert!(done.accepted && done.before > 1e-5);
        assert!(violation(&x, &y, s, |_| lambda, |_| 0.0, &w) < 1e-13);
    }
}

#[test]
fn the_support_grows_from_nothing_and_shrinks_from_everything() {
    let (n, p) = (50, 10);
    let (x, y) = problem::<f64>(n, p);
    let a = Dense::from_column_major(&x, n, p).unwrap();
    let s = 1.0 / n as f64;
    let problem = PolishL1::new(&a, &y, s, 0.2);
    let (mut from_zero, mut from_noise) = (vec![0.0; p], Rng::new(1).normals::<f64>(p));
    assert!(problem.polish(&mut from_zero, 100).unwrap().after < 1e-14);
    assert!(problem.polish(&mut from_noise, 100).unwrap().after < 1e-14);
    assert!(vecops::sq_dist(&from_zero, &from_noise) < 1e-24);
}

#[test]
fn penalty_factors_and_ridge_are_respected() {
    let (n, p) = (40, 12);
    let (x, y) = problem::<f64>(n, p);
    let a = Dense::from_column_major(&x, n, p).unwrap();
    let factors: Vec<f64> = (0..p).map(|j| if j == 3 { 0.0 } else { 0.5 + j as f64 / 4.0 }).collect();
    let mut w = vec![0.0; p];
    let polish = PolishL1::new(&a, &y, 0.025, 0.1).factors(&factors).ridge(0.2);
    assert!(polish.polish(&mut w, 100).unwrap().accepted);
    assert!(w[3] != 0.0);
    assert!(violation(&x, &y, 0.025, |j| 0.1 * factors[j], |j| 0.2 * factors[j], &w) < 1e-14);
}

#[test]
fn a_sign_constraint_is_respected() {
    let (n, p) = (40, 12);
    let (x, y) = problem::<f64>(n, p);
    let a = Dense::from_column_major(&x, n, p).unwrap();
    let factors: Vec<f64> = (0..p).map(|j| f64::from(u8::from(j != p - 1 && j != 3))).collect();
    for start in [vec![0.0; p], Rng::new(3).normals(p)] {
        let mut w = start;
        let polish = PolishL1::new(&a, &y, 0.025, 0.1).factors(&factors).ridge(0.2).non_negative(true);
        assert!(polish.polish(&mut w, 100).unwrap().after < 1e-14);
        // The data ask for a negative last coefficient, which has no penalty.
        assert!(w.iter().all(|&v| v >= 0.0) && w[p - 1] == 0.0 && w[0] > 0.0);
        for j in 0..p {
            let r: Vec<f64> =
                (0..n).map(|i| y[i] - (0..p).map(|k| x[i + k * n] * w[k]).sum::<f64>()).collect();
            let pull = 0.025 * (0..n).map(|i| x[i + j * n] * r[i]).sum::<f64>() - 0.1 * factors[j];
            let slope = pull - 0.2 * factors[j] * w[j];
            assert!(if w[j] > 0.0 { slope.abs() < 1e-14 } else { slope < 1e-14 }, "{j}: {slope:e}");
        }
    }
}

#[test]
fn duplicate_columns_and_optimal_points_do_no_harm() {
    let x = [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 0.0, 0.0, 0.0];
    let y = [1.0, 2.0, 2.5];
    let a = Dense::from_column_major(&x, 3, 3).unwrap();
    let mut w = [0.4_f64, 0.4, 0.0];
    let done = PolishL1::new(&a, &y, 1.0, 0.1).polish(&mut w, 10).unwrap();
    assert!(done.after < 1e-14 && w[2] == 0.0);
    let before = w;
    let again = PolishL1::new(&a, &y, 1.0, 0.1).polish(&mut w, 10).unwrap();
    assert!(!again.accepted || again.after < again.before);
    assert!((w[0] - before[0]).abs() < 1e-14);
}

#[test]
fn single_precision() {
    let (n, p) = (60, 20);
    let (x, y) = problem::<f32>(n, p);
    let a = Dense::from_column_major(&x, n, p).unwrap();
    let mut w = vec![0.0_f32; p];
    let done = PolishL1::new(&a, &y, 1.0 / n as f32, 0.2).polish(&mut w, 100).unwrap();
    assert!(done.accepted && done.after < 1e-6);
}

#[test]
fn bad_input_is_an_error() {
    let x = [1.0, 0.0, 0.0, 1.0];
    let a = Dense::from_column_major(&x, 2, 2).unwrap();
    let (good, nan) = ([1.0, 2.0], [1.0, f64::NAN]);
    let mut w = [1.0, 0.0];
    assert!(PolishL1::new(&a, &nan, 1.0, 0.1).polish(&mut w, 5).is_err());
    assert!(PolishL1::new(&a, &good, 0.0, 0.1).polish(&mut w, 5).is_err());
    assert!(PolishL1::new(&a, &good, 1.0, -0.1).polish(&mut w, 5).is_err());
    assert!(PolishL1::new(&a, &good, 1.0, 0.1).factors(&nan).polish(&mut w, 5).is_err());
    assert!(PolishL1::new(&a, &good[..1], 1.0, 0.1).polish(&mut w, 5).is_err());
    assert!(PolishL1::new(&a, &good, 1.0, 0.1).polish(&mut [f64::INFINITY, 0.0], 5).is_err());
    assert_eq!(w, [1.0, 0.0]);
}
