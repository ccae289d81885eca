//! Pursuits against a slow twin, against each other, and on awkward input.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use spm_linalg::testing::Rng;
use spm_linalg::{Dense, LinalgError, Scalar, vecops};
use spm_solvers::batch_omp::{BatchOmp, Limit, Rule};
use spm_solvers::omp::{ErrorBound, Omp, Pursuit, omp};
use spm_solvers::{Control, Iteration, SolveError, Status, run};

/// Least squares by Gram-Schmidt, twice over: `(x, y − D_I x)`.
fn least_squares(d: &[f64], m: usize, support: &[usize], y: &[f64]) -> (Vec<f64>, Vec<f64>) {
    let n = support.len();
    let mut q: Vec<Vec<f64>> = Vec::new();
    let mut r = vec![vec![0.0; n]; n];
    for (a, &j) in support.iter().enumerate() {
        let mut v = d[j * m..][..m].to_vec();
        for _ in 0..2 {
            for b in 0..a {
                let t = vecops::dot(&q[b], &v);
                r[b][a] += t;
                vecops::axpy(-t, &q[b], &mut v);
            }
        }
        r[a][a] = vecops::norm(&v);
        vecops::scale(1.0 / r[a][a], &mut v);
        q.push(v);
    }
    let mut residual = y.to_vec();
    let mut x = vec![0.0; n];
    for a in 0..n {
        x[a] = vecops::dot(&q[a], &residual);
        vecops::axpy(-x[a], &q[a], &mut residual);
    }
    for a in (0..n).rev() {
        x[a] = (x[a] - (a + 1..n).map(|b| r[a][b] * x[b]).sum::<f64>()) / r[a][a];
    }
    (x, residual)
}

/// The definition: a dense least-squares fit at every step (for every candidate under `Ols`).
fn twin(d: &[f64], m: usize, y: &[f64], limit: Limit<f64>, rule: Rule) -> (Vec<usize>, Vec<f64>) {
    let n = d.len() / m;
    let (mut support, mut x, mut residual) = (Vec::new(), Vec::new(), y.to_vec());
    while support.len() < limit.k.min(m).min(n) && vecops::norm(&residual) > limit.eps {
        let score = |j: usize| match rule {
            Rule::Ols => {
                let with: Vec<usize> = support.iter().copied().chain([j]).collect();
                -vecops::norm(&least_squares(d, m, &with, y).1)
            }
            _ => vecops::dot(&d[j * m..][..m], &residual).abs(),
        };
        let free = (0..n).filter(|j| !support.contains(j));
        let best = free.map(|j| (score(j), j)).max_by(|a, b| a.0.total_cmp(&b.0)).unwrap().1;
        support.push(best);
        (x, residual) = least_squares(d, m, &support, y);
    }
    (support, x)
}

fn unit_atoms<T: Scalar>(rng: &mut Rng, m: usize, n: usize) -> Vec<T> {
    let mut d: Vec<T> = rng.normals(m * n);
    for atom in d.chunks_exact_mut(m) {
        let norm = vecops::norm(atom);
        vecops::scale(T::one() / norm, atom);
    }
    d
}

type Code<T> = (Vec<usize>, Vec<T>);

fn batch<T: Scalar>(
    d: &[T],
    m: usize,
    y: &[T],
    limit: Limit<T>,
    rule: Rule,
) -> Result<Vec<Code<T>>, SolveError> {
    let pursuit = BatchOmp::new(Dense::from_column_major(d, m, d.len() / m)?, rule)?;
    let mut codes = Vec::new();
    pursuit.run(y, limit, &mut pursuit.buffers(limit), |signal, support, x| {
        assert_eq!(signal, codes.len(), "signals are emitted once and in order");
        codes.push((support.iter().map(|&j| j as usize).collect(), x.to_vec()));
    })?;
    Ok(codes)
}

