//! The error type of this crate.

/// What can be wrong with the input of an operator, function or factorisation.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum LinalgError {
    /// A length or dimension differs from what the other arguments imply.
    #[error("{what}: expected length {expected}, got {got}")]
    Shape {
        /// Which argument.
        what: &'static str,
        /// The length it should have.
        expected: usize,
        /// The length it has.
        got: usize,
    },
    /// An argument that must not be empty is.
    #[error("{what} is empty")]
    Empty {
        /// Which argument.
        what: &'static str,
    },
    /// A parameter lies outside its domain.
    #[error("{name} must be {expected}, got {got}")]
    InvalidParam {
        /// The parameter's name.
        name: &'static str,
        /// The domain in words.
        expected: &'static str,
        /// The value given.
        got: f64,
    },
    /// A function or operator lacks a property that its use needs.
    #[error("{name} must be {expected}")]
    MissingProperty {
        /// Which argument.
        name: &'static str,
        /// The property in words.
        expected: &'static str,
    },
    /// A NaN or an infinity where a finite number is needed.
    #[error("{what} has a NaN or infinite value at index {index}")]
    NonFinite {
        /// Which argument.
        what: &'static str,
        /// Where, counted in storage order from 0.
        index: usize,
    },
    /// A NaN or an infinity in a matrix where a finite number is needed.
    #[error("{what} has a NaN or infinite value at row {row}, column {col}")]
    NonFiniteAt {
        /// Which matrix.
        what: &'static str,
        /// Row, counted from 0.
        row: usize,
        /// Column, counted from 0.
        col: usize,
    },
    /// A matrix that must be positive definite is not.
    #[error("matrix is not positive definite (pivot {pivot})")]
    NotPositiveDefinite {
        /// The index of the first pivot that failed.
        pivot: usize,
    },
    /// An iterative factorisation did not converge.
    #[error("{what} did not converge")]
    NoConvergence {
        /// Which factorisation.
        what: &'static str,
    },
}
