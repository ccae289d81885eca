//! The trend filter restricted to splines with given knots: a small problem, whatever the length of the series.

use std::ops::Range;

use spm_linalg::factor::BandedCholesky;

use crate::problem::Problem;
use crate::space::Space;

/// Interior-point iterations and the relative gap at which they end.
const STEPS: usize = 60;
const TOL: f64 = 1e-13;

/// `min_θ 1/2 θᵀ G θ − mᵀ θ + lambda |J θ|_1`, with `G` and `m` the normal equations of the splines and `J` their jumps at the
/// knots, by a primal-dual interior point (Mehrotra 1992).
///
/// Newton's equations `(G + Jᵀ S J) dθ = g` have a band of K + 1 diagonals, of 2 K + 1 on a ring. The basis of bells makes `G` well conditioned.
/// O(q K²) an iteration for q knots.
#[derive(Debug, Default)]
pub(crate) struct Restricted {
    /// `J` by rows of K + 1 entries, and the functions they belong to.
    rows: Vec<f64>,
    places: Vec<usize>,
    /// Of each piece: 0 where its `D^(k)` is held at 0, otherwise 1.
    slopes: Vec<f64>,
    theta: Vec<f64>,
    step: Vec<f64>,
    band: Vec<f64>,
    /// How far each `v` may go up and down: `lambda`, anywhere towards a sign that the row may not have, nowhere towards one that costs nothing.
    room: [Vec<f64>; 2],
    v: Vec<f64>,
    z: [Vec<f64>; 2],
    dv: Vec<f64>,
    dz: [Vec<f64>; 2],
    second: [Vec<f64>; 2],
    inverse: Vec<f64>,
    cholesky: Option<BandedCholesky<f64>>,
}

impl Restricted {
    /// `signs[l]` ← the sign of the jump at knot `l`, 0 if there is none; `false` if the iteration breaks down.
    pub(crate) fn solve(&mut self, space: &Space, p: &Problem, signs: &mut [f64]) -> bool {
        let (order, lambda) = (p.d.order(), p.lambda);
        let (knots, pieces) = (signs.len(), if p.slope == 0.0 { 0 } else { signs.len() + 1 });
        let count = knots + pieces;
        for (room, side) in self.room.iter_mut().zip([1, 0]) {
            room.clear();
            room.resize(knots, if p.may[side] { lambda } else { f64::INFINITY });
            room.resize(count, if side == 1 { 0.0 } else { f64::INFINITY });
        }
        let (gram, diagonals, moments) = space.equations();
        let (q, width) = (moments.len(), space.width(order));
        space.rows(knots, order, &mut self.rows, &mut self.places);
        for piece in 0..pieces {
            let row = space.slope_row(piece, order);
            self.rows.extend(row[..=order].iter().map(|r| p.slope * r.hi));
            self.places.extend((piece..piece + order).chain([piece]));
        }
        let mut cholesky = match self.cholesky.take() {
            Some(c) => c,
            None => BandedCholesky::new(q, width - 1),
        };
        cholesky.resize(q);
        self.band.clear();
        self.band.resize(q * width, 0.0);
        for list in [&mut self.v, &mut self.dv, &mut self.inverse].into_iter().chain(&mut self.z) {
            list.clear();
            list.resize(count, 0.0);
        }
        for list in self.dz.iter_mut().chain(&mut self.second) {
            list.clear();
            list.resize(count, 0.0);
        }
        self.step.resize(q, 0.0);
        self.theta.clear();
        self.theta.extend_from_slice(moments);
        let equations = Equations { gram, diagonals, moments };
        self.load(&equations, width, 1e-10);
        let found = cholesky.factor(&self.band).is_ok() && {
            cholesky.solve_in_place(&mut self.theta);
            self.iterate(&equations, order, width, &mut cholesky, lambda)
        };
        self.cholesky = Some(cholesky);
        if found {
            self.signs(lambda, 0, signs);
            self.slopes.clear();
            self.slopes.resize(pieces, 0.0);
            let mut slopes = core::mem::take(&mut self.slopes);
            self.signs(lambda, knots, &mut slopes);
            self.slopes = slopes;
        }
        found
    }

    /// The coefficients of the last solution.
    pub(crate) fn coefficients(&self) -> &[f64] {
        &self.theta
    }

