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
/// over the non-zero diagonal coefficients `w` of the finest scale of a Daubechies wavelet (2 vanishing moments), in the interior of
/// the image; the mean over the channels. 0 if the image has fewer than 4 rows or columns, or nowhere any detail. An image with strong
/// texture is taken to be noisier than it is. O(n) time, memory for a quarter of the pixels.
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
        for i in (0..h - 3).step_by(2) {
            for j in (0..w - 3).step_by(2) {
                let (mut detail, mut size) = (T::zero(), T::zero());
                for (a, &u) in high.iter().enumerate() {
                    for (&x, &v) in plane[(i + a) * w + j..][..4].iter().zip(&high) {
                        detail += u * v * x;
                        size = size.max(x.abs());
                    }
                }
                if detail.abs() > rounding * size {
                    found.push(detail.abs());
                }
            }
        }
        total += median(&mut found);
    }
    total / T::of(0.674_489_750_196_081_7) / T::of_usize(C)
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
