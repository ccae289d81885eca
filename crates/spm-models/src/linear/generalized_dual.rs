//! The certificate of a generalized Lasso for any `X` and any `D`, and the exact solution on a pattern.

use spm_linalg::factor::{Cholesky, ColPivQr, SelfAdjointEvd, gram_into};
use spm_linalg::{Dense, LinearOperator, Scalar, Workspace, vecops};
use spm_solvers::Certificate;

use crate::ModelError;

/// `min c/2 ‖y − X w‖² + alpha ‖D w‖₁`.
///
/// The dual is `max c (yᵀθ − ½‖θ‖²)` subject to `c Xᵀθ = Dᵀu`, `|u| <= alpha`. A residual becomes feasible in three steps:
/// it is projected off `X N` (`N` spans the null space of `D`), so that `c Xᵀθ` is in the range of `Dᵀ`; `u` is corrected by the
/// basic solution of what is missing from `Dᵀu = c Xᵀθ`; both are scaled back until `|u| <= alpha`.
#[derive(Debug)]
pub(super) struct GeneralizedDual<'a, T: Scalar> {
    x: Dense<'a, T>,
    y: &'a [T],
    c: T,
    alpha: T,
    d: Dense<'a, T>,
    /// Factors of `Dᵀ`.
    transposed: ColPivQr<T>,
    /// `X N`, column by column, and its factors.
    free: Vec<T>,
    free_qr: Option<ColPivQr<T>>,
}

/// A basis of the vectors that `rows` (m × p, column by column) maps to zero, p × q, column by column.
pub(super) fn null_space<T: Scalar>(rows: &[T], m: usize, p: usize) -> Result<Vec<T>, ModelError> {
    let mut gram = vec![T::zero(); p * p];
    if m > 0 {
        gram_into(Dense::from_column_major(rows, m, p)?.as_faer(), &mut gram)?;
    }
    let evd = SelfAdjointEvd::from_column_major(&gram, p)?;
    let largest = evd.values()[p - 1];
    // A Gram matrix knows singular values down to the root of rounding.
    let bound = largest * T::epsilon() * T::of_usize(p) * T::of(4.0);
    let q = evd.values().iter().take_while(|&&v| v <= bound).count();
    Ok((0..q).flat_map(|j| evd.vector(j).to_vec()).collect())
}

impl<'a, T: Scalar> GeneralizedDual<'a, T> {
    /// `rows` is `D`, column by column, `null` a basis of its null space.
    pub(super) fn new(
        x: Dense<'a, T>,
        y: &'a [T],
        c: T,
        alpha: T,
        d: Dense<'a, T>,
        rows: &[T],
        null: &[T],
    ) -> Result<Self, ModelError> {
        let (n, p, m) = (x.nrows(), x.ncols(), d.nrows());
        let mut transposed = vec![T::zero(); p * m];
        for j in 0..p {
            for i in 0..m {
                transposed[i * p + j] = rows[j * m + i];
            }
        }
        let transposed = ColPivQr::from_column_major(&transposed, p, m)?;
        let q = null.len() / p;
        let mut free = vec![T::zero(); n * q];
        let mut ws = Workspace::new(x.scratch());
        for (v, out) in null.chunks_exact(p).zip(free.chunks_exact_mut(n)) {
            x.apply(v, out, ws.stack());
        }
        let free_qr = if q == 0 { None } else { Some(ColPivQr::from_column_major(&free, n, q)?) };
        Ok(Self { x, y, c, alpha, d, transposed, free, free_qr })
    }

    pub(super) fn residual(&self, w: &[T]) -> Vec<T> {
        let mut fit = vec![T::zero(); self.x.nrows()];
        self.x.apply(w, &mut fit, Workspace::new(self.x.scratch()).stack());
        self.y.iter().zip(&fit).map(|(&y, &f)| y - f).collect()
    }

