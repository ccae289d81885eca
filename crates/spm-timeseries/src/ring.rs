//! Splines on a ring: the trend filter of a signal whose last value is a neighbour of the first.
//!
//! Row `j` of `D` spans the points `j ..= j + K` counted round the ring, `K = k + 1`; there are n of them. `D x` vanishes outside q knots
//! exactly when `x` is a periodic discrete spline, q functions wide: those of the line with the knots going on round the ring. Only the
//! constants have no knots, and the dual is determined but for a constant, so that nothing has to meet at an end.

use spm_linalg::factor::BandedCholesky;
use spm_linalg::operator::Difference;
use spm_linalg::{LinalgError, Scalar};

use crate::double::Double;
use crate::dual::Dual;
use crate::problem::Problem;
use crate::spline::{SIZE, moments_vanish};

const ZERO: Double = Double::new(0.0);

impl Problem {
    /// As [`new`](Self::new) on a ring: the polynomial is a constant, and `D` that of the line on which the first K points follow once more after
    /// the last.
    pub(crate) fn ring<T: Scalar>(y: &[T], w: &[T], k: usize, lambda: f64) -> Result<Self, LinalgError> {
        let (n, order) = (y.len(), k + 1);
        // Of order 0 for the units and the mean; unobserved ends belong to the ring.
        let mut p = Self::new(y, w, None, 0, 0.0)?;
        for v in [&mut p.y, &mut p.w] {
            v.splice(0..0, vec![0.0; p.units.first]);
            v.resize(n, 0.0);
        }
        p.units.first = 0;
        (p.head, p.tail) = (Vec::new(), Vec::new());
        p.poly = vec![p.poly[0]; n];
        p.t = (0..n).map(|i| i as f64).collect();
        p.d = Difference::even(n + order, order)?;
        p.rows = vec![0.0; n * (order + 1)];
        for (j, row) in p.rows.chunks_exact_mut(order + 1).enumerate() {
            p.d.row_into(j, row);
        }
        p.ring = true;
        p.lambda = lambda / p.units.lambda(k);
        if p.lambda_max > 0.0 {
            let mut dual = Dual::new(&p);
            dual.x.fill(Double::new(p.poly[0]));
            integrate(&p, &mut dual);
            let (lo, hi) = extremes(&dual.u);
            p.lambda_max = 0.5 * (hi - lo);
        }
        Ok(p)
    }

    /// What lies on the K points after the last goes to the first on a ring; nothing on a line.
    pub(crate) fn fold(&self, v: &mut [f64]) {
        let n = self.y.len();
        for i in n..v.len() {
            v[i % n] += v[i];
        }
    }
}

fn extremes(u: &[Double]) -> (f64, f64) {
    u.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(lo, hi), u| (lo.min(u.hi), hi.max(u.hi)))
}

/// `u ←` the solution of `Dᵀ u = w (y − x)`, after `x` is moved by the constant that lets `w (y − x)` sum to 0, which it returns.
///
/// K times the running sums, less their mean, so that the next ones meet where they began; by what they don't, for rounding, `off` says.
pub(crate) fn integrate(p: &Problem, dual: &mut Dual) -> Double {
    let (n, order) = (p.y.len(), p.d.order());
    let Dual { x, u, off, .. } = dual;
    let (mut sum, mut width) = (ZERO, ZERO);
    let residual = |i: usize, x: Double| (Double::new(p.y[i]) - x) * Double::new(p.w[i]);
    for (i, &x) in x.iter().enumerate() {
        (sum, width) = (sum + residual(i, x), width + Double::new(p.w[i]));
    }
    let shift = sum / width;
    for (i, (u, x)) in u.iter_mut().zip(x).enumerate() {
        *x = *x + shift;
        *u = residual(i, *x);
    }
    off.fill(0.0);
    let sign = if order % 2 == 0 { 1.0 } else { -1.0 };
    for level in 1..=order {
        let (mut running, mut total) = (ZERO, ZERO);
        for u in u.iter_mut() {
            running = running + *u;
            *u = running;
            total = total + running;
        }
        let mean = total / Double::new(n as f64);
        u.iter_mut().for_each(|u| *u = *u - mean);
        // The backward differences of order level − 1 of what is missing at the first point.
        let mut miss = running.hi;
        for l in 0..level {
            off[l % n] += miss;
            miss *= -((level - 1 - l) as f64) / (l + 1) as f64;
        }
    }
    u.iter_mut().for_each(|u| *u = *u * Double::new(sign));
    shift
}

/// Periodic discrete B-splines: function `j` has the knots `j ..= j + K`, counted round the ring.
///
/// Neighbours on the ring are near one another if it is pressed flat, function 0 beside the last, 1 beside the last but one, …; in
/// this order the normal equations have a band of twice the width of that of a line.
#[derive(Debug)]
pub(crate) struct RingSpace {
    knots: Vec<usize>,
    /// The place of each function in the flat order, and the function at each place.
    place: Vec<usize>,
    function: Vec<usize>,
    /// The functions at point `i`, from function `first[i]` on: `[i * K + c]`.
    values: Vec<f64>,
    first: Vec<usize>,
    /// `(D B_j)` at knot `j + l`: `[j * (K + 1) + l]`.
    jumps: Vec<Double>,
    gram: Vec<f64>,
    moments: Vec<f64>,
    cholesky: BandedCholesky<f64>,
    dependent: Vec<usize>,
    theta: Vec<Double>,
    /// The constant beside the functions.
    level: Double,
    rhs: Vec<f64>,
}

