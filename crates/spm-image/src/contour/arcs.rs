//! A closed tangent angle as few straight lines: the shape as arcs of constant curvature.

use std::f64::consts::TAU;

/// Least noise of the angle, in radians: of an outline without noise, what pixels and chords leave.
pub(super) const FINEST: f64 = 0.03;
/// How far, in chords, a boundary looks for a better place at once.
const REACH: usize = 4;
/// Sweeps over the boundaries at the end; one after every removal.
const SWEEPS: usize = 20;
/// A part that turns less than this, in radians, is straight.
const STRAIGHT: f64 = 0.15;
/// A corner turns at least this much, in radians, within this many chords.
const CORNER: f64 = 0.35;
const CORNER_CHORDS: f64 = 6.5;

/// What a part of an outline is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PartKind {
    /// Turns by 0.35 radians (20 degrees) or more within 6 chords.
    Corner,
    /// Turns by less than 0.15 radians (9 degrees) over its length.
    Straight,
    /// Anything else.
    Arc,
}

/// A part of an outline with one curvature.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Part {
    /// What it is.
    pub kind: PartKind,
    /// Arc length at which it starts.
    pub start: f64,
    /// Its length.
    pub length: f64,
    /// Its curvature, negative where the shape is hollow.
    pub curvature: f64,
}

impl Part {
    /// `1 / |curvature|`; infinite for curvature 0.
    #[must_use]
    pub fn radius(&self) -> f64 {
        self.curvature.abs().recip()
    }

    /// The angle by which the outline turns along the part.
    #[must_use]
    pub fn turn(&self) -> f64 {
        self.curvature * self.length
    }
}

/// Least squares of the angle by a continuous closed chain of lines with kinks between chords.
///
/// What is fitted is `phi = theta - 2 pi s / length`, which is periodic. Sums over chords are differences of running sums, so
/// a fit with m kinks costs O(m).
#[derive(Debug)]
pub(super) struct Chain {
    length: f64,
    /// Where a kink may be: vertex `i` lies before chord `i`.
    vertex: Vec<f64>,
    /// Running sums of 1, s, s², phi, s phi, phi².
    sums: Vec<[f64; 6]>,
}

impl Chain {
    /// Chords at `s` with angles `theta`, on a curve of the given length.
    pub(super) fn new(vertex: Vec<f64>, s: &[f64], theta: &[f64], length: f64) -> Self {
        let mut sums = vec![[0.0; 6]];
        let mut now = [0.0; 6];
        for (&s, &theta) in s.iter().zip(theta) {
            let phi = theta - TAU * s / length;
            for (sum, v) in now.iter_mut().zip([1.0, s, s * s, phi, s * phi, phi * phi]) {
                *sum += v;
            }
            sums.push(now);
        }
        Self { length, vertex, sums }
    }

    fn n(&self) -> usize {
        self.vertex.len()
    }

    /// Few kinks, at least `shortest` chords apart, that fit as well as the candidates: `(vertex of each kink, curvature after it)`.
    pub(super) fn reduce(&self, mut kinks: Vec<usize>, sigma: f64, shortest: usize) -> Vec<(usize, f64)> {
        let price = 4.0 * sigma * sigma * (self.n() as f64).ln();
        loop {
            let now = self.rss(&kinks);
            let without = |k: usize| {
                let mut fewer = kinks.clone();
                fewer.remove(k);
                self.rss(&fewer)
            };
            let best = (0..kinks.len()).map(|k| (without(k), k)).reduce(|a, b| if b.0 < a.0 { b } else { a });
            match best {
                // Two kinks are the least that a closed chain can have, and then none.
                Some((rss, k)) if rss - now < price => {
                    kinks.remove(k);
                    if kinks.len() < 2 {
                        kinks.clear();
                    }
                    self.settle(&mut kinks, 1, shortest);
                }
                _ => break,
            }
        }
        self.settle(&mut kinks, SWEEPS, shortest);
        let values = self.solve(&kinks).0;
        (0..kinks.len())
            .map(|k| {
                let width = self.span(&kinks, k);
                (kinks[k], (values[(k + 1) % values.len()] - values[k]) / width + TAU / self.length)
            })
            .collect()
    }

    /// Moves every kink to the best place near it, over and over.
    fn settle(&self, kinks: &mut [usize], sweeps: usize, shortest: usize) {
        let n = self.n();
        for _ in 0..sweeps {
            let mut moved = false;
            for k in 0..kinks.len() {
                let (here, mut best) = (kinks[k], self.rss(kinks));
                let mut to = here;
                for offset in (1..=REACH).flat_map(|d| [d as isize, -(d as isize)]) {
                    let place = here as isize + offset;
                    // The first and the last stay on their side of the seam, which any rotation of the start can move.
                    if place < 0 || place >= n as isize {
                        continue;
                    }
                    kinks[k] = place as usize;
                    if self.apart(kinks, k, shortest) {
                        let rss = self.rss(kinks);
                        if rss < best {
                            (best, to) = (rss, place as usize);
                        }
                    }
                }
                kinks[k] = to;
                moved |= to != here;
            }
            if !moved {
                break;
            }
        }
    }

    /// Whether kink k has so many chords on either side.
    fn apart(&self, kinks: &[usize], k: usize, shortest: usize) -> bool {
        let (n, m) = (self.n(), kinks.len());
        let chords = |a: usize, b: usize| {
            let (a, b) = (kinks[a % m], kinks[b % m]);
            if b > a { b - a } else { b + n - a }
        };
        let in_order = (k == 0 || kinks[k - 1] < kinks[k]) && (k + 1 == m || kinks[k] < kinks[k + 1]);
        in_order && chords(k + m - 1, k) >= shortest && chords(k, k + 1) >= shortest
    }

