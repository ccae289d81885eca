//! The Lasso family against reference solutions of relative gap 3e-16.
#![allow(clippy::unwrap_used)]

mod common;

use common::portable::Matrix;
use serde_json::Value;
use sparse_modeling::models::{CrossValidation, Design, ElasticNet, ElasticNetPath, Fit, FittedLinear, Xy};

/// A data set: the matrix, dense or sparse, and the response.
struct Data {
    x: Matrix,
    sparse: bool,
    y: Vec<f64>,
}

impl Data {
    fn load(data: &Value) -> Self {
        let (x, sparse, y) = common::regression_data(data);
        Self { x, sparse, y }
    }

    fn design(&self) -> Design<'_, f64> {
        if self.sparse {
            Design::sparse(self.x.n, &self.x.indptr, &self.x.indices, &self.x.values).unwrap()
        } else {
            Design::dense(&self.x.values, self.x.n, self.x.p).unwrap()
        }
    }

    /// Row indices and values of column `j`.
    fn col(&self, j: usize) -> impl Iterator<Item = (usize, f64)> + '_ {
        let n = self.x.n;
        let range = if self.sparse { self.x.indptr[j]..self.x.indptr[j + 1] } else { j * n..(j + 1) * n };
        range.map(move |k| (if self.sparse { self.x.indices[k] } else { k - j * n }, self.x.values[k]))
    }
}

