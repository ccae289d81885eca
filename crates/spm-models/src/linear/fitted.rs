//! The result of fitting a linear model.

use spm_linalg::{Design, Scalar};
use spm_solvers::{Certificate, Report, Status};

use super::model::predict_into;
use crate::{ModelError, Predict, Score};

/// A fitted linear model, `prediction = intercept + X coef`, with proof of how well it was solved.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[must_use = "a fit says whether it converged: see `status` or `require_converged`"]
pub struct FittedLinear<T> {
    /// Coefficients in the units of the data, length p; those not selected are exactly 0.
    pub coef: Vec<T>,
    /// Intercept in the units of the data; 0 if none was fitted.
    pub intercept: T,
    /// The regularisation strength it was fitted with.
    pub alpha: T,
    /// The objective with all coefficients 0 (and the best intercept): the scale of the tolerance.
    pub objective_at_zero: T,
    /// The objective reached and a lower bound of the optimal one, recomputed from the data after the last
    /// iteration.
    pub certificate: Certificate<T>,
    /// How the solver ended.
    pub report: Report<T>,
}

impl<T: Scalar> FittedLinear<T> {
    /// The objective at the solution.
    pub fn objective(&self) -> T {
        self.certificate.primal
    }

    /// The absolute duality gap: no coefficients have an objective lower by more than this.
    pub fn gap(&self) -> T {
        self.certificate.gap()
    }

    /// The gap relative to the objective at zero: what the tolerance bounds.
    pub fn relative_gap(&self) -> T {
        self.certificate.relative_gap(self.objective_at_zero)
    }

    /// Why the solver stopped.
    pub fn status(&self) -> Status {
        self.report.status
    }

    /// Turns a fit that did not reach its tolerance into an error.
    ///
    /// # Errors
    /// [`ModelError::NotConverged`].
    pub fn require_converged(self) -> Result<Self, ModelError> {
        if self.report.status.is_converged() {
            Ok(self)
        } else {
            Err(ModelError::NotConverged { status: self.report.status, gap: self.gap().as_f64() })
        }
    }

    /// The selected features: index and coefficient, in increasing order.
    pub fn nonzeros(&self) -> impl Iterator<Item = (usize, T)> + '_ {
        self.coef.iter().copied().enumerate().filter(|&(_, w)| w != T::zero())
    }

    /// How many features are selected.
    pub fn nnz(&self) -> usize {
        self.nonzeros().count()
    }
}

impl<T: Scalar> Predict<T> for FittedLinear<T> {
    fn predict_into(&self, x: Design<'_, T>, out: &mut [T]) -> Result<(), ModelError> {
        predict_into(&self.coef, self.intercept, x, out)
    }
}

impl<T: Scalar> Score<T> for FittedLinear<T> {}
