//! Thin singular value decomposition, with a second method for when the first does not converge.

use faer::diag::DiagMut;
use faer::linalg::svd::{ComputeSvdVectors, svd, svd_scratch};
use faer::{MatMut, MatRef, Par, Spec};

use super::{finite_where, gram_into, self_adjoint_evd_into, self_adjoint_evd_scratch};
use crate::{LinalgError, MemStack, Scalar, StackReq, Workspace, check, vecops};

/// The factorisation $A = U \,\mathrm{diag}(s)\, V^\top$ with `k = min(m, n)` singular values.
///
/// In plain text: `A = U * diag(s) * transpose(V)`, `s` non-increasing and non-negative, `U` m × k and `V` n × k with
/// orthonormal columns. O(m n k) time.
///
/// If the bidiagonal iteration does not converge, the eigenvalues of the smaller Gram matrix give the answer
/// (small singular values then carry an absolute error near `sqrt(eps)·s[0]`); only if that fails too is the result
/// [`LinalgError::NoConvergence`].
///
/// ```
/// use spm_linalg::factor::ThinSvd;
/// let svd = ThinSvd::from_column_major(&[3.0, 0.0, 0.0, 0.0, 5.0, 0.0], 3, 2)?;
/// assert!((svd.s()[0] - 5.0_f64).abs() < 1e-14 && (svd.s()[1] - 3.0_f64).abs() < 1e-14);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ThinSvd<T> {
    nrows: usize,
    ncols: usize,
    u: Vec<T>,
    s: Vec<T>,
    v: Vec<T>,
}

impl<T: Scalar> ThinSvd<T> {
    /// Factors an m × n matrix.
    ///
    /// # Errors
    /// [`LinalgError::NonFiniteAt`] for a NaN or infinity, [`LinalgError::NoConvergence`].
    pub fn new(a: MatRef<'_, T>) -> Result<Self, LinalgError> {
        let (m, n) = (a.nrows(), a.ncols());
        let k = m.min(n);
        let zeros = |len| vec![T::zero(); len];
        let mut this = Self { nrows: m, ncols: n, u: zeros(m * k), s: zeros(k), v: zeros(n * k) };
        let mut ws = Workspace::new(thin_svd_scratch::<T>(m, n));
        thin_svd_into(a, &mut this.u, &mut this.s, &mut this.v, ws.stack())?;
        Ok(this)
    }

    /// As [`new`](Self::new), from a column-major slice of length `m·n`.
    ///
    /// # Errors
    /// As [`new`](Self::new), and [`LinalgError::Shape`].
    pub fn from_column_major(a: &[T], m: usize, n: usize) -> Result<Self, LinalgError> {
        check::len("matrix to decompose", m.saturating_mul(n), a.len())?;
        Self::new(MatRef::from_column_major_slice(a, m, n))
    }

    /// The singular values, non-increasing.
    #[must_use]
    pub fn s(&self) -> &[T] {
        &self.s
    }

    /// The left singular vectors, m × k.
    #[must_use]
    pub fn u(&self) -> MatRef<'_, T> {
        MatRef::from_column_major_slice(&self.u, self.nrows, self.s.len())
    }

    /// The right singular vectors, n × k (not transposed).
    #[must_use]
    pub fn v(&self) -> MatRef<'_, T> {
        MatRef::from_column_major_slice(&self.v, self.ncols, self.s.len())
    }

    /// How many singular values exceed `tol·s[0]`; `max(m, n)·eps` is the usual `tol`.
    #[must_use]
    pub fn rank(&self, tol: T) -> usize {
        self.s.iter().take_while(|&&s| s > tol * self.s[0]).count()
    }
}

/// Temporary memory of [`thin_svd_into`] for an m × n matrix, both methods included.
#[must_use]
pub fn thin_svd_scratch<T: Scalar>(m: usize, n: usize) -> StackReq {
    let thin = ComputeSvdVectors::Thin;
    svd_scratch::<T>(m, n, thin, thin, Par::Seq, Spec::default()).or(gram_scratch::<T>(m, n))
}

/// Of the second method: a scaled copy, the Gram matrix, its eigenvalues and eigenvectors.
fn gram_scratch<T: Scalar>(m: usize, n: usize) -> StackReq {
    let k = m.min(n);
    StackReq::new::<T>(m * n)
        .and(StackReq::new::<T>(k * k).array(2))
        .and(StackReq::new::<T>(k))
        .and(self_adjoint_evd_scratch::<T>(k))
}

