//! Every solver of a linear model finds the same solution, whatever the options and the data.
#![allow(clippy::unwrap_used)]

use spm_linalg::testing::Rng;
use spm_models::{Design, ElasticNet, Fit, FittedLinear, GeneralizedLasso, Lasso, Solver, Structure, Xy};

const SOLVERS: [Solver; 3] = [Solver::CoordinateDescent, Solver::Admm, Solver::Fista];

struct Data {
    n: usize,
    p: usize,
    x: Vec<f64>,
    y: Vec<f64>,
    weights: Vec<f64>,
    /// The same matrix by columns, without its zeros.
    starts: Vec<usize>,
    rows: Vec<usize>,
    values: Vec<f64>,
}

impl Data {
    /// Correlated columns off centre with a share of zeros, a sparse truth, noise.
    fn new(seed: u64, n: usize, p: usize, correlation: f64, zeros: f64) -> Self {
        let mut rng = Rng::new(seed);
        let mut x: Vec<f64> = rng.normals(n * p);
        for e in n..n * p {
            x[e] = correlation * x[e - n] + (1.0 - correlation * correlation).sqrt() * x[e];
        }
        for v in &mut x {
            *v = if rng.uniform::<f64>() < zeros { 0.0 } else { *v + 0.5 };
        }
        let y = (0..n)
            .map(|i| 3.0 * x[i] - 2.0 * x[(p - 1) * n + i] + x[p / 2 * n + i] + 0.3 * rng.normal::<f64>());
        let y = y.collect();
        let weights = (0..n).map(|i| f64::from(i as u32 % 4)).collect();
        let mut data = Self { n, p, x, y, weights, starts: vec![], rows: vec![], values: vec![] };
        data.store_sparse();
        data
    }

    fn scaled(mut self, x_by: f64, y_by: f64) -> Self {
        self.x.iter_mut().for_each(|v| *v *= x_by);
        self.y.iter_mut().for_each(|v| *v *= y_by);
        self.store_sparse();
        self
    }

    fn store_sparse(&mut self) {
        (self.starts, self.rows, self.values) = (vec![0], vec![], vec![]);
        for col in self.x.chunks_exact(self.n) {
            for (i, &v) in col.iter().enumerate().filter(|(_, v)| **v != 0.0) {
                self.rows.push(i);
                self.values.push(v);
            }
            self.starts.push(self.rows.len());
        }
    }

    fn views(&self) -> [(&'static str, Xy<'_, f64>); 3] {
        let dense = Xy::new(Design::dense(&self.x, self.n, self.p).unwrap(), &self.y);
        let sparse = Design::sparse(self.n, &self.starts, &self.rows, &self.values).unwrap();
        [
            ("dense", dense),
            ("weighted", dense.sample_weight(&self.weights)),
            ("sparse", Xy::new(sparse, &self.y)),
        ]
    }
}

fn fit(model: &ElasticNet<f64>, solver: Solver, data: Xy<'_, f64>) -> FittedLinear<f64> {
    let fitted = model.clone().solver(solver).fit_with(data, spm_models::FitControl::default()).unwrap();
    assert!(fitted.status().is_converged(), "{solver:?}: {:?}, {model:?}", fitted.report);
    assert!(fitted.relative_gap() <= model.tol, "{solver:?}: {:e}, {model:?}", fitted.relative_gap());
    fitted
}

/// The largest difference, relative to the largest entry.
fn distance(a: &[f64], b: &[f64]) -> f64 {
    let size = a.iter().chain(b).fold(f64::MIN_POSITIVE, |m, v| m.max(v.abs()));
    a.iter().zip(b).fold(0.0_f64, |m, (a, b)| m.max((a - b).abs())) / size
}

