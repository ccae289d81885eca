//! The path of minimisers, followed from the largest `lambda` down.

use spm_linalg::vecops::panel::abs_argmax;
use spm_linalg::{Scalar, vecops};

use super::active_set::positive_argmax;
use super::{BatchLasso, LassoBuffers, LassoProblem};

/// What ends a straight piece of the path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Knot {
    /// An atom is as correlated with the residual as those in use.
    Enters(usize),
    /// The coefficient at this place reaches 0.
    Leaves(usize),
    /// `lambda`, or the error bound, is reached.
    Ends,
}

impl<T: Scalar> BatchLasso<T> {
    /// Leaves atoms and coefficients in `w`; `false` if dependent atoms keep the path from the minimiser.
    ///
    /// Between two knots the coefficients in use move along `G_AA⁻¹ s` with the signs `s`, while all their correlations fall together
    /// from `level` and those of the other atoms change by `−G_A G_AA⁻¹ s`.
    pub(super) fn homotopy(&self, c0: &[T], sq_norm: T, p: LassoProblem<T>, w: &mut LassoBuffers<T>) -> bool {
        let d = &self.dictionary;
        w.clear();
        w.c.copy_from_slice(c0);
        let first = if p.positive { positive_argmax(c0) } else { abs_argmax(c0) };
        let mut level = if p.positive { c0[first] } else { c0[first].abs() };
        // Below this, correlations are rounding.
        let floor = p.lambda.max(T::of(64.0) * T::epsilon() * level);
        let most = p.k.min(d.dim()).min(d.n_atoms());
        let sq_eps = p.eps * p.eps;
        let mut sq_residual = sq_norm;
        if level <= floor || most == 0 || sq_residual <= sq_eps {
            return true;
        }
        w.enter(first, d.gram(first));
        let mut resting = None;
        for _ in 0..8 * d.padded() {
            w.target.clear();
            w.target.extend_from_slice(&w.signs);
            w.factor.solve_in_place(&mut w.target);
            d.combine_gram(&w.active, &w.target, &mut w.slope);
            let (mut step, knot) = self.next_knot(level, level - floor, resting, p.positive, w);
            let mut knot = knot;
            // ‖r − γ D v‖² = ‖r‖² − 2 γ level q + γ² q with q = vᵀ G v = vᵀ s.
            let q: T = w.target.iter().zip(&w.signs).map(|(&v, &s)| v * s).sum();
            let shortfall = level * level - (sq_residual - sq_eps) / q;
            if sq_eps > T::zero() && shortfall >= T::zero() && level - shortfall.sqrt() <= step {
                (step, knot) = ((level - shortfall.sqrt()).max(T::zero()), Knot::Ends);
            }
            for (x, &v) in w.x.iter_mut().zip(&w.target) {
                *x += step * v;
            }
            level -= step;
            let cut = matches!(knot, Knot::Enters(_)) && w.active.len() == most;
            if knot == Knot::Ends || cut {
                w.refit(c0, level);
                // At the bounds of the dimensions there is nothing left to enter; at `k` the caller wants no more.
                return p.lambda == T::zero()
                    || (cut && most == p.k)
                    || (knot == Knot::Ends && level > floor)
                    || self.optimal(c0, level, p.positive, w);
            }
            resting = None;
            if let Knot::Leaves(place) = knot {
                resting = Some((w.active[place], w.signs[place]));
                w.drop(place);
                w.excluded.clear();
            }
            w.correlate(&self.dictionary, c0);
            let explained: T =
                w.active.iter().zip(&w.x).map(|(&j, &x)| x * (c0[j as usize] + w.c[j as usize])).sum();
            sq_residual = sq_norm - explained;
            if let Knot::Enters(j) = knot {
                w.enter(j, d.gram(j));
            }
            if w.active.is_empty() {
                break;
            }
        }
        // Rounding led in circles: only where the minimiser at `lambda` itself is asked for is there another way to it.
        p.lambda == T::zero() || most == p.k || sq_eps > T::zero()
    }