impl RingSpace {
    pub(crate) fn new(p: &Problem) -> Self {
        let (n, order) = (p.y.len(), p.d.order());
        Self {
            knots: Vec::new(),
            place: Vec::new(),
            function: Vec::new(),
            values: vec![0.0; n * order],
            first: vec![0; n],
            jumps: Vec::new(),
            gram: Vec::new(),
            moments: Vec::new(),
            cholesky: BandedCholesky::new(0, 2 * (order - 1)),
            dependent: Vec::new(),
            theta: Vec::new(),
            level: ZERO,
            rhs: Vec::new(),
        }
    }

    /// The spline with the given knots that minimises `1/2 sum w (y - x)^2 + lambda sum sign · (D x)[knot]`, with its dual;
    /// `jump[l]` ← `(D x)[knot l]`. `false` if the data don't determine it. O(n K²).
    ///
    /// As on a line, coefficients are corrected until the dual is `lambda · sign` at the knots, but for a constant.
    pub(crate) fn fit(
        &mut self,
        p: &Problem,
        knots: &[usize],
        signs: &[f64],
        dual: &mut Dual,
        jump: &mut [f64],
    ) -> bool {
        self.assemble(p, knots);
        self.cholesky.resize(self.moments.len());
        self.dependent.clear();
        self.cholesky.factor_semidefinite(&self.gram, 1e-13, &mut self.dependent);
        if !self.dependent.is_empty() {
            return false;
        }
        let (q, width) = (self.moments.len(), p.d.order() + 1);
        self.rhs.clone_from(&self.moments);
        let pulls: Vec<Double> = signs.iter().map(|s| Double::new(-p.lambda * s)).collect();
        self.add_pulls(&pulls);
        self.theta.clear();
        self.theta.resize(q, ZERO);
        self.level = ZERO;
        let mut before = f64::INFINITY;
        loop {
            self.cholesky.solve_in_place(&mut self.rhs);
            for (t, &at) in self.theta.iter_mut().zip(&self.place) {
                *t = *t + Double::new(self.rhs[at]);
            }
            self.evaluate(p, &mut dual.x);
            self.level = self.level + integrate(p, dual);
            let mut defects: Vec<Double> =
                knots.iter().zip(signs).map(|(&a, &s)| dual.u[a] - Double::new(p.lambda * s)).collect();
            let constant = if knots.is_empty() {
                let (lo, hi) = extremes(&dual.u);
                Double::new(0.5 * lo + 0.5 * hi)
            } else {
                defects.iter().fold(ZERO, |s, &d| s + d) / Double::new(knots.len() as f64)
            };
            dual.u.iter_mut().chain(&mut defects).for_each(|u| *u = *u - constant);
            let worst = defects.iter().fold(0.0, |a: f64, d| a.max(d.hi.abs()));
            if worst <= 1e-13 * p.lambda || worst.is_nan() || worst >= 0.5 * before {
                break;
            }
            before = worst;
            self.rhs.fill(0.0);
            self.add_pulls(&defects);
        }
        let mut sums = vec![ZERO; knots.len()];
        if q == knots.len() {
            for (j, row) in self.jumps.chunks_exact(width).enumerate() {
                for (l, &c) in row.iter().enumerate() {
                    sums[(j + l) % q] = sums[(j + l) % q] + self.theta[j] * c;
                }
            }
        }
        for (d, s) in jump.iter_mut().zip(&sums) {
            *d = s.hi;
        }
        true
    }

    /// `rhs +=` what forces at the knots come to for each function.
    fn add_pulls(&mut self, pulls: &[Double]) {
        let q = self.place.len();
        let width = self.jumps.len() / q;
        if pulls.is_empty() {
            return;
        }
        for (j, row) in self.jumps.chunks_exact(width).enumerate() {
            let pull = row.iter().enumerate().fold(ZERO, |s, (l, &c)| s + pulls[(j + l) % q] * c);
            self.rhs[self.place[j]] += pull.hi;
        }
    }

    /// The functions with these knots, and the normal equations of the fit without a penalty.
    pub(crate) fn assemble(&mut self, p: &Problem, knots: &[usize]) {
        self.build(p, knots);
        let (q, order) = (self.place.len(), p.d.order());
        let width = 2 * order - 1;
        self.gram.clear();
        self.gram.resize(q * width, 0.0);
        self.moments.clear();
        self.moments.resize(q, 0.0);
        for (i, b) in self.values.chunks_exact(order).enumerate() {
            let at = |c: usize| self.place[(self.first[i] + c) % q];
            for a in 0..order {
                let (column, wa) = (at(a), p.w[i] * b[a]);
                self.moments[column] += wa * p.y[i];
                for (c, v) in b.iter().enumerate() {
                    if let Some(d) = at(c).checked_sub(column) {
                        self.gram[column * width + d] += wa * v;
                    }
                }
            }
        }
    }

