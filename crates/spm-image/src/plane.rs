//! Images: planes of pixels, the number of channels in the type.

use spm_linalg::{LinalgError, Scalar, check};

use crate::ImageError;

/// An image of one channel.
pub type Gray<T = f64> = Image<T, 1>;
/// An image of three channels: red, green, blue.
pub type Rgb<T = f64> = Image<T, 3>;

/// An owned image of `C` channels (1 by default), all values finite.
///
/// Memory: `C` planes of `height·width` values one after the other, each plane row by row. The channel count is
/// part of the type, so a volume is never mistaken for a colour image. Values lie in `[0, 1]` by convention
/// (0 black, 1 white); nothing enforces it, and results of a computation may overshoot.
///
/// ```
/// use spm_image::{Gray, Rgb};
/// let img = Gray::new(2, 3, vec![0.0, 0.1, 0.2, 0.3, 0.4, 0.5])?;
/// assert_eq!(img.get(0, 1, 2), 0.5);
/// let rgb = Rgb::from_interleaved(1, 2, &[1.0, 0.0, 0.0, 0.0, 0.0, 1.0])?;
/// assert_eq!(rgb.plane(0), [1.0, 0.0]); // red
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Image<T, const C: usize = 1> {
    height: usize,
    width: usize,
    data: Vec<T>,
}

/// A borrowed image of `C` channels in the layout of [`Image`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ImageRef<'a, T, const C: usize = 1> {
    height: usize,
    width: usize,
    data: &'a [T],
}

fn checked<T: Scalar, const C: usize>(height: usize, width: usize, data: &[T]) -> Result<(), ImageError> {
    check::non_empty("image channels", C)?;
    check::non_empty("image height", height)?;
    check::non_empty("image width", width)?;
    let n = height.checked_mul(width).and_then(|n| n.checked_mul(C)).ok_or(LinalgError::InvalidParam {
        name: "image size",
        expected: "small enough to address",
        got: height as f64,
    })?;
    check::len("image data", n, data.len())?;
    check::finite("image", data)?;
    Ok(())
}

impl<T: Scalar, const C: usize> Image<T, C> {
    /// An image from its planes, channel after channel, each row by row.
    ///
    /// # Errors
    /// [`LinalgError::Empty`] without pixels, [`LinalgError::Shape`] if `data` is not `C·height·width` long,
    /// [`LinalgError::NonFinite`] on a NaN or an infinity.
    pub fn new(height: usize, width: usize, data: Vec<T>) -> Result<Self, ImageError> {
        checked::<T, C>(height, width, &data)?;
        Ok(Self { height, width, data })
    }

    /// An image from pixels whose channels lie side by side (`height × width × C` in row-major order).
    ///
    /// # Errors
    /// As [`Image::new`].
    pub fn from_interleaved(height: usize, width: usize, data: &[T]) -> Result<Self, ImageError> {
        checked::<T, C>(height, width, data)?;
        let planes = (0..C).flat_map(|c| data.iter().skip(c).step_by(C).copied()).collect();
        Ok(Self { height, width, data: planes })
    }

    /// A black image.
    ///
    /// # Errors
    /// [`LinalgError::Empty`] without pixels.
    pub fn zeros(height: usize, width: usize) -> Result<Self, ImageError> {
        Self::new(height, width, vec![T::zero(); C * height * width])
    }

    /// Values of a computation that are finite by construction.
    pub(crate) fn from_parts(height: usize, width: usize, data: Vec<T>) -> Self {
        debug_assert_eq!(data.len(), C * height * width);
        Self { height, width, data }
    }

    /// A borrowed view.
    #[must_use]
    pub fn view(&self) -> ImageRef<'_, T, C> {
        ImageRef { height: self.height, width: self.width, data: &self.data }
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height and width.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// All values, plane after plane.
    #[must_use]
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// All values, plane after plane, consuming the image.
    #[must_use]
    pub fn into_data(self) -> Vec<T> {
        self.data
    }

    /// The plane of channel `c`, row by row.
    ///
    /// # Panics
    /// If `c >= C`.
    #[must_use]
    pub fn plane(&self, c: usize) -> &[T] {
        self.view().plane(c)
    }

