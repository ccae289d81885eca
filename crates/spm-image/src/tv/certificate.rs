//! Primal and dual value of a denoised image, computed from the data, the image and the dual variable alone.

use spm_linalg::{Scalar, vecops};
use spm_solvers::Certificate;

use super::Coupling;
use crate::{ImageRef, par};

/// Rows a task; sums are folded in the order of the tasks.
const ROWS: usize = 64;

/// `½‖x − b‖² + λ TV(x)` and, at the dual point `λz` scaled into its ball, `⟨d, b − m⟩ − ½‖d‖²` with `d = λ∇ᵀz` and `m` the
/// channel means (`⟨d, m⟩ = 0`). All in double precision. `v`, `h`: the two parts of `z`, rows of `C·width` values.
pub(super) fn certificate<T: Scalar, W: Scalar, const C: usize>(
    b: ImageRef<'_, T, C>,
    x: ImageRef<'_, T, C>,
    means: &[f64; C],
    lambda: f64,
    coupling: Coupling,
    v: &[W],
    h: &[W],
) -> Certificate<f64> {
    let bands: Vec<usize> = (0..b.height()).step_by(ROWS).collect();
    let parts =
        par::map(bands, |first| vecops::dispatch(Band { b, x, means, lambda, coupling, v, h, first }));
    let (primal, dual) = parts.into_iter().fold((0.0, 0.0), |s, p| (s.0 + p.0, s.1 + p.1));
    Certificate::new(primal, dual)
}

/// [`ROWS`] rows from `first` on.
struct Band<'a, T, W, const C: usize> {
    b: ImageRef<'a, T, C>,
    x: ImageRef<'a, T, C>,
    means: &'a [f64; C],
    lambda: f64,
    coupling: Coupling,
    v: &'a [W],
    h: &'a [W],
    first: usize,
}

impl<T: Scalar, W: Scalar, const C: usize> vecops::Kernel for Band<'_, T, W, C> {
    type Output = (f64, f64);

    #[inline(always)]
    fn call(self) -> (f64, f64) {
        let n = C * self.b.width();
        let mut total = (0.0, 0.0);
        let (mut above, mut here) = (Dual::new(n), Dual::new(n));
        if self.first > 0 {
            above.load::<W, C>(self.v, self.h, self.first - 1, self.coupling);
        }
        for i in self.first..(self.first + ROWS).min(self.b.height()) {
            here.load::<W, C>(self.v, self.h, i, self.coupling);
            let part = row(self.b, self.x, self.means, self.lambda, self.coupling, i, &above.v, &here);
            total = (total.0 + part.0, total.1 + part.1);
            core::mem::swap(&mut above, &mut here);
        }
        total
    }
}

/// A row of the dual variable inside its ball.
struct Dual {
    v: Vec<f64>,
    h: Vec<f64>,
}

impl Dual {
    fn new(n: usize) -> Self {
        Self { v: vec![0.0; n], h: vec![0.0; n] }
    }

    #[inline(always)]
    fn load<W: Scalar, const C: usize>(&mut self, v: &[W], h: &[W], i: usize, coupling: Coupling) {
        let n = self.v.len();
        let w = n / C;
        for (to, from) in self.v.iter_mut().zip(&v[i * n..(i + 1) * n]) {
            *to = from.as_f64();
        }
        for (to, from) in self.h.iter_mut().zip(&h[i * n..(i + 1) * n]) {
            *to = from.as_f64();
        }
        match coupling {
            Coupling::Anisotropic => {
                for z in self.v.iter_mut().chain(&mut self.h) {
                    *z = z.clamp(-1.0, 1.0);
                }
            }
            Coupling::Isotropic => {
                for (a, b) in self.v.iter_mut().zip(&mut self.h) {
                    let s = 1.0 / (*a * *a + *b * *b).max(1.0).sqrt();
                    (*a, *b) = (*a * s, *b * s);
                }
            }
            Coupling::Vectorial => {
                for j in 0..w {
                    let sq: f64 =
                        (0..C).map(|c| c * w + j).map(|k| self.v[k].powi(2) + self.h[k].powi(2)).sum();
                    let s = 1.0 / sq.max(1.0).sqrt();
                    for k in (0..C).map(|c| c * w + j) {
                        self.v[k] *= s;
                        self.h[k] *= s;
                    }
                }
            }
        }
    }
}

/// The share of row `i` in both values; `above` is the vertical part of the row before.
#[inline(always)]
fn row<T: Scalar, const C: usize>(
    b: ImageRef<'_, T, C>,
    x: ImageRef<'_, T, C>,
    means: &[f64; C],
    lambda: f64,
    coupling: Coupling,
    i: usize,
    above: &[f64],
    z: &Dual,
) -> (f64, f64) {
    let (height, w) = b.size();
    let mut joint = vec![0.0; if coupling == Coupling::Vectorial { w } else { 0 }];
    let (mut primal, mut dual) = (0.0, 0.0);
    for c in 0..C {
        let b_row = &b.plane(c)[i * w..(i + 1) * w];
        let x_row = &x.plane(c)[i * w..(i + 1) * w];
        let x_below = if i + 1 < height { &x.plane(c)[(i + 1) * w..(i + 2) * w] } else { x_row };
        let (above, v, h) = (&above[c * w..(c + 1) * w], &z.v[c * w..(c + 1) * w], &z.h[c * w..(c + 1) * w]);
        for j in 0..w {
            let (bj, xj) = (b_row[j].as_f64(), x_row[j].as_f64());
            let left = if j > 0 { h[j - 1] } else { 0.0 };
            let d = lambda * ((above[j] - v[j]) + (left - h[j]));
            primal += 0.5 * (xj - bj) * (xj - bj);
            dual += d * ((bj - means[c]) - 0.5 * d);
            let dv = x_below[j].as_f64() - xj;
            let dh = if j + 1 < w { x_row[j + 1].as_f64() - xj } else { 0.0 };
            match coupling {
                Coupling::Anisotropic => primal += lambda * (dv.abs() + dh.abs()),
                Coupling::Isotropic => primal += lambda * (dv * dv + dh * dh).sqrt(),
                Coupling::Vectorial => joint[j] += dv * dv + dh * dh,
            }
        }
    }
    primal += lambda * joint.iter().map(|s| s.sqrt()).sum::<f64>();
    (primal, dual)
}
