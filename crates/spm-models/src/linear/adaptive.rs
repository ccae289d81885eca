//! The adaptive Lasso: a second fit with the weights that a first one gives.

use spm_linalg::{Scalar, check};

use super::prepared::Prepared;
use super::{ElasticNet, FitControl, FittedLinear, fits};
use crate::{Fit, ModelError, Xy};

/// The adaptive Lasso in two stages: what the first stage finds large is penalised little in the second.
///
/// Minimises
/// $$\frac{1}{2n} \sum_i s_i (y_i - b - x_i^\top w)^2 + \alpha \sum_j \frac{v_j}{|\hat w_j|^{\gamma}} |w_j|$$
/// in plain text `1/(2n) * sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_j v_j |w_j| / |w0_j|^power`, where `w0` are the coefficients of the
/// pilot; a feature that the pilot leaves out stays out. With `l1_ratio < 1` in the model, the adaptive elastic net.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `pilot` | – | | the first stage: ridge regression (`l1_ratio` 0), least squares (`alpha` 0, n > p), or a Lasso |
/// | `model` | – | | the second stage: `alpha` and all other options; its `penalty_weights` are `v` |
/// | `power` | 1 | finite, `> 0` | `γ` |
///
/// If the model standardises, `w0` is taken in the units of the columns divided by their deviations, so that the result does not
/// depend on the units of the features. The result is the fit of the second stage, with its duality gap: given the weights the
/// problem is convex. To choose `alpha`, take [`second_stage`](Self::second_stage) into
/// [`ElasticNetPath`](super::ElasticNetPath) or [`CrossValidation`](crate::CrossValidation); the weights then come from
/// all rows.
///
/// Cost: the two fits. Source: Zou 2006, *The adaptive Lasso and its oracle properties*, equation 4; Bühlmann and van de Geer 2011,
/// section 2.8 (Lasso as pilot).
///
/// ```
/// use spm_models::{AdaptiveLasso, Design, ElasticNet, Fit, Lasso, Xy};
/// let x = [0.0_f64, 1.0, 2.0, 3.0, 1.0, -1.0, -1.0, 1.0];
/// let data = Xy::new(Design::dense(&x, 4, 2)?, &[1.0, 3.0, 5.0, 7.1]);
/// let fitted = AdaptiveLasso::new(0.05, ElasticNet::new(0.01, 0.0)).fit(data)?.require_converged()?;
/// let lasso = Lasso::new(0.05).fit(data)?;
/// // The slope is about 2, so that its weight is about one half: it is shrunk half as much.
/// assert!(fitted.coef[0] > lasso.coef[0] && fitted.coef[1] == 0.0);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct AdaptiveLasso<T = f64> {
    /// The first stage.
    pub pilot: ElasticNet<T>,
    /// The second stage, without the weights.
    pub model: ElasticNet<T>,
    /// The power of the pilot's coefficients.
    pub power: T,
}

impl<T: Scalar> AdaptiveLasso<T> {
    /// The Lasso of strength `alpha` after the given pilot, with the default options.
    #[must_use]
    pub fn new(alpha: T, pilot: ElasticNet<T>) -> Self {
        Self { pilot, model: ElasticNet::new(alpha, T::one()), power: T::one() }
    }

    /// Sets the second stage.
    #[must_use]
    pub fn model(mut self, model: ElasticNet<T>) -> Self {
        self.model = model;
        self
    }

    /// Sets the power.
    #[must_use]
    pub fn power(mut self, power: T) -> Self {
        self.power = power;
        self
    }

    /// Fits the pilot; returns the model of the second stage with its weights, and `(0, 0)` as the bounds of what is left out.
    ///
    /// # Errors
    /// As [`ElasticNet::fit_with`]; [`ModelError::NotConverged`] if the pilot does not converge.
    pub fn second_stage(&self, data: Xy<'_, T>) -> Result<ElasticNet<T>, ModelError> {
        check::positive("power", self.power)?;
        let pilot = self.pilot.fit(data)?.require_converged()?;
        let p = pilot.coef.len();
        let mut model = self.model.clone();
        let scales = if model.standardize {
            let prepared = Prepared::new(data.x, data.sample_weight, model.fit_intercept, true)?;
            prepared.view.scales().to_vec()
        } else {
            vec![T::one(); p]
        };
        let mut weights = model.penalty_weights.take().unwrap_or_else(|| vec![T::one(); p]);
        check::len("penalty_weights", p, weights.len())?;
        let free = (T::neg_infinity(), T::infinity());
        let mut bounds = model.bounds.take().unwrap_or_else(|| vec![free; p]);
        check::len("bounds", p, bounds.len())?;
        for j in 0..p {
            let factor = (pilot.coef[j] * scales[j]).abs().powf(-self.power);
            if weights[j] == T::zero() {
                // Not penalised, whatever the pilot found.
                continue;
            }
            if (weights[j] * factor).is_finite() {
                weights[j] *= factor;
            } else {
                bounds[j] = (T::zero(), T::zero());
            }
        }
        Ok(model.penalty_weights(weights).bounds(bounds))
    }

    /// Fits both stages; limits and onlooker are those of the second.
    ///
    /// # Errors
    /// As [`second_stage`](Self::second_stage).
    pub fn fit_with(&self, data: Xy<'_, T>, ctl: FitControl<'_, T>) -> Result<FittedLinear<T>, ModelError> {
        self.second_stage(data)?.fit_with(data, ctl)
    }
}

fits!(AdaptiveLasso, Xy => FittedLinear);
