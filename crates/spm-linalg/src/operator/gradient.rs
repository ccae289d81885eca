//! The forward-difference gradient of an image, a volume or any row-major grid.

use super::LinearOperator;
use crate::{LinalgError, MemStack, Scalar, check};

/// Forward differences along every axis of an `N`-dimensional grid, zero at the far border.
///
/// $$ (\nabla x)_{a,i} = \begin{cases} x_{i + e_a} - x_i & i_a < \text{shape}_a - 1 \\\\ 0 & \text{otherwise} \end{cases} $$
///
/// Plain text: `y[a·n + i] = x[i + stride_a] − x[i]`, and 0 where `i` is last along axis `a`.
///
/// - `x`: the grid in row-major (C) order, length `n = Π shape`. For an image `[height, width]`, for a volume
///   `[depth, height, width]`.
/// - `y`: length `N·n`, component after component: all differences along axis 0 (vertical, for an image), then
///   all along axis 1 (horizontal), and so on. The gradient of pixel `i` is `y[i], y[n + i], …`, the layout on
///   which group penalties couple the components into isotropic total variation.
///
/// [`norm_bound`](LinearOperator::norm_bound) is the exact norm, `‖∇‖² = Σ_a 4 cos²(π / (2·shape_a))`, just below
/// the usual 8 in two dimensions and 12 in three (the eigenvalues of the discrete Neumann Laplacian).
///
/// A product costs O(N·n) time and no memory.
///
/// ```
/// use spm_linalg::{LinearOperator, Workspace, operator::Gradient};
/// // 1 2 4
/// // 1 3 9
/// let grad = Gradient::new([2, 3])?;
/// let mut y = [f64::NAN; 12];
/// grad.apply(&[1.0, 2.0, 4.0, 1.0, 3.0, 9.0], &mut y, Workspace::new(spm_linalg::StackReq::EMPTY).stack());
/// assert_eq!(y[..6], [0.0, 1.0, 5.0, 0.0, 0.0, 0.0]); // vertical
/// assert_eq!(y[6..], [1.0, 2.0, 0.0, 2.0, 6.0, 0.0]); // horizontal
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gradient<const N: usize> {
    shape: [usize; N],
    len: usize,
}

impl<const N: usize> Gradient<N> {
    /// The gradient of a grid of this shape, slowest axis first.
    ///
    /// # Errors
    /// [`LinalgError::Empty`] if there is no axis or an axis has length 0; [`LinalgError::InvalidParam`] if the
    /// output length overflows.
    pub fn new(shape: [usize; N]) -> Result<Self, LinalgError> {
        check::non_empty("gradient axes", N)?;
        let mut len = 1_usize;
        for n in shape {
            check::non_empty("gradient axis", n)?;
            len = len.checked_mul(n).ok_or(LinalgError::InvalidParam {
                name: "gradient shape",
                expected: "small enough to address",
                got: n as f64,
            })?;
        }
        if len.checked_mul(N).is_none() {
            return Err(LinalgError::InvalidParam {
                name: "gradient shape",
                expected: "small enough to address",
                got: len as f64,
            });
        }
        Ok(Self { shape, len })
    }

    /// The shape of the grid.
    #[must_use]
    pub fn shape(&self) -> [usize; N] {
        self.shape
    }

    /// Length and stride of axis `a`.
    fn axis(&self, a: usize) -> (usize, usize) {
        (self.shape[a], self.shape[a + 1..].iter().product())
    }
}

impl<T: Scalar, const N: usize> LinearOperator<T> for Gradient<N> {
    fn nrows(&self) -> usize {
        N * self.len
    }

    fn ncols(&self) -> usize {
        self.len
    }

