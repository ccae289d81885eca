//! The primal-dual iteration for total generalised variation, in bands of rows.

use spm_linalg::vecops;
use spm_solvers::{Certificate, Iteration, Progress, SolveError};

use crate::par;

/// Rows that one task works on: a fixed number, so that sums do not depend on the number of threads.
const BAND: usize = 16;

/// Iterations between certificates at least.
const CHECK: usize = 20;

/// Bound of the squared norm of `(x, p) ↦ (∇x − p, E p)`: `(17 + √33)/2`.
const SQ_NORM: f64 = 11.4;

/// Over-relaxation, below 2.
const RELAX: f64 = 1.8;

/// `1/√2`: the off-diagonal entry of `E p` counts twice in its norm, so it is kept times `√2`.
const HALF: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// Chambolle and Pock (2011), algorithm 1, over-relaxed (Condat 2013, algorithm 3.2), on `½‖x − b‖² + λ Σ|∇x − p| + μ Σ|E p|`.
///
/// Rows hold their channels one after the other, `row` values. Of every row the primal variables lie side by side, `x`, `p` (vertical,
/// horizontal), then the same three extrapolated; and the dual ones, `z` (vertical, horizontal), `q` (vertical, horizontal, mixed). A
/// slope that does not exist (vertical in the last row, horizontal in the last column) is 0, as is what belongs to it in `z` and `q`.
#[derive(Debug)]
pub(super) struct TgvStep {
    height: usize,
    width: usize,
    row: usize,
    lambda: f64,
    mu: f64,
    b: Vec<f64>,
    primal: Vec<f64>,
    dual: Vec<f64>,
    reference: (Vec<f64>, Vec<f64>),
    sums: Vec<Sums>,
    /// Working memory, `10·row + width` values a band.
    memory: Vec<f64>,
    /// `√(σ/τ)`.
    ratio: f64,
    iter: usize,
    next_check: usize,
    next_ratio: usize,
    certificate: Certificate<f64>,
    /// The gap is relative to the objective, or to this where the objective vanishes: the image is a plane.
    floor: f64,
}

/// Of half the energy of the data.
const FLOOR: f64 = 1e-6;

/// A band's share of a certificate.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    primal: f64,
    largest: f64,
    product: f64,
    energy: f64,
}

impl TgvStep {
    /// From `x = b` without slopes.
    pub(super) fn new(
        b: Vec<f64>,
        (height, width, channels): (usize, usize, usize),
        (lambda, mu): (f64, f64),
    ) -> Self {
        let row = channels * width;
        let bands = height.div_ceil(BAND);
        let mut primal = vec![0.0; 6 * b.len()];
        for (part, b) in primal.chunks_exact_mut(6 * row).zip(b.chunks_exact(row)) {
            part[..row].copy_from_slice(b);
            part[3 * row..4 * row].copy_from_slice(b);
        }
        let dual = vec![0.0; 5 * b.len()];
        let mut it = Self {
            height,
            width,
            row,
            lambda,
            mu,
            reference: (primal.clone(), dual.clone()),
            floor: 0.5 * FLOOR * vecops::sq_norm(&b),
            b,
            primal,
            dual,
            sums: vec![Sums::default(); bands],
            memory: vec![0.0; bands * (10 * row + width)],
            ratio: lambda.max(1e-6) * 4.0,
            iter: 0,
            next_check: CHECK,
            next_ratio: 2 * CHECK,
            certificate: Certificate::new(f64::INFINITY, f64::NEG_INFINITY),
        };
        it.certificate = it.certify();
        it
    }

    fn memory_of_band(&self) -> usize {
        10 * self.row + self.width
    }

    /// Row `i` of `x`.
    pub(super) fn image_row(&self, i: usize) -> &[f64] {
        self.primal(i, 0)
    }

    /// Part `a` of row `i`: `x`, `p`, then the same extrapolated.
    #[inline(always)]
    fn primal(&self, i: usize, a: usize) -> &[f64] {
        &self.primal[(6 * i + a) * self.row..(6 * i + a + 1) * self.row]
    }

    #[inline(always)]
    fn dual(&self, i: usize, a: usize) -> &[f64] {
        &self.dual[(5 * i + a) * self.row..(5 * i + a + 1) * self.row]
    }

