//! Where dictionary learning starts.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spm_linalg::{Scalar, check, vecops};

use super::{Dictionary, dct};
use crate::ModelError;

/// The first dictionary of a training run.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub enum Init<T> {
    /// Normalised signals drawn without replacement, no zero signal and no signal twice; when they run out, random
    /// directions.
    #[default]
    Samples,
    /// Directions drawn uniformly from the sphere.
    Random,
    /// Cosines: the first atoms of [`dct::overcomplete_2d`] with `ceil(sqrt(K))` frequencies an axis if the signals
    /// have the length of a square patch (4 or more), else [`dct::overcomplete_1d`].
    Dct,
    /// This one.
    Given(Dictionary<T>),
}

impl<T: Scalar> Init<T> {
    /// The dictionary for `signals` (`dim × N`, column-major). The same seed gives the same atoms.
    ///
    /// # Errors
    /// [`spm_linalg::LinalgError::Empty`] for `dim = 0` or `n_atoms = 0`; [`spm_linalg::LinalgError::Shape`] if a given dictionary does not fit; for
    /// [`Init::Dct`] the errors of [`dct`].
    pub fn dictionary(
        &self,
        signals: &[T],
        dim: usize,
        n_atoms: usize,
        seed: u64,
    ) -> Result<Dictionary<T>, ModelError> {
        check::non_empty("signal", dim)?;
        check::non_empty("dictionary", n_atoms)?;
        match self {
            Self::Samples => samples(signals, dim, n_atoms, seed),
            Self::Random => {
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                Dictionary::normalized((0..n_atoms).flat_map(|_| direction(&mut rng, dim)).collect(), dim)
            }
            Self::Dct => cosines(dim, n_atoms),
            Self::Given(d) => {
                check::len("atoms of the given dictionary", dim, d.dim())?;
                check::len("given dictionary", n_atoms, d.n_atoms())?;
                Ok(d.clone())
            }
        }
    }
}

fn samples<T: Scalar>(
    signals: &[T],
    dim: usize,
    n_atoms: usize,
    seed: u64,
) -> Result<Dictionary<T>, ModelError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut order: Vec<usize> = (0..signals.len() / dim).collect();
    let mut atoms: Vec<T> = Vec::with_capacity(n_atoms * dim);
    let same = T::one() - T::epsilon().sqrt();
    let mut drawn = 0;
    while atoms.len() < n_atoms * dim {
        if drawn == order.len() {
            atoms.extend(direction::<T>(&mut rng, dim));
            continue;
        }
        let pick = drawn + below(&mut rng, order.len() - drawn);
        order.swap(drawn, pick);
        let y = &signals[order[drawn] * dim..][..dim];
        drawn += 1;
        let norm = vecops::norm(y);
        if norm == T::zero() || !norm.is_finite() {
            continue;
        }
        let atom: Vec<T> = y.iter().map(|&v| v / norm).collect();
        if atoms.chunks_exact(dim).all(|a| vecops::dot(a, &atom).abs() < same) || dim == 1 {
            atoms.extend(atom);
        }
    }
    Dictionary::normalized(atoms, dim)
}

fn cosines<T: Scalar>(dim: usize, n_atoms: usize) -> Result<Dictionary<T>, ModelError> {
    let side = |n: usize| (n as f64).sqrt().ceil() as usize;
    let p = side(dim);
    let frame = if p * p == dim && p > 1 {
        dct::overcomplete_2d(p, side(n_atoms))?
    } else {
        dct::overcomplete_1d(dim, n_atoms)?
    };
    let mut atoms = frame.into_atoms();
    atoms.truncate(n_atoms * dim);
    Dictionary::new(atoms, dim)
}

/// A random direction: a vector of normals (Box and Muller 1958), normalised later.
fn direction<T: Scalar>(rng: &mut ChaCha8Rng, dim: usize) -> Vec<T> {
    let mut uniform = || ((rng.next_u64() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
    (0..dim)
        .map(|_| T::of((-2.0 * uniform().ln()).sqrt() * (core::f64::consts::TAU * uniform()).cos()))
        .collect()
}

/// Uniform on `0..n`, the same on every platform.
pub(super) fn below(rng: &mut ChaCha8Rng, n: usize) -> usize {
    ((u128::from(rng.next_u64()) * n as u128) >> 64) as usize
}

impl<T: Scalar> From<Dictionary<T>> for Init<T> {
    fn from(d: Dictionary<T>) -> Self {
        Self::Given(d)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use spm_linalg::LinalgError;

    #[test]
    fn identical_and_zero_signals_are_drawn_once_or_never() {
        let mut signals = [1.0_f64, 2.0, 3.0].repeat(10);
        signals.extend([0.0; 6]);
        let d = Init::Samples.dictionary(&signals, 3, 5, 7).unwrap();
        let norm = 14.0_f64.sqrt();
        let like = |a: &[f64]| (a[0] - 1.0 / norm).abs() < 1e-15;
        assert_eq!((0..5).filter(|&j| like(d.atom(j))).count(), 1);
        assert_eq!(d, Init::Samples.dictionary(&signals, 3, 5, 7).unwrap());
        assert_ne!(d, Init::Samples.dictionary(&signals, 3, 5, 8).unwrap());
    }

    #[test]
    fn every_init_has_the_shape_asked_for() {
        let signals: Vec<f64> = (0..16 * 9).map(|i| ((i * i) as f64).sin()).collect();
        for init in [Init::Samples, Init::Random, Init::Dct] {
            for (dim, k) in [(9, 20), (9, 3), (16, 16), (1, 1), (2, 5)] {
                let d = init.dictionary(&signals, dim, k, 0).unwrap();
                assert_eq!((d.dim(), d.n_atoms()), (dim, k), "{init:?}");
            }
            assert!(init.dictionary(&signals, 9, 0, 0).is_err());
            assert!(init.dictionary(&signals, 0, 1, 0).is_err());
        }
        let given = Init::from(dct::orthonormal_1d::<f64>(4).unwrap());
        assert!(given.dictionary(&signals, 4, 4, 0).is_ok());
        assert!(matches!(
            given.dictionary(&signals, 4, 5, 0),
            Err(ModelError::Linalg(LinalgError::Shape { .. }))
        ));
    }
}
