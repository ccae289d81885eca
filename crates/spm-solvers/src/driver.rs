//! The loop: the only place that counts iterations, reads the clock, stops and reports.

use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use spm_linalg::Scalar;

use crate::observe::Observer;
use crate::{SolveError, StopRule};

/// One algorithm on one problem. It owns its buffers; [`step`](Self::step) allocates nothing.
///
/// Implement the three methods and [`run`] adds stopping, time limits, observers and the report. Check an
/// implementation with `spm_solvers::testing::check_solver`.
pub trait Iteration<T: Scalar> {
    /// Advances by one iteration.
    ///
    /// # Errors
    /// [`SolveError`] if an inner solve fails. Non-finite iterates are caught by the driver.
    fn step(&mut self) -> Result<(), SolveError>;

    /// How far the iterate is from optimal. Cheap: called after every step.
    fn progress(&self) -> Progress<T>;

    /// The current solution estimate.
    fn iterate(&self) -> &[T];
}

/// Where an iteration stands.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Progress<T> {
    /// Completed iterations.
    pub iter: usize,
    /// The objective at the iterate, if the method computes it.
    pub objective: Option<T>,
    /// The method's primal residual or optimality violation; its page says which, and in which norm.
    pub residual: T,
    /// The dual residual, for methods that have one.
    pub dual_residual: Option<T>,
    /// An upper bound of the suboptimality (absolute duality gap), if the method computes one.
    pub gap: Option<T>,
}

impl<T: Scalar> Progress<T> {
    /// Progress known by its residual alone.
    #[must_use]
    pub fn new(iter: usize, residual: T) -> Self {
        Self { iter, objective: None, residual, dual_residual: None, gap: None }
    }

    /// Adds the objective.
    #[must_use]
    pub fn objective(mut self, value: T) -> Self {
        self.objective = Some(value);
        self
    }

    /// Adds the dual residual.
    #[must_use]
    pub fn dual_residual(mut self, value: T) -> Self {
        self.dual_residual = Some(value);
        self
    }

    /// Adds the duality gap.
    #[must_use]
    pub fn gap(mut self, value: T) -> Self {
        self.gap = Some(value);
        self
    }

    fn is_nan(&self) -> bool {
        self.residual.is_nan()
            || self.dual_residual.is_some_and(T::is_nan)
            || self.objective.is_some_and(T::is_nan)
            || self.gap.is_some_and(T::is_nan)
    }
}

/// Why a run ended. Not converging is a status the caller can't miss, never an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Status {
    /// The stop rule held.
    Converged,
    /// The iteration limit was reached first.
    MaxIterations,
    /// The time limit was reached first.
    TimeLimit,
    /// The observer asked to stop.
    Interrupted,
}

impl Status {
    /// The status as a word: `converged`, `max_iterations`, `time_limit`, `interrupted`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Converged => "converged",
            Self::MaxIterations => "max_iterations",
            Self::TimeLimit => "time_limit",
            Self::Interrupted => "interrupted",
        }
    }

    /// Whether the tolerance asked for was reached.
    #[must_use]
    pub fn is_converged(self) -> bool {
        self == Self::Converged
    }
}

/// Limits and helpers of one [`run`].
#[derive(Debug)]
pub struct Control<'a, T: Scalar> {
    /// At most this many iterations.
    pub max_iter: usize,
    /// At most this much wall time, checked after each iteration.
    pub time_limit: Option<Duration>,
    /// When to call it converged.
    pub stop: &'a mut dyn StopRule<T>,
    /// Called after every iteration; may end the run.
    pub observer: Option<&'a mut dyn Observer<T>>,
}

impl<'a, T: Scalar> Control<'a, T> {
    /// At most `max_iter` iterations, no time limit, no observer.
    pub fn new(max_iter: usize, stop: &'a mut dyn StopRule<T>) -> Self {
        Self { max_iter, time_limit: None, stop, observer: None }
    }

    /// Adds an observer.
    #[must_use]
    pub fn observer(mut self, observer: &'a mut dyn Observer<T>) -> Self {
        self.observer = Some(observer);
        self
    }

