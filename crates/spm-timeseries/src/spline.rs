//! The space of discrete splines with given knots, in a basis of bells, and least squares in it.
//!
//! `D x` vanishes outside the knots exactly when `x` is such a spline. In this basis the least-squares fit is well
//! conditioned whatever `lambda` and n are, and the jumps at the knots are known without differencing `x`.

use spm_linalg::factor::BandedCholesky;

use crate::double::Double;
use crate::dual::Dual;
use crate::flat::FlatRows;
use crate::lambda_max::Polynomial;
use crate::problem::Problem;

/// The highest order of a trend filter.
pub(crate) const MAX_ORDER: usize = 5;
pub(crate) const SIZE: usize = MAX_ORDER + 2;
/// Steps of a fit with the Huber loss, and of a run of Newton steps in it.
const HUBER: usize = 400;
const NEWTON: usize = 8;

/// Discrete B-splines: function `j` has the knots `j ..= j + K` of the extended sequence, `K = k + 1`.
///
/// A knot `a` is a row of `D`; it lies between the points `a` and `a + K`. K virtual knots stand before the first row
/// and K after the last. Function `j` is nonzero on the points `knot[j] + K ..= knot[j + K]`, at most K of them at a point.
///
/// Source: Schumaker 2007, *Spline Functions: Basic Theory*, section 8.5; Tibshirani 2022, *Divided differences,
/// falling factorials, and discrete splines*, section 6.
#[derive(Debug)]
pub(crate) struct SplineSpace {
    /// The extended knot sequence.
    knots: Vec<isize>,
    /// The functions at point `i`, from function `first[i]` on: `[i * K + c]`.
    values: Vec<f64>,
    first: Vec<usize>,
    /// `(D B_j)` at knot `j + l`: `[j * (K + 1) + l]`.
    jumps: Vec<Double>,
    gram: Vec<f64>,
    cholesky: BandedCholesky<f64>,
    dependent: Vec<usize>,
    theta: Vec<Double>,
    /// The coefficients before a run of Newton steps.
    saved: Vec<Double>,
    rhs: Vec<f64>,
    moments: Vec<f64>,
    sums: Vec<Double>,
    flats: FlatRows,
    /// An orthonormal basis of the polynomials, made when first needed, and what the sums of each come to beyond the first row.
    polynomials: Vec<Vec<f64>>,
    ends: Vec<[Double; SIZE]>,
}

impl SplineSpace {
    /// Room for any set of knots of the problem.
    pub(crate) fn new(p: &Problem) -> Self {
        let (n, order) = (p.y.len(), p.d.order());
        let most = n;
        Self {
            knots: Vec::with_capacity(most + order),
            values: vec![0.0; n * order],
            first: vec![0; n],
            jumps: Vec::with_capacity(most * (order + 1)),
            gram: Vec::with_capacity(most * order),
            cholesky: BandedCholesky::new(most, order - 1),
            dependent: Vec::with_capacity(most),
            theta: Vec::with_capacity(most),
            saved: Vec::with_capacity(most),
            rhs: Vec::with_capacity(most),
            moments: Vec::with_capacity(most),
            sums: Vec::with_capacity(most),
            flats: FlatRows::default(),
            polynomials: Vec::new(),
            ends: Vec::new(),
        }
    }

