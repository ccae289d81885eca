//! A dictionary from a photograph's own patches by K-SVD, saved to and loaded from a model file.
//!
//! `cargo run --release -p spm-examples --bin patches_ksvd`

use sparse_modeling::image::dictionary::SparseReconstruction;
use sparse_modeling::image::metrics::psnr;
use sparse_modeling::image::patches::remove_means;
use sparse_modeling::image::{Gray, PatchGrid, io};
use sparse_modeling::models::dictionary::{Dictionary, Init, Ksvd, Omp};
use sparse_modeling::models::file;
use sparse_modeling::solvers::batch_omp::Limit;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let photograph = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/spm-cli/data/camera.png");
    let image: Gray = io::read(photograph)?.0.into_gray();
    let grid = PatchGrid::<1>::tiles(image.size(), (8, 8))?;
    let mut patches = grid.extract(image.view())?;
    remove_means(&mut patches, grid.dim());

    let fitted = Ksvd::new(64, Omp::with_k(4)).init(Init::Dct).max_iter(10).fit(&patches, grid.dim())?;
    println!(
        "root mean square error {:.4} -> {:.4}",
        fitted.errors[0],
        fitted.errors[fitted.errors.len() - 1]
    );

    let path = std::env::temp_dir().join(format!("dictionary-{}.spm", std::process::id()));
    file::save(&fitted.dictionary, &path)?;
    let dictionary: Dictionary<f64> = file::load(&path)?;
    std::fs::remove_file(&path)?;

    let rebuild = SparseReconstruction::new((8, 8), Limit { k: 4, eps: 0.0 }).stride((8, 8));
    let rebuilt = rebuild.run(image.view(), dictionary.as_dense())?;
    println!(
        "PSNR {:.2} dB from {:.2} atoms a patch",
        psnr(image.view(), rebuilt.image.view(), 1.0)?,
        rebuilt.mean_nnz
    );
    Ok(())
}
