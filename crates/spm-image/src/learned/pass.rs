//! One pass over all patches of an image: code, decode, add up where they overlap.

use spm_linalg::{Dense, LinearOperator, Scalar, vecops};
use spm_solvers::batch_omp::{BatchOmp, Buffers, Limit, Rule};

use super::wiener::Wiener;
use crate::{Image, ImageError, ImageRef, PatchGrid, par};

/// Rows of patches a task works on.
const ROWS: usize = 4;
/// Tasks whose sums wait to be added.
const TASKS: usize = 32;

/// What turns the patches of one image into those of a cleaner one; prepared once a dictionary.
#[derive(Debug)]
pub(crate) struct Pass<'a, T: Scalar> {
    patch: usize,
    dictionary: Dense<'a, T>,
    coder: BatchOmp<T>,
    limit: Limit<T>,
}

/// The sum of decoded patches over every pixel, and how much weight lies on it.
#[derive(Debug, Clone)]
pub(crate) struct Sums<T> {
    pub(crate) sum: Vec<T>,
    pub(crate) weight: Vec<T>,
}

impl<T: Scalar> Sums<T> {
    pub(crate) fn new(n: usize, channels: usize) -> Self {
        Self { sum: vec![T::zero(); n * channels], weight: vec![T::zero(); n] }
    }

    /// `(mu·prior + sum)/(mu + weight)`.
    pub(crate) fn average<const C: usize>(&self, prior: ImageRef<'_, T, C>, mu: T) -> Image<T, C> {
        let n = self.weight.len();
        let data = prior.data().iter().zip(&self.sum).enumerate();
        let data = data.map(|(i, (&b, &s))| (mu * b + s) / (mu + self.weight[i % n])).collect();
        Image::from_parts(prior.height(), prior.width(), data)
    }
}

/// What a first estimate was made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Noisy<'a, T, const C: usize> {
    pub(crate) image: ImageRef<'a, T, C>,
    pub(crate) sigma: T,
}

/// The working memory of one task.
struct Work<T> {
    patches: Vec<T>,
    decoded: Vec<T>,
    /// A weight a patch.
    weights: Vec<T>,
    buffers: Buffers<T>,
    /// The noisy patches, of a second look.
    noisy: Vec<T>,
    wiener: Option<Wiener<T>>,
}

impl<'a, T: Scalar> Pass<'a, T> {
    pub(crate) fn new(
        dictionary: Dense<'a, T>,
        patch: usize,
        rule: Rule,
        eps: T,
    ) -> Result<Self, ImageError> {
        let limit = Limit { k: dictionary.nrows(), eps };
        Ok(Self { patch, dictionary, coder: BatchOmp::new(dictionary, rule)?, limit })
    }

    /// Adds the decoded patches of `image` to `sums`. Where the image is the first estimate of a noisy one, its codes only say which
    /// atoms count and how much, and what is decoded are the noisy patches.
    pub(crate) fn run<const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        noisy: Option<Noisy<'_, T, C>>,
        sums: &mut Sums<T>,
    ) -> Result<(), ImageError> {
        let grid = PatchGrid::<C>::overlapping(image.size(), (self.patch, self.patch))?;
        let (rows, width, n) = (grid.counts().0, image.width(), image.height() * image.width());
        let starts: Vec<usize> = (0..rows).step_by(ROWS).collect();
        for group in starts.chunks(TASKS) {
            let parts = par::map(group.to_vec(), |first| {
                self.rows(&grid, image, noisy, first..rows.min(first + ROWS))
            });
            for (&first, part) in group.iter().zip(parts) {
                let part = part?;
                let m = part.weight.len();
                vecops::axpy(T::one(), &part.weight, &mut sums.weight[first * width..][..m]);
                for c in 0..C {
                    let plane = &mut sums.sum[c * n + first * width..][..m];
                    vecops::axpy(T::one(), &part.sum[c * m..][..m], plane);
                }
            }
        }
        Ok(())
    }

    /// The sums over the rows of pixels that these rows of patches touch.
    fn rows<const C: usize>(
        &self,
        grid: &PatchGrid<C>,
        image: ImageRef<'_, T, C>,
        noisy: Option<Noisy<'_, T, C>>,
        rows: core::ops::Range<usize>,
    ) -> Result<Sums<T>, ImageError> {
        let (p, width, columns, dim) = (self.patch, image.width(), grid.counts().1, grid.dim());
        let height = rows.len() + p - 1;
        let mut sums = Sums::new(height * width, C);
        let mut work = Work {
            patches: vec![T::zero(); columns * dim],
            decoded: vec![T::zero(); columns * dim],
            weights: vec![T::one(); columns],
            buffers: self.coder.buffers(self.limit),
            noisy: vec![T::zero(); if noisy.is_some() { columns * dim } else { 0 }],
            wiener: noisy.map(|n| Wiener::new(n.sigma, dim)),
        };
        for (r, row) in rows.enumerate() {
            let range = row * columns..(row + 1) * columns;
            grid.extract_into(image, range.clone(), &mut work.patches)?;
            if let Some(noisy) = noisy {
                grid.extract_into(noisy.image, range, &mut work.noisy)?;
            }
            self.code::<C>(&mut work)?;
            for (j, (patch, &weight)) in work.decoded.chunks_exact(dim).zip(&work.weights).enumerate() {
                for c in 0..C {
                    for i in 0..p {
                        let out = &mut sums.sum[(c * height + r + i) * width + j..][..p];
                        for (o, &v) in out.iter_mut().zip(&patch[(c * p + i) * p..][..p]) {
                            *o += weight * v;
                        }
                    }
                }
            }
            for i in 0..p {
                let line = &mut sums.weight[(r + i) * width..][..width];
                for (j, &weight) in work.weights.iter().enumerate() {
                    line[j..j + p].iter_mut().for_each(|w| *w += weight);
                }
            }
        }
        Ok(sums)
    }

    fn code<const C: usize>(&self, work: &mut Work<T>) -> Result<(), ImageError> {
        let area = self.patch * self.patch;
        let dim = C * area;
        let Work { patches, decoded, weights, buffers, noisy, wiener } = work;
        patches.chunks_exact_mut(area).zip(decoded.chunks_exact_mut(area)).for_each(|(patch, out)| {
            out.fill(take_mean(patch));
        });
        // The mean is that of what is decoded.
        noisy.chunks_exact_mut(area).zip(decoded.chunks_exact_mut(area)).for_each(|(patch, out)| {
            out.fill(take_mean(patch));
        });
        self.coder.run(patches, self.limit, buffers, |q, support, x| {
            let out = &mut decoded[q * dim..][..dim];
            if let Some(wiener) = wiener {
                weights[q] = wiener.add(self.dictionary, (support, x), &noisy[q * dim..][..dim], out);
            } else {
                for (&j, &x) in support.iter().zip(x) {
                    vecops::axpy(x, self.dictionary.col(j as usize), out);
                }
            }
        })?;
        Ok(())
    }
}

/// Takes the mean off.
pub(super) fn take_mean<T: Scalar>(values: &mut [T]) -> T {
    let mean = values.iter().copied().sum::<T>() / T::of_usize(values.len());
    for v in values {
        *v -= mean;
    }
    mean
}
