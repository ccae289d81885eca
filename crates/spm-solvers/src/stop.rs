//! Stop rules: when to call an iteration converged.
//!
//! The rules look at numbers that measure optimality. There is none on the change of the iterate: a method that crawls
//! changes little, too.
//!
//! ```
//! use spm_solvers::stop::{All, Any, Gap, Residual, StopRule};
//! use spm_solvers::Progress;
//! let p = Progress::new(7, 1e-3).gap(1e-9);
//! assert!(Any(Residual { tol: 1e-6 }, Gap { tol: 1e-8 }).done(&p));
//! assert!(!All(Residual { tol: 1e-6 }, Gap { tol: 1e-8 }).done(&p));
//! ```

use core::fmt::Debug;

use spm_linalg::Scalar;

use crate::Progress;

/// Decides, after every iteration, whether it has converged.
pub trait StopRule<T: Scalar>: Debug {
    /// Whether `p` is good enough.
    fn done(&mut self, p: &Progress<T>) -> bool;
}

/// Stops when the residual, and the dual residual where there is one, is at most `tol` (absolute).
#[derive(Debug, Clone, Copy)]
pub struct Residual<T> {
    /// The tolerance, absolute, in the norm that the method states.
    pub tol: T,
}

impl<T: Scalar> StopRule<T> for Residual<T> {
    fn done(&mut self, p: &Progress<T>) -> bool {
        p.residual <= self.tol && p.dual_residual.is_none_or(|d| d <= self.tol)
    }
}

/// Stops when the duality gap is at most `tol` (absolute). A method that reports no gap never satisfies it.
#[derive(Debug, Clone, Copy)]
pub struct Gap<T> {
    /// The tolerance, absolute, in units of the objective.
    pub tol: T,
}

impl<T: Scalar> StopRule<T> for Gap<T> {
    fn done(&mut self, p: &Progress<T>) -> bool {
        p.gap.is_some_and(|g| g <= self.tol)
    }
}

/// Never stops: the run ends at a limit.
#[derive(Debug, Clone, Copy)]
pub struct Never;

impl<T: Scalar> StopRule<T> for Never {
    fn done(&mut self, _p: &Progress<T>) -> bool {
        false
    }
}

/// Stops when either rule does.
#[derive(Debug, Clone, Copy)]
pub struct Any<A, B>(pub A, pub B);

impl<T: Scalar, A: StopRule<T>, B: StopRule<T>> StopRule<T> for Any<A, B> {
    fn done(&mut self, p: &Progress<T>) -> bool {
        self.0.done(p) | self.1.done(p)
    }
}

/// Stops when both rules do at the same iteration.
#[derive(Debug, Clone, Copy)]
pub struct All<A, B>(pub A, pub B);

impl<T: Scalar, A: StopRule<T>, B: StopRule<T>> StopRule<T> for All<A, B> {
    fn done(&mut self, p: &Progress<T>) -> bool {
        self.0.done(p) & self.1.done(p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts how often it is asked.
    #[derive(Debug)]
    struct Asked(usize, bool);

    impl StopRule<f64> for Asked {
        fn done(&mut self, _p: &Progress<f64>) -> bool {
            self.0 += 1;
            self.1
        }
    }

    #[test]
    fn both_residuals_count_and_nan_never_stops() {
        let mut rule = Residual { tol: 1.0 };
        assert!(rule.done(&Progress::new(1, 1.0)));
        assert!(rule.done(&Progress::new(1, 1.0).dual_residual(0.5)));
        assert!(!rule.done(&Progress::new(1, 0.1).dual_residual(1.5)));
        assert!(!rule.done(&Progress::new(1, f64::NAN)));
        assert!(!rule.done(&Progress::new(1, 0.0).dual_residual(f64::NAN)));
    }

    #[test]
    fn the_gap_rule_waits_for_a_gap() {
        let mut rule = Gap { tol: 1.0 };
        assert!(!rule.done(&Progress::new(1, 0.0)));
        assert!(!rule.done(&Progress::new(1, 0.0).gap(f64::NAN)));
        assert!(rule.done(&Progress::new(1, 9.0).gap(1.0)));
    }

    #[test]
    fn combinations_ask_both_rules_every_time() {
        let p = Progress::new(1, 0.0);
        for (a, b) in [(false, false), (false, true), (true, false), (true, true)] {
            let mut any = Any(Asked(0, a), Asked(0, b));
            let mut all = All(Asked(0, a), Asked(0, b));
            assert_eq!((any.done(&p), all.done(&p)), (a || b, a && b));
            assert_eq!((any.0.0, any.1.0, all.0.0, all.1.0), (1, 1, 1, 1));
        }
        assert!(!StopRule::<f64>::done(&mut Never, &p));
    }
}
