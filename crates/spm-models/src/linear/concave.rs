//! Regression with the folded concave penalties MCP and SCAD.

use spm_linalg::factor::{SelfAdjointEvd, gram_into};
use spm_linalg::penalty::{Mcp, Scad};
use spm_linalg::{Dense, DesignMatrix, Facts, MemStack, Prox, Scalar, SeparableProx, check, vecops};
use spm_solvers::stop::Residual;
use spm_solvers::{CoordinateDescent, Iteration, Report, Status, run};

use super::penalty::FeaturePenalty;
use super::prepared::Prepared;
use super::{FitControl, Lasso, default_tol, ended, fits, predicts, setters};
use crate::{ModelError, Xy};

/// A penalty whose slope is `alpha` at zero, as that of the Lasso, and falls to 0: large coefficients are not shrunk.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Concave<T> {
    /// The minimax concave penalty ([`Mcp`]): the slope falls at once, `alpha − |w|/gamma`.
    Mcp {
        /// The concavity is `1/gamma`; finite, `> 0`, commonly 3.
        gamma: T,
    },
    /// The smoothly clipped absolute deviation ([`Scad`]): the slope falls from `|w| = alpha` on.
    Scad {
        /// The slope is 0 from `a·alpha` on; the concavity is `1/(a − 1)`. Finite, `> 1`, commonly 3.7.
        a: T,
    },
}

/// Where the descent begins; a nonconvex objective can have several minimisers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ConcaveStart {
    /// Along a path of falling `alpha`, from the largest, where the solution is 0 (Breheny and Huang 2011).
    #[default]
    Path,
    /// At the Lasso of the same `alpha`, the convex problem nearest to this one (Fan, Xue and Zou 2014).
    Lasso,
}

/// Regression with the minimax concave penalty (MCP) or the smoothly clipped absolute deviation (SCAD).
///
/// Looks for a minimiser of
/// $$\frac{1}{2n} \sum_i s_i (y_i - b - x_i^\top w)^2 + \sum_j g_{\alpha v_j}(w_j)$$
/// in plain text `1/(2n) * sum_i s_i (y_i - b - x_i w)^2 + sum_j g(w_j; alpha v_j)`, over `w` (length p) and the intercept `b`, with
/// the penalty `g` of [`Concave`]. Sample weights `s` are normalised to sum n.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `alpha` | – | finite, `>= 0` | regularisation strength; from [`alpha_max`](Self::alpha_max) on, 0 is the solution found |
/// | `penalty` | MCP, gamma 3 | | the penalty |
/// | `fit_intercept` | true | | |
/// | `standardize` | true | | penalise the coefficients of columns scaled to unit (weighted, population) deviation |
/// | `penalty_weights` | none | `>= 0`, length p | `v`, factor of `alpha` for each feature; 0 = unpenalised |
/// | `start` | [`ConcaveStart::Path`] | | where the descent begins |
/// | `tol` | 1e-6 (1.2e-4 in `f32`) | `> 0` | violation of the optimality conditions relative to the largest `abs(x_jᵀy)/n` |
/// | `max_iter` | 100 000 | | epochs |
///
/// The columns are standardised unless one asks otherwise: the curvature of every coordinate is then 1, which `1/gamma` and
/// `1/(a − 1)` must stay below for the objective to be convex in each coordinate alone. Where that fails, a coordinate
/// jumps from 0 (its global minimiser is taken), and the coefficients are discontinuous in the data.
///
/// # What is guaranteed
/// The problem is not convex, so there is no duality gap, and no method here or elsewhere promises the global minimum.
/// A fit carries instead
/// - [`violation`](FittedConcave::violation): the distance of the slope from the subdifferential, recomputed from the
///   returned coefficients. At 0 the point is stationary, and along every single coordinate it is the global minimum.
/// - [`curvature`](FittedConcave::curvature), the smallest eigenvalue of the Hessian on the support, and
///   [`slack`](FittedConcave::slack), how far the slope is inside the subdifferential elsewhere: if both are positive, the point
///   is a strict local minimum ([`is_local_minimum`](FittedConcave::is_local_minimum)).
///
/// If the smallest eigenvalue of `XᵀX/n` (of the standardised, weighted `X`) exceeds the concavity, the objective is convex
/// and the stationary point is the global minimum. Under restricted strong convexity all stationary points are within statistical
/// precision of the truth (Loh and Wainwright 2015).
///
/// Coordinate descent with working sets; each epoch costs O(stored entries of the set). The objective never increases along the
/// epochs of one `alpha`.
///
/// Sources: Fan and Li 2001; Zhang 2010; Breheny and Huang 2011, *Coordinate descent algorithms for nonconvex penalized
/// regression*; Fan, Xue and Zou 2014, *Strong oracle optimality of folded concave penalized estimation*; Loh and Wainwright
/// 2015, *Regularized M-estimators with nonconvexity*, theorem 1.
///
/// ```
/// use spm_models::{ConcaveRegression, Design, Fit, Xy};
/// // y = 1 + 2 x₀: where the Lasso would shrink the slope, MCP returns it whole.
/// let x = [0.0_f64, 1.0, 2.0, 3.0, 1.0, -1.0, -1.0, 1.0];
/// let data = Xy::new(Design::dense(&x, 4, 2)?, &[1.0, 3.0, 5.0, 7.0]);
/// let fitted = ConcaveRegression::mcp(0.5).fit(data)?.require_converged()?;
/// assert!((fitted.coef[0] - 2.0).abs() < 1e-9 && fitted.coef[1] == 0.0);
/// assert!(fitted.is_local_minimum());
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ConcaveRegression<T = f64> {
    /// Regularisation strength.
    pub alpha: T,
    /// The penalty.
    pub penalty: Concave<T>,
    /// Fit an intercept (unpenalised).
    pub fit_intercept: bool,
    /// Divide each column by its standard deviation before penalising.
    pub standardize: bool,
    /// A factor of `alpha` for each feature, length p, `>= 0`; 0 leaves a feature unpenalised.
    pub penalty_weights: Option<Vec<T>>,
    /// Where the descent begins.
    pub start: ConcaveStart,
    /// Stop when the violation is at most `tol` times the largest correlation.
    pub tol: T,
    /// At most this many epochs.
    pub max_iter: usize,
}

