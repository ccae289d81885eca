//! The sparse group Lasso norm.

use core::ops::Range;

use super::GroupL2;
use crate::function::kernels::{
    abs_subdiff_distance, descending, dims, expand_block, indicator, larger, positive_part, slack,
};
use crate::vecops::{norm, norm_1, soft_threshold};
use crate::{Facts, GroupProx, LinalgError, MemStack, Prox, Scalar, StackReq, check};

/// The sparse group Lasso norm, $g(x) = \lambda_1 \|x\|_1 + \lambda \sum_g w_g \|x_g\|_2$.
///
/// In plain text: `g(x) = l1 * sum_j |x_j| + lambda * sum_g w_g * ‖x_g‖₂`. Its prox is the soft threshold at
/// `step·l1` and then the group prox. O(n); the polar sorts every group, O(n log n) with the largest group as
/// temporary memory.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `l1` | finite, `>= 0` | weight of the L1 norm |
/// | `groups` | | the group part with its own weights |
///
/// Source: Simon, Friedman, Hastie and Tibshirani 2013, *A sparse-group lasso*; its dual norm: Ndiaye,
/// Fercoq, Gramfort and Salmon 2016, *GAP safe screening rules for sparse-group lasso*.
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::{GroupL2, SparseGroup}};
/// let g = SparseGroup::new(1.0, GroupL2::new(1.0, &[2, 1], vec![5.0, 1.0])?)?;
/// let mut out = [0.0; 3];
/// let value = g.prox_into(&[7.0, 9.0, -1.5], 1.0, &mut out, Workspace::new(g.scratch(3)).stack());
/// assert_eq!((out, value), ([3.0, 4.0, 0.0], 7.0 + 25.0));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct SparseGroup<T> {
    l1: T,
    groups: GroupL2<T>,
}

impl<T: Scalar> SparseGroup<T> {
    /// The sum of `l1·‖·‖₁` and `groups`.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `l1` is finite and `>= 0`.
    pub fn new(l1: T, groups: GroupL2<T>) -> Result<Self, LinalgError> {
        check::non_negative("l1", l1)?;
        Ok(Self { l1, groups })
    }

    /// Distance of `‖S(u_g, l1)‖₂` from its bound: `<= 0` inside the dual ball.
    fn excess(&self, g: usize, u: &[T]) -> T {
        let w = self.groups.weights()[g];
        let mut acc = T::zero();
        let mut largest = T::zero();
        for &v in u {
            largest = larger(largest, soft_threshold(v, self.l1).abs());
        }
        if largest > T::zero() {
            for &v in u {
                let e = soft_threshold(v, self.l1) / largest;
                acc += e * e;
            }
        }
        largest * acc.sqrt() - w - slack::<T>(u.len()) * (self.l1 + w)
    }

    /// The smallest `nu` with `‖S(u, l1·nu)‖₂ <= w·nu`, by the sizes of `u` in decreasing order.
    fn polar_group(&self, sizes: &mut [T], w: T) -> T {
        sizes.sort_unstable_by(descending);
        let largest = sizes[0];
        if largest == T::zero() {
            return T::zero();
        }
        let (mut s1, mut s2, mut k) = (T::zero(), T::zero(), 0);
        while k < sizes.len() {
            let a = sizes[k] / largest;
            // At nu = a/l1 the active entries are those before k: is the root above it?
            let spread = s2 - T::of(2.0) * a * s1 + T::of_usize(k) * a * a;
            if self.l1 * self.l1 * spread > w * w * a * a {
                break;
            }
            s1 += a;
            s2 += a * a;
            k += 1;
        }
        let quadratic = w * w - T::of_usize(k) * self.l1 * self.l1;
        let root = positive_part(self.l1 * self.l1 * s1 * s1 + quadratic * s2).sqrt();
        largest * s2 / (self.l1 * s1 + root)
    }
}

