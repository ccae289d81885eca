//! An image from overlapping patches: the weighted mean of all that cover a pixel.

use std::ops::Range;

use spm_linalg::{Scalar, check};

use crate::{Image, ImageError, ImageRef, PatchGrid};

/// Sums patches into an image and averages where they overlap.
///
/// $$ \hat x_i = \frac{\mu\, b_i + \sum_q w_q\, (R_q^T p_q)_i}{\mu + \sum_{q \ni i} w_q} $$
///
/// Plain text: `x_i = (mu·b_i + Σ_q w_q p_q(i)) / (mu + Σ_q w_q)`, sums over the patches `q` that cover pixel `i`.
///
/// Patches arrive in blocks of any size and order; memory is one image and one plane of weights, whatever the number
/// of patches. To have the same bits on every run, add the blocks in a fixed order.
///
/// ```
/// use spm_image::{Gray, PatchAverage, PatchGrid};
/// let img = Gray::new(3, 3, vec![0.5; 9])?;
/// let grid = PatchGrid::<1>::overlapping(img.size(), (2, 2))?;
/// let mut average = PatchAverage::new(grid);
/// let mut buffer = vec![0.0; grid.dim() * 2];
/// for range in grid.blocks(2) {
///     let block = &mut buffer[..grid.dim() * range.len()];
///     grid.extract_into(img.view(), range.clone(), block)?;
///     average.add(range, block);
/// }
/// assert_eq!(average.finish(), img);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone)]
pub struct PatchAverage<T, const C: usize = 1> {
    grid: PatchGrid<C>,
    sum: Vec<T>,
    weight: Vec<T>,
}

impl<T: Scalar, const C: usize> PatchAverage<T, C> {
    /// An empty sum over the patches of a grid.
    #[must_use]
    pub fn new(grid: PatchGrid<C>) -> Self {
        let (h, w) = grid.image_size();
        Self { grid, sum: vec![T::zero(); C * h * w], weight: vec![T::zero(); h * w] }
    }

    /// Adds the patches numbered `range`, the columns of `patches`, with weight 1.
    ///
    /// # Panics
    /// If `patches` is not `dim × range.len()`.
    pub fn add(&mut self, range: Range<usize>, patches: &[T]) {
        self.add_with(range, patches, |_| T::one());
    }

    /// Adds the patches numbered `range`, each with its weight (`range.len()` numbers `>= 0`).
    ///
    /// # Panics
    /// If the lengths do not fit.
    pub fn add_weighted(&mut self, range: Range<usize>, patches: &[T], weights: &[T]) {
        check::dim("PatchAverage::add_weighted weights", range.len(), weights.len());
        self.add_with(range, patches, |k| weights[k]);
    }

    /// The average; pixels that no patch covers (or only with weight 0) are 0.
    #[must_use]
    pub fn finish(mut self) -> Image<T, C> {
        let n = self.weight.len();
        for plane in self.sum.chunks_exact_mut(n) {
            for (s, &w) in plane.iter_mut().zip(&self.weight) {
                *s = if w > T::zero() { *s / w } else { T::zero() };
            }
        }
        let (h, w) = self.grid.image_size();
        Image::from_parts(h, w, self.sum)
    }

    /// The average that also counts the image `prior` with weight `mu >= 0`, as Elad and Aharon (2006, equation 9)
    /// do with the noisy image; pixels that no patch covers are those of `prior`, even if `mu` is 0.
    ///
    /// # Errors
    /// [`ImageError::SizeMismatch`]; [`spm_linalg::LinalgError::InvalidParam`] if `mu` is negative or not finite.
    pub fn finish_with(mut self, prior: ImageRef<'_, T, C>, mu: T) -> Result<Image<T, C>, ImageError> {
        crate::error::same_size(self.grid.image_size(), prior.size())?;
        check::non_negative("mu", mu)?;
        let n = self.weight.len();
        for (plane, b) in self.sum.chunks_exact_mut(n).zip(prior.data().chunks_exact(n)) {
            for ((s, &w), &b) in plane.iter_mut().zip(&self.weight).zip(b) {
                *s = if w > T::zero() { (mu * b + *s) / (mu + w) } else { b };
            }
        }
        let (h, w) = self.grid.image_size();
        Ok(Image::from_parts(h, w, self.sum))
    }

    /// The sum of the weights over every pixel so far, one plane.
    #[must_use]
    pub fn weights(&self) -> &[T] {
        &self.weight
    }

    fn add_with(&mut self, range: Range<usize>, patches: &[T], weight: impl Fn(usize) -> T) {
        check::dim("PatchAverage::add patches", self.grid.dim() * range.len(), patches.len());
        self.grid.scatter_add(patches, range.clone(), &weight, &mut self.sum);
        self.grid.count_add(range, &weight, &mut self.weight);
    }
}
