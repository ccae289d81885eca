//! The passes over an image that split Bregman is made of beside the Fourier transforms.
//!
//! The dual variables lie row by row: for every row of the image and every plane four lines of `width` pixels, the vertical and the
//! horizontal scaled multiplier `u`, then `w = d − u` of both.

use spm_linalg::vecops;

use super::Pixel;
use crate::par;
use crate::tv::Coupling;

/// Rows a task.
const BAND: usize = 16;

/// Over-relaxation of the constraints.
const RELAX: f64 = 1.6;

/// Shape of an image and of its dual variables.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) planes: usize,
}

/// Which of the dual variables.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    /// `u`.
    Multiplier = 0,
    /// `d − u`.
    Target = 2,
}

impl Shape {
    /// Pixels of a plane.
    pub(super) fn len(&self) -> usize {
        self.height * self.width
    }

    /// Dual variables of a row.
    fn stride(&self) -> usize {
        4 * self.planes * self.width
    }

    pub(super) fn bands(&self) -> usize {
        self.height.div_ceil(BAND)
    }

    /// The vertical and the horizontal line of a row.
    #[inline(always)]
    pub(super) fn lines<'a, P>(&self, dual: &'a [P], part: Part, i: usize, p: usize) -> (&'a [P], &'a [P]) {
        let start = i * self.stride() + (4 * p + part as usize) * self.width;
        dual[start..start + 2 * self.width].split_at(self.width)
    }

    /// `out ← scale·∇ᵀ(part)` of plane `p`, the periodic gradient.
    pub(super) fn divergence<P: Pixel>(&self, dual: &[P], part: Part, p: usize, scale: f64, out: &mut [P]) {
        par::chunks_mut(out, BAND * self.width, |band, out| {
            vecops::dispatch(Divergence { shape: *self, dual, part, p, scale, first: band * BAND, out });
        });
    }

    /// The multipliers and `d − u` from the image, for the penalty `bound`·ρ; with `MEASURE` the squared primal and dual residual.
    /// `lines` and `sums` are memory: a line and a pair for every band.
    pub(super) fn shrink<P: Pixel, const MEASURE: bool>(
        &self,
        x: &[P],
        bound: f64,
        coupling: Coupling,
        dual: &mut [P],
        lines: &mut [Line],
    ) -> (f64, f64) {
        let shape = *self;
        par::chunks_pair_mut(dual, BAND * self.stride(), lines, 1, |band, dual, line| {
            let first = band * BAND;
            vecops::dispatch(Shrink::<P, MEASURE> {
                shape,
                x,
                bound,
                coupling,
                first,
                dual,
                line: &mut line[0],
            });
        });
        lines.iter().fold((0.0, 0.0), |s, l| (s.0 + l.residuals.0, s.1 + l.residuals.1))
    }
}

/// Memory of a band.
#[derive(Debug, Clone)]
pub(super) struct Line {
    factors: Vec<f64>,
    residuals: (f64, f64),
}

impl Line {
    pub(super) fn new(width: usize) -> Self {
        Self { factors: vec![0.0; width], residuals: (0.0, 0.0) }
    }
}

struct Divergence<'a, P> {
    shape: Shape,
    dual: &'a [P],
    part: Part,
    p: usize,
    scale: f64,
    first: usize,
    out: &'a mut [P],
}

impl<P: Pixel> vecops::Kernel for Divergence<'_, P> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let (h, w) = (self.shape.height, self.shape.width);
        for (r, out) in self.out.chunks_exact_mut(w).enumerate() {
            let i = self.first + r;
            let above = self.shape.lines(self.dual, self.part, (i + h - 1) % h, self.p).0;
            let (v, g) = self.shape.lines(self.dual, self.part, i, self.p);
            let (above, v, g) = (&above[..w], &v[..w], &g[..w]);
            out[0] = (above[0] - v[0] + g[w - 1] - g[0]) * self.scale;
            for j in 1..w {
                out[j] = (above[j] - v[j] + g[j - 1] - g[j]) * self.scale;
            }
        }
    }
}

struct Shrink<'a, P, const MEASURE: bool> {
    shape: Shape,
    x: &'a [P],
    bound: f64,
    coupling: Coupling,
    first: usize,
    dual: &'a mut [P],
    line: &'a mut Line,
}

