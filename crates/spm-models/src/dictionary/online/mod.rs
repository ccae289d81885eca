//! Online dictionary learning.

mod learner;
mod update;

use core::ops::ControlFlow;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use spm_linalg::{LinalgError, Scalar, check};
use spm_solvers::{Control, Iteration, Observer, Progress, Report, SolveError, run, stop};

pub use self::learner::OnlineLearner;
pub use self::update::{AtomNorm, update_atoms};
use super::init::below;
use super::options::{check_coherence, shared_setters};
use super::{Coder, Dictionary, Init, Omp};
use crate::ModelError;

/// Passes over the same signals that count.
const REMEMBERED: usize = 3;

/// Online dictionary learning: a dictionary that improves with every batch of signals.
///
/// $\min_D \mathbb{E}_y \min_x \|y - D x\|_2^2$ with codes as the coder makes them. In plain text: repeat 1. code a batch of signals,
/// 2. add the codes to `A = Σ x xᵀ` and `B = Σ y xᵀ`, older batches fading, 3. minimise `tr(Dᵀ D A) − 2 tr(Dᵀ B)` over the
/// dictionary by one pass of block-coordinate descent: `d_j ← d_j + (b_j − D a_j)/A_jj`, normalised. Neither the signals nor their codes are
/// kept: memory `O(K² + d K)` and a batch, however long the stream.
///
/// [`fit`](Self::fit) makes passes over signals in memory, in random order, and forgets what it learned from them three passes ago (but for
/// `fading` 0): codes of that age say little about the atoms of today. [`start`](Self::start) takes batches from anywhere. Any [`Coder`]
/// serves: with [`Omp`] the method minimises an error under a number of atoms, with [`super::LassoCoder`] it is the original. Atoms that few
/// of the last signals use, near-duplicates and those that a better one can replace give way as in [`super::Ksvd`]. The result depends on nothing but
/// signals, options and seed: same bits for any number of threads.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `n_atoms` | required | `> 0` | `K` |
/// | `coder` | required | | how signals are coded |
/// | `batch` | 512 | `> 0` | signals between two updates |
/// | `max_iter` | 10 | | passes over the signals |
/// | `tol` | 0 | finite, `>= 0` | converged when the error of a pass changes by at most `tol` relative to the previous one |
/// | `fading` | 3 | finite, `>= 0` | batch `t` counts with weight `t^fading`; 0: all the same |
/// | `positive` | false | | whether atoms must be `>= 0` |
/// | `init` | [`Init::Samples`] | | the first dictionary |
/// | `seed` | 0 | | of the first dictionary and the order of the signals |
/// | `min_uses` | 4 | | atoms with fewer users among the last `32 K` signals are replaced (0: never) |
/// | `max_coherence` | 0.99 | `(0, 1]` | atoms closer than this to a more used one are replaced, others if the error falls by it (1: neither) |
///
/// Time: the coder's, `O(d nnz)`, and `O(d K²)` a batch.
///
/// Source: Mairal, Bach, Ponce, Sapiro 2010, *Online learning for matrix factorization and sparse coding*, algorithms 1 and 2; fading:
/// section 3.4.2.
///
/// ```
/// use spm_models::dictionary::{Omp, Online};
/// let y: Vec<f64> = (1..9).flat_map(|i| if i % 2 == 0 { [i as f64, 0.0] } else { [0.6, 0.8].map(|v| v * i as f64) }).collect();
/// let fit = Online::new(2, Omp::with_k(1)).fit(&y, 2)?;
/// assert!(fit.errors.last() < Some(&1e-12));
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Online<T, C = Omp<T>> {
    /// The number of atoms.
    pub n_atoms: usize,
    /// How signals are coded.
    pub coder: C,
    /// Signals between two updates.
    pub batch: usize,
    /// Passes over the signals.
    pub max_iter: usize,
    /// Relative change of the error at which training counts as converged.
    pub tol: T,
    /// Batch `t` counts with weight `t^fading`.
    pub fading: T,
    /// Whether atoms must be `>= 0`.
    pub positive: bool,
    /// The first dictionary.
    pub init: Init<T>,
    /// Seed of the first dictionary and of the order of the signals.
    pub seed: u64,
    /// Atoms with fewer users among the last signals are replaced.
    pub min_uses: usize,
    /// Atoms with a larger `|dᵢᵀ dⱼ|` than this are replaced.
    pub max_coherence: T,
}

/// A dictionary trained online.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct FittedOnline<T> {
    /// The dictionary.
    pub dictionary: Dictionary<T>,
    /// The root mean square error of each pass, of every signal when it was coded: with the dictionary of that moment.
    pub errors: Vec<T>,
    /// How many atoms were replaced over the whole run.
    pub replaced: usize,
    /// How the run ended. `objective` is the last of [`errors`](Self::errors), `residual` its relative change.
    pub report: Report<T>,
}

