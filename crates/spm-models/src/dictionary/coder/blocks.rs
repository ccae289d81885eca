//! Coding in blocks of signals, on all cores.

use core::ops::Range;

use spm_linalg::{Dense, LinalgError, LinearOperator, Scalar, check};
use spm_solvers::SolveError;
use spm_solvers::gram_dictionary::GramDictionary;

use crate::dictionary::Codes;
use crate::dictionary::parallel::map_blocks;

/// Signals a worker codes between two looks at the queue: a multiple of the blocks of the coders, few enough for a batch of
/// online learning to keep all cores busy.
const BLOCK: usize = 96;

/// Codes blocks of signals on all cores: `run(range of values, state, codes)` appends the codes of a block.
pub(super) fn in_blocks<T: Scalar, S>(
    dictionary: Dense<'_, T>,
    len: usize,
    state: impl Fn() -> S + Send + Sync,
    run: impl Fn(Range<usize>, &mut S, &mut Codes<T>) -> Result<(), SolveError> + Send + Sync,
) -> Result<Codes<T>, SolveError> {
    let (dim, n_atoms) = (dictionary.nrows(), dictionary.ncols());
    check::non_empty("dictionary", dim.min(n_atoms))?;
    check::len("signals", len / dim * dim, len)?;
    let n_signals = len / dim;
    let blocks = map_blocks(n_signals.div_ceil(BLOCK), state, |block, state| {
        let end = n_signals.min((block + 1) * BLOCK);
        let mut codes = Codes::new(n_atoms);
        run(block * BLOCK * dim..end * dim, state, &mut codes).map_err(|e| at_block(e, block * BLOCK))?;
        Ok::<_, SolveError>(codes)
    });
    let mut all = Codes::new(n_atoms);
    for block in blocks {
        all.append(&block?);
    }
    Ok(all)
}

/// Counts the signal in an error from the first of all signals.
fn at_block(e: SolveError, first: usize) -> SolveError {
    match e {
        SolveError::Linalg(LinalgError::NonFiniteAt { what, row, col }) => {
            LinalgError::NonFiniteAt { what, row, col: col + first }.into()
        }
        e => e,
    }
}

/// Codes from correlations: `one(DᵀY of a signal, signal, scratch, code)` writes atoms and coefficients.
pub(super) fn from_correlations<T: Scalar, S>(
    dictionary: Dense<'_, T>,
    signals: &[T],
    scratch: impl Fn(&GramDictionary<T>) -> S + Send + Sync,
    one: impl Fn(&GramDictionary<T>, &[T], &[T], &mut S, &mut Code<T>) + Send + Sync,
) -> Result<Codes<T>, SolveError> {
    let gram = GramDictionary::new(dictionary)?;
    let dim = gram.dim();
    let state = || (vec![T::zero(); BLOCK * gram.padded()], scratch(&gram), Code::default());
    in_blocks(dictionary, signals.len(), state, |y, (correlations, scratch, code), codes| {
        let y = &signals[y];
        let c = &mut correlations[..y.len() / dim * gram.padded()];
        gram.correlate(y, c)?;
        for (y, c) in y.chunks_exact(dim).zip(c.chunks_exact(gram.padded())) {
            code.atoms.clear();
            code.x.clear();
            one(&gram, c, y, scratch, code);
            codes.push(&code.atoms, &code.x);
        }
        Ok(())
    })
}

/// The code of one signal.
#[derive(Debug, Default)]
pub(super) struct Code<T> {
    pub(super) atoms: Vec<u32>,
    pub(super) x: Vec<T>,
}

impl<T: Scalar> Code<T> {
    pub(super) fn push(&mut self, j: usize, x: T) {
        self.atoms.push(j as u32);
        self.x.push(x);
    }
}

/// The indices of the `k` largest `score`s that are above 0, ascending; the lowest index wins a tie.
pub(super) fn largest<T: Scalar>(k: usize, n: usize, score: impl Fn(usize) -> T, out: &mut Vec<usize>) {
    out.clear();
    out.extend((0..n).filter(|&j| score(j) > T::zero()));
    if k < out.len() {
        let order = |&a: &usize, &b: &usize| {
            score(b).partial_cmp(&score(a)).unwrap_or(core::cmp::Ordering::Equal).then(a.cmp(&b))
        };
        if k > 0 {
            out.select_nth_unstable_by(k - 1, order);
        }
        out.truncate(k);
    }
    out.sort_unstable();
}
