//! The alternating direction method of multipliers (ADMM).

mod banded;
mod cg;
mod cholesky;
mod diagonal;
mod gap;
mod polish;
mod woodbury;
mod x_update;

pub use banded::BandedUpdate;
pub use cg::CgUpdate;
pub use cholesky::CholeskyUpdate;
pub use diagonal::DiagonalUpdate;
pub use gap::design_gap;
pub use polish::polish_generalized;
pub use woodbury::WoodburyUpdate;
pub use x_update::{Scales, XUpdate, least_squares_update};

use spm_linalg::{LinalgError, LinearOperator, Prox, Scalar, Workspace, check, vecops};

use crate::{Iteration, Progress, SolveError};

/// ADMM for $\min_{x,z} f(x) + g(z)$ subject to $K x = z$.
///
/// In plain text: `minimise f(x) + g(z) subject to K x = z`, `x`: n, `z`: m, `K`: m × n or the identity. `f` enters
/// through an [`XUpdate`], `g` through its prox. In scaled form, with the over-relaxation `a` and `y = rho·u`:
///
/// ```text
/// x ← argmin f(x) + rho/2 ‖K x − z + u‖²
/// h ← a K x + (1 − a) z
/// z ← prox of g/rho at h + u
/// u ← u + h − z
/// ```
///
/// [`iterate`](Iteration::iterate) is **z**: the output of the prox, with its exact zeros. `y` is a subgradient of `g`
/// at `z` in every iteration, so what remains to be optimal is `K x = z` and `∇f(x) + Kᵀy = 0`. Those are the two
/// residuals, each relative (Boyd et al. 2011, equation 3.12 divided by its relative tolerance):
///
/// ```text
/// residual      = ‖K x − z‖      / (max(‖K x‖, ‖z‖) + abs_share·‖∇f(0)‖/curvature)
/// dual_residual = ‖∇f(x) + Kᵀy‖ / (‖Kᵀy‖           + abs_share·‖∇f(0)‖)
/// ```
///
/// so that [`crate::stop::Residual`] with `tol` is Boyd's test with `eps_rel = tol` and absolute tolerances
/// `abs_share·tol` in the units of the problem. The dual residual is the gradient of the Lagrangian itself, also
/// with over-relaxation and with inexact x-updates, whose remaining error is added.
///
/// The penalty `rho` follows the ratio of the two residuals, held near 1/4 (Boyd et al. section 3.4.1, with relative residuals as in
/// Wohlberg 2017), a bounded number of times, so that the convergence theory for a fixed `rho` applies at the end.
///
/// It converges for convex `f` and `g`; with a non-convex `g` it is a heuristic.
///
/// An iteration costs one x-update, one prox and, unless `K` is the identity, one product with `K` and three with its
/// adjoint. It allocates nothing. Memory O(n + m) and what the x-update needs.
///
/// Sources: Boyd, Parikh, Chu, Peleato and Eckstein 2011, *Distributed Optimization and Statistical Learning via
/// ADMM*, sections 3.1–3.4; Eckstein and Bertsekas 1992 (over-relaxation); Wohlberg 2017, *ADMM penalty parameter
/// selection by residual balancing*.
///
/// ```
/// use spm_linalg::{Dense, penalty::L1};
/// use spm_solvers::admm::{Admm, AdmmOptions, least_squares_update};
/// use spm_solvers::{Control, Iteration, run, stop::Residual};
/// // ½‖x − (3, 0.5)‖² + ‖x‖₁: the soft threshold.
/// let a = Dense::from_column_major(&[1.0, 0.0, 0.0, 1.0], 2, 2)?;
/// let g = L1::new(1.0)?;
/// let update = least_squares_update(a, &[3.0, 0.5], 1.0, None)?;
/// let mut admm = Admm::new(update, &g, None, &AdmmOptions::default())?;
/// let report = run(&mut admm, Control::new(500, &mut Residual { tol: 1e-10 }))?;
/// assert!(report.status.is_converged());
/// assert!((admm.iterate()[0] - 2.0_f64).abs() < 1e-8);
/// assert_eq!(admm.iterate()[1], 0.0);
/// # Ok::<(), spm_solvers::SolveError>(())
/// ```
#[derive(Debug)]
pub struct Admm<'a, T: Scalar> {
    update: Box<dyn XUpdate<T> + 'a>,
    g: &'a dyn Prox<T>,
    k: Option<&'a dyn LinearOperator<T>>,
    options: AdmmOptions<T>,
    scales: Scales<T>,
    rho: T,
    x: Vec<T>,
    kx: Vec<T>,
    z: Vec<T>,
    z_old: Vec<T>,
    u: Vec<T>,
    tmp: Vec<T>,
    q: Vec<T>,
    inner_tol: T,
    adaptation: Adaptation,
    progress: Progress<T>,
    workspace: Workspace,
}

