//! Primal value and dual bound of a problem with a Fourier data term, from the image and an approximate dual variable.

use spm_solvers::Certificate;

use super::admm::{Options, divergence};
use super::{C64, Fft2, Measurement, ZERO, inner, sq_norm};
use crate::tv::Coupling;

/// Approximate dual variables: `λ z = ρ u`, `μ q = ρ v`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Dual<'a> {
    pub(crate) tv: &'a [C64],
    pub(crate) wavelet: &'a [C64],
    pub(crate) rho: f64,
}

/// Judges points of `min ½‖Ax − k‖² + λ TV(x) + μ‖Wx‖₁`, or of the limit `Ax = k`.
///
/// The dual is `max −½‖r‖² − ⟨r, k⟩` (without the first term in the limit) over `Aᴴr + λ∇ᵀz + μWᵀq = 0`, `|z| <= 1`, `|q| <= 1`.
/// From `r = Ax − k` (in the limit: the measured part of `−A(λ∇ᵀz + μWᵀq)`) the equation fails by some image `s`. It is mended
/// exactly: by `q + W s/μ`, or, without wavelets, by `z + ∇(∇ᵀ∇)⁺s/λ` after a multiple of `A1` has freed `s` of its mean. Then
/// everything is scaled into the unit balls.
#[derive(Debug)]
pub(crate) struct Certifier<'a> {
    pub(crate) a: &'a Measurement,
    pub(crate) values: &'a [C64],
    pub(crate) options: &'a Options,
    /// `A 1`, a plane at a time.
    ones: Vec<C64>,
    poisson: Poisson,
}

impl<'a> Certifier<'a> {
    pub(crate) fn new(a: &'a Measurement, values: &'a [C64], options: &'a Options) -> Self {
        let n = a.fft.len();
        let mut ones = vec![ZERO; a.measured() * n];
        a.apply(&vec![C64::new(1.0, 0.0); a.planes * n], &mut ones);
        Self { a, values, options, ones, poisson: Poisson::new(a.fft.height(), a.fft.width()) }
    }

    pub(crate) fn certify(&self, x: &[C64], dual: Dual<'_>) -> Certificate<f64> {
        let (a, n) = (self.a, self.a.fft.len());
        let mut r = vec![ZERO; self.values.len()];
        a.apply(x, &mut r);
        r.iter_mut().zip(self.values).for_each(|(r, k)| *r -= k);
        let primal = if self.options.exact { 0.0 } else { 0.5 * sq_norm(&r) } + self.penalty(x);
        // −(λ∇ᵀz + μWᵀq).
        let mut s = vec![ZERO; a.planes * n];
        if self.options.tv > 0.0 {
            for (s, u) in s.chunks_exact_mut(n).zip(dual.tv.chunks_exact(2 * n)) {
                divergence(&a.fft, u, -dual.rho, s);
            }
        }
        if let Some((transform, _)) = &self.options.wavelet {
            for (s, q) in s.chunks_exact_mut(n).zip(dual.wavelet.chunks_exact(n)) {
                let mut back = q.to_vec();
                transform.apply_transpose(&mut back);
                s.iter_mut().zip(&back).for_each(|(s, v)| *s -= v * dual.rho);
            }
        }
        if a.real {
            s.iter_mut().for_each(|v| v.im = 0.0);
        }
        if self.options.exact {
            self.multiplier(&s, &mut r);
        } else if self.options.wavelet.is_none() {
            self.free_of_mean(&mut r);
        }
        let mut back = vec![ZERO; s.len()];
        a.adjoint(&r, &mut back);
        s.iter_mut().zip(&back).for_each(|(s, b)| *s -= b);
        let excess = self.mend(&s, dual);
        let (energy, product) = (if self.options.exact { 0.0 } else { sq_norm(&r) }, -inner(&r, self.values));
        let best = if energy > 0.0 { product / energy } else { f64::INFINITY };
        let scale = (1.0 / excess.max(1.0)).min(best).max(0.0);
        Certificate::new(primal, scale * product - 0.5 * scale * scale * energy)
    }

    /// The least-squares multiplier of `Ax = k` for the image `s`, masks only: `r` with `Aᴴr` the measured part of `s`.
    fn multiplier(&self, s: &[C64], r: &mut [C64]) {
        let (a, n) = (self.a, self.a.fft.len());
        a.apply(s, r);
        if a.real {
            // A frequency measured on one side only stands for both.
            let diagonal = a.diagonal();
            for r in r.chunks_exact_mut(n) {
                r.iter_mut().zip(&diagonal).filter(|(_, d)| **d > 0.0).for_each(|(r, d)| *r /= *d);
            }
        }
    }

    /// Makes the mean of `Aᴴr` 0 in every plane.
    fn free_of_mean(&self, r: &mut [C64]) {
        let n = self.a.fft.len();
        let part = if self.a.coils.is_empty() { n } else { r.len() };
        for (r, ones) in r.chunks_exact_mut(part).zip(self.ones.chunks_exact(part)) {
            let energy = sq_norm(ones);
            if energy <= 1e-28 * n as f64 {
                continue;
            }
            let mut dot: C64 = ones.iter().zip(&*r).map(|(o, r)| o.conj() * r).sum();
            if self.a.real {
                dot.im = 0.0;
            }
            r.iter_mut().zip(ones).for_each(|(r, o)| *r -= o * (dot / energy));
        }
    }

