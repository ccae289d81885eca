//! Coders other than greedy ones, online learning, whitening: certificates, slow twins, awkward input.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use spm_linalg::testing::Rng;
use spm_linalg::{Dense, LinalgError, Scalar, vecops};
use spm_models::ModelError;
use spm_models::dictionary::{
    CoSaMp, Coder, Codes, Dictionary, Iht, Ksvd, LassoCoder, LassoMethod, NonNegativeOmp, Omp, Online,
    Threshold, Update, dct,
};
use spm_models::preprocess::{Thresholding, Whitening};

fn random_dictionary<T: Scalar>(rng: &mut Rng, dim: usize, n_atoms: usize) -> Dictionary<T> {
    Dictionary::normalized(rng.normals(dim * n_atoms), dim).unwrap()
}

fn sparse_signals<T: Scalar>(rng: &mut Rng, d: &Dictionary<T>, n: usize, k: usize, noise: f64) -> Vec<T> {
    let mut y = vec![T::zero(); n * d.dim()];
    for y in y.chunks_exact_mut(d.dim()) {
        for _ in 0..k {
            let (j, x) = (rng.below(d.n_atoms()), T::one() + rng.normal::<T>().abs());
            vecops::axpy(if rng.below(2) == 0 { x } else { -x }, d.atom(j), y);
        }
        y.iter_mut().for_each(|v| *v += T::of(noise) * rng.normal::<T>());
    }
    y
}

/// `Dᵀ(y − D x)` and `x`, dense, of signal `i`.
fn state<T: Scalar>(d: &Dictionary<T>, y: &[T], codes: &Codes<T>, i: usize) -> (Vec<T>, Vec<T>) {
    let mut r = y[i * d.dim()..][..d.dim()].to_vec();
    codes.add_reconstruction(d.as_dense(), i, -T::one(), &mut r);
    let mut x = vec![T::zero(); d.n_atoms()];
    let (atoms, values) = codes.column(i);
    atoms.iter().zip(values).for_each(|(&j, &v)| x[j as usize] = v);
    ((0..d.n_atoms()).map(|j| vecops::dot(d.atom(j), &r)).collect(), x)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn lasso_codes_are_optimal(seed in any::<u64>(), dim in 1_usize..12, n_atoms in 1_usize..30, share in 0.01_f64..1.2, positive in any::<bool>()) {
        let mut rng = Rng::new(seed);
        let d = random_dictionary::<f64>(&mut rng, dim, n_atoms);
        let y = rng.normals::<f64>(dim * 12);
        let lambda = share * vecops::norm(&y[..dim]);
        let mut objectives = Vec::new();
        for method in [LassoMethod::ActiveSet, LassoMethod::CoordinateDescent] {
            let coder = LassoCoder::new(lambda).positive(positive).method(method);
            let codes = coder.code(d.as_dense(), &y).unwrap();
            for (i, gap) in coder.gaps(d.as_dense(), &y, &codes).unwrap().into_iter().enumerate() {
                let scale = 0.5 * vecops::sq_norm(&y[i * dim..][..dim]);
                prop_assert!(gap <= 1e-8 * scale && gap >= -1e-12 * scale, "{:?}: gap {} of {}", method, gap, scale);
                let (c, x) = state(&d, &y, &codes, i);
                for (c, x) in c.iter().zip(&x) {
                    prop_assert!(!positive || *x >= 0.0);
                    let violation = if *x == 0.0 { (if positive { *c } else { c.abs() }) - lambda } else { (c - lambda * x.signum()).abs() };
                    prop_assert!(violation <= 1e-6 * lambda, "{:?}: {}", method, violation);
                }
            }
            let error = codes.rmse(d.as_dense(), &y);
            objectives.push(0.5 * error * error * y.len() as f64 + lambda * vecops::norm_1(codes.values()));
        }
        prop_assert!((objectives[0] - objectives[1]).abs() <= 1e-9 * (1.0 + objectives[0]));
    }

    #[test]
    fn non_negative_codes_fit_best_on_their_support(seed in any::<u64>(), dim in 2_usize..10, n_atoms in 1_usize..20, k in 0_usize..6) {
        let mut rng = Rng::new(seed);
        let d = random_dictionary::<f64>(&mut rng, dim, n_atoms);
        let y = rng.normals::<f64>(dim * 12);
        let codes = NonNegativeOmp::new(k).code(d.as_dense(), &y).unwrap();
        for i in 0..12 {
            let (c, x) = state(&d, &y, &codes, i);
            let support = x.iter().filter(|x| **x != 0.0).count();
            prop_assert!(support <= k && x.iter().all(|x| *x >= 0.0));
            for (c, x) in c.iter().zip(&x) {
                prop_assert!(*x == 0.0 || c.abs() < 1e-8);
                // It ends early only where nothing helps.
                prop_assert!(support == k || support == dim || *x > 0.0 || *c < 1e-7, "{} {}", c, support);
            }
        }
    }

    #[test]
    fn hard_coders_keep_their_number(seed in any::<u64>(), k in 0_usize..5) {
        let mut rng = Rng::new(seed);
        let d = random_dictionary::<f64>(&mut rng, 10, 16);
        let y = rng.normals::<f64>(10 * 10);
        let energy = vecops::sq_norm(&y);
        let coders: [&dyn Coder<f64>; 3] = [&Iht::new(k), &CoSaMp::new(k), &Threshold::hard(0.0).k(k)];
        for (which, coder) in coders.into_iter().enumerate() {
            let codes = coder.code(d.as_dense(), &y).unwrap();
            for i in 0..10 {
                prop_assert!(codes.column(i).0.len() <= k, "{:?}", coder);
                let (c, x) = state(&d, &y, &codes, i);
                if which == 1 {
                    prop_assert!(c.iter().zip(&x).all(|(c, x)| *x == 0.0 || c.abs() < 1e-7), "least squares on the support");
                }
            }
            if which < 2 {
                let error = codes.rmse(d.as_dense(), &y).powi(2) * y.len() as f64;
                prop_assert!(error <= energy * (1.0 + 1e-12), "{:?}", coder);
            }
        }
    }
}

