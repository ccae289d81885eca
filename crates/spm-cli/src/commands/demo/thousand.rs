//! The talk's first experiment: 1000 features, 20 of them relevant, 100 samples.

use std::time::Duration;

use serde_json::json;
use sparse_modeling::models::{Design, Fit, FittedLinear, Lasso, Solver, Xy};

use super::report::{Experiment, Figure};
use super::{data, gap_text, timed};
use crate::error::CliError;
use crate::outcome::number;
use crate::plot::{self, Series};

const ALPHA_RATIO: f64 = 0.05;
const REWEIGHTED_ALPHA: f64 = 0.05;
const REWEIGHTINGS: usize = 5;

pub(super) fn run(seed: u64) -> Result<Experiment, CliError> {
    let d = data::regression(100, 1000, 20, 0.1, seed.wrapping_add(20));
    let xy = Xy::new(Design::dense(&d.x, d.n, d.p)?, &d.y);
    let mut time = [Duration::ZERO; 2];
    let alpha = ALPHA_RATIO * Lasso::new(1.0).alpha_max(xy)?;
    let model = Lasso::new(alpha).tol(1e-12).max_iter(200_000);
    let cd = timed(&mut time[0], || model.clone().solver(Solver::CoordinateDescent).fit(xy))?;
    let admm = timed(&mut time[1], || model.solver(Solver::Admm).fit(xy))?;

    // Reweighted Lasso (Zou 2006; Candès, Wakin and Boyd 2008): what the last fit found large is penalised less in the next.
    let mut second = cd.clone();
    for _ in 0..REWEIGHTINGS {
        let weights = second.coef.iter().map(|w| 1.0 / (w.abs() + 0.1)).collect();
        let model = Lasso::new(REWEIGHTED_ALPHA).penalty_weights(weights).tol(1e-10);
        second = timed(&mut time[0], || model.fit(xy))?;
    }

    let difference = cd.coef.iter().zip(&admm.coef).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    let relevant = d.truth.iter().filter(|w| **w != 0.0).count();
    let found =
        |f: &FittedLinear<f64>| d.truth.iter().zip(&f.coef).filter(|(t, w)| **t != 0.0 && **w != 0.0).count();
    let error =
        |f: &FittedLinear<f64>| d.truth.iter().zip(&f.coef).map(|(t, w)| (t - w).abs()).fold(0.0, f64::max);
    let same_support = cd.coef.iter().zip(&admm.coef).all(|(a, b)| (*a == 0.0) == (*b == 0.0));

    let marks = |v: &[f64]| -> Vec<(f64, f64)> {
        v.iter().enumerate().filter(|(_, w)| **w != 0.0).map(|(j, &w)| (j as f64, w)).collect()
    };
    let picture = plot::svg(
        "Coefficients: truth and Lasso",
        "feature",
        "coefficient",
        vec![
            Series::dots(marks(&d.truth), "#d9480f", 6.0).label("truth"),
            Series::dots(marks(&cd.coef), "#0b6e99", 2.5).label("Lasso"),
            Series::dots(marks(&second.coef), "#1d2733", 2.5).label("reweighted Lasso"),
        ],
    );
    let line = |f: &FittedLinear<f64>| {
        let ms = 1e3 * f.report.elapsed.as_secs_f64();
        format!("{} iterations, {ms:.1} ms, {}", f.report.last.iter, gap_text(f.relative_gap()))
    };
    Ok(Experiment {
        id: "thousand",
        title: "A thousand features, a hundred samples",
        question: "Ten times more unknowns than measurements: least squares has no answer. Only 20 of the 1000 features \
                   matter. Which ones, and by how much?"
            .to_owned(),
        answer: format!(
            "The Lasso finds {} of the {relevant} relevant features among {} nonzero coefficients; reweighted, it keeps {}, {} of \
             them relevant. Coordinate descent and ADMM agree to {difference:.0e}.",
            found(&cd),
            cd.nnz(),
            second.nnz(),
            found(&second),
        ),
        figures: vec![Figure::svg(
            picture,
            "Every dot is a nonzero coefficient. The Lasso shrinks what it keeps towards zero, the price of its penalty; \
             reweighted by its own result it hardly does.",
        )],
        facts: vec![
            ("alpha", format!("{} ({} of alpha_max)", number(alpha), ALPHA_RATIO)),
            ("coordinate descent", line(&cd)),
            ("ADMM", line(&admm)),
            ("largest difference of the two", format!("{difference:.1e}")),
            ("largest error of a coefficient", format!("{:.2} Lasso, {:.2} reweighted", error(&cd), error(&second))),
            ("same exact zeros", if same_support { "yes" } else { "no" }.to_owned()),
        ],
        results: json!({
            "n": d.n, "p": d.p, "relevant": relevant, "found": found(&cd), "nnz": cd.nnz(), "alpha": alpha,
            "reweighted": { "found": found(&second), "nnz": second.nnz(), "gap": second.gap() },
            "difference": difference, "same_support": same_support,
            "gap": { "cd": cd.gap(), "admm": admm.gap() },
            "objective": { "cd": cd.objective(), "admm": admm.objective() },
            "seconds": { "cd": cd.report.elapsed.as_secs_f64(), "admm": admm.report.elapsed.as_secs_f64() },
        }),
        converged: cd.status().is_converged() && second.status().is_converged() && admm.status().is_converged(),
        seconds: (time[0] + time[1]).as_secs_f64(),
    })
}
