//! Reconstruction from undersampled Fourier coefficients.

use std::ops::ControlFlow;
use std::time::Duration;

use spm_linalg::{LinalgError, check};
use spm_solvers::{Certificate, Progress, Report, Status};

use super::{Complex, KSpace};
use crate::fourier::{Admm, Fft2, Measurement, Options, Pixel, ZERO, halve, sq_norm};
use crate::tv::Coupling;
use crate::wavelet::{Wavelet, WaveletTransform};
use crate::{Gray, Image, ImageError};

/// Compressed-sensing reconstruction: `min_x ½ Σ_q ‖(F S_q x − k_q)[mask]‖² + λ TV(x) + μ ‖Wx‖₁`.
///
/// $$ \min_x \tfrac12 \sum_q \lVert P F S_q x - k_q \rVert_2^2 + \lambda\, \mathrm{TV}(x) + \mu \lVert W x \rVert_1 $$
///
/// `F` is the unitary Fourier transform (see [`KSpace`]), `S_q` the sensitivity of coil `q`, `TV` the total variation of a complex
/// image, `Σ √(|v|² + |h|²)` with forward differences that are 0 at the far border, `W` an orthonormal wavelet transform.
/// Weights of 0 for both ask for the limit: the image of least total variation among those that fit the data exactly.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `lambda` | required | `>= 0` | weight of the total variation |
/// | `wavelet` | none | weight `>= 0` | which wavelet, and the weight `μ` of its coefficients |
/// | `anisotropic` | `false` | | `Σ |v| + |h|` instead |
/// | `real` | `false` | | the image is known to be real |
/// | `tol` | `1e-4` | `>= 0` | duality gap relative to the objective |
/// | `max_iter` | 2000 | | iterations at most |
/// | `time_limit` | none | | wall time at most |
///
/// Method: split Bregman (Goldstein and Osher 2009), two Fourier transforms an iteration for a single coil; several coils take
/// a few conjugate-gradient steps (two transforms a coil each) with a tolerance tied to the outer residual. The certificate is
/// a duality gap, see the crate's source of `fourier::certificate`; it takes four transforms of the mirrored image. Memory:
/// some 25 copies of the image, real or complex.
///
/// M. Lustig, D. Donoho, J. Pauly (2007), "Sparse MRI: the application of compressed sensing for rapid MR imaging", eq. (3).
///
/// ```
/// use spm_image::mri::{Complex, KSpace, Mri, mask};
/// // A square, from a quarter of its Fourier coefficients.
/// let square = |k: usize| f64::from(u8::from((8..20).contains(&(k / 32)) && (10..25).contains(&(k % 32))));
/// let image: Vec<Complex> = (0..32 * 32).map(|k| Complex::new(square(k), 0.0)).collect();
/// let kspace = KSpace::measure((32, 32), mask::random((32, 32), 4.0, 0.05, 0)?, &image, vec![])?;
/// let out = Mri::new(0.0).real(true).reconstruct(&kspace)?;
/// assert!(out.relative_gap() < 0.01);
/// assert!(out.image.iter().zip(&image).all(|(a, b)| (a - b).norm() < 0.1));
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Mri {
    /// Weight of the total variation.
    pub lambda: f64,
    /// Wavelet and the weight of its coefficients.
    pub wavelet: Option<(Wavelet, f64)>,
    /// Whether the two directions are penalised separately.
    pub anisotropic: bool,
    /// Whether the image is real.
    pub real: bool,
    /// The duality gap to reach, relative to the objective.
    pub tol: f64,
    /// At most this many iterations.
    pub max_iter: usize,
    /// At most this much wall time.
    pub time_limit: Option<Duration>,
}

/// A reconstructed complex image with the proof of how good it is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reconstruction {
    /// Row by row.
    pub image: Vec<Complex>,
    /// Height and width.
    pub size: (usize, usize),
    /// Objective and lower bound of the optimum.
    pub certificate: Certificate<f64>,
    /// How the run ended.
    pub report: Report<f64>,
}

impl Reconstruction {
    /// Why the run ended.
    #[must_use]
    pub fn status(&self) -> Status {
        self.report.status
    }

    /// Iterations used.
    #[must_use]
    pub fn iterations(&self) -> usize {
        self.report.last.iter
    }

    /// The certified duality gap relative to the objective.
    #[must_use]
    pub fn relative_gap(&self) -> f64 {
        self.certificate.relative_gap(self.certificate.primal)
    }

    /// `|x|`.
    #[must_use]
    pub fn magnitude(&self) -> Gray<f64> {
        Image::from_parts(self.size.0, self.size.1, self.image.iter().map(|v| v.norm()).collect())
    }

    /// `Re x`.
    #[must_use]
    pub fn real(&self) -> Gray<f64> {
        Image::from_parts(self.size.0, self.size.1, self.image.iter().map(|v| v.re).collect())
    }
}

impl Mri {
    /// Total variation of weight `lambda` and the default options.
    #[must_use]
    pub fn new(lambda: f64) -> Self {
        Self {
            lambda,
            wavelet: None,
            anisotropic: false,
            real: false,
            tol: 1e-4,
            max_iter: 2000,
            time_limit: None,
        }
    }

