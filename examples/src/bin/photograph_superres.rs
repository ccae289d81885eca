//! A photograph enlarged by bicubic interpolation and by coupled dictionaries learned from other images.
//!
//! `cargo run --release -p spm-examples --bin photograph_superres [FOLDER]`

use std::path::PathBuf;

use sparse_modeling::image::Gray;
use sparse_modeling::image::io::{self, Depth};
use sparse_modeling::image::metrics::psnr;
use sparse_modeling::image::resize::Bicubic;
use sparse_modeling::image::superres::SuperResModel;
use sparse_modeling::models::file;
use spm_examples::beside;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let data = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/spm-cli/data");
    let folder = std::env::args().nth(1).map_or_else(std::env::temp_dir, PathBuf::from);
    let clean: Gray<f64> = io::read(format!("{data}/camera.png"))?.0.into_gray();
    // The model that comes with the command; this photograph is not in its training set.
    let model: SuperResModel = file::load(format!("{data}/superres_x2.spm"))?;
    let bicubic = Bicubic::new();
    let small = bicubic.resize(clean.view(), (clean.height() / 2, clean.width() / 2))?;
    let plain = bicubic.resize(small.view(), clean.size())?;
    let learned = model.upscale(small.view())?;
    println!(
        "bicubic {:.2} dB, coupled dictionaries {:.2} dB",
        psnr(clean.view(), plain.view(), 1.0)?,
        psnr(clean.view(), learned.view(), 1.0)?
    );
    let part = |image: &Gray<f64>| {
        let rows = (90..250).flat_map(|i| (190..350).map(move |j| image.get(0, i, j)));
        Gray::new(160, 160, rows.map(|v| v as f32).collect())
    };
    let (clean, plain, learned) = (part(&clean)?, part(&plain)?, part(&learned)?);
    let path = folder.join("superres.png");
    io::write(&path, beside(&[&clean, &plain, &learned])?.view(), Depth::Eight)?;
    println!("original, bicubic, coupled dictionaries: {}", path.display());
    Ok(())
}
