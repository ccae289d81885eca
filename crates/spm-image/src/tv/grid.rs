//! The primal-dual iteration on a grid of any number of axes and channels, in bands of rows.

use spm_linalg::{LinearOperator, operator::Gradient, vecops};
use spm_solvers::{Certificate, Iteration, Progress, SolveError};

use super::{Coupling, Fidelity};
use crate::par;

/// Rows that one task works on: a fixed number, so that sums do not depend on the number of threads.
const BAND: usize = 16;

/// Iterations between certificates at least.
const CHECK: usize = 20;

/// The problem, its values of size about 1.
#[derive(Debug)]
pub(super) struct Grid {
    /// Slowest axis first; the last is the row.
    pub(super) shape: Vec<usize>,
    pub(super) channels: usize,
    pub(super) coupling: Coupling,
    pub(super) fidelity: Fidelity,
    pub(super) lambda: f64,
    /// Between which values every channel lies.
    pub(super) bounds: Vec<(f64, f64)>,
}

impl Grid {
    fn width(&self) -> usize {
        self.shape[self.shape.len() - 1]
    }

    fn rows(&self) -> usize {
        self.shape[..self.shape.len() - 1].iter().product()
    }

    fn axes(&self) -> usize {
        self.shape.len()
    }

    /// Values of the image in a row, and of the dual variable.
    fn row(&self) -> usize {
        self.channels * self.width()
    }

    /// The row after row `r` along axis `a`, and the one before it.
    fn neighbours(&self, r: usize, a: usize) -> (Option<usize>, Option<usize>) {
        let stride: usize = self.shape[a + 1..self.axes() - 1].iter().product();
        let at = r / stride % self.shape[a];
        ((at + 1 < self.shape[a]).then(|| r + stride), (at > 0).then(|| r.wrapping_sub(stride)))
    }

    /// A bound of the norm of the gradient.
    fn norm(&self) -> f64 {
        let bound = match self.shape[..] {
            [d, h, w] => Gradient::new([d, h, w]).ok().and_then(|g| g.norm_bound()),
            [h, w] => Gradient::new([h, w]).ok().and_then(|g| g.norm_bound()),
            _ => None,
        };
        let safe = 2.0 * (self.axes() as f64).sqrt();
        bound.filter(|b| *b > 0.0).unwrap_or(safe)
    }
}

/// Below this primal step an accelerated run slows down: see `primal_dual`.
const FAST_UNTIL: f64 = 0.03;

/// Chambolle and Pock (2011), algorithm 1; where the data term is strongly convex algorithm 2. Rows hold their channels one after the other; `x` and `x̄` of a row lie side by side, as
/// do the axes of the dual variable, so that a band of rows is one slice.
#[derive(Debug)]
pub(super) struct GridSolver<'a> {
    grid: &'a Grid,
    norm: f64,
    tau: f64,
    sigma: f64,
    /// By how much the data term is strongly convex; 0: the steps follow from how far both variables have come.
    convexity: f64,
    b: Vec<f64>,
    /// Weights; empty: 1.
    weights: Vec<f64>,
    /// Factors of the differences; empty: 1. Per row the axes, one channel.
    edges: Vec<f64>,
    /// Per row `x`, then `x̄`.
    x: Vec<f64>,
    /// Per row the axes, each with all channels.
    z: Vec<f64>,
    reference: (Vec<f64>, Vec<f64>),
    /// Working memory, [`GridSolver::memory_of_band`] values a band, and a band's share of a certificate.
    memory: Vec<f64>,
    shares: Vec<(f64, f64)>,
    iter: usize,
    next_check: usize,
    next_ratio: usize,
    certificate: Certificate<f64>,
}

