//! A coder chosen at run time.

use spm_linalg::{Dense, LinalgError, Scalar, check};
use spm_solvers::SolveError;

use super::{CoSaMp, Coder, Codes, Iht, JointCoder, LarsCoder, LassoCoder, NonNegativeOmp, Omp, Threshold};

/// Any coder of this crate, as a value: what an [`Encoder`](crate::dictionary::Encoder) keeps and a model file holds.
///
/// ```
/// use spm_models::dictionary::{AnyCoder, Coder, Dictionary, Omp};
/// let d = Dictionary::new(vec![1.0, 0.0, 0.0, 1.0], 2)?;
/// let coder = AnyCoder::from(Omp::with_k(1));
/// assert_eq!(coder.code(d.as_dense(), &[3.0, 1.0])?.column(0).1, [3.0]);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
// Model files number the variants: new ones go to the end.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum AnyCoder<T> {
    /// Greedy.
    Omp(Omp<T>),
    /// Greedy, coefficients `>= 0`.
    NonNegativeOmp(NonNegativeOmp<T>),
    /// Lasso.
    Lasso(LassoCoder<T>),
    /// Along the path of the Lasso.
    Lars(LarsCoder<T>),
    /// Groups of signals together.
    Joint(JointCoder<T>),
    /// One threshold.
    Threshold(Threshold<T>),
    /// Iterative hard thresholding.
    Iht(Iht<T>),
    /// Compressive sampling matching pursuit.
    CoSaMp(CoSaMp),
}

impl<T: Scalar> AnyCoder<T> {
    /// Checks the options.
    ///
    /// # Errors
    /// [`LinalgError`] naming the first that is out of range.
    pub fn validate(&self) -> Result<(), LinalgError> {
        match self {
            Self::Omp(c) => c.validate(),
            Self::NonNegativeOmp(c) => check::non_negative("eps", c.eps),
            Self::Lasso(c) => check::positive("lambda", c.lambda),
            Self::Lars(c) => c.validate(),
            Self::Joint(c) => c.validate(),
            Self::Threshold(c) => check::non_negative("lambda", c.lambda),
            Self::Iht(c) => check::non_negative("tol", c.tol),
            Self::CoSaMp(_) => Ok(()),
        }
    }

    fn inner(&self) -> &dyn Coder<T> {
        match self {
            Self::Omp(c) => c,
            Self::NonNegativeOmp(c) => c,
            Self::Lasso(c) => c,
            Self::Lars(c) => c,
            Self::Joint(c) => c,
            Self::Threshold(c) => c,
            Self::Iht(c) => c,
            Self::CoSaMp(c) => c,
        }
    }
}

impl<T: Scalar> Coder<T> for AnyCoder<T> {
    fn code(&self, dictionary: Dense<'_, T>, signals: &[T]) -> Result<Codes<T>, SolveError> {
        self.inner().code(dictionary, signals)
    }
}

macro_rules! from_coder {
    ($($variant:ident($coder:ty)),*) => {
        $(impl<T> From<$coder> for AnyCoder<T> {
            fn from(coder: $coder) -> Self {
                Self::$variant(coder)
            }
        })*
    };
}

from_coder!(
    Omp(Omp<T>),
    NonNegativeOmp(NonNegativeOmp<T>),
    Lasso(LassoCoder<T>),
    Lars(LarsCoder<T>),
    Joint(JointCoder<T>),
    Threshold(Threshold<T>),
    Iht(Iht<T>),
    CoSaMp(CoSaMp)
);
