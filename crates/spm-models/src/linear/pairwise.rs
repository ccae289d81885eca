//! Pairwise moments of data with missing values, and the nearest positive definite covariance.

use spm_linalg::factor::SelfAdjointEvd;
use spm_linalg::operator::{Diagonal, Identity};
use spm_linalg::penalty::Linf;
use spm_linalg::set::Psd;
use spm_linalg::{LinalgError, LinearOperator, Prox, Scalar, Workspace, calculus::Translated, check, vecops};
use spm_solvers::loss::{LossOf, Quadratic};
use spm_solvers::stop::Gap;
use spm_solvers::{
    Certificate, Certified, Certify, Composite, Control, Fista, FistaOptions, Iteration, Pdhg, PdhgOptions,
    Progress, Report, SolveError, Split, Term, run,
};

use super::hm_lasso::CovarianceNorm;
use super::problem::Units;
use crate::ModelError;

/// Iterations between evaluations of the gap.
const STRIDE: usize = 10;

/// What can be computed from the pairs of values that are both there.
#[derive(Debug)]
pub(super) struct Pairwise<T> {
    /// Means of the observed values of each feature and of y (zeros without an intercept), deviations (ones unless standardised).
    pub(super) units: Units<T>,
    /// p × p, 0 where no row has both.
    pub(super) covariance: Vec<T>,
    /// p × p, the share of the weight of the rows that have both.
    pub(super) share: Vec<T>,
    /// Covariance of each feature with y over its observed rows.
    pub(super) with_y: Vec<T>,
    /// `½ Σ w (y − ȳ)² / Σ w`.
    pub(super) objective_at_zero: T,
}

impl<T: Scalar> Pairwise<T> {
    /// `x` is n × p, column by column, NaN = missing; the weights are checked.
    pub(super) fn new(
        x: &[T],
        p: usize,
        y: &[T],
        weights: Option<&[T]>,
        center: bool,
        scale: bool,
    ) -> Result<Self, ModelError> {
        let n = y.len();
        let w = |i: usize| weights.map_or(T::one(), |w| w[i]);
        let total: T = (0..n).map(w).sum();
        let mean = if center { (0..n).map(|i| w(i) * y[i]).sum::<T>() / total } else { T::zero() };
        let mut units = Units { means: vec![T::zero(); p], scales: vec![T::one(); p], mean };
        for (j, column) in x.chunks_exact(n).enumerate() {
            let seen = || (0..n).filter(|&i| !column[i].is_nan());
            let weight: T = seen().map(w).sum();
            if weight == T::zero() {
                let (name, expected) = ("X: column", "at least one observed value in every column");
                return Err(LinalgError::InvalidParam { name, expected, got: j as f64 }.into());
            }
            let mut mean = T::zero();
            if center {
                // The second pass removes the rounding of the first.
                for _ in 0..2 {
                    mean += seen().map(|i| w(i) * (column[i] - mean)).sum::<T>() / weight;
                }
                units.means[j] = mean;
            }
            if scale {
                let squares = seen().map(|i| w(i) * (column[i] - mean) * (column[i] - mean));
                let deviation = (squares.sum::<T>() / weight).sqrt();
                if deviation > T::of(4.0) * T::epsilon() * mean.abs() {
                    units.scales[j] = deviation;
                }
            }
        }
        Ok(Self::about(units, x, y, weights))
    }

