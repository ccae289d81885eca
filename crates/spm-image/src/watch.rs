//! Progress of long work, and its cancellation.

use core::ops::ControlFlow;

/// How far a computation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// The stage.
    pub what: &'static str,
    /// Units of the stage that are done.
    pub done: usize,
    /// Units of the stage in all.
    pub total: usize,
}

/// What long work calls after every unit; [`ControlFlow::Break`] stops it.
pub type Watch<'a> = dyn FnMut(Step) -> ControlFlow<()> + 'a;

/// Looks at nothing and never stops.
pub(crate) fn unwatched() -> impl FnMut(Step) -> ControlFlow<()> {
    |_| ControlFlow::Continue(())
}
