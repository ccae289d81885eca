//! Logistic, Huber and Poisson regression with an elastic-net penalty.

use spm_linalg::{DesignMatrix, LinearOperator, Scalar, check, vecops};
use spm_solvers::kkt::duality_gap_at;
use spm_solvers::loss::{Huber, Logistic, Loss, Poisson};
use spm_solvers::stop::{Any, Gap, Residual};
use spm_solvers::{Certificate, Iteration, Progress, Report, SolveError, Status, run};

use super::penalty::FeaturePenalty;
use super::unit_columns::UnitColumns;
use super::{ElasticNet, FitControl, certified, default_tol, fits, prepared, setters};
use crate::{Design, Fit, ModelError, Predict, Xy};

/// What the response is.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Family<T> {
    /// 0 or 1, or a share in `[0, 1]`: loss `log(1 + exp p) − y p`.
    Logistic,
    /// Real with outliers: loss `r²/2` for `|r| <= delta`, `delta (|r| − delta/2)` beyond, with `r = y − p`.
    Huber {
        /// Where the loss turns linear, in units of `y`.
        delta: T,
    },
    /// Counts `>= 0`: loss `exp p − y p`.
    Poisson,
}

impl<T: Scalar> Family<T> {
    /// The expected response at the linear predictor `p`: a probability, a value, a rate.
    #[must_use]
    pub fn mean(self, p: T) -> T {
        match self {
            Self::Logistic => (T::one() + (-p).exp()).recip(),
            Self::Huber { .. } => p,
            Self::Poisson => p.exp(),
        }
    }
}

/// Sparse logistic, Huber or Poisson regression.
///
/// Minimises
/// $$\frac{1}{n} \sum_i s_i\, \ell(y_i, b + x_i^\top w) + \alpha \sum_j v_j \bigl(\rho |w_j| + \tfrac{1 - \rho}{2} w_j^2\bigr)$$
/// in plain text `1/n * sum_i s_i loss(y_i, b + x_i w) + alpha * sum_j v_j (r |w_j| + (1 - r)/2 w_j^2)` with `r = l1_ratio`, over `w`
/// (length p) and the intercept `b`, with the loss of the [`Family`]. Sample weights `s` are normalised to sum n.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `family` | – | | the loss |
/// | `alpha` | – | finite, `> 0` | regularisation strength; from [`alpha_max`](Self::alpha_max) on, every penalised coefficient is 0 |
/// | `l1_ratio` | 1 | `[0, 1]` | share of the L1 penalty: 0 is ridge regression |
/// | `fit_intercept` | true | | |
/// | `positive` | false | | only coefficients `>= 0` |
/// | `penalty_weights` | none | `> 0`, length p | `v`, factor of the penalty of each feature |
/// | `bounds` | none | lower `<= 0 <=` upper, length p, infinite allowed | bounds of each coefficient, in the units of the data |
/// | `standardize` | false | | penalise the coefficients of columns scaled to unit (weighted) deviation, which takes a copy of `X` |
/// | `tol` | 1e-6 (1.2e-4 in `f32`) | `> 0` | duality gap relative to what the loss at `w = 0` is above its least value |
/// | `max_iter` | 200 | | reweighted least-squares problems |
///
/// Proximal Newton: each iteration fits an [`ElasticNet`] to the working response with the working weights and goes towards it
/// as far as the objective decreases. The gap is evaluated at a dual point made exactly feasible: the gradient of the loss,
/// shrunk on the heavier side until it sums to 0 (the intercept), and then as a whole until the penalty holds it.
///
/// Sources: Friedman, Hastie and Tibshirani 2010, *Regularization paths for generalized linear models via coordinate descent*,
/// section 3; Lee, Sun and Saunders 2014, *Proximal Newton-type methods*; Huber 1981, section 7.8 (reweighting).
///
/// ```
/// use spm_models::{Design, Family, Fit, SparseGlm, Xy};
/// let x = [-2.0_f64, -1.0, 0.5, -0.5, 1.0, 2.0, 1.0, -1.0, 1.0, -1.0, 1.0, -1.0];
/// let y = [0.0, 0.0, 0.0, 1.0, 1.0, 1.0];
/// let data = Xy::new(Design::dense(&x, 6, 2)?, &y);
/// let fitted = SparseGlm::new(Family::Logistic, 0.1).fit(data)?.require_converged()?;
/// assert!(fitted.coef[0] > 0.0 && fitted.gap() <= 1e-6 * fitted.objective_at_zero);
/// assert!(fitted.predict_mean(data.x)?.iter().all(|p| (0.0..=1.0).contains(p)));
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SparseGlm<T = f64> {
    /// The loss.
    pub family: Family<T>,
    /// Regularisation strength.
    pub alpha: T,
    /// The share of the L1 penalty, in `[0, 1]`.
    pub l1_ratio: T,
    /// Fit an intercept (unpenalised).
    pub fit_intercept: bool,
    /// Allow only coefficients `>= 0`.
    pub positive: bool,
    /// A factor of the penalty for each feature, length p, `> 0`.
    pub penalty_weights: Option<Vec<T>>,
    /// The least (`<= 0`) and the largest (`>= 0`) value of each coefficient in the units of the data, length p; both may be
    /// infinite. `positive` raises all lower ones to 0.
    pub bounds: Option<Vec<(T, T)>>,
    /// Divide each column by its standard deviation before penalising; coefficients are returned in the units of the data, the
    /// objective is that of the scaled problem.
    pub standardize: bool,
    /// Duality gap at which to stop, relative.
    pub tol: T,
    /// At most this many reweighted problems.
    pub max_iter: usize,
}

