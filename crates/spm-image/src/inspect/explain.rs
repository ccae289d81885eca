//! A part as a dictionary of good parts can show it, and what it can't.

use spm_linalg::vecops;
use spm_models::oneclass::SparseNovelty;
use spm_models::{Coder, Omp};

use super::{InspectionModel, Planes, Region};
use crate::metrics::{Ssim, psnr};
use crate::{Gray, ImageError};

/// A part made of atoms of good parts.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reconstruction {
    /// What the dictionary can express of the part: the mean of overlapping patches.
    pub planes: Planes,
    /// The root mean square of what is left over channels, a value a pixel.
    pub residual: Gray<f32>,
    /// Peak signal-to-noise ratio between the part and its reconstruction, in units of the brightness 1.
    pub psnr: f64,
    /// Structural similarity between the two, the mean over channels; NaN for parts smaller than its window.
    pub ssim: f64,
}

/// The patch at the peak of a region as a sum of atoms.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Explanation {
    /// The atoms used and their coefficients, largest first.
    pub atoms: Vec<(usize, f32)>,
    /// The patch, in the order of values of a [`super::Lattice`].
    pub patch: Vec<f32>,
    /// The sum of atoms.
    pub sum: Vec<f32>,
}

impl InspectionModel {
    /// The dictionary of patches of good parts that explains parts; atoms have the order of values of
    /// [`lattice`](Self::lattice).
    #[must_use]
    pub fn dictionary(&self) -> &SparseNovelty<f32> {
        &self.dictionary
    }

    /// The part as a sparse combination of atoms, with the similarity of the two.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn reconstruct(&self, part: &Planes) -> Result<Reconstruction, ImageError> {
        let lattice = self.lattice();
        let grid = lattice.grid(part.size())?;
        let (dim, (h, w)) = (lattice.dim(), part.size());
        let mut patches = vec![0.0; dim * grid.len()];
        for (q, out) in patches.chunks_exact_mut(dim).enumerate() {
            part.gather(grid.corner(q), lattice.patch, out);
        }
        let dictionary = self.dictionary.dictionary();
        let codes = Omp::with_k(self.dictionary.k())
            .code(dictionary.as_dense(), &patches)
            .map_err(spm_models::ModelError::from)?;
        let (mut sum, mut count) = (vec![0.0_f32; part.data().len()], vec![0.0_f32; h * w]);
        for (q, made) in codes.reconstruct(dictionary.as_dense()).chunks_exact(dim).enumerate() {
            let (top, left) = grid.corner(q);
            for (k, row) in made.chunks_exact(lattice.patch).enumerate() {
                let (c, r) = (k / lattice.patch, k % lattice.patch);
                let start = (top + r) * w + left;
                for (s, v) in sum[c * h * w + start..].iter_mut().zip(row) {
                    *s += v;
                }
                if c == 0 {
                    count[start..start + lattice.patch].iter_mut().for_each(|n| *n += 1.0);
                }
            }
        }
        for plane in 0..part.channels() {
            for (k, n) in count.iter().enumerate() {
                let at = plane * h * w + k;
                // Pixels between patches keep their value.
                sum[at] = if *n > 0.0 { sum[at] / n } else { part.data()[at] };
            }
        }
        let planes = Planes::new(part.channels(), h, w, sum)?;
        let mut residual = vec![0.0_f32; h * w];
        for (k, (a, b)) in part.data().iter().zip(planes.data()).enumerate() {
            residual[k % (h * w)] += (a - b) * (a - b) / part.channels() as f32;
        }
        residual.iter_mut().for_each(|v| *v = v.sqrt());
        let stacked = |p: &Planes| Gray::new(p.channels() * h, w, p.data().to_vec());
        let (a, b) = (stacked(part)?, stacked(&planes)?);
        let mut ssim = 0.0;
        for c in 0..part.channels() {
            let plane = |p: &Planes| Gray::new(h, w, p.data()[c * h * w..(c + 1) * h * w].to_vec());
            let (a, b) = (plane(part)?, plane(&planes)?);
            ssim += Ssim::uniform(1.0).mean(a.view(), b.view()).unwrap_or(f64::NAN) / part.channels() as f64;
        }
        let residual = Gray::new(h, w, residual)?;
        Ok(Reconstruction { psnr: psnr(a.view(), b.view(), 1.0)?, ssim, planes, residual })
    }

    /// The patch around the peak of `region` as a sum of atoms.
    ///
    /// # Errors
    /// As [`score`](Self::score).
    pub fn explain(&self, part: &Planes, region: &Region) -> Result<Explanation, ImageError> {
        let lattice = self.lattice();
        let (h, w) = part.size();
        lattice.grid(part.size())?;
        let block = self.preparation.block;
        let corner =
            |peak: usize, n: usize| (peak / block).saturating_sub(lattice.patch / 2).min(n - lattice.patch);
        let mut patch = vec![0.0; lattice.dim()];
        part.gather((corner(region.peak.0, h), corner(region.peak.1, w)), lattice.patch, &mut patch);
        let dictionary = self.dictionary.dictionary();
        let codes = Omp::with_k(self.dictionary.k())
            .code(dictionary.as_dense(), &patch)
            .map_err(spm_models::ModelError::from)?;
        let (support, values) = codes.column(0);
        let mut atoms: Vec<(usize, f32)> =
            support.iter().zip(values).map(|(&j, &v)| (j as usize, v)).collect();
        atoms.sort_by(|a, b| b.1.abs().total_cmp(&a.1.abs()));
        let mut sum = vec![0.0; patch.len()];
        for &(j, v) in &atoms {
            vecops::axpy(v, dictionary.atom(j), &mut sum);
        }
        Ok(Explanation { atoms, patch, sum })
    }
}
