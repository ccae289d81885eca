//! Which measurements foretell diabetes: the Lasso on the table of Efron et al. 2004, by two solvers.
//!
//! `cargo run --release -p spm-examples --bin diabetes_lasso`

use sparse_modeling::models::{Design, Fit, Lasso, Score, Solver, Xy};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let table = include_str!("../../../crates/spm-cli/data/diabetes.csv");
    let mut lines = table.lines();
    let names: Vec<&str> = lines.next().ok_or("the table is empty")?.split(',').collect();
    let rows: Vec<Vec<f64>> =
        lines.map(|l| l.split(',').map(str::parse).collect()).collect::<Result<_, _>>()?;
    let (n, p) = (rows.len(), names.len() - 1);
    let x: Vec<f64> = (0..p).flat_map(|j| rows.iter().map(move |r| r[j])).collect();
    let y: Vec<f64> = rows.iter().map(|r| r[p]).collect();

    let data = Xy::new(Design::dense(&x, n, p)?, &y);
    let alpha = 0.2 * Lasso::new(1.0).standardize(true).alpha_max(data)?;
    for solver in [Solver::CoordinateDescent, Solver::Admm] {
        let fitted =
            Lasso::new(alpha).standardize(true).solver(solver).tol(1e-10).fit(data)?.require_converged()?;
        println!("{solver:?}: R² {:.3}, relative gap {:.1e}", fitted.score(data)?, fitted.relative_gap());
        for (j, coefficient) in fitted.nonzeros() {
            println!("  {:>4} {coefficient:>9.4}", names[j]);
        }
    }
    Ok(())
}
