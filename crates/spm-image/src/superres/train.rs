//! Training from example images.

use core::ops::ControlFlow;

use spm_linalg::factor::{Cholesky, SelfAdjointEvd};
use spm_linalg::{Dense, LinalgError, Scalar, check, vecops};
use spm_models::dictionary::{Codes, Ksvd, Omp};
use spm_solvers::Status;

use super::features::{Features, PATCH, area, copy_patch};
use super::model::{Predictor, SuperResModel};
use crate::error::at_least;
use crate::learned::from_model;
use crate::resize::Bicubic;
use crate::watch::{Step, Watch, unwatched};
use crate::{Gray, Image, ImageError, par};

/// How a model predicts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SuperResMethod {
    /// Coupled dictionaries: sparse codes of the features reproduce the missing detail (Zeyde, Elad, Protter 2010). Small models.
    Zeyde,
    /// Anchored neighbourhood regression, A+ (Timofte, De Smet, Van Gool 2014): ridge regression around every atom. Better and faster, models
    /// of some megabytes.
    #[default]
    Anchored,
}

/// Trains super-resolution models from images.
///
/// Every image is shrunk and enlarged again by bicubic interpolation, also at some smaller sizes of it. The patches of features
/// `f` (reduced to the principal components that hold 99.9 % of their energy) and of missing detail `h` make the examples; K-SVD learns
/// unit-norm atoms `D` of the features.
///
/// * Zeyde: $\min_{H} \|P - H A\|_F^2$ over the high-resolution atoms `H`, with `P` the details and `A` the codes of their features in `D`.
/// * Anchored: for every atom $\min_R \sum_i \|h_i - R f_i\|^2 + \lambda \|R\|_F^2$ over the `neighbours` examples most correlated with it, each
///   scaled so that its features have unit norm.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `scale` | required | 2, 3, 4 | the factor |
/// | `method` | anchored | | |
/// | `atoms` | 1024 | `>= 1` | at most this many, and a tenth of the examples |
/// | `k` | 3 | `>= 1` | non-zeros of a code |
/// | `max_iter` | 20 | | iterations of K-SVD |
/// | `patches` | 200 000 | `>= 1` | at most this many examples |
/// | `dictionary_patches` | 50 000 | `>= 1` | of which train the dictionary |
/// | `neighbours` | 2048 | `>= 1` | |
/// | `lambda` | 0.1 | `> 0` | |
/// | `back_projections` | 3 | | rounds when the model is used |
/// | `seed` | 0 | | of the first atoms |
///
/// Cost: the matrix of correlations of all atoms with all examples dominates, `patches·atoms·dim`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SuperResTrainer {
    /// The factor.
    pub scale: usize,
    /// How the model predicts.
    pub method: SuperResMethod,
    /// At most this many atoms.
    pub atoms: usize,
    /// Non-zeros of a code.
    pub k: usize,
    /// Iterations of K-SVD.
    pub max_iter: usize,
    /// At most this many examples.
    pub patches: usize,
    /// At most this many examples train the dictionary.
    pub dictionary_patches: usize,
    /// Examples around an atom.
    pub neighbours: usize,
    /// Weight of the ridge.
    pub lambda: f64,
    /// Rounds of back-projection of the model.
    pub back_projections: u32,
    /// Seed of the first atoms.
    pub seed: u64,
}

/// A trained model and what it was trained on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TrainedSuperRes {
    /// The model.
    pub model: SuperResModel,
    /// Examples used.
    pub patches: usize,
    /// `Converged`, or `Interrupted`: the model is that of a dictionary not trained to the end.
    pub status: Status,
}

/// An image interpolated from a smaller one, and the true one.
struct Pair {
    guess: Gray<f32>,
    truth: Gray<f32>,
}

/// Pairs of reduced features and missing detail.
struct Examples {
    dim: usize,
    low: Vec<f32>,
    high: Vec<f32>,
    projection: Vec<f32>,
}

/// The sizes at which an image is used.
const SIZES: [f64; 3] = [1.0, 0.8, 0.64];

impl SuperResTrainer {
    /// Training for a factor with default options.
    #[must_use]
    pub fn new(scale: usize) -> Self {
        Self {
            scale,
            method: SuperResMethod::default(),
            atoms: 1024,
            k: 3,
            max_iter: 20,
            patches: 200_000,
            dictionary_patches: 50_000,
            neighbours: 2048,
            lambda: 0.1,
            back_projections: 3,
            seed: 0,
        }
    }

    /// Sets the method.
    #[must_use]
    pub fn method(mut self, method: SuperResMethod) -> Self {
        self.method = method;
        self
    }

    /// Sets the number of atoms.
    #[must_use]
    pub fn atoms(mut self, atoms: usize) -> Self {
        self.atoms = atoms;
        self
    }

