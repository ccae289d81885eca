//! Selection of coordinates.

use super::LinearOperator;
use crate::{LinalgError, MemStack, Scalar, check};

/// The selection of `m` out of `n` coordinates, $(A x)_i = x_{k_i}$: what was observed of `x`.
///
/// In plain text: `(A x)_i = x[k_i]` with distinct indices `k`: m. The adjoint puts the entries back and fills the
/// rest with zeros. With a permutation of `0..n` as indices it is that permutation. O(m) and O(n + m), no
/// temporaries, norm 1.
///
/// ```
/// use spm_linalg::operator::{LinearOperatorExt, Mask};
/// let seen = Mask::from_bools(&[true, false, true]);
/// assert_eq!(seen.apply_vec(&[1.0, 2.0, 3.0]), [1.0, 3.0]);
/// assert_eq!(seen.apply_adjoint_vec(&[1.0, 3.0]), [1.0, 0.0, 3.0]);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    n: usize,
    indices: Vec<usize>,
}

impl Mask {
    /// Selects the coordinates where `observed` is true, in order.
    #[must_use]
    pub fn from_bools(observed: &[bool]) -> Self {
        let indices = observed.iter().enumerate().filter_map(|(i, &seen)| seen.then_some(i)).collect();
        Self { n: observed.len(), indices }
    }

    /// Selects `indices` out of `0..n`, in the order given.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] if an index is `>= n` or occurs twice.
    pub fn from_indices(n: usize, indices: Vec<usize>) -> Result<Self, LinalgError> {
        let mut seen = vec![false; n];
        for &i in &indices {
            let expected = match seen.get_mut(i) {
                None => "smaller than the number of columns",
                Some(seen) if *seen => "distinct",
                Some(seen) => {
                    *seen = true;
                    continue;
                }
            };
            return Err(LinalgError::InvalidParam { name: "mask index", expected, got: i as f64 });
        }
        Ok(Self { n, indices })
    }

    /// The indices selected.
    #[must_use]
    pub fn indices(&self) -> &[usize] {
        &self.indices
    }

    /// How many coordinates are selected, `m`.
    #[must_use]
    pub fn nrows(&self) -> usize {
        self.indices.len()
    }

    /// How many there are, `n`.
    #[must_use]
    pub fn ncols(&self) -> usize {
        self.n
    }
}

impl<T: Scalar> LinearOperator<T> for Mask {
    fn nrows(&self) -> usize {
        self.indices.len()
    }

    fn ncols(&self) -> usize {
        self.n
    }

    fn apply(&self, x: &[T], y: &mut [T], _stack: &mut MemStack) {
        check::dim("Mask::apply x", self.n, x.len());
        check::dim("Mask::apply y", self.indices.len(), y.len());
        for (o, &i) in y.iter_mut().zip(&self.indices) {
            *o = x[i];
        }
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], _stack: &mut MemStack) {
        check::dim("Mask::apply_adjoint y", self.indices.len(), y.len());
        check::dim("Mask::apply_adjoint x", self.n, x.len());
        x.fill(T::zero());
        for (&v, &i) in y.iter().zip(&self.indices) {
            x[i] = v;
        }
    }

    fn norm_bound(&self) -> Option<T> {
        Some(if self.indices.is_empty() { T::zero() } else { T::one() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::LinearOperatorExt;

    #[test]
    fn indices_are_checked_and_may_permute() {
        assert!(Mask::from_indices(3, vec![3]).is_err());
        assert!(Mask::from_indices(3, vec![1, 1]).is_err());
        let p = Mask::from_indices(3, vec![2, 0, 1]).expect("a permutation");
        assert_eq!(p.apply_vec(&[10.0, 20.0, 30.0]), [30.0, 10.0, 20.0]);
        assert_eq!(p.apply_adjoint_vec(&[30.0, 10.0, 20.0]), [10.0, 20.0, 30.0]);
    }
}
