//! Certificates computed from the problem and a point alone, never from a solver's bookkeeping.
//!
//! | problem | certificate |
//! |---|---|
//! | `min F(A w) + g(w)` | [`duality_gap`], or [`DualityGap`] to evaluate it many times |
//! | `min ½‖x − b‖² + g(K x)` | [`generalized_gap`] from a dual candidate |
//! | `min f(x) + g(x)`, `g` separable | [`optimality_violation`] |
//! | `min f(x) + g(x)`, any prox | [`fixed_point_residual`] |

use spm_linalg::{LinearOperator, Prox, Scalar, SeparableProx, Smooth, StackReq, Workspace, check, vecops};

use crate::loss::Loss;
use crate::problem::Term;
use crate::{Certificate, Certify, Composite};

/// The duality gap of $\min_w F(A w) + g(w)$ at `w`.
///
/// In plain text: primal `F(A w) + g(w)`, dual `−F*(θ) − g*(−Aᵀθ)`. The dual point is `θ = ∇F(A w)`, divided by
/// `max(1, polar of g at −Aᵀθ)` when `g` has a polar; when it has none, shrunk by bisection until the conjugate is
/// finite. A `g` that knows neither gets the dual value `−∞`: the gap is then infinite, never wrong. Convexity of
/// `g` is not needed for the bound to hold.
///
/// The gap closes at a solution unless `g` leaves some direction free (a weight of 0, the sign constraint alone, the
/// constant under a total variation): no multiple of `∇F(A w)` is exactly feasible then, and the dual value stays at
/// `−F*(0)`. Take such a direction out of the dual candidate and use [`duality_gap_at`].
///
/// `w` has length p. One product, one adjoint product, `2n + 2p` numbers of memory.
///
/// # Panics
/// If a length disagrees with the operator.
///
/// Source: Fenchel duality; the rescaled dual point is in Ndiaye et al. 2017, *Gap safe screening rules for
/// sparsity enforcing penalties*, section 3.
///
/// ```
/// use spm_linalg::{Dense, penalty::L1};
/// use spm_solvers::{kkt::duality_gap, loss::Quadratic};
/// let a = Dense::from_column_major(&[1.0, 0.0, 0.0, 1.0], 2, 2)?;
/// let loss = Quadratic::new(&[3.0, 0.5])?;
/// let at_solution = duality_gap(&loss, &a, &L1::new(1.0)?, &[2.0, 0.0]); // the soft threshold of y
/// assert!(at_solution.gap() < 1e-14);
/// let at_zero = duality_gap(&loss, &a, &L1::new(1.0)?, &[0.0, 0.0]);
/// assert!(at_zero.gap() >= at_zero.primal - at_solution.primal);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
pub fn duality_gap<T: Scalar>(
    loss: &dyn Loss<T>,
    op: &dyn LinearOperator<T>,
    penalty: &dyn Prox<T>,
    w: &[T],
) -> Certificate<T> {
    DualityGap::new(loss, op, penalty).certificate(w)
}

/// As [`duality_gap`] with a dual candidate of your own, `theta` of length n, rescaled to be feasible.
///
/// For problems with a free direction: remove it from `∇F(A w)` first. With an intercept, for instance, subtract the
/// mean, since the dual point must be orthogonal to the constant.
///
/// # Panics
/// If a length disagrees with the operator.
pub fn duality_gap_at<T: Scalar>(
    loss: &dyn Loss<T>,
    op: &dyn LinearOperator<T>,
    penalty: &dyn Prox<T>,
    w: &[T],
    theta: &[T],
) -> Certificate<T> {
    DualityGap::new(loss, op, penalty).certificate_at(w, theta)
}

/// Evaluates [`duality_gap`] at many points without allocating.
#[derive(Debug)]
pub struct DualityGap<'a, T: Scalar> {
    loss: &'a dyn Loss<T>,
    op: &'a dyn LinearOperator<T>,
    penalty: &'a dyn Prox<T>,
    pred: Vec<T>,
    theta: Vec<T>,
    corr: Vec<T>,
    shrunk: Vec<T>,
    workspace: Workspace,
}

