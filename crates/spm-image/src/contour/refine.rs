//! Arcs of constant curvature fitted to the points of a curve: Gauss and Newton on lengths and curvatures.

use std::f64::consts::TAU;

use spm_linalg::factor::Cholesky;

/// Corrections of the ends after a step.
const CLOSINGS: usize = 3;
/// Step of the differences, in pixels and radians.
const STEP: f64 = 1e-6;

/// A place and a direction.
pub(super) type Frame = ([f64; 2], f64);

/// A chain of arcs from a start in a direction.
#[derive(Debug, Clone)]
pub(super) struct Arcs {
    pub(super) start: Frame,
    /// Length and curvature.
    pub(super) arcs: Vec<(f64, f64)>,
}

/// Arcs with the points they were fitted to.
#[derive(Debug, Clone)]
pub(super) struct Fit {
    pub(super) arcs: Arcs,
    /// Where on the arcs each point belongs.
    pub(super) at: Vec<f64>,
    /// Distance of each point across the chain.
    pub(super) residuals: Vec<f64>,
    /// The sum of their squares, and what the ends leave open.
    pub(super) cost: f64,
}

/// The chain nearest to `points`, which lie near `now` at the places `at`.
///
/// Minimises the sum of squared distances of the points from the chain over lengths and curvatures, by Gauss and Newton with
/// Levenberg's damping, the end as a constraint. Without an `end` the chain is closed, and start and direction are free, too.
/// The noise of points is independent across the curve, that of angles between them is not, so this is the better
/// estimate once the parts are known. O(m n) evaluations an iteration for m parts, and m³. `None` where no arcs were found.
pub(super) fn fit(
    mut now: Arcs,
    end: Option<Frame>,
    points: &[[f64; 2]],
    mut at: Vec<f64>,
    shortest: f64,
    iterations: usize,
) -> Option<Fit> {
    let total: f64 = now.arcs.iter().map(|a| a.0).sum();
    let fixed = if end.is_some() { 3 } else { 0 };
    let width = 2 * now.arcs.len() + 3 - fixed;
    let open = |arcs: &Arcs| arcs.open(end, total);
    let n = points.len();
    let mut damping = 1e-3;
    residuals(&now, points, &mut at, 3, None);
    // The start need not meet its end, and then its distances are no measure.
    let mut cost = f64::INFINITY;
    for _ in 0..iterations {
        let mut here = residuals(&now, points, &mut at, 1, None);
        here.extend(open(&now));
        let columns: Vec<Vec<f64>> = (fixed..width + fixed)
            .map(|q| {
                let mut other = now.clone();
                *other.parameter(q) += STEP;
                let mut moved = residuals(&other, points, &mut at.clone(), 0, Some(&now));
                moved.extend(open(&other));
                moved.iter().zip(&here).map(|(b, a)| (b - a) / STEP).collect()
            })
            .collect();
        // With the ends among the residuals the last length is determined, too; the constraint makes its share constant.
        let gram: Vec<f64> =
            (0..width * width).map(|k| dot(&columns[k / width], &columns[k % width])).collect();
        let downhill: Vec<f64> = columns.iter().map(|c| -dot(c, &here)).collect();
        let rows: [Vec<f64>; 3] = std::array::from_fn(|c| columns.iter().map(|v| v[n + c]).collect());
        let mut better = false;
        while damping < 1e6 {
            let found = Constrained::new(&gram, &rows, damping).and_then(|step| {
                let mut next = now.clone();
                let mut d = downhill.clone();
                step.cholesky.solve_in_place(&mut d);
                let left = std::array::from_fn(|c| here[n + c] + dot(&rows[c], &d));
                next.shift(fixed, &d);
                next.shift(fixed, &step.towards(left));
                // What the curvature of the constraint leaves open.
                for _ in 0..CLOSINGS {
                    next.shift(fixed, &step.towards(open(&next)));
                }
                next.arcs.iter().all(|a| a.0 >= shortest && a.1.is_finite()).then_some(next)
            });
            if let Some(next) = found {
                let mut places = at.clone();
                let mut r = residuals(&next, points, &mut places, 2, None);
                r.extend(open(&next));
                let value = dot(&r, &r);
                if value < cost {
                    better = value < cost * (1.0 - 1e-6);
                    (now, at, cost) = (next, places, value);
                    damping *= 0.1;
                    break;
                }
            }
            damping *= 10.0;
        }
        if !better {
            break;
        }
    }
    let residuals = residuals(&now, points, &mut at, 0, None);
    cost.is_finite().then_some(Fit { arcs: now, at, residuals, cost })
}

impl Fit {
    /// Where each arc starts among places `s` of the points.
    ///
    /// Noise makes the polygon of the points longer than the chain: the start is read off the points beside it.
    pub(super) fn starts(&self, s: &[f64]) -> Vec<f64> {
        let read = |v: f64| {
            let j = self.at.iter().position(|&a| a > v).unwrap_or(self.at.len()).clamp(1, self.at.len() - 1);
            let share = (v - self.at[j - 1]) / (self.at[j] - self.at[j - 1]);
            s[j - 1] + if share.is_finite() { share * (s[j] - s[j - 1]) } else { 0.0 }
        };
        let mut from = 0.0;
        let start = |a: &(f64, f64)| {
            let start = read(from);
            from += a.0;
            start
        };
        self.arcs.arcs.iter().map(start).collect()
    }
}