    /// Sets the largest number of examples.
    #[must_use]
    pub fn patches(mut self, patches: usize) -> Self {
        self.patches = patches;
        self
    }

    /// Sets the number of iterations of K-SVD.
    #[must_use]
    pub fn max_iter(mut self, max_iter: usize) -> Self {
        self.max_iter = max_iter;
        self
    }

    /// Sets the seed.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Checks the options.
    ///
    /// # Errors
    /// [`LinalgError`] naming the first that is out of range.
    pub fn validate(&self) -> Result<(), LinalgError> {
        if !(2..=4).contains(&self.scale) {
            let (name, expected) = ("scale", "2, 3 or 4");
            return Err(LinalgError::InvalidParam { name, expected, got: self.scale as f64 });
        }
        for (name, value) in [
            ("atoms", self.atoms),
            ("k", self.k),
            ("patches", self.patches),
            ("dictionary_patches", self.dictionary_patches),
            ("neighbours", self.neighbours),
        ] {
            at_least(name, "at least 1", 1, value)?;
        }
        check::positive("lambda", self.lambda)
    }

    /// Trains on grey images.
    ///
    /// # Errors
    /// As [`validate`](Self::validate); [`LinalgError::InvalidParam`] if the images have fewer than ten patches with any detail.
    pub fn train<T: Scalar>(&self, images: &[Gray<T>]) -> Result<TrainedSuperRes, ImageError> {
        self.train_watched(images, &mut unwatched())
    }

    /// As [`train`](Self::train); `watch` is called after every iteration of K-SVD and every block of regressors.
    ///
    /// # Errors
    /// As [`train`](Self::train).
    pub fn train_watched<T: Scalar>(
        &self,
        images: &[Gray<T>],
        watch: &mut Watch<'_>,
    ) -> Result<TrainedSuperRes, ImageError> {
        self.validate()?;
        let examples = self.examples(images)?;
        let dim = examples.dim;
        let n = examples.low.len() / dim;
        at_least("training patches with detail", "at least 10", 10, n)?;
        let used = n.min(self.dictionary_patches);
        // Every step-th example, spread over all images.
        let chosen = |data: &[f32], dim: usize| -> Vec<f32> {
            (0..used).flat_map(|q| data[q * n / used * dim..][..dim].iter().copied()).collect()
        };
        let signals = chosen(&examples.low, dim);
        let ksvd = Ksvd::new(self.atoms.min(used.div_ceil(10)), Omp::with_k(self.k))
            .max_iter(self.max_iter)
            .seed(self.seed);
        let total = self.max_iter;
        let mut observer = |p: &spm_solvers::Progress<f32>, _: &[f32]| -> ControlFlow<()> {
            watch(Step { what: "dictionary", done: p.iter, total })
        };
        let fitted = ksvd.fit_observed(&signals, dim, &mut observer).map_err(from_model)?;
        let status =
            if fitted.report.status == Status::Interrupted { Status::Interrupted } else { Status::Converged };
        let atoms = fitted.dictionary.into_atoms();
        let predictor = match self.method {
            SuperResMethod::Zeyde => {
                let high =
                    couple(&fitted.codes, &chosen(&examples.high, area(self.scale)), area(self.scale))?;
                Predictor::Zeyde { high, k: self.k as u32 }
            }
            SuperResMethod::Anchored => Predictor::Anchored {
                regressors: self.regressors(examples.normalised(self.scale), &atoms, watch)?,
            },
        };
        let model = SuperResModel {
            scale: self.scale as u32,
            dim: dim as u32,
            projection: examples.projection,
            atoms,
            predictor,
            back_projections: self.back_projections,
        };
        model.validate().map_err(from_model)?;
        Ok(TrainedSuperRes { model, patches: n, status })
    }

    /// All pairs of images, interpolated and true.
    fn pairs<T: Scalar>(&self, images: &[Gray<T>]) -> Result<Vec<Pair>, ImageError> {
        let bicubic = Bicubic::new();
        let least = PATCH * self.scale;
        let mut pairs = Vec::new();
        for image in images {
            let data = image.data().iter().map(|v| v.as_f64() as f32).collect();
            let full = Gray::<f32>::new(image.height(), image.width(), data)?;
            for size in SIZES {
                let side = |n: usize| (n as f64 * size) as usize / self.scale * self.scale;
                let (h, w) = (side(image.height()), side(image.width()));
                if h < least || w < least {
                    continue;
                }
                let truth =
                    if size == 1.0 { crop(&full, h, w) } else { bicubic.resize(full.view(), (h, w))? };
                let small = bicubic.resize(truth.view(), (h / self.scale, w / self.scale))?;
                pairs.push(Pair { guess: bicubic.resize(small.view(), (h, w))?, truth });
            }
        }
        Ok(pairs)
    }