    /// Adds the coefficients of a wavelet with a weight.
    #[must_use]
    pub fn wavelet(mut self, wavelet: Wavelet, weight: f64) -> Self {
        self.wavelet = Some((wavelet, weight));
        self
    }

    /// Sets whether the two directions are penalised separately.
    #[must_use]
    pub fn anisotropic(mut self, on: bool) -> Self {
        self.anisotropic = on;
        self
    }

    /// Sets whether the image is known to be real.
    #[must_use]
    pub fn real(mut self, real: bool) -> Self {
        self.real = real;
        self
    }

    /// Sets the duality gap to reach, relative to the objective.
    #[must_use]
    pub fn tol(mut self, tol: f64) -> Self {
        self.tol = tol;
        self
    }

    /// Sets the largest number of iterations.
    #[must_use]
    pub fn max_iter(mut self, max_iter: usize) -> Self {
        self.max_iter = max_iter;
        self
    }

    /// Sets the wall time limit.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Reconstructs.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`]: an option out of range, or weights of 0 with several coils.
    pub fn reconstruct(&self, kspace: &KSpace) -> Result<Reconstruction, ImageError> {
        self.reconstruct_with(kspace, &mut |_| ControlFlow::Continue(()))
    }

    /// Reconstructs and tells `progress` after every iteration; [`ControlFlow::Break`] ends the run early.
    ///
    /// # Errors
    /// As [`Mri::reconstruct`].
    pub fn reconstruct_with(
        &self,
        kspace: &KSpace,
        progress: &mut dyn FnMut(&Progress<f64>) -> ControlFlow<()>,
    ) -> Result<Reconstruction, ImageError> {
        check::non_negative("lambda", self.lambda)?;
        check::non_negative("tol", self.tol)?;
        let wavelet_weight = self.wavelet.map_or(0.0, |w| w.1);
        check::non_negative("wavelet weight", wavelet_weight)?;
        let exact = self.lambda == 0.0 && wavelet_weight == 0.0;
        if exact && !kspace.coils.is_empty() {
            let (name, expected) = ("lambda", "positive for several coils");
            return Err(LinalgError::InvalidParam { name, expected, got: 0.0 }.into());
        }
        let whole = kspace.measurement(self.real);
        let values = kspace.spectra();
        if !self.real || !kspace.coils.is_empty() {
            return self.solve(kspace, &whole, values, 0.0, exact, progress);
        }
        // A real image: half of the spectrum says it all, at half the cost.
        let (filter, values, rest) = halve(&whole.filter, &values, kspace.size);
        let fft = Fft2::<f64>::new(kspace.size.0, kspace.size.1);
        let half = Measurement { fft, filter, coils: vec![], planes: 1, real: true };
        self.solve(kspace, &half, values, rest, exact, progress)
    }

    /// Reconstructs from measurements `values` of `a`; `rest` is what the objective has beside.
    fn solve<P: Pixel>(
        &self,
        kspace: &KSpace,
        a: &Measurement<P>,
        mut values: Vec<Complex>,
        rest: f64,
        exact: bool,
        progress: &mut dyn FnMut(&Progress<f64>) -> ControlFlow<()>,
    ) -> Result<Reconstruction, ImageError> {
        let n = a.fft.len();
        let (mut start, mut plane) = (vec![P::default(); n], vec![P::default(); n]);
        a.adjoint(&mut values.clone(), &mut start, &mut plane, &mut a.fft.work());
        let scale = start.iter().map(|v| v.sq().sqrt()).fold(0.0, f64::max);
        let size = kspace.size;
        if scale == 0.0 {
            // Nothing but zeros was measured, or nothing that a real image can have: 0 is optimal.
            let objective = if exact { 0.0 } else { 0.5 * sq_norm(kspace.values()) };
            let certificate = Certificate::new(objective, objective);
            let last = Progress::new(0, 0.0).objective(objective).gap(0.0);
            let report = Report::new(Status::Converged, last, Duration::ZERO);
            return Ok(Reconstruction { image: vec![ZERO; n], size, certificate, report });
        }
        values.iter_mut().for_each(|v| *v /= scale);
        let transform =
            |w: (Wavelet, f64)| Ok::<_, ImageError>((WaveletTransform::new(kspace.size, w.0)?, w.1 / scale));
        let options = Options {
            tv: if exact { 1.0 } else { self.lambda / scale },
            wavelet: self.wavelet.filter(|w| w.1 > 0.0).map(transform).transpose()?,
            coupling: if self.anisotropic { Coupling::Anisotropic } else { Coupling::Isotropic },
            exact,
            rest: rest / (scale * scale),
            tol: self.tol,
            max_iter: self.max_iter,
            time_limit: self.time_limit,
        };
        let (image, certificate, mut report) = Admm::new(a, &values, &options).solve(progress)?;
        let image = image.into_iter().map(|v| v.complex() * scale).collect();
        let unit = if exact { scale } else { scale * scale };
        let certificate = Certificate::new(certificate.primal * unit, certificate.dual * unit);
        report.last.objective = Some(certificate.primal);
        report.last.gap = Some(certificate.gap());
        Ok(Reconstruction { image, size, certificate, report })
    }
}
