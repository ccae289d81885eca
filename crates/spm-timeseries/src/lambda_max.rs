//! The smallest penalty at which nothing bends, and the polynomial fit that is then the solution.

use std::ops::Range;

use spm_linalg::{Scalar, check};

use crate::join::join;
use crate::problem::Problem;
use crate::trend::check_order;
use crate::{Series, TimeSeriesError};

/// The smallest `lambda` at which the fused lasso has no jump, but at edges of weight 0.
///
/// $\max_i |\sum_{j \le i} w_j (y_j - \bar y)| / e_i$, in plain text `max_i |sum_{j<=i} w[j] (y[j] - mean)| / e[i]`, the mean
/// weighted and taken between cuts. O(n).
///
/// # Errors
/// As [`crate::FusedLasso::fit`].
///
/// ```
/// use spm_timeseries::{Series, fused_lambda_max};
/// assert_eq!(fused_lambda_max(Series::new(&[0.0, 0.0, 3.0]), None)?, 2.0);
/// # Ok::<(), spm_timeseries::TimeSeriesError>(())
/// ```
pub fn fused_lambda_max<T: Scalar>(
    series: Series<'_, T>,
    edge_weights: Option<&[T]>,
) -> Result<T, TimeSeriesError> {
    let (y, w) = series.checked()?;
    if let Some(e) = edge_weights {
        check::len("edge_weights", y.len() - 1, e.len())?;
        check::all_non_negative("edge_weights", e)?;
    }
    let w = w.iter().any(|&v| v != T::one()).then_some(w.as_slice());
    Ok(fused_lambda_max_checked(&y, w, edge_weights))
}

pub(crate) fn fused_lambda_max_checked<T: Scalar>(y: &[T], w: Option<&[T]>, edges: Option<&[T]>) -> T {
    if w.is_none() && edges.is_none() {
        return T::of(even_lambda_max(y));
    }
    let mut largest = 0.0_f64;
    for_each_piece(y, w, edges, |piece, about, mean| {
        let mut u = 0.0;
        for i in piece.start..piece.end - 1 {
            u += w.map_or(1.0, |w| w[i].as_f64()) * (y[i].as_f64() - about - mean);
            largest = largest.max(u.abs() / edges.map_or(1.0, |e| e[i].as_f64()));
        }
    });
    T::of(largest)
}

/// The same with all weights 1, each half summed from its end of the line.
fn even_lambda_max<T: Scalar>(y: &[T]) -> f64 {
    let (left, right) = y.split_at(y.len() / 2);
    let about = y[0].as_f64();
    let sum = |part: &[T]| {
        let mut sums = [0.0; 8];
        let chunks = part.chunks_exact(8);
        let rest: f64 = chunks.remainder().iter().map(|v| v.as_f64() - about).sum();
        for chunk in chunks {
            for (s, v) in sums.iter_mut().zip(chunk) {
                *s += v.as_f64() - about;
            }
        }
        sums.iter().sum::<f64>() + rest
    };
    let (a, b) = join(y.len(), || sum(left), || sum(right));
    let mean = (a + b) / y.len() as f64;
    fn largest<'a, T: Scalar>(part: impl Iterator<Item = &'a T>, about: f64, mean: f64) -> f64 {
        let (mut u, mut largest) = (0.0, 0.0_f64);
        for v in part {
            u += v.as_f64() - about - mean;
            largest = largest.max(f64::abs(u));
        }
        largest
    }
    // The dual of the last value on the right is that of the edge before it; beyond the ends it is 0.
    let (a, b) = join(
        y.len(),
        || largest(left.iter(), about, mean),
        || largest(right.iter().skip(usize::from(left.is_empty())).rev(), about, mean),
    );
    a.max(b)
}

/// The fit from `lambda_max` on: the mean of every piece, pieces without an observation left as they are.
pub(crate) fn flatten<T: Scalar>(y: &[T], w: Option<&[T]>, edges: Option<&[T]>, x: &mut [T]) {
    for_each_piece(y, w, edges, |piece, about, mean| {
        if piece.clone().any(|i| w.is_none_or(|w| w[i] > T::zero())) {
            x[piece].fill(T::of(about + mean));
        }
    });
}