/// Options of [`Admm`].
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `rho` | `None` | `> 0` | start of the penalty; `None` takes the mean curvature of `f` |
/// | `over_relaxation` | 1.6 | 1 to 1.8 | 1 is the plain method; 1.5 to 1.8 takes about half the iterations on Lasso problems |
/// | `max_rho_changes` | 30 | | 0 keeps `rho` fixed |
/// | `abs_share` | 1e-3 | `>= 0` | absolute tolerance as a share of the relative one, in units of the problem |
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct AdmmOptions<T> {
    /// Start of the penalty parameter; `None` takes the mean curvature of `f`.
    pub rho: Option<T>,
    /// Over-relaxation, 1 to 1.8.
    pub over_relaxation: T,
    /// How often the penalty may change.
    pub max_rho_changes: usize,
    /// Absolute tolerance as a share of the relative one.
    pub abs_share: T,
}

impl<T: Scalar> Default for AdmmOptions<T> {
    fn default() -> Self {
        Self { rho: None, over_relaxation: T::of(1.6), max_rho_changes: 30, abs_share: T::of(1e-3) }
    }
}

impl<T: Scalar> AdmmOptions<T> {
    /// Sets the start of the penalty parameter.
    #[must_use]
    pub fn rho(mut self, rho: T) -> Self {
        self.rho = Some(rho);
        self
    }

    /// Sets the over-relaxation.
    #[must_use]
    pub fn over_relaxation(mut self, a: T) -> Self {
        self.over_relaxation = a;
        self
    }

    /// Sets how often the penalty may change; 0 keeps it fixed.
    #[must_use]
    pub fn max_rho_changes(mut self, n: usize) -> Self {
        self.max_rho_changes = n;
        self
    }

    /// Sets the absolute share of the tolerance.
    #[must_use]
    pub fn abs_share(mut self, share: T) -> Self {
        self.abs_share = share;
        self
    }

    fn validate(&self) -> Result<(), LinalgError> {
        if let Some(rho) = self.rho {
            check::positive("rho", rho)?;
        }
        check::non_negative("abs_share", self.abs_share)?;
        let a = self.over_relaxation;
        if a >= T::one() && a <= T::of(1.8) {
            Ok(())
        } else {
            Err(LinalgError::InvalidParam { name: "over_relaxation", expected: "1 to 1.8", got: a.as_f64() })
        }
    }
}

/// When the penalty was last looked at and how often it changed.
#[derive(Debug, Clone, Copy)]
struct Adaptation {
    changes: usize,
    wait: usize,
    since: usize,
}

/// Iterations between the first two looks at the balance of the residuals; grows by a quarter after each change
/// that was not cut to [`LARGEST_CHANGE`].
const FIRST_WAIT: usize = 10;
/// The square root of the ratio of the residuals that is aimed at: a primal residual a quarter of the dual one. On
/// Lasso problems equal residuals leave the penalty too small, the more so the worse its start.
const TARGET: f64 = 0.5;
/// A penalty within this factor of the one aimed at is left alone.
const BALANCED: f64 = 1.5;
/// One change multiplies or divides the penalty by at most this.
const LARGEST_CHANGE: f64 = 10.0;

