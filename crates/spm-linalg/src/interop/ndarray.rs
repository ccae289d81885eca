//! Views of and for `ndarray`.
//!
//! ```
//! use ndarray::{Array2, ShapeBuilder, array};
//! use spm_linalg::{Dense, Design, LinearOperator, interop};
//! // Column-major: viewed in place.
//! let x = Array2::from_shape_vec((3, 2).f(), vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0])?;
//! let design = Design::try_from(x.view())?;
//! assert_eq!((design.nrows(), design.ncols()), (3, 2));
//! // Row-major, the default of ndarray: refused, unless it is meant as the transpose (a signal a row).
//! let signals = array![[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]];
//! assert!(Dense::try_from(signals.view()).is_err());
//! assert_eq!(Dense::try_from(signals.t())?.col(1), [4.0, 5.0, 6.0]);
//! // A design that is stored by rows is copied once, by ndarray.
//! let mut copy = Array2::zeros(signals.raw_dim().f());
//! copy.assign(&signals);
//! assert_eq!(Dense::try_from(copy.view())?.col(0), [1.0, 4.0]);
//! // Results, which are column-major, as views: p coefficients of two targets.
//! let coef = [0.5, 0.0, 1.0, -1.0];
//! assert_eq!(interop::ndarray::view(&coef, 2, 2)?, array![[0.5, 1.0], [0.0, -1.0]]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use ::ndarray::{ArrayView2, ShapeBuilder};

use crate::{Dense, Design, LinalgError, Scalar, check};

impl<'a, T: Scalar> TryFrom<ArrayView2<'a, T>> for Dense<'a, T> {
    type Error = LinalgError;

    /// Views a matrix in column-major order, of which whole columns may have been left out at either end.
    ///
    /// # Errors
    /// [`LinalgError::MissingProperty`] for any other layout.
    fn try_from(x: ArrayView2<'a, T>) -> Result<Self, LinalgError> {
        let (n, p) = x.dim();
        let columns = x.reversed_axes().to_slice().ok_or(LinalgError::MissingProperty {
            name: "a matrix from ndarray",
            expected: "column-major without gaps (`.f()`, or the transpose of a row-major one)",
        })?;
        Self::from_column_major(columns, n, p)
    }
}

impl<'a, T: Scalar> TryFrom<ArrayView2<'a, T>> for Design<'a, T> {
    type Error = LinalgError;

    /// As for [`Dense`].
    ///
    /// # Errors
    /// As for [`Dense`].
    fn try_from(x: ArrayView2<'a, T>) -> Result<Self, LinalgError> {
        Dense::try_from(x).map(Self::Dense)
    }
}

/// Views column-major numbers as an `nrows × ncols` matrix.
///
/// # Errors
/// [`LinalgError::Shape`] if there are not `nrows·ncols` of them.
pub fn view<T: Scalar>(values: &[T], nrows: usize, ncols: usize) -> Result<ArrayView2<'_, T>, LinalgError> {
    let expected = nrows.saturating_mul(ncols);
    let wrong = LinalgError::Shape { what: "matrix for ndarray", expected, got: values.len() };
    check::len("matrix for ndarray", expected, values.len())?;
    ArrayView2::from_shape((nrows, ncols).f(), values).map_err(|_| wrong)
}
