//! The x-update of ADMM as a strategy, and the choice among the strategies for least squares.

use core::fmt::Debug;

use spm_linalg::{Dense, LinearOperator, Scalar, Workspace, check, vecops};

use super::{CholeskyUpdate, WoodburyUpdate};
use crate::SolveError;

/// The minimisation over `x` in one ADMM iteration.
///
/// $x \leftarrow \arg\min_x f(x) + \tfrac{\rho}{2} \|K x\|^2 - \langle q, x \rangle$, in plain text
/// `argmin f(x) + rho/2 ‖K x‖² − ⟨q, x⟩`, where the method passes `q = rho·Kᵀ(z − u)`. For
/// `f = s/2 ‖A x − b‖²` this is the linear system `(s AᵀA + rho KᵀK) x = s Aᵀb + q`.
///
/// A strategy owns what it factored and knows `f` and `K`; it gets everything that changes as an argument.
pub trait XUpdate<T: Scalar>: Debug {
    /// Length of `x`.
    fn dim(&self) -> usize;

    /// Called once before the first solve and whenever `rho` has changed: refactor here, in place.
    ///
    /// # Errors
    /// [`SolveError::Linalg`] if the system is singular or indefinite.
    fn prepare(&mut self, rho: T) -> Result<(), SolveError>;

    /// Overwrites `x`, which holds the previous solution, with the new one. Returns the 2-norm of what is left of the
    /// optimality condition, 0 for a direct method; an iterative one makes it at most `tol`, up to rounding.
    /// Allocates nothing.
    ///
    /// # Errors
    /// [`SolveError::Linalg`] if an iterative method fails.
    ///
    /// # Panics
    /// If a length is not [`dim`](Self::dim).
    fn solve_into(&mut self, q: &[T], tol: T, x: &mut [T]) -> Result<T, SolveError>;

    /// The natural units of `f`.
    fn scales(&self) -> Scales<T>;
}

/// The natural units of a smooth function; they set the start of `rho` and the absolute part of the tolerances.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scales<T> {
    /// `‖∇f(0)‖₂`.
    pub gradient: T,
    /// The mean eigenvalue of the Hessian, its trace divided by the dimension, or an estimate.
    pub curvature: T,
}

/// The direct x-update for `f(x) = scale/2·‖A x − b‖²`: [`WoodburyUpdate`] if `A` is wide and `k` is `None` (the
/// identity), else [`CholeskyUpdate`].
///
/// # Errors
/// [`SolveError::Linalg`] for non-finite data, lengths that do not fit, or a `scale` that is not positive.
pub fn least_squares_update<'a, T: Scalar>(
    a: Dense<'a, T>,
    b: &[T],
    scale: T,
    k: Option<&dyn LinearOperator<T>>,
) -> Result<Box<dyn XUpdate<T> + 'a>, SolveError> {
    if k.is_none() && a.nrows() < a.ncols() {
        Ok(Box::new(WoodburyUpdate::new(a, b, scale)?))
    } else {
        Ok(Box::new(CholeskyUpdate::new(a, b, scale, k)?))
    }
}

/// Checks `A x ≈ b` and returns `scale·Aᵀb`.
pub(super) fn linear_term<T: Scalar>(a: &Dense<'_, T>, b: &[T], scale: T) -> Result<Vec<T>, SolveError> {
    check::positive("scale", scale)?;
    check::len("right-hand side b", a.nrows(), b.len())?;
    check::finite("right-hand side b", b)?;
    a.check_finite("matrix A")?;
    let mut linear = vec![T::zero(); a.ncols()];
    a.apply_adjoint(b, &mut linear, Workspace::new(a.scratch()).stack());
    vecops::scale(scale, &mut linear);
    Ok(linear)
}
