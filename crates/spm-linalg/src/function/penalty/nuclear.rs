//! The nuclear norm of a matrix.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef, Par};

use crate::factor::{thin_svd_into, thin_svd_scratch};
use crate::function::kernels::{dims, indicator, larger, positive_part, slack};
use crate::vecops::scale;
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, StackReq, Workspace, check};

/// The scaled nuclear norm of a matrix, $g(X) = \lambda \sum_i \sigma_i(X)$.
///
/// In plain text: `g(X) = lambda * (sum of the singular values of X)` where `X` is `nrows × ncols`, stored column by
/// column. Its prox soft-thresholds the singular values at `step·lambda`; its polar is the largest singular value
/// over `lambda`. A thin singular value decomposition each call, O(nrows·ncols·min(nrows, ncols)), temporaries of
/// that decomposition; [`value`](Prox::value) allocates them.
///
/// If the decomposition fails, as it does on a NaN, the result is filled with NaN.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `lambda` | finite, `>= 0` | weight |
/// | `nrows`, `ncols` | any | shape |
///
/// Source: Cai, Candès and Shen 2010, *A singular value thresholding algorithm for matrix completion*, theorem 2.1.
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::Nuclear};
/// let g = Nuclear::new(1.0, 2, 2)?;
/// let mut out = [0.0_f64; 4];
/// let value = g.prox_into(&[3.0, 0.0, 0.0, 0.5], 1.0, &mut out, Workspace::new(g.scratch(4)).stack());
/// assert!((out[0] - 2.0).abs() < 1e-15 && out[3] == 0.0);
/// assert!((value - 2.0).abs() < 1e-15);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Nuclear<T> {
    lambda: T,
    nrows: usize,
    ncols: usize,
}

impl<T: Scalar> Nuclear<T> {
    /// The norm of `nrows × ncols` matrices.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `lambda` is finite and `>= 0`.
    pub fn new(lambda: T, nrows: usize, ncols: usize) -> Result<Self, LinalgError> {
        check::non_negative("lambda", lambda)?;
        Ok(Self { lambda, nrows, ncols })
    }

    fn rank_bound(&self) -> usize {
        self.nrows.min(self.ncols)
    }

    /// `out ← U diag(map(σ)) Vᵀ`; returns the sum of the mapped values.
    fn map_spectrum(&self, x: &[T], map: impl Fn(T) -> T, out: &mut [T], stack: &mut MemStack) -> T {
        let (m, n, k) = (self.nrows, self.ncols, self.rank_bound());
        let (mut s, stack) = stack.make_with(k, |_| T::zero());
        let (mut u, stack) = stack.make_with(m * k, |_| T::zero());
        let (mut v, stack) = stack.make_with(n * k, |_| T::zero());
        if thin_svd_into(MatRef::from_column_major_slice(x, m, n), &mut u, &mut s, &mut v, stack).is_err() {
            out.fill(T::nan());
            return T::nan();
        }
        // Only the singular vectors whose value survives enter the product.
        let (mut rank, mut sum) = (0, T::zero());
        for (j, &sigma) in s.iter().enumerate() {
            let mapped = map(sigma);
            if mapped == T::zero() {
                break;
            }
            sum += mapped;
            scale(mapped, &mut u[j * m..(j + 1) * m]);
            rank = j + 1;
        }
        matmul(
            MatMut::from_column_major_slice_mut(out, m, n),
            Accum::Replace,
            MatRef::from_column_major_slice(&u[..m * rank], m, rank),
            MatRef::from_column_major_slice(&v[..n * rank], n, rank).transpose(),
            T::one(),
            Par::Seq,
        );
        sum
    }

    /// The singular values, reduced by `f` from the largest to the smallest; NaN if they cannot be computed.
    fn fold_spectrum(&self, x: &[T], f: impl Fn(T, T) -> T, stack: &mut MemStack) -> T {
        let (m, n, k) = (self.nrows, self.ncols, self.rank_bound());
        check::dim("Nuclear x", m * n, x.len());
        let (mut s, stack) = stack.make_with(k, |_| T::zero());
        let (mut u, stack) = stack.make_with(m * k, |_| T::zero());
        let (mut v, stack) = stack.make_with(n * k, |_| T::zero());
        match thin_svd_into(MatRef::from_column_major_slice(x, m, n), &mut u, &mut s, &mut v, stack) {
            Ok(()) => s.iter().copied().fold(T::zero(), f),
            Err(_) => T::nan(),
        }
    }
}

impl<T: Scalar> Prox<T> for Nuclear<T> {
    /// `g(X)`; allocates for the decomposition.
    fn value(&self, x: &[T]) -> T {
        let mut ws = Workspace::new(self.scratch(x.len()));
        self.lambda * self.fold_spectrum(x, |a, b| a + b, ws.stack())
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        dims("Nuclear::prox_into", self.dim(), x.len(), out.len());
        let t = step * self.lambda;
        self.lambda * self.map_spectrum(x, |s| positive_part(s - t), out, stack)
    }

    fn scratch(&self, _n: usize) -> StackReq {
        let (m, n, k) = (self.nrows, self.ncols, self.rank_bound());
        StackReq::new::<T>(k)
            .and(StackReq::new::<T>(m * k))
            .and(StackReq::new::<T>(n * k))
            .and(thin_svd_scratch::<T>(m, n))
    }

    fn dim(&self) -> Option<usize> {
        Some(self.nrows * self.ncols)
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().positively_homogeneous()
    }

    /// The projection onto the ball of the spectral norm of radius `lambda`.
    fn prox_conj_into(&self, x: &[T], _step: T, out: &mut [T], stack: &mut MemStack) -> T {
        dims("Nuclear::prox_conj_into", self.dim(), x.len(), out.len());
        let sum = self.map_spectrum(x, |s| s.min(self.lambda), out, stack);
        sum * T::zero()
    }

    fn scratch_conj(&self, n: usize) -> StackReq {
        self.scratch(n)
    }

    fn conj_value(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        let slack = slack::<T>(8 * (self.nrows + self.ncols));
        Some(indicator(self.fold_spectrum(u, larger, stack) <= self.lambda * (T::one() + slack)))
    }

    fn polar(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        let largest = self.fold_spectrum(u, larger, stack);
        Some(if largest == T::zero() { T::zero() } else { largest / self.lambda })
    }
}
