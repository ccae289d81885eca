//! Polishing of an approximate Lasso solution to rounding accuracy by its normal equations.

use spm_linalg::factor::UpdatingCholesky;
use spm_linalg::{DesignMatrix, LinalgError, Scalar, Workspace, check, vecops};

use crate::SolveError;

/// The problem $\min_w \frac{s}{2}\|A w - b\|^2 + \sum_j v_j \bigl(\lambda |w_j| + \frac{\mu}{2} w_j^2\bigr)$ whose
/// approximate solution [`polish`](Self::polish) makes exact.
///
/// In plain text: `s/2 ‖A w − b‖² + sum_j factors_j (lambda |w_j| + ridge/2 w_j²)`, `A`: n × p, `b`: n, `w >= 0` on
/// request. On the right support and with the right signs the solution satisfies the linear equations
/// `(s A_SᵀA_S + ridge diag(factors_S)) w_S = s A_Sᵀb − lambda factors_S sign_S`: a Cholesky factorisation of the size
/// of the support replaces thousands of first-order iterations.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `scale` | | `> 0` | `s`, 1/n for the mean-squared-error convention |
/// | `lambda` | | `>= 0` | weight of the L1 norm |
/// | `ridge` | 0 | `>= 0` | weight of the squared norm |
/// | `factors` | `None`: all 1 | `>= 0` | `v_j`, factors of both penalties; 0 = unpenalised |
/// | `non_negative` | false | | only `w >= 0` |
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct PolishL1<'a, T, D: ?Sized> {
    /// The matrix `A`.
    pub design: &'a D,
    /// The right-hand side.
    pub b: &'a [T],
    /// The factor `s` of the squared error.
    pub scale: T,
    /// The weight of the L1 norm.
    pub lambda: T,
    /// The weight of the squared norm.
    pub ridge: T,
    /// Factors of both weights by coordinate.
    pub factors: Option<&'a [T]>,
    /// Only coordinates `>= 0` are allowed.
    pub non_negative: bool,
}

/// What [`PolishL1::polish`] achieved.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
#[must_use = "says whether the point was replaced"]
pub struct Polished<T> {
    /// Whether the point was replaced; it is when the violation went down.
    pub accepted: bool,
    /// The largest violation of the optimality conditions before, `max_j dist(−∇_j, λ_j ∂|w_j|)`.
    pub before: T,
    /// The same for the polished point, whether accepted or not.
    pub after: T,
}

/// Corrections with the true residual on a fixed support: enough to undo the squared condition number.
const REFINEMENTS: usize = 3;

impl<'a, T: Scalar, D: DesignMatrix<T> + ?Sized> PolishL1<'a, T, D> {
    /// The Lasso `scale/2·‖A w − b‖² + lambda·‖w‖₁`.
    pub fn new(design: &'a D, b: &'a [T], scale: T, lambda: T) -> Self {
        Self { design, b, scale, lambda, ridge: T::zero(), factors: None, non_negative: false }
    }

    /// Sets factors of `lambda` and `ridge` by coordinate.
    #[must_use]
    pub fn factors(mut self, factors: &'a [T]) -> Self {
        self.factors = Some(factors);
        self
    }

    /// Sets the weight of the squared norm.
    #[must_use]
    pub fn ridge(mut self, ridge: T) -> Self {
        self.ridge = ridge;
        self
    }

    /// Sets whether coordinates must be `>= 0`.
    #[must_use]
    pub fn non_negative(mut self, non_negative: bool) -> Self {
        self.non_negative = non_negative;
        self
    }

