//! A lower bound of the optimum from an exactly feasible dual point.

use spm_linalg::factor::ColPivQr;
use spm_linalg::{DesignMatrix, GroupProx, LinalgError, MemStack, Scalar, vecops};

/// The best dual value found so far for `c/2 ‖Y − XW‖² + g(W)` with a positively homogeneous `g`.
///
/// The dual is `max_Θ c (⟨Y, Θ⟩ − ½‖Θ‖²)` over the `Θ` at which the polar of `g` at `c XᵀΘ` is at most 1. The candidate
/// is the residual, projected off the columns of the blocks that `g` does not penalise, times the best factor that
/// the polar allows.
#[derive(Debug)]
pub(super) struct DualBound<T: Scalar> {
    targets: usize,
    /// Positions without penalty.
    free: Vec<usize>,
    /// Their columns, and the factored matrix of them.
    columns: Vec<T>,
    qr: Option<ColPivQr<T>>,
    fit: Vec<T>,
    theta: Vec<T>,
    correlation: Vec<T>,
    best: Option<T>,
}

impl<T: Scalar> DualBound<T> {
    pub(super) fn new<X: DesignMatrix<T>>(
        x: &X,
        g: &impl GroupProx<T>,
        features: &[usize],
        targets: usize,
    ) -> Result<Self, LinalgError> {
        let n = x.nrows();
        let mut free = Vec::new();
        for b in 0..g.n_groups() {
            let range = g.group(b);
            let (ones, mut out) = (vec![T::one(); range.len()], vec![T::zero(); range.len()]);
            if g.prox_group_into(b, &ones, T::one(), &mut out) == T::zero() && out == ones {
                free.extend(range.start / targets..range.end / targets);
            }
        }
        let mut columns = vec![T::zero(); n * free.len()];
        for (column, &k) in columns.chunks_exact_mut(n.max(1)).zip(&free) {
            x.col_axpy(features[k], T::one(), column);
        }
        let qr = match free[..] {
            [] => None,
            _ => Some(ColPivQr::from_column_major(&columns, n, free.len())?),
        };
        Ok(Self {
            targets,
            fit: vec![T::zero(); free.len()],
            theta: vec![T::zero(); n * targets],
            correlation: vec![T::zero(); features.len() * targets],
            free,
            columns,
            qr,
            best: None,
        })
    }

    /// Writes the least-squares fit of the unpenalised columns alone into `w`.
    pub(super) fn fit_free(&mut self, y: &[T], w: &mut [T]) {
        let (t, n) = (self.targets, self.theta.len() / self.targets);
        let Some(qr) = &mut self.qr else { return };
        for (s, y) in y.chunks_exact(n).enumerate() {
            qr.least_squares_into(y, &mut self.fit);
            for (&k, &f) in self.free.iter().zip(&self.fit) {
                w[k * t + s] = f;
            }
        }
    }

    /// The best bound so far; `None` before the first, or if `g` has no polar.
    pub(super) fn best(&self) -> Option<T> {
        self.best
    }

    /// `c XᵀΘ` of the last candidate, before rescaling.
    pub(super) fn correlation(&self) -> &[T] {
        &self.correlation
    }

    /// Tries the point that belongs to the carried `residual`, `u = c Xᵀ residual`.
    pub(super) fn update<X: DesignMatrix<T>, G: GroupProx<T>>(
        &mut self,
        x: &X,
        g: &G,
        features: &[usize],
        c: T,
        y: &[T],
        residual: &[T],
        u: &[T],
        product: &mut [T],
        stack: &mut MemStack,
    ) {
        let (n, t) = (x.nrows(), self.targets);
        let stride = residual.len() / t;
        for (theta, r) in self.theta.chunks_exact_mut(n).zip(residual.chunks_exact(stride)) {
            theta.copy_from_slice(&r[..n]);
        }
        match &mut self.qr {
            None => self.correlation.copy_from_slice(u),
            Some(qr) => {
                for (s, theta) in self.theta.chunks_exact_mut(n).enumerate() {
                    // The second pass removes the rounding of the first.
                    for _ in 0..2 {
                        qr.least_squares_into(theta, &mut self.fit);
                        for (column, &f) in self.columns.chunks_exact(n).zip(&self.fit) {
                            vecops::axpy(-f, column, theta);
                        }
                    }
                    x.apply_adjoint(theta, product, stack);
                    for (k, &j) in features.iter().enumerate() {
                        self.correlation[k * t + s] = c * product[j];
                    }
                    for &k in &self.free {
                        self.correlation[k * t + s] = T::zero();
                    }
                }
            }
        }
        let (along, square) = (vecops::dot(y, &self.theta), vecops::sq_norm(&self.theta));
        let Some(polar) = g.polar(&self.correlation, stack) else { return };
        // t ⟨y, θ⟩ − t²‖θ‖²/2 is largest at t = ⟨y, θ⟩/‖θ‖²; feasible up to 1/polar.
        let mut scale = if square > T::zero() { along / square } else { T::one() };
        scale = scale.max(T::zero());
        if polar > T::zero() {
            scale = scale.min(polar.recip());
        }
        let value = c * scale * (along - T::of(0.5) * scale * square);
        self.best = Some(self.best.map_or(value, |best| if value > best { value } else { best }));
    }
}
