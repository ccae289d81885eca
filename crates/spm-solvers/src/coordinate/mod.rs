//! Coordinate descent with working sets for a quadratic loss and a separable penalty.

mod anderson;
mod dual;
mod newton;
mod screening;
mod working_set;

use anderson::Anderson;
use dual::DualBound;
use newton::Newton;
use screening::Screening;
use spm_linalg::{DesignMatrix, LinalgError, Scalar, SeparableProx, Workspace, check, vecops};
use working_set::WorkingSet;

use crate::{Certificate, Certify, Iteration, Progress, SolveError};

/// At most this many epochs on one working set before all columns are looked at again.
const MAX_EPOCHS: usize = 100;
/// A Newton step with more new coordinates than this, and than a quarter of all, waits this many epochs: many of them may
/// leave again. Any waits a quarter of the epochs that could be made at its cost.
const FEW_NEW: usize = 8;
const NEWTON_WAIT: usize = 3;
/// With a new penalty a step on the old support comes first, unless it would wait longer than this.
const PREDICT: usize = 8;
/// A working set is solved when its violation is below this share of the last overall violation.
const INNER_SHARE: f64 = 0.1;

/// Coordinate descent on a growing working set, with Anderson extrapolation and a duality gap.
///
/// Minimises
/// $$F(w) = \tfrac{c}{2}\,\lVert y - X w \rVert_2^2 + \sum_j g_j(w_j),$$
/// in plain text `F(w) = c/2 * ||y - X w||^2 + sum_j g_j(w_j)`, with `X` n × p, `y` of length n, `w` of length p.
///
/// One [`step`](Iteration::step) is one epoch: every coordinate of the working set is minimised exactly once, in
/// increasing order, and every few epochs the exact minimiser on the support is tried, by a Newton step where the
/// penalty tells its derivatives, or the last iterates are extrapolated; each is kept only if the objective
/// decreases. When the working set is solved well enough, one pass over all columns measures the optimality
/// violation, takes the worst offenders in, and computes a lower bound of the optimum from a feasible dual point. Columns
/// whose correlation cannot have reached the penalty since it was last computed are passed over: the change is at most
/// `c·‖x_j‖` times the change of the residual.
/// [`Progress::gap`] is the present objective minus the best bound so far. The residual is recomputed at each
/// pass, so it does not drift.
///
/// [`Progress::residual`] is the largest `dist(c·x_jᵀ(y − Xw), ∂g_j(w_j))` over all columns at the last pass.
///
/// An epoch costs O(stored entries of the working set), a pass O(stored entries of `X`); memory O(n + 20 p), plus
/// n numbers for each unpenalised column, plus `n·s + 1.5·s²` for `s <= 4096` coordinates that were ever in the support
/// (fewer where `n·s` exceeds 2²⁵). A step allocates nothing, unless the feature `rayon` splits the passes over a
/// large `X` between threads; the result has the same bits for any number of them.
///
/// The gap needs [`spm_linalg::Prox::polar`] or [`spm_linalg::Prox::conj_value`]; without either
/// [`Progress::gap`] stays `None`. Columns that `g` does not penalise (on one or both sides of zero) are projected
/// out of the dual point, so that the gap stays finite.
///
/// Sources: Friedman, Hastie and Tibshirani 2010 (coordinate descent); Massias, Gramfort and Salmon 2018 and
/// Bertrand et al. 2022, algorithm 1 (working sets); Bertrand and Massias 2021, algorithm 2 (extrapolation);
/// Osborne, Presnell and Turlach 2000 (steps on the support);
/// Ndiaye et al. 2017, section 3 (dual point by rescaling); Tibshirani et al. 2012, section 7 (what a path looks at first).
///
/// ```
/// use spm_linalg::{Dense, penalty::L1};
/// use spm_solvers::{Control, CoordinateDescent, Iteration, run, stop::Gap};
/// let x = Dense::from_column_major(&[1.0, 0.0, 0.0, 1.0], 2, 2)?;
/// let mut cd = CoordinateDescent::new(x, &[3.0, -0.5], 1.0, L1::new(1.0)?)?;
/// let report = run(&mut cd, Control::new(100, &mut Gap { tol: 1e-12 }))?;
/// assert!(report.status.is_converged());
/// assert_eq!(cd.iterate(), [2.0, 0.0]);
/// # Ok::<(), spm_solvers::SolveError>(())
/// ```
#[derive(Debug)]
pub struct CoordinateDescent<'a, T: Scalar, X, G> {
    x: X,
    y: &'a [T],
    /// `c`.
    curvature: T,
    g: G,
    w: Vec<T>,
    /// `y − X w`, carried.
    residual: Vec<T>,
    /// `1 / (c ‖x_j‖²)`, 0 for a zero column.
    step_size: Vec<T>,
    /// `c Xᵀ(y − X w)` at the last pass; of a column that was passed over, as it was when last computed.
    correlation: Vec<T>,
    screening: Screening<T>,
    /// `dist(correlation, ∂g)` at the last pass.
    violation: Vec<T>,
    working: WorkingSet,
    anderson: Anderson<T>,
    newton: Newton<T>,
    /// Epochs since the last Newton step was tried.
    since_newton: usize,
    /// Whether the penalty is new: the minimiser on the old support is the first guess.
    predict: bool,
    dual: DualBound<T>,
    workspace: Workspace,
    /// Epochs on the current working set.
    epochs: usize,
    solved: bool,
    /// Whether the last pass was at the present iterate.
    measured: bool,
    /// Whether there was a pass with the present penalty.
    judged: bool,
    iter: usize,
    primal: T,
    worst: T,
}