    /// The spline with the given knots (rows of `D`, increasing) that minimises
    /// `1/2 sum w (y - x)^2 + lambda sum sign · (D x)[knot]`, with its dual; `jump[l]` ← `(D x)[knot l]`. O(n K²).
    ///
    /// The dual solves `Dᵀ u = w (y − x)` by K cumulative sums from the right. Over n values they magnify what is wrong
    /// with `x` by up to `n^K`, so `x` and `u` are computed in double-double and the coefficients corrected until `u` is
    /// `lambda · sign` at the knots. The normal equations need no more than `f64`: their residual is a combination
    /// of the dual's defects at the knots of each function.
    ///
    /// Where too many values are missing, the data don't determine a spline with these knots: then returns `false`, and
    /// [`dependent`](Self::dependent) names the functions that are too many.
    pub(crate) fn fit(
        &mut self,
        p: &Problem,
        knots: &[usize],
        signs: &[f64],
        dual: &mut Dual,
        jump: &mut [f64],
    ) -> bool {
        let order = p.d.order();
        self.assemble(p, knots, &dual.hold);
        if !self.factor() {
            return false;
        }
        let mut flats = core::mem::take(&mut self.flats);
        let held = flats.prepare(&mut dual.flats, &self.cholesky, self.moments.len(), |piece| {
            self.slope_row(piece, order)
        });
        self.flats = flats;
        if !held {
            return false;
        }
        self.rhs.clear();
        self.rhs.extend_from_slice(&self.moments);
        for (j, rhs) in self.rhs.iter_mut().enumerate() {
            for l in 0..=order {
                // Only real knots are penalised.
                if (order..order + knots.len()).contains(&(j + l)) {
                    *rhs -= p.lambda * signs[j + l - order] * self.jumps[j * (order + 1) + l].hi;
                }
            }
        }
        let q = knots.len() + order;
        self.theta.clear();
        self.theta.resize(q, Double::default());
        let mut before = f64::INFINITY;
        // With the Huber loss: steps on a majoriser, which always lead down, and from time to time a run of Newton steps, exact
        // once the same residuals stay beyond the threshold; where it fails it is taken back.
        let (mut passes, mut wait, mut next, mut run) = (0, 2, 4, 0);
        loop {
            self.advance(p, dual);
            let worst = self.defects(knots, signs, p.lambda, dual);
            passes += 1;
            if p.delta == f64::INFINITY {
                if worst <= 1e-13 * p.lambda || worst.is_nan() || worst >= 0.5 * before {
                    break;
                }
                before = worst;
                continue;
            }
            if worst <= 1e-12 * p.lambda || passes >= HUBER {
                break;
            }
            if wait > 0 {
                wait -= 1;
                if wait == 0 {
                    run = NEWTON;
                    self.saved.clone_from(&self.theta);
                }
            } else if run == 0 {
                self.theta.clone_from(&self.saved);
                self.rhs.fill(0.0);
                self.advance(p, dual);
                self.defects(knots, signs, p.lambda, dual);
                (wait, next) = (next, 2 * next);
            }
            let newton = run > 0;
            run -= usize::from(newton);
            dual.weigh(p, newton);
            self.normal_equations(p, &dual.hold);
            if !self.factor() {
                dual.weigh(p, false);
                self.normal_equations(p, &dual.hold);
                if !self.factor() {
                    return false;
                }
            }
        }
        dual.weigh(p, false);
        jump.fill(0.0);
        let mut sums = core::mem::take(&mut self.sums);
        sums.clear();
        sums.resize(knots.len(), Double::default());
        for j in 0..q {
            for l in 0..=order {
                if (order..order + knots.len()).contains(&(j + l)) {
                    let s = &mut sums[j + l - order];
                    *s = *s + self.theta[j] * self.jumps[j * (order + 1) + l];
                }
            }
        }
        for (d, s) in jump.iter_mut().zip(&sums) {
            *d = s.hi;
        }
        self.sums = sums;
        true
    }

    /// Whether the functions are independent on the data.
    fn factor(&mut self) -> bool {
        self.cholesky.resize(self.moments.len());
        self.dependent.clear();
        self.cholesky.factor_semidefinite(&self.gram, 1e-13, &mut self.dependent);
        self.dependent.is_empty()
    }

    /// `D^(k)` on piece `piece` as a row over the functions from that number on: their jumps before the piece.
    pub(crate) fn slope_row(&self, piece: usize, order: usize) -> [Double; SIZE] {
        let mut row = [Double::default(); SIZE];
        for (c, r) in row[..order].iter_mut().enumerate() {
            let jumps = &self.jumps[(piece + c) * (order + 1)..][..order - c];
            *r = jumps.iter().fold(Double::default(), |s, &v| s + v);
        }
        row
    }

    /// `D^(k) x` on a piece of the last fit.
    pub(crate) fn slope(&self, piece: usize, order: usize) -> f64 {
        let row = self.slope_row(piece, order);
        let terms = row[..order].iter().zip(&self.theta[piece..]).map(|(&r, &t)| r * t);
        terms.fold(Double::default(), |s, t| s + t).hi
    }

    /// A step on the residual in `rhs`, with the values and the dual after it.
    fn advance(&mut self, p: &Problem, dual: &mut Dual) {
        self.cholesky.solve_in_place(&mut self.rhs);
        self.flats.correct(&mut dual.flats, &self.theta, &mut self.rhs);
        for (t, &d) in self.theta.iter_mut().zip(&self.rhs) {
            *t = *t + Double::new(d);
        }
        self.evaluate(p, &mut dual.x);
        dual.off.fill(0.0);
        dual.integrate(p);
    }

