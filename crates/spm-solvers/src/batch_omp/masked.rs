//! Greedy pursuit of signals that are known in part.

use spm_linalg::vecops::panel::{PanelColumns, padded};
use spm_linalg::{Dense, LinalgError, LinearOperator, Scalar, check, vecops};

use super::greedy::{Atoms, State};
use super::{Limit, Rule, rows_of};
use crate::SolveError;
use crate::gram_dictionary::overflow;

/// This many signals are correlated with the dictionary in one matrix product.
const BLOCK: usize = 48;

/// Greedy pursuit over the known entries: $\min_x \|M(y - D x)\|_2$ subject to $\|x\|_0 \le k$, with `M` the
/// diagonal 0/1 matrix of the known entries of the signal.
///
/// In plain text: as [`super::BatchOmp`], with every atom and every signal restricted to the entries known of the
/// signal. The error bound goes with their share: the pursuit stops at `‖M(y − D x)‖² <= eps²·n_known/dim`. A signal
/// of which nothing is known gets an empty code. What the values at unknown entries are, NaN too, has no
/// influence.
///
/// With `renormalize` an atom competes as if the part of it that is seen had unit norm (the coefficients still belong
/// to the whole atom); without, atoms that lie under the missing entries are rarely taken. An atom of which less than
/// the square root of the rounding unit is seen is never taken: its coefficient would say nothing.
///
/// Time `O(d K (1 + k))` a signal: every signal has a Gram matrix of its own, of which the columns of the chosen atoms are
/// computed. Memory `O(d K)`, and `O(K k)` a [`MaskedBuffers`].
#[derive(Debug, Clone)]
pub struct MaskedOmp<T> {
    rule: Rule,
    renormalize: bool,
    dim: usize,
    n_atoms: usize,
    padded: usize,
    /// Column-major, padded with zero columns.
    atoms: Vec<T>,
    squares: Vec<T>,
    /// The rows of the dictionary, by panels.
    rows: PanelColumns<T>,
    sq_norms: Vec<T>,
}

impl<T: Scalar> MaskedOmp<T> {
    /// Prepares a dictionary (atoms are columns).
    ///
    /// # Errors
    /// [`LinalgError::NonFiniteAt`] naming the entry and the atom, [`LinalgError::Empty`] without atoms or
    /// entries, [`LinalgError::InvalidParam`] for an atom whose squared norm overflows.
    pub fn new(dictionary: Dense<'_, T>, rule: Rule, renormalize: bool) -> Result<Self, SolveError> {
        let (dim, n_atoms) = (dictionary.nrows(), dictionary.ncols());
        check::non_empty("dictionary", dim.min(n_atoms))?;
        dictionary.check_finite("dictionary")?;
        let padded = padded(n_atoms);
        let mut atoms = vec![T::zero(); dim * padded];
        for (j, atom) in atoms.chunks_exact_mut(dim).take(n_atoms).enumerate() {
            atom.copy_from_slice(dictionary.col(j));
        }
        let squares: Vec<T> = atoms.iter().map(|&v| v * v).collect();
        let sq_norms: Vec<T> = squares.chunks_exact(dim).map(|a| a.iter().copied().sum()).collect();
        if let Some(sq) = sq_norms.iter().find(|v| !v.is_finite()) {
            return Err(overflow("norm of an atom", sq.sqrt()).into());
        }
        let rows = rows_of(&atoms, dim, padded);
        Ok(Self { rule, renormalize, dim, n_atoms, padded, atoms, squares, rows, sq_norms })
    }

    /// The length of a signal.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The number of atoms.
    #[must_use]
    pub fn n_atoms(&self) -> usize {
        self.n_atoms
    }

