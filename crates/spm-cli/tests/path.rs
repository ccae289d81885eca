//! `spm path` and `spm cv` end to end.
#![allow(clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};

use common::{Folder, json, read_npy, refused, spm};
use serde_json::Value;
use spm_linalg::testing::Rng;

/// 40 × 12 data in files, with their values (row-major).
fn problem(f: &Folder) -> (PathBuf, PathBuf, Vec<f64>, Vec<f64>) {
    let (n, p) = (40, 12);
    let mut rng = Rng::new(21);
    let x: Vec<f64> = rng.normals(n * p);
    let y: Vec<f64> =
        (0..n).map(|i| 3.0 + 2.0 * x[i * p] - 1.5 * x[i * p + 3] + 0.3 * rng.normal::<f64>()).collect();
    (f.npy("x.npy", &[n, p], &x), f.npy("y.npy", &[n], &y), x, y)
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

#[test]
fn path_writes_everything_it_says() {
    let f = Folder::new();
    let (x, y, xs, ys) = problem(&f);
    let (out, alphas_out, intercepts_out, plot) =
        (f.path("w.npy"), f.path("a.npy"), f.path("b.csv"), f.path("p.svg"));
    let j = json(
        "path {} {} -o {} --n-alphas 30 --eps 0.01 --tol 1e-9 --alphas-out {} --intercepts-out {} --plot {} --criterion bic",
        &[&x, &y, &out, &alphas_out, &intercepts_out, &plot],
        0,
    );
    assert_eq!((j["command"].as_str(), j["status"].as_str()), (Some("path"), Some("converged")));
    let alphas = numbers(&j["alphas"]);
    let near = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| (a / b - 1.0).abs() < 1e-14);
    let (shape, written) = read_npy(&alphas_out);
    assert!(shape == [30] && near(&written, &alphas));
    assert!((alphas[29] / alphas[0] - 0.01).abs() < 1e-12 && alphas.windows(2).all(|a| a[0] > a[1]));
    let (shape, coefs) = read_npy(&out);
    assert_eq!(shape, [12, 30]);
    let nnz = numbers(&j["nnz"]);
    assert_eq!(nnz[0], 0.0);
    let intercepts: Vec<f64> =
        std::fs::read_to_string(&intercepts_out).unwrap().lines().map(|l| l.parse().unwrap()).collect();
    let objectives = numbers(&j["objective"]);
    for k in 0..30 {
        let w: Vec<f64> = (0..12).map(|r| coefs[r * 30 + k]).collect();
        assert_eq!(w.iter().filter(|v| **v != 0.0).count() as f64, nnz[k]);
        let loss: f64 = (0..40)
            .map(|i| ys[i] - intercepts[k] - (0..12).map(|r| xs[i * 12 + r] * w[r]).sum::<f64>())
            .map(|r| r * r / 80.0)
            .sum();
        let objective = loss + alphas[k] * w.iter().map(|v| v.abs()).sum::<f64>();
        assert!((objective - objectives[k]).abs() < 1e-8 * objective);
    }
    let order = numbers(&j["entry_order"]);
    assert_eq!((order[0], order[1]), (0.0, 3.0));
    assert!(j["alpha"].as_f64().unwrap() < alphas[0] && j["chosen"].as_u64().is_some());
    assert!(std::fs::read_to_string(&plot).unwrap().contains("<svg"));
    // The same grid from a file, the other way round.
    let back: Vec<f64> = alphas.iter().rev().copied().collect();
    let grid = f.npy("grid.npy", &[30], &back);
    let other = f.path("w2.npy");
    let j = json("path {} {} -o {} --alphas {} --tol 1e-9", &[&x, &y, &other, &grid], 0);
    assert!(near(&numbers(&j["alphas"]), &back));
    let (_, reversed) = read_npy(&other);
    for (r, k) in (0..12).flat_map(|r| (0..30).map(move |k| (r, k))) {
        assert!((reversed[r * 30 + 29 - k] - coefs[r * 30 + k]).abs() < 1e-3);
    }
}

