//! Coders other than greedy ones, online learning, whitening: certificates, slow twins, awkward input.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use spm_linalg::testing::Rng;
use spm_linalg::{Dense, LinalgError, Scalar, vecops};
use spm_models::dictionary::{
    AnyCoder, CoSaMp, Coder, Codes, Dictionary, Encoder, Iht, JointCoder, Ksvd, LarsCoder, LassoCoder,
    LassoMethod, MaskedCoder, NonNegativeOmp, Omp, Online, Threshold, Update, dct,
};
use spm_models::preprocess::{Normalizer, Thresholding, Whitening};
use spm_models::{Design, Fit, ModelError, MultiTaskLasso, MultiXy};

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

/// The same codes whatever the dictionary.
#[derive(Debug, Clone)]
struct Fixed(Codes<f64>);

impl Coder<f64> for Fixed {
    fn code(&self, _: Dense<'_, f64>, _: &[f64]) -> Result<Codes<f64>, spm_solvers::SolveError> {
        Ok(self.0.clone())
    }
}

impl MaskedCoder<f64> for Fixed {
    fn code_masked(
        &self,
        _: Dense<'_, f64>,
        _: &[f64],
        _: &[bool],
    ) -> Result<Codes<f64>, spm_solvers::SolveError> {
        Ok(self.0.clone())
    }
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
        for method in [LassoMethod::ActiveSet, LassoMethod::CoordinateDescent, LassoMethod::Homotopy] {
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
        prop_assert!(objectives.iter().all(|o| (objectives[0] - o).abs() <= 1e-9 * (1.0 + objectives[0])));
    }

    /// Under any bound a code on the path is the minimiser for the `lambda` that its own correlations tell.
    #[test]
    fn least_angle_codes_are_minimisers_where_the_path_ends(seed in any::<u64>(), dim in 1_usize..10, n_atoms in 1_usize..24, k in 0_usize..6, share in 0.05_f64..1.1, positive in any::<bool>()) {
        let mut rng = Rng::new(seed);
        let d = random_dictionary::<f64>(&mut rng, dim, n_atoms);
        let y = rng.normals::<f64>(dim * 12);
        let eps = share * vecops::norm(&y[..dim]);
        let coders = [LarsCoder::with_k(k), LarsCoder::new(0.0).eps(eps), LarsCoder::new(0.3).k(k)];
        for (which, coder) in coders.into_iter().enumerate() {
            let codes = coder.positive(positive).code(d.as_dense(), &y).unwrap();
            for i in 0..12 {
                let (c, x) = state(&d, &y, &codes, i);
                let signal = &y[i * dim..][..dim];
                let size = vecops::norm(signal);
                let level = c.iter().map(|&c| if positive { c } else { c.abs() }).fold(0.0, f64::max);
                for (c, x) in c.iter().zip(&x) {
                    prop_assert!(*x == 0.0 || (c - level * x.signum()).abs() <= 1e-8 * size, "{} {} {}", c, x, level);
                    prop_assert!(!positive || *x >= 0.0);
                }
                let used = codes.column(i).0.len();
                if which != 1 {
                    prop_assert!(used <= k);
                    prop_assert!(used == k || level <= 0.3 * f64::from(u8::from(which == 2)) + 1e-8 * size, "ends early: {} of {}, {}", used, k, level);
                    continue;
                }
                let mut r = signal.to_vec();
                codes.add_reconstruction(d.as_dense(), i, -1.0, &mut r);
                let error = vecops::norm(&r);
                prop_assert!(size <= eps && used == 0 || level <= 1e-8 * size || (error - eps).abs() <= 1e-7 * size, "{} {}", error, eps);
            }
        }
    }

    #[test]
    fn joint_codes_are_optimal(seed in any::<u64>(), dim in 1_usize..8, n_atoms in 1_usize..14, n in 1_usize..20, share in 0.02_f64..1.1) {
        let mut rng = Rng::new(seed);
        let d = random_dictionary::<f64>(&mut rng, dim, n_atoms);
        let y = rng.normals::<f64>(dim * n);
        let largest = (0..n_atoms).map(|j| y.chunks(dim).map(|y| vecops::dot(d.atom(j), y).powi(2)).sum::<f64>().sqrt()).fold(0.0, f64::max);
        let coder = JointCoder::new(share * largest).tol(1e-12);
        let codes = coder.code(d.as_dense(), &y).unwrap();
        let certificate = coder.certificates(d.as_dense(), &y, &codes).unwrap()[0];
        prop_assert!(certificate.gap() <= 1e-10 * vecops::sq_norm(&y), "{:?}", certificate);
        // The optimality conditions, row by row.
        let states: Vec<_> = (0..n).map(|i| state(&d, &y, &codes, i)).collect();
        for j in 0..n_atoms {
            let c: Vec<f64> = states.iter().map(|s| s.0[j]).collect();
            let x: Vec<f64> = states.iter().map(|s| s.1[j]).collect();
            let size = vecops::norm(&x);
            let violation = if size == 0.0 {
                vecops::norm(&c) - coder.lambda
            } else {
                c.iter().zip(&x).map(|(c, x)| (c - coder.lambda * x / size).powi(2)).sum::<f64>().sqrt()
            };
            prop_assert!(violation <= 1e-4 * coder.lambda, "{}", violation);
        }
        prop_assert!(share < 1.0 || codes.nnz() == 0);
    }

