//! Vector kernels on slices: dot products, updates, norms, soft threshold.
//!
//! Each runs with the widest SIMD instructions that the machine has, found at run time, and in one fixed
//! order: the same input gives the same bits on the same machine, whatever the number of threads. Sums use
//! several accumulators, so their rounding error grows far more slowly than that of a plain loop.
//!
//! [`panel`] holds the kernels of greedy selection, which update correlations and find the largest in one pass.

pub mod panel;
pub mod product;

mod simd;

use pulp::{Arch, Simd, WithSimd};

use crate::Scalar;
pub use simd::SimdScalar;

/// A computation for [`dispatch`].
pub trait Kernel {
    /// What it returns.
    type Output;

    /// Runs it. Implementations, and whatever they call in their loops, must be marked `#[inline(always)]`: only what is
    /// inlined is compiled for the machine found.
    fn call(self) -> Self::Output;
}

/// Runs a kernel compiled for the widest SIMD instructions that the machine has, found at run time.
///
/// Plain loops over slices inside the kernel are then vectorised for that machine, not for the baseline of the target.
/// No operations are fused or reordered: the result has the bits of the plain loop.
///
/// ```
/// use spm_linalg::vecops::{Kernel, dispatch};
/// struct Square<'a>(&'a mut [f32]);
/// impl Kernel for Square<'_> {
///     type Output = ();
///     #[inline(always)]
///     fn call(self) {
///         for v in self.0 {
///             *v *= *v;
///         }
///     }
/// }
/// let mut x = [3.0; 100];
/// dispatch(Square(&mut x));
/// assert_eq!(x, [9.0; 100]);
/// ```
#[inline]
pub fn dispatch<K: Kernel>(kernel: K) -> K::Output {
    struct Run<K>(K);
    impl<K: Kernel> WithSimd for Run<K> {
        type Output = K::Output;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _simd: S) -> K::Output {
            self.0.call()
        }
    }
    Arch::new().dispatch(Run(kernel))
}

/// `Σ xᵢ yᵢ`. O(n).
///
/// # Panics
/// If the lengths differ.
#[inline]
#[must_use]
#[track_caller]
pub fn dot<T: Scalar>(x: &[T], y: &[T]) -> T {
    crate::check::dim("dot", x.len(), y.len());
    T::simd_dot(x, y)
}

/// `Σ xᵢ yᵢ zᵢ`. O(n).
///
/// # Panics
/// If the lengths differ.
#[inline]
#[must_use]
#[track_caller]
pub fn dot3<T: Scalar>(x: &[T], y: &[T], z: &[T]) -> T {
    crate::check::dim("dot3", x.len(), y.len());
    crate::check::dim("dot3", x.len(), z.len());
    T::simd_dot3(x, y, z)
}

/// `Σ xᵢ`. O(n).
#[inline]
#[must_use]
pub fn sum<T: Scalar>(x: &[T]) -> T {
    T::simd_sum(x)
}

/// `y ← y + a x`. O(n).
///
/// # Panics
/// If the lengths differ.
#[inline]
#[track_caller]
pub fn axpy<T: Scalar>(a: T, x: &[T], y: &mut [T]) {
    crate::check::dim("axpy", x.len(), y.len());
    T::simd_axpy(a, x, y);
}

/// `Σ (xᵢ − m) yᵢ`, without the cancellation of `Σ xᵢ yᵢ − m Σ yᵢ`. O(n).
///
/// # Panics
/// If the lengths differ.
#[inline]
#[must_use]
#[track_caller]
pub fn dot_shifted<T: Scalar>(x: &[T], m: T, y: &[T]) -> T {
    crate::check::dim("dot_shifted", x.len(), y.len());
    T::simd_dot_shifted(x, m, y)
}

/// [`dot_shifted`] of four vectors with one: `Σ (xₖᵢ − mₖ) yᵢ`, in less time than one after the other. O(n).
///
/// # Panics
/// If the lengths differ.
#[inline]
#[must_use]
#[track_caller]
pub fn dots_shifted<T: Scalar>(x: [&[T]; 4], m: [T; 4], y: &[T]) -> [T; 4] {
    x.iter().for_each(|x| crate::check::dim("dots_shifted", x.len(), y.len()));
    T::simd_dots_shifted(x, m, y)
}