/// Calls `f` with every piece between cuts (edges of weight 0), a reference value, and the piece's mean relative to it.
fn for_each_piece<T: Scalar>(
    y: &[T],
    w: Option<&[T]>,
    edges: Option<&[T]>,
    mut f: impl FnMut(Range<usize>, f64, f64),
) {
    let n = y.len();
    let joined = |i: usize| i + 1 < n && edges.is_none_or(|e| e[i] > T::zero());
    let mut start = 0;
    while start < n {
        let mut end = start + 1;
        while joined(end - 1) {
            end += 1;
        }
        // About an observed value the mean of a constant is exact.
        let seen = (start..end).find(|&i| w.is_none_or(|w| w[i] > T::zero())).unwrap_or(start);
        let about = y[seen].as_f64();
        let (mut sum, mut width) = (0.0, 0.0);
        for i in start..end {
            let w = w.map_or(1.0, |w| w[i].as_f64());
            sum += w * (y[i].as_f64() - about);
            width += w;
        }
        f(start..end, about, if width > 0.0 { sum / width } else { 0.0 });
        start = end;
    }
}

/// The smallest `lambda` at which the trend filter of order `order` is the least-squares polynomial of that degree.
///
/// $\max_i |u_i|$ where $D^\top u = W (y - p)$, in plain text `max |u|` with `D' u = W (y - p)`, `p` the weighted polynomial
/// fit and `D` the difference operator of order `order + 1`. O(n (order + 1)).
///
/// # Errors
/// As [`crate::TrendFilter::fit`].
///
/// ```
/// use spm_timeseries::{Series, trend_lambda_max};
/// let lambda_max: f64 = trend_lambda_max(Series::new(&[0.0, 3.0, 0.0]), 1)?;
/// assert!((lambda_max - 1.0).abs() < 1e-14);
/// # Ok::<(), spm_timeseries::TimeSeriesError>(())
/// ```
pub fn trend_lambda_max<T: Scalar>(series: Series<'_, T>, order: usize) -> Result<T, TimeSeriesError> {
    check_order(order)?;
    if order == 0 {
        // The same number to the last digit, so that it is the threshold of the solver that order 0 uses.
        return fused_lambda_max(series, None);
    }
    let (y, w) = series.checked()?;
    let p = Problem::new(&y, &w, series.positions, order, 0.0)?;
    Ok(T::of(p.lambda_max * p.units.lambda(order)))
}

/// An orthonormal basis, in the weighted inner product, of the polynomials of degree at most k on the positions.
///
/// With fewer than `k + 1` observed points the degree is one less than their number, so that the fit interpolates.
#[derive(Debug)]
pub(crate) struct Polynomial {
    basis: Vec<Vec<f64>>,
}

impl Polynomial {
    pub(crate) fn new(t: &[f64], w: &[f64], k: usize) -> Self {
        let n = t.len();
        let observed = w.iter().filter(|v| **v > 0.0).count();
        let (a, b) = (t[0], t[n - 1]);
        let half = if b > a { 0.5 * (b - a) } else { 1.0 };
        let mid = 0.5 * (a + b);
        let mut basis: Vec<Vec<f64>> = Vec::new();
        for degree in 0..=k.min(observed.saturating_sub(1)) {
            // Stieltjes: the last one times t, made orthogonal to the others twice.
            let mut q: Vec<f64> = match basis.last() {
                None => vec![1.0; n],
                Some(p) => p.iter().zip(t).map(|(p, t)| p * (t - mid) / half).collect(),
            };
            for _ in 0..2 {
                for p in basis.iter().take(degree) {
                    let c = spm_linalg::vecops::dot3(w, p, &q);
                    spm_linalg::vecops::axpy(-c, p, &mut q);
                }
            }
            let norm = spm_linalg::vecops::dot3(w, &q, &q).sqrt();
            spm_linalg::vecops::scale(norm.recip(), &mut q);
            basis.push(q);
        }
        Self { basis }
    }

    pub(crate) fn into_basis(self) -> Vec<Vec<f64>> {
        self.basis
    }

    /// `x ←` x plus the polynomial that takes it nearest to `y`, with the weights of the inner product; `rest` is scratch.
    pub(crate) fn approach(&self, w: &[f64], y: &[f64], x: &mut [f64], rest: &mut [f64]) {
        // A second pass fits what rounding left.
        for _ in 0..2 {
            for (r, (y, x)) in rest.iter_mut().zip(y.iter().zip(&*x)) {
                *r = y - x;
            }
            for q in &self.basis {
                spm_linalg::vecops::axpy(spm_linalg::vecops::dot3(w, q, rest), q, x);
            }
        }
    }
}
