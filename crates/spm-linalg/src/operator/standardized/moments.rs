//! Means and sums of squares of columns, about a first guess of the mean so that nothing cancels.

use super::Standardized;
use crate::operator::{Design, LinearOperator};
use crate::{Scalar, vecops};

/// Sums taken side by side.
const LANES: usize = 16;

impl<T: Scalar> Standardized<'_, T> {
    /// Mean of column `j` (0 unless centred) and the weighted sum of squares about it.
    pub(super) fn moments(&self, j: usize, weights: Option<&[T]>) -> (T, T) {
        let w = |i: usize| weights.map_or(T::one(), |w| w[i]);
        match &self.x {
            Design::Dense(x) => {
                let col = x.col(j);
                let Some(w) = weights else {
                    let (mean, moment, _) = self.dense_moments(col, None, T::zero());
                    return (mean, moment);
                };
                let rough = if self.center { vecops::dot(col, w) / self.total } else { T::zero() };
                let (first, second) = weighted_power_sums(col, rough, w);
                self.shifted_moments(rough, first, second)
            }
            Design::Sparse(x) => {
                let (rows, values) = x.col(j);
                let rough = if self.center { x.fold_col(j, w) / self.total } else { T::zero() };
                let (mut first, mut second, mut seen) = (T::zero(), T::zero(), T::zero());
                for (&i, &v) in rows.iter().zip(values) {
                    let d = v - rough;
                    first += w(i) * d;
                    second += w(i) * d * d;
                    seen += w(i);
                }
                // The entries that are not stored are all at −rough.
                let rest = if rows.len() == x.nrows() { T::zero() } else { self.total - seen };
                self.shifted_moments(rough, first - rest * rough, second + rest * rough * rough)
            }
        }
    }

    /// Mean of an unweighted column (0 unless centred), the sum of squares about it, and its centred product with `y`, whose
    /// entries add up to `sum`.
    pub(super) fn dense_moments(&self, col: &[T], y: Option<&[T]>, sum: T) -> (T, T, T) {
        // About the mean of the first entries: with k of n, the true mean is at most sqrt(n/k) deviations away, so no more
        // than a factor n/k of accuracy is lost, and the column is read once.
        let first = (col.len() / 16).max(256).min(col.len());
        let rough = if self.center && first > 0 {
            vecops::sum(&col[..first]) / T::of_usize(first)
        } else {
            T::zero()
        };
        let (first, second, along) = vecops::dispatch(PowerSums { x: col, m: rough, y });
        let (mean, moment) = self.shifted_moments(rough, first, second);
        (mean, moment, along - (mean - rough) * sum)
    }

    /// From sums about a rough mean to the mean and the sum of squares about it.
    fn shifted_moments(&self, rough: T, first: T, second: T) -> (T, T) {
        if self.center {
            let shift = first / self.total;
            let moment = second - first * shift;
            (rough + shift, if moment < T::zero() { T::zero() } else { moment })
        } else {
            (T::zero(), second)
        }
    }
}

/// `Σ (x − m)`, `Σ (x − m)²` and `Σ (x − m) y`.
struct PowerSums<'a, T> {
    x: &'a [T],
    m: T,
    y: Option<&'a [T]>,
}

impl<T: Scalar> vecops::Kernel for PowerSums<'_, T> {
    type Output = (T, T, T);

    #[inline(always)]
    fn call(self) -> (T, T, T) {
        let Self { x, m, y } = self;
        let zero = [T::zero(); LANES];
        let (mut a, mut b, mut c) = (zero, zero, zero);
        let (blocks, rest) = x.as_chunks::<LANES>();
        match y {
            None => {
                for x in blocks {
                    for k in 0..LANES {
                        let d = x[k] - m;
                        a[k] += d;
                        b[k] += d * d;
                    }
                }
            }
            Some(y) => {
                for (x, y) in blocks.iter().zip(y.as_chunks::<LANES>().0) {
                    for k in 0..LANES {
                        let d = x[k] - m;
                        a[k] += d;
                        b[k] += d * d;
                        c[k] += d * y[k];
                    }
                }
            }
        }
        for (i, &v) in rest.iter().enumerate() {
            let d = v - m;
            a[0] += d;
            b[0] += d * d;
            c[0] += y.map_or(T::zero(), |y| d * y[LANES * blocks.len() + i]);
        }
        let sum = |v: [T; LANES]| v.iter().copied().sum();
        (sum(a), sum(b), sum(c))
    }
}

/// `Σ w (x − m)` and `Σ w (x − m)²`.
fn weighted_power_sums<T: Scalar>(x: &[T], m: T, w: &[T]) -> (T, T) {
    let (mut a, mut b) = ([T::zero(); 4], [T::zero(); 4]);
    for (k, (&v, &w)) in x.iter().zip(w).enumerate() {
        let d = v - m;
        a[k % 4] += w * d;
        b[k % 4] += w * d * d;
    }
    (a.iter().copied().sum(), b.iter().copied().sum())
}
