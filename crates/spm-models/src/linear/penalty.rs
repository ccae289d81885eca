//! The penalty of every linear model here.

use spm_linalg::{Facts, LinalgError, MemStack, Prox, Scalar, SeparableProx, check, vecops};

/// `g(w) = Σ_j v_j (l1 |w_j| + l2/2 w_j²)`, `+∞` if some `w_j` is outside its range, which holds 0.
///
/// `v` are the penalty weights, 1 if absent; a weight 0 leaves its feature unpenalised.
#[derive(Debug, Clone)]
pub(crate) struct FeaturePenalty<'a, T> {
    l1: T,
    l2: T,
    weights: Option<&'a [T]>,
    range: Range<'a, T>,
}

/// Which coefficients are allowed.
#[derive(Debug, Clone, Copy)]
enum Range<'a, T> {
    All,
    NonNegative,
    /// Lower bounds `<= 0`, upper bounds `>= 0`.
    Box(&'a [(T, T)]),
}

impl<'a, T: Scalar> FeaturePenalty<'a, T> {
    pub(crate) fn new(
        l1: T,
        l2: T,
        weights: Option<&'a [T]>,
        non_negative: bool,
    ) -> Result<Self, LinalgError> {
        check::non_negative("alpha · l1_ratio", l1)?;
        check::non_negative("alpha · (1 − l1_ratio)", l2)?;
        let range = if non_negative { Range::NonNegative } else { Range::All };
        Ok(Self { l1, l2, weights, range })
    }

    /// Allows only coefficients between the lower bounds, `<= 0`, and the upper ones, `>= 0`; both may be infinite.
    pub(crate) fn within(mut self, bounds: &'a [(T, T)]) -> Self {
        self.range = Range::Box(bounds);
        self
    }

    #[inline]
    fn weight(&self, j: usize) -> T {
        match self.weights {
            None => T::one(),
            Some(v) => v[j],
        }
    }

    /// The least and the largest allowed `w_j`.
    #[inline]
    fn limits(&self, j: usize) -> (T, T) {
        match self.range {
            Range::All => (T::neg_infinity(), T::infinity()),
            Range::NonNegative => (T::zero(), T::infinity()),
            Range::Box(bounds) => bounds[j],
        }
    }

    /// Whether every bound is zero or infinite.
    fn is_cone(&self) -> bool {
        let Range::Box(bounds) = self.range else { return true };
        let open = |b: T| b == T::zero() || b.is_infinite();
        bounds.iter().all(|&(lower, upper)| open(lower) && open(upper))
    }

    /// How far `w_j` may go in the direction of `u`.
    #[inline]
    fn room(&self, j: usize, u: T) -> T {
        let (lower, upper) = self.limits(j);
        if u > T::zero() { upper } else { -lower }
    }

    /// What of `u_j` the penalty has to hold at zero: all of it, or nothing where that side is not allowed.
    #[inline]
    pub(super) fn pull(&self, j: usize, u: T) -> T {
        if self.room(j, u) > T::zero() { u.abs() } else { T::zero() }
    }
}

/// The nearest allowed value, and the bound itself where only rounding is between; a NaN stays.
pub(super) fn clamp<T: Scalar>(w: T, (lower, upper): (T, T)) -> T {
    let nearly = T::one() - T::of(4.0) * T::epsilon();
    if w <= nearly * lower {
        lower
    } else if w >= nearly * upper {
        upper
    } else {
        w
    }
}

