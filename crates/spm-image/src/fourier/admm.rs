//! Alternating direction method of multipliers with the x-update in the Fourier domain ("split Bregman").

use std::time::Duration;

use spm_solvers::{Certificate, Control, Iteration, Progress, Report, SolveError, StopRule, run};

use super::certificate::{Certifier, Dual};
use super::{C64, Measurement, ZERO, inner, sq_norm};
use crate::tv::Coupling;
use crate::wavelet::WaveletTransform;
use crate::{ImageError, par};

/// The problem beside its data term, and how long to work on it.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// λ.
    pub(crate) tv: f64,
    /// `W` and μ.
    pub(crate) wavelet: Option<(WaveletTransform, f64)>,
    pub(crate) coupling: Coupling,
    /// The limit of vanishing weights: `A x = k` exactly, which needs `h ∈ {0, 1}` and a single coil.
    pub(crate) exact: bool,
    /// Relative duality gap.
    pub(crate) tol: f64,
    pub(crate) max_iter: usize,
    pub(crate) time_limit: Option<Duration>,
}

/// Goldstein and Osher (2009), "The split Bregman method for L1-regularized problems", on
/// `min ½‖Ax − k‖² + λ Σ|d| + μ Σ|e|` subject to `d = ∇x`, `e = Wx`, with over-relaxation.
///
/// The gradient is the periodic one, so that `F` diagonalises the x-update; the differences across the border carry no
/// penalty, so that the total variation is the one with zero differences at the far border.
#[derive(Debug)]
pub(crate) struct Admm<'a> {
    certifier: Certifier<'a>,
    rho: f64,
    /// The diagonal of `F AᴴA Fᴴ` and of the periodic Laplacian.
    data: Vec<f64>,
    laplacian: Vec<f64>,
    /// `F Aᴴ k`.
    rhs: Vec<C64>,
    x: Vec<C64>,
    /// Scaled multipliers and `d − u`; per plane the vertical, then the horizontal part.
    u: Vec<C64>,
    w: Vec<C64>,
    /// The same for `W`.
    q: Vec<C64>,
    e: Vec<C64>,
    image: Vec<C64>,
    spectrum: Vec<C64>,
    flat: Vec<f64>,
    iter: usize,
    next_check: usize,
    certificate: Certificate<f64>,
    residuals: (f64, f64),
}

/// The image, its certificate, and how the run ended.
pub(crate) type Solved = (Vec<C64>, Certificate<f64>, Report<f64>);

/// Over-relaxation of the constraints.
const RELAX: f64 = 1.6;

impl<'a> Admm<'a> {
    /// Starts at `x = Aᴴ k`. `values` are the measurements `k`, of size about 1.
    pub(crate) fn new(a: &'a Measurement, values: &'a [C64], options: &'a Options) -> Self {
        let n = a.fft.len();
        let size = a.planes * n;
        let (h, w) = (a.fft.height(), a.fft.width());
        let eigen = |k: usize, n: usize| (std::f64::consts::PI * k as f64 / n as f64).sin().powi(2) * 4.0;
        let laplacian = (0..n).map(|k| eigen(k % h, h) + eigen(k / h, w)).collect();
        let mut x = vec![ZERO; size];
        a.adjoint(values, &mut x);
        let mut rhs = vec![ZERO; size];
        let mut image = vec![ZERO; n];
        for (r, x) in rhs.chunks_exact_mut(n).zip(x.chunks_exact(n)) {
            image.copy_from_slice(x);
            a.fft.forward(&mut image, r);
        }
        let wavelet = if options.wavelet.is_some() { size } else { 0 };
        let weight =
            if options.tv > 0.0 { options.tv } else { options.wavelet.as_ref().map_or(1.0, |w| w.1) };
        let mut it = Self {
            certifier: Certifier::new(a, values, options),
            rho: weight / START,
            data: a.diagonal(),
            laplacian,
            rhs,
            x,
            u: vec![ZERO; 2 * size],
            w: vec![ZERO; 2 * size],
            q: vec![ZERO; wavelet],
            e: vec![ZERO; wavelet],
            image,
            spectrum: vec![ZERO; n],
            flat: Vec::new(),
            iter: 0,
            next_check: CHECK,
            certificate: Certificate::new(f64::INFINITY, f64::NEG_INFINITY),
            residuals: (1.0, 1.0),
        };
        it.certify();
        it
    }

