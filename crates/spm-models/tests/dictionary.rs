//! Coding and K-SVD: laws, awkward input, recovery, determinism.
#![allow(clippy::unwrap_used)]

use core::ops::ControlFlow;

use proptest::prelude::*;
use spm_linalg::testing::Rng;
use spm_linalg::{Dense, LinalgError, Scalar, vecops};
use spm_models::ModelError;
use spm_models::dictionary::{
    Coder, Codes, Dictionary, FittedKsvd, Init, Ksvd, MaskedCoder, Omp, Rule, Update, dct, known_entries,
};
use spm_solvers::{Progress, SolveError, Status};

fn random_dictionary<T: Scalar>(rng: &mut Rng, dim: usize, n_atoms: usize) -> Dictionary<T> {
    Dictionary::normalized(rng.normals(dim * n_atoms), dim).unwrap()
}

/// Signals with `k` random atoms each and white noise of the given relative size.
fn sparse_signals<T: Scalar>(rng: &mut Rng, d: &Dictionary<T>, n: usize, k: usize, noise: f64) -> Vec<T> {
    let mut y = vec![T::zero(); n * d.dim()];
    for y in y.chunks_exact_mut(d.dim()) {
        let mut support = Vec::new();
        while support.len() < k {
            let j = rng.below(d.n_atoms());
            if !support.contains(&j) {
                support.push(j);
                vecops::axpy(rng.normal(), d.atom(j), y);
            }
        }
        let size = vecops::norm(y) / T::of_usize(d.dim()).sqrt() * T::of(noise);
        y.iter_mut().for_each(|v| *v += size * rng.normal::<T>());
    }
    y
}

fn unit_norm<T: Scalar>(fit: &FittedKsvd<T>) {
    for j in 0..fit.dictionary.n_atoms() {
        assert!((vecops::norm(fit.dictionary.atom(j)) - T::one()).abs() < T::of(8.0) * T::epsilon());
    }
}

/// Codes on a support fixed once: what remains of an iteration is the sweep.
#[derive(Debug)]
struct Frozen(Codes<f64>);

impl Coder<f64> for Frozen {
    fn code(&self, _: Dense<'_, f64>, _: &[f64]) -> Result<Codes<f64>, SolveError> {
        Ok(self.0.clone())
    }
}

impl MaskedCoder<f64> for Frozen {
    fn code_masked(&self, _: Dense<'_, f64>, _: &[f64], _: &[bool]) -> Result<Codes<f64>, SolveError> {
        Ok(self.0.clone())
    }
}

/// Each entry missing with this chance: NaN there.
fn with_gaps(rng: &mut Rng, y: &[f64], chance: f64) -> Vec<f64> {
    y.iter()
        .map(|&v| if (rng.below(1 << 20) as f64) < chance * f64::from(1 << 20) { f64::NAN } else { v })
        .collect()
}

