//! Primal value and dual bound of a problem with a Fourier data term, from the image and an approximate dual variable.

use spm_solvers::Certificate;

use super::admm::Options;
use super::shrink::{Part, Shape};
use super::{C64, Fft2, Measurement, Pixel, Work, ZERO, sq_norm};
use crate::tv::Coupling;

/// Approximate dual variables: `λ z = ρ u`, `μ q = ρ v`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dual<'a, P> {
    pub(super) tv: &'a [P],
    pub(super) wavelet: &'a [P],
    pub(super) rho: f64,
}

/// Judges points of `min ½‖Ax − k‖² + λ TV(x) + μ‖Wx‖₁`, or of the limit `Ax = k`.
///
/// The dual is `max −½‖r‖² − ⟨r, k⟩` (without the first term in the limit) over `Aᴴr + λ∇ᵀz + μWᵀq = 0`, `|z| <= 1`, `|q| <= 1`.
/// From `r = Ax − k` (in the limit: the measured part of `−A(λ∇ᵀz + μWᵀq)`) the equation fails by some image `s`. It is mended
/// exactly: by `q + W s/μ`, or, without wavelets, by `z + ∇(∇ᵀ∇)⁺s/λ` after a multiple of `A1` has freed `s` of its mean. Then
/// everything is scaled into the unit balls.
#[derive(Debug)]
pub(super) struct Certifier<'a, P> {
    pub(super) a: &'a Measurement<P>,
    pub(super) values: &'a [C64],
    pub(super) options: &'a Options,
    shape: Shape,
    /// `A 1`, a plane at a time.
    ones: Vec<C64>,
    poisson: Poisson<P>,
    r: Vec<C64>,
    copy: Vec<C64>,
    s: Vec<P>,
    back: Vec<P>,
    plane: Vec<P>,
    temporary: Vec<P>,
}

impl<'a, P: Pixel> Certifier<'a, P> {
    pub(super) fn new(
        a: &'a Measurement<P>,
        values: &'a [C64],
        options: &'a Options,
        work: &mut Work,
    ) -> Self {
        let n = a.fft.len();
        let shape = Shape { height: a.fft.height(), width: a.fft.width(), planes: a.planes };
        let mut plane = vec![P::default(); n];
        let mut ones = vec![ZERO; values.len()];
        a.apply(&vec![P::of(1.0); a.planes * n], &mut ones, &mut plane, work);
        let mending = options.tv > 0.0 && options.wavelet.is_none();
        let size = if mending { (2 * shape.height, 2 * shape.width) } else { (1, 1) };
        Self {
            a,
            values,
            options,
            shape,
            ones,
            poisson: Poisson::new(size),
            r: vec![ZERO; values.len()],
            copy: vec![ZERO; values.len()],
            s: vec![P::default(); a.planes * n],
            back: vec![P::default(); a.planes * n],
            plane,
            temporary: vec![P::default(); if options.wavelet.is_some() { n } else { 0 }],
        }
    }

