//! The regression models beyond the Lasso: equivalences, and optimality conditions recomputed in plain loops.
#![allow(clippy::unwrap_used)]

use spm_linalg::testing::Rng;
use spm_models::{
    CovarianceNorm, Design, ElasticNet, Family, Fit, FittedLinear, GeneralizedLasso, GroupLasso, HmLasso,
    Lasso, LassoLars, MultiTaskLasso, MultiXy, Slope, Solver, SparseGlm, Structure, Xy,
};

/// A random problem with a mean in every column: n × p, column by column, and a response on three features.
fn problem(seed: u64, n: usize, p: usize) -> (Vec<f64>, Vec<f64>) {
    let mut rng = Rng::new(seed);
    let x: Vec<f64> = (0..n * p).map(|k| rng.normal::<f64>() + (k / n % 3) as f64).collect();
    let noise: Vec<f64> = rng.normals(n);
    let y = (0..n).map(|i| 2.0 + x[i] - 2.0 * x[n + i] + 0.5 * x[(p - 1) * n + i] + 0.3 * noise[i]).collect();
    (x, y)
}

/// Gradient of the loss `−Xᵀ(y − Xw − b)/n`, and the objective's loss part, in plain loops.
fn gradient(x: &[f64], y: &[f64], coef: &[f64], intercept: f64) -> (Vec<f64>, f64) {
    let n = y.len();
    let r: Vec<f64> = (0..n)
        .map(|i| y[i] - intercept - coef.iter().enumerate().map(|(j, w)| w * x[j * n + i]).sum::<f64>())
        .collect();
    assert!(r.iter().sum::<f64>().abs() < 1e-9 * n as f64);
    let g = (0..coef.len()).map(|j| -(0..n).map(|i| x[j * n + i] * r[i]).sum::<f64>() / n as f64).collect();
    (g, r.iter().map(|v| v * v).sum::<f64>() / (2.0 * n as f64))
}

fn norm(v: impl Iterator<Item = f64>) -> f64 {
    v.map(|v| v * v).sum::<f64>().sqrt()
}

/// The largest violation of the optimality conditions of the sparse group Lasso.
fn violation(x: &[f64], y: &[f64], fit: &FittedLinear<f64>, groups: &[usize], l1_ratio: f64) -> f64 {
    let (grad, _) = gradient(x, y, &fit.coef, fit.intercept);
    let (l1, l2) = (fit.alpha * l1_ratio, fit.alpha * (1.0 - l1_ratio));
    let mut worst = 0.0_f64;
    for &g in groups {
        let members: Vec<usize> = (0..groups.len()).filter(|&j| groups[j] == g).collect();
        let weight = l2 * (members.len() as f64).sqrt();
        let size = norm(members.iter().map(|&j| fit.coef[j]));
        if size == 0.0 {
            let rest = norm(members.iter().map(|&j| (grad[j].abs() - l1).max(0.0)));
            worst = worst.max(rest - weight);
        } else {
            for &j in &members {
                let slope = grad[j] + weight * fit.coef[j] / size;
                let off = if fit.coef[j] == 0.0 {
                    slope.abs() - l1
                } else {
                    (slope + l1 * fit.coef[j].signum()).abs()
                };
                worst = worst.max(off);
            }
        }
    }
    worst
}

#[test]
fn optimality_conditions_hold_for_groups_of_any_shape() {
    for (seed, n, p) in [(1, 40, 12), (2, 20, 50), (3, 30, 30)] {
        let (x, y) = problem(seed, n, p);
        let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
        for ids in [3, 5, p] {
            let groups: Vec<usize> = (0..p).map(|j| (j * 7 + 3) % ids).collect();
            for l1_ratio in [0.0, 0.4, 1.0] {
                let model = GroupLasso::new(1.0, groups.clone()).l1_ratio(l1_ratio).tol(1e-11);
                let top = model.alpha_max(data).unwrap();
                for share in [1.0, 0.3, 0.02] {
                    let mut model = model.clone();
                    model.alpha = top * share;
                    let fit = model.fit(data).unwrap().require_converged().unwrap();
                    let name = format!("{seed} {ids} {l1_ratio} {share}: {} epochs", fit.report.last.iter);
                    assert!(fit.report.last.iter < 2000, "{name}");
                    assert_eq!(fit.nnz() == 0, share == 1.0, "{name}");
                    assert!(violation(&x, &y, &fit, &groups, l1_ratio) < 1e-4 * top, "{name}");
                }
            }
        }
    }
}