    /// `K` of the iterate (`of = 0`) or of the extrapolated one (`of = 3`), row `i`, added to `out` times `scale`.
    #[inline(always)]
    fn apply(&self, i: usize, of: usize, scale: f64, out: &mut [f64]) {
        let (h, w, row) = (self.height, self.width, self.row);
        let (x, pv, ph) = (self.primal(i, of), self.primal(i, of + 1), self.primal(i, of + 2));
        let (zv, rest) = out.split_at_mut(row);
        let (zh, rest) = rest.split_at_mut(row);
        let (qv, rest) = rest.split_at_mut(row);
        let (qh, qx) = rest.split_at_mut(row);
        let above = if i > 0 { Some((self.primal(i - 1, of + 1), self.primal(i - 1, of + 2))) } else { None };
        if i + 1 < h {
            let below = self.primal(i + 1, of);
            for j in 0..row {
                zv[j] += scale * (below[j] - x[j] - pv[j]);
            }
            if let Some((up, _)) = above {
                for j in 0..row {
                    qv[j] += scale * (pv[j] - up[j]);
                }
            }
        }
        for at in (0..row).step_by(w) {
            let line = at..at + w;
            let (x, pv, ph) = (&x[line.clone()], &pv[line.clone()], &ph[line.clone()]);
            let (zh, qh, qx) = (&mut zh[line.clone()], &mut qh[line.clone()], &mut qx[line.clone()]);
            for j in 0..w - 1 {
                zh[j] += scale * (x[j + 1] - x[j] - ph[j]);
            }
            for j in 1..w.max(2) - 1 {
                qh[j] += scale * (ph[j] - ph[j - 1]);
            }
            if i + 1 < h {
                for j in 1..w {
                    qx[j] += scale * HALF * (pv[j] - pv[j - 1]);
                }
            }
            if let Some((_, up)) = above {
                let up = &up[line];
                for j in 0..w - 1 {
                    qx[j] += scale * HALF * (ph[j] - up[j]);
                }
            }
        }
    }

    /// `Eᵀq` of row `i`, vertical and horizontal part, into `out`.
    #[inline(always)]
    fn slopes(&self, i: usize, out: &mut [f64]) {
        let (h, w, row) = (self.height, self.width, self.row);
        let (v, g) = out.split_at_mut(row);
        let (qv, qh, qx) = (self.dual(i, 2), self.dual(i, 3), self.dual(i, 4));
        v.fill(0.0);
        if i + 1 < h {
            let below = self.dual(i + 1, 2);
            for j in 0..row {
                v[j] = qv[j] - below[j];
            }
            for at in (0..row).step_by(w) {
                let (v, qx) = (&mut v[at..at + w], &qx[at..at + w]);
                for j in 0..w - 1 {
                    v[j] -= HALF * qx[j + 1];
                }
                for j in 1..w {
                    v[j] += HALF * qx[j];
                }
            }
        }
        for at in (0..row).step_by(w) {
            let (g, qh, qx) = (&mut g[at..at + w], &qh[at..at + w], &qx[at..at + w]);
            for j in 0..w - 1 {
                g[j] = qh[j] - qh[j + 1];
            }
            g[w - 1] = 0.0;
            if i > 0 {
                for j in 0..w - 1 {
                    g[j] += HALF * qx[j];
                }
            }
            if i + 1 < h {
                let below = &self.dual(i + 1, 4)[at..at + w];
                for j in 0..w - 1 {
                    g[j] -= HALF * below[j];
                }
            }
        }
    }

    /// Primal value, and the bound from `q` alone.
    pub(super) fn certify(&mut self) -> Certificate<f64> {
        let (mut sums, mut memory) = (std::mem::take(&mut self.sums), std::mem::take(&mut self.memory));
        let (solver, size) = (&*self, self.memory_of_band());
        par::chunks_pair_mut(&mut sums, 1, &mut memory, size, |band, sums, memory| {
            sums[0] = vecops::dispatch(Judge { solver, first: band * BAND, memory });
        });
        self.memory = memory;
        let total = sums.iter().fold(Sums::default(), |a, b| Sums {
            primal: a.primal + b.primal,
            largest: a.largest.max(b.largest),
            product: a.product + b.product,
            energy: a.energy + b.energy,
        });
        self.sums = sums;
        let best = if total.energy > 0.0 { total.product / total.energy } else { 0.0 };
        let most = if total.largest > self.lambda { self.lambda / total.largest } else { 1.0 };
        let s = best.clamp(0.0, most);
        Certificate::new(total.primal, s * total.product - 0.5 * s * s * total.energy)
    }

