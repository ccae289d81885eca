//! Regression on few features, chosen one after the other.

use std::ops::ControlFlow;

use spm_linalg::{Scalar, check, vecops};
use spm_solvers::omp::{ErrorBound, Omp};
use spm_solvers::{Control, Iteration, Progress, Report, Status, run};

use super::prepared::Prepared;
use super::{FitControl, LinearModel, ended, fits, predicts, setters};
use crate::{ModelError, Xy};

/// Least squares on at most `k` features, which are chosen greedily: best-subset regression by orthogonal matching pursuit.
///
/// Looks for a minimiser of
/// $$\frac{1}{2n} \sum_i s_i (y_i - b - x_i^\top w)^2 \quad\text{subject to}\quad \lVert w \rVert_0 \le k$$
/// in plain text `1/(2n) * sum_i s_i (y_i - b - x_i w)^2` with at most `k` nonzero `w_j`, over `w` (length p) and the intercept `b`. Sample
/// weights `s` are normalised to sum n.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `k` | – | `>= 1` | at most this many features |
/// | `tol` | 0 | finite, `>= 0` | stop when the residual is at most this share of the variation of `y` (1 − R²) |
/// | `fit_intercept` | true | | |
/// | `standardize` | true | | choose by the correlation, so that the units of the features do not matter; otherwise by `abs(x_jᵀ r)` |
///
/// Every step adds the feature with the largest correlation to the residual (the lowest index among equals) and fits all chosen
/// ones anew. [`FittedOmp::steps`] holds the whole path of supports.
///
/// Best-subset selection is NP-hard, and no bound of the optimum comes with the result. What is certified: the coefficients are the
/// least-squares fit on their support ([`FittedOmp::violation`], recomputed from the returned coefficients). The support is the
/// right one if, on the standardised columns, `max_j ‖X_S⁺ x_j‖₁ < 1` over the features outside it, without noise (Tropp
/// 2004, theorem 3.1).
///
/// O(n p) a step and O(n k) for the fit, memory O(n + p + k²); `X` is not copied.
///
/// Sources: Pati, Rezaiifar and Krishnaprasad 1993; Tropp 2004, *Greed is good*.
///
/// ```
/// use spm_models::{Design, Fit, OmpRegression, Xy};
/// let x = [0.0_f64, 1.0, 2.0, 3.0, 1.0, -1.0, -1.0, 1.0];
/// let data = Xy::new(Design::dense(&x, 4, 2)?, &[1.0, 3.0, 5.0, 7.0]);
/// let fitted = OmpRegression::new(2).tol(1e-12).fit(data)?;
/// // One feature explains everything, a second is not taken.
/// assert_eq!(fitted.support(), [0]);
/// assert!((fitted.coef[0] - 2.0).abs() < 1e-12 && (fitted.intercept - 1.0).abs() < 1e-12);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OmpRegression<T = f64> {
    /// At most this many features.
    pub k: usize,
    /// Stop when the residual is at most this share of the variation of `y`.
    pub tol: T,
    /// Fit an intercept.
    pub fit_intercept: bool,
    /// Divide each column by its standard deviation before correlations are compared.
    pub standardize: bool,
}

impl<T: Scalar> OmpRegression<T> {
    /// The regression on at most `k` features with the default options.
    #[must_use]
    pub fn new(k: usize) -> Self {
        Self { k, tol: T::zero(), fit_intercept: true, standardize: true }
    }

    /// Sets the share of the variation at which to stop.
    #[must_use]
    pub fn tol(mut self, tol: T) -> Self {
        self.tol = tol;
        self
    }

    setters!(fit_intercept, standardize);

