//! K-SVD.

mod mod_update;
mod replace;
mod sweep;
mod training;

use spm_linalg::{LinalgError, Scalar, check};
use spm_solvers::{Observer, Progress, Report};

pub(super) use self::replace::Replacement;
use self::training::train;
pub(super) use self::training::{Data, error_progress};
use super::options::{check_coherence, shared_setters};
use super::{Coder, Codes, Dictionary, Init, MaskedCoder, Omp};
use crate::ModelError;

/// How [`Ksvd`] improves the dictionary once signals are coded: atom by atom (but for MOD), with `d` an atom, `g` its
/// coefficients and `F` the error of its users without it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Update {
    /// This many rounds of `d ← F g / ‖F g‖`, `g ← Fᵀ d` (with missing entries the weighted form of both), at least
    /// 1. One round is approximate K-SVD; every round lowers the error further.
    Rounds(usize),
    /// The best rank-1 approximation of `F`: `d` is the leading eigenvector of `F Fᵀ`. With missing entries or fixed signs, where no
    /// closed form exists, rounds until the atom stands still, at most 50.
    Exact,
    /// The method of optimal directions: all atoms at once, `D ← Y Xᵀ (X Xᵀ)⁻¹`, normalised, the coefficients scaled along. Complete
    /// signals only.
    Mod,
}

impl Default for Update {
    fn default() -> Self {
        Self::Rounds(1)
    }
}

/// Dictionary learning by K-SVD, approximate or exact, from complete signals or from signals with missing entries.
///
/// $\min_{D, X} \|Y - D X\|_F^2$ over unit-norm atoms and codes as sparse as the coder makes them. In plain text: repeat
/// 1. code all signals, 2. for each atom in turn, with the set of its users fixed, replace the atom by
///    `d ← F g / ‖F g‖` and its coefficients by `g ← Fᵀ d`, where `F = R + d gᵀ` is the error of its users without it
///    ([`Update`] offers more than this one round).
///
/// With missing entries ([`fit_masked`](Self::fit_masked)) the error counts the known ones alone, `min ‖M ∘ (Y − D X)‖²`, in the coding
/// and inside the atom update: `d_f ← Σᵢ Mᶠᵢ Fᶠᵢ gᵢ / Σᵢ Mᶠᵢ gᵢ²`, then normalised, and `gᵢ ← Σ_f Mᶠᵢ Fᶠᵢ d_f / Σ_f Mᶠᵢ d_f²`; where a
/// denominator is 0 the value stays. There several rounds pay.
///
/// With `positive` negative entries of the new atom become 0 before it is normalised, with `positive_codes` negative coefficients:
/// `d ← max(F g, 0)`, `g ← max(Fᵀ d, 0)`, each the best for the other (non-negative K-SVD); take a coder of non-negative
/// coefficients for the latter.
///
/// A sweep never increases the error. The residual `R` is kept up to date, so that a sweep costs `O(d)` a
/// coefficient. Before the next coding, atoms that few signals use and near-duplicates of a more used atom give way
/// to what the worst-represented signals lack in common, and so do after six iterations, one in 64 at a time, those of which a similar atom
/// can do the work, if by estimate the error falls by it; atoms keep their place if every signal is represented. The result depends on
/// nothing but signals, options and seed: same bits for any number of threads, and the signals are never written to.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `n_atoms` | required | `> 0` | `K` |
/// | `coder` | required | | how signals are coded |
/// | `update` | `Rounds(1)` | `Rounds(n >= 1)`, `Exact` | how an atom is improved |
/// | `max_iter` | 10 | | iterations |
/// | `tol` | 0 | finite, `>= 0` | converged when the error changes by at most `tol` relative to the previous one |
/// | `positive` | false | | whether atoms must be `>= 0` |
/// | `positive_codes` | false | | whether the update keeps coefficients `>= 0` |
/// | `init` | [`Init::Samples`] | | the first dictionary |
/// | `seed` | 0 | | of the first dictionary |
/// | `min_uses` | 4 | | atoms with fewer users are replaced (at most one more than half the mean number of users is asked for; 0: never) |
/// | `max_coherence` | 0.99 | `(0, 1]` | atoms closer than this to a more used one are replaced, others if the error falls by it (1: neither) |
///
/// Time an iteration: the coder's, and `O(d nnz + d K²)`, `O(d² nnz)` for the exact update. Memory: a copy of the signals, and
/// the codes.
///
/// Sources: Aharon, Elad, Bruckstein 2006 (K-SVD); Rubinstein, Zibulevsky, Elad 2008, algorithm 4 (approximate);
/// Aharon, Elad, Bruckstein 2005, *K-SVD and its non-negative variant for dictionary design*; Mairal, Elad, Sapiro 2008, section III (weights inside the update); Engan, Aase, Husøy 1999 (MOD);
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
    /// How an atom is improved.
    pub update: Update,
    /// At most this many iterations.
    pub max_iter: usize,
    /// Relative change of the error at which training counts as converged.
    pub tol: T,
    /// Whether atoms must be `>= 0`.
    pub positive: bool,
    /// Whether the update keeps coefficients `>= 0`.
    pub positive_codes: bool,
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
            update: Update::default(),
            max_iter: 10,
            tol: T::zero(),
            positive: false,
            positive_codes: false,
            init: Init::Samples,
            seed: 0,
            min_uses: 4,
            max_coherence: T::of(0.99),
        }
    }

    /// Sets how an atom is improved.
    #[must_use]
    pub fn update(mut self, update: Update) -> Self {
        self.update = update;
        self
    }

    /// Sets whether the update keeps coefficients `>= 0`.
    #[must_use]
    pub fn positive_codes(mut self, on: bool) -> Self {
        self.positive_codes = on;
        self
    }

    shared_setters!();

    /// Checks the options.
    ///
    /// # Errors
    /// [`spm_linalg::LinalgError`] naming the first that is out of range.
    pub fn validate(&self) -> Result<(), ModelError> {
        check::non_empty("dictionary", self.n_atoms)?;
        check::non_negative("tol", self.tol)?;
        if self.update == Update::Rounds(0) {
            return Err(LinalgError::InvalidParam { name: "rounds", expected: ">= 1", got: 0.0 }.into());
        }
        check_coherence(self.max_coherence)?;
        if self.update == Update::Mod && (self.positive || self.positive_codes) {
            let (solver, what) = ("the method of optimal directions", "fixed signs");
            return Err(ModelError::Unsupported { solver, what });
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
        let data = Data::new(signals, None, dim)?;
        train(self, data, &|d| self.coder.code(d, signals), observer)
    }
}