#[test]
fn groups_of_one_and_one_target_are_the_lasso() {
    let (n, p) = (30, 40);
    let (x, y) = problem(4, n, p);
    let weights: Vec<f64> = (0..n).map(|i| (i % 3) as f64).collect();
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y).sample_weight(&weights);
    for standardize in [false, true] {
        let lasso = Lasso::new(0.1).standardize(standardize).tol(1e-13).fit(data).unwrap();
        let ids = (0..p).map(|j| 1000 - j).collect();
        let group = GroupLasso::new(0.1, ids).standardize(standardize).tol(1e-13).fit(data).unwrap();
        let multi = MultiXy::new(data.x, &y).sample_weight(&weights);
        let task = MultiTaskLasso::new(0.1).standardize(standardize).tol(1e-13).fit(multi).unwrap();
        for (a, b) in [(&group.coef, group.intercept), (&task.coef, task.intercept[0])] {
            assert!(lasso.coef.iter().zip(a).all(|(l, a)| (l - a).abs() < 1e-6));
            assert!((lasso.intercept - b).abs() < 1e-6);
        }
        assert!((lasso.objective() - group.objective()).abs() < 1e-11);
        assert!((lasso.objective() - task.objective()).abs() < 1e-11);
    }
}

#[test]
fn integer_weights_are_repeated_rows_and_sparse_is_dense() {
    let (n, p) = (20, 12);
    let (x, y) = problem(5, n, p);
    let counts: Vec<usize> = (0..n).map(|i| i % 3).collect();
    let weights: Vec<f64> = counts.iter().map(|&c| c as f64).collect();
    let rows: Vec<usize> = (0..n).flat_map(|i| vec![i; counts[i]]).collect();
    let repeated: Vec<f64> =
        (0..p).flat_map(|j| rows.iter().map(move |&i| (i, j))).map(|(i, j)| x[j * n + i]).collect();
    let y_repeated: Vec<f64> = rows.iter().map(|&i| y[i]).collect();
    let model = GroupLasso::new(0.05, (0..p).map(|j| j / 4).collect()).tol(1e-13);
    let one = model.fit(Xy::new(Design::dense(&x, n, p).unwrap(), &y).sample_weight(&weights)).unwrap();
    let two = model.fit(Xy::new(Design::dense(&repeated, rows.len(), p).unwrap(), &y_repeated)).unwrap();
    assert!(one.coef.iter().zip(&two.coef).all(|(a, b)| (a - b).abs() < 1e-7));
    assert!((one.objective() - two.objective()).abs() < 1e-11);
    let (indptr, indices): (Vec<usize>, Vec<usize>) =
        ((0..=p).map(|j| j * n).collect(), (0..n * p).map(|k| k % n).collect());
    let sparse = Design::sparse(n, &indptr, &indices, &x).unwrap();
    let three = model.fit(Xy::new(sparse, &y).sample_weight(&weights)).unwrap();
    assert!(one.coef.iter().zip(&three.coef).all(|(a, b)| (a - b).abs() < 1e-7));
}

#[test]
fn unpenalised_groups_have_a_finite_certificate() {
    let (n, p) = (25, 9);
    let (x, y) = problem(6, n, p);
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
    let model =
        GroupLasso::new(1.0, (0..p).map(|j| j / 3).collect()).group_weights(vec![1.0, 0.0, 2.0]).tol(1e-10);
    let top = model.alpha_max(data).unwrap();
    for share in [1.0, 0.1] {
        let mut model = model.clone();
        model.alpha = top * share;
        let fit = model.fit(data).unwrap().require_converged().unwrap();
        assert!(fit.coef[3..6].iter().all(|w| *w != 0.0));
        assert_eq!(fit.coef[..3].iter().chain(&fit.coef[6..]).all(|w| *w == 0.0), share == 1.0);
    }
    let targets = [y.clone(), y.iter().map(|v| 1.0 - v).collect()].concat();
    let mut weights = vec![1.0; p];
    weights[4] = 0.0;
    let multi = MultiXy::new(data.x, &targets);
    let fit = MultiTaskLasso::new(0.2).penalty_weights(weights).tol(1e-10).fit(multi).unwrap();
    assert!(fit.status().is_converged());
    // The second target is 1 − the first: so are the coefficients.
    assert!((0..p).all(|j| (fit.coef_of(0)[j] + fit.coef_of(1)[j]).abs() < 1e-4));
}

