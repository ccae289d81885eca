//! Atoms that give way between two iterations.

use core::cmp::Ordering;
use std::borrow::Cow;

use spm_linalg::krylov::leading_eigenvector;
use spm_linalg::{Dense, LinalgError, Scalar, vecops};
use spm_solvers::SolveError;

use super::training::Data;
use crate::dictionary::Codes;
use crate::dictionary::parallel::map_blocks;

/// So many signals make a new atom.
const CLUSTER: usize = 8;
/// Of so many atoms, one may go at a time for a better one.
const BUDGET: usize = 64;
/// Signals whose residuals one task looks at.
const BLOCK: usize = 1024;

/// Lets atoms give way to what the worst-represented signals lack in common.
///
/// The worst residual and the ones most like it, by `‖r‖·cos²`, are a cluster; its leading direction is the new atom. Signals as they stand
/// would be mixtures of atoms that are there already. Where signals have one atom each there is nothing to add to, and
/// the cluster is of signals.
///
/// Atoms that few signals use and near-duplicates go at once. Any other goes if the error falls by it: an atom `d_j` with
/// coefficients `x_j` is missed by about `(1 − maxᵢ (d_jᵀdᵢ)²)·‖x_j‖²`, what the one most like it does not explain in its place, and the
/// new one takes `Σ (rᵀ d)²` away from the signals outside the cluster that gain most, as many as use an atom in the mean. At most
/// one of 64 atoms goes so at a time. In this way two atoms that share one true atom are found before they coincide, while atoms that are alike but needed stay.
pub(in crate::dictionary) struct Replacement<'a, T> {
    pub(in crate::dictionary) data: Data<'a, T>,
    pub(in crate::dictionary) codes: &'a Codes<T>,
    /// `Y − D X`.
    pub(in crate::dictionary) residual: &'a [T],
    /// How many signals use each atom, and how many are enough.
    pub(in crate::dictionary) uses: Vec<usize>,
    pub(in crate::dictionary) enough: usize,
    /// The squared norm of the coefficients of each atom, on the scale of these signals.
    pub(in crate::dictionary) energies: Vec<T>,
    pub(in crate::dictionary) max_coherence: T,
    /// Whether atoms may go because the error falls by it.
    pub(in crate::dictionary) trade: bool,
    /// Whether atoms must be `>= 0`.
    pub(in crate::dictionary) positive: bool,
}

