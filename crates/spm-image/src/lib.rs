#![doc = include_str!("../README.md")]

pub mod contour;
pub mod denoise_ksvd;
pub mod dictionary;
pub mod inpaint;
pub mod inspect;
pub mod metrics;
pub mod mri;
pub mod patches;
pub mod resize;
pub mod superres;
pub mod tv;
pub mod wavelet;

mod error;
mod fourier;
#[cfg(feature = "io")]
pub mod io;
mod learned;
mod noise;
mod options;
mod par;
mod plane;
mod reconstruct;
mod watch;

pub use error::ImageError;
pub use noise::estimate_sigma;
pub use patches::{Border, PatchGrid, PatchOperator};
pub use plane::{Gray, Image, ImageRef, Rgb};
pub use reconstruct::PatchAverage;
pub use watch::{Step, Watch};
