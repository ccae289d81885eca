//! Patches of an image: which ones there are, and their pixels as columns.

use std::ops::Range;

use spm_linalg::{LinearOperator, MemStack, Scalar, check};

use crate::{ImageError, ImageRef};

/// What happens where the stride does not reach the far border.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Border {
    /// One more row or column of patches, moved back inside so that it ends at the border: every pixel is covered
    /// whenever the stride is at most the patch size.
    #[default]
    Cover,
    /// The remainder is left out: pixels beyond the last patch that fits are in no patch.
    Drop,
}

/// Where the patches of an image lie: patch size, stride, border rule.
///
/// Patches are numbered row by row by their upper left corner, rows of corners at `0, s, 2s, …` as long as the patch
/// fits (and at `height − patch height` under [`Border::Cover`]). A patch is a vector of
/// [`dim`](Self::dim)` = C·patch height·patch width` values: channel after channel, each row by row. Many patches form a
/// `dim × N` matrix, a patch a column, in column-major order.
///
/// Nothing here holds pixels: [`extract_into`](Self::extract_into) copies any range of patches, so that a large image
/// is worked off in [`blocks`](Self::blocks) of bounded memory.
///
/// ```
/// use spm_image::{Border, Gray, PatchGrid};
/// let img = Gray::new(3, 4, (0..12).map(f64::from).collect())?;
/// let grid = PatchGrid::<1>::new(img.size(), (2, 2), (1, 2), Border::Cover)?;
/// assert_eq!((grid.len(), grid.dim()), (4, 4));
/// let patches = grid.extract(img.view())?; // 4 × 4
/// assert_eq!(patches[4..8], [2.0, 3.0, 6.0, 7.0]); // patch 1: corner (0, 2)
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchGrid<const C: usize = 1> {
    image: (usize, usize),
    patch: (usize, usize),
    stride: (usize, usize),
    border: Border,
    counts: (usize, usize),
}

impl<const C: usize> PatchGrid<C> {
    /// The patches of size `patch` of an image of size `image`, every `stride` pixels; all as (height, width).
    ///
    /// # Errors
    /// [`ImageError::TooSmall`] if the patch is larger than the image in either direction; an empty patch or a zero
    /// stride as [`spm_linalg::LinalgError::Empty`].
    pub fn new(
        image: (usize, usize),
        patch: (usize, usize),
        stride: (usize, usize),
        border: Border,
    ) -> Result<Self, ImageError> {
        check::non_empty("image channels", C)?;
        check::non_empty("patch height", patch.0)?;
        check::non_empty("patch width", patch.1)?;
        check::non_empty("vertical stride", stride.0)?;
        check::non_empty("horizontal stride", stride.1)?;
        if patch.0 > image.0 || patch.1 > image.1 {
            return Err(ImageError::TooSmall { what: "a patch", size: patch, image });
        }
        let count = |n: usize, p: usize, s: usize| {
            let regular = (n - p) / s + 1;
            regular + usize::from(border == Border::Cover && !(n - p).is_multiple_of(s))
        };
        let counts = (count(image.0, patch.0, stride.0), count(image.1, patch.1, stride.1));
        Ok(Self { image, patch, stride, border, counts })
    }

    /// All overlapping patches: stride 1 in both directions.
    ///
    /// # Errors
    /// As [`PatchGrid::new`].
    pub fn overlapping(image: (usize, usize), patch: (usize, usize)) -> Result<Self, ImageError> {
        Self::new(image, patch, (1, 1), Border::Cover)
    }

    /// Patches side by side, the remainder dropped.
    ///
    /// # Errors
    /// As [`PatchGrid::new`].
    pub fn tiles(image: (usize, usize), patch: (usize, usize)) -> Result<Self, ImageError> {
        Self::new(image, patch, patch, Border::Drop)
    }

    /// How many patches there are.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "there is always at least one patch")]
    pub fn len(&self) -> usize {
        self.counts.0 * self.counts.1
    }

    /// Values in a patch, `C·patch height·patch width`.
    #[must_use]
    pub fn dim(&self) -> usize {
        C * self.patch.0 * self.patch.1
    }

    /// Height and width of the image.
    #[must_use]
    pub fn image_size(&self) -> (usize, usize) {
        self.image
    }

    /// Height and width of a patch.
    #[must_use]
    pub fn patch_size(&self) -> (usize, usize) {
        self.patch
    }

