//! What every solver promises, tried on reference problems.

use core::ops::ControlFlow;

use spm_linalg::testing::LawViolation;

use super::{Reference, lasso_problems};
use crate::{Control, Iteration, Progress, SolveError, Status, run, stop};

/// Receives the solver that the function under test has built.
pub type Solve<'s> = dyn FnMut(&mut dyn Iteration<f64>) -> Result<(), SolveError> + 's;

/// What [`check_solver`] asks of a solver.
///
/// | field | default | meaning |
/// |---|---|---|
/// | `problems` | [`lasso_problems`] | the problems to solve |
/// | `tol` | `1e-9` | tolerance of [`stop::Residual`] |
/// | `max_gap` | `1e-7` | largest duality gap allowed then, over the objective at 0 |
/// | `max_error` | `1e-5` | largest error of a coefficient allowed then, where the solution is known |
/// | `max_iter` | `5000` | ceiling on the iterations |
/// | `allocations` | none | counts the allocations so far; needs a counting global allocator |
#[derive(Clone)]
#[non_exhaustive]
pub struct ContractOptions<'a> {
    /// The problems to solve.
    pub problems: Vec<Reference>,
    /// The tolerance on the residuals that the solver reports.
    pub tol: f64,
    /// The largest duality gap allowed at that point, over the objective at 0.
    pub max_gap: f64,
    /// The largest error of a coefficient allowed at that point.
    pub max_error: f64,
    /// The ceiling on iterations.
    pub max_iter: usize,
    /// The number of allocations so far in this thread.
    pub allocations: Option<&'a dyn Fn() -> usize>,
}

impl core::fmt::Debug for ContractOptions<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("ContractOptions").field("tol", &self.tol).field("max_iter", &self.max_iter).finish()
    }
}

impl Default for ContractOptions<'_> {
    fn default() -> Self {
        Self {
            problems: lasso_problems(),
            tol: 1e-9,
            max_gap: 1e-7,
            max_error: 1e-5,
            max_iter: 5000,
            allocations: None,
        }
    }
}

impl<'a> ContractOptions<'a> {
    /// Sets the problems.
    #[must_use]
    pub fn problems(mut self, problems: Vec<Reference>) -> Self {
        self.problems = problems;
        self
    }

    /// Sets the tolerance on the reported residuals.
    #[must_use]
    pub fn tol(mut self, tol: f64) -> Self {
        self.tol = tol;
        self
    }

    /// Sets the largest relative gap allowed.
    #[must_use]
    pub fn max_gap(mut self, gap: f64) -> Self {
        self.max_gap = gap;
        self
    }

    /// Sets the largest error of a coefficient allowed.
    #[must_use]
    pub fn max_error(mut self, error: f64) -> Self {
        self.max_error = error;
        self
    }

    /// Sets the ceiling on iterations.
    #[must_use]
    pub fn max_iter(mut self, n: usize) -> Self {
        self.max_iter = n;
        self
    }

    /// Sets the counter of allocations, which turns that check on.
    #[must_use]
    pub fn allocations(mut self, count: &'a dyn Fn() -> usize) -> Self {
        self.allocations = Some(count);
        self
    }
}

