//! A tall problem reduced to a small one with the same objective.

use spm_linalg::factor::{gram_add_into, gram_mirror};
use spm_linalg::faer::MatRef;
use spm_linalg::{Dense, LinearOperator, Scalar, vecops};

use super::problem::Units;
use crate::ModelError;

/// Rows that are centred and weighted at a time.
const BLOCK: usize = 256;
/// Up to this many features.
const LARGEST: usize = 4096;

/// Weight, sums and inner products of the rows of `[X y]` about a common shift: all that least squares needs of them.
///
/// Pieces of the data add up, so the training set of every fold comes from one pass over the data.
#[derive(Debug, Clone)]
pub(crate) struct Moments<T> {
    /// Features and the response, the last.
    size: usize,
    shift: Vec<T>,
    weight: T,
    sums: Vec<T>,
    /// `size × size`, the lower triangle while pieces are added.
    products: Vec<T>,
}

impl<T: Scalar> Moments<T> {
    /// Whether reducing pays for a path, and loses nothing: at least twice as many rows as columns, and numbers long enough
    /// to be squared.
    pub(crate) fn pay(n: usize, p: usize) -> bool {
        n >= 2 * p && n > 64 && p <= LARGEST && T::epsilon() < T::of(1e-12)
    }

    /// The moments of the rows `which` of `x` (n × p) and `y`, about the shift (length p + 1). O(n p²).
    pub(crate) fn new(
        x: &Dense<'_, T>,
        y: &[T],
        weights: Option<&[T]>,
        which: &[usize],
        shift: &[T],
    ) -> Result<Self, ModelError> {
        let p = x.ncols();
        let size = p + 1;
        let mut this = Self {
            size,
            shift: shift.to_vec(),
            weight: T::zero(),
            sums: vec![T::zero(); size],
            products: vec![T::zero(); size * size],
        };
        let mut block = vec![T::zero(); BLOCK * size];
        for rows in which.chunks(BLOCK) {
            let m = rows.len();
            let root: Option<Vec<T>> = weights.map(|w| rows.iter().map(|&i| w[i].sqrt()).collect());
            for j in 0..size {
                let source = if j < p { x.col(j) } else { y };
                let column = &mut block[j * m..(j + 1) * m];
                for (v, &i) in column.iter_mut().zip(rows) {
                    *v = source[i] - shift[j];
                }
                if let Some(root) = &root {
                    column.iter_mut().zip(root).for_each(|(v, &u)| *v *= u);
                    this.sums[j] += vecops::dot(column, root);
                } else {
                    this.sums[j] += vecops::sum(column);
                }
            }
            this.weight += root.map_or(T::of_usize(m), |u| vecops::sq_norm(&u));
            gram_add_into(MatRef::from_column_major_slice(&block[..m * size], m, size), &mut this.products)?;
        }
        gram_mirror(size, &mut this.products)?;
        Ok(this)
    }

    /// The (weighted) means of the columns of `x` and of `y`: the shift that loses least.
    pub(crate) fn means(x: &Dense<'_, T>, y: &[T], weights: Option<&[T]>) -> Vec<T> {
        let columns = (0..x.ncols()).map(|j| x.col(j)).chain([y]);
        match weights {
            None => columns.map(|c| vecops::sum(c) / T::of_usize(y.len())).collect(),
            Some(w) => {
                let total = vecops::sum(w);
                columns.map(|c| vecops::dot(c, w) / total).collect()
            }
        }
    }

    /// Adds other rows about the same shift.
    pub(crate) fn add(&mut self, other: &Self) {
        self.weight += other.weight;
        vecops::axpy(T::one(), &other.sums, &mut self.sums);
        vecops::axpy(T::one(), &other.products, &mut self.products);
    }

    /// The weighted mean of `(y − b − xᵀw)²` over the rows. O(s²) for s coefficients.
    pub(crate) fn mean_squared_error(&self, nonzeros: &[(usize, T)], intercept: T) -> T {
        let y = self.size - 1;
        let with_y = || nonzeros.iter().map(|&(j, w)| (j, -w)).chain([(y, T::one())]);
        let mut offset = intercept - self.shift[y];
        let (mut square, mut along) = (T::zero(), T::zero());
        for (j, a) in with_y() {
            if j != y {
                offset -= a * self.shift[j];
            }
            along += a * self.sums[j];
            let row = &self.products[j * self.size..(j + 1) * self.size];
            square += a * with_y().map(|(k, b)| b * row[k]).sum::<T>();
        }
        let sum = square - (offset + offset) * along + self.weight * offset * offset;
        sum.max(T::zero()) / self.weight
    }

