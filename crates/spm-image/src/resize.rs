//! Bicubic resampling in the convention of the super-resolution literature.

use spm_linalg::{LinalgError, Scalar, check};

use crate::{Image, ImageError, ImageRef, par};

/// What lies beyond the border of an image that is resampled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Edge {
    /// The mirror image, the last pixel repeated: `… b a | a b c | c b …`. The default, as in MATLAB.
    #[default]
    Symmetric,
    /// The last pixel: `… a a | a b c | c c …`. As in MATLAB's older versions, which made the usual test sets.
    Replicate,
}

/// Bicubic resampling: Keys' cubic convolution with `a = −1/2`, antialiased where an image shrinks.
///
/// Plain text: along each axis, with `s` the output length over the input length and pixel centres at half integers,
/// `out(i) = Σ_j h(u − j) in(j) / Σ_j h(u − j)`, `u = (i + 1/2)/s − 1/2`, where `h(t) = k(t)` for `s >= 1` and
/// `h(t) = k(s t)` for `s < 1`, and `k(t) = 1.5|t|³ − 2.5|t|² + 1` for `|t| <= 1`,
/// `−0.5|t|³ + 2.5|t|² − 4|t| + 2` for `1 < |t| <= 2`, else 0. The axis that shrinks more (grows less) goes first.
///
/// This is the convention of MATLAB's `imresize`, by which low-resolution images are made in the literature; OpenCV and
/// Pillow differ (other `a`, no antialiasing or none of the same width).
///
/// | option | default | meaning |
/// |---|---|---|
/// | `antialias` | `true` | widen the kernel where the image shrinks |
/// | `edge` | [`Edge::Symmetric`] | what lies beyond the border |
/// | `levels` | none | round to `0, 1/levels, …, 1` (half up) and clamp to `[0, 1]` after each axis, as for integer images |
///
/// Time O(output pixels · 4/min(s, 1)) an axis; memory one image between the two passes. Rows are independent: the bits do
/// not depend on the number of threads.
///
/// R. G. Keys (1981), "Cubic convolution interpolation for digital image processing", eq. (15).
///
/// ```
/// use spm_image::{Gray, resize::Bicubic};
/// let ramp = Gray::<f64>::new(1, 16, (0..16).map(f64::from).collect())?;
/// let half = Bicubic::new().resize(ramp.view(), (1, 8))?;
/// assert!((half.get(0, 0, 3) - 6.5).abs() < 1e-12); // between pixels 6 and 7
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Bicubic {
    /// Widen the kernel where the image shrinks.
    pub antialias: bool,
    /// What lies beyond the border.
    pub edge: Edge,
    /// Round to this many steps of `[0, 1]` after each axis.
    pub levels: Option<u16>,
}

impl Default for Bicubic {
    fn default() -> Self {
        Self { antialias: true, edge: Edge::Symmetric, levels: None }
    }
}

impl Bicubic {
    /// The default options.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether the kernel is widened where the image shrinks.
    #[must_use]
    pub fn antialias(mut self, on: bool) -> Self {
        self.antialias = on;
        self
    }

    /// Sets what lies beyond the border.
    #[must_use]
    pub fn edge(mut self, edge: Edge) -> Self {
        self.edge = edge;
        self
    }

    /// Rounds to `0, 1/levels, …, 1` and clamps after each axis: 255 for the result on 8-bit images.
    #[must_use]
    pub fn levels(mut self, levels: u16) -> Self {
        self.levels = Some(levels);
        self
    }

