//! Lasso codes of many signals in one dictionary.

use spm_linalg::factor::UpdatingCholesky;
use spm_linalg::vecops::panel::abs_argmax;
use spm_linalg::{Dense, Scalar, check, vecops};

use crate::SolveError;
use crate::gram_dictionary::{GramDictionary, overflow};

/// This many signals are correlated with the dictionary in one matrix product.
const BLOCK: usize = 48;

/// How the minimiser is found; both find the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum LassoMethod {
    /// Atoms enter one by one, the most violating first; among those in use the minimiser is computed by Cholesky, and an atom
    /// leaves when its coefficient reaches 0. Exact after finitely many steps; the faster the sparser the code. Signals
    /// for which atoms in use are linearly dependent are finished by coordinate descent.
    #[default]
    ActiveSet,
    /// Cyclic coordinate descent on the Gram matrix.
    CoordinateDescent,
}

/// What is minimised for every signal, and when to stop early.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct LassoProblem<T> {
    /// Weight of the 1-norm, `>= 0`.
    pub lambda: T,
    /// Whether coefficients must be `>= 0`.
    pub positive: bool,
    /// At most this many atoms a signal (active set only): the greedy beginning of the path to the minimiser.
    pub k: usize,
    /// An active set that represents the signal up to this residual norm is not extended.
    pub eps: T,
    /// How the minimiser is found.
    pub method: LassoMethod,
}

impl<T: Scalar> LassoProblem<T> {
    /// The minimiser for this `lambda`, signs free.
    #[must_use]
    pub fn new(lambda: T) -> Self {
        Self { lambda, positive: false, k: usize::MAX, eps: T::zero(), method: LassoMethod::default() }
    }

    /// Sets whether coefficients must be `>= 0`.
    #[must_use]
    pub fn positive(mut self, on: bool) -> Self {
        self.positive = on;
        self
    }

    /// Sets the largest number of atoms.
    #[must_use]
    pub fn k(mut self, k: usize) -> Self {
        self.k = k;
        self
    }

    /// Sets the residual norm that is good enough.
    #[must_use]
    pub fn eps(mut self, eps: T) -> Self {
        self.eps = eps;
        self
    }

    /// Sets how the minimiser is found.
    #[must_use]
    pub fn method(mut self, method: LassoMethod) -> Self {
        self.method = method;
        self
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`spm_linalg::LinalgError::InvalidParam`] unless `lambda` and `eps` are finite and `>= 0`.
    pub fn validate(&self) -> Result<(), SolveError> {
        check::non_negative("lambda", self.lambda)?;
        check::non_negative("eps", self.eps)?;
        Ok(())
    }
}

/// Codes of many signals: $\min_x \tfrac12 \|y - D x\|_2^2 + \lambda \|x\|_1$, optionally subject to `x >= 0`.
///
/// In plain text: half the squared residual plus `lambda` times the sum of the absolute coefficients. Correlations `Dᵀ Y` come
/// from one matrix product a block of signals; afterwards everything happens on the Gram matrix. Optimality, on the
/// returned point: `|d_jᵀ(y − D x)| <= lambda(1 + tol)` for every atom with `tol` about `1e-9` in `f64` and `1e-4` in `f32`, with equality up
/// to rounding and the right sign where `x_j ≠ 0`; all other coefficients are exactly 0. [`lasso_gap`] certifies a code.
///
/// With `lambda = 0`, `positive` and `k` it is non-negative matching pursuit (Bruckstein, Elad, Zibulevsky 2008): the atom with the
/// largest positive correlation enters, the coefficients are the non-negative least-squares fit.
///
/// Time about `O(d K + K n²)` a signal with `n` atoms in use; memory `O(K² + d K)`.
///
/// Sources: Lee, Battle, Raina, Ng 2007, *Efficient sparse coding algorithms*, algorithm 1 (active set); Lawson and Hanson 1974,
/// chapter 23 (leaving atoms); Friedman, Hastie, Tibshirani 2010, section 2.2 (covariance updates).
///
/// ```
/// use spm_linalg::Dense;
/// use spm_solvers::batch_lasso::{BatchLasso, LassoProblem};
/// let d = Dense::from_column_major(&[1.0, 0.0, 0.0, 1.0], 2, 2)?;
/// let lasso = BatchLasso::new(d)?;
/// let mut codes = Vec::new();
/// lasso.run(&[3.0, -0.5], LassoProblem::new(1.0), &mut lasso.buffers(), |_, atoms, x| codes.push((atoms.to_vec(), x.to_vec())))?;
/// assert_eq!(codes, [(vec![0], vec![2.0])]);
/// # Ok::<(), spm_solvers::SolveError>(())
/// ```
#[derive(Debug, Clone)]
pub struct BatchLasso<T> {
    dictionary: GramDictionary<T>,
}

