//! The SIMD kernels behind the free functions, once for each scalar type.

use pulp::{Arch, Simd, WithSimd};

/// The SIMD kernels of one scalar type. Implemented for `f32` and `f64`; use the free functions.
pub trait SimdScalar: Sized {
    #[doc(hidden)]
    fn simd_dot(x: &[Self], y: &[Self]) -> Self;
    #[doc(hidden)]
    fn simd_dot3(x: &[Self], y: &[Self], z: &[Self]) -> Self;
    #[doc(hidden)]
    fn simd_sum(x: &[Self]) -> Self;
    #[doc(hidden)]
    fn simd_axpy(a: Self, x: &[Self], y: &mut [Self]);
    #[doc(hidden)]
    fn simd_dot_shifted(x: &[Self], m: Self, y: &[Self]) -> Self;
    #[doc(hidden)]
    fn simd_dots_shifted(x: [&[Self]; 4], m: [Self; 4], y: &[Self]) -> [Self; 4];
    #[doc(hidden)]
    fn simd_dot3_shifted(x: &[Self], m: Self, y: &[Self], z: &[Self]) -> Self;
    #[doc(hidden)]
    fn simd_axpy_shifted(a: Self, x: &[Self], m: Self, y: &mut [Self]);
    #[doc(hidden)]
    fn simd_axpy3_shifted(a: Self, x: &[Self], m: Self, z: &[Self], y: &mut [Self]);
}

