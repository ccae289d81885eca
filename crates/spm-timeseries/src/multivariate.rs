//! Several series that change together: the group fused lasso and group trend filtering.

use spm_linalg::factor::BandedCholesky;
use spm_linalg::operator::Difference;
use spm_linalg::{LinearOperator, Scalar, Workspace, check};
use spm_solvers::{Certificate, Control, Iteration, Progress, SolveError, Status, run};

use crate::lambda_max::Polynomial;
use crate::trend::{RelativeGap, check_order};
use crate::{Knot, TimeSeriesError};

/// Over-relaxation.
const RELAX: f64 = 1.6;
/// Iterations between certificates and changes of rho.
const EVERY: usize = 10;

/// Trend filtering of several channels with common knots.
///
/// $$\min_X\ \tfrac12 \|Y - X\|_F^2 + \lambda \sum_i \|(D^{(k+1)} X)_{i,:}\|_2$$
///
/// In plain text: `min_X 1/2 sum (Y - X)^2 + lambda sum_i |(D X)[i]|_2`, the norm over the channels: at a knot all channels bend, elsewhere
/// none does. Order 0 is the group fused lasso (Bleakley and Vert 2011). `Y` is complete and evenly spaced, row after row:
/// the channels of a time side by side.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `order` | required | 0 to 5 | degree k of the pieces |
/// | `lambda` | required | finite, `>= 0` | weight of the bends |
/// | `tol` | 1e-6 | finite, `>= 0` | duality gap divided by the objective of one polynomial a channel |
/// | `max_iter` | 20 000 | | iterations |
///
/// ADMM on `Z = D X` (Boyd et al. 2011) with a banded Cholesky factorisation and residual balancing, O(n (k² + p k)) an iteration for p
/// channels. The result is integrated from `Z`, so that between knots it is a polynomial exactly; its duality gap is
/// recomputed from that. For higher orders and long series integration and ADMM both lose digits: the gap says how many.
///
/// ```
/// use spm_timeseries::GroupTrend;
/// // Two channels that jump together.
/// let y: Vec<f64> = (0..20).flat_map(|i| if i < 10 { [0.0, 1.0] } else { [3.0, -1.0] }).collect();
/// let fit = GroupTrend::new(0, 0.1).fit(&y, 2)?;
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

    /// Fits `y`, row after row with `channels` values each.
    ///
    /// # Errors
    /// [`TimeSeriesError::Linalg`] for invalid data or parameters. Not reaching `tol` is a [`Status`].
    pub fn fit(&self, y: &[T], channels: usize) -> Result<FittedGroup<T>, TimeSeriesError> {
        check_order(self.order)?;
        check::non_negative("lambda", self.lambda)?;
        check::non_negative("tol", self.tol)?;
        check::non_empty("channels", channels)?;
        check::non_empty("y", y.len())?;
        check::len("y", y.len().div_ceil(channels) * channels, y.len())?;
        check::finite("y", y)?;
        let mut it = GroupAdmm::new(y, channels, self.order, self.lambda.as_f64())?;
        let mut stop = RelativeGap { tol: self.tol };
        let closed = it.p.m == 0 || self.lambda == T::zero();
        let (status, iterations) = if closed {
            (Status::Converged, 0)
        } else {
            let report = run(&mut it, Control::new(self.max_iter, &mut stop))?;
            (report.status, report.last.iter)
        };
        let (n, m) = (y.len() / channels, it.p.m);
        let mut x = vec![T::zero(); y.len()];
        for (c, column) in it.best.x.chunks_exact(n).enumerate() {
            for (i, &v) in column.iter().enumerate() {
                x[i * channels + c] = T::of(v);
            }
        }
        if closed && m > 0 {
            x.copy_from_slice(y);
            it.best.certificate = Certificate::new(0.0, 0.0);
            it.p.differences(&it.p.y, &mut it.best.z, &mut it.work);
        }
        let size = |i: usize| (0..channels).map(|c| it.best.z[c * m + i].powi(2)).sum::<f64>().sqrt();
        let middle = self.order.div_ceil(2).max(1);
        let knots = (0..m)
            .map(|row| (row, size(row)))
            .filter(|k| k.1 > 0.0)
            .map(|(row, jump)| Knot { row, index: row + middle, jump: T::of(jump) })
            .collect();
        let c = it.best.certificate;
        let certificate = Certificate::new(T::of(c.primal), T::of(c.dual));
        Ok(FittedGroup { x, knots, certificate, status, iterations })
    }
}

/// A fitted [`GroupTrend`].
#[derive(Debug, Clone, PartialEq)]
pub struct FittedGroup<T = f64> {
    x: Vec<T>,
    knots: Vec<Knot<T>>,
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

/// The problem in `f64`, channel after channel.
#[derive(Debug)]
struct Problem {
    y: Vec<f64>,
    n: usize,
    /// Rows of D.
    m: usize,
    order: usize,
    lambda: f64,
    d: Difference<f64>,
    t: Vec<f64>,
    /// Objective of one polynomial a channel.
    scale: f64,
}

impl Problem {
    fn channels(&self) -> usize {
        self.y.len() / self.n
    }

