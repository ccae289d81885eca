//! The image suite, one JSON line a result: total variation, deblurring, K-SVD, inpainting, super-resolution, compressed sensing.
//!
//! `image SIZE REPEAT PHOTO` solves; `image quality PHOTO…` compares choices by PSNR; `image large PHOTO` denoises 24 megapixels;
//! `image dump SIZE FOLDER PHOTO` writes the data for the peers as raw doubles beside a `problems.json` with the parameters and certified
//! lower bounds. Times are wall time; run it with `RAYON_NUM_THREADS=1` for one thread. Memory is the peak above what the process held with
//! the scene loaded, so what the allocator kept of an earlier problem counts too. Where there is no optimum to approach, the objective
//! is the PSNR.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

mod learned;
mod mri;
mod quality;
mod scenes;
mod tv;

use std::path::Path;
use std::time::Instant;

use serde_json::{Value, json};

/// Deviation of the noise that K-SVD removes.
const SIGMA: f64 = 25.0 / 255.0;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["dump", size, folder, photo] => dump(side(size), Path::new(folder), photo),
        ["quality", ref photos @ ..] => quality::measure(photos),
        ["large", photo] => learned::large(&scenes::photograph(photo)),
        [size, repeat, photo] => solve(side(size), repeat.parse().unwrap(), photo),
        _ => panic!("usage: image SIZE REPEAT PHOTO | quality PHOTO… | large PHOTO | dump SIZE FOLDER PHOTO"),
    }
}

fn side(size: &str) -> usize {
    match size {
        "tiny" => 64,
        "small" => 256,
        "medium" => 512,
        _ => panic!("sizes are tiny, small and medium"),
    }
}

/// One line.
fn row(
    problem: String,
    solver: &str,
    tol: f64,
    iterations: usize,
    time: (f64, f64),
    objective: f64,
    gap: f64,
) {
    let line: Value = json!({ "problem": problem, "solver": solver, "tol": tol, "iterations": iterations,
        "seconds": time.0, "objective": objective, "gap": gap, "nnz": 0, "peak_mib": time.1 });
    println!("{line}");
}

/// Memory of the process in MiB by a key of `/proc/self/status`; 0 where the system does not say.
fn memory(key: &str) -> f64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_default();
    let kib = line.trim_start_matches(':').split_whitespace().next().and_then(|v| v.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

struct Meter {
    repeat: usize,
    /// What the process held before the first problem, MiB.
    held: f64,
}

impl Meter {
    fn new(repeat: usize) -> Self {
        Self { repeat, held: memory("VmRSS") }
    }

    /// The last result; the median of the times and the peak memory.
    fn time<R>(&self, mut f: impl FnMut() -> R) -> (R, (f64, f64)) {
        // Sets the peak back to what is held now, where the system allows it.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        let mut times = Vec::new();
        let mut last = None;
        for _ in 0..self.repeat.max(1) {
            drop(last.take());
            let start = Instant::now();
            last = Some(f());
            times.push(start.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        (last.unwrap(), (times[times.len() / 2], memory("VmHWM") - self.held))
    }
}

fn solve(side: usize, repeat: usize, photo: &str) {
    let photo = scenes::photograph(photo);
    let meter = Meter::new(repeat);
    tv::solve(side, &meter);
    learned::solve(&photo, &meter);
    mri::solve(side.min(256), &meter);
}

fn dump(side: usize, folder: &Path, photo: &str) {
    let write = |name: &str, v: &[f64]| {
        let bytes: Vec<u8> = v.iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(folder.join(format!("{name}.f64")), bytes).unwrap();
    };
    let photo = scenes::photograph(photo);
    let mut problems = json!({ "side": side, "photo": [photo.height(), photo.width()], "sigma": SIGMA });
    tv::dump(side, &write, &mut problems);
    learned::dump(&photo, &write, &mut problems);
    mri::dump(side.min(256), &write, &mut problems);
    std::fs::write(folder.join("problems.json"), problems.to_string()).unwrap();
}
