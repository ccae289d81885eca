//! Denoising with a dictionary learned from the noisy image itself (K-SVD).

use spm_linalg::{LinalgError, Scalar, check};
use spm_models::Dictionary;
use spm_solvers::Status;
use spm_solvers::batch_omp::Rule;

use crate::error::at_least;
use crate::learned::{Noisy, Pass, Sums, cosines, same_channels, sample, train};
use crate::options::setters;
use crate::watch::{Step, Watch, unwatched};
use crate::{Gray, Image, ImageError, ImageRef, PatchGrid, estimate_sigma};

/// Pixels of a band that is worked on at a time.
const BAND: usize = 1 << 20;

/// Removes white noise by sparse coding of all patches in a dictionary learned from the noisy image.
///
/// $$ \min_{x, D, a} \; \tfrac{\mu}{2} \lVert x - y \rVert_2^2 + \tfrac12 \sum_q \lVert D a_q - R_q x \rVert_2^2
///    \quad \text{with the sparsest } a_q \text{ such that } \lVert D a_q - R_q y \rVert_2 \le \varepsilon $$
///
/// Plain text: every patch (its mean taken off, channel by channel) is coded with as few atoms as bring the residual to
/// `eps = gain·sigma·√dim`; the decoded patches and `mu` times the noisy image are averaged. The dictionary starts from an
/// overcomplete cosine frame and is trained by K-SVD on patches of the noisy image with the same bound. Then, unless
/// `rounds` is 0, the image is strengthened, denoised and weakened again (SOS boosting): `x ← f(y + rho·x) − rho·x`. Last, unless
/// `second_pass` is 0, the patches of that estimate are coded to the tighter bound `second_pass·sigma·√dim`, and the noisy patches are
/// fitted with the atoms found, each drawn to 0 as far as its coefficient in the estimate is small against the noise (an empirical
/// Wiener filter: `min_a ‖D_S a − R_q y‖² + sigma²·Σ a_j²/p_j²`), and averaged with weight `1/(1 + Σ p_j²/(p_j² + sigma²))`;
/// the result is the mean of the two estimates, whose errors differ.
///
/// | option | [`new`](Self::new) | [`paper`](Self::paper) | range | meaning |
/// |---|---|---|---|---|
/// | `sigma` | `None` | | `>= 0` | standard deviation of the noise; `None`: [`estimate_sigma`] |
/// | `patch` | 8 | 8 | `>= 2`, fits the image | side of a patch |
/// | `n_atoms` | 256 | 256 | `>= 4` | at most this many atoms |
/// | `gain` | 1.15 | 1.15 | `> 0` | for a patch of 64 values; `1 + (gain − 1)·√(64/dim)` for others |
/// | `prior` | 30/255 | 30/255 | `>= 0` | `mu = prior/sigma` |
/// | `rule` | OLS | OMP | | how an atom is chosen when the image is coded |
/// | `max_iter` | 20 | 10 | | iterations of K-SVD |
/// | `training_patches` | 40 000 | all | | of those that need atoms at all |
/// | `rounds` | 2 | 0 | | of boosting |
/// | `rho` | 0.5 | | `[0, 1]` | strength of boosting, less below `sigma = 20/255` (in proportion) |
/// | `second_pass` | 0.15 | 0 | `>= 0` | residual bound of the second pass, in units of the expected norm of the noise |
///
/// An RGB image whose channels are equal is denoised as the grey image that it is. `sigma = 0` returns the image.
///
/// Work goes on in bands of rows that overlap by what the passes can see; beside the image and the result memory is some tens of
/// megabytes. The result has the same bits for any number of threads. Use `f32`: twice as fast, and no worse.
///
/// Sources: Elad and Aharon 2006 (equation 9; gain and prior of section III); Romano and Elad 2015 (boosting); Dabov, Foi, Katkovnik,
/// Egiazarian 2007 (a second pass by an empirical Wiener filter, there on groups of patches); Mairal, Elad, Sapiro
/// 2008 (colour). Differences: the mean of each channel of a patch is kept apart.
///
/// ```
/// use spm_image::{Gray, denoise_ksvd::KsvdDenoise};
/// // A step edge with a pattern of noise.
/// let noisy = Gray::new(16, 16, (0..256).map(|k| f64::from(u8::from(k % 16 > 7)) + 0.05 * (k as f64 * 37.7).sin()).collect())?;
/// let out = KsvdDenoise::new().sigma(0.04).max_iter(3).run(noisy.view())?;
/// assert!((out.image.get(0, 8, 2)).abs() < 0.03);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KsvdDenoise<T = f64> {
    /// Standard deviation of the noise; estimated if `None`.
    pub sigma: Option<T>,
    /// Side of a patch.
    pub patch: usize,
    /// At most this many atoms.
    pub n_atoms: usize,
    /// The residual bound of a patch of 64 values, in units of the expected norm of its noise.
    pub gain: T,
    /// Weight of the noisy image times `sigma`.
    pub prior: T,
    /// How an atom is chosen when the image is coded.
    pub rule: Rule,
    /// Iterations of K-SVD.
    pub max_iter: usize,
    /// At most this many patches train the dictionary.
    pub training_patches: usize,
    /// Rounds of boosting.
    pub rounds: usize,
    /// Strength of boosting.
    pub rho: T,
    /// The residual bound of the second pass, in units of the expected norm of the noise; 0: no second pass.
    pub second_pass: T,
}

