//! The generalized Lasso on a design matrix.

use spm_linalg::penalty::L1;
use spm_linalg::{Dense, LinearOperator, Scalar, Workspace, check};
use spm_solvers::admm::{Admm, AdmmOptions, CholeskyUpdate};
use spm_solvers::stop::Residual;
use spm_solvers::{Certificate, Iteration, Report, Status, run};

use super::generalized_dual::GeneralizedDual;
use super::prepared::Prepared;
use super::structure::Structure;
use super::{FitControl, certified, default_tol, predicts, setters};
use crate::{Fit, ModelError, Xy};

/// The generalized Lasso: `D w` is sparse.
///
/// Minimises
/// $$\frac{1}{2n} \sum_i s_i (y_i - b - x_i^\top w)^2 + \alpha \lVert D w \rVert_1$$
/// in plain text `1/(2n) * sum_i s_i (y_i - b - x_i w)^2 + alpha * ||D w||_1`, over `w` (length p) and the intercept `b`, with any
/// `D`: [`Structure`]. Sample weights `s` are normalised to sum n.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `alpha` | – | finite, `>= 0` | regularisation strength |
/// | `structure` | – | | `D` |
/// | `fit_intercept` | true | | |
/// | `tol` | 1e-6 (1.2e-4 in `f32`) | `> 0` | duality gap relative to the objective at zero |
/// | `max_iter` | 100 000 | | iterations of ADMM |
/// | `over_relaxation` | 1.6 | 1 to 1.8 | of ADMM |
/// | `rho` | mean curvature | `> 0` | start of the penalty of ADMM, which adapts itself |
///
/// ADMM with one cached factorisation for each value of its penalty finds the pattern of `D w`; the minimiser on the pattern is
/// then computed exactly, and the certificate from an exactly scaled dual point, also where `X` has collinear columns or
/// more columns than rows. [`FittedGeneralized::structure`] holds `D w` with its exact zeros; coefficients that the fused Lasso
/// merges or zeroes are equal or zero to the last bit.
///
/// `X` and `D` are held densely: O(n p² + p³ + m p²) to start, O(p² + m p) an iteration, memory O(n p + m p + p²).
///
/// Sources: Tibshirani and Taylor 2011, *The solution path of the generalized lasso*; Boyd et al. 2011, section 6.4.1; the
/// objectives with `sparse` and `trend` factors are those of the Python package spm-image.
///
/// ```
/// use spm_models::{Design, Fit, GeneralizedLasso, Structure, Xy};
/// // An identity design: the signal 0 0 4 4 4 is smoothed to two levels.
/// let mut x = [0.0; 25];
/// (0..5).for_each(|i| x[6 * i] = 1.0);
/// let y = [0.0, 0.1, 4.1, 3.9, 4.0];
/// let model = GeneralizedLasso::new(0.1, Structure::fused(0.0, 1.0)).fit_intercept(false).tol(1e-9);
/// let fitted = model.fit(Xy::new(Design::dense(&x, 5, 5)?, &y))?.require_converged()?;
/// assert_eq!(fitted.coef[0], fitted.coef[1]);
/// assert_eq!(fitted.coef[3], fitted.coef[4]);
/// assert!((fitted.coef[0] - 0.3_f64).abs() < 1e-6); // the mean 0.05, moved by n alpha / 2
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct GeneralizedLasso<T = f64> {
    /// Regularisation strength.
    pub alpha: T,
    /// What is to be sparse.
    pub structure: Structure<T>,
    /// Fit an intercept (unpenalised).
    pub fit_intercept: bool,
    /// Stop when the duality gap is at most `tol` times the objective at zero.
    pub tol: T,
    /// At most this many iterations of ADMM.
    pub max_iter: usize,
    /// Over-relaxation of ADMM.
    pub over_relaxation: T,
    /// Start of the penalty of ADMM.
    pub rho: Option<T>,
}

/// Iterations before the first certificate; each later stretch is half as long again.
const FIRST: usize = 40;
/// How many times the iterations to a point within the tolerance one with exact zeros is waited for.
const PATIENCE: usize = 4;

/// Patterns tried from one point of ADMM.
const ROUNDS: usize = 8;

/// A point: its objective, `w` and `D w`.
type Point<T> = (T, Vec<T>, Vec<T>);

/// The best points so far, those of ADMM and those that are exact on their pattern, and the best lower bound.
#[derive(Debug)]
struct Best<T> {
    rough: Option<Point<T>>,
    exact: Option<Point<T>>,
    dual: T,
}