    /// Resamples to `size` (height, width).
    ///
    /// # Errors
    /// [`LinalgError::Empty`] if a side of `size` is 0; [`LinalgError::InvalidParam`] if `size` can't be addressed or
    /// `levels` is 0.
    pub fn resize<T: Scalar, const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        size: (usize, usize),
    ) -> Result<Image<T, C>, ImageError> {
        let ratio = |to: usize, from: usize| to as f64 / from as f64;
        self.run(image, size, (ratio(size.0, image.height()), ratio(size.1, image.width())))
    }

    /// Resamples by a factor: the new sides are the old ones times `scale`, rounded up.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `scale` is positive and finite; as [`Bicubic::resize`].
    pub fn scale<T: Scalar, const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        scale: f64,
    ) -> Result<Image<T, C>, ImageError> {
        check::positive("scale", scale)?;
        // A hair below the product, as 1/3 of 30 is 10 whatever the last bit of 1/3.
        let side = |n: usize| ((n as f64 * scale) * (1.0 - 1e-12)).ceil().max(1.0) as usize;
        self.run(image, (side(image.height()), side(image.width())), (scale, scale))
    }

    fn run<T: Scalar, const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        size: (usize, usize),
        scale: (f64, f64),
    ) -> Result<Image<T, C>, ImageError> {
        check::non_empty("height to resample to", size.0)?;
        check::non_empty("width to resample to", size.1)?;
        let invalid = |name, expected, got| LinalgError::InvalidParam { name, expected, got };
        if self.levels == Some(0) {
            return Err(invalid("levels", "at least 1", 0.0).into());
        }
        let addressable = size.0.checked_mul(size.1).and_then(|n| n.checked_mul(C * 8));
        if addressable.is_none_or(|n| n > isize::MAX as usize) {
            return Err(invalid("size to resample to", "small enough to address", size.0 as f64).into());
        }
        let rows = self.taps(image.height(), size.0, scale.0);
        let columns = self.taps(image.width(), size.1, scale.1);
        let (h, w) = image.size();
        let data = if scale.0 <= scale.1 {
            let between = self.down(image.data(), h, w, &rows);
            self.across(&between, w, &columns)
        } else {
            let between = self.across(image.data(), w, &columns);
            self.down(&between, h, size.1, &rows)
        };
        Ok(Image::from_parts(size.0, size.1, data))
    }

    /// For every output position its input positions and weights.
    fn taps(&self, from: usize, to: usize, scale: f64) -> Vec<Vec<(usize, f64)>> {
        let shrink = if self.antialias { scale.min(1.0) } else { 1.0 };
        let radius = 2.0 / shrink;
        (0..to)
            .map(|i| {
                let u = (i as f64 + 0.5) / scale - 0.5;
                let (first, last) = ((u - radius).floor() as i64, (u + radius).ceil() as i64);
                let mut taps: Vec<(usize, f64)> = (first..=last)
                    .map(|j| (self.edge.index(j, from), cubic(shrink * (u - j as f64))))
                    .filter(|t| t.1 != 0.0)
                    .collect();
                let total: f64 = taps.iter().map(|t| t.1).sum();
                taps.iter_mut().for_each(|t| t.1 /= total);
                taps
            })
            .collect()
    }

    /// Along the columns, for planes of `height × width`.
    fn down<T: Scalar>(&self, data: &[T], height: usize, width: usize, taps: &[Vec<(usize, f64)>]) -> Vec<T> {
        let mut out = vec![T::zero(); data.len() / height * taps.len()];
        par::chunks_mut(&mut out, width, |r, row| {
            let plane = &data[r / taps.len() * height * width..];
            for &(j, weight) in &taps[r % taps.len()] {
                spm_linalg::vecops::axpy(T::of(weight), &plane[j * width..(j + 1) * width], row);
            }
            self.round(row);
        });
        out
    }

    /// Along the rows.
    fn across<T: Scalar>(&self, data: &[T], width: usize, taps: &[Vec<(usize, f64)>]) -> Vec<T> {
        let mut out = vec![T::zero(); data.len() / width * taps.len()];
        par::chunks_mut(&mut out, taps.len(), |r, row| {
            let from = &data[r * width..(r + 1) * width];
            for (to, taps) in row.iter_mut().zip(taps) {
                *to = taps.iter().map(|&(j, weight)| T::of(weight) * from[j]).sum();
            }
            self.round(row);
        });
        out
    }

    fn round<T: Scalar>(&self, row: &mut [T]) {
        if let Some(levels) = self.levels {
            let n = T::of(f64::from(levels));
            for v in row {
                // Half up; the nudge undoes the rounding of the division by `levels`.
                let level = (*v * n + T::of(0.5 + 1e-9)).floor();
                *v = num_traits::clamp(level, T::zero(), n) / n;
            }
        }
    }
}

