//! The models of `spm lasso`, `spm genlasso`, `spm path` and `spm cv` end to end against the reference solutions of `fixtures/lasso`.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};

use common::{Folder, json, read_npy, refused, spm};
use serde_json::Value;
use spm_linalg::testing::Rng;

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/lasso")).join(name)
}

/// The cases of a family whose data are stored, with the files of X and y.
fn cases(index: &str, family: &str) -> Vec<(Value, PathBuf, PathBuf)> {
    let text = std::fs::read_to_string(fixture(index)).unwrap();
    let all: Value = serde_json::from_str(&text).unwrap();
    let file = |v: &Value| v.as_str().map(fixture).filter(|f| f.exists());
    let found: Vec<_> = all["cases"].as_array().unwrap().iter().filter(|c| c["family"] == family).collect();
    let stored = found
        .into_iter()
        .filter_map(|c| Some((c.clone(), file(&c["data"]["X"]["file"])?, file(&c["data"]["y"])?)))
        .collect::<Vec<_>>();
    assert!(!stored.is_empty(), "{family}");
    stored
}

fn num(v: &Value) -> f64 {
    v.as_f64().unwrap()
}

fn numbers(v: &Value) -> Vec<f64> {
    v.as_array().map_or_else(|| vec![num(v)], |all| all.iter().map(num).collect())
}

/// The objective of a run against that of a solution, relative to that at zero.
fn same_objective(run: &Value, solution: &Value, case: &Value, tol: f64) {
    let scale = num(&case["objective_at_zero"]);
    let off = (num(&run["objective"]) - num(&solution["objective"])).abs();
    assert!(off <= tol * scale, "{}: {off:e} of {scale}", case["name"]);
    assert!(num(&run["gap"]) <= tol * scale, "{}", case["name"]);
    assert_eq!(run["status"], "converged");
}

#[test]
fn multitask_and_its_model_file() {
    let f = Folder::new();
    let (out, model) = (f.path("w.npy"), f.path("m.spm"));
    for (case, x, y) in cases("models.json", "multitask_lasso") {
        for solution in case["solutions"].as_array().unwrap() {
            let words =
                format!("lasso {{}} {{}} -o {{}} --multitask --tol 1e-11 --alpha {}", solution["alpha"]);
            let run = json(&words, &[&x, &y, &out], 0);
            same_objective(&run, solution, &case, 1e-10);
            assert_eq!(run["nnz"], solution["nnz"]);
            let top = num(&run["alpha_max"]);
            assert!((top / num(&case["alpha_max"]) - 1.0).abs() < 1e-12);
            let (shape, w) = read_npy(&out);
            let rows = w.chunks_exact(shape[1]).filter(|row| row.iter().any(|v| *v != 0.0)).count();
            assert_eq!(rows as f64, num(&solution["nnz"]));
            for (a, b) in numbers(&run["intercept"]).iter().zip(numbers(&solution["intercept"])) {
                assert!((a - b).abs() < 1e-4);
            }
            json(&words, &[&x, &y, &model], 0);
            let info = json("info {}", &[&model], 0);
            assert_eq!(
                (info["kind_id"].as_u64(), info["shapes"]["intercept"][0].as_u64()),
                (Some(5), Some(3))
            );
        }
    }
}