    /// Fits under limits and before an onlooker.
    ///
    /// # Errors
    /// [`ModelError::Linalg`] for options outside their range, lengths that disagree, empty data, and values that are NaN or
    /// infinite, with their row and column.
    pub fn fit_with(&self, data: Xy<'_, T>, ctl: FitControl<'_, T>) -> Result<FittedOmp<T>, ModelError> {
        check::non_empty("k", self.k)?;
        check::non_negative("tol", self.tol)?;
        data.validate()?;
        let prepared = Prepared::new(data.x, data.sample_weight, self.fit_intercept, self.standardize)?;
        let (y, mean) = prepared.response(data.y);
        let c = prepared.curvature();
        let units = prepared.units(mean);
        let mut omp = Omp::new(&prepared.view, &y, self.k)?;
        let mut steps: Vec<OmpStep<T>> = Vec::new();
        let mut outer = ctl.observer;
        let mut record = |progress: &Progress<T>, w: &[T]| {
            let (nonzeros, intercept) = units.undo(w);
            if nonzeros.len() > steps.last().map_or(0, |s| s.nonzeros.len()) {
                let mean_squared_error = c * progress.residual * progress.residual;
                steps.push(OmpStep { feature: 0, nonzeros, intercept, mean_squared_error });
            }
            match &mut outer {
                Some(o) => o.observe(progress, w),
                None => ControlFlow::Continue(()),
            }
        };
        let mut stop = ErrorBound { eps: self.tol.sqrt() * vecops::norm(&y) };
        let control = Control {
            max_iter: self.k,
            time_limit: ctl.time_limit,
            stop: &mut stop,
            observer: Some(&mut record),
        };
        let mut report = run(&mut omp, control)?;
        for (step, &feature) in steps.iter_mut().zip(omp.support()) {
            step.feature = feature;
        }
        let w = omp.iterate();
        let residual = prepared.residual(&y, w);
        let slope = prepared.product(&residual);
        if matches!(report.status, Status::Converged | Status::MaxIterations) {
            // Without a bound the number of features was the goal; with fewer, none is left that helps.
            let reached = vecops::sq_norm(&residual) <= self.tol * vecops::sq_norm(&y);
            let done = self.tol == T::zero() || reached || steps.len() < self.k;
            report.status = if done { Status::Converged } else { Status::MaxIterations };
        }
        let off = |&j: &usize| c * slope[j].abs();
        let violation =
            omp.support().iter().map(off).fold(T::zero(), |m, v| if v > m || v.is_nan() { v } else { m });
        let mut coef = w.to_vec();
        let intercept = prepared.to_data_units(&mut coef, mean);
        Ok(FittedOmp {
            coef,
            intercept,
            steps,
            objective: T::of(0.5) * c * vecops::sq_norm(&residual),
            objective_at_zero: prepared.objective_at_zero(&y),
            violation,
            report,
        })
    }
}

fits!(OmpRegression, Xy => FittedOmp);

/// The fit after a feature was added.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct OmpStep<T> {
    /// The feature that was added.
    pub feature: usize,
    /// Feature and coefficient, in the units of the data; increasing by feature.
    pub nonzeros: Vec<(usize, T)>,
    /// Intercept in the units of the data; 0 if none was fitted.
    pub intercept: T,
    /// The weighted mean squared residual.
    pub mean_squared_error: T,
}

/// Regressions on one feature, two, and so on, up to the last.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FittedOmp<T> {
    /// Coefficients of the last step in the units of the data, length p; those not selected are exactly 0.
    pub coef: Vec<T>,
    /// Intercept of the last step; 0 if none was fitted.
    pub intercept: T,
    /// One entry a feature, in the order of selection.
    pub steps: Vec<OmpStep<T>>,
    /// Half the mean squared residual of the last step.
    pub objective: T,
    /// The same without any feature.
    pub objective_at_zero: T,
    /// The largest slope of the objective along a selected feature, recomputed from the coefficients: 0 for the exact fit.
    pub violation: T,
    /// How the pursuit ended; not converged if `k` features left more than `tol`.
    pub report: Report<T>,
}

impl<T: Scalar> FittedOmp<T> {
    /// The selected features in the order of selection.
    #[must_use]
    pub fn support(&self) -> Vec<usize> {
        self.steps.iter().map(|s| s.feature).collect()
    }

    /// The model with the first `k` features; with all of them if there are fewer.
    ///
    /// # Errors
    /// [`ModelError::Linalg`] if `k` is 0 or a coefficient is not finite.
    pub fn model(&self, k: usize) -> Result<LinearModel<T>, ModelError> {
        check::non_empty("k", k)?;
        let Some(step) = self.steps.get(k - 1) else { return Ok(self.clone().into()) };
        let mut coef = vec![T::zero(); self.coef.len()];
        step.nonzeros.iter().for_each(|&(j, w)| coef[j] = w);
        LinearModel::new(coef, step.intercept, T::zero())
    }
}

ended!(FittedOmp, fit => fit.objective);
predicts!(FittedOmp, fit => T::zero());