/// The working memory of one thread.
#[derive(Debug, Clone)]
pub struct LassoBuffers<T> {
    correlations: Vec<T>,
    c: Vec<T>,
    factor: UpdatingCholesky<T>,
    active: Vec<u32>,
    signs: Vec<T>,
    x: Vec<T>,
    minus_x: Vec<T>,
    target: Vec<T>,
    cross: Vec<T>,
    /// Atoms that are not to enter, and whether one of them depends on those in use.
    excluded: Vec<u32>,
    dependent: bool,
    dense: Vec<T>,
}

impl<T: Scalar> BatchLasso<T> {
    /// Prepares the Gram matrix of `dictionary` (atoms are columns).
    ///
    /// # Errors
    /// As [`GramDictionary::new`].
    pub fn new(dictionary: Dense<'_, T>) -> Result<Self, SolveError> {
        Ok(Self { dictionary: GramDictionary::new(dictionary)? })
    }

    /// The working memory of one thread.
    #[must_use]
    pub fn buffers(&self) -> LassoBuffers<T> {
        let d = &self.dictionary;
        let most = d.dim().min(d.n_atoms()) + 1;
        LassoBuffers {
            correlations: vec![T::zero(); d.padded() * BLOCK],
            c: vec![T::zero(); d.padded()],
            factor: UpdatingCholesky::with_capacity(most),
            active: Vec::with_capacity(most),
            signs: Vec::with_capacity(most),
            x: Vec::with_capacity(most),
            minus_x: Vec::with_capacity(most),
            target: Vec::with_capacity(most),
            cross: Vec::with_capacity(most),
            excluded: Vec::new(),
            dependent: false,
            dense: Vec::new(),
        }
    }

    /// Codes the columns of `signals` (`dim × N`, column-major) and hands each code to `emit(signal, atoms, coefficients)`, in
    /// order; all coefficients are nonzero.
    ///
    /// # Errors
    /// As [`GramDictionary::correlate`] and [`LassoProblem::validate`].
    pub fn run(
        &self,
        signals: &[T],
        problem: LassoProblem<T>,
        buffers: &mut LassoBuffers<T>,
        mut emit: impl FnMut(usize, &[u32], &[T]),
    ) -> Result<(), SolveError> {
        problem.validate()?;
        let d = &self.dictionary;
        if buffers.c.len() != d.padded() {
            *buffers = self.buffers();
        }
        for (block, y) in signals.chunks(BLOCK * d.dim()).enumerate() {
            let count = y.len() / d.dim();
            let mut correlations = core::mem::take(&mut buffers.correlations);
            let c0 = &mut correlations[..count * d.padded()];
            d.correlate(y, c0).map_err(|e| crate::batch_omp::at_signal(e, block * BLOCK))?;
            for (i, c0) in c0.chunks_exact(d.padded()).enumerate() {
                let sq_norm = vecops::sq_norm(&y[i * d.dim()..][..d.dim()]);
                if !sq_norm.is_finite() {
                    return Err(overflow("norm of a signal", sq_norm.sqrt()).into());
                }
                let exact = problem.method == LassoMethod::ActiveSet
                    && self.active_set(c0, sq_norm, problem, buffers);
                if !exact {
                    self.descend(c0, problem, buffers);
                }
                emit(block * BLOCK + i, &buffers.active, &buffers.x);
            }
            buffers.correlations = correlations;
        }
        Ok(())
    }

