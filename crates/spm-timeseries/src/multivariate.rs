//! Several series that change together: the group fused lasso and group trend filtering.

use spm_linalg::{Scalar, check};
use spm_solvers::{Certificate, Control, Status, run};

use crate::group_admm::GroupAdmm;
use crate::group_problem::GroupProblem;
use crate::trend::{RelativeGap, check_order};
use crate::{Knot, Series, TimeSeriesError};

/// Trend filtering of several channels with common knots.
///
/// $$\min_X\ \tfrac12 \sum_{ic} W_{ic} (Y_{ic} - X_{ic})^2 + \lambda \sum_i \|(D^{(k+1)} X)_{i,:}\|_2$$
///
/// In plain text: `min_X 1/2 sum W (Y - X)^2 + lambda sum_i |(D X)[i]|_2`, the norm over the channels: at a knot all channels bend, elsewhere
/// none does. Order 0 is the group fused lasso (Bleakley and Vert 2011). `Y` and `W` are n × p row after row, the channels of a time side by
/// side; a value may be missing (NaN, or weight 0) in one channel and not in another, and is filled by the channel's trend. Positions
/// are those of the n rows.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `order` | required | 0 to 5 | degree k of the pieces |
/// | `lambda` | required | finite, `>= 0` | weight of the bends |
/// | `tol` | 1e-6 | finite, `>= 0` | duality gap divided by the objective of one polynomial a channel |
/// | `max_iter` | 20 000 | | iterations |
///
/// ADMM on `Z = D X` (Boyd et al. 2011) with banded Cholesky factorisations (one, or one a channel if their weights differ) and residual
/// balancing, O(n p k) an iteration for p channels. The result is integrated from `Z`, so that between knots it is a polynomial exactly; its duality gap is
/// recomputed from that, with a dual variable that has no force where a value is missing. For higher orders and long series integration and ADMM both lose digits: the gap says how many.
///
/// ```
/// use spm_timeseries::{GroupTrend, Series};
/// // Two channels that jump together.
/// let y: Vec<f64> = (0..20).flat_map(|i| if i < 10 { [0.0, 1.0] } else { [3.0, -1.0] }).collect();
/// let fit = GroupTrend::new(0, 0.1).fit(Series::new(&y), 2)?;
/// assert!(fit.status().is_converged());
/// assert_eq!(fit.knots().iter().map(|k| k.index).collect::<Vec<_>>(), [10]);
/// # Ok::<(), spm_timeseries::TimeSeriesError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GroupTrend<T = f64> {
    /// Degree of the pieces.
    pub order: usize,
    /// Weight of the bends.
    pub lambda: T,
    /// Relative duality gap at which to stop.
    pub tol: f64,
    /// Most iterations.
    pub max_iter: usize,
}

impl<T: Scalar> GroupTrend<T> {
    /// The filter of the given order and weight.
    #[must_use]
    pub fn new(order: usize, lambda: T) -> Self {
        Self { order, lambda, tol: 1e-6, max_iter: 20_000 }
    }

    /// Sets the relative duality gap at which to stop.
    #[must_use]
    pub fn tol(mut self, tol: f64) -> Self {
        self.tol = tol;
        self
    }

    /// Sets the most iterations.
    #[must_use]
    pub fn max_iter(mut self, max_iter: usize) -> Self {
        self.max_iter = max_iter;
        self
    }

