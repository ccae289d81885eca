//! Operators on top of each other.

use super::LinearOperator;
use crate::{LinalgError, MemStack, Scalar, StackReq, check, vecops};

/// The vertical stack $[A_1; A_2; \dots]$ of operators with the same number of columns.
///
/// In plain text: `A x = [A_1 x; A_2 x; ...]` and `Aᵀ y = A_1ᵀ y_1 + A_2ᵀ y_2 + ...`. One product of each block; the
/// adjoint takes a temporary of `ncols` numbers. The norm bound is `sqrt(sum of squares)` of those of the blocks.
///
/// ```
/// use spm_linalg::operator::{Identity, LinearOperatorExt, Mask, VStack};
/// let seen = Mask::from_bools(&[false, true]);
/// let a = VStack::<f64>::new(vec![Box::new(Identity::new(2)), Box::new(&seen)])?;
/// assert_eq!(a.apply_vec(&[1.0, 2.0]), [1.0, 2.0, 2.0]);
/// assert_eq!(a.apply_adjoint_vec(&[1.0, 2.0, 3.0]), [1.0, 5.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug)]
pub struct VStack<'a, T: Scalar> {
    blocks: Vec<Box<dyn LinearOperator<T> + 'a>>,
    nrows: usize,
    ncols: usize,
}

impl<'a, T: Scalar> VStack<'a, T> {
    /// Stacks `blocks`, the first on top. A borrowed operator goes in as `Box::new(&op)`.
    ///
    /// # Errors
    /// [`LinalgError::Empty`] without blocks, [`LinalgError::Shape`] if their numbers of columns differ.
    pub fn new(blocks: Vec<Box<dyn LinearOperator<T> + 'a>>) -> Result<Self, LinalgError> {
        let ncols = blocks.first().ok_or(LinalgError::Empty { what: "stack of operators" })?.ncols();
        for b in &blocks {
            check::len("columns of a stacked operator", ncols, b.ncols())?;
        }
        let nrows = blocks.iter().map(|b| b.nrows()).sum();
        Ok(Self { blocks, nrows, ncols })
    }
}

impl<T: Scalar> LinearOperator<T> for VStack<'_, T> {
    fn nrows(&self) -> usize {
        self.nrows
    }

    fn ncols(&self) -> usize {
        self.ncols
    }

    fn apply(&self, x: &[T], y: &mut [T], stack: &mut MemStack) {
        check::dim("VStack::apply y", self.nrows, y.len());
        let mut rest = y;
        for b in &self.blocks {
            let (part, tail) = rest.split_at_mut(b.nrows());
            b.apply(x, part, stack);
            rest = tail;
        }
    }

    fn apply_adjoint(&self, y: &[T], x: &mut [T], stack: &mut MemStack) {
        check::dim("VStack::apply_adjoint y", self.nrows, y.len());
        check::dim("VStack::apply_adjoint x", self.ncols, x.len());
        let (mut term, stack) = stack.make_with(self.ncols, |_| T::zero());
        let mut rest = y;
        for (k, b) in self.blocks.iter().enumerate() {
            let (part, tail) = rest.split_at(b.nrows());
            if k == 0 {
                b.apply_adjoint(part, x, stack);
            } else {
                b.apply_adjoint(part, &mut term, stack);
                vecops::axpy(T::one(), &term, x);
            }
            rest = tail;
        }
    }

    fn scratch(&self) -> StackReq {
        let blocks = self.blocks.iter().fold(StackReq::EMPTY, |req, b| req.or(b.scratch()));
        StackReq::new::<T>(self.ncols).and(blocks)
    }

    fn norm_bound(&self) -> Option<T> {
        let bounds = self.blocks.iter().map(|b| b.norm_bound()).collect::<Option<Vec<T>>>()?;
        Some(vecops::norm(&bounds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operator::Identity;

    #[test]
    fn refuses_nothing_and_mixed_widths() {
        assert!(VStack::<f64>::new(vec![]).is_err());
        assert!(VStack::<f64>::new(vec![Box::new(Identity::new(2)), Box::new(Identity::new(3))]).is_err());
    }

    #[test]
    fn norm_bound_is_exact_for_copies_of_an_isometry() {
        let a =
            VStack::<f64>::new(vec![Box::new(Identity::new(2)), Box::new(Identity::new(2))]).expect("fits");
        assert!((a.norm_bound().expect("known") - 2.0_f64.sqrt()).abs() < 1e-15);
    }
}