/// Holds a solver to the contract; panics with the law it breaks.
///
/// `build(problem, x0, solve)` makes the solver for `problem` started at `x0` and hands it to `solve`. It may put
/// functions and operators on its own stack, which is why the solver is not returned.
///
/// | law | what is checked |
/// |---|---|
/// | `start` | before the first step: iteration 0, iterate of the right length, equal to `x0` or with no higher an objective |
/// | `convergence` | [`Status::Converged`] under [`stop::Residual`] within `max_iter` |
/// | `optimality` | the judge's gap at that point, and the distance to the solution where it is known |
/// | `progress` | the iteration counts by one; a reported objective is the judge's, of this iterate or, where it is computed at intervals, of an earlier one; a reported gap bounds the suboptimality |
/// | `determinism` | two solvers give the same bits, whether progress is read or not |
/// | `continuation` | n steps and then m more are n + m steps, bit for bit |
/// | `allocation` | steps allocate nothing (if a counter is given) |
/// | `non-finite data` | a NaN or infinity in `A`, `y` or `x0` ends in an error, never in a result |
///
/// A solver that hangs inside one step hangs the check.
///
/// # Panics
/// With the first [`LawViolation`].
///
/// ```
/// use spm_linalg::penalty::L1;
/// use spm_solvers::loss::{LossOf, Quadratic};
/// use spm_solvers::testing::{ContractOptions, check_solver};
/// use spm_solvers::{Composite, Fista, FistaOptions};
/// check_solver(&ContractOptions::default(), |problem, x0, solve| {
///     let loss = Quadratic::new(&problem.y)?;
///     let f = LossOf::new(loss, problem.op()?)?.with_norm(problem.norm())?;
///     let g = L1::new(problem.lambda)?;
///     solve(&mut Fista::new(Composite::new(&f, &g)?, x0, &FistaOptions::default())?)
/// });
/// ```
#[track_caller]
pub fn check_solver<B>(options: &ContractOptions<'_>, build: B)
where
    B: Fn(&Reference, &[f64], &mut Solve<'_>) -> Result<(), SolveError>,
{
    if let Err(violation) = try_check_solver(options, build) {
        panic!("{violation}");
    }
}

/// As [`check_solver`], returning the violation.
///
/// # Errors
/// The first law that fails, with the problem and the numbers.
pub fn try_check_solver<B>(options: &ContractOptions<'_>, build: B) -> Result<(), LawViolation>
where
    B: Fn(&Reference, &[f64], &mut Solve<'_>) -> Result<(), SolveError>,
{
    for problem in &options.problems {
        let case = Case { options, problem, build: &build };
        let optimum = case.convergence()?;
        case.start()?;
        case.progress(optimum)?;
        case.determinism()?;
        case.allocation()?;
        case.non_finite_data()?;
    }
    Ok(())
}

type Build<'b> = dyn Fn(&Reference, &[f64], &mut Solve<'_>) -> Result<(), SolveError> + 'b;

struct Case<'c> {
    options: &'c ContractOptions<'c>,
    problem: &'c Reference,
    build: &'c Build<'c>,
}

/// How many steps the step-by-step checks take.
const STEPS: usize = 24;

impl Case<'_> {
    /// A starting point that is neither 0 nor the solution.
    fn warm(&self) -> Vec<f64> {
        (0..self.problem.ncols).map(|j| 0.1 * ((j % 5) as f64 - 2.0)).collect()
    }

    fn fail<R>(&self, law: &'static str, detail: impl core::fmt::Display) -> Result<R, LawViolation> {
        Err(LawViolation { law, detail: format!("on `{}`: {detail}", self.problem.name) })
    }

    /// Builds the solver at `x0` and applies `visit`; an error or a solver that was never handed over breaks `law`.
    fn with<R>(
        &self,
        law: &'static str,
        x0: &[f64],
        mut visit: impl FnMut(&mut dyn Iteration<f64>) -> Result<R, SolveError>,
    ) -> Result<R, LawViolation> {
        let mut out = None;
        let built = (self.build)(self.problem, x0, &mut |solver| {
            out = Some(visit(solver)?);
            Ok(())
        });
        match (built, out) {
            (Ok(()), Some(r)) => Ok(r),
            (Ok(()), None) => self.fail(law, "the function under test never called `solve`"),
            (Err(e), _) => self.fail(law, format_args!("error: {e}")),
        }
    }

    /// Solves from 0; returns the objective reached.
    fn convergence(&self) -> Result<f64, LawViolation> {
        let zero = vec![0.0; self.problem.ncols];
        let Case { options, problem, .. } = self;
        let (report, w) = self.with("convergence", &zero, |solver| {
            let mut stop = stop::Residual { tol: options.tol };
            let report = run(solver, Control::new(options.max_iter, &mut stop))?;
            Ok((report, solver.iterate().to_vec()))
        })?;
        if report.status != Status::Converged {
            return self.fail("convergence", format_args!("{:?} after {:?}", report.status, report.last));
        }
        if w.len() != problem.ncols {
            return self.fail("start", format_args!("iterate of length {}, not {}", w.len(), problem.ncols));
        }
        let certificate = problem.judge(&w);
        let gap = certificate.relative_gap(problem.judge(&zero).primal);
        if gap.is_nan() || gap > options.max_gap {
            let detail = format!("reported as converged with relative gap {gap:e} > {:e}", options.max_gap);
            return self.fail("optimality", detail);
        }
        if let Some(solution) = &problem.solution {
            for (j, (got, want)) in w.iter().zip(solution).enumerate() {
                if (got - want).abs() > options.max_error {
                    return self.fail("optimality", format_args!("coefficient {j} is {got}, not {want}"));
                }
            }
        }
        Ok(certificate.primal)
    }

    fn start(&self) -> Result<(), LawViolation> {
        let x0 = self.warm();
        let (p, x) = self.with("start", &x0, |solver| Ok((solver.progress(), solver.iterate().to_vec())))?;
        if p.iter != 0 {
            return self.fail("start", format_args!("{} iterations before the first step", p.iter));
        }
        let (given, used) = (self.problem.judge(&x0).primal, self.problem.judge(&x).primal);
        if x == x0 || used <= given {
            return Ok(());
        }
        self.fail("start", format_args!("objective {used} before the first step, {given} at x0"))
    }

    /// What the solver says after every step is true.
    fn progress(&self, optimum: f64) -> Result<(), LawViolation> {
        let mut told: Vec<(Progress<f64>, Vec<f64>)> = Vec::new();
        let start = self.with("progress", &self.warm(), |solver| {
            let start = solver.iterate().to_vec();
            let mut keep = |p: &Progress<f64>, x: &[f64]| {
                told.push((*p, x.to_vec()));
                ControlFlow::Continue(())
            };
            run(solver, Control::new(STEPS, &mut stop::Never).observer(&mut keep)).map(|_| start)
        })?;
        let mut objectives = vec![self.problem.judge(&start).primal];
        for (step, (p, x)) in told.iter().enumerate() {
            if p.iter != step + 1 {
                return self.fail("progress", format_args!("step {} is reported as {}", step + 1, p.iter));
            }
            let primal = self.problem.judge(x).primal;
            let slack = 1e-9 * (1.0 + primal.abs());
            objectives.push(primal);
            let known = |v: f64| objectives.iter().any(|known| (v - known).abs() <= slack);
            if p.objective.is_some_and(|v| !known(v)) {
                let detail = format!("step {}: objective reported as {:?}, is {primal}", p.iter, p.objective);
                return self.fail("progress", detail);
            }
            if p.gap.is_some_and(|gap| gap < primal - optimum - slack) {
                let excess = primal - optimum;
                let detail = format!(
                    "step {}: gap reported as {:?}, but the objective is {excess:e} too high",
                    p.iter, p.gap
                );
                return self.fail("progress", detail);
            }
        }
        Ok(())
    }

    fn determinism(&self) -> Result<(), LawViolation> {
        let x0 = self.warm();
        let stepped = |law| {
            self.with(law, &x0, |solver| {
                for _ in 0..STEPS {
                    solver.step()?;
                }
                Ok(solver.iterate().to_vec())
            })
        };
        let (first, second) = (stepped("determinism")?, stepped("determinism")?);
        if let Some(j) = differs(&first, &second) {
            let detail = format!("two runs differ at coefficient {j}: {} and {}", first[j], second[j]);
            return self.fail("determinism", detail);
        }
        let continued = self.with("continuation", &x0, |solver| {
            let part = run(solver, Control::new(STEPS / 3, &mut stop::Never))?;
            let rest = run(solver, Control::new(STEPS - part.last.iter, &mut stop::Never))?;
            Ok((rest.last.iter, solver.iterate().to_vec()))
        })?;
        if continued.0 != STEPS {
            return self.fail("continuation", format_args!("{} iterations instead of {STEPS}", continued.0));
        }
        if let Some(j) = differs(&first, &continued.1) {
            let (n, m) = (STEPS / 3, STEPS - STEPS / 3);
            let detail = format!("{n} + {m} steps differ from {STEPS} at coefficient {j}");
            return self.fail("continuation", detail);
        }
        Ok(())
    }

    fn allocation(&self) -> Result<(), LawViolation> {
        let Some(count) = self.options.allocations else { return Ok(()) };
        let allocated = self.with("allocation", &self.warm(), |solver| {
            let before = count();
            for _ in 0..STEPS {
                solver.step()?;
                core::hint::black_box(solver.progress());
            }
            Ok(count() - before)
        })?;
        if allocated > 0 {
            return self.fail("allocation", format_args!("{allocated} allocations in {STEPS} steps"));
        }
        Ok(())
    }

    fn non_finite_data(&self) -> Result<(), LawViolation> {
        for bad in [f64::NAN, f64::INFINITY] {
            let (mut design, mut targets, mut start) =
                (self.problem.clone(), self.problem.clone(), self.warm());
            design.design.iter_mut().take(1).for_each(|v| *v = bad);
            targets.y[self.problem.nrows - 1] = bad;
            start[0] = bad;
            let fine = self.warm();
            let cases = [("A", &design, &fine), ("y", &targets, &fine), ("x0", self.problem, &start)];
            for (what, problem, x0) in cases.into_iter().skip(usize::from(design.design.is_empty())) {
                let mut ended = None;
                let built = (self.build)(problem, x0, &mut |solver| {
                    let mut stop = stop::Residual { tol: self.options.tol };
                    ended = Some(run(solver, Control::new(self.options.max_iter, &mut stop))?);
                    Ok(())
                });
                if let (Ok(()), Some(report)) = (built, ended) {
                    let detail = format!("{bad} in {what} went unnoticed: {:?}", report.status);
                    return self.fail("non-finite data", detail);
                }
            }
        }
        Ok(())
    }
}

/// The first entry whose bits differ; a length that differs counts as entry 0.
fn differs(a: &[f64], b: &[f64]) -> Option<usize> {
    if a.len() != b.len() {
        return Some(0);
    }
    a.iter().zip(b).position(|(u, v)| u.to_bits() != v.to_bits())
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    /// A correct proximal gradient method with one planted flaw.
    struct Flawed<'a> {
        problem: &'a Reference,
        flaw: Flaw,
        step: f64,
        x: Vec<f64>,
        iter: usize,
        residual: f64,
        counter: &'a Cell<usize>,
        seen: Cell<usize>,
    }

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Flaw {
        None,
        Start,
        Count,
        IgnoresLambda,
        ClaimsConvergence,
        Objective,
        Gap,
        Random,
        ProgressMatters,
        Allocates,
        HidesNan,
        NeverSolves,
        Slow,
    }

    impl<'a> Flawed<'a> {
        fn new(problem: &'a Reference, x0: &[f64], flaw: Flaw, counter: &'a Cell<usize>) -> Self {
            let x = if flaw == Flaw::Start { vec![100.0; x0.len()] } else { x0.to_vec() };
            let step = problem.norm().powi(-2) * if flaw == Flaw::Slow { 1e-4 } else { 1.0 };
            Self { problem, flaw, step, x, iter: 0, residual: f64::INFINITY, counter, seen: Cell::new(0) }
        }
    }

    impl Iteration<f64> for Flawed<'_> {
        fn step(&mut self) -> Result<(), SolveError> {
            let p = self.problem;
            let (n, mut r) = (p.nrows, p.y.clone());
            for (j, &v) in self.x.iter().enumerate() {
                for i in 0..n {
                    r[i] -= p.design[j * n + i] * v;
                }
            }
            let lambda = if self.flaw == Flaw::IgnoresLambda { 0.9 * p.lambda } else { p.lambda };
            let mut sq = 0.0;
            for j in 0..p.ncols {
                let inner: f64 = (0..n).map(|i| p.design[j * n + i] * r[i]).sum();
                let old = self.x[j];
                self.x[j] = spm_linalg::vecops::soft_threshold(old + self.step * inner, self.step * lambda);
                sq += (self.x[j] - old).powi(2);
            }
            self.residual = sq.sqrt() / self.step;
            match self.flaw {
                Flaw::Random => {
                    self.counter.set(self.counter.get() + 1);
                    self.x[0] += 1e-13 * self.counter.get() as f64;
                }
                Flaw::ProgressMatters => self.x[0] += 1e-13 * self.seen.get() as f64,
                // Stands in for the allocator: the test's counter is a plain number.
                Flaw::Allocates => self.counter.set(self.counter.get() + 1),
                Flaw::HidesNan => {
                    self.residual = if self.residual.is_nan() { 0.0 } else { self.residual };
                    for v in &mut self.x {
                        *v = if v.is_finite() { *v } else { 0.0 };
                    }
                }
                Flaw::ClaimsConvergence => self.residual = 0.0,
                _ => {}
            }
            self.iter += if self.flaw == Flaw::Count { 2 } else { 1 };
            Ok(())
        }

        fn progress(&self) -> Progress<f64> {
            self.seen.set(self.seen.get() + 1);
            let p = Progress::new(self.iter, self.residual);
            match self.flaw {
                Flaw::Objective => p.objective(2.0 * self.problem.judge(&self.x).primal),
                Flaw::Gap => p.gap(0.0),
                _ => p,
            }
        }

        fn iterate(&self) -> &[f64] {
            &self.x
        }
    }

    fn law_broken_by(flaw: Flaw) -> Option<&'static str> {
        let counter = Cell::new(0);
        let count = || counter.get();
        let options = ContractOptions::default().tol(1e-8).allocations(&count);
        let result = try_check_solver(&options, |problem, x0, solve| {
            if flaw == Flaw::NeverSolves {
                return Ok(());
            }
            solve(&mut Flawed::new(problem, x0, flaw, &counter))
        });
        result.err().map(|violation| violation.law)
    }

    #[test]
    fn a_correct_solver_passes_and_every_planted_flaw_is_named() {
        assert_eq!(law_broken_by(Flaw::None), None);
        for (flaw, law) in [
            (Flaw::Start, "start"),
            (Flaw::Count, "progress"),
            (Flaw::IgnoresLambda, "optimality"),
            (Flaw::ClaimsConvergence, "optimality"),
            (Flaw::Objective, "progress"),
            (Flaw::Gap, "progress"),
            (Flaw::Random, "determinism"),
            (Flaw::ProgressMatters, "continuation"),
            (Flaw::Allocates, "allocation"),
            (Flaw::HidesNan, "non-finite data"),
            (Flaw::NeverSolves, "convergence"),
            (Flaw::Slow, "convergence"),
        ] {
            assert_eq!(law_broken_by(flaw), Some(law), "{flaw:?}");
        }
    }
}
