//! Banded factorisations: Cholesky of a symmetric band, QR of a damped banded least-squares problem.

use crate::{LinalgError, Scalar, check};

/// The Cholesky factorisation $A = L L^\top$ of a symmetric positive definite band matrix.
///
/// The band is stored by columns: entry `[j * (b + 1) + d]` is `A[j + d, j]` for `d = 0 ..= b`, where `b` is the number
/// of subdiagonals; entries past the last row are ignored. Factorising costs O(n b²), a solve O(n b), and neither
/// allocates: [`new`](Self::new) does.
///
/// Source: Golub and Van Loan 2013, *Matrix Computations*, algorithm 4.3.5.
///
/// ```
/// use spm_linalg::factor::BandedCholesky;
/// // [2 1 0]
/// // [1 2 1]
/// // [0 1 2]
/// let mut chol = BandedCholesky::new(3, 1);
/// chol.factor(&[2.0, 1.0, 2.0, 1.0, 2.0, 0.0])?;
/// let mut x = [4.0_f64, 8.0, 8.0];
/// chol.solve_in_place(&mut x);
/// assert!((x[0] - 1.0).abs() < 1e-14 && (x[1] - 2.0).abs() < 1e-14 && (x[2] - 3.0).abs() < 1e-14);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone)]
pub struct BandedCholesky<T> {
    n: usize,
    b: usize,
    /// L in the layout of the input, the diagonal as its reciprocal.
    l: Vec<T>,
}

impl<T: Scalar> BandedCholesky<T> {
    /// Room for `n × n` matrices with `b` subdiagonals.
    #[must_use]
    pub fn new(n: usize, b: usize) -> Self {
        Self { n, b, l: vec![T::zero(); n * (b + 1)] }
    }

    /// Changes the size to `n × n`, which allocates only beyond the largest size so far; the factor is forgotten.
    pub fn resize(&mut self, n: usize) {
        self.n = n;
        self.l.resize(n * (self.b + 1), T::zero());
    }

    /// Factorises the matrix with the given band.
    ///
    /// # Errors
    /// [`LinalgError::NotPositiveDefinite`] with the index of the first pivot that is not positive (or not a number).
    ///
    /// # Panics
    /// If `band.len() != n * (b + 1)`.
    pub fn factor(&mut self, band: &[T]) -> Result<(), LinalgError> {
        self.factor_columns(band, |pivot, j| {
            let positive = pivot > T::zero() && pivot.is_finite();
            if positive { Ok(false) } else { Err(LinalgError::NotPositiveDefinite { pivot: j }) }
        })
    }

    /// Factorises a positive semidefinite matrix: a column whose pivot is at most `tol` times its diagonal entry depends
    /// on those before it, is appended to `dependent` and gets the solution 0.
    ///
    /// # Panics
    /// If `band.len() != n * (b + 1)`.
    pub fn factor_semidefinite(&mut self, band: &[T], tol: T, dependent: &mut Vec<usize>) {
        let w = self.b + 1;
        let columns = self.factor_columns(band, |pivot, j| {
            let skip = !(pivot > tol * band[j * w] && pivot.is_finite());
            if skip {
                dependent.push(j);
            }
            Ok(skip)
        });
        debug_assert!(columns.is_ok(), "no column is refused");
    }

    /// `skip(pivot, j)` says whether column `j` is left out.
    fn factor_columns(
        &mut self,
        band: &[T],
        mut skip: impl FnMut(T, usize) -> Result<bool, LinalgError>,
    ) -> Result<(), LinalgError> {
        check::dim("BandedCholesky::factor band", self.l.len(), band.len());
        self.l.copy_from_slice(band);
        let w = self.b + 1;
        for j in 0..self.n {
            let (head, tail) = self.l.split_at_mut((j + 1) * w);
            let col = &mut head[j * w..];
            let pivot = col[0];
            if skip(pivot, j)? {
                col.fill(T::zero());
                continue;
            }
            let inv = pivot.sqrt().recip();
            col[0] = inv;
            let below = self.b.min(self.n - 1 - j);
            for v in &mut col[1..=below] {
                *v *= inv;
            }
            // The trailing band loses the outer product of this column.
            for d in 1..=below {
                let a = col[d];
                let target = &mut tail[(d - 1) * w..][..=below - d];
                for (t, &c) in target.iter_mut().zip(&col[d..=below]) {
                    *t -= a * c;
                }
            }
        }
        Ok(())
    }

