//! ADMM against closed forms, slow methods and itself.
#![allow(clippy::unwrap_used)]

use spm_linalg::penalty::L1;
use spm_linalg::testing::Rng;
use spm_linalg::{Dense, LinalgError, LinearOperator, MemStack, Prox, Scalar, Workspace, vecops};
use spm_solvers::admm::{
    Admm, AdmmOptions, BandedUpdate, CgUpdate, CholeskyUpdate, DiagonalUpdate, WoodburyUpdate, XUpdate,
    design_gap, least_squares_update, polish_generalized,
};
use spm_solvers::kkt::generalized_gap;
use spm_solvers::stop::{Gap, Never, Residual};
use spm_solvers::{Control, CoordinateDescent, Iteration, SolveError, Status, Term, run};

fn options<T: Scalar>() -> AdmmOptions<T> {
    AdmmOptions::default()
}

/// A sparse regression problem with unit-variance columns: the matrix column-major and the response.
fn regression<T: Scalar>(n: usize, p: usize, seed: u64) -> (Vec<T>, Vec<T>) {
    let mut rng = Rng::new(seed);
    let x: Vec<T> = rng.normals(n * p);
    let noise: Vec<T> = rng.normals(n);
    let y = (0..n)
        .map(|i| {
            T::of(3.0) * x[i] - T::of(2.0) * x[i + (p / 2) * n] + x[i + (p - 1) * n] + T::of(0.1) * noise[i]
        })
        .collect();
    (x, y)
}

fn product<T: Scalar>(a: &dyn LinearOperator<T>, x: &[T]) -> Vec<T> {
    let mut y = vec![T::nan(); a.nrows()];
    a.apply(x, &mut y, Workspace::new(a.scratch()).stack());
    y
}

fn adjoint<T: Scalar>(a: &dyn LinearOperator<T>, y: &[T]) -> Vec<T> {
    let mut x = vec![T::nan(); a.ncols()];
    a.apply_adjoint(y, &mut x, Workspace::new(a.scratch()).stack());
    x
}

/// `s Aᵀ(A x − b)`.
fn gradient<T: Scalar>(a: &Dense<'_, T>, b: &[T], s: T, x: &[T]) -> Vec<T> {
    let r: Vec<T> = product(a, x).iter().zip(b).map(|(&p, &b)| s * (p - b)).collect();
    adjoint(a, &r)
}

/// The largest violation of the Lasso's optimality conditions.
fn violation<T: Scalar>(a: &Dense<'_, T>, b: &[T], s: T, lambda: T, w: &[T]) -> T {
    gradient(a, b, s, w)
        .iter()
        .zip(w)
        .map(
            |(&g, &w)| {
                if w == T::zero() {
                    (g.abs() - lambda).max(T::zero())
                } else {
                    (g + lambda * w.signum()).abs()
                }
            },
        )
        .fold(T::zero(), T::max)
}

/// Plain proximal gradient, as slow as it is obvious.
fn ista(a: &Dense<'_, f64>, b: &[f64], s: f64, lambda: f64, step: f64, iterations: usize) -> Vec<f64> {
    let mut w = vec![0.0; a.ncols()];
    for _ in 0..iterations {
        let g = gradient(a, b, s, &w);
        w.iter_mut().zip(&g).for_each(|(w, g)| *w = vecops::soft_threshold(*w - step * g, step * lambda));
    }
    w
}

fn solve<T: Scalar>(admm: &mut Admm<'_, T>, tol: T, max_iter: usize) -> usize {
    let report = run(admm, Control::new(max_iter, &mut Residual { tol })).unwrap();
    assert_eq!(report.status, Status::Converged, "{:?}", report.last);
    report.last.iter
}

fn close<T: Scalar>(x: &[T], y: &[T], tol: f64) {
    assert_eq!(x.len(), y.len());
    for (x, y) in x.iter().zip(y) {
        assert!((*x - *y).as_f64().abs() <= tol, "{x} {y}");
    }
}