impl<'a, T: Scalar, X: DesignMatrix<T>, G: SeparableProx<T>> CoordinateDescent<'a, T, X, G> {
    /// The problem with loss weight `curvature` (`c > 0`: 1 for a sum of squares, 1/n for a mean), started at 0.
    ///
    /// O(stored entries of `X`): one pass is made to know the gap at the start.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if `y` does not have `nrows` entries or `g` is of another dimension than `ncols`;
    /// [`LinalgError::NonFinite`] for a NaN or infinity in `y`; [`LinalgError::InvalidParam`] unless
    /// `curvature > 0`.
    pub fn new(x: X, y: &'a [T], curvature: T, g: G) -> Result<Self, SolveError> {
        let mut this = Self::build(x, y, curvature, g)?;
        this.pass();
        Ok(this)
    }

    /// As [`new`](Self::new) where `Xᵀy` (length p) is known, which saves the first pass. Bounds of later correlations start from
    /// it: it must be exact up to rounding.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`LinalgError::Shape`] if `product` is of another length.
    pub fn with_product(x: X, y: &'a [T], curvature: T, g: G, product: &[T]) -> Result<Self, SolveError> {
        check::len("product", x.ncols(), product.len())?;
        let mut this = Self::build(x, y, curvature, g)?;
        this.rebuild_residual();
        this.correlation.copy_from_slice(product);
        vecops::scale(curvature, &mut this.correlation);
        this.measure();
        Ok(this)
    }

