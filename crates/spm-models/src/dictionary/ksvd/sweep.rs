//! The sweep over the atoms: each with its coefficients, in index order, each update seen by the next.
//!
//! The signals are cut into chunks that do not depend on the number of threads. A step first applies the pending change
//! of one atom to the residuals of a chunk, then collects what the next atom needs from it; the sums of the chunks are
//! added in order. So the chunks are worked off in parallel, with one meeting a step, and the bits are the same for any
//! number of threads.

use spm_linalg::factor::gram_into;
use spm_linalg::faer::MatRef;
use spm_linalg::krylov::leading_eigenvector;
use spm_linalg::{LinalgError, Scalar, vecops};

use super::Update;
use crate::dictionary::Codes;
use crate::dictionary::parallel::for_each_mut;

/// Signals a chunk.
const CHUNK: usize = 4096;
/// With missing entries or fixed signs an exact update takes at most this many rounds.
const MAX_ROUNDS: usize = 50;

/// What may become negative.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signs {
    pub(super) atoms: bool,
    pub(super) codes: bool,
}

/// Updates atoms, coefficients and the residual `R = Y − D X` (0 where `Y` is unknown).
///
/// `weights` are 1 at known entries and 0 elsewhere; `None` if all are known.
pub(super) fn sweep<T: Scalar>(
    update: Update,
    signs: Signs,
    dim: usize,
    weights: Option<&[T]>,
    atoms: &mut [T],
    codes: &mut Codes<T>,
    residual: &mut [T],
) -> Result<(), LinalgError> {
    let mut chunks = chunks(dim, weights, codes, residual);
    let closed_form = weights.is_none() && signs.atoms && signs.codes;
    let exact = update == Update::Exact && closed_form;
    let rounds = match update {
        Update::Rounds(n) => n,
        Update::Exact if !closed_form => MAX_ROUNDS,
        Update::Exact | Update::Mod => 1,
    };
    let still = T::epsilon().sqrt();
    let mut sums = Sums::default();
    let mut pending: Option<Change<T>> = None;
    for j in 0..atoms.len() / dim {
        for _ in 0..rounds {
            let atom = &mut atoms[j * dim..][..dim];
            for_each_mut(&mut chunks, |chunk| {
                if let Some(change) = &pending {
                    chunk.apply(change);
                }
                chunk.collect(j, atom, exact);
            });
            pending = None;
            sums.gather(&chunks);
            let Some(new) = sums.new_atom(atom, exact, signs)? else { break };
            let moved = vecops::sq_dist(&new, atom).sqrt();
            pending = Some(Change { j, old: atom.to_vec(), new, signs });
            if let Some(change) = &pending {
                atom.copy_from_slice(&change.new);
            }
            if rounds > 1 && moved <= still {
                break;
            }
        }
    }
    if let Some(change) = &pending {
        for_each_mut(&mut chunks, |chunk| chunk.apply(change));
    }
    Ok(())
}

/// Atom `j` goes from `old` to `new`.
struct Change<T> {
    j: usize,
    old: Vec<T>,
    new: Vec<T>,
    signs: Signs,
}

/// What the update of an atom is made of.
#[derive(Debug, Clone, Default)]
struct Sums<T> {
    /// How many signals use the atom.
    users: usize,
    /// `Σ g² `.
    energy: T,
    /// `R g`, per entry.
    moment: Vec<T>,
    /// `Σ M g²`, per entry; empty if everything is known.
    weight: Vec<T>,
    /// `F Fᵀ` for the exact update.
    outer: Vec<T>,
}

impl<T: Scalar> Sums<T> {
    fn reset(&mut self, dim: usize, weighted: bool, exact: bool) {
        (self.users, self.energy) = (0, T::zero());
        let zeros = |v: &mut Vec<T>, n| {
            v.clear();
            v.resize(n, T::zero());
        };
        zeros(&mut self.moment, dim);
        zeros(&mut self.weight, if weighted { dim } else { 0 });
        zeros(&mut self.outer, if exact { dim * dim } else { 0 });
    }

    /// The sums over all chunks, in order.
    fn gather(&mut self, chunks: &[Chunk<'_, T>]) {
        let add = |to: &mut [T], from: &[T]| {
            if !from.is_empty() {
                vecops::axpy(T::one(), from, to);
            }
        };
        let of = |c: &Chunk<'_, T>| (c.dim, c.weights.is_some(), !c.sums.outer.is_empty());
        let Some((dim, weighted, exact)) = chunks.first().map(of) else { return };
        self.reset(dim, weighted, exact);
        for Chunk { sums, .. } in chunks.iter().filter(|c| c.sums.users > 0) {
            self.users += sums.users;
            self.energy += sums.energy;
            add(&mut self.moment, &sums.moment);
            add(&mut self.weight, &sums.weight);
            add(&mut self.outer, &sums.outer);
        }
    }

    /// The new atom, of unit norm; `None` if nothing asks for a change.
    fn new_atom(&self, old: &[T], exact: bool, signs: Signs) -> Result<Option<Vec<T>>, LinalgError> {
        if self.users == 0 {
            return Ok(None);
        }
        // F g = R g + d ‖g‖²; with missing entries every entry has a denominator of its own.
        let mut new = self.moment.clone();
        if self.weight.is_empty() {
            vecops::axpy(self.energy, old, &mut new);
        } else {
            for ((v, &weight), &old) in new.iter_mut().zip(&self.weight).zip(old) {
                *v = if weight > T::zero() { old + *v / weight } else { old };
            }
        }
        if exact {
            new = leading_eigenvector(&self.outer, old.len(), &new)?;
        }
        if !signs.atoms {
            new.iter_mut().for_each(|v| *v = v.max(T::zero()));
        }
        let norm = vecops::norm(&new);
        if !(norm > T::zero() && norm.is_finite()) {
            return Ok(None);
        }
        new.iter_mut().for_each(|v| *v /= norm);
        Ok(Some(new))
    }
}

/// Some signals: their residuals, coefficients and who uses what.
struct Chunk<'a, T> {
    dim: usize,
    residual: &'a mut [T],
    values: &'a mut [T],
    weights: Option<&'a [T]>,
    /// The signal and the entry of every coefficient of atom `j`: `users[starts[j]..starts[j + 1]]`.
    starts: Vec<u32>,
    users: Vec<(u32, u32)>,
    sums: Sums<T>,
    /// The errors of the users without the atom (exact update).
    errors: Vec<T>,
}

