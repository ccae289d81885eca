//! Trend filtering: piecewise polynomial signals.

use std::time::Duration;

use spm_linalg::{LinalgError, LinearOperator, Scalar, Workspace, check};
use spm_solvers::{Certificate, Control, Iteration, Observer, Progress, Status, StopRule, run};

use crate::active::ActiveSet;
use crate::fitted_trend::{FittedTrend, Knot};
use crate::problem::Problem;
use crate::search::TrendSearch;
use crate::spline::MAX_ORDER;
use crate::{FusedLasso, Series, TimeSeriesError};

/// Trend filtering of order k, a piecewise polynomial fit of degree k with few knots.
///
/// $$\min_x\ \tfrac12 \sum_i w_i (y_i - x_i)^2 + \lambda \|D^{(k+1)} x\|_1$$
///
/// In plain text: `min_x 1/2 sum w[i] (y[i] - x[i])^2 + lambda sum |D^(k+1) x|` with the difference operator
/// [`Difference`](spm_linalg::operator::Difference), even or at the positions of the series. Order 0 is total variation and
/// solved by [`FusedLasso`]; `lambda >= lambda_max` is the least-squares polynomial, `lambda = 0` the data. Otherwise the
/// knots are searched by column generation on splines: between knots `D x` is 0 as a matter of structure, and
/// [`FittedTrend::knots`] lists the rows where it is not.
///
/// Missing values (NaN or weight 0) are filled by the trend itself, ends by continuing it. At `lambda = 0` they are
/// interpolated linearly.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `order` | required | 0 to 5 | degree k of the pieces |
/// | `lambda` | required | finite, `>= 0` | weight of the bends |
/// | `delta` | infinite | positive | residuals beyond this count linearly, see [`huber`](Self::huber) |
/// | `shape` | none | | monotone for orders 0 and 1, convex or concave for orders 1 and 2 |
/// | `circular` | no | | the last value is a neighbour of the first, see [`circular`](Self::circular) |
/// | `tol` | 1e-8 | finite, `>= 0` | duality gap divided by the objective at which to stop |
/// | `max_iter` | 200 | | rounds of the search, or interior-point steps where it stalls |
/// | `time_limit` | none | | wall time |
///
/// A round is O(n k²) time and memory. A long series starts from the knots of means over 8 values, found in the same way, and takes some 2
/// to 8 rounds whatever n is, as from a fit at a neighbouring `lambda` ([`fit_from`](Self::fit_from), [`path`](Self::path)).
/// Computed in `f64` for both scalar types, values and dual in double-double.
///
/// Where `n^(k+1)` times the rounding unit of double-double is no longer small a gap near `tol` is out of reach: orders 1 to 3
/// converge at n = 1e6, order 4 at 2e5, order 5 at 5e4. Beyond, the status is [`Status::MaxIterations`]
/// and the result the point with the smallest gap found, at worst the polynomial.
///
/// Source: Kim, Koh, Boyd and Gorinevsky 2009; Tibshirani 2014.
///
/// ```
/// use spm_timeseries::{Series, TrendFilter};
/// // A roof with its ridge at index 5.
/// let y: Vec<f64> = (0..11).map(|i| 5.0 - (i as f64 - 5.0).abs()).collect();
/// let fit = TrendFilter::new(1, 0.1).fit(Series::new(&y))?;
/// assert!(fit.status().is_converged());
/// assert_eq!(fit.knots().len(), 1);
/// assert_eq!(fit.knots()[0].index, 5);
/// assert!(fit.certificate().gap() <= 1e-8 * fit.objective());
/// # Ok::<(), spm_timeseries::TimeSeriesError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TrendFilter<T = f64> {
    /// Degree of the pieces.
    pub order: usize,
    /// Weight of the bends.
    pub lambda: T,
    /// Residuals beyond this count linearly instead of squared (Huber 1964); infinite for none.
    pub delta: T,
    /// What the trend must be, if anything.
    pub shape: Option<Shape>,
    /// Whether the last value is a neighbour of the first.
    pub circular: bool,
    /// Duality gap divided by the objective at which to stop.
    pub tol: f64,
    /// Most iterations.
    pub max_iter: usize,
    /// Most wall time.
    pub time_limit: Option<Duration>,
}

impl<T: Scalar> TrendFilter<T> {
    /// The filter of the given order and weight.
    #[must_use]
    pub fn new(order: usize, lambda: T) -> Self {
        Self {
            order,
            lambda,
            delta: T::infinity(),
            shape: None,
            circular: false,
            tol: 1e-8,
            max_iter: 200,
            time_limit: None,
        }
    }

