//! Biharmonic interpolation.

use spm_linalg::{LinalgError, Scalar, check, vecops};

use crate::{Image, ImageError, ImageRef};

/// Iterations of conjugate gradients a scale.
const ITERATIONS: usize = 120;
/// Norm of the gradient, relative to the start, at which they end.
const TOLERANCE: f64 = 1e-4;

/// Fills missing pixels smoothly: $\min_x \|\Delta x\|_2^2$ with the given pixels fixed.
///
/// Plain text: the squares of the 5-point Laplacian (mirrored at the border) are made small over the missing pixels, channel by channel, by
/// conjugate gradients from the solution at half the resolution. Large holes are filled nearly, not to the last digit. Given pixels keep
/// their bits. `missing` has one entry a pixel, row by row.
///
/// O(n) time a scale and iteration (at most 120).
///
/// # Errors
/// [`LinalgError::Shape`] if `missing` has another length; [`LinalgError::InvalidParam`] if every pixel is missing.
///
/// ```
/// use spm_image::{Gray, inpaint::fill_smoothly};
/// let ramp = Gray::<f64>::new(1, 7, (0..7).map(f64::from).collect())?;
/// let missing = [false, false, true, true, false, false, false];
/// let full = fill_smoothly(ramp.view(), &missing)?;
/// assert!((full.get(0, 0, 2) - 2.0).abs() < 1e-3);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
pub fn fill_smoothly<T: Scalar, const C: usize>(
    image: ImageRef<'_, T, C>,
    missing: &[bool],
) -> Result<Image<T, C>, ImageError> {
    check_mask(image.size(), missing)?;
    let (h, w) = image.size();
    let mut data = Vec::with_capacity(image.data().len());
    for c in 0..C {
        data.extend(fill(image.plane(c), missing, h, w));
    }
    Ok(Image::from_parts(h, w, data))
}

/// Requires a mask of the size of the image that leaves a pixel.
pub(super) fn check_mask(size: (usize, usize), missing: &[bool]) -> Result<(), ImageError> {
    check::len("mask", size.0 * size.1, missing.len())?;
    if missing.iter().all(|&m| m) {
        let (name, expected) = ("share of missing pixels", "below 1: nothing is given");
        return Err(LinalgError::InvalidParam { name, expected, got: 1.0 }.into());
    }
    Ok(())
}

/// One channel: coarse to fine.
fn fill<T: Scalar>(plane: &[T], missing: &[bool], h: usize, w: usize) -> Vec<T> {
    let mut x: Vec<T> = plane.to_vec();
    if !missing.contains(&true) {
        return x;
    }
    if h * w > 1 {
        let (coarse, gone) = halve(plane, missing, h, w);
        spread_plane(&fill(&coarse, &gone, h.div_ceil(2), w.div_ceil(2)), missing, &mut x, h, w);
    }
    minimise(&mut x, missing, h, w);
    x
}

/// The image at half the resolution, and which of its pixels nothing is known of.
pub(super) fn coarsen<T: Scalar, const C: usize>(
    image: ImageRef<'_, T, C>,
    missing: &[bool],
) -> (Image<T, C>, Vec<bool>) {
    let (h, w) = image.size();
    let (mut data, mut gone) = (Vec::new(), Vec::new());
    for c in 0..C {
        let (plane, none) = halve(image.plane(c), missing, h, w);
        data.extend(plane);
        gone = none;
    }
    (Image::from_parts(h.div_ceil(2), w.div_ceil(2), data), gone)
}

/// Interpolates the image at half the resolution at the missing pixels of `x`.
pub(super) fn spread<T: Scalar, const C: usize>(
    coarse: ImageRef<'_, T, C>,
    missing: &[bool],
    x: &mut Image<T, C>,
) {
    let (h, w) = x.size();
    for c in 0..C {
        spread_plane(coarse.plane(c), missing, x.plane_mut(c), h, w);
    }
}

