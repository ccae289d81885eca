//! Least-angle regression and the exact path of the Lasso.

use spm_linalg::factor::UpdatingCholesky;
use spm_linalg::{DesignMatrix, LinalgError, Scalar, Workspace, check, vecops};

use crate::SolveError;

/// Which path is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LarsRule {
    /// The solutions of the Lasso: a coefficient that reaches zero leaves.
    #[default]
    Lasso,
    /// Least-angle regression: what has entered stays.
    LeastAngle,
}

/// What happened at a knot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LarsEvent {
    /// A column entered.
    Enters(usize),
    /// A coefficient reached zero and its column left.
    Leaves(usize),
    /// The end: no correlation is left, or no column can enter any more.
    Ends,
}

/// The path of `min c/2 ‖y − X w‖² + alpha ‖w‖₁` in `alpha`, knot by knot.
///
/// In plain text: the solutions are piecewise linear in `alpha`; [`advance`](Self::advance) moves to the next knot, where a column
/// enters (its correlation `|c x_jᵀ(y − X w)|` reaches `alpha`) or leaves (its coefficient reaches zero). Between two knots the
/// solution is the straight line, so any `alpha` is exact ([`coef_at`](Self::coef_at)).
///
/// Ties enter one after the other in the order of their columns, at steps of length 0. A column that depends on the active
/// ones is passed over until one of those leaves. Zero columns never enter.
///
/// A knot costs two products with `Xᵀ` and O(n k + k²) for `k` active columns; memory O(n + p + k²). The residual is recomputed at
/// each knot, so it does not drift. With nearly dependent columns the rounding of the factor limits the accuracy: judge
/// the result by its duality gap.
///
/// Sources: Efron, Hastie, Johnstone and Tibshirani 2004, *Least Angle Regression*, section 3; Osborne, Presnell and Turlach 2000.
///
/// ```
/// use spm_linalg::Dense;
/// use spm_solvers::lars::{Lars, LarsEvent, LarsRule};
/// let x = Dense::from_column_major(&[1.0, 0.0, 0.0, 1.0], 2, 2)?;
/// let mut path = Lars::new(x, &[3.0, -1.0], 1.0, LarsRule::Lasso)?;
/// assert_eq!((path.alpha(), path.event()), (3.0, LarsEvent::Enters(0)));
/// path.advance()?;
/// assert_eq!((path.alpha(), path.event()), (1.0, LarsEvent::Enters(1)));
/// assert_eq!(path.coef(), [2.0, 0.0]);
/// path.advance()?;
/// assert_eq!((path.alpha(), path.event()), (0.0, LarsEvent::Ends));
/// assert_eq!(path.coef(), [3.0, -1.0]);
/// # Ok::<(), spm_solvers::SolveError>(())
/// ```
#[derive(Debug)]
pub struct Lars<'a, T: Scalar, X> {
    x: X,
    y: &'a [T],
    curvature: T,
    rule: LarsRule,
    alpha: T,
    previous_alpha: T,
    event: LarsEvent,
    w: Vec<T>,
    previous_w: Vec<T>,
    correlation: Vec<T>,
    /// In order of entry, with the sign of the correlation.
    active: Vec<(usize, T)>,
    state: Vec<State>,
    factor: UpdatingCholesky<T>,
    residual: Vec<T>,
    image: Vec<T>,
    slope: Vec<T>,
    direction: Vec<T>,
    workspace: Workspace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Out,
    Active,
    /// Depends on the active columns.
    Passed,
    /// Left at the last knot.
    Resting,
}

