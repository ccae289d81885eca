//! The space of discrete splines with given knots, in a basis of bells, and least squares in it.
//!
//! `D x` vanishes outside the knots exactly when `x` is such a spline. In this basis the least-squares fit is well
//! conditioned whatever `lambda` and n are, and the jumps at the knots are known without differencing `x`.

use spm_linalg::factor::BandedCholesky;

use crate::double::Double;
use crate::problem::Problem;

/// The highest order of a trend filter.
pub(crate) const MAX_ORDER: usize = 5;
const SIZE: usize = MAX_ORDER + 2;

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
    theta: Vec<f64>,
    rhs: Vec<f64>,
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
            rhs: Vec::with_capacity(most),
        }
    }

    /// `x ←` the spline with the given knots (rows of `D`, increasing) that minimises
    /// `1/2 sum w (y - x)^2 + lambda sum sign · (D x)[knot]`; `jump[l]` ← `(D x)[knot l]`. O(n K²).
    ///
    /// Where too many values are missing, the data don't determine a spline with these knots: then returns `false`, and
    /// [`dependent_knots`](Self::dependent_knots) names candidates to drop.
    pub(crate) fn fit(
        &mut self,
        p: &Problem,
        knots: &[usize],
        signs: &[f64],
        x: &mut [f64],
        jump: &mut [f64],
    ) -> bool {
        let order = p.d.order();
        self.build(p, knots);
        let q = knots.len() + order;
        self.gram.clear();
        self.gram.resize(q * order, 0.0);
        for i in 0..x.len() {
            let b = &self.values[i * order..][..order];
            for a in 0..order.min(q - self.first[i]) {
                let wa = p.w[i] * b[a];
                let column = &mut self.gram[(self.first[i] + a) * order..][..order - a];
                for (g, &v) in column.iter_mut().zip(&b[a..]) {
                    *g += wa * v;
                }
            }
        }
        self.cholesky.resize(q);
        self.dependent.clear();
        self.cholesky.factor_semidefinite(&self.gram, 1e-13, &mut self.dependent);
        if !self.dependent.is_empty() {
            return false;
        }
        self.theta.clear();
        self.theta.resize(q, 0.0);
        x.fill(0.0);
        // The first pass solves, the others correct what rounding left.
        for _ in 0..3 {
            self.rhs.clear();
            self.rhs.resize(q, 0.0);
            for i in 0..x.len() {
                let r = p.w[i] * (p.y[i] - x[i]);
                let b = &self.values[i * order..][..order];
                for (g, &v) in self.rhs[self.first[i]..].iter_mut().zip(b) {
                    *g += r * v;
                }
            }
            for j in 0..q {
                for l in 0..=order {
                    // Only real knots are penalised.
                    if (order..order + knots.len()).contains(&(j + l)) {
                        self.rhs[j] -= p.lambda * signs[j + l - order] * self.jumps[j * (order + 1) + l].hi;
                    }
                }
            }
            self.cholesky.solve_in_place(&mut self.rhs);
            for (t, d) in self.theta.iter_mut().zip(&self.rhs) {
                *t += d;
            }
            for i in 0..x.len() {
                let b = &self.values[i * order..][..order];
                x[i] = b.iter().zip(&self.theta[self.first[i]..]).map(|(v, t)| v * t).sum();
            }
        }
        jump.fill(0.0);
        for j in 0..q {
            for l in 0..=order {
                if (order..order + knots.len()).contains(&(j + l)) {
                    jump[j + l - order] += self.theta[j] * self.jumps[j * (order + 1) + l].hi;
                }
            }
        }
        true
    }

    /// For each function that depends on those before it, the range of the knots (as counted in the last fit) it has.
    pub(crate) fn dependent_knots(&self, order: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
        let real = self.knots.len() - 2 * order;
        self.dependent.iter().map(move |&j| j.saturating_sub(order).min(real)..(j + 1).min(real))
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
            let mut state = [0.0; SIZE];
            let (mut next, mut peak) = (0, 0.0_f64);
            for i in from..to {
                // The values of D^(l) at the row that ends at point i, from order K down to 0.
                let mut v = 0.0;
                if window[next] + k == i as isize {
                    v = c[next].hi;
                    next += 1;
                }
                for l in (1..order).rev() {
                    state[l] += v;
                    v = if p.uneven { state[l] * gap(p, i, l).hi } else { state[l] };
                }
                state[0] += v;
                peak = peak.max(state[0].abs());
                self.values[i * order + j - self.first[i]] = state[0];
            }
            // A power of two, so that scaling is exact.
            let scale = if peak > 0.0 { (-peak.log2().round()).exp2() } else { 1.0 };
            for i in from..to {
                self.values[i * order + j - self.first[i]] *= scale;
            }
            self.jumps.extend(c[..=order].iter().map(|&v| v * Double::new(scale)));
        }
    }

    /// `x ←` the last fit once more, correctly rounded: `D x` off the knots is then what rounding `x` makes of 0.
    pub(crate) fn evaluate(&mut self, p: &Problem, sum: &mut [Double], x: &mut [f64]) {
        let (n, order) = (x.len(), p.d.order());
        sum.fill(Double::default());
        for (j, &theta) in self.theta.iter().enumerate() {
            let window = &self.knots[j..=j + order];
            let (from, to) = support(window, n);
            let mut state = [Double::default(); SIZE];
            let mut next = 0;
            for i in from..to {
                let mut v = Double::default();
                if window[next] + order as isize == i as isize {
                    v = self.jumps[j * (order + 1) + next] * Double::new(theta);
                    next += 1;
                }
                for l in (1..order).rev() {
                    state[l] = state[l] + v;
                    v = if p.uneven { state[l] * gap(p, i, l) } else { state[l] };
                }
                state[0] = state[0] + v;
                sum[i] = sum[i] + state[0];
            }
        }
        for (x, s) in x.iter_mut().zip(sum) {
            *x = s.hi;
        }
    }
}

