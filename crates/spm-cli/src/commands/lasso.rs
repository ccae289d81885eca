//! `spm lasso`: sparse linear regression.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::{Value, json};
use sparse_modeling::linalg::LinearOperator;
use sparse_modeling::models::file;
use sparse_modeling::models::{Design, ElasticNet, FitControl, FittedLinear, LinearModel, Score, Solver, Xy};
use sparse_modeling::solvers::Status;

use super::{lasso_missing, lasso_structured};
use crate::args::{count, non_negative, positive, share};
use crate::error::CliError;
use crate::io::{Array, Matrix, extension, read_array, read_matrix, read_vector, write_array};
use crate::outcome::Outcome;
use crate::{Context, progress};

/// Sparse linear regression: Lasso and elastic net, with a duality gap.
///
/// Minimises 1/(2n)·Σ wᵢ(yᵢ − xᵢᵀβ − b)² + alpha·Σ vⱼ(l1_ratio·|βⱼ| + (1 − l1_ratio)/2·βⱼ²).
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("strength").required(true))]
pub(crate) struct Args {
    /// Design matrix, n × p: .npy, .npz, .csv, or sparse .mtx and SciPy .npz.
    pub(super) x: PathBuf,
    /// Response: n values, or n × t for t targets that are fitted one by one.
    pub(super) y: PathBuf,
    /// Where the coefficients go (.npy or .csv); .spm writes a model file.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: PathBuf,
    /// Strength of the penalty.
    #[arg(long, group = "strength", value_parser = non_negative, allow_negative_numbers = true)]
    alpha: Option<f64>,
    /// Strength of the penalty as a share of the smallest alpha at which all coefficients are zero.
    #[arg(long, group = "strength", value_name = "R", value_parser = non_negative, allow_negative_numbers = true)]
    alpha_ratio: Option<f64>,
    /// 1 is the Lasso, less is the elastic net.
    #[arg(long, default_value_t = 1.0, value_parser = share)]
    l1_ratio: f64,
    /// The algorithm; all give the same solution.
    #[arg(long, value_enum, default_value = "auto")]
    solver: SolverName,
    /// Duality gap at which to stop, relative to the objective at zero coefficients.
    #[arg(long, default_value_t = 1e-6, value_parser = positive)]
    pub(super) tol: f64,
    /// Most iterations.
    #[arg(long, default_value_t = 100_000, value_parser = count)]
    pub(super) max_iter: usize,
    /// No intercept.
    #[arg(long)]
    pub(super) no_intercept: bool,
    /// Fit on columns of unit variance; the coefficients are returned in the original units.
    #[arg(long)]
    pub(super) standardize: bool,
    /// Coefficients >= 0.
    #[arg(long)]
    positive: bool,
    /// Weight of each observation.
    #[arg(long, value_name = "FILE")]
    pub(super) sample_weight: Option<PathBuf>,
    /// Weight of each coefficient's penalty; 0 = not penalised.
    #[arg(long, value_name = "FILE", conflicts_with = "groups")]
    pub(super) penalty_weights: Option<PathBuf>,
    /// Group number of each feature: group Lasso, where a group weighs the square root of its size.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["multitask", "positive", "l1_ratio", "solver"])]
    pub(super) groups: Option<PathBuf>,
    /// With --groups: the share of the L1 penalty beside that of the groups (sparse group Lasso).
    #[arg(long, default_value_t = 0.0, value_name = "R", value_parser = share, requires = "groups")]
    pub(super) sparse_group_ratio: f64,
    /// Fit all targets together: a feature is used for all or for none.
    #[arg(long, conflicts_with_all = ["positive", "l1_ratio", "solver"])]
    multitask: bool,
    /// NaN in X means missing: HMLasso, by a positive definite estimate of the covariance.
    #[arg(long, conflicts_with_all = ["positive", "l1_ratio", "solver", "groups", "multitask"])]
    missing: bool,
    /// With --missing: the power of the share of rows that weighs a pair of features; 0 weighs all alike.
    #[arg(long, default_value_t = 1.0, value_name = "A", value_parser = non_negative, requires = "missing")]
    pub(super) weight_power: f64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum SolverName {
    Auto,
    Cd,
    Admm,
    Fista,
    Lars,
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    let matrix = read_matrix(&args.x)?;
    let y = read_array(&args.y)?;
    let weights = args.sample_weight.as_deref().map(read_vector).transpose()?;
    let penalty_weights = args.penalty_weights.as_deref().map(read_vector).transpose()?;

    let (rows, targets) = y.rows_cols(&args.y)?;
    if (targets > 1 || args.multitask) && extension(&args.output) == "spm" {
        let message = format!("a model file holds one target, y has {targets}: write .npy or .csv");
        return Err(CliError::file(&args.output, message));
    }
    let columns;
    let design = match &matrix {
        Matrix::Dense(a) => {
            let (n, p) = a.rows_cols(&args.x)?;
            columns = a.column_major();
            Design::dense(&columns, n, p)
        }
        Matrix::Sparse(s) => Design::sparse(s.nrows, &s.col_ptr, &s.row_idx, &s.values),
    };
    let design = design.map_err(|e| CliError::from(e).within(&args.x))?;
    if design.nrows() != rows {
        return Err(CliError::file(
            &args.y,
            format!("expected {} rows, as X has, found {rows}", design.nrows()),
        ));
    }
    if args.missing {
        let y = y.column_major();
        return lasso_missing::run(
            args,
            design,
            &y,
            rows,
            weights.as_deref(),
            penalty_weights.as_deref(),
            ctx,
        );
    }
    design.check_finite("X").map_err(|e| CliError::from(e).within(&args.x))?;
    let y = Array { shape: y.shape, data: y.data }.column_major();

    let files = [
        ("sample_weight", args.sample_weight.as_ref()),
        ("penalty_weights", args.penalty_weights.as_ref()),
        ("X", Some(&args.x)),
    ];
    if args.groups.is_some() {
        return lasso_structured::groups(args, design, &y, rows, weights.as_deref(), &files, ctx);
    }
    if args.multitask {
        let (weights, v) = (weights.as_deref(), penalty_weights.as_deref());
        return lasso_structured::multitask(args, design, &y, rows, weights, v, &files, ctx);
    }
    let bar = ctx.progress.spinner("lasso");
    let mut fits = Vec::with_capacity(targets);
    let mut scores = Vec::with_capacity(targets);
    let mut tops = Vec::with_capacity(targets);
    for target in y.chunks_exact(rows.max(1)) {
        let mut data = Xy::new(design, target);
        if let Some(w) = &weights {
            data = data.sample_weight(w);
        }
        let within = |e| CliError::from(e).within_any(&files, &args.y);
        let alpha_max = args.model(1.0, &penalty_weights).alpha_max(data).map_err(within)?;
        let alpha = args.strength(alpha_max);
        let model = args.model(alpha, &penalty_weights);
        let mut observer = progress::observer(&bar, "lasso");
        let fitted = model.fit_with(data, FitControl::default().observer(&mut observer)).map_err(within)?;
        scores.push(fitted.score(data).map_err(within)?);
        tops.push(alpha_max);
        fits.push(fitted);
    }
    bar.finish_and_clear();
    write(args, &fits)?;
    Ok(outcome(&fits, &tops, &scores))
}

impl Args {
    /// The strength asked for, given the smallest one at which all is zero.
    pub(super) fn strength(&self, alpha_max: f64) -> f64 {
        self.alpha.or(self.alpha_ratio.map(|r| r * alpha_max)).unwrap_or(0.0)
    }

