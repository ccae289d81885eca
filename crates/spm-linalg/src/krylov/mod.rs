//! Methods that need only products: conjugate gradients, LSQR, the operator norm, a leading eigenvector.
//!
//! [`Cg`] and [`Lsqr`] own their vectors: make one and solve many systems with it, without allocation. Each
//! computes the residual that it reports from its definition, and says with a [`KrylovStatus`] how it ended.

mod cg;
mod leading;
mod lsqr;
mod norm;

pub use cg::{Cg, CgReport};
pub use leading::leading_eigenvector;
pub use lsqr::{Lsqr, LsqrReport};
pub use norm::{NormEstimate, operator_norm};

/// How an iterative solve ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KrylovStatus {
    /// The residual, computed from its definition, meets the tolerance.
    Converged,
    /// The iteration limit came first.
    MaxIterations,
    /// Rounding prevents a smaller residual: the tolerance is too small for this matrix and scalar.
    Stagnated,
    /// The operator is not positive definite, or a NaN or infinity appeared.
    Breakdown,
}
