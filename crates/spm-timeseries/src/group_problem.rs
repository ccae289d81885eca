//! Trend filtering of several channels in the units in which it is solved.

use spm_linalg::factor::BandedCholesky;
use spm_linalg::operator::Difference;
use spm_linalg::{LinalgError, LinearOperator, Scalar, Workspace};
use spm_solvers::{Certificate, SolveError};

use crate::lambda_max::Polynomial;
use crate::problem::{Units, fill, polynomial_dual, power_of_two};

/// `min 1/2 sum w (y - x)^2 + lambda sum_i |(D x)_i|_2`, channel after channel in `f64`: values scaled by their range, weights by their
/// mean, positions by their mean spacing, each to a power of two; 0 in `y` and `w` where a value is missing.
#[derive(Debug)]
pub(crate) struct GroupProblem {
    pub(crate) y: Vec<f64>,
    pub(crate) w: Vec<f64>,
    /// Times, and rows of D.
    pub(crate) n: usize,
    pub(crate) m: usize,
    pub(crate) order: usize,
    pub(crate) lambda: f64,
    t: Vec<f64>,
    d: Difference<f64>,
    /// `DᵀD` by its lower band.
    gram: Vec<f64>,
    /// For each channel, or once for all if their weights agree.
    polynomials: Vec<Polynomial>,
    gaps: Vec<Gaps>,
    /// Objective of one polynomial a channel, the scale of relative gaps; 0 where that fits exactly.
    pub(crate) scale: f64,
    /// What is taken off each channel.
    shift: Vec<f64>,
    pub(crate) units: Units,
    /// A channel's values.
    spare: Vec<f64>,
    work: Workspace,
}

/// Where a channel has no values, and the factor of `DᵀD` restricted to there.
#[derive(Debug)]
struct Gaps {
    places: Vec<usize>,
    factor: BandedCholesky<f64>,
    values: Vec<f64>,
}

impl GroupProblem {
    /// `y` and `w` row after row with 0 where a value is missing.
    pub(crate) fn new<T: Scalar>(
        y: &[T],
        w: &[T],
        channels: usize,
        positions: Option<&[T]>,
        order: usize,
        lambda: f64,
    ) -> Result<Self, LinalgError> {
        let n = y.len() / channels;
        let by_channel = |v: &[T]| -> Vec<f64> {
            (0..channels).flat_map(|c| (0..n).map(move |i| v[i * channels + c].as_f64())).collect()
        };
        let (mut y, mut w) = (by_channel(y), by_channel(w));
        let mut half = 0.0_f64;
        let mut shift = Vec::with_capacity(channels);
        for (y, w) in y.chunks_exact_mut(n).zip(w.chunks_exact(n)) {
            let seen = y.iter().zip(w).filter(|p| *p.1 > 0.0).map(|p| *p.0);
            let (lo, hi, count) = seen.fold((f64::INFINITY, f64::NEG_INFINITY, 0_usize), |(a, b, k), v| {
                (a.min(v), b.max(v), k + 1)
            });
            if count < n.min(order + 1) {
                return Err(LinalgError::InvalidParam {
                    name: "observed values of a channel",
                    expected: "more than the order of the trend",
                    got: count as f64,
                });
            }
            let (mid, wide) = (0.5 * lo + 0.5 * hi, 0.5 * hi - 0.5 * lo);
            let about = if mid.abs() > 4.0 * wide { mid } else { 0.0 };
            for (y, w) in y.iter_mut().zip(w) {
                *y = if *w > 0.0 { *y - about } else { 0.0 };
            }
            half = half.max(wide);
            shift.push(about);
        }
        let scale = if half > 0.0 { power_of_two(half) } else { 1.0 };
        y.iter_mut().for_each(|y| *y /= scale);
        let observed = w.iter().filter(|w| **w > 0.0).count() as f64;
        let weight = power_of_two(w.iter().sum::<f64>() / observed);
        w.iter_mut().for_each(|w| *w /= weight);
        let step = match positions {
            Some(p) if n > 1 => power_of_two((p[n - 1].as_f64() - p[0].as_f64()) / (n - 1) as f64),
            _ => 1.0,
        };
        let t: Vec<f64> =
            (0..n).map(|i| positions.map_or(i as f64, |p| (p[i].as_f64() - p[0].as_f64()) / step)).collect();
        let uneven = t.windows(2).any(|p| p[1] - p[0] != 1.0);
        let d = if uneven { Difference::uneven(&t, order + 1)? } else { Difference::even(n, order + 1)? };
        let (m, width) = (d.nrows(), order + 2);
        let mut gram = vec![0.0; n * width];
        let mut row = vec![0.0; width];
        for j in 0..m {
            d.row_into(j, &mut row);
            for a in 0..width {
                for b in a..width {
                    gram[(j + a) * width + b - a] += row[a] * row[b];
                }
            }
        }
        let alike = w.chunks_exact(n).all(|c| c == &w[..n]);
        let own = if alike { 1 } else { channels };
        let polynomials = w.chunks_exact(n).take(own).map(|w| Polynomial::new(&t, w, order)).collect();
        let gaps: Result<_, LinalgError> =
            w.chunks_exact(n).take(own).map(|w| Gaps::new(w, &gram, width)).collect();
        let units = Units { shift: 0.0, scale, weight, step, first: 0 };
        let mut out = Self {
            n,
            m,
            order,
            lambda: lambda / units.lambda(order),
            t,
            work: Workspace::new(d.scratch()),
            d,
            gram,
            polynomials,
            gaps: gaps?,
            scale: 0.0,
            shift,
            units,
            spare: vec![0.0; n],
            y,
            w,
        };
        let mut x = vec![0.0; out.y.len()];
        out.integrate(&vec![0.0; channels * m], &mut x);
        let rest = |i: usize| if out.w[i] > 0.0 { out.y[i] - x[i] } else { 0.0 };
        // What is left of an exact polynomial is rounding, of values of size 1.
        if (0..x.len()).any(|i| rest(i).abs() > 1e-14) {
            out.scale = (0..x.len()).map(|i| 0.5 * out.w[i] * rest(i) * rest(i)).sum();
        }
        Ok(out)
    }

