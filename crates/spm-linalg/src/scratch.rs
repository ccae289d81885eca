//! Temporary memory handed down by the caller, so that a solver's step allocates nothing.

use core::fmt;

use faer::dyn_stack::MemBuffer;
pub use faer::dyn_stack::{MemStack, StackReq};

/// An owned buffer from which operators and functions carve their temporaries.
///
/// Make one per thread with the requirement that [`crate::LinearOperator::scratch`] and the like report, and
/// lend it with [`Workspace::stack`].
///
/// ```
/// use spm_linalg::{StackReq, Workspace};
/// let mut ws = Workspace::new(StackReq::new::<f64>(3));
/// let (tmp, _rest) = ws.stack().make_with(3, |_| 0.0_f64);
/// assert_eq!(tmp.len(), 3);
/// ```
pub struct Workspace {
    buffer: MemBuffer,
    bytes: usize,
}

impl Workspace {
    /// Allocates a buffer that satisfies `req`.
    #[must_use]
    pub fn new(req: StackReq) -> Self {
        Self { buffer: MemBuffer::new(req), bytes: req.unaligned_bytes_required() }
    }

    /// The buffer as a stack to carve from; everything carved is returned when the borrow ends.
    pub fn stack(&mut self) -> &mut MemStack {
        MemStack::new(&mut self.buffer)
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Workspace").field("bytes", &self.bytes).finish()
    }
}
