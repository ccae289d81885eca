//! A loss of the predictions as a smooth function of the coefficients.

use spm_linalg::krylov::operator_norm;
use spm_linalg::{LinalgError, LinearOperator, MemStack, Scalar, Smooth, StackReq, check};

use super::Loss;

/// The smooth function $f(w) = F(A w)$, with gradient $A^\top \nabla F(A w)$.
///
/// In plain text: `f(w) = F(A w)`. A value costs one product with `A`, a gradient one product and one adjoint
/// product; both take `2·nrows` numbers of scratch beside the operator's own. The Lipschitz constant of the
/// gradient is `curvature(F) · ‖A‖²`, known when the operator states a norm bound, or when one is given or estimated.
///
/// ```
/// use spm_linalg::{Dense, Smooth, Workspace};
/// use spm_solvers::loss::{LossOf, Quadratic};
/// let a = Dense::from_column_major(&[1.0_f64, 2.0], 2, 1)?;
/// let f = LossOf::new(Quadratic::new(&[1.0, 1.0])?, a)?.estimate_norm()?;
/// let mut grad = [0.0];
/// f.value_grad_into(&[0.0], &mut grad, Workspace::new(f.scratch()).stack());
/// assert_eq!(grad, [-3.0]);
/// let l = f.lipschitz().unwrap(); // ‖A‖² = 5, from above
/// assert!((5.0..5.11).contains(&l));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy)]
pub struct LossOf<T, L, A> {
    loss: L,
    op: A,
    lipschitz: Option<T>,
}

impl<T: Scalar, L: Loss<T>, A: LinearOperator<T>> LossOf<T, L, A> {
    /// `F(A w)` with the operator's own norm bound, if it has one.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] unless the operator has one row an observation.
    pub fn new(loss: L, op: A) -> Result<Self, LinalgError> {
        check::len("rows of the operator", loss.n_obs(), op.nrows())?;
        let lipschitz = op.norm_bound().and_then(|norm| bound(loss.curvature(), norm));
        Ok(Self { loss, op, lipschitz })
    }

    /// States an upper bound of `‖A‖₂`.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `norm` is finite and `>= 0`.
    pub fn with_norm(mut self, norm: T) -> Result<Self, LinalgError> {
        check::non_negative("operator norm", norm)?;
        self.lipschitz = bound(self.loss.curvature(), norm);
        Ok(self)
    }

    /// Estimates `‖A‖₂` from about a hundred products with each of `A` and `Aᵀ`, to 1 % from above: worth it where
    /// the operator states no bound or a loose one and many iterations follow. Keeps the smaller of the two.
    ///
    /// # Errors
    /// [`LinalgError::NonFinite`] if a product is not finite.
    pub fn estimate_norm(self) -> Result<Self, LinalgError> {
        let norm = operator_norm(&self.op, T::of(0.01))?.upper;
        self.with_norm(norm)
    }

    /// States a Lipschitz constant of the gradient.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `lipschitz` is finite and `>= 0`.
    pub fn with_lipschitz(mut self, lipschitz: T) -> Result<Self, LinalgError> {
        check::non_negative("Lipschitz constant", lipschitz)?;
        self.lipschitz = Some(lipschitz);
        Ok(self)
    }

    /// The loss.
    pub fn loss(&self) -> &L {
        &self.loss
    }

    /// The operator.
    pub fn op(&self) -> &A {
        &self.op
    }
}

impl<T: Scalar, L: Loss<T>, A: LinearOperator<T>> Smooth<T> for LossOf<T, L, A> {
    fn dim(&self) -> usize {
        self.op.ncols()
    }

    fn value(&self, x: &[T], stack: &mut MemStack) -> T {
        let (mut pred, stack) = stack.make_with(self.op.nrows(), |_| T::zero());
        self.op.apply(x, &mut pred, stack);
        self.loss.value(&pred)
    }

    fn value_grad_into(&self, x: &[T], grad: &mut [T], stack: &mut MemStack) -> T {
        let n = self.op.nrows();
        let (mut pred, stack) = stack.make_with(n, |_| T::zero());
        let (mut slope, stack) = stack.make_with(n, |_| T::zero());
        self.op.apply(x, &mut pred, stack);
        let value = self.loss.grad_into(&pred, &mut slope);
        self.op.apply_adjoint(&slope, grad, stack);
        value
    }

    fn scratch(&self) -> StackReq {
        StackReq::new::<T>(self.op.nrows()).array(2).and(self.op.scratch())
    }

    fn lipschitz(&self) -> Option<T> {
        self.lipschitz
    }
}

fn bound<T: Scalar>(curvature: T, norm: T) -> Option<T> {
    let l = curvature * norm * norm;
    l.is_finite().then_some(l)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use spm_linalg::Dense;
    use spm_linalg::testing::{Rng, check_smooth};

    use super::super::{Huber, Logistic, Poisson, Quadratic};
    use super::*;

    #[test]
    fn obeys_the_laws_of_smooth_functions() {
        let mut rng = Rng::new(3);
        let (n, p) = (7, 4);
        let a: Vec<f64> = rng.normals(n * p);
        let y: Vec<f64> = (0..n).map(|_| rng.uniform()).collect();
        let weights: Vec<f64> = (0..n).map(|i| i as f64).collect();
        let op = Dense::from_column_major(&a, n, p).unwrap();
        let logistic = Logistic::new(&y).unwrap().mean().weights(&weights).unwrap();
        check_smooth(&LossOf::new(logistic, op).unwrap().estimate_norm().unwrap());
        check_smooth(&LossOf::new(Huber::new(&y, 0.3).unwrap(), op).unwrap().estimate_norm().unwrap());
        check_smooth(&LossOf::new(Poisson::new(&y).unwrap(), op).unwrap());
        let (a, y): (Vec<f32>, Vec<f32>) =
            (a.iter().map(|v| *v as f32).collect(), y.iter().map(|v| *v as f32).collect());
        let op = Dense::from_column_major(&a, n, p).unwrap();
        check_smooth(&LossOf::new(Quadratic::new(&y).unwrap(), op).unwrap().estimate_norm().unwrap());
    }

    #[test]
    fn unbounded_curvature_or_unknown_norm_leave_no_constant() {
        let a = Dense::from_column_major(&[1.0, 1.0], 2, 1).unwrap();
        let quadratic = LossOf::new(Quadratic::new(&[1.0, 1.0]).unwrap(), a).unwrap();
        assert_eq!(Smooth::lipschitz(&quadratic), None);
        let poisson = LossOf::new(Poisson::new(&[1.0, 1.0]).unwrap(), a).unwrap().with_norm(1.0).unwrap();
        assert_eq!(Smooth::lipschitz(&poisson), None);
        assert!(LossOf::new(Quadratic::new(&[1.0]).unwrap(), a).is_err());
    }
}
