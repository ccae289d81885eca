//! `spm lasso`: sparse linear regression.

use std::path::{Path, PathBuf};

use clap::ValueEnum;
use serde_json::Value;
use sparse_modeling::linalg::LinearOperator;
use sparse_modeling::models::{
    AdaptiveLasso, CrossValidation, Design, ElasticNet, ElasticNetPath, Fit, FitControl, FittedLinear,
    LinearModel, ModelError, Score, Solver, Xy,
};
use sparse_modeling::solvers::Status;

use super::lasso_concave::Penalty;
use super::lasso_loss::Loss;
use super::regression::encode_model;
use super::{lasso_concave, lasso_features, lasso_loss, lasso_missing, lasso_structured};
use crate::args::{count, non_negative, positive, share};
use crate::error::CliError;
use crate::io::{Array, Matrix, extension, read_array, read_matrix, read_vector, write_all, write_array};
use crate::outcome::Outcome;
use crate::{Context, progress};

/// Sparse linear regression: Lasso and elastic net, with a duality gap.
///
/// Minimises 1/(2n)·Σ wᵢ(yᵢ − xᵢᵀβ − b)² + alpha·Σ vⱼ(l1_ratio·|βⱼ| + (1 − l1_ratio)/2·βⱼ²). With --loss another loss, 1/n·Σ
/// wᵢ·loss(yᵢ, xᵢᵀβ + b); with --penalty a concave penalty in place of the second sum; with --groups, --multitask and --missing
/// the models named there; with --features no penalty but a number of features.
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
    /// In place of a penalty: at most this many features, chosen one after the other by their correlation with the residual and fitted
    /// by least squares (orthogonal matching pursuit).
    #[arg(long, group = "strength", value_name = "K", value_parser = count, conflicts_with_all = ["l1_ratio", "loss", "penalty", "solver",
        "tol", "max_iter", "positive", "bounds", "penalty_weights", "groups", "multitask", "missing", "adaptive"])]
    pub(super) features: Option<usize>,
    /// Adaptive Lasso: the penalty of each feature is divided by its coefficient in a first, cross-validated Lasso, so that large ones
    /// are shrunk little and features the first one leaves out stay out.
    #[arg(long, conflicts_with_all = ["loss", "penalty", "groups", "multitask", "missing"])]
    pub(super) adaptive: bool,
    /// With --adaptive: the power of the first coefficients.
    #[arg(long, default_value_t = 1.0, value_name = "G", value_parser = positive, requires = "adaptive")]
    pub(super) adaptive_power: f64,
    /// 1 is the Lasso, less is the elastic net.
    #[arg(long, default_value_t = 1.0, value_parser = share)]
    pub(super) l1_ratio: f64,
    /// What the response is: real numbers, 0 and 1, real numbers with outliers, counts.
    #[arg(long, value_enum, default_value = "squared", conflicts_with_all = ["groups", "multitask", "missing", "solver"])]
    pub(super) loss: Loss,
    /// With --loss huber: the residual at which the loss turns linear, in units of y.
    #[arg(long, default_value_t = 1.345, value_name = "D", value_parser = positive)]
    pub(super) delta: f64,
    /// The shape of the penalty; mcp and scad leave large coefficients unshrunk and are not convex: a local minimum is found.
    #[arg(long, value_enum, default_value = "l1", conflicts_with_all = ["groups", "multitask", "missing", "solver", "loss"])]
    pub(super) penalty: Penalty,
    /// Where the concave penalty levels off: gamma of mcp (default 3), a of scad (default 3.7).
    #[arg(long, value_name = "G", value_parser = positive)]
    pub(super) gamma: Option<f64>,
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
    pub(super) positive: bool,
    /// Lower and upper bound of each coefficient, p × 2: lower <= 0 <= upper, infinite allowed.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["groups", "multitask", "missing"])]
    pub(super) bounds: Option<PathBuf>,
    /// Weight of each observation.
    #[arg(long, value_name = "FILE")]
    pub(super) sample_weight: Option<PathBuf>,
    /// Weight of each coefficient's penalty; 0 = not penalised.
    #[arg(long, value_name = "FILE", conflicts_with = "groups")]
    pub(super) penalty_weights: Option<PathBuf>,
    /// Group number of each feature: group Lasso, where a group weighs the square root of its size.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["multitask", "positive", "l1_ratio", "solver"])]
    pub(super) groups: Option<PathBuf>,
    /// With --groups: weight of each group in place of the square root of its size, by increasing group number.
    #[arg(long, value_name = "FILE", requires = "groups")]
    pub(super) group_weights: Option<PathBuf>,
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
    if args.l1_ratio == 0.0 && args.alpha_ratio.is_some() {
        let message =
            "--l1-ratio 0 wants --alpha: without an L1 penalty no strength makes all coefficients zero";
        return Err(CliError::Usage(message.to_owned()));
    }
    let matrix = read_matrix(&args.x)?;
    let y = read_array(&args.y)?;
    let weights = args.sample_weight.as_deref().map(read_vector).transpose()?;
    let penalty_weights = args.penalty_weights.as_deref().map(read_vector).transpose()?;

    let (rows, targets) = y.rows_cols(&args.y)?;
    if targets > 1 && !args.multitask && extension(&args.output) == "spm" {
        let message = format!("a model file holds one target, y has {targets}: write .npy or .csv");
        return Err(CliError::file(&args.output, message));
    }
    let (columns, sparse);
    let design = match matrix {
        Matrix::Dense(a) => {
            let (n, p) = a.rows_cols(&args.x)?;
            // The rows are dropped here: one copy of X stays.
            columns = a.column_major();
            Design::dense(&columns, n, p)
        }
        Matrix::Sparse(s) => {
            sparse = s;
            Design::sparse(sparse.nrows, &sparse.col_ptr, &sparse.row_idx, &sparse.values)
        }
    };
    let design = design.map_err(|e| CliError::from(e).within(&args.x))?;
    if design.nrows() != rows {
        return Err(CliError::file(
            &args.y,
            format!("expected {} rows, as X has, found {rows}", design.nrows()),
        ));
    }
    let files = [
        ("sample_weight", args.sample_weight.as_ref()),
        ("penalty_weights", args.penalty_weights.as_ref()),
        ("groups", args.groups.as_ref()),
        ("group weights", args.group_weights.as_ref()),
        ("bounds", args.bounds.as_ref()),
        ("bounds: lower", args.bounds.as_ref()),
        ("bounds: upper", args.bounds.as_ref()),
        ("X", Some(&args.x)),
        ("y", Some(&args.y)),
    ];
    let y = y.column_major();
    let (weights, penalty_weights) = (weights.as_deref(), penalty_weights.as_deref());
    let table = Table { design, y: &y, weights, penalty_weights, files: &files };
    if args.missing {
        return lasso_missing::run(args, &table, ctx);
    }
    design.check_finite("X").map_err(|e| CliError::from(e).within(&args.x))?;
    if args.groups.is_some() {
        return lasso_structured::groups(args, &table, ctx);
    }
    if args.multitask {
        return lasso_structured::multitask(args, &table, ctx);
    }
    if args.loss != Loss::Squared {
        return lasso_loss::run(args, &table, ctx);
    }
    if args.penalty != Penalty::L1 {
        return lasso_concave::run(args, &table, ctx);
    }
    if let Some(k) = args.features {
        return lasso_features::run(k, args, &table, ctx);
    }
    let bounds = args.read_bounds()?;
    let bar = ctx.progress.spinner("lasso");
    let mut fits = Vec::with_capacity(targets);
    let mut scores = Vec::with_capacity(targets);
    let mut tops = Vec::with_capacity(targets);
    let within = |e| CliError::from(e).within_any(&files, &args.y);
    for data in table.targets() {
        let mut model = args.model(penalty_weights, &bounds);
        if args.adaptive {
            model = second_stage(model, args.adaptive_power, data).map_err(within)?;
        }
        // Without an L1 part nothing is ever zero, and only a strength itself can be asked for.
        let alpha_max =
            if args.l1_ratio > 0.0 { model.alpha_max(data).map_err(within)? } else { f64::INFINITY };
        model.alpha = args.strength(alpha_max);
        let mut observer = progress::observer(&bar, "lasso");
        let fitted = model.fit_with(data, FitControl::default().observer(&mut observer)).map_err(within)?;
        scores.push(fitted.score(data).map_err(within)?);
        tops.push(alpha_max);
        fits.push(fitted);
    }
    bar.finish_and_clear();
    write_fits(args, &fits)?;
    Ok(outcome(&fits, &tops, &scores))
}