impl<T: Scalar, C: MaskedCoder<T>> Ksvd<T, C> {
    /// Learns a dictionary from the entries of `signals` (`dim × N`, column-major) where `known`, of the same length, is
    /// true; [`super::known_entries`] makes it of NaN. The errors are root mean squares over the known entries. With
    /// everything known it learns what [`fit`](Self::fit) does, up to rounding.
    ///
    /// [`Init::Samples`] puts the mean of the known entries of a signal in its gaps; a residual that takes the place of an
    /// atom is 0 there.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), a NaN counting only where `known`; [`LinalgError::Shape`] if the lengths differ, [`LinalgError::Empty`] if
    /// nothing is known.
    pub fn fit_masked(&self, signals: &[T], known: &[bool], dim: usize) -> Result<FittedKsvd<T>, ModelError> {
        let mut observer = |_: &Progress<T>, _: &[T]| core::ops::ControlFlow::Continue(());
        self.fit_masked_observed(signals, known, dim, &mut observer)
    }

    /// As [`fit_masked`](Self::fit_masked); the observer sees the error and the atoms (`dim × n_atoms`) after every iteration.
    ///
    /// # Errors
    /// As [`fit_masked`](Self::fit_masked).
    pub fn fit_masked_observed(
        &self,
        signals: &[T],
        known: &[bool],
        dim: usize,
        observer: &mut dyn Observer<T>,
    ) -> Result<FittedKsvd<T>, ModelError> {
        self.validate()?;
        let data = Data::new(signals, Some(known), dim)?;
        if self.update == Update::Mod && known.contains(&false) {
            return Err(ModelError::Unsupported {
                solver: "the method of optimal directions",
                what: "missing entries",
            });
        }
        train(self, data, &|d| self.coder.code_masked(d, signals, known), observer)
    }
}
