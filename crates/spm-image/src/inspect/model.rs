//! Judging parts.

use spm_linalg::{LinalgError, check};
use spm_models::oneclass::SparseNovelty;

use super::calibration::{Calibration, Pooled, Threshold, pool};
use super::regions::{Region, regions};
use super::second_stage::{Comparison, SecondStage};
use super::zscore::PlaceStats;
use super::{AnyDetector, Detector, Lattice, Map, Planes, Preparation, Registration, Scope, View};
use crate::{Gray, ImageError, par};

/// A detector with its calibration.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Expert {
    /// What it sees.
    pub view: View,
    /// The detector.
    pub detector: AnyDetector,
    pub(super) stats: PlaceStats,
    /// Of its scores.
    pub score: Calibration,
    /// Of the medians of its z maps.
    pub level: Calibration,
}

/// What good parts look like; made by [`super::Inspector::train`].
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct InspectionModel {
    pub(super) preparation: Preparation,
    pub(super) size: (usize, usize),
    pub(super) top: f64,
    pub(super) false_alarm: f64,
    pub(super) reach: usize,
    pub(super) template: Option<Vec<f32>>,
    pub(super) experts: Vec<Expert>,
    pub(super) dictionary: SparseNovelty<f32>,
    pub(super) score: Calibration,
    pub(super) peak: Calibration,
    pub(super) evidence: Option<(f64, f64)>,
    pub(super) good_scores: Vec<f64>,
    pub(super) second: Option<SecondStage>,
    pub(super) comparison: Option<Comparison>,
}

/// What is found on a part.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Finding {
    /// How strange the part is: about standard normal for good parts.
    pub score: f64,
    /// The chance that a good part is as strange.
    pub p_value: f64,
    /// Whether the score exceeds the threshold of the model.
    pub defective: bool,
    /// By how many standard deviations the whole map is raised beyond what good parts do.
    pub raised: f64,
    /// Whether that is so much that the part looks like nothing in the training images; the decision means little then.
    pub unseen_look: bool,
    /// By how much the part was moved, in reduced values.
    pub shift: (isize, isize),
    /// The z map of each expert.
    pub z: Vec<Map>,
}

/// Where a part is strange.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Localization {
    /// Mean z of the patches over each reduced value.
    pub z: Gray<f32>,
    /// z from which a region counts: good parts have none with the chance of a false alarm.
    pub level: f32,
    /// Regions above the level, strangest first, in pixels of the image.
    pub regions: Vec<Region>,
}

/// A part laid over those learned from, and by how much it was moved.
pub(super) type Laid = (Planes, (isize, isize));

/// A map raised by more than this many standard deviations is of a look never seen.
const UNSEEN: f64 = 4.0;

impl InspectionModel {
    /// How images are made ready.
    #[must_use]
    pub fn preparation(&self) -> Preparation {
        self.preparation
    }

    /// The experts.
    #[must_use]
    pub fn experts(&self) -> &[Expert] {
        &self.experts
    }

    /// What each expert sees.
    pub(super) fn views(&self) -> Vec<View> {
        self.experts.iter().map(|e| e.view).collect()
    }

    /// The places of patches.
    #[must_use]
    pub fn lattice(&self) -> Lattice {
        self.experts[0].detector.lattice()
    }

