//! Penalties, one a file.
//!
//! | penalty | formula | convex | separable |
//! |---|---|---|---|
//! | [`Zero`] | `0` | yes | yes |
//! | [`L1`] | `λ‖x‖₁` | yes | yes |
//! | [`WeightedL1`] | `Σ w_j abs(x_j)` | yes | yes |
//! | [`NonNegL1`] | `λ Σ x_j` for `x >= 0` | yes | yes |
//! | [`ElasticNet`] | `l1‖x‖₁ + l2/2‖x‖²` | yes | yes |
//! | [`SquaredL2`] | `λ/2‖x − b‖²` | yes | yes |
//! | [`Huber`] | Huber function of every entry | yes | yes |
//! | [`KullbackLeibler`] | `λ Σ x_j − b_j log x_j` | yes | yes |
//! | [`L2`] | `λ‖x‖₂` | yes | |
//! | [`GroupL2`] | `λ Σ w_g ‖x_g‖₂` | yes | by group |
//! | [`SparseGroup`] | `l1‖x‖₁ + λ Σ w_g ‖x_g‖₂` | yes | by group |
//! | [`L21`] | `λ Σ` norms of the rows of a matrix | yes | |
//! | [`Linf`] | `λ‖x‖_∞` | yes | |
//! | [`Nuclear`] | `λ Σ` singular values | yes | |
//! | [`Slope`] | sorted L1 norm | yes | |
//! | [`Tv1d`] | `λ Σ w_i abs(x_{i+1} − x_i)` | yes | |
//! | [`L0`] | `λ·#{x_j ≠ 0}` | | yes |
//! | [`Mcp`] | minimax concave penalty | | yes |
//! | [`Scad`] | smoothly clipped absolute deviation | | yes |
//! | [`LogSum`] | `λ Σ log(1 + abs(x_j)/ε)` | | yes |
//!
//! The prox of a nonconvex penalty can have two minimisers; every one here then returns the smaller in absolute
//! value, which is zero wherever zero is one of them.

mod cone;
mod elastic_net;
mod group_l2;
mod huber;
mod hull;
mod kullback_leibler;
mod l0;
mod l1;
mod l2;
mod l21;
mod linf;
mod log_sum;
mod mcp;
mod non_neg_l1;
mod nuclear;
mod scad;
mod slope;
mod sparse_group;
mod squared_l2;
mod tube;
mod tv1d;
mod tv1d_into;
mod weighted_l1;
mod zero;

pub use elastic_net::ElasticNet;
pub use group_l2::GroupL2;
pub use huber::Huber;
pub use kullback_leibler::KullbackLeibler;
pub use l0::L0;
pub use l1::L1;
pub use l2::L2;
pub use l21::L21;
pub use linf::Linf;
pub use log_sum::LogSum;
pub use mcp::Mcp;
pub use non_neg_l1::NonNegL1;
pub use nuclear::Nuclear;
pub use scad::Scad;
pub use slope::Slope;
pub use sparse_group::SparseGroup;
pub use squared_l2::SquaredL2;
pub use tv1d::Tv1d;
pub use tv1d_into::{tv1d_halves_into, tv1d_into, tv1d_scratch};
pub use weighted_l1::WeightedL1;
pub use zero::Zero;
