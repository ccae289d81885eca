//! The part of a regression that does not depend on the penalty: weights, centring, scaling, and the way back.

use spm_linalg::{LinearOperator, Scalar, Standardized, Standardizing, check, vecops};

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
        check::non_empty("X: rows", x.nrows())?;
        check::non_empty("X: columns", x.ncols())?;
        let weights = sample_weight.map(|w| normalised(w, x.nrows())).transpose()?;
        let what =
            Standardizing::default().center(fit_intercept).scale(standardize).weights(weights.as_deref());
        let view = Standardized::new(x, what)?;
        Ok(Self { view, weights, fit_intercept })
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
        let mut mean = T::zero();
        if self.fit_intercept {
            // The second pass removes the rounding of the first.
            for _ in 0..2 {
                let rest: T = match &self.weights {
                    None => y.iter().map(|&v| v - mean).sum(),
                    Some(w) => y.iter().zip(w).map(|(&v, &w)| w * (v - mean)).sum(),
                };
                mean += rest * self.curvature();
            }
        }
        let mut out: Vec<T> = y.iter().map(|&v| v - mean).collect();
        if let Some(u) = self.view.sqrt_weights() {
            for (o, &u) in out.iter_mut().zip(u) {
                *o *= u;
            }
        }
        (out, mean)
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

    /// `1/(2n) ‖y‖²` of a response as the solver sees it.
    pub(super) fn objective_at_zero(&self, y: &[T]) -> T {
        T::of(0.5) * self.curvature() * vecops::sq_norm(y)
    }
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
