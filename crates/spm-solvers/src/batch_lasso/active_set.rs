//! The active set method: the most violating atom enters.

use spm_linalg::Scalar;
use spm_linalg::vecops::panel::abs_argmax;

use super::{BatchLasso, LassoBuffers, LassoProblem};

impl<T: Scalar> BatchLasso<T> {
    /// Leaves atoms and coefficients in `w`; `false` if dependent atoms keep it from the minimiser.
    pub(super) fn active_set(
        &self,
        c0: &[T],
        sq_norm: T,
        p: LassoProblem<T>,
        w: &mut LassoBuffers<T>,
    ) -> bool {
        let d = &self.dictionary;
        w.clear();
        w.c.copy_from_slice(c0);
        let largest = c0[abs_argmax(c0)].abs();
        // Correlations of at most this much are optimal where the coefficient is 0.
        let enough = p.lambda + T::of(64.0) * T::epsilon() * largest.max(p.lambda);
        let sq_eps = p.eps * p.eps;
        let mut sq_residual = sq_norm;
        // Every round adds an atom; rounds that also lose some are few. The limit is against rounding alone.
        for _ in 0..8 * d.padded() {
            let j = if p.positive { positive_argmax(&w.c) } else { abs_argmax(&w.c) };
            let size = if p.positive { w.c[j] } else { w.c[j].abs() };
            if size <= enough || w.active.contains(&(j as u32)) {
                return true;
            }
            if sq_residual <= sq_eps || w.active.len() >= p.k {
                return true;
            }
            let gram = d.gram(j);
            w.cross.clear();
            w.cross.extend(w.active.iter().map(|&i| gram[i as usize]));
            let sign = w.c[j].signum();
            let independent = w.factor.append(&w.cross, gram[j]).is_ok();
            if !independent && p.lambda == T::zero() {
                // Its correlation was above 0 by rounding alone.
                w.excluded.push(j as u32);
                w.c[j] = T::zero();
                continue;
            }
            let share = if independent { Some(T::zero()) } else { w.exchange(sign, gram[j]) };
            let Some(share) = share else { return false };
            w.active.push(j as u32);
            w.signs.push(sign);
            w.x.push(share);
            if !independent {
                w.correlate(d, c0);
            }
            if !w.settle(p.lambda) {
                // Its correlation was above lambda by rounding alone.
                w.excluded.push(j as u32);
            }
            w.correlate(d, c0);
            for &j in &w.excluded {
                w.c[j as usize] = T::zero();
            }
            // ‖y − D x‖² = ‖y‖² − Σ x_j (c0_j + c_j).
            let explained: T =
                w.active.iter().zip(&w.x).map(|(&j, &x)| x * (c0[j as usize] + w.c[j as usize])).sum();
            sq_residual = sq_norm - explained;
        }
        false
    }
}

impl<T: Scalar> LassoBuffers<T> {
    /// Lets an atom in that depends on those in use, `d = Σ aᵢ dᵢ`, though its correlation, of this sign, is above `lambda`: it takes
    /// over what they explain until one of them has nothing left and leaves. Nothing happens to the residual, but the 1-norm falls.
    /// Returns the coefficient of the new atom, which is in the factor; `None` if it could not be let in.
    fn exchange(&mut self, sign: T, sq_norm: T) -> Option<T> {
        self.target.clear();
        self.target.extend_from_slice(&self.cross);
        self.factor.solve_in_place(&mut self.target);
        let mut first: Option<(T, usize)> = None;
        for (i, (&a, &x)) in self.target.iter().zip(&self.x).enumerate() {
            let reach = x / (sign * a);
            if reach > T::zero() && reach.is_finite() && first.is_none_or(|(least, _)| reach < least) {
                first = Some((reach, i));
            }
        }
        let (reach, gone) = first?;
        for (x, &a) in self.x.iter_mut().zip(&self.target) {
            *x -= reach * sign * a;
        }
        self.cross.remove(gone);
        self.drop(gone);
        self.factor.append(&self.cross, sq_norm).is_ok().then_some(reach * sign)
    }

    /// The minimiser for the atoms in use; those whose coefficient reaches 0 on the way leave. `false` if the atom that
    /// came last had to go at once.
    ///
    /// The steps go from the present coefficients by what their correlations, computed anew every round, still miss: the rounding of
    /// the factor does not add up.
    fn settle(&mut self, lambda: T) -> bool {
        let newest = self.active.last().copied();
        self.missing.clear();
        self.missing
            .extend(self.active.iter().zip(&self.signs).map(|(&j, &s)| self.c[j as usize] - lambda * s));
        while !self.active.is_empty() {
            self.target.clear();
            self.target.extend_from_slice(&self.missing);
            self.factor.solve_in_place(&mut self.target);
            let mut step = T::one();
            let mut leaves = None;
            for (i, ((&x, &change), &sign)) in self.x.iter().zip(&self.target).zip(&self.signs).enumerate() {
                if (x + change) * sign <= T::zero() {
                    let reach = -x / change;
                    if reach < step || reach.is_nan() {
                        (step, leaves) = (reach.max(T::zero()), Some(i));
                    }
                }
            }
            for (x, &change) in self.x.iter_mut().zip(&self.target) {
                *x += step * change;
            }
            let Some(gone) = leaves else { return true };
            let at_once = step == T::zero() && Some(self.active[gone]) == newest;
            // Along the way all of it shrinks alike.
            self.missing.iter_mut().for_each(|v| *v *= T::one() - step);
            self.missing.remove(gone);
            self.drop(gone);
            if at_once {
                return false;
            }
        }
        true
    }
}

/// The first index at which `x` is largest.
pub(super) fn positive_argmax<T: Scalar>(x: &[T]) -> usize {
    let mut best = 0;
    for (j, &v) in x.iter().enumerate() {
        if v > x[best] {
            best = j;
        }
    }
    best
}
