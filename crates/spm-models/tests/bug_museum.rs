//! Known mistakes of Lasso implementations, each as a test that ours must pass.
#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::time::Duration;

use proptest::prelude::*;
use spm_linalg::LinalgError;
use spm_linalg::testing::Rng;
use spm_models::{
    Design, ElasticNet, Fit, FitControl, FittedLinear, HmLasso, Lasso, ModelError, Predict, Score, Solver, Xy,
};
use spm_solvers::{Progress, Status};

/// A random regression problem, 3 true coefficients.
struct Problem {
    n: usize,
    p: usize,
    x: Vec<f64>,
    y: Vec<f64>,
}

fn problem(seed: u64, n: usize, p: usize) -> Problem {
    let mut rng = Rng::new(seed);
    let x: Vec<f64> = rng.normals(n * p);
    let y = (0..n)
        .map(|i| {
            let signal = 3.0 * x[i] - 2.0 * x[(p - 1) * n + i] + x[(p / 2) * n + i];
            4.0 + signal + 0.1 * rng.normal::<f64>()
        })
        .collect();
    Problem { n, p, x, y }
}

impl Problem {
    fn data(&self) -> Xy<'_, f64> {
        Xy::new(Design::dense(&self.x, self.n, self.p).unwrap(), &self.y)
    }
}

fn solve(model: &ElasticNet<f64>, data: Xy<'_, f64>) -> FittedLinear<f64> {
    model.fit(data).unwrap().require_converged().unwrap()
}

fn close(a: &[f64], b: &[f64], tol: f64) {
    assert_eq!(a.len(), b.len());
    let size = a.iter().chain(b).fold(0.0_f64, |m, v| m.max(v.abs()));
    for (j, (a, b)) in a.iter().zip(b).enumerate() {
        assert!((a - b).abs() <= tol * size, "entry {j}: {a} against {b}");
    }
}

fn exact(alpha: f64, l1_ratio: f64) -> ElasticNet<f64> {
    ElasticNet::new(alpha, l1_ratio).tol(1e-14)
}

/// Every combination of options that should not matter for a law.
fn variants(alpha: f64) -> Vec<ElasticNet<f64>> {
    let mut out = vec![];
    for l1_ratio in [1.0, 0.5] {
        for standardize in [false, true] {
            for positive in [false, true] {
                out.push(exact(alpha, l1_ratio).standardize(standardize).positive(positive));
            }
        }
    }
    out
}

#[test]
fn intercept_is_fitted_with_centred_columns() {
    let a = problem(1, 40, 12);
    let shift = |j: usize| 5.0 + j as f64;
    let moved =
        Problem { x: a.x.iter().enumerate().map(|(k, v)| v + shift(k / a.n)).collect(), y: a.y.clone(), ..a };
    let a = problem(1, 40, 12);
    for model in variants(0.2) {
        let (f, g) = (solve(&model, a.data()), solve(&model, moved.data()));
        close(&f.coef, &g.coef, 1e-7);
        let moves: f64 = f.coef.iter().enumerate().map(|(j, w)| w * shift(j)).sum();
        assert!((f.intercept - moves - g.intercept).abs() < 1e-6);
    }
}

#[test]
fn alpha_does_not_depend_on_the_number_of_rows() {
    let a = problem(2, 30, 8);
    let twice =
        |v: &[f64]| v.chunks(a.n).flat_map(|c| c.iter().chain(c).copied().collect::<Vec<_>>()).collect();
    let doubled = Problem { n: 60, p: 8, x: twice(&a.x), y: twice(&a.y) };
    for model in variants(0.3) {
        let (f, g) = (solve(&model, a.data()), solve(&model, doubled.data()));
        close(&f.coef, &g.coef, 1e-7);
        assert!((f.objective() / g.objective() - 1.0).abs() < 1e-12);
    }
    let model = Lasso::new(1.0);
    let (f, g) = (model.alpha_max(a.data()).unwrap(), model.alpha_max(doubled.data()).unwrap());
    assert!((f / g - 1.0).abs() < 1e-13);
}

