//! The multi-scale structural similarity index.

use spm_linalg::Scalar;

use super::Ssim;
use crate::{Image, ImageError, ImageRef};

/// Exponents of the five scales, finest first (Wang et al. 2003, section 3.2).
const EXPONENTS: [f64; 5] = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333];

/// The multi-scale structural similarity index (MS-SSIM) over five scales.
///
/// $$ \text{MS-SSIM} = \mathrm{SSIM}_5^{w_5} \prod_{s=1}^{4} \mathrm{CS}_s^{w_s} $$
///
/// Plain text: `SSIM_5^w5 · Π_{s<5} CS_s^ws`, `CS` the mean contrast-structure factor `(2 vab + c2)/(va + vb + c2)`.
///
/// The window is the Gaussian of [`Ssim::gaussian`], each scale is the mean of 2×2 pixels of the one before (an odd last row or
/// column is dropped). A negative mean counts as 0. Over channels, the factors are averaged.
///
/// Wang, Simoncelli and Bovik (2003), "Multiscale structural similarity for image quality assessment".
///
/// # Errors
/// [`ImageError::TooSmall`] unless the fifth scale has 11×11 pixels, that is 176 in either direction;
/// [`ImageError::SizeMismatch`]; [`spm_linalg::LinalgError::InvalidParam`] unless `data_range > 0`.
///
/// ```
/// use spm_image::{Gray, metrics::ms_ssim};
/// let a = Gray::<f64>::new(176, 176, (0..176 * 176).map(|k| f64::from(k % 7) / 6.0).collect())?;
/// assert!((ms_ssim(a.view(), a.view(), 1.0)? - 1.0).abs() < 1e-12);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
pub fn ms_ssim<T: Scalar, const C: usize>(
    a: ImageRef<'_, T, C>,
    b: ImageRef<'_, T, C>,
    data_range: f64,
) -> Result<f64, ImageError> {
    let least = 11 << (EXPONENTS.len() - 1);
    if a.height() < least || a.width() < least {
        return Err(ImageError::TooSmall {
            what: "the window of the coarsest scale",
            size: (least, least),
            image: a.size(),
        });
    }
    let ssim = Ssim::gaussian(data_range);
    let (mut a, mut b) = (to_f64(a), to_f64(b));
    let mut product = 1.0;
    for (scale, exponent) in EXPONENTS.iter().enumerate() {
        let (terms, _) = ssim.run(a.view(), b.view(), false)?;
        let coarsest = scale + 1 == EXPONENTS.len();
        let factor = if coarsest { terms.ssim } else { terms.contrast };
        product *= factor.max(0.0).powf(*exponent);
        if !coarsest {
            (a, b) = (halve(&a), halve(&b));
        }
    }
    Ok(product)
}

fn to_f64<T: Scalar, const C: usize>(x: ImageRef<'_, T, C>) -> Image<f64, C> {
    Image::from_parts(x.height(), x.width(), x.data().iter().map(|v| v.as_f64()).collect())
}

/// The mean of 2×2 pixels.
fn halve<const C: usize>(x: &Image<f64, C>) -> Image<f64, C> {
    let (h, w) = (x.height() / 2, x.width() / 2);
    let mut out = Vec::with_capacity(C * h * w);
    for c in 0..C {
        let rows = x.plane(c).chunks_exact(x.width());
        for (top, bottom) in rows.clone().step_by(2).zip(rows.skip(1).step_by(2)) {
            out.extend(
                top.chunks_exact(2)
                    .zip(bottom.chunks_exact(2))
                    .map(|(p, q)| 0.25 * (p[0] + p[1] + q[0] + q[1])),
            );
        }
    }
    Image::from_parts(h, w, out)
}
