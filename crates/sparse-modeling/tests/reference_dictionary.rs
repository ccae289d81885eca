//! Greedy coding, K-SVD and cosine dictionaries against reference solutions.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Array, json, npy};
use serde_json::Value;
use sparse_modeling::linalg::{Dense, Scalar, vecops};
use sparse_modeling::models::dictionary::{
    AtomNorm, Coder, Codes, Dictionary, JointCoder, Ksvd, LarsCoder, LassoCoder, LassoMethod, MaskedCoder,
    Omp, Rule, Update, dct, update_atoms,
};
use sparse_modeling::models::preprocess::{Thresholding, Whitening};
use sparse_modeling::solvers::SolveError;
use sparse_modeling::solvers::batch_omp::{BatchOmp, Limit, MaskedOmp};
use sparse_modeling::solvers::omp::omp;

fn cases(prefixes: &[&str]) -> Vec<Value> {
    let index = json("dictionary/index.json");
    let wanted = |case: &&Value| prefixes.iter().any(|p| case["id"].as_str().unwrap().starts_with(p));
    let cases: Vec<Value> = index["cases"].as_array().unwrap().iter().filter(wanted).cloned().collect();
    assert!(!cases.is_empty());
    cases
}

fn array(case: &Value, name: &str) -> Array {
    npy(&format!("dictionary/{}", case["arrays"][name]["file"].as_str().unwrap()))
}

fn limit(case: &Value) -> Limit<f64> {
    let k = case["params"]["k"].as_u64().map_or(usize::MAX, |k| k as usize);
    Limit { k, eps: case["params"]["eps2"].as_f64().map_or(0.0, f64::sqrt) }
}

#[track_caller]
fn assert_close(got: &[f64], want: &[f64], tol: f64, what: &str) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (a, b)) in got.iter().zip(want).enumerate() {
        assert!((a - b).abs() <= tol, "{what}[{i}]: {a} instead of {b}");
    }
}

#[test]
fn omp_and_ols() {
    for case in cases(&["omp_", "ols_"]) {
        let id = case["id"].as_str().unwrap();
        if id.starts_with("omp_masked") {
            continue;
        }
        let tol = case["tolerance_abs"].as_f64().unwrap();
        let (d, x, order) = (array(&case, "D"), array(&case, "X"), array(&case, "order"));
        let (codes, r2) = (array(&case, "codes"), array(&case, "r2"));
        let (n_atoms, dim) = (d.shape[0], d.shape[1]);
        let dense = Dense::from_column_major(&d.data, dim, n_atoms).unwrap();
        let rule = if id.starts_with("ols") { Rule::Ols } else { Rule::Omp };
        let limit = limit(&case);
        let supports: Vec<Vec<usize>> = order
            .data
            .chunks_exact(order.shape[1])
            .map(|row| row.iter().filter(|&&j| j >= 0.0).map(|&j| j as usize).collect())
            .collect();

        let pursuit = BatchOmp::new(dense, rule).unwrap();
        pursuit
            .run(&x.data, limit, &mut pursuit.buffers(limit), |i, support, _| {
                assert!(
                    supports[i].iter().eq(support.iter().map(|j| *j as usize).collect::<Vec<_>>().iter()),
                    "{id}: signal {i}"
                );
            })
            .unwrap();

        let coder = Omp::with_k(limit.k).eps(limit.eps).rule(rule);
        let got = coder.code(dense, &x.data).unwrap();
        assert_close(&got.to_dense(), &codes.data, tol, id);
        let back = got.reconstruct(dense);
        let sq_error: Vec<f64> = back
            .chunks_exact(dim)
            .zip(x.data.chunks_exact(dim))
            .map(|(a, b)| vecops::sq_dist(a, b))
            .collect();
        let energy = vecops::norm_inf(&x.data).max(1.0);
        assert_close(&sq_error, &r2.data, tol * energy, id);

        if rule == Rule::Omp {
            for (i, y) in x.data.chunks_exact(dim).enumerate() {
                let single = omp(dense, y, limit.k, limit.eps).unwrap();
                assert_eq!(single.support, supports[i], "{id}: signal {i} alone");
                for (&j, &v) in single.support.iter().zip(&single.coefficients) {
                    assert!((v - codes.data[i * n_atoms + j]).abs() <= tol, "{id}: signal {i} alone");
                }
            }
        }
    }
}

