//! Paths, cross-validation, criteria and stability selection: equivalences, and the mistakes of others as tests.
#![allow(clippy::unwrap_used)]

use spm_linalg::testing::Rng;
use spm_models::select::Rule;
use spm_models::{
    Criterion, CrossValidation, Design, ElasticNet, ElasticNetPath, Fit, FittedPath, Folds, HmLasso,
    HmLassoPath, Lasso, ModelError, StabilitySelection, Xy,
};

/// Column-major data with correlated columns, three true coefficients, an intercept.
fn problem(seed: u64, n: usize, p: usize) -> (Vec<f64>, Vec<f64>) {
    let mut rng = Rng::new(seed);
    let mut x: Vec<f64> = rng.normals(n * p);
    for j in 1..p {
        (0..n).for_each(|i| x[j * n + i] = 0.6 * x[(j - 1) * n + i] + 0.8 * x[j * n + i] + 0.1);
    }
    let y = (0..n)
        .map(|i| 3.0 + 2.0 * x[i] - 1.5 * x[(p / 2) * n + i] + x[(p - 1) * n + i] + 0.5 * rng.normal::<f64>())
        .collect();
    (x, y)
}

fn exact(l1_ratio: f64) -> ElasticNet<f64> {
    ElasticNet::new(1.0, l1_ratio).tol(1e-11)
}

fn same(a: &FittedPath<f64>, b: &FittedPath<f64>, tol: f64) {
    assert_eq!(a.points.len(), b.points.len());
    for (k, (p, q)) in a.points.iter().zip(&b.points).enumerate() {
        assert!((p.alpha - q.alpha).abs() <= 1e-10 * p.alpha.abs(), "{k}: alpha {} {}", p.alpha, q.alpha);
        assert!((p.intercept - q.intercept).abs() <= tol * (1.0 + p.intercept.abs()), "{k}");
        for (j, (v, w)) in a.coef(k).iter().zip(b.coef(k)).enumerate() {
            assert!((v - w).abs() <= tol, "point {k}, feature {j}: {v} against {w}");
        }
    }
}

/// Rows `which` of column-major data, in that order.
fn rows(x: &[f64], n: usize, which: &[usize]) -> Vec<f64> {
    x.chunks_exact(n).flat_map(|col| which.iter().map(|&i| col[i])).collect()
}

#[test]
fn every_point_is_what_a_fit_of_its_own_finds() {
    // Wide, and tall (the reduced problem); with every option.
    for (n, p) in [(30, 50), (150, 12)] {
        let (x, y) = problem(1, n, p);
        let weights: Vec<f64> = (0..n).map(|i| if i % 7 == 0 { 0.0 } else { 0.5 + (i % 3) as f64 }).collect();
        let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
        let factors: Vec<f64> = (0..p).map(|j| [1.0, 0.0, 2.0, 0.5][j % 4]).collect();
        for case in 0..32 {
            let mut model = exact(if case & 1 == 0 { 1.0 } else { 0.6 })
                .fit_intercept(case & 2 == 0)
                .standardize(case & 4 != 0)
                .positive(case & 8 != 0);
            if case & 16 != 0 && p < n {
                model = model.penalty_weights(factors.clone());
            }
            let data = if case % 3 == 0 { data.sample_weight(&weights) } else { data };
            let path = ElasticNetPath::new(model.clone()).n_alphas(12).eps(0.01);
            let fitted = path.fit(data).unwrap();
            assert!(fitted.status().is_converged(), "case {case}");
            assert!(fitted.max_relative_gap() <= 1e-11, "case {case}");
            let top = model.alpha_max(data).unwrap();
            // Not to the bit: tall data are reduced for a path, which rounds Xᵀy differently.
            assert!((fitted.points[0].alpha - top).abs() <= 1e-12 * top);
            for (k, point) in fitted.points.iter().enumerate() {
                model.alpha = point.alpha;
                let own = model.fit(data).unwrap().require_converged().unwrap();
                let scale = fitted.objective_at_zero;
                let (a, b) = (point.certificate.primal, own.objective());
                assert!((a - b).abs() <= 1e-10 * scale, "case {case}, {k}: objective {a} against {b}");
                for (j, (v, w)) in fitted.coef(k).iter().zip(&own.coef).enumerate() {
                    assert!((v - w).abs() <= 2e-4, "case {case}, point {k}, feature {j}: {v} against {w}");
                }
            }
            let first = &fitted.points[0];
            assert!(
                first.nonzeros.iter().all(|&(j, _)| model.penalty_weights.is_some() && factors[j] == 0.0)
            );
        }
    }
}

