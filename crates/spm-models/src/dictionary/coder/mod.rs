//! Coders: from signals and a dictionary to sparse codes.

mod any;
mod blocks;
mod cosamp;
mod iht;
mod joint;
mod lars;
mod lasso;
mod non_negative;
mod omp;
mod threshold;

use core::fmt::Debug;

use spm_linalg::{Dense, Scalar};
use spm_solvers::SolveError;

pub use self::any::AnyCoder;
pub use self::cosamp::CoSaMp;
pub use self::iht::Iht;
pub use self::joint::JointCoder;
pub use self::lars::LarsCoder;
pub use self::lasso::LassoCoder;
pub use self::non_negative::NonNegativeOmp;
pub use self::omp::Omp;
pub use self::threshold::Threshold;
use super::Codes;

/// Finds sparse codes `X` with `Y ≈ D X`.
///
/// Implement it to train a dictionary with your own coder: [`super::Ksvd`] takes any. The result must depend on
/// nothing but the arguments and the options, whatever the number of threads.
pub trait Coder<T: Scalar>: Debug + Send + Sync {
    /// Codes the columns of `signals` (`d × N`, column-major) in the columns of `dictionary` (`d × K`, any norms).
    ///
    /// # Errors
    /// [`SolveError`] for data of the wrong shape or with a NaN.
    fn code(&self, dictionary: Dense<'_, T>, signals: &[T]) -> Result<Codes<T>, SolveError>;
}

/// A coder that can do with signals of which some entries are missing.
pub trait MaskedCoder<T: Scalar>: Coder<T> {
    /// Codes the columns of `signals` (`d × N`, column-major) from the entries where `known` (of the same length) is
    /// true. The values of the others, NaN too, have no influence; a signal of which nothing is known gets an empty
    /// code. `D x` then says what the missing entries may be.
    ///
    /// # Errors
    /// [`SolveError`] for data of the wrong shape or with a NaN at a known entry.
    fn code_masked(
        &self,
        dictionary: Dense<'_, T>,
        signals: &[T],
        known: &[bool],
    ) -> Result<Codes<T>, SolveError>;
}

/// Which entries of `signals` are known: those that are not NaN.
///
/// ```
/// assert_eq!(spm_models::dictionary::known_entries(&[1.0, f64::NAN]), [true, false]);
/// ```
#[must_use]
pub fn known_entries<T: Scalar>(signals: &[T]) -> Vec<bool> {
    signals.iter().map(|v| !v.is_nan()).collect()
}
