//! Small penalties by way of larger ones.

use std::time::Duration;

use spm_linalg::{DesignMatrix, Scalar};
use spm_solvers::stop::Gap;
use spm_solvers::{Control, CoordinateDescent, run};

use super::path::look_ahead;
use super::penalty::FeaturePenalty;
use super::problem::Spec;
use crate::ModelError;

/// From one penalty to the next.
const FALL: f64 = 0.25;
/// Accuracy on the way, relative to what is left of the objective.
const ROUGH: f64 = 0.01;

/// What the way cost.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Spent {
    pub(super) iterations: usize,
    pub(super) time: Duration,
}

/// Brings the solver, at zero and with the penalty of `spec.alpha`, near the solution: roughly solved for penalties that fall to it
/// from `top`, where all is zero, each from the one before.
///
/// On the way supports stay small and change little, so that steps on them are cheap and exact; a start at zero has to find and
/// leave many coordinates where columns are correlated. Takes at most half of the iterations and of the time allowed.
pub(super) fn approach<'s, T: Scalar, X: DesignMatrix<T>>(
    spec: &'s Spec<'_, T>,
    cd: &mut CoordinateDescent<'_, T, X, FeaturePenalty<'s, T>>,
    top: T,
    objective_at_zero: T,
    time_limit: Option<Duration>,
) -> Result<Spent, ModelError> {
    let fall = T::of(FALL);
    let mut spent = Spent::default();
    let mut alpha = top * fall;
    let mut before = top;
    while alpha * fall > spec.alpha {
        let left = Spent {
            iterations: (spec.max_iter / 2).saturating_sub(spent.iterations),
            time: time_limit.map_or(Duration::MAX, |t| (t / 2).saturating_sub(spent.time)),
        };
        if left.iterations == 0 || left.time.is_zero() {
            break;
        }
        cd.restart(spec.penalty(alpha)?, look_ahead(before, alpha))?;
        let share = (T::of(ROUGH) * alpha / top).max(spec.tol);
        let mut stop = Gap { tol: share * objective_at_zero };
        let mut control = Control::new(left.iterations, &mut stop);
        control.time_limit = time_limit.map(|_| left.time);
        let report = run(cd, control)?;
        spent.iterations += report.last.iter;
        spent.time += report.elapsed;
        before = alpha;
        alpha *= fall;
    }
    if spent.iterations > 0 {
        cd.restart(spec.penalty(spec.alpha)?, look_ahead(before, spec.alpha))?;
    }
    Ok(spent)
}
