//! Products, proximal operators, gradients and Krylov solves allocate nothing.
#![allow(unsafe_code)] // The counting allocator.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use spm_linalg::krylov::{Cg, KrylovStatus, Lsqr};
use spm_linalg::operator::{Dense, Identity};
use spm_linalg::testing::{
    Rng, functions, group_functions, operators, separable_functions, smooth_functions,
};
use spm_linalg::{LinearOperator, LinearOperatorExt, MemStack, Scalar, Workspace};

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

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

#[test]
fn the_counter_counts() {
    assert!(allocations(|| drop(std::hint::black_box(vec![1.0; 10]))) > 0);
}

#[test]
fn products_do_not_allocate() {
    let mut rng = Rng::new(1);
    for (name, op) in operators::<f64>() {
        let mut ws = Workspace::new(op.scratch());
        let (mut x, mut y): (Vec<f64>, Vec<f64>) = (rng.normals(op.ncols()), rng.normals(op.nrows()));
        let count = allocations(|| {
            op.apply(&x, &mut y, ws.stack());
            op.apply_adjoint(&y, &mut x, ws.stack());
        });
        assert_eq!(count, 0, "{name}");
    }
}

fn functions_do_not_allocate<T: Scalar>() {
    let mut rng = Rng::new(3);
    let half = T::of(0.5);
    for (name, g, n) in functions::<T>() {
        let mut ws = Workspace::new(g.scratch(n).or(g.scratch_conj(n)));
        let (x, mut out): (Vec<T>, Vec<T>) = (rng.normals(n), vec![T::zero(); n]);
        let mut clean = |method: &str, call: &mut dyn FnMut(&mut [T], &mut MemStack)| {
            let count = allocations(|| call(&mut out, ws.stack()));
            assert_eq!(count, 0, "{method} of {name}: {g:?}");
        };
        clean("prox_into", &mut |out, stack| {
            g.prox_into(&x, half, out, stack);
        });
        clean("prox_conj_into", &mut |out, stack| {
            g.prox_conj_into(&x, half, out, stack);
        });
        clean("polar", &mut |_, stack| {
            g.polar(&x, stack);
        });
        // The conjugate of a conjugate is the value, which may.
        if name != "Conjugate" {
            clean("conj_value", &mut |_, stack| {
                g.conj_value(&x, stack);
            });
        }
        clean("scratch", &mut |_, _| {
            let _ = (g.facts(), g.dim(), g.scratch(n), g.scratch_conj(n));
        });
    }
    for (name, g, n) in separable_functions::<T>() {
        let count = allocations(|| {
            for j in 0..n {
                let p = g.prox_at(j, half, half);
                let _ = (g.value_at(j, p), g.subdiff_distance_at(j, p, half), g.expansion_at(j, p));
            }
        });
        assert_eq!(count, 0, "the coordinate form of {name}");
    }
    for (name, g, n) in group_functions::<T>() {
        let (x, mut out): (Vec<T>, Vec<T>) = (rng.normals(n), vec![T::zero(); n]);
        let count = allocations(|| {
            for k in 0..g.n_groups() {
                let at = g.group(k);
                g.prox_group_into(k, &x[at.clone()], half, &mut out[at.clone()]);
                g.subdiff_distance_group(k, &out[at.clone()], &x[at]);
            }
        });
        assert_eq!(count, 0, "the group form of {name}");
    }
    for (name, f) in smooth_functions::<T>() {
        let mut ws = Workspace::new(f.scratch());
        let (x, mut grad): (Vec<T>, Vec<T>) = (rng.normals(f.dim()), vec![T::zero(); f.dim()]);
        let count = allocations(|| {
            f.value(&x, ws.stack());
            f.value_grad_into(&x, &mut grad, ws.stack());
        });
        assert_eq!(count, 0, "{name}");
    }
}

#[test]
fn proximal_operators_and_gradients_do_not_allocate() {
    functions_do_not_allocate::<f64>();
    functions_do_not_allocate::<f32>();
}

#[test]
fn krylov_solves_do_not_allocate() {
    let mut rng = Rng::new(2);
    let data: Vec<f64> = rng.normals(60 * 20);
    let b: Vec<f64> = rng.normals(60);
    let design = Dense::from_column_major(&data, 60, 20).expect("fits");
    let normal = design.gram().plus(Identity::new(20)).expect("fits");
    let rhs = design.apply_adjoint_vec(&b);
    let (mut cg, mut lsqr) = (Cg::new(20), Lsqr::new(60, 20));
    let (mut x, mut z) = (vec![0.0; 20], vec![0.0; 20]);
    let mut ws = Workspace::new(normal.scratch().or(design.scratch()));
    let count = allocations(|| {
        let cg = cg.solve(&normal, &rhs, &mut x, 1e-12, 100, ws.stack());
        let lsqr = lsqr.solve(&design, &b, &mut z, 1.0, 1e-12, 100, ws.stack());
        assert_eq!((cg.status, lsqr.status), (KrylovStatus::Converged, KrylovStatus::Converged));
    });
    assert_eq!(count, 0);
    // Two methods, one ridge regression.
    for (x, z) in x.iter().zip(&z) {
        assert!((x - z).abs() < 1e-10);
    }
}