    /// Against outliers: the Huber loss, linear beyond residuals of `delta`, in the units of the data.
    ///
    /// The data term is then `sum w[i] h(y[i] - x[i])`, `h(r) = r^2 / 2` up to `|r| = delta` and `delta |r| - delta^2 / 2`
    /// beyond. That is a trend plus sparse outliers `o`, `min 1/2 sum w[i] (y[i] - x[i] - o[i])^2 + lambda |D x|_1 + delta sum w[i] |o[i]|`
    /// with `o` minimised out (She and Owen 2011); [`FittedTrend::outliers`] gives them.
    #[must_use]
    pub fn huber(mut self, delta: T) -> Self {
        self.delta = delta;
        self
    }

    /// Holds the trend to a shape: monotone for orders 0 and 1, convex or concave for orders 1 and 2.
    #[must_use]
    pub fn shape(mut self, shape: Shape) -> Self {
        self.shape = Some(shape);
        self
    }

    /// For a signal on a ring, a closed curve or the hours of a day: the differences go on from the last value to the first, `D` is the (k+1)-th
    /// power of `(C x)[i] = x[(i + 1) mod n] - x[i]`.
    ///
    /// From `lambda_max` on the trend is a constant, and turning the ring turns the trend. Values are evenly spaced round the ring; positions,
    /// the Huber loss and shapes are for lines.
    ///
    /// ```
    /// use spm_timeseries::{Series, TrendFilter};
    /// // A roof whose ridge is at index 0.
    /// let y: Vec<f64> = (0..12).map(|i| (i as f64 - 6.0).abs()).collect();
    /// let fit = TrendFilter::new(1, 0.1).circular().fit(Series::new(&y))?;
    /// let knots: Vec<usize> = fit.knots().iter().map(|k| k.index).collect();
    /// assert_eq!(knots, [6, 0]);
    /// assert!(fit.certificate().gap() <= 1e-8 * fit.objective());
    /// # Ok::<(), spm_timeseries::TimeSeriesError>(())
    /// ```
    #[must_use]
    pub fn circular(mut self) -> Self {
        self.circular = true;
        self
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

    /// Sets the most wall time.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`TimeSeriesError::Linalg`] for one outside its range.
    pub fn validate(&self) -> Result<(), TimeSeriesError> {
        check_order(self.order)?;
        check::non_negative("lambda", self.lambda)?;
        check::non_negative("tol", self.tol)?;
        // Not a number is not positive either.
        if self.delta.partial_cmp(&T::zero()) != Some(std::cmp::Ordering::Greater) {
            return Err(invalid("delta", "positive", self.delta.as_f64()));
        }
        if self.circular && self.delta < T::infinity() {
            return Err(invalid("delta", "infinite on a ring", self.delta.as_f64()));
        }
        match self.shape {
            None => Ok(()),
            Some(_) if self.circular => Err(invalid("shape", "none on a ring", 1.0)),
            Some(shape) if !(shape.order()..=shape.order() + 1).contains(&self.order) => {
                let expected = if shape.order() == 0 {
                    "0 or 1 for a monotone trend"
                } else {
                    "1 or 2 for a convex or concave trend"
                };
                Err(invalid("order", expected, self.order as f64))
            }
            Some(shape) if shape.order() < self.order && self.delta < T::infinity() => Err(invalid(
                "delta",
                "infinite for a monotone line or a convex parabola",
                self.delta.as_f64(),
            )),
            Some(_) if self.lambda == T::zero() => {
                Err(invalid("lambda", "positive where a shape is asked for", 0.0))
            }
            Some(_) => Ok(()),
        }
    }

    /// Fits the series.
    ///
    /// # Errors
    /// [`TimeSeriesError::Linalg`] for invalid data or parameters, [`TimeSeriesError::NothingObserved`],
    /// [`TimeSeriesError::Solve`] if the iteration breaks down. Not reaching `tol` is a [`Status`].
    pub fn fit(&self, series: Series<'_, T>) -> Result<FittedTrend<T>, TimeSeriesError> {
        self.fit_observed(series, None)
    }

    /// The smallest `lambda` at which the fit with this loss and shape is one polynomial; the `lambda` of the filter plays no role.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn lambda_max(&self, series: Series<'_, T>) -> Result<T, TimeSeriesError> {
        let at_one = Self { lambda: T::one(), ..self.clone() };
        at_one.validate()?;
        self.check_axis(series)?;
        if self.is_plain() && !self.circular {
            return crate::trend_lambda_max(series, self.order);
        }
        if self.is_plain() && self.order == 0 {
            return FusedLasso::new(T::one()).circular().lambda_max(series);
        }
        let (y, w) = series.checked()?;
        let p = at_one.problem(&y, &w, series)?;
        Ok(T::of(at_one.top(&p) * p.units.lambda(self.order)))
    }

    fn check_axis(&self, series: Series<'_, T>) -> Result<(), TimeSeriesError> {
        match series.positions {
            Some(t) if self.circular => Err(invalid("positions", "none on a ring", t.len() as f64)),
            _ => Ok(()),
        }
    }

