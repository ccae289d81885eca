//! Orthonormal wavelets on images of any size.

use std::ops::{Add, Mul};

use spm_linalg::LinalgError;

use crate::ImageError;

/// An orthonormal wavelet of Daubechies' family, by its number of vanishing moments.
///
/// I. Daubechies (1988), "Orthonormal bases of compactly supported wavelets"; the filters have `2 N` taps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wavelet {
    /// 1 moment: means and differences of pairs.
    Haar,
    /// 2 moments.
    Db2,
    /// 3 moments.
    Db3,
    /// 4 moments, the default.
    #[default]
    Db4,
    /// 5 moments.
    Db5,
    /// 6 moments.
    Db6,
    /// 7 moments.
    Db7,
    /// 8 moments.
    Db8,
}

impl Wavelet {
    /// All of them, by increasing length.
    pub const ALL: [Self; 8] =
        [Self::Haar, Self::Db2, Self::Db3, Self::Db4, Self::Db5, Self::Db6, Self::Db7, Self::Db8];

    /// The scaling filter, sum `√2`.
    fn low(self) -> &'static [f64] {
        use std::f64::consts::FRAC_1_SQRT_2 as R;
        match self {
            Self::Haar => &[R, R],
            Self::Db2 => &DB2,
            Self::Db3 => &DB3,
            Self::Db4 => &DB4,
            Self::Db5 => &DB5,
            Self::Db6 => &DB6,
            Self::Db7 => &DB7,
            Self::Db8 => &DB8,
        }
    }
}

/// The orthonormal two-dimensional wavelet transform `W` with periodic borders: `WᵀW = WWᵀ = I`.
///
/// Every level splits the part that is left of the image into its approximation (upper left) and details, along the rows, then
/// along the columns. A part of odd length sets its last row or column aside, as part of the approximation, and transforms the
/// rest, so any size has an orthonormal transform without padding; it has as many levels as leave 8 values or more.
///
/// Values are row-major; anything that can be added and multiplied by an `f64` is transformed: real or complex. O(n·taps).
///
/// ```
/// use spm_image::wavelet::{Wavelet, WaveletTransform};
/// let w = WaveletTransform::new((16, 21), Wavelet::Db2)?;
/// let image: Vec<f64> = (0..16 * 21).map(|k| f64::from(k).sin()).collect();
/// let mut v = image.clone();
/// w.apply(&mut v);
/// let energy = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>();
/// assert!((energy(&v) - energy(&image)).abs() < 1e-10);
/// w.apply_transpose(&mut v);
/// assert!(v.iter().zip(&image).all(|(a, b)| (a - b).abs() < 1e-12));
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct WaveletTransform {
    size: (usize, usize),
    low: &'static [f64],
    high: Vec<f64>,
    levels: usize,
}

/// The least side that is still split.
const SMALLEST: usize = 16;

impl WaveletTransform {
    /// The transform of images of `size` (height, width).
    ///
    /// # Errors
    /// [`LinalgError::Empty`] if a side is 0.
    pub fn new(size: (usize, usize), wavelet: Wavelet) -> Result<Self, ImageError> {
        spm_linalg::check::non_empty("image height", size.0)?;
        spm_linalg::check::non_empty("image width", size.1)?;
        if size.0.checked_mul(size.1).is_none() {
            let (name, expected) = ("image size", "small enough to address");
            return Err(LinalgError::InvalidParam { name, expected, got: size.0 as f64 }.into());
        }
        let low = wavelet.low();
        let sign = |k: usize| if k.is_multiple_of(2) { 1.0 } else { -1.0 };
        let high = (0..low.len()).map(|k| sign(k) * low[low.len() - 1 - k]).collect();
        let (mut h, mut w, mut levels) = (size.0, size.1, 0);
        while h.max(w) >= SMALLEST {
            (h, w) = (next(h), next(w));
            levels += 1;
        }
        Ok(Self { size, low, high, levels })
    }

    /// The transform with at most this many levels.
    #[must_use]
    pub fn with_levels(mut self, most: usize) -> Self {
        self.levels = self.levels.min(most);
        self
    }

