//! Greedy coding with non-negative coefficients.

use core::ops::Range;

use spm_linalg::{Dense, Scalar};
use spm_solvers::SolveError;
use spm_solvers::batch_lasso::{BatchLasso, LassoProblem};

use super::blocks::in_blocks;
use super::{Coder, Codes};

/// Non-negative orthogonal matching pursuit: $\min_x \|y - D x\|_2$ subject to $x \ge 0$, $\|x\|_0 \le k$, greedily.
///
/// In plain text: add the atom with the largest positive `d_jᵀ r`, set the coefficients to the non-negative least-squares fit on the
/// atoms in use (an atom whose coefficient reaches 0 leaves), until there are `k`, the residual norm is at most `eps`, or no
/// correlation is positive. The result is the exact non-negative fit on its support.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `k` | required | | at most this many atoms a signal |
/// | `eps` | 0 | finite, `>= 0` | error bound, absolute, 2-norm of the residual of a signal |
///
/// Source: Bruckstein, Elad, Zibulevsky 2008, *On the uniqueness of nonnegative sparse solutions to underdetermined systems of
/// equations*, section V.
///
/// ```
/// use spm_models::dictionary::{Coder, Dictionary, NonNegativeOmp};
/// let d = Dictionary::new(vec![1.0, 0.0, 0.0, 1.0], 2)?;
/// let codes = NonNegativeOmp::new(2).code(d.as_dense(), &[3.0, -5.0])?;
/// assert_eq!(codes.column(0), (&[0][..], &[3.0][..]));
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct NonNegativeOmp<T> {
    /// At most this many atoms a signal.
    pub k: usize,
    /// The error bound, absolute, in the 2-norm.
    pub eps: T,
}

impl<T: Scalar> NonNegativeOmp<T> {
    /// At most `k` atoms a signal.
    #[must_use]
    pub fn new(k: usize) -> Self {
        Self { k, eps: T::zero() }
    }

    /// Sets the error bound.
    #[must_use]
    pub fn eps(mut self, eps: T) -> Self {
        self.eps = eps;
        self
    }
}

impl<T: Scalar> Coder<T> for NonNegativeOmp<T> {
    fn code(&self, dictionary: Dense<'_, T>, signals: &[T]) -> Result<Codes<T>, SolveError> {
        let pursuit = BatchLasso::new(dictionary)?;
        let problem = LassoProblem::new(T::zero()).positive(true).k(self.k).eps(self.eps);
        problem.validate()?;
        let run = |y: Range<usize>, buffers: &mut _, codes: &mut Codes<T>| {
            pursuit.run(&signals[y], problem, buffers, |_, atoms, x| codes.push(atoms, x))
        };
        in_blocks(dictionary, signals.len(), || pursuit.buffers(), run)
    }
}