    fn examples<T: Scalar>(&self, images: &[Gray<T>]) -> Result<Examples, ImageError> {
        let scale = self.scale;
        let (length, area) = (Features::len(scale), area(scale));
        let pairs = self.pairs(images)?;
        let count =
            |image: &Gray<f32>| (image.height() / scale + 1 - PATCH) * (image.width() / scale + 1 - PATCH);
        let total: usize = pairs.iter().map(|p| count(&p.guess)).sum();
        let step = total.div_ceil(self.patches).max(1);
        let each = |visit: &mut dyn FnMut(&[f32], &[f32]), every: usize| {
            let (mut raw, mut a, mut b) = (vec![0.0; length], vec![0.0; area], vec![0.0; area]);
            let mut at = 0;
            for Pair { guess, truth } in &pairs {
                let features = Features::new(guess.data(), guess.height(), guess.width(), scale);
                let columns = guess.width() / scale + 1 - PATCH;
                let (first, end) = (at, at + count(guess));
                for q in (first.next_multiple_of(every)..end).step_by(every) {
                    let (i, j) = ((q - first) / columns, (q - first) % columns);
                    features.patch_into(i, j, &mut raw);
                    copy_patch(truth.data(), guess.width(), scale, (i, j), &mut a);
                    copy_patch(guess.data(), guess.width(), scale, (i, j), &mut b);
                    a.iter_mut().zip(&b).for_each(|(a, &b)| *a -= b);
                    // Nothing to learn from a flat patch.
                    if vecops::sq_norm(&raw) > 1e-6 {
                        visit(&raw, &a);
                    }
                }
                at = end;
            }
        };
        let projection =
            principal(length, |add| each(&mut |f, _| add(f), step * (total / step / 20_000).max(1)))?;
        let dim = projection.len() / length;
        let (mut low, mut high, mut reduced) = (Vec::new(), Vec::new(), vec![0.0; dim]);
        let basis = Dense::from_column_major(&projection, length, dim)?;
        each(
            &mut |f, h| {
                basis.apply_adjoint_block(f, 1, &mut reduced);
                low.extend_from_slice(&reduced);
                high.extend_from_slice(h);
            },
            step,
        );
        Ok(Examples { dim, low, high, projection })
    }

    /// One regressor an atom.
    fn regressors(
        &self,
        (low, high, dim): (Vec<f32>, Vec<f32>, usize),
        atoms: &[f32],
        watch: &mut Watch<'_>,
    ) -> Result<Vec<f32>, ImageError> {
        let area = area(self.scale);
        let (n, n_atoms) = (low.len() / dim, atoms.len() / dim);
        let examples = Dense::from_column_major(&low, dim, n)?;
        let mut all = Vec::with_capacity(n_atoms * area * dim);
        for (block, some) in atoms.chunks(BLOCK * dim).enumerate() {
            let parts = par::map(some.chunks_exact(dim).collect(), |atom: &[f32]| {
                let mut scores = vec![0.0; n];
                examples.apply_adjoint_block(atom, 1, &mut scores);
                let mut order: Vec<u32> = (0..n as u32).collect();
                let keep = self.neighbours.min(n);
                if keep < n {
                    // Ties by index: one order whatever the algorithm.
                    order.select_nth_unstable_by(keep, |&a, &b| {
                        let (x, y) = (scores[a as usize].abs(), scores[b as usize].abs());
                        y.total_cmp(&x).then(a.cmp(&b))
                    });
                    order.truncate(keep);
                }
                order.sort_unstable();
                ridge(&order, &low, &high, dim, area, self.lambda)
            });
            for part in parts {
                all.extend(part?);
            }
            let total = n_atoms.div_ceil(BLOCK);
            // What is missing can't be left out of a model.
            let _ = watch(Step { what: "regressors", done: block + 1, total });
        }
        Ok(all)
    }
}

/// Atoms whose regressors are computed between two reports.
const BLOCK: usize = 64;

impl Examples {
    /// Features scaled to unit norm, and details by the same factors.
    fn normalised(&self, scale: usize) -> (Vec<f32>, Vec<f32>, usize) {
        let (mut low, mut high) = (self.low.clone(), self.high.clone());
        for (f, h) in low.chunks_exact_mut(self.dim).zip(high.chunks_exact_mut(area(scale))) {
            let norm = vecops::norm(f).max(f32::MIN_POSITIVE);
            f.iter_mut().chain(h).for_each(|v| *v /= norm);
        }
        (low, high, self.dim)
    }
}

