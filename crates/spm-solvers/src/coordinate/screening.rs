//! Which columns a pass can leave out.

use spm_linalg::{DesignMatrix, Scalar, SeparableProx, vecops};

/// From this many stored entries on a pass is split between threads.
#[cfg(feature = "rayon")]
const PARALLEL: usize = 1 << 18;
/// Columns of one piece of a pass.
#[cfg(feature = "rayon")]
const PIECE: usize = 128;

/// Correlations at an earlier residual, which bound those at the present one.
///
/// `|c x_jᵀr − c x_jᵀr₀| <= c‖x_j‖·‖r − r₀‖`: where the whole interval is in the subdifferential at zero, coordinate `j` is
/// optimal at zero and the dual point feasible there, whatever the correlation is exactly. The bound is rigorous up to
/// rounding, for which the radius has room. Checking costs O(n + p).
#[derive(Debug)]
pub(super) struct Screening<T> {
    /// `‖x_j‖`.
    norm: Vec<T>,
    /// `r₀`, and whether there is one.
    residual: Vec<T>,
    known: bool,
    /// `c Xᵀr₀`.
    correlation: Vec<T>,
    /// The columns to look at.
    open: Vec<usize>,
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
        }
    }

    /// Makes `r` and `u = c Xᵀr` the reference.
    pub(super) fn refer_to(&mut self, r: &[T], u: &[T]) {
        self.residual.copy_from_slice(r);
        self.correlation.copy_from_slice(u);
        self.known = true;
    }

    /// Computes `u_j = c x_jᵀr` where it can matter and leaves it at the reference elsewhere; false, and nothing
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
        let rounding = T::of(100.0) * T::epsilon() * vecops::norm(r);
        let radius = c * (vecops::sq_dist(r, &self.residual).sqrt() * T::of(1.0 + 1e-6) + rounding);
        self.open.clear();
        let most = w.len() / 2;
        for j in 0..w.len() {
            let (at, far) = (self.correlation[j], radius * self.norm[j]);
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
        u.copy_from_slice(&self.correlation);
        for &j in &self.open {
            u[j] = c * x.carried_dot(j, carried);
        }
        true
    }
}

/// `u ← c Xᵀr` for a carried `r`, settled; on several threads if `X` is large: each column on its own, the same bits for any
/// number of them.
pub(super) fn correlations<T: Scalar, X: DesignMatrix<T>>(x: &X, c: T, r: &[T], u: &mut [T]) {
    #[cfg(feature = "rayon")]
    if x.stored() >= PARALLEL {
        use rayon::prelude::*;
        u.par_chunks_mut(PIECE).enumerate().for_each(|(k, piece)| {
            for (i, v) in piece.iter_mut().enumerate() {
                *v = c * x.carried_dot(k * PIECE + i, r);
            }
        });
        return;
    }
    for (j, v) in u.iter_mut().enumerate() {
        *v = c * x.carried_dot(j, r);
    }
}
