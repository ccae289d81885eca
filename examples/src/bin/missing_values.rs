//! A table with 30, 60 and 90 % of its values missing: the Lasso for missing values (HMLasso) against filling in the means and against
//! leaving out incomplete rows.
//!
//! Every method gets the best strength of its own path. The Lasso for missing values wins as long as pairs of features share rows: at
//! 90 % missing they share about ten of 1000. With a third of the rows they share three, and filling in the means, which shrinks, is
//! the better of the two there.
//!
//! `cargo run --release -p spm-examples --bin missing_values`

use sparse_modeling::models::{Design, Fit, HmLasso, Lasso, ModelError, Xy};
use spm_examples::normals;

const ROWS: usize = 1000;
const TRUTH: [f64; 10] = [2.0, 0.0, -1.5, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.5];
const DRAWS: usize = 12;
/// The share of missing values in percent, and the normal quantile that cuts it off.
const MISSING: [(u32, f64); 3] = [(30, -0.5244), (60, 0.2533), (90, 1.2816)];

/// Coefficients at every strength of a grid, as shares of the largest.
fn path(
    alpha_max: f64,
    fit: impl Fn(f64) -> Result<Vec<f64>, ModelError>,
) -> Result<Vec<Vec<f64>>, ModelError> {
    (0..12).map(|k| fit(alpha_max * 0.65_f64.powi(k))).collect()
}

/// The expected squared error of a prediction, beyond the noise, of the best coefficients on a path: neighbouring features have
/// the correlation 0.7.
fn error(coefs: &[Vec<f64>]) -> f64 {
    let one = |w: &Vec<f64>| {
        let off: Vec<f64> = w.iter().zip(TRUTH).map(|(a, b)| a - b).collect();
        let pairs = (0..100).map(|k| (k / 10, k % 10));
        pairs.map(|(i, j)| off[i] * off[j] * 0.7_f64.powi((i as i32 - j as i32).abs())).sum::<f64>()
    };
    coefs.iter().map(one).fold(f64::INFINITY, f64::min)
}

fn lasso_path(x: &[f64], y: &[f64]) -> Result<Vec<Vec<f64>>, ModelError> {
    let data = Xy::new(Design::dense(x, y.len(), TRUTH.len())?, y);
    path(Lasso::new(1.0).alpha_max(data)?, |alpha| Ok(Lasso::new(alpha).fit(data)?.require_converged()?.coef))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (n, p) = (ROWS, TRUTH.len());
    let mut random = normals(DRAWS * n * (2 * p + 1)).into_iter();
    let mut draw = |count: usize| -> Vec<f64> { random.by_ref().take(count).collect() };
    println!(
        "Squared error of a prediction beyond the noise, at the best of 12 strengths; means over {DRAWS} draws."
    );
    println!("{n} rows, {p} features; without any feature the error is {:.2}.\n", error(&[vec![0.0; p]]));
    println!("{:>8} {:>10} {:>14} {:>14}", "missing", "HMLasso", "means filled", "complete rows");
    let mut sums = [[0.0; 3]; 3];
    let mut complete_draws = [0; 3];
    for _ in 0..DRAWS {
        let mut x = draw(n * p);
        for k in n..n * p {
            x[k] = 0.7 * x[k - n] + 0.51_f64.sqrt() * x[k];
        }
        let noise = draw(n);
        let y: Vec<f64> =
            (0..n).map(|i| 3.0 + noise[i] + (0..p).map(|j| TRUTH[j] * x[j * n + i]).sum::<f64>()).collect();
        let holes = draw(n * p);
        for (row, (_, cut)) in MISSING.into_iter().enumerate() {
            let seen = |k: usize| holes[k] > cut;
            let with_holes: Vec<f64> = (0..n * p).map(|k| if seen(k) { x[k] } else { f64::NAN }).collect();
            let data = Xy::new(Design::dense(&with_holes, n, p)?, &y);
            let hm = path(HmLasso::new(1.0).alpha_max(data)?, |alpha| {
                Ok(HmLasso::new(alpha).fit(data)?.require_converged()?.coef)
            })?;
            sums[row][0] += error(&hm);

            let mut filled = with_holes.clone();
            for column in filled.chunks_exact_mut(n) {
                let there: Vec<f64> = column.iter().copied().filter(|v| !v.is_nan()).collect();
                let mean = there.iter().sum::<f64>() / there.len() as f64;
                column.iter_mut().filter(|v| v.is_nan()).for_each(|v| *v = mean);
            }
            sums[row][1] += error(&lasso_path(&filled, &y)?);

            let complete: Vec<usize> = (0..n).filter(|&i| (0..p).all(|j| seen(j * n + i))).collect();
            if complete.len() > 1 {
                let columns: Vec<f64> =
                    (0..p).flat_map(|j| complete.iter().map(move |&i| j * n + i)).map(|k| x[k]).collect();
                let responses: Vec<f64> = complete.iter().map(|&i| y[i]).collect();
                sums[row][2] += error(&lasso_path(&columns, &responses)?);
                complete_draws[row] += 1;
            }
        }
    }
    for (row, (percent, _)) in MISSING.into_iter().enumerate() {
        let mean = |column: usize| sums[row][column] / DRAWS as f64;
        let complete = match complete_draws[row] {
            0 => "no such row".to_owned(),
            some => format!("{:.3}", sums[row][2] / f64::from(some)),
        };
        println!("{:>6} % {:>10.3} {:>14.3} {:>14}", percent, mean(0), mean(1), complete);
    }
    Ok(())
}
