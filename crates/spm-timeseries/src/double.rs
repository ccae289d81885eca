//! Double-double arithmetic: about 32 digits from pairs of `f64`.

use core::ops::{Add, Div, Mul, Neg, Sub};

/// An unevaluated sum `hi + lo` with `|lo|` at most half a unit in the last place of `hi`.
///
/// Source: Dekker 1971, *A floating-point technique for extending the available precision*.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) struct Double {
    pub(crate) hi: f64,
    lo: f64,
}

impl Double {
    pub(crate) const fn new(v: f64) -> Self {
        Self { hi: v, lo: 0.0 }
    }

    pub(crate) fn abs(self) -> Self {
        if self.hi < 0.0 { -self } else { self }
    }
}

/// `a + b` exactly, for any order of magnitudes.
#[inline(always)]
fn two_sum(a: f64, b: f64) -> Double {
    let hi = a + b;
    let t = hi - a;
    Double { hi, lo: (a - (hi - t)) + (b - t) }
}

/// `a + b` exactly, for `|a| >= |b|`.
#[inline(always)]
fn quick_sum(a: f64, b: f64) -> Double {
    let hi = a + b;
    Double { hi, lo: b - (hi - a) }
}

/// `a · b` exactly, by splitting each factor into halves (no fused multiply-add is assumed).
#[inline(always)]
fn two_product(a: f64, b: f64) -> Double {
    let split = |v: f64| {
        let t = 134_217_729.0 * v;
        let hi = t - (t - v);
        (hi, v - hi)
    };
    let hi = a * b;
    let ((ah, al), (bh, bl)) = (split(a), split(b));
    Double { hi, lo: ((ah * bh - hi) + ah * bl + al * bh) + al * bl }
}

impl Add for Double {
    type Output = Self;
    #[inline(always)]
    fn add(self, o: Self) -> Self {
        let s = two_sum(self.hi, o.hi);
        quick_sum(s.hi, s.lo + (self.lo + o.lo))
    }
}

impl Neg for Double {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Self { hi: -self.hi, lo: -self.lo }
    }
}

impl Sub for Double {
    type Output = Self;
    #[inline(always)]
    fn sub(self, o: Self) -> Self {
        self + -o
    }
}

impl Mul for Double {
    type Output = Self;
    #[inline(always)]
    fn mul(self, o: Self) -> Self {
        let p = two_product(self.hi, o.hi);
        quick_sum(p.hi, p.lo + (self.hi * o.lo + self.lo * o.hi))
    }
}

impl Div for Double {
    type Output = Self;
    fn div(self, o: Self) -> Self {
        let q = self.hi / o.hi;
        let rest = self - o * Self::new(q);
        let r = rest.hi / o.hi;
        let rest = rest - o * Self::new(r);
        quick_sum(q, r) + Self::new(rest.hi / o.hi)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_what_f64_loses() {
        let (one, tiny) = (Double::new(1.0), Double::new(1e-25));
        assert_eq!(((one + tiny) - one).hi, 1e-25);
        let third = one / Double::new(3.0);
        let back = third * Double::new(3.0) - one;
        assert!(back.hi.abs() < 1e-31);
        assert!((third.hi - 1.0 / 3.0).abs() < 1e-17 && third.lo != 0.0);
    }
}
