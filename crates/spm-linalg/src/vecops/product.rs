//! The product of a packed matrix with a block of vectors: all correlations of a greedy pursuit at once.
//!
//! A general matrix product packs its operands anew in every call. Here the matrix is packed once, in panels of [`PANEL`] rows that stay
//! in the first-level cache, and the vectors in tiles of [`TILE`], so that a tile times a panel is one run of fused multiply-adds over
//! registers. Each entry is summed in the order of the columns, whatever else is in the block.

use super::panel::{PANEL, PanelColumns};
use crate::{Scalar, check};

/// Vectors a tile.
pub const TILE: usize = 6;

/// Writes vector `at` of a block of vectors of length `dim` into tiles: entry `f` goes to `(at / TILE·dim + f)·TILE + at % TILE`.
///
/// # Panics
/// If the tiles end before the vector.
#[track_caller]
pub fn pack_vector<T: Scalar>(tiles: &mut [T], at: usize, vector: &[T]) {
    let start = at / TILE * vector.len() * TILE + at % TILE;
    let places = tiles.get_mut(start..).unwrap_or_default().iter_mut().step_by(TILE);
    assert!(places.len() >= vector.len(), "pack_vector: no room for vector {at}");
    for (place, &v) in places.zip(vector) {
        *place = v;
    }
}

/// `out ← A X` for the columns of `A` in `columns` and the `count` vectors packed in `tiles` ([`pack_vector`]), each as long as there
/// are columns; `out` holds `count` vectors of the columns' length. `2·len·capacity·count` operations.
///
/// ```
/// use spm_linalg::vecops::panel::{PANEL, PanelColumns};
/// use spm_linalg::vecops::product::{TILE, pack_vector, product_into};
/// let a = PanelColumns::from_columns(PANEL, &[vec![1.0; PANEL], vec![2.0; PANEL]]);
/// let mut tiles = [0.0; 2 * TILE];
/// pack_vector(&mut tiles, 0, &[3.0, 4.0]);
/// let mut out = [0.0; PANEL];
/// product_into(&a, &tiles, 1, &mut out);
/// assert_eq!(out, [11.0; PANEL]);
/// ```
///
/// # Panics
/// If a length does not fit.
#[track_caller]
pub fn product_into<T: Scalar>(columns: &PanelColumns<T>, tiles: &[T], count: usize, out: &mut [T]) {
    let (len, dim) = (columns.len(), columns.capacity());
    check::dim("product_into out", len * count, out.len());
    check::dim("product_into tiles", count.div_ceil(TILE) * TILE * dim, tiles.len());
    if dim == 0 {
        out.fill(T::zero());
    } else if !out.is_empty() {
        T::simd_product(columns.panels(), dim, tiles, len, out);
    }
}

/// The SIMD kernel of one scalar type. Implemented for `f32` and `f64`; use the functions of this module.
pub trait ProductScalar: Sized {
    #[doc(hidden)]
    fn simd_product(panels: &[Self], dim: usize, tiles: &[Self], len: usize, out: &mut [Self]);
}

macro_rules! product_scalar {
    ($t:ident, $v:ident, $lanes:ident, $as_simd:ident, $as_mut_simd:ident, $splat:ident, $fma:ident) => {
        impl ProductScalar for $t {
            fn simd_product(panels: &[$t], dim: usize, tiles: &[$t], len: usize, out: &mut [$t]) {
                use pulp::{Arch, Simd, WithSimd};

                struct Op<'a>(&'a [$t], usize, &'a [$t], usize, &'a mut [$t]);

                /// `G` registers of a panel at a time; a panel has `N`.
                #[inline(always)]
                fn run<S: Simd, const N: usize, const G: usize>(s: S, op: Op<'_>) {
                    let Op(panels, dim, tiles, len, out) = op;
                    let panels = S::$as_simd(panels).0;
                    let tiles = pulp::as_arrays::<TILE, _>(tiles).0;
                    for (p, panel) in panels.chunks_exact(dim * N).enumerate() {
                        let panel = pulp::as_arrays::<G, _>(panel).0;
                        for (t, tile) in tiles.chunks_exact(dim).enumerate() {
                            for g in 0..N / G {
                                let mut acc = [[s.$splat(0.0); G]; TILE];
                                for (row, y) in panel[g..].iter().step_by(N / G).zip(tile) {
                                    for r in 0..TILE {
                                        let v = s.$splat(y[r]);
                                        for q in 0..G {
                                            acc[r][q] = s.$fma(v, row[q], acc[r][q]);
                                        }
                                    }
                                }
                                for (r, acc) in acc.iter().enumerate() {
                                    let start = (t * TILE + r) * len + p * PANEL + g * G * S::$lanes;
                                    if let Some(out) = out.get_mut(start..start + G * S::$lanes) {
                                        S::$as_mut_simd(out).0.copy_from_slice(acc);
                                    }
                                }
                            }
                        }
                    }
                }

                impl WithSimd for Op<'_> {
                    type Output = ();
                    #[inline(always)]
                    fn with_simd<S: Simd>(self, s: S) {
                        // 6 × 4 accumulators fill 32 registers, 6 × 2 fill 16.
                        match PANEL / S::$lanes {
                            2 => run::<S, 2, 2>(s, self),
                            4 if S::REGISTER_COUNT >= 32 => run::<S, 4, 4>(s, self),
                            4 => run::<S, 4, 2>(s, self),
                            8 => run::<S, 8, 2>(s, self),
                            16 => run::<S, 16, 2>(s, self),
                            _ => run::<S, 32, 2>(s, self),
                        }
                    }
                }
                Arch::new().dispatch(Op(panels, dim, tiles, len, out));
            }
        }
    };
}

product_scalar!(f32, f32s, F32_LANES, as_simd_f32s, as_mut_simd_f32s, splat_f32s, mul_add_f32s);
product_scalar!(f64, f64s, F64_LANES, as_simd_f64s, as_mut_simd_f64s, splat_f64s, mul_add_f64s);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Rng;
    use crate::vecops::panel::padded;

    fn agrees<T: Scalar>() {
        let mut rng = Rng::new(3);
        for (len, dim, count) in [(1, 1, 1), (40, 7, 5), (64, 16, 6), (100, 3, 13), (32, 0, 2), (96, 64, 48)]
        {
            let len = padded(len);
            let columns: Vec<Vec<T>> = (0..dim).map(|_| rng.normals(len)).collect();
            let a = PanelColumns::from_columns(len, &columns);
            let x: Vec<T> = rng.normals(dim * count);
            let mut tiles = vec![T::zero(); count.div_ceil(TILE) * TILE * dim];
            for i in 0..count {
                pack_vector(&mut tiles, i, &x[i * dim..][..dim]);
            }
            let mut out = vec![T::nan(); len * count];
            product_into(&a, &tiles, count, &mut out);
            for i in 0..count {
                for j in 0..len {
                    let want: T = (0..dim).map(|f| columns[f][j] * x[i * dim + f]).sum();
                    assert!((out[i * len + j] - want).abs() < T::of(1e-4));
                }
            }
        }
    }

    #[test]
    fn agrees_with_plain_loops() {
        agrees::<f64>();
        agrees::<f32>();
    }
}
