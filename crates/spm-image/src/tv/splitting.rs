//! Anisotropic total variation by exact solutions along rows and columns in turn.

use spm_linalg::penalty::{tv1d_into, tv1d_scratch};
use spm_linalg::{Workspace, vecops};
use spm_solvers::{Iteration, Progress, SolveError};

use crate::par;

/// Rows and columns a task: a fixed number, so that sums do not depend on the number of threads.
const BAND: usize = 16;

/// Iterations between two computations of the gap.
const CHECK: usize = 5;

/// Accelerated alternating minimisation of the dual, `min_{u ∈ U, v ∈ V} ½‖b − u − v‖²`, where `U` and `V` are `λ∇ᵀz` with `|z| <= 1`
/// along rows and along columns. Both partial minimisations are one-dimensional total variation problems, solved exactly.
///
/// `u ← P_U(b − y)`, `v ← P_V(b − u)`, `x = b − u − v`, `y = v + β(v − v_old)` with the momentum of FISTA, started over when it points
/// against the last step. Error `O(1/k²)`, in practice linear: some 20 iterations a digit of the gap.
///
/// Source: Chambolle, Tan and Vaiter (2017), "Accelerated alternating descent methods for Dykstra-like problems", algorithm 2;
/// O'Donoghue and Candès (2015) for the restarts.
#[derive(Debug)]
pub(super) struct Splitting {
    height: usize,
    width: usize,
    /// Values in a row: all channels.
    row: usize,
    lambda: f64,
    b: Vec<f64>,
    x: Vec<f64>,
    /// `b − u`.
    rest: Vec<f64>,
    v: Vec<f64>,
    y: Vec<f64>,
    /// The solutions along the columns, transposed.
    columns: Vec<f64>,
    tasks: Vec<Task>,
    /// `z`, vertical and horizontal, as of the last look.
    dual: (Vec<f64>, Vec<f64>),
    momentum: f64,
    iter: usize,
    next_check: usize,
    gap: f64,
    objective: f64,
}

/// Memory of a task, and its share of a sum.
#[derive(Debug)]
struct Task {
    workspace: Workspace,
    lines: Vec<f64>,
    sum: f64,
}

impl Splitting {
    /// Starts at the dual point `z` (vertical part), in rows of `row` values: `row/width` channels.
    pub(super) fn new(
        b: Vec<f64>,
        (row, width): (usize, usize),
        lambda: f64,
        z: &[f64],
        iter: usize,
    ) -> Self {
        let height = b.len() / row;
        let mut v = vec![0.0; b.len()];
        for i in 0..height {
            for j in 0..row {
                let above = if i > 0 { z[(i - 1) * row + j] } else { 0.0 };
                // The last row has no difference below it.
                let here = if i + 1 < height { z[i * row + j] } else { 0.0 };
                v[i * row + j] = lambda * (above - here);
            }
        }
        let longest = height.max(width);
        let task = || Task {
            workspace: Workspace::new(tv1d_scratch::<f64>(longest)),
            lines: vec![0.0; width.max(BAND * height)],
            sum: 0.0,
        };
        let n = b.len();
        Self {
            height,
            width,
            row,
            lambda,
            x: b.clone(),
            rest: vec![0.0; n],
            y: v.clone(),
            v,
            columns: vec![0.0; n],
            tasks: (0..height.max(row).div_ceil(BAND)).map(|_| task()).collect(),
            dual: (vec![0.0; n], vec![0.0; n]),
            b,
            momentum: 1.0,
            iter,
            next_check: iter + 1,
            gap: f64::INFINITY,
            objective: f64::INFINITY,
        }
    }

    /// The dual variable in units of λ: vertical and horizontal part.
    pub(super) fn dual(&self) -> (&[f64], &[f64]) {
        (&self.dual.0, &self.dual.1)
    }

    /// `b − u = y + prox(b − y)` along the rows.
    fn solve_rows(&mut self) {
        let (row, w, lambda) = (self.row, self.width, self.lambda);
        let (b, y) = (&self.b, &self.y);
        par::chunks_pair_mut(&mut self.rest, BAND * row, &mut self.tasks, 1, |band, rest, task| {
            let task = &mut task[0];
            let line = &mut task.lines[..w];
            for (k, rest) in rest.chunks_exact_mut(w).enumerate() {
                let at = band * BAND * row + k * w;
                let y = &y[at..at + w];
                line.iter_mut().zip(&b[at..at + w]).zip(y).for_each(|((r, b), y)| *r = b - y);
                tv1d_into(line, None, lambda, None, rest, task.workspace.stack());
                rest.iter_mut().zip(y).for_each(|(r, y)| *r += y);
            }
        });
    }

