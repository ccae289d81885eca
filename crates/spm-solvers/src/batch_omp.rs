//! Orthogonal matching pursuit of many signals in one dictionary.

use spm_linalg::vecops::panel::{PanelColumns, abs_argmax, padded, ratio_argmax};
use spm_linalg::{Dense, LinalgError, LinearOperator, Scalar, check, vecops};

use crate::SolveError;
use crate::omp::{ZERO_CORRELATION, dependent};

/// This many signals are correlated with the dictionary in one matrix product.
const BLOCK: usize = 64;

/// How the next atom is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
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
        Ok(Self { rule, dim, n_atoms, atoms, padded, gram, norms, least_norm })
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
        let k = self.k_max(limit);
        let weights = if self.rule == Rule::Ols { self.padded } else { 0 };
        Buffers {
            k,
            packed: vec![T::zero(); self.dim * BLOCK],
            packed_of: Vec::with_capacity(BLOCK),
            sq_norms: Vec::with_capacity(BLOCK),
            correlations: vec![T::zero(); self.padded * BLOCK],
            columns: PanelColumns::new(self.padded, k),
            weights: vec![T::zero(); weights],
            floor: self.norms[..weights].iter().map(|&v| dependent::<T>() * v * v).collect(),
            factor: vec![T::zero(); k * k],
            steps: Vec::with_capacity(k),
            excluded: Vec::with_capacity(self.n_atoms),
            support: Vec::with_capacity(k),
            x: Vec::with_capacity(k),
            residual: vec![T::zero(); self.dim],
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
        let atoms = Dense::from_column_major(&self.atoms, self.dim, self.padded)?;
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
                    let at = buffers.packed_of.len() * self.dim;
                    buffers.packed[at..][..self.dim].copy_from_slice(y);
                    buffers.packed_of.push(next);
                    buffers.sq_norms.push(sq);
                }
                next += 1;
            }
            let count = buffers.packed_of.len();
            let mut correlations = core::mem::take(&mut buffers.correlations);
            let block = &mut correlations[..count * self.padded];
            atoms.apply_adjoint_block(&buffers.packed[..count * self.dim], count, block);
            let mut done = first;
            for b in 0..count {
                let signal = buffers.packed_of[b];
                (done..signal).for_each(|empty| emit(empty, &[], &[]));
                let y = &signals[signal * self.dim..][..self.dim];
                self.pursue(y, limit, b, &mut block[b * self.padded..][..self.padded], buffers);
                emit(signal, &buffers.support, &buffers.x);
                done = signal + 1;
            }
            (done..next).for_each(|empty| emit(empty, &[], &[]));
            buffers.correlations = correlations;
        }
        Ok(())
    }

    fn fits(&self, buffers: &Buffers<T>, limit: Limit<T>) -> bool {
        buffers.k >= self.k_max(limit)
            && buffers.correlations.len() == self.padded * BLOCK
            && buffers.residual.len() == self.dim
            && buffers.weights.is_empty() == (self.rule == Rule::Omp)
    }

    fn k_max(&self, limit: Limit<T>) -> usize {
        limit.k.min(self.n_atoms).min(self.dim)
    }

    /// One signal; `c` holds `Dᵀ y` and is destroyed. Leaves support and coefficients in `w`.
    fn pursue(&self, y: &[T], limit: Limit<T>, slot: usize, c: &mut [T], w: &mut Buffers<T>) {
        let k_max = self.k_max(limit);
        let sq_norm = w.sq_norms[slot];
        let eps = T::epsilon();
        let zero = T::of(ZERO_CORRELATION) * eps * sq_norm.sqrt();
        let sq_bound = limit.eps * limit.eps;
        // Below this the updated squared residual is too inexact to compare with the bound.
        let trust = T::of(if limit.eps > T::zero() { 1024.0 } else { 16.0 }) * eps * sq_norm;
        let mut sq_residual = sq_norm;
        w.support.clear();
        w.steps.clear();
        w.excluded.clear();
        w.x.clear();
        if self.rule == Rule::Ols {
            w.start_weights(&self.norms);
        }
        let mut next = w.first(c);
        while w.support.len() < k_max {
            let (n, size) = (w.support.len(), c[next].abs());
            if size <= zero * self.norms[next] {
                // Nothing is left, or rounding noise (of a chosen atom, of an atom of huge norm) hides the rest.
                if c[abs_argmax(c)].abs() <= zero * self.least_norm {
                    break;
                }
                w.exclude(next);
                w.mask(c);
                next = w.first(c);
                if c[next] == T::zero() {
                    break;
                }
                continue;
            }
            let row = &mut w.factor[n * w.k..][..=n];
            w.columns.row_into(next, &mut row[..n]);
            let sq_atom = self.norms[next] * self.norms[next];
            let pivot = sq_atom - row[..n].iter().map(|&l| l * l).sum::<T>();
            if pivot <= dependent::<T>() * sq_atom {
                w.exclude(next);
                w.mask(c);
                next = w.first(c);
                continue;
            }
            let pivot = pivot.sqrt();
            row[n] = pivot;
            let step = c[next] / pivot;
            if step * step > sq_residual + trust {
                // More than there is left to explain: rounding has eaten this atom's correlation.
                w.exclude(next);
                w.mask(c);
                next = w.first(c);
                continue;
            }
            w.support.push(next as u32);
            w.steps.push(step);
            w.exclude(next);
            sq_residual -= step * step;
            let refresh = sq_residual <= trust;
            if refresh {
                w.solve();
                sq_residual = self.residual(y, w);
            }
            if w.support.len() == k_max || sq_residual <= sq_bound {
                break;
            }
            let g = &self.gram[next * self.padded..][..self.padded];
            next = w.append(g, n, T::one() / pivot, step, c);
            if refresh {
                self.correlate(&w.residual, c);
                w.mask(c);
                next = w.first(c);
            }
        }
        w.solve();
    }

    /// `r = y − D x` into `w.residual`; returns `‖r‖²`.
    fn residual(&self, y: &[T], w: &mut Buffers<T>) -> T {
        w.residual.copy_from_slice(y);
        for (&j, &x) in w.support.iter().zip(&w.x) {
            vecops::axpy(-x, &self.atoms[j as usize * self.dim..][..self.dim], &mut w.residual);
        }
        vecops::sq_norm(&w.residual)
    }

    fn correlate(&self, residual: &[T], c: &mut [T]) {
        for (c, atom) in c.iter_mut().zip(self.atoms.chunks_exact(self.dim)) {
            *c = vecops::dot(atom, residual);
        }
    }
}

