//! Lasso coding.

use core::ops::Range;

use spm_linalg::{Dense, LinearOperator, Scalar, check};
use spm_solvers::SolveError;
use spm_solvers::batch_lasso::{BatchLasso, LassoMethod, LassoProblem, lasso_gap};

use super::blocks::in_blocks;
use super::{Coder, Codes};

/// Codes that minimise $\tfrac12 \|y - D x\|_2^2 + \lambda \|x\|_1$, a convex problem with a unique value.
///
/// In plain text: half the squared residual plus `lambda` times the sum of the absolute coefficients, for every signal; with
/// `positive`, over coefficients `>= 0`. See [`BatchLasso`] for the methods and their cost, [`gaps`](Self::gaps) for a certificate.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `lambda` | required | finite, `> 0` | weight of the 1-norm |
/// | `positive` | false | | whether coefficients must be `>= 0` |
/// | `method` | [`LassoMethod::ActiveSet`] | | how the minimiser is found |
///
/// ```
/// use spm_models::dictionary::{Coder, Dictionary, LassoCoder};
/// let d = Dictionary::new(vec![1.0, 0.0, 0.0, 1.0], 2)?;
/// let coder = LassoCoder::new(1.0);
/// let codes = coder.code(d.as_dense(), &[3.0, -0.5])?;
/// assert_eq!(codes.column(0), (&[0][..], &[2.0][..]));
/// assert!(coder.gaps(d.as_dense(), &[3.0, -0.5], &codes)?[0] < 1e-14);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LassoCoder<T> {
    /// Weight of the 1-norm.
    pub lambda: T,
    /// Whether coefficients must be `>= 0`.
    pub positive: bool,
    /// How the minimiser is found.
    pub method: LassoMethod,
}

impl<T: Scalar> LassoCoder<T> {
    /// Codes with this weight of the 1-norm.
    #[must_use]
    pub fn new(lambda: T) -> Self {
        Self { lambda, positive: false, method: LassoMethod::default() }
    }

    /// Sets whether coefficients must be `>= 0`.
    #[must_use]
    pub fn positive(mut self, on: bool) -> Self {
        self.positive = on;
        self
    }

    /// Sets how the minimiser is found.
    #[must_use]
    pub fn method(mut self, method: LassoMethod) -> Self {
        self.method = method;
        self
    }

    /// The duality gap of every code, absolute, from signals and codes alone: how far it may be from the minimum.
    ///
    /// # Errors
    /// [`spm_linalg::LinalgError::Shape`] if signals and codes do not fit.
    pub fn gaps(
        &self,
        dictionary: Dense<'_, T>,
        signals: &[T],
        codes: &Codes<T>,
    ) -> Result<Vec<T>, SolveError> {
        let dim = dictionary.nrows();
        check::non_empty("dictionary", dim)?;
        check::len("atoms of the codes", dictionary.ncols(), codes.n_atoms())?;
        check::len("signals", dim * codes.n_signals(), signals.len())?;
        let gap = |(i, y)| {
            let (atoms, x) = codes.column(i);
            lasso_gap(dictionary, y, atoms, x, self.lambda, self.positive)
        };
        Ok(signals.chunks_exact(dim).enumerate().map(gap).collect())
    }
}

impl<T: Scalar> Coder<T> for LassoCoder<T> {
    fn code(&self, dictionary: Dense<'_, T>, signals: &[T]) -> Result<Codes<T>, SolveError> {
        check::positive("lambda", self.lambda)?;
        let lasso = BatchLasso::new(dictionary)?;
        let problem = LassoProblem::new(self.lambda).positive(self.positive).method(self.method);
        let run = |y: Range<usize>, buffers: &mut _, codes: &mut Codes<T>| {
            lasso.run(&signals[y], problem, buffers, |_, atoms, x| codes.push(atoms, x))
        };
        in_blocks(dictionary, signals.len(), || lasso.buffers(), run)
    }
}
