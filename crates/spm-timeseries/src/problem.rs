//! The trend filtering problem in the units in which it is solved.

use spm_linalg::operator::Difference;
use spm_linalg::{LinalgError, LinearOperator, Scalar};

use crate::lambda_max::Polynomial;

/// `min 1/2 sum w (y - x)^2 + lambda |D x|_1` with `D = D^(k+1)`, in `f64`: values scaled by their range,
/// weights by their mean, positions by their mean spacing, each to a power of two, missing ends cut off.
///
/// Scaling makes every tolerance inside free of units; `f32` data are solved in `f64` because differences of order
/// two and more leave no digits otherwise.
#[derive(Debug)]
pub(crate) struct Problem {
    pub(crate) y: Vec<f64>,
    pub(crate) w: Vec<f64>,
    pub(crate) d: Difference<f64>,
    /// Row `j` of `D`, columns `j ..= j + k + 1`, at `[j (k + 2)]`.
    pub(crate) rows: Vec<f64>,
    pub(crate) lambda: f64,
    /// Positions in these units.
    pub(crate) t: Vec<f64>,
    pub(crate) uneven: bool,
    /// Whether the last value is a neighbour of the first, see [`ring`](Self::ring).
    pub(crate) ring: bool,
    /// Positions of the unobserved ends.
    pub(crate) head: Vec<f64>,
    pub(crate) tail: Vec<f64>,
    /// The weighted least-squares polynomial of degree k.
    pub(crate) poly: Vec<f64>,
    /// The largest |u| of the dual of the polynomial fit: at or above it the polynomial is the solution.
    pub(crate) lambda_max: f64,
    /// Residuals beyond this count linearly (Huber); infinite for squared errors.
    pub(crate) delta: f64,
    /// The signs that `D x` may have, `[negative, positive]`.
    pub(crate) may: [bool; 2],
    /// The sign that `D^(k) x` must have, 0 for any: the k-th derivative, whose jumps are penalised.
    pub(crate) slope: f64,
    pub(crate) units: Units,
}

/// How to get back to the units of the data.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Units {
    pub(crate) shift: f64,
    pub(crate) scale: f64,
    pub(crate) weight: f64,
    pub(crate) step: f64,
    /// The first observed index.
    pub(crate) first: usize,
}

impl Units {
    /// The factor of an objective.
    pub(crate) fn objective(self) -> f64 {
        self.weight * self.scale * self.scale
    }
    /// The factor of `lambda` for order `k`.
    pub(crate) fn lambda(self, k: usize) -> f64 {
        self.weight * self.scale * self.step.powi(k as i32)
    }
    /// The factor of `D x` for order `k`.
    pub(crate) fn jump(self, k: usize) -> f64 {
        self.scale * self.step.powi(-(k as i32))
    }
}

