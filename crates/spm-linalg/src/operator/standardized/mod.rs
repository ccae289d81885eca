//! A design matrix centred, scaled and row-weighted without a copy.

mod moments;

use super::{Design, DesignMatrix, LinearOperator};
use crate::{LinalgError, MemStack, Scalar, check, vecops};

/// What [`Standardized`] does to the matrix; the default does nothing.
#[derive(Debug, Clone, Copy, Default)]
#[non_exhaustive]
pub struct Standardizing<'a, T> {
    /// Subtract each column's (weighted) mean.
    pub center: bool,
    /// Divide each column by its (weighted, population) standard deviation, or by its root mean square where
    /// `center` is false.
    pub scale: bool,
    /// Multiply row `i` by the square root of `weights[i]`; means and deviations are weighted likewise.
    pub weights: Option<&'a [T]>,
}

impl<'a, T> Standardizing<'a, T> {
    /// Sets `center`.
    #[must_use]
    pub fn center(mut self, yes: bool) -> Self {
        self.center = yes;
        self
    }
    /// Sets `scale`.
    #[must_use]
    pub fn scale(mut self, yes: bool) -> Self {
        self.scale = yes;
        self
    }
    /// Sets the row weights.
    #[must_use]
    pub fn weights(mut self, weights: Option<&'a [T]>) -> Self {
        self.weights = weights;
        self
    }
}

/// A lazy view of a design matrix, $\mathrm{diag}(u)\,(X - 1 m^\top)\,\mathrm{diag}(s)^{-1}$ with $u = \sqrt{w}$.
///
/// In plain text: entry `(i, j)` is `sqrt(w_i) · (x_ij − m_j) / s_j`. No copy is made and a sparse `X` stays
/// sparse: coordinate steps through [`DesignMatrix::carried_dot`] and [`DesignMatrix::carried_axpy`] cost
/// O(stored entries of the column). For that a carried vector has two spare entries `t` and `uᵀv` and stands for
/// `v + t·u`; every column of the view is orthogonal to `u`, so `t` never enters a product with one.
///
/// Means and deviations are computed about a first guess of the mean, exact for columns whose mean is far larger than their
/// deviation; a dense column is centred entry by entry inside each kernel for the same reason. A column that is
/// constant up to rounding counts as exactly zero.
///
/// Construction costs O(stored entries) time, O(n + p) memory.
///
/// ```
/// use spm_linalg::{Design, DesignMatrix, Standardized, Standardizing};
/// let x = Design::dense(&[1.0, 2.0, 3.0, 7.0, 7.0, 7.0], 3, 2)?;
/// let z = Standardized::new(x, Standardizing::default().center(true))?;
/// assert_eq!(z.means(), [2.0, 7.0]);
/// assert_eq!(z.col_dot(0, &[0.0, 0.0, 5.0]), 5.0); // (3 − 2) · 5
/// assert_eq!(z.col_sq_norm(1), 0.0); // a constant column
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Standardized<'a, T: Scalar> {
    x: Design<'a, T>,
    center: bool,
    /// `m`: zeros unless `center`.
    mean: Vec<T>,
    /// `s`: ones unless scaled.
    scale: Vec<T>,
    /// `1/s`, 0 for a column that counts as zero.
    inv_scale: Vec<T>,
    sq_norm: Vec<T>,
    /// `u`, `None` for ones.
    sqrt_weights: Option<Vec<T>>,
    /// `Σ w`.
    total: T,
}

impl<'a, T: Scalar> Standardized<'a, T> {
    /// A view of `x`.
    ///
    /// # Errors
    /// [`LinalgError::NonFiniteAt`] for a NaN or infinity in `x`; [`LinalgError::Shape`],
    /// [`LinalgError::NonFinite`] or [`LinalgError::InvalidParam`] for bad weights, also when all are 0;
    /// [`LinalgError::InvalidParam`] if a column's squares overflow.
    pub fn new(x: Design<'a, T>, what: Standardizing<'_, T>) -> Result<Self, LinalgError> {
        Self::build(x, what, None)
    }

    /// A view of `x`, and its adjoint times `y` (length n): where `x` is dense and unweighted both come from one pass over it.
    ///
    /// # Errors
    /// As [`new`](Self::new); [`LinalgError::Shape`] if `y` is of another length.
    pub fn with_adjoint(
        x: Design<'a, T>,
        what: Standardizing<'_, T>,
        y: &[T],
    ) -> Result<(Self, Vec<T>), LinalgError> {
        check::len("y", x.nrows(), y.len())?;
        let mut product = vec![T::zero(); x.ncols()];
        let view = Self::build(x, what, Some((y, &mut product)))?;
        Ok((view, product))
    }