    /// The functions, by their places in the flat order, that depend on those before them on the data, with what tells how.
    pub(crate) fn dependent(&self) -> (&[usize], &BandedCholesky<f64>) {
        (&self.dependent, &self.cholesky)
    }

    /// The normal equations `gram θ = moments` in the flat order, and the number of diagonals of `gram`.
    pub(crate) fn equations(&self) -> (&[f64], usize, &[f64]) {
        (&self.gram, self.gram.len() / self.moments.len(), &self.moments)
    }

    /// The jump at each knot as a sum over functions: coefficients, and places in the flat order.
    pub(crate) fn rows(&self, order: usize, rows: &mut Vec<f64>, places: &mut Vec<usize>) {
        let q = self.knots.len();
        for l in 0..q {
            for c in (0..=order).rev() {
                // The function with this knot as its c-th.
                let j = (l + c * q - c) % q;
                rows.push(self.jumps[j * (order + 1) + c].hi);
                places.push(self.place[j]);
            }
        }
    }

    fn build(&mut self, p: &Problem, knots: &[usize]) {
        let order = p.d.order();
        self.knots.clear();
        self.knots.extend_from_slice(knots);
        let q = knots.len().max(1);
        self.place.clear();
        self.place.extend((0..q).map(|j| if 2 * j < q { 2 * j } else { 2 * (q - 1 - j) + 1 }));
        self.function.resize(q, 0);
        for (j, &at) in self.place.iter().enumerate() {
            self.function[at] = j;
        }
        self.jumps.clear();
        self.values.fill(0.0);
        if q == 1 {
            // One knot alone can't jump: a constant.
            self.first.fill(0);
            self.values.iter_mut().step_by(order).for_each(|v| *v = 1.0);
            self.jumps.resize(order + 1, ZERO);
            return;
        }
        for j in 0..q {
            let window = self.window(j, order, p.y.len());
            let c = moments_vanish(p, &window[..=order]);
            let (values, first, mut peak) = (&mut self.values, &mut self.first, 0.0_f64);
            let mut at = |i: usize, slot: usize, v: Double| {
                peak = peak.max(v.hi.abs());
                values[i * order + slot] = v.hi;
                first[i] = (j + order * q - slot) % q;
            };
            run(&window[..=order], &c, p.y.len(), &mut at);
            // A power of two, so that scaling is exact.
            let scale = if peak > 0.0 { (-peak.log2().round()).exp2() } else { 1.0 };
            run(&window[..=order], &[ZERO; SIZE], p.y.len(), |i, slot, _| {
                self.values[i * order + slot] *= scale;
            });
            self.jumps.extend(c[..=order].iter().map(|&v| v * Double::new(scale)));
        }
    }

    /// The knots of function `j`, those beyond the last counted on round the ring.
    fn window(&self, j: usize, order: usize, n: usize) -> [isize; SIZE] {
        let q = self.knots.len();
        let mut out = [0; SIZE];
        for (l, a) in out[..=order].iter_mut().enumerate() {
            *a = (self.knots[(j + l) % q] + (j + l) / q * n) as isize;
        }
        out
    }

    /// `x ←` the spline of the coefficients.
    fn evaluate(&self, p: &Problem, x: &mut [Double]) {
        let (n, order) = (x.len(), p.d.order());
        x.fill(self.level);
        if self.theta.len() == 1 {
            x.iter_mut().for_each(|x| *x = *x + self.theta[0]);
            return;
        }
        for (j, &theta) in self.theta.iter().enumerate() {
            let mut amounts = [ZERO; SIZE];
            for (a, &c) in amounts.iter_mut().zip(&self.jumps[j * (order + 1)..][..=order]) {
                *a = c * theta;
            }
            run(&self.window(j, order, n)[..=order], &amounts, n, |i, _, v| x[i] = x[i] + v);
        }
    }
}

/// Calls `each` with the points, from the first knot on round the ring of n, the number of knots of the window still ahead less one, and
/// the values of the function that jumps by `amounts` at these knots.
#[inline(always)]
fn run(window: &[isize], amounts: &[Double; SIZE], n: usize, mut each: impl FnMut(usize, usize, Double)) {
    let order = window.len() - 1;
    let (from, to) = (window[0] as usize + order, window[order] as usize + 1);
    let mut state = [ZERO; SIZE];
    let (mut i, mut next) = (from % n, 0);
    for point in from..to {
        if window[next] as usize + order == point {
            state[order - 1] = state[order - 1] + amounts[next];
            next += 1;
        }
        for l in (1..order).rev() {
            state[l - 1] = state[l - 1] + state[l];
        }
        each(i, order - next, state[0]);
        i = if i + 1 < n { i + 1 } else { 0 };
    }
}
