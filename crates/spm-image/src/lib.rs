#![doc = include_str!("../README.md")]

pub mod dictionary;
pub mod metrics;
pub mod patches;
pub mod resize;
pub mod tv;

mod error;
#[cfg(feature = "io")]
pub mod io;
mod par;
mod plane;
mod reconstruct;

pub use error::ImageError;
pub use patches::{Border, PatchGrid, PatchOperator};
pub use plane::{Gray, Image, ImageRef, Rgb};
pub use reconstruct::PatchAverage;