    /// `x ← A⁻¹ x` with the last factorisation.
    ///
    /// # Panics
    /// If `x.len() != n`.
    pub fn solve_in_place(&self, x: &mut [T]) {
        check::dim("BandedCholesky::solve_in_place x", self.n, x.len());
        let w = self.b + 1;
        for j in 0..self.n {
            let col = &self.l[j * w..][..w];
            let v = x[j] * col[0];
            x[j] = v;
            for (t, &c) in x[j + 1..].iter_mut().zip(&col[1..]) {
                *t -= v * c;
            }
        }
        for j in (0..self.n).rev() {
            let col = &self.l[j * w..][..w];
            let mut v = x[j];
            for (&t, &c) in x[j + 1..].iter().zip(&col[1..]) {
                v -= t * c;
            }
            x[j] = v * col[0];
        }
    }
}

/// The QR factorisation of a damped banded least-squares problem.
///
/// It solves $\min_x \|A x - b\|^2 + \|\operatorname{diag}(d)\, x - c\|^2$, in plain text
/// `min |A x - b|^2 + |diag(d) x - c|^2`, where row `i` of `A` (`m × n`) has its nonzeros in `w` consecutive columns that
/// start at a column that never decreases with `i`. The error grows with the condition number of `[A; diag(d)]`, not
/// with its square as in the normal equations, and the weights `d` may differ by any factor.
///
/// Givens rotations, kept, so that one factorisation serves many right-hand sides. Factorising costs O(m w²), a
/// solve O((m + n) w), memory `n w + 2 m w`; only [`new`](Self::new) allocates.
///
/// Source: Björck 1996, *Numerical Methods for Least Squares Problems*, section 6.2.2.
///
/// ```
/// use spm_linalg::factor::BandedQr;
/// // A = [1 0; 1 1; 0 1], no damping.
/// let rows = [[1.0_f64, 0.0], [1.0, 1.0], [0.0, 1.0]];
/// let mut qr = BandedQr::new(3, 2, 2);
/// qr.factor(&[0.0, 0.0], |i, row| {
///     row.copy_from_slice(&rows[i]);
///     0
/// });
/// let mut x = [0.0, 0.0];
/// qr.solve(&[1.0, 3.0, 2.0], &mut x)?;
/// assert!((x[0] - 1.0).abs() < 1e-14 && (x[1] - 2.0).abs() < 1e-14);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone)]
pub struct BandedQr<T> {
    m: usize,
    n: usize,
    w: usize,
    /// R by rows: `[j * w + d]` is `R[j, j + d]`.
    r: Vec<T>,
    /// Cosine and sine of the rotation of row i with column `start[i] + d`, at `[i * w + d]`.
    rotations: Vec<[T; 2]>,
    start: Vec<usize>,
    row: Vec<T>,
}

impl<T: Scalar> BandedQr<T> {
    /// Room for `m × n` problems whose rows span `w` columns.
    #[must_use]
    pub fn new(m: usize, n: usize, w: usize) -> Self {
        Self {
            m,
            n,
            w,
            r: vec![T::zero(); n * w],
            rotations: vec![[T::one(), T::zero()]; m * w],
            start: vec![0; m],
            row: vec![T::zero(); w],
        }
    }

    /// Factorises. `row(i, out)` writes the `w` entries of row `i` (0 past the last column) and returns the column of
    /// the first.
    ///
    /// # Panics
    /// If `damping.len() != n` or a start column decreases.
    pub fn factor(&mut self, damping: &[T], row: impl FnMut(usize, &mut [T]) -> usize) {
        check::dim("BandedQr::factor damping", self.n, damping.len());
        // Narrow bands run with their width known at compile time.
        match self.w {
            2 => self.factor_width::<2>(damping, row),
            3 => self.factor_width::<3>(damping, row),
            4 => self.factor_width::<4>(damping, row),
            5 => self.factor_width::<5>(damping, row),
            _ => self.factor_width::<0>(damping, row),
        }
    }