    /// The plane of channel `c`, for results of a computation that are finite by construction.
    pub(crate) fn plane_mut(&mut self, c: usize) -> &mut [T] {
        let n = self.height * self.width;
        &mut self.data[c * n..(c + 1) * n]
    }

    /// The value of channel `c` at row `i` and column `j`.
    ///
    /// # Panics
    /// If out of range.
    #[must_use]
    pub fn get(&self, c: usize, i: usize, j: usize) -> T {
        self.view().get(c, i, j)
    }

    /// All values, the channels of a pixel side by side.
    #[must_use]
    pub fn to_interleaved(&self) -> Vec<T> {
        self.view().to_interleaved()
    }

    /// The image with every value clamped to `[0, 1]`.
    #[must_use]
    pub fn clamped(mut self) -> Self {
        for v in &mut self.data {
            *v = num_traits::clamp(*v, T::zero(), T::one());
        }
        self
    }
}

impl<T: Scalar> Image<T, 3> {
    /// The luma `0.299 R + 0.587 G + 0.114 B` (ITU-R BT.601).
    #[must_use]
    pub fn to_gray(&self) -> Gray<T> {
        let (wr, wg, wb) = (T::of(0.299), T::of(0.587), T::of(0.114));
        let data = self
            .plane(0)
            .iter()
            .zip(self.plane(1))
            .zip(self.plane(2))
            .map(|((&r, &g), &b)| wr * r + wg * g + wb * b)
            .collect();
        Image { height: self.height, width: self.width, data }
    }
}

impl<'a, T: Scalar, const C: usize> ImageRef<'a, T, C> {
    /// Views `data`, in the layout of [`Image::new`], without a copy.
    ///
    /// # Errors
    /// As [`Image::new`].
    pub fn new(height: usize, width: usize, data: &'a [T]) -> Result<Self, ImageError> {
        checked::<T, C>(height, width, data)?;
        Ok(Self { height, width, data })
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.height
    }

    /// Columns.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Height and width.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        (self.height, self.width)
    }

    /// All values, plane after plane.
    #[must_use]
    pub fn data(&self) -> &'a [T] {
        self.data
    }

    /// The plane of channel `c`, row by row.
    ///
    /// # Panics
    /// If `c >= C`.
    #[must_use]
    pub fn plane(&self, c: usize) -> &'a [T] {
        assert!(c < C, "channel {c} of {C}");
        let n = self.height * self.width;
        &self.data[c * n..(c + 1) * n]
    }

    /// The value of channel `c` at row `i` and column `j`.
    ///
    /// # Panics
    /// If out of range.
    #[must_use]
    pub fn get(&self, c: usize, i: usize, j: usize) -> T {
        assert!(j < self.width, "column {j} of {}", self.width);
        self.plane(c)[i * self.width + j]
    }

    /// All values, the channels of a pixel side by side.
    #[must_use]
    pub fn to_interleaved(&self) -> Vec<T> {
        let n = self.height * self.width;
        (0..C * n).map(|k| self.data[(k % C) * n + k / C]).collect()
    }

    /// An owned copy.
    #[must_use]
    pub fn to_image(&self) -> Image<T, C> {
        Image { height: self.height, width: self.width, data: self.data.to_vec() }
    }
}

impl<'a, T: Scalar, const C: usize> From<&'a Image<T, C>> for ImageRef<'a, T, C> {
    fn from(img: &'a Image<T, C>) -> Self {
        img.view()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn interleaved_and_planar_are_inverse() {
        let data: Vec<f64> = (0..24).map(f64::from).collect();
        let img = Rgb::from_interleaved(2, 4, &data).unwrap();
        assert_eq!(img.get(1, 1, 2), data[(4 + 2) * 3 + 1]);
        assert_eq!(img.to_interleaved(), data);
    }

    #[test]
    fn refuses_bad_data() {
        assert!(matches!(
            Gray::new(2, 2, vec![0.0; 3]),
            Err(ImageError::Linalg(LinalgError::Shape { expected: 4, got: 3, .. }))
        ));
        assert!(matches!(
            Gray::new(1, 2, vec![0.0, f64::NAN]),
            Err(ImageError::Linalg(LinalgError::NonFinite { index: 1, .. }))
        ));
        assert!(Gray::<f64>::new(0, 2, vec![]).is_err());
        assert!(Gray::<f64>::new(usize::MAX, 2, vec![]).is_err());
    }
}
