//! The kernels of greedy selection (matching pursuit): update correlations and find the largest in one pass over
//! *panels* of [`PANEL`] entries.
//!
//! Greedy selection spends its time in short vectors that sit in the first-level cache, where every extra pass
//! costs as much as the arithmetic. All vectors here have a length that is a multiple of [`PANEL`] (pad with
//! zeros: a zero never wins), and a set of columns is stored panel by panel, so that one sweep reads each cache
//! line once. Ties go to the lowest index. The SIMD width is chosen at run time and does not change the result
//! of a maximum.

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
    T::simd_abs_argmax(x)
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
    T::simd_ratio_argmax(x, w)
}

/// A growing set of columns of one length, stored panel by panel: entry `i` of column `j` lies at
/// `(i / PANEL · capacity + j)·PANEL + i % PANEL`.
#[derive(Debug, Clone)]
pub struct PanelColumns<T> {
    data: Vec<T>,
    len: usize,
    capacity: usize,
}

impl<T: Scalar> PanelColumns<T> {
    /// Room for `capacity` columns of length `len`, all zero.
    ///
    /// # Panics
    /// If `len` is not a multiple of [`PANEL`].
    #[must_use]
    pub fn new(len: usize, capacity: usize) -> Self {
        check::dim("PanelColumns length", padded(len), len);
        Self { data: vec![T::zero(); len * capacity], len, capacity }
    }

    /// A full set of the given columns.
    ///
    /// # Panics
    /// If `len` is not a multiple of [`PANEL`] or a column has another length.
    #[must_use]
    pub fn from_columns<C: AsRef<[T]>>(len: usize, columns: &[C]) -> Self {
        let mut this = Self::new(len, columns.len());
        for (j, column) in columns.iter().map(AsRef::as_ref).enumerate() {
            check::dim("PanelColumns column", len, column.len());
            for (p, part) in column.chunks_exact(PANEL).enumerate() {
                this.data[(p * this.capacity + j) * PANEL..][..PANEL].copy_from_slice(part);
            }
        }
        this
    }

    /// `out ← base + Σ coef[a]·v_j` over the columns `j = index[a]`, from zero without a base. `O(len·coef.len())`,
    /// one pass over `out`.
    ///
    /// # Panics
    /// If a length is wrong or an index is not below the capacity.
    #[track_caller]
    pub fn combine_into(&self, base: Option<&[T]>, index: &[u32], coef: &[T], out: &mut [T]) {
        check::dim("combine_into out", self.len, out.len());
        check::dim("combine_into coef", index.len(), coef.len());
        check::dim("combine_into base", self.len, base.map_or(self.len, <[T]>::len));
        T::simd_combine(&self.data, self.capacity, base, index, coef, out);
    }

    /// The length of a column.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether columns have no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries, in the order stated above.
    pub(super) fn panels(&self) -> &[T] {
        &self.data
    }

    /// How many columns fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Entry `i` of the first `out.len()` columns.
    ///
    /// # Panics
    /// If `i` is not below the length or there are fewer columns.
    #[inline]
    pub fn row_into(&self, i: usize, out: &mut [T]) {
        let start = (i / PANEL) * self.capacity * PANEL + i % PANEL;
        for (o, row) in out.iter_mut().zip(self.data[start..].chunks(PANEL)) {
            *o = row[0];
        }
    }

    /// Appends column `n = coef.len()` as `v = (g − Σ_{j<n} coef[j]·v_j)·scale`, and `x ← x − step·v`.
    ///
    /// With `g` a Gram column, `coef` the row of the Cholesky factor of its pivot and `scale` the inverse pivot,
    /// `v` is the next column of the pivoted Cholesky factor. Returns the first index at which the new `|x|` is
    /// largest. `O(len·n)`, one pass.
    ///
    /// # Panics
    /// If a length differs from the columns', or the set is full.
    #[track_caller]
    pub fn append(&mut self, g: &[T], coef: &[T], scale: T, step: T, x: &mut [T]) -> usize {
        self.check(g, coef, x);
        T::simd_append(&mut self.data, self.capacity, g, coef, [scale, step], x)
    }

    /// As [`append`](Self::append), and `w ← w − v²`, infinite as soon as it falls to `floor` or below.
    ///
    /// Returns the first index at which the new `x²/w` is largest.
    ///
    /// # Panics
    /// If a length differs from the columns', or the set is full.
    #[track_caller]
    pub fn append_weighted(
        &mut self,
        g: &[T],
        coef: &[T],
        scale: T,
        step: T,
        x: &mut [T],
        w: &mut [T],
        floor: &[T],
    ) -> usize {
        self.check(g, coef, x);
        check::dim("append_weighted w", self.len, w.len());
        check::dim("append_weighted floor", self.len, floor.len());
        T::simd_append_weighted(&mut self.data, self.capacity, g, coef, [scale, step], x, w, floor);
        T::simd_ratio_argmax(x, w)
    }

    #[track_caller]
    fn check(&self, g: &[T], coef: &[T], x: &[T]) {
        check::dim("append g", self.len, g.len());
        check::dim("append x", self.len, x.len());
        assert!(coef.len() < self.capacity, "PanelColumns is full: {} columns", self.capacity);
    }
}

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
    );
}

