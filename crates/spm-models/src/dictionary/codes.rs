//! Sparse codes.

use spm_linalg::{Dense, LinearOperator, Scalar, check, vecops};

/// The `K × N` matrix of codes, column by column (CSC): column `i` holds the code of signal `i`, atoms ascending.
///
/// Memory: 4 bytes and one scalar a non-zero, and 8 bytes a signal.
#[derive(Debug, Clone, PartialEq)]
pub struct Codes<T> {
    n_atoms: usize,
    starts: Vec<usize>,
    atoms: Vec<u32>,
    values: Vec<T>,
}

impl<T: Scalar> Codes<T> {
    /// No signals yet.
    #[must_use]
    pub fn new(n_atoms: usize) -> Self {
        Self { n_atoms, starts: vec![0], atoms: Vec::new(), values: Vec::new() }
    }

    /// Appends the code of the next signal; the entries may come in any order.
    ///
    /// # Panics
    /// If the lengths differ, an atom is not below `n_atoms`, or an atom comes twice.
    pub fn push(&mut self, atoms: &[u32], values: &[T]) {
        check::dim("Codes::push values", atoms.len(), values.len());
        let start = self.atoms.len();
        self.atoms.extend_from_slice(atoms);
        self.values.extend_from_slice(values);
        let (atoms, values) = (&mut self.atoms[start..], &mut self.values[start..]);
        // Codes are short: insertion sort.
        for i in 1..atoms.len() {
            let mut j = i;
            while j > 0 && atoms[j - 1] > atoms[j] {
                atoms.swap(j - 1, j);
                values.swap(j - 1, j);
                j -= 1;
            }
        }
        assert!(atoms.windows(2).all(|w| w[0] < w[1]), "an atom comes twice in one code");
        assert!(atoms.last().is_none_or(|&j| (j as usize) < self.n_atoms), "atom out of range");
        self.starts.push(self.atoms.len());
    }

    /// Appends all codes of `other`.
    ///
    /// # Panics
    /// If the numbers of atoms differ.
    pub fn append(&mut self, other: &Self) {
        check::dim("Codes::append n_atoms", self.n_atoms, other.n_atoms);
        let offset = self.atoms.len();
        self.starts.extend(other.starts[1..].iter().map(|s| s + offset));
        self.atoms.extend_from_slice(&other.atoms);
        self.values.extend_from_slice(&other.values);
    }

    /// The number of atoms, `K`.
    #[must_use]
    pub fn n_atoms(&self) -> usize {
        self.n_atoms
    }

    /// The number of signals, `N`.
    #[must_use]
    pub fn n_signals(&self) -> usize {
        self.starts.len() - 1
    }

