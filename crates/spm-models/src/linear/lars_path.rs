//! Least-angle regression and the whole path of the Lasso, with its exact knots.

use spm_linalg::{Scalar, check};
use spm_solvers::lars::{Lars, LarsEvent, LarsRule};

use super::prepared::Prepared;
use super::{LinearModel, setters};
use crate::{Fit, ModelError, Xy};

/// The path of the Lasso over all strengths, or of least-angle regression: exact, knot by knot.
///
/// Follows the minimisers of $\frac{1}{2n} \sum_i s_i (y_i - b - x_i^\top w)^2 + \alpha \lVert w \rVert_1$ from the largest `alpha` down; in plain
/// text `1/(2n) * sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_j |w_j|`. They are piecewise linear in `alpha`.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `rule` | Lasso | | [`LarsRule::LeastAngle`]: what has entered stays |
/// | `alpha_min` | 0 | finite, `>= 0` | where to stop |
/// | `max_knots` | 10 000 | `>= 1` | at most this many knots |
/// | `fit_intercept` | true | | |
/// | `standardize` | false | | penalise the coefficients of columns scaled to unit (weighted, population) deviation |
///
/// O(n p) a knot. See [`Lars`] for ties and dependent columns.
///
/// Source: Efron, Hastie, Johnstone and Tibshirani 2004, *Least Angle Regression*.
///
/// ```
/// use spm_models::{Design, Fit, LassoLars, Xy};
/// let x = [1.0, -1.0, 0.0, 0.0, 0.0, 0.0, 1.0, -1.0];
/// let path = LassoLars::default().fit(Xy::new(Design::dense(&x, 4, 2)?, &[3.0, -3.0, 1.0, -1.0]))?;
/// let alphas: Vec<f64> = path.knots.iter().map(|k| k.alpha).collect();
/// assert!(alphas.iter().zip([1.5, 0.5, 0.0]).all(|(a, b)| (a - b).abs() < 1e-12));
/// let (coef, _) = path.at(1.0);
/// assert!((coef[0] - 1.0).abs() < 1e-12 && coef[1] == 0.0);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LassoLars<T = f64> {
    /// Which path is followed.
    pub rule: LarsRule,
    /// Where to stop.
    pub alpha_min: T,
    /// At most this many knots.
    pub max_knots: usize,
    /// Fit an intercept (unpenalised).
    pub fit_intercept: bool,
    /// Divide each column by its standard deviation before penalising.
    pub standardize: bool,
}

impl<T: Scalar> Default for LassoLars<T> {
    fn default() -> Self {
        Self {
            rule: LarsRule::Lasso,
            alpha_min: T::zero(),
            max_knots: 10_000,
            fit_intercept: true,
            standardize: false,
        }
    }
}

impl<T: Scalar> LassoLars<T> {
    /// Sets which path is followed.
    #[must_use]
    pub fn rule(mut self, rule: LarsRule) -> Self {
        self.rule = rule;
        self
    }

    /// Sets where to stop.
    #[must_use]
    pub fn alpha_min(mut self, alpha: T) -> Self {
        self.alpha_min = alpha;
        self
    }

    /// Sets the limit of the knots.
    #[must_use]
    pub fn max_knots(mut self, max_knots: usize) -> Self {
        self.max_knots = max_knots;
        self
    }

    setters!(fit_intercept, standardize);
}

/// A point where the path bends.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LarsKnot<T> {
    /// The strength.
    pub alpha: T,
    /// What happens there.
    pub event: LarsEvent,
    /// The coefficients in the units of the data: feature and value of those that are not 0, by feature.
    pub coef: Vec<(usize, T)>,
    /// The intercept.
    pub intercept: T,
}

/// The knots of a path, by decreasing `alpha`; between two of them the solution is the straight line.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LarsPath<T> {
    /// The knots.
    pub knots: Vec<LarsKnot<T>>,
    /// Whether the path reached `alpha_min` or its end.
    pub complete: bool,
    n_features: usize,
}

impl<T: Scalar> LarsPath<T> {
    /// Coefficients (length p) and intercept at `alpha`; those of the nearer end outside the path.
    #[must_use]
    pub fn at(&self, alpha: T) -> (Vec<T>, T) {
        let below = self.knots.iter().position(|k| k.alpha <= alpha).unwrap_or(self.knots.len() - 1);
        let (high, low) = (&self.knots[below.saturating_sub(1)], &self.knots[below]);
        let span = high.alpha - low.alpha;
        let share = if span > T::zero() { ((high.alpha - alpha) / span).min(T::one()) } else { T::one() };
        let mut coef = vec![T::zero(); self.n_features];
        let sides = [(high, T::one() - share), (low, share)];
        let mut intercept = T::zero();
        for (knot, part) in sides.into_iter().filter(|(_, part)| *part != T::zero()) {
            intercept += part * knot.intercept;
            for &(j, w) in &knot.coef {
                coef[j] += part * w;
            }
        }
        (coef, intercept)
    }
}

impl<T: Scalar> LarsPath<T> {
    /// The solution at `alpha` as a model that predicts.
    ///
    /// # Errors
    /// [`ModelError::Linalg`] if a number is not finite or `alpha` is negative.
    pub fn model(&self, alpha: T) -> Result<LinearModel<T>, ModelError> {
        let (coef, intercept) = self.at(alpha);
        LinearModel::new(coef, intercept, alpha)
    }
}

impl<T: Scalar> Fit<Xy<'_, T>> for LassoLars<T> {
    type Fitted = LarsPath<T>;
    type Error = ModelError;

    /// # Errors
    /// [`ModelError::Linalg`] for options outside their range, lengths that disagree, empty data, and values that are NaN or infinite.
    fn fit(&self, data: Xy<'_, T>) -> Result<LarsPath<T>, ModelError> {
        check::non_negative("alpha_min", self.alpha_min)?;
        check::non_empty("max_knots", self.max_knots)?;
        data.validate()?;
        let prepared = Prepared::new(data.x, data.sample_weight, self.fit_intercept, self.standardize)?;
        let (y, mean) = prepared.response(data.y);
        let mut path = Lars::new(&prepared.view, &y, prepared.curvature(), self.rule)?;
        let knot = |alpha: T, event, mut coef: Vec<T>| {
            let intercept = prepared.to_data_units(&mut coef, mean);
            let coef = coef.into_iter().enumerate().filter(|(_, w)| *w != T::zero()).collect();
            LarsKnot { alpha, event, coef, intercept }
        };
        let mut knots = vec![knot(path.alpha(), path.event(), path.coef().to_vec())];
        let mut complete = path.event() == LarsEvent::Ends;
        while !complete && knots.len() < self.max_knots {
            path.advance()?;
            if path.alpha() <= self.alpha_min {
                knots.push(knot(self.alpha_min, LarsEvent::Ends, path.coef_at(self.alpha_min)));
                complete = true;
            } else {
                knots.push(knot(path.alpha(), path.event(), path.coef().to_vec()));
                complete = path.event() == LarsEvent::Ends;
            }
        }
        Ok(LarsPath { knots, complete, n_features: prepared.columns() })
    }
}
