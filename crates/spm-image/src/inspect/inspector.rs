//! Learning from good parts.

use spm_linalg::{LinalgError, check};
use spm_models::oneclass::{GaussianLearner, OneClass, Precision, SparseLearner};

use super::appearance::Appearance;
use super::calibration::{Calibration, pool};
use super::detector::{CrossFit, Sampling, cross_fit};
use super::model::{Expert, InspectionModel, combined, seen, spread};
use super::registration::align_all;
use super::second_stage::{self, SecondStage};
use super::zscore::PlaceSums;
use super::{AnyDetector, Lattice, Map, PatchDetector, Planes, Preparation, Scope, View};
use crate::{ImageError, par};

/// What models the patches of a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Method {
    /// A Gaussian: fast, and the most exact on parts that lie alike.
    #[default]
    Gaussian,
    /// A small dictionary.
    Dictionary,
    /// Both, their calibrated scores averaged.
    Combined,
}

/// What detectors see of that which whole rows and columns have in common, such as light.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Light {
    /// It is judged apart: smooth changes that good parts have too are no defects, a row or column unlike its neighbours is.
    #[default]
    Apart,
    /// Nothing: not even a line through the whole part is a defect.
    Ignore,
    /// The planes as they are.
    Keep,
    /// A detector without and one with it, their calibrated scores averaged.
    Both,
}

impl Light {
    /// What experts see; first those that see patches.
    fn views(self) -> &'static [View] {
        match self {
            Self::Apart => &[View::Local, View::Rows, View::Columns],
            Self::Ignore => &[View::Local],
            Self::Keep => &[View::Plain],
            Self::Both => &[View::Local, View::Plain],
        }
    }
}

/// Learns an [`InspectionModel`] from good parts alone.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `method` | [`Method::Gaussian`] | | what models patches |
/// | `light` | [`Light::Apart`] | | what is seen of that which whole rows and columns have in common |
/// | `scope` | `None`: by held-out evidence | | a model a place, or one for all places |
/// | `side` | 150 | `> 0` | about how many values the longer side is reduced to |
/// | `patch` | 8 | `> 0` | side of a patch in reduced values |
/// | `stride` | 4 | `> 0` | distance of patches |
/// | `jitter` | 0 | | patches also from this far beside their place: for parts that do not lie exactly alike |
/// | `reach` | 0: off | | parts are registered, moved by at most this many reduced values |
/// | `shrinkage` | 0.3 | `> 0` | of the Gaussians |
/// | `top` | 0.04 | `(0, 1]` | share of places that make the score |
/// | `false_alarm` | 0.05 | `(0, 1)` | share of good parts that may be called defective |
/// | `folds` | 4 | `>= 2` | folds of the good parts for what was not learned from |
/// | `seed` | 0 | | of the dictionaries |
///
/// The scope is decided by the mean log density that Gaussians of either kind give to patches of parts they have not seen.
///
/// Time: `O(n (d² + d³/n))` a place for `n` parts and `d` values a patch, five times over.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Inspector {
    /// What models the patches of a place.
    pub method: Method,
    /// What detectors see of that which whole rows and columns have in common.
    pub light: Light,
    /// Where a model holds; `None` to let the evidence decide.
    pub scope: Option<Scope>,
    /// About how many values the longer side is reduced to.
    pub side: usize,
    /// Side of a patch.
    pub patch: usize,
    /// Distance of patches.
    pub stride: usize,
    /// How far beside its place a patch may be taken.
    pub jitter: usize,
    /// How far parts may be moved over one another; 0 to leave them where they are.
    pub reach: usize,
    /// Shrinkage of the covariances.
    pub shrinkage: f32,
    /// Share of places that make the score.
    pub top: f64,
    /// Share of good parts that may be called defective.
    pub false_alarm: f64,
    /// Folds of the good parts.
    pub folds: usize,
    /// Seed of the dictionaries.
    pub seed: u64,
}

