//! What a few defective parts add.

use spm_linalg::{LinalgError, check};
use spm_models::{Design, Family, Fit, ModelError, SparseGlm, Xy};

use super::{Calibration, Map, View};

/// A score learned from good and from defective parts, on top of the score learned from good parts alone.
///
/// A part has these features: its score, then of the z map of each expert some quantiles and the means of its top shares, of
/// experts of whole lines only the largest value. The second stage is the linear predictor of an elastic-net logistic regression ([`SparseGlm`]) on standardised features, in
/// which the score is almost free and the others are penalised: with few parts little is added to the score. Its strength is
/// that of the least held-out log loss.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SecondStage {
    rule: Rule,
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
    /// Whether the second stage is used: its log loss is less by more than two standard errors of the difference, and it
    /// decides as many held-out parts rightly.
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
/// Strengths tried.
const ALPHAS: [f64; 6] = [1.0, 0.3, 0.1, 0.03, 0.01, 0.003];
const L1_RATIO: f64 = 0.1;
/// Factor of the penalty of the score.
const ALMOST_FREE: f64 = 1e-3;
/// Relative duality gap of the regressions: decisions need no more.
const TOLERANCE: f64 = 1e-4;

/// The features of a part.
pub(super) fn features(score: f64, views: &[View], z: &[Map]) -> Vec<f64> {
    let mut out = vec![score];
    for (view, map) in views.iter().zip(z) {
        if view.is_line() {
            out.push(f64::from(map.values.iter().copied().fold(f32::MIN, f32::max)));
            continue;
        }
        let mut sorted = map.values.clone();
        sorted.sort_unstable_by(f32::total_cmp);
        let n = sorted.len();
        out.extend(QUANTILES.map(|q| f64::from(sorted[(q * (n - 1) as f64).round() as usize])));
        out.extend(TOPS.map(|t| {
            let top = ((t * n as f64).round() as usize).clamp(1, n);
            sorted[n - top..].iter().map(|&v| f64::from(v)).sum::<f64>() / top as f64
        }));
    }
    out
}

/// A linear predictor.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
struct Rule {
    centre: Vec<f64>,
    weights: Vec<f64>,
    intercept: f64,
}

impl Rule {
    fn fit(rows: &[(&[f64], bool)], alpha: f64) -> Result<Self, ModelError> {
        let (n, p) = (rows.len(), rows[0].0.len());
        let (mut x, mut centre, mut scale) = (Vec::with_capacity(n * p), Vec::new(), Vec::new());
        for j in 0..p {
            let mean = rows.iter().map(|r| r.0[j]).sum::<f64>() / n as f64;
            let variance = rows.iter().map(|r| (r.0[j] - mean).powi(2)).sum::<f64>() / n as f64;
            let spread = if variance > 1e-18 { variance.sqrt() } else { 1.0 };
            x.extend(rows.iter().map(|r| (r.0[j] - mean) / spread));
            centre.push(mean);
            scale.push(spread);
        }
        let y: Vec<f64> = rows.iter().map(|r| f64::from(u8::from(r.1))).collect();
        let mut factors = vec![1.0; p];
        factors[0] = ALMOST_FREE;
        let glm = SparseGlm::new(Family::Logistic, alpha)
            .l1_ratio(L1_RATIO)
            .penalty_weights(factors)
            .tol(TOLERANCE);
        let fitted = glm.fit(Xy::new(Design::dense(&x, n, p)?, &y))?;
        let weights = fitted.coef.iter().zip(&scale).map(|(w, s)| w / s).collect();
        Ok(Self { centre, weights, intercept: fitted.intercept })
    }

    fn predictor(&self, features: &[f64]) -> f64 {
        let terms = features.iter().zip(&self.centre).zip(&self.weights);
        self.intercept + terms.map(|((f, c), w)| (f - c) * w).sum::<f64>()
    }
}

/// The linear predictor of every part by a rule that has not learned from it; parts are dealt into folds.
fn held_out(rows: &[(&[f64], bool)], folds: &[usize], alpha: f64) -> Result<Vec<f64>, ModelError> {
    let mut out = vec![0.0; rows.len()];
    for fold in 0..=folds.iter().copied().max().unwrap_or(0) {
        let learned: Vec<_> = rows.iter().zip(folds).filter(|(_, f)| **f != fold).map(|(r, _)| *r).collect();
        let rule = Rule::fit(&learned, alpha)?;
        for (i, row) in rows.iter().enumerate().filter(|(i, _)| folds[*i] == fold) {
            out[i] = rule.predictor(row.0);
        }
    }
    Ok(out)
}

