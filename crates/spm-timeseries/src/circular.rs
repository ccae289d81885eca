//! The fused lasso on a ring: where its string surely touches, it is that of a line.
//!
//! With `U_i` the running sums of `w (y − mean)`, the solution is the slope of the shortest closed string within `λ e_i` of
//! `U_i`. It bends down only where it rests on the lower wall `U_i − λ e_i`, so its highest point is on that wall, and
//! where the wall itself is highest the string touches it (as on the upper wall where that is lowest), unless
//! it is straight. There `u_i = −λ e_i` is known, and cut open at that edge the ring is a line whose ends are pulled by it.

use spm_linalg::Scalar;

use crate::double::Double;

/// A signal whose last value is a neighbour of the first: edge `i` leads from value `i` to the next, edge `n − 1` to the first.
#[derive(Debug)]
pub(crate) struct Ring<'a, T> {
    w: Option<&'a [T]>,
    edges: Option<&'a [T]>,
    /// The first observed value. Sums start here, so that they are the same, to the bit, at all edges of a missing stretch.
    first: usize,
    /// The running sums `U`.
    sums: Vec<Double>,
    /// The weighted mean.
    mean: f64,
}

impl<'a, T: Scalar> Ring<'a, T> {
    /// Weights and edge weights as for the line; no edge has weight 0. O(n).
    pub(crate) fn new(y: &[T], w: Option<&'a [T]>, edges: Option<&'a [T]>) -> Self {
        let weighted = |i: usize, v: Double| w.map_or(v, |w| v * Double::new(w[i].as_f64()));
        let first = w.and_then(|w| w.iter().position(|w| *w > T::zero())).unwrap_or(0);
        let about = Double::new(y[first].as_f64());
        let term = |i: usize| weighted(i, Double::new(y[i].as_f64()) - about);
        let sum = (0..y.len()).fold(Double::default(), |s, i| s + term(i));
        let width = match w {
            None => Double::new(y.len() as f64),
            Some(w) => w.iter().fold(Double::default(), |s, w| s + Double::new(w.as_f64())),
        };
        let mean = if width.hi > 0.0 { sum / width } else { Double::default() };
        let mut u = Double::default();
        let mut sums = vec![u; y.len()];
        for i in (first..y.len()).chain(0..first) {
            u = u + (term(i) - weighted(i, mean));
            sums[i] = u;
        }
        Self { w, edges, first, sums, mean: (about + mean).hi }
    }

    /// The weighted mean of the values.
    pub(crate) fn mean(&self) -> T {
        T::of(self.mean)
    }

    fn edge(&self, i: usize) -> f64 {
        self.edges.map_or(1.0, |e| e[i].as_f64())
    }

    /// The smallest `r` with `max (U_i − r e_i) <= min (U_i + r e_i)`: from there on a straight string fits in.
    ///
    /// The difference of both sides is convex, piecewise linear and falls, so Newton's method from 0 meets a flatter piece
    /// every time until it is at the root. O(n) a step, a single one with equal edge weights.
    pub(crate) fn lambda_max(&self) -> f64 {
        let mut r = 0.0;
        loop {
            let (low, high) = (self.extreme(r, false), self.extreme(r, true));
            let wall = |i: usize, side: f64| self.sums[i] + Double::new(side * r) * Double::new(self.edge(i));
            let over = (wall(low, -1.0) - wall(high, 1.0)).hi;
            let next = r + over / (self.edge(low) + self.edge(high));
            if !(over > 0.0 && next > r) {
                return r;
            }
            r = next;
        }
    }

    /// Where the lower wall of radius `r e_i` is highest, or the upper one lowest. Of equal ones the last, going round from an
    /// observed value, so that a missing stretch is parted at the last of its cheapest edges.
    fn extreme(&self, r: f64, upper: bool) -> usize {
        let first = self.first;
        // The upper wall upside down; one of even radius is left where the sums are.
        let height = |i: usize| {
            let sum = if upper { -self.sums[i] } else { self.sums[i] };
            self.edges.map_or(sum, |e| sum - Double::new(r) * Double::new(e[i].as_f64()))
        };
        let (mut at, mut best) = (first, height(first));
        for i in (first + 1..self.sums.len()).chain(0..first) {
            let h = height(i);
            if (h - best).hi >= 0.0 {
                (at, best) = (i, h);
            }
        }
        at
    }

    /// An edge where the solution jumps down, for `lambda` below the largest.
    pub(crate) fn touches(&self, lambda: f64) -> usize {
        self.extreme(lambda, false)
    }

    /// `x ←` the fused lasso of `y`; `line` solves it on a line: values, weights, edge weights, result.
    pub(crate) fn solve(
        &self,
        y: &[T],
        lambda: T,
        x: &mut [T],
        line: impl FnOnce(&[T], Option<&[T]>, Option<&[T]>, &mut [T]),
    ) {
        let n = y.len();
        let cut = self.touches(lambda.as_f64());
        let pull = lambda.as_f64() * self.edge(cut);
        let mut open = opened(y, cut);
        let w = self.w.map(|w| opened(w, cut));
        let edges = self.edges.map(|e| opened(e, cut));
        let weight = |i: usize| w.as_ref().map_or(1.0, |w| w[i].as_f64());
        let mut observed = (0..n).filter(|&i| weight(i) > 0.0);
        if let Some(first) = observed.next() {
            let last = observed.next_back().unwrap_or(first);
            for (i, pull) in [(first, pull), (last, -pull)] {
                open[i] = T::of(open[i].as_f64() + pull / weight(i));
            }
        }
        line(&open, w.as_deref(), edges.as_deref().map(|e| &e[..n - 1]), x);
        close(x, cut);
    }
}

/// What lies on a ring, from the value behind edge `cut` on.
pub(crate) fn opened<T: Copy>(v: &[T], cut: usize) -> Vec<T> {
    [&v[cut + 1..], &v[..=cut]].concat()
}

/// Takes back [`opened`].
pub(crate) fn close<T>(v: &mut [T], cut: usize) {
    v.rotate_right((cut + 1) % v.len());
}