    /// `out ← D x`, channel by channel; D has a row.
    fn differences(&self, x: &[f64], out: &mut [f64], work: &mut Workspace) {
        for (x, out) in x.chunks_exact(self.n).zip(out.chunks_exact_mut(self.m)) {
            self.d.apply(x, out, work.stack());
        }
    }

    /// `out ← Dᵀ u`, channel by channel.
    fn adjoint(&self, u: &[f64], out: &mut [f64], work: &mut Workspace) {
        for (u, out) in u.chunks_exact(self.m).zip(out.chunks_exact_mut(self.n)) {
            self.d.apply_adjoint(u, out, work.stack());
        }
    }

    /// `out ←` the values nearest to `y` with `D x = z`: z integrated, plus a polynomial.
    fn integrate(&self, z: &[f64], out: &mut [f64]) {
        let ones = vec![1.0; self.n];
        let polynomial = Polynomial::new(&self.t, &ones, self.order);
        for (c, out) in out.chunks_exact_mut(self.n).enumerate() {
            out.fill(0.0);
            out[self.n - self.m..].copy_from_slice(&z[c * self.m..(c + 1) * self.m]);
            for level in (0..=self.order).rev() {
                for i in level + 1..self.n {
                    out[i] += out[i - 1];
                }
            }
            let rest: Vec<f64> = self.y[c * self.n..].iter().zip(&*out).map(|(y, v)| y - v).collect();
            for (v, p) in out.iter_mut().zip(polynomial.fit(&rest)) {
                *v += p;
            }
        }
    }

    /// Objective and bound at `x` with `D x = z`, and `|u_i| <= lambda`; `back = Dᵀ u`.
    fn certificate(&self, x: &[f64], z: &[f64], u: &[f64], back: &[f64]) -> Certificate<f64> {
        let (m, p) = (self.m, self.channels());
        let (mut primal, mut gap) = (0.0, 0.0);
        for i in 0..m {
            let (mut square, mut product) = (0.0, 0.0);
            for c in 0..p {
                square += z[c * m + i] * z[c * m + i];
                product += u[c * m + i] * z[c * m + i];
            }
            primal += self.lambda * square.sqrt();
            gap += self.lambda * square.sqrt() - product;
        }
        for ((x, y), b) in x.iter().zip(&self.y).zip(back) {
            primal += 0.5 * (y - x) * (y - x);
            gap += 0.5 * (y - x - b) * (y - x - b);
        }
        Certificate::new(primal, primal - gap)
    }
}

/// The best point so far.
#[derive(Debug)]
struct Best {
    x: Vec<f64>,
    z: Vec<f64>,
    certificate: Certificate<f64>,
}

/// ADMM on `min f(X) + g(Z)`, `Z = D X`, scaled multiplier `v`.
#[derive(Debug)]
struct GroupAdmm<T> {
    p: Problem,
    rho: f64,
    /// `DᵀD` by its lower band, and the factor of `I + rho DᵀD`.
    gram: Vec<f64>,
    band: Vec<f64>,
    factor: BandedCholesky<f64>,
    x: Vec<f64>,
    z: Vec<f64>,
    v: Vec<f64>,
    dx: Vec<f64>,
    z_before: Vec<f64>,
    back: Vec<f64>,
    candidate: Vec<f64>,
    dual: Vec<f64>,
    best: Best,
    work: Workspace,
    iter: usize,
    out: Vec<T>,
}

impl<T: Scalar> GroupAdmm<T> {
    fn new(y: &[T], channels: usize, order: usize, lambda: f64) -> Result<Self, TimeSeriesError> {
        let n = y.len() / channels;
        let d = Difference::even(n, order + 1)?;
        let (m, width) = (d.nrows(), order + 2);
        let t: Vec<f64> = (0..n).map(|i| i as f64).collect();
        let y: Vec<f64> =
            (0..channels).flat_map(|c| (0..n).map(move |i| y[i * channels + c].as_f64())).collect();
        let mut p = Problem { y, n, m, order, lambda, d, t, scale: 0.0 };
        let mut gram = vec![0.0; n * width];
        let mut row = vec![0.0; width];
        for j in 0..m {
            p.d.row_into(j, &mut row);
            for a in 0..width {
                for b in a..width {
                    gram[(j + a) * width + b - a] += row[a] * row[b];
                }
            }
        }
        // One polynomial a channel.
        let mut x = vec![0.0; p.y.len()];
        let z = vec![0.0; channels * m];
        p.integrate(&z, &mut x);
        p.scale = p.y.iter().zip(&x).map(|(y, x)| 0.5 * (y - x) * (y - x)).sum();
        let certificate = Certificate::new(p.scale, if m == 0 { p.scale } else { 0.0 });
        let best = Best { x: x.clone(), z: z.clone(), certificate };
        let mut this = Self {
            rho: if lambda > 0.0 { lambda } else { 1.0 },
            band: gram.clone(),
            gram,
            factor: BandedCholesky::new(n, order + 1),
            v: z.clone(),
            dx: z.clone(),
            z_before: z.clone(),
            dual: z.clone(),
            back: x.clone(),
            candidate: x.clone(),
            work: Workspace::new(p.d.scratch()),
            x,
            z,
            best,
            iter: 0,
            out: Vec::new(),
            p,
        };
        if m > 0 {
            this.refactor()?;
        }
        Ok(this)
    }