fn residual<T: Scalar>(d: &[T], m: usize, y: &[T], code: &Code<T>) -> Vec<T> {
    let mut r = y.to_vec();
    for (&j, &x) in code.0.iter().zip(&code.1) {
        vecops::axpy(-x, &d[j * m..][..m], &mut r);
    }
    r
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn batch_single_and_twin_agree(
        seed in any::<u64>(), m in 2_usize..12, n in 2_usize..70, k in 1_usize..6, eps in 0.0_f64..1.0,
        scale in -9_i32..9, unit in any::<bool>(),
    ) {
        let mut rng = Rng::new(seed);
        let scale = 10.0_f64.powi(scale);
        let d = if unit { unit_atoms(&mut rng, m, n) } else { rng.normals::<f64>(m * n) };
        let y: Vec<f64> = rng.normals::<f64>(3 * m).iter().map(|v| v * scale).collect();
        // The last atom that a full basis takes is decided by rounding: stop before.
        let limit = Limit { k: k.min(m - 1), eps: eps * scale };
        let design = Dense::from_column_major(&d, m, n).unwrap();
        for rule in [Rule::Omp, Rule::Ols] {
            let codes = batch(&d, m, &y, limit, rule).unwrap();
            for (y, code) in y.chunks_exact(m).zip(&codes) {
                let slow = twin(&d, m, y, limit, rule);
                prop_assert_eq!(&code.0, &slow.0);
                let size = vecops::norm_inf(&slow.1);
                for (a, b) in code.1.iter().zip(&slow.1) {
                    prop_assert!((a - b).abs() <= 1e-8 * size, "{} {}", a, b);
                }
                let r = residual(&d, m, y, code);
                for &j in &code.0 {
                    let atom = &d[j * m..][..m];
                    let bound = 1e-9 * vecops::norm(atom) * vecops::norm(y);
                    prop_assert!(vecops::dot(atom, &r).abs() <= bound);
                }
                prop_assert!(code.0.len() == limit.k.min(n) || vecops::norm(&r) <= limit.eps * (1.0 + 1e-9));
                if rule == Rule::Omp {
                    let single = omp(design, y, limit.k, limit.eps).unwrap();
                    prop_assert_eq!(&single.support, &code.0);
                    for (a, b) in single.coefficients.iter().zip(&code.1) {
                        prop_assert!((a - b).abs() <= 1e-8 * size);
                    }
                    prop_assert!((single.residual_norm - vecops::norm(&r)).abs() <= 1e-9 * vecops::norm(y));
                }
            }
        }
    }

    #[test]
    fn tight_bounds_are_honoured(seed in any::<u64>(), digits in 3_i32..12) {
        // Rounding in the updated residual norm must not end the pursuit early or late.
        let (m, n) = (10, 24);
        let mut rng = Rng::new(seed);
        let d = unit_atoms::<f64>(&mut rng, m, n);
        let y = rng.normals::<f64>(m);
        let limit = Limit { k: m, eps: vecops::norm(&y) * 10.0_f64.powi(-digits) };
        for rule in [Rule::Omp, Rule::Ols] {
            let code = &batch(&d, m, &y, limit, rule).unwrap()[0];
            let r = vecops::norm(&residual(&d, m, &y, code));
            prop_assert!(r <= limit.eps || code.0.len() == m, "{} > {}", r, limit.eps);
        }
        let single = omp(Dense::from_column_major(&d, m, n).unwrap(), &y, m, limit.eps).unwrap();
        prop_assert!(single.residual_norm <= limit.eps || single.support.len() == m);
    }
}

#[test]
fn single_precision_agrees_with_double() {
    let (m, n, count) = (16, 48, 200);
    let mut rng = Rng::new(5);
    let d = unit_atoms::<f64>(&mut rng, m, n);
    let y = rng.normals::<f64>(m * count);
    let (d32, y32): (Vec<f32>, Vec<f32>) =
        (d.iter().map(|&v| v as f32).collect(), y.iter().map(|&v| v as f32).collect());
    for rule in [Rule::Omp, Rule::Ols] {
        let a = batch(&d, m, &y, Limit { k: 4, eps: 0.5 }, rule).unwrap();
        let b = batch(&d32, m, &y32, Limit { k: 4, eps: 0.5 }, rule).unwrap();
        let same = a.iter().zip(&b).filter(|(a, b)| a.0 == b.0).count();
        assert!(same >= count - 1, "{same} of {count}");
        for ((a, b), y) in a.iter().zip(&b).zip(y.chunks_exact(m)) {
            let (ra, rb) = (
                residual(&d, m, y, a),
                residual(&d32, m, &y.iter().map(|&v| v as f32).collect::<Vec<_>>(), b),
            );
            assert!((vecops::norm(&ra) - f64::from(vecops::norm(&rb))).abs() < 1e-4 || a.0 != b.0);
        }
    }
}

