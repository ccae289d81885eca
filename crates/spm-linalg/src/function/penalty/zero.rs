//! The zero function.

use crate::function::kernels::indicator;
use crate::{Facts, MemStack, Prox, Scalar, SeparableProx, check};

/// The zero function, $g(x) = 0$.
///
/// In plain text: `g(x) = 0`. Its prox is the identity, its conjugate the indicator of the origin. O(n), no
/// temporaries.
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::Zero};
/// let mut out = [0.0; 2];
/// let value = Zero.prox_into(&[2.0, -0.3], 1.0, &mut out, Workspace::new(Prox::<f64>::scratch(&Zero, 2)).stack());
/// assert_eq!((out, value), ([2.0, -0.3], 0.0));
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Zero;

impl<T: Scalar> Prox<T> for Zero {
    fn value(&self, _x: &[T]) -> T {
        T::zero()
    }

    fn prox_into(&self, x: &[T], _step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("Zero::prox_into out", x.len(), out.len());
        out.copy_from_slice(x);
        T::zero()
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().separable().positively_homogeneous()
    }

    fn prox_conj_into(&self, x: &[T], _step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("Zero::prox_conj_into out", x.len(), out.len());
        out.fill(T::zero());
        T::zero()
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        Some(indicator(u.iter().all(|&v| v == T::zero())))
    }

    fn polar(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        self.conj_value(u, stack)
    }
}

impl<T: Scalar> SeparableProx<T> for Zero {
    fn value_at(&self, _j: usize, _v: T) -> T {
        T::zero()
    }

    fn prox_at(&self, _j: usize, v: T, _step: T) -> T {
        v
    }

    fn subdiff_distance_at(&self, _j: usize, _w: T, grad: T) -> T {
        grad.abs()
    }
}
