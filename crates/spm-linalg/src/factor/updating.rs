//! Cholesky factor of a Gram matrix that gains and loses columns.

use crate::{LinalgError, Scalar, check, vecops};

/// The Cholesky factor $G = L L^\top$ of the Gram matrix of a changing set of columns.
///
/// In plain text: `G = L * transpose(L)`, `G[i][j] = <x_i, x_j>` for the columns in the set, in the order in which
/// they were appended. Appending costs k² operations, removing at most 3k², a solve 2k²; nothing allocates after
/// construction. Rows of `L` are stored packed, one after the other.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `dependence_tol` | `64·eps` a column | `>= 0` | a column whose squared distance to the span is at most `tol·(k+1)·‖x‖²` is refused |
///
/// Sources: Golub and Van Loan 2013, *Matrix Computations*, sections 4.2 and 6.5.4; Rubinstein, Zibulevsky and
/// Elad 2008 for its use in orthogonal matching pursuit.
///
/// ```
/// use spm_linalg::factor::UpdatingCholesky;
/// let mut chol = UpdatingCholesky::with_capacity(3);
/// chol.append(&[], 4.0)?; // <x0, x0> = 4
/// chol.append(&[2.0], 3.0)?; // <x0, x1> = 2, <x1, x1> = 3
/// chol.remove(0); // G = [3]
/// let mut b = [6.0_f64];
/// chol.solve_in_place(&mut b);
/// assert!((b[0] - 2.0).abs() < 1e-15);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone)]
pub struct UpdatingCholesky<T> {
    rows: Vec<T>,
    rotations: Vec<(T, T)>,
    len: usize,
    capacity: usize,
    dependence_tol: T,
}

/// Rows that are rotated in turns.
const ABREAST: usize = 8;

/// Where row `i` of the packed triangle starts.
#[inline(always)]
fn start(i: usize) -> usize {
    i * (i + 1) / 2
}