impl<'a, T: Scalar> DualityGap<'a, T> {
    /// The evaluator; allocates `2n + 2p` numbers and the scratch of its parts.
    ///
    /// # Panics
    /// If the operator has not one row an observation, or the penalty fixes a length other than its columns.
    #[must_use]
    pub fn new(loss: &'a dyn Loss<T>, op: &'a dyn LinearOperator<T>, penalty: &'a dyn Prox<T>) -> Self {
        let (n, p) = (op.nrows(), op.ncols());
        check::dim("duality gap: observations", n, loss.n_obs());
        check::dim("duality gap: penalty", p, penalty.dim().unwrap_or(p));
        let req = StackReq::any_of(&[op.scratch(), penalty.scratch(p)]);
        Self {
            loss,
            op,
            penalty,
            pred: vec![T::zero(); n],
            theta: vec![T::zero(); n],
            corr: vec![T::zero(); p],
            shrunk: vec![T::zero(); p],
            workspace: Workspace::new(req),
        }
    }

    /// The certificate at `w`, with the dual point from the gradient of the loss.
    ///
    /// # Panics
    /// If `w.len()` is not the number of columns.
    pub fn certificate(&mut self, w: &[T]) -> Certificate<T> {
        self.op.apply(w, &mut self.pred, self.workspace.stack());
        let loss = self.loss.grad_into(&self.pred, &mut self.theta);
        let dual = self.dual_value();
        Certificate::new(loss + self.penalty.value(w), dual)
    }

    /// The certificate at `w` from the dual candidate `theta`.
    ///
    /// # Panics
    /// If a length disagrees with the operator.
    pub fn certificate_at(&mut self, w: &[T], theta: &[T]) -> Certificate<T> {
        check::dim("duality gap: dual candidate", self.theta.len(), theta.len());
        self.op.apply(w, &mut self.pred, self.workspace.stack());
        self.theta.copy_from_slice(theta);
        let dual = self.dual_value();
        Certificate::new(self.loss.value(&self.pred) + self.penalty.value(w), dual)
    }

    /// The feasible dual point of the last certificate, length n.
    #[must_use]
    pub fn dual_point(&self) -> &[T] {
        &self.theta
    }

    /// `−F*(θ) − g*(−Aᵀθ)` after making `θ` feasible.
    fn dual_value(&mut self) -> T {
        let stack = self.workspace.stack();
        self.op.apply_adjoint(&self.theta, &mut self.corr, stack);
        for c in &mut self.corr {
            *c = -*c;
        }
        let conj = if let Some(polar) = self.penalty.polar(&self.corr, stack) {
            vecops::scale(T::one() / polar.max(T::one()), &mut self.theta);
            T::zero()
        } else {
            self.shrink_into_domain()
        };
        -self.loss.conj_value(&self.theta) - conj
    }

    /// Shrinks `θ` until `g*(−Aᵀθ)` is finite, which is its result; `+∞` if it never is or not known. The domain of a
    /// conjugate is convex, so that the multiples inside it form an interval.
    fn shrink_into_domain(&mut self) -> T {
        let mut conj_at = |s: T| {
            for (z, &c) in self.shrunk.iter_mut().zip(&self.corr) {
                *z = s * c;
            }
            self.penalty.conj_value(&self.shrunk, self.workspace.stack()).unwrap_or_else(T::infinity)
        };
        let whole = conj_at(T::one());
        let mut best = (T::zero(), conj_at(T::zero()));
        // NaN is not infinite: it goes on into the certificate.
        if !whole.is_infinite() || best.1.is_infinite() {
            return whole;
        }
        let mut outside = T::one();
        for _ in 0..40 {
            let middle = T::of(0.5) * (best.0 + outside);
            let conj = conj_at(middle);
            if conj.is_infinite() {
                outside = middle;
            } else {
                best = (middle, conj);
            }
        }
        vecops::scale(best.0, &mut self.theta);
        best.1
    }
}

impl<T: Scalar> Certify<T> for DualityGap<'_, T> {
    fn certify(&mut self, w: &[T]) -> Certificate<T> {
        self.certificate(w)
    }
}

