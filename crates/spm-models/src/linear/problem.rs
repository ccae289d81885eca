//! From data and options to a problem for a solver, and back to a fitted model.

use std::time::Duration;

use spm_linalg::{
    Dense, DesignMatrix, LinalgError, LinearOperator, Scalar, SeparableProx, Standardized, check, vecops,
};
use spm_solvers::admm::{Admm, AdmmOptions, CgUpdate, XUpdate, least_squares_update};
use spm_solvers::loss::{LossOf, Quadratic};
use spm_solvers::polish::PolishL1;
use spm_solvers::stop::Gap;
use spm_solvers::{
    Certified, Composite, Control, CoordinateDescent, Fista, FistaOptions, Iteration, Observer, Report,
    Status, lars, run,
};

use super::continuation::Continuation;
use super::penalty::{FeaturePenalty, clamp};
use super::prepared::{Prepared, Response};
use super::{FitControl, FittedLinear, Solver};
use crate::{Design, ModelError, Xy};

/// Iterations of a first-order method between evaluations of the gap.
const STRIDE: usize = 10;
/// Iterations of a first-order method before its support is tried for the first time.
const FIRST_STRETCH: usize = 200;
/// Rounds of the exact solution on the support.
const POLISH_ROUNDS: usize = 20;

/// Every option of a linear model.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spec<'a, T> {
    pub(super) alpha: T,
    pub(super) l1_ratio: T,
    pub(crate) fit_intercept: bool,
    pub(crate) standardize: bool,
    pub(super) positive: bool,
    pub(super) penalty_weights: Option<&'a [T]>,
    /// Of each coefficient, in the units of the data.
    pub(super) bounds: Option<&'a [(T, T)]>,
    pub(super) tol: T,
    pub(super) max_iter: usize,
    pub(super) solver: Solver,
}