    fn build(
        x: Design<'a, T>,
        what: Standardizing<'_, T>,
        mut adjoint: Option<(&[T], &mut [T])>,
    ) -> Result<Self, LinalgError> {
        let (n, p) = (x.nrows(), x.ncols());
        let mut total = T::of_usize(n);
        if let Some(w) = what.weights {
            check::len("weights", n, w.len())?;
            check::all_non_negative("weights", w)?;
            total = vecops::sum(w);
            if n > 0 {
                check::positive("sum of the weights", total)?;
            }
        }
        let mut view = Self {
            x,
            center: what.center,
            mean: vec![T::zero(); p],
            scale: vec![T::one(); p],
            inv_scale: vec![T::one(); p],
            sq_norm: vec![T::zero(); p],
            sqrt_weights: what.weights.map(|w| w.iter().map(|v| v.sqrt()).collect()),
            total,
        };
        let together = matches!(x, Design::Dense(_)) && what.weights.is_none();
        let sum = adjoint.as_ref().map_or(T::zero(), |(y, _)| vecops::sum(y));
        for j in 0..p {
            let (mean, moment) = match (&x, &mut adjoint) {
                (Design::Dense(x), Some((y, product))) if together => {
                    let (mean, moment, along) = view.dense_moments(x.col(j), Some(y), sum);
                    product[j] = along;
                    (mean, moment)
                }
                _ => view.moments(j, what.weights),
            };
            if !moment.is_finite() {
                x.check_finite("X")?;
                return Err(LinalgError::InvalidParam {
                    name: "column of X",
                    expected: "small enough for its squares to be representable",
                    got: moment.as_f64(),
                });
            }
            let deviation = (moment / total).sqrt();
            let null = moment == T::zero() || deviation <= T::of(4.0) * T::epsilon() * mean.abs();
            view.mean[j] = mean;
            if null {
                view.inv_scale[j] = T::zero();
            } else if what.scale {
                view.scale[j] = deviation;
                view.inv_scale[j] = deviation.recip();
                view.sq_norm[j] = total;
            } else {
                view.sq_norm[j] = moment;
            }
        }
        if let Some((y, product)) = adjoint {
            if together {
                product.iter_mut().zip(&view.inv_scale).for_each(|(v, &s)| *v *= s);
            } else {
                view.adjoint_into(y, product);
            }
        }
        Ok(view)
    }

    /// `m`, the means that are subtracted: zeros unless centred.
    #[must_use]
    pub fn means(&self) -> &[T] {
        &self.mean
    }

    /// `s`, the deviations that are divided by: ones unless scaled; 1 for a constant column.
    #[must_use]
    pub fn scales(&self) -> &[T] {
        &self.scale
    }

    /// The square roots of the row weights, if there are any.
    #[must_use]
    pub fn sqrt_weights(&self) -> Option<&[T]> {
        self.sqrt_weights.as_deref()
    }

