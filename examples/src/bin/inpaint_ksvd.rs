//! A photograph with scratches and missing pixels, filled smoothly and by a dictionary learned from what is left.
//!
//! `cargo run --release -p spm-examples --bin inpaint_ksvd [IMAGE] [FOLDER]`

use std::path::PathBuf;

use sparse_modeling::image::Gray;
use sparse_modeling::image::inpaint::{KsvdInpaint, fill_smoothly};
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
    let (height, width) = clean.size();

    let random = normals(height * width);
    let half: Vec<bool> = random.iter().map(|&n| n < 0.0).collect();
    let scratches: Vec<bool> = (0..height * width).map(|k| (k / width + 2 * (k % width)) % 41 < 4).collect();
    for (name, missing) in [("half", half), ("scratches", scratches)] {
        let data = clean.data().iter().zip(&missing).map(|(&v, &gone)| if gone { 0.0 } else { v }).collect();
        let holes = Gray::new(height, width, data)?;
        let smooth = fill_smoothly(holes.view(), &missing)?;
        let learned = KsvdInpaint::new().run(holes.view(), &missing)?.image;
        println!(
            "{name}: smooth {:.2} dB, K-SVD {:.2} dB",
            psnr(clean.view(), smooth.view(), 1.0)?,
            psnr(clean.view(), learned.view(), 1.0)?
        );
        let path = folder.join(format!("inpaint-{name}.png"));
        io::write(&path, beside(&[&clean, &holes, &smooth, &learned])?.view(), Depth::Eight)?;
        println!("  whole, given, smooth, K-SVD: {}", path.display());
    }
    Ok(())
}
