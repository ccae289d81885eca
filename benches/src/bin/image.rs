//! The image suite: total variation, denoising by K-SVD, and compressed sensing, one JSON line a result.
//!
//! `image SIZE REPEAT [PHOTO]` solves; `image dump SIZE FOLDER [PHOTO]` writes the data for the peers as raw doubles beside a
//! `problems.json` with the parameters and a certified lower bound of every optimum. K-SVD gets the photograph, or else the made
//! scene. Times are wall time; run it with `RAYON_NUM_THREADS=1` for one thread. Memory is the peak above what the process held
//! with the scene loaded, so what the allocator kept of an earlier problem counts too.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::path::Path;
use std::time::Instant;

use serde_json::json;
use sparse_modeling::image::denoise_ksvd::KsvdDenoise;
use sparse_modeling::image::metrics::psnr;
use sparse_modeling::image::mri::{Complex, KSpace, Mri, mask};
use sparse_modeling::image::tv::{Coupling, TvDenoise};
use sparse_modeling::image::{Gray, io};
use spm_linalg::testing::Rng;

const LAMBDA: f64 = 0.1;

/// Deviation of the noise that K-SVD removes.
const SIGMA: f64 = 25.0 / 255.0;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words[..] {
        ["dump", size, folder] => dump(side(size), Path::new(folder), None),
        ["dump", size, folder, photo] => dump(side(size), Path::new(folder), Some(photo)),
        [size, repeat] => solve(side(size), repeat.parse().unwrap(), None),
        [size, repeat, photo] => solve(side(size), repeat.parse().unwrap(), Some(photo)),
        _ => panic!("usage: image SIZE REPEAT [PHOTO], or image dump SIZE FOLDER [PHOTO]"),
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

/// Discs, a ramp and texture.
fn scene(side: usize) -> Gray<f64> {
    let mut rng = Rng::new(11);
    let discs: Vec<(f64, f64, f64, f64)> = (0..40)
        .map(|_| (rng.uniform(), rng.uniform(), 0.02 + 0.13 * rng.uniform::<f64>(), rng.uniform()))
        .collect();
    let pixel = |k: usize| {
        let (i, j) = ((k / side) as f64 / side as f64, (k % side) as f64 / side as f64);
        let mut v = 0.3 + 0.3 * i;
        for &(ci, cj, r, level) in &discs {
            if (i - ci).hypot(j - cj) < r {
                v = level;
            }
        }
        if j > 0.7 { v + 0.05 * (200.0 * i).sin() * (170.0 * j).cos() } else { v }
    };
    Gray::new(side, side, (0..side * side).map(pixel).collect()).unwrap()
}

fn noisy(clean: &Gray<f64>, sigma: f64) -> Gray<f64> {
    let mut rng = Rng::new(12);
    let data = clean.data().iter().map(|v| v + sigma * rng.normal::<f64>()).collect();
    Gray::new(clean.height(), clean.width(), data).unwrap()
}

fn photograph(side: usize, photo: Option<&str>) -> Gray<f64> {
    photo.map_or_else(|| scene(side), |path| io::read(path).unwrap().0.into_gray())
}

/// The modified phantom of Shepp and Logan: additive level, semi-axes, centre, angle in degrees.
const ELLIPSES: [(f64, f64, f64, f64, f64, f64); 10] = [
    (1.0, 0.69, 0.92, 0.0, 0.0, 0.0),
    (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18.0),
    (-0.2, 0.16, 0.41, -0.22, 0.0, 18.0),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0.0),
    (0.1, 0.046, 0.046, 0.0, 0.1, 0.0),
    (0.1, 0.046, 0.046, 0.0, -0.1, 0.0),
    (0.1, 0.046, 0.023, -0.08, -0.605, 0.0),
    (0.1, 0.023, 0.023, 0.0, -0.606, 0.0),
    (0.1, 0.023, 0.046, 0.06, -0.605, 0.0),
];

fn phantom(side: usize) -> Vec<Complex> {
    let at = |k: usize| 2.0 * k as f64 / (side - 1) as f64 - 1.0;
    let pixel = |k: usize| {
        let (y, x) = (-at(k / side), at(k % side));
        let inside = |&(level, a, b, cx, cy, angle): &(f64, f64, f64, f64, f64, f64)| {
            let (sin, cos) = f64::to_radians(angle).sin_cos();
            let (u, v) = ((x - cx) * cos + (y - cy) * sin, (y - cy) * cos - (x - cx) * sin);
            if (u / a).powi(2) + (v / b).powi(2) <= 1.0 { level } else { 0.0 }
        };
        Complex::new(ELLIPSES.iter().map(inside).sum(), 0.0)
    };
    (0..side * side).map(pixel).collect()
}

fn lines(side: usize) -> usize {
    (22 * side / 256).max(16)
}

fn kspace(side: usize) -> (Vec<Complex>, KSpace) {
    let image = phantom(side);
    let mask = mask::radial((side, side), lines(side)).unwrap();
    let kspace = KSpace::measure((side, side), mask, &image, vec![]).unwrap();
    (image, kspace)
}