#[test]
fn an_orthonormal_dictionary_has_closed_forms() {
    let d = dct::orthonormal_1d::<f64>(12).unwrap();
    let y = Rng::new(3).normals::<f64>(12 * 20);
    let soft = Threshold::soft(0.7).code(d.as_dense(), &y).unwrap();
    let lasso = LassoCoder::new(0.7).code(d.as_dense(), &y).unwrap();
    assert_eq!(soft.atoms(), lasso.atoms());
    assert!(soft.values().iter().zip(lasso.values()).all(|(a, b)| (a - b).abs() < 1e-12));
    let k = Omp::with_k(4).code(d.as_dense(), &y).unwrap();
    let others: [&dyn Coder<f64>; 3] = [&Iht::new(4), &CoSaMp::new(4), &Threshold::hard(0.0).k(4)];
    for coder in others {
        let codes = coder.code(d.as_dense(), &y).unwrap();
        assert_eq!(codes.atoms(), k.atoms(), "{coder:?}");
        assert!(codes.values().iter().zip(k.values()).all(|(a, b)| (a - b).abs() < 1e-9), "{coder:?}");
    }
}

#[test]
fn sparse_signals_are_found_again() {
    let mut rng = Rng::new(5);
    let d = random_dictionary::<f64>(&mut rng, 40, 60);
    let y = sparse_signals(&mut rng, &d, 50, 3, 0.0);
    for (coder, enough) in [(&CoSaMp::new(3) as &dyn Coder<f64>, 45), (&Iht::new(3).max_iter(500), 30)] {
        let codes = coder.code(d.as_dense(), &y).unwrap();
        let exact = (0..50).filter(|&i| {
            let (c, _) = state(&d, &y, &codes, i);
            vecops::norm_inf(&c) < 1e-3
        });
        let count = exact.count();
        assert!(count >= enough, "{coder:?}: {count} of 50");
    }
}