    /// The length of the straight piece ahead, at most `most`, and what ends it. `resting` has left at the last knot: it is on its way
    /// inside and can only come back with the other sign.
    fn next_knot(
        &self,
        level: T,
        most: T,
        resting: Option<(u32, T)>,
        positive: bool,
        w: &LassoBuffers<T>,
    ) -> (T, Knot) {
        // An atom that ties moves with those in use, or falls behind at once: rounding is not an entry.
        let slow = T::of(16.0) * T::epsilon();
        let meets = |gap: T, speed: T| {
            if speed > slow {
                (gap / speed).max(T::zero())
            } else if gap < T::zero() {
                T::zero()
            } else {
                T::infinity()
            }
        };
        let (mut step, mut knot) = (most, Knot::Ends);
        for j in 0..self.dictionary.n_atoms() {
            let (c, a) = (w.c[j], w.slope[j]);
            let up = meets(level - c, T::one() - a);
            let down = if positive { T::infinity() } else { meets(level + c, T::one() + a) };
            if up >= step && down >= step {
                continue;
            }
            if w.active.contains(&(j as u32)) || w.excluded.contains(&(j as u32)) {
                continue;
            }
            let from = resting.filter(|r| r.0 == j as u32).map(|r| r.1);
            let up = if from.is_some_and(|s| s > T::zero()) { T::infinity() } else { up };
            let down = if from.is_some_and(|s| s < T::zero()) { T::infinity() } else { down };
            if up.min(down) < step {
                (step, knot) = (up.min(down), Knot::Enters(j));
            }
        }
        for (place, ((&x, &v), &sign)) in w.x.iter().zip(&w.target).zip(&w.signs).enumerate() {
            // A coefficient that has just entered is 0 and moves with its sign.
            if v * sign < T::zero() && (-x / v).max(T::zero()) < step {
                (step, knot) = ((-x / v).max(T::zero()), Knot::Leaves(place));
            }
        }
        (step, knot)
    }

    /// Whether no atom outside the code is more correlated than `level` allows.
    fn optimal(&self, c0: &[T], level: T, positive: bool, w: &mut LassoBuffers<T>) -> bool {
        w.correlate(&self.dictionary, c0);
        let most = if positive { w.c[positive_argmax(&w.c)] } else { w.c[abs_argmax(&w.c)].abs() };
        most <= level + T::of(1024.0) * T::epsilon() * vecops::norm_inf(c0)
    }
}

impl<T: Scalar> LassoBuffers<T> {
    /// Takes an atom in, with the sign of its correlation; one that depends on those in use is passed over.
    fn enter(&mut self, j: usize, gram: &[T]) {
        self.cross.clear();
        self.cross.extend(self.active.iter().map(|&i| gram[i as usize]));
        if self.factor.append(&self.cross, gram[j]).is_err() {
            self.excluded.push(j as u32);
            return;
        }
        self.active.push(j as u32);
        self.signs.push(self.c[j].signum());
        self.x.push(T::zero());
    }

    /// The minimiser for the signs in use, free of the rounding of the way to it.
    fn refit(&mut self, c0: &[T], lambda: T) {
        self.target.clear();
        self.target.extend(self.active.iter().zip(&self.signs).map(|(&j, &s)| c0[j as usize] - lambda * s));
        self.factor.solve_in_place(&mut self.target);
        if self.target.iter().zip(&self.signs).all(|(&x, &s)| x * s > T::zero()) {
            core::mem::swap(&mut self.x, &mut self.target);
            return;
        }
        // What stands at 0, an atom that was about to enter or to leave, is no part of the code.
        for place in (0..self.x.len()).rev() {
            if self.x[place] * self.signs[place] <= T::zero() {
                self.drop(place);
            }
        }
    }
}