    /// The matrix behind the view.
    #[must_use]
    pub fn inner(&self) -> Design<'a, T> {
        self.x
    }

    /// Column `j` of a sparse matrix times `diag(u) v`, not centred.
    #[inline]
    fn sparse_dot(&self, x: &super::Sparse<'a, T>, j: usize, v: &[T]) -> T {
        match &self.sqrt_weights {
            None => x.fold_col(j, |i| v[i]),
            Some(u) => x.fold_col(j, |i| u[i] * v[i]),
        }
    }

    #[inline]
    fn sparse_axpy(&self, x: &super::Sparse<'a, T>, j: usize, a: T, v: &mut [T]) {
        let (rows, values) = x.col(j);
        match &self.sqrt_weights {
            None => rows.iter().zip(values).for_each(|(&i, &value)| v[i] += a * value),
            Some(u) => rows.iter().zip(values).for_each(|(&i, &value)| v[i] += a * value * u[i]),
        }
    }

    /// `uᵀ v`.
    fn u_dot(&self, v: &[T]) -> T {
        match &self.sqrt_weights {
            None => vecops::sum(v),
            Some(u) => vecops::dot(u, v),
        }
    }

    /// `v ← v + t u`.
    fn u_axpy(&self, t: T, v: &mut [T]) {
        match &self.sqrt_weights {
            None => v.iter_mut().for_each(|x| *x += t),
            Some(u) => vecops::axpy(t, u, v),
        }
    }

    #[inline]
    fn dense_dot(&self, x: &super::Dense<'a, T>, j: usize, v: &[T]) -> T {
        let dot = match &self.sqrt_weights {
            None => vecops::dot_shifted(x.col(j), self.mean[j], v),
            Some(u) => vecops::dot3_shifted(x.col(j), self.mean[j], u, v),
        };
        dot * self.inv_scale[j]
    }

    #[inline]
    fn dense_axpy(&self, x: &super::Dense<'a, T>, j: usize, a: T, v: &mut [T]) {
        let a = a * self.inv_scale[j];
        if a == T::zero() {
            return;
        }
        match &self.sqrt_weights {
            None => vecops::axpy_shifted(a, x.col(j), self.mean[j], v),
            Some(u) => vecops::axpy3_shifted(a, x.col(j), self.mean[j], u, v),
        }
    }

    fn adjoint_into(&self, y: &[T], x: &mut [T]) {
        match &self.x {
            Design::Dense(d) => {
                for (j, xj) in x.iter_mut().enumerate() {
                    *xj = self.dense_dot(d, j, y);
                }
            }
            Design::Sparse(s) => {
                let total = if self.center { self.u_dot(y) } else { T::zero() };
                for (j, xj) in x.iter_mut().enumerate() {
                    *xj = (self.sparse_dot(s, j, y) - self.mean[j] * total) * self.inv_scale[j];
                }
            }
        }
    }

    fn lazy(&self) -> bool {
        self.center && matches!(self.x, Design::Sparse(_))
    }
}

impl<T: Scalar> LinearOperator<T> for Standardized<'_, T> {
    fn nrows(&self) -> usize {
        self.x.nrows()
    }

    fn ncols(&self) -> usize {
        self.x.ncols()
    }

    fn apply(&self, x: &[T], y: &mut [T], _stack: &mut MemStack) {
        check::dim("Standardized::apply x", self.ncols(), x.len());
        check::dim("Standardized::apply y", self.nrows(), y.len());
        y.fill(T::zero());
        let mut shift = T::zero();
        for (j, &xj) in x.iter().enumerate() {
            if xj != T::zero() {
                match &self.x {
                    Design::Dense(d) => self.dense_axpy(d, j, xj, y),
                    Design::Sparse(s) => {
                        let a = xj * self.inv_scale[j];
                        self.sparse_axpy(s, j, a, y);
                        shift -= a * self.mean[j];
                    }
                }
            }
        }
        if shift != T::zero() {
            self.u_axpy(shift, y);
        }
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], _stack: &mut MemStack) {
        check::dim("Standardized::apply_adjoint y", self.nrows(), y.len());
        check::dim("Standardized::apply_adjoint x", self.ncols(), x.len());
        self.adjoint_into(y, x);
    }
}

