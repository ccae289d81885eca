//! Arcs of constant curvature fitted to the points of a closed curve: Gauss and Newton on lengths and curvatures.

use std::f64::consts::TAU;

use spm_linalg::factor::Cholesky;

const ITERATIONS: usize = 30;
/// Corrections of the closure after a step.
const CLOSINGS: usize = 3;
/// Step of the differences, in pixels and radians.
const STEP: f64 = 1e-6;
/// How far, in chords, a boundary may move.
const FARTHEST: f64 = 3.0;
/// More parts than this are left as they are: the matrix is dense.
const MOST: usize = 200;

/// A chain of arcs from a start in a direction.
#[derive(Debug, Clone)]
struct Arcs {
    start: [f64; 2],
    direction: f64,
    /// Length and curvature.
    arcs: Vec<(f64, f64)>,
}

/// A better fit of `arcs = (length, curvature)` to `points`, which start at the first arc and go round in order; `None` if the
/// arcs can't be fitted. Of each: where it starts in `s`, length, curvature.
///
/// Minimises the sum of squared distances of the points from the closed chain over start, direction, lengths and
/// curvatures, by Gauss and Newton with Levenberg's damping, the closure as a constraint. The noise of points is independent
/// across the curve, that of angles between them is not, so this is the better estimate once the parts are known. O(m n)
/// evaluations an iteration for m parts, and m³.
pub(super) fn refine(points: &[[f64; 2]], s: &[f64], arcs: &[(f64, f64)]) -> Option<Vec<(f64, f64, f64)>> {
    let m = arcs.len();
    if !(2..=MOST).contains(&m) || points.len() < 4 * m {
        return None;
    }
    let (a, b) = (points[0], points[3.min(points.len() - 1)]);
    let lean = 0.5 * arcs[0].1 * s[3.min(points.len() - 1)];
    let mut now = Arcs { start: a, direction: (b[1] - a[1]).atan2(b[0] - a[0]) - lean, arcs: arcs.to_vec() };
    let total: f64 = arcs.iter().map(|a| a.0).sum();
    let mut at = s.to_vec();
    let width = 2 * m + 3;
    let shortest = 0.25 * total / points.len() as f64;
    let mut damping = 1e-3;
    residuals(&now, points, &mut at, 3, None);
    // The start need not close, and then its distances are no measure.
    let mut cost = f64::INFINITY;
    for _ in 0..ITERATIONS {
        let mut here = residuals(&now, points, &mut at, 1, None);
        here.extend(closure(&now, total));
        let columns: Vec<Vec<f64>> = (0..width)
            .map(|q| {
                let mut other = now.clone();
                *other.parameter(q) += STEP;
                let mut moved = residuals(&other, points, &mut at.clone(), 0, Some(&now));
                moved.extend(closure(&other, total));
                moved.iter().zip(&here).map(|(b, a)| (b - a) / STEP).collect()
            })
            .collect();
        // With the closure among the residuals the last length is determined, too; the constraint makes its share constant.
        let gram: Vec<f64> =
            (0..width * width).map(|k| dot(&columns[k / width], &columns[k % width])).collect();
        let downhill: Vec<f64> = columns.iter().map(|c| -dot(c, &here)).collect();
        let n = points.len();
        let rows: [Vec<f64>; 3] = std::array::from_fn(|c| columns.iter().map(|v| v[n + c]).collect());
        let mut better = false;
        while damping < 1e6 {
            let found = Constrained::new(&gram, &rows, damping).and_then(|step| {
                let mut next = now.clone();
                let mut d = downhill.clone();
                step.cholesky.solve_in_place(&mut d);
                let open = std::array::from_fn(|c| here[n + c] + dot(&rows[c], &d));
                next.shift(&d);
                next.shift(&step.towards(open));
                // What the curvature of the constraint leaves open.
                for _ in 0..CLOSINGS {
                    next.shift(&step.towards(closure(&next, total)));
                }
                next.arcs.iter().all(|a| a.0 > shortest && a.1.is_finite()).then_some(next)
            });
            if let Some(next) = found {
                let mut places = at.clone();
                let r = residuals(&next, points, &mut places, 2, None);
                let value = dot(&r, &r);
                if value < cost {
                    better = value < cost * (1.0 - 1e-9);
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
    // Noise makes the polygon of the points longer than the chain: where an arc starts is read off the points beside it.
    let mut start = 0.0;
    let read = |v: f64| {
        let j = at.partition_point(|&a| a <= v).clamp(1, at.len() - 1);
        let share = (v - at[j - 1]) / (at[j] - at[j - 1]);
        s[j - 1] + if share.is_finite() { share * (s[j] - s[j - 1]) } else { 0.0 }
    };
    // A sharp corner can pull the points round it along the chain: then the start was better.
    let mut from = 0.0;
    for (old, new) in arcs.iter().zip(&now.arcs) {
        if (read(start) - from).abs() > FARTHEST * total / points.len() as f64 {
            return None;
        }
        (start, from) = (start + new.0, from + old.0);
    }
    start = 0.0;
    let located = now.arcs.iter().map(|&(length, curvature)| {
        let from = read(start);
        start += length;
        (from, length, curvature)
    });
    Some(located.collect())
}

impl Arcs {
    fn parameter(&mut self, q: usize) -> &mut f64 {
        match q {
            0 | 1 => &mut self.start[q],
            2 => &mut self.direction,
            _ if q % 2 == 1 => &mut self.arcs[(q - 3) / 2].0,
            _ => &mut self.arcs[(q - 3) / 2].1,
        }
    }

    fn shift(&mut self, step: &[f64]) {
        step.iter().enumerate().for_each(|(q, d)| *self.parameter(q) += d);
    }

    /// Points and directions at arc lengths, which need not be in order; the last arc goes on beyond its end.
    fn walk(&self, at: &[f64]) -> Vec<([f64; 2], f64)> {
        // Where each arc starts.
        let mut starts = vec![(0.0, self.start, self.direction)];
        for (k, &(length, curvature)) in self.arcs.iter().enumerate() {
            let (s, p, angle) = starts[k];
            let (end, turned) = arc(p, angle, curvature, length);
            starts.push((s + length, end, turned));
        }
        let m = self.arcs.len();
        at.iter()
            .map(|&s| {
                let k = starts[1..m].partition_point(|a| a.0 <= s);
                let (from, p, angle) = starts[k];
                arc(p, angle, self.arcs[k].1, s - from)
            })
            .collect()
    }
}

/// The end of an arc, and the direction there.
pub(super) fn arc(p: [f64; 2], angle: f64, curvature: f64, length: f64) -> ([f64; 2], f64) {
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

/// How far the chain is from closing: in place, and in direction at a tenth of its length.
fn closure(arcs: &Arcs, total: f64) -> [f64; 3] {
    let length: f64 = arcs.arcs.iter().map(|a| a.0).sum();
    let (end, angle) = arcs.walk(&[length])[0];
    [end[0] - arcs.start[0], end[1] - arcs.start[1], 0.1 * total * (angle - arcs.direction - TAU)]
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
