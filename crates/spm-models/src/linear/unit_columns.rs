//! A copy of a design matrix with columns of unit deviation, for losses that know no lazy scaling.

use spm_linalg::{DesignMatrix, LinearOperator, Scalar};

use super::SparseGlm;
use super::penalty::clamp;
use super::prepared::Prepared;
use crate::{Design, ModelError, Xy};

/// The columns divided by their deviations, in the form they came in: sparse stays sparse.
#[derive(Debug)]
pub(super) struct UnitColumns<T> {
    values: Vec<T>,
    /// Of a sparse matrix: where each column begins, and the row of each value.
    stored: Option<(Vec<usize>, Vec<usize>)>,
    scales: Vec<T>,
}

impl<T: Scalar> UnitColumns<T> {
    pub(super) fn new(model: &SparseGlm<T>, data: Xy<'_, T>) -> Result<Self, ModelError> {
        let prepared = Prepared::new(data.x, data.sample_weight, model.fit_intercept, true)?;
        let scales = prepared.view.scales().to_vec();
        let mut values = Vec::with_capacity(prepared.view.stored());
        let mut stored = None;
        match data.x {
            Design::Sparse(x) => {
                let (mut starts, mut rows) = (vec![0], Vec::with_capacity(values.capacity()));
                for (j, &scale) in scales.iter().enumerate() {
                    let (at, column) = x.col(j);
                    values.extend(column.iter().map(|&v| v / scale));
                    rows.extend_from_slice(at);
                    starts.push(rows.len());
                }
                stored = Some((starts, rows));
            }
            Design::Dense(x) => {
                for (j, &scale) in scales.iter().enumerate() {
                    values.extend(x.col(j).iter().map(|&v| v / scale));
                }
            }
            _ => {
                return Err(ModelError::Unsupported {
                    solver: "standardisation",
                    what: "this kind of design matrix",
                });
            }
        }
        Ok(Self { values, stored, scales })
    }

    /// `data` with these columns.
    pub(super) fn data<'a>(&'a self, data: Xy<'a, T>) -> Result<Xy<'a, T>, ModelError> {
        let n = data.x.nrows();
        let x = match &self.stored {
            Some((starts, rows)) => Design::sparse(n, starts, rows, &self.values)?,
            None => Design::dense(&self.values, n, self.scales.len())?,
        };
        Ok(Xy { x, ..data })
    }

    /// The model on these columns.
    pub(super) fn model(&self, model: &SparseGlm<T>) -> SparseGlm<T> {
        let mut scaled = model.clone();
        scaled.standardize = false;
        for ((lower, upper), &scale) in scaled.bounds.iter_mut().flatten().zip(&self.scales) {
            *lower *= scale;
            *upper *= scale;
        }
        scaled
    }

    /// Coefficients of these columns as those of the data, without the rounding that may have left them outside their bounds.
    pub(super) fn undo(&self, model: &SparseGlm<T>, coef: &mut [T]) {
        for (j, (w, &scale)) in coef.iter_mut().zip(&self.scales).enumerate() {
            *w /= scale;
            if let Some(bounds) = &model.bounds {
                *w = clamp(*w, bounds[j]);
            }
        }
    }
}
