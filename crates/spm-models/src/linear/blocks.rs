//! From grouped or multi-target data to block descent, and back.

use spm_linalg::{GroupProx, Scalar};
use spm_solvers::stop::Gap;
use spm_solvers::{BlockDescent, Certificate, Iteration, Report, Status, run};

use super::FitControl;
use super::prepared::Prepared;
use crate::ModelError;

/// A solution in the units of the data.
#[derive(Debug)]
pub(super) struct BlockFit<T> {
    /// p × t, column by column.
    pub(super) coef: Vec<T>,
    /// One a target.
    pub(super) intercept: Vec<T>,
    pub(super) objective_at_zero: T,
    pub(super) certificate: Certificate<T>,
    pub(super) report: Report<T>,
}

/// A problem over blocks of rows of the coefficients.
#[derive(Debug)]
pub(super) struct BlockProblem<'a, 'x, T: Scalar> {
    prepared: &'a Prepared<'x, T>,
    /// As the solver sees it, n × t, column by column.
    y: Vec<T>,
    means: Vec<T>,
    /// The column of `X` at each position of the penalty.
    features: &'a [usize],
}

impl<'a, 'x, T: Scalar> BlockProblem<'a, 'x, T> {
    /// `y` is n × t, column by column, checked.
    pub(super) fn new(prepared: &'a Prepared<'x, T>, y: &[T], features: &'a [usize]) -> Self {
        let (mut all, mut means) = (Vec::with_capacity(y.len()), Vec::new());
        for column in y.chunks_exact(prepared.rows()) {
            let (response, mean) = prepared.response(column);
            all.extend(response);
            means.push(mean);
        }
        Self { prepared, y: all, means, features }
    }

    pub(super) fn fit<G: GroupProx<T>>(
        &self,
        penalty: G,
        tol: T,
        max_iter: usize,
        ctl: FitControl<'_, T>,
    ) -> Result<BlockFit<T>, ModelError> {
        let (t, c) = (self.means.len(), self.prepared.curvature());
        let objective_at_zero = self.prepared.objective_at_zero(&self.y);
        let mut stop = Gap { tol: tol * objective_at_zero };
        let view = &self.prepared.view;
        let mut solver = BlockDescent::new(view, &self.y, t, c, penalty, self.features)?;
        let mut report = run(&mut solver, ctl.control(max_iter, &mut stop))?;
        let certificate = solver.certificate().ok_or(ModelError::Unsupported {
            solver: "the certificate",
            what: "a penalty without a polar",
        })?;
        if report.status == Status::Converged && certificate.gap() > tol * objective_at_zero {
            report.status = Status::MaxIterations;
        }
        let p = self.prepared.columns();
        let mut coef = vec![T::zero(); p * t];
        for (k, &j) in self.features.iter().enumerate() {
            for s in 0..t {
                coef[s * p + j] = solver.iterate()[k * t + s];
            }
        }
        let intercept = coef
            .chunks_exact_mut(p)
            .zip(&self.means)
            .map(|(coef, &mean)| self.prepared.to_data_units(coef, mean))
            .collect();
        Ok(BlockFit { coef, intercept, objective_at_zero, certificate, report })
    }

    /// The smallest factor of `unit` at which every penalised block is zero.
    pub(super) fn alpha_max<G: GroupProx<T>>(&self, unit: G) -> Result<T, ModelError> {
        let (t, c) = (self.means.len(), self.prepared.curvature());
        let mut solver = BlockDescent::new(&self.prepared.view, &self.y, t, c, &unit, self.features)?;
        let _ = solver.certificate();
        let u = solver.projected_correlation();
        let mut workspace = spm_linalg::Workspace::new(unit.scratch(u.len()));
        let alpha = unit.polar(u, workspace.stack()).unwrap_or_else(T::infinity);
        // Rounded up, so that the model at this alpha is exactly zero.
        Ok(alpha * (T::one() + T::of(8.0) * T::epsilon()))
    }
}
