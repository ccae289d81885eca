#![doc = include_str!("../README.md")]

mod data;
pub mod dictionary;
mod error;
mod estimator;
#[cfg(feature = "serde")]
pub mod file;
pub mod linear;
pub mod oneclass;
pub mod preprocess;
mod rows;
pub mod select;

pub use data::{Design, Xy};
pub use dictionary::{Coder, Codes, Dictionary, Ksvd, Omp};
pub use error::ModelError;
pub use estimator::{Fit, Predict, Score};
pub use linear::{AdaptiveLasso, FittedOmp, GlmModel, MultiTaskModel, OmpRegression, OmpStep};
pub use linear::{Concave, ConcaveRegression, ConcaveStart, FittedConcave};
pub use linear::{
    CovarianceNorm, ElasticNet, Family, FitControl, FittedGeneralized, FittedGlm, FittedHmLasso,
    FittedLinear, FittedMultiTask, GeneralizedLasso, GroupLasso, HmLasso, LarsKnot, LarsPath, Lasso,
    LassoLars, LinearModel, MultiTaskLasso, MultiXy, Slope, Solver, SparseGlm, Structure,
};
pub use linear::{ElasticNetPath, FittedPath, HmLassoPath};
pub use select::{Criterion, CrossValidation, Folds, StabilitySelection};
