//! `spm lasso` end to end.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Folder, json, read_npy, refused, spm};
use spm_linalg::testing::Rng;

struct Problem {
    n: usize,
    p: usize,
    /// Row-major.
    x: Vec<f64>,
    y: Vec<f64>,
}

fn problem(n: usize, p: usize, seed: u64) -> Problem {
    let mut rng = Rng::new(seed);
    let x: Vec<f64> = rng.normals(n * p);
    let y = (0..n).map(|i| 3.0 + 2.0 * x[i * p] - 1.5 * x[i * p + 3] + 0.1 * rng.normal::<f64>()).collect();
    Problem { n, p, x, y }
}

impl Problem {
    /// Objective and duality gap from the definition: `1/(2n)‖y − Xw − b‖² + alpha‖w‖₁`.
    fn objective_and_gap(&self, w: &[f64], b: f64, alpha: f64) -> (f64, f64) {
        let n = self.n as f64;
        let r: Vec<f64> = (0..self.n)
            .map(|i| self.y[i] - b - (0..self.p).map(|j| self.x[i * self.p + j] * w[j]).sum::<f64>())
            .collect();
        let primal =
            r.iter().map(|v| v * v).sum::<f64>() / (2.0 * n) + alpha * w.iter().map(|v| v.abs()).sum::<f64>();
        // Dual: maximise yᵀθ − n/2‖θ‖² over 1ᵀθ = 0, ‖Xᵀθ‖_∞ <= alpha.
        let mean = r.iter().sum::<f64>() / n;
        let theta: Vec<f64> = r.iter().map(|v| (v - mean) / n).collect();
        let largest = (0..self.p)
            .map(|j| (0..self.n).map(|i| self.x[i * self.p + j] * theta[i]).sum::<f64>().abs())
            .fold(0.0, f64::max);
        let s = (alpha / largest).min(1.0);
        let fit: f64 = theta.iter().zip(&self.y).map(|(t, y)| t * y).sum();
        let square: f64 = theta.iter().map(|t| t * t).sum();
        (primal, primal - (s * fit - s * s * n / 2.0 * square))
    }
}

#[test]
fn solves_and_certifies_by_every_solver() {
    let f = Folder::new();
    let pr = problem(40, 60, 1);
    let x = f.npy("x.npy", &[pr.n, pr.p], &pr.x);
    let y = f.npy("y.npy", &[pr.n], &pr.y);
    let mut all = Vec::new();
    for solver in ["auto", "cd", "admm", "fista"] {
        let out = f.path("w.npy");
        let j = json(
            &format!(
                "lasso {{}} {{}} -o {{}} --alpha-ratio 0.1 --tol 1e-10 --max-iter 100000 --solver {solver}"
            ),
            &[&x, &y, &out],
            0,
        );
        assert_eq!(j["command"], "lasso");
        assert_eq!(j["status"], "converged");
        let (shape, w) = read_npy(&out);
        assert_eq!(shape, [pr.p]);
        let (alpha, b) = (j["alpha"].as_f64().unwrap(), j["intercept"].as_f64().unwrap());
        assert!((alpha - 0.1 * j["alpha_max"].as_f64().unwrap()).abs() < 1e-14);
        let (objective, gap) = pr.objective_and_gap(&w, b, alpha);
        assert!((objective - j["objective"].as_f64().unwrap()).abs() < 1e-12 * objective);
        let at_zero = {
            let mean = pr.y.iter().sum::<f64>() / pr.n as f64;
            pr.y.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (2.0 * pr.n as f64)
        };
        assert!(gap <= 1.01e-10 * at_zero, "{solver}: gap {gap}");
        let nnz = w.iter().filter(|v| **v != 0.0).count();
        assert_eq!(j["nnz"].as_u64(), Some(nnz as u64));
        assert!(nnz < 20, "{solver}: {nnz} nonzeros: zeros are not exact");
        assert!(j["r2"].as_f64().unwrap() > 0.9);
        assert!(j["seconds"].as_f64().is_some() && j["iterations"].as_u64().is_some());
        all.push(w);
    }
    for w in &all[1..] {
        for (a, b) in w.iter().zip(&all[0]) {
            assert!((a - b).abs() < 1e-6, "solvers disagree: {a} and {b}");
        }
    }
}

