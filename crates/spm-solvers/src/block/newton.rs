//! The Newton direction on the nonzero coordinates.

use spm_linalg::factor::UpdatingCholesky;
use spm_linalg::{DesignMatrix, GroupProx, Scalar, vecops};

/// Supports larger than this are left to the epochs.
const LARGEST: usize = 512;
/// At most this many numbers are kept of the columns of the support.
const ROOM: usize = 1 << 24;

/// Solves `(c XᵀX ⊗ I + g″) d = −gradient` on the nonzero coordinates of the working set.
///
/// O(n k² + s³/3) for a support of `s` coordinates in `k` columns; the memory is reserved for the largest support and
/// touched only when used.
#[derive(Debug)]
pub(super) struct Newton<T> {
    capacity: usize,
    /// Coordinates of `w`, increasing, each with its column in `columns` and its target.
    support: Vec<(usize, usize, usize)>,
    /// The features of `columns`.
    features: Vec<usize>,
    columns: Vec<T>,
    cross: Vec<T>,
    factor: UpdatingCholesky<T>,
    start: Vec<T>,
    direction: Vec<T>,
    /// The blocks of the support, with the place of their first coordinate in it.
    blocks: Vec<(usize, usize)>,
    slope: Vec<T>,
    curvature: Vec<T>,
}

impl<T: Scalar> Newton<T> {
    pub(super) fn new(n: usize, size: usize, largest_group: usize) -> Self {
        let capacity = size.min(LARGEST).min(ROOM / n.max(1));
        let group = if largest_group <= capacity { largest_group } else { 0 };
        Self {
            capacity,
            support: Vec::with_capacity(capacity),
            features: Vec::with_capacity(capacity),
            columns: vec![T::zero(); n * capacity],
            cross: vec![T::zero(); capacity],
            factor: UpdatingCholesky::with_capacity(capacity),
            start: vec![T::zero(); capacity],
            direction: vec![T::zero(); capacity],
            blocks: Vec::with_capacity(capacity),
            slope: vec![T::zero(); group],
            curvature: vec![T::zero(); group * group],
        }
    }

    /// How many coordinates were taken.
    pub(super) fn size(&self) -> usize {
        self.support.len()
    }

    /// Takes the nonzero coordinates of the working blocks; false if there are none or too many.
    pub(super) fn take_support<G: GroupProx<T>>(
        &mut self,
        g: &G,
        working: &[usize],
        w: &[T],
        targets: usize,
        features: &[usize],
    ) -> bool {
        self.support.clear();
        self.features.clear();
        self.blocks.clear();
        for &b in working {
            let range = g.group(b);
            if w[range.clone()].iter().all(|v| *v == T::zero()) {
                continue;
            }
            if range.len() > self.slope.len() {
                return false;
            }
            self.blocks.push((b, self.support.len()));
            for i in range.filter(|&i| w[i] != T::zero()) {
                if self.support.len() == self.capacity {
                    return false;
                }
                let j = features[i / targets];
                if self.features.last() != Some(&j) {
                    self.features.push(j);
                }
                self.start[self.support.len()] = w[i];
                self.support.push((i, self.features.len() - 1, i % targets));
            }
        }
        !self.support.is_empty()
    }

    /// Finds the direction at `w` with the settled, carried `residual`; false if the penalty is not smooth there or the
    /// Hessian is singular.
    pub(super) fn direction<X: DesignMatrix<T>, G: GroupProx<T>>(
        &mut self,
        x: &X,
        g: &G,
        c: T,
        w: &[T],
        residual: &[T],
        stride: usize,
    ) -> bool {
        let (n, size) = (x.nrows(), self.support.len());
        self.columns[..n * self.features.len()].fill(T::zero());
        for (column, &j) in self.columns.chunks_exact_mut(n.max(1)).zip(&self.features) {
            x.col_axpy(j, T::one(), column);
        }
        let column = |k: usize| &self.columns[k * n..(k + 1) * n];
        self.factor.clear();
        for (place, &(b, first)) in self.blocks.iter().enumerate() {
            let range = g.group(b);
            let (offset, len) = (range.start, range.len());
            let slope = &mut self.slope[..len];
            let curvature = &mut self.curvature[..len * len];
            if !g.expansion_group_into(b, &w[range], slope, curvature) {
                return false;
            }
            let end = self.blocks.get(place + 1).map_or(size, |next| next.1);
            for a in first..end {
                let (i, k, s) = self.support[a];
                for (e, &(j, l, r)) in self.support[..=a].iter().enumerate() {
                    let mut h = if r == s { c * vecops::dot(column(k), column(l)) } else { T::zero() };
                    if e >= first {
                        h += curvature[(i - offset) * len + (j - offset)];
                    }
                    self.cross[e] = h;
                }
                if self.factor.append(&self.cross[..a], self.cross[a]).is_err() {
                    return false;
                }
                let r = &residual[s * stride..s * stride + n];
                self.direction[a] = c * vecops::dot(column(k), r) - slope[i - offset];
            }
        }
        self.factor.solve_in_place(&mut self.direction[..size]);
        self.direction[..size].iter().all(|v| v.is_finite())
    }

    /// `w ← start + share·direction` on the support, zero in the blocks that would turn round.
    pub(super) fn try_step(&self, share: T, w: &mut [T]) {
        for (a, &(i, _, _)) in self.support.iter().enumerate() {
            w[i] = self.start[a] + share * self.direction[a];
        }
        // A block that turns round has passed zero, where it may want to stay.
        for (place, &(_, first)) in self.blocks.iter().enumerate() {
            let end = self.blocks.get(place + 1).map_or(self.support.len(), |next| next.1);
            let along: T = (first..end).map(|a| self.start[a] * w[self.support[a].0]).sum();
            if along <= T::zero() {
                for &(i, _, _) in &self.support[first..end] {
                    w[i] = T::zero();
                }
            }
        }
    }

    /// Moves `w` back to where the step began.
    pub(super) fn undo(&self, w: &mut [T]) {
        for (&start, &(i, _, _)) in self.start.iter().zip(&self.support) {
            w[i] = start;
        }
    }
}