/// `log(1 + exp p) − y p` of every part.
fn losses(predictors: &[f64], rows: &[(&[f64], bool)]) -> Vec<f64> {
    let loss = |(p, r): (&f64, &(&[f64], bool))| {
        let wrong = if r.1 { -p } else { *p };
        wrong.max(0.0) + (-wrong.abs()).exp().ln_1p()
    };
    predictors.iter().zip(rows).map(loss).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

impl SecondStage {
    /// Learns from the features of good and of defective parts, at least `folds` of either.
    ///
    /// Also returned: how it compares with the one-class score, and the scores of the good parts by rules that have not seen them.
    pub(super) fn fit(
        good: &[Vec<f64>],
        defective: &[Vec<f64>],
        folds: usize,
        false_alarm: f64,
    ) -> Result<(Self, Comparison, Vec<f64>), ModelError> {
        check::len("defective parts at least", folds, defective.len().min(folds))?;
        let label = |of: &'_ [Vec<f64>], bad| of.iter().map(move |f| (f.clone(), bad)).collect::<Vec<_>>();
        let owned = [label(good, false), label(defective, true)].concat();
        let rows: Vec<(&[f64], bool)> = owned.iter().map(|(f, bad)| (f.as_slice(), *bad)).collect();
        let fold: Vec<usize> = (0..good.len()).chain(0..defective.len()).map(|i| i % folds).collect();
        let alone: Vec<(&[f64], bool)> = rows.iter().map(|r| (&r.0[..1], r.1)).collect();

        let judge = |predictors: &[f64]| -> Result<(HeldOut, Vec<f64>), ModelError> {
            let threshold = Calibration::new(&predictors[..good.len()])?.threshold(false_alarm)?.value;
            let called = |of: &[f64]| of.iter().filter(|&&p| p > threshold).count();
            let losses = losses(predictors, &rows);
            let detected = called(&predictors[good.len()..]);
            let false_alarms = called(&predictors[..good.len()]);
            Ok((HeldOut { log_loss: mean(&losses), detected, false_alarms }, losses))
        };
        let (one_class, before) = judge(&held_out(&alone, &fold, ALPHAS[0])?)?;
        let mut best: Option<(f64, HeldOut, Vec<f64>, Vec<f64>)> = None;
        for alpha in ALPHAS {
            let predictors = held_out(&rows, &fold, alpha)?;
            let (found, after) = judge(&predictors)?;
            if best.as_ref().is_none_or(|b| found.log_loss < b.1.log_loss) {
                best = Some((alpha, found, after, predictors));
            }
        }
        let (alpha, second, after, predictors) = best.expect("strengths are tried");
        let gains: Vec<f64> = before.iter().zip(&after).map(|(b, a)| b - a).collect();
        let error = Calibration::new(&gains)?.deviation / (gains.len() as f64).sqrt();
        let right = |h: HeldOut| h.detected + good.len() - h.false_alarms;
        let adopted = mean(&gains) > 2.0 * error && right(second) >= right(one_class);
        let comparison = Comparison { parts: (good.len(), defective.len()), one_class, second, adopted };

        let calibration = Calibration::new(&predictors[..good.len()])?;
        let scores = predictors[..good.len()].iter().map(|&p| calibration.standardize(p)).collect();
        Ok((Self { rule: Rule::fit(&rows, alpha)?, calibration }, comparison, scores))
    }

    /// The score of a part: about standard normal for good parts.
    pub(super) fn score(&self, features: &[f64]) -> f64 {
        self.calibration.standardize(self.rule.predictor(features))
    }

    /// Whether a second stage from a file makes sense.
    pub(super) fn validate(&self, features: usize) -> Result<(), LinalgError> {
        let Rule { centre, weights, intercept } = &self.rule;
        check::len("features", features, centre.len())?;
        check::len("weights of features", features, weights.len())?;
        check::finite("features", centre)?;
        check::finite("weights of features", weights)?;
        check::finite("intercept", &[*intercept])?;
        self.calibration.validate()
    }
}

/// How many features a part has.
pub(super) fn count(views: &[View]) -> usize {
    let of = |v: &View| if v.is_line() { 1 } else { QUANTILES.len() + TOPS.len() };
    1 + views.iter().map(of).sum::<usize>()
}