impl<T: Scalar> Replacement<'_, T> {
    /// Changes `atoms`; returns which were replaced.
    pub(in crate::dictionary) fn run(&self, atoms: &mut [T]) -> Result<Vec<usize>, SolveError> {
        let (dim, n_atoms) = (self.data.dim, self.codes.n_atoms());
        let mut gram = vec![T::zero(); n_atoms * n_atoms];
        Dense::from_column_major(atoms, dim, n_atoms)?.apply_adjoint_block(atoms, n_atoms, &mut gram);
        let gone = self.gone(&gram);
        let missed: Vec<(T, usize)> = (0..n_atoms).map(|j| self.missed(j, &gram)).collect();
        let mut order: Vec<usize> = (0..n_atoms).filter(|&j| gone[j]).collect();
        if self.trade && self.max_coherence < T::one() {
            let mut others: Vec<usize> = (0..n_atoms).filter(|&j| !gone[j]).collect();
            others.sort_by(|&a, &b| ascending(missed[a].0, missed[b].0));
            order.append(&mut others);
        }
        let mut replaced = Vec::new();
        let mut budget = n_atoms.div_ceil(BUDGET);
        if order.is_empty() {
            return Ok(replaced);
        }
        let parts = self.parts(atoms)?;
        let mut left = self.badly_represented(&parts);
        'atoms: for j in order {
            let (loss, nearest) = missed[j];
            if !gone[j] {
                if replaced.contains(&nearest) {
                    continue;
                }
                if budget == 0 {
                    break;
                }
                budget -= 1;
            }
            while let Some((atom, gain)) = self.new_atom(&parts, &mut left)? {
                if !gone[j] && gain <= loss {
                    break 'atoms;
                }
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

    /// What would be missed of atom `j`, and the atom that is most like it.
    fn missed(&self, j: usize, gram: &[T]) -> (T, usize) {
        let n_atoms = self.codes.n_atoms();
        let row = &gram[j * n_atoms..][..n_atoms];
        let (mut most, mut nearest) = (T::zero(), j);
        for (i, g) in row.iter().map(|g| g.abs()).enumerate().filter(|&(i, _)| i != j) {
            if g > most {
                (most, nearest) = (g, i);
            }
        }
        ((T::one() - most * most).max(T::zero()) * self.energies[j], nearest)
    }

    /// What new atoms are made of: residuals, or signals where codes have one atom.
    fn parts(&self, atoms: &[T]) -> Result<Parts<'_, T>, SolveError> {
        let dim = self.data.dim;
        let sq_norms = |values: &[T]| self.by_blocks(|i| vecops::sq_norm(&values[i * dim..][..dim]));
        let sq_errors = sq_norms(self.residual);
        if self.codes.nnz() > self.codes.n_signals() {
            return Ok(Parts {
                values: Cow::Borrowed(self.residual),
                sq_norms: sq_errors.clone(),
                sq_errors,
            });
        }
        let mut values = Cow::Borrowed(self.data.signals);
        if self.data.known.is_some() {
            let dictionary = Dense::from_column_major(atoms, dim, self.codes.n_atoms())?;
            let mut filled = self.codes.reconstruct(dictionary);
            for (i, y) in filled.chunks_exact_mut(dim).enumerate() {
                let guess = y.to_vec();
                self.data.filled(i, y, |f| guess[f]);
            }
            values = Cow::Owned(filled);
        }
        Ok(Parts { sq_norms: sq_norms(&values), values, sq_errors })
    }

    /// Which atoms have too few users or are too near to a more used one.
    fn gone(&self, gram: &[T]) -> Vec<bool> {
        let n_atoms = self.codes.n_atoms();
        let (uses, limit) = (&self.uses, self.max_coherence);
        let mut gone = vec![false; n_atoms];
        for j in 0..n_atoms {
            let better = |i: usize| i != j && !gone[i] && (uses[i], n_atoms - i) > (uses[j], n_atoms - j);
            let copy = |i: usize| gram[j * n_atoms + i].abs() > limit && better(i);
            gone[j] = uses[j] < self.enough || (limit < T::one() && (0..n_atoms).any(copy));
        }
        gone
    }

    /// The signals that are not represented to rounding.
    fn badly_represented(&self, parts: &Parts<'_, T>) -> Vec<usize> {
        let rounding = T::of(1e3) * T::epsilon();
        let bad = |&i: &usize| {
            let error = parts.sq_errors[i].sqrt();
            error > T::zero() && error > rounding * self.known_norm(i)
        };
        (0..self.codes.n_signals()).filter(bad).collect()
    }

    /// `f` of every signal.
    fn by_blocks<R: Send>(&self, f: impl Fn(usize) -> R + Send + Sync) -> Vec<R> {
        let n_signals = self.codes.n_signals();
        let one = |block: usize, _: &mut ()| -> Vec<R> {
            (block * BLOCK..n_signals.min((block + 1) * BLOCK)).map(&f).collect()
        };
        map_blocks(n_signals.div_ceil(BLOCK), || (), one).into_iter().flatten().collect()
    }

    fn known_norm(&self, i: usize) -> T {
        let y = self.data.signal(i);
        match self.data.known(i) {
            None => vecops::norm(y),
            Some(known) => y.iter().zip(known).filter(|(_, k)| **k).map(|(&v, _)| v * v).sum::<T>().sqrt(),
        }
    }

    /// What the worst of the signals `left` and those most like it lack in common, and what it takes off the squared error of the others;
    /// the cluster leaves. `None` when there are none.
    fn new_atom(
        &self,
        parts: &Parts<'_, T>,
        left: &mut Vec<usize>,
    ) -> Result<Option<(Vec<T>, T)>, LinalgError> {
        let dim = self.data.dim;
        let cluster = self.cluster(parts, left);
        if cluster.is_empty() {
            return Ok(None);
        }
        let mut atom = leading_direction(&parts.values, dim, &cluster)?;
        if self.positive {
            atom.iter_mut().for_each(|v| *v = v.abs());
        }
        let mut gains = self.by_blocks(|i| {
            let along = vecops::dot(parts.of(i, dim), &atom);
            (parts.sq_errors[i] - parts.sq_norms[i] + along * along).max(T::zero())
        });
        cluster.iter().for_each(|&i| gains[i] = T::zero());
        let count = (self.codes.nnz() / self.codes.n_atoms()).min(gains.len());
        if count > 0 {
            gains.select_nth_unstable_by(count - 1, |&a, &b| ascending(b, a));
        }
        gains.truncate(count);
        Ok(Some((atom, gains.into_iter().sum())))
    }

    /// Takes the worst of the signals `left` and those most like it; empty when there are none.
    fn cluster(&self, parts: &Parts<'_, T>, left: &mut Vec<usize>) -> Vec<usize> {
        let dim = self.data.dim;
        let worst =
            |&a: &usize, &b: &usize| ascending(parts.sq_errors[b], parts.sq_errors[a]).then(a.cmp(&b));
        let Some(first) = left.iter().copied().min_by(worst) else { return Vec::new() };
        let likeness = self.by_blocks(|i| {
            let along = vecops::dot(parts.of(first, dim), parts.of(i, dim));
            let size = (parts.sq_norms[first] * parts.sq_norms[i]).sqrt();
            if size > T::zero() { along * (along / size) } else { T::zero() }
        });
        let mut cluster: Vec<usize> = left.iter().copied().filter(|&i| i != first).collect();
        let count = (CLUSTER - 1).min(cluster.len());
        if count > 0 {
            cluster.select_nth_unstable_by(count - 1, |&a, &b| {
                ascending(likeness[b], likeness[a]).then(a.cmp(&b))
            });
        }
        cluster.truncate(count);
        cluster.push(first);
        cluster.sort_unstable();
        left.retain(|i| !cluster.contains(i));
        cluster
    }
}

/// What new atoms are made of, a part a signal.
struct Parts<'a, T: Clone> {
    values: Cow<'a, [T]>,
    sq_norms: Vec<T>,
    /// The squared norms of the residuals.
    sq_errors: Vec<T>,
}

impl<T: Scalar> Parts<'_, T> {
    fn of(&self, i: usize, dim: usize) -> &[T] {
        &self.values[i * dim..][..dim]
    }
}

fn ascending<T: Scalar>(a: T, b: T) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
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