#[test]
fn integer_weights_equal_repeated_rows() {
    let a = problem(3, 25, 6);
    let weights: Vec<f64> = (0..25).map(|i| f64::from(i % 4)).collect();
    let repeat = |v: &[f64]| -> Vec<f64> {
        v.chunks(a.n)
            .flat_map(|c| c.iter().zip(&weights).flat_map(|(&v, &w)| vec![v; w as usize]).collect::<Vec<_>>())
            .collect()
    };
    let y = repeat(&a.y);
    let repeated = Problem { n: y.len(), p: 6, x: repeat(&a.x), y };
    for fit_intercept in [true, false] {
        for model in variants(0.3) {
            let model = model.fit_intercept(fit_intercept);
            let weighted = a.data().sample_weight(&weights);
            let (f, g) = (solve(&model, weighted), solve(&model, repeated.data()));
            close(&f.coef, &g.coef, 1e-7);
            assert!((f.intercept - g.intercept).abs() < 1e-7);
            assert!((f.objective() / g.objective() - 1.0).abs() < 1e-12);
            let (f, g) = (model.alpha_max(weighted).unwrap(), model.alpha_max(repeated.data()).unwrap());
            assert!((f / g - 1.0).abs() < 1e-12);
        }
    }
}

#[test]
fn scale_of_the_weights_does_not_matter() {
    let a = problem(4, 25, 6);
    let weights: Vec<f64> = (0..25).map(|i| 1.0 + f64::from(i % 4)).collect();
    let f = solve(&exact(0.3, 1.0), a.data().sample_weight(&weights));
    for factor in [1e-300, 1e300] {
        let scaled: Vec<f64> = weights.iter().map(|w| w * factor).collect();
        close(&f.coef, &solve(&exact(0.3, 1.0), a.data().sample_weight(&scaled)).coef, 1e-9);
    }
}

/// A problem with many zeros, dense and in compressed columns.
fn with_zeros(seed: u64, n: usize, p: usize) -> (Problem, Vec<usize>, Vec<usize>, Vec<f64>) {
    let mut a = problem(seed, n, p);
    let mut rng = Rng::new(seed + 100);
    let (mut indptr, mut rows, mut values) = (vec![0], vec![], vec![]);
    for j in 0..p {
        for i in 0..n {
            let v = &mut a.x[j * n + i];
            if rng.uniform::<f64>() < 0.3 {
                *v += 1.0;
                rows.push(i);
                values.push(*v);
            } else {
                *v = 0.0;
            }
        }
        indptr.push(rows.len());
    }
    (a, indptr, rows, values)
}

#[test]
fn dense_equals_sparse() {
    let (a, indptr, rows, values) = with_zeros(5, 50, 30);
    let weights: Vec<f64> = (0..50).map(|i| 0.5 + f64::from(i % 3)).collect();
    let x = Design::sparse(50, &indptr, &rows, &values).unwrap();
    for fit_intercept in [true, false] {
        for model in variants(0.05) {
            let model = model.fit_intercept(fit_intercept);
            for weights in [None, Some(weights.as_slice())] {
                let (mut dense, mut sparse) = (a.data(), Xy::new(x, &a.y));
                (dense.sample_weight, sparse.sample_weight) = (weights, weights);
                let (f, g) = (solve(&model, dense), solve(&model, sparse));
                close(&f.coef, &g.coef, 1e-6);
                assert!((f.objective() / g.objective() - 1.0).abs() < 1e-12);
                let (s, t) = (model.alpha_max(dense).unwrap(), model.alpha_max(sparse).unwrap());
                assert!((s / t - 1.0).abs() < 1e-12);
                close(&f.predict(dense.x).unwrap(), &f.predict(sparse.x).unwrap(), 1e-13);
            }
        }
    }
}

