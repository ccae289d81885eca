//! The x-update of a separable quadratic.

use spm_linalg::{Scalar, check, vecops};

use super::{Scales, XUpdate};
use crate::SolveError;

/// For `f(x) = ½ Σ w_j (x_j − b_j)²` and `K` with `KᵀK = kappa·I` (the identity has `kappa = 1`): a division.
///
/// Weights of 0 are allowed: missing values. O(n) time and memory. With `w = 1` it is the denoising update.
#[derive(Debug, Clone)]
pub struct DiagonalUpdate<T> {
    weights: Vec<T>,
    linear: Vec<T>,
    kappa: T,
    rho: T,
}

impl<T: Scalar> DiagonalUpdate<T> {
    /// The quadratic with the given weights and centre.
    ///
    /// # Errors
    /// [`SolveError::Linalg`] unless weights are finite and `>= 0`, `b` is finite and as long, and `kappa > 0`.
    pub fn new(weights: &[T], b: &[T], kappa: T) -> Result<Self, SolveError> {
        check::len("centre b", weights.len(), b.len())?;
        check::all_non_negative("weights", weights)?;
        check::finite("centre b", b)?;
        check::positive("kappa", kappa)?;
        let linear = weights.iter().zip(b).map(|(&w, &b)| w * b).collect();
        Ok(Self { weights: weights.to_vec(), linear, kappa, rho: T::one() })
    }
}

impl<T: Scalar> XUpdate<T> for DiagonalUpdate<T> {
    fn dim(&self) -> usize {
        self.weights.len()
    }

    fn prepare(&mut self, rho: T) -> Result<(), SolveError> {
        self.rho = rho;
        Ok(())
    }

    fn solve_into(&mut self, q: &[T], _tol: T, x: &mut [T]) -> Result<T, SolveError> {
        check::dim("DiagonalUpdate q", self.dim(), q.len());
        check::dim("DiagonalUpdate x", self.dim(), x.len());
        let shift = self.rho * self.kappa;
        for (((x, &q), &c), &w) in x.iter_mut().zip(q).zip(&self.linear).zip(&self.weights) {
            *x = (q + c) / (w + shift);
        }
        Ok(T::zero())
    }

    fn scales(&self) -> Scales<T> {
        let curvature = vecops::sum(&self.weights) / T::of_usize(self.dim().max(1));
        Scales { gradient: vecops::norm(&self.linear), curvature }
    }
}