    /// Whether `D^(k)` is held at 0 on each piece; nothing if it may have any sign.
    pub(crate) fn flat(&self) -> impl Iterator<Item = bool> {
        self.slopes.iter().map(|s| *s == 0.0)
    }

    /// The jump at knot `l` in the last solution, without its sign.
    pub(crate) fn jump_size(&self, l: usize) -> f64 {
        (self.z[0][l] - self.z[1][l]).abs()
    }

    /// `band ← G`, with `ridge` times the largest entry of its diagonal added to that: functions seen by no datum have nothing there.
    fn load(&mut self, equations: &Equations<'_>, width: usize, ridge: f64) {
        let diagonals = equations.diagonals;
        let gram = equations.gram.chunks_exact(diagonals);
        let largest = gram.clone().fold(0.0, |a: f64, column| a.max(column[0]));
        for (to, from) in self.band.chunks_exact_mut(width).zip(gram) {
            to[..diagonals].copy_from_slice(from);
            to[diagonals..].fill(0.0);
            to[0] += ridge * largest;
        }
    }

    fn jump(&self, l: usize, order: usize, x: &[f64]) -> f64 {
        let row = entries(l, order);
        self.rows[row.clone()].iter().zip(&self.places[row]).map(|(r, &place)| r * x[place]).sum()
    }

    fn iterate(
        &mut self,
        equations: &Equations<'_>,
        order: usize,
        width: usize,
        cholesky: &mut BandedCholesky<f64>,
        lambda: f64,
    ) -> bool {
        let count = self.v.len();
        let mut level = 0.0;
        for l in 0..count {
            let d = self.jump(l, order, &self.theta);
            level += d.abs() / count as f64;
            (self.z[0][l], self.z[1][l]) = (d.max(0.0), (-d).max(0.0));
        }
        let mut pairs = 0.0;
        for side in 0..2 {
            for l in 0..count {
                // A side without a bound has no multiplier.
                let bounded = self.room[side][l] < f64::INFINITY;
                self.z[side][l] = if bounded { self.z[side][l] + level } else { 0.0 };
                pairs += f64::from(u8::from(bounded));
            }
        }
        for l in 0..count {
            let [up, down] = [self.room[0][l], self.room[1][l]];
            self.v[l] = if up == 0.0 {
                -lambda
            } else if down == 0.0 {
                lambda
            } else {
                0.0
            };
        }
        for _ in 0..STEPS {
            let gap = self.complementarity(0.0);
            let size: f64 = self.z.iter().flatten().sum::<f64>() * lambda;
            if gap <= TOL * size {
                return true;
            }
            self.load(equations, width, 0.0);
            for l in 0..count {
                let (s1, s2) = (self.room[0][l] - self.v[l], self.room[1][l] + self.v[l]);
                self.inverse[l] = (self.z[0][l] / s1 + self.z[1][l] / s2).recip();
                let row = entries(l, order);
                let (row, places) = (&self.rows[row.clone()], &self.places[row]);
                for (&r, &column) in row.iter().zip(places) {
                    let ra = self.inverse[l] * r;
                    for (&rb, &place) in row.iter().zip(places) {
                        if let Some(d) = place.checked_sub(column) {
                            self.band[column * width + d] += ra * rb;
                        }
                    }
                }
            }
            if cholesky.factor(&self.band).is_err() {
                // As far as rounding lets it go.
                return gap <= 1e-6 * size;
            }
            let mean = gap / pairs;
            self.second.iter_mut().for_each(|s| s.fill(0.0));
            self.direction(equations, order, 0.0, cholesky);
            let longest = self.longest();
            let after = self.complementarity(longest) / pairs;
            for (side, sign) in [1.0, -1.0].into_iter().enumerate() {
                for l in 0..count {
                    self.second[side][l] = sign * self.dv[l] * self.dz[side][l];
                }
            }
            let target = mean * (after / mean).clamp(0.0, 1.0).powi(3).max(1e-6);
            self.direction(equations, order, target, cholesky);
            let alpha = (0.995 * self.longest()).min(1.0);
            if alpha.is_nan() || alpha <= 1e-10 {
                return gap <= 1e-6 * size;
            }
            for (t, d) in self.theta.iter_mut().zip(&self.step) {
                *t += alpha * d;
            }
            for l in 0..count {
                self.v[l] += alpha * self.dv[l];
                for side in 0..2 {
                    self.z[side][l] += alpha * self.dz[side][l];
                }
            }
        }
        true
    }

