//! Atoms that give way between two iterations.

use spm_linalg::{Dense, Scalar, vecops};
use spm_solvers::SolveError;

use super::training::Data;
use crate::dictionary::Codes;

/// Replaces little-used atoms and near-duplicates by the worst-represented signals.
pub(in crate::dictionary) struct Replacement<'a, T> {
    pub(in crate::dictionary) data: Data<'a, T>,
    pub(in crate::dictionary) codes: &'a Codes<T>,
    /// `Y − D X`.
    pub(in crate::dictionary) residual: &'a [T],
    /// How many signals use each atom, and how many are enough.
    pub(in crate::dictionary) uses: Vec<usize>,
    pub(in crate::dictionary) enough: usize,
    pub(in crate::dictionary) max_coherence: T,
}

impl<T: Scalar> Replacement<'_, T> {
    /// Changes `atoms`; returns which were replaced.
    pub(in crate::dictionary) fn run(&self, atoms: &mut [T]) -> Result<Vec<usize>, SolveError> {
        let gone = self.gone(atoms)?;
        let needed = gone.iter().filter(|&&g| g).count();
        if needed == 0 {
            return Ok(Vec::new());
        }
        let dim = self.data.dim;
        let mut candidates = self.worst_represented(4 * needed + 64).into_iter();
        let mut replaced = Vec::new();
        for j in (0..gone.len()).filter(|&j| gone[j]) {
            let Some(atom) = candidates.find_map(|i| self.fresh_atom(atoms, i, j)) else { break };
            atoms[j * dim..][..dim].copy_from_slice(&atom);
            replaced.push(j);
        }
        Ok(replaced)
    }

    /// Which atoms have too few users or are too near to a more used one.
    fn gone(&self, atoms: &[T]) -> Result<Vec<bool>, SolveError> {
        let n_atoms = self.codes.n_atoms();
        let uses = &self.uses;
        let limit = self.max_coherence;
        let mut gram = vec![T::zero(); n_atoms * n_atoms];
        Dense::from_column_major(atoms, self.data.dim, n_atoms)?
            .apply_adjoint_block(atoms, n_atoms, &mut gram);
        let mut gone = vec![false; n_atoms];
        for j in 0..n_atoms {
            let better = |i: usize| i != j && !gone[i] && (uses[i], n_atoms - i) > (uses[j], n_atoms - j);
            let copy = |i: usize| gram[j * n_atoms + i].abs() > limit && better(i);
            gone[j] = uses[j] < self.enough || (limit < T::one() && (0..n_atoms).any(copy));
        }
        Ok(gone)
    }

    /// The signals with the largest residuals, worst first; none that is represented to rounding.
    fn worst_represented(&self, count: usize) -> Vec<usize> {
        let error: Vec<T> = self.residual.chunks_exact(self.data.dim).map(vecops::norm).collect();
        let rounding = T::of(1e3) * T::epsilon();
        let mut order: Vec<usize> = (0..error.len())
            .filter(|&i| error[i] > T::zero() && error[i] > rounding * self.known_norm(i))
            .collect();
        let worse = |&a: &usize, &b: &usize| {
            error[b].partial_cmp(&error[a]).unwrap_or(core::cmp::Ordering::Equal).then(a.cmp(&b))
        };
        if count < order.len() {
            order.select_nth_unstable_by(count, worse);
            order.truncate(count);
        }
        order.sort_unstable_by(worse);
        order
    }

    fn known_norm(&self, i: usize) -> T {
        let y = self.data.signal(i);
        match self.data.known(i) {
            None => vecops::norm(y),
            Some(known) => y.iter().zip(known).filter(|(_, k)| **k).map(|(&v, _)| v * v).sum::<T>().sqrt(),
        }
    }

    /// Signal `i`, or else what is missing of it, normalised; `None` if both are near an atom other than `j`.
    fn fresh_atom(&self, atoms: &[T], i: usize, j: usize) -> Option<Vec<T>> {
        let dim = self.data.dim;
        let residual = &self.residual[i * dim..][..dim];
        let mut signal = vec![T::zero(); dim];
        if self.data.known.is_some() {
            let dictionary = Dense::from_column_major(atoms, dim, self.codes.n_atoms()).ok()?;
            let mut guess = vec![T::zero(); dim];
            self.codes.add_reconstruction(dictionary, i, T::one(), &mut guess);
            self.data.filled(i, &mut signal, |f| guess[f]);
        } else {
            signal.copy_from_slice(self.data.signal(i));
        }
        [&signal[..], residual].into_iter().find_map(|v| {
            let norm = vecops::norm(v);
            if !(norm > T::zero() && norm.is_finite()) {
                return None;
            }
            let atom: Vec<T> = v.iter().map(|&x| x / norm).collect();
            let mut others = atoms.chunks_exact(dim).enumerate().filter(|&(other, _)| other != j);
            let near = others.any(|(_, a)| vecops::dot(a, &atom).abs() > self.max_coherence);
            (!near).then_some(atom)
        })
    }
}
