//! The exact minimiser on the current support.

use spm_linalg::factor::UpdatingCholesky;
use spm_linalg::{Dense, DesignMatrix, Scalar, SeparableProx, vecops};

/// Supports larger than this are left to coordinate descent and extrapolation.
const LARGEST: usize = 4096;
/// At most this many numbers are kept of the columns of the support.
const ROOM: usize = 1 << 25;
/// Columns of a dense matrix whose products with the others are taken in one block.
const BLOCK: usize = 64;
/// From this many new columns on a block pays.
const FEW: usize = 4;
/// Operations that the coordinates dropped on one walk may cost, and how many may drop whatever they cost: the rest of the way is
/// left to the next call.
const DROPPING: usize = 1 << 24;
const FEW_DROPS: usize = 8;
/// Marks a coordinate without a slot.
const NONE: usize = usize::MAX;

/// Minimises over the support without letting a coordinate pass a kink of its penalty: exact for a piecewise quadratic one.
///
/// Solves `(c X_SᵀX_S + diag(g″)) v = b` by a Cholesky factorisation and walks from `w` towards `v`; a coordinate
/// that reaches its kink at zero on the way stays there and leaves `S`, until the way is free. Never uphill.
/// Coordinates whose penalty has no kink at zero are always in `S` and cross zero freely.
///
/// The factor and the inner products of every column that was ever in `S` are kept from one call to the next, along a
/// path too: a call costs O(n s + s²), and O(n s + s²) for each coordinate that is new or leaves. Where a column depends
/// on those before it, the coordinates move along the dependence, which changes no prediction, in the direction in which the penalty
/// falls, until one of them reaches zero and leaves. Memory O(n m + m²) for `m` columns kept, reserved for the largest
/// `m` and touched only when used.
#[derive(Debug)]
pub(super) struct Newton<T> {
    capacity: usize,
    /// Length of a column: n and what a carried vector has more.
    length: usize,
    /// Coordinate to slot.
    slot_of: Vec<usize>,
    /// Slot to coordinate.
    slots: Vec<usize>,
    /// The columns by slot, settled.
    columns: Vec<T>,
    /// `c x_iᵀ x_j` by slots, `capacity` apart.
    gram: Vec<T>,
    /// Inner products of a block of new columns with all others.
    block: Vec<T>,
    factor: UpdatingCholesky<T>,
    /// The slots in the factor, in its order.
    order: Vec<usize>,
    /// `g″` with which a slot is in the factor, by slot; NaN for one that is not in it.
    held_curvature: Vec<T>,
    /// The coordinates that should be in the factor.
    wanted: Vec<usize>,
    /// Whether a coordinate is wanted.
    is_wanted: Vec<bool>,
    /// The coordinates in the factor when the walk begins.
    moved: Vec<usize>,
    /// What the last step may have moved, with its value before.
    before: Vec<(usize, T)>,
    /// On the way; `b`; the minimiser over the entries still held; which those are.
    point: Vec<T>,
    target: Vec<T>,
    goal: Vec<T>,
    held: Vec<usize>,
}

impl<T: Scalar> Newton<T> {
    pub(super) fn new<X: DesignMatrix<T>>(x: &X) -> Self {
        let (n, p) = (x.nrows(), x.ncols());
        let length = n + x.carry_len();
        // Room for columns that come and go beside the largest independent set.
        let capacity = (2 * n + 64).min(p).min(LARGEST).min(ROOM / length.max(1));
        let zeros = |len: usize| vec![T::zero(); len];
        Self {
            capacity,
            length,
            slot_of: vec![NONE; p],
            slots: Vec::with_capacity(capacity),
            columns: zeros(length * capacity),
            gram: zeros(capacity * capacity),
            block: zeros(BLOCK * capacity),
            factor: UpdatingCholesky::with_capacity(capacity),
            order: Vec::with_capacity(capacity),
            held_curvature: vec![T::nan(); capacity],
            wanted: Vec::with_capacity(capacity),
            is_wanted: vec![false; p],
            moved: Vec::with_capacity(capacity),
            before: Vec::with_capacity(capacity),
            point: zeros(capacity),
            target: zeros(capacity),
            goal: zeros(capacity),
            held: vec![0; capacity],
        }
    }