#[test]
fn single_precision_and_bad_input() {
    let (n, p) = (30, 10);
    let (x, y) = problem(7, n, p);
    let (x32, y32): (Vec<f32>, Vec<f32>) =
        (x.iter().map(|&v| v as f32).collect(), y.iter().map(|&v| v as f32).collect());
    let groups: Vec<usize> = (0..p).map(|j| j % 4).collect();
    let narrow = GroupLasso::new(0.1_f32, groups.clone());
    let narrow =
        narrow.fit(Xy::new(Design::dense(&x32, n, p).unwrap(), &y32)).unwrap().require_converged().unwrap();
    let wide =
        GroupLasso::new(0.1, groups.clone()).fit(Xy::new(Design::dense(&x, n, p).unwrap(), &y)).unwrap();
    assert!((f64::from(narrow.objective()) - wide.objective()).abs() < 1e-3);

    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
    let message = |model: GroupLasso| model.fit(data).unwrap_err().to_string();
    assert!(message(GroupLasso::new(0.1, vec![0; 3])).contains("groups"));
    assert!(message(GroupLasso::new(-1.0, groups.clone())).contains("alpha"));
    assert!(message(GroupLasso::new(0.1, groups.clone()).group_weights(vec![1.0])).contains("group weights"));
    assert!(message(GroupLasso::new(0.1, groups.clone()).l1_ratio(2.0)).contains("l1_ratio"));
    let mut holes = x.clone();
    holes[n + 2] = f64::NAN;
    let data = Xy::new(Design::dense(&holes, n, p).unwrap(), &y);
    assert!(GroupLasso::new(0.1, groups).fit(data).is_err());
    let multi = MultiXy::new(Design::dense(&x, n, p).unwrap(), &y[..n - 1]);
    assert!(MultiTaskLasso::new(0.1).fit(multi).is_err());
    assert!(MultiTaskLasso::new(0.1).fit(MultiXy::new(multi.x, &[])).is_err());
}

#[test]
fn equal_sorted_weights_are_the_lasso_and_others_satisfy_their_dual_ball() {
    let (n, p) = (30, 15);
    let (x, y) = problem(8, n, p);
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
    let lasso = Lasso::new(0.1).tol(1e-11).fit(data).unwrap();
    let equal = Slope::new(0.1, vec![1.0; p]).tol(1e-11).fit(data).unwrap().require_converged().unwrap();
    assert!(lasso.coef.iter().zip(&equal.coef).all(|(a, b)| (a - b).abs() < 1e-4));
    assert!((lasso.objective() - equal.objective()).abs() < 1e-10);
    let lambda = Slope::benjamini_hochberg(0.2, p).unwrap();
    assert!(lambda[0] == 1.0 && lambda.windows(2).all(|w| w[0] >= w[1]));
    let model = Slope::new(1.0, lambda.clone());
    let top = model.alpha_max(data).unwrap();
    assert_eq!(Slope::new(top, lambda.clone()).fit(data).unwrap().nnz(), 0);
    let fit =
        Slope::new(0.1 * top, lambda.clone()).tol(1e-11).fit(data).unwrap().require_converged().unwrap();
    // The gradient is in the ball of the dual norm, and pairs with w to the penalty: Fenchel's equality.
    let (grad, _) = gradient(&x, &y, &fit.coef, fit.intercept);
    let sorted = |v: &[f64]| {
        let mut s: Vec<f64> = v.iter().map(|v| v.abs()).collect();
        s.sort_by(|a, b| b.total_cmp(a));
        s
    };
    let (mut sum, mut bound) = (0.0, 0.0);
    for (g, l) in sorted(&grad).iter().zip(&lambda) {
        sum += g;
        bound += 0.1 * top * l;
        assert!(sum <= bound * (1.0 + 1e-3), "{sum} {bound}");
    }
    let penalty: f64 = sorted(&fit.coef).iter().zip(&lambda).map(|(w, l)| 0.1 * top * l * w).sum();
    let pairing: f64 = -grad.iter().zip(&fit.coef).map(|(g, w)| g * w).sum::<f64>();
    assert!((penalty - pairing).abs() < 1e-3 * penalty);
}