#[test]
fn standardising_equals_a_standardised_copy() {
    let mut a = problem(6, 30, 10);
    for (k, v) in a.x.iter_mut().enumerate() {
        *v = 7.0 + *v * 10_f64.powi((k / 30) as i32 % 5 - 2);
    }
    let f = solve(&exact(0.2, 0.7).standardize(true), a.data());
    let mut deviations = vec![];
    let mut copy = Problem { x: a.x.clone(), y: a.y.clone(), ..a };
    for col in copy.x.chunks_mut(30) {
        let mean = col.iter().sum::<f64>() / 30.0;
        let sd = (col.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / 30.0).sqrt();
        col.iter_mut().for_each(|v| *v = (*v - mean) / sd);
        deviations.push(sd);
    }
    let g = solve(&exact(0.2, 0.7), copy.data());
    let rescaled: Vec<f64> = g.coef.iter().zip(&deviations).map(|(w, s)| w / s).collect();
    close(&f.coef, &rescaled, 1e-6);
    close(&f.predict(a.data().x).unwrap(), &g.predict(copy.data().x).unwrap(), 1e-7);
}

#[test]
fn alpha_max_is_where_the_last_feature_leaves() {
    let a = problem(7, 30, 50);
    let mut penalty_weights: Vec<f64> = (0..50).map(|j| 0.2 + f64::from(j % 5)).collect();
    for zeros in [false, true] {
        if zeros {
            penalty_weights[3] = 0.0;
            penalty_weights[20] = 0.0;
        }
        for model in variants(1.0) {
            let mut model = model.penalty_weights(penalty_weights.clone());
            let alpha = model.alpha_max(a.data()).unwrap();
            // With unpenalised features to fit first, a feature on the edge is decided by rounding.
            model.alpha = if zeros { alpha * 1.001 } else { alpha };
            model.tol = if zeros { 1e-14 } else { 1e-9 };
            let penalised =
                |f: &FittedLinear<f64>| f.nonzeros().filter(|&(j, _)| penalty_weights[j] > 0.0).count();
            assert_eq!(penalised(&solve(&model, a.data())), 0);
            model.alpha = alpha * 1.5;
            assert_eq!(penalised(&solve(&model, a.data())), 0);
            model.alpha = alpha * 0.999;
            model.tol = 1e-14;
            assert!(penalised(&solve(&model, a.data())) > 0);
        }
    }
}

#[test]
fn constant_columns_get_zero() {
    let mut a = problem(8, 20, 5);
    a.x[20..40].fill(0.1);
    a.x[60..80].fill(0.0);
    for model in variants(0.01) {
        let f = solve(&model, a.data());
        assert_eq!((f.coef[1], f.coef[3]), (0.0, 0.0));
    }
    let f = solve(&exact(0.0, 1.0), a.data());
    assert_eq!((f.coef[1], f.coef[3]), (0.0, 0.0));
}

#[test]
fn duplicate_columns_share_without_trouble() {
    let a = problem(9, 30, 4);
    let twice = Problem { x: [a.x.clone(), a.x.clone()].concat(), y: a.y.clone(), n: 30, p: 8 };
    for l1_ratio in [1.0, 0.5] {
        let f = solve(&exact(0.1, l1_ratio), twice.data());
        if l1_ratio == 1.0 {
            let g = solve(&exact(0.1, 1.0), a.data());
            let sum: Vec<f64> = (0..4).map(|j| f.coef[j] + f.coef[j + 4]).collect();
            close(&sum, &g.coef, 1e-7);
        } else {
            close(&f.coef[..4], &f.coef[4..], 1e-6);
        }
    }
}

#[test]
fn fewer_rows_than_columns() {
    let a = problem(10, 10, 200);
    for alpha in [1.0, 0.1, 0.01] {
        let f = solve(&exact(alpha, 1.0), a.data());
        assert!(f.nnz() <= 10 && f.relative_gap() <= 1e-14);
    }
}

