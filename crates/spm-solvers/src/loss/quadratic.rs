//! The quadratic loss, and the same function as a prox.

use spm_linalg::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, check};

use super::{Loss, Pointwise, PointwiseLoss};

/// The quadratic loss, $F(p) = \frac{s}{2} \sum_i \omega_i (y_i - p_i)^2$.
///
/// In plain text: `F(p) = scale/2 * sum_i weights_i (y_i - p_i)^2`. Curvature `scale * max weights`; conjugate
/// `sum_i u_i y_i + u_i^2 / (2 scale weights_i)`.
///
/// ```
/// use spm_solvers::loss::{Loss, Quadratic};
/// let y = [1.0, 3.0];
/// let loss = Quadratic::new(&y)?.mean(); // 1/(2n) ‖y − p‖²
/// assert_eq!(loss.value(&[0.0, 1.0]), 0.25 * (1.0 + 4.0));
/// assert_eq!(loss.curvature(), 0.5);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
pub type Quadratic<'a, T> = PointwiseLoss<'a, T, SquaredPoint>;

/// `(y − p)²/2`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SquaredPoint;

impl<T: Scalar> Pointwise<T> for SquaredPoint {
    #[inline(always)]
    fn value_slope(&self, p: T, y: T) -> (T, T) {
        let r = p - y;
        (T::of(0.5) * r * r, r)
    }

    fn curvature(&self) -> T {
        T::one()
    }

    #[inline(always)]
    fn conj(&self, u: T, y: T) -> T {
        u * (y + T::of(0.5) * u)
    }
}

impl<'a, T: Scalar> Quadratic<'a, T> {
    /// The loss with targets `y`, scale 1, no weights.
    ///
    /// # Errors
    /// [`LinalgError::Empty`] or [`LinalgError::NonFinite`] for the targets.
    pub fn new(y: &'a [T]) -> Result<Self, LinalgError> {
        Self::of(SquaredPoint, y)
    }

    /// The same function as a penalty, for splitting methods: a data term handled by its prox.
    #[must_use]
    pub fn into_prox(self) -> QuadraticProx<'a, T> {
        QuadraticProx { loss: self }
    }
}

/// The quadratic loss as a function with a prox, `g(x) = scale/2 * sum_i weights_i (y_i - x_i)^2`.
///
/// Prox: `x_i = (v_i + t c_i y_i) / (1 + t c_i)` with `c_i = scale * weights_i`. O(n), no temporaries. Made by
/// [`Quadratic::into_prox`].
///
/// ```
/// use spm_linalg::{Prox, Workspace};
/// use spm_solvers::loss::Quadratic;
/// let g = Quadratic::new(&[4.0, 0.0])?.into_prox();
/// let mut out = [0.0; 2];
/// g.prox_into(&[2.0, 2.0], 1.0, &mut out, Workspace::new(g.scratch(2)).stack());
/// assert_eq!(out, [3.0, 1.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct QuadraticProx<'a, T> {
    loss: Quadratic<'a, T>,
}

impl<T: Scalar> Prox<T> for QuadraticProx<'_, T> {
    fn value(&self, x: &[T]) -> T {
        self.loss.value(x)
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("QuadraticProx::prox_into x", self.loss.y.len(), x.len());
        check::dim("QuadraticProx::prox_into out", self.loss.y.len(), out.len());
        for (i, (o, &v)) in out.iter_mut().zip(x).enumerate() {
            *o = self.prox_at(i, v, step);
        }
        self.loss.value(out)
    }

    fn dim(&self) -> Option<usize> {
        Some(self.loss.y.len())
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().separable()
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        Some(self.loss.conj_value(u))
    }
}

impl<T: Scalar> SeparableProx<T> for QuadraticProx<'_, T> {
    fn value_at(&self, j: usize, v: T) -> T {
        self.loss.coefficient(j) * self.loss.phi.value_slope(v, self.loss.y[j]).0
    }

    #[inline]
    fn prox_at(&self, j: usize, v: T, step: T) -> T {
        let tc = step * self.loss.coefficient(j);
        (v + tc * self.loss.y[j]) / (T::one() + tc)
    }

    fn subdiff_distance_at(&self, j: usize, w: T, grad: T) -> T {
        (grad + self.loss.coefficient(j) * (w - self.loss.y[j])).abs()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use spm_linalg::Workspace;
    use spm_linalg::testing::{check_prox, check_separable};

    use super::super::pointwise::laws::check_loss;
    use super::*;

    #[test]
    fn obeys_the_laws() {
        check_loss(SquaredPoint, &[0.0, 1.5, -2.0, 7.0], 3.0);
    }

    #[test]
    fn weighted_values_by_hand_in_f32() {
        let (y, w) = ([1.0_f32, 2.0, 3.0], [1.0_f32, 0.0, 2.0]);
        let loss = Quadratic::new(&y).unwrap().weights(&w).unwrap().scale(0.5).unwrap();
        let mut g = [f32::NAN; 3];
        assert_eq!(loss.grad_into(&[0.0, 0.0, 0.0], &mut g), 0.25 * (1.0 + 18.0));
        assert_eq!(g, [-0.5, 0.0, -3.0]);
        assert_eq!(loss.curvature(), 1.0);
        // u·y + u²/(2·scale·w) over the two weighted observations.
        assert_eq!(loss.conj_value(&[1.0, 0.0, -1.0]), (1.0 + 1.0) + (-3.0 + 0.5));
    }

    #[test]
    fn the_prox_obeys_the_laws() {
        let (y, w) = ([1.0, -2.0, 3.0], [1.0, 0.3, 2.5]);
        let g = Quadratic::new(&y).unwrap().weights(&w).unwrap().into_prox();
        check_prox::<f64>(&g, 3);
        check_separable::<f64>(&g, 3);
        check_separable::<f32>(&Quadratic::new(&[1.0_f32, -2.0]).unwrap().into_prox(), 2);
    }

    #[test]
    fn with_a_weight_of_zero_the_prox_leaves_the_entry_alone() {
        let (y, w) = ([1.0, -2.0], [1.0, 0.0]);
        let g = Quadratic::new(&y).unwrap().weights(&w).unwrap().into_prox();
        let mut out = [f64::NAN; 2];
        let mut ws = Workspace::new(g.scratch_conj(2));
        assert_eq!(g.prox_into(&[3.0, 0.7], 1.0, &mut out, ws.stack()), 0.5);
        assert_eq!(out, [2.0, 0.7]);
        // The conjugate is finite only at 0 there, where its prox must land.
        assert_eq!(
            g.prox_conj_into(&[0.4, 0.9], 2.0, &mut out, ws.stack()),
            g.conj_value(&out, ws.stack()).unwrap()
        );
        assert_eq!(out[1], 0.0);
    }
}
