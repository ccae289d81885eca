//! The part of a regression that does not depend on the penalty: weights, centring, scaling, and the way back.

use spm_linalg::{
    DesignMatrix, LinearOperator, Scalar, Standardized, Standardizing, Workspace, check, vecops,
};

use super::problem::Units;
use crate::{Design, ModelError};

/// A design matrix as the solvers see it, and what turns their answer into the units of the data.
#[derive(Debug)]
pub(super) struct Prepared<'a, T: Scalar> {
    pub(super) view: Standardized<'a, T>,
    /// Weights of the observations, summing to n.
    weights: Option<Vec<T>>,
    fit_intercept: bool,
}

impl<'a, T: Scalar> Prepared<'a, T> {
    pub(super) fn new(
        x: Design<'a, T>,
        sample_weight: Option<&[T]>,
        fit_intercept: bool,
        standardize: bool,
    ) -> Result<Self, ModelError> {
        let weights = weights(x, sample_weight)?;
        let view = Standardized::new(x, what(fit_intercept, standardize, weights.as_deref()))?;
        Ok(Self { view, weights, fit_intercept })
    }

    /// With a response as the solver sees it, and its product with the matrix from the same pass over the data.
    pub(super) fn with_response(
        x: Design<'a, T>,
        y: &[T],
        sample_weight: Option<&[T]>,
        fit_intercept: bool,
        standardize: bool,
    ) -> Result<(Self, Response<T>), ModelError> {
        let weights = weights(x, sample_weight)?;
        let (y, mean) = response(y, weights.as_deref(), fit_intercept);
        let what = what(fit_intercept, standardize, weights.as_deref());
        let (view, product) = Standardized::with_adjoint(x, what, &y)?;
        Ok((Self { view, weights, fit_intercept }, Response { y, mean, product }))
    }

    /// n.
    pub(super) fn rows(&self) -> usize {
        self.view.nrows()
    }

    /// p.
    pub(super) fn columns(&self) -> usize {
        self.view.ncols()
    }

    /// `c = 1/n`.
    pub(super) fn curvature(&self) -> T {
        T::of_usize(self.view.nrows()).recip()
    }

    /// The response as the solver sees it, `sqrt(w)·(y − mean)`, and the mean (0 without an intercept).
    pub(super) fn response(&self, y: &[T]) -> (Vec<T>, T) {
        response(y, self.weights.as_deref(), self.fit_intercept)
    }

    /// How coefficients of the solver become those of the data, for a response of this mean.
    pub(super) fn units(&self, mean: T) -> Units<T> {
        Units { means: self.view.means().to_vec(), scales: self.view.scales().to_vec(), mean }
    }

    /// Turns coefficients of the solver into those of the data, in place; returns the intercept.
    pub(super) fn to_data_units(&self, coef: &mut [T], mean: T) -> T {
        let mut intercept = mean;
        for ((w, &m), &s) in coef.iter_mut().zip(self.view.means()).zip(self.view.scales()) {
            *w /= s;
            intercept -= *w * m;
        }
        intercept
    }

    /// The standardised matrix written out, column by column.
    pub(super) fn written_out(&self) -> Vec<T> {
        let n = self.rows();
        let mut data = vec![T::zero(); n * self.columns()];
        for (j, column) in data.chunks_exact_mut(n).enumerate() {
            self.view.col_axpy(j, T::one(), column);
        }
        data
    }

    /// `y − X w` of a response as the solver sees it.
    pub(super) fn residual(&self, y: &[T], w: &[T]) -> Vec<T> {
        let mut residual = vec![T::zero(); self.rows()];
        self.view.apply(w, &mut residual, Workspace::new(self.view.scratch()).stack());
        for (r, &y) in residual.iter_mut().zip(y) {
            *r = y - *r;
        }
        residual
    }

    /// `Xᵀ r`.
    pub(super) fn product(&self, r: &[T]) -> Vec<T> {
        let mut product = vec![T::zero(); self.columns()];
        self.view.apply_adjoint(r, &mut product, Workspace::new(self.view.scratch()).stack());
        product
    }

    /// `1/(2n) ‖y‖²` of a response as the solver sees it.
    pub(super) fn objective_at_zero(&self, y: &[T]) -> T {
        T::of(0.5) * self.curvature() * vecops::sq_norm(y)
    }
}

/// A response as the solver sees it.
#[derive(Debug)]
pub(super) struct Response<T> {
    /// `sqrt(w)·(y − mean)`.
    pub(super) y: Vec<T>,
    pub(super) mean: T,
    /// `Xᵀy`.
    pub(super) product: Vec<T>,
}

fn weights<T: Scalar>(x: Design<'_, T>, sample_weight: Option<&[T]>) -> Result<Option<Vec<T>>, ModelError> {
    check::non_empty("X: rows", x.nrows())?;
    check::non_empty("X: columns", x.ncols())?;
    sample_weight.map(|w| normalised(w, x.nrows())).transpose()
}

fn what<T: Scalar>(fit_intercept: bool, standardize: bool, weights: Option<&[T]>) -> Standardizing<'_, T> {
    Standardizing::default().center(fit_intercept).scale(standardize).weights(weights)
}

/// `sqrt(w)·(y − mean)` and the mean (0 without an intercept), for weights that sum to n.
fn response<T: Scalar>(y: &[T], weights: Option<&[T]>, fit_intercept: bool) -> (Vec<T>, T) {
    let mut mean = T::zero();
    if fit_intercept {
        let n = T::of_usize(y.len());
        // The second pass removes the rounding of the first.
        for _ in 0..2 {
            let rest: T = match weights {
                None => y.iter().map(|&v| v - mean).sum(),
                Some(w) => y.iter().zip(w).map(|(&v, &w)| w * (v - mean)).sum(),
            };
            mean += rest / n;
        }
    }
    let weigh = |(i, &v): (usize, &T)| (v - mean) * weights.map_or(T::one(), |w| w[i].sqrt());
    (y.iter().enumerate().map(weigh).collect(), mean)
}

/// The weights scaled to sum to `n`.
pub(super) fn normalised<T: Scalar>(weights: &[T], n: usize) -> Result<Vec<T>, ModelError> {
    check::len("sample_weight", n, weights.len())?;
    check::all_non_negative("sample_weight", weights)?;
    // Divided by the largest first: the sum can't overflow.
    let largest = vecops::norm_inf(weights);
    check::positive("largest sample_weight", largest)?;
    let mut w: Vec<T> = weights.iter().map(|&v| v / largest).collect();
    let factor = T::of_usize(n) / vecops::sum(&w);
    vecops::scale(factor, &mut w);
    Ok(w)
}
