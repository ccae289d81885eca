//! Denoising with total generalised variation of second order.

use std::ops::ControlFlow;
use std::time::Duration;

use spm_linalg::{Scalar, check};
use spm_solvers::{Certificate, Control, Progress, Report, Status, run, stop};

use super::TvDenoised;
use super::tgv_step::TgvStep;
use crate::options::setters;
use crate::{Image, ImageError, ImageRef};

/// Denoises with total generalised variation: like [`super::TvDenoise`], but slopes stay slopes in place of becoming stairs.
///
/// $$ \min_{x, p} \tfrac12 \lVert x - b \rVert_2^2 + \lambda \sum \lvert \nabla x - p \rvert
///    + \mathrm{ratio} \cdot \lambda \sum \lvert \mathcal{E} p \rvert $$
///
/// Plain text: `min ½ Σ (x − b)² + lambda·(Σ |∇x − p| + ratio·Σ |E p|)` over the image `x` and a field of slopes `p`, with the norms
/// of a pixel's two differences and of its symmetric 2 × 2 matrix of differences of `p`, over all channels together (edges attract
/// one another). Differences that would leave the image are 0, also those of slopes that do not exist at the far border: an image
/// that is a plane costs nothing.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `lambda` | required | `>= 0` | weight of the first differences |
/// | `ratio` | 2 | `> 0` | weight of the second differences over it; large: total variation plus a plane |
/// | `tol` | `1e-3` | `>= 0` | duality gap relative to the objective, or to a millionth of half the energy of `b` if that is more |
/// | `max_iter` | 10 000 | | iterations at most |
/// | `time_limit` | none | | wall time at most |
///
/// The certificate is recomputed from the image, `p` and a dual variable `q`: with `z = Eᵀq` scaled into `|z| <= lambda`, `|q| <= ratio·
/// lambda`, the optimum is at least `⟨∇ᵀz, b⟩ − ½‖∇ᵀz‖²`. Method: Chambolle and Pock (2011), algorithm 1, over-relaxed, in double precision; O(pixels) an
/// iteration, some 200 to a gap of 1e-2 and 750 to 1e-3. Memory: 17 copies of the image. The bits do not depend on the number of threads.
///
/// K. Bredies, K. Kunisch, T. Pock (2010), "Total generalized variation", eq. (3.7) and (4.4) for `k = 2`.
///
/// ```
/// use spm_image::{Gray, tv::Tgv};
/// let ramp = Gray::new(8, 8, (0..64).map(|k| 0.1 * f64::from(k % 8) + 0.05 * f64::from(k / 8)).collect())?;
/// let out = Tgv::new(0.5).tol(1e-6).denoise(ramp.view())?;
/// assert!(ramp.data().iter().zip(out.image.data()).all(|(a, b)| (a - b).abs() < 1e-3));
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Tgv<T = f64> {
    /// The weight of the first differences, in units of the image values.
    pub lambda: T,
    /// The weight of the second differences over that of the first.
    pub ratio: T,
    /// The duality gap to reach, relative to the objective.
    pub tol: T,
    /// At most this many iterations.
    pub max_iter: usize,
    /// At most this much wall time.
    pub time_limit: Option<Duration>,
}

impl<T: Scalar> Tgv<T> {
    /// Denoising with weight `lambda` and the default options.
    #[must_use]
    pub fn new(lambda: T) -> Self {
        Self { lambda, ratio: T::of(2.0), tol: T::of(1e-3), max_iter: 10_000, time_limit: None }
    }

    /// Sets the weight of the second differences over that of the first.
    #[must_use]
    pub fn ratio(mut self, ratio: T) -> Self {
        self.ratio = ratio;
        self
    }

    setters!(tol, max_iter, time_limit);

    /// Denoises.
    ///
    /// # Errors
    /// [`spm_linalg::LinalgError::InvalidParam`]: an option out of range.
    pub fn denoise<const C: usize>(&self, image: ImageRef<'_, T, C>) -> Result<TvDenoised<T, C>, ImageError> {
        self.denoise_with(image, &mut |_| ControlFlow::Continue(()))
    }

    /// Denoises and tells `progress` after every iteration; [`ControlFlow::Break`] ends the run early.
    ///
    /// # Errors
    /// As [`Tgv::denoise`].
    pub fn denoise_with<const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        progress: &mut dyn FnMut(&Progress<f64>) -> ControlFlow<()>,
    ) -> Result<TvDenoised<T, C>, ImageError> {
        check::non_negative("lambda", self.lambda)?;
        check::positive("ratio", self.ratio)?;
        check::non_negative("tol", self.tol)?;
        let (h, w) = image.size();
        let first: [f64; C] = core::array::from_fn(|c| image.plane(c)[0].as_f64());
        let far = |c: usize| image.plane(c).iter().map(|v| (v.as_f64() - first[c]).abs()).fold(0.0, f64::max);
        let scale = (0..C).map(far).fold(0.0, f64::max);
        if self.lambda == T::zero() || scale == 0.0 {
            let last = Progress::new(0, 0.0).objective(0.0).gap(0.0);
            return Ok(TvDenoised {
                image: image.to_image(),
                lambda: self.lambda,
                certificate: Certificate::new(0.0, 0.0),
                report: Report::new(Status::Converged, last, Duration::ZERO),
            });
        }
        // In normal form: the first pixel 0, the largest difference from it 1.
        let lambda = self.lambda.as_f64() / scale;
        let mut b = vec![0.0; C * h * w];
        for (c, plane) in image.data().chunks_exact(h * w).enumerate() {
            for (k, v) in plane.iter().enumerate() {
                b[(k / w * C + c) * w + k % w] = (v.as_f64() - first[c]) / scale;
            }
        }
        let mut step = TgvStep::new(b, (h, w, C), (lambda, self.ratio.as_f64() * lambda));
        let mut rule = stop::Residual { tol: self.tol.as_f64() };
        let mut observer = |p: &Progress<f64>, _: &[f64]| progress(p);
        let mut control = Control::new(self.max_iter, &mut rule);
        control.observer = Some(&mut observer);
        control.time_limit = self.time_limit;
        let mut report = run(&mut step, control)?;
        let certificate = step.certify();
        if certificate.gap() <= self.tol.as_f64() * certificate.primal {
            report.status = Status::Converged;
        }
        let unit = scale * scale;
        let certificate = Certificate::new(certificate.primal * unit, certificate.dual * unit);
        report.last.objective = Some(certificate.primal);
        report.last.gap = Some(certificate.gap());
        report.last.residual = certificate.relative_gap(certificate.primal);
        let mut data = vec![T::zero(); C * h * w];
        for (c, plane) in data.chunks_exact_mut(h * w).enumerate() {
            for (i, row) in plane.chunks_exact_mut(w).enumerate() {
                let from = &step.image_row(i)[c * w..(c + 1) * w];
                row.iter_mut().zip(from).for_each(|(o, v)| *o = T::of(first[c] + scale * v));
            }
        }
        Ok(TvDenoised { image: Image::from_parts(h, w, data), lambda: self.lambda, certificate, report })
    }
}
