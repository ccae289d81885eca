//! The trend filter's dual by an interior-point method, made exact on the knots it finds.

use spm_linalg::factor::BandedQr;
use spm_linalg::{LinearOperator, Scalar, Workspace};
use spm_solvers::{Certificate, Iteration, Progress, SolveError};

use crate::double::Double;
use crate::problem::Problem;
use crate::spline::SplineSpace;

/// Weight of a missing value in the Newton equations, relative to the mean; the refit uses 0.
const MISSING: f64 = 1e-8;
/// Attempts at the exact knots in one iteration.
const ROUNDS: usize = 6;
/// Attempts at dropping knots that the data don't determine.
const DROPS: usize = 8;

/// Primal-dual interior point on `min_u 1/2 |W^{1/2} y - W^{-1/2} D' u|^2, |u| <= lambda`, then an active-set refit.
///
/// Newton's equations `(D W⁻¹ Dᵀ + J) du = g` are solved as the least-squares problem they come from, by a banded QR:
/// the error grows with the root of their condition number. Predictor and corrector share the factorisation
/// (Mehrotra 1992). As soon as the barrier gap is small, the rows with a multiplier stiffer than the problem are
/// taken as knots, the spline with these knots is fitted (signs fixed), the dual is completed by least squares, and
/// knots of the wrong sign are dropped and peaks of `|u|` beyond lambda added. Each attempt has a duality gap, built
/// from `x` alone; the best attempt is the iterate.
///
/// Source: Kim, Koh, Boyd and Gorinevsky 2009, *l1 trend filtering*, section 6.
#[derive(Debug)]
pub(crate) struct DualInteriorPoint<T> {
    p: Problem,
    out: Vec<T>,
    iter: usize,
    /// Rounding has taken over: further steps change nothing.
    exhausted: bool,
    /// How many plain steps are left, and how many there were after the last poor predictor-corrector step.
    plain: usize,
    patience: usize,
    u: Vec<f64>,
    /// Slacks of `u <= lambda` and `-u <= lambda`, and their multipliers.
    slack: [Vec<f64>; 2],
    mult: [Vec<f64>; 2],
    /// `D W⁻¹ Dᵀ` on the diagonal: how stiff the problem is in one entry of `u`.
    stiffness: Vec<f64>,
    /// `1 / sqrt(w)`, missing values at [`MISSING`].
    inv_sqrt_w: Vec<f64>,
    y: Vec<f64>,
    damping: Vec<f64>,
    inv_slack: [Vec<f64>; 2],
    /// The direction, and the second-order terms of the corrector.
    du: Vec<f64>,
    dz: [Vec<f64>; 2],
    second: [Vec<f64>; 2],
    point: Vec<f64>,
    qr: BandedQr<f64>,
    stack: Workspace,
    refit: Refit,
    best: Attempt,
}

/// A candidate solution with its certificate, in the problem's units.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) x: Vec<f64>,
    pub(crate) knots: Vec<usize>,
    pub(crate) jumps: Vec<f64>,
    pub(crate) primal: f64,
    pub(crate) gap: f64,
}

#[derive(Debug)]
struct Refit {
    spline: SplineSpace,
    knots: Vec<usize>,
    signs: Vec<f64>,
    jumps: Vec<f64>,
    x: Vec<f64>,
    u: Vec<f64>,
    rest: Vec<f64>,
    sum: Vec<Double>,
    /// The sign of row j if it is a knot, 0 otherwise.
    fixed: Vec<f64>,
}

