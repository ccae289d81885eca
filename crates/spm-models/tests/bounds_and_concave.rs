//! Bounds on coefficients, and the concave penalties: optimality conditions recomputed in plain loops, and equivalences.
#![allow(clippy::unwrap_used)]

use spm_linalg::testing::Rng;
use spm_models::{
    AdaptiveLasso, Concave, ConcaveRegression, ConcaveStart, Design, ElasticNet, ElasticNetPath, Fit,
    FittedConcave, FittedLinear, Lasso, OmpRegression, Solver, Xy,
};

/// Correlated columns off centre, a response on three of them.
fn problem(seed: u64, n: usize, p: usize) -> (Vec<f64>, Vec<f64>) {
    let mut rng = Rng::new(seed);
    let mut x: Vec<f64> = rng.normals(n * p);
    for e in n..n * p {
        x[e] += 0.5 * x[e - n];
    }
    x.iter_mut().enumerate().for_each(|(k, v)| *v += (k / n % 3) as f64);
    let noise: Vec<f64> = rng.normals(n);
    let y = (0..n).map(|i| 1.0 + 3.0 * x[i] - 2.0 * x[2 * n + i] + x[(p - 1) * n + i] + 0.3 * noise[i]);
    let y = y.collect();
    (x, y)
}

/// Slope of the loss `−Xᵀ W (y − Xw − b)/n`, in plain loops; the weights sum to n.
fn slopes(x: &[f64], y: &[f64], weights: &[f64], coef: &[f64], intercept: f64) -> Vec<f64> {
    let n = y.len();
    let r: Vec<f64> = (0..n)
        .map(|i| y[i] - intercept - coef.iter().enumerate().map(|(j, w)| w * x[j * n + i]).sum::<f64>())
        .collect();
    (0..coef.len())
        .map(|j| -(0..n).map(|i| weights[i] * x[j * n + i] * r[i]).sum::<f64>() / n as f64)
        .collect()
}

/// The violation of the conditions of a bounded elastic net.
fn bounded_violation(slopes: &[f64], fit: &FittedLinear<f64>, model: &ElasticNet<f64>) -> f64 {
    let mut worst = 0.0_f64;
    for (j, (&g, &w)) in slopes.iter().zip(&fit.coef).enumerate() {
        let v = model.penalty_weights.as_ref().map_or(1.0, |v| v[j]) * model.alpha;
        let (lower, upper) = model.bounds.as_ref().unwrap()[j];
        let lower = if model.positive { 0.0 } else { lower };
        assert!(lower <= w && w <= upper, "{w} is outside [{lower}, {upper}]");
        let (l1, l2) = (v * model.l1_ratio, v * (1.0 - model.l1_ratio));
        // One-sided derivatives: upwards must not be negative, downwards not positive.
        let up = g + l2 * w + if w >= 0.0 { l1 } else { -l1 };
        let down = g + l2 * w + if w > 0.0 { l1 } else { -l1 };
        if w < upper {
            worst = worst.max(-up);
        }
        if w > lower {
            worst = worst.max(down);
        }
    }
    worst
}

fn bounds(p: usize) -> Vec<(f64, f64)> {
    (0..p)
        .map(|j| match j % 5 {
            0 => (-0.5, 1.5),
            1 => (0.0, f64::INFINITY),
            2 => (-0.7, 0.0),
            3 => (f64::NEG_INFINITY, f64::INFINITY),
            _ => (f64::NEG_INFINITY, 0.4),
        })
        .collect()
}