    /// Squared errors and no shape.
    fn is_plain(&self) -> bool {
        self.delta == T::infinity() && self.shape.is_none()
    }

    fn problem(&self, y: &[T], w: &[T], series: Series<'_, T>) -> Result<Problem, LinalgError> {
        if self.circular {
            return Problem::ring(y, w, self.order, self.lambda.as_f64());
        }
        let positions = if self.order == 0 { None } else { series.positions };
        let p = Problem::new(y, w, positions, self.order, self.lambda.as_f64())?;
        let (may, slope) = match self.shape {
            None => ([true; 2], 0.0),
            Some(shape) if shape.order() == self.order => (shape.signs(), 0.0),
            Some(shape) => ([true; 2], if shape.signs()[1] { 1.0 } else { -1.0 }),
        };
        Ok(p.with(self.delta.as_f64(), may).with_slope(slope))
    }

    /// `lambda_max` in the problem's units.
    fn top(&self, p: &Problem) -> f64 {
        if self.is_plain() || p.m() == 0 { p.lambda_max } else { ActiveSet::new(p).flat_bound(p) }
    }

    /// Fits the series, starting from the knots of another fit of the same length, at another `lambda`, say. The result is the same
    /// up to the tolerance, found in fewer iterations.
    ///
    /// # Errors
    /// As [`fit`](Self::fit), and if the length or order of `start` differs.
    pub fn fit_from(
        &self,
        series: Series<'_, T>,
        start: &FittedTrend<T>,
    ) -> Result<FittedTrend<T>, TimeSeriesError> {
        check::len("start", series.len(), start.x.len())?;
        if start.order != self.order {
            return Err(LinalgError::InvalidParam {
                name: "order of the start",
                expected: "that of the filter",
                got: start.order as f64,
            }
            .into());
        }
        self.run(series, None, Some(start))
    }

    /// The fits at several `lambda`, each started from the one before. From large to small is fastest.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn path(&self, series: Series<'_, T>, lambdas: &[T]) -> Result<Vec<FittedTrend<T>>, TimeSeriesError> {
        let mut fits: Vec<FittedTrend<T>> = Vec::with_capacity(lambdas.len());
        for &lambda in lambdas {
            let model = Self { lambda, ..self.clone() };
            fits.push(model.run(series, None, fits.last())?);
        }
        Ok(fits)
    }

    /// Fits the series, showing every iteration's best fit so far to `observer`, which may end the run.
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn fit_observed(
        &self,
        series: Series<'_, T>,
        observer: Option<&mut dyn Observer<T>>,
    ) -> Result<FittedTrend<T>, TimeSeriesError> {
        self.run(series, observer, None)
    }

    fn run(
        &self,
        series: Series<'_, T>,
        observer: Option<&mut dyn Observer<T>>,
        start: Option<&FittedTrend<T>>,
    ) -> Result<FittedTrend<T>, TimeSeriesError> {
        self.validate()?;
        let k = self.order;
        let (y, w) = series.checked()?;
        self.check_axis(series)?;
        let plain = self.is_plain();
        if k == 0 && plain {
            return self.fused(&y, &w);
        }
        let p = self.problem(&y, &w, series)?;
        let n = y.len();
        let top = self.top(&p);
        let lambda_max = T::of(top * p.units.lambda(k));
        let done = |x: Vec<T>, knots: Vec<Knot<T>>, certificate: Certificate<T>| FittedTrend {
            x,
            order: k,
            circular: self.circular,
            lambda: self.lambda,
            delta: self.delta,
            lambda_max,
            knots,
            certificate,
            status: Status::Converged,
            iterations: 0,
        };
        let mut x = vec![T::zero(); n];
        // `lambda_max` as the caller sees it counts too, although rounding to `f32` may have made it smaller.
        let flat = self.lambda > T::zero() && (self.lambda >= lambda_max || p.lambda >= p.lambda_max);
        if plain && flat || p.m() == 0 || p.lambda_max == 0.0 {
            p.write(&p.poly, &mut x);
            let value = T::of(p.units.objective() * p.null_objective());
            return Ok(done(x, Vec::new(), Certificate::new(value, value)));
        }
        if self.lambda == T::zero() {
            let mut y = p.filled();
            let mut jumps = vec![0.0; p.m()];
            y.extend((n..p.d.ncols()).map(|i| y[i % n]).collect::<Vec<f64>>());
            p.d.apply(&y, &mut jumps, Workspace::new(p.d.scratch()).stack());
            p.write(&y[..p.y.len()], &mut x);
            let rows: Vec<usize> = (0..p.m()).filter(|&j| jumps[j] != 0.0).collect();
            let values: Vec<f64> = rows.iter().map(|&j| jumps[j]).collect();
            let knots = knots(&p, &rows, &values);
            return Ok(done(x, knots, Certificate::new(T::zero(), T::zero())));
        }
        let (first, rows) = (p.units.first, p.m());
        let start = start.into_iter().flat_map(FittedTrend::knots).filter_map(|k| {
            let row = k.row.checked_sub(first).filter(|&row| row < rows)?;
            Some((row, k.jump.as_f64().signum()))
        });
        let mut it = TrendSearch::new(p, self.tol, n, start);
        let mut stop = RelativeGap { tol: self.tol };
        let mut control = Control::new(self.max_iter, &mut stop);
        control.time_limit = self.time_limit;
        if let Some(observer) = observer {
            control = control.observer(observer);
        }
        let report = run(&mut it, control)?;
        let best = it.best();
        Ok(FittedTrend {
            x: it.iterate().to_vec(),
            order: k,
            circular: self.circular,
            lambda: self.lambda,
            delta: self.delta,
            lambda_max,
            knots: knots(it.problem(), &best.knots, &best.jumps),
            certificate: it.certificate(),
            status: report.status,
            iterations: report.last.iter,
        })
    }

    fn fused(&self, y: &[T], w: &[T]) -> Result<FittedTrend<T>, TimeSeriesError> {
        let model = FusedLasso { circular: self.circular, ..FusedLasso::new(self.lambda) };
        let fit = model.fit(Series::new(y).weights(w))?;
        let (lambda_max, certificate) = (fit.lambda_max(), fit.certificate());
        let x = fit.into_x();
        let n = x.len();
        let knots = (0..if self.circular { n } else { n - 1 })
            .map(|row| (row, (row + 1) % n))
            .filter(|&(row, index)| x[index] != x[row])
            .map(|(row, index)| Knot { row, index, jump: x[index] - x[row] })
            .collect();
        Ok(FittedTrend {
            x,
            order: 0,
            circular: self.circular,
            lambda: self.lambda,
            delta: self.delta,
            lambda_max,
            knots,
            certificate,
            status: Status::Converged,
            iterations: 0,
        })
    }
}