    /// Replaces `w` by the solution on its support if that violates the optimality conditions less.
    ///
    /// Coordinates that would change sign leave the support on the way, at most `max_rounds` changes in all; a coordinate
    /// at zero that violates its condition joins, the worst first. So a slightly wrong support is repaired too. Each
    /// accepted round costs O(n p); the factorisation O(n k²) for a support of size k.
    ///
    /// # Errors
    /// [`SolveError::Linalg`] for lengths that do not fit, parameters out of range, or non-finite `b` or `w`.
    ///
    /// ```
    /// use spm_linalg::Dense;
    /// use spm_solvers::polish::PolishL1;
    /// let a = Dense::from_column_major(&[1.0, 0.0, 0.0, 1.0], 2, 2)?;
    /// let mut w = [1.9_f64, 0.0];
    /// let done = PolishL1::new(&a, &[3.0, 0.5], 1.0, 1.0).polish(&mut w, 10)?;
    /// assert!(done.accepted && done.after < 1e-15);
    /// assert_eq!(w, [2.0, 0.0]);
    /// # Ok::<(), spm_solvers::SolveError>(())
    /// ```
    pub fn polish(&self, w: &mut [T], max_rounds: usize) -> Result<Polished<T>, SolveError> {
        self.validate(w)?;
        let mut state = State::new(self, w, max_rounds);
        let before = state.violation(self).0;
        for _ in 0..=max_rounds {
            if state.minimise_on_support(self) {
                let (_, worst) = state.violation(self);
                if worst.is_none_or(|j| !state.join(self, j)) {
                    break;
                }
            }
        }
        let after = state.violation(self).0;
        let accepted = after < before;
        if accepted {
            w.copy_from_slice(&state.w);
        }
        Ok(Polished { accepted, before, after })
    }

    fn validate(&self, w: &[T]) -> Result<(), LinalgError> {
        check::len("right-hand side b", self.design.nrows(), self.b.len())?;
        check::len("point to polish", self.design.ncols(), w.len())?;
        check::finite("right-hand side b", self.b)?;
        check::finite("point to polish", w)?;
        check::positive("scale", self.scale)?;
        check::non_negative("lambda", self.lambda)?;
        check::non_negative("ridge", self.ridge)?;
        if let Some(factors) = self.factors {
            check::len("penalty factors", w.len(), factors.len())?;
            check::all_non_negative("penalty factors", factors)?;
        }
        Ok(())
    }

    fn factor_at(&self, j: usize) -> T {
        self.factors.map_or(T::one(), |f| f[j])
    }

    fn lambda_at(&self, j: usize) -> T {
        self.lambda * self.factor_at(j)
    }

    fn ridge_at(&self, j: usize) -> T {
        self.ridge * self.factor_at(j)
    }

    /// Whether a coordinate of the support may not change its sign.
    fn sign_is_fixed(&self, j: usize) -> bool {
        self.non_negative || self.lambda_at(j) > T::zero()
    }

    /// `dist(−gradient, ∂g_j(w))` for the gradient of the squared error.
    fn violation_at(&self, j: usize, w: T, gradient: T) -> T {
        let lambda = self.lambda_at(j);
        if w == T::zero() {
            let pull = if self.non_negative { -gradient } else { gradient.abs() };
            (pull - lambda).max(T::zero())
        } else {
            (gradient + self.ridge_at(j) * w + lambda * w.signum()).abs()
        }
    }
}

/// The working point: its support with signs, and the factor of the Gram matrix of the support.
struct State<T: Scalar> {
    w: Vec<T>,
    support: Vec<usize>,
    sign: Vec<T>,
    factor: UpdatingCholesky<T>,
    residual: Vec<T>,
    column: Vec<T>,
    step: Vec<T>,
    workspace: Workspace,
}

impl<T: Scalar> State<T> {
    fn new<D: DesignMatrix<T> + ?Sized>(p: &PolishL1<'_, T, D>, w: &[T], max_rounds: usize) -> Self {
        let nonzero: Vec<usize> = (0..w.len()).filter(|&j| w[j] != T::zero()).collect();
        let mut this = Self {
            w: w.to_vec(),
            support: Vec::new(),
            sign: Vec::new(),
            factor: UpdatingCholesky::with_capacity(nonzero.len() + max_rounds + 1),
            residual: vec![T::zero(); p.b.len()],
            column: vec![T::zero(); p.b.len()],
            step: Vec::new(),
            workspace: Workspace::new(p.design.scratch()),
        };
        for j in nonzero {
            let allowed = w[j] > T::zero() || !p.non_negative;
            if !allowed || !this.append(p, j, w[j].signum()) {
                this.w[j] = T::zero();
            }
        }
        this
    }

