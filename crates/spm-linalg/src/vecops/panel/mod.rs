//! The kernels of greedy selection (matching pursuit): update correlations and find the largest in one pass over
//! *panels* of [`PANEL`] entries.
//!
//! Greedy selection spends its time in short vectors that sit in the first-level cache, where every extra pass
//! costs as much as the arithmetic. All vectors here have a length that is a multiple of [`PANEL`] (pad with
//! zeros: a zero never wins), and a set of columns is stored panel by panel, so that one sweep reads each cache
//! line once. Ties go to the lowest index. The SIMD width is chosen at run time and does not change the result
//! of a maximum.

mod columns;
mod kernels;

pub use self::columns::PanelColumns;
pub use self::kernels::{PanelScalar, Weights};
use crate::{Scalar, check};

/// Vectors handed to this module have a multiple of this many entries.
pub const PANEL: usize = 32;

/// `n` rounded up to a multiple of [`PANEL`].
#[must_use]
pub const fn padded(n: usize) -> usize {
    n.div_ceil(PANEL) * PANEL
}

/// The first index at which `|x|` is largest. O(n).
///
/// ```
/// use spm_linalg::vecops::panel::{PANEL, abs_argmax};
/// let mut x = [0.0; PANEL];
/// (x[3], x[7]) = (1.0, -1.0);
/// assert_eq!(abs_argmax(&x), 3);
/// ```
///
/// # Panics
/// If the length is 0 or not a multiple of [`PANEL`].
#[must_use]
#[track_caller]
pub fn abs_argmax<T: Scalar>(x: &[T]) -> usize {
    check::dim("abs_argmax x", padded(x.len().max(1)), x.len());
    T::simd_argmax(x, None)
}

/// The first index at which `x²/w` is largest, without a division; an infinite `w` never wins. O(n).
///
/// # Panics
/// If the length is 0 or not a multiple of [`PANEL`], or the lengths differ.
#[must_use]
#[track_caller]
pub fn ratio_argmax<T: Scalar>(x: &[T], w: &[T]) -> usize {
    check::dim("ratio_argmax x", padded(x.len().max(1)), x.len());
    check::dim("ratio_argmax w", x.len(), w.len());
    T::simd_argmax(x, Some(w))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Rng;

    fn twin<T: Scalar>(score: impl Fn(usize) -> T, n: usize) -> usize {
        (0..n).fold(0, |best, i| if score(i) > score(best) { i } else { best })
    }

    fn check_type<T: Scalar>() {
        let mut rng = Rng::new(1);
        for panels in [1, 2, 5, 9] {
            let n = panels * PANEL;
            for case in 0..20 {
                // Coarse values, so that ties happen.
                let coarse = |v: T| (v * T::of(4.0)).round() / T::of(4.0);
                let mut x: Vec<T> = rng.normals(n).into_iter().map(coarse).collect();
                let mut w: Vec<T> = (0..n).map(|_| T::of(1.0 + rng.below(3) as f64)).collect();
                assert_eq!(abs_argmax(&x), twin(|i| x[i].abs(), n));
                assert_eq!(ratio_argmax(&x, &w), twin(|i| x[i] * x[i] / w[i], n));
                // A growing set of columns against plain loops.
                let mut set = PanelColumns::<T>::new(n, 4);
                let mut weighted = PanelColumns::<T>::new(n, 4);
                let (mut x2, mut slow) = (x.clone(), Vec::<Vec<T>>::new());
                for k in 0..4 {
                    let g: Vec<T> = rng.normals(n);
                    let coef: Vec<T> = rng.normals(k);
                    let (inverse, floor, step) = (T::of(0.25), T::of(0.5), rng.normal());
                    let v: Vec<T> =
                        (0..n).map(|i| (0..k).fold(g[i], |a, j| a - coef[j] * slow[j][i])).collect();
                    let want: Vec<T> = (0..n).map(|i| (w[i] - inverse * v[i] * v[i]).max(floor)).collect();
                    let at = set.append(&g, &coef, step, &mut x, None);
                    let weights = Weights { w: &mut w, inverse, floor };
                    let at2 = weighted.append(&g, &coef, step, &mut x2, Some(weights));
                    assert_eq!(at, twin(|i| x[i].abs(), n));
                    assert_eq!(at2, twin(|i| x2[i] * x2[i] / w[i], n), "case {case}");
                    let i = rng.below(n);
                    let mut row = vec![T::nan(); k + 1];
                    set.row_into(i, &mut row);
                    slow.push(v);
                    for j in 0..=k {
                        assert!((row[j] - slow[j][i]).abs() < T::of(1e-4));
                    }
                    assert!(w.iter().zip(&want).all(|(&w, &want)| (w - want).abs() < T::of(1e-3)));
                }
                let again = PanelColumns::from_columns(n, &slow);
                let (index, coef) = ([3, 0, 3], [T::of(2.0), T::of(-1.0), T::of(0.5)]);
                let (g0, mut out) = (rng.normals::<T>(n), vec![T::nan(); n]);
                again.combine_into(Some(&g0), &index, &coef, &mut out);
                for i in 0..n {
                    let want = g0[i] + T::of(2.5) * slow[3][i] - slow[0][i];
                    assert!((out[i] - want).abs() < T::of(1e-4));
                }
            }
        }
    }

    #[test]
    fn agree_with_plain_loops() {
        check_type::<f64>();
        check_type::<f32>();
    }

    #[test]
    fn nothing_to_find_is_index_zero() {
        assert_eq!(abs_argmax(&[0.0_f64; PANEL]), 0);
        assert_eq!(abs_argmax(&[f64::NAN; PANEL]), 0);
        assert_eq!(ratio_argmax(&[1.0_f64; PANEL], &[f64::INFINITY; PANEL]), 0);
    }
}
