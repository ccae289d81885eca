//! The Lasso with missing values for a sequence of penalties, and how it is judged on other rows.

use spm_linalg::Scalar;

use super::hm_lasso::Solved;
use super::path::Grid;
use super::{FittedPath, HmLasso, PathPoint, setters};
use crate::{Fit, ModelError, Xy};

/// The Lasso with missing values for a whole grid of `alpha`: the covariance is estimated once, each solution is certified.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `model` | – | | all options of [`HmLasso`] but `alpha` |
/// | `alphas` | none | finite, `>= 0`, not empty | the grid, in any order; results come in the same order |
/// | `n_alphas` | 100 | `>= 1` | length of the grid made when there is none |
/// | `eps` | 1e-2 | `(0, 1)` | its last entry, as a share of [`HmLasso::alpha_max`] |
///
/// Give it to [`CrossValidation`](crate::CrossValidation) to choose `alpha`. Rows with missing values can't be predicted, but
/// moments of other rows tell the squared error of predictions, without filling anything in: with their pairwise covariances
/// `S` and `rho` about the means of the training rows, and `Sigma` the nearest positive definite covariance to `S`,
/// $$E(w) = \overline{(y - \bar y)^2} - 2 \rho^\top w + w^\top \Sigma w,$$
/// in plain text `mean (y - ybar)^2 - 2 rho'w + w'Sigma w`: the mean squared error where nothing is missing. A feature without any
/// value in those rows counts with its variance in the training rows. This is the calibrated cross-validation of Datta and Zou 2017,
/// *CoCoLasso for high-dimensional error-in-variables regression*, with the weights of the HMLasso.
///
/// ```
/// use spm_models::linear::HmLassoPath;
/// use spm_models::{CrossValidation, Design, Fit, HmLasso, Xy};
/// let mut x: Vec<f64> = (0..80).map(|i| f64::from(i * i % 31) - 15.0).collect();
/// let y: Vec<f64> = (0..40).map(|i| 0.5 * x[i] + f64::from(i as u32 % 5) - 2.0).collect();
/// x.iter_mut().step_by(3).for_each(|v| *v = f64::NAN);
/// let data = Xy::new(Design::dense(&x, 40, 2)?, &y);
/// let cv = CrossValidation::new(HmLassoPath::new(HmLasso::new(1.0)).n_alphas(20)).fit(data)?;
/// assert!((cv.fitted.coef[0] - 0.5).abs() < 0.1);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct HmLassoPath<T = f64> {
    /// Every option but `alpha`.
    pub model: HmLasso<T>,
    /// The grid; `None` makes one.
    pub alphas: Option<Vec<T>>,
    /// How many penalties the grid made has.
    pub n_alphas: usize,
    /// The smallest penalty of the grid made as a share of the largest.
    pub eps: T,
}

impl<T: Scalar> HmLassoPath<T> {
    /// A path with the options of `model` and a grid of 100 penalties down to `alpha_max / 100`.
    #[must_use]
    pub fn new(model: HmLasso<T>) -> Self {
        Self { model, alphas: None, n_alphas: 100, eps: T::of(1e-2) }
    }

    setters!(alphas, n_alphas, eps);

    /// The grid for `data`: the one given, or from `alpha_max` down.
    ///
    /// # Errors
    /// As [`HmLasso::alpha_max`], and for a grid out of range.
    pub fn grid(&self, data: Xy<'_, T>) -> Result<Vec<T>, ModelError> {
        Grid::new(self.alphas.as_deref(), self.n_alphas, self.eps)?.below(|| self.model.alpha_max(data))
    }

    /// Fits to `train` at each strength; the errors on `held`, and whether all converged.
    pub(crate) fn errors(
        &self,
        train: Xy<'_, T>,
        held: Xy<'_, T>,
        alphas: &[T],
    ) -> Result<(Vec<T>, bool), ModelError> {
        let estimate = self.model.estimate(self.model.moments(train, None)?)?;
        let p = estimate.moments.with_y.len();
        let mut moments = self.model.moments(held, Some(&estimate.moments.units))?;
        for d in (0..p * p).step_by(p + 1) {
            if moments.share[d] == T::zero() {
                moments.covariance[d] = estimate.moments.covariance[d];
                moments.share[d] = T::one();
            }
        }
        let held = self.model.estimate(moments)?;
        let (mut errors, mut converged) = (Vec::new(), held.nearest.report.status.is_converged());
        for &alpha in alphas {
            let Solved { w, report, .. } = self.model.solve(&estimate, alpha)?;
            let support: Vec<usize> = (0..p).filter(|&j| w[j] != T::zero()).collect();
            let mut error = held.moments.objective_at_zero + held.moments.objective_at_zero;
            for &j in &support {
                let along: T = support.iter().map(|&k| held.nearest.matrix[j * p + k] * w[k]).sum();
                error += w[j] * (along - held.moments.with_y[j] - held.moments.with_y[j]);
            }
            errors.push(error);
            converged &= report.status.is_converged();
        }
        Ok((errors, converged))
    }
}

impl<T: Scalar> Fit<Xy<'_, T>> for HmLassoPath<T> {
    type Fitted = FittedPath<T>;
    type Error = ModelError;

    /// Solves for every `alpha`; the mean squared error of a point is that of the moments.
    ///
    /// # Errors
    /// As [`HmLasso`], and for a grid out of range.
    fn fit(&self, data: Xy<'_, T>) -> Result<FittedPath<T>, ModelError> {
        let alphas = self.grid(data)?;
        let estimate = self.model.estimate(self.model.moments(data, None)?)?;
        let moments = &estimate.moments;
        let mut points = Vec::with_capacity(alphas.len());
        for alpha in alphas {
            let Solved { w, certificate, report, .. } = self.model.solve(&estimate, alpha)?;
            let (nonzeros, intercept) = moments.units.undo(&w);
            let v = |j: usize| self.model.penalty_weights.as_ref().map_or(T::one(), |v| v[j]);
            let penalty: T = w.iter().enumerate().map(|(j, w)| alpha * v(j) * w.abs()).sum();
            let half = (moments.objective_at_zero + certificate.primal - penalty).max(T::zero());
            points.push(PathPoint {
                alpha,
                nonzeros,
                intercept,
                mean_squared_error: half + half,
                certificate,
                report,
            });
        }
        Ok(FittedPath {
            points,
            n_features: moments.with_y.len(),
            n_observations: data.y.len(),
            objective_at_zero: moments.objective_at_zero,
        })
    }
}
