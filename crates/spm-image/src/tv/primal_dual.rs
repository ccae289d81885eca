//! The accelerated primal-dual method for total variation denoising, one fused pass over the image an iteration.

use spm_linalg::{Scalar, vecops};
use spm_solvers::{Iteration, Progress, SolveError};

use super::Coupling;
use super::kernel::{Geometry, PrimalStep, dual_row, gap_row, primal_row};
use crate::par;

/// Rows that one task works on: a fixed number, so that sums do not depend on the number of threads.
const BAND: usize = 32;

/// From this primal step on the steps change more slowly.
const FAST_UNTIL: f64 = 0.03;

/// Chambolle and Pock (2011), algorithm 2, on `min ½‖x − b‖² + λ TV(x)`.
///
/// The primal step `τ` falls as `1/(γk)`. The objective allows every `γ <= 1`: 1 is fastest at first, but soon makes `τ` so small
/// that large regions move slowly. Below [`FAST_UNTIL`] a smaller `γ` halves the iterations to a gap of 1e-6
/// (more for large `λ`); anisotropic total variation, whose solution is found in finitely many pieces, likes the smallest.
///
/// `progress().residual` is the duality gap relative to the objective, as of the last time it was computed (every
/// tenth of the iterations so far, at least every 8).
#[derive(Debug)]
pub(super) struct PrimalDual<W> {
    geometry: Geometry,
    lambda: W,
    /// `σ/λ`, as the dual variable is in units of λ.
    sigma: f64,
    tau: f64,
    b: Vec<W>,
    x: Vec<W>,
    xbar: Vec<W>,
    v: Vec<W>,
    h: Vec<W>,
    /// For every band: the row of `v` just above it, updated; `x̄` of the row just below it, not updated.
    halo_v: Vec<W>,
    halo_x: Vec<W>,
    /// `4·width` values a band.
    scratch: Vec<W>,
    row_h: Vec<W>,
    iter: usize,
    next_check: usize,
    gap: f64,
    objective: f64,
}

impl<W: Scalar> PrimalDual<W> {
    /// Starts at `x = b`, `z = 0`. `norm` bounds the norm of the gradient.
    pub(super) fn new(geometry: Geometry, b: Vec<W>, lambda: f64, norm: f64) -> Self {
        let n = b.len();
        let bands = geometry.height.div_ceil(BAND);
        let mut it = Self {
            geometry,
            lambda: W::of(lambda),
            sigma: 0.0,
            tau: 0.0,
            x: b.clone(),
            xbar: b.clone(),
            b,
            v: vec![W::zero(); n],
            h: vec![W::zero(); n],
            halo_v: vec![W::zero(); bands * geometry.row()],
            halo_x: vec![W::zero(); bands * geometry.row()],
            scratch: vec![W::zero(); bands * 4 * geometry.width],
            row_h: vec![W::zero(); geometry.row()],
            iter: 0,
            next_check: 0,
            gap: f64::INFINITY,
            objective: f64::INFINITY,
        };
        it.set_steps(norm);
        it.check();
        it
    }

    /// First steps: `τσ‖∇‖² = 1`, a larger primal step as the first iterations have far to go.
    fn set_steps(&mut self, norm: f64) {
        const PRIMAL_WEIGHT: f64 = 4.0;
        self.tau = PRIMAL_WEIGHT / norm;
        self.sigma = 1.0 / (PRIMAL_WEIGHT * norm);
        self.next_check = self.iter + 8;
    }

    /// Another λ from the current point: `∇ᵀ(λz)` is kept as far as the new ball allows.
    pub(super) fn restart(&mut self, lambda: f64, norm: f64) {
        let ratio = self.lambda / W::of(lambda);
        self.lambda = W::of(lambda);
        if ratio < W::one() {
            vecops::scale(ratio, &mut self.v);
            vecops::scale(ratio, &mut self.h);
        }
        self.xbar.copy_from_slice(&self.x);
        self.iter = 0;
        self.set_steps(norm);
        self.check();
    }