/// The working memory of one thread.
#[derive(Debug, Clone)]
pub struct Buffers<T> {
    k: usize,
    packed: Vec<T>,
    packed_of: Vec<usize>,
    sq_norms: Vec<T>,
    correlations: Vec<T>,
    columns: PanelColumns<T>,
    /// Squared distance of each atom to the span of the chosen ones, infinite once it is dependent (OLS only).
    weights: Vec<T>,
    floor: Vec<T>,
    /// Lower Cholesky factor, `k × k` row-major.
    factor: Vec<T>,
    /// `L⁻¹ D_Iᵀ y`.
    steps: Vec<T>,
    /// Chosen and dependent atoms.
    excluded: Vec<usize>,
    support: Vec<u32>,
    x: Vec<T>,
    residual: Vec<T>,
}

impl<T: Scalar> Buffers<T> {
    fn start_weights(&mut self, norms: &[T]) {
        for (w, &norm) in self.weights.iter_mut().zip(norms) {
            *w = if norm > T::zero() { norm * norm } else { T::infinity() };
        }
    }

    fn first(&self, c: &[T]) -> usize {
        if self.weights.is_empty() { abs_argmax(c) } else { ratio_argmax(c, &self.weights) }
    }

    fn exclude(&mut self, j: usize) {
        if !self.excluded.contains(&j) {
            self.excluded.push(j);
        }
        if let Some(w) = self.weights.get_mut(j) {
            *w = T::infinity();
        }
    }

    /// Sets the correlations of excluded atoms to zero.
    fn mask(&self, c: &mut [T]) {
        for &j in &self.excluded {
            c[j] = T::zero();
        }
    }

    fn append(&mut self, g: &[T], n: usize, scale: T, step: T, c: &mut [T]) -> usize {
        let coef = &self.factor[n * self.k..][..n];
        if self.weights.is_empty() {
            self.columns.append(g, coef, scale, step, c)
        } else {
            self.columns.append_weighted(g, coef, scale, step, c, &mut self.weights, &self.floor)
        }
    }

    /// `x = L⁻ᵀ steps`.
    fn solve(&mut self) {
        let n = self.steps.len();
        self.x.clear();
        self.x.extend_from_slice(&self.steps);
        for a in (0..n).rev() {
            let row = &self.factor[a * self.k..][..=a];
            let v = self.x[a] / row[a];
            self.x[a] = v;
            for (x, &l) in self.x[..a].iter_mut().zip(row) {
                *x -= l * v;
            }
        }
    }
}

fn overflow<T: Scalar>(name: &'static str, got: T) -> LinalgError {
    LinalgError::InvalidParam {
        name,
        expected: "small enough for its square not to overflow",
        got: got.as_f64(),
    }
}

#[cold]
fn bad_signal<T: Scalar>(y: &[T], col: usize, sq: T) -> LinalgError {
    match y.iter().position(|v| !v.is_finite()) {
        Some(row) => LinalgError::NonFiniteAt { what: "signals", row, col },
        None => overflow("norm of a signal", sq.sqrt()),
    }
}