impl<'a, T: Scalar, X: DesignMatrix<T>> Lars<'a, T, X> {
    /// The first knot: the largest `alpha` at which a column enters, `w = 0`.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] or [`LinalgError::NonFinite`] for a bad `y`; [`LinalgError::InvalidParam`] unless `curvature > 0`;
    /// [`LinalgError::NonFinite`] if a product with `X` is not finite.
    pub fn new(x: X, y: &'a [T], curvature: T, rule: LarsRule) -> Result<Self, SolveError> {
        let (n, p) = (x.nrows(), x.ncols());
        check::len("y", n, y.len())?;
        check::finite("y", y)?;
        check::positive("curvature", curvature)?;
        let workspace = Workspace::new(x.scratch());
        let mut this = Self {
            curvature,
            rule,
            alpha: T::zero(),
            previous_alpha: T::zero(),
            event: LarsEvent::Ends,
            w: vec![T::zero(); p],
            previous_w: vec![T::zero(); p],
            correlation: vec![T::zero(); p],
            active: Vec::with_capacity(n.min(p)),
            state: vec![State::Out; p],
            factor: UpdatingCholesky::with_capacity(n.min(p)),
            residual: y.to_vec(),
            image: vec![T::zero(); n],
            slope: vec![T::zero(); p],
            direction: vec![T::zero(); n.min(p)],
            workspace,
            x,
            y,
        };
        this.correlate();
        check::finite("products of X with y", &this.correlation)?;
        this.alpha = vecops::norm_inf(&this.correlation);
        this.previous_alpha = this.alpha;
        if this.alpha > T::zero() {
            let first = (0..p).find(|&j| this.correlation[j].abs() == this.alpha);
            if let Some(j) = first {
                this.enter(j);
            }
        }
        Ok(this)
    }

    /// The `alpha` of the present knot.
    pub fn alpha(&self) -> T {
        self.alpha
    }

    /// What happens at the present knot.
    pub fn event(&self) -> LarsEvent {
        self.event
    }

    /// The solution at the present knot, length p.
    pub fn coef(&self) -> &[T] {
        &self.w
    }

