//! A Gaussian with a shrunken covariance.

use spm_linalg::factor::{Cholesky, gram_into};
use spm_linalg::faer::MatRef;
use spm_linalg::{Dense, Scalar, check, vecops};

use super::{FLOOR, Novelty, OneClass, Precision, columns};
use crate::ModelError;

/// Learns $\mathcal N(\mu, \Sigma)$ with $\Sigma = S + \alpha \tfrac{\operatorname{tr} S}{d} I$, `S` the sample covariance.
///
/// In plain text: mean and covariance of the signals, the covariance with `shrinkage` times its mean variance added to the
/// diagonal, which makes it invertible however few signals there are. `O(N d² + d³)` time.
///
/// | option | default | range |
/// |---|---|---|
/// | `shrinkage` | 0.03 | finite, `> 0` |
/// | `precision` | [`Precision::Full`] | |
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct GaussianLearner<T = f64> {
    /// `α`.
    pub shrinkage: T,
    /// How many digits of the whitening are kept.
    pub precision: Precision,
}

impl<T: Scalar> Default for GaussianLearner<T> {
    fn default() -> Self {
        Self { shrinkage: T::of(0.03), precision: Precision::Full }
    }
}

impl<T: Scalar> GaussianLearner<T> {
    /// Sets the shrinkage.
    #[must_use]
    pub fn shrinkage(mut self, shrinkage: T) -> Self {
        self.shrinkage = shrinkage;
        self
    }

    /// Sets how many digits of the whitening are kept.
    #[must_use]
    pub fn precision(mut self, precision: Precision) -> Self {
        self.precision = precision;
        self
    }
}

/// A Gaussian: its mean and the inverse `W` of the Cholesky factor of its covariance, so that `W(x − μ)` is white.
///
/// The deviation of `x` is $\log \tfrac1d \lVert W (x - \mu) \rVert^2$: the log of the squared Mahalanobis distance over `d`.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(
    feature = "serde",
    serde(bound(
        serialize = "T: Scalar + serde::Serialize",
        deserialize = "T: Scalar + serde::Deserialize<'de>"
    ))
)]
pub struct Gaussian<T> {
    mean: Vec<T>,
    /// The lower triangle of `W`, row after row.
    #[cfg_attr(feature = "serde", serde(with = "super::precision::packed"))]
    whitening: Vec<T>,
    /// Log determinant of the covariance.
    log_det: T,
}

impl<T: Scalar> OneClass<T> for GaussianLearner<T> {
    type Model = Gaussian<T>;

    fn fit(&self, signals: &[T], dim: usize) -> Result<Gaussian<T>, ModelError> {
        check::positive("shrinkage", self.shrinkage)?;
        let n = columns(signals, dim)?;
        let count = T::of_usize(n);
        let mut mean = vec![T::zero(); dim];
        for y in signals.chunks_exact(dim) {
            vecops::axpy(T::one(), y, &mut mean);
        }
        vecops::scale(count.recip(), &mut mean);
        let mut centred = signals.to_vec();
        for y in centred.chunks_exact_mut(dim) {
            vecops::axpy(-T::one(), &mean, y);
        }
        let mut covariance = vec![T::zero(); dim * dim];
        gram_into(MatRef::from_column_major_slice(&centred, dim, n).transpose(), &mut covariance)?;
        vecops::scale(count.recip(), &mut covariance);
        let trace = (0..dim).map(|j| covariance[j * (dim + 1)]).sum::<T>();
        let ridge = (self.shrinkage * trace / T::of_usize(dim)).max(T::of(FLOOR));
        for j in 0..dim {
            covariance[j * (dim + 1)] += ridge;
        }
        let factor = Cholesky::from_column_major(&covariance, dim)?;
        let log_det = (0..dim).map(|j| factor.l()[(j, j)].ln()).sum::<T>() * T::of(2.0);
        // Column j of the inverse of a lower triangle has its non-zeros from j on.
        let mut whitening = vec![T::zero(); dim * (dim + 1) / 2];
        let mut column = vec![T::zero(); dim];
        for j in 0..dim {
            column.fill(T::zero());
            column[j] = T::one();
            factor.solve_lower_in_place(&mut column);
            for (i, &v) in column.iter().enumerate().skip(j) {
                whitening[i * (i + 1) / 2 + j] = v;
            }
        }
        self.precision.round(&mut whitening);
        Ok(Gaussian { mean, whitening, log_det })
    }
}

