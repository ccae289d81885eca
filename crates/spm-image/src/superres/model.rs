//! A trained model and its use.

use spm_linalg::{Dense, LinalgError, Scalar, check, vecops};
use spm_models::ModelError;
use spm_solvers::batch_omp::{BatchOmp, Limit, Rule};

use super::features::{Features, PATCH, area};
use crate::resize::Bicubic;
use crate::{Gray, Image, ImageError, ImageRef, Rgb, par};

/// Rows of patches a task predicts.
const ROWS: usize = 8;

/// How what is missing from an interpolated patch follows from its features.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Predictor {
    /// `D_high a` with `a` the code of the features in the atoms with `k` non-zeros.
    Zeyde {
        /// High-resolution atoms, column-major `area × atoms`.
        high: Vec<f32>,
        /// Non-zeros of a code.
        k: u32,
    },
    /// `R_j f` with `j` the atom most correlated with the features `f`.
    Anchored {
        /// One column-major `area × dim` matrix an atom.
        regressors: Vec<f32>,
    },
}

/// A super-resolution model for one factor.
///
/// Made by [`super::SuperResTrainer`]; saved and loaded as a model file (feature `serde`). All numbers are `f32`. With `p = 3·scale` a
/// patch has `area = p²` pixels and `4p²` features.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SuperResModel {
    /// The factor.
    pub scale: u32,
    /// Features kept.
    pub dim: u32,
    /// Principal directions of the features, column-major `4·area × dim`.
    pub projection: Vec<f32>,
    /// Unit-norm atoms of reduced features, column-major `dim × atoms`.
    pub atoms: Vec<f32>,
    /// The map from features to pixels.
    pub predictor: Predictor,
    /// Rounds of back-projection.
    pub back_projections: u32,
}

impl SuperResModel {
    /// The number of atoms.
    #[must_use]
    pub fn n_atoms(&self) -> usize {
        self.atoms.len() / (self.dim as usize).max(1)
    }

    /// Checks that all parts fit together and are finite.
    ///
    /// # Errors
    /// [`ModelError`] naming the part.
    pub fn validate(&self) -> Result<(), ModelError> {
        let (scale, dim) = (self.scale as usize, self.dim as usize);
        if !(2..=4).contains(&scale) {
            let (name, expected) = ("scale", "2, 3 or 4");
            return Err(LinalgError::InvalidParam { name, expected, got: scale as f64 }.into());
        }
        check::non_empty("features", dim)?;
        check::len("projection", Features::len(scale).saturating_mul(dim), self.projection.len())?;
        check::non_empty("atoms", self.n_atoms())?;
        check::len("atoms", self.n_atoms() * dim, self.atoms.len())?;
        let (name, expected, values) = match &self.predictor {
            Predictor::Zeyde { high, .. } => ("high-resolution atoms", area(scale) * self.n_atoms(), high),
            Predictor::Anchored { regressors } => {
                ("regressors", (area(scale) * dim).saturating_mul(self.n_atoms()), regressors)
            }
        };
        check::len(name, expected, values.len())?;
        check::finite(name, values)?;
        check::finite("projection", &self.projection)?;
        check::finite("atoms", &self.atoms)?;
        Ok(())
    }

    /// Enlarges a grey image.
    ///
    /// # Errors
    /// [`ImageError::TooSmall`] below 3 pixels a side; [`LinalgError`] for values that overflow `f32`, or a model that
    /// [`validate`](Self::validate) refuses.
    pub fn upscale<T: Scalar>(&self, image: ImageRef<'_, T, 1>) -> Result<Gray<T>, ImageError> {
        self.validate().map_err(crate::learned::from_model)?;
        let (h, w) = image.size();
        if h < PATCH || w < PATCH {
            return Err(ImageError::TooSmall { what: "a patch", size: (PATCH, PATCH), image: (h, w) });
        }
        let small = Gray::<f32>::new(h, w, image.data().iter().map(|v| v.as_f64() as f32).collect())?;
        let scale = self.scale as usize;
        let size = (h * scale, w * scale);
        let bicubic = Bicubic::new();
        let mut large = bicubic.resize(small.view(), size)?;
        let detail = self.predict(&large, (h, w))?;
        vecops::axpy(1.0, &detail, large.plane_mut(0));
        for _ in 0..self.back_projections {
            let mut error = bicubic.resize(large.view(), (h, w))?;
            for (e, &v) in error.plane_mut(0).iter_mut().zip(small.data()) {
                *e = v - *e;
            }
            let correction = bicubic.resize(error.view(), size)?;
            vecops::axpy(1.0, correction.data(), large.plane_mut(0));
        }
        Ok(Image::from_parts(size.0, size.1, large.data().iter().map(|&v| T::of(f64::from(v))).collect()))
    }

    /// Enlarges a colour image: the luma as [`upscale`](Self::upscale), the differences to red and blue by bicubic interpolation.
    ///
    /// # Errors
    /// As [`upscale`](Self::upscale).
    pub fn upscale_rgb<T: Scalar>(&self, image: ImageRef<'_, T, 3>) -> Result<Rgb<T>, ImageError> {
        let (h, w) = image.size();
        let luma = image.to_image().to_gray();
        let large = self.upscale(luma.view())?;
        let difference = |c: usize| -> Result<Gray<T>, ImageError> {
            let data = image.plane(c).iter().zip(luma.data()).map(|(&v, &y)| v - y).collect();
            Bicubic::new().resize(Gray::from_parts(h, w, data).view(), large.size())
        };
        let (red, blue) = (difference(0)?, difference(2)?);
        let n = large.data().len();
        let mut data = Vec::with_capacity(3 * n);
        data.extend(large.data().iter().zip(red.data()).map(|(&y, &d)| y + d));
        // y = 0.299 r + 0.587 g + 0.114 b.
        let (r, b) = (T::of(0.299 / 0.587), T::of(0.114 / 0.587));
        data.extend((0..n).map(|k| large.data()[k] - r * red.data()[k] - b * blue.data()[k]));
        data.extend(large.data().iter().zip(blue.data()).map(|(&y, &d)| y + d));
        Ok(Image::from_parts(large.height(), large.width(), data))
    }