    pub(super) fn certify(&mut self, x: &[P], dual: Dual<'_, P>, work: &mut Work) -> Certificate<f64> {
        let (a, options, n) = (self.a, self.options, self.a.fft.len());
        a.apply(x, &mut self.r, &mut self.plane, work);
        self.r.iter_mut().zip(self.values).for_each(|(r, k)| *r -= k);
        let data = if options.exact { 0.0 } else { 0.5 * a.inner(&self.r, &self.r) + options.rest };
        let primal = data + self.penalty(x);
        // −(λ∇ᵀz + μWᵀq).
        for (p, s) in self.s.chunks_exact_mut(n).enumerate() {
            if options.tv > 0.0 {
                self.shape.divergence(dual.tv, Part::Multiplier, p, -dual.rho, s);
            } else {
                s.fill(P::default());
            }
            if let Some((transform, _)) = &options.wavelet {
                self.plane.copy_from_slice(&dual.wavelet[p * n..(p + 1) * n]);
                transform.transpose_in(&mut self.plane, &mut self.temporary);
                s.iter_mut().zip(&self.plane).for_each(|(s, v)| *s -= *v * dual.rho);
            }
        }
        a.project(&mut self.s);
        if options.exact {
            self.multiplier(work);
        } else if options.wavelet.is_none() {
            self.free_of_mean();
        }
        self.copy.copy_from_slice(&self.r);
        a.adjoint(&mut self.copy, &mut self.back, &mut self.plane, work);
        self.s.iter_mut().zip(&self.back).for_each(|(s, b)| *s -= *b);
        let excess = self.mend(dual);
        let energy = if options.exact { 0.0 } else { a.inner(&self.r, &self.r) };
        let product = -a.inner(&self.r, self.values);
        let best = if energy > 0.0 { product / energy } else { f64::INFINITY };
        let scale = (1.0 / excess.max(1.0)).min(best).max(0.0);
        let rest = if options.exact { 0.0 } else { options.rest };
        Certificate::new(primal, scale * product - 0.5 * scale * scale * energy + rest)
    }

    /// The least-squares multiplier of `Ax = k` for the image `s`: `r` with `Aᴴr` the measured part of `s`.
    fn multiplier(&mut self, work: &mut Work) {
        let a = self.a;
        a.apply(&self.s, &mut self.r, &mut self.plane, work);
        for r in self.r.chunks_exact_mut(a.filter.len()) {
            for (r, h) in r.iter_mut().zip(&a.filter).filter(|(_, h)| **h != ZERO) {
                *r /= h.norm_sqr();
            }
        }
    }

    /// Makes the mean of `Aᴴr` 0 in every plane.
    fn free_of_mean(&mut self) {
        let (a, n) = (self.a, self.a.fft.len());
        let part = if a.coils.is_empty() { a.fft.spectrum_len() } else { self.r.len() };
        for (r, ones) in self.r.chunks_exact_mut(part).zip(self.ones.chunks_exact(part)) {
            // A constant has but one frequency, which counts once: no weights.
            let energy = sq_norm(ones);
            if energy <= 1e-28 * n as f64 {
                continue;
            }
            let mut dot: C64 = ones.iter().zip(&*r).map(|(o, r)| o.conj() * r).sum();
            if a.real {
                dot.im = 0.0;
            }
            r.iter_mut().zip(ones).for_each(|(r, o)| *r -= o * (dot / energy));
        }
    }

    /// The largest size of a dual variable after `s` has been absorbed. Destroys `s`.
    fn mend(&mut self, dual: Dual<'_, P>) -> f64 {
        let (n, s) = (self.shape.len(), &mut self.s);
        let mut largest = 0.0_f64;
        if let Some((transform, weight)) = &self.options.wavelet {
            for (s, q) in s.chunks_exact_mut(n).zip(dual.wavelet.chunks_exact(n)) {
                transform.apply_in(s, &mut self.temporary);
                for (s, q) in s.iter().zip(q) {
                    largest = largest.max((*q * dual.rho + *s).sq().sqrt() / weight);
                }
            }
        }
        if self.options.tv == 0.0 {
            return largest;
        }
        let shape = self.shape;
        let mending = self.options.wavelet.is_none();
        if mending {
            s.chunks_exact_mut(n).for_each(|s| self.poisson.solve(s));
        }
        let s = &self.s;
        let at = |p: usize, i: usize, j: usize| {
            let (v, g) = shape.lines(dual.tv, Part::Multiplier, i, p);
            let (v, g) = (v[j] * dual.rho, g[j] * dual.rho);
            if mending {
                let (dv, dg) = gradient(&s[p * n..(p + 1) * n], &shape, i, j);
                (v + dv, g + dg)
            } else {
                (v, g)
            }
        };
        let most = self.sizes(at, |size, most| size.max(most));
        largest.max(most / self.options.tv)
    }