impl Default for Inspector {
    fn default() -> Self {
        Self {
            method: Method::Gaussian,
            light: Light::Apart,
            scope: None,
            side: 150,
            patch: 8,
            stride: 4,
            jitter: 0,
            reach: 0,
            shrinkage: 0.3,
            top: 0.04,
            false_alarm: 0.05,
            folds: 4,
            seed: 0,
        }
    }
}

/// Atoms of the dictionary that explains parts, and how many make a patch.
const ATOMS: (usize, usize) = (48, 3);

impl Inspector {
    /// How images of `size` and `channels` are made ready.
    ///
    /// # Errors
    /// As [`Preparation::new`].
    pub fn preparation(&self, size: (usize, usize), channels: usize) -> Result<Preparation, ImageError> {
        Ok(Preparation::new(size, channels, self.side)?)
    }

    /// Checks the options.
    ///
    /// # Errors
    /// [`LinalgError`] naming the first that is out of range.
    pub fn validate(&self) -> Result<(), LinalgError> {
        check::non_empty("patch", self.patch)?;
        check::non_empty("stride", self.stride)?;
        check::positive("shrinkage", self.shrinkage)?;
        let range = |name, expected, got: f64, ok: bool| {
            if ok { Ok(()) } else { Err(LinalgError::InvalidParam { name, expected, got }) }
        };
        range("top", "in (0, 1]", self.top, self.top > 0.0 && self.top <= 1.0)?;
        let alarm = self.false_alarm;
        range("false_alarm", "in (0, 1)", alarm, alarm > 0.0 && alarm < 1.0)?;
        range("folds", ">= 2", self.folds as f64, self.folds >= 2)
    }

