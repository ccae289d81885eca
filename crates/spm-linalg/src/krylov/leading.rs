//! The leading eigenvector of a small symmetric matrix.

use crate::factor::SelfAdjointEvd;
use crate::{Dense, LinalgError, LinearOperator, Scalar, Workspace, check, rng, vecops};

/// Dimension of the Krylov space between two restarts.
const SPACE: usize = 16;
/// Restarts before the full decomposition is taken.
const RESTARTS: usize = 12;

/// A unit eigenvector `v` of the largest eigenvalue of a positive semidefinite `n × n` matrix `a`, column-major.
///
/// $a v = \lambda_{\max} v$, $\|v\|_2 = 1$, $v^\top \mathrm{start} \ge 0$. In plain text: Lanczos with full
/// reorthogonalisation, restarted from the Ritz vector, until the residual `‖a v − θ v‖` is at the rounding level of `θ`; the
/// full eigendecomposition where that does not come about (eigenvalues that nearly coincide). A good `start` saves
/// products, a bad one (orthogonal to the answer, or zero) costs nothing but them: a small fixed pseudo-random
/// direction is mixed in. `O(n²)` a product, typically 20 of them; `O(n³)` in the worst case.
///
/// Source: Parlett 1998, *The symmetric eigenvalue problem*, chapter 13.
///
/// ```
/// use spm_linalg::krylov::leading_eigenvector;
/// let v = leading_eigenvector(&[2.0_f64, 1.0, 1.0, 2.0], 2, &[1.0, 0.0])?;
/// assert!((v[0] - 0.5_f64.sqrt()).abs() < 1e-14 && (v[1] - 0.5_f64.sqrt()).abs() < 1e-14);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
///
/// # Errors
/// [`LinalgError::Shape`] or [`LinalgError::Empty`] for a wrong size, [`LinalgError::NonFinite`] for a NaN or infinity,
/// [`LinalgError::NoConvergence`] if the full decomposition fails.
pub fn leading_eigenvector<T: Scalar>(a: &[T], n: usize, start: &[T]) -> Result<Vec<T>, LinalgError> {
    check::non_empty("symmetric matrix", n)?;
    check::len("symmetric matrix", n.saturating_mul(n), a.len())?;
    check::len("start", n, start.len())?;
    check::finite("symmetric matrix", a)?;
    check::finite("start", start)?;
    let tol = T::of(8.0) * T::epsilon() * T::of_usize(n).sqrt();
    let mut v = mixed(start);
    for _ in 0..RESTARTS {
        let (ritz, value, residual) = lanczos(a, n, &v)?;
        v = ritz;
        if residual <= tol * value {
            return Ok(towards(start, v));
        }
    }
    let evd = SelfAdjointEvd::from_column_major(a, n)?;
    Ok(towards(start, evd.vector(n - 1).to_vec()))
}

/// `start` with a little of everything, of unit norm.
fn mixed<T: Scalar>(start: &[T]) -> Vec<T> {
    let norm = vecops::norm(start);
    let unit = if norm > T::zero() { T::one() / norm } else { T::zero() };
    let mut random = start.len() as u64;
    let mut v: Vec<T> = start.iter().map(|&s| s * unit + T::of(1e-3 * rng::normal(&mut random))).collect();
    let norm = vecops::norm(&v);
    v.iter_mut().for_each(|v| *v /= norm);
    v
}