impl<T: Scalar> Prox<T> for SparseGroup<T> {
    fn value(&self, x: &[T]) -> T {
        self.l1 * norm_1(x) + self.groups.value(x)
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        dims("SparseGroup::prox_into", Some(self.groups.len()), x.len(), out.len());
        let mut value = T::zero();
        for g in 0..self.n_groups() {
            let range = self.group(g);
            value += self.prox_group_into(g, &x[range.clone()], step, &mut out[range]);
        }
        value
    }

    /// The largest group, for the polar.
    fn scratch(&self, _n: usize) -> StackReq {
        StackReq::new::<T>((0..self.n_groups()).map(|g| self.group(g).len()).max().unwrap_or(0))
    }

    fn dim(&self) -> Option<usize> {
        Some(self.groups.len())
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().positively_homogeneous()
    }

    /// The sum of the projection onto the box of half width `l1` and that of the rest onto the balls.
    fn prox_conj_into(&self, x: &[T], _step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        dims("SparseGroup::prox_conj_into", Some(self.groups.len()), x.len(), out.len());
        for g in 0..self.n_groups() {
            let range = self.group(g);
            let (x, out, w) = (&x[range.clone()], &mut out[range], self.groups.weights()[g]);
            for (o, &v) in out.iter_mut().zip(x) {
                *o = soft_threshold(v, self.l1);
            }
            let n = norm(out);
            let factor = if n <= w { T::one() } else { w / n };
            for (o, &v) in out.iter_mut().zip(x) {
                *o = num_traits::clamp(v, -self.l1, self.l1) + factor * *o;
            }
        }
        T::zero()
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        Some(indicator((0..self.n_groups()).all(|g| self.excess(g, &u[self.group(g)]) <= T::zero())))
    }

    fn polar(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        let mut largest = T::zero();
        for g in 0..self.n_groups() {
            let block = &u[self.group(g)];
            let (mut sizes, _) = stack.make_with(block.len(), |i| block[i].abs());
            largest = larger(largest, self.polar_group(&mut sizes, self.groups.weights()[g]));
        }
        Some(largest)
    }
}

impl<T: Scalar> GroupProx<T> for SparseGroup<T> {
    fn n_groups(&self) -> usize {
        self.groups.n_groups()
    }

    fn group(&self, g: usize) -> Range<usize> {
        self.groups.group(g)
    }

    fn prox_group_into(&self, g: usize, x: &[T], step: T, out: &mut [T]) -> T {
        dims("SparseGroup::prox_group_into", Some(self.group(g).len()), x.len(), out.len());
        let (t, w) = (step * self.l1, self.groups.weights()[g]);
        for (o, &v) in out.iter_mut().zip(x) {
            *o = soft_threshold(v, t);
        }
        let n = norm(out);
        let rest = if n <= step * w { T::zero() } else { n - step * w };
        let factor = if n <= step * w { T::zero() } else { rest / n };
        for o in out.iter_mut() {
            *o *= factor;
        }
        self.l1 * norm_1(out) + w * rest
    }

    fn subdiff_distance_group(&self, g: usize, w: &[T], grad: &[T]) -> T {
        dims("SparseGroup::subdiff_distance_group", Some(self.group(g).len()), w.len(), grad.len());
        let (n, weight) = (norm(w), self.groups.weights()[g]);
        if n == T::zero() {
            // −grad must lie in the box plus the ball.
            let rest: T = grad.iter().map(|&v| soft_threshold(v, self.l1)).map(|e| e * e).sum();
            return positive_part(rest.sqrt() - weight);
        }
        let distance = |(&wj, &gj): (&T, &T)| abs_subdiff_distance(wj, gj + weight * (wj / n), self.l1);
        w.iter().zip(grad).map(distance).map(|d| d * d).sum::<T>().sqrt()
    }

    fn expansion_group_into(&self, g: usize, w: &[T], slope: &mut [T], curvature: &mut [T]) -> bool {
        if !expand_block(w, self.groups.weights()[g], slope, curvature) {
            return false;
        }
        for (s, &v) in slope.iter_mut().zip(w).filter(|(_, v)| **v != T::zero()) {
            *s += self.l1 * v.signum();
        }
        true
    }
}
