//! `cargo xtask bench image`: total variation, denoising by K-SVD, and compressed sensing against Python peers.

use std::path::PathBuf;

use super::{Options, compare, emit, parse, peers, program, program_with};
use crate::Outcome;

const PACKAGES: [&str; 4] = ["numpy", "scikit-image", "prox-tv", "spams-bin"];

/// How to run the suite.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,
    /// A photograph for K-SVD to denoise, such as `camera.png` of scikit-image; a made scene if there is none.
    #[arg(long, value_name = "FILE")]
    photo: Option<PathBuf>,
}

/// Runs the suite and prints or writes its lines. Everything on one thread.
pub(super) fn run(args: &Args) -> Outcome {
    let options = &args.options;
    let repeat = options.repeat.to_string();
    let photo = args.photo.as_ref().map(|p| p.to_string_lossy().into_owned());
    let mut words = vec![options.size.as_str(), &repeat];
    words.extend(photo.as_deref());
    let mut rows = parse(&program_with("image", &words, &[("RAYON_NUM_THREADS", "1")])?)?;
    if options.peers {
        let data = peers::folder().join("image");
        std::fs::create_dir_all(&data).map_err(|e| format!("{}: {e}", data.display()))?;
        let data = data.to_string_lossy();
        let mut words = vec!["dump", &options.size, &data];
        words.extend(photo.as_deref());
        program("image", &words)?;
        let rivals = parse(&peers::script("image.py", &PACKAGES, &[&data, &repeat])?)?;
        compare(&rows, "ours", &rivals);
        rows.extend(rivals);
    }
    emit(options, &rows)
}
