//! Objective and duality gap of total variation on a line or a ring, from the solution alone.

use spm_linalg::Scalar;
use spm_solvers::Certificate;

use crate::join::join;

/// The gap in its Fenchel-Young form, a sum of non-negative terms, at a feasible dual point.
///
/// The dual has `u` with `|u_i| <= λ e_i` on the edges, and `w (y − x) = Dᵀ u` at the optimum. Each half is summed from its end
/// of the line, `u` set to `±λ e_i` where `x` jumps and kept in its range elsewhere; what can't be met is squared in the
/// gap, or, where a value is missing, counts times `|x_i|`. On a `closed` line, where edge `n − 1` leads back to the first value, both start from
/// its dual variable. O(n), the halves at the same time.
pub(crate) fn certify<T: Scalar>(
    y: &[T],
    w: Option<&[T]>,
    lambda: T,
    edges: Option<&[T]>,
    closed: bool,
    x: &[T],
) -> Certificate<T> {
    let l = lambda.as_f64();
    match (w, edges) {
        (None, None) => two_halves(y, x, closed, |_| 1.0, |_| l),
        _ => two_halves(
            y,
            x,
            closed,
            |i| w.map_or(1.0, |w| w[i].as_f64()),
            |i| (lambda * edges.map_or(T::one(), |e| e[i])).as_f64(),
        ),
    }
}

/// Sums over a stretch, and the dual at its end.
#[derive(Default)]
struct Part {
    primal: f64,
    gap: f64,
    u: f64,
}

impl Part {
    /// Adds the error `e` of the dual constraint at a point of weight `w`.
    fn miss(&mut self, e: f64, w: f64, x: f64) {
        self.gap += if w > 0.0 { 0.5 * e * e / w } else { (e * x).abs() };
    }

    /// Moves on to the next edge, of radius `r`, across which `x` changes by `d`, where the constraint wants `u`; returns the error.
    #[inline(always)]
    fn cross(&mut self, u: f64, r: f64, d: f64) -> f64 {
        if d == 0.0 {
            self.u = u.max(-r).min(r);
        } else {
            self.u = r.copysign(d);
            self.primal += r * d.abs();
        }
        self.u - u
    }
}

fn two_halves<T: Scalar>(
    y: &[T],
    x: &[T],
    closed: bool,
    weight: impl Fn(usize) -> f64 + Send + Sync + Copy,
    radius: impl Fn(usize) -> f64 + Send + Sync + Copy,
) -> Certificate<T> {
    let (n, mid) = (x.len(), x.len() / 2);
    let jump = |i: usize| (x[i + 1] - x[i]).as_f64();
    let at = |i: usize| {
        let (w, d) = (weight(i), (y[i] - x[i]).as_f64());
        (w, w * d, 0.5 * w * d * d)
    };
    let ends = if closed {
        let around = |i: usize| (x[(i + 1) % n] - x[i]).as_f64();
        let mut p = Part::default();
        p.cross(
            seam(n, |i| at(i).1, |_| [0.0; 2], |i| room(radius(i), around(i))),
            radius(n - 1),
            around(n - 1),
        );
        p
    } else {
        Part::default()
    };
    let start = || Part { u: ends.u, ..Part::default() };
    let left = || {
        let mut p = start();
        for i in 0..mid {
            let (w, r, fit) = at(i);
            p.primal += fit;
            let e = p.cross_left(r, radius(i), jump(i));
            if e != 0.0 {
                p.miss(e, w, x[i].as_f64());
            }
        }
        p
    };
    let right = || {
        let mut p = start();
        for i in (mid + 1..n).rev() {
            let (w, r, fit) = at(i);
            p.primal += fit;
            let e = p.cross_right(r, radius(i - 1), jump(i - 1));
            if e != 0.0 {
                p.miss(e, w, x[i].as_f64());
            }
        }
        p
    };
    let (left, mut right) = join(n, left, right);
    let (w, r, fit) = at(mid);
    right.miss(r + right.u - left.u, w, x[mid].as_f64());
    let primal = ends.primal + left.primal + fit + right.primal;
    Certificate::new(T::of(primal), T::of(primal - (left.gap + right.gap)))
}

impl Part {
    /// `u_i = u_{i−1} − r_i` from the left.
    #[inline(always)]
    fn cross_left(&mut self, r: f64, radius: f64, d: f64) -> f64 {
        self.cross(self.u - r, radius, d)
    }

    /// `u_{i−1} = u_i + r_i` from the right.
    #[inline(always)]
    fn cross_right(&mut self, r: f64, radius: f64, d: f64) -> f64 {
        self.cross(self.u + r, radius, d)
    }
}

/// The range of the dual variable of an edge of radius `r`, across which `x` changes by `d`.
pub(crate) fn room(r: f64, d: f64) -> [f64; 2] {
    if d == 0.0 { [-r, r] } else { [r.copysign(d); 2] }
}

/// A dual variable of the edge from the last value of a ring to its first, from which those of the others can be met all the way round.
///
/// With `residual` `w (y − x)`, `u_i − u_{i−1} + residual_i` in `values(i)` and `u_i` in `room(i)`. These are bounds on
/// differences of neighbours, so the tightest bound of one comes from some other by one way round or the other: two rounds each way. O(n).
pub(crate) fn seam(
    n: usize,
    residual: impl Fn(usize) -> f64,
    values: impl Fn(usize) -> [f64; 2],
    room: impl Fn(usize) -> [f64; 2],
) -> f64 {
    let own = room(n - 1);
    if own[0] == own[1] {
        return own[0];
    }
    let within = |u: [f64; 2], [lo, hi]: [f64; 2]| u.map(|v| v.max(lo).min(hi));
    let (mut ahead, mut back) = (own, own);
    for i in (0..n).chain(0..n) {
        let (v, r) = (values(i), residual(i));
        ahead = within([ahead[0] + v[0] - r, ahead[1] + v[1] - r], room(i));
    }
    for i in (0..n).rev().chain((0..n).rev()) {
        let (v, r) = (values(i), residual(i));
        back = within([back[0] - v[1] + r, back[1] - v[0] + r], room(if i > 0 { i - 1 } else { n - 1 }));
    }
    0.5 * (ahead[0].max(back[0]) + ahead[1].min(back[1]))
}
