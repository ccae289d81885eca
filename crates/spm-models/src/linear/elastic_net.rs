//! The elastic net: least squares with an L1 and a squared L2 penalty.

use spm_linalg::Scalar;

use super::problem::Spec;
use super::{FittedLinear, Solver, default_tol, fits, least_squares, setters};
use crate::Xy;

/// The elastic net: least squares with an L1 and a squared L2 penalty.
///
/// Minimises
/// $$\frac{1}{2n} \sum_i s_i (y_i - b - x_i^\top w)^2 + \alpha \sum_j v_j \bigl(\rho |w_j| + \tfrac{1 - \rho}{2} w_j^2\bigr)$$
/// in plain text `1/(2n) * sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_j v_j (r |w_j| + (1 - r)/2 w_j^2)` with `r = l1_ratio`,
/// over `w` (length p) and the intercept `b`. Sample weights `s` are normalised to sum n; without them all are 1.
/// The intercept is never penalised.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `alpha` | – | finite, `>= 0` | regularisation strength; from [`alpha_max`](Self::alpha_max) on, every penalised coefficient is 0 |
/// | `l1_ratio` | – | `[0, 1]` | share of the L1 penalty: 1 is the Lasso, 0 ridge regression |
/// | `fit_intercept` | true | | |
/// | `standardize` | false | | penalise the coefficients of columns scaled to unit (weighted, population) deviation |
/// | `positive` | false | | only coefficients `>= 0` |
/// | `penalty_weights` | none | `>= 0`, length p | factor of the penalty of each feature; 0 = unpenalised |
/// | `bounds` | none | lower `<= 0 <=` upper, length p, infinite allowed | bounds of each coefficient, in the units of the data |
/// | `tol` | 1e-6 (1.2e-4 in `f32`) | `> 0` | duality gap relative to the objective at zero |
/// | `max_iter` | 100 000 | | iterations (epochs) |
/// | `solver` | [`Solver::Auto`] | | the algorithm |
///
/// `X` is never copied: centring, scaling and weights are applied lazily, so a sparse `X` stays sparse. Constant
/// and all-zero columns get the coefficient 0. The fit costs O(stored entries of `X`) for each pass over all
/// columns, usually 5 to 20, plus the epochs on the working set; memory O(n + p) beside the data.
///
/// Sources: Zou and Hastie 2005; Friedman, Hastie and Tibshirani 2010 for the parametrisation.
///
/// ```
/// use spm_models::{Design, ElasticNet, Fit, Xy};
/// // Two copies of one feature share the weight that the Lasso would give to either.
/// let x = [-1.0_f64, 0.0, 1.0, -1.0, 0.0, 1.0];
/// let data = Xy::new(Design::dense(&x, 3, 2)?, &[-2.0, 0.0, 2.0]);
/// let fitted = ElasticNet::new(0.1, 0.5).tol(1e-12).fit(data)?.require_converged()?;
/// assert!(fitted.coef[0] > 0.5 && (fitted.coef[0] - fitted.coef[1]).abs() < 1e-5);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ElasticNet<T = f64> {
    /// Regularisation strength.
    pub alpha: T,
    /// The share of the L1 penalty, in `[0, 1]`.
    pub l1_ratio: T,
    /// Fit an intercept (unpenalised).
    pub fit_intercept: bool,
    /// Divide each column by its standard deviation before penalising; coefficients are returned in the units of
    /// the data, the objective is that of the scaled problem.
    pub standardize: bool,
    /// Allow only coefficients `>= 0`.
    pub positive: bool,
    /// A factor of the penalty for each feature, length p, `>= 0`; 0 leaves a feature unpenalised.
    pub penalty_weights: Option<Vec<T>>,
    /// The least (`<= 0`) and the largest (`>= 0`) value of each coefficient in the units of the data, length p; both
    /// may be infinite, and `(0, 0)` leaves a feature out. `positive` raises all lower ones to 0.
    pub bounds: Option<Vec<(T, T)>>,
    /// Stop when the duality gap is at most `tol` times the objective at zero.
    pub tol: T,
    /// At most this many iterations (epochs of coordinate descent).
    pub max_iter: usize,
    /// The algorithm.
    pub solver: Solver,
}

impl<T: Scalar> ElasticNet<T> {
    /// The elastic net of strength `alpha` and L1 share `l1_ratio` with the default options.
    #[must_use]
    pub fn new(alpha: T, l1_ratio: T) -> Self {
        Self {
            alpha,
            l1_ratio,
            fit_intercept: true,
            standardize: false,
            positive: false,
            penalty_weights: None,
            bounds: None,
            tol: default_tol(),
            max_iter: 100_000,
            solver: Solver::Auto,
        }
    }

    setters!(fit_intercept, standardize, positive, tol, max_iter, solver, penalty_weights, bounds);

    pub(crate) fn spec(&self) -> Spec<'_, T> {
        Spec {
            alpha: self.alpha,
            l1_ratio: self.l1_ratio,
            fit_intercept: self.fit_intercept,
            standardize: self.standardize,
            positive: self.positive,
            penalty_weights: self.penalty_weights.as_deref(),
            bounds: self.bounds.as_deref(),
            tol: self.tol,
            max_iter: self.max_iter,
            solver: self.solver,
        }
    }
}

least_squares!(ElasticNet);
fits!(ElasticNet, Xy => FittedLinear);