/// Means of the given among two by two pixels.
fn halve<T: Scalar>(plane: &[T], missing: &[bool], h: usize, w: usize) -> (Vec<T>, Vec<bool>) {
    let (hh, hw) = (h.div_ceil(2), w.div_ceil(2));
    let (mut sum, mut count) = (vec![T::zero(); hh * hw], vec![0_usize; hh * hw]);
    for (k, (&v, _)) in plane.iter().zip(missing).enumerate().filter(|&(_, (_, &gone))| !gone) {
        let at = k / w / 2 * hw + k % w / 2;
        sum[at] += v;
        count[at] += 1;
    }
    for (s, &n) in sum.iter_mut().zip(&count) {
        *s /= T::of_usize(n.max(1));
    }
    (sum, count.into_iter().map(|n| n == 0).collect())
}

/// Linear between the centres of the coarse pixels.
fn spread_plane<T: Scalar>(coarse: &[T], missing: &[bool], x: &mut [T], h: usize, w: usize) {
    let (hh, hw) = (h.div_ceil(2), w.div_ceil(2));
    let near = |k: usize, n: usize| {
        let other = if k.is_multiple_of(2) { (k / 2).saturating_sub(1) } else { (k / 2 + 1).min(n - 1) };
        (k / 2, other)
    };
    let (most, rest) = (T::of(0.75), T::of(0.25));
    for (k, x) in x.iter_mut().enumerate().filter(|&(k, _)| missing[k]) {
        let ((i, ii), (j, jj)) = (near(k / w, hh), near(k % w, hw));
        let row = |i: usize| most * coarse[i * hw + j] + rest * coarse[i * hw + jj];
        *x = most * row(i) + rest * row(ii);
    }
}

/// Conjugate gradients on the missing pixels.
fn minimise<T: Scalar>(x: &mut [T], missing: &[bool], h: usize, w: usize) {
    let n = h * w;
    let (mut once, mut twice) = (vec![T::zero(); n], vec![T::zero(); n]);
    let mut apply = |v: &[T], out: &mut Vec<T>| {
        laplacian(v, &mut once, h, w);
        laplacian(&once, &mut twice, h, w);
        out.clear();
        out.extend(twice.iter().zip(missing).map(|(&v, &gone)| if gone { v } else { T::zero() }));
    };
    let mut r = Vec::with_capacity(n);
    apply(x, &mut r);
    r.iter_mut().for_each(|v| *v = -*v);
    let (mut p, mut ap) = (r.clone(), Vec::with_capacity(n));
    let start = vecops::sq_norm(&r);
    let (mut now, enough) = (start, start * T::of(TOLERANCE * TOLERANCE));
    for _ in 0..ITERATIONS {
        if now <= enough {
            break;
        }
        apply(&p, &mut ap);
        let curvature = vecops::dot(&p, &ap);
        if curvature.is_nan() || curvature <= T::zero() {
            break;
        }
        let step = now / curvature;
        vecops::axpy(step, &p, x);
        vecops::axpy(-step, &ap, &mut r);
        let next = vecops::sq_norm(&r);
        let beta = next / now;
        for (p, &r) in p.iter_mut().zip(&r) {
            *p = r + beta * *p;
        }
        now = next;
    }
}

/// The sum of the differences to the neighbours; the border is mirrored.
fn laplacian<T: Scalar>(v: &[T], out: &mut [T], h: usize, w: usize) {
    for i in 0..h {
        let row = &v[i * w..][..w];
        let (up, down) = (&v[i.saturating_sub(1) * w..][..w], &v[(i + 1).min(h - 1) * w..][..w]);
        let out = &mut out[i * w..][..w];
        let four = T::of(4.0);
        out[0] = up[0] + down[0] + row[1.min(w - 1)] - T::of(3.0) * row[0];
        if w > 1 {
            out[w - 1] = up[w - 1] + down[w - 1] + row[w - 2] - T::of(3.0) * row[w - 1];
        }
        for j in 1..w.max(1) - 1 {
            out[j] = up[j] + down[j] + row[j - 1] + row[j + 1] - four * row[j];
        }
    }
}