#[test]
fn duplicate_zero_and_dependent_atoms_do_no_harm() {
    // Atoms 0 and 1 are the same, 2 is their negative, 3 is zero, 4 depends on 0 and 5.
    let s = 0.5_f64.sqrt();
    let atoms = [1.0, 0.0, 1.0, 0.0, -1.0, 0.0, 0.0, 0.0, s, s, 0.0, 1.0];
    let d = Dense::from_column_major(&atoms, 2, 6).unwrap();
    let y = [3.0, 1.0, 0.0, 0.0, -2.0, 5.0, 1e-300, 0.0];
    let lasso = LassoCoder::new(0.1);
    let codes = lasso.code(d, &y).unwrap();
    assert!(lasso.gaps(d, &y, &codes).unwrap().iter().all(|g| g.abs() < 1e-9));
    assert!(codes.column(1).0.is_empty() && codes.column(3).0.is_empty());
    for coder in
        [&NonNegativeOmp::new(3) as &dyn Coder<f64>, &CoSaMp::new(2), &Iht::new(2), &Threshold::soft(0.1)]
    {
        let codes = coder.code(d, &y).unwrap();
        assert!(codes.values().iter().all(|v| v.is_finite()), "{coder:?}");
        assert!(codes.column(1).0.is_empty(), "{coder:?}");
        let at = LinalgError::NonFiniteAt { what: "signals", row: 1, col: 100 };
        let mut bad = vec![1.0; 2 * 120];
        bad[201] = f64::NAN;
        assert_eq!(coder.code(d, &bad).unwrap_err(), at.into(), "{coder:?}");
        assert!(coder.code(d, &[1.0; 3]).is_err());
        assert_eq!(coder.code(d, &[]).unwrap().n_signals(), 0);
    }
    assert!(LassoCoder::new(0.0).code(d, &y).is_err());
    assert!(Threshold::soft(-1.0).code(d, &y).is_err());
    assert!(NonNegativeOmp::new(1).eps(f64::NAN).code(d, &y).is_err());
}

#[test]
fn online_learning_recovers_a_dictionary_in_both_precisions_and_any_number_of_threads() {
    fn check<T: Scalar + std::fmt::Debug>() {
        let mut rng = Rng::new(2);
        let truth = random_dictionary::<T>(&mut rng, 12, 16);
        let y = sparse_signals(&mut rng, &truth, 3000, 2, 0.01);
        let online = Online::new(16, Omp::with_k(2)).max_iter(15).batch(200);
        let fit = online.fit(&y, 12).unwrap();
        let found = |j: usize| {
            (0..16).any(|i| vecops::dot(truth.atom(j), fit.dictionary.atom(i)).abs() > T::of(0.98))
        };
        let count = (0..16).filter(|&j| found(j)).count();
        assert!(count >= 14, "{count} of 16 atoms");
        assert!(fit.errors.last() < fit.errors.first());
        assert_eq!(fit.errors.len(), 15);
        #[cfg(feature = "rayon")]
        {
            let pool = |n| rayon::ThreadPoolBuilder::new().num_threads(n).build().unwrap();
            let short = online.clone().max_iter(2);
            let (one, two) = (pool(1).install(|| short.fit(&y, 12)), pool(2).install(|| short.fit(&y, 12)));
            let (one, two) = (one.unwrap(), two.unwrap());
            assert_eq!(one.dictionary, two.dictionary);
            assert_eq!(one.errors, two.errors);
        }
    }
    check::<f64>();
    check::<f32>();
}

#[test]
fn online_learning_with_signs_and_awkward_streams() {
    let mut rng = Rng::new(7);
    let truth =
        Dictionary::normalized(rng.normals::<f64>(8 * 10).iter().map(|v| v.abs()).collect(), 8).unwrap();
    let y: Vec<f64> = (0..400)
        .flat_map(|_| {
            let (a, b) = (rng.below(10), rng.below(10));
            (0..8).map(|f| truth.atom(a)[f] + 2.0 * truth.atom(b)[f]).collect::<Vec<_>>()
        })
        .collect();
    let coder = LassoCoder::new(0.05).positive(true);
    let online = Online::new(10, coder).positive(true).max_iter(10).batch(64);
    let fit = online.fit(&y, 8).unwrap();
    assert!(fit.dictionary.atoms().iter().all(|v| *v >= 0.0));
    assert!(fit.errors[9] < fit.errors[0]);
    let codes = coder.code(fit.dictionary.as_dense(), &y).unwrap();
    assert!(codes.values().iter().all(|v| *v > 0.0));
    // A stream of nothing, of zeros, of a NaN.
    let mut learner = online.start(fit.dictionary.clone()).unwrap();
    assert_eq!(learner.update(&[]).unwrap(), 0.0);
    assert_eq!(learner.update(&[0.0; 80]).unwrap(), 0.0);
    let before = learner.dictionary().unwrap();
    let at = LinalgError::NonFiniteAt { what: "batch", row: 3, col: 1 };
    let mut bad = [1.0; 16];
    bad[11] = f64::NAN;
    assert_eq!(learner.update(&bad).unwrap_err(), ModelError::from(at));
    assert!(learner.update(&[1.0; 3]).is_err());
    assert_eq!(learner.dictionary().unwrap(), before);
    assert!(online.clone().batch(0).fit(&y, 8).is_err());
    assert!(online.fit(&[], 8).is_err() && online.fit(&y[..9], 8).is_err());
    assert!(Online::<f64>::new(3, Omp::with_k(1)).start(before).is_err());
}