#[test]
fn one_or_two_rows() {
    for n in [1, 2] {
        let a = problem(11, n, 3);
        for model in variants(0.1) {
            let f = solve(&model, a.data());
            assert!(f.coef.iter().all(|w| w.is_finite()));
            if n == 1 {
                assert_eq!((f.nnz(), f.intercept), (0, a.y[0]));
            }
        }
    }
}

#[test]
fn extreme_scales() {
    let a = problem(12, 30, 10);
    let f = solve(&exact(0.2, 1.0), a.data());
    for s in [1e12, 1e-12] {
        for t in [1e12, 1e-12] {
            let b = Problem {
                x: a.x.iter().map(|v| v * s).collect(),
                y: a.y.iter().map(|v| v * t).collect(),
                ..a
            };
            let g = solve(&exact(0.2 * s * t, 1.0), b.data());
            let back: Vec<f64> = g.coef.iter().map(|w| w * s / t).collect();
            close(&f.coef, &back, 1e-7);
        }
    }
}

#[test]
fn raw_spectra_with_a_tiny_alpha() {
    // Smooth curves in whole numbers, nearly dependent, in several units; no penalty to speak of.
    let (n, p) = (40, 200);
    let mut rng = Rng::new(12);
    let parts: Vec<f64> = rng.normals(8 * n);
    let bump = |j: usize, k: usize| (-((j as f64 / 25.0 - k as f64) / 0.7).powi(2)).exp();
    let x: Vec<f64> = (0..n * p)
        .map(|e| {
            let sum: f64 = (0..8).map(|k| parts[k * n + e % n] * bump(e / n, k)).sum();
            (1e4 * sum).round()
        })
        .collect();
    let y: Vec<f64> = (0..n).map(|i| parts[i] - parts[2 * n + i] + 0.01 * rng.normal::<f64>()).collect();
    for unit in [1e-12, 1.0, 1e12] {
        let x: Vec<f64> = x.iter().map(|v| unit * v).collect();
        let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
        let top = Lasso::new(1.0).alpha_max(data).unwrap();
        for share in [1e-2, 1e-4, 1e-6] {
            let fitted = Lasso::new(share * top).max_iter(5000).fit(data).unwrap();
            assert!(fitted.report.status.is_converged(), "{unit:e} {share:e}: {:?}", fitted.report);
        }
    }
}

#[test]
fn columns_of_very_different_scale() {
    let mut a = problem(13, 40, 6);
    let plain = solve(&exact(0.1, 1.0).standardize(true), a.data());
    for (k, v) in a.x.iter_mut().enumerate() {
        *v *= 10_f64.powi(6 * ((k / 40) as i32 % 3 - 1));
    }
    let f = solve(&exact(0.1, 1.0).standardize(true), a.data());
    let back: Vec<f64> =
        f.coef.iter().enumerate().map(|(j, w)| w * 10_f64.powi(6 * (j as i32 % 3 - 1))).collect();
    close(&plain.coef, &back, 1e-7);
}

#[test]
fn huge_offsets() {
    let a = problem(14, 50, 6);
    let far =
        Problem { x: a.x.iter().map(|v| v + 1e6).collect(), y: a.y.iter().map(|v| v + 1e6).collect(), ..a };
    for model in [exact(0.1, 1.0), exact(0.1, 1.0).standardize(true)] {
        let model = model.tol(1e-11);
        close(&solve(&model, a.data()).coef, &solve(&model, far.data()).coef, 1e-6);
    }
}

#[test]
fn single_precision() {
    let a = problem(15, 60, 20);
    let x: Vec<f32> = a.x.iter().map(|&v| v as f32).collect();
    let y: Vec<f32> = a.y.iter().map(|&v| v as f32).collect();
    let data = Xy::new(Design::dense(&x, 60, 20).unwrap(), &y);
    for positive in [false, true] {
        let f = Lasso::new(0.1_f32).positive(positive).fit(data).unwrap().require_converged().unwrap();
        let g = solve(&exact(0.1, 1.0).positive(positive), a.data());
        for (j, (&a, &b)) in f.coef.iter().zip(&g.coef).enumerate() {
            assert!((f64::from(a) - b).abs() < 2e-2, "coefficient {j}: {a} against {b}");
        }
        assert!(f.relative_gap() <= 1.2e-4);
    }
}

