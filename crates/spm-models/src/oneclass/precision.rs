//! How many digits of a model are kept.

use half::f16;
use spm_linalg::Scalar;

/// How many digits of a model are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// All.
    #[default]
    Full,
    /// Eleven bits, half precision with a common power of two: a relative error of `2⁻¹¹` a number, two bytes each in a file. Numbers
    /// below `2⁻³⁰` of the largest lose digits, below `2⁻⁴⁰` they become zero.
    Half,
}

/// The exponent `e` for which half precision holds `values / 2ᵉ` best: the largest of them is then in `[2¹⁴, 2¹⁵)`.
fn exponent<T: Scalar>(values: &[T]) -> i32 {
    let largest = values.iter().fold(0.0_f64, |m, v| m.max(v.as_f64().abs()));
    // Its logarithm may be off by one next to a power of two, which costs a bit of the smallest numbers and never overflows.
    if largest > 0.0 && largest.is_finite() { (largest.log2().floor() as i32 - 14).max(-1000) } else { 0 }
}

fn to_half<T: Scalar>(value: T, exponent: i32) -> f16 {
    f16::from_f64(value.as_f64() * 2.0_f64.powi(-exponent))
}

fn of_half<T: Scalar>(half: f16, exponent: i32) -> T {
    T::of(half.to_f64() * 2.0_f64.powi(exponent))
}

impl Precision {
    /// Rounds numbers, once and for all: what is saved is what is used.
    pub(super) fn round<T: Scalar>(self, values: &mut [T]) {
        if self == Self::Half {
            let e = exponent(values);
            values.iter_mut().for_each(|v| *v = of_half(to_half(*v, e), e));
        }
    }
}

/// Numbers in a file: in half precision if that loses nothing.
#[cfg(feature = "serde")]
pub(super) mod packed {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Scalar, exponent, f16, of_half, to_half};

    #[derive(Serialize, Deserialize)]
    pub(super) enum Packed<T> {
        Full(Vec<T>),
        Half { exponent: i32, bits: Vec<u16> },
    }

    impl<T: Scalar> Packed<T> {
        pub(super) fn of(values: &[T]) -> Self {
            let e = exponent(values);
            let halves: Vec<f16> = values.iter().map(|&v| to_half(v, e)).collect();
            if values.iter().zip(&halves).all(|(&v, &h)| of_half::<T>(h, e) == v) {
                Self::Half { exponent: e, bits: halves.into_iter().map(f16::to_bits).collect() }
            } else {
                Self::Full(values.to_vec())
            }
        }

        pub(super) fn values(self) -> Vec<T> {
            match self {
                Self::Full(values) => values,
                Self::Half { exponent, bits } => {
                    bits.into_iter().map(|b| of_half(f16::from_bits(b), exponent)).collect()
                }
            }
        }
    }

    pub(in crate::oneclass) fn serialize<T: Scalar + Serialize, S: Serializer>(
        values: &[T],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        Packed::of(values).serialize(serializer)
    }

    pub(in crate::oneclass) fn deserialize<'de, T: Scalar + Deserialize<'de>, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<T>, D::Error> {
        Packed::deserialize(deserializer).map(Packed::values)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use spm_linalg::testing::Rng;

    use super::*;

    fn rounding<T: Scalar>() {
        let mut rng = Rng::new(3);
        for scale in [1e-30, 1.0, 1e30] {
            let before: Vec<T> = (0..500).map(|_| T::of(scale * rng.normal::<f64>())).collect();
            let mut after = before.clone();
            Precision::Full.round(&mut after);
            assert_eq!(before, after);
            Precision::Half.round(&mut after);
            for (b, a) in before.iter().zip(&after) {
                assert!((*b - *a).abs().as_f64() <= b.as_f64().abs() * 2.0_f64.powi(-11), "{b} {a}");
            }
            let once = after.clone();
            Precision::Half.round(&mut after);
            assert_eq!(once, after);
        }
        let mut zeros = [T::zero(); 3];
        Precision::Half.round(&mut zeros);
        assert_eq!(zeros, [T::zero(); 3]);
    }

    #[test]
    fn half_precision_keeps_eleven_bits_at_any_scale() {
        rounding::<f32>();
        rounding::<f64>();
    }

    #[cfg(feature = "serde")]
    #[test]
    fn packing_loses_nothing_and_halves_what_was_rounded() {
        use super::packed::Packed;
        let mut rng = Rng::new(4);
        let mut values: Vec<f32> = (0..78).map(|_| rng.normal()).collect();
        let packed = Packed::of(&values);
        assert!(matches!(packed, Packed::Full(_)));
        assert_eq!(packed.values(), values);
        Precision::Half.round(&mut values);
        let packed = Packed::of(&values);
        assert!(matches!(packed, Packed::Half { .. }));
        assert_eq!(packed.values(), values);
        for awkward in [f32::NAN, f32::INFINITY, f32::MAX, f32::MIN_POSITIVE] {
            let back = Packed::of(&[awkward, 1.0]).values();
            assert_eq!([back[0].to_bits(), back[1].to_bits()], [awkward.to_bits(), 1.0_f32.to_bits()]);
        }
    }
}
