//! Convex sets (and one that is not), one a file, as indicator functions: 0 inside, +∞ outside.
//!
//! | set | points |
//! |---|---|
//! | [`Bounds`] | `lower <= x <= upper` |
//! | [`NonNeg`] | `x >= 0` |
//! | [`Psd`] | symmetric, eigenvalues `>= floor` |
//! | [`Simplex`] | `x >= 0`, sum `r` |
//! | [`L1Ball`] | `‖x‖₁ <= r` |
//! | [`L2Ball`] | `‖x‖₂ <= r` |
//! | [`Affine`] | `A x = b` |
//! | [`Cardinality`] | at most `k` nonzeros; not convex |
//!
//! The prox is the projection and ignores the step. Constraints on sums hold up to rounding, `(n + 8)` units in the
//! last place of the bound, so that a projected point has the value 0; bounds of single entries hold exactly.

mod affine;
mod bounds;
mod cardinality;
mod l1_ball;
mod l2_ball;
mod non_neg;
mod psd;
mod simplex;

pub use affine::Affine;
pub use bounds::Bounds;
pub use cardinality::Cardinality;
pub use l1_ball::L1Ball;
pub(crate) use l1_ball::project_l1_ball;
pub use l2_ball::L2Ball;
pub use non_neg::NonNeg;
pub use psd::Psd;
pub use simplex::Simplex;
