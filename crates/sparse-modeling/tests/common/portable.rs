//! Random problems that are the same bits in every language: integer hashing and single-rounded arithmetic only.

use std::collections::BTreeSet;

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// A counter-based stream of random numbers: entry `i` is a hash of the key and `i`.
#[derive(Debug, Clone, Copy)]
pub struct Stream {
    key: u64,
}

impl Stream {
    pub fn new(seed: u64, stream: u64) -> Self {
        let z = seed
            .wrapping_mul(GOLDEN)
            .wrapping_add(stream.wrapping_mul(0xD1B5_4A32_D192_ED03))
            .wrapping_add(0x632B_E59B_D9B4_E019);
        Self { key: scramble(z) }
    }

    pub fn bits(self, i: u64) -> u64 {
        scramble(self.key.wrapping_add(GOLDEN.wrapping_mul(i.wrapping_add(1))))
    }

    /// Uniform on `[0, 1)`.
    pub fn uniform(self, i: u64) -> f64 {
        (self.bits(i) >> 11) as f64 * (1.0 / 9_007_199_254_740_992.0)
    }

    /// Nearly Gaussian, mean 0 and variance 1: the sum of four 16-bit integers.
    pub fn normal(self, i: u64) -> f64 {
        let h = self.bits(i);
        let sum: u64 = (0..4).map(|k| (h >> (16 * k)) & 0xFFFF).sum();
        (sum as f64 - 131_070.0) * 2.642_899_792_130_301_4e-5
    }
}

fn scramble(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// A matrix in compressed columns; a dense one lists every entry.
#[derive(Debug, Clone)]
pub struct Matrix {
    pub n: usize,
    pub p: usize,
    pub indptr: Vec<usize>,
    pub indices: Vec<usize>,
    pub values: Vec<f64>,
}

/// Gaussian columns, each correlated `rho` with the one before; column `j` shifted by `offset·(1 + j mod 3)`.
pub fn dense(seed: u64, n: usize, p: usize, rho: f64, offset: f64) -> Matrix {
    let noise = Stream::new(seed, 0);
    let fresh = (1.0 - rho * rho).sqrt();
    let mut values = vec![0.0; n * p];
    for k in 0..n * p {
        let e = noise.normal(k as u64);
        values[k] = if rho == 0.0 || k < n { e } else { rho * values[k - n] + fresh * e };
    }
    if offset != 0.0 {
        for (k, v) in values.iter_mut().enumerate() {
            *v += offset * (1.0 + ((k / n) % 3) as f64);
        }
    }
    Matrix {
        n,
        p,
        indptr: (0..=p).map(|j| j * n).collect(),
        indices: (0..n * p).map(|k| k % n).collect(),
        values,
    }
}

/// Columns with heavy-tailed numbers of entries, about `a / (u + b)` for uniform `u`.
pub fn sparse(seed: u64, n: usize, p: usize, a: f64, b: f64) -> Matrix {
    let (counts, rows, sizes) = (Stream::new(seed, 4), Stream::new(seed, 5), Stream::new(seed, 6));
    let mut out = Matrix { n, p, indptr: vec![0], indices: vec![], values: vec![] };
    let mut drawn = 0_u64;
    for j in 0..p {
        let m = ((a / (counts.uniform(j as u64) + b)).floor() as usize).clamp(1, n / 2) as u64;
        let kept: BTreeSet<usize> = (0..m).map(|k| (rows.bits(drawn + k) % n as u64) as usize).collect();
        for (k, row) in kept.into_iter().enumerate() {
            out.indices.push(row);
            let level = 1.0 + (sizes.bits(drawn + k as u64) % 16) as f64;
            out.values.push(level / 16.0 / (m as f64).sqrt());
        }
        drawn += m;
        out.indptr.push(out.indices.len());
    }
    out
}

/// `k` true coefficients: their features, increasing, and values of the named kind.
pub fn coefficients(seed: u64, p: usize, k: usize, kind: &str) -> (Vec<usize>, Vec<f64>) {
    let (places, draws) = (Stream::new(seed, 1), Stream::new(seed, 2));
    let mut features = BTreeSet::new();
    let mut i = 0;
    while features.len() < k {
        features.insert((places.bits(i) % p as u64) as usize);
        i += 1;
    }
    let value = |i: usize| match kind {
        "normal" => draws.normal(i as u64),
        "sign" => f64::from(draws.bits(i as u64) & 1 == 1).mul_add(2.0, -1.0),
        "ramp" => (1.0 - 2.0 * (i % 2) as f64) * (1.0 + (i % 5) as f64) / 2.0,
        _ => panic!("unknown kind of coefficients: {kind}"),
    };
    (features.into_iter().collect(), (0..k).map(value).collect())
}

/// `y = intercept + X coef + sigma·noise`.
pub fn response(
    x: &Matrix,
    features: &[usize],
    coef: &[f64],
    seed: u64,
    sigma: f64,
    intercept: f64,
) -> Vec<f64> {
    let mut y = vec![intercept; x.n];
    for (&j, &w) in features.iter().zip(coef) {
        for k in x.indptr[j]..x.indptr[j + 1] {
            y[x.indices[k]] += w * x.values[k];
        }
    }
    let noise = Stream::new(seed, 3);
    for (i, v) in y.iter_mut().enumerate() {
        *v += sigma * noise.normal(i as u64);
    }
    y
}

/// The wrapping sum of all bit patterns, as 16 hexadecimal digits.
pub fn checksum(parts: &[&[f64]]) -> String {
    let sum = parts.iter().flat_map(|part| part.iter()).fold(0_u64, |s, v| s.wrapping_add(v.to_bits()));
    format!("{sum:016x}")
}