    /// Leaves atoms and coefficients in `w`; `false` if dependent atoms keep it from the minimiser.
    fn active_set(&self, c0: &[T], sq_norm: T, p: LassoProblem<T>, w: &mut LassoBuffers<T>) -> bool {
        let d = &self.dictionary;
        w.clear();
        w.c.copy_from_slice(c0);
        let largest = c0[abs_argmax(c0)].abs();
        // Correlations of at most this much are optimal where the coefficient is 0.
        let enough = p.lambda + T::of(64.0) * T::epsilon() * largest.max(p.lambda);
        let most = p.k.min(w.factor_capacity(d));
        let sq_eps = p.eps * p.eps;
        let mut sq_residual = sq_norm;
        // Every round adds an atom; rounds that also lose some are few. The limit is against rounding alone.
        for _ in 0..8 * d.padded() {
            let j = if p.positive { positive_argmax(&w.c) } else { abs_argmax(&w.c) };
            let size = if p.positive { w.c[j] } else { w.c[j].abs() };
            if size <= enough || w.active.contains(&(j as u32)) {
                return !w.dependent || p.lambda == T::zero();
            }
            if sq_residual <= sq_eps || w.active.len() >= most {
                return w.active.len() >= p.k || sq_residual <= sq_eps;
            }
            let gram = d.gram(j);
            w.cross.clear();
            w.cross.extend(w.active.iter().map(|&i| gram[i as usize]));
            if w.factor.append(&w.cross, gram[j]).is_err() {
                w.excluded.push(j as u32);
                w.dependent = true;
                w.c[j] = T::zero();
                continue;
            }
            w.active.push(j as u32);
            w.signs.push(w.c[j].signum());
            w.x.push(T::zero());
            if !w.settle(c0, p.lambda) {
                // Its correlation was above lambda by rounding alone.
                w.excluded.push(j as u32);
            }
            w.minus_x.clear();
            w.minus_x.extend(w.x.iter().map(|&x| -x));
            d.add_gram(c0, &w.active, &w.minus_x, &mut w.c);
            for &j in &w.excluded {
                w.c[j as usize] = T::zero();
            }
            // ‖y − D x‖² = ‖y‖² − Σ x_j (c0_j + c_j).
            let explained: T =
                w.active.iter().zip(&w.x).map(|(&j, &x)| x * (c0[j as usize] + w.c[j as usize])).sum();
            sq_residual = sq_norm - explained;
        }
        false
    }

    /// Coordinate descent from the code in `w`.
    fn descend(&self, c0: &[T], p: LassoProblem<T>, w: &mut LassoBuffers<T>) {
        let d = &self.dictionary;
        if p.method == LassoMethod::CoordinateDescent {
            w.clear();
        }
        w.dense.clear();
        w.dense.resize(d.n_atoms(), T::zero());
        for (&j, &x) in w.active.iter().zip(&w.x) {
            w.dense[j as usize] = x;
        }
        w.minus_x.clear();
        w.minus_x.extend(w.x.iter().map(|&x| -x));
        d.add_gram(c0, &w.active, &w.minus_x, &mut w.c);
        // A step of size t in a unit atom changes the objective by t²/2.
        let still = T::of(if T::epsilon() > T::of(1e-10) { 1e-6 } else { 1e-11 }) * vecops::norm_inf(c0);
        for _ in 0..100_000 {
            if self.cycle(p, w, false) <= still {
                break;
            }
            // The coefficients in use settle first.
            for _ in 0..1000 {
                if self.cycle(p, w, true) <= still {
                    break;
                }
            }
        }
        w.active.clear();
        w.x.clear();
        for (j, &x) in w.dense.iter().enumerate().filter(|(_, x)| **x != T::zero()) {
            w.active.push(j as u32);
            w.x.push(x);
        }
    }

    /// One pass over the coordinates, or over those in use; the largest change, in units of correlation.
    fn cycle(&self, p: LassoProblem<T>, w: &mut LassoBuffers<T>, used: bool) -> T {
        let mut change = T::zero();
        for j in 0..self.dictionary.n_atoms() {
            let (gram, old) = (self.dictionary.gram(j), w.dense[j]);
            if gram[j] == T::zero() || (used && old == T::zero()) {
                continue;
            }
            let free = w.c[j] + gram[j] * old;
            let new = if p.positive && free < T::zero() {
                T::zero()
            } else {
                vecops::soft_threshold(free, p.lambda) / gram[j]
            };
            if new != old {
                vecops::axpy(old - new, gram, &mut w.c);
                w.dense[j] = new;
                change = change.max((new - old).abs() * gram[j].sqrt());
            }
        }
        change
    }
}