/// Halvings of a step before it is given up.
const HALVINGS: i32 = 30;
/// Whole steps that are taken although the objective does not tell whether they help.
const FLAT: usize = 10;

impl<T: Scalar> SparseGlm<T> {
    /// The model of strength `alpha` with the default options.
    #[must_use]
    pub fn new(family: Family<T>, alpha: T) -> Self {
        Self {
            family,
            alpha,
            l1_ratio: T::one(),
            fit_intercept: true,
            positive: false,
            penalty_weights: None,
            bounds: None,
            standardize: false,
            tol: default_tol(),
            max_iter: 200,
        }
    }

    setters!(l1_ratio, fit_intercept, positive, penalty_weights, bounds, standardize, tol, max_iter);

    /// The smallest `alpha` for which every coefficient is 0, with the other options as they are; above 0 even where nothing
    /// can be explained.
    ///
    /// # Errors
    /// As [`fit`](Fit::fit), and for an `l1_ratio` of 0.
    pub fn alpha_max(&self, data: Xy<'_, T>) -> Result<T, ModelError> {
        let weights = self.check(data)?;
        check::positive("l1_ratio", self.l1_ratio)?;
        if self.standardize {
            let columns = UnitColumns::new(self, data)?;
            return columns.model(self).alpha_max(columns.data(data)?);
        }
        let loss = self.loss(data.y, &weights)?;
        let (bounds, mut state) = (self.allowed(), State::new(&*loss, data.x, self.fit_intercept));
        let penalty = self.penalty(bounds.as_deref())?;
        state.fit_intercept_alone(self, &weights);
        let mut corr = vec![T::zero(); data.x.ncols()];
        data.x.apply_adjoint(&state.slope, &mut corr, spm_linalg::Workspace::new(data.x.scratch()).stack());
        let mut alpha = T::zero();
        for (j, &u) in corr.iter().enumerate() {
            let v = self.penalty_weights.as_ref().map_or(T::one(), |v| v[j]);
            alpha = alpha.max(penalty.pull(j, -u) / (v * self.l1_ratio));
        }
        Ok((alpha * (T::one() + T::of(16.0) * T::epsilon())).max(T::min_positive_value()))
    }