#[test]
fn orthogonal_design_is_a_soft_threshold() {
    // Columns of the 8 × 8 Hadamard matrix: AᵀA = 8 I.
    let a: Vec<f64> =
        (0..64_u32).map(|e| if ((e % 8) & (e / 8)).count_ones() % 2 == 0 { 1.0 } else { -1.0 }).collect();
    let a = Dense::from_column_major(&a, 8, 8).unwrap();
    let b: Vec<f64> = Rng::new(1).normals(8);
    let g = L1::new(0.3).unwrap();
    let truth: Vec<f64> = adjoint(&a, &b).iter().map(|c| vecops::soft_threshold(c / 8.0, 0.3)).collect();
    let update = least_squares_update(a, &b, 1.0 / 8.0, None).unwrap();
    let mut admm = Admm::new(update, &g, None, &options()).unwrap();
    let iterations = solve(&mut admm, 1e-12, 200);
    assert!(iterations <= 60, "{iterations}");
    close(admm.iterate(), &truth, 1e-11);
    for (z, t) in admm.iterate().iter().zip(&truth) {
        assert_eq!(*z == 0.0, *t == 0.0);
    }
}

#[test]
fn equals_a_long_proximal_gradient_run() {
    for (n, p) in [(40, 12), (15, 40)] {
        let (x, y) = regression::<f64>(n, p, 3);
        let a = Dense::from_column_major(&x, n, p).unwrap();
        let s = 1.0 / n as f64;
        let g = L1::new(0.2).unwrap();
        let slow = ista(&a, &y, s, 0.2, 0.9 / (s * vecops::sq_norm(&x)), 60_000);
        let mut admm =
            Admm::new(least_squares_update(a, &y, s, None).unwrap(), &g, None, &options()).unwrap();
        let iterations = solve(&mut admm, 1e-11, 2000);
        assert!(iterations <= 400, "{iterations}");
        close(admm.iterate(), &slow, 1e-8);
        assert!(violation(&a, &y, s, 0.2, admm.iterate()) < 1e-9);
    }
}

#[test]
fn agrees_with_coordinate_descent_on_a_wide_problem() {
    let (n, p) = (50, 200);
    let (x, y) = regression::<f64>(n, p, 31);
    let a = Dense::from_column_major(&x, n, p).unwrap();
    let s = 1.0 / n as f64;
    let lambda_max = vecops::norm_inf(&gradient(&a, &y, s, &vec![0.0; p]));
    for (divisor, ceiling) in [(10.0, 300), (100.0, 1500)] {
        let g = L1::new(lambda_max / divisor).unwrap();
        let mut cd = CoordinateDescent::new(a, &y, s, g).unwrap();
        assert!(run(&mut cd, Control::new(5000, &mut Gap { tol: 1e-15 })).unwrap().status.is_converged());
        let mut admm =
            Admm::new(least_squares_update(a, &y, s, None).unwrap(), &g, None, &options()).unwrap();
        let iterations = solve(&mut admm, 1e-9, 5000);
        assert!(iterations <= ceiling, "{iterations}");
        close(admm.iterate(), cd.iterate(), 1e-6);
        for (z, w) in admm.iterate().iter().zip(cd.iterate()) {
            assert!((*z == 0.0) == (*w == 0.0) || w.abs().max(z.abs()) < 1e-6);
        }
    }
}

#[test]
fn iterating_on_after_convergence_stays_there() {
    let (n, p) = (20, 30);
    let (x, y) = regression::<f64>(n, p, 37);
    let a = Dense::from_column_major(&x, n, p).unwrap();
    let g = L1::new(0.2).unwrap();
    let mut admm = Admm::new(least_squares_update(a, &y, 0.05, None).unwrap(), &g, None, &options()).unwrap();
    solve(&mut admm, 1e-12, 2000);
    let (rho, z) = (admm.rho(), admm.iterate().to_vec());
    let _ = run(&mut admm, Control::new(3000, &mut Never)).unwrap();
    assert!(admm.rho() < 10.0 * rho && admm.rho() > 0.1 * rho);
    close(admm.iterate(), &z, 1e-10);
}

#[test]
fn every_x_update_gives_the_same_lasso() {
    for (n, p) in [(30, 10), (12, 30)] {
        let (x, y) = regression::<f64>(n, p, 5);
        let a = Dense::from_column_major(&x, n, p).unwrap();
        let s = 1.0 / n as f64;
        let g = L1::new(0.1).unwrap();
        let updates: Vec<Box<dyn XUpdate<f64> + '_>> = vec![
            Box::new(CholeskyUpdate::new(a, &y, s, None).unwrap()),
            Box::new(WoodburyUpdate::new(a, &y, s).unwrap()),
            Box::new(CgUpdate::new(&a, &y, s, None).unwrap()),
        ];
        let mut solutions = Vec::new();
        for update in updates {
            let mut admm = Admm::new(update, &g, None, &options()).unwrap();
            solve(&mut admm, 1e-11, 3000);
            solutions.push(admm.iterate().to_vec());
        }
        close(&solutions[0], &solutions[1], 1e-9);
        close(&solutions[0], &solutions[2], 1e-9);
        assert!(solutions.iter().all(|w| violation(&a, &y, s, 0.1, w) < 1e-9));
    }
}

