//! Sparse linear regression.

mod adaptive;
mod blocks;
mod concave;
mod continuation;
mod elastic_net;
mod fitted;
mod generalized_dual;
mod generalized_lasso;
mod glm;
mod glm_model;
mod group_lasso;
mod hm_lasso;
mod hm_path;
mod lars_path;
mod lasso;
mod model;
mod multitask;
mod omp_regression;
mod pairwise;
pub(crate) mod path;
mod penalty;
mod prepared;
mod problem;
pub(crate) mod reduced;
mod shared;
mod slope;
mod structure;
mod unit_columns;

use std::time::Duration;

pub use adaptive::AdaptiveLasso;
pub use concave::{Concave, ConcaveRegression, ConcaveStart, FittedConcave};
pub use elastic_net::ElasticNet;
pub use fitted::FittedLinear;
pub use generalized_lasso::{FittedGeneralized, GeneralizedLasso};
pub use glm::{Family, FittedGlm, SparseGlm};
pub use glm_model::GlmModel;
pub use group_lasso::GroupLasso;
pub use hm_lasso::{CovarianceNorm, FittedHmLasso, HmLasso};
pub use hm_path::HmLassoPath;
pub use lars_path::{LarsKnot, LarsPath, LassoLars};
pub use lasso::Lasso;
pub use model::LinearModel;
pub use multitask::{FittedMultiTask, MultiTaskLasso, MultiTaskModel, MultiXy};
pub use omp_regression::{FittedOmp, OmpRegression, OmpStep};
pub use path::{ElasticNetPath, FittedPath, PathPoint};
use shared::{certified, ended, fits, least_squares, predicts, setters};
pub use slope::Slope;
use spm_linalg::Scalar;
use spm_solvers::{Control, Observer, stop::StopRule};
pub use structure::Structure;

/// Which algorithm fits a linear model. All reach the same solution; the certificate says how closely.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Solver {
    /// The fastest for the model: coordinate descent.
    #[default]
    Auto,
    /// Coordinate descent with working sets ([`spm_solvers::CoordinateDescent`]).
    CoordinateDescent,
    /// The alternating direction method of multipliers ([`spm_solvers::admm::Admm`]), polished on its support. For a
    /// dense `X` it copies the standardised matrix and factors a system of size min(n, p); for a sparse one it
    /// solves by conjugate gradients.
    Admm,
    /// Accelerated proximal gradients ([`spm_solvers::Fista`]), polished on its support.
    Fista,
    /// The exact path of the Lasso, followed down to `alpha` ([`spm_solvers::lars::Lars`]): for the plain Lasso with
    /// not too many knots.
    Lars,
}

/// Limits and an onlooker for one fit, beside the options of the model.
///
/// ```
/// use std::ops::ControlFlow;
/// use spm_models::{Design, FitControl, Lasso, Xy};
/// let x = [1.0, 2.0, 3.0, 4.0];
/// let mut epochs = 0;
/// let mut count = |_: &spm_solvers::Progress<f64>, _: &[f64]| {
///     epochs += 1;
///     ControlFlow::Continue(())
/// };
/// let data = Xy::new(Design::dense(&x, 4, 1)?, &[1.0, 2.0, 3.0, 5.0]);
/// let fitted = Lasso::new(0.1).fit_with(data, FitControl::default().observer(&mut count))?;
/// assert_eq!(epochs, fitted.report.last.iter);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct FitControl<'a, T: Scalar> {
    /// At most this much wall time inside the solver.
    pub time_limit: Option<Duration>,
    /// Sees every iteration, may end the fit. The iterate it sees is in the solver's units: coefficients of the
    /// columns divided by their deviations if the model standardises.
    pub observer: Option<&'a mut dyn Observer<T>>,
}

impl<'a, T: Scalar> FitControl<'a, T> {
    /// Adds an observer.
    #[must_use]
    pub fn observer(mut self, observer: &'a mut dyn Observer<T>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Adds a wall-time limit.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// The control of a run of the solver under these limits.
    fn control<'s>(self, max_iter: usize, stop: &'s mut dyn StopRule<T>) -> Control<'s, T>
    where
        'a: 's,
    {
        let observer = self.observer.map(|o| o as &mut dyn Observer<T>);
        Control { max_iter, time_limit: self.time_limit, stop, observer }
    }

    /// The same for one run of several, after `elapsed`.
    fn rest(&mut self, elapsed: Duration) -> FitControl<'_, T> {
        let time_limit = self.time_limit.map(|t| t.saturating_sub(elapsed));
        let observer = self.observer.as_mut().map(|o| &mut **o as &mut dyn Observer<T>);
        FitControl { time_limit, observer }
    }
}

/// 1e-6, or what rounding allows in `f32`.
pub(crate) fn default_tol<T: Scalar>() -> T {
    T::of(1e-6).max(T::of(1e3) * T::epsilon())
}
