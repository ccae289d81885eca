//! Orthogonal matching pursuit of many signals in one dictionary.

mod greedy;
mod masked;

use spm_linalg::vecops::panel::{PanelColumns, padded};
use spm_linalg::vecops::product::{TILE, pack_vector, product_into};
use spm_linalg::{Dense, LinalgError, LinearOperator, Scalar, check, vecops};

use self::greedy::{Atoms, State};
pub use self::masked::{MaskedBuffers, MaskedOmp};
use crate::SolveError;
use crate::gram_dictionary::overflow;

/// This many signals are correlated with the dictionary in one matrix product.
const BLOCK: usize = 8 * TILE;

/// How the next atom is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Rule {
    /// The atom with the largest `|d_jᵀ r|`: orthogonal matching pursuit.
    #[default]
    Omp,
    /// The atom that lowers the residual most once all coefficients are refitted, the largest
    /// `(d_jᵀ r)² / ‖P d_j‖²` with `P` the projection away from the chosen atoms: orthogonal least squares, also
    /// called order-recursive matching pursuit (Chen, Billings, Luo 1989). It is what SPAMS calls `omp`.
    Ols,
}

/// When a pursuit ends: at `k` atoms, or as soon as `‖y − D x‖₂ <= eps`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit<T> {
    /// At most this many atoms a signal.
    pub k: usize,
    /// The error bound, absolute, in the 2-norm; 0 for none.
    pub eps: T,
}

/// Greedy pursuit of many signals: $\min_x \|y - D x\|_2$ subject to $\|x\|_0 \le k$, or the sparsest `x` with
/// $\|y - D x\|_2 \le \varepsilon$.
///
/// In plain text: for every signal add the atom that [`Rule`] names, refit all coefficients by least squares, stop
/// as [`Limit`] says. Correlations `Dᵀ Y` come from one matrix product a block of signals; afterwards a pursuit works
/// on the Gram matrix alone: its pivoted Cholesky columns `v_n = (G e_i − Σ L_ij v_j)/L_nn` update the correlations by
/// `c ← c − (c_i/L_nn) v_n` in the pass that also finds the next atom. The lowest index wins a tie; zero, duplicate
/// and dependent atoms (see [`crate::omp`]) are never taken; a signal within the bound gets an empty code. Atoms need not have unit
/// norm: selection is by `|d_jᵀ r|` as it stands. In `f32` more atoms count as dependent: on a coherent dictionary long
/// codes may end with fewer than `k` atoms, fitted as well as those atoms can be; take `f64` where that matters.
///
/// The residual norm is updated, not recomputed, until it falls to the rounding level of the signal; from then on it
/// and the correlations are computed from the signal itself, so tight bounds are honoured too.
///
/// Time `O(d K + K n²)` a signal with `n` atoms, once `O(d K²)` for the Gram matrix; memory `O(K² + d K)`, and `O(K k)` a
/// [`Buffers`].
///
/// Source: Rubinstein, Zibulevsky, Elad 2008, *Efficient implementation of the K-SVD algorithm using batch
/// orthogonal matching pursuit*, algorithm 2. For one signal use [`crate::omp`].
///
/// ```
/// use spm_linalg::Dense;
/// use spm_solvers::batch_omp::{BatchOmp, Limit, Rule};
/// let d = Dense::from_column_major(&[1.0, 0.0, 0.6, 0.8], 2, 2)?;
/// let pursuit = BatchOmp::new(d, Rule::Omp)?;
/// let limit = Limit { k: 1, eps: 0.0 };
/// let mut first = Vec::new();
/// pursuit.run(&[2.0, 0.0, 3.0, 4.0], limit, &mut pursuit.buffers(limit), |signal, support, x| {
///     first.push((signal, support[0], x[0]));
/// })?;
/// assert_eq!(first, [(0, 0, 2.0), (1, 1, 5.0)]);
/// # Ok::<(), spm_solvers::SolveError>(())
/// ```
#[derive(Debug, Clone)]
pub struct BatchOmp<T> {
    rule: Rule,
    dim: usize,
    n_atoms: usize,
    /// Atoms padded with zero columns to a multiple of the panel.
    atoms: Vec<T>,
    padded: usize,
    /// The rows of the dictionary, by panels.
    rows: PanelColumns<T>,
    gram: Vec<T>,
    norms: Vec<T>,
    /// The smallest norm that is not zero.
    least_norm: T,
}

