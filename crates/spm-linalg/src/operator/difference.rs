//! The difference operator of order k on a line.

use super::LinearOperator;
use crate::{LinalgError, MemStack, Scalar, StackReq, check};

/// The difference operator of order $k$, $D^{(k)} \in \mathbb{R}^{(n-k) \times n}$.
///
/// On an even grid `D^(1) x = x[i+1] - x[i]` and `D^(k+1) = D^(1) D^(k)`. At positions `t` the recursion is
/// $D^{(k+1)} = D^{(1)} \operatorname{diag}\bigl(k / (t_{i+k} - t_i)\bigr) D^{(k)}$, in plain text
/// `D^(k+1) = D^(1) diag(k / (t[i+k] - t[i])) D^(k)`, which is the even one when the spacing is 1. Its null space is
/// the polynomials of degree `k - 1` in `t`. Row `i` has its `k + 1` entries in columns `i ..= i + k`.
///
/// Products cost O(k n), the forward one with a temporary of length `n`.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `n` | any | length of `x`; with `n <= k` the operator has no rows |
/// | `order` | 1 to 16 | the order `k` |
/// | `positions` | finite, strictly increasing | where `x` is sampled |
///
/// Source: Tibshirani 2014, *Adaptive piecewise polynomial estimation via trend filtering*, eqs. 2 and 28.
///
/// ```
/// use spm_linalg::{LinearOperator, Workspace, operator::Difference};
/// let d = Difference::<f64>::even(4, 2)?;
/// let mut y = [0.0; 2];
/// d.apply(&[0.0, 1.0, 4.0, 9.0], &mut y, Workspace::new(LinearOperator::<f64>::scratch(&d)).stack());
/// assert_eq!(y, [2.0, 2.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Difference<T> {
    n: usize,
    order: usize,
    /// The positions; empty on the even grid.
    positions: Vec<T>,
}

impl<T: Scalar> Difference<T> {
    /// The operator on the even grid `0, 1, …, n − 1`.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `1 <= order <= 16`.
    pub fn even(n: usize, order: usize) -> Result<Self, LinalgError> {
        check_order(order)?;
        Ok(Self { n, order, positions: Vec::new() })
    }

    /// The operator at the given positions.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `1 <= order <= 16` and the positions are strictly increasing;
    /// [`LinalgError::NonFinite`] if one is not finite.
    pub fn uneven(positions: &[T], order: usize) -> Result<Self, LinalgError> {
        check_order(order)?;
        check::finite("positions", positions)?;
        if let Some(pair) = positions.windows(2).find(|p| p[1] <= p[0]) {
            return Err(LinalgError::InvalidParam {
                name: "positions",
                expected: "strictly increasing",
                got: pair[1].as_f64(),
            });
        }
        Ok(Self { n: positions.len(), order, positions: positions.to_vec() })
    }

    /// The order `k`.
    #[must_use]
    pub fn order(&self) -> usize {
        self.order
    }

    /// The positions, or `None` on the even grid.
    #[must_use]
    pub fn positions(&self) -> Option<&[T]> {
        if self.positions.is_empty() { None } else { Some(&self.positions) }
    }

    /// Writes the `k + 1` entries of row `i`, those of columns `i ..= i + k`. O(k²).
    ///
    /// Row `i` is `(k-1)! (t[i+k] - t[i])` times the divided difference at `t[i] … t[i+k]`.
    ///
    /// # Panics
    /// If `i >= nrows()` or `out.len() != order() + 1`.
    pub fn row_into(&self, i: usize, out: &mut [T]) {
        let k = self.order;
        check::dim("Difference::row_into out", k + 1, out.len());
        assert!(i + k < self.n, "Difference::row_into: row {i} of {}", self.n.saturating_sub(k));
        if self.positions.is_empty() {
            // Binomials with alternating signs, +1 in the last column.
            let mut c = T::one();
            for l in 0..=k {
                out[k - l] = c;
                c = -c * T::of_usize(k - l) / T::of_usize(l + 1);
            }
            return;
        }
        let t = &self.positions[i..=i + k];
        let factorial: T = (1..k).map(T::of_usize).fold(T::one(), |a, b| a * b);
        let lead = factorial * (t[k] - t[0]);
        for l in 0..=k {
            let mut c = lead;
            for q in (0..=k).filter(|&q| q != l) {
                c /= t[l] - t[q];
            }
            out[l] = c;
        }
    }