#[test]
fn unpenalised_features_are_least_squares() {
    let a = problem(16, 30, 6);
    // Everything free: ordinary least squares, whose residual is orthogonal to every column.
    let f = solve(&exact(1.0, 1.0).penalty_weights(vec![0.0; 6]), a.data());
    let prediction = f.predict(a.data().x).unwrap();
    for col in a.x.chunks(30) {
        let dot: f64 = col.iter().zip(&a.y).zip(&prediction).map(|((x, y), p)| x * (y - p)).sum();
        assert!(dot.abs() < 1e-5);
    }
    close(&f.coef, &solve(&exact(0.0, 1.0), a.data()).coef, 1e-6);
    // Non-negative least squares: gradients of the excluded features point outwards.
    let f = solve(&exact(0.0, 1.0).positive(true), a.data());
    let prediction = f.predict(a.data().x).unwrap();
    for (j, col) in a.x.chunks(30).enumerate() {
        let mean = col.iter().sum::<f64>() / 30.0;
        let dot: f64 = col.iter().zip(&a.y).zip(&prediction).map(|((x, y), p)| (x - mean) * (y - p)).sum();
        assert!(if f.coef[j] > 0.0 { dot.abs() < 1e-5 } else { dot < 1e-5 }, "feature {j}: {dot}");
    }
}

#[test]
fn ridge_has_its_closed_form() {
    // One centred column: w = Σxy / (Σx² + n·alpha).
    let x = [-1.0, 0.0, 1.0, 2.0, -2.0];
    let y = [-2.0, 0.5, 2.0, 3.0, -3.5];
    let data = Xy::new(Design::dense(&x, 5, 1).unwrap(), &y);
    let f = solve(&exact(0.3, 0.0), data);
    assert!((f.coef[0] - 17.0 / (10.0 + 5.0 * 0.3)).abs() < 1e-7);
}

#[test]
fn constant_response_is_an_exact_intercept() {
    let a = problem(17, 20, 4);
    let y = vec![0.1; 20];
    let f = solve(&exact(0.0, 1.0), Xy::new(a.data().x, &y));
    assert_eq!((f.nnz(), f.intercept), (0, 0.1));
    assert_eq!(f.score(Xy::new(a.data().x, &y)).unwrap(), 1.0);
    assert_eq!(Lasso::new(1.0).alpha_max(Xy::new(a.data().x, &y)).unwrap(), 0.0);
}