    /// Runs until the certified gap is at most `tol` of the objective.
    pub(crate) fn solve(
        mut self,
        progress: &mut dyn FnMut(&Progress<f64>) -> std::ops::ControlFlow<()>,
    ) -> Result<Solved, ImageError> {
        let options = self.certifier.options;
        let mut stop = Small(options.tol);
        let mut observer = |p: &Progress<f64>, _: &[f64]| progress(p);
        let mut control = Control::new(options.max_iter, &mut stop);
        control.observer = Some(&mut observer);
        control.time_limit = options.time_limit;
        let report = run(&mut self, control)?;
        if !report.status.is_converged() {
            self.certify();
        }
        let Self { x, certificate, .. } = self;
        Ok((x, certificate, report))
    }

    fn certify(&mut self) {
        let dual = Dual { tv: &self.u, wavelet: &self.q, rho: self.rho };
        self.certificate = self.certifier.certify(&self.x, dual);
        self.flat.clear();
        self.flat.extend(self.x.iter().flat_map(|v| [v.re, v.im]));
    }

    /// `x ← argmin`: one solve in the Fourier domain, or conjugate gradients preconditioned by it if there are coils.
    fn update_x(&mut self) {
        let a = self.certifier.a;
        let n = a.fft.len();
        let wavelet = self.certifier.options.wavelet.as_ref();
        let (tv_rho, wavelet_rho) =
            (if self.certifier.options.tv > 0.0 { self.rho } else { 0.0 }, wavelet.map_or(0.0, |_| self.rho));
        for p in 0..a.planes {
            let at = p * n..(p + 1) * n;
            self.image.fill(ZERO);
            if tv_rho > 0.0 {
                divergence(&a.fft, &self.w[2 * p * n..2 * (p + 1) * n], tv_rho, &mut self.image);
            }
            if let Some((transform, _)) = wavelet {
                let mut back = self.e[at.clone()].to_vec();
                transform.apply_transpose(&mut back);
                for (o, v) in self.image.iter_mut().zip(&back) {
                    *o += v * wavelet_rho;
                }
            }
            if a.real {
                self.image.iter_mut().for_each(|v| v.im = 0.0);
            }
            a.fft.forward(&mut self.image, &mut self.spectrum);
            let exact = self.certifier.options.exact;
            for (k, s) in self.spectrum.iter_mut().enumerate() {
                let rest = tv_rho * self.laplacian[k] + wavelet_rho;
                let data = self.data[k];
                let total = *s + self.rhs[at.start + k];
                *s = if exact && data > 0.0 {
                    self.rhs[at.start + k] / data
                } else if data + rest > 1e-14 {
                    total / (data + rest)
                } else {
                    ZERO
                };
            }
            if a.coils.is_empty() {
                a.fft.inverse(&mut self.spectrum, &mut self.x[at.clone()]);
                if a.real {
                    self.x[at].iter_mut().for_each(|v| v.im = 0.0);
                }
            }
        }
        if !a.coils.is_empty() {
            self.conjugate_gradients(tv_rho, wavelet_rho);
        }
    }

