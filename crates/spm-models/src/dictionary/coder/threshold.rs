//! Coding by one threshold.

use spm_linalg::{Dense, Scalar, check, vecops};
use spm_solvers::SolveError;

use super::blocks::{from_correlations, largest};
use super::{Coder, Codes};

/// Codes `x = threshold(Dᵀ y)`: exact for an orthonormal dictionary, the cheapest feature otherwise.
///
/// Soft: $x_j = \operatorname{sign}(c_j) \max(|c_j| - \lambda, 0)$; hard: $x_j = c_j$ where $|c_j| > \lambda$, else 0; with `c = Dᵀ y`. In plain text:
/// correlations, those of at most `lambda` set to 0, for soft thresholding the others moved towards 0 by `lambda`. For an orthonormal
/// `D` these are the minimisers of `½‖y − D x‖²` plus `lambda·‖x‖₁`, or plus `½·lambda²·‖x‖₀`.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `lambda` | required | finite, `>= 0` | the threshold |
/// | `hard` | | | whether what is above the threshold stays as it is |
/// | `k` | none | | at most this many atoms a signal, those of the largest correlation |
///
/// Time `O(d K)` a signal.
///
/// ```
/// use spm_models::dictionary::{Coder, Dictionary, Threshold};
/// let d = Dictionary::new(vec![1.0, 0.0, 0.0, 1.0], 2)?;
/// let codes = Threshold::soft(1.0).code(d.as_dense(), &[3.0, -0.5])?;
/// assert_eq!(codes.column(0), (&[0][..], &[2.0][..]));
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Threshold<T> {
    /// The threshold.
    pub lambda: T,
    /// Whether what is above the threshold stays as it is.
    pub hard: bool,
    /// At most this many atoms a signal.
    pub k: Option<usize>,
}

impl<T: Scalar> Threshold<T> {
    /// Soft thresholding.
    #[must_use]
    pub fn soft(lambda: T) -> Self {
        Self { lambda, hard: false, k: None }
    }

    /// Hard thresholding.
    #[must_use]
    pub fn hard(lambda: T) -> Self {
        Self { lambda, hard: true, k: None }
    }

    /// Sets the largest number of atoms a signal.
    #[must_use]
    pub fn k(mut self, k: usize) -> Self {
        self.k = Some(k);
        self
    }
}

impl<T: Scalar> Coder<T> for Threshold<T> {
    fn code(&self, dictionary: Dense<'_, T>, signals: &[T]) -> Result<Codes<T>, SolveError> {
        check::non_negative("lambda", self.lambda)?;
        let Self { lambda, hard, k } = *self;
        from_correlations(
            dictionary,
            signals,
            |_| Vec::new(),
            |d, c, _, picked, code| {
                largest(k.unwrap_or(usize::MAX), d.n_atoms(), |j| c[j].abs() - lambda, picked);
                for &j in &*picked {
                    code.push(j, if hard { c[j] } else { vecops::soft_threshold(c[j], lambda) });
                }
            },
        )
    }
}