/// The root mean square error over the known entries, from the definition.
fn known_rmse(codes: &Codes<f64>, d: Dense<'_, f64>, y: &[f64]) -> f64 {
    let back = codes.reconstruct(d);
    let errors: Vec<f64> =
        y.iter().zip(&back).filter(|(y, _)| !y.is_nan()).map(|(y, b)| (y - b).powi(2)).collect();
    (errors.iter().sum::<f64>() / errors.len() as f64).sqrt()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_sweep_never_increases_the_error(seed in any::<u64>(), dim in 2_usize..9, n_atoms in 1_usize..12, n in 1_usize..40) {
        let mut rng = Rng::new(seed);
        let d = random_dictionary::<f64>(&mut rng, dim, n_atoms);
        let y = rng.normals::<f64>(dim * n);
        let codes = Omp::with_k(2).code(d.as_dense(), &y).unwrap();
        let before = codes.rmse(d.as_dense(), &y);
        let fit = Ksvd::new(n_atoms, Frozen(codes)).init(d).max_iter(1).fit(&y, dim).unwrap();
        let after = fit.codes.rmse(fit.dictionary.as_dense(), &y);
        prop_assert!(after <= before + 1e-14, "{} > {}", after, before);
        prop_assert!((after - fit.errors[0]).abs() <= 1e-12 * (1.0 + after), "the error kept is the true one");
        unit_norm(&fit);
    }

    #[test]
    fn every_kind_of_sweep_lowers_the_error(seed in any::<u64>(), dim in 2_usize..9, n_atoms in 1_usize..12, n in 1_usize..40) {
        let mut rng = Rng::new(seed);
        let d = random_dictionary::<f64>(&mut rng, dim, n_atoms);
        let whole = rng.normals::<f64>(dim * n);
        let gaps = with_gaps(&mut rng, &whole, 0.4);
        for y in [&whole, &gaps] {
            let known = known_entries(y);
            if !known.contains(&true) {
                continue;
            }
            let codes = Omp::with_k(2).code_masked(d.as_dense(), y, &known).unwrap();
            let mut last = known_rmse(&codes, d.as_dense(), y);
            for update in [Update::Rounds(1), Update::Rounds(4), Update::Exact] {
                let ksvd = Ksvd::new(n_atoms, Frozen(codes.clone())).init(d.clone()).max_iter(1).update(update);
                let fit = ksvd.fit_masked(y, &known, dim).unwrap();
                let after = known_rmse(&fit.codes, fit.dictionary.as_dense(), y);
                prop_assert!((after - fit.errors[0]).abs() <= 1e-12 * (1.0 + after), "the error kept is the true one");
                unit_norm(&fit);
                if y == &whole {
                    let plain = ksvd.fit(y, dim).unwrap();
                    prop_assert!((plain.errors[0] - after).abs() <= 1e-6 * (1.0 + after), "{:?}", update);
                }
                prop_assert!(after <= last * (1.0 + 1e-12) + 1e-14, "{:?}: {} > {}", update, after, last);
                last = known_rmse(&codes, d.as_dense(), y);
            }
        }
    }

    #[test]
    fn masked_pursuit_follows_the_definition(seed in any::<u64>(), ols in any::<bool>(), renormalize in any::<bool>()) {
        let (dim, n_atoms, k) = (12, 20, 4);
        let mut rng = Rng::new(seed);
        let d = random_dictionary::<f64>(&mut rng, dim, n_atoms);
        let whole = rng.normals::<f64>(dim * 30);
        let y = with_gaps(&mut rng, &whole, 0.5);
        let known = known_entries(&y);
        let rule = if ols { Rule::Ols } else { Rule::Omp };
        let coder = Omp::with_k(k).rule(rule).renormalize(renormalize);
        let codes = coder.code_masked(d.as_dense(), &y, &known).unwrap();
        for i in 0..30 {
            let rows: Vec<usize> = (0..dim).filter(|f| known[i * dim + f]).collect();
            // The problem restricted to the known rows, coded as a whole one.
            let norms: Vec<f64> = (0..n_atoms)
                .map(|j| rows.iter().map(|&f| d.atom(j)[f].powi(2)).sum::<f64>().sqrt())
                .collect();
            let scale = |j: usize| if renormalize { 1.0 / norms[j] } else { 1.0 };
            let part: Vec<f64> =
                (0..n_atoms).flat_map(|j| rows.iter().map(move |&f| (j, f))).map(|(j, f)| d.atom(j)[f] * scale(j)).collect();
            let target: Vec<f64> = rows.iter().map(|&f| y[i * dim + f]).collect();
            let (atoms, x) = codes.column(i);
            prop_assert!(atoms.len() <= rows.len());
            if rows.len() <= k {
                continue; // in the last dimension every atom is as good as any other
            }
            let part = Dense::from_column_major(&part, rows.len(), n_atoms).unwrap();
            let want = Omp::with_k(k).rule(rule).code(part, &target).unwrap();
            prop_assert_eq!(atoms, want.column(0).0);
            let mut residual = target.clone();
            for ((&j, &x), &w) in atoms.iter().zip(x).zip(want.column(0).1) {
                prop_assert!((x - w * scale(j as usize)).abs() < 1e-7 * (1.0 + x.abs()));
                vecops::axpy(-x / scale(j as usize), part.col(j as usize), &mut residual);
            }
            for &j in atoms {
                let c = vecops::dot(part.col(j as usize), &residual);
                prop_assert!(c.abs() < 1e-8, "the residual is orthogonal to the chosen atoms: {}", c);
            }
        }
        let all = vec![true; whole.len()];
        let (a, b) = (coder.code_masked(d.as_dense(), &whole, &all).unwrap(), coder.code(d.as_dense(), &whole).unwrap());
        prop_assert_eq!(a.atoms(), b.atoms());
        prop_assert!(a.values().iter().zip(b.values()).all(|(a, b)| (a - b).abs() < 1e-9));
    }

    #[test]
    fn codes_keep_their_promise(seed in any::<u64>(), eps in 0.0_f64..2.0, k in 0_usize..7, ols in any::<bool>()) {
        let mut rng = Rng::new(seed);
        let d = random_dictionary::<f64>(&mut rng, 6, 15);
        let mut y = rng.normals::<f64>(6 * 40);
        y[..12].fill(0.0);
        let rule = if ols { Rule::Ols } else { Rule::Omp };
        let codes = Omp::with_k(k).eps(eps).rule(rule).code(d.as_dense(), &y).unwrap();
        prop_assert_eq!(codes.n_signals(), 40);
        prop_assert_eq!(codes.column(0).0.len() + codes.column(1).0.len(), 0);
        let back = codes.reconstruct(d.as_dense());
        for i in 0..40 {
            let error = vecops::sq_dist(&y[6 * i..][..6], &back[6 * i..][..6]).sqrt();
            let n = codes.column(i).0.len();
            prop_assert!(n <= k && (n == k.min(6) || error <= eps * (1.0 + 1e-9)));
        }
    }
}