/// What a trend may be held to.
///
/// A shape is a sign of the differences `D x` that the penalty takes (monotone steps, convex lines), or of those a degree below, `D^(k) x`, the
/// k-th derivative (monotone lines, convex parabolas). The first removes one side of the box of the dual; the second has multipliers of its own,
/// and stretches on which the derivative is exactly 0. Other combinations, a monotone parabola, say, whose slope is no constant between knots, are
/// an error; so is the Huber loss with the second kind.
///
/// Restricted problems of the second kind are told apart in `f64` alone: beyond some thousand values, with a small `lambda`, a convex parabola
/// may end with [`Status::MaxIterations`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Shape {
    /// Never falling; for orders 0 and 1.
    Increasing,
    /// Never rising; for orders 0 and 1.
    Decreasing,
    /// Slopes never fall; for orders 1 and 2.
    Convex,
    /// Slopes never rise; for orders 1 and 2.
    Concave,
}

impl Shape {
    /// The lower order of trend it is for: the one whose differences `D x` it gives a sign.
    fn order(self) -> usize {
        match self {
            Self::Increasing | Self::Decreasing => 0,
            Self::Convex | Self::Concave => 1,
        }
    }

    /// Whether `D x` may be negative, positive.
    fn signs(self) -> [bool; 2] {
        let up = matches!(self, Self::Increasing | Self::Convex);
        [!up, up]
    }
}

/// Stops when the gap is at most `tol` times the objective.
#[derive(Debug)]
pub(crate) struct RelativeGap {
    pub(crate) tol: f64,
}

impl<T: Scalar> StopRule<T> for RelativeGap {
    fn done(&mut self, p: &Progress<T>) -> bool {
        p.residual.as_f64() <= self.tol
    }
}

fn invalid(name: &'static str, expected: &'static str, got: f64) -> TimeSeriesError {
    LinalgError::InvalidParam { name, expected, got }.into()
}

pub(crate) fn check_order(order: usize) -> Result<(), LinalgError> {
    if order <= MAX_ORDER {
        return Ok(());
    }
    Err(LinalgError::InvalidParam {
        name: "order of a trend filter",
        expected: "at most 5",
        got: order as f64,
    })
}

fn knots<T: Scalar>(p: &Problem, rows: &[usize], jumps: &[f64]) -> Vec<Knot<T>> {
    let (k, unit) = (p.k(), p.units.jump(p.k()));
    let knot = |(&j, &d): (&usize, &f64)| {
        let row = j + p.units.first;
        let index = row + k.div_ceil(2).max(1);
        Knot { row, index: if p.ring { index % p.y.len() } else { index }, jump: T::of(unit * d) }
    };
    rows.iter().zip(jumps).map(knot).collect()
}
