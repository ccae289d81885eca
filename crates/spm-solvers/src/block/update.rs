//! The visit of one block.

use core::ops::Range;

use spm_linalg::factor::SelfAdjointEvd;
use spm_linalg::{DesignMatrix, GroupProx, LinalgError, Scalar};

/// Blocks of at most this many columns keep their Gram matrix.
const CACHED: usize = 64;
/// Proximal steps within a block on one visit.
const INNER: usize = 10;

/// Step lengths, Gram matrices and temporaries of the blocks.
#[derive(Debug)]
pub(super) struct BlockUpdate<T> {
    targets: usize,
    curvature: T,
    /// `1 / (c ‖X_b‖²)`, 0 for a block of zero columns.
    step: Vec<T>,
    /// `X_bᵀX_b` of the blocks of 2 to `CACHED` columns, one after the other.
    grams: Vec<T>,
    /// Where each block's starts; the same as the next if there is none.
    starts: Vec<usize>,
    /// Of the largest block each.
    first: Vec<T>,
    grad: Vec<T>,
    old: Vec<T>,
    forward: Vec<T>,
    negative: Vec<T>,
}

impl<T: Scalar> BlockUpdate<T> {
    pub(super) fn new<X: DesignMatrix<T>>(
        x: &X,
        g: &impl GroupProx<T>,
        features: &[usize],
        targets: usize,
        curvature: T,
    ) -> Result<Self, LinalgError> {
        let (mut step, mut grams, mut starts) = (Vec::new(), Vec::new(), vec![0]);
        let mut column = vec![T::zero(); x.nrows()];
        for b in 0..g.n_groups() {
            let range = g.group(b);
            let columns = &features[range.start / targets..range.end / targets];
            let s = columns.len();
            let trace: T = columns.iter().map(|&j| x.col_sq_norm(j)).sum();
            if !trace.is_finite() {
                return Err(LinalgError::NonFinite { what: "squared column norms of X, by block", index: b });
            }
            let mut norm = trace;
            if s > 1 && s <= CACHED {
                let begin = grams.len();
                for (k, &j) in columns.iter().enumerate() {
                    column.fill(T::zero());
                    x.col_axpy(j, T::one(), &mut column);
                    for (l, &i) in columns.iter().enumerate() {
                        grams.push(match l.cmp(&k) {
                            core::cmp::Ordering::Less => grams[begin + l * s + k],
                            core::cmp::Ordering::Equal => x.col_sq_norm(j),
                            core::cmp::Ordering::Greater => x.col_dot(i, &column),
                        });
                    }
                }
                let largest = SelfAdjointEvd::from_column_major(&grams[begin..], s)?.values()[s - 1];
                norm = norm.min(largest * (T::one() + T::of_usize(8 * s) * T::epsilon()));
            }
            starts.push(grams.len());
            step.push(if norm > T::zero() { (curvature * norm).recip() } else { T::zero() });
        }
        let size = super::largest_group(g);
        let zeros = || vec![T::zero(); size];
        let (first, grad, old, forward, negative) = (zeros(), zeros(), zeros(), zeros(), zeros());
        Ok(Self { targets, curvature, step, grams, starts, first, grad, old, forward, negative })
    }

    /// `1 / (c ‖X_b‖²)` or less, 0 for a block of zero columns.
    pub(super) fn step(&self, b: usize) -> T {
        self.step[b]
    }

    /// A copy of `v` with the sign changed.
    pub(super) fn negated(&mut self, v: &[T]) -> &[T] {
        for (o, &v) in self.negative.iter_mut().zip(v) {
            *o = -v;
        }
        &self.negative[..v.len()]
    }

    /// Improves the block `w`, keeps the carried `residual` (targets `stride` apart) up to date, and returns the
    /// violation that was met.
    pub(super) fn visit<X: DesignMatrix<T>, G: GroupProx<T>>(
        &mut self,
        x: &X,
        g: &G,
        b: usize,
        columns: &[usize],
        w: &mut [T],
        residual: &mut [T],
        stride: usize,
    ) -> T {
        let (t, len) = (self.targets, w.len());
        for (k, &j) in columns.iter().enumerate() {
            for (s, r) in residual.chunks_exact(stride).enumerate() {
                self.grad[k * t + s] = -self.curvature * x.carried_dot(j, r);
            }
        }
        let violation = g.subdiff_distance_group(b, w, &self.grad[..len]);
        if violation == T::zero() {
            return violation;
        }
        // A zero block is left to the penalty: a step without end.
        let step = if self.step[b] > T::zero() { self.step[b] } else { T::epsilon().recip() };
        self.old[..len].copy_from_slice(w);
        self.first[..len].copy_from_slice(&self.grad[..len]);
        let cached = self.starts[b]..self.starts[b + 1];
        let steps = if cached.is_empty() { 1 } else { INNER };
        for round in 0..steps {
            for ((f, &w), &d) in self.forward[..len].iter_mut().zip(w.iter()).zip(&self.grad) {
                *f = w - step * d;
            }
            g.prox_group_into(b, &self.forward[..len], step, w);
            if round + 1 < steps {
                self.refresh(cached.clone(), columns.len(), w);
                let left = g.subdiff_distance_group(b, w, &self.grad[..len]);
                if left <= T::of(0.05) * violation {
                    break;
                }
            }
        }
        for (k, &j) in columns.iter().enumerate() {
            for (s, r) in residual.chunks_exact_mut(stride).enumerate() {
                let moved = self.old[k * t + s] - w[k * t + s];
                if moved != T::zero() {
                    x.carried_axpy(j, moved, r);
                }
            }
        }
        violation
    }

    /// `grad ← first + c·Gram·(w − old)`.
    fn refresh(&mut self, gram: Range<usize>, size: usize, w: &[T]) {
        let t = self.targets;
        let len = size * t;
        self.grad[..len].copy_from_slice(&self.first[..len]);
        for (l, column) in self.grams[gram].chunks_exact(size).enumerate() {
            for s in 0..t {
                let moved = self.curvature * (w[l * t + s] - self.old[l * t + s]);
                for (k, &q) in column.iter().enumerate() {
                    self.grad[k * t + s] += moved * q;
                }
            }
        }
    }
}
