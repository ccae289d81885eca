//! The measurement `x ↦ h ⊙ F(S_q x)`.

use super::{C64, Fft2, ZERO};

/// `A x = (h ⊙ F(S_q x_p))`: every plane by itself (a colour image, no coils), or one plane through every coil.
#[derive(Debug)]
pub(crate) struct Measurement {
    pub(crate) fft: Fft2,
    /// `h`, transposed as spectra are.
    pub(crate) filter: Vec<C64>,
    /// `S_q`, plane after plane; empty for a single coil of sensitivity 1.
    pub(crate) coils: Vec<C64>,
    /// Planes of the image.
    pub(crate) planes: usize,
    /// Whether the image is real: then `Aᴴ` ends with the real part.
    pub(crate) real: bool,
}

impl Measurement {
    /// Planes measured.
    pub(crate) fn measured(&self) -> usize {
        self.planes.max(self.coils.len() / self.fft.len())
    }

    /// `out ← A x`.
    pub(crate) fn apply(&self, x: &[C64], out: &mut [C64]) {
        let n = self.fft.len();
        let mut image = vec![ZERO; n];
        for (q, out) in out.chunks_exact_mut(n).enumerate() {
            self.coil_image(x, q, &mut image);
            self.fft.forward(&mut image, out);
            for (o, h) in out.iter_mut().zip(&self.filter) {
                *o *= h;
            }
        }
    }

    /// `out ← Aᴴ y`, the real part of it for real images.
    pub(crate) fn adjoint(&self, y: &[C64], out: &mut [C64]) {
        let n = self.fft.len();
        out.fill(ZERO);
        let (mut spectrum, mut image) = (vec![ZERO; n], vec![ZERO; n]);
        for (q, y) in y.chunks_exact(n).enumerate() {
            for ((s, y), h) in spectrum.iter_mut().zip(y).zip(&self.filter) {
                *s = h.conj() * y;
            }
            self.fft.inverse(&mut spectrum, &mut image);
            let at = if self.coils.is_empty() { q * n } else { 0 };
            for (k, (o, v)) in out[at..at + n].iter_mut().zip(&image).enumerate() {
                *o += if self.coils.is_empty() { *v } else { self.coils[q * n + k].conj() * v };
            }
        }
        if self.real {
            out.iter_mut().for_each(|v| v.im = 0.0);
        }
    }

    fn coil_image(&self, x: &[C64], q: usize, image: &mut [C64]) {
        let n = self.fft.len();
        if self.coils.is_empty() {
            image.copy_from_slice(&x[q * n..(q + 1) * n]);
        } else {
            for (k, v) in image.iter_mut().enumerate() {
                *v = self.coils[q * n + k] * x[k];
            }
        }
    }

    /// The diagonal of `F AᴴA Fᴴ`: exact for a single coil, an average over the pixels for several.
    pub(crate) fn diagonal(&self) -> Vec<f64> {
        let n = self.fft.len();
        let mean = if self.coils.is_empty() { 1.0 } else { super::sq_norm(&self.coils) / n as f64 };
        let power = |k: usize| self.filter[k].norm_sqr();
        let at = |k: usize| {
            let own = power(k);
            mean * if self.real { 0.5 * (own + power(self.fft.opposite(k))) } else { own }
        };
        (0..n).map(at).collect()
    }
}