    /// Width `W`, or `self.w` if `W` is 0.
    #[inline(always)]
    fn factor_width<const W: usize>(&mut self, damping: &[T], mut row: impl FnMut(usize, &mut [T]) -> usize) {
        let w = if W == 0 { self.w } else { W };
        self.r.fill(T::zero());
        for (j, &d) in damping.iter().enumerate() {
            self.r[j * w] = d;
        }
        let a = &mut self.row[..w];
        let mut last = 0;
        for i in 0..self.m {
            a.fill(T::zero());
            let s = row(i, a);
            assert!(s >= last && s <= self.n, "BandedQr::factor: start column {s} of row {i}");
            last = s;
            self.start[i] = s;
            let used = w.min(self.n - s);
            for d in 0..used {
                let r = &mut self.r[(s + d) * w..][..w];
                let (c, sn, h) = rotation(r[0], a[d]);
                self.rotations[i * w + d] = [c, sn];
                r[0] = h;
                for (p, q) in r[1..].iter_mut().zip(&mut a[d + 1..]) {
                    let (pv, qv) = (*p, *q);
                    *p = c * pv + sn * qv;
                    *q = c * qv - sn * pv;
                }
            }
        }
    }

    /// `x ← argmin |A x − b|² + |diag(d) x − c|²` with the last factorisation; on entry `x` holds `c`.
    ///
    /// # Errors
    /// [`LinalgError::NotPositiveDefinite`] if a column is dependent on those before it (a zero pivot).
    ///
    /// # Panics
    /// If `b.len() != m` or `x.len() != n`.
    pub fn solve(&self, b: &[T], x: &mut [T]) -> Result<(), LinalgError> {
        check::dim("BandedQr::solve b", self.m, b.len());
        check::dim("BandedQr::solve x", self.n, x.len());
        match self.w {
            2 => self.solve_width::<2>(b, x),
            3 => self.solve_width::<3>(b, x),
            4 => self.solve_width::<4>(b, x),
            5 => self.solve_width::<5>(b, x),
            _ => self.solve_width::<0>(b, x),
        }
    }

    #[inline(always)]
    fn solve_width<const W: usize>(&self, b: &[T], x: &mut [T]) -> Result<(), LinalgError> {
        let w = if W == 0 { self.w } else { W };
        for i in 0..self.m {
            let s = self.start[i];
            let mut v = b[i];
            for (&[c, sn], t) in self.rotations[i * w..][..w].iter().zip(&mut x[s..]) {
                let p = *t;
                *t = c * p + sn * v;
                v = c * v - sn * p;
            }
        }
        for j in (0..self.n).rev() {
            let r = &self.r[j * w..][..w];
            let mut v = x[j];
            for (&t, &c) in x[j + 1..].iter().zip(&r[1..]) {
                v -= t * c;
            }
            if r[0] == T::zero() {
                return Err(LinalgError::NotPositiveDefinite { pivot: j });
            }
            x[j] = v / r[0];
        }
        Ok(())
    }
}

