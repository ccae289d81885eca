//! SLOPE: the sorted L1 penalty.

use spm_linalg::penalty::Slope as SortedL1;
use spm_linalg::{LinearOperator, Prox, Scalar, Workspace, check};
use spm_solvers::kkt::DualityGap;
use spm_solvers::loss::{LossOf, Quadratic};
use spm_solvers::stop::Gap;
use spm_solvers::{Certified, Certify, Composite, Fista, FistaOptions, Iteration, Status, run};

use super::prepared::Prepared;
use super::{FitControl, FittedLinear, default_tol, fits, setters};
use crate::{ModelError, Xy};

/// SLOPE: least squares with the sorted L1 norm, which selects and clusters correlated features.
///
/// Minimises
/// $$\frac{1}{2n} \sum_i s_i (y_i - b - x_i^\top w)^2 + \alpha \sum_j \lambda_j |w|_{(j)}$$
/// in plain text `1/(2n) * sum_i s_i (y_i - b - x_i w)^2 + alpha * sum_j lambda_j |w|_(j)`, where `|w|_(1) >= |w|_(2) >= …` are the sizes in
/// decreasing order, over `w` (length p) and the intercept `b`. Sample weights `s` are normalised to sum n. Equal `lambda` are the Lasso.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `alpha` | – | finite, `>= 0` | regularisation strength |
/// | `lambda` | – | length p, non-increasing, `>= 0`, the first `> 0` | the weights of the sizes; [`benjamini_hochberg`](Self::benjamini_hochberg) |
/// | `fit_intercept` | true | | |
/// | `standardize` | false | | penalise the coefficients of columns scaled to unit (weighted, population) deviation |
/// | `tol` | 1e-6 (1.2e-4 in `f32`) | `> 0` | duality gap relative to the objective at zero |
/// | `max_iter` | 100 000 | | iterations |
///
/// Accelerated proximal gradients with restarts; the dual point is the residual divided by the polar of the sorted norm.
/// O(stored entries of `X` + p log p) an iteration.
///
/// Source: Bogdan, van den Berg, Sabatti, Su and Candès 2015, *SLOPE — adaptive variable selection via convex optimization*.
///
/// ```
/// use spm_models::{Design, Fit, Slope, Xy};
/// let x = [-1.0_f64, 0.0, 1.0, -1.0, 0.1, 0.9];
/// let data = Xy::new(Design::dense(&x, 3, 2)?, &[-2.0, 0.0, 2.0]);
/// let fitted = Slope::new(0.1, vec![2.0, 1.0]).tol(1e-10).fit(data)?.require_converged()?;
/// // Two nearly equal features form a cluster of one size.
/// assert!((fitted.coef[0] - fitted.coef[1]).abs() < 1e-6 && fitted.coef[0] > 0.5);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Slope<T = f64> {
    /// Regularisation strength.
    pub alpha: T,
    /// The weights of the sizes in decreasing order, length p.
    pub lambda: Vec<T>,
    /// Fit an intercept (unpenalised).
    pub fit_intercept: bool,
    /// Divide each column by its standard deviation before penalising.
    pub standardize: bool,
    /// Stop when the duality gap is at most `tol` times the objective at zero.
    pub tol: T,
    /// At most this many iterations.
    pub max_iter: usize,
}

/// Iterations between evaluations of the gap.
const STRIDE: usize = 10;

impl<T: Scalar> Slope<T> {
    /// SLOPE of strength `alpha` with the weights `lambda` and the default options.
    #[must_use]
    pub fn new(alpha: T, lambda: Vec<T>) -> Self {
        Self { alpha, lambda, fit_intercept: true, standardize: false, tol: default_tol(), max_iter: 100_000 }
    }

    /// The weights that control the false discovery rate `q` for orthogonal designs, up to the noise level: the normal quantiles
    /// `Φ⁻¹(1 − j q / (2 p))`, `j = 1 … p`, divided by the first.
    ///
    /// # Errors
    /// [`ModelError::Linalg`] unless `0 < q < 1` and `p > 0`.
    pub fn benjamini_hochberg(q: T, p: usize) -> Result<Vec<T>, ModelError> {
        check::non_empty("p", p)?;
        check::positive("q", q)?;
        check::positive("1 - q", T::one() - q)?;
        let quantile = |j: usize| upper_quantile(j as f64 * q.as_f64() / (2.0 * p as f64));
        let first = quantile(1);
        Ok((1..=p).map(|j| T::of(quantile(j) / first)).collect())
    }