    /// Levels of the transform.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.levels
    }

    /// `v ← W v`.
    ///
    /// # Panics
    /// If `v` has not `height·width` values.
    pub fn apply<V>(&self, v: &mut [V])
    where
        V: Copy + Default + Add<Output = V> + Mul<f64, Output = V>,
    {
        spm_linalg::check::dim("WaveletTransform::apply", self.size.0 * self.size.1, v.len());
        self.apply_in(v, &mut vec![V::default(); v.len()]);
    }

    /// [`Self::apply`] with `t`, as long as `v`, as memory.
    pub(crate) fn apply_in<V>(&self, v: &mut [V], t: &mut [V])
    where
        V: Copy + Default + Add<Output = V> + Mul<f64, Output = V>,
    {
        for level in 0..self.levels {
            self.rows(v, self.part(level), t, false);
            self.columns(v, self.part(level), t, false);
        }
    }

    /// `v ← Wᵀ v`, the inverse.
    ///
    /// # Panics
    /// If `v` has not `height·width` values.
    pub fn apply_transpose<V>(&self, v: &mut [V])
    where
        V: Copy + Default + Add<Output = V> + Mul<f64, Output = V>,
    {
        spm_linalg::check::dim("WaveletTransform::apply_transpose", self.size.0 * self.size.1, v.len());
        self.transpose_in(v, &mut vec![V::default(); v.len()]);
    }

    /// [`Self::apply_transpose`] with `t`, as long as `v`, as memory.
    pub(crate) fn transpose_in<V>(&self, v: &mut [V], t: &mut [V])
    where
        V: Copy + Default + Add<Output = V> + Mul<f64, Output = V>,
    {
        for level in (0..self.levels).rev() {
            self.columns(v, self.part(level), t, true);
            self.rows(v, self.part(level), t, true);
        }
    }

    /// The size that is split at a level; level 0 is the whole image.
    fn part(&self, level: usize) -> (usize, usize) {
        (0..level).fold(self.size, |(h, w), _| (next(h), next(w)))
    }

    /// One level along the rows of the upper left `h × w`.
    fn rows<V>(&self, v: &mut [V], (h, w): (usize, usize), t: &mut [V], back: bool)
    where
        V: Copy + Default + Add<Output = V> + Mul<f64, Output = V>,
    {
        if w < SMALLEST {
            return;
        }
        for row in v.chunks_exact_mut(self.size.1).take(h) {
            self.line(&mut row[..w], &mut t[..w], back);
        }
    }

    /// One level along the columns: the same on rows of numbers.
    fn columns<V>(&self, v: &mut [V], (h, w): (usize, usize), t: &mut [V], back: bool)
    where
        V: Copy + Default + Add<Output = V> + Mul<f64, Output = V>,
    {
        if h < SMALLEST {
            return;
        }
        let stride = self.size.1;
        let n = h / 2 * 2;
        let (low, high) = (self.low, &self.high);
        t[..h * w].fill(V::default());
        for i in 0..n / 2 {
            for k in 0..low.len() {
                let j = (2 * i + k) % n;
                // Forward: outputs i and i + len from input j; backward the other way round.
                let (up, down) = (i, i + h - h / 2);
                for c in 0..w {
                    if back {
                        t[j * w + c] =
                            t[j * w + c] + v[up * stride + c] * low[k] + v[down * stride + c] * high[k];
                    } else {
                        let x = v[j * stride + c];
                        t[up * w + c] = t[up * w + c] + x * low[k];
                        t[down * w + c] = t[down * w + c] + x * high[k];
                    }
                }
            }
        }
        if h > n {
            let (from, to) = if back { (h / 2, h - 1) } else { (h - 1, h / 2) };
            for c in 0..w {
                t[to * w + c] = v[from * stride + c];
            }
        }
        for (row, t) in v.chunks_exact_mut(stride).zip(t.chunks_exact(w)).take(h) {
            row[..w].copy_from_slice(t);
        }
    }

    /// One level of one line: approximation first (with the odd value last in it), details after it.
    fn line<V>(&self, v: &mut [V], t: &mut [V], back: bool)
    where
        V: Copy + Default + Add<Output = V> + Mul<f64, Output = V>,
    {
        let w = v.len();
        let n = w / 2 * 2;
        t.fill(V::default());
        for i in 0..n / 2 {
            let (up, down) = (i, i + w - w / 2);
            for (k, (&l, &h)) in self.low.iter().zip(&self.high).enumerate() {
                let mut j = 2 * i + k;
                while j >= n {
                    j -= n;
                }
                if back {
                    t[j] = t[j] + v[up] * l + v[down] * h;
                } else {
                    t[up] = t[up] + v[j] * l;
                    t[down] = t[down] + v[j] * h;
                }
            }
        }
        if w > n {
            let (from, to) = if back { (w / 2, w - 1) } else { (w - 1, w / 2) };
            t[to] = v[from];
        }
        v.copy_from_slice(t);
    }
}

/// The length of the approximation of a part of length `n`.
fn next(n: usize) -> usize {
    if n >= SMALLEST { n - n / 2 } else { n }
}

