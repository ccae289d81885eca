//! K-SVD.

use spm_linalg::{Dense, Scalar, check, vecops};
use spm_solvers::{Control, Iteration, Observer, Progress, Report, SolveError, run, stop};

use super::parallel::{for_blocks_mut, map_blocks};
use super::{Coder, Codes, Dictionary, Init, Omp};
use crate::ModelError;

/// Signals whose residuals one task computes.
const BLOCK: usize = 512;

/// Dictionary learning by approximate K-SVD.
///
/// $\min_{D, X} \|Y - D X\|_F^2$ over unit-norm atoms and codes as sparse as the coder makes them. In plain text: repeat
/// 1. code all signals, 2. for each atom in turn, with the set of its users fixed, replace the atom by
///    `d ← F g / ‖F g‖` and its coefficients by `g ← Fᵀ d`, where `F = R + d gᵀ` is the error of its users without it.
///
/// A sweep never increases the error. The residual `R` is kept up to date, so that a sweep costs `O(d)` a
/// coefficient. Before the next coding, atoms that few signals use and near-duplicates of a more used atom give way
/// to the worst-represented signals; atoms keep their place if every signal is represented. The result depends on
/// nothing but signals, options and seed: same bits for any number of threads, and the signals are never written to.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `n_atoms` | required | `> 0` | `K` |
/// | `coder` | required | | how signals are coded |
/// | `max_iter` | 10 | | iterations |
/// | `tol` | 0 | finite, `>= 0` | converged when the error changes by at most `tol` relative to the previous one |
/// | `init` | [`Init::Samples`] | | the first dictionary |
/// | `seed` | 0 | | of the first dictionary |
/// | `min_uses` | 4 | | atoms with fewer users are replaced (at most one more than half the mean number of users is asked for; 0: never) |
/// | `max_coherence` | 0.99 | `(0, 1]` | atoms closer than this to a more used one are replaced (1: never) |
///
/// Time an iteration: the coder's, and `O(d nnz + d K²)`. Memory: a copy of the signals, and the codes.
///
/// Sources: Aharon, Elad, Bruckstein 2006 (K-SVD); Rubinstein, Zibulevsky, Elad 2008, algorithm 4 (this update);
/// replacement as in Rubinstein's KSVD-Box.
///
/// ```
/// use spm_models::dictionary::{Ksvd, Omp};
/// // Multiples of two directions.
/// let y: Vec<f64> = (1..9).flat_map(|i| if i % 2 == 0 { [i as f64, 0.0] } else { [0.6, 0.8].map(|v| v * i as f64) }).collect();
/// let fit = Ksvd::new(2, Omp::with_k(1)).max_iter(5).fit(&y, 2)?;
/// assert!(fit.errors.last() < Some(&1e-12));
/// assert_eq!(fit.dictionary.n_atoms(), 2);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Ksvd<T, C = Omp<T>> {
    /// The number of atoms.
    pub n_atoms: usize,
    /// How signals are coded.
    pub coder: C,
    /// At most this many iterations.
    pub max_iter: usize,
    /// Relative change of the error at which training counts as converged.
    pub tol: T,
    /// The first dictionary.
    pub init: Init<T>,
    /// Seed of the first dictionary.
    pub seed: u64,
    /// Atoms with fewer users are replaced.
    pub min_uses: usize,
    /// Atoms with a larger `|dᵢᵀ dⱼ|` than this are replaced.
    pub max_coherence: T,
}

/// A trained dictionary.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FittedKsvd<T> {
    /// The dictionary.
    pub dictionary: Dictionary<T>,
    /// The codes of the training signals after the last sweep.
    pub codes: Codes<T>,
    /// The root mean square error over all entries after each iteration.
    pub errors: Vec<T>,
    /// How many atoms were replaced over the whole run.
    pub replaced: usize,
    /// How the run ended. `objective` is the last of [`errors`](Self::errors), `residual` its relative change.
    pub report: Report<T>,
}

