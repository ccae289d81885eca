//! Images and dictionaries: every patch replaced by a sparse combination of atoms, and pictures of the atoms.

use std::ops::Range;

use spm_linalg::{Dense, LinearOperator, Scalar, check, vecops};
use spm_solvers::batch_omp::{BatchOmp, Limit, Rule};

use crate::patches::remove_means;
use crate::{Border, Gray, Image, ImageError, ImageRef, PatchAverage, PatchGrid, par};

/// Replaces every patch of an image by its sparse code in a dictionary and averages the overlaps.
///
/// $$ \hat x = \frac{\mu\, b + \sum_q R_q^T (D a_q + m_q)}{\mu + \sum_q R_q^T 1}, \qquad
/// a_q \approx \arg\min_a \lVert R_q b - m_q - D a \rVert_2 \ \text{with few non-zeros} $$
///
/// Plain text: for every patch `p` take its mean `m` off, find `a` with at most `k` non-zeros or `‖p − m − D a‖ <= eps` by
/// matching pursuit, put `D a + m` back, average with the image itself at weight `mu`. With `eps = 1.15·sigma·√dim` this is
/// the last step of denoising by Elad and Aharon (2006).
///
/// The dictionary is `dim × K`, atoms as columns in the order of values of [`PatchGrid`], `dim = C·patch height·patch width`.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `patch` | required | fits the image | height and width of a patch |
/// | `limit` | required | | when a pursuit ends |
/// | `rule` | `Rule::Omp` | | how the next atom is chosen |
/// | `stride` | `(1, 1)` | `>= 1` | distance of patches |
/// | `border` | `Cover` | | what happens at the far border |
/// | `remove_mean` | true | | whether the mean of a patch is kept apart |
/// | `prior_weight` | 0 | `>= 0` | `mu` |
///
/// Patches are worked off in blocks: memory is two images and some megabytes, whatever the number of patches. Blocks are coded in
/// parallel and added in order, so the result does not depend on the number of threads.
///
/// ```
/// use spm_image::{Gray, dictionary::SparseReconstruction};
/// use spm_linalg::Dense;
/// use spm_solvers::batch_omp::Limit;
/// // Steps down and to the right are atoms: with the mean they make up every patch of this image.
/// let img = Gray::new(3, 4, vec![0.0, 0.0, 1.0, 1.0].repeat(3))?;
/// let atoms = [0.5, 0.5, -0.5, -0.5, 0.5, -0.5, 0.5, -0.5];
/// let out = SparseReconstruction::new((2, 2), Limit { k: 1, eps: 0.0 })
///     .run(img.view(), Dense::from_column_major(&atoms, 4, 2)?)?;
/// assert_eq!(out.image, img);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct SparseReconstruction<T = f64> {
    /// Height and width of a patch.
    pub patch: (usize, usize),
    /// When a pursuit ends.
    pub limit: Limit<T>,
    /// How the next atom is chosen.
    pub rule: Rule,
    /// Vertical and horizontal distance of patches.
    pub stride: (usize, usize),
    /// What happens where the stride does not reach the far border.
    pub border: Border,
    /// Whether the mean of each patch is taken off before coding and added back after.
    pub remove_mean: bool,
    /// The weight of the image itself in the average.
    pub prior_weight: T,
}

/// What [`SparseReconstruction::run`] returns.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SparselyReconstructed<T, const C: usize = 1> {
    /// The image; pixels that no patch covers are those of the input.
    pub image: Image<T, C>,
    /// Patches coded.
    pub patches: usize,
    /// Non-zero coefficients a patch, on average.
    pub mean_nnz: f64,
}

impl<T: Scalar> SparseReconstruction<T> {
    /// Reconstruction from all overlapping patches of this size.
    #[must_use]
    pub fn new(patch: (usize, usize), limit: Limit<T>) -> Self {
        Self {
            patch,
            limit,
            rule: Rule::default(),
            stride: (1, 1),
            border: Border::default(),
            remove_mean: true,
            prior_weight: T::zero(),
        }
    }

    /// Sets how the next atom is chosen.
    #[must_use]
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    /// Sets the distance of patches.
    #[must_use]
    pub fn stride(mut self, stride: (usize, usize)) -> Self {
        self.stride = stride;
        self
    }

    /// Sets what happens at the far border.
    #[must_use]
    pub fn border(mut self, border: Border) -> Self {
        self.border = border;
        self
    }

    /// Sets whether the mean of each patch is kept apart.
    #[must_use]
    pub fn remove_mean(mut self, on: bool) -> Self {
        self.remove_mean = on;
        self
    }

    /// Sets the weight of the image itself in the average.
    #[must_use]
    pub fn prior_weight(mut self, mu: T) -> Self {
        self.prior_weight = mu;
        self
    }

