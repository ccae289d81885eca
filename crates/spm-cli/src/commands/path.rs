//! `spm path`: all solutions from the first feature on.

use std::path::PathBuf;
use std::time::Instant;

use clap::ValueEnum;
use sparse_modeling::models::{Criterion, Fit, FittedPath};

use super::regression::{AnyPath, GridArgs, ModelArgs};
use crate::Context;
use crate::error::CliError;
use crate::io::{Array, encode_array, extension, write_all};
use crate::outcome::Outcome;
use crate::plot::{self, Series};

/// Lasso and elastic net for a whole grid of strengths, each solution with a duality gap.
///
/// The coefficients come as p × number of strengths, in the order of the strengths.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    grid: GridArgs,
    /// Where the coefficients go (.npy or .csv).
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Where the strengths go.
    #[arg(long, value_name = "FILE")]
    alphas_out: Option<PathBuf>,
    /// Where the intercepts go.
    #[arg(long, value_name = "FILE")]
    intercepts_out: Option<PathBuf>,
    /// A picture of the coefficients against the strength (.svg).
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
    /// Also name the strength that this criterion chooses.
    #[arg(long, value_enum)]
    criterion: Option<CriterionName>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum CriterionName {
    Aic,
    Bic,
    Ebic,
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    if extension(&args.output) == "spm" {
        let message = "a model file holds one strength, a path has many: write .npy or .csv";
        return Err(CliError::file(&args.output, message));
    }
    let inputs = args.model.read()?;
    let data = inputs.data()?;
    let path = args.model.path(&args.grid, &inputs)?;
    let spinner = ctx.progress.spinner("path");
    let start = Instant::now();
    let fitted = match path {
        AnyPath::Complete(path) => path.fit(data),
        AnyPath::Missing(path) => path.fit(data),
    };
    let fitted = fitted.map_err(|e| args.model.explain(&args.grid, e))?;
    let elapsed = start.elapsed();
    spinner.finish_and_clear();

    let points = &fitted.points;
    let (p, m) = (fitted.n_features, points.len());
    let mut coefs = vec![0.0; p * m];
    for (k, point) in points.iter().enumerate() {
        point.nonzeros.iter().for_each(|&(j, w)| coefs[j * m + k] = w);
    }
    let alphas: Vec<f64> = points.iter().map(|p| p.alpha).collect();
    let intercepts: Vec<f64> = points.iter().map(|p| p.intercept).collect();
    let mut files = vec![(args.output.as_path(), encode_array(&args.output, &Array::matrix(p, m, coefs)))];
    for (file, values) in [(&args.alphas_out, &alphas), (&args.intercepts_out, &intercepts)] {
        if let Some(file) = file {
            files.push((file.as_path(), encode_array(file, &Array::vector(values.clone()))));
        }
    }
    if let Some(file) = &args.plot {
        files.push((file.as_path(), picture(&fitted).into_bytes()));
    }
    let files: Vec<(&std::path::Path, &[u8])> =
        files.iter().map(|(f, bytes)| (*f, bytes.as_slice())).collect();
    write_all(&files)?;

    let top = alphas.iter().copied().fold(0.0, f64::max);
    let at_zero = fitted.objective_at_zero;
    let gap = points.iter().map(|p| p.certificate.gap()).fold(0.0, f64::max);
    let explained = |e: f64| if at_zero > 0.0 { 1.0 - e / (2.0 * at_zero) } else { 1.0 };
    let mut outcome = Outcome::new("path")
        .status(fitted.status())
        .set("alphas", alphas)
        .set("nnz", points.iter().map(|p| p.nnz()).collect::<Vec<_>>())
        .set("r2", points.iter().map(|p| explained(p.mean_squared_error)).collect::<Vec<_>>())
        .set("objective", points.iter().map(|p| p.certificate.primal).collect::<Vec<_>>())
        .set("objective_at_zero", at_zero)
        .set("gap", gap)
        .set("largest_alpha", top)
        .set("entry_order", fitted.entries().iter().map(|e| e.0).collect::<Vec<_>>())
        .set("iterations", points.iter().map(|p| p.report.last.iter).sum::<usize>());
    if let Some(name) = args.criterion {
        let criterion = match name {
            CriterionName::Aic => Criterion::Aic,
            CriterionName::Bic => Criterion::Bic,
            CriterionName::Ebic => Criterion::Ebic(1.0),
        };
        let chosen = criterion.choose(&fitted);
        outcome = outcome
            .set("criterion", criterion.values(&fitted).into_iter().collect::<Vec<Option<f64>>>())
            .set("chosen", chosen)
            .set("alpha", chosen.map(|k| points[k].alpha));
    }
    Ok(outcome.seconds(elapsed))
}

/// At most this many coefficients are drawn, the largest.
const CURVES: usize = 40;

fn picture(fitted: &FittedPath<f64>) -> String {
    let mut largest = vec![0.0_f64; fitted.n_features];
    for point in &fitted.points {
        point.nonzeros.iter().for_each(|&(j, w)| largest[j] = largest[j].max(w.abs()));
    }
    let mut drawn: Vec<usize> = (0..largest.len()).filter(|&j| largest[j] > 0.0).collect();
    drawn.sort_by(|&a, &b| largest[b].total_cmp(&largest[a]).then(a.cmp(&b)));
    drawn.truncate(CURVES);
    let mut order: Vec<&_> = fitted.points.iter().filter(|p| p.alpha > 0.0).collect();
    order.sort_by(|a, b| a.alpha.total_cmp(&b.alpha));
    let colors = ["#0b6e99", "#d9480f", "#2b8a3e", "#862e9c", "#c2255c", "#5c940d", "#1864ab", "#846358"];
    let curves = drawn
        .iter()
        .enumerate()
        .map(|(rank, &j)| {
            let curve = Series::line(order.iter().map(|p| (p.alpha, p.coef(j))), colors[rank % colors.len()]);
            if rank < 8 { curve.label(format!("feature {j}")) } else { curve }
        })
        .collect();
    plot::svg_log_x("Coefficients along the path", "alpha", "coefficient", curves)
}
