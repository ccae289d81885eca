//! The error type of this crate.

use spm_linalg::LinalgError;

/// Why a solver could not run or had to give up. Not converging in time is a [`crate::Status`], not an error.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum SolveError {
    /// The data or a parameter is invalid, or a factorisation failed.
    #[error(transparent)]
    Linalg(#[from] LinalgError),
    /// The solver needs a Lipschitz constant or an operator norm that the problem does not state.
    #[error("{what} is needed and neither given nor known in closed form")]
    MissingBound {
        /// Which constant.
        what: &'static str,
    },
    /// An iterate became NaN or infinite.
    #[error("iteration {iter} produced a NaN or infinite value")]
    Diverged {
        /// The iteration, counted from 1.
        iter: usize,
    },
}
