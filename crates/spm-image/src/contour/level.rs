//! Where the boundary between two classes of pixels lies, and how noisy they are.

use spm_linalg::Scalar;

use crate::ImageRef;

const BINS: usize = 256;

/// The level half way between the two classes that Otsu's method separates.
///
/// Otsu (1979) splits the histogram (256 bins) where the variance between the classes, `n0 n1 (m1 - m0)^2`, is largest. The level is
/// `(m0 + m1) / 2`: where the imaging blurs an edge symmetrically, it passes half way there. `None` for a constant image.
///
/// ```
/// use spm_image::{Gray, contour::otsu_level};
/// let image = Gray::new(1, 4, vec![0.1, 0.1, 0.9, 0.9])?;
/// assert!((otsu_level(image.view()).unwrap() - 0.5).abs() < 1e-12);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[must_use]
pub fn otsu_level<T: Scalar>(image: ImageRef<'_, T>) -> Option<f64> {
    otsu(image.data().iter().map(|v| v.as_f64())).map(|split| split.level)
}

/// Two classes of values.
#[derive(Debug, Clone, Copy)]
pub(super) struct Split {
    /// Half way between their means.
    pub(super) level: f64,
    /// The distance of their means.
    pub(super) contrast: f64,
}

/// The two classes that Otsu's method makes of values; `None` if all are equal.
pub(super) fn otsu(values: impl Iterator<Item = f64> + Clone) -> Option<Split> {
    let (low, high) =
        values.clone().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
    if low >= high {
        return None;
    }
    let bin = |v: f64| (((v - low) / (high - low) * BINS as f64) as usize).min(BINS - 1);
    let (mut count, mut sum) = ([0.0; BINS], [0.0; BINS]);
    for v in values {
        count[bin(v)] += 1.0;
        sum[bin(v)] += v;
    }
    let (all, total) = (count.iter().sum::<f64>(), sum.iter().sum::<f64>());
    let (mut n0, mut s0) = (0.0, 0.0);
    let (mut best, mut split) = (-1.0, None);
    for b in 0..BINS - 1 {
        n0 += count[b];
        s0 += sum[b];
        let n1 = all - n0;
        if n0 > 0.0 && n1 > 0.0 {
            let (m0, m1) = (s0 / n0, (total - s0) / n1);
            let between = n0 * n1 * (m1 - m0) * (m1 - m0);
            if between > best {
                (best, split) = (between, Some(Split { level: 0.5 * (m0 + m1), contrast: m1 - m0 }));
            }
        }
    }
    split
}

/// The standard deviation of independent noise, from the median of `|a - b - c + d| / 2` over blocks of 2 × 2 pixels: edges
/// are few, and planes cancel. 0 for an image without such a block.
///
/// Unlike [`estimate_sigma`](crate::estimate_sigma), which leaves out blocks without any detail because photographs saturate, this
/// counts them: a drawing of a shape is flat almost everywhere, and then has no noise.
pub(super) fn noise_level<T: Scalar>(image: ImageRef<'_, T>) -> f64 {
    let (h, w) = image.size();
    let at = |i: usize, j: usize| image.get(0, i, j).as_f64();
    let block = |i: usize, j: usize| 0.5 * (at(i, j) - at(i, j + 1) - at(i + 1, j) + at(i + 1, j + 1)).abs();
    let mut all: Vec<f64> =
        (0..h / 2).flat_map(|i| (0..w / 2).map(move |j| (2 * i, 2 * j))).map(|(i, j)| block(i, j)).collect();
    if all.is_empty() {
        return 0.0;
    }
    let half = all.len() / 2;
    *all.select_nth_unstable_by(half, f64::total_cmp).1 / 0.674_489_750_196_081_7
}