const DB2: [f64; 4] = [0.48296291314453416, 0.8365163037378079, 0.2241438680420134, -0.12940952255126037];
const DB3: [f64; 6] = [
    0.33267055295008263,
    0.8068915093110925,
    0.45987750211849154,
    -0.13501102001025458,
    -0.08544127388202666,
    0.03522629188570953,
];
const DB4: [f64; 8] = [
    0.2303778133088965,
    0.7148465705529157,
    0.6308807679298589,
    -0.027983769416859854,
    -0.18703481171909309,
    0.030841381835560764,
    0.0328830116668852,
    -0.010597401785069032,
];
const DB5: [f64; 10] = [
    0.16010239797419293,
    0.6038292697971896,
    0.7243085284377729,
    0.13842814590132074,
    -0.24229488706638203,
    -0.032244869584638375,
    0.07757149384004572,
    -0.006241490212798274,
    -0.012580751999081999,
    0.0033357252854737712,
];
const DB6: [f64; 12] = [
    0.11154074335010947,
    0.49462389039845306,
    0.7511339080210954,
    0.31525035170919763,
    -0.22626469396543983,
    -0.12976686756726194,
    0.09750160558732304,
    0.027522865530305727,
    -0.03158203931748603,
    0.0005538422011614961,
    0.004777257510945511,
    -0.0010773010853084796,
];
const DB7: [f64; 14] = [
    0.07785205408500918,
    0.3965393194819173,
    0.7291320908462351,
    0.4697822874051931,
    -0.14390600392856498,
    -0.22403618499387498,
    0.07130921926683026,
    0.08061260915108308,
    -0.03802993693501441,
    -0.01657454163066688,
    0.01255099855609984,
    0.0004295779729213665,
    -0.0018016407040474908,
    0.00035371379997452024,
];
const DB8: [f64; 16] = [
    0.05441584224310401,
    0.31287159091429995,
    0.6756307362972898,
    0.5853546836542067,
    -0.015829105256349306,
    -0.2840155429615469,
    0.0004724845739132828,
    0.12874742662047847,
    -0.017369301001807547,
    -0.044088253930794755,
    0.013981027917398282,
    0.008746094047405777,
    -0.004870352993451574,
    -0.00039174037337694705,
    0.0006754494064505693,
    -0.00011747678412476953,
];

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_orthonormal_with_their_moments() {
        for (n, wavelet) in Wavelet::ALL.into_iter().enumerate() {
            let h = wavelet.low();
            assert_eq!(h.len(), 2 * (n + 1));
            for shift in 0..=n {
                let dot: f64 = h.iter().zip(&h[2 * shift..]).map(|(a, b)| a * b).sum();
                assert!((dot - f64::from(u8::from(shift == 0))).abs() < 1e-14, "{wavelet:?} {shift}");
            }
            let high = WaveletTransform::new((1, 1), wavelet).unwrap().high;
            for m in 0..=n {
                let sum: f64 = high.iter().enumerate().map(|(k, g)| g * (k as f64).powi(m as i32)).sum();
                assert!(sum.abs() < 1e-9 * 16.0_f64.powi(m as i32), "{wavelet:?} moment {m}: {sum}");
            }
        }
    }

    /// The matrix of the transform, column by column, is orthogonal on even, odd, thin and tiny images.
    #[test]
    fn is_orthogonal_on_any_size() {
        for wavelet in Wavelet::ALL {
            for size in [(16, 16), (17, 20), (1, 35), (33, 1), (3, 18), (5, 5)] {
                let w = WaveletTransform::new(size, wavelet).unwrap();
                let n = size.0 * size.1;
                let columns: Vec<Vec<f64>> = (0..n)
                    .map(|k| {
                        let mut e = vec![0.0; n];
                        e[k] = 1.0;
                        w.apply(&mut e);
                        e
                    })
                    .collect();
                for a in (0..n).step_by(7) {
                    for b in 0..n {
                        let dot: f64 = columns[a].iter().zip(&columns[b]).map(|(a, b)| a * b).sum();
                        assert!((dot - f64::from(u8::from(a == b))).abs() < 1e-13, "{wavelet:?} {size:?}");
                    }
                    // The transpose, from its definition.
                    let mut e = vec![0.0; n];
                    e[a] = 1.0;
                    w.apply_transpose(&mut e);
                    assert!((0..n).all(|b| (e[b] - columns[b][a]).abs() < 1e-14));
                }
            }
        }
    }

    #[test]
    fn smooth_images_have_few_coefficients() {
        let w = WaveletTransform::new((64, 64), Wavelet::Db4).unwrap();
        assert_eq!(w.levels(), 3);
        let mut v: Vec<f64> = (0..64 * 64)
            .map(|k| (f64::from(k % 64) * 0.098).sin() + (f64::from(k / 64) * 0.098).cos())
            .collect();
        w.apply(&mut v);
        let total: f64 = v.iter().map(|v| v * v).sum();
        let kept: f64 = (0..8).flat_map(|i| v[i * 64..i * 64 + 8].iter()).map(|v| v * v).sum();
        assert!(kept > 0.99 * total);
    }
}