    /// `rhs ←` the residual of the normal equations; returns the largest defect of the dual at a knot or beyond the end.
    fn defects(&mut self, knots: &[usize], signs: &[f64], lambda: f64, dual: &Dual) -> f64 {
        let order = dual.ends.len();
        let mut sums = core::mem::take(&mut self.sums);
        sums.clear();
        sums.extend_from_slice(&dual.ends);
        sums.extend(knots.iter().zip(signs).map(|(&a, &s)| dual.u[a] - Double::new(lambda * s)));
        let worst = sums.iter().fold(0.0, |a: f64, d| a.max(d.hi.abs()));
        for (j, rhs) in self.rhs.iter_mut().enumerate() {
            let mut sum = Double::default();
            for (&defect, &c) in sums[j..].iter().zip(&self.jumps[j * (order + 1)..][..=order]) {
                sum = sum + defect * c;
            }
            *rhs = sum.hi;
        }
        self.sums = sums;
        worst
    }

    /// Takes off `w (y − x)` the polynomial without which its sums would not quite come to 0.
    ///
    /// What rounding leaves of the sums is small against `lambda`, yet as a residual at the first few points it would be large
    /// against the data; spread over all points it is nothing.
    pub(crate) fn close(&mut self, p: &Problem, dual: &mut Dual) {
        let order = p.d.order();
        if self.polynomials.is_empty() {
            self.polynomials = Polynomial::new(&p.t, &p.w, order - 1).into_basis();
            let zero = Double::default();
            let mut probe = Dual::new(p);
            for (x, &y) in probe.x.iter_mut().zip(&p.y) {
                *x = Double::new(y);
            }
            self.ends = vec![[zero; SIZE]; order];
            for (c, q) in self.polynomials.iter().enumerate() {
                for (o, (q, w)) in probe.off.iter_mut().zip(q.iter().zip(&p.w)) {
                    *o = -(w * q);
                }
                probe.integrate(p);
                for (row, &e) in self.ends.iter_mut().zip(&probe.ends) {
                    row[c] = e;
                }
            }
        }
        let count = self.polynomials.len();
        if count < order {
            return;
        }
        let mut a = [[Double::default(); SIZE]; SIZE];
        for (r, row) in self.ends.iter().enumerate() {
            a[r] = *row;
            a[r][count] = -dual.ends[r];
        }
        let c = null_vector(&mut a, order, count);
        for (i, o) in dual.off.iter_mut().enumerate() {
            let sum: f64 = self.polynomials.iter().zip(&c).map(|(q, c)| c.hi * q[i]).sum();
            *o = p.w[i] * sum;
        }
        dual.integrate(p);
    }

    /// The functions that depend on those before them on the data, as found in the last fit, with what tells how.
    pub(crate) fn dependent(&self) -> (&[usize], &BandedCholesky<f64>) {
        (&self.dependent, &self.cholesky)
    }

    /// The functions with these knots, and the normal equations of the fit without a penalty.
    pub(crate) fn assemble(&mut self, p: &Problem, knots: &[usize], hold: &[f64]) {
        self.build(p, knots);
        self.normal_equations(p, hold);
    }

    /// `gram` and `moments` of least squares with the weights `hold`.
    pub(crate) fn normal_equations(&mut self, p: &Problem, hold: &[f64]) {
        let order = p.d.order();
        let q = self.knots.len() - order;
        self.gram.clear();
        self.gram.resize(q * order, 0.0);
        self.moments.clear();
        self.moments.resize(q, 0.0);
        for i in 0..p.y.len() {
            let b = &self.values[i * order..][..order];
            let (first, wy) = (self.first[i], hold[i] * p.y[i]);
            for a in 0..order.min(q - first) {
                let wa = hold[i] * b[a];
                let column = &mut self.gram[(first + a) * order..][..order - a];
                for (g, &v) in column.iter_mut().zip(&b[a..]) {
                    *g += wa * v;
                }
                self.moments[first + a] += wy * b[a];
            }
        }
    }

    /// `x ←` the spline with these coefficients, to the precision of `f64`.
    pub(crate) fn combine(&self, theta: &[f64], x: &mut [Double]) {
        let order = self.values.len() / x.len();
        for (i, x) in x.iter_mut().enumerate() {
            let b = &self.values[i * order..][..order];
            *x = Double::new(b.iter().zip(&theta[self.first[i]..]).map(|(b, t)| b * t).sum());
        }
    }

    /// The normal equations `gram θ = moments`, a band of `order` diagonals, and the jumps: function `j` jumps by
    /// `jumps[j (order + 1) + l]` at knot `j + l` of the extended sequence.
    pub(crate) fn equations(&self) -> (&[f64], &[f64], &[Double]) {
        (&self.gram, &self.moments, &self.jumps)
    }

