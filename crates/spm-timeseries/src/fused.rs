//! The fused lasso on a line: piecewise constant signals.

use std::ops::Range;

use spm_linalg::penalty::{tv1d_halves_into, tv1d_into, tv1d_scratch};
use spm_linalg::{Scalar, Workspace, check};
use spm_solvers::{Certificate, Status};

use crate::certify::{certify, room, seam};
use crate::circular::{Ring, close, opened};
use crate::join::{HALVES, join};
use crate::lambda_max::{flatten, fused_lambda_max_checked};
use crate::{Series, TimeSeriesError};

/// The fused lasso on a line, an exact piecewise constant fit.
///
/// $$\min_x\ \tfrac12 \sum_i w_i (y_i - x_i)^2 + \lambda \sum_i e_i |x_{i+1} - x_i| + \lambda_s \sum_{w_i > 0} |x_i|$$
///
/// In plain text: `min_x 1/2 sum w[i] (y[i] - x[i])^2 + lambda sum e[i] |x[i+1] - x[i]| + lambda_sparse sum |x[i]|`, the last
/// sum over observed values. With `lambda_sparse = 0` it is 1-D total variation. The result is exact up to rounding
/// and O(n) on every input; positions play no role.
///
/// With equal weights the sparse term is a soft threshold of the total variation solution (Friedman et al. 2007,
/// proposition 1). With unequal ones that fails; then two solves with data `y ∓ lambda_sparse / w` give the positive
/// and the negative part, since each level set of the solution depends on the slopes of the data term at its own
/// level alone (Hochbaum 2001, threshold theorem).
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `lambda` | required | finite, `>= 0` | weight of the jumps |
/// | `lambda_sparse` | 0 | finite, `>= 0` | weight of the values |
/// | `edge_weights` | 1 | finite, `>= 0`, length n − 1, or n on a ring | factor of each jump, 0 cuts there |
/// | `circular` | no | | the last value is a neighbour of the first, see [`circular`](Self::circular) |
///
/// Missing values (NaN or weight 0) take the value of the segment they fall in, see
/// [`tv1d_into`](spm_linalg::penalty::tv1d_into).
///
/// ```
/// use spm_timeseries::{FusedLasso, Series};
/// let y = [0.0, 0.2, -0.2, 5.0, 5.2, f64::NAN, 4.8];
/// let fit = FusedLasso::new(0.6).fit(Series::new(&y))?;
/// assert_eq!(fit.segments().len(), 2);
/// assert!((fit.x()[0] - 0.2).abs() < 1e-12 && (fit.x()[5] - 4.8).abs() < 1e-12);
/// assert!(fit.certificate().gap() < 1e-12);
/// # Ok::<(), spm_timeseries::TimeSeriesError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct FusedLasso<T = f64> {
    /// Weight of the jumps.
    pub lambda: T,
    /// Weight of the values.
    pub lambda_sparse: T,
    /// Factor of each jump.
    pub edge_weights: Option<Vec<T>>,
    /// Whether the last value is a neighbour of the first.
    pub circular: bool,
}

impl<T: Scalar> FusedLasso<T> {
    /// Total variation with weight `lambda`.
    #[must_use]
    pub fn new(lambda: T) -> Self {
        Self { lambda, lambda_sparse: T::zero(), edge_weights: None, circular: false }
    }

    /// Sets the weight of the values.
    #[must_use]
    pub fn lambda_sparse(mut self, lambda_sparse: T) -> Self {
        self.lambda_sparse = lambda_sparse;
        self
    }

    /// Sets the factor of each jump.
    #[must_use]
    pub fn edge_weights(mut self, edge_weights: Vec<T>) -> Self {
        self.edge_weights = Some(edge_weights);
        self
    }

    /// For a signal on a ring, a closed curve or the hours of a day: the penalty has the term `e[n-1] |x[0] - x[n-1]|`, too, and the last
    /// of n edge weights belongs to it.
    ///
    /// As exact as on a line, and O(n): a jump of the solution is found first, and the ring cut open there is a line. Turning
    /// the ring turns the result.
    ///
    /// ```
    /// use spm_timeseries::{FusedLasso, Series};
    /// let y = [5.0_f64, 0.2, -0.2, 0.0, 4.8, 5.2];
    /// let fit = FusedLasso::new(0.3).circular().fit(Series::new(&y))?;
    /// // The values 4, 5, and on to 0.
    /// assert_eq!(fit.segments()[1].range, 4..7);
    /// assert!((fit.x()[0] - 4.8).abs() < 1e-12 && fit.x()[0] == fit.x()[5]);
    /// assert!(fit.certificate().gap() < 1e-12);
    /// # Ok::<(), spm_timeseries::TimeSeriesError>(())
    /// ```
    #[must_use]
    pub fn circular(mut self) -> Self {
        self.circular = true;
        self
    }