/// A denoised image and what it took.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KsvdDenoised<T, const C: usize = 1> {
    /// The image, not clamped.
    pub image: Image<T, C>,
    /// The noise level, given or estimated.
    pub sigma: T,
    /// The trained dictionary: atoms of `channels·patch·patch` values; none if `sigma` is 0. Grey for an RGB image with equal channels.
    pub dictionary: Option<Dictionary<T>>,
    /// `Converged`, or `Interrupted`: then the rows not reached yet are those of the noisy image.
    pub status: Status,
}

impl<T: Scalar> Default for KsvdDenoise<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Scalar> KsvdDenoise<T> {
    /// The best known options.
    #[must_use]
    pub fn new() -> Self {
        Self {
            sigma: None,
            patch: 8,
            n_atoms: 256,
            gain: T::of(1.15),
            prior: T::of(30.0 / 255.0),
            rule: Rule::Ols,
            max_iter: 20,
            training_patches: 40_000,
            rounds: 2,
            rho: T::of(0.5),
            second_pass: T::of(0.15),
        }
    }

    /// As published by Elad and Aharon in 2006.
    #[must_use]
    pub fn paper() -> Self {
        Self {
            rule: Rule::Omp,
            max_iter: 10,
            training_patches: usize::MAX,
            rounds: 0,
            second_pass: T::zero(),
            ..Self::new()
        }
    }

    /// Sets the noise level.
    #[must_use]
    pub fn sigma(mut self, sigma: T) -> Self {
        self.sigma = Some(sigma);
        self
    }

    setters!(patch, n_atoms, max_iter, rounds);

    /// Sets the gain.
    #[must_use]
    pub fn gain(mut self, gain: T) -> Self {
        self.gain = gain;
        self
    }

    /// Sets the largest number of patches for training.
    #[must_use]
    pub fn training_patches(mut self, count: usize) -> Self {
        self.training_patches = count;
        self
    }

    /// Sets the strength of boosting.
    #[must_use]
    pub fn rho(mut self, rho: T) -> Self {
        self.rho = rho;
        self
    }

    /// Sets the residual bound of the second pass; 0: no second pass.
    #[must_use]
    pub fn second_pass(mut self, bound: T) -> Self {
        self.second_pass = bound;
        self
    }

    /// Checks the options.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] naming the first that is out of range.
    pub fn validate(&self) -> Result<(), LinalgError> {
        check::non_negative("sigma", self.sigma.unwrap_or(T::zero()))?;
        check::positive("gain", self.gain)?;
        check::non_negative("prior", self.prior)?;
        check::non_negative("second_pass", self.second_pass)?;
        at_least("patch", "at least 2", 2, self.patch)?;
        at_least("n_atoms", "at least 4", 4, self.n_atoms)?;
        if !(self.rho >= T::zero() && self.rho <= T::one()) {
            let (name, expected, got) = ("rho", "in [0, 1]", self.rho.as_f64());
            return Err(LinalgError::InvalidParam { name, expected, got });
        }
        Ok(())
    }

    /// Denoises `image`.
    ///
    /// # Errors
    /// As [`validate`](Self::validate); [`ImageError::TooSmall`] if a patch does not fit; [`LinalgError`] for values so large that
    /// their squares overflow.
    pub fn run<const C: usize>(&self, image: ImageRef<'_, T, C>) -> Result<KsvdDenoised<T, C>, ImageError> {
        self.run_watched(image, &mut unwatched())
    }