    /// `x = prox(b − u)` along the columns, transposed.
    fn solve_columns(&mut self) {
        let (row, h, lambda) = (self.row, self.height, self.lambda);
        let rest = &self.rest;
        par::chunks_pair_mut(&mut self.columns, BAND * h, &mut self.tasks, 1, |band, out, task| {
            let task = &mut task[0];
            let first = band * BAND;
            let count = out.len() / h;
            for (i, from) in rest.chunks_exact(row).enumerate() {
                for (j, v) in from[first..first + count].iter().enumerate() {
                    task.lines[j * h + i] = *v;
                }
            }
            for (line, out) in task.lines.chunks_exact(h).zip(out.chunks_exact_mut(h)) {
                tv1d_into(line, None, lambda, None, out, task.workspace.stack());
            }
        });
    }

    /// `x` row by row, and `v = b − u − x` into `y`; `⟨y − v, v − v_old⟩`.
    fn gather(&mut self) -> f64 {
        let (row, h) = (self.row, self.height);
        let columns = &self.columns;
        par::chunks_mut(&mut self.x, BAND * row, |band, x| {
            let first = band * BAND;
            let count = x.len() / row;
            for (j, column) in columns.chunks_exact(h).enumerate() {
                for (i, v) in column[first..first + count].iter().enumerate() {
                    x[i * row + j] = *v;
                }
            }
        });
        let (x, rest, v) = (&self.x, &self.rest, &self.v);
        par::chunks_pair_mut(&mut self.y, BAND * row, &mut self.tasks, 1, |band, y, task| {
            let start = band * BAND * row;
            let mut sum = 0.0;
            for (k, y) in y.iter_mut().enumerate() {
                let new = rest[start + k] - x[start + k];
                sum += (*y - new) * (new - v[start + k]);
                *y = new;
            }
            task[0].sum = sum;
        });
        self.tasks[..self.height.div_ceil(BAND)].iter().map(|t| t.sum).sum()
    }

    /// Gap and objective: with `u + v = b − x` the gap is `λTV(x) − ⟨x, b − x⟩`.
    fn check(&mut self) {
        let (row, w, h) = (self.row, self.width, self.height);
        let (mut gap, mut objective) = (0.0, 0.0);
        for i in 0..h {
            let x = &self.x[i * row..(i + 1) * row];
            let b = &self.b[i * row..(i + 1) * row];
            let below = if i + 1 < h { &self.x[(i + 1) * row..(i + 2) * row] } else { x };
            let down: f64 = x.iter().zip(below).map(|(x, n)| (n - x).abs()).sum();
            let along = |x: &[f64]| x.windows(2).map(|p| (p[1] - p[0]).abs()).sum::<f64>();
            let tv = self.lambda * (down + x.chunks_exact(w).map(along).sum::<f64>());
            let product: f64 = x.iter().zip(b).map(|(x, b)| x * (b - x)).sum();
            gap += tv - product;
            objective += tv + 0.5 * x.iter().zip(b).map(|(x, b)| (x - b) * (x - b)).sum::<f64>();
        }
        (self.gap, self.objective) = (gap.max(0.0), objective);
        // z from the sums of u along rows and of v along columns.
        let (down, along) = (&mut self.dual.0, &mut self.dual.1);
        for k in 0..self.b.len() {
            let (i, j) = (k / row, k % row);
            let v = self.rest[k] - self.x[k];
            down[k] = if i > 0 { down[k - row] } else { 0.0 } - v / self.lambda;
            let u = self.b[k] - self.rest[k];
            along[k] = if j % w > 0 { along[k - 1] } else { 0.0 } - u / self.lambda;
        }
        down[(h - 1) * row..].fill(0.0);
        along.iter_mut().skip(w - 1).step_by(w).for_each(|z| *z = 0.0);
    }
}

impl Iteration<f64> for Splitting {
    fn step(&mut self) -> Result<(), SolveError> {
        self.solve_rows();
        self.solve_columns();
        if self.gather() > 0.0 {
            self.momentum = 1.0;
        }
        let next = 0.5 * (1.0 + (1.0 + 4.0 * self.momentum * self.momentum).sqrt());
        let beta = (self.momentum - 1.0) / next;
        self.momentum = next;
        // y holds the new v.
        std::mem::swap(&mut self.v, &mut self.y);
        vecops::scale(-beta, &mut self.y);
        vecops::axpy(1.0 + beta, &self.v, &mut self.y);
        self.iter += 1;
        if self.iter >= self.next_check {
            self.check();
            self.next_check = self.iter + CHECK;
        }
        Ok(())
    }

    fn progress(&self) -> Progress<f64> {
        let relative = if self.gap == 0.0 { 0.0 } else { self.gap / self.objective };
        Progress::new(self.iter, relative).objective(self.objective).gap(self.gap)
    }

    fn iterate(&self) -> &[f64] {
        &self.x
    }
}
