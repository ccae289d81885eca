//! The trend filter as a search for its knots, with the certificate of every candidate.

use spm_linalg::{LinearOperator, Workspace};

use crate::double::Double;
use crate::dual::Dual;
use crate::flat::Flat;
use crate::problem::Problem;
use crate::restricted::Restricted;
use crate::space::Space;

/// Attempts at dropping knots that the data don't determine, and of a descent at dropping those that lose their jump.
const DROPS: usize = 8;
const DESCENTS: usize = 24;
/// Neighbours on either side in whose jumps a change of one jump is felt.
const CROWD: usize = 3;
/// Majorisers of the Huber loss in one round, and the relative change of a weight below which they end.
const MAJORISERS: usize = 60;
const SETTLED: f64 = 1e-4;

/// A candidate solution with its certificate, in the problem's units.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) x: Vec<f64>,
    pub(crate) knots: Vec<usize>,
    pub(crate) jumps: Vec<f64>,
    pub(crate) primal: f64,
    pub(crate) gap: f64,
}

/// Knots with signs, the spline fitted on them and its dual.
///
/// A round fits the spline with the signs held fixed, drops the knots whose jump came out with the wrong sign and adds the
/// peak of every stretch where the dual leaves its box. The dual follows from the spline alone, so each round has a
/// duality gap, and it is 0 up to rounding once the knots are right.
#[derive(Debug)]
pub(crate) struct ActiveSet {
    spline: Space,
    pub(crate) dual: Dual,
    /// The sign of row j if it is a knot, 0 otherwise.
    pub(crate) fixed: Vec<f64>,
    /// The sign of row j if the last fit dropped it.
    held: Vec<f64>,
    pub(crate) knots: Vec<usize>,
    signs: Vec<f64>,
    /// The jump at row j in the restricted problem, or in the last fit of a descent; without its sign.
    sizes: Vec<f64>,
    /// Whether attempts go on from the last one and never up, see [`descend`](Self::descend).
    descent: bool,
    /// Whether the data did not determine the last fit on all its candidates.
    undetermined: bool,
    pub(crate) jumps: Vec<f64>,
    /// A row of `D^(k)` in every piece on which that is held at 0.
    flat: Vec<usize>,
    /// Rows where the dual of a flat piece rests on its bound before it leaves it.
    bends: Vec<usize>,
    /// Knots, as counted in the last fit, that are about to go, and how far each jump of a descent may walk.
    leaving: Vec<usize>,
    reach: Vec<f64>,
    excess: Vec<f64>,
    back: Vec<f64>,
    ends: Vec<f64>,
    restricted: Restricted,
    stack: Workspace,
}

impl ActiveSet {
    pub(crate) fn new(p: &Problem) -> Self {
        let m = p.m();
        Self {
            spline: Space::new(p),
            dual: Dual::new(p),
            fixed: vec![0.0; m],
            held: vec![0.0; m],
            sizes: vec![0.0; m],
            descent: false,
            undetermined: false,
            knots: Vec::with_capacity(m),
            signs: Vec::with_capacity(m),
            jumps: Vec::with_capacity(m),
            flat: Vec::new(),
            bends: Vec::new(),
            leaving: Vec::with_capacity(m),
            reach: Vec::with_capacity(m),
            excess: vec![0.0; m],
            back: vec![0.0; p.d.ncols()],
            ends: vec![0.0; p.d.order()],
            restricted: Restricted::default(),
            stack: Workspace::new(p.d.scratch()),
        }
    }

    /// The largest entry of the dual of the polynomial fit towards a sign that `D x` may have: `lambda_max`.
    pub(crate) fn flat_bound(&mut self, p: &Problem) -> f64 {
        if self.attempt(p).is_none() {
            return f64::INFINITY;
        }
        if let [flat] = self.dual.flats[..] {
            // The whole pull at the last row again.
            self.dual.integrate(p);
            return self.dual.flat_bound(p.slope, flat.pull);
        }
        let allowed = self.dual.u.iter().filter(|u| p.may[usize::from(u.hi > 0.0)]);
        allowed.fold(0.0, |a: f64, u| a.max(u.hi.abs()))
    }

