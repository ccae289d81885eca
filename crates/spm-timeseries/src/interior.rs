//! The trend filter's dual by an interior-point method.

use spm_linalg::factor::BandedQr;
use spm_linalg::{LinearOperator, Workspace};
use spm_solvers::SolveError;

use crate::active::Attempt;
use crate::problem::Problem;

/// Weight of a missing value in the Newton equations, relative to the mean; the refit uses 0.
const MISSING: f64 = 1e-8;

/// Primal-dual interior point on `min_u 1/2 |W^{1/2} y - W^{-1/2} D' u|^2, |u| <= lambda`.
///
/// Newton's equations `(D W⁻¹ Dᵀ + J) du = g` are solved as the least-squares problem they come from, by a banded QR:
/// the error grows with the root of their condition number. Predictor and corrector share the factorisation
/// (Mehrotra 1992).
///
/// Source: Kim, Koh, Boyd and Gorinevsky 2009, *l1 trend filtering*, section 6.
#[derive(Debug)]
pub(crate) struct Barrier {
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
}

impl Barrier {
    /// Starts at `u = 0`. `p` has at least one row and `0 < lambda < lambda_max`. O(n).
    pub(crate) fn new(p: &Problem) -> Self {
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
        Self {
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
        }
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

    /// `Σ s z`, the gap of the interior point.
    pub(crate) fn gap(&self) -> f64 {
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

    /// One predictor-corrector step.
    ///
    /// # Errors
    /// When the factorisation breaks down, past the precision of the numbers.
    pub(crate) fn newton(&mut self, p: &Problem) -> Result<(), SolveError> {
        let (m, width) = (self.u.len(), p.d.order() + 1);
        p.d.apply_adjoint(&self.u, &mut self.point, self.stack.stack());
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
        let (rows, inv) = (&p.rows, &self.inv_sqrt_w);
        self.qr.factor(&self.damping, |i, out| adjoint_row(rows, width, m, i, inv[i], out));
        let mean = self.gap() / (2 * m) as f64;
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
            self.u[j] = if s1 < s2 { p.lambda - s1 } else { s2 - p.lambda };
        }
        if !corrector {
            self.plain -= 1;
        } else if self.gap() > mean * (2 * m) as f64 {
            self.patience *= 2;
            self.plain = self.patience;
        }
        Ok(())
    }

    /// Whether every entry of the iterate is a number.
    pub(crate) fn is_finite(&self) -> bool {
        spm_linalg::vecops::sum(&self.u).is_finite()
    }

    /// `fixed` ← the sign of each row with a multiplier stiffer than the problem, 0 elsewhere.
    pub(crate) fn guess(&self, p: &Problem, fixed: &mut [f64]) {
        // Complementary pairs in units of the largest multiplier and of lambda; and how stiff the problem is there.
        let largest = self.mult.iter().flatten().fold(0.0, |a: f64, &z| a.max(z));
        for (j, fixed) in fixed.iter_mut().enumerate() {
            let z = self.mult[0][j] / self.slack[0][j] + self.mult[1][j] / self.slack[1][j];
            let threshold = (self.stiffness[j] * largest / p.lambda).sqrt();
            *fixed = if z > threshold { self.u[j].signum() } else { 0.0 };
        }
    }

    /// The interior point itself in place of `best` if it is better: for problems whose knots the data do not determine.
    pub(crate) fn attempt(&mut self, p: &Problem, best: &mut Attempt) -> bool {
        p.d.apply_adjoint(&self.u, &mut self.point, self.stack.stack());
        let x: Vec<f64> =
            (0..self.y.len()).map(|i| self.y[i] - self.inv_sqrt_w[i].powi(2) * self.point[i]).collect();
        let mut jumps = vec![0.0; self.u.len()];
        p.d.apply(&x, &mut jumps, self.stack.stack());
        let (mut primal, mut gap) = data_term(p, &x, &self.point);
        for (&d, &u) in jumps.iter().zip(&self.u) {
            primal += p.lambda * d.abs();
            gap += p.lambda * d.abs() - u * d;
        }
        if gap < best.gap {
            best.x.copy_from_slice(&x);
            best.knots.clear();
            best.jumps.clear();
            for (j, &d) in jumps.iter().enumerate() {
                if self.mult[0][j] / self.slack[0][j] + self.mult[1][j] / self.slack[1][j] > self.stiffness[j]
                {
                    best.knots.push(j);
                    best.jumps.push(d);
                }
            }
            (best.primal, best.gap) = (primal, gap);
            return true;
        }
        false
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
