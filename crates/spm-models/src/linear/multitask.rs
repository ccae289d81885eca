//! The multi-task Lasso.

use spm_linalg::penalty::GroupL2;
use spm_linalg::{Design, LinearOperator, Scalar, check};
use spm_solvers::{Certificate, Report};

use super::blocks::BlockProblem;
use super::model::predict_into;
use super::prepared::Prepared;
use super::{FitControl, certified, default_tol, fits, setters};
use crate::ModelError;

/// A design matrix with several responses, for models that fit them together.
#[derive(Debug, Clone, Copy)]
pub struct MultiXy<'a, T: Scalar> {
    /// n × p.
    pub x: Design<'a, T>,
    /// n × t, column by column.
    pub y: &'a [T],
    /// Length n, `>= 0`, not all 0; only their ratios matter.
    pub sample_weight: Option<&'a [T]>,
}

impl<'a, T: Scalar> MultiXy<'a, T> {
    /// Unweighted data; `y` is n × t, column by column.
    #[must_use]
    pub fn new(x: Design<'a, T>, y: &'a [T]) -> Self {
        Self { x, y, sample_weight: None }
    }

    /// Sets the weights of the observations.
    #[must_use]
    pub fn sample_weight(mut self, weights: &'a [T]) -> Self {
        self.sample_weight = Some(weights);
        self
    }

    fn validate(&self) -> Result<(), ModelError> {
        check::non_empty("X: rows", self.x.nrows())?;
        check::non_empty("X: columns", self.x.ncols())?;
        check::non_empty("y", self.y.len())?;
        let n = self.x.nrows();
        check::len("y: length, a multiple of the rows of X", self.y.len().div_ceil(n) * n, self.y.len())?;
        check::finite("y", self.y)?;
        Ok(())
    }
}

/// The multi-task Lasso: a feature is selected for all targets or for none.
///
/// Minimises
/// $$\frac{1}{2n} \sum_i s_i \lVert y_i - b - W^\top x_i \rVert_2^2 + \alpha \sum_j v_j \lVert W_{j,:} \rVert_2$$
/// in plain text `1/(2n) * sum_i s_i ||y_i - b - W'x_i||^2 + alpha * sum_j v_j ||row j of W||`, over `W` (p × t) and the
/// intercepts `b` (t). Sample weights `s` are normalised to sum n. One target is the Lasso.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `alpha` | – | finite, `>= 0` | regularisation strength; from [`alpha_max`](Self::alpha_max) on, every penalised row is 0 |
/// | `fit_intercept` | true | | |
/// | `standardize` | false | | penalise the coefficients of columns scaled to unit (weighted, population) deviation |
/// | `penalty_weights` | none | `>= 0`, length p | `v`, factor of the penalty of each feature; 0 = unpenalised |
/// | `tol` | 1e-6 (1.2e-4 in `f32`) | `> 0` | duality gap relative to the objective at zero |
/// | `max_iter` | 100 000 | | epochs |
///
/// The certificate is the duality gap at an exactly feasible dual point ([`spm_solvers::BlockDescent`]).
///
/// Sources: Obozinski, Taskar and Jordan 2010; the objective is scikit-learn's `MultiTaskLasso`.
///
/// ```
/// use spm_models::{Design, Fit, MultiTaskLasso, MultiXy};
/// let x = [0.0_f64, 1.0, 2.0, 3.0, 1.0, -1.0, -1.0, 1.0];
/// let y = [1.0, 3.0, 5.0, 7.0, 0.0, -1.0, -2.0, -3.0];
/// let data = MultiXy::new(Design::dense(&x, 4, 2)?, &y);
/// let fitted = MultiTaskLasso::new(0.1).tol(1e-12).fit(data)?.require_converged()?;
/// assert_eq!(fitted.selected().collect::<Vec<_>>(), [0]);
/// assert!(fitted.coef_of(0)[0] > 1.8 && fitted.coef_of(1)[0] < -0.9);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MultiTaskLasso<T = f64> {
    /// Regularisation strength.
    pub alpha: T,
    /// Fit intercepts (unpenalised).
    pub fit_intercept: bool,
    /// Divide each column by its standard deviation before penalising.
    pub standardize: bool,
    /// A factor of the penalty for each feature, length p, `>= 0`; 0 leaves a feature unpenalised.
    pub penalty_weights: Option<Vec<T>>,
    /// Stop when the duality gap is at most `tol` times the objective at zero.
    pub tol: T,
    /// At most this many epochs.
    pub max_iter: usize,
}

