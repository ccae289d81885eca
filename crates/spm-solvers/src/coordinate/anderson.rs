//! Anderson extrapolation of the last iterates.

use spm_linalg::{Scalar, vecops};

/// Differences used.
const K: usize = 5;

/// Keeps `K + 1` iterates on the working set and combines them into a guess of their limit.
///
/// The combination `Σ c_k w_k`, `Σ c_k = 1`, makes `‖Σ c_k (w_{k+1} − w_k)‖` smallest (Bertrand and Massias 2021,
/// algorithm 2). O(K·size) memory and time, O(K² size) for the extrapolation.
#[derive(Debug)]
pub(super) struct Anderson<T> {
    /// `K + 1` rows of `size`.
    history: Vec<T>,
    guess: Vec<T>,
    size: usize,
    held: usize,
}

impl<T: Scalar> Anderson<T> {
    pub(super) fn new(p: usize) -> Self {
        Self { history: vec![T::zero(); (K + 1) * p], guess: vec![T::zero(); p], size: 0, held: 0 }
    }

    /// Forgets everything and takes `w` on `set` as the first iterate.
    pub(super) fn restart(&mut self, set: &[usize], w: &[T]) {
        self.size = set.len();
        self.held = 0;
        let _ = self.push(set, w);
    }

    /// Adds an iterate; true when there are enough for an extrapolation.
    pub(super) fn push(&mut self, set: &[usize], w: &[T]) -> bool {
        let row = &mut self.history[self.held * self.size..(self.held + 1) * self.size];
        for (h, &j) in row.iter_mut().zip(set) {
            *h = w[j];
        }
        self.held += 1;
        self.held == K + 1
    }

    /// The guess on the working set, to be read or exchanged with the iterate.
    pub(super) fn point(&mut self) -> &mut [T] {
        &mut self.guess[..self.size]
    }

    /// Computes the guess from `K + 1` iterates; `None` if they are degenerate.
    pub(super) fn extrapolate(&mut self) -> Option<&mut [T]> {
        let m = self.size;
        let row = |k: usize| &self.history[k * m..(k + 1) * m];
        let mut gram = [[T::zero(); K]; K];
        for a in 0..K {
            for b in 0..=a {
                let mut sum = T::zero();
                for i in 0..m {
                    sum += (row(a + 1)[i] - row(a)[i]) * (row(b + 1)[i] - row(b)[i]);
                }
                gram[a][b] = sum;
                gram[b][a] = sum;
            }
        }
        let c = solve_ones(gram)?;
        let total: T = c.iter().copied().sum();
        if total == T::zero() || !total.is_finite() {
            return None;
        }
        self.guess[..m].fill(T::zero());
        for (k, &ck) in c.iter().enumerate() {
            vecops::axpy(ck / total, &self.history[(k + 1) * m..(k + 2) * m], &mut self.guess[..m]);
        }
        // A coordinate that is zero in every iterate must stay exactly zero: the sum keeps it so.
        self.guess[..m].iter().all(|v| v.is_finite()).then_some(&mut self.guess[..m])
    }
}

/// Solves `(A + εI) c = 1` by Cholesky for a small positive semi-definite `A`.
fn solve_ones<T: Scalar>(mut a: [[T; K]; K]) -> Option<[T; K]> {
    let trace: T = (0..K).map(|k| a[k][k]).sum();
    if trace <= T::zero() || trace.is_nan() {
        return None;
    }
    for k in 0..K {
        // Scaled to trace 1 so that f32 does not underflow.
        for b in 0..K {
            a[k][b] /= trace;
        }
        a[k][k] += T::epsilon();
    }
    for k in 0..K {
        for j in 0..k {
            let mut v = a[k][j];
            for i in 0..j {
                v -= a[k][i] * a[j][i];
            }
            a[k][j] = v / a[j][j];
        }
        let mut v = a[k][k];
        for i in 0..k {
            v -= a[k][i] * a[k][i];
        }
        if v <= T::zero() || v.is_nan() {
            return None;
        }
        a[k][k] = v.sqrt();
    }
    let mut c = [T::one(); K];
    for k in 0..K {
        for i in 0..k {
            c[k] -= a[k][i] * c[i];
        }
        c[k] /= a[k][k];
    }
    for k in (0..K).rev() {
        for i in k + 1..K {
            c[k] -= a[i][k] * c[i];
        }
        c[k] /= a[k][k];
    }
    Some(c)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn exact_for_a_linear_iteration_of_few_modes() {
        // w ← M w + b with diagonal M of two eigenvalues: the limit is reached in one extrapolation.
        let set: Vec<usize> = (0..4).collect();
        let rate = [0.9, 0.5, 0.9, 0.5];
        let limit = [1.0, -2.0, 3.0, 0.5];
        let mut w = [0.0_f64; 4];
        let mut anderson = Anderson::new(4);
        anderson.restart(&set, &w);
        let mut full = false;
        while !full {
            for i in 0..4 {
                w[i] = limit[i] + rate[i] * (w[i] - limit[i]);
            }
            full = anderson.push(&set, &w);
        }
        let guess = anderson.extrapolate().unwrap();
        for i in 0..4 {
            assert!((guess[i] - limit[i]).abs() < 1e-5, "{guess:?}");
        }
    }
}
