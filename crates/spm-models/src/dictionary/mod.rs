//! Dictionaries, sparse codes and their training.
//!
//! Signals are columns: `Y` is `d × N`, a [`Dictionary`] `D` is `d × K`, [`Codes`] `X` are `K × N`, and `Y ≈ D X`. A
//! column-major slice with signals as columns is, byte for byte, the row-major `N × d` array of NumPy.
//!
//! | to | use |
//! |---|---|
//! | code signals greedily, with missing entries too | [`Omp`] |
//! | learn a dictionary, from signals with missing entries too | [`Ksvd`] |
//! | start from cosines | [`dct`] |

mod coder;
mod codes;
pub mod dct;
#[allow(clippy::module_inception)]
mod dictionary;
mod init;
mod ksvd;
mod parallel;

pub use coder::{Coder, MaskedCoder, Omp, known_entries};
pub use codes::Codes;
pub use dictionary::Dictionary;
pub use init::Init;
pub use ksvd::{FittedKsvd, Ksvd, Update};
pub use spm_solvers::batch_omp::Rule;
