//! Images: total variation, patches, similarity.
#![allow(missing_docs, clippy::unwrap_used)]

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use sparse_modeling::image::metrics::Ssim;
use sparse_modeling::image::tv::{Coupling, TvDenoise};
use sparse_modeling::image::{Gray, PatchAverage, PatchGrid};
use spm_linalg::testing::Rng;

/// Disks on a ramp, with noise of standard deviation 0.1.
fn picture(side: usize) -> (Gray<f64>, Gray<f64>) {
    let mut rng = Rng::new(side as u64);
    let clean: Vec<f64> = (0..side * side)
        .map(|k| {
            let (i, j) = ((k / side) as f64 / side as f64, (k % side) as f64 / side as f64);
            let disk = |y: f64, x: f64, r: f64| f64::from((i - y).hypot(j - x) < r);
            0.2 + 0.3 * j + 0.4 * disk(0.3, 0.4, 0.2) - 0.2 * disk(0.7, 0.6, 0.25)
        })
        .collect();
    let noisy = clean.iter().map(|v| v + 0.1 * rng.normal::<f64>()).collect();
    (Gray::new(side, side, clean).unwrap(), Gray::new(side, side, noisy).unwrap())
}

fn total_variation(c: &mut Criterion) {
    let mut group = c.benchmark_group("tv_denoise");
    group.sample_size(10);
    let (_, noisy) = picture(512);
    for coupling in [Coupling::Isotropic, Coupling::Anisotropic] {
        for tol in [1e-3, 1e-4] {
            let id = BenchmarkId::new(format!("{coupling:?}/n=512"), tol);
            let options = TvDenoise::new(0.1).coupling(coupling).tol(tol);
            group.bench_function(id, |b| b.iter(|| options.denoise(noisy.view()).unwrap()));
        }
    }
    group.finish();
}

fn patches(c: &mut Criterion) {
    let (clean, _) = picture(256);
    let grid = PatchGrid::<1>::overlapping(clean.size(), (8, 8)).unwrap();
    let mut columns = vec![0.0; grid.dim() * grid.len()];
    c.bench_function("patches/extract/n=256", |b| {
        b.iter(|| grid.extract_into(clean.view(), 0..grid.len(), &mut columns).unwrap());
    });
    c.bench_function("patches/average/n=256", |b| {
        b.iter(|| {
            let mut average = PatchAverage::new(grid);
            average.add(0..grid.len(), &columns);
            average.finish()
        });
    });
}

fn similarity(c: &mut Criterion) {
    let (clean, noisy) = picture(512);
    for (name, ssim) in [("uniform7", Ssim::uniform(1.0)), ("gaussian11", Ssim::gaussian(1.0))] {
        c.bench_function(&format!("ssim/{name}/n=512"), |b| {
            b.iter(|| ssim.mean(clean.view(), noisy.view()).unwrap());
        });
    }
}

criterion_group!(benches, total_variation, patches, similarity);
criterion_main!(benches);
