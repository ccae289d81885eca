//! The Kullback-Leibler divergence of Poisson data.

use crate::function::kernels::{dims, positive_part};
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, check};

/// The Kullback-Leibler divergence of Poisson counts `b` from the intensity `x`, up to a constant:
/// $g(x) = \lambda \sum_j x_j - b_j \log x_j$ for $x \ge 0$.
///
/// In plain text: `g(x) = lambda * sum_j (x_j − b_j log x_j)`, with `0 log 0 = 0`, infinite if some `x_j < 0` or
/// if `x_j = 0 < b_j`. Its prox is the positive root of `z² + (step·lambda − v) z − step·lambda·b = 0`. O(n), no
/// temporaries.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `lambda` | finite, `> 0` | weight |
/// | `b` | finite, `>= 0` | counts |
///
/// Source: Combettes and Pesquet 2011, *Proximal splitting methods in signal processing*, table 10.2.
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::KullbackLeibler};
/// let g = KullbackLeibler::new(1.0, vec![4.0, 0.0])?;
/// let mut out = [0.0; 2];
/// g.prox_into(&[1.0, 3.0], 1.0, &mut out, Workspace::new(g.scratch(2)).stack());
/// assert_eq!(out, [2.0, 2.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct KullbackLeibler<T> {
    lambda: T,
    counts: Vec<T>,
}

impl<T: Scalar> KullbackLeibler<T> {
    /// The divergence of `counts`.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `lambda` is finite and `> 0`; that or [`LinalgError::NonFinite`] for a
    /// count that is not finite and `>= 0`.
    pub fn new(lambda: T, counts: Vec<T>) -> Result<Self, LinalgError> {
        check::positive("lambda", lambda)?;
        check::all_non_negative("counts", &counts)?;
        Ok(Self { lambda, counts })
    }
}

impl<T: Scalar> Prox<T> for KullbackLeibler<T> {
    fn value(&self, x: &[T]) -> T {
        check::dim("KullbackLeibler::value x", self.counts.len(), x.len());
        x.iter().enumerate().map(|(j, &v)| self.value_at(j, v)).sum()
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        dims("KullbackLeibler::prox_into", Some(self.counts.len()), x.len(), out.len());
        for (j, (o, &v)) in out.iter_mut().zip(x).enumerate() {
            *o = self.prox_at(j, v, step);
        }
        self.value(out)
    }

    fn dim(&self) -> Option<usize> {
        Some(self.counts.len())
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().separable()
    }

    /// Exact: the smaller root of `(lambda − u)(x − u) = step·lambda·b`, never above `lambda`.
    fn prox_conj_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        dims("KullbackLeibler::prox_conj_into", Some(self.counts.len()), x.len(), out.len());
        for ((o, &v), &b) in out.iter_mut().zip(x).zip(&self.counts) {
            let d = v - self.lambda;
            let root = d.hypot(T::of(2.0) * (step * self.lambda * b).sqrt());
            // λ − u is the positive root of t² + d t = step·λ·b, in the form without cancellation.
            let below = if d > T::zero() {
                T::of(2.0) * step * self.lambda * b / (d + root)
            } else {
                T::of(0.5) * (root - d)
            };
            *o = self.lambda - below;
        }
        self.conj_value(out, stack).unwrap_or_else(T::zero)
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        let term = |(&v, &b): (&T, &T)| {
            let room = self.lambda - v;
            if b == T::zero() {
                if room >= T::zero() { T::zero() } else { T::infinity() }
            } else if room > T::zero() {
                self.lambda * b * ((self.lambda * b / room).ln() - T::one())
            } else {
                T::infinity()
            }
        };
        Some(u.iter().zip(&self.counts).map(term).sum())
    }
}

impl<T: Scalar> SeparableProx<T> for KullbackLeibler<T> {
    fn value_at(&self, j: usize, v: T) -> T {
        let b = self.counts[j];
        if v < T::zero() || (v == T::zero() && b > T::zero()) {
            T::infinity()
        } else if b == T::zero() {
            self.lambda * v
        } else {
            self.lambda * (v - b * v.ln())
        }
    }

    fn prox_at(&self, j: usize, v: T, step: T) -> T {
        let t = step * self.lambda;
        let d = v - t;
        let root = d.hypot(T::of(2.0) * (t * self.counts[j]).sqrt());
        if d < T::zero() { T::of(2.0) * t * self.counts[j] / (root - d) } else { T::of(0.5) * (d + root) }
    }

    fn subdiff_distance_at(&self, j: usize, w: T, grad: T) -> T {
        let b = self.counts[j];
        if w > T::zero() {
            (grad + self.lambda * (T::one() - b / w)).abs()
        } else if w == T::zero() && b == T::zero() {
            positive_part(-grad - self.lambda)
        } else {
            T::infinity()
        }
    }
}
