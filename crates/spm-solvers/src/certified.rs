//! Adds the duality gap to any solver.

use spm_linalg::Scalar;

use crate::{Certificate, Certify, Iteration, Progress, SolveError};

/// A solver whose progress carries the duality gap of its iterate, as `judge` finds it, every `stride` steps.
///
/// The gap is the primal value at the iterate minus the best dual value seen so far: any dual value bounds the
/// optimum, so the best one stays valid. Between evaluations the progress has no gap, and [`crate::stop::Gap`]
/// waits. An evaluation replaces the objective in the progress; its cost is the judge's, usually one product and one
/// adjoint product.
///
/// ```
/// use spm_linalg::{Dense, penalty::L1};
/// use spm_solvers::loss::{LossOf, Quadratic};
/// use spm_solvers::{Certified, Composite, Control, Fista, FistaOptions, kkt::DualityGap, run, stop};
/// let a = Dense::from_column_major(&[2.0, 1.0, 1.0, 3.0], 2, 2)?;
/// let loss = Quadratic::new(&[4.0, 0.3])?;
/// let (f, g) = (LossOf::new(loss, a)?, L1::new(1.0)?);
/// let fista = Fista::new(Composite::new(&f, &g)?, &[0.0, 0.0], &FistaOptions::default())?;
/// let mut solver = Certified::new(fista, DualityGap::new(&loss, &a, &g), 5);
/// let report = run(&mut solver, Control::new(1000, &mut stop::Gap { tol: 1e-9 }))?;
/// assert!(report.status.is_converged() && report.last.gap.unwrap() <= 1e-9);
/// # Ok::<(), spm_solvers::SolveError>(())
/// ```
#[derive(Debug)]
pub struct Certified<T, I, J> {
    inner: I,
    judge: J,
    stride: usize,
    best_dual: T,
    current: Option<Certificate<T>>,
}

impl<T: Scalar, I: Iteration<T>, J: Certify<T>> Certified<T, I, J> {
    /// Wraps `inner`, evaluating the gap now and after every `stride` steps (at least 1).
    ///
    /// # Panics
    /// If the iterate has not the length that the judge expects.
    pub fn new(inner: I, judge: J, stride: usize) -> Self {
        let mut solver =
            Self { inner, judge, stride: stride.max(1), best_dual: T::neg_infinity(), current: None };
        solver.evaluate();
        solver
    }

    /// The solver inside.
    pub fn inner(&self) -> &I {
        &self.inner
    }

    /// The solver inside, without the wrapper.
    pub fn into_inner(self) -> I {
        self.inner
    }

    fn evaluate(&mut self) {
        let at_iterate = self.judge.certify(self.inner.iterate());
        self.best_dual = self.best_dual.max(at_iterate.dual);
        self.current = Some(Certificate::new(at_iterate.primal, self.best_dual));
    }
}

impl<T: Scalar, I: Iteration<T>, J: Certify<T>> Iteration<T> for Certified<T, I, J> {
    fn step(&mut self) -> Result<(), SolveError> {
        self.inner.step()?;
        self.current = None;
        if self.inner.progress().iter.is_multiple_of(self.stride) {
            self.evaluate();
        }
        Ok(())
    }

    fn progress(&self) -> Progress<T> {
        let p = self.inner.progress();
        match self.current {
            Some(c) => p.objective(c.primal).gap(c.gap()),
            None => p,
        }
    }

    fn iterate(&self) -> &[T] {
        self.inner.iterate()
    }
}
