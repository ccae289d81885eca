//! Convolution with a small kernel.

use super::LinearOperator;
use crate::{LinalgError, MemStack, Scalar, check, vecops};

/// What lies outside the signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Boundary {
    /// Zeros.
    Zero,
    /// The signal again, periodically.
    Circular,
}

/// Convolution of a 1-D or 2-D signal with a small kernel; the output has the shape of the input.
///
/// $$y_{i,j} = \sum_{a,b} h_{a,b}\, x_{i + c_1 - a,\; j + c_2 - b}, \qquad c = \lfloor (k - 1)/2 \rfloor$$
///
/// In plain text: `y[i, j] = sum over a, b of h[a, b] * x[i + c1 - a, j + c2 - b]` with the kernel's centre
/// `c = (k - 1) / 2` rounded down, as `same` in SciPy. Image and kernel are stored row by row.
///
/// O(n·k) for `n` samples and `k` non-zero kernel entries, run as `k` vector updates; no temporaries. The norm bound
/// is Young's, `sum |h|`: exact with [`Boundary::Circular`] and a kernel of one sign (every blur).
///
/// ```
/// use spm_linalg::operator::{Boundary, Convolution, LinearOperatorExt};
/// let blur = Convolution::new_1d(&[1.0, 2.0, 3.0], 4, Boundary::Zero)?;
/// assert_eq!(blur.apply_vec(&[0.0, 1.0, 0.0, 0.0]), [1.0, 2.0, 3.0, 0.0]);
/// assert_eq!(blur.apply_vec(&[0.0, 0.0, 0.0, 1.0]), [0.0, 0.0, 1.0, 2.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Convolution<T> {
    rows: usize,
    cols: usize,
    /// The non-zero kernel entries with the displacement (down, right) by which each moves the signal.
    taps: Vec<(T, isize, isize)>,
    boundary: Boundary,
}

impl<T: Scalar> Convolution<T> {
    /// Convolution of signals of length `n`.
    ///
    /// # Errors
    /// As [`new_2d`](Self::new_2d).
    pub fn new_1d(kernel: &[T], n: usize, boundary: Boundary) -> Result<Self, LinalgError> {
        Self::new_2d(kernel, [1, kernel.len()], [1, n], boundary)
    }

    /// Convolution of row-major images of `shape` `[height, width]` with a row-major kernel of `kernel_shape`.
    ///
    /// # Errors
    /// [`LinalgError::Empty`] for an empty kernel, [`LinalgError::Shape`] if its length is not the product of its
    /// shape, [`LinalgError::NonFinite`] if an entry is NaN or infinite, [`LinalgError::InvalidParam`] if the number of
    /// pixels overflows.
    pub fn new_2d(
        kernel: &[T],
        kernel_shape: [usize; 2],
        shape: [usize; 2],
        boundary: Boundary,
    ) -> Result<Self, LinalgError> {
        let ([k1, k2], [rows, cols]) = (kernel_shape, shape);
        check::len("convolution kernel", k1.saturating_mul(k2), kernel.len())?;
        check::non_empty("convolution kernel", kernel.len())?;
        check::finite("convolution kernel", kernel)?;
        if rows.checked_mul(cols).is_none() {
            let (name, expected) = ("image height", "small enough to address");
            return Err(LinalgError::InvalidParam { name, expected, got: rows as f64 });
        }
        let (c1, c2) = ((k1 - 1) / 2, (k2 - 1) / 2);
        let mut taps = Vec::with_capacity(kernel.len());
        for (a, row) in kernel.chunks_exact(k2).enumerate() {
            for (b, &h) in row.iter().enumerate() {
                if h != T::zero() {
                    taps.push((h, a as isize - c1 as isize, b as isize - c2 as isize));
                }
            }
        }
        Ok(Self { rows, cols, taps, boundary })
    }

    /// `dst ← Σ h · (src moved by the tap's displacement, or against it if `backward`)`.
    fn run(&self, src: &[T], dst: &mut [T], backward: bool) {
        let (m, n) = (self.rows, self.cols);
        check::dim("Convolution input", m * n, src.len());
        check::dim("Convolution output", m * n, dst.len());
        dst.fill(T::zero());
        if src.is_empty() {
            return;
        }
        for (i, row) in dst.chunks_exact_mut(n).enumerate() {
            for &(h, down, right) in &self.taps {
                let (down, right) = if backward { (-down, -right) } else { (down, right) };
                let from = match self.boundary {
                    Boundary::Zero => i.checked_add_signed(-down).filter(|&from| from < m),
                    Boundary::Circular => Some((i as isize - down).rem_euclid(m as isize) as usize),
                };
                if let Some(from) = from {
                    self.add_moved(h, &src[from * n..(from + 1) * n], row, right);
                }
            }
        }
    }

