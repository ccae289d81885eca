//! PDHG: the primal-dual hybrid gradient method of Chambolle and Pock, with Condat and Vũ's smooth term.

use spm_linalg::krylov::operator_norm;
use spm_linalg::{LinalgError, Scalar, StackReq, Workspace, check, vecops};

use crate::{Iteration, Progress, SolveError, Split};

/// Options of [`Pdhg`].
///
/// | field | default | range | meaning |
/// |---|---|---|---|
/// | `norm` | stated by the operators or estimated | finite, `>= 0` | upper bound of `√(Σ_k ‖K_k‖²)` |
/// | `primal_weight` | 1 | finite, `> 0` | `σ = ω/‖K‖`, `1/τ = L + ω‖K‖`: typical size of dual over primal |
/// | `balance` | `true` | | adapt the primal weight until both residuals are of one size |
/// | `relaxation` | 1.5, with a smooth term 1.3 | `(0, 2)`, with a smooth term `(0, 1.5)` | over-relaxation |
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct PdhgOptions<T> {
    /// Upper bound of the norm of the stacked operators, `None` to ask or estimate.
    pub norm: Option<T>,
    /// The primal weight to start from.
    pub primal_weight: T,
    /// Whether to adapt the primal weight.
    pub balance: bool,
    /// The over-relaxation, `None` for the default.
    pub relaxation: Option<T>,
}

impl<T: Scalar> Default for PdhgOptions<T> {
    fn default() -> Self {
        Self { norm: None, primal_weight: T::one(), balance: true, relaxation: None }
    }
}

impl<T: Scalar> PdhgOptions<T> {
    /// States an upper bound of the norm of the stacked operators.
    #[must_use]
    pub fn norm(mut self, norm: T) -> Self {
        self.norm = Some(norm);
        self
    }

    /// Sets the primal weight to start from.
    #[must_use]
    pub fn primal_weight(mut self, weight: T) -> Self {
        self.primal_weight = weight;
        self
    }

    /// Sets whether to adapt the primal weight.
    #[must_use]
    pub fn balance(mut self, on: bool) -> Self {
        self.balance = on;
        self
    }

    /// Sets the over-relaxation.
    #[must_use]
    pub fn relaxation(mut self, rho: T) -> Self {
        self.relaxation = Some(rho);
        self
    }