/// The ratio of two strengths that follow each other on the way to `alpha`, and the smallest share of the largest that is visited.
const FALL: f64 = 0.8;
const LOWEST: f64 = 1e-4;
/// Violation at which a strength on the way is left, relative to the largest correlation.
const ROUGH: f64 = 1e-3;
/// Supports up to this size have their curvature computed.
const LARGEST: usize = 2000;

impl<T: Scalar> ConcaveRegression<T> {
    /// The given penalty at strength `alpha` with the default options.
    #[must_use]
    pub fn new(alpha: T, penalty: Concave<T>) -> Self {
        Self {
            alpha,
            penalty,
            fit_intercept: true,
            standardize: true,
            penalty_weights: None,
            start: ConcaveStart::Path,
            tol: default_tol(),
            max_iter: 100_000,
        }
    }

    /// The minimax concave penalty with `gamma` 3.
    #[must_use]
    pub fn mcp(alpha: T) -> Self {
        Self::new(alpha, Concave::Mcp { gamma: T::of(3.0) })
    }

    /// The smoothly clipped absolute deviation with `a` 3.7.
    #[must_use]
    pub fn scad(alpha: T) -> Self {
        Self::new(alpha, Concave::Scad { a: T::of(3.7) })
    }

    setters!(fit_intercept, standardize, penalty_weights, tol, max_iter);

    /// Sets where the descent begins.
    #[must_use]
    pub fn start(mut self, start: ConcaveStart) -> Self {
        self.start = start;
        self
    }

    /// The smallest `alpha` for which 0 is a stationary point: that of the Lasso.
    ///
    /// # Errors
    /// As [`fit_with`](Self::fit_with).
    pub fn alpha_max(&self, data: Xy<'_, T>) -> Result<T, ModelError> {
        self.lasso().alpha_max(data)
    }

    /// The Lasso with the same options.
    fn lasso(&self) -> Lasso<T> {
        let mut lasso =
            Lasso::new(self.alpha).fit_intercept(self.fit_intercept).standardize(self.standardize);
        lasso.penalty_weights.clone_from(&self.penalty_weights);
        lasso
    }

    /// Fits under limits and before an onlooker.
    ///
    /// # Errors
    /// [`ModelError::Linalg`] for options outside their range, lengths that disagree, empty data, and values that are NaN or
    /// infinite, with their row and column. Not converging is a status of the result, not an error.
    pub fn fit_with(&self, data: Xy<'_, T>, ctl: FitControl<'_, T>) -> Result<FittedConcave<T>, ModelError> {
        check::non_negative("alpha", self.alpha)?;
        check::positive("tol", self.tol)?;
        let factor = |j: usize| self.penalty_weights.as_ref().map_or(T::one(), |v| v[j]);
        let top = self.alpha_max(data)?;
        match self.penalty {
            Concave::Mcp { gamma } => {
                self.descend(data, ctl, top, &|alpha, j| Mcp::new(alpha * factor(j), gamma))
            }
            Concave::Scad { a } => self.descend(data, ctl, top, &|alpha, j| Scad::new(alpha * factor(j), a)),
        }
    }