    pub(crate) fn channels(&self) -> usize {
        self.y.len() / self.n
    }

    /// `max_i |u_i|_2` of `Dᵀ u = w (y − p)` for the polynomial fit: from there on it is the solution.
    pub(crate) fn lambda_max(&mut self) -> f64 {
        if self.scale == 0.0 || self.m == 0 {
            return 0.0;
        }
        let (n, m) = (self.n, self.m);
        let mut x = vec![0.0; self.y.len()];
        self.integrate(&vec![0.0; self.channels() * m], &mut x);
        let uneven = self.d.positions().map(|_| &self.t[..]);
        let mut squares = vec![0.0; m];
        for c in 0..self.channels() {
            let rest = (c * n..(c + 1) * n).map(|i| self.w[i] * (self.y[i] - x[i])).collect();
            for (s, u) in squares.iter_mut().zip(polynomial_dual(rest, uneven, self.order + 1)) {
                *s += u * u;
            }
        }
        squares.iter().fold(0.0, |a: f64, s| a.max(s.sqrt()))
    }

    /// `out ← D x`, channel by channel; D has a row.
    pub(crate) fn differences(&mut self, x: &[f64], out: &mut [f64]) {
        for (x, out) in x.chunks_exact(self.n).zip(out.chunks_exact_mut(self.m)) {
            self.d.apply(x, out, self.work.stack());
        }
    }

    /// `out ← Dᵀ u`, channel by channel.
    pub(crate) fn adjoint(&mut self, u: &[f64], out: &mut [f64]) {
        for (u, out) in u.chunks_exact(self.m).zip(out.chunks_exact_mut(self.n)) {
            self.d.apply_adjoint(u, out, self.work.stack());
        }
    }

    /// Factors `W + rho DᵀD` of every channel, or of all at once; `band` has the size of one.
    pub(crate) fn factor(
        &self,
        rho: f64,
        band: &mut [f64],
        factors: &mut [BandedCholesky<f64>],
    ) -> Result<(), SolveError> {
        let width = self.order + 2;
        for (factor, w) in factors.iter_mut().zip(self.w.chunks_exact(self.n)) {
            for (k, (b, g)) in band.iter_mut().zip(&self.gram).enumerate() {
                *b = rho * g + if k % width == 0 { w[k / width] } else { 0.0 };
            }
            factor.factor(band)?;
        }
        Ok(())
    }

    /// As many factors as [`factor`](Self::factor) makes, and the band it uses.
    pub(crate) fn room(&self) -> (Vec<BandedCholesky<f64>>, Vec<f64>) {
        let one = || BandedCholesky::new(self.n, self.order + 1);
        (self.polynomials.iter().map(|_| one()).collect(), self.gram.clone())
    }