    /// Several coils: `AᴴA` is not diagonal. The preconditioner averages over the coils; the tolerance follows the outer residual.
    fn conjugate_gradients(&mut self, tv_rho: f64, wavelet_rho: f64) {
        let a = self.certifier.a;
        let n = a.fft.len();
        let diagonal: Vec<f64> =
            (0..n).map(|k| (self.data[k] + tv_rho * self.laplacian[k] + wavelet_rho).max(1e-14)).collect();
        let mut measured = vec![ZERO; a.measured() * n];
        let mut normal = |v: &[C64], out: &mut [C64]| {
            a.apply(v, &mut measured);
            a.adjoint(&measured, out);
            laplacian(&a.fft, v, tv_rho, out);
            out.iter_mut().zip(v).for_each(|(o, v)| *o += v * wavelet_rho);
        };
        let mut spectrum = vec![ZERO; n];
        let mut precondition = |r: &[C64], z: &mut [C64]| {
            let mut image = r.to_vec();
            a.fft.forward(&mut image, &mut spectrum);
            spectrum.iter_mut().zip(&diagonal).for_each(|(s, d)| *s /= d);
            a.fft.inverse(&mut spectrum, z);
            if a.real {
                z.iter_mut().for_each(|v| v.im = 0.0);
            }
        };
        // The right side is in `spectrum`, divided by the diagonal.
        let mut b = vec![ZERO; n];
        for (s, d) in self.spectrum.iter_mut().zip(&diagonal) {
            *s *= d;
        }
        a.fft.inverse(&mut self.spectrum, &mut b);
        let (mut r, mut z) = (vec![ZERO; n], vec![ZERO; n]);
        normal(&self.x, &mut r);
        r.iter_mut().zip(&b).for_each(|(r, b)| *r = b - *r);
        let start = sq_norm(&r);
        precondition(&r, &mut z);
        let mut p = z.clone();
        let mut rz = inner(&r, &z);
        for _ in 0..CG_MAX {
            if sq_norm(&r) <= CG_SHARE * start || rz <= 0.0 {
                break;
            }
            let mut ap = vec![ZERO; n];
            normal(&p, &mut ap);
            let step = rz / inner(&p, &ap);
            for k in 0..n {
                self.x[k] += p[k] * step;
                r[k] -= ap[k] * step;
            }
            precondition(&r, &mut z);
            let next = inner(&r, &z);
            p.iter_mut().zip(&z).for_each(|(p, z)| *p = z + *p * (next / rz));
            rz = next;
        }
    }

