//! The certificate of a Lasso code.

use spm_linalg::{Dense, LinearOperator, Scalar, vecops};

/// The duality gap of a Lasso code: an upper bound, absolute, of how far `½‖y − D x‖² + λ‖x‖₁` is from the minimum.
///
/// Computed from the signal and the code alone: with `r = y − D x` and `θ = r·min(1, λ/max_j |d_jᵀ r|)` (`max_j d_jᵀ r` if `positive`), the
/// gap is `½‖r‖² + λ‖x‖₁ − ½‖y‖² + ½‖y − θ‖²`. For `λ = 0` it is infinite unless `Dᵀr = 0`.
///
/// # Panics
/// If a length is wrong or an index is not an atom.
pub fn lasso_gap<T: Scalar>(
    dictionary: Dense<'_, T>,
    y: &[T],
    atoms: &[u32],
    x: &[T],
    lambda: T,
    positive: bool,
) -> T {
    let mut r = y.to_vec();
    let mut size = T::zero();
    for (&j, &x) in atoms.iter().zip(x) {
        vecops::axpy(-x, dictionary.col(j as usize), &mut r);
        size += x.abs();
    }
    let most = (0..dictionary.ncols())
        .map(|j| vecops::dot(dictionary.col(j), &r))
        .fold(T::zero(), |m, c| m.max(if positive { c } else { c.abs() }));
    if lambda == T::zero() && most > T::zero() {
        return T::infinity();
    }
    let shrink = if most > lambda { lambda / most } else { T::one() };
    let half = T::of(0.5);
    // ½‖y‖² − ½‖y − θ‖² = θᵀy − ½‖θ‖².
    let dual = shrink * vecops::dot(&r, y) - half * shrink * shrink * vecops::sq_norm(&r);
    half * vecops::sq_norm(&r) + lambda * size - dual
}
