//! The x-update with several coils, whose `AᴴA` is not diagonal in the Fourier domain.

use super::{C64, Measurement, Pixel, Work, ZERO, inner, sq_norm};

/// The squared residual falls to this share, or after so many iterations it is enough.
const SHARE: f64 = 1e-4;
const MOST: usize = 30;

/// Conjugate gradients on `(AᴴA + a ∇ᵀ∇ + b) x = rhs`, preconditioned by the average over the coils; the tolerance follows the residual
/// at the start.
#[derive(Debug)]
pub(super) struct Coils<P> {
    r: Vec<P>,
    z: Vec<P>,
    p: Vec<P>,
    ap: Vec<P>,
    image: Vec<P>,
    measured: Vec<C64>,
}

impl<P: Pixel> Coils<P> {
    pub(super) fn new(a: &Measurement<P>) -> Self {
        let image = vec![P::default(); a.fft.len()];
        Self {
            r: image.clone(),
            z: image.clone(),
            p: image.clone(),
            ap: image.clone(),
            image,
            measured: vec![ZERO; a.measured() * a.fft.spectrum_len()],
        }
    }

    /// From the present `x`; `weights` are `a` and `b`, `gain` the inverse of the averaged diagonal.
    pub(super) fn solve(
        &mut self,
        a: &Measurement<P>,
        rhs: &[P],
        weights: (f64, f64),
        gain: &[f64],
        x: &mut [P],
        work: &mut Work,
    ) {
        let Self { r, z, p, ap, image, measured } = self;
        let mut normal = |v: &[P], out: &mut [P], work: &mut Work| {
            a.apply(v, measured, image, work);
            a.adjoint(measured, out, image, work);
            add_laplacian(v, (a.fft.height(), a.fft.width()), weights.0, out);
            out.iter_mut().zip(v).for_each(|(o, v)| *o += *v * weights.1);
        };
        let precondition = |r: &[P], z: &mut [P], work: &mut Work| {
            a.fft.filter(r, z, work, |first, column| {
                column.iter_mut().zip(&gain[first..]).for_each(|(v, g)| *v *= g);
            });
            a.project(z);
        };
        normal(x, r, work);
        r.iter_mut().zip(rhs).for_each(|(r, b)| *r = *b - *r);
        let start = sq_norm(r);
        precondition(r, z, work);
        p.copy_from_slice(z);
        let mut rz = inner(r, z);
        for _ in 0..MOST {
            if sq_norm(r) <= SHARE * start || rz <= 0.0 {
                break;
            }
            normal(p, ap, work);
            let step = rz / inner(p, ap);
            for k in 0..x.len() {
                x[k] += p[k] * step;
                r[k] -= ap[k] * step;
            }
            precondition(r, z, work);
            let next = inner(r, z);
            p.iter_mut().zip(&*z).for_each(|(p, z)| *p = *z + *p * (next / rz));
            rz = next;
        }
    }
}

/// `out ← out + scale·∇ᵀ∇v`, periodic.
fn add_laplacian<P: Pixel>(v: &[P], (h, w): (usize, usize), scale: f64, out: &mut [P]) {
    for (i, out) in out.chunks_exact_mut(w).enumerate() {
        let (up, down) = ((i + h - 1) % h * w, (i + 1) % h * w);
        for (j, o) in out.iter_mut().enumerate() {
            let (left, right) = ((j + w - 1) % w, (j + 1) % w);
            let around = v[up + j] + v[down + j] + v[i * w + left] + v[i * w + right];
            *o += (v[i * w + j] * 4.0 - around) * scale;
        }
    }
}
