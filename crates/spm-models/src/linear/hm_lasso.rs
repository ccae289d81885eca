//! The Lasso with missing values in the design matrix.

use std::time::Duration;

use spm_linalg::factor::Cholesky;
use spm_linalg::{Scalar, check};
use spm_solvers::{Certificate, Control, Iteration, Progress, QuadraticL1, Report, StopRule, run};

use super::pairwise::{Nearest, Pairwise, nearest};
use super::problem::Units;
use super::{certified, default_tol, predicts, prepared, setters};
use crate::{Design, Fit, ModelError, Xy};

/// A minimum that explains more than this many times all of `y` is no estimate.
const ABSURD: f64 = 2.0;

/// How far a covariance is from the pairwise one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum CovarianceNorm {
    /// `½ Σ (W_jk (Σ_jk − S_jk))²`, solved by accelerated projected gradients.
    #[default]
    Frobenius,
    /// `max |W_jk (Σ_jk − S_jk)|`, solved by the primal-dual method.
    Max,
}

/// The Lasso with missing values in `X`, by a weighted positive definite estimate of the covariance (HMLasso).
///
/// NaN in `X` means missing. Two convex problems, each with its certificate. First, with `S_jk` the covariance of features
/// `j` and `k` over the rows where both are there, `R_jk` the share of those rows, and `f > 0`,
/// $$\hat\Sigma = \arg\min_{\Sigma \succeq f I} \tfrac12 \sum_{jk} \bigl(R_{jk}^{a} (\Sigma_{jk} - S_{jk})\bigr)^2,$$
/// then, with `rho_j` the covariance of feature `j` and `y` over the rows where the feature is there,
/// $$\min_w \tfrac12 w^\top \hat\Sigma w - \rho^\top w + \alpha \sum_j v_j |w_j|.$$
/// In plain text: `argmin 1/2 sum (R_jk^a (Sigma_jk - S_jk))^2 subject to Sigma - f I psd`, then
/// `min 1/2 w'Sigma w - rho'w + alpha sum_j v_j |w_j|`. With nothing missing this is the Lasso, up to the constant
/// `½ Σ (y − ȳ)²/n` in the objective and, where p > n, the floor. Pairs that never occur together have no weight whatever `a` is.
///
/// Had the covariances with `y` come from the same rows, no `w` could explain more than all of `y`: the objective would be at least
/// `−½ Var(y)`. They do not, and where most values are missing and `alpha` is small, the minimum on a covariance at its floor can be far
/// below, at coefficients of thousands that mean nothing. Where it is below `−Var(y)`, twice of what there is, the diagonal is raised, in
/// doubling steps, until it is not; [`lift`](FittedHmLasso::lift) says by how much. Everywhere else the estimate is the paper's.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `alpha` | – | finite, `>= 0` | regularisation strength; from [`alpha_max`](Self::alpha_max) on, every penalised coefficient is 0 |
/// | `weight_power` | 1 | finite, `>= 0` | `a`: 0 weighs all pairs alike (CoCoLasso), ½ by the standard error, 1 by the number of rows |
/// | `norm` | Frobenius | | [`CovarianceNorm::Max`] is the norm of the CoCoLasso |
/// | `floor` | 1e-8 | finite, `> 0` | smallest eigenvalue of the covariance as a share of the largest variance: `f` is this times `max_j S_jj` |
/// | `fit_intercept` | true | | centre every column by the mean of its observed values |
/// | `standardize` | false | | penalise the coefficients of columns of unit observed deviation |
/// | `penalty_weights` | none | `>= 0`, length p | factor of the penalty of each feature; 0 = unpenalised |
/// | `tol` | 1e-6 (1.2e-4 in `f32`) | `> 0` | duality gap of the second problem relative to `½ Var(y)` |
/// | `covariance_tol` | 1e-12 (1.2e-6 in `f32`) | `> 0` | duality gap of the first relative to the objective at `Sigma = 0` |
/// | `max_iter` | 100 000 | | iterations of either problem |
///
/// Sample weights count as rows. `X` must be dense. O(n p²) for the moments, O(p³) for an iteration of the first problem (none if
/// `S` is positive definite already), memory O(n p + p²).
///
/// Sources: Takada, Fujisawa and Nishikawa 2019, *HMLasso: Lasso with high missing rate*, equations 8 and 9; Datta and Zou 2017,
/// *CoCoLasso for high-dimensional error-in-variables regression*.
///
/// ```
/// use spm_models::{Design, Fit, HmLasso, Xy};
/// let nan = f64::NAN;
/// let x = [-1.0, 0.0, 1.0, nan, 1.0, -1.0, nan, 0.0];
/// let fitted = HmLasso::new(0.05).fit(Xy::new(Design::dense(&x, 4, 2)?, &[-2.0, 0.0, 2.0, 0.0]))?;
/// assert!(fitted.coef[0] > 1.0 && fitted.status().is_converged());
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HmLasso<T = f64> {
    /// Regularisation strength.
    pub alpha: T,
    /// The power of the share of rows that weighs a pair.
    pub weight_power: T,
    /// The norm in which the covariance is nearest.
    pub norm: CovarianceNorm,
    /// Smallest eigenvalue of the covariance as a share of the largest variance.
    pub floor: T,
    /// Fit an intercept (unpenalised).
    pub fit_intercept: bool,
    /// Divide each column by its observed deviation before penalising.
    pub standardize: bool,
    /// A factor of the penalty for each feature, length p, `>= 0`; 0 leaves a feature unpenalised.
    pub penalty_weights: Option<Vec<T>>,
    /// Duality gap of the second problem relative to `½ Var(y)`.
    pub tol: T,
    /// Duality gap of the first problem relative to its objective at 0.
    pub covariance_tol: T,
    /// At most this many iterations of either problem.
    pub max_iter: usize,
}

