//! The group Lasso and the sparse group Lasso.

use spm_linalg::penalty::{GroupL2, SparseGroup};
use spm_linalg::{LinearOperator, Scalar, check};

use super::blocks::BlockProblem;
use super::prepared::Prepared;
use super::{FitControl, FittedLinear, default_tol, fits, setters};
use crate::{ModelError, Xy};

/// The group Lasso, and with `l1_ratio` the sparse group Lasso: whole groups of features enter together.
///
/// Minimises
/// $$\frac{1}{2n} \sum_i s_i (y_i - b - x_i^\top w)^2 + \alpha \Bigl( (1 - \rho) \sum_g v_g \lVert w_g \rVert_2 + \rho \lVert w \rVert_1 \Bigr)$$
/// in plain text `1/(2n) * sum_i s_i (y_i - b - x_i w)^2 + alpha * ((1 - r) sum_g v_g ||w_g|| + r sum_j |w_j|)` with
/// `r = l1_ratio`, over `w` (length p) and the intercept `b`. Sample weights `s` are normalised to sum n.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `alpha` | – | finite, `>= 0` | regularisation strength; from [`alpha_max`](Self::alpha_max) on, every penalised group is 0 |
/// | `groups` | – | length p | the group of each feature: any numbers, in any order |
/// | `group_weights` | `sqrt(size)` | `>= 0`, one a group | `v_g`, by increasing group number; 0 = unpenalised (with `l1_ratio` 0) |
/// | `l1_ratio` | 0 | `[0, 1]` | 0 is the group Lasso, 1 the Lasso |
/// | `fit_intercept` | true | | |
/// | `standardize` | false | | penalise the coefficients of columns scaled to unit (weighted, population) deviation |
/// | `tol` | 1e-6 (1.2e-4 in `f32`) | `> 0` | duality gap relative to the objective at zero |
/// | `max_iter` | 100 000 | | epochs |
///
/// The certificate is the duality gap at an exactly feasible dual point ([`spm_solvers::BlockDescent`]). `X` is never
/// copied beyond the columns of the support. Groups of one feature and the default weights are the Lasso.
///
/// Sources: Yuan and Lin 2006, *Model selection and estimation in regression with grouped variables*; Simon, Friedman,
/// Hastie and Tibshirani 2013, *A sparse-group lasso*.
///
/// ```
/// use spm_models::{Design, Fit, GroupLasso, Xy};
/// // Two groups of two; only the first matters.
/// let x = [1.0_f64, -1.0, 1.0, -1.0, 1.0, 1.0, -1.0, -1.0, 1.0, -1.0, -1.0, 1.0, 0.1, 0.2, -0.2, -0.1];
/// let data = Xy::new(Design::dense(&x, 4, 4)?, &[3.0, 1.0, -1.0, -3.0]);
/// let fitted = GroupLasso::new(0.5, vec![7, 7, 2, 2]).tol(1e-12).fit(data)?.require_converged()?;
/// assert!(fitted.coef[0] > 0.5 && fitted.coef[1] > 0.5);
/// assert_eq!(fitted.coef[2..], [0.0, 0.0]);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GroupLasso<T = f64> {
    /// Regularisation strength.
    pub alpha: T,
    /// The group of each feature, length p.
    pub groups: Vec<usize>,
    /// A factor of the norm of each group, by increasing group number; `sqrt(size)` if `None`.
    pub group_weights: Option<Vec<T>>,
    /// The share of the L1 norm, in `[0, 1]`.
    pub l1_ratio: T,
    /// Fit an intercept (unpenalised).
    pub fit_intercept: bool,
    /// Divide each column by its standard deviation before penalising.
    pub standardize: bool,
    /// Stop when the duality gap is at most `tol` times the objective at zero.
    pub tol: T,
    /// At most this many epochs.
    pub max_iter: usize,
}

/// The features sorted by group, and the sizes of the groups.
struct Partition {
    features: Vec<usize>,
    sizes: Vec<usize>,
}

