//! Stability selection: which features are selected whatever half of the data one looks at.

use rand::seq::SliceRandom;
use spm_linalg::{LinalgError, LinearOperator, Scalar, check};

use super::folds::stream;
use crate::dictionary::parallel::map_blocks;
use crate::linear::ElasticNetPath;
use crate::linear::path::{Grid, solve};
use crate::rows::Rows;
use crate::{Fit, ModelError, Xy};

/// How often a feature is selected on random halves of the data.
///
/// Each of `pairs` random splits fits the path to both halves; a feature counts as selected on a half if it is among the first
/// `q` to enter. Features selected on at least a share `threshold` of the halves are stable, and the expected number of
/// features among them that are selected no more often than a random choice is at most `q² / ((2·threshold − 1)·p)`.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `path` | the Lasso's | | model and grid; the grid comes from all data |
/// | `pairs` | 50 | `>= 1` | random splits, two halves each |
/// | `q` | none | `>= 1` | features taken on a half; none takes `sqrt(0.8·p)`, rounded up |
/// | `threshold` | 0.75 | `(0.5, 1]` | share of halves that makes a feature stable |
/// | `seed` | 0 | | |
///
/// Cost: `2·pairs` paths on half of the data, in parallel; the same bits for any number of threads.
///
/// Sources: Meinshausen and Bühlmann 2010, theorem 1 (the bound); Shah and Samworth 2013 (complementary pairs).
///
/// ```
/// use spm_models::{Design, ElasticNetPath, Fit, StabilitySelection, Xy};
/// let x: Vec<f64> = (0..160).map(|i| f64::from(i * i % 31) - 15.0 + f64::from(i % 7)).collect();
/// let y: Vec<f64> = (0..40).map(|i| x[i] + 0.1 * f64::from(i as u32 % 5)).collect();
/// let data = Xy::new(Design::dense(&x, 40, 4)?, &y);
/// let stable = StabilitySelection::new(ElasticNetPath::lasso().n_alphas(20)).pairs(10).q(1).fit(data)?;
/// assert_eq!(stable.selected(), [0]);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct StabilitySelection<T = f64> {
    /// The model and the grid.
    pub path: ElasticNetPath<T>,
    /// Random splits.
    pub pairs: usize,
    /// Features taken on a half.
    pub q: Option<usize>,
    /// Share of halves that makes a feature stable.
    pub threshold: f64,
    /// Of the splits.
    pub seed: u64,
}

/// How often each feature was selected.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FittedStability {
    /// The share of halves on which each feature was selected, length p.
    pub frequency: Vec<f64>,
    /// The share that makes a feature stable.
    pub threshold: f64,
    /// Features taken on a half.
    pub q: usize,
}

impl FittedStability {
    /// The stable features, increasing.
    #[must_use]
    pub fn selected(&self) -> Vec<usize> {
        (0..self.frequency.len()).filter(|&j| self.frequency[j] >= self.threshold).collect()
    }

    /// The bound on the expected number of false features among them.
    #[must_use]
    pub fn expected_false(&self) -> f64 {
        let (q, p) = (self.q as f64, self.frequency.len() as f64);
        q * q / ((2.0 * self.threshold - 1.0) * p)
    }
}

impl<T: Scalar> StabilitySelection<T> {
    /// Fifty pairs, threshold 0.75, seed 0.
    #[must_use]
    pub fn new(path: ElasticNetPath<T>) -> Self {
        Self { path, pairs: 50, q: None, threshold: 0.75, seed: 0 }
    }

    /// Sets the number of splits.
    #[must_use]
    pub fn pairs(mut self, pairs: usize) -> Self {
        self.pairs = pairs;
        self
    }

    /// Sets how many features are taken on a half.
    #[must_use]
    pub fn q(mut self, q: usize) -> Self {
        self.q = Some(q);
        self
    }

    /// Sets the share of halves that makes a feature stable.
    #[must_use]
    pub fn threshold(mut self, threshold: f64) -> Self {
        self.threshold = threshold;
        self
    }

    /// Sets the seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

impl<T: Scalar> Fit<Xy<'_, T>> for StabilitySelection<T> {
    type Fitted = FittedStability;
    type Error = ModelError;

    /// Fits the halves.
    ///
    /// # Errors
    /// As [`ElasticNetPath`]; for fewer than 4 observations, and for options out of range.
    fn fit(&self, data: Xy<'_, T>) -> Result<FittedStability, ModelError> {
        data.validate()?;
        let (n, p) = (data.x.nrows(), data.x.ncols());
        let out_of_range =
            |name, expected, got| ModelError::from(LinalgError::InvalidParam { name, expected, got });
        if n < 4 {
            return Err(out_of_range("number of observations", "at least 4", n as f64));
        }
        if !(self.threshold > 0.5 && self.threshold <= 1.0) {
            return Err(out_of_range("threshold", "above 0.5, at most 1", self.threshold));
        }
        check::non_empty("pairs", self.pairs)?;
        let q = self.q.unwrap_or_else(|| (0.8 * p as f64).sqrt().ceil() as usize);
        check::non_empty("q", q)?;
        let alphas = self.path.grid(data)?;
        let spec = self.path.model.spec();
        let halves: Vec<Result<Vec<usize>, ModelError>> = map_blocks(
            2 * self.pairs,
            || (),
            |half, ()| {
                let mut rows: Vec<usize> = (0..n).collect();
                rows.shuffle(&mut stream(self.seed, half / 2));
                let m = n / 2;
                let mut rows = rows[(half % 2) * m..(half % 2 + 1) * m].to_vec();
                rows.sort_unstable();
                let rows = Rows::gather(data, &rows);
                let path = solve(&spec, rows.data()?, Grid::Given(&alphas))?;
                Ok(path.entries().into_iter().take(q).map(|e| e.0).collect())
            },
        );
        let mut count = vec![0_usize; p];
        for half in halves {
            half?.into_iter().for_each(|j| count[j] += 1);
        }
        let total = 2.0 * self.pairs as f64;
        let frequency = count.into_iter().map(|c| c as f64 / total).collect();
        Ok(FittedStability { frequency, threshold: self.threshold, q })
    }
}