    /// `out ←` the values nearest to `y` with `D x = z`: z integrated, plus a polynomial.
    pub(crate) fn integrate(&mut self, z: &[f64], out: &mut [f64]) {
        let (n, m) = (self.n, self.m);
        for (c, out) in out.chunks_exact_mut(n).enumerate() {
            out.fill(0.0);
            out[n - m..].copy_from_slice(&z[c * m..(c + 1) * m]);
            for level in (0..=self.order).rev() {
                for i in level + 1..n {
                    out[i] += out[i - 1];
                }
                if self.d.positions().is_some() && level > 0 {
                    for i in level..n {
                        out[i] *= (self.t[i] - self.t[i - level]) / level as f64;
                    }
                }
            }
            let of = c * n..(c + 1) * n;
            let polynomial = &self.polynomials[c.min(self.polynomials.len() - 1)];
            polynomial.approach(&self.w[of.clone()], &self.y[of], out, &mut self.spare);
        }
    }

    /// Makes `u` a dual variable, `Dᵀu = 0` where a value is missing and `|u_i| <= lambda`, and `back = Dᵀ u`.
    pub(crate) fn make_feasible(&mut self, u: &mut [f64], back: &mut [f64]) {
        let (n, m) = (self.n, self.m);
        self.adjoint(u, back);
        // The nearest with no force where there is no value.
        for c in 0..self.channels() {
            let which = c.min(self.gaps.len() - 1);
            let gaps = &mut self.gaps[which];
            if gaps.places.is_empty() {
                continue;
            }
            let back = &mut back[c * n..(c + 1) * n];
            for (v, &i) in gaps.values.iter_mut().zip(&gaps.places) {
                *v = back[i];
            }
            gaps.factor.solve_in_place(&mut gaps.values);
            self.spare.fill(0.0);
            for (v, &i) in gaps.values.iter().zip(&gaps.places) {
                self.spare[i] = *v;
            }
            // `D` of it, in place of the force; one channel fits.
            let forced = &mut back[..m];
            self.d.apply(&self.spare, forced, self.work.stack());
            u[c * m..(c + 1) * m].iter_mut().zip(&*forced).for_each(|(u, f)| *u -= f);
        }
        let norm = |i: usize| (i..u.len()).step_by(m).map(|k| u[k] * u[k]).sum::<f64>().sqrt();
        let largest = (0..m).map(norm).fold(0.0, f64::max);
        if largest > self.lambda {
            let shrink = self.lambda / largest;
            u.iter_mut().for_each(|u| *u *= shrink);
        }
        self.adjoint(u, back);
    }

    /// Objective and bound at `x` with `D x = z`, and a feasible `u`; `back = Dᵀ u`.
    pub(crate) fn certificate(&self, x: &[f64], z: &[f64], u: &[f64], back: &[f64]) -> Certificate<f64> {
        let m = self.m;
        let (mut primal, mut gap) = (0.0, 0.0);
        for i in 0..m {
            let (mut square, mut product) = (0.0, 0.0);
            for k in (i..z.len()).step_by(m) {
                square += z[k] * z[k];
                product += u[k] * z[k];
            }
            primal += self.lambda * square.sqrt();
            gap += self.lambda * square.sqrt() - product;
        }
        for (i, (x, b)) in x.iter().zip(back).enumerate() {
            let (w, y) = (self.w[i], self.y[i]);
            if w > 0.0 {
                primal += 0.5 * w * (y - x) * (y - x);
                gap += 0.5 * w * (y - x - b / w) * (y - x - b / w);
            } else {
                // What rounding leaves of a force on nothing.
                gap += (b * x).abs();
            }
        }
        Certificate::new(primal, primal - gap)
    }

    /// The data with linear interpolation where they are missing, channel after channel.
    pub(crate) fn filled(&self) -> Vec<f64> {
        let mut y = self.y.clone();
        for (y, w) in y.chunks_exact_mut(self.n).zip(self.w.chunks_exact(self.n)) {
            fill(y, w, &self.t);
        }
        y
    }

    /// `x` in the units and the layout of the data.
    pub(crate) fn write<T: Scalar>(&self, x: &[f64]) -> Vec<T> {
        let p = self.channels();
        let value = |k: usize| T::of(self.shift[k % p] + self.units.scale * x[k % p * self.n + k / p]);
        (0..x.len()).map(value).collect()
    }
}

impl Gaps {
    fn new(w: &[f64], gram: &[f64], width: usize) -> Result<Self, LinalgError> {
        let places: Vec<usize> = (0..w.len()).filter(|&i| w[i] == 0.0).collect();
        let mut band = vec![0.0; places.len() * width];
        for (a, &i) in places.iter().enumerate() {
            for (b, &j) in places.iter().enumerate().skip(a).take_while(|p| *p.1 < i + width) {
                band[a * width + b - a] = gram[i * width + j - i];
            }
        }
        let mut factor = BandedCholesky::new(places.len(), width - 1);
        factor.factor(&band)?;
        Ok(Self { values: vec![0.0; places.len()], places, factor })
    }
}