macro_rules! panel_scalar {
    (
        $m:ident, $t:ident, $v:ident, $lanes:ident, $as_simd:ident, $as_mut_simd:ident, $splat:ident, $fma:ident, $mul:ident,
        $sub:ident, $max:ident, $gt:ident, $eq:ident, $select:ident, $first:ident, $reduce_max:ident, $reduce_min:ident
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
                    impl WithSimd for Op<'_> {
                        type Output = usize;
                        #[inline(always)]
                        fn with_simd<S: Simd>(self, s: S) -> usize {
                            // Two independent chains of (numerator, denominator, vector number) hide the latency.
                            let (x, w) = (S::$as_simd(self.0).0, S::$as_simd(self.1).0);
                            let (zero, one) = (s.$splat(0.0), s.$splat(1.0));
                            let (mut num, mut den, mut at) = ([zero; 2], [one; 2], [zero; 2]);
                            let (x2, w2) = (pulp::as_arrays::<2, _>(x).0, pulp::as_arrays::<2, _>(w).0);
                            for (p, (x, w)) in x2.iter().zip(w2).enumerate() {
                                for q in 0..2 {
                                    let sq = s.$mul(x[q], x[q]);
                                    let wins = s.$gt(s.$mul(sq, den[q]), s.$mul(num[q], w[q]));
                                    num[q] = s.$select(wins, sq, num[q]);
                                    den[q] = s.$select(wins, w[q], den[q]);
                                    at[q] = s.$select(wins, s.$splat((2 * p + q) as $t), at[q]);
                                }
                            }
                            let lanes = S::$lanes;
                            let mut best: ($t, $t, usize) = (0.0, 1.0, usize::MAX);
                            for q in 0..2 {
                                let (num, den, at): (&[$t], &[$t], &[$t]) = (
                                    bytes_of(core::slice::from_ref(&num[q])),
                                    bytes_of(core::slice::from_ref(&den[q])),
                                    bytes_of(core::slice::from_ref(&at[q])),
                                );
                                for lane in 0..lanes {
                                    let index = at[lane] as usize * lanes + lane;
                                    let (a, b) = (num[lane] * best.1, best.0 * den[lane]);
                                    if num[lane] > 0.0 && (a > b || (a == b && index < best.2)) {
                                        best = (num[lane], den[lane], index);
                                    }
                                }
                            }
                            if best.2 == usize::MAX { 0 } else { best.2 }
                        }
                    }
                    #[inline(always)]
                    fn bytes_of<V: Copy + pulp::bytemuck::NoUninit>(v: &[V]) -> &[$t] {
                        pulp::bytemuck::cast_slice(v)
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
                ) {
                    struct Op<'a>(
                        (&'a mut [$t], usize, &'a [$t], &'a [$t], [$t; 2]),
                        (&'a mut [$t], &'a mut [$t], &'a [$t]),
                    );
                    impl Op<'_> {
                        #[inline(always)]
                        fn run<S: Simd, const N: usize>(self, s: S) {
                            let Op((columns, capacity, g, coef, [scale, step]), (x, w, floor)) = self;
                            let columns = pulp::as_arrays_mut::<N, _>(S::$as_mut_simd(columns).0).0;
                            let g = pulp::as_arrays::<N, _>(S::$as_simd(g).0).0;
                            let x = pulp::as_arrays_mut::<N, _>(S::$as_mut_simd(x).0).0;
                            let w = pulp::as_arrays_mut::<N, _>(S::$as_mut_simd(w).0).0;
                            let floor = pulp::as_arrays::<N, _>(S::$as_simd(floor).0).0;
                            let (scale, minus_step) = (s.$splat(scale), s.$splat(-step));
                            let infinity = s.$splat($t::INFINITY);
                            let panels = columns.chunks_exact_mut(capacity).zip(g).zip(x).zip(w).zip(floor);
                            for ((((columns, g), x), w), floor) in panels {
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
                    Arch::new().dispatch(Op((columns, capacity, g, coef, scale_step), (x, w, floor)));
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
    sub_f64s,
    max_f64s,
    greater_than_f64s,
    equal_f64s,
    select_f64s,
    first_true_m64s,
    reduce_max_f64s,
    reduce_min_f64s
);

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
                let floor = vec![T::of(0.5); n];
                let (mut x2, mut slow) = (x.clone(), Vec::<Vec<T>>::new());
                for k in 0..4 {
                    let g: Vec<T> = rng.normals(n);
                    let coef: Vec<T> = rng.normals(k);
                    let (scale, step) = (T::of(0.5), rng.normal());
                    let v: Vec<T> =
                        (0..n).map(|i| (0..k).fold(g[i], |a, j| a - coef[j] * slow[j][i]) * scale).collect();
                    let at = set.append(&g, &coef, scale, step, &mut x);
                    let at2 = weighted.append_weighted(&g, &coef, scale, step, &mut x2, &mut w, &floor);
                    assert_eq!(at, twin(|i| x[i].abs(), n));
                    assert_eq!(at2, twin(|i| x2[i] * x2[i] / w[i], n), "case {case}");
                    let i = rng.below(n);
                    let mut row = vec![T::nan(); k + 1];
                    set.row_into(i, &mut row);
                    slow.push(v);
                    for j in 0..=k {
                        assert!((row[j] - slow[j][i]).abs() < T::of(1e-4));
                    }
                    assert!(w.iter().all(|&w| w > T::of(0.5)));
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
