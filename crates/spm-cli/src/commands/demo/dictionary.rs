//! Image reconstruction: 8 × 8 patches from a few of 64 learned atoms.

use std::time::Duration;

use serde_json::json;
use sparse_modeling::image::dictionary::{SparseReconstruction, dictionary_picture};
use sparse_modeling::image::patches::remove_means;
use sparse_modeling::image::{Gray, PatchGrid};
use sparse_modeling::models::dictionary::{Init, Ksvd, Omp};
use sparse_modeling::solvers::batch_omp::Limit;

use super::report::{Experiment, Figure};
use super::{data, timed};
use crate::commands::compare::similarity;
use crate::error::CliError;
use crate::pixels::{decode_gray, png};

const PATCH: usize = 8;
const ATOMS: usize = 64;
const NONZEROS: usize = 5;
const ITERATIONS: usize = 15;

pub(super) fn run(seed: u64) -> Result<Experiment, CliError> {
    let image = decode_gray(data::PHOTOGRAPH);
    let dim = PATCH * PATCH;
    let mut time = Duration::ZERO;
    let tiles = PatchGrid::<1>::tiles(image.size(), (PATCH, PATCH))?;
    let (fitted, signals) = timed(&mut time, || -> Result<_, CliError> {
        let mut patches = tiles.extract(image.view())?;
        remove_means(&mut patches, dim);
        let model = Ksvd::new(ATOMS, Omp::with_k(NONZEROS)).max_iter(ITERATIONS).init(Init::Dct).seed(seed);
        Ok((model.fit(&patches, dim)?, patches.len() / dim))
    })?;
    let atoms = fitted.dictionary.as_dense();
    let rebuild =
        SparseReconstruction::new((PATCH, PATCH), Limit { k: NONZEROS, eps: 0.0 }).stride((PATCH, PATCH));
    let rebuilt = timed(&mut time, || rebuild.run(image.view(), atoms))?.image;
    let found = similarity(image.view(), rebuilt.view())?;
    let atoms = dictionary_picture(atoms, (PATCH, PATCH))?;
    let show = |image: &Gray<f64>, width, caption: String| Figure::png(&png(image), width, caption);
    let mean_nnz = fitted.codes.nnz() as f64 / signals as f64;
    Ok(Experiment {
        id: "dictionary",
        title: "A photograph from 64 atoms",
        question: format!(
            "Learn {ATOMS} atoms of {PATCH}×{PATCH} pixels from the photograph's own {signals} patches, then write every patch as \
             its mean and at most {NONZEROS} atoms. How much of the picture is left?"
        ),
        answer: format!(
            "PSNR {:.2} dB and SSIM {:.3} from {:.1} numbers and a mean for every {dim} pixels.",
            found.psnr, found.ssim, mean_nnz
        ),
        figures: vec![
            show(&image, 308, "The photograph.".to_owned()),
            show(
                &rebuilt,
                308,
                format!("Rebuilt from at most {NONZEROS} of {ATOMS} atoms a patch: {:.2} dB.", found.psnr),
            ),
            show(
                &atoms,
                308,
                "The dictionary: what the patches have in common. Each atom is scaled to the full range."
                    .to_owned(),
            ),
        ],
        facts: vec![
            ("patches", format!("{signals}, without overlap")),
            ("nonzeros a patch", format!("{mean_nnz:.2} of {ATOMS}")),
            (
                "error in training",
                format!(
                    "{:.2} → {:.2} grey levels",
                    255.0 * fitted.errors[0],
                    255.0 * fitted.errors[fitted.errors.len() - 1]
                ),
            ),
            ("atoms replaced", fitted.replaced.to_string()),
        ],
        results: json!({
            "atoms": ATOMS, "nonzeros": NONZEROS, "patches": signals, "mean_nnz": mean_nnz,
            "psnr": found.psnr, "ssim": found.ssim, "errors": fitted.errors,
        }),
        converged: true,
        seconds: time.as_secs_f64(),
    })
}