    /// The descent with the penalty `part(alpha, j)` of each coefficient.
    fn descend<G: SeparableProx<T> + Clone>(
        &self,
        data: Xy<'_, T>,
        mut ctl: FitControl<'_, T>,
        top: T,
        part: &dyn Fn(T, usize) -> Result<G, spm_linalg::LinalgError>,
    ) -> Result<FittedConcave<T>, ModelError> {
        let prepared = Prepared::new(data.x, data.sample_weight, self.fit_intercept, self.standardize)?;
        let (y, mean) = prepared.response(data.y);
        let (p, c) = (prepared.columns(), prepared.curvature());
        let penalty =
            |alpha: T| Ok::<_, ModelError>(Each((0..p).map(|j| part(alpha, j)).collect::<Result<_, _>>()?));
        let scale = c * vecops::norm_inf(&prepared.product(&y));

        let mut left = self.max_iter;
        let mut elapsed = core::time::Duration::ZERO;
        let mut one_run = |cd: &mut dyn Iteration<T>, tol: T| -> Result<Report<T>, ModelError> {
            let mut stop = Residual { tol: tol * scale };
            let mut report = run(cd, ctl.rest(elapsed).control(left.max(1), &mut stop))?;
            left = left.saturating_sub(report.last.iter);
            elapsed += report.elapsed;
            report.elapsed = elapsed;
            Ok(report)
        };
        let mut cd;
        let mut on_the_way = None;
        match self.start {
            ConcaveStart::Lasso => {
                let l1 = FeaturePenalty::new(self.alpha, T::zero(), self.penalty_weights.as_deref(), false)?;
                let mut convex = CoordinateDescent::new(&prepared.view, &y, c, l1)?;
                on_the_way = Some(one_run(&mut convex, self.tol)?);
                cd = CoordinateDescent::new(&prepared.view, &y, c, penalty(self.alpha)?)?
                    .start_at(convex.iterate())?;
            }
            ConcaveStart::Path => {
                let mut alpha = top.max(self.alpha);
                cd = CoordinateDescent::new(&prepared.view, &y, c, penalty(alpha)?)?;
                while alpha * T::of(FALL) > self.alpha.max(T::of(LOWEST) * top) {
                    on_the_way = Some(one_run(&mut cd, T::of(ROUGH).max(self.tol))?);
                    if on_the_way.is_some_and(|r| r.status == Status::Interrupted) {
                        break;
                    }
                    alpha *= T::of(FALL);
                    // 1/(2 − 1/FALL): the sequential strong rule, whose slope at zero is that of the Lasso.
                    cd.restart(penalty(alpha)?, T::of(1.0 / (2.0 - 1.0 / FALL)))?;
                }
                if on_the_way.is_none_or(|r| r.status != Status::Interrupted) {
                    cd.restart(penalty(self.alpha)?, T::one())?;
                }
            }
        }
        let report = match on_the_way {
            Some(report) if report.status == Status::Interrupted => report,
            _ => one_run(&mut cd, self.tol)?,
        };
        self.judge(&prepared, &y, mean, &penalty(self.alpha)?, cd.iterate(), scale, report)
    }

    /// The fitted model with what can be said about the point `w`.
    fn judge<G: SeparableProx<T>>(
        &self,
        prepared: &Prepared<'_, T>,
        y: &[T],
        mean: T,
        penalty: &Each<G>,
        w: &[T],
        scale: T,
        mut report: Report<T>,
    ) -> Result<FittedConcave<T>, ModelError> {
        let (p, c) = (prepared.columns(), prepared.curvature());
        let residual = prepared.residual(y, w);
        let mut slope = prepared.product(&residual);
        slope.iter_mut().for_each(|v| *v *= -c);
        let objective = T::of(0.5) * c * vecops::sq_norm(&residual) + penalty.value(w);
        let (mut violation, mut slack) = (T::zero(), T::infinity());
        let mut support = Vec::new();
        for j in 0..p {
            let distance = penalty.subdiff_distance_at(j, w[j], slope[j]);
            violation = if distance > violation || distance.is_nan() { distance } else { violation };
            if w[j] != T::zero() {
                support.push(j);
            } else if prepared.view.col_sq_norm(j) > T::zero() {
                let factor = self.penalty_weights.as_ref().map_or(T::one(), |v| v[j]);
                slack = slack.min(self.alpha * factor - slope[j].abs());
            }
        }
        if violation > self.tol * scale && report.status == Status::Converged {
            report.status = Status::MaxIterations;
        }
        let curvature = curvature(prepared, penalty, w, &support)?;
        let mut coef = w.to_vec();
        let intercept = prepared.to_data_units(&mut coef, mean);
        Ok(FittedConcave {
            coef,
            intercept,
            alpha: self.alpha,
            objective,
            objective_at_zero: prepared.objective_at_zero(y),
            violation,
            violation_at_zero: scale,
            curvature,
            slack,
            report,
        })
    }
}