    /// The working memory of one thread for pursuits under `limit`.
    #[must_use]
    pub fn buffers(&self, limit: Limit<T>) -> MaskedBuffers<T> {
        MaskedBuffers {
            masked: vec![T::zero(); self.dim * BLOCK],
            shown: vec![T::zero(); self.dim * BLOCK],
            correlations: vec![T::zero(); self.padded * BLOCK],
            energies: vec![T::zero(); self.padded * BLOCK],
            part: Part {
                known: Vec::with_capacity(self.dim),
                coef: Vec::with_capacity(self.dim),
                scale: vec![T::zero(); self.padded],
                norms: vec![T::zero(); self.padded],
                gram: vec![T::zero(); self.padded],
                residual: vec![T::zero(); self.dim],
            },
            state: State::new(self.rule, self.k_max(limit), &vec![T::one(); self.padded]),
        }
    }

    /// Codes the columns of `signals` (`dim × N`, column-major) from the entries where `known` is true and hands each
    /// code to `emit(signal, support, coefficients)`, in order, with the support in the order of selection.
    /// Allocates nothing.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if a length is no multiple of `dim` or the two differ; [`LinalgError::NonFiniteAt`] naming a
    /// known entry (row) and the signal (column); [`LinalgError::InvalidParam`] for a bad `eps` or a signal whose squared
    /// norm overflows.
    pub fn run(
        &self,
        signals: &[T],
        known: &[bool],
        limit: Limit<T>,
        buffers: &mut MaskedBuffers<T>,
        mut emit: impl FnMut(usize, &[u32], &[T]),
    ) -> Result<(), SolveError> {
        check::non_negative("eps", limit.eps)?;
        check::len("signals", signals.len() / self.dim * self.dim, signals.len())?;
        check::len("known entries", signals.len(), known.len())?;
        if buffers.correlations.len() != self.padded * BLOCK
            || buffers.part.residual.len() != self.dim
            || !buffers.state.fits(self.rule, self.k_max(limit))
        {
            *buffers = self.buffers(limit);
        }
        let atoms = Dense::from_column_major(&self.atoms, self.dim, self.padded)?;
        let squares = Dense::from_column_major(&self.squares, self.dim, self.padded)?;
        let size = BLOCK * self.dim;
        for (block, (y, known)) in signals.chunks(size).zip(known.chunks(size)).enumerate() {
            let (first, count) = (block * BLOCK, y.len() / self.dim);
            for (i, (&v, &known)) in y.iter().zip(known).enumerate() {
                if known && !v.is_finite() {
                    let (row, col) = (i % self.dim, first + i / self.dim);
                    return Err(LinalgError::NonFiniteAt { what: "signals", row, col }.into());
                }
                buffers.masked[i] = if known { v } else { T::zero() };
                buffers.shown[i] = if known { T::one() } else { T::zero() };
            }
            let all = count * self.padded;
            atoms.apply_adjoint_block(&buffers.masked[..y.len()], count, &mut buffers.correlations[..all]);
            squares.apply_adjoint_block(&buffers.shown[..y.len()], count, &mut buffers.energies[..all]);
            for i in 0..count {
                let (column, range) =
                    (i * self.padded..(i + 1) * self.padded, i * self.dim..(i + 1) * self.dim);
                let c = &mut buffers.correlations[column.clone()];
                let y = &buffers.masked[range.clone()];
                self.one(
                    y,
                    &known[range],
                    &buffers.energies[column],
                    limit,
                    c,
                    &mut buffers.part,
                    &mut buffers.state,
                )?;
                emit(first + i, &buffers.state.support, &buffers.state.x);
            }
        }
        Ok(())
    }

    fn k_max(&self, limit: Limit<T>) -> usize {
        limit.k.min(self.n_atoms).min(self.dim)
    }

