//! Alternating direction method of multipliers with the x-update in the Fourier domain ("split Bregman").

use std::time::Duration;

use spm_solvers::{Certificate, Control, Iteration, Progress, Report, SolveError, run, stop};

use super::certificate::{Certifier, Dual};
use super::coils::Coils;
use super::shrink::{Line, Part, Shape, shrink_each};
use super::{C64, Measurement, Pixel, Work, ZERO};
use crate::ImageError;
use crate::tv::Coupling;
use crate::wavelet::WaveletTransform;

/// The problem beside its data term, and how long to work on it.
#[derive(Debug, Clone)]
pub(crate) struct Options {
    /// λ.
    pub(crate) tv: f64,
    /// `W` and μ.
    pub(crate) wavelet: Option<(WaveletTransform, f64)>,
    pub(crate) coupling: Coupling,
    /// The limit of vanishing weights: `A x = k` exactly, which needs `|h|` to be constant where it is not 0 and a single coil.
    pub(crate) exact: bool,
    /// What the objective has beside the problem: see [`super::halve`].
    pub(crate) rest: f64,
    /// Relative duality gap.
    pub(crate) tol: f64,
    pub(crate) max_iter: usize,
    pub(crate) time_limit: Option<Duration>,
}

/// Goldstein and Osher (2009), "The split Bregman method for L1-regularized problems", on
/// `min ½‖Ax − k‖² + λ Σ|d| + μ Σ|e|` subject to `d = ∇x`, `e = Wx`, with over-relaxation.
///
/// The gradient is the periodic one, so that `F` diagonalises the x-update; the differences across the border carry no
/// penalty, so that the total variation is the one with zero differences at the far border. With `g` the inverse of the diagonal,
/// the x-update is `x = Fᴴ(g·F(ρ∇ᵀ(d − u) + ρWᵀ(e − q)) + fixed)`.
#[derive(Debug)]
pub(crate) struct Admm<'a, P> {
    certifier: Certifier<'a, P>,
    shape: Shape,
    rho: f64,
    /// The diagonal of `F AᴴA Fᴴ` and of the periodic Laplacian.
    data: Vec<f64>,
    laplacian: Vec<f64>,
    /// `F Aᴴ k`; with coils `Aᴴ k`, in `back`.
    rhs: Vec<C64>,
    back: Vec<P>,
    gain: Vec<f64>,
    fixed: Vec<C64>,
    coils: Option<Coils<P>>,
    x: Vec<P>,
    /// Scaled multipliers and `d − u`, see [`Shape`].
    dual: Vec<P>,
    /// The same for `W`.
    q: Vec<P>,
    e: Vec<P>,
    /// A plane each: the right side, a plane of coefficients, memory of the wavelet transform.
    image: Vec<P>,
    wave: Vec<P>,
    temporary: Vec<P>,
    lines: Vec<Line>,
    work: Work,
    flat: Vec<f64>,
    iter: usize,
    checks: Checks,
    certificate: Certificate<f64>,
    /// The gap is relative to the objective, or to this share of the energy of the data where the objective vanishes.
    floor: f64,
    residuals: (f64, f64),
}

/// The image, its certificate, and how the run ended.
pub(crate) type Solved<P> = (Vec<P>, Certificate<f64>, Report<f64>);

impl<'a, P: Pixel> Admm<'a, P> {
    /// Starts at `x = Aᴴ k`. `values` are the measurements `k`, of size about 1.
    pub(crate) fn new(a: &'a Measurement<P>, values: &'a [C64], options: &'a Options) -> Self {
        let (h, w, n) = (a.fft.height(), a.fft.width(), a.fft.len());
        let (size, spectrum) = (a.planes * n, a.fft.spectrum_len());
        let shape = Shape { height: h, width: w, planes: a.planes };
        let mut work = a.fft.work();
        let (mut x, mut image) = (vec![P::default(); size], vec![P::default(); n]);
        a.adjoint(&mut values.to_vec(), &mut x, &mut image, &mut work);
        let coils = (!a.coils.is_empty()).then(|| Coils::new(a));
        let single = |len: usize| if coils.is_none() { vec![ZERO; len] } else { Vec::new() };
        let (mut rhs, fixed) = (single(a.planes * spectrum), single(a.planes * spectrum));
        for (r, x) in rhs.chunks_exact_mut(spectrum).zip(x.chunks_exact(n)) {
            a.fft.forward(x, r, &mut work);
        }
        let wavelet = if options.wavelet.is_some() { size } else { 0 };
        let weight =
            if options.tv > 0.0 { options.tv } else { options.wavelet.as_ref().map_or(1.0, |w| w.1) };
        let eigen = |k: usize, n: usize| (std::f64::consts::PI * k as f64 / n as f64).sin().powi(2) * 4.0;
        let mut it = Self {
            certifier: Certifier::new(a, values, options, &mut work),
            shape,
            rho: weight / START,
            data: a.diagonal(),
            laplacian: (0..spectrum).map(|k| eigen(k % h, h) + eigen(k / h, w)).collect(),
            rhs,
            back: if coils.is_some() { x.clone() } else { Vec::new() },
            gain: vec![0.0; spectrum],
            fixed,
            coils,
            flat: Vec::with_capacity(size * std::mem::size_of::<P>() / 8),
            x,
            dual: vec![P::default(); if options.tv > 0.0 { 4 * size } else { 0 }],
            q: vec![P::default(); wavelet],
            e: vec![P::default(); wavelet],
            wave: vec![P::default(); wavelet.min(n)],
            temporary: vec![P::default(); wavelet.min(n)],
            image,
            lines: vec![Line::new(w); shape.bands()],
            work,
            iter: 0,
            checks: Checks::new(),
            certificate: Certificate::new(f64::INFINITY, f64::NEG_INFINITY),
            floor: FLOOR * a.inner(values, values),
            residuals: (1.0, 1.0),
        };
        it.set_gain();
        it.certify();
        it
    }