    /// As [`run`](Self::run); `watch` is called after every iteration of training and every pass over a band of rows.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_watched<const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        watch: &mut Watch<'_>,
    ) -> Result<KsvdDenoised<T, C>, ImageError> {
        self.validate()?;
        if self.patch > image.height() || self.patch > image.width() {
            let size = (self.patch, self.patch);
            return Err(ImageError::TooSmall { what: "a patch", size, image: image.size() });
        }
        let sigma = self.sigma.unwrap_or_else(|| estimate_sigma(image));
        if sigma == T::zero() {
            let image = image.to_image();
            return Ok(KsvdDenoised { image, sigma, dictionary: None, status: Status::Converged });
        }
        if C > 1 && same_channels(image) {
            let gray = Gray::from_parts(image.height(), image.width(), image.plane(0).to_vec());
            let KsvdDenoised { image: gray, dictionary, status, .. } =
                self.adapt(gray.view(), sigma, watch)?;
            let image = Image::from_parts(image.height(), image.width(), gray.data().repeat(C));
            return Ok(KsvdDenoised { image, sigma, dictionary, status });
        }
        self.adapt(image, sigma, watch)
    }

    /// Trains and denoises.
    fn adapt<const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        sigma: T,
        watch: &mut Watch<'_>,
    ) -> Result<KsvdDenoised<T, C>, ImageError> {
        let dim = T::of_usize(C * self.patch * self.patch);
        let gain = T::one() + (self.gain - T::one()) * (T::of(64.0) / dim).sqrt();
        let eps = gain * sigma * dim.sqrt();
        let start = cosines::<T, C>(self.patch, self.n_atoms)?;
        let grid = PatchGrid::<C>::overlapping(image.size(), (self.patch, self.patch))?;
        let patches = sample(image, &grid, self.training_patches, eps)?;
        let (dictionary, mut status) = train(start, &patches, eps, self.max_iter, watch)?;
        drop(patches);
        let mut out = image.to_image();
        if status == Status::Converged {
            let pass = |eps: T| Pass::new(dictionary.as_dense(), self.patch, self.rule, eps);
            let tight = self.second_pass * sigma * dim.sqrt();
            let second = if tight > T::zero() { Some(pass(tight)?) } else { None };
            status = self.passes((&pass(eps)?, second.as_ref()), image, sigma, &mut out, watch)?;
        }
        Ok(KsvdDenoised { image: out, sigma, dictionary: Some(dictionary), status })
    }

    /// All passes, band by band, into `out`.
    fn passes<const C: usize>(
        &self,
        (first_pass, second_pass): (&Pass<'_, T>, Option<&Pass<'_, T>>),
        image: ImageRef<'_, T, C>,
        sigma: T,
        out: &mut Image<T, C>,
        watch: &mut Watch<'_>,
    ) -> Result<Status, ImageError> {
        let (height, width) = image.size();
        let (firsts, passes) = (self.rounds + 1, self.rounds + 1 + usize::from(second_pass.is_some()));
        let halo = passes * (self.patch - 1);
        // At least three times the halo, so that at most half of the work is done twice.
        let rows = (BAND / width).max(3 * halo).max(self.patch);
        let bands = height.div_ceil(rows);
        let rho = self.rho * (sigma / T::of(20.0 / 255.0)).min(T::one());
        let mu = self.prior / sigma;
        for band in 0..bands {
            let (first, end) = (band * rows, height.min((band + 1) * rows));
            // Whole patches see the pixels that count, also in a last band of a few rows.
            let (from, to) = (first.saturating_sub(halo.max(self.patch)), height.min(end + halo));
            let y = cut(image, from, to);
            let mut x = y.clone();
            for round in 0..passes {
                let mut sums = Sums::new(y.height() * width, C);
                if let Some(pass) = second_pass.filter(|_| round == firsts) {
                    let noisy = Noisy { image: y.view(), sigma };
                    pass.run(x.view(), Some(noisy), &mut sums)?;
                    let fitted = sums.average(y.view(), T::zero());
                    // Their errors differ: the mean of both is better than either.
                    for c in 0..C {
                        let both = x.plane_mut(c).iter_mut().zip(fitted.plane(c));
                        both.for_each(|(x, &f)| *x = T::of(0.5) * (*x + f));
                    }
                } else {
                    let strength = if round == 0 { T::zero() } else { rho };
                    let strong = combine(&y, strength, &x);
                    first_pass.run(strong.view(), None, &mut sums)?;
                    x = combine(&sums.average(strong.view(), mu), -strength, &x);
                }
                let (done, total) = (band * passes + round + 1, bands * passes);
                if watch(Step { what: "denoise", done, total }).is_break() && done < total {
                    return Ok(Status::Interrupted);
                }
            }
            for c in 0..C {
                let rows = &x.plane(c)[(first - from) * width..(end - from) * width];
                out.plane_mut(c)[first * width..end * width].copy_from_slice(rows);
            }
        }
        Ok(Status::Converged)
    }
}

/// `a + scale·b`.
fn combine<T: Scalar, const C: usize>(a: &Image<T, C>, scale: T, b: &Image<T, C>) -> Image<T, C> {
    let data = a.data().iter().zip(b.data()).map(|(&a, &b)| a + scale * b).collect();
    Image::from_parts(a.height(), a.width(), data)
}

/// The rows `from..to`.
fn cut<T: Scalar, const C: usize>(image: ImageRef<'_, T, C>, from: usize, to: usize) -> Image<T, C> {
    let width = image.width();
    let data = (0..C).flat_map(|c| image.plane(c)[from * width..to * width].iter().copied()).collect();
    Image::from_parts(to - from, width, data)
}
