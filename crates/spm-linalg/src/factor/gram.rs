//! The Gram matrix of the columns of a matrix.

use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::{Accum, MatMut, MatRef, Par};

use crate::{LinalgError, Scalar, check};

/// `out ← XᵀX`, the Gram matrix of the columns of `x`, full and exactly symmetric, column-major.
///
/// $G = X^\top X$. `x` is n × p, `out` has length p². Pass `x.transpose()` for $X X^\top$. O(n p²) time: a
/// blocked product of which only one triangle is computed. No allocation that grows with the input except the
/// packing buffers of the product.
///
/// # Errors
/// [`LinalgError::Shape`] if `out.len() != p²`.
///
/// ```
/// use spm_linalg::faer::MatRef;
/// use spm_linalg::factor::gram_into;
/// let x = MatRef::from_column_major_slice(&[1.0, 2.0, 3.0, 4.0], 2, 2);
/// let mut g = [f64::NAN; 4];
/// gram_into(x, &mut g)?;
/// assert_eq!(g, [5.0, 11.0, 11.0, 25.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
pub fn gram_into<T: Scalar>(x: MatRef<'_, T>, out: &mut [T]) -> Result<(), LinalgError> {
    product(x, Accum::Replace, out)?;
    mirror(x.ncols(), out);
    Ok(())
}

/// The lower triangle of `out ← out + XᵀX`, for a Gram matrix that comes in pieces; [`gram_mirror`] ends it.
///
/// `x` is n × p, `out` has length p², column-major. O(n p²) time.
///
/// # Errors
/// [`LinalgError::Shape`] if `out.len() != p²`.
pub fn gram_add_into<T: Scalar>(x: MatRef<'_, T>, out: &mut [T]) -> Result<(), LinalgError> {
    product(x, Accum::Add, out)
}

/// Copies the lower triangle of a p × p matrix, column-major, onto the upper one. O(p²).
///
/// # Errors
/// [`LinalgError::Shape`] if `out.len() != p²`.
pub fn gram_mirror<T: Scalar>(p: usize, out: &mut [T]) -> Result<(), LinalgError> {
    check::len("Gram matrix", p.saturating_mul(p), out.len())?;
    mirror(p, out);
    Ok(())
}

fn product<T: Scalar>(x: MatRef<'_, T>, accum: Accum, out: &mut [T]) -> Result<(), LinalgError> {
    let p = x.ncols();
    check::len("Gram matrix", p.saturating_mul(p), out.len())?;
    matmul(
        MatMut::from_column_major_slice_mut(out, p, p),
        BlockStructure::TriangularLower,
        accum,
        x.transpose(),
        BlockStructure::Rectangular,
        x,
        BlockStructure::Rectangular,
        T::one(),
        Par::Seq,
    );
    Ok(())
}

fn mirror<T: Scalar>(p: usize, out: &mut [T]) {
    for j in 0..p {
        for i in j + 1..p {
            out[j + i * p] = out[i + j * p];
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::Rng;

    fn agrees<T: Scalar>(n: usize, p: usize, tol: f64) {
        let x: Vec<T> = Rng::new(3).normals(n * p);
        let mut g = vec![T::nan(); p * p];
        gram_into(MatRef::from_column_major_slice(&x, n, p), &mut g).unwrap();
        for i in 0..p {
            for j in 0..p {
                let slow: f64 = (0..n).map(|k| x[k + i * n].as_f64() * x[k + j * n].as_f64()).sum();
                assert!((g[i + j * p].as_f64() - slow).abs() <= tol * (1.0 + n as f64));
                assert_eq!(g[i + j * p], g[j + i * p]);
            }
        }
    }

    #[test]
    fn pieces_add_up() {
        let (n, p) = (9, 4);
        let x: Vec<f64> = Rng::new(5).normals(n * p);
        let x = MatRef::from_column_major_slice(&x, n, p);
        let (mut whole, mut sum) = (vec![0.0; p * p], vec![0.0; p * p]);
        gram_into(x, &mut whole).unwrap();
        gram_add_into(x.subrows(0, 5), &mut sum).unwrap();
        gram_add_into(x.subrows(5, 4), &mut sum).unwrap();
        gram_mirror(p, &mut sum).unwrap();
        assert!(whole.iter().zip(&sum).all(|(a, b)| (a - b).abs() < 1e-13));
        assert!(gram_mirror(3, &mut sum).is_err() && gram_add_into(x, &mut [0.0; 3]).is_err());
    }

    #[test]
    fn equals_the_plain_triple_loop() {
        for (n, p) in [(0, 3), (1, 1), (5, 7), (40, 33), (3, 0)] {
            agrees::<f64>(n, p, 1e-14);
            agrees::<f32>(n, p, 1e-5);
        }
        assert!(gram_into(MatRef::from_column_major_slice(&[1.0_f64; 4], 2, 2), &mut [0.0; 3]).is_err());
    }
}