impl<T: Scalar, C: Coder<T>> Ksvd<T, C> {
    /// Training of `n_atoms` atoms with `coder` and default options.
    #[must_use]
    pub fn new(n_atoms: usize, coder: C) -> Self {
        Self {
            n_atoms,
            coder,
            max_iter: 10,
            tol: T::zero(),
            init: Init::Samples,
            seed: 0,
            min_uses: 4,
            max_coherence: T::of(0.99),
        }
    }

    /// Sets the number of iterations.
    #[must_use]
    pub fn max_iter(mut self, max_iter: usize) -> Self {
        self.max_iter = max_iter;
        self
    }

    /// Sets the tolerance.
    #[must_use]
    pub fn tol(mut self, tol: T) -> Self {
        self.tol = tol;
        self
    }

    /// Sets the first dictionary.
    #[must_use]
    pub fn init(mut self, init: impl Into<Init<T>>) -> Self {
        self.init = init.into();
        self
    }

    /// Sets the seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Sets the number of users below which an atom is replaced.
    #[must_use]
    pub fn min_uses(mut self, min_uses: usize) -> Self {
        self.min_uses = min_uses;
        self
    }

    /// Sets the coherence above which an atom is replaced.
    #[must_use]
    pub fn max_coherence(mut self, max_coherence: T) -> Self {
        self.max_coherence = max_coherence;
        self
    }

    /// Checks the options.
    ///
    /// # Errors
    /// [`spm_linalg::LinalgError`] naming the first that is out of range.
    pub fn validate(&self) -> Result<(), ModelError> {
        check::non_empty("dictionary", self.n_atoms)?;
        check::non_negative("tol", self.tol)?;
        if !(self.max_coherence > T::zero() && self.max_coherence <= T::one()) {
            let (name, expected) = ("max_coherence", "in (0, 1]");
            let got = self.max_coherence.as_f64();
            return Err(spm_linalg::LinalgError::InvalidParam { name, expected, got }.into());
        }
        Ok(())
    }

    /// Learns a dictionary from the columns of `signals` (`dim × N`, column-major).
    ///
    /// # Errors
    /// As [`validate`](Self::validate); [`spm_linalg::LinalgError`] for no signals, a wrong length, or a NaN (naming entry
    /// and signal).
    pub fn fit(&self, signals: &[T], dim: usize) -> Result<FittedKsvd<T>, ModelError> {
        self.fit_observed(signals, dim, &mut |_: &Progress<T>, _: &[T]| core::ops::ControlFlow::Continue(()))
    }

    /// As [`fit`](Self::fit); the observer sees the error and the atoms (`dim × n_atoms`) after every iteration.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_observed(
        &self,
        signals: &[T],
        dim: usize,
        observer: &mut dyn Observer<T>,
    ) -> Result<FittedKsvd<T>, ModelError> {
        self.validate()?;
        check::non_empty("signals", dim.min(signals.len()))?;
        check::len("signals", signals.len() / dim * dim, signals.len())?;
        if let Err(spm_linalg::LinalgError::NonFinite { what, index }) = check::finite("signals", signals) {
            let (row, col) = (index % dim, index / dim);
            return Err(spm_linalg::LinalgError::NonFiniteAt { what, row, col }.into());
        }
        let start = self.init.dictionary(signals, dim, self.n_atoms, self.seed)?;
        let mut training = Training {
            options: self,
            signals,
            dim,
            atoms: start.into_atoms(),
            codes: Codes::new(self.n_atoms),
            residual: Vec::new(),
            errors: Vec::with_capacity(self.max_iter),
            replaced: 0,
        };
        let mut stop = stop::Residual { tol: self.tol };
        let report = run(&mut training, Control::new(self.max_iter, &mut stop).observer(observer))?;
        let Training { atoms, codes, errors, replaced, .. } = training;
        Ok(FittedKsvd { dictionary: Dictionary::new(atoms, dim)?, codes, errors, replaced, report })
    }
}