impl<T: Scalar> UpdatingCholesky<T> {
    /// An empty factor with room for `capacity` columns.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            rows: vec![T::zero(); start(capacity)],
            rotations: vec![(T::one(), T::zero()); capacity],
            len: 0,
            capacity,
            dependence_tol: T::of(64.0) * T::epsilon(),
        }
    }

    /// Sets the tolerance of the dependence guard.
    #[must_use]
    pub fn dependence_tol(mut self, tol: T) -> Self {
        self.dependence_tol = tol;
        self
    }

    /// How many columns the set holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether the set is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Empties the set, keeping the memory.
    pub fn clear(&mut self) {
        self.len = 0;
    }

    /// Row `i` of the factor, `i + 1` entries.
    ///
    /// # Panics
    /// If `i >= len()`.
    #[must_use]
    pub fn row(&self, i: usize) -> &[T] {
        assert!(i < self.len, "row {i} of a factor of {} columns", self.len);
        &self.rows[start(i)..start(i + 1)]
    }

    /// Appends a column: `cross[i] = <x_i, x_new>` for the columns in the set, `sq_norm = <x_new, x_new>`.
    /// Returns the new diagonal entry of `L`, the distance of the column to the span of the others.
    ///
    /// # Errors
    /// [`LinalgError::NotPositiveDefinite`] if the column depends on the others to working accuracy or is not
    /// finite: the factor is unchanged. [`LinalgError::Shape`] beyond the capacity.
    ///
    /// # Panics
    /// If `cross.len() != len()`.
    pub fn append(&mut self, cross: &[T], sq_norm: T) -> Result<T, LinalgError> {
        let k = self.len;
        check::dim("UpdatingCholesky::append cross", k, cross.len());
        if k == self.capacity {
            return Err(LinalgError::Shape {
                what: "capacity of the Cholesky factor",
                expected: k + 1,
                got: k,
            });
        }
        let (done, fresh) = self.rows.split_at_mut(start(k));
        let row = &mut fresh[..=k];
        row[..k].copy_from_slice(cross);
        forward(done, &mut row[..k]);
        let sq_dist = sq_norm - vecops::sq_norm(&row[..k]);
        let floor = self.dependence_tol * T::of_usize(k + 1) * sq_norm;
        if !(sq_dist > floor && sq_dist > T::zero() && sq_dist.is_finite()) {
            return Err(LinalgError::NotPositiveDefinite { pivot: k });
        }
        row[k] = num_traits::Float::sqrt(sq_dist);
        self.len = k + 1;
        Ok(row[k])
    }

    /// Removes column `j`; later columns move down by one. Givens rotations restore the triangle.
    ///
    /// # Panics
    /// If `j >= len()`.
    pub fn remove(&mut self, j: usize) {
        assert!(j < self.len, "remove column {j} of {}", self.len);
        // Without row j the rows below are lower Hessenberg: rotation c mixes columns c and c+1. The rotations of one row depend on
        // each other, so several rows take turns.
        let mut i = j + 1;
        while i < self.len {
            let count = (self.len - i).min(ABREAST);
            if count == ABREAST {
                self.rotate::<ABREAST>(i, j..i);
            } else {
                (i..self.len).for_each(|row| self.rotate::<1>(row, j..i));
            }
            for row in i..i + count {
                let (before, after) = self.rows.split_at_mut(start(row));
                let old = &mut after[..=row];
                for (c, &(cos, sin)) in (i - 1..row - 1).zip(&self.rotations[i - 1..]) {
                    let (a, b) = (old[c], old[c + 1]);
                    old[c] = cos * a + sin * b;
                    old[c + 1] = cos * b - sin * a;
                }
                let (a, b) = (old[row - 1], old[row]);
                let r = num_traits::Float::hypot(a, b);
                self.rotations[row - 1] = (a / r, b / r);
                old[row - 1] = r;
                before[start(row - 1)..].copy_from_slice(&old[..row]);
            }
            i += count;
        }
        self.len -= 1;
    }

    /// Applies the rotations among `columns`, not empty, to the rows `first..first + R`.
    fn rotate<const R: usize>(&mut self, first: usize, columns: core::ops::Range<usize>) {
        let mut rest = &mut self.rows[start(first)..start(first + R)];
        let mut rows: [&mut [T]; R] = core::array::from_fn(|r| {
            let (row, tail) = core::mem::take(&mut rest).split_at_mut(first + r + 1);
            rest = tail;
            &mut row[columns.clone()]
        });
        let mut carried: [T; R] = core::array::from_fn(|r| rows[r][0]);
        for (c, &(cos, sin)) in self.rotations[columns.start..columns.end - 1].iter().enumerate() {
            for (row, a) in rows.iter_mut().zip(&mut carried) {
                let b = row[c + 1];
                row[c] = cos * *a + sin * b;
                *a = cos * b - sin * *a;
            }
        }
        for (row, a) in rows.iter_mut().zip(carried) {
            row[columns.len() - 1] = a;
        }
    }

    /// `b ← G⁻¹ b`.
    ///
    /// # Panics
    /// If `b.len() != len()`.
    pub fn solve_in_place(&self, b: &mut [T]) {
        self.solve_lower_in_place(b);
        self.solve_lower_transpose_in_place(b);
    }

    /// `b ← L⁻¹ b`.
    ///
    /// # Panics
    /// If `b.len() != len()`.
    pub fn solve_lower_in_place(&self, b: &mut [T]) {
        check::dim("UpdatingCholesky::solve_lower_in_place", self.len, b.len());
        forward(&self.rows, b);
    }

    /// `b ← L⁻ᵀ b`.
    ///
    /// # Panics
    /// If `b.len() != len()`.
    pub fn solve_lower_transpose_in_place(&self, b: &mut [T]) {
        check::dim("UpdatingCholesky::solve_lower_transpose_in_place", self.len, b.len());
        for i in (0..b.len()).rev() {
            let row = &self.rows[start(i)..start(i + 1)];
            let (head, tail) = b.split_at_mut(i);
            tail[0] /= row[i];
            vecops::axpy(-tail[0], &row[..i], head);
        }
    }
}

