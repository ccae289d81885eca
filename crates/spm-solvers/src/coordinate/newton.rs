//! The exact minimiser on the current support.

use spm_linalg::factor::{UpdatingCholesky, gram_into};
use spm_linalg::{Dense, DesignMatrix, Scalar, SeparableProx, vecops};

/// Supports larger than this are left to coordinate descent and extrapolation.
const LARGEST: usize = 1024;
/// At most this many numbers are kept of the columns of the support.
const ROOM: usize = 1 << 24;

/// Minimises over the support without letting a coordinate change sign: exact for a piecewise quadratic penalty.
///
/// Solves `(c X_SᵀX_S + diag(g″)) v = b` by a Cholesky factorisation and walks from `w` towards `v`; a coordinate
/// that reaches zero on the way stays there and leaves `S`, until the way is free. Never uphill. O(n s² + s³/3) for
/// a support of s coordinates and O(s²) for each that leaves; memory O(n s + s²), reserved for the largest s and
/// touched only when used.
#[derive(Debug)]
pub(super) struct Newton<T> {
    capacity: usize,
    columns: Vec<T>,
    gram: Vec<T>,
    factor: UpdatingCholesky<T>,
    support: Vec<usize>,
    /// `w_S` at the start.
    start: Vec<T>,
    /// `w_S` on the way.
    point: Vec<T>,
    /// `b`.
    target: Vec<T>,
    /// The minimiser over the coordinates still held.
    goal: Vec<T>,
    /// Which entries of `support` are still held.
    held: Vec<usize>,
}

impl<T: Scalar> Newton<T> {
    pub(super) fn new(n: usize, p: usize) -> Self {
        let capacity = n.min(p).min(LARGEST).min(ROOM / n.max(1));
        Self {
            capacity,
            columns: vec![T::zero(); n * capacity],
            gram: vec![T::zero(); capacity * capacity],
            factor: UpdatingCholesky::with_capacity(capacity),
            support: Vec::with_capacity(capacity),
            start: vec![T::zero(); capacity],
            point: vec![T::zero(); capacity],
            target: vec![T::zero(); capacity],
            goal: vec![T::zero(); capacity],
            held: vec![0; capacity],
        }
    }

    /// Takes the nonzero coordinates of `set`; false if there are none or too many, or `g` is not smooth there.
    pub(super) fn take_support<G: SeparableProx<T>>(&mut self, g: &G, set: &[usize], w: &[T]) -> bool {
        self.support.clear();
        for &j in set.iter().filter(|&&j| w[j] != T::zero()) {
            if self.support.len() == self.capacity || g.expansion_at(j, w[j]).is_none() {
                return false;
            }
            self.support.push(j);
        }
        !self.support.is_empty()
    }

    /// How many coordinates were taken.
    pub(super) fn size(&self) -> usize {
        self.support.len()
    }

    /// Writes the minimiser into `w`, whose settled residual is `r`; false, and `w` as it was, if the columns are
    /// dependent.
    pub(super) fn minimise<X: DesignMatrix<T>, G: SeparableProx<T>>(
        &mut self,
        x: &X,
        g: &G,
        c: T,
        w: &mut [T],
        r: &[T],
    ) -> bool {
        let (n, s) = (r.len(), self.support.len());
        let columns = &mut self.columns[..n * s];
        columns.fill(T::zero());
        for (col, &j) in columns.chunks_exact_mut(n).zip(&self.support) {
            x.col_axpy(j, T::one(), col);
        }
        let gram = &mut self.gram[..s * s];
        let Ok(dense) = Dense::from_column_major(columns, n, s) else { return false };
        if gram_into(dense.as_faer(), gram).is_err() {
            return false;
        }
        vecops::scale(c, gram);
        self.factor.clear();
        for (k, &j) in self.support.iter().enumerate() {
            let Some((slope, curvature)) = g.expansion_at(j, w[j]) else { return false };
            gram[k * s + k] += curvature;
            if self.factor.append(&gram[k * s..k * s + k], gram[k * s + k]).is_err() {
                return false;
            }
            self.start[k] = w[j];
            self.point[k] = w[j];
            self.target[k] = c * vecops::dot(&columns[k * n..(k + 1) * n], r) - slope;
        }
        // b = c X_Sᵀr − g′ + H w: what the minimiser solves H v = b for, whichever coordinates stay.
        for k in 0..s {
            self.target[k] += vecops::dot(&gram[k * s..(k + 1) * s], &self.point[..s]);
        }
        self.walk(w)
    }

    /// From `point` to the minimiser, dropping coordinates that reach zero.
    fn walk(&mut self, w: &mut [T]) -> bool {
        let mut s = self.support.len();
        for k in 0..s {
            self.held[k] = k;
        }
        while s > 0 {
            let goal = &mut self.goal[..s];
            for (v, &k) in goal.iter_mut().zip(&self.held) {
                *v = self.target[k];
            }
            self.factor.solve_in_place(goal);
            if !goal.iter().all(|v| v.is_finite()) {
                return false;
            }
            let mut first = T::one();
            for (&v, &k) in goal.iter().zip(&self.held) {
                let here = self.point[k];
                if v * here <= T::zero() {
                    first = first.min(here / (here - v));
                }
            }
            let whole = first == T::one()
                && goal.iter().zip(&self.held).all(|(&v, &k)| v * self.point[k] > T::zero());
            // Backwards, so that a removal does not move what is still to be seen.
            for i in (0..s).rev() {
                let k = self.held[i];
                let (here, v) = (self.point[k], self.goal[i]);
                if v * here <= T::zero() && here / (here - v) <= first {
                    self.point[k] = T::zero();
                    self.factor.remove(i);
                    self.held.copy_within(i + 1..s, i);
                    s -= 1;
                } else {
                    self.point[k] = if whole { v } else { here + first * (v - here) };
                }
            }
            if whole {
                break;
            }
        }
        for (k, &j) in self.support.iter().enumerate() {
            w[j] = self.point[k];
        }
        true
    }

    /// Moves `w` back to where the step began.
    pub(super) fn undo(&self, w: &mut [T]) {
        for (k, &j) in self.support.iter().enumerate() {
            w[j] = self.start[k];
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use spm_linalg::penalty::L1;

    use super::*;

    #[test]
    fn drops_what_reaches_zero_and_solves_the_rest() {
        // Identity design: the minimiser over w >= 0 faces is the soft threshold, or zero where it has the other sign.
        let x = Dense::from_column_major(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], 3, 3).unwrap();
        let g = L1::new(1.0).unwrap();
        let y = [3.0, -4.0, 0.5];
        let mut w = [0.1, 0.2, 0.3];
        let r: Vec<f64> = y.iter().zip(&w).map(|(y, w)| y - w).collect();
        let mut newton = Newton::new(3, 3);
        assert!(newton.take_support(&g, &[0, 1, 2], &w));
        assert!(newton.minimise(&x, &g, 1.0, &mut w, &r));
        assert!((w[0] - 2.0).abs() < 1e-14);
        assert_eq!(w[1..], [0.0, 0.0]);
        newton.undo(&mut w);
        assert_eq!(w, [0.1, 0.2, 0.3]);
    }
}