    fn build(&mut self, p: &Problem, knots: &[usize]) {
        let (n, m, order) = (p.y.len(), p.m(), p.d.order());
        let k = order as isize;
        self.knots.clear();
        self.knots.extend(-k..0);
        self.knots.extend(knots.iter().map(|&a| a as isize));
        self.knots.extend((0..k).map(|l| m as isize + l));
        let q = knots.len() + order;
        let mut started = 0;
        for (i, first) in self.first.iter_mut().enumerate() {
            while started < self.knots.len() && self.knots[started] + k <= i as isize {
                started += 1;
            }
            *first = started.saturating_sub(order);
        }
        self.values.fill(0.0);
        self.jumps.clear();
        for j in 0..q {
            let window = &self.knots[j..=j + order];
            let c = moments_vanish(p, window);
            let (from, to) = support(window, n);
            let (values, first, mut peak) = (&mut self.values, &self.first, 0.0_f64);
            run(p, window, &c, n, |i, v| {
                peak = peak.max(v.hi.abs());
                values[i * order + j - first[i]] = v.hi;
            });
            // A power of two, so that scaling is exact.
            let scale = if peak > 0.0 { (-peak.log2().round()).exp2() } else { 1.0 };
            for i in from..to {
                self.values[i * order + j - self.first[i]] *= scale;
            }
            self.jumps.extend(c[..=order].iter().map(|&v| v * Double::new(scale)));
        }
    }

    /// `x ←` the spline of the coefficients.
    fn evaluate(&self, p: &Problem, x: &mut [Double]) {
        x.fill(Double::default());
        let (n, width) = (x.len(), p.d.order() + 1);
        for (j, &theta) in self.theta.iter().enumerate() {
            let mut amounts = [Double::default(); SIZE];
            for (a, &c) in amounts.iter_mut().zip(&self.jumps[j * width..][..width]) {
                *a = c * theta;
            }
            run(p, &self.knots[j..][..width], &amounts, n, |i, v| x[i] = x[i] + v);
        }
    }
}

/// Calls `each` with the points and values of the function that jumps by `amounts` at these knots: K cumulative sums, in which
/// rounding grows by `n^k`.
#[inline(always)]
fn run(p: &Problem, knots: &[isize], amounts: &[Double; SIZE], n: usize, each: impl FnMut(usize, Double)) {
    // Narrow windows on an even grid run with their width known at compile time.
    match (p.uneven, p.d.order()) {
        (false, 2) => run_even::<2>(knots, amounts, n, each),
        (false, 3) => run_even::<3>(knots, amounts, n, each),
        (false, 4) => run_even::<4>(knots, amounts, n, each),
        _ => run_any(p, knots, amounts, n, each),
    }
}

#[inline(always)]
fn run_even<const K: usize>(
    knots: &[isize],
    amounts: &[Double; SIZE],
    n: usize,
    mut each: impl FnMut(usize, Double),
) {
    let (from, to) = support(knots, n);
    let mut state = [Double::default(); K];
    let (mut i, mut next) = (from, 0);
    while i < to {
        // At each knot an impulse enters; between knots none.
        if knots[next] + K as isize == i as isize {
            state[K - 1] = state[K - 1] + amounts[next];
            next += 1;
        }
        let until = if next <= K { ((knots[next] + K as isize) as usize).min(to) } else { to };
        for i in i..until {
            for l in (1..K).rev() {
                state[l - 1] = state[l - 1] + state[l];
            }
            each(i, state[0]);
        }
        i = until;
    }
}

fn run_any(
    p: &Problem,
    knots: &[isize],
    amounts: &[Double; SIZE],
    n: usize,
    mut each: impl FnMut(usize, Double),
) {
    let order = p.d.order();
    let (from, to) = support(knots, n);
    let share = divisors(p);
    let mut state = [Double::default(); SIZE];
    let mut next = 0;
    for i in from..to {
        // The values of D^(l) at the row that ends at point i, from order K down to 0.
        let mut v = Double::default();
        if knots[next] + order as isize == i as isize {
            v = amounts[next] * share;
            next += 1;
        }
        for l in (1..order).rev() {
            state[l] = state[l] + v;
            v = if p.uneven { state[l] * span(p, i, l) } else { state[l] };
        }
        state[0] = state[0] + v;
        each(i, state[0]);
    }
}

/// The points where a function with these knots is nonzero.
fn support(window: &[isize], n: usize) -> (usize, usize) {
    let order = window.len() - 1;
    ((window[0] + order as isize) as usize, ((window[order] + 1).max(0) as usize).min(n))
}