#[test]
fn integer_weights_are_repeated_rows_for_paths_and_cross_validation() {
    for (n, p) in [(24, 30), (120, 8)] {
        let (x, y) = problem(2, n, p);
        let weights: Vec<f64> = (0..n).map(|i| (i % 3) as f64 + f64::from(u8::from(i % 4 == 0))).collect();
        let which: Vec<usize> = (0..n).flat_map(|i| vec![i; weights[i] as usize]).collect();
        let m = which.len();
        let (more_x, more_y) = (rows(&x, n, &which), which.iter().map(|&i| y[i]).collect::<Vec<_>>());
        let weighted = Xy::new(Design::dense(&x, n, p).unwrap(), &y).sample_weight(&weights);
        let repeated = Xy::new(Design::dense(&more_x, m, p).unwrap(), &more_y);
        for standardize in [false, true] {
            let path = ElasticNetPath::new(exact(1.0).standardize(standardize)).n_alphas(15).eps(0.01);
            // The grid, too: weights must not be forgotten there.
            same(&path.fit(weighted).unwrap(), &path.fit(repeated).unwrap(), 1e-5);
            let ids: Vec<usize> = (0..n).map(|i| i * 5 % 4).collect();
            let more_ids: Vec<usize> = which.iter().map(|&i| ids[i]).collect();
            let cv = |ids: Vec<usize>, data| {
                CrossValidation::new(path.clone()).folds(Folds::Given(ids)).fit(data).unwrap()
            };
            let (a, b) = (cv(ids, weighted), cv(more_ids, repeated));
            for (e, f) in a.errors.iter().zip(&b.errors) {
                assert!((e / f - 1.0).abs() < 1e-5, "{e} {f}");
            }
            assert_eq!((a.index_min, a.index_1se), (b.index_min, b.index_1se));
        }
    }
}

#[test]
fn duplicated_rows_and_shifted_columns_change_nothing() {
    for (n, p) in [(25, 40), (140, 10)] {
        let (x, y) = problem(3, n, p);
        let path = ElasticNetPath::new(exact(0.8)).n_alphas(10).eps(0.01);
        let base = path.fit(Xy::new(Design::dense(&x, n, p).unwrap(), &y)).unwrap();
        let twice: Vec<usize> = (0..n).chain(0..n).collect();
        let (x2, y2) = (rows(&x, n, &twice), twice.iter().map(|&i| y[i]).collect::<Vec<_>>());
        same(&base, &path.fit(Xy::new(Design::dense(&x2, 2 * n, p).unwrap(), &y2)).unwrap(), 1e-5);
        let shifted: Vec<f64> = x.iter().enumerate().map(|(k, v)| v + 100.0 * ((k / n) % 3) as f64).collect();
        let moved = path.fit(Xy::new(Design::dense(&shifted, n, p).unwrap(), &y)).unwrap();
        for k in 0..10 {
            let expected: f64 =
                base.coef(k).iter().enumerate().map(|(j, w)| w * 100.0 * (j % 3) as f64).sum::<f64>();
            let intercept = base.points[k].intercept - expected;
            assert!((moved.points[k].intercept - intercept).abs() < 1e-3, "{k}");
            for (v, w) in base.coef(k).iter().zip(moved.coef(k)) {
                assert!((v - w).abs() < 1e-5, "{k}: {v} {w}");
            }
        }
    }
}

#[test]
fn sparse_is_dense_for_paths_and_cross_validation() {
    let (n, p) = (40, 30);
    let mut rng = Rng::new(4);
    let (mut dense, mut indptr, mut indices, mut values) = (vec![0.0; n * p], vec![0], vec![], vec![]);
    for j in 0..p {
        for i in 0..n {
            if rng.uniform::<f64>() < 0.3 {
                let v = 1.0 + rng.normal::<f64>();
                dense[j * n + i] = v;
                indices.push(i);
                values.push(v);
            }
        }
        indptr.push(indices.len());
    }
    let y: Vec<f64> =
        (0..n).map(|i| 1.0 + dense[i] - 2.0 * dense[5 * n + i] + 0.1 * rng.normal::<f64>()).collect();
    let d = Xy::new(Design::dense(&dense, n, p).unwrap(), &y);
    let s = Xy::new(Design::sparse(n, &indptr, &indices, &values).unwrap(), &y);
    for standardize in [false, true] {
        let path = ElasticNetPath::new(exact(1.0).standardize(standardize)).n_alphas(20).eps(0.01);
        same(&path.fit(d).unwrap(), &path.fit(s).unwrap(), 1e-5);
        let cv = CrossValidation::new(path).folds(Folds::Shuffled(7)).repeats(2);
        let (a, b) = (cv.fit(d).unwrap(), cv.fit(s).unwrap());
        assert_eq!(a.fold_errors.len(), 10);
        for (e, f) in a.errors.iter().zip(&b.errors) {
            assert!((e / f - 1.0).abs() < 1e-5, "{e} {f}");
        }
    }
}

