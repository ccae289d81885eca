//! Noise off a photograph by total variation of the weight that Stein's rule chooses, with PSNR, SSIM and a duality gap.
//!
//! `cargo run --release -p spm-examples --bin photograph_total_variation [out.png]`

use sparse_modeling::image::Gray;
use sparse_modeling::image::io::{self, Depth};
use sparse_modeling::image::metrics::{Ssim, psnr};
use sparse_modeling::image::tv::TvSure;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let photograph = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/spm-cli/data/camera.png");
    let clean: Gray = io::read(photograph)?.0.into_gray();
    let sigma = 20.0 / 255.0;
    // Noise with a fixed pattern: four uniform numbers add up to something close enough to a normal one.
    let mut state = 1_u32;
    let mut uniform = move || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        f64::from(state >> 8) / f64::from(1 << 24) - 0.5
    };
    let noise = |u: &mut dyn FnMut() -> f64| sigma * (u() + u() + u() + u()) * 3.0_f64.sqrt();
    let (h, w) = clean.size();
    let noisy = Gray::new(h, w, clean.data().iter().map(|v| v + noise(&mut uniform)).collect())?;

    let result = TvSure::new(sigma).denoise(noisy.view())?.result;
    let ssim = Ssim::uniform(1.0);
    for (name, image) in [("noisy", &noisy), ("denoised", &result.image)] {
        println!(
            "{name:>9}: PSNR {:.2} dB, SSIM {:.3}",
            psnr(clean.view(), image.view(), 1.0)?,
            ssim.mean(clean.view(), image.view())?
        );
    }
    println!(
        "lambda {:.4}, relative gap {:.1e}, {} iterations",
        result.lambda,
        result.relative_gap(),
        result.iterations()
    );
    if let Some(path) = std::env::args().nth(1) {
        io::write(&path, result.image.view(), Depth::Eight)?;
        println!("wrote {path}");
    }
    Ok(())
}