/// The smallest eigenvalue of `c X_SᵀX_S + diag(g″)` on the support; `None` where it is too large.
fn curvature<T: Scalar, G: SeparableProx<T>>(
    prepared: &Prepared<'_, T>,
    penalty: &Each<G>,
    w: &[T],
    support: &[usize],
) -> Result<Option<T>, ModelError> {
    let (n, s) = (prepared.rows(), support.len());
    if s == 0 {
        return Ok(Some(T::infinity()));
    }
    if s > LARGEST {
        return Ok(None);
    }
    let mut columns = vec![T::zero(); n * s];
    for (&j, column) in support.iter().zip(columns.chunks_exact_mut(n)) {
        prepared.view.col_axpy(j, T::one(), column);
    }
    let mut hessian = vec![T::zero(); s * s];
    gram_into(Dense::from_column_major(&columns, n, s)?.as_faer(), &mut hessian)?;
    vecops::scale(prepared.curvature(), &mut hessian);
    for (k, &j) in support.iter().enumerate() {
        hessian[k * s + k] += penalty.expansion_at(j, w[j]).map_or(T::zero(), |(_, second)| second);
    }
    Ok(Some(SelfAdjointEvd::from_column_major(&hessian, s)?.values()[0]))
}

fits!(ConcaveRegression, Xy => FittedConcave);

/// A function of its own for every coordinate.
#[derive(Debug, Clone)]
struct Each<G>(Vec<G>);

impl<T: Scalar, G: SeparableProx<T>> Prox<T> for Each<G> {
    fn value(&self, x: &[T]) -> T {
        x.iter().enumerate().map(|(j, &v)| self.value_at(j, v)).sum()
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        for (j, (o, &v)) in out.iter_mut().zip(x).enumerate() {
            *o = self.prox_at(j, v, step);
        }
        self.value(out)
    }

    fn dim(&self) -> Option<usize> {
        Some(self.0.len())
    }

    fn facts(&self) -> Facts {
        Facts::default().separable()
    }
}

impl<T: Scalar, G: SeparableProx<T>> SeparableProx<T> for Each<G> {
    fn value_at(&self, j: usize, v: T) -> T {
        self.0[j].value_at(0, v)
    }

    #[inline]
    fn prox_at(&self, j: usize, v: T, step: T) -> T {
        self.0[j].prox_at(0, v, step)
    }

    #[inline]
    fn subdiff_distance_at(&self, j: usize, w: T, grad: T) -> T {
        self.0[j].subdiff_distance_at(0, w, grad)
    }

    fn expansion_at(&self, j: usize, w: T) -> Option<(T, T)> {
        self.0[j].expansion_at(0, w)
    }
}

/// A fit with a concave penalty, with what can be proved about it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[must_use = "a fit says whether it converged: see `status` or `require_converged`"]
pub struct FittedConcave<T> {
    /// Coefficients in the units of the data, length p; those not selected are exactly 0.
    pub coef: Vec<T>,
    /// Intercept in the units of the data; 0 if none was fitted.
    pub intercept: T,
    /// The regularisation strength it was fitted with.
    pub alpha: T,
    /// The objective at the solution.
    pub objective: T,
    /// The objective with all coefficients 0 (and the best intercept).
    pub objective_at_zero: T,
    /// The largest distance of a slope from the subdifferential of its penalty, recomputed from the coefficients.
    pub violation: T,
    /// The largest slope at zero: the scale of the tolerance.
    pub violation_at_zero: T,
    /// The smallest eigenvalue of the Hessian over the support; `+∞` if that is empty, `None` above 2000 features.
    pub curvature: Option<T>,
    /// The least distance by which the slope of a coefficient at zero is inside the subdifferential; `+∞` without any.
    pub slack: T,
    /// How the solver ended.
    pub report: Report<T>,
}

impl<T: Scalar> FittedConcave<T> {
    /// Whether the fit is, up to the tolerance, a strict local minimum: stationary, curved upwards on the support, and with an
    /// increase in every direction that leaves it.
    #[must_use]
    pub fn is_local_minimum(&self) -> bool {
        self.report.status.is_converged()
            && self.slack > T::zero()
            && self.curvature.is_some_and(|v| v > T::zero())
    }
}

// In place of a gap, the violation.
ended!(FittedConcave, fit => fit.violation);
predicts!(FittedConcave, fit => fit.alpha);
