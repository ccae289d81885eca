//! A separable function within bounds.

use crate::function::kernels::dims;
use crate::set::Bounds;
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, check};

/// A convex separable function within bounds, $h(x) = g(x)$ for $l \le x \le u$, $+\infty$ elsewhere.
///
/// In plain text: `h(x) = g(x)` if every `lower_j <= x_j <= upper_j`, else infinity. In one dimension the minimiser of
/// a convex function over an interval is the clamped free minimiser, so the prox is that of `g`, clamped. The cost of
/// `g`, no temporaries. The bounds must meet the domain of `g`.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `g` | convex | the function |
/// | `bounds` | | the box |
///
/// Source: Bauschke and Combettes 2017, *Convex Analysis and Monotone Operator Theory in Hilbert Spaces*, chapter 24.
///
/// ```
/// use spm_linalg::{Prox, Workspace, calculus::Bounded, penalty::ElasticNet, set::Bounds};
/// let h = Bounded::new(ElasticNet::new(1.0, 1.0)?, Bounds::uniform(0.0, 2.0)?)?;
/// let mut out = [0.0; 3];
/// h.prox_into(&[9.0, 4.0, -4.0], 1.0, &mut out, Workspace::new(h.scratch(3)).stack());
/// assert_eq!(out, [2.0, 1.5, 0.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Bounded<G, T> {
    g: G,
    bounds: Bounds<T>,
}

impl<G: SeparableProx<T>, T: Scalar> Bounded<G, T> {
    /// `g` within `bounds`.
    ///
    /// # Errors
    /// [`LinalgError::MissingProperty`] if `g` does not declare convexity, [`LinalgError::Shape`] if both fix a
    /// dimension and the two differ.
    pub fn new(g: G, bounds: Bounds<T>) -> Result<Self, LinalgError> {
        super::require_convex(&g)?;
        if let (Some(expected), Some(got)) = (g.dim(), bounds.dim()) {
            check::len("bounds", expected, got)?;
        }
        Ok(Self { g, bounds })
    }
}

impl<G: SeparableProx<T>, T: Scalar> Prox<T> for Bounded<G, T> {
    fn value(&self, x: &[T]) -> T {
        self.bounds.value(x) + self.g.value(x)
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        dims("Bounded::prox_into", self.dim(), x.len(), out.len());
        for (j, (o, &v)) in out.iter_mut().zip(x).enumerate() {
            *o = self.prox_at(j, v, step);
        }
        self.g.value(out)
    }

    fn dim(&self) -> Option<usize> {
        self.g.dim().or_else(|| self.bounds.dim())
    }

    fn facts(&self) -> Facts {
        Facts { positively_homogeneous: false, ..self.g.facts() }
    }
}

impl<G: SeparableProx<T>, T: Scalar> SeparableProx<T> for Bounded<G, T> {
    fn value_at(&self, j: usize, v: T) -> T {
        self.bounds.value_at(j, v) + self.g.value_at(j, v)
    }

    fn prox_at(&self, j: usize, v: T, step: T) -> T {
        self.bounds.prox_at(j, self.g.prox_at(j, v, step), step)
    }

    fn subdiff_distance_at(&self, j: usize, w: T, grad: T) -> T {
        let (lower, upper) = self.bounds.at(j);
        if w < lower || w > upper {
            return T::infinity();
        }
        // At a bound any outward slope is free; where the free prox step from w leads tells its direction.
        let free = self.g.prox_at(j, w - grad, T::one());
        if (w == lower && free < w) || (w == upper && free > w) {
            T::zero()
        } else {
            self.g.subdiff_distance_at(j, w, grad)
        }
    }
}
