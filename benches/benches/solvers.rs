//! Fixed problems × solvers, each from a cold start to a duality gap of 1e-6 of the objective at zero, factorisations
//! and norm estimates included.
//!
//! Ids carry the sizes: `lasso/fista/n=200,p=1000`. The gap is evaluated every tenth iteration, by `kkt` for all
//! solvers but coordinate descent, which keeps its own.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sparse_modeling::linalg::operator::Difference;
use sparse_modeling::linalg::penalty::L1;
use sparse_modeling::linalg::{Dense, LinearOperator, Workspace, vecops};
use sparse_modeling::solvers::admm::{Admm, AdmmOptions, least_squares_update};
use sparse_modeling::solvers::kkt::{DualityGap, generalized_gap};
use sparse_modeling::solvers::loss::{Loss, LossOf, Quadratic};
use sparse_modeling::solvers::{
    Certified, Composite, Control, CoordinateDescent, Fista, FistaOptions, Iteration, Pdhg, PdhgOptions,
    Split, StepSize, Term, run, stop,
};
use spm_linalg::testing::Rng;

const SHAPES: [(usize, usize); 3] = [(40, 20), (200, 1000), (1000, 200)];
const MAX_ITER: usize = 100_000;

/// A sparse regression: every tenth coefficient is 1, a tenth of noise, lambda a tenth of its largest useful value.
struct Regression {
    n: usize,
    p: usize,
    x: Vec<f64>,
    y: Vec<f64>,
    lambda: f64,
}

impl Regression {
    fn new((n, p): (usize, usize)) -> Self {
        let mut rng = Rng::new(1);
        let x: Vec<f64> = rng.normals(n * p);
        let mut y: Vec<f64> = rng.normals(n);
        vecops::scale(0.1, &mut y);
        for col in x.chunks_exact(n).step_by(10) {
            vecops::axpy(1.0, col, &mut y);
        }
        let mut corr = vec![0.0; p];
        let op = Dense::from_column_major(&x, n, p).expect("fits");
        op.apply_adjoint(&y, &mut corr, Workspace::new(LinearOperator::<f64>::scratch(&op)).stack());
        let lambda = 0.1 * vecops::norm_inf(&corr);
        Self { n, p, x, y, lambda }
    }
}

fn solve(solver: &mut dyn Iteration<f64>, tol: f64) -> usize {
    let report = run(solver, Control::new(MAX_ITER, &mut stop::Gap { tol })).expect("finite data");
    assert!(report.status.is_converged(), "{report:?}");
    report.last.iter
}

fn lasso(c: &mut Criterion) {
    let mut group = c.benchmark_group("lasso");
    group.sample_size(10);
    for shape in SHAPES {
        let problem = Regression::new(shape);
        let op = Dense::from_column_major(&problem.x, problem.n, problem.p).expect("fits");
        let loss = Quadratic::new(&problem.y).expect("finite");
        let g = L1::new(problem.lambda).expect("positive");
        let start = vec![0.0; problem.p];
        let tol = 1e-6 * loss.value(&vec![0.0; problem.n]);
        let certified = || DualityGap::new(&loss, &op, &g);
        let size = format!("n={},p={}", problem.n, problem.p);

        group.bench_function(BenchmarkId::new("coordinate", &size), |b| {
            b.iter(|| {
                let mut cd = CoordinateDescent::new(op, &problem.y, 1.0, g).expect("finite");
                black_box(solve(&mut cd, tol))
            });
        });
        for (name, step) in [("fista", StepSize::Auto), ("fista_backtracking", StepSize::Backtracking)] {
            group.bench_function(BenchmarkId::new(name, &size), |b| {
                b.iter(|| {
                    let f = LossOf::new(loss, op).and_then(LossOf::estimate_norm).expect("finite");
                    let options = FistaOptions::default().step(step);
                    let fista =
                        Fista::new(Composite::new(&f, &g).expect("fits"), &start, &options).expect("finite");
                    black_box(solve(&mut Certified::new(fista, certified(), 10), tol))
                });
            });
        }
        group.bench_function(BenchmarkId::new("admm", &size), |b| {
            b.iter(|| {
                let update = least_squares_update(op, &problem.y, 1.0, None).expect("finite");
                let admm = Admm::new(update, &g, None, &AdmmOptions::default()).expect("fits");
                black_box(solve(&mut Certified::new(admm, certified(), 10), tol))
            });
        });
        group.bench_function(BenchmarkId::new("pdhg", &size), |b| {
            b.iter(|| {
                let data = loss.into_prox();
                let terms = [Term::new(&data, &op).expect("fits")];
                let split = Split::new(problem.p, &terms).and_then(|s| s.prox(&g)).expect("fits");
                let pdhg = Pdhg::new(split, &start, &PdhgOptions::default()).expect("finite");
                black_box(solve(&mut Certified::new(pdhg, certified(), 10), tol))
            });
        });
    }
    group.finish();
}

fn total_variation(c: &mut Criterion) {
    let mut group = c.benchmark_group("total_variation_1d");
    group.sample_size(10);
    for n in [100, 1000] {
        let mut rng = Rng::new(2);
        let y: Vec<f64> = (0..n).map(|i| (i * 10 / n % 3) as f64 + 0.2 * rng.normal::<f64>()).collect();
        let (h, k) = (L1::new(0.5).expect("positive"), Difference::even(n, 1).expect("n > 1"));
        let data = Quadratic::new(&y).expect("finite").into_prox();
        let terms = [Term::new(&h, &k).expect("fits")];
        let tol = 1e-6 * 0.5 * vecops::sq_norm(&y);
        group.bench_function(BenchmarkId::new("pdhg", format!("n={n}")), |b| {
            b.iter(|| {
                let split = Split::new(n, &terms).and_then(|s| s.prox(&data)).expect("fits");
                let mut pdhg = Pdhg::new(split, &y, &PdhgOptions::default()).expect("finite");
                for _ in 0..MAX_ITER / 10 {
                    let chunk = run(&mut pdhg, Control::new(10, &mut stop::Never)).expect("finite");
                    if generalized_gap(&y, terms[0], pdhg.iterate(), pdhg.dual()).gap() <= tol {
                        return chunk.last.iter;
                    }
                }
                panic!("no convergence");
            });
        });
    }
    group.finish();
}

criterion_group!(benches, lasso, total_variation);
criterion_main!(benches);
