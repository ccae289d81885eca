//! Lasso codes of many signals in one dictionary.

mod active_set;
mod descent;
mod gap;
mod homotopy;

use spm_linalg::factor::UpdatingCholesky;
use spm_linalg::{Dense, Scalar, check, vecops};

pub use self::gap::lasso_gap;
use crate::SolveError;
use crate::gram_dictionary::{GramDictionary, overflow};

/// This many signals are correlated with the dictionary in one matrix product.
const BLOCK: usize = 48;

/// How the minimiser is found; all find the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum LassoMethod {
    /// Atoms enter one by one, the most violating first; among those in use the minimiser is computed by Cholesky, and an atom
    /// leaves when its coefficient reaches 0. An atom that depends on those in use takes the place of one of them. Exact after
    /// finitely many steps; the faster the sparser the code. Where rounding stops it, coordinate descent finishes.
    #[default]
    ActiveSet,
    /// Cyclic coordinate descent on the Gram matrix.
    CoordinateDescent,
    /// Least-angle regression: the path of minimisers is followed from the largest `lambda` down, knot by knot. Under a bound on
    /// atoms or error the code is the minimiser at the `lambda` where the bound is met.
    Homotopy,
}

/// What is minimised for every signal, and when to stop early.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct LassoProblem<T> {
    /// Weight of the 1-norm, `>= 0`.
    pub lambda: T,
    /// Whether coefficients must be `>= 0`.
    pub positive: bool,
    /// At most this many atoms a signal. Homotopy stops where one more would enter; the active set method at the greedy beginning of its
    /// way to the minimiser; coordinate descent knows no such bound.
    pub k: usize,
    /// The residual norm that is good enough. Homotopy stops where it is met; an active set that meets it is not extended.
    pub eps: T,
    /// How the minimiser is found.
    pub method: LassoMethod,
}

impl<T: Scalar> LassoProblem<T> {
    /// The minimiser for this `lambda`, signs free.
    #[must_use]
    pub fn new(lambda: T) -> Self {
        Self { lambda, positive: false, k: usize::MAX, eps: T::zero(), method: LassoMethod::default() }
    }

    /// Sets whether coefficients must be `>= 0`.
    #[must_use]
    pub fn positive(mut self, on: bool) -> Self {
        self.positive = on;
        self
    }

    /// Sets the largest number of atoms.
    #[must_use]
    pub fn k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// Sets the residual norm that is good enough.
    #[must_use]
    pub fn eps(mut self, eps: T) -> Self {
        self.eps = eps;
        self
    }

    /// Sets how the minimiser is found.
    #[must_use]
    pub fn method(mut self, method: LassoMethod) -> Self {
        self.method = method;
        self
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`spm_linalg::LinalgError::InvalidParam`] unless `lambda` and `eps` are finite and `>= 0`.
    pub fn validate(&self) -> Result<(), SolveError> {
        check::non_negative("lambda", self.lambda)?;
        check::non_negative("eps", self.eps)?;
        Ok(())
    }
}

/// Codes of many signals: $\min_x \tfrac12 \|y - D x\|_2^2 + \lambda \|x\|_1$, optionally subject to `x >= 0`.
///
/// In plain text: half the squared residual plus `lambda` times the sum of the absolute coefficients. Correlations `Dᵀ Y` come
/// from one matrix product a block of signals; afterwards everything happens on the Gram matrix. Optimality, on the
/// returned point: `|d_jᵀ(y − D x)| <= lambda(1 + tol)` for every atom with `tol` about `1e-9` in `f64` and `1e-4` in `f32`, with equality up
/// to rounding and the right sign where `x_j ≠ 0`; all other coefficients are exactly 0. [`lasso_gap`] certifies a code.
///
/// With `lambda = 0`, `positive` and `k` it is non-negative matching pursuit (Bruckstein, Elad, Zibulevsky 2008): the atom with the
/// largest positive correlation enters, the coefficients are the non-negative least-squares fit.
///
/// Time about `O(d K + K n²)` a signal with `n` atoms in use; memory `O(K² + d K)`.
///
/// Sources: Lee, Battle, Raina, Ng 2007, *Efficient sparse coding algorithms*, algorithm 1 (active set); Lawson and Hanson 1974,
/// chapter 23 (leaving atoms); Friedman, Hastie, Tibshirani 2010, section 2.2 (covariance updates).
///
/// ```
/// use spm_linalg::Dense;
/// use spm_solvers::batch_lasso::{BatchLasso, LassoProblem};
/// let d = Dense::from_column_major(&[1.0, 0.0, 0.0, 1.0], 2, 2)?;
/// let lasso = BatchLasso::new(d)?;
/// let mut codes = Vec::new();
/// lasso.run(&[3.0, -0.5], LassoProblem::new(1.0), &mut lasso.buffers(), |_, atoms, x| codes.push((atoms.to_vec(), x.to_vec())))?;
/// assert_eq!(codes, [(vec![0], vec![2.0])]);
/// # Ok::<(), spm_solvers::SolveError>(())
/// ```
#[derive(Debug, Clone)]
pub struct BatchLasso<T> {
    dictionary: GramDictionary<T>,
}