#[test]
fn bad_input_is_a_typed_error() {
    let a = problem(18, 10, 3);
    let fit = |m: ElasticNet<f64>| m.fit(a.data()).unwrap_err();
    for alpha in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(matches!(
            fit(ElasticNet::new(alpha, 1.0)),
            ModelError::Linalg(LinalgError::InvalidParam { .. })
        ));
    }
    for tol in [0.0, -1.0, f64::NAN] {
        assert!(matches!(
            fit(exact(1.0, 1.0).tol(tol)),
            ModelError::Linalg(LinalgError::InvalidParam { .. })
        ));
    }
    for l1_ratio in [-0.1, 1.1, f64::NAN] {
        assert!(ElasticNet::new(1.0, l1_ratio).validate().is_err());
    }
    for weights in [vec![1.0; 2], vec![1.0, -1.0, 1.0], vec![1.0, f64::NAN, 1.0]] {
        let _ = fit(exact(1.0, 1.0).penalty_weights(weights));
    }
    for weights in [vec![1.0; 9], vec![0.0; 10], vec![-1.0; 10], vec![f64::NAN; 10]] {
        assert!(Lasso::new(1.0).fit(a.data().sample_weight(&weights)).is_err());
    }
    assert!(Lasso::new(1.0).fit(Xy::new(a.data().x, &a.y[..9])).is_err());
    let empty = Design::dense(&[], 0, 3).unwrap();
    assert_eq!(
        Lasso::<f64>::new(1.0).fit(Xy::new(empty, &[])).unwrap_err(),
        ModelError::Linalg(LinalgError::Empty { what: "X: rows" })
    );
    assert!(Lasso::<f64>::new(1.0).fit(Xy::new(Design::dense(&[], 10, 0).unwrap(), &a.y)).is_err());
    for bad in [f64::NAN, f64::INFINITY] {
        let mut x = a.x.clone();
        x[23] = bad;
        let err = Lasso::new(1.0).fit(Xy::new(Design::dense(&x, 10, 3).unwrap(), &a.y)).unwrap_err();
        assert_eq!(err, ModelError::Linalg(LinalgError::NonFiniteAt { what: "X", row: 3, col: 2 }));
        let mut y = a.y.clone();
        y[4] = bad;
        let err = Lasso::new(1.0).fit(Xy::new(a.data().x, &y)).unwrap_err();
        assert_eq!(err, ModelError::Linalg(LinalgError::NonFinite { what: "y", index: 4 }));
    }
    let f = solve(&exact(0.1, 1.0), a.data());
    assert!(f.predict(Design::dense(&a.x[..20], 10, 2).unwrap()).is_err());
}

#[test]
fn admm_returns_the_sparse_iterate() {
    let pr = problem(31, 60, 200);
    let model = ElasticNet::new(0.2, 1.0);
    let reference = solve(&model.clone().tol(1e-13), pr.data());
    let support = |fit: &FittedLinear<f64>| fit.nonzeros().map(|e| e.0).collect::<Vec<_>>();
    for tol in [1e-2, 1e-4, 1e-8] {
        let fit = solve(&model.clone().solver(Solver::Admm).tol(tol), pr.data());
        assert!(fit.nnz() <= 20, "{tol}: {} of 200 are not zero", fit.nnz());
        if tol < 1e-6 {
            assert_eq!(support(&fit), support(&reference));
        }
    }
}

#[test]
fn missing_values_recover_a_known_coefficient_with_a_bounded_covariance() {
    let (n, p) = (40_000, 4);
    for percent in [30, 60, 90] {
        let mut rng = Rng::new(percent);
        let x: Vec<f64> = rng.normals(n * p);
        let y: Vec<f64> = (0..n).map(|i| x[i] + 0.1 * rng.normal::<f64>()).collect();
        let holes =
            x.iter().map(|&v| if rng.uniform::<f64>() * 100.0 < percent as f64 { f64::NAN } else { v });
        let holes: Vec<f64> = holes.collect();
        let data = Xy::new(Design::dense(&holes, n, p).unwrap(), &y);
        let fit = HmLasso::new(0.1).fit(data).unwrap().require_converged().unwrap();
        // Orthogonal columns of unit variance: the soft threshold of 1.
        assert!((fit.coef[0] - 0.9).abs() < 0.15, "{percent} %: {:?}", fit.coef);
        assert!(fit.coef[1..].iter().all(|w| w.abs() < 0.15), "{percent} %: {:?}", fit.coef);
        assert!(fit.covariance.iter().all(|v| v.abs() < 1.5), "{percent} %");
    }
}

#[test]
fn not_converging_is_a_status() {
    let a = problem(19, 30, 60);
    let f = exact(1e-3, 1.0).max_iter(2).fit(a.data()).unwrap();
    assert_eq!(f.status(), Status::MaxIterations);
    assert!(f.gap() > 0.0);
    assert!(matches!(f.require_converged(), Err(ModelError::NotConverged { .. })));
    let limited = FitControl::default().time_limit(Duration::ZERO);
    assert_eq!(exact(1e-3, 1.0).fit_with(a.data(), limited).unwrap().status(), Status::TimeLimit);
    let mut stop = |p: &Progress<f64>, _: &[f64]| {
        if p.iter < 3 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    };
    let f = exact(1e-3, 1.0).fit_with(a.data(), FitControl::default().observer(&mut stop)).unwrap();
    assert_eq!((f.status(), f.report.last.iter), (Status::Interrupted, 3));
}

