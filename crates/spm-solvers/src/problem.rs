//! The shapes of problem that the solvers take.

use spm_linalg::{LinalgError, LinearOperator, Prox, Scalar, Smooth, check};

/// $\min_x f(x) + g(x)$: a smooth function plus one with a prox.
///
/// In plain text: `min f(x) + g(x)`. The problem borrows both, so one function serves many problems.
#[derive(Debug, Clone, Copy)]
pub struct Composite<'a, T: Scalar> {
    /// The smooth part.
    pub f: &'a dyn Smooth<T>,
    /// The part with a prox.
    pub g: &'a dyn Prox<T>,
}

impl<'a, T: Scalar> Composite<'a, T> {
    /// The problem.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if `g` fixes a length other than that of `f`.
    pub fn new(f: &'a dyn Smooth<T>, g: &'a dyn Prox<T>) -> Result<Self, LinalgError> {
        if let Some(n) = g.dim() {
            check::len("penalty", f.dim(), n)?;
        }
        Ok(Self { f, g })
    }
}

/// One term `g(K x)` of a [`Split`].
#[derive(Debug, Clone, Copy)]
pub struct Term<'a, T: Scalar> {
    /// The function, of length `k.nrows()`.
    pub g: &'a dyn Prox<T>,
    /// The operator, with as many columns as the problem has unknowns.
    pub k: &'a dyn LinearOperator<T>,
}

impl<'a, T: Scalar> Term<'a, T> {
    /// The term.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if `g` fixes a length other than the rows of `k`.
    pub fn new(g: &'a dyn Prox<T>, k: &'a dyn LinearOperator<T>) -> Result<Self, LinalgError> {
        if let Some(n) = g.dim() {
            check::len("function of a term", k.nrows(), n)?;
        }
        Ok(Self { g, k })
    }
}

/// $\min_x f(x) + g(x) + \sum_k h_k(K_k x)$ with an optional smooth $f$ and an optional $g$ with a prox.
///
/// In plain text: `min f(x) + g(x) + sum_k h_k(K_k x)`.
#[derive(Debug, Clone, Copy)]
pub struct Split<'a, T: Scalar> {
    n: usize,
    /// The smooth part, 0 if absent.
    pub f: Option<&'a dyn Smooth<T>>,
    /// The part whose prox acts on `x` itself, 0 if absent.
    pub g: Option<&'a dyn Prox<T>>,
    /// The composed terms.
    pub terms: &'a [Term<'a, T>],
}

impl<'a, T: Scalar> Split<'a, T> {
    /// `Σ h_k(K_k x)` for `x` of length `n`.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] unless every operator has `n` columns.
    pub fn new(n: usize, terms: &'a [Term<'a, T>]) -> Result<Self, LinalgError> {
        for term in terms {
            check::len("columns of a term's operator", n, term.k.ncols())?;
        }
        Ok(Self { n, f: None, g: None, terms })
    }

    /// Adds the smooth part.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if its length is another.
    pub fn smooth(mut self, f: &'a dyn Smooth<T>) -> Result<Self, LinalgError> {
        check::len("smooth part", self.n, f.dim())?;
        self.f = Some(f);
        Ok(self)
    }

    /// Adds the part with a prox on `x`.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if it fixes another length.
    pub fn prox(mut self, g: &'a dyn Prox<T>) -> Result<Self, LinalgError> {
        if let Some(n) = g.dim() {
            check::len("penalty", self.n, n)?;
        }
        self.g = Some(g);
        Ok(self)
    }

    /// The number of unknowns.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.n
    }

    /// The number of dual variables, `Σ_k nrows(K_k)`.
    #[must_use]
    pub fn dual_dim(&self) -> usize {
        self.terms.iter().map(|t| t.k.nrows()).sum()
    }
}
