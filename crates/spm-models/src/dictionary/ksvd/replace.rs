//! Atoms that give way between two iterations.

use std::borrow::Cow;

use spm_linalg::krylov::leading_eigenvector;
use spm_linalg::{Dense, LinalgError, Scalar, vecops};
use spm_solvers::SolveError;

use super::training::Data;
use crate::dictionary::Codes;

/// So many signals make a new atom.
const CLUSTER: usize = 8;

/// Replaces little-used atoms and near-duplicates by what the worst-represented signals lack in common.
///
/// The worst residual and the ones most like it, by `‖r‖·cos²`, are a cluster; its leading direction is the new atom. Signals as they stand
/// would be mixtures of atoms that are there already. Where signals have one atom each there is nothing to add to, and
/// the cluster is of signals.
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
        let parts = self.parts(atoms)?;
        let mut candidates = self.worst_represented();
        let mut replaced = Vec::new();
        for j in (0..gone.len()).filter(|&j| gone[j]) {
            while let Some(cluster) = cluster(&parts, dim, &mut candidates) {
                let atom = leading_direction(&parts, dim, &cluster)?;
                let others = atoms.chunks_exact(dim).enumerate().filter(|&(other, _)| other != j);
                let near = others.map(|(_, a)| vecops::dot(a, &atom).abs()).any(|c| c > self.max_coherence);
                if !near && vecops::norm(&atom) > T::zero() {
                    atoms[j * dim..][..dim].copy_from_slice(&atom);
                    replaced.push(j);
                    break;
                }
            }
        }
        Ok(replaced)
    }

    /// What new atoms are made of: residuals, or signals where codes have one atom.
    fn parts(&self, atoms: &[T]) -> Result<Cow<'_, [T]>, SolveError> {
        if self.codes.nnz() > self.codes.n_signals() {
            return Ok(Cow::Borrowed(self.residual));
        }
        if self.data.known.is_none() {
            return Ok(Cow::Borrowed(self.data.signals));
        }
        let dim = self.data.dim;
        let mut filled = self.codes.reconstruct(Dense::from_column_major(atoms, dim, self.codes.n_atoms())?);
        for (i, y) in filled.chunks_exact_mut(dim).enumerate() {
            let guess = y.to_vec();
            self.data.filled(i, y, |f| guess[f]);
        }
        Ok(Cow::Owned(filled))
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

    /// The signals that are not represented to rounding, worst first.
    fn worst_represented(&self) -> Vec<usize> {
        let error: Vec<T> = self.residual.chunks_exact(self.data.dim).map(vecops::norm).collect();
        let rounding = T::of(1e3) * T::epsilon();
        let mut order: Vec<usize> = (0..error.len())
            .filter(|&i| error[i] > T::zero() && error[i] > rounding * self.known_norm(i))
            .collect();
        order.sort_unstable_by(|&a, &b| {
            error[b].partial_cmp(&error[a]).unwrap_or(core::cmp::Ordering::Equal).then(a.cmp(&b))
        });
        order
    }

    fn known_norm(&self, i: usize) -> T {
        let y = self.data.signal(i);
        match self.data.known(i) {
            None => vecops::norm(y),
            Some(known) => y.iter().zip(known).filter(|(_, k)| **k).map(|(&v, _)| v * v).sum::<T>().sqrt(),
        }
    }
}

/// Takes the first of `candidates` and those most like it; `None` when there are none.
fn cluster<T: Scalar>(parts: &[T], dim: usize, candidates: &mut Vec<usize>) -> Option<Vec<usize>> {
    let part = |i: usize| &parts[i * dim..][..dim];
    let first = part(*candidates.first()?);
    let norm = vecops::norm(first);
    let mut scored: Vec<(T, usize)> = candidates
        .iter()
        .enumerate()
        .skip(1)
        .map(|(place, &i)| {
            let (along, size) = (vecops::dot(first, part(i)).abs() / norm, vecops::norm(part(i)));
            (if size > T::zero() { along * (along / size) } else { T::zero() }, place)
        })
        .collect();
    let count = (CLUSTER - 1).min(scored.len());
    let better = |a: &(T, usize), b: &(T, usize)| {
        b.0.partial_cmp(&a.0).unwrap_or(core::cmp::Ordering::Equal).then(a.1.cmp(&b.1))
    };
    if count > 0 {
        scored.select_nth_unstable_by(count - 1, better);
    }
    scored.truncate(count);
    let mut places: Vec<usize> = std::iter::once(0).chain(scored.into_iter().map(|s| s.1)).collect();
    places.sort_unstable();
    let cluster = places.iter().map(|&place| candidates[place]).collect();
    for &place in places.iter().rev() {
        candidates.remove(place);
    }
    Some(cluster)
}

/// The unit vector along which the parts of a cluster vary most about 0; zero if it can't be told.
fn leading_direction<T: Scalar>(parts: &[T], dim: usize, cluster: &[usize]) -> Result<Vec<T>, LinalgError> {
    let largest = cluster.iter().map(|&i| vecops::norm_inf(&parts[i * dim..][..dim])).fold(T::zero(), T::max);
    if !(largest > T::zero() && largest.is_finite()) {
        return Ok(vec![T::zero(); dim]);
    }
    let scaled: Vec<T> =
        cluster.iter().flat_map(|&i| parts[i * dim..][..dim].iter().map(|&v| v / largest)).collect();
    let mut outer = vec![T::zero(); dim * dim];
    for r in scaled.chunks_exact(dim) {
        for (column, &v) in outer.chunks_exact_mut(dim).zip(r) {
            vecops::axpy(v, r, column);
        }
    }
    leading_eigenvector(&outer, dim, &scaled[..dim])
}
