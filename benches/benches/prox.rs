//! Proximal operators. Ids carry the size; one element is one entry of the vector.
#![allow(clippy::unwrap_used, missing_docs)]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use spm_linalg::penalty::{GroupL2, L1, L2, L21, Linf, Mcp, Nuclear, Slope, Tv1d};
use spm_linalg::set::{Cardinality, L1Ball, Simplex};
use spm_linalg::testing::Rng;
use spm_linalg::{Prox, Workspace};

fn time(c: &mut Criterion, id: &str, g: &dyn Prox<f64>, n: usize) {
    let x: Vec<f64> = Rng::new(1).normals(n);
    let mut out = vec![0.0; n];
    let mut ws = Workspace::new(g.scratch(n).or(g.scratch_conj(n)));
    let mut group = c.benchmark_group("prox");
    group.throughput(Throughput::Elements(n as u64)).sample_size(20);
    group.bench_function(format!("{id}/n={n}"), |b| b.iter(|| g.prox_into(&x, 0.7, &mut out, ws.stack())));
    group.bench_function(format!("{id}_conj/n={n}"), |b| {
        b.iter(|| g.prox_conj_into(&x, 0.7, &mut out, ws.stack()));
    });
}

fn prox(c: &mut Criterion) {
    for n in [1_000, 100_000] {
        let falling: Vec<f64> = (0..n).map(|i| 1.0 - i as f64 / n as f64).collect();
        time(c, "l1", &L1::new(0.5).unwrap(), n);
        time(c, "l2", &L2::new(0.5).unwrap(), n);
        time(c, "mcp", &Mcp::new(0.5, 3.0).unwrap(), n);
        time(c, "group_l2_size_10", &GroupL2::sqrt_sizes(0.5, &vec![10; n / 10]).unwrap(), n);
        time(c, "l21_2_components", &L21::new(0.5, n / 2, 2).unwrap(), n);
        time(c, "linf", &Linf::new(5.0).unwrap(), n);
        time(c, "l1_ball", &L1Ball::new(n as f64 / 10.0).unwrap(), n);
        time(c, "simplex", &Simplex::new(1.0).unwrap(), n);
        time(c, "slope", &Slope::new(falling).unwrap(), n);
        time(c, "cardinality_tenth", &Cardinality::new(n / 10), n);
        time(c, "tv1d", &Tv1d::new(1.0).unwrap(), n);
    }
    time(c, "nuclear_64x32", &Nuclear::new(5.0, 64, 32).unwrap(), 64 * 32);
}

criterion_group!(benches, prox);
criterion_main!(benches);