    /// Rows and columns of patches; their product is [`len`](Self::len).
    #[must_use]
    pub fn counts(&self) -> (usize, usize) {
        self.counts
    }

    /// Row and column of the upper left pixel of patch `q`.
    ///
    /// # Panics
    /// If `q >= len()`.
    #[must_use]
    pub fn corner(&self, q: usize) -> (usize, usize) {
        assert!(q < self.len(), "patch {q} of {}", self.len());
        let (r, c) = (q / self.counts.1, q % self.counts.1);
        // The clamp only ever moves the last row or column of a covering grid.
        (
            (r * self.stride.0).min(self.image.0 - self.patch.0),
            (c * self.stride.1).min(self.image.1 - self.patch.1),
        )
    }

    /// The patch numbers in consecutive ranges of at most `block` patches (at least 1).
    pub fn blocks(&self, block: usize) -> impl Iterator<Item = Range<usize>> + use<C> {
        let (n, block) = (self.len(), block.max(1));
        (0..n).step_by(block).map(move |first| first..(first + block).min(n))
    }

    /// Copies the patches numbered `range` into the columns of `out` (length `dim()·range.len()`).
    ///
    /// O(`out.len()`) time, no memory.
    ///
    /// # Errors
    /// [`ImageError::SizeMismatch`] if the image has not the size of the grid.
    ///
    /// # Panics
    /// If `range` is not within `0..len()` or `out` has the wrong length.
    pub fn extract_into<T: Scalar>(
        &self,
        image: ImageRef<'_, T, C>,
        range: Range<usize>,
        out: &mut [T],
    ) -> Result<(), ImageError> {
        crate::error::same_size(self.image, image.size())?;
        check::dim("PatchGrid::extract_into out", self.dim() * range.len(), out.len());
        self.gather(image.data(), range, out);
        Ok(())
    }

    /// All patches, `dim()·len()` values: about `patch height·patch width` times the image at stride 1.
    ///
    /// # Errors
    /// As [`extract_into`](Self::extract_into).
    pub fn extract<T: Scalar>(&self, image: ImageRef<'_, T, C>) -> Result<Vec<T>, ImageError> {
        let mut out = vec![T::zero(); self.dim() * self.len()];
        self.extract_into(image, 0..self.len(), &mut out)?;
        Ok(out)
    }

    /// The patches as a linear operator from the image to all patches; its adjoint adds patches up.
    #[must_use]
    pub fn operator(&self) -> PatchOperator<C> {
        PatchOperator { grid: *self }
    }

    fn gather<T: Scalar>(&self, data: &[T], range: Range<usize>, out: &mut [T]) {
        let (ph, pw) = self.patch;
        for (q, col) in range.zip(out.chunks_exact_mut(self.dim())) {
            let corner = self.corner(q);
            for (c, channel) in col.chunks_exact_mut(ph * pw).enumerate() {
                for (r, row) in channel.chunks_exact_mut(pw).enumerate() {
                    row.copy_from_slice(&data[self.row_start(corner, c, r)..][..pw]);
                }
            }
        }
    }

    /// Adds the columns of `patches` (those numbered `range`), times their weight, to the image `sum`.
    pub(crate) fn scatter_add<T: Scalar>(
        &self,
        patches: &[T],
        range: Range<usize>,
        weight: impl Fn(usize) -> T,
        sum: &mut [T],
    ) {
        let (ph, pw) = self.patch;
        for ((index, q), col) in range.enumerate().zip(patches.chunks_exact(self.dim())) {
            let a = weight(index);
            let corner = self.corner(q);
            for (c, channel) in col.chunks_exact(ph * pw).enumerate() {
                for (r, row) in channel.chunks_exact(pw).enumerate() {
                    let start = self.row_start(corner, c, r);
                    for (s, &v) in sum[start..start + pw].iter_mut().zip(row) {
                        *s += a * v;
                    }
                }
            }
        }
    }

    /// Adds the weights of the patches numbered `range` to the pixels that they cover, in the plane `count`.
    pub(crate) fn count_add<T: Scalar>(
        &self,
        range: Range<usize>,
        weight: impl Fn(usize) -> T,
        count: &mut [T],
    ) {
        let (ph, pw) = self.patch;
        for (index, q) in range.enumerate() {
            let a = weight(index);
            let corner = self.corner(q);
            for r in 0..ph {
                let start = self.row_start(corner, 0, r);
                for s in &mut count[start..start + pw] {
                    *s += a;
                }
            }
        }
    }