    /// Solves the problem restricted to the knots in `fixed`, which keeps those that jump, with their signs.
    pub(crate) fn restrict(&mut self, p: &Problem) {
        self.collect(p);
        if self.knots.is_empty() {
            return;
        }
        self.spline.assemble(p, &self.knots, &self.dual.hold);
        let mut found = self.restricted.solve(&self.spline, p, &mut self.signs);
        if p.delta < f64::INFINITY {
            // The Huber loss by its majorisers, so far that the signs are those of its solution.
            for _ in 0..MAJORISERS {
                if !found {
                    break;
                }
                self.spline.combine(self.restricted.coefficients(), &mut self.dual.x);
                if self.dual.weigh(p, false) < SETTLED {
                    break;
                }
                self.spline.normal_equations(p, &self.dual.hold);
                found = self.restricted.solve(&self.spline, p, &mut self.signs);
            }
        }
        if found {
            for (l, (&j, &s)) in self.knots.iter().zip(&self.signs).enumerate() {
                self.fixed[j] = s;
                self.sizes[j] = self.restricted.jump_size(l);
            }
            self.flat.clear();
            let ends = self.knots.iter().copied().chain([p.m()]);
            self.flat.extend(ends.zip(self.restricted.flat()).filter(|(_, flat)| *flat).map(|(end, _)| end));
        }
    }

    /// From here on an attempt starts at the last one, as the active-set method of Lawson and Hanson does for non-negative
    /// least squares: it walks from its jumps towards those of the fit on all candidates, and where a jump comes to 0 on the
    /// way the knot goes. That needs nothing but fits in double-double, where the restricted problem, in `f64`, can no longer
    /// tell neighbouring knots apart.
    pub(crate) fn descend(&mut self, descent: bool) {
        if descent && !self.descent {
            self.sizes.fill(0.0);
            for (&j, &d) in self.knots.iter().zip(&self.jumps) {
                self.sizes[j] = d.abs();
            }
        }
        self.descent = descent;
    }

    pub(crate) fn descends(&self) -> bool {
        self.descent
    }

    /// Whether the data did not determine the last fit on all its candidates; then only the restricted problem says which to keep.
    pub(crate) fn is_undetermined(&self) -> bool {
        self.undetermined
    }

    /// `leaving ←` the knots, as counted in the last fit, whose jump came out with the wrong sign.
    fn find_wrong(&mut self) {
        let (knots, jumps, fixed) = (&self.knots, &self.jumps, &self.fixed);
        self.leaving.clear();
        self.leaving.extend((0..knots.len()).filter(|&l| jumps[l] * fixed[knots[l]] <= 0.0));
    }

    /// `leaving ←` of those the ones that come to 0 no later than their neighbours do, after a walk of all jumps as far as that.
    fn find_first_to_vanish(&mut self) {
        let (knots, sizes) = (&self.knots, &mut self.sizes);
        let after = |l: usize| self.jumps[l] * self.fixed[knots[l]];
        self.reach.clear();
        self.reach.extend((0..knots.len()).map(|l| {
            let (from, to) = (sizes[knots[l]], after(l));
            if to > 0.0 { 1.0 } else { from / (from - to).max(f64::MIN_POSITIVE) }
        }));
        self.leaving.clear();
        for l in 0..knots.len() {
            let crowd = &self.reach[l.saturating_sub(CROWD)..(l + CROWD + 1).min(knots.len())];
            let walk = crowd.iter().fold(1.0, |a: f64, &b| a.min(b));
            if after(l) <= 0.0 && self.reach[l] <= walk {
                self.leaving.push(l);
            }
            let size = &mut sizes[knots[l]];
            *size = ((1.0 - walk) * *size + walk * after(l)).max(0.0);
        }
    }

    fn collect(&mut self, p: &Problem) {
        let fixed = &self.fixed;
        self.knots.clear();
        self.knots.extend((0..p.m()).filter(|&j| fixed[j] != 0.0));
        self.signs.clear();
        self.signs.extend(self.knots.iter().map(|&j| fixed[j]));
        self.jumps.clear();
        self.jumps.resize(self.knots.len(), 0.0);
    }