#[test]
fn generalized_lasso_of_every_kind() {
    let f = Folder::new();
    let (out, dw) = (f.path("w.npy"), f.path("dw.npy"));
    for (case, x, y) in cases("models.json", "generalized_lasso") {
        let solution = &case["solutions"].as_array().unwrap()[0];
        let p = &case["params"];
        let d = case.get("D").and_then(Value::as_str).map(fixture);
        let structure = match (&d, p["kind"].as_str()) {
            (Some(_), _) => "--D {}".to_owned(),
            (None, kind) => {
                let kind = match kind.unwrap() {
                    "fused" => "--fused",
                    "trend" => "--trend 1",
                    _ => "--trend 2",
                };
                format!("{kind} --sparse-coef {} --trend-coef {}", p["sparse_coef"], p["trend_coef"])
            }
        };
        let words = format!(
            "genlasso {{}} {{}} -o {{}} --structure-out {{}} {structure} --tol 1e-8 --alpha {}",
            solution["alpha"]
        );
        let mut paths: Vec<&Path> = vec![&x, &y, &out, &dw];
        paths.extend(d.as_deref());
        let run = json(&words, &paths, 0);
        same_objective(&run, solution, &case, 1e-7);
        assert_eq!(run["zero_rows"], solution["n_zero_rows_Dw"], "{}", case["name"]);
        let zeros = read_npy(&dw).1.iter().filter(|v| **v == 0.0).count();
        assert_eq!(zeros as f64, num(&solution["n_zero_rows_Dw"]));
        // The default tolerance finds the same pattern and with it the same point.
        let rough = json(&words.replace("--tol 1e-8 ", ""), &paths, 0);
        let off = num(&rough["objective"]) - num(&solution["objective"]);
        assert!(off.abs() <= 1e-9 * num(&case["objective_at_zero"]), "{}: {off:e}", case["name"]);
    }
}

#[test]
fn missing_values() {
    let f = Folder::new();
    let out = f.path("w.npy");
    for (case, x, y) in cases("models.json", "hmlasso") {
        for solution in case["solutions"].as_array().unwrap() {
            let words = format!("lasso {{}} {{}} -o {{}} --missing --tol 1e-9 --alpha {}", solution["alpha"]);
            let run = json(&words, &[&x, &y, &out], 0);
            let off = (num(&run["objective"]) - num(&solution["objective"])).abs();
            assert!(off < 1e-5 * num(&run["objective_at_zero"]), "{}: {off:e}", case["name"]);
            let expected = read_npy(&fixture(solution["coef"].as_str().unwrap())).1;
            let size = expected.iter().fold(1.0_f64, |m, v| m.max(v.abs()));
            let w = read_npy(&out).1;
            assert!(w.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-2 * size), "{}", case["name"]);
        }
        // Without the option a NaN is an error that names the file.
        refused("lasso {} {} -o {} --alpha 1", &[&x, &y, &out], "_X.npy");
    }
}

#[test]
fn groups_on_real_data() {
    let f = Folder::new();
    let out = f.path("w.npy");
    for (case, x, y) in cases("models.json", "group_lasso") {
        let groups = fixture(case["group_id"].as_str().unwrap());
        for solution in case["solutions"].as_array().unwrap() {
            let words =
                format!("lasso {{}} {{}} -o {{}} --groups {{}} --tol 1e-11 --alpha {}", solution["alpha"]);
            let run = json(&words, &[&x, &y, &out, &groups], 0);
            same_objective(&run, solution, &case, 1e-10);
            assert!(run["active_groups"].as_u64().unwrap() > 0);
        }
        // The default weights, given; all of the L1 penalty is the Lasso.
        let ids = read_npy_any(&groups);
        let mut names = ids.clone();
        names.sort_by(f64::total_cmp);
        names.dedup();
        let sizes: Vec<f64> =
            names.iter().map(|g| (ids.iter().filter(|i| *i == g).count() as f64).sqrt()).collect();
        let weights = f.npy("v.npy", &[sizes.len()], &sizes);
        let alpha = &case["solutions"][0]["alpha"];
        let plain = format!("lasso {{}} {{}} -o {{}} --groups {{}} --tol 1e-11 --alpha {alpha}");
        let one = json(&plain, &[&x, &y, &out, &groups], 0);
        let two = json(&format!("{plain} --group-weights {{}}"), &[&x, &y, &out, &groups, &weights], 0);
        assert_eq!(one["objective"], two["objective"]);
        let sparse = json(&format!("{plain} --sparse-group-ratio 1"), &[&x, &y, &out, &groups], 0);
        let lasso = json(&format!("lasso {{}} {{}} -o {{}} --tol 1e-11 --alpha {alpha}"), &[&x, &y, &out], 0);
        let off = (num(&sparse["objective"]) - num(&lasso["objective"])).abs();
        assert!(off < 1e-10 * num(&lasso["objective_at_zero"]));
    }
}