impl<T: Scalar> Prox<T> for FeaturePenalty<'_, T> {
    fn value(&self, x: &[T]) -> T {
        x.iter().enumerate().map(|(j, &v)| self.value_at(j, v)).sum()
    }

    fn prox_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        check::dim("FeaturePenalty::prox_into out", x.len(), out.len());
        for (j, (o, &v)) in out.iter_mut().zip(x).enumerate() {
            *o = self.prox_at(j, v, step);
        }
        self.value(out)
    }

    fn dim(&self) -> Option<usize> {
        self.weights.map(<[T]>::len)
    }

    fn facts(&self) -> Facts {
        let facts = Facts::default().convex().separable();
        if self.l2 == T::zero() && self.is_cone() { facts.positively_homogeneous() } else { facts }
    }

    fn conj_value(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        let mut total = T::zero();
        for (j, &u) in u.iter().enumerate() {
            let v = self.weight(j);
            let excess = self.pull(j, u) - v * self.l1;
            if excess > T::zero() {
                // Infinite where neither the quadratic nor a bound holds it.
                let curvature = v * self.l2;
                let w = (excess / curvature).min(self.room(j, u));
                total += if w.is_finite() { w * (excess - T::of(0.5) * curvature * w) } else { w };
            }
        }
        Some(total)
    }

    fn polar(&self, u: &[T], _stack: &mut MemStack) -> Option<T> {
        if self.l2 > T::zero() || !self.is_cone() {
            return None;
        }
        let mut polar = T::zero();
        for (j, &u) in u.iter().enumerate() {
            let pull = self.pull(j, u);
            if pull > T::zero() {
                polar = polar.max(pull / (self.weight(j) * self.l1));
            }
        }
        Some(polar)
    }
}

impl<T: Scalar> SeparableProx<T> for FeaturePenalty<'_, T> {
    fn value_at(&self, j: usize, w: T) -> T {
        let (lower, upper) = self.limits(j);
        if w < lower || w > upper {
            return T::infinity();
        }
        self.weight(j) * (self.l1 * w.abs() + T::of(0.5) * self.l2 * w * w)
    }

    #[inline]
    fn prox_at(&self, j: usize, x: T, step: T) -> T {
        let t = step * self.weight(j);
        let w = vecops::soft_threshold(x, t * self.l1) / (T::one() + t * self.l2);
        match self.range {
            Range::All => w,
            Range::NonNegative => {
                if w < T::zero() {
                    T::zero()
                } else {
                    w
                }
            }
            Range::Box(bounds) => clamp(w, bounds[j]),
        }
    }

    #[inline]
    fn subdiff_distance_at(&self, j: usize, w: T, grad: T) -> T {
        let l1 = self.weight(j) * self.l1;
        if w == T::zero() {
            return (self.pull(j, -grad) - l1).max(T::zero());
        }
        let slope = grad + self.weight(j) * self.l2 * w + l1 * w.signum();
        // At a bound a slope that leads outwards is held.
        let (lower, upper) = self.limits(j);
        if (w <= lower && slope > T::zero()) || (w >= upper && slope < T::zero()) {
            return T::zero();
        }
        slope.abs()
    }

    fn expansion_at(&self, j: usize, w: T) -> Option<(T, T)> {
        let v = self.weight(j);
        let (lower, upper) = self.limits(j);
        // Where neither a weight nor a bound makes a kink, zero is a point like any other.
        let smooth = w > lower && w < upper && (w != T::zero() || v * self.l1 == T::zero());
        smooth.then(|| (v * (self.l1 * w.signum() + self.l2 * w), v * self.l2))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use spm_linalg::Workspace;

    use super::*;

    #[test]
    fn conjugate_and_polar_bound_the_inner_product() {
        // Fenchel-Young on a grid, with equality somewhere on it.
        let weights = [0.0, 1.0, 2.5];
        let mut ws = Workspace::new(spm_linalg::StackReq::EMPTY);
        for (l1, l2, non_negative) in
            [(1.0, 0.0, false), (0.7, 0.5, false), (0.7, 0.5, true), (1.0, 0.0, true)]
        {
            let g = FeaturePenalty::new(l1, l2, Some(&weights), non_negative).unwrap();
            for k in -20..=20 {
                let u = [0.0, 0.1 * f64::from(k), -0.2 * f64::from(k)];
                let conj: f64 = g.conj_value(&u, ws.stack()).unwrap();
                let mut best = f64::NEG_INFINITY;
                for a in -400..=400 {
                    let w = 0.01 * f64::from(a);
                    for j in 1..3 {
                        let mut x = [0.0; 3];
                        x[j] = w;
                        let inner = u[j] * w - g.value(&x);
                        assert!(inner <= conj + 1e-12);
                    }
                    best = best.max(u[1] * w - g.value_at(1, w));
                }
                if l2 > 0.0 {
                    assert!(u[1].abs() > 2.5 || best <= conj + 1e-12);
                } else {
                    let polar: f64 = g.polar(&u, ws.stack()).unwrap();
                    assert_eq!(polar <= 1.0, conj == 0.0);
                }
            }
        }
    }
}
