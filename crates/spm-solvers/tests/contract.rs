//! Holds every solver of the crate to the solver contract, counting allocations.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use spm_linalg::operator::{Difference, Identity};
use spm_linalg::penalty::L1;
use spm_linalg::testing::Rng;
use spm_linalg::{Dense, LinearOperator, Workspace, check, vecops};
use spm_solvers::admm::{
    Admm, AdmmOptions, BandedUpdate, CgUpdate, CholeskyUpdate, DiagonalUpdate, WoodburyUpdate, XUpdate,
};
use spm_solvers::kkt::DualityGap;
use spm_solvers::loss::{LossOf, Quadratic};
use spm_solvers::omp::Omp;
use spm_solvers::testing::{
    ContractOptions, Reference, Solve, check_solver, denoising_problems, lasso_problems,
};
use spm_solvers::{
    Certificate, Certified, Composite, CoordinateDescent, Fista, FistaOptions, Iteration, Pdhg, PdhgOptions,
    Progress, SolveError, Split, StepSize, Term,
};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

/// Counts what this thread asks for. `try_with`, because a thread may still allocate while it ends.
fn count() {
    let _ = ALLOCATIONS.try_with(|n| n.set(n.get() + 1));
}

// SAFETY: every call goes to the system allocator unchanged; counting touches only a thread-local number.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        unsafe { System.dealloc(ptr, layout) }
    }
    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count();
        unsafe { System.realloc(ptr, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations() -> usize {
    ALLOCATIONS.with(Cell::get)
}

fn options() -> ContractOptions<'static> {
    ContractOptions::default().allocations(&allocations)
}

#[test]
fn the_counter_counts() {
    let before = allocations();
    std::hint::black_box(vec![1_u8; 100]);
    assert_eq!(allocations(), before + 1);
}

#[test]
fn coordinate_descent() {
    check_solver(&options(), |problem, x0, solve| {
        let cd = CoordinateDescent::new(problem.op()?, &problem.y, 1.0, L1::new(problem.lambda)?)?;
        solve(&mut cd.start_at(x0)?)
    });
}

#[test]
fn fista_with_every_step_rule() {
    for step in [StepSize::Auto, StepSize::Backtracking] {
        for accelerate in [true, false] {
            check_solver(&options(), |problem, x0, solve| {
                let f = LossOf::new(Quadratic::new(&problem.y)?, problem.op()?)?.estimate_norm()?;
                let g = L1::new(problem.lambda)?;
                let choice = FistaOptions::default().step(step).accelerate(accelerate).objective(true);
                solve(&mut Fista::new(Composite::new(&f, &g)?, x0, &choice)?)
            });
        }
    }
}

#[test]
fn fista_judged_by_coordinate_descent() {
    check_solver(&options(), |problem, x0, solve| {
        let (op, g) = (problem.op()?, L1::new(problem.lambda)?);
        let f = LossOf::new(Quadratic::new(&problem.y)?, op)?;
        let judge = CoordinateDescent::new(op, &problem.y, 1.0, g)?;
        let fista = Fista::new(Composite::new(&f, &g)?, x0, &FistaOptions::default())?;
        solve(&mut Certified::new(fista, judge, 3))
    });
}

#[test]
fn fista_with_a_certificate() {
    check_solver(&options(), |problem, x0, solve| {
        let (loss, op) = (Quadratic::new(&problem.y)?, problem.op()?);
        let (f, g) = (LossOf::new(loss, op)?, L1::new(problem.lambda)?);
        let fista = Fista::new(Composite::new(&f, &g)?, x0, &FistaOptions::default())?;
        solve(&mut Certified::new(fista, DualityGap::new(&loss, &op, &g), 3))
    });
}

#[test]
fn pdhg_with_the_data_term_behind_the_operator() {
    check_solver(&options(), |problem, x0, solve| {
        let (op, data) = (problem.op()?, Quadratic::new(&problem.y)?.into_prox());
        let g = L1::new(problem.lambda)?;
        let terms = [Term::new(&data, &op)?];
        let split = Split::new(problem.ncols, &terms)?.prox(&g)?;
        solve(&mut Pdhg::new(split, x0, &PdhgOptions::default())?)
    });
}

#[test]
fn pdhg_with_a_smooth_data_term() {
    check_solver(&options(), |problem, x0, solve| {
        let f = LossOf::new(Quadratic::new(&problem.y)?, problem.op()?)?.estimate_norm()?;
        let (g, eye) = (L1::new(problem.lambda)?, Identity::new(problem.ncols));
        let terms = [Term::new(&g, &eye)?];
        let split = Split::new(problem.ncols, &terms)?.smooth(&f)?;
        solve(&mut Pdhg::new(split, x0, &PdhgOptions::default())?)
    });
}

#[test]
fn pdhg_on_total_variation() {
    check_solver(&options().problems(denoising_problems()), |problem, x0, solve| {
        let (data, h) = (Quadratic::new(&problem.y)?.into_prox(), L1::new(problem.lambda)?);
        let k = Difference::even(problem.ncols, 1)?;
        let terms = [Term::new(&h, &k)?];
        let split = Split::new(problem.ncols, &terms)?.prox(&data)?;
        solve(&mut Pdhg::new(split, x0, &PdhgOptions::default())?)
    });
}

/// ADMM on a Lasso problem, started at `x0`.
fn admm_lasso<'a>(
    problem: &Reference,
    x0: &[f64],
    update: Box<dyn XUpdate<f64> + 'a>,
    solve: &mut Solve<'_>,
) -> Result<(), SolveError> {
    let g = L1::new(problem.lambda)?;
    let mut admm = Admm::new(update, &g, None, &AdmmOptions::default())?;
    admm.start_from(x0, &vec![0.0; x0.len()])?;
    solve(&mut admm)
}