    /// Whether places have models of their own.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.experts[0].detector.scope()
    }

    /// The mean log density of unseen good patches by a model a place and by one for all, if they were compared.
    #[must_use]
    pub fn evidence(&self) -> Option<(f64, f64)> {
        self.evidence
    }

    /// The scores of the good parts by detectors that had not seen them.
    #[must_use]
    pub fn good_scores(&self) -> &[f64] {
        &self.good_scores
    }

    /// How the second stage compares with the score learned from good parts alone, if defective parts were given.
    #[must_use]
    pub fn comparison(&self) -> Option<Comparison> {
        self.comparison
    }

    /// The calibration of scores.
    #[must_use]
    pub fn calibration(&self) -> Calibration {
        self.score
    }

    /// The threshold in use.
    ///
    /// # Panics
    /// Never: the rate was checked.
    #[must_use]
    pub fn threshold(&self) -> Threshold {
        self.score.threshold(self.false_alarm).expect("the rate was checked")
    }

    /// The model with the threshold for another rate of false alarms.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `0 < false_alarm < 1`.
    pub fn with_false_alarm(mut self, false_alarm: f64) -> Result<Self, LinalgError> {
        self.score.threshold(false_alarm)?;
        self.false_alarm = false_alarm;
        Ok(self)
    }

    /// Whether the model can judge a part.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn accepts(&self, part: &Planes) -> Result<(), ImageError> {
        check::len("channels of the image", self.preparation.channels, part.channels())?;
        if self.scope() == Scope::Position || self.template.is_some() {
            crate::error::same_size(self.size, part.size())?;
        }
        self.lattice().grid(part.size()).map(|_| ())
    }

    /// Judges parts, made ready by [`preparation`](Self::preparation). Each is judged for itself; together they are faster.
    ///
    /// # Errors
    /// [`ImageError::SizeMismatch`] for a part of another size than those learned from, if places have models of their own or parts
    /// are registered; [`ImageError::TooSmall`] if no patch fits.
    pub fn score(&self, parts: &[Planes]) -> Result<Vec<Finding>, ImageError> {
        self.judge(self.aligned(parts)?)
    }

    /// What is found on parts that were laid over those learned from.
    pub(super) fn judge(&self, laid: Vec<Laid>) -> Result<Vec<Finding>, ImageError> {
        let (parts, shifts): (Vec<Planes>, Vec<_>) = laid.into_iter().unzip();
        let mut z: Vec<Vec<Map>> = vec![Vec::new(); parts.len()];
        let mut pools: Vec<Vec<Pooled>> = vec![Vec::new(); parts.len()];
        let views = self.views();
        let mut seen = seen(&views, &parts, self.lattice().patch);
        for (expert, seen) in self.experts.iter().zip(&mut seen) {
            let judged = par::map(expert.detector.maps(&core::mem::take(seen))?, |map| {
                let z = expert.stats.z(&map);
                let pooled = pool(&z, self.top);
                (z, pooled)
            });
            for (i, (map, pooled)) in judged.into_iter().enumerate() {
                z[i].push(map);
                pools[i].push(pooled);
            }
        }
        let threshold = self.threshold().value;
        let judged = z.into_iter().zip(pools).zip(parts.into_iter().zip(shifts)).collect();
        let found = par::map(judged, |((z, pools), (part, shift))| {
            let mut score = combined(&self.experts, |e| pools[e].score);
            if let Some(second) = &self.second {
                score = second.score(score, &views, &z, &part);
            }
            let surface = self.experts.iter().zip(&pools).filter(|(e, _)| !e.view.is_line());
            let raised = surface.map(|(e, p)| e.level.standardize(p.median)).fold(f64::INFINITY, f64::min);
            Finding {
                score,
                p_value: self.score.p_value(score),
                defective: score > threshold,
                raised,
                unseen_look: raised > UNSEEN,
                shift,
                z,
            }
        });
        Ok(found)
    }

    /// Parts laid over those learned from, and by how much each was moved.
    pub(super) fn aligned(&self, parts: &[Planes]) -> Result<Vec<Laid>, ImageError> {
        let registration = match &self.template {
            Some(data) => {
                let template =
                    Planes::new(self.preparation.channels, self.size.0, self.size.1, data.clone())?;
                Some(Registration::new(&template, self.reach))
            }
            None => None,
        };
        par::map(parts.iter().collect(), |p: &Planes| {
            registration.as_ref().map_or_else(|| Ok((p.clone(), (0, 0))), |r| r.align(p))
        })
        .into_iter()
        .collect()
    }

    /// Where the part that a finding is of is strange. `image` is the size of the image.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if the finding is not of such an image.
    pub fn localize(&self, finding: &Finding, image: (usize, usize)) -> Result<Localization, ImageError> {
        let block = self.preparation.block;
        let size = (image.0 / block, image.1 / block);
        let values = spread(&self.views(), &finding.z, self.lattice(), size)?;
        let level = self.peak.threshold(self.false_alarm)?.value as f32;
        let origin = self.preparation.origin(image);
        let found = regions(&values, size.0, size.1, level);
        let regions = found.into_iter().map(|r| r.scaled(block, origin)).collect();
        Ok(Localization { z: Gray::new(size.0, size.1, values)?, level, regions })
    }

    /// Whether a model from a file makes sense.
    ///
    /// # Errors
    /// [`ImageError`] naming what is wrong.
    pub fn validate(&self) -> Result<(), ImageError> {
        let p = self.preparation;
        check::non_empty("image", p.size.0.min(p.size.1).min(p.channels).min(p.block))?;
        check::non_empty("experts", self.experts.len())?;
        if self.experts[0].view.is_line() {
            return Err(LinalgError::Empty { what: "experts that see patches" }.into());
        }
        let lattice = self.lattice();
        let scope = self.scope();
        for expert in &self.experts {
            let (seen, own) = expert.view.lattice(self.size, lattice);
            expert.detector.validate(seen)?;
            if expert.detector.lattice() != own || expert.detector.scope() != scope {
                return Err(LinalgError::Shape { what: "lattices of experts", expected: 1, got: 2 }.into());
            }
            expert.stats.validate(own.grid(seen)?.len())?;
            expert.score.validate()?;
            expert.level.validate()?;
        }
        if let Some(second) = &self.second {
            second.validate(&self.views(), p.channels, self.size)?;
        }
        check::len("channels of patches", p.channels, lattice.channels)?;
        self.dictionary.validate()?;
        check::len("values of an atom", lattice.dim(), self.dictionary.dictionary().dim())?;
        self.score.validate()?;
        self.peak.validate()?;
        self.score.threshold(self.false_alarm)?;
        if !(self.top > 0.0 && self.top <= 1.0) {
            let (name, expected) = ("top", "in (0, 1]");
            return Err(LinalgError::InvalidParam { name, expected, got: self.top }.into());
        }
        check::finite("scores of good parts", &self.good_scores)?;
        if let Some(data) = &self.template {
            Planes::new(p.channels, self.size.0, self.size.1, data.clone())?;
        }
        Ok(())
    }
}