    /// Fits a series of n rows with `channels` values each, and as many weights; positions are n.
    ///
    /// # Errors
    /// [`TimeSeriesError::Linalg`] for invalid data or parameters, or a channel with at most `order` of more than `order` values observed.
    /// Not reaching `tol` is a [`Status`].
    pub fn fit(&self, series: Series<'_, T>, channels: usize) -> Result<FittedGroup<T>, TimeSeriesError> {
        check::non_negative("lambda", self.lambda)?;
        check::non_negative("tol", self.tol)?;
        let mut p = self.problem(series, channels)?;
        let lambda_max = p.lambda_max();
        let (m, zero) = (p.m, self.lambda == T::zero());
        if zero || p.lambda >= lambda_max {
            let interpolates = zero && m > 0;
            let (mut x, mut z) = (vec![0.0; p.y.len()], vec![0.0; channels * m]);
            if interpolates {
                x = p.filled();
                p.differences(&x, &mut z);
            } else {
                p.integrate(&z, &mut x);
            }
            let value = if interpolates { 0.0 } else { p.scale };
            return Ok(self.package(&p, &x, &z, Certificate::new(value, value), lambda_max));
        }
        let mut it = GroupAdmm::<T>::new(p)?;
        let report = run(&mut it, Control::new(self.max_iter, &mut RelativeGap { tol: self.tol }))?;
        let fit = self.package(&it.p, &it.best.x, &it.best.z, it.best.certificate, lambda_max);
        Ok(FittedGroup { status: report.status, iterations: report.last.iter, ..fit })
    }

    /// The smallest `lambda` at which every channel is one polynomial; the `lambda` of the filter plays no role.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn lambda_max(&self, series: Series<'_, T>, channels: usize) -> Result<T, TimeSeriesError> {
        let mut p = self.problem(series, channels)?;
        Ok(T::of(p.lambda_max() * p.units.lambda(self.order)))
    }

    fn problem(&self, series: Series<'_, T>, channels: usize) -> Result<GroupProblem, TimeSeriesError> {
        check_order(self.order)?;
        check::non_empty("channels", channels)?;
        let rows = series.len().div_ceil(channels);
        check::len("y", rows * channels, series.len())?;
        let (y, w) = series.checked_with(rows)?;
        let lambda = self.lambda.as_f64();
        Ok(GroupProblem::new(&y, &w, channels, series.positions, self.order, lambda)?)
    }

    /// A result in the units of the data.
    fn package(
        &self,
        p: &GroupProblem,
        x: &[f64],
        z: &[f64],
        certificate: Certificate<f64>,
        lambda_max: f64,
    ) -> FittedGroup<T> {
        let (units, m) = (p.units, p.m);
        let size = |row: usize| (row..z.len()).step_by(m).map(|k| z[k] * z[k]).sum::<f64>().sqrt();
        let middle = self.order.div_ceil(2).max(1);
        let knots = (0..m)
            .map(|row| (row, units.jump(self.order) * size(row)))
            .filter(|k| k.1 > 0.0)
            .map(|(row, jump)| Knot { row, index: row + middle, jump: T::of(jump) })
            .collect();
        let value = |v: f64| T::of(units.objective() * v);
        FittedGroup {
            x: p.write(x),
            knots,
            lambda_max: T::of(units.lambda(self.order) * lambda_max),
            certificate: Certificate::new(value(certificate.primal), value(certificate.dual)),
            status: Status::Converged,
            iterations: 0,
        }
    }
}

/// A fitted [`GroupTrend`].
#[derive(Debug, Clone, PartialEq)]
pub struct FittedGroup<T = f64> {
    x: Vec<T>,
    knots: Vec<Knot<T>>,
    lambda_max: T,
    certificate: Certificate<T>,
    status: Status,
    iterations: usize,
}

impl<T: Scalar> FittedGroup<T> {
    /// The fitted values, in the layout of the data.
    #[must_use]
    pub fn x(&self) -> &[T] {
        &self.x
    }

    /// The common knots, in order; [`Knot::jump`] is the 2-norm over the channels.
    #[must_use]
    pub fn knots(&self) -> &[Knot<T>] {
        &self.knots
    }

    /// The smallest `lambda` at which every channel is one polynomial.
    #[must_use]
    pub fn lambda_max(&self) -> T {
        self.lambda_max
    }

    /// The objective.
    #[must_use]
    pub fn objective(&self) -> T {
        self.certificate.primal
    }

    /// The objective and a lower bound of the optimum, from the result and a feasible dual variable.
    #[must_use]
    pub fn certificate(&self) -> Certificate<T> {
        self.certificate
    }

    /// Why the iteration ended.
    #[must_use]
    pub fn status(&self) -> Status {
        self.status
    }

    /// Iterations done; 0 where the result has a closed form.
    #[must_use]
    pub fn iterations(&self) -> usize {
        self.iterations
    }
}