    /// The moments about means and in units from elsewhere: zeros for columns without any value.
    pub(super) fn about(units: Units<T>, x: &[T], y: &[T], weights: Option<&[T]>) -> Self {
        let (n, p) = (y.len(), units.means.len());
        let w = |i: usize| weights.map_or(T::one(), |w| w[i]);
        let total: T = (0..n).map(w).sum();
        let mut z = x.to_vec();
        for ((column, &mean), &scale) in z.chunks_exact_mut(n).zip(&units.means).zip(&units.scales) {
            column.iter_mut().for_each(|v| *v = (*v - mean) / scale);
        }
        // Missing values become zeros of no weight.
        let observed: Vec<T> = z.iter().map(|v| if v.is_nan() { T::zero() } else { T::one() }).collect();
        for v in z.iter_mut().filter(|v| v.is_nan()) {
            *v = T::zero();
        }
        let weighted =
            |column: &[T]| -> Vec<T> { column.iter().enumerate().map(|(i, &v)| w(i) * v).collect() };
        let (mut covariance, mut share) = (vec![T::zero(); p * p], vec![T::zero(); p * p]);
        let mut with_y = vec![T::zero(); p];
        let response: Vec<T> = y.iter().map(|&v| v - units.mean).collect();
        for j in 0..p {
            let (zj, oj) = (weighted(&z[j * n..(j + 1) * n]), weighted(&observed[j * n..(j + 1) * n]));
            for k in 0..=j {
                let pairs = vecops::dot(&oj, &observed[k * n..(k + 1) * n]);
                if pairs > T::zero() {
                    let value = vecops::dot(&zj, &z[k * n..(k + 1) * n]) / pairs;
                    covariance[j * p + k] = value;
                    covariance[k * p + j] = value;
                }
                share[j * p + k] = pairs / total;
                share[k * p + j] = pairs / total;
            }
            let seen = vecops::sum(&oj);
            if seen > T::zero() {
                with_y[j] = vecops::dot(&zj, &response) / seen;
            }
        }
        let objective_at_zero =
            T::of(0.5) * (0..n).map(|i| w(i) * response[i] * response[i]).sum::<T>() / total;
        Self { units, covariance, share, with_y, objective_at_zero }
    }
}

/// The nearest matrix with eigenvalues at least `floor`, with its certificate.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Nearest<T> {
    pub(super) matrix: Vec<T>,
    pub(super) certificate: Certificate<T>,
    pub(super) report: Report<T>,
}

/// Judges points of `min ½‖W∘(A − S)‖²` or `‖W∘(A − S)‖_max` over `A ⪰ floor I`.
///
/// For any symmetric `Λ ⪰ 0` that is zero where `W` is, the optimum is at least `−½‖Λ/W‖² − ⟨Λ, S − floor I⟩`, or
/// `−⟨Λ, S − floor I⟩` if `‖Λ/W‖₁ <= 1`. The candidate's eigenvalues are raised to zero along the diagonal.
struct Judge<'a, T> {
    s: &'a [T],
    weights: &'a [T],
    p: usize,
    floor: T,
    norm: CovarianceNorm,
    /// The candidate `Λ/W` of the maximum norm, from outside.
    outer: Option<Vec<T>>,
}

impl<T: Scalar> Judge<'_, T> {
    fn primal(&self, a: &[T]) -> T {
        let entries = a.iter().zip(self.s).zip(self.weights).map(|((&a, &s), &w)| w * (a - s));
        match self.norm {
            CovarianceNorm::Frobenius => T::of(0.5) * entries.map(|v| v * v).sum::<T>(),
            CovarianceNorm::Max => {
                entries.fold(T::zero(), |m, v| if v.abs() > m || v.is_nan() { v.abs() } else { m })
            }
        }
    }

    /// The dual value at `Λ = W∘u` made feasible.
    fn dual(&self, mut u: Vec<T>) -> T {
        let p = self.p;
        for j in 0..p {
            for i in 0..j {
                let v = T::of(0.5) * (u[j * p + i] + u[i * p + j]);
                u[j * p + i] = v;
                u[i * p + j] = v;
            }
        }
        let lambda: Vec<T> = u.iter().zip(self.weights).map(|(&u, &w)| w * u).collect();
        let Ok(evd) = SelfAdjointEvd::from_column_major(&lambda, p) else { return T::neg_infinity() };
        let lift = T::of_usize(p) * T::epsilon() * vecops::norm(&lambda) - evd.values()[0];
        if lift > T::zero() {
            for j in 0..p {
                u[j * p + j] += lift / self.weights[j * p + j];
            }
        }
        let floor = |k: usize| if k.is_multiple_of(p + 1) { self.floor } else { T::zero() };
        let linear: T = (0..p * p).map(|k| self.weights[k] * u[k] * (self.s[k] - floor(k))).sum();
        match self.norm {
            CovarianceNorm::Frobenius => -T::of(0.5) * vecops::sq_norm(&u) - linear,
            CovarianceNorm::Max => (-linear).max(T::zero()) / vecops::norm_1(&u).max(T::one()),
        }
    }
}