/// What each view sees of all parts.
pub(super) fn seen(views: &[View], parts: &[Planes], patch: usize) -> Vec<Vec<Planes>> {
    let mut out = vec![Vec::with_capacity(parts.len()); views.len()];
    for part in par::map(parts.iter().collect(), |p| View::all(views, p, patch)) {
        out.iter_mut().zip(part).for_each(|(all, planes)| all.push(planes));
    }
    out
}

/// What the score of an expert of whole lines gives away: lines decide only where they are all but certain, so that their look,
/// which varies more from part to part than what is local, costs next to no false alarms.
const LINES: f64 = 2.5;

/// The mean of the standardised scores of the experts that see patches, or that of an expert that sees lines, less
/// [`LINES`], if it is larger.
pub(super) fn combined(experts: &[Expert], score: impl Fn(usize) -> f64) -> f64 {
    let (mut sum, mut count, mut line) = (0.0, 0.0, f64::NEG_INFINITY);
    for (k, expert) in experts.iter().enumerate() {
        let own = expert.score.standardize(score(k));
        if expert.view.is_line() {
            line = line.max(own - LINES);
        } else {
            (sum, count) = (sum + own, count + 1.0);
        }
    }
    line.max(sum / count)
}

/// How strange every value of a part is: the mean over the patches that cover it and the experts that see patches, or over the
/// runs of medians that cover its row or its column, less [`LINES`], if that is more.
///
/// Values between patches get that of the nearest patch above and left of them.
pub(super) fn spread(
    views: &[View],
    z: &[Map],
    lattice: Lattice,
    size: (usize, usize),
) -> Result<Vec<f32>, ImageError> {
    let mut surface = vec![0.0_f32; size.0 * size.1];
    let count = views.iter().filter(|v| !v.is_line()).count() as f32;
    for (_, map) in views.iter().zip(z).filter(|(v, _)| !v.is_line()) {
        let own = cover(map, lattice, size, (lattice.patch, lattice.patch))?;
        surface.iter_mut().zip(own).for_each(|(s, v)| *s += v / count);
    }
    for (view, map) in views.iter().zip(z).filter(|(v, _)| v.is_line()) {
        let (seen, own) = view.lattice(size, lattice);
        let n = if *view == View::Rows { size.0 } else { size.1 };
        let line = cover(map, own, (n, 1), (n + 1 - seen.0, 1))?;
        for (k, s) in surface.iter_mut().enumerate() {
            *s = s.max(line[if *view == View::Rows { k / size.1 } else { k % size.1 }] - LINES as f32);
        }
    }
    Ok(surface)
}

