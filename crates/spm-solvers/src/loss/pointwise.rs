//! Losses that are a weighted sum of one scalar function over the observations.

use core::fmt::Debug;

use spm_linalg::{LinalgError, Scalar, check, vecops};

use super::Loss;

/// The loss `φ(p; y)` of one prediction against one target: convex and differentiable in `p`.
///
/// ```
/// use spm_linalg::Scalar;
/// use spm_solvers::loss::{Loss, Pointwise, PointwiseLoss};
/// /// log cosh(p − y), a smooth stand-in for the absolute error.
/// #[derive(Debug)]
/// struct LogCosh;
/// impl<T: Scalar> Pointwise<T> for LogCosh {
///     fn value_slope(&self, p: T, y: T) -> (T, T) {
///         let r = p - y;
///         (r.abs() + (T::of(-2.0) * r.abs()).exp().ln_1p() - T::of(2.0).ln(), r.tanh())
///     }
///     fn curvature(&self) -> T {
///         T::one()
///     }
///     fn conj(&self, u: T, y: T) -> T {
///         if u.abs() >= T::one() {
///             return T::infinity();
///         }
///         u * y + T::of(0.5) * ((T::one() + u) * u.ln_1p() + (T::one() - u) * (-u).ln_1p())
///     }
/// }
/// let loss = PointwiseLoss::of(LogCosh, &[1.0, 2.0])?;
/// assert_eq!(loss.value(&[1.0, 2.0]), 0.0);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
pub trait Pointwise<T: Scalar>: Debug + Send + Sync {
    /// `(φ(p; y), ∂φ/∂p (p; y))`.
    fn value_slope(&self, p: T, y: T) -> (T, T);

    /// The supremum of the second derivative over `p` and `y`, `+∞` if there is none.
    fn curvature(&self) -> T;

    /// The conjugate `sup_p u p − φ(p; y)`, `+∞` outside its domain.
    ///
    /// Be lenient by a few units in the last place at the border of the domain: the argument is a slope divided
    /// by the weight it was multiplied with.
    fn conj(&self, u: T, y: T) -> T;
}

/// The loss $F(p) = s \sum_i \omega_i\, \varphi(p_i; y_i)$.
///
/// In plain text: `F(p) = scale * sum_i weights_i * phi(p_i; y_i)`.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `scale` | 1 | finite, `> 0` | factor of the sum; [`mean`](Self::mean) sets `1/n` |
/// | `weights` | all 1 | finite, `>= 0`, length n | weight of each observation; 0 ignores it |
///
/// Every method is O(n) in time and needs no memory. The conjugate of `c φ` is `c φ*(u/c)`, and for a weight of 0
/// the indicator of `u = 0`.
#[derive(Debug, Clone, Copy)]
pub struct PointwiseLoss<'a, T, P> {
    pub(super) phi: P,
    pub(super) y: &'a [T],
    pub(super) weights: Option<&'a [T]>,
    pub(super) scale: T,
}

impl<'a, T: Scalar, P: Pointwise<T>> PointwiseLoss<'a, T, P> {
    /// The unweighted sum of `phi` over the targets `y`.
    ///
    /// # Errors
    /// [`LinalgError::Empty`] or [`LinalgError::NonFinite`] for the targets. Their range is not checked.
    pub fn of(phi: P, y: &'a [T]) -> Result<Self, LinalgError> {
        check::non_empty("targets", y.len())?;
        check::finite("targets", y)?;
        Ok(Self { phi, y, weights: None, scale: T::one() })
    }

    /// Sets the factor of the sum.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `scale` is finite and `> 0`.
    pub fn scale(mut self, scale: T) -> Result<Self, LinalgError> {
        check::positive("scale", scale)?;
        self.scale = scale;
        Ok(self)
    }

    /// Sets the factor of the sum to `1/n`.
    #[must_use]
    pub fn mean(mut self) -> Self {
        self.scale = T::of_usize(self.y.len()).recip();
        self
    }

    /// Sets the weights of the observations.
    ///
    /// # Errors
    /// [`LinalgError::Shape`], [`LinalgError::NonFinite`] or, for a negative weight, [`LinalgError::InvalidParam`].
    pub fn weights(mut self, weights: &'a [T]) -> Result<Self, LinalgError> {
        check::len("weights", self.y.len(), weights.len())?;
        check::all_non_negative("weights", weights)?;
        self.weights = Some(weights);
        Ok(self)
    }

    /// The targets.
    #[must_use]
    pub fn targets(&self) -> &'a [T] {
        self.y
    }

    /// `scale * weights_i`.
    #[inline(always)]
    pub(super) fn coefficient(&self, i: usize) -> T {
        self.weights.map_or(self.scale, |w| self.scale * w[i])
    }
}

