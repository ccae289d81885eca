#![doc = include_str!("../README.md")]

pub use spm_image as image;
pub use spm_linalg as linalg;
pub use spm_models as models;
pub use spm_solvers as solvers;
pub use spm_timeseries as timeseries;
