//! Columns stored panel by panel.

use super::kernels::{Append, Weights};
use super::{PANEL, padded};
use crate::{Scalar, check};

/// A growing set of columns of one length, stored panel by panel: entry `i` of column `j` lies at
/// `(i / PANEL · capacity + j)·PANEL + i % PANEL`.
#[derive(Debug, Clone)]
pub struct PanelColumns<T> {
    data: Vec<T>,
    len: usize,
    capacity: usize,
}

impl<T: Scalar> PanelColumns<T> {
    /// Room for `capacity` columns of length `len`, all zero.
    ///
    /// # Panics
    /// If `len` is not a multiple of [`PANEL`].
    #[must_use]
    pub fn new(len: usize, capacity: usize) -> Self {
        check::dim("PanelColumns length", padded(len), len);
        Self { data: vec![T::zero(); len * capacity], len, capacity }
    }

    /// A full set of the given columns.
    ///
    /// # Panics
    /// If `len` is not a multiple of [`PANEL`] or a column has another length.
    #[must_use]
    pub fn from_columns<C: AsRef<[T]>>(len: usize, columns: &[C]) -> Self {
        let mut this = Self::new(len, columns.len());
        for (j, column) in columns.iter().map(AsRef::as_ref).enumerate() {
            check::dim("PanelColumns column", len, column.len());
            for (p, part) in column.chunks_exact(PANEL).enumerate() {
                this.data[(p * this.capacity + j) * PANEL..][..PANEL].copy_from_slice(part);
            }
        }
        this
    }

    /// `out ← base + Σ coef[a]·v_j` over the columns `j = index[a]`, from zero without a base. `O(len·coef.len())`,
    /// one pass over `out`.
    ///
    /// # Panics
    /// If a length is wrong or an index is not below the capacity.
    #[track_caller]
    pub fn combine_into(&self, base: Option<&[T]>, index: &[u32], coef: &[T], out: &mut [T]) {
        check::dim("combine_into out", self.len, out.len());
        check::dim("combine_into coef", index.len(), coef.len());
        check::dim("combine_into base", self.len, base.map_or(self.len, <[T]>::len));
        T::simd_combine(&self.data, self.capacity, base, index, coef, out);
    }

    /// The length of a column.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether columns have no entries.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// All entries, in the order stated above.
    pub(in crate::vecops) fn panels(&self) -> &[T] {
        &self.data
    }

    /// How many columns fit.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Entry `i` of the first `out.len()` columns.
    ///
    /// # Panics
    /// If `i` is not below the length or there are fewer columns.
    #[inline]
    pub fn row_into(&self, i: usize, out: &mut [T]) {
        let start = (i / PANEL) * self.capacity * PANEL + i % PANEL;
        for (o, row) in out.iter_mut().zip(self.data[start..].chunks(PANEL)) {
            *o = row[0];
        }
    }

    /// Appends column `n = coef.len()` as `v = g − Σ_{j<n} coef[j]·v_j`, and `x ← x − step·v`.
    ///
    /// With `g` a Gram column and `coef` the row of the unit lower factor of its pivot, `v` is the next column of the
    /// pivoted Cholesky factor, times its pivot. Returns the first index at which the new `|x|` is largest; with `weights`, which are
    /// updated too, the one at which `x²/w` is. `O(len·n)`, one pass.
    ///
    /// # Panics
    /// If a length differs from the columns', or the set is full.
    #[track_caller]
    pub fn append(
        &mut self,
        g: &[T],
        coef: &[T],
        step: T,
        x: &mut [T],
        weights: Option<Weights<'_, T>>,
    ) -> usize {
        check::dim("append g", self.len, g.len());
        check::dim("append x", self.len, x.len());
        check::dim("append w", self.len, weights.as_ref().map_or(self.len, |weights| weights.w.len()));
        assert!(coef.len() < self.capacity, "PanelColumns is full: {} columns", self.capacity);
        T::simd_append(Append { columns: &mut self.data, capacity: self.capacity, g, coef, step, x, weights })
    }
}