/// `Σ (xᵢ − m) yᵢ zᵢ`. O(n).
///
/// # Panics
/// If the lengths differ.
#[inline]
#[must_use]
#[track_caller]
pub fn dot3_shifted<T: Scalar>(x: &[T], m: T, y: &[T], z: &[T]) -> T {
    crate::check::dim("dot3_shifted", x.len(), y.len());
    crate::check::dim("dot3_shifted", x.len(), z.len());
    T::simd_dot3_shifted(x, m, y, z)
}

/// `y ← y + a (x − m)`. O(n).
///
/// # Panics
/// If the lengths differ.
#[inline]
#[track_caller]
pub fn axpy_shifted<T: Scalar>(a: T, x: &[T], m: T, y: &mut [T]) {
    crate::check::dim("axpy_shifted", x.len(), y.len());
    T::simd_axpy_shifted(a, x, m, y);
}

/// `yᵢ ← yᵢ + a (xᵢ − m) zᵢ`. O(n).
///
/// # Panics
/// If the lengths differ.
#[inline]
#[track_caller]
pub fn axpy3_shifted<T: Scalar>(a: T, x: &[T], m: T, z: &[T], y: &mut [T]) {
    crate::check::dim("axpy3_shifted", x.len(), y.len());
    crate::check::dim("axpy3_shifted", x.len(), z.len());
    T::simd_axpy3_shifted(a, x, m, z, y);
}

/// `x ← a x`. O(n).
#[inline]
pub fn scale<T: Scalar>(a: T, x: &mut [T]) {
    for v in x {
        *v *= a;
    }
}

/// `Σ xᵢ²`. O(n).
#[inline]
#[must_use]
pub fn sq_norm<T: Scalar>(x: &[T]) -> T {
    dot(x, x)
}

/// `‖x‖₂`, safe against overflow and underflow of the squares. O(n).
#[must_use]
pub fn norm<T: Scalar>(x: &[T]) -> T {
    let s = sq_norm(x);
    if s.is_finite() && s > T::min_positive_value() / T::epsilon() {
        return s.sqrt();
    }
    let m = norm_inf(x);
    if m == T::zero() || !m.is_finite() {
        return m;
    }
    let s: T = x.iter().map(|&v| (v / m) * (v / m)).sum();
    m * s.sqrt()
}

/// `Σ |xᵢ|`. O(n).
#[inline]
#[must_use]
pub fn norm_1<T: Scalar>(x: &[T]) -> T {
    let mut acc = [T::zero(); 4];
    let mut chunks = x.chunks_exact(4);
    for c in &mut chunks {
        for (a, &v) in acc.iter_mut().zip(c) {
            *a += v.abs();
        }
    }
    let tail: T = chunks.remainder().iter().map(|v| v.abs()).sum();
    (acc[0] + acc[1]) + (acc[2] + acc[3]) + tail
}

/// `max |xᵢ|`, 0 for an empty slice, NaN if any entry is NaN. O(n).
#[inline]
#[must_use]
pub fn norm_inf<T: Scalar>(x: &[T]) -> T {
    // Independent lanes vectorise; 0·v marks a NaN (or an infinity), which the comparisons would lose.
    let (mut max, mut mark) = ([T::zero(); 8], [T::zero(); 8]);
    let mut chunks = x.chunks_exact(8);
    for c in &mut chunks {
        for k in 0..8 {
            let a = c[k].abs();
            max[k] = if a > max[k] { a } else { max[k] };
            mark[k] += T::zero() * a;
        }
    }
    let largest = |m: T, &v: &T| if v.abs() > m || v.is_nan() { v.abs() } else { m };
    if mark.iter().all(|&v| v == T::zero()) {
        let m = max.iter().fold(T::zero(), |m, &v| if v > m { v } else { m });
        return chunks.remainder().iter().fold(m, |m, v| if m.is_nan() { m } else { largest(m, v) });
    }
    x.iter().fold(T::zero(), |m, v| if m.is_nan() { m } else { largest(m, v) })
}

