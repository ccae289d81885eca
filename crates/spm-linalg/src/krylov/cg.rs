//! Conjugate gradients.

use super::KrylovStatus;
use crate::{LinearOperator, MemStack, Scalar, check, vecops};

/// Conjugate gradients for $A x = b$ with $A$ symmetric positive definite.
///
/// In plain text: solves `A x = b`, `A`: n × n, known by its products, until `‖b − A x‖ <= tol·‖b‖`. The number of
/// iterations grows like `sqrt(cond(A))·log(1/tol)`. An iteration costs one product and about `10·n` operations. A
/// solve adds one product before the first iteration and one after the last, for the residual of the start and
/// the true residual of the result; if that is still too large the method restarts from it.
///
/// The value holds the three work vectors, so that solves allocate nothing. Systems are scaled by `‖b‖`: their
/// magnitude does not matter.
///
/// Source: Hestenes and Stiefel 1952, section 3.
///
/// ```
/// use spm_linalg::{Workspace, krylov::{Cg, KrylovStatus}, operator::Diagonal, LinearOperator};
/// let a = Diagonal::new(vec![1.0, 10.0])?;
/// let mut x = [0.0_f64; 2];
/// let report =
///     Cg::new(2).solve(&a, &[3.0, 5.0], &mut x, 1e-12, 10, Workspace::new(a.scratch()).stack());
/// assert_eq!(report.status, KrylovStatus::Converged);
/// assert!(report.iterations <= 2 && (x[0] - 3.0).abs() + (x[1] - 0.5).abs() < 1e-11);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Cg<T> {
    /// The residual divided by `‖b‖`.
    r: Vec<T>,
    p: Vec<T>,
    ap: Vec<T>,
}

/// What [`Cg::solve`] did.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct CgReport<T> {
    /// How it ended.
    pub status: KrylovStatus,
    /// Iterations done.
    pub iterations: usize,
    /// `‖b − A x‖ / ‖b‖`, computed from its definition at the point returned; 0 for `b = 0`.
    pub residual: T,
}

impl<T: Scalar> Cg<T> {
    /// Work vectors for systems of `n` equations.
    #[must_use]
    pub fn new(n: usize) -> Self {
        Self { r: vec![T::zero(); n], p: vec![T::zero(); n], ap: vec![T::zero(); n] }
    }

    /// Solves `op·x = b` from the start that `x` holds until `‖b − op·x‖ <= tol·‖b‖`, in at most `max_iter`
    /// iterations. However it ends, `x` holds the last iterate; with `b = 0` it becomes 0.
    ///
    /// `stack` holds at least `op.scratch()` bytes.
    ///
    /// # Panics
    /// If `op` is not square or a length differs from the `n` of [`Cg::new`].
    pub fn solve(
        &mut self,
        op: &dyn LinearOperator<T>,
        b: &[T],
        x: &mut [T],
        tol: T,
        max_iter: usize,
        stack: &mut MemStack,
    ) -> CgReport<T> {
        let n = self.r.len();
        check::dim("Cg::solve rows", n, op.nrows());
        check::dim("Cg::solve columns", n, op.ncols());
        check::dim("Cg::solve b", n, b.len());
        check::dim("Cg::solve x", n, x.len());
        let scale = vecops::norm(b);
        if scale == T::zero() {
            x.fill(T::zero());
            return CgReport { status: KrylovStatus::Converged, iterations: 0, residual: T::zero() };
        }
        let mut iterations = 0;
        let mut residual = self.restart(op, b, x, scale, stack);
        loop {
            if residual <= tol {
                return CgReport { status: KrylovStatus::Converged, iterations, residual };
            }
            let end = self.descend(op, x, tol, scale, &mut iterations, max_iter, stack);
            let before = residual;
            residual = self.restart(op, b, x, scale, stack);
            let status = match end {
                _ if residual <= tol => KrylovStatus::Converged,
                Some(status) => status,
                None if residual > T::of(0.5) * before => KrylovStatus::Stagnated,
                None => continue,
            };
            return CgReport { status, iterations, residual };
        }
    }

    /// `r ← (b − A x)/‖b‖`, `p ← r`; returns `‖r‖`.
    fn restart(&mut self, op: &dyn LinearOperator<T>, b: &[T], x: &[T], scale: T, stack: &mut MemStack) -> T {
        op.apply(x, &mut self.ap, stack);
        for ((r, &b), &ax) in self.r.iter_mut().zip(b).zip(&self.ap) {
            *r = (b - ax) / scale;
        }
        self.p.copy_from_slice(&self.r);
        vecops::norm(&self.r)
    }