impl<T: Scalar> DualInteriorPoint<T> {
    /// Starts at `u = 0`. `p` has at least one row, `0 < lambda < lambda_max` and `n >= 2`. `n_out` is the length of the
    /// user's series. O(n).
    pub(crate) fn new(p: Problem, n_out: usize) -> Self {
        let (n, m, width) = (p.y.len(), p.m(), p.d.order() + 1);
        let inv_sqrt_w: Vec<f64> =
            p.w.iter().map(|&w| if w > 0.0 { w } else { MISSING }.sqrt().recip()).collect();
        let stiffness = (0..m)
            .map(|j| (0..width).map(|l| (p.rows[j * width + l] * inv_sqrt_w[j + l]).powi(2)).sum())
            .collect();
        let y = p.filled();
        let mut stack = Workspace::new(p.d.scratch());
        let mut jumps = vec![0.0; m];
        p.d.apply(&y, &mut jumps, stack.stack());
        // z1 − z2 = D y makes u = 0 dual feasible.
        let level = jumps.iter().map(|v| v.abs()).sum::<f64>() / m as f64;
        let mult = [1.0, -1.0].map(|s| jumps.iter().map(|&v| f64::max(s * v, 0.0) + level).collect());
        let refit = Refit {
            spline: SplineSpace::new(&p),
            knots: Vec::with_capacity(m),
            signs: Vec::with_capacity(m),
            jumps: Vec::with_capacity(m),
            x: vec![0.0; n],
            u: vec![0.0; m],
            rest: vec![0.0; n],
            sum: vec![Double::default(); n],
            fixed: vec![0.0; m],
        };
        let best = Attempt {
            x: p.poly.clone(),
            knots: Vec::with_capacity(m),
            jumps: Vec::with_capacity(m),
            primal: p.null_objective(),
            gap: p.null_objective(),
        };
        let mut out = Self {
            out: vec![T::zero(); n_out],
            iter: 0,
            exhausted: false,
            plain: 0,
            patience: 1,
            u: vec![0.0; m],
            slack: [vec![p.lambda; m], vec![p.lambda; m]],
            mult,
            stiffness,
            inv_sqrt_w,
            y,
            damping: vec![0.0; m],
            inv_slack: [vec![0.0; m], vec![0.0; m]],
            du: vec![0.0; m],
            dz: [vec![0.0; m], vec![0.0; m]],
            second: [vec![0.0; m], vec![0.0; m]],
            point: vec![0.0; n],
            qr: BandedQr::new(n, m, width),
            stack,
            refit,
            best,
            p,
        };
        out.p.write(&out.best.x, &mut out.out);
        out
    }

    pub(crate) fn problem(&self) -> &Problem {
        &self.p
    }

    pub(crate) fn best(&self) -> &Attempt {
        &self.best
    }

    /// Solves Newton's equations for `s z + ds dz = target`, with `second` for `-ds dz`: the directions `du`, `dz`.
    fn direction(&mut self, target: f64) -> Result<(), SolveError> {
        for j in 0..self.u.len() {
            let t = [target + self.second[0][j], target + self.second[1][j]];
            // The damped row: sqrt(J) du ≈ g / sqrt(J).
            self.du[j] = (t[1] * self.inv_slack[1][j] - t[0] * self.inv_slack[0][j]) / self.damping[j];
        }
        self.qr.solve(&self.point, &mut self.du).map_err(SolveError::Linalg)?;
        // The linearised complementarity with ds = (−du, du).
        for (side, sign) in [1.0, -1.0].into_iter().enumerate() {
            let (z, inv, second) = (&self.mult[side], &self.inv_slack[side], &self.second[side]);
            for (j, dz) in self.dz[side].iter_mut().enumerate() {
                *dz = (target + second[j] + sign * z[j] * self.du[j]) * inv[j] - z[j];
            }
        }
        Ok(())
    }

    /// The largest step in (0, 1] that keeps slacks and multipliers positive.
    fn longest(&self) -> f64 {
        let mut longest = 1.0_f64;
        for (side, sign) in [-1.0, 1.0].into_iter().enumerate() {
            let (s, z, dz) = (&self.slack[side], &self.mult[side], &self.dz[side]);
            for j in 0..self.du.len() {
                let ds = sign * self.du[j];
                if s[j] + longest * ds < 0.0 {
                    longest = -s[j] / ds;
                }
                if z[j] + longest * dz[j] < 0.0 {
                    longest = -z[j] / dz[j];
                }
            }
        }
        longest
    }

    fn barrier_gap(&self) -> f64 {
        let [s1, s2] = &self.slack;
        let [z1, z2] = &self.mult;
        spm_linalg::vecops::dot(s1, z1) + spm_linalg::vecops::dot(s2, z2)
    }

