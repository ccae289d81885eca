//! Polishing of an approximate generalized Lasso solution on the active set of `z`.

use spm_linalg::factor::{Cholesky, ColPivQr, gram_into};
use spm_linalg::faer::MatRef;
use spm_linalg::penalty::L1;
use spm_linalg::{Dense, LinearOperator, Scalar, Workspace, check, vecops};

use super::design_gap;
use super::x_update::linear_term;
use crate::{Certificate, SolveError, Term};

/// Replaces an approximate solution of $\min_x \tfrac{s}{2}\|A x - b\|^2 + \lambda \|K x\|_1$ by the exact one on the
/// pattern of `z`, if that lowers the duality gap.
///
/// In plain text: with `Z` the rows where `z` is 0 and the signs of `z` elsewhere, solves
/// `min s/2 ‖A x − b‖² + lambda ⟨sign, K x⟩ subject to (K x)_Z = 0`. The multipliers of the constraint are the rest of `y`.
/// One Cholesky factorisation of `s AᵀA` and a pivoted QR of `L⁻¹ K_Zᵀ`, so that redundant rows (a grid's) do no harm.
///
/// `A` is m × n of full column rank, `K` p × n, `x`: n, `z` and `y`: p, as [`Admm`](super::Admm) leaves them; `x` and `y` are
/// overwritten if the polished point is better. Returns the certificates before and after (equal if it was not better).
/// Allocates O(n² + n p); time O(m n² + n³ + n p²).
///
/// Source: Stellato et al. 2020, *OSQP*, section 4 (the idea); Tibshirani and Taylor 2011.
///
/// # Errors
/// As [`design_gap`].
pub fn polish_generalized<T: Scalar>(
    a: Dense<'_, T>,
    b: &[T],
    scale: T,
    lambda: T,
    k: &dyn LinearOperator<T>,
    z: &[T],
    x: &mut [T],
    y: &mut [T],
) -> Result<(Certificate<T>, Certificate<T>), SolveError> {
    let (n, p) = (a.ncols(), k.nrows());
    check::len("pattern z", p, z.len())?;
    check::finite("pattern z", z)?;
    let g = L1::new(lambda)?;
    let term = Term::new(&g, k)?;
    let before = design_gap(a, b, scale, term, x, y)?;

    // Everything in the coordinates t = Lᵀx, in which the quadratic is ½‖t − v‖².
    let mut gram = vec![T::zero(); n * n];
    gram_into(a.as_faer(), &mut gram)?;
    let mut factor = Cholesky::with_order(n);
    factor.refactor(MatRef::from_column_major_slice(&gram, n, n), scale, None, T::zero())?;
    let mut v = linear_term(&a, b, scale)?;
    let mut ws = Workspace::new(k.scratch());
    let (mut unit, mut row) = (vec![T::zero(); p], vec![T::zero(); n]);
    let (mut fixed, mut columns) = (Vec::new(), Vec::new());
    for i in 0..p {
        unit[i] = T::one();
        k.apply_adjoint(&unit, &mut row, ws.stack());
        unit[i] = T::zero();
        if z[i] == T::zero() {
            factor.solve_lower_in_place(&mut row);
            columns.extend_from_slice(&row);
            fixed.push(i);
        } else {
            vecops::axpy(-lambda * z[i].signum(), &row, &mut v);
        }
    }
    factor.solve_lower_in_place(&mut v);
    let mut multipliers = vec![T::zero(); fixed.len()];
    ColPivQr::from_column_major(&columns, n, fixed.len())?.least_squares_into(&v, &mut multipliers);
    for (col, &mu) in columns.chunks_exact(n.max(1)).zip(&multipliers) {
        vecops::axpy(-mu, col, &mut v);
    }
    factor.solve_lower_transpose_in_place(&mut v);

    let mut dual: Vec<T> = z.iter().map(|z| lambda * z.signum()).collect();
    for (&i, &mu) in fixed.iter().zip(&multipliers) {
        dual[i] = mu;
    }
    let after = design_gap(a, b, scale, term, &v, &dual)?;
    if after.gap() < before.gap() {
        x.copy_from_slice(&v);
        y.copy_from_slice(&dual);
        Ok((before, after))
    } else {
        Ok((before, before))
    }
}
