//! Small problems whose solution or certificate is known by construction.

use spm_linalg::testing::Rng;
use spm_linalg::{Dense, LinalgError};

use crate::Certificate;

/// A problem with data `(A, y, lambda)` and a judge that certifies any point of it.
///
/// The problem is `min ½‖A w − y‖² + lambda·penalty(w)`; which penalty is known to the judge and to the solver under
/// test. [`lasso_problems`] and [`denoising_problems`] are ready-made; [`Reference::new`] makes your own.
#[derive(Debug, Clone)]
pub struct Reference {
    /// What the problem tries, for messages.
    pub name: &'static str,
    /// Rows of `A`.
    pub nrows: usize,
    /// Columns of `A`, the length of a solution.
    pub ncols: usize,
    /// `A`, column-major, length `nrows·ncols`; empty where `A` is the identity.
    pub design: Vec<f64>,
    /// The targets, length `nrows`.
    pub y: Vec<f64>,
    /// The weight of the penalty.
    pub lambda: f64,
    /// The solution, where it is unique and known.
    pub solution: Option<Vec<f64>>,
    judge: fn(&Reference, &[f64]) -> Certificate<f64>,
}

impl Reference {
    /// A problem of your own. `judge` returns the objective at a point and a lower bound of the optimum, by plain
    /// arithmetic that shares nothing with the solver under test.
    pub fn new(
        name: &'static str,
        (nrows, ncols): (usize, usize),
        design: Vec<f64>,
        y: Vec<f64>,
        lambda: f64,
        judge: fn(&Reference, &[f64]) -> Certificate<f64>,
    ) -> Self {
        Self { name, nrows, ncols, design, y, lambda, solution: None, judge }
    }

    /// States the solution.
    #[must_use]
    pub fn solution(mut self, w: Vec<f64>) -> Self {
        self.solution = Some(w);
        self
    }

    /// The design as an operator.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if the data do not fit the dimensions, an identity that is not stored included.
    pub fn op(&self) -> Result<Dense<'_, f64>, LinalgError> {
        Dense::from_column_major(&self.design, self.nrows, self.ncols)
    }

    /// The Frobenius norm of the design, an upper bound of its spectral norm.
    #[must_use]
    pub fn norm(&self) -> f64 {
        if self.design.is_empty() {
            return 1.0;
        }
        self.design.iter().map(|v| v * v).sum::<f64>().sqrt()
    }

    /// The certificate at `w`, length `ncols`.
    #[must_use]
    pub fn judge(&self, w: &[f64]) -> Certificate<f64> {
        (self.judge)(self, w)
    }
}

/// Lasso problems, `½‖A w − y‖² + lambda‖w‖₁`: an orthonormal design with the solution in closed form; tall and wide
/// designs built around a known solution and its KKT point; a weight so large that the solution is 0; duplicate and zero
/// columns, where the solution is not unique.
#[must_use]
pub fn lasso_problems() -> Vec<Reference> {
    let h = 0.5;
    let hadamard = vec![h, h, h, h, h, -h, h, -h, h, h, -h, -h, h, -h, -h, h];
    // Aᵀy = (4, 1, −2, 0.5): soft threshold at 1.
    let y = vec![1.75, 0.25, 3.25, 2.75];
    let orthonormal = Reference::new("orthonormal design", (4, 4), hadamard, y, 1.0, judge_lasso)
        .solution(vec![3.0, 0.0, -1.0, 0.0]);

    let tall = planted("tall design", 20, 8, &[(0, 1.5), (3, -2.0), (7, 0.5)]);
    let wide = planted("wide design", 10, 25, &[(2, 1.0), (11, -1.5), (20, 2.0)]);
    let mut zero = planted("zero solution", 12, 6, &[(1, 1.0)]);
    zero.lambda *= 1e3;
    zero.solution = Some(vec![0.0; 6]);

    let mut twins = planted("duplicate and zero columns", 15, 6, &[(0, 1.0), (2, -1.0)]);
    twins.design.copy_within(0..15, 15);
    twins.design[5 * 15..].fill(0.0);
    twins.solution = None;
    vec![orthonormal, tall, wide, zero, twins]
}

