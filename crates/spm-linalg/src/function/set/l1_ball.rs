//! The L1 ball.

use crate::function::kernels::{indicator, simplex_level, slack};
use crate::penalty::Linf;
use crate::vecops::{norm_1, norm_inf};
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, StackReq, check};

/// The indicator of the L1 ball, $\{x : \|x\|_1 \le r\}$.
///
/// In plain text: `sum_j |x_j| <= radius`. Its prox is the soft threshold at the level that reaches the boundary, or
/// the identity inside; its conjugate is `radius·‖u‖_∞`. O(n) by median splits, `n` temporaries.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `radius` | finite, `>= 0` | radius |
///
/// Source: Duchi, Shalev-Shwartz, Singer and Chandra 2008, *Efficient projections onto the l1-ball for learning in
/// high dimensions*, section 4.
///
/// ```
/// use spm_linalg::{Prox, Workspace, set::L1Ball};
/// let g = L1Ball::new(1.0)?;
/// let mut out = [0.0; 3];
/// g.prox_into(&[1.0, -0.5, 0.1], 1.0, &mut out, Workspace::new(g.scratch(3)).stack());
/// assert_eq!(out, [0.75, -0.25, 0.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct L1Ball<T> {
    radius: T,
}

impl<T: Scalar> L1Ball<T> {
    /// The ball of the given radius about 0.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `radius` is finite and `>= 0`.
    pub fn new(radius: T) -> Result<Self, LinalgError> {
        check::non_negative("radius", radius)?;
        Ok(Self { radius })
    }
}

/// `out ←` the projection of `x` onto the L1 ball, a vector with a NaN unchanged. Takes `x.len()` temporaries.
pub(crate) fn project_l1_ball<T: Scalar>(x: &[T], radius: T, out: &mut [T], stack: &mut MemStack) {
    let size = norm_1(x);
    if size <= radius || size.is_nan() {
        out.copy_from_slice(x);
        return;
    }
    if radius == T::zero() {
        out.fill(T::zero());
        return;
    }
    let top = norm_inf(x);
    let (mut gaps, _) = stack.make_with(x.len(), |i| top - x[i].abs());
    let level = simplex_level(&mut gaps, radius);
    for (o, &v) in out.iter_mut().zip(x) {
        let kept = level - (top - v.abs());
        *o = if kept <= T::zero() { T::zero() } else { kept.copysign(v) };
    }
}

impl<T: Scalar> Prox<T> for L1Ball<T> {
    fn value(&self, x: &[T]) -> T {
        indicator(norm_1(x) <= self.radius * (T::one() + slack::<T>(x.len())))
    }

    fn prox_into(&self, x: &[T], _step: T, out: &mut [T], stack: &mut MemStack) -> T {
        check::dim("L1Ball::prox_into out", x.len(), out.len());
        project_l1_ball(x, self.radius, out, stack);
        T::zero()
    }

    fn scratch(&self, n: usize) -> StackReq {
        StackReq::new::<T>(n)
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().indicator()
    }

    /// The prox of the conjugate, a multiple of the maximum norm.
    fn prox_conj_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        match Linf::new(self.radius) {
            Ok(norm) => norm.prox_into(x, step, out, stack),
            Err(_) => unreachable!("the radius was checked at construction"),
        }
    }

    fn scratch_conj(&self, n: usize) -> StackReq {
        self.scratch(n)
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        Some(self.radius * norm_inf(u))
    }
}
