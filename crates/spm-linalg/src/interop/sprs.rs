//! Views of and for `sprs`.
//!
//! ```
//! use spm_linalg::{DesignMatrix, Design, Sparse};
//! use sprs::{CsMat, CsMatView};
//! // [1 0]
//! // [0 3]
//! // [2 0]
//! let x = CsMat::new_csc((3, 2), vec![0, 2, 3], vec![0, 2, 1], vec![1.0, 2.0, 3.0]);
//! let design = Design::try_from(x.view())?;
//! assert_eq!(design.col_dot(0, &[10.0, 20.0, 30.0]), 70.0);
//! // Compressed rows are refused; `to_csc` copies.
//! let by_rows = x.to_csr();
//! assert!(Sparse::try_from(by_rows.view()).is_err());
//! assert!(Sparse::try_from(by_rows.to_csc().view()).is_ok());
//! let back: CsMatView<f64> = Sparse::try_from(x.view())?.try_into()?;
//! assert_eq!(back, x.view());
//! # Ok::<(), spm_linalg::LinalgError>(())
//! ```

use ::sprs::CsMatView;

use crate::{Design, LinalgError, LinearOperator, Scalar, Sparse};

impl<'a, T: Scalar> TryFrom<CsMatView<'a, T>> for Sparse<'a, T> {
    type Error = LinalgError;

    /// Views a matrix in compressed columns. O(stored entries), to check the order of the rows.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] for compressed rows, and for columns whose rows do not increase; [`LinalgError::Shape`] for a
    /// slice of a larger matrix.
    fn try_from(x: CsMatView<'a, T>) -> Result<Self, LinalgError> {
        if !x.is_csc() {
            return Err(LinalgError::MissingProperty {
                name: "a matrix from sprs",
                expected: "in compressed columns (`to_csc`)",
            });
        }
        let nrows = x.rows();
        let (start, rows, values) = x.into_raw_storage();
        Self::from_csc(nrows, start, rows, values)
    }
}

impl<'a, T: Scalar> TryFrom<CsMatView<'a, T>> for Design<'a, T> {
    type Error = LinalgError;

    /// As for [`Sparse`].
    ///
    /// # Errors
    /// As for [`Sparse`].
    fn try_from(x: CsMatView<'a, T>) -> Result<Self, LinalgError> {
        Sparse::try_from(x).map(Self::Sparse)
    }
}

impl<'a, T: Scalar> TryFrom<Sparse<'a, T>> for CsMatView<'a, T> {
    type Error = LinalgError;

    /// Views the arrays of the matrix. O(stored entries), for the checks of sprs.
    ///
    /// # Errors
    /// [`LinalgError::MissingProperty`] if there is unused room between the columns.
    fn try_from(x: Sparse<'a, T>) -> Result<Self, LinalgError> {
        let wrong = LinalgError::MissingProperty { name: "a matrix for sprs", expected: "tightly packed" };
        let (start, rows, values) = x.as_csc().ok_or_else(|| wrong.clone())?;
        Self::try_new_csc((x.nrows(), x.ncols()), start, rows, values).map_err(|_| wrong)
    }
}