#[test]
fn omp_with_missing_entries() {
    for case in cases(&["omp_masked"]) {
        let id = case["id"].as_str().unwrap();
        let tol = case["tolerance_abs"].as_f64().unwrap();
        let (d, mut x, order) = (array(&case, "D"), array(&case, "X"), array(&case, "order"));
        let known: Vec<bool> = array(&case, "mask").data.iter().map(|&m| m != 0.0).collect();
        // What stands at an unknown entry must not matter.
        x.data.iter_mut().zip(&known).filter(|(_, known)| !**known).for_each(|(v, _)| *v = f64::NAN);
        let dense = Dense::from_column_major(&d.data, d.shape[1], d.shape[0]).unwrap();
        let (limit, renormalize) = (limit(&case), id != "omp_masked_k3");

        let pursuit = MaskedOmp::new(dense, Rule::Omp, renormalize).unwrap();
        let mut buffers = pursuit.buffers(limit);
        pursuit
            .run(&x.data, &known, limit, &mut buffers, |i, support, _| {
                let order = &order.data[i * order.shape[1]..][..order.shape[1]];
                let want: Vec<u32> = order.iter().filter(|&&j| j >= 0.0).map(|&j| j as u32).collect();
                assert_eq!(support, want, "{id}: signal {i}");
            })
            .unwrap();
        let coder = Omp::with_k(limit.k).eps(limit.eps).renormalize(renormalize);
        let codes = coder.code_masked(dense, &x.data, &known).unwrap();
        assert_close(&codes.to_dense(), &array(&case, "codes").data, tol, id);
    }
}

#[test]
fn omp_in_single_precision() {
    for case in cases(&["omp_k", "ols_k", "omp_eps4", "omp_patches_k5", "omp_degenerate"]) {
        let id = case["id"].as_str().unwrap();
        let (d, x, codes) = (array(&case, "D"), array(&case, "X"), array(&case, "codes"));
        let single = |a: &Array| a.data.iter().map(|&v| f32::of(v)).collect::<Vec<f32>>();
        let (d32, x32) = (single(&d), single(&x));
        let limit = limit(&case);
        let rule = if id.starts_with("ols") { Rule::Ols } else { Rule::Omp };
        let coder = Omp::with_k(limit.k).eps(limit.eps as f32).rule(rule);
        let got = coder.code(Dense::from_column_major(&d32, d.shape[1], d.shape[0]).unwrap(), &x32).unwrap();
        let got: Vec<f64> = got.to_dense().iter().map(|v| v.as_f64()).collect();
        assert_close(&got, &codes.data, 1e-4 * vecops::norm_inf(&x.data), id);
    }
}

#[test]
fn ksvd_one_sweep_and_error_curve() {
    let case = &cases(&["ksvd_approximate_1iter"])[0];
    let tol = case["tolerance_abs"].as_f64().unwrap();
    let (y, start) = (array(case, "Y"), array(case, "D0"));
    let (n_atoms, dim) = (start.shape[0], start.shape[1]);
    let start = Dictionary::new(start.data, dim).unwrap();
    let coder = Omp::with_k(case["params"]["k"].as_u64().unwrap() as usize);

    let codes = coder.code(start.as_dense(), &y.data).unwrap();
    assert_close(&codes.to_dense(), &array(case, "codes0").data, tol, "codes0");
    let mut uses = vec![0.0; n_atoms];
    codes.atoms().iter().for_each(|&j| uses[j as usize] += 1.0);
    assert_eq!(uses, array(case, "atoms_used").data);

    let ksvd = Ksvd::new(n_atoms, coder).init(start);
    let one = ksvd.clone().max_iter(1).fit(&y.data, dim).unwrap();
    assert_close(one.dictionary.atoms(), &array(case, "D1").data, tol, "D1");
    assert_close(&one.codes.to_dense(), &array(case, "codes1").data, tol, "codes1");

    let six = ksvd.max_iter(6).fit(&y.data, dim).unwrap();
    assert_eq!(six.replaced, 0);
    let frobenius: Vec<f64> = six.errors.iter().map(|e| e * (y.data.len() as f64).sqrt()).collect();
    assert_close(&frobenius, &array(case, "error_curve").data, tol, "error curve");
}

