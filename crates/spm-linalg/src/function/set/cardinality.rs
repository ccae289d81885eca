//! Vectors with few nonzeros.

use crate::function::kernels::{descending, indicator};
use crate::{Facts, MemStack, Prox, Scalar, StackReq, check};

/// The indicator of the vectors with at most `k` nonzeros, $\{x : \|x\|_0 \le k\}$. Not convex.
///
/// In plain text: `#{j : x_j != 0} <= k`. Its prox keeps the `k` entries of largest size; among equal sizes those
/// of lowest index. O(n) by selection, `n` temporaries.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `k` | any | largest number of nonzeros |
///
/// Source: Blumensath and Davies 2009, *Iterative hard thresholding for compressed sensing*.
///
/// ```
/// use spm_linalg::{Prox, Workspace, set::Cardinality};
/// let g = Cardinality::new(2);
/// let mut out = [0.0; 4];
/// g.prox_into(&[1.0, -3.0, 0.5, -1.0], 1.0, &mut out, Workspace::new(Prox::<f64>::scratch(&g, 4)).stack());
/// assert_eq!(out, [1.0, -3.0, 0.0, 0.0]);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cardinality {
    k: usize,
}

impl Cardinality {
    /// The set of vectors with at most `k` nonzeros.
    #[must_use]
    pub fn new(k: usize) -> Self {
        Self { k }
    }
}

impl<T: Scalar> Prox<T> for Cardinality {
    fn value(&self, x: &[T]) -> T {
        indicator(x.iter().filter(|v| **v != T::zero()).count() <= self.k)
    }

    fn prox_into(&self, x: &[T], _step: T, out: &mut [T], stack: &mut MemStack) -> T {
        check::dim("Cardinality::prox_into out", x.len(), out.len());
        if self.k == 0 {
            out.fill(T::zero());
            return T::zero();
        }
        if self.k >= x.len() {
            out.copy_from_slice(x);
            return T::zero();
        }
        let (mut sizes, _) = stack.make_with(x.len(), |i| x[i].abs());
        sizes.select_nth_unstable_by(self.k - 1, descending);
        let smallest = sizes[self.k - 1];
        let larger = sizes[..self.k].iter().filter(|&&a| descending(&a, &smallest).is_lt()).count();
        let mut ties = self.k - larger;
        for (o, &v) in out.iter_mut().zip(x) {
            let order = descending(&v.abs(), &smallest);
            let keep = order.is_lt() || (order.is_eq() && ties > 0);
            if keep && order.is_eq() {
                ties -= 1;
            }
            *o = if keep { v } else { T::zero() };
        }
        T::zero()
    }

    fn scratch(&self, n: usize) -> StackReq {
        StackReq::new::<T>(n)
    }

    fn facts(&self) -> Facts {
        Facts::default().indicator().positively_homogeneous()
    }
}