/// `Σ (xᵢ − yᵢ)²` without a temporary. O(n).
///
/// # Panics
/// If the lengths differ.
#[inline]
#[must_use]
#[track_caller]
pub fn sq_dist<T: Scalar>(x: &[T], y: &[T]) -> T {
    crate::check::dim("sq_dist", x.len(), y.len());
    let mut acc = [T::zero(); 4];
    let (mut cx, mut cy) = (x.chunks_exact(4), y.chunks_exact(4));
    for (p, q) in (&mut cx).zip(&mut cy) {
        for k in 0..4 {
            let d = p[k] - q[k];
            acc[k] += d * d;
        }
    }
    let tail: T = cx.remainder().iter().zip(cy.remainder()).map(|(&p, &q)| (p - q) * (p - q)).sum();
    (acc[0] + acc[1]) + (acc[2] + acc[3]) + tail
}

/// The proximal operator of `t|·|`: `sign(v)·max(|v| − t, 0)`; exactly zero when `|v| <= t`.
#[inline(always)]
#[must_use]
pub fn soft_threshold<T: Scalar>(v: T, t: T) -> T {
    if v > t {
        v - t
    } else if v < -t {
        v + t
    } else if v.is_nan() {
        v
    } else {
        T::zero()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agree_with_plain_loops() {
        for n in [0_usize, 1, 3, 7, 8, 31, 64, 65, 257] {
            let x: Vec<f64> = (0..n).map(|i| (i as f64 * 0.7).sin()).collect();
            let y: Vec<f64> = (0..n).map(|i| (i as f64 * 1.3).cos()).collect();
            let slow: f64 = x.iter().zip(&y).map(|(a, b)| a * b).sum();
            assert!((dot(&x, &y) - slow).abs() < 1e-12);
            let slow3: f64 = x.iter().zip(&y).map(|(a, b)| a * b * b).sum();
            assert!((dot3(&x, &y, &y) - slow3).abs() < 1e-12);
            assert!((sum(&x) - x.iter().sum::<f64>()).abs() < 1e-12);
            assert!((norm_1(&x) - x.iter().map(|v| v.abs()).sum::<f64>()).abs() < 1e-12);
            let mut z = y.clone();
            axpy(2.0, &x, &mut z);
            for i in 0..n {
                assert!((z[i] - (y[i] + 2.0 * x[i])).abs() < 1e-15);
            }
            let shifted: Vec<f64> = x.iter().map(|v| v - 0.3).collect();
            assert!((dot_shifted(&x, 0.3, &y) - dot(&shifted, &y)).abs() < 1e-12);
            assert!((dot3_shifted(&x, 0.3, &y, &x) - dot3(&shifted, &y, &x)).abs() < 1e-12);
            let (mut a, mut b) = (y.clone(), y.clone());
            axpy_shifted(-1.5, &x, 0.3, &mut a);
            axpy3_shifted(-1.5, &x, 0.3, &y, &mut b);
            for i in 0..n {
                assert!((a[i] - (y[i] - 1.5 * shifted[i])).abs() < 1e-14);
                assert!((b[i] - (y[i] - 1.5 * shifted[i] * y[i])).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn norm_inf_sees_every_entry() {
        for n in [0_usize, 1, 7, 8, 9, 40] {
            let x: Vec<f64> = (0..n).map(|i| (i as f64 * 0.7).sin()).collect();
            assert_eq!(norm_inf(&x), x.iter().fold(0.0, |m: f64, v| m.max(v.abs())));
            for i in 0..n {
                for (odd, expected) in [(-5.0, 5.0), (f64::NEG_INFINITY, f64::INFINITY)] {
                    let mut y = x.clone();
                    y[i] = odd;
                    assert_eq!(norm_inf(&y), expected);
                }
                let mut y = x.clone();
                y[i] = f64::NAN;
                assert!(norm_inf(&y).is_nan());
                y[n - 1 - i] = f64::INFINITY;
                assert!(norm_inf(&y).is_nan() || n - 1 - i == i);
            }
        }
    }

    #[test]
    fn norm_survives_extreme_scales() {
        assert!((norm(&[3e200_f64, 4e200]) / 5e200 - 1.0).abs() < 1e-15);
        assert!((norm(&[3e-200_f64, 4e-200]) / 5e-200 - 1.0).abs() < 1e-15);
        assert_eq!(norm::<f64>(&[]), 0.0);
        assert!(norm(&[f64::NAN]).is_nan());
    }

    #[test]
    fn soft_threshold_is_exactly_zero_inside() {
        assert_eq!(soft_threshold(0.5, 0.5), 0.0);
        assert_eq!(soft_threshold(-1.5, 0.5), -1.0);
        assert!(soft_threshold(f64::NAN, 0.5).is_nan());
    }
}