#[test]
fn bounded_fits_satisfy_their_conditions_and_close_their_gap() {
    for (seed, n, p) in [(1, 40, 10), (2, 25, 60)] {
        let (x, y) = problem(seed, n, p);
        let weights: Vec<f64> = (0..n).map(|i| f64::from(i as u32 % 3)).collect();
        let total: f64 = weights.iter().sum();
        let normalised: Vec<f64> = weights.iter().map(|w| w * n as f64 / total).collect();
        let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y).sample_weight(&weights);
        let mut factors = vec![1.0; p];
        factors[3] = 0.0;
        factors[4] = 0.0;
        factors[5] = 3.0;
        for l1_ratio in [1.0, 0.4] {
            for positive in [false, true] {
                for weighted in [false, true] {
                    let mut model =
                        ElasticNet::new(1.0, l1_ratio).bounds(bounds(p)).positive(positive).tol(1e-12);
                    if weighted {
                        model = model.penalty_weights(factors.clone());
                    }
                    let top = model.alpha_max(data).unwrap();
                    for share in [1.0, 0.99, 0.3, 0.01] {
                        model.alpha = share * top;
                        let name = format!("{seed} {l1_ratio} {positive} {weighted} {share}");
                        let fit = model.fit(data).unwrap();
                        assert!(fit.status().is_converged(), "{name}: gap {}", fit.relative_gap());
                        let slopes = slopes(&x, &y, &normalised, &fit.coef, fit.intercept);
                        let worst = bounded_violation(&slopes, &fit, &model);
                        assert!(worst < 1e-5 * top, "{name}: {worst}");
                        let penalised = |j: usize| !weighted || factors[j] > 0.0;
                        let some = (0..p).any(|j| penalised(j) && fit.coef[j] != 0.0);
                        assert_eq!(some, share < 1.0, "{name}");
                    }
                }
            }
        }
    }
}

#[test]
fn a_coefficient_at_its_bound_is_the_bound_in_the_units_of_the_data() {
    let (n, p) = (30, 12);
    let (x, y) = problem(4, n, p);
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
    let bounds = vec![(-0.123, 0.271); p];
    for (l1_ratio, positive) in [(1.0, false), (0.5, false), (1.0, true), (0.5, true)] {
        let model = ElasticNet::new(1e-3, l1_ratio).standardize(true).positive(positive).tol(1e-12);
        let model = model.bounds(bounds.clone());
        let path = ElasticNetPath::new(model.clone()).alphas(vec![1e-3, 1e-4]).fit(data).unwrap();
        for coef in [model.fit(data).unwrap().coef, path.coef(0), path.coef(1)] {
            let near = |w: &&f64| (**w - 0.271).abs() < 1e-9 || (**w + 0.123).abs() < 1e-9;
            assert!(coef.iter().filter(near).count() > 2);
            assert!(coef.iter().filter(near).all(|&w| w == 0.271 || w == -0.123), "{coef:?}");
        }
    }
}