macro_rules! simd_scalar {
    ($t:ident, $as_simd:ident, $as_mut_simd:ident, $splat:ident, $fma:ident, $mul:ident, $add:ident, $sub:ident, $reduce:ident) => {
        impl SimdScalar for $t {
            fn simd_dot(x: &[$t], y: &[$t]) -> $t {
                struct Dot<'a>(&'a [$t], &'a [$t]);
                impl WithSimd for Dot<'_> {
                    type Output = $t;
                    #[inline(always)]
                    fn with_simd<S: Simd>(self, s: S) -> $t {
                        let (xh, xt) = S::$as_simd(self.0);
                        let (yh, yt) = S::$as_simd(self.1);
                        let zero = s.$splat(0.0);
                        let (mut a0, mut a1, mut a2, mut a3) = (zero, zero, zero, zero);
                        let (x4, x1) = pulp::as_arrays::<4, _>(xh);
                        let (y4, y1) = pulp::as_arrays::<4, _>(yh);
                        for (p, q) in x4.iter().zip(y4) {
                            a0 = s.$fma(p[0], q[0], a0);
                            a1 = s.$fma(p[1], q[1], a1);
                            a2 = s.$fma(p[2], q[2], a2);
                            a3 = s.$fma(p[3], q[3], a3);
                        }
                        for (&p, &q) in x1.iter().zip(y1) {
                            a0 = s.$fma(p, q, a0);
                        }
                        let mut sum = s.$reduce(s.$add(s.$add(a0, a1), s.$add(a2, a3)));
                        for (&p, &q) in xt.iter().zip(yt) {
                            sum += p * q;
                        }
                        sum
                    }
                }
                Arch::new().dispatch(Dot(x, y))
            }

            fn simd_dot3(x: &[$t], y: &[$t], z: &[$t]) -> $t {
                struct Dot3<'a>(&'a [$t], &'a [$t], &'a [$t]);
                impl WithSimd for Dot3<'_> {
                    type Output = $t;
                    #[inline(always)]
                    fn with_simd<S: Simd>(self, s: S) -> $t {
                        let (xh, xt) = S::$as_simd(self.0);
                        let (yh, yt) = S::$as_simd(self.1);
                        let (zh, zt) = S::$as_simd(self.2);
                        let zero = s.$splat(0.0);
                        let (mut a0, mut a1) = (zero, zero);
                        let (x2, x1) = pulp::as_arrays::<2, _>(xh);
                        let (y2, y1) = pulp::as_arrays::<2, _>(yh);
                        let (z2, z1) = pulp::as_arrays::<2, _>(zh);
                        for ((p, q), r) in x2.iter().zip(y2).zip(z2) {
                            a0 = s.$fma(s.$mul(p[0], q[0]), r[0], a0);
                            a1 = s.$fma(s.$mul(p[1], q[1]), r[1], a1);
                        }
                        for ((&p, &q), &r) in x1.iter().zip(y1).zip(z1) {
                            a0 = s.$fma(s.$mul(p, q), r, a0);
                        }
                        let mut sum = s.$reduce(s.$add(a0, a1));
                        for ((&p, &q), &r) in xt.iter().zip(yt).zip(zt) {
                            sum += p * q * r;
                        }
                        sum
                    }
                }
                Arch::new().dispatch(Dot3(x, y, z))
            }

            fn simd_sum(x: &[$t]) -> $t {
                struct Sum<'a>(&'a [$t]);
                impl WithSimd for Sum<'_> {
                    type Output = $t;
                    #[inline(always)]
                    fn with_simd<S: Simd>(self, s: S) -> $t {
                        let (xh, xt) = S::$as_simd(self.0);
                        let zero = s.$splat(0.0);
                        let (mut a0, mut a1) = (zero, zero);
                        let (x2, x1) = pulp::as_arrays::<2, _>(xh);
                        for p in x2 {
                            a0 = s.$add(a0, p[0]);
                            a1 = s.$add(a1, p[1]);
                        }
                        for &p in x1 {
                            a0 = s.$add(a0, p);
                        }
                        let mut sum = s.$reduce(s.$add(a0, a1));
                        for &p in xt {
                            sum += p;
                        }
                        sum
                    }
                }
                Arch::new().dispatch(Sum(x))
            }

            fn simd_axpy(a: $t, x: &[$t], y: &mut [$t]) {
                struct Axpy<'a>($t, &'a [$t], &'a mut [$t]);
                impl WithSimd for Axpy<'_> {
                    type Output = ();
                    #[inline(always)]
                    fn with_simd<S: Simd>(self, s: S) {
                        let av = s.$splat(self.0);
                        let (xh, xt) = S::$as_simd(self.1);
                        let (yh, yt) = S::$as_mut_simd(self.2);
                        for (&p, q) in xh.iter().zip(yh) {
                            *q = s.$fma(av, p, *q);
                        }
                        for (&p, q) in xt.iter().zip(yt) {
                            *q += self.0 * p;
                        }
                    }
                }
                Arch::new().dispatch(Axpy(a, x, y))
            }

            fn simd_dot_shifted(x: &[$t], m: $t, y: &[$t]) -> $t {
                struct DotShifted<'a>(&'a [$t], $t, &'a [$t]);
                impl WithSimd for DotShifted<'_> {
                    type Output = $t;
                    #[inline(always)]
                    fn with_simd<S: Simd>(self, s: S) -> $t {
                        let (xh, xt) = S::$as_simd(self.0);
                        let (yh, yt) = S::$as_simd(self.2);
                        let m = s.$splat(self.1);
                        let zero = s.$splat(0.0);
                        let (mut a0, mut a1, mut a2, mut a3) = (zero, zero, zero, zero);
                        let (x4, x1) = pulp::as_arrays::<4, _>(xh);
                        let (y4, y1) = pulp::as_arrays::<4, _>(yh);
                        for (p, q) in x4.iter().zip(y4) {
                            a0 = s.$fma(s.$sub(p[0], m), q[0], a0);
                            a1 = s.$fma(s.$sub(p[1], m), q[1], a1);
                            a2 = s.$fma(s.$sub(p[2], m), q[2], a2);
                            a3 = s.$fma(s.$sub(p[3], m), q[3], a3);
                        }
                        for (&p, &q) in x1.iter().zip(y1) {
                            a0 = s.$fma(s.$sub(p, m), q, a0);
                        }
                        let mut sum = s.$reduce(s.$add(s.$add(a0, a1), s.$add(a2, a3)));
                        for (&p, &q) in xt.iter().zip(yt) {
                            sum += (p - self.1) * q;
                        }
                        sum
                    }
                }
                Arch::new().dispatch(DotShifted(x, m, y))
            }

            fn simd_dots_shifted(x: [&[$t]; 4], m: [$t; 4], y: &[$t]) -> [$t; 4] {
                struct DotsShifted<'a>([&'a [$t]; 4], [$t; 4], &'a [$t]);
                impl WithSimd for DotsShifted<'_> {
                    type Output = [$t; 4];
                    #[inline(always)]
                    fn with_simd<S: Simd>(self, s: S) -> [$t; 4] {
                        let Self([x0, x1, x2, x3], m, y) = self;
                        let (a, at) = S::$as_simd(x0);
                        let (b, bt) = S::$as_simd(x1);
                        let (c, ct) = S::$as_simd(x2);
                        let (d, dt) = S::$as_simd(x3);
                        let (yh, yt) = S::$as_simd(y);
                        let v = [s.$splat(m[0]), s.$splat(m[1]), s.$splat(m[2]), s.$splat(m[3])];
                        let mut acc = [s.$splat(0.0); 4];
                        for ((((&q, &a), &b), &c), &d) in yh.iter().zip(a).zip(b).zip(c).zip(d) {
                            acc[0] = s.$fma(s.$sub(a, v[0]), q, acc[0]);
                            acc[1] = s.$fma(s.$sub(b, v[1]), q, acc[1]);
                            acc[2] = s.$fma(s.$sub(c, v[2]), q, acc[2]);
                            acc[3] = s.$fma(s.$sub(d, v[3]), q, acc[3]);
                        }
                        let mut sums =
                            [s.$reduce(acc[0]), s.$reduce(acc[1]), s.$reduce(acc[2]), s.$reduce(acc[3])];
                        for ((((&q, &a), &b), &c), &d) in yt.iter().zip(at).zip(bt).zip(ct).zip(dt) {
                            sums[0] += (a - m[0]) * q;
                            sums[1] += (b - m[1]) * q;
                            sums[2] += (c - m[2]) * q;
                            sums[3] += (d - m[3]) * q;
                        }
                        sums
                    }
                }
                Arch::new().dispatch(DotsShifted(x, m, y))
            }

            fn simd_dot3_shifted(x: &[$t], m: $t, y: &[$t], z: &[$t]) -> $t {
                struct Dot3Shifted<'a>(&'a [$t], $t, &'a [$t], &'a [$t]);
                impl WithSimd for Dot3Shifted<'_> {
                    type Output = $t;
                    #[inline(always)]
                    fn with_simd<S: Simd>(self, s: S) -> $t {
                        let (xh, xt) = S::$as_simd(self.0);
                        let (yh, yt) = S::$as_simd(self.2);
                        let (zh, zt) = S::$as_simd(self.3);
                        let m = s.$splat(self.1);
                        let zero = s.$splat(0.0);
                        let (mut a0, mut a1) = (zero, zero);
                        let (x2, x1) = pulp::as_arrays::<2, _>(xh);
                        let (y2, y1) = pulp::as_arrays::<2, _>(yh);
                        let (z2, z1) = pulp::as_arrays::<2, _>(zh);
                        for ((p, q), r) in x2.iter().zip(y2).zip(z2) {
                            a0 = s.$fma(s.$mul(s.$sub(p[0], m), q[0]), r[0], a0);
                            a1 = s.$fma(s.$mul(s.$sub(p[1], m), q[1]), r[1], a1);
                        }
                        for ((&p, &q), &r) in x1.iter().zip(y1).zip(z1) {
                            a0 = s.$fma(s.$mul(s.$sub(p, m), q), r, a0);
                        }
                        let mut sum = s.$reduce(s.$add(a0, a1));
                        for ((&p, &q), &r) in xt.iter().zip(yt).zip(zt) {
                            sum += (p - self.1) * q * r;
                        }
                        sum
                    }
                }
                Arch::new().dispatch(Dot3Shifted(x, m, y, z))
            }

            fn simd_axpy_shifted(a: $t, x: &[$t], m: $t, y: &mut [$t]) {
                struct AxpyShifted<'a>($t, &'a [$t], $t, &'a mut [$t]);
                impl WithSimd for AxpyShifted<'_> {
                    type Output = ();
                    #[inline(always)]
                    fn with_simd<S: Simd>(self, s: S) {
                        let (a, m) = (s.$splat(self.0), s.$splat(self.2));
                        let (xh, xt) = S::$as_simd(self.1);
                        let (yh, yt) = S::$as_mut_simd(self.3);
                        for (&p, q) in xh.iter().zip(yh) {
                            *q = s.$fma(a, s.$sub(p, m), *q);
                        }
                        for (&p, q) in xt.iter().zip(yt) {
                            *q += self.0 * (p - self.2);
                        }
                    }
                }
                Arch::new().dispatch(AxpyShifted(a, x, m, y))
            }

            fn simd_axpy3_shifted(a: $t, x: &[$t], m: $t, z: &[$t], y: &mut [$t]) {
                struct Axpy3Shifted<'a>($t, &'a [$t], $t, &'a [$t], &'a mut [$t]);
                impl WithSimd for Axpy3Shifted<'_> {
                    type Output = ();
                    #[inline(always)]
                    fn with_simd<S: Simd>(self, s: S) {
                        let (a, m) = (s.$splat(self.0), s.$splat(self.2));
                        let (xh, xt) = S::$as_simd(self.1);
                        let (zh, zt) = S::$as_simd(self.3);
                        let (yh, yt) = S::$as_mut_simd(self.4);
                        for ((&p, &r), q) in xh.iter().zip(zh).zip(yh) {
                            *q = s.$fma(s.$mul(a, r), s.$sub(p, m), *q);
                        }
                        for ((&p, &r), q) in xt.iter().zip(zt).zip(yt) {
                            *q += self.0 * r * (p - self.2);
                        }
                    }
                }
                Arch::new().dispatch(Axpy3Shifted(a, x, m, z, y))
            }
        }
    };
}

simd_scalar!(
    f32,
    as_simd_f32s,
    as_mut_simd_f32s,
    splat_f32s,
    mul_add_f32s,
    mul_f32s,
    add_f32s,
    sub_f32s,
    reduce_sum_f32s
);
simd_scalar!(
    f64,
    as_simd_f64s,
    as_mut_simd_f64s,
    splat_f64s,
    mul_add_f64s,
    mul_f64s,
    add_f64s,
    sub_f64s,
    reduce_sum_f64s
);
