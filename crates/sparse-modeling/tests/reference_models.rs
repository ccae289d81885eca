//! The regression models beyond the Lasso against reference solutions of relative gap 3e-16.
#![allow(clippy::unwrap_used)]

mod common;

use serde_json::Value;
use sparse_modeling::models::linear::{LarsPath, LassoLars};
use sparse_modeling::models::{
    Design, Fit, GeneralizedLasso, GroupLasso, HmLasso, MultiTaskLasso, MultiXy, Structure, Xy,
};
use sparse_modeling::solvers::lars::LarsRule;

fn cases(family: &str) -> Vec<Value> {
    let index = common::json("lasso/models.json");
    let all = index["cases"].as_array().unwrap();
    let found: Vec<Value> = all.iter().filter(|c| c["family"] == family).cloned().collect();
    assert!(!found.is_empty(), "{family}");
    found
}

fn num(v: &Value) -> f64 {
    v.as_f64().unwrap()
}

fn array(v: &Value) -> common::Array {
    common::npy(&format!("lasso/{}", v.as_str().unwrap()))
}

/// Coefficients of a solution, `p × t` column by column, from its nonzero rows.
fn coefficients(solution: &Value, p: usize, t: usize) -> Vec<f64> {
    let idx = array(&solution["coef"]["idx"]).data;
    let val = array(&solution["coef"]["val"]).data;
    let mut coef = vec![0.0; p * t];
    for (k, &j) in idx.iter().enumerate() {
        for s in 0..t {
            coef[s * p + j as usize] = val[k * t + s];
        }
    }
    coef
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn group_lasso() {
    for case in cases("group_lasso") {
        let (x, _, y) = common::regression_data(&case["data"]);
        let data = Xy::new(Design::dense(&x.values, x.n, x.p).unwrap(), &y);
        let groups: Vec<usize> = array(&case["group_id"]).data.iter().map(|&g| g as usize).collect();
        let scale = num(&case["objective_at_zero"]);
        let top = GroupLasso::new(1.0, groups.clone()).alpha_max(data).unwrap();
        assert!((top / num(&case["alpha_max"]) - 1.0).abs() < 1e-12, "{}", case["name"]);
        let at_top = GroupLasso::new(top, groups.clone()).fit(data).unwrap();
        assert_eq!(at_top.nnz(), 0, "{}", case["name"]);
        for solution in case["solutions"].as_array().unwrap() {
            let model = GroupLasso::new(num(&solution["alpha"]), groups.clone()).tol(1e-12);
            let fit = model.fit(data).unwrap().require_converged().unwrap();
            let name = format!("{} at {} after {}", case["name"], solution["ratio"], fit.report.last.iter);
            assert!((fit.objective() - num(&solution["objective"])).abs() <= 1e-11 * scale, "{name}");
            assert!((fit.objective_at_zero / scale - 1.0).abs() < 1e-12);
            let expected = coefficients(solution, x.p, 1);
            let size = expected.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
            assert!(largest_difference(&fit.coef, &expected) < 1e-4 * size, "{name}");
            assert!((fit.intercept - num(&solution["intercept"])).abs() < 1e-4 * (1.0 + size), "{name}");
            assert!(fit.report.last.iter < 3000, "{name}");
        }
    }
}

#[test]
fn multitask_lasso() {
    for case in cases("multitask_lasso") {
        let (x, _, y) = common::regression_data(&case["data"]);
        let data = MultiXy::new(Design::dense(&x.values, x.n, x.p).unwrap(), &y);
        let t = y.len() / x.n;
        let scale = num(&case["objective_at_zero"]);
        let top = MultiTaskLasso::new(1.0).alpha_max(data).unwrap();
        assert!((top / num(&case["alpha_max"]) - 1.0).abs() < 1e-12, "{}", case["name"]);
        for solution in case["solutions"].as_array().unwrap() {
            let fit = MultiTaskLasso::new(num(&solution["alpha"])).tol(1e-12).fit(data).unwrap();
            let fit = fit.require_converged().unwrap();
            let name = format!("{} at {} after {}", case["name"], solution["ratio"], fit.report.last.iter);
            assert!((fit.objective() - num(&solution["objective"])).abs() <= 1e-11 * scale, "{name}");
            let expected = coefficients(solution, x.p, t);
            assert!(largest_difference(&fit.coef, &expected) < 1e-4, "{name}");
            assert_eq!(fit.selected().count(), num(&solution["nnz"]) as usize, "{name}");
            for (b, e) in fit.intercept.iter().zip(solution["intercept"].as_array().unwrap()) {
                assert!((b - num(e)).abs() < 1e-4, "{name}");
            }
        }
    }
}

/// The structure of a case: by its name and coefficients, or a stored matrix.
fn structure(case: &Value) -> Structure<f64> {
    if let Some(file) = case.get("D") {
        let d = array(file);
        return Structure::Matrix { nrows: d.shape[0], values: d.column_major() };
    }
    let p = &case["params"];
    let order = match p["kind"].as_str().unwrap() {
        "fused" => 0,
        "trend" => 1,
        "quadratic_trend" => 2,
        other => panic!("{other}"),
    };
    Structure::trend(order, num(&p["sparse_coef"]), num(&p["trend_coef"]))
}

#[test]
fn generalized_lasso() {
    for case in cases("generalized_lasso") {
        let (x, _, y) = common::regression_data(&case["data"]);
        let data = Xy::new(Design::dense(&x.values, x.n, x.p).unwrap(), &y);
        let scale = num(&case["objective_at_zero"]);
        for solution in case["solutions"].as_array().unwrap() {
            let model =
                GeneralizedLasso::new(num(&solution["alpha"]), structure(&case)).tol(1e-10).max_iter(20_000);
            let fit = model.fit(data).unwrap();
            let name =
                format!("{} at {}: {} iterations", case["name"], solution["alpha"], fit.report.last.iter);
            assert!(fit.status().is_converged(), "{name}: gap {:e} of {scale}", fit.gap());
            assert!((fit.objective() - num(&solution["objective"])).abs() <= 1e-9 * scale, "{name}");
            let expected = array(&solution["coef"]).data;
            assert!(largest_difference(&fit.coef, &expected) < 1e-3, "{name}");
            let zeros = fit.structure.iter().filter(|v| **v == 0.0).count();
            assert_eq!(zeros as f64, num(&solution["n_zero_rows_Dw"]), "{name}");
        }
    }
}

#[test]
fn signal_approximation() {
    for case in cases("signal_approximation") {
        let y = array(&case["y"]).data;
        let n = y.len();
        let mut identity = vec![0.0; n * n];
        (0..n).for_each(|i| identity[i * (n + 1)] = 1.0);
        let data = Xy::new(Design::dense(&identity, n, n).unwrap(), &y);
        let order = usize::from(case["params"]["kind"] == "trend");
        let scale = num(&case["objective_at_zero"]);
        let solution = &case["solutions"][0];
        let model = GeneralizedLasso::new(num(&solution["alpha"]), Structure::trend(order, 0.0, 1.0));
        let fit = model.fit_intercept(false).tol(1e-7).fit(data).unwrap();
        let name = format!("{}: {} iterations, gap {:e}", case["name"], fit.report.last.iter, fit.gap());
        assert!(fit.status().is_converged(), "{name}");
        assert!((fit.objective() - num(&solution["objective"])).abs() <= 1e-7 * scale, "{name}");
    }
}

#[test]
fn missing_values() {
    for case in cases("hmlasso") {
        let (x, _, y) = common::regression_data(&case["data"]);
        let data = Xy::new(Design::dense(&x.values, x.n, x.p).unwrap(), &y);
        let sigma = array(&case["Sigma"]).column_major();
        let size = sigma.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
        for solution in case["solutions"].as_array().unwrap() {
            let fit = HmLasso::new(num(&solution["alpha"])).tol(1e-9).fit(data).unwrap();
            let name = format!(
                "{} at {}: {} and {} iterations, gaps {:e} {:e}",
                case["name"],
                solution["alpha"],
                fit.covariance_report.last.iter,
                fit.report.last.iter,
                fit.covariance_certificate.gap(),
                fit.gap()
            );
            assert!(fit.status().is_converged(), "{name}");
            let off = largest_difference(&fit.covariance, &sigma);
            assert!(off < 1e-5 * size, "{name}: covariance off by {off:e}");
            let expected = array(&solution["coef"]).data;
            let off = largest_difference(&fit.coef, &expected);
            assert!(off < 2e-4, "{name}: coefficients off by {off:e}");
            assert!((fit.objective() - num(&solution["objective"])).abs() < 1e-5, "{name}");
            assert!((fit.intercept - num(&solution["intercept"])).abs() < 2e-4, "{name}");
        }
    }
}

#[test]
fn lars_paths() {
    for case in cases("lars") {
        let (x, _, y) = common::regression_data(&case["data"]);
        let data = Xy::new(Design::dense(&x.values, x.n, x.p).unwrap(), &y);
        let rule = if case["method"] == "lar" { LarsRule::LeastAngle } else { LarsRule::Lasso };
        let path: LarsPath<f64> = LassoLars::default().rule(rule).fit(data).unwrap();
        let alphas = array(&case["alphas"]).data;
        let name = &case["name"];
        assert!(path.complete, "{name}");
        // Every knot is what it claims: no correlation above alpha, and that of every nonzero coefficient at it.
        for knot in &path.knots {
            let dense: Vec<f64> = path.at(knot.alpha).0;
            let correlations = correlations(&x, &y, &dense, knot.intercept);
            let worst = correlations.iter().fold(0.0_f64, |m, c| m.max(c.abs()));
            assert!(worst <= knot.alpha + 1e-9 * alphas[0], "{name}: {worst} above {}", knot.alpha);
            for &(j, w) in &knot.coef {
                assert!((correlations[j].abs() - knot.alpha).abs() < 1e-9 * alphas[0], "{name}: {j}");
                assert!(
                    rule == LarsRule::LeastAngle || w * correlations[j] >= -1e-9 * alphas[0],
                    "{name}: {j}"
                );
            }
        }
        let features = array(&case["coef_idx"]).data;
        let coefs = array(&case["coef_path"]);
        let mut compared = 0;
        for (k, &alpha) in alphas.iter().enumerate() {
            let mut expected = vec![0.0; x.p];
            for (row, &j) in features.iter().enumerate() {
                expected[j as usize] = coefs.data[row * alphas.len() + k];
            }
            // scikit-learn's least-angle path goes wrong where a coefficient changes its sign: a column that left
            // the equiangular direction overtakes. Such knots are not on the path.
            let mean = |v: &[f64]| v.iter().sum::<f64>() / x.n as f64;
            let shift: f64 = (0..x.p).map(|j| expected[j] * mean(&x.values[j * x.n..(j + 1) * x.n])).sum();
            let correlations = correlations(&x, &y, &expected, mean(&y) - shift);
            if correlations.iter().any(|c| c.abs() > alpha + 1e-9 * alphas[0]) {
                assert_eq!(rule, LarsRule::LeastAngle);
                break;
            }
            compared += 1;
            let (coef, _) = path.at(alpha);
            let size = expected.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
            let off = largest_difference(&coef, &expected);
            assert!(off < 1e-6 * size, "{name} knot {k} of {}: off by {off:e}", alphas.len());
        }
        assert!(compared > 8, "{name}");
    }
}

/// `Xᵀ(y − X w − b)/n` in plain loops.
fn correlations(x: &common::portable::Matrix, y: &[f64], w: &[f64], b: f64) -> Vec<f64> {
    let mut r: Vec<f64> = y.iter().map(|y| y - b).collect();
    for (column, w) in x.values.chunks_exact(x.n).zip(w) {
        r.iter_mut().zip(column).for_each(|(r, x)| *r -= w * x);
    }
    let dot = |column: &[f64]| column.iter().zip(&r).map(|(x, r)| x * r).sum::<f64>() / x.n as f64;
    x.values.chunks_exact(x.n).map(dot).collect()
}