    /// The same state in another precision.
    pub(super) fn convert<V: Scalar>(&self, b: Vec<V>, lambda: f64) -> PrimalDual<V> {
        let cast = |s: &[W]| s.iter().map(|v| V::of(v.as_f64())).collect::<Vec<V>>();
        PrimalDual {
            geometry: self.geometry,
            lambda: V::of(lambda),
            sigma: self.sigma,
            tau: self.tau,
            x: cast(&self.x),
            xbar: cast(&self.xbar),
            v: cast(&self.v),
            h: cast(&self.h),
            b,
            halo_v: vec![V::zero(); self.halo_v.len()],
            halo_x: vec![V::zero(); self.halo_x.len()],
            scratch: vec![V::zero(); self.scratch.len()],
            row_h: vec![V::zero(); self.row_h.len()],
            iter: self.iter,
            // The dual variable may lie a rounding step of the old precision outside its ball until the next step.
            next_check: self.iter + 1,
            gap: f64::INFINITY,
            objective: f64::INFINITY,
        }
    }

    /// The dual variable in units of λ: vertical and horizontal part.
    pub(super) fn dual(&self) -> (&[W], &[W]) {
        (&self.v, &self.h)
    }

    fn check(&mut self) {
        let job = GapBands {
            geometry: &self.geometry,
            lambda: self.lambda,
            b: &self.b,
            x: &self.x,
            v: &self.v,
            h: &self.h,
            first: 0,
            last: self.geometry.height,
            scratch: &mut self.scratch,
            zeros: &self.halo_v[..self.geometry.row()],
        };
        (self.gap, self.objective) = job.run();
    }

    /// What the bands need of one another, before any of them starts.
    fn exchange(&mut self) {
        let (row, h) = (self.geometry.row(), self.geometry.height);
        let step = W::of(self.sigma) / self.lambda;
        for (band, start) in (0..h).step_by(BAND).enumerate().skip(1) {
            let at = band * row..(band + 1) * row;
            self.halo_x[(band - 1) * row..band * row]
                .copy_from_slice(&self.xbar[start * row..(start + 1) * row]);
            let above = (start - 1) * row..start * row;
            self.halo_v[at.clone()].copy_from_slice(&self.v[above.clone()]);
            self.row_h.copy_from_slice(&self.h[above.clone()]);
            dual_row(
                &self.geometry,
                step,
                &self.xbar[above],
                &self.xbar[start * row..(start + 1) * row],
                &mut self.halo_v[at],
                &mut self.row_h,
                &mut self.scratch[..self.geometry.width],
            );
        }
    }
}

impl<W: Scalar> Iteration<W> for PrimalDual<W> {
    fn step(&mut self) -> Result<(), SolveError> {
        self.exchange();
        let gamma = if self.tau > FAST_UNTIL {
            1.0
        } else if self.geometry.coupling == Coupling::Anisotropic {
            0.05
        } else {
            0.15
        };
        let theta = 1.0 / (1.0 + 2.0 * gamma * self.tau).sqrt();
        let steps = PrimalStep { tau: W::of(self.tau), theta: W::of(theta), lambda: self.lambda };
        Bands {
            geometry: &self.geometry,
            sigma: W::of(self.sigma) / self.lambda,
            steps,
            bottom: true,
            b: &self.b,
            x: &mut self.x,
            xbar: &mut self.xbar,
            v: &mut self.v,
            h: &mut self.h,
            halo_v: &self.halo_v,
            halo_x: &self.halo_x,
            scratch: &mut self.scratch,
        }
        .run();
        self.tau *= theta;
        self.sigma /= theta;
        self.iter += 1;
        if self.iter >= self.next_check {
            self.check();
            self.next_check = self.iter + 8.max(self.iter / 10);
        }
        Ok(())
    }

    fn progress(&self) -> Progress<W> {
        let relative = if self.gap == 0.0 { 0.0 } else { self.gap / self.objective };
        Progress::new(self.iter, W::of(relative)).objective(W::of(self.objective)).gap(W::of(self.gap))
    }

    fn iterate(&self) -> &[W] {
        &self.x
    }
}

/// Some bands of rows, splittable down to one.
struct Bands<'a, W> {
    geometry: &'a Geometry,
    sigma: W,
    steps: PrimalStep<W>,
    /// Whether the last row is the last of the image.
    bottom: bool,
    b: &'a [W],
    x: &'a mut [W],
    xbar: &'a mut [W],
    v: &'a mut [W],
    h: &'a mut [W],
    halo_v: &'a [W],
    halo_x: &'a [W],
    scratch: &'a mut [W],
}