/// `t[i] − t[i − l]`, without rounding.
#[inline(always)]
pub(crate) fn span(p: &Problem, i: usize, l: usize) -> Double {
    difference(p, i as isize, i as isize - l as isize)
}

/// `(t[i] − t[i − l]) / l`.
pub(crate) fn gap(p: &Problem, i: usize, l: usize) -> Double {
    span(p, i, l) / Double::new(l as f64)
}

/// The product of the divisors `1/l` of the [`gap`]s of all levels, which sums over [`span`]s take out; 1 on an even grid.
pub(crate) fn divisors(p: &Problem) -> Double {
    let product = if p.uneven { (1..p.d.order()).map(|l| l as f64).product() } else { 1.0 };
    Double::new(1.0) / Double::new(product)
}

/// `t[a] − t[b]` for points a and b, without rounding.
fn difference(p: &Problem, a: isize, b: isize) -> Double {
    Double::new(position(p, a)) - Double::new(position(p, b))
}

/// The position of point `i`, continued with the outermost spacing beyond the ends.
fn position(p: &Problem, i: isize) -> f64 {
    let last = p.t.len() as isize - 1;
    if i < 0 {
        p.t[0] + i as f64 * (p.t[1] - p.t[0])
    } else if i > last {
        p.t[last as usize] + (i - last) as f64 * (p.t[last as usize] - p.t[last as usize - 1])
    } else {
        p.t[i as usize]
    }
}

/// Jumps at the knots whose truncated powers cancel past the last: `sum_l c[l] prod_r (s - t[a_l + r])  = 0` for every s.
///
/// On an even grid these are the weights of the divided difference at the knots. In general the elementary
/// symmetric polynomials of the windows `t[a+1 ..= a+k]` must cancel, k + 1 equations for k + 2 unknowns.
pub(crate) fn moments_vanish(p: &Problem, knots: &[isize]) -> [Double; SIZE] {
    let order = knots.len() - 1;
    let span = (knots[order] - knots[0]) as f64;
    if !p.uneven {
        let mut c = [Double::new(1.0); SIZE];
        for l in 0..=order {
            for r in (0..=order).filter(|&r| r != l) {
                c[l] = c[l] * (Double::new(span) / Double::new((knots[l] - knots[r]) as f64));
            }
        }
        return c;
    }
    let zero = Double::default();
    let (low, high) = (knots[0], knots[order] + order as isize);
    let half = difference(p, high, low) * Double::new(0.5);
    let mut a = [[zero; SIZE]; SIZE];
    for l in 0..=order {
        let mut e = [zero; SIZE];
        e[0] = Double::new(1.0);
        for r in 1..order {
            let s = difference(p, knots[l] + r as isize, low) / half - Double::new(1.0);
            for q in (1..=r).rev() {
                e[q] = e[q] + s * e[q - 1];
            }
        }
        for (row, &v) in a.iter_mut().zip(&e[..order]) {
            row[l] = v;
        }
    }
    null_vector(&mut a, order, order + 1)
}

/// A vector that the `rows × rows + 1` matrix takes to 0, by elimination with complete pivoting over the first `pivots`
/// columns: 1 in the last column, or in the one that is left if all may be pivots.
fn null_vector(a: &mut [[Double; SIZE]; SIZE], rows: usize, pivots: usize) -> [Double; SIZE] {
    let zero = Double::default();
    let mut columns: [usize; SIZE] = core::array::from_fn(|l| l);
    for step in 0..rows {
        let (mut best, mut at) = (0.0, (step, step));
        for r in step..rows {
            for l in step..pivots {
                if a[r][l].hi.abs() > best {
                    (best, at) = (a[r][l].hi.abs(), (r, l));
                }
            }
        }
        a.swap(step, at.0);
        columns.swap(step, at.1);
        for row in a.iter_mut() {
            row.swap(step, at.1);
        }
        for r in step + 1..rows {
            let f = a[r][step] / a[step][step];
            for l in step..=rows {
                a[r][l] = a[r][l] - f * a[step][l];
            }
        }
    }
    let mut v = [zero; SIZE];
    v[rows] = Double::new(1.0);
    for r in (0..rows).rev() {
        let sum = (r + 1..=rows).fold(zero, |s, l| s + a[r][l] * v[l]);
        v[r] = -sum / a[r][r];
    }
    let mut out = [zero; SIZE];
    for (l, &c) in columns.iter().enumerate() {
        out[c] = v[l];
    }
    out
}