/// What was read: where every kind of regression starts from.
pub(super) struct Table<'a> {
    pub(super) design: Design<'a, f64>,
    /// One target after another.
    pub(super) y: &'a [f64],
    pub(super) weights: Option<&'a [f64]>,
    pub(super) penalty_weights: Option<&'a [f64]>,
    pub(super) files: &'a Files<'a>,
}

impl<'a> Table<'a> {
    /// Each target on its own.
    pub(super) fn targets(&self) -> impl Iterator<Item = Xy<'a, f64>> {
        let (design, weights) = (self.design, self.weights);
        self.y.chunks_exact(design.nrows()).map(move |y| {
            let data = Xy::new(design, y);
            weights.map_or(data, |w| data.sample_weight(w))
        })
    }
}

/// The model with the weights that a Lasso with the same options, of the strength that five folds choose, gives.
fn second_stage(
    model: ElasticNet<f64>,
    power: f64,
    data: Xy<'_, f64>,
) -> Result<ElasticNet<f64>, ModelError> {
    let mut pilot = model.clone();
    (pilot.l1_ratio, pilot.solver) = (1.0, Solver::Auto);
    let folds = data.y.len().clamp(2, 5);
    pilot.alpha =
        CrossValidation::new(ElasticNetPath::new(pilot.clone())).n_folds(folds).fit(data)?.alpha_min();
    AdaptiveLasso::new(1.0, pilot).model(model).power(power).second_stage(data)
}