impl<P: Pixel, const MEASURE: bool> vecops::Kernel for Shrink<'_, P, MEASURE> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Shape { height, width: w, .. } = self.shape;
        let n = height * w;
        let Line { factors, residuals } = self.line;
        *residuals = (0.0, 0.0);
        for (r, row) in self.dual.chunks_exact_mut(self.shape.stride()).enumerate() {
            let i = self.first + r;
            let below = if i + 1 < height { i + 1 } else { 0 };
            // No penalty across the border.
            let vertical = if i + 1 < height { w } else { 0 };
            factors.fill(0.0);
            for (p, lines) in row.chunks_exact_mut(4 * w).enumerate() {
                let here = &self.x[p * n + i * w..][..w];
                let next = &self.x[p * n + below * w..][..w];
                let (u, t) = lines.split_at_mut(2 * w);
                let ((uv, uh), (tv, th)) = (u.split_at_mut(w), t.split_at_mut(w));
                residuals.0 += relax::<P, MEASURE>(uv, tv, |j| next[j] - here[j]);
                residuals.0 +=
                    relax::<P, MEASURE>(&mut uh[..w - 1], &mut th[..w - 1], |j| here[j + 1] - here[j]);
                residuals.0 +=
                    relax::<P, MEASURE>(&mut uh[w - 1..], &mut th[w - 1..], |_| here[0] - here[w - 1]);
                match self.coupling {
                    Coupling::Anisotropic => {
                        factors.fill(0.0);
                        add_squares(&uv[..vertical], factors);
                        into_factors(factors, self.bound);
                        residuals.1 += split::<P, MEASURE>(uv, tv, &factors[..vertical]);
                        factors.fill(0.0);
                        add_squares(&uh[..w - 1], factors);
                        into_factors(factors, self.bound);
                        residuals.1 += split::<P, MEASURE>(uh, th, &factors[..w - 1]);
                    }
                    Coupling::Isotropic => {
                        factors.fill(0.0);
                        add_squares(&uv[..vertical], factors);
                        add_squares(&uh[..w - 1], factors);
                        into_factors(factors, self.bound);
                        residuals.1 += split::<P, MEASURE>(uv, tv, &factors[..vertical]);
                        residuals.1 += split::<P, MEASURE>(uh, th, &factors[..w - 1]);
                    }
                    Coupling::Vectorial => {
                        add_squares(&uv[..vertical], factors);
                        add_squares(&uh[..w - 1], factors);
                    }
                }
            }
            if self.coupling == Coupling::Vectorial {
                into_factors(factors, self.bound);
                for lines in row.chunks_exact_mut(4 * w) {
                    let (u, t) = lines.split_at_mut(2 * w);
                    let ((uv, uh), (tv, th)) = (u.split_at_mut(w), t.split_at_mut(w));
                    residuals.1 += split::<P, MEASURE>(uv, tv, &factors[..vertical]);
                    residuals.1 += split::<P, MEASURE>(uh, th, &factors[..w - 1]);
                }
            }
        }
    }
}

/// The same for the coefficients of a transform, each by itself: `u` and `t = d − u` of the constraint `d = g`.
pub(super) fn shrink_each<P: Pixel, const MEASURE: bool>(
    g: &[P],
    bound: f64,
    u: &mut [P],
    t: &mut [P],
) -> (f64, f64) {
    let primal = relax::<P, MEASURE>(u, t, |j| g[j]);
    let mut dual = 0.0;
    let mut factors = [0.0; 64];
    for (u, t) in u.chunks_mut(64).zip(t.chunks_mut(64)) {
        let factors = &mut factors[..u.len()];
        factors.fill(0.0);
        add_squares(u, factors);
        into_factors(factors, bound);
        dual += split::<P, MEASURE>(u, t, factors);
    }
    (primal, dual)
}

/// `u ← u + relaxed(g)`, `t ← d`, the last one; `Σ|g − d|²`.
#[inline(always)]
fn relax<P: Pixel, const MEASURE: bool>(u: &mut [P], t: &mut [P], g: impl Fn(usize) -> P) -> f64 {
    let n = u.len();
    let t = &mut t[..n];
    let mut sum = 0.0;
    for j in 0..n {
        let (d, g) = (t[j] + u[j], g(j));
        if MEASURE {
            sum += (g - d).sq();
        }
        u[j] += g * RELAX + d * (1.0 - RELAX);
        t[j] = d;
    }
    sum
}

#[inline(always)]
fn add_squares<P: Pixel>(u: &[P], sums: &mut [f64]) {
    sums.iter_mut().zip(u).for_each(|(s, u)| *s += u.sq());
}

/// What scales vectors of these squared norms into the ball of radius `bound`.
#[inline(always)]
fn into_factors(sums: &mut [f64], bound: f64) {
    for s in sums {
        let norm = s.sqrt();
        *s = bound / if norm > bound { norm } else { bound };
    }
}

/// `v = d + u` becomes the new multiplier, its multiple by the factor (0 where there are no factors), `t` (the old `d`) becomes
/// `d − u`; `Σ|d − d_old|²`.
#[inline(always)]
fn split<P: Pixel, const MEASURE: bool>(v: &mut [P], t: &mut [P], factors: &[f64]) -> f64 {
    let n = factors.len();
    let mut sum = 0.0;
    let (v0, v1) = v.split_at_mut(n);
    let (t0, t1) = t.split_at_mut(n);
    for j in 0..n {
        let u = v0[j] * factors[j];
        let d = v0[j] - u;
        if MEASURE {
            sum += (d - t0[j]).sq();
        }
        t0[j] = d - u;
        v0[j] = u;
    }
    for (v, t) in v1.iter_mut().zip(t1) {
        if MEASURE {
            sum += (*v - *t).sq();
        }
        *t = *v;
        *v = P::default();
    }
    sum
}