impl<'a> GridSolver<'a> {
    pub(super) fn new(
        grid: &'a Grid,
        value: &dyn Fn(usize) -> f64,
        weight: &dyn Fn(usize) -> f64,
        edge: Option<&dyn Fn(usize) -> f64>,
    ) -> Self {
        let (rows, w, c, axes) = (grid.rows(), grid.width(), grid.channels, grid.axes());
        let n = rows * w;
        // From channel after channel to row after row.
        let at = |k: usize| (k / w % c) * n + k / (c * w) * w + k % w;
        let b: Vec<f64> = (0..c * n).map(|k| value(at(k))).collect();
        let weights: Vec<f64> = (0..c * n).map(|k| weight(at(k))).collect();
        let weights = if weights.iter().all(|&v| v == 1.0) { Vec::new() } else { weights };
        let edge_at = |k: usize| (k / w % axes) * n + k / (axes * w) * w + k % w;
        let edges: Vec<f64> = edge.map_or(Vec::new(), |e| (0..axes * n).map(|k| e(edge_at(k))).collect());
        let factor = edges.iter().copied().fold(0.0, f64::max);
        let norm = grid.norm() * if factor > 0.0 { factor } else { 1.0 };
        let mut x = Vec::with_capacity(2 * b.len());
        for row in b.chunks_exact(c * w) {
            x.extend_from_slice(row);
            x.extend_from_slice(row);
        }
        let z = vec![0.0; axes * b.len()];
        let convexity = match grid.fidelity {
            Fidelity::Squared if weights.is_empty() => 1.0,
            Fidelity::Squared => weights.iter().copied().fold(f64::INFINITY, f64::min),
            _ => 0.0,
        };
        // The first iterations of an accelerated run have far to go.
        let ratio = if convexity > 0.0 { 0.25 } else { grid.lambda.max(1e-6) * 4.0 };
        let mut it = Self {
            grid,
            norm,
            tau: 1.0 / (ratio * norm),
            sigma: ratio / norm,
            convexity,
            b,
            weights,
            edges,
            reference: if convexity > 0.0 { (Vec::new(), Vec::new()) } else { (x.clone(), z.clone()) },
            memory: Vec::new(),
            shares: vec![(0.0, 0.0); rows.div_ceil(BAND)],
            x,
            z,
            iter: 0,
            next_check: CHECK,
            next_ratio: 2 * CHECK,
            certificate: Certificate::new(f64::INFINITY, f64::NEG_INFINITY),
        };
        it.memory = vec![0.0; it.shares.len() * it.memory_of_band()];
        it.certificate = it.certify();
        it
    }

    /// A row of gradients, of their norms, and of the image.
    fn memory_of_band(&self) -> usize {
        (self.grid.axes() + 1) * self.grid.row() + self.groups()
    }

    /// The values, channel after channel, and their certificate.
    pub(super) fn finish(mut self) -> (Vec<f64>, Certificate<f64>) {
        let certificate = self.certify();
        let (w, c, row) = (self.grid.width(), self.grid.channels, self.grid.row());
        let plane = |ch: usize| {
            let rows = self.x.chunks_exact(2 * row);
            rows.flat_map(move |r| r[ch * w..(ch + 1) * w].iter().copied())
        };
        ((0..c).flat_map(plane).collect(), certificate)
    }

    fn certify(&mut self) -> Certificate<f64> {
        let (mut shares, mut memory) = (std::mem::take(&mut self.shares), std::mem::take(&mut self.memory));
        let (solver, size) = (&*self, self.memory_of_band());
        par::chunks_pair_mut(&mut shares, 1, &mut memory, size, |band, share, memory| {
            let first = band * BAND;
            let last = (first + BAND).min(solver.grid.rows());
            share[0] = vecops::dispatch(Judge { solver, first, last, memory });
        });
        let (primal, dual) = shares.iter().fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
        (self.shares, self.memory) = (shares, memory);
        Certificate::new(primal, dual)
    }

    /// `√(σ/τ)` from how far both variables have come since it was last set.
    fn adapt(&mut self) {
        let distance = |a: &[f64], b: &[f64]| vecops::sq_dist(a, b).sqrt();
        let (dx, dz) = (distance(&self.x, &self.reference.0), distance(&self.z, &self.reference.1));
        if dx > 0.0 && dz > 0.0 {
            // x and x̄ both count.
            let ratio = (self.sigma / self.tau).sqrt() * dz * std::f64::consts::SQRT_2 / dx;
            let ratio = ratio.sqrt();
            (self.tau, self.sigma) = (1.0 / (ratio * self.norm), ratio / self.norm);
        }
        self.reference.0.copy_from_slice(&self.x);
        self.reference.1.copy_from_slice(&self.z);
    }

    /// `∇ᵀz` of a row, added to `out`.
    #[inline(always)]
    fn divergence(&self, r: usize, out: &mut [f64]) {
        let (g, w, row) = (self.grid, self.grid.width(), self.grid.row());
        let axes = g.axes();
        let z = |r: usize, a: usize| &self.z[(r * axes + a) * row..(r * axes + a + 1) * row];
        let e = |r: usize, a: usize| &self.edges[(r * axes + a) * w..(r * axes + a + 1) * w];
        let plain = self.edges.is_empty();
        for a in 0..axes - 1 {
            let before = g.neighbours(r, a).1;
            for c in 0..g.channels {
                let out = &mut out[c * w..(c + 1) * w];
                let here = &z(r, a)[c * w..(c + 1) * w];
                if plain {
                    out.iter_mut().zip(here).for_each(|(o, z)| *o -= z);
                } else {
                    out.iter_mut().zip(here).zip(e(r, a)).for_each(|((o, z), e)| *o -= z * e);
                }
                if let Some(b) = before {
                    let there = &z(b, a)[c * w..(c + 1) * w];
                    if plain {
                        out.iter_mut().zip(there).for_each(|(o, z)| *o += z);
                    } else {
                        out.iter_mut().zip(there).zip(e(b, a)).for_each(|((o, z), e)| *o += z * e);
                    }
                }
            }
        }
        for c in 0..g.channels {
            let (out, z) = (&mut out[c * w..(c + 1) * w], &z(r, axes - 1)[c * w..(c + 1) * w]);
            for j in 0..w {
                let along = |j: usize| if plain { z[j] } else { z[j] * e(r, axes - 1)[j] };
                out[j] += if j > 0 { along(j - 1) } else { 0.0 } - along(j);
            }
        }
    }

