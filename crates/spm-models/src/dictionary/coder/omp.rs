//! Greedy coding.

use core::ops::Range;

use spm_linalg::{Dense, LinalgError, Scalar, check};
use spm_solvers::SolveError;
use spm_solvers::batch_omp::{BatchOmp, Limit, MaskedOmp, Rule};

use super::blocks::in_blocks;
use super::{Coder, Codes, MaskedCoder};

/// Greedy coding by orthogonal matching pursuit or orthogonal least squares.
///
/// Per signal: $\min_x \|y - D x\|_2$ subject to $\|x\|_0 \le k$, and the pursuit stops as soon as
/// $\|y - D x\|_2 \le \varepsilon$. In plain text: add atoms one by one until there are `k` or the residual norm is at
/// most `eps`; a signal within `eps` of zero gets an empty code. See [`BatchOmp`] for the method, its cost and its
/// treatment of duplicate and dependent atoms. Blocks of signals are coded on all cores; the result has the same bits
/// for any number of threads. With missing entries ([`MaskedCoder`]) it is a [`MaskedOmp`]; the bound then goes with the
/// share of known entries.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `k` | none: `min(d, K)` | any | at most this many atoms a signal |
/// | `eps` | none | finite, `>= 0` | error bound, absolute, 2-norm of the residual of a signal |
/// | `rule` | [`Rule::Omp`] | | how the next atom is chosen |
/// | `renormalize` | true | | with missing entries, whether atoms compete as if what is seen of them had unit norm |
///
/// ```
/// use spm_models::dictionary::{Coder, Dictionary, Omp};
/// let d = Dictionary::new(vec![1.0, 0.0, 0.0, 1.0], 2)?;
/// let codes = Omp::with_k(1).code(d.as_dense(), &[3.0, 1.0, 0.0, -2.0])?;
/// assert_eq!(codes.column(0), (&[0][..], &[3.0][..]));
/// assert_eq!(codes.column(1), (&[1][..], &[-2.0][..]));
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Omp<T> {
    /// At most this many atoms a signal; `None` for as many as fit.
    pub k: Option<usize>,
    /// The error bound, absolute, in the 2-norm; `None` for none.
    pub eps: Option<T>,
    /// How the next atom is chosen.
    pub rule: Rule,
    /// With missing entries, whether atoms compete as if what is seen of them had unit norm.
    pub renormalize: bool,
}

impl<T> Default for Omp<T> {
    fn default() -> Self {
        Self { k: None, eps: None, rule: Rule::Omp, renormalize: true }
    }
}

impl<T: Scalar> Omp<T> {
    /// At most `k` atoms a signal.
    #[must_use]
    pub fn with_k(k: usize) -> Self {
        Self::default().k(k)
    }

    /// As many atoms as it takes to a residual of norm `eps`.
    #[must_use]
    pub fn with_eps(eps: T) -> Self {
        Self::default().eps(eps)
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

    /// Sets whether atoms seen in part compete as if they had unit norm.
    #[must_use]
    pub fn renormalize(mut self, on: bool) -> Self {
        self.renormalize = on;
        self
    }

    /// The bounds of a pursuit.
    #[must_use]
    pub fn limit(&self) -> Limit<T> {
        Limit { k: self.k.unwrap_or(usize::MAX), eps: self.eps.unwrap_or(T::zero()) }
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
        let pursuit = BatchOmp::new(dictionary, self.rule)?;
        let limit = self.limit();
        let run = |y: Range<usize>, buffers: &mut _, codes: &mut Codes<T>| {
            pursuit.run(&signals[y], limit, buffers, |_, atoms, x| codes.push(atoms, x))
        };
        in_blocks(dictionary, signals.len(), || pursuit.buffers(limit), run)
    }
}

impl<T: Scalar> MaskedCoder<T> for Omp<T> {
    fn code_masked(
        &self,
        dictionary: Dense<'_, T>,
        signals: &[T],
        known: &[bool],
    ) -> Result<Codes<T>, SolveError> {
        self.validate()?;
        check::len("known entries", signals.len(), known.len())?;
        let pursuit = MaskedOmp::new(dictionary, self.rule, self.renormalize)?;
        let limit = self.limit();
        let run = |y: Range<usize>, buffers: &mut _, codes: &mut Codes<T>| {
            pursuit.run(&signals[y.clone()], &known[y], limit, buffers, |_, atoms, x| codes.push(atoms, x))
        };
        in_blocks(dictionary, signals.len(), || pursuit.buffers(limit), run)
    }
}