    /// What the interpolated image lacks, averaged over all patches.
    fn predict(&self, large: &Gray<f32>, (h, w): (usize, usize)) -> Result<Vec<f32>, ImageError> {
        let scale = self.scale as usize;
        let (side, width) = (PATCH * scale, w * scale);
        let features = Features::new(large.data(), large.height(), width, scale);
        let coder = match self.predictor {
            Predictor::Zeyde { .. } => {
                let atoms = Dense::from_column_major(&self.atoms, self.dim as usize, self.n_atoms())?;
                Some(BatchOmp::new(atoms, Rule::Omp)?)
            }
            Predictor::Anchored { .. } => None,
        };
        let (rows, columns) = (h + 1 - PATCH, w + 1 - PATCH);
        let starts: Vec<usize> = (0..rows).step_by(ROWS).collect();
        let parts = par::map(starts.clone(), |first| {
            let end = rows.min(first + ROWS);
            let mut sum = vec![0.0; ((end - first - 1) * scale + side) * width];
            for i in first..end {
                let decoded = self.row(&features, coder.as_ref(), i, columns)?;
                for (j, patch) in decoded.chunks_exact(area(scale)).enumerate() {
                    for (r, row) in patch.chunks_exact(side).enumerate() {
                        let start = ((i - first) * scale + r) * width + j * scale;
                        vecops::axpy(1.0, row, &mut sum[start..start + side]);
                    }
                }
            }
            Ok::<_, ImageError>(sum)
        });
        let mut sum = vec![0.0; h * scale * width];
        for (first, part) in starts.into_iter().zip(parts) {
            let part = part?;
            vecops::axpy(1.0, &part, &mut sum[first * scale * width..][..part.len()]);
        }
        let cover = |k: usize, n: usize| (k + 1).min(n - k).min(PATCH).min(n + 1 - PATCH);
        for (k, v) in sum.iter_mut().enumerate() {
            *v /= (cover(k / width / scale, h) * cover(k % width / scale, w)) as f32;
        }
        Ok(sum)
    }

    /// The predictions of one row of patches.
    fn row(
        &self,
        features: &Features,
        coder: Option<&BatchOmp<f32>>,
        i: usize,
        columns: usize,
    ) -> Result<Vec<f32>, ImageError> {
        let (scale, dim) = (self.scale as usize, self.dim as usize);
        let (length, area) = (Features::len(scale), area(scale));
        let mut raw = vec![0.0; columns * length];
        for (j, f) in raw.chunks_exact_mut(length).enumerate() {
            features.patch_into(i, j, f);
        }
        let mut reduced = vec![0.0; columns * dim];
        Dense::from_column_major(&self.projection, length, dim)?.apply_adjoint_block(
            &raw,
            columns,
            &mut reduced,
        );
        let mut out = vec![0.0; columns * area];
        match (&self.predictor, coder) {
            (Predictor::Zeyde { high, k }, Some(coder)) => {
                let limit = Limit { k: *k as usize, eps: 0.0 };
                coder.run(&reduced, limit, &mut coder.buffers(limit), |q, support, x| {
                    for (&j, &x) in support.iter().zip(x) {
                        vecops::axpy(x, &high[j as usize * area..][..area], &mut out[q * area..][..area]);
                    }
                })?;
            }
            (Predictor::Anchored { regressors }, _) => {
                let n_atoms = self.n_atoms();
                let mut scores = vec![0.0; columns * n_atoms];
                let atoms = Dense::from_column_major(&self.atoms, dim, n_atoms)?;
                atoms.apply_adjoint_block(&reduced, columns, &mut scores);
                let patches = reduced.chunks_exact(dim).zip(scores.chunks_exact(n_atoms));
                for ((f, scores), out) in patches.zip(out.chunks_exact_mut(area)) {
                    let mut best = 0;
                    for (j, s) in scores.iter().enumerate() {
                        if s.abs() > scores[best].abs() {
                            best = j;
                        }
                    }
                    let regressor = &regressors[best * area * dim..][..area * dim];
                    for (column, &x) in regressor.chunks_exact(area).zip(f) {
                        vecops::axpy(x, column, out);
                    }
                }
            }
            (Predictor::Zeyde { .. }, None) => unreachable!("coupled dictionaries come with a coder"),
        }
        Ok(out)
    }
}

#[cfg(feature = "serde")]
impl spm_models::file::Model for SuperResModel {
    const KIND: u32 = 20;
    const NAME: &'static str = "super-resolution model";
    const SCALAR_BYTES: usize = 4;

    fn shapes(&self) -> Vec<spm_models::file::Shape> {
        use spm_models::file::Shape;
        let (scale, dim, n) = (self.scale as usize, self.dim as usize, self.n_atoms());
        let predictor = match self.predictor {
            Predictor::Zeyde { .. } => Shape::new("high", &[area(scale), n]),
            Predictor::Anchored { .. } => Shape::new("regressors", &[area(scale), dim, n]),
        };
        vec![
            Shape::new("projection", &[Features::len(scale), dim]),
            Shape::new("atoms", &[dim, n]),
            predictor,
        ]
    }

    fn validate(&self) -> Result<(), ModelError> {
        Self::validate(self)
    }
}