#[test]
fn folds_are_fits_without_the_fold() {
    // The slow twin: gather, fit, predict, one alpha after the other; wide and tall.
    for (n, p) in [(20, 25), (160, 9)] {
        let (x, y) = problem(5, n, p);
        let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
        for (intercept, standardize) in [(true, false), (true, true), (false, false)] {
            let model = exact(0.9).fit_intercept(intercept).standardize(standardize);
            let path = ElasticNetPath::new(model.clone()).n_alphas(8).eps(0.02);
            let cv = CrossValidation::new(path).n_folds(4).fit(data).unwrap();
            assert!(cv.all_converged);
            for f in 0..4 {
                let (held, train): (Vec<usize>, Vec<usize>) = (0..n).partition(|i| i * 4 / n == f);
                let (tx, ty) = (rows(&x, n, &train), train.iter().map(|&i| y[i]).collect::<Vec<_>>());
                for (k, &alpha) in cv.alphas.iter().enumerate() {
                    let mut model = model.clone();
                    model.alpha = alpha;
                    let fit = model.fit(Xy::new(Design::dense(&tx, train.len(), p).unwrap(), &ty)).unwrap();
                    let error = held
                        .iter()
                        .map(|&i| {
                            let fit: f64 =
                                fit.intercept + (0..p).map(|j| fit.coef[j] * x[j * n + i]).sum::<f64>();
                            (y[i] - fit).powi(2)
                        })
                        .sum::<f64>()
                        / held.len() as f64;
                    let ours = cv.fold_errors[f][k];
                    assert!((ours / error - 1.0).abs() < 1e-4, "fold {f}, {k}: {ours} against {error}");
                }
            }
        }
    }
}

#[test]
fn missing_values_are_cross_validated_by_moments() {
    let (n, p) = (60, 6);
    let (x, y) = problem(23, n, p);
    let weights: Vec<f64> = (0..n).map(|i| 0.5 + (i % 4) as f64).collect();
    // Nothing missing: the errors are those of predictions.
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y).sample_weight(&weights);
    for standardize in [false, true] {
        let path = ElasticNetPath::new(exact(1.0).standardize(standardize)).n_alphas(15).eps(0.01);
        let whole = CrossValidation::new(path).n_folds(4).fit(data).unwrap();
        let model = HmLasso::new(1.0).standardize(standardize).tol(1e-11);
        let path = HmLassoPath::new(model).alphas(whole.alphas.clone());
        let moments = CrossValidation::new(path).n_folds(4).fit(data).unwrap();
        assert!(moments.all_converged && moments.index_min == whole.index_min);
        for (a, b) in moments.fold_errors.concat().iter().zip(whole.fold_errors.concat()) {
            assert!((a - b).abs() < 1e-5 * b, "{a} against {b}");
        }
        assert!(moments.fitted.coef.iter().zip(&whole.fitted.coef).all(|(a, b)| (a - b).abs() < 1e-5));
    }
    let mut rng = Rng::new(3);
    for share in [0.3, 0.6, 0.9] {
        let hole = |v: &f64| if rng.uniform::<f64>() < share { f64::NAN } else { *v };
        let holes: Vec<f64> = x.iter().map(hole).collect();
        let data = Xy::new(Design::dense(&holes, n, p).unwrap(), &y);
        let path = HmLassoPath::new(HmLasso::new(1.0)).n_alphas(12);
        let points = path.fit(data).unwrap();
        for k in [0, 5, 11] {
            let one = HmLasso::new(points.points[k].alpha).fit(data).unwrap();
            assert_eq!((one.coef, one.certificate), (points.coef(k), points.points[k].certificate));
        }
        assert!(points.points[0].nnz() <= 1 && points.status().is_converged());
        let cv = CrossValidation::new(path.clone()).folds(Folds::Shuffled(1)).repeats(2);
        let fitted = cv.fit(data).unwrap();
        assert_eq!(fitted.fold_errors.len(), 10);
        assert!(
            fitted.all_converged && fitted.errors.iter().all(|e| *e >= 0.0),
            "{share}: {:?}",
            fitted.errors
        );
        assert!(fitted.errors[fitted.index_min] < fitted.errors[0], "{share}");
        assert!(share == 0.9 || fitted.fitted.coef[0] > 0.5, "{share}: {:?}", fitted.fitted.coef);
        let alone = rayon_pool(1).install(|| cv.fit(data).unwrap());
        assert_eq!(alone.fold_errors, fitted.fold_errors);
        assert!(path.alphas(vec![]).fit(data).is_err());
    }
    // A feature without a value outside a fold, and an infinity.
    let mut bad = x.clone();
    bad[12..n].fill(f64::NAN);
    let path = HmLassoPath::new(HmLasso::new(1.0));
    let fit =
        |x: &[f64]| CrossValidation::new(path.clone()).fit(Xy::new(Design::dense(x, n, p).unwrap(), &y));
    assert!(fit(&bad).is_err());
    bad[0] = f64::INFINITY;
    assert!(fit(&bad).is_err());
}

