//! A linear model without the history of its fit: what is saved.

use spm_linalg::{Design, DesignMatrix, LinearOperator, Scalar, check};

use crate::{ModelError, Predict, Score};

/// A linear model, `prediction = intercept + X coef`: the part of a [`FittedLinear`](super::FittedLinear) that outlives the data.
///
/// Every fit of one response becomes one by `from` (the Lasso, group Lasso, SLOPE, MCP and SCAD, generalized and missing-value
/// Lasso, OMP); a point of a path by [`FittedPath::model`](super::FittedPath::model) or
/// [`LarsPath::model`](super::LarsPath::model). Several responses have [`MultiTaskModel`](super::MultiTaskModel), other
/// losses [`GlmModel`](super::GlmModel).
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LinearModel<T> {
    /// Coefficients in the units of the data, length p.
    pub coef: Vec<T>,
    /// Intercept in the units of the data.
    pub intercept: T,
    /// The regularisation strength it was fitted with.
    pub alpha: T,
}

impl<T: Scalar> LinearModel<T> {
    /// A model with the given coefficients.
    ///
    /// # Errors
    /// [`spm_linalg::LinalgError`] if a number is not finite or `alpha` is negative.
    pub fn new(coef: Vec<T>, intercept: T, alpha: T) -> Result<Self, ModelError> {
        let this = Self { coef, intercept, alpha };
        this.validate()?;
        Ok(this)
    }

    /// Checks that every number is finite and `alpha >= 0`.
    ///
    /// # Errors
    /// [`spm_linalg::LinalgError`] naming the first that is not.
    pub fn validate(&self) -> Result<(), ModelError> {
        check::finite("coef", &self.coef)?;
        check::finite("intercept", &[self.intercept])?;
        check::non_negative("alpha", self.alpha)?;
        Ok(())
    }
}

impl<T: Scalar> Predict<T> for LinearModel<T> {
    fn predict_into(&self, x: Design<'_, T>, out: &mut [T]) -> Result<(), ModelError> {
        predict_into(&self.coef, self.intercept, x, out)
    }
}

impl<T: Scalar> Score<T> for LinearModel<T> {}

/// `out ← intercept + X coef`, passing over the columns that are not selected.
pub(super) fn predict_into<T: Scalar>(
    coef: &[T],
    intercept: T,
    x: Design<'_, T>,
    out: &mut [T],
) -> Result<(), ModelError> {
    check::len("X: columns", coef.len(), x.ncols())?;
    check::len("predictions", x.nrows(), out.len())?;
    x.check_finite("X")?;
    out.fill(intercept);
    for (j, &w) in coef.iter().enumerate().filter(|(_, w)| **w != T::zero()) {
        x.col_axpy(j, w, out);
    }
    Ok(())
}
