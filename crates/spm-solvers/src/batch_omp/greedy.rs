//! The greedy choice itself: one signal, given its correlations and the columns of a Gram matrix on demand.

use spm_linalg::Scalar;
use spm_linalg::vecops::panel::{PanelColumns, Weights, abs_argmax, ratio_argmax};

use super::Rule;
use crate::omp::{ZERO_CORRELATION, dependent};

/// A code of more atoms is checked for rounding.
const LONG: usize = 16;

/// What the true squared residual is at most while rounding is small.
fn expected<T: Scalar>(updated: T, trust: T) -> T {
    (updated + updated).max(T::zero()) + trust
}

/// What a pursuit asks about atoms and signal. All vectors are padded to whole panels; atoms beyond the last are
/// zero.
pub(super) trait Atoms<T> {
    /// The norm of every atom.
    fn norms(&self) -> &[T];
    /// The smallest norm that is not zero.
    fn least_norm(&self) -> T;
    /// The inner products of all atoms with atom `j`.
    fn gram_column(&mut self, j: usize) -> &[T];
    /// Keeps `r = y − D x` and returns `‖r‖²`.
    fn residual(&mut self, support: &[u32], x: &[T]) -> T;
    /// `c ← Dᵀ r` for the residual kept.
    fn correlate(&mut self, c: &mut [T]);
}

/// The growing factorisation and code of one signal.
#[derive(Debug, Clone)]
pub(super) struct State<T> {
    k: usize,
    columns: PanelColumns<T>,
    /// Squared distance of each atom to the span of the chosen ones, infinite once it is excluded (OLS only).
    weights: Vec<T>,
    /// The weights before the first atom, and the least they become.
    sq_norms: Vec<T>,
    floor: T,
    /// `L` of `D_Iᵀ D_I = L Δ Lᵀ`, unit lower triangular, below the diagonal, `k × k` row-major.
    factor: Vec<T>,
    /// `Δ⁻¹`.
    inverse: Vec<T>,
    /// `Δ⁻¹ L⁻¹ D_Iᵀ y`.
    steps: Vec<T>,
    /// Chosen and dependent atoms.
    excluded: Vec<usize>,
    pub(super) support: Vec<u32>,
    pub(super) x: Vec<T>,
}

impl<T: Scalar> State<T> {
    /// Room for `k` atoms of a dictionary with these norms.
    pub(super) fn new(rule: Rule, k: usize, norms: &[T]) -> Self {
        let mut this = Self {
            k,
            columns: PanelColumns::new(norms.len(), k),
            weights: vec![T::zero(); if rule == Rule::Ols { norms.len() } else { 0 }],
            sq_norms: Vec::new(),
            floor: T::one(),
            factor: vec![T::zero(); k * k],
            inverse: vec![T::zero(); k],
            steps: Vec::with_capacity(k),
            excluded: Vec::with_capacity(norms.len()),
            support: Vec::with_capacity(k),
            x: Vec::with_capacity(k),
        };
        this.set_norms(norms);
        this
    }

    pub(super) fn fits(&self, rule: Rule, k: usize) -> bool {
        self.k >= k && self.weights.is_empty() == (rule == Rule::Omp)
    }

    /// The empty code.
    pub(super) fn clear(&mut self) {
        self.support.clear();
        self.steps.clear();
        self.excluded.clear();
        self.x.clear();
    }

    /// Tells the norms of the atoms; needed again when they change.
    pub(super) fn set_norms(&mut self, norms: &[T]) {
        if !self.weights.is_empty() {
            let sq = |&v: &T| if v > T::zero() { v * v } else { T::infinity() };
            self.sq_norms.clear();
            self.sq_norms.extend(norms.iter().map(sq));
            let least = self.sq_norms.iter().copied().fold(T::infinity(), T::min);
            self.floor = dependent::<T>() * if least.is_finite() { least } else { T::one() };
        }
    }