#[test]
fn recovers_a_known_dictionary() {
    // Aharon, Elad, Bruckstein 2006, section V.A: 20 dimensions, 50 atoms, 1500 signals of 3 atoms, SNR 20 dB.
    let mut rng = Rng::new(2);
    let truth = random_dictionary::<f64>(&mut rng, 20, 50);
    let y = sparse_signals(&mut rng, &truth, 1500, 3, 0.1);
    let fit = Ksvd::new(50, Omp::with_k(3)).max_iter(60).fit(&y, 20).unwrap();
    let found = |j: usize| (0..50).any(|i| vecops::dot(truth.atom(j), fit.dictionary.atom(i)).abs() > 0.99);
    let count = (0..50).filter(|&j| found(j)).count();
    assert!(count >= 45, "{count} of 50 atoms found");
    assert_eq!(fit.report.status, Status::MaxIterations);
    assert_eq!(fit.errors.len(), 60);
    unit_norm(&fit);
}

#[cfg(feature = "rayon")]
#[test]
fn any_number_of_threads_gives_the_same_bits() {
    fn check<T: Scalar + std::fmt::Debug>() {
        let mut rng = Rng::new(4);
        let truth = random_dictionary::<T>(&mut rng, 12, 30);
        let y = sparse_signals(&mut rng, &truth, 9000, 3, 0.1);
        let fit = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| Ksvd::new(30, Omp::with_k(3)).max_iter(3).fit(&y, 12).unwrap())
        };
        let one = fit(1);
        for threads in [2, 4, 8] {
            let many = fit(threads);
            assert_eq!(many.dictionary, one.dictionary);
            assert_eq!(many.codes, one.codes);
            assert_eq!(many.errors, one.errors);
        }
        let known: Vec<bool> = (0..y.len()).map(|i| i % 7 != 3).collect();
        for update in [Update::Rounds(2), Update::Exact] {
            let fit = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let ksvd = Ksvd::new(30, Omp::with_k(3)).update(update).max_iter(2);
                pool.install(|| (ksvd.fit(&y, 12).unwrap(), ksvd.fit_masked(&y, &known, 12).unwrap()))
            };
            let (one, two) = (fit(1), fit(2));
            assert_eq!((one.0.dictionary, one.1.dictionary), (two.0.dictionary, two.1.dictionary));
            assert_eq!((one.0.codes, one.1.codes), (two.0.codes, two.1.codes));
        }
        let other_seed = Ksvd::new(30, Omp::with_k(3)).max_iter(3).seed(1).fit(&y, 12).unwrap();
        assert_ne!(other_seed.dictionary, one.dictionary);
    }
    check::<f64>();
    check::<f32>();
}

