//! The two floating-point types everything is generic over.

use core::fmt::{Display, LowerExp};
use core::iter::Sum;

use num_traits::{Float, NumAssign};

use crate::vecops::SimdScalar;
use crate::vecops::panel::PanelScalar;
use crate::vecops::product::ProductScalar;

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A real floating-point number: `f32` or `f64`.
///
/// The trait is sealed, so adding a method is not a breaking change, and `T: Scalar` is the only bound a
/// user ever writes.
///
/// ```
/// use spm_linalg::Scalar;
/// fn half<T: Scalar>(x: T) -> T {
///     T::of(0.5) * x
/// }
/// assert_eq!(half(3.0_f32), 1.5);
/// ```
pub trait Scalar:
    faer::traits::RealField
    + Float
    + NumAssign
    + Sum
    + Default
    + Display
    + LowerExp
    + SimdScalar
    + PanelScalar
    + ProductScalar
    + Send
    + Sync
    + sealed::Sealed
    + 'static
{
    /// The nearest value of this type to `v`: how literals are written, `T::of(0.5)`.
    #[must_use]
    fn of(v: f64) -> Self;

    /// The value as `f64`, exact for both types; for reports and messages.
    #[must_use]
    fn as_f64(self) -> f64;

    /// The value of a count, rounded to the nearest representable number.
    #[must_use]
    fn of_usize(n: usize) -> Self {
        Self::of(n as f64)
    }
}

impl Scalar for f32 {
    #[inline(always)]
    fn of(v: f64) -> Self {
        v as Self
    }
    #[inline(always)]
    fn as_f64(self) -> f64 {
        f64::from(self)
    }
}

impl Scalar for f64 {
    #[inline(always)]
    fn of(v: f64) -> Self {
        v
    }
    #[inline(always)]
    fn as_f64(self) -> f64 {
        self
    }
}
