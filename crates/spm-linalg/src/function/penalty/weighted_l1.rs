//! The weighted L1 norm.

use crate::function::kernels::{abs_subdiff_distance, dims, indicator, larger};
use crate::vecops::soft_threshold;
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, check};

/// The weighted L1 norm, $g(x) = \sum_j w_j |x_j|$.
///
/// In plain text: `g(x) = sum_j w_j * |x_j|`. A weight 0 leaves its coordinate free. Its prox is the soft threshold
/// at `step·w_j`; its polar is `max_j |u_j| / w_j`. O(n), no temporaries.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `weights` | finite, `>= 0` | weight of each coordinate, a common factor included |
///
/// Source: Zou 2006, *The Adaptive Lasso and Its Oracle Properties*.
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::WeightedL1};
/// let g = WeightedL1::new(vec![1.0, 0.0])?;
/// let mut out = [0.0; 2];
/// let value = g.prox_into(&[3.0, -0.3], 2.0, &mut out, Workspace::new(g.scratch(2)).stack());
/// assert_eq!((out, value), ([1.0, -0.3], 1.0));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct WeightedL1<T> {
    weights: Vec<T>,
}

impl<T: Scalar> WeightedL1<T> {
    /// The norm with these weights.
    ///
    /// # Errors
    /// [`LinalgError::NonFinite`] or [`LinalgError::InvalidParam`] for a weight that is not finite and `>= 0`.
    pub fn new(weights: Vec<T>) -> Result<Self, LinalgError> {
        check::all_non_negative("weights", &weights)?;
        Ok(Self { weights })
    }

    /// The weights.
    #[must_use]
    pub fn weights(&self) -> &[T] {
        &self.weights
    }
}

impl<T: Scalar> Prox<T> for WeightedL1<T> {
    fn value(&self, x: &[T]) -> T {
        check::dim("WeightedL1::value x", self.weights.len(), x.len());
        self.weights.iter().zip(x).map(|(&w, &v)| w * v.abs()).sum()
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        dims("WeightedL1::prox_into", Some(self.weights.len()), x.len(), out.len());
        for ((o, &v), &w) in out.iter_mut().zip(x).zip(&self.weights) {
            *o = soft_threshold(v, step * w);
        }
        self.value(out)
    }

    fn dim(&self) -> Option<usize> {
        Some(self.weights.len())
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().separable().positively_homogeneous()
    }

    /// The exact projection onto the box of the weights.
    fn prox_conj_into(&self, x: &[T], _step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        dims("WeightedL1::prox_conj_into", Some(self.weights.len()), x.len(), out.len());
        for ((o, &v), &w) in out.iter_mut().zip(x).zip(&self.weights) {
            *o = num_traits::clamp(v, -w, w);
        }
        T::zero()
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        Some(indicator(u.iter().zip(&self.weights).all(|(&v, &w)| v.abs() <= w)))
    }

    fn polar(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        let ratio = |(&v, &w): (&T, &T)| if v == T::zero() { T::zero() } else { v.abs() / w };
        Some(u.iter().zip(&self.weights).map(ratio).fold(T::zero(), larger))
    }
}

impl<T: Scalar> SeparableProx<T> for WeightedL1<T> {
    fn value_at(&self, j: usize, v: T) -> T {
        self.weights[j] * v.abs()
    }

    fn prox_at(&self, j: usize, v: T, step: T) -> T {
        soft_threshold(v, step * self.weights[j])
    }

    fn subdiff_distance_at(&self, j: usize, w: T, grad: T) -> T {
        abs_subdiff_distance(w, grad, self.weights[j])
    }

    fn expansion_at(&self, j: usize, w: T) -> Option<(T, T)> {
        let v = self.weights[j];
        // Without a weight there is no kink.
        (w != T::zero() || v == T::zero()).then(|| (v * w.signum(), T::zero()))
    }
}
