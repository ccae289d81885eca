//! Orthogonal matching pursuit of one signal.

use spm_linalg::{DesignMatrix, Scalar, Workspace, check, vecops};

use crate::{Control, Iteration, Progress, SolveError, StopRule, run};

/// A correlation of at most this many rounding units of `‖d_j‖·‖y‖` counts as zero.
pub(crate) const ZERO_CORRELATION: f64 = 32.0;
/// An atom whose squared distance to the span of the chosen ones is at most this much of its squared norm counts as
/// dependent on them. One such atom costs about as many digits as half of those that are left, so that a few of them
/// in a row don't ruin a code; at the rounding unit itself single precision blows up on coherent dictionaries.
pub(crate) fn dependent<T: Scalar>() -> T {
    T::of(4.0) * T::epsilon().sqrt()
}

/// Orthogonal matching pursuit: $\min_x \|y - D x\|_2$ subject to $\|x\|_0 \le k$, greedily.
///
/// In plain text: every step adds the column `d_j` with the largest `|d_jᵀ r|` (the lowest index among equals; no
/// division by `‖d_j‖`), then sets the coefficients of all chosen columns to the least-squares fit and `r = y − D x`.
/// The Cholesky factor of the chosen columns' Gram matrix grows by one row a step.
///
/// As an [`Iteration`] it runs under [`run`]: `max_iter` is the number of atoms `k`, [`ErrorBound`] the error
/// bound. In its progress `residual` is `‖r‖₂`, `objective` is `½‖r‖²`, and `dual_residual` is the largest
/// remaining correlation, exactly 0 when no column can lower the residual any further; further steps then do
/// nothing. Zero and duplicate columns are never taken, nor those whose distance to the span of the chosen ones is
/// less than `2·eps^¼` of their norm (2.4e-4 in `f64`, 0.037 in `f32`).
///
/// Time `O(m n + m k)` for step `k` of an `m × n` matrix; memory `O(n + m + k_max²)`.
///
/// Source: Pati, Rezaiifar, Krishnaprasad 1993; Cholesky form: Rubinstein, Zibulevsky, Elad 2008, section 2.
/// For many signals and one dictionary use [`crate::batch_omp`].
///
/// ```
/// use spm_linalg::Dense;
/// use spm_solvers::omp::omp;
/// // Atoms (1,0), (0,1), (0,1): the duplicate is never taken.
/// let d = Dense::from_column_major(&[1.0, 0.0, 0.0, 1.0, 0.0, 1.0], 2, 3)?;
/// let fit = omp(d, &[3.0, -4.0], 3, 0.0)?;
/// assert_eq!(fit.support, [1, 0]);
/// assert_eq!(fit.coefficients, [-4.0, 3.0]);
/// # Ok::<(), spm_solvers::SolveError>(())
/// ```
#[derive(Debug)]
pub struct Omp<'a, T: Scalar, A> {
    design: A,
    signal: &'a [T],
    /// Correlations of at most this count as zero.
    zero: Vec<T>,
    k_max: usize,
    support: Vec<usize>,
    /// Rows of the lower Cholesky factor, packed.
    factor: Vec<T>,
    /// `D_Iᵀ y`.
    moments: Vec<T>,
    gamma: Vec<T>,
    x: Vec<T>,
    residual: Vec<T>,
    column: Vec<T>,
    correlation: Vec<T>,
    excluded: Vec<bool>,
    next: Option<usize>,
    steps: usize,
    ws: Workspace,
}

impl<'a, T: Scalar, A: DesignMatrix<T>> Omp<'a, T, A> {
    /// A pursuit of `signal` in the columns of `design`, with room for `k_max` atoms.
    ///
    /// # Errors
    /// [`spm_linalg::LinalgError::Shape`] or [`spm_linalg::LinalgError::NonFinite`] for a bad signal or a column
    /// whose squared norm is not finite.
    pub fn new(design: A, signal: &'a [T], k_max: usize) -> Result<Self, SolveError> {
        let (m, n) = (design.nrows(), design.ncols());
        check::len("signal", m, signal.len())?;
        check::finite("signal", signal)?;
        let k_max = k_max.min(m).min(n);
        let ws = Workspace::new(design.scratch());
        let unit = T::of(ZERO_CORRELATION) * T::epsilon() * vecops::norm(signal);
        let norms: Vec<T> = (0..n).map(|j| design.col_sq_norm(j).sqrt()).collect();
        // A column that is not finite would never be chosen, and never be noticed.
        check::finite("column norms of the design", &norms)?;
        let zero = norms.iter().map(|&norm| unit * norm).collect();
        let mut this = Self {
            design,
            signal,
            zero,
            k_max,
            support: Vec::with_capacity(k_max),
            factor: Vec::with_capacity(k_max * (k_max + 1) / 2),
            moments: Vec::with_capacity(k_max),
            gamma: Vec::with_capacity(k_max),
            x: vec![T::zero(); n],
            residual: signal.to_vec(),
            column: vec![T::zero(); m],
            correlation: vec![T::zero(); n],
            excluded: vec![false; n],
            next: None,
            steps: 0,
            ws,
        };
        this.select();
        Ok(this)
    }

    /// The chosen columns in the order of selection.
    #[must_use]
    pub fn support(&self) -> &[usize] {
        &self.support
    }

