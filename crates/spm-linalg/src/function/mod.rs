//! Functions known by their proximal operator ([`Prox`]) or their gradient ([`Smooth`]).
//!
//! `penalty` holds one penalty a file, `set` one convex set (its indicator) a file, `calculus` the rules that
//! make new functions from old ones.

pub mod calculus;
pub mod penalty;
pub mod set;

mod forward;
mod kernels;

use core::fmt::Debug;
use core::ops::Range;

use crate::{MemStack, Scalar, StackReq, check};

/// What a function declares about itself. Each is a claim: `spm_linalg::testing::check_prox` tries to refute it.
///
/// ```
/// use spm_linalg::Facts;
/// let facts = Facts::default().convex().separable();
/// assert!(facts.convex && facts.separable && !facts.indicator);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Facts {
    /// The function is convex; its prox is firmly nonexpansive.
    pub convex: bool,
    /// Values are 0 on a set and +∞ outside; the prox is a projection and ignores the step.
    pub indicator: bool,
    /// The function is a sum of functions of single coordinates, each the same at every coordinate or not.
    pub separable: bool,
    /// `g(a x) = a g(x)` for every `a > 0`: norms, semi-norms, support functions.
    pub positively_homogeneous: bool,
}

impl Facts {
    /// Declares convexity.
    #[must_use]
    pub const fn convex(mut self) -> Self {
        self.convex = true;
        self
    }
    /// Declares an indicator function.
    #[must_use]
    pub const fn indicator(mut self) -> Self {
        self.indicator = true;
        self
    }
    /// Declares separability.
    #[must_use]
    pub const fn separable(mut self) -> Self {
        self.separable = true;
        self
    }
    /// Declares positive homogeneity.
    #[must_use]
    pub const fn positively_homogeneous(mut self) -> Self {
        self.positively_homogeneous = true;
        self
    }
}

/// A function `g : R^n → R ∪ {+∞}` with a computable proximal operator.
///
/// Two methods are enough: [`value`](Self::value) and [`prox_into`](Self::prox_into). Then run
/// `spm_linalg::testing::check_prox` on it in a test. The rest has correct defaults; [`polar`](Self::polar) and
/// [`conj_value`](Self::conj_value) are what a duality gap is built from.
pub trait Prox<T: Scalar>: Debug + Send + Sync {
    /// `g(x)`, `+∞` outside the domain.
    ///
    /// For checks, certificates and reports. It has no `stack`, so that a function whose value needs temporaries
    /// allocates them here (its page says so); inside an iteration use what [`prox_into`](Self::prox_into) returns.
    fn value(&self, x: &[T]) -> T;

    /// `out ← argmin_z g(z) + ‖z − x‖² / (2·step)`; returns `g(out)`, not multiplied by the step.
    ///
    /// Never reads `out`, allocates nothing, takes temporaries from `stack`.
    ///
    /// # Panics
    /// If `out.len() != x.len()` or the length is not [`dim`](Self::dim).
    fn prox_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T;

    /// Temporary memory of [`prox_into`](Self::prox_into), [`polar`](Self::polar) and
    /// [`conj_value`](Self::conj_value) for vectors of length `n`.
    fn scratch(&self, _n: usize) -> StackReq {
        StackReq::EMPTY
    }

    /// The length of `x`, where the function fixes it (weights, groups, a matrix shape).
    fn dim(&self) -> Option<usize> {
        None
    }

    /// What the function claims about itself.
    fn facts(&self) -> Facts {
        Facts::default()
    }