/// The working memory of one thread.
#[derive(Debug, Clone)]
pub struct LassoBuffers<T> {
    correlations: Vec<T>,
    c: Vec<T>,
    /// How fast the correlations change along the path.
    slope: Vec<T>,
    factor: UpdatingCholesky<T>,
    active: Vec<u32>,
    signs: Vec<T>,
    x: Vec<T>,
    minus_x: Vec<T>,
    target: Vec<T>,
    /// What the correlations of the atoms in use lack of `lambda` times their sign.
    missing: Vec<T>,
    cross: Vec<T>,
    /// Atoms that are not to enter.
    excluded: Vec<u32>,
    dense: Vec<T>,
}

impl<T: Scalar> BatchLasso<T> {
    /// Prepares the Gram matrix of `dictionary` (atoms are columns).
    ///
    /// # Errors
    /// As [`GramDictionary::new`].
    pub fn new(dictionary: Dense<'_, T>) -> Result<Self, SolveError> {
        Ok(Self { dictionary: GramDictionary::new(dictionary)? })
    }

    /// The working memory of one thread.
    #[must_use]
    pub fn buffers(&self) -> LassoBuffers<T> {
        let d = &self.dictionary;
        let most = d.dim().min(d.n_atoms()) + 1;
        LassoBuffers {
            correlations: vec![T::zero(); d.padded() * BLOCK],
            c: vec![T::zero(); d.padded()],
            slope: vec![T::zero(); d.padded()],
            // Rounding of the factor is made up for, so that little distance to the span will do.
            factor: UpdatingCholesky::with_capacity(most).dependence_tol(T::of(8.0) * T::epsilon()),
            active: Vec::with_capacity(most),
            signs: Vec::with_capacity(most),
            x: Vec::with_capacity(most),
            minus_x: Vec::with_capacity(most),
            target: Vec::with_capacity(most),
            missing: Vec::with_capacity(most),
            cross: Vec::with_capacity(most),
            excluded: Vec::new(),
            dense: Vec::new(),
        }
    }

    /// Codes the columns of `signals` (`dim × N`, column-major) and hands each code to `emit(signal, atoms, coefficients)`, in
    /// order; all coefficients are nonzero.
    ///
    /// # Errors
    /// As [`GramDictionary::correlate`] and [`LassoProblem::validate`].
    pub fn run(
        &self,
        signals: &[T],
        problem: LassoProblem<T>,
        buffers: &mut LassoBuffers<T>,
        mut emit: impl FnMut(usize, &[u32], &[T]),
    ) -> Result<(), SolveError> {
        problem.validate()?;
        let d = &self.dictionary;
        if buffers.c.len() != d.padded() {
            *buffers = self.buffers();
        }
        for (block, y) in signals.chunks(BLOCK * d.dim()).enumerate() {
            let count = y.len() / d.dim();
            let mut correlations = core::mem::take(&mut buffers.correlations);
            let c0 = &mut correlations[..count * d.padded()];
            d.correlate(y, c0).map_err(|e| crate::batch_omp::at_signal(e, block * BLOCK))?;
            for (i, c0) in c0.chunks_exact(d.padded()).enumerate() {
                let sq_norm = vecops::sq_norm(&y[i * d.dim()..][..d.dim()]);
                if !sq_norm.is_finite() {
                    return Err(overflow("norm of a signal", sq_norm.sqrt()).into());
                }
                let found = match problem.method {
                    LassoMethod::ActiveSet => self.active_set(c0, sq_norm, problem, buffers),
                    LassoMethod::Homotopy => self.homotopy(c0, sq_norm, problem, buffers),
                    LassoMethod::CoordinateDescent => false,
                };
                if !found {
                    self.descend(c0, problem, buffers);
                }
                emit(block * BLOCK + i, &buffers.active, &buffers.x);
            }
            buffers.correlations = correlations;
        }
        Ok(())
    }
}

impl<T: Scalar> LassoBuffers<T> {
    fn clear(&mut self) {
        self.factor.clear();
        self.active.clear();
        self.signs.clear();
        self.x.clear();
        self.excluded.clear();
    }

    /// `c ← c0 − G x`.
    fn correlate(&mut self, d: &GramDictionary<T>, c0: &[T]) {
        self.minus_x.clear();
        self.minus_x.extend(self.x.iter().map(|&x| -x));
        d.add_gram(c0, &self.active, &self.minus_x, &mut self.c);
    }

    /// Takes the atom at this place out of use.
    fn drop(&mut self, place: usize) {
        self.factor.remove(place);
        self.active.remove(place);
        self.signs.remove(place);
        self.x.remove(place);
    }
}