    /// The active columns in the order of their entry.
    pub fn active(&self) -> impl Iterator<Item = usize> + '_ {
        self.active.iter().map(|a| a.0)
    }

    /// The solution at an `alpha` between the present knot and the one before it; the nearer end outside.
    pub fn coef_at(&self, alpha: T) -> Vec<T> {
        let span = self.previous_alpha - self.alpha;
        let share = if span > T::zero() { (self.previous_alpha - alpha) / span } else { T::one() };
        let share = share.max(T::zero()).min(T::one());
        let between = |(&a, &b): (&T, &T)| if share == T::one() { b } else { a + share * (b - a) };
        self.previous_w.iter().zip(&self.w).map(between).collect()
    }

    /// Moves to the next knot; at the end it stays.
    ///
    /// # Errors
    /// [`SolveError::Diverged`] if a number stops being finite.
    pub fn advance(&mut self) -> Result<(), SolveError> {
        if self.event == LarsEvent::Ends {
            return Ok(());
        }
        self.previous_w.copy_from_slice(&self.w);
        self.previous_alpha = self.alpha;
        let k = self.active.len();
        for (d, &(_, sign)) in self.direction.iter_mut().zip(&self.active) {
            *d = sign;
        }
        self.factor.solve_in_place(&mut self.direction[..k]);
        self.image.fill(T::zero());
        for (&d, &(j, _)) in self.direction.iter().zip(&self.active) {
            self.x.col_axpy(j, d, &mut self.image);
        }
        self.x.apply_adjoint(&self.image, &mut self.slope, self.workspace.stack());
        vecops::scale(self.curvature, &mut self.slope);

        let mut step = self.alpha;
        let mut event = LarsEvent::Ends;
        for j in (0..self.w.len()).filter(|&j| matches!(self.state[j], State::Out | State::Resting)) {
            let s = self.meets(j);
            if s < step {
                step = s;
                event = LarsEvent::Enters(j);
            }
        }
        if self.rule == LarsRule::Lasso {
            for (&d, &(j, sign)) in self.direction.iter().zip(&self.active) {
                // A coefficient that has just entered is 0 and moves with its sign.
                let falls = self.w[j] * d < T::zero() || (self.w[j] == T::zero() && d * sign < T::zero());
                let s = -self.w[j] / d;
                if falls && s < step {
                    step = s;
                    event = LarsEvent::Leaves(j);
                }
            }
        }
        for (&d, &(j, _)) in self.direction.iter().zip(&self.active) {
            self.w[j] += step * d;
        }
        self.alpha = if event == LarsEvent::Ends { T::zero() } else { (self.alpha - step).max(T::zero()) };
        if !self.alpha.is_finite() || !step.is_finite() {
            return Err(SolveError::Diverged { iter: k });
        }
        self.refresh();
        for state in self.state.iter_mut().filter(|s| **s == State::Resting) {
            *state = State::Out;
        }
        match event {
            LarsEvent::Enters(j) => self.enter(j),
            LarsEvent::Leaves(j) => self.leave(j),
            LarsEvent::Ends => self.event = LarsEvent::Ends,
        }
        Ok(())
    }

    /// The step at which column `j` is as correlated as the active ones; `+∞` if it never is.
    fn meets(&self, j: usize) -> T {
        let (u, a) = (self.correlation[j], self.slope[j]);
        let mut first = T::infinity();
        let sides = [(T::one(), self.alpha - u, T::one() - a), (-T::one(), self.alpha + u, T::one() + a)];
        for (side, gap, speed) in sides {
            // What has just left is on its way inside from one bound and can only meet the other.
            if self.state[j] == State::Resting && side * u > T::zero() {
                continue;
            }
            // A column that ties moves with the active ones, or falls behind at once: rounding is not an entry.
            let slow = T::of(16.0) * T::epsilon();
            if speed > slow {
                first = first.min((gap / speed).max(T::zero()));
            } else if gap < T::zero() {
                first = T::zero();
            }
        }
        first
    }

    fn enter(&mut self, j: usize) {
        let k = self.active.len();
        self.image.fill(T::zero());
        self.x.col_axpy(j, T::one(), &mut self.image);
        let mut cross: Vec<T> =
            self.active.iter().map(|&(i, _)| self.curvature * self.x.col_dot(i, &self.image)).collect();
        let square = self.curvature * self.x.col_sq_norm(j);
        cross.truncate(k);
        if self.factor.append(&cross, square).is_ok() {
            self.active.push((j, self.correlation[j].signum()));
            self.state[j] = State::Active;
        } else {
            self.state[j] = State::Passed;
        }
        self.event = LarsEvent::Enters(j);
        if self.active.is_empty() {
            self.event = LarsEvent::Ends;
        }
    }

    fn leave(&mut self, j: usize) {
        if let Some(place) = self.active.iter().position(|a| a.0 == j) {
            self.active.remove(place);
            self.factor.remove(place);
        }
        self.w[j] = T::zero();
        self.state[j] = State::Resting;
        for state in self.state.iter_mut().filter(|s| **s == State::Passed) {
            *state = State::Out;
        }
        self.event = LarsEvent::Leaves(j);
        if self.active.is_empty() {
            // Nothing can move: what left comes back at once.
            self.state[j] = State::Out;
            self.enter(j);
        }
    }

    /// Residual and correlations from scratch.
    fn refresh(&mut self) {
        self.residual.copy_from_slice(self.y);
        for &(j, _) in &self.active {
            self.x.col_axpy(j, -self.w[j], &mut self.residual);
        }
        self.correlate();
    }

    fn correlate(&mut self) {
        self.x.apply_adjoint(&self.residual, &mut self.correlation, self.workspace.stack());
        vecops::scale(self.curvature, &mut self.correlation);
    }
}

/// The solution of the Lasso at `alpha`, by following its path; at most `max_knots` knots.
///
/// # Errors
/// As [`Lars::new`] and [`Lars::advance`]; [`LinalgError::NoConvergence`] if the path is longer.
pub fn lasso_at<T: Scalar, X: DesignMatrix<T>>(
    x: X,
    y: &[T],
    curvature: T,
    alpha: T,
    max_knots: usize,
) -> Result<Vec<T>, SolveError> {
    let mut path = Lars::new(x, y, curvature, LarsRule::Lasso)?;
    for _ in 0..max_knots {
        if path.alpha() <= alpha || path.event() == LarsEvent::Ends {
            return Ok(path.coef_at(alpha));
        }
        path.advance()?;
    }
    Err(LinalgError::NoConvergence { what: "the path of the Lasso" }.into())
}
