//! References and boxes of operators are operators.

use super::{DesignMatrix, LinearOperator};
use crate::{MemStack, Scalar, StackReq};

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: Scalar, A: LinearOperator<T> + ?Sized> LinearOperator<T> for $pointer {
            fn nrows(&self) -> usize {
                (**self).nrows()
            }
            fn ncols(&self) -> usize {
                (**self).ncols()
            }
            fn apply(&self, x: &[T], y: &mut [T], stack: &mut MemStack) {
                (**self).apply(x, y, stack);
            }
            fn apply_adjoint(&self, y: &[T], x: &mut [T], stack: &mut MemStack) {
                (**self).apply_adjoint(y, x, stack);
            }
            fn scratch(&self) -> StackReq {
                (**self).scratch()
            }
            fn norm_bound(&self) -> Option<T> {
                (**self).norm_bound()
            }
        }

        impl<T: Scalar, A: DesignMatrix<T> + ?Sized> DesignMatrix<T> for $pointer {
            fn col_dot(&self, j: usize, v: &[T]) -> T {
                (**self).col_dot(j, v)
            }
            fn col_axpy(&self, j: usize, a: T, out: &mut [T]) {
                (**self).col_axpy(j, a, out);
            }
            fn col_sq_norm(&self, j: usize) -> T {
                (**self).col_sq_norm(j)
            }
            fn stored(&self) -> usize {
                (**self).stored()
            }
            fn carry_len(&self) -> usize {
                (**self).carry_len()
            }
            fn carried_dot(&self, j: usize, v: &[T]) -> T {
                (**self).carried_dot(j, v)
            }
            fn carried_dots(&self, columns: &[usize], v: &[T], out: &mut [T]) {
                (**self).carried_dots(columns, v, out);
            }
            fn carried_axpy(&self, j: usize, a: T, v: &mut [T]) {
                (**self).carried_axpy(j, a, v);
            }
            fn settle(&self, v: &mut [T], fresh: bool) {
                (**self).settle(v, fresh);
            }
        }
    )*};
}

forward!(&A, Box<A>);