/// Denoising problems, `½‖w − y‖² + lambda Σ_i |w_{i+1} − w_i|` with `A = I` and no stored
/// design: two points and a large weight with the
/// solution in closed form, and a noisy staircase.
#[must_use]
pub fn denoising_problems() -> Vec<Reference> {
    let make = |name, y: Vec<f64>, lambda| {
        let n = y.len();
        Reference::new(name, (n, n), Vec::new(), y, lambda, judge_total_variation)
    };
    let mut rng = Rng::new(17);
    let stairs: Vec<f64> = (0..30).map(|i| f64::from(i / 10) + 0.2 * rng.normal::<f64>()).collect();
    vec![
        make("two points", vec![0.0, 5.0], 1.0).solution(vec![1.0, 4.0]),
        make("large weight gives the mean", vec![1.0, -1.0, 4.0, 0.0], 50.0).solution(vec![1.0; 4]),
        make("staircase", stairs, 0.5),
    ]
}

/// A Lasso problem with `lambda = 1` of which the given sparse vector is the solution: the columns are shifted along
/// the residual `r` until `Aᵀr = s` with `s` in the subdifferential of the norm there, strictly inside off its support.
fn planted(name: &'static str, nrows: usize, ncols: usize, support: &[(usize, f64)]) -> Reference {
    let mut rng = Rng::new(nrows as u64 * 1000 + ncols as u64);
    let mut design: Vec<f64> = rng.normals(nrows * ncols);
    let r: Vec<f64> = rng.normals(nrows);
    let mut w = vec![0.0; ncols];
    for &(j, value) in support {
        w[j] = value;
    }
    let r_sq: f64 = r.iter().map(|v| v * v).sum();
    let mut y = r.clone();
    for j in 0..ncols {
        let s = if w[j] == 0.0 { 1.6 * rng.uniform::<f64>() - 0.8 } else { w[j].signum() };
        let col = &mut design[j * nrows..(j + 1) * nrows];
        let inner: f64 = col.iter().zip(&r).map(|(a, b)| a * b).sum();
        for ((c, &v), t) in col.iter_mut().zip(&r).zip(&mut y) {
            *c += (s - inner) / r_sq * v;
            *t += w[j] * *c;
        }
    }
    Reference::new(name, (nrows, ncols), design, y, 1.0, judge_lasso).solution(w)
}

fn judge_lasso(problem: &Reference, w: &[f64]) -> Certificate<f64> {
    let (n, lambda) = (problem.nrows, problem.lambda);
    let mut r = problem.y.clone();
    for (j, &v) in w.iter().enumerate() {
        for i in 0..n {
            r[i] -= problem.design[j * n + i] * v;
        }
    }
    let mut largest = 0.0_f64;
    for j in 0..problem.ncols {
        let inner: f64 = (0..n).map(|i| problem.design[j * n + i] * r[i]).sum();
        largest = largest.max(inner.abs());
    }
    let s = lambda / largest.max(lambda);
    let (mut rr, mut ry) = (0.0, 0.0);
    for (a, b) in r.iter().zip(&problem.y) {
        rr += a * a;
        ry += a * b;
    }
    let l1: f64 = w.iter().map(|v| v.abs()).sum();
    Certificate::new(0.5 * rr + lambda * l1, s * ry - 0.5 * s * s * rr)
}

fn judge_total_variation(problem: &Reference, w: &[f64]) -> Certificate<f64> {
    let (y, lambda) = (&problem.y, problem.lambda);
    let n = y.len();
    // y − w = Dᵀu at the solution, so u is minus the running sum of y − w.
    let mut u = Vec::with_capacity(n - 1);
    let mut sum = 0.0;
    for i in 0..n - 1 {
        sum -= y[i] - w[i];
        u.push(sum.clamp(-lambda, lambda));
    }
    let (mut primal, mut dual) = (0.0, 0.0);
    for i in 0..n {
        let left = if i > 0 { u[i - 1] } else { 0.0 };
        let right = if i < n - 1 { u[i] } else { 0.0 };
        let v = left - right;
        dual += y[i] * v - 0.5 * v * v;
        primal += 0.5 * (w[i] - y[i]) * (w[i] - y[i]);
        if i > 0 {
            primal += lambda * (w[i] - w[i - 1]).abs();
        }
    }
    Certificate::new(primal, dual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stated_solutions_are_solutions_and_other_points_are_not() {
        for problem in lasso_problems().into_iter().chain(denoising_problems()) {
            let zero = vec![0.0; problem.ncols];
            let scale = problem.judge(&zero).primal;
            if let Some(w) = &problem.solution {
                assert!(problem.judge(w).relative_gap(scale) < 1e-13, "{}", problem.name);
                let off: Vec<f64> = w.iter().enumerate().map(|(i, v)| v + 0.01 * (1.0 + i as f64)).collect();
                assert!(problem.judge(&off).relative_gap(scale) > 1e-6, "{}", problem.name);
            }
        }
    }
}
