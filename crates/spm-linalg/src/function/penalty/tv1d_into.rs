//! The exact 1-D total variation solution, in linear time on every input.
//!
//! With `F_i` the cumulative sum of `w y` and `W_i` that of `w`, the solution is the slope of the shortest path from
//! `(0, 0)` to `(W_n, F_n)` that passes node `i` within `r_i` of `F_i`, the taut string. Two methods pull it tight: the
//! [cone](super::cone) is the fastest while bends come soon after they are decided, the [hull](super::hull) takes over where
//! they don't.

use super::cone::pull_by_cone;
use super::hull::{hull_scratch, pull_by_hull};
use super::tube::{Apex, Flip, Goal, Line, Unit, Weighted};
use crate::{MemStack, Scalar, StackReq, Workspace, check};

/// The exact minimiser of $\tfrac12 \sum_i w_i (y_i - x_i)^2 + \lambda \sum_i e_i |x_{i+1} - x_i|$.
///
/// In plain text: `x ← argmin 1/2 sum w[i] (y[i] - x[i])^2 + lambda sum e[i] |x[i+1] - x[i]|`. Entries of one segment
/// are the same number, bit for bit. O(n) time on every input; `scratch` is [`tv1d_scratch`], touched only as far
/// as needed. Sums are taken in `f64` for both scalar types.
///
/// | argument | length | range |
/// |---|---|---|
/// | `y` | n | finite |
/// | `weights` | n | finite, `>= 0`; 0 marks a missing `y`; `None` is 1 everywhere |
/// | `lambda` | | finite, `>= 0` |
/// | `edge_weights` | n − 1 | finite, `>= 0`; 0 cuts the signal there; `None` is 1 everywhere |
///
/// A missing stretch takes the value on its left up to the last of its cheapest edges and the value on its right
/// after it: with equal edge weights it carries the last observation forward. Missing ends take the nearest value;
/// with nothing observed `x = 0`.
///
/// Source: Davies and Kovac 2001, *Local extremes, runs, strings and multiresolution*, section 2 (taut string);
/// Condat 2013, *A direct algorithm for 1-D total variation denoising* (looking ahead from the last bend); Lee and
/// Preparata 1984 (funnel).
///
/// # Panics
/// If a length differs from the table. The values are not checked.
///
/// ```
/// use spm_linalg::{Workspace, penalty::{tv1d_into, tv1d_scratch}};
/// let mut x = [0.0; 4];
/// tv1d_into(&[0.0, 1.0, 5.0, 6.0], None, 1.0, None, &mut x, Workspace::new(tv1d_scratch::<f64>(4)).stack());
/// assert_eq!(x, [1.0, 1.0, 5.0, 5.0]);
/// ```
pub fn tv1d_into<T: Scalar>(
    y: &[T],
    weights: Option<&[T]>,
    lambda: T,
    edge_weights: Option<&[T]>,
    x: &mut [T],
    stack: &mut MemStack,
) {
    check_lengths(y, weights, edge_weights, x);
    match weights {
        Some(w) if w.contains(&T::zero()) => {
            with_missing(y, w, lambda, edge_weights, x, stack, |line, x, stack| pull(line, x, stack));
        }
        None if edge_weights.is_none() => match lambda == T::zero() {
            true => x.copy_from_slice(y),
            false => pull(Unit::new(y, lambda), x, stack),
        },
        _ => pull(Weighted { y, w: weights, e: edge_weights, lambda: lambda.as_f64() }, x, stack),
    }
}

/// [`tv1d_into`] as two halves that `join` may run at the same time, or one after the other: the result is the same.
///
/// The halves are pulled tight from both ends towards the middle, each with its end free; what is still loose then is
/// pulled tight across the middle. Allocates its temporary memory.
///
/// # Panics
/// As [`tv1d_into`], and unless `join` runs both.
///
/// ```
/// use spm_linalg::penalty::tv1d_halves_into;
/// let mut x = [0.0; 4];
/// tv1d_halves_into(&[0.0, 1.0, 5.0, 6.0], None, 1.0, None, &mut x, |a, b| {
///     a();
///     b();
/// });
/// assert_eq!(x, [1.0, 1.0, 5.0, 5.0]);
/// ```
pub fn tv1d_halves_into<T: Scalar>(
    y: &[T],
    weights: Option<&[T]>,
    lambda: T,
    edge_weights: Option<&[T]>,
    x: &mut [T],
    join: impl FnOnce(&mut (dyn FnMut() + Send), &mut (dyn FnMut() + Send)),
) {
    check_lengths(y, weights, edge_weights, x);
    match weights {
        Some(w) if w.contains(&T::zero()) => {
            let mut ws = Workspace::new(StackReq::new::<T>(y.len()).array(3));
            with_missing(y, w, lambda, edge_weights, x, ws.stack(), |line, x, _| halves(line, x, join));
        }
        None if edge_weights.is_none() && lambda > T::zero() => halves(Unit::new(y, lambda), x, join),
        _ => halves(Weighted { y, w: weights, e: edge_weights, lambda: lambda.as_f64() }, x, join),
    }
}

