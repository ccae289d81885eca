//! Inpainting with a dictionary learned from the image itself.

use spm_linalg::{LinalgError, Scalar, check};
use spm_models::Dictionary;
use spm_solvers::Status;
use spm_solvers::batch_omp::Rule;

use super::smooth::{check_mask, coarsen, fill_smoothly, spread};
use crate::error::at_least;
use crate::learned::{Pass, Sums, cosines, same_channels, sample, train};
use crate::options::setters;
use crate::watch::{Step, Watch, unwatched};
use crate::{Gray, Image, ImageError, ImageRef, PatchGrid};

/// Fills missing pixels by sparse coding in a dictionary learned from what is given.
///
/// $$ \min_{x, D, a} \; \sum_q \lVert D a_q - R_q x \rVert_2^2 \quad \text{with } x \text{ fixed where it is given and the sparsest }
///    a_q \text{ such that } \lVert D a_q - R_q x \rVert_2 \le \varepsilon_t $$
///
/// Plain text: start from [`fill_smoothly`]; then, in rounds with a bound `eps_t` that falls geometrically, code all overlapping patches of the
/// present image, and replace the missing pixels by the average of the decoded patches. Before every second round the dictionary, at first
/// an overcomplete cosine frame, is adapted to the present image by K-SVD: K-SVD with missing entries, where the entries that are missing
/// are imputed by the model in place of being left out. Holes wider than a patch are filled at half the resolution first. Channels are
/// coded jointly.
///
/// Given pixels keep their bits unless `sigma` says that they are noisy.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `patch` | 8 | `>= 2` | side of a patch |
/// | `n_atoms` | 256 | `>= 4` | at most this many atoms |
/// | `rounds` | 12 | `>= 1` | of coding and imputing |
/// | `first`, `last` | 0.06, 0.01 | `> 0` | the bound on the residual a value at the first and last round, relative to the range of the given values |
/// | `training_patches` | 15 000 | | patches that train the dictionary |
/// | `sigma` | 0 | `>= 0` | noise of the given pixels; if positive, `last` is at least that and the result is the last average everywhere |
///
/// An image smaller than a patch is filled smoothly. Cost: `rounds` passes over all patches, and half as many times two iterations of K-SVD.
///
/// Sources: Aharon, Elad, Bruckstein 2006 and Mairal, Elad, Sapiro 2008 (K-SVD with missing entries); Guleryuz 2006 (iterated denoising with a
/// falling threshold).
///
/// ```
/// use spm_image::{Gray, inpaint::KsvdInpaint};
/// let stripes = |k: usize| 0.5 + 0.4 * ((k % 24) as f64 * 0.8).sin();
/// let missing: Vec<bool> = (0..576).map(|k| k * 7 % 10 < 3).collect();
/// let holes = Gray::new(24, 24, (0..576).map(|k| if missing[k] { 0.0 } else { stripes(k) }).collect())?;
/// let out = KsvdInpaint::new().run(holes.view(), &missing)?;
/// assert!((0..576).all(|k| (out.image.data()[k] - stripes(k)).abs() < if missing[k] { 0.1 } else { 1e-300 }));
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KsvdInpaint<T = f64> {
    /// Side of a patch.
    pub patch: usize,
    /// At most this many atoms.
    pub n_atoms: usize,
    /// Rounds of coding and imputing.
    pub rounds: usize,
    /// Residual a value at the first round, relative to the range of the given values.
    pub first: T,
    /// The same at the last round.
    pub last: T,
    /// At most this many patches train the dictionary.
    pub training_patches: usize,
    /// Standard deviation of the noise of the given pixels.
    pub sigma: T,
}

/// A filled image.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct KsvdInpainted<T, const C: usize = 1> {
    /// The image, not clamped.
    pub image: Image<T, C>,
    /// The trained dictionary; none where nothing is missing, the given pixels are all alike, or the image is smaller than a patch.
    pub dictionary: Option<Dictionary<T>>,
    /// `Converged`, or `Interrupted`: then the image is that of the last whole round.
    pub status: Status,
}

impl<T: Scalar> Default for KsvdInpaint<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Scalar> KsvdInpaint<T> {
    /// The default options.
    #[must_use]
    pub fn new() -> Self {
        Self {
            patch: 8,
            n_atoms: 256,
            rounds: 12,
            first: T::of(0.06),
            last: T::of(0.01),
            training_patches: 15_000,
            sigma: T::zero(),
        }
    }

    setters!(patch, n_atoms, rounds);

    /// Sets the noise level of the given pixels.
    #[must_use]
    pub fn sigma(mut self, sigma: T) -> Self {
        self.sigma = sigma;
        self
    }

    /// Checks the options.
    ///
    /// # Errors
    /// [`LinalgError`] naming the first that is out of range.
    pub fn validate(&self) -> Result<(), LinalgError> {
        check::non_negative("sigma", self.sigma)?;
        check::positive("first", self.first)?;
        check::positive("last", self.last)?;
        check::non_empty("rounds", self.rounds)?;
        at_least("patch", "at least 2", 2, self.patch)?;
        at_least("n_atoms", "at least 4", 4, self.n_atoms)
    }