/// The first-difference matrix of order n, dense and column-major.
fn difference(n: usize) -> Vec<f64> {
    let mut d = vec![0.0; (n - 1) * n];
    for i in 0..n - 1 {
        d[i + i * (n - 1)] = -1.0;
        d[i + (i + 1) * (n - 1)] = 1.0;
    }
    d
}

#[test]
fn the_fused_lasso_is_optimal_through_every_x_update() {
    let n = 30;
    let noise: Vec<f64> = Rng::new(2).normals(n);
    let b: Vec<f64> = (0..n).map(|i| if i < 12 { 1.0 } else { 4.0 } + 0.2 * noise[i]).collect();
    let eye: Vec<f64> = (0..n * n).map(|e| f64::from(u8::from(e % n == e / n))).collect();
    let a = Dense::from_column_major(&eye, n, n).unwrap();
    let data = difference(n);
    let d = Dense::from_column_major(&data, n - 1, n).unwrap();
    let lambda = 0.8;
    let g = L1::new(lambda).unwrap();
    let ones = vec![1.0; n];
    let updates: Vec<Box<dyn XUpdate<f64> + '_>> = vec![
        least_squares_update(a, &b, 1.0, Some(&d)).unwrap(),
        Box::new(BandedUpdate::new(&ones, &b, &d, 1).unwrap()),
        Box::new(CgUpdate::new(&a, &b, 1.0, Some(&d)).unwrap()),
    ];
    let mut first: Option<Vec<f64>> = None;
    for update in updates {
        let mut admm = Admm::new(update, &g, Some(&d), &options()).unwrap();
        let iterations = solve(&mut admm, 1e-11, 3000);
        assert!(iterations <= 500, "{iterations}");
        let mut y = vec![0.0; n - 1];
        admm.dual_into(&mut y);
        // Optimality: x = b − Dᵀy, |y| <= lambda, y = lambda·sign(z) where z ≠ 0, z = D x.
        let x: Vec<f64> = b.iter().zip(adjoint(&d, &y)).map(|(b, v)| b - v).collect();
        close(admm.x(), &x, 1e-9);
        close(&product(&d, admm.x()), admm.z(), 1e-9);
        for (y, z) in y.iter().zip(admm.z()) {
            assert!(y.abs() <= lambda * (1.0 + 1e-12));
            assert!(*z == 0.0 || (y - lambda * z.signum()).abs() < 1e-12);
        }
        // The jump and little else.
        assert!(admm.z().iter().filter(|z| **z != 0.0).count() <= 6);
        assert!(admm.z()[11] > 2.0);
        match &first {
            None => first = Some(admm.x().to_vec()),
            Some(x) => close(admm.x(), x, 1e-9),
        }
    }
}

#[test]
fn a_wrong_bandwidth_is_refused() {
    let data = difference(9);
    let d = Dense::from_column_major(&data, 8, 9).unwrap();
    let b = [0.0; 9];
    assert!(matches!(
        BandedUpdate::new(&[1.0; 9], &b, &d, 0),
        Err(SolveError::Linalg(LinalgError::InvalidParam { name: "half_bandwidth", .. }))
    ));
    assert!(BandedUpdate::new(&[1.0; 9], &b, &d, 3).is_ok());
}

#[test]
fn missing_values_in_a_banded_fit_are_interpolated() {
    let n = 7;
    let data = difference(n);
    let d = Dense::from_column_major(&data, n - 1, n).unwrap();
    let b = [0.0, 0.0, 0.0, 99.0, 6.0, 6.0, 6.0];
    let w = [1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0];
    let g = L1::new(0.3).unwrap();
    let update = Box::new(BandedUpdate::new(&w, &b, &d, 1).unwrap());
    let mut admm = Admm::new(update, &g, Some(&d), &options()).unwrap();
    solve(&mut admm, 1e-10, 3000);
    // Two plateaus, each pulled by lambda over its three observations.
    assert!((admm.x()[0] - 0.1).abs() < 1e-7 && (admm.x()[6] - 5.9).abs() < 1e-7);
    assert!(admm.x()[3] > 0.1 - 1e-7 && admm.x()[3] < 5.9 + 1e-7);
}

