#![doc = include_str!("../README.md")]

pub mod check;
pub mod factor;
pub mod function;
#[cfg(any(feature = "ndarray", feature = "nalgebra", feature = "sprs"))]
pub mod interop;
pub mod krylov;
pub mod operator;
pub mod scratch;
#[cfg(feature = "testing")]
pub mod testing;
pub mod vecops;

mod error;
mod rng;
mod scalar;

pub use error::LinalgError;
/// The exact version of the backend that the constructors of this crate accept.
pub use faer;
pub use function::{Facts, GroupProx, Prox, SeparableProx, Smooth, calculus, penalty, set};
pub use operator::{
    Dense, Design, DesignMatrix, LinearOperator, LinearOperatorExt, Sparse, Standardized, Standardizing,
};
pub use scalar::Scalar;
pub use scratch::{MemStack, StackReq, Workspace};