impl<T: Scalar> HmLasso<T> {
    /// The model of strength `alpha` with the default options.
    #[must_use]
    pub fn new(alpha: T) -> Self {
        Self {
            alpha,
            weight_power: T::one(),
            norm: CovarianceNorm::Frobenius,
            floor: T::of(1e-8),
            fit_intercept: true,
            standardize: false,
            penalty_weights: None,
            tol: default_tol(),
            covariance_tol: T::of(1e-12).max(T::of(10.0) * T::epsilon()),
            max_iter: 100_000,
        }
    }

    /// Sets the power of the share of rows that weighs a pair.
    #[must_use]
    pub fn weight_power(mut self, power: T) -> Self {
        self.weight_power = power;
        self
    }

    /// Sets the norm of the covariance step.
    #[must_use]
    pub fn norm(mut self, norm: CovarianceNorm) -> Self {
        self.norm = norm;
        self
    }

    /// Sets the smallest eigenvalue of the covariance as a share of the largest variance.
    #[must_use]
    pub fn floor(mut self, floor: T) -> Self {
        self.floor = floor;
        self
    }

    setters!(fit_intercept, standardize, penalty_weights, tol, max_iter);

    /// Sets the tolerance of the covariance.
    #[must_use]
    pub fn covariance_tol(mut self, tol: T) -> Self {
        self.covariance_tol = tol;
        self
    }

    /// The smallest `alpha` for which every coefficient is 0: `max |rho_j| / v_j`.
    ///
    /// # Errors
    /// As [`fit`](Fit::fit); [`ModelError::Unsupported`] with unpenalised features.
    pub fn alpha_max(&self, data: Xy<'_, T>) -> Result<T, ModelError> {
        let moments = self.moments(data, None)?;
        let v = |j: usize| self.penalty_weights.as_ref().map_or(T::one(), |v| v[j]);
        if (0..moments.with_y.len()).any(|j| v(j) == T::zero()) {
            let what = "unpenalised features";
            return Err(ModelError::Unsupported { solver: "the largest alpha with missing values", what });
        }
        Ok(moments.with_y.iter().enumerate().fold(T::zero(), |m, (j, r)| m.max(r.abs() / v(j))))
    }