    /// Fits under limits and before an onlooker.
    ///
    /// # Errors
    /// [`ModelError::Linalg`] for options or responses outside their range, lengths that disagree, empty data, and values that are
    /// NaN or infinite. Not converging is a status of the result.
    pub fn fit_with(&self, data: Xy<'_, T>, ctl: FitControl<'_, T>) -> Result<FittedGlm<T>, ModelError> {
        let weights = self.check(data)?;
        if self.standardize {
            let columns = UnitColumns::new(self, data)?;
            let mut fitted = columns.model(self).fit_with(columns.data(data)?, ctl)?;
            columns.undo(self, &mut fitted.coef);
            return Ok(fitted);
        }
        let loss = self.loss(data.y, &weights)?;
        let bounds = self.allowed();
        let mut state = State::new(&*loss, data.x, self.fit_intercept);
        state.fit_intercept_alone(self, &weights);
        let objective_at_zero = state.value;
        let scale = objective_at_zero - self.saturated(data.y, &weights);
        let tol = self.tol * scale.max(T::epsilon() * objective_at_zero.abs());
        let mut newton = ProximalNewton {
            glm: self,
            y: data.y,
            weights: &weights,
            penalty: self.penalty(bounds.as_deref())?,
            state,
            scale,
            certificate: Certificate::new(objective_at_zero, T::neg_infinity()),
            iter: 0,
            share: T::one(),
            flat: 0,
        };
        newton.certificate = newton.certify();
        let mut stop = Any(Gap { tol }, Residual { tol: T::zero() });
        let mut report = run(&mut newton, ctl.control(self.max_iter, &mut stop))?;
        let ProximalNewton { state, certificate, .. } = newton;
        if report.status == Status::Converged && certificate.gap() > tol {
            // No step was better.
            report.status = Status::MaxIterations;
        }
        Ok(FittedGlm {
            family: self.family,
            explained: if scale > T::zero() { (objective_at_zero - state.value) / scale } else { T::zero() },
            coef: state.coef,
            intercept: state.intercept,
            alpha: self.alpha,
            objective_at_zero,
            certificate,
            report,
        })
    }

    fn check(&self, data: Xy<'_, T>) -> Result<Vec<T>, ModelError> {
        check::positive("alpha", self.alpha)?;
        check::non_negative("l1_ratio", self.l1_ratio)?;
        check::non_negative("1 - l1_ratio", T::one() - self.l1_ratio)?;
        check::positive("tol", self.tol)?;
        data.validate()?;
        data.x.check_finite("X")?;
        self.least_squares().spec().validate_for(data.x.ncols())?;
        for &v in self.penalty_weights.iter().flatten() {
            check::positive("penalty_weights", v)?;
        }
        let n = data.y.len();
        data.sample_weight.map_or_else(|| Ok(vec![T::one(); n]), |w| prepared::normalised(w, n))
    }

    /// The mean loss.
    fn loss<'a>(&self, y: &'a [T], weights: &'a [T]) -> Result<Box<dyn Loss<T> + 'a>, ModelError> {
        Ok(match self.family {
            Family::Logistic => Box::new(Logistic::new(y)?.weights(weights)?.mean()),
            Family::Huber { delta } => Box::new(Huber::new(y, delta)?.weights(weights)?.mean()),
            Family::Poisson => Box::new(Poisson::new(y)?.weights(weights)?.mean()),
        })
    }

    /// The least loss any predictions can have.
    fn saturated(&self, y: &[T], weights: &[T]) -> T {
        let entropy = |v: T| if v > T::zero() { -v * v.ln() } else { T::zero() };
        let one = |y: T| match self.family {
            Family::Logistic => entropy(y) + entropy(T::one() - y),
            Family::Huber { .. } => T::zero(),
            Family::Poisson => y + entropy(y),
        };
        y.iter().zip(weights).map(|(&y, &w)| w * one(y)).sum::<T>() / T::of_usize(y.len())
    }