    /// The barrier gap after a step of length `alpha`.
    fn gap_after(&self, alpha: f64) -> f64 {
        let mut after = 0.0;
        for (side, sign) in [-1.0, 1.0].into_iter().enumerate() {
            let (s, z, dz) = (&self.slack[side], &self.mult[side], &self.dz[side]);
            for j in 0..self.du.len() {
                after += (s[j] + alpha * sign * self.du[j]) * (z[j] + alpha * dz[j]);
            }
        }
        after
    }

    fn newton(&mut self) -> Result<(), SolveError> {
        let (m, width) = (self.u.len(), self.p.d.order() + 1);
        self.p.d.apply_adjoint(&self.u, &mut self.point, self.stack.stack());
        for (i, v) in self.point.iter_mut().enumerate() {
            let s = self.inv_sqrt_w[i];
            *v = self.y[i] / s - s * *v;
        }
        for side in 0..2 {
            for (inv, s) in self.inv_slack[side].iter_mut().zip(&self.slack[side]) {
                *inv = s.recip();
            }
            self.second[side].fill(0.0);
        }
        for j in 0..m {
            let stiff = self.mult[0][j] * self.inv_slack[0][j] + self.mult[1][j] * self.inv_slack[1][j];
            self.damping[j] = stiff.sqrt();
        }
        let (rows, inv) = (&self.p.rows, &self.inv_sqrt_w);
        self.qr.factor(&self.damping, |i, out| adjoint_row(rows, width, m, i, inv[i], out));
        let mean = self.barrier_gap() / (2 * m) as f64;
        // Second-order terms can cycle between two knots: after a poor step plain ones, each time more of them.
        let corrector = self.plain == 0;
        let mut target = 0.2 * mean;
        if corrector {
            self.direction(0.0)?;
            let after = self.gap_after(self.longest()) / (2 * m) as f64;
            target = mean * (after / mean).clamp(0.0, 1.0).powi(3).max(1e-6);
            for (side, sign) in [1.0, -1.0].into_iter().enumerate() {
                for j in 0..m {
                    self.second[side][j] = sign * self.du[j] * self.dz[side][j];
                }
            }
        }
        self.direction(target)?;
        let alpha = (0.995 * self.longest()).min(1.0);
        for (side, sign) in [-1.0, 1.0].into_iter().enumerate() {
            for j in 0..m {
                let s = self.slack[side][j] + alpha * sign * self.du[j];
                self.slack[side][j] = s.max(f64::MIN_POSITIVE);
                let z = self.mult[side][j] + alpha * self.dz[side][j];
                self.mult[side][j] = z.max(f64::MIN_POSITIVE);
            }
        }
        for j in 0..m {
            // The smaller slack is the exact one.
            let (s1, s2) = (self.slack[0][j], self.slack[1][j]);
            self.u[j] = if s1 < s2 { self.p.lambda - s1 } else { s2 - self.p.lambda };
        }
        if !corrector {
            self.plain -= 1;
        } else if self.barrier_gap() > mean * (2 * m) as f64 {
            self.patience *= 2;
            self.plain = self.patience;
        }
        Ok(())
    }

    /// Guesses the knots and corrects them, keeping the attempt with the smallest gap.
    fn refit(&mut self) {
        // Complementary pairs in units of the largest multiplier and of lambda; and how stiff the problem is there.
        let largest = self.mult.iter().flatten().fold(0.0, |a: f64, &z| a.max(z));
        for j in 0..self.u.len() {
            let z = self.mult[0][j] / self.slack[0][j] + self.mult[1][j] / self.slack[1][j];
            let threshold = (self.stiffness[j] * largest / self.p.lambda).sqrt();
            self.refit.fixed[j] = if z > threshold { self.u[j].signum() } else { 0.0 };
        }
        for _ in 0..ROUNDS {
            let Some((primal, gap)) = self.attempt() else { return };
            if gap < self.best.gap {
                let r = &mut self.refit;
                r.spline.evaluate(&self.p, &mut r.sum, &mut r.x);
                self.best.x.copy_from_slice(&r.x);
                self.best.knots.clone_from(&r.knots);
                self.best.jumps.clone_from(&r.jumps);
                (self.best.primal, self.best.gap) = (primal, gap);
                self.p.write(&self.best.x, &mut self.out);
            }
            // Far from the solution corrections lead nowhere.
            if gap > primal || !self.correct_knots() {
                return;
            }
        }
    }

