//! The group Lasso norm.

use core::ops::Range;

use crate::function::kernels::{
    block_subdiff_distance, dims, expand_block, indicator, larger, project_ball, shrink_block, slack,
};
use crate::vecops::norm;
use crate::{Facts, GroupProx, LinalgError, MemStack, Prox, Scalar, check};

/// The group Lasso norm over disjoint contiguous groups, $g(x) = \lambda \sum_g w_g \|x_g\|_2$.
///
/// In plain text: `g(x) = lambda * sum_g w_g * ‖x_g‖₂`, where the groups are consecutive runs of coordinates that
/// cover all of them. Its prox shortens every group by `step·lambda·w_g`, down to exactly zero; its polar is
/// `max_g ‖u_g‖₂ / (lambda·w_g)`. O(n), no temporaries.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `lambda` | finite, `>= 0` | common weight |
/// | `sizes` | each `>= 1` | lengths of the groups, in order |
/// | `weights` | finite, `>= 0` | one a group; `sqrt(size)` in [`sqrt_sizes`](Self::sqrt_sizes) |
///
/// Source: Yuan and Lin 2006, *Model selection and estimation in regression with grouped variables*, section 2.
///
/// ```
/// use spm_linalg::{GroupProx, Prox, Workspace, penalty::GroupL2};
/// let g = GroupL2::new(1.0, &[2, 1], vec![1.0, 1.0])?;
/// let mut out = [0.0; 3];
/// let value = g.prox_into(&[6.0, 8.0, -1.0], 5.0, &mut out, Workspace::new(g.scratch(3)).stack());
/// assert_eq!((out, value), ([3.0, 4.0, 0.0], 5.0));
/// assert_eq!(g.group(1), 2..3);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct GroupL2<T> {
    /// First coordinate of every group, then the dimension.
    starts: Vec<usize>,
    /// `lambda·w_g`.
    weights: Vec<T>,
}

impl<T: Scalar> GroupL2<T> {
    /// The norm of these groups with these weights.
    ///
    /// # Errors
    /// [`LinalgError::Empty`] for an empty group, [`LinalgError::Shape`] unless there is one weight a group,
    /// [`LinalgError::InvalidParam`] or [`LinalgError::NonFinite`] for a weight or `lambda` that is not finite and
    /// `>= 0`.
    pub fn new(lambda: T, sizes: &[usize], weights: Vec<T>) -> Result<Self, LinalgError> {
        check::non_negative("lambda", lambda)?;
        check::len("group weights", sizes.len(), weights.len())?;
        check::all_non_negative("group weights", &weights)?;
        let mut starts = Vec::with_capacity(sizes.len() + 1);
        let mut end = 0;
        starts.push(end);
        for &size in sizes {
            check::non_empty("a group", size)?;
            end += size;
            starts.push(end);
        }
        Ok(Self { starts, weights: weights.into_iter().map(|w| lambda * w).collect() })
    }

    /// The norm of these groups with the weights `sqrt(size)`.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn sqrt_sizes(lambda: T, sizes: &[usize]) -> Result<Self, LinalgError> {
        Self::new(lambda, sizes, sizes.iter().map(|&s| T::of_usize(s).sqrt()).collect())
    }

    /// `lambda·w_g` of every group.
    #[must_use]
    pub fn weights(&self) -> &[T] {
        &self.weights
    }

    pub(super) fn len(&self) -> usize {
        self.starts.last().copied().unwrap_or(0)
    }
}

impl<T: Scalar> Prox<T> for GroupL2<T> {
    fn value(&self, x: &[T]) -> T {
        check::dim("GroupL2::value x", self.len(), x.len());
        self.weights.iter().enumerate().map(|(g, &w)| w * norm(&x[self.group(g)])).sum()
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        dims("GroupL2::prox_into", Some(self.len()), x.len(), out.len());
        let mut value = T::zero();
        for g in 0..self.weights.len() {
            let range = self.group(g);
            value += self.prox_group_into(g, &x[range.clone()], step, &mut out[range]);
        }
        value
    }

    fn dim(&self) -> Option<usize> {
        Some(self.len())
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().positively_homogeneous()
    }

    /// The projection of every group onto its ball.
    fn prox_conj_into(&self, x: &[T], _step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        dims("GroupL2::prox_conj_into", Some(self.len()), x.len(), out.len());
        for (g, &w) in self.weights.iter().enumerate() {
            let range = self.group(g);
            project_ball(&x[range.clone()], w, &mut out[range]);
        }
        T::zero()
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        let inside = |(g, &w): (usize, &T)| {
            let range = self.group(g);
            let slack = slack::<T>(range.len());
            norm(&u[range]) <= w * (T::one() + slack)
        };
        Some(indicator(self.weights.iter().enumerate().all(inside)))
    }

    fn polar(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        let ratio = |(g, &w): (usize, &T)| {
            let n = norm(&u[self.group(g)]);
            if n == T::zero() { T::zero() } else { n / w }
        };
        Some(self.weights.iter().enumerate().map(ratio).fold(T::zero(), larger))
    }
}

impl<T: Scalar> GroupProx<T> for GroupL2<T> {
    fn n_groups(&self) -> usize {
        self.weights.len()
    }

    fn group(&self, g: usize) -> Range<usize> {
        self.starts[g]..self.starts[g + 1]
    }

    fn prox_group_into(&self, g: usize, x: &[T], step: T, out: &mut [T]) -> T {
        dims("GroupL2::prox_group_into", Some(self.group(g).len()), x.len(), out.len());
        self.weights[g] * shrink_block(x, step * self.weights[g], out)
    }

    fn subdiff_distance_group(&self, g: usize, w: &[T], grad: &[T]) -> T {
        dims("GroupL2::subdiff_distance_group", Some(self.group(g).len()), w.len(), grad.len());
        block_subdiff_distance(w, grad, self.weights[g])
    }

    fn expansion_group_into(&self, g: usize, w: &[T], slope: &mut [T], curvature: &mut [T]) -> bool {
        expand_block(w, self.weights[g], slope, curvature)
    }
}
