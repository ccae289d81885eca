//! Mean squared error and peak signal-to-noise ratio.

use spm_linalg::{Scalar, check};

use crate::error::same_size;
use crate::{ImageError, ImageRef};

/// The mean squared error `Σ (a − b)² / n` over all pixels and channels.
///
/// $$ \mathrm{MSE} = \frac1n \sum_i (a_i - b_i)^2 $$
///
/// # Errors
/// [`ImageError::SizeMismatch`].
///
/// ```
/// use spm_image::{Gray, metrics::mse};
/// let (a, b) = (Gray::new(1, 2, vec![0.0, 1.0])?, Gray::new(1, 2, vec![0.5, 1.0])?);
/// assert_eq!(mse(a.view(), b.view())?, 0.125);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
pub fn mse<T: Scalar, const C: usize>(
    a: ImageRef<'_, T, C>,
    b: ImageRef<'_, T, C>,
) -> Result<f64, ImageError> {
    same_size(a.size(), b.size())?;
    // A partial sum a row: the rounding error grows with the height and the width, not their product.
    let rows = a.data().chunks_exact(a.width()).zip(b.data().chunks_exact(b.width()));
    let sum: f64 =
        rows.map(|(p, q)| p.iter().zip(q).map(|(p, q)| (p.as_f64() - q.as_f64()).powi(2)).sum::<f64>()).sum();
    Ok(sum / a.data().len() as f64)
}

/// The peak signal-to-noise ratio in decibels, `+∞` for equal images.
///
/// $$ \mathrm{PSNR} = 10 \log_{10} \frac{\text{range}^2}{\mathrm{MSE}} $$
///
/// Plain text: `10·log10(data_range² / mse)`, the mean over all pixels and channels.
///
/// # Errors
/// [`ImageError::SizeMismatch`]; [`spm_linalg::LinalgError::InvalidParam`] unless `data_range > 0`.
///
/// ```
/// use spm_image::{Gray, metrics::psnr};
/// let (a, b) = (Gray::new(1, 2, vec![0.0, 1.0])?, Gray::new(1, 2, vec![0.1, 0.9])?);
/// assert!((psnr(a.view(), b.view(), 1.0)? - 20.0).abs() < 1e-12);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
pub fn psnr<T: Scalar, const C: usize>(
    a: ImageRef<'_, T, C>,
    b: ImageRef<'_, T, C>,
    data_range: f64,
) -> Result<f64, ImageError> {
    check::positive("data_range", data_range)?;
    let mse = mse(a, b)?;
    Ok(10.0 * (data_range * data_range / mse).log10())
}