impl<T: Scalar> Gaussian<T> {
    /// The mean.
    #[must_use]
    pub fn mean(&self) -> &[T] {
        &self.mean
    }

    /// Whether the parts fit together and all numbers are finite: what a file must be asked.
    ///
    /// # Errors
    /// [`spm_linalg::LinalgError`] naming what is wrong.
    pub fn validate(&self) -> Result<(), ModelError> {
        let d = self.mean.len();
        check::non_empty("mean", d)?;
        check::len("whitening", d.saturating_mul(d + 1) / 2, self.whitening.len())?;
        check::finite("mean", &self.mean)?;
        check::finite("whitening", &self.whitening)?;
        check::finite("log determinant", &[self.log_det])?;
        Ok(())
    }
}

/// From this many signals on, one matrix product beats the rows one by one.
const BLOCK: usize = 4;

impl<T: Scalar> Novelty<T> for Gaussian<T> {
    fn dim(&self) -> usize {
        self.mean.len()
    }

    fn deviations_into(&self, signals: &[T], out: &mut [T]) -> Result<(), ModelError> {
        let d = self.mean.len();
        check::len("signals", d * out.len(), signals.len())?;
        let mut centred = signals.to_vec();
        for y in centred.chunks_exact_mut(d) {
            vecops::axpy(-T::one(), &self.mean, y);
        }
        let rows = (0..d).map(|i| &self.whitening[i * (i + 1) / 2..][..=i]);
        if out.len() < BLOCK {
            out.fill(T::zero());
            for (i, row) in rows.enumerate() {
                for (o, y) in out.iter_mut().zip(centred.chunks_exact(d)) {
                    let v = vecops::dot(row, &y[..=i]);
                    *o += v * v;
                }
            }
        } else {
            let mut transposed = vec![T::zero(); d * d];
            for (column, row) in transposed.chunks_exact_mut(d).zip(rows) {
                column[..row.len()].copy_from_slice(row);
            }
            let mut white = vec![T::zero(); centred.len()];
            Dense::from_column_major(&transposed, d, d)?.apply_adjoint_block(&centred, out.len(), &mut white);
            for (o, w) in out.iter_mut().zip(white.chunks_exact(d)) {
                *o = vecops::sq_norm(w);
            }
        }
        let scale = T::of_usize(d).recip();
        for o in out.iter_mut() {
            *o = (*o * scale).max(T::of(FLOOR)).ln();
        }
        check::finite("deviation of a signal", out)?;
        Ok(())
    }