impl<T: Scalar> Spec<'_, T> {
    pub(super) fn validate(&self) -> Result<(), ModelError> {
        check::non_negative("alpha", self.alpha)?;
        check::non_negative("l1_ratio", self.l1_ratio)?;
        check::non_negative("1 - l1_ratio", T::one() - self.l1_ratio)?;
        check::positive("tol", self.tol)?;
        Ok(())
    }

    pub(super) fn validate_for(&self, p: usize) -> Result<(), ModelError> {
        if let Some(v) = self.penalty_weights {
            check::len("penalty_weights", p, v.len())?;
            check::all_non_negative("penalty_weights", v)?;
        }
        if let Some(bounds) = self.bounds {
            check::len("bounds", p, bounds.len())?;
            for &(lower, upper) in bounds {
                let refuse = |name, expected, got: T| {
                    ModelError::from(LinalgError::InvalidParam { name, expected, got: got.as_f64() })
                };
                if lower.is_nan() || lower > T::zero() {
                    return Err(refuse("bounds: lower", "<= 0", lower));
                }
                if upper.is_nan() || upper < T::zero() {
                    return Err(refuse("bounds: upper", ">= 0", upper));
                }
            }
        }
        Ok(())
    }

    /// The bounds on the coefficients of columns that were divided by `scales`.
    pub(super) fn scaled_bounds(&self, scales: &[T]) -> Option<Vec<(T, T)>> {
        let scaled = |(&(lower, upper), &s): (&(T, T), &T)| {
            (if self.positive { T::zero() } else { lower * s }, upper * s)
        };
        self.bounds.map(|bounds| bounds.iter().zip(scales).map(scaled).collect())
    }

    /// A coefficient in the units of the data without the rounding that may have left it outside its bounds.
    pub(super) fn clamp(&self, j: usize, w: T) -> T {
        self.bounds.map_or(w, |bounds| clamp(w, bounds[j]))
    }

    /// The data as these options have the solver see them.
    pub(super) fn prepare<'x>(
        &self,
        x: Design<'x, T>,
        sample_weight: Option<&[T]>,
    ) -> Result<Prepared<'x, T>, ModelError> {
        self.validate()?;
        self.validate_for(x.ncols())?;
        Prepared::new(x, sample_weight, self.fit_intercept, self.standardize)
    }

    /// The data and the response as these options have the solver see them.
    pub(super) fn prepare_with<'x>(
        &self,
        data: Xy<'x, T>,
    ) -> Result<(Prepared<'x, T>, Response<T>), ModelError> {
        self.validate()?;
        self.validate_for(data.x.ncols())?;
        Prepared::with_response(data.x, data.y, data.sample_weight, self.fit_intercept, self.standardize)
    }

    /// The penalty of strength `alpha` within [`scaled_bounds`](Self::scaled_bounds).
    pub(super) fn penalty<'b>(
        &'b self,
        alpha: T,
        bounds: Option<&'b [(T, T)]>,
    ) -> Result<FeaturePenalty<'b, T>, ModelError> {
        let (l1, l2) = (alpha * self.l1_ratio, alpha * (T::one() - self.l1_ratio));
        let penalty = FeaturePenalty::new(l1, l2, self.penalty_weights, self.positive)?;
        Ok(match bounds {
            Some(bounds) => penalty.within(bounds),
            None => penalty,
        })
    }

    /// Fits to one response.
    pub(super) fn fit(&self, data: Xy<'_, T>, ctl: FitControl<'_, T>) -> Result<FittedLinear<T>, ModelError> {
        data.validate()?;
        let (prepared, response) = self.prepare_with(data)?;
        prepared.fit(self, &response, ctl)
    }

    /// Fits to each column of `y` (n × t, column by column) on its own.
    pub(super) fn fit_each(
        &self,
        x: Design<'_, T>,
        y: &[T],
        sample_weight: Option<&[T]>,
    ) -> Result<Vec<FittedLinear<T>>, ModelError> {
        let n = x.nrows();
        check::non_empty("X: rows", n)?;
        check::non_empty("X: columns", x.ncols())?;
        check::len("y: length, a multiple of the rows of X", y.len().div_ceil(n) * n, y.len())?;
        check::finite("y", y)?;
        let prepared = self.prepare(x, sample_weight)?;
        let one = |y: &[T]| {
            let (y, mean) = prepared.response(y);
            let product = prepared.product(&y);
            prepared.fit(self, &Response { y, mean, product }, FitControl::default())
        };
        #[cfg(feature = "rayon")]
        {
            use rayon::prelude::*;
            y.par_chunks_exact(n).map(one).collect()
        }
        #[cfg(not(feature = "rayon"))]
        {
            y.chunks_exact(n).map(one).collect()
        }
    }

    /// The smallest alpha at which every penalised coefficient is zero.
    pub(super) fn alpha_max(&self, data: Xy<'_, T>) -> Result<T, ModelError> {
        data.validate()?;
        let (prepared, response) = self.prepare_with(data)?;
        let scales = prepared.view.scales();
        self.alpha_max_of(&prepared.view, &response.y, prepared.curvature(), &response.product, scales)
    }

    /// [`alpha_max`](Self::alpha_max) of `c/2 ‖y − Xw‖²` with `product = Xᵀy` and columns divided by `scales`. O(p) where every feature is penalised.
    pub(super) fn alpha_max_of<X: DesignMatrix<T>>(
        &self,
        x: &X,
        y: &[T],
        c: T,
        product: &[T],
        scales: &[T],
    ) -> Result<T, ModelError> {
        check::positive("l1_ratio", self.l1_ratio)?;
        let weight = |j: usize| self.penalty_weights.map_or(T::one(), |v| v[j]) * self.l1_ratio;
        // So large that no penalised coefficient can move: |x_jᵀr| <= ‖x_j‖ ‖y‖.
        let size = vecops::norm(y);
        let p = x.ncols();
        let mut large = T::zero();
        for j in (0..p).filter(|&j| weight(j) > T::zero()) {
            large = large.max(c * x.col_sq_norm(j).sqrt() * size / weight(j));
        }
        if large == T::zero() {
            return Ok(T::zero());
        }
        let bounds = self.scaled_bounds(scales);
        let penalty = self.penalty(T::of(2.0) * large, bounds.as_deref())?;
        let mut cd = CoordinateDescent::with_product(x, y, c, penalty.clone(), product)?;
        if (self.positive || self.bounds.is_some())
            && self.penalty_weights.is_some_and(|v| v.contains(&T::zero()))
        {
            // Unpenalised but constrained columns have to be fitted; without the constraint the projection is exact.
            let tol = T::epsilon() * T::of(16.0) * T::of(0.5) * c * size * size;
            let _ = run(&mut cd, Control::new(self.max_iter, &mut Gap { tol }))?;
        }
        let mut alpha = T::zero();
        for (j, &u) in cd.projected_correlation().iter().enumerate() {
            if weight(j) > T::zero() {
                alpha = alpha.max(penalty.pull(j, u) / weight(j));
            }
        }
        // Rounded up, so that the model at this alpha is exactly zero.
        Ok(alpha * (T::one() + T::of(4.0) * T::epsilon()))
    }
}

