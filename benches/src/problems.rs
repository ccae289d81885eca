//! The problems, each fixed by its name and size.

use spm_linalg::testing::Rng;

/// How large.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Size {
    /// A fraction of a second in total: golden results and smoke runs.
    Tiny,
    /// Seconds.
    Small,
    /// A minute.
    Medium,
}

impl Size {
    /// Parses `tiny`, `small` or `medium`.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "tiny" => Some(Self::Tiny),
            "small" => Some(Self::Small),
            "medium" => Some(Self::Medium),
            _ => None,
        }
    }

    /// One of three values by size.
    #[must_use]
    pub fn pick(self, tiny: usize, small: usize, medium: usize) -> usize {
        match self {
            Self::Tiny => tiny,
            Self::Small => small,
            Self::Medium => medium,
        }
    }
}

/// A regression problem, `x` column-major `n × p`.
#[derive(Debug, Clone)]
pub struct Regression {
    /// What it is called in results.
    pub name: String,
    /// Observations.
    pub n: usize,
    /// Features.
    pub p: usize,
    /// Column-major.
    pub x: Vec<f64>,
    /// Response.
    pub y: Vec<f64>,
}

/// The regression problems of a size: independent wide, correlated, tall.
#[must_use]
pub fn regressions(size: Size) -> Vec<Regression> {
    vec![
        regression("talk", size.pick(40, 100, 100), size.pick(100, 1000, 1000), 0.0, 20),
        regression("toeplitz0.9", size.pick(50, 200, 1000), size.pick(120, 1000, 5000), 0.9, 40),
        regression("tall", size.pick(300, 2000, 20_000), size.pick(20, 100, 500), 0.3, 10),
    ]
}

/// Standard normal features with correlation `rho^|i-j|`, `k` coefficients of size 1, noise of a tenth of the signal.
fn regression(kind: &str, n: usize, p: usize, rho: f64, k: usize) -> Regression {
    let mut rng = Rng::new(0x5eed + p as u64);
    let mut x: Vec<f64> = rng.normals(n * p);
    let fresh = (1.0 - rho * rho).sqrt();
    for j in 1..p {
        for i in 0..n {
            x[j * n + i] = rho * x[(j - 1) * n + i] + fresh * x[j * n + i];
        }
    }
    let mut y = vec![0.0; n];
    for s in 0..k {
        let j = s * p / k;
        let sign = if s % 2 == 0 { 1.0 } else { -1.0 };
        (0..n).for_each(|i| y[i] += sign * x[j * n + i]);
    }
    let spread = (y.iter().map(|v| v * v).sum::<f64>() / n as f64).sqrt();
    y.iter_mut().for_each(|v| *v += 0.1 * spread * rng.normal::<f64>() + 2.0);
    Regression { name: format!("lasso-{kind}/n={n},p={p}"), n, p, x, y }
}

/// A piecewise constant signal with noise.
#[must_use]
pub fn steps(n: usize) -> Vec<f64> {
    let mut rng = Rng::new(n as u64);
    (0..n).map(|i| ((i * 10 / n) * 7 % 5) as f64 + 0.5 * rng.normal::<f64>()).collect()
}

/// A random walk.
#[must_use]
pub fn walk(n: usize) -> Vec<f64> {
    let mut rng = Rng::new(n as u64 + 1);
    let mut at = 0.0;
    (0..n)
        .map(|_| {
            at += rng.normal::<f64>();
            at
        })
        .collect()
}

/// A smooth signal with noise.
#[must_use]
pub fn wave(n: usize) -> Vec<f64> {
    let mut rng = Rng::new(n as u64 + 2);
    (0..n).map(|i| (12.0 * i as f64 / n as f64).sin() * 3.0 + 0.3 * rng.normal::<f64>()).collect()
}

/// A noisy picture of a disc on a ramp, `side × side`, row-major, values about `[0, 1]`.
#[must_use]
pub fn disc(side: usize) -> Vec<f64> {
    let mut rng = Rng::new(side as u64 + 3);
    let half = side as f64 / 2.0;
    (0..side * side)
        .map(|k| {
            let (i, j) = ((k / side) as f64 - half, (k % side) as f64 - half);
            let clean = if i * i + j * j < 0.3 * half * half { 0.8 } else { 0.3 + 0.1 * j / half };
            clean + 0.1 * rng.normal::<f64>()
        })
        .collect()
}
