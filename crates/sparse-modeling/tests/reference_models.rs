//! The regression models beyond the Lasso against reference solutions of relative gap 3e-16.
#![allow(clippy::unwrap_used)]

mod common;

use serde_json::Value;
use sparse_modeling::models::{Design, Fit, GroupLasso, MultiTaskLasso, MultiXy, Xy};

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
