//! Total variation denoising whose weight is chosen by an estimate of the error.

use std::ops::ControlFlow;

use spm_linalg::{Scalar, check};
use spm_solvers::Progress;

use super::golden::golden_section;
use super::{Coupling, TvDenoise, TvDenoised};
use crate::options::setters;
use crate::{Image, ImageError, ImageRef};

/// Denoises with the `λ` that minimises Stein's unbiased estimate of the squared error.
///
/// $$ \mathrm{SURE}(\lambda) = \lVert x_\lambda - b \rVert^2 - n\sigma^2 + 2\sigma^2 \operatorname{div} x_\lambda(b) $$
///
/// Plain text: `SURE = ‖x_λ − b‖² − n σ² + 2 σ² div`, whose mean is `‖x_λ − clean‖²` for Gaussian noise. The divergence is taken along
/// one random direction of signs, `δᵀ(x_λ(b + εδ) − x_λ(b))/ε` (Ramani, Blu, Unser 2008, "Monte-Carlo SURE", eq. 14), with a fixed
/// seed. The minimum is found by golden sections in `log λ` between `σ/20` and `5σ`: some 2·11 denoisings to a gap of 1e-3.
///
/// The noise removed is less than by [`super::TvDiscrepancy`], the error smaller.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `sigma` | required | `>= 0` | deviation of the noise, e.g. from [`crate::estimate_sigma`] |
/// | `coupling`, `tol`, `max_iter` | as [`TvDenoise`] | | for the last solve |
/// | `seed` | 0 | | of the random direction |
///
/// ```
/// use spm_image::{Gray, tv::TvSure};
/// let noisy = Gray::new(16, 16, (0..256).map(|k| f64::from(k / 128) + 0.1 * f64::from(k * 37 % 11 - 5) / 3.2).collect())?;
/// let out = TvSure::new(0.1).denoise(noisy.view())?;
/// assert!(out.result.lambda > 0.0 && out.mean_squared_error < 0.01);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TvSure<T = f64> {
    /// Standard deviation of the noise, in units of the image values.
    pub sigma: T,
    /// Which differences are measured together.
    pub coupling: Coupling,
    /// The duality gap of the last solve, relative to the objective.
    pub tol: T,
    /// At most this many iterations a solve.
    pub max_iter: usize,
    /// Of the random direction.
    pub seed: u64,
}

/// A denoised image and the error that is estimated for it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TvChosen<T, const C: usize = 1> {
    /// The image, its weight and its certificate.
    pub result: TvDenoised<T, C>,
    /// `SURE(λ)/n`: an estimate, which may be negative.
    pub mean_squared_error: f64,
}

/// Golden sections: the bracket shrinks to `0.618^STEPS` of `log 100`, some four per cent of `λ`.
const STEPS: usize = 10;

impl<T: Scalar> TvSure<T> {
    /// Denoising at noise level `sigma` with the default options.
    #[must_use]
    pub fn new(sigma: T) -> Self {
        let TvDenoise { coupling, tol, max_iter, .. } = TvDenoise::new(T::zero());
        Self { sigma, coupling, tol, max_iter, seed: 0 }
    }

    setters!(coupling, tol, max_iter);

    /// Sets the seed of the random direction.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Chooses `λ` and denoises.
    ///
    /// # Errors
    /// An option out of range.
    pub fn denoise<const C: usize>(&self, image: ImageRef<'_, T, C>) -> Result<TvChosen<T, C>, ImageError> {
        self.denoise_with(image, &mut |_| ControlFlow::Continue(()))
    }

    /// Chooses `λ`, denoises, and tells `progress` after every iteration of the last solve.
    ///
    /// # Errors
    /// An option out of range.
    pub fn denoise_with<const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        progress: &mut dyn FnMut(&Progress<f64>) -> ControlFlow<()>,
    ) -> Result<TvChosen<T, C>, ImageError> {
        check::non_negative("sigma", self.sigma)?;
        check::non_negative("tol", self.tol)?;
        if self.sigma == T::zero() {
            let result = TvDenoise::new(T::zero()).denoise(image)?;
            return Ok(TvChosen { result, mean_squared_error: 0.0 });
        }
        let probe = self.probe(image);
        let sigma = self.sigma.as_f64();
        let range = ((sigma / 20.0).ln(), (5.0 * sigma).ln());
        let (best, sure) = golden_section(range, STEPS, |l| self.estimate(image, &probe, l))?;
        let result = self.solver(best, self.tol).denoise_with(image, progress)?;
        Ok(TvChosen { result, mean_squared_error: sure / image.data().len() as f64 })
    }

    fn solver(&self, log_lambda: f64, tol: T) -> TvDenoise<T> {
        TvDenoise::new(T::of(log_lambda.exp())).coupling(self.coupling).tol(tol).max_iter(self.max_iter)
    }

    /// `b + εδ`, ε a fifth of the noise: far above the accuracy of the solves, far below the scale on which `x_λ` bends.
    fn probe<const C: usize>(&self, image: ImageRef<'_, T, C>) -> Image<T, C> {
        use rand::{RngExt, SeedableRng};
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(self.seed);
        let step = self.step();
        let sign = |v: &T| if rng.random::<bool>() { *v + step } else { *v - step };
        let data = image.data().iter().map(sign).collect();
        Image::from_parts(image.height(), image.width(), data)
    }

    fn step(&self) -> T {
        self.sigma * T::of(0.2)
    }

    fn estimate<const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        probe: &Image<T, C>,
        log_lambda: f64,
    ) -> Result<f64, ImageError> {
        let solver = self.solver(log_lambda, T::of(1e-3));
        let (x, y) = (solver.denoise(image)?.image, solver.denoise(probe.view())?.image);
        let (mut removed, mut slope) = (0.0, 0.0);
        for k in 0..image.data().len() {
            let b = image.data()[k];
            removed += (x.data()[k] - b).as_f64().powi(2);
            // The signed direction, from the probe itself.
            slope += (probe.data()[k] - b).as_f64().signum() * (y.data()[k] - x.data()[k]).as_f64();
        }
        let variance = self.sigma.as_f64().powi(2);
        let divergence = slope / self.step().as_f64();
        Ok(removed - image.data().len() as f64 * variance + 2.0 * variance * divergence)
    }
}