fn chunks<'a, T: Scalar>(
    dim: usize,
    weights: Option<&'a [T]>,
    codes: &'a mut Codes<T>,
    residual: &'a mut [T],
) -> Vec<Chunk<'a, T>> {
    let n_atoms = codes.n_atoms();
    let (columns, atoms, values) = codes.blocks_mut(CHUNK);
    let mut chunks: Vec<Chunk<'a, T>> = residual
        .chunks_mut(CHUNK * dim)
        .zip(values)
        .enumerate()
        .map(|(c, (residual, values))| Chunk {
            dim,
            weights: weights.map(|w| &w[c * CHUNK * dim..][..residual.len()]),
            starts: vec![0; n_atoms + 1],
            users: vec![(0, 0); values.len()],
            sums: Sums::default(),
            errors: Vec::new(),
            residual,
            values,
        })
        .collect();
    let mut numbered: Vec<_> = chunks.iter_mut().enumerate().collect();
    for_each_mut(&mut numbered, |(c, chunk)| {
        let n_signals = chunk.residual.len() / dim;
        let columns = &columns[*c * CHUNK..][..=n_signals];
        let atoms = &atoms[columns[0]..columns[n_signals]];
        for &j in atoms {
            chunk.starts[j as usize + 1] += 1;
        }
        for j in 0..n_atoms {
            chunk.starts[j + 1] += chunk.starts[j];
        }
        let mut next = chunk.starts.clone();
        for (signal, range) in columns.windows(2).enumerate() {
            for entry in range[0] - columns[0]..range[1] - columns[0] {
                let slot = &mut next[atoms[entry] as usize];
                chunk.users[*slot as usize] = (signal as u32, entry as u32);
                *slot += 1;
            }
        }
    });
    chunks
}

impl<T: Scalar> Chunk<'_, T> {
    fn users(&self, j: usize) -> core::ops::Range<usize> {
        self.starts[j] as usize..self.starts[j + 1] as usize
    }

    /// Gives the users of a changed atom their best coefficients, and `R ← R + M ∘ (d g − d' g')`.
    fn apply(&mut self, change: &Change<T>) {
        let Change { j, old, new, signs } = change;
        let lowest = if signs.codes { T::neg_infinity() } else { T::zero() };
        let overlap = vecops::dot(old, new);
        let tiny = T::epsilon();
        for at in self.users(*j) {
            let (signal, entry) = self.users[at];
            let start = signal as usize * self.dim;
            let r = &mut self.residual[start..][..self.dim];
            let was = self.values[entry as usize];
            let Some(weights) = self.weights else {
                let g = (vecops::dot(r, new) + was * overlap).max(lowest);
                self.values[entry as usize] = g;
                vecops::axpy(was, old, r);
                vecops::axpy(-g, new, r);
                continue;
            };
            let w = &weights[start..][..self.dim];
            let seen = vecops::dot3(w, new, new);
            if seen <= tiny {
                // The atom lies under the gaps: its coefficient stays, only the atom changes.
                for (((r, &old), &new), &w) in r.iter_mut().zip(old).zip(new).zip(w) {
                    *r += w * was * (old - new);
                }
                continue;
            }
            let g = ((vecops::dot(r, new) + was * vecops::dot3(w, old, new)) / seen).max(lowest);
            self.values[entry as usize] = g;
            for (((r, &old), &new), &w) in r.iter_mut().zip(old).zip(new).zip(w) {
                *r += w * (was * old - g * new);
            }
        }
    }

    /// The sums of this chunk for atom `j`, now `atom`.
    fn collect(&mut self, j: usize, atom: &[T], exact: bool) {
        let range = self.users(j);
        self.sums.reset(self.dim, self.weights.is_some(), exact);
        self.sums.users = range.len();
        self.errors.clear();
        for at in range {
            let (signal, entry) = self.users[at];
            let start = signal as usize * self.dim;
            let (r, g) = (&self.residual[start..][..self.dim], self.values[entry as usize]);
            self.sums.energy += g * g;
            vecops::axpy(g, r, &mut self.sums.moment);
            if let Some(weights) = self.weights {
                vecops::axpy(g * g, &weights[start..][..self.dim], &mut self.sums.weight);
            }
            if exact {
                let at = self.errors.len();
                self.errors.extend_from_slice(r);
                vecops::axpy(g, atom, &mut self.errors[at..]);
            }
        }
        if exact {
            let errors = MatRef::from_column_major_slice(&self.errors, self.dim, self.sums.users);
            gram_into(errors.transpose(), &mut self.sums.outer).expect("the shapes are as made above");
        }
    }
}