#[test]
fn gaps_are_filled_by_what_was_learned() {
    let mut rng = Rng::new(21);
    let truth = random_dictionary::<f64>(&mut rng, 16, 20);
    let whole = sparse_signals(&mut rng, &truth, 2000, 2, 0.0);
    let mut y = with_gaps(&mut rng, &whole, 0.3);
    y[..16].fill(f64::NAN); // one signal of which nothing is known
    let known = known_entries(&y);
    let before = y.clone();
    let ksvd = Ksvd::new(20, Omp::with_k(2)).update(Update::Rounds(5)).max_iter(40).seed(1);
    let fit = ksvd.fit_masked(&y, &known, 16).unwrap();
    assert!(y.iter().zip(&before).all(|(a, b)| a.to_bits() == b.to_bits()), "the data stay as they were");
    assert!(fit.codes.column(0).0.is_empty());
    let found = |j: usize| (0..20).any(|i| vecops::dot(truth.atom(j), fit.dictionary.atom(i)).abs() > 0.99);
    let count = (0..20).filter(|&j| found(j)).count();
    assert!(count >= 17, "{count} of 20 atoms found");
    let back = fit.codes.reconstruct(fit.dictionary.as_dense());
    let missing = |e: &usize| !known[*e] && *e >= 16;
    let energy: f64 = (0..y.len()).filter(missing).map(|e| whole[e].powi(2)).sum();
    let error: f64 = (0..y.len()).filter(missing).map(|e| (whole[e] - back[e]).powi(2)).sum();
    assert!(error < 0.2 * energy, "{error} of {energy}");
}

#[test]
fn bad_masks_are_named() {
    let d = Dictionary::new(vec![1.0, 0.0], 2).unwrap();
    let (coder, y) = (Omp::with_k(1), [1.0, f64::NAN, 3.0, 4.0]);
    let at = LinalgError::NonFiniteAt { what: "signals", row: 1, col: 0 };
    assert_eq!(coder.code_masked(d.as_dense(), &y, &[true; 4]), Err(at.clone().into()));
    assert!(coder.code_masked(d.as_dense(), &y, &[false; 3]).is_err());
    assert_eq!(coder.code_masked(d.as_dense(), &y, &[false; 4]).unwrap().nnz(), 0);
    let ksvd = Ksvd::new(1, coder);
    assert_eq!(ksvd.fit_masked(&y, &[true; 4], 2).unwrap_err(), at.into());
    assert!(matches!(
        ksvd.fit_masked(&y, &[false; 4], 2),
        Err(ModelError::Linalg(LinalgError::Empty { .. }))
    ));
    assert!(ksvd.fit_masked(&y, &[true; 2], 2).is_err());
    assert!(ksvd.clone().update(Update::Rounds(0)).fit(&[1.0, 2.0], 2).is_err());
}

#[test]
fn single_precision_learns_as_well() {
    let mut rng = Rng::new(6);
    let truth = random_dictionary::<f64>(&mut rng, 8, 12);
    let y = sparse_signals(&mut rng, &truth, 400, 2, 0.05);
    let y32: Vec<f32> = y.iter().map(|&v| v as f32).collect();
    let double = Ksvd::new(12, Omp::with_k(2)).max_iter(20).fit(&y, 8).unwrap();
    let single = Ksvd::new(12, Omp::with_k(2)).max_iter(20).fit(&y32, 8).unwrap();
    let (a, b) = (*double.errors.last().unwrap(), f64::from(*single.errors.last().unwrap()));
    assert!((a - b).abs() < 0.2 * a, "{a} {b}");
}