/// Loss and slope of one observation, from the definitions.
fn one(family: Family<f64>, y: f64, p: f64) -> (f64, f64) {
    match family {
        Family::Logistic => ((1.0 + p.exp()).ln() - y * p, 1.0 / (1.0 + (-p).exp()) - y),
        Family::Poisson => (p.exp() - y * p, p.exp() - y),
        Family::Huber { delta } => {
            let r = p - y;
            if r.abs() <= delta {
                (r * r / 2.0, r)
            } else {
                (delta * (r.abs() - delta / 2.0), delta * r.signum())
            }
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn generalized_linear_models_satisfy_their_optimality_conditions() {
    for (n, p) in [(60, 10), (30, 60)] {
        let (x, real) = problem(9, n, p);
        let design = Design::dense(&x, n, p).unwrap();
        let mut noise = Rng::new(10);
        let responses: [(Family<f64>, Vec<f64>); 3] = [
            (Family::Logistic, real.iter().map(|v| f64::from(*v > 1.0 + noise.normal::<f64>())).collect()),
            (Family::Poisson, real.iter().map(|v| v.clamp(0.0, 8.0).floor()).collect()),
            (
                Family::Huber { delta: 0.3 },
                real.iter().enumerate().map(|(i, v)| v + f64::from(u8::from(i % 7 == 0)) * 20.0).collect(),
            ),
        ];
        for (family, y) in &responses {
            let data = Xy::new(design, y);
            let top = SparseGlm::new(*family, 1.0).alpha_max(data).unwrap();
            let at_top = SparseGlm::new(*family, top).fit(data).unwrap();
            assert_eq!(at_top.nnz(), 0, "{family:?}");
            for (share, l1_ratio) in [(0.5, 1.0), (0.05, 1.0), (0.1, 0.7)] {
                let alpha = share * top;
                let fit = SparseGlm::new(*family, alpha).l1_ratio(l1_ratio).tol(1e-8).fit(data).unwrap();
                let name = format!(
                    "{family:?} {n}x{p} {share} {l1_ratio}: {} steps, gap {:e}",
                    fit.report.last.iter,
                    fit.gap()
                );
                assert!(fit.status().is_converged(), "{name}");
                let prediction: Vec<f64> = (0..n)
                    .map(|i| fit.intercept + (0..p).map(|j| x[j * n + i] * fit.coef[j]).sum::<f64>())
                    .collect();
                let parts: Vec<(f64, f64)> = (0..n).map(|i| one(*family, y[i], prediction[i])).collect();
                let l1: f64 = fit.coef.iter().map(|w| w.abs()).sum();
                let l2: f64 = fit.coef.iter().map(|w| w * w).sum();
                let objective = parts.iter().map(|v| v.0).sum::<f64>() / n as f64
                    + alpha * (l1_ratio * l1 + 0.5 * (1.0 - l1_ratio) * l2);
                assert!((objective - fit.objective()).abs() < 1e-10 * (1.0 + objective.abs()), "{name}");
                assert!(parts.iter().map(|v| v.1).sum::<f64>().abs() < 1e-4 * top * n as f64, "{name}");
                for j in 0..p {
                    let slope = (0..n).map(|i| x[j * n + i] * parts[i].1).sum::<f64>() / n as f64
                        + alpha * (1.0 - l1_ratio) * fit.coef[j];
                    let off = match fit.coef[j] {
                        0.0 => slope.abs() - alpha * l1_ratio,
                        w => (slope + alpha * l1_ratio * w.signum()).abs(),
                    };
                    assert!(off < 2e-3 * top, "{name}: feature {j} off by {off:e}");
                }
            }
        }
    }
}

#[test]
fn huber_with_a_wide_bound_is_the_lasso_and_weights_are_repeated_rows() {
    let (n, p) = (24, 8);
    let (x, y) = problem(11, n, p);
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
    let lasso = Lasso::new(0.2).tol(1e-10).fit(data).unwrap();
    let huber = SparseGlm::new(Family::Huber { delta: 1e6 }, 0.2).tol(1e-10).fit(data).unwrap();
    assert!(lasso.coef.iter().zip(&huber.coef).all(|(a, b)| (a - b).abs() < 1e-4));
    let classes: Vec<f64> = y.iter().map(|v| f64::from(*v > 2.0)).collect();
    let weights: Vec<f64> = (0..n).map(|i| (i % 3) as f64).collect();
    let rows: Vec<usize> = (0..n).flat_map(|i| vec![i; i % 3]).collect();
    let repeated: Vec<f64> =
        (0..p).flat_map(|j| rows.iter().map(move |&i| (i, j))).map(|(i, j)| x[j * n + i]).collect();
    let again: Vec<f64> = rows.iter().map(|&i| classes[i]).collect();
    let model = SparseGlm::new(Family::Logistic, 0.05).tol(1e-11);
    let a = model.fit(Xy::new(data.x, &classes).sample_weight(&weights)).unwrap();
    let b = model.fit(Xy::new(Design::dense(&repeated, rows.len(), p).unwrap(), &again)).unwrap();
    assert!(a.coef.iter().zip(&b.coef).all(|(a, b)| (a - b).abs() < 1e-4));
    assert!((a.objective() - b.objective()).abs() < 1e-10);
    // Ridge regression: zero weight on L1. Nothing to explain: any strength gives zero.
    let ridge = SparseGlm::new(Family::Huber { delta: 1e6 }, 0.2).l1_ratio(0.0).tol(1e-12);
    let other = ElasticNet::new(0.2, 0.0).tol(1e-12).fit(data).unwrap();
    let ridge = ridge.fit(data).unwrap().require_converged().unwrap();
    assert!(other.coef.iter().zip(&ridge.coef).all(|(a, b)| (a - b).abs() < 1e-5));
    let flat = Xy::new(Design::dense(&[1.0; 24], 24, 1).unwrap(), &classes);
    for positive in [false, true] {
        let mut model = SparseGlm::new(Family::Logistic, 1.0).positive(positive);
        model.alpha = 0.1 * model.alpha_max(flat).unwrap();
        assert_eq!(model.fit(flat).unwrap().nnz(), 0);
    }
    // Separable classes, and a response outside its range.
    let separable: Vec<f64> = (0..n).map(|i| f64::from(x[i] > 0.0)).collect();
    assert!(
        SparseGlm::new(Family::Logistic, 0.01)
            .fit(Xy::new(data.x, &separable))
            .unwrap()
            .status()
            .is_converged()
    );
    assert!(SparseGlm::new(Family::Logistic, 0.1).fit(Xy::new(data.x, &y)).is_err());
    assert!(SparseGlm::new(Family::Poisson, 0.1).fit(Xy::new(data.x, &[-1.0; 24])).is_err());
    assert!(SparseGlm::new(Family::Huber { delta: 0.0 }, 0.1).fit(data).is_err());
}

#[test]
fn missing_values_at_30_60_and_90_percent() {
    let (n, p) = (80, 10);
    let (x, y) = problem(12, n, p);
    let complete = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
    let lasso = Lasso::new(0.1).tol(1e-11).fit(complete).unwrap();
    let whole = HmLasso::new(0.1).tol(1e-11).fit(complete).unwrap().require_converged().unwrap();
    assert!(lasso.coef.iter().zip(&whole.coef).all(|(a, b)| (a - b).abs() < 1e-6));
    assert!((lasso.intercept - whole.intercept).abs() < 1e-6);
    // The objectives differ by the variance of y that no w explains away.
    assert!((whole.objective() + whole.objective_at_zero - lasso.objective()).abs() < 1e-9);
    for percent in [30, 60, 90] {
        let mut rng = Rng::new(percent);
        let holes: Vec<f64> = x
            .iter()
            .map(|&v| if rng.uniform::<f64>() * 100.0 < percent as f64 { f64::NAN } else { v })
            .collect();
        let data = Xy::new(Design::dense(&holes, n, p).unwrap(), &y);
        let top = HmLasso::new(1.0).alpha_max(data).unwrap();
        for power in [0.0, 0.5, 1.0] {
            for norm in [CovarianceNorm::Frobenius, CovarianceNorm::Max] {
                let tol = if norm == CovarianceNorm::Max { 1e-3 } else { 1e-10 };
                let model =
                    HmLasso::new(0.3 * top).weight_power(power).norm(norm).floor(0.05).covariance_tol(tol);
                let fit = model.max_iter(20_000).fit(data).unwrap();
                let name = format!(
                    "{percent} % {power} {norm:?}: {} iterations, gaps {:e} {:e}",
                    fit.covariance_report.last.iter,
                    fit.covariance_certificate.gap(),
                    fit.gap()
                );
                assert!(fit.status().is_converged(), "{name}");
                assert!(fit.nnz() > 0 && fit.coef.iter().all(|w| w.is_finite() && w.abs() < 100.0), "{name}");
                for _ in 0..20 {
                    let v: Vec<f64> = rng.normals(p);
                    let form: f64 = (0..p * p).map(|k| v[k / p] * fit.covariance[k] * v[k % p]).sum();
                    assert!(form > 0.0, "{name}");
                }
            }
        }
        assert_eq!(HmLasso::new(top * 1.0001).fit(data).unwrap().nnz(), 0);
        // The default options, down to where the pairwise moments contradict one another.
        for share in [0.3, 0.1, 0.03, 0.01, 1e-3] {
            let fit = HmLasso::new(share * top).fit(data).unwrap();
            let name = format!("{percent} % {share}: {:?} lift {:e}", fit.report, fit.lift);
            assert!(fit.status().is_converged() && fit.gap() <= 1e-6 * fit.objective_at_zero, "{name}");
            assert!(fit.objective() >= -2.0 * fit.objective_at_zero, "{name}");
            let lifted: f64 = fit.coef.iter().map(|w| w * w).sum::<f64>() * fit.lift;
            assert!(lifted <= 4.0 * top * fit.coef.iter().map(|w| w.abs()).sum::<f64>(), "{name}");
            assert!(share < 0.1 || fit.lift == 0.0 || percent == 90, "{name}");
        }
    }
    // The floor knows the units of X: the fit is the same in others.
    let mut holes = x.clone();
    (0..n * p).step_by(7).for_each(|k| holes[k] = f64::NAN);
    let fit = |scale: f64| {
        let scaled: Vec<f64> = holes.iter().map(|v| v * scale).collect();
        let model = HmLasso::new(0.1 * scale);
        model.fit(Xy::new(Design::dense(&scaled, n, p).unwrap(), &y)).unwrap().require_converged().unwrap()
    };
    let plain = fit(1.0);
    for scale in [1e-12, 1e12] {
        let other = fit(scale);
        assert!(other.coef.iter().zip(&plain.coef).all(|(a, b)| (a * scale - b).abs() < 1e-6), "{scale}");
    }
    let mut empty = x.clone();
    empty[n..2 * n].fill(f64::NAN);
    assert!(HmLasso::new(0.1).fit(Xy::new(Design::dense(&empty, n, p).unwrap(), &y)).is_err());
    empty[n] = f64::INFINITY;
    assert!(HmLasso::new(0.1).fit(Xy::new(Design::dense(&empty, n, p).unwrap(), &y)).is_err());
}

#[test]
fn generalized_with_the_identity_is_the_lasso_and_lars_ends_where_descent_does() {
    for (n, p) in [(40, 12), (15, 30)] {
        let (x, y) = problem(13, n, p);
        let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
        let lasso = Lasso::new(0.15).tol(1e-12).fit(data).unwrap();
        let lars =
            Lasso::new(0.15).solver(Solver::Lars).tol(1e-12).fit(data).unwrap().require_converged().unwrap();
        assert_eq!(lars.report.last.iter, 0, "the path is exact");
        let model = GeneralizedLasso::new(0.15, Structure::trend(0, 1.0, 0.0)).tol(1e-10);
        let general = model.fit(data).unwrap().require_converged().unwrap();
        for coef in [&lars.coef, &general.coef] {
            assert!(lasso.coef.iter().zip(coef).all(|(a, b)| (a - b).abs() < 1e-5));
            assert!(lasso.coef.iter().zip(coef).all(|(a, b)| (*a == 0.0) == (*b == 0.0)));
        }
    }
    // Ties, duplicates, a zero column, a constant response.
    let x = [1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, -1.0, -1.0];
    let design = Design::dense(&x, 4, 4).unwrap();
    let path = LassoLars::default().fit(Xy::new(design, &[2.0, 0.0, 0.0, -2.0])).unwrap();
    assert!(path.complete && path.knots.len() < 8);
    for alpha in [0.0_f64, 0.3, 0.9] {
        let (coef, _) = path.at(alpha);
        assert!((coef[0] + coef[1] - (1.0 - alpha)).abs() < 1e-12 && (coef[3] - (1.0 - alpha)).abs() < 1e-12);
    }
    let flat = LassoLars::default().fit(Xy::new(design, &[1.0; 4])).unwrap();
    assert!(flat.complete && flat.knots.len() == 1 && flat.at(0.0) == (vec![0.0; 4], 1.0));
}