/// The duality gap of $\min_x \tfrac12\|x - b\|^2 + g(K x)$ at `x` from the dual candidate `u`.
///
/// In plain text: dual `max_u ⟨b, Kᵀu⟩ − ½‖Kᵀu‖² − g*(u)`, at whose solution `x = b − Kᵀu`. For a `g` with a polar
/// the candidate is replaced by its best feasible multiple; otherwise its conjugate is evaluated at `u`, and a `g`
/// that knows neither gets the dual value `−∞`.
///
/// `x` and `b` have length n, `u` the rows of `K`. One product, one adjoint product.
///
/// # Panics
/// If a length disagrees with the operator.
///
/// ```
/// use spm_linalg::{Dense, penalty::L1};
/// use spm_solvers::{Term, kkt::generalized_gap};
/// // Total variation of two points: they move towards each other by lambda.
/// let (k, g) = (Dense::from_column_major(&[-1.0, 1.0], 1, 2)?, L1::new(1.0)?);
/// let certificate = generalized_gap(&[0.0, 5.0], Term::new(&g, &k)?, &[1.0, 4.0], &[1.0]);
/// assert_eq!(certificate.gap(), 0.0);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
pub fn generalized_gap<T: Scalar>(b: &[T], term: Term<'_, T>, x: &[T], u: &[T]) -> Certificate<T> {
    let (g, k) = (term.g, term.k);
    let (m, n) = (k.nrows(), k.ncols());
    check::dim("generalized gap: b", n, b.len());
    let mut workspace = Workspace::new(StackReq::any_of(&[k.scratch(), g.scratch(m)]));
    let stack = workspace.stack();
    let mut kx = vec![T::zero(); m];
    let mut v = vec![T::zero(); n];
    k.apply(x, &mut kx, stack);
    k.apply_adjoint(u, &mut v, stack);
    let half = T::of(0.5);
    let primal = half * vecops::sq_dist(x, b) + g.value(&kx);
    let (inner, sq) = (vecops::dot(b, &v), vecops::sq_norm(&v));
    let dual = if let Some(polar) = g.polar(u, stack) {
        // s ⟨b, v⟩ − s² ‖v‖²/2 is largest at s = ⟨b, v⟩/‖v‖²; feasible up to 1/polar.
        let best = if inner > T::zero() { inner / sq } else { T::zero() };
        let s = if polar * best > T::one() { polar.recip() } else { best };
        s * (inner - half * s * sq)
    } else {
        inner - half * sq - g.conj_value(u, stack).unwrap_or_else(T::infinity)
    };
    Certificate::new(primal, dual)
}

/// The largest distance of a coordinate from optimality, `max_j dist(−∇f(x)_j, ∂g_j(x_j))`; 0 exactly at a solution.
///
/// In units of the gradient. NaN if any distance is. One gradient, O(n) more.
///
/// # Panics
/// If `x.len() != f.dim()`.
pub fn optimality_violation<T: Scalar>(f: &dyn Smooth<T>, g: &dyn SeparableProx<T>, x: &[T]) -> T {
    let mut grad = vec![T::zero(); f.dim()];
    f.value_grad_into(x, &mut grad, Workspace::new(f.scratch()).stack());
    for (j, (d, &v)) in grad.iter_mut().zip(x).enumerate() {
        *d = g.subdiff_distance_at(j, v, *d);
    }
    vecops::norm_inf(&grad)
}

