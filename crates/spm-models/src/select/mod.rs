//! Choosing the strength of the penalty, and the features: cross-validation, information criteria, stability selection.
//!
//! | question | use |
//! |---|---|
//! | which `alpha` predicts best | [`CrossValidation`] with [`Rule::Min`] |
//! | the simplest model that predicts as well, within noise | [`CrossValidation`] with [`Rule::OneStandardError`] |
//! | no time for folds; n is large against the support | [`Criterion`] on a path |
//! | which features can be trusted, with a bound on false ones | [`StabilitySelection`] |

mod criteria;
mod cv;
mod folds;
mod stability;

pub use criteria::Criterion;
pub use cv::{CrossValidation, FittedCv, Rule};
pub use folds::Folds;
pub use stability::{FittedStability, StabilitySelection};
