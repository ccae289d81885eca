//! Cyclic coordinate descent on the Gram matrix.

use spm_linalg::{Scalar, vecops};

use super::{BatchLasso, LassoBuffers, LassoMethod, LassoProblem};

impl<T: Scalar> BatchLasso<T> {
    /// Coordinate descent from the code in `w`.
    pub(super) fn descend(&self, c0: &[T], p: LassoProblem<T>, w: &mut LassoBuffers<T>) {
        let d = &self.dictionary;
        if p.method == LassoMethod::CoordinateDescent {
            w.clear();
        }
        w.dense.clear();
        w.dense.resize(d.n_atoms(), T::zero());
        for (&j, &x) in w.active.iter().zip(&w.x) {
            w.dense[j as usize] = x;
        }
        w.correlate(d, c0);
        // A step of size t in a unit atom changes the objective by t²/2.
        let still = T::of(if T::epsilon() > T::of(1e-10) { 1e-6 } else { 1e-11 }) * vecops::norm_inf(c0);
        for _ in 0..100_000 {
            if self.cycle(p, w, false) <= still {
                break;
            }
            // The coefficients in use settle first.
            for _ in 0..1000 {
                if self.cycle(p, w, true) <= still {
                    break;
                }
            }
        }
        w.active.clear();
        w.x.clear();
        for (j, &x) in w.dense.iter().enumerate().filter(|(_, x)| **x != T::zero()) {
            w.active.push(j as u32);
            w.x.push(x);
        }
    }

    /// One pass over the coordinates, or over those in use; the largest change, in units of correlation.
    fn cycle(&self, p: LassoProblem<T>, w: &mut LassoBuffers<T>, used: bool) -> T {
        let mut change = T::zero();
        for j in 0..self.dictionary.n_atoms() {
            let (gram, old) = (self.dictionary.gram(j), w.dense[j]);
            if gram[j] == T::zero() || (used && old == T::zero()) {
                continue;
            }
            let free = w.c[j] + gram[j] * old;
            let new = if p.positive && free < T::zero() {
                T::zero()
            } else {
                vecops::soft_threshold(free, p.lambda) / gram[j]
            };
            if new != old {
                vecops::axpy(old - new, gram, &mut w.c);
                w.dense[j] = new;
                change = change.max((new - old).abs() * gram[j].sqrt());
            }
        }
        change
    }
}
