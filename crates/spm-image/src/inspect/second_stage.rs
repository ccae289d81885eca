//! What a few defective parts add.

use spm_linalg::{LinalgError, check};
use spm_models::ModelError;

use super::additive::{Additive, Row};
use super::appearance::{self, Appearance};
use super::{Calibration, Map, Planes, View};
use crate::par;

/// A score learned from good and from defective parts, on top of the score learned from good parts alone.
///
/// A part has these features: its score; of the z map of each expert some quantiles, the means of its top shares and the largest value
/// in each of 4 × 4 fields, of experts of whole lines only the largest value; quantiles of how much brighter than good parts it is at every place, over windows of 3,
/// 9 and 27 reduced values, with and without what whole rows and columns have in common. The second stage is the log odds of a
/// generalised additive logistic model with an elastic net, in which the score is almost free and the curves of all features are
/// penalised: with few parts little is added to the score. Its strength is that of the least held-out log loss, chosen anew by those
/// who judge the parts of a fold, so that the comparison with the one-class score is fair.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SecondStage {
    appearance: Appearance,
    rule: Additive,
    /// Of the linear predictors of good parts that it has not seen.
    calibration: Calibration,
}

/// Whether defective parts helped: the decisions on parts held out, with thresholds from the good ones among them.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Comparison {
    /// Good and defective parts.
    pub parts: (usize, usize),
    /// By the score learned from good parts alone.
    pub one_class: HeldOut,
    /// By the second stage.
    pub second: HeldOut,
    /// By how much the second stage lessens the log loss, and the standard error of that.
    pub gain: (f64, f64),
    /// Whether the second stage is used: its log loss is less by more than 2.326 standard errors of the difference (a one-sided
    /// test at 1 %), and it decides as many held-out parts rightly.
    pub adopted: bool,
}

/// How a score does on parts it has not learned from.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct HeldOut {
    /// Mean of `−log P(what the part is)`.
    pub log_loss: f64,
    /// Defective parts called so.
    pub detected: usize,
    /// Good parts called defective.
    pub false_alarms: usize,
}

const QUANTILES: [f64; 10] = [0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.98, 0.99, 0.995];
const TOPS: [f64; 6] = [0.005, 0.01, 0.02, 0.04, 0.08, 0.16];
/// Fields a side whose largest values are features.
const FIELDS: usize = 4;
/// Strengths tried.
const ALPHAS: [f64; 6] = [1.0, 0.3, 0.1, 0.03, 0.01, 0.003];
/// Standard errors by which the log loss must be less.
const SURE: f64 = 2.326;

/// The features of a part.
pub(super) fn features(
    score: f64,
    views: &[View],
    z: &[Map],
    part: &Planes,
    appearance: &Appearance,
) -> Vec<f64> {
    let mut out = vec![score];
    for (view, map) in views.iter().zip(z) {
        if view.is_line() {
            out.push(f64::from(map.values.iter().copied().fold(f32::MIN, f32::max)));
            continue;
        }
        let sorted = sorted(&map.values);
        out.extend(at_quantiles(&sorted, &QUANTILES));
        let n = sorted.len();
        out.extend(TOPS.map(|t| {
            let top = ((t * n as f64).round() as usize).clamp(1, n);
            sorted[n - top..].iter().map(|&v| f64::from(v)).sum::<f64>() / top as f64
        }));
        out.extend(largest_of_fields(map));
    }
    out.extend(appearance.features(part));
    out
}

/// The largest value in each field, row after row; in fields of a map too small for them that of the nearest field before.
fn largest_of_fields(map: &Map) -> Vec<f64> {
    let start = |field: usize, n: usize| field * n / FIELDS;
    let range = |field: usize, n: usize| start(field, n)..start(field + 1, n).max(start(field, n) + 1);
    let largest = |field: usize| {
        let (rows, cols) = (range(field / FIELDS, map.rows), range(field % FIELDS, map.cols));
        let of_row = |i: usize| map.values[i * map.cols..][cols.clone()].iter().copied();
        f64::from(rows.flat_map(of_row).fold(f32::MIN, f32::max))
    };
    (0..FIELDS * FIELDS).map(largest).collect()
}

/// The values, ascending.
pub(super) fn sorted(values: &[f32]) -> Vec<f32> {
    let mut out = values.to_vec();
    out.sort_unstable_by(f32::total_cmp);
    out
}

/// The values at these quantiles of ascending ones.
pub(super) fn at_quantiles(sorted: &[f32], quantiles: &[f64]) -> Vec<f64> {
    quantiles.iter().map(|q| f64::from(sorted[(q * (sorted.len() - 1) as f64).round() as usize])).collect()
}

/// Which fold a part belongs to: the parts of each class are dealt in turn.
fn deal(rows: &[Row<'_>], folds: usize) -> Vec<usize> {
    let mut dealt = [0, 0];
    let deal = |r: &Row<'_>| {
        let k = &mut dealt[usize::from(r.1)];
        *k += 1;
        (*k - 1) % folds
    };
    rows.iter().map(deal).collect()
}

