//! Super-resolution of single images from examples.
//!
//! A model is trained on pairs of small and large images ([`SuperResTrainer`]) and enlarges others by the same factor
//! ([`SuperResModel`]). Both work on the luminance; the two differences of colours are enlarged by bicubic interpolation.
//!
//! | step | |
//! |---|---|
//! | enlarge the small image by [`Bicubic`](crate::resize::Bicubic) interpolation | |
//! | features of every patch: first and second differences along rows and columns, reduced by principal components | `features` |
//! | predict what the interpolation lacks: coupled dictionaries (Zeyde, Elad, Protter 2010) or anchored ridge regression (Timofte, De Smet, Van Gool 2014) | `model` |
//! | average the overlaps, then make the result agree with the small image by back-projection (Irani and Peleg 1991) | `model` |

mod features;
mod model;
mod train;

pub use model::{Predictor, SuperResModel};
pub use train::{SuperResMethod, SuperResTrainer, TrainedSuperRes};