#[test]
fn alpha_max_gives_zero_and_max_iter_gives_3() {
    let f = Folder::new();
    let pr = problem(30, 50, 2);
    let x = f.npy("x.npy", &[pr.n, pr.p], &pr.x);
    let y = f.npy("y.npy", &[pr.n], &pr.y);
    let out = f.path("w.npy");
    let j = json("lasso {} {} -o {} --alpha-ratio 1", &[&x, &y, &out], 0);
    assert_eq!(j["nnz"], 0);
    assert!(read_npy(&out).1.iter().all(|&w| w == 0.0));
    std::fs::remove_file(&out).unwrap();
    let j = json(
        "lasso {} {} -o {} --alpha-ratio 0.001 --max-iter 1 --tol 1e-14 --solver fista",
        &[&x, &y, &out],
        3,
    );
    assert_eq!(j["status"], "max_iterations");
    assert_eq!(read_npy(&out).0, [pr.p]);
}

#[test]
fn ridge_regression_takes_a_strength_but_no_share() {
    let f = Folder::new();
    let pr = problem(30, 5, 4);
    let x = f.npy("x.npy", &[pr.n, pr.p], &pr.x);
    let y = f.npy("y.npy", &[pr.n], &pr.y);
    let positive = f.npy("count.npy", &[pr.n], &pr.y.iter().map(|v| v.abs().floor()).collect::<Vec<_>>());
    let out = f.path("w.npy");
    for (y, extra) in [(&y, ""), (&positive, " --loss poisson")] {
        let j = json(&format!("lasso {{}} {{}} -o {{}} --l1-ratio 0 --alpha 0.5{extra}"), &[&x, y, &out], 0);
        assert!(j["alpha_max"].is_null() && j["nnz"] == 5);
        let share =
            spm(&format!("lasso {{}} {{}} -o {{}} --l1-ratio 0 --alpha-ratio 0.5{extra}"), &[&x, y, &out]);
        assert_eq!(share.status.code(), Some(2));
    }
}

#[test]
fn several_targets_options_and_formats() {
    let f = Folder::new();
    let pr = problem(30, 8, 3);
    let x = f.npy("x.npy", &[pr.n, pr.p], &pr.x);
    let y = f.npy("y.npy", &[pr.n], &pr.y);
    let two: Vec<f64> = pr.y.iter().flat_map(|&v| [v, -v]).collect();
    let y2 = f.npy("y2.npy", &[pr.n, 2], &two);
    let (one, both) = (f.path("one.csv"), f.path("both.npy"));
    json("lasso {} {} -o {} --alpha 0.05 --tol 1e-12", &[&x, &y, &one], 0);
    json("lasso {} {} -o {} --alpha 0.05 --tol 1e-12", &[&x, &y2, &both], 0);
    let text = std::fs::read_to_string(&one).unwrap();
    let w: Vec<f64> = text.lines().map(|l| l.parse().unwrap()).collect();
    let (shape, ww) = read_npy(&both);
    assert_eq!(shape, [pr.p, 2]);
    for j in 0..pr.p {
        assert!((ww[2 * j] - w[j]).abs() < 1e-9 && (ww[2 * j + 1] + w[j]).abs() < 1e-9);
    }
    let v = f.npy("v.npy", &[pr.p], &[1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0, 1.0]);
    let weights = f.npy("weights.npy", &[pr.n], &vec![2.0; pr.n]);
    let words = "lasso {} {} -o {} --alpha 100 --penalty-weights {} --sample-weight {}";
    let j = json(words, &[&x, &y, &one, &v, &weights], 0);
    assert_eq!(j["nnz"], 1, "the unpenalised feature stays");
    let j =
        json("lasso {} {} -o {} --alpha 0.05 --positive --standardize --l1-ratio 0.7", &[&x, &y, &both], 0);
    assert!(read_npy(&both).1.iter().all(|&w| w >= 0.0), "{j}");
    let csv: String = (0..pr.n)
        .map(|i| (0..pr.p).map(|k| format!("{:?}", pr.x[i * pr.p + k])).collect::<Vec<_>>().join(",") + "\n")
        .collect();
    let xc = f.text("x.csv", &format!("a,b,c,d,e,f,g,h\n{csv}"));
    json("lasso {} {} -o {} --alpha 0.05 --tol 1e-12", &[&xc, &y, &both], 0);
    assert_eq!(read_npy(&both).1, w);
}