    /// The multipliers and `d − u`, in one pass over the image; the squared primal and dual residuals.
    fn update_tv(&mut self) -> (f64, f64) {
        let a = self.certifier.a;
        let (h, w, n) = (a.fft.height(), a.fft.width(), a.fft.len());
        let bound = self.certifier.options.tv / self.rho;
        let coupling = self.certifier.options.coupling;
        let planes = a.planes;
        // Rows are independent: each takes its part of u and w of every plane and direction.
        let mut rows: Vec<Vec<(&mut [C64], &mut [C64])>> =
            (0..h).map(|_| Vec::with_capacity(2 * planes)).collect();
        for (u, w_) in self.u.chunks_exact_mut(n).zip(self.w.chunks_exact_mut(n)) {
            for (i, part) in u.chunks_exact_mut(w).zip(w_.chunks_exact_mut(w)).enumerate() {
                rows[i].push(part);
            }
        }
        let x = &self.x;
        let sums = par::map(rows.into_iter().enumerate().collect(), |(i, mut parts)| {
            let mut scale = vec![0.0; w];
            let (mut primal, mut dual) = (0.0, 0.0);
            let joint = coupling == Coupling::Vectorial;
            for p in 0..planes {
                let here = &x[p * n + i * w..p * n + (i + 1) * w];
                let below = (i + 1) % h;
                let below = &x[p * n + below * w..p * n + (below + 1) * w];
                let [vertical, horizontal] = &mut parts[2 * p..2 * p + 2] else {
                    unreachable!("two directions")
                };
                for j in 0..w {
                    let right = if j + 1 < w { j + 1 } else { 0 };
                    for (g, (u, w)) in
                        [(below[j] - here[j], &mut *vertical), (here[right] - here[j], &mut *horizontal)]
                    {
                        // d_old = w + u; the relaxed difference plus u goes into u for now.
                        let old = w[j] + u[j];
                        primal += (g - old).norm_sqr();
                        u[j] += g * RELAX + old * (1.0 - RELAX);
                        w[j] = old;
                    }
                    // No penalty across the border.
                    let (v, g) = (&mut vertical.0[j], &mut horizontal.0[j]);
                    let inside = (i + 1 < h, j + 1 < w);
                    let sq = |on: bool, v: &C64| if on { v.norm_sqr() } else { 0.0 };
                    match coupling {
                        Coupling::Anisotropic => {
                            let (a, b) = (shrink(sq(inside.0, v), bound), shrink(sq(inside.1, g), bound));
                            finish(v, &mut vertical.1[j], inside.0, a, &mut dual);
                            finish(g, &mut horizontal.1[j], inside.1, b, &mut dual);
                        }
                        Coupling::Isotropic => {
                            let s = shrink(sq(inside.0, v) + sq(inside.1, g), bound);
                            finish(v, &mut vertical.1[j], inside.0, s, &mut dual);
                            finish(g, &mut horizontal.1[j], inside.1, s, &mut dual);
                        }
                        Coupling::Vectorial => scale[j] += sq(inside.0, v) + sq(inside.1, g),
                    }
                }
            }
            if joint {
                for p in 0..planes {
                    let [vertical, horizontal] = &mut parts[2 * p..2 * p + 2] else {
                        unreachable!("two directions")
                    };
                    for j in 0..w {
                        let s = shrink(scale[j], bound);
                        finish(&mut vertical.0[j], &mut vertical.1[j], i + 1 < h, s, &mut dual);
                        finish(&mut horizontal.0[j], &mut horizontal.1[j], j + 1 < w, s, &mut dual);
                    }
                }
            }
            (primal, dual)
        });
        sums.into_iter().fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1))
    }

    /// The same for the wavelet coefficients.
    fn update_wavelet(&mut self) -> (f64, f64) {
        let options = self.certifier.options;
        let Some((transform, weight)) = &options.wavelet else { return (0.0, 0.0) };
        let n = self.certifier.a.fft.len();
        let bound = weight / self.rho;
        let (mut primal, mut dual) = (0.0, 0.0);
        for (p, x) in self.x.chunks_exact(n).enumerate() {
            self.image.copy_from_slice(x);
            transform.apply(&mut self.image);
            for (k, g) in self.image.iter().enumerate() {
                let (u, e) = (&mut self.q[p * n + k], &mut self.e[p * n + k]);
                let old = *e + *u;
                primal += (g - old).norm_sqr();
                *u += g * RELAX + old * (1.0 - RELAX);
                *e = old;
                let s = shrink(u.norm_sqr(), bound);
                finish(u, e, true, s, &mut dual);
            }
        }
        (primal, dual)
    }

    /// Keeps the residuals within a factor of each other: the multipliers are scaled, their product with ρ stays.
    fn balance(&mut self, ratio: f64) {
        let factor = if ratio > BALANCE {
            2.0
        } else if ratio < 1.0 / BALANCE {
            0.5
        } else {
            return;
        };
        self.rho *= factor;
        // w = d − u with u ← u / factor.
        let keep = 1.0 - 1.0 / factor;
        for (u, w) in self.u.iter_mut().zip(&mut self.w).chain(self.q.iter_mut().zip(&mut self.e)) {
            *w += *u * keep;
            *u /= factor;
        }
    }
}

