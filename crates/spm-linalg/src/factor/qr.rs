//! Column-pivoted QR: least squares and numerical rank.

use faer::linalg::householder::{
    apply_block_householder_sequence_transpose_on_the_left_in_place_scratch as reflect_scratch,
    apply_block_householder_sequence_transpose_on_the_left_in_place_with_conj as reflect,
};
use faer::linalg::qr::col_pivoting::factor::{qr_in_place, qr_in_place_scratch};
use faer::linalg::qr::no_pivoting::factor::recommended_block_size;
use faer::{Conj, Mat, MatMut, MatRef, Par, Spec};

use super::finite_where;
use crate::{LinalgError, Scalar, Workspace, check, vecops};

/// The factorisation $A P = Q R$ of an m × n matrix with column pivoting.
///
/// In plain text: `A * P = Q * R` with `|R[0][0]| >= |R[1][1]| >= …`. The rank is the number of diagonal entries
/// above `tol·|R[0][0]|` with `tol = max(m, n)·eps` unless set. O(m n min(m, n)) time, one copy of `A`.
///
/// Source: Golub and Van Loan 2013, *Matrix Computations*, section 5.4.2.
///
/// ```
/// use spm_linalg::factor::ColPivQr;
/// // Two equal columns: rank 1, and the least-squares fit is still exact.
/// let mut qr = ColPivQr::from_column_major(&[1.0, 1.0, 1.0, 1.0], 2, 2)?;
/// assert_eq!(qr.rank(), 1);
/// let mut x = [f64::NAN; 2];
/// qr.least_squares_into(&[3.0, 3.0], &mut x);
/// assert!((x[0] + x[1] - 3.0).abs() < 1e-14);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug)]
pub struct ColPivQr<T: Scalar> {
    factors: Mat<T>,
    reflectors: Mat<T>,
    perm: Vec<usize>,
    rank: usize,
    rhs: Vec<T>,
    workspace: Workspace,
}

impl<T: Scalar> ColPivQr<T> {
    /// Factors a copy of `a`.
    ///
    /// # Errors
    /// [`LinalgError::NonFiniteAt`] for a NaN or infinity: the backend would return NaN factors.
    pub fn new(a: MatRef<'_, T>) -> Result<Self, LinalgError> {
        finite_where("least-squares matrix", a, |_, _| true)?;
        let (m, n) = (a.nrows(), a.ncols());
        let size = m.min(n);
        let block = recommended_block_size::<T>(m, n);
        let mut factors = a.to_owned();
        let mut reflectors = Mat::zeros(block, size);
        let (mut perm, mut inverse): (Vec<usize>, _) = ((0..n).collect(), vec![0; n]);
        let req = qr_in_place_scratch::<usize, T>(m, n, block, Par::Seq, Spec::default())
            .or(reflect_scratch::<T>(m, block, 1));
        let mut workspace = Workspace::new(req);
        // The backend divides by the largest column norm: a zero matrix stays as it is, of rank 0.
        if (0..n).any(|j| (0..m).any(|i| a[(i, j)] != T::zero())) {
            qr_in_place(
                factors.as_mut(),
                reflectors.as_mut(),
                &mut perm,
                &mut inverse,
                Par::Seq,
                workspace.stack(),
                Spec::default(),
            );
        }
        let mut this = Self { factors, reflectors, perm, rank: 0, rhs: vec![T::zero(); m], workspace };
        this.set_rank_tol(T::of_usize(m.max(n)) * T::epsilon());
        Ok(this)
    }

    /// As [`new`](Self::new), from a column-major slice of length `m·n`.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`LinalgError::Shape`].
    pub fn from_column_major(a: &[T], m: usize, n: usize) -> Result<Self, LinalgError> {
        check::len("least-squares matrix", m.saturating_mul(n), a.len())?;
        Self::new(MatRef::from_column_major_slice(a, m, n))
    }

    /// Counts the rank anew, with diagonal entries at most `tol·|R[0][0]|` taken as zero.
    pub fn set_rank_tol(&mut self, tol: T) {
        let size = self.reflectors.ncols();
        let diag = |j: usize| num_traits::Float::abs(self.factors[(j, j)]);
        self.rank = if size == 0 { 0 } else { (0..size).take_while(|&j| diag(j) > tol * diag(0)).count() };
    }

