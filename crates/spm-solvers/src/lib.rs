#![doc = include_str!("../README.md")]

pub mod accel;
pub mod admm;
pub mod batch_lasso;
pub mod batch_omp;
mod block;
mod certificate;
mod certified;
mod coordinate;
mod driver;
mod error;
mod fista;
pub mod gram_dictionary;
pub mod kkt;
pub mod lars;
pub mod loss;
pub mod observe;
pub mod omp;
mod pdhg;
pub mod polish;
mod problem;
mod quadratic_l1;
mod step;
pub mod stop;
#[cfg(feature = "testing")]
pub mod testing;

pub use block::BlockDescent;
pub use certificate::{Certificate, Certify};
pub use certified::Certified;
pub use coordinate::CoordinateDescent;
pub use driver::{Control, Iteration, Progress, Report, Status, run};
pub use error::SolveError;
pub use fista::{Fista, FistaOptions};
pub use observe::Observer;
pub use pdhg::{Pdhg, PdhgOptions};
pub use problem::{Composite, Split, Term};
pub use quadratic_l1::QuadraticL1;
pub use step::StepSize;
pub use stop::StopRule;