impl<T: Scalar> MultiTaskLasso<T> {
    /// The multi-task Lasso of strength `alpha` with the default options.
    #[must_use]
    pub fn new(alpha: T) -> Self {
        Self {
            alpha,
            fit_intercept: true,
            standardize: false,
            penalty_weights: None,
            tol: default_tol(),
            max_iter: 100_000,
        }
    }

    setters!(fit_intercept, standardize, penalty_weights, tol, max_iter);

    /// Fits under limits and before an onlooker.
    ///
    /// # Errors
    /// [`ModelError::Linalg`] for options outside their range, lengths that disagree, empty data, and values that
    /// are NaN or infinite, with their row and column. Not converging is a status of the result, not an error.
    pub fn fit_with(
        &self,
        data: MultiXy<'_, T>,
        ctl: FitControl<'_, T>,
    ) -> Result<FittedMultiTask<T>, ModelError> {
        let prepared = self.prepare(data)?;
        let (features, penalty) = self.row_norms(self.alpha, data)?;
        let problem = BlockProblem::new(&prepared, data.y, &features);
        let fit = problem.fit(penalty, self.tol, self.max_iter, ctl)?;
        Ok(FittedMultiTask {
            n_features: features.len(),
            coef: fit.coef,
            intercept: fit.intercept,
            alpha: self.alpha,
            objective_at_zero: fit.objective_at_zero,
            certificate: fit.certificate,
            report: fit.report,
        })
    }

    /// The smallest `alpha` for which every penalised row is 0, with the other options as they are.
    ///
    /// # Errors
    /// As [`fit_with`](Self::fit_with).
    pub fn alpha_max(&self, data: MultiXy<'_, T>) -> Result<T, ModelError> {
        let prepared = self.prepare(data)?;
        let (features, penalty) = self.row_norms(T::one(), data)?;
        BlockProblem::new(&prepared, data.y, &features).alpha_max(penalty)
    }

    fn prepare<'x>(&self, data: MultiXy<'x, T>) -> Result<Prepared<'x, T>, ModelError> {
        check::non_negative("alpha", self.alpha)?;
        check::positive("tol", self.tol)?;
        data.validate()?;
        if let Some(v) = &self.penalty_weights {
            check::len("penalty_weights", data.x.ncols(), v.len())?;
            check::all_non_negative("penalty_weights", v)?;
        }
        Prepared::new(data.x, data.sample_weight, self.fit_intercept, self.standardize)
    }

    /// The penalty of the rows, and the identity order of the features.
    fn row_norms(&self, lambda: T, data: MultiXy<'_, T>) -> Result<(Vec<usize>, GroupL2<T>), ModelError> {
        let p = data.x.ncols();
        let sizes = vec![data.y.len() / data.x.nrows(); p];
        let weights = self.penalty_weights.clone().unwrap_or_else(|| vec![T::one(); p]);
        Ok(((0..p).collect(), GroupL2::new(lambda, &sizes, weights)?))
    }
}

fits!(MultiTaskLasso, MultiXy => FittedMultiTask);

