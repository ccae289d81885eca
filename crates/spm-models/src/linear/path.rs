//! The solutions for a falling sequence of penalties.

use spm_linalg::{Dense, DesignMatrix, LinearOperator, Prox, Scalar, check, vecops};
use spm_solvers::stop::Gap;
use spm_solvers::{Certificate, Control, CoordinateDescent, Iteration, Report, Status, run};

use super::model::LinearModel;
use super::prepared::normalised;
use super::problem::{Spec, Units};
use super::reduced::{Moments, Reduced};
use super::{ElasticNet, FittedLinear, setters};
use crate::{Design, Fit, ModelError, Xy};

/// The Lasso or elastic net for a whole grid of `alpha`, each solution started from the one before and certified.
///
/// Minimises, for each `alpha` of the grid, what [`ElasticNet`] states. The model's own `alpha` and `solver` are not
/// used: the method is coordinate descent, warm-started.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `model` | the Lasso | | all other options: `l1_ratio`, intercept, standardisation, weights, tolerance |
/// | `alphas` | none | finite, `>= 0`, not empty | the grid, in any order; results come in the same order |
/// | `n_alphas` | 100 | `>= 1` | length of the grid made when there is none |
/// | `eps` | 1e-3 | `(0, 1)` | its last entry, as a share of `alpha_max` |
///
/// The grid that is made falls geometrically from [`ElasticNet::alpha_max`], which knows weights, intercept and
/// standardisation, so its first solution has no penalised coefficient.
///
/// Going from one `alpha` to the next costs no pass over `X` before the new solution is checked: the correlations are
/// known, the sequential strong rule names the columns to look at, and the Cholesky factor of the support is kept.
/// The check that ends each point passes over the columns that a bound on the change of the correlations can't
/// exclude. Tall dense data (`n >= 2p`) are first reduced to a triangular system of p + 1 rows with the same
/// objective, O(n p²) once; no copy of `X` is made in either case. Results are kept as their nonzeros.
///
/// Sources: Friedman, Hastie and Tibshirani 2010 (warm-started paths); Tibshirani et al. 2012, equation 25 (sequential
/// strong rule).
///
/// ```
/// use spm_models::{Design, ElasticNetPath, Fit, Xy};
/// let x = [-1.0_f64, 0.0, 1.0, 2.0, 1.0, -1.0, -1.0, 1.0];
/// let data = Xy::new(Design::dense(&x, 4, 2)?, &[-2.0, 0.1, 1.9, 4.0]);
/// let path = ElasticNetPath::lasso().n_alphas(20).fit(data)?;
/// assert_eq!(path.points[0].nnz(), 0);
/// assert_eq!(path.entries()[0].0, 0, "feature 0 enters first");
/// assert!(path.max_relative_gap() < 1e-6);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ElasticNetPath<T = f64> {
    /// Every option but `alpha`.
    pub model: ElasticNet<T>,
    /// The grid; `None` makes one.
    pub alphas: Option<Vec<T>>,
    /// How many penalties the grid made has.
    pub n_alphas: usize,
    /// The smallest penalty of the grid made as a share of the largest.
    pub eps: T,
}

/// The solutions of a path, in the order of its grid.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[must_use = "a path says which of its points converged: see `status`"]
pub struct FittedPath<T> {
    /// One solution for each `alpha`.
    pub points: Vec<PathPoint<T>>,
    /// How many features there are.
    pub n_features: usize,
    /// How many observations.
    pub n_observations: usize,
    /// The objective with all coefficients 0 (and the best intercept): the scale of the tolerance.
    pub objective_at_zero: T,
}

/// One solution of a path.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct PathPoint<T> {
    /// The regularisation strength.
    pub alpha: T,
    /// Feature and coefficient, in the units of the data, of those selected; increasing by feature.
    pub nonzeros: Vec<(usize, T)>,
    /// Intercept in the units of the data; 0 if none was fitted.
    pub intercept: T,
    /// The weighted mean squared residual on the data it was fitted to.
    pub mean_squared_error: T,
    /// The objective reached and a lower bound of the optimal one.
    pub certificate: Certificate<T>,
    /// How the solver ended at this point.
    pub report: Report<T>,
}