    /// Chooses the coordinates of `set` that are not zero or have no kink there; how many of them are new to the
    /// factor, or `None` if there are none or too many, or `g` is not smooth there.
    pub(super) fn choose<G: SeparableProx<T>>(&mut self, g: &G, set: &[usize], w: &[T]) -> Option<usize> {
        self.wanted.clear();
        let mut fresh = 0;
        for &j in set {
            let smooth = g.expansion_at(j, w[j]).is_some();
            // At zero, at a bound, or of a penalty that does not tell: the coordinate stays as it is.
            if !smooth {
                continue;
            }
            if self.wanted.len() == self.capacity {
                return None;
            }
            let slot = self.slot_of[j];
            fresh += usize::from(slot == NONE || self.held_curvature[slot].is_nan());
            self.wanted.push(j);
        }
        (!self.wanted.is_empty()).then_some(fresh)
    }

    /// About how many operations the step costs when `fresh` of the chosen coordinates are new, and how many a pass over as many
    /// coordinates costs.
    pub(super) fn cost<X: DesignMatrix<T>>(&self, x: &X, fresh: usize) -> (usize, usize) {
        let s = self.wanted.len();
        let column = x.stored() / x.ncols().max(1) + 1;
        (s * (4 * s + 3 * column) + fresh * s * (s + column) / 2, 2 * s * column)
    }

    /// Writes the minimiser over the chosen coordinates into `w`, whose carried residual `r` is settled and no longer that of `w`
    /// afterwards; false if that is not possible.
    pub(super) fn minimise<X: DesignMatrix<T>, G: SeparableProx<T>>(
        &mut self,
        x: &X,
        g: &G,
        c: T,
        w: &mut [T],
        r: &mut [T],
    ) -> bool {
        self.take_in(x, c);
        self.before.clear();
        self.before.extend(self.wanted.iter().map(|&j| (j, w[j])));
        self.refactor(g, w, r);
        let s = self.order.len();
        self.moved.clear();
        for (k, &slot) in self.order.iter().enumerate() {
            let j = self.slots[slot];
            let Some((slope, _)) = g.expansion_at(j, w[j]) else { return false };
            self.moved.push(j);
            self.point[k] = w[j];
            self.target[k] = c * x.carried_dot(j, r) - slope;
        }
        // b = c X_Sᵀr − g′ + H w: what the minimiser solves H v = b for, whichever coordinates stay. H = L Lᵀ.
        let product = &mut self.goal[..s];
        product.fill(T::zero());
        for i in 0..s {
            vecops::axpy(self.point[i], self.factor.row(i), &mut product[..=i]);
        }
        for i in 0..s {
            self.target[i] += vecops::dot(self.factor.row(i), &product[..=i]);
        }
        self.walk(g, w)
    }

    /// Gives every chosen coordinate a slot with its column and inner products.
    fn take_in<X: DesignMatrix<T>>(&mut self, x: &X, c: T) {
        let fresh = self.wanted.iter().filter(|&&j| self.slot_of[j] == NONE).count();
        if self.slots.len() + fresh > self.capacity {
            self.forget();
        }
        let first = self.slots.len();
        let (n, length) = (x.nrows(), self.length);
        for &j in &self.wanted {
            if self.slot_of[j] != NONE {
                continue;
            }
            let slot = self.slots.len();
            self.slots.push(j);
            self.slot_of[j] = slot;
            let column = &mut self.columns[slot * length..(slot + 1) * length];
            column.fill(T::zero());
            x.col_axpy(j, T::one(), &mut column[..n]);
            x.settle(column, true);
        }
        let count = self.slots.len();
        let blocked = count - first >= FEW && length == n && x.stored() == n * x.ncols();
        for from in (first..count).step_by(BLOCK) {
            let to = (from + BLOCK).min(count);
            if blocked && let Ok(all) = Dense::from_column_major(&self.columns[..to * n], n, to) {
                let products = &mut self.block[..to * (to - from)];
                all.apply_adjoint_block(&self.columns[from * n..to * n], to - from, products);
            } else {
                for slot in from..to {
                    let j = self.slots[slot];
                    for i in 0..=slot {
                        self.block[(slot - from) * to + i] =
                            x.carried_dot(j, &self.columns[i * length..(i + 1) * length]);
                    }
                }
            }
            for slot in from..to {
                for i in 0..=slot {
                    let value = c * self.block[(slot - from) * to + i];
                    self.gram[slot * self.capacity + i] = value;
                    self.gram[i * self.capacity + slot] = value;
                }
            }
        }
    }

