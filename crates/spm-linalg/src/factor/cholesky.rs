//! Dense Cholesky factorisation, refactored in place and solved without allocation.

use faer::linalg::cholesky::llt::factor::{LltError, cholesky_in_place, cholesky_in_place_scratch};
use faer::linalg::triangular_solve::{solve_lower_triangular_in_place, solve_upper_triangular_in_place};
use faer::{Mat, MatMut, MatRef, Par, Spec};

use super::{finite_where, square};
use crate::{LinalgError, Scalar, Workspace, check, vecops};

/// The factorisation $A = L L^\top$ of a symmetric positive definite matrix.
///
/// In plain text: `A = L * transpose(L)` with `L` lower triangular and a positive diagonal. Only the lower
/// triangle of `A` is ever read. Factoring takes n³/3 operations and n² memory; a solve takes 2n² operations and
/// allocates nothing; [`refactor`](Self::refactor) reuses the memory.
///
/// Source: Golub and Van Loan 2013, *Matrix Computations*, section 4.2.
///
/// ```
/// use spm_linalg::factor::Cholesky;
/// let chol = Cholesky::from_column_major(&[4.0, 2.0, 2.0, 3.0], 2)?;
/// let mut x = [8.0, 7.0];
/// chol.solve_in_place(&mut x);
/// assert!((x[0] - 1.25_f64).abs() < 1e-15 && (x[1] - 1.5_f64).abs() < 1e-15);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug)]
pub struct Cholesky<T: Scalar> {
    l: Mat<T>,
    workspace: Workspace,
}

impl<T: Scalar> Cholesky<T> {
    /// Factors an n × n matrix, of which the lower triangle is read.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if `a` is not square, [`LinalgError::NonFiniteAt`] for a NaN or infinity in the
    /// lower triangle, [`LinalgError::NotPositiveDefinite`] with the first pivot that failed.
    pub fn new(a: MatRef<'_, T>) -> Result<Self, LinalgError> {
        let mut this = Self::with_order(square("matrix to factor", a)?);
        this.refactor(a, T::one(), None, T::zero())?;
        Ok(this)
    }

    /// As [`new`](Self::new), from a column-major slice of length n².
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_column_major(a: &[T], n: usize) -> Result<Self, LinalgError> {
        check::len("matrix to factor", n.saturating_mul(n), a.len())?;
        Self::new(MatRef::from_column_major_slice(a, n, n))
    }

    /// The factor of the identity of order `n`: memory to be filled by [`refactor`](Self::refactor).
    #[must_use]
    pub fn with_order(n: usize) -> Self {
        let req = cholesky_in_place_scratch::<T>(n, Par::Seq, Spec::default());
        Self { l: Mat::identity(n, n), workspace: Workspace::new(req) }
    }

