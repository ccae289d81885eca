//! What a crate outside this workspace does: its own penalty, operator and solver, held to the laws.
#![allow(clippy::unwrap_used)]

use spm_linalg::operator::FnOperator;
use spm_linalg::testing::{check_operator, check_prox};
use spm_linalg::{Facts, LinearOperator, MemStack, Prox, StackReq, Workspace, check, vecops};
use spm_solvers::loss::{LossOf, Quadratic};
use spm_solvers::testing::{ContractOptions, check_solver, denoising_problems};
use spm_solvers::{Composite, Iteration, Pdhg, PdhgOptions, Progress, SolveError, Split, Term};

/// `g(x) = Σ_i up·max(x_i, 0) + down·max(−x_i, 0)`: rises and falls cost differently.
#[derive(Debug)]
struct Slopes {
    up: f64,
    down: f64,
}

impl Prox<f64> for Slopes {
    fn value(&self, x: &[f64]) -> f64 {
        x.iter().map(|v| if *v > 0.0 { self.up * v } else { -self.down * v }).sum()
    }
    fn prox_into(&self, x: &[f64], step: f64, out: &mut [f64], _stack: &mut MemStack) -> f64 {
        check::dim("Slopes::prox_into out", x.len(), out.len());
        for (o, v) in out.iter_mut().zip(x) {
            *o = (v - step * self.up).max(0.0) + (v + step * self.down).min(0.0);
        }
        self.value(out)
    }
    fn facts(&self) -> Facts {
        Facts::default().convex().separable().positively_homogeneous()
    }
}

/// `y_i = x_{i+1} − x_i`.
fn jumps(n: usize) -> impl LinearOperator<f64> {
    let apply = |x: &[f64], y: &mut [f64]| y.iter_mut().zip(x.windows(2)).for_each(|(y, x)| *y = x[1] - x[0]);
    let adjoint = |y: &[f64], x: &mut [f64]| {
        x.fill(0.0);
        for (i, v) in y.iter().enumerate() {
            x[i] -= v;
            x[i + 1] += v;
        }
    };
    FnOperator::new(n - 1, n, apply, adjoint).with_norm_bound(2.0).unwrap()
}

/// Proximal gradients, `x ← prox_{t g}(x − t ∇f(x))` with `t = 1/L`.
struct ProximalGradient<'a> {
    problem: Composite<'a, f64>,
    t: f64,
    x: Vec<f64>,
    old: Vec<f64>,
    forward: Vec<f64>,
    workspace: Workspace,
    iter: usize,
}

impl<'a> ProximalGradient<'a> {
    fn new(problem: Composite<'a, f64>, x0: &[f64]) -> Result<Self, SolveError> {
        check::finite("start", x0)?;
        let t = problem.f.lipschitz().ok_or(SolveError::MissingBound { what: "Lipschitz constant" })?.recip();
        let workspace = Workspace::new(StackReq::any_of(&[problem.f.scratch(), problem.g.scratch(x0.len())]));
        let [x, old, forward] = [x0.to_vec(), vec![f64::INFINITY; x0.len()], x0.to_vec()];
        Ok(Self { problem, t, x, old, forward, workspace, iter: 0 })
    }
}

impl Iteration<f64> for ProximalGradient<'_> {
    fn step(&mut self) -> Result<(), SolveError> {
        self.old.copy_from_slice(&self.x);
        self.problem.f.value_grad_into(&self.old, &mut self.forward, self.workspace.stack());
        self.forward.iter_mut().zip(&self.old).for_each(|(d, x)| *d = x - self.t * *d);
        self.problem.g.prox_into(&self.forward, self.t, &mut self.x, self.workspace.stack());
        self.iter += 1;
        Ok(())
    }
    fn progress(&self) -> Progress<f64> {
        Progress::new(self.iter, vecops::sq_dist(&self.x, &self.old).sqrt() / self.t)
    }
    fn iterate(&self) -> &[f64] {
        &self.x
    }
}

#[test]
fn all_three_obey_the_laws_and_a_solver_of_the_crate_takes_the_foreign_parts() {
    check_prox::<f64>(&Slopes { up: 0.7, down: 0.2 }, 6);
    check_operator::<f64>(&jumps(9));
    check_solver(&ContractOptions::default(), |problem, x0, solve| {
        let f = LossOf::new(Quadratic::new(&problem.y)?, problem.op()?)?.with_norm(problem.norm())?;
        let g = Slopes { up: problem.lambda, down: problem.lambda };
        solve(&mut ProximalGradient::new(Composite::new(&f, &g)?, x0)?)
    });
    check_solver(&ContractOptions::default().problems(denoising_problems()), |problem, x0, solve| {
        let (g, k) = (Slopes { up: problem.lambda, down: problem.lambda }, jumps(problem.ncols));
        let (data, terms) = (Quadratic::new(&problem.y)?.into_prox(), [Term::new(&g, &k)?]);
        solve(&mut Pdhg::new(Split::new(problem.ncols, &terms)?.prox(&data)?, x0, &PdhgOptions::default())?)
    });
}