    fn span(&self, kinks: &[usize], k: usize) -> f64 {
        let (a, b) = (self.vertex[kinks[k]], self.vertex[kinks[(k + 1) % kinks.len()]]);
        if b > a { b - a } else { b + self.length - a }
    }

    fn rss(&self, kinks: &[usize]) -> f64 {
        self.solve(kinks).1
    }

    /// The angles at the kinks, and the residual sum of squares.
    fn solve(&self, kinks: &[usize]) -> (Vec<f64>, f64) {
        let (n, m) = (self.n(), kinks.len());
        let all = self.sums[n];
        if m < 2 {
            return (vec![all[3] / all[0]; m], all[5] - all[3] * all[3] / all[0]);
        }
        // Hat functions: part k couples kinks k and k + 1.
        let (mut diagonal, mut beside, mut rhs) = (vec![0.0; m], vec![0.0; m], vec![0.0; m]);
        for k in 0..m {
            let (from, to, width) = (kinks[k], kinks[(k + 1) % m], self.span(kinks, k));
            let mut add = |from: usize, to: usize, start: f64| {
                let (a, b) = (self.sums[from], self.sums[to]);
                let [one, s, ss, p, sp, _]: [f64; 6] = std::array::from_fn(|q| b[q] - a[q]);
                // Moments about the start of the part, in units of its width.
                let (t, tt) = (
                    (s - start * one) / width,
                    (ss - 2.0 * start * s + start * start * one) / (width * width),
                );
                let tp = (sp - start * p) / width;
                diagonal[k] += one - 2.0 * t + tt;
                diagonal[(k + 1) % m] += tt;
                beside[k] += t - tt;
                rhs[k] += p - tp;
                rhs[(k + 1) % m] += tp;
            };
            let start = self.vertex[from];
            if to > from {
                add(from, to, start);
            } else {
                add(from, n, start);
                add(0, to, start - self.length);
            }
        }
        let b = rhs.clone();
        // Unknown 0 is the border; the others are a tridiagonal system with two right-hand sides.
        let mut border = vec![0.0; m];
        border[1] += beside[0];
        border[m - 1] += beside[m - 1];
        let first = border.clone();
        for k in 2..m {
            let f = beside[k - 1] / diagonal[k - 1];
            diagonal[k] -= f * beside[k - 1];
            rhs[k] -= f * rhs[k - 1];
            border[k] -= f * border[k - 1];
        }
        for k in (1..m).rev() {
            if k + 1 < m {
                rhs[k] -= beside[k] * rhs[k + 1];
                border[k] -= beside[k] * border[k + 1];
            }
            rhs[k] /= diagonal[k];
            border[k] /= diagonal[k];
        }
        let dot = |v: &[f64]| first[1..].iter().zip(&v[1..]).map(|(a, b)| a * b).sum::<f64>();
        let x0 = (rhs[0] - dot(&rhs)) / (diagonal[0] - dot(&border));
        let x: Vec<f64> = (0..m).map(|k| if k == 0 { x0 } else { rhs[k] - x0 * border[k] }).collect();
        let rss = all[5] - x.iter().zip(&b).map(|(x, b)| x * b).sum::<f64>();
        (x, rss.max(0.0))
    }
}

/// Of candidates with their jumps, the largest of every crowd closer than `shortest` chords, round the closed curve; and, where
/// there is room, a place as far on either side: a corner is a part between two kinks.
pub(super) fn thin_out(jumps: &[(usize, f64)], n: usize, shortest: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..jumps.len()).collect();
    order.sort_by(|&a, &b| jumps[b].1.abs().total_cmp(&jumps[a].1.abs()).then(a.cmp(&b)));
    let mut taken = vec![false; n];
    let mut take = |i: usize| {
        if !(0..2 * shortest - 1).any(|d| taken[(i + n + d - (shortest - 1)) % n]) {
            taken[i] = true;
        }
    };
    let largest: Vec<usize> = order.iter().map(|&k| jumps[k].0).collect();
    largest.iter().for_each(|&i| take(i));
    largest.iter().for_each(|&i| {
        take((i + shortest) % n);
        take((i + n - shortest) % n);
    });
    (0..n).filter(|&i| taken[i]).collect()
}

impl Chain {
    /// Start, length and curvature of the arcs that kinks cut the curve into.
    pub(super) fn arcs(&self, kinks: &[(usize, f64)]) -> Vec<(f64, f64, f64)> {
        if kinks.is_empty() {
            return vec![(0.0, self.length, TAU / self.length)];
        }
        let places: Vec<usize> = kinks.iter().map(|k| k.0).collect();
        (0..kinks.len()).map(|k| (self.vertex[places[k]], self.span(&places, k), kinks[k].1)).collect()
    }

    /// The parts that arcs are, given by start, length and curvature; in order of their starts.
    pub(super) fn describe(&self, arcs: &[(f64, f64, f64)]) -> Vec<Part> {
        let corner = CORNER_CHORDS * self.length / self.n() as f64;
        let part = |&(start, length, curvature): &(f64, f64, f64)| {
            let turn = (curvature * length).abs();
            let kind = if turn >= CORNER && length <= corner {
                PartKind::Corner
            } else if turn < STRAIGHT {
                PartKind::Straight
            } else {
                PartKind::Arc
            };
            Part { kind, start: start.rem_euclid(self.length), length, curvature }
        };
        let mut out: Vec<Part> = arcs.iter().map(part).collect();
        out.sort_by(|a, b| a.start.total_cmp(&b.start));
        out
    }
}
