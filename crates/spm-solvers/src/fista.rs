//! FISTA: the accelerated proximal gradient method.

use spm_linalg::{LinalgError, Prox, Scalar, StackReq, Workspace, check, vecops};

use crate::accel::Nesterov;
use crate::{Composite, Iteration, Progress, SolveError, StepSize};

/// Options of [`Fista`].
///
/// | field | default | meaning |
/// |---|---|---|
/// | `step` | [`StepSize::Auto`] | step size |
/// | `adaptive_restart` | `true` | drop the momentum when it points uphill |
/// | `accelerate` | `true` | `false` gives the plain proximal gradient method (ISTA) |
/// | `objective` | `false` | report the objective: one more value of `f` an iteration, free with backtracking |
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct FistaOptions<T> {
    /// The step size.
    pub step: StepSize<T>,
    /// Whether to drop the momentum when it points uphill.
    pub adaptive_restart: bool,
    /// Whether to use momentum at all.
    pub accelerate: bool,
    /// Whether to report the objective even where that costs a product.
    pub objective: bool,
}

impl<T: Scalar> Default for FistaOptions<T> {
    fn default() -> Self {
        Self { step: StepSize::Auto, adaptive_restart: true, accelerate: true, objective: false }
    }
}

impl<T: Scalar> FistaOptions<T> {
    /// Sets the step size.
    #[must_use]
    pub fn step(mut self, step: StepSize<T>) -> Self {
        self.step = step;
        self
    }

    /// Sets whether to restart the momentum.
    #[must_use]
    pub fn adaptive_restart(mut self, on: bool) -> Self {
        self.adaptive_restart = on;
        self
    }

    /// Sets whether to use momentum.
    #[must_use]
    pub fn accelerate(mut self, on: bool) -> Self {
        self.accelerate = on;
        self
    }

    /// Sets whether to always report the objective.
    #[must_use]
    pub fn objective(mut self, on: bool) -> Self {
        self.objective = on;
        self
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`].
    pub fn validate(&self) -> Result<(), LinalgError> {
        self.step.validate()
    }
}

/// FISTA for $\min_x f(x) + g(x)$.
///
/// In plain text: `y = x + beta (x − x_prev)`, `x⁺ = prox_{t g}(y − t ∇f(y))`.
///
/// The residual reported is the gradient mapping `‖y − x⁺‖₂ / t`, in units of the gradient; when `t <= 1/L`, the
/// distance of 0 from the subdifferential of the objective at the iterate `x⁺` is at most twice that. For convex
/// `f` and `g` the objective falls like `1/k²`, and linearly under strong convexity thanks to the restart.
///
/// A step costs one gradient and one prox, with backtracking a value of `f` more for every trial. Memory: five
/// vectors of length n and the scratch of the parts. In floating point the residual does not fall below about
/// `eps · L · ‖x‖`.
///
/// Source: Beck and Teboulle 2009, *A fast iterative shrinkage-thresholding algorithm*, section 4; gradient restart
/// of O'Donoghue and Candès 2015, *Adaptive restart for accelerated gradient schemes*, section 3.2.
///
/// ```
/// use spm_linalg::{Dense, penalty::L1};
/// use spm_solvers::loss::{LossOf, Quadratic};
/// use spm_solvers::{Composite, Control, Fista, FistaOptions, Iteration, run, stop};
/// let a = Dense::from_column_major(&[2.0_f64, 0.0, 0.0, 1.0], 2, 2)?;
/// let f = LossOf::new(Quadratic::new(&[4.0, 0.3])?, a)?.with_norm(2.0)?;
/// let g = L1::new(1.0)?;
/// let mut fista = Fista::new(Composite::new(&f, &g)?, &[0.0, 0.0], &FistaOptions::default())?;
/// let report = run(&mut fista, Control::new(100, &mut stop::Residual { tol: 1e-10 }))?;
/// assert!(report.status.is_converged());
/// assert!((fista.iterate()[0] - 1.75).abs() < 1e-9 && fista.iterate()[1] == 0.0);
/// # Ok::<(), spm_solvers::SolveError>(())
/// ```
#[derive(Debug)]
pub struct Fista<'a, T: Scalar> {
    problem: Composite<'a, T>,
    options: FistaOptions<T>,
    step: T,
    backtrack: bool,
    momentum: Nesterov<T>,
    x: Vec<T>,
    x_prev: Vec<T>,
    y: Vec<T>,
    grad: Vec<T>,
    forward: Vec<T>,
    workspace: Workspace,
    iter: usize,
    residual: T,
    objective: Option<T>,
}

impl<'a, T: Scalar> Fista<'a, T> {
    /// The method started at `x0` (length n). Evaluates one step there, so that a start that is already good is
    /// recognised before the first iteration.
    ///
    /// # Errors
    /// [`SolveError::Linalg`] for a wrong length, a non-finite start or an invalid option,
    /// [`SolveError::MissingBound`] under [`StepSize::Lipschitz`].
    pub fn new(problem: Composite<'a, T>, x0: &[T], options: &FistaOptions<T>) -> Result<Self, SolveError> {
        options.validate()?;
        let n = problem.f.dim();
        check::len("start", n, x0.len())?;
        check::finite("start", x0)?;
        let req = StackReq::any_of(&[problem.f.scratch(), problem.g.scratch(n)]);
        let mut workspace = Workspace::new(req);
        let (step, backtrack) = options.step.resolve(problem.f, x0, &mut workspace)?;
        let mut fista = Self {
            problem,
            options: *options,
            step,
            backtrack,
            momentum: Nesterov::default(),
            x: x0.to_vec(),
            x_prev: x0.to_vec(),
            y: vec![T::zero(); n],
            grad: vec![T::zero(); n],
            forward: vec![T::zero(); n],
            workspace,
            iter: 0,
            residual: T::infinity(),
            objective: None,
        };
        fista.assess_start();
        Ok(fista)
    }