    /// Curvature of the quadratic model of one observation at the prediction `p`.
    fn curvature(&self, p: T, y: T) -> T {
        match self.family {
            Family::Logistic => {
                let e = (-p.abs()).exp();
                e / ((T::one() + e) * (T::one() + e))
            }
            // The quadratic that touches the loss here and at −r lies above it everywhere.
            Family::Huber { delta } => {
                let r = (y - p).abs();
                if r > delta { delta / r } else { T::one() }
            }
            Family::Poisson => p.exp(),
        }
    }

    /// The reweighted problems without their strength and accuracy.
    fn least_squares(&self) -> ElasticNet<T> {
        let mut model = ElasticNet::new(self.alpha, self.l1_ratio)
            .fit_intercept(self.fit_intercept)
            .positive(self.positive)
            .max_iter(10_000);
        model.penalty_weights.clone_from(&self.penalty_weights);
        model.bounds.clone_from(&self.bounds);
        model
    }

    /// The bounds with `positive` in them.
    fn allowed(&self) -> Option<Vec<(T, T)>> {
        let least = |lower| if self.positive { T::zero() } else { lower };
        self.bounds.as_ref().map(|all| all.iter().map(|&(lower, upper)| (least(lower), upper)).collect())
    }

    /// The penalty within what is [`allowed`](Self::allowed).
    fn penalty<'b>(&'b self, bounds: Option<&'b [(T, T)]>) -> Result<FeaturePenalty<'b, T>, ModelError> {
        let (l1, l2) = (self.alpha * self.l1_ratio, self.alpha * (T::one() - self.l1_ratio));
        let penalty = FeaturePenalty::new(l1, l2, self.penalty_weights.as_deref(), self.positive)?;
        Ok(match bounds {
            Some(bounds) => penalty.within(bounds),
            None => penalty,
        })
    }
}

/// A point with everything that is known about it.
#[derive(Debug)]
struct State<'a, T: Scalar> {
    loss: &'a dyn Loss<T>,
    x: Design<'a, T>,
    fit_intercept: bool,
    coef: Vec<T>,
    intercept: T,
    prediction: Vec<T>,
    /// Gradient of the mean loss.
    slope: Vec<T>,
    value: T,
}

impl<'a, T: Scalar> State<'a, T> {
    fn new(loss: &'a dyn Loss<T>, x: Design<'a, T>, fit_intercept: bool) -> Self {
        let n = x.nrows();
        let mut this = Self {
            loss,
            x,
            fit_intercept,
            coef: vec![T::zero(); x.ncols()],
            intercept: T::zero(),
            prediction: vec![T::zero(); n],
            slope: vec![T::zero(); n],
            value: T::zero(),
        };
        this.evaluate();
        this
    }

    fn evaluate(&mut self) {
        self.prediction.fill(self.intercept);
        for (j, &w) in self.coef.iter().enumerate().filter(|(_, w)| **w != T::zero()) {
            self.x.col_axpy(j, w, &mut self.prediction);
        }
        self.value = self.loss.grad_into(&self.prediction, &mut self.slope);
    }

    /// The quadratic model: weights `h` of the observations (with the sample weights) and working response.
    fn model(&self, glm: &SparseGlm<T>, y: &[T], weights: &[T]) -> (Vec<T>, Vec<T>) {
        let n = T::of_usize(y.len());
        let mut h: Vec<T> =
            (0..y.len()).map(|i| weights[i] * glm.curvature(self.prediction[i], y[i])).collect();
        let floor = T::of(1e-6).max(T::epsilon()) * vecops::norm_inf(&h);
        for (h, &w) in h.iter_mut().zip(weights) {
            *h = h.max(floor * w.min(T::one()));
        }
        let z = (0..y.len())
            .map(|i| {
                if h[i] > T::zero() {
                    self.prediction[i] - n * self.slope[i] / h[i]
                } else {
                    self.prediction[i]
                }
            })
            .collect();
        (h, z)
    }