impl Problem {
    /// Order `k >= 0`; `y`, `w` have 0 where a value is missing and at least one positive weight; positions
    /// strictly increasing.
    pub(crate) fn new<T: Scalar>(
        y: &[T],
        w: &[T],
        positions: Option<&[T]>,
        k: usize,
        lambda: f64,
    ) -> Result<Self, LinalgError> {
        let seen = |i: &usize| w[*i] > T::zero();
        let first = (0..w.len()).find(seen).unwrap_or(0);
        let last = (0..w.len()).rev().find(seen).unwrap_or(0);
        let (total, n) = (w.len(), last + 1 - first);
        let mut w: Vec<f64> = w[first..=last].iter().map(|v| v.as_f64()).collect();
        let mut y: Vec<f64> = y[first..=last].iter().map(|v| v.as_f64()).collect();
        let observed = w.iter().filter(|v| **v > 0.0).count() as f64;
        let weight = power_of_two(w.iter().sum::<f64>() / observed);
        for v in &mut w {
            *v /= weight;
        }
        let (lo, hi) = y
            .iter()
            .zip(&w)
            .filter(|(_, w)| **w > 0.0)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), (v, _)| (a.min(*v), b.max(*v)));
        // Where the values are large against their range, the differences from their middle are exact.
        let (mid, half) = (0.5 * lo + 0.5 * hi, 0.5 * hi - 0.5 * lo);
        let shift = if mid.abs() > 4.0 * half { mid } else { 0.0 };
        let scale = if half > 0.0 { power_of_two(half) } else { 1.0 };
        for (v, w) in y.iter_mut().zip(&w) {
            *v = if *w > 0.0 { (*v - shift) / scale } else { 0.0 };
        }
        let step = match positions {
            Some(p) if n > 1 => power_of_two((p[last].as_f64() - p[first].as_f64()) / (n - 1) as f64),
            _ => 1.0,
        };
        let place = |i: usize| positions.map_or((i as f64) - (first as f64), |p| p[i].as_f64() / step);
        let t: Vec<f64> = (first..=last).map(place).collect();
        let head: Vec<f64> = (0..first).map(place).collect();
        let tail: Vec<f64> = (last + 1..total).map(place).collect();
        let uneven = t.windows(2).any(|p| p[1] - p[0] != 1.0);
        let d = if uneven { Difference::uneven(&t, k + 1)? } else { Difference::even(n, k + 1)? };
        let width = k + 2;
        let mut rows = vec![0.0; d.nrows() * width];
        for (j, row) in rows.chunks_exact_mut(width).enumerate() {
            d.row_into(j, row);
        }
        let units = Units { shift, scale, weight, step, first };
        let mut poly = vec![0.0; n];
        Polynomial::new(&t, &w, k).approach(&w, &y, &mut poly, &mut vec![0.0; n]);
        let mut out = Self {
            y,
            w,
            d,
            rows,
            lambda: 0.0,
            t,
            uneven,
            ring: false,
            head,
            tail,
            poly,
            lambda_max: 0.0,
            delta: f64::INFINITY,
            may: [true; 2],
            slope: 0.0,
            units,
        };
        // An exact polynomial: what is left is rounding, of values of size 1.
        let exact = (0..n).all(|i| out.w[i] == 0.0 || (out.y[i] - out.poly[i]).abs() <= 1e-14);
        out.lambda_max = if exact { 0.0 } else { out.largest_dual() };
        out.lambda = lambda / units.lambda(k);
        Ok(out)
    }

    /// With the Huber loss of threshold `delta` in the data's units, and with `D x` held to the signs in `may`.
    pub(crate) fn with(mut self, delta: f64, may: [bool; 2]) -> Self {
        self.delta = delta / self.units.scale;
        self.may = may;
        self
    }

    /// With `D^(k) x` held to a sign: where that of the polynomial is another, it becomes the one of a degree less.
    pub(crate) fn with_slope(mut self, slope: f64) -> Self {
        let k = self.k();
        let n = self.poly.len();
        self.slope = if n > k { slope } else { 0.0 };
        if self.slope != 0.0 {
            let mut d = self.poly.clone();
            for l in 0..k {
                for i in 0..n - 1 - l {
                    d[i] = (d[i + 1] - d[i]) / (self.t[i + l + 1] - self.t[i]);
                }
            }
            if d[0] * slope < 0.0 {
                self.poly.fill(0.0);
                Polynomial::new(&self.t, &self.w, k - 1).approach(
                    &self.w,
                    &self.y,
                    &mut self.poly,
                    &mut vec![0.0; n],
                );
                // 0 is for data that this fits exactly.
                let exact = self.null_objective() == 0.0;
                self.lambda_max = if exact { 0.0 } else { self.lambda_max.max(f64::MIN_POSITIVE) };
            }
        }
        self
    }

    /// Whether this is plain trend filtering: squared errors, `D x` of any sign.
    pub(crate) fn is_plain(&self) -> bool {
        self.delta == f64::INFINITY && self.may == [true; 2] && self.slope == 0.0
    }

    /// How far `u` is beyond what `|D x|` allows, with its sign; a sign that `D x` may not have bounds nothing.
    pub(crate) fn beyond(&self, u: f64) -> f64 {
        if self.may[usize::from(u > 0.0)] { (u.abs() - self.lambda).max(0.0).copysign(u) } else { 0.0 }
    }

    /// The order k of the trend.
    pub(crate) fn k(&self) -> usize {
        self.d.order() - 1
    }

    pub(crate) fn m(&self) -> usize {
        self.d.nrows()
    }

    /// `max |u|` of `Dᵀ u = w (y − p)`.
    fn largest_dual(&self) -> f64 {
        let rest = (0..self.y.len()).map(|i| self.w[i] * (self.y[i] - self.poly[i])).collect();
        let t = self.uneven.then_some(&self.t[..]);
        polynomial_dual(rest, t, self.d.order()).iter().fold(0.0, |a, v| f64::max(a, v.abs()))
    }

    /// The objective of the polynomial fit, the scale of relative gaps.
    pub(crate) fn null_objective(&self) -> f64 {
        let loss = |d: f64| {
            let near = d.abs().min(self.delta);
            0.5 * near * near + near * (d.abs() - near)
        };
        (0..self.y.len()).map(|i| self.w[i] * loss(self.y[i] - self.poly[i])).sum()
    }

    /// The values with linear interpolation where they are missing.
    pub(crate) fn filled(&self) -> Vec<f64> {
        let mut y = self.y.clone();
        if self.ring {
            // From an observed value round to it again.
            let (n, first) = (y.len(), self.w.iter().position(|w| *w > 0.0).unwrap_or(0));
            let around = |v: &[f64]| -> Vec<f64> { (0..=n).map(|i| v[(first + i) % n]).collect() };
            let t: Vec<f64> = (0..=n).map(|i| i as f64).collect();
            y = around(&y);
            fill(&mut y, &around(&self.w), &t);
            y.pop();
            y.rotate_right(first);
            return y;
        }
        fill(&mut y, &self.w, &self.t);
        y
    }

    /// `out ←` the series in the data's units, its unobserved ends continued without a bend.
    pub(crate) fn write<T: Scalar>(&self, x: &[f64], out: &mut [T]) {
        let (u, n) = (self.units, x.len());
        let to = |v: f64| T::of(u.shift + u.scale * v);
        for (o, &v) in out[u.first..].iter_mut().zip(x) {
            *o = to(v);
        }
        let anchors = n.min(self.d.order());
        for (i, &s) in self.head.iter().enumerate() {
            out[i] = to(extrapolate(&self.t[..anchors], &x[..anchors], s));
        }
        for (i, &s) in self.tail.iter().enumerate() {
            out[u.first + n + i] = to(extrapolate(&self.t[n - anchors..], &x[n - anchors..], s));
        }
    }
}

