//! The measurement `x ↦ h ⊙ F(S_q x)`.

use super::{C64, Fft2, Pixel, Work, ZERO, sq_norm};

/// `A x = (h ⊙ F(S_q x_p))`: every plane by itself (a colour image, no coils), or one plane through every coil.
#[derive(Debug)]
pub(crate) struct Measurement<P> {
    pub(crate) fft: Fft2<P>,
    /// `h`, in the order of spectra.
    pub(crate) filter: Vec<C64>,
    /// `S_q`, plane after plane; empty for a single coil of sensitivity 1.
    pub(crate) coils: Vec<C64>,
    /// Planes of the image.
    pub(crate) planes: usize,
    /// Whether complex pixels are known to be real: then `Aᴴ` ends with the real part.
    pub(crate) real: bool,
}

impl<P: Pixel> Measurement<P> {
    /// Planes measured.
    pub(crate) fn measured(&self) -> usize {
        self.planes.max(self.coils.len() / self.fft.len())
    }

    /// `out ← A x`. `image` is a plane of temporary memory.
    pub(crate) fn apply(&self, x: &[P], out: &mut [C64], image: &mut [P], work: &mut Work) {
        let n = self.fft.len();
        for (q, out) in out.chunks_exact_mut(self.fft.spectrum_len()).enumerate() {
            if self.coils.is_empty() {
                self.fft.forward(&x[q * n..(q + 1) * n], out, work);
            } else {
                for ((v, x), s) in image.iter_mut().zip(x).zip(&self.coils[q * n..]) {
                    *v = x.times(*s);
                }
                self.fft.forward(image, out, work);
            }
            for (o, h) in out.iter_mut().zip(&self.filter) {
                *o *= h;
            }
        }
    }

    /// `out ← Aᴴ y`, the real part of it for real images. Destroys `y`.
    pub(crate) fn adjoint(&self, y: &mut [C64], out: &mut [P], image: &mut [P], work: &mut Work) {
        let n = self.fft.len();
        if !self.coils.is_empty() {
            out.fill(P::default());
        }
        for (q, y) in y.chunks_exact_mut(self.fft.spectrum_len()).enumerate() {
            for (y, h) in y.iter_mut().zip(&self.filter) {
                *y *= h.conj();
            }
            if self.coils.is_empty() {
                self.fft.inverse(y, &mut out[q * n..(q + 1) * n], work);
            } else {
                self.fft.inverse(y, image, work);
                for ((o, v), s) in out.iter_mut().zip(&*image).zip(&self.coils[q * n..]) {
                    *o += v.times(s.conj());
                }
            }
        }
        self.project(out);
    }

    /// Takes the real part where the image is real.
    pub(crate) fn project(&self, x: &mut [P]) {
        if self.real {
            x.iter_mut().for_each(|v| *v = P::of(v.real()));
        }
    }

    /// The diagonal of `F AᴴA Fᴴ`: exact for a single coil, an average over the pixels for several.
    pub(crate) fn diagonal(&self) -> Vec<f64> {
        let n = self.fft.len();
        let mean = if self.coils.is_empty() { 1.0 } else { sq_norm(&self.coils) / n as f64 };
        self.filter.iter().map(|h| mean * h.norm_sqr()).collect()
    }

    /// `Re ⟨a, b⟩` of measurements, over the whole spectrum.
    pub(crate) fn inner(&self, a: &[C64], b: &[C64]) -> f64 {
        let (h, w) = (self.fft.height(), self.fft.width());
        let columns = a.chunks_exact(h).zip(b.chunks_exact(h)).enumerate();
        columns.map(|(j, (a, b))| P::weight(j % P::columns(w), w) * super::inner(a, b)).sum()
    }
}

/// What a real image can have of measurements `y` of a whole spectrum through a filter `h`: an equivalent filter and measurements
/// on half of the spectrum, and the share of `½‖h ⊙ F x − y‖²` that no real image changes. Everything in the order of spectra.
///
/// A frequency and its opposite measure the same number: `½|h X − y|² + ½|h' X̄ − y'|² = |g X − t|² + rest` with
/// `g² = ½(|h|² + |h'|²)` and `g t = ½(h̄ y + h' ȳ')`.
pub(crate) fn halve(h: &[C64], y: &[C64], (height, width): (usize, usize)) -> (Vec<C64>, Vec<C64>, f64) {
    let opposite = |k: usize| (width - k / height) % width * height + (height - k % height) % height;
    let kept = height * f64::columns(width);
    let (mut filter, mut values, mut rest) = (Vec::with_capacity(kept), Vec::with_capacity(kept), 0.0);
    for k in 0..height * width {
        let l = opposite(k);
        let (a, b) = (h[k], h[l].conj());
        let power = a.norm_sqr() + b.norm_sqr();
        rest += 0.25
            * if power > 0.0 {
                (a * y[l].conj() - b * y[k]).norm_sqr() / power
            } else {
                y[k].norm_sqr() + y[l].norm_sqr()
            };
        if k < kept {
            let g = (0.5 * power).sqrt();
            filter.push(C64::new(g, 0.0));
            values.push(if g > 0.0 { (a.conj() * y[k] + b.conj() * y[l].conj()) * (0.5 / g) } else { ZERO });
        }
    }
    (filter, values, rest)
}

#[cfg(test)]
mod tests {
    use super::super::transposed;
    use super::*;

    fn energy(a: &Measurement<impl Pixel>, found: &[C64], y: &[C64]) -> f64 {
        let rest: Vec<C64> = found.iter().zip(y).map(|(a, b)| a - b).collect();
        0.5 * a.inner(&rest, &rest)
    }

    /// The data term of a real image is the same by the whole and by half of the spectrum, for any filter and any measurements.
    #[test]
    fn half_of_the_spectrum_says_everything_about_a_real_image() {
        let wave = |k: usize, s: f64| C64::new((k as f64 * s).sin(), (k as f64 * s).cos());
        for (height, width) in [(1, 1), (4, 6), (5, 7), (6, 5)] {
            let n = height * width;
            let of = |k: usize| if k.is_multiple_of(3) { ZERO } else { wave(k, 0.7) };
            let h = transposed(&(0..n).map(of).collect::<Vec<_>>(), (height, width));
            let y = transposed(&(0..n).map(|k| wave(k, 1.3)).collect::<Vec<_>>(), (height, width));
            let (filter, values, rest) = halve(&h, &y, (height, width));
            let whole = Measurement {
                fft: Fft2::<C64>::new(height, width),
                filter: h,
                coils: vec![],
                planes: 1,
                real: true,
            };
            let half = Measurement {
                fft: Fft2::<f64>::new(height, width),
                filter,
                coils: vec![],
                planes: 1,
                real: true,
            };
            let x: Vec<f64> = (0..n).map(|k| (k as f64 * 0.37).sin() + 0.2).collect();
            let complex: Vec<C64> = x.iter().map(|&v| C64::new(v, 0.0)).collect();
            let (mut a, mut b) = (y.clone(), values.clone());
            whole.apply(&complex, &mut a, &mut [], &mut whole.fft.work());
            half.apply(&x, &mut b, &mut [], &mut half.fft.work());
            let (one, two) = (energy(&whole, &a, &y), energy(&half, &b, &values) + rest);
            assert!((one - two).abs() < 1e-12 * one.max(1.0), "{height} x {width}: {one} {two}");
        }
    }
}
