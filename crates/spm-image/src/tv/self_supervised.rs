//! Total variation denoising whose weight is chosen by predicting pixels that were left out.

use std::ops::ControlFlow;

use spm_linalg::{Scalar, check};
use spm_solvers::Progress;

use super::golden::golden_section;
use super::{Coupling, TvChosen, TvDenoise};
use crate::options::setters;
use crate::{Image, ImageError, ImageRef};

/// Denoises with the `λ` that best predicts pixels which the method has not seen, whatever their noise is like.
///
/// $$ \min_\lambda \; \tfrac{1}{\lvert J \rvert} \sum_{j \in J} \bigl( x_\lambda(\tilde b)_j - b_j \bigr)^2, \qquad
///    \tilde b_j = \text{mean of the four neighbours of } j \text{ in } J, \; b_j \text{ elsewhere} $$
///
/// Plain text: one pixel in sixteen (the set `J`) is replaced by the mean of its four neighbours before the image is denoised, and
/// its own value is compared with the result. As what is predicted from does not contain the pixel (J-invariance), the mean of this
/// loss is the squared error plus the variance of the noise, for any noise of mean 0 that is independent from pixel to pixel: no
/// noise level is asked for. The minimum is found by golden sections in `log λ` between a thousandth of the range of the image
/// and the range: 15 denoisings to a gap of 1e-3. On photographs the weight is as good as that of
/// [`super::TvSure`], at half the cost; where there is little noise on sharp edges, which neighbours predict badly, that one is better.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `coupling`, `tol`, `max_iter` | as [`TvDenoise`] | | for the last solve |
///
/// `mean_squared_error` of the result is the loss, which contains the variance of the noise.
///
/// Source: Batson and Royer 2019, *Noise2Self: blind denoising by self-supervision*, section 3.
///
/// ```
/// use spm_image::{Gray, tv::TvSelfSupervised};
/// let noisy = Gray::new(16, 16, (0..256).map(|k| f64::from(k / 128) + 0.1 * f64::from(k * 37 % 11 - 5) / 3.2).collect())?;
/// let out = TvSelfSupervised::new().denoise(noisy.view())?;
/// assert!(out.result.lambda > 0.0 && (out.result.image.get(0, 3, 3)).abs() < 0.1);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TvSelfSupervised<T = f64> {
    /// Which differences are measured together.
    pub coupling: Coupling,
    /// The duality gap of the last solve, relative to the objective.
    pub tol: T,
    /// At most this many iterations a solve.
    pub max_iter: usize,
}

/// Golden sections: the bracket shrinks to `0.618^STEPS` of `log 1000`, some two per cent of `λ`.
const STEPS: usize = 12;

/// One pixel in `EVERY²` is left out.
const EVERY: usize = 4;

impl<T: Scalar> Default for TvSelfSupervised<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Scalar> TvSelfSupervised<T> {
    /// The default options.
    #[must_use]
    pub fn new() -> Self {
        let TvDenoise { coupling, tol, max_iter, .. } = TvDenoise::new(T::zero());
        Self { coupling, tol, max_iter }
    }

    setters!(coupling, tol, max_iter);

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
        check::non_negative("tol", self.tol)?;
        let (low, high) = image.data().iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
            (low.min(v.as_f64()), high.max(v.as_f64()))
        });
        let held = held_out(image.size());
        if held.is_empty() || low == high {
            let result = TvDenoise::new(T::zero()).denoise(image)?;
            return Ok(TvChosen { result, mean_squared_error: 0.0 });
        }
        let blind = without(image, &held);
        let range = (high - low).ln();
        let (best, loss) = golden_section((range - 1000_f64.ln(), range), STEPS, |log_lambda| {
            let x = self.solver(log_lambda, T::of(1e-3)).denoise(blind.view())?.image;
            let wrong = |c: usize, k: usize| (x.plane(c)[k] - image.plane(c)[k]).as_f64().powi(2);
            Ok::<_, ImageError>(
                (0..C).flat_map(|c| held.iter().map(move |&k| (c, k))).map(|(c, k)| wrong(c, k)).sum(),
            )
        })?;
        let result = self.solver(best, self.tol).denoise_with(image, progress)?;
        Ok(TvChosen { result, mean_squared_error: loss / (C * held.len()) as f64 })
    }

    fn solver(&self, log_lambda: f64, tol: T) -> TvDenoise<T> {
        TvDenoise::new(T::of(log_lambda.exp())).coupling(self.coupling).tol(tol).max_iter(self.max_iter)
    }
}

/// The pixels of `J`, which are no neighbours of one another; none if the image is a single pixel.
fn held_out((h, w): (usize, usize)) -> Vec<usize> {
    if h * w == 1 {
        return Vec::new();
    }
    let (i, j) = (1.min(h - 1), 2.min(w - 1));
    (i..h).step_by(EVERY).flat_map(|i| (j..w).step_by(EVERY).map(move |j| i * w + j)).collect()
}

/// The image with these pixels replaced by the means of those of their four neighbours that exist.
fn without<T: Scalar, const C: usize>(image: ImageRef<'_, T, C>, held: &[usize]) -> Image<T, C> {
    let ((h, w), mut out) = (image.size(), image.to_image());
    for c in 0..C {
        let plane = image.plane(c);
        for &k in held {
            let (i, j) = (k / w, k % w);
            let around = [
                (i > 0, k.wrapping_sub(w)),
                (i + 1 < h, k + w),
                (j > 0, k.wrapping_sub(1)),
                (j + 1 < w, k + 1),
            ];
            let near = around.iter().filter(|(exists, _)| *exists).map(|&(_, k)| plane[k]);
            let count = around.iter().filter(|(exists, _)| *exists).count();
            out.plane_mut(c)[k] = near.sum::<T>() / T::of_usize(count);
        }
    }
    out
}
