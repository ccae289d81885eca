//! `spm trend`: trend filtering.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::Instant;

use sparse_modeling::solvers;
use sparse_modeling::timeseries::{FittedTrend, Series, TrendFilter, trend_lambda_max};

use crate::Context;
use crate::args::{count, non_negative, positive};
use crate::error::CliError;
use crate::io::{Array, encode_array, read_vector, write_all};
use crate::outcome::Outcome;
use crate::plot::{self, Series as Curve};

/// Trend filtering: a piecewise polynomial through a noisy signal.
///
/// Minimises ½·Σ wᵢ(yᵢ − xᵢ)² + lambda·Σ|(D x)ᵢ| with the difference operator of order + 1. NaN in y is a missing value.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("strength").required(true))]
pub(crate) struct Args {
    /// The signal: n values.
    y: PathBuf,
    /// Where the trend goes.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Degree of the pieces: 0 constant, 1 linear, 2 quadratic.
    #[arg(long, default_value_t = 1)]
    order: usize,
    /// Weight of the penalty.
    #[arg(long, group = "strength", value_parser = non_negative, allow_negative_numbers = true)]
    lambda: Option<f64>,
    /// Weight as a share of the smallest lambda at which the trend is one polynomial.
    #[arg(long, group = "strength", value_name = "R", value_parser = non_negative, allow_negative_numbers = true)]
    lambda_ratio: Option<f64>,
    /// Position of each value, increasing; evenly spaced by default.
    #[arg(long, value_name = "FILE")]
    x: Option<PathBuf>,
    /// Weight of each value; 0 = missing.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Duality gap at which to stop, relative to the objective.
    #[arg(long, default_value_t = 1e-8, value_parser = positive)]
    tol: f64,
    /// Most iterations.
    #[arg(long, value_parser = count)]
    max_iter: Option<usize>,
    /// Draw the data, the trend and its knots (SVG).
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    let y = read_vector(&args.y)?;
    let positions = args.x.as_deref().map(read_vector).transpose()?;
    let weights = args.weights.as_deref().map(read_vector).transpose()?;
    let mut series = Series::new(&y);
    if let Some(w) = &weights {
        series = series.weights(w);
    }
    if let Some(t) = &positions {
        series = series.positions(t);
    }
    let files = [("weights", args.weights.as_ref()), ("positions", args.x.as_ref())];
    let within = |e| CliError::from(e).within_any(&files, &args.y);
    let lambda = match (args.lambda, args.lambda_ratio) {
        (Some(lambda), _) => lambda,
        (None, ratio) => ratio.unwrap_or(0.0) * trend_lambda_max(series, args.order).map_err(within)?,
    };
    let mut model = TrendFilter::new(args.order, lambda).tol(args.tol);
    if let Some(n) = args.max_iter {
        model = model.max_iter(n);
    }
    let spinner = ctx.progress.spinner("trend");
    let mut observer = |p: &solvers::Progress<f64>, _: &[f64]| {
        spinner.set_message(format!("trend: iteration {}", p.iter));
        ControlFlow::Continue(())
    };
    let start = Instant::now();
    let fitted = model.fit_observed(series, Some(&mut observer)).map_err(within)?;
    let elapsed = start.elapsed();
    spinner.finish_and_clear();

    let at = |i: usize| positions.as_ref().map_or(i as f64, |t| t[i]);
    let trend = encode_array(&args.output, &Array::vector(fitted.x().to_vec()));
    let svg = args.plot.as_deref().map(|path| (path, picture(&y, &fitted, at)));
    let mut files = vec![(args.output.as_path(), trend.as_slice())];
    files.extend(svg.iter().map(|(path, text)| (*path, text.as_bytes())));
    write_all(&files)?;
    let knots: Vec<f64> = fitted.knots().iter().map(|k| at(k.index)).collect();
    Ok(Outcome::new("trend")
        .status(fitted.status())
        .set("lambda", fitted.lambda())
        .set("lambda_max", fitted.lambda_max())
        .set("objective", fitted.objective())
        .set("gap", fitted.certificate().gap())
        .set("knots", knots.len())
        .set("knot_positions", knots)
        .set("iterations", fitted.iterations())
        .seconds(elapsed))
}

fn picture(y: &[f64], fitted: &FittedTrend<f64>, at: impl Fn(usize) -> f64) -> String {
    let x = fitted.x();
    let size = if y.len() > 500 { 1.5 } else { 2.5 };
    let mut curves = vec![
        Curve::dots(y.iter().enumerate().map(|(i, &v)| (at(i), v)), "#9aa7b3", size).label("data"),
        Curve::line(x.iter().enumerate().map(|(i, &v)| (at(i), v)), "#0b6e99").label("trend"),
    ];
    let knots = fitted.knots();
    if knots.len() < x.len() / 2 {
        curves.push(
            Curve::dots(knots.iter().map(|k| (at(k.index), x[k.index])), "#d9480f", 4.0).label("knots"),
        );
    }
    plot::svg(&format!("Trend filtering, order {}", fitted.order()), "position", "value", curves)
}
