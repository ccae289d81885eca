//! A lower bound of the optimum from an exactly feasible dual point.

use spm_linalg::{DesignMatrix, MemStack, Scalar, SeparableProx, vecops};

/// The best dual value found so far for `c/2 ‖y − Xw‖² + g(w)`.
///
/// The dual is `max_θ c (yᵀθ − ½‖θ‖²) − g*(c Xᵀθ)`, attained at the residual of a solution. The candidate is
/// `θ = t·r` with the residual `r` projected off the columns that `g` does not penalise (where `g*` is finite at
/// 0 alone) and the best `t` that is feasible: for a positively homogeneous `g` the one that the polar allows,
/// otherwise the best of a few values below 1.
#[derive(Debug)]
pub(super) struct DualBound<T> {
    /// Columns without penalty.
    free: Vec<usize>,
    /// Columns without penalty on one side of zero and with a finite or infinite one on the other.
    one_sided: Vec<usize>,
    /// Orthonormal vectors of length n: those of the free columns first.
    basis: Vec<T>,
    free_rank: usize,
    theta: Vec<T>,
    correlation: Vec<T>,
    scaled: Vec<T>,
    best: Option<T>,
}

impl<T: Scalar> DualBound<T> {
    pub(super) fn new<X: DesignMatrix<T>, G: SeparableProx<T>>(x: &X, g: &G, step_size: &[T]) -> Self {
        let p = x.ncols();
        let mut this = Self {
            free: Vec::new(),
            one_sided: Vec::new(),
            basis: Vec::new(),
            free_rank: 0,
            theta: Vec::new(),
            correlation: vec![T::zero(); p],
            scaled: vec![T::zero(); p],
            best: None,
        };
        this.reset(x, g, step_size);
        this
    }

    /// Starts anew for another penalty.
    pub(super) fn reset<X: DesignMatrix<T>, G: SeparableProx<T>>(&mut self, x: &X, g: &G, step_size: &[T]) {
        let (n, p) = (x.nrows(), x.ncols());
        self.best = None;
        let (mut free, mut one_sided) = (Vec::new(), Vec::new());
        for j in (0..p).filter(|&j| step_size[j] > T::zero()) {
            // Far out: within a bound the conjugate is finite and nothing has to be projected.
            let flat = |v: T| g.value_at(j, T::of(1e15) * v) == T::zero();
            match (flat(T::one()), flat(-T::one())) {
                (true, true) => free.push(j),
                (true, false) | (false, true) => one_sided.push(j),
                (false, false) => {}
            }
        }
        if (&free, &one_sided) == (&self.free, &self.one_sided) {
            return;
        }
        let rank = (free.len() + one_sided.len()).min(n);
        self.basis = Vec::with_capacity(rank * n);
        self.theta = if rank == 0 { Vec::new() } else { vec![T::zero(); n] };
        (self.free, self.one_sided) = (free, one_sided);
        for k in 0..self.free.len() {
            self.orthogonalise(x, self.free[k]);
        }
        self.free_rank = self.rank(n);
    }

    /// Whether the candidate is the residual itself.
    pub(super) fn is_residual(&self) -> bool {
        self.free.is_empty() && self.one_sided.is_empty()
    }

    /// The best bound so far; `None` before the first, or if `g` knows neither polar nor conjugate.
    pub(super) fn best(&self) -> Option<T> {
        self.best
    }

    /// `c Xᵀθ` of the last candidate, before rescaling.
    pub(super) fn correlation(&self) -> &[T] {
        &self.correlation
    }

    /// Tries the point that belongs to the residual `r` of `w`, `u = c Xᵀ r`.
    pub(super) fn update<X: DesignMatrix<T>, G: SeparableProx<T>>(
        &mut self,
        x: &X,
        g: &G,
        c: T,
        y: &[T],
        r: &[T],
        u: &[T],
        w: &[T],
        stack: &mut MemStack,
    ) {
        if self.is_residual() {
            self.correlation.copy_from_slice(u);
            self.consider(g, c, vecops::dot(y, r), vecops::sq_norm(r), stack);
        } else {
            self.project(x, g, c, r, w, stack);
            let (along, square) = (vecops::dot(y, &self.theta), vecops::sq_norm(&self.theta));
            self.consider(g, c, along, square, stack);
        }
    }