/// A vector of integers or floats.
fn read_npy_any(path: &Path) -> Vec<f64> {
    let bytes = std::fs::read(path).unwrap();
    let file = npyz::NpyFile::new(&bytes[..]).unwrap();
    let text = file.dtype().descr();
    if text.contains("f8") {
        file.into_vec::<f64>().unwrap()
    } else if text.contains("i8") {
        file.into_vec::<i64>().unwrap().into_iter().map(|v| v as f64).collect()
    } else {
        file.into_vec::<i32>().unwrap().into_iter().map(f64::from).collect()
    }
}

/// 60 × 8 data: three true features.
fn predictors(f: &Folder) -> (PathBuf, Vec<f64>, Vec<f64>) {
    let (n, p) = (60, 8);
    let mut rng = Rng::new(3);
    let x: Vec<f64> = rng.normals(n * p);
    let line = (0..n).map(|i| 0.5 + 1.5 * x[i * p] - x[i * p + 2] + 0.7 * x[i * p + 5]).collect();
    (f.npy("x.npy", &[n, p], &x), x, line)
}

/// Mean loss, its slope in the prediction, at one observation.
fn loss(name: &str, y: f64, p: f64) -> (f64, f64) {
    match name {
        "logistic" => ((1.0 + p.exp()).ln() - y * p, 1.0 / (1.0 + (-p).exp()) - y),
        "poisson" => (p.exp() - y * p, p.exp() - y),
        _ if (y - p).abs() <= 1.0 => (0.5 * (y - p) * (y - p), p - y),
        _ => ((y - p).abs() - 0.5, (p - y).signum()),
    }
}

#[test]
fn other_losses_satisfy_their_conditions() {
    let f = Folder::new();
    let (x_file, x, line) = predictors(&f);
    let (n, p) = (60, 8);
    let (out, model) = (f.path("w.npy"), f.path("m.spm"));
    let mut rng = Rng::new(8);
    for name in ["logistic", "huber", "poisson"] {
        let y: Vec<f64> = line
            .iter()
            .map(|&v| match name {
                "logistic" => f64::from(u8::from(rng.uniform::<f64>() < 1.0 / (1.0 + (-v).exp()))),
                "poisson" => (v.min(3.0).exp() + rng.uniform::<f64>()).floor(),
                _ => v + if rng.uniform::<f64>() < 0.1 { 20.0 } else { 0.2 * rng.normal::<f64>() },
            })
            .collect();
        let y_file = f.npy("y.npy", &[n], &y);
        let words = format!("lasso {{}} {{}} -o {{}} --loss {name} --delta 1 --alpha-ratio 0.2 --tol 1e-9");
        let run = json(&words, &[&x_file, &y_file, &out], 0);
        let (alpha, b) = (num(&run["alpha"]), num(&run["intercept"]));
        assert!((alpha / num(&run["alpha_max"]) - 0.2).abs() < 1e-12);
        assert!(num(&run["deviance_explained"]) > 0.1, "{run}");
        let w = read_npy(&out).1;
        let prediction = |i: usize| b + (0..p).map(|j| x[i * p + j] * w[j]).sum::<f64>();
        let penalty = alpha * w.iter().map(|v| v.abs()).sum::<f64>();
        let objective = (0..n).map(|i| loss(name, y[i], prediction(i)).0).sum::<f64>() / n as f64 + penalty;
        assert!((objective - num(&run["objective"])).abs() < 1e-11 * objective.abs(), "{name}");
        let slope = |j: Option<usize>| {
            let column = |i: usize| j.map_or(1.0, |j| x[i * p + j]);
            (0..n).map(|i| column(i) * loss(name, y[i], prediction(i)).1).sum::<f64>() / n as f64
        };
        assert!(slope(None).abs() < 1e-6, "{name}: intercept");
        for (j, &w) in w.iter().enumerate() {
            let g = slope(Some(j));
            let off = if w == 0.0 { g.abs() - alpha } else { (g + alpha * w.signum()).abs() };
            assert!(off < 1e-4 * alpha, "{name}: {j} {off:e}");
        }
        json(&words, &[&x_file, &y_file, &model], 0);
        assert_eq!(json("info {}", &[&model], 0)["kind_id"], 4);
    }
    let y_file = f.npy("y.npy", &[n], &line);
    refused("lasso {} {} -o {} --loss logistic --alpha 0.1", &[&x_file, &y_file, &out], "y.npy");
    // Huber with a bound no residual reaches is least squares: the same bounded, standardised model.
    let bounds = f.npy("b.npy", &[p, 2], &[-0.5, 0.25].repeat(p));
    for words in ["--standardize", "--bounds {}", "--standardize --l1-ratio 0.5 --bounds {}"] {
        let mut fits = Vec::new();
        for loss in ["squared", "huber --delta 1e6"] {
            let words =
                format!("lasso {{}} {{}} -o {{}} --alpha-ratio 0.05 --tol 1e-10 --loss {loss} {words}");
            let mut paths: Vec<&Path> = vec![&x_file, &y_file, &out];
            paths.extend(words.contains("bounds").then_some(bounds.as_path()));
            let run = json(&words, &paths, 0);
            fits.push((num(&run["alpha_max"]), num(&run["objective"]), read_npy(&out).1));
        }
        let (a, b) = (&fits[0], &fits[1]);
        assert!((a.0 / b.0 - 1.0).abs() < 1e-9 && (a.1 / b.1 - 1.0).abs() < 1e-9, "{words}: {a:?} {b:?}");
        assert!(a.2.iter().zip(&b.2).all(|(a, b)| (a - b).abs() < 1e-4), "{words}: {a:?} {b:?}");
        assert!(!words.contains("bounds") || b.2.contains(&0.25), "{words}: {b:?}");
    }
}