fn couplings() -> [(&'static str, Coupling); 2] {
    [("tv-isotropic", Coupling::Isotropic), ("tv-anisotropic", Coupling::Anisotropic)]
}

fn relative_error(x: &[Complex], truth: &[Complex]) -> f64 {
    let wrong: f64 = x.iter().zip(truth).map(|(a, b)| (a - b).norm_sqr()).sum();
    (wrong / truth.iter().map(|v| v.norm_sqr()).sum::<f64>()).sqrt()
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
    /// The last result, the median of the times, the peak memory.
    fn time<R>(&self, mut f: impl FnMut() -> R) -> (R, f64, f64) {
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
        (last.unwrap(), times[times.len() / 2], memory("VmHWM") - self.held)
    }
}

fn solve(side: usize, repeat: usize, photo: Option<&str>) {
    let (clean, photo) = (scene(side), photograph(side, photo));
    let image = noisy(&clean, 0.1);
    let meter = Meter { repeat, held: memory("VmRSS") };
    solve_tv(&image, &meter);
    solve_ksvd(&photo, &meter);
    solve_mri(side.min(256), &meter);
}

fn solve_tv(image: &Gray<f64>, meter: &Meter) {
    let side = image.width();
    for (name, coupling) in couplings() {
        for tol in [1e-3, 1e-4, 1e-6] {
            let method = TvDenoise::new(LAMBDA).coupling(coupling).tol(tol);
            let (out, seconds, peak) = meter.time(|| method.denoise(image.view()).unwrap());
            let row = json!({ "problem": format!("{name}-{side}-to-{tol:e}"), "solver": "ours", "tol": tol,
                "iterations": out.iterations(), "seconds": seconds, "objective": out.certificate.primal,
                "gap": out.relative_gap(), "nnz": 0, "peak_mib": peak });
            println!("{row}");
        }
    }
}

/// In single precision, as the method's documentation advises. The objective is the PSNR.
fn solve_ksvd(clean: &Gray<f64>, meter: &Meter) {
    let single = |image: &Gray<f64>| {
        let data = image.data().iter().map(|&v| v as f32).collect();
        Gray::new(image.height(), image.width(), data).unwrap()
    };
    let (truth, image) = (single(clean), single(&noisy(clean, SIGMA)));
    for (solver, method) in [
        ("ours", KsvdDenoise::new()),
        ("ours-paper", KsvdDenoise::paper()),
        ("ours-unboosted", KsvdDenoise::new().rounds(0)),
    ] {
        let method = method.sigma(SIGMA as f32);
        let (out, seconds, peak) = meter.time(|| method.run(image.view()).unwrap());
        let row = json!({ "problem": format!("ksvd-{}-sigma-25", clean.width()), "solver": solver, "tol": 0.0,
            "iterations": method.max_iter, "seconds": seconds,
            "objective": psnr(out.image.view(), truth.view(), 1.0).unwrap(), "gap": 0.0, "nnz": 0, "peak_mib": peak });
        println!("{row}");
    }
}

/// The phantom is known: to a relative error, by the loosest tolerance that reaches it. The objective is that error.
fn solve_mri(side: usize, meter: &Meter) {
    let (truth, kspace) = kspace(side);
    let mut errors = vec![1e-8, 1e-6, 1e-3];
    for tol in [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9] {
        let method = Mri::new(0.0).real(true).tol(tol).max_iter(1500);
        let (out, seconds, peak) = meter.time(|| method.reconstruct(&kspace).unwrap());
        let found = relative_error(&out.image, &truth);
        while let Some(error) = errors.pop_if(|e| found <= *e) {
            let row = json!({ "problem": format!("mri-phantom-{side}-to-error-{error:e}"), "solver": "ours",
                "tol": error, "iterations": out.iterations(), "seconds": seconds, "objective": found, "gap": 0.0,
                "nnz": 0, "peak_mib": peak });
            println!("{row}");
        }
        if errors.is_empty() || !out.status().is_converged() {
            break;
        }
    }
}

fn dump(side: usize, folder: &Path, photo: Option<&str>) {
    let image = noisy(&scene(side), 0.1);
    let clean = photograph(side, photo);
    let write = |name: &str, v: &[f64]| {
        let bytes: Vec<u8> = v.iter().flat_map(|v| v.to_le_bytes()).collect();
        std::fs::write(folder.join(name), bytes).unwrap();
    };
    write("noisy.f64", image.data());
    write("photo.f64", clean.data());
    write("photo-noisy.f64", noisy(&clean, SIGMA).data());
    let mri = side.min(256);
    let (truth, kspace) = kspace(mri);
    write("phantom.f64", &truth.iter().map(|v| v.re).collect::<Vec<_>>());
    write("mask.f64", &kspace.mask().iter().map(|&m| f64::from(u8::from(m))).collect::<Vec<_>>());
    let bound = |coupling| {
        let out = TvDenoise::new(LAMBDA).coupling(coupling).tol(1e-7).max_iter(50_000).denoise(image.view());
        out.unwrap().certificate.dual
    };
    let bounds: Vec<f64> = couplings().map(|(_, c)| bound(c)).into();
    let problems = json!({ "side": side, "lambda": LAMBDA, "isotropic": bounds[0], "anisotropic": bounds[1],
        "mri": mri, "photo": [clean.height(), clean.width()], "sigma": SIGMA });
    std::fs::write(folder.join("problems.json"), problems.to_string()).unwrap();
}