    /// Reconstructs `image` with `dictionary`.
    ///
    /// # Errors
    /// [`ImageError::TooSmall`] if a patch does not fit; [`spm_linalg::LinalgError::Shape`] if the atoms have not the length of
    /// a patch; a parameter out of range; a dictionary that is not finite.
    pub fn run<const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        dictionary: Dense<'_, T>,
    ) -> Result<SparselyReconstructed<T, C>, ImageError> {
        let grid = PatchGrid::<C>::new(image.size(), self.patch, self.stride, self.border)?;
        check::len("dictionary atom", grid.dim(), dictionary.nrows())?;
        check::non_negative("eps", self.limit.eps)?;
        check::non_negative("prior_weight", self.prior_weight)?;
        let coder = BatchOmp::new(dictionary, self.rule)?;
        let mut average = PatchAverage::new(grid);
        let mut nnz = 0;
        for block in grid.blocks(BLOCK * TASKS) {
            let tasks: Vec<Range<usize>> =
                block.clone().step_by(BLOCK).map(|first| first..(first + BLOCK).min(block.end)).collect();
            let coded = par::map(tasks.clone(), |range| self.code(&grid, image, &coder, dictionary, range));
            for (range, result) in tasks.into_iter().zip(coded) {
                let (patches, count) = result?;
                average.add(range, &patches);
                nnz += count;
            }
        }
        Ok(SparselyReconstructed {
            image: average.finish_with(image, self.prior_weight)?,
            patches: grid.len(),
            mean_nnz: nnz as f64 / grid.len() as f64,
        })
    }

    /// The patches numbered `range`, coded and decoded, and how many coefficients that took.
    fn code<const C: usize>(
        &self,
        grid: &PatchGrid<C>,
        image: ImageRef<'_, T, C>,
        coder: &BatchOmp<T>,
        dictionary: Dense<'_, T>,
        range: Range<usize>,
    ) -> Result<(Vec<T>, usize), ImageError> {
        let dim = grid.dim();
        let mut patches = vec![T::zero(); dim * range.len()];
        grid.extract_into(image, range, &mut patches)?;
        let means = if self.remove_mean { remove_means(&mut patches, dim) } else { Vec::new() };
        let mut decoded = vec![T::zero(); patches.len()];
        let mut nnz = 0;
        coder.run(&patches, self.limit, &mut coder.buffers(self.limit), |q, support, x| {
            let column = &mut decoded[q * dim..(q + 1) * dim];
            for (&j, &x) in support.iter().zip(x) {
                vecops::axpy(x, dictionary.col(j as usize), column);
            }
            nnz += support.len();
        })?;
        crate::patches::add_means(&mut decoded[..means.len() * dim], &means);
        Ok((decoded, nnz))
    }
}

/// Patches a task, and tasks at a time.
const BLOCK: usize = 512;
const TASKS: usize = 16;

/// A picture of a dictionary: the atoms side by side, each scaled to `[0, 1]`, in a black frame of one pixel.
///
/// Atoms (columns of `dictionary`) are vectors in the order of values of [`PatchGrid`] for one channel: `patch` rows of pixels. They
/// fill rows of `⌈√K⌉` pictures from the upper left. A constant atom is grey (0.5); places left over are black.
///
/// # Errors
/// [`spm_linalg::LinalgError::Shape`] if the atoms have not `patch.0·patch.1` values; `Empty` without atoms;
/// `NonFiniteAt` for a NaN or an infinity.
///
/// ```
/// use spm_image::dictionary::dictionary_picture;
/// use spm_linalg::Dense;
/// let picture = dictionary_picture(Dense::from_column_major(&[-1.0, 1.0, 3.0, 3.0], 2, 2)?, (1, 2))?;
/// assert_eq!(picture.size(), (3, 7));
/// assert_eq!(picture.data()[7..14], [0.0, 0.0, 1.0, 0.0, 0.5, 0.5, 0.0]);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
pub fn dictionary_picture<T: Scalar>(
    dictionary: Dense<'_, T>,
    patch: (usize, usize),
) -> Result<Gray<T>, ImageError> {
    let (dim, atoms) = (dictionary.nrows(), dictionary.ncols());
    check::non_empty("dictionary", atoms)?;
    check::non_empty("patch", dim)?;
    check::len("dictionary atom", patch.0.saturating_mul(patch.1), dim)?;
    dictionary.check_finite("dictionary")?;
    let columns = (atoms as f64).sqrt().ceil() as usize;
    let (step_i, step_j) = (patch.0 + 1, patch.1 + 1);
    let (height, width) = (atoms.div_ceil(columns) * step_i + 1, columns * step_j + 1);
    let mut out = vec![T::zero(); height * width];
    for k in 0..atoms {
        let atom = dictionary.col(k);
        let low = atom.iter().copied().fold(T::infinity(), T::min);
        let range = atom.iter().copied().fold(T::neg_infinity(), T::max) - low;
        for (r, row) in atom.chunks_exact(patch.1).enumerate() {
            let start = ((k / columns) * step_i + 1 + r) * width + (k % columns) * step_j + 1;
            for (o, &v) in out[start..].iter_mut().zip(row) {
                *o = if range > T::zero() { (v - low) / range } else { T::of(0.5) };
            }
        }
    }
    Image::new(height, width, out)
}