impl<'a, T: Scalar> Admm<'a, T> {
    /// A cold start, `z = u = 0`. `k = None` is the identity.
    ///
    /// # Errors
    /// [`SolveError::Linalg`] if the options are out of range, the dimensions of `update`, `g` and `k` do not fit, or
    /// the first factorisation fails.
    pub fn new(
        update: Box<dyn XUpdate<T> + 'a>,
        g: &'a dyn Prox<T>,
        k: Option<&'a dyn LinearOperator<T>>,
        options: &AdmmOptions<T>,
    ) -> Result<Self, SolveError> {
        options.validate()?;
        let n = update.dim();
        let m = k.map_or(n, LinearOperator::nrows);
        if let Some(k) = k {
            check::len("columns of K", n, k.ncols())?;
        }
        if let Some(dim) = g.dim() {
            check::len("rows of K against the dimension of g", dim, m)?;
        }
        let scales = update.scales();
        let rho =
            options.rho.unwrap_or(if scales.curvature > T::zero() { scales.curvature } else { T::one() });
        let req = k.map_or_else(|| g.scratch(m), |k| g.scratch(m).or(k.scratch()));
        let zeros = |len| vec![T::zero(); len];
        let mut this = Self {
            update,
            g,
            k,
            options: *options,
            scales,
            rho,
            x: zeros(n),
            kx: zeros(m),
            z: zeros(m),
            z_old: zeros(m),
            u: zeros(m),
            tmp: zeros(m),
            q: zeros(n),
            inner_tol: T::of(1e-2) * scales.gradient,
            adaptation: Adaptation { changes: 0, wait: FIRST_WAIT, since: 0 },
            progress: Progress::new(0, T::infinity()).dual_residual(T::infinity()),
            workspace: Workspace::new(req),
        };
        this.update.prepare(rho)?;
        Ok(this)
    }

    /// Starts from the given point `x`, copied, with `z = K x`, and the multiplier `y`, for example those of a
    /// neighbouring problem; zeros where nothing better is known.
    ///
    /// # Errors
    /// [`SolveError::Linalg`] if a length differs from the columns or rows of `K` or an entry is not finite.
    pub fn start_from(&mut self, x: &[T], y: &[T]) -> Result<(), SolveError> {
        check::len("start x", self.x.len(), x.len())?;
        check::len("start y", self.u.len(), y.len())?;
        check::finite("start x", x)?;
        check::finite("start y", y)?;
        self.x.copy_from_slice(x);
        match self.k {
            None => self.z.copy_from_slice(x),
            Some(k) => k.apply(x, &mut self.z, self.workspace.stack()),
        }
        for (u, &y) in self.u.iter_mut().zip(y) {
            *u = y / self.rho;
        }
        Ok(())
    }

    /// Goes on with another `g` of the same dimension from the present point and penalty: a path of solutions.
    ///
    /// # Errors
    /// [`SolveError::Linalg`] if the dimension of `g` does not fit.
    pub fn restart(&mut self, g: &'a dyn Prox<T>) -> Result<(), SolveError> {
        if let Some(dim) = g.dim() {
            check::len("dimension of g", self.z.len(), dim)?;
        }
        self.g = g;
        let req = g.scratch(self.z.len());
        self.workspace = Workspace::new(self.k.map_or(req, |k| req.or(k.scratch())));
        self.adaptation = Adaptation { changes: 0, wait: FIRST_WAIT, since: 0 };
        self.progress = Progress::new(0, T::infinity()).dual_residual(T::infinity());
        Ok(())
    }

    /// The smooth side `x`; it satisfies `K x = z` up to the residual and has no exact zeros.
    #[must_use]
    pub fn x(&self) -> &[T] {
        &self.x
    }

    /// The side of the prox `z`, the same as [`iterate`](Iteration::iterate).
    #[must_use]
    pub fn z(&self) -> &[T] {
        &self.z
    }

    /// Writes the multiplier `y = rho·u`, a subgradient of `g` at `z`, into `y`.
    ///
    /// # Panics
    /// If `y.len()` is not the number of rows of `K`.
    pub fn dual_into(&self, y: &mut [T]) {
        check::dim("Admm::dual_into", self.u.len(), y.len());
        for (y, &u) in y.iter_mut().zip(&self.u) {
            *y = self.rho * u;
        }
    }

    /// The penalty parameter now in use.
    #[must_use]
    pub fn rho(&self) -> T {
        self.rho
    }

    /// How often the penalty has changed.
    #[must_use]
    pub fn rho_changes(&self) -> usize {
        self.adaptation.changes
    }