/// The prox fixed-point residual `‖x − prox_{step·g}(x − step ∇f(x))‖₂ / step`; 0 exactly at a solution.
///
/// In units of the gradient; equals `‖∇f(x)‖` without `g`. One gradient and one prox.
///
/// # Panics
/// If `x.len() != f.dim()`.
pub fn fixed_point_residual<T: Scalar>(problem: Composite<'_, T>, x: &[T], step: T) -> T {
    let n = problem.f.dim();
    let mut workspace = Workspace::new(StackReq::any_of(&[problem.f.scratch(), problem.g.scratch(n)]));
    let (mut forward, mut out) = (vec![T::zero(); n], vec![T::zero(); n]);
    problem.f.value_grad_into(x, &mut forward, workspace.stack());
    for (d, &v) in forward.iter_mut().zip(x) {
        *d = v - step * *d;
    }
    problem.g.prox_into(&forward, step, &mut out, workspace.stack());
    for (o, &v) in out.iter_mut().zip(x) {
        *o -= v;
    }
    vecops::norm(&out) / step
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use spm_linalg::testing::Rng;
    use spm_linalg::{Dense, Facts, MemStack, penalty::L1};

    use super::*;
    use crate::loss::{Huber, Logistic, LossOf, Poisson, Quadratic};

    /// A function that knows only its value and prox.
    #[derive(Debug)]
    struct Opaque(L1<f64>);

    impl Prox<f64> for Opaque {
        fn value(&self, x: &[f64]) -> f64 {
            self.0.value(x)
        }
        fn prox_into(&self, x: &[f64], step: f64, out: &mut [f64], stack: &mut MemStack) -> f64 {
            self.0.prox_into(x, step, out, stack)
        }
        fn facts(&self) -> Facts {
            Facts::default().convex()
        }
    }

    #[test]
    fn the_dual_value_never_exceeds_a_primal_value() {
        let mut rng = Rng::new(5);
        let (n, p) = (6, 9);
        let a: Vec<f64> = rng.normals(n * p);
        let op = Dense::from_column_major(&a, n, p).unwrap();
        let y: Vec<f64> = (0..n).map(|_| rng.uniform()).collect();
        let weights: Vec<f64> =
            (0..n).map(|i| if i == 2 { 0.0 } else { rng.uniform::<f64>() + 0.2 }).collect();
        let losses: [Box<dyn Loss<f64>>; 5] = [
            Box::new(Quadratic::new(&y).unwrap()),
            Box::new(Quadratic::new(&y).unwrap().weights(&weights).unwrap().mean()),
            Box::new(Logistic::new(&y).unwrap().mean()),
            Box::new(Huber::new(&y, 0.1).unwrap()),
            Box::new(Poisson::new(&y).unwrap().weights(&weights).unwrap()),
        ];
        for loss in &losses {
            for lambda in [1e-3, 0.1, 3.0] {
                let g = L1::new(lambda).unwrap();
                let mut lowest = f64::INFINITY;
                let mut highest = f64::NEG_INFINITY;
                let mut evaluator = DualityGap::new(&**loss, &op, &g);
                for _ in 0..50 {
                    let w: Vec<f64> = rng.normals::<f64>(p).iter().map(|v| 0.5 * v).collect();
                    let c = evaluator.certificate(&w);
                    lowest = lowest.min(c.primal);
                    highest = highest.max(c.dual);
                }
                assert!(highest.is_finite() && highest <= lowest + 1e-12, "{loss:?}: {highest} > {lowest}");
            }
        }
    }

    #[test]
    fn orthogonal_design_has_gap_zero_and_no_violation_at_the_soft_threshold() {
        let a = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let op = Dense::from_column_major(&a, 3, 3).unwrap();
        let (y, g) = ([3.0, -0.2, -2.0], L1::<f64>::new(0.5).unwrap());
        let loss = Quadratic::new(&y).unwrap();
        let w = [2.5, 0.0, -1.5];
        assert!(duality_gap(&loss, &op, &g, &w).gap() < 1e-14);
        let f = LossOf::new(loss, op).unwrap();
        assert_eq!(optimality_violation(&f, &g, &w), 0.0);
        assert_eq!(fixed_point_residual(Composite::new(&f, &g).unwrap(), &w, 0.3), 0.0);
        // Off by 0.1 in a coordinate with curvature 1: both see exactly that.
        let off = [2.6_f64, 0.0, -1.5];
        assert!((optimality_violation(&f, &g, &off) - 0.1).abs() < 1e-12);
        assert!((fixed_point_residual(Composite::new(&f, &g).unwrap(), &off, 0.3) - 0.1).abs() < 1e-12);
        assert!(duality_gap(&loss, &op, &g, &off).gap() >= 0.5 * 0.1 * 0.1);
        assert!(optimality_violation(&f, &g, &[f64::NAN, 0.0, 0.0]).is_nan());
    }

    #[test]
    fn a_penalty_without_a_conjugate_gets_an_infinite_gap() {
        let op = Dense::from_column_major(&[1.0], 1, 1).unwrap();
        let c = duality_gap(&Quadratic::new(&[1.0]).unwrap(), &op, &Opaque(L1::new(1.0).unwrap()), &[0.0]);
        assert_eq!((c.primal, c.gap()), (0.5, f64::INFINITY));
    }

    #[test]
    fn an_intercept_needs_a_centred_dual_point() {
        // min ½‖y − 1·b‖² with the constant unpenalised: the mean, with objective ½ Σ (y − ȳ)².
        let op = Dense::from_column_major(&[1.0, 1.0], 2, 1).unwrap();
        let (loss, free) = (Quadratic::new(&[1.0, 3.0]).unwrap(), L1::<f64>::new(0.0).unwrap());
        let c = duality_gap_at(&loss, &op, &free, &[2.0], &[1.0, -1.0]);
        assert!((c.primal - 1.0).abs() < 1e-15 && c.gap() < 1e-15);
    }

    #[test]
    fn generalized_gap_takes_the_best_multiple_of_the_candidate() {
        let k = Dense::from_column_major(&[-1.0, 1.0], 1, 2).unwrap();
        let (b, g) = ([0.0, 5.0], L1::<f64>::new(1.0).unwrap());
        let term = Term::new(&g, &k).unwrap();
        for u in [0.01, 1.0, 40.0] {
            assert!(generalized_gap(&b, term, &[1.0, 4.0], &[u]).gap() < 1e-14);
        }
        // The wrong sign is worth nothing: the dual value at 0.
        assert_eq!(generalized_gap(&b, term, &[1.0, 4.0], &[-1.0]).dual, 0.0);
        let loose = generalized_gap(&b, term, &b, &[1.0]);
        assert!((loose.gap() - 1.0).abs() < 1e-14);
    }
}