    /// Learns from good parts of one size, made ready by `preparation`. `progress` hears what is done and which share of it.
    ///
    /// # Errors
    /// A wrong option; fewer than two parts a fold; [`ImageError::SizeMismatch`] if sizes differ; `Shape` if channels do.
    pub fn train(
        &self,
        preparation: Preparation,
        good: &[Planes],
        progress: &mut dyn FnMut(&'static str, f64),
    ) -> Result<InspectionModel, ImageError> {
        self.train_with_defective(preparation, good, &[], progress)
    }

    /// As [`train`](Self::train), with examples of defective parts, at least one a fold, from which a [`SecondStage`] is learned. It
    /// is used only if it does better on parts held out: see [`InspectionModel::comparison`].
    ///
    /// # Errors
    /// As [`train`](Self::train), which needs enough parts without each fold too; too few defective parts, or of another size where
    /// that matters.
    pub fn train_with_defective(
        &self,
        preparation: Preparation,
        good: &[Planes],
        defective: &[Planes],
        progress: &mut dyn FnMut(&'static str, f64),
    ) -> Result<InspectionModel, ImageError> {
        self.validate()?;
        check::len("good parts at least", 2 * self.folds, good.len().min(2 * self.folds))?;
        let size = good[0].size();
        for part in good {
            check::len("channels of the image", preparation.channels, part.channels())?;
            crate::error::same_size(size, part.size())?;
        }
        let (template, aligned) = match self.reach {
            0 => (None, good.to_vec()),
            reach => align_all(good, reach).map(|(t, parts)| (Some(t), parts))?,
        };
        let patch = self.patch.min(size.0).min(size.1);
        let lattice = Lattice { channels: preparation.channels, patch, stride: self.stride };
        let (drafts, evidence) = self.fit(&aligned, lattice, progress)?;
        let views: Vec<View> = drafts.iter().map(|d| d.view).collect();
        let (mut experts, mut pooled) = (Vec::with_capacity(drafts.len()), Vec::with_capacity(drafts.len()));
        let mut z_maps = vec![Vec::with_capacity(drafts.len()); good.len()];
        for draft in drafts {
            let (expert, scores, z) = draft.calibrate(self.top)?;
            experts.push(expert);
            pooled.push(scores);
            z_maps.iter_mut().zip(z).for_each(|(all, m)| all.push(m));
        }
        let scores: Vec<f64> = (0..good.len()).map(|i| combined(&experts, |e| pooled[e][i])).collect();
        let largest = |z: &Vec<Map>| -> Result<f64, ImageError> {
            Ok(spread(&views, z, lattice, size)?.into_iter().map(f64::from).fold(f64::MIN, f64::max))
        };
        let peaks: Vec<f64> =
            par::map(z_maps.iter().collect(), largest).into_iter().collect::<Result<_, _>>()?;
        let explaining = SparseLearner::default().atoms(ATOMS.0, ATOMS.1).seed(self.seed);
        let dictionary = explaining.fit(&draw(&aligned, lattice)?, lattice.dim())?;
        let mut model = InspectionModel {
            preparation,
            size,
            top: self.top,
            false_alarm: self.false_alarm,
            reach: self.reach,
            template: template.map(|t| t.data().to_vec()),
            experts,
            dictionary,
            score: Calibration::new(&scores)?,
            peak: Calibration::new(&peaks)?,
            evidence,
            good_scores: scores,
            second: None,
            comparison: None,
        };
        if !defective.is_empty() {
            let (good, bad) = self.features(&model, good, defective)?;
            let appearance = Appearance::fit(&aligned, model.scope());
            let (second, comparison, scores) =
                SecondStage::fit(&good, &bad, appearance, self.folds, self.false_alarm)?;
            model.comparison = Some(comparison);
            if comparison.adopted {
                model.score = Calibration::new(&scores)?;
                (model.good_scores, model.second) = (scores, Some(second));
            }
        }
        progress("calibrating", 1.0);
        Ok(model)
    }

    /// The features of good and of defective parts, each by a model of the good parts of the other folds, so that neither kind is
    /// better known than the other.
    #[allow(clippy::type_complexity)]
    fn features(
        &self,
        model: &InspectionModel,
        good: &[Planes],
        defective: &[Planes],
    ) -> Result<(Vec<Vec<f64>>, Vec<Vec<f64>>), ImageError> {
        let alike = Self { scope: Some(model.scope()), ..*self };
        let (views, mut out) =
            (model.views(), (vec![Vec::new(); good.len()], vec![Vec::new(); defective.len()]));
        for fold in 0..self.folds {
            let pick = |of: &[Planes], held: bool| -> Vec<Planes> {
                let of_fold = |i: usize| (i % self.folds == fold) == held;
                of.iter().enumerate().filter(|(i, _)| of_fold(*i)).map(|(_, p)| p.clone()).collect()
            };
            let others = pick(good, false);
            let learned = alike.train(model.preparation, &others, &mut |_, _| ())?;
            let laid: Vec<Planes> = learned.aligned(&others)?.into_iter().map(|(part, _)| part).collect();
            let appearance = Appearance::fit(&laid, model.scope());
            for (parts, features) in [(good, &mut out.0), (defective, &mut out.1)] {
                let held = learned.aligned(&pick(parts, true))?;
                for (k, ((part, _), found)) in held.iter().zip(learned.judge(held.clone())?).enumerate() {
                    features[fold + k * self.folds] =
                        second_stage::features(found.score, &views, &found.z, part, &appearance);
                }
            }
        }
        Ok(out)
    }

    /// Detectors for every view, and what was found in favour of a model a place and of one for all places.
    #[allow(clippy::type_complexity)]
    fn fit(
        &self,
        parts: &[Planes],
        lattice: Lattice,
        progress: &mut dyn FnMut(&'static str, f64),
    ) -> Result<(Vec<Draft>, Option<(f64, f64)>), ImageError> {
        let gaussian = GaussianLearner::default().shrinkage(self.shrinkage).precision(Precision::Half);
        let sampling = |view: View, scope| {
            let (_, lattice) = view.lattice(parts[0].size(), lattice);
            let jitter = if view.is_line() { 0 } else { self.jitter };
            Sampling { lattice, scope, jitter, folds: self.folds }
        };
        let mut scope = self.scope.unwrap_or(Scope::Position);
        let mut evidence = None;
        let mut drafts = Vec::new();
        let views = self.light.views();
        for (k, (&view, seen)) in views.iter().zip(seen(views, parts, lattice.patch)).enumerate() {
            let mut normal = |scope| {
                cross_fit(&gaussian, &seen, &sampling(view, scope), &mut |s| progress("learning places", s))
            };
            if k == 0 && self.scope.is_none() {
                // The first view decides on the scope.
                let (position, anywhere) = (normal(Scope::Position)?, normal(Scope::Anywhere)?);
                let density = |fit: &CrossFit<_>| fit.evidence.unwrap_or(f64::NEG_INFINITY);
                let (a, b) = (density(&position), density(&anywhere));
                evidence = Some((a, b));
                scope = if b > a { Scope::Anywhere } else { Scope::Position };
                if self.method != Method::Dictionary {
                    drafts.push(Draft::new(
                        view,
                        if b > a { anywhere } else { position },
                        AnyDetector::Gaussian,
                    ));
                }
            } else if self.method != Method::Dictionary || view.is_line() {
                drafts.push(Draft::new(view, normal(scope)?, AnyDetector::Gaussian));
            }
            if self.method != Method::Gaussian && !view.is_line() {
                let (atoms, k) = if scope == Scope::Position { (24.min(parts.len() / 2), 2) } else { ATOMS };
                let learner = SparseLearner::default().atoms(atoms, k).seed(self.seed);
                let fit = cross_fit(&learner, &seen, &sampling(view, scope), &mut |s| {
                    progress("learning atoms", s)
                })?;
                drafts.push(Draft::new(view, fit, AnyDetector::Sparse));
            }
        }
        Ok((drafts, evidence))
    }
}

/// A detector with the maps of good parts it has not seen.
struct Draft {
    view: View,
    detector: AnyDetector,
    unseen: Vec<Map>,
}

impl Draft {
    fn new<M>(view: View, fit: CrossFit<M>, kind: fn(PatchDetector<M>) -> AnyDetector) -> Self {
        Self { view, detector: kind(fit.detector), unseen: fit.unseen }
    }

    /// The expert, and the scores and z maps of the good parts, each by the statistics of the others.
    fn calibrate(self, top: f64) -> Result<(Expert, Vec<f64>, Vec<Map>), ImageError> {
        let sums = PlaceSums::new(&self.unseen, self.detector.scope() == Scope::Position);
        let z = par::map(self.unseen.iter().collect(), |map| sums.without(map).z(map));
        let pools: Vec<_> = z.iter().map(|m| pool(m, top)).collect();
        let scores: Vec<f64> = pools.iter().map(|p| p.score).collect();
        let medians: Vec<f64> = pools.iter().map(|p| p.median).collect();
        let expert = Expert {
            view: self.view,
            detector: self.detector,
            stats: sums.stats(),
            score: Calibration::new(&scores)?,
            level: Calibration::new(&medians)?,
        };
        Ok((expert, scores, z))
    }
}

/// Patches for the dictionary that explains parts.
const PATCHES: usize = 6000;

/// Patches drawn evenly from all parts.
fn draw(parts: &[Planes], lattice: Lattice) -> Result<Vec<f32>, ImageError> {
    let grid = lattice.grid(parts[0].size())?;
    let all = parts.len() * grid.len();
    let kept = all.min(PATCHES);
    let mut out = vec![0.0; kept * lattice.dim()];
    for (k, patch) in out.chunks_exact_mut(lattice.dim()).enumerate() {
        let n = k * all / kept;
        parts[n / grid.len()].gather(grid.corner(n % grid.len()), lattice.patch, patch);
    }
    Ok(out)
}
