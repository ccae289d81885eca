//! Iterative hard thresholding.

use spm_linalg::{Dense, Scalar, vecops};
use spm_solvers::SolveError;

use super::blocks::{from_correlations, largest};
use super::{Coder, Codes};

/// Normalised iterative hard thresholding: $\min_x \tfrac12 \|y - D x\|_2^2$ subject to $\|x\|_0 \le k$, by projected gradient steps.
///
/// In plain text: repeat `x ← H_k(x + mu·Dᵀ(y − D x))` from 0, where `H_k` keeps the `k` largest entries, with the step `mu = ‖g_S‖²/‖D g_S‖²` of steepest
/// descent on the support `S`, halved while the error would rise. The problem is not convex: the result is a fixed point, of which
/// no step lowers the error.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `k` | required | | at most this many atoms a signal |
/// | `max_iter` | 100 | | steps |
/// | `tol` | `1e-8` | `>= 0` | ends when a step lowers `½‖y − D x‖²` by at most `tol·½‖y‖²` |
///
/// Time `O(K k)` a step. Source: Blumensath, Davies 2010, *Normalized iterative hard thresholding*, algorithm 1.
///
/// ```
/// use spm_models::dictionary::{Coder, Dictionary, Iht};
/// let d = Dictionary::new(vec![1.0, 0.0, 0.0, 1.0], 2)?;
/// let codes = Iht::new(1).code(d.as_dense(), &[3.0, -0.5])?;
/// assert_eq!(codes.column(0), (&[0][..], &[3.0][..]));
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Iht<T> {
    /// At most this many atoms a signal.
    pub k: usize,
    /// Steps.
    pub max_iter: usize,
    /// Relative decrease of the squared error at which a signal is done.
    pub tol: T,
}

impl<T: Scalar> Iht<T> {
    /// At most `k` atoms a signal.
    #[must_use]
    pub fn new(k: usize) -> Self {
        Self { k, max_iter: 100, tol: T::of(1e-8) }
    }

    /// Sets the number of steps.
    #[must_use]
    pub fn max_iter(mut self, max_iter: usize) -> Self {
        self.max_iter = max_iter;
        self
    }

    /// Sets the tolerance.
    #[must_use]
    pub fn tol(mut self, tol: T) -> Self {
        self.tol = tol;
        self
    }
}

/// A sparse vector with its gradient.
#[derive(Debug, Clone, Default)]
struct Point<T> {
    atoms: Vec<u32>,
    x: Vec<T>,
    /// `Dᵀ(y − D x)`, padded.
    c: Vec<T>,
}

impl<T: Scalar> Point<T> {
    /// `½‖y − D x‖² − ½‖y‖² = −½ xᵀ(Dᵀy + Dᵀ(y − D x))`.
    fn gain(&self, c0: &[T]) -> T {
        let sum: T =
            self.atoms.iter().zip(&self.x).map(|(&j, &x)| x * (c0[j as usize] + self.c[j as usize])).sum();
        T::of(-0.5) * sum
    }
}

impl<T: Scalar> Coder<T> for Iht<T> {
    fn code(&self, dictionary: Dense<'_, T>, signals: &[T]) -> Result<Codes<T>, SolveError> {
        let Self { k, max_iter, tol } = *self;
        let scratch = |d: &spm_solvers::gram_dictionary::GramDictionary<T>| {
            let zeros = || vec![T::zero(); d.padded()];
            let point = || Point { atoms: Vec::new(), x: Vec::new(), c: zeros() };
            (point(), point(), zeros(), Vec::new(), Vec::new())
        };
        from_correlations(dictionary, signals, scratch, |d, c0, y, scratch, code| {
            let (now, next, moved, support, minus) = scratch;
            let enough = tol * T::of(0.5) * vecops::sq_norm(y);
            now.atoms.clear();
            now.x.clear();
            now.c.copy_from_slice(c0);
            for _ in 0..max_iter {
                if now.atoms.is_empty() {
                    largest(k, d.n_atoms(), |j| now.c[j].abs(), support);
                } else {
                    support.clear();
                    support.extend(now.atoms.iter().map(|&j| j as usize));
                }
                // ‖D g‖² = gᵀ G g on the support.
                let index: Vec<u32> = support.iter().map(|&j| j as u32).collect();
                let g: Vec<T> = support.iter().map(|&j| now.c[j]).collect();
                d.combine_gram(&index, &g, moved);
                let energy: T = support.iter().zip(&g).map(|(&j, &g)| g * moved[j]).sum();
                let sq = vecops::sq_norm(&g);
                if !(energy > T::zero() && sq > T::zero()) {
                    break;
                }
                let (mut mu, before) = (sq / energy, now.gain(c0));
                let mut better = false;
                for _ in 0..30 {
                    moved.copy_from_slice(&now.c);
                    moved.iter_mut().for_each(|v| *v *= mu);
                    for (&j, &x) in now.atoms.iter().zip(&now.x) {
                        moved[j as usize] += x;
                    }
                    largest(k, d.n_atoms(), |j| moved[j].abs(), support);
                    next.atoms.clear();
                    next.x.clear();
                    next.atoms.extend(support.iter().map(|&j| j as u32));
                    next.x.extend(support.iter().map(|&j| moved[j]));
                    minus.clear();
                    minus.extend(next.x.iter().map(|&x: &T| -x));
                    d.add_gram(c0, &next.atoms, minus, &mut next.c);
                    if next.gain(c0) <= before {
                        better = true;
                        break;
                    }
                    mu *= T::of(0.5);
                }
                let after = next.gain(c0);
                if better {
                    core::mem::swap(now, next);
                }
                if !better || before - after <= enough {
                    break;
                }
            }
            code.atoms.extend_from_slice(&now.atoms);
            code.x.extend_from_slice(&now.x);
        })
    }
}
