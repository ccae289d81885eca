//! The result of fitting a linear model.

use spm_solvers::{Certificate, Report};

use super::{certified, predicts};

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

certified!(FittedLinear);
predicts!(FittedLinear, fit => fit.alpha);
