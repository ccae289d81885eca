//! The dictionary step of online learning.

use spm_linalg::{Dense, LinalgError, Scalar, check, vecops};

/// Atoms updated between two products with the whole dictionary.
const BLOCK: usize = 32;

/// Which atoms are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum AtomNorm {
    /// Norm 1.
    #[default]
    Unit,
    /// Norm at most 1.
    AtMostOne,
}

/// One pass of block-coordinate descent on `½ tr(Dᵀ D A) − tr(Dᵀ B)`, in place: for every atom in turn
/// `d_j ← Π(d_j + (b_j − D a_j)/A_jj)` with the atoms before it already new.
///
/// `atoms` and `b` are `dim × K`, `a` is symmetric `K × K`, all column-major; `Π` scales to the allowed norm and, with `positive`, first sets
/// negative entries to 0. An atom with `A_jj` at most 1e-9 of the largest stays, as does one whose update is zero. The products with the
/// dictionary are made for blocks of atoms: `O(d K²)`, mostly in matrix products.
///
/// Source: Mairal, Bach, Ponce, Sapiro 2010, algorithm 2.
///
/// # Errors
/// [`LinalgError::Shape`] or [`LinalgError::Empty`] if a length does not fit.
pub fn update_atoms<T: Scalar>(
    atoms: &mut [T],
    dim: usize,
    a: &[T],
    b: &[T],
    norm: AtomNorm,
    positive: bool,
) -> Result<(), LinalgError> {
    check::non_empty("dictionary", dim.min(atoms.len()))?;
    let k = atoms.len() / dim;
    check::len("dictionary", k * dim, atoms.len())?;
    check::len("A", k * k, a.len())?;
    check::len("B", k * dim, b.len())?;
    let largest = (0..k).map(|j| a[j * k + j]).fold(T::zero(), T::max);
    let skip = T::of(1e-9) * largest;
    let mut gap = vec![T::zero(); dim * BLOCK.min(k)];
    let mut new = vec![T::zero(); dim];
    for first in (0..k).step_by(BLOCK) {
        let count = BLOCK.min(k - first);
        // The columns B − D A of this block, for the dictionary as it stands.
        let gap = &mut gap[..dim * count];
        Dense::from_column_major(atoms, dim, k)?.apply_block(&a[first * k..][..count * k], count, gap);
        for (gap, &b) in gap.iter_mut().zip(&b[first * dim..]) {
            *gap = b - *gap;
        }
        for c in 0..count {
            let j = first + c;
            let weight = a[j * k + j];
            if weight <= skip {
                continue;
            }
            let atom = &mut atoms[j * dim..][..dim];
            for ((new, &gap), &old) in new.iter_mut().zip(&gap[c * dim..]).zip(&*atom) {
                *new = gap / weight + old;
                if positive {
                    *new = new.max(T::zero());
                }
            }
            let size = vecops::norm(&new);
            if !(size > T::zero() && size.is_finite()) {
                continue;
            }
            if norm == AtomNorm::Unit || size > T::one() {
                new.iter_mut().for_each(|v| *v /= size);
            }
            for (new, atom) in new.iter_mut().zip(&mut *atom) {
                (*new, *atom) = (*new - *atom, *new);
            }
            // `new` is now the change; the later columns of the block see it.
            for (later, gap) in gap.chunks_exact_mut(dim).enumerate().skip(c + 1) {
                vecops::axpy(-a[j * k + first + later], &new, gap);
            }
        }
    }
    Ok(())
}