    /// Fills the pixels where `missing` (one entry a pixel, row by row) is true; their values in `image` have no influence.
    ///
    /// # Errors
    /// As [`validate`](Self::validate); [`LinalgError::Shape`] if the mask has another size; [`LinalgError::InvalidParam`] if every
    /// pixel is missing or the squares of the values overflow.
    pub fn run<const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        missing: &[bool],
    ) -> Result<KsvdInpainted<T, C>, ImageError> {
        self.run_watched(image, missing, &mut unwatched())
    }

    /// As [`run`](Self::run); `watch` is called after every round.
    ///
    /// # Errors
    /// As [`run`](Self::run).
    pub fn run_watched<const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        missing: &[bool],
        watch: &mut Watch<'_>,
    ) -> Result<KsvdInpainted<T, C>, ImageError> {
        self.validate()?;
        check_mask(image.size(), missing)?;
        let (h, w) = image.size();
        if C > 1 && same_channels(image) {
            let gray = Gray::from_parts(h, w, image.plane(0).to_vec());
            let KsvdInpainted { image: gray, dictionary, status } =
                self.run_watched(gray.view(), missing, watch)?;
            return Ok(KsvdInpainted {
                image: Image::from_parts(h, w, gray.data().repeat(C)),
                dictionary,
                status,
            });
        }
        let start = fill_smoothly(image, missing)?;
        let range = range(image, missing);
        let nothing = self.sigma == T::zero() && !missing.contains(&true);
        if nothing || range == T::zero() || h.min(w) < self.patch {
            return Ok(KsvdInpainted { image: start, dictionary: None, status: Status::Converged });
        }
        self.iterate(image, missing, start, range, watch)
    }

    fn iterate<const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        missing: &[bool],
        start: Image<T, C>,
        range: T,
        watch: &mut Watch<'_>,
    ) -> Result<KsvdInpainted<T, C>, ImageError> {
        let (h, w) = image.size();
        let mut x = start;
        if depth(missing, h, w) > self.patch / 2 && h.min(w) >= 4 * self.patch {
            let (coarse, gone) = coarsen(image, missing);
            let filled = self.run_watched(coarse.view(), &gone, watch)?;
            spread(filled.image.view(), missing, &mut x);
            if filled.status == Status::Interrupted {
                return Ok(KsvdInpainted { image: x, dictionary: filled.dictionary, status: filled.status });
            }
        }
        let root = T::of_usize(C * self.patch * self.patch).sqrt();
        let last = (self.last * range).max(self.sigma).as_f64();
        let first = (self.first * range).as_f64().max(last);
        let grid = PatchGrid::<C>::overlapping((h, w), (self.patch, self.patch))?;
        let mut dictionary = cosines::<T, C>(self.patch, self.n_atoms)?;
        for round in 0..self.rounds {
            let share = round as f64 / (self.rounds - 1).max(1) as f64;
            let eps = T::of(first * (last / first).powf(share)) * root;
            if round > 0 && round % 2 == 0 {
                let patches = sample(x.view(), &grid, self.training_patches, eps)?;
                dictionary = train(dictionary, &patches, eps, 3, &mut unwatched())?.0;
            }
            let mut sums = Sums::new(h * w, C);
            Pass::new(dictionary.as_dense(), self.patch, Rule::Omp, eps)?.run(x.view(), None, &mut sums)?;
            let mut next = sums.average(x.view(), T::zero());
            let done = round + 1;
            if self.sigma == T::zero() || done < self.rounds {
                for c in 0..C {
                    for ((v, &given), &gone) in next.plane_mut(c).iter_mut().zip(image.plane(c)).zip(missing)
                    {
                        if !gone {
                            *v = given;
                        }
                    }
                }
            }
            x = next;
            if watch(Step { what: "inpaint", done, total: self.rounds }).is_break() && done < self.rounds {
                return Ok(KsvdInpainted {
                    image: x,
                    dictionary: Some(dictionary),
                    status: Status::Interrupted,
                });
            }
        }
        Ok(KsvdInpainted { image: x, dictionary: Some(dictionary), status: Status::Converged })
    }
}

/// The largest minus the smallest given value.
fn range<T: Scalar, const C: usize>(image: ImageRef<'_, T, C>, missing: &[bool]) -> T {
    let (mut low, mut high) = (T::infinity(), T::neg_infinity());
    for plane in image.data().chunks_exact(missing.len()) {
        for (&v, _) in plane.iter().zip(missing).filter(|&(_, &gone)| !gone) {
            (low, high) = (low.min(v), high.max(v));
        }
    }
    high - low
}

/// How far a missing pixel can be from a given one, in steps to any of the eight neighbours.
fn depth(missing: &[bool], h: usize, w: usize) -> usize {
    let far = h + w;
    let mut distance: Vec<usize> = missing.iter().map(|&gone| if gone { far } else { 0 }).collect();
    let mut relax = |k: usize, forward: bool| {
        let (i, j) = (k / w, k % w);
        let other = if forward { i.checked_sub(1) } else { (i + 1 < h).then_some(i + 1) };
        let mut best = distance[k];
        for jj in j.saturating_sub(1)..=(j + 1).min(w - 1) {
            if let Some(ii) = other {
                best = best.min(distance[ii * w + jj] + 1);
            }
            best = best.min(distance[i * w + jj] + usize::from(jj != j));
        }
        distance[k] = best;
    };
    (0..h * w).for_each(|k| relax(k, true));
    (0..h * w).rev().for_each(|k| relax(k, false));
    distance.into_iter().max().unwrap_or(0)
}
