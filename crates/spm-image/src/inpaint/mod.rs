//! Missing pixels: smooth interpolation, and sparse coding in a dictionary learned from the image itself.

mod ksvd;
mod smooth;

pub use ksvd::{KsvdInpaint, KsvdInpainted};
pub use smooth::fill_smoothly;