    /// With fixed signs the sweeps keep lowering the error, and signs are kept.
    #[test]
    fn non_negative_ksvd_lowers_the_error_and_keeps_signs(seed in any::<u64>(), missing in any::<bool>(), exact in any::<bool>()) {
        let mut rng = Rng::new(seed);
        let y: Vec<f64> = rng.normals::<f64>(6 * 30).iter().map(|v| v.abs()).collect();
        let known: Vec<bool> = y.iter().map(|_| !missing || rng.below(4) > 0).collect();
        let start = Dictionary::normalized(rng.normals::<f64>(6 * 5).iter().map(|v| v.abs()).collect(), 6).unwrap();
        let codes = NonNegativeOmp::new(2).code(start.as_dense(), &y).unwrap();
        let before = codes.rmse_masked(start.as_dense(), &y, &known);
        let ksvd = Ksvd::new(5, Fixed(codes)).init(start).update(if exact { Update::Exact } else { Update::Rounds(2) });
        let fit = ksvd.positive(true).positive_codes(true).max_iter(1).fit_masked(&y, &known, 6).unwrap();
        prop_assert!(fit.errors[0] <= before * (1.0 + 1e-12), "{} {}", fit.errors[0], before);
        prop_assert!(fit.dictionary.atoms().iter().chain(fit.codes.values()).all(|v| *v >= 0.0));
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
fn a_dependent_atom_takes_the_place_of_another() {
    // The third atom enters last, when it depends on the first two.
    let h = 0.5_f64.sqrt();
    let d = Dictionary::new(vec![1.0, 0.0, 0.0, 0.0, 1.0, 0.0, h, h, 0.0], 3).unwrap();
    let (coder, y) = (LassoCoder::new(0.1), [5.0, 1.0, 0.0]);
    let codes = coder.code(d.as_dense(), &y).unwrap();
    assert_eq!(codes.atoms(), [0, 2]);
    let gap = coder.gaps(d.as_dense(), &y, &codes).unwrap()[0];
    assert!(gap < 1e-13, "{gap}");
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

#[test]
fn joint_coding_is_the_multi_task_lasso_and_for_groups_of_one_the_lasso() {
    let mut rng = Rng::new(11);
    let d = random_dictionary::<f64>(&mut rng, 8, 20);
    let y = sparse_signals(&mut rng, &d, 15, 3, 0.1);
    let coder = JointCoder::new(2.0).tol(1e-13);
    let codes = coder.code(d.as_dense(), &y).unwrap();
    let support = codes.column(0).0.to_vec();
    assert!(!support.is_empty() && support.len() < 20);
    assert!((0..15).all(|i| codes.column(i).0 == support), "one support for all");
    // 1/(2d)·‖Y − D X‖² + alpha·Σ‖X_j‖ with lambda = d·alpha.
    let data = MultiXy::new(Design::dense(d.atoms(), 8, 20).unwrap(), &y);
    let want = MultiTaskLasso::new(2.0 / 8.0).fit_intercept(false).tol(1e-13).fit(data).unwrap();
    for i in 0..15 {
        let (atoms, x) = codes.column(i);
        assert!(want.coef_of(i).iter().enumerate().all(|(j, v)| *v == 0.0 || support.contains(&(j as u32))));
        assert!(atoms.iter().zip(x).all(|(&j, x)| (want.coef_of(i)[j as usize] - x).abs() < 1e-6));
    }
    let alone = JointCoder::new(0.5).group(1).tol(1e-13).code(d.as_dense(), &y).unwrap();
    let lasso = LassoCoder::new(0.5).code(d.as_dense(), &y).unwrap();
    assert_eq!(alone.atoms(), lasso.atoms());
    assert!(alone.values().iter().zip(lasso.values()).all(|(a, b)| (a - b).abs() < 1e-6));
    // Groups do not see one another, the last is smaller, and the bits do not depend on the threads.
    let grouped = JointCoder::new(2.0).group(7).tol(1e-13);
    let all = grouped.code(d.as_dense(), &y).unwrap();
    let first = grouped.code(d.as_dense(), &y[..7 * 8]).unwrap();
    assert!((0..7).all(|i| all.column(i) == first.column(i)));
    assert_eq!(grouped.certificates(d.as_dense(), &y, &all).unwrap().len(), 3);
    for threads in [1, 2] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| grouped.code(d.as_dense(), &y)).unwrap(), all);
    }
    // Single precision, awkward scales, and input that is refused.
    let narrow = |v: &[f64], by: f64| v.iter().map(|v| (v * by) as f32).collect::<Vec<f32>>();
    let single = Dictionary::normalized(narrow(d.atoms(), 1.0), 8).unwrap();
    for scale in [1.0, 1e-12, 1e12] {
        let (y32, coder) = (narrow(&y, scale), JointCoder::new((2.0 * scale) as f32));
        let codes = coder.code(single.as_dense(), &y32).unwrap();
        let certificate = coder.certificates(single.as_dense(), &y32, &codes).unwrap()[0];
        assert!(certificate.gap() <= 1e-3 * vecops::sq_norm(&y32), "{scale}: {certificate:?}");
        assert_eq!(codes.column(3).0, support);
    }
    assert_eq!(coder.code(d.as_dense(), &[0.0; 16]).unwrap().nnz(), 0);
    assert_eq!(coder.code(d.as_dense(), &[]).unwrap().n_signals(), 0);
    assert!(JointCoder::new(0.0).code(d.as_dense(), &y).is_err());
    assert!(JointCoder::new(1.0).group(0).code(d.as_dense(), &y).is_err());
    assert!(coder.code(d.as_dense(), &y[1..]).is_err());
    let mut bad = y.clone();
    bad[8 + 3] = f64::NAN;
    let e = coder.code(d.as_dense(), &bad).unwrap_err();
    assert!(e.to_string().contains("row 3, column 1"), "{e}");
}

