//! The problem suite: every problem by every solver that fits it, one JSON line each.
//!
//! The gap of regression and of total variation on a line is recomputed here, from the solution and the definition alone; that of
//! trend filtering and of images is the library's certificate.
//!
//! Arguments: a size (`tiny`, `small`, `medium`) and the number of repetitions, of which the median time is reported; or
//! `dump`, a size and a folder, to write the regression problems for other programs.

use std::path::Path;
use std::time::Instant;

use serde_json::json;
use sparse_modeling::image::Gray;
use sparse_modeling::image::tv::{Coupling, TvDenoise};
use sparse_modeling::models::{Design, Fit, Lasso, Solver, Xy};
use sparse_modeling::timeseries::{FusedLasso, Series, TrendFilter, trend_lambda_max};
use spm_benches::problems::{Regression, Size, disc, regressions, steps, walk, wave};

/// Duality gap of regression, relative to the objective at zero.
const TOL: f64 = 1e-8;
/// Shares of alpha_max.
const RATIOS: [f64; 2] = [0.1, 0.01];

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1).peekable();
    if words.next_if(|w| w == "dump").is_some() {
        let size =
            words.next().as_deref().and_then(Size::parse).ok_or("the size is tiny, small or medium")?;
        return dump(size, Path::new(&words.next().ok_or("dump needs a folder")?));
    }
    let size = words.next().as_deref().and_then(Size::parse).ok_or("the size is tiny, small or medium")?;
    let repeat: usize = words.next().map_or(Ok(1), |w| w.parse())?;
    for problem in regressions(size) {
        regression(&problem, repeat)?;
    }
    series(size, repeat)?;
    pictures(size, repeat)?;
    Ok(())
}

/// Writes the regression problems: arrays as raw doubles, and `problems.json` that names them.
fn dump(size: Size, folder: &Path) -> Result<(), Failure> {
    let mut list = Vec::new();
    for (k, problem) in regressions(size).into_iter().enumerate() {
        let (x, y) = (format!("{k}.x.f64"), format!("{k}.y.f64"));
        for (name, data) in [(&x, &problem.x), (&y, &problem.y)] {
            std::fs::write(
                folder.join(name),
                data.iter().flat_map(|v| v.to_ne_bytes()).collect::<Vec<u8>>(),
            )?;
        }
        list.push(json!({ "name": problem.name, "n": problem.n, "p": problem.p, "x": x, "y": y, "tol": TOL, "ratios": RATIOS }));
    }
    std::fs::write(folder.join("problems.json"), serde_json::Value::Array(list).to_string())?;
    Ok(())
}

/// One line of the result.
#[allow(clippy::print_stdout)]
fn row(problem: &str, solver: &str, tol: f64, seconds: f64, solution: Solution) {
    let Solution { iterations, objective, gap, nnz } = solution;
    println!(
        "{}",
        json!({ "problem": problem, "solver": solver, "tol": tol, "iterations": iterations, "seconds": seconds,
                "objective": objective, "gap": gap, "nnz": nnz })
    );
}

struct Solution {
    iterations: usize,
    objective: f64,
    /// Relative: by the objective at zero for regression, by the objective elsewhere.
    gap: f64,
    /// Nonzero coefficients, segments or knots; 0 where nothing is counted.
    nnz: usize,
}

/// Solves `repeat` times; the last result and the median time.
fn timed<R>(repeat: usize, mut solve: impl FnMut() -> Result<R, Failure>) -> Result<(R, f64), Failure> {
    let mut times = Vec::new();
    let mut last = None;
    for _ in 0..repeat.max(1) {
        let start = Instant::now();
        last = Some(solve()?);
        times.push(start.elapsed().as_secs_f64());
    }
    times.sort_by(f64::total_cmp);
    Ok((last.ok_or("nothing was solved")?, times[times.len() / 2]))
}

fn regression(problem: &Regression, repeat: usize) -> Result<(), Failure> {
    let data = Xy::new(Design::dense(&problem.x, problem.n, problem.p)?, &problem.y);
    let top = Lasso::new(1.0).alpha_max(data)?;
    let solvers =
        [("cd", Solver::CoordinateDescent, 0.01), ("admm", Solver::Admm, 0.1), ("fista", Solver::Fista, 0.1)];
    for (name, solver, least) in solvers {
        for ratio in RATIOS {
            if ratio < least {
                continue;
            }
            let model = Lasso::new(ratio * top).solver(solver).tol(TOL).max_iter(200_000);
            let (fitted, seconds) = timed(repeat, || Ok(model.fit(data)?))?;
            let (objective, gap) = lasso_gap(problem, &fitted.coef, fitted.intercept, ratio * top);
            let solution = Solution {
                iterations: fitted.report.last.iter,
                objective,
                gap: gap / fitted.objective_at_zero,
                nnz: fitted.nnz(),
            };
            row(&format!("{},alpha/alpha_max={ratio}", problem.name), name, TOL, seconds, solution);
        }
    }
    Ok(())
}

