//! The kernels over registers.

use super::PANEL;

/// The SIMD kernels of one scalar type. Implemented for `f32` and `f64`; use the functions of this module.
pub trait PanelScalar: Sized {
    #[doc(hidden)]
    fn simd_abs_argmax(x: &[Self]) -> usize;
    #[doc(hidden)]
    fn simd_ratio_argmax(x: &[Self], w: &[Self]) -> usize;
    #[doc(hidden)]
    fn simd_append(
        columns: &mut [Self],
        capacity: usize,
        g: &[Self],
        coef: &[Self],
        scale_step: [Self; 2],
        x: &mut [Self],
    ) -> usize;
    #[doc(hidden)]
    fn simd_combine(
        columns: &[Self],
        capacity: usize,
        base: Option<&[Self]>,
        index: &[u32],
        coef: &[Self],
        out: &mut [Self],
    );
    #[doc(hidden)]
    fn simd_append_weighted(
        columns: &mut [Self],
        capacity: usize,
        g: &[Self],
        coef: &[Self],
        scale_step: [Self; 2],
        x: &mut [Self],
        w: &mut [Self],
        floor: &[Self],
    ) -> usize;
}

macro_rules! panel_scalar {
    (
        $m:ident, $t:ident, $v:ident, $lanes:ident, $as_simd:ident, $as_mut_simd:ident, $splat:ident, $fma:ident, $mul:ident,
        $div:ident, $add:ident, $sub:ident, $max:ident, $gt:ident, $eq:ident, $select:ident, $first:ident, $reduce_max:ident, $reduce_min:ident
    ) => {
        mod $m {
            use pulp::{Arch, Simd, WithSimd};

            use super::{PANEL, PanelScalar};

            /// Per lane, the largest `|x|` so far and the first panel that holds it.
            struct Best<S: Simd> {
                max: S::$v,
                panel: S::$v,
            }

            /// `|v|`, as `max(v, 0 − v)`: the backend's own is not inlined.
            #[inline(always)]
            fn abs<S: Simd>(s: S, v: S::$v) -> S::$v {
                s.$max(v, s.$sub(s.$splat(0.0), v))
            }

            impl<S: Simd> Best<S> {
                #[inline(always)]
                fn new(s: S) -> Self {
                    Self { max: s.$splat(-1.0), panel: s.$splat(0.0) }
                }

                #[inline(always)]
                fn see<const N: usize>(&mut self, s: S, panel: usize, x: &[S::$v; N]) {
                    let mut max = abs(s, x[0]);
                    for &v in &x[1..] {
                        max = s.$max(max, abs(s, v));
                    }
                    let wins = s.$gt(max, self.max);
                    self.max = s.$select(wins, max, self.max);
                    self.panel = s.$select(wins, s.$splat(panel as $t), self.panel);
                }

                #[inline(always)]
                fn find<const N: usize>(self, s: S, x: &[[S::$v; N]]) -> usize {
                    let max = s.$splat(s.$reduce_max(self.max));
                    let hit = s.$eq(self.max, max);
                    let panel = s.$reduce_min(s.$select(hit, self.panel, s.$splat($t::INFINITY)));
                    let panel = if panel.is_finite() { panel as usize } else { 0 };
                    for (q, &v) in x[panel].iter().enumerate() {
                        let lane = s.$first(s.$eq(abs(s, v), max));
                        if lane < S::$lanes {
                            return panel * PANEL + q * S::$lanes + lane;
                        }
                    }
                    panel * PANEL
                }
            }

            /// Per lane, the largest `x²/w` so far as a fraction, and the first vector that holds it.
            struct BestRatio<S: Simd> {
                num: S::$v,
                den: S::$v,
                at: S::$v,
            }

            impl<S: Simd> BestRatio<S> {
                #[inline(always)]
                fn new(s: S) -> Self {
                    Self { num: s.$splat(0.0), den: s.$splat(1.0), at: s.$splat(0.0) }
                }

                /// The larger of two fractions, the first if they are equal.
                #[inline(always)]
                fn or(self, s: S, other: Self) -> Self {
                    let wins = s.$gt(s.$mul(other.num, self.den), s.$mul(self.num, other.den));
                    Self {
                        num: s.$select(wins, other.num, self.num),
                        den: s.$select(wins, other.den, self.den),
                        at: s.$select(wins, other.at, self.at),
                    }
                }

                /// Sees a panel: its vectors are compared in pairs first, which keeps the chains of dependent operations short.
                #[inline(always)]
                fn see<const N: usize>(self, s: S, panel: usize, x: &[S::$v; N], w: &[S::$v; N]) -> Self {
                    let mut best = match N {
                        2 => pair(s, x, w, 0),
                        4 => pair(s, x, w, 0).or(s, pair(s, x, w, 2)),
                        8 => quad(s, x, w, 0).or(s, quad(s, x, w, 4)),
                        _ => (0..N / 8).fold(Self::new(s), |best, q| {
                            best.or(s, quad(s, x, w, 8 * q)).or(s, quad(s, x, w, 8 * q + 4))
                        }),
                    };
                    best.at = s.$add(best.at, s.$splat((panel * N) as $t));
                    self.or(s, best)
                }

                #[inline(always)]
                fn find(self, s: S) -> usize {
                    let ratio = s.$div(self.num, self.den);
                    let max = s.$reduce_max(ratio);
                    if max.is_nan() || max <= 0.0 {
                        return 0;
                    }
                    let none = s.$splat($t::INFINITY);
                    let at = s.$select(s.$eq(ratio, s.$splat(max)), self.at, none);
                    let first = s.$reduce_min(at);
                    first as usize * S::$lanes + s.$first(s.$eq(at, s.$splat(first)))
                }
            }

            #[inline(always)]
            fn leaf<S: Simd, const N: usize>(s: S, x: &[S::$v; N], w: &[S::$v; N], q: usize) -> BestRatio<S> {
                BestRatio { num: s.$mul(x[q], x[q]), den: w[q], at: s.$splat(q as $t) }
            }

            #[inline(always)]
            fn pair<S: Simd, const N: usize>(s: S, x: &[S::$v; N], w: &[S::$v; N], q: usize) -> BestRatio<S> {
                leaf(s, x, w, q).or(s, leaf(s, x, w, q + 1))
            }

            #[inline(always)]
            fn quad<S: Simd, const N: usize>(s: S, x: &[S::$v; N], w: &[S::$v; N], q: usize) -> BestRatio<S> {
                pair(s, x, w, q).or(s, pair(s, x, w, q + 2))
            }

            impl PanelScalar for $t {
                fn simd_abs_argmax(x: &[$t]) -> usize {
                    struct Op<'a>(&'a [$t]);
                    impl Op<'_> {
                        #[inline(always)]
                        fn run<S: Simd, const N: usize>(self, s: S) -> usize {
                            let x = pulp::as_arrays::<N, _>(S::$as_simd(self.0).0).0;
                            let mut best = Best::<S>::new(s);
                            for (p, x) in x.iter().enumerate() {
                                best.see(s, p, x);
                            }
                            best.find(s, x)
                        }
                    }
                    impl WithSimd for Op<'_> {
                        type Output = usize;
                        #[inline(always)]
                        fn with_simd<S: Simd>(self, s: S) -> usize {
                            match PANEL / S::$lanes {
                                2 => self.run::<S, 2>(s),
                                4 => self.run::<S, 4>(s),
                                8 => self.run::<S, 8>(s),
                                16 => self.run::<S, 16>(s),
                                _ => self.run::<S, 32>(s),
                            }
                        }
                    }
                    Arch::new().dispatch(Op(x))
                }

                fn simd_ratio_argmax(x: &[$t], w: &[$t]) -> usize {
                    struct Op<'a>(&'a [$t], &'a [$t]);
                    impl Op<'_> {
                        #[inline(always)]
                        fn run<S: Simd, const N: usize>(self, s: S) -> usize {
                            let x = pulp::as_arrays::<N, _>(S::$as_simd(self.0).0).0;
                            let w = pulp::as_arrays::<N, _>(S::$as_simd(self.1).0).0;
                            let mut best = BestRatio::<S>::new(s);
                            for (p, (x, w)) in x.iter().zip(w).enumerate() {
                                best = best.see(s, p, x, w);
                            }
                            best.find(s)
                        }
                    }
                    impl WithSimd for Op<'_> {
                        type Output = usize;
                        #[inline(always)]
                        fn with_simd<S: Simd>(self, s: S) -> usize {
                            match PANEL / S::$lanes {
                                2 => self.run::<S, 2>(s),
                                4 => self.run::<S, 4>(s),
                                8 => self.run::<S, 8>(s),
                                16 => self.run::<S, 16>(s),
                                _ => self.run::<S, 32>(s),
                            }
                        }
                    }
                    Arch::new().dispatch(Op(x, w))
                }

                fn simd_append(
                    columns: &mut [$t],
                    capacity: usize,
                    g: &[$t],
                    coef: &[$t],
                    scale_step: [$t; 2],
                    x: &mut [$t],
                ) -> usize {
                    struct Op<'a>(&'a mut [$t], usize, &'a [$t], &'a [$t], [$t; 2], &'a mut [$t]);
                    impl Op<'_> {
                        #[inline(always)]
                        fn run<S: Simd, const N: usize>(self, s: S) -> usize {
                            let Op(columns, capacity, g, coef, [scale, step], x) = self;
                            let columns = pulp::as_arrays_mut::<N, _>(S::$as_mut_simd(columns).0).0;
                            let g = pulp::as_arrays::<N, _>(S::$as_simd(g).0).0;
                            let x = pulp::as_arrays_mut::<N, _>(S::$as_mut_simd(x).0).0;
                            let (scale, minus_step) = (s.$splat(scale), s.$splat(-step));
                            let mut best = Best::<S>::new(s);
                            let panels = columns.chunks_exact_mut(capacity).zip(g).zip(x.iter_mut());
                            for (p, ((columns, g), x)) in panels.enumerate() {
                                let (old, new) = columns.split_at_mut(coef.len());
                                let mut acc = *g;
                                for (&c, column) in coef.iter().zip(old.iter()) {
                                    let minus_c = s.$splat(-c);
                                    for q in 0..N {
                                        acc[q] = s.$fma(minus_c, column[q], acc[q]);
                                    }
                                }
                                for q in 0..N {
                                    acc[q] = s.$mul(acc[q], scale);
                                    x[q] = s.$fma(minus_step, acc[q], x[q]);
                                }
                                new[0] = acc;
                                best.see(s, p, x);
                            }
                            best.find(s, x)
                        }
                    }
                    impl WithSimd for Op<'_> {
                        type Output = usize;
                        #[inline(always)]
                        fn with_simd<S: Simd>(self, s: S) -> usize {
                            match PANEL / S::$lanes {
                                2 => self.run::<S, 2>(s),
                                4 => self.run::<S, 4>(s),
                                8 => self.run::<S, 8>(s),
                                16 => self.run::<S, 16>(s),
                                _ => self.run::<S, 32>(s),
                            }
                        }
                    }
                    Arch::new().dispatch(Op(columns, capacity, g, coef, scale_step, x))
                }

                fn simd_combine(
                    columns: &[$t],
                    capacity: usize,
                    base: Option<&[$t]>,
                    index: &[u32],
                    coef: &[$t],
                    out: &mut [$t],
                ) {
                    struct Op<'a>(&'a [$t], usize, Option<&'a [$t]>, (&'a [u32], &'a [$t]), &'a mut [$t]);
                    impl Op<'_> {
                        #[inline(always)]
                        fn run<S: Simd, const N: usize>(self, s: S) {
                            let Op(columns, capacity, base, (index, coef), out) = self;
                            let columns = pulp::as_arrays::<N, _>(S::$as_simd(columns).0).0;
                            let base = base.map(|base| pulp::as_arrays::<N, _>(S::$as_simd(base).0).0);
                            let out = pulp::as_arrays_mut::<N, _>(S::$as_mut_simd(out).0).0;
                            let panels = columns.chunks_exact(capacity.max(1)).zip(out);
                            for (p, (columns, out)) in panels.enumerate() {
                                let mut acc = match base {
                                    Some(base) => base[p],
                                    None => [s.$splat(0.0); N],
                                };
                                for (&j, &c) in index.iter().zip(coef) {
                                    let (c, column) = (s.$splat(c), &columns[j as usize]);
                                    for q in 0..N {
                                        acc[q] = s.$fma(c, column[q], acc[q]);
                                    }
                                }
                                *out = acc;
                            }
                        }
                    }
                    impl WithSimd for Op<'_> {
                        type Output = ();
                        #[inline(always)]
                        fn with_simd<S: Simd>(self, s: S) {
                            match PANEL / S::$lanes {
                                2 => self.run::<S, 2>(s),
                                4 => self.run::<S, 4>(s),
                                8 => self.run::<S, 8>(s),
                                16 => self.run::<S, 16>(s),
                                _ => self.run::<S, 32>(s),
                            }
                        }
                    }
                    Arch::new().dispatch(Op(columns, capacity, base, (index, coef), out));
                }

                fn simd_append_weighted(
                    columns: &mut [$t],
                    capacity: usize,
                    g: &[$t],
                    coef: &[$t],
                    scale_step: [$t; 2],
                    x: &mut [$t],
                    w: &mut [$t],
                    floor: &[$t],
                ) -> usize {
                    struct Op<'a>(
                        (&'a mut [$t], usize, &'a [$t], &'a [$t], [$t; 2]),
                        (&'a mut [$t], &'a mut [$t], &'a [$t]),
                    );
                    impl Op<'_> {
                        #[inline(always)]
                        fn run<S: Simd, const N: usize>(self, s: S) -> usize {
                            let Op((columns, capacity, g, coef, [scale, step]), (x, w, floor)) = self;
                            let columns = pulp::as_arrays_mut::<N, _>(S::$as_mut_simd(columns).0).0;
                            let g = pulp::as_arrays::<N, _>(S::$as_simd(g).0).0;
                            let x = pulp::as_arrays_mut::<N, _>(S::$as_mut_simd(x).0).0;
                            let w = pulp::as_arrays_mut::<N, _>(S::$as_mut_simd(w).0).0;
                            let floor = pulp::as_arrays::<N, _>(S::$as_simd(floor).0).0;
                            let (scale, minus_step) = (s.$splat(scale), s.$splat(-step));
                            let infinity = s.$splat($t::INFINITY);
                            let mut best = BestRatio::<S>::new(s);
                            let panels = columns.chunks_exact_mut(capacity).zip(g).zip(x).zip(w).zip(floor);
                            for (p, ((((columns, g), x), w), floor)) in panels.enumerate() {
                                let (old, new) = columns.split_at_mut(coef.len());
                                let mut acc = *g;
                                for (&c, column) in coef.iter().zip(old.iter()) {
                                    let minus_c = s.$splat(-c);
                                    for q in 0..N {
                                        acc[q] = s.$fma(minus_c, column[q], acc[q]);
                                    }
                                }
                                for q in 0..N {
                                    acc[q] = s.$mul(acc[q], scale);
                                    x[q] = s.$fma(minus_step, acc[q], x[q]);
                                    let left = s.$sub(w[q], s.$mul(acc[q], acc[q]));
                                    w[q] = s.$select(s.$gt(left, floor[q]), left, infinity);
                                }
                                new[0] = acc;
                                best = best.see(s, p, x, w);
                            }
                            best.find(s)
                        }
                    }
                    impl WithSimd for Op<'_> {
                        type Output = usize;
                        #[inline(always)]
                        fn with_simd<S: Simd>(self, s: S) -> usize {
                            match PANEL / S::$lanes {
                                2 => self.run::<S, 2>(s),
                                4 => self.run::<S, 4>(s),
                                8 => self.run::<S, 8>(s),
                                16 => self.run::<S, 16>(s),
                                _ => self.run::<S, 32>(s),
                            }
                        }
                    }
                    Arch::new().dispatch(Op((columns, capacity, g, coef, scale_step), (x, w, floor)))
                }
            }
        }
    };
}

panel_scalar!(
    single,
    f32,
    f32s,
    F32_LANES,
    as_simd_f32s,
    as_mut_simd_f32s,
    splat_f32s,
    mul_add_f32s,
    mul_f32s,
    div_f32s,
    add_f32s,
    sub_f32s,
    max_f32s,
    greater_than_f32s,
    equal_f32s,
    select_f32s,
    first_true_m32s,
    reduce_max_f32s,
    reduce_min_f32s
);
panel_scalar!(
    double,
    f64,
    f64s,
    F64_LANES,
    as_simd_f64s,
    as_mut_simd_f64s,
    splat_f64s,
    mul_add_f64s,
    mul_f64s,
    div_f64s,
    add_f64s,
    sub_f64s,
    max_f64s,
    greater_than_f64s,
    equal_f64s,
    select_f64s,
    first_true_m64s,
    reduce_max_f64s,
    reduce_min_f64s
);
