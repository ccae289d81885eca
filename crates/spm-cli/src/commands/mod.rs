//! One command a file: its arguments, and how they become a call of the library.

mod atoms;
mod coder;
pub(crate) mod compare;
pub(crate) mod curvature;
pub(crate) mod cv;
pub(crate) mod demo;
pub(crate) mod denoise;
pub(crate) mod genlasso;
pub(crate) mod info;
pub(crate) mod inpaint;
pub(crate) mod inspect;
pub(crate) mod ksvd;
pub(crate) mod lasso;
mod lasso_concave;
mod lasso_features;
mod lasso_loss;
mod lasso_missing;
mod lasso_structured;
pub(crate) mod mri;
pub(crate) mod omp;
pub(crate) mod path;
pub(crate) mod regression;
mod series_structured;
pub(crate) mod superres;
pub(crate) mod trend;
pub(crate) mod tv1d;
