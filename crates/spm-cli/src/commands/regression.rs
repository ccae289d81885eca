//! What the commands on a path of regressions share: data, model options, grid.

use std::path::{Path, PathBuf};

use sparse_modeling::linalg::LinearOperator;
use sparse_modeling::models::{
    Design, ElasticNet, ElasticNetPath, HmLasso, HmLassoPath, LinearModel, Xy, file,
};

use crate::args::{count, non_negative, open_share, positive, share};
use crate::error::CliError;
use crate::io::{Array, Matrix, encode_array, extension, read_array, read_matrix, read_vector};

/// Data and model, for any strength of the penalty.
#[derive(Debug, clap::Args)]
pub(crate) struct ModelArgs {
    /// Design matrix, n × p: .npy, .npz, .csv, or sparse .mtx and SciPy .npz.
    x: PathBuf,
    /// Response, n values.
    y: PathBuf,
    /// 1 is the Lasso, less is the elastic net.
    #[arg(long, default_value_t = 1.0, value_parser = share)]
    l1_ratio: f64,
    /// Duality gap at which to stop, relative to the objective at zero coefficients.
    #[arg(long, default_value_t = 1e-6, value_parser = positive)]
    tol: f64,
    /// Most iterations for one strength.
    #[arg(long, default_value_t = 100_000, value_parser = count)]
    max_iter: usize,
    /// No intercept.
    #[arg(long)]
    no_intercept: bool,
    /// Fit on columns of unit variance; the coefficients are returned in the original units.
    #[arg(long)]
    standardize: bool,
    /// Coefficients >= 0.
    #[arg(long)]
    positive: bool,
    /// Weight of each observation.
    #[arg(long, value_name = "FILE")]
    sample_weight: Option<PathBuf>,
    /// Weight of each coefficient's penalty; 0 = not penalised.
    #[arg(long, value_name = "FILE")]
    penalty_weights: Option<PathBuf>,
    /// NaN in X means missing: HMLasso, by a positive definite estimate of the covariance.
    #[arg(long, conflicts_with_all = ["positive", "l1_ratio"])]
    pub(crate) missing: bool,
    /// With --missing: the power of the share of rows that weighs a pair of features; 0 weighs all alike.
    #[arg(long, default_value_t = 1.0, value_name = "A", value_parser = non_negative, requires = "missing")]
    weight_power: f64,
}

/// A model for any strength.
pub(crate) enum AnyPath {
    Complete(ElasticNetPath<f64>),
    Missing(HmLassoPath<f64>),
}

/// The strengths to try.
#[derive(Debug, clap::Args)]
pub(crate) struct GridArgs {
    /// How many strengths, falling from the smallest at which all coefficients are zero.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = count)]
    n_alphas: usize,
    /// The last strength as a share of the first.
    #[arg(long, value_name = "E", default_value_t = 1e-3, value_parser = open_share)]
    eps: f64,
    /// These strengths instead, in any order.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["n_alphas", "eps"])]
    alphas: Option<PathBuf>,
}

/// What the files of [`ModelArgs`] hold.
pub(crate) struct Inputs {
    matrix: Matrix,
    /// The dense matrix column by column, with its shape.
    columns: Option<(Vec<f64>, usize, usize)>,
    y: Vec<f64>,
    weights: Option<Vec<f64>>,
    penalty_weights: Option<Vec<f64>>,
}

impl ModelArgs {
    /// Reads all files and checks them against each other.
    pub(crate) fn read(&self) -> Result<Inputs, CliError> {
        let mut matrix = read_matrix(&self.x)?;
        let y = read_array(&self.y)?.into_vector(&self.y)?;
        let weights = self.sample_weight.as_deref().map(read_vector).transpose()?;
        let penalty_weights = self.penalty_weights.as_deref().map(read_vector).transpose()?;
        let columns = match &mut matrix {
            Matrix::Dense(a) => {
                let (n, p) = a.rows_cols(&self.x)?;
                let columns = a.column_major();
                // Not two copies of the matrix.
                a.data = Vec::new();
                Some((columns, n, p))
            }
            Matrix::Sparse(_) => None,
        };
        let inputs = Inputs { matrix, columns, y, weights, penalty_weights };
        let x = inputs.design().map_err(|e| e.within(&self.x))?;
        if x.nrows() != inputs.y.len() {
            let message = format!("expected {} rows, as X has, found {}", x.nrows(), inputs.y.len());
            return Err(CliError::file(&self.y, message));
        }
        if !self.missing {
            x.check_finite("X").map_err(|e| CliError::from(e).within(&self.x))?;
        }
        Ok(inputs)
    }

    /// The path with the model's options.
    pub(crate) fn path(&self, grid: &GridArgs, inputs: &Inputs) -> Result<AnyPath, CliError> {
        let alphas = grid.alphas.as_deref().map(read_vector).transpose()?;
        let (intercept, weights) = (!self.no_intercept, inputs.penalty_weights.clone());
        Ok(if self.missing {
            let mut model = HmLasso::new(1.0)
                .weight_power(self.weight_power)
                .fit_intercept(intercept)
                .standardize(self.standardize)
                .tol(self.tol)
                .max_iter(self.max_iter);
            model.penalty_weights = weights;
            let mut path = HmLassoPath::new(model).n_alphas(grid.n_alphas).eps(grid.eps);
            path.alphas = alphas;
            AnyPath::Missing(path)
        } else {
            let mut model = ElasticNet::new(1.0, self.l1_ratio)
                .fit_intercept(intercept)
                .standardize(self.standardize)
                .positive(self.positive)
                .tol(self.tol)
                .max_iter(self.max_iter);
            model.penalty_weights = weights;
            let mut path = ElasticNetPath::new(model).n_alphas(grid.n_alphas).eps(grid.eps);
            path.alphas = alphas;
            AnyPath::Complete(path)
        })
    }

    /// An error of the library, with the file it is about.
    pub(crate) fn explain(&self, grid: &GridArgs, error: impl Into<CliError>) -> CliError {
        let files = [
            ("sample_weight", self.sample_weight.as_ref()),
            ("penalty_weights", self.penalty_weights.as_ref()),
            ("alphas", grid.alphas.as_ref()),
            ("X", Some(&self.x)),
        ];
        error.into().within_any(&files, &self.y)
    }
}

/// The bytes of a fitted model: a model file for `.spm`, otherwise its coefficients.
pub(crate) fn encode_model(path: &Path, model: LinearModel<f64>) -> Result<Vec<u8>, CliError> {
    if extension(path) == "spm" {
        return file::to_bytes(&model).map_err(|e| CliError::from(e).within(path));
    }
    Ok(encode_array(path, &Array::vector(model.coef)))
}

impl Inputs {
    fn design(&self) -> Result<Design<'_, f64>, CliError> {
        Ok(match (&self.matrix, &self.columns) {
            (Matrix::Sparse(s), _) => Design::sparse(s.nrows, &s.col_ptr, &s.row_idx, &s.values)?,
            (_, Some((columns, n, p))) => Design::dense(columns, *n, *p)?,
            (Matrix::Dense(a), None) => Design::dense(&a.data, a.data.len(), 1)?,
        })
    }

    /// The data as the library takes them.
    pub(crate) fn data(&self) -> Result<Xy<'_, f64>, CliError> {
        let data = Xy::new(self.design()?, &self.y);
        Ok(match &self.weights {
            Some(w) => data.sample_weight(w),
            None => data,
        })
    }
}
