//! Damped least squares.

use super::KrylovStatus;
use crate::{LinearOperator, MemStack, Scalar, check, vecops};

/// LSQR for $\min_x \|A x - b\|^2 + \delta^2 \|x\|^2$ with any $A$.
///
/// In plain text: minimises `‖A x − b‖² + damp²·‖x‖²`, `A`: m × n, known by its products. Without damping and with
/// several solutions it finds the one of least norm. Equal in exact arithmetic to conjugate gradients on the
/// normal equations, but keeps its accuracy where `AᵀA` is ill-conditioned. An iteration costs one product with `A`,
/// one with `Aᵀ` and about `3·m + 5·n` operations.
///
/// With `r = b − A x` and `R = sqrt(‖r‖² + damp²·‖x‖²)` it stops at the first of
///
/// - `‖Aᵀr − damp²·x‖ <= tol·a·R`: a least-squares solution;
/// - `R <= tol·(‖b‖ + a·‖x‖)`: the system is consistent and solved;
///
/// where `a` is the running estimate of `‖[A; damp·I]‖_F` that the report shows. Both are confirmed on quantities
/// computed from their definition before the status says so.
///
/// The value holds the work vectors, so that solves allocate nothing.
///
/// Source: Paige and Saunders 1982, *LSQR: an algorithm for sparse linear equations and sparse least squares*,
/// sections 4 and 6.
///
/// ```
/// use spm_linalg::{Dense, LinearOperator, Workspace, krylov::{KrylovStatus, Lsqr}};
/// // The mean is the least-squares constant.
/// let ones = Dense::from_column_major(&[1.0, 1.0, 1.0], 3, 1)?;
/// let mut x = [0.0];
/// let mut ws = Workspace::new(ones.scratch());
/// let report = Lsqr::new(3, 1).solve(&ones, &[1.0, 2.0, 6.0], &mut x, 0.0, 1e-12, 10, ws.stack());
/// assert_eq!(report.status, KrylovStatus::Converged);
/// assert!((x[0] - 3.0_f64).abs() < 1e-12);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Lsqr<T> {
    u: Vec<T>,
    v: Vec<T>,
    w: Vec<T>,
    rows: Vec<T>,
    cols: Vec<T>,
}

/// What [`Lsqr::solve`] did.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct LsqrReport<T> {
    /// How it ended.
    pub status: KrylovStatus,
    /// Iterations done.
    pub iterations: usize,
    /// `sqrt(‖b − A x‖² + damp²·‖x‖²)`, the square root of the objective, computed from its definition.
    pub residual: T,
    /// `‖Aᵀ(b − A x) − damp²·x‖`, half the norm of the objective's gradient, computed from its definition.
    pub normal_residual: T,
    /// The estimate of `‖[A; damp·I]‖_F` in the stopping rule.
    pub norm_estimate: T,
}

impl<T: Scalar> Lsqr<T> {
    /// Work vectors for operators of `nrows × ncols`.
    #[must_use]
    pub fn new(nrows: usize, ncols: usize) -> Self {
        let (rows, cols) = (vec![T::zero(); nrows], vec![T::zero(); ncols]);
        Self { u: rows.clone(), v: cols.clone(), w: cols.clone(), rows, cols }
    }

