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
    let p = x.ncols();
    check::len("Gram matrix", p.saturating_mul(p), out.len())?;
    matmul(
        MatMut::from_column_major_slice_mut(out, p, p),
        BlockStructure::TriangularLower,
        Accum::Replace,
        x.transpose(),
        BlockStructure::Rectangular,
        x,
        BlockStructure::Rectangular,
        T::one(),
        Par::Seq,
    );
    for j in 0..p {
        for i in j + 1..p {
            out[j + i * p] = out[i + j * p];
        }
    }
    Ok(())
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
    fn equals_the_plain_triple_loop() {
        for (n, p) in [(0, 3), (1, 1), (5, 7), (40, 33), (3, 0)] {
            agrees::<f64>(n, p, 1e-14);
            agrees::<f32>(n, p, 1e-5);
        }
        assert!(gram_into(MatRef::from_column_major_slice(&[1.0_f64; 4], 2, 2), &mut [0.0; 3]).is_err());
    }
}