impl<T: Scalar> PathPoint<T> {
    /// How many features are selected.
    #[must_use]
    pub fn nnz(&self) -> usize {
        self.nonzeros.len()
    }

    /// The coefficient of feature `j`.
    #[must_use]
    pub fn coef(&self, j: usize) -> T {
        self.nonzeros.binary_search_by_key(&j, |e| e.0).map_or(T::zero(), |k| self.nonzeros[k].1)
    }
}

impl<T: Scalar> FittedPath<T> {
    /// All coefficients at point `k`, length p.
    ///
    /// # Panics
    /// If there is no such point.
    #[must_use]
    pub fn coef(&self, k: usize) -> Vec<T> {
        let mut coef = vec![T::zero(); self.n_features];
        self.points[k].nonzeros.iter().for_each(|&(j, w)| coef[j] = w);
        coef
    }

    /// Point `k` as a model that predicts.
    ///
    /// # Errors
    /// [`ModelError::Linalg`] if a coefficient is not finite.
    ///
    /// # Panics
    /// If there is no such point.
    pub fn model(&self, k: usize) -> Result<LinearModel<T>, ModelError> {
        LinearModel::new(self.coef(k), self.points[k].intercept, self.points[k].alpha)
    }

    /// Point `k` with its certificate, as a fit of its own would give it.
    ///
    /// # Panics
    /// If there is no such point.
    pub fn fitted(&self, k: usize) -> FittedLinear<T> {
        let point = &self.points[k];
        FittedLinear {
            coef: self.coef(k),
            intercept: point.intercept,
            alpha: point.alpha,
            objective_at_zero: self.objective_at_zero,
            certificate: point.certificate,
            report: point.report,
        }
    }

    /// When each feature entered: feature and the largest `alpha` at which it is selected, from the first to the last;
    /// features that enter together in increasing order. Features that are never selected are left out.
    #[must_use]
    pub fn entries(&self) -> Vec<(usize, T)> {
        let mut first: Vec<Option<T>> = vec![None; self.n_features];
        for point in &self.points {
            for &(j, _) in &point.nonzeros {
                first[j] = Some(first[j].map_or(point.alpha, |a| a.max(point.alpha)));
            }
        }
        let mut entries: Vec<(usize, T)> =
            first.iter().enumerate().filter_map(|(j, a)| a.map(|a| (j, a))).collect();
        entries.sort_by(|a, b| b.1.partial_cmp(&a.1).unwrap_or(core::cmp::Ordering::Equal));
        entries
    }

    /// Converged if every point is; otherwise the status of the first that is not.
    pub fn status(&self) -> Status {
        self.points.iter().map(|p| p.report.status).find(|s| !s.is_converged()).unwrap_or(Status::Converged)
    }

    /// The largest duality gap of the points, relative to the objective at zero.
    #[must_use]
    pub fn max_relative_gap(&self) -> T {
        let gaps = self.points.iter().map(|p| p.certificate.relative_gap(self.objective_at_zero));
        gaps.fold(T::zero(), |m, g| if g > m || g.is_nan() { g } else { m })
    }
}

impl<T: Scalar> ElasticNetPath<T> {
    /// A path with the options of `model` and a grid of 100 penalties down to `alpha_max / 1000`.
    #[must_use]
    pub fn new(model: ElasticNet<T>) -> Self {
        Self { model, alphas: None, n_alphas: 100, eps: T::of(1e-3) }
    }

    /// The path of the Lasso with default options.
    #[must_use]
    pub fn lasso() -> Self {
        Self::new(ElasticNet::new(T::one(), T::one()))
    }

    setters!(alphas, n_alphas, eps);