    /// Both residuals and the tolerance of the next inner solve.
    fn measure(&mut self, inner_error: T) {
        let primal = vecops::sq_dist(&self.kx, &self.z).sqrt();
        // ∇f(x) = −rho Kᵀ(K x − z_old + u_old), hence ∇f(x) + Kᵀy = rho Kᵀ(h − z − K x + z_old).
        let a = self.options.over_relaxation - T::one();
        for i in 0..self.tmp.len() {
            self.tmp[i] = self.rho * ((self.z_old[i] - self.z[i]) + a * (self.kx[i] - self.z_old[i]));
        }
        let (dual, kty) = match self.k {
            None => (vecops::norm(&self.tmp), self.rho * vecops::norm(&self.u)),
            Some(k) => {
                k.apply_adjoint(&self.tmp, &mut self.q, self.workspace.stack());
                let dual = vecops::norm(&self.q);
                k.apply_adjoint(&self.u, &mut self.q, self.workspace.stack());
                (dual, self.rho * vecops::norm(&self.q))
            }
        };
        let dual = dual + inner_error;
        self.inner_tol = T::of(0.1) * dual.min(self.rho * primal);
        let share = self.options.abs_share;
        let unit = if self.scales.curvature > T::zero() {
            self.scales.gradient / self.scales.curvature
        } else {
            T::zero()
        };
        let size = vecops::norm(&self.kx).max(vecops::norm(&self.z));
        self.progress = Progress::new(self.progress.iter + 1, ratio(primal, size + share * unit))
            .dual_residual(ratio(dual, kty + share * self.scales.gradient));
    }

    /// Balances the residuals by moving `rho`, now and then.
    fn adapt(&mut self) -> Result<(), SolveError> {
        self.adaptation.since += 1;
        if self.adaptation.changes >= self.options.max_rho_changes
            || self.adaptation.since < self.adaptation.wait
        {
            return Ok(());
        }
        self.adaptation.since = 0;
        let dual = self.progress.dual_residual.unwrap_or_else(T::zero);
        if self.progress.residual.max(dual) <= T::of(1e3) * T::epsilon() {
            return Ok(()); // Both are rounding: their ratio says nothing.
        }
        let imbalance = (self.progress.residual / dual).sqrt() / T::of(TARGET);
        let (low, high) = (T::of(LARGEST_CHANGE).recip(), T::of(LARGEST_CHANGE));
        let factor = imbalance.max(low).min(high);
        let balanced = T::of(BALANCED);
        if imbalance.is_nan() || (factor < balanced && factor > balanced.recip()) {
            return Ok(());
        }
        self.adaptation.changes += 1;
        if imbalance == factor {
            self.adaptation.wait += self.adaptation.wait / 4;
        }
        self.rho *= factor;
        vecops::scale(factor.recip(), &mut self.u);
        self.update.prepare(self.rho)
    }
}

/// `a / b`, 0 if both are 0.
fn ratio<T: Scalar>(a: T, b: T) -> T {
    if a == T::zero() { T::zero() } else { a / b }
}

impl<T: Scalar> Iteration<T> for Admm<'_, T> {
    fn step(&mut self) -> Result<(), SolveError> {
        for i in 0..self.tmp.len() {
            self.tmp[i] = self.rho * (self.z[i] - self.u[i]);
        }
        let q = match self.k {
            None => &self.tmp,
            Some(k) => {
                k.apply_adjoint(&self.tmp, &mut self.q, self.workspace.stack());
                &self.q
            }
        };
        let inner_error = self.update.solve_into(q, self.inner_tol, &mut self.x)?;
        match self.k {
            None => self.kx.copy_from_slice(&self.x),
            Some(k) => k.apply(&self.x, &mut self.kx, self.workspace.stack()),
        }
        std::mem::swap(&mut self.z, &mut self.z_old);
        let a = self.options.over_relaxation;
        for i in 0..self.u.len() {
            self.u[i] += a * self.kx[i] + (T::one() - a) * self.z_old[i];
        }
        self.g.prox_into(&self.u, self.rho.recip(), &mut self.z, self.workspace.stack());
        for (u, &z) in self.u.iter_mut().zip(&self.z) {
            *u -= z;
        }
        self.measure(inner_error);
        self.adapt()
    }

    fn progress(&self) -> Progress<T> {
        self.progress
    }

    fn iterate(&self) -> &[T] {
        &self.z
    }
}