    /// `−½(d·exp(deviation) + log det Σ + d log 2π)`.
    fn log_density(&self, deviation: T) -> Option<T> {
        let d = T::of_usize(self.mean.len());
        Some(-T::of(0.5) * (d * deviation.exp() + self.log_det + d * T::of(core::f64::consts::TAU.ln())))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use spm_linalg::testing::Rng;

    use super::*;

    /// `xᵀ A⁻¹ x` and `log det A` of a symmetric positive definite matrix by Gaussian elimination.
    fn quadratic(a: &[f64], x: &[f64]) -> (f64, f64) {
        let d = x.len();
        let (mut a, mut b) = (a.to_vec(), x.to_vec());
        let mut log_det = 0.0;
        for k in 0..d {
            log_det += a[k * d + k].ln();
            for i in k + 1..d {
                let f = a[i * d + k] / a[k * d + k];
                (k..d).for_each(|j| a[i * d + j] -= f * a[k * d + j]);
                b[i] -= f * b[k];
            }
        }
        for i in (0..d).rev() {
            b[i] = (b[i] - (i + 1..d).map(|j| a[i * d + j] * b[j]).sum::<f64>()) / a[i * d + i];
        }
        (x.iter().zip(&b).map(|(x, b)| x * b).sum(), log_det)
    }

    /// Deviations and densities against sums over signals and elimination, for more and for fewer signals than values.
    fn agrees_with_the_definition<T: Scalar>(tol: f64) {
        let (d, shrinkage) = (7, 0.1);
        let mut rng = Rng::new(1);
        for n in [3, 40] {
            let mut signals: Vec<f64> = (0..n * d).map(|_| rng.normal()).collect();
            signals.chunks_exact_mut(d).for_each(|y| y[1] = 0.5 * y[0] + 0.1 * y[1] + 2.0);
            let mean: Vec<f64> =
                (0..d).map(|j| signals.iter().skip(j).step_by(d).sum::<f64>() / n as f64).collect();
            let mut covariance = vec![0.0; d * d];
            for y in signals.chunks_exact(d) {
                for k in 0..d * d {
                    let (i, j) = (k / d, k % d);
                    covariance[k] += (y[i] - mean[i]) * (y[j] - mean[j]) / n as f64;
                }
            }
            let trace: f64 = (0..d).map(|j| covariance[j * d + j]).sum();
            (0..d).for_each(|j| covariance[j * d + j] += shrinkage * trace / d as f64);
            let cast = |v: &[f64]| v.iter().map(|&v| T::of(v)).collect::<Vec<T>>();
            let model =
                GaussianLearner::default().shrinkage(T::of(shrinkage)).fit(&cast(&signals), d).unwrap();
            model.validate().unwrap();
            let probes: Vec<f64> = (0..6 * d).map(|_| 2.0 * rng.normal::<f64>()).collect();
            let mut together = vec![T::zero(); 6];
            model.deviations_into(&cast(&probes), &mut together).unwrap();
            for (probe, &deviation) in probes.chunks_exact(d).zip(&together) {
                let centred: Vec<f64> = probe.iter().zip(&mean).map(|(p, m)| p - m).collect();
                let (square, log_det) = quadratic(&covariance, &centred);
                let expected = (square / d as f64).ln();
                assert!((deviation.as_f64() - expected).abs() < tol, "{deviation} {expected}");
                let density = -0.5 * (square + log_det + d as f64 * core::f64::consts::TAU.ln());
                let found = model.log_density(deviation).unwrap().as_f64();
                assert!((found - density).abs() < tol * density.abs().max(square), "{found} {density}");
                // One alone takes the other branch.
                let mut alone = [T::zero()];
                model.deviations_into(&cast(probe), &mut alone).unwrap();
                assert!((alone[0] - deviation).as_f64().abs() < tol);
            }
        }
    }

    #[test]
    fn deviations_are_mahalanobis_distances() {
        agrees_with_the_definition::<f64>(1e-10);
        agrees_with_the_definition::<f32>(2e-4);
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_constant_signals_are_not() {
        let learner = GaussianLearner::<f64>::default();
        assert!(learner.fit(&[], 2).is_err() && learner.fit(&[1.0; 3], 2).is_err());
        assert!(learner.fit(&[1.0, f64::NAN], 2).is_err() && learner.fit(&[1.0], 0).is_err());
        assert!(learner.shrinkage(0.0).fit(&[1.0, 2.0], 1).is_err());
        let flat = learner.fit(&[0.5; 8], 2).unwrap();
        let mut out = [0.0; 2];
        flat.deviations_into(&[0.5, 0.5, 0.6, 0.5], &mut out).unwrap();
        assert!(out[0] < out[1] && out.iter().all(|v| v.is_finite()), "{out:?}");
        assert!(flat.deviations_into(&[0.5; 3], &mut out).is_err());
    }
}