    /// The grid for `data`: the one given, or from `alpha_max` down.
    ///
    /// # Errors
    /// [`ModelError::Linalg`] for options or data out of range.
    pub fn grid(&self, data: Xy<'_, T>) -> Result<Vec<T>, ModelError> {
        self.kind()?.below(|| self.model.alpha_max(data))
    }

    fn kind(&self) -> Result<Grid<'_, T>, ModelError> {
        Grid::new(self.alphas.as_deref(), self.n_alphas, self.eps)
    }
}

/// A grid of penalties.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Grid<'a, T> {
    Given(&'a [T]),
    /// `count` penalties from the largest that matters down to `eps` times that.
    Geometric {
        count: usize,
        eps: T,
    },
}

impl<'a, T: Scalar> Grid<'a, T> {
    /// The grid given, or one to be made; checked.
    pub(super) fn new(alphas: Option<&'a [T]>, count: usize, eps: T) -> Result<Self, ModelError> {
        if let Some(alphas) = alphas {
            check::non_empty("alphas", alphas.len())?;
            check::all_non_negative("alphas", alphas)?;
            return Ok(Self::Given(alphas));
        }
        check::non_empty("n_alphas", count)?;
        check::positive("eps", eps)?;
        check::positive("1 - eps", T::one() - eps)?;
        Ok(Self::Geometric { count, eps })
    }

    fn len(self) -> usize {
        match self {
            Self::Given(alphas) => alphas.len(),
            Self::Geometric { count, .. } => count,
        }
    }

    /// The penalties, where `top` tells the largest that matters.
    pub(super) fn below(self, top: impl FnOnce() -> Result<T, ModelError>) -> Result<Vec<T>, ModelError> {
        match self {
            Self::Given(alphas) => Ok(alphas.to_vec()),
            Self::Geometric { count, eps } => {
                let (top, last) = (top()?, T::of_usize(count.max(2) - 1));
                Ok((0..count).map(|k| top * eps.powf(T::of_usize(k) / last)).collect())
            }
        }
    }
}

impl<T: Scalar> Fit<Xy<'_, T>> for ElasticNetPath<T> {
    type Fitted = FittedPath<T>;
    type Error = ModelError;

    /// Solves for every `alpha`.
    ///
    /// # Errors
    /// As [`ElasticNet::fit_with`], and for a grid out of range.
    fn fit(&self, data: Xy<'_, T>) -> Result<FittedPath<T>, ModelError> {
        data.validate()?;
        let spec = self.model.spec();
        spec.validate()?;
        spec.validate_for(data.x.ncols())?;
        solve(&spec, data, self.kind()?)
    }
}

/// The path of `spec` on a grid.
pub(crate) fn solve<T: Scalar>(
    spec: &Spec<'_, T>,
    data: Xy<'_, T>,
    grid: Grid<'_, T>,
) -> Result<FittedPath<T>, ModelError> {
    let (n, p) = (data.x.nrows(), data.x.ncols());
    if let Design::Dense(x) = &data.x
        && Moments::<T>::pay(n, p)
        && grid.len() >= 8
    {
        x.check_finite("X")?;
        let weights = data.sample_weight.map(|w| normalised(w, n)).transpose()?;
        let shift = shift(spec, x, data.y, weights.as_deref());
        let rows: Vec<usize> = (0..n).collect();
        let moments = Moments::new(x, data.y, weights.as_deref(), &rows, &shift)?;
        let reduced = moments.reduce(spec.fit_intercept, spec.standardize);
        if reduced.x.iter().chain(&reduced.y).all(|v| v.is_finite()) {
            return reduced.path(spec, n, grid);
        }
    }
    let (prepared, response) = spec.prepare_with(data)?;
    let units = prepared.units(response.mean);
    Walk {
        x: &prepared.view,
        y: &response.y,
        c: prepared.curvature(),
        product: &response.product,
        units: &units,
        n,
    }
    .along(spec, grid)
}

/// What the moments of a model with these options are taken about.
pub(crate) fn shift<T: Scalar>(
    spec: &Spec<'_, T>,
    x: &Dense<'_, T>,
    y: &[T],
    weights: Option<&[T]>,
) -> Vec<T> {
    if spec.fit_intercept { Moments::means(x, y, weights) } else { vec![T::zero(); x.ncols() + 1] }
}