    /// Checks every field on its own; the limits that depend on the problem are checked by [`Pdhg::new`].
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`].
    pub fn validate(&self) -> Result<(), LinalgError> {
        check::non_negative("norm", self.norm.unwrap_or_else(T::zero))?;
        check::positive("primal_weight", self.primal_weight)?;
        check::positive("relaxation", self.relaxation.unwrap_or_else(T::one))
    }
}

/// PDHG for $\min_x f(x) + g(x) + \sum_k h_k(K_k x)$.
///
/// In plain text, with `K` and `u` stacked over the terms:
/// `x⁺ = prox_{τ g}(x − τ (∇f(x) + Kᵀu))`, `u⁺ = prox_{σ h*}(u + σ K(2x⁺ − x))`, then both over-relaxed.
///
/// [`iterate`](Iteration::iterate) is `x⁺`, in the domain of `g` and with its exact zeros; [`dual`](Self::dual) is
/// `u⁺`, in the domain of `h*`. The residuals (Goldstein, Li and Yuan 2015) are distances of 0 from the optimality
/// conditions at that pair: `residual = ‖(x − x⁺)/τ − Kᵀ(u − u⁺)‖ + L‖x − x⁺‖` bounds that of
/// `∂g(x⁺) + ∇f(x⁺) + Kᵀu⁺`, and `dual_residual = ‖(u − u⁺)/σ − K(x − x⁺)‖` that of `∂h*(u⁺) − K x⁺`. Both are
/// infinite before the first step.
///
/// A step costs one product and one adjoint product with each operator, one prox of each function and one gradient.
/// Memory: six vectors of length n and five of the dual length. Steps satisfy `1/τ − σ‖K‖² = L`, so that every
/// choice of the primal weight converges; `balance` changes it ever less.
///
/// Source: Chambolle and Pock 2011, *A first-order primal-dual algorithm for convex problems*, Algorithm 1;
/// Condat 2013, *A primal-dual splitting method*, Algorithm 3.1; Goldstein, Li and Yuan 2015, *Adaptive
/// primal-dual splitting methods*, Algorithm 1.
///
/// ```
/// use spm_linalg::{Dense, penalty::L1};
/// use spm_solvers::loss::Quadratic;
/// use spm_solvers::{Control, Iteration, Pdhg, PdhgOptions, Split, Term, kkt, run, stop};
/// // Total variation of three points, min ½‖x − b‖² + |x2 − x1| + |x3 − x2|.
/// let b = [0.0_f64, 0.0, 6.0];
/// let k = Dense::from_column_major(&[-1.0, 0.0, 1.0, -1.0, 0.0, 1.0], 2, 3)?;
/// let (h, g) = (L1::new(1.0)?, Quadratic::new(&b)?.into_prox());
/// let terms = [Term::new(&h, &k)?];
/// let problem = Split::new(3, &terms)?.prox(&g)?;
/// let mut pdhg = Pdhg::new(problem, &b, &PdhgOptions::default())?;
/// let report = run(&mut pdhg, Control::new(500, &mut stop::Residual { tol: 1e-10 }))?;
/// assert!(report.status.is_converged());
/// assert!((pdhg.iterate()[0] - 0.5).abs() < 1e-9 && (pdhg.iterate()[2] - 5.0).abs() < 1e-9);
/// assert!(kkt::generalized_gap(&b, terms[0], pdhg.iterate(), pdhg.dual()).gap() < 1e-9);
/// # Ok::<(), spm_solvers::SolveError>(())
/// ```
#[derive(Debug)]
pub struct Pdhg<'a, T: Scalar> {
    problem: Split<'a, T>,
    norm: T,
    lipschitz: T,
    relaxation: T,
    weight: T,
    /// How much the next balancing changes the weight, 0 without balancing.
    balance: T,
    /// The relaxed pair that the next step starts from, with its products.
    x: Vec<T>,
    u: Vec<T>,
    kx: Vec<T>,
    ktu: Vec<T>,
    /// The pair that the last step arrived at, with its products.
    x_new: Vec<T>,
    u_new: Vec<T>,
    kx_new: Vec<T>,
    ktu_new: Vec<T>,
    grad: Vec<T>,
    point: Vec<T>,
    dual_point: Vec<T>,
    workspace: Workspace,
    iter: usize,
    residual: T,
    dual_residual: T,
}

impl<'a, T: Scalar> Pdhg<'a, T> {
    /// The method started at `x0` (length n) and a dual of 0.
    ///
    /// # Errors
    /// [`SolveError::Linalg`] for a wrong length, a non-finite start or an invalid option;
    /// [`SolveError::MissingBound`] if `f` has no Lipschitz constant.
    pub fn new(problem: Split<'a, T>, x0: &[T], options: &PdhgOptions<T>) -> Result<Self, SolveError> {
        options.validate()?;
        let (n, m) = (problem.dim(), problem.dual_dim());
        check::len("start", n, x0.len())?;
        check::finite("start", x0)?;
        let norm = match options.norm {
            Some(norm) => norm,
            None => stacked_norm(&problem)?,
        };
        let lipschitz = match problem.f {
            Some(f) => f
                .lipschitz()
                .ok_or(SolveError::MissingBound { what: "Lipschitz constant of the gradient" })?,
            None => T::zero(),
        };
        let limit = T::of(if problem.f.is_some() { 1.5 } else { 2.0 });
        let relaxation =
            options.relaxation.unwrap_or_else(|| T::of(if problem.f.is_some() { 1.3 } else { 1.5 }));
        if relaxation >= limit {
            let (name, got) = ("relaxation", relaxation.as_f64());
            return Err(
                LinalgError::InvalidParam { name, expected: "< 2, with a smooth term < 1.5", got }.into()
            );
        }
        let mut pdhg = Self {
            problem,
            // Without operators any positive number does.
            norm: if norm > T::zero() { norm } else { T::one() },
            lipschitz,
            relaxation,
            weight: options.primal_weight,
            balance: if options.balance { T::of(0.5) } else { T::zero() },
            x: x0.to_vec(),
            u: vec![T::zero(); m],
            kx: vec![T::zero(); m],
            ktu: vec![T::zero(); n],
            x_new: x0.to_vec(),
            u_new: vec![T::zero(); m],
            kx_new: vec![T::zero(); m],
            ktu_new: vec![T::zero(); n],
            grad: vec![T::zero(); n],
            point: vec![T::zero(); n],
            dual_point: vec![T::zero(); m],
            workspace: Workspace::new(scratch(&problem)),
            iter: 0,
            residual: T::infinity(),
            dual_residual: T::infinity(),
        };
        pdhg.products();
        Ok(pdhg)
    }