    /// The spline on the knots in `fixed`, its objective and gap; `None` if the data do not determine it. Where too few values are
    /// observed the knots with the smallest jumps are dropped.
    pub(crate) fn attempt(&mut self, p: &Problem) -> Option<(f64, f64)> {
        let most = if self.descent || p.slope != 0.0 { DESCENTS } else { DROPS };
        self.undetermined = false;
        for left in (0..most).rev() {
            self.collect(p);
            self.collect_flats(p);
            if self.spline.fit(p, &self.knots, &self.signs, &mut self.dual, &mut self.jumps) {
                // Restricted to these knots the signs were right; what is wrong now is so by rounding.
                match self.descent {
                    true => self.find_first_to_vanish(),
                    false => self.find_wrong(),
                }
                let settled = p.slope == 0.0 || self.adjust_flats(p);
                if self.leaving.is_empty() && settled || left == 0 {
                    if !settled {
                        return None;
                    }
                    break;
                }
                for &l in &self.leaving {
                    let j = self.knots[l];
                    if !self.descent {
                        self.held[j] = self.fixed[j];
                    }
                    self.fixed[j] = 0.0;
                }
                continue;
            }
            if left == 0 {
                return None;
            }
            self.undetermined = true;
            self.drop_undetermined(p)?;
        }
        let (primal, gap) = self.certify(p);
        (primal.is_finite() && gap.is_finite()).then_some((primal, gap))
    }

    /// The pieces held flat between the present knots, from the last on.
    fn collect_flats(&mut self, p: &Problem) {
        self.dual.flats.clear();
        if self.flat.is_empty() {
            return;
        }
        let mut to = p.m() + 1;
        for piece in (0..=self.knots.len()).rev() {
            let from = if piece > 0 { self.knots[piece - 1] + 1 } else { 0 };
            if self.flat.iter().any(|row| (from..to).contains(row)) {
                self.dual.flats.push(Flat { piece, from, to, pull: Double::default() });
            }
            to = from;
        }
    }

    /// Lets go the flat pieces that pull the wrong way and holds those whose slope came out with the wrong sign; whether there were none.
    fn adjust_flats(&mut self, p: &Problem) -> bool {
        let order = p.d.order();
        let mut settled = true;
        for flat in &self.dual.flats {
            if flat.pull.hi * p.slope < 0.0 {
                self.flat.retain(|row| !(flat.from..flat.to).contains(row));
                settled = false;
            }
        }
        for piece in 0..=self.knots.len() {
            let held = self.dual.flats.iter().any(|flat| flat.piece == piece);
            if !held && self.spline.slope(piece, order) * p.slope < 0.0 {
                self.flat.push(self.knots.get(piece).copied().unwrap_or(p.m()));
                settled = false;
            }
        }
        settled
    }

    /// Drops a knot for every combination of functions that the data don't see: along it the objective is the same until a jump comes to 0,
    /// and there the knot goes. `None` if one has no jumps.
    fn drop_undetermined(&mut self, p: &Problem) -> Option<()> {
        let mut free = self.spline.free_jumps(self.knots.len(), p.d.order());
        let (knots, sizes) = (&self.knots, &mut self.sizes);
        let signed = |sizes: &[f64], l: usize| sizes[knots[l]] * self.signs[l];
        while let Some(jumps) = free.pop() {
            let reach = |l: &usize| (signed(sizes, *l) / jumps[*l]).abs();
            let kept = (0..knots.len()).filter(|&l| jumps[l] != 0.0 && self.fixed[knots[l]] != 0.0);
            let first = kept.min_by(|a, b| reach(a).total_cmp(&reach(b)))?;
            let step = signed(sizes, first) / jumps[first];
            for l in 0..knots.len() {
                sizes[knots[l]] = ((signed(sizes, l) - step * jumps[l]) * self.signs[l]).max(0.0);
            }
            self.fixed[knots[first]] = 0.0;
            // The others may no longer jump here.
            for other in &mut free {
                let share = other[first] / jumps[first];
                for (o, j) in other.iter_mut().zip(&jumps) {
                    *o -= share * j;
                }
                other[first] = 0.0;
            }
        }
        Some(())
    }

