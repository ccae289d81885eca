//! Laws that every operator and function must obey, slow twins, and a small random generator.
//!
//! Enable the feature `testing` in your dev-dependencies and call the checks on your own types. Nothing here
//! pulls in a dependency.

mod catalogue;
mod catalogue_functions;
mod law;
mod operator;
mod prox;
mod prox_parts;
mod rng;
mod smooth;

pub use catalogue::operators;
pub use catalogue_functions::{functions, group_functions, separable_functions, smooth_functions};
pub use law::LawViolation;
pub use operator::{check_design_matrix, check_operator, try_check_design_matrix, try_check_operator};
pub use prox::{check_prox, try_check_precisions, try_check_prox};
pub use prox_parts::{check_group, check_separable, try_check_group, try_check_separable};
pub use rng::Rng;
pub use smooth::{check_smooth, try_check_smooth};

/// The tutorial, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/add-an-operator.md")]
mod add_an_operator {}

/// The tutorial, compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/add-a-prox.md")]
mod add_a_prox {}
