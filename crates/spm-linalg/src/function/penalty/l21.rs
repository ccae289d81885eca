//! The L2,1 norm of a matrix: the sum of the Euclidean norms of its rows.

use crate::function::kernels::{dims, indicator, slack};
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, check};

/// Rows handled together: their norms fit in registers and first-level cache.
const BLOCK: usize = 64;

/// The scaled L2,1 norm of a matrix, $g(X) = \lambda \sum_i \|X_{i,:}\|_2$: the entries of a row share their fate.
///
/// In plain text: `g(X) = lambda * sum_i sqrt(sum_j X_ij²)` where `X` is `nrows × ncols`, stored **column by column**.
/// Its prox shortens every row by `step·lambda`, down to exactly zero; its polar is the largest row norm over
/// `lambda`. O(nrows·ncols), no temporaries.
///
/// Seen differently the slice holds `ncols` components of `nrows` entries each, one component after the other, and
/// the prox couples the components of each entry. With the two parts of an image gradient as components this is
/// isotropic total variation; with the channels of a colour image as further components, vectorial total variation;
/// with a coefficient matrix (features × tasks), the multi-task Lasso penalty; with real and imaginary parts, the
/// L1 norm of a complex vector.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `lambda` | finite, `>= 0` | weight |
/// | `nrows` | any | rows: the groups |
/// | `ncols` | any | columns: the entries of a group |
///
/// Source: Obozinski, Taskar and Jordan 2010, *Joint covariate selection and joint subspace selection for multiple
/// classification problems*.
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::L21};
/// // [6 8]
/// // [1 0]
/// let g = L21::new(1.0, 2, 2)?;
/// let mut out = [0.0; 4];
/// let value = g.prox_into(&[6.0, 1.0, 8.0, 0.0], 5.0, &mut out, Workspace::new(g.scratch(4)).stack());
/// assert_eq!((out, value), ([3.0, 0.0, 4.0, 0.0], 5.0));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct L21<T> {
    lambda: T,
    nrows: usize,
    ncols: usize,
}

impl<T: Scalar> L21<T> {
    /// The norm of `nrows × ncols` matrices.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `lambda` is finite and `>= 0`.
    pub fn new(lambda: T, nrows: usize, ncols: usize) -> Result<Self, LinalgError> {
        check::non_negative("lambda", lambda)?;
        Ok(Self { lambda, nrows, ncols })
    }

    /// The weight.
    #[must_use]
    pub fn lambda(&self) -> T {
        self.lambda
    }

    /// Calls `f(first row, norms)` for consecutive blocks of rows.
    fn row_norms(&self, x: &[T], mut f: impl FnMut(usize, &mut [T])) {
        let mut norms = [T::zero(); BLOCK];
        for start in (0..self.nrows).step_by(BLOCK) {
            let norms = &mut norms[..BLOCK.min(self.nrows - start)];
            norms.fill(T::zero());
            for j in 0..self.ncols {
                let col = &x[j * self.nrows + start..][..norms.len()];
                for (n, &v) in norms.iter_mut().zip(col) {
                    *n += v * v;
                }
            }
            let tiny = T::min_positive_value() / T::epsilon();
            for (i, n) in norms.iter_mut().enumerate() {
                *n = if n.is_finite() && *n > tiny { n.sqrt() } else { self.scaled_norm(x, start + i) };
            }
            f(start, norms);
        }
    }

    /// The norm of row `i` where the squares overflow or underflow.
    #[cold]
    fn scaled_norm(&self, x: &[T], i: usize) -> T {
        (0..self.ncols).fold(T::zero(), |acc, j| acc.hypot(x[j * self.nrows + i]))
    }

    /// Multiplies row `start + i` of `x` by `factors[i]`.
    fn scale_rows(&self, x: &[T], start: usize, factors: &[T], out: &mut [T]) {
        for j in 0..self.ncols {
            let at = j * self.nrows + start;
            let (col, out) = (&x[at..][..factors.len()], &mut out[at..][..factors.len()]);
            for ((o, &v), &f) in out.iter_mut().zip(col).zip(factors) {
                *o = f * v;
            }
        }
    }

    fn largest_row(&self, u: &[T]) -> T {
        check::dim("L21 u", self.nrows * self.ncols, u.len());
        let mut largest = T::zero();
        self.row_norms(u, |_, norms| {
            for &n in &*norms {
                if n > largest || n.is_nan() {
                    largest = n;
                }
            }
        });
        largest
    }
}

impl<T: Scalar> Prox<T> for L21<T> {
    fn value(&self, x: &[T]) -> T {
        check::dim("L21::value x", self.nrows * self.ncols, x.len());
        let mut sum = T::zero();
        self.row_norms(x, |_, norms| sum += norms.iter().copied().sum::<T>());
        self.lambda * sum
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        dims("L21::prox_into", self.dim(), x.len(), out.len());
        let t = step * self.lambda;
        let mut sum = T::zero();
        self.row_norms(x, |start, norms| {
            for n in norms.iter_mut() {
                let rest = if *n <= t { T::zero() } else { *n - t };
                sum += rest;
                *n = if *n <= t { T::zero() } else { rest / *n };
            }
            self.scale_rows(x, start, norms, out);
        });
        self.lambda * sum
    }

    fn dim(&self) -> Option<usize> {
        Some(self.nrows * self.ncols)
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().positively_homogeneous()
    }

    /// The projection of every row onto the ball of radius `lambda`.
    fn prox_conj_into(&self, x: &[T], _step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        dims("L21::prox_conj_into", self.dim(), x.len(), out.len());
        self.row_norms(x, |start, norms| {
            for n in norms.iter_mut() {
                *n = if *n <= self.lambda { T::one() } else { self.lambda / *n };
            }
            self.scale_rows(x, start, norms, out);
        });
        T::zero()
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        Some(indicator(self.largest_row(u) <= self.lambda * (T::one() + slack::<T>(self.ncols))))
    }

    fn polar(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        let largest = self.largest_row(u);
        Some(if largest == T::zero() { T::zero() } else { largest / self.lambda })
    }
}
