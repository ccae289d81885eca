//! The Lasso of the crate shrinkage on a problem of the regression suite.
//!
//! `peer-shrinkage FOLDER INDEX DIVISOR REPEAT`: the problem of that index at the strength alpha_max / DIVISOR. Prints the suite's line, or
//! nothing if the gap is out of reach. As for the other peers the tolerance is tightened by half decades until the duality gap,
//! recomputed here from the coefficients alone, is at most that of the suite; the seconds are the median of the repetitions, by the
//! clock on the wall.

use std::error::Error;
use std::time::Instant;

use ndarray::{Array2, ShapeBuilder};
use serde_json::{Value, json};
use shrinkage::lazymatrix::SprsCsc;
use shrinkage::{Lasso, LassoFit, Normalization};
use sprs::CsMat;

/// Columns of `X`, dense or by their stored entries.
enum Matrix {
    Dense(Array2<f64>),
    Sparse(CsMat<f64>),
}

struct Problem {
    x: Matrix,
    y: Vec<f64>,
}

fn numbers(folder: &str, name: &Value) -> Result<Vec<f64>, Box<dyn Error>> {
    let bytes = std::fs::read(format!("{folder}/{}", name.as_str().ok_or("no file name")?))?;
    Ok(bytes.as_chunks::<8>().0.iter().map(|&c| f64::from_le_bytes(c)).collect())
}

impl Problem {
    fn read(folder: &str, entry: &Value) -> Result<Self, Box<dyn Error>> {
        let size = |key: &str| entry[key].as_u64().map(|v| v as usize).ok_or("no shape");
        let (n, p) = (size("n")?, size("p")?);
        let (values, y) = (numbers(folder, &entry["x"])?, numbers(folder, &entry["y"])?);
        let x = if entry.get("indptr").is_some() {
            let index = |key: &str| -> Result<Vec<usize>, Box<dyn Error>> {
                Ok(numbers(folder, &entry[key])?.into_iter().map(|v| v as usize).collect())
            };
            Matrix::Sparse(CsMat::new_csc((n, p), index("indptr")?, index("indices")?, values))
        } else {
            Matrix::Dense(Array2::from_shape_vec((n, p).f(), values)?)
        };
        Ok(Self { x, y })
    }

    fn fit(&self, alpha: f64, tol: f64) -> Result<LassoFit, Box<dyn Error>> {
        let model =
            Lasso::new(alpha).normalize(Normalization::Center).tolerance(tol).max_iterations(1_000_000);
        Ok(match &self.x {
            Matrix::Dense(x) => model.fit(&x.view(), &self.y)?,
            Matrix::Sparse(x) => {
                model.fit(&SprsCsc::try_new(x.view()).map_err(|_| "not by columns")?, &self.y)?
            }
        })
    }

    /// `r − X w` less its mean.
    fn residual(&self, w: &[f64]) -> Vec<f64> {
        let mut r = self.y.clone();
        match &self.x {
            Matrix::Dense(x) => {
                for (column, &w) in x.columns().into_iter().zip(w).filter(|(_, w)| **w != 0.0) {
                    r.iter_mut().zip(column).for_each(|(r, x)| *r -= w * x);
                }
            }
            Matrix::Sparse(x) => {
                for (column, &w) in x.outer_iterator().zip(w).filter(|(_, w)| **w != 0.0) {
                    column.iter().for_each(|(i, x)| r[i] -= w * x);
                }
            }
        }
        let mean = r.iter().sum::<f64>() / r.len() as f64;
        r.iter_mut().for_each(|v| *v -= mean);
        r
    }

    /// `max |Xᵀ r| / n` for `r` of mean zero.
    fn correlation(&self, r: &[f64]) -> f64 {
        let largest = match &self.x {
            Matrix::Dense(x) => x
                .columns()
                .into_iter()
                .map(|c| c.iter().zip(r).map(|(x, r)| x * r).sum::<f64>().abs())
                .fold(0.0, f64::max),
            Matrix::Sparse(x) => x
                .outer_iterator()
                .map(|c| c.iter().map(|(i, x)| x * r[i]).sum::<f64>().abs())
                .fold(0.0, f64::max),
        };
        largest / r.len() as f64
    }

    /// The objective and the gap, a share of the objective at zero.
    fn judge(&self, alpha: f64, w: &[f64]) -> (f64, f64) {
        let n = self.y.len() as f64;
        let (r, centred) = (self.residual(w), self.residual(&[]));
        let square = |v: &[f64]| v.iter().map(|v| v * v).sum::<f64>() / (2.0 * n);
        let primal = square(&r) + alpha * w.iter().map(|v| v.abs()).sum::<f64>();
        let scale = (alpha / self.correlation(&r)).min(1.0);
        let inner = r.iter().zip(&centred).map(|(r, y)| r * y).sum::<f64>() / n;
        (primal, (primal - (scale * inner - scale * scale * square(&r))) / square(&centred))
    }
}

/// A line of `/proc/self/status` in MiB.
fn memory(key: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(key)).unwrap_or_default();
    line.split_whitespace().find_map(|w| w.parse::<f64>().ok()).unwrap_or(f64::NAN) / 1024.0
}

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let [folder, index, divisor, repeat] = words.as_slice() else {
        return Err("FOLDER INDEX DIVISOR REPEAT".into());
    };
    let list: Value = serde_json::from_slice(&std::fs::read(format!("{folder}/problems.json"))?)?;
    let entry = &list[index.parse::<usize>()?];
    let problem = Problem::read(folder, entry)?;
    let wanted = entry["tol"].as_f64().ok_or("no tolerance")?;
    let alpha = problem.correlation(&problem.residual(&[])) / divisor.parse::<f64>()?;
    // The peak so far is that of reading; 5 forgets it.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let before = memory("VmRSS:");
    for half in 2..18 {
        let tol = alpha * 10.0_f64.powf(-0.5 * f64::from(half));
        let fit = problem.fit(alpha, tol)?;
        let (objective, gap) = problem.judge(alpha, fit.coefficients());
        if gap > wanted {
            continue;
        }
        let peak = memory("VmHWM:") - before;
        let mut seconds = Vec::new();
        for _ in 0..repeat.parse::<usize>()?.max(1) {
            let start = Instant::now();
            let _ = problem.fit(alpha, tol)?;
            seconds.push(start.elapsed().as_secs_f64());
        }
        seconds.sort_by(f64::total_cmp);
        let row = json!({
            "problem": format!("{} alpha_max/{divisor}", entry["name"].as_str().ok_or("no name")?), "solver": "shrinkage",
            "tol": wanted, "iterations": fit.iterations(), "seconds": seconds[seconds.len() / 2], "objective": objective, "gap": gap,
            "nnz": fit.coefficients().iter().filter(|&&w| w != 0.0).count(), "peak_mib": peak,
        });
        println!("{row}");
        break;
    }
    Ok(())
}