    /// Checks the parameters.
    ///
    /// # Errors
    /// [`TimeSeriesError::Linalg`] for one outside its range.
    pub fn validate(&self) -> Result<(), TimeSeriesError> {
        check::non_negative("lambda", self.lambda)?;
        check::non_negative("lambda_sparse", self.lambda_sparse)?;
        if let Some(e) = &self.edge_weights {
            check::all_non_negative("edge_weights", e)?;
        }
        Ok(())
    }

    /// Fits the series. O(n) time and memory.
    ///
    /// # Errors
    /// [`TimeSeriesError::Linalg`] for invalid data or parameters, [`TimeSeriesError::NothingObserved`].
    pub fn fit(&self, series: Series<'_, T>) -> Result<FittedFused<T>, TimeSeriesError> {
        self.validate()?;
        let checked = if series.is_plain() { None } else { Some(series.checked()?) };
        let (y, w): (&[T], Option<&[T]>) = match &checked {
            None => (series.y, None),
            Some((y, w)) => (y, w.iter().any(|&v| v != T::one()).then_some(w)),
        };
        let edges = self.edges(y.len())?;
        let cut = self.cut();
        let (x, lambda_max, certificate) = match cut {
            None => self.solve(y, w, edges, self.circular),
            Some(cut) => {
                let (y, w, edges) =
                    (opened(y, cut), w.map(|w| opened(w, cut)), edges.map(|e| opened(e, cut)));
                let edges = edges.as_ref().map(|e| &e[..y.len() - 1]);
                let (mut x, lambda_max, certificate) = self.solve(&y, w.as_deref(), edges, false);
                close(&mut x, cut);
                (x, lambda_max, certificate)
            }
        };
        Ok(FittedFused { x, lambda: self.lambda, lambda_max, certificate, circular: self.circular })
    }

    /// The smallest `lambda` at which the fit (before the sparse term) has no jumps but at cuts; that of the model plays no role. O(n).
    ///
    /// # Errors
    /// As [`fit`](Self::fit).
    pub fn lambda_max(&self, series: Series<'_, T>) -> Result<T, TimeSeriesError> {
        self.validate()?;
        let (y, w) = series.checked()?;
        let edges = self.edges(y.len())?;
        Ok(match self.cut() {
            None if self.circular => T::of(Ring::new(&y, Some(&w), edges).lambda_max()),
            None => fused_lambda_max_checked(&y, w.iter().any(|&v| v != T::one()).then_some(&w), edges),
            Some(cut) => {
                let edges = edges.map(|e| opened(e, cut));
                let edges = edges.as_ref().map(|e| &e[..y.len() - 1]);
                fused_lambda_max_checked(&opened(&y, cut), Some(&opened(&w, cut)), edges)
            }
        })
    }

    /// The edge weights, if they are as many as `n` values have edges.
    fn edges(&self, n: usize) -> Result<Option<&[T]>, TimeSeriesError> {
        let edges = self.edge_weights.as_deref();
        if let Some(e) = edges {
            check::len("edge_weights", if self.circular { n } else { n - 1 }, e.len())?;
        }
        Ok(edges)
    }

    /// The first edge at which a ring is cut open.
    fn cut(&self) -> Option<usize> {
        let edges = self.edge_weights.as_ref().filter(|_| self.circular);
        edges.and_then(|e| e.iter().position(|e| *e == T::zero()))
    }