    /// One signal: `y` with zeros where unknown, `energies` the squared norms of what is seen of the atoms.
    fn one(
        &self,
        y: &[T],
        known: &[bool],
        energies: &[T],
        limit: Limit<T>,
        c: &mut [T],
        part: &mut Part<T>,
        state: &mut State<T>,
    ) -> Result<(), SolveError> {
        let sq_norm = vecops::sq_norm(y);
        if !sq_norm.is_finite() {
            return Err(overflow("norm of a signal", sq_norm.sqrt()).into());
        }
        part.known.clear();
        part.known.extend(known.iter().enumerate().filter(|(_, k)| **k).map(|(f, _)| f as u32));
        let share = T::of_usize(part.known.len()) / T::of_usize(self.dim);
        let eps = limit.eps * share.sqrt();
        let k_max = self.k_max(limit).min(part.known.len());
        if sq_norm.sqrt() <= eps || k_max == 0 {
            state.clear();
            return Ok(());
        }
        let mut least_norm = T::infinity();
        for j in 0..self.padded {
            let seen = energies[j] > T::epsilon() * self.sq_norms[j];
            let norm = if seen { energies[j].sqrt() } else { T::zero() };
            let (scale, norm) = match (seen, self.renormalize) {
                (false, _) => (T::zero(), T::zero()),
                (true, true) => (T::one() / norm, T::one()),
                (true, false) => (T::one(), norm),
            };
            (part.scale[j], part.norms[j]) = (scale, norm);
            c[j] *= scale;
            if seen {
                least_norm = least_norm.min(norm);
            }
        }
        state.set_norms(&part.norms);
        let mut seen = Seen { of: self, y, part, least_norm };
        state.pursue(&mut seen, k_max, eps, sq_norm, c);
        for (x, &j) in state.x.iter_mut().zip(&state.support) {
            *x *= part.scale[j as usize];
        }
        Ok(())
    }
}

/// The working memory of one thread.
#[derive(Debug, Clone)]
pub struct MaskedBuffers<T> {
    masked: Vec<T>,
    shown: Vec<T>,
    correlations: Vec<T>,
    energies: Vec<T>,
    part: Part<T>,
    state: State<T>,
}

/// What is seen of the dictionary through the mask of one signal.
#[derive(Debug, Clone)]
struct Part<T> {
    known: Vec<u32>,
    coef: Vec<T>,
    /// What an atom is multiplied by: the inverse norm of its seen part, 1, or 0 if it is unseen.
    scale: Vec<T>,
    /// The norms of the scaled atoms.
    norms: Vec<T>,
    gram: Vec<T>,
    residual: Vec<T>,
}

struct Seen<'a, T> {
    of: &'a MaskedOmp<T>,
    y: &'a [T],
    part: &'a mut Part<T>,
    least_norm: T,
}

impl<T: Scalar> Atoms<T> for Seen<'_, T> {
    fn norms(&self) -> &[T] {
        &self.part.norms
    }

    fn least_norm(&self) -> T {
        self.least_norm
    }

    fn gram_column(&mut self, j: usize) -> &[T] {
        let Part { known, coef, scale, gram, .. } = &mut *self.part;
        let atom = &self.of.atoms[j * self.of.dim..][..self.of.dim];
        coef.clear();
        coef.extend(known.iter().map(|&f| atom[f as usize] * scale[j]));
        self.of.rows.combine_into(None, known, coef, gram);
        for (g, &s) in gram.iter_mut().zip(&*scale) {
            *g *= s;
        }
        gram
    }

    fn residual(&mut self, support: &[u32], x: &[T]) -> T {
        let Part { known, scale, residual, .. } = &mut *self.part;
        residual.copy_from_slice(self.y);
        for (&j, &x) in support.iter().zip(x) {
            let j = j as usize;
            let (x, atom) = (x * scale[j], &self.of.atoms[j * self.of.dim..][..self.of.dim]);
            for &f in &*known {
                residual[f as usize] -= x * atom[f as usize];
            }
        }
        vecops::sq_norm(residual)
    }

    fn correlate(&mut self, c: &mut [T]) {
        let Part { known, coef, scale, residual, .. } = &mut *self.part;
        coef.clear();
        coef.extend(known.iter().map(|&f| residual[f as usize]));
        self.of.rows.combine_into(None, known, coef, c);
        for (c, &s) in c.iter_mut().zip(&*scale) {
            *c *= s;
        }
    }
}