#[test]
fn admm_by_cholesky() {
    check_solver(&options(), |problem, x0, solve| {
        let update = CholeskyUpdate::new(problem.op()?, &problem.y, 1.0, None)?;
        admm_lasso(problem, x0, Box::new(update), solve)
    });
}

#[test]
fn admm_by_the_woodbury_identity() {
    check_solver(&options(), |problem, x0, solve| {
        admm_lasso(problem, x0, Box::new(WoodburyUpdate::new(problem.op()?, &problem.y, 1.0)?), solve)
    });
}

#[test]
fn admm_by_conjugate_gradients() {
    check_solver(&options(), |problem, x0, solve| {
        let a = problem.op()?;
        admm_lasso(problem, x0, Box::new(CgUpdate::new(&a, &problem.y, 1.0, None)?), solve)
    });
}

#[test]
fn admm_with_a_diagonal_data_term() {
    // With an orthonormal design the data term is that of the correlations, up to a constant.
    let orthonormal =
        lasso_problems().into_iter().filter(|p| p.name == "orthonormal design").collect::<Vec<_>>();
    assert_eq!(orthonormal.len(), 1);
    check_solver(&options().problems(orthonormal), |problem, x0, solve| {
        let (a, mut centre) = (problem.op()?, vec![0.0; problem.ncols]);
        a.apply_adjoint(&problem.y, &mut centre, Workspace::new(a.scratch()).stack());
        let update = DiagonalUpdate::new(&vec![1.0; problem.ncols], &centre, 1.0)?;
        admm_lasso(problem, x0, Box::new(update), solve)
    });
}

/// ADMM seen from its smooth side: where `K` is not the identity, `z` is not a solution.
struct SmoothSide<'a>(Admm<'a, f64>);

impl Iteration<f64> for SmoothSide<'_> {
    fn step(&mut self) -> Result<(), SolveError> {
        self.0.step()
    }
    fn progress(&self) -> Progress<f64> {
        self.0.progress()
    }
    fn iterate(&self) -> &[f64] {
        self.0.x()
    }
}

