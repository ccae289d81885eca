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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use spm_linalg::testing::Rng;

    use super::*;

    /// Signals along two directions of four: what lies in them is no deviation, the rest is all of it.
    fn what_is_left_over<T: Scalar>(tol: f64) {
        let mut rng = Rng::new(1);
        let mut signals = vec![T::zero(); 4 * 30];
        for (k, y) in signals.chunks_exact_mut(4).enumerate() {
            y[k % 2] = T::of(1.0 + rng.uniform::<f64>());
        }
        let model = SparseLearner::default().atoms(2, 2).fit(&signals, 4).unwrap();
        model.validate().unwrap();
        let probe = [3.0, -2.0, 0.6, 0.8].map(T::of);
        let mut out = [T::zero()];
        model.deviations_into(&probe, &mut out).unwrap();
        assert!((out[0].as_f64() - 0.25_f64.ln()).abs() < tol, "{}", out[0]); // (0.36 + 0.64)/4
        assert_eq!(model.log_density(out[0]), None);
        let mut inside = vec![T::zero(); 30];
        model.deviations_into(&signals, &mut inside).unwrap();
        assert!(inside.iter().all(|v| v.as_f64() < (1e-8_f64).ln()), "{inside:?}");
        // A signal is judged for itself.
        let both = [probe.as_slice(), &signals[..4]].concat();
        let mut pair = [T::zero(); 2];
        model.deviations_into(&both, &mut pair).unwrap();
        assert_eq!((pair[0], pair[1]), (out[0], inside[0]));
    }

    #[test]
    fn deviations_are_what_atoms_leave_over() {
        what_is_left_over::<f64>(1e-10);
        what_is_left_over::<f32>(1e-5);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let learner = SparseLearner::default();
        assert!(learner.fit(&[] as &[f64], 2).is_err() && learner.fit(&[1.0_f64; 3], 2).is_err());
        assert!(learner.fit(&[1.0, f64::NAN], 2).is_err());
        assert!(learner.atoms(2, 0).fit(&[1.0_f64, 2.0], 2).is_err());
        let model = learner.atoms(1, 1).fit(&[1.0_f64, 2.0, 2.0, 4.0], 2).unwrap();
        assert!(model.deviations_into(&[1.0], &mut [0.0]).is_err());
    }
}
