//! 1-D total variation, fused lasso and trend filtering against reference solutions.
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use serde_json::Value;
use sparse_modeling::linalg::operator::Difference;
use sparse_modeling::linalg::{LinearOperator, Workspace};
use sparse_modeling::timeseries::{
    FusedLasso, GraphFused, GroupTrend, Series, TrendFilter, fused_lambda_max, trend_lambda_max,
};

fn array(case: &Value, name: &str) -> Option<Vec<f64>> {
    let file = case["arrays"].get(name)?.as_str().unwrap();
    Some(common::npy(&format!("tv/{file}")).data)
}

fn cases(family: &str) -> Vec<Value> {
    let index = common::json("tv/timeseries.json");
    let all: Vec<Value> = index["cases"].as_array().unwrap().clone();
    all.into_iter().filter(|c| c["family"] == family).collect()
}

/// The objective from its definition.
fn objective(y: &[f64], w: &[f64], penalty: &[f64], x: &[f64], rows: &[f64]) -> f64 {
    let fit: f64 = y.iter().zip(w).zip(x).map(|((y, w), x)| 0.5 * w * (y - x) * (y - x)).sum();
    fit + penalty.iter().zip(rows).map(|(l, d)| l * d.abs()).sum::<f64>()
}

fn max_diff(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).fold(0.0, |m, (p, q)| f64::max(m, (p - q).abs()))
}

#[test]
fn total_variation() {
    let all = cases("tv1d");
    assert_eq!(all.len(), 32);
    for case in all {
        let id = case["id"].as_str().unwrap();
        let (y, want) = (array(&case, "y").unwrap(), array(&case, "x").unwrap());
        let n = y.len();
        let w = array(&case, "w").unwrap_or_else(|| vec![1.0; n]);
        // Penalties per edge are edge weights with lambda = 1.
        let edges = array(&case, "lam");
        let lambda = if edges.is_some() { 1.0 } else { case["lam"].as_f64().unwrap() };
        let mut model = FusedLasso::new(lambda);
        if let Some(e) = &edges {
            model = model.edge_weights(e.clone());
        }
        let circular = case["circular"] == true;
        if circular {
            model = model.circular();
        }
        let fit = model.fit(Series::new(&y).weights(&w)).unwrap();
        let penalty = edges.unwrap_or_else(|| vec![lambda; n]);
        let ends = |x: &[f64]| circular.then(|| x[0] - x[n - 1]);
        let diffs = |x: &[f64]| x.windows(2).map(|p| p[1] - p[0]).chain(ends(x)).collect::<Vec<f64>>();
        let f = objective(&y, &w, &penalty, fit.x(), &diffs(fit.x()));
        let best = case["objective"].as_f64().unwrap();
        let size: f64 = y.iter().zip(&w).map(|(y, w)| w * y * y).sum();
        assert!((f - best).abs() <= 1e-9 * best + 1e-15 * size, "{id}: {f} {best}");
        assert!((fit.objective() - f).abs() <= 1e-12 * f + 1e-15 * size, "{id}: {} {f}", fit.objective());
        assert!(
            fit.certificate().gap() <= 1e-12 * best + 1e-15 * size,
            "{id}: gap {}",
            fit.certificate().gap()
        );
        if case["compare"] != "objective" {
            let scale = y.iter().fold(0.0, |m, v| f64::max(m, v.abs()));
            assert!(max_diff(fit.x(), &want) <= 1e-12 * scale, "{id}: {}", max_diff(fit.x(), &want));
        }
    }
}

#[test]
fn fused_lasso_with_a_sparse_term() {
    let all = cases("flsa");
    assert_eq!(all.len(), 4);
    for case in all {
        let (y, want) = (array(&case, "y").unwrap(), array(&case, "x").unwrap());
        let (l1, l2) = (case["l1"].as_f64().unwrap(), case["l2"].as_f64().unwrap());
        let fit = FusedLasso::new(l2).lambda_sparse(l1).fit(Series::new(&y)).unwrap();
        let best = case["objective"].as_f64().unwrap();
        assert!((fit.objective() - best).abs() <= 1e-12 * best, "{}", case["id"]);
        assert!(fit.certificate().gap() <= 1e-12 * best, "{}", case["id"]);
        assert!(max_diff(fit.x(), &want) <= 1e-12, "{}", case["id"]);
        for (got, want) in fit.x().iter().zip(&want) {
            assert_eq!(*got == 0.0, want.abs() < 1e-14, "{}: {got} {want}", case["id"]);
        }
    }
}