    /// The solution, `lambda_max` and the certificate, on a line or on a ring without a cut.
    fn solve(
        &self,
        y: &[T],
        w: Option<&[T]>,
        edges: Option<&[T]>,
        closed: bool,
    ) -> (Vec<T>, T, Certificate<T>) {
        let (n, zero, ls) = (y.len(), T::zero(), self.lambda_sparse);
        let line = |y: &[T], w: Option<&[T]>, edges: Option<&[T]>, x: &mut [T]| {
            if n < HALVES {
                tv1d_into(y, w, self.lambda, edges, x, Workspace::new(tv1d_scratch::<T>(n)).stack());
            } else {
                tv1d_halves_into(y, w, self.lambda, edges, x, |a, b| {
                    join(n, a, b);
                });
            }
        };
        // Returns the largest lambda. At the threshold itself rounding could leave jumps of a few units in the last place.
        let solve = |y: &[T], x: &mut [T]| {
            let flat = |lambda_max: T| self.lambda > zero && self.lambda >= lambda_max;
            if closed {
                let ring = Ring::new(y, w, edges);
                let lambda_max = T::of(ring.lambda_max());
                if flat(lambda_max) {
                    x.fill(ring.mean());
                } else {
                    ring.solve(y, self.lambda, x, line);
                }
                return lambda_max;
            }
            line(y, w, edges, x);
            let lambda_max = fused_lambda_max_checked(y, w, edges);
            if flat(lambda_max) {
                flatten(y, w, edges, x);
            }
            lambda_max
        };
        let mut x = vec![zero; n];
        let lambda_max = solve(y, &mut x);
        if ls > zero {
            let weight = |i: usize| w.map_or(T::one(), |w| w[i]);
            let level = (0..n).map(weight).find(|v| *v > zero).unwrap_or(T::one());
            if (0..n).map(weight).all(|v| v == zero || v == level) {
                for v in &mut x {
                    *v = spm_linalg::vecops::soft_threshold(*v, ls / level);
                }
            } else {
                let mut shifted = vec![zero; n];
                let mut part = vec![zero; n];
                x.fill(zero);
                for sign in [T::one(), -T::one()] {
                    for i in 0..n {
                        shifted[i] = if weight(i) > zero { y[i] - sign * ls / weight(i) } else { zero };
                    }
                    solve(&shifted, &mut part);
                    for (v, &p) in x.iter_mut().zip(&part) {
                        if sign * p > zero {
                            *v = p;
                        }
                    }
                }
            }
        }
        let certificate = if ls > zero {
            Problem { y, w, lambda: self.lambda, lambda_sparse: ls, edges, closed }.certificate(&x)
        } else {
            certify(y, w, self.lambda, edges, closed, &x)
        };
        (x, lambda_max, certificate)
    }
}

/// A fitted [`FusedLasso`].
#[derive(Debug, Clone, PartialEq)]
pub struct FittedFused<T = f64> {
    x: Vec<T>,
    lambda: T,
    lambda_max: T,
    certificate: Certificate<T>,
    pub(crate) circular: bool,
}

impl<T: Scalar> FittedFused<T> {
    /// The fitted values; within a segment equal bit for bit.
    #[must_use]
    pub fn x(&self) -> &[T] {
        &self.x
    }

    /// The fitted values, by value.
    #[must_use]
    pub fn into_x(self) -> Vec<T> {
        self.x
    }

    /// The constant pieces, in order. O(n).
    ///
    /// On a ring a piece can go on from the last value to the first. It is the last in the list, and its range counts on from n: `n − 2 .. n + 1`
    /// are the values n − 2, n − 1 and 0.
    #[must_use]
    pub fn segments(&self) -> Vec<Segment<T>> {
        let mut out: Vec<Segment<T>> = Vec::new();
        for (i, &value) in self.x.iter().enumerate() {
            match out.last_mut() {
                Some(s) if s.value == value => s.range.end = i + 1,
                _ => out.push(Segment { range: i..i + 1, value }),
            }
        }
        if self.circular && out.len() > 1 && out[0].value == out[out.len() - 1].value {
            let head = out.remove(0);
            if let Some(tail) = out.last_mut() {
                tail.range.end += head.range.len();
            }
        }
        out
    }

    /// The weight of the jumps that was used.
    #[must_use]
    pub fn lambda(&self) -> T {
        self.lambda
    }

    /// The smallest `lambda` at which the fit (before the sparse term) has no jumps but at cuts.
    #[must_use]
    pub fn lambda_max(&self) -> T {
        self.lambda_max
    }

    /// `lambda / lambda_max`; infinite if `lambda_max` is 0.
    #[must_use]
    pub fn lambda_ratio(&self) -> T {
        self.lambda / self.lambda_max
    }

    /// The objective.
    #[must_use]
    pub fn objective(&self) -> T {
        self.certificate.primal
    }