    /// Brings the factor to the chosen coordinates; where it slides, the residual follows.
    fn refactor<G: SeparableProx<T>>(&mut self, g: &G, w: &mut [T], r: &mut [T]) {
        let curvature = |w: &[T], j: usize| g.expansion_at(j, w[j]).map_or(T::nan(), |e| e.1);
        for &j in &self.wanted {
            self.is_wanted[j] = true;
        }
        let stale = |this: &Self, slot: usize| {
            let j = this.slots[slot];
            !this.is_wanted[j] || this.held_curvature[slot] != curvature(w, j)
        };
        let leaving = self.order.iter().filter(|&&slot| stale(self, slot)).count();
        if 6 * leaving > self.order.len() {
            for &slot in &self.order {
                self.held_curvature[slot] = T::nan();
            }
            self.order.clear();
            self.factor.clear();
        } else if leaving > 0 {
            for i in (0..self.order.len()).rev() {
                if stale(self, self.order[i]) {
                    self.drop_from_factor(i);
                }
            }
        }
        for k in 0..self.wanted.len() {
            let j = self.wanted[k];
            self.is_wanted[j] = false;
            let slot = self.slot_of[j];
            while self.held_curvature[slot].is_nan() {
                let row = &self.gram[slot * self.capacity..(slot + 1) * self.capacity];
                let cross = &mut self.goal[..self.order.len()];
                for (v, &other) in cross.iter_mut().zip(&self.order) {
                    *v = row[other];
                }
                let curvature = curvature(w, j);
                if self.factor.append(cross, row[slot] + curvature).is_ok() {
                    self.order.push(slot);
                    self.held_curvature[slot] = curvature;
                } else if curvature != T::zero() || !self.slide(g, w, r, j) {
                    break;
                }
            }
        }
    }