#[test]
fn concave_penalties_and_bounds() {
    let f = Folder::new();
    let (x_file, x, line) = predictors(&f);
    let (n, p) = (60, 8);
    let mut rng = Rng::new(5);
    let y: Vec<f64> = line.iter().map(|v| v + 0.05 * rng.normal::<f64>()).collect();
    let (y_file, out) = (f.npy("y.npy", &[n], &y), f.path("w.npy"));
    for name in ["mcp", "scad"] {
        let words = format!("lasso {{}} {{}} -o {{}} --penalty {name} --alpha 0.1 --tol 1e-9");
        let run = json(&words, &[&x_file, &y_file, &out], 0);
        assert_eq!((run["local_minimum"].as_bool(), run["nnz"].as_u64()), (Some(true), Some(3)), "{run}");
        assert!(num(&run["violation"]) <= 1e-9 * num(&run["violation_at_zero"]));
        let w = read_npy(&out).1;
        // Unshrunk: the slope of the loss is zero on the support.
        let r: Vec<f64> = (0..n)
            .map(|i| y[i] - num(&run["intercept"]) - (0..p).map(|j| x[i * p + j] * w[j]).sum::<f64>())
            .collect();
        for j in (0..p).filter(|&j| w[j] != 0.0) {
            assert!((0..n).map(|i| x[i * p + j] * r[i]).sum::<f64>().abs() < 1e-6, "{name}");
        }
    }
    let bounds: Vec<f64> = (0..p).flat_map(|j| [if j == 2 { -0.4 } else { 0.0 }, 1.0]).collect();
    let bounds = f.npy("b.npy", &[p, 2], &bounds);
    let run =
        json("lasso {} {} -o {} --alpha 0.01 --bounds {} --tol 1e-10", &[&x_file, &y_file, &out, &bounds], 0);
    let w = read_npy(&out).1;
    assert_eq!((w[0], w[2]), (1.0, -0.4), "{run}");
    assert!(num(&run["gap"]) <= 1e-10 * num(&run["objective_at_zero"]));
    let bad = f.npy("bad.npy", &[p, 2], &vec![0.5; 2 * p]);
    refused("lasso {} {} -o {} --alpha 0.01 --bounds {}", &[&x_file, &y_file, &out, &bad], "bad.npy");
    for words in ["--penalty mcp --positive", "--penalty scad --loss huber", "--bounds b --groups g"] {
        let words = format!("lasso {{}} {{}} -o {{}} --alpha 0.1 {words}");
        assert_eq!(spm(&words, &[&x_file, &y_file, &out]).status.code(), Some(2), "{words}");
    }
}

