//! A noisy photograph, what a dictionary learned from it makes of it, and the dictionary: three pictures.
//!
//! `cargo run --release -p spm-examples --bin photograph_ksvd [IMAGE] [FOLDER]`

use std::path::PathBuf;

use sparse_modeling::image::Gray;
use sparse_modeling::image::denoise_ksvd::KsvdDenoise;
use sparse_modeling::image::dictionary::dictionary_picture;
use sparse_modeling::image::io::{self, Depth};
use sparse_modeling::image::metrics::psnr;
use spm_examples::{beside, normals};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let photograph = args.next().unwrap_or_else(|| {
        concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/spm-cli/data/camera.png").to_owned()
    });
    let folder = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let clean: Gray<f32> = io::read(photograph)?.0.into_gray();

    let sigma = 25.0 / 255.0;
    let noise = normals(clean.data().len());
    let data = clean.data().iter().zip(noise).map(|(&v, n)| v + sigma * n as f32).collect();
    let noisy = Gray::new(clean.height(), clean.width(), data)?;

    for (name, options) in [("as published in 2006", KsvdDenoise::paper()), ("today", KsvdDenoise::new())] {
        let denoised = options.sigma(sigma).run(noisy.view())?;
        println!(
            "{name}: PSNR {:.2} -> {:.2} dB",
            psnr(clean.view(), noisy.view(), 1.0)?,
            psnr(clean.view(), denoised.image.view(), 1.0)?
        );
        let picture = beside(&[&clean, &noisy, &denoised.image])?;
        let path = folder.join(format!("ksvd-{}.png", name.split(' ').next_back().unwrap_or("picture")));
        io::write(&path, picture.view(), Depth::Eight)?;
        println!("  clean, noisy, denoised: {}", path.display());
        if let Some(d) = denoised.dictionary {
            let path = folder.join("ksvd-dictionary.png");
            io::write(&path, dictionary_picture(d.as_dense(), (8, 8))?.view(), Depth::Eight)?;
            println!("  its dictionary: {}", path.display());
        }
    }
    Ok(())
}
