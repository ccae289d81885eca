//! Detectors: from planes to a map of how strange every place is.

use core::fmt::Debug;

use spm_linalg::{LinalgError, check};
use spm_models::oneclass::{Gaussian, Novelty, OneClass, SparseNovelty};

use super::Planes;
use crate::{Border, ImageError, PatchGrid, par};

/// Deviations at the places of a grid, row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Map {
    /// Rows of the grid.
    pub rows: usize,
    /// Columns of the grid.
    pub cols: usize,
    /// One deviation a place.
    pub values: Vec<f32>,
}

/// Says of every place of an image how far it is from what good parts look like.
///
/// Deviations are on a log scale of no particular unit; [`super::Inspector`] calibrates them on good parts that the detector
/// has not seen.
pub trait Detector: Debug + Send + Sync {
    /// The map of each part, in order. Parts are independent: the map of one does not depend on the others.
    ///
    /// # Errors
    /// [`ImageError`] for a part of a size or number of channels that the detector does not take.
    fn maps(&self, parts: &[Planes]) -> Result<Vec<Map>, ImageError>;
}

/// Where a model holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Scope {
    /// Each place has a model of its own: for parts that lie alike in all images.
    Position,
    /// One model for all places: for textures.
    Anywhere,
}

/// The places of patches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Lattice {
    /// Channels of the planes.
    pub channels: usize,
    /// Side of a patch.
    pub patch: usize,
    /// Distance of patches.
    pub stride: usize,
}

impl Lattice {
    /// Values of a patch.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.channels * self.patch * self.patch
    }

    /// The patches of planes of this size.
    ///
    /// # Errors
    /// [`ImageError::TooSmall`] if no patch fits.
    pub fn grid(&self, size: (usize, usize)) -> Result<PatchGrid<1>, ImageError> {
        PatchGrid::new(size, (self.patch, self.patch), (self.stride, self.stride), Border::Cover)
    }
}

/// A [`Novelty`] for the patch at every place of a lattice, or one for all places.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PatchDetector<M> {
    pub(super) lattice: Lattice,
    pub(super) scope: Scope,
    /// Height and width of the planes it learned from.
    pub(super) size: (usize, usize),
    /// One a place, or one.
    pub(super) models: Vec<M>,
}

/// Patches whose deviations are computed together.
const BLOCK: usize = 256;

impl<M> PatchDetector<M> {
    /// The model of each place, or the one of all.
    #[must_use]
    pub fn models(&self) -> &[M] {
        &self.models
    }

    /// Whether places have models of their own.
    #[must_use]
    pub fn scope(&self) -> Scope {
        self.scope
    }

    fn check(&self, part: &Planes) -> Result<PatchGrid<1>, ImageError> {
        check::len("channels of the image", self.lattice.channels, part.channels())?;
        if self.scope == Scope::Position {
            crate::error::same_size(self.size, part.size())?;
        }
        self.lattice.grid(part.size())
    }
}

impl<M: Novelty<f32>> Detector for PatchDetector<M> {
    fn maps(&self, parts: &[Planes]) -> Result<Vec<Map>, ImageError> {
        let grids: Vec<PatchGrid<1>> = parts.iter().map(|p| self.check(p)).collect::<Result<_, _>>()?;
        let dim = self.lattice.dim();
        let mut maps: Vec<Map> = grids
            .iter()
            .map(|g| Map { rows: g.counts().0, cols: g.counts().1, values: vec![0.0; g.len()] })
            .collect();
        match self.scope {
            Scope::Position => {
                let columns = par::map((0..self.models.len()).collect(), |q| {
                    let mut patches = vec![0.0; dim * parts.len()];
                    for (part, out) in parts.iter().zip(patches.chunks_exact_mut(dim)) {
                        part.gather(grids[0].corner(q), self.lattice.patch, out);
                    }
                    let mut out = vec![0.0; parts.len()];
                    self.models[q].deviations_into(&patches, &mut out).map(|()| out)
                });
                for (q, column) in columns.into_iter().enumerate() {
                    for (map, v) in maps.iter_mut().zip(column?) {
                        map.values[q] = v;
                    }
                }
            }
            Scope::Anywhere => {
                let tasks: Vec<(usize, core::ops::Range<usize>)> = grids
                    .iter()
                    .enumerate()
                    .flat_map(|(i, g)| g.blocks(BLOCK).map(move |r| (i, r)))
                    .collect();
                let found = par::map(tasks.clone(), |(i, range)| {
                    let mut patches = vec![0.0; dim * range.len()];
                    for (q, out) in range.clone().zip(patches.chunks_exact_mut(dim)) {
                        parts[i].gather(grids[i].corner(q), self.lattice.patch, out);
                    }
                    let mut out = vec![0.0; range.len()];
                    self.models[0].deviations_into(&patches, &mut out).map(|()| out)
                });
                for ((i, range), values) in tasks.into_iter().zip(found) {
                    maps[i].values[range].copy_from_slice(&values?);
                }
            }
        }
        Ok(maps)
    }
}

