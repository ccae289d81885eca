//! The unitary two-dimensional Fourier transform.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use rustfft::{Fft, FftPlanner};

use super::{C64, Pixel, ZERO};
use crate::par;

/// Values that one task transforms at least.
const TASK: usize = 1 << 13;

/// Rows and columns that are transposed together: they stay in the cache.
const BLOCK: usize = 16;

/// `F` and `Fᴴ` on planes of `height × width` pixels, any size, `1/√(height·width)` in both.
///
/// Spectra are stored transposed (columns of `height` values, see [`Pixel::columns`] for how many): a transform is rows, one
/// transposition, rows again. O(n log n); nothing is allocated beside [`Work`].
pub(crate) struct Fft2<P> {
    height: usize,
    width: usize,
    /// Forward and backward, along a row and along a column.
    along: [[Arc<dyn Fft<f64>>; 2]; 2],
    /// Complex rows and columns a task.
    task: (usize, usize),
    pixel: PhantomData<P>,
}

/// Temporary memory of a transform.
#[derive(Debug, Clone)]
pub(crate) struct Work {
    /// A task after the other: its complex rows, then what their transform needs.
    rows: Vec<C64>,
    /// What the transform of columns needs, a task after the other.
    columns: Vec<C64>,
    /// A spectrum.
    spectrum: Vec<C64>,
}

impl<P> fmt::Debug for Fft2<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fft2({} x {})", self.height, self.width)
    }
}

impl<P: Pixel> Fft2<P> {
    pub(crate) fn new(height: usize, width: usize) -> Self {
        let mut planner = FftPlanner::new();
        let mut both = |n| [planner.plan_fft_forward(n), planner.plan_fft_inverse(n)];
        let along = [both(width), both(height)];
        let task = (TASK.div_ceil(width), TASK.div_ceil(height));
        Self { height, width, along, task, pixel: PhantomData }
    }

    pub(crate) fn work(&self) -> Work {
        let (rows, columns) = (self.height.div_ceil(P::PACKED), P::columns(self.width));
        Work {
            rows: vec![ZERO; rows.div_ceil(self.task.0) * self.row_task()],
            columns: vec![ZERO; columns.div_ceil(self.task.1) * self.scratch(1)],
            spectrum: vec![ZERO; self.spectrum_len()],
        }
    }

    pub(crate) fn height(&self) -> usize {
        self.height
    }

    pub(crate) fn width(&self) -> usize {
        self.width
    }

    /// Pixels in a plane.
    pub(crate) fn len(&self) -> usize {
        self.height * self.width
    }

    /// Values in a spectrum.
    pub(crate) fn spectrum_len(&self) -> usize {
        self.height * P::columns(self.width)
    }

    /// `spectrum ← F x`.
    pub(crate) fn forward(&self, x: &[P], spectrum: &mut [C64], work: &mut Work) {
        let scale = self.scale();
        self.enter(x, &mut work.rows);
        self.on_columns(spectrum, &work.rows, &mut work.columns, |_, column, scratch| {
            self.along[1][0].process_with_scratch(column, scratch);
            column.iter_mut().for_each(|v| *v *= scale);
        });
    }

    /// `x ← Fᴴ spectrum`, the real part of it for real pixels. Destroys `spectrum`.
    pub(crate) fn inverse(&self, spectrum: &mut [C64], x: &mut [P], work: &mut Work) {
        let scale = self.scale();
        let size = self.task.1 * self.height;
        par::chunks_pair_mut(spectrum, size, &mut work.columns, self.scratch(1), |_, columns, scratch| {
            self.along[1][1].process_with_scratch(columns, scratch);
            columns.iter_mut().for_each(|v| *v *= scale);
        });
        self.leave(spectrum, x, &mut work.rows);
    }

    /// `x ← Fᴴ(f(F x))`, `f` of the offset of some columns and their values.
    pub(crate) fn filter(
        &self,
        x: &[P],
        out: &mut [P],
        work: &mut Work,
        f: impl Fn(usize, &mut [C64]) + Send + Sync,
    ) {
        let scale = self.scale();
        let Work { rows, columns, spectrum } = work;
        self.enter(x, rows);
        self.on_columns(spectrum, rows, columns, |first, column, scratch| {
            self.along[1][0].process_with_scratch(column, scratch);
            column.iter_mut().for_each(|v| *v *= scale);
            f(first, column);
            self.along[1][1].process_with_scratch(column, scratch);
            column.iter_mut().for_each(|v| *v *= scale);
        });
        self.leave(spectrum, out, rows);
    }

    fn scale(&self) -> f64 {
        1.0 / (self.len() as f64).sqrt()
    }

    /// What the transform along an axis needs beside its data.
    fn scratch(&self, axis: usize) -> usize {
        self.along[axis].iter().map(|f| f.get_inplace_scratch_len()).max().unwrap_or(0).max(1)
    }

    /// Values of a task of rows in [`Work`].
    fn row_task(&self) -> usize {
        self.task.0 * self.width + self.scratch(0)
    }

    /// Where complex row `i` is in [`Work`].
    fn row(&self, i: usize) -> std::ops::Range<usize> {
        let start = i / self.task.0 * self.row_task() + i % self.task.0 * self.width;
        start..start + self.width
    }

