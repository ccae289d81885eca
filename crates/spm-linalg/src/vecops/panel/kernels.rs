//! The kernels over registers.

use super::PANEL;

/// The SIMD kernels of one scalar type. Implemented for `f32` and `f64`; use the functions of this module.
pub trait PanelScalar: Sized {
    #[doc(hidden)]
    fn simd_argmax(x: &[Self], w: Option<&[Self]>) -> usize;
    #[doc(hidden)]
    fn simd_append(append: Append<'_, Self>) -> usize;
    #[doc(hidden)]
    fn simd_combine(
        columns: &[Self],
        capacity: usize,
        base: Option<&[Self]>,
        index: &[u32],
        coef: &[Self],
        out: &mut [Self],
    );
}

/// `v = g − Σ coef[j]·v_j` becomes the next column, and `x ← x − step·v`.
#[doc(hidden)]
#[derive(Debug)]
pub struct Append<'a, T> {
    pub columns: &'a mut [T],
    pub capacity: usize,
    pub g: &'a [T],
    pub coef: &'a [T],
    pub step: T,
    pub x: &'a mut [T],
    pub weights: Option<Weights<'a, T>>,
}

/// Weights to update along with a new column `v`: `w ← max(w − inverse·v², floor)`, an infinite `w` stays.
#[derive(Debug)]
pub struct Weights<'a, T> {
    /// The weights, as many as a column has entries.
    pub w: &'a mut [T],
    /// What `v²` is multiplied by.
    pub inverse: T,
    /// The least weight, above 0.
    pub floor: T,
}

