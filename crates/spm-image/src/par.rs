//! The one place that knows whether rayon is there: independent items, results in order.

/// `f` of every item, possibly in parallel; the results are in the order of the items.
#[cfg(feature = "rayon")]
pub(crate) fn map<I: Send, R: Send>(items: Vec<I>, f: impl Fn(I) -> R + Send + Sync) -> Vec<R> {
    use rayon::prelude::*;
    items.into_par_iter().map(f).collect()
}

/// `f` of every item, in order.
#[cfg(not(feature = "rayon"))]
pub(crate) fn map<I, R>(items: Vec<I>, f: impl Fn(I) -> R) -> Vec<R> {
    items.into_iter().map(f).collect()
}

/// Both, possibly at the same time.
#[cfg(feature = "rayon")]
pub(crate) fn join<A: Send, B: Send>(a: impl FnOnce() -> A + Send, b: impl FnOnce() -> B + Send) -> (A, B) {
    rayon::join(a, b)
}

/// Both, one after the other.
#[cfg(not(feature = "rayon"))]
pub(crate) fn join<A, B>(a: impl FnOnce() -> A, b: impl FnOnce() -> B) -> (A, B) {
    (a(), b())
}

/// `f` of the index and contents of every chunk of `size` values, possibly in parallel.
#[cfg(feature = "rayon")]
pub(crate) fn chunks_mut<T: Send>(data: &mut [T], size: usize, f: impl Fn(usize, &mut [T]) + Send + Sync) {
    use rayon::prelude::*;
    data.par_chunks_mut(size).enumerate().for_each(|(k, chunk)| f(k, chunk));
}

/// `f` of the index and contents of every chunk of `size` values, in order.
#[cfg(not(feature = "rayon"))]
pub(crate) fn chunks_mut<T>(data: &mut [T], size: usize, f: impl Fn(usize, &mut [T])) {
    data.chunks_mut(size).enumerate().for_each(|(k, chunk)| f(k, chunk));
}

/// `f` of the index and contents of the chunks of two slices side by side, possibly in parallel.
#[cfg(feature = "rayon")]
pub(crate) fn chunks_pair_mut<S: Send, T: Send>(
    a: &mut [S],
    a_size: usize,
    b: &mut [T],
    b_size: usize,
    f: impl Fn(usize, &mut [S], &mut [T]) + Send + Sync,
) {
    use rayon::prelude::*;
    a.par_chunks_mut(a_size).zip(b.par_chunks_mut(b_size)).enumerate().for_each(|(k, (a, b))| f(k, a, b));
}

/// `f` of the index and contents of the chunks of two slices side by side, in order.
#[cfg(not(feature = "rayon"))]
pub(crate) fn chunks_pair_mut<S, T>(
    a: &mut [S],
    a_size: usize,
    b: &mut [T],
    b_size: usize,
    f: impl Fn(usize, &mut [S], &mut [T]),
) {
    a.chunks_mut(a_size).zip(b.chunks_mut(b_size)).enumerate().for_each(|(k, (a, b))| f(k, a, b));
}
