//! A penalty of one's own with a solver of the library: `λ Σ max(x_j, 0)`, negative entries are free.
//!
//! `cargo run --release -p spm-examples --bin own_penalty_fista`

use sparse_modeling::linalg::{Dense, Facts, MemStack, Prox};
use sparse_modeling::solvers::loss::{LossOf, Quadratic};
use sparse_modeling::solvers::stop::Residual;
use sparse_modeling::solvers::{Composite, Control, Fista, FistaOptions, Iteration, run};

#[derive(Debug)]
struct PositivePart {
    lambda: f64,
}

impl Prox<f64> for PositivePart {
    fn value(&self, x: &[f64]) -> f64 {
        self.lambda * x.iter().map(|v| v.max(0.0)).sum::<f64>()
    }

    fn prox_into(&self, x: &[f64], step: f64, out: &mut [f64], _stack: &mut MemStack) -> f64 {
        for (o, &v) in out.iter_mut().zip(x) {
            *o = if v > step * self.lambda { v - step * self.lambda } else { v.min(0.0) };
        }
        self.value(out)
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().separable().positively_homogeneous()
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let x = [1.0, 0.0, 0.5, 0.2, 1.0, -0.3, 0.0, 0.4, 1.0];
    let y = [2.0, -1.0, 0.1];
    let f = LossOf::new(Quadratic::new(&y)?, Dense::from_column_major(&x, 3, 3)?)?.estimate_norm()?;
    let g = PositivePart { lambda: 0.5 };
    let mut fista = Fista::new(Composite::new(&f, &g)?, &[0.0; 3], &FistaOptions::default())?;
    let report = run(&mut fista, Control::new(10_000, &mut Residual { tol: 1e-10 }))?;
    println!("{}: {:?} after {} iterations", report.status.as_str(), fista.iterate(), report.last.iter);
    Ok(())
}
