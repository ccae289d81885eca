//! A box.

use crate::function::kernels::{dims, indicator};
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, check};

/// The indicator of a box, $\{x : l_j \le x_j \le u_j\}$.
///
/// In plain text: `lower_j <= x_j <= upper_j` for every `j`. Its prox is the clamp; its conjugate is
/// `Σ max(lower_j u_j, upper_j u_j)`. O(n), no temporaries.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `lower` | not NaN, may be `−∞` | lower bound, one for all or one a coordinate |
/// | `upper` | `>= lower`, may be `+∞` | upper bound |
///
/// Source: Parikh and Boyd 2014, *Proximal Algorithms*, section 6.2.
///
/// ```
/// use spm_linalg::{Prox, Workspace, set::Bounds};
/// let g = Bounds::uniform(0.0, 1.0)?;
/// let mut out = [0.0; 3];
/// let value = g.prox_into(&[2.0, -0.3, 0.5], 1.0, &mut out, Workspace::new(g.scratch(3)).stack());
/// assert_eq!((out, value), ([1.0, 0.0, 0.5], 0.0));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Bounds<T> {
    limits: Limits<T>,
}

#[derive(Debug, Clone, PartialEq)]
enum Limits<T> {
    Same(T, T),
    Each(Vec<(T, T)>),
}

fn check_pair<T: Scalar>(lower: T, upper: T) -> Result<(), LinalgError> {
    if lower.is_nan() || lower == T::infinity() {
        return Err(LinalgError::InvalidParam {
            name: "lower",
            expected: "not NaN and < +inf",
            got: lower.as_f64(),
        });
    }
    if upper >= lower && upper > T::neg_infinity() {
        return Ok(());
    }
    Err(LinalgError::InvalidParam { name: "upper", expected: ">= lower and > -inf", got: upper.as_f64() })
}

impl<T: Scalar> Bounds<T> {
    /// The same bounds for every coordinate, in any dimension.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] for a NaN or `lower > upper`.
    pub fn uniform(lower: T, upper: T) -> Result<Self, LinalgError> {
        check_pair(lower, upper)?;
        Ok(Self { limits: Limits::Same(lower, upper) })
    }

    /// Bounds of each coordinate.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if the lengths differ, [`LinalgError::InvalidParam`] for a NaN or
    /// `lower > upper`.
    pub fn new(lower: &[T], upper: &[T]) -> Result<Self, LinalgError> {
        check::len("upper", lower.len(), upper.len())?;
        for (&l, &u) in lower.iter().zip(upper) {
            check_pair(l, u)?;
        }
        Ok(Self { limits: Limits::Each(lower.iter().copied().zip(upper.iter().copied()).collect()) })
    }

    /// The lower and upper bound of coordinate `j`.
    ///
    /// # Panics
    /// If there is no such coordinate.
    #[must_use]
    #[inline]
    pub fn at(&self, j: usize) -> (T, T) {
        match &self.limits {
            Limits::Same(l, u) => (*l, *u),
            Limits::Each(each) => each[j],
        }
    }
}

impl<T: Scalar> Prox<T> for Bounds<T> {
    fn value(&self, x: &[T]) -> T {
        check::dim("Bounds::value x", self.dim().unwrap_or(x.len()), x.len());
        indicator(x.iter().enumerate().all(|(j, &v)| self.value_at(j, v) == T::zero()))
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        dims("Bounds::prox_into", self.dim(), x.len(), out.len());
        for (j, (o, &v)) in out.iter_mut().zip(x).enumerate() {
            *o = self.prox_at(j, v, step);
        }
        T::zero()
    }

    fn dim(&self) -> Option<usize> {
        match &self.limits {
            Limits::Same(..) => None,
            Limits::Each(each) => Some(each.len()),
        }
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().indicator().separable()
    }

    fn prox_conj_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        dims("Bounds::prox_conj_into", self.dim(), x.len(), out.len());
        for (j, (o, &v)) in out.iter_mut().zip(x).enumerate() {
            let (l, u) = self.at(j);
            *o = if v > step * u {
                v - step * u
            } else if v < step * l {
                v - step * l
            } else if v.is_nan() {
                v
            } else {
                T::zero()
            };
        }
        self.conj_value(out, stack).unwrap_or_else(T::zero)
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        let term = |(j, &v): (usize, &T)| {
            let (lower, upper) = self.at(j);
            if v == T::zero() { T::zero() } else { v * if v > T::zero() { upper } else { lower } }
        };
        Some(u.iter().enumerate().map(term).sum())
    }
}

impl<T: Scalar> SeparableProx<T> for Bounds<T> {
    fn value_at(&self, j: usize, v: T) -> T {
        let (l, u) = self.at(j);
        indicator(l <= v && v <= u)
    }

    fn prox_at(&self, j: usize, v: T, _step: T) -> T {
        let (l, u) = self.at(j);
        num_traits::clamp(v, l, u)
    }

    fn subdiff_distance_at(&self, j: usize, w: T, grad: T) -> T {
        let (l, u) = self.at(j);
        if w < l || w > u {
            return T::infinity();
        }
        // At a bound the slope may push outwards for free.
        let free = (w == l && grad > T::zero()) || (w == u && grad < T::zero());
        if free { T::zero() } else { grad.abs() }
    }
}