/// Forward substitution with the packed rows.
fn forward<T: Scalar>(rows: &[T], b: &mut [T]) {
    for i in 0..b.len() {
        let row = &rows[start(i)..start(i + 1)];
        b[i] = (b[i] - vecops::dot(&row[..i], &b[..i])) / row[i];
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::factor::Cholesky;
    use crate::testing::Rng;

    /// The factor recomputed from the Gram matrix of the columns in `set`.
    fn fresh<T: Scalar>(x: &[T], n: usize, set: &[usize]) -> Cholesky<T> {
        let k = set.len();
        let col = |j: usize| &x[j * n..(j + 1) * n];
        let g: Vec<T> = (0..k * k).map(|e| vecops::dot(col(set[e % k]), col(set[e / k]))).collect();
        Cholesky::from_column_major(&g, k).unwrap()
    }

    fn follows_a_random_walk<T: Scalar>(tol: f64) {
        let (n, p) = (30, 16);
        let mut rng = Rng::new(5);
        let x: Vec<T> = rng.normals(n * p);
        let mut chol = UpdatingCholesky::with_capacity(12);
        let mut set: Vec<usize> = Vec::new();
        for _ in 0..200 {
            let j = rng.below(p);
            match set.iter().position(|&s| s == j) {
                Some(at) => {
                    set.remove(at);
                    chol.remove(at);
                }
                None if set.len() < 12 => {
                    let col = |c: usize| &x[c * n..(c + 1) * n];
                    let cross: Vec<T> = set.iter().map(|&s| vecops::dot(col(s), col(j))).collect();
                    chol.append(&cross, vecops::sq_norm(col(j))).unwrap();
                    set.push(j);
                }
                None => {}
            }
            let slow = fresh(&x, n, &set);
            let b: Vec<T> = rng.normals(set.len());
            let (mut u, mut v) = (b.clone(), b);
            chol.solve_in_place(&mut u);
            slow.solve_in_place(&mut v);
            for i in 0..set.len() {
                assert!((u[i] - v[i]).as_f64().abs() < tol);
                for (c, &l) in chol.row(i).iter().enumerate() {
                    assert!((l - slow.l()[(i, c)]).as_f64().abs() < tol * 10.0);
                }
            }
        }
    }

    #[test]
    fn equals_a_fresh_factor_after_every_change() {
        follows_a_random_walk::<f64>(1e-13);
        follows_a_random_walk::<f32>(1e-4);
    }

    #[test]
    fn dependent_columns_are_refused_and_change_nothing() {
        let mut chol = UpdatingCholesky::<f64>::with_capacity(4);
        chol.append(&[], 1.0).unwrap();
        chol.append(&[0.6], 1.0).unwrap();
        let before = chol.clone();
        for (cross, sq) in [
            ([1.0, 0.6], 1.0),           // a copy of the first column
            ([1.6, 1.6], 3.2),           // the sum of both
            ([0.0, 0.0], 0.0),           // a zero column
            ([f64::NAN, 0.0], 1.0),      // not finite
            ([0.0, 0.0], f64::INFINITY), // not finite
        ] {
            assert_eq!(chol.append(&cross, sq).unwrap_err(), LinalgError::NotPositiveDefinite { pivot: 2 });
            assert_eq!(chol.len(), 2);
            assert_eq!(chol.row(1), before.row(1));
        }
        let f32_dependent = UpdatingCholesky::<f32>::with_capacity(2);
        let mut c = f32_dependent;
        c.append(&[], 1.0).unwrap();
        assert!(c.append(&[0.999_999_9], 1.0).is_err());
    }

    #[test]
    fn capacity_and_scale() {
        let mut chol = UpdatingCholesky::<f64>::with_capacity(1);
        assert!((chol.append(&[], 1e-24).unwrap() / 1e-12 - 1.0).abs() < 1e-14);
        assert!(matches!(chol.append(&[0.0], 1.0), Err(LinalgError::Shape { .. })));
        chol.clear();
        assert!(chol.is_empty());
        chol.append(&[], 1e24).unwrap();
        chol.remove(0);
        assert!(chol.is_empty());
    }
}