#[test]
fn a_weighted_diagonal_quadratic_has_a_closed_form() {
    let (w, b) = ([2.0, 0.5, 0.0, 1.0], [1.0, -3.0, 5.0, 0.2]);
    let g = L1::new(0.4).unwrap();
    let update = Box::new(DiagonalUpdate::new(&w, &b, 1.0).unwrap());
    let mut admm = Admm::new(update, &g, None, &options()).unwrap();
    solve(&mut admm, 1e-12, 500);
    close(admm.iterate(), &[0.8, -2.2, 0.0, 0.0], 1e-10);
}

#[test]
fn residuals_are_what_the_documentation_says() {
    let (n, p) = (20, 8);
    let (x, y) = regression::<f64>(n, p, 7);
    let a = Dense::from_column_major(&x, n, p).unwrap();
    let s = 0.05;
    let g = L1::new(0.2).unwrap();
    for over in [1.0, 1.7] {
        let opts = options().over_relaxation(over).abs_share(0.01).max_rho_changes(0);
        let mut admm = Admm::new(least_squares_update(a, &y, s, None).unwrap(), &g, None, &opts).unwrap();
        for _ in 0..5 {
            admm.step().unwrap();
            let progress = admm.progress();
            let mut dual = vec![0.0; p];
            admm.dual_into(&mut dual);
            let zero = gradient(&a, &y, s, &vec![0.0; p]);
            let curvature = s * vecops::sq_norm(&x) / p as f64;
            let violation: Vec<f64> =
                gradient(&a, &y, s, admm.x()).iter().zip(&dual).map(|(g, y)| g + y).collect();
            let primal = vecops::sq_dist(admm.x(), admm.z()).sqrt()
                / (vecops::norm(admm.x()).max(vecops::norm(admm.z()))
                    + 0.01 * vecops::norm(&zero) / curvature);
            let dual = vecops::norm(&violation) / (vecops::norm(&dual) + 0.01 * vecops::norm(&zero));
            assert!((progress.residual - primal).abs() < 1e-10);
            assert!((progress.dual_residual.unwrap() - dual).abs() < 1e-10);
            // The multiplier is a subgradient at z in every iteration.
            let mut y = vec![0.0; p];
            admm.dual_into(&mut y);
            for (y, z) in y.iter().zip(admm.z()) {
                assert!(y.abs() <= 0.2 + 1e-12 && (*z == 0.0 || (y - 0.2 * z.signum()).abs() < 1e-12));
            }
        }
    }
}

#[test]
fn zero_is_found_exactly_and_extreme_scales_work() {
    let (n, p) = (20, 30);
    let (x, y) = regression::<f64>(n, p, 11);
    let a = Dense::from_column_major(&x, n, p).unwrap();
    let s = 1.0 / n as f64;
    let lambda_max = vecops::norm_inf(&gradient(&a, &y, s, &vec![0.0; p]));
    let g = L1::new(lambda_max * 1.01).unwrap();
    let mut admm = Admm::new(least_squares_update(a, &y, s, None).unwrap(), &g, None, &options()).unwrap();
    solve(&mut admm, 1e-9, 500);
    assert!(admm.iterate().iter().all(|w| *w == 0.0));
    // b = 0: nothing to do, and no 0/0.
    let mut admm =
        Admm::new(least_squares_update(a, &vec![0.0; n], s, None).unwrap(), &g, None, &options()).unwrap();
    assert_eq!(solve(&mut admm, 1e-9, 10), 1);

    let mut reference: Option<(usize, Vec<f64>)> = None;
    for (data_scale, response_scale) in [(1.0, 1.0), (1e-12, 1e12), (1e12, 1e-12), (1e12, 1e12)] {
        let xs: Vec<f64> = x.iter().map(|v| v * data_scale).collect();
        let ys: Vec<f64> = y.iter().map(|v| v * response_scale).collect();
        let a = Dense::from_column_major(&xs, n, p).unwrap();
        let g = L1::new(0.1 * lambda_max * data_scale * response_scale).unwrap();
        let mut admm =
            Admm::new(least_squares_update(a, &ys, s, None).unwrap(), &g, None, &options()).unwrap();
        let iterations = solve(&mut admm, 1e-9, 2000);
        let w: Vec<f64> = admm.iterate().iter().map(|v| v * data_scale / response_scale).collect();
        match &reference {
            None => reference = Some((iterations, w)),
            Some((count, truth)) => {
                assert!(iterations.abs_diff(*count) <= 2);
                close(&w, truth, 1e-6);
            }
        }
    }
}