    /// Adds a wall-time limit.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = Some(limit);
        self
    }
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
#[must_use = "a report says whether the solver converged"]
pub struct Report<T> {
    /// Why it ended.
    pub status: Status,
    /// Where it stood then.
    pub last: Progress<T>,
    /// Wall time inside the loop.
    pub elapsed: Duration,
}

impl<T: Scalar> Report<T> {
    /// A report of a computation that did not go through [`run`], a direct method say.
    pub fn new(status: Status, last: Progress<T>, elapsed: Duration) -> Self {
        Self { status, last, elapsed }
    }
}

/// Runs an iteration until the stop rule holds, a limit is reached or the observer says stop.
///
/// The stop rule is also asked before the first step, so a warm start that is already good costs nothing.
///
/// # Errors
/// [`SolveError::Diverged`] as soon as the progress holds a NaN or, every 16 iterations and at the end, the
/// iterate a NaN or an infinity; whatever [`Iteration::step`] returns.
///
/// ```
/// use spm_solvers::{Control, Iteration, Progress, SolveError, Status, run, stop};
/// /// Heron's iteration for a square root.
/// struct Root { a: f64, x: [f64; 1], iter: usize }
/// impl Iteration<f64> for Root {
///     fn step(&mut self) -> Result<(), SolveError> {
///         self.x[0] = 0.5 * (self.x[0] + self.a / self.x[0]);
///         self.iter += 1;
///         Ok(())
///     }
///     fn progress(&self) -> Progress<f64> {
///         Progress::new(self.iter, (self.x[0] * self.x[0] - self.a).abs())
///     }
///     fn iterate(&self) -> &[f64] {
///         &self.x
///     }
/// }
/// let mut root = Root { a: 2.0, x: [1.0], iter: 0 };
/// let report = run(&mut root, Control::new(20, &mut stop::Residual { tol: 1e-12 }))?;
/// assert_eq!(report.status, Status::Converged);
/// assert!(report.last.iter <= 6 && (root.x[0] - 2f64.sqrt()).abs() < 1e-12);
/// # Ok::<(), SolveError>(())
/// ```
pub fn run<T: Scalar>(it: &mut dyn Iteration<T>, ctl: Control<'_, T>) -> Result<Report<T>, SolveError> {
    let Control { max_iter, time_limit, stop, mut observer } = ctl;
    let start = Instant::now();
    let mut last = it.progress();
    let mut status = if stop.done(&last) { Status::Converged } else { Status::MaxIterations };
    if status != Status::Converged {
        for iter in 1..=max_iter {
            it.step()?;
            last = it.progress();
            if last.is_nan() || (iter % 16 == 0 && !all_finite(it.iterate())) {
                return Err(SolveError::Diverged { iter });
            }
            let stopped =
                observer.as_mut().is_some_and(|o| o.observe(&last, it.iterate()) == ControlFlow::Break(()));
            if stop.done(&last) {
                status = Status::Converged;
                break;
            }
            if stopped {
                status = Status::Interrupted;
                break;
            }
            if time_limit.is_some_and(|limit| start.elapsed() >= limit) {
                status = Status::TimeLimit;
                break;
            }
        }
    }
    if !all_finite(it.iterate()) {
        return Err(SolveError::Diverged { iter: last.iter });
    }
    Ok(Report { status, last, elapsed: start.elapsed() })
}