    /// The moments of the data; about the means and in the units of others where those are given.
    pub(super) fn moments(
        &self,
        data: Xy<'_, T>,
        about: Option<&Units<T>>,
    ) -> Result<Pairwise<T>, ModelError> {
        check::non_negative("alpha", self.alpha)?;
        check::non_negative("weight_power", self.weight_power)?;
        check::positive("floor", self.floor)?;
        check::positive("tol", self.tol)?;
        check::positive("covariance_tol", self.covariance_tol)?;
        data.validate()?;
        let Design::Dense(x) = data.x else {
            return Err(ModelError::Unsupported {
                solver: "the Lasso with missing values",
                what: "a sparse X",
            });
        };
        let (n, p) = (data.y.len(), x.as_faer().ncols());
        if let Some(v) = &self.penalty_weights {
            check::len("penalty_weights", p, v.len())?;
            check::all_non_negative("penalty_weights", v)?;
        }
        let weights = data.sample_weight.map(|w| prepared::normalised(w, n)).transpose()?;
        let mut all = Vec::with_capacity(n * p);
        for j in 0..p {
            all.extend_from_slice(x.col(j));
        }
        if let Some(k) = all.iter().position(|v| v.is_infinite()) {
            return Err(spm_linalg::LinalgError::NonFiniteAt { what: "X", row: k % n, col: k / n }.into());
        }
        let weights = weights.as_deref();
        match about {
            Some(units) => Ok(Pairwise::about(units.clone(), &all, data.y, weights)),
            None => Pairwise::new(&all, p, data.y, weights, self.fit_intercept, self.standardize),
        }
    }

    /// The first problem: the nearest covariance.
    pub(super) fn estimate(&self, moments: Pairwise<T>) -> Result<Estimate<T>, ModelError> {
        let p = moments.with_y.len();
        let weight = |r: T| if r == T::zero() { T::zero() } else { r.powf(self.weight_power) };
        let weights: Vec<T> = moments.share.iter().map(|&r| weight(r)).collect();
        let largest = moments.covariance.iter().step_by(p + 1).copied().fold(T::zero(), T::max);
        let floor = if largest > T::zero() { self.floor * largest } else { self.floor };
        let s = &moments.covariance;
        let nearest = nearest(s, &weights, p, floor, self.norm, self.covariance_tol, self.max_iter)?;
        let bounded = proven_bound(&nearest.matrix, p, floor)?;
        Ok(Estimate { moments, nearest, bounded })
    }

    /// The second problem at the strength `alpha`.
    pub(super) fn solve(&self, estimate: &Estimate<T>, alpha: T) -> Result<Solved<T>, ModelError> {
        let Estimate { moments, nearest, bounded } = estimate;
        let (p, covariance) = (moments.with_y.len(), &nearest.matrix);
        let lambda: Vec<T> = match &self.penalty_weights {
            Some(v) => v.iter().map(|&v| alpha * v).collect(),
            None => vec![alpha; p],
        };
        let (mut lift, mut elapsed) = (bounded.lift, Duration::ZERO);
        let mut stop = Sound {
            tol: self.tol * moments.objective_at_zero,
            least: -moments.objective_at_zero * T::of(ABSURD),
        };
        let mut raised = covariance.clone();
        let (mut report, w) = loop {
            raised
                .iter_mut()
                .step_by(p + 1)
                .zip(covariance.iter().step_by(p + 1))
                .for_each(|(r, &c)| *r = c + lift);
            let mu = bounded.mu + (lift - bounded.lift);
            let mut solver = QuadraticL1::new(&raised, &moments.with_y, &lambda, mu)?;
            let report = run(&mut solver, Control::new(self.max_iter, &mut stop))?;
            elapsed += report.elapsed;
            if !stop.too_low(&report.last) || !lift.is_finite() {
                break (report, solver.iterate().to_vec());
            }
            lift = (T::of(2.0) * lift).max(T::of(2.0) * bounded.mu);
        };
        report.elapsed = elapsed;
        if !nearest.report.status.is_converged() {
            report.status = nearest.report.status;
        }
        let primal = report.last.objective.unwrap_or_else(T::nan);
        let certificate = Certificate::new(primal, primal - report.last.gap.unwrap_or_else(T::infinity));
        Ok(Solved { w, certificate, report, lift })
    }
}

/// What the first problem gives.
#[derive(Debug)]
pub(super) struct Estimate<T> {
    pub(super) moments: Pairwise<T>,
    pub(super) nearest: Nearest<T>,
    bounded: Bounded<T>,
}

/// What the second problem gives.
#[derive(Debug)]
pub(super) struct Solved<T> {
    /// In the units of the moments.
    pub(super) w: Vec<T>,
    pub(super) certificate: Certificate<T>,
    /// Not converged if the covariance is not.
    pub(super) report: Report<T>,
    lift: T,
}

