//! Small kernels that several functions share.

use core::cmp::Ordering;

use crate::vecops::norm;
use crate::{Scalar, check};

/// 0 if `inside`, else +∞: the value of an indicator function.
pub(crate) fn indicator<T: Scalar>(inside: bool) -> T {
    if inside { T::zero() } else { T::infinity() }
}

/// The larger of two numbers; NaN if either is (`Float::max` would drop it, and a NaN dual point look feasible).
#[inline(always)]
pub(crate) fn larger<T: Scalar>(a: T, b: T) -> T {
    if a > b || a.is_nan() { a } else { b }
}

/// `max(v, 0)`, NaN for a NaN.
#[inline(always)]
pub(crate) fn positive_part<T: Scalar>(v: T) -> T {
    if v <= T::zero() { T::zero() } else { v }
}

/// The relative slack within which a constraint on a sum of `n` terms counts as satisfied.
///
/// A projection onto a curved or oblique set lands on its boundary up to rounding; without slack its own result
/// would be outside.
pub(crate) fn slack<T: Scalar>(n: usize) -> T {
    T::of_usize(n + 8) * T::epsilon()
}

/// Largest first; NaN before everything, so that the order is total.
pub(crate) fn descending<T: Scalar>(a: &T, b: &T) -> Ordering {
    b.partial_cmp(a).unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
}

/// `dist(−grad, λ ∂|·|(w))`.
pub(crate) fn abs_subdiff_distance<T: Scalar>(w: T, grad: T, lambda: T) -> T {
    if w == T::zero() { positive_part(grad.abs() - lambda) } else { (grad + lambda * w.signum()).abs() }
}

/// `out ← prox of t‖·‖₂` at `x`; returns `‖out‖₂`. Exactly zero when `‖x‖₂ <= t`.
pub(crate) fn shrink_block<T: Scalar>(x: &[T], t: T, out: &mut [T]) -> T {
    let n = norm(x);
    let rest = if n <= t { T::zero() } else { n - t };
    let factor = if n <= t { T::zero() } else { rest / n };
    for (o, &v) in out.iter_mut().zip(x) {
        *o = factor * v;
    }
    rest
}

/// `out ←` the projection of `x` onto the ball of the given radius about 0.
pub(crate) fn project_ball<T: Scalar>(x: &[T], radius: T, out: &mut [T]) {
    let n = norm(x);
    let factor = if n <= radius { T::one() } else { radius / n };
    for (o, &v) in out.iter_mut().zip(x) {
        *o = factor * v;
    }
}

/// `dist(−grad, λ ∂‖·‖₂(w))`, without a temporary.
pub(crate) fn block_subdiff_distance<T: Scalar>(w: &[T], grad: &[T], lambda: T) -> T {
    let n = norm(w);
    if n == T::zero() {
        return positive_part(norm(grad) - lambda);
    }
    let mut largest = T::zero();
    let mut sum = T::zero();
    // Two passes: scaled by the largest entry, so that no square overflows.
    for (&wi, &gi) in w.iter().zip(grad) {
        largest = larger(largest, (gi + lambda * (wi / n)).abs());
    }
    if largest == T::zero() {
        return T::zero();
    }
    for (&wi, &gi) in w.iter().zip(grad) {
        let d = (gi + lambda * (wi / n)) / largest;
        sum += d * d;
    }
    largest * sum.sqrt()
}

/// Gradient and Hessian of `λ‖·‖₂` at `w`; false where it is not smooth, at 0.
pub(crate) fn expand_block<T: Scalar>(w: &[T], lambda: T, slope: &mut [T], curvature: &mut [T]) -> bool {
    let n = norm(w);
    if n == T::zero() {
        return false;
    }
    for (s, &v) in slope.iter_mut().zip(w) {
        *s = lambda * (v / n);
    }
    for (j, column) in curvature.chunks_exact_mut(w.len()).enumerate() {
        for (c, &v) in column.iter_mut().zip(w) {
            *c = -(lambda / n) * (v / n) * (w[j] / n);
        }
        column[j] += lambda / n;
    }
    true
}

/// The level of the projection onto the simplex: the `delta` with `Σ max(delta − d_i, 0) = radius`, where the
/// `d_i >= 0` are the distances of the entries from the largest one (so one `d_i` is 0) and `radius > 0`.
///
/// Reorders `gaps`. O(n) by median splits (Duchi et al. 2008, with exact medians). Working with distances from the
/// largest entry keeps the sum of the projection accurate relative to the radius and not to the entries.
pub(crate) fn simplex_level<T: Scalar>(gaps: &mut [T], radius: T) -> T {
    // An entry further than the radius from the largest one cannot be active.
    let mut hi = 0;
    for i in 0..gaps.len() {
        if gaps[i] <= radius {
            gaps.swap(i, hi);
            hi += 1;
        }
    }
    let (mut lo, mut sum) = (0, T::zero());
    while lo < hi {
        let mid = lo + (hi - lo) / 2;
        gaps[lo..hi].select_nth_unstable_by(mid - lo, |a, b| descending(b, a));
        let part: T = gaps[lo..=mid].iter().copied().sum();
        // With everything up to `mid` active the level is (radius + sum) / count: is gaps[mid] below it?
        if T::of_usize(mid + 1) * gaps[mid] < radius + sum + part {
            sum += part;
            lo = mid + 1;
        } else {
            hi = mid;
        }
    }
    (radius + sum) / T::of_usize(lo.max(1))
}

/// Panics unless the lengths agree and equal the fixed one.
#[track_caller]
pub(crate) fn dims(what: &'static str, fixed: Option<usize>, x: usize, out: usize) {
    check::dim(what, fixed.unwrap_or(x), x);
    check::dim(what, x, out);
}