macro_rules! panel_scalar {
    (
        $m:ident, $t:ident, $v:ident, $lanes:ident, $as_simd:ident, $as_mut_simd:ident, $splat:ident, $fma:ident,
        $mul:ident, $div:ident, $add:ident, $sub:ident, $max:ident, $gt:ident, $eq:ident, $select:ident, $reduce_max:ident,
        $reduce_min:ident
    ) => {
        mod $m {
            use pulp::{Arch, Simd, WithSimd};

            use super::{Append, PANEL, PanelScalar, Weights};

            /// The places of the lanes of a register.
            const LANES: [$t; PANEL] = {
                let mut lanes = [0.0; PANEL];
                let mut i = 0;
                while i < PANEL {
                    lanes[i] = i as $t;
                    i += 1;
                }
                lanes
            };

            /// A computation over panels of `N` registers.
            trait Run {
                type Output;
                fn run<S: Simd, const N: usize>(self, s: S) -> Self::Output;
            }

            /// Runs it with the registers of the machine.
            struct Panels<R>(R);

            impl<R: Run> WithSimd for Panels<R> {
                type Output = R::Output;
                #[inline(always)]
                fn with_simd<S: Simd>(self, s: S) -> R::Output {
                    match PANEL / S::$lanes {
                        2 => self.0.run::<S, 2>(s),
                        4 => self.0.run::<S, 4>(s),
                        8 => self.0.run::<S, 8>(s),
                        16 => self.0.run::<S, 16>(s),
                        _ => self.0.run::<S, 32>(s),
                    }
                }
            }

            #[inline(always)]
            fn panels<S: Simd, const N: usize>(x: &[$t]) -> &[[S::$v; N]] {
                pulp::as_arrays(S::$as_simd(x).0).0
            }

            #[inline(always)]
            fn panels_mut<S: Simd, const N: usize>(x: &mut [$t]) -> &mut [[S::$v; N]] {
                pulp::as_arrays_mut(S::$as_mut_simd(x).0).0
            }

            /// Per lane, the best score so far and the first register that holds it. The score is `num`, or `num/den` if it is `RATIO`.
            struct Best<S: Simd, const RATIO: bool> {
                num: S::$v,
                den: S::$v,
                at: S::$v,
            }

            impl<S: Simd, const RATIO: bool> Best<S, RATIO> {
                #[inline(always)]
                fn none(s: S) -> Self {
                    Self { num: s.$splat(0.0), den: s.$splat(1.0), at: s.$splat(0.0) }
                }

                /// The score of register `q` of a panel: `|x|` (the backend's own is not inlined), or `x²/w`.
                #[inline(always)]
                fn of(s: S, x: S::$v, w: S::$v, q: usize) -> Self {
                    let num = if RATIO { s.$mul(x, x) } else { s.$max(x, s.$sub(s.$splat(0.0), x)) };
                    Self { num, den: w, at: s.$splat(q as $t) }
                }

                /// The better of two, the first if they are equal. Fractions are compared without a division.
                #[inline(always)]
                fn or(self, s: S, other: Self) -> Self {
                    let wins = if RATIO {
                        s.$gt(s.$mul(other.num, self.den), s.$mul(self.num, other.den))
                    } else {
                        s.$gt(other.num, self.num)
                    };
                    Self {
                        num: s.$select(wins, other.num, self.num),
                        den: if RATIO { s.$select(wins, other.den, self.den) } else { self.den },
                        at: s.$select(wins, other.at, self.at),
                    }
                }

                /// The first place of the best score, 0 if none is above 0.
                #[inline(always)]
                fn place(self, s: S) -> usize {
                    let score = if RATIO { s.$div(self.num, self.den) } else { self.num };
                    let best = s.$reduce_max(score);
                    let place = s.$fma(self.at, s.$splat(S::$lanes as $t), S::$as_simd(&LANES).0[0]);
                    let hit = s.$eq(score, s.$splat(best));
                    let first = s.$reduce_min(s.$select(hit, place, s.$splat($t::INFINITY)));
                    if best > 0.0 { first as i32 as usize } else { 0 }
                }
            }

            /// The best of the registers of panel after panel. Registers are compared in pairs first, which keeps the chains of
            /// dependent operations short.
            struct Search<S: Simd, const RATIO: bool> {
                best: Best<S, RATIO>,
                seen: S::$v,
            }

            impl<S: Simd, const RATIO: bool> Search<S, RATIO> {
                #[inline(always)]
                fn new(s: S) -> Self {
                    Self { best: Best::none(s), seen: s.$splat(0.0) }
                }

                #[inline(always)]
                fn panel<const N: usize>(&mut self, s: S, mut scored: impl Scored<S, RATIO>) {
                    let mut here = scored.score(s, 0).or(s, scored.score(s, 1));
                    for q in (2..N).step_by(2) {
                        here = here.or(s, scored.score(s, q).or(s, scored.score(s, q + 1)));
                    }
                    here.at = s.$add(here.at, self.seen);
                    self.seen = s.$add(self.seen, s.$splat(N as $t));
                    let best = core::mem::replace(&mut self.best, Best::none(s));
                    self.best = best.or(s, here);
                }
            }

            /// A panel whose registers are scored one by one.
            trait Scored<S: Simd, const RATIO: bool> {
                fn score(&mut self, s: S, q: usize) -> Best<S, RATIO>;
            }

            struct AsIs<'a, S: Simd, const N: usize> {
                x: &'a [S::$v; N],
                w: &'a [S::$v; N],
            }

            impl<S: Simd, const N: usize, const RATIO: bool> Scored<S, RATIO> for AsIs<'_, S, N> {
                #[inline(always)]
                fn score(&mut self, s: S, q: usize) -> Best<S, RATIO> {
                    Best::of(s, self.x[q], self.w[q], q)
                }
            }

            /// A panel of `x` and `w` on which a new column acts.
            struct Updated<'a, S: Simd, const N: usize> {
                v: [S::$v; N],
                minus_step: S::$v,
                x: &'a mut [S::$v; N],
                minus_inverse: S::$v,
                floor: S::$v,
                w: &'a mut [S::$v; N],
            }

            impl<S: Simd, const N: usize, const RATIO: bool> Scored<S, RATIO> for Updated<'_, S, N> {
                #[inline(always)]
                fn score(&mut self, s: S, q: usize) -> Best<S, RATIO> {
                    let v = self.v[q];
                    let x = s.$fma(self.minus_step, v, self.x[q]);
                    self.x[q] = x;
                    let mut w = self.floor;
                    if RATIO {
                        w = s.$max(s.$fma(s.$mul(self.minus_inverse, v), v, self.w[q]), w);
                        self.w[q] = w;
                    }
                    Best::of(s, x, w, q)
                }
            }

            struct Argmax<'a, const RATIO: bool>(&'a [$t], &'a [$t]);

            impl<const RATIO: bool> Run for Argmax<'_, RATIO> {
                type Output = usize;
                #[inline(always)]
                fn run<S: Simd, const N: usize>(self, s: S) -> usize {
                    let mut search = Search::<S, RATIO>::new(s);
                    for (x, w) in panels::<S, N>(self.0).iter().zip(panels::<S, N>(self.1)) {
                        search.panel::<N>(s, AsIs { x, w });
                    }
                    search.best.place(s)
                }
            }

            struct Appended<'a, const RATIO: bool>(Append<'a, $t>);

            impl<const RATIO: bool> Run for Appended<'_, RATIO> {
                type Output = usize;
                #[inline(always)]
                fn run<S: Simd, const N: usize>(self, s: S) -> usize {
                    let Append { columns, capacity, g, coef, step, x, weights } = self.0;
                    let columns = panels_mut::<S, N>(columns);
                    let (g, x) = (panels::<S, N>(g), panels_mut::<S, N>(x));
                    let mut unweighted = [s.$splat(1.0); N];
                    let Weights { w, inverse, floor } =
                        weights.unwrap_or(Weights { w: &mut [], inverse: 0.0, floor: 1.0 });
                    let w = panels_mut::<S, N>(w);
                    let (minus_step, minus_inverse, floor) =
                        (s.$splat(-step), s.$splat(-inverse), s.$splat(floor));
                    let mut search = Search::<S, RATIO>::new(s);
                    for (p, (g, x)) in g.iter().zip(x).enumerate() {
                        let (old, new) = columns[p * capacity..(p + 1) * capacity].split_at_mut(coef.len());
                        let mut v = *g;
                        for (&c, column) in coef.iter().zip(&*old) {
                            let minus_c = s.$splat(-c);
                            for q in 0..N {
                                v[q] = s.$fma(minus_c, column[q], v[q]);
                            }
                        }
                        new[0] = v;
                        let w = if RATIO { &mut w[p] } else { &mut unweighted };
                        search.panel::<N>(s, Updated { v, minus_step, x, minus_inverse, floor, w });
                    }
                    search.best.place(s)
                }
            }

            struct Combine<'a>(&'a [$t], usize, Option<&'a [$t]>, (&'a [u32], &'a [$t]), &'a mut [$t]);

            impl Run for Combine<'_> {
                type Output = ();
                #[inline(always)]
                fn run<S: Simd, const N: usize>(self, s: S) {
                    let Self(columns, capacity, base, (index, coef), out) = self;
                    let base = base.map(panels::<S, N>);
                    let columns = panels::<S, N>(columns).chunks_exact(capacity.max(1));
                    for (p, (columns, out)) in columns.zip(panels_mut::<S, N>(out)).enumerate() {
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

            impl PanelScalar for $t {
                fn simd_argmax(x: &[$t], w: Option<&[$t]>) -> usize {
                    match w {
                        None => Arch::new().dispatch(Panels(Argmax::<false>(x, x))),
                        Some(w) => Arch::new().dispatch(Panels(Argmax::<true>(x, w))),
                    }
                }

                fn simd_append(append: Append<'_, $t>) -> usize {
                    if append.weights.is_none() {
                        Arch::new().dispatch(Panels(Appended::<false>(append)))
                    } else {
                        Arch::new().dispatch(Panels(Appended::<true>(append)))
                    }
                }

                fn simd_combine(
                    columns: &[$t],
                    capacity: usize,
                    base: Option<&[$t]>,
                    index: &[u32],
                    coef: &[$t],
                    out: &mut [$t],
                ) {
                    Arch::new().dispatch(Panels(Combine(columns, capacity, base, (index, coef), out)));
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
    reduce_max_f64s,
    reduce_min_f64s
);