#[test]
fn single_precision_is_first_class() {
    let (n, p) = (50, 20);
    let (x, y) = regression::<f32>(n, p, 13);
    let a = Dense::from_column_major(&x, n, p).unwrap();
    let s = 1.0 / n as f32;
    let g = L1::new(0.2_f32).unwrap();
    let mut admm = Admm::new(least_squares_update(a, &y, s, None).unwrap(), &g, None, &options()).unwrap();
    solve(&mut admm, 1e-5, 500);
    assert!(violation(&a, &y, s, 0.2, admm.iterate()) < 1e-4);
}

#[test]
fn runs_are_reproducible_and_resumable_and_starts_are_copied() {
    let (n, p) = (25, 40);
    let (x, y) = regression::<f64>(n, p, 17);
    let a = Dense::from_column_major(&x, n, p).unwrap();
    let g = L1::new(0.3).unwrap();
    let (x0, y0): (Vec<f64>, Vec<f64>) = (Rng::new(1).normals(p), Rng::new(2).normals(p));
    let (x_copy, y_copy) = (x0.clone(), y0.clone());
    let make = || {
        let mut admm =
            Admm::new(least_squares_update(a, &y, 0.04, None).unwrap(), &g, None, &options()).unwrap();
        admm.start_from(&x0, &y0).unwrap();
        admm
    };
    let (mut one, mut two) = (make(), make());
    let _ = run(&mut one, Control::new(80, &mut Never)).unwrap();
    let _ = run(&mut two, Control::new(40, &mut Never)).unwrap();
    let _ = run(&mut two, Control::new(40, &mut Never)).unwrap();
    assert_eq!(one.iterate(), two.iterate());
    assert_eq!(one.progress(), two.progress());
    assert_eq!((x0, y0), (x_copy, y_copy));
}

#[test]
fn a_restart_continues_on_the_next_problem() {
    let (n, p) = (30, 15);
    let (x, y) = regression::<f64>(n, p, 19);
    let a = Dense::from_column_major(&x, n, p).unwrap();
    let s = 1.0 / n as f64;
    let (g1, g2) = (L1::new(0.30).unwrap(), L1::new(0.29).unwrap());
    let fresh = |g| Admm::new(least_squares_update(a, &y, s, None).unwrap(), g, None, &options()).unwrap();
    let mut warm = fresh(&g1);
    solve(&mut warm, 1e-10, 2000);
    warm.restart(&g2).unwrap();
    let warm_count = solve(&mut warm, 1e-10, 2000);
    let mut cold = fresh(&g2);
    let cold_count = solve(&mut cold, 1e-10, 2000);
    close(warm.iterate(), cold.iterate(), 1e-8);
    assert!(warm_count <= cold_count, "{warm_count} {cold_count}");
}

#[test]
fn a_bad_start_of_the_penalty_is_corrected() {
    let (n, p) = (40, 20);
    let (x, y) = regression::<f64>(n, p, 23);
    let a = Dense::from_column_major(&x, n, p).unwrap();
    let g = L1::new(0.1).unwrap();
    for rho in [1e-6, 1e6] {
        let update = || least_squares_update(a, &y, 1.0 / n as f64, None).unwrap();
        let mut admm = Admm::new(update(), &g, None, &options().rho(rho)).unwrap();
        let count = solve(&mut admm, 1e-8, 2000);
        assert!(count <= 400, "{count}");
        assert!(admm.rho_changes() > 0);
        let mut fixed = Admm::new(update(), &g, None, &options().rho(rho).max_rho_changes(0)).unwrap();
        let report = run(&mut fixed, Control::new(count, &mut Residual { tol: 1e-8 })).unwrap();
        assert_eq!(report.status, Status::MaxIterations);
        assert_eq!(fixed.rho(), rho);
    }
}

