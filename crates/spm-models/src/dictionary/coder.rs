//! Coders: from signals and a dictionary to sparse codes.

use core::fmt::Debug;

use spm_linalg::{Dense, LinalgError, LinearOperator, Scalar, check};
use spm_solvers::SolveError;
use spm_solvers::batch_omp::{BatchOmp, Limit, Rule};

use super::Codes;
use super::parallel::map_blocks;

/// Signals a worker codes between two looks at the queue.
const BLOCK: usize = 1024;

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

/// Greedy coding by orthogonal matching pursuit or orthogonal least squares.
///
/// Per signal: $\min_x \|y - D x\|_2$ subject to $\|x\|_0 \le k$, and the pursuit stops as soon as
/// $\|y - D x\|_2 \le \varepsilon$. In plain text: add atoms one by one until there are `k` or the residual norm is at
/// most `eps`; a signal within `eps` of zero gets an empty code. See [`BatchOmp`] for the method, its cost and its
/// treatment of duplicate and dependent atoms. Blocks of signals are coded on all cores; the result has the same bits
/// for any number of threads.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `k` | none: `min(d, K)` | any | at most this many atoms a signal |
/// | `eps` | none | finite, `>= 0` | error bound, absolute, 2-norm of the residual of a signal |
/// | `rule` | [`Rule::Omp`] | | how the next atom is chosen |
///
/// ```
/// use spm_models::dictionary::{Coder, Dictionary, Omp};
/// let d = Dictionary::new(vec![1.0, 0.0, 0.0, 1.0], 2)?;
/// let codes = Omp::with_k(1).code(d.as_dense(), &[3.0, 1.0, 0.0, -2.0])?;
/// assert_eq!(codes.column(0), (&[0][..], &[3.0][..]));
/// assert_eq!(codes.column(1), (&[1][..], &[-2.0][..]));
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub struct Omp<T> {
    /// At most this many atoms a signal; `None` for as many as fit.
    pub k: Option<usize>,
    /// The error bound, absolute, in the 2-norm; `None` for none.
    pub eps: Option<T>,
    /// How the next atom is chosen.
    pub rule: Rule,
}

impl<T: Scalar> Omp<T> {
    /// At most `k` atoms a signal.
    #[must_use]
    pub fn with_k(k: usize) -> Self {
        Self { k: Some(k), eps: None, rule: Rule::Omp }
    }

    /// As many atoms as it takes to a residual of norm `eps`.
    #[must_use]
    pub fn with_eps(eps: T) -> Self {
        Self { k: None, eps: Some(eps), rule: Rule::Omp }
    }

    /// Sets the number of atoms.
    #[must_use]
    pub fn k(mut self, k: usize) -> Self {
        self.k = Some(k);
        self
    }

    /// Sets the error bound.
    #[must_use]
    pub fn eps(mut self, eps: T) -> Self {
        self.eps = Some(eps);
        self
    }

    /// Sets the rule.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    /// Checks the options.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `eps` is finite and `>= 0`.
    pub fn validate(&self) -> Result<(), LinalgError> {
        self.eps.map_or(Ok(()), |eps| check::non_negative("eps", eps))
    }
}

impl<T: Scalar> Coder<T> for Omp<T> {
    fn code(&self, dictionary: Dense<'_, T>, signals: &[T]) -> Result<Codes<T>, SolveError> {
        self.validate()?;
        let (dim, n_atoms) = (dictionary.nrows(), dictionary.ncols());
        let pursuit = BatchOmp::new(dictionary, self.rule)?;
        check::len("signals", signals.len() / dim * dim, signals.len())?;
        let n_signals = signals.len() / dim;
        let limit = Limit { k: self.k.unwrap_or(usize::MAX), eps: self.eps.unwrap_or(T::zero()) };
        let blocks = map_blocks(
            n_signals.div_ceil(BLOCK),
            || pursuit.buffers(limit),
            |block, buffers| {
                let end = n_signals.min((block + 1) * BLOCK);
                let mut codes = Codes::new(n_atoms);
                pursuit
                    .run(&signals[block * BLOCK * dim..end * dim], limit, buffers, |_, atoms, x| {
                        codes.push(atoms, x)
                    })
                    .map_err(|e| at_block(e, block * BLOCK))?;
                Ok::<_, SolveError>(codes)
            },
        );
        let mut all = Codes::new(n_atoms);
        for block in blocks {
            all.append(&block?);
        }
        Ok(all)
    }
}

/// Counts the signal in an error from the first of all signals.
fn at_block(e: SolveError, first: usize) -> SolveError {
    match e {
        SolveError::Linalg(LinalgError::NonFiniteAt { what, row, col }) => {
            LinalgError::NonFiniteAt { what, row, col: col + first }.into()
        }
        e => e,
    }
}