    fn apply(&self, x: &[T], y: &mut [T], _stack: &mut MemStack) {
        check::dim("Gradient::apply x", self.len, x.len());
        check::dim("Gradient::apply y", N * self.len, y.len());
        for (a, ya) in y.chunks_exact_mut(self.len).enumerate() {
            let (n, stride) = self.axis(a);
            for (xb, yb) in x.chunks_exact(n * stride).zip(ya.chunks_exact_mut(n * stride)) {
                let (inner, border) = yb.split_at_mut((n - 1) * stride);
                for ((d, &here), &next) in inner.iter_mut().zip(xb).zip(&xb[stride..]) {
                    *d = next - here;
                }
                border.fill(T::zero());
            }
        }
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], _stack: &mut MemStack) {
        check::dim("Gradient::apply_adjoint y", N * self.len, y.len());
        check::dim("Gradient::apply_adjoint x", self.len, x.len());
        x.fill(T::zero());
        for (a, ya) in y.chunks_exact(self.len).enumerate() {
            let (n, stride) = self.axis(a);
            for (xb, yb) in x.chunks_exact_mut(n * stride).zip(ya.chunks_exact(n * stride)) {
                let inner = &yb[..(n - 1) * stride];
                for (o, &d) in xb.iter_mut().zip(inner) {
                    *o -= d;
                }
                for (o, &d) in xb[stride..].iter_mut().zip(inner) {
                    *o += d;
                }
            }
        }
    }

    fn norm_bound(&self) -> Option<T> {
        let sq: f64 = self
            .shape
            .iter()
            .map(|&n| {
                let c = (core::f64::consts::PI / (2.0 * n as f64)).cos();
                if n == 1 { 0.0 } else { 4.0 * c * c }
            })
            .sum();
        // One rounding step up, so that the bound stays a bound in either precision.
        Some(T::of(sq.sqrt()) * (T::one() + T::epsilon()))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{StackReq, Workspace};

    fn dense<const N: usize>(g: &Gradient<N>) -> Vec<Vec<f64>> {
        let (m, n) = (LinearOperator::<f64>::nrows(g), LinearOperator::<f64>::ncols(g));
        let mut ws = Workspace::new(StackReq::EMPTY);
        (0..n)
            .map(|j| {
                let mut e = vec![0.0; n];
                e[j] = 1.0;
                let mut y = vec![f64::NAN; m];
                g.apply(&e, &mut y, ws.stack());
                y
            })
            .collect()
    }

    #[test]
    fn adjoint_is_the_transpose() {
        fn check<const N: usize>(shape: [usize; N]) {
            let g = Gradient::new(shape).unwrap();
            let cols = dense(&g);
            let mut ws = Workspace::new(StackReq::EMPTY);
            for i in 0..LinearOperator::<f64>::nrows(&g) {
                let mut e = vec![0.0; LinearOperator::<f64>::nrows(&g)];
                e[i] = 1.0;
                let mut x = vec![f64::NAN; cols.len()];
                g.apply_adjoint(&e, &mut x, ws.stack());
                for (j, col) in cols.iter().enumerate() {
                    assert_eq!(x[j], col[i], "{shape:?} {i} {j}");
                }
            }
        }
        check([5]);
        check([1, 1]);
        check([4, 1]);
        check([1, 4]);
        check([3, 4]);
        check([2, 3, 4]);
        check([1, 3, 1]);
    }

    #[test]
    fn norm_is_exact() {
        // Power iteration on the largest eigenvector cos(k π (2i+1) / 2n), k = n − 1, known in closed form.
        for (h, w) in [(1, 1), (1, 7), (3, 4), (8, 5)] {
            let g = Gradient::new([h, w]).unwrap();
            let mode = |i: usize, n: usize| {
                (std::f64::consts::PI * (n as f64 - 1.0) * (2.0 * i as f64 + 1.0) / (2.0 * n as f64)).cos()
            };
            let x: Vec<f64> = (0..h * w).map(|i| mode(i / w, h) * mode(i % w, w)).collect();
            let mut y = vec![0.0; 2 * h * w];
            g.apply(&x, &mut y, Workspace::new(StackReq::EMPTY).stack());
            let ratio = crate::vecops::norm(&y) / crate::vecops::norm(&x);
            let bound: f64 = g.norm_bound().unwrap();
            assert!((ratio - bound).abs() < 1e-13, "{h}x{w}: {ratio} {bound}");
            assert!(bound <= 8.0_f64.sqrt());
        }
    }

    #[test]
    fn refuses_empty_grids() {
        assert_eq!(Gradient::new([3, 0]).unwrap_err(), LinalgError::Empty { what: "gradient axis" });
        assert!(Gradient::new([usize::MAX, 2]).is_err());
    }
}
