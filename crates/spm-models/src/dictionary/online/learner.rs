//! What online learning keeps between two batches.

use spm_linalg::{Dense, LinalgError, Scalar, check, vecops};
use spm_solvers::SolveError;

use super::{AtomNorm, Online, update_atoms};
use crate::ModelError;
use crate::dictionary::ksvd::{Data, Replacement};
use crate::dictionary::parallel::map_blocks;
use crate::dictionary::{Coder, Codes, Dictionary};

/// Signals whose residuals one task computes.
const BLOCK: usize = 128;
/// Uses are counted over this many signals an atom.
const WINDOW: usize = 32;

/// A dictionary that learns from a stream: see [`Online::start`].
///
/// ```
/// use spm_models::dictionary::{Init, Omp, Online};
/// let online = Online::<f64>::new(2, Omp::with_k(1));
/// let batch = [1.0, 0.0, 0.6, 0.8, 2.0, 0.0, 1.2, 1.6];
/// let mut learner = online.start(Init::Samples.dictionary(&batch, 2, 2, 0)?)?;
/// for _ in 0..5 {
///     learner.update(&batch)?;
/// }
/// assert!(learner.update(&batch)? < 1e-12);
/// assert_eq!(learner.dictionary()?.n_atoms(), 2);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone)]
pub struct OnlineLearner<'a, T: Scalar, C> {
    options: &'a Online<T, C>,
    dim: usize,
    atoms: Vec<T>,
    /// `Σ x xᵀ`, `K × K`.
    a: Vec<T>,
    /// `Σ y xᵀ`, `d × K`.
    b: Vec<T>,
    /// How many signals these sums stand for.
    weight: T,
    batches: usize,
    /// The share of what was learned that a batch leaves in place, at most.
    keep: T,
    /// Users of each atom among the signals seen since the last replacement, and how many signals those were.
    uses: Vec<usize>,
    seen: usize,
    replaced: usize,
}

impl<'a, T: Scalar, C: Coder<T>> OnlineLearner<'a, T, C> {
    pub(super) fn new(options: &'a Online<T, C>, dictionary: Dictionary<T>) -> Self {
        let (dim, k) = (dictionary.dim(), dictionary.n_atoms());
        let mut atoms = dictionary.into_atoms();
        if options.positive {
            atoms.iter_mut().for_each(|v| *v = v.abs());
        }
        Self {
            options,
            dim,
            atoms,
            a: vec![T::zero(); k * k],
            b: vec![T::zero(); dim * k],
            weight: T::zero(),
            batches: 0,
            keep: T::one(),
            uses: vec![0; k],
            seen: 0,
            replaced: 0,
        }
    }

    /// Learns from a batch (`dim × n`, column-major; any `n`). Returns its root mean square error before the update, 0 for
    /// an empty batch.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if the length is no multiple of `dim`, [`LinalgError::NonFiniteAt`] naming entry and signal, and
    /// what the coder reports; the learner is then as before.
    pub fn update(&mut self, batch: &[T]) -> Result<T, ModelError> {
        let sq_error = self.absorb(batch)?;
        Ok(if batch.is_empty() { T::zero() } else { (sq_error / T::of_usize(batch.len())).sqrt() })
    }

    /// The dictionary as it stands.
    ///
    /// # Errors
    /// [`ModelError`] if it holds a NaN, which overflow can bring.
    pub fn dictionary(&self) -> Result<Dictionary<T>, ModelError> {
        Dictionary::new(self.atoms.clone(), self.dim)
    }

    /// The atoms as they stand, `dim × n_atoms`.
    #[must_use]
    pub fn atoms(&self) -> &[T] {
        &self.atoms
    }

    /// How many atoms were replaced so far.
    #[must_use]
    pub fn replaced(&self) -> usize {
        self.replaced
    }

    /// Forgets at least as fast as if `batches` were all there is to remember.
    pub(super) fn remember(&mut self, batches: usize) {
        self.keep = T::one() - T::one() / T::of_usize(batches.max(1));
    }

    pub(super) fn dim(&self) -> usize {
        self.dim
    }