/// `A = U diag(s) Vᵀ` into the caller's memory, `k = min(m, n)`: `u` of length `m·k`, `s` of length k, `v` of length
/// `n·k`, column-major. Temporaries come from `stack`.
///
/// # Errors
/// As [`ThinSvd::new`].
///
/// # Panics
/// If the lengths of `u`, `s`, `v` do not fit.
pub fn thin_svd_into<T: Scalar>(
    a: MatRef<'_, T>,
    u: &mut [T],
    s: &mut [T],
    v: &mut [T],
    stack: &mut MemStack,
) -> Result<(), LinalgError> {
    let (m, n) = (a.nrows(), a.ncols());
    let k = m.min(n);
    check::dim("thin_svd_into u", m * k, u.len());
    check::dim("thin_svd_into s", k, s.len());
    check::dim("thin_svd_into v", n * k, v.len());
    finite_where("matrix to decompose", a, |_, _| true)?;
    let first = svd(
        a,
        DiagMut::from_slice_mut(s),
        Some(MatMut::from_column_major_slice_mut(u, m, k)),
        Some(MatMut::from_column_major_slice_mut(v, n, k)),
        Par::Seq,
        stack,
        Spec::default(),
    );
    if first.is_ok() && s.iter().chain(&*u).chain(&*v).all(|x| x.is_finite()) {
        return Ok(());
    }
    svd_by_gram(a, u, s, v, stack)
}

/// The SVD from the eigenvectors of the smaller Gram matrix: `V` from `AᵀA`, then `U` from `A V`.
fn svd_by_gram<T: Scalar>(
    a: MatRef<'_, T>,
    u: &mut [T],
    s: &mut [T],
    v: &mut [T],
    stack: &mut MemStack,
) -> Result<(), LinalgError> {
    let (m, n) = (a.nrows(), a.ncols());
    if m < n {
        return svd_by_gram(a.transpose(), v, s, u, stack);
    }
    let mut largest = T::zero();
    (0..n).for_each(|j| (0..m).for_each(|i| largest = largest.max(num_traits::Float::abs(a[(i, j)]))));
    let scale = if largest == T::zero() { T::one() } else { largest };
    let (copy, stack) = stack.make_with(m * n, |e| a[(e % m, e / m)] / scale);
    let (mut gram, stack) = stack.make_with(n * n, |_| T::zero());
    let (mut vectors, stack) = stack.make_with(n * n, |_| T::zero());
    let (mut values, stack) = stack.make_with(n, |_| T::zero());
    gram_into(MatRef::from_column_major_slice(&copy, m, n), &mut gram)?;
    self_adjoint_evd_into(MatRef::from_column_major_slice(&gram, n, n), &mut values, &mut vectors, stack)
        .map_err(|_| LinalgError::NoConvergence { what: "singular value decomposition" })?;
    let floor = T::of_usize(m) * T::epsilon();
    for j in 0..n {
        let from = &vectors[(n - 1 - j) * n..(n - j) * n];
        v[j * n..(j + 1) * n].copy_from_slice(from);
        let (done, fresh) = u.split_at_mut(j * m);
        let u_j = &mut fresh[..m];
        u_j.fill(T::zero());
        for (c, &w) in from.iter().enumerate() {
            vecops::axpy(w, &copy[c * m..(c + 1) * m], u_j);
        }
        orthogonalise(done, u_j);
        let norm = vecops::norm(u_j);
        let top = if j == 0 { T::one() } else { s[0] / scale };
        if norm > floor * top {
            vecops::scale(norm.recip(), u_j);
            s[j] = norm * scale;
        } else {
            complete(done, u_j);
            s[j] = T::zero();
        }
    }
    // Close values can leave the order of the eigenvalues by rounding: restore it by insertion.
    for j in 1..n {
        let mut i = j;
        while i > 0 && s[i] > s[i - 1] {
            s.swap(i, i - 1);
            swap_columns(u, m, i);
            swap_columns(v, n, i);
            i -= 1;
        }
    }
    Ok(())
}

/// Exchanges columns `i` and `i − 1`.
fn swap_columns<T>(x: &mut [T], nrows: usize, i: usize) {
    let (left, right) = x[(i - 1) * nrows..(i + 1) * nrows].split_at_mut(nrows);
    left.swap_with_slice(right);
}