    /// One signal of squared norm `sq_norm`; `c` holds `Dᵀ y` and is destroyed. Leaves support and coefficients.
    pub(super) fn pursue(
        &mut self,
        atoms: &mut impl Atoms<T>,
        k_max: usize,
        eps_bound: T,
        sq_norm: T,
        c: &mut [T],
    ) {
        let eps = T::epsilon();
        let zero = T::of(ZERO_CORRELATION) * eps * sq_norm.sqrt();
        let sq_bound = eps_bound * eps_bound;
        // Below this the updated squared residual is too inexact to compare with the bound.
        let trust = T::of(if eps_bound > T::zero() { 1024.0 } else { 16.0 }) * eps * sq_norm;
        let mut sq_residual = sq_norm;
        self.clear();
        self.weights.copy_from_slice(&self.sq_norms);
        let mut next = self.first(c);
        while self.support.len() < k_max {
            let (n, size, norm) = (self.support.len(), c[next].abs(), atoms.norms()[next]);
            if size <= zero * norm {
                // Nothing is left, or rounding noise (of a chosen atom, of an atom of huge norm) hides the rest.
                if c[abs_argmax(c)].abs() <= zero * atoms.least_norm() {
                    break;
                }
                next = self.pass_over(next, c);
                if c[next] == T::zero() {
                    break;
                }
                continue;
            }
            let sq_atom = norm * norm;
            let pivot = self.row(n, next, sq_atom);
            if pivot <= dependent::<T>() * sq_atom {
                next = self.pass_over(next, c);
                continue;
            }
            let inverse = T::one() / pivot;
            self.inverse[n] = inverse;
            let step = c[next] * inverse;
            let gain = c[next] * step;
            if gain > sq_residual + trust {
                // More than there is left to explain: rounding has eaten this atom's correlation.
                next = self.pass_over(next, c);
                continue;
            }
            self.support.push(next as u32);
            self.steps.push(step);
            self.exclude(next);
            sq_residual -= gain;
            let refresh = sq_residual <= trust;
            if refresh {
                self.solve();
                let found = atoms.residual(&self.support, &self.x);
                if self.support.len() > LONG && found > expected(sq_residual, trust) {
                    break;
                }
                sq_residual = found;
            }
            if self.support.len() == k_max || sq_residual <= sq_bound {
                break;
            }
            next = self.append(atoms.gram_column(next), n, step, c);
            if refresh {
                atoms.correlate(c);
                self.mask(c);
                next = self.first(c);
            }
        }
        self.solve();
        self.settle(atoms, sq_residual, trust);
    }

    /// Takes back the last atoms of a long code whose rounding has grown beyond what they explain: until the true residual is
    /// at most twice the one that was kept up to date. The factor of the atoms before is as good as it was then.
    fn settle(&mut self, atoms: &mut impl Atoms<T>, mut sq_residual: T, trust: T) {
        while self.support.len() > LONG
            && atoms.residual(&self.support, &self.x) > expected(sq_residual, trust)
        {
            let kept = LONG.max(self.support.len() - 1 - self.support.len() / 16);
            let gains = self.steps[kept..].iter().zip(&self.inverse[kept..]).map(|(&s, &i)| s * s / i);
            sq_residual = gains.fold(sq_residual, |sum, gain| sum + gain);
            self.support.truncate(kept);
            self.steps.truncate(kept);
            self.solve();
        }
    }

    /// Row `n` of the factor, for atom `j` of squared norm `sq_atom`; returns the pivot.
    fn row(&mut self, n: usize, j: usize, sq_atom: T) -> T {
        let row = &mut self.factor[n * self.k..][..n];
        self.columns.row_into(j, row);
        let mut pivot = sq_atom;
        for (l, &inverse) in row.iter_mut().zip(&self.inverse) {
            let v = *l;
            *l = v * inverse;
            pivot -= v * *l;
        }
        self.weights.get(j).map_or(pivot, |&w| pivot.min(w))
    }

    fn first(&self, c: &[T]) -> usize {
        if self.weights.is_empty() { abs_argmax(c) } else { ratio_argmax(c, &self.weights) }
    }

    /// Never takes `j`; returns the next best.
    fn pass_over(&mut self, j: usize, c: &mut [T]) -> usize {
        self.exclude(j);
        self.mask(c);
        self.first(c)
    }

    fn exclude(&mut self, j: usize) {
        if !self.excluded.contains(&j) {
            self.excluded.push(j);
        }
        if let Some(w) = self.weights.get_mut(j) {
            *w = T::infinity();
        }
    }

    /// Sets the correlations of excluded atoms to zero.
    fn mask(&self, c: &mut [T]) {
        for &j in &self.excluded {
            c[j] = T::zero();
        }
    }

    fn append(&mut self, g: &[T], n: usize, step: T, c: &mut [T]) -> usize {
        let coef = &self.factor[n * self.k..][..n];
        let (inverse, floor) = (self.inverse[n], self.floor);
        let weights = (!self.weights.is_empty()).then_some(Weights { w: &mut self.weights, inverse, floor });
        self.columns.append(g, coef, step, c, weights)
    }

    /// `x = L⁻ᵀ steps`.
    fn solve(&mut self) {
        let n = self.steps.len();
        self.x.clear();
        self.x.extend_from_slice(&self.steps);
        for a in (0..n).rev() {
            let row = &self.factor[a * self.k..][..a];
            let v = self.x[a];
            for (x, &l) in self.x[..a].iter_mut().zip(row) {
                *x -= l * v;
            }
        }
    }
}
