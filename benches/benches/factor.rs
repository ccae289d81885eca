//! Factorisations, their solves, and one ADMM iteration on the Lasso.
//!
//! Ids carry the sizes: `cholesky/refactor/n=500`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sparse_modeling::linalg::factor::{
    Cholesky, SelfAdjointEvd, ThinSvd, UpdatingCholesky, gram_into, leading_triplet,
};
use sparse_modeling::linalg::{Dense, faer::MatRef, penalty::L1, vecops};
use sparse_modeling::solvers::Iteration;
use sparse_modeling::solvers::admm::{Admm, AdmmOptions, least_squares_update};
use spm_linalg::testing::Rng;

/// A well-conditioned Gram matrix of order `n`.
fn gram(n: usize) -> Vec<f64> {
    let x: Vec<f64> = Rng::new(1).normals(2 * n * n);
    let mut g = vec![0.0; n * n];
    gram_into(MatRef::from_column_major_slice(&x, 2 * n, n), &mut g).expect("fits");
    g
}

fn cholesky(c: &mut Criterion) {
    let mut group = c.benchmark_group("cholesky");
    for n in [20_usize, 100, 500] {
        let g = gram(n);
        let view = MatRef::from_column_major_slice(&g, n, n);
        let size = format!("n={n}");
        let mut chol = Cholesky::with_order(n);
        group.bench_function(BenchmarkId::new("refactor", &size), |b| {
            b.iter(|| chol.refactor(black_box(view), 1.0, None, 1.0).expect("positive definite"));
        });
        let rhs: Vec<f64> = Rng::new(2).normals(n);
        let mut x = rhs.clone();
        group.bench_function(BenchmarkId::new("solve", &size), |b| {
            b.iter(|| {
                x.copy_from_slice(&rhs);
                chol.solve_in_place(black_box(&mut x));
            });
        });
        // The blocked solve with a single column, for comparison.
        group.bench_function(BenchmarkId::new("solve_columns_1", &size), |b| {
            b.iter(|| {
                x.copy_from_slice(&rhs);
                chol.solve_columns_in_place(black_box(&mut x), 1);
            });
        });
    }
    group.finish();
}

fn updating(c: &mut Criterion) {
    let mut group = c.benchmark_group("updating_cholesky");
    for k in [5_usize, 50, 200] {
        let g = gram(k);
        let mut chol = UpdatingCholesky::with_capacity(k);
        group.bench_function(BenchmarkId::new("append_all", format!("k={k}")), |b| {
            b.iter(|| {
                chol.clear();
                for j in 0..k {
                    chol.append(&g[j * k..j * k + j], g[j * (k + 1)]).expect("independent");
                }
            });
        });
        let full = chol.clone();
        group.bench_function(BenchmarkId::new("remove_first", format!("k={k}")), |b| {
            b.iter(|| {
                chol.clone_from(&full); // a copy of k²/2 numbers
                chol.remove(0);
            });
        });
    }
    group.finish();
}

fn decompositions(c: &mut Criterion) {
    let mut group = c.benchmark_group("decompositions");
    group.sample_size(20);
    for n in [8_usize, 64, 200] {
        let g = gram(n);
        let view = MatRef::from_column_major_slice(&g, n, n);
        let size = format!("n={n}");
        group.bench_function(BenchmarkId::new("thin_svd", &size), |b| b.iter(|| ThinSvd::new(view)));
        group.bench_function(BenchmarkId::new("evd", &size), |b| b.iter(|| SelfAdjointEvd::new(view)));
    }
    // The shape of an atom update: patch size by users of the atom, one direction dominant.
    let (m, n) = (64, 400);
    let (u, v): (Vec<f64>, Vec<f64>) = (Rng::new(1).normals(m), Rng::new(2).normals(n));
    let mut a: Vec<f64> = Rng::new(3).normals(m * n);
    a.iter_mut().enumerate().for_each(|(e, a)| *a = 0.3 * *a + u[e % m] * v[e / m]);
    let view = MatRef::from_column_major_slice(&a, m, n);
    let mut left = vec![0.0; m];
    group.bench_function("leading_triplet/m=64,n=400", |b| {
        b.iter(|| leading_triplet(view, &mut left, &mut v.clone(), 1e-8, 50));
    });
    group.bench_function("thin_svd/m=64,n=400", |b| b.iter(|| ThinSvd::new(view)));
    group.finish();
}

fn admm(c: &mut Criterion) {
    let mut group = c.benchmark_group("admm_step");
    for (n, p) in [(100_usize, 1000_usize), (1000, 500)] {
        let (x, y): (Vec<f64>, Vec<f64>) = (Rng::new(1).normals(n * p), Rng::new(2).normals(n));
        let a = Dense::from_column_major(&x, n, p).expect("fits");
        let g = L1::new(0.1).expect("non-negative");
        let update = least_squares_update(a, &y, 1.0 / n as f64, None).expect("finite");
        let options = AdmmOptions::default().max_rho_changes(0);
        let mut admm = Admm::new(update, &g, None, &options).expect("fits");
        group.bench_function(format!("lasso/n={n},p={p}"), |b| b.iter(|| admm.step()));
        group.bench_function(format!("floor/n={n},p={p}"), |b| b.iter(|| vecops::sum(black_box(&x))));
    }
    group.finish();
}

criterion_group!(benches, cholesky, updating, decompositions, admm);
criterion_main!(benches);
