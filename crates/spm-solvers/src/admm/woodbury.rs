//! The x-update of a wide least-squares problem by the matrix inversion lemma.

use spm_linalg::factor::{Cholesky, gram_into};
use spm_linalg::faer::MatRef;
use spm_linalg::{Dense, LinearOperator, Scalar, Workspace, check, vecops};

use super::x_update::linear_term;
use super::{Scales, XUpdate};
use crate::SolveError;

/// For `f(x) = s/2·‖A x − b‖²`, `A` m × n with m < n, and `K = I`: factors the m × m matrix `A Aᵀ + (rho/s) I`.
///
/// $(s A^\top A + \rho I)^{-1} = \frac{1}{\rho}\left(I - A^\top (A A^\top + \frac{\rho}{s} I)^{-1} A\right)$, in plain
/// text `inv(s AᵀA + rho I) = (I − Aᵀ inv(A Aᵀ + rho/s I) A)/rho`. Construction O(m² n), a change of `rho` m³/3, a solve
/// 4mn + 2m² operations; memory 2m². Borrows `A`.
///
/// Source: Boyd et al. 2011, section 4.2.4.
#[derive(Debug)]
pub struct WoodburyUpdate<'a, T: Scalar> {
    a: Dense<'a, T>,
    outer: Vec<T>,
    linear: Vec<T>,
    image: Vec<T>,
    adjoint: Vec<T>,
    scale: T,
    rho: T,
    factor: Cholesky<T>,
    workspace: Workspace,
}

impl<'a, T: Scalar> WoodburyUpdate<'a, T> {
    /// Forms `A Aᵀ` and `s Aᵀb`.
    ///
    /// # Errors
    /// [`SolveError::Linalg`] for non-finite data, lengths that do not fit, or a `scale` that is not positive.
    pub fn new(a: Dense<'a, T>, b: &[T], scale: T) -> Result<Self, SolveError> {
        let (m, n) = (a.nrows(), a.ncols());
        let linear = linear_term(&a, b, scale)?;
        let mut outer = vec![T::zero(); m * m];
        gram_into(a.as_faer().transpose(), &mut outer)?;
        Ok(Self {
            outer,
            linear,
            image: vec![T::zero(); m],
            adjoint: vec![T::zero(); n],
            scale,
            rho: T::one(),
            factor: Cholesky::with_order(m),
            workspace: Workspace::new(a.scratch()),
            a,
        })
    }
}

impl<T: Scalar> XUpdate<T> for WoodburyUpdate<'_, T> {
    fn dim(&self) -> usize {
        self.linear.len()
    }

    fn prepare(&mut self, rho: T) -> Result<(), SolveError> {
        self.rho = rho;
        let m = self.image.len();
        let outer = MatRef::from_column_major_slice(&self.outer, m, m);
        Ok(self.factor.refactor(outer, T::one(), None, rho / self.scale)?)
    }

    fn solve_into(&mut self, q: &[T], _tol: T, x: &mut [T]) -> Result<T, SolveError> {
        check::dim("WoodburyUpdate q", self.dim(), q.len());
        check::dim("WoodburyUpdate x", self.dim(), x.len());
        for ((x, &q), &c) in x.iter_mut().zip(q).zip(&self.linear) {
            *x = q + c;
        }
        self.a.apply(x, &mut self.image, self.workspace.stack());
        self.factor.solve_in_place(&mut self.image);
        self.a.apply_adjoint(&self.image, &mut self.adjoint, self.workspace.stack());
        let inv = self.rho.recip();
        for (x, &w) in x.iter_mut().zip(&self.adjoint) {
            *x = (*x - w) * inv;
        }
        Ok(T::zero())
    }

    fn scales(&self) -> Scales<T> {
        let m = self.image.len();
        let trace: T = (0..m).map(|i| self.outer[i * (m + 1)]).sum();
        let curvature = self.scale * trace / T::of_usize(self.dim().max(1));
        Scales { gradient: vecops::norm(&self.linear), curvature }
    }
}
