//! Bringing parts over one another.

use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};
use spm_linalg::{LinalgError, check};

use super::Planes;
use crate::ImageError;

/// Finds by how many values a part is shifted against a template, by phase correlation.
///
/// The shift is where the inverse transform of $\hat a \bar{\hat b} / |\hat a \bar{\hat b}|$ peaks, among shifts of at most
/// `reach` in either direction. Both images are tapered to zero at their borders by a Hann window, so that borders do not
/// correlate. `O(n log n)` time. Source: Kuglin and Hines 1975.
#[derive(Clone)]
pub struct Registration {
    size: (usize, usize),
    reach: usize,
    template: Vec<Complex<f32>>,
    rows: [Arc<dyn Fft<f32>>; 2],
    columns: [Arc<dyn Fft<f32>>; 2],
}

impl core::fmt::Debug for Registration {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Registration")
            .field("size", &self.size)
            .field("reach", &self.reach)
            .finish_non_exhaustive()
    }
}

impl Registration {
    /// Against the first channel of `template`, shifts of at most `reach` values.
    #[must_use]
    pub fn new(template: &Planes, reach: usize) -> Self {
        let size = template.size();
        let mut planner = FftPlanner::new();
        let mut both = |n| [planner.plan_fft_forward(n), planner.plan_fft_inverse(n)];
        let mut this = Self { size, reach, template: Vec::new(), rows: both(size.1), columns: both(size.0) };
        this.template = this.spectrum(template);
        this
    }

    /// Rows and columns by which `part` is shifted down and right against the template.
    ///
    /// # Errors
    /// [`ImageError::SizeMismatch`].
    pub fn shift(&self, part: &Planes) -> Result<(isize, isize), ImageError> {
        crate::error::same_size(self.size, part.size())?;
        let mut cross = self.spectrum(part);
        for (a, b) in cross.iter_mut().zip(&self.template) {
            let c = *a * b.conj();
            *a = if c.norm() > f32::MIN_POSITIVE { c / c.norm() } else { Complex::default() };
        }
        self.transform(&mut cross, 1);
        let (h, w) = self.size;
        let reach = |n: usize| self.reach.min((n - 1) / 2) as isize;
        let mut best = (f32::NEG_INFINITY, (0, 0));
        for i in -reach(h)..=reach(h) {
            for j in -reach(w)..=reach(w) {
                let v = cross[i.rem_euclid(h as isize) as usize * w + j.rem_euclid(w as isize) as usize].re;
                if v > best.0 {
                    best = (v, (i, j));
                }
            }
        }
        Ok(best.1)
    }

    /// `part` moved back over the template, and by how much it was shifted.
    ///
    /// # Errors
    /// As [`shift`](Self::shift).
    pub fn align(&self, part: &Planes) -> Result<(Planes, (isize, isize)), ImageError> {
        let shift = self.shift(part)?;
        Ok((part.shifted(shift), shift))
    }

    /// The transform of the windowed first channel without its mean.
    fn spectrum(&self, part: &Planes) -> Vec<Complex<f32>> {
        let (h, w) = self.size;
        let plane = &part.data()[..h * w];
        let mean = plane.iter().sum::<f32>() / (h * w) as f32;
        let hann =
            |i: usize, n: usize| 0.5 - 0.5 * (core::f32::consts::TAU * (i as f32 + 0.5) / n as f32).cos();
        let mut out: Vec<Complex<f32>> = plane
            .iter()
            .enumerate()
            .map(|(k, v)| Complex::from((v - mean) * hann(k / w, h) * hann(k % w, w)))
            .collect();
        self.transform(&mut out, 0);
        out
    }

    fn transform(&self, data: &mut [Complex<f32>], direction: usize) {
        let (h, w) = self.size;
        self.rows[direction].process(data);
        let mut column = vec![Complex::default(); h];
        for j in 0..w {
            for i in 0..h {
                column[i] = data[i * w + j];
            }
            self.columns[direction].process(&mut column);
            for i in 0..h {
                data[i * w + j] = column[i];
            }
        }
    }
}

/// The mean of parts, and each part moved over it: a first mean is of the parts moved over the first of them.
pub(super) fn align_all(parts: &[Planes], reach: usize) -> Result<(Planes, Vec<Planes>), ImageError> {
    let first = parts.first().ok_or(LinalgError::Empty { what: "good parts" })?;
    let over = |template: &Planes| {
        let registration = Registration::new(template, reach);
        parts.iter().map(|p| registration.align(p).map(|(moved, _)| moved)).collect::<Result<Vec<_>, _>>()
    };
    let template = mean(&over(first)?)?;
    let aligned = over(&template)?;
    Ok((template, aligned))
}

fn mean(parts: &[Planes]) -> Result<Planes, ImageError> {
    let (channels, (h, w)) = (parts[0].channels(), parts[0].size());
    let mut sum = vec![0.0; parts[0].data().len()];
    for part in parts {
        check::len("channels of the image", channels, part.channels())?;
        sum.iter_mut().zip(part.data()).for_each(|(s, v)| *s += v / parts.len() as f32);
    }
    Planes::new(channels, h, w, sum)
}