    /// Continues from the current iterate with another penalty: the next point of a path.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if `g` fixes another length.
    pub fn restart(&mut self, g: &'a dyn Prox<T>) -> Result<(), SolveError> {
        self.problem = Composite::new(self.problem.f, g)?;
        let n = self.x.len();
        self.workspace = Workspace::new(StackReq::any_of(&[self.problem.f.scratch(), g.scratch(n)]));
        self.iter = 0;
        self.assess_start();
        Ok(())
    }

    /// The current step size.
    #[must_use]
    pub fn step_size(&self) -> T {
        self.step
    }

    /// The solution estimate, without the solver.
    #[must_use]
    pub fn into_iterate(self) -> Vec<T> {
        self.x
    }

    /// Residual and objective at the start, by a trial step that is then thrown away.
    fn assess_start(&mut self) {
        self.momentum.reset();
        self.x_prev.copy_from_slice(&self.x);
        self.y.copy_from_slice(&self.x);
        let (f_start, _) = self.prox_gradient();
        self.residual = vecops::sq_dist(&self.x, &self.y).sqrt() / self.step;
        self.x.copy_from_slice(&self.x_prev);
        self.objective = Some(f_start + self.problem.g.value(&self.x));
    }

    /// `x ← prox_{t g}(y − t ∇f(y))`, shrinking `t` if asked to; returns `f(y)` and, where it is known, the
    /// objective at the new `x`.
    fn prox_gradient(&mut self) -> (T, Option<T>) {
        let Composite { f, g } = self.problem;
        let f_y = f.value_grad_into(&self.y, &mut self.grad, self.workspace.stack());
        // A sum of values of this size is not known better than this.
        let slack = T::of(8.0) * T::epsilon() * f_y.abs();
        loop {
            for ((z, &v), &d) in self.forward.iter_mut().zip(&self.y).zip(&self.grad) {
                *z = v - self.step * d;
            }
            let g_x = g.prox_into(&self.forward, self.step, &mut self.x, self.workspace.stack());
            if !self.backtrack {
                let objective =
                    self.options.objective.then(|| f.value(&self.x, self.workspace.stack()) + g_x);
                return (f_y, objective);
            }
            let f_x = f.value(&self.x, self.workspace.stack());
            let (mut inner, mut sq) = (T::zero(), T::zero());
            for ((&x, &y), &d) in self.x.iter().zip(&self.y).zip(&self.grad) {
                inner += d * (x - y);
                sq += (x - y) * (x - y);
            }
            let bound = f_y + inner + T::of(0.5) * sq / self.step + slack;
            // A NaN bound can't be met by any step: leave it to the driver.
            if f_x <= bound || bound.is_nan() || self.step < T::min_positive_value() / T::epsilon() {
                return (f_y, Some(f_x + g_x));
            }
            self.step *= T::of(0.5);
        }
    }
}

impl<T: Scalar> Iteration<T> for Fista<'_, T> {
    fn step(&mut self) -> Result<(), SolveError> {
        let beta = if self.options.accelerate { self.momentum.advance() } else { T::zero() };
        for ((y, &x), &old) in self.y.iter_mut().zip(&self.x).zip(&self.x_prev) {
            *y = x + beta * (x - old);
        }
        core::mem::swap(&mut self.x, &mut self.x_prev);
        (_, self.objective) = self.prox_gradient();
        let (mut sq, mut uphill) = (T::zero(), T::zero());
        for ((&x, &y), &old) in self.x.iter().zip(&self.y).zip(&self.x_prev) {
            sq += (y - x) * (y - x);
            uphill += (y - x) * (x - old);
        }
        self.residual = sq.sqrt() / self.step;
        if self.options.adaptive_restart && uphill > T::zero() {
            self.momentum.reset();
        }
        self.iter += 1;
        Ok(())
    }

