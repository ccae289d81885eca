//! Iterations of the trend of several channels allocate nothing.
#![allow(unsafe_code, clippy::unwrap_used)] // The counting allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use spm_linalg::testing::Rng;
use spm_timeseries::{GroupTrend, Series};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: every call is handed to the system allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<R>(work: impl FnOnce() -> R) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    std::hint::black_box(work());
    ALLOCATIONS.with(Cell::get) - before
}

/// The same number for one iteration and for many.
#[test]
fn steps_of_a_group_trend_do_not_allocate() {
    let mut rng = Rng::new(1);
    let mut y: Vec<f64> = (0..200).map(|_| rng.normal::<f64>()).collect();
    for gap in [false, true] {
        if gap {
            y[31..40].fill(f64::NAN);
        }
        // With this tolerance no iteration is the last.
        let fit = |iterations: usize| {
            let model = GroupTrend::new(1, 2.0).tol(0.0).max_iter(iterations);
            allocations(|| model.fit(Series::new(&y), 2).unwrap())
        };
        let (one, many) = (fit(1), fit(500));
        // The knots found are a list that grows.
        assert!(one > 10 && many <= one + 8, "{one} {many}");
    }
}
