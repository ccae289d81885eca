//! Every function of the catalogue under FISTA and under the certificates.
#![allow(clippy::unwrap_used)]

use spm_linalg::testing::{Rng, functions};
use spm_linalg::{Dense, Prox, Workspace};
use spm_solvers::kkt::{DualityGap, fixed_point_residual};
use spm_solvers::loss::{Huber, Logistic, Loss, LossOf, Quadratic};
use spm_solvers::{Composite, Control, Fista, FistaOptions, Iteration, run, stop};

/// A point in the domain of `g`: the prox at a random one.
fn feasible(g: &dyn Prox<f64>, n: usize, rng: &mut Rng) -> Vec<f64> {
    let mut out = vec![0.0; n];
    g.prox_into(&rng.normals(n), 0.3, &mut out, Workspace::new(g.scratch(n)).stack());
    out
}

#[test]
fn the_dual_value_never_exceeds_a_primal_value() {
    let mut rng = Rng::new(31);
    for (name, g, n) in functions::<f64>() {
        let rows = n + 2;
        let a: Vec<f64> = rng.normals(rows * n);
        let op = Dense::from_column_major(&a, rows, n).unwrap();
        let y: Vec<f64> = (0..rows).map(|_| rng.uniform()).collect();
        let losses: [Box<dyn Loss<f64>>; 3] = [
            Box::new(Quadratic::new(&y).unwrap()),
            Box::new(Logistic::new(&y).unwrap()),
            Box::new(Huber::new(&y, 0.2).unwrap()),
        ];
        for loss in &losses {
            let mut evaluator = DualityGap::new(&**loss, &op, &*g);
            let (mut lowest, mut highest) = (f64::INFINITY, f64::NEG_INFINITY);
            for _ in 0..30 {
                let c = evaluator.certificate(&feasible(&*g, n, &mut rng));
                assert!(!c.primal.is_nan() && !c.dual.is_nan(), "{name} with {loss:?}: {c:?}");
                lowest = lowest.min(c.primal);
                highest = highest.max(c.dual);
            }
            assert!(lowest.is_finite(), "{name}");
            assert!(highest <= lowest + 1e-9 * (1.0 + lowest.abs()), "{name}: {highest} > {lowest}");
        }
    }
}

#[test]
fn fista_solves_with_every_convex_function_and_the_gap_closes_where_one_is_known() {
    let mut rng = Rng::new(32);
    let mut closed = 0;
    for (name, g, n) in functions::<f64>() {
        if !g.facts().convex {
            continue;
        }
        let rows = 2 * n + 2;
        let a: Vec<f64> = rng.normals(rows * n);
        let op = Dense::from_column_major(&a, rows, n).unwrap();
        let y: Vec<f64> = rng.normals(rows);
        let loss = Quadratic::new(&y).unwrap();
        let f = LossOf::new(loss, op).unwrap().estimate_norm().unwrap();
        let problem = Composite::new(&f, &*g).unwrap();
        let start = feasible(&*g, n, &mut rng);
        let mut fista = Fista::new(problem, &start, &FistaOptions::default()).unwrap();
        let report = run(&mut fista, Control::new(5000, &mut stop::Residual { tol: 1e-9 })).unwrap();
        assert!(report.status.is_converged(), "{name}: {report:?}");
        assert!(fixed_point_residual(problem, fista.iterate(), 0.7 / rows as f64) < 1e-7, "{name}");
        let c = DualityGap::new(&loss, &op, &*g).certificate(fista.iterate());
        if c.dual > 0.0 {
            assert!(c.gap() < 1e-6 * (1.0 + c.primal.abs()), "{name}: {c:?}");
            closed += 1;
        } else {
            // A function that leaves a direction free gets the dual value at 0, −F*(0) − g*(0).
            let at_zero = conjugate_at_zero(&*g, n);
            assert!(c.dual >= -at_zero || at_zero == f64::INFINITY, "{name}: {c:?}");
        }
    }
    assert!(closed >= 45, "only {closed} gaps closed");
}

/// `g*(0) = −inf g`, `+∞` if not known.
fn conjugate_at_zero(g: &dyn Prox<f64>, n: usize) -> f64 {
    let mut workspace = Workspace::new(g.scratch(n));
    let zero = vec![0.0; n];
    match g.polar(&zero, workspace.stack()) {
        Some(_) => 0.0,
        None => g.conj_value(&zero, workspace.stack()).unwrap_or(f64::INFINITY),
    }
}