    /// `out ← prox of step·g*` at `x`, by Moreau's identity `x − step·prox_{g/step}(x/step)`; returns `g*(out)`.
    ///
    /// Override it where the projection onto the dual ball is exact: rounding here can leave a dual point just
    /// outside the domain of `g*`.
    ///
    /// # Panics
    /// As [`prox_into`](Self::prox_into).
    fn prox_conj_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        check::dim("prox_conj_into out", x.len(), out.len());
        let (scaled, stack) = stack.make_with(x.len(), |i| x[i] / step);
        let g_p = self.prox_into(&scaled, step.recip(), out, stack);
        // u = x − step·p is a subgradient of g at p, so Fenchel's equality gives g*(u) = ⟨u, p⟩ − g(p).
        let mut inner = T::zero();
        for (o, &v) in out.iter_mut().zip(x) {
            let p = *o;
            *o = v - step * p;
            inner += *o * p;
        }
        inner - g_p
    }

    /// Temporary memory of [`prox_conj_into`](Self::prox_conj_into).
    fn scratch_conj(&self, n: usize) -> StackReq {
        StackReq::new::<T>(n).and(self.scratch(n))
    }

    /// The conjugate `g*(u) = sup_x ⟨u, x⟩ − g(x)`, if known in closed form; NaN or `+∞` if `u` has a NaN.
    fn conj_value(&self, _u: &[T], _stack: &mut MemStack) -> Option<T> {
        None
    }

    /// For a positively homogeneous `g`: the polar `sup { ⟨u, x⟩ : g(x) <= 1 }`, so that `g*(u) = 0` exactly when
    /// the polar is at most 1 and `+∞` otherwise; NaN or `+∞` if `u` has a NaN. For `g = λ‖·‖₁` it is `‖u‖_∞/λ`. Dividing a dual candidate by
    /// `max(1, polar)` makes it feasible: this is how the certificates get their dual point.
    fn polar(&self, _u: &[T], _stack: &mut MemStack) -> Option<T> {
        None
    }
}

/// A function that is a sum over coordinates, `g(x) = Σ_j g_j(x_j)`: what coordinate descent needs.
pub trait SeparableProx<T: Scalar>: Prox<T> {
    /// `g_j(v)`.
    fn value_at(&self, j: usize, v: T) -> T;

    /// `argmin_z g_j(z) + (z − v)² / (2·step)`.
    fn prox_at(&self, j: usize, v: T, step: T) -> T;

    /// `dist(−grad, ∂g_j(w))`: how far coordinate `j` is from optimal when the smooth part has slope `grad` there.
    fn subdiff_distance_at(&self, j: usize, w: T, grad: T) -> T;

    /// First and second derivative of `g_j` at `w` where it is smooth and they are known: lets a solver take a
    /// Newton step on the support. `None`, the default, is always right.
    fn expansion_at(&self, _j: usize, _w: T) -> Option<(T, T)> {
        None
    }
}

/// A function that is a sum over disjoint groups of coordinates: what block coordinate descent needs.
pub trait GroupProx<T: Scalar>: Prox<T> {
    /// How many groups there are.
    fn n_groups(&self) -> usize;

    /// The coordinates of group `g`, contiguous.
    ///
    /// # Panics
    /// If `g >= n_groups()`.
    fn group(&self, g: usize) -> Range<usize>;

    /// `out ← argmin_z g_g(z) + ‖z − x‖² / (2·step)` on the coordinates of group `g` alone.
    ///
    /// # Panics
    /// If the lengths are not the size of the group.
    fn prox_group_into(&self, g: usize, x: &[T], step: T, out: &mut [T]) -> T;

    /// `dist(−grad, ∂g_g(w))` on the coordinates of group `g` alone.
    ///
    /// # Panics
    /// If the lengths are not the size of the group.
    fn subdiff_distance_group(&self, g: usize, w: &[T], grad: &[T]) -> T;

    /// Gradient and Hessian (column by column, `len × len`) of `g_g` at `w` along the nonzero coordinates of `w`,
    /// where it is smooth in them and they are known: lets a solver take a Newton step on the support. Returns
    /// whether both were written. `false`, the default, is always right.
    fn expansion_group_into(&self, _g: usize, _w: &[T], _slope: &mut [T], _curvature: &mut [T]) -> bool {
        false
    }
}

/// A differentiable function `f : R^n → R`.
pub trait Smooth<T: Scalar>: Debug + Send + Sync {
    /// Length of `x`.
    fn dim(&self) -> usize;

    /// `f(x)`.
    ///
    /// # Panics
    /// If `x.len() != dim()`.
    fn value(&self, x: &[T], stack: &mut MemStack) -> T;

    /// `grad ← ∇f(x)`; returns `f(x)`.
    ///
    /// # Panics
    /// If `x.len() != dim()` or `grad.len() != dim()`.
    fn value_grad_into(&self, x: &[T], grad: &mut [T], stack: &mut MemStack) -> T;

    /// Temporary memory of both.
    fn scratch(&self) -> StackReq {
        StackReq::EMPTY
    }

    /// A Lipschitz constant of the gradient, if known.
    fn lipschitz(&self) -> Option<T> {
        None
    }
}
