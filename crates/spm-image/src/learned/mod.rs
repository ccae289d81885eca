//! What methods with a learned dictionary share: a pass over all patches of an image, and training from its patches.

mod pass;
mod train;
mod wiener;

pub(crate) use pass::{Noisy, Pass, Sums};
pub(crate) use train::{cosines, from_model, sample, train};

use spm_linalg::Scalar;

use crate::ImageRef;

/// Whether all channels are equal: a grey image.
pub(crate) fn same_channels<T: Scalar, const C: usize>(image: ImageRef<'_, T, C>) -> bool {
    (1..C).all(|c| image.plane(c) == image.plane(0))
}