impl<T: Scalar> GroupLasso<T> {
    /// The group Lasso of strength `alpha` with the default options; `groups` says to which group each feature belongs.
    #[must_use]
    pub fn new(alpha: T, groups: Vec<usize>) -> Self {
        Self {
            alpha,
            groups,
            group_weights: None,
            l1_ratio: T::zero(),
            fit_intercept: true,
            standardize: false,
            tol: default_tol(),
            max_iter: 100_000,
        }
    }

    /// Sets the weights of the groups.
    #[must_use]
    pub fn group_weights(mut self, weights: Vec<T>) -> Self {
        self.group_weights = Some(weights);
        self
    }

    setters!(l1_ratio, fit_intercept, standardize, tol, max_iter);

    /// Fits under limits and before an onlooker.
    ///
    /// # Errors
    /// [`ModelError::Linalg`] for options outside their range, lengths that disagree, empty data, and values that
    /// are NaN or infinite, with their row and column. Not converging is a status of the result, not an error.
    pub fn fit_with(&self, data: Xy<'_, T>, ctl: FitControl<'_, T>) -> Result<FittedLinear<T>, ModelError> {
        let (prepared, partition) = self.prepare(data)?;
        let problem = BlockProblem::new(&prepared, data.y, &partition.features);
        let groups = self.group_norm(self.alpha * (T::one() - self.l1_ratio), &partition)?;
        let fit = if self.l1_ratio == T::zero() {
            problem.fit(groups, self.tol, self.max_iter, ctl)?
        } else {
            let both = SparseGroup::new(self.alpha * self.l1_ratio, groups)?;
            problem.fit(both, self.tol, self.max_iter, ctl)?
        };
        Ok(FittedLinear {
            coef: fit.coef,
            intercept: fit.intercept[0],
            alpha: self.alpha,
            objective_at_zero: fit.objective_at_zero,
            certificate: fit.certificate,
            report: fit.report,
        })
    }

    /// The smallest `alpha` for which every penalised group is 0, with the other options as they are.
    ///
    /// # Errors
    /// As [`fit_with`](Self::fit_with).
    pub fn alpha_max(&self, data: Xy<'_, T>) -> Result<T, ModelError> {
        let (prepared, partition) = self.prepare(data)?;
        let problem = BlockProblem::new(&prepared, data.y, &partition.features);
        let groups = self.group_norm(T::one() - self.l1_ratio, &partition)?;
        if self.l1_ratio == T::zero() {
            problem.alpha_max(groups)
        } else {
            problem.alpha_max(SparseGroup::new(self.l1_ratio, groups)?)
        }
    }

    fn prepare<'x>(&self, data: Xy<'x, T>) -> Result<(Prepared<'x, T>, Partition), ModelError> {
        check::non_negative("alpha", self.alpha)?;
        check::non_negative("l1_ratio", self.l1_ratio)?;
        check::non_negative("1 - l1_ratio", T::one() - self.l1_ratio)?;
        check::positive("tol", self.tol)?;
        data.validate()?;
        check::len("groups", data.x.ncols(), self.groups.len())?;
        let mut features: Vec<usize> = (0..self.groups.len()).collect();
        features.sort_by_key(|&j| self.groups[j]);
        let sizes =
            features.chunk_by(|&i, &j| self.groups[i] == self.groups[j]).map(<[usize]>::len).collect();
        let prepared = Prepared::new(data.x, data.sample_weight, self.fit_intercept, self.standardize)?;
        Ok((prepared, Partition { features, sizes }))
    }

    fn group_norm(&self, lambda: T, partition: &Partition) -> Result<GroupL2<T>, ModelError> {
        Ok(match &self.group_weights {
            None => GroupL2::sqrt_sizes(lambda, &partition.sizes)?,
            Some(v) => GroupL2::new(lambda, &partition.sizes, v.clone())?,
        })
    }
}

fits!(GroupLasso, Xy => FittedLinear);