    /// `j / (t[i+j] − t[i])`, the factor between orders `j` and `j + 1`.
    #[inline]
    fn factor(&self, j: usize, i: usize) -> T {
        T::of_usize(j) / (self.positions[i + j] - self.positions[i])
    }
}

impl<T: Scalar> LinearOperator<T> for Difference<T> {
    fn nrows(&self) -> usize {
        self.n.saturating_sub(self.order)
    }

    fn ncols(&self) -> usize {
        self.n
    }

    fn apply(&self, x: &[T], y: &mut [T], stack: &mut MemStack) {
        check::dim("Difference::apply x", self.n, x.len());
        let m = self.n.saturating_sub(self.order);
        check::dim("Difference::apply y", m, y.len());
        if m == 0 {
            return;
        }
        if self.order == 1 {
            difference(x, y);
            return;
        }
        let (mut v, _) = stack.make_with(self.n, |i| x[i]);
        for j in 1..=self.order {
            let len = self.n - j;
            if j == self.order {
                difference(&v[..=len], y);
            } else {
                for i in 0..len {
                    v[i] = v[i + 1] - v[i];
                }
                if !self.positions.is_empty() {
                    for (i, d) in v[..len].iter_mut().enumerate() {
                        *d *= self.factor(j, i);
                    }
                }
            }
        }
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], _stack: &mut MemStack) {
        let m = self.n.saturating_sub(self.order);
        check::dim("Difference::apply_adjoint y", m, y.len());
        check::dim("Difference::apply_adjoint x", self.n, x.len());
        if m == 0 {
            x.fill(T::zero());
            return;
        }
        x[..m].copy_from_slice(y);
        for j in (1..=self.order).rev() {
            // The adjoint of D^(1): from length n − j to n − j + 1, in place.
            let len = self.n - j;
            x[len] = x[len - 1];
            for i in (1..len).rev() {
                x[i] = x[i - 1] - x[i];
            }
            x[0] = -x[0];
            if j > 1 && !self.positions.is_empty() {
                for (i, v) in x[..=len].iter_mut().enumerate() {
                    *v *= self.factor(j - 1, i);
                }
            }
        }
    }

    fn scratch(&self) -> StackReq {
        if self.order == 1 { StackReq::EMPTY } else { StackReq::new::<T>(self.n) }
    }

    /// `(2 cos(π/2n))^k` on the even grid; with positions also times the largest factor of each order.
    fn norm_bound(&self) -> Option<T> {
        if self.n <= self.order {
            return Some(T::zero());
        }
        // The largest singular value of D^(1) on n points is exactly 2 cos(π/2n), and grows with n.
        let one = 2.0 * (core::f64::consts::FRAC_PI_2 / self.n as f64).cos();
        let mut bound = T::of(one.powi(self.order as i32));
        if !self.positions.is_empty() {
            for j in 1..self.order {
                let largest = (0..self.n - j).map(|i| self.factor(j, i)).fold(T::zero(), T::max);
                bound *= largest;
            }
        }
        Some(bound * (T::one() + T::of(8.0) * T::epsilon()))
    }
}

fn difference<T: Scalar>(x: &[T], y: &mut [T]) {
    for ((d, &a), &b) in y.iter_mut().zip(x).zip(&x[1..]) {
        *d = b - a;
    }
}

