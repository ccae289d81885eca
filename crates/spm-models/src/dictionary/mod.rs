//! Dictionaries, sparse codes and their training.
//!
//! Signals are columns: `Y` is `d × N`, a [`Dictionary`] `D` is `d × K`, [`Codes`] `X` are `K × N`, and `Y ≈ D X`. A
//! column-major slice with signals as columns is, byte for byte, the row-major `N × d` array of NumPy.
//!
//! | to | use |
//! |---|---|
//! | code signals greedily, with missing entries too | [`Omp`] |
//! | minimise a residual plus a 1-norm, signs free or not | [`LassoCoder`] |
//! | follow its path, to a number of atoms or an error bound | [`LarsCoder`] |
//! | have the signals of a group share their atoms | [`JointCoder`] |
//! | code with non-negative coefficients | [`NonNegativeOmp`] |
//! | code by other means | [`Threshold`], [`Iht`], [`CoSaMp`], or your own [`Coder`] |
//! | learn a dictionary, from signals with missing entries too | [`Ksvd`] |
//! | learn from a stream, or faster from many signals | [`Online`] |
//! | start from cosines | [`dct`] |
//! | keep dictionary, coder, normalisation and whitening in one, to save and load | [`Encoder`] |

mod coder;
mod codes;
pub mod dct;
#[allow(clippy::module_inception)]
mod dictionary;
mod encoder;
mod init;
mod ksvd;
mod online;
mod options;
pub(crate) mod parallel;

pub use coder::{
    AnyCoder, CoSaMp, Coder, Iht, JointCoder, LarsCoder, LassoCoder, MaskedCoder, NonNegativeOmp, Omp,
    Threshold, known_entries,
};
pub use codes::Codes;
pub use dictionary::Dictionary;
pub use encoder::{Encoded, Encoder};
pub use init::Init;
pub use ksvd::{FittedKsvd, Ksvd, Update};
pub use online::{AtomNorm, FittedOnline, Online, OnlineLearner, update_atoms};
pub use spm_solvers::batch_lasso::LassoMethod;
pub use spm_solvers::batch_omp::Rule;
