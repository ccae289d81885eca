//! Block coordinate descent for a quadratic loss and a penalty over groups of coordinates.

mod dual;
mod newton;
mod update;

use dual::DualBound;
use newton::Newton;
use spm_linalg::{DesignMatrix, GroupProx, LinalgError, Scalar, Workspace, check, vecops};
use update::BlockUpdate;

use crate::{Certificate, Iteration, Progress, SolveError};

/// At most this many epochs on one working set before all blocks are looked at again.
const MAX_EPOCHS: usize = 100;
/// The first working set has at most this many blocks outside the support.
const START: usize = 30;
/// A working set is solved when its violation is below this share of the last overall violation.
const INNER_SHARE: f64 = 0.1;
/// Epochs before a Newton step is tried, and again after one that failed.
const NEWTON_WAIT: usize = 4;

/// Block coordinate descent on a growing working set, with Newton steps on the support and a duality gap.
///
/// Minimises
/// $$F(W) = \tfrac{c}{2}\,\lVert Y - X W \rVert_F^2 + \sum_b g_b(W_b),$$
/// in plain text `F(W) = c/2 * ||Y - X W||_F^2 + sum_b g_b(W_b)`, with `X` n × p, `Y` n × t, `W` p × t, and every block
/// `W_b` made of whole rows of `W`: groups of features with one target (group lasso), single features with several
/// targets (multi-task lasso), or both.
///
/// The unknowns are kept **block by block**: position `k` belongs to column `features[k]` of `X` and holds its `t`
/// targets one after the other, and block `b` of the penalty is a run of whole positions. [`iterate`](Iteration::iterate)
/// has this order.
///
/// One [`step`](Iteration::step) is one epoch over the blocks of the working set. A block of one column is minimised
/// exactly; a larger one takes proximal steps with its cached Gram matrix. Every few epochs a Newton step on the
/// nonzero coordinates is tried and kept if the objective decreases. When the working set is solved well enough, one
/// pass over all columns measures the violation of every block, takes the worst in, and computes a lower bound of the
/// optimum from a feasible dual point: the residual, off the columns that are not penalised, divided by the polar of
/// the penalty. [`Progress::gap`] is the present objective minus the best bound so far; without
/// [`spm_linalg::Prox::polar`] it stays `None`. [`Progress::residual`] is the largest `dist(c·X_bᵀ(Y − XW), ∂g_b(W_b))`.
///
/// An epoch costs O(t · stored entries of the working set), a pass O(t · stored entries of `X`); memory
/// `O(n t + p t)`, the Gram matrices of the blocks, and `n·s + 1.5·s²` for a support of `s` coordinates. A step
/// allocates nothing.
///
/// Sources: Yuan and Lin 2006; Qin, Scheinberg and Goldfarb 2013, *Efficient block-coordinate descent algorithms for
/// the group lasso*; Simon et al. 2013; Ndiaye et al. 2017, section 3 (dual point by rescaling).
///
/// ```
/// use spm_linalg::{Dense, penalty::GroupL2};
/// use spm_solvers::{BlockDescent, Control, Iteration, run, stop::Gap};
/// // An orthogonal design: the block (3, 4) is shortened by 1, the block (0.5) vanishes.
/// let x = Dense::from_column_major(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], 3, 3)?;
/// let g = GroupL2::new(1.0, &[2, 1], vec![1.0, 1.0])?;
/// let mut solver = BlockDescent::new(x, &[3.0_f64, 0.5, 4.0], 1, 1.0, g, &[0, 2, 1])?;
/// let report = run(&mut solver, Control::new(100, &mut Gap { tol: 1e-12 }))?;
/// assert!(report.status.is_converged());
/// assert!((solver.iterate()[0] - 2.4).abs() < 1e-6 && (solver.iterate()[1] - 3.2).abs() < 1e-6);
/// assert_eq!(solver.iterate()[2], 0.0);
/// # Ok::<(), spm_solvers::SolveError>(())
/// ```
#[derive(Debug)]
pub struct BlockDescent<'a, T: Scalar, X, G> {
    x: X,
    /// Column by column.
    y: &'a [T],
    targets: usize,
    curvature: T,
    g: G,
    /// The column of each position.
    features: Vec<usize>,
    w: Vec<T>,
    /// `Y − X W`, carried, target by target.
    residual: Vec<T>,
    /// `c Xᵀ(Y − X W)` at the last pass, in the order of `w`.
    correlation: Vec<T>,
    /// A product with `Xᵀ`, one target, in the order of the columns.
    product: Vec<T>,
    violation: Vec<T>,
    working: Vec<usize>,
    working_len: usize,
    update: BlockUpdate<T>,
    newton: Newton<T>,
    since_newton: usize,
    dual: DualBound<T>,
    workspace: Workspace,
    epochs: usize,
    solved: bool,
    iter: usize,
    primal: T,
    worst: T,
}

