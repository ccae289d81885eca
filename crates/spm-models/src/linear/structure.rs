//! The matrix of a generalized Lasso.

use spm_linalg::operator::Difference;
use spm_linalg::{Design, DesignMatrix, LinearOperator, Scalar, Workspace, check, vecops};

use super::generalized_dual::null_space;
use crate::ModelError;

/// What a generalized Lasso wants to be sparse: the rows of `D w`.
///
/// | kind | rows of `D` | spm-image's name |
/// |---|---|---|
/// | [`Matrix`](Self::Matrix) | any, m × p, column by column | `GeneralizedLasso` |
/// | [`Trend`](Self::Trend) of order 0 | `sparse·w_j`, then `trend·(w_j − w_{j+1})` | `FusedLasso` |
/// | … of order 1 | `sparse·w_j`, then `trend·` second differences | `TrendFiltering` |
/// | … of order 2 | `sparse·w_j`, then `trend·` third differences | `QuadraticTrendFiltering` |
///
/// Coefficients of 0 leave their rows out.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Structure<T> {
    /// Any matrix, m × p, column by column.
    Matrix {
        /// Column by column, m·p numbers.
        values: Vec<T>,
        /// m.
        nrows: usize,
    },
    /// Coefficients that are sparse, and piecewise polynomials of degree `order` in the index.
    Trend {
        /// 0 piecewise constant (fused), 1 piecewise linear, 2 quadratic, …
        order: usize,
        /// The factor of `|w_j|`, `>= 0`.
        sparse: T,
        /// The factor of the differences of order `order + 1`, `>= 0`.
        trend: T,
    },
}

impl<T: Scalar> Structure<T> {
    /// Sparse and piecewise constant coefficients: the fused Lasso.
    #[must_use]
    pub fn fused(sparse: T, trend: T) -> Self {
        Self::Trend { order: 0, sparse, trend }
    }

    /// Sparse coefficients that are piecewise polynomials of degree `order`.
    #[must_use]
    pub fn trend(order: usize, sparse: T, trend: T) -> Self {
        Self::Trend { order, sparse, trend }
    }

    /// `D` written out: values column by column, and the number of rows.
    pub(super) fn matrix(&self, p: usize) -> Result<(Vec<T>, usize), ModelError> {
        match self {
            Self::Matrix { values, nrows } => {
                check::len("D", nrows.saturating_mul(p), values.len())?;
                check::finite("D", values)?;
                Ok((values.clone(), *nrows))
            }
            &Self::Trend { order, sparse, trend } => {
                check::non_negative("sparse", sparse)?;
                check::non_negative("trend", trend)?;
                let own = if sparse > T::zero() { p } else { 0 };
                let differences = if trend > T::zero() { p.saturating_sub(order + 1) } else { 0 };
                let m = own + differences;
                let mut values = vec![T::zero(); m * p];
                for j in 0..own {
                    values[j * m + j] = sparse;
                }
                if differences > 0 {
                    let k = Difference::even(p, order + 1)?;
                    let mut ws = Workspace::new(k.scratch());
                    let (mut unit, mut image) = (vec![T::zero(); p], vec![T::zero(); differences]);
                    for j in 0..p {
                        unit[j] = T::one();
                        k.apply(&unit, &mut image, ws.stack());
                        unit[j] = T::zero();
                        for (i, &v) in image.iter().enumerate() {
                            values[j * m + own + i] = trend * v;
                        }
                    }
                }
                Ok((values, m))
            }
        }
    }

    /// An orthonormal basis of the `w` with `D w = 0`, p × q, column by column; `rows` is `D`.
    pub(super) fn null_space(&self, rows: &[T], m: usize, p: usize) -> Result<Vec<T>, ModelError> {
        let &Self::Trend { order, sparse, trend } = self else { return null_space(rows, m, p) };
        if sparse > T::zero() {
            return Ok(Vec::new());
        }
        if trend == T::zero() {
            return null_space(rows, m, p);
        }
        // The polynomials of degree `order`, better known than an eigenvalue decomposition tells.
        let mut basis: Vec<T> = Vec::new();
        for degree in 0..(order + 1).min(p) {
            let at = |i: usize| T::of_usize(2 * i + 1) / T::of_usize(p) - T::one();
            let mut v: Vec<T> = match degree {
                0 => vec![T::one(); p],
                _ => (0..p).map(|i| at(i) * basis[(degree - 1) * p + i]).collect(),
            };
            for _ in 0..2 {
                for q in basis.chunks_exact(p) {
                    let along = vecops::dot(q, &v);
                    vecops::axpy(-along, q, &mut v);
                }
            }
            let size = vecops::norm(&v);
            vecops::scale(size.recip(), &mut v);
            basis.extend(v);
        }
        Ok(basis)
    }

    /// Makes `w` satisfy exactly what `z`, the pattern of `D w`, says: entries and neighbours where that is possible in floating
    /// point (zeros and equal neighbours).
    pub(super) fn snap(&self, z: &[T], w: &mut [T]) {
        let &Self::Trend { order, sparse, trend } = self else { return };
        let own = if sparse > T::zero() { w.len() } else { 0 };
        if order == 0 && trend > T::zero() {
            let mut start = 0;
            while start < w.len() {
                let mut end = start + 1;
                while end < w.len() && z[own + end - 1] == T::zero() {
                    end += 1;
                }
                let mean = w[start..end].iter().copied().sum::<T>() / T::of_usize(end - start);
                w[start..end].fill(mean);
                if own > 0 && z[start..end].contains(&T::zero()) {
                    w[start..end].fill(T::zero());
                }
                start = end;
            }
        }
        for j in 0..own {
            if z[j] == T::zero() {
                w[j] = T::zero();
            }
        }
    }
}

impl<T: Scalar> TryFrom<Design<'_, T>> for Structure<T> {
    type Error = ModelError;

    /// Any dense or sparse `D`, copied.
    fn try_from(design: Design<'_, T>) -> Result<Self, ModelError> {
        let (m, p) = (design.nrows(), design.ncols());
        design.check_finite("D")?;
        let mut values = vec![T::zero(); m * p];
        for (j, column) in values.chunks_exact_mut(m.max(1)).enumerate() {
            design.col_axpy(j, T::one(), column);
        }
        Ok(Self::Matrix { values, nrows: m })
    }
}
