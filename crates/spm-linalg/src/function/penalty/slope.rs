//! The sorted L1 norm (SLOPE, OSCAR).

use crate::function::kernels::{descending, dims, indicator, larger, slack};
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, StackReq, Workspace, check};

/// The sorted L1 norm, $g(x) = \sum_i w_i |x|_{(i)}$ with $|x|_{(1)} \ge |x|_{(2)} \ge \dots$ and
/// $w_1 \ge w_2 \ge \dots \ge 0$.
///
/// In plain text: `g(x) = sum_i w_i * (i-th largest |x_j|)`. Its prox gives equal size to entries whose shrunken
/// order would be reversed, and so groups them. O(n log n), `24n` bytes of temporaries; [`value`](Prox::value) allocates.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `weights` | finite, `>= 0`, not increasing | weights from the largest entry to the smallest |
///
/// Equal weights give the L1 norm, `(w, 0, …, 0)` the maximum norm.
///
/// Source: Bogdan, van den Berg, Sabatti, Su and Candès 2015, *SLOPE - adaptive variable selection via convex
/// optimization* (prox by the stack form of pool-adjacent-violators).
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::Slope};
/// let g = Slope::new(vec![3.0, 1.0])?;
/// let mut out = [0.0; 2];
/// let value = g.prox_into(&[-4.0, 5.0], 1.0, &mut out, Workspace::new(g.scratch(2)).stack());
/// assert_eq!((out, value), ([-2.5, 2.5], 10.0));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Slope<T> {
    weights: Vec<T>,
}

/// A run of sorted entries that share one value.
#[derive(Clone, Copy)]
struct Run<T> {
    len: usize,
    sum: T,
}

impl<T: Scalar> Run<T> {
    fn mean(self) -> T {
        self.sum / T::of_usize(self.len)
    }
}

impl<T: Scalar> Slope<T> {
    /// The norm with these weights.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] or [`LinalgError::NonFinite`] unless the weights are finite, `>= 0` and not
    /// increasing.
    pub fn new(weights: Vec<T>) -> Result<Self, LinalgError> {
        check::all_non_negative("weights", &weights)?;
        match weights.windows(2).find(|w| w[1] > w[0]) {
            None => Ok(Self { weights }),
            Some(w) => Err(LinalgError::InvalidParam {
                name: "weights",
                expected: "not increasing",
                got: w[1].as_f64(),
            }),
        }
    }

    /// The weights, largest first.
    #[must_use]
    pub fn weights(&self) -> &[T] {
        &self.weights
    }

    /// Sorts the entries into `order`, largest first, and pools `|x| − step·w` into runs of decreasing mean.
    fn pool<'r>(&self, x: &[T], step: T, order: &mut [usize], runs: &'r mut [Run<T>]) -> &'r [Run<T>] {
        order.sort_unstable_by(|&i, &j| descending(&x[i].abs(), &x[j].abs()).then(i.cmp(&j)));
        let mut top = 0;
        for (&i, &w) in order.iter().zip(&self.weights) {
            let mut run = Run { len: 1, sum: x[i].abs() - step * w };
            while top > 0 && runs[top - 1].mean() <= run.mean() {
                top -= 1;
                run = Run { len: run.len + runs[top].len, sum: run.sum + runs[top].sum };
            }
            runs[top] = run;
            top += 1;
        }
        &runs[..top]
    }

    /// The largest ratio of the sums of the largest entries to the sums of the first weights.
    fn dual_norm(&self, u: &[T], stack: &mut MemStack) -> T {
        let (mut sizes, _) = stack.make_with(u.len(), |i| u[i].abs());
        sizes.sort_unstable_by(descending);
        let (mut sum, mut weight, mut largest) = (T::zero(), T::zero(), T::zero());
        for (&a, &w) in sizes.iter().zip(&self.weights) {
            sum += a;
            weight += w;
            if sum > T::zero() || sum.is_nan() {
                largest = larger(largest, sum / weight);
            }
        }
        largest
    }
}

impl<T: Scalar> Prox<T> for Slope<T> {
    /// `g(x)`; sorts a copy.
    fn value(&self, x: &[T]) -> T {
        check::dim("Slope::value x", self.weights.len(), x.len());
        let mut ws = Workspace::new(StackReq::new::<T>(x.len()));
        let (mut sizes, _) = ws.stack().make_with(x.len(), |i| x[i].abs());
        sizes.sort_unstable_by(descending);
        sizes.iter().zip(&self.weights).map(|(&a, &w)| w * a).sum()
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        dims("Slope::prox_into", Some(self.weights.len()), x.len(), out.len());
        let (mut order, stack) = stack.make_with(x.len(), |i| i);
        let (mut runs, _) = stack.make_with(x.len(), |_| Run { len: 0, sum: T::zero() });
        let (mut value, mut at) = (T::zero(), 0);
        for run in self.pool(x, step, &mut order, &mut runs) {
            let mean = run.mean();
            let size = if mean <= T::zero() { T::zero() } else { mean };
            for k in at..at + run.len {
                let i = order[k];
                out[i] = if x[i] < T::zero() { -size } else { size };
                value += self.weights[k] * size;
            }
            at += run.len;
        }
        value
    }

    fn scratch(&self, n: usize) -> StackReq {
        StackReq::new::<usize>(n).and(StackReq::new::<Run<T>>(n))
    }

    /// The projection onto the dual ball. Within a run it is the mean weight plus the deviation of the entry from
    /// the mean entry, which keeps it accurate relative to the weights, not to the entries.
    fn prox_conj_into(&self, x: &[T], _step: T, out: &mut [T], stack: &mut MemStack) -> T {
        dims("Slope::prox_conj_into", Some(self.weights.len()), x.len(), out.len());
        let (mut order, stack) = stack.make_with(x.len(), |i| i);
        let (mut runs, _) = stack.make_with(x.len(), |_| Run { len: 0, sum: T::zero() });
        let mut at = 0;
        for run in self.pool(x, T::one(), &mut order, &mut runs) {
            let (count, members) = (T::of_usize(run.len), at..at + run.len);
            let first = x[order[at]].abs();
            let offset: T = order[members.clone()].iter().map(|&i| x[i].abs() - first).sum::<T>() / count;
            let weight: T = self.weights[members.clone()].iter().copied().sum::<T>() / count;
            for &i in &order[members] {
                let size = weight + ((x[i].abs() - first) - offset);
                out[i] = if run.mean() <= T::zero() { x[i] } else { size.copysign(x[i]) };
            }
            at += run.len;
        }
        T::zero()
    }

    fn scratch_conj(&self, n: usize) -> StackReq {
        self.scratch(n)
    }

    fn dim(&self) -> Option<usize> {
        Some(self.weights.len())
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().positively_homogeneous()
    }

    fn conj_value(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        Some(indicator(self.dual_norm(u, stack) <= T::one() + slack::<T>(u.len())))
    }

    fn polar(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        Some(self.dual_norm(u, stack))
    }
}
