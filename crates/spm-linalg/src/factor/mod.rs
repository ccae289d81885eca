//! Factorisations: the only module that calls faer's low-level decompositions, always sequentially.
//!
//! | problem | type |
//! |---|---|
//! | `A x = b`, `A` dense, positive definite, many right-hand sides or many shifts | [`Cholesky`] |
//! | the same, `A` sparse: pattern analysed once, numbers for every shift | [`SparseCholesky`] |
//! | a symmetric band matrix; a damped banded least-squares problem | [`BandedCholesky`], [`BandedQr`] |
//! | a Gram matrix that gains and loses columns (pursuit, active sets) | [`UpdatingCholesky`] |
//! | least squares, possibly rank-deficient | [`ColPivQr`] |
//! | singular values and vectors | [`ThinSvd`], [`thin_svd_into`] |
//! | the best rank-one approximation | [`leading_triplet`] |
//! | eigenvalues of a symmetric matrix | [`SelfAdjointEvd`], [`self_adjoint_evd_into`] |
//! | `XᵀX` | [`gram_into`] |
//!
//! Matrices enter as [`faer::MatRef`] or as column-major slices. Nothing here reads the global parallelism: the
//! same input gives the same bits on any number of threads.

mod banded;
mod cholesky;
mod evd;
mod gram;
mod qr;
mod sparse_cholesky;
mod svd;
mod updating;

pub use banded::{BandedCholesky, BandedQr};
pub use cholesky::Cholesky;
pub use evd::{SelfAdjointEvd, self_adjoint_evd_into, self_adjoint_evd_scratch};
pub use gram::{gram_add_into, gram_into, gram_mirror};
pub use qr::ColPivQr;
pub use sparse_cholesky::SparseCholesky;
pub use svd::{ThinSvd, leading_triplet, thin_svd_into, thin_svd_scratch};
pub use updating::UpdatingCholesky;

use faer::MatRef;

use crate::{LinalgError, Scalar, check};

/// Requires a square matrix and returns its order.
fn square<T>(what: &'static str, a: MatRef<'_, T>) -> Result<usize, LinalgError> {
    check::len(what, a.nrows(), a.ncols())?;
    Ok(a.nrows())
}

/// Requires every entry that `wanted(row, column)` selects to be finite.
fn finite_where<T: Scalar>(
    what: &'static str,
    a: MatRef<'_, T>,
    wanted: impl Fn(usize, usize) -> bool,
) -> Result<(), LinalgError> {
    for col in 0..a.ncols() {
        for row in 0..a.nrows() {
            if wanted(row, col) && !a[(row, col)].is_finite() {
                return Err(LinalgError::NonFiniteAt { what, row, col });
            }
        }
    }
    Ok(())
}