#[test]
fn the_same_bits_for_any_number_of_threads() {
    for (n, p) in [(60, 6000), (200, 20)] {
        let (x, y) = problem(6, n, p);
        let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
        let run = |threads: usize| {
            let pool = rayon_pool(threads);
            pool.install(|| {
                let path = ElasticNetPath::lasso().n_alphas(15).eps(0.05);
                let cv = CrossValidation::new(path.clone()).folds(Folds::Shuffled(1)).fit(data).unwrap();
                let stable = StabilitySelection::new(path).pairs(3).fit(data).unwrap();
                (cv.fold_errors, cv.fitted.coef, cv.fitted.certificate.dual.to_bits(), stable)
            })
        };
        let one = run(1);
        for threads in [2, 4, 8] {
            assert_eq!(one, run(threads), "{threads} threads");
        }
    }
}

fn rayon_pool(threads: usize) -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
}

#[test]
fn single_precision_paths() {
    for (n, p) in [(40, 60), (150, 12)] {
        let (x, y) = problem(7, n, p);
        let (x, y): (Vec<f32>, Vec<f32>) =
            (x.iter().map(|&v| v as f32).collect(), y.iter().map(|&v| v as f32).collect());
        let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
        let path = ElasticNetPath::<f32>::lasso().n_alphas(20).eps(0.01).fit(data).unwrap();
        assert!(path.status().is_converged() && path.max_relative_gap() <= 1.3e-4);
        let cv =
            CrossValidation::new(ElasticNetPath::<f32>::lasso().n_alphas(10).eps(0.01)).fit(data).unwrap();
        assert!(cv.alpha_1se() >= cv.alpha_min());
    }
}

#[test]
fn the_grid_is_the_one_given_in_its_order() {
    let (n, p) = (30, 10);
    let (x, y) = problem(8, n, p);
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
    let top = Lasso::new(1.0).alpha_max(data).unwrap();
    let alphas = vec![0.1 * top, top, 0.0, 0.5 * top, 0.1 * top];
    let path = ElasticNetPath::new(exact(1.0)).alphas(alphas.clone()).fit(data).unwrap();
    assert_eq!(path.points.iter().map(|p| p.alpha).collect::<Vec<_>>(), alphas);
    assert_eq!((path.points[1].nnz(), path.points[2].nnz()), (0, p));
    assert_eq!(path.points[0].nonzeros, path.points[4].nonzeros);
    let entries = path.entries();
    assert_eq!(entries.len(), p);
    assert!(entries.windows(2).all(|e| e[0].1 >= e[1].1));
    assert_eq!(path.model(0).unwrap().coef, path.coef(0));
}

#[test]
fn the_rule_of_one_standard_error_gives_the_simpler_model() {
    let (n, p) = (50, 30);
    let (x, y) = problem(9, n, p);
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
    let cv = CrossValidation::new(ElasticNetPath::lasso());
    let (min, one_se) = (cv.clone().fit(data).unwrap(), cv.rule(Rule::OneStandardError).fit(data).unwrap());
    assert!(one_se.alpha_1se() > one_se.alpha_min());
    assert_eq!(one_se.fitted.alpha, one_se.alpha_1se());
    assert!(one_se.fitted.nnz() <= min.fitted.nnz());
    for j in [0, p / 2, p - 1] {
        assert_ne!(one_se.fitted.coef[j], 0.0);
    }
}

