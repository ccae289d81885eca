//! The contract of a solver, and reference problems to hold it to.
//!
//! Enable the feature `testing` in your dev-dependencies and call [`check_solver`] on your own
//! [`Iteration`](crate::Iteration).

mod contract;
mod reference;

pub use contract::{ContractOptions, Solve, check_solver, try_check_solver};
pub use reference::{Reference, denoising_problems, lasso_problems};

/// The tutorial, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/add-a-solver.md")]
mod add_a_solver {}