/// What is missing of a signal is put back after decoding, whatever the parts of the encoder.
#[test]
fn an_encoder_undoes_what_it_does() {
    let mut rng = Rng::new(17);
    let d = random_dictionary::<f64>(&mut rng, 6, 12);
    let mut y = sparse_signals(&mut rng, &d, 40, 2, 0.2);
    y.iter_mut().for_each(|v| *v = 3.0 * *v + 7.0);
    let white = Whitening::new().zca(true).fit(&y, 6).unwrap();
    let whole = |e: Encoder<f64>| {
        let encoded = e.encode(&y).unwrap();
        let back = e.decode(&encoded).unwrap();
        (vecops::sq_dist(&back, &y) / vecops::sq_norm(&y)).sqrt()
    };
    let coder = AnyCoder::from(Omp::with_k(6));
    let normalizer = Normalizer::new().scale(true);
    assert!(whole(Encoder::new(d.clone(), coder)) < 1e-12);
    assert!(whole(Encoder::new(d.clone(), coder).normalizer(normalizer)) < 1e-12);
    assert!(whole(Encoder::new(d.clone(), coder).whitening(white.clone())) < 1e-12);
    // A few atoms say most of a signal, and the mean is for free.
    let (few, centred) = (Encoder::new(d.clone(), Omp::with_k(2)), Encoder::new(d.clone(), Omp::with_k(2)));
    assert!(whole(centred.normalizer(Normalizer::new())) < whole(few));
    // Every coder is the one it was made from.
    let coders: [(AnyCoder<f64>, &dyn Coder<f64>); 8] = [
        (Omp::with_k(2).into(), &Omp::with_k(2)),
        (NonNegativeOmp::new(2).into(), &NonNegativeOmp::new(2)),
        (LassoCoder::new(0.5).into(), &LassoCoder::new(0.5)),
        (LarsCoder::with_k(3).into(), &LarsCoder::with_k(3)),
        (JointCoder::new(0.5).into(), &JointCoder::new(0.5)),
        (Threshold::soft(0.5).into(), &Threshold::soft(0.5)),
        (Iht::new(2).into(), &Iht::new(2)),
        (CoSaMp::new(2).into(), &CoSaMp::new(2)),
    ];
    for (any, coder) in coders {
        any.validate().unwrap();
        let encoded = Encoder::new(d.clone(), any).encode(&y).unwrap();
        assert_eq!(encoded.codes, coder.code(d.as_dense(), &y).unwrap(), "{any:?}");
    }
    let e = Encoder::new(d.clone(), LassoCoder::new(-1.0)).encode(&y).unwrap_err();
    assert!(e.to_string().contains("lambda"), "{e}");
    let narrow = Encoder::new(dct::orthonormal_1d::<f64>(4).unwrap(), coder).whitening(white);
    assert!(matches!(narrow.encode(&y), Err(ModelError::Linalg(LinalgError::Shape { .. }))));
}