impl<'a, T: Scalar, X: DesignMatrix<T>, G: GroupProx<T>> BlockDescent<'a, T, X, G> {
    /// The problem with loss weight `curvature` (`c > 0`), started at 0 (blocks without penalty at their least-squares
    /// fit). `y` has `nrows·targets` entries, column by
    /// column; `features` is the column of `X` at each position.
    ///
    /// O(stored entries of `X`·largest cached block) for the Gram matrices.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if a length does not fit or a group of `g` is not made of whole positions;
    /// [`LinalgError::NonFinite`] for a NaN or infinity in `y` or `X`; [`LinalgError::InvalidParam`] unless
    /// `curvature > 0`, `targets > 0`, and `features` holds every column at most once.
    pub fn new(
        x: X,
        y: &'a [T],
        targets: usize,
        curvature: T,
        g: G,
        features: &[usize],
    ) -> Result<Self, SolveError> {
        let (n, p) = (x.nrows(), x.ncols());
        check::non_empty("targets", targets)?;
        check::len("y", n * targets, y.len())?;
        check::finite("y", y)?;
        check::positive("curvature", curvature)?;
        let size = features.len() * targets;
        check::len("penalty dimension", size, g.dim().unwrap_or(size))?;
        let mut seen = vec![false; p];
        for &j in features {
            if j >= p || core::mem::replace(&mut seen[j], true) {
                let expected = "every column at most once";
                return Err(LinalgError::InvalidParam { name: "features", expected, got: j as f64 }.into());
            }
        }
        for b in 0..g.n_groups() {
            let range = g.group(b);
            let (start, len) = (range.start % targets, range.len() % targets);
            check::len("a group: coordinates beyond whole rows", 0, start + len)?;
        }
        let update = BlockUpdate::new(&x, &g, features, targets, curvature)?;
        let dual = DualBound::new(&x, &g, features, targets)?;
        let workspace = Workspace::new(x.scratch().or(g.scratch(size)));
        let blocks = g.n_groups();
        let mut this = Self {
            residual: vec![T::zero(); (n + x.carry_len()) * targets],
            w: vec![T::zero(); size],
            correlation: vec![T::zero(); size],
            product: vec![T::zero(); p],
            violation: vec![T::zero(); blocks],
            working: (0..blocks).collect(),
            working_len: 0,
            newton: Newton::new(n, size, largest_group(&g)),
            features: features.to_vec(),
            update,
            since_newton: 0,
            dual,
            workspace,
            epochs: 0,
            solved: true,
            iter: 0,
            primal: T::zero(),
            worst: T::zero(),
            x,
            y,
            targets,
            curvature,
            g,
        };
        this.dual.fit_free(y, &mut this.w);
        this.pass();
        Ok(this)
    }

    /// Sets the iterate to `w0`, block by block. One pass.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] or [`LinalgError::NonFinite`] for a bad start.
    pub fn move_to(&mut self, w0: &[T]) -> Result<(), SolveError> {
        check::len("start", self.w.len(), w0.len())?;
        check::finite("start", w0)?;
        self.w.copy_from_slice(w0);
        self.solved = true;
        self.pass();
        Ok(())
    }

    /// Objective and lower bound at the iterate, measured anew by a pass over all columns; `None` where the penalty
    /// has no polar.
    pub fn certificate(&mut self) -> Option<Certificate<T>> {
        self.pass();
        self.dual.best().map(|dual| Certificate::new(self.primal, dual))
    }

    /// `c Xᵀθ` of the last pass, block by block, with `θ` the residual projected off the columns that `g` does not
    /// penalise, not yet rescaled: what a penalty must outweigh for its block to stay at zero.
    #[must_use]
    pub fn projected_correlation(&self) -> &[T] {
        self.dual.correlation()
    }

    fn stride(&self) -> usize {
        self.residual.len() / self.targets
    }

    /// Measures everything at the iterate from scratch.
    fn pass(&mut self) {
        self.rebuild_residual();
        let (n, t, stride) = (self.x.nrows(), self.targets, self.stride());
        for s in 0..t {
            let r = &self.residual[s * stride..s * stride + n];
            self.x.apply_adjoint(r, &mut self.product, self.workspace.stack());
            for (k, &j) in self.features.iter().enumerate() {
                self.correlation[k * t + s] = self.curvature * self.product[j];
            }
        }
        self.worst = T::zero();
        for b in 0..self.violation.len() {
            let range = self.g.group(b);
            // The distance takes a gradient: minus the correlation.
            let grad = self.update.negated(&self.correlation[range.clone()]);
            let v = self.g.subdiff_distance_group(b, &self.w[range], grad);
            if v > self.worst || v.is_nan() {
                self.worst = v;
            }
            self.violation[b] = v;
        }
        self.primal = self.loss() + self.g.value(&self.w);
        self.dual.update(
            &self.x,
            &self.g,
            &self.features,
            self.curvature,
            self.y,
            &self.residual,
            &self.correlation,
            &mut self.product,
            self.workspace.stack(),
        );
    }

