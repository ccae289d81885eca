//! Learning from good parts.

use spm_linalg::{LinalgError, check};
use spm_models::oneclass::{GaussianLearner, OneClass, SparseLearner};

use super::calibration::{Calibration, pool};
use super::detector::{CrossFit, Sampling, cross_fit};
use super::model::{Expert, InspectionModel, combined, spread};
use super::registration::align_all;
use super::zscore::PlaceSums;
use super::{AnyDetector, Lattice, Map, Planes, Preparation, Scope};
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

/// Whether detectors see what whole rows and columns have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Light {
    /// No: changes of light and lines that run through the whole part are no defects.
    #[default]
    Ignore,
    /// Yes: the planes as they are.
    Keep,
    /// A detector of either kind, their calibrated scores averaged.
    Both,
}

/// Learns an [`InspectionModel`] from good parts alone.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `method` | [`Method::Gaussian`] | | what models patches |
/// | `light` | [`Light::Ignore`] | | whether what whole rows and columns have in common is seen |
/// | `scope` | `None`: by held-out evidence | | a model a place, or one for all places |
/// | `side` | 100 | `> 0` | about how many values the longer side is reduced to |
/// | `patch` | 6 | `> 0` | side of a patch in reduced values |
/// | `stride` | 3 | `> 0` | distance of patches |
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
    /// Whether detectors see what whole rows and columns have in common.
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
            light: Light::Ignore,
            scope: None,
            side: 100,
            patch: 6,
            stride: 3,
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
        let sampling = |scope| Sampling { lattice, scope, jitter: self.jitter, folds: self.folds };
        let gaussian = GaussianLearner::default().shrinkage(self.shrinkage);
        let views: &[bool] = match self.light {
            Light::Ignore => &[true],
            Light::Keep => &[false],
            Light::Both => &[true, false],
        };
        let seen: Vec<Vec<Planes>> = views
            .iter()
            .map(|&detrend| {
                let view = |p: &Planes| if detrend { p.detrended() } else { p.clone() };
                par::map(aligned.iter().collect(), view)
            })
            .collect();
        let mut fit = |parts: &[Planes], scope, what| {
            cross_fit(&gaussian, parts, &sampling(scope), &mut |share| progress(what, share))
        };

        // The scope, by the Gaussians of the first view.
        let mut by_scope: Vec<CrossFit<_>> = Vec::new();
        for scope in self.scope.map_or(vec![Scope::Position, Scope::Anywhere], |s| vec![s]) {
            by_scope.push(fit(&seen[0], scope, "learning places")?);
        }
        let evidence = self.scope.is_none().then(|| {
            let density = |k: usize| by_scope[k].evidence.unwrap_or(f64::NEG_INFINITY);
            (density(0), density(1))
        });
        let chosen = evidence.map_or(0, |(position, anywhere)| usize::from(anywhere > position));
        let first = by_scope.swap_remove(chosen);
        let scope = first.detector.scope;

        let mut found: Vec<(bool, AnyDetector, Vec<Map>)> = Vec::new();
        if self.method != Method::Dictionary {
            found.push((views[0], AnyDetector::Gaussian(first.detector), first.unseen));
            for (&detrend, parts) in views.iter().zip(&seen).skip(1) {
                let CrossFit { detector, unseen, .. } = fit(parts, scope, "learning places")?;
                found.push((detrend, AnyDetector::Gaussian(detector), unseen));
            }
        }
        if self.method != Method::Gaussian {
            let (atoms, k) = if scope == Scope::Position { (24.min(good.len() / 2), 2) } else { ATOMS };
            let learner = SparseLearner::default().atoms(atoms, k).seed(self.seed);
            for (&detrend, parts) in views.iter().zip(&seen) {
                let CrossFit { detector, unseen, .. } =
                    cross_fit(&learner, parts, &sampling(scope), &mut |s| progress("learning atoms", s))?;
                found.push((detrend, AnyDetector::Sparse(detector), unseen));
            }
        }

        let mut experts = Vec::with_capacity(found.len());
        let mut pooled = Vec::with_capacity(found.len());
        let mut z_maps = vec![Vec::with_capacity(found.len()); good.len()];
        for (detrend, detector, unseen) in found {
            let sums = PlaceSums::new(&unseen, scope == Scope::Position);
            let z = par::map(unseen.iter().collect(), |map| sums.without(map).z(map));
            let pools: Vec<_> = z.iter().map(|m| pool(m, self.top)).collect();
            let scores: Vec<f64> = pools.iter().map(|p| p.score).collect();
            let medians: Vec<f64> = pools.iter().map(|p| p.median).collect();
            experts.push(Expert {
                detrend,
                detector,
                stats: sums.stats(),
                score: Calibration::new(&scores)?,
                level: Calibration::new(&medians)?,
            });
            pooled.push(scores);
            z_maps.iter_mut().zip(z).for_each(|(all, m)| all.push(m));
        }
        let scores: Vec<f64> = (0..good.len()).map(|i| combined(&experts, |e| pooled[e][i])).collect();
        let peaks: Vec<f64> = z_maps
            .iter()
            .map(|z| Ok(spread(z, lattice, size)?.into_iter().map(f64::from).fold(f64::MIN, f64::max)))
            .collect::<Result<_, ImageError>>()?;
        let explaining = SparseLearner::default().atoms(ATOMS.0, ATOMS.1).seed(self.seed);
        let dictionary = explaining.fit(&draw(&aligned, lattice)?, lattice.dim())?;
        progress("calibrating", 1.0);
        Ok(InspectionModel {
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
        })
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