#[test]
fn identical_signals_few_signals_and_zero_signals() {
    let same = [1.0_f64, 2.0, 3.0].repeat(10);
    let fit = Ksvd::new(5, Omp::with_k(2)).max_iter(4).fit(&same, 3).unwrap();
    assert!(fit.errors.iter().all(|&e| e < 1e-14));
    assert_eq!(fit.replaced, 0, "everything is represented: nothing to replace an atom by");
    unit_norm(&fit);
    // Fewer signals than atoms.
    let fit = Ksvd::new(9, Omp::with_k(9)).max_iter(3).fit(&[1.0, 0.0, 0.0, 1.0, 1.0, 1.0], 2).unwrap();
    assert!(*fit.errors.last().unwrap() < 1e-14);
    unit_norm(&fit);
    // Nothing but zeros: no error, and no change from the second iteration on.
    let fit = Ksvd::new(3, Omp::with_k(1)).max_iter(9).fit(&[0.0; 20], 4).unwrap();
    assert_eq!(fit.errors, [0.0, 0.0]);
    assert_eq!(fit.report.status, Status::Converged);
    assert_eq!(fit.codes.nnz(), 0);
    // Constant patches.
    let constant: Vec<f64> = (0..30).flat_map(|i| [i as f64; 4]).collect();
    let fit = Ksvd::new(6, Omp::with_k(1)).max_iter(3).fit(&constant, 4).unwrap();
    assert!(*fit.errors.last().unwrap() < 1e-12);
    // One pixel.
    let fit = Ksvd::new(2, Omp::with_k(1)).fit(&[1.0, -2.0, 3.0], 1).unwrap();
    assert!(fit.errors[0] < 1e-14);
}

#[test]
fn unused_atoms_and_near_duplicates_give_way() {
    let mut rng = Rng::new(8);
    let truth = random_dictionary::<f64>(&mut rng, 10, 12);
    let y = sparse_signals(&mut rng, &truth, 400, 2, 0.0);
    // Twelve copies of nearly one atom.
    let mut start = Vec::new();
    for _ in 0..12 {
        start.extend((0..10).map(|i| f64::from(u8::from(i == 0)) + 1e-3 * rng.normal::<f64>()));
    }
    let start = Dictionary::normalized(start, 10).unwrap();
    let train = |min_uses, coherence| {
        let ksvd = Ksvd::new(12, Omp::with_k(2)).init(start.clone()).max_iter(30);
        ksvd.min_uses(min_uses).max_coherence(coherence).fit(&y, 10).unwrap()
    };
    let (with, without) = (train(4, 0.99), train(0, 1.0));
    assert!(with.replaced >= 8, "{}", with.replaced);
    assert_eq!(without.replaced, 0);
    assert!(with.errors.last() < without.errors.last());
}

#[test]
fn two_atoms_that_share_one_true_atom_are_told_apart() {
    let mut rng = Rng::new(11);
    let truth = random_dictionary::<f64>(&mut rng, 12, 16);
    let y = sparse_signals(&mut rng, &truth, 800, 2, 0.1);
    // The last atom is missing; the first is there twice, though far from the limit of coherence.
    let mut start = truth.atoms().to_vec();
    let (first, last) = (truth.atom(0), truth.atom(15));
    for ((out, &a), &b) in start[15 * 12..].iter_mut().zip(first).zip(last) {
        *out = 0.9 * a + 0.3 * b;
    }
    let start = Dictionary::normalized(start, 12).unwrap();
    let fit = Ksvd::new(16, Omp::with_k(2)).init(start).max_iter(40).fit(&y, 12).unwrap();
    for j in 0..16 {
        let most =
            (0..16).map(|i| vecops::dot(fit.dictionary.atom(i), truth.atom(j)).abs()).fold(0.0, f64::max);
        assert!(most > 0.99, "atom {j}: {most}");
    }
}

#[test]
fn scales_do_not_matter() {
    let mut rng = Rng::new(10);
    let y = rng.normals::<f64>(6 * 60);
    let fit = |scale: f64| {
        let y: Vec<f64> = y.iter().map(|v| v * scale).collect();
        Ksvd::new(8, Omp::with_k(2)).max_iter(4).fit(&y, 6).unwrap()
    };
    let one = fit(1.0);
    for exponent in [-40, 40] {
        let scale = 2.0_f64.powi(exponent);
        let scaled = fit(scale);
        assert_eq!(scaled.dictionary, one.dictionary);
        assert_eq!(scaled.errors.iter().map(|e| e / scale).collect::<Vec<_>>(), one.errors);
    }
}