/// What [`cross_fit`] finds.
#[derive(Debug, Clone)]
pub(super) struct CrossFit<M> {
    /// Learned from all parts.
    pub(super) detector: PatchDetector<M>,
    /// The map of every part by a detector that has not seen it.
    pub(super) unseen: Vec<Map>,
    /// The mean log density a patch of the parts not seen, where the models are densities.
    pub(super) evidence: Option<f64>,
}

/// How patches are drawn from parts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampling {
    pub(super) lattice: Lattice,
    pub(super) scope: Scope,
    /// Patches are also taken from up to this many pixels beside their place.
    pub(super) jitter: usize,
    /// Parts are dealt into this many folds.
    pub(super) folds: usize,
}

/// At most this many patches teach one model of all places.
const MOST: usize = 20_000;

/// Learns from all parts, and once more without each fold of them to see how parts look that a detector has not learned from.
///
/// All parts have one size. `progress` hears of shares of the work done.
pub(super) fn cross_fit<L: OneClass<f32>>(
    learner: &L,
    parts: &[Planes],
    how: &Sampling,
    progress: &mut dyn FnMut(f64),
) -> Result<CrossFit<L::Model>, ImageError> {
    let size = parts.first().ok_or(LinalgError::Empty { what: "good parts" })?.size();
    let grid = how.lattice.grid(size)?;
    let mut unseen = vec![
        Map { rows: grid.counts().0, cols: grid.counts().1, values: vec![0.0; grid.len()] };
        parts.len()
    ];
    let mut models = Vec::new();
    let mut evidence = Some(0.0);
    let mut total = |density: Option<f64>| evidence = evidence.zip(density).map(|(a, b)| a + b);
    match how.scope {
        Scope::Position => {
            for range in grid.blocks(CHUNK) {
                let end = range.end;
                let fitted = par::map(range.clone().collect(), |q| place(learner, parts, how, &grid, q));
                for (q, result) in range.zip(fitted) {
                    let (model, values, density) = result?;
                    models.push(model);
                    unseen.iter_mut().zip(values).for_each(|(map, v)| map.values[q] = v);
                    total(density);
                }
                progress(end as f64 / grid.len() as f64);
            }
        }
        Scope::Anywhere => {
            let fits = par::map((0..=how.folds).collect(), |fold| {
                let learned: Vec<usize> = (0..parts.len()).filter(|i| i % how.folds != fold).collect();
                let all = learned.len() * grid.len();
                let kept = all.min(MOST);
                let mut patches = vec![0.0; how.lattice.dim() * kept];
                for (k, out) in patches.chunks_exact_mut(how.lattice.dim()).enumerate() {
                    let n = k * all / kept;
                    parts[learned[n / grid.len()]].gather(
                        grid.corner(n % grid.len()),
                        how.lattice.patch,
                        out,
                    );
                }
                learner.fit(&patches, how.lattice.dim())
            });
            for (fold, model) in fits.into_iter().enumerate() {
                let model = model?;
                if fold == how.folds {
                    models.push(model);
                    break;
                }
                let detector =
                    PatchDetector { lattice: how.lattice, scope: how.scope, size, models: vec![model] };
                let held: Vec<usize> = (fold..parts.len()).step_by(how.folds).collect();
                let planes: Vec<Planes> = held.iter().map(|&i| parts[i].clone()).collect();
                for (i, map) in held.into_iter().zip(detector.maps(&planes)?) {
                    for &v in &map.values {
                        total(detector.models[0].log_density(v).map(f64::from));
                    }
                    unseen[i] = map;
                }
                progress((fold + 1) as f64 / how.folds as f64);
            }
        }
    }
    let detector = PatchDetector { lattice: how.lattice, scope: how.scope, size, models };
    let evidence = evidence.map(|v| v / (parts.len() * grid.len()) as f64);
    Ok(CrossFit { detector, unseen, evidence })
}

/// Places fitted between two words to the observer.
const CHUNK: usize = 64;

