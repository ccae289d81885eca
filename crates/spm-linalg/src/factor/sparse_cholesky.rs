//! Sparse Cholesky factorisation: the pattern analysed once, the numbers factored for every shift.

use core::fmt;

use faer::linalg::cholesky::llt::factor::LltError;
use faer::sparse::linalg::cholesky::{
    CholeskySymbolicParams, LltRef, SymbolicCholesky, SymmetricOrdering, factorize_symbolic_cholesky,
};
use faer::sparse::{SparseColMat, SparseColMatRef, SymbolicSparseColMat};
use faer::{Conj, MatMut, Par, Side, Spec};

use crate::{LinalgError, Scalar, Workspace, check};

/// The factorisation $P (A + \sigma I) P^\top = L L^\top$ of a sparse symmetric matrix for many shifts.
///
/// In plain text: `P * (A + shift * I) * transpose(P) = L * transpose(L)` with a fill-reducing permutation `P`
/// (approximate minimum degree). Only the lower triangle of `A` is read, as column-compressed storage with 0-based
/// indices. The pattern is analysed once; a new [`shift`](Self::shift) repeats only the numbers. Solves allocate
/// nothing.
///
/// Source: Davis 2006, *Direct Methods for Sparse Linear Systems*, chapter 4.
///
/// ```
/// use spm_linalg::faer::sparse::{SparseColMat, Triplet};
/// use spm_linalg::factor::SparseCholesky;
/// let t = [Triplet::new(0, 0, 1.0), Triplet::new(1, 0, 2.0), Triplet::new(1, 1, 1.0)];
/// let a = SparseColMat::<usize, f64>::try_new_from_triplets(2, 2, &t).expect("indices are in range");
/// let mut chol = SparseCholesky::analyse(a.as_ref())?;
/// chol.shift(3.0)?; // [4 2; 2 4]
/// let mut x = [8.0, 10.0];
/// chol.solve_in_place(&mut x);
/// assert!((x[0] - 1.0).abs() < 1e-15 && (x[1] - 2.0).abs() < 1e-15);
/// assert!(chol.shift(0.0).is_err()); // indefinite
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
pub struct SparseCholesky<T: Scalar> {
    symbolic: SymbolicCholesky<usize>,
    lower: SparseColMat<usize, T>,
    diagonal: Vec<T>,
    values: Vec<T>,
    factored: bool,
    workspace: Workspace,
}

impl<T: Scalar> fmt::Debug for SparseCholesky<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SparseCholesky")
            .field("order", &self.order())
            .field("factor_len", &self.values.len())
            .finish_non_exhaustive()
    }
}

impl<T: Scalar> SparseCholesky<T> {
    /// Copies the lower triangle of `a` and analyses its pattern. Call [`shift`](Self::shift) before solving.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if `a` is not square, [`LinalgError::NonFiniteAt`] for a NaN or infinity in the lower
    /// triangle, [`LinalgError::InvalidParam`] if the factor would exceed the address space.
    pub fn analyse(a: SparseColMatRef<'_, usize, T>) -> Result<Self, LinalgError> {
        let n = a.nrows();
        check::len("sparse matrix to factor", n, a.ncols())?;
        let (mut col_ptr, mut row_idx, mut entries) = (vec![0], Vec::new(), Vec::new());
        // The diagonal comes first in each column, present even where A has none: the shift goes there.
        for j in 0..n {
            let at = entries.len();
            row_idx.push(j);
            entries.push(T::zero());
            for (i, &value) in a.symbolic().row_idx_of_col(j).zip(a.val_of_col(j)) {
                if i >= j && !value.is_finite() {
                    return Err(LinalgError::NonFiniteAt { what: "sparse matrix to factor", row: i, col: j });
                }
                if i == j {
                    entries[at] += value;
                } else if i > j {
                    row_idx.push(i);
                    entries.push(value);
                }
            }
            col_ptr.push(entries.len());
        }
        let diagonal = (0..n).map(|j| entries[col_ptr[j]]).collect();
        let pattern = SymbolicSparseColMat::new_unsorted_checked(n, n, col_ptr, None, row_idx);
        let too_large = |_| LinalgError::InvalidParam {
            name: "size of the sparse factor",
            expected: "within the address space",
            got: n as f64,
        };
        let symbolic = factorize_symbolic_cholesky(
            pattern.as_ref(),
            Side::Lower,
            SymmetricOrdering::Amd,
            CholeskySymbolicParams::default(),
        )
        .map_err(too_large)?;
        let req = symbolic
            .factorize_numeric_llt_scratch::<T>(Par::Seq, Spec::default())
            .or(symbolic.solve_in_place_scratch::<T>(1, Par::Seq));
        Ok(Self {
            values: vec![T::zero(); symbolic.len_val()],
            workspace: Workspace::new(req),
            lower: SparseColMat::new(pattern, entries),
            symbolic,
            diagonal,
            factored: false,
        })
    }