#[test]
fn ksvd_exact_sweep_and_error_curve() {
    let case = &cases(&["ksvd_exact_1iter"])[0];
    let tol = case["tolerance_abs"].as_f64().unwrap();
    let (y, start) = (array(case, "Y"), array(case, "D0"));
    let (n_atoms, dim) = (start.shape[0], start.shape[1]);
    let coder = Omp::with_k(case["params"]["k"].as_u64().unwrap() as usize);
    let ksvd =
        Ksvd::new(n_atoms, coder).init(Dictionary::new(start.data, dim).unwrap()).update(Update::Exact);
    let one = ksvd.clone().max_iter(1).fit(&y.data, dim).unwrap();
    // Atoms and their coefficients are defined up to a common sign.
    let (want, want_codes) = (array(case, "D1").data, array(case, "codes1").data);
    let got_codes = one.codes.to_dense();
    for j in 0..n_atoms {
        let (a, b) = (one.dictionary.atom(j), &want[j * dim..][..dim]);
        let sign = vecops::dot(a, b).signum();
        let signed = |v: &[f64]| v.iter().map(|v| v * sign).collect::<Vec<f64>>();
        assert_close(&signed(a), b, tol, "D1");
        let column = |codes: &[f64]| codes.iter().skip(j).step_by(n_atoms).copied().collect::<Vec<f64>>();
        assert_close(&signed(&column(&got_codes)), &column(&want_codes), tol, "codes1");
    }
    let six = ksvd.max_iter(6).fit(&y.data, dim).unwrap();
    assert_eq!(six.replaced, 0);
    let frobenius: Vec<f64> = six.errors.iter().map(|e| e * (y.data.len() as f64).sqrt()).collect();
    assert_close(&frobenius, &array(case, "error_curve").data, tol, "error curve");
}

#[test]
fn ksvd_with_missing_entries() {
    let case = &cases(&["ksvd_masked_weighted"])[0];
    let tol = case["tolerance_abs"].as_f64().unwrap();
    let (mut y, start) = (array(case, "Y"), array(case, "D0"));
    let (n_atoms, dim) = (start.shape[0], start.shape[1]);
    let known: Vec<bool> = array(case, "mask").data.iter().map(|&m| m != 0.0).collect();
    y.data.iter_mut().zip(&known).filter(|(_, known)| !**known).for_each(|(v, _)| *v = f64::NAN);
    let start = Dictionary::new(start.data, dim).unwrap();
    let coder = Omp::with_k(3).renormalize(false);
    let codes = coder.code_masked(start.as_dense(), &y.data, &known).unwrap();
    assert_close(&codes.to_dense(), &array(case, "codes0").data, tol, "codes0");
    let ksvd = Ksvd::new(n_atoms, coder).init(start).update(Update::Rounds(10)).max_iter(1);
    let fit = ksvd.fit_masked(&y.data, &known, dim).unwrap();
    assert_close(fit.dictionary.atoms(), &array(case, "D1").data, tol, "D1");
    assert_close(&fit.codes.to_dense(), &array(case, "codes1").data, tol, "codes1");
    let count = known.iter().filter(|&&k| k).count() as f64;
    let error = [fit.errors[0] * count.sqrt()];
    assert_close(&error, &array(case, "error_1iter").data, tol, "error");
}

/// Codes given once, whatever the dictionary.
#[derive(Debug)]
struct Given(Codes<f64>);

impl Coder<f64> for Given {
    fn code(&self, _: Dense<'_, f64>, _: &[f64]) -> Result<Codes<f64>, SolveError> {
        Ok(self.0.clone())
    }
}

/// The rule of spm-image, made of parts: gaps are filled with `D X` before every ordinary sweep. Weights inside the update
/// (the test before this one) reach a lower error on the known entries.
#[test]
fn filling_gaps_before_a_sweep_is_the_other_masked_ksvd() {
    let case = &cases(&["ksvd_masked_1iter"])[0];
    let tol = case["tolerance_abs"].as_f64().unwrap();
    let (mut y, start) = (array(case, "Y").data, array(case, "D0"));
    let (n_atoms, dim) = (start.shape[0], start.shape[1]);
    let known: Vec<bool> = array(case, "mask").data.iter().map(|&m| m != 0.0).collect();
    let count = known.iter().filter(|&&k| k).count() as f64;
    let coder = Omp::with_k(3).renormalize(false);
    let (mut d, mut errors) = (Dictionary::new(start.data, dim).unwrap(), Vec::new());
    for iteration in 0..3 {
        let codes = coder.code_masked(d.as_dense(), &y, &known).unwrap();
        let guess = codes.reconstruct(d.as_dense());
        for ((y, guess), _) in y.iter_mut().zip(guess).zip(&known).filter(|(_, known)| !**known) {
            *y = guess;
        }
        let fit = Ksvd::new(n_atoms, Given(codes)).init(d).max_iter(1).fit(&y, dim).unwrap();
        errors.push(fit.codes.rmse_masked(fit.dictionary.as_dense(), &y, &known) * count.sqrt());
        d = fit.dictionary;
        if iteration == 0 {
            assert_close(d.atoms(), &array(case, "D1").data, tol, "D1");
            assert_close(&fit.codes.to_dense(), &array(case, "codes1").data, tol, "codes1");
            assert_close(&errors, &array(case, "error_1iter").data, tol, "error");
        }
    }
    assert_close(&errors, &array(case, "error_curve3").data, tol, "error curve");
}