    /// Runs until the certified gap is at most `tol` of the objective.
    pub(crate) fn solve(
        mut self,
        progress: &mut dyn FnMut(&Progress<f64>) -> std::ops::ControlFlow<()>,
    ) -> Result<Solved<P>, ImageError> {
        let options = self.certifier.options;
        let mut stop = stop::Residual { tol: options.tol };
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
        let dual = Dual { tv: &self.dual, wavelet: &self.q, rho: self.rho };
        self.certificate = self.certifier.certify(&self.x, dual, &mut self.work);
        self.flat.clear();
        P::flatten(&self.x, &mut self.flat);
    }

    fn relative_gap(&self) -> f64 {
        self.certificate.relative_gap(self.certificate.primal.max(self.floor))
    }

    /// The weights of `∇ᵀ∇` and `WᵀW` in the x-update.
    fn weights(&self) -> (f64, f64) {
        let options = self.certifier.options;
        let of = |on: bool| if on { self.rho } else { 0.0 };
        (of(options.tv > 0.0), of(options.wavelet.is_some()))
    }

    /// What the x-update does to every frequency, which changes with ρ.
    fn set_gain(&mut self) {
        let (tv, wavelet) = self.weights();
        let exact = self.certifier.options.exact;
        for (k, gain) in self.gain.iter_mut().enumerate() {
            let rest = tv * self.laplacian[k] + wavelet;
            let data = self.data[k];
            let total = if exact && data > 0.0 { data } else { data + rest };
            let inverse = if total > 1e-14 { total.recip() } else { 0.0 };
            *gain = if exact && data > 0.0 { 0.0 } else { inverse };
            for (fixed, rhs) in self.fixed.iter_mut().zip(&self.rhs).skip(k).step_by(self.laplacian.len()) {
                *fixed = rhs * if exact && data == 0.0 { 0.0 } else { inverse };
            }
        }
    }

    /// `x ← argmin`: one solve in the Fourier domain, or conjugate gradients preconditioned by it if there are coils.
    fn update_x(&mut self) {
        let a = self.certifier.a;
        let n = self.shape.len();
        let (tv, wavelet) = self.weights();
        for p in 0..a.planes {
            let at = p * n..(p + 1) * n;
            if tv > 0.0 {
                self.shape.divergence(&self.dual, Part::Target, p, tv, &mut self.image);
            } else {
                self.image.fill(P::default());
            }
            if let Some((transform, _)) = &self.certifier.options.wavelet {
                self.wave.copy_from_slice(&self.e[at.clone()]);
                transform.transpose_in(&mut self.wave, &mut self.temporary);
                self.image.iter_mut().zip(&self.wave).for_each(|(o, v)| *o += *v * wavelet);
            }
            a.project(&mut self.image);
            if let Some(coils) = &mut self.coils {
                self.image.iter_mut().zip(&self.back).for_each(|(o, b)| *o += *b);
                coils.solve(a, &self.image, (tv, wavelet), &self.gain, &mut self.x, &mut self.work);
            } else {
                let spectrum = self.gain.len();
                let (gain, fixed) = (&self.gain, &self.fixed[p * spectrum..(p + 1) * spectrum]);
                a.fft.filter(&self.image, &mut self.x[at.clone()], &mut self.work, |first, column| {
                    for ((v, g), f) in column.iter_mut().zip(&gain[first..]).zip(&fixed[first..]) {
                        *v = *v * *g + f;
                    }
                });
                a.project(&mut self.x[at]);
            }
        }
    }