fn check_lengths<T>(y: &[T], weights: Option<&[T]>, edge_weights: Option<&[T]>, x: &[T]) {
    let n = y.len();
    check::dim("tv1d_into x", n, x.len());
    check::dim("tv1d_into weights", n, weights.map_or(n, <[T]>::len));
    let edges = n.saturating_sub(1);
    check::dim("tv1d_into edge_weights", edges, edge_weights.map_or(edges, <[T]>::len));
}

/// Temporary memory of [`tv1d_into`] for `n` values: about 80 bytes a value are reserved, far fewer touched on most data.
#[must_use]
pub fn tv1d_scratch<T: Scalar>(n: usize) -> StackReq {
    StackReq::new::<T>(n).array(3).and(hull_scratch(n))
}

/// Pulls the string tight over the whole signal.
fn pull<T: Scalar, L: Line>(line: L, x: &mut [T], stack: &mut MemStack) {
    let (mut apex, goal) = (Apex::default(), Goal { node: x.len(), offset: Some(0.0) });
    if !pull_by_cone(line, x, &mut apex, goal) {
        pull_by_hull(line, x, &mut apex, goal, stack);
    }
}

/// Pulls tight from `apex` to `goal`; allocates what it needs.
fn pull_from<T: Scalar, L: Line>(line: L, x: &mut [T], mut apex: Apex, goal: Goal) -> Apex {
    if !pull_by_cone(line, x, &mut apex, goal) {
        let mut ws = Workspace::new(hull_scratch(goal.node - apex.node));
        pull_by_hull(line, x, &mut apex, goal, ws.stack());
    }
    apex
}

/// Pulls both halves tight, then the string across the middle.
fn halves<T: Scalar, L: Line>(
    line: L,
    x: &mut [T],
    join: impl FnOnce(&mut (dyn FnMut() + Send), &mut (dyn FnMut() + Send)),
) {
    let (n, mid) = (x.len(), x.len() / 2);
    // At a cut the halves have nothing to do with each other.
    let gate = if mid > 0 && line.radius(mid - 1) > 0.0 { None } else { Some(0.0) };
    let (mut left, mut right) = (Apex::default(), Apex::default());
    let (first, last) = x.split_at_mut(mid);
    join(
        &mut || left = pull_from(line, first, Apex::default(), Goal { node: mid, offset: gate }),
        &mut || {
            right = pull_from(Flip { line, n }, last, Apex::default(), Goal { node: n - mid, offset: gate });
        },
    );
    // Seen from the left the string's height has the other sign.
    pull_from(line, x, left, Goal { node: n - right.node, offset: Some(-right.offset) });
}

/// Leaves the missing values out, joins the edges across them at the cheapest one, and fills them in afterwards.
fn with_missing<T: Scalar>(
    y: &[T],
    w: &[T],
    lambda: T,
    edge_weights: Option<&[T]>,
    x: &mut [T],
    stack: &mut MemStack,
    solve: impl FnOnce(Weighted<'_, T>, &mut [T], &mut MemStack),
) {
    let n = y.len();
    let edge = |i: usize| edge_weights.map_or(T::one(), |e| e[i]);
    let m = w.iter().filter(|w| **w > T::zero()).count();
    if m == 0 {
        x.fill(T::zero());
        return;
    }
    let (mut seen_y, stack) = stack.make_with(m, |_| T::zero());
    let (mut seen_w, stack) = stack.make_with(m, |_| T::zero());
    let (mut seen_e, stack) = stack.make_with(m, |_| T::infinity());
    let mut k = 0;
    for i in 0..n {
        if k > 0 {
            seen_e[k - 1] = seen_e[k - 1].min(edge(i - 1));
        }
        if w[i] > T::zero() {
            (seen_y[k], seen_w[k]) = (y[i], w[i]);
            k += 1;
        }
    }
    let line = Weighted { y: &seen_y, w: Some(&seen_w), e: Some(&seen_e), lambda: lambda.as_f64() };
    solve(line, &mut x[..m], stack);

    // Spread the observed values from the back, then fill the gaps.
    let mut k = m;
    for i in (0..n).rev() {
        if w[i] > T::zero() {
            k -= 1;
            x[i] = x[k];
        }
    }
    let mut left: Option<usize> = None;
    for i in 0..n {
        if w[i] > T::zero() {
            let value = x[i];
            match left {
                None => x[..i].fill(value),
                Some(a) => {
                    let jump = (a..i).fold(a, |best, j| if edge(j) <= edge(best) { j } else { best });
                    let before = x[a];
                    x[a + 1..=jump].fill(before);
                    x[jump + 1..i].fill(value);
                }
            }
            left = Some(i);
        }
    }
    if let Some(a) = left {
        let value = x[a];
        x[a + 1..].fill(value);
    }
}
