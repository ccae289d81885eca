//! Compressed sensing.

use serde_json::{Value, json};
use sparse_modeling::image::mri::{Complex, Mri};
use sparse_modeling::image::wavelet::Wavelet;

use crate::scenes::{head_kspace, kspace};
use crate::{Meter, row};

/// Weight of the total variation for the head.
const LAMBDA: f64 = 0.005;

/// Relative gaps for the head.
const TOLERANCES: [f64; 4] = [0.1, 0.03, 0.01, 0.003];

const PATTERNS: [(&str, bool); 2] = [("cartesian", true), ("random", false)];

fn relative_error(x: &[Complex], truth: &[Complex]) -> f64 {
    let wrong: f64 = x.iter().zip(truth).map(|(a, b)| (a - b).norm_sqr()).sum();
    (wrong / truth.iter().map(|v| v.norm_sqr()).sum::<f64>()).sqrt()
}

/// Against the largest absolute value.
fn psnr(x: &[Complex], truth: &[Complex]) -> f64 {
    let peak = truth.iter().map(|v| v.norm()).fold(0.0, f64::max);
    let wrong: f64 = x.iter().zip(truth).map(|(a, b)| (a.norm() - b.norm()).powi(2)).sum();
    10.0 * (peak * peak * truth.len() as f64 / wrong).log10()
}

pub(crate) fn solve(side: usize, meter: &Meter) {
    phantom(side, meter);
    for (name, rows) in PATTERNS {
        let (truth, kspace) = head_kspace(side, rows);
        let problem = format!("mri-head-{side}-{name}");
        let filled = psnr(&kspace.zero_filled(), &truth);
        row(problem.clone(), "zero-filled", 0.0, 0, (0.0, 0.0), filled, 0.0);
        let tv = Mri::new(LAMBDA).real(true);
        let both = Mri::new(0.5 * LAMBDA).wavelet(Wavelet::Db4, 0.5 * LAMBDA).real(true);
        for (solver, method) in [("ours", tv), ("ours-wavelet", both)] {
            let runs = TOLERANCES.map(|tol| {
                let (out, time) = meter.time(|| method.tol(tol).reconstruct(&kspace).unwrap());
                (psnr(&out.image, &truth), tol, time, out)
            });
            // As the peer: the loosest tolerance within a twentieth of a decibel of the best.
            let best = runs.iter().map(|r| r.0).fold(f64::NEG_INFINITY, f64::max);
            if let Some((quality, tol, time, out)) = runs.iter().find(|r| r.0 >= best - 0.05) {
                let gap = out.relative_gap();
                row(problem.clone(), solver, *tol, out.iterations(), *time, *quality, gap);
            }
        }
    }
}

/// The phantom is known: to a relative error, by the loosest tolerance that reaches it. The objective is that error.
fn phantom(side: usize, meter: &Meter) {
    let (truth, kspace) = kspace(side);
    let mut errors = vec![1e-8, 1e-6, 1e-3];
    for tol in [1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7, 1e-8, 1e-9] {
        let method = Mri::new(0.0).real(true).tol(tol).max_iter(1500);
        let (out, time) = meter.time(|| method.reconstruct(&kspace).unwrap());
        let found = relative_error(&out.image, &truth);
        while let Some(error) = errors.pop_if(|e| found <= *e) {
            let problem = format!("mri-phantom-{side}-to-error-{error:e}");
            row(problem, "ours", error, out.iterations(), time, found, 0.0);
        }
        if errors.is_empty() || !out.status().is_converged() {
            break;
        }
    }
}

pub(crate) fn dump(side: usize, write: &dyn Fn(&str, &[f64]), problems: &mut Value) {
    let real = |v: &[Complex]| v.iter().map(|v| v.re).collect::<Vec<_>>();
    let imaginary = |v: &[Complex]| v.iter().map(|v| v.im).collect::<Vec<_>>();
    let (truth, radial) = kspace(side);
    let mask = |m: &[bool]| m.iter().map(|&m| f64::from(u8::from(m))).collect::<Vec<_>>();
    write("phantom", &real(&truth));
    write("mask", &mask(radial.mask()));
    for (name, rows) in PATTERNS {
        let (truth, kspace) = head_kspace(side, rows);
        write("head", &real(&truth));
        write(&format!("{name}-mask"), &mask(kspace.mask()));
        write(&format!("{name}-re"), &real(kspace.values()));
        write(&format!("{name}-im"), &imaginary(kspace.values()));
    }
    problems["mri"] = json!(side);
    problems["mri_lambda"] = json!(LAMBDA);
}
