//! The certificate of a generalized Lasso with a design matrix.

use spm_linalg::factor::{Cholesky, gram_into};
use spm_linalg::faer::MatRef;
use spm_linalg::{Dense, LinearOperator, Scalar, StackReq, Workspace, check, vecops};

use super::x_update::linear_term;
use crate::{Certificate, SolveError, Term};

/// The duality gap of $\min_x \tfrac{s}{2}\|A x - b\|^2 + g(K x)$ at `x` from the multiplier `y`.
///
/// In plain text: primal `s/2 ‖A x − b‖² + g(K x)`; dual `min_v s/2 ‖A v − b‖² + ⟨y, K v⟩ − g*(y)`, whose minimiser `v`
/// solves `s AᵀA v = s Aᵀb − Kᵀy`. Any `y` in the domain of `g*` gives a lower bound; the one of
/// [`Admm`](super::Admm::dual_into) becomes optimal. If `g` has a polar, a `y` outside is scaled back.
///
/// `A` is m × n with full column rank, `K` is p × n, `x`: n, `y`: p. Allocates; O(m n² + n³) for the factorisation of `AᵀA`.
/// The value is exact up to the rounding of that solve. With `A = I` use [`crate::kkt::generalized_gap`].
///
/// Source: Tibshirani and Taylor 2011, *The solution path of the generalized lasso*, section 3.
///
/// # Errors
/// [`SolveError::Linalg`] with `NotPositiveDefinite` if `A` has not full column rank: the dual then is finite only on a
/// subspace. For lengths that do not fit, non-finite data, a `scale` that is not positive.
///
/// ```
/// use spm_linalg::{Dense, penalty::L1};
/// use spm_solvers::{Term, admm::design_gap};
/// let a = Dense::from_column_major(&[2.0, 0.0, 0.0, 2.0], 2, 2)?;
/// let (k, g) = (Dense::from_column_major(&[-1.0, 1.0], 1, 2)?, L1::new(4.0)?);
/// // ½(2 x₀)² + ½(2 x₁ − 10)² + 4 |x₁ − x₀| is least at (1, 4).
/// let c = design_gap(a, &[0.0, 10.0], 1.0, Term::new(&g, &k)?, &[1.0, 4.0], &[4.0])?;
/// assert!(c.gap() < 1e-12 && (c.primal - 16.0_f64).abs() < 1e-12);
/// # Ok::<(), spm_solvers::SolveError>(())
/// ```
pub fn design_gap<T: Scalar>(
    a: Dense<'_, T>,
    b: &[T],
    scale: T,
    term: Term<'_, T>,
    x: &[T],
    y: &[T],
) -> Result<Certificate<T>, SolveError> {
    let (g, k) = (term.g, term.k);
    let (m, n, p) = (a.nrows(), a.ncols(), k.nrows());
    let mut v = linear_term(&a, b, scale)?;
    check::len("columns of K", n, k.ncols())?;
    check::len("point x", n, x.len())?;
    check::len("multiplier y", p, y.len())?;
    let mut ws = Workspace::new(StackReq::any_of(&[a.scratch(), k.scratch(), g.scratch(p)]));
    let (mut image, mut kx, mut y) = (vec![T::zero(); m], vec![T::zero(); p], y.to_vec());

    let half = scale / T::of(2.0);
    a.apply(x, &mut image, ws.stack());
    k.apply(x, &mut kx, ws.stack());
    let primal = half * vecops::sq_dist(&image, b) + g.value(&kx);

    let conjugate = match g.polar(&y, ws.stack()) {
        Some(polar) => {
            if polar > T::one() {
                vecops::scale(polar.recip(), &mut y);
            }
            T::zero()
        }
        None => g.conj_value(&y, ws.stack()).unwrap_or_else(T::infinity),
    };
    let mut gram = vec![T::zero(); n * n];
    gram_into(a.as_faer(), &mut gram)?;
    let mut factor = Cholesky::with_order(n);
    factor.refactor(MatRef::from_column_major_slice(&gram, n, n), scale, None, T::zero())?;
    let mut kty = vec![T::zero(); n];
    k.apply_adjoint(&y, &mut kty, ws.stack());
    vecops::axpy(-T::one(), &kty, &mut v);
    factor.solve_in_place(&mut v);
    a.apply(&v, &mut image, ws.stack());
    let dual = half * vecops::sq_dist(&image, b) + vecops::dot(&kty, &v) - conjugate;
    Ok(Certificate::new(primal, dual))
}
