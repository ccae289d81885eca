//! The x-update by conjugate gradients, for matrices known only by their products.

use spm_linalg::krylov::{Cg, KrylovStatus};
use spm_linalg::{LinalgError, LinearOperator, MemStack, Scalar, StackReq, Workspace, check, vecops};

use super::{Scales, XUpdate};
use crate::SolveError;

/// For `f(x) = s/2·‖A x − b‖²` and any `K`, both known by products: conjugate gradients on `s AᵀA + rho KᵀK`, started at
/// the previous solution.
///
/// A solve ends when the true residual of the system is at most the tolerance that ADMM passes, a tenth of its own
/// residuals, or cannot be lowered any more by rounding; the residual reached enters the dual residual of ADMM. One
/// inner iteration costs a product with `A`, `K` and their adjoints. Memory O(n + m).
///
/// Sources: Hestenes and Stiefel 1952; Eckstein and Yao 2017 (relative-error inexact ADMM).
#[derive(Debug)]
pub struct CgUpdate<'a, T: Scalar> {
    system: Normal<'a, T>,
    linear: Vec<T>,
    rhs: Vec<T>,
    curvature: T,
    cg: Cg<T>,
    workspace: Workspace,
}

/// `s AᵀA + rho KᵀK`, `K = I` if `None`.
#[derive(Debug)]
struct Normal<'a, T: Scalar> {
    a: &'a dyn LinearOperator<T>,
    k: Option<&'a dyn LinearOperator<T>>,
    scale: T,
    rho: T,
}

impl<'a, T: Scalar> CgUpdate<'a, T> {
    /// Forms `s Aᵀb` and estimates the trace of `s AᵀA` with one product; `k = None` is the identity.
    ///
    /// # Errors
    /// [`SolveError::Linalg`] for a `b` that is not finite or does not fit, a `scale` that is not positive, or an `A` whose
    /// products are not finite.
    pub fn new(
        a: &'a dyn LinearOperator<T>,
        b: &[T],
        scale: T,
        k: Option<&'a dyn LinearOperator<T>>,
    ) -> Result<Self, SolveError> {
        check::positive("scale", scale)?;
        check::len("right-hand side b", a.nrows(), b.len())?;
        check::finite("right-hand side b", b)?;
        let n = a.ncols();
        if let Some(k) = k {
            check::len("columns of K", n, k.ncols())?;
        }
        let system = Normal { a, k, scale, rho: T::one() };
        let mut workspace = Workspace::new(system.scratch());
        let mut linear = vec![T::zero(); n];
        a.apply_adjoint(b, &mut linear, workspace.stack());
        vecops::scale(scale, &mut linear);
        check::finite("product of A with b", &linear)?;
        // vᵀHv for a fixed vector of scattered signs estimates the trace (Hutchinson 1990).
        let signs: Vec<T> = (1..=n as u64)
            .map(|i| if i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 63 == 0 { T::one() } else { -T::one() })
            .collect();
        let mut image = vec![T::zero(); a.nrows()];
        a.apply(&signs, &mut image, workspace.stack());
        check::finite("product of A", &image)?;
        let curvature = scale * vecops::sq_norm(&image) / T::of_usize(n.max(1));
        let rhs = vec![T::zero(); n];
        Ok(Self { system, linear, rhs, curvature, cg: Cg::new(n), workspace })
    }
}

impl<T: Scalar> XUpdate<T> for CgUpdate<'_, T> {
    fn dim(&self) -> usize {
        self.linear.len()
    }

    fn prepare(&mut self, rho: T) -> Result<(), SolveError> {
        self.system.rho = rho;
        Ok(())
    }

    fn solve_into(&mut self, q: &[T], tol: T, x: &mut [T]) -> Result<T, SolveError> {
        check::dim("CgUpdate q", self.dim(), q.len());
        check::dim("CgUpdate x", self.dim(), x.len());
        for ((r, &q), &c) in self.rhs.iter_mut().zip(q).zip(&self.linear) {
            *r = q + c;
        }
        let size = vecops::norm(&self.rhs);
        let relative = if size > T::zero() { tol / size } else { T::zero() };
        let relative = relative.max(T::of(4.0) * T::epsilon());
        // n iterations suffice in exact arithmetic; the rest is room for rounding before it counts as a failure.
        let ceiling = 20 * self.dim() + 200;
        let stack = self.workspace.stack();
        let report = self.cg.solve(&self.system, &self.rhs, x, relative, ceiling, stack);
        if report.status == KrylovStatus::MaxIterations {
            let what = "conjugate gradients of the x-update";
            return Err(SolveError::Linalg(LinalgError::NoConvergence { what }));
        }
        Ok(report.residual * size)
    }

    fn scales(&self) -> Scales<T> {
        Scales { gradient: vecops::norm(&self.linear), curvature: self.curvature }
    }
}

impl<T: Scalar> LinearOperator<T> for Normal<'_, T> {
    fn nrows(&self) -> usize {
        self.a.ncols()
    }

    fn ncols(&self) -> usize {
        self.a.ncols()
    }

    fn apply(&self, x: &[T], y: &mut [T], stack: &mut MemStack) {
        {
            let (mut image, inner) = stack.make_with(self.a.nrows(), |_| T::zero());
            self.a.apply(x, &mut image, inner);
            self.a.apply_adjoint(&image, y, inner);
        }
        vecops::scale(self.scale, y);
        match self.k {
            None => vecops::axpy(self.rho, x, y),
            Some(k) => {
                let (mut image, inner) = stack.make_with(k.nrows(), |_| T::zero());
                let (mut back, inner) = inner.make_with(k.ncols(), |_| T::zero());
                k.apply(x, &mut image, inner);
                k.apply_adjoint(&image, &mut back, inner);
                vecops::axpy(self.rho, &back, y);
            }
        }
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], stack: &mut MemStack) {
        self.apply(y, x, stack);
    }

    fn scratch(&self) -> StackReq {
        let first = StackReq::new::<T>(self.a.nrows()).and(self.a.scratch());
        self.k.map_or(first, |k| {
            let second = StackReq::new::<T>(k.nrows()).and(StackReq::new::<T>(k.ncols())).and(k.scratch());
            first.or(second)
        })
    }
}