impl Iteration<f64> for Admm<'_> {
    fn step(&mut self) -> Result<(), SolveError> {
        self.update_x();
        let tv = if self.certifier.options.tv > 0.0 { self.update_tv() } else { (0.0, 0.0) };
        let wavelet = self.update_wavelet();
        self.residuals = ((tv.0 + wavelet.0).sqrt(), (tv.1 + wavelet.1).sqrt());
        self.iter += 1;
        if self.iter >= self.next_check {
            self.certify();
            self.next_check = self.iter + CHECK.max(self.iter / 8);
        }
        if self.iter.is_multiple_of(10) && self.iter <= BALANCE_UNTIL {
            let (primal, dual) = self.residuals;
            self.balance(primal / dual.max(f64::MIN_POSITIVE));
        }
        Ok(())
    }

    fn progress(&self) -> Progress<f64> {
        let relative = self.certificate.relative_gap(self.certificate.primal);
        Progress::new(self.iter, relative)
            .objective(self.certificate.primal)
            .gap(self.certificate.gap())
            .dual_residual(self.residuals.1)
    }

    /// Real and imaginary parts as of the last certificate.
    fn iterate(&self) -> &[f64] {
        &self.flat
    }
}

/// Where the threshold `λ/ρ` starts, for images of size 1.
const START: f64 = 0.05;

/// Iterations between certificates at least.
const CHECK: usize = 10;

/// The residuals may differ by this factor; they are looked at in the first iterations only, as convergence wants a fixed ρ.
const BALANCE: f64 = 5.0;
const BALANCE_UNTIL: usize = 100;

/// Conjugate gradients end when the squared residual has fallen to this share, or after so many iterations.
const CG_SHARE: f64 = 1e-4;
const CG_MAX: usize = 30;

#[derive(Debug)]
struct Small(f64);

impl StopRule<f64> for Small {
    fn done(&mut self, p: &Progress<f64>) -> bool {
        p.residual <= self.0
    }
}

/// What scales a vector of squared norm `s` into the ball of radius `bound`.
#[inline(always)]
fn shrink(s: f64, bound: f64) -> f64 {
    if s > bound * bound { bound / s.sqrt() } else { 1.0 }
}

/// `v = d + u` becomes the new multiplier `s·v` (0 without a penalty), `w` (the old `d`) becomes `d − u`.
#[inline(always)]
fn finish(v: &mut C64, w: &mut C64, penalised: bool, s: f64, change: &mut f64) {
    let u = if penalised { *v * s } else { ZERO };
    let d = *v - u;
    *change += (d - *w).norm_sqr();
    *w = d - u;
    *v = u;
}

/// `out ← out + scale·∇ᵀw`, the periodic gradient; `w` is the vertical, then the horizontal part.
pub(super) fn divergence(fft: &super::Fft2, w: &[C64], scale: f64, out: &mut [C64]) {
    let (h, width, n) = (fft.height(), fft.width(), fft.len());
    let (vertical, horizontal) = w.split_at(n);
    par::chunks_mut(out, width, |i, out| {
        let above = (i + h - 1) % h * width;
        let v = &vertical[i * width..(i + 1) * width];
        let above = &vertical[above..above + width];
        let g = &horizontal[i * width..(i + 1) * width];
        out[0] += (above[0] - v[0] + g[width - 1] - g[0]) * scale;
        for j in 1..width {
            out[j] += (above[j] - v[j] + g[j - 1] - g[j]) * scale;
        }
    });
}

/// `out ← out + scale·∇ᵀ∇v`, periodic.
fn laplacian(fft: &super::Fft2, v: &[C64], scale: f64, out: &mut [C64]) {
    let (h, w) = (fft.height(), fft.width());
    par::chunks_mut(out, w, |i, out| {
        let (up, down) = ((i + h - 1) % h * w, (i + 1) % h * w);
        for j in 0..w {
            let (left, right) = ((j + w - 1) % w, (j + 1) % w);
            let around = v[up + j] + v[down + j] + v[i * w + left] + v[i * w + right];
            out[j] += (v[i * w + j] * 4.0 - around) * scale;
        }
    });
}