#[test]
fn a_sparse_design_gives_the_dense_answer() {
    let f = Folder::new();
    let mut pr = problem(30, 12, 4);
    let mut rng = Rng::new(9);
    for v in &mut pr.x {
        if rng.uniform::<f64>() < 0.6 {
            *v = 0.0;
        }
    }
    let x = f.npy("x.npy", &[pr.n, pr.p], &pr.x);
    let y = f.npy("y.npy", &[pr.n], &pr.y);
    let mut lines = String::new();
    let mut count = 0;
    for i in 0..pr.n {
        for j in 0..pr.p {
            let v = pr.x[i * pr.p + j];
            if v != 0.0 {
                count += 1;
                lines.push_str(&format!("{} {} {v:?}\n", i + 1, j + 1));
            }
        }
    }
    let header = format!("%%MatrixMarket matrix coordinate real general\n{} {} {count}\n", pr.n, pr.p);
    let mtx = f.text("x.mtx", &(header + &lines));
    let (a, b) = (f.path("a.npy"), f.path("b.npy"));
    for extra in ["", "--standardize", "--no-intercept"] {
        json(&format!("lasso {{}} {{}} -o {{}} --alpha-ratio 0.05 --tol 1e-13 {extra}"), &[&x, &y, &a], 0);
        json(&format!("lasso {{}} {{}} -o {{}} --alpha-ratio 0.05 --tol 1e-13 {extra}"), &[&mtx, &y, &b], 0);
        for (u, v) in read_npy(&a).1.iter().zip(&read_npy(&b).1) {
            assert!((u - v).abs() < 1e-6, "{extra}: {u} and {v}");
        }
    }
}

#[test]
fn bad_input_is_refused_in_one_line() {
    let f = Folder::new();
    let pr = problem(10, 5, 5);
    let x = f.npy("x.npy", &[10, 5], &pr.x);
    let y = f.npy("y.npy", &[10], &pr.y);
    let short = f.npy("short.npy", &[9], &pr.y[..9]);
    let mut holed = pr.x.clone();
    holed[12] = f64::NAN;
    let nan = f.npy("nan.npy", &[10, 5], &holed);
    let whole = std::fs::read(&x).unwrap();
    let cut = f.path("cut.npy");
    std::fs::write(&cut, &whole[..whole.len() - 9]).unwrap();
    let words = f.text("words.csv", "a,b\n1,2\n3,x\n");
    let garbage = f.text("garbage.npz", "this is not a zip file");
    let cube = f.npy("cube.npy", &[2, 5, 1], &[0.0; 10]);
    let missing = f.path("missing.npy");
    let out = f.path("w.npy");
    let line = "lasso {} {} -o {} --alpha 0.1";
    refused(line, &[&x, &short, &out], "expected");
    refused(line, &[&nan, &y, &out], "nan.npy");
    refused(line, &[&nan, &y, &out], "row 2, column 2");
    refused(line, &[&cut, &y, &out], "cut.npy");
    refused(line, &[&missing, &y, &out], "missing.npy");
    refused(line, &[&words, &y, &out], "line 3, column 2");
    refused(line, &[&garbage, &y, &out], "garbage.npz");
    refused(line, &[&cube, &y, &out], "cube.npy");
    refused(line, &[&x, &y, &f.path("no/such/folder/w.npy")], "w.npy");
    assert_eq!(spm("lasso {} {} -o {} --alpha -1", &[&x, &y, &out]).status.code(), Some(2));
    assert!(!out.exists(), "nothing may be written");
    assert!(f.files().iter().all(|n| !n.ends_with(".tmp")), "{:?}", f.files());
}

#[test]
fn wrong_usage_is_2() {
    for words in [
        "lasso",
        "lasso a b",
        "lasso a b -o c --alpha 1 --alpha-ratio 0.5",
        "frobnicate",
        "lasso a b -o c --alpha x",
    ] {
        assert_eq!(spm(words, &[]).status.code(), Some(2), "{words}");
    }
}

#[test]
fn a_model_file_can_be_written_and_looked_at() {
    let f = Folder::new();
    let pr = problem(20, 6, 6);
    let x = f.npy("x.npy", &[20, 6], &pr.x);
    let y = f.npy("y.npy", &[20], &pr.y);
    let model = f.path("m.spm");
    json("lasso {} {} -o {} --alpha 0.1", &[&x, &y, &model], 0);
    let j = json("info {}", &[&model], 0);
    assert_eq!(j["format"], 1);
    let mut bytes = std::fs::read(&model).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&model, bytes).unwrap();
    refused("info {}", &[&model], "checksum");
}