    /// Minimises `‖op·x − b‖² + damp²·‖x‖²` in at most `max_iter` iterations. Overwrites `x`, never reads it: for a warm
    /// start without damping, solve for the correction with `b − op·x`.
    ///
    /// `stack` holds at least `op.scratch()` bytes.
    ///
    /// # Panics
    /// If the shape of `op` or a length differs from those of [`Lsqr::new`].
    pub fn solve(
        &mut self,
        op: &dyn LinearOperator<T>,
        b: &[T],
        x: &mut [T],
        damp: T,
        tol: T,
        max_iter: usize,
        stack: &mut MemStack,
    ) -> LsqrReport<T> {
        check::dim("Lsqr::solve rows", self.u.len(), op.nrows());
        check::dim("Lsqr::solve columns", self.v.len(), op.ncols());
        check::dim("Lsqr::solve b", self.u.len(), b.len());
        check::dim("Lsqr::solve x", self.v.len(), x.len());
        let zero = T::zero();
        x.fill(zero);
        self.u.copy_from_slice(b);
        let b_norm = normalise(&mut self.u);
        op.apply_adjoint(&self.u, &mut self.v, stack);
        let mut alpha = normalise(&mut self.v);
        self.w.copy_from_slice(&self.v);
        let mut report = LsqrReport {
            status: KrylovStatus::Converged,
            iterations: 0,
            residual: b_norm,
            normal_residual: alpha * b_norm,
            norm_estimate: zero,
        };
        if !report.normal_residual.is_finite() {
            report.status = KrylovStatus::Breakdown;
            return report;
        }
        if report.normal_residual == zero {
            return report;
        }

        // The residual of the damping rows is `damped`; `phi_bar` is that of the others.
        let (mut phi_bar, mut rho_bar, mut damped) = (b_norm, alpha, zero);
        let half = T::of(0.5);
        loop {
            if report.iterations == max_iter {
                (report.residual, report.normal_residual) = self.measured(op, b, x, damp, stack);
                report.status = KrylovStatus::MaxIterations;
                return report;
            }
            report.iterations += 1;

            // Bidiagonalisation: β u ← A v − α u, α v ← Aᵀ u − β v.
            op.apply(&self.v, &mut self.rows, stack);
            for (u, &av) in self.u.iter_mut().zip(&self.rows) {
                *u = av - alpha * *u;
            }
            let beta = normalise(&mut self.u);
            report.norm_estimate = report.norm_estimate.hypot(alpha).hypot(beta).hypot(damp);
            op.apply_adjoint(&self.u, &mut self.cols, stack);
            for (v, &atu) in self.v.iter_mut().zip(&self.cols) {
                *v = atu - beta * *v;
            }
            alpha = normalise(&mut self.v);

            // Rotate the damping away, then the subdiagonal.
            let rho_damped = rho_bar.hypot(damp);
            damped = damped.hypot(damp / rho_damped * phi_bar);
            phi_bar *= rho_bar / rho_damped;
            let rho = rho_damped.hypot(beta);
            let (c, s) = (rho_damped / rho, beta / rho);
            let phi = c * phi_bar;
            phi_bar *= s;
            rho_bar = -c * alpha;

            vecops::axpy(phi / rho, &self.w, x);
            let turn = s * alpha / rho;
            for (w, &v) in self.w.iter_mut().zip(&self.v) {
                *w = v - turn * *w;
            }

            let residual = phi_bar.hypot(damped);
            let normal = alpha * (s * phi).abs();
            if !(alpha.is_finite() && beta.is_finite() && residual.is_finite()) {
                report.status = KrylovStatus::Breakdown;
                (report.residual, report.normal_residual) = (residual, normal);
                return report;
            }
            let x_norm = vecops::norm(x);
            let met = |tol: T, residual: T, normal: T| {
                normal <= tol * report.norm_estimate * residual
                    || residual <= tol * (b_norm + report.norm_estimate * x_norm)
            };
            // The estimates are asked for half the tolerance, so that what is measured meets the whole.
            if met(half * tol, residual, normal) {
                let (residual, normal) = self.measured(op, b, x, damp, stack);
                let converged = met(tol, residual, normal);
                (report.residual, report.normal_residual) = (residual, normal);
                report.status = if converged { KrylovStatus::Converged } else { KrylovStatus::Stagnated };
                return report;
            }
        }
    }

    /// The two residuals from their definition.
    fn measured(
        &mut self,
        op: &dyn LinearOperator<T>,
        b: &[T],
        x: &[T],
        damp: T,
        stack: &mut MemStack,
    ) -> (T, T) {
        op.apply(x, &mut self.rows, stack);
        for (r, &b) in self.rows.iter_mut().zip(b) {
            *r = b - *r;
        }
        op.apply_adjoint(&self.rows, &mut self.cols, stack);
        vecops::axpy(-damp * damp, x, &mut self.cols);
        (vecops::norm(&self.rows).hypot(damp * vecops::norm(x)), vecops::norm(&self.cols))
    }
}