    fn refactor(&mut self) -> Result<(), SolveError> {
        let width = self.p.order + 2;
        for (k, (b, g)) in self.band.iter_mut().zip(&self.gram).enumerate() {
            *b = self.rho * g + if k % width == 0 { 1.0 } else { 0.0 };
        }
        Ok(self.factor.factor(&self.band)?)
    }

    fn judge(&mut self) {
        for (u, v) in self.dual.iter_mut().zip(&self.v) {
            *u = self.rho * v;
        }
        self.p.integrate(&self.z, &mut self.candidate);
        self.p.adjoint(&self.dual, &mut self.back, &mut self.work);
        let found = self.p.certificate(&self.candidate, &self.z, &self.dual, &self.back);
        if found.gap() < self.best.certificate.gap() {
            self.best.certificate = found;
            self.best.x.copy_from_slice(&self.candidate);
            self.best.z.copy_from_slice(&self.z);
        }
    }
}

impl<T: Scalar> Iteration<T> for GroupAdmm<T> {
    fn step(&mut self) -> Result<(), SolveError> {
        self.iter += 1;
        let (m, channels) = (self.p.m, self.p.channels());
        for (d, (z, v)) in self.dual.iter_mut().zip(self.z.iter().zip(&self.v)) {
            *d = self.rho * (z - v);
        }
        self.p.adjoint(&self.dual, &mut self.x, &mut self.work);
        for (x, y) in self.x.iter_mut().zip(&self.p.y) {
            *x += y;
        }
        for x in self.x.chunks_exact_mut(self.p.n) {
            self.factor.solve_in_place(x);
        }
        self.p.differences(&self.x, &mut self.dx, &mut self.work);
        self.z_before.copy_from_slice(&self.z);
        let radius = self.p.lambda / self.rho;
        for i in 0..m {
            let mut square = 0.0;
            for k in (i..channels * m).step_by(m) {
                let h = RELAX * self.dx[k] + (1.0 - RELAX) * self.z[k] + self.v[k];
                self.v[k] = h;
                square += h * h;
            }
            let norm = square.sqrt();
            let keep = if norm > radius { 1.0 - radius / norm } else { 0.0 };
            for k in (i..channels * m).step_by(m) {
                let h = self.v[k];
                self.z[k] = keep * h;
                self.v[k] = h - self.z[k];
            }
        }
        if self.iter.is_multiple_of(EVERY) {
            self.judge();
            let primal = self.dx.iter().zip(&self.z).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
            for (d, (a, b)) in self.dual.iter_mut().zip(self.z.iter().zip(&self.z_before)) {
                *d = self.rho * (a - b);
            }
            self.p.adjoint(&self.dual, &mut self.back, &mut self.work);
            let dual = self.back.iter().map(|v| v * v).sum::<f64>().sqrt();
            // Relative to their sizes, and ever more rarely, so that rho settles.
            let size = self.dx.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-300);
            for (d, v) in self.dual.iter_mut().zip(&self.v) {
                *d = self.rho * v;
            }
            self.p.adjoint(&self.dual, &mut self.back, &mut self.work);
            let force = self.back.iter().map(|v| v * v).sum::<f64>().sqrt().max(1e-300);
            let balance = ((primal / size) / (dual / force).max(1e-300)).sqrt();
            if (self.iter / EVERY).is_power_of_two() && !(0.5..=2.0).contains(&balance) && balance.is_finite()
            {
                let factor = balance.clamp(0.1, 10.0);
                self.rho *= factor;
                self.v.iter_mut().for_each(|v| *v /= factor);
                self.refactor()?;
            }
        }
        Ok(())
    }

    fn progress(&self) -> Progress<T> {
        let c = self.best.certificate;
        Progress::new(self.iter, T::of(c.relative_gap(self.p.scale)))
            .objective(T::of(c.primal))
            .gap(T::of(c.gap()))
    }

    fn iterate(&self) -> &[T] {
        &self.out
    }
}
