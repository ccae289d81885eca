//! `spm genlasso`: the generalized Lasso on a design matrix.

use std::path::{Path, PathBuf};

use sparse_modeling::linalg::LinearOperator;
use sparse_modeling::models::{Design, FitControl, GeneralizedLasso, Score, Structure, Xy};

use super::regression::encode_model;
use crate::args::{count, non_negative, positive};
use crate::error::CliError;
use crate::io::{Array, Matrix, encode_array, read_matrix, read_vector, write_all};
use crate::outcome::Outcome;
use crate::{Context, progress};

/// Sparse regression where D·β is sparse: any D, equal neighbours, or piecewise polynomials.
///
/// Minimises 1/(2n)·Σ wᵢ(yᵢ − xᵢᵀβ − b)² + alpha·‖Dβ‖₁. With --fused and --trend, D is sparse_coef times the identity over
/// trend_coef times the differences of order 1, 2 or 3.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("structure").required(true))]
pub(crate) struct Args {
    /// Design matrix, n × p: .npy, .npz, .csv, or sparse .mtx and SciPy .npz.
    x: PathBuf,
    /// Response, n values.
    y: PathBuf,
    /// Where the coefficients go (.npy or .csv); .spm writes a model file.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Strength of the penalty.
    #[arg(long, value_parser = non_negative, allow_negative_numbers = true)]
    alpha: f64,
    /// Any matrix, m × p.
    #[arg(long = "D", group = "structure", value_name = "FILE", conflicts_with_all = ["sparse_coef", "trend_coef"])]
    d: Option<PathBuf>,
    /// Neighbouring coefficients are equal.
    #[arg(long, group = "structure")]
    fused: bool,
    /// Coefficients are piecewise polynomials of this degree: 1 linear, 2 quadratic.
    #[arg(long, group = "structure", value_name = "K", value_parser = clap::value_parser!(u8).range(1..=8))]
    trend: Option<u8>,
    /// Factor of the coefficients themselves.
    #[arg(long, default_value_t = 1.0, value_parser = non_negative)]
    sparse_coef: f64,
    /// Factor of the differences.
    #[arg(long, default_value_t = 1.0, value_parser = non_negative)]
    trend_coef: f64,
    /// Duality gap at which to stop, relative to the objective at zero coefficients.
    #[arg(long, default_value_t = 1e-6, value_parser = positive)]
    tol: f64,
    /// Most iterations.
    #[arg(long, default_value_t = 100_000, value_parser = count)]
    max_iter: usize,
    /// No intercept.
    #[arg(long)]
    no_intercept: bool,
    /// Weight of each observation.
    #[arg(long, value_name = "FILE")]
    sample_weight: Option<PathBuf>,
    /// Where D·β goes, with its exact zeros.
    #[arg(long, value_name = "FILE")]
    structure_out: Option<PathBuf>,
}

/// The values of a matrix file, column by column if it is dense.
struct Loaded {
    matrix: Matrix,
    columns: Vec<f64>,
    shape: (usize, usize),
}

impl Loaded {
    fn read(path: &Path) -> Result<Self, CliError> {
        let matrix = read_matrix(path)?;
        let (columns, shape) = match &matrix {
            Matrix::Dense(a) => (a.column_major(), a.rows_cols(path)?),
            Matrix::Sparse(s) => (Vec::new(), (s.nrows, s.ncols)),
        };
        Ok(Self { matrix, columns, shape })
    }

    fn design(&self, path: &Path, name: &'static str) -> Result<Design<'_, f64>, CliError> {
        let design = match &self.matrix {
            Matrix::Dense(_) => Design::dense(&self.columns, self.shape.0, self.shape.1),
            Matrix::Sparse(s) => Design::sparse(s.nrows, &s.col_ptr, &s.row_idx, &s.values),
        };
        let design = design.map_err(|e| CliError::from(e).within(path))?;
        design.check_finite(name).map_err(|e| CliError::from(e).within(path))?;
        Ok(design)
    }
}

pub(crate) fn run(args: &Args, ctx: &Context) -> Result<Outcome, CliError> {
    let x = Loaded::read(&args.x)?;
    let design = x.design(&args.x, "X")?;
    let y = read_vector(&args.y)?;
    if y.len() != design.nrows() {
        let message = format!("expected {} values, as X has rows, found {}", design.nrows(), y.len());
        return Err(CliError::file(&args.y, message));
    }
    let weights = args.sample_weight.as_deref().map(read_vector).transpose()?;
    let structure = match (&args.d, args.trend) {
        (Some(path), _) => {
            let d = Loaded::read(path)?;
            if d.shape.1 != design.ncols() {
                let message = format!("expected {} columns, as X has, found {}", design.ncols(), d.shape.1);
                return Err(CliError::file(path, message));
            }
            Structure::try_from(d.design(path, "D")?).map_err(|e| CliError::from(e).within(path))?
        }
        (None, Some(order)) => Structure::trend(usize::from(order), args.sparse_coef, args.trend_coef),
        (None, None) => Structure::fused(args.sparse_coef, args.trend_coef),
    };
    let mut data = Xy::new(design, &y);
    if let Some(w) = &weights {
        data = data.sample_weight(w);
    }
    let model = GeneralizedLasso::new(args.alpha, structure)
        .fit_intercept(!args.no_intercept)
        .tol(args.tol)
        .max_iter(args.max_iter);
    let files =
        [("sample_weight", args.sample_weight.as_ref()), ("X", Some(&args.x)), ("D", args.d.as_ref())];
    let within = |e| CliError::from(e).within_any(&files, &args.y);
    let bar = ctx.progress.spinner("genlasso");
    let mut observer = progress::observer(&bar, "genlasso");
    let fit = model.fit_with(data, None, FitControl::default().observer(&mut observer)).map_err(within)?;
    bar.finish_and_clear();
    let r2 = fit.score(data).map_err(within)?;
    let model = encode_model(&args.output, fit.clone().into())?;
    let mut files = vec![(args.output.as_path(), model)];
    if let Some(path) = &args.structure_out {
        files.push((path, encode_array(path, &Array::vector(fit.structure.clone()))));
    }
    let files: Vec<(&Path, &[u8])> = files.iter().map(|(path, bytes)| (*path, bytes.as_slice())).collect();
    write_all(&files)?;
    Ok(Outcome::new("genlasso")
        .status(fit.status())
        .set("alpha", fit.alpha)
        .set("objective", fit.objective())
        .set("objective_at_zero", fit.objective_at_zero)
        .set("gap", fit.gap())
        .set("nnz", fit.coef.iter().filter(|w| **w != 0.0).count())
        .set("zero_rows", fit.structure.iter().filter(|v| **v == 0.0).count())
        .set("intercept", fit.intercept)
        .set("r2", r2)
        .set("iterations", fit.report.last.iter)
        .seconds(fit.report.elapsed))
}
