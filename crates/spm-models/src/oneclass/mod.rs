//! One-class learners: from signals that are all good to a number that says how unlike them a signal is.
//!
//! | learner | model | deviation of a signal |
//! |---|---|---|
//! | [`GaussianLearner`] | [`Gaussian`] | log of the mean squared whitened signal |
//! | [`SparseLearner`] | [`SparseNovelty`] | log of the mean squared residual of a sparse code |
//!
//! Deviations are on a log scale, on which they are close to normal; they have no common unit, so a user calibrates them on
//! signals that the learner has not seen. Signals are columns, `d × N`.

mod gaussian;
mod precision;
mod sparse;

use core::fmt::Debug;

use spm_linalg::{Scalar, check};

use crate::ModelError;

pub use gaussian::{Gaussian, GaussianLearner};
pub use precision::Precision;
pub use sparse::{SparseLearner, SparseNovelty};

/// Learns a [`Novelty`] from good signals.
pub trait OneClass<T: Scalar>: Debug + Send + Sync {
    /// What it learns.
    type Model: Novelty<T>;

    /// Learns from the columns of `signals` (`dim × N`, column-major).
    ///
    /// # Errors
    /// [`ModelError`] for no signals, a wrong length, or a value that is not finite.
    fn fit(&self, signals: &[T], dim: usize) -> Result<Self::Model, ModelError>;
}

/// Says how far signals are from what was learned.
pub trait Novelty<T: Scalar>: Debug + Send + Sync {
    /// The length of a signal.
    fn dim(&self) -> usize;

    /// One deviation for each column of `signals` (`dim × out.len()`); larger is stranger.
    ///
    /// # Errors
    /// [`ModelError`] if the lengths do not fit or a value is not finite.
    fn deviations_into(&self, signals: &[T], out: &mut [T]) -> Result<(), ModelError>;

    /// The log density of a signal of this deviation, if the model is a density.
    fn log_density(&self, deviation: T) -> Option<T> {
        let _ = deviation;
        None
    }
}

/// Smallest mean square a deviation is the log of: nothing that a picture of 16 bits can show.
const FLOOR: f64 = 1e-10;

/// `N` of a `dim × N` matrix that has columns.
fn columns<T: Scalar>(signals: &[T], dim: usize) -> Result<usize, ModelError> {
    check::non_empty("signal", dim)?;
    check::non_empty("signals", signals.len())?;
    check::len("signals", signals.len() / dim * dim, signals.len())?;
    check::finite("signals", signals)?;
    Ok(signals.len() / dim)
}
