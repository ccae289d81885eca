//! What a small dictionary can't express.

use spm_linalg::{Dense, Scalar, check, vecops};
use spm_solvers::batch_omp::{BatchOmp, Limit, Rule};

use super::{FLOOR, Novelty, OneClass, columns};
use crate::ModelError;
use crate::dictionary::{Dictionary, Ksvd, Omp};

/// Learns a dictionary by [`Ksvd`]; a signal deviates by what `k` of its atoms leave over.
///
/// | option | default | range |
/// |---|---|---|
/// | `n_atoms` | 24 | `> 0` |
/// | `k` | 2 | `> 0` |
/// | `max_iter` | 5 | |
/// | `seed` | 0 | |
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct SparseLearner {
    /// Atoms of the dictionary.
    pub n_atoms: usize,
    /// Atoms a signal.
    pub k: usize,
    /// Iterations of the training.
    pub max_iter: usize,
    /// Seed of the training.
    pub seed: u64,
}

impl Default for SparseLearner {
    fn default() -> Self {
        Self { n_atoms: 24, k: 2, max_iter: 5, seed: 0 }
    }
}

impl SparseLearner {
    /// Sets the number of atoms and how many a signal may use.
    #[must_use]
    pub fn atoms(mut self, n_atoms: usize, k: usize) -> Self {
        (self.n_atoms, self.k) = (n_atoms, k);
        self
    }

    /// Sets the number of iterations.
    #[must_use]
    pub fn max_iter(mut self, max_iter: usize) -> Self {
        self.max_iter = max_iter;
        self
    }

    /// Sets the seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// A dictionary and a number of atoms: the deviation of `x` is $\log \tfrac1d \min_a \lVert x - D a \rVert^2$ over codes of `k`
/// atoms, found by orthogonal matching pursuit.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(bound(deserialize = "T: Scalar + serde::Deserialize<'de>")))]
pub struct SparseNovelty<T> {
    dictionary: Dictionary<T>,
    k: usize,
}

impl<T: Scalar> OneClass<T> for SparseLearner {
    type Model = SparseNovelty<T>;

    fn fit(&self, signals: &[T], dim: usize) -> Result<SparseNovelty<T>, ModelError> {
        check::non_empty("atoms of a code", self.k)?;
        columns(signals, dim)?;
        let training = Ksvd::new(self.n_atoms, Omp::with_k(self.k)).max_iter(self.max_iter).seed(self.seed);
        Ok(SparseNovelty { dictionary: training.fit(signals, dim)?.dictionary, k: self.k })
    }
}

impl<T: Scalar> SparseNovelty<T> {
    /// The dictionary.
    #[must_use]
    pub fn dictionary(&self) -> &Dictionary<T> {
        &self.dictionary
    }

    /// Atoms a signal.
    #[must_use]
    pub fn k(&self) -> usize {
        self.k
    }

    /// Whether the numbers make sense: what a file must be asked.
    ///
    /// # Errors
    /// [`spm_linalg::LinalgError`] naming what is wrong.
    pub fn validate(&self) -> Result<(), ModelError> {
        check::non_empty("atoms of a code", self.k)?;
        check::finite("dictionary", self.dictionary.atoms())?;
        Ok(())
    }
}

impl<T: Scalar> Novelty<T> for SparseNovelty<T> {
    fn dim(&self) -> usize {
        self.dictionary.dim()
    }

    fn deviations_into(&self, signals: &[T], out: &mut [T]) -> Result<(), ModelError> {
        let d = self.dictionary.dim();
        check::len("signals", d * out.len(), signals.len())?;
        let atoms: Dense<'_, T> = self.dictionary.as_dense();
        let coder = BatchOmp::new(atoms, Rule::Omp)?;
        let limit = Limit { k: self.k, eps: T::zero() };
        let (scale, mut residual) = (T::of_usize(d).recip(), vec![T::zero(); d]);
        coder.run(signals, limit, &mut coder.buffers(limit), |q, support, x| {
            residual.copy_from_slice(&signals[q * d..(q + 1) * d]);
            for (&j, &x) in support.iter().zip(x) {
                vecops::axpy(-x, atoms.col(j as usize), &mut residual);
            }
            out[q] = (vecops::sq_norm(&residual) * scale).max(T::of(FLOOR)).ln();
        })?;
        Ok(())
    }
}
