//! Coding along the path of the Lasso.

use core::ops::Range;

use spm_linalg::{Dense, LinalgError, Scalar, check};
use spm_solvers::SolveError;
use spm_solvers::batch_lasso::{BatchLasso, LassoMethod, LassoProblem};

use super::blocks::in_blocks;
use super::{Coder, Codes};

/// Least-angle coding: a point on the path of minimisers of $\tfrac12 \|y - D x\|_2^2 + \lambda \|x\|_1$, from the largest $\lambda$ down.
///
/// In plain text: the minimisers of half the squared residual plus `lambda` times the sum of the absolute coefficients are piecewise linear in
/// `lambda`. The path is followed on the Gram matrix, atom by atom, until the first of the bounds: `lambda` is reached; one more atom than `k` would
/// enter; the residual norm is `eps`. The code is the exact minimiser at the `lambda` of that moment; with `eps` alone it solves basis
/// pursuit denoising, `min ‖x‖₁` subject to `‖y − D x‖₂ <= eps`, with nothing at all basis pursuit.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `lambda` | 0 | finite, `>= 0` | the path ends here |
/// | `k` | none | | at most this many atoms a signal |
/// | `eps` | 0 | finite, `>= 0` | error bound, absolute, 2-norm of the residual of a signal |
/// | `positive` | false | | whether coefficients must be `>= 0` |
///
/// An atom that depends on those in use is passed over. Where the path ends at a `lambda > 0` that such an atom makes unreachable, coordinate
/// descent finishes the code. Time about `O(d K + K n²)` a signal for a path of `n` knots.
///
/// Sources: Efron, Hastie, Johnstone, Tibshirani 2004, *Least angle regression*, section 3; Osborne, Presnell, Turlach 2000.
///
/// ```
/// use spm_models::dictionary::{Coder, Dictionary, LarsCoder};
/// let d = Dictionary::new(vec![1.0, 0.0, 0.0, 1.0], 2)?;
/// // The second atom would enter at lambda = 1: there the first has 3 − 1.
/// let codes = LarsCoder::with_k(1).code(d.as_dense(), &[3.0, 1.0])?;
/// assert_eq!(codes.column(0), (&[0][..], &[2.0][..]));
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LarsCoder<T> {
    /// Where the path ends.
    pub lambda: T,
    /// At most this many atoms a signal; `None` for as many as the path has.
    pub k: Option<usize>,
    /// The error bound, absolute, in the 2-norm.
    pub eps: T,
    /// Whether coefficients must be `>= 0`.
    pub positive: bool,
}

impl<T: Scalar> LarsCoder<T> {
    /// The path down to this weight of the 1-norm.
    #[must_use]
    pub fn new(lambda: T) -> Self {
        Self { lambda, k: None, eps: T::zero(), positive: false }
    }

    /// The path up to this many atoms a signal.
    #[must_use]
    pub fn with_k(k: usize) -> Self {
        Self::new(T::zero()).k(k)
    }

    /// Sets the largest number of atoms.
    #[must_use]
    pub fn k(mut self, k: usize) -> Self {
        self.k = Some(k);
        self
    }

    /// Sets the error bound.
    #[must_use]
    pub fn eps(mut self, eps: T) -> Self {
        self.eps = eps;
        self
    }

    /// Sets whether coefficients must be `>= 0`.
    #[must_use]
    pub fn positive(mut self, on: bool) -> Self {
        self.positive = on;
        self
    }

    /// Checks the options.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `lambda` and `eps` are finite and `>= 0`.
    pub fn validate(&self) -> Result<(), LinalgError> {
        check::non_negative("lambda", self.lambda)?;
        check::non_negative("eps", self.eps)
    }
}

impl<T: Scalar> Coder<T> for LarsCoder<T> {
    fn code(&self, dictionary: Dense<'_, T>, signals: &[T]) -> Result<Codes<T>, SolveError> {
        self.validate()?;
        let lasso = BatchLasso::new(dictionary)?;
        let problem = LassoProblem::new(self.lambda)
            .positive(self.positive)
            .k(self.k.unwrap_or(usize::MAX))
            .eps(self.eps)
            .method(LassoMethod::Homotopy);
        let run = |y: Range<usize>, buffers: &mut _, codes: &mut Codes<T>| {
            lasso.run(&signals[y], problem, buffers, |_, atoms, x| codes.push(atoms, x))
        };
        in_blocks(dictionary, signals.len(), || lasso.buffers(), run)
    }
}