/// A prox that breaks after a while.
#[derive(Debug)]
struct Poison;

impl Prox<f64> for Poison {
    fn value(&self, _x: &[f64]) -> f64 {
        0.0
    }
    fn prox_into(&self, _x: &[f64], _step: f64, out: &mut [f64], _stack: &mut MemStack) -> f64 {
        out.fill(f64::NAN);
        0.0
    }
}

#[test]
fn bad_input_is_an_error_and_never_a_hang() {
    let x = [1.0, 2.0, 3.0, 4.0];
    let a = Dense::from_column_major(&x, 2, 2).unwrap();
    let g = L1::new(1.0).unwrap();
    let bad = |v: f64| [1.0, v];
    for v in [f64::NAN, f64::INFINITY] {
        let err = least_squares_update(a, &bad(v), 1.0, None).unwrap_err();
        assert!(matches!(err, SolveError::Linalg(LinalgError::NonFinite { index: 1, .. })));
        assert!(CgUpdate::new(&a, &bad(v), 1.0, None).is_err());
        assert!(DiagonalUpdate::new(&[1.0, 1.0], &bad(v), 1.0).is_err());
        let data = [1.0, v, 3.0, 4.0];
        let broken = Dense::from_column_major(&data, 2, 2).unwrap();
        let err = least_squares_update(broken, &[1.0, 1.0], 1.0, None).unwrap_err();
        assert!(matches!(err, SolveError::Linalg(LinalgError::NonFiniteAt { row: 1, col: 0, .. })));
        assert!(CgUpdate::new(&broken, &[1.0, 1.0], 1.0, None).is_err());
    }
    assert!(least_squares_update(a, &[1.0], 1.0, None).is_err());
    assert!(least_squares_update(a, &[1.0, 1.0], 0.0, None).is_err());
    let update = || least_squares_update(a, &[1.0, 1.0], 1.0, None).unwrap();
    for opts in [
        options().rho(0.0),
        options().rho(f64::NAN),
        options().over_relaxation(0.9),
        options().over_relaxation(1.9),
        options().over_relaxation(f64::NAN),
        options().abs_share(-1.0),
    ] {
        assert!(Admm::new(update(), &g, None, &opts).is_err());
    }
    let wide = Dense::from_column_major(&x, 1, 4).unwrap();
    assert!(Admm::new(update(), &g, Some(&wide), &options()).is_err());
    let mut admm = Admm::new(update(), &Poison, None, &options()).unwrap();
    let err = run(&mut admm, Control::new(100, &mut Residual { tol: 1e-8 })).unwrap_err();
    assert_eq!(err, SolveError::Diverged { iter: 1 });
    assert!(admm.start_from(&[f64::NAN, 0.0], &[0.0, 0.0]).is_err());
    assert!(admm.start_from(&[0.0], &[0.0, 0.0]).is_err());
}

#[test]
fn a_system_that_neither_term_determines_is_an_error() {
    // A = 0 and K has the constants in its null space.
    let zeros = [0.0; 9];
    let a = Dense::from_column_major(&zeros, 3, 3).unwrap();
    let data = difference(3);
    let d = Dense::from_column_major(&data, 2, 3).unwrap();
    let g = L1::new(1.0).unwrap();
    let update = least_squares_update(a, &[1.0; 3], 1.0, Some(&d)).unwrap();
    let err = Admm::new(update, &g, Some(&d), &options()).unwrap_err();
    assert!(matches!(err, SolveError::Linalg(LinalgError::NotPositiveDefinite { .. })));
}