#[test]
fn wide_bounds_change_nothing_and_zero_bounds_leave_features_out() {
    let (n, p) = (30, 8);
    let (x, y) = problem(3, n, p);
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
    for standardize in [false, true] {
        let free = Lasso::new(0.05).standardize(standardize).tol(1e-13);
        let wide = free.clone().bounds(vec![(-1e3, 1e3); p]);
        let (a, b) = (free.fit(data).unwrap(), wide.fit(data).unwrap().require_converged().unwrap());
        assert!(a.coef.iter().zip(&b.coef).all(|(a, b)| (a - b).abs() < 1e-6));
        let positive = free.clone().positive(true).fit(data).unwrap();
        let same = free.clone().bounds(vec![(0.0, f64::INFINITY); p]).fit(data).unwrap();
        assert_eq!(positive.coef, same.coef);
        // Without feature 2.
        let mut limits = vec![(f64::NEG_INFINITY, f64::INFINITY); p];
        limits[2] = (0.0, 0.0);
        let without: Vec<f64> = [&x[..2 * n], &x[3 * n..]].concat();
        let small = free.fit(Xy::new(Design::dense(&without, n, p - 1).unwrap(), &y)).unwrap();
        let held = free.clone().bounds(limits).fit(data).unwrap().require_converged().unwrap();
        let rest = [&held.coef[..2], &held.coef[3..]].concat();
        assert!(held.coef[2] == 0.0 && rest.iter().zip(&small.coef).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}

#[test]
fn solvers_and_paths_agree_on_bounds() {
    let (n, p) = (40, 12);
    let (x, y) = problem(4, n, p);
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
    for standardize in [false, true] {
        let model = ElasticNet::new(0.05, 0.8).standardize(standardize).bounds(bounds(p)).tol(1e-9);
        let cd = model.fit(data).unwrap().require_converged().unwrap();
        for solver in [Solver::Fista, Solver::Admm] {
            let other = model.clone().solver(solver).fit(data).unwrap().require_converged().unwrap();
            assert!(cd.coef.iter().zip(&other.coef).all(|(a, b)| (a - b).abs() < 1e-3), "{solver:?}");
        }
        assert!(model.clone().solver(Solver::Lars).fit(data).is_err());
        let grid = vec![0.5, 0.05, 0.01, 0.2, 0.1, 0.02, 0.4, 0.3];
        let path = ElasticNetPath::new(model.clone()).alphas(grid.clone()).fit(data).unwrap();
        assert!(path.status().is_converged());
        for (k, &alpha) in grid.iter().enumerate() {
            let mut alone = model.clone();
            alone.alpha = alpha;
            let alone = alone.fit(data).unwrap();
            assert!((path.points[k].certificate.primal - alone.objective()).abs() < 1e-8);
            for (j, &(lower, upper)) in bounds(p).iter().enumerate() {
                assert!(lower <= path.points[k].coef(j) && path.points[k].coef(j) <= upper);
            }
        }
    }
    for bad in [vec![(0.1, 1.0); p], vec![(-1.0, -0.1); p], vec![(f64::NAN, 1.0); p], vec![(-1.0, 1.0); 2]] {
        assert!(Lasso::new(0.1).bounds(bad).fit(data).is_err());
    }
    let single: Vec<f32> = x.iter().map(|&v| v as f32).collect();
    let response: Vec<f32> = y.iter().map(|&v| v as f32).collect();
    let limits = bounds(p).iter().map(|&(l, u)| (l as f32, u as f32)).collect();
    let data = Xy::new(Design::dense(&single, n, p).unwrap(), &response);
    let fit = Lasso::new(0.05_f32).bounds(limits).fit(data).unwrap();
    assert!(fit.status().is_converged());
}

/// The slope of the penalty at `w > 0` (at 0 from above), and its value, from the definition.
fn concave(penalty: Concave<f64>, lambda: f64, w: f64) -> (f64, f64) {
    match penalty {
        Concave::Mcp { gamma } if w < gamma * lambda => {
            (lambda - w / gamma, lambda * w - w * w / (2.0 * gamma))
        }
        Concave::Mcp { gamma } => (0.0, 0.5 * gamma * lambda * lambda),
        Concave::Scad { .. } if w <= lambda => (lambda, lambda * w),
        Concave::Scad { a } if w < a * lambda => (
            (a * lambda - w) / (a - 1.0),
            (2.0 * a * lambda * w - w * w - lambda * lambda) / (2.0 * (a - 1.0)),
        ),
        Concave::Scad { a } => (0.0, 0.5 * lambda * lambda * (a + 1.0)),
        _ => unreachable!(),
    }
}

/// Violation, slack and objective of a fit that was not standardised.
fn judge(x: &[f64], y: &[f64], model: &ConcaveRegression<f64>, fit: &FittedConcave<f64>) -> (f64, f64, f64) {
    let n = y.len();
    let slopes = slopes(x, y, &vec![1.0; n], &fit.coef, fit.intercept);
    let (mut worst, mut slack, mut objective) = (0.0_f64, f64::INFINITY, 0.0);
    for (j, (&g, &w)) in slopes.iter().zip(&fit.coef).enumerate() {
        let lambda = model.alpha * model.penalty_weights.as_ref().map_or(1.0, |v| v[j]);
        let (slope, value) = concave(model.penalty, lambda, w.abs());
        objective += value;
        if w == 0.0 {
            worst = worst.max(g.abs() - slope);
            slack = slack.min(slope - g.abs());
        } else {
            worst = worst.max((g + slope * w.signum()).abs());
        }
    }
    let r: Vec<f64> = (0..n)
        .map(|i| {
            y[i] - fit.intercept - fit.coef.iter().enumerate().map(|(j, w)| w * x[j * n + i]).sum::<f64>()
        })
        .collect();
    (worst, slack, objective + r.iter().map(|v| v * v).sum::<f64>() / (2.0 * n as f64))
}

const PENALTIES: [Concave<f64>; 4] = [
    Concave::Mcp { gamma: 3.0 },
    Concave::Mcp { gamma: 1.5 },
    Concave::Scad { a: 3.7 },
    Concave::Scad { a: 2.5 },
];

#[test]
fn concave_fits_are_stationary_and_often_local_minima() {
    let mut minima = 0;
    for (seed, n, p) in [(5, 60, 10), (6, 40, 100)] {
        let (x, y) = problem(seed, n, p);
        let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
        for penalty in PENALTIES {
            for start in [ConcaveStart::Path, ConcaveStart::Lasso] {
                let mut model =
                    ConcaveRegression::new(1.0, penalty).standardize(false).start(start).tol(1e-9);
                let mut factors = vec![1.0; p];
                (factors[1], factors[4]) = (0.0, 2.0);
                for weighted in [false, true] {
                    model.penalty_weights = weighted.then(|| factors.clone());
                    let top = model.alpha_max(data).unwrap();
                    for share in [1.0, 0.3, 0.1] {
                        model.alpha = share * top;
                        let name = format!("{seed} {penalty:?} {start:?} {weighted} {share}");
                        let fit = model.fit(data).unwrap();
                        assert!(fit.status().is_converged(), "{name}");
                        let (worst, slack, objective) = judge(&x, &y, &model, &fit);
                        assert!(worst < 2e-9 * fit.violation_at_zero, "{name}: {worst}");
                        assert!((worst - fit.violation).abs() < 1e-9 * fit.violation_at_zero, "{name}");
                        assert!((slack - fit.slack).abs() < 1e-7, "{name}: {slack} {}", fit.slack);
                        assert!((objective - fit.objective).abs() < 1e-9 * fit.objective_at_zero, "{name}");
                        assert!(objective <= fit.objective_at_zero * (1.0 + 1e-12), "{name}");
                        minima += usize::from(fit.is_local_minimum());
                        // Nothing near is better where the fit says so.
                        if fit.is_local_minimum() {
                            let mut rng = Rng::new(9);
                            for _ in 0..50 {
                                let mut near = fit.clone();
                                near.coef.iter_mut().for_each(|w| *w += 1e-3 * rng.normal::<f64>());
                                near.intercept += 1e-3 * rng.normal::<f64>();
                                assert!(judge(&x, &y, &model, &near).2 >= objective - 1e-13, "{name}");
                            }
                        }
                    }
                }
            }
        }
    }
    assert!(minima > 60, "{minima} of 96");
}

#[test]
fn a_strength_reached_along_the_path_is_solved_for_whatever_the_one_before_left_out() {
    // Without standardisation too: a column that no earlier strength looked at may matter to the last one.
    for seed in 0..60 {
        let (n, p) = (300, 6);
        let mut rng = Rng::new(seed);
        let x: Vec<f64> = rng.normals(n * p);
        let beta: Vec<f64> = rng.normals(3);
        let noise: Vec<f64> = rng.normals(n);
        let y: Vec<f64> = (0..n)
            .map(|i| 1.5 + 0.3 * noise[i] + (0..3).map(|j| 2.0 * beta[j] * x[j * n + i]).sum::<f64>())
            .collect();
        let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
        for share in [0.05, 0.1, 0.3] {
            for model in [ConcaveRegression::mcp(1.0), ConcaveRegression::scad(1.0)] {
                let mut model = model.standardize(false);
                model.alpha = share * model.alpha_max(data).unwrap();
                let fit = model.fit(data).unwrap();
                assert!(fit.status().is_converged(), "seed {seed} {share}: {}", fit.violation);
            }
        }
    }
}

#[test]
fn concave_penalties_find_the_oracle_where_the_lasso_shrinks() {
    let (n, p) = (200, 400);
    let mut rng = Rng::new(7);
    let x: Vec<f64> = rng.normals(n * p);
    let y: Vec<f64> = (0..n).map(|i| 3.0 * x[i] - 2.0 * x[n + i] + 0.1 * rng.normal::<f64>()).collect();
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
    // Least squares on the true features.
    let oracle =
        Lasso::new(0.0).tol(1e-13).fit(Xy::new(Design::dense(&x[..2 * n], n, 2).unwrap(), &y)).unwrap();
    for penalty in [Concave::Mcp { gamma: 3.0 }, Concave::Scad { a: 3.7 }] {
        for start in [ConcaveStart::Path, ConcaveStart::Lasso] {
            let model = ConcaveRegression::new(0.3, penalty).start(start).tol(1e-10);
            let fit = model.fit(data).unwrap().require_converged().unwrap();
            assert_eq!(fit.nnz(), 2);
            assert!(fit.is_local_minimum());
            assert!(
                (fit.coef[0] - oracle.coef[0]).abs() < 1e-8 && (fit.coef[1] - oracle.coef[1]).abs() < 1e-8
            );
        }
    }
    let lasso = Lasso::new(0.3).fit(data).unwrap();
    assert!((lasso.coef[0] - oracle.coef[0]).abs() > 0.2);
}

#[test]
fn nearly_convex_concave_penalties_are_the_lasso() {
    let (n, p) = (50, 20);
    let (x, y) = problem(8, n, p);
    let weights: Vec<f64> = (0..n).map(|i| f64::from(i as u32 % 3)).collect();
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y).sample_weight(&weights);
    let lasso = Lasso::new(0.1).standardize(true).tol(1e-14).fit(data).unwrap();
    for penalty in [Concave::Mcp { gamma: 1e9 }, Concave::Scad { a: 1e9 }] {
        let fit =
            ConcaveRegression::new(0.1, penalty).tol(1e-9).fit(data).unwrap().require_converged().unwrap();
        assert!(fit.coef.iter().zip(&lasso.coef).all(|(a, b)| (a - b).abs() < 1e-6));
    }
    // Integer weights are repeated rows.
    let rows: Vec<usize> = (0..n).flat_map(|i| vec![i; i % 3]).collect();
    let repeated: Vec<f64> =
        (0..p).flat_map(|j| rows.iter().map(move |&i| j * n + i)).map(|k| x[k]).collect();
    let y_repeated: Vec<f64> = rows.iter().map(|&i| y[i]).collect();
    let model = ConcaveRegression::mcp(0.1).tol(1e-10);
    let one = model.fit(data).unwrap();
    let two = model.fit(Xy::new(Design::dense(&repeated, rows.len(), p).unwrap(), &y_repeated)).unwrap();
    assert!(one.coef.iter().zip(&two.coef).all(|(a, b)| (a - b).abs() < 1e-7));
    // alpha 0 is least squares; constant columns and responses give zeros; bad options are errors.
    let plain = ConcaveRegression::scad(0.0).tol(1e-11).fit(data).unwrap().require_converged().unwrap();
    let squares = Lasso::new(0.0).tol(1e-14).fit(data).unwrap();
    assert!(plain.coef.iter().zip(&squares.coef).all(|(a, b)| (a - b).abs() < 1e-6));
    let flat =
        ConcaveRegression::mcp(0.1).fit(Xy::new(data.x, &vec![2.0; n])).unwrap().require_converged().unwrap();
    assert!(flat.nnz() == 0 && (flat.intercept - 2.0).abs() < 1e-12);
    for bad in [ConcaveRegression::mcp(-1.0), ConcaveRegression::new(0.1, Concave::Scad { a: 1.0 })] {
        assert!(bad.fit(data).is_err());
    }
}

#[test]
fn adaptive_weights_are_those_of_the_pilot_and_do_not_depend_on_units() {
    let (n, p) = (60, 12);
    let (x, y) = problem(10, n, p);
    let weights: Vec<f64> = (0..n).map(|i| 0.5 + f64::from(i as u32 % 3)).collect();
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y).sample_weight(&weights);
    let pilot = Lasso::new(0.1).tol(1e-13).fit(data).unwrap();
    let model = AdaptiveLasso::new(0.05, ElasticNet::new(0.1, 1.0).tol(1e-13))
        .power(1.5)
        .model(ElasticNet::new(0.05, 1.0).tol(1e-13));
    let fit = model.fit(data).unwrap().require_converged().unwrap();
    // By hand, on the features that the pilot keeps.
    let kept: Vec<usize> = pilot.nonzeros().map(|(j, _)| j).collect();
    assert!(kept.len() < p && kept.len() > 2);
    let columns: Vec<f64> = kept.iter().flat_map(|&j| x[j * n..(j + 1) * n].to_vec()).collect();
    let v = kept.iter().map(|&j| pilot.coef[j].abs().powf(-1.5)).collect();
    let small = Xy::new(Design::dense(&columns, n, kept.len()).unwrap(), &y).sample_weight(&weights);
    let by_hand = Lasso::new(0.05).penalty_weights(v).tol(1e-13).fit(small).unwrap();
    for (k, &j) in kept.iter().enumerate() {
        assert!((fit.coef[j] - by_hand.coef[k]).abs() < 1e-6);
    }
    assert!((0..p).all(|j| kept.contains(&j) || fit.coef[j] == 0.0));
    // Features in other units, with standardisation.
    let scaled: Vec<f64> =
        x.iter().enumerate().map(|(k, v)| v * 10.0_f64.powi((k / n % 5) as i32 - 2)).collect();
    let pilot = ElasticNet::new(0.05, 0.0).standardize(true).tol(1e-13);
    let model =
        AdaptiveLasso::new(0.05, pilot).model(ElasticNet::new(0.05, 1.0).standardize(true).tol(1e-13));
    let one = model.fit(data).unwrap();
    let two = model.fit(Xy::new(Design::dense(&scaled, n, p).unwrap(), &y).sample_weight(&weights)).unwrap();
    for j in 0..p {
        let unit = 10.0_f64.powi((j % 5) as i32 - 2);
        assert!((one.coef[j] - two.coef[j] * unit).abs() < 1e-6, "{j}");
    }
    // Such a second stage has a path, too.
    let path = ElasticNetPath::new(model.second_stage(data).unwrap()).n_alphas(20).fit(data).unwrap();
    assert!(path.status().is_converged() && path.points[0].nnz() == 0);
}