/// One run. A step codes anew, so unlike the steps of other solvers it allocates.
#[derive(Debug)]
struct Training<'a, T: Scalar, C> {
    options: &'a Ksvd<T, C>,
    signals: &'a [T],
    dim: usize,
    atoms: Vec<T>,
    codes: Codes<T>,
    /// `Y − D X`.
    residual: Vec<T>,
    errors: Vec<T>,
    replaced: usize,
}

impl<T: Scalar, C: Coder<T>> Iteration<T> for Training<'_, T, C> {
    fn step(&mut self) -> Result<(), SolveError> {
        if !self.errors.is_empty() {
            self.replace_atoms()?;
        }
        let dictionary = Dense::from_column_major(&self.atoms, self.dim, self.options.n_atoms)?;
        self.codes = self.options.coder.code(dictionary, self.signals)?;
        let n_signals = self.signals.len() / self.dim;
        check::len("signals coded", n_signals, self.codes.n_signals())?;
        check::len("atoms of the code", self.options.n_atoms, self.codes.n_atoms())?;
        self.residual.clear();
        self.residual.extend_from_slice(self.signals);
        let (codes, dim) = (&self.codes, self.dim);
        for_blocks_mut(&mut self.residual, BLOCK * dim, |block, residual| {
            for (i, r) in residual.chunks_exact_mut(dim).enumerate() {
                codes.add_reconstruction(dictionary, block * BLOCK + i, -T::one(), r);
            }
        });
        self.sweep();
        let partial = map_blocks(
            n_signals.div_ceil(BLOCK),
            || (),
            |block, ()| {
                let end = (block + 1) * BLOCK * dim;
                vecops::sq_norm(&self.residual[block * BLOCK * dim..end.min(self.residual.len())])
            },
        );
        let total: T = partial.into_iter().sum();
        self.errors.push((total / T::of_usize(self.residual.len())).sqrt());
        Ok(())
    }

    fn progress(&self) -> Progress<T> {
        let change = match self.errors[..] {
            [.., before, now] if before != now => (before - now).abs() / before.max(now),
            [.., _, _] => T::zero(),
            _ => T::infinity(),
        };
        let progress = Progress::new(self.errors.len(), change);
        self.errors.last().map_or(progress, |&e| progress.objective(e))
    }

    fn iterate(&self) -> &[T] {
        &self.atoms
    }
}