    /// Moves coordinate `j`, whose column depends on those in the factor, and them along the dependence until one of them reaches its
    /// kink at zero; true if one in the factor did and left. `goal` holds the inner products with them.
    fn slide<G: SeparableProx<T>>(&mut self, g: &G, w: &mut [T], r: &mut [T], j: usize) -> bool {
        let goal = &mut self.goal[..self.order.len()];
        self.factor.solve_in_place(goal);
        let coordinate = |i: usize| self.slots[self.order[i]];
        let slope = |j: usize| g.expansion_at(j, w[j]).map_or(T::nan(), |e| e.0);
        let rise = slope(j) - goal.iter().enumerate().map(|(i, &v)| v * slope(coordinate(i))).sum::<T>();
        // Where it does not matter for the penalty, j goes to zero.
        let way = if rise == T::zero() { -w[j].signum() } else { -rise.signum() };
        let kinked = |j: usize| g.expansion_at(j, T::zero()).is_none();
        let (mut reach, mut first) = (T::infinity(), None);
        if w[j] * way < T::zero() && kinked(j) {
            reach = w[j].abs();
        }
        for (i, &v) in goal.iter().enumerate() {
            let (here, speed) = (w[coordinate(i)], -way * v);
            if here * speed < T::zero() && kinked(coordinate(i)) && -here / speed < reach {
                (reach, first) = (-here / speed, Some(i));
            }
        }
        let inside = |j: usize, v: T| g.value_at(j, v).is_finite();
        let stays = |(i, &v): (usize, &T)| inside(coordinate(i), w[coordinate(i)] - way * v * reach);
        // A bound on the way, or no end of it.
        if !reach.is_finite() || !inside(j, w[j] + way * reach) || !goal.iter().enumerate().all(stays) {
            return false;
        }
        let slot = self.slot_of[j];
        let there = if first.is_some() { w[j] + way * reach } else { T::zero() };
        vecops::axpy(w[j] - there, &self.columns[slot * self.length..(slot + 1) * self.length], r);
        w[j] = there;
        // Backwards, so that a removal does not move what is still to be seen.
        for i in (0..self.order.len()).rev() {
            let other = self.slots[self.order[i]];
            let there = w[other] - way * self.goal[i] * reach;
            let arrived = first == Some(i) || (kinked(other) && there * w[other] <= T::zero());
            let there = if arrived { T::zero() } else { there };
            let slot = self.order[i];
            vecops::axpy(w[other] - there, &self.columns[slot * self.length..(slot + 1) * self.length], r);
            w[other] = there;
            if arrived {
                self.drop_from_factor(i);
            }
        }
        first.is_some()
    }

    fn drop_from_factor(&mut self, i: usize) {
        self.factor.remove(i);
        self.held_curvature[self.order.remove(i)] = T::nan();
    }

    /// Empties slots and factor.
    fn forget(&mut self) {
        for &j in &self.slots {
            self.slot_of[j] = NONE;
        }
        self.held_curvature.fill(T::nan());
        self.slots.clear();
        self.order.clear();
        self.factor.clear();
    }

    /// From `point` to the minimiser, dropping coordinates that reach their kink.
    fn walk<G: SeparableProx<T>>(&mut self, g: &G, w: &mut [T]) -> bool {
        let mut s = self.order.len();
        for k in 0..s {
            self.held[k] = k;
        }
        let kinked = |j: usize| g.expansion_at(j, T::zero()).is_none();
        let drops = DROPPING / (5 * s * s + 1) + FEW_DROPS;
        for _ in 0..drops {
            if s == 0 {
                break;
            }
            let goal = &mut self.goal[..s];
            for (v, &k) in goal.iter_mut().zip(&self.held) {
                *v = self.target[k];
            }
            self.factor.solve_in_place(goal);
            if !goal.iter().all(|v| v.is_finite()) {
                return false;
            }
            let mut first = T::one();
            let mut whole = true;
            for (&v, &k) in goal.iter().zip(&self.held) {
                let here = self.point[k];
                if v * here <= T::zero() && kinked(self.moved[k]) {
                    first = first.min(here / (here - v));
                    whole = false;
                }
            }
            // Backwards, so that a removal does not move what is still to be seen.
            for i in (0..s).rev() {
                let k = self.held[i];
                let (here, v) = (self.point[k], self.goal[i]);
                if whole {
                    self.point[k] = v;
                } else if v * here <= T::zero() && kinked(self.moved[k]) && here / (here - v) <= first {
                    self.point[k] = T::zero();
                    self.drop_from_factor(i);
                    self.held.copy_within(i + 1..s, i);
                    s -= 1;
                } else {
                    self.point[k] = here + first * (v - here);
                }
            }
            if whole {
                break;
            }
        }
        for (k, &j) in self.moved.iter().enumerate() {
            w[j] = self.point[k];
        }
        true
    }