/// The Ritz vector of the largest Ritz value on the Krylov space of `v`, the value, and its residual norm.
fn lanczos<T: Scalar>(a: &[T], n: usize, v: &[T]) -> Result<(Vec<T>, T, T), LinalgError> {
    let matrix = Dense::from_column_major(a, n, n)?;
    let mut ws = Workspace::new(matrix.scratch());
    let space = SPACE.min(n);
    let mut basis = v.to_vec();
    let (mut diagonal, mut off) = (Vec::with_capacity(space), Vec::with_capacity(space));
    let mut w = vec![T::zero(); n];
    for j in 0..space {
        matrix.apply(&basis[j * n..][..n], &mut w, ws.stack());
        let size = vecops::norm(&w);
        diagonal.push(vecops::dot(&w, &basis[j * n..][..n]));
        // Twice is enough (Parlett).
        for _ in 0..2 {
            for q in basis.chunks_exact(n) {
                vecops::axpy(-vecops::dot(q, &w), q, &mut w);
            }
        }
        let beta = vecops::norm(&w);
        off.push(beta);
        if beta <= T::epsilon() * size || j + 1 == space {
            break;
        }
        basis.extend(w.iter().map(|&v| v / beta));
    }
    let m = diagonal.len();
    let mut small = vec![T::zero(); m * m];
    for j in 0..m {
        small[j * m + j] = diagonal[j];
        if j + 1 < m {
            (small[j * m + j + 1], small[(j + 1) * m + j]) = (off[j], off[j]);
        }
    }
    let evd = SelfAdjointEvd::from_column_major(&small, m)?;
    let (value, s) = (evd.values()[m - 1], evd.vector(m - 1));
    let mut ritz = vec![T::zero(); n];
    for (q, &s) in basis.chunks_exact(n).zip(s) {
        vecops::axpy(s, q, &mut ritz);
    }
    let norm = vecops::norm(&ritz);
    ritz.iter_mut().for_each(|v| *v /= norm);
    Ok((ritz, value.max(T::zero()), off[m - 1] * s[m - 1].abs()))
}

/// `v` or `−v`, whichever points along `start`.
fn towards<T: Scalar>(start: &[T], mut v: Vec<T>) -> Vec<T> {
    if vecops::dot(start, &v) < T::zero() {
        v.iter_mut().for_each(|v| *v = -*v);
    }
    v
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::Rng;

    fn check_type<T: Scalar>(tol: f64) {
        let mut rng = Rng::new(9);
        for (n, rank) in [(1, 1), (2, 1), (7, 3), (20, 40), (64, 5), (64, 400)] {
            let f: Vec<T> = rng.normals(n * rank);
            let a: Vec<T> =
                (0..n * n).map(|e| (0..rank).map(|k| f[k * n + e / n] * f[k * n + e % n]).sum()).collect();
            let best = SelfAdjointEvd::from_column_major(&a, n).unwrap();
            let top = best.values()[n - 1];
            let orthogonal = if n > 1 { best.vector(0).to_vec() } else { vec![T::one()] };
            for start in [rng.normals(n), orthogonal, vec![T::zero(); n]] {
                let v = leading_eigenvector(&a, n, &start).unwrap();
                let matrix = Dense::from_column_major(&a, n, n).unwrap();
                let mut w = vec![T::nan(); n];
                matrix.apply(&v, &mut w, Workspace::new(matrix.scratch()).stack());
                assert!((vecops::norm(&v) - T::one()).abs().as_f64() < tol);
                let rayleigh = vecops::dot(&v, &w);
                assert!(((rayleigh - top) / top).abs().as_f64() < tol, "{n} {rank}: {rayleigh} {top}");
                vecops::axpy(-rayleigh, &v, &mut w);
                assert!((vecops::norm(&w) / top).as_f64() < tol);
                assert!(vecops::dot(&v, &start) >= T::zero());
            }
        }
    }

    #[test]
    fn agrees_with_the_full_decomposition() {
        check_type::<f64>(1e-12);
        check_type::<f32>(2e-5);
    }

    #[test]
    fn zero_and_multiple_eigenvalues_and_bad_input() {
        let v = leading_eigenvector(&[0.0; 9], 3, &[0.0, 2.0, 0.0]).unwrap();
        assert!((vecops::norm(&v) - 1.0_f64).abs() < 1e-14);
        let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let v = leading_eigenvector(&identity, 3, &[0.0, 2.0, 0.0]).unwrap();
        assert!((vecops::norm(&v) - 1.0_f64).abs() < 1e-14);
        // The start is an eigenvector, but not the leading one.
        let v = leading_eigenvector(&[1.0, 0.0, 0.0, 2.0], 2, &[1.0_f64, 0.0]).unwrap();
        assert!((v[1].abs() - 1.0).abs() < 1e-14);
        assert!(leading_eigenvector(&[f64::NAN], 1, &[1.0]).is_err());
        assert!(leading_eigenvector(&[1.0_f64], 1, &[1.0, 2.0]).is_err());
        assert!(leading_eigenvector::<f64>(&[], 0, &[]).is_err());
    }
}
