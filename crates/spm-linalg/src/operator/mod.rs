//! Linear operators: anything with a product and an adjoint product.
//!
//! Two traits. [`LinearOperator`] is what gradient, splitting and primal-dual methods need and is used through
//! `&dyn`; [`DesignMatrix`] adds the columns that coordinate descent and pursuit need and is used through
//! generics. There is no sparse twin of anything: sparsity belongs to the matrix.

mod adjoint;
mod closure;
mod compose;
mod convolution;
mod dense;
mod design;
mod diagonal;
mod difference;
mod ext;
mod forward;
mod gradient;
mod gram;
mod identity;
mod mask;
mod scaled;
mod sparse;
mod stack;
mod standardized;
mod sum;

pub use adjoint::Adjoint;
pub use closure::FnOperator;
pub use compose::Compose;
pub use convolution::{Boundary, Convolution};
pub use dense::Dense;
pub use design::Design;
pub use diagonal::Diagonal;
pub use difference::Difference;
pub use ext::LinearOperatorExt;
pub use gradient::Gradient;
pub use gram::Gram;
pub use identity::Identity;
pub use mask::Mask;
pub use scaled::Scaled;
pub use sparse::Sparse;
pub use stack::VStack;
pub use standardized::{Standardized, Standardizing};
pub use sum::Sum;

use core::fmt::Debug;

use crate::{MemStack, Scalar, StackReq, check};

/// A linear map `A : R^ncols → R^nrows` known by its products.
///
/// Implement [`apply`](Self::apply) and [`apply_adjoint`](Self::apply_adjoint), then run
/// `spm_linalg::testing::check_operator` on it in a test.
///
/// Products overwrite their output and never read it. They take temporaries from `stack`, which holds at
/// least [`scratch`](Self::scratch) bytes, and allocate nothing.
pub trait LinearOperator<T: Scalar>: Debug + Send + Sync {
    /// Length of `A x`.
    fn nrows(&self) -> usize;

    /// Length of `x`.
    fn ncols(&self) -> usize;

    /// `y ← A x`.
    ///
    /// # Panics
    /// If `x.len() != ncols()` or `y.len() != nrows()`.
    fn apply(&self, x: &[T], y: &mut [T], stack: &mut MemStack);

    /// `x ← Aᵀ y`.
    ///
    /// # Panics
    /// If `y.len() != nrows()` or `x.len() != ncols()`.
    fn apply_adjoint(&self, y: &[T], x: &mut [T], stack: &mut MemStack);

    /// Temporary memory that either product needs.
    fn scratch(&self) -> StackReq {
        StackReq::EMPTY
    }

    /// An upper bound of the spectral norm `‖A‖₂`, if one is known in closed form.
    fn norm_bound(&self) -> Option<T> {
        None
    }
}

/// A matrix with cheap columns, `X` in `y ≈ X w`: rows are observations, columns are features or atoms.
pub trait DesignMatrix<T: Scalar>: LinearOperator<T> {
    /// `x_jᵀ v`.
    ///
    /// # Panics
    /// If `j >= ncols()` or `v.len() != nrows()`.
    fn col_dot(&self, j: usize, v: &[T]) -> T;

    /// `out ← out + a x_j`.
    ///
    /// # Panics
    /// If `j >= ncols()` or `out.len() != nrows()`.
    fn col_axpy(&self, j: usize, a: T, out: &mut [T]);

    /// `‖x_j‖²`.
    ///
    /// # Panics
    /// If `j >= ncols()`.
    fn col_sq_norm(&self, j: usize) -> T;

    /// How many entries are stored: what a pass over the matrix costs. All of them by default; an implementation without
    /// zeros to skip must not say less.
    fn stored(&self) -> usize {
        self.nrows().saturating_mul(self.ncols())
    }

    /// How many extra numbers a *carried* vector has behind its [`nrows`](LinearOperator::nrows) entries.
    ///
    /// A lazily centred sparse column is dense, so adding it to a vector would cost O(n). A carried vector has a
    /// few spare entries that hold the dense part of what was added; [`settle`](Self::settle) folds them in.
    /// 0, the default, for a matrix whose columns are what they are.
    fn carry_len(&self) -> usize {
        0
    }

    /// `x_jᵀ v` for a carried vector, O(stored entries of column `j`).
    ///
    /// # Panics
    /// If `j >= ncols()` or `v.len() != nrows() + carry_len()`.
    fn carried_dot(&self, j: usize, v: &[T]) -> T {
        self.col_dot(j, v)
    }

    /// `out_k ← x_jᵀ v` with `j = columns[k]`, for a carried vector: [`carried_dot`](Self::carried_dot) up to rounding, in less
    /// time where columns can share the loads of `v`.
    ///
    /// # Panics
    /// If a column is not below `ncols()`, or a length is wrong.
    fn carried_dots(&self, columns: &[usize], v: &[T], out: &mut [T]) {
        check::dim("carried_dots", columns.len(), out.len());
        for (o, &j) in out.iter_mut().zip(columns) {
            *o = self.carried_dot(j, v);
        }
    }

    /// `v ← v + a x_j` for a carried vector, O(stored entries of column `j`).
    ///
    /// # Panics
    /// If `j >= ncols()` or `v.len() != nrows() + carry_len()`.
    fn carried_axpy(&self, j: usize, a: T, v: &mut [T]) {
        self.col_axpy(j, a, v);
    }

    /// Folds the spare entries into the first `nrows()`, which then are the vector itself, and prepares the
    /// spare entries for more steps. Also call it on a fresh vector, whatever its spare entries hold if
    /// `fresh`. O(n).
    ///
    /// # Panics
    /// If `v.len() != nrows() + carry_len()`.
    fn settle(&self, _v: &mut [T], _fresh: bool) {}
}