#[test]
fn adaptive_weights_and_a_number_of_features() {
    let f = Folder::new();
    let (x_file, x, line) = predictors(&f);
    let (n, p) = (60, 8);
    let mut rng = Rng::new(6);
    let y: Vec<f64> = line.iter().map(|v| v + 0.05 * rng.normal::<f64>()).collect();
    let (y_file, out, model) = (f.npy("y.npy", &[n], &y), f.path("w.npy"), f.path("m.spm"));
    json("lasso {} {} -o {} --alpha 0.1", &[&x_file, &y_file, &out], 0);
    let plain = read_npy(&out).1;
    let run = json("lasso {} {} -o {} --alpha 0.1 --adaptive --tol 1e-9", &[&x_file, &y_file, &out], 0);
    let adaptive = read_npy(&out).1;
    assert_eq!(run["nnz"], 3, "{run}");
    assert!(num(&run["gap"]) <= 1e-9 * num(&run["objective_at_zero"]));
    for j in (0..p).filter(|&j| plain[j].abs() > 1.0) {
        assert!(
            adaptive[j].abs() > plain[j].abs(),
            "large coefficients are shrunk less: {plain:?} {adaptive:?}"
        );
    }
    // Exactly three features matter: the least-squares fit on them.
    let run = json("lasso {} {} -o {} --features 3", &[&x_file, &y_file, &out], 0);
    let w = read_npy(&out).1;
    assert_eq!((run["nnz"].as_u64(), run["selected"].as_array().map(Vec::len)), (Some(3), Some(3)), "{run}");
    assert!(run["selected"].as_array().unwrap().iter().all(|j| w[j.as_u64().unwrap() as usize] != 0.0));
    let r: Vec<f64> = (0..n)
        .map(|i| y[i] - num(&run["intercept"]) - (0..p).map(|j| x[i * p + j] * w[j]).sum::<f64>())
        .collect();
    for j in (0..p).filter(|&j| w[j] != 0.0) {
        assert!((0..n).map(|i| x[i * p + j] * r[i]).sum::<f64>().abs() < 1e-9);
    }
    assert!((r.iter().map(|v| v * v).sum::<f64>() / (2 * n) as f64 - num(&run["objective"])).abs() < 1e-12);
    json("lasso {} {} -o {} --features 2", &[&x_file, &y_file, &model], 0);
    json("info {}", &[&model], 0);
    for words in [
        "--features 0 ",
        "--features 2 --alpha 1",
        "--features 2 --positive",
        "--alpha 1 --adaptive --missing",
    ] {
        let words = format!("lasso {{}} {{}} -o {{}} {words}");
        assert_eq!(spm(&words, &[&x_file, &y_file, &out]).status.code(), Some(2), "{words}");
    }
}

#[test]
fn paths_and_cross_validation_on_real_data() {
    let f = Folder::new();
    let out = f.path("w.npy");
    for (case, x, y) in cases("index.json", "lasso_path") {
        let alphas = fixture(case["alphas"].as_str().unwrap());
        let words = "path {} {} -o {} --alphas {} --tol 1e-11 --max-iter 100000";
        let run = json(words, &[&x, &y, &out, &alphas], 0);
        let expected = read_npy(&fixture(case["objective"].as_str().unwrap())).1;
        let scale = num(&case["objective_at_zero"]);
        for (a, b) in numbers(&run["objective"]).iter().zip(&expected) {
            assert!((a - b).abs() < 1e-10 * scale, "{}", case["name"]);
        }
    }
    for (case, x, y) in cases("index.json", "lasso_cv") {
        let alphas = fixture(case["alphas"].as_str().unwrap());
        let run = json("cv {} {} -o {} --alphas {} --folds 5 --tol 1e-10", &[&x, &y, &out, &alphas], 0);
        assert_eq!(run["status"], "converged", "{}", case["name"]);
        assert!((num(&run["alpha_min"]) / num(&case["best_alpha"]) - 1.0).abs() < 1e-12, "{}", case["name"]);
    }
}
