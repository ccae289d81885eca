//! Exact total variation and trend filtering. Ids carry the size; one element is one value of the series.
#![allow(clippy::unwrap_used, missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sparse_modeling::timeseries::{Series, TrendFilter, trend_lambda_max};
use spm_linalg::Workspace;
use spm_linalg::penalty::{tv1d_into, tv1d_scratch};
use spm_linalg::testing::Rng;

fn total_variation(c: &mut Criterion) {
    let n = 1_000_000;
    let noise: Vec<f64> = Rng::new(1).normals(n);
    let steps: Vec<f64> = (0..n).map(|i| ((i / 1000 * 7919) % 13) as f64 * 0.5 + 0.5 * noise[i]).collect();
    let mut walk = noise;
    for i in 1..n {
        walk[i] += walk[i - 1];
    }
    let ramp: Vec<f64> = (0..n).map(|i| i as f64).collect();
    let mut x = vec![0.0; n];
    let mut ws = Workspace::new(tv1d_scratch::<f64>(n));
    let mut group = c.benchmark_group("tv1d");
    group.throughput(Throughput::Elements(n as u64)).sample_size(10);
    for (id, y, lambda) in
        [("steps", &steps, 0.5), ("steps", &steps, 20.0), ("walk", &walk, 100.0), ("ramp", &ramp, 1000.0)]
    {
        group.bench_function(format!("{id}/lambda={lambda}/n={n}"), |b| {
            b.iter(|| tv1d_into(y, None, lambda, None, &mut x, ws.stack()));
        });
    }
}

fn trend(c: &mut Criterion) {
    let mut group = c.benchmark_group("trend");
    group.sample_size(10);
    for n in [1_000, 10_000] {
        let noise: Vec<f64> = Rng::new(1).normals(n);
        let signal = |i: usize| {
            let s = i as f64 / n as f64;
            (12.0 * s).sin() + 3.0 * (s - 0.4).abs() + 0.2 * noise[i]
        };
        let y: Vec<f64> = (0..n).map(signal).collect();
        group.throughput(Throughput::Elements(n as u64));
        for k in 1..=3 {
            let lambda = 1e-3 * trend_lambda_max(Series::new(&y), k).unwrap();
            let model = TrendFilter::new(k, lambda);
            group.bench_function(format!("k={k}/n={n}"), |b| b.iter(|| model.fit(Series::new(&y)).unwrap()));
        }
    }
}

criterion_group!(benches, total_variation, trend);
criterion_main!(benches);
