//! `spm trend`: trend filtering.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde_json::Value;
use sparse_modeling::solvers;
use sparse_modeling::timeseries::{
    Criterion, Diagnostics, FittedTrend, GroupTrend, SeasonalTrend, Shape, TrendCv, TrendFilter, TrendSelect,
    TrendWithKnots, noise_level,
};

use super::series_structured::{Channels, has_channels, refuse, series_of};
use crate::Context;
use crate::args::{count, non_negative, positive};
use crate::error::CliError;
use crate::io::{Array, encode_array, read_array, read_vector, write_all};
use crate::outcome::Outcome;
use crate::plot::{self, Series as Curve};

/// Trend filtering: a piecewise polynomial through a noisy signal.
///
/// Minimises ½·Σ wᵢ(yᵢ − xᵢ)² + lambda·Σ|(D x)ᵢ| with the difference operator of order + 1. NaN in y is a missing value.
/// With several columns, channels with common knots: the norms ‖(D x)ᵢ‖₂ over the channels instead of |(D x)ᵢ|; takes --lambda or --lambda-ratio.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("strength").required(true))]
pub(crate) struct Args {
    /// The signal: n values, or n × p for p channels.
    y: PathBuf,
    /// Where the trend goes.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Degree of the pieces: 0 constant, 1 linear, 2 quadratic, 3 cubic; at most 5.
    #[arg(long, default_value_t = 1)]
    order: usize,
    /// Weight of the penalty.
    #[arg(long, group = "strength", value_parser = non_negative, allow_negative_numbers = true)]
    lambda: Option<f64>,
    /// Weight as a share of the smallest lambda at which the trend is one polynomial.
    #[arg(long, group = "strength", value_name = "R", value_parser = non_negative, allow_negative_numbers = true)]
    lambda_ratio: Option<f64>,
    /// Choose the weight by cross-validation: every K-th value is left out and predicted from the others.
    #[arg(long, group = "strength")]
    cv: bool,
    /// Choose the weight at which the trend has N knots, or as near to N as it gets.
    #[arg(long, group = "strength", value_name = "N")]
    knots: Option<usize>,
    /// Choose the weight by an information criterion.
    #[arg(long, group = "strength", value_enum)]
    criterion: Option<Choice>,
    /// Folds of the cross-validation.
    #[arg(long, default_value_t = 5, value_name = "K", requires = "cv", value_parser = count)]
    folds: usize,
    /// Take the largest weight within one standard error of the best cross-validation error.
    #[arg(long, requires = "cv")]
    one_se: bool,
    /// Position of each value, increasing; evenly spaced by default.
    #[arg(long, value_name = "FILE")]
    x: Option<PathBuf>,
    /// Weight of each value; 0 = missing. With several channels n × p, or n for all of a row.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// The signal is a ring, such as a closed curve: its last value is a neighbour of the first.
    #[arg(long, conflicts_with_all = ["x", "shape", "season"])]
    circular: bool,
    /// What a residual costs: its square, or beyond --delta no more than its size (huber), against outliers.
    #[arg(long, value_enum, default_value = "squared")]
    loss: Loss,
    /// Threshold of the Huber loss, in the units of y; 1.345 times the noise level of the series by default.
    #[arg(long, value_name = "D", value_parser = positive)]
    delta: Option<f64>,
    /// Hold the trend to a shape: monotone for orders 0 and 1, convex or concave for orders 1 and 2.
    #[arg(long, value_enum)]
    shape: Option<ShapeName>,
    /// Where the outliers go: by how much residuals are beyond --delta, 0 for the others.
    #[arg(long, value_name = "FILE")]
    outliers: Option<PathBuf>,
    /// Fit a season of P values along with the trend; a missing value keeps its place in it.
    #[arg(long, value_name = "P", conflicts_with_all = ["cv", "knots", "criterion"])]
    season: Option<usize>,
    /// Where the season goes: P values that sum to 0.
    #[arg(long, value_name = "FILE", requires = "season")]
    season_out: Option<PathBuf>,
    /// Duality gap at which to stop, relative to the objective (with several channels, to that of one polynomial each).
    #[arg(long, default_value_t = 1e-8, value_parser = positive)]
    tol: f64,
    /// Most iterations.
    #[arg(long, value_parser = count)]
    max_iter: Option<usize>,
    /// Draw the data, the trend, its knots and the gaps (SVG).
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Positions at which to evaluate the trend.
    #[arg(long, value_name = "FILE", requires = "at_out")]
    at: Option<PathBuf>,
    /// Where the values at these positions go.
    #[arg(long, value_name = "FILE", requires = "at")]
    at_out: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Choice {
    Aic,
    Bic,
    Sure,
}

#[derive(Debug, Clone, Copy, PartialEq, clap::ValueEnum)]
enum Loss {
    Squared,
    Huber,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum ShapeName {
    Increasing,
    Decreasing,
    Convex,
    Concave,
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    let table = read_array(&args.y)?;
    if has_channels(&table) {
        return several(args, &table, ctx);
    }
    let y = table.into_vector(&args.y)?;
    let positions = args.x.as_deref().map(read_vector).transpose()?;
    let weights = args.weights.as_deref().map(read_vector).transpose()?;
    let series = series_of(&y, weights.as_deref(), positions.as_deref());
    let files = [("weights", args.weights.as_ref()), ("positions", args.x.as_ref())];
    let within = |e| CliError::from(e).within_any(&files, &args.y);
    let mut filter = TrendFilter::new(args.order, args.lambda.unwrap_or(0.0)).tol(args.tol);
    if let Some(n) = args.max_iter {
        filter = filter.max_iter(n);
    }
    let mut found: Vec<(&'static str, Value)> = Vec::new();
    let mut season: Vec<f64> = Vec::new();
    let mut status = None;
    if args.loss == Loss::Huber {
        let delta = match args.delta {
            Some(delta) => delta,
            None => 1.345 * noise_level(series).map_err(within)?,
        };
        // Without noise every residual would be an outlier.
        filter = filter.huber(if delta > 0.0 { delta } else { f64::INFINITY });
        found.push(("delta", delta.into()));
    }
    if args.circular {
        if args.loss == Loss::Huber {
            return Err(CliError::Usage("--loss huber does not go with --circular".into()));
        }
        filter = filter.circular();
    }
    if let Some(shape) = args.shape {
        filter = filter.shape(match shape {
            ShapeName::Increasing => Shape::Increasing,
            ShapeName::Decreasing => Shape::Decreasing,
            ShapeName::Convex => Shape::Convex,
            ShapeName::Concave => Shape::Concave,
        });
    }
    let spinner = ctx.progress.spinner("trend");
    let start = Instant::now();
    let fitted = if args.cv {
        let mut cv = TrendCv::new(filter).folds(args.folds);
        cv.one_se = args.one_se;
        let chosen = cv.fit(series).map_err(within)?;
        found.push(("lambda_best", chosen.lambda_best.into()));
        found.push(("lambda_1se", chosen.lambda_1se.into()));
        found.push(("lambdas", chosen.lambdas.into()));
        found.push(("cv_error", chosen.errors.into()));
        found.push(("cv_standard_error", chosen.standard_errors.into()));
        chosen.fit
    } else if let Some(knots) = args.knots {
        let chosen = TrendWithKnots::new(filter, knots).fit(series).map_err(within)?;
        found.push(("knots_requested", knots.into()));
        found.push(("exact", chosen.exact.into()));
        chosen.fit
    } else if let Some(choice) = args.criterion {
        let criterion = match choice {
            Choice::Aic => Criterion::Aic,
            Choice::Bic => Criterion::Bic,
            Choice::Sure => Criterion::Sure,
        };
        let chosen = TrendSelect::new(filter, criterion).fit(series).map_err(within)?;
        found.push(("lambdas", chosen.lambdas.into()));
        found.push(("scores", chosen.scores.into()));
        chosen.fit
    } else {
        if let Some(ratio) = args.lambda_ratio {
            filter.lambda = ratio * filter.lambda_max(series).map_err(within)?;
        }
        if let Some(period) = args.season {
            let fit = SeasonalTrend::new(filter, period).fit(series).map_err(within)?;
            found.push(("season", fit.season.clone().into()));
            found.push(("season_violation", fit.violation.into()));
            found.push(("alternations", fit.iterations.into()));
            (season, status) = (fit.season, Some(fit.status));
            fit.trend
        } else {
            let mut observer = |p: &solvers::Progress<f64>, _: &[f64]| {
                spinner.set_message(format!("trend: iteration {}", p.iter));
                ControlFlow::Continue(())
            };
            filter.fit_observed(series, Some(&mut observer)).map_err(within)?
        }
    };
    let elapsed = start.elapsed();
    spinner.finish_and_clear();

    let at = |i: usize| positions.as_ref().map_or(i as f64, |t| t[i]);
    let observed = |i: usize| !y[i].is_nan() && weights.as_ref().is_none_or(|w| w[i] > 0.0);
    // What the trend was fitted to: the data without the season.
    let flat: Vec<f64> = match season.len() {
        0 => y.clone(),
        period => y.iter().enumerate().map(|(i, v)| v - season[i % period]).collect(),
    };
    let series = series_of(&flat, weights.as_deref(), positions.as_deref());
    let diagnostics = Diagnostics::new(series, fitted.x(), 1).map_err(within)?;
    let slopes: Vec<f64> = fitted.pieces(series).map_err(within)?.iter().map(|p| p.slope).collect();
    let knots: Vec<f64> = fitted.knots().iter().map(|k| at(k.index)).collect();
    let sizes: Vec<f64> = fitted.knots().iter().map(|k| k.jump).collect();
    let mut outcome = Outcome::new("trend")
        .status(status.unwrap_or_else(|| fitted.status()))
        .set("lambda", fitted.lambda())
        .set("lambda_max", fitted.lambda_max())
        .set("objective", fitted.objective())
        .set("gap", fitted.certificate().gap())
        .set("knots", knots.len())
        .set("knot_positions", knots)
        .set("knot_sizes", sizes)
        .set("slopes", slopes)
        .set("degrees_of_freedom", fitted.degrees_of_freedom())
        .set("iterations", fitted.iterations())
        .set("residual_rms", diagnostics.rms)
        .set("sigma", diagnostics.sigma_differences)
        .set("autocorrelation", diagnostics.autocorrelation[0])
        .set("runs_z", diagnostics.runs_z)
        .set("missing", y.len() - diagnostics.n);
    let outliers = fitted.outliers(series).map_err(within)?;
    if args.loss == Loss::Huber {
        found.push(("outliers", outliers.iter().filter(|o| **o != 0.0).count().into()));
    }
    for (key, value) in found {
        outcome = outcome.set(key, value);
    }

    let trend = encode_array(&args.output, &Array::vector(fitted.x().to_vec()));
    let mut files = vec![(args.output.as_path(), trend)];
    if let Some(path) = &args.outliers {
        files.push((path, encode_array(path, &Array::vector(outliers))));
    }
    if let Some(path) = &args.season_out {
        files.push((path, encode_array(path, &Array::vector(season))));
    }
    if let Some(path) = &args.plot {
        files.push((path, picture(&flat, &fitted, at, observed).into_bytes()));
    }
    if let (Some(from), Some(to)) = (&args.at, &args.at_out) {
        let new = read_vector(from)?;
        let predicted = fitted.predict(series, &new).map_err(|e| CliError::from(e).within(from))?;
        outcome = outcome.set("extrapolated", predicted.extrapolated.iter().filter(|e| **e).count());
        files.push((to, encode_array(to, &Array::vector(predicted.values))));
    }
    let files: Vec<(&Path, &[u8])> = files.iter().map(|(path, bytes)| (*path, bytes.as_slice())).collect();
    write_all(&files)?;
    Ok(outcome.seconds(elapsed))
}

/// Several channels with common knots.
fn several(args: &Args, y: &Array, ctx: &Context) -> Result<Outcome, CliError> {
    let single = [
        ("--cv", args.cv),
        ("--knots", args.knots.is_some()),
        ("--criterion", args.criterion.is_some()),
        ("--loss huber", args.loss == Loss::Huber),
        ("--shape", args.shape.is_some()),
        ("--circular", args.circular),
        ("--outliers", args.outliers.is_some()),
        ("--season", args.season.is_some()),
        ("--plot", args.plot.is_some()),
        ("--at", args.at.is_some()),
    ];
    refuse(&args.y, "a signal of several channels", &single)?;
    let mut model = GroupTrend::new(args.order, args.lambda.unwrap_or(0.0)).tol(args.tol);
    if let Some(n) = args.max_iter {
        model = model.max_iter(n);
    }
    let (weights, positions) = (args.weights.as_ref(), args.x.as_ref());
    let data = Channels { y, path: &args.y, weights, positions };
    data.fit("trend", model, args.lambda_ratio, &args.output, ctx)
}

fn picture(
    y: &[f64],
    fitted: &FittedTrend<f64>,
    at: impl Fn(usize) -> f64,
    observed: impl Fn(usize) -> bool,
) -> String {
    let x = fitted.x();
    let size = if y.len() > 500 { 1.5 } else { 2.5 };
    let data = (0..y.len()).filter(|&i| observed(i)).map(|i| (at(i), y[i]));
    let gaps = (0..y.len()).filter(|&i| !observed(i)).map(|i| (at(i), x[i]));
    let mut curves = vec![
        Curve::dots(data, "#9aa7b3", size).label("data"),
        Curve::line(x.iter().enumerate().map(|(i, &v)| (at(i), v)), "#0b6e99").label("trend"),
        Curve::dots(gaps, "#e8a33d", size + 0.5).label("missing, filled by the trend"),
    ];
    let knots = fitted.knots();
    if knots.len() < x.len() / 2 {
        curves.push(
            Curve::dots(knots.iter().map(|k| (at(k.index), x[k.index])), "#d9480f", 4.0).label("knots"),
        );
    }
    plot::svg(&format!("Trend filtering, order {}", fitted.order()), "position", "value", curves)
}