impl<T: Scalar, P: Pointwise<T>> Loss<T> for PointwiseLoss<'_, T, P> {
    fn n_obs(&self) -> usize {
        self.y.len()
    }

    fn value(&self, pred: &[T]) -> T {
        check::dim("loss predictions", self.y.len(), pred.len());
        let phi = |i: usize| self.phi.value_slope(pred[i], self.y[i]).0;
        match self.weights {
            None => self.scale * sum_of(pred.len(), phi),
            Some(w) => self.scale * sum_of(pred.len(), |i| weighted(w[i], phi(i))),
        }
    }

    fn grad_into(&self, pred: &[T], out: &mut [T]) -> T {
        check::dim("loss predictions", self.y.len(), pred.len());
        check::dim("loss gradient", self.y.len(), out.len());
        let mut at = |i: usize| {
            let (value, slope) = self.phi.value_slope(pred[i], self.y[i]);
            out[i] = self.scale * self.weights.map_or(slope, |w| weighted(w[i], slope));
            self.weights.map_or(value, |w| weighted(w[i], value))
        };
        self.scale * sum_of(pred.len(), &mut at)
    }

    fn curvature(&self) -> T {
        self.scale * self.phi.curvature() * self.weights.map_or(T::one(), vecops::norm_inf)
    }

    fn conj_value(&self, u: &[T]) -> T {
        check::dim("loss dual point", self.y.len(), u.len());
        sum_of(u.len(), |i| {
            let c = self.coefficient(i);
            if c > T::zero() {
                c * self.phi.conj(u[i] / c, self.y[i])
            } else if u[i] == T::zero() {
                T::zero()
            } else {
                T::infinity()
            }
        })
    }
}

/// `w v`, and 0 for a weight of 0 whatever `v` is: an ignored observation may overflow.
#[inline(always)]
fn weighted<T: Scalar>(w: T, v: T) -> T {
    if w == T::zero() { T::zero() } else { w * v }
}

/// `Σ f(i)` for `i` in `0..n`, in four interleaved partial sums.
#[inline(always)]
fn sum_of<T: Scalar>(n: usize, mut f: impl FnMut(usize) -> T) -> T {
    let mut acc = [T::zero(); 4];
    for i in 0..n {
        acc[i % 4] += f(i);
    }
    (acc[0] + acc[1]) + (acc[2] + acc[3])
}

#[cfg(test)]
pub(super) mod laws {
    //! What every loss must satisfy, tried on random predictions.
    #![allow(clippy::unwrap_used)]

    use spm_linalg::testing::Rng;

    use super::*;

    /// Gradient against central differences, curvature as a Lipschitz bound, Fenchel-Young with equality at the
    /// gradient, and the conjugate as a supremum.
    pub(crate) fn check_loss<P: Pointwise<f64> + Copy>(phi: P, y: &[f64], spread: f64) {
        let mut rng = Rng::new(11);
        let n = y.len();
        let weights: Vec<f64> =
            (0..n).map(|i| if i % 3 == 1 { 0.0 } else { rng.uniform::<f64>() + 0.1 }).collect();
        let plain = PointwiseLoss::of(phi, y).unwrap();
        for loss in [plain, plain.scale(0.3).unwrap(), plain.mean().weights(&weights).unwrap()] {
            for _ in 0..20 {
                let p: Vec<f64> = rng.normals::<f64>(n).iter().map(|v| v * spread).collect();
                let q: Vec<f64> = rng.normals::<f64>(n).iter().map(|v| v * spread).collect();
                let (mut gp, mut gq) = (vec![f64::NAN; n], vec![f64::NAN; n]);
                let fp = loss.grad_into(&p, &mut gp);
                let fq = loss.grad_into(&q, &mut gq);
                assert!((fp - loss.value(&p)).abs() <= 1e-12 * fp.abs().max(1.0));
                for i in 0..n {
                    let h = 1e-5;
                    let (mut up, mut down) = (p.clone(), p.clone());
                    up[i] += h;
                    down[i] -= h;
                    let slope = (loss.value(&up) - loss.value(&down)) / (2.0 * h);
                    assert!((slope - gp[i]).abs() < 1e-6 * (1.0 + gp[i].abs()), "{slope} against {}", gp[i]);
                }
                let dg: f64 = gp.iter().zip(&gq).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                let dp: f64 = p.iter().zip(&q).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                assert!(dg <= loss.curvature() * dp * (1.0 + 1e-12));
                let inner = |u: &[f64], v: &[f64]| u.iter().zip(v).map(|(a, b)| a * b).sum::<f64>();
                let size = 1.0 + fp.abs() + fq.abs() + inner(&gp, &p).abs();
                assert!((fp + loss.conj_value(&gp) - inner(&gp, &p)).abs() < 1e-11 * size);
                assert!(fq + loss.conj_value(&gp) - inner(&gp, &q) > -1e-11 * size);
                // A dual point shrunk towards 0 stays in the domain: what a certificate relies on.
                let half: Vec<f64> = gp.iter().map(|v| 0.5 * v).collect();
                assert!(loss.conj_value(&half).is_finite());
            }
        }
    }

    #[test]
    fn a_weight_of_zero_ignores_the_observation() {
        let y = [1.0, 1.0];
        let loss = PointwiseLoss::of(super::super::PoissonPoint, &y).unwrap().weights(&[1.0, 0.0]).unwrap();
        let mut g = [f64::NAN; 2];
        assert_eq!(loss.grad_into(&[0.0, 1e9], &mut g), 1.0);
        assert_eq!(g, [0.0, 0.0]);
        assert_eq!(loss.value(&[0.0, 1e9]), 1.0);
        assert_eq!(loss.conj_value(&[0.0, 1e-9]), f64::INFINITY);
    }

    #[test]
    fn bad_targets_scales_and_weights_are_refused() {
        use super::super::SquaredPoint;
        assert!(PointwiseLoss::<f64, _>::of(SquaredPoint, &[]).is_err());
        assert!(PointwiseLoss::of(SquaredPoint, &[1.0, f64::NAN]).is_err());
        let loss = PointwiseLoss::of(SquaredPoint, &[1.0, 2.0]).unwrap();
        assert!(loss.scale(0.0).is_err());
        assert!(loss.weights(&[1.0]).is_err());
        assert!(loss.weights(&[1.0, -1.0]).is_err());
    }
}