/// Objective and duality gap in plain loops, from the coefficients alone.
fn certify(data: &Data, model: &ElasticNet<f64>, fit: &FittedLinear<f64>) -> (f64, f64) {
    let (n, p) = (data.x.n as f64, data.x.p);
    let (l1, l2) = (model.alpha * model.l1_ratio, model.alpha * (1.0 - model.l1_ratio));
    let weight = |j: usize| model.penalty_weights.as_ref().map_or(1.0, |v| v[j]);
    let mut r: Vec<f64> = data.y.iter().map(|y| y - fit.intercept).collect();
    let mut penalty = 0.0;
    for (j, &w) in fit.coef.iter().enumerate().filter(|(_, w)| **w != 0.0) {
        assert!(!model.positive || w > 0.0);
        penalty += weight(j) * (l1 * w.abs() + 0.5 * l2 * w * w);
        for (i, x) in data.col(j) {
            r[i] -= w * x;
        }
    }
    let primal = r.iter().map(|v| v * v).sum::<f64>() / (2.0 * n) + penalty;
    // The dual point: the residual off the constant and off the unpenalised columns.
    let mut theta = r;
    let mut basis: Vec<Vec<f64>> = vec![];
    let mut spans: Vec<Vec<f64>> = if model.fit_intercept { vec![vec![1.0; data.x.n]] } else { vec![] };
    for j in (0..p).filter(|&j| weight(j) == 0.0) {
        let mut col = vec![0.0; data.x.n];
        data.col(j).for_each(|(i, x)| col[i] = x);
        spans.push(col);
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let remove = |q: &[f64], v: &mut [f64]| {
        let along = dot(q, v);
        v.iter_mut().zip(q).for_each(|(v, q)| *v -= along * q);
    };
    for mut s in spans {
        (0..2).for_each(|_| basis.iter().for_each(|q| remove(q, &mut s)));
        let norm = dot(&s, &s).sqrt();
        s.iter_mut().for_each(|v| *v /= norm);
        basis.push(s);
    }
    (0..2).for_each(|_| basis.iter().for_each(|q| remove(q, &mut theta)));
    let mut scale = 1.0_f64;
    let mut conjugate = 0.0;
    for j in (0..p).filter(|&j| weight(j) > 0.0) {
        let mut u: f64 = data.col(j).map(|(i, x)| x * theta[i]).sum::<f64>() / n;
        u = if model.positive { u.max(0.0) } else { u.abs() };
        let v = weight(j);
        if l2 > 0.0 {
            let excess = (u - v * l1).max(0.0);
            conjugate += excess * excess / (2.0 * v * l2);
        } else {
            scale = scale.min(v * l1 / u);
        }
    }
    let dual = (scale * dot(&data.y, &theta) - 0.5 * scale * scale * dot(&theta, &theta)) / n - conjugate;
    (primal, primal - dual)
}

fn check_case(case: &Value, data: &Data) {
    let name = case["name"].as_str().unwrap();
    let at_zero = case["objective_at_zero"].as_f64().unwrap();
    let weights = case.get("weights").map(|f| common::npy(&format!("lasso/{}", f.as_str().unwrap())).data);
    for solution in case["solutions"].as_array().unwrap() {
        let alpha = solution["alpha"].as_f64().unwrap();
        let l1_ratio = solution.get("l1_ratio").and_then(Value::as_f64).unwrap_or(1.0);
        let mut model = ElasticNet::new(alpha, l1_ratio).tol(1e-13);
        model.fit_intercept = case["fit_intercept"].as_bool().unwrap();
        model.positive = case["family"] == "positive_lasso";
        model.penalty_weights.clone_from(&weights);
        let fit = model.fit(Xy::new(data.design(), &data.y)).unwrap();
        let at = format!("{name} alpha {alpha} l1_ratio {l1_ratio}: {:?}", fit.report);
        assert!(fit.relative_gap() <= 1e-12, "{at}");
        assert!((fit.objective_at_zero / at_zero - 1.0).abs() < 1e-12, "{at}");

        let objective = solution["objective"].as_f64().unwrap();
        assert!((fit.objective() - objective).abs() <= 1e-9 * objective, "{at}: {}", fit.objective());
        let (primal, gap) = certify(data, &model, &fit);
        assert!((primal - fit.objective()).abs() <= 1e-12 * at_zero, "{at}: {primal}");
        assert!(gap <= 1e-11 * at_zero, "{at}: independent gap {gap:e}");

        if solution.get("unique").and_then(Value::as_bool) != Some(false) {
            let file =
                |key: &str| common::npy(&format!("lasso/{}", solution["coef"][key].as_str().unwrap())).data;
            let (idx, val) = (file("idx"), file("val"));
            let largest = val.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
            let ours: Vec<usize> = fit.nonzeros().map(|(j, _)| j).collect();
            let theirs: Vec<usize> = idx.iter().map(|&j| j as usize).collect();
            assert_eq!(ours, theirs, "{at}");
            for ((j, w), v) in fit.nonzeros().zip(&val) {
                assert!((w - v).abs() <= 1e-5 * largest, "{at}: coefficient {j}: {w} against {v}");
            }
            let intercept = solution["intercept"].as_f64().unwrap();
            assert!((fit.intercept - intercept).abs() <= 1e-5 * intercept.abs().max(largest), "{at}");
        }
    }
    if let Some(expected) = case.get("alpha_max").and_then(Value::as_f64) {
        let mut model = ElasticNet::new(1.0, 1.0);
        model.fit_intercept = case["fit_intercept"].as_bool().unwrap();
        model.positive = case["family"] == "positive_lasso";
        model.penalty_weights = weights;
        let alpha = model.alpha_max(Xy::new(data.design(), &data.y)).unwrap();
        assert!((alpha / expected - 1.0).abs() < 1e-11, "{name}: alpha_max {alpha} against {expected}");
    }
}

/// All cases of a family, except those on data that another test covers.
fn check_family(family: &str, wanted: impl Fn(&str) -> bool) {
    let index = common::json("lasso/index.json");
    let mut checked = 0;
    for case in index["cases"].as_array().unwrap() {
        if case["family"] == family && wanted(case["name"].as_str().unwrap()) {
            check_case(case, &Data::load(&case["data"]));
            checked += 1;
        }
    }
    assert!(checked > 0, "no case of {family}");
}

#[test]
fn lasso_dense() {
    check_family("lasso", |name| !name.contains("sparse") && !name.contains("wide"));
}

#[test]
fn lasso_wide() {
    check_family("lasso", |name| name.contains("wide"));
}

#[test]
fn lasso_sparse() {
    check_family("lasso", |name| name.contains("sparse"));
}

#[test]
fn elastic_net() {
    check_family("enet", |_| true);
}

#[test]
fn weighted_lasso() {
    check_family("weighted_lasso", |_| true);
}

#[test]
fn positive_lasso() {
    check_family("positive_lasso", |_| true);
}

/// All cases of a family with their data.
fn cases(family: &str) -> Vec<(Value, Data)> {
    let index = common::json("lasso/index.json");
    let cases = index["cases"].as_array().unwrap().iter().filter(|c| c["family"] == family);
    cases.map(|c| (c.clone(), Data::load(&c["data"]))).collect()
}

fn column(case: &Value, key: &str) -> Vec<f64> {
    common::npy(&format!("lasso/{}", case[key].as_str().unwrap())).data
}

#[test]
fn paths() {
    for (case, data) in cases("lasso_path") {
        let name = case["name"].as_str().unwrap();
        let alphas = column(&case, "alphas");
        let model = ElasticNet::new(1.0, 1.0).tol(1e-12);
        let path = ElasticNetPath::new(model.clone()).alphas(alphas.clone());
        let fitted = path.fit(Xy::new(data.design(), &data.y)).unwrap();
        assert!(fitted.status().is_converged(), "{name}");
        let at_zero = case["objective_at_zero"].as_f64().unwrap();
        let (objectives, intercepts) = (column(&case, "objective"), column(&case, "intercepts"));
        let rows = column(&case, "coef_idx");
        let coefs = common::npy(&format!("lasso/{}", case["coefs"].as_str().unwrap()));
        for (k, point) in fitted.points.iter().enumerate() {
            assert_eq!(point.alpha, alphas[k]);
            let objective = point.certificate.primal;
            assert!((objective - objectives[k]).abs() <= 1e-11 * at_zero, "{name} {k}: {objective}");
            let mut at = model.clone();
            at.alpha = alphas[k];
            let (primal, gap) = certify(&data, &at, &fitted.fitted(k));
            assert!((primal - objective).abs() <= 1e-11 * at_zero, "{name} {k}: {primal} {objective}");
            assert!(gap <= 1e-11 * at_zero, "{name} {k}: independent gap {gap:e}");
            if case["unique"][k] == false {
                continue;
            }
            assert_eq!(point.nnz() as u64, case["nnz"][k].as_u64().unwrap(), "{name} {k}");
            let ours = fitted.coef(k);
            let theirs: Vec<f64> = (0..rows.len()).map(|r| coefs.data[r * alphas.len() + k]).collect();
            let largest = theirs.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
            for (&j, v) in rows.iter().zip(&theirs) {
                assert!((ours[j as usize] - v).abs() <= 1e-5 * largest, "{name} {k}: feature {j}");
            }
            let scale = intercepts[k].abs().max(largest);
            assert!((point.intercept - intercepts[k]).abs() <= 1e-5 * scale, "{name} {k}");
        }
    }
}

#[test]
fn cross_validation() {
    for (case, data) in cases("lasso_cv") {
        let name = case["name"].as_str().unwrap();
        let alphas = column(&case, "alphas");
        let path = ElasticNetPath::new(ElasticNet::new(1.0, 1.0).tol(1e-12)).alphas(alphas.clone());
        let cv = CrossValidation::new(path).fit(Xy::new(data.design(), &data.y)).unwrap();
        let errors = common::npy(&format!("lasso/{}", case["mse_path"].as_str().unwrap())).data;
        for (f, fold) in cv.fold_errors.iter().enumerate() {
            for (k, &error) in fold.iter().enumerate() {
                let expected = errors[f * alphas.len() + k];
                assert!((error / expected - 1.0).abs() < 1e-4, "{name} fold {f}, {k}: {error} {expected}");
            }
        }
        assert_eq!(cv.index_min as u64, case["best_index"].as_u64().unwrap(), "{name}");
        assert!(cv.alpha_1se() >= cv.alpha_min());
        let refit = &case["refit"];
        let objective = refit["objective"].as_f64().unwrap();
        assert!((cv.fitted.objective() / objective - 1.0).abs() < 1e-9, "{name}");
        assert!((cv.fitted.alpha - refit["alpha"].as_f64().unwrap()).abs() < 1e-12);
    }
}
