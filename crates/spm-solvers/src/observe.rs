//! Observers: progress, history and early stopping, outside the mathematics.
//!
//! ```
//! use spm_solvers::Progress;
//! use spm_solvers::observe::{Every, History, Observer};
//! let mut tenth = Every { n: 10, inner: History::default() };
//! for iter in 1..=25 {
//!     let _ = tenth.observe(&Progress::new(iter, 0.0), &[]);
//! }
//! assert_eq!(tenth.inner.entries.len(), 2);
//! ```

use core::fmt;
use std::io::Write;
use std::ops::ControlFlow;

use spm_linalg::Scalar;

use crate::Progress;

/// Sees every iteration; returning [`ControlFlow::Break`] ends the run with [`crate::Status::Interrupted`].
///
/// Any closure `FnMut(&Progress<T>, &[T]) -> ControlFlow<()>` is one.
pub trait Observer<T: Scalar> {
    /// Called after every iteration with the progress and the current iterate.
    fn observe(&mut self, p: &Progress<T>, x: &[T]) -> ControlFlow<()>;
}

impl<T: Scalar, F: FnMut(&Progress<T>, &[T]) -> ControlFlow<()>> Observer<T> for F {
    fn observe(&mut self, p: &Progress<T>, x: &[T]) -> ControlFlow<()> {
        self(p, x)
    }
}

impl<T: Scalar> fmt::Debug for dyn Observer<T> + '_ {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Observer")
    }
}

/// Keeps the progress of every iteration.
#[derive(Debug, Clone, Default)]
pub struct History<T> {
    /// One entry an iteration, oldest first.
    pub entries: Vec<Progress<T>>,
}

impl<T: Scalar> Observer<T> for History<T> {
    fn observe(&mut self, p: &Progress<T>, _x: &[T]) -> ControlFlow<()> {
        self.entries.push(*p);
        ControlFlow::Continue(())
    }
}

/// Passes every `n`-th iteration on to another observer.
#[derive(Debug, Clone)]
pub struct Every<O> {
    /// How often, at least 1.
    pub n: usize,
    /// Who gets to see it.
    pub inner: O,
}

impl<T: Scalar, O: Observer<T>> Observer<T> for Every<O> {
    fn observe(&mut self, p: &Progress<T>, x: &[T]) -> ControlFlow<()> {
        if p.iter.is_multiple_of(self.n.max(1)) {
            self.inner.observe(p, x)
        } else {
            ControlFlow::Continue(())
        }
    }
}

/// Writes one line an iteration to the caller's writer; a failing writer ends the run.
///
/// The columns are iteration, objective, residual, dual residual and gap; `-` stands for a number that the method does
/// not report.
#[derive(Debug)]
pub struct Table<W> {
    /// Where to.
    pub out: W,
}

impl<T: Scalar, W: Write> Observer<T> for Table<W> {
    fn observe(&mut self, p: &Progress<T>, _x: &[T]) -> ControlFlow<()> {
        let cell = |v: Option<T>| v.map_or_else(|| "-".to_owned(), |v| format!("{v:.6e}"));
        let line = writeln!(
            self.out,
            "{:>6}  {:>14}  {:>13}  {:>13}  {:>13}",
            p.iter,
            cell(p.objective),
            cell(Some(p.residual)),
            cell(p.dual_residual),
            cell(p.gap)
        );
        if line.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_skips_and_a_period_of_zero_is_one() {
        let mut every = Every { n: 0, inner: History::default() };
        assert!(every.observe(&Progress::new(1, 0.5), &[]).is_continue());
        assert_eq!(every.inner.entries.len(), 1);
    }

    #[test]
    fn the_table_has_one_line_an_iteration() {
        let mut table = Table { out: Vec::new() };
        assert!(table.observe(&Progress::new(3, 0.5).gap(1e-9), &[]).is_continue());
        let text = String::from_utf8_lossy(&table.out).into_owned();
        assert_eq!(
            text.split_whitespace().collect::<Vec<_>>(),
            ["3", "-", "5.000000e-1", "-", "1.000000e-9"]
        );
        assert!(text.ends_with('\n'));
    }

    #[test]
    fn a_failing_writer_ends_the_run() {
        let mut buffer = [0_u8; 10];
        let mut table = Table { out: &mut buffer[..] };
        assert!(table.observe(&Progress::new(1, 0.5_f64), &[]).is_break());
    }
}