impl<T: Scalar, C: Coder<T>> Online<T, C> {
    /// Training of `n_atoms` atoms with `coder` and default options.
    #[must_use]
    pub fn new(n_atoms: usize, coder: C) -> Self {
        Self {
            n_atoms,
            coder,
            batch: 512,
            max_iter: 10,
            tol: T::zero(),
            fading: T::of(3.0),
            positive: false,
            init: Init::Samples,
            seed: 0,
            min_uses: 4,
            max_coherence: T::of(0.99),
        }
    }

    /// Sets the number of signals between two updates.
    #[must_use]
    pub fn batch(mut self, batch: usize) -> Self {
        self.batch = batch;
        self
    }

    /// Sets how fast older batches fade.
    #[must_use]
    pub fn fading(mut self, fading: T) -> Self {
        self.fading = fading;
        self
    }

    shared_setters!();

    /// Checks the options.
    ///
    /// # Errors
    /// [`LinalgError`] naming the first that is out of range.
    pub fn validate(&self) -> Result<(), ModelError> {
        check::non_empty("dictionary", self.n_atoms)?;
        check::non_empty("batch", self.batch)?;
        check::non_negative("tol", self.tol)?;
        check::non_negative("fading", self.fading)?;
        check_coherence(self.max_coherence)?;
        Ok(())
    }

    /// Learns a dictionary from the columns of `signals` (`dim × N`, column-major), in passes over all of them.
    ///
    /// # Errors
    /// As [`validate`](Self::validate); [`LinalgError`] for no signals, a wrong length, or a NaN (naming entry and signal).
    pub fn fit(&self, signals: &[T], dim: usize) -> Result<FittedOnline<T>, ModelError> {
        self.fit_observed(signals, dim, &mut |_: &Progress<T>, _: &[T]| ControlFlow::Continue(()))
    }

    /// As [`fit`](Self::fit); the observer sees the error and the atoms (`dim × n_atoms`) after every pass.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_observed(
        &self,
        signals: &[T],
        dim: usize,
        observer: &mut dyn Observer<T>,
    ) -> Result<FittedOnline<T>, ModelError> {
        self.validate()?;
        check::non_empty("signals", dim.min(signals.len()))?;
        check::len("signals", signals.len() / dim * dim, signals.len())?;
        if let Err(LinalgError::NonFinite { what, index }) = check::finite("signals", signals) {
            return Err(LinalgError::NonFiniteAt { what, row: index % dim, col: index / dim }.into());
        }
        let mut learner = self.start(self.init.dictionary(signals, dim, self.n_atoms, self.seed)?)?;
        if self.fading > T::zero() {
            learner.remember(REMEMBERED * (signals.len() / dim).div_ceil(self.batch));
        }
        let mut passes = Passes {
            learner,
            signals,
            order: (0..signals.len() / dim).collect(),
            rng: ChaCha8Rng::seed_from_u64(self.seed ^ 0x6f6e_6c69_6e65),
            batch: Vec::with_capacity(self.batch.min(signals.len() / dim) * dim),
            errors: Vec::with_capacity(self.max_iter),
        };
        let mut stop = stop::Residual { tol: self.tol };
        let report = run(&mut passes, Control::new(self.max_iter, &mut stop).observer(observer))?;
        let Passes { learner, errors, .. } = passes;
        Ok(FittedOnline { dictionary: learner.dictionary()?, errors, replaced: learner.replaced(), report })
    }

    /// Learning from a stream that starts with this dictionary ([`Init::dictionary`] makes one from the first batch).
    ///
    /// # Errors
    /// As [`validate`](Self::validate); [`LinalgError::Shape`] if the dictionary has not `n_atoms` atoms.
    pub fn start(&self, dictionary: Dictionary<T>) -> Result<OnlineLearner<'_, T, C>, ModelError> {
        self.validate()?;
        check::len("first dictionary", self.n_atoms, dictionary.n_atoms())?;
        Ok(OnlineLearner::new(self, dictionary))
    }
}

/// Passes over signals in memory.
struct Passes<'a, T: Scalar, C> {
    learner: OnlineLearner<'a, T, C>,
    signals: &'a [T],
    order: Vec<usize>,
    rng: ChaCha8Rng,
    batch: Vec<T>,
    errors: Vec<T>,
}

impl<T: Scalar, C: Coder<T>> Iteration<T> for Passes<'_, T, C> {
    fn step(&mut self) -> Result<(), SolveError> {
        for i in (1..self.order.len()).rev() {
            self.order.swap(i, below(&mut self.rng, i + 1));
        }
        let (dim, size) = (self.learner.dim(), self.learner.options().batch);
        let mut sq_error = T::zero();
        for block in self.order.chunks(size) {
            self.batch.clear();
            for &i in block {
                self.batch.extend_from_slice(&self.signals[i * dim..][..dim]);
            }
            sq_error += self.learner.absorb(&self.batch)?;
        }
        self.errors.push((sq_error / T::of_usize(self.signals.len())).sqrt());
        Ok(())
    }

    fn progress(&self) -> Progress<T> {
        super::ksvd::error_progress(&self.errors)
    }

    fn iterate(&self) -> &[T] {
        self.learner.atoms()
    }
}