/// The reference stops after some steps of ADMM: it is no better than the optimum, and at the optimum where it has converged.
#[test]
fn joint_codes_under_the_l21_norm() {
    for case in cases(&["l21"]) {
        let id = case["id"].as_str().unwrap();
        let (d, x, want) = (array(&case, "D"), array(&case, "X"), array(&case, "codes"));
        let (n_atoms, dim, n) = (d.shape[0], d.shape[1], x.shape[0]);
        let dense = Dense::from_column_major(&d.data, dim, n_atoms).unwrap();
        // 1/(2n)·‖X − W D‖² + alpha·Σ‖W_j‖ there.
        let coder = JointCoder::new(n as f64 * case["params"]["alpha"].as_f64().unwrap()).tol(1e-12);
        let codes = coder.code(dense, &x.data).unwrap();
        let certificate = coder.certificates(dense, &x.data, &codes).unwrap()[0];
        let scale = 0.5 * vecops::sq_norm(&x.data);
        assert!(certificate.gap() <= 1e-11 * scale, "{id}: {certificate:?}");
        let reference = array(&case, "objective").data[0] * n as f64;
        let above = (reference - certificate.primal) / scale;
        assert!((-1e-11..1e-3).contains(&above), "{id}: {} {reference}", certificate.primal);
        let used = |codes: &[f64]| {
            (0..n_atoms).filter(|j| codes.iter().skip(*j).step_by(n_atoms).any(|v| *v != 0.0)).count()
        };
        assert_eq!(used(&codes.to_dense()), used(&want.data), "{id}");
    }
}

#[test]
fn lasso_codes() {
    let case = &cases(&["lasso"])[0];
    let tol = case["tolerance_abs"].as_f64().unwrap();
    let (d, x, want) = (array(case, "D"), array(case, "X"), array(case, "codes"));
    let (n_atoms, dim) = (d.shape[0], d.shape[1]);
    let dense = Dense::from_column_major(&d.data, dim, n_atoms).unwrap();
    let lambda = case["params"]["lambda"].as_f64().unwrap();
    for method in [LassoMethod::ActiveSet, LassoMethod::CoordinateDescent, LassoMethod::Homotopy] {
        let coder = LassoCoder::new(lambda).method(method);
        let codes = coder.code(dense, &x.data).unwrap();
        if method == LassoMethod::Homotopy {
            assert_eq!(codes, LarsCoder::new(lambda).code(dense, &x.data).unwrap());
        }
        assert_close(&codes.to_dense(), &want.data, tol, "codes");
        assert!(coder.gaps(dense, &x.data, &codes).unwrap().iter().all(|g| (-1e-12..1e-9).contains(g)));
        let back = codes.reconstruct(dense);
        for (i, &objective) in array(case, "objective").data.iter().enumerate() {
            let error = vecops::sq_dist(&back[i * dim..][..dim], &x.data[i * dim..][..dim]);
            let got = 0.5 * error + lambda * vecops::norm_1(codes.column(i).1);
            assert!((got - objective).abs() < tol, "{got} {objective}");
        }
    }
}

#[test]
fn one_dictionary_step_of_online_learning() {
    let case = &cases(&["online_bcd"])[0];
    let tol = case["tolerance_abs"].as_f64().unwrap();
    let (d, a, b) = (array(case, "D"), array(case, "A"), array(case, "B"));
    for (norm, name) in [(AtomNorm::AtMostOne, "D1_ball"), (AtomNorm::Unit, "D1_sphere")] {
        let mut atoms = d.data.clone();
        update_atoms(&mut atoms, d.shape[1], &a.data, &b.data, norm, false).unwrap();
        assert_close(&atoms, &array(case, name).data, tol, name);
    }
}

