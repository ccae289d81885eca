//! Sampling patterns: which Fourier coefficients are measured. Frequency 0 is the first entry.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use spm_linalg::{LinalgError, check};

use super::ifft_shift;
use crate::ImageError;

/// `lines` straight lines through the centre, at equal angles, one pixel wide, the first along the rows.
///
/// # Errors
/// [`LinalgError::Empty`] if a side or `lines` is 0.
///
/// ```
/// use spm_image::mri::mask;
/// let m = mask::radial((256, 256), 22)?;
/// assert!(m[0], "frequency 0 is measured");
/// let share = m.iter().filter(|&&v| v).count() as f64 / m.len() as f64;
/// assert!(share > 0.07 && share < 0.09);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
pub fn radial(size: (usize, usize), lines: usize) -> Result<Vec<bool>, ImageError> {
    checked(size)?;
    check::non_empty("radial lines", lines)?;
    let (h, w) = size;
    let (ci, cj) = ((h / 2) as f64, (w / 2) as f64);
    let mut mask = vec![false; h * w];
    // One step a pixel of the longer side: no gaps, and no second pixel beside the first.
    let radius = h.max(w).div_ceil(2);
    for line in 0..lines {
        let (sin, cos) = (std::f64::consts::PI * line as f64 / lines as f64).sin_cos();
        // Stretched to the shape of the image, so that every line reaches the border.
        let long = cos.abs().max(sin.abs());
        for t in -(radius as i64)..=radius as i64 {
            let t = t as f64 / radius as f64 / long;
            let (i, j) = ((ci + t * sin * h as f64 / 2.0).round(), (cj + t * cos * w as f64 / 2.0).round());
            if i >= 0.0 && j >= 0.0 && i < h as f64 && j < w as f64 {
                mask[i as usize * w + j as usize] = true;
            }
        }
    }
    Ok(ifft_shift(&mask, size))
}

/// Whole rows: one in `acceleration`, those of the lowest frequencies always (`centre` of all rows, rounded), the others at random, more
/// likely the lower their frequency.
///
/// # Errors
/// [`LinalgError::Empty`]; [`LinalgError::InvalidParam`] unless `acceleration >= 1` and `centre` is in `[0, 1]`.
pub fn cartesian(
    size: (usize, usize),
    acceleration: f64,
    centre: f64,
    seed: u64,
) -> Result<Vec<bool>, ImageError> {
    checked(size)?;
    let (h, w) = size;
    let density = |i: usize| 1.0 / (0.1 + distance(i, h));
    let rows = draw(h, acceleration, centre, seed, &density, &|i| distance(i, h))?;
    Ok(rows.into_iter().flat_map(|on| std::iter::repeat_n(on, w)).collect())
}

/// Single coefficients: one in `acceleration`, those of the lowest frequencies always (`centre` of all, rounded), the others at random,
/// more likely the lower their frequency.
///
/// # Errors
/// As [`cartesian`].
pub fn random(
    size: (usize, usize),
    acceleration: f64,
    centre: f64,
    seed: u64,
) -> Result<Vec<bool>, ImageError> {
    checked(size)?;
    let (h, w) = size;
    let radius = |k: usize| distance(k / w, h).hypot(distance(k % w, w));
    draw(h * w, acceleration, centre, seed, &|k| 1.0 / (0.05 + radius(k).powi(2)), &radius)
}

/// Keeps `n/acceleration` of `n` positions, by weight: those with the largest `u^(1/weight)` (Efraimidis and Spirakis 2006).
fn draw(
    n: usize,
    acceleration: f64,
    centre: f64,
    seed: u64,
    weight: &dyn Fn(usize) -> f64,
    radius: &dyn Fn(usize) -> f64,
) -> Result<Vec<bool>, ImageError> {
    let invalid = |name, expected, got| LinalgError::InvalidParam { name, expected, got };
    if !(acceleration >= 1.0 && acceleration.is_finite()) {
        return Err(invalid("acceleration", "at least 1", acceleration).into());
    }
    if !(0.0..=1.0).contains(&centre) {
        return Err(invalid("centre", "between 0 and 1", centre).into());
    }
    let keep = ((n as f64 / acceleration).round() as usize).clamp(1, n);
    let always = ((n as f64 * centre).round() as usize).max(1);
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| radius(a).total_cmp(&radius(b)));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut keys = vec![f64::NEG_INFINITY; n];
    for (rank, &k) in order.iter().enumerate() {
        let u: f64 = rng.random();
        keys[k] = if rank < always { f64::INFINITY } else { (1.0 - u).ln() / weight(k) };
    }
    order.sort_by(|&a, &b| keys[b].total_cmp(&keys[a]));
    let mut mask = vec![false; n];
    order.into_iter().take(keep).for_each(|k| mask[k] = true);
    Ok(mask)
}

/// The frequency of position `i` of `n`, in parts of the largest.
fn distance(i: usize, n: usize) -> f64 {
    2.0 * i.min(n - i) as f64 / n as f64
}

fn checked(size: (usize, usize)) -> Result<(), ImageError> {
    check::non_empty("mask height", size.0)?;
    check::non_empty("mask width", size.1)?;
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn masks_keep_what_they_promise() {
        let count = |m: &[bool]| m.iter().filter(|&&v| v).count();
        let m = cartesian((64, 48), 4.0, 0.08, 1).unwrap();
        assert_eq!(count(&m), 16 * 48);
        assert!(m.chunks(48).all(|row| row.iter().all(|&v| v == row[0])));
        assert!(m[0] && m[48] && m[63 * 48], "the lowest frequencies");
        let m = random((64, 48), 4.0, 0.02, 1).unwrap();
        assert_eq!(count(&m), 64 * 48 / 4);
        assert!(m[0]);
        assert_eq!(m, random((64, 48), 4.0, 0.02, 1).unwrap());
        assert_ne!(m, random((64, 48), 4.0, 0.02, 2).unwrap());
        assert_eq!(count(&random((5, 5), 1.0, 0.0, 0).unwrap()), 25);
        assert_eq!(count(&radial((1, 9), 3).unwrap()), 9);
        for bad in [0.5, f64::NAN, f64::INFINITY] {
            assert!(cartesian((8, 8), bad, 0.1, 0).is_err() && random((8, 8), 2.0, bad + 1.0, 0).is_err());
        }
        assert!(radial((8, 8), 0).is_err() && radial((0, 8), 1).is_err());
    }
}