#[test]
fn on_every_combination_of_options() {
    for (n, p) in [(40, 12), (20, 45)] {
        let data = Data::new(22, n, p, 0.5, 0.3);
        let factors: Vec<f64> = (0..p).map(|j| if j % 6 == 5 { 0.0 } else { 0.5 + (j % 3) as f64 }).collect();
        for (view, xy) in data.views() {
            for l1_ratio in [1.0, 0.5] {
                for bits in 0..16 {
                    let option = |bit: usize| bits >> bit & 1 == 1;
                    let mut model = ElasticNet::new(1.0, l1_ratio)
                        .tol(1e-10)
                        .standardize(option(0))
                        .positive(option(1))
                        .fit_intercept(option(2));
                    if option(3) {
                        model = model.penalty_weights(factors.clone());
                    }
                    model.alpha = 0.1 * model.alpha_max(xy).unwrap();
                    let exact = fit(&model.clone().tol(1e-14), Solver::CoordinateDescent, xy);
                    for solver in SOLVERS {
                        let got = fit(&model, solver, xy);
                        let error = distance(&got.coef, &exact.coef);
                        assert!(error <= 1e-6, "{solver:?} {view} {n}x{p} off by {error:e}: {model:?}");
                        if solver != Solver::CoordinateDescent {
                            // Polished: the very same support.
                            let support =
                                |f: &FittedLinear<f64>| f.nonzeros().map(|(j, _)| j).collect::<Vec<_>>();
                            assert_eq!(support(&got), support(&exact), "{solver:?} {view} {model:?}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn on_random_problems() {
    let scales = [1.0, 1e-12, 1e12];
    for case in 0..30_u64 {
        let mut rng = Rng::new(1000 + case);
        let mut size = |most: f64| 1 + (rng.uniform::<f64>() * most) as usize;
        let (n, p) = match case % 6 {
            0 => (1, size(5.0)),
            1 => (1 + size(20.0), 1),
            2 => (size(10.0), 20 + size(20.0)),
            _ => (10 + size(30.0), size(15.0)),
        };
        let mut data = Data::new(case, n, p, if case % 5 == 4 { 0.999 } else { 0.3 }, 0.2);
        // The last column a copy of the first: the coefficients are hardly determined, the prediction is.
        let twin = case % 5 == 3 && p > 1;
        if twin {
            data.x.copy_within(..n, (p - 1) * n);
        }
        let (x_by, y_by) = (scales[case as usize % 3], scales[case as usize / 3 % 3]);
        let data = data.scaled(x_by, y_by);
        // The squared penalty does not scale with the data: beside entries of 1e-12 it leaves nothing to fit.
        let l1_ratio = if (x_by, y_by) == (1.0, 1.0) { 0.7 } else { 1.0 };
        for (view, xy) in &data.views()[..] {
            if *view == "weighted" && n < 4 {
                continue; // All the weight may be on one row.
            }
            let mut model = ElasticNet::new(1.0, l1_ratio).tol(1e-10).positive(case % 4 == 3);
            model.alpha = 0.1 * model.alpha_max(*xy).unwrap();
            let exact = fit(&model.clone().tol(1e-14), Solver::CoordinateDescent, *xy);
            for solver in SOLVERS {
                let got = fit(&model, solver, *xy);
                let error = if twin {
                    let predict = |f: &FittedLinear<f64>| {
                        (0..n)
                            .map(|i| (0..p).map(|j| data.x[j * n + i] * f.coef[j]).sum())
                            .collect::<Vec<f64>>()
                    };
                    distance(&predict(&got), &predict(&exact))
                } else {
                    distance(&got.coef, &exact.coef)
                };
                assert!(error <= 1e-6, "case {case}, {solver:?} {view} {n}x{p}: off by {error:e}, {model:?}");
            }
        }
    }
}

/// A limit that comes first does not hide that the returned point is within the tolerance, nor the other way round.
#[test]
fn the_status_says_what_the_certificate_says() {
    let mut rng = Rng::new(3);
    let (n, p) = (30, 6);
    let x: Vec<f64> = rng.normals(n * p);
    let y: Vec<f64> = (0..n).map(|i| 2.0 * x[i] - x[n + i] + 0.1 * rng.normal::<f64>()).collect();
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
    let mut rescued = false;
    for solver in [Solver::CoordinateDescent, Solver::Admm, Solver::Fista] {
        for max_iter in [1, 3, 1000] {
            let model = Lasso::new(0.1).fit_intercept(false).solver(solver).tol(1e-9).max_iter(max_iter);
            let fitted = model.fit(data).unwrap();
            let within = fitted.relative_gap() <= 1e-9;
            assert_eq!(
                fitted.status().is_converged(),
                within,
                "{solver:?} {max_iter}: {:e}",
                fitted.relative_gap()
            );
            rescued |= within && max_iter < 1000;
        }
    }
    assert!(rescued, "no case ended at a limit within the tolerance: this test would say nothing");
}

/// Spectra: smooth columns that are nearly dependent, far from zero, without an intercept to help.
fn spectra(n: usize, p: usize) -> (Vec<f64>, Vec<f64>) {
    let mut rng = Rng::new(17);
    let heights: Vec<f64> = rng.normals(n * 4);
    let bump = |j: usize, k: usize| (-((j as f64 / p as f64 - 0.2 - 0.2 * k as f64) / 0.15).powi(2)).exp();
    let mut x = vec![0.0; n * p];
    for j in 0..p {
        for i in 0..n {
            let signal: f64 = (0..4).map(|k| (2.0 + 0.3 * heights[4 * i + k]) * bump(j, k)).sum();
            x[j * n + i] = signal + 1e-3 * rng.normal::<f64>();
        }
    }
    let y = (0..n)
        .map(|i| 80.0 + heights[4 * i] - 2.0 * heights[4 * i + 2] + 0.05 * rng.normal::<f64>())
        .collect();
    (x, y)
}

#[test]
fn every_solver_ends_by_itself_on_nearly_dependent_columns() {
    let (n, p) = (60, 40);
    let (x, y) = spectra(n, p);
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
    for intercept in [false, true] {
        let lasso = Lasso::new(1.0).fit_intercept(intercept);
        let top = lasso.alpha_max(data).unwrap();
        for share in [0.1, 1e-2, 1e-4] {
            for solver in SOLVERS {
                let mut model = lasso.clone().tol(1e-7).max_iter(5000).solver(solver);
                model.alpha = share * top;
                let fit = model.fit(data).unwrap();
                assert!(fit.status().is_converged(), "{intercept} {share} {solver:?}: {:?}", fit.report);
                assert!(fit.gap() <= 1e-7 * fit.objective_at_zero);
            }
            let model =
                GeneralizedLasso::new(share * top, Structure::trend(1, 0.5, 0.5)).fit_intercept(intercept);
            let fit = model.tol(1e-7).max_iter(5000).fit(data).unwrap();
            assert!(
                fit.status().is_converged(),
                "generalized {intercept} {share}: {:?} {:?}",
                fit.report,
                fit.certificate
            );
        }
    }
}

#[test]
fn collinear_columns_down_to_a_penalty_of_nothing() {
    let (n, p) = (60, 401);
    let (x, y) = spectra(n, p);
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
    let top = Lasso::new(1.0).alpha_max(data).unwrap();
    for share in [1e-2, 1e-4, 1e-6, 1e-7] {
        let fit = Lasso::new(share * top).tol(1e-9).max_iter(20_000).fit(data).unwrap();
        assert!(fit.status().is_converged(), "{share}: {:?}", fit.report);
    }
}