    /// `λ TV(x) + μ‖Wx‖₁`.
    fn penalty(&mut self, x: &[P]) -> f64 {
        let n = self.shape.len();
        let mut total = 0.0;
        if let Some((transform, weight)) = &self.options.wavelet {
            for x in x.chunks_exact(n) {
                self.plane.copy_from_slice(x);
                transform.apply_in(&mut self.plane, &mut self.temporary);
                total += weight * self.plane.iter().map(|v| v.sq().sqrt()).sum::<f64>();
            }
        }
        if self.options.tv > 0.0 {
            let shape = self.shape;
            let at = |p: usize, i: usize, j: usize| gradient(&x[p * n..(p + 1) * n], &shape, i, j);
            total += self.options.tv * self.sizes(at, |size, sum| size + sum);
        }
        total
    }

    /// Folds the sizes of the vectors that the coupling measures together, from 0; a row by itself first.
    #[inline]
    fn sizes(&self, at: impl Fn(usize, usize, usize) -> (P, P), f: impl Fn(f64, f64) -> f64) -> f64 {
        let Shape { height, width, planes } = self.shape;
        let mut total = 0.0;
        for i in 0..height {
            let mut row = 0.0;
            for j in 0..width {
                let mut joint = 0.0;
                for p in 0..planes {
                    let (v, g) = at(p, i, j);
                    match self.options.coupling {
                        Coupling::Anisotropic => row = f(g.sq().sqrt(), f(v.sq().sqrt(), row)),
                        Coupling::Isotropic => row = f((v.sq() + g.sq()).sqrt(), row),
                        Coupling::Vectorial => joint += v.sq() + g.sq(),
                    }
                }
                if self.options.coupling == Coupling::Vectorial {
                    row = f(f64::sqrt(joint), row);
                }
            }
            total = f(row, total);
        }
        total
    }
}

/// Forward differences, 0 at the far border.
#[inline(always)]
fn gradient<P: Pixel>(x: &[P], shape: &Shape, i: usize, j: usize) -> (P, P) {
    let (w, k) = (shape.width, i * shape.width + j);
    let v = if i + 1 < shape.height { x[k + w] - x[k] } else { P::default() };
    let g = if j + 1 < w { x[k + 1] - x[k] } else { P::default() };
    (v, g)
}

/// `(∇ᵀ∇)⁺` for the gradient that is 0 at the far border: the cosine transform, by way of the mirrored image of twice the size.
#[derive(Debug)]
struct Poisson<P> {
    fft: Fft2<P>,
    work: Work,
    image: Vec<P>,
    out: Vec<P>,
}

impl<P: Pixel> Poisson<P> {
    fn new((height, width): (usize, usize)) -> Self {
        let fft = Fft2::new(height, width);
        let (work, image) = (fft.work(), vec![P::default(); height * width]);
        Self { fft, work, out: image.clone(), image }
    }

    /// In place.
    fn solve(&mut self, s: &mut [P]) {
        let (h2, w2) = (self.fft.height(), self.fft.width());
        let (h, w) = (h2 / 2, w2 / 2);
        for (i, row) in self.image.chunks_exact_mut(w2).enumerate() {
            let from = &s[if i < h { i } else { h2 - 1 - i } * w..][..w];
            row[..w].copy_from_slice(from);
            row[w..].iter_mut().zip(from.iter().rev()).for_each(|(o, v)| *o = *v);
        }
        let eigen = |k: usize, n: usize| 4.0 * (std::f64::consts::PI * k as f64 / n as f64).sin().powi(2);
        self.fft.filter(&self.image, &mut self.out, &mut self.work, |first, columns| {
            for (c, column) in columns.chunks_exact_mut(h2).enumerate() {
                let j = first / h2 + c;
                for (i, v) in column.iter_mut().enumerate() {
                    let e = eigen(i, h2) + eigen(j, w2);
                    *v = if i + j == 0 { ZERO } else { *v / e };
                }
            }
        });
        for (row, from) in s.chunks_exact_mut(w).zip(self.out.chunks_exact(w2)) {
            row.copy_from_slice(&from[..w]);
        }
    }
}
