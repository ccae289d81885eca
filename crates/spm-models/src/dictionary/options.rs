//! Options that all ways of training share.

use spm_linalg::{LinalgError, Scalar};

/// The setters of the options that [`super::Ksvd`] and [`super::Online`] share; their documentation is that of the fields.
macro_rules! shared_setters {
    () => {
        /// Sets the number of iterations.
        #[must_use]
        pub fn max_iter(mut self, max_iter: usize) -> Self {
            self.max_iter = max_iter;
            self
        }

        /// Sets the tolerance.
        #[must_use]
        pub fn tol(mut self, tol: T) -> Self {
            self.tol = tol;
            self
        }

        /// Sets whether atoms must be `>= 0`.
        #[must_use]
        pub fn positive(mut self, on: bool) -> Self {
            self.positive = on;
            self
        }

        /// Sets the first dictionary.
        #[must_use]
        pub fn init(mut self, init: impl Into<Init<T>>) -> Self {
            self.init = init.into();
            self
        }

        /// Sets the seed.
        #[must_use]
        pub fn seed(mut self, seed: u64) -> Self {
            self.seed = seed;
            self
        }

        /// Sets the number of users below which an atom is replaced.
        #[must_use]
        pub fn min_uses(mut self, min_uses: usize) -> Self {
            self.min_uses = min_uses;
            self
        }

        /// Sets the coherence above which an atom is replaced.
        #[must_use]
        pub fn max_coherence(mut self, max_coherence: T) -> Self {
            self.max_coherence = max_coherence;
            self
        }
    };
}

pub(super) use shared_setters;

/// A coherence above which atoms are replaced.
pub(super) fn check_coherence<T: Scalar>(limit: T) -> Result<(), LinalgError> {
    if limit > T::zero() && limit <= T::one() {
        return Ok(());
    }
    Err(LinalgError::InvalidParam { name: "max_coherence", expected: "in (0, 1]", got: limit.as_f64() })
}