#[test]
fn cv_chooses_and_refits() {
    let f = Folder::new();
    let (x, y, ..) = problem(&f);
    let (out, plot, lasso) = (f.path("w.npy"), f.path("cv.svg"), f.path("l.npy"));
    let run = |words: &str| json(&format!("cv {{}} {{}} -o {{}} {words}"), &[&x, &y, &out], 0);
    let j = json("cv {} {} -o {} --folds 4 --n-alphas 40 --plot {}", &[&x, &y, &out, &plot], 0);
    let (alpha, alpha_1se) = (j["alpha"].as_f64().unwrap(), j["alpha_1se"].as_f64().unwrap());
    assert!(alpha_1se >= alpha && j["cv_error"].as_f64().unwrap() > 0.0);
    assert!(std::fs::read_to_string(&plot).unwrap().contains("<svg"));
    let (shape, coef) = read_npy(&out);
    assert_eq!(shape, [12]);
    json(&format!("lasso {{}} {{}} -o {{}} --alpha {alpha:e}"), &[&x, &y, &lasso], 0);
    assert!(read_npy(&lasso).1.iter().zip(&coef).all(|(a, b)| (a - b).abs() < 1e-9));
    let simple = run("--folds 4 --n-alphas 40 --rule 1se");
    assert_eq!(simple["alpha"], simple["alpha_1se"]);
    assert!(simple["nnz"].as_u64() <= j["nnz"].as_u64());
    // The seed and nothing else decides; threads do not.
    let seeded = |words: &str| run(&format!("--repeats 2 {words}"))["cv_errors"].clone();
    assert_eq!(seeded("--seed 3 --threads 1"), seeded("--seed 3 --threads 4"));
    assert_ne!(seeded("--seed 3"), seeded("--seed 4"));
}

#[test]
fn missing_values_in_paths_and_cross_validation_and_model_files() {
    let f = Folder::new();
    let (_, y, mut xs, _) = problem(&f);
    xs.iter_mut().step_by(5).for_each(|v| *v = f64::NAN);
    let x = f.npy("holes.npy", &[40, 12], &xs);
    let (out, model, coef) = (f.path("w.npy"), f.path("m.spm"), f.path("c.npy"));
    let j = json("path {} {} -o {} --missing --n-alphas 10 --eps 0.05 --criterion bic", &[&x, &y, &out], 0);
    assert_eq!(j["entry_order"][0], 0);
    assert_eq!(read_npy(&out).0, [12, 10]);
    let j = json("cv {} {} -o {} --missing --n-alphas 10 --eps 0.05", &[&x, &y, &model], 0);
    assert!(j["r2"].is_null() && j["cv_error"].as_f64().unwrap() > 0.0);
    assert_eq!(json("info {}", &[&model], 0)["format"], 1);
    let words = format!("lasso {{}} {{}} -o {{}} --missing --alpha {:e}", j["alpha"].as_f64().unwrap());
    let lasso = json(&words, &[&x, &y, &coef], 0);
    assert_eq!((&lasso["nnz"], &lasso["objective"]), (&j["nnz"], &j["objective"]));
    refused("cv {} {} -o {}", &[&x, &y, &out], "holes.npy");
    refused("path {} {} -o {} --missing", &[&x, &y, &f.path("p.spm")], "p.spm");
}

#[test]
fn bad_input_is_named() {
    let f = Folder::new();
    let (x, y, ..) = problem(&f);
    let out = f.path("w.npy");
    let ids = f.text("ids.csv", "0\n1\n");
    let halves = f.text("halves.csv", &"0.5\n".repeat(40));
    let negative = f.text("negative.csv", "1\n-2\n");
    let with = |extra: &Path, words: &str, needle: &str| {
        refused(words, &[&x, &y, &out, extra], needle);
        assert!(!out.exists());
    };
    with(&ids, "cv {} {} -o {} --fold-ids {}", "fold");
    with(&halves, "cv {} {} -o {} --fold-ids {}", "halves.csv");
    with(&negative, "path {} {} -o {} --alphas {}", "negative.csv");
    with(&negative, "cv {} {} -o {} --sample-weight {}", "negative.csv");
    refused("path {} {} -o {}", &[&x, &x, &out], "expected a vector");
    refused("cv {} {} -o {} --folds 41", &[&x, &y, &out], "folds");
    for words in ["path {} {} -o {} --eps 1", "path {} {} -o {} --n-alphas 0", "cv {} {} -o {} --rule best"] {
        assert_eq!(spm(words, &[&x, &y, &out]).status.code(), Some(2), "{words}");
    }
}
