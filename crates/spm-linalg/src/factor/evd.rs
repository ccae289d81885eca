//! Eigenvalues and eigenvectors of a symmetric matrix.

use faer::diag::DiagMut;
use faer::linalg::evd::{ComputeEigenvectors, self_adjoint_evd, self_adjoint_evd_scratch as scratch};
use faer::{MatMut, MatRef, Par, Spec};

use super::{finite_where, square};
use crate::{LinalgError, MemStack, Scalar, StackReq, Workspace, check};

/// The factorisation $A = Q \,\mathrm{diag}(\lambda)\, Q^\top$ of a symmetric matrix.
///
/// In plain text: `A = Q * diag(lambda) * transpose(Q)`, eigenvalues in non-decreasing order, `Q` orthogonal. Only
/// the lower triangle of `A` is read. O(n³) time, O(n²) memory.
///
/// ```
/// use spm_linalg::factor::SelfAdjointEvd;
/// let evd = SelfAdjointEvd::from_column_major(&[2.0, 1.0, 1.0, 2.0], 2)?;
/// assert!((evd.values()[0] - 1.0_f64).abs() < 1e-15 && (evd.values()[1] - 3.0_f64).abs() < 1e-15);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone)]
pub struct SelfAdjointEvd<T> {
    values: Vec<T>,
    vectors: Vec<T>,
}

impl<T: Scalar> SelfAdjointEvd<T> {
    /// Factors an n × n matrix, of which the lower triangle is read.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if `a` is not square, [`LinalgError::NonFiniteAt`] for a NaN or infinity in the
    /// lower triangle, [`LinalgError::NoConvergence`].
    pub fn new(a: MatRef<'_, T>) -> Result<Self, LinalgError> {
        let n = square("symmetric matrix", a)?;
        let mut this = Self { values: vec![T::zero(); n], vectors: vec![T::zero(); n * n] };
        let mut ws = Workspace::new(self_adjoint_evd_scratch::<T>(n));
        self_adjoint_evd_into(a, &mut this.values, &mut this.vectors, ws.stack())?;
        Ok(this)
    }

    /// As [`new`](Self::new), from a column-major slice of length n².
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn from_column_major(a: &[T], n: usize) -> Result<Self, LinalgError> {
        check::len("symmetric matrix", n.saturating_mul(n), a.len())?;
        Self::new(MatRef::from_column_major_slice(a, n, n))
    }

    /// The eigenvalues, non-decreasing.
    #[must_use]
    pub fn values(&self) -> &[T] {
        &self.values
    }

    /// The eigenvector of `values()[j]`, of unit length.
    ///
    /// # Panics
    /// If `j >= n`.
    #[must_use]
    pub fn vector(&self, j: usize) -> &[T] {
        let n = self.values.len();
        &self.vectors[j * n..(j + 1) * n]
    }

    /// The eigenvectors as the columns of a matrix.
    #[must_use]
    pub fn vectors(&self) -> MatRef<'_, T> {
        let n = self.values.len();
        MatRef::from_column_major_slice(&self.vectors, n, n)
    }
}

/// Temporary memory of [`self_adjoint_evd_into`] for a matrix of order `n`.
#[must_use]
pub fn self_adjoint_evd_scratch<T: Scalar>(n: usize) -> StackReq {
    // The backend's formula underflows for the empty matrix.
    if n == 0 {
        StackReq::EMPTY
    } else {
        scratch::<T>(n, ComputeEigenvectors::Yes, Par::Seq, Spec::default())
    }
}