    /// The rows packed and transformed.
    fn enter(&self, x: &[P], rows: &mut [C64]) {
        let (w, packed) = (self.width, P::PACKED * self.width);
        par::chunks_mut(rows, self.row_task(), |task, chunk| {
            let (data, scratch) = chunk.split_at_mut(self.task.0 * w);
            let x = &x[(task * self.task.0 * packed).min(x.len())..];
            for (row, x) in data.chunks_exact_mut(w).zip(x.chunks(packed)) {
                P::pack(x, row);
                self.along[0][0].process_with_scratch(row, scratch);
            }
        });
    }

    /// Back from columns to pixels.
    fn leave(&self, spectrum: &[C64], x: &mut [P], rows: &mut [C64]) {
        let (h, w, packed) = (self.height, self.width, P::PACKED * self.width);
        par::chunks_pair_mut(x, self.task.0 * packed, rows, self.row_task(), |task, x, chunk| {
            let (data, scratch) = chunk.split_at_mut(self.task.0 * w);
            let (first, count) = (task * self.task.0, x.len().div_ceil(packed));
            for j0 in (0..P::columns(w)).step_by(BLOCK) {
                for (k, row) in data.chunks_exact_mut(w).take(count).enumerate() {
                    let i = (first + k) * P::PACKED;
                    for j in j0..(j0 + BLOCK).min(P::columns(w)) {
                        let second = if P::PACKED == 2 && i + 1 < h { spectrum[j * h + i + 1] } else { ZERO };
                        P::merge([spectrum[j * h + i], second], j, row);
                    }
                }
            }
            for (row, x) in data.chunks_exact_mut(w).zip(x.chunks_mut(packed)) {
                self.along[0][1].process_with_scratch(row, scratch);
                P::unpack(row, x);
            }
        });
    }

    /// Brings the transformed rows into columns and calls `f` with the offset, the values and the scratch of some of them.
    fn on_columns(
        &self,
        spectrum: &mut [C64],
        rows: &[C64],
        scratch: &mut [C64],
        f: impl Fn(usize, &mut [C64], &mut [C64]) + Send + Sync,
    ) {
        let h = self.height;
        let size = self.task.1 * h;
        par::chunks_pair_mut(spectrum, size, scratch, self.scratch(1), |task, chunk, scratch| {
            let first = task * self.task.1;
            for (b, block) in chunk.chunks_mut(BLOCK * h).enumerate() {
                for i in (0..h).step_by(P::PACKED) {
                    let row = &rows[self.row(i / P::PACKED)];
                    for (j, column) in block.chunks_exact_mut(h).enumerate() {
                        let [one, two] = P::split(row, first + b * BLOCK + j);
                        column[i] = one;
                        if P::PACKED == 2 && i + 1 < h {
                            column[i + 1] = two;
                        }
                    }
                }
            }
            f(task * size, chunk, scratch);
        });
    }
}

/// Puts the values of a whole `height × width` spectrum in the order of [`Fft2`].
pub(crate) fn transposed<V: Copy>(v: &[V], (h, w): (usize, usize)) -> Vec<V> {
    (0..h * w).map(|k| v[(k % h) * w + k / h]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZES: [(usize, usize); 6] = [(1, 1), (1, 7), (5, 1), (6, 10), (17, 19), (96, 100)];

    /// The definition, transposed.
    fn slow(x: &[C64], (h, w): (usize, usize)) -> Vec<C64> {
        let at = |k: usize| {
            let (p, q) = (k % h, k / h);
            let turn = |l: usize| (p * (l / w)) as f64 / h as f64 + (q * (l % w)) as f64 / w as f64;
            let term = |(l, v): (usize, &C64)| v * C64::from_polar(1.0, -std::f64::consts::TAU * turn(l));
            x.iter().enumerate().map(term).sum::<C64>() / ((h * w) as f64).sqrt()
        };
        (0..h * w).map(at).collect()
    }

    /// Against the definition, any size, and back.
    fn check<P: Pixel>(of: impl Fn(usize) -> P, complex: impl Fn(P) -> C64) {
        for (h, w) in SIZES {
            let fft = Fft2::<P>::new(h, w);
            let mut work = fft.work();
            let x: Vec<P> = (0..h * w).map(&of).collect();
            let mut spectrum = vec![ZERO; fft.spectrum_len()];
            fft.forward(&x, &mut spectrum, &mut work);
            if h * w < 1000 {
                let expected = slow(&x.iter().map(|&v| complex(v)).collect::<Vec<_>>(), (h, w));
                assert!(spectrum.iter().zip(&expected).all(|(a, b)| (a - b).norm() < 1e-11), "{h} x {w}");
            }
            let weights = spectrum.iter().enumerate().map(|(k, v)| P::weight(k / h, w) * v.norm_sqr());
            let energy: f64 = x.iter().map(|v| v.sq()).sum();
            assert!((weights.sum::<f64>() - energy).abs() < 1e-11 * energy);
            let (mut back, mut filtered) = (vec![P::default(); h * w], vec![P::default(); h * w]);
            fft.inverse(&mut spectrum, &mut back, &mut work);
            fft.filter(&x, &mut filtered, &mut work, |_, column| column.iter_mut().for_each(|v| *v *= 2.0));
            for ((x, b), f) in x.iter().zip(&back).zip(&filtered) {
                assert!((*x - *b).sq() < 1e-26 && (*x * 2.0 - *f).sq() < 1e-26);
            }
        }
    }

    #[test]
    fn is_the_unitary_transform() {
        check(|k| C64::new((k as f64).sin(), (k as f64 * 0.7).cos()), |v| v);
        check(|k| (k as f64).sin() + 0.1, |v| C64::new(v, 0.0));
    }
}