    /// The interior point itself as a candidate, for problems whose knots the data do not determine.
    fn interior_attempt(&mut self) {
        let (p, r) = (&self.p, &mut self.refit);
        p.d.apply_adjoint(&self.u, &mut r.rest, self.stack.stack());
        for i in 0..r.x.len() {
            r.x[i] = self.y[i] - self.inv_sqrt_w[i].powi(2) * r.rest[i];
        }
        p.d.apply(&r.x, &mut r.u, self.stack.stack());
        let (mut primal, mut gap) = data_term(p, &r.x, &r.rest);
        for (&d, &u) in r.u.iter().zip(&self.u) {
            primal += p.lambda * d.abs();
            gap += p.lambda * d.abs() - u * d;
        }
        if gap < self.best.gap {
            self.best.x.copy_from_slice(&r.x);
            self.best.knots.clear();
            self.best.jumps.clear();
            for (j, &d) in r.u.iter().enumerate() {
                if self.mult[0][j] / self.slack[0][j] + self.mult[1][j] / self.slack[1][j] > self.stiffness[j]
                {
                    self.best.knots.push(j);
                    self.best.jumps.push(d);
                }
            }
            (self.best.primal, self.best.gap) = (primal, gap);
            self.p.write(&self.best.x, &mut self.out);
        }
    }

    /// The spline on the current knots, a dual point for it and their gap; `None` if the knots are not determined.
    fn attempt(&mut self) -> Option<(f64, f64)> {
        let (p, r, width) = (&self.p, &mut self.refit, self.p.d.order() + 1);
        let m = self.u.len();
        for left in (0..DROPS).rev() {
            r.knots.clear();
            r.knots.extend((0..m).filter(|&j| r.fixed[j] != 0.0));
            r.signs.clear();
            r.signs.extend(r.knots.iter().map(|&j| r.fixed[j]));
            r.jumps.clear();
            r.jumps.resize(r.knots.len(), 0.0);
            if r.spline.fit(p, &r.knots, &r.signs, &mut r.x, &mut r.jumps) {
                break;
            }
            if left == 0 {
                return None;
            }
            // Drop the knot with the smallest jump in the interior point, one for each dependent function.
            let jump = |j: usize| (self.mult[0][j] - self.mult[1][j]).abs();
            for range in r.spline.dependent_knots(p.d.order()) {
                let kept = r.knots[range].iter().copied().filter(|&j| r.fixed[j] != 0.0);
                let smallest = kept.min_by(|&a, &b| jump(a).total_cmp(&jump(b)))?;
                r.fixed[smallest] = 0.0;
            }
        }

        // The dual: u = ±lambda on the knots, least squares W^{-1/2} Dᵀ u ≈ W^{1/2} (y − x) off them.
        for (u, f) in r.u.iter_mut().zip(&r.fixed) {
            *u = p.lambda * f;
        }
        p.d.apply_adjoint(&r.u, &mut r.rest, self.stack.stack());
        for i in 0..r.x.len() {
            r.rest[i] = self.inv_sqrt_w[i] * (p.w[i] * (p.y[i] - r.x[i]) - r.rest[i]);
        }
        let (rows, inv, fixed) = (&p.rows, &self.inv_sqrt_w, &r.fixed);
        for (d, f) in self.damping.iter_mut().zip(fixed) {
            *d = f.abs();
        }
        self.qr.factor(&self.damping, |i, out| {
            let start = adjoint_row(rows, width, m, i, inv[i], out);
            for (v, f) in out.iter_mut().zip(&fixed[start..]) {
                if *f != 0.0 {
                    *v = 0.0;
                }
            }
            start
        });
        r.u.fill(0.0);
        self.qr.solve(&r.rest, &mut r.u).ok()?;
        for (u, f) in r.u.iter_mut().zip(&r.fixed) {
            if *f != 0.0 {
                *u = p.lambda * f;
            }
        }

        // Fenchel-Young: the gap as a sum of non-negative terms, at u clipped to the box.
        for (c, &u) in self.damping.iter_mut().zip(&r.u) {
            *c = u.clamp(-p.lambda, p.lambda);
        }
        p.d.apply_adjoint(&self.damping, &mut r.rest, self.stack.stack());
        let (mut primal, mut gap) = data_term(p, &r.x, &r.rest);
        for (&j, &d) in r.knots.iter().zip(&r.jumps) {
            primal += p.lambda * d.abs();
            gap += p.lambda * d.abs() - self.damping[j] * d;
        }
        (primal.is_finite() && gap.is_finite()).then_some((primal, gap))
    }

