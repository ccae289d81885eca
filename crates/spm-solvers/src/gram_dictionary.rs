//! A dictionary with its Gram matrix, laid out for coders.

use spm_linalg::vecops::panel::{PanelColumns, padded};
use spm_linalg::vecops::product::{TILE, pack_vector, product_into};
use spm_linalg::{Dense, LinalgError, LinearOperator, Scalar, check};

use crate::SolveError;
use crate::batch_omp::rows_of;

/// A dictionary `D` (`d × K`) and its Gram matrix `G = DᵀD`: all a coder needs besides the correlations `DᵀY`.
///
/// Vectors over the atoms are *padded*: they have [`padded`](Self::padded) entries, a multiple of the panel of
/// [`spm_linalg::vecops::panel`], zero beyond the last atom.
///
/// Time `O(d K²)` once; memory `O(d K + K²)`.
///
/// ```
/// use spm_linalg::Dense;
/// use spm_solvers::gram_dictionary::GramDictionary;
/// let d = GramDictionary::new(Dense::from_column_major(&[1.0, 0.0, 0.6, 0.8], 2, 2)?)?;
/// let mut c = vec![0.0; d.padded()];
/// d.correlate(&[5.0, 10.0], &mut c)?;
/// assert_eq!(c[..3], [5.0, 11.0, 0.0]);
/// assert_eq!(d.gram(0)[1], 0.6);
/// # Ok::<(), spm_solvers::SolveError>(())
/// ```
#[derive(Debug, Clone)]
pub struct GramDictionary<T> {
    dim: usize,
    n_atoms: usize,
    padded: usize,
    atoms: Vec<T>,
    rows: PanelColumns<T>,
    gram: Vec<T>,
    panels: PanelColumns<T>,
}

impl<T: Scalar> GramDictionary<T> {
    /// Prepares a dictionary (atoms are columns).
    ///
    /// # Errors
    /// [`LinalgError::NonFiniteAt`] naming the entry and the atom, [`LinalgError::Empty`] without atoms or entries,
    /// [`LinalgError::InvalidParam`] for an atom whose squared norm overflows.
    pub fn new(dictionary: Dense<'_, T>) -> Result<Self, SolveError> {
        let (dim, n_atoms) = (dictionary.nrows(), dictionary.ncols());
        check::non_empty("dictionary", dim.min(n_atoms))?;
        dictionary.check_finite("dictionary")?;
        let padded = padded(n_atoms);
        let mut atoms = vec![T::zero(); dim * padded];
        for (j, atom) in atoms.chunks_exact_mut(dim).take(n_atoms).enumerate() {
            atom.copy_from_slice(dictionary.col(j));
        }
        let mut gram = vec![T::zero(); padded * padded];
        Dense::from_column_major(&atoms, dim, padded)?.apply_adjoint_block(&atoms, padded, &mut gram);
        if let Some(sq) = (0..n_atoms).map(|j| gram[j * padded + j]).find(|v| !v.is_finite()) {
            return Err(overflow("norm of an atom", sq.sqrt()).into());
        }
        let columns: Vec<&[T]> = gram.chunks_exact(padded).collect();
        let panels = PanelColumns::from_columns(padded, &columns);
        let rows = rows_of(&atoms, dim, padded);
        Ok(Self { dim, n_atoms, padded, atoms, rows, gram, panels })
    }

    /// The length of a signal, `d`.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The number of atoms, `K`.
    #[must_use]
    pub fn n_atoms(&self) -> usize {
        self.n_atoms
    }

    /// The length of a padded vector over the atoms.
    #[must_use]
    pub fn padded(&self) -> usize {
        self.padded
    }

    /// Atom `j`; zero beyond the last.
    ///
    /// # Panics
    /// If `j >= padded()`.
    #[must_use]
    pub fn atom(&self, j: usize) -> &[T] {
        &self.atoms[j * self.dim..][..self.dim]
    }

    /// The inner products of atom `j` with all, padded.
    ///
    /// # Panics
    /// If `j >= padded()`.
    #[must_use]
    pub fn gram(&self, j: usize) -> &[T] {
        &self.gram[j * self.padded..][..self.padded]
    }

    /// `out ← DᵀY` for the columns of `signals`, padded columns; one matrix product.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if the length is no multiple of `dim`; [`LinalgError::NonFiniteAt`] naming the entry (row) and
    /// the signal (column).
    ///
    /// # Panics
    /// If `out` has not `padded()` entries a signal.
    pub fn correlate(&self, signals: &[T], out: &mut [T]) -> Result<(), SolveError> {
        let count = signals.len() / self.dim;
        check::len("signals", count * self.dim, signals.len())?;
        if let Err(LinalgError::NonFinite { what, index }) = check::finite("signals", signals) {
            let (row, col) = (index % self.dim, index / self.dim);
            return Err(LinalgError::NonFiniteAt { what, row, col }.into());
        }
        let mut tiles = vec![T::zero(); count.div_ceil(TILE) * TILE * self.dim];
        for (i, y) in signals.chunks_exact(self.dim).enumerate() {
            pack_vector(&mut tiles, i, y);
        }
        product_into(&self.rows, &tiles, count, out);
        Ok(())
    }

    /// `out ← c + Σ coef[a]·G_j` over the atoms `j = index[a]`: with `coef = −x`, the correlations `Dᵀ(y − D x)` from `c = Dᵀy`.
    /// `O(K)` an atom.
    ///
    /// # Panics
    /// If a length is wrong or an index is not below `padded()`.
    pub fn add_gram(&self, c: &[T], index: &[u32], coef: &[T], out: &mut [T]) {
        self.panels.combine_into(Some(c), index, coef, out);
    }

    /// As [`add_gram`](Self::add_gram), from zero: `out ← Σ coef[a]·G_j`.
    ///
    /// # Panics
    /// As [`add_gram`](Self::add_gram).
    pub fn combine_gram(&self, index: &[u32], coef: &[T], out: &mut [T]) {
        self.panels.combine_into(None, index, coef, out);
    }
}

pub(crate) fn overflow<T: Scalar>(name: &'static str, got: T) -> LinalgError {
    let expected = "small enough for its square not to overflow";
    LinalgError::InvalidParam { name, expected, got: got.as_f64() }
}