    setters!(fit_intercept, standardize, tol, max_iter);

    fn prepare<'x>(&self, data: Xy<'x, T>) -> Result<Prepared<'x, T>, ModelError> {
        check::non_negative("alpha", self.alpha)?;
        check::positive("tol", self.tol)?;
        data.validate()?;
        check::len("lambda", data.x.ncols(), self.lambda.len())?;
        Prepared::new(data.x, data.sample_weight, self.fit_intercept, self.standardize)
    }

    fn norm(&self, alpha: T) -> Result<SortedL1<T>, ModelError> {
        Ok(SortedL1::new(self.lambda.iter().map(|&l| alpha * l).collect())?)
    }

    /// The smallest `alpha` for which every coefficient is 0: the polar of the sorted norm at `Xᵀy/n`.
    ///
    /// # Errors
    /// As [`fit_with`](Self::fit_with).
    pub fn alpha_max(&self, data: Xy<'_, T>) -> Result<T, ModelError> {
        let prepared = self.prepare(data)?;
        let (y, _) = prepared.response(data.y);
        let norm = self.norm(T::one())?;
        let p = prepared.columns();
        let mut u = vec![T::zero(); p];
        prepared.view.apply_adjoint(&y, &mut u, Workspace::new(prepared.view.scratch()).stack());
        let c = prepared.curvature();
        u.iter_mut().for_each(|v| *v *= c);
        let polar = norm.polar(&u, Workspace::new(norm.scratch(p)).stack()).unwrap_or_else(T::infinity);
        Ok(polar * (T::one() + T::of_usize(p + 8) * T::epsilon()))
    }

    /// Fits under limits and before an onlooker.
    ///
    /// # Errors
    /// [`ModelError::Linalg`] for options outside their range, lengths that disagree, empty data, and values that are NaN or
    /// infinite. Not converging is a status of the result, not an error.
    pub fn fit_with(&self, data: Xy<'_, T>, ctl: FitControl<'_, T>) -> Result<FittedLinear<T>, ModelError> {
        let prepared = self.prepare(data)?;
        let (y, mean) = prepared.response(data.y);
        let objective_at_zero = prepared.objective_at_zero(&y);
        let bound = self.tol * objective_at_zero;
        let norm = self.norm(self.alpha)?;
        let quadratic = Quadratic::new(&y)?.scale(prepared.curvature())?;
        let f = LossOf::new(quadratic, &prepared.view)?.estimate_norm()?;
        let start = vec![T::zero(); prepared.columns()];
        let fista = Fista::new(Composite::new(&f, &norm)?, &start, &FistaOptions::default())?;
        let mut judge = DualityGap::new(&quadratic, &prepared.view, &norm);
        let mut stop = Gap { tol: bound };
        let mut solver = Certified::new(fista, &mut judge, STRIDE);
        let mut report = run(&mut solver, ctl.control(self.max_iter, &mut stop))?;
        let mut coef = solver.iterate().to_vec();
        let mut certificate = judge.certify(&coef);
        if let Some(gap) = report.last.gap {
            // The best bound seen on the way is as valid as that of the last point.
            certificate.dual = certificate.dual.max(certificate.primal - gap);
        }
        if certificate.gap() <= bound {
            report.status = Status::Converged;
        }
        let intercept = prepared.to_data_units(&mut coef, mean);
        Ok(FittedLinear { coef, intercept, alpha: self.alpha, objective_at_zero, certificate, report })
    }
}

fits!(Slope, Xy => FittedLinear);

/// `Φ⁻¹(1 − tail)` for a tail in `(0, 1/2]`, to 5e-4.
fn upper_quantile(tail: f64) -> f64 {
    // Abramowitz and Stegun 1964, 26.2.23.
    let t = (-2.0 * tail.ln()).sqrt();
    let numerator = 2.515_517 + t * (0.802_853 + t * 0.010_328);
    let denominator = 1.0 + t * (1.432_788 + t * (0.189_269 + t * 0.001_308));
    (t - numerator / denominator).max(0.0)
}