/// `R = H Lᵀ (L Lᵀ + lambda I)⁻¹` over the chosen examples, column-major `area × dim`.
fn ridge(
    chosen: &[u32],
    low: &[f32],
    high: &[f32],
    dim: usize,
    area: usize,
    lambda: f64,
) -> Result<Vec<f32>, LinalgError> {
    let (mut gram, mut cross) = (vec![0.0_f64; dim * dim], vec![0.0_f64; dim * area]);
    for &q in chosen {
        let (f, h) = (&low[q as usize * dim..][..dim], &high[q as usize * area..][..area]);
        for (a, &x) in f.iter().enumerate() {
            let x = f64::from(x);
            gram[a * dim..][..=a].iter_mut().zip(f).for_each(|(g, &y)| *g += x * f64::from(y));
            cross[a * area..][..area].iter_mut().zip(h).for_each(|(c, &y)| *c += x * f64::from(y));
        }
    }
    solve_ridge(&mut gram, &cross, dim, area, lambda)
}

/// `C (G + lambda I)⁻¹` for the lower triangle of `G`, row by row, and `C` of `rows` rows, column-major.
fn solve_ridge(
    gram: &mut [f64],
    cross: &[f64],
    dim: usize,
    rows: usize,
    lambda: f64,
) -> Result<Vec<f32>, LinalgError> {
    for a in 0..dim {
        for b in 0..a {
            gram[b * dim + a] = gram[a * dim + b];
        }
        gram[a * dim + a] += lambda;
    }
    let factor = Cholesky::from_column_major(gram, dim)?;
    // The transposed system, one right-hand side a row.
    let mut transposed: Vec<f64> = (0..rows * dim).map(|k| cross[k % dim * rows + k / dim]).collect();
    factor.solve_columns_in_place(&mut transposed, rows);
    Ok((0..rows * dim).map(|k| transposed[k % rows * dim + k / rows] as f32).collect())
}

/// The dictionary that reproduces `signals` from the codes by least squares, a small ridge for atoms that are hardly used.
fn couple(codes: &Codes<f32>, signals: &[f32], area: usize) -> Result<Vec<f32>, LinalgError> {
    let k = codes.n_atoms();
    let (mut gram, mut cross) = (vec![0.0_f64; k * k], vec![0.0_f64; k * area]);
    let mut trace = 0.0;
    for (i, h) in signals.chunks_exact(area).enumerate() {
        let (atoms, values) = codes.column(i);
        for (n, (&a, &x)) in atoms.iter().zip(values).enumerate() {
            let x = f64::from(x);
            trace += x * x;
            for (&b, &y) in atoms[..=n].iter().zip(values) {
                gram[a as usize * k + b as usize] += x * f64::from(y);
            }
            cross[a as usize * area..][..area].iter_mut().zip(h).for_each(|(c, &y)| *c += x * f64::from(y));
        }
    }
    solve_ridge(&mut gram, &cross, k, area, (1e-4 * trace / k as f64).max(f64::MIN_POSITIVE))
}

/// The fewest principal directions that hold 99.9 % of the energy of the vectors that `feed` adds, column-major.
fn principal(length: usize, feed: impl Fn(&mut dyn FnMut(&[f32]))) -> Result<Vec<f32>, LinalgError> {
    let mut moments = vec![0.0_f64; length * length];
    let mut block: Vec<f32> = Vec::new();
    let mut products = vec![0.0_f32; length * length];
    let flush =
        |block: &mut Vec<f32>, moments: &mut [f64], products: &mut [f32]| -> Result<(), LinalgError> {
            // The block transposed: a column a feature.
            let count = block.len() / length;
            let columns: Vec<f32> = (0..block.len()).map(|k| block[k % count * length + k / count]).collect();
            Dense::from_column_major(&columns, count, length)?
                .apply_adjoint_block(&columns, length, products);
            moments.iter_mut().zip(&*products).for_each(|(m, &p)| *m += f64::from(p));
            block.clear();
            Ok(())
        };
    let mut failed = Ok(());
    feed(&mut |f| {
        block.extend_from_slice(f);
        if block.len() == 512 * length && failed.is_ok() {
            failed = flush(&mut block, &mut moments, &mut products);
        }
    });
    failed?;
    if !block.is_empty() {
        flush(&mut block, &mut moments, &mut products)?;
    }
    let evd = SelfAdjointEvd::from_column_major(&moments, length)?;
    let total: f64 = evd.values().iter().map(|v| v.max(0.0)).sum();
    let (mut kept, mut basis) = (0.0, Vec::new());
    for j in (0..length).rev() {
        if !basis.is_empty() && kept >= 0.999 * total {
            break;
        }
        kept += evd.values()[j].max(0.0);
        basis.extend(evd.vector(j).iter().map(|&v| v as f32));
    }
    Ok(basis)
}

/// The upper left `h × w` pixels.
fn crop(image: &Gray<f32>, h: usize, w: usize) -> Gray<f32> {
    let data =
        image.data().chunks_exact(image.width()).take(h).flat_map(|row| row[..w].iter().copied()).collect();
    Image::from_parts(h, w, data)
}
