//! Which columns a pass can leave out.

use spm_linalg::{DesignMatrix, Scalar, SeparableProx, vecops};

/// From this many stored entries on a pass is split between threads: about a millisecond, so that waking them is little.
#[cfg(feature = "rayon")]
const PARALLEL: usize = 1 << 21;
/// Columns of one piece of a pass.
const PIECE: usize = 128;

/// Correlations at an earlier residual, which bound those at the present one.
///
/// `|c x_jᵀr − t·c x_jᵀr₀| <= c‖x_j‖·‖r − t·r₀‖` for every `t`, the best of which projects `r` on `r₀`: where the whole interval
/// is in the subdifferential at zero, coordinate `j` is optimal at zero and the dual point feasible there, whatever the
/// correlation is exactly. The bound is rigorous up to rounding, for which the radius has room. Checking costs O(n + p).
#[derive(Debug)]
pub(super) struct Screening<T> {
    /// `‖x_j‖`.
    norm: Vec<T>,
    /// `r₀`, and whether there is one.
    residual: Vec<T>,
    known: bool,
    /// `c Xᵀr₀`.
    correlation: Vec<T>,
    /// The columns to look at, and what is found.
    open: Vec<usize>,
    found: Vec<T>,
}

impl<T: Scalar> Screening<T> {
    pub(super) fn new<X: DesignMatrix<T>>(x: &X, n: usize) -> Self {
        let p = x.ncols();
        Self {
            norm: (0..p).map(|j| x.col_sq_norm(j).sqrt()).collect(),
            residual: vec![T::zero(); n],
            known: false,
            correlation: vec![T::zero(); p],
            open: Vec::with_capacity(p),
            found: vec![T::zero(); p],
        }
    }

    /// Makes `r` and `u = c Xᵀr` the reference.
    pub(super) fn refer_to(&mut self, r: &[T], u: &[T]) {
        self.residual.copy_from_slice(r);
        self.correlation.copy_from_slice(u);
        self.known = true;
    }

    /// Computes `u_j = c x_jᵀr` where it can matter and takes the guess from the reference elsewhere; false, and nothing
    /// done, where that would be most columns. `carried` is `r`, settled.
    pub(super) fn update<X: DesignMatrix<T>, G: SeparableProx<T>>(
        &mut self,
        x: &X,
        g: &G,
        c: T,
        w: &[T],
        carried: &[T],
        u: &mut [T],
    ) -> bool {
        let r = &carried[..self.residual.len()];
        if !self.known {
            return false;
        }
        let base = vecops::sq_norm(&self.residual);
        let t = if base > T::zero() { vecops::dot(r, &self.residual) / base } else { T::zero() };
        let off: T = r.iter().zip(&self.residual).map(|(&a, &b)| (a - t * b) * (a - t * b)).sum();
        let rounding = T::of(100.0) * T::epsilon() * (vecops::norm(r) + t.abs() * base.sqrt());
        let radius = c * (off.sqrt() * T::of(1.0 + 1e-6) + rounding);
        self.open.clear();
        let most = w.len() / 2;
        for j in 0..w.len() {
            let (at, far) = (t * self.correlation[j], radius * self.norm[j]);
            // Written so that a NaN keeps the column.
            let shut = w[j] == T::zero()
                && g.subdiff_distance_at(j, T::zero(), -(at - far)) == T::zero()
                && g.subdiff_distance_at(j, T::zero(), -(at + far)) == T::zero();
            if !shut {
                if self.open.len() == most {
                    return false;
                }
                self.open.push(j);
            }
        }
        for (u, &before) in u.iter_mut().zip(&self.correlation) {
            *u = t * before;
        }
        let found = &mut self.found[..self.open.len()];
        x.carried_dots(&self.open, carried, found);
        for (&j, &v) in self.open.iter().zip(&*found) {
            u[j] = c * v;
        }
        true
    }
}

/// `u ← c Xᵀr` for a carried `r`, settled; on several threads if `X` is large: each column on its own, the same bits for any
/// number of them.
pub(super) fn correlations<T: Scalar, X: DesignMatrix<T>>(x: &X, c: T, r: &[T], u: &mut [T]) {
    let piece = |k: usize, out: &mut [T]| {
        let mut columns = [0; PIECE];
        for (i, j) in columns.iter_mut().enumerate() {
            *j = k * PIECE + i;
        }
        x.carried_dots(&columns[..out.len()], r, out);
        vecops::scale(c, out);
    };
    #[cfg(feature = "rayon")]
    if x.stored() >= PARALLEL {
        use rayon::prelude::*;
        u.par_chunks_mut(PIECE).enumerate().for_each(|(k, out)| piece(k, out));
        return;
    }
    u.chunks_mut(PIECE).enumerate().for_each(|(k, out)| piece(k, out));
}