    /// The gradient of `x` (or of `x̄`) at a row, times the factors: per axis all channels.
    #[inline(always)]
    fn gradient(&self, r: usize, of: usize, out: &mut [f64]) {
        let (g, w, row, axes) = (self.grid, self.grid.width(), self.grid.row(), self.grid.axes());
        let x = |r: usize| &self.x[(2 * r + of) * row..(2 * r + of + 1) * row];
        let here = x(r);
        for (a, out) in out.chunks_exact_mut(row).enumerate() {
            if a + 1 == axes {
                for (out, x) in out.chunks_exact_mut(w).zip(here.chunks_exact(w)) {
                    for (o, pair) in out.iter_mut().zip(x.windows(2)) {
                        *o = pair[1] - pair[0];
                    }
                    out[w - 1] = 0.0;
                }
            } else if let Some(next) = g.neighbours(r, a).0 {
                for ((o, n), h) in out.iter_mut().zip(x(next)).zip(here) {
                    *o = n - h;
                }
            } else {
                out.fill(0.0);
            }
            if !self.edges.is_empty() {
                let e = &self.edges[(r * axes + a) * w..(r * axes + a + 1) * w];
                out.chunks_exact_mut(w).for_each(|o| o.iter_mut().zip(e).for_each(|(o, e)| *o *= e));
            }
        }
    }

    /// The norms that the coupling measures, of a row of gradients or dual variables: per group `w` values.
    #[inline(always)]
    fn norms(&self, row_of: &[f64], out: &mut [f64]) {
        let (w, row) = (self.grid.width(), self.grid.row());
        out.fill(0.0);
        match self.grid.coupling {
            Coupling::Anisotropic => out.iter_mut().zip(row_of).for_each(|(o, v)| *o = v.abs()),
            Coupling::Isotropic => {
                for part in row_of.chunks_exact(row) {
                    out.iter_mut().zip(part).for_each(|(o, v)| *o += v * v);
                }
                out.iter_mut().for_each(|o| *o = o.sqrt());
            }
            Coupling::Vectorial => {
                for part in row_of.chunks_exact(w) {
                    out.iter_mut().zip(part).for_each(|(o, v)| *o += v * v);
                }
                out.iter_mut().for_each(|o| *o = o.sqrt());
            }
        }
    }

    /// Values in a row of [`GridSolver::norms`].
    fn groups(&self) -> usize {
        match self.grid.coupling {
            Coupling::Anisotropic => self.grid.axes() * self.grid.row(),
            Coupling::Isotropic => self.grid.row(),
            Coupling::Vectorial => self.grid.width(),
        }
    }
}

impl Iteration<f64> for GridSolver<'_> {
    fn step(&mut self) -> Result<(), SolveError> {
        let (row, axes) = (self.grid.row(), self.grid.axes());
        let gamma = self.convexity * if self.tau > FAST_UNTIL { 1.0 } else { 0.15 };
        let theta = 1.0 / (1.0 + 2.0 * gamma * self.tau).sqrt();
        let (mut z, mut memory) = (std::mem::take(&mut self.z), std::mem::take(&mut self.memory));
        let (solver, size) = (&*self, self.memory_of_band());
        par::chunks_pair_mut(&mut z, BAND * axes * row, &mut memory, size, |band, z, memory| {
            vecops::dispatch(Ascend { solver, first: band * BAND, z, memory });
        });
        self.z = z;
        let mut x = std::mem::take(&mut self.x);
        let solver = &*self;
        par::chunks_pair_mut(&mut x, BAND * 2 * row, &mut memory, size, |band, x, memory| {
            vecops::dispatch(Descend { solver, theta, first: band * BAND, x, memory });
        });
        (self.x, self.memory) = (x, memory);
        (self.tau, self.sigma) = (theta * self.tau, self.sigma / theta);
        self.iter += 1;
        if self.iter >= self.next_check {
            self.certificate = self.certify();
            self.next_check = self.iter + CHECK.max(self.iter / 10);
        }
        if self.convexity == 0.0 && self.iter >= self.next_ratio {
            self.adapt();
            self.next_ratio = 2 * self.iter;
        }
        Ok(())
    }

    fn progress(&self) -> Progress<f64> {
        let relative = self.certificate.relative_gap(self.certificate.primal);
        Progress::new(self.iter, relative).objective(self.certificate.primal).gap(self.certificate.gap())
    }

    /// The rows of `x`, each followed by its `x̄`.
    fn iterate(&self) -> &[f64] {
        &self.x
    }
}