#[test]
fn criteria_and_stability_find_the_true_features() {
    let (n, p) = (120, 20);
    let (x, y) = problem(10, n, p);
    let data = Xy::new(Design::dense(&x, n, p).unwrap(), &y);
    let path = ElasticNetPath::lasso().fit(data).unwrap();
    let nnz = |c: Criterion<f64>| path.points[c.choose(&path).unwrap()].nnz();
    let (aic, bic, ebic) = (nnz(Criterion::Aic), nnz(Criterion::Bic), nnz(Criterion::Ebic(1.0)));
    assert!(3 <= ebic && ebic <= bic && bic <= aic, "{aic} {bic} {ebic}");
    // From the definition.
    let k = 40;
    let point = &path.points[k];
    let rss: f64 = (0..n)
        .map(|i| {
            let fit = point.intercept + point.nonzeros.iter().map(|&(j, w)| w * x[j * n + i]).sum::<f64>();
            (y[i] - fit).powi(2)
        })
        .sum();
    let expected = n as f64 * (rss / n as f64).ln() + 2.0 * point.nnz() as f64;
    assert!((Criterion::Aic.values(&path)[k].unwrap() - expected).abs() < 1e-6);
    let stable =
        StabilitySelection::new(ElasticNetPath::lasso().n_alphas(30).eps(0.05)).pairs(20).q(4).seed(3);
    let stable = stable.fit(data).unwrap();
    assert_eq!(stable.selected(), [0, p / 2, p - 1], "{:?}", stable.frequency);
    assert!((stable.expected_false() - 16.0 / (0.5 * 20.0)).abs() < 1e-12);
    // Saturated points have no value.
    let (x, y) = problem(11, 10, 40);
    let data = Xy::new(Design::dense(&x, 10, 40).unwrap(), &y);
    let path = ElasticNetPath::lasso().eps(1e-4).fit(data).unwrap();
    let values = Criterion::Bic.values(&path);
    assert!(values[99].is_none() && values[0].is_some());
}

#[test]
fn bad_options_and_data_are_typed_errors() {
    let (x, y) = problem(12, 20, 5);
    let data = Xy::new(Design::dense(&x, 20, 5).unwrap(), &y);
    let path = ElasticNetPath::<f64>::lasso;
    for bad in
        [path().n_alphas(0), path().eps(0.0), path().eps(1.0), path().eps(f64::NAN), path().alphas(vec![])]
    {
        assert!(bad.fit(data).is_err(), "{bad:?}");
    }
    for bad in [vec![-1.0], vec![f64::NAN], vec![1.0, f64::INFINITY]] {
        assert!(path().alphas(bad).fit(data).is_err());
    }
    assert!(ElasticNetPath::new(ElasticNet::new(1.0, 0.0)).fit(data).is_err(), "no largest alpha");
    assert!(CrossValidation::new(path()).n_folds(1).fit(data).is_err());
    assert!(CrossValidation::new(path()).n_folds(21).fit(data).is_err());
    assert!(matches!(CrossValidation::new(path()).repeats(2).fit(data), Err(ModelError::Unsupported { .. })));
    let mut weights = vec![1.0; 20];
    weights[..4].fill(0.0);
    assert!(CrossValidation::new(path()).fit(data.sample_weight(&weights)).is_err(), "a fold without weight");
    assert!(StabilitySelection::new(path()).threshold(0.5).fit(data).is_err());
    let mut holed = x.clone();
    holed[7] = f64::NAN;
    let holed = Xy::new(Design::dense(&holed, 20, 5).unwrap(), &y);
    assert!(path().fit(holed).is_err() && CrossValidation::new(path()).fit(holed).is_err());
    // A constant response: nothing to explain, nothing selected.
    let flat = vec![2.0; 20];
    let fitted = path().n_alphas(3).fit(Xy::new(Design::dense(&x, 20, 5).unwrap(), &flat)).unwrap();
    assert!(fitted.points.iter().all(|p| p.nnz() == 0 && (p.intercept - 2.0).abs() < 1e-12));
}

#[test]
fn unpenalised_features_without_an_intercept() {
    // Nearly constant columns far from zero, unpenalised, no intercept: coordinates alone crawl.
    let (n, p) = (60, 8);
    for seed in 0..20 {
        let mut rng = Rng::new(100 + seed);
        let x: Vec<f64> = (0..n * p)
            .map(|k| if k / n < 3 { 50.0 + 0.01 * rng.normal::<f64>() } else { rng.normal() })
            .collect();
        let y: Vec<f64> = (0..n).map(|i| 7.0 + 3.0 * x[4 * n + i] + 0.1 * rng.normal::<f64>()).collect();
        let factors: Vec<f64> = (0..p).map(|j| if j < 3 { 0.0 } else { 1.0 }).collect();
        let model =
            ElasticNet::new(0.1, 1.0).fit_intercept(false).penalty_weights(factors).tol(1e-10).max_iter(500);
        let fit = model.fit(Xy::new(Design::dense(&x, n, p).unwrap(), &y)).unwrap();
        assert!(fit.status().is_converged(), "seed {seed}: {:?}", fit.report);
    }
}