impl<T: Scalar> Best<T> {
    fn keep(&mut self, certificate: Certificate<T>, w: &[T], dw: &[T], exact: bool) {
        self.dual = self.dual.max(certificate.dual);
        let place = if exact { &mut self.exact } else { &mut self.rough };
        if place.as_ref().is_none_or(|p| certificate.primal < p.0) {
            *place = Some((certificate.primal, w.to_vec(), dw.to_vec()));
        }
    }

    fn gap(&self, point: &Option<Point<T>>) -> T {
        point.as_ref().map_or(T::infinity(), |p| Certificate::new(p.0, self.dual).gap())
    }

    /// The exact point if it is within the bound or better, else the other.
    fn into_result(self, bound: T) -> Option<(Certificate<T>, Vec<T>, Vec<T>)> {
        let exact = self.gap(&self.exact);
        let point = if exact <= bound || exact <= self.gap(&self.rough) { self.exact } else { self.rough };
        point.map(|(primal, w, dw)| (Certificate::new(primal, self.dual), w, dw))
    }
}

impl<T: Scalar> GeneralizedLasso<T> {
    /// The model of strength `alpha` with the default options.
    #[must_use]
    pub fn new(alpha: T, structure: Structure<T>) -> Self {
        Self {
            alpha,
            structure,
            fit_intercept: true,
            tol: default_tol(),
            max_iter: 100_000,
            over_relaxation: T::of(1.6),
            rho: None,
        }
    }

    setters!(fit_intercept, tol, max_iter);

    /// Sets the over-relaxation of ADMM, 1 to 1.8.
    #[must_use]
    pub fn over_relaxation(mut self, a: T) -> Self {
        self.over_relaxation = a;
        self
    }

    /// Sets the start of the penalty of ADMM.
    #[must_use]
    pub fn rho(mut self, rho: T) -> Self {
        self.rho = Some(rho);
        self
    }

    /// Fits under limits and before an onlooker, from the coefficients of a neighbouring fit if there are any (`start`: p).
    ///
    /// # Errors
    /// [`ModelError::Linalg`] for options outside their range, lengths that disagree, empty data, and values that are NaN or
    /// infinite; `NotPositiveDefinite` if some direction is free in both `X` and `D`, so that the solution is not unique.
    pub fn fit_with(
        &self,
        data: Xy<'_, T>,
        start: Option<&[T]>,
        mut ctl: FitControl<'_, T>,
    ) -> Result<FittedGeneralized<T>, ModelError> {
        check::non_negative("alpha", self.alpha)?;
        check::positive("tol", self.tol)?;
        data.validate()?;
        let prepared = Prepared::new(data.x, data.sample_weight, self.fit_intercept, false)?;
        let (n, p) = (prepared.rows(), prepared.columns());
        let (y, mean) = prepared.response(data.y);
        let c = prepared.curvature();
        let columns = prepared.written_out();
        let x = Dense::from_column_major(&columns, n, p)?;
        let (rows, m) = self.structure.matrix(p)?;
        let d = Dense::from_column_major(&rows, m, p)?;
        let mut dual =
            GeneralizedDual::new(x, &y, c, self.alpha, d, &rows, &self.structure.null_space(&rows, m, p)?)?;

        let g = L1::new(self.alpha)?;
        let mut options = AdmmOptions::default().over_relaxation(self.over_relaxation);
        options.rho = self.rho;
        let update = CholeskyUpdate::new(x, &y, c, Some(&d))?;
        let mut admm = Admm::new(Box::new(update), &g, Some(&d), &options)?;
        if let Some(start) = start {
            admm.start_from(start, &vec![T::zero(); m])?;
        }
        let objective_at_zero = prepared.objective_at_zero(&y);
        let bound = self.tol * objective_at_zero;
        let mut best = Best { rough: None, exact: None, dual: T::neg_infinity() };
        let (mut good_since, mut seen) = (None, false);
        let (mut done, mut stretch) = (0, FIRST);
        let mut elapsed = core::time::Duration::ZERO;
        let mut u = vec![T::zero(); m];
        let report = loop {
            // Residuals this small are rounding: nothing more will come.
            let mut stop = Residual { tol: T::of(4.0) * T::epsilon() };
            let longest = stretch.min(self.max_iter - done).max(1);
            let mut report = run(&mut admm, ctl.rest(elapsed).control(longest, &mut stop))?;
            done = admm.progress().iter.max(done);
            elapsed += report.elapsed;
            report.elapsed = elapsed;
            let settled = self.consider(admm.x(), admm.z(), &admm, &mut u, &mut dual, &rows, d, &mut best)?;
            let within = best.gap(&best.exact) <= bound;
            // Where the optimality conditions ask for another pattern, one stretch more may find it.
            let exact = within && (settled || core::mem::replace(&mut seen, true));
            if within || best.gap(&best.rough) <= bound {
                good_since.get_or_insert(done);
            }
            // Within the tolerance, but without exact zeros: worth as long again.
            let patience = good_since.is_some_and(|since| done >= PATIENCE * since);
            let exhausted = report.status == Status::Converged || done >= self.max_iter;
            if exact || (good_since.is_some() && (patience || exhausted)) {
                report.status = Status::Converged;
                break report;
            }
            if exhausted {
                report.status = Status::MaxIterations;
                break report;
            }
            if matches!(report.status, Status::TimeLimit | Status::Interrupted) {
                break report;
            }
            stretch += stretch / 2;
        };
        let Some((certificate, mut coef, structure)) = best.into_result(bound) else {
            return Err(ModelError::Unsupported { solver: "ADMM", what: "no iterations" });
        };
        let intercept = prepared.to_data_units(&mut coef, mean);
        Ok(FittedGeneralized {
            coef,
            intercept,
            structure,
            alpha: self.alpha,
            objective_at_zero,
            certificate,
            report,
        })
    }