    /// The largest size of a dual variable after `s` has been absorbed.
    fn mend(&self, s: &[C64], dual: Dual<'_>) -> f64 {
        let (a, n) = (self.a, self.a.fft.len());
        let mut largest = 0.0_f64;
        if let Some((transform, weight)) = &self.options.wavelet {
            for (s, q) in s.chunks_exact(n).zip(dual.wavelet.chunks_exact(n)) {
                let mut ws = s.to_vec();
                transform.apply(&mut ws);
                let sizes = ws.iter().zip(q).map(|(s, q)| (q * dual.rho + s).norm() / weight);
                largest = sizes.fold(largest, f64::max);
            }
        }
        if self.options.tv == 0.0 {
            return largest;
        }
        let mut z: Vec<C64> = dual.tv.iter().map(|u| u * dual.rho).collect();
        if self.options.wavelet.is_none() {
            for (z, s) in z.chunks_exact_mut(2 * n).zip(s.chunks_exact(n)) {
                let potential = self.poisson.solve(s);
                each_gradient(&a.fft, &potential, |k, v, g| {
                    z[k] += v;
                    z[n + k] += g;
                });
            }
        }
        let joint = self.joint(|p, k| (z[2 * p * n + k], z[2 * p * n + n + k]));
        joint.fold(largest, |m, v| m.max(v / self.options.tv))
    }

    /// `λ TV(x) + μ‖Wx‖₁`.
    fn penalty(&self, x: &[C64]) -> f64 {
        let n = self.a.fft.len();
        let mut total = 0.0;
        if let Some((transform, weight)) = &self.options.wavelet {
            for x in x.chunks_exact(n) {
                let mut wx = x.to_vec();
                transform.apply(&mut wx);
                total += weight * wx.iter().map(|v| v.norm()).sum::<f64>();
            }
        }
        if self.options.tv > 0.0 {
            let mut gradient = vec![ZERO; 2 * x.len()];
            for (g, x) in gradient.chunks_exact_mut(2 * n).zip(x.chunks_exact(n)) {
                each_gradient(&self.a.fft, x, |k, v, u| {
                    g[k] = v;
                    g[n + k] = u;
                });
            }
            let sizes = |p: usize, k: usize| (gradient[2 * p * n + k], gradient[2 * p * n + n + k]);
            total += self.options.tv
                * if self.options.coupling == Coupling::Anisotropic {
                    gradient.iter().map(|v| v.norm()).sum::<f64>()
                } else {
                    self.joint(sizes).sum::<f64>()
                };
        }
        total
    }

    /// The sizes of the vectors that the coupling measures together (the largest, for the anisotropic one).
    fn joint(&self, at: impl Fn(usize, usize) -> (C64, C64)) -> impl Iterator<Item = f64> {
        let (n, planes, coupling) = (self.a.fft.len(), self.a.planes, self.options.coupling);
        let groups = if coupling == Coupling::Vectorial { 1 } else { planes };
        (0..groups * n).map(move |g| {
            let (p, k) = (g / n, g % n);
            match coupling {
                Coupling::Anisotropic => {
                    let (v, u) = at(p, k);
                    v.norm().max(u.norm())
                }
                Coupling::Isotropic => {
                    let (v, u) = at(p, k);
                    (v.norm_sqr() + u.norm_sqr()).sqrt()
                }
                Coupling::Vectorial => {
                    let sq = |p: usize| at(p, k).0.norm_sqr() + at(p, k).1.norm_sqr();
                    (0..planes).map(sq).sum::<f64>().sqrt()
                }
            }
        })
    }
}

/// Forward differences of every pixel, 0 at the far border.
fn each_gradient(fft: &Fft2, x: &[C64], mut f: impl FnMut(usize, C64, C64)) {
    let (h, w) = (fft.height(), fft.width());
    for i in 0..h {
        for j in 0..w {
            let k = i * w + j;
            let v = if i + 1 < h { x[k + w] - x[k] } else { ZERO };
            let g = if j + 1 < w { x[k + 1] - x[k] } else { ZERO };
            f(k, v, g);
        }
    }
}

/// `(∇ᵀ∇)⁺` for the gradient that is 0 at the far border: the cosine transform, by way of the mirrored image of twice the size.
#[derive(Debug)]
struct Poisson {
    fft: Fft2,
}

impl Poisson {
    fn new(height: usize, width: usize) -> Self {
        Self { fft: Fft2::new(2 * height, 2 * width) }
    }

    fn solve(&self, s: &[C64]) -> Vec<C64> {
        let (h2, w2) = (self.fft.height(), self.fft.width());
        let (h, w) = (h2 / 2, w2 / 2);
        let mirror = |i: usize, n: usize| if i < n { i } else { 2 * n - 1 - i };
        let mut image: Vec<C64> =
            (0..h2 * w2).map(|k| s[mirror(k / w2, h) * w + mirror(k % w2, w)]).collect();
        let mut spectrum = vec![ZERO; image.len()];
        self.fft.forward(&mut image, &mut spectrum);
        let eigen = |k: usize, n: usize| 4.0 * (std::f64::consts::PI * k as f64 / n as f64).sin().powi(2);
        for (k, v) in spectrum.iter_mut().enumerate() {
            let e = eigen(k % h2, h2) + eigen(k / h2, w2);
            *v = if k == 0 { ZERO } else { *v / e };
        }
        self.fft.inverse(&mut spectrum, &mut image);
        (0..h * w).map(|k| image[k / w * w2 + k % w]).collect()
    }
}
