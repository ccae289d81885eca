//! The x-update by a dense Cholesky factorisation.

use spm_linalg::factor::{Cholesky, gram_into};
use spm_linalg::faer::MatRef;
use spm_linalg::{Dense, LinearOperator, Scalar, Workspace, check, vecops};

use super::x_update::linear_term;
use super::{Scales, XUpdate};
use crate::SolveError;

/// For `f(x) = s/2·‖A x − b‖²` and any `K`: factors the n × n matrix `s AᵀA + rho KᵀK`.
///
/// The choice for tall `A` and for `K` that is not the identity. Construction O(m n²), a change of `rho` n³/3, a solve
/// 2n² operations; memory 3n², or 2n² for `K = I`.
///
/// Source: Boyd et al. 2011, section 4.2.
#[derive(Debug)]
pub struct CholeskyUpdate<T: Scalar> {
    hessian: Vec<T>,
    ktk: Option<Vec<T>>,
    linear: Vec<T>,
    factor: Cholesky<T>,
    curvature: T,
}

impl<T: Scalar> CholeskyUpdate<T> {
    /// Forms `s AᵀA`, `s Aᵀb` and `KᵀK`; `k = None` is the identity.
    ///
    /// # Errors
    /// [`SolveError::Linalg`] for non-finite data, lengths that do not fit, or a `scale` that is not positive.
    pub fn new(
        a: Dense<'_, T>,
        b: &[T],
        scale: T,
        k: Option<&dyn LinearOperator<T>>,
    ) -> Result<Self, SolveError> {
        let n = a.ncols();
        let mut hessian = vec![T::zero(); n * n];
        let linear = linear_term(&a, b, scale)?;
        gram_into(a.as_faer(), &mut hessian)?;
        vecops::scale(scale, &mut hessian);
        let ktk = k.map(|k| gram_of_operator(k, n)).transpose()?;
        let trace: T = (0..n).map(|j| hessian[j * (n + 1)]).sum();
        let curvature = trace / T::of_usize(n.max(1));
        Ok(Self { hessian, ktk, linear, factor: Cholesky::with_order(n), curvature })
    }
}

/// `KᵀK` column by column, by products with unit vectors.
fn gram_of_operator<T: Scalar>(k: &dyn LinearOperator<T>, n: usize) -> Result<Vec<T>, SolveError> {
    check::len("columns of K", n, k.ncols())?;
    let mut ws = Workspace::new(k.scratch());
    let (mut unit, mut image) = (vec![T::zero(); n], vec![T::zero(); k.nrows()]);
    let mut gram = vec![T::zero(); n * n];
    for j in 0..n {
        unit[j] = T::one();
        k.apply(&unit, &mut image, ws.stack());
        k.apply_adjoint(&image, &mut gram[j * n..(j + 1) * n], ws.stack());
        unit[j] = T::zero();
    }
    check::finite("operator K", &gram)?;
    Ok(gram)
}

impl<T: Scalar> XUpdate<T> for CholeskyUpdate<T> {
    fn dim(&self) -> usize {
        self.linear.len()
    }

    fn prepare(&mut self, rho: T) -> Result<(), SolveError> {
        let n = self.dim();
        let view = |m| MatRef::from_column_major_slice(m, n, n);
        let ktk = self.ktk.as_deref().map(view);
        Ok(self.factor.refactor(view(&self.hessian), T::one(), ktk, rho)?)
    }

    fn solve_into(&mut self, q: &[T], _tol: T, x: &mut [T]) -> Result<T, SolveError> {
        check::dim("CholeskyUpdate q", self.dim(), q.len());
        check::dim("CholeskyUpdate x", self.dim(), x.len());
        for ((x, &q), &c) in x.iter_mut().zip(q).zip(&self.linear) {
            *x = q + c;
        }
        self.factor.solve_in_place(x);
        Ok(T::zero())
    }

    fn scales(&self) -> Scales<T> {
        Scales { gradient: vecops::norm(&self.linear), curvature: self.curvature }
    }
}