fn all_finite<T: Scalar>(x: &[T]) -> bool {
    x.iter().all(|v| v.is_finite())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::observe::History;
    use crate::stop::{Never, Residual};

    /// Halves its residual; what goes wrong and when is up to the test.
    #[derive(Debug)]
    struct Halving {
        iter: usize,
        x: [f64; 2],
        /// From this iteration on the iterate is infinite.
        overflow_at: usize,
        /// From this iteration on the residual is NaN.
        nan_at: usize,
        /// This step fails.
        fail_at: usize,
    }

    fn halving() -> Halving {
        Halving { iter: 0, x: [1.0, 0.0], overflow_at: usize::MAX, nan_at: usize::MAX, fail_at: usize::MAX }
    }

    impl Iteration<f64> for Halving {
        fn step(&mut self) -> Result<(), SolveError> {
            self.iter += 1;
            if self.iter == self.fail_at {
                return Err(SolveError::MissingBound { what: "patience" });
            }
            self.x[0] *= 0.5;
            if self.iter >= self.overflow_at {
                self.x[1] = f64::INFINITY;
            }
            Ok(())
        }
        fn progress(&self) -> Progress<f64> {
            let residual = if self.iter >= self.nan_at { f64::NAN } else { self.x[0] };
            Progress::new(self.iter, residual)
        }
        fn iterate(&self) -> &[f64] {
            &self.x
        }
    }

    #[test]
    fn a_good_start_takes_no_step_and_a_limit_of_zero_none_either() {
        let mut it = halving();
        let report = run(&mut it, Control::new(5, &mut Residual { tol: 1.0 })).unwrap();
        assert_eq!((report.status, report.last.iter, it.iter), (Status::Converged, 0, 0));
        let report = run(&mut it, Control::new(0, &mut Residual { tol: 0.1 })).unwrap();
        assert_eq!((report.status, report.last.iter, it.iter), (Status::MaxIterations, 0, 0));
    }

    #[test]
    fn stops_at_the_first_iteration_that_is_good_enough() {
        let mut it = halving();
        let mut history = History::default();
        let mut tol = Residual { tol: 0.25 };
        let report = run(&mut it, Control::new(50, &mut tol).observer(&mut history)).unwrap();
        assert_eq!((report.status, report.last.iter), (Status::Converged, 2));
        assert_eq!(history.entries.iter().map(|p| p.iter).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(run(&mut it, Control::new(3, &mut Never)).unwrap().last.iter, 5);
    }

    #[test]
    fn an_observer_interrupts_unless_the_same_iteration_converges() {
        let mut at_two = |p: &Progress<f64>, x: &[f64]| {
            assert_eq!(x[0], p.residual);
            if p.iter == 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let report = run(&mut halving(), Control::new(9, &mut Never).observer(&mut at_two)).unwrap();
        assert_eq!((report.status, report.last.iter), (Status::Interrupted, 2));
        let mut tol = Residual { tol: 0.25 };
        let report = run(&mut halving(), Control::new(9, &mut tol).observer(&mut at_two)).unwrap();
        assert_eq!((report.status, report.last.iter), (Status::Converged, 2));
    }

    #[test]
    fn a_time_limit_of_zero_still_makes_one_step() {
        let report = run(&mut halving(), Control::new(9, &mut Never).time_limit(Duration::ZERO)).unwrap();
        assert_eq!((report.status, report.last.iter), (Status::TimeLimit, 1));
    }

    #[test]
    fn nan_progress_stops_at_once_and_an_infinite_iterate_soon() {
        let ended = run(&mut Halving { nan_at: 3, ..halving() }, Control::new(9, &mut Never));
        assert_eq!(ended, Err(SolveError::Diverged { iter: 3 }));
        let ended = run(&mut Halving { overflow_at: 3, ..halving() }, Control::new(100, &mut Never));
        assert_eq!(ended, Err(SolveError::Diverged { iter: 16 }));
        // Even a run that the stop rule ends is not called converged with an infinite iterate.
        let ended =
            run(&mut Halving { overflow_at: 1, ..halving() }, Control::new(9, &mut Residual { tol: 0.5 }));
        assert_eq!(ended, Err(SolveError::Diverged { iter: 1 }));
        for p in [Progress::new(1, 0.0).gap(f64::NAN), Progress::new(1, 0.0).objective(f64::NAN)] {
            assert!(p.is_nan());
        }
    }

    #[test]
    fn an_error_in_a_step_is_passed_on() {
        let ended = run(&mut Halving { fail_at: 4, ..halving() }, Control::new(9, &mut Never));
        assert_eq!(ended, Err(SolveError::MissingBound { what: "patience" }));
    }

    #[test]
    fn status_words_are_those_of_the_reports() {
        let words = [
            (Status::Converged, "converged"),
            (Status::MaxIterations, "max_iterations"),
            (Status::TimeLimit, "time_limit"),
            (Status::Interrupted, "interrupted"),
        ];
        for (status, word) in words {
            assert_eq!(status.as_str(), word);
            assert_eq!(status.is_converged(), word == "converged");
        }
    }
}
