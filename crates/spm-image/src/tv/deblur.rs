//! Total variation deblurring with a known kernel.

use std::ops::ControlFlow;
use std::time::Duration;

use spm_linalg::{LinalgError, Scalar, check};
use spm_solvers::{Certificate, Progress};

use super::{Coupling, TvDenoised};
use crate::fourier::{Admm, C64, Fft2, Measurement, Options, ZERO};
use crate::options::setters;
use crate::{Image, ImageError, ImageRef};

/// Removes a known blur: the minimiser of `½‖k ∗ x − b‖² + λ TV(x)`.
///
/// $$ \min_x \tfrac12 \lVert k * x - b \rVert_2^2 + \lambda\, \mathrm{TV}(x) $$
///
/// `∗` is the circular convolution with the kernel, whose centre is at (`height/2`, `width/2`), applied to every channel. The
/// total variation has forward differences that are 0 at the far border (no wrap-around).
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `lambda` | required | `> 0` | weight of the total variation |
/// | `coupling` | `Isotropic` | | which differences are measured together |
/// | `tol` | `1e-4` | `>= 0` | duality gap relative to the objective |
/// | `max_iter` | 5000 | | iterations at most |
/// | `time_limit` | none | | wall time at most |
///
/// Method: split Bregman with the x-update in the Fourier domain (Goldstein and Osher 2009), in double precision; O(n log n) an
/// iteration. The certificate mends an approximate dual variable exactly, by solving a Poisson equation. Memory: some 30
/// copies of the image in double precision.
///
/// ```
/// use spm_image::{Gray, tv::TvDeblur};
/// let kernel = Gray::new(1, 3, vec![0.25, 0.5, 0.25])?;
/// let blurred = Gray::new(1, 8, vec![0.25, 0.0, 0.25, 0.75, 1.0, 1.0, 1.0, 0.75])?; // of 0 0 0 1 1 1 1 1
/// let out = TvDeblur::new(1e-3).deblur(blurred.view(), kernel.view())?;
/// assert!(out.relative_gap() < 0.01);
/// assert!((out.image.get(0, 0, 2) - 0.0_f64).abs() < 0.1 && (out.image.get(0, 0, 3) - 1.0).abs() < 0.1);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TvDeblur<T = f64> {
    /// The weight of the total variation.
    pub lambda: T,
    /// Which differences are measured together.
    pub coupling: Coupling,
    /// The duality gap to reach, relative to the objective.
    pub tol: T,
    /// At most this many iterations.
    pub max_iter: usize,
    /// At most this much wall time.
    pub time_limit: Option<Duration>,
}

impl<T: Scalar> TvDeblur<T> {
    /// Deblurring with weight `lambda` and the default options.
    #[must_use]
    pub fn new(lambda: T) -> Self {
        Self { lambda, coupling: Coupling::default(), tol: T::of(1e-4), max_iter: 5000, time_limit: None }
    }

    setters!(coupling, tol, max_iter, time_limit);

    /// Deblurs.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`]: an option out of range, or a kernel of zeros; [`ImageError::TooSmall`] if the kernel is larger than
    /// the image.
    pub fn deblur<const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        kernel: ImageRef<'_, T>,
    ) -> Result<TvDenoised<T, C>, ImageError> {
        self.deblur_with(image, kernel, &mut |_| ControlFlow::Continue(()))
    }

    /// Deblurs and tells `progress` after every iteration; [`ControlFlow::Break`] ends the run early.
    ///
    /// # Errors
    /// As [`TvDeblur::deblur`].
    pub fn deblur_with<const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        kernel: ImageRef<'_, T>,
        progress: &mut dyn FnMut(&Progress<f64>) -> ControlFlow<()>,
    ) -> Result<TvDenoised<T, C>, ImageError> {
        check::positive("lambda", self.lambda)?;
        check::non_negative("tol", self.tol)?;
        let (h, w) = image.size();
        if kernel.height() > h || kernel.width() > w {
            return Err(ImageError::TooSmall { what: "a kernel", size: kernel.size(), image: (h, w) });
        }
        if kernel.data().iter().all(|v| *v == T::zero()) {
            let (name, expected) = ("kernel", "not zero everywhere");
            return Err(LinalgError::InvalidParam { name, expected, got: 0.0 }.into());
        }
        let fft = Fft2::<f64>::new(h, w);
        let filter = transfer(kernel, &fft);
        let a = Measurement { filter, fft, coils: vec![], planes: C, real: true };
        let scale = image.data().iter().map(|v| v.as_f64().abs()).fold(0.0, f64::max);
        let scale = if scale > 0.0 { scale } else { 1.0 };
        let mut values = vec![ZERO; C * a.fft.spectrum_len()];
        let mut work = a.fft.work();
        for (c, spectrum) in values.chunks_exact_mut(a.fft.spectrum_len()).enumerate() {
            let plane: Vec<f64> = image.plane(c).iter().map(|v| v.as_f64() / scale).collect();
            a.fft.forward(&plane, spectrum, &mut work);
        }
        let options = Options {
            tv: self.lambda.as_f64() / scale,
            wavelet: None,
            coupling: self.coupling,
            exact: false,
            rest: 0.0,
            tol: self.tol.as_f64(),
            max_iter: self.max_iter,
            time_limit: self.time_limit,
        };
        let solver = Admm::new(&a, &values, &options);
        let (x, certificate, mut report) = solver.solve(progress)?;
        let unit = scale * scale;
        let certificate = Certificate::new(certificate.primal * unit, certificate.dual * unit);
        report.last.objective = Some(certificate.primal);
        report.last.gap = Some(certificate.gap());
        let image = Image::from_parts(h, w, x.iter().map(|v| T::of(v * scale)).collect());
        Ok(TvDenoised { image, lambda: self.lambda, certificate, report })
    }
}

/// The Fourier transform (not unitary) of the kernel with its centre at the first pixel.
fn transfer<T: Scalar>(kernel: ImageRef<'_, T>, fft: &Fft2<f64>) -> Vec<C64> {
    let ((kh, kw), (h, w)) = (kernel.size(), (fft.height(), fft.width()));
    let mut image = vec![0.0; h * w];
    for i in 0..kh {
        for j in 0..kw {
            let (to_i, to_j) = ((i + h - kh / 2) % h, (j + w - kw / 2) % w);
            image[to_i * w + to_j] += kernel.get(0, i, j).as_f64();
        }
    }
    let mut out = vec![ZERO; fft.spectrum_len()];
    fft.forward(&image, &mut out, &mut fft.work());
    let unit = ((h * w) as f64).sqrt();
    out.iter_mut().for_each(|v| *v *= unit);
    out
}