impl<T: Scalar, C> Training<'_, T, C> {
    /// Updates every atom and its coefficients, in index order; each update sees the ones before.
    fn sweep(&mut self) {
        let (starts, entries) = users(&self.codes);
        let (dim, residual) = (self.dim, &mut self.residual);
        let values = self.codes.values_mut();
        let mut new = vec![T::zero(); dim];
        for (j, atom) in self.atoms.chunks_exact_mut(dim).enumerate() {
            let entries = &entries[starts[j]..starts[j + 1]];
            // F g = R g + d ‖g‖².
            new.fill(T::zero());
            let mut energy = T::zero();
            for &(signal, entry) in entries {
                let g = values[entry];
                energy += g * g;
                vecops::axpy(g, &residual[signal as usize * dim..][..dim], &mut new);
            }
            vecops::axpy(energy, atom, &mut new);
            let norm = vecops::norm(&new);
            if !(norm > T::zero() && norm.is_finite()) {
                continue;
            }
            for v in &mut new {
                *v /= norm;
            }
            let overlap = vecops::dot(atom, &new);
            for &(signal, entry) in entries {
                let r = &mut residual[signal as usize * dim..][..dim];
                let old = values[entry];
                let g = vecops::dot(r, &new) + old * overlap;
                values[entry] = g;
                for ((r, &was), &is) in r.iter_mut().zip(&*atom).zip(&new) {
                    *r += old * was - g * is;
                }
            }
            atom.copy_from_slice(&new);
        }
    }

    /// Replaces little-used atoms and near-duplicates by the worst-represented signals.
    fn replace_atoms(&mut self) -> Result<(), SolveError> {
        let (n_atoms, dim) = (self.options.n_atoms, self.dim);
        let (starts, _) = users(&self.codes);
        let uses: Vec<usize> = starts.windows(2).map(|w| w[1] - w[0]).collect();
        let enough = self.options.min_uses.min(1 + self.codes.nnz() / (2 * n_atoms));
        let limit = self.options.max_coherence;
        let mut gram = vec![T::zero(); n_atoms * n_atoms];
        Dense::from_column_major(&self.atoms, dim, n_atoms)?.apply_adjoint_block(
            &self.atoms,
            n_atoms,
            &mut gram,
        );
        let mut gone = vec![false; n_atoms];
        for j in 0..n_atoms {
            let better = |i: usize| i != j && !gone[i] && (uses[i], n_atoms - i) > (uses[j], n_atoms - j);
            let copy = |i: usize| better(i) && gram[j * n_atoms + i].abs() > limit;
            gone[j] = uses[j] < enough || (limit < T::one() && (0..n_atoms).any(copy));
        }
        let needed = gone.iter().filter(|&&g| g).count();
        if needed == 0 {
            return Ok(());
        }
        let mut candidates = self.worst_represented(4 * needed + 64).into_iter();
        for j in (0..n_atoms).filter(|&j| gone[j]) {
            let Some(atom) = candidates.find_map(|i| self.fresh_atom(i, j)) else { break };
            self.atoms[j * dim..][..dim].copy_from_slice(&atom);
            self.replaced += 1;
        }
        Ok(())
    }

    /// The signals with the largest residuals, worst first; none that is represented to rounding.
    fn worst_represented(&self, count: usize) -> Vec<usize> {
        let error: Vec<T> = self.residual.chunks_exact(self.dim).map(vecops::norm).collect();
        let rounding = T::of(1e3) * T::epsilon();
        let mut order: Vec<usize> = (0..error.len())
            .filter(|&i| error[i] > rounding * vecops::norm(&self.signals[i * self.dim..][..self.dim]))
            .collect();
        order.sort_unstable_by(|&a, &b| {
            error[b].partial_cmp(&error[a]).unwrap_or(core::cmp::Ordering::Equal).then(a.cmp(&b))
        });
        order.truncate(count);
        order
    }

    /// Signal `i`, or else what is missing of it, normalised; `None` if both are near an atom other than `j`.
    fn fresh_atom(&self, i: usize, j: usize) -> Option<Vec<T>> {
        [self.signals, &self.residual].into_iter().find_map(|source| {
            let v = &source[i * self.dim..][..self.dim];
            let norm = vecops::norm(v);
            if norm == T::zero() {
                return None;
            }
            let atom: Vec<T> = v.iter().map(|&x| x / norm).collect();
            let mut others = self.atoms.chunks_exact(self.dim).enumerate().filter(|&(other, _)| other != j);
            let near = others.any(|(_, a)| vecops::dot(a, &atom).abs() > self.options.max_coherence);
            (!near).then_some(atom)
        })
    }
}

/// The codes by atom: `(signal, entry)` of atom `j` are `entries[starts[j]..starts[j + 1]]`, signals ascending.
fn users<T: Scalar>(codes: &Codes<T>) -> (Vec<usize>, Vec<(u32, usize)>) {
    let mut starts = vec![0; codes.n_atoms() + 1];
    for &j in codes.atoms() {
        starts[j as usize + 1] += 1;
    }
    for j in 0..codes.n_atoms() {
        starts[j + 1] += starts[j];
    }
    let mut next = starts.clone();
    let mut entries = vec![(0, 0); codes.nnz()];
    for (signal, range) in codes.starts().windows(2).enumerate() {
        for entry in range[0]..range[1] {
            let slot = &mut next[codes.atoms()[entry] as usize];
            entries[*slot] = (signal as u32, entry);
            *slot += 1;
        }
    }
    (starts, entries)
}