/// The model of place `q`, the deviation of every part by models that have not seen it, and the sum of their log densities.
#[allow(clippy::type_complexity)]
fn place<L: OneClass<f32>>(
    learner: &L,
    parts: &[Planes],
    how: &Sampling,
    grid: &PatchGrid<1>,
    q: usize,
) -> Result<(L::Model, Vec<f32>, Option<f64>), ImageError> {
    let (dim, patch) = (how.lattice.dim(), how.lattice.patch);
    let (corner, (height, width)) = (grid.corner(q), grid.image_size());
    let j = how.jitter as isize;
    let shifts: Vec<(usize, usize)> = (-j..=j)
        .flat_map(|a| (-j..=j).map(move |b| (a, b)))
        .map(|(a, b)| {
            (
                corner.0.saturating_add_signed(a).min(height - patch),
                corner.1.saturating_add_signed(b).min(width - patch),
            )
        })
        .collect();
    // The samples of fold after fold, so that all but one fold are two runs.
    let order: Vec<usize> = (0..how.folds).flat_map(|f| (f..parts.len()).step_by(how.folds)).collect();
    let mut samples = vec![0.0; dim * shifts.len() * parts.len()];
    for (out, (&i, &shift)) in
        samples.chunks_exact_mut(dim).zip(order.iter().flat_map(|i| shifts.iter().map(move |s| (i, s))))
    {
        parts[i].gather(shift, patch, out);
    }
    let mut values = vec![0.0; parts.len()];
    let mut evidence = Some(0.0);
    let mut rest = Vec::with_capacity(samples.len());
    let mut first = 0;
    for fold in 0..how.folds {
        let held: Vec<usize> = (fold..parts.len()).step_by(how.folds).collect();
        let block = dim * shifts.len();
        let (start, end) = (first * block, (first + held.len()) * block);
        first += held.len();
        rest.clear();
        rest.extend_from_slice(&samples[..start]);
        rest.extend_from_slice(&samples[end..]);
        let model = learner.fit(&rest, dim)?;
        let mut patches = vec![0.0; dim * held.len()];
        for (out, &i) in patches.chunks_exact_mut(dim).zip(&held) {
            parts[i].gather(corner, patch, out);
        }
        let mut out = vec![0.0; held.len()];
        model.deviations_into(&patches, &mut out)?;
        for (&i, &v) in held.iter().zip(&out) {
            values[i] = v;
            evidence = evidence.zip(model.log_density(v)).map(|(a, b)| a + f64::from(b));
        }
    }
    Ok((learner.fit(&samples, dim)?, values, evidence))
}

/// A detector that can be saved.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum AnyDetector {
    /// A Gaussian for every place, or one for all.
    Gaussian(PatchDetector<Gaussian<f32>>),
    /// A dictionary for every place, or one for all.
    Sparse(PatchDetector<SparseNovelty<f32>>),
}

impl Detector for AnyDetector {
    fn maps(&self, parts: &[Planes]) -> Result<Vec<Map>, ImageError> {
        match self {
            Self::Gaussian(d) => d.maps(parts),
            Self::Sparse(d) => d.maps(parts),
        }
    }
}

impl AnyDetector {
    /// Whether places have models of their own.
    #[must_use]
    pub fn scope(&self) -> Scope {
        match self {
            Self::Gaussian(d) => d.scope,
            Self::Sparse(d) => d.scope,
        }
    }

    /// The places of its patches.
    #[must_use]
    pub fn lattice(&self) -> Lattice {
        match self {
            Self::Gaussian(d) => d.lattice,
            Self::Sparse(d) => d.lattice,
        }
    }

    /// Whether a detector from a file makes sense.
    pub(super) fn validate(&self, size: (usize, usize)) -> Result<(), ImageError> {
        let lattice = self.lattice();
        check::non_empty("lattice", lattice.channels.min(lattice.patch).min(lattice.stride))?;
        let places = lattice.grid(size)?.len();
        let expected = if self.scope() == Scope::Position { places } else { 1 };
        let (count, of_size, dims): (usize, _, Vec<usize>) = match self {
            Self::Gaussian(d) => {
                d.models.iter().try_for_each(Gaussian::validate)?;
                (d.models.len(), d.size, d.models.iter().map(Novelty::dim).collect())
            }
            Self::Sparse(d) => {
                d.models.iter().try_for_each(SparseNovelty::validate)?;
                (d.models.len(), d.size, d.models.iter().map(Novelty::dim).collect())
            }
        };
        check::len("models of places", expected, count)?;
        crate::error::same_size(size, of_size)?;
        dims.iter().try_for_each(|&d| check::len("values of a patch", lattice.dim(), d))?;
        Ok(())
    }
}