    /// The gap in parts of the objective, or of the least objective that counts.
    pub(super) fn relative_gap(&self) -> f64 {
        self.certificate.relative_gap(self.certificate.primal.max(self.floor))
    }

    /// `√(σ/τ)` from how far both variables have come since it was last set.
    fn adapt(&mut self) {
        let dx = vecops::sq_dist(&self.primal, &self.reference.0).sqrt();
        let dz = vecops::sq_dist(&self.dual, &self.reference.1).sqrt();
        if dx > 0.0 && dz > 0.0 {
            // The variable and its extrapolation both count.
            self.ratio = (self.ratio * dz * std::f64::consts::SQRT_2 / dx).sqrt();
        }
        self.reference.0.copy_from_slice(&self.primal);
        self.reference.1.copy_from_slice(&self.dual);
    }
}

impl Iteration<f64> for TgvStep {
    fn step(&mut self) -> Result<(), SolveError> {
        let row = self.row;
        let norm = SQ_NORM.sqrt();
        let (tau, sigma) = (1.0 / (self.ratio * norm), self.ratio / norm);
        let (mut dual, mut memory) = (std::mem::take(&mut self.dual), std::mem::take(&mut self.memory));
        let (solver, size) = (&*self, self.memory_of_band());
        par::chunks_pair_mut(&mut dual, BAND * 5 * row, &mut memory, size, |band, dual, memory| {
            vecops::dispatch(Ascend { solver, sigma, first: band * BAND, dual, memory });
        });
        (self.dual, self.memory) = (dual, memory);
        let mut primal = std::mem::take(&mut self.primal);
        let solver = &*self;
        par::chunks_mut(&mut primal, BAND * 6 * row, |band, primal| {
            vecops::dispatch(Descend { solver, tau, first: band * BAND, primal });
        });
        self.primal = primal;
        self.iter += 1;
        if self.iter >= self.next_check {
            self.certificate = self.certify();
            self.next_check = self.iter + CHECK.max(self.iter / 10);
        }
        if self.iter >= self.next_ratio {
            self.adapt();
            self.next_ratio = 2 * self.iter;
        }
        Ok(())
    }

    fn progress(&self) -> Progress<f64> {
        Progress::new(self.iter, self.relative_gap())
            .objective(self.certificate.primal)
            .gap(self.certificate.gap())
    }

    fn iterate(&self) -> &[f64] {
        &self.primal
    }
}

/// Norms of the vectors of `parts.len()/row` entries a pixel and channel, all channels together.
#[inline(always)]
fn joint_norms(parts: &[f64], norms: &mut [f64]) {
    norms.fill(0.0);
    for part in parts.chunks_exact(norms.len()) {
        norms.iter_mut().zip(part).for_each(|(n, v)| *n += v * v);
    }
    norms.iter_mut().for_each(|n| *n = n.sqrt());
}

/// `(z, q) ← (1 − r)(z, q) + r·P((z, q) + σK(x̄, p̄))` on a band, with the over-relaxation `r`.
struct Ascend<'a> {
    solver: &'a TgvStep,
    sigma: f64,
    first: usize,
    dual: &'a mut [f64],
    memory: &'a mut [f64],
}

impl vecops::Kernel for Ascend<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let s = self.solver;
        let (old, rest) = self.memory.split_at_mut(5 * s.row);
        let norms = &mut rest[..s.width];
        for (i, dual) in self.dual.chunks_exact_mut(5 * s.row).enumerate() {
            old.copy_from_slice(dual);
            s.apply(self.first + i, 3, self.sigma, dual);
            let (z, q) = dual.split_at_mut(2 * s.row);
            for (part, bound) in [(z, s.lambda), (q, s.mu)] {
                joint_norms(part, norms);
                norms.iter_mut().for_each(|n| *n = if *n > bound { bound / *n } else { 1.0 });
                for part in part.chunks_exact_mut(s.width) {
                    part.iter_mut().zip(&*norms).for_each(|(v, n)| *v *= n);
                }
            }
            dual.iter_mut().zip(&*old).for_each(|(v, old)| *v = old + RELAX * (*v - old));
        }
    }
}