    fn progress(&self) -> Progress<T> {
        let p = Progress::new(self.iter, self.residual);
        self.objective.map_or(p, |v| p.objective(v))
    }

    fn iterate(&self) -> &[T] {
        &self.x
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use spm_linalg::testing::Rng;
    use spm_linalg::{Dense, LinearOperator, Smooth, penalty::L1};

    use super::*;
    use crate::loss::{Logistic, Loss, LossOf, Poisson, Quadratic};
    use crate::{Control, kkt, run, stop};

    fn frobenius<T: Scalar>(a: &[T]) -> T {
        vecops::norm(a)
    }

    /// A random sparse regression with `n` observations, `p` features, every entry times `size`.
    fn regression(n: usize, p: usize, size: f64) -> (Vec<f64>, Vec<f64>) {
        let mut rng = Rng::new(8);
        let a: Vec<f64> = rng.normals::<f64>(n * p).iter().map(|v| v * size).collect();
        let mut y: Vec<f64> = rng.normals::<f64>(n).iter().map(|v| 0.1 * size * v).collect();
        for i in 0..n {
            y[i] += 2.0 * a[i] - a[n + i];
        }
        (a, y)
    }

    #[test]
    fn every_step_rule_reaches_a_certified_lasso_solution_at_any_scale() {
        for size in [1e-6, 1.0, 1e6] {
            let (n, p) = (20, 40);
            let (a, y) = regression(n, p, size);
            let op = Dense::from_column_major(&a, n, p).unwrap();
            let loss = Quadratic::new(&y).unwrap();
            let g = L1::new(2.0 * size * size).unwrap();
            let f = LossOf::new(loss, op).unwrap().with_norm(frobenius(&a)).unwrap();
            let problem = Composite::new(&f, &g).unwrap();
            let start = vec![0.0; p];
            let scale = loss.value(&vec![0.0; n]);
            let fixed = StepSize::Fixed(Smooth::lipschitz(&f).unwrap().recip());
            let mut iterations = Vec::new();
            for step in [StepSize::Auto, StepSize::Backtracking, fixed] {
                let options = FistaOptions::default().step(step).objective(true);
                let mut fista = Fista::new(problem, &start, &options).unwrap();
                let tol = 1e-9 * size * size;
                let report = run(&mut fista, Control::new(3000, &mut stop::Residual { tol })).unwrap();
                assert!(report.status.is_converged(), "{step:?} at {size}: {report:?}");
                let w = fista.iterate();
                let certificate = kkt::duality_gap(&loss, &op, &g, w);
                assert!(certificate.relative_gap(scale) < 1e-9, "{step:?}: {certificate:?}");
                assert!(kkt::optimality_violation(&f, &g, w) <= 2.0 * tol + 1e-10 * size * size);
                assert!((report.last.objective.unwrap() - certificate.primal).abs() <= 1e-12 * scale);
                assert!(w.iter().filter(|v| **v == 0.0).count() > p / 2);
                iterations.push(report.last.iter);
            }
            // Backtracking finds a larger step than the Frobenius bound allows.
            assert!(iterations[1] < iterations[0], "{iterations:?}");
        }
    }

    #[test]
    fn restart_and_momentum_pay() {
        let (n, p) = (60, 20);
        let (a, y) = regression(n, p, 1.0);
        let op = Dense::from_column_major(&a, n, p).unwrap();
        let g = L1::new(0.5).unwrap();
        let f = LossOf::new(Quadratic::new(&y).unwrap(), op).unwrap().with_norm(frobenius(&a)).unwrap();
        let iterations = |options: FistaOptions<f64>| {
            let mut fista = Fista::new(Composite::new(&f, &g).unwrap(), &vec![0.0; p], &options).unwrap();
            let report = run(&mut fista, Control::new(5000, &mut stop::Residual { tol: 1e-8 })).unwrap();
            assert!(report.status.is_converged());
            report.last.iter
        };
        let plain = iterations(FistaOptions::default().accelerate(false));
        let fast = iterations(FistaOptions::default().adaptive_restart(false));
        let best = iterations(FistaOptions::default());
        assert!(best < fast && best < plain, "{best} {fast} {plain}");
    }

    #[test]
    fn logistic_and_poisson_regressions_are_certified() {
        let (n, p) = (30, 12);
        let (a, y) = regression(n, p, 1.0);
        let op = Dense::from_column_major(&a, n, p).unwrap();
        let class: Vec<f64> = y.iter().map(|v| f64::from(u8::from(*v > 0.0))).collect();
        let count: Vec<f64> = y.iter().map(|v| v.exp().floor().min(30.0)).collect();
        let (logistic, poisson) = (Logistic::new(&class).unwrap(), Poisson::new(&count).unwrap());
        let losses: [&dyn Loss<f64>; 2] = [&logistic, &poisson];
        for loss in losses {
            let g = L1::new(1.0).unwrap();
            let f = LossOf::new(loss, op).unwrap();
            let problem = Composite::new(&f, &g).unwrap();
            let mut fista = Fista::new(problem, &vec![0.0; p], &FistaOptions::default()).unwrap();
            let report = run(&mut fista, Control::new(3000, &mut stop::Residual { tol: 1e-7 })).unwrap();
            assert!(report.status.is_converged(), "{report:?}");
            let c = kkt::duality_gap(loss, &op, &g, fista.iterate());
            assert!(c.gap() < 1e-6 * c.primal.abs().max(1.0), "{c:?}");
        }
    }

    #[test]
    fn single_precision_converges_to_its_own_rounding() {
        let (a, y) = regression(20, 40, 1.0);
        let (a, y): (Vec<f32>, Vec<f32>) =
            (a.iter().map(|v| *v as f32).collect(), y.iter().map(|v| *v as f32).collect());
        let op = Dense::from_column_major(&a, 20, 40).unwrap();
        let loss = Quadratic::new(&y).unwrap();
        let g = L1::new(2.0_f32).unwrap();
        for step in [StepSize::Auto, StepSize::Backtracking] {
            let f = LossOf::new(loss, op).unwrap().with_norm(frobenius(&a)).unwrap();
            let options = FistaOptions::default().step(step);
            let mut fista = Fista::new(Composite::new(&f, &g).unwrap(), &[0.0; 40], &options).unwrap();
            let report = run(&mut fista, Control::new(2000, &mut stop::Residual { tol: 2e-3 })).unwrap();
            assert!(report.status.is_converged(), "{report:?}");
            let c = kkt::duality_gap(&loss, &op, &g, fista.iterate());
            assert!(c.gap() < 1e-3 * c.primal, "{c:?}");
        }
    }

    #[test]
    fn a_warm_start_at_the_solution_needs_no_iteration_and_a_path_fewer() {
        let (n, p) = (20, 40);
        let (a, y) = regression(n, p, 1.0);
        let op = Dense::from_column_major(&a, n, p).unwrap();
        let f = LossOf::new(Quadratic::new(&y).unwrap(), op).unwrap().with_norm(frobenius(&a)).unwrap();
        let (g, next) = (L1::new(2.0).unwrap(), L1::new(1.9).unwrap());
        let mut tol = stop::Residual { tol: 1e-8 };
        let options = FistaOptions::default();
        let mut fista = Fista::new(Composite::new(&f, &g).unwrap(), &vec![0.0; p], &options).unwrap();
        assert!(run(&mut fista, Control::new(3000, &mut tol)).unwrap().status.is_converged());
        let problem = Composite::new(&f, &g).unwrap();
        let mut again = Fista::new(problem, fista.iterate(), &options).unwrap();
        assert!(run(&mut again, Control::new(10, &mut stop::Residual { tol: 1e-7 })).unwrap().last.iter == 0);
        fista.restart(&next).unwrap();
        let warm = run(&mut fista, Control::new(3000, &mut tol)).unwrap();
        let mut cold = Fista::new(Composite::new(&f, &next).unwrap(), &vec![0.0; p], &options).unwrap();
        let cold_report = run(&mut cold, Control::new(3000, &mut tol)).unwrap();
        assert!(warm.last.iter < cold_report.last.iter);
        for (u, v) in fista.iterate().iter().zip(cold.iterate()) {
            assert!((u - v).abs() < 1e-8);
        }
    }

    #[test]
    fn too_long_a_step_diverges_with_an_error_and_bad_input_is_refused() {
        let (a, y) = regression(10, 5, 1.0);
        let op = Dense::from_column_major(&a, 10, 5).unwrap();
        assert_eq!(op.nrows(), 10);
        let f = LossOf::new(Quadratic::new(&y).unwrap(), op).unwrap();
        let g = L1::new(0.1).unwrap();
        let problem = Composite::new(&f, &g).unwrap();
        let options = FistaOptions::default().step(StepSize::Fixed(10.0));
        let mut fista = Fista::new(problem, &[0.0; 5], &options).unwrap();
        let ended = run(&mut fista, Control::new(100_000, &mut stop::Residual { tol: 1e-8 }));
        assert!(matches!(ended, Err(SolveError::Diverged { .. })), "{ended:?}");
        assert!(Fista::new(problem, &[0.0; 4], &FistaOptions::default()).is_err());
        assert!(Fista::new(problem, &[f64::NAN; 5], &FistaOptions::default()).is_err());
        let options = FistaOptions::default().step(StepSize::Fixed(-1.0));
        assert!(Fista::new(problem, &[0.0; 5], &options).is_err());
    }

    #[test]
    fn no_unknown_one_unknown_and_a_zero_matrix() {
        let g = L1::new(0.5).unwrap();
        let y = [1.0_f64, -2.0];
        let loss = Quadratic::new(&y).unwrap();
        for (data, p, expected) in
            [(vec![], 0, vec![]), (vec![0.0; 4], 2, vec![0.0; 2]), (vec![1.0, -1.0], 1, vec![1.25])]
        {
            let op = Dense::from_column_major(&data, 2, p).unwrap();
            for step in [StepSize::Lipschitz, StepSize::Backtracking] {
                let f = LossOf::new(loss, op).unwrap().estimate_norm().unwrap();
                let options = FistaOptions::default().step(step);
                let start = vec![0.7; p];
                let mut fista = Fista::new(Composite::new(&f, &g).unwrap(), &start, &options).unwrap();
                let report = run(&mut fista, Control::new(100, &mut stop::Residual { tol: 1e-12 })).unwrap();
                assert!(report.status.is_converged(), "p = {p}, {step:?}: {report:?}");
                for (u, v) in fista.iterate().iter().zip(&expected) {
                    assert!((u - v).abs() < 1e-9, "{u} {v}");
                }
                assert!(kkt::duality_gap(&loss, &op, &g, fista.iterate()).gap() < 1e-9);
            }
        }
    }
}
