//! Losses of the predictions `p = A w`, and [`LossOf`], which makes a smooth function of `w` from one.
//!
//! | loss | targets | one observation, with `r = y − p` |
//! |---|---|---|
//! | [`Quadratic`] | real | `r²/2` |
//! | [`Logistic`] | in `[0, 1]` | `log(1 + exp p) − y p` |
//! | [`Huber`] | real | `r²/2` if `\|r\| <= delta`, else `delta (\|r\| − delta/2)` |
//! | [`Poisson`] | `>= 0` | `exp p − y p` |
//!
//! All four are sums of one scalar function over the observations, [`Pointwise`]; to add a fifth, implement that
//! trait and wrap it in [`PointwiseLoss`]. A loss that is not such a sum implements [`Loss`] itself.

mod huber;
mod logistic;
mod loss_of;
mod pointwise;
mod poisson;
mod quadratic;

pub use huber::{Huber, HuberPoint};
pub use logistic::{Logistic, LogisticPoint};
pub use loss_of::LossOf;
pub use pointwise::{Pointwise, PointwiseLoss};
pub use poisson::{Poisson, PoissonPoint};
pub use quadratic::{Quadratic, QuadraticProx, SquaredPoint};

use core::fmt::Debug;

use spm_linalg::Scalar;

/// A convex differentiable function `F` of the predictions `p = A w`.
pub trait Loss<T: Scalar>: Debug + Send + Sync {
    /// Length of the predictions.
    fn n_obs(&self) -> usize;

    /// `F(p)`.
    ///
    /// # Panics
    /// If `pred.len() != n_obs()`.
    fn value(&self, pred: &[T]) -> T;

    /// `out ← ∇F(p)`; returns `F(p)`. Never reads `out`.
    ///
    /// # Panics
    /// If `pred.len() != n_obs()` or `out.len() != n_obs()`.
    fn grad_into(&self, pred: &[T], out: &mut [T]) -> T;

    /// The smallest known `c` with `∇²F <= c I` everywhere; `+∞` where there is none.
    fn curvature(&self) -> T;

    /// The conjugate `F*(u) = sup_p ⟨u, p⟩ − F(p)`, `+∞` outside its domain.
    ///
    /// # Panics
    /// If `u.len() != n_obs()`.
    fn conj_value(&self, u: &[T]) -> T;
}

impl<T: Scalar, L: Loss<T> + ?Sized> Loss<T> for &L {
    fn n_obs(&self) -> usize {
        (**self).n_obs()
    }
    fn value(&self, pred: &[T]) -> T {
        (**self).value(pred)
    }
    fn grad_into(&self, pred: &[T], out: &mut [T]) -> T {
        (**self).grad_into(pred, out)
    }
    fn curvature(&self) -> T {
        (**self).curvature()
    }
    fn conj_value(&self, u: &[T]) -> T {
        (**self).conj_value(u)
    }
}
