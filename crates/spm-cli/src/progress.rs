//! A progress display on the terminal, nothing in a pipe.

use std::io::{IsTerminal, stderr};
use std::ops::ControlFlow;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use sparse_modeling::solvers;

/// Makes the bars of one command.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Progress {
    visible: bool,
}

impl Progress {
    /// Visible only on a terminal and unless `quiet`.
    pub(crate) fn new(quiet: bool) -> Self {
        Self { visible: !quiet && stderr().is_terminal() }
    }

    /// Work of `total` known steps.
    pub(crate) fn bar(&self, total: usize, what: &str) -> ProgressBar {
        if !self.visible {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new(total as u64).with_message(what.to_owned());
        let style = ProgressStyle::with_template("{msg:<36} {bar:28} {pos}/{len}  {elapsed_precise}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    /// Work of unknown length, which says how far it is.
    pub(crate) fn spinner(&self, what: &str) -> ProgressBar {
        if !self.visible {
            return ProgressBar::hidden();
        }
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }
}

/// An observer that shows the iteration, the objective and the gap on `bar`.
pub(crate) fn observer<'a>(
    bar: &'a ProgressBar,
    what: &'a str,
) -> impl FnMut(&solvers::Progress<f64>, &[f64]) -> ControlFlow<()> + 'a {
    move |p, _| {
        let gap = p.gap.map(|g| format!(", gap {g:.1e}")).unwrap_or_default();
        bar.set_message(format!("{what}: iteration {}, residual {:.1e}{gap}", p.iter, p.residual));
        ControlFlow::Continue(())
    }
}
