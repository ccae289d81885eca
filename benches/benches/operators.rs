//! Products, column kernels and the operators that are loops of their own, beside the cost of reading the memory.
//!
//! Ids carry the sizes: `gemv/apply/m=1000,n=5000`. Throughput is in bytes of the matrix (or signal) that a call must
//! read, so that the figures of one group compare with each other and with `floor`.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use spm_linalg::krylov::{Cg, operator_norm};
use spm_linalg::operator::{Boundary, Convolution, Dense, Identity, Sparse};
use spm_linalg::testing::Rng;
use spm_linalg::{DesignMatrix, LinearOperator, LinearOperatorExt, Scalar, Workspace, vecops};

/// Talk-sized, wide, tall.
const SHAPES: [(usize, usize); 3] = [(100, 1000), (1000, 5000), (20_000, 500)];

fn gemv<T: Scalar>(c: &mut Criterion, name: &str) {
    let mut group = c.benchmark_group(format!("gemv_{name}"));
    let mut rng = Rng::new(1);
    for (m, n) in SHAPES {
        let data: Vec<T> = rng.normals(m * n);
        let a = Dense::from_column_major(&data, m, n).expect("fits");
        let (mut x, mut y): (Vec<T>, Vec<T>) = (rng.normals(n), rng.normals(m));
        let mut ws = Workspace::new(LinearOperator::<T>::scratch(&a));
        let size = format!("m={m},n={n}");
        group.throughput(Throughput::Bytes((m * n * size_of::<T>()) as u64));
        group.bench_function(BenchmarkId::new("apply", &size), |b| {
            b.iter(|| a.apply(black_box(&x), &mut y, ws.stack()));
        });
        group.bench_function(BenchmarkId::new("apply_adjoint", &size), |b| {
            b.iter(|| a.apply_adjoint(black_box(&y), &mut x, ws.stack()));
        });
        // The same two products column by column.
        group.bench_function(BenchmarkId::new("col_axpy", &size), |b| {
            b.iter(|| {
                y.fill(T::zero());
                for (j, &xj) in x.iter().enumerate() {
                    a.col_axpy(j, xj, black_box(&mut y));
                }
            });
        });
        group.bench_function(BenchmarkId::new("col_dot", &size), |b| {
            b.iter(|| {
                for (j, xj) in x.iter_mut().enumerate() {
                    *xj = a.col_dot(j, black_box(&y));
                }
            });
        });
        group.bench_function(BenchmarkId::new("floor", &size), |b| b.iter(|| vecops::sum(black_box(&data))));
    }
    group.finish();
}

fn vectors(c: &mut Criterion) {
    let mut group = c.benchmark_group("vectors");
    for n in [100, 1000, 20_000] {
        let mut rng = Rng::new(2);
        let (x, mut y, z): (Vec<f64>, Vec<f64>, Vec<f64>) = (rng.normals(n), rng.normals(n), rng.normals(n));
        let size = format!("n={n}");
        group.throughput(Throughput::Elements(n as u64));
        group.bench_function(BenchmarkId::new("dot", &size), |b| b.iter(|| vecops::dot(black_box(&x), &y)));
        group.bench_function(BenchmarkId::new("dot3", &size), |b| {
            b.iter(|| vecops::dot3(black_box(&x), &y, &z));
        });
        group.bench_function(BenchmarkId::new("axpy", &size), |b| {
            b.iter(|| vecops::axpy(1e-9, black_box(&x), &mut y));
        });
        group.bench_function(BenchmarkId::new("norm_1", &size), |b| b.iter(|| vecops::norm_1(black_box(&x))));
        group.bench_function(BenchmarkId::new("norm_inf", &size), |b| {
            b.iter(|| vecops::norm_inf(black_box(&x)));
        });
        group.bench_function(BenchmarkId::new("sq_dist", &size), |b| {
            b.iter(|| vecops::sq_dist(black_box(&x), &y));
        });
    }
    group.finish();
}

fn sparse(c: &mut Criterion) {
    let mut group = c.benchmark_group("sparse");
    let (m, n, per_column) = (5000, 50_000, 25);
    let mut rng = Rng::new(3);
    let (mut starts, mut rows) = (vec![0], vec![]);
    for _ in 0..n {
        let mut column: Vec<usize> = (0..per_column).map(|_| rng.below(m)).collect();
        column.sort_unstable();
        column.dedup();
        rows.extend(column);
        starts.push(rows.len());
    }
    let values: Vec<f64> = rng.normals(rows.len());
    let a = Sparse::from_csc(m, &starts, &rows, &values).expect("valid");
    let (mut x, mut y): (Vec<f64>, Vec<f64>) = (rng.normals(n), rng.normals(m));
    let mut ws = Workspace::new(LinearOperator::<f64>::scratch(&a));
    let size = format!("m={m},n={n},nnz={}", rows.len());
    group.throughput(Throughput::Elements(rows.len() as u64));
    group.bench_function(BenchmarkId::new("apply", &size), |b| {
        b.iter(|| a.apply(black_box(&x), &mut y, ws.stack()));
    });
    group.bench_function(BenchmarkId::new("apply_adjoint", &size), |b| {
        b.iter(|| a.apply_adjoint(black_box(&y), &mut x, ws.stack()));
    });
    group.bench_function(BenchmarkId::new("col_dot", &size), |b| {
        b.iter(|| (0..n).map(|j| a.col_dot(j, black_box(&y))).sum::<f64>());
    });
    group.finish();
}

fn convolution(c: &mut Criterion) {
    let mut group = c.benchmark_group("convolution");
    let mut rng = Rng::new(4);
    for k in [3, 9] {
        let kernel: Vec<f64> = rng.normals(k * k);
        let x: Vec<f64> = rng.normals(512 * 512);
        let mut y = x.clone();
        let mut ws = Workspace::new(spm_linalg::StackReq::EMPTY);
        group.throughput(Throughput::Elements(x.len() as u64));
        for boundary in [Boundary::Zero, Boundary::Circular] {
            let a = Convolution::new_2d(&kernel, [k, k], [512, 512], boundary).expect("valid");
            group.bench_function(BenchmarkId::new(format!("{boundary:?}"), format!("512x512,k={k}")), |b| {
                b.iter(|| a.apply(black_box(&x), &mut y, ws.stack()));
            });
        }
    }
    group.finish();
}

fn krylov(c: &mut Criterion) {
    let mut group = c.benchmark_group("krylov");
    let (m, n) = (1000, 500);
    let mut rng = Rng::new(5);
    let data: Vec<f64> = rng.normals(m * n);
    let design = Dense::from_column_major(&data, m, n).expect("fits");
    group.bench_function(BenchmarkId::new("operator_norm", format!("m={m},n={n},slack=0.05")), |b| {
        b.iter(|| operator_norm(black_box(&design), 0.05));
    });
    let normal = design.gram().plus(Identity::new(n).scaled(100.0)).expect("fits");
    let rhs: Vec<f64> = rng.normals(n);
    let (mut cg, mut x) = (Cg::new(n), vec![0.0; n]);
    let mut ws = Workspace::new(normal.scratch());
    group.bench_function(BenchmarkId::new("cg_ridge", format!("m={m},n={n},tol=1e-8")), |b| {
        b.iter(|| {
            x.fill(0.0);
            cg.solve(&normal, black_box(&rhs), &mut x, 1e-8, 500, ws.stack())
        });
    });
    group.finish();
}

fn dense(c: &mut Criterion) {
    gemv::<f64>(c, "f64");
    gemv::<f32>(c, "f32");
}

criterion_group!(benches, dense, vectors, sparse, convolution, krylov);
criterion_main!(benches);