#[test]
fn the_observer_sees_errors_and_can_stop() {
    let mut rng = Rng::new(12);
    let y = rng.normals::<f64>(5 * 50);
    let before = y.clone();
    let mut seen = Vec::new();
    let mut observer = |p: &Progress<f64>, atoms: &[f64]| {
        assert_eq!(atoms.len(), 5 * 7);
        seen.push(p.objective.unwrap());
        if p.iter == 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let fit = Ksvd::new(7, Omp::with_k(2)).fit_observed(&y, 5, &mut observer).unwrap();
    assert_eq!(fit.report.status, Status::Interrupted);
    assert_eq!(fit.errors, seen);
    assert_eq!(y, before);
    let settled = Ksvd::new(7, Omp::with_k(2)).tol(0.05).max_iter(100).fit(&y, 5).unwrap();
    assert_eq!(settled.report.status, Status::Converged);
    assert!(settled.report.last.residual <= 0.05 && settled.errors.len() < 100);
}

#[test]
fn bad_input_is_named() {
    let nan = [1.0, 2.0, 3.0, f64::NAN, 5.0, 6.0];
    let at = LinalgError::NonFiniteAt { what: "signals", row: 1, col: 1 };
    let train = |signals: &[f64], dim| Ksvd::new(2, Omp::with_k(1)).fit(signals, dim).unwrap_err();
    assert_eq!(train(&nan, 2), ModelError::Linalg(at.clone()));
    assert!(matches!(train(&[1.0; 5], 2), ModelError::Linalg(LinalgError::Shape { .. })));
    assert!(matches!(train(&[], 2), ModelError::Linalg(LinalgError::Empty { .. })));
    assert!(matches!(train(&[1.0], 0), ModelError::Linalg(LinalgError::Empty { .. })));
    let d = Dictionary::new(vec![1.0, 0.0], 2).unwrap();
    assert_eq!(Omp::with_k(1).code(d.as_dense(), &nan), Err(SolveError::Linalg(at)));
    // The signal is counted over all blocks.
    let mut late = vec![1.0; 2 * 3000];
    late[2 * 2500] = f64::INFINITY;
    let at = LinalgError::NonFiniteAt { what: "signals", row: 0, col: 2500 };
    assert_eq!(Omp::with_k(1).code(d.as_dense(), &late), Err(SolveError::Linalg(at)));
    let bad = |k: Ksvd<f64>| k.fit(&[1.0; 4], 2).is_err();
    assert!(bad(Ksvd::new(0, Omp::with_k(1))));
    assert!(bad(Ksvd::new(1, Omp::with_k(1)).tol(f64::NAN)));
    assert!(bad(Ksvd::new(1, Omp::with_k(1)).max_coherence(0.0)));
    assert!(bad(Ksvd::new(1, Omp::with_eps(-1.0))));
    assert!(bad(Ksvd::new(2, Omp::with_k(1)).init(Init::Given(d))));
}

#[test]
fn long_codes_in_single_precision_never_get_worse_with_more_atoms() {
    // 256 cosines in 64 dimensions: the last atoms depend on the others all but exactly.
    let d = dct::overcomplete_2d::<f32>(8, 16).unwrap();
    let mut rng = Rng::new(5);
    let n = 200;
    let mut y = Vec::with_capacity(64 * n);
    for _ in 0..n {
        // A smooth surface and a little noise, like a patch of a photograph.
        let (a, b, c): (f32, f32, f32) = (rng.normal(), rng.normal(), rng.normal());
        y.extend((0..64_usize).map(|q| {
            let (i, j) = ((q / 8) as f32 / 8.0, (q % 8) as f32 / 8.0);
            100.0 * (a * (i - 0.5) + b * (j - 0.5) + c * (3.0 * i * j + b).sin()) + rng.normal::<f32>()
        }));
    }
    for rule in [Rule::Omp, Rule::Ols] {
        let errors: Vec<f32> = [8, 16, 24, 40, 64]
            .map(|k| {
                let codes = Omp::with_k(k).rule(rule).code(d.as_dense(), &y).unwrap();
                let mut r = y.clone();
                r.chunks_exact_mut(64)
                    .enumerate()
                    .for_each(|(i, r)| codes.add_reconstruction(d.as_dense(), i, -1.0, r));
                vecops::norm(&r)
            })
            .to_vec();
        assert!(errors.windows(2).all(|e| e[1] <= e[0]), "{rule:?} {errors:?}");
    }
}