#[test]
fn whitening() {
    for case in cases(&["whitening"]) {
        let (id, tol) = (case["id"].as_str().unwrap(), case["tolerance_abs"].as_f64().unwrap());
        let params = &case["params"];
        let flag = |name: &str, default| params[name].as_bool().unwrap_or(default);
        let eps = params["eps"].as_f64().unwrap_or(0.0);
        let options = Whitening::new()
            .zca(flag("apply_zca", false))
            .unbiased(flag("unbiased", true))
            .thresholding(match params["thresholding"].as_str() {
                Some("drop_minute") => Thresholding::Drop(eps),
                Some(_) => Thresholding::Regularize(eps),
                None => Thresholding::None,
            });
        let x = array(&case, "X");
        let white = options.fit(&x.data, x.shape[1]).unwrap();
        assert_close(&white.deviations, &array(&case, "s").data, tol, id);
        let has = |name: &str| case["arrays"].get(name).is_some();
        // Principal directions are defined up to sign: compare what does not depend on it.
        let plain = |v: Vec<f64>| if options.zca { v } else { v.iter().map(|v| v.abs()).collect() };
        assert_close(&plain(white.transform(&x.data).unwrap()), &plain(array(&case, "T").data), tol, id);
        if has("Q") {
            let q = array(&case, "Q");
            let t = white.transform(&q.data).unwrap();
            assert_close(&plain(t.clone()), &plain(array(&case, "TQ").data), tol, id);
            assert_close(&white.inverse(&t).unwrap(), &array(&case, "IQ").data, tol, id);
            assert_close(&white.mean, &array(&case, "mean").data, tol, id);
        } else {
            let t = white.transform(&x.data).unwrap();
            assert_close(&white.inverse(&t).unwrap(), &array(&case, "I").data, tol, id);
        }
    }
}

#[test]
fn cosine_dictionaries() {
    for case in cases(&["dct_", "odct_"]) {
        let id = case["id"].as_str().unwrap();
        let want = array(&case, "D");
        let tol = case["tolerance_abs"].as_f64().unwrap();
        let param = |name: &str| case["params"][name].as_u64().unwrap() as usize;
        let got = if id.starts_with("odct") {
            dct::overcomplete_2d(param("patch_size"), param("k1")).unwrap().into_atoms()
        } else if id.starts_with("dct_spm") {
            dct::cosine_products(param("n_components"), param("patch_size")).unwrap()
        } else {
            dct::orthonormal_2d(8).unwrap().into_atoms()
        };
        assert_close(&got, &want.data, tol, id);
    }
}

/// In single precision, coherent atoms and many of them: the residual stays what it is in double precision.
#[test]
fn long_codes_in_single_precision_do_not_blow_up() {
    let case = &cases(&["omp_patches_k5"])[0];
    let (d, x) = (array(case, "D"), array(case, "X"));
    let single = |a: &Array| a.data.iter().map(|&v| f32::of(v)).collect::<Vec<f32>>();
    let (d32, x32) = (single(&d), single(&x));
    let (dense, dense32) = (
        Dense::from_column_major(&d.data, 64, 256).unwrap(),
        Dense::from_column_major(&d32, 64, 256).unwrap(),
    );
    for rule in [Rule::Omp, Rule::Ols] {
        for k in [10, 20, 40] {
            let want = Omp::with_k(k).rule(rule).code(dense, &x.data).unwrap();
            let got = Omp::with_k(k).rule(rule).code(dense32, &x32).unwrap();
            let (back, back32) = (want.reconstruct(dense), got.reconstruct(dense32));
            for i in 0..want.n_signals() {
                let range = i * 64..(i + 1) * 64;
                let y = &x.data[range.clone()];
                let error = vecops::sq_dist(y, &back[range.clone()]).sqrt();
                let error32 = vecops::sq_dist(&x32[range.clone()], &back32[range]).sqrt().as_f64();
                let bound = 1.5 * error + 1e-3 * vecops::norm(y);
                assert!(error32 <= bound, "{rule:?}, k = {k}, signal {i}: {error32} > {bound}");
            }
        }
    }
}
