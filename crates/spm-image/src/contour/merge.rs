//! Fewer arcs for a closed curve, as long as its points allow it.

use super::outline::distance;
use super::refine::{Arcs, Fit, fit};

/// More parts than this are left as they are: the matrix is dense.
const MOST: usize = 100;
/// Two that are merged, and those beside them that are fitted again with them.
const WINDOW: usize = 6;
/// What an arc costs, in variances of the noise times `ln n`.
const PRICE: f64 = 4.0;
/// Least deviation of the points, in pixels: what pixels leave without noise.
const FINEST: f64 = 0.03;
/// Iterations of a fit, and of one that only tells what a merger costs.
const ITERATIONS: usize = 30;
const TRIAL: usize = 12;
/// The least length of an arc, in chords.
const SHORTEST: f64 = 1.0;
/// How far, in chords, a point may be from the chain, and behind the point before it.
const FARTHEST: f64 = 3.0;

/// A closed curve and its chain of arcs. The points start at the first arc and go round in order, at `s` along their polygon.
#[derive(Debug, Clone)]
pub(super) struct Closed {
    points: Vec<[f64; 2]>,
    s: Vec<f64>,
    /// The length of the polygon.
    length: f64,
    fit: Fit,
}

impl Closed {
    /// The chain nearest to the points that starts as `arcs = (length, curvature)`; `None` if there is none with all points near it.
    pub(super) fn new(points: Vec<[f64; 2]>, s: Vec<f64>, arcs: &[(f64, f64)]) -> Option<Self> {
        let (m, n) = (arcs.len(), points.len());
        if !(2..=MOST).contains(&m) || n < 4 * m {
            return None;
        }
        let (a, b, ahead) = (points[0], points[3.min(n - 1)], s[3.min(n - 1)]);
        let start = (a, (b[1] - a[1]).atan2(b[0] - a[0]) - 0.5 * arcs[0].1 * ahead);
        let length = arcs.iter().map(|a| a.0).sum::<f64>();
        let fit = fit(
            Arcs { start, arcs: arcs.to_vec() },
            None,
            &points,
            s.clone(),
            SHORTEST * length / n as f64,
            ITERATIONS,
        )?;
        Self { points, s, length, fit }.sound()
    }

    /// Itself, if every point is near the chain and the points follow each other along it.
    fn sound(self) -> Option<Self> {
        let far = FARTHEST * self.length / self.points.len() as f64;
        let mut last = f64::NEG_INFINITY;
        let follows = self.fit.at.iter().all(|&at| {
            last = last.max(at);
            at > last - far
        });
        let on = self.fit.arcs.walk(&self.fit.at);
        let near = on.iter().zip(&self.points).all(|((q, _), p)| distance(*q, *p) < far);
        (follows && near).then_some(self)
    }

    /// Merges neighbours, the cheapest two first, as long as the sum of squared distances rises by less than the price of an arc.
    pub(super) fn merged(mut self) -> Self {
        let shortest = SHORTEST * self.length / self.points.len() as f64;
        let price = PRICE * self.noise() * (self.points.len() as f64).ln();
        // All arcs together fit better than one window after the other, and may then be merged again.
        while let Some(next) = self.fewer(price, shortest) {
            self = next;
        }
        self
    }

    /// Merged window by window, if that is worth it anywhere, and fitted as a whole.
    fn fewer(&self, price: f64, shortest: f64) -> Option<Self> {
        let mut now = self.clone();
        while now.fit.arcs.arcs.len() > WINDOW {
            let trials = (0..now.fit.arcs.arcs.len()).filter_map(|k| now.turned(k).without(shortest));
            let best = trials.reduce(|a, b| if b.0 < a.0 { b } else { a });
            match best.filter(|b| b.0 < price).and_then(|b| b.1.sound()) {
                Some(next) => now = next,
                None => break,
            }
        }
        if now.fit.arcs.arcs.len() == self.fit.arcs.arcs.len() {
            return None;
        }
        let all = fit(now.fit.arcs.clone(), None, &now.points, now.fit.at.clone(), shortest, ITERATIONS);
        let whole = all.and_then(|fit| Self { fit, ..now.clone() }.sound());
        Some(whole.unwrap_or(now))
    }

    /// The two arcs in the middle of the first [`WINDOW`] as one, the others of these fitted again with it and what follows as it is; before it, by how
    /// much the cost rises.
    fn without(mut self, shortest: f64) -> Option<(f64, Self)> {
        let end = self.fit.arcs.frames()[WINDOW];
        let mut window = self.fit.arcs.arcs[..WINDOW].to_vec();
        let wide: f64 = window.iter().map(|a| a.0).sum();
        let inside = self.fit.at.iter().take_while(|&&at| at < wide).count();
        if inside < 2 * WINDOW {
            return None;
        }
        let (a, b) = (window[WINDOW / 2 - 1], window.remove(WINDOW / 2));
        window[WINDOW / 2 - 1] = (a.0 + b.0, (a.0 * a.1 + b.0 * b.1) / (a.0 + b.0));
        let start = Arcs { start: self.fit.arcs.start, arcs: window };
        let (points, at) = (&self.points[..inside], self.fit.at[..inside].to_vec());
        let found = fit(start, Some(end), points, at, shortest, TRIAL)?;
        let before: f64 = self.fit.residuals[..inside].iter().map(|r| r * r).sum();
        let longer = found.arcs.arcs.iter().map(|a| a.0).sum::<f64>() - wide;
        self.fit.arcs.arcs.splice(..WINDOW, found.arcs.arcs);
        self.fit.at[inside..].iter_mut().for_each(|at| *at += longer);
        self.fit.at[..inside].copy_from_slice(&found.at);
        self.fit.residuals[..inside].copy_from_slice(&found.residuals);
        Some((found.cost - before, self))
    }

    /// The same with another arc as the first.
    fn turned(&self, first: usize) -> Self {
        let mut out = self.clone();
        let arcs = &self.fit.arcs.arcs;
        let (from, round): (f64, f64) =
            (arcs[..first].iter().map(|a| a.0).sum(), arcs.iter().map(|a| a.0).sum());
        out.fit.arcs.start = self.fit.arcs.frames()[first];
        out.fit.arcs.arcs.rotate_left(first);
        let cut = self.fit.at.iter().take_while(|&&at| at < from).count();
        out.fit.at[..cut].iter_mut().for_each(|at| *at += round);
        out.fit.at.iter_mut().for_each(|at| *at -= from);
        out.s[..cut].iter_mut().for_each(|s| *s += self.length);
        out.points.rotate_left(cut);
        out.s.rotate_left(cut);
        out.fit.at.rotate_left(cut);
        out.fit.residuals.rotate_left(cut);
        out
    }

    /// Start along the polygon, length and curvature of the arcs.
    pub(super) fn arcs(&self) -> Vec<(f64, f64, f64)> {
        self.fit.starts(&self.s).into_iter().zip(&self.fit.arcs.arcs).map(|(s, a)| (s, a.0, a.1)).collect()
    }

    /// The variance of the mean of many residuals times their number, as of an autoregression of first order.
    fn noise(&self) -> f64 {
        let r = &self.fit.residuals;
        let n = r.len();
        let square: f64 = r.iter().map(|r| r * r).sum();
        let product: f64 = (0..n).map(|i| r[i] * r[(i + 1) % n]).sum();
        let share = if square > 0.0 { (product / square).clamp(0.0, 0.8) } else { 0.0 };
        let free = n as f64 - 2.0 * self.fit.arcs.arcs.len() as f64;
        (square / free).max(FINEST * FINEST) * (1.0 + share) / (1.0 - share)
    }
}
