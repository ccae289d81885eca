//! A picture from a fifth of its Fourier coefficients: zero-filled, and with the least total variation.
//!
//! `cargo run --release -p spm-examples --bin square_mri [FOLDER]`

use std::path::PathBuf;

use sparse_modeling::image::Gray;
use sparse_modeling::image::io::{self, Depth};
use sparse_modeling::image::mri::{Complex, KSpace, Mri, fft_shift, mask};
use spm_examples::beside;

const SIDE: usize = 256;

/// Discs and squares of several levels.
fn picture(k: usize) -> f64 {
    let (i, j) = ((k / SIDE) as f64 / SIDE as f64 - 0.5, (k % SIDE) as f64 / SIDE as f64 - 0.5);
    let disc = |ci: f64, cj: f64, r: f64| (i - ci).hypot(j - cj) < r;
    let square = |ci: f64, cj: f64, r: f64| (i - ci).abs().max((j - cj).abs()) < r;
    match () {
        () if square(-0.1, 0.12, 0.07) => 1.0,
        () if disc(0.12, -0.1, 0.06) => 0.1,
        () if disc(-0.15, -0.15, 0.03) => 0.8,
        () if disc(0.0, 0.0, 0.36) => 0.4,
        () if disc(0.0, 0.0, 0.42) => 0.9,
        () => 0.0,
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let size = (SIDE, SIDE);
    let truth = Gray::<f64>::new(SIDE, SIDE, (0..SIDE * SIDE).map(picture).collect())?;
    let image: Vec<Complex> = truth.data().iter().map(|&v| Complex::new(v, 0.0)).collect();
    let lines = mask::radial(size, 22)?;
    let measured = lines.iter().filter(|&&m| m).count();
    let kspace = KSpace::measure(size, lines.clone(), &image, vec![])?;

    let filled = Gray::new(SIDE, SIDE, kspace.zero_filled().iter().map(|v| v.norm()).collect())?;
    let out = Mri::new(0.0).real(true).tol(1e-6).reconstruct(&kspace)?;
    let error = |x: &Gray<f64>| {
        let wrong: f64 = x.data().iter().zip(truth.data()).map(|(a, b)| (a - b).powi(2)).sum();
        (wrong / truth.data().iter().map(|v| v * v).sum::<f64>()).sqrt()
    };
    println!(
        "{measured} of {} coefficients; relative error {:.1e} zero-filled, {:.1e} by least total variation (gap {:.1e}, {} iterations)",
        SIDE * SIDE,
        error(&filled),
        error(&out.real()),
        out.relative_gap(),
        out.iterations()
    );
    let mask = fft_shift(&lines.iter().map(|&m| f64::from(u8::from(m))).collect::<Vec<_>>(), size);
    let mask = Gray::new(SIDE, SIDE, mask)?;
    let path = folder.join("mri.png");
    io::write(&path, beside(&[&truth, &mask, &filled, &out.real()])?.view(), Depth::Eight)?;
    println!("picture, measured frequencies, zero-filled, reconstructed: {}", path.display());
    Ok(())
}