    /// Adds column `j` to the factor; `false` if it depends on the others.
    fn append<D: DesignMatrix<T> + ?Sized>(&mut self, p: &PolishL1<'_, T, D>, j: usize, sign: T) -> bool {
        self.column.fill(T::zero());
        p.design.col_axpy(j, T::one(), &mut self.column);
        self.step.clear();
        self.step.extend(self.support.iter().map(|&i| p.scale * p.design.col_dot(i, &self.column)));
        let sq_norm = p.scale * vecops::sq_norm(&self.column) + p.ridge_at(j);
        let fits = self.factor.append(&self.step, sq_norm).is_ok();
        if fits {
            self.support.push(j);
            self.sign.push(sign);
        }
        fits
    }

    /// A violating zero coordinate joins with the sign that lowers the objective.
    fn join<D: DesignMatrix<T> + ?Sized>(&mut self, p: &PolishL1<'_, T, D>, j: usize) -> bool {
        let downhill = p.design.col_dot(j, &self.residual).signum();
        self.append(p, j, downhill)
    }

    /// Minimises over the support with fixed signs. If a coordinate reaches zero on the way it stops there, drops it and
    /// returns `false`.
    fn minimise_on_support<D: DesignMatrix<T> + ?Sized>(&mut self, p: &PolishL1<'_, T, D>) -> bool {
        for _ in 0..REFINEMENTS {
            self.compute_residual(p);
            self.step.clear();
            for (&j, &sign) in self.support.iter().zip(&self.sign) {
                let slope = p.scale * p.design.col_dot(j, &self.residual) - p.ridge_at(j) * self.w[j];
                self.step.push(slope - sign * p.lambda_at(j));
            }
            self.factor.solve_in_place(&mut self.step);
            let (mut length, mut leaves) = (T::one(), None);
            for (at, &j) in self.support.iter().enumerate() {
                let target = self.w[j] + self.step[at];
                if p.sign_is_fixed(j) && target * self.sign[at] <= T::zero() {
                    let reached = -self.w[j] / self.step[at];
                    if leaves.is_none() || reached < length {
                        (length, leaves) = (reached, Some(at));
                    }
                }
            }
            for (&j, &d) in self.support.iter().zip(&self.step) {
                self.w[j] += length * d;
            }
            if let Some(at) = leaves {
                self.w[self.support[at]] = T::zero();
                self.factor.remove(at);
                self.support.remove(at);
                self.sign.remove(at);
                return false;
            }
        }
        true
    }

    /// The largest violation, and the zero coordinate outside the support that violates most.
    fn violation<D: DesignMatrix<T> + ?Sized>(&mut self, p: &PolishL1<'_, T, D>) -> (T, Option<usize>) {
        self.compute_residual(p);
        let (mut largest, mut worst) = (T::zero(), (T::zero(), None));
        for (j, &w) in self.w.iter().enumerate() {
            let gradient = -p.scale * p.design.col_dot(j, &self.residual);
            let v = p.violation_at(j, w, gradient);
            let noise = T::of(16.0) * T::epsilon() * p.lambda_at(j).max(gradient.abs());
            if w == T::zero() && v > worst.0.max(noise) && !self.support.contains(&j) {
                worst = (v, Some(j));
            }
            // A NaN must not look like optimality.
            if v > largest || v.is_nan() {
                largest = v;
            }
        }
        (largest, worst.1)
    }

    fn compute_residual<D: DesignMatrix<T> + ?Sized>(&mut self, p: &PolishL1<'_, T, D>) {
        p.design.apply(&self.w, &mut self.residual, self.workspace.stack());
        for (r, &b) in self.residual.iter_mut().zip(p.b) {
            *r = b - *r;
        }
    }
}
