//! The unitary two-dimensional Fourier transform.

use std::fmt;
use std::sync::Arc;

use rustfft::{Fft, FftPlanner};

use super::{C64, ZERO};
use crate::par;

/// Values that one task transforms at least.
const TASK: usize = 1 << 13;

/// `F` and `Fᴴ` on planes of `height × width` values, any size, `1/√(height·width)` in both.
///
/// Spectra are stored transposed (`width × height`): a transform is rows, one transposition, rows again. O(n log n).
pub(crate) struct Fft2 {
    height: usize,
    width: usize,
    /// Forward and backward, along a row and along a column.
    along: [[Arc<dyn Fft<f64>>; 2]; 2],
}

impl fmt::Debug for Fft2 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fft2({} x {})", self.height, self.width)
    }
}

impl Fft2 {
    pub(crate) fn new(height: usize, width: usize) -> Self {
        let mut planner = FftPlanner::new();
        let mut both = |n| [planner.plan_fft_forward(n), planner.plan_fft_inverse(n)];
        Self { height, width, along: [both(width), both(height)] }
    }

    pub(crate) fn height(&self) -> usize {
        self.height
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Values in a plane.
    pub(crate) fn len(&self) -> usize {
        self.height * self.width
    }

    /// `spectrum ← F x`, transposed. Destroys `x`.
    pub(crate) fn forward(&self, x: &mut [C64], spectrum: &mut [C64]) {
        rows(&*self.along[0][0], x, 1.0);
        transpose(x, self.height, self.width, spectrum);
        rows(&*self.along[1][0], spectrum, self.scale());
    }

    /// `x ← Fᴴ spectrum`. Destroys `spectrum`.
    pub(crate) fn inverse(&self, spectrum: &mut [C64], x: &mut [C64]) {
        rows(&*self.along[1][1], spectrum, 1.0);
        transpose(spectrum, self.width, self.height, x);
        rows(&*self.along[0][1], x, self.scale());
    }

    fn scale(&self) -> f64 {
        1.0 / (self.len() as f64).sqrt()
    }

    /// Puts the values of a `height × width` spectrum in the order of [`Fft2::forward`].
    pub(crate) fn transposed<V: Copy>(&self, v: &[V]) -> Vec<V> {
        let (h, w) = (self.height, self.width);
        (0..h * w).map(|k| v[(k % h) * w + k / h]).collect()
    }

    /// The position of the frequency opposite to position `k` of a spectrum.
    pub(crate) fn opposite(&self, k: usize) -> usize {
        let (h, w) = (self.height, self.width);
        let (i, j) = (k % h, k / h);
        ((w - j) % w) * h + (h - i) % h
    }
}

/// Every row transformed, times `scale`.
fn rows(fft: &dyn Fft<f64>, data: &mut [C64], scale: f64) {
    let n = fft.len();
    par::chunks_mut(data, n * TASK.div_ceil(n), |_, chunk| {
        let mut scratch = vec![ZERO; fft.get_inplace_scratch_len()];
        fft.process_with_scratch(chunk, &mut scratch);
        if scale != 1.0 {
            chunk.iter_mut().for_each(|v| *v *= scale);
        }
    });
}

/// `out ← inᵀ` for a matrix of `m × n`, in square blocks that stay in the cache.
fn transpose(input: &[C64], m: usize, n: usize, out: &mut [C64]) {
    const BLOCK: usize = 16;
    par::chunks_mut(out, BLOCK * m, |b, chunk| {
        let first = b * BLOCK;
        let count = chunk.len() / m;
        for i0 in (0..m).step_by(BLOCK) {
            for i in i0..(i0 + BLOCK).min(m) {
                let from = &input[i * n + first..i * n + first + count];
                for (j, &v) in from.iter().enumerate() {
                    chunk[j * m + i] = v;
                }
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Against the definition, any size, and back.
    #[test]
    fn is_the_unitary_transform() {
        for (h, w) in [(1, 1), (1, 7), (5, 1), (6, 10), (17, 19)] {
            let x: Vec<C64> =
                (0..h * w).map(|k| C64::new((k as f64).sin(), (k as f64 * 0.7).cos())).collect();
            let fft = Fft2::new(h, w);
            let mut spectrum = vec![ZERO; h * w];
            fft.forward(&mut x.clone(), &mut spectrum);
            for k in 0..h * w {
                let (p, q) = (k % h, k / h);
                let mut sum = ZERO;
                for (l, v) in x.iter().enumerate() {
                    let (i, j) = (l / w, l % w);
                    let turn = (p * i) as f64 / h as f64 + (q * j) as f64 / w as f64;
                    sum += v * C64::from_polar(1.0, -std::f64::consts::TAU * turn);
                }
                assert!((sum / ((h * w) as f64).sqrt() - spectrum[k]).norm() < 1e-11);
                assert_eq!(fft.opposite(fft.opposite(k)), k);
            }
            let mut back = vec![ZERO; h * w];
            fft.inverse(&mut spectrum, &mut back);
            assert!(x.iter().zip(&back).all(|(a, b)| (a - b).norm() < 1e-13));
        }
    }
}