    /// Index in the image data of row `r` of channel `c` of the patch with corner `(i, j)`.
    #[inline]
    fn row_start(&self, (i, j): (usize, usize), c: usize, r: usize) -> usize {
        (c * self.image.0 + i + r) * self.image.1 + j
    }

    /// The largest number of patches that cover one pixel.
    fn max_cover(&self) -> usize {
        let along = |n: usize, p: usize, s: usize, count: usize| {
            let starts = (0..count).map(|k| (k * s).min(n - p));
            let mut cover = vec![0_usize; n];
            for a in starts {
                for c in &mut cover[a..a + p] {
                    *c += 1;
                }
            }
            cover.into_iter().max().unwrap_or(0)
        };
        along(self.image.0, self.patch.0, self.stride.0, self.counts.0)
            * along(self.image.1, self.patch.1, self.stride.1, self.counts.1)
    }
}

/// The linear map `R` from an image to all its patches, `dim·N` values; `Rᵀ` adds patches up where they came from.
///
/// `RᵀR` is diagonal, the number of patches over each pixel, so `‖R‖²` is its maximum.
///
/// ```
/// use spm_image::PatchGrid;
/// use spm_linalg::LinearOperator;
/// let op = PatchGrid::<1>::overlapping((6, 6), (2, 3))?.operator();
/// assert_eq!(LinearOperator::<f64>::norm_bound(&op), Some(6.0_f64.sqrt()));
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatchOperator<const C: usize = 1> {
    grid: PatchGrid<C>,
}

impl<T: Scalar, const C: usize> LinearOperator<T> for PatchOperator<C> {
    fn nrows(&self) -> usize {
        self.grid.dim() * self.grid.len()
    }

    fn ncols(&self) -> usize {
        C * self.grid.image.0 * self.grid.image.1
    }

    fn apply(&self, x: &[T], y: &mut [T], _stack: &mut MemStack) {
        check::dim("PatchOperator::apply x", LinearOperator::<T>::ncols(self), x.len());
        check::dim("PatchOperator::apply y", LinearOperator::<T>::nrows(self), y.len());
        self.grid.gather(x, 0..self.grid.len(), y);
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], _stack: &mut MemStack) {
        check::dim("PatchOperator::apply_adjoint y", LinearOperator::<T>::nrows(self), y.len());
        check::dim("PatchOperator::apply_adjoint x", LinearOperator::<T>::ncols(self), x.len());
        x.fill(T::zero());
        self.grid.scatter_add(y, 0..self.grid.len(), |_| T::one(), x);
    }

    fn norm_bound(&self) -> Option<T> {
        Some(T::of_usize(self.grid.max_cover()).sqrt())
    }
}

/// Takes the mean off every column of a `dim × N` matrix of patches; returns the `N` means.
///
/// O(`patches.len()`) time.
///
/// # Panics
/// If `dim` is 0 or does not divide the length.
///
/// ```
/// let mut patches = [1.0, 3.0, 10.0, 10.0];
/// let means = spm_image::patches::remove_means(&mut patches, 2);
/// assert_eq!((means, patches), (vec![2.0, 10.0], [-1.0, 1.0, 0.0, 0.0]));
/// ```
pub fn remove_means<T: Scalar>(patches: &mut [T], dim: usize) -> Vec<T> {
    assert!(
        dim > 0 && patches.len().is_multiple_of(dim),
        "remove_means: {} values, dim {dim}",
        patches.len()
    );
    let n = T::of_usize(dim);
    patches
        .chunks_exact_mut(dim)
        .map(|p| {
            let mean = p.iter().copied().sum::<T>() / n;
            for v in p {
                *v -= mean;
            }
            mean
        })
        .collect()
}

/// Adds a mean to every column of a `dim × N` matrix of patches: the inverse of [`remove_means`].
///
/// # Panics
/// If the lengths do not fit.
pub fn add_means<T: Scalar>(patches: &mut [T], means: &[T]) {
    if means.is_empty() {
        check::dim("add_means patches", 0, patches.len());
        return;
    }
    let dim = patches.len() / means.len();
    check::dim("add_means patches", dim * means.len(), patches.len());
    for (p, &mean) in patches.chunks_exact_mut(dim.max(1)).zip(means) {
        for v in p {
            *v += mean;
        }
    }
}