#[test]
fn a_generalized_lasso_with_a_design_is_certified() {
    let (n, p) = (25, 10);
    let (x, y) = regression::<f64>(n, p, 29);
    let a = Dense::from_column_major(&x, n, p).unwrap();
    let data = difference(p);
    let d = Dense::from_column_major(&data, p - 1, p).unwrap();
    let (s, g) = (0.04, L1::new(0.5).unwrap());
    let update = least_squares_update(a, &y, s, Some(&d)).unwrap();
    let mut admm = Admm::new(update, &g, Some(&d), &options()).unwrap();
    let mut dual = vec![0.0; p - 1];
    let term = || Term::new(&g, &d).unwrap();
    let mut last = f64::INFINITY;
    for tol in [1e-2, 1e-5, 1e-10] {
        solve(&mut admm, tol, 3000);
        admm.dual_into(&mut dual);
        let c = design_gap(a, &y, s, term(), admm.x(), &dual).unwrap();
        assert!(c.gap() < last && c.gap() >= 0.0);
        last = c.gap();
    }
    let c = design_gap(a, &y, s, term(), admm.x(), &dual).unwrap();
    assert!(c.relative_gap(c.primal) < 1e-9, "{c:?}");
    // Weak duality at arbitrary points, and multipliers outside the domain are scaled back.
    let mut rng = Rng::new(3);
    for _ in 0..20 {
        let (v, u): (Vec<f64>, Vec<f64>) = (rng.normals(p), rng.normals(p - 1));
        let other = design_gap(a, &y, s, term(), &v, &u).unwrap();
        assert!(other.primal >= c.dual - 1e-12 && other.dual <= c.primal + 1e-12);
    }
    // With A = I it is the certificate of the denoising problem.
    let eye: Vec<f64> = (0..p * p).map(|e| f64::from(u8::from(e % p == e / p))).collect();
    let eye = Dense::from_column_major(&eye, p, p).unwrap();
    let b = &y[..p];
    let (v, u) = (rng.normals::<f64>(p), vec![0.1; p - 1]);
    let one = design_gap(eye, b, 1.0, term(), &v, &u).unwrap();
    let two = generalized_gap(b, term(), &v, &u);
    assert!((one.primal - two.primal).abs() < 1e-12 && one.dual <= two.dual + 1e-12);
    // A wide design has no such bound.
    let wide = Dense::from_column_major(&x[..2 * p], 2, p).unwrap();
    assert!(design_gap(wide, &y[..2], s, term(), &v, &u).is_err());
}

#[test]
fn a_generalized_lasso_is_polished_to_rounding() {
    let n = 40;
    let noise: Vec<f64> = Rng::new(5).normals(n);
    let b: Vec<f64> = (0..n).map(|i| if i < 15 { 0.0 } else { 3.0 } + 0.3 * noise[i]).collect();
    let eye: Vec<f64> = (0..n * n).map(|e| f64::from(u8::from(e % n == e / n))).collect();
    let a = Dense::from_column_major(&eye, n, n).unwrap();
    let data = difference(n);
    let d = Dense::from_column_major(&data, n - 1, n).unwrap();
    // The same differences twice: redundant rows, each with half the weight.
    let twice: Vec<f64> = data.chunks(n - 1).flat_map(|c| [c, c].concat()).collect();
    let d2 = Dense::from_column_major(&twice, 2 * (n - 1), n).unwrap();
    let mut solutions = Vec::new();
    for (k, lambda) in [(&d, 0.9), (&d2, 0.45)] {
        let g = L1::new(lambda).unwrap();
        let update = least_squares_update(a, &b, 1.0, Some(k)).unwrap();
        let mut admm = Admm::new(update, &g, Some(k), &options()).unwrap();
        solve(&mut admm, 1e-5, 3000);
        let (mut x, mut y) = (admm.x().to_vec(), vec![0.0; k.nrows()]);
        admm.dual_into(&mut y);
        let (before, after) = polish_generalized(a, &b, 1.0, lambda, k, admm.z(), &mut x, &mut y).unwrap();
        assert!(before.gap() > 1e-9 && after.gap() <= before.gap());
        if k.nrows() == n - 1 {
            assert!(after.relative_gap(after.primal) < 1e-14, "{after:?}");
        }
        solutions.push(x);
    }
    close(&solutions[0], &solutions[1], 1e-3);
    // A wrong pattern is not accepted.
    let g = L1::new(0.9).unwrap();
    let mut y = vec![0.0; n - 1];
    let wrong = vec![1.0; n - 1];
    let (mut x, term) = (solutions[0].clone(), Term::new(&g, &d).unwrap());
    let update = least_squares_update(a, &b, 1.0, Some(&d)).unwrap();
    let mut admm = Admm::new(update, &g, Some(&d), &options()).unwrap();
    solve(&mut admm, 1e-8, 3000);
    admm.dual_into(&mut y);
    let good = design_gap(a, &b, 1.0, term, &x, &y).unwrap();
    let (_, after) = polish_generalized(a, &b, 1.0, 0.9, &d, &wrong, &mut x, &mut y).unwrap();
    assert_eq!((after, &x), (good, &solutions[0]));
}
