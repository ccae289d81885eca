//! The only place that checks shapes, domains and finiteness of user data.
//!
//! Entry points that take user data call these once; the kernels below assume the result and say so.

use crate::{LinalgError, Scalar};

/// Requires `got == expected`.
///
/// # Errors
/// [`LinalgError::Shape`].
pub fn len(what: &'static str, expected: usize, got: usize) -> Result<(), LinalgError> {
    if expected == got { Ok(()) } else { Err(LinalgError::Shape { what, expected, got }) }
}

/// Requires `n > 0`.
///
/// # Errors
/// [`LinalgError::Empty`].
pub fn non_empty(what: &'static str, n: usize) -> Result<(), LinalgError> {
    if n > 0 { Ok(()) } else { Err(LinalgError::Empty { what }) }
}

/// Requires every entry of `v` to be finite.
///
/// # Errors
/// [`LinalgError::NonFinite`] with the first offending index.
pub fn finite<T: Scalar>(what: &'static str, v: &[T]) -> Result<(), LinalgError> {
    // x·0 is NaN exactly for NaN and infinities: one branch-free pass, the search only on failure.
    let mut sum = T::zero();
    for &x in v {
        sum += x * T::zero();
    }
    if sum == T::zero() {
        return Ok(());
    }
    let index = v.iter().position(|x| !x.is_finite()).unwrap_or(0);
    Err(LinalgError::NonFinite { what, index })
}

/// Requires a finite value `>= 0`.
///
/// # Errors
/// [`LinalgError::InvalidParam`].
pub fn non_negative<T: Scalar>(name: &'static str, v: T) -> Result<(), LinalgError> {
    if v.is_finite() && v >= T::zero() {
        Ok(())
    } else {
        Err(LinalgError::InvalidParam { name, expected: "finite and >= 0", got: v.as_f64() })
    }
}

/// Requires a finite value `> 0`.
///
/// # Errors
/// [`LinalgError::InvalidParam`].
pub fn positive<T: Scalar>(name: &'static str, v: T) -> Result<(), LinalgError> {
    if v.is_finite() && v > T::zero() {
        Ok(())
    } else {
        Err(LinalgError::InvalidParam { name, expected: "finite and > 0", got: v.as_f64() })
    }
}

/// Requires every entry of `v` to be finite and `>= 0`.
///
/// # Errors
/// [`LinalgError::NonFinite`] or [`LinalgError::InvalidParam`] with the first offending value.
pub fn all_non_negative<T: Scalar>(name: &'static str, v: &[T]) -> Result<(), LinalgError> {
    finite(name, v)?;
    match v.iter().find(|x| **x < T::zero()) {
        None => Ok(()),
        Some(x) => Err(LinalgError::InvalidParam { name, expected: ">= 0 in every entry", got: x.as_f64() }),
    }
}

/// Panics unless a vector handed to a kernel has the stated length: a programmer's error, not a user's.
///
/// # Panics
/// If `got != expected`.
#[track_caller]
#[inline(always)]
pub fn dim(what: &str, expected: usize, got: usize) {
    if expected != got {
        dim_failed(what, expected, got);
    }
}

#[cold]
#[inline(never)]
#[track_caller]
fn dim_failed(what: &str, expected: usize, got: usize) -> ! {
    panic!("{what}: expected length {expected}, got {got}")
}
