//! A function after an operator with orthogonal rows of equal norm.

use crate::function::kernels::{dims, indicator, slack};
use crate::vecops::norm;
use crate::{Facts, LinalgError, LinearOperator, MemStack, Prox, Scalar, StackReq, Workspace, check};

/// A function after an operator with orthogonal rows of equal norm, $h(x) = g(A x)$ with $A A^T = \mu I$.
///
/// In plain text: `h(x) = g(A x)`, for instance `A` an orthonormal transform (`mu = 1`), a selection of entries, or
/// the synthesis operator of a tight frame. Its prox is `v + Aᵀ(prox_g(A v, mu·step) − A v) / mu`; its conjugate is
/// `g*(A u / mu)` for `u` in the range of `Aᵀ`, `+∞` elsewhere. Two products with `A` and the prox of `g`;
/// `2·nrows + ncols` temporaries and those of `A` and `g`; [`value`](Prox::value) allocates.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `g` | | the function, of `A.nrows()` variables |
/// | `a` | `A Aᵀ = mu I` | the operator |
/// | `mu` | finite, `> 0` | squared norm of the rows |
///
/// Source: Combettes and Pesquet 2007, *A Douglas-Rachford splitting approach to nonsmooth convex variational signal
/// recovery*, proposition 11.
///
/// ```
/// use spm_linalg::{Dense, Prox, Workspace, calculus::PrecomposeTightFrame, penalty::L1};
/// // The penalty |x_1 + x_2|.
/// let a = Dense::from_column_major(&[1.0, 1.0], 1, 2)?;
/// let h = PrecomposeTightFrame::new(L1::new(1.0)?, a, 2.0)?;
/// let mut out = [0.0; 2];
/// h.prox_into(&[3.0, 1.0], 1.0, &mut out, Workspace::new(h.scratch(2)).stack());
/// assert_eq!(out, [2.0, 0.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PrecomposeTightFrame<G, A, T> {
    g: G,
    a: A,
    mu: T,
}

impl<G: Prox<T>, A: LinearOperator<T>, T: Scalar> PrecomposeTightFrame<G, A, T> {
    /// `g` after `a`.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if `g` fixes another dimension than `a.nrows()`, [`LinalgError::InvalidParam`] unless
    /// `mu` is finite and `> 0` and `A Aᵀ z = mu z` holds for a fixed irregular `z`.
    pub fn new(g: G, a: A, mu: T) -> Result<Self, LinalgError> {
        check::positive("mu", mu)?;
        let (m, n) = (a.nrows(), a.ncols());
        check::len("function after the frame", g.dim().unwrap_or(m), m)?;
        let probe: Vec<T> = (0..m).map(|i| T::of((1.0 + 1.7 * i as f64).sin())).collect();
        let (mut x, mut y) = (vec![T::zero(); n], vec![T::zero(); m]);
        let mut ws = Workspace::new(a.scratch());
        a.apply_adjoint(&probe, &mut x, ws.stack());
        a.apply(&x, &mut y, ws.stack());
        for (v, &p) in y.iter_mut().zip(&probe) {
            *v -= mu * p;
        }
        if norm(&y) > T::epsilon().sqrt() * mu * norm(&probe) {
            return Err(LinalgError::InvalidParam {
                name: "mu",
                expected: "the number with A Aᵀ = mu I",
                got: mu.as_f64(),
            });
        }
        Ok(Self { g, a, mu })
    }

    /// `A u / mu` if `u` is in the range of `Aᵀ`.
    fn pull_back(&self, u: &[T], y: &mut [T], stack: &mut MemStack) -> bool {
        let (mut x, stack) = stack.make_with(u.len(), |_| T::zero());
        self.a.apply(u, y, stack);
        for v in y.iter_mut() {
            *v /= self.mu;
        }
        self.a.apply_adjoint(y, &mut x, stack);
        for (v, &w) in x.iter_mut().zip(u) {
            *v -= w;
        }
        norm(&x) <= slack::<T>(8 * (u.len() + y.len())) * norm(u)
    }
}

impl<G: Prox<T>, A: LinearOperator<T>, T: Scalar> Prox<T> for PrecomposeTightFrame<G, A, T> {
    fn value(&self, x: &[T]) -> T {
        let mut y = vec![T::zero(); self.a.nrows()];
        self.a.apply(x, &mut y, Workspace::new(self.a.scratch()).stack());
        self.g.value(&y)
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        dims("PrecomposeTightFrame::prox_into", self.dim(), x.len(), out.len());
        let m = self.a.nrows();
        let (mut y, stack) = stack.make_with(m, |_| T::zero());
        let (mut z, stack) = stack.make_with(m, |_| T::zero());
        self.a.apply(x, &mut y, stack);
        let value = self.g.prox_into(&y, self.mu * step, &mut z, stack);
        for (z, &y) in z.iter_mut().zip(y.iter()) {
            *z = (*z - y) / self.mu;
        }
        self.a.apply_adjoint(&z, out, stack);
        for (o, &v) in out.iter_mut().zip(x) {
            *o += v;
        }
        value
    }

    fn scratch(&self, n: usize) -> StackReq {
        let m = self.a.nrows();
        let inner = self.a.scratch().or(self.g.scratch(m));
        StackReq::new::<T>(m).and(StackReq::new::<T>(m).or(StackReq::new::<T>(n))).and(inner)
    }

    fn dim(&self) -> Option<usize> {
        Some(self.a.ncols())
    }

    fn facts(&self) -> Facts {
        Facts { separable: false, ..self.g.facts() }
    }

    fn prox_conj_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        dims("PrecomposeTightFrame::prox_conj_into", self.dim(), x.len(), out.len());
        let m = self.a.nrows();
        let (mut y, stack) = stack.make_with(m, |_| T::zero());
        let (mut z, stack) = stack.make_with(m, |_| T::zero());
        self.a.apply(x, &mut y, stack);
        for v in y.iter_mut() {
            *v /= self.mu;
        }
        let value = self.g.prox_conj_into(&y, step / self.mu, &mut z, stack);
        self.a.apply_adjoint(&z, out, stack);
        value
    }

    fn scratch_conj(&self, _n: usize) -> StackReq {
        let m = self.a.nrows();
        let inner = self.a.scratch().or(self.g.scratch_conj(m));
        StackReq::new::<T>(m).array(2).and(inner)
    }

    /// For a positively homogeneous `g` the polar decides, within rounding.
    fn conj_value(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        if let Some(polar) = self.polar(u, stack) {
            let slack = slack::<T>(8 * (u.len() + self.a.nrows()));
            return Some(indicator(polar <= T::one() + slack));
        }
        let (mut y, stack) = stack.make_with(self.a.nrows(), |_| T::zero());
        let inside = self.pull_back(u, &mut y, stack);
        let value = self.g.conj_value(&y, stack)?;
        Some(if inside { value } else { T::infinity() })
    }

    fn polar(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        let (mut y, stack) = stack.make_with(self.a.nrows(), |_| T::zero());
        let inside = self.pull_back(u, &mut y, stack);
        let value = self.g.polar(&y, stack)?;
        Some(if inside { value } else { T::infinity() })
    }
}