    /// The numerical rank.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.rank
    }

    /// The columns in pivot order: column `j` of `A P` is column `pivots()[j]` of `A`.
    #[must_use]
    pub fn pivots(&self) -> &[usize] {
        &self.perm
    }

    /// The triangle `R`, of which the entries on and above the diagonal count.
    #[must_use]
    pub fn r(&self) -> MatRef<'_, T> {
        self.factors.submatrix(0, 0, self.reflectors.ncols(), self.factors.ncols())
    }

    /// `x ← argmin ‖A x − b‖`, the basic solution: zero in the columns beyond the rank. Returns `‖A x − b‖`.
    /// O(m n), allocates nothing.
    ///
    /// # Panics
    /// If `b.len() != m` or `x.len() != n`.
    pub fn least_squares_into(&mut self, b: &[T], x: &mut [T]) -> T {
        let (m, n, r) = (self.factors.nrows(), self.factors.ncols(), self.rank);
        check::dim("ColPivQr::least_squares_into b", m, b.len());
        check::dim("ColPivQr::least_squares_into x", n, x.len());
        x.fill(T::zero());
        if r == 0 {
            return vecops::norm(b);
        }
        self.rhs.copy_from_slice(b);
        let size = self.reflectors.ncols();
        reflect(
            self.factors.submatrix(0, 0, m, size),
            self.reflectors.as_ref(),
            Conj::No,
            MatMut::from_column_major_slice_mut(&mut self.rhs, m, 1),
            Par::Seq,
            self.workspace.stack(),
        );
        for j in (0..r).rev() {
            let col = &self.factors.col_as_slice(j)[..=j];
            let value = self.rhs[j] / col[j];
            self.rhs[j] = value;
            vecops::axpy(-value, &col[..j], &mut self.rhs[..j]);
        }
        for (&to, &value) in self.perm.iter().zip(&self.rhs[..r]) {
            x[to] = value;
        }
        vecops::norm(&self.rhs[r..])
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::Rng;

    fn residual<T: Scalar>(a: &[T], m: usize, x: &[T], b: &[T]) -> Vec<T> {
        (0..m).map(|i| b[i] - x.iter().enumerate().map(|(j, &v)| a[i + j * m] * v).sum::<T>()).collect()
    }

    /// The normal equations hold at a least-squares solution, whatever the rank.
    fn satisfies_normal_equations<T: Scalar>(a: &[T], m: usize, n: usize, rank: usize, tol: f64) {
        let mut qr = ColPivQr::from_column_major(a, m, n).unwrap();
        assert_eq!(qr.rank(), rank);
        let b: Vec<T> = Rng::new(2).normals(m);
        let mut x = vec![T::nan(); n];
        let norm = qr.least_squares_into(&b, &mut x);
        let r = residual(a, m, &x, &b);
        assert!((vecops::norm(&r) - norm).as_f64().abs() < tol);
        for j in 0..n {
            assert!(vecops::dot(&a[j * m..(j + 1) * m], &r).as_f64().abs() < tol * 10.0);
        }
        assert!(x.iter().filter(|v| **v != T::zero()).count() <= rank);
    }

    #[test]
    fn tall_square_and_wide_in_both_precisions() {
        for (m, n) in [(1, 1), (6, 3), (40, 40), (3, 8), (100, 20)] {
            let a: Vec<f64> = Rng::new(1).normals(m * n);
            satisfies_normal_equations(&a, m, n, m.min(n), 1e-10);
            let a: Vec<f32> = a.iter().map(|&v| v as f32).collect();
            satisfies_normal_equations(&a, m, n, m.min(n), 5e-3);
        }
    }

    #[test]
    fn rank_deficient() {
        let (m, n, r) = (20, 9, 4);
        let (left, right): (Vec<f64>, Vec<f64>) = (Rng::new(1).normals(m * r), Rng::new(2).normals(r * n));
        let a: Vec<f64> =
            (0..m * n).map(|e| (0..r).map(|k| left[e % m + k * m] * right[k + (e / m) * r]).sum()).collect();
        satisfies_normal_equations(&a, m, n, r, 1e-11);
        satisfies_normal_equations(&[0.0_f64; 6], 3, 2, 0, 1e-15);
    }

    #[test]
    fn r_and_pivots_reproduce_the_gram_matrix() {
        let (m, n) = (12, 5);
        let a: Vec<f64> = Rng::new(4).normals(m * n);
        let qr = ColPivQr::from_column_major(&a, m, n).unwrap();
        let p = qr.pivots();
        for i in 0..n {
            for j in 0..n {
                let rr: f64 = (0..=i.min(j)).map(|k| qr.r()[(k, i)] * qr.r()[(k, j)]).sum();
                let g = vecops::dot(&a[p[i] * m..(p[i] + 1) * m], &a[p[j] * m..(p[j] + 1) * m]);
                assert!((rr - g).abs() < 1e-12);
            }
        }
    }

    #[test]
    fn empty_and_non_finite() {
        let mut qr = ColPivQr::<f64>::from_column_major(&[], 3, 0).unwrap();
        assert_eq!(qr.rank(), 0);
        assert!((qr.least_squares_into(&[3.0, 0.0, 4.0], &mut []) - 5.0).abs() < 1e-15);
        let mut qr = ColPivQr::<f64>::from_column_major(&[], 0, 2).unwrap();
        let mut x = [1.0; 2];
        assert_eq!(qr.least_squares_into(&[], &mut x), 0.0);
        assert_eq!(x, [0.0; 2]);
        let err = ColPivQr::from_column_major(&[1.0, f64::NAN], 1, 2).unwrap_err();
        assert!(matches!(err, LinalgError::NonFiniteAt { row: 0, col: 1, .. }));
    }
}
