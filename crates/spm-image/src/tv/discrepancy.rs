//! Total variation denoising when the noise level is known.

use std::ops::ControlFlow;
use std::time::Duration;

use spm_linalg::{Scalar, check};
use spm_solvers::{Control, Iteration, Progress, Status, StopRule, run};

use super::denoise::Problem;
use super::{Coupling, TvDenoise, TvDenoised};
use crate::options::setters;
use crate::{ImageError, ImageRef};

/// Denoises an image whose noise level is known: chooses `λ` so that the noise removed has the energy of the noise.
///
/// $$ \lVert x_\lambda - b \rVert_2^2 = n\,\sigma^2, \qquad x_\lambda = \arg\min_x \tfrac12 \lVert x - b \rVert_2^2 + \lambda\, \mathrm{TV}(x) $$
///
/// Plain text: `‖x_λ − b‖² = n σ²`, with `n` the number of values (`C·height·width`): Morozov's discrepancy principle. The left
/// side grows with `λ`, so the solution is unique; it is found to half a per cent of `σ` by the secant method between
/// brackets, each solve started at the last (after Chambolle 2004, "An algorithm for total variation minimization and
/// applications", section 4). When even the mean of every channel is closer to the data than the noise, the result is that
/// mean.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `sigma` | required | `>= 0` | standard deviation of the noise, in units of the image values |
/// | `coupling`, `tol`, `max_iter`, `time_limit` | as [`TvDenoise`] | | for the last solve |
///
/// The last solve goes beyond `tol` where `sigma` is so small that the noise removed would not be accurate otherwise, as far as
/// `T` allows. Its status is judged by that tolerance.
///
/// ```
/// use spm_image::{Gray, tv::TvDiscrepancy};
/// let noisy = Gray::new(4, 4, (0..16).map(|k| f64::from(k / 8) + 0.1 * (-1.0_f64).powi(k)).collect())?;
/// let out = TvDiscrepancy::new(0.1).denoise(noisy.view())?;
/// let removed: f64 = noisy.data().iter().zip(out.image.data()).map(|(b, x)| (b - x).powi(2)).sum();
/// assert!(((removed / 16.0).sqrt() - 0.1).abs() < 0.001);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TvDiscrepancy<T = f64> {
    /// Standard deviation of the noise, in units of the image values.
    pub sigma: T,
    /// Which differences are measured together.
    pub coupling: Coupling,
    /// The duality gap of the last solve, relative to the objective.
    pub tol: T,
    /// At most this many iterations in the last solve.
    pub max_iter: usize,
    /// At most this much wall time in the last solve.
    pub time_limit: Option<Duration>,
}

impl<T: Scalar> TvDiscrepancy<T> {
    /// Denoising at noise level `sigma` with the default options.
    #[must_use]
    pub fn new(sigma: T) -> Self {
        let TvDenoise { coupling, tol, max_iter, time_limit, .. } = TvDenoise::new(T::zero());
        Self { sigma, coupling, tol, max_iter, time_limit }
    }

    setters!(coupling, tol, max_iter, time_limit);

    /// Requires every option to lie in its range.
    ///
    /// # Errors
    /// [`spm_linalg::LinalgError::InvalidParam`].
    pub fn validate(&self) -> Result<(), ImageError> {
        check::non_negative("sigma", self.sigma)?;
        check::non_negative("tol", self.tol)?;
        Ok(())
    }

    /// Chooses `λ` and denoises.
    ///
    /// # Errors
    /// An option out of range.
    pub fn denoise<const C: usize>(&self, image: ImageRef<'_, T, C>) -> Result<TvDenoised<T, C>, ImageError> {
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
    ) -> Result<TvDenoised<T, C>, ImageError> {
        self.validate()?;
        let problem = Problem::new(image, self.coupling);
        if self.sigma == T::zero() || problem.scale == 0.0 {
            return TvDenoise::new(T::zero()).denoise(image);
        }
        let n = image.data().len() as f64;
        let target = (self.sigma.as_f64() / problem.scale).powi(2) * n;
        let most = problem.flow();
        if target >= problem.energy() {
            return Ok(problem.mean_image(T::of(most * problem.scale)));
        }
        // In normal form throughout; removed(λ) is increasing, 0 at 0 and the energy at `most`.
        let unit = |lambda: f64| T::of(lambda * problem.scale);
        let mut lambda = (self.sigma.as_f64() / problem.scale).min(0.5 * most);
        let (mut low, mut high) = ((0.0, 0.0), (most, problem.energy()));
        let mut it = problem.start(unit(lambda));
        for _ in 0..MAX_SOLVES {
            let mut rule = Accurate { energy: target };
            let report = run(&mut it, Control::new(MAX_INNER, &mut rule))?;
            let removed = problem.removed(&it);
            if ((removed / target).sqrt() - 1.0).abs() <= 5e-3 || report.status != Status::Converged {
                break;
            }
            if removed < target {
                low = (lambda, removed);
            } else {
                high = (lambda, removed);
            }
            lambda = next_lambda(low, high, (lambda, removed), target);
            problem.restart(&mut it, unit(lambda));
        }
        // The image is wanted as exact as the noise removed, which for a small sigma asks for more than `tol`.
        let objective = it.progress().objective.map_or(target, f64::from);
        let finest = T::of(100.0) * T::epsilon();
        let options = TvDenoise {
            lambda: unit(lambda),
            coupling: self.coupling,
            tol: self.tol.min(T::of(SHARE * target / objective).max(finest)),
            max_iter: self.max_iter,
            time_limit: self.time_limit,
        };
        match problem.trivial(&options) {
            Some(done) => Ok(done),
            None => {
                problem.restart(&mut it, options.lambda);
                problem.solve(it, &options, progress)
            }
        }
    }
}

/// The duality gap allowed in parts of the energy to be removed: as `½‖x − x*‖²` is at most the gap, `‖x − b‖` is then known to
/// two per cent at worst, and by experience to a tenth of that.
const SHARE: f64 = 2e-4;

/// Stops when the gap is small against the objective and against the energy that is measured, as far as single precision goes.
#[derive(Debug)]
struct Accurate {
    energy: f64,
}

impl StopRule<f32> for Accurate {
    fn done(&mut self, p: &Progress<f32>) -> bool {
        let objective = p.objective.map_or(f64::INFINITY, f64::from);
        f64::from(p.residual) <= (SHARE * self.energy / objective).clamp(3e-6, 3e-4)
    }
}

/// Iterations of a solve at most.
const MAX_INNER: usize = 5000;

/// Solves at most: brackets shrink by far more than half each time.
const MAX_SOLVES: usize = 25;

/// The secant in logarithms where both brackets are known, Chambolle's rule `λ·√(target/removed)` otherwise, kept well
/// inside the brackets.
fn next_lambda(low: (f64, f64), high: (f64, f64), last: (f64, f64), target: f64) -> f64 {
    let guess = if low.0 > 0.0 && low.1 > 0.0 && high.1 > low.1 {
        let slope = (high.0 / low.0).ln() / (high.1 / low.1).ln();
        low.0 * ((target / low.1).ln() * slope).exp()
    } else {
        last.0 * (target / last.1.max(f64::MIN_POSITIVE)).sqrt()
    };
    let margin = 0.05 * (high.0 - low.0);
    if guess.is_finite() { guess.clamp(low.0 + margin, high.0 - margin) } else { 0.5 * (low.0 + high.0) }
}
