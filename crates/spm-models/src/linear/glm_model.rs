//! A generalized linear model as it is saved.

use spm_linalg::{Scalar, check};

use super::{Family, FittedGlm, LinearModel};
use crate::{Design, ModelError, Predict};

/// A generalized linear model without the history of its fit: what is saved.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GlmModel<T> {
    /// The loss.
    pub family: Family<T>,
    /// The linear predictor.
    pub predictor: LinearModel<T>,
}

impl<T: Scalar> GlmModel<T> {
    /// Checks that every number is finite and in its range.
    ///
    /// # Errors
    /// [`spm_linalg::LinalgError`] naming the first that is not.
    pub fn validate(&self) -> Result<(), ModelError> {
        if let Family::Huber { delta } = self.family {
            check::positive("delta", delta)?;
        }
        self.predictor.validate()
    }

    /// The expected response for the rows of `x`: a probability, a value, a rate.
    ///
    /// # Errors
    /// As [`Predict::predict_into`].
    pub fn predict_mean(&self, x: Design<'_, T>) -> Result<Vec<T>, ModelError> {
        Ok(self.predictor.predict(x)?.into_iter().map(|p| self.family.mean(p)).collect())
    }
}

impl<T: Scalar> From<FittedGlm<T>> for GlmModel<T> {
    fn from(fit: FittedGlm<T>) -> Self {
        let predictor = LinearModel { coef: fit.coef, intercept: fit.intercept, alpha: fit.alpha };
        Self { family: fit.family, predictor }
    }
}
