//! Compressive sampling matching pursuit.

use spm_linalg::factor::UpdatingCholesky;
use spm_linalg::{Dense, Scalar, vecops};
use spm_solvers::SolveError;
use spm_solvers::gram_dictionary::GramDictionary;

use super::blocks::{from_correlations, largest};
use super::{Coder, Codes};

/// Compressive sampling matching pursuit: $\min_x \|y - D x\|_2$ subject to $\|x\|_0 \le k$, with a support that is revised as a whole.
///
/// In plain text: repeat: merge the support with the `2k` atoms of the largest `|d_jᵀ r|`, fit by least squares, keep the `k` largest
/// coefficients, fit again; end when the residual no longer falls. The best code seen is returned, its coefficients the least-squares
/// fit on its support. Atoms that depend on others of the merged support are left out of it.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `k` | required | | at most this many atoms a signal |
/// | `max_iter` | 30 | | rounds |
///
/// Time `O(K k + k³)` a round. Source: Needell, Tropp 2009, *CoSaMP*, algorithm 2.1.
///
/// ```
/// use spm_models::dictionary::{CoSaMp, Coder, Dictionary};
/// let d = Dictionary::new(vec![1.0, 0.0, 0.0, 1.0], 2)?;
/// let codes = CoSaMp::new(1).code(d.as_dense(), &[3.0, -0.5])?;
/// assert_eq!(codes.column(0), (&[0][..], &[3.0][..]));
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct CoSaMp {
    /// At most this many atoms a signal.
    pub k: usize,
    /// Rounds.
    pub max_iter: usize,
}

impl CoSaMp {
    /// At most `k` atoms a signal.
    #[must_use]
    pub fn new(k: usize) -> Self {
        Self { k, max_iter: 30 }
    }

    /// Sets the number of rounds.
    #[must_use]
    pub fn max_iter(mut self, max_iter: usize) -> Self {
        self.max_iter = max_iter;
        self
    }
}

/// Least squares on a support.
#[derive(Debug)]
struct Fit<T> {
    factor: UpdatingCholesky<T>,
    atoms: Vec<u32>,
    x: Vec<T>,
    cross: Vec<T>,
}

impl<T: Scalar> Fit<T> {
    /// Fits on `support`, leaving out dependent atoms.
    fn on(&mut self, d: &GramDictionary<T>, c0: &[T], support: impl Iterator<Item = usize>) {
        self.factor.clear();
        self.atoms.clear();
        for j in support {
            self.cross.clear();
            self.cross.extend(self.atoms.iter().map(|&i| d.gram(j)[i as usize]));
            if self.factor.append(&self.cross, d.gram(j)[j]).is_ok() {
                self.atoms.push(j as u32);
            }
        }
        self.x.clear();
        self.x.extend(self.atoms.iter().map(|&j| c0[j as usize]));
        self.factor.solve_in_place(&mut self.x);
    }
}

impl<T: Scalar> Coder<T> for CoSaMp {
    fn code(&self, dictionary: Dense<'_, T>, signals: &[T]) -> Result<Codes<T>, SolveError> {
        let Self { k, max_iter } = *self;
        let scratch = |d: &GramDictionary<T>| {
            let most = d.n_atoms().min(d.dim()).min(k.saturating_mul(3)).max(1);
            let fit = Fit {
                factor: UpdatingCholesky::with_capacity(most),
                atoms: Vec::with_capacity(most),
                x: Vec::with_capacity(most),
                cross: Vec::with_capacity(most),
            };
            (fit, vec![T::zero(); d.padded()], Vec::new(), Vec::new())
        };
        from_correlations(dictionary, signals, scratch, |d, c0, y, (fit, c, picked, minus), code| {
            let mut best = vecops::sq_norm(y);
            let sq_norm = best;
            c.copy_from_slice(c0);
            for _ in 0..max_iter {
                // The old support first: it is what must stay independent.
                largest(k.saturating_mul(2), d.n_atoms(), |j| c[j].abs(), picked);
                let old = code.atoms.iter().map(|&j| j as usize);
                let merged: Vec<usize> = old
                    .chain(picked.iter().copied().filter(|&j| !code.atoms.contains(&(j as u32))))
                    .collect();
                fit.on(d, c0, merged.into_iter());
                largest(k, fit.x.len(), |a| fit.x[a].abs(), picked);
                let kept: Vec<usize> = picked.iter().map(|&a| fit.atoms[a] as usize).collect();
                fit.on(d, c0, kept.into_iter());
                // ‖y − D x‖² = ‖y‖² − xᵀDᵀy for a least-squares fit.
                let explained: T = fit.atoms.iter().zip(&fit.x).map(|(&j, &x)| x * c0[j as usize]).sum();
                if sq_norm - explained >= best * (T::one() - T::of(16.0) * T::epsilon()) {
                    break;
                }
                best = sq_norm - explained;
                code.atoms.clear();
                code.x.clear();
                for (&j, &x) in fit.atoms.iter().zip(&fit.x).filter(|(_, x)| **x != T::zero()) {
                    code.push(j as usize, x);
                }
                minus.clear();
                minus.extend(code.x.iter().map(|&x: &T| -x));
                d.add_gram(c0, &code.atoms, minus, c);
            }
        })
    }
}
