//! How observations are dealt out to folds.

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use spm_linalg::{LinalgError, check};

use crate::ModelError;

/// How observations are dealt out to folds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Folds {
    /// Fold after fold in the order of the rows; the first `n mod k` folds have one row more. For rows in no particular
    /// order, and for series.
    Contiguous,
    /// As contiguous, after shuffling the rows by this seed; each repeat shuffles anew.
    Shuffled(u64),
    /// The fold of each observation, counted from 0: rows that belong together stay together.
    Given(Vec<usize>),
}

/// A pseudo-random generator for one item of several that share a seed.
pub(super) fn stream(seed: u64, item: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(item as u64);
    rng
}

impl Folds {
    /// The rows of each fold, increasing, for one repeat.
    pub(super) fn deal(&self, n: usize, k: usize, repeat: usize) -> Result<Vec<Vec<usize>>, ModelError> {
        let rows = match self {
            Self::Given(ids) => {
                check::len("folds: one for each observation", n, ids.len())?;
                let count = ids.iter().max().map_or(0, |m| m.saturating_add(1));
                // Before anything is allocated by a number the user gave.
                if count > n {
                    return Err(bad("fold", "below the number of observations", count as f64 - 1.0));
                }
                let mut folds = vec![Vec::new(); count];
                ids.iter().enumerate().for_each(|(i, &f)| folds[f].push(i));
                if let Some(empty) = folds.iter().position(Vec::is_empty) {
                    return Err(bad("fold without observations", "folds numbered 0, 1, 2, …", empty as f64));
                }
                if folds.len() < 2 {
                    return Err(bad("number of folds", "at least 2", folds.len() as f64));
                }
                return Ok(folds);
            }
            Self::Contiguous => (0..n).collect::<Vec<_>>(),
            Self::Shuffled(seed) => {
                let mut rows: Vec<usize> = (0..n).collect();
                rows.shuffle(&mut stream(*seed, repeat));
                rows
            }
        };
        if k < 2 || k > n {
            return Err(bad("number of folds", "at least 2, at most the number of observations", k as f64));
        }
        let mut folds = Vec::with_capacity(k);
        let mut rest = rows.as_slice();
        for f in 0..k {
            let (fold, after) = rest.split_at(n / k + usize::from(f < n % k));
            let mut fold = fold.to_vec();
            fold.sort_unstable();
            folds.push(fold);
            rest = after;
        }
        Ok(folds)
    }
}

fn bad(name: &'static str, expected: &'static str, got: f64) -> ModelError {
    LinalgError::InvalidParam { name, expected, got }.into()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_in_one_fold_and_sizes_differ_by_one() {
        for folds in [Folds::Contiguous, Folds::Shuffled(3)] {
            for (n, k) in [(2, 2), (7, 3), (10, 10), (23, 5)] {
                let dealt = folds.deal(n, k, 1).unwrap();
                let mut all: Vec<usize> = dealt.concat();
                all.sort_unstable();
                assert_eq!(all, (0..n).collect::<Vec<_>>());
                assert!(dealt.iter().all(|f| f.len() == n / k || f.len() == n / k + 1));
            }
        }
        assert_eq!(Folds::Contiguous.deal(5, 2, 0).unwrap(), [vec![0, 1, 2], vec![3, 4]]);
        let shuffled = Folds::Shuffled(3);
        assert_eq!(shuffled.deal(40, 4, 0).unwrap(), shuffled.deal(40, 4, 0).unwrap());
        assert_ne!(shuffled.deal(40, 4, 0).unwrap(), shuffled.deal(40, 4, 1).unwrap());
    }

    #[test]
    fn bad_folds_are_refused() {
        assert!(Folds::Contiguous.deal(5, 1, 0).is_err());
        assert!(Folds::Contiguous.deal(5, 6, 0).is_err());
        assert!(Folds::Contiguous.deal(0, 2, 0).is_err());
        assert!(Folds::Given(vec![0, 1]).deal(3, 2, 0).is_err());
        assert!(Folds::Given(vec![0, 2, 2]).deal(3, 2, 0).is_err());
        assert!(Folds::Given(vec![0, 0, 0]).deal(3, 2, 0).is_err());
        assert!(Folds::Given(vec![0, usize::MAX, 0]).deal(3, 2, 0).is_err());
        assert_eq!(Folds::Given(vec![1, 0, 1]).deal(3, 9, 0).unwrap(), [vec![1], vec![0, 2]]);
    }
}
