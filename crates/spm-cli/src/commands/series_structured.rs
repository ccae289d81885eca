//! `spm tv1d` and `spm trend` for several channels, and `spm tv1d` on a graph.

use std::path::{Path, PathBuf};
use std::time::Instant;

use sparse_modeling::timeseries::{GraphFused, GroupTrend, Series};

use crate::Context;
use crate::error::CliError;
use crate::io::{Array, read_array, read_vector, write_array};
use crate::outcome::Outcome;

/// Whether the signal has several channels, one a column.
pub(super) fn has_channels(y: &Array) -> bool {
    matches!(y.shape[..], [n, p] if n > 1 && p > 1)
}

/// Refuses what works on a single channel only; `used` names options with whether they were given.
pub(super) fn refuse(y: &Path, what: &str, used: &[(&str, bool)]) -> Result<(), CliError> {
    match used.iter().find(|u| u.1) {
        Some((option, _)) => {
            Err(CliError::Usage(format!("{}: {what} doesn't go with {option}", y.display())))
        }
        None => Ok(()),
    }
}

/// Channels, one a column of `y`, and what belongs to them.
pub(super) struct Channels<'a> {
    pub(super) y: &'a Array,
    pub(super) path: &'a Path,
    /// A weight a row or a value.
    pub(super) weights: Option<&'a PathBuf>,
    /// A position a row.
    pub(super) positions: Option<&'a PathBuf>,
}

impl Channels<'_> {
    /// Fits trends that change at common places; with a `ratio`, lambda is that share of the smallest at which nothing does.
    pub(super) fn fit(
        &self,
        command: &'static str,
        mut model: GroupTrend<f64>,
        ratio: Option<f64>,
        output: &Path,
        ctx: &Context,
    ) -> Result<Outcome, CliError> {
        let (n, p) = self.y.rows_cols(self.path)?;
        let weights = self.weights.map(|path| read_array(path)).transpose()?.map(|w| match w.data.len() {
            rows if rows == n => w.data.iter().flat_map(|v| vec![*v; p]).collect(),
            _ => w.data,
        });
        let positions = self.positions.map(|path| read_vector(path)).transpose()?;
        let series = series_of(&self.y.data, weights.as_deref(), positions.as_deref());
        let files = [("weights", self.weights), ("positions", self.positions)];
        let within = |e| CliError::from(e).within_any(&files, self.path);
        let spinner = ctx.progress.spinner(command);
        let start = Instant::now();
        if let Some(ratio) = ratio {
            model.lambda = ratio * model.lambda_max(series, p).map_err(within)?;
        }
        let fitted = model.fit(series, p).map_err(within)?;
        let elapsed = start.elapsed();
        spinner.finish_and_clear();
        write_array(output, &Array::matrix(n, p, fitted.x().to_vec()))?;
        let knots: Vec<usize> = fitted.knots().iter().map(|k| k.index).collect();
        let sizes: Vec<f64> = fitted.knots().iter().map(|k| k.jump).collect();
        let missing = (0..n * p)
            .filter(|&i| self.y.data[i].is_nan() || weights.as_ref().is_some_and(|w| w[i] == 0.0))
            .count();
        let outcome = Outcome::new(command)
            .status(fitted.status())
            .set("channels", p)
            .set("lambda", model.lambda)
            .set("lambda_max", fitted.lambda_max())
            .set("objective", fitted.objective())
            .set("gap", fitted.certificate().gap())
            .set("iterations", fitted.iterations())
            .set("missing", missing);
        let outcome = match command {
            "tv1d" => {
                outcome.set("segments", knots.len() + 1).set("change_points", knots).set("sizes", sizes)
            }
            _ => {
                let at = |i: &usize| positions.as_ref().map_or(*i as f64, |t| t[*i]);
                let places: Vec<f64> = knots.iter().map(at).collect();
                outcome.set("knots", knots.len()).set("knot_positions", places).set("knot_sizes", sizes)
            }
        };
        Ok(outcome.seconds(elapsed))
    }
}

/// The series with what belongs to it.
pub(super) fn series_of<'a>(
    y: &'a [f64],
    weights: Option<&'a [f64]>,
    positions: Option<&'a [f64]>,
) -> Series<'a> {
    let mut series = Series::new(y);
    if let Some(w) = weights {
        series = series.weights(w);
    }
    if let Some(t) = positions {
        series = series.positions(t);
    }
    series
}

/// Values at the nodes of a graph, whose edges are the rows of a table with two node numbers each.
pub(super) fn graph(
    model: &GraphFused<f64>,
    y: &[f64],
    edges: &Path,
    within: impl Fn(CliError) -> CliError,
    output: &Path,
    ctx: &Context,
) -> Result<Outcome, CliError> {
    let pairs = read_edges(edges)?;
    let spinner = ctx.progress.spinner("tv1d");
    let start = Instant::now();
    let fitted = model.fit(y, &pairs).map_err(|e| within(e.into()))?;
    let elapsed = start.elapsed();
    spinner.finish_and_clear();
    write_array(output, &Array::vector(fitted.x().to_vec()))?;
    Ok(Outcome::new("tv1d")
        .status(fitted.status())
        .set("edges", pairs.len())
        .set("lambda", model.lambda)
        .set("objective", fitted.objective())
        .set("gap", fitted.certificate().gap())
        .set("segments", pieces(fitted.x(), &pairs))
        .seconds(elapsed))
}

fn read_edges(path: &Path) -> Result<Vec<(usize, usize)>, CliError> {
    let table = read_array(path)?;
    let node = |v: f64| (v >= 0.0 && v.fract() == 0.0 && v < 1e15).then_some(v as usize);
    let (rows, columns) = table.rows_cols(path)?;
    if columns != 2 {
        return Err(CliError::file(path, format!("expected two nodes a row, found {columns} columns")));
    }
    let pair = |k: usize| Some((node(table.data[2 * k])?, node(table.data[2 * k + 1])?));
    (0..rows)
        .map(|k| {
            pair(k).ok_or_else(|| {
                CliError::file(path, format!("row {k} is not two node numbers, counted from 0"))
            })
        })
        .collect()
}

/// How many connected pieces of equal values there are.
fn pieces(x: &[f64], edges: &[(usize, usize)]) -> usize {
    let mut parent: Vec<usize> = (0..x.len()).collect();
    fn root(parent: &mut [usize], mut i: usize) -> usize {
        while parent[i] != i {
            parent[i] = parent[parent[i]];
            i = parent[i];
        }
        i
    }
    for &(a, b) in edges.iter().filter(|(a, b)| x[*a] == x[*b]) {
        let (a, b) = (root(&mut parent, a), root(&mut parent, b));
        parent[a] = b;
    }
    (0..x.len()).filter(|&i| parent[i] == i).count()
}