#[test]
fn optimal_directions_never_increase_the_error() {
    /// Codes on a support fixed once.
    #[derive(Debug)]
    struct Frozen(Codes<f64>);
    impl Coder<f64> for Frozen {
        fn code(&self, _: Dense<'_, f64>, _: &[f64]) -> Result<Codes<f64>, spm_solvers::SolveError> {
            Ok(self.0.clone())
        }
    }
    for seed in 0..20 {
        let mut rng = Rng::new(seed);
        let d = random_dictionary::<f64>(&mut rng, 6, 9);
        let y = rng.normals::<f64>(6 * 40);
        let codes = Omp::with_k(2).code(d.as_dense(), &y).unwrap();
        let before = codes.rmse(d.as_dense(), &y);
        let ksvd = Ksvd::new(9, Frozen(codes)).init(d).update(Update::Mod).max_iter(1).min_uses(0);
        let fit = ksvd.fit(&y, 6).unwrap();
        let after = fit.codes.rmse(fit.dictionary.as_dense(), &y);
        assert!(after <= before * (1.0 + 1e-9), "{after} > {before}");
        assert!((after - fit.errors[0]).abs() < 1e-12);
    }
    let masked = Ksvd::new(1, Omp::with_k(1)).update(Update::Mod).fit_masked(&[1.0, 2.0], &[true, false], 2);
    assert!(matches!(masked, Err(ModelError::Unsupported { .. })));
}

#[test]
fn white_signals_have_unit_covariance() {
    fn check<T: Scalar>(tol: f64) {
        let mut rng = Rng::new(11);
        let (dim, n) = (5, 60);
        let mix: Vec<T> = rng.normals(dim * dim);
        let mix = Dense::from_column_major(&mix, dim, dim).unwrap();
        let mut y = vec![T::zero(); dim * n];
        mix.apply_block(&rng.normals(dim * n), n, &mut y);
        for zca in [false, true] {
            let white = Whitening::new().zca(zca).fit(&y, dim).unwrap();
            let t = white.transform(&y).unwrap();
            for a in 0..dim {
                for b in 0..dim {
                    let sum: T = (0..n).map(|i| t[i * dim + a] * t[i * dim + b]).sum();
                    let want = if a == b { 1.0 } else { 0.0 };
                    assert!((sum.as_f64() / (n - 1) as f64 - want).abs() < tol);
                }
            }
            let back = white.inverse(&t).unwrap();
            assert!(back.iter().zip(&y).all(|(a, b)| (*a - *b).as_f64().abs() < tol));
        }
    }
    check::<f64>(1e-10);
    check::<f32>(1e-3);
    // Entries that do not vary: refused, unless one says what to do.
    let flat = [1.0, 2.0, 1.0, 3.0, 1.0, 5.0];
    assert!(Whitening::new().fit(&flat, 2).is_err());
    assert_eq!(Whitening::new().thresholding(Thresholding::Drop(1e-9)).fit(&flat, 2).unwrap().white_dim(), 1);
    assert!(Whitening::new().thresholding(Thresholding::Regularize(0.1)).fit(&flat, 2).is_ok());
    assert!(Whitening::new().fit(&[1.0, 2.0], 2).is_err(), "one signal has no unbiased variance");
    assert!(Whitening::new().thresholding(Thresholding::Drop(f64::NAN)).fit(&flat, 2).is_err());
    assert!(Whitening::<f64>::new().fit(&[], 2).is_err());
}