    /// `Σ s z` after a step of length `alpha`.
    fn complementarity(&self, alpha: f64) -> f64 {
        let mut sum = 0.0;
        for (side, sign) in [-1.0, 1.0].into_iter().enumerate() {
            for l in 0..self.v.len() {
                let s = self.room[side][l] + sign * (self.v[l] + alpha * self.dv[l]);
                if s < f64::INFINITY {
                    sum += s * (self.z[side][l] + alpha * self.dz[side][l]);
                }
            }
        }
        sum
    }

    /// The largest step in (0, 1] that keeps slacks and multipliers positive.
    fn longest(&self) -> f64 {
        let mut longest = 1.0_f64;
        for (side, sign) in [-1.0, 1.0].into_iter().enumerate() {
            for l in 0..self.v.len() {
                let (s, ds) = (self.room[side][l] + sign * self.v[l], sign * self.dv[l]);
                if s + longest * ds < 0.0 {
                    longest = -s / ds;
                }
                let (z, dz) = (self.z[side][l], self.dz[side][l]);
                if z + longest * dz < 0.0 {
                    longest = -z / dz;
                }
            }
        }
        longest
    }

    /// Newton's direction for `s z = target`, with `second` for `−ds dz`.
    fn direction(
        &mut self,
        equations: &Equations<'_>,
        order: usize,
        target: f64,
        cholesky: &BandedCholesky<f64>,
    ) {
        let count = self.v.len();
        equations.residual(&self.theta, &mut self.step);
        for l in 0..count {
            let (s1, s2) = (self.room[0][l] - self.v[l], self.room[1][l] + self.v[l]);
            let pull = (target + self.second[0][l]) / s1 - (target + self.second[1][l]) / s2;
            self.dv[l] = self.inverse[l] * (self.jump(l, order, &self.theta) - pull);
            let g = self.v[l] + self.dv[l];
            let row = entries(l, order);
            for (r, &place) in self.rows[row.clone()].iter().zip(&self.places[row]) {
                self.step[place] -= g * r;
            }
        }
        cholesky.solve_in_place(&mut self.step);
        for l in 0..count {
            self.dv[l] += self.inverse[l] * self.jump(l, order, &self.step);
            let (s1, s2) = (self.room[0][l] - self.v[l], self.room[1][l] + self.v[l]);
            let (z1, z2, dv) = (self.z[0][l], self.z[1][l], self.dv[l]);
            self.dz[0][l] = (target + self.second[0][l] + z1 * dv) / s1 - z1;
            self.dz[1][l] = (target + self.second[1][l] - z2 * dv) / s2 - z2;
        }
    }

    /// A knot is active if its multiplier is larger against the largest than its slack is against `lambda`.
    fn signs(&self, lambda: f64, first: usize, signs: &mut [f64]) {
        let largest = self.z.iter().flatten().fold(0.0, |a: f64, &z| a.max(z));
        for (l, sign) in (first..).zip(signs) {
            let s = [self.room[0][l] - self.v[l], self.room[1][l] + self.v[l]];
            let side = usize::from(s[1] < s[0]);
            let s = s[side];
            let active = self.z[side][l] * lambda > s * largest;
            *sign = if active { [1.0, -1.0][side] } else { 0.0 };
        }
    }
}

/// Where row `l` of `J` is stored.
fn entries(l: usize, order: usize) -> Range<usize> {
    l * (order + 1)..(l + 1) * (order + 1)
}

/// The normal equations.
struct Equations<'a> {
    gram: &'a [f64],
    diagonals: usize,
    moments: &'a [f64],
}

impl Equations<'_> {
    /// `out ← m − G θ`.
    fn residual(&self, theta: &[f64], out: &mut [f64]) {
        out.copy_from_slice(self.moments);
        for (j, column) in self.gram.chunks_exact(self.diagonals).enumerate() {
            out[j] -= column[0] * theta[j];
            for (d, &g) in column.iter().enumerate().skip(1).take(theta.len() - 1 - j) {
                out[j + d] -= g * theta[j];
                out[j] -= g * theta[j + d];
            }
        }
    }
}