/// `z ← P(z + σ∇x̄)` on a band.
struct Ascend<'a> {
    solver: &'a GridSolver<'a>,
    first: usize,
    z: &'a mut [f64],
    memory: &'a mut [f64],
}

impl vecops::Kernel for Ascend<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let s = self.solver;
        let size = s.grid.axes() * s.grid.row();
        let (gradient, rest) = self.memory.split_at_mut(size);
        let norms = &mut rest[..s.groups()];
        let lambda = s.grid.lambda;
        for (i, z) in self.z.chunks_exact_mut(size).enumerate() {
            s.gradient(self.first + i, 1, gradient);
            z.iter_mut().zip(&*gradient).for_each(|(z, g)| *z += s.sigma * g);
            if s.grid.coupling == Coupling::Anisotropic {
                z.iter_mut().for_each(|z| *z = z.clamp(-lambda, lambda));
                continue;
            }
            s.norms(z, norms);
            norms.iter_mut().for_each(|n| *n = if *n > lambda { lambda / *n } else { 1.0 });
            for part in z.chunks_exact_mut(norms.len()) {
                part.iter_mut().zip(&*norms).for_each(|(z, n)| *z *= n);
            }
        }
    }
}

/// `x ← prox(x − τ∇ᵀz)`, `x̄ ← x + θ(x − x_old)` on a band.
struct Descend<'a> {
    solver: &'a GridSolver<'a>,
    theta: f64,
    first: usize,
    x: &'a mut [f64],
    memory: &'a mut [f64],
}

impl vecops::Kernel for Descend<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let s = self.solver;
        let (row, width) = (s.grid.row(), s.grid.width());
        let d = &mut self.memory[..row];
        for (i, x) in self.x.chunks_exact_mut(2 * row).enumerate() {
            let r = self.first + i;
            d.fill(0.0);
            s.divergence(r, d);
            let b = &s.b[r * row..(r + 1) * row];
            let weights = if s.weights.is_empty() { None } else { Some(&s.weights[r * row..(r + 1) * row]) };
            let (x, bar) = x.split_at_mut(row);
            for c in 0..s.grid.channels {
                let (low, high) = s.grid.bounds[c];
                for j in c * width..(c + 1) * width {
                    let v = x[j] - s.tau * d[j];
                    let t = s.tau * weights.map_or(1.0, |w| w[j]);
                    let new = if t > 0.0 { s.grid.fidelity.prox(v, b[j], t) } else { v }.clamp(low, high);
                    bar[j] = new + self.theta * (new - x[j]);
                    x[j] = new;
                }
            }
        }
    }
}

/// Primal value and dual bound of a band.
struct Judge<'a> {
    solver: &'a GridSolver<'a>,
    first: usize,
    last: usize,
    memory: &'a mut [f64],
}

impl vecops::Kernel for Judge<'_> {
    type Output = (f64, f64);

    #[inline(always)]
    fn call(self) -> (f64, f64) {
        let s = self.solver;
        let (w, row) = (s.grid.width(), s.grid.row());
        let (gradient, rest) = self.memory.split_at_mut(s.grid.axes() * row);
        let (d, norms) = rest.split_at_mut(row);
        let (mut primal, mut dual) = (0.0, 0.0);
        let f = s.grid.fidelity;
        for r in self.first..self.last {
            d.fill(0.0);
            s.divergence(r, d);
            s.gradient(r, 0, gradient);
            s.norms(gradient, norms);
            primal += s.grid.lambda * norms.iter().sum::<f64>();
            let x = &s.x[2 * r * row..(2 * r + 1) * row];
            for j in 0..row {
                let (low, high) = s.grid.bounds[j / w];
                let b = s.b[r * row + j];
                let weight = if s.weights.is_empty() { 1.0 } else { s.weights[r * row + j] };
                let value = |x: f64| if weight > 0.0 { weight * f.value(x, b) } else { 0.0 };
                primal += value(x[j]);
                // −max_x(−d·x − w f(x)).
                let best = f.conjugate_point(-d[j], b, weight, low, high);
                dual += d[j] * best + value(best);
            }
        }
        (primal, dual)
    }
}
