//! What a supervised model is fitted to.

pub use spm_linalg::Design;
use spm_linalg::{LinearOperator, Scalar, check};

use crate::ModelError;

/// A design matrix with responses and, optionally, a weight for each observation.
///
/// ```
/// use spm_models::{Design, Xy};
/// let data = Xy::new(Design::dense(&[1.0, 2.0, 3.0], 3, 1)?, &[1.0, 2.0, 3.0]).sample_weight(&[1.0, 1.0, 2.0]);
/// assert_eq!(data.y.len(), 3);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Xy<'a, T: Scalar> {
    /// n × p.
    pub x: Design<'a, T>,
    /// Length n.
    pub y: &'a [T],
    /// Length n, `>= 0`, not all 0; only their ratios matter. An integer weight k equals k copies of the row.
    pub sample_weight: Option<&'a [T]>,
}

impl<'a, T: Scalar> Xy<'a, T> {
    /// Unweighted data.
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

    /// Checks shapes and values of `y` and the weights; `X` is checked where it is read.
    pub(crate) fn validate(&self) -> Result<(), ModelError> {
        check::non_empty("X: rows", self.x.nrows())?;
        check::non_empty("X: columns", self.x.ncols())?;
        check::len("y", self.x.nrows(), self.y.len())?;
        check::finite("y", self.y)?;
        Ok(())
    }
}