/// Objective and duality gap of `1/(2n)‖y − Xw − b‖² + alpha‖w‖₁`, from the definition.
fn lasso_gap(problem: &Regression, w: &[f64], b: f64, alpha: f64) -> (f64, f64) {
    let n = problem.n as f64;
    let mut r: Vec<f64> = problem.y.iter().map(|y| y - b).collect();
    for (col, &wj) in problem.x.chunks_exact(problem.n).zip(w) {
        if wj != 0.0 {
            r.iter_mut().zip(col).for_each(|(r, x)| *r -= wj * x);
        }
    }
    let primal =
        r.iter().map(|v| v * v).sum::<f64>() / (2.0 * n) + alpha * w.iter().map(|v| v.abs()).sum::<f64>();
    let mean = r.iter().sum::<f64>() / n;
    let theta: Vec<f64> = r.iter().map(|v| (v - mean) / n).collect();
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
    let largest = problem.x.chunks_exact(problem.n).map(|c| dot(c, &theta).abs()).fold(0.0, f64::max);
    let s = if largest > alpha { alpha / largest } else { 1.0 };
    (primal, primal - (s * dot(&theta, &problem.y) - s * s * n / 2.0 * dot(&theta, &theta)))
}

fn series(size: Size, repeat: usize) -> Result<(), Failure> {
    let n = size.pick(500, 100_000, 1_000_000);
    for (name, y, lambda) in [("steps", steps(n), 5.0), ("walk", walk(n), 100.0)] {
        let (fit, seconds) = timed(repeat, || Ok(FusedLasso::new(lambda).fit(Series::new(&y))?))?;
        let (objective, gap) = total_variation_gap(&y, fit.x(), lambda);
        let solution = Solution { iterations: 0, objective, gap: gap / objective, nnz: fit.segments().len() };
        row(&format!("tv1d-{name}/n={n},lambda={lambda}"), "taut-string", 1e-8, seconds, solution);
    }
    for order in [1, 2] {
        let n = size.pick(200, 1000, 10_000);
        let y = wave(n);
        let lambda = 1e-3 * trend_lambda_max(Series::new(&y), order)?;
        let (fit, seconds) = timed(repeat, || Ok(TrendFilter::new(order, lambda).fit(Series::new(&y))?))?;
        let solution = Solution {
            iterations: fit.iterations(),
            objective: fit.objective(),
            gap: fit.certificate().relative_gap(fit.objective()),
            nnz: fit.knots().len(),
        };
        row(&format!("trend-order{order}/n={n},ratio=0.001"), "interior-point", 1e-8, seconds, solution);
    }
    Ok(())
}

/// Objective and duality gap of `½‖y − x‖² + lambda Σ|x_{i+1} − x_i|`: the dual point is the running sum of the residual.
fn total_variation_gap(y: &[f64], x: &[f64], lambda: f64) -> (f64, f64) {
    let variation: f64 = x.windows(2).map(|w| (w[1] - w[0]).abs()).sum();
    let primal = y.iter().zip(x).map(|(y, x)| (y - x).powi(2)).sum::<f64>() / 2.0 + lambda * variation;
    let mut sum = 0.0;
    let mut u: Vec<f64> = y
        .iter()
        .zip(x)
        .map(|(y, x)| {
            sum -= y - x;
            sum
        })
        .collect();
    u.pop();
    let s = (lambda / u.iter().fold(lambda, |m, v| m.max(v.abs()))).min(1.0);
    let at = |i: usize| if i < u.len() { s * u[i] } else { 0.0 };
    let dual: f64 = (0..y.len())
        .map(|i| {
            let v = if i > 0 { at(i - 1) } else { 0.0 } - at(i);
            v * y[i] - v * v / 2.0
        })
        .sum();
    (primal, primal - dual)
}

fn pictures(size: Size, repeat: usize) -> Result<(), Failure> {
    let side = size.pick(48, 256, 512);
    let image = Gray::new(side, side, disc(side))?;
    for (name, coupling) in [("iso", Coupling::Isotropic), ("aniso", Coupling::Anisotropic)] {
        let tol = 1e-4;
        let model = TvDenoise::new(0.1).coupling(coupling).tol(tol).max_iter(20_000);
        let (result, seconds) = timed(repeat, || Ok(model.denoise(image.view())?))?;
        let solution = Solution {
            iterations: result.iterations(),
            objective: result.certificate.primal,
            gap: result.relative_gap(),
            nnz: 0,
        };
        row(&format!("tv2d-{name}/side={side},lambda=0.1"), "first-order", tol, seconds, solution);
    }
    Ok(())
}