impl<T: Scalar> Reduced<T> {
    /// The path of this problem, which stands for `n` observations.
    pub(crate) fn path(
        &self,
        spec: &Spec<'_, T>,
        n: usize,
        grid: Grid<'_, T>,
    ) -> Result<FittedPath<T>, ModelError> {
        let x = Dense::from_column_major(&self.x, self.rows, self.units.means.len())?;
        let product: Vec<T> = (0..x.ncols()).map(|j| x.col_dot(j, &self.y)).collect();
        Walk { x, y: &self.y, c: self.curvature, product: &product, units: &self.units, n }.along(spec, grid)
    }
}

/// A problem in the solver's units.
struct Walk<'a, T, X> {
    x: X,
    y: &'a [T],
    c: T,
    /// `Xᵀy`.
    product: &'a [T],
    units: &'a Units<T>,
    n: usize,
}

impl<T: Scalar, X: DesignMatrix<T>> Walk<'_, T, X> {
    fn along(self, spec: &Spec<'_, T>, grid: Grid<'_, T>) -> Result<FittedPath<T>, ModelError> {
        let p = self.x.ncols();
        let alphas =
            grid.below(|| spec.alpha_max_of(&self.x, self.y, self.c, self.product, &self.units.scales))?;
        let objective_at_zero = T::of(0.5) * self.c * vecops::sq_norm(self.y);
        let mut order: Vec<usize> = (0..alphas.len()).collect();
        order.sort_by(|&a, &b| {
            alphas[b].partial_cmp(&alphas[a]).unwrap_or(core::cmp::Ordering::Equal).then(a.cmp(&b))
        });
        let mut before = alphas[order[0]];
        let bounds = spec.scaled_bounds(&self.units.scales);
        let penalty = spec.penalty(before, bounds.as_deref())?;
        let mut cd = CoordinateDescent::with_product(self.x, self.y, self.c, penalty, self.product)?;
        let mut points: Vec<Option<PathPoint<T>>> = vec![None; alphas.len()];
        for (step, &k) in order.iter().enumerate() {
            let alpha = alphas[k];
            if step > 0 && alpha == before {
                points[k] = points[order[step - 1]].clone();
                continue;
            }
            let penalty = spec.penalty(alpha, bounds.as_deref())?;
            if step > 0 {
                cd.restart(penalty.clone(), look_ahead(before, alpha))?;
            }
            before = alpha;
            let mut stop = Gap { tol: spec.tol * objective_at_zero };
            let mut report = run(&mut cd, Control::new(spec.max_iter, &mut stop))?;
            let certificate = cd.certificate().ok_or(ModelError::Unsupported {
                solver: "the certificate",
                what: "a penalty without a conjugate",
            })?;
            if report.status == Status::MaxIterations && certificate.gap() <= spec.tol * objective_at_zero {
                report.status = Status::Converged;
            }
            let (mut nonzeros, intercept) = self.units.undo(cd.iterate());
            nonzeros.iter_mut().for_each(|(j, w)| *w = spec.clamp(*j, *w));
            let loss = certificate.primal - penalty.value(cd.iterate());
            points[k] = Some(PathPoint {
                alpha,
                nonzeros,
                intercept,
                mean_squared_error: (loss + loss).max(T::zero()),
                certificate,
                report,
            });
        }
        let points = points.into_iter().flatten().collect();
        Ok(FittedPath { points, n_features: p, n_observations: self.n, objective_at_zero })
    }
}

/// The factor by which the sequential strong rule lets correlations grow from one penalty to the next.
pub(super) fn look_ahead<T: Scalar>(before: T, alpha: T) -> T {
    let ratio = if alpha > T::zero() { (before / alpha).min(T::of(1.5)) } else { T::of(1.5) };
    (T::of(2.0) - ratio).recip().max(T::one())
}
