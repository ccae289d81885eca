//! The fused lasso on a line: piecewise constant signals.

use std::ops::Range;

use spm_linalg::penalty::{tv1d_halves_into, tv1d_into, tv1d_scratch};
use spm_linalg::{Scalar, Workspace, check};
use spm_solvers::{Certificate, Status};

use crate::certify::certify;
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
/// | `edge_weights` | 1 | finite, `>= 0`, length n − 1 | factor of each jump, 0 cuts there |
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
}

impl<T: Scalar> FusedLasso<T> {
    /// Total variation with weight `lambda`.
    #[must_use]
    pub fn new(lambda: T) -> Self {
        Self { lambda, lambda_sparse: T::zero(), edge_weights: None }
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
        let n = y.len();
        let edges = self.edge_weights.as_deref();
        if let Some(e) = edges {
            check::len("edge_weights", n - 1, e.len())?;
        }
        let (zero, ls) = (T::zero(), self.lambda_sparse);
        let solve = |y: &[T], x: &mut [T]| {
            if n < HALVES {
                tv1d_into(y, w, self.lambda, edges, x, Workspace::new(tv1d_scratch::<T>(n)).stack());
            } else {
                tv1d_halves_into(y, w, self.lambda, edges, x, |a, b| {
                    join(n, a, b);
                });
            }
        };
        let mut x = vec![zero; n];
        solve(y, &mut x);
        let lambda_max = fused_lambda_max_checked(y, w, edges);
        if self.lambda > zero && self.lambda >= lambda_max {
            // At the threshold itself rounding could leave jumps of a few units in the last place.
            flatten(y, w, edges, &mut x);
        }
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
            Problem { y, w, lambda: self.lambda, lambda_sparse: ls, edges }.certificate(&x)
        } else {
            certify(y, w, self.lambda, edges, &x)
        };
        Ok(FittedFused { x, lambda: self.lambda, lambda_max, certificate })
    }
}

/// A fitted [`FusedLasso`].
#[derive(Debug, Clone, PartialEq)]
pub struct FittedFused<T = f64> {
    x: Vec<T>,
    lambda: T,
    lambda_max: T,
    certificate: Certificate<T>,
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
    #[must_use]
    pub fn segments(&self) -> Vec<Segment<T>> {
        let mut out: Vec<Segment<T>> = Vec::new();
        for (i, &value) in self.x.iter().enumerate() {
            match out.last_mut() {
                Some(s) if s.value == value => s.range.end = i + 1,
                _ => out.push(Segment { range: i..i + 1, value }),
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
    /// The indices.
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
        let slopes = |i: usize| {
            let (r, d) = (self.radius(i), (x[i + 1] - x[i]).as_f64());
            if d == 0.0 { [-r, r] } else { [r * d.signum(); 2] }
        };
        // reach[i]: where u_i must lie so that u_{i+1}, …, u_{n−1} = 0 can follow; u_i = u_{i−1} + v_i − r_i.
        let mut reach = vec![[0.0_f64; 2]; n];
        for i in (0..n - 1).rev() {
            let (next, v, r, room) = (reach[i + 1], values(i + 1), residual(i + 1), slopes(i));
            let clamp = |a: f64| a.max(room[0]).min(room[1]);
            reach[i] = [clamp(next[0] + r - v[1]), clamp(next[1] + r - v[0])];
        }
        let (mut primal, mut gap, mut before) = (0.0, 0.0, 0.0);
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
            if i + 1 < n {
                let d = (x[i + 1] - x[i]).as_f64();
                primal += self.radius(i) * d.abs();
                gap += self.radius(i) * d.abs() - u * d;
            }
            before = u;
        }
        Certificate::new(T::of(primal), T::of(primal - gap.max(0.0)))
    }
}