impl<T: Scalar> DesignMatrix<T> for Standardized<'_, T> {
    /// O(n) for a dense or centred matrix.
    #[inline]
    fn col_dot(&self, j: usize, v: &[T]) -> T {
        check::dim("Standardized::col_dot", self.nrows(), v.len());
        match &self.x {
            Design::Dense(d) => self.dense_dot(d, j, v),
            Design::Sparse(s) => {
                let centre = if self.center { self.mean[j] * self.u_dot(v) } else { T::zero() };
                (self.sparse_dot(s, j, v) - centre) * self.inv_scale[j]
            }
        }
    }

    /// O(n) for a dense or centred matrix.
    #[inline]
    fn col_axpy(&self, j: usize, a: T, out: &mut [T]) {
        check::dim("Standardized::col_axpy", self.nrows(), out.len());
        match &self.x {
            Design::Dense(d) => self.dense_axpy(d, j, a, out),
            Design::Sparse(s) => {
                let a = a * self.inv_scale[j];
                self.sparse_axpy(s, j, a, out);
                if self.center {
                    self.u_axpy(-a * self.mean[j], out);
                }
            }
        }
    }

    fn col_sq_norm(&self, j: usize) -> T {
        self.sq_norm[j]
    }

    fn stored(&self) -> usize {
        self.x.stored()
    }

    fn carry_len(&self) -> usize {
        if self.lazy() { 2 } else { 0 }
    }

    #[inline]
    fn carried_dot(&self, j: usize, v: &[T]) -> T {
        match &self.x {
            Design::Dense(d) => self.dense_dot(d, j, v),
            Design::Sparse(s) if self.center => {
                let n = s.nrows();
                (self.sparse_dot(s, j, &v[..n]) - self.mean[j] * v[n + 1]) * self.inv_scale[j]
            }
            Design::Sparse(_) => self.col_dot(j, v),
        }
    }

    fn carried_dots(&self, columns: &[usize], v: &[T], out: &mut [T]) {
        check::dim("Standardized::carried_dots", columns.len(), out.len());
        match &self.x {
            Design::Dense(d) if self.sqrt_weights.is_none() => {
                d.dots_shifted(columns, |j| self.mean[j], v, out);
                out.iter_mut().zip(columns).for_each(|(o, &j)| *o *= self.inv_scale[j]);
            }
            _ => out.iter_mut().zip(columns).for_each(|(o, &j)| *o = self.carried_dot(j, v)),
        }
    }

    #[inline]
    fn carried_axpy(&self, j: usize, a: T, v: &mut [T]) {
        match &self.x {
            Design::Dense(d) => self.dense_axpy(d, j, a, v),
            Design::Sparse(s) if self.center => {
                let n = s.nrows();
                let a = a * self.inv_scale[j];
                self.sparse_axpy(s, j, a, &mut v[..n]);
                let shift = a * self.mean[j];
                v[n] -= shift;
                v[n + 1] += shift * self.total;
            }
            Design::Sparse(_) => self.col_axpy(j, a, v),
        }
    }

    fn settle(&self, v: &mut [T], fresh: bool) {
        let n = self.nrows();
        check::dim("Standardized::settle", n + self.carry_len(), v.len());
        if self.lazy() {
            let (own, spare) = v.split_at_mut(n);
            if !fresh && spare[0] != T::zero() {
                self.u_axpy(spare[0], own);
            }
            spare[0] = T::zero();
            spare[1] = self.u_dot(own);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::Workspace;
    use crate::testing::{Rng, check_design_matrix};

    /// A random matrix with zeros, as dense column-major data and as CSC arrays.
    fn random(n: usize, p: usize, offset: f64) -> (Vec<f64>, Vec<usize>, Vec<usize>, Vec<f64>) {
        let mut rng = Rng::new(5);
        let (mut dense, mut indptr, mut rows, mut values) = (vec![0.0; n * p], vec![0], vec![], vec![]);
        for j in 0..p {
            for i in 0..n {
                if rng.uniform::<f64>() < 0.6 {
                    let v = offset + rng.normal::<f64>();
                    dense[j * n + i] = v;
                    rows.push(i);
                    values.push(v);
                }
            }
            indptr.push(rows.len());
        }
        (dense, indptr, rows, values)
    }

    /// The slow twin: the same matrix written out.
    fn copied(x: &[f64], n: usize, p: usize, what: Standardizing<'_, f64>) -> Vec<f64> {
        let ones = vec![1.0; n];
        let w = what.weights.unwrap_or(&ones);
        let total: f64 = w.iter().sum();
        let mut out = x.to_vec();
        for col in out.chunks_exact_mut(n).take(p) {
            let m =
                if what.center { col.iter().zip(w).map(|(v, w)| v * w).sum::<f64>() / total } else { 0.0 };
            let s = (col.iter().zip(w).map(|(v, w)| w * (v - m) * (v - m)).sum::<f64>() / total).sqrt();
            for (v, w) in col.iter_mut().zip(w) {
                *v = w.sqrt() * (*v - m) / if what.scale { s } else { 1.0 };
            }
        }
        out
    }

    #[test]
    fn view_equals_copied_standardisation() {
        let (n, p) = (23, 7);
        let (dense, indptr, rows, values) = random(n, p, 2.0);
        let mut rng = Rng::new(6);
        let weights: Vec<f64> =
            (0..n).map(|i| if i == 3 { 0.0 } else { rng.uniform::<f64>() + 0.1 }).collect();
        let (v, z): (Vec<f64>, Vec<f64>) = (rng.normals(n), rng.normals(p));
        for case in 0..8 {
            let what = Standardizing::default()
                .center(case & 1 != 0)
                .scale(case & 2 != 0)
                .weights((case & 4 != 0).then_some(weights.as_slice()));
            let slow = copied(&dense, n, p, what);
            let slow = super::super::Dense::from_column_major(&slow, n, p).unwrap();
            for x in
                [Design::dense(&dense, n, p).unwrap(), Design::sparse(n, &indptr, &rows, &values).unwrap()]
            {
                let (view, product) = Standardized::with_adjoint(x, what, &v).unwrap();
                let columns: Vec<usize> = (0..p).rev().collect();
                check_design_matrix(&x);
                check_design_matrix(&view);
                let mut ws = Workspace::new(view.scratch());
                let (mut a, mut b) = (vec![f64::NAN; n], vec![f64::NAN; n]);
                view.apply(&z, &mut a, ws.stack());
                slow.apply(&z, &mut b, ws.stack());
                assert!(vecops::sq_dist(&a, &b) < 1e-24);
                let (mut a, mut b) = (vec![f64::NAN; p], vec![f64::NAN; p]);
                view.apply_adjoint(&v, &mut a, ws.stack());
                slow.apply_adjoint(&v, &mut b, ws.stack());
                assert!(vecops::sq_dist(&a, &b) < 1e-24 && vecops::sq_dist(&product, &b) < 1e-24);
                let mut carried = v.clone();
                carried.resize(n + view.carry_len(), f64::NAN);
                view.settle(&mut carried, true);
                let mut plain = v.clone();
                for j in 0..p {
                    assert!((view.col_sq_norm(j) - slow.col_sq_norm(j)).abs() < 1e-12);
                    assert!((view.col_dot(j, &plain) - slow.col_dot(j, &plain)).abs() < 1e-12);
                    assert!((view.carried_dot(j, &carried) - slow.col_dot(j, &plain)).abs() < 1e-12);
                    let mut dots = vec![f64::NAN; p];
                    view.carried_dots(&columns, &carried, &mut dots);
                    for (&k, &dot) in columns.iter().zip(&dots) {
                        assert!((dot - slow.col_dot(k, &plain)).abs() < 1e-12);
                    }
                    slow.col_axpy(j, z[j], &mut plain);
                    view.carried_axpy(j, z[j], &mut carried);
                }
                view.settle(&mut carried, false);
                assert!(vecops::sq_dist(&carried[..n], &plain) < 1e-24);
                let mut out = v.clone();
                view.col_axpy(2, -1.5, &mut out);
                let mut expected = v.clone();
                slow.col_axpy(2, -1.5, &mut expected);
                assert!(vecops::sq_dist(&out, &expected) < 1e-24);
            }
        }
    }

    #[test]
    fn huge_offset_does_not_cancel() {
        let mut rng = Rng::new(8);
        let base: Vec<f64> = rng.normals(200);
        let far: Vec<f64> = base.iter().map(|v| v + 1e6).collect();
        let back: Vec<f64> = far.iter().map(|v| v - 1e6).collect();
        let what = Standardizing::default().center(true).scale(true);
        let near = Standardized::new(Design::dense(&back, 200, 1).unwrap(), what).unwrap();
        let far = Standardized::new(Design::dense(&far, 200, 1).unwrap(), what).unwrap();
        let v: Vec<f64> = rng.normals(200);
        assert!((near.scales()[0] - far.scales()[0]).abs() < 1e-12);
        assert!((near.col_dot(0, &v) - far.col_dot(0, &v)).abs() < 1e-8);
    }

    #[test]
    fn constant_columns_count_as_zero() {
        for n in [1, 3, 10, 1000] {
            let x = vec![0.1; n];
            let rows: Vec<usize> = (0..n).collect();
            let w: Vec<f64> = (0..n).map(|i| 0.3 + (i % 3) as f64).collect();
            for weights in [None, Some(w.as_slice())] {
                let what = Standardizing::default().center(true).scale(true).weights(weights);
                for d in [Design::dense(&x, n, 1).unwrap(), Design::sparse(n, &[0, n], &rows, &x).unwrap()] {
                    let view = Standardized::new(d, what).unwrap();
                    assert_eq!(view.col_sq_norm(0), 0.0);
                    assert_eq!(view.col_dot(0, &w), 0.0);
                    assert_eq!(view.scales()[0], 1.0);
                }
            }
        }
    }

    #[test]
    fn bad_data_is_refused() {
        let x = [1.0, 2.0, f64::NAN, 4.0];
        let d = Design::dense(&x, 2, 2).unwrap();
        let err = Standardized::new(d, Standardizing::default().center(true)).unwrap_err();
        assert_eq!(err, LinalgError::NonFiniteAt { what: "X", row: 0, col: 1 });
        let d = Design::dense(&[1.0, 2.0], 2, 1).unwrap();
        for w in [&[1.0][..], &[0.0, 0.0], &[1.0, -1.0], &[f64::NAN, 1.0]] {
            assert!(Standardized::new(d, Standardizing::default().weights(Some(w))).is_err());
        }
        let huge = [1e200, 2e200];
        assert!(Standardized::new(Design::dense(&huge, 2, 1).unwrap(), Standardizing::default()).is_err());
    }
}