    /// Minimises over the intercept by Newton steps with the coefficients as they are.
    fn fit_intercept_alone(&mut self, glm: &SparseGlm<T>, weights: &[T]) {
        if !self.fit_intercept {
            return;
        }
        for _ in 0..100 {
            let n = T::of_usize(weights.len());
            let slope = vecops::sum(&self.slope);
            let size: T = self.slope.iter().map(|v| v.abs()).sum();
            if slope.abs() <= T::of(4.0) * T::epsilon() * size {
                break;
            }
            let curvature: T =
                (0..weights.len()).map(|i| weights[i] * self.curvature_at(glm, i, weights[i], n)).sum::<T>()
                    / n;
            let (from, before) = (self.intercept, self.value);
            let mut moved = false;
            for halving in 0..HALVINGS {
                self.intercept = from - slope / curvature * T::of(0.5).powi(halving);
                self.evaluate();
                if self.value <= before {
                    moved = self.intercept != from;
                    break;
                }
            }
            if !moved {
                self.intercept = from;
                self.evaluate();
                break;
            }
        }
    }

    /// The curvature of observation `i`, whose target is recovered from the slope where it matters (Huber).
    fn curvature_at(&self, glm: &SparseGlm<T>, i: usize, weight: T, n: T) -> T {
        let residual = if weight > T::zero() { n * self.slope[i] / weight } else { T::zero() };
        let p = self.prediction[i];
        match glm.family {
            // On the linear part the slope is the bound: a small curvature makes long steps, which are halved.
            Family::Huber { delta } => {
                if residual.abs() >= delta {
                    T::of(0.05)
                } else {
                    T::one()
                }
            }
            _ => glm.curvature(p, p - residual),
        }
    }
}

/// Proximal Newton: each step solves a reweighted least-squares problem and goes towards its solution.
#[derive(Debug)]
struct ProximalNewton<'a, T: Scalar> {
    glm: &'a SparseGlm<T>,
    y: &'a [T],
    weights: &'a [T],
    penalty: FeaturePenalty<'a, T>,
    state: State<'a, T>,
    /// What the loss at `w = 0` is above its least value.
    scale: T,
    /// Of the state, with the best bound so far.
    certificate: Certificate<T>,
    iter: usize,
    /// The share of the last step that was taken; after 0 there is none better.
    share: T,
    /// Whole steps taken although the objective did not tell whether they help.
    flat: usize,
}

impl<T: Scalar> ProximalNewton<'_, T> {
    /// The objective of the state.
    fn objective(&self) -> T {
        self.state.value + spm_linalg::Prox::value(&self.penalty, &self.state.coef)
    }

    /// Goes from the state towards the given point as far as the objective decreases; returns the share of the way.
    fn search(&mut self, coef: &[T], intercept: T) -> T {
        let before = self.objective();
        let (from, from_intercept) = (self.state.coef.clone(), self.state.intercept);
        for halving in 0..HALVINGS {
            let share = T::of(0.5).powi(halving);
            for ((w, &a), &b) in self.state.coef.iter_mut().zip(&from).zip(coef) {
                *w = if halving == 0 { b } else { a + share * (b - a) };
            }
            self.state.intercept = from_intercept + share * (intercept - from_intercept);
            self.state.evaluate();
            self.state.fit_intercept_alone(self.glm, self.weights);
            let here = self.objective();
            if here < before {
                return share;
            }
            // The objective is flat to rounding well before the gap, which is of first order, closes.
            let same = here <= before + T::of(8.0) * T::epsilon() * before.abs();
            if halving == 0 && self.flat < FLAT && same {
                self.flat += 1;
                return share;
            }
        }
        self.state.coef = from;
        self.state.intercept = from_intercept;
        self.state.evaluate();
        T::zero()
    }

    /// Objective and dual value at the state.
    fn certify(&self) -> Certificate<T> {
        let mut theta = self.state.slope.clone();
        if self.glm.fit_intercept {
            // The heavier side shrinks towards 0, which keeps every entry in the domain of the conjugate.
            let up: T = theta.iter().filter(|v| **v > T::zero()).copied().sum();
            let down: T = -theta.iter().filter(|v| **v < T::zero()).copied().sum::<T>();
            for v in &mut theta {
                if *v > T::zero() && up > down {
                    *v *= down / up;
                } else if *v < T::zero() && down > up {
                    *v *= up / down;
                }
            }
        }
        let State { loss, x, coef, .. } = &self.state;
        Certificate::new(self.objective(), duality_gap_at(*loss, x, &self.penalty, coef, &theta).dual)
    }
}