    /// Drops knots whose jump has the wrong sign, adds the highest row of each stretch where `|u| > lambda`.
    fn correct_knots(&mut self) -> bool {
        let r = &mut self.refit;
        let bound = self.p.lambda * (1.0 + 1e-10);
        let mut changed = false;
        for (&j, &d) in r.knots.iter().zip(&r.jumps) {
            if d * r.fixed[j] <= 0.0 {
                r.fixed[j] = 0.0;
                r.u[j] = 0.0;
                changed = true;
            }
        }
        let mut j = 0;
        while j < r.u.len() {
            if r.u[j].abs() <= bound {
                j += 1;
                continue;
            }
            let (mut top, sign) = (j, r.u[j].signum());
            while j < r.u.len() && r.u[j] * sign > bound {
                if r.u[j].abs() > r.u[top].abs() {
                    top = j;
                }
                j += 1;
            }
            r.fixed[top] = sign;
            changed = true;
        }
        changed
    }
}

impl<T: Scalar> Iteration<T> for DualInteriorPoint<T> {
    fn step(&mut self) -> Result<(), SolveError> {
        self.iter += 1;
        if self.exhausted {
            return Ok(());
        }
        // Past the precision of the numbers the direction breaks down; the best attempt stands.
        let worked = self.newton().is_ok() && spm_linalg::vecops::sum(&self.u).is_finite();
        let gap = self.barrier_gap();
        if !(worked && gap >= 1e-18 * self.best.primal) {
            self.exhausted = true;
        }
        if !worked {
            return Ok(());
        }
        if gap <= 1e-3 * self.best.primal {
            self.refit();
        }
        if gap <= 1e-9 * self.best.primal && gap < 1e-3 * self.best.gap {
            self.interior_attempt();
        }
        Ok(())
    }

    /// Objective and gap of the best attempt in the data's units; the residual is their ratio.
    fn progress(&self) -> Progress<T> {
        let scale = self.p.units.objective();
        let relative = self.best.gap / self.best.primal;
        Progress::new(self.iter, T::of(relative))
            .objective(T::of(scale * self.best.primal))
            .gap(T::of(scale * self.best.gap))
    }

    fn iterate(&self) -> &[T] {
        &self.out
    }
}

impl<T: Scalar> DualInteriorPoint<T> {
    /// The best attempt's certificate in the data's units.
    pub(crate) fn certificate(&self) -> Certificate<T> {
        let scale = self.p.units.objective();
        Certificate::new(T::of(scale * self.best.primal), T::of(scale * (self.best.primal - self.best.gap)))
    }
}

/// The data term's share of objective and gap, `1/2 w (y − x)²` and its Fenchel-Young slack at `Dᵀu`. Where a value is missing
/// the constraint `(Dᵀu)_i = 0` is off by rounding only, and counts times `|x_i|`.
fn data_term(p: &Problem, x: &[f64], adjoint: &[f64]) -> (f64, f64) {
    let (mut primal, mut gap) = (0.0, 0.0);
    for i in 0..x.len() {
        let d = p.y[i] - x[i];
        let e = p.w[i] * d - adjoint[i];
        primal += 0.5 * p.w[i] * d * d;
        gap += if p.w[i] > 0.0 { 0.5 * e * e / p.w[i] } else { (e * x[i]).abs() };
    }
    (primal, gap)
}

/// Row `i` of `W^{-1/2} Dᵀ`: the entries of column `i` of `D`, in rows `i − order ..= i`.
#[inline(always)]
fn adjoint_row(rows: &[f64], width: usize, m: usize, i: usize, scale: f64, out: &mut [f64]) -> usize {
    let start = (i + 1).saturating_sub(width);
    for (j, v) in (start..m.min(i + 1)).zip(out) {
        *v = scale * rows[j * width + i - j];
    }
    start.min(m)
}