impl<W: Scalar> Bands<'_, W> {
    fn run(self) {
        let row = self.geometry.row();
        let bands = self.halo_v.len() / row;
        if bands == 1 {
            return vecops::dispatch(self);
        }
        let left = bands / 2;
        let (at, halo, scratch) = (left * BAND * row, left * row, left * 4 * self.geometry.width);
        let Self { geometry, sigma, steps, bottom, b, x, xbar, v, h, halo_v, halo_x, scratch: s } = self;
        let (b0, b1) = b.split_at(at);
        let (x0, x1) = x.split_at_mut(at);
        let (xbar0, xbar1) = xbar.split_at_mut(at);
        let (v0, v1) = v.split_at_mut(at);
        let (h0, h1) = h.split_at_mut(at);
        let (hv0, hv1) = halo_v.split_at(halo);
        let (hx0, hx1) = halo_x.split_at(halo);
        let (s0, s1) = s.split_at_mut(scratch);
        let part = |bottom, b, x, xbar, v, h, halo_v, halo_x, scratch| Bands {
            geometry,
            sigma,
            steps,
            bottom,
            b,
            x,
            xbar,
            v,
            h,
            halo_v,
            halo_x,
            scratch,
        };
        let upper = part(false, b0, x0, xbar0, v0, h0, hv0, hx0, s0);
        let lower = part(bottom, b1, x1, xbar1, v1, h1, hv1, hx1, s1);
        par::join(|| upper.run(), || lower.run());
    }
}

impl<W: Scalar> vecops::Kernel for Bands<'_, W> {
    type Output = ();

    /// One band, row after row.
    #[inline(always)]
    fn call(self) {
        let g = self.geometry;
        let row = g.row();
        let rows = self.b.len() / row;
        for r in 0..rows {
            let at = r * row..(r + 1) * row;
            let (head, tail) = self.xbar.split_at_mut((r + 1) * row);
            let xbar = &mut head[r * row..];
            let below = if r + 1 < rows {
                &tail[..row]
            } else if self.bottom {
                &*xbar
            } else {
                self.halo_x
            };
            let (v_head, v_tail) = self.v.split_at_mut(r * row);
            let (v, h) = (&mut v_tail[..row], &mut self.h[at.clone()]);
            dual_row(g, self.sigma, xbar, below, v, h, self.scratch);
            let above = if r == 0 { self.halo_v } else { &v_head[(r - 1) * row..] };
            primal_row(g, self.steps, &self.b[at.clone()], above, v, h, &mut self.x[at], xbar);
        }
    }
}

/// The gap over some rows, a whole number of bands.
struct GapBands<'a, W> {
    geometry: &'a Geometry,
    lambda: W,
    b: &'a [W],
    x: &'a [W],
    v: &'a [W],
    h: &'a [W],
    first: usize,
    last: usize,
    scratch: &'a mut [W],
    /// A row of zeros: band 0 has nothing above it, and its halo is never written.
    zeros: &'a [W],
}

impl<W: Scalar> GapBands<'_, W> {
    /// Gap and objective. The tree of sums is fixed by the number of bands.
    fn run(self) -> (f64, f64) {
        let bands = (self.last - self.first).div_ceil(BAND);
        if bands <= 1 {
            return vecops::dispatch(self);
        }
        let left = bands / 2;
        let Self { geometry, lambda, b, x, v, h, first, last, scratch, zeros } = self;
        let (s0, s1) = scratch.split_at_mut(left * 4 * geometry.width);
        let part =
            |first, last, scratch| GapBands { geometry, lambda, b, x, v, h, first, last, scratch, zeros };
        let middle = first + left * BAND;
        let (upper, lower) = (part(first, middle, s0), part(middle, last, s1));
        let (p, q) = par::join(|| upper.run(), || lower.run());
        (p.0 + q.0, p.1 + q.1)
    }
}

impl<W: Scalar> vecops::Kernel for GapBands<'_, W> {
    type Output = (f64, f64);

    /// One band, row after row.
    #[inline(always)]
    fn call(self) -> (f64, f64) {
        let g = self.geometry;
        let row = g.row();
        let (mut gap, mut objective) = (0.0, 0.0);
        for r in self.first..self.last {
            let at = r * row..(r + 1) * row;
            let x = &self.x[at.clone()];
            let below = if r + 1 < g.height { &self.x[(r + 1) * row..(r + 2) * row] } else { x };
            let above = if r > 0 { &self.v[(r - 1) * row..r * row] } else { self.zeros };
            let (v, h) = (&self.v[at.clone()], &self.h[at.clone()]);
            let (p, q) = gap_row(g, self.lambda, &self.b[at], x, below, above, v, h, self.scratch);
            gap += p;
            objective += q;
        }
        (gap, objective)
    }
}
