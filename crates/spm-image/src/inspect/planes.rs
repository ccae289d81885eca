//! What a detector sees of an image: few pixels, normalised brightness.

use spm_linalg::{LinalgError, Scalar, check};

use crate::{ImageError, ImageRef};

/// An image made ready for detectors: planes of `f32`, channel after channel, each row by row.
#[derive(Debug, Clone, PartialEq)]
pub struct Planes {
    channels: usize,
    height: usize,
    width: usize,
    data: Vec<f32>,
}

impl Planes {
    /// Planes from their values.
    ///
    /// # Errors
    /// [`LinalgError::Empty`] without values, [`LinalgError::Shape`] for a wrong length, [`LinalgError::NonFinite`].
    pub fn new(channels: usize, height: usize, width: usize, data: Vec<f32>) -> Result<Self, ImageError> {
        check::non_empty("planes", channels.min(height).min(width))?;
        check::len("planes", channels.saturating_mul(height).saturating_mul(width), data.len())?;
        check::finite("planes", &data)?;
        Ok(Self { channels, height, width, data })
    }

    /// The number of planes.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Height and width.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// All values.
    #[must_use]
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// Copies the square of side `patch` at `corner` into `out`, channel after channel, each row by row.
    ///
    /// # Panics
    /// If it does not fit.
    pub(super) fn gather(&self, corner: (usize, usize), patch: usize, out: &mut [f32]) {
        for (k, row) in out.chunks_exact_mut(patch).enumerate() {
            let (c, r) = (k / patch, k % patch);
            let start = (c * self.height + corner.0 + r) * self.width + corner.1;
            row.copy_from_slice(&self.data[start..start + patch]);
        }
    }

    /// Planes of values known to be finite and of the right number.
    pub(super) fn from_finite(channels: usize, height: usize, width: usize, data: Vec<f32>) -> Self {
        debug_assert_eq!(data.len(), channels * height * width);
        Self { channels, height, width, data }
    }

    /// Planes of the same shape.
    pub(super) fn with_data(&self, data: Vec<f32>) -> Self {
        Self::from_finite(self.channels, self.height, self.width, data)
    }

    /// The planes moved by whole pixels, borders repeated: pixel `(i, j)` of the result is `(i + by.0, j + by.1)` of this.
    pub(super) fn shifted(&self, by: (isize, isize)) -> Self {
        let at = |i: usize, d: isize, n: usize| i.saturating_add_signed(d).min(n - 1);
        let mut data = Vec::with_capacity(self.data.len());
        for plane in self.data.chunks_exact(self.height * self.width) {
            for i in 0..self.height {
                let row = &plane[at(i, by.0, self.height) * self.width..][..self.width];
                data.extend((0..self.width).map(|j| row[at(j, by.1, self.width)]));
            }
        }
        self.with_data(data)
    }
}

/// The lower median.
pub(super) fn median(values: &mut [f32]) -> f32 {
    let middle = (values.len() - 1) / 2;
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// How images become [`Planes`]: means over blocks of pixels, divided by the median.
///
/// Blocks are as large as makes the longer side `target` values or fewer to just above; a remainder is cut off evenly at
/// both ends. The median is that of all channels, so that colours keep their proportions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Preparation {
    pub(super) size: (usize, usize),
    pub(super) channels: usize,
    pub(super) block: usize,
}

/// A median below this is no brightness to divide by.
const DARK: f32 = 1e-3;

impl Preparation {
    /// For images like those of `size` and `channels`, to about `target` values along the longer side.
    ///
    /// # Errors
    /// [`LinalgError::Empty`] if anything is 0.
    pub fn new(size: (usize, usize), channels: usize, target: usize) -> Result<Self, LinalgError> {
        check::non_empty("image", size.0.min(size.1).min(channels))?;
        check::non_empty("values along a side", target)?;
        let block =
            ((size.0.max(size.1) as f64 / target as f64).round() as usize).clamp(1, size.0.min(size.1));
        Ok(Self { size, channels, block })
    }

    /// Side of a block in pixels.
    #[must_use]
    pub fn block(&self) -> usize {
        self.block
    }

    /// Height and width of the images it was made for.
    #[must_use]
    pub fn image_size(&self) -> (usize, usize) {
        self.size
    }

    /// Channels of the images.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.channels
    }

    /// Where the first block begins in an image of `size`.
    pub(super) fn origin(&self, size: (usize, usize)) -> (usize, usize) {
        ((size.0 % self.block) / 2, (size.1 % self.block) / 2)
    }

    /// The planes of an image, of this size or another.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if the channels differ; [`ImageError::TooSmall`] for an image smaller than a block.
    pub fn apply<T: Scalar, const C: usize>(&self, image: ImageRef<'_, T, C>) -> Result<Planes, ImageError> {
        check::len("channels of the image", self.channels, C)?;
        let (b, size) = (self.block, image.size());
        let (height, width) = (size.0 / b, size.1 / b);
        if height == 0 || width == 0 {
            return Err(ImageError::TooSmall { what: "a block of pixels", size: (b, b), image: size });
        }
        let (top, left) = self.origin(size);
        let mut data = vec![0.0_f32; C * height * width];
        for (c, plane) in data.chunks_exact_mut(height * width).enumerate() {
            let source = image.plane(c);
            for i in 0..height * b {
                let row = &source[(top + i) * size.1 + left..][..width * b];
                let out = &mut plane[(i / b) * width..][..width];
                for (o, block) in out.iter_mut().zip(row.chunks_exact(b)) {
                    *o += block.iter().map(|v| v.as_f64() as f32).sum::<f32>();
                }
            }
        }
        let middle = median(&mut data.clone());
        let area = (b * b) as f32;
        let scale = if middle > DARK * area { middle.recip() } else { area.recip() };
        data.iter_mut().for_each(|v| *v *= scale);
        Planes::new(C, height, width, data)
    }
}