impl<T: Scalar> LassoBuffers<T> {
    fn clear(&mut self) {
        self.factor.clear();
        self.active.clear();
        self.signs.clear();
        self.x.clear();
        self.excluded.clear();
        self.dependent = false;
    }

    fn factor_capacity(&self, d: &GramDictionary<T>) -> usize {
        d.dim().min(d.n_atoms())
    }

    /// The minimiser for the atoms in use; those whose coefficient reaches 0 on the way leave. `false` if the atom that
    /// came last had to go at once.
    fn settle(&mut self, c0: &[T], lambda: T) -> bool {
        let newest = self.active.last().copied();
        while !self.active.is_empty() {
            self.target.clear();
            self.target
                .extend(self.active.iter().zip(&self.signs).map(|(&j, &s)| c0[j as usize] - lambda * s));
            self.factor.solve_in_place(&mut self.target);
            let mut step = T::one();
            let mut leaves = None;
            for (i, ((&x, &target), &sign)) in self.x.iter().zip(&self.target).zip(&self.signs).enumerate() {
                if target * sign <= T::zero() {
                    let reach = x / (x - target);
                    if reach < step || reach.is_nan() {
                        (step, leaves) = (reach.max(T::zero()), Some(i));
                    }
                }
            }
            let Some(gone) = leaves else {
                core::mem::swap(&mut self.x, &mut self.target);
                return true;
            };
            for (x, &target) in self.x.iter_mut().zip(&self.target) {
                *x += step * (target - *x);
            }
            let at_once = step == T::zero() && Some(self.active[gone]) == newest;
            self.factor.remove(gone);
            self.active.remove(gone);
            self.signs.remove(gone);
            self.x.remove(gone);
            if at_once {
                return false;
            }
        }
        true
    }
}

/// The first index at which `x` is largest.
fn positive_argmax<T: Scalar>(x: &[T]) -> usize {
    let mut best = 0;
    for (j, &v) in x.iter().enumerate() {
        if v > x[best] {
            best = j;
        }
    }
    best
}

/// The duality gap of a Lasso code: an upper bound, absolute, of how far `½‖y − D x‖² + λ‖x‖₁` is from the minimum.
///
/// Computed from the signal and the code alone: with `r = y − D x` and `θ = r·min(1, λ/max_j |d_jᵀ r|)` (`max_j d_jᵀ r` if `positive`), the
/// gap is `½‖r‖² + λ‖x‖₁ − ½‖y‖² + ½‖y − θ‖²`. For `λ = 0` it is infinite unless `Dᵀr = 0`.
///
/// # Panics
/// If a length is wrong or an index is not an atom.
pub fn lasso_gap<T: Scalar>(
    dictionary: Dense<'_, T>,
    y: &[T],
    atoms: &[u32],
    x: &[T],
    lambda: T,
    positive: bool,
) -> T {
    use spm_linalg::LinearOperator;
    let mut r = y.to_vec();
    let mut size = T::zero();
    for (&j, &x) in atoms.iter().zip(x) {
        vecops::axpy(-x, dictionary.col(j as usize), &mut r);
        size += x.abs();
    }
    let most = (0..dictionary.ncols())
        .map(|j| vecops::dot(dictionary.col(j), &r))
        .fold(T::zero(), |m, c| m.max(if positive { c } else { c.abs() }));
    if lambda == T::zero() && most > T::zero() {
        return T::infinity();
    }
    let shrink = if most > lambda { lambda / most } else { T::one() };
    let half = T::of(0.5);
    // ½‖y‖² − ½‖y − θ‖² = θᵀy − ½‖θ‖².
    let dual = shrink * vecops::dot(&r, y) - half * shrink * shrink * vecops::sq_norm(&r);
    half * vecops::sq_norm(&r) + lambda * size - dual
}