    fn loss(&self) -> T {
        let n = self.x.nrows();
        let squares = self.residual.chunks_exact(self.stride()).map(|r| vecops::sq_norm(&r[..n]));
        T::of(0.5) * self.curvature * squares.sum::<T>()
    }

    /// `residual ← Y − X W`, settled.
    fn rebuild_residual(&mut self) {
        let (n, t, stride) = (self.x.nrows(), self.targets, self.stride());
        for (s, r) in self.residual.chunks_exact_mut(stride).enumerate() {
            r[..n].copy_from_slice(&self.y[s * n..(s + 1) * n]);
            self.x.settle(r, true);
            for (k, &j) in self.features.iter().enumerate() {
                let w = self.w[k * t + s];
                if w != T::zero() {
                    self.x.carried_axpy(j, -w, r);
                }
            }
            self.x.settle(r, false);
        }
    }

    /// The support and the blocks of largest promised decrease.
    fn select(&mut self) {
        let (mut taken, mut support) = (0, 0);
        let nonzero = |w: &[T]| w.iter().any(|v| *v != T::zero());
        for b in 0..self.violation.len() {
            let supported = nonzero(&self.w[self.g.group(b)]);
            if supported || (self.violation[b] > T::zero() && self.update.step(b) > T::zero()) {
                self.working[taken] = b;
                taken += 1;
                support += usize::from(supported);
            }
        }
        let size = (2 * support).max(support + START);
        if taken > size {
            let score = |b: usize| {
                if nonzero(&self.w[self.g.group(b)]) {
                    T::infinity()
                } else {
                    self.violation[b] * self.violation[b] * self.update.step(b)
                }
            };
            self.working[..taken].select_nth_unstable_by(size - 1, |&a, &b| {
                score(b).partial_cmp(&score(a)).unwrap_or(core::cmp::Ordering::Equal).then(a.cmp(&b))
            });
            taken = size;
        }
        self.working[..taken].sort_unstable();
        self.working_len = taken;
    }

    /// Improves every block of the working set once; returns the largest violation met.
    fn epoch(&mut self) -> T {
        let mut worst = T::zero();
        let stride = self.stride();
        for &b in &self.working[..self.working_len] {
            let range = self.g.group(b);
            let w = &mut self.w[range.clone()];
            let features = &self.features[range.start / self.targets..range.end / self.targets];
            let v = self.update.visit(&self.x, &self.g, b, features, w, &mut self.residual, stride);
            if v > worst || v.is_nan() {
                worst = v;
            }
        }
        for r in self.residual.chunks_exact_mut(stride) {
            self.x.settle(r, false);
        }
        worst
    }

    /// The objective at the iterate.
    fn objective(&self) -> T {
        self.loss() + self.g.value(&self.w)
    }

    /// Tries Newton steps of decreasing length on the support; true if the objective decreased.
    fn newton(&mut self) -> bool {
        if self.since_newton < NEWTON_WAIT.max(self.newton.size() / 16) {
            return false;
        }
        self.since_newton = 0;
        let working = &self.working[..self.working_len];
        if !self.newton.take_support(&self.g, working, &self.w, self.targets, &self.features) {
            return false;
        }
        let before = self.objective();
        let stride = self.stride();
        if !self.newton.direction(&self.x, &self.g, self.curvature, &self.w, &self.residual, stride) {
            return false;
        }
        for halvings in 0..4 {
            self.newton.try_step(T::of(0.5).powi(halvings), &mut self.w);
            self.rebuild_residual();
            if self.objective() < before {
                return true;
            }
        }
        self.newton.undo(&mut self.w);
        self.rebuild_residual();
        false
    }
}

/// The coordinates of the largest group.
fn largest_group<T: Scalar>(g: &impl GroupProx<T>) -> usize {
    (0..g.n_groups()).map(|b| g.group(b).len()).max().unwrap_or(0)
}

impl<T: Scalar, X: DesignMatrix<T>, G: GroupProx<T>> Iteration<T> for BlockDescent<'_, T, X, G> {
    fn step(&mut self) -> Result<(), SolveError> {
        if self.solved {
            self.select();
            self.epochs = 0;
            self.solved = false;
        }
        let worst = self.epoch();
        self.epochs += 1;
        self.since_newton += 1;
        self.iter += 1;
        let unsolved = worst > T::of(INNER_SHARE) * self.worst;
        self.solved = !unsolved || self.epochs >= MAX_EPOCHS;
        let stepped = self.newton();
        if self.solved || stepped {
            // After an accepted Newton step the support is often solved exactly: look at once.
            self.solved = true;
            self.pass();
        } else {
            self.primal = self.objective();
        }
        Ok(())
    }

    fn progress(&self) -> Progress<T> {
        let p = Progress::new(self.iter, self.worst).objective(self.primal);
        match self.dual.best() {
            Some(dual) => p.gap((self.primal - dual).max(T::zero())),
            None => p,
        }
    }

    fn iterate(&self) -> &[T] {
        &self.w
    }
}
