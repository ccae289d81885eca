//! The one place that knows whether rayon is there.

/// From this length on a series is worked on as two halves, whatever the number of threads.
pub(crate) const HALVES: usize = 1 << 15;

/// Both, at the same time if a series of `n` values is worth it.
#[cfg(feature = "rayon")]
pub(crate) fn join<A: Send, B: Send>(
    n: usize,
    a: impl FnOnce() -> A + Send,
    b: impl FnOnce() -> B + Send,
) -> (A, B) {
    if n < HALVES { (a(), b()) } else { rayon::join(a, b) }
}

/// Both, one after the other.
#[cfg(not(feature = "rayon"))]
pub(crate) fn join<A, B>(_n: usize, a: impl FnOnce() -> A, b: impl FnOnce() -> B) -> (A, B) {
    (a(), b())
}

/// `f` of every item, in order, possibly several at the same time.
#[cfg(feature = "rayon")]
pub(crate) fn map<I: Send, R: Send>(items: &mut [I], f: impl Fn(&mut I) -> R + Send + Sync) -> Vec<R> {
    use rayon::iter::{IntoParallelRefMutIterator, ParallelIterator};
    items.par_iter_mut().map(f).collect()
}

/// `f` of every item, in order.
#[cfg(not(feature = "rayon"))]
pub(crate) fn map<I, R>(items: &mut [I], f: impl Fn(&mut I) -> R) -> Vec<R> {
    items.iter_mut().map(f).collect()
}