/// The mean over the places that cover each value of planes of `size`, where a place covers `patch` values down and across.
fn cover(
    map: &Map,
    lattice: Lattice,
    size: (usize, usize),
    patch: (usize, usize),
) -> Result<Vec<f32>, ImageError> {
    let grid = lattice.grid((size.0 + lattice.patch - patch.0, size.1 + lattice.patch - patch.1))?;
    check::len("places of the map", grid.len(), map.values.len())?;
    let (mut sum, mut count) = (vec![0.0_f32; size.0 * size.1], vec![0.0_f32; size.0 * size.1]);
    let (down, across) = (patch.0.max(lattice.stride), patch.1.max(lattice.stride));
    for (q, &v) in map.values.iter().enumerate() {
        let (top, left) = grid.corner(q);
        for i in top..(top + down).min(size.0) {
            for k in i * size.1 + left..i * size.1 + (left + across).min(size.1) {
                sum[k] += v;
                count[k] += 1.0;
            }
        }
    }
    Ok(sum.into_iter().zip(count).map(|(s, n)| if n > 0.0 { s / n } else { 0.0 }).collect())
}

#[cfg(feature = "serde")]
impl spm_models::file::Model for InspectionModel {
    // 21 was the layout with whitenings in single precision.
    const KIND: u32 = 22;
    const NAME: &'static str = "inspection";
    const SCALAR_BYTES: usize = size_of::<f32>();

    fn shapes(&self) -> Vec<spm_models::file::Shape> {
        use spm_models::file::Shape;
        let lattice = self.lattice();
        let models = |d: &AnyDetector| match d {
            AnyDetector::Gaussian(d) => d.models().len(),
            AnyDetector::Sparse(d) => d.models().len(),
        };
        vec![
            Shape::new(
                "image",
                &[self.preparation.size.0, self.preparation.size.1, self.preparation.channels],
            ),
            Shape::new("patch", &[lattice.patch, lattice.patch, lattice.channels]),
            Shape::new("models", &self.experts.iter().map(|e| models(&e.detector)).collect::<Vec<_>>()),
            Shape::new("good parts", &[self.good_scores.len()]),
        ]
    }

    fn validate(&self) -> Result<(), spm_models::ModelError> {
        Self::validate(self).map_err(|e| match e {
            ImageError::Model(e) => e,
            ImageError::Linalg(e) => e.into(),
            _ => LinalgError::InvalidParam {
                name: "inspection model",
                expected: "patches that fit the image",
                got: self.lattice().patch as f64,
            }
            .into(),
        })
    }
}