/// The solution of `Dᵀ u = rest` for differences of the given order, `rest` orthogonal to the polynomials below it: cumulative sums,
/// from both ends so that rounding grows over half the length.
pub(crate) fn polynomial_dual(rest: Vec<f64>, uneven: Option<&[f64]>, order: usize) -> Vec<f64> {
    let n = rest.len();
    let m = n.saturating_sub(order);
    if m == 0 {
        return Vec::new();
    }
    let (mut left, mut right) = (rest.clone(), rest);
    for j in 1..=order {
        // Undo the adjoint of D^(1): v_i = −Σ_{l<=i} r_l = Σ_{l>i} r_l; then the factors of order j.
        let len = n - j;
        let mut sum = 0.0;
        for v in &mut left[..len] {
            sum -= *v;
            *v = sum;
        }
        let mut sum = 0.0;
        for i in (0..len).rev() {
            sum += right[i + 1];
            right[i + 1] = sum;
        }
        right.copy_within(1..=len, 0);
        if let Some(t) = uneven.filter(|_| j < order) {
            for i in 0..len {
                let s = (t[i + j] - t[i]) / j as f64;
                left[i] *= s;
                right[i] *= s;
            }
        }
    }
    left.truncate(m);
    left[m / 2..].copy_from_slice(&right[m / 2..m]);
    left
}

/// The interpolating polynomial at `s` (Lagrange).
fn extrapolate(t: &[f64], x: &[f64], s: f64) -> f64 {
    let term = |i: usize| {
        let others = (0..t.len()).filter(|&j| j != i);
        x[i] * others.map(|j| (s - t[j]) / (t[i] - t[j])).product::<f64>()
    };
    (0..t.len()).map(term).sum()
}

/// Linear interpolation where the weight is 0; beyond the first and the last observed value, that value.
pub(crate) fn fill(y: &mut [f64], w: &[f64], t: &[f64]) {
    let mut left = None;
    for i in (0..y.len()).filter(|&i| w[i] > 0.0) {
        for j in left.map_or(0, |l| l + 1)..i {
            y[j] = match left {
                Some(l) => {
                    let s = (t[j] - t[l]) / (t[i] - t[l]);
                    (1.0 - s) * y[l] + s * y[i]
                }
                None => y[i],
            };
        }
        left = Some(i);
    }
    if let Some(l) = left {
        let last = y[l];
        y[l..].fill(last);
    }
}

/// The power of two next to a positive number: scaling by it is exact.
pub(crate) fn power_of_two(v: f64) -> f64 {
    v.log2().round().exp2()
}
