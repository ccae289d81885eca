//! How alike two images are: [`mse`], [`psnr`], [`Ssim`], [`ms_ssim`].
//!
//! All compute in double precision whatever the type of the images. The data range is the distance between the least
//! and the largest possible value: 1 for images in `[0, 1]`, 255 for bytes.

mod ms_ssim;
mod psnr;
mod ssim;

pub use ms_ssim::ms_ssim;
pub use psnr::{mse, psnr};
pub use ssim::{Ssim, Window};
