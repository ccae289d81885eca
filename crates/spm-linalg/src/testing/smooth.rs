//! Laws of differentiable functions.

use faer::dyn_stack::MemBuffer;

use super::prox::ensure;
use super::{LawViolation, Rng};
use crate::vecops::{dot, norm, sq_dist};
use crate::{MemStack, Scalar, Smooth};

/// Panics unless `f` obeys every law of a differentiable function; see [`try_check_smooth`].
///
/// # Panics
/// With the law and the numbers of the first violation.
///
/// ```
/// use spm_linalg::{calculus::MoreauEnvelope, penalty::L1, testing};
/// testing::check_smooth(&MoreauEnvelope::new(L1::new(0.5)?, 0.7, 5)?);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[track_caller]
pub fn check_smooth<T: Scalar>(f: &dyn Smooth<T>) {
    if let Err(violation) = try_check_smooth(f) {
        panic!("{f:?}: {violation}");
    }
}

/// Tries to refute what `f` claims, at random points of three scales.
///
/// | law | statement |
/// |---|---|
/// | value | `value_grad_into` returns `value(x)` |
/// | output | the gradient is overwritten, never read, and the same for the same input |
/// | gradient | it agrees with central differences along every axis and random directions |
/// | lipschitz | if known, `‖∇f(x) − ∇f(y)‖ <= L‖x − y‖` |
///
/// Central differences are only as good as the precision: check in `f64`, where the law is sharp to about 1e-7.
///
/// # Errors
/// The first violation found.
pub fn try_check_smooth<T: Scalar>(f: &dyn Smooth<T>) -> Result<(), LawViolation> {
    let n = f.dim();
    let mut rng = Rng::new(23);
    let mut previous: Option<(Vec<T>, Vec<T>)> = None;
    let run = |g: &mut dyn FnMut(&mut MemStack) -> T| {
        let mut buffer = MemBuffer::new(f.scratch());
        for byte in buffer.iter_mut() {
            byte.write(0xff);
        }
        g(MemStack::new(&mut buffer))
    };
    for scale in [0.0, 0.1, 1.0, 1.0, 1.0, 5.0] {
        let x: Vec<T> = (0..n).map(|_| T::of(scale) * rng.normal::<T>()).collect();
        let mut grad = vec![T::nan(); n];
        let value = run(&mut |stack| f.value(&x, stack));
        let returned = run(&mut |stack| f.value_grad_into(&x, &mut grad, stack));
        let mut again = vec![T::of(1e3); n];
        run(&mut |stack| f.value_grad_into(&x, &mut again, stack));
        ensure(grad == again && grad.iter().all(|g| g.is_finite()), "output", || {
            format!("the gradient is not overwritten or not finite: {grad:?} and {again:?}")
        })?;
        let tol = T::of(1e3) * T::epsilon() * T::of_usize(n + 4);
        ensure((value - returned).abs() <= tol * (T::one() + value.abs()), "value", || {
            format!("value_grad_into returned {returned:e}, value is {value:e}")
        })?;
        for k in 0..n + 3 {
            let direction: Vec<T> = if k < n {
                (0..n).map(|i| if i == k { T::one() } else { T::zero() }).collect()
            } else {
                rng.normals(n)
            };
            let length = norm(&direction).max(T::min_positive_value());
            let h = T::epsilon().cbrt() * (T::one() + norm(&x)) / length;
            let at = |a: T| {
                let z: Vec<T> = x.iter().zip(&direction).map(|(&x, &d)| x + a * d).collect();
                run(&mut |stack| f.value(&z, stack))
            };
            let (plus, minus) = (at(h), at(-h));
            let (slope, expected) = (dot(&grad, &direction), (plus - minus) / (h + h));
            // Rounding of the difference, and the curvature that a piecewise function may change within h.
            let rounding = T::of(20.0) * T::epsilon() * (plus.abs() + minus.abs() + T::one()) / h;
            let curved = f.lipschitz().unwrap_or_else(T::one).max(T::one()) * h * length * length;
            let bound = rounding + curved + T::epsilon().cbrt() * (norm(&grad) * length);
            ensure((slope - expected).abs() <= bound, "gradient", || {
                format!("slope {slope:e}, central difference {expected:e} ± {bound:e} at {x:?}")
            })?;
        }
        if let (Some(l), Some((y, grad_y))) = (f.lipschitz(), &previous) {
            let (left, right) = (sq_dist(&grad, grad_y).sqrt(), l * sq_dist(&x, y).sqrt());
            ensure(left <= right * (T::one() + tol) + tol * norm(&grad), "lipschitz", || {
                format!("gradients differ by {left:e}, more than L‖x − y‖ = {right:e}")
            })?;
        }
        previous = Some((x, grad));
    }
    Ok(())
}
