//! `spm cv`: the strength chosen by cross-validation.

use std::path::PathBuf;
use std::time::Instant;

use clap::ValueEnum;
use sparse_modeling::models::select::{FittedCv, Rule};
use sparse_modeling::models::{CrossValidation, Fit, Folds, Score};
use sparse_modeling::solvers::Status;

use super::regression::{AnyPath, GridArgs, ModelArgs, encode_model};
use crate::Context;
use crate::args::count;
use crate::error::CliError;
use crate::io::{Array, encode_array, read_vector, write_all};
use crate::outcome::Outcome;
use crate::plot::{self, Series};

/// Lasso and elastic net with the strength chosen by K-fold cross-validation, fitted to all data.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    grid: GridArgs,
    /// Where the coefficients go (.npy or .csv); .spm writes a model file.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Number of folds.
    #[arg(long, value_name = "K", default_value_t = 5, value_parser = count)]
    folds: usize,
    /// Deal the observations out at random, by --seed, rather than block by block in the order of the rows.
    #[arg(long)]
    shuffle: bool,
    /// Cross-validate this often, each time with other random folds.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = count)]
    repeats: usize,
    /// The fold of each observation, counted from 0.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["folds", "shuffle", "repeats"])]
    fold_ids: Option<PathBuf>,
    /// Which strength is taken: that of the smallest error, or the largest within one standard error of it.
    #[arg(long, value_enum, default_value = "min")]
    rule: RuleName,
    /// Where the strengths go.
    #[arg(long, value_name = "FILE")]
    alphas_out: Option<PathBuf>,
    /// A picture of the error against the strength (.svg).
    #[arg(long, value_name = "FILE")]
    plot: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RuleName {
    Min,
    #[value(name = "1se")]
    OneSe,
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    let inputs = args.model.read()?;
    let data = inputs.data()?;
    let path = args.model.path(&args.grid, &inputs)?;
    let explain = |e| args.model.explain(&args.grid, CliError::from(e));
    let spinner = ctx.progress.spinner("cv");
    let start = Instant::now();
    let result = match path {
        AnyPath::Complete(path) => args.validation(path, ctx)?.fit(data),
        AnyPath::Missing(path) => args.validation(path, ctx)?.fit(data),
    };
    let result = result.map_err(explain)?;
    let elapsed = start.elapsed();
    spinner.finish_and_clear();

    let fitted = &result.fitted;
    let mut files = vec![(args.output.as_path(), encode_model(&args.output, fitted.clone().into())?)];
    if let Some(file) = &args.alphas_out {
        files.push((file.as_path(), encode_array(file, &Array::vector(result.alphas.clone()))));
    }
    if let Some(file) = &args.plot {
        files.push((file.as_path(), picture(&result).into_bytes()));
    }
    let files: Vec<(&std::path::Path, &[u8])> =
        files.iter().map(|(f, bytes)| (*f, bytes.as_slice())).collect();
    write_all(&files)?;

    let status = if result.all_converged { fitted.status() } else { Status::MaxIterations };
    // Rows with missing values have no predictions.
    let r2 = if args.model.missing { None } else { Some(fitted.score(data).map_err(explain)?) };
    let chosen = if args.rule() == Rule::Min { result.index_min } else { result.index_1se };
    Ok(Outcome::new("cv")
        .status(status)
        .set("alpha", fitted.alpha)
        .set("alpha_min", result.alpha_min())
        .set("alpha_1se", result.alpha_1se())
        .set("cv_error", result.errors[chosen])
        .set("cv_standard_error", result.standard_errors[chosen])
        .set("objective", fitted.objective())
        .set("objective_at_zero", fitted.objective_at_zero)
        .set("gap", fitted.gap())
        .set("nnz", fitted.nnz())
        .set("intercept", fitted.intercept)
        .set("r2", r2)
        .set("alphas", result.alphas.clone())
        .set("cv_errors", result.errors.clone())
        .set("cv_standard_errors", result.standard_errors.clone())
        .set("iterations", fitted.report.last.iter)
        .seconds(elapsed))
}

impl Args {
    fn rule(&self) -> Rule {
        match self.rule {
            RuleName::Min => Rule::Min,
            RuleName::OneSe => Rule::OneStandardError,
        }
    }

    /// The cross-validation asked for.
    fn validation<P>(&self, path: P, ctx: &Context) -> Result<CrossValidation<P>, CliError> {
        let folds = match &self.fold_ids {
            Some(file) => Folds::Given(ids(file)?),
            None if self.shuffle || self.repeats > 1 => Folds::Shuffled(ctx.seed),
            None => Folds::Contiguous,
        };
        let cv = CrossValidation::new(path).n_folds(self.folds).folds(folds);
        Ok(cv.repeats(self.repeats).rule(self.rule()))
    }
}

/// Fold numbers from a file.
fn ids(file: &std::path::Path) -> Result<Vec<usize>, CliError> {
    let whole = |v: f64| (v >= 0.0 && v.fract() == 0.0 && v < 1e9).then_some(v as usize);
    read_vector(file)?
        .into_iter()
        .map(|v| {
            whole(v).ok_or_else(|| CliError::file(file, format!("expected whole numbers >= 0, found {v}")))
        })
        .collect()
}

fn picture(cv: &FittedCv<f64>) -> String {
    let mut order: Vec<usize> = (0..cv.alphas.len()).filter(|&k| cv.alphas[k] > 0.0).collect();
    order.sort_by(|&a, &b| cv.alphas[a].total_cmp(&cv.alphas[b]));
    let curve =
        |sign: f64| order.iter().map(move |&k| (cv.alphas[k], cv.errors[k] + sign * cv.standard_errors[k]));
    let mut curves = vec![
        Series::line(curve(0.0), "#0b6e99").label("mean error"),
        Series::dashed(curve(1.0), "#9aa7b3").label("one standard error"),
        Series::dashed(curve(-1.0), "#9aa7b3"),
    ];
    for (k, name, color) in
        [(cv.index_min, "smallest", "#d9480f"), (cv.index_1se, "one standard error", "#2b8a3e")]
    {
        curves.push(Series::dots([(cv.alphas[k], cv.errors[k])], color, 5.0).label(name));
    }
    plot::svg_log_x("Cross-validation", "alpha", "mean squared error", curves)
}