impl<T: Scalar> Certify<T> for Judge<'_, T> {
    fn certify(&mut self, a: &[T]) -> Certificate<T> {
        let u = match &self.outer {
            Some(u) => u.clone(),
            None => a.iter().zip(self.s).zip(self.weights).map(|((&a, &s), &w)| w * (a - s)).collect(),
        };
        Certificate::new(self.primal(a), self.dual(u))
    }
}

/// The primal-dual method with the best point and the best bound so far, from its multipliers, judged now and then.
struct Judged<'a, 'j, T: Scalar> {
    solver: Pdhg<'a, T>,
    judge: &'a mut Judge<'j, T>,
    best: Certificate<T>,
    matrix: Vec<T>,
}

impl<T: Scalar> Iteration<T> for Judged<'_, '_, T> {
    fn step(&mut self) -> Result<(), SolveError> {
        self.solver.step()?;
        if self.solver.progress().iter.is_multiple_of(STRIDE) {
            // Wu is the multiplier with the opposite sign: W∘(A − S) pulls, the cone holds.
            self.judge.outer = Some(self.solver.dual().to_vec());
            let here = self.judge.certify(self.solver.iterate());
            if here.primal < self.best.primal {
                self.matrix.copy_from_slice(self.solver.iterate());
            }
            self.best = Certificate::new(self.best.primal.min(here.primal), self.best.dual.max(here.dual));
        }
        Ok(())
    }

    fn progress(&self) -> Progress<T> {
        let at = self.solver.progress();
        Progress::new(at.iter, at.residual).objective(self.best.primal).gap(self.best.gap())
    }

    fn iterate(&self) -> &[T] {
        &self.matrix
    }
}

/// Minimises the distance from `s` in the given norm over the matrices with eigenvalues at least `floor`.
///
/// The squared Frobenius norm by accelerated projected gradients, the maximum norm by the primal-dual method.
pub(super) fn nearest<T: Scalar>(
    s: &[T],
    weights: &[T],
    p: usize,
    floor: T,
    norm: CovarianceNorm,
    tol: T,
    max_iter: usize,
) -> Result<Nearest<T>, ModelError> {
    check::len("covariance", p * p, s.len())?;
    let cone = Psd::new(p, floor)?;
    let mut judge = Judge { s, weights, p, floor, norm, outer: None };
    let mut start = vec![T::zero(); p * p];
    cone.prox_into(s, T::one(), &mut start, Workspace::new(cone.scratch(p * p)).stack());
    let scale = judge.primal(&vec![T::zero(); p * p]);
    let mut stop = Gap { tol: tol * scale };
    match norm {
        CovarianceNorm::Frobenius => {
            let squares: Vec<T> = weights.iter().map(|&w| w * w).collect();
            let loss = Quadratic::new(s)?.weights(&squares)?;
            let f = LossOf::new(loss, Identity::new(p * p))?;
            let fista = Fista::new(Composite::new(&f, &cone)?, &start, &FistaOptions::default())?;
            let mut solver = Certified::new(fista, &mut judge, STRIDE);
            let report = run(&mut solver, Control::new(max_iter, &mut stop))?;
            let matrix = solver.iterate().to_vec();
            let certificate = judge.certify(&matrix);
            Ok(Nearest { matrix, certificate, report })
        }
        CovarianceNorm::Max => {
            let target: Vec<T> = s.iter().zip(weights).map(|(&s, &w)| s * w).collect();
            let h = Translated::new(Linf::new(T::one())?, target)?;
            let k = Diagonal::new(weights.to_vec())?;
            let terms = [Term::new(&h, &k)?];
            let split = Split::new(k.ncols(), &terms)?.prox(&cone)?;
            let solver = Pdhg::new(split, &start, &PdhgOptions::default())?;
            let best = judge.certify(&start);
            let mut judged = Judged { solver, judge: &mut judge, best, matrix: start };
            let report = run(&mut judged, Control::new(max_iter, &mut stop))?;
            Ok(Nearest { matrix: judged.matrix, certificate: judged.best, report })
        }
    }
}