    /// Factors `scale·A + shift·B` in place, `B` the identity if `None`. Allocates nothing that lives on.
    ///
    /// After an error the factor is that of the identity, never garbage.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn refactor(
        &mut self,
        a: MatRef<'_, T>,
        scale: T,
        b: Option<MatRef<'_, T>>,
        shift: T,
    ) -> Result<(), LinalgError> {
        let n = self.l.nrows();
        check::len("matrix to factor", n, square("matrix to factor", a)?)?;
        for j in 0..n {
            for i in j..n {
                self.l[(i, j)] = scale * a[(i, j)];
            }
        }
        match b {
            None => (0..n).for_each(|j| self.l[(j, j)] += shift),
            Some(b) => {
                check::len("matrix added", n, square("matrix added", b)?)?;
                for j in 0..n {
                    for i in j..n {
                        self.l[(i, j)] += shift * b[(i, j)];
                    }
                }
            }
        }
        let info = cholesky_in_place(
            self.l.as_mut(),
            Default::default(),
            Par::Seq,
            self.workspace.stack(),
            Spec::default(),
        );
        // A NaN or infinity anywhere in the lower triangle reaches a pivot: the diagonal tells.
        let bad = (0..n).find(|&j| !(self.l[(j, j)].is_finite() && self.l[(j, j)] > T::zero()));
        let pivot = match (info, bad) {
            (Err(LltError::NonPositivePivot { index }), _) => index,
            (Ok(_), Some(index)) => index,
            (Ok(_), None) => return Ok(()),
        };
        self.l = Mat::identity(n, n);
        finite_where("matrix to factor", a, |i, j| i >= j)?;
        if let Some(b) = b {
            finite_where("matrix added", b, |i, j| i >= j)?;
        }
        Err(LinalgError::NotPositiveDefinite { pivot })
    }

    /// The order n of the matrix.
    #[must_use]
    pub fn order(&self) -> usize {
        self.l.nrows()
    }

    /// The factor; entries above the diagonal are not part of it.
    #[must_use]
    pub fn l(&self) -> MatRef<'_, T> {
        self.l.as_ref()
    }

    /// `x ← A⁻¹ x`.
    ///
    /// # Panics
    /// If `x.len() != n`.
    pub fn solve_in_place(&self, x: &mut [T]) {
        self.solve_lower_in_place(x);
        self.solve_lower_transpose_in_place(x);
    }

    /// `x ← L⁻¹ x`.
    ///
    /// # Panics
    /// If `x.len() != n`.
    pub fn solve_lower_in_place(&self, x: &mut [T]) {
        check::dim("Cholesky::solve_lower_in_place", self.order(), x.len());
        for j in 0..x.len() {
            let (head, tail) = x.split_at_mut(j + 1);
            let col = &self.l.col_as_slice(j)[j..];
            head[j] /= col[0];
            vecops::axpy(-head[j], &col[1..], tail);
        }
    }

    /// `x ← L⁻ᵀ x`.
    ///
    /// # Panics
    /// If `x.len() != n`.
    pub fn solve_lower_transpose_in_place(&self, x: &mut [T]) {
        check::dim("Cholesky::solve_lower_transpose_in_place", self.order(), x.len());
        for j in (0..x.len()).rev() {
            let col = &self.l.col_as_slice(j)[j..];
            x[j] = (x[j] - vecops::dot(&col[1..], &x[j + 1..])) / col[0];
        }
    }

    /// `X ← A⁻¹ X` for `ncols` right-hand sides stored column by column; blocked.
    ///
    /// # Panics
    /// If `x.len() != n·ncols`.
    pub fn solve_columns_in_place(&self, x: &mut [T], ncols: usize) {
        let n = self.order();
        check::dim("Cholesky::solve_columns_in_place", n * ncols, x.len());
        let mut x = MatMut::from_column_major_slice_mut(x, n, ncols);
        solve_lower_triangular_in_place(self.l.as_ref(), x.as_mut(), Par::Seq);
        solve_upper_triangular_in_place(self.l.transpose(), x, Par::Seq);
    }

    /// `ln det A`. O(n).
    #[must_use]
    pub fn ln_det(&self) -> T {
        let two = T::of(2.0);
        (0..self.order()).map(|j| two * num_traits::Float::ln(self.l[(j, j)])).sum()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::factor::gram_into;
    use crate::testing::Rng;

    /// Textbook Cholesky, column by column.
    fn slow_cholesky(a: &[f64], n: usize) -> Vec<f64> {
        let mut l = vec![0.0; n * n];
        for j in 0..n {
            let d = a[j + j * n] - (0..j).map(|k| l[j + k * n] * l[j + k * n]).sum::<f64>();
            l[j + j * n] = d.sqrt();
            for i in j + 1..n {
                let s = a[i + j * n] - (0..j).map(|k| l[i + k * n] * l[j + k * n]).sum::<f64>();
                l[i + j * n] = s / l[j + j * n];
            }
        }
        l
    }

    fn spd<T: Scalar>(n: usize, seed: u64) -> Vec<T> {
        let m = n + 5;
        let x: Vec<T> = Rng::new(seed).normals(m * n);
        let mut g = vec![T::zero(); n * n];
        gram_into(MatRef::from_column_major_slice(&x, m, n), &mut g).unwrap();
        g
    }

    #[test]
    fn equals_the_textbook_loop() {
        for n in [0, 1, 2, 7, 40] {
            let a = spd::<f64>(n, n as u64);
            let fast = Cholesky::from_column_major(&a, n).unwrap();
            let slow = slow_cholesky(&a, n);
            for j in 0..n {
                for i in j..n {
                    assert!((fast.l()[(i, j)] - slow[i + j * n]).abs() < 1e-10 * (1.0 + n as f64));
                }
            }
            let ln_det: f64 = (0..n).map(|j| 2.0 * slow[j + j * n].ln()).sum();
            assert!((fast.ln_det() - ln_det).abs() < 1e-9);
        }
    }

    fn solves<T: Scalar>(n: usize, tol: f64) {
        let a = spd::<T>(n, 9);
        let truth: Vec<T> = Rng::new(1).normals(n);
        // (0.5 A + 3 I) x
        let b: Vec<T> = (0..n)
            .map(|i| {
                let ax: T = (0..n).map(|j| a[i + j * n] * truth[j]).sum();
                T::of(0.5) * ax + T::of(3.0) * truth[i]
            })
            .collect();
        let mut chol = Cholesky::with_order(n);
        let mat = MatRef::from_column_major_slice(&a, n, n);
        chol.refactor(mat, T::of(0.5), None, T::of(3.0)).unwrap();
        let mut x = b.clone();
        chol.solve_in_place(&mut x);
        let mut two: Vec<T> = b.iter().chain(&b).copied().collect();
        chol.solve_columns_in_place(&mut two, 2);
        for i in 0..n {
            assert!((x[i] - truth[i]).as_f64().abs() < tol);
            assert!((two[i + n] - truth[i]).as_f64().abs() < tol);
        }
    }

    #[test]
    fn solves_shifted_systems_in_both_precisions() {
        for n in [1, 3, 20, 65] {
            solves::<f64>(n, 1e-11);
            solves::<f32>(n, 1e-3);
        }
    }

    #[test]
    fn a_general_shift_matrix_is_added() {
        let a = spd::<f64>(4, 1);
        let b = spd::<f64>(4, 2);
        let sum: Vec<f64> = a.iter().zip(&b).map(|(x, y)| 2.0 * x + 0.1 * y).collect();
        let mut chol = Cholesky::with_order(4);
        let view = |m| MatRef::from_column_major_slice(m, 4, 4);
        chol.refactor(view(&a), 2.0, Some(view(&b)), 0.1).unwrap();
        let direct = Cholesky::from_column_major(&sum, 4).unwrap();
        assert!((chol.ln_det() - direct.ln_det()).abs() < 1e-12);
    }

    #[test]
    fn bad_matrices_are_typed_errors() {
        let indefinite = [1.0, 2.0, 2.0, 1.0];
        let err = Cholesky::from_column_major(&indefinite, 2).unwrap_err();
        assert_eq!(err, LinalgError::NotPositiveDefinite { pivot: 1 });
        let err = Cholesky::from_column_major(&[0.0], 1).unwrap_err();
        assert_eq!(err, LinalgError::NotPositiveDefinite { pivot: 0 });
        for (bad, at) in [(f64::NAN, 0), (f64::NAN, 1), (f64::INFINITY, 3), (f64::NEG_INFINITY, 1)] {
            let mut a = [2.0, 0.5, 0.5, 2.0];
            a[at] = bad;
            let err = Cholesky::from_column_major(&a, 2).unwrap_err();
            assert!(matches!(err, LinalgError::NonFiniteAt { row, col, .. } if row + 2 * col == at), "{err}");
        }
        // The strict upper triangle is never read.
        assert!(Cholesky::from_column_major(&[2.0, 0.5, f64::NAN, 2.0], 2).is_ok());
        assert!(Cholesky::from_column_major(&[2.0, 0.5, 2.0], 2).is_err());
    }

    #[test]
    fn after_an_error_the_factor_is_the_identity() {
        let mut chol = Cholesky::from_column_major(&[4.0, 2.0, 2.0, 3.0], 2).unwrap();
        let bad = [1.0, 2.0, 2.0, 1.0];
        assert!(chol.refactor(MatRef::from_column_major_slice(&bad, 2, 2), 1.0, None, 0.0).is_err());
        let mut x = [1.0, 2.0];
        chol.solve_in_place(&mut x);
        assert_eq!(x, [1.0, 2.0]);
    }

    #[test]
    fn extreme_scales() {
        for s in [1e-12_f64, 1e12, 1e-150, 1e150] {
            let chol = Cholesky::from_column_major(&[4.0 * s, 2.0 * s, 2.0 * s, 3.0 * s], 2).unwrap();
            let mut x = [8.0 * s, 7.0 * s];
            chol.solve_in_place(&mut x);
            assert!((x[0] - 1.25).abs() < 1e-14 && (x[1] - 1.5).abs() < 1e-14);
        }
    }
}
