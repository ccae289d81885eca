//! Logistic regression on curves of the features.

use spm_linalg::{LinalgError, check};
use spm_models::{Design, Family, Fit, ModelError, SparseGlm, Xy};

/// `log odds = b + a s + Σⱼ fⱼ(uⱼ)`: a generalised additive model (Hastie and Tibshirani 1986) of the score `s`, which comes first,
/// and of all features, where `uⱼ` in `[0, 1]` is the rank of feature `j` among the rows learned from and
/// `fⱼ(u) = Σₖ wⱼₖ max(u − κₖ, 0)` is linear between [`KNOTS`].
///
/// Ranks make heavy tails harmless. An elastic net ([`SparseGlm`]) shrinks the curves; the score is almost free of it, so that few rows
/// add little to the score.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct Additive {
    /// Of every feature, [`RANKS`] quantiles of the rows learned from.
    ranks: Vec<Vec<f64>>,
    /// Of the score, then of the knots of each feature.
    weights: Vec<f64>,
    intercept: f64,
}

/// A row and its class.
pub(super) type Row<'a> = (&'a [f64], bool);

const KNOTS: [f64; 8] = [0.0, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9];
const RANKS: usize = 65;
const L1_RATIO: f64 = 0.1;
/// Factor of the penalty of the score.
const ALMOST_FREE: f64 = 1e-3;
/// Relative duality gap of the regressions: decisions need no more.
const TOLERANCE: f64 = 1e-4;

impl Additive {
    /// Learns from rows of both classes, with the strength `alpha` of the penalty; with no features but the score, its odds alone.
    pub(super) fn fit(rows: &[Row<'_>], alpha: f64) -> Result<Self, ModelError> {
        let n = rows.len();
        let table = |j: usize| -> Vec<f64> {
            let mut sorted: Vec<f64> = rows.iter().map(|r| r.0[j]).collect();
            sorted.sort_unstable_by(f64::total_cmp);
            (0..RANKS).map(|k| sorted[k * (n - 1) / (RANKS - 1)]).collect()
        };
        let curves = if rows[0].0.len() > 1 { rows[0].0.len() } else { 0 };
        let mut this = Self { ranks: (0..curves).map(table).collect(), weights: Vec::new(), intercept: 0.0 };
        let columns: Vec<Vec<f64>> = rows.iter().map(|r| this.columns(r.0)).collect();
        let p = columns[0].len();
        let (mut x, mut centres, mut scales) = (Vec::with_capacity(n * p), Vec::new(), Vec::new());
        for j in 0..p {
            let centre = columns.iter().map(|c| c[j]).sum::<f64>() / n as f64;
            let variance = columns.iter().map(|c| (c[j] - centre).powi(2)).sum::<f64>() / n as f64;
            let scale = if variance > 1e-18 { variance.sqrt() } else { 1.0 };
            x.extend(columns.iter().map(|c| (c[j] - centre) / scale));
            centres.push(centre);
            scales.push(scale);
        }
        let y: Vec<f64> = rows.iter().map(|r| f64::from(u8::from(r.1))).collect();
        let mut factors = vec![1.0; p];
        factors[0] = ALMOST_FREE;
        let fitted = SparseGlm::new(Family::Logistic, alpha)
            .l1_ratio(L1_RATIO)
            .penalty_weights(factors)
            .tol(TOLERANCE)
            .fit(Xy::new(Design::dense(&x, n, p)?, &y))?;
        this.weights = fitted.coef.iter().zip(&scales).map(|(w, s)| w / s).collect();
        let shift: f64 = this.weights.iter().zip(&centres).map(|(w, c)| w * c).sum();
        this.intercept = fitted.intercept - shift;
        Ok(this)
    }

    /// The score, then `max(uⱼ − κₖ, 0)` of every feature and knot.
    fn columns(&self, features: &[f64]) -> Vec<f64> {
        let hinges = features.iter().zip(&self.ranks).flat_map(|(&v, table)| {
            let u = rank(table, v);
            KNOTS.map(|k| (u - k).max(0.0))
        });
        core::iter::once(features[0]).chain(hinges).collect()
    }

    /// The log odds of the second class.
    pub(super) fn predictor(&self, features: &[f64]) -> f64 {
        let columns = self.columns(features);
        self.intercept + columns.iter().zip(&self.weights).map(|(c, w)| c * w).sum::<f64>()
    }

    /// Whether a model from a file fits so many features.
    pub(super) fn validate(&self, features: usize) -> Result<(), LinalgError> {
        check::len("ranks of features", features, self.ranks.len())?;
        check::len("weights of features", 1 + features * KNOTS.len(), self.weights.len())?;
        for table in &self.ranks {
            check::len("quantiles of a feature", RANKS, table.len())?;
            check::finite("quantiles of a feature", table)?;
        }
        check::finite("weights of features", &self.weights)?;
        check::finite("intercept", &[self.intercept])
    }
}

/// Where `value` is among ascending quantiles, from 0 to 1; in the middle of those it equals.
fn rank(table: &[f64], value: f64) -> f64 {
    let (below, not_above) = (table.partition_point(|&t| t < value), table.partition_point(|&t| t <= value));
    let last = (table.len() - 1) as f64;
    if below < not_above {
        return (below + not_above - 1) as f64 / 2.0 / last;
    }
    if below == 0 || below == table.len() {
        return if below == 0 { 0.0 } else { 1.0 };
    }
    let (left, right) = (table[below - 1], table[below]);
    ((below - 1) as f64 + (value - left) / (right - left)) / last
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_monotone_and_in_the_middle_of_ties() {
        let table = [0.0, 1.0, 1.0, 1.0, 3.0];
        for (value, expected) in
            [(-1.0, 0.0), (0.0, 0.0), (0.5, 0.125), (1.0, 0.5), (2.0, 0.875), (3.0, 1.0), (9.0, 1.0)]
        {
            assert_eq!(rank(&table, value), expected, "{value}");
        }
        assert_eq!(rank(&[2.0; 5], 2.0), 0.5);
    }

    #[test]
    fn a_class_that_lies_in_the_middle_is_found() {
        // Of the second feature both ends are the first class: no linear predictor can tell.
        let owned: Vec<(Vec<f64>, bool)> = (0..200)
            .map(|i| {
                let v = f64::from(i % 100) / 99.0 - 0.5;
                (vec![f64::from(i * 37 % 11), v.powi(3) * 1e9], v.abs() < 0.2)
            })
            .collect();
        let rows: Vec<Row<'_>> = owned.iter().map(|(f, c)| (f.as_slice(), *c)).collect();
        let model = Additive::fit(&rows, 0.003).unwrap();
        model.validate(2).unwrap();
        let right = rows.iter().filter(|r| (model.predictor(r.0) > 0.0) == r.1).count();
        assert!(right >= 190, "{right}");
        assert!(model.validate(3).is_err());
    }
}
