//! A sum of functions of consecutive blocks.

use core::ops::Range;

use crate::function::kernels::{dims, larger};
use crate::{Facts, LinalgError, MemStack, Prox, Scalar, StackReq, check};

/// A sum of functions of consecutive blocks of coordinates, $h(x) = \sum_i g_i(x_i)$.
///
/// In plain text: `h(x) = sum_i g_i(x_i)`, `x` being the blocks `x_1, x_2, …` one after the other. Everything splits:
/// the prox, the conjugate (the sum) and the polar (the largest). The cost of the parts, the largest of their
/// temporaries.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `parts` | | every function with the length of its block |
///
/// Source: Parikh and Boyd 2014, *Proximal Algorithms*, section 2.1.
///
/// ```
/// use spm_linalg::{Prox, Workspace, calculus::SeparableSum, penalty::L1, set::NonNeg};
/// let h = SeparableSum::new(vec![(Box::new(L1::new(1.0)?), 1), (Box::new(NonNeg), 2)])?;
/// let mut out = [0.0; 3];
/// h.prox_into(&[3.0, -1.0, 0.5], 1.0, &mut out, Workspace::new(h.scratch(3)).stack());
/// assert_eq!(out, [2.0, 0.0, 0.5]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug)]
pub struct SeparableSum<'a, T: Scalar> {
    parts: Vec<(Box<dyn Prox<T> + 'a>, Range<usize>)>,
    len: usize,
}

impl<'a, T: Scalar> SeparableSum<'a, T> {
    /// The sum over the parts, in order.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if a part fixes another dimension than the length given with it.
    pub fn new(parts: Vec<(Box<dyn Prox<T> + 'a>, usize)>) -> Result<Self, LinalgError> {
        let mut len = 0;
        let mut ranges = Vec::with_capacity(parts.len());
        for (g, n) in parts {
            check::len("a block", g.dim().unwrap_or(n), n)?;
            ranges.push((g, len..len + n));
            len += n;
        }
        Ok(Self { parts: ranges, len })
    }

    fn largest(&self, f: impl Fn(&dyn Prox<T>, usize) -> StackReq) -> StackReq {
        self.parts.iter().fold(StackReq::EMPTY, |req, (g, r)| req.or(f(g.as_ref(), r.len())))
    }
}

impl<T: Scalar> Prox<T> for SeparableSum<'_, T> {
    fn value(&self, x: &[T]) -> T {
        check::dim("SeparableSum::value x", self.len, x.len());
        self.parts.iter().map(|(g, r)| g.value(&x[r.clone()])).sum()
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        dims("SeparableSum::prox_into", Some(self.len), x.len(), out.len());
        let mut value = T::zero();
        for (g, r) in &self.parts {
            value += g.prox_into(&x[r.clone()], step, &mut out[r.clone()], stack);
        }
        value
    }

    fn scratch(&self, _n: usize) -> StackReq {
        self.largest(|g, n| g.scratch(n))
    }

    fn dim(&self) -> Option<usize> {
        Some(self.len)
    }

    /// What all parts declare.
    fn facts(&self) -> Facts {
        let all = Facts::default().convex().indicator().separable().positively_homogeneous();
        self.parts.iter().fold(all, |all, (g, _)| {
            let f = g.facts();
            Facts {
                convex: all.convex && f.convex,
                indicator: all.indicator && f.indicator,
                separable: all.separable && f.separable,
                positively_homogeneous: all.positively_homogeneous && f.positively_homogeneous,
            }
        })
    }

    fn prox_conj_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
        dims("SeparableSum::prox_conj_into", Some(self.len), x.len(), out.len());
        let mut value = T::zero();
        for (g, r) in &self.parts {
            value += g.prox_conj_into(&x[r.clone()], step, &mut out[r.clone()], stack);
        }
        value
    }

    fn scratch_conj(&self, _n: usize) -> StackReq {
        self.largest(|g, n| g.scratch_conj(n))
    }

    fn conj_value(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        let mut value = T::zero();
        for (g, r) in &self.parts {
            value += g.conj_value(&u[r.clone()], stack)?;
        }
        Some(value)
    }

    fn polar(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        let mut largest = T::zero();
        for (g, r) in &self.parts {
            largest = larger(largest, g.polar(&u[r.clone()], stack)?);
        }
        Some(largest)
    }
}
