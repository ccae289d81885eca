//! What images are made of: real or complex numbers.

use std::fmt::Debug;
use std::ops::{Add, AddAssign, Mul, Sub, SubAssign};

use super::{C64, ZERO};

/// A real or complex pixel, and how rows of it enter and leave a complex transform.
///
/// Two real rows share one complex transform: their spectra are its even and odd parts. The spectrum of a real plane is kept for
/// the columns `0..=width/2`; the others are conjugates.
pub(crate) trait Pixel:
    Copy
    + Debug
    + Default
    + Send
    + Sync
    + Add<Output = Self>
    + Sub<Output = Self>
    + AddAssign
    + SubAssign
    + Mul<f64, Output = Self>
    + 'static
{
    /// Rows of pixels in one complex row.
    const PACKED: usize;

    /// `|v|²`.
    fn sq(self) -> f64;
    /// `Re(v̄ w)`.
    fn product(self, w: Self) -> f64;
    /// `c·v`, its real part for real pixels.
    fn times(self, c: C64) -> Self;
    /// `Re v`.
    fn real(self) -> f64;
    /// The pixel of this real part.
    fn of(v: f64) -> Self;
    /// As a complex number.
    fn complex(self) -> C64;
    /// Appends the real numbers that the pixel consists of.
    fn flatten(v: &[Self], out: &mut Vec<f64>);

    /// Columns of the spectrum that are kept.
    fn columns(width: usize) -> usize;
    /// How many frequencies of the whole spectrum column `j` stands for.
    fn weight(j: usize, width: usize) -> f64;

    /// Up to [`Pixel::PACKED`] rows as one complex row.
    fn pack(rows: &[Self], out: &mut [C64]);
    /// The inverse of [`Pixel::pack`].
    fn unpack(row: &[C64], out: &mut [Self]);
    /// The value at column `j` of the spectra of the rows packed in `row`.
    fn split(row: &[C64], j: usize) -> [C64; 2];
    /// A complex row from the spectra of its rows: puts the values of column `j` where they belong.
    fn merge(pair: [C64; 2], j: usize, row: &mut [C64]);
}

impl Pixel for C64 {
    const PACKED: usize = 1;

    #[inline(always)]
    fn sq(self) -> f64 {
        self.norm_sqr()
    }

    #[inline(always)]
    fn product(self, w: Self) -> f64 {
        self.re * w.re + self.im * w.im
    }

    #[inline(always)]
    fn times(self, c: C64) -> Self {
        self * c
    }

    #[inline(always)]
    fn real(self) -> f64 {
        self.re
    }

    #[inline(always)]
    fn of(v: f64) -> Self {
        C64::new(v, 0.0)
    }

    #[inline(always)]
    fn complex(self) -> C64 {
        self
    }

    fn flatten(v: &[Self], out: &mut Vec<f64>) {
        out.extend(v.iter().flat_map(|v| [v.re, v.im]));
    }

    fn columns(width: usize) -> usize {
        width
    }

    fn weight(_: usize, _: usize) -> f64 {
        1.0
    }

    fn pack(rows: &[Self], out: &mut [C64]) {
        out.copy_from_slice(rows);
    }

    fn unpack(row: &[C64], out: &mut [Self]) {
        out.copy_from_slice(row);
    }

    #[inline(always)]
    fn split(row: &[C64], j: usize) -> [C64; 2] {
        [row[j], ZERO]
    }

    #[inline(always)]
    fn merge(pair: [C64; 2], j: usize, row: &mut [C64]) {
        row[j] = pair[0];
    }
}

impl Pixel for f64 {
    const PACKED: usize = 2;

    #[inline(always)]
    fn sq(self) -> f64 {
        self * self
    }

    #[inline(always)]
    fn product(self, w: Self) -> f64 {
        self * w
    }

    #[inline(always)]
    fn times(self, c: C64) -> Self {
        self * c.re
    }

    #[inline(always)]
    fn real(self) -> f64 {
        self
    }

    #[inline(always)]
    fn of(v: f64) -> Self {
        v
    }

    #[inline(always)]
    fn complex(self) -> C64 {
        C64::new(self, 0.0)
    }

    fn flatten(v: &[Self], out: &mut Vec<f64>) {
        out.extend_from_slice(v);
    }

    fn columns(width: usize) -> usize {
        width / 2 + 1
    }

    fn weight(j: usize, width: usize) -> f64 {
        if j == 0 || 2 * j == width { 1.0 } else { 2.0 }
    }

    fn pack(rows: &[Self], out: &mut [C64]) {
        let (first, second) = rows.split_at(out.len());
        if second.is_empty() {
            out.iter_mut().zip(first).for_each(|(o, &a)| *o = C64::new(a, 0.0));
        } else {
            out.iter_mut().zip(first.iter().zip(second)).for_each(|(o, (&a, &b))| *o = C64::new(a, b));
        }
    }

    fn unpack(row: &[C64], out: &mut [Self]) {
        let (first, second) = out.split_at_mut(row.len());
        first.iter_mut().zip(row).for_each(|(o, v)| *o = v.re);
        second.iter_mut().zip(row).for_each(|(o, v)| *o = v.im);
    }

    #[inline(always)]
    fn split(row: &[C64], j: usize) -> [C64; 2] {
        let (a, b) = (row[j], row[if j == 0 { 0 } else { row.len() - j }]);
        let even = C64::new(0.5 * (a.re + b.re), 0.5 * (a.im - b.im));
        let odd = C64::new(0.5 * (a.im + b.im), 0.5 * (b.re - a.re));
        [even, odd]
    }

    #[inline(always)]
    fn merge(pair: [C64; 2], j: usize, row: &mut [C64]) {
        let (a, b) = (pair[0], pair[1]);
        if j == 0 || 2 * j == row.len() {
            // Real for a real image.
            row[j] = C64::new(a.re, b.re);
        } else {
            row[j] = C64::new(a.re - b.im, a.im + b.re);
            let opposite = row.len() - j;
            row[opposite] = C64::new(a.re + b.im, b.re - a.im);
        }
    }
}