/// `A = Q diag(values) Qᵀ` into the caller's memory: `values` of length n non-decreasing, `vectors` of length n²,
/// column-major. Temporaries come from `stack`.
///
/// # Errors
/// As [`SelfAdjointEvd::new`]. The backend returns NaN for non-finite input; here that is an error.
///
/// # Panics
/// If the lengths of `values` and `vectors` do not fit.
pub fn self_adjoint_evd_into<T: Scalar>(
    a: MatRef<'_, T>,
    values: &mut [T],
    vectors: &mut [T],
    stack: &mut MemStack,
) -> Result<(), LinalgError> {
    let n = square("symmetric matrix", a)?;
    check::dim("self_adjoint_evd_into values", n, values.len());
    check::dim("self_adjoint_evd_into vectors", n * n, vectors.len());
    finite_where("symmetric matrix", a, |i, j| i >= j)?;
    self_adjoint_evd(
        a,
        DiagMut::from_slice_mut(values),
        Some(MatMut::from_column_major_slice_mut(vectors, n, n)),
        Par::Seq,
        stack,
        Spec::default(),
    )
    .map_err(|_| LinalgError::NoConvergence { what: "eigenvalue decomposition" })?;
    if values.iter().chain(&*vectors).all(|v| v.is_finite()) {
        Ok(())
    } else {
        Err(LinalgError::NoConvergence { what: "eigenvalue decomposition" })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::Rng;
    use crate::vecops;

    /// Eigenvalues by cyclic Jacobi rotations.
    fn slow_eigenvalues(a: &[f64], n: usize) -> Vec<f64> {
        let mut a = a.to_vec();
        for _ in 0..60 {
            for p in 0..n {
                for q in p + 1..n {
                    let theta = 0.5 * (2.0 * a[p + q * n]).atan2(a[q + q * n] - a[p + p * n]);
                    let (c, s) = (theta.cos(), theta.sin());
                    for k in 0..n {
                        let (x, y) = (a[k + p * n], a[k + q * n]);
                        a[k + p * n] = c * x - s * y;
                        a[k + q * n] = s * x + c * y;
                    }
                    for k in 0..n {
                        let (x, y) = (a[p + k * n], a[q + k * n]);
                        a[p + k * n] = c * x - s * y;
                        a[q + k * n] = s * x + c * y;
                    }
                }
            }
        }
        let mut values: Vec<f64> = (0..n).map(|j| a[j + j * n]).collect();
        values.sort_by(f64::total_cmp);
        values
    }

    fn symmetric<T: Scalar>(n: usize) -> Vec<T> {
        let x: Vec<T> = Rng::new(n as u64).normals(n * n);
        (0..n * n).map(|e| x[e] + x[e / n + (e % n) * n]).collect()
    }

    fn reconstructs<T: Scalar>(n: usize, tol: f64) {
        let a = symmetric::<T>(n);
        let evd = SelfAdjointEvd::from_column_major(&a, n).unwrap();
        assert!(evd.values().windows(2).all(|w| w[0] <= w[1]));
        for i in 0..n {
            for j in 0..n {
                let back: T =
                    (0..n).map(|k| evd.vectors()[(i, k)] * evd.values()[k] * evd.vectors()[(j, k)]).sum();
                assert!((back - a[i + j * n]).as_f64().abs() < tol);
                let unit = if i == j { 1.0 } else { 0.0 };
                assert!((vecops::dot(evd.vector(i), evd.vector(j)).as_f64() - unit).abs() < tol);
            }
        }
    }

    #[test]
    fn reconstructs_and_equals_jacobi() {
        for n in [0, 1, 2, 5, 30] {
            reconstructs::<f64>(n, 1e-12);
            reconstructs::<f32>(n, 1e-3);
            let a = symmetric::<f64>(n);
            let evd = SelfAdjointEvd::from_column_major(&a, n).unwrap();
            for (fast, slow) in evd.values().iter().zip(slow_eigenvalues(&a, n)) {
                assert!((fast - slow).abs() < 1e-11);
            }
        }
    }

    #[test]
    fn non_finite_input_is_an_error() {
        for at in [0, 1, 4, 8] {
            let mut a = symmetric::<f64>(3);
            a[at] = f64::NAN;
            let err = SelfAdjointEvd::from_column_major(&a, 3).unwrap_err();
            assert!(matches!(err, LinalgError::NonFiniteAt { .. }));
        }
        assert!(SelfAdjointEvd::from_column_major(&[1.0; 3], 2).is_err());
    }

    #[test]
    fn rank_deficient_and_extreme_scales() {
        let ones = SelfAdjointEvd::from_column_major(&[1.0_f64; 9], 3).unwrap();
        assert!((ones.values()[2] - 3.0).abs() < 1e-14 && ones.values()[1].abs() < 1e-14);
        for s in [1e-150_f64, 1e150] {
            let evd = SelfAdjointEvd::from_column_major(&[2.0 * s, s, s, 2.0 * s], 2).unwrap();
            assert!((evd.values()[0] / s - 1.0).abs() < 1e-14 && (evd.values()[1] / s - 3.0).abs() < 1e-14);
        }
    }
}
