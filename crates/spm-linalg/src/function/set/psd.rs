//! The cone of positive semidefinite matrices.

use faer::MatRef;

use crate::factor::{SelfAdjointEvd, self_adjoint_evd_into, self_adjoint_evd_scratch};
use crate::function::kernels::{indicator, slack};
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, StackReq, check, vecops};

/// The indicator of the symmetric matrices with all eigenvalues at least `floor`, $\{X = X^\top : X \succeq f I\}$.
///
/// In plain text: `X` symmetric with `X - floor I` positive semidefinite, stored column by column in `order²` numbers. Its prox takes
/// the symmetric part and raises the eigenvalues below the floor to it. One eigenvalue decomposition, O(order³) and
/// `2 order² + order` numbers of temporaries; [`value`](Prox::value) allocates as much. A matrix with a NaN or infinity gets a
/// NaN prox.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `order` | any | rows and columns |
/// | `floor` | finite, `>= 0` | smallest eigenvalue; 0 is the cone itself |
///
/// Source: Higham 1988, *Computing a nearest symmetric positive semidefinite matrix*, theorem 2.1; Boyd and
/// Vandenberghe 2004, section 8.1.1.
///
/// ```
/// use spm_linalg::{Prox, Workspace, set::Psd};
/// let g = Psd::new(2, 0.0)?;
/// let mut out = [0.0; 4];
/// g.prox_into(&[1.0, 0.0, 0.0, -3.0], 1.0, &mut out, Workspace::new(g.scratch(4)).stack());
/// assert!(out.iter().zip([1.0, 0.0, 0.0, 0.0]).all(|(a, b): (&f64, f64)| (a - b).abs() < 1e-15));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Psd<T> {
    order: usize,
    floor: T,
}

impl<T: Scalar> Psd<T> {
    /// Matrices of the given order with eigenvalues at least `floor`.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `floor` is finite and `>= 0`.
    pub fn new(order: usize, floor: T) -> Result<Self, LinalgError> {
        check::non_negative("floor", floor)?;
        Ok(Self { order, floor })
    }

    /// The symmetric part of `x`.
    fn symmetric(&self, x: &[T], out: &mut [T]) {
        let n = self.order;
        for j in 0..n {
            for i in 0..=j {
                // Halved first: the sum can't overflow.
                let v = T::of(0.5) * x[j * n + i] + T::of(0.5) * x[i * n + j];
                out[j * n + i] = v;
                out[i * n + j] = v;
            }
        }
    }
}

impl<T: Scalar> Prox<T> for Psd<T> {
    fn value(&self, x: &[T]) -> T {
        let n = self.order;
        check::dim("Psd::value x", n * n, x.len());
        let size = vecops::norm(x) + self.floor;
        let slack = slack::<T>(n) * size;
        let symmetric = (0..n).all(|j| (0..j).all(|i| (x[j * n + i] - x[i * n + j]).abs() <= slack));
        let smallest = SelfAdjointEvd::from_column_major(x, n).map(|e| e.values().first().copied());
        let raised = matches!(smallest, Ok(v) if v.unwrap_or(self.floor) >= self.floor - slack);
        indicator(symmetric && raised)
    }

    fn prox_into(&self, x: &[T], _step: T, out: &mut [T], stack: &mut MemStack) -> T {
        let n = self.order;
        check::dim("Psd::prox_into x", n * n, x.len());
        check::dim("Psd::prox_into out", n * n, out.len());
        self.symmetric(x, out);
        let (mut values, stack) = stack.make_with(n, |_| T::zero());
        let (mut vectors, stack) = stack.make_with(n * n, |_| T::zero());
        let view = MatRef::from_column_major_slice(out, n, n);
        if self_adjoint_evd_into(view, &mut values, &mut vectors, stack).is_err() {
            out.fill(T::nan());
            return T::nan();
        }
        // Exact where nothing is below the floor.
        if values.first().is_none_or(|&v| v >= self.floor) {
            return T::zero();
        }
        // floor I + Σ (λ − floor) q qᵀ over the eigenvalues above: rounding is relative to the result, not to what was cut.
        out.fill(T::zero());
        for j in 0..n {
            out[j * n + j] = self.floor;
        }
        for (&value, q) in values.iter().zip(vectors.chunks_exact(n)).filter(|(v, _)| **v > self.floor) {
            for (j, column) in out.chunks_exact_mut(n).enumerate() {
                vecops::axpy((value - self.floor) * q[j], q, column);
            }
        }
        for j in 0..n {
            for i in 0..j {
                out[i * n + j] = out[j * n + i];
            }
        }
        T::zero()
    }

    fn scratch(&self, _n: usize) -> StackReq {
        let n = self.order;
        StackReq::new::<T>(n).and(StackReq::new::<T>(n * n)).and(self_adjoint_evd_scratch::<T>(n))
    }

    fn dim(&self) -> Option<usize> {
        Some(self.order * self.order)
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().indicator()
    }
}
