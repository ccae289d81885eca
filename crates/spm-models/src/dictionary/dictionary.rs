//! The dictionary: unit-norm atoms as columns.

use spm_linalg::{Dense, LinalgError, Scalar, check, vecops};

use crate::ModelError;

/// A `d × K` matrix whose columns, the atoms, have unit 2-norm.
///
/// Stored column-major: atom `j` is `atoms()[j·d .. (j+1)·d]`. The norm may differ from 1 by the square root of the
/// rounding unit, so that atoms that went through a text file are accepted; [`Dictionary::normalized`] takes
/// anything but zero atoms.
///
/// ```
/// use spm_models::dictionary::Dictionary;
/// let d = Dictionary::normalized(vec![3.0, 4.0, 0.0, -2.0], 2)?;
/// assert_eq!(d.atom(0), [0.6, 0.8]);
/// assert_eq!(d.n_atoms(), 2);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(try_from = "Parts<T>", bound(deserialize = "T: Scalar + serde::Deserialize<'de>"))
)]
pub struct Dictionary<T> {
    dim: usize,
    atoms: Vec<T>,
}

/// What is stored: unchecked.
#[cfg(feature = "serde")]
#[derive(serde::Deserialize)]
#[serde(rename = "Dictionary")]
struct Parts<T> {
    dim: usize,
    atoms: Vec<T>,
}

#[cfg(feature = "serde")]
impl<T: Scalar> TryFrom<Parts<T>> for Dictionary<T> {
    type Error = ModelError;

    fn try_from(parts: Parts<T>) -> Result<Self, ModelError> {
        Self::new(parts.atoms, parts.dim)
    }
}

impl<T: Scalar> Dictionary<T> {
    /// A dictionary of the given atoms, each of length `dim`, one after the other.
    ///
    /// # Errors
    /// [`LinalgError::Empty`] without atoms, [`LinalgError::Shape`] if the length is no multiple of `dim`,
    /// [`LinalgError::NonFiniteAt`] naming the entry (row) and the atom (column), [`ModelError::NotUnitNorm`].
    pub fn new(atoms: Vec<T>, dim: usize) -> Result<Self, ModelError> {
        let this = Self::finite(atoms, dim)?;
        for (atom, a) in this.atoms.chunks_exact(dim).enumerate() {
            let norm = vecops::norm(a);
            if (norm - T::one()).abs() > T::epsilon().sqrt() {
                return Err(ModelError::NotUnitNorm { atom, norm: norm.as_f64() });
            }
        }
        Ok(this)
    }

    /// As [`new`](Self::new), dividing every atom by its norm.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`ModelError::NotUnitNorm`] for a zero atom.
    pub fn normalized(atoms: Vec<T>, dim: usize) -> Result<Self, ModelError> {
        let mut this = Self::finite(atoms, dim)?;
        for (atom, a) in this.atoms.chunks_exact_mut(dim).enumerate() {
            let norm = vecops::norm(a);
            if norm == T::zero() {
                return Err(ModelError::NotUnitNorm { atom, norm: 0.0 });
            }
            for v in a {
                *v /= norm;
            }
        }
        Ok(this)
    }

    fn finite(atoms: Vec<T>, dim: usize) -> Result<Self, ModelError> {
        check::non_empty("dictionary", dim.min(atoms.len()))?;
        check::len("dictionary", atoms.len() / dim * dim, atoms.len())?;
        if let Err(LinalgError::NonFinite { what, index }) = check::finite("dictionary", &atoms) {
            return Err(LinalgError::NonFiniteAt { what, row: index % dim, col: index / dim }.into());
        }
        Ok(Self { dim, atoms })
    }

    /// The length of an atom, `d`.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The number of atoms, `K`.
    #[must_use]
    pub fn n_atoms(&self) -> usize {
        self.atoms.len() / self.dim
    }

    /// All atoms, column-major `d × K`.
    #[must_use]
    pub fn atoms(&self) -> &[T] {
        &self.atoms
    }

    /// Atom `j`.
    ///
    /// # Panics
    /// If `j >= n_atoms()`.
    #[must_use]
    pub fn atom(&self, j: usize) -> &[T] {
        &self.atoms[j * self.dim..][..self.dim]
    }

    /// The atoms as a matrix: what a [`super::Coder`] takes.
    #[must_use]
    pub fn as_dense(&self) -> Dense<'_, T> {
        Dense::from_column_major(&self.atoms, self.dim, self.n_atoms()).expect("the shape was checked")
    }

    /// Gives the atoms away, column-major `d × K`.
    #[must_use]
    pub fn into_atoms(self) -> Vec<T> {
        self.atoms
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn bad_atoms_are_named() {
        let at = LinalgError::NonFiniteAt { what: "dictionary", row: 1, col: 1 };
        assert_eq!(Dictionary::new(vec![1.0, 0.0, 0.0, f64::NAN], 2), Err(at.into()));
        assert_eq!(
            Dictionary::new(vec![1.0, 0.0, 1.0, 1.0], 2).unwrap_err().to_string(),
            "atom 1 has norm 1.4142135623730951, expected 1"
        );
        assert!(Dictionary::new(vec![1.0, 0.0, 1.0], 2).is_err());
        assert!(Dictionary::<f64>::new(vec![], 2).is_err());
        assert!(Dictionary::new(vec![1.0_f32], 0).is_err());
        assert!(Dictionary::normalized(vec![1.0, 0.0, 0.0, 0.0], 2).is_err());
        let extreme = Dictionary::normalized(vec![3e-200, 4e-200, 3e200, 4e200], 2).unwrap();
        assert!(Dictionary::new(extreme.into_atoms(), 2).is_ok());
    }
}
