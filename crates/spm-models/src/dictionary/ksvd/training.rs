//! The iterations of K-SVD.

use spm_linalg::{Dense, LinalgError, Scalar, check, vecops};
use spm_solvers::{Control, Iteration, Observer, Progress, SolveError, run, stop};

use super::mod_update::mod_update;
use super::replace::Replacement;
use super::sweep::{Signs, sweep};
use super::{FittedKsvd, Ksvd, Update};
use crate::ModelError;
use crate::dictionary::parallel::{for_blocks_mut, in_pool, map_blocks};
use crate::dictionary::{Codes, Dictionary};

/// Iterations in which atoms find their place before one is judged by what it is worth.
const SETTLING: usize = 6;
/// Signals whose residuals one task computes.
const BLOCK: usize = 512;

/// The training signals and what is known of them.
#[derive(Debug, Clone, Copy)]
pub(in crate::dictionary) struct Data<'a, T> {
    pub(in crate::dictionary) signals: &'a [T],
    pub(in crate::dictionary) known: Option<&'a [bool]>,
    pub(in crate::dictionary) dim: usize,
}

impl<'a, T: Scalar> Data<'a, T> {
    /// Checks shapes and values.
    pub(super) fn new(signals: &'a [T], known: Option<&'a [bool]>, dim: usize) -> Result<Self, LinalgError> {
        check::non_empty("signals", dim.min(signals.len()))?;
        check::len("signals", signals.len() / dim * dim, signals.len())?;
        let bad = match known {
            None => match check::finite("signals", signals) {
                Err(LinalgError::NonFinite { index, .. }) => Some(index),
                _ => None,
            },
            Some(known) => {
                check::len("known entries", signals.len(), known.len())?;
                check::non_empty("known part of the signals", known.iter().filter(|&&k| k).count())?;
                signals.iter().zip(known).position(|(v, &known)| known && !v.is_finite())
            }
        };
        match bad {
            Some(i) => Err(LinalgError::NonFiniteAt { what: "signals", row: i % dim, col: i / dim }),
            None => Ok(Self { signals, known, dim }),
        }
    }

    pub(super) fn n_signals(&self) -> usize {
        self.signals.len() / self.dim
    }

    /// Signal `i`.
    pub(super) fn signal(&self, i: usize) -> &'a [T] {
        &self.signals[i * self.dim..][..self.dim]
    }

    /// What is known of signal `i`; `None` for everything.
    pub(super) fn known(&self, i: usize) -> Option<&'a [bool]> {
        self.known.map(|known| &known[i * self.dim..][..self.dim])
    }

    /// Writes signal `i` to `out`, with `fill` of its entry where it is unknown.
    pub(super) fn filled(&self, i: usize, out: &mut [T], fill: impl Fn(usize) -> T) {
        out.copy_from_slice(self.signal(i));
        if let Some(known) = self.known(i) {
            for (f, v) in out.iter_mut().enumerate().filter(|(f, _)| !known[*f]) {
                *v = fill(f);
            }
        }
    }

    /// The signals, the mean of what is known of a signal in its gaps.
    fn mean_filled(&self) -> Vec<T> {
        let mut out = vec![T::zero(); self.signals.len()];
        for (i, y) in out.chunks_exact_mut(self.dim).enumerate() {
            let (mut sum, mut count) = (T::zero(), 0);
            for f in (0..self.dim).filter(|&f| self.known(i).is_none_or(|known| known[f])) {
                sum += self.signal(i)[f];
                count += 1;
            }
            let mean = sum / T::of_usize(count.max(1));
            self.filled(i, y, |_| mean);
        }
        out
    }
}

/// Codes the training signals.
type Code<'a, T> = dyn Fn(Dense<'_, T>) -> Result<Codes<T>, SolveError> + 'a;

/// Trains with these options on these data.
pub(super) fn train<T: Scalar, C>(
    options: &Ksvd<T, C>,
    data: Data<'_, T>,
    code: &Code<'_, T>,
    observer: &mut dyn Observer<T>,
) -> Result<FittedKsvd<T>, ModelError> {
    let (dim, n_atoms) = (data.dim, options.n_atoms);
    let start = if data.known.is_some() {
        options.init.dictionary(&data.mean_filled(), dim, n_atoms, options.seed)?
    } else {
        options.init.dictionary(data.signals, dim, n_atoms, options.seed)?
    };
    let mut atoms = start.into_atoms();
    if options.positive {
        atoms.iter_mut().for_each(|v| *v = v.abs());
    }
    let is_known = |known: &[bool]| known.iter().filter(|&&k| k).count();
    let known = data.known.map_or(data.signals.len(), is_known);
    let weights = data.known.filter(|_| known < data.signals.len());
    let weights = weights.map(|k| k.iter().map(|&k| if k { T::one() } else { T::zero() }).collect());
    let mut training = Training {
        options,
        data,
        code,
        known,
        weights,
        atoms,
        codes: Codes::new(n_atoms),
        residual: Vec::new(),
        errors: Vec::with_capacity(options.max_iter),
        replaced: 0,
    };
    let mut stop = stop::Residual { tol: options.tol };
    let report = run(&mut training, Control::new(options.max_iter, &mut stop).observer(observer))?;
    let Training { atoms, codes, errors, replaced, .. } = training;
    Ok(FittedKsvd { dictionary: Dictionary::new(atoms, dim)?, codes, errors, replaced, report })
}