/// `(c, s, h)` with `c·p + s·q = h` and `c·q − s·p = 0`.
#[inline(always)]
fn rotation<T: Scalar>(p: T, q: T) -> (T, T, T) {
    if q == T::zero() {
        return (T::one(), T::zero(), p);
    }
    let sq = p * p + q * q;
    if sq > T::min_positive_value() / T::epsilon() && sq < T::infinity() {
        let h = sq.sqrt();
        let inv = h.recip();
        (p * inv, q * inv, h)
    } else {
        let h = p.hypot(q);
        (p / h, q / h, h)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::Rng;

    /// Gaussian elimination without pivoting on a dense positive definite matrix: the slow twin.
    fn dense_solve(a: &mut [Vec<f64>], x: &mut [f64]) {
        let n = x.len();
        for j in 0..n {
            for i in j + 1..n {
                let f = a[i][j] / a[j][j];
                for k in j..n {
                    a[i][k] -= f * a[j][k];
                }
                x[i] -= f * x[j];
            }
        }
        for j in (0..n).rev() {
            for k in j + 1..n {
                x[j] -= a[j][k] * x[k];
            }
            x[j] /= a[j][j];
        }
    }

    #[test]
    fn cholesky_agrees_with_elimination() {
        let mut rng = Rng::new(1);
        for n in [1_usize, 2, 3, 9] {
            for b in 0..4 {
                let mut band = vec![0.0; n * (b + 1)];
                let mut a = vec![vec![0.0; n]; n];
                for j in 0..n {
                    for d in 0..=b {
                        let v = if d == 0 { 2.0 * (b + 1) as f64 } else { rng.uniform::<f64>() - 0.5 };
                        band[j * (b + 1) + d] = v;
                        if j + d < n {
                            a[j + d][j] = v;
                            a[j][j + d] = v;
                        }
                    }
                }
                let rhs: Vec<f64> = rng.normals(n);
                let (mut x, mut slow) = (rhs.clone(), rhs);
                let mut chol = BandedCholesky::new(n, b);
                chol.factor(&band).unwrap();
                chol.solve_in_place(&mut x);
                dense_solve(&mut a, &mut slow);
                for (p, q) in x.iter().zip(&slow) {
                    assert!((p - q).abs() < 1e-13);
                }
            }
        }
        let err = BandedCholesky::new(2, 1).factor(&[1.0, 2.0, 1.0, 0.0]).unwrap_err();
        assert_eq!(err, LinalgError::NotPositiveDefinite { pivot: 1 });
    }

    #[test]
    fn dependent_columns_get_zero() {
        // [1 1 0; 1 1 0; 0 0 4]: the second column repeats the first.
        let mut chol = BandedCholesky::new(3, 1);
        let mut dependent = Vec::new();
        chol.factor_semidefinite(&[1.0, 1.0, 1.0, 0.0, 4.0, 0.0], 1e-12, &mut dependent);
        assert_eq!(dependent, [1]);
        let mut x = [3.0_f64, 3.0, 8.0];
        chol.solve_in_place(&mut x);
        assert_eq!(x, [3.0, 0.0, 2.0]);
    }

    #[test]
    fn qr_agrees_with_normal_equations() {
        let mut rng = Rng::new(2);
        for (m, n, w) in [(1, 1, 1), (5, 3, 3), (9, 6, 4), (6, 9, 2)] {
            let starts: Vec<usize> = (0..m).map(|i| (i * n / m).min(n - 1)).collect();
            let rows: Vec<Vec<f64>> = (0..m).map(|_| rng.normals(w)).collect();
            let d: Vec<f64> = (0..n).map(|_| 0.5 + rng.uniform::<f64>()).collect();
            let (b, c): (Vec<f64>, Vec<f64>) = (rng.normals(m), rng.normals(n));
            let mut gram = vec![vec![0.0; n]; n];
            let mut rhs: Vec<f64> = (0..n).map(|j| d[j] * c[j]).collect();
            for j in 0..n {
                gram[j][j] = d[j] * d[j];
            }
            for i in 0..m {
                for p in 0..w.min(n - starts[i]) {
                    rhs[starts[i] + p] += rows[i][p] * b[i];
                    for q in 0..w.min(n - starts[i]) {
                        gram[starts[i] + p][starts[i] + q] += rows[i][p] * rows[i][q];
                    }
                }
            }
            let mut qr = BandedQr::new(m, n, w);
            qr.factor(&d, |i, out| {
                let used = w.min(n - starts[i]);
                out[..used].copy_from_slice(&rows[i][..used]);
                starts[i]
            });
            let mut x = c;
            qr.solve(&b, &mut x).unwrap();
            dense_solve(&mut gram, &mut rhs);
            for (p, q) in x.iter().zip(&rhs) {
                assert!((p - q).abs() < 1e-12, "{p} {q}");
            }
        }
    }
}