    /// The triangular factor of the centred, scaled `[X y]`: a least-squares problem with at most p + 1 rows whose
    /// objective is that of the data at every point.
    ///
    /// By Cholesky's method on the Gram matrix; a column that depends on those before it adds no row. The error is that of
    /// the Gram matrix, `eps` relative to `‖x_i‖‖x_j‖`. O(p³).
    pub(crate) fn reduce(&self, center: bool, scale: bool) -> Reduced<T> {
        let (size, p) = (self.size, self.size - 1);
        let mean = |j: usize| if center { self.sums[j] / self.weight } else { T::zero() };
        let product = |i: usize, j: usize| {
            self.products[i * size + j] - if center { self.sums[i] * mean(j) } else { T::zero() }
        };
        let mut means = vec![T::zero(); size];
        let mut scales = vec![T::one(); size];
        let mut null = vec![false; size];
        for j in 0..size {
            if center {
                means[j] = self.shift[j] + mean(j);
            }
            let deviation = (product(j, j).max(T::zero()) / self.weight).sqrt();
            // As in the lazy view: constant up to rounding is constant.
            null[j] = j < p && deviation <= T::of(4.0) * T::epsilon() * means[j].abs();
            if scale && j < p && !null[j] && deviation > T::zero() {
                scales[j] = deviation;
            }
        }
        // Column j of the factor, j < size, in `r[j·size..]`.
        let mut r = vec![T::zero(); size * size];
        for j in (0..size).filter(|&j| !null[j]) {
            let (done, rest) = r.split_at_mut(j * size);
            let column = &mut rest[..size];
            for k in 0..j {
                let pivot = done[k * size + k];
                if pivot > T::zero() {
                    let known = vecops::dot(&done[k * size..k * size + k], &column[..k]);
                    column[k] = (product(k, j) / (scales[k] * scales[j]) - known) / pivot;
                }
            }
            let whole = product(j, j) / (scales[j] * scales[j]);
            let rest = whole - vecops::sq_norm(&column[..j]);
            if rest > T::of(16.0) * T::of_usize(j + 1) * T::epsilon() * whole {
                column[j] = rest.sqrt();
            }
        }
        let y = r.split_off(p * size);
        let mean = means.split_off(p)[0];
        scales.truncate(p);
        Reduced { x: r, y, rows: size, curvature: self.weight.recip(), units: Units { means, scales, mean } }
    }
}

/// A problem `c/2 ‖y − X w‖²` with few rows that stands for one with many.
#[derive(Debug)]
pub(crate) struct Reduced<T> {
    /// Column-major, `rows × p`.
    pub(crate) x: Vec<T>,
    pub(crate) y: Vec<T>,
    pub(crate) rows: usize,
    /// `c`.
    pub(crate) curvature: T,
    pub(crate) units: Units<T>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use spm_linalg::testing::Rng;

    use super::*;

    #[test]
    fn the_objective_is_that_of_the_data() {
        let (n, p) = (40, 6);
        let mut rng = Rng::new(9);
        let mut x: Vec<f64> = rng.normals(n * p);
        // A far column, a copy, a constant.
        (0..n).for_each(|i| x[n + i] += 1e4);
        (0..n).for_each(|i| x[3 * n + i] = x[2 * n + i]);
        x[4 * n..5 * n].fill(0.1);
        let y: Vec<f64> = (0..n).map(|i| 5.0 + 2.0 * x[i] + rng.normal::<f64>()).collect();
        let w: Vec<f64> = (0..n).map(|i| (i % 3) as f64 + 0.5).collect();
        let x = Dense::from_column_major(&x, n, p).unwrap();
        let (first, second): (Vec<usize>, Vec<usize>) = (0..n).partition(|i| i % 4 != 0);
        for weights in [None, Some(w.as_slice())] {
            for (center, scale) in [(true, false), (true, true), (false, false), (false, true)] {
                let shift = if center { Moments::means(&x, &y, weights) } else { vec![0.0; p + 1] };
                let part = |rows: &[usize]| Moments::new(&x, &y, weights, rows, &shift).unwrap();
                let mut all = part(&first);
                all.add(&part(&second));
                let reduced = all.reduce(center, scale);
                let coef: [f64; 6] = [1.5, -0.5, 0.25, 0.0, 3.0, -2.0];
                // In the units of the data.
                let units = &reduced.units;
                let mut b = units.mean;
                let mut used = coef;
                if center {
                    used[4] = 0.0;
                }
                for j in 0..p {
                    used[j] /= units.scales[j];
                    b -= used[j] * units.means[j];
                }
                let weight = |i: usize| weights.map_or(1.0, |w| w[i]);
                let square = |i: usize| {
                    let fit: f64 = (0..p).map(|j| x.col(j)[i] * used[j]).sum();
                    (y[i] - b - fit).powi(2)
                };
                let total: f64 = (0..n).map(weight).sum();
                let plain: f64 = (0..n).map(|i| weight(i) * square(i)).sum::<f64>() / total;
                let mut r = reduced.y.clone();
                for j in 0..p {
                    vecops::axpy(-coef[j], &reduced.x[j * (p + 1)..(j + 1) * (p + 1)], &mut r);
                }
                let small = reduced.curvature * vecops::sq_norm(&r);
                assert!((small - plain).abs() < 1e-7 * plain, "{small} {plain}");
                let nonzeros: Vec<(usize, f64)> = used.iter().copied().enumerate().collect();
                assert!((all.mean_squared_error(&nonzeros, b) - plain).abs() < 1e-6 * plain);
            }
        }
    }
}