/// `x̃ = prox(x − τ∇ᵀz)`, `p̃ = p − τ(Eᵀq − z)`, and both extrapolated, `2x̃ − x`, on a band; before, the step from the last `x` to the last
/// `x̃`, over-relaxed.
struct Descend<'a> {
    solver: &'a TgvStep,
    tau: f64,
    first: usize,
    primal: &'a mut [f64],
}

impl vecops::Kernel for Descend<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (s, tau) = (self.solver, self.tau);
        let (w, row) = (s.width, s.row);
        for (r, primal) in self.primal.chunks_exact_mut(6 * row).enumerate() {
            let i = self.first + r;
            let (now, bar) = primal.split_at_mut(3 * row);
            now.iter_mut().zip(&*bar).for_each(|(now, bar)| *now += 0.5 * RELAX * (bar - *now));
            // The new values go to `bar` first.
            let (x, p) = bar.split_at_mut(row);
            s.slopes(i, p);
            for (a, p) in p.chunks_exact_mut(row).enumerate() {
                let old = &now[(a + 1) * row..(a + 2) * row];
                for ((p, old), z) in p.iter_mut().zip(old).zip(s.dual(i, a)) {
                    *p = old - tau * (*p - z);
                }
            }
            divergence(s.dual(i, 0), (i > 0).then(|| s.dual(i - 1, 0)), s.dual(i, 1), w, x);
            let b = &s.b[i * row..(i + 1) * row];
            for ((x, old), b) in x.iter_mut().zip(&*now).zip(b) {
                *x = (old - tau * *x + tau * b) / (1.0 + tau);
            }
            bar.iter_mut().zip(&*now).for_each(|(bar, now)| *bar = 2.0 * *bar - now);
        }
    }
}

/// `out ← ∇ᵀz` of a row from its vertical part, that of the row above, and its horizontal part.
#[inline(always)]
fn divergence(v: &[f64], above: Option<&[f64]>, g: &[f64], w: usize, out: &mut [f64]) {
    out.iter_mut().zip(v).zip(g).for_each(|((o, v), g)| *o = -v - g);
    if let Some(above) = above {
        out.iter_mut().zip(above).for_each(|(o, v)| *o += v);
    }
    for (out, g) in out.chunks_exact_mut(w).zip(g.chunks_exact(w)) {
        out[1..].iter_mut().zip(g).for_each(|(o, g)| *o += g);
    }
}

/// The certificate of a band.
struct Judge<'a> {
    solver: &'a TgvStep,
    first: usize,
    memory: &'a mut [f64],
}

impl vecops::Kernel for Judge<'_> {
    type Output = Sums;

    #[inline(always)]
    fn call(self) -> Sums {
        let s = self.solver;
        let (w, row) = (s.width, s.row);
        let mut out = Sums::default();
        let (k, rest) = self.memory.split_at_mut(5 * row);
        let (mut z, rest) = rest.split_at_mut(2 * row);
        let (mut above, rest) = rest.split_at_mut(2 * row);
        let (d, norms) = rest.split_at_mut(row);
        if self.first > 0 {
            s.slopes(self.first - 1, above);
        }
        for i in self.first..(self.first + BAND).min(s.height) {
            let (x, b) = (s.primal(i, 0), &s.b[i * row..(i + 1) * row]);
            out.primal += 0.5 * x.iter().zip(b).map(|(x, b)| (x - b) * (x - b)).sum::<f64>();
            k.fill(0.0);
            s.apply(i, 0, 1.0, k);
            joint_norms(&k[..2 * row], norms);
            out.primal += s.lambda * norms.iter().sum::<f64>();
            joint_norms(&k[2 * row..], norms);
            out.primal += s.mu * norms.iter().sum::<f64>();
            s.slopes(i, z);
            joint_norms(z, norms);
            out.largest = norms.iter().copied().fold(out.largest, f64::max);
            // Over-relaxation may leave the ball of `q`, too.
            joint_norms(&s.dual[(5 * i + 2) * row..5 * (i + 1) * row], norms);
            out.largest = norms.iter().map(|n| n * s.lambda / s.mu).fold(out.largest, f64::max);
            let up = (i > 0).then_some(&above[..row]);
            divergence(&z[..row], up, &z[row..], w, d);
            out.product += d.iter().zip(b).map(|(d, b)| d * b).sum::<f64>();
            out.energy += d.iter().map(|d| d * d).sum::<f64>();
            std::mem::swap(&mut z, &mut above);
        }
        out
    }
}
