//! Total variation: denoising in grey, colour and space, deblurring.

use serde_json::{Value, json};
use sparse_modeling::image::Gray;
use sparse_modeling::image::tv::{Coupling, Samples, Tgv, TvDeblur, TvDenoise, TvRestore};

use crate::scenes::{colours, noisy, scene, volume};
use crate::{Meter, row};

const LAMBDA: f64 = 0.1;

fn couplings() -> [(&'static str, Coupling); 2] {
    [("isotropic", Coupling::Isotropic), ("anisotropic", Coupling::Anisotropic)]
}

fn cube(side: usize) -> usize {
    side / 8
}

fn space(v: &[f64], side: usize) -> Samples<'_, f64> {
    const SIDES: [[usize; 3]; 3] = [[8; 3], [32; 3], [64; 3]];
    let shape = SIDES.iter().find(|s| s[0] == cube(side)).unwrap();
    Samples { shape, values: v, weights: None, edges: None }
}

/// A Gaussian of deviation 2 on 13 × 13 pixels.
fn kernel() -> Gray<f64> {
    let bell = |k: usize| (-((k as f64 - 6.0) / 2.0).powi(2) / 2.0).exp();
    let all: Vec<f64> = (0..169).map(|k| bell(k / 13) * bell(k % 13)).collect();
    let sum: f64 = all.iter().sum();
    Gray::new(13, 13, all.iter().map(|v| v / sum).collect()).unwrap()
}

/// Circular convolution, and noise of deviation 0.01.
fn blurred(clean: &Gray<f64>) -> Gray<f64> {
    let ((h, w), kernel) = (clean.size(), kernel());
    let at = |k: usize| {
        let (i, j) = (k / w, k % w);
        let from = |a: usize, b: usize| clean.get(0, (i + h + 6 - a) % h, (j + w + 6 - b) % w);
        (0..169).map(|m| kernel.data()[m] * from(m / 13, m % 13)).sum()
    };
    noisy(&Gray::new(h, w, (0..h * w).map(at).collect()).unwrap(), 0.01)
}

pub(crate) fn solve(side: usize, meter: &Meter) {
    let image = noisy(&scene(side), 0.1);
    for (name, coupling) in couplings() {
        for tol in [1e-3, 1e-4, 1e-6, 1e-8] {
            let method = TvDenoise::new(LAMBDA).coupling(coupling).tol(tol);
            let (out, time) = meter.time(|| method.denoise(image.view()).unwrap());
            let problem = format!("tv-{name}-{side}-to-{tol:e}");
            row(problem, "ours", tol, out.iterations(), time, out.certificate.primal, out.relative_gap());
        }
    }
    let colour = colours(side.min(256));
    for tol in [1e-3, 1e-4, 1e-6] {
        let method = TvDenoise::new(LAMBDA).coupling(Coupling::Vectorial).tol(tol);
        let (out, time) = meter.time(|| method.denoise(colour.view()).unwrap());
        let problem = format!("tv-colour-{}-to-{tol:e}", colour.width());
        row(problem, "ours", tol, out.iterations(), time, out.certificate.primal, out.relative_gap());
    }
    let volume = volume(cube(side));
    for tol in [1e-3, 1e-4] {
        let method = TvRestore::new(LAMBDA).tol(tol);
        let (out, time) = meter.time(|| method.restore(space(&volume, side)).unwrap());
        let relative = out.certificate.relative_gap(out.certificate.primal);
        let problem = format!("tv-space-{}-to-{tol:e}", cube(side));
        row(problem, "ours", tol, out.report.last.iter, time, out.certificate.primal, relative);
    }
    let blurred = blurred(&scene(side.min(256)));
    for tol in [1e-3, 1e-4, 1e-6] {
        let (out, time) = meter.time(|| {
            TvDeblur::new(0.001).tol(tol).max_iter(20_000).deblur(blurred.view(), kernel().view()).unwrap()
        });
        let problem = format!("deblur-{}-to-{tol:e}", blurred.width());
        row(problem, "ours", tol, out.iterations(), time, out.certificate.primal, out.relative_gap());
    }
    for tol in [1e-2, 1e-3] {
        let (out, time) = meter.time(|| Tgv::new(LAMBDA).tol(tol).denoise(image.view()).unwrap());
        let problem = format!("tgv-{side}-to-{tol:e}");
        row(problem, "ours", tol, out.iterations(), time, out.certificate.primal, out.relative_gap());
    }
}

pub(crate) fn dump(side: usize, write: &dyn Fn(&str, &[f64]), problems: &mut Value) {
    let image = noisy(&scene(side), 0.1);
    write("noisy", image.data());
    problems["lambda"] = json!(LAMBDA);
    for (name, coupling) in couplings() {
        let out = TvDenoise::new(LAMBDA).coupling(coupling).tol(1e-8).max_iter(50_000).denoise(image.view());
        problems[name] = json!(out.unwrap().certificate.dual);
    }
    let volume = volume(cube(side));
    let out = TvRestore::new(LAMBDA).tol(1e-6).max_iter(50_000).restore(space(&volume, side)).unwrap();
    write("volume", &volume);
    problems["cube"] = json!(cube(side));
    problems["space"] = json!(out.certificate.dual);
}
