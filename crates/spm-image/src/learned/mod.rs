//! What methods with a learned dictionary share: a pass over all patches of an image, and training from its patches.

mod pass;
mod train;

pub(crate) use pass::{Pass, Sums};
pub(crate) use train::{cosines, sample, train};
