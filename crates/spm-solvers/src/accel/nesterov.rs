//! Nesterov's extrapolation weights.

use spm_linalg::Scalar;

/// The sequence `t₁ = 1`, `t_{k+1} = (1 + √(1 + 4 t_k²))/2` and its weights `β_k = (t_k − 1)/t_{k+1}`.
///
/// Source: Beck and Teboulle 2009, *A fast iterative shrinkage-thresholding algorithm*, eq. 4.2 and 4.3.
///
/// ```
/// let mut momentum = spm_solvers::accel::Nesterov::<f64>::default();
/// assert_eq!(momentum.advance(), 0.0);
/// assert!(momentum.advance() > 0.2);
/// momentum.reset();
/// assert_eq!(momentum.advance(), 0.0);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Nesterov<T> {
    t: T,
}

impl<T: Scalar> Default for Nesterov<T> {
    fn default() -> Self {
        Self { t: T::one() }
    }
}

impl<T: Scalar> Nesterov<T> {
    /// The next weight: 0 first, growing towards 1.
    pub fn advance(&mut self) -> T {
        let next = T::of(0.5) * (T::one() + (T::one() + T::of(4.0) * self.t * self.t).sqrt());
        let beta = (self.t - T::one()) / next;
        self.t = next;
        beta
    }

    /// Forgets the momentum.
    pub fn reset(&mut self) {
        *self = Self::default();
    }
}