    /// The objective and a lower bound of the optimum, from a dual point built anew from `y − x`.
    #[must_use]
    pub fn certificate(&self) -> Certificate<T> {
        self.certificate
    }

    /// Always [`Status::Converged`]: the method is direct.
    #[must_use]
    pub fn status(&self) -> Status {
        Status::Converged
    }
}

/// A maximal run of equal fitted values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Segment<T = f64> {
    /// The indices; beyond the last value of a ring they count on, see [`FittedFused::segments`].
    pub range: Range<usize>,
    /// The value on them.
    pub value: T,
}

/// The problem with a sparse term, for its certificate.
struct Problem<'a, T> {
    y: &'a [T],
    w: Option<&'a [T]>,
    lambda: T,
    lambda_sparse: T,
    edges: Option<&'a [T]>,
    closed: bool,
}

impl<T: Scalar> Problem<'_, T> {
    fn weight(&self, i: usize) -> T {
        self.w.map_or(T::one(), |w| w[i])
    }

    fn radius(&self, i: usize) -> f64 {
        (self.lambda * self.edges.map_or(T::one(), |e| e[i])).as_f64()
    }

    /// The gap in its Fenchel-Young form, a sum of non-negative terms, at a feasible dual point.
    ///
    /// The dual has `u` with `|u_i| <= λ e_i` on the edges and `v` with `|v_i| <= λ_s` on the values, and `w (y − x) = Dᵀu + v`
    /// at the optimum. Going back from the last edge gives the interval of each `u_i` from which the rest can be met,
    /// going forward picks a point in it; what can't be met is the residual `e`, squared in the gap. O(n).
    fn certificate(&self, x: &[T]) -> Certificate<T> {
        let n = x.len();
        let ls = self.lambda_sparse.as_f64();
        let residual = |i: usize| (self.weight(i) * (self.y[i] - x[i])).as_f64();
        // The range of v_i that x_i leaves: its subgradient.
        let values = |i: usize| {
            let v = x[i].as_f64();
            if self.weight(i) == T::zero() || ls == 0.0 {
                [0.0, 0.0]
            } else if v == 0.0 {
                [-ls, ls]
            } else {
                [ls * v.signum(); 2]
            }
        };
        // The range of u_i that the jump leaves, by sign of (x_{i+1} − x_i).
        let jump = |i: usize| (x[if i + 1 < n { i + 1 } else { 0 }] - x[i]).as_f64();
        let slopes = |i: usize| room(self.radius(i), jump(i));
        // reach[i]: where u_i must lie so that u_{i+1}, …, u_{n−1} = ends can follow; u_i = u_{i−1} + v_i − r_i.
        let ends = if self.closed { seam(n, residual, values, slopes) } else { 0.0 };
        let mut reach = vec![[ends; 2]; n];
        for i in (0..n - 1).rev() {
            let (next, v, r, [lo, hi]) = (reach[i + 1], values(i + 1), residual(i + 1), slopes(i));
            let clamp = |a: f64| a.max(lo).min(hi);
            reach[i] = [clamp(next[0] + r - v[1]), clamp(next[1] + r - v[0])];
        }
        let (mut primal, mut gap, mut before) = (0.0, 0.0, ends);
        for i in 0..n {
            let (v, r, w) = (values(i), residual(i), self.weight(i).as_f64());
            let lo = (before + v[0] - r).max(reach[i][0]);
            let hi = (before + v[1] - r).min(reach[i][1]);
            let u = if lo <= hi {
                0.5 * (lo + hi)
            } else {
                (before + v[0] - r).max(reach[i][0]).min(reach[i][1])
            };
            let chosen = (u - before + r).max(v[0]).min(v[1]);
            let e = r - chosen + u - before;
            let xi = x[i].as_f64();
            gap += if w > 0.0 { 0.5 * e * e / w } else { (e * xi).abs() };
            if w > 0.0 {
                let d = (self.y[i] - x[i]).as_f64();
                primal += 0.5 * w * d * d + ls * xi.abs();
                gap += ls * xi.abs() - chosen * xi;
            }
            if i + 1 < n || self.closed {
                let d = jump(i);
                primal += self.radius(i) * d.abs();
                gap += self.radius(i) * d.abs() - u * d;
            }
            before = u;
        }
        Certificate::new(T::of(primal), T::of(primal - gap.max(0.0)))
    }
}
