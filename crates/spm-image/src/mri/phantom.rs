//! The phantom of Shepp and Logan: a head made of ellipses.

use spm_linalg::check;

use super::Complex;
use crate::ImageError;

/// Level added inside, semi-axes along the columns and rows, centre, angle in degrees; in the square `[-1, 1]²`, rows upwards.
type Ellipse = (f64, f64, f64, f64, f64, f64);

/// The modified phantom: the ellipses of Shepp and Logan (1974) with levels that can be seen (Toft 1996, table B.3).
const ELLIPSES: [Ellipse; 10] = [
    (1.0, 0.69, 0.92, 0.0, 0.0, 0.0),
    (-0.8, 0.6624, 0.874, 0.0, -0.0184, 0.0),
    (-0.2, 0.11, 0.31, 0.22, 0.0, -18.0),
    (-0.2, 0.16, 0.41, -0.22, 0.0, 18.0),
    (0.1, 0.21, 0.25, 0.0, 0.35, 0.0),
    (0.1, 0.046, 0.046, 0.0, 0.1, 0.0),
    (0.1, 0.046, 0.046, 0.0, -0.1, 0.0),
    (0.1, 0.046, 0.023, -0.08, -0.605, 0.0),
    (0.1, 0.023, 0.023, 0.0, -0.606, 0.0),
    (0.1, 0.023, 0.046, 0.06, -0.605, 0.0),
];

/// The modified Shepp–Logan phantom of `side × side` pixels, row by row: real, piecewise constant, levels 0 to 1.
///
/// The first and last pixels of a row are at −1 and 1; a pixel has the level of its centre.
///
/// # Errors
/// [`spm_linalg::LinalgError::Empty`] if `side` is 0.
///
/// ```
/// let head = spm_image::mri::phantom(64)?;
/// assert_eq!(head.len(), 64 * 64);
/// let outside = head[0].re;
/// let bone = head[4 * 64 + 32].re; // fifth row, in the middle
/// assert_eq!((outside, bone), (0.0, 1.0));
/// # Ok::<(), spm_image::ImageError>(())
/// ```
pub fn phantom(side: usize) -> Result<Vec<Complex>, ImageError> {
    check::non_empty("side of the phantom", side)?;
    let at = |k: usize| if side == 1 { 0.0 } else { 2.0 * k as f64 / (side - 1) as f64 - 1.0 };
    let pixel = |k: usize| {
        let (y, x) = (-at(k / side), at(k % side));
        let inside = |&(level, a, b, cx, cy, angle): &Ellipse| {
            let (sin, cos) = angle.to_radians().sin_cos();
            let (u, v) = ((x - cx) * cos + (y - cy) * sin, (y - cy) * cos - (x - cx) * sin);
            if (u / a).powi(2) + (v / b).powi(2) <= 1.0 { level } else { 0.0 }
        };
        Complex::new(ELLIPSES.iter().map(inside).sum(), 0.0)
    };
    Ok((0..side * side).map(pixel).collect())
}