    fn build(x: X, y: &'a [T], curvature: T, g: G) -> Result<Self, SolveError> {
        let (n, p) = (x.nrows(), x.ncols());
        check::len("y", n, y.len())?;
        check::finite("y", y)?;
        check::positive("curvature", curvature)?;
        if let Some(dim) = g.dim() {
            check::len("penalty dimension", p, dim)?;
        }
        let mut step_size = vec![T::zero(); p];
        for (j, s) in step_size.iter_mut().enumerate() {
            let sq = x.col_sq_norm(j);
            if !sq.is_finite() {
                return Err(LinalgError::NonFinite { what: "squared column norms of X", index: j }.into());
            }
            if sq > T::zero() {
                *s = (curvature * sq).recip();
            }
        }
        let dual = DualBound::new(&x, &g, &step_size);
        let screening = Screening::new(&x, n);
        let newton = Newton::new(&x);
        let workspace = Workspace::new(x.scratch().or(g.scratch(p)));
        Ok(Self {
            residual: vec![T::zero(); n + x.carry_len()],
            w: vec![T::zero(); p],
            step_size,
            correlation: vec![T::zero(); p],
            violation: vec![T::zero(); p],
            working: WorkingSet::new(p),
            anderson: Anderson::new(p),
            newton,
            screening,
            since_newton: 0,
            predict: false,
            dual,
            workspace,
            epochs: 0,
            solved: true,
            measured: false,
            judged: false,
            iter: 0,
            primal: T::zero(),
            worst: T::zero(),
            x,
            y,
            curvature,
            g,
        })
    }

    /// Continues from `w0` (length p) instead of 0. One pass.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] or [`LinalgError::NonFinite`] for a bad start.
    pub fn start_at(mut self, w0: &[T]) -> Result<Self, SolveError> {
        self.move_to(w0)?;
        Ok(self)
    }

    /// Sets the iterate to `w0` (length p), brought into the domain of the penalty if it is outside. One pass.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] or [`LinalgError::NonFinite`] for a bad start.
    pub fn move_to(&mut self, w0: &[T]) -> Result<(), SolveError> {
        check::len("start", self.w.len(), w0.len())?;
        check::finite("start", w0)?;
        for (j, (w, &v)) in self.w.iter_mut().zip(w0).enumerate() {
            // Outside the domain a tiny step: little more than the projection.
            let inside = self.g.value_at(j, v).is_finite();
            *w = if inside { v } else { self.g.prox_at(j, v, T::epsilon() * self.step_size[j]) };
        }
        self.solved = true;
        self.pass();
        Ok(())
    }

    /// Replaces the penalty, as along a path: the iterate stays; there is no gap before the first pass with the new one,
    /// and the residual is infinite.
    ///
    /// `look_ahead >= 1` also takes those columns into the first working set whose correlation would violate the new
    /// penalty if they were `look_ahead` times larger: for an L1 penalty that falls from `a` to `b`, `1/(2 − a/b)` is the
    /// sequential strong rule. It only decides what is looked at first, by the correlations of the last pass. O(n + p).
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if `g` is of another dimension; [`LinalgError::InvalidParam`] for a `look_ahead` below 1.
    pub fn restart(&mut self, g: G, look_ahead: T) -> Result<(), SolveError> {
        if let Some(dim) = g.dim() {
            check::len("penalty dimension", self.w.len(), dim)?;
        }
        check::non_negative("look_ahead - 1", look_ahead - T::one())?;
        self.dual.reset(&self.x, &g, &self.step_size);
        self.g = g;
        self.iter = 0;
        self.solved = true;
        self.predict = true;
        // A column that the last pass left out may matter to the new penalty: no certificate from these correlations.
        self.measured = false;
        self.judged = false;
        self.judge();
        for j in (0..self.w.len()).filter(|&j| self.w[j] == T::zero()) {
            let ahead = -look_ahead * self.correlation[j];
            self.violation[j] = larger(self.violation[j], self.g.subdiff_distance_at(j, T::zero(), ahead));
        }
        Ok(())
    }

    /// Objective and lower bound at the iterate, computed from `y`, `X` and the iterate alone by a pass over the columns
    /// if the last step did not end with one; `None` where the penalty knows neither polar nor conjugate.
    pub fn certificate(&mut self) -> Option<Certificate<T>> {
        if !self.measured {
            self.pass();
        }
        self.dual.best().map(|dual| Certificate::new(self.primal, dual))
    }

    /// The residual `y − X w` of the last pass or epoch.
    pub fn residual(&mut self) -> &[T] {
        self.x.settle(&mut self.residual, false);
        &self.residual[..self.y.len()]
    }

