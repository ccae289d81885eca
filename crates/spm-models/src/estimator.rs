//! The traits of a model: fit, predict, score.

use spm_linalg::{Design, LinearOperator, Scalar};

use crate::{ModelError, Xy};

/// Something that can be fitted to data of type `D`; fitting leaves it as it was.
pub trait Fit<D> {
    /// What fitting gives.
    type Fitted;
    /// How it fails.
    type Error: std::error::Error;

    /// Fits to `data`.
    ///
    /// # Errors
    /// If the data or the options are invalid.
    fn fit(&self, data: D) -> Result<Self::Fitted, Self::Error>;
}

/// Something that predicts one number an observation.
pub trait Predict<T: Scalar> {
    /// `out ←` predictions for the rows of `x` (n × p, out: n).
    ///
    /// # Errors
    /// [`ModelError::Linalg`] if the number of columns is not that of the training data or `out` is not of
    /// length n.
    fn predict_into(&self, x: Design<'_, T>, out: &mut [T]) -> Result<(), ModelError>;

    /// Predictions for the rows of `x`.
    ///
    /// # Errors
    /// As [`predict_into`](Self::predict_into).
    fn predict(&self, x: Design<'_, T>) -> Result<Vec<T>, ModelError> {
        let mut out = vec![T::zero(); x.nrows()];
        self.predict_into(x, &mut out)?;
        Ok(out)
    }
}

/// The coefficient of determination of predictions.
pub trait Score<T: Scalar>: Predict<T> {
    /// $R^2 = 1 - \sum w_i (y_i - \hat y_i)^2 / \sum w_i (y_i - \bar y)^2$.
    ///
    /// In plain text: `1 - sum w (y - prediction)^2 / sum w (y - mean)^2`. For a constant `y` it is 1 if the
    /// predictions are exact and 0 otherwise.
    ///
    /// # Errors
    /// As [`Predict::predict_into`], or if `y` or the weights do not match `x`.
    fn score(&self, data: Xy<'_, T>) -> Result<T, ModelError> {
        data.validate()?;
        let prediction = self.predict(data.x)?;
        let n = data.y.len();
        let weight = |i: usize| data.sample_weight.map_or(T::one(), |w| w[i]);
        if let Some(w) = data.sample_weight {
            spm_linalg::check::len("sample_weight", n, w.len())?;
            spm_linalg::check::all_non_negative("sample_weight", w)?;
        }
        let total: T = (0..n).map(weight).sum();
        let mean = (0..n).map(|i| weight(i) * data.y[i]).sum::<T>() / total;
        let (mut unexplained, mut variation) = (T::zero(), T::zero());
        for i in 0..n {
            unexplained += weight(i) * (data.y[i] - prediction[i]) * (data.y[i] - prediction[i]);
            variation += weight(i) * (data.y[i] - mean) * (data.y[i] - mean);
        }
        Ok(if variation > T::zero() {
            T::one() - unexplained / variation
        } else if unexplained == T::zero() {
            T::one()
        } else {
            T::zero()
        })
    }
}