#[test]
fn trend_filtering() {
    let all = cases("tf");
    assert_eq!(all.len(), 42);
    for case in all {
        let id = case["id"].as_str().unwrap();
        let (y, want) = (array(&case, "y").unwrap(), array(&case, "x").unwrap());
        let (k, lambda) = (case["k"].as_u64().unwrap() as usize, case["lam"].as_f64().unwrap());
        let n = y.len();
        let w = array(&case, "w").unwrap_or_else(|| vec![1.0; n]);
        let t = array(&case, "t");
        let mut series = Series::new(&y).weights(&w);
        if let Some(t) = &t {
            series = series.positions(t);
        }
        let mut model = TrendFilter::new(k, lambda).tol(1e-12);
        // On a ring the first values follow once more after the last.
        let again = if case["circular"] == true { k + 1 } else { 0 };
        if again > 0 {
            model = model.circular();
        }
        let fit = model.fit(series).unwrap();
        let d = match &t {
            Some(t) => Difference::uneven(t, k + 1).unwrap(),
            None => Difference::even(n + again, k + 1).unwrap(),
        };
        let at = |x: &[f64]| {
            let mut rows = vec![0.0; d.nrows()];
            let around: Vec<f64> = x.iter().chain(&x[..again]).copied().collect();
            d.apply(&around, &mut rows, Workspace::new(d.scratch()).stack());
            objective(&y, &w, &vec![lambda; rows.len()], x, &rows)
        };
        let best = case["objective"].as_f64().unwrap();
        // Evaluating a double-precision x costs digits at uneven positions; the stored x says how many.
        let rounding = 10.0 * (at(&want) - best).abs();
        let f = at(fit.x());
        assert!((f - best).abs() <= 1e-9 * best + rounding + 1e-13, "{id}: {f} {best}");
        assert!((fit.objective() - best).abs() <= 1e-10 * best + 1e-13, "{id}: {} {best}", fit.objective());
        assert!(fit.certificate().gap() <= 1e-10 * best + 1e-13, "{id}: gap {}", fit.certificate().gap());
        if case["compare"] != "objective" {
            assert!(max_diff(fit.x(), &want) <= 1e-6, "{id}: {}", max_diff(fit.x(), &want));
        }
        if let Some(lambda_max) = case["lam_max"].as_f64() {
            let got = model.lambda_max(series).unwrap();
            assert!((got / lambda_max - 1.0).abs() <= 1e-9, "{id}: lambda_max {got} {lambda_max}");
        }
    }
}

#[test]
fn the_first_knot_of_the_path_is_lambda_max() {
    for case in cases("path") {
        let (y, knots) = (array(&case, "y").unwrap(), array(&case, "knots").unwrap());
        let k = case["k"].as_u64().unwrap() as usize;
        let got = trend_lambda_max(Series::new(&y), k).unwrap();
        assert!((got / knots[0] - 1.0).abs() <= 1e-10, "{}: {got} {}", case["id"], knots[0]);
        if k == 0 {
            assert!((fused_lambda_max(Series::new(&y), None).unwrap() / got - 1.0).abs() <= 1e-12);
        }
    }
}

#[test]
fn group_fused_lasso_and_trends() {
    let all = cases("groupfused");
    assert_eq!(all.len(), 8);
    for case in all {
        let id = case["id"].as_str().unwrap();
        let file = |name: &str| common::npy(&format!("tv/{}", case["arrays"][name].as_str().unwrap()));
        let (y, want) = (file("y"), file("x"));
        let (k, lambda) = (case["k"].as_u64().unwrap() as usize, case["lam"].as_f64().unwrap());
        let fit = GroupTrend::new(k, lambda).tol(1e-8).fit(Series::new(&y.data), y.shape[1]).unwrap();
        let best = case["objective"].as_f64().unwrap();
        assert!(fit.status().is_converged(), "{id}: gap {}", fit.certificate().gap());
        assert!((fit.objective() - best).abs() <= 1e-6 * best, "{id}: {} {best}", fit.objective());
        assert!(fit.certificate().primal - fit.certificate().gap() <= best * (1.0 + 1e-9), "{id}");
        assert!(max_diff(fit.x(), &want.data) <= 1e-2, "{id}: {}", max_diff(fit.x(), &want.data));
    }
}

#[test]
fn fused_lasso_on_a_grid_graph() {
    let all = cases("genlasso");
    assert_eq!(all.len(), 1);
    let case = &all[0];
    let (y, want) = (array(case, "y").unwrap(), array(case, "x").unwrap());
    let edges: Vec<(usize, usize)> =
        array(case, "edges").unwrap().chunks_exact(2).map(|e| (e[0] as usize, e[1] as usize)).collect();
    let fit = GraphFused::new(case["lam"].as_f64().unwrap()).fit(&y, &edges).unwrap();
    let best = case["objective"].as_f64().unwrap();
    assert!((fit.objective() - best).abs() <= 1e-12 * best, "{} {best}", fit.objective());
    assert!(fit.certificate().gap() <= 1e-12 * best);
    assert!(max_diff(fit.x(), &want) <= 1e-12, "{}", max_diff(fit.x(), &want));
}
