//! The demo's data: what is embedded, and what is drawn from the seed.

use rand::seq::index::sample;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;

/// "Camera", 512 × 512, grey (CC0).
pub(super) const PHOTOGRAPH: &[u8] = include_bytes!("../../../data/camera.png");
const DIABETES: &str = include_str!("../../../data/diabetes.csv");
const NILE: &str = include_str!("../../../data/nile.csv");

/// A table with named columns, stored column by column.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) names: Vec<&'static str>,
    pub(super) columns: Vec<Vec<f64>>,
}

/// The diabetes study: ten baseline variables and the disease's progression.
pub(super) fn diabetes() -> Table {
    table(DIABETES)
}

/// The Nile at Aswan: year and flow.
pub(super) fn nile() -> Table {
    table(NILE)
}

fn table(text: &'static str) -> Table {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or_default().split(',').collect();
    let mut columns = vec![Vec::new(); names.len()];
    for line in lines {
        for (column, cell) in columns.iter_mut().zip(line.split(',')) {
            column.push(cell.parse().expect("embedded data are numbers"));
        }
    }
    Table { names, columns }
}

/// A sparse linear model: `y = X w + noise`.
#[derive(Debug)]
pub(super) struct Regression {
    pub(super) n: usize,
    pub(super) p: usize,
    /// Column-major.
    pub(super) x: Vec<f64>,
    pub(super) y: Vec<f64>,
    pub(super) truth: Vec<f64>,
}

/// `n` samples of `p` standard normal features, `k` of them with coefficients of size 1 to 3 and random sign.
pub(super) fn regression(n: usize, p: usize, k: usize, noise: f64, seed: u64) -> Regression {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let x: Vec<f64> = normals(&mut rng, n * p);
    let mut truth = vec![0.0; p];
    for j in sample(&mut rng, p, k) {
        let sign = if rng.random::<bool>() { 1.0 } else { -1.0 };
        truth[j] = sign * (1.0 + 2.0 * rng.random::<f64>());
    }
    let mut y = normals(&mut rng, n);
    y.iter_mut().for_each(|v| *v *= noise);
    for (j, &w) in truth.iter().enumerate().filter(|(_, w)| **w != 0.0) {
        for (v, x) in y.iter_mut().zip(&x[j * n..(j + 1) * n]) {
            *v += w * x;
        }
    }
    Regression { n, p, x, y, truth }
}

/// `n` standard normals.
pub(super) fn noise(n: usize, seed: u64) -> Vec<f64> {
    normals(&mut ChaCha8Rng::seed_from_u64(seed), n)
}

/// `n` values equally likely between 0 and 1.
pub(super) fn uniform(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| rng.random()).collect()
}

fn normals(rng: &mut ChaCha8Rng, n: usize) -> Vec<f64> {
    (0..n).map(|_| rng.sample(StandardNormal)).collect()
}

/// A piecewise constant signal of `n` points.
pub(super) fn steps(n: usize) -> Vec<f64> {
    let levels = [0.0, 2.0, 2.0, -1.0, 0.5, 3.0, 3.0, 1.0];
    (0..n).map(|i| levels[i * levels.len() / n]).collect()
}

/// A piecewise linear signal of `n` points.
pub(super) fn ramps(n: usize) -> Vec<f64> {
    let corners = [(0.0, 0.0), (0.2, 3.0), (0.45, -1.0), (0.6, -1.0), (0.8, 2.5), (1.0, 0.5)];
    (0..n)
        .map(|i| {
            let t = i as f64 / (n - 1) as f64;
            let k = corners.windows(2).position(|c| t <= c[1].0).unwrap_or(corners.len() - 2);
            let ((a, u), (b, v)) = (corners[k], corners[k + 1]);
            u + (v - u) * (t - a) / (b - a)
        })
        .collect()
}

/// A sine of two and a half periods.
pub(super) fn sine(n: usize) -> Vec<f64> {
    (0..n).map(|i| (5.0 * std::f64::consts::PI * i as f64 / (n - 1) as f64).sin()).collect()
}
