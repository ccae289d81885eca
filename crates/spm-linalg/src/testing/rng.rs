//! Random numbers for tests.

use crate::{Scalar, rng};

/// A deterministic generator for tests (SplitMix64; Steele, Lea and Flood 2014). Not for
/// statistics.
///
/// ```
/// let mut rng = spm_linalg::testing::Rng::new(7);
/// let x: Vec<f64> = rng.normals(4);
/// assert_eq!(x, spm_linalg::testing::Rng::new(7).normals::<f64>(4));
/// ```
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A generator whose sequence is fixed by `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        rng::next_u64(&mut self.0)
    }

    /// Uniform on `[0, 1)`.
    pub fn uniform<T: Scalar>(&mut self) -> T {
        T::of(rng::uniform(&mut self.0))
    }

    /// Uniform on `0..n`.
    ///
    /// # Panics
    /// If `n == 0`.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "below: n must be > 0");
        (self.next_u64() % n as u64) as usize
    }

    /// Standard normal (Box-Muller).
    pub fn normal<T: Scalar>(&mut self) -> T {
        T::of(rng::normal(&mut self.0))
    }

    /// `n` standard normals.
    pub fn normals<T: Scalar>(&mut self, n: usize) -> Vec<T> {
        (0..n).map(|_| self.normal()).collect()
    }
}
