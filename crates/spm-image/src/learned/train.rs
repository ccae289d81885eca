//! The dictionary: started from cosines, adapted to patches of the noisy image.

use core::ops::ControlFlow;

use spm_linalg::{Scalar, vecops};
use spm_models::ModelError;
use spm_models::dictionary::{Dictionary, Ksvd, Omp, dct};
use spm_solvers::Status;

use super::pass::take_mean;
use crate::watch::{Step, Watch};
use crate::{ImageError, ImageRef, PatchGrid};

/// Adapts a dictionary to `patches` by `iterations` of K-SVD with a residual bound of `eps`; `Interrupted` if stopped.
pub(crate) fn train<T: Scalar>(
    start: Dictionary<T>,
    patches: &[T],
    eps: T,
    iterations: usize,
    watch: &mut Watch<'_>,
) -> Result<(Dictionary<T>, Status), ImageError> {
    if patches.is_empty() || iterations == 0 {
        return Ok((start, Status::Converged));
    }
    let dim = start.dim();
    let ksvd = Ksvd::new(start.n_atoms(), Omp::with_k(dim).eps(eps)).init(start).max_iter(iterations);
    let mut observer = |p: &spm_solvers::Progress<T>, _: &[T]| -> ControlFlow<()> {
        watch(Step { what: "dictionary", done: p.iter, total: iterations })
    };
    let fitted = ksvd.fit_observed(patches, dim, &mut observer).map_err(from_model)?;
    // A fixed number of iterations is what was asked for.
    let interrupted = fitted.report.status == Status::Interrupted;
    Ok((fitted.dictionary, if interrupted { Status::Interrupted } else { Status::Converged }))
}

/// At most `count` patches, without their means, whose norm is above `eps`: the others need no atoms.
///
/// Patches are visited in the order of multiples of the golden ratio, which spreads any number of them evenly.
pub(crate) fn sample<T: Scalar, const C: usize>(
    image: ImageRef<'_, T, C>,
    grid: &PatchGrid<C>,
    count: usize,
    eps: T,
) -> Result<Vec<T>, ImageError> {
    let (total, dim) = (grid.len(), grid.dim());
    let mut stride = (total as f64 * 0.618_033_988_749_894_9) as usize | 1;
    while gcd(stride, total) != 1 {
        stride += 1;
    }
    let (mut patches, mut patch, mut at) = (Vec::new(), vec![T::zero(); dim], 0);
    for _ in 0..total.min(count.saturating_mul(16)) {
        grid.extract_into(image, at..at + 1, &mut patch)?;
        for channel in patch.chunks_exact_mut(dim / C) {
            take_mean(channel);
        }
        if vecops::norm(&patch) > eps {
            patches.extend_from_slice(&patch);
            if patches.len() == count.saturating_mul(dim) {
                break;
            }
        }
        at = (at + stride) % total;
    }
    Ok(patches)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// At most `n_atoms` cosine products: one overcomplete frame for grey; for colour a frame of brightness and a smaller one for
/// each of two differences of colours.
pub(crate) fn cosines<T: Scalar, const C: usize>(
    patch: usize,
    n_atoms: usize,
) -> Result<Dictionary<T>, ImageError> {
    let side = |share: f64| ((n_atoms as f64 * share).sqrt() as usize).max(1);
    if C != 3 {
        let frame = dct::overcomplete_2d::<T>(patch, side(1.0)).map_err(from_model)?;
        let mut atoms = Vec::with_capacity(C * frame.atoms().len());
        for atom in frame.atoms().chunks_exact(frame.dim()) {
            (0..C).for_each(|_| atoms.extend_from_slice(atom));
        }
        return Dictionary::normalized(atoms, C * patch * patch).map_err(from_model);
    }
    let opponents =
        [([1.0, 1.0, 1.0], side(0.6)), ([1.0, 0.0, -1.0], side(0.2)), ([1.0, -2.0, 1.0], side(0.2))];
    let mut atoms = Vec::new();
    for (mix, side) in opponents {
        let frame = dct::overcomplete_2d::<T>(patch, side).map_err(from_model)?;
        for atom in frame.atoms().chunks_exact(frame.dim()) {
            for m in mix {
                atoms.extend(atom.iter().map(|&v| T::of(m) * v));
            }
        }
    }
    Dictionary::normalized(atoms, 3 * patch * patch).map_err(from_model)
}

/// An error of `spm-models` as one of this crate.
pub(crate) fn from_model(e: ModelError) -> ImageError {
    match e {
        ModelError::Linalg(e) => e.into(),
        ModelError::Solve(e) => e.into(),
        e => ImageError::Model(e),
    }
}