    fn model(&self, alpha: f64, penalty_weights: &Option<Vec<f64>>) -> ElasticNet<f64> {
        let solver = match self.solver {
            SolverName::Auto => Solver::Auto,
            SolverName::Cd => Solver::CoordinateDescent,
            SolverName::Admm => Solver::Admm,
            SolverName::Fista => Solver::Fista,
            SolverName::Lars => Solver::Lars,
        };
        let model = ElasticNet::new(alpha, self.l1_ratio)
            .fit_intercept(!self.no_intercept)
            .standardize(self.standardize)
            .positive(self.positive)
            .tol(self.tol)
            .max_iter(self.max_iter)
            .solver(solver);
        match penalty_weights {
            Some(v) => model.penalty_weights(v.clone()),
            None => model,
        }
    }
}

pub(super) fn write(args: &Args, fits: &[FittedLinear<f64>]) -> Result<(), CliError> {
    let p = fits.first().map_or(0, |f| f.coef.len());
    if let ("spm", [one]) = (extension(&args.output).as_str(), fits) {
        return file::save(&LinearModel::from(one.clone()), &args.output)
            .map_err(|e| CliError::from(e).within(&args.output));
    }
    let array = match fits {
        [one] => Array::vector(one.coef.clone()),
        _ => {
            let data = (0..p).flat_map(|j| fits.iter().map(move |f| f.coef[j])).collect();
            Array::matrix(p, fits.len(), data)
        }
    };
    write_array(&args.output, &array)
}

pub(super) fn outcome(fits: &[FittedLinear<f64>], tops: &[f64], scores: &[f64]) -> Outcome {
    let status =
        fits.iter().map(FittedLinear::status).find(|s| !s.is_converged()).unwrap_or(Status::Converged);
    Outcome::new("lasso")
        .status(status)
        .set("alpha", each(fits.iter().map(|f| f.alpha)))
        .set("alpha_max", each(tops.iter().copied()))
        .set("objective", each(fits.iter().map(FittedLinear::objective)))
        .set("objective_at_zero", each(fits.iter().map(|f| f.objective_at_zero)))
        .set("gap", each(fits.iter().map(FittedLinear::gap)))
        .set(
            "nnz",
            if let [one] = fits { json!(one.nnz()) } else { fits.iter().map(FittedLinear::nnz).collect() },
        )
        .set("intercept", each(fits.iter().map(|f| f.intercept)))
        .set("r2", each(scores.iter().copied()))
        .set("iterations", fits.iter().map(|f| f.report.last.iter).sum::<usize>())
        .seconds(fits.iter().map(|f| f.report.elapsed).sum())
}

/// A number for one target, a list for several.
fn each(values: impl Iterator<Item = f64>) -> Value {
    let values: Vec<f64> = values.collect();
    if let [one] = values[..] { json!(one) } else { json!(values) }
}
