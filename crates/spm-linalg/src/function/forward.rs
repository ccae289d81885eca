//! References and boxes of functions are functions.

use core::ops::Range;

use super::{Facts, GroupProx, Prox, SeparableProx, Smooth};
use crate::{MemStack, Scalar, StackReq};

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<T: Scalar, G: Prox<T> + ?Sized> Prox<T> for $pointer {
            fn value(&self, x: &[T]) -> T {
                (**self).value(x)
            }
            fn prox_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
                (**self).prox_into(x, step, out, stack)
            }
            fn scratch(&self, n: usize) -> StackReq {
                (**self).scratch(n)
            }
            fn dim(&self) -> Option<usize> {
                (**self).dim()
            }
            fn facts(&self) -> Facts {
                (**self).facts()
            }
            fn prox_conj_into(&self, x: &[T], step: T, out: &mut [T], stack: &mut MemStack) -> T {
                (**self).prox_conj_into(x, step, out, stack)
            }
            fn scratch_conj(&self, n: usize) -> StackReq {
                (**self).scratch_conj(n)
            }
            fn conj_value(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
                (**self).conj_value(u, stack)
            }
            fn polar(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
                (**self).polar(u, stack)
            }
        }

        impl<T: Scalar, G: SeparableProx<T> + ?Sized> SeparableProx<T> for $pointer {
            fn value_at(&self, j: usize, v: T) -> T {
                (**self).value_at(j, v)
            }
            fn prox_at(&self, j: usize, v: T, step: T) -> T {
                (**self).prox_at(j, v, step)
            }
            fn subdiff_distance_at(&self, j: usize, w: T, grad: T) -> T {
                (**self).subdiff_distance_at(j, w, grad)
            }
            fn expansion_at(&self, j: usize, w: T) -> Option<(T, T)> {
                (**self).expansion_at(j, w)
            }
        }

        impl<T: Scalar, G: GroupProx<T> + ?Sized> GroupProx<T> for $pointer {
            fn n_groups(&self) -> usize {
                (**self).n_groups()
            }
            fn group(&self, g: usize) -> Range<usize> {
                (**self).group(g)
            }
            fn prox_group_into(&self, g: usize, x: &[T], step: T, out: &mut [T]) -> T {
                (**self).prox_group_into(g, x, step, out)
            }
            fn subdiff_distance_group(&self, g: usize, w: &[T], grad: &[T]) -> T {
                (**self).subdiff_distance_group(g, w, grad)
            }
            fn expansion_group_into(&self, g: usize, w: &[T], slope: &mut [T], curvature: &mut [T]) -> bool {
                (**self).expansion_group_into(g, w, slope, curvature)
            }
        }

        impl<T: Scalar, G: Smooth<T> + ?Sized> Smooth<T> for $pointer {
            fn dim(&self) -> usize {
                (**self).dim()
            }
            fn value(&self, x: &[T], stack: &mut MemStack) -> T {
                (**self).value(x, stack)
            }
            fn value_grad_into(&self, x: &[T], grad: &mut [T], stack: &mut MemStack) -> T {
                (**self).value_grad_into(x, grad, stack)
            }
            fn scratch(&self) -> StackReq {
                (**self).scratch()
            }
            fn lipschitz(&self) -> Option<T> {
                (**self).lipschitz()
            }
        }
    )*};
}

forward!(&G, Box<G>);
