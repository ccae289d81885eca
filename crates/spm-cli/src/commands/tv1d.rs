//! `spm tv1d`: exact one-dimensional total variation.

use std::path::PathBuf;
use std::time::Instant;

use sparse_modeling::timeseries::{FusedLasso, GraphFused, GroupTrend, MergeJumps, Series};

use super::series_structured::{Channels, graph, has_channels, refuse};
use crate::Context;
use crate::args::non_negative;
use crate::error::CliError;
use crate::io::{Array, read_array, read_vector, write_array};
use crate::outcome::Outcome;

/// Fused lasso of a signal: exact total variation denoising, in linear time.
///
/// Minimises ½·Σ wᵢ(yᵢ − xᵢ)² + lambda·Σ vᵢ|xᵢ₊₁ − xᵢ| + lambda_sparse·Σ|xᵢ|. NaN in y is a missing value.
///
/// With several columns, channels that change at common places: ½·Σ wᵢ(yᵢ − xᵢ)² + lambda·Σ‖xᵢ₊₁ − xᵢ‖₂ (group fused lasso). With
/// --edges, values on a graph: ½·Σ wᵢ(yᵢ − xᵢ)² + lambda·Σ v|xᵢ − xⱼ| over its edges, exactly.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The signal: n values, or n × p for p channels.
    y: PathBuf,
    /// Where the solution goes.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Weight of the differences.
    #[arg(long, value_parser = non_negative, allow_negative_numbers = true)]
    lambda: f64,
    /// Weight of the absolute values.
    #[arg(long, default_value_t = 0.0, value_parser = non_negative)]
    lambda_sparse: f64,
    /// Weight of each value, n; 0 = missing. With several channels n × p, or n for all of a row.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// A graph: its edges, two nodes (counted from 0) a row; the signal has a value for each node.
    #[arg(long, value_name = "FILE")]
    edges: Option<PathBuf>,
    /// The signal is a ring, such as a closed curve: its last value is a neighbour of the first.
    #[arg(long, conflicts_with_all = ["edges", "merge"])]
    circular: bool,
    /// Factor of each difference, n − 1 (n on a ring, the last for the way back) or one an edge; 0 cuts the signal.
    #[arg(long, value_name = "FILE")]
    edge_weights: Option<PathBuf>,
    /// Merge jumps of one sign with at most D values between them, refit the levels, and report the change points.
    #[arg(long, value_name = "D")]
    merge: Option<usize>,
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    let table = read_array(&args.y)?;
    let sparse = ("--lambda-sparse", args.lambda_sparse != 0.0);
    let merge = ("--merge", args.merge.is_some());
    if has_channels(&table) {
        let edges = ("--edges and --edge-weights", args.edges.is_some() || args.edge_weights.is_some());
        let circular = ("--circular", args.circular);
        refuse(&args.y, "a signal of several channels", &[sparse, merge, edges, circular])?;
        let model = GroupTrend::new(0, args.lambda).tol(1e-8);
        let data = Channels { y: &table, path: &args.y, weights: args.weights.as_ref(), positions: None };
        return data.fit("tv1d", model, None, &args.output, ctx);
    }
    let y = table.into_vector(&args.y)?;
    let weights = args.weights.as_deref().map(read_vector).transpose()?;
    // In this order: the names of both end in "weights".
    let files = [("edge_weights", args.edge_weights.as_ref()), ("weights", args.weights.as_ref())];
    if let Some(edges) = &args.edges {
        refuse(&args.y, "a graph", &[sparse, merge])?;
        let mut model = GraphFused::new(args.lambda);
        model.weights = weights;
        model.edge_weights = args.edge_weights.as_deref().map(read_vector).transpose()?;
        let files = [files[0], files[1], ("edges", Some(edges))];
        return graph(&model, &y, edges, |e| e.within_any(&files, &args.y), &args.output, ctx);
    }
    let mut series = Series::new(&y);
    if let Some(w) = &weights {
        series = series.weights(w);
    }
    let mut model = FusedLasso::new(args.lambda).lambda_sparse(args.lambda_sparse);
    if let Some(path) = &args.edge_weights {
        model = model.edge_weights(read_vector(path)?);
    }
    if args.circular {
        model = model.circular();
    }
    let spinner = ctx.progress.spinner("tv1d");
    let start = Instant::now();
    let fitted = model.fit(series).map_err(|e| CliError::from(e).within_any(&files, &args.y))?;
    let merge = |d: usize| MergeJumps::new().distance(d).fit(series, &fitted);
    let found = args.merge.map(merge).transpose().map_err(|e| CliError::from(e).within(&args.y))?;
    let elapsed = start.elapsed();
    spinner.finish_and_clear();
    write_array(&args.output, &Array::vector(fitted.x().to_vec()))?;
    let outcome = Outcome::new("tv1d")
        .status(fitted.status())
        .set("lambda", fitted.lambda())
        .set("lambda_max", fitted.lambda_max())
        .set("objective", fitted.objective())
        .set("gap", fitted.certificate().gap())
        .set("segments", fitted.segments().len());
    let Some(found) = found else { return Ok(outcome.seconds(elapsed)) };
    let places: Vec<usize> = found.points.iter().map(|p| p.index).collect();
    let sizes: Vec<f64> = found.points.iter().map(|p| p.size).collect();
    Ok(outcome.set("change_points", places).set("sizes", sizes).seconds(elapsed))
}