#[test]
fn admm_on_total_variation_by_every_x_update_with_an_operator() {
    for which in ["banded", "cholesky", "conjugate gradients"] {
        check_solver(&options().problems(denoising_problems()), |problem, x0, solve| {
            let n = problem.ncols;
            let (k, g, eye) = (Difference::even(n, 1)?, L1::new(problem.lambda)?, Identity::new(n));
            let data: Vec<f64> = (0..n * n).map(|e| f64::from(u8::from(e % (n + 1) == 0))).collect();
            let update: Box<dyn XUpdate<f64> + '_> = match which {
                "banded" => Box::new(BandedUpdate::new(&vec![1.0; n], &problem.y, &k, 1)?),
                "cholesky" => {
                    let a = Dense::from_column_major(&data, n, n)?;
                    Box::new(CholeskyUpdate::new(a, &problem.y, 1.0, Some(&k))?)
                }
                _ => Box::new(CgUpdate::new(&eye, &problem.y, 1.0, Some(&k))?),
            };
            let mut admm = Admm::new(update, &g, Some(&k), &AdmmOptions::default())?;
            admm.start_from(x0, &vec![0.0; n - 1])?;
            solve(&mut SmoothSide(admm))
        });
    }
}

#[test]
fn admm_allocates_nothing_when_its_penalty_changes() {
    // Sizes on both sides of the blocks of the factorisations.
    for (n, p) in [(8, 5), (6, 20), (130, 90), (60, 200)] {
        let mut rng = Rng::new(1);
        let (x, y, centre): (Vec<f64>, Vec<f64>, Vec<f64>) =
            (rng.normals(n * p), rng.normals(n), rng.normals(p));
        let a = Dense::from_column_major(&x, n, p).unwrap();
        let (ones, k, g) = (vec![1.0; p], Difference::even(p, 1).unwrap(), L1::new(0.1).unwrap());
        let updates: [(&str, Box<dyn XUpdate<f64> + '_>, bool); 7] = [
            ("Cholesky", Box::new(CholeskyUpdate::new(a, &y, 1.0, None).unwrap()), false),
            ("Cholesky", Box::new(CholeskyUpdate::new(a, &y, 1.0, Some(&k)).unwrap()), true),
            ("Woodbury", Box::new(WoodburyUpdate::new(a, &y, 1.0).unwrap()), false),
            ("gradients", Box::new(CgUpdate::new(&a, &y, 1.0, None).unwrap()), false),
            ("gradients", Box::new(CgUpdate::new(&a, &y, 1.0, Some(&k)).unwrap()), true),
            ("diagonal", Box::new(DiagonalUpdate::new(&ones, &centre, 1.0).unwrap()), false),
            ("banded", Box::new(BandedUpdate::new(&ones, &centre, &k, 1).unwrap()), true),
        ];
        for (name, update, with_k) in updates {
            let operator = with_k.then_some(&k as &dyn LinearOperator<f64>);
            // A start far off makes the penalty change within the counted steps.
            let options = AdmmOptions::default().rho(1e4);
            let mut admm = Admm::new(update, &g, operator, &options).unwrap();
            let before = allocations();
            for _ in 0..50 {
                admm.step().unwrap();
            }
            assert_eq!(allocations(), before, "{name} {n}x{p} K: {with_k}");
            assert!(admm.rho_changes() > 0, "{name} {n}x{p} K: {with_k}");
        }
    }
}

/// Signals that a few atoms make exactly: the pursuit ends at residual 0.
fn exactly_sparse() -> Vec<Reference> {
    let judge = |problem: &Reference, w: &[f64]| {
        let mut r = problem.y.clone();
        for (col, &v) in problem.design.chunks_exact(problem.nrows).zip(w) {
            vecops::axpy(-v, col, &mut r);
        }
        Certificate::new(0.5 * vecops::sq_norm(&r), 0.0)
    };
    [("tall dictionary", 12, 6), ("wide dictionary", 20, 40)]
        .map(|(name, m, n)| {
            let design: Vec<f64> = Rng::new(5).normals(m * n);
            let mut w = vec![0.0; n];
            (w[0], w[4]) = (3.0, -2.0);
            let y = (0..m).map(|i| 3.0 * design[i] - 2.0 * design[4 * m + i]).collect();
            Reference::new(name, (m, n), design, y, 0.0, judge).solution(w)
        })
        .into()
}

#[test]
fn orthogonal_matching_pursuit() {
    check_solver(&options().problems(exactly_sparse()), |problem, x0, solve| {
        // A pursuit always starts from nothing: the caller has a start only to check.
        check::finite("start", x0)?;
        solve(&mut Omp::new(problem.op()?, &problem.y, problem.nrows)?)
    });
}