    /// Starts over from `x` (length n) and the dual `u` (of every term, concatenated).
    ///
    /// # Errors
    /// [`LinalgError::Shape`] or [`LinalgError::NonFinite`].
    pub fn warm_start(&mut self, x: &[T], u: &[T]) -> Result<(), SolveError> {
        check::len("start", self.x.len(), x.len())?;
        check::len("dual start", self.u.len(), u.len())?;
        check::finite("start", x)?;
        check::finite("dual start", u)?;
        self.x_new.copy_from_slice(x);
        self.u_new.copy_from_slice(u);
        self.x.copy_from_slice(x);
        self.u.copy_from_slice(u);
        (self.iter, self.residual, self.dual_residual) = (0, T::infinity(), T::infinity());
        self.products();
        Ok(())
    }

    /// The dual variables of the terms, concatenated in their order.
    #[must_use]
    pub fn dual(&self) -> &[T] {
        &self.u_new
    }

    /// The current steps `(τ, σ)`.
    #[must_use]
    pub fn steps(&self) -> (T, T) {
        ((self.lipschitz + self.weight * self.norm).recip(), self.weight / self.norm)
    }

    /// `K x` and `Kᵀu` at the current pair.
    fn products(&mut self) {
        apply(&self.problem, &self.x, &mut self.kx, &mut self.workspace);
        apply_adjoint(&self.problem, &self.u, &mut self.ktu, &mut self.point, &mut self.workspace);
    }

    /// `x⁺` and `K x⁺`.
    fn primal_step(&mut self, tau: T) {
        match self.problem.f {
            Some(f) => {
                f.value_grad_into(&self.x, &mut self.grad, self.workspace.stack());
            }
            None => self.grad.fill(T::zero()),
        }
        for (((z, &x), &d), &a) in self.point.iter_mut().zip(&self.x).zip(&self.grad).zip(&self.ktu) {
            *z = x - tau * (d + a);
        }
        match self.problem.g {
            Some(g) => {
                g.prox_into(&self.point, tau, &mut self.x_new, self.workspace.stack());
            }
            None => self.x_new.copy_from_slice(&self.point),
        }
        apply(&self.problem, &self.x_new, &mut self.kx_new, &mut self.workspace);
    }

    /// `u⁺` and `Kᵀu⁺`.
    fn dual_step(&mut self, sigma: T) {
        for (((z, &u), &new), &old) in self.dual_point.iter_mut().zip(&self.u).zip(&self.kx_new).zip(&self.kx)
        {
            *z = u + sigma * (new + (new - old));
        }
        let mut start = 0;
        for term in self.problem.terms {
            let rows = start..start + term.k.nrows();
            let (from, to) = (&self.dual_point[rows.clone()], &mut self.u_new[rows.clone()]);
            term.g.prox_conj_into(from, sigma, to, self.workspace.stack());
            start = rows.end;
        }
        apply_adjoint(&self.problem, &self.u_new, &mut self.ktu_new, &mut self.point, &mut self.workspace);
    }

    /// Both residuals at the new pair.
    fn measure(&mut self, tau: T, sigma: T) {
        for i in 0..self.x.len() {
            self.point[i] = (self.x[i] - self.x_new[i]) / tau - (self.ktu[i] - self.ktu_new[i]);
        }
        let moved = self.lipschitz * vecops::sq_dist(&self.x, &self.x_new).sqrt();
        self.residual = vecops::norm(&self.point) + moved;
        for i in 0..self.u.len() {
            self.dual_point[i] = (self.u[i] - self.u_new[i]) / sigma - (self.kx[i] - self.kx_new[i]);
        }
        self.dual_residual = vecops::norm(&self.dual_point);
    }

