//! The error type of this crate.

use spm_linalg::LinalgError;
use spm_solvers::{SolveError, Status};

/// Why a model could not be fitted or used.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The data or a parameter is invalid.
    #[error(transparent)]
    Linalg(#[from] LinalgError),
    /// The solver could not run.
    #[error(transparent)]
    Solve(SolveError),
    /// A fit that had to converge did not.
    #[error("the fit stopped without converging ({}), duality gap {gap:e}", status.as_str())]
    NotConverged {
        /// Why it stopped.
        status: Status,
        /// The duality gap reached, absolute.
        gap: f64,
    },
    /// An atom that must have unit norm does not.
    #[error("atom {atom} has norm {norm}, expected 1")]
    NotUnitNorm {
        /// The atom, counted from 0.
        atom: usize,
        /// Its norm.
        norm: f64,
    },
    /// The chosen solver does not handle the model.
    #[error("{solver} does not handle {what}")]
    Unsupported {
        /// The solver.
        solver: &'static str,
        /// The option or data it can't handle.
        what: &'static str,
    },
}

impl From<SolveError> for ModelError {
    fn from(e: SolveError) -> Self {
        match e {
            SolveError::Linalg(e) => Self::Linalg(e),
            e => Self::Solve(e),
        }
    }
}
