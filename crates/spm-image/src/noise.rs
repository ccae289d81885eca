//! The noise level of an image.

use spm_linalg::Scalar;

use crate::ImageRef;

/// The high-pass filter of Daubechies' wavelet with two vanishing moments.
const HIGH: [f64; 4] =
    [-0.482_962_913_144_690_25, 0.836_516_303_737_469, -0.224_143_868_041_857_35, -0.129_409_522_550_921_45];

/// The standard deviation of white noise in an image, from its finest details.
///
/// $$ \hat\sigma = \operatorname{median} |w_i| / 0.6745, $$
///
/// over the diagonal coefficients `w` of the finest scale of a Daubechies wavelet (2 vanishing moments), in the interior of the image;
/// the mean over the channels. Windows that are constant at the least or the largest value of their channel do not count, as clipping
/// hides the noise there; other constant windows do: they have none. 0 if the image has fewer than 4 rows or columns, or is constant.
/// An image with strong texture is taken to be noisier than it is. O(n) time, memory for a quarter of the pixels.
///
/// Source: Donoho and Johnstone 1994, *Ideal spatial adaptation by wavelet shrinkage*.
///
/// ```
/// use spm_image::{Gray, estimate_sigma};
/// let flat = Gray::new(16, 16, vec![0.5; 256])?;
/// assert_eq!(estimate_sigma(flat.view()), 0.0);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[must_use]
pub fn estimate_sigma<T: Scalar, const C: usize>(image: ImageRef<'_, T, C>) -> T {
    let (h, w) = image.size();
    if h < 4 || w < 4 {
        return T::zero();
    }
    let high = HIGH.map(T::of);
    let rounding = T::of(64.0) * T::epsilon();
    let mut total = T::zero();
    let mut found = Vec::with_capacity((h / 2) * (w / 2));
    for c in 0..C {
        let plane = image.plane(c);
        found.clear();
        let (least, largest) = extremes(plane.iter());
        for i in (0..h - 3).step_by(2) {
            for j in (0..w - 3).step_by(2) {
                let window = || (0..4).flat_map(|a| &plane[(i + a) * w + j..][..4]);
                let (low, top) = extremes(window());
                if low == top && (low == least || low == largest) {
                    continue;
                }
                let weights = high.iter().flat_map(|&u| high.iter().map(move |&v| u * v));
                let detail = window().zip(weights).map(|(&x, w)| x * w).sum::<T>().abs();
                let visible = detail > rounding * low.abs().max(top.abs());
                found.push(if visible { detail } else { T::zero() });
            }
        }
        total += median(&mut found);
    }
    total / T::of(0.674_489_750_196_081_7) / T::of_usize(C)
}

/// The least and the largest value.
fn extremes<'a, T: Scalar>(values: impl Iterator<Item = &'a T>) -> (T, T) {
    values.fold((T::infinity(), T::neg_infinity()), |(a, b), &v| (a.min(v), b.max(v)))
}

/// The median, the upper one of two; 0 of nothing.
fn median<T: Scalar>(values: &mut [T]) -> T {
    if values.is_empty() {
        return T::zero();
    }
    let middle = values.len() / 2;
    let (_, &mut m, _) =
        values.select_nth_unstable_by(middle, |a, b| a.partial_cmp(b).unwrap_or(core::cmp::Ordering::Equal));
    m
}