/// The log odds of every part by a rule that has not learned from it.
fn held_out(
    rows: &[Row<'_>],
    folds: usize,
    fit: impl Fn(&[Row<'_>]) -> Result<Additive, ModelError> + Send + Sync,
) -> Result<Vec<f64>, ModelError> {
    let fold = deal(rows, folds);
    let rules = par::map((0..folds).collect(), |held| {
        let learned: Vec<Row<'_>> =
            rows.iter().zip(&fold).filter(|(_, f)| **f != held).map(|(r, _)| *r).collect();
        fit(&learned)
    });
    let rules: Vec<Additive> = rules.into_iter().collect::<Result<_, _>>()?;
    Ok(rows.iter().zip(&fold).map(|(r, &f)| rules[f].predictor(r.0)).collect())
}

/// The strength of the least held-out log loss; the strongest where a fold holds all parts of a class.
fn strength(rows: &[Row<'_>], folds: usize) -> Result<f64, ModelError> {
    let of = |class: bool| rows.iter().filter(|r| r.1 == class).count();
    let mut best = (f64::INFINITY, ALPHAS[0]);
    if of(true).min(of(false)) < 2 {
        return Ok(best.1);
    }
    for found in par::map(ALPHAS.to_vec(), |alpha| {
        let predictors = held_out(rows, folds, |learned| Additive::fit(learned, alpha))?;
        Ok::<_, ModelError>((mean(&losses(&predictors, rows)), alpha))
    }) {
        let found = found?;
        if found.0 < best.0 {
            best = found;
        }
    }
    Ok(best.1)
}

/// `log(1 + exp p) − y p` of every part.
fn losses(predictors: &[f64], rows: &[Row<'_>]) -> Vec<f64> {
    let loss = |(p, r): (&f64, &Row<'_>)| {
        let wrong = if r.1 { -p } else { *p };
        wrong.max(0.0) + (-wrong.abs()).exp().ln_1p()
    };
    predictors.iter().zip(rows).map(loss).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl SecondStage {
    /// Learns from the features of good and of defective parts, at least `folds` of either; `appearance` is that of all good parts.
    ///
    /// Also returned: how it compares with the one-class score, and the scores of the good parts by rules that have not seen them.
    pub(super) fn fit(
        good: &[Vec<f64>],
        defective: &[Vec<f64>],
        appearance: Appearance,
        folds: usize,
        false_alarm: f64,
    ) -> Result<(Self, Comparison, Vec<f64>), ModelError> {
        check::len("defective parts at least", folds, defective.len().min(folds))?;
        let label = |of: &'_ [Vec<f64>], bad| of.iter().map(move |f| (f.clone(), bad)).collect::<Vec<_>>();
        let owned = [label(good, false), label(defective, true)].concat();
        let rows: Vec<Row<'_>> = owned.iter().map(|(f, bad)| (f.as_slice(), *bad)).collect();
        let alone: Vec<Row<'_>> = rows.iter().map(|r| (&r.0[..1], r.1)).collect();

        let judge = |predictors: &[f64]| -> Result<(HeldOut, Vec<f64>), ModelError> {
            let threshold = Calibration::new(&predictors[..good.len()])?.threshold(false_alarm)?.value;
            let called = |of: &[f64]| of.iter().filter(|&&p| p > threshold).count();
            let losses = losses(predictors, &rows);
            let detected = called(&predictors[good.len()..]);
            let false_alarms = called(&predictors[..good.len()]);
            Ok((HeldOut { log_loss: mean(&losses), detected, false_alarms }, losses))
        };
        let (one_class, before) =
            judge(&held_out(&alone, folds, |learned| Additive::fit(learned, ALPHAS[0]))?)?;
        // Whoever judges a part has not chosen the strength by it either.
        let fit = |learned: &[Row<'_>]| Additive::fit(learned, strength(learned, folds)?);
        let predictors = held_out(&rows, folds, fit)?;
        let (second, after) = judge(&predictors)?;
        let gains: Vec<f64> = before.iter().zip(&after).map(|(b, a)| b - a).collect();
        let error = Calibration::new(&gains)?.deviation / (gains.len() as f64).sqrt();
        let gain = (mean(&gains), error);
        let right = |h: HeldOut| h.detected + good.len() - h.false_alarms;
        let adopted = gain.0 > SURE * gain.1 && right(second) >= right(one_class);
        let comparison =
            Comparison { parts: (good.len(), defective.len()), one_class, second, gain, adopted };

        let calibration = Calibration::new(&predictors[..good.len()])?;
        let scores = predictors[..good.len()].iter().map(|&p| calibration.standardize(p)).collect();
        Ok((Self { appearance, rule: fit(&rows)?, calibration }, comparison, scores))
    }

    /// The score of a part: about standard normal for good parts.
    pub(super) fn score(&self, one_class: f64, views: &[View], z: &[Map], part: &Planes) -> f64 {
        let features = features(one_class, views, z, part, &self.appearance);
        self.calibration.standardize(self.rule.predictor(&features))
    }

    /// Whether a second stage from a file makes sense for parts of this size.
    pub(super) fn validate(
        &self,
        views: &[View],
        channels: usize,
        size: (usize, usize),
    ) -> Result<(), LinalgError> {
        self.appearance.validate(channels, size)?;
        let of = |v: &View| if v.is_line() { 1 } else { QUANTILES.len() + TOPS.len() + FIELDS * FIELDS };
        self.rule.validate(1 + views.iter().map(of).sum::<usize>() + appearance::count(channels))?;
        self.calibration.validate()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_cover_a_map_of_any_size() {
        let map = |rows: usize, cols: usize| {
            let values = (0..rows * cols).map(|k| k as f32).collect();
            largest_of_fields(&Map { rows, cols, values })
        };
        let large = map(8, 8);
        assert_eq!((large[0], large[3], large[15]), (9.0, 15.0, 63.0));
        assert_eq!(map(1, 1), [0.0; 16]);
        assert_eq!(map(9, 2).iter().copied().fold(f64::MIN, f64::max), 17.0);
    }
}
