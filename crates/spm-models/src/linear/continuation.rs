//! Small penalties by way of larger ones.

use spm_linalg::{DesignMatrix, Scalar};
use spm_solvers::{CoordinateDescent, Iteration, Progress, SolveError};

use super::path::look_ahead;
use super::penalty::FeaturePenalty;
use super::problem::Spec;
use crate::ModelError;

/// From one penalty to the next.
const FALL: f64 = 0.25;
/// Accuracy on the way, relative to what is left of the objective.
const ROUGH: f64 = 0.01;
/// No further down than to this share of where all is zero.
const LEAST: f64 = 1e-8;
/// At most this many iterations for one penalty on the way.
const LONGEST: usize = 200;

/// Coordinate descent that first solves, roughly, for penalties that fall to that of the model, each from the one before.
///
/// On the way supports stay small and change little, so that steps on them are cheap and exact; a start at zero has to find
/// and leave many coordinates where columns are correlated. There is no gap before the last penalty.
#[derive(Debug)]
pub(super) struct Continuation<'r, 's, 'y, T: Scalar, X> {
    cd: &'r mut CoordinateDescent<'y, T, X, FeaturePenalty<'s, T>>,
    /// What is still to come, the next one last: `alpha`, its penalty, the gap at which it is left.
    ahead: Vec<(T, FeaturePenalty<'s, T>, T)>,
    /// `alpha` of the present one and the gap at which it is left, unless it is the last.
    present: Option<(T, T)>,
    /// Iterations with the present penalty, and with all.
    on_this: usize,
    iter: usize,
}

impl<'r, 's, 'y, T: Scalar, X: DesignMatrix<T>> Continuation<'r, 's, 'y, T, X> {
    /// From `top`, where all is zero; `cd` is at zero with the penalty of the model.
    pub(super) fn new(
        spec: &'s Spec<'_, T>,
        cd: &'r mut CoordinateDescent<'y, T, X, FeaturePenalty<'s, T>>,
        bounds: Option<&'s [(T, T)]>,
        top: T,
        objective_at_zero: T,
    ) -> Result<Self, ModelError> {
        let fall = T::of(FALL);
        let mut ahead = Vec::new();
        let mut alpha = top * fall;
        while alpha * fall > spec.alpha.max(top * T::of(LEAST)) {
            let gap = (T::of(ROUGH) * alpha / top).max(spec.tol) * objective_at_zero;
            ahead.push((alpha, spec.penalty(alpha, bounds)?, gap));
            alpha *= fall;
        }
        if !ahead.is_empty() {
            ahead.push((spec.alpha, spec.penalty(spec.alpha, bounds)?, T::zero()));
            ahead.reverse();
        }
        let mut this = Self { cd, ahead, present: None, on_this: 0, iter: 0 };
        this.advance(top)?;
        Ok(this)
    }

    /// On to the next penalty.
    fn advance(&mut self, before: T) -> Result<(), SolveError> {
        if let Some((alpha, penalty, gap)) = self.ahead.pop() {
            self.cd.restart(penalty, look_ahead(before, alpha))?;
            self.present = (!self.ahead.is_empty()).then_some((alpha, gap));
            self.on_this = 0;
        }
        Ok(())
    }

    /// The solver with the penalty of the model, wherever it was.
    pub(super) fn finish(mut self) -> Result<(), SolveError> {
        self.ahead.truncate(1);
        self.advance(T::zero())
    }
}

impl<T: Scalar, X: DesignMatrix<T>> Iteration<T> for Continuation<'_, '_, '_, T, X> {
    fn step(&mut self) -> Result<(), SolveError> {
        self.cd.step()?;
        self.iter += 1;
        self.on_this += 1;
        if let Some((alpha, enough)) = self.present
            && (self.on_this >= LONGEST || self.cd.progress().gap.is_some_and(|gap| gap <= enough))
        {
            self.advance(alpha)?;
        }
        Ok(())
    }

    fn progress(&self) -> Progress<T> {
        let mut at = self.cd.progress();
        if self.present.is_some() {
            // Objective and gap are those of another penalty.
            at = Progress::new(self.iter, at.residual);
        }
        at.iter = self.iter;
        at
    }

    fn iterate(&self) -> &[T] {
        self.cd.iterate()
    }
}