    /// The multipliers and `d − u`; with `MEASURE` the residuals.
    fn update_dual<const MEASURE: bool>(&mut self) {
        let options = self.certifier.options;
        let mut total = (0.0, 0.0);
        if options.tv > 0.0 {
            let bound = options.tv / self.rho;
            total = self.shape.shrink::<P, MEASURE>(
                &self.x,
                bound,
                options.coupling,
                &mut self.dual,
                &mut self.lines,
            );
        }
        if let Some((transform, weight)) = &options.wavelet {
            let n = self.shape.len();
            for (p, x) in self.x.chunks_exact(n).enumerate() {
                let at = p * n..(p + 1) * n;
                self.image.copy_from_slice(x);
                transform.apply_in(&mut self.image, &mut self.temporary);
                let (u, t) = (&mut self.q[at.clone()], &mut self.e[at]);
                let part = shrink_each::<P, MEASURE>(&self.image, weight / self.rho, u, t);
                total = (total.0 + part.0, total.1 + part.1);
            }
        }
        if MEASURE {
            self.residuals = (total.0.sqrt(), total.1.sqrt());
        }
    }

    /// Keeps the residuals within a factor of each other: the multipliers are scaled, their product with ρ stays.
    fn balance(&mut self) {
        let ratio = self.residuals.0 / self.residuals.1.max(f64::MIN_POSITIVE);
        let factor = if ratio > BALANCE {
            2.0
        } else if ratio < 1.0 / BALANCE {
            0.5
        } else {
            return;
        };
        self.rho *= factor;
        // t = d − u with u ← u / factor.
        let rescale = |u: &mut [P], t: &mut [P]| {
            for (u, t) in u.iter_mut().zip(t) {
                *t += *u * (1.0 - 1.0 / factor);
                *u = *u * (1.0 / factor);
            }
        };
        for lines in self.dual.chunks_exact_mut(4 * self.shape.width) {
            let (u, t) = lines.split_at_mut(2 * self.shape.width);
            rescale(u, t);
        }
        rescale(&mut self.q, &mut self.e);
        self.set_gain();
    }
}

impl<P: Pixel> Iteration<f64> for Admm<'_, P> {
    fn step(&mut self) -> Result<(), SolveError> {
        self.update_x();
        self.iter += 1;
        let balance = self.iter.is_multiple_of(10) && self.iter <= BALANCE_UNTIL;
        if balance {
            self.update_dual::<true>();
        } else {
            self.update_dual::<false>();
        }
        if self.iter >= self.checks.next {
            self.certify();
            self.checks.plan(self.iter, self.relative_gap(), self.certifier.options.tol);
        }
        if balance {
            self.balance();
        }
        Ok(())
    }

    fn progress(&self) -> Progress<f64> {
        Progress::new(self.iter, self.relative_gap())
            .objective(self.certificate.primal)
            .gap(self.certificate.gap())
    }

    /// Real and imaginary parts as of the last certificate.
    fn iterate(&self) -> &[f64] {
        &self.flat
    }
}

/// Where the threshold `λ/ρ` starts, for images of size 1.
const START: f64 = 0.05;

/// The residuals may differ by this factor; they are looked at in the first iterations only, as convergence wants a fixed ρ.
const BALANCE: f64 = 5.0;
const BALANCE_UNTIL: usize = 100;

/// See [`Admm::floor`]: below this an objective is rounding.
const FLOOR: f64 = 1e-10;

/// When the next certificate is due. One costs some ten iterations.
#[derive(Debug)]
struct Checks {
    next: usize,
    /// Iteration and relative gap of the last one.
    last: (usize, f64),
}

impl Checks {
    /// Iterations between certificates at least.
    const EVERY: usize = 20;

    fn new() -> Self {
        Self { next: Self::EVERY, last: (0, f64::INFINITY) }
    }

    /// Where the gap will be `tol` if it goes on falling as it did; between a tenth and a quarter of the iterations so far.
    fn plan(&mut self, iter: usize, gap: f64, tol: f64) {
        let rate = (self.last.1 / gap).ln() / (iter - self.last.0) as f64;
        let needed = (gap / tol).ln() / rate;
        let (least, most) = (Self::EVERY.max(iter / 10), Self::EVERY.max(iter / 4));
        // A gap that has not fallen, or was never finite, predicts nothing.
        let wait = if needed.is_finite() && rate > 0.0 { (needed as usize).clamp(least, most) } else { most };
        self.last = (iter, gap);
        self.next = iter + wait;
    }
}