    /// Certifies the present point and the exact ones on its pattern and on those that the optimality conditions name next; keeps the best.
    /// Returns whether these conditions agreed with the last pattern.
    fn consider(
        &self,
        x: &[T],
        z: &[T],
        admm: &Admm<'_, T>,
        u: &mut [T],
        dual: &mut GeneralizedDual<'_, T>,
        rows: &[T],
        d: Dense<'_, T>,
        best: &mut Best<T>,
    ) -> Result<bool, ModelError> {
        let mut ws = Workspace::new(d.scratch());
        let mut image = vec![T::zero(); z.len()];
        d.apply(x, &mut image, ws.stack());
        admm.dual_into(u);
        let certificate = dual.certificate(x, &image, u);
        best.keep(certificate, x, &image, false);
        let mut pattern = z.to_vec();
        for _ in 0..ROUNDS {
            let Some(mut w) = dual.on_pattern(rows, &pattern)? else { return Ok(false) };
            self.structure.snap(&pattern, &mut w);
            d.apply(&w, &mut image, ws.stack());
            admm.dual_into(u);
            for ((u, v), &z) in u.iter_mut().zip(&mut image).zip(&pattern) {
                if z == T::zero() {
                    // Zero by construction; what is left is the rounding of D w.
                    *v = T::zero();
                } else {
                    *u = self.alpha * z.signum();
                }
            }
            let certificate = dual.certificate(&w, &image, u);
            best.keep(certificate, &w, &image, true);
            // Rows of the wrong sign are held at zero; held ones that pull too much are let go.
            let slack = self.alpha * T::of(1.0 + 1e-9);
            let mut changed = false;
            for ((z, &v), &u) in pattern.iter_mut().zip(&image).zip(&*u) {
                let next = if *z != T::zero() {
                    if v * *z > T::zero() { *z } else { T::zero() }
                } else if u.abs() > slack {
                    u.signum()
                } else {
                    T::zero()
                };
                changed |= next != *z;
                *z = next;
            }
            if !changed {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl<T: Scalar> Fit<Xy<'_, T>> for GeneralizedLasso<T> {
    type Fitted = FittedGeneralized<T>;
    type Error = ModelError;

    fn fit(&self, data: Xy<'_, T>) -> Result<FittedGeneralized<T>, ModelError> {
        self.fit_with(data, None, FitControl::default())
    }
}

/// A fitted generalized Lasso, with proof of how well it was solved.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[must_use = "a fit says whether it converged: see `status` or `require_converged`"]
pub struct FittedGeneralized<T> {
    /// Coefficients, length p.
    pub coef: Vec<T>,
    /// Intercept; 0 if none was fitted.
    pub intercept: T,
    /// `D w`, length m, with exact zeros.
    pub structure: Vec<T>,
    /// The regularisation strength it was fitted with.
    pub alpha: T,
    /// The objective with all coefficients 0 (and the best intercept): the scale of the tolerance.
    pub objective_at_zero: T,
    /// The objective reached and a lower bound of the optimal one.
    pub certificate: Certificate<T>,
    /// How the solver ended.
    pub report: Report<T>,
}

certified!(FittedGeneralized);
predicts!(FittedGeneralized, fit => fit.alpha);
