//! The maximum norm.

use crate::function::kernels::{indicator, positive_part, simplex_level, slack};
use crate::vecops::{norm_1, norm_inf};
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, StackReq, check};

/// The scaled maximum norm, $g(x) = \lambda \|x\|_\infty$.
///
/// In plain text: `g(x) = lambda * max_j |x_j|`. Its prox cuts the largest entries to a common level, so that
/// `step·lambda` is cut in all; its polar is `‖u‖₁ / lambda`. O(n), `n` temporaries.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `lambda` | finite, `>= 0` | weight of the norm |
///
/// Source: Parikh and Boyd 2014, *Proximal Algorithms*, section 6.5.2: Moreau's identity with the projection onto
/// the L1 ball of Duchi, Shalev-Shwartz, Singer and Chandra 2008.
///
/// ```
/// use spm_linalg::{Prox, Workspace, penalty::Linf};
/// let g = Linf::new(1.0)?;
/// let mut out = [0.0; 3];
/// let value = g.prox_into(&[4.0, -3.0, 1.0], 3.0, &mut out, Workspace::new(g.scratch(3)).stack());
/// assert_eq!((out, value), ([2.0, -2.0, 1.0], 2.0));
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Linf<T> {
    lambda: T,
}

impl<T: Scalar> Linf<T> {
    /// The norm with weight `lambda`.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `lambda` is finite and `>= 0`.
    pub fn new(lambda: T) -> Result<Self, LinalgError> {
        check::non_negative("lambda", lambda)?;
        Ok(Self { lambda })
    }

    /// The weight.
    #[must_use]
    pub fn lambda(&self) -> T {
        self.lambda
    }
}

impl<T: Scalar> Prox<T> for Linf<T> {
    fn value(&self, x: &[T]) -> T {
        self.lambda * norm_inf(x)
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        check::dim("Linf::prox_into out", x.len(), out.len());
        let (t, top) = (step * self.lambda, norm_inf(x));
        if t == T::zero() {
            out.copy_from_slice(x);
            return self.lambda * top;
        }
        let level = if norm_1(x) <= t {
            T::zero()
        } else {
            let (mut gaps, _) = stack.make_with(x.len(), |i| top - x[i].abs());
            positive_part(top - simplex_level(&mut gaps, t))
        };
        for (o, &v) in out.iter_mut().zip(x) {
            *o = if v > level {
                level
            } else if v < -level {
                -level
            } else {
                v
            };
        }
        self.lambda * level
    }

    fn scratch(&self, n: usize) -> StackReq {
        StackReq::new::<T>(n)
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().positively_homogeneous()
    }

    /// The projection onto the L1 ball of radius `lambda`.
    fn prox_conj_into(&self, x: &[T], _step: T, out: &mut [T], stack: &mut MemStack) -> T {
        check::dim("Linf::prox_conj_into out", x.len(), out.len());
        crate::set::project_l1_ball(x, self.lambda, out, stack);
        T::zero()
    }

    fn scratch_conj(&self, n: usize) -> StackReq {
        self.scratch(n)
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        Some(indicator(norm_1(u) <= self.lambda * (T::one() + slack::<T>(u.len()))))
    }

    fn polar(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        let n = norm_1(u);
        Some(if n == T::zero() { T::zero() } else { n / self.lambda })
    }
}