#[test]
fn near_collinear_atoms_do_not_blow_up() {
    // Pairs of atoms at distance 1e-5: in single precision their Gram matrix is singular.
    fn check<T: Scalar>(rule: Rule) {
        let (m, n) = (12, 40);
        let mut rng = Rng::new(9);
        let mut d = unit_atoms::<T>(&mut rng, m, n);
        for j in (0..n).step_by(2) {
            for i in 0..m {
                d[(j + 1) * m + i] = d[j * m + i] + T::of(1e-5) * rng.normal::<T>();
            }
        }
        let y: Vec<T> = rng.normals(m * 50);
        let codes = batch(&d, m, &y, Limit { k: 6, eps: T::zero() }, rule).unwrap();
        for (y, code) in y.chunks_exact(m).zip(&codes) {
            let r = residual(&d, m, y, code);
            assert!(vecops::norm(&r) < vecops::norm(y));
            let bound = if T::epsilon() < T::of(1e-10) { 1e8 } else { 1e4 };
            assert!(vecops::norm_inf(&code.1) < T::of(bound) * vecops::norm(y));
            for &j in &code.0 {
                assert!(vecops::dot(&d[j * m..][..m], &r).abs() < T::epsilon().sqrt() * vecops::norm(y));
            }
        }
    }
    for rule in [Rule::Omp, Rule::Ols] {
        check::<f64>(rule);
        check::<f32>(rule);
    }
}

#[test]
fn single_precision_may_stop_early_on_coherent_atoms_but_is_never_wrong() {
    // 256 atoms of 8×8 patches that lie close to 20 directions; patches of a ramp, an edge and noise.
    let (m, n, count) = (64, 256, 40);
    let mut rng = Rng::new(3);
    let base: Vec<f64> = rng.normals(m * 20);
    let mut d = vec![0.0; m * n];
    for atom in d.chunks_exact_mut(m) {
        base.chunks_exact(m).for_each(|b| vecops::axpy(rng.normal(), b, atom));
        atom.iter_mut().for_each(|v| *v += 0.1 * rng.normal::<f64>());
        let norm = vecops::norm(atom);
        vecops::scale(1.0 / norm, atom);
    }
    let mut y = Vec::with_capacity(m * count);
    for _ in 0..count {
        let (ramp, edge): (f64, f64) = (rng.normal(), rng.normal());
        for (i, j) in (0..8).flat_map(|i| (0..8).map(move |j| (f64::from(i), f64::from(j)))) {
            let step = if i + 2.0 * edge > j { 40.0 } else { 0.0 };
            y.push(120.0 + 20.0 * ramp * (i - 3.5) + step + 10.0 * rng.normal::<f64>());
        }
    }
    let narrow = |v: &[f64]| v.iter().map(|&v| v as f32).collect::<Vec<f32>>();
    let (d32, y32) = (narrow(&d), narrow(&y));
    let d: Vec<f64> = d32.iter().map(|&v| f64::from(v)).collect();
    for rule in [Rule::Omp, Rule::Ols] {
        let mut before = vec![f64::INFINITY; count];
        for k in [5, 10, 20, 30, 40, 64] {
            let codes = batch(&d32, m, &y32, Limit { k, eps: 0.0 }, rule).unwrap();
            for (((support, x), y), before) in codes.iter().zip(y32.chunks_exact(m)).zip(&mut before) {
                let y: Vec<f64> = y.iter().map(|&v| f64::from(v)).collect();
                let x: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
                let got = vecops::norm(&residual(&d, m, &y, &(support.clone(), x)));
                // What the chosen atoms can do at best, and what fewer atoms did.
                let best = vecops::norm(&least_squares(&d, m, support, &y).1);
                let slack = 1e-3 * vecops::norm(&y);
                assert!(got <= best + slack, "{rule:?} k = {k}: {got} against {best}");
                assert!(got <= *before + slack, "{rule:?} k = {k}: {got} after {before}");
                *before = before.min(got);
            }
        }
    }
}

#[test]
fn exactly_sparse_signals_stop_at_their_atoms() {
    let (m, n) = (20, 40);
    let mut rng = Rng::new(3);
    let d = unit_atoms::<f64>(&mut rng, m, n);
    let mut y = vec![0.0; m];
    for (j, x) in [(4, 3.0), (17, -2.0)] {
        vecops::axpy(x, &d[j * m..][..m], &mut y);
    }
    for rule in [Rule::Omp, Rule::Ols] {
        let code = &batch(&d, m, &y, Limit { k: m, eps: 0.0 }, rule).unwrap()[0];
        let (support, x) = (&code.0, &code.1);
        let mut sorted = support.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, [4, 17], "{x:?}");
    }
    let fit = omp(Dense::from_column_major(&d, m, n).unwrap(), &y, m, 0.0).unwrap();
    assert_eq!(fit.support.len(), 2);
    assert!(fit.residual_norm < 1e-14);
}

