//! Group, sparse group and multi-task Lasso: equivalences and certificates recomputed in plain loops.
#![allow(clippy::unwrap_used)]

use spm_linalg::testing::Rng;
use spm_models::{Design, Fit, FittedLinear, GroupLasso, Lasso, MultiTaskLasso, MultiXy, Xy};

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