    /// The number of stored entries.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.atoms.len()
    }

    /// The atoms and coefficients of signal `i`.
    ///
    /// # Panics
    /// If `i >= n_signals()`.
    #[must_use]
    pub fn column(&self, i: usize) -> (&[u32], &[T]) {
        let range = self.starts[i]..self.starts[i + 1];
        (&self.atoms[range.clone()], &self.values[range])
    }

    /// Start of every column in [`atoms`](Self::atoms) and [`values`](Self::values), `N + 1` numbers.
    #[must_use]
    pub fn starts(&self) -> &[usize] {
        &self.starts
    }

    /// The atom of every entry.
    #[must_use]
    pub fn atoms(&self) -> &[u32] {
        &self.atoms
    }

    /// The coefficient of every entry.
    #[must_use]
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// The dense `K × N` matrix, column-major (the row-major `N × K` of NumPy).
    #[must_use]
    pub fn to_dense(&self) -> Vec<T> {
        let mut out = vec![T::zero(); self.n_atoms * self.n_signals()];
        for i in 0..self.n_signals() {
            let (atoms, values) = self.column(i);
            for (&j, &v) in atoms.iter().zip(values) {
                out[i * self.n_atoms + j as usize] = v;
            }
        }
        out
    }

    /// `out ← out + scale·D x_i` for signal `i`. O(d) an entry.
    ///
    /// # Panics
    /// If `i` or a shape does not fit.
    pub fn add_reconstruction(&self, dictionary: Dense<'_, T>, i: usize, scale: T, out: &mut [T]) {
        check::dim("add_reconstruction dictionary", self.n_atoms, dictionary.ncols());
        let (atoms, values) = self.column(i);
        for (&j, &v) in atoms.iter().zip(values) {
            vecops::axpy(scale * v, dictionary.col(j as usize), out);
        }
    }

    /// The codes of blocks of `size` signals: where a block starts, and its coefficients to write to.
    pub(super) fn blocks_mut(&mut self, size: usize) -> (&[usize], &[u32], Vec<&mut [T]>) {
        let mut rest = &mut self.values[..];
        let mut blocks = Vec::new();
        let mut first = 0;
        while first < self.starts.len() - 1 {
            let end = (first + size).min(self.starts.len() - 1);
            let (block, after) = rest.split_at_mut(self.starts[end] - self.starts[first]);
            blocks.push(block);
            (rest, first) = (after, end);
        }
        (&self.starts, &self.atoms, blocks)
    }

    /// Multiplies the coefficients of every atom by its factor.
    pub(super) fn scale_atoms(&mut self, factors: &[T]) {
        for (value, &j) in self.values.iter_mut().zip(&self.atoms) {
            *value *= factors[j as usize];
        }
    }

    /// `D X`, column-major `d × N`.
    ///
    /// # Panics
    /// If the numbers of atoms differ.
    #[must_use]
    pub fn reconstruct(&self, dictionary: Dense<'_, T>) -> Vec<T> {
        let mut out = vec![T::zero(); dictionary.nrows() * self.n_signals()];
        for (i, y) in out.chunks_exact_mut(dictionary.nrows().max(1)).enumerate() {
            self.add_reconstruction(dictionary, i, T::one(), y);
        }
        out
    }

    /// The root mean square error `sqrt(Σ (Y − D X)² / (d N))` over all entries, 0 without any.
    ///
    /// # Panics
    /// If a shape does not fit.
    #[must_use]
    pub fn rmse(&self, dictionary: Dense<'_, T>, signals: &[T]) -> T {
        let dim = dictionary.nrows();
        check::dim("Codes::rmse signals", dim * self.n_signals(), signals.len());
        let (mut residual, mut sum) = (vec![T::zero(); dim], T::zero());
        for (i, y) in signals.chunks_exact(dim.max(1)).enumerate() {
            residual.copy_from_slice(y);
            self.add_reconstruction(dictionary, i, -T::one(), &mut residual);
            sum += vecops::sq_norm(&residual);
        }
        if signals.is_empty() { T::zero() } else { (sum / T::of_usize(signals.len())).sqrt() }
    }
}

impl<T: Scalar> Codes<T> {
    /// As [`rmse`](Self::rmse), over the entries where `known` is true; 0 if there are none.
    ///
    /// # Panics
    /// If a shape does not fit.
    #[must_use]
    pub fn rmse_masked(&self, dictionary: Dense<'_, T>, signals: &[T], known: &[bool]) -> T {
        let dim = dictionary.nrows();
        check::dim("Codes::rmse_masked signals", dim * self.n_signals(), signals.len());
        check::dim("Codes::rmse_masked known", signals.len(), known.len());
        let (mut guess, mut sum, mut count) = (vec![T::zero(); dim], T::zero(), 0);
        for (i, (y, known)) in
            signals.chunks_exact(dim.max(1)).zip(known.chunks_exact(dim.max(1))).enumerate()
        {
            guess.fill(T::zero());
            self.add_reconstruction(dictionary, i, T::one(), &mut guess);
            for ((&y, &guess), _) in y.iter().zip(&guess).zip(known).filter(|(_, known)| **known) {
                sum += (y - guess) * (y - guess);
                count += 1;
            }
        }
        if count == 0 { T::zero() } else { (sum / T::of_usize(count)).sqrt() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_sorted_and_reconstruct() {
        let mut codes = Codes::<f64>::new(3);
        codes.push(&[2, 0], &[5.0, 1.0]);
        codes.push(&[], &[]);
        assert_eq!(codes.column(0), (&[0, 2][..], &[1.0, 5.0][..]));
        assert_eq!(codes.to_dense(), [1.0, 0.0, 5.0, 0.0, 0.0, 0.0]);
        let d = [1.0, 0.0, 0.0, 1.0, 1.0, 1.0];
        let d = Dense::from_column_major(&d, 2, 3).unwrap();
        assert_eq!(codes.reconstruct(d), [6.0, 5.0, 0.0, 0.0]);
        assert_eq!(codes.rmse(d, &[6.0, 5.0, 0.0, 2.0]), 1.0);
        let mut twice = codes.clone();
        twice.append(&codes);
        assert_eq!(twice.n_signals(), 4);
        assert_eq!(twice.column(2), codes.column(0));
        assert_eq!(twice.nnz(), 4);
    }

    #[test]
    #[should_panic(expected = "twice")]
    fn an_atom_twice_is_a_mistake() {
        Codes::<f64>::new(3).push(&[1, 1], &[1.0, 2.0]);
    }
}