impl<T: Scalar> Fit<Xy<'_, T>> for HmLasso<T> {
    type Fitted = FittedHmLasso<T>;
    type Error = ModelError;

    /// # Errors
    /// [`ModelError::Linalg`] for options outside their range, lengths that disagree, a column without any value, an infinity in
    /// `X`, a NaN in `y`; [`ModelError::Unsupported`] for a sparse `X`. Not converging is a status of the result.
    fn fit(&self, data: Xy<'_, T>) -> Result<FittedHmLasso<T>, ModelError> {
        let estimate = self.estimate(self.moments(data, None)?)?;
        let Solved { w, certificate, report, lift } = self.solve(&estimate, self.alpha)?;
        let Estimate { moments, nearest, .. } = estimate;
        let (nonzeros, intercept) = moments.units.undo(&w);
        let mut coef = w;
        nonzeros.into_iter().for_each(|(j, w)| coef[j] = w);
        Ok(FittedHmLasso {
            coef,
            intercept,
            alpha: self.alpha,
            objective_at_zero: moments.objective_at_zero,
            certificate,
            report,
            covariance: nearest.matrix,
            lift,
            covariance_certificate: nearest.certificate,
            covariance_report: nearest.report,
        })
    }
}

/// Ends the regression at its gap, or where it explains more than there is.
#[derive(Debug)]
struct Sound<T> {
    tol: T,
    least: T,
}

impl<T: Scalar> Sound<T> {
    fn too_low(&self, at: &Progress<T>) -> bool {
        at.objective.is_some_and(|value| value < self.least)
    }
}

impl<T: Scalar> StopRule<T> for Sound<T> {
    fn done(&mut self, at: &Progress<T>) -> bool {
        at.gap.is_some_and(|gap| gap <= self.tol) || self.too_low(at)
    }
}

/// What rounding takes to make `A + lift I − mu I` positive definite.
#[derive(Debug)]
struct Bounded<T> {
    lift: T,
    mu: T,
}

/// Half the floor as a bound of the eigenvalues that a Cholesky factorisation proves; a floor at rounding level takes a lift.
fn proven_bound<T: Scalar>(a: &[T], p: usize, floor: T) -> Result<Bounded<T>, ModelError> {
    let size = a.iter().step_by(p + 1).copied().fold(T::zero(), T::max);
    let mu = (T::of(0.5) * floor).max(T::of_usize(p) * T::epsilon() * size);
    let mut lift = T::zero();
    loop {
        let mut shifted = a.to_vec();
        shifted.iter_mut().step_by(p + 1).for_each(|v| *v += lift - mu);
        match Cholesky::from_column_major(&shifted, p) {
            Ok(_) => return Ok(Bounded { lift, mu }),
            Err(e) if lift > size => return Err(e.into()),
            Err(_) => lift = (T::of(4.0) * lift).max(mu),
        }
    }
}

/// A Lasso fitted to data with missing values, with proof of how well both of its problems were solved. It predicts for rows without
/// missing values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[must_use = "a fit says whether it converged: see `status` or `require_converged`"]
pub struct FittedHmLasso<T> {
    /// Coefficients in the units of the data, length p; those not selected are exactly 0.
    pub coef: Vec<T>,
    /// Intercept in the units of the data; 0 if none was fitted.
    pub intercept: T,
    /// The regularisation strength it was fitted with.
    pub alpha: T,
    /// `½ Var(y)`: the scale of the tolerance.
    pub objective_at_zero: T,
    /// `½ wᵀΣw − ρᵀw + alpha Σ v|w|` and a lower bound of its optimum, recomputed after the last iteration.
    pub certificate: Certificate<T>,
    /// How the regression ended; not converged if the covariance is not.
    pub report: Report<T>,
    /// The covariance, p × p.
    pub covariance: Vec<T>,
    /// What the regression added to its diagonal: 0, but for rounding, unless it would have explained more than twice of `y`.
    pub lift: T,
    /// The distance of the covariance from the pairwise one and a lower bound of the least.
    pub covariance_certificate: Certificate<T>,
    /// How the covariance ended.
    pub covariance_report: Report<T>,
}

certified!(FittedHmLasso);
predicts!(FittedHmLasso, fit => fit.alpha);
