//! Some rows of the data, copied: what a fold is fitted to.

use spm_linalg::{LinearOperator, Scalar};

use crate::{Design, ModelError, Xy};

/// A copy of some rows of a design matrix with their responses and weights.
#[derive(Debug)]
pub(crate) struct Rows<T: Scalar> {
    storage: Storage<T>,
    y: Vec<T>,
    weights: Option<Vec<T>>,
}

#[derive(Debug)]
enum Storage<T> {
    /// Column-major.
    Dense(Vec<T>, usize),
    Sparse {
        indptr: Vec<usize>,
        indices: Vec<usize>,
        values: Vec<T>,
    },
}

impl<T: Scalar> Rows<T> {
    /// Copies the rows `which` (increasing). O(stored entries), one copy of those rows.
    pub(crate) fn gather(data: Xy<'_, T>, which: &[usize]) -> Self {
        let p = data.x.ncols();
        let storage = match &data.x {
            Design::Dense(x) => {
                let mut copy = Vec::with_capacity(which.len() * p);
                for j in 0..p {
                    let col = x.col(j);
                    copy.extend(which.iter().map(|&i| col[i]));
                }
                Storage::Dense(copy, p)
            }
            Design::Sparse(x) => {
                let mut place = vec![usize::MAX; data.x.nrows()];
                which.iter().enumerate().for_each(|(k, &i)| place[i] = k);
                let (mut indptr, mut indices, mut values) = (vec![0], vec![], vec![]);
                for j in 0..p {
                    let (rows, entries) = x.col(j);
                    for (&i, &v) in rows.iter().zip(entries).filter(|(i, _)| place[**i] != usize::MAX) {
                        indices.push(place[i]);
                        values.push(v);
                    }
                    indptr.push(indices.len());
                }
                Storage::Sparse { indptr, indices, values }
            }
            // `Design` may grow kinds; each needs its own copy here.
            _ => unreachable!("a design matrix is dense or sparse"),
        };
        let pick = |v: &[T]| which.iter().map(|&i| v[i]).collect::<Vec<T>>();
        Self { storage, y: pick(data.y), weights: data.sample_weight.map(pick) }
    }

    /// The rows as data to fit to.
    pub(crate) fn data(&self) -> Result<Xy<'_, T>, ModelError> {
        let n = self.y.len();
        let x = match &self.storage {
            Storage::Dense(values, p) => Design::dense(values, n, *p)?,
            Storage::Sparse { indptr, indices, values } => Design::sparse(n, indptr, indices, values)?,
        };
        let data = Xy::new(x, &self.y);
        Ok(match &self.weights {
            Some(w) => data.sample_weight(w),
            None => data,
        })
    }
}