    /// Moves the primal weight towards equal residuals, ever less.
    fn rebalance(&mut self) {
        if self.residual > T::of(1.5) * self.dual_residual {
            let smaller = self.weight * (T::one() - self.balance);
            if smaller * self.norm < self.lipschitz {
                // The smooth term limits τ: a smaller weight would shorten σ for nothing.
                return;
            }
            self.weight = smaller;
        } else if self.dual_residual > T::of(1.5) * self.residual {
            self.weight /= T::one() - self.balance;
        } else {
            return;
        }
        self.balance *= T::of(0.95);
    }
}

impl<T: Scalar> Iteration<T> for Pdhg<'_, T> {
    fn step(&mut self) -> Result<(), SolveError> {
        let (tau, sigma) = self.steps();
        self.primal_step(tau);
        self.dual_step(sigma);
        self.measure(tau, sigma);
        let rho = self.relaxation;
        for (old, new) in [
            (&mut self.x, &self.x_new),
            (&mut self.u, &self.u_new),
            (&mut self.kx, &self.kx_new),
            (&mut self.ktu, &self.ktu_new),
        ] {
            for (o, &v) in old.iter_mut().zip(new) {
                *o += rho * (v - *o);
            }
        }
        if self.balance > T::zero() {
            self.rebalance();
        }
        self.iter += 1;
        Ok(())
    }

    fn progress(&self) -> Progress<T> {
        Progress::new(self.iter, self.residual).dual_residual(self.dual_residual)
    }

    fn iterate(&self) -> &[T] {
        &self.x_new
    }
}

/// `√(Σ_k ‖K_k‖²)` from the operators' own bounds, or estimated to 2 %.
fn stacked_norm<T: Scalar>(problem: &Split<'_, T>) -> Result<T, SolveError> {
    let mut sq = T::zero();
    for term in problem.terms {
        let norm = match term.k.norm_bound() {
            Some(norm) => norm,
            None => operator_norm(term.k, T::of(0.02))?.upper,
        };
        sq += norm * norm;
    }
    Ok(sq.sqrt())
}

fn scratch<T: Scalar>(problem: &Split<'_, T>) -> StackReq {
    let n = problem.dim();
    let smooth = problem.f.map_or(StackReq::EMPTY, |f| f.scratch());
    let prox = problem.g.map_or(StackReq::EMPTY, |g| g.scratch(n));
    problem
        .terms
        .iter()
        .fold(smooth.or(prox), |req, term| req.or(term.k.scratch()).or(term.g.scratch_conj(term.k.nrows())))
}

/// `out ← K x`, term after term.
fn apply<T: Scalar>(problem: &Split<'_, T>, x: &[T], out: &mut [T], workspace: &mut Workspace) {
    let mut start = 0;
    for term in problem.terms {
        let end = start + term.k.nrows();
        term.k.apply(x, &mut out[start..end], workspace.stack());
        start = end;
    }
}

