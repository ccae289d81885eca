//! Problems whose data term is diagonal in the Fourier domain: partial Fourier measurements and blur by a known kernel.
//!
//! `min_x ½ Σ_q ‖h ⊙ F(S_q x) − k_q‖² + λ TV(x) + μ ‖Wx‖₁` with the unitary Fourier transform `F`, a filter `h` (a mask, or
//! the transfer function of a blur), coil sensitivities `S_q` (1 for a single coil) and an orthonormal wavelet transform `W`.
//! Everything is generic in [`Pixel`]: a real image costs half of a complex one.

mod admm;
mod certificate;
mod coils;
mod fft;
mod operator;
mod pixel;
mod shrink;

pub(crate) use admm::{Admm, Options};
pub(crate) use fft::{Fft2, Work, transposed};
pub(crate) use operator::{Measurement, halve};
pub(crate) use pixel::Pixel;

/// A complex number in double precision.
pub(crate) type C64 = rustfft::num_complex::Complex<f64>;

pub(crate) const ZERO: C64 = C64::new(0.0, 0.0);

/// `Re ⟨a, b⟩`, in a fixed order.
pub(crate) fn inner<P: Pixel>(a: &[P], b: &[P]) -> f64 {
    a.iter().zip(b).map(|(a, &b)| a.product(b)).sum()
}

/// `‖a‖²`.
pub(crate) fn sq_norm<P: Pixel>(a: &[P]) -> f64 {
    inner(a, a)
}
