//! SplitMix64 (Steele, Lea and Flood 2014): small, deterministic, and good enough for start vectors and tests.

/// The next 64 random bits.
pub(crate) fn next_u64(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Uniform on `[0, 1)`.
pub(crate) fn uniform(state: &mut u64) -> f64 {
    (next_u64(state) >> 11) as f64 / (1_u64 << 53) as f64
}

/// Standard normal (Box-Muller).
pub(crate) fn normal(state: &mut u64) -> f64 {
    let u = 1.0 - uniform(state);
    let v = uniform(state);
    (-2.0 * u.ln()).sqrt() * (core::f64::consts::TAU * v).cos()
}
