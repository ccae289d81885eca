//! Acceleration of first-order methods.

mod nesterov;

pub use nesterov::Nesterov;