    /// Moves `w` back to where the step began.
    pub(super) fn undo(&self, w: &mut [T]) {
        for &(j, value) in &self.before {
            w[j] = value;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use spm_linalg::penalty::{L1, WeightedL1};
    use spm_linalg::testing::Rng;

    use super::*;

    fn step<X: DesignMatrix<f64>, G: SeparableProx<f64>>(
        newton: &mut Newton<f64>,
        x: &X,
        g: &G,
        y: &[f64],
        w: &mut [f64],
    ) {
        let mut r = y.to_vec();
        x.settle(&mut r, true);
        (0..w.len()).for_each(|j| x.col_axpy(j, -w[j], &mut r));
        let set: Vec<usize> = (0..w.len()).collect();
        assert!(newton.choose(g, &set, w).is_some());
        assert!(newton.minimise(x, g, 1.0, w, &mut r));
    }

    #[test]
    fn drops_what_reaches_zero_and_solves_the_rest() {
        // Identity design: the minimiser over w >= 0 faces is the soft threshold, or zero where it has the other sign.
        let x = Dense::from_column_major(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], 3, 3).unwrap();
        let g = L1::new(1.0).unwrap();
        let y = [3.0, -4.0, 0.5];
        let mut w = [0.1, 0.2, 0.3];
        let mut newton = Newton::new(&x);
        step(&mut newton, &x, &g, &y, &mut w);
        assert!((w[0] - 2.0).abs() < 1e-14);
        assert_eq!(w[1..], [0.0, 0.0]);
        newton.undo(&mut w);
        assert_eq!(w, [0.1, 0.2, 0.3]);
    }

    #[test]
    fn a_kept_factor_gives_what_a_fresh_one_gives() {
        let (n, p) = (30, 12);
        let mut rng = Rng::new(4);
        let data: Vec<f64> = rng.normals(n * p);
        let x = Dense::from_column_major(&data, n, p).unwrap();
        let y: Vec<f64> = rng.normals(n);
        let mut kept = Newton::new(&x);
        for round in 0..20 {
            let g = L1::new(0.1 + 0.01 * f64::from(round)).unwrap();
            let mut w: Vec<f64> =
                (0..p).map(|_| if rng.uniform::<f64>() < 0.5 { 0.0 } else { rng.normal() }).collect();
            w[0] = 1.0;
            let mut other = w.clone();
            step(&mut kept, &x, &g, &y, &mut w);
            step(&mut Newton::new(&x), &x, &g, &y, &mut other);
            assert!(vecops::sq_dist(&w, &other) < 1e-20, "{w:?} {other:?}");
        }
    }

    #[test]
    fn unpenalised_coordinates_enter_from_zero_and_cross_it() {
        let x = Dense::from_column_major(&[1.0, 1.0, 1.0, 1.0, 1.1, 0.9], 3, 2).unwrap();
        let g = WeightedL1::new(vec![0.0, 0.0]).unwrap();
        // y = −5 x₀ + 2 x₁ from (1, 0): one step.
        let y = [-3.0, -2.8, -3.2];
        let mut w = [1.0, 0.0];
        step(&mut Newton::new(&x), &x, &g, &y, &mut w);
        assert!((w[0] + 5.0).abs() < 1e-10 && (w[1] - 2.0).abs() < 1e-10, "{w:?}");
    }

    #[test]
    fn of_dependent_columns_one_leaves() {
        // Copies share a coefficient: all of it goes to one of them.
        let x = Dense::from_column_major(&[1.0, 0.0, 1.0, 0.0], 2, 2).unwrap();
        let g = L1::new(0.5).unwrap();
        let mut w = [1.0, 0.25];
        step(&mut Newton::new(&x), &x, &g, &[3.0, 1.0], &mut w);
        assert_eq!(w[1], 0.0);
        assert!((w[0] - 2.5).abs() < 1e-14);
        // The third column is the sum of the others, for half of their penalty.
        let x = Dense::from_column_major(&[1.0, 0.0, 0.0, 1.0, 1.0, 1.0], 2, 3).unwrap();
        let mut w = [1.0, 1.0, 1.0];
        step(&mut Newton::new(&x), &x, &g, &[3.0, 3.0], &mut w);
        assert!(w[..2] == [0.0, 0.0] && (w[2] - 2.75).abs() < 1e-14, "{w:?}");
    }
}
