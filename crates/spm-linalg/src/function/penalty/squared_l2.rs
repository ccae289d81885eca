//! Half the squared distance from a point.

use crate::function::kernels::{dims, indicator};
use crate::vecops::{dot, sq_dist, sq_norm};
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, check};

/// Half the squared distance from a point, $g(x) = \tfrac{\lambda}{2} \|x - b\|_2^2$.
///
/// In plain text: `g(x) = lambda/2 * sum_j (x_j − b_j)²`, `b = 0` unless given. Its prox is
/// `(v + step·lambda·b) / (1 + step·lambda)`; its conjugate is `‖u‖²/(2·lambda) + ⟨u, b⟩`. O(n), no temporaries.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `lambda` | finite, `>= 0` | weight |
/// | `b` | finite | the point, default 0 in any dimension |
///
/// Source: Parikh and Boyd 2014, *Proximal Algorithms*, section 6.1.1.
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::SquaredL2};
/// let g = SquaredL2::new(1.0)?.center(vec![4.0, 0.0])?;
/// let mut out = [0.0; 2];
/// let value = g.prox_into(&[2.0, 2.0], 1.0, &mut out, Workspace::new(g.scratch(2)).stack());
/// assert_eq!((out, value), ([3.0, 1.0], 1.0));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SquaredL2<T> {
    lambda: T,
    center: Option<Vec<T>>,
}

impl<T: Scalar> SquaredL2<T> {
    /// The distance from 0 with weight `lambda`: the ridge penalty.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `lambda` is finite and `>= 0`.
    pub fn new(lambda: T) -> Result<Self, LinalgError> {
        check::non_negative("lambda", lambda)?;
        Ok(Self { lambda, center: None })
    }

    /// The distance from `b` instead; fixes the dimension.
    ///
    /// # Errors
    /// [`LinalgError::NonFinite`] if `b` has a NaN or an infinity.
    pub fn center(mut self, b: Vec<T>) -> Result<Self, LinalgError> {
        check::finite("center", &b)?;
        self.center = Some(b);
        Ok(self)
    }

    /// The weight.
    #[must_use]
    pub fn lambda(&self) -> T {
        self.lambda
    }

    fn center_at(&self, j: usize) -> T {
        self.center.as_ref().map_or(T::zero(), |b| b[j])
    }
}

impl<T: Scalar> Prox<T> for SquaredL2<T> {
    fn value(&self, x: &[T]) -> T {
        let sq = self.center.as_ref().map_or_else(|| sq_norm(x), |b| sq_dist(x, b));
        T::of(0.5) * self.lambda * sq
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        dims("SquaredL2::prox_into", self.dim(), x.len(), out.len());
        for (j, (o, &v)) in out.iter_mut().zip(x).enumerate() {
            *o = self.prox_at(j, v, step);
        }
        self.value(out)
    }

    fn dim(&self) -> Option<usize> {
        self.center.as_ref().map(Vec::len)
    }

    fn facts(&self) -> Facts {
        let facts = Facts::default().convex().separable();
        if self.lambda == T::zero() { facts.positively_homogeneous() } else { facts }
    }

    fn prox_conj_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        dims("SquaredL2::prox_conj_into", self.dim(), x.len(), out.len());
        let factor = self.lambda / (step + self.lambda);
        for (j, (o, &v)) in out.iter_mut().zip(x).enumerate() {
            *o = factor * (v - step * self.center_at(j));
        }
        self.conj_value(out, stack).unwrap_or_else(T::zero)
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        if self.lambda == T::zero() {
            return Some(indicator(u.iter().all(|&v| v == T::zero())));
        }
        let linear = self.center.as_ref().map_or(T::zero(), |b| dot(u, b));
        Some(T::of(0.5) * sq_norm(u) / self.lambda + linear)
    }
}

impl<T: Scalar> SeparableProx<T> for SquaredL2<T> {
    fn value_at(&self, j: usize, v: T) -> T {
        let d = v - self.center_at(j);
        T::of(0.5) * self.lambda * d * d
    }

    fn prox_at(&self, j: usize, v: T, step: T) -> T {
        let t = step * self.lambda;
        (v + t * self.center_at(j)) / (T::one() + t)
    }

    fn subdiff_distance_at(&self, j: usize, w: T, grad: T) -> T {
        (grad + self.lambda * (w - self.center_at(j))).abs()
    }
}