/// Divides `v` by its norm, unless that is zero, and returns it.
fn normalise<T: Scalar>(v: &mut [T]) -> T {
    let norm = vecops::norm(v);
    if norm > T::zero() {
        for x in v {
            *x /= norm;
        }
    }
    norm
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::operator::{Dense, Diagonal, LinearOperatorExt};
    use crate::testing::Rng;
    use crate::{LinearOperator, Workspace};

    fn solve<T: Scalar>(
        a: &dyn LinearOperator<T>,
        b: &[T],
        damp: f64,
        tol: f64,
        max_iter: usize,
    ) -> (Vec<T>, LsqrReport<T>) {
        let mut x = vec![T::nan(); a.ncols()];
        let mut ws = Workspace::new(a.scratch());
        let mut lsqr = Lsqr::new(a.nrows(), a.ncols());
        let report = lsqr.solve(a, b, &mut x, T::of(damp), T::of(tol), max_iter, ws.stack());
        (x, report)
    }

    /// Gaussian elimination on the normal equations.
    fn slow(a: &Dense<'_, f64>, b: &[f64], damp: f64) -> Vec<f64> {
        let n = a.ncols();
        let mut m = vec![vec![0.0; n + 1]; n];
        for i in 0..n {
            for j in 0..n {
                m[i][j] = vecops::dot(a.col(i), a.col(j)) + if i == j { damp * damp } else { 0.0 };
            }
            m[i][n] = vecops::dot(a.col(i), b);
        }
        for k in 0..n {
            for i in 0..n {
                if i != k {
                    let f = m[i][k] / m[k][k];
                    for j in k..=n {
                        m[i][j] -= f * m[k][j];
                    }
                }
            }
        }
        (0..n).map(|i| m[i][n] / m[i][i]).collect()
    }

    #[test]
    fn agrees_with_the_normal_equations() {
        let mut rng = Rng::new(8);
        for (m, n, damp) in [(20, 6, 0.0), (20, 6, 1.5), (6, 20, 0.7), (6, 6, 0.0), (1, 1, 2.0)] {
            let data: Vec<f64> = rng.normals(m * n);
            let b: Vec<f64> = rng.normals(m);
            let a = Dense::from_column_major(&data, m, n).unwrap();
            let (x, report) = solve(&a, &b, damp, 1e-12, 100);
            assert_eq!(report.status, KrylovStatus::Converged, "{m} {n} {damp} {report:?}");
            assert!(report.iterations <= 2 * m.min(n) + 2, "{report:?}");
            for (fast, slow) in x.iter().zip(slow(&a, &b, damp)) {
                assert!((fast - slow).abs() < 1e-8, "{m} {n} {damp}: {fast} {slow}");
            }
            let r: Vec<f64> = b.iter().zip(a.apply_vec(&x)).map(|(b, ax)| b - ax).collect();
            let objective = vecops::sq_norm(&r) + damp * damp * vecops::sq_norm(&x);
            assert!((report.residual - objective.sqrt()).abs() <= 1e-12 * vecops::norm(&b));
        }
    }

    #[test]
    fn finds_the_solution_of_least_norm() {
        let a = Dense::from_column_major(&[1.0, 2.0, 2.0], 1, 3).unwrap();
        let (x, report) = solve(&a, &[9.0], 0.0, 1e-12, 10);
        assert_eq!((report.status, report.iterations), (KrylovStatus::Converged, 1));
        for (got, expected) in x.iter().zip([1.0_f64, 2.0, 2.0]) {
            assert!((got - expected).abs() < 1e-12);
        }
    }

    fn scaled_problem<T: Scalar>(scale: f64, tol: f64) {
        let mut rng = Rng::new(2);
        let data: Vec<T> = rng.normals::<T>(15 * 5).iter().map(|&v| v * T::of(scale)).collect();
        let b: Vec<T> = rng.normals(15);
        let a = Dense::from_column_major(&data, 15, 5).unwrap();
        let (x, report) = solve(&a, &b, 0.1 * scale, tol, 30);
        assert_eq!(report.status, KrylovStatus::Converged, "{report:?}");
        let rescaled: Vec<T> = data.iter().map(|&v| v / T::of(scale)).collect();
        let (z, _) = solve(&Dense::from_column_major(&rescaled, 15, 5).unwrap(), &b, 0.1, tol, 30);
        for (x, z) in x.iter().zip(&z) {
            assert!((x.as_f64() * scale - z.as_f64()).abs() < 100.0 * tol);
        }
    }

    #[test]
    fn does_not_mind_the_scale() {
        for scale in [1e-12, 1e12] {
            scaled_problem::<f64>(scale, 1e-12);
            scaled_problem::<f32>(scale, 1e-5);
        }
    }

    #[test]
    fn says_how_it_failed() {
        let d: Vec<f64> = (0..100).map(|i| 1.0 + f64::from(i)).collect();
        let a = Diagonal::new(d).unwrap();
        let (_, report) = solve(&a, &[1.0; 100], 0.0, 1e-12, 5);
        assert_eq!((report.status, report.iterations), (KrylovStatus::MaxIterations, 5));
        assert_eq!(solve(&a, &[f64::NAN; 100], 0.0, 1e-12, 5).1.status, KrylovStatus::Breakdown);
    }

    #[test]
    fn zero_and_orthogonal_right_hand_sides() {
        let a = Dense::from_column_major(&[1.0, 0.0], 2, 1).unwrap();
        for b in [[0.0, 0.0], [0.0, 3.0]] {
            let (x, report) = solve(&a, &b, 0.0, 1e-12, 5);
            assert_eq!((x[0], report.status, report.iterations), (0.0, KrylovStatus::Converged, 0));
        }
        let (x, report) = solve(&Dense::<f64>::from_column_major(&[], 0, 2).unwrap(), &[], 0.0, 1e-12, 5);
        assert_eq!((x, report.status), (vec![0.0; 2], KrylovStatus::Converged));
    }
}