    /// `c Xᵀθ` of the last pass, with `θ` the residual projected off the columns that `g` does not penalise, not
    /// yet rescaled: what a penalty must outweigh for its coordinate to stay at zero.
    #[must_use]
    pub fn projected_correlation(&self) -> &[T] {
        self.dual.correlation()
    }

    /// Measures everything at the iterate from scratch.
    fn pass(&mut self) {
        self.rebuild_residual();
        // A dual point that is not the residual itself is tried against every column anyway.
        let screened = self.dual.is_residual()
            && self.screening.update(
                &self.x,
                &self.g,
                self.curvature,
                &self.w,
                &self.residual,
                &mut self.correlation,
            );
        if screened {
            self.judge_with_bound();
        } else {
            screening::correlations(&self.x, self.curvature, &self.residual, &mut self.correlation);
            self.measure();
        }
    }

    /// Measures everything at an iterate whose correlations with all columns are known.
    fn measure(&mut self) {
        self.screening.refer_to(&self.residual[..self.y.len()], &self.correlation);
        self.judge_with_bound();
    }

    /// Violation, objective and bound from the correlations of the last pass.
    fn judge_with_bound(&mut self) {
        let n = self.y.len();
        self.judge();
        self.dual.update(
            &self.x,
            &self.g,
            self.curvature,
            self.y,
            &self.residual[..n],
            &self.correlation,
            &self.w,
            self.workspace.stack(),
        );
        self.measured = true;
        self.judged = true;
    }

    /// Violation and objective from the correlations of the last pass.
    fn judge(&mut self) {
        let n = self.y.len();
        self.worst = T::zero();
        for j in 0..self.w.len() {
            let v = self.g.subdiff_distance_at(j, self.w[j], -self.correlation[j]);
            self.worst = larger(self.worst, v);
            self.violation[j] = v;
        }
        self.primal =
            T::of(0.5) * self.curvature * vecops::sq_norm(&self.residual[..n]) + self.g.value(&self.w);
    }

    /// `residual ← y − X w`, settled.
    fn rebuild_residual(&mut self) {
        let n = self.y.len();
        self.residual[..n].copy_from_slice(self.y);
        self.x.settle(&mut self.residual, true);
        for (j, &w) in self.w.iter().enumerate() {
            if w != T::zero() {
                self.x.carried_axpy(j, -w, &mut self.residual);
            }
        }
        self.x.settle(&mut self.residual, false);
    }

    /// Minimises over each coordinate of the working set once; returns the largest violation met.
    fn epoch(&mut self) -> T {
        let mut worst = T::zero();
        for &j in self.working.indices() {
            // A zero column is left to the penalty: a step without end.
            let step = if self.step_size[j] > T::zero() { self.step_size[j] } else { T::epsilon().recip() };
            let old = self.w[j];
            let correlation = self.curvature * self.x.carried_dot(j, &self.residual);
            let violation = self.g.subdiff_distance_at(j, old, -correlation);
            worst = larger(worst, violation);
            let new = self.g.prox_at(j, old + step * correlation, step);
            if new != old {
                self.x.carried_axpy(j, old - new, &mut self.residual);
                self.w[j] = new;
            }
        }
        self.x.settle(&mut self.residual, false);
        worst
    }

    /// The objective at the iterate, known to vanish outside the working set.
    fn objective(&self) -> T {
        let loss = vecops::sq_norm(&self.residual[..self.y.len()]);
        let penalty: T = self.working.indices().iter().map(|&j| self.g.value_at(j, self.w[j])).sum();
        T::of(0.5) * self.curvature * loss + penalty
    }