impl Edge {
    /// The pixel that stands at position `j` of a row of `n`.
    fn index(self, j: i64, n: usize) -> usize {
        let n = n as i64;
        let k = match self {
            Self::Replicate => j.clamp(0, n - 1),
            Self::Symmetric => {
                let k = j.rem_euclid(2 * n);
                if k < n { k } else { 2 * n - 1 - k }
            }
        };
        k as usize
    }
}

/// Keys' kernel, `a = −1/2`.
fn cubic(t: f64) -> f64 {
    let t = t.abs();
    if t <= 1.0 {
        (1.5 * t - 2.5) * t * t + 1.0
    } else if t <= 2.0 {
        ((-0.5 * t + 2.5) * t - 4.0) * t + 2.0
    } else {
        0.0
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Gray;

    fn wave(h: usize, w: usize) -> Gray<f64> {
        let data = (0..h * w).map(|k| 0.5 + 0.5 * ((k % w) as f64 * 0.7 + (k / w) as f64 * 0.3).sin());
        Gray::new(h, w, data.collect()).unwrap()
    }

    #[test]
    fn the_same_size_is_the_same_image_and_constants_stay() {
        let img = wave(7, 9);
        assert_eq!(Bicubic::new().resize(img.view(), (7, 9)).unwrap(), img);
        let flat = Image::<f64, 3>::new(5, 4, vec![0.3; 60]).unwrap();
        for edge in [Edge::Symmetric, Edge::Replicate] {
            for size in [(1, 1), (3, 11), (10, 2), (17, 16)] {
                let out = Bicubic::new().edge(edge).resize(flat.view(), size).unwrap();
                assert_eq!(out.size(), size);
                assert!(out.data().iter().all(|v| (v - 0.3).abs() < 1e-14));
            }
        }
    }

    #[test]
    fn single_pixels_and_lines_have_a_result() {
        let one = Gray::new(1, 1, vec![0.7]).unwrap();
        let out = Bicubic::new().scale(one.view(), 3.0).unwrap();
        assert_eq!(out.size(), (3, 3));
        assert!(out.data().iter().all(|v: &f64| (v - 0.7).abs() < 1e-15));
        let line = wave(1, 30);
        assert_eq!(Bicubic::new().scale(line.view(), 1.0 / 3.0).unwrap().size(), (1, 10));
    }

    #[test]
    fn levels_are_levels_and_single_precision_agrees() {
        let img = wave(12, 10);
        let out = Bicubic::new().levels(255).resize(img.view(), (5, 20)).unwrap();
        for v in out.data() {
            assert!((v * 255.0 - (v * 255.0).round()).abs() < 1e-9 && (0.0..=1.0).contains(v));
        }
        let single = Gray::<f32>::new(12, 10, img.data().iter().map(|&v| v as f32).collect()).unwrap();
        let a = Bicubic::new().resize(img.view(), (5, 7)).unwrap();
        let b = Bicubic::new().resize(single.view(), (5, 7)).unwrap();
        assert!(a.data().iter().zip(b.data()).all(|(a, b)| (a - f64::from(*b)).abs() < 1e-6));
    }

    #[test]
    fn refuses_what_has_no_meaning() {
        let img = wave(3, 3);
        assert!(Bicubic::new().resize(img.view(), (0, 3)).is_err());
        assert!(Bicubic::new().resize(img.view(), (usize::MAX, 3)).is_err());
        assert!(Bicubic::new().levels(0).resize(img.view(), (2, 2)).is_err());
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            assert!(Bicubic::new().scale(img.view(), bad).is_err());
        }
    }
}
