//! The error type of this crate.

use spm_linalg::LinalgError;
use spm_solvers::SolveError;

/// Why a fit could not run. Not converging in time is a [`spm_solvers::Status`], not an error.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TimeSeriesError {
    /// The data or a parameter is invalid.
    #[error(transparent)]
    Linalg(#[from] LinalgError),
    /// The solver failed.
    #[error(transparent)]
    Solve(#[from] SolveError),
    /// Every value is missing: NaN or of weight 0.
    #[error("the series has no observed value")]
    NothingObserved,
    /// The result did not reach its tolerance, where the caller asked for one that did.
    #[error("not converged after {iterations} iterations (relative gap {relative_gap:.1e})")]
    NotConverged {
        /// Iterations done.
        iterations: usize,
        /// The duality gap divided by the objective of the polynomial fit.
        relative_gap: f64,
    },
}