fn check_order(order: usize) -> Result<(), LinalgError> {
    if (1..=16).contains(&order) {
        Ok(())
    } else {
        Err(LinalgError::InvalidParam {
            name: "order of a difference operator",
            expected: "from 1 to 16",
            got: order as f64,
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{Workspace, testing::Rng};

    fn apply(d: &Difference<f64>, x: &[f64]) -> Vec<f64> {
        let mut y = vec![f64::NAN; d.nrows()];
        d.apply(x, &mut y, Workspace::new(d.scratch()).stack());
        y
    }

    fn operators() -> Vec<Difference<f64>> {
        let mut rng = Rng::new(3);
        let mut out = Vec::new();
        for n in [1, 2, 3, 5, 17] {
            let mut t = vec![0.0_f64; n];
            for i in 1..n {
                t[i] = t[i - 1] + 0.2 + rng.uniform::<f64>();
            }
            for k in 1..=4 {
                out.push(Difference::even(n, k).unwrap());
                out.push(Difference::uneven(&t, k).unwrap());
            }
        }
        out
    }

    #[test]
    fn rows_products_and_adjoint_agree() {
        let mut rng = Rng::new(5);
        for d in operators() {
            let (m, n, k) = (d.nrows(), d.ncols(), d.order());
            let x: Vec<f64> = rng.normals(n);
            let u: Vec<f64> = rng.normals(m);
            let y = apply(&d, &x);
            let mut row = vec![0.0; k + 1];
            let mut adjoint = vec![0.0; n];
            for i in 0..m {
                d.row_into(i, &mut row);
                let slow: f64 = row.iter().zip(&x[i..]).map(|(a, b)| a * b).sum();
                let size: f64 = row.iter().map(|a| a.abs()).sum();
                assert!((y[i] - slow).abs() <= 1e-13 * size, "{d:?}");
                for l in 0..=k {
                    adjoint[i + l] += row[l] * u[i];
                }
            }
            let mut out = vec![f64::NAN; n];
            d.apply_adjoint(&u, &mut out, Workspace::new(d.scratch()).stack());
            let size = d.norm_bound().unwrap().max(1.0);
            for (a, b) in out.iter().zip(&adjoint) {
                assert!((a - b).abs() <= 1e-12 * size);
            }
        }
    }

    #[test]
    fn norm_bound_holds_and_is_tight_for_order_one() {
        let mut rng = Rng::new(8);
        for d in operators().iter().filter(|d| d.nrows() > 0) {
            let mut x: Vec<f64> = rng.normals(d.ncols());
            let mut ws = Workspace::new(d.scratch());
            let mut y = vec![0.0; d.nrows()];
            let mut sigma = 0.0;
            for _ in 0..300 {
                d.apply(&x, &mut y, ws.stack());
                d.apply_adjoint(&y, &mut x, ws.stack());
                sigma = crate::vecops::norm(&x).sqrt();
                crate::vecops::scale(1.0 / (sigma * sigma), &mut x);
            }
            let bound = d.norm_bound().unwrap();
            assert!(sigma <= bound * (1.0 + 1e-12), "{sigma} {bound}");
            if d.order() == 1 {
                assert!(sigma >= bound * (1.0 - 1e-3));
            }
        }
    }

    #[test]
    fn polynomials_are_the_null_space() {
        let t = [0.0_f64, 0.5, 2.0, 2.25, 4.0, 7.0];
        for k in 1..=4 {
            let d = Difference::uneven(&t, k).unwrap();
            let p: Vec<f64> = t.iter().map(|&v| 1.0 - v.powi(k as i32 - 1)).collect();
            assert!(crate::vecops::norm_inf(&apply(&d, &p)) < 1e-11);
        }
        // Unit spacing given as positions is the even grid.
        let (a, b) = (Difference::uneven(&[3.0, 4.0, 5.0, 6.0], 3).unwrap(), Difference::even(4, 3).unwrap());
        assert_eq!(apply(&a, &[1.0, 5.0, 2.0, 8.0]), apply(&b, &[1.0, 5.0, 2.0, 8.0]));
    }

    #[test]
    fn refuses_bad_input() {
        assert!(Difference::<f64>::even(3, 0).is_err());
        assert!(Difference::uneven(&[0.0, 0.0], 1).is_err());
        assert!(Difference::uneven(&[0.0, f64::NAN], 1).is_err());
    }
}
