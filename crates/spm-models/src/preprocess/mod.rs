//! What is done to signals before they are coded, and its inverse.
//!
//! | to | use |
//! |---|---|
//! | take the mean off every signal, divide by its standard deviation | [`Normalizer`] |
//! | make the entries uncorrelated and of unit variance over all signals | [`Whitening`] |
//!
//! Signals are columns of a `d × N` matrix in column-major order, as in [`crate::dictionary`].

mod normalizer;
mod whitening;

pub use normalizer::{Moments, Normalizer};
pub use whitening::{FittedWhitening, Thresholding, Whitening};