    /// Factors `A + shift·I`, reusing pattern and memory.
    ///
    /// # Errors
    /// [`LinalgError::NotPositiveDefinite`] with a pivot counted in the permuted order, and
    /// [`LinalgError::InvalidParam`] if `shift` is not finite. Solving is refused until a shift succeeds.
    pub fn shift(&mut self, shift: T) -> Result<(), LinalgError> {
        if !shift.is_finite() {
            return Err(LinalgError::InvalidParam { name: "shift", expected: "finite", got: shift.as_f64() });
        }
        self.factored = false;
        let n = self.order();
        for j in 0..n {
            self.lower.val_of_col_mut(j)[0] = self.diagonal[j] + shift;
        }
        self.symbolic
            .factorize_numeric_llt(
                &mut self.values,
                self.lower.as_ref(),
                Side::Lower,
                Default::default(),
                Par::Seq,
                self.workspace.stack(),
                Spec::default(),
            )
            .map_err(|LltError::NonPositivePivot { index }| LinalgError::NotPositiveDefinite {
                pivot: index,
            })?;
        self.factored = self.values.iter().all(|v| v.is_finite());
        if self.factored { Ok(()) } else { Err(LinalgError::NotPositiveDefinite { pivot: 0 }) }
    }

    /// The order n of the matrix.
    #[must_use]
    pub fn order(&self) -> usize {
        self.diagonal.len()
    }

    /// How many numbers the factor holds, fill-in included.
    #[must_use]
    pub fn factor_len(&self) -> usize {
        self.values.len()
    }

    /// `x ← (A + shift·I)⁻¹ x`, with the shift factored last.
    ///
    /// # Panics
    /// If `x.len() != n` or no shift was factored successfully.
    pub fn solve_in_place(&mut self, x: &mut [T]) {
        check::dim("SparseCholesky::solve_in_place", self.order(), x.len());
        assert!(self.factored, "SparseCholesky::solve_in_place: call shift first and heed its error");
        let n = x.len();
        LltRef::<'_, usize, T>::new(&self.symbolic, &self.values).solve_in_place_with_conj(
            Conj::No,
            MatMut::from_column_major_slice_mut(x, n, 1),
            Par::Seq,
            self.workspace.stack(),
        );
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use faer::sparse::Triplet;

    use super::*;
    use crate::factor::Cholesky;
    use crate::testing::Rng;

    /// A random sparse symmetric matrix: dense column-major and sparse.
    fn random<T: Scalar>(n: usize, density: f64) -> (Vec<T>, SparseColMat<usize, T>) {
        let mut rng = Rng::new(n as u64);
        let mut dense = vec![T::zero(); n * n];
        let mut triplets = Vec::new();
        for j in 0..n {
            for i in j..n {
                if rng.uniform::<f64>() < density {
                    let value: T = rng.normal();
                    dense[i + j * n] = value;
                    dense[j + i * n] = value;
                    triplets.push(Triplet::new(i, j, value));
                    if i != j {
                        triplets.push(Triplet::new(j, i, value));
                    }
                }
            }
        }
        (dense, SparseColMat::try_new_from_triplets(n, n, &triplets).unwrap())
    }

    fn equals_dense<T: Scalar>(n: usize, density: f64, tol: f64) {
        let (dense, sparse) = random::<T>(n, density);
        let mut fast = SparseCholesky::analyse(sparse.as_ref()).unwrap();
        for shift in [T::of_usize(2 * n + 4), T::of_usize(5 * n + 1)] {
            fast.shift(shift).unwrap();
            let mut slow = Cholesky::with_order(n);
            let view = faer::MatRef::from_column_major_slice(&dense, n, n);
            slow.refactor(view, T::one(), None, shift).unwrap();
            let b: Vec<T> = Rng::new(7).normals(n);
            let (mut x, mut y) = (b.clone(), b);
            fast.solve_in_place(&mut x);
            slow.solve_in_place(&mut y);
            for (p, q) in x.iter().zip(&y) {
                assert!((*p - *q).as_f64().abs() < tol);
            }
        }
    }

    #[test]
    fn equals_the_dense_factorisation() {
        for (n, density) in [(0, 0.0), (1, 0.0), (1, 1.0), (10, 0.2), (60, 0.05), (60, 0.9)] {
            equals_dense::<f64>(n, density, 1e-13);
            equals_dense::<f32>(n, density, 1e-5);
        }
    }

    #[test]
    fn bad_matrices_are_typed_errors() {
        let one = |v: f64| SparseColMat::<usize, f64>::try_new_from_triplets(1, 1, &[Triplet::new(0, 0, v)]);
        let mut chol = SparseCholesky::analyse(one(1.0).unwrap().as_ref()).unwrap();
        assert!(matches!(chol.shift(-2.0), Err(LinalgError::NotPositiveDefinite { .. })));
        assert!(matches!(chol.shift(f64::NAN), Err(LinalgError::InvalidParam { .. })));
        chol.shift(1.0).unwrap();
        let mut x = [4.0];
        chol.solve_in_place(&mut x);
        assert!((x[0] - 2.0).abs() < 1e-14);
        let err = SparseCholesky::analyse(one(f64::NAN).unwrap().as_ref()).unwrap_err();
        assert!(matches!(err, LinalgError::NonFiniteAt { row: 0, col: 0, .. }));
        let wide = SparseColMat::<usize, f64>::try_new_from_triplets(1, 2, &[]).unwrap();
        assert!(matches!(SparseCholesky::analyse(wide.as_ref()), Err(LinalgError::Shape { .. })));
    }

    #[test]
    #[should_panic(expected = "call shift first")]
    fn solving_without_a_factor_is_a_bug_of_the_caller() {
        let (_, a) = random::<f64>(3, 0.5);
        SparseCholesky::analyse(a.as_ref()).unwrap().solve_in_place(&mut [0.0; 3]);
    }
}
