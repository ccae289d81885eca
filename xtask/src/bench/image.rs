//! `cargo xtask bench image`: total variation, K-SVD, inpainting, super-resolution, and compressed sensing against Python peers.

use std::path::PathBuf;

use super::page::replace_section;
use super::{Options, Row, compare, emit, parse, peers, program, program_with};
use crate::{Outcome, root};

mod quality;

const PACKAGES: [&str; 4] = ["numpy", "scikit-image", "prox-tv", "spams-bin"];

/// How to run the suite.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    options: Options,
    /// The photograph for K-SVD, inpainting and super-resolution.
    #[arg(long, value_name = "FILE", default_value = "crates/spm-cli/data/camera.png")]
    photo: PathBuf,
    /// What choices are worth in PSNR over the photographs of the repository, in place of times: minutes.
    #[arg(long, conflicts_with_all = ["peers", "large"])]
    quality: bool,
    /// Denoise 24 megapixels, on all cores, in place of the suite: minutes.
    #[arg(long, conflicts_with = "peers")]
    large: bool,
    /// Also put the results into this page as tables, in the section that begins with a line `<!-- measured by COMMAND -->`.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
}

/// Runs the suite and prints or writes its lines. Everything on one thread.
pub(super) fn run(args: &Args) -> Outcome {
    let options = &args.options;
    let repeat = options.repeat.to_string();
    let photo = args.photo.to_string_lossy();
    if args.quality {
        let photos = photographs()?;
        let words: Vec<&str> =
            ["quality", &photo].into_iter().chain(photos.iter().map(String::as_str)).collect();
        let rows = parse(&program("image", &words)?)?;
        return finish(args, " --quality", &quality::tables(&rows), &rows);
    }
    if args.large {
        let rows = parse(&program("image", &["large", &photo])?)?;
        return finish(args, " --large", &tables(&rows), &rows);
    }
    let words = [options.size.as_str(), &repeat, &photo];
    let mut rows = parse(&program_with("image", &words, &[("RAYON_NUM_THREADS", "1")])?)?;
    if options.peers {
        let data = peers::folder().join("image");
        std::fs::create_dir_all(&data).map_err(|e| format!("{}: {e}", data.display()))?;
        let data = data.to_string_lossy();
        program("image", &["dump", &options.size, &data, &photo])?;
        let rivals = parse(&peers::script("image.py", &PACKAGES, &[&data, &repeat])?)?;
        compare(&rows, "ours", &rivals);
        rows.extend(rivals);
    }
    finish(args, "", &tables(&rows), &rows)
}

/// The photographs of the repository beside the one of the suite.
fn photographs() -> Outcome<Vec<String>> {
    let folder = root().join("fixtures/photos");
    let entries = std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let paths = entries.filter_map(|e| e.ok().map(|e| e.path()));
    let images = paths.filter(|p| p.extension().is_some_and(|e| e == "png"));
    let mut names: Vec<String> = images.map(|p| p.to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

fn finish(args: &Args, options: &str, tables: &str, rows: &[Row]) -> Outcome {
    if let Some(path) = &args.page {
        replace_section(path, &format!("cargo xtask bench image{options}"), tables)?;
    }
    emit(&args.options, rows)
}

/// Prefixes of problems, and the headings of their tables.
const TABLES: [(&str, &str); 7] = [
    ("tv-", "Total variation"),
    ("tgv-", "Total generalised variation"),
    ("deblur-", "Deblurring"),
    ("ksvd-", "Denoising by K-SVD"),
    ("inpaint-", "Missing pixels"),
    ("superres-", "Super-resolution"),
    ("mri-", "Compressed sensing"),
];

/// A table for every kind of problem, a line for every result, those of one problem together.
fn tables(rows: &[Row]) -> String {
    let mut out = String::new();
    for (prefix, title) in TABLES {
        let mut found: Vec<&Row> = rows.iter().filter(|r| r.problem.starts_with(prefix)).collect();
        if found.is_empty() {
            continue;
        }
        let first = |r: &Row| found_at(rows, &r.problem);
        found.sort_by_key(|r| first(r));
        out.push_str(&format!("\n## {title}\n| problem | program | s | iterations | value | gap | MiB |\n|---|---|---|---|---|---|---|\n"));
        for r in found {
            let gap = if r.gap > 0.0 { format!("{:.1e}", r.gap) } else { "–".to_owned() };
            let value = if r.objective.abs() < 1e-2 {
                format!("{:.1e}", r.objective)
            } else {
                format!("{:.2}", r.objective)
            };
            let memory = r.peak_mib.map_or("–".to_owned(), |m| format!("{m:.0}"));
            out.push_str(&format!(
                "| {} | {} | {:.3} | {} | {value} | {gap} | {memory} |\n",
                r.problem, r.solver, r.seconds, r.iterations
            ));
        }
    }
    out
}

/// Where a problem is first named.
fn found_at(rows: &[Row], problem: &str) -> usize {
    rows.iter().position(|r| r.problem == problem).unwrap_or(usize::MAX)
}