/// The bounds of each coefficient from a p × 2 array.
fn bounds_from(path: &Path) -> Result<Vec<(f64, f64)>, CliError> {
    let array = read_array(path)?;
    let (rows, columns) = array.rows_cols(path)?;
    if columns != 2 {
        let message = format!("expected a lower and an upper bound a row, found {rows} × {columns}");
        return Err(CliError::file(path, message));
    }
    Ok(array.data.chunks_exact(2).map(|b| (b[0], b[1])).collect())
}

impl Args {
    /// The bounds asked for.
    pub(super) fn read_bounds(&self) -> Result<Option<Vec<(f64, f64)>>, CliError> {
        self.bounds.as_deref().map(bounds_from).transpose()
    }

    /// The strength asked for, given the smallest one at which all is zero.
    pub(super) fn strength(&self, alpha_max: f64) -> f64 {
        self.alpha.or(self.alpha_ratio.map(|r| r * alpha_max)).unwrap_or(0.0)
    }

    /// The model with everything but its strength.
    fn model(&self, penalty_weights: Option<&[f64]>, bounds: &Option<Vec<(f64, f64)>>) -> ElasticNet<f64> {
        let solver = match self.solver {
            SolverName::Auto => Solver::Auto,
            SolverName::Cd => Solver::CoordinateDescent,
            SolverName::Admm => Solver::Admm,
            SolverName::Fista => Solver::Fista,
            SolverName::Lars => Solver::Lars,
        };
        let mut model = ElasticNet::new(1.0, self.l1_ratio)
            .fit_intercept(!self.no_intercept)
            .standardize(self.standardize)
            .positive(self.positive)
            .tol(self.tol)
            .max_iter(self.max_iter)
            .solver(solver);
        model.penalty_weights = penalty_weights.map(<[f64]>::to_vec);
        model.bounds.clone_from(bounds);
        model
    }
}

/// Writes the coefficients, or a model file.
pub(super) fn write_fits(args: &Args, fits: &[FittedLinear<f64>]) -> Result<(), CliError> {
    write_models(args, &fits.iter().cloned().map(LinearModel::from).collect::<Vec<_>>())
}

/// Writes the coefficients of each target, or the model file of one.
pub(super) fn write_models(args: &Args, models: &[LinearModel<f64>]) -> Result<(), CliError> {
    if let [one] = models {
        return write_all(&[(&args.output, &encode_model(&args.output, one.clone())?)]);
    }
    write(args, &models.iter().map(|m| &m.coef[..]).collect::<Vec<_>>())
}

/// Writes the coefficients: p numbers, or p × t for t targets.
pub(super) fn write(args: &Args, coefs: &[&[f64]]) -> Result<(), CliError> {
    let array = match coefs {
        [one] => Array::vector(one.to_vec()),
        _ => {
            let p = coefs.first().map_or(0, |c| c.len());
            let data = (0..p).flat_map(|j| coefs.iter().map(move |c| c[j])).collect();
            Array::matrix(p, coefs.len(), data)
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
        .set("nnz", each(fits.iter().map(FittedLinear::nnz)))
        .set("intercept", each(fits.iter().map(|f| f.intercept)))
        .set("r2", each(scores.iter().copied()))
        .set("iterations", fits.iter().map(|f| f.report.last.iter).sum::<usize>())
        .seconds(fits.iter().map(|f| f.report.elapsed).sum())
}

/// One value for one target, a list for several.
pub(super) fn each<V: Into<Value>>(values: impl IntoIterator<Item = V>) -> Value {
    let mut values: Vec<Value> = values.into_iter().map(Into::into).collect();
    if values.len() == 1 { values.remove(0) } else { Value::Array(values) }
}

/// What the file of an argument is called by the library and by the user.
pub(super) type Files<'a> = [(&'static str, Option<&'a PathBuf>)];