    /// The certificate at `w` with `z` in the place of `D w`, from the dual candidate `u`, which is corrected in place.
    pub(super) fn certificate(&mut self, w: &[T], z: &[T], u: &mut [T]) -> Certificate<T> {
        let (p, m) = (self.x.ncols(), self.d.nrows());
        let mut theta = self.residual(w);
        let half = T::of(0.5);
        let primal = half * self.c * vecops::sq_norm(&theta) + self.alpha * vecops::norm_1(z);
        if let Some(qr) = &mut self.free_qr {
            let mut fit = vec![T::zero(); self.free.len() / theta.len()];
            for _ in 0..2 {
                qr.least_squares_into(&theta, &mut fit);
                for (column, &f) in self.free.chunks_exact(self.y.len()).zip(&fit) {
                    vecops::axpy(-f, column, &mut theta);
                }
            }
        }
        let mut pull = vec![T::zero(); p];
        self.x.apply_adjoint(&theta, &mut pull, Workspace::new(self.x.scratch()).stack());
        vecops::scale(self.c, &mut pull);
        let (mut missing, mut correction) = (vec![T::zero(); p], vec![T::zero(); m]);
        // The second round removes the rounding of the first.
        for _ in 0..2 {
            self.d.apply_adjoint(u, &mut missing, Workspace::new(self.d.scratch()).stack());
            for (o, &v) in missing.iter_mut().zip(&pull) {
                *o = v - *o;
            }
            self.transposed.least_squares_into(&missing, &mut correction);
            vecops::axpy(T::one(), &correction, u);
        }
        let largest = vecops::norm_inf(u);
        let (along, square) = (vecops::dot(self.y, &theta), vecops::sq_norm(&theta));
        let mut s = if square > T::zero() { (along / square).max(T::zero()) } else { T::one() };
        if largest > T::zero() {
            s = s.min(self.alpha / largest);
        }
        Certificate::new(primal, self.c * s * (along - half * s * square))
    }

    /// The minimiser with `(D w)_i = 0` where `z_i = 0` and the signs of `z` elsewhere; `None` if it is not unique.
    pub(super) fn on_pattern(&self, rows: &[T], z: &[T]) -> Result<Option<Vec<T>>, ModelError> {
        let (n, p, m) = (self.x.nrows(), self.x.ncols(), self.d.nrows());
        let fixed: Vec<usize> = (0..m).filter(|&i| z[i] == T::zero()).collect();
        let mut held = vec![T::zero(); fixed.len() * p];
        for j in 0..p {
            for (k, &i) in fixed.iter().enumerate() {
                held[j * fixed.len() + k] = rows[j * m + i];
            }
        }
        let basis = null_space(&held, fixed.len(), p)?;
        let q = basis.len() / p;
        if q == 0 {
            return Ok(Some(vec![T::zero(); p]));
        }
        if q > n {
            return Ok(None);
        }
        let mut image = vec![T::zero(); n * q];
        let mut ws = Workspace::new(self.x.scratch());
        for (v, out) in basis.chunks_exact(p).zip(image.chunks_exact_mut(n)) {
            self.x.apply(v, out, ws.stack());
        }
        // Right-hand side: c BᵀXᵀy − alpha Bᵀ Dᵀ sign(z).
        let signs: Vec<T> = z.iter().map(|v| if *v == T::zero() { T::zero() } else { v.signum() }).collect();
        let mut slope = vec![T::zero(); p];
        self.d.apply_adjoint(&signs, &mut slope, Workspace::new(self.d.scratch()).stack());
        let mut target: Vec<T> = (0..q)
            .map(|k| {
                self.c * vecops::dot(&image[k * n..(k + 1) * n], self.y)
                    - self.alpha * vecops::dot(&basis[k * p..(k + 1) * p], &slope)
            })
            .collect();
        let mut gram = vec![T::zero(); q * q];
        gram_into(Dense::from_column_major(&image, n, q)?.as_faer(), &mut gram)?;
        vecops::scale(self.c, &mut gram);
        let Ok(factor) = Cholesky::from_column_major(&gram, q) else { return Ok(None) };
        let right = target.clone();
        factor.solve_in_place(&mut target);
        // Once more for what rounding left.
        let mut left = right;
        for (k, column) in gram.chunks_exact(q).enumerate() {
            vecops::axpy(-target[k], column, &mut left);
        }
        factor.solve_in_place(&mut left);
        vecops::axpy(T::one(), &left, &mut target);
        let mut w = vec![T::zero(); p];
        for (v, &b) in basis.chunks_exact(p).zip(&target) {
            vecops::axpy(b, v, &mut w);
        }
        Ok(Some(w))
    }
}