    /// `theta ← r` off the unpenalised columns, `correlation ← c Xᵀ theta`.
    fn project<X: DesignMatrix<T>, G: SeparableProx<T>>(
        &mut self,
        x: &X,
        g: &G,
        c: T,
        r: &[T],
        w: &[T],
        stack: &mut MemStack,
    ) {
        let n = r.len();
        self.basis.truncate(self.free_rank * n);
        for k in 0..self.one_sided.len() {
            let j = self.one_sided[k];
            // Unless a bound holds the coordinate on one side.
            let held = |slope: T| g.subdiff_distance_at(j, w[j], slope) == T::zero();
            if !held(T::one()) && !held(-T::one()) {
                self.orthogonalise(x, j);
            }
        }
        loop {
            self.theta.copy_from_slice(r);
            for _ in 0..2 {
                for q in self.basis.chunks_exact(n) {
                    let along = vecops::dot(q, &self.theta);
                    vecops::axpy(-along, q, &mut self.theta);
                }
            }
            x.apply_adjoint(&self.theta, &mut self.correlation, stack);
            vecops::scale(c, &mut self.correlation);
            for &j in &self.free {
                self.correlation[j] = T::zero();
            }
            // On the wrong side of a one-sided column the dual is −∞: rounding is cut off, the rest projected.
            let rank = self.rank(n);
            let size = c * vecops::norm(r) * T::epsilon() * T::of(64.0);
            for k in 0..self.one_sided.len() {
                let j = self.one_sided[k];
                let excess = g.subdiff_distance_at(j, w[j], -self.correlation[j]);
                if excess > T::zero() {
                    if excess <= size * x.col_sq_norm(j).sqrt() {
                        self.correlation[j] = T::zero();
                    } else {
                        self.orthogonalise(x, j);
                    }
                }
            }
            if self.rank(n) == rank {
                break;
            }
        }
    }

    /// Appends the part of column `j` orthogonal to the basis, unless nothing is left of it.
    fn orthogonalise<X: DesignMatrix<T>>(&mut self, x: &X, j: usize) {
        let n = x.nrows();
        let start = self.basis.len();
        if start + n > self.basis.capacity() {
            return;
        }
        self.basis.resize(start + n, T::zero());
        let (basis, q) = self.basis.split_at_mut(start);
        x.col_axpy(j, T::one(), q);
        let before = vecops::norm(q);
        for _ in 0..2 {
            for b in basis.chunks_exact(n) {
                let along = vecops::dot(b, q);
                vecops::axpy(-along, b, q);
            }
        }
        let after = vecops::norm(q);
        if after > before * T::epsilon().sqrt() * T::epsilon().sqrt().sqrt() {
            vecops::scale(after.recip(), q);
        } else {
            self.basis.truncate(start);
        }
    }

    fn rank(&self, n: usize) -> usize {
        self.basis.len().checked_div(n).unwrap_or(0)
    }

    /// The dual value at `t·θ` given `yᵀθ`, `‖θ‖²` and `c Xᵀθ`, for the best `t` tried.
    fn consider<G: SeparableProx<T>>(&mut self, g: &G, c: T, along: T, square: T, stack: &mut MemStack) {
        let half = T::of(0.5);
        let value = |t: T| c * (t * along - half * t * t * square);
        if let Some(polar) = g.polar(&self.correlation, stack) {
            // Not beyond 1: a correlation that was passed over is known to be feasible up to there only.
            let mut t = if square > T::zero() { along / square } else { T::one() };
            t = t.max(T::zero()).min(T::one());
            if polar > T::zero() {
                t = t.min(polar.recip());
            }
            self.keep(value(t));
            return;
        }
        let Some(whole) = self.value_at(g, T::one(), &value, stack) else { return };
        self.keep(whole);
        // Concave in t: walk away from 1 while it pays; in finer steps to where the conjugate becomes finite.
        let finest = if whole > T::neg_infinity() { 31 } else { 52 };
        let mut previous = whole;
        for k in (0..=finest).rev() {
            let t = T::one() - T::of(0.5).powi(k);
            let Some(here) = self.value_at(g, t, &value, stack) else { return };
            self.keep(here);
            if here < previous {
                break;
            }
            previous = here;
        }
    }

    /// The dual value at `t·θ`; `None` without a conjugate.
    fn value_at<G: SeparableProx<T>>(
        &mut self,
        g: &G,
        t: T,
        value: &dyn Fn(T) -> T,
        stack: &mut MemStack,
    ) -> Option<T> {
        for (s, &u) in self.scaled.iter_mut().zip(&self.correlation) {
            *s = t * u;
        }
        g.conj_value(&self.scaled, stack).map(|conj| value(t) - conj)
    }

    fn keep(&mut self, value: T) {
        self.best = Some(self.best.map_or(value, |best| if value > best { value } else { best }));
    }
}