impl<T: Scalar> Iteration<T> for ProximalNewton<'_, T> {
    fn step(&mut self) -> Result<(), SolveError> {
        self.iter += 1;
        let (h, z) = self.state.model(self.glm, self.y, self.weights);
        let n = T::of_usize(self.y.len());
        // 1/(2n) Σ h (z − p)² + alpha g: with weights that sum to n, alpha is n/Σh as large.
        let inner = (T::of(0.1) * self.certificate.gap() / self.scale.max(T::epsilon())).min(T::of(1e-3));
        let mut model = self.glm.least_squares().tol((T::of(1e-2) * inner).max(T::of(4.0) * T::epsilon()));
        model.alpha = self.glm.alpha * n / vecops::sum(&h);
        let step = model.fit(Xy::new(self.state.x, &z).sample_weight(&h)).map_err(|e| match e {
            ModelError::Linalg(e) => e.into(),
            ModelError::Solve(e) => e,
            _ => SolveError::Diverged { iter: self.iter },
        })?;
        self.share = self.search(&step.coef, step.intercept);
        let here = self.certify();
        self.certificate = Certificate::new(here.primal, here.dual.max(self.certificate.dual));
        Ok(())
    }

    fn progress(&self) -> Progress<T> {
        let at = Progress::new(self.iter, self.share).objective(self.certificate.primal);
        at.gap(self.certificate.gap())
    }

    fn iterate(&self) -> &[T] {
        &self.state.coef
    }
}

fits!(SparseGlm, Xy => FittedGlm);

/// A fitted sparse generalized linear model, with proof of how well it was solved.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[must_use = "a fit says whether it converged: see `status` or `require_converged`"]
pub struct FittedGlm<T> {
    /// The loss.
    pub family: Family<T>,
    /// Coefficients, length p; those not selected are exactly 0.
    pub coef: Vec<T>,
    /// Intercept; 0 if none was fitted.
    pub intercept: T,
    /// The regularisation strength it was fitted with.
    pub alpha: T,
    /// The objective with all coefficients 0 (and the best intercept).
    pub objective_at_zero: T,
    /// The objective reached and a lower bound of the optimal one.
    pub certificate: Certificate<T>,
    /// The share of the deviance that is explained: 1 minus the loss above its least value, divided by the same at `w = 0`.
    pub explained: T,
    /// How the fit ended; its iterations are reweighted problems.
    pub report: Report<T>,
}

certified!(FittedGlm);

impl<T: Scalar> FittedGlm<T> {
    /// How many features are selected.
    pub fn nnz(&self) -> usize {
        self.coef.iter().filter(|w| **w != T::zero()).count()
    }

    /// The expected response for the rows of `x`: a probability, a value, a rate.
    ///
    /// # Errors
    /// As [`Predict::predict_into`].
    pub fn predict_mean(&self, x: Design<'_, T>) -> Result<Vec<T>, ModelError> {
        Ok(self.predict(x)?.into_iter().map(|p| self.family.mean(p)).collect())
    }
}

/// The linear predictor `b + X w`; see [`FittedGlm::predict_mean`] for the response.
impl<T: Scalar> Predict<T> for FittedGlm<T> {
    fn predict_into(&self, x: Design<'_, T>, out: &mut [T]) -> Result<(), ModelError> {
        super::model::predict_into(&self.coef, self.intercept, x, out)
    }
}