impl<T: Scalar> BatchOmp<T> {
    /// Prepares the Gram matrix of `dictionary` (atoms are columns).
    ///
    /// # Errors
    /// [`LinalgError::NonFiniteAt`] naming the entry and the atom, [`LinalgError::Empty`] without atoms or
    /// entries.
    pub fn new(dictionary: Dense<'_, T>, rule: Rule) -> Result<Self, SolveError> {
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
        let norms: Vec<T> = (0..padded).map(|j| gram[j * padded + j].sqrt()).collect();
        if let Some(j) = norms.iter().position(|v| !v.is_finite()) {
            return Err(overflow("norm of an atom", norms[j]).into());
        }
        let least_norm = norms.iter().copied().filter(|&v| v > T::zero()).fold(T::infinity(), T::min);
        let rows = rows_of(&atoms, dim, padded);
        Ok(Self { rule, dim, n_atoms, atoms, padded, rows, gram, norms, least_norm })
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
    pub fn buffers(&self, limit: Limit<T>) -> Buffers<T> {
        Buffers {
            packed: vec![T::zero(); self.dim * BLOCK],
            packed_of: Vec::with_capacity(BLOCK),
            sq_norms: Vec::with_capacity(BLOCK),
            correlations: vec![T::zero(); self.padded * BLOCK],
            residual: vec![T::zero(); self.dim],
            state: State::new(self.rule, self.k_max(limit), &self.norms),
        }
    }

    /// Codes the columns of `signals` (`dim × N`, column-major) and hands each code to `emit(signal, support,
    /// coefficients)`, in order, with the support in the order of selection. Allocates nothing.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if the length is no multiple of `dim`; [`LinalgError::NonFiniteAt`] naming the entry (row)
    /// and the signal (column); [`LinalgError::InvalidParam`] for a bad `eps` or a signal whose squared norm
    /// overflows.
    pub fn run(
        &self,
        signals: &[T],
        limit: Limit<T>,
        buffers: &mut Buffers<T>,
        mut emit: impl FnMut(usize, &[u32], &[T]),
    ) -> Result<(), SolveError> {
        check::non_negative("eps", limit.eps)?;
        let n_signals = signals.len() / self.dim;
        check::len("signals", n_signals * self.dim, signals.len())?;
        if !self.fits(buffers, limit) {
            *buffers = self.buffers(limit);
        }
        let mut next = 0;
        while next < n_signals {
            // Collect signals that need atoms at all.
            let first = next;
            buffers.packed_of.clear();
            buffers.sq_norms.clear();
            while next < n_signals && buffers.packed_of.len() < BLOCK {
                let y = &signals[next * self.dim..][..self.dim];
                let sq = vecops::sq_norm(y);
                if !sq.is_finite() {
                    return Err(bad_signal(y, next, sq).into());
                }
                if sq.sqrt() > limit.eps && limit.k > 0 {
                    pack_vector(&mut buffers.packed, buffers.packed_of.len(), y);
                    buffers.packed_of.push(next);
                    buffers.sq_norms.push(sq);
                }
                next += 1;
            }
            let count = buffers.packed_of.len();
            let mut correlations = core::mem::take(&mut buffers.correlations);
            let block = &mut correlations[..count * self.padded];
            let tiles = &buffers.packed[..count.div_ceil(TILE) * TILE * self.dim];
            product_into(&self.rows, tiles, count, block);
            let mut done = first;
            for b in 0..count {
                let signal = buffers.packed_of[b];
                (done..signal).for_each(|empty| emit(empty, &[], &[]));
                let y = &signals[signal * self.dim..][..self.dim];
                let c = &mut block[b * self.padded..][..self.padded];
                let mut plain = Plain { of: self, y, residual: &mut buffers.residual };
                buffers.state.pursue(&mut plain, self.k_max(limit), limit.eps, buffers.sq_norms[b], c);
                emit(signal, &buffers.state.support, &buffers.state.x);
                done = signal + 1;
            }
            (done..next).for_each(|empty| emit(empty, &[], &[]));
            buffers.correlations = correlations;
        }
        Ok(())
    }

    fn fits(&self, buffers: &Buffers<T>, limit: Limit<T>) -> bool {
        buffers.correlations.len() == self.padded * BLOCK
            && buffers.residual.len() == self.dim
            && buffers.state.fits(self.rule, self.k_max(limit))
    }

    fn k_max(&self, limit: Limit<T>) -> usize {
        limit.k.min(self.n_atoms).min(self.dim)
    }
}

/// The rows of a dictionary of `padded` columns, by panels.
pub(crate) fn rows_of<T: Scalar>(atoms: &[T], dim: usize, padded: usize) -> PanelColumns<T> {
    let rows: Vec<Vec<T>> =
        (0..dim).map(|f| atoms[f..].iter().step_by(dim).copied().take(padded).collect()).collect();
    PanelColumns::from_columns(padded, &rows)
}

/// One signal and all entries of it.
struct Plain<'a, T> {
    of: &'a BatchOmp<T>,
    y: &'a [T],
    residual: &'a mut [T],
}

impl<T: Scalar> Atoms<T> for Plain<'_, T> {
    fn norms(&self) -> &[T] {
        &self.of.norms
    }

    fn least_norm(&self) -> T {
        self.of.least_norm
    }

    fn gram_column(&mut self, j: usize) -> &[T] {
        &self.of.gram[j * self.of.padded..][..self.of.padded]
    }

    fn residual(&mut self, support: &[u32], x: &[T]) -> T {
        self.residual.copy_from_slice(self.y);
        for (&j, &x) in support.iter().zip(x) {
            vecops::axpy(-x, &self.of.atoms[j as usize * self.of.dim..][..self.of.dim], self.residual);
        }
        vecops::sq_norm(self.residual)
    }

    fn correlate(&mut self, c: &mut [T]) {
        for (c, atom) in c.iter_mut().zip(self.of.atoms.chunks_exact(self.of.dim)) {
            *c = vecops::dot(atom, self.residual);
        }
    }
}

/// The working memory of one thread.
#[derive(Debug, Clone)]
pub struct Buffers<T> {
    packed: Vec<T>,
    packed_of: Vec<usize>,
    sq_norms: Vec<T>,
    correlations: Vec<T>,
    residual: Vec<T>,
    state: State<T>,
}

/// Counts the signal in an error from `first`.
pub(crate) fn at_signal(e: SolveError, first: usize) -> SolveError {
    match e {
        SolveError::Linalg(LinalgError::NonFiniteAt { what, row, col }) => {
            LinalgError::NonFiniteAt { what, row, col: col + first }.into()
        }
        e => e,
    }
}

#[cold]
fn bad_signal<T: Scalar>(y: &[T], col: usize, sq: T) -> LinalgError {
    match y.iter().position(|v| !v.is_finite()) {
        Some(row) => LinalgError::NonFiniteAt { what: "signals", row, col },
        None => overflow("norm of a signal", sq.sqrt()),
    }
}
