//! The method of optimal directions.

use spm_linalg::factor::Cholesky;
use spm_linalg::{LinalgError, Scalar, vecops};

use super::training::Data;
use crate::dictionary::Codes;

/// `D ← Y Xᵀ (X Xᵀ)⁻¹` over the atoms in use, each normalised and its coefficients scaled, so that `D X` is the best for this support
/// and these coefficients. A relative `1e-12` (`1e-6` in single precision) on the diagonal keeps dependent coefficients apart.
pub(super) fn mod_update<T: Scalar>(
    data: Data<'_, T>,
    atoms: &mut [T],
    codes: &mut Codes<T>,
) -> Result<(), LinalgError> {
    let (dim, k) = (data.dim, codes.n_atoms());
    let mut gram = vec![T::zero(); k * k];
    let mut cross = vec![T::zero(); dim * k];
    for i in 0..codes.n_signals() {
        let (support, x) = codes.column(i);
        for (&j, &xj) in support.iter().zip(x) {
            let j = j as usize;
            vecops::axpy(xj, data.signal(i), &mut cross[j * dim..][..dim]);
            for (&l, &xl) in support.iter().zip(x) {
                gram[j * k + l as usize] += xj * xl;
            }
        }
    }
    let used: Vec<usize> = (0..k).filter(|&j| gram[j * k + j] > T::zero()).collect();
    let n = used.len();
    if n == 0 {
        return Ok(());
    }
    let ridge = T::of(if T::epsilon() > T::of(1e-10) { 1e-6 } else { 1e-12 });
    let mut small = vec![T::zero(); n * n];
    for (a, &j) in used.iter().enumerate() {
        for (b, &l) in used.iter().enumerate() {
            small[a * n + b] = gram[j * k + l];
        }
        small[a * n + a] *= T::one() + ridge;
    }
    let factor = Cholesky::from_column_major(&small, n)?;
    let mut row = vec![T::zero(); n];
    for f in 0..dim {
        for (v, &j) in row.iter_mut().zip(&used) {
            *v = cross[j * dim + f];
        }
        factor.solve_in_place(&mut row);
        for (&v, &j) in row.iter().zip(&used) {
            atoms[j * dim + f] = v;
        }
    }
    let mut scale = vec![T::one(); k];
    for &j in &used {
        let atom = &mut atoms[j * dim..][..dim];
        let norm = vecops::norm(atom);
        if norm > T::zero() && norm.is_finite() {
            atom.iter_mut().for_each(|v| *v /= norm);
            scale[j] = norm;
        } else {
            // Nothing of the signals is along this atom: its coefficients go.
            atom.fill(T::zero());
            atom[0] = T::one();
            scale[j] = T::zero();
        }
    }
    codes.scale_atoms(&scale);
    Ok(())
}