    /// Tries the exact minimiser on the support; true if the objective decreased.
    fn newton(&mut self) -> bool {
        let Some(fresh) = self.newton.choose(&self.g, self.working.indices(), &self.w) else { return false };
        let (cost, epoch) = self.newton.cost(&self.x, fresh);
        let many = !self.solved && fresh > FEW_NEW.max(self.working.indices().len() / 8);
        let wait = if many { NEWTON_WAIT } else { 1 }.max(cost / (4 * epoch));
        if self.since_newton < wait {
            return false;
        }
        self.since_newton = 0;
        let before = self.objective();
        if !self.newton.minimise(&self.x, &self.g, self.curvature, &mut self.w, &mut self.residual) {
            self.newton.undo(&mut self.w);
            self.rebuild_residual();
            return false;
        }
        self.rebuild_residual();
        if self.objective() < before {
            return true;
        }
        self.newton.undo(&mut self.w);
        self.rebuild_residual();
        false
    }

    /// Tries the extrapolation of the last iterates; keeps it if the objective decreases.
    fn extrapolate(&mut self) {
        let before = self.objective();
        let set = self.working.indices();
        let Some(point) = self.anderson.extrapolate() else { return };
        for (e, &j) in point.iter_mut().zip(set) {
            core::mem::swap(e, &mut self.w[j]);
        }
        self.rebuild_residual();
        let improved = self.objective() < before;
        if !improved {
            let set = self.working.indices();
            for (e, &j) in self.anderson.point().iter_mut().zip(set) {
                core::mem::swap(e, &mut self.w[j]);
            }
            self.rebuild_residual();
        }
    }
}

impl<T: Scalar, X: DesignMatrix<T>, G: SeparableProx<T>> Iteration<T> for CoordinateDescent<'_, T, X, G> {
    fn step(&mut self) -> Result<(), SolveError> {
        self.measured = false;
        if self.solved {
            self.working.select(&self.w, &self.violation, &self.step_size);
            self.anderson.restart(self.working.indices(), &self.w);
            self.epochs = 0;
            self.solved = false;
        }
        if core::mem::take(&mut self.predict) {
            self.since_newton = PREDICT;
            let _ = self.newton();
        }
        let worst = self.epoch();
        self.epochs += 1;
        self.since_newton = self.since_newton.saturating_add(1);
        self.iter += 1;
        let unsolved = worst > T::of(INNER_SHARE) * self.worst;
        self.solved = !unsolved || self.epochs >= MAX_EPOCHS;
        let stepped = self.newton();
        if self.solved {
            self.pass();
        } else if stepped {
            self.anderson.restart(self.working.indices(), &self.w);
        } else if self.anderson.push(self.working.indices(), &self.w) {
            self.extrapolate();
            self.anderson.restart(self.working.indices(), &self.w);
        }
        if !self.solved {
            self.primal = self.objective();
        }
        Ok(())
    }

    fn progress(&self) -> Progress<T> {
        let worst = if self.judged { self.worst } else { T::infinity() };
        let p = Progress::new(self.iter, worst).objective(self.primal);
        match self.dual.best() {
            Some(dual) => p.gap((self.primal - dual).max(T::zero())),
            None => p,
        }
    }

    fn iterate(&self) -> &[T] {
        &self.w
    }
}

/// Moves to the point that it judges; a point outside the domain of the penalty is brought into it.
impl<T: Scalar, X: DesignMatrix<T>, G: SeparableProx<T>> Certify<T> for CoordinateDescent<'_, T, X, G> {
    fn certify(&mut self, w: &[T]) -> Certificate<T> {
        check::dim("CoordinateDescent::certify w", self.w.len(), w.len());
        match self.move_to(w) {
            Ok(()) => Certificate::new(self.primal, self.dual.best().unwrap_or_else(T::neg_infinity)),
            Err(_) => Certificate::new(T::nan(), T::nan()),
        }
    }
}

/// The larger of the two; a NaN wins, for the driver to see.
fn larger<T: Scalar>(a: T, b: T) -> T {
    if b > a || b.is_nan() { b } else { a }
}