/// The points where a function with these knots is nonzero.
fn support(window: &[isize], n: usize) -> (usize, usize) {
    let order = window.len() - 1;
    ((window[0] + order as isize) as usize, ((window[order] + 1).max(0) as usize).min(n))
}

/// `(t[i] − t[i − l]) / l`.
fn gap(p: &Problem, i: usize, l: usize) -> Double {
    let d = difference(p, i as isize, i as isize - l as isize);
    if l == 1 { d } else { d / Double::new(l as f64) }
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
fn moments_vanish(p: &Problem, knots: &[isize]) -> [Double; SIZE] {
    let order = knots.len() - 1;
    let span = (knots[order] - knots[0]) as f64;
    let mut c = [Double::new(1.0); SIZE];
    if !p.uneven {
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
    // Elimination with complete pivoting; the column that is left is the free unknown.
    let mut columns: [usize; SIZE] = core::array::from_fn(|l| l);
    for step in 0..order {
        let (mut best, mut at) = (0.0, (step, step));
        for r in step..order {
            for l in step..=order {
                if a[r][l].hi.abs() > best {
                    (best, at) = (a[r][l].hi.abs(), (r, l));
                }
            }
        }
        a.swap(step, at.0);
        columns.swap(step, at.1);
        for row in &mut a {
            row.swap(step, at.1);
        }
        for r in step + 1..order {
            let f = a[r][step] / a[step][step];
            for l in step..=order {
                a[r][l] = a[r][l] - f * a[step][l];
            }
        }
    }
    let mut v = [zero; SIZE];
    v[order] = Double::new(1.0);
    for r in (0..order).rev() {
        let sum = (r + 1..=order).fold(zero, |s, l| s + a[r][l] * v[l]);
        v[r] = -sum / a[r][r];
    }
    for l in 0..=order {
        c[columns[l]] = v[l];
    }
    c
}
