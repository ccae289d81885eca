//! Compressed-sensing magnetic resonance imaging: an image from few of its Fourier coefficients.
//!
//! [`KSpace`] holds what was measured, [`Mri`] reconstructs, [`mask`] makes sampling patterns, [`phantom`]
//! a head to try them on.

pub mod mask;
mod phantom;
mod reconstruct;

pub use phantom::phantom;
pub use reconstruct::{Mri, Reconstruction};

use spm_linalg::{LinalgError, check};

use crate::ImageError;
use crate::fourier::{Fft2, Measurement, ZERO, transposed};

/// A complex number in double precision.
pub type Complex = rustfft::num_complex::Complex<f64>;

/// Measured Fourier coefficients: where (a mask), what, and through which coils.
///
/// The transform is unitary, `F x(p, q) = 1/√(hw) Σ x(i, j) exp(−2πι(pi/h + qj/w))`, and not shifted: frequency 0 is the first
/// entry, as in NumPy's `fft2(…, norm="ortho")`. [`fft_shift`] and [`ifft_shift`] move it to the centre and back.
#[derive(Debug, Clone, PartialEq)]
pub struct KSpace {
    size: (usize, usize),
    mask: Vec<bool>,
    values: Vec<Complex>,
    coils: Vec<Complex>,
}

impl KSpace {
    /// The measurements of one coil of sensitivity 1. `values` is a whole `height × width` plane, row by row; entries outside
    /// the mask are ignored.
    ///
    /// # Errors
    /// [`LinalgError::Empty`] without pixels or samples, [`LinalgError::Shape`], [`LinalgError::NonFinite`].
    pub fn new(size: (usize, usize), mask: Vec<bool>, values: Vec<Complex>) -> Result<Self, ImageError> {
        Self::checked(size, mask, values, Vec::new())
    }

    /// The measurements of several coils with known sensitivities: `q` planes of values and `q` planes of sensitivities.
    ///
    /// # Errors
    /// As [`KSpace::new`].
    pub fn with_coils(
        size: (usize, usize),
        mask: Vec<bool>,
        values: Vec<Complex>,
        sensitivities: Vec<Complex>,
    ) -> Result<Self, ImageError> {
        check::non_empty("coil sensitivities", sensitivities.len())?;
        check::len("coil sensitivities", values.len(), sensitivities.len())?;
        Self::checked(size, mask, values, sensitivities)
    }

    /// Measures an image (`height × width` values, row by row): the mask and, if there are any, the coils are applied to it.
    ///
    /// # Errors
    /// As [`KSpace::new`].
    pub fn measure(
        size: (usize, usize),
        mask: Vec<bool>,
        image: &[Complex],
        sensitivities: Vec<Complex>,
    ) -> Result<Self, ImageError> {
        let n = size.0.saturating_mul(size.1);
        check::len("image", n, image.len())?;
        let coils = (sensitivities.len() / n.max(1)).max(1);
        let mut out = Self::checked(size, mask, vec![ZERO; coils * n], sensitivities)?;
        let a = out.measurement(false);
        let mut values = vec![ZERO; coils * n];
        a.apply(image, &mut values, &mut vec![ZERO; n], &mut a.fft.work());
        for (to, from) in out.values.chunks_exact_mut(n).zip(values.chunks_exact(n)) {
            to.copy_from_slice(&transposed(from, (size.1, size.0)));
        }
        Ok(out)
    }

    fn checked(
        size: (usize, usize),
        mask: Vec<bool>,
        mut values: Vec<Complex>,
        coils: Vec<Complex>,
    ) -> Result<Self, ImageError> {
        check::non_empty("image height", size.0)?;
        check::non_empty("image width", size.1)?;
        let n = size.0.checked_mul(size.1).ok_or(LinalgError::InvalidParam {
            name: "image size",
            expected: "small enough to address",
            got: size.0 as f64,
        })?;
        check::len("mask", n, mask.len())?;
        check::len("k-space", n.max(values.len() / n * n), values.len())?;
        check::non_empty("samples", mask.iter().filter(|&&m| m).count())?;
        for plane in values.chunks_exact_mut(n) {
            plane.iter_mut().zip(&mask).filter(|(_, m)| !**m).for_each(|(v, _)| *v = ZERO);
        }
        let finite = |what, v: &[Complex]| match v.iter().position(|v| !v.is_finite()) {
            Some(index) => Err(LinalgError::NonFinite { what, index }),
            None => Ok(()),
        };
        finite("k-space", &values)?;
        finite("coil sensitivities", &coils)?;
        if coils.is_empty() {
            check::len("k-space", n, values.len())?;
        }
        Ok(Self { size, mask, values, coils })
    }

    /// Height and width.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        self.size
    }

    /// Where there are measurements.
    #[must_use]
    pub fn mask(&self) -> &[bool] {
        &self.mask
    }

    /// The measurements, coil after coil, 0 outside the mask.
    #[must_use]
    pub fn values(&self) -> &[Complex] {
        &self.values
    }

    /// `Aᴴ k`: the image whose unmeasured coefficients are 0.
    #[must_use]
    pub fn zero_filled(&self) -> Vec<Complex> {
        let a = self.measurement(false);
        let mut out = vec![ZERO; self.mask.len()];
        a.adjoint(&mut self.spectra(), &mut out, &mut vec![ZERO; self.mask.len()], &mut a.fft.work());
        out
    }

    fn measurement(&self, real: bool) -> Measurement<Complex> {
        let on = |&m: &bool| Complex::new(f64::from(u8::from(m)), 0.0);
        let mask: Vec<Complex> = self.mask.iter().map(on).collect();
        Measurement {
            filter: transposed(&mask, self.size),
            fft: Fft2::new(self.size.0, self.size.1),
            coils: self.coils.clone(),
            planes: 1,
            real,
        }
    }

    /// The values in the order of the transform.
    fn spectra(&self) -> Vec<Complex> {
        self.values.chunks_exact(self.mask.len()).flat_map(|v| transposed(v, self.size)).collect()
    }
}

/// Moves frequency 0 from the first entry to the centre (`height/2`, `width/2`), as NumPy's `fftshift`.
///
/// # Panics
/// If `v` has not `height·width` values.
#[must_use]
pub fn fft_shift<V: Copy>(v: &[V], size: (usize, usize)) -> Vec<V> {
    rotate(v, size, (size.0 - size.0 / 2, size.1 - size.1 / 2))
}

/// The inverse of [`fft_shift`].
///
/// # Panics
/// If `v` has not `height·width` values.
#[must_use]
pub fn ifft_shift<V: Copy>(v: &[V], size: (usize, usize)) -> Vec<V> {
    rotate(v, size, (size.0 / 2, size.1 / 2))
}

fn rotate<V: Copy>(v: &[V], (h, w): (usize, usize), by: (usize, usize)) -> Vec<V> {
    check::dim("shift", h * w, v.len());
    (0..h * w).map(|k| v[(k / w + by.0) % h * w + (k % w + by.1) % w]).collect()
}