#[test]
fn ties_duplicates_zero_atoms_and_zero_signals() {
    let d: [f64; 15] = [1., 0., 0., 0., 1., 0., 0., 0., 1., 0., 1., 0., 0., 0., 0.];
    let y = [1., 1., 0., 0., 2., 0., 0., 0., 0., -3., 0., 3., 1., -2., 2.];
    let want: [&[usize]; 5] = [&[0, 1], &[1], &[], &[0, 2], &[1, 2, 0]];
    for rule in [Rule::Omp, Rule::Ols] {
        let codes = batch(&d, 3, &y, Limit { k: 3, eps: 0.0 }, rule).unwrap();
        for (code, want) in codes.iter().zip(want) {
            assert_eq!(code.0, want);
        }
    }
    for (y, want) in y.chunks_exact(3).zip(want) {
        let fit = omp(Dense::from_column_major(&d, 3, 5).unwrap(), y, 3, 0.0).unwrap();
        assert_eq!(fit.support, want);
    }
}

#[test]
fn only_zero_atoms_or_one_of_each() {
    let zero = [0.0_f64; 6];
    for rule in [Rule::Omp, Rule::Ols] {
        assert_eq!(batch(&zero, 2, &[1.0, 2.0], Limit { k: 2, eps: 0.0 }, rule).unwrap(), [(vec![], vec![])]);
        assert_eq!(
            batch(&[2.0], 1, &[-3.0], Limit { k: 9, eps: 0.0 }, rule).unwrap(),
            [(vec![0], vec![-1.5])]
        );
        assert_eq!(batch(&[2.0], 1, &[-3.0], Limit { k: 0, eps: 0.0 }, rule).unwrap(), [(vec![], vec![])]);
        assert_eq!(batch::<f64>(&[2.0], 1, &[], Limit { k: 1, eps: 0.0 }, rule).unwrap(), []);
    }
}

#[test]
fn bad_data_is_named() {
    let d = [1.0, 0.0, 0.0, 1.0];
    let limit = Limit { k: 1, eps: 0.0 };
    let error = |d: &[f64], y: &[f64], limit| batch(d, 2, y, limit, Rule::Omp).unwrap_err();
    let at = |what, row, col| SolveError::Linalg(LinalgError::NonFiniteAt { what, row, col });
    assert_eq!(error(&d, &[1.0, 2.0, 3.0, f64::NAN], limit), at("signals", 1, 1));
    assert_eq!(error(&[1.0, 0.0, f64::INFINITY, 1.0], &[1.0, 2.0], limit), at("dictionary", 0, 1));
    assert!(matches!(error(&d, &[1.0], limit), SolveError::Linalg(LinalgError::Shape { .. })));
    assert!(matches!(error(&d, &[1e200, 0.0], limit), SolveError::Linalg(LinalgError::InvalidParam { .. })));
    let bad_eps = Limit { k: 1, eps: -1.0 };
    assert!(matches!(error(&d, &[1.0, 2.0], bad_eps), SolveError::Linalg(LinalgError::InvalidParam { .. })));
    let dense = Dense::from_column_major(&d, 2, 2).unwrap();
    assert!(omp(dense, &[f64::NAN, 1.0], 1, 0.0).is_err());
    assert!(omp(dense, &[1.0], 1, 0.0).is_err());
    assert!(omp(dense, &[1.0, 1.0], 1, f64::NAN).is_err());
}

#[test]
fn omp_runs_under_the_driver() {
    let mut rng = Rng::new(11);
    let d = unit_atoms::<f64>(&mut rng, 8, 20);
    let y = rng.normals::<f64>(8);
    let mut it = Omp::new(Dense::from_column_major(&d, 8, 20).unwrap(), &y, 8).unwrap();
    let mut norms = Vec::new();
    let mut watch = |p: &spm_solvers::Progress<f64>, _: &[f64]| {
        norms.push(p.residual);
        core::ops::ControlFlow::Continue(())
    };
    let mut bound = ErrorBound { eps: 0.2 };
    let report = run(&mut it, Control::new(8, &mut bound).observer(&mut watch)).unwrap();
    assert_eq!(report.status, Status::Converged);
    assert!(norms.windows(2).all(|w| w[1] < w[0]));
    assert!((vecops::norm(it.residual()) - report.last.residual).abs() < 1e-14);
    let dense: Vec<usize> = (0..20).filter(|&j| it.iterate()[j] != 0.0).collect();
    let mut support = it.support().to_vec();
    support.sort_unstable();
    assert_eq!(dense, support);
    let Pursuit { coefficients, .. } = omp(Dense::from_column_major(&d, 8, 20).unwrap(), &y, 8, 0.2).unwrap();
    assert_eq!(coefficients, it.coefficients());
}