/// Removes from `x` its components along the orthonormal columns of `q`, twice (Gram-Schmidt).
fn orthogonalise<T: Scalar>(q: &[T], x: &mut [T]) {
    for _ in 0..2 {
        for col in q.chunks_exact(x.len().max(1)) {
            vecops::axpy(-vecops::dot(col, x), col, x);
        }
    }
}

/// Writes a unit vector orthogonal to the columns of `q`, of which there are fewer than `x.len()`.
fn complete<T: Scalar>(q: &[T], x: &mut [T]) {
    // Some coordinate vector keeps at least the mean squared norm 1 − k/m outside the span of k columns.
    let m = x.len();
    let outside = |i: usize| T::one() - q.chunks_exact(m).map(|c| c[i] * c[i]).sum::<T>();
    let mut best = (0, T::neg_infinity());
    for i in 0..m {
        let left = outside(i);
        if left > best.1 {
            best = (i, left);
        }
    }
    x.fill(T::zero());
    x[best.0] = T::one();
    orthogonalise(q, x);
    vecops::scale(vecops::norm(x).recip(), x);
}

/// The leading singular triplet by alternating power iteration: `A ≈ σ u vᵀ`; returns `σ`.
///
/// `v` (length n) is the start on entry, a previous atom say; a zero or non-finite start is replaced. `u` has length
/// m. Stops when `‖Aᵀu − σ v‖ <= tol·σ` (`A v = σ u` holds by construction). An iteration costs 4mn operations and the
/// error shrinks by `(s[1]/s[0])²`; nothing is allocated.
///
/// | parameter | usual value | range | meaning |
/// |---|---|---|---|
/// | `tol` | `1e-8` | `>= 0` | relative residual |
/// | `max_iter` | 50 | | after that the caller decides, for example for [`ThinSvd`] |
///
/// Source: Golub and Van Loan 2013, *Matrix Computations*, section 8.2 applied to `AᵀA`; its use in K-SVD: Rubinstein,
/// Zibulevsky and Elad 2008.
///
/// # Errors
/// [`LinalgError::NoConvergence`]; `u` and `v` then hold the last iterate, of unit length. [`LinalgError::NonFinite`] if
/// the products are not finite.
///
/// # Panics
/// If the lengths of `u` and `v` do not fit.
///
/// ```
/// use spm_linalg::faer::MatRef;
/// use spm_linalg::factor::leading_triplet;
/// let a = MatRef::from_column_major_slice(&[3.0, 0.0, 0.0, 1.0], 2, 2);
/// let (mut u, mut v) = ([0.0; 2], [1.0, 1.0]);
/// let sigma = leading_triplet(a, &mut u, &mut v, 1e-10, 50)?;
/// assert!((sigma - 3.0_f64).abs() < 1e-12);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
pub fn leading_triplet<T: Scalar>(
    a: MatRef<'_, T>,
    u: &mut [T],
    v: &mut [T],
    tol: T,
    max_iter: usize,
) -> Result<T, LinalgError> {
    check::dim("leading_triplet u", a.nrows(), u.len());
    check::dim("leading_triplet v", a.ncols(), v.len());
    let length = vecops::norm(v);
    if length.is_finite() && length > T::zero() {
        vecops::scale(length.recip(), v);
    } else {
        start_from_largest_row(a, v);
    }
    let mut restarted = false;
    for _ in 0..max_iter {
        product(a, v, u);
        let sigma = vecops::norm(u);
        if !sigma.is_finite() {
            return Err(LinalgError::NonFinite { what: "leading singular triplet", index: 0 });
        }
        if sigma == T::zero() {
            // The start lies in the null space: A is zero or the start was unlucky.
            if restarted || !start_from_largest_row(a, v) {
                u.fill(T::zero());
                if let Some(first) = u.first_mut() {
                    *first = T::one();
                }
                return Ok(T::zero());
            }
            restarted = true;
            continue;
        }
        vecops::scale(sigma.recip(), u);
        // v ← Aᵀu, measured against σ v on the way.
        let mut sq_residual = T::zero();
        for (j, v_j) in v.iter_mut().enumerate() {
            let new = column_dot(a, j, u);
            let d = (new - sigma * *v_j) / sigma;
            sq_residual += d * d;
            *v_j = new;
        }
        let length = vecops::norm(v);
        if !length.is_finite() {
            return Err(LinalgError::NonFinite { what: "leading singular triplet", index: 0 });
        }
        vecops::scale(length.recip(), v);
        if num_traits::Float::sqrt(sq_residual) <= tol {
            return Ok(length);
        }
    }
    Err(LinalgError::NoConvergence { what: "power iteration for the leading singular triplet" })
}