/// One run. A step codes anew, so unlike the steps of other solvers it allocates.
struct Training<'a, T: Scalar, C> {
    options: &'a Ksvd<T, C>,
    data: Data<'a, T>,
    code: &'a Code<'a, T>,
    /// How many entries are known.
    known: usize,
    /// 1 where an entry is known, else 0; `None` if all are.
    weights: Option<Vec<T>>,
    atoms: Vec<T>,
    codes: Codes<T>,
    /// `Y − D X`, 0 where `Y` is unknown.
    residual: Vec<T>,
    errors: Vec<T>,
    replaced: usize,
}

impl<T: Scalar, C> Training<'_, T, C> {
    fn compute_residual(&mut self) -> Result<(), SolveError> {
        let Self { data, codes, .. } = self;
        let dim = data.dim;
        let dictionary = Dense::from_column_major(&self.atoms, dim, self.options.n_atoms)?;
        self.residual.resize(data.signals.len(), T::zero());
        for_blocks_mut(&mut self.residual, BLOCK * dim, |block, residual| {
            for (r, i) in residual.chunks_exact_mut(dim).zip(block * BLOCK..) {
                r.copy_from_slice(data.signal(i));
                codes.add_reconstruction(dictionary, i, -T::one(), r);
                if let Some(known) = data.known(i) {
                    for (r, _) in r.iter_mut().zip(known).filter(|(_, known)| !**known) {
                        *r = T::zero();
                    }
                }
            }
        });
        Ok(())
    }
}

/// The root mean square of the residual over `known` entries.
fn rms<T: Scalar>(residual: &[T], size: usize, known: usize) -> T {
    let partial = map_blocks(
        residual.len().div_ceil(size),
        || (),
        |block, ()| vecops::sq_norm(&residual[block * size..residual.len().min((block + 1) * size)]),
    );
    (partial.into_iter().sum::<T>() / T::of_usize(known)).sqrt()
}

impl<T: Scalar, C> Iteration<T> for Training<'_, T, C> {
    fn step(&mut self) -> Result<(), SolveError> {
        let n_atoms = self.options.n_atoms;
        if !self.errors.is_empty() {
            let (mut uses, mut energies) = (vec![0; n_atoms], vec![T::zero(); n_atoms]);
            for (&j, &x) in self.codes.atoms().iter().zip(self.codes.values()) {
                uses[j as usize] += 1;
                energies[j as usize] += x * x;
            }
            let replacement = Replacement {
                data: self.data,
                codes: &self.codes,
                residual: &self.residual,
                uses,
                enough: self.options.min_uses.min(1 + self.codes.nnz() / (2 * n_atoms)),
                energies,
                max_coherence: self.options.max_coherence,
                trade: self.errors.len() >= SETTLING,
                positive: self.options.positive,
            };
            self.replaced += replacement.run(&mut self.atoms)?.len();
        }
        let dictionary = Dense::from_column_major(&self.atoms, self.data.dim, n_atoms)?;
        self.codes = (self.code)(dictionary)?;
        check::len("signals coded", self.data.n_signals(), self.codes.n_signals())?;
        check::len("atoms of the code", n_atoms, self.codes.n_atoms())?;
        self.compute_residual()?;
        let weights = self.weights.as_deref();
        let Self { atoms, codes, residual, .. } = self;
        if self.options.update == Update::Mod {
            mod_update(self.data, atoms, codes)?;
            self.compute_residual()?;
        } else {
            let (update, dim) = (self.options.update, self.data.dim);
            let signs = Signs { atoms: !self.options.positive, codes: !self.options.positive_codes };
            in_pool(|| sweep(update, signs, dim, weights, atoms, codes, residual))?;
        }
        self.errors.push(rms(&self.residual, BLOCK * self.data.dim, self.known));
        Ok(())
    }

    fn progress(&self) -> Progress<T> {
        error_progress(&self.errors)
    }

    fn iterate(&self) -> &[T] {
        &self.atoms
    }
}

/// The last error as objective, its relative change as residual.
pub(in crate::dictionary) fn error_progress<T: Scalar>(errors: &[T]) -> Progress<T> {
    let change = match *errors {
        [.., before, now] if before != now => (before - now).abs() / before.max(now),
        [.., _, _] => T::zero(),
        _ => T::infinity(),
    };
    let progress = Progress::new(errors.len(), change);
    errors.last().map_or(progress, |&e| progress.objective(e))
}