#[test]
fn pursuit_gives_least_squares_on_every_support_of_its_path() {
    let (n, p) = (80, 30);
    let (x, y) = problem(11, n, p);
    let weights: Vec<f64> = (0..n).map(|i| f64::from(i as u32 % 4)).collect();
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y).sample_weight(&weights);
    for fit_intercept in [true, false] {
        let fit = OmpRegression::new(6).fit_intercept(fit_intercept).fit(data).unwrap();
        assert!(fit.status().is_converged() && fit.steps.len() == 6);
        let support = fit.support();
        for k in 1..=6 {
            let columns: Vec<f64> =
                support[..k].iter().flat_map(|&j| x[j * n..(j + 1) * n].to_vec()).collect();
            let small = Xy::new(Design::dense(&columns, n, k).unwrap(), &y).sample_weight(&weights);
            let squares = Lasso::new(0.0).fit_intercept(fit_intercept).tol(1e-14).fit(small).unwrap();
            let model = fit.model(k).unwrap();
            for (c, &j) in support[..k].iter().enumerate() {
                assert!((model.coef[j] - squares.coef[c]).abs() < 1e-6);
            }
            assert!((model.intercept - squares.intercept).abs() < 1e-6);
            let half = 0.5 * fit.steps[k - 1].mean_squared_error;
            assert!((half - squares.objective()).abs() < 1e-9 * fit.objective_at_zero);
        }
        assert!(fit.violation < 1e-10 && fit.coef == fit.model(6).unwrap().coef);
    }
    let found = OmpRegression::new(3).fit(data).unwrap();
    let mut support = found.support();
    support.sort_unstable();
    assert_eq!(support, [0, 2, p - 1]);
    // A bound that is reached, one that is not, and a response that nothing explains.
    let stopped = OmpRegression::new(p).tol(0.05).fit(data).unwrap();
    assert!(stopped.status().is_converged() && stopped.steps.len() <= 3);
    assert!(!OmpRegression::new(1).tol(1e-9).fit(data).unwrap().status().is_converged());
    let flat = OmpRegression::new(2).fit(Xy::new(data.x, &vec![3.0; n])).unwrap();
    assert!(flat.steps.is_empty() && flat.intercept == 3.0 && flat.status().is_converged());
    assert!(OmpRegression::<f64>::new(0).fit(data).is_err());
}