/// `y ← A x`.
fn product<T: Scalar>(a: MatRef<'_, T>, x: &[T], y: &mut [T]) {
    use faer::{Accum, ColMut, ColRef, linalg::matmul::matmul};
    matmul(ColMut::from_slice_mut(y), Accum::Replace, a, ColRef::from_slice(x), T::one(), Par::Seq);
}

/// `⟨a_j, y⟩`.
fn column_dot<T: Scalar>(a: MatRef<'_, T>, j: usize, y: &[T]) -> T {
    match a.col(j).try_as_col_major() {
        Some(col) => vecops::dot(col.as_slice(), y),
        None => (0..y.len()).map(|i| a[(i, j)] * y[i]).sum(),
    }
}

/// `v ←` the row of `A` of largest norm, made unit; `false` if `A` is zero (`v` is then the first unit vector).
fn start_from_largest_row<T: Scalar>(a: MatRef<'_, T>, v: &mut [T]) -> bool {
    let mut best = (0, T::zero());
    for i in 0..a.nrows() {
        let mut sq = T::zero();
        (0..a.ncols()).for_each(|j| sq += a[(i, j)] * a[(i, j)]);
        if sq > best.1 {
            best = (i, sq);
        }
    }
    let nonzero = best.1 > T::zero();
    for (j, v_j) in v.iter_mut().enumerate() {
        *v_j = if nonzero {
            a[(best.0, j)]
        } else if j == 0 {
            T::one()
        } else {
            T::zero()
        };
    }
    let length = vecops::norm(v);
    if length > T::zero() {
        vecops::scale(length.recip(), v);
    }
    nonzero
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::factor::SelfAdjointEvd;
    use crate::testing::Rng;

    fn check_factors<T: Scalar>(a: &[T], m: usize, n: usize, u: &[T], s: &[T], v: &[T], tol: f64) {
        let k = m.min(n);
        let size = s.first().map_or(1.0, |s| s.as_f64().max(f64::MIN_POSITIVE));
        assert!(s.windows(2).all(|w| w[0] >= w[1]) && s.iter().all(|x| *x >= T::zero()));
        for i in 0..m {
            for j in 0..n {
                let back: f64 =
                    (0..k).map(|c| u[i + c * m].as_f64() * s[c].as_f64() * v[j + c * n].as_f64()).sum();
                assert!((back - a[i + j * m].as_f64()).abs() <= tol * size, "{back} {}", a[i + j * m]);
            }
        }
        for (q, len) in [(u, m), (v, n)] {
            for i in 0..k {
                for j in 0..k {
                    let d = vecops::dot(&q[i * len..(i + 1) * len], &q[j * len..(j + 1) * len]).as_f64();
                    assert!((d - f64::from(u8::from(i == j))).abs() <= tol, "{d}");
                }
            }
        }
    }

    fn both_methods<T: Scalar>(a: &[T], m: usize, n: usize, tol: f64) {
        let k = m.min(n);
        let view = MatRef::from_column_major_slice(a, m, n);
        let fast = ThinSvd::new(view).unwrap();
        check_factors(a, m, n, &fast.u, fast.s(), &fast.v, tol);
        let nan = |len| vec![T::nan(); len];
        let (mut u, mut s, mut v) = (nan(m * k), nan(k), nan(n * k));
        let mut ws = Workspace::new(gram_scratch::<T>(m, n));
        svd_by_gram(view, &mut u, &mut s, &mut v, ws.stack()).unwrap();
        check_factors(a, m, n, &u, &s, &v, tol);
        for (x, y) in fast.s().iter().zip(&s) {
            let root = T::epsilon().as_f64().sqrt();
            assert!((*x - *y).as_f64().abs() <= 10.0 * root * fast.s()[0].as_f64());
        }
    }

    #[test]
    fn both_methods_reconstruct() {
        for (m, n) in [(0, 3), (1, 1), (1, 5), (7, 3), (3, 7), (30, 30), (60, 20)] {
            let a: Vec<f64> = Rng::new(8).normals(m * n);
            both_methods(&a, m, n, 1e-12);
            let a: Vec<f32> = a.iter().map(|&x| x as f32).collect();
            both_methods(&a, m, n, 1e-4);
        }
    }

    #[test]
    fn both_methods_on_rank_deficient_and_scaled_matrices() {
        let (m, n) = (12, 8);
        let (x, y): (Vec<f64>, Vec<f64>) = (Rng::new(1).normals(m), Rng::new(2).normals(n));
        for scale in [1.0, 1e-12, 1e12, 1e-120, 1e120] {
            let a: Vec<f64> = (0..m * n).map(|e| scale * x[e % m] * y[e / m]).collect();
            both_methods(&a, m, n, 1e-12);
            assert_eq!(ThinSvd::from_column_major(&a, m, n).unwrap().rank(1e-12), 1);
        }
        both_methods(&[0.0_f64; 12], 4, 3, 1e-14);
        both_methods(&[1.0_f64; 12], 3, 4, 1e-13);
    }

    #[test]
    fn singular_values_are_roots_of_the_gram_eigenvalues() {
        let (m, n) = (25, 6);
        let a: Vec<f64> = Rng::new(3).normals(m * n);
        let mut g = vec![0.0; n * n];
        gram_into(MatRef::from_column_major_slice(&a, m, n), &mut g).unwrap();
        let evd = SelfAdjointEvd::from_column_major(&g, n).unwrap();
        let svd = ThinSvd::from_column_major(&a, m, n).unwrap();
        for (s, lambda) in svd.s().iter().zip(evd.values().iter().rev()) {
            assert!((s - lambda.sqrt()).abs() < 1e-12);
        }
    }

    #[test]
    fn non_finite_input_is_an_error() {
        for bad in [f64::NAN, f64::INFINITY] {
            let err = ThinSvd::from_column_major(&[1.0, bad, 0.0, 1.0], 2, 2).unwrap_err();
            assert!(matches!(err, LinalgError::NonFiniteAt { row: 1, col: 0, .. }));
        }
    }

    #[test]
    fn the_leading_triplet_is_that_of_the_svd() {
        let (m, n) = (16, 40);
        let a: Vec<f64> = Rng::new(6).normals(m * n);
        let view = MatRef::from_column_major_slice(&a, m, n);
        let svd = ThinSvd::new(view).unwrap();
        let (mut u, mut v) = (vec![f64::NAN; m], vec![f64::NAN; n]);
        let sigma = leading_triplet(view, &mut u, &mut v, 1e-9, 2000).unwrap();
        assert!((sigma / svd.s()[0] - 1.0).abs() < 1e-12);
        let u0 = &svd.u[..m];
        assert!((vecops::dot(&u, u0).abs() - 1.0).abs() < 1e-9);
        assert!(vecops::dot(&u, u0) * vecops::dot(&v, &svd.v[..n]) > 0.0);
        // Warm: the solution itself is accepted at once.
        assert!(leading_triplet(view, &mut u, &mut v, 1e-6, 1).is_ok());
    }

    #[test]
    fn awkward_power_iterations() {
        let zero = MatRef::from_column_major_slice(&[0.0_f64; 6], 2, 3);
        let (mut u, mut v) = ([0.0; 2], [0.0; 3]);
        assert_eq!(leading_triplet(zero, &mut u, &mut v, 1e-9, 9).unwrap(), 0.0);
        assert_eq!((vecops::norm(&u), vecops::norm(&v)), (1.0, 1.0));
        // A start in the null space.
        let a = MatRef::from_column_major_slice(&[0.0_f64, 0.0, 1.0, 2.0], 2, 2);
        let (mut u, mut v) = ([0.0; 2], [1.0, 0.0]);
        assert!((leading_triplet(a, &mut u, &mut v, 1e-9, 9).unwrap() - 5.0_f64.sqrt()).abs() < 1e-14);
        // Close singular values: honest failure instead of a wrong answer.
        let a = MatRef::from_column_major_slice(&[1.0_f64, 0.0, 0.0, 0.999], 2, 2);
        let (mut u, mut v) = ([0.0; 2], [0.6, 0.8]);
        assert!(matches!(
            leading_triplet(a, &mut u, &mut v, 1e-9, 3),
            Err(LinalgError::NoConvergence { .. })
        ));
        let a = MatRef::from_column_major_slice(&[f64::NAN; 4], 2, 2);
        assert!(leading_triplet(a, &mut u, &mut v, 1e-9, 9).is_err());
        let empty = MatRef::<f64>::from_column_major_slice(&[], 0, 0);
        assert_eq!(leading_triplet(empty, &mut [], &mut [], 1e-9, 9).unwrap(), 0.0);
    }
}
