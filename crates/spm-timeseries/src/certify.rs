//! Objective and duality gap of total variation on a line, from the solution alone.

use spm_linalg::Scalar;
use spm_solvers::Certificate;

use crate::join::join;

/// The gap in its Fenchel-Young form, a sum of non-negative terms, at a feasible dual point.
///
/// The dual has `u` with `|u_i| <= λ e_i` on the edges, and `w (y − x) = Dᵀ u` at the optimum. Each half is summed from its end
/// of the line, `u` set to `±λ e_i` where `x` jumps and kept in its range elsewhere; what can't be met is squared in the
/// gap, or, where a value is missing, counts times `|x_i|`. O(n), the halves at the same time.
pub(crate) fn certify<T: Scalar>(
    y: &[T],
    w: Option<&[T]>,
    lambda: T,
    edges: Option<&[T]>,
    x: &[T],
) -> Certificate<T> {
    let l = lambda.as_f64();
    match (w, edges) {
        (None, None) => two_halves(y, x, |_| 1.0, |_| l),
        _ => two_halves(
            y,
            x,
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
    weight: impl Fn(usize) -> f64 + Send + Sync + Copy,
    radius: impl Fn(usize) -> f64 + Send + Sync + Copy,
) -> Certificate<T> {
    let (n, mid) = (x.len(), x.len() / 2);
    let jump = |i: usize| (x[i + 1] - x[i]).as_f64();
    let at = |i: usize| {
        let (w, d) = (weight(i), (y[i] - x[i]).as_f64());
        (w, w * d, 0.5 * w * d * d)
    };
    let left = || {
        let mut p = Part::default();
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
        let mut p = Part::default();
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
    let primal = left.primal + fit + right.primal;
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