impl Arcs {
    fn parameter(&mut self, q: usize) -> &mut f64 {
        match q {
            0 | 1 => &mut self.start.0[q],
            2 => &mut self.start.1,
            _ if q % 2 == 1 => &mut self.arcs[(q - 3) / 2].0,
            _ => &mut self.arcs[(q - 3) / 2].1,
        }
    }

    fn shift(&mut self, from: usize, step: &[f64]) {
        step.iter().enumerate().for_each(|(q, d)| *self.parameter(from + q) += d);
    }

    /// Where each arc starts, and the end of the last.
    pub(super) fn frames(&self) -> Vec<Frame> {
        let mut frames = vec![self.start];
        for (k, &(length, curvature)) in self.arcs.iter().enumerate() {
            let (p, angle) = frames[k];
            frames.push(arc(p, angle, curvature, length));
        }
        frames
    }

    /// Points and directions at arc lengths, which need not be in order; the last arc goes on beyond its end.
    pub(super) fn walk(&self, at: &[f64]) -> Vec<Frame> {
        let frames = self.frames();
        let mut starts = vec![0.0];
        self.arcs.iter().enumerate().for_each(|(k, a)| starts.push(starts[k] + a.0));
        let m = self.arcs.len();
        at.iter()
            .map(|&s| {
                let k = starts[1..m].partition_point(|&a| a <= s);
                let (p, angle) = frames[k];
                arc(p, angle, self.arcs[k].1, s - starts[k])
            })
            .collect()
    }

    /// How far the end is from where it belongs (a full turn on from the start where that is not given): in place, and in
    /// direction at a tenth of the length.
    fn open(&self, end: Option<Frame>, total: f64) -> [f64; 3] {
        let (q, to) = end.unwrap_or((self.start.0, self.start.1 + TAU));
        let (p, angle) = self.frames()[self.arcs.len()];
        [p[0] - q[0], p[1] - q[1], 0.1 * total * (angle - to)]
    }
}

/// The end of an arc, and the direction there.
pub(super) fn arc(p: [f64; 2], angle: f64, curvature: f64, length: f64) -> Frame {
    let half = 0.5 * curvature * length;
    let chord = if half == 0.0 { length } else { length * half.sin() / half };
    let (sin, cos) = (angle + half).sin_cos();
    ([p[0] + chord * cos, p[1] + chord * sin], angle + curvature * length)
}

/// Distances of the points across the chain, at places that follow them along it in `follow` rounds. With a
/// `frame` the distances are across that chain, so that differences are derivatives.
fn residuals(
    arcs: &Arcs,
    points: &[[f64; 2]],
    at: &mut [f64],
    follow: usize,
    frame: Option<&Arcs>,
) -> Vec<f64> {
    let mut walked = arcs.walk(at);
    for _ in 0..follow {
        for ((s, p), (q, angle)) in at.iter_mut().zip(points).zip(&walked) {
            *s += (p[0] - q[0]) * angle.cos() + (p[1] - q[1]) * angle.sin();
        }
        walked = arcs.walk(at);
    }
    let normals = frame.map_or_else(|| walked.clone(), |f| f.walk(at));
    points
        .iter()
        .zip(walked.iter().zip(&normals))
        .map(|(p, ((q, _), (_, angle)))| (p[1] - q[1]) * angle.cos() - (p[0] - q[0]) * angle.sin())
        .collect()
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Damped normal equations under three linear constraints.
struct Constrained {
    cholesky: Cholesky<f64>,
    /// The columns of `G⁻¹ Cᵀ`, and `C G⁻¹ Cᵀ`.
    along: [Vec<f64>; 3],
    schur: Cholesky<f64>,
}

impl Constrained {
    fn new(gram: &[f64], rows: &[Vec<f64>; 3], damping: f64) -> Option<Self> {
        let width = rows[0].len();
        let mut damped = gram.to_vec();
        (0..width).for_each(|q| damped[q * width + q] *= 1.0 + damping);
        let cholesky = Cholesky::from_column_major(&damped, width).ok()?;
        let mut along = rows.clone();
        along.iter_mut().for_each(|a| cholesky.solve_in_place(a));
        let small: Vec<f64> = (0..9).map(|k| dot(&rows[k / 3], &along[k % 3])).collect();
        let schur = Cholesky::from_column_major(&small, 3).ok()?;
        Some(Self { cholesky, along, schur })
    }

    /// The least step, in the metric of the equations, that takes `open` off the constraints.
    fn towards(&self, open: [f64; 3]) -> Vec<f64> {
        let mut c = open.map(|v| -v);
        self.schur.solve_in_place(&mut c);
        let step = |q: usize| (0..3).map(|k| c[k] * self.along[k][q]).sum();
        (0..self.along[0].len()).map(step).collect()
    }
}