#[test]
fn each_target_equals_its_own_fit() {
    let (a, b) = (problem(20, 30, 15), problem(21, 30, 15));
    let y = [a.y.clone(), b.y.clone(), a.y.iter().map(|v| -v).collect()].concat();
    let each = exact(0.1, 1.0).fit_each(a.data().x, &y, None).unwrap();
    assert_eq!(each.len(), 3);
    for (f, y) in each.iter().zip(y.chunks(30)) {
        let own = solve(&exact(0.1, 1.0), Xy::new(a.data().x, y));
        // Not to the bit: a single fit takes Xᵀy from the pass that finds the means, many targets share that pass.
        close(&f.coef, &own.coef, 1e-13);
        close(&[f.intercept], &[own.intercept], 1e-13);
    }
    assert!(exact(0.1, 1.0).fit_each(a.data().x, &y[..31], None).is_err());
}

#[cfg(feature = "rayon")]
#[test]
fn the_number_of_threads_changes_no_bit_of_any_fit() {
    let (n, p, targets) = (40, 60, 9);
    let a = problem(30, n, p);
    let y: Vec<f64> = (0..targets).flat_map(|t| problem(30 + t, n, p).y).collect();
    for model in
        [exact(0.05, 0.8), exact(0.05, 1.0).solver(Solver::Admm), exact(0.05, 1.0).solver(Solver::Fista)]
    {
        let fit = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let each = pool.install(|| model.clone().tol(1e-8).fit_each(a.data().x, &y, None)).unwrap();
            each.into_iter().map(|f| (f.coef, f.intercept, f.certificate, f.report.last)).collect::<Vec<_>>()
        };
        let one = fit(1);
        assert_eq!(one.len(), targets as usize);
        for threads in [2, 4] {
            assert_eq!(fit(threads), one, "{threads} threads: {model:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// No perturbation of the solution has a lower objective, and the certificate is honest about it.
    #[test]
    fn nothing_is_better(seed in 0_u64..1000, n in 2_usize..30, p in 1_usize..30, ratio in 0.01_f64..1.2,
                         l1_ratio in 0.1_f64..=1.0, positive: bool, intercept: bool) {
        let a = problem(seed, n, p);
        let mut model = ElasticNet::new(1.0, l1_ratio).positive(positive).fit_intercept(intercept).tol(1e-10);
        model.alpha = ratio * model.alpha_max(a.data()).unwrap();
        let f = solve(&model, a.data());
        let objective = |w: &[f64], b: f64| {
            let mut r: Vec<f64> = a.y.iter().map(|y| y - b).collect();
            for (col, w) in a.x.chunks(n).zip(w) {
                r.iter_mut().zip(col).for_each(|(r, x)| *r -= w * x);
            }
            let penalty: f64 = w.iter().map(|w| l1_ratio * w.abs() + 0.5 * (1.0 - l1_ratio) * w * w).sum();
            r.iter().map(|r| r * r).sum::<f64>() / (2.0 * n as f64) + model.alpha * penalty
        };
        let best = objective(&f.coef, f.intercept);
        prop_assert!((best - f.objective()).abs() <= 1e-10 * f.objective_at_zero);
        let mut rng = Rng::new(seed);
        for k in 0..40 {
            let size = 10_f64.powi(-(k % 8));
            let w: Vec<f64> = f.coef.iter().map(|w| {
                let v = w + size * rng.normal::<f64>();
                if positive { v.max(0.0) } else { v }
            }).collect();
            let b = if intercept { f.intercept + size * rng.normal::<f64>() } else { 0.0 };
            prop_assert!(objective(&w, b) >= best - f.gap() - 1e-12 * f.objective_at_zero);
        }
    }
}
