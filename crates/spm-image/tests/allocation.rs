//! An iteration allocates nothing: neither the solvers for total variation nor those with a Fourier data term.
#![allow(clippy::unwrap_used, unsafe_code)] // The counting allocator.
#![cfg(feature = "rayon")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::ops::ControlFlow;

use spm_image::Gray;
use spm_image::mri::{KSpace, Mri, mask, phantom};
use spm_image::tv::{Coupling, Fidelity, Samples, Tgv, TvDeblur, TvDenoise, TvRestore};
use spm_image::wavelet::Wavelet;
use spm_linalg::testing::Rng;
use spm_solvers::Progress;

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

const ITERATIONS: usize = 60;

/// Runs a solver with `ITERATIONS` iterations on one thread, and requires that nothing is allocated between the first and the last.
fn check(name: &str, solve: impl FnOnce(&mut dyn FnMut(&Progress<f64>) -> ControlFlow<()>) + Send) {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        let (mut calls, mut first, mut last) = (0, 0, 0);
        solve(&mut |_| {
            last = ALLOCATIONS.with(Cell::get);
            first = if calls == 0 { last } else { first };
            calls += 1;
            ControlFlow::Continue(())
        });
        assert!(calls >= ITERATIONS && first > 0, "{name}: {calls} iterations");
        assert_eq!(last - first, 0, "{name}: allocations of {calls} iterations");
    });
}

fn noisy(n: usize) -> Vec<f64> {
    let mut rng = Rng::new(3);
    (0..n).map(|k| f64::from(u8::from(k % 40 > 20)) + 0.1 * rng.normal::<f64>()).collect()
}

#[test]
fn compressed_sensing_allocates_nothing() {
    let image = phantom(48).unwrap();
    let plain =
        KSpace::measure((48, 48), mask::random((48, 48), 3.0, 0.05, 1).unwrap(), &image, vec![]).unwrap();
    let sensitivities = [0.8, 0.6].iter().flat_map(|s| vec![(*s).into(); 48 * 48]).collect();
    let coils = KSpace::measure((48, 48), plain.mask().to_vec(), &image, sensitivities).unwrap();
    let tv = Mri::new(0.01).tol(0.0).max_iter(ITERATIONS);
    for (name, method, kspace) in [
        ("real", tv.real(true), &plain),
        ("complex", tv, &plain),
        ("wavelets", tv.wavelet(Wavelet::Db4, 0.01), &plain),
        ("coils", tv, &coils),
    ] {
        check(name, |progress| drop(method.reconstruct_with(kspace, progress).unwrap()));
    }
}

#[test]
fn total_variation_allocates_nothing() {
    let image = Gray::new(40, 40, noisy(1600)).unwrap();
    for coupling in [Coupling::Isotropic, Coupling::Anisotropic] {
        let method = TvDenoise::new(0.1).coupling(coupling).tol(1e-9).max_iter(400);
        check("denoise", |progress| drop(method.denoise_with(image.view(), progress).unwrap()));
    }
    let values = noisy(1000);
    for fidelity in [Fidelity::Absolute, Fidelity::Squared] {
        let method = TvRestore::new(0.1).fidelity(fidelity).tol(0.0).max_iter(ITERATIONS);
        let samples = Samples { shape: &[10, 10, 10], values: &values, weights: None, edges: None };
        check("restore", |progress| drop(method.restore_with(samples, progress).unwrap()));
    }
    let kernel = Gray::new(1, 3, vec![0.25, 0.5, 0.25]).unwrap();
    let method = TvDeblur::new(0.1).tol(0.0).max_iter(ITERATIONS);
    check("deblur", |progress| drop(method.deblur_with(image.view(), kernel.view(), progress).unwrap()));
    let method = Tgv::new(0.1).tol(0.0).max_iter(ITERATIONS);
    check("tgv", |progress| drop(method.denoise_with(image.view(), progress).unwrap()));
}