/// `out ← Kᵀu = Σ_k K_kᵀ u_k`; overwrites `part`.
fn apply_adjoint<T: Scalar>(
    problem: &Split<'_, T>,
    u: &[T],
    out: &mut [T],
    part: &mut [T],
    workspace: &mut Workspace,
) {
    out.fill(T::zero());
    let mut start = 0;
    for term in problem.terms {
        let end = start + term.k.nrows();
        term.k.apply_adjoint(&u[start..end], part, workspace.stack());
        vecops::axpy(T::one(), part, out);
        start = end;
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use spm_linalg::operator::Difference;
    use spm_linalg::testing::Rng;
    use spm_linalg::{Dense, Smooth, penalty::L1};

    use super::*;
    use crate::loss::{LossOf, Quadratic};
    use crate::{Composite, Control, Fista, FistaOptions, Term, kkt, run, stop};

    /// The `(n − 1) × n` difference matrix, column-major.
    fn differences(n: usize) -> Vec<f64> {
        let m = n - 1;
        let mut k = vec![0.0; m * n];
        for i in 0..m {
            k[i * m + i] = -1.0;
            k[(i + 1) * m + i] = 1.0;
        }
        k
    }

    /// A staircase with noise.
    fn signal(n: usize) -> Vec<f64> {
        let mut rng = Rng::new(4);
        (0..n).map(|i| (i / 8) as f64 + 0.3 * rng.normal::<f64>()).collect()
    }

    #[test]
    fn total_variation_is_certified_by_every_variant_at_any_scale() {
        let n = 40;
        let k = differences(n);
        let k = Dense::from_column_major(&k, n - 1, n).unwrap();
        for size in [1e-9, 1.0, 1e9] {
            let b: Vec<f64> = signal(n).iter().map(|v| v * size).collect();
            let h = L1::new(0.7 * size).unwrap();
            let g = Quadratic::new(&b).unwrap().into_prox();
            let terms = [Term::new(&h, &k).unwrap()];
            let problem = Split::new(n, &terms).unwrap().prox(&g).unwrap();
            let base = PdhgOptions::default().norm(2.0);
            for options in [base, base.relaxation(1.0), base.balance(false), base.primal_weight(30.0)] {
                let mut pdhg = Pdhg::new(problem, &b, &options).unwrap();
                let tol = 1e-7 * size;
                let report = run(&mut pdhg, Control::new(5000, &mut stop::Residual { tol })).unwrap();
                assert!(report.status.is_converged(), "{options:?} at {size}: {report:?}");
                let c = kkt::generalized_gap(&b, terms[0], pdhg.iterate(), pdhg.dual());
                assert!(c.gap() < 1e-6 * size * size, "{options:?}: {c:?}");
            }
        }
    }

    #[test]
    fn the_lasso_in_three_formulations_agrees_with_fista() {
        let mut rng = Rng::new(21);
        let (n, p) = (30, 10);
        let a: Vec<f64> = rng.normals(n * p);
        let y: Vec<f64> = rng.normals(n);
        let norm = vecops::norm(&a);
        let op = Dense::from_column_major(&a, n, p).unwrap();
        let eye: Vec<f64> = (0..p * p).map(|i| f64::from(u8::from(i % (p + 1) == 0))).collect();
        let eye = Dense::from_column_major(&eye, p, p).unwrap();
        let loss = Quadratic::new(&y).unwrap();
        let f = LossOf::new(loss, op).unwrap().with_norm(norm).unwrap();
        let (g, data) = (L1::new(0.8).unwrap(), loss.into_prox());
        let start = vec![0.0; p];
        let mut tol = stop::Residual { tol: 1e-9 };
        let mut fista =
            Fista::new(Composite::new(&f, &g).unwrap(), &start, &FistaOptions::default()).unwrap();
        assert!(run(&mut fista, Control::new(5000, &mut tol)).unwrap().status.is_converged());

        let (on_data, on_penalty) = ([Term::new(&data, &op).unwrap()], [Term::new(&g, &eye).unwrap()]);
        let both = [on_data[0], on_penalty[0]];
        let options = PdhgOptions::default();
        let problems = [
            (Split::new(p, &on_data).unwrap().prox(&g).unwrap(), options.norm(norm)),
            (Split::new(p, &on_penalty).unwrap().smooth(&f).unwrap(), options.norm(1.0)),
            (Split::new(p, &both).unwrap(), options.norm(norm.hypot(1.0))),
            (Split::new(p, &[]).unwrap().smooth(&f).unwrap().prox(&g).unwrap(), options),
        ];
        for (problem, options) in problems {
            let mut pdhg = Pdhg::new(problem, &start, &options).unwrap();
            let report = run(&mut pdhg, Control::new(20_000, &mut tol)).unwrap();
            assert!(report.status.is_converged(), "{report:?}");
            for (u, v) in pdhg.iterate().iter().zip(fista.iterate()) {
                assert!((u - v).abs() < 1e-7, "{u} {v} after {}", report.last.iter);
            }
        }
    }

    #[test]
    fn residuals_are_those_of_the_optimality_conditions() {
        // With f = 0 and g quadratic the primal residual is exactly ‖x − b + Kᵀu‖.
        let n = 12;
        let k = differences(n);
        let k = Dense::from_column_major(&k, n - 1, n).unwrap();
        let b = signal(n);
        let (h, g) = (L1::new(0.5).unwrap(), Quadratic::new(&b).unwrap().into_prox());
        let terms = [Term::new(&h, &k).unwrap()];
        let problem = Split::new(n, &terms).unwrap().prox(&g).unwrap();
        let mut pdhg = Pdhg::new(problem, &vec![0.0; n], &PdhgOptions::default().norm(2.0)).unwrap();
        let dense = terms[0].k;
        for _ in 0..20 {
            pdhg.step().unwrap();
            let (x, u) = (pdhg.iterate().to_vec(), pdhg.dual().to_vec());
            let mut r = vec![0.0; n];
            dense.apply_adjoint(&u, &mut r, Workspace::new(dense.scratch()).stack());
            for i in 0..n {
                r[i] += x[i] - b[i];
            }
            assert!((vecops::norm(&r) - pdhg.progress().residual).abs() < 1e-12);
        }
    }

    #[test]
    fn a_warm_start_with_the_dual_is_fast() {
        let n = 40;
        let k = differences(n);
        let k = Dense::from_column_major(&k, n - 1, n).unwrap();
        let b = signal(n);
        let (h, g) = (L1::new(0.7).unwrap(), Quadratic::new(&b).unwrap().into_prox());
        let terms = [Term::new(&h, &k).unwrap()];
        let problem = Split::new(n, &terms).unwrap().prox(&g).unwrap();
        let options = PdhgOptions::default().norm(2.0);
        let mut tol = stop::Residual { tol: 1e-8 };
        let mut cold = Pdhg::new(problem, &b, &options).unwrap();
        assert!(run(&mut cold, Control::new(5000, &mut tol)).unwrap().status.is_converged());
        let mut warm = Pdhg::new(problem, &b, &options).unwrap();
        warm.warm_start(cold.iterate(), cold.dual()).unwrap();
        assert!(run(&mut warm, Control::new(5000, &mut tol)).unwrap().last.iter <= 20);
        assert!(warm.warm_start(&b[1..], cold.dual()).is_err());
    }

    #[test]
    fn missing_bounds_and_bad_options_are_errors() {
        let k = Dense::from_column_major(&[1.0, 1.0], 1, 2).unwrap();
        let h = L1::new(1.0).unwrap();
        let terms = [Term::new(&h, &k).unwrap()];
        let problem = Split::new(2, &terms).unwrap();
        let new = |options: PdhgOptions<f64>| Pdhg::new(problem, &[0.0; 2], &options).map(|_| ());
        let base = PdhgOptions::default();
        let (_, sigma) = Pdhg::new(problem, &[0.0; 2], &base).unwrap().steps();
        assert!((sigma * 2f64.sqrt() - 1.0).abs() < 0.03);
        assert!(new(base).is_ok());
        assert!(new(base.relaxation(2.0)).is_err());
        assert!(new(base.primal_weight(0.0)).is_err());
        assert!(Split::new(3, &terms).is_err());
        let f = LossOf::new(Quadratic::new(&[1.0]).unwrap(), k).unwrap();
        assert_eq!(f.lipschitz(), None);
        let smooth = problem.smooth(&f).unwrap();
        assert!(matches!(Pdhg::new(smooth, &[0.0; 2], &base), Err(SolveError::MissingBound { .. })));
    }

    #[test]
    fn single_precision_and_tiny_problems() {
        let b: Vec<f32> = signal(40).iter().map(|v| *v as f32).collect();
        for n in [1, 2, 3, 40] {
            let k = Difference::even(n.max(2), 1).unwrap();
            let (h, g) = (L1::new(0.7_f32).unwrap(), Quadratic::new(&b[..n]).unwrap().into_prox());
            let terms = [Term::new(&h, &k).unwrap()];
            // One point has no difference: no term at all.
            let terms = if n == 1 { &terms[..0] } else { &terms[..] };
            let problem = Split::new(n, terms).unwrap().prox(&g).unwrap();
            let mut pdhg = Pdhg::new(problem, &vec![0.0; n], &PdhgOptions::default()).unwrap();
            let report = run(&mut pdhg, Control::new(2000, &mut stop::Residual { tol: 1e-4 })).unwrap();
            assert!(report.status.is_converged(), "n = {n}: {report:?}");
            match terms.first() {
                Some(&term) => {
                    let c = kkt::generalized_gap(&b[..n], term, pdhg.iterate(), pdhg.dual());
                    assert!(c.gap() < 1e-3 * c.primal.max(1.0), "n = {n}: {c:?}");
                }
                None => assert!((pdhg.iterate()[0] - b[0]).abs() < 1e-3),
            }
        }
    }
}