    /// The coefficients of [`support`](Self::support).
    #[must_use]
    pub fn coefficients(&self) -> &[T] {
        &self.gamma
    }

    /// `y − D x`.
    #[must_use]
    pub fn residual(&self) -> &[T] {
        &self.residual
    }

    /// Finds the next column: the largest correlation among those that are independent of the chosen ones. Leaves
    /// its Cholesky row at the end of `factor`.
    fn select(&mut self) {
        self.next = None;
        if self.support.len() == self.k_max {
            return;
        }
        self.design.apply_adjoint(&self.residual, &mut self.correlation, self.ws.stack());
        loop {
            let (mut best, mut at) = (T::zero(), None);
            for (j, (&c, &zero)) in self.correlation.iter().zip(&self.zero).enumerate() {
                if c.abs() > best && c.abs() > zero && !self.excluded[j] {
                    (best, at) = (c.abs(), Some(j));
                }
            }
            let Some(j) = at else { return };
            if self.push_row(j) {
                self.next = Some(j);
                return;
            }
            self.excluded[j] = true;
        }
    }

    /// Appends the Cholesky row of column `j`; `false` (and nothing appended) if `j` depends on the chosen ones.
    fn push_row(&mut self, j: usize) -> bool {
        let sq = self.design.col_sq_norm(j);
        self.column.fill(T::zero());
        self.design.col_axpy(j, T::one(), &mut self.column);
        let (start, n) = (self.factor.len(), self.support.len());
        for a in 0..n {
            let mut v = self.design.col_dot(self.support[a], &self.column);
            let row = &self.factor[a * (a + 1) / 2..][..=a];
            for (b, &l) in row[..a].iter().enumerate() {
                v -= l * self.factor[start + b];
            }
            let v = v / row[a];
            self.factor.push(v);
        }
        let pivot: T = sq - self.factor[start..].iter().map(|&l| l * l).sum::<T>();
        if pivot <= dependent::<T>() * sq {
            self.factor.truncate(start);
            return false;
        }
        self.factor.push(pivot.sqrt());
        true
    }
}

impl<T: Scalar, A: DesignMatrix<T>> Iteration<T> for Omp<'_, T, A> {
    fn step(&mut self) -> Result<(), SolveError> {
        self.steps += 1;
        let Some(j) = self.next.take() else { return Ok(()) };
        self.support.push(j);
        self.excluded[j] = true;
        self.moments.push(self.design.col_dot(j, self.signal));
        self.gamma.clear();
        self.gamma.extend_from_slice(&self.moments);
        solve_packed(&self.factor, &mut self.gamma);
        self.residual.copy_from_slice(self.signal);
        for (&i, &g) in self.support.iter().zip(&self.gamma) {
            self.x[i] = g;
            self.design.col_axpy(i, -g, &mut self.residual);
        }
        self.select();
        Ok(())
    }

    fn progress(&self) -> Progress<T> {
        let r = vecops::norm(&self.residual);
        let correlation = self.next.map_or(T::zero(), |j| self.correlation[j].abs());
        Progress::new(self.steps, r).objective(T::of(0.5) * r * r).dual_residual(correlation)
    }

    fn iterate(&self) -> &[T] {
        &self.x
    }
}

/// Solves `L Lᵀ x = b` in place; row `a` of `L` starts at `a(a+1)/2`.
fn solve_packed<T: Scalar>(l: &[T], x: &mut [T]) {
    let n = x.len();
    for a in 0..n {
        let row = &l[a * (a + 1) / 2..][..=a];
        let mut v = x[a];
        for b in 0..a {
            v -= row[b] * x[b];
        }
        x[a] = v / row[a];
    }
    for a in (0..n).rev() {
        let row = &l[a * (a + 1) / 2..][..=a];
        x[a] /= row[a];
        for b in 0..a {
            x[b] -= row[b] * x[a];
        }
    }
}

/// Stops a pursuit when `‖y − D x‖₂ <= eps`, or when no atom can lower it.
#[derive(Debug, Clone, Copy)]
pub struct ErrorBound<T> {
    /// The bound, absolute, in the 2-norm.
    pub eps: T,
}

impl<T: Scalar> StopRule<T> for ErrorBound<T> {
    fn done(&mut self, p: &Progress<T>) -> bool {
        p.residual <= self.eps || p.dual_residual == Some(T::zero())
    }
}

/// What [`omp`] found.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Pursuit<T> {
    /// The chosen columns in the order of selection.
    pub support: Vec<usize>,
    /// Their coefficients.
    pub coefficients: Vec<T>,
    /// `‖y − D x‖₂`.
    pub residual_norm: T,
}

/// Runs [`Omp`] to at most `k` atoms or to `‖y − D x‖₂ <= eps`, whichever comes first.
///
/// # Errors
/// [`spm_linalg::LinalgError`] for a signal of the wrong length or with a NaN, a column whose squared norm is not
/// finite, or an `eps` that is not finite and `>= 0`.
pub fn omp<T: Scalar, A: DesignMatrix<T>>(
    design: A,
    signal: &[T],
    k: usize,
    eps: T,
) -> Result<Pursuit<T>, SolveError> {
    check::non_negative("eps", eps)?;
    let mut it = Omp::new(design, signal, k)?;
    let report = run(&mut it, Control::new(k, &mut ErrorBound { eps }))?;
    Ok(Pursuit { support: it.support, coefficients: it.gamma, residual_norm: report.last.residual })
}