/// A fitted linear model of several targets, with proof of how well it was solved.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[must_use = "a fit says whether it converged: see `status` or `require_converged`"]
pub struct FittedMultiTask<T> {
    n_features: usize,
    /// p × t, column by column, in the units of the data; rows not selected are exactly 0.
    pub coef: Vec<T>,
    /// One intercept a target; 0 if none was fitted.
    pub intercept: Vec<T>,
    /// The regularisation strength it was fitted with.
    pub alpha: T,
    /// The objective with all coefficients 0 (and the best intercepts): the scale of the tolerance.
    pub objective_at_zero: T,
    /// The objective reached and a lower bound of the optimal one, recomputed from the data after the last epoch.
    pub certificate: Certificate<T>,
    /// How the solver ended.
    pub report: Report<T>,
}

impl<T: Scalar> FittedMultiTask<T> {
    /// The coefficients of one target, length p.
    ///
    /// # Panics
    /// If there is no such target.
    #[must_use]
    pub fn coef_of(&self, target: usize) -> &[T] {
        &self.coef[target * self.n_features..(target + 1) * self.n_features]
    }

    /// The selected features, in increasing order.
    pub fn selected(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.n_features)
            .filter(|&j| self.coef.iter().skip(j).step_by(self.n_features).any(|v| *v != T::zero()))
    }

    /// Predictions for the rows of `x`, n × t, column by column.
    ///
    /// # Errors
    /// [`ModelError::Linalg`] if the number of columns is not that of the training data.
    pub fn predict(&self, x: Design<'_, T>) -> Result<Vec<T>, ModelError> {
        predict_each(&self.coef, &self.intercept, x)
    }
}

certified!(FittedMultiTask);

/// Predictions for each target, column by column.
fn predict_each<T: Scalar>(coef: &[T], intercept: &[T], x: Design<'_, T>) -> Result<Vec<T>, ModelError> {
    let (n, p) = (x.nrows(), coef.len() / intercept.len());
    let mut out = vec![T::zero(); n * intercept.len()];
    for (s, &b) in intercept.iter().enumerate() {
        predict_into(&coef[s * p..(s + 1) * p], b, x, &mut out[s * n..(s + 1) * n])?;
    }
    Ok(out)
}

/// A linear model of several targets, `predictions = intercepts + X coef`: the part of a [`FittedMultiTask`] that outlives the data.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MultiTaskModel<T> {
    /// p × t, column by column.
    pub coef: Vec<T>,
    /// One intercept a target.
    pub intercept: Vec<T>,
    /// The regularisation strength it was fitted with.
    pub alpha: T,
}

impl<T: Scalar> MultiTaskModel<T> {
    /// A model with the given coefficients.
    ///
    /// # Errors
    /// [`spm_linalg::LinalgError`] if there is no target, the coefficients are not as many for each, a number is not finite, or
    /// `alpha` is negative.
    pub fn new(coef: Vec<T>, intercept: Vec<T>, alpha: T) -> Result<Self, ModelError> {
        let this = Self { coef, intercept, alpha };
        this.validate()?;
        Ok(this)
    }

    /// Checks what [`new`](Self::new) checks.
    ///
    /// # Errors
    /// [`spm_linalg::LinalgError`] naming the first number or length that is wrong.
    pub fn validate(&self) -> Result<(), ModelError> {
        let t = self.intercept.len();
        check::non_empty("intercept", t)?;
        check::len("coef: length, a multiple of the targets", self.coef.len() / t * t, self.coef.len())?;
        check::finite("coef", &self.coef)?;
        check::finite("intercept", &self.intercept)?;
        check::non_negative("alpha", self.alpha)?;
        Ok(())
    }

    /// Predictions for the rows of `x`, n × t, column by column.
    ///
    /// # Errors
    /// [`ModelError::Linalg`] if the number of columns is not that of the training data.
    pub fn predict(&self, x: Design<'_, T>) -> Result<Vec<T>, ModelError> {
        predict_each(&self.coef, &self.intercept, x)
    }
}

impl<T: Scalar> From<FittedMultiTask<T>> for MultiTaskModel<T> {
    fn from(fit: FittedMultiTask<T>) -> Self {
        Self { coef: fit.coef, intercept: fit.intercept, alpha: fit.alpha }
    }
}
