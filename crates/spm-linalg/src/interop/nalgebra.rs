//! Views of and for `nalgebra`, whose matrices are column-major, too.
//!
//! ```
//! use nalgebra::DMatrix;
//! use spm_linalg::{Dense, Design, LinearOperator, interop};
//! let x = DMatrix::from_row_slice(3, 2, &[1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
//! let design = Design::from(&x);
//! assert_eq!((design.nrows(), design.ncols()), (3, 2));
//! assert_eq!(Dense::from(&x).col(1), [4.0, 5.0, 6.0]);
//! // Results as views: p coefficients of two targets.
//! let coef = [0.5, 0.0, 1.0, -1.0];
//! let view = interop::nalgebra::view(&coef, 2, 2)?;
//! assert_eq!((view[(0, 1)], view[(1, 1)]), (1.0, -1.0));
//! # Ok::<(), spm_linalg::LinalgError>(())
//! ```

use ::nalgebra::{DMatrixView, Dim, IsContiguous, Matrix, RawStorage};

use crate::faer::MatRef;
use crate::{Dense, Design, LinalgError, Scalar, check};

impl<'a, T: Scalar, R: Dim, C: Dim, S: RawStorage<T, R, C> + IsContiguous> From<&'a Matrix<T, R, C, S>>
    for Dense<'a, T>
{
    fn from(x: &'a Matrix<T, R, C, S>) -> Self {
        let mat = MatRef::from_column_major_slice(x.as_slice(), x.nrows(), x.ncols());
        Self::new(mat).unwrap_or_else(|_| unreachable!("the rows of a column are neighbours"))
    }
}

impl<'a, T: Scalar, R: Dim, C: Dim, S: RawStorage<T, R, C> + IsContiguous> From<&'a Matrix<T, R, C, S>>
    for Design<'a, T>
{
    fn from(x: &'a Matrix<T, R, C, S>) -> Self {
        Self::Dense(Dense::from(x))
    }
}

/// Views column-major numbers as an `nrows × ncols` matrix.
///
/// # Errors
/// [`LinalgError::Shape`] if there are not `nrows·ncols` of them.
pub fn view<T: Scalar>(values: &[T], nrows: usize, ncols: usize) -> Result<DMatrixView<'_, T>, LinalgError> {
    check::len("matrix for nalgebra", nrows.saturating_mul(ncols), values.len())?;
    Ok(DMatrixView::from_slice(values, nrows, ncols))
}