    pub(super) fn options(&self) -> &'a Online<T, C> {
        self.options
    }

    /// As [`update`](Self::update); returns the squared error.
    pub(super) fn absorb(&mut self, batch: &[T]) -> Result<T, SolveError> {
        let (dim, k) = (self.dim, self.options.n_atoms);
        check::len("batch", batch.len() / dim * dim, batch.len())?;
        if batch.is_empty() {
            return Ok(T::zero());
        }
        if let Err(LinalgError::NonFinite { index, .. }) = check::finite("batch", batch) {
            return Err(LinalgError::NonFiniteAt { what: "batch", row: index % dim, col: index / dim }.into());
        }
        let dictionary = Dense::from_column_major(&self.atoms, dim, k)?;
        let codes = self.options.coder.code(dictionary, batch)?;
        check::len("signals coded", batch.len() / dim, codes.n_signals())?;
        check::len("atoms of the code", k, codes.n_atoms())?;
        let residual = residual(dictionary, batch, &codes);
        self.accumulate(batch, &codes);
        self.replace(batch, &codes, &residual)?;
        update_atoms(&mut self.atoms, dim, &self.a, &self.b, AtomNorm::Unit, self.options.positive)?;
        Ok(residual.chunks(BLOCK * dim).map(vecops::sq_norm).sum())
    }

    /// `A ← βA + Σ x xᵀ`, `B ← βB + Σ y xᵀ`.
    fn accumulate(&mut self, batch: &[T], codes: &Codes<T>) {
        let (dim, k) = (self.dim, self.options.n_atoms);
        self.batches += 1;
        let (t, before) = (T::of_usize(self.batches), T::of_usize(self.batches - 1));
        let keep = (before / t).powf(self.options.fading).min(self.keep);
        self.weight = keep * self.weight + T::of_usize(codes.n_signals());
        if keep < T::one() {
            vecops::scale(keep, &mut self.a);
            vecops::scale(keep, &mut self.b);
        }
        for (i, y) in batch.chunks_exact(dim).enumerate() {
            let (atoms, x) = codes.column(i);
            for (&j, &xj) in atoms.iter().zip(x) {
                let j = j as usize;
                self.uses[j] += 1;
                vecops::axpy(xj, y, &mut self.b[j * dim..][..dim]);
                let column = &mut self.a[j * k..][..k];
                for (&l, &xl) in atoms.iter().zip(x) {
                    column[l as usize] += xj * xl;
                }
            }
        }
        self.seen += codes.n_signals();
    }

    /// Once in a while, lets little-used atoms and near-duplicates give way to the worst-represented signals of this batch.
    fn replace(&mut self, batch: &[T], codes: &Codes<T>, residual: &[T]) -> Result<(), SolveError> {
        let (dim, k) = (self.dim, self.options.n_atoms);
        if self.seen < WINDOW * k {
            return Ok(());
        }
        let users: usize = self.uses.iter().sum();
        let scale = T::of_usize(codes.n_signals()) / self.weight;
        let replacement = Replacement {
            data: Data { signals: batch, known: None, dim },
            codes,
            residual,
            uses: core::mem::replace(&mut self.uses, vec![0; k]),
            enough: self.options.min_uses.min(1 + users / (2 * k)),
            energies: (0..k).map(|j| self.a[j * k + j] * scale).collect(),
            max_coherence: self.options.max_coherence,
            trade: true,
            positive: self.options.positive,
        };
        self.seen = 0;
        for j in replacement.run(&mut self.atoms)? {
            self.replaced += 1;
            // What was learned about the old atom says nothing about the new one.
            self.b[j * dim..][..dim].fill(T::zero());
            self.a[j * k..][..k].fill(T::zero());
            self.a[j..].iter_mut().step_by(k).for_each(|v| *v = T::zero());
        }
        Ok(())
    }
}

/// `Y − D X`.
fn residual<T: Scalar>(dictionary: Dense<'_, T>, batch: &[T], codes: &Codes<T>) -> Vec<T> {
    use spm_linalg::LinearOperator;
    let dim = dictionary.nrows();
    let blocks = map_blocks(
        codes.n_signals().div_ceil(BLOCK),
        || (),
        |block, ()| {
            let mut r = batch[block * BLOCK * dim..batch.len().min((block + 1) * BLOCK * dim)].to_vec();
            for (r, i) in r.chunks_exact_mut(dim).zip(block * BLOCK..) {
                codes.add_reconstruction(dictionary, i, -T::one(), r);
            }
            r
        },
    );
    blocks.concat()
}