    /// Iterates until the residual of the recurrence meets `tol`: `None`. Anything else is why it could not.
    fn descend(
        &mut self,
        op: &dyn LinearOperator<T>,
        x: &mut [T],
        tol: T,
        scale: T,
        iterations: &mut usize,
        max_iter: usize,
        stack: &mut MemStack,
    ) -> Option<KrylovStatus> {
        let mut rr = vecops::sq_norm(&self.r);
        while *iterations < max_iter {
            op.apply(&self.p, &mut self.ap, stack);
            let curvature = vecops::dot(&self.p, &self.ap);
            if !(curvature > T::zero() && curvature.is_finite()) {
                return Some(KrylovStatus::Breakdown);
            }
            *iterations += 1;
            let alpha = rr / curvature;
            vecops::axpy(alpha * scale, &self.p, x);
            vecops::axpy(-alpha, &self.ap, &mut self.r);
            let rr_new = vecops::sq_norm(&self.r);
            if rr_new.sqrt() <= tol {
                return None;
            }
            let beta = rr_new / rr;
            for (p, &r) in self.p.iter_mut().zip(&self.r) {
                *p = r + beta * *p;
            }
            rr = rr_new;
        }
        Some(KrylovStatus::MaxIterations)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::operator::{Dense, Diagonal, Identity, LinearOperatorExt};
    use crate::testing::Rng;
    use crate::{StackReq, Workspace};

    fn solve<T: Scalar>(
        a: &dyn LinearOperator<T>,
        b: &[T],
        x: &mut [T],
        tol: f64,
        max_iter: usize,
    ) -> CgReport<T> {
        let mut ws = Workspace::new(a.scratch());
        Cg::new(b.len()).solve(a, b, x, T::of(tol), max_iter, ws.stack())
    }

    fn relative_residual<T: Scalar>(a: &dyn LinearOperator<T>, b: &[T], x: &[T]) -> f64 {
        (vecops::sq_dist(b, &a.apply_vec(x)).sqrt() / vecops::norm(b)).as_f64()
    }

    #[test]
    fn as_many_iterations_as_distinct_eigenvalues() {
        let d: Vec<f64> = (0..30).map(|i| [1.0, 4.0, 9.0][i % 3]).collect();
        let a = Diagonal::new(d.clone()).unwrap();
        let b: Vec<f64> = Rng::new(1).normals(30);
        let mut x = vec![0.0; 30];
        let report = solve(&a, &b, &mut x, 1e-13, 100);
        assert_eq!((report.status, report.iterations), (KrylovStatus::Converged, 3));
        for i in 0..30 {
            assert!((x[i] - b[i] / d[i]).abs() < 1e-12);
        }
    }

    fn regularised_gram<T: Scalar>(scale: f64, tol: f64) {
        let mut rng = Rng::new(5);
        let data: Vec<T> = rng.normals::<T>(20 * 12).iter().map(|&v| v * T::of(scale)).collect();
        let x_true: Vec<T> = rng.normals(12);
        let ridge = Identity::new(12).scaled(T::of(scale * scale));
        let a = Dense::from_column_major(&data, 20, 12).unwrap().gram().plus(ridge).unwrap();
        let b = a.apply_vec(&x_true);
        let mut x = vec![T::zero(); 12];
        let report = solve(&a, &b, &mut x, tol, 40);
        assert_eq!(report.status, KrylovStatus::Converged, "{report:?}");
        assert!(report.iterations <= 20);
        assert!(relative_residual(&a, &b, &x) <= tol * (1.0 + 1e-3));
        assert!(vecops::sq_dist(&x, &x_true).sqrt().as_f64() < 100.0 * tol * vecops::norm(&x_true).as_f64());
        // A warm start at the solution needs no iteration.
        assert_eq!(solve(&a, &b, &mut x, 2.0 * tol, 40).iterations, 0);
    }

    #[test]
    fn solves_regularised_normal_equations_at_every_scale() {
        for scale in [1e-12, 1.0, 1e12] {
            regularised_gram::<f64>(scale, 1e-11);
        }
        for scale in [1e-6, 1.0, 1e6] {
            regularised_gram::<f32>(scale, 1e-5);
        }
    }

    #[test]
    fn restarts_where_the_recurrence_loses_the_residual() {
        // From a start 1e12 times too long the recurrence is off by 1e12·1e-16, far above the tolerance.
        let d: Vec<f64> = (1..=50).map(f64::from).collect();
        let a = Diagonal::new(d).unwrap();
        let b = vec![1.0; 50];
        let mut x = vec![1e12; 50];
        let report = solve(&a, &b, &mut x, 1e-12, 300);
        assert_eq!(report.status, KrylovStatus::Converged, "{report:?}");
        assert!(relative_residual(&a, &b, &x) <= 1e-12);
    }

    #[test]
    fn says_how_it_failed() {
        let b = [1.0, 1.0];
        let indefinite = Diagonal::new(vec![1.0, -1.0]).unwrap();
        assert_eq!(solve(&indefinite, &b, &mut [0.0; 2], 1e-9, 9).status, KrylovStatus::Breakdown);
        let a = Diagonal::new(vec![1.0, 2.0]).unwrap();
        assert_eq!(solve(&a, &b, &mut [0.0; 2], 1e-9, 1).status, KrylovStatus::MaxIterations);
        assert_eq!(solve(&a, &[f64::NAN, 1.0], &mut [0.0; 2], 1e-9, 9).status, KrylovStatus::Breakdown);
        // Below the rounding of f32.
        let d: Vec<f32> = (1..=50).map(|i| (i * i) as f32).collect();
        let a = Diagonal::new(d).unwrap();
        let report = solve(&a, &[1.0_f32; 50], &mut [0.0; 50], 1e-12, 10_000);
        assert!(report.status == KrylovStatus::Stagnated && report.residual < 1e-5, "{report:?}");
    }

    #[test]
    fn zero_right_hand_side_and_empty_system() {
        let a = Diagonal::new(vec![1.0, 2.0]).unwrap();
        let mut x = [3.0, 4.0];
        assert_eq!(solve(&a, &[0.0; 2], &mut x, 1e-9, 9).residual, 0.0);
        assert_eq!(x, [0.0; 2]);
        let mut ws = Workspace::new(StackReq::EMPTY);
        let report = Cg::<f64>::new(0).solve(&Identity::new(0), &[], &mut [], 1e-9, 9, ws.stack());
        assert_eq!(report.status, KrylovStatus::Converged);
    }
}