    /// Objective and duality gap, a sum of non-negative terms (Fenchel and Young), at the better of two dual points: `u` clipped to
    /// its box, or shrunk into it.
    fn certify(&mut self, p: &Problem) -> (f64, f64) {
        let lambda = p.lambda;
        self.spline.close(p, &mut self.dual);
        self.dual.spread(p, &mut self.bends);
        let mut largest = 0.0_f64;
        for (e, u) in self.excess.iter_mut().zip(&self.dual.u) {
            *e = 0.0;
            if p.beyond(u.hi) != 0.0 {
                largest = largest.max(u.hi.abs());
                *e = (u.abs() - Double::new(lambda)).hi.max(0.0).copysign(u.hi);
            }
        }
        let mut shrink = if largest > lambda { lambda / largest } else { 1.0 };
        self.dual.leftover(p, &mut self.ends);
        p.d.apply_adjoint(&self.excess, &mut self.back, self.stack.stack());
        p.fold(&mut self.back);
        if p.delta < f64::INFINITY {
            // The residual of the dual has a bound, too; only shrinking keeps it.
            for i in 0..p.y.len() {
                let end = self.dual.off[i] + self.ends.get(i).copied().unwrap_or(0.0);
                let d = (Double::new(p.y[i]) - self.dual.x[i]).hi.clamp(-p.delta, p.delta);
                let v = (p.w[i] * d - end).abs();
                if p.w[i] > 0.0 && v > p.w[i] * p.delta {
                    shrink = shrink.min(p.w[i] * p.delta / v);
                }
            }
        }
        let (mut primal, mut clipped, mut shrunk) = (0.0, 0.0, 0.0);
        for i in 0..p.y.len() {
            let (w, x) = (p.w[i], self.dual.x[i].hi);
            // What the dual misses of w (y − x).
            let end = self.dual.off[i] + self.ends.get(i).copied().unwrap_or(0.0);
            if w > 0.0 {
                let full = (Double::new(p.y[i]) - self.dual.x[i]).hi;
                let d = full.clamp(-p.delta, p.delta);
                let far = (full - d).abs();
                primal += w * (0.5 * d * d + far * d.abs());
                clipped += 0.5 * (self.back[i] + end).powi(2) / w;
                let miss = (1.0 - shrink) * w * d + shrink * end;
                shrunk += 0.5 * miss.powi(2) / w + far * miss.abs();
            } else {
                clipped += ((self.back[i] + end) * x).abs();
                shrunk += (shrink * end * x).abs();
            }
        }
        for (&j, &d) in self.knots.iter().zip(&self.jumps) {
            let size = lambda * d.abs();
            let u = self.dual.u[j];
            // lambda |d| − u d, where u is ±lambda but for rounding.
            let slack = (Double::new(lambda.copysign(d)) - u).hi * d;
            let over = self.excess[j] * d;
            primal += size;
            clipped += (slack + over).max(0.0);
            shrunk += (1.0 - shrink) * size + shrink * slack.max(0.0);
        }
        (primal, if p.delta < f64::INFINITY { shrunk } else { f64::min(clipped, shrunk) })
    }

    /// Makes the highest row of each stretch where `|u| > lambda` a candidate, and again those that the last fit dropped;
    /// whether there was one.
    pub(crate) fn add_peaks(&mut self, p: &Problem) -> bool {
        let bound = p.lambda * (1.0 + 1e-12);
        let u = |j: usize| self.dual.u[j].hi;
        let (mut added, mut j) = (false, 0);
        while j < self.fixed.len() {
            if u(j).abs() <= bound || self.fixed[j] != 0.0 || p.beyond(u(j)) == 0.0 {
                j += 1;
                continue;
            }
            let (mut top, sign) = (j, u(j).signum());
            while j < self.fixed.len() && u(j) * sign > bound && self.fixed[j] == 0.0 {
                if u(j).abs() > u(top).abs() {
                    top = j;
                }
                j += 1;
            }
            self.fixed[top] = sign;
            added = true;
        }
        for &j in self.bends.iter().filter(|_| added) {
            if self.fixed[j] == 0.0 {
                self.fixed[j] = -p.slope;
            }
        }
        if added {
            for (fixed, held) in self.fixed.iter_mut().zip(&mut self.held) {
                if *held != 0.0 && *fixed == 0.0 {
                    *fixed = *held;
                }
                *held = 0.0;
            }
        }
        added
    }
}
