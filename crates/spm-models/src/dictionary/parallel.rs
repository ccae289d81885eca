//! Independent blocks of items, on all cores if the feature `rayon` is on. The blocks never depend on the number of
//! threads, and results come back in order.

/// `f(block, state)` for every block of `0..n_blocks`, in order; `init` makes the state of a worker.
#[cfg(feature = "rayon")]
pub(crate) fn map_blocks<S, R: Send>(
    n_blocks: usize,
    init: impl Fn() -> S + Send + Sync,
    f: impl Fn(usize, &mut S) -> R + Send + Sync,
) -> Vec<R> {
    use rayon::prelude::*;
    (0..n_blocks).into_par_iter().map_init(init, |state, block| f(block, state)).collect()
}

/// `f(block, state)` for every block of `0..n_blocks`, in order; `init` makes the state of a worker.
#[cfg(not(feature = "rayon"))]
pub(crate) fn map_blocks<S, R: Send>(
    n_blocks: usize,
    init: impl Fn() -> S + Send + Sync,
    f: impl Fn(usize, &mut S) -> R + Send + Sync,
) -> Vec<R> {
    let mut state = init();
    (0..n_blocks).map(|block| f(block, &mut state)).collect()
}

/// `f(block, items)` for every block of `size` items of `data`.
#[cfg(feature = "rayon")]
pub(crate) fn for_blocks_mut<T: Send>(
    data: &mut [T],
    size: usize,
    f: impl Fn(usize, &mut [T]) + Send + Sync,
) {
    use rayon::prelude::*;
    data.par_chunks_mut(size).enumerate().for_each(|(block, items)| f(block, items));
}

/// `f(block, items)` for every block of `size` items of `data`.
#[cfg(not(feature = "rayon"))]
pub(crate) fn for_blocks_mut<T: Send>(
    data: &mut [T],
    size: usize,
    f: impl Fn(usize, &mut [T]) + Send + Sync,
) {
    data.chunks_mut(size).enumerate().for_each(|(block, items)| f(block, items));
}

/// `f(item)` for every item.
#[cfg(feature = "rayon")]
pub(crate) fn for_each_mut<T: Send>(items: &mut [T], f: impl Fn(&mut T) + Send + Sync) {
    use rayon::prelude::*;
    if let [only] = items {
        return f(only);
    }
    items.par_iter_mut().for_each(f);
}

/// `f(item)` for every item.
#[cfg(not(feature = "rayon"))]
pub(crate) fn for_each_mut<T: Send>(items: &mut [T], f: impl Fn(&mut T) + Send + Sync) {
    items.iter_mut().for_each(f);
}

/// `f()` on a thread of the pool: the parallel loops in it then start without a hand-over from outside.
#[cfg(feature = "rayon")]
pub(crate) fn in_pool<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    rayon::scope(|_| f())
}

/// `f()` on a thread of the pool: the parallel loops in it then start without a hand-over from outside.
#[cfg(not(feature = "rayon"))]
pub(crate) fn in_pool<R: Send>(f: impl FnOnce() -> R + Send) -> R {
    f()
}