/// How a solver's coefficients become those of the data.
#[derive(Debug, Clone)]
pub(crate) struct Units<T> {
    /// Of the columns: 0 without an intercept.
    pub(crate) means: Vec<T>,
    /// What the columns were divided by.
    pub(crate) scales: Vec<T>,
    /// Of the response: 0 without an intercept.
    pub(crate) mean: T,
}

impl<T: Scalar> Units<T> {
    /// The coefficients that are not zero, and the intercept.
    pub(super) fn undo(&self, w: &[T]) -> (Vec<(usize, T)>, T) {
        let mut intercept = self.mean;
        let mut coef = Vec::new();
        for (j, &w) in w.iter().enumerate().filter(|(_, w)| **w != T::zero()) {
            let w = w / self.scales[j];
            intercept -= w * self.means[j];
            coef.push((j, w));
        }
        (coef, intercept)
    }
}

impl<'a, T: Scalar> Prepared<'a, T> {
    /// Replaces the point by the exact solution on its support, where that is better.
    fn polish<'y, G: SeparableProx<T>>(
        &self,
        spec: &Spec<'_, T>,
        y: &'y [T],
        cd: &mut CoordinateDescent<'y, T, &Standardized<'a, T>, G>,
    ) -> Result<(), ModelError> {
        let before = cd.iterate().to_vec();
        let gap_before = cd.progress().gap;
        let mut w = before.clone();
        let mut problem = PolishL1::new(&self.view, y, self.curvature(), spec.alpha * spec.l1_ratio)
            .ridge(spec.alpha * (T::one() - spec.l1_ratio))
            .non_negative(spec.positive);
        if let Some(v) = spec.penalty_weights {
            problem = problem.factors(v);
        }
        if problem.polish(&mut w, POLISH_ROUNDS)?.accepted {
            cd.move_to(&w)?;
            if cd.progress().gap > gap_before {
                cd.move_to(&before)?;
            }
        }
        Ok(())
    }

    /// Runs `solver` with the duality gap of `cd`, which ends at the last iterate or, where that is better, at the exact solution on its
    /// support. That one is tried after stretches that grow: where columns are nearly dependent the support is known long before the
    /// iterates are accurate.
    fn run_polished<'y, G: SeparableProx<T>>(
        &self,
        spec: &Spec<'_, T>,
        y: &'y [T],
        mut solver: impl Iteration<T>,
        cd: &mut CoordinateDescent<'y, T, &Standardized<'a, T>, G>,
        mut control: Control<'_, T>,
    ) -> Result<Report<T>, ModelError> {
        let bound = spec.tol * self.objective_at_zero(y);
        let mut left = control.max_iter;
        let mut stretch = FIRST_STRETCH;
        let mut elapsed = Duration::ZERO;
        loop {
            let mut certified = Certified::new(solver, &mut *cd, STRIDE);
            let now = Control {
                max_iter: stretch.min(left),
                time_limit: control.time_limit.map(|t| t.saturating_sub(elapsed)),
                stop: &mut *control.stop,
                observer: match &mut control.observer {
                    Some(o) => Some(&mut **o as &mut dyn Observer<T>),
                    None => None,
                },
            };
            let mut report = run(&mut certified, now)?;
            solver = certified.into_inner();
            elapsed += report.elapsed;
            report.elapsed = elapsed;
            left -= stretch.min(left);
            stretch += stretch / 2;
            cd.move_to(solver.iterate())?;
            if spec.bounds.is_none() {
                self.polish(spec, y, cd)?;
            }
            if report.status != Status::MaxIterations || left == 0 {
                return Ok(report);
            }
            if cd.progress().gap.is_some_and(|gap| gap <= bound) {
                report.status = Status::Converged;
                return Ok(report);
            }
        }
    }

    fn fit(
        &self,
        spec: &Spec<'_, T>,
        response: &Response<T>,
        ctl: FitControl<'_, T>,
    ) -> Result<FittedLinear<T>, ModelError> {
        let Response { y, mean, product } = response;
        let c = self.curvature();
        let objective_at_zero = self.objective_at_zero(y);
        let mut stop = Gap { tol: spec.tol * objective_at_zero };
        let bounds = spec.scaled_bounds(self.view.scales());
        let penalty = spec.penalty(spec.alpha, bounds.as_deref())?;
        let mut cd = CoordinateDescent::with_product(&self.view, y, c, penalty.clone(), product)?;
        let control = ctl.control(spec.max_iter, &mut stop);
        let mut report = match spec.solver {
            // Where columns are short a step on the support costs many epochs: nothing to gain on the way.
            Solver::Auto | Solver::CoordinateDescent
                if self.view.stored() < self.rows() * self.columns() / 4 =>
            {
                run(&mut cd, control)?
            }
            Solver::Auto | Solver::CoordinateDescent => {
                // Where every feature is penalised all are zero from here on.
                let top = product.iter().fold(T::zero(), |m, &v| m.max(c * v.abs()));
                let mut way = Continuation::new(spec, &mut cd, bounds.as_deref(), top, objective_at_zero)?;
                let report = run(&mut way, control)?;
                way.finish()?;
                report
            }
            Solver::Lars => {
                if spec.l1_ratio != T::one()
                    || spec.positive
                    || spec.penalty_weights.is_some()
                    || bounds.is_some()
                {
                    let what = "an L2 part, bounds or penalty weights";
                    return Err(ModelError::Unsupported { solver: "lars", what });
                }
                let w = lars::lasso_at(&self.view, y, c, spec.alpha, spec.max_iter)?;
                cd.move_to(&w)?;
                // Nothing to do unless rounding kept the path from the tolerance.
                run(&mut cd, control)?
            }
            Solver::Fista => {
                let loss = LossOf::new(Quadratic::new(y)?.scale(c)?, &self.view)?.estimate_norm()?;
                let start = vec![T::zero(); self.view.ncols()];
                let problem = Composite::new(&loss, &penalty)?;
                let fista = Fista::new(problem, &start, &FistaOptions::default())?;
                self.run_polished(spec, y, fista, &mut cd, control)?
            }
            Solver::Admm => {
                let copy = matches!(self.view.inner(), Design::Dense(_)).then(|| self.written_out());
                let update: Box<dyn XUpdate<T>> = match &copy {
                    Some(data) => {
                        let a = Dense::from_column_major(data, self.view.nrows(), self.view.ncols())?;
                        least_squares_update(a, y, c, None)?
                    }
                    None => Box::new(CgUpdate::new(&self.view, y, c, None)?),
                };
                let admm = Admm::new(update, &penalty, None, &AdmmOptions::default())?;
                self.run_polished(spec, y, admm, &mut cd, control)?
            }
        };
        let certificate = cd.certificate().ok_or(ModelError::Unsupported {
            solver: "the certificate",
            what: "a penalty without a conjugate",
        })?;
        // A limit came first, but the final point, polished perhaps, is within the tolerance asked for.
        let limited = matches!(report.status, Status::MaxIterations | Status::TimeLimit);
        if limited && certificate.gap() <= spec.tol * objective_at_zero {
            report.status = Status::Converged;
        }
        let mut coef = cd.iterate().to_vec();
        let intercept = self.to_data_units(&mut coef, *mean);
        for (j, w) in coef.iter_mut().enumerate() {
            *w = spec.clamp(j, *w);
        }
        Ok(FittedLinear { coef, intercept, alpha: spec.alpha, objective_at_zero, certificate, report })
    }
}
