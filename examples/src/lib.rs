//! What several examples need.

use sparse_modeling::image::{Gray, ImageError};
use sparse_modeling::linalg::Scalar;

/// Images of one height side by side, with a white line between them.
///
/// # Errors
/// If there are none or the heights differ.
pub fn beside<T: Scalar>(images: &[&Gray<T>]) -> Result<Gray<T>, ImageError> {
    let height = images.first().map_or(0, |i| i.height());
    let mut data = Vec::new();
    for i in 0..height {
        for (k, image) in images.iter().enumerate() {
            if k > 0 {
                data.extend([T::one(); 4]);
            }
            data.extend(image.data().chunks_exact(image.width()).nth(i).unwrap_or_default());
        }
    }
    Gray::new(height, data.len() / height.max(1), data)
}

/// `n` standard normal numbers, the same every time (a linear congruential generator; Box and Muller 1958).
#[must_use]
pub fn normals(n: usize) -> Vec<f64> {
    let mut state = 1_u64;
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    };
    (0..n).map(|_| (-2.0 * uniform().ln()).sqrt() * (core::f64::consts::TAU * uniform()).cos()).collect()
}