    /// `dst[i] ← dst[i] + h·src[i − by]` on one row.
    fn add_moved(&self, h: T, src: &[T], dst: &mut [T], by: isize) {
        let n = src.len();
        match self.boundary {
            Boundary::Zero => {
                let by_abs = by.unsigned_abs().min(n);
                if by >= 0 {
                    vecops::axpy(h, &src[..n - by_abs], &mut dst[by_abs..]);
                } else {
                    vecops::axpy(h, &src[by_abs..], &mut dst[..n - by_abs]);
                }
            }
            Boundary::Circular => {
                let by = by.rem_euclid(n as isize) as usize;
                vecops::axpy(h, &src[..n - by], &mut dst[by..]);
                vecops::axpy(h, &src[n - by..], &mut dst[..by]);
            }
        }
    }
}

impl<T: Scalar> LinearOperator<T> for Convolution<T> {
    fn nrows(&self) -> usize {
        self.rows * self.cols
    }

    fn ncols(&self) -> usize {
        self.rows * self.cols
    }

    fn apply(&self, x: &[T], y: &mut [T], _stack: &mut MemStack) {
        self.run(x, y, false);
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], _stack: &mut MemStack) {
        self.run(y, x, true);
    }

    fn norm_bound(&self) -> Option<T> {
        Some(self.taps.iter().map(|tap| tap.0.abs()).sum())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::LinearOperatorExt;
    use crate::testing::Rng;

    /// The definition, entry by entry.
    fn slow(kernel: &[f64], k: [usize; 2], x: &[f64], shape: [usize; 2], boundary: Boundary) -> Vec<f64> {
        let ([k1, k2], [m, n]) = (k.map(|k| k as isize), shape.map(|n| n as isize));
        let at = |i: isize, j: isize| match boundary {
            Boundary::Zero if i < 0 || j < 0 || i >= m || j >= n => 0.0,
            _ => x[(n * i.rem_euclid(m) + j.rem_euclid(n)) as usize],
        };
        let mut y = vec![];
        for i in 0..m {
            for j in 0..n {
                let mut sum = 0.0;
                for a in 0..k1 {
                    for b in 0..k2 {
                        sum += kernel[(a * k2 + b) as usize] * at(i + (k1 - 1) / 2 - a, j + (k2 - 1) / 2 - b);
                    }
                }
                y.push(sum);
            }
        }
        y
    }

    #[test]
    fn agrees_with_the_definition() {
        let mut rng = Rng::new(3);
        for boundary in [Boundary::Zero, Boundary::Circular] {
            for k in [[1, 1], [3, 3], [2, 5], [4, 1], [1, 4], [7, 9]] {
                for shape in [[6, 5], [1, 8], [8, 1], [2, 2], [1, 1]] {
                    let kernel: Vec<f64> = rng.normals(k[0] * k[1]);
                    let x: Vec<f64> = rng.normals(shape[0] * shape[1]);
                    let a = Convolution::new_2d(&kernel, k, shape, boundary).expect("valid");
                    for (fast, slow) in a.apply_vec(&x).iter().zip(slow(&kernel, k, &x, shape, boundary)) {
                        assert!((fast - slow).abs() < 1e-11, "{boundary:?} {k:?} {shape:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn rows_are_contiguous() {
        // The kernel moves the image one pixel to the right.
        let a = Convolution::new_2d(&[0.0, 0.0, 1.0], [1, 3], [2, 3], Boundary::Zero).expect("valid");
        assert_eq!(a.apply_vec(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]), [0.0, 1.0, 2.0, 0.0, 4.0, 5.0]);
    }

    #[test]
    fn a_circular_blur_attains_its_norm_bound_on_the_constant() {
        let a = Convolution::new_1d(&[0.25, 0.5, 0.25], 9, Boundary::Circular).expect("valid");
        assert_eq!(a.apply_vec(&[1.0; 9]), [1.0; 9]);
        assert_eq!(a.norm_bound(), Some(1.0));
    }

    #[test]
    fn kernels_are_checked() {
        assert!(Convolution::<f64>::new_1d(&[], 3, Boundary::Zero).is_err());
        assert!(Convolution::new_1d(&[f64::NAN], 3, Boundary::Zero).is_err());
        assert!(Convolution::new_2d(&[1.0; 5], [2, 2], [3, 3], Boundary::Zero).is_err());
    }
}
