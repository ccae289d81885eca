//! Whitening by principal components.

use spm_linalg::factor::ThinSvd;
use spm_linalg::{Dense, LinalgError, LinearOperator, Scalar, check};

use crate::ModelError;

/// What to do with directions in which the signals hardly vary.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum Thresholding<T> {
    /// Nothing. Directions in which they do not vary at all are refused.
    #[default]
    None,
    /// Leave out directions with a standard deviation of at most this.
    Drop(T),
    /// Add this to every standard deviation.
    Regularize(T),
}

/// Whitening: signals become uncorrelated, of mean 0 and variance 1 in every direction.
///
/// PCA: $t = S^{-1} V (y - m)$; ZCA: $t = V^\top S^{-1} V (y - m)$, with the mean `m`, the principal directions as rows of `V` and the standard
/// deviations `S` along them. In plain text: centre, turn to principal axes, divide by the standard deviations, and for ZCA turn
/// back, so that the result looks as much like the signal as a white one can.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `zca` | false | | whether to turn back |
/// | `unbiased` | true | | standard deviations over `N − 1` instead of `N` |
/// | `thresholding` | [`Thresholding::None`] | its number finite, `>= 0` | directions in which the signals hardly vary |
///
/// Time `O(N d min(N, d))` to fit, `O(d k)` a signal to apply, with `k <= min(N, d)` directions.
///
/// Source: Bell, Sejnowski 1997 (ZCA); the options are those of spm-image's `WhiteningScaler`.
///
/// ```
/// use spm_models::preprocess::Whitening;
/// let y = [1.0, 0.0, -1.0, 0.0, 0.0, 2.0, 0.0, -2.0_f64];
/// let white = Whitening::new().zca(true).fit(&y, 2)?;
/// let t = white.transform(&y)?;
/// assert!((t[0].powi(2) + t[2].powi(2) - 3.0).abs() < 1e-12);
/// let back = white.inverse(&t)?;
/// assert!(back.iter().zip(&y).all(|(a, b)| (a - b).abs() < 1e-12));
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Whitening<T> {
    /// Whether to turn back from principal axes.
    pub zca: bool,
    /// Whether variances divide by `N − 1`.
    pub unbiased: bool,
    /// Directions in which the signals hardly vary.
    pub thresholding: Thresholding<T>,
}

/// A whitening transform and its inverse.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct FittedWhitening<T> {
    /// The mean signal, length `d`.
    pub mean: Vec<T>,
    /// What is divided by along each direction, non-increasing, length `k`.
    pub deviations: Vec<T>,
    /// The directions, orthonormal, `d × k` column-major.
    pub directions: Vec<T>,
    /// Whether the transform turns back from principal axes.
    pub zca: bool,
}

impl<T: Scalar> Default for Whitening<T> {
    fn default() -> Self {
        Self { zca: false, unbiased: true, thresholding: Thresholding::None }
    }
}

impl<T: Scalar> Whitening<T> {
    /// PCA whitening, unbiased, without thresholding.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether to turn back from principal axes.
    #[must_use]
    pub fn zca(mut self, on: bool) -> Self {
        self.zca = on;
        self
    }

    /// Sets whether variances divide by `N − 1`.
    #[must_use]
    pub fn unbiased(mut self, on: bool) -> Self {
        self.unbiased = on;
        self
    }

    /// Sets what to do with directions in which the signals hardly vary.
    #[must_use]
    pub fn thresholding(mut self, thresholding: Thresholding<T>) -> Self {
        self.thresholding = thresholding;
        self
    }

    /// Finds mean, directions and deviations of the columns of `signals` (`dim × N`).
    ///
    /// # Errors
    /// [`LinalgError::Empty`] or [`LinalgError::Shape`] for a wrong size (one signal has no unbiased variance), [`LinalgError::NonFiniteAt`] naming
    /// entry and signal, [`LinalgError::InvalidParam`] for a bad threshold or, without one, if the signals do not vary in some
    /// direction, [`LinalgError::NoConvergence`].
    pub fn fit(&self, signals: &[T], dim: usize) -> Result<FittedWhitening<T>, ModelError> {
        check::non_empty("signals", dim.min(signals.len()))?;
        check::len("signals", signals.len() / dim * dim, signals.len())?;
        if let Thresholding::Drop(eps) | Thresholding::Regularize(eps) = self.thresholding {
            check::non_negative("threshold of whitening", eps)?;
        }
        if let Err(LinalgError::NonFinite { what, index }) = check::finite("signals", signals) {
            return Err(LinalgError::NonFiniteAt { what, row: index % dim, col: index / dim }.into());
        }
        let n = signals.len() / dim;
        let count = n - usize::from(self.unbiased);
        check::non_empty("signals of an unbiased whitening but one", count)?;
        let mut mean = vec![T::zero(); dim];
        for y in signals.chunks_exact(dim) {
            mean.iter_mut().zip(y).for_each(|(m, &v)| *m += v);
        }
        mean.iter_mut().for_each(|m| *m /= T::of_usize(n));
        let root = T::of_usize(count).sqrt();
        let centred: Vec<T> = signals
            .chunks_exact(dim)
            .flat_map(|y| y.iter().zip(&mean).map(|(&v, &m)| (v - m) / root))
            .collect();
        let svd = ThinSvd::from_column_major(&centred, dim, n)?;
        let rounding = svd.s()[0] * T::epsilon() * T::of_usize(dim.max(n));
        let deviations: Vec<T> = match self.thresholding {
            Thresholding::None => svd.s().to_vec(),
            Thresholding::Drop(eps) => svd.s().iter().copied().filter(|&s| s > eps).collect(),
            Thresholding::Regularize(eps) => svd.s().iter().map(|&s| s + eps).collect(),
        };
        if let Some(&s) = deviations.iter().find(|&&s| s <= rounding) {
            let (name, expected) = ("smallest standard deviation", "> 0: drop or regularize such directions");
            return Err(LinalgError::InvalidParam { name, expected, got: s.as_f64() }.into());
        }
        check::non_empty("directions above the threshold", deviations.len())?;
        let directions = (0..deviations.len()).flat_map(|j| svd.u().col(j).iter().copied()).collect();
        Ok(FittedWhitening { mean, deviations, directions, zca: self.zca })
    }
}

impl<T: Scalar> FittedWhitening<T> {
    /// The length of a signal, `d`.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.mean.len()
    }

    /// The length of a transformed signal: the number of directions, or `d` for ZCA.
    #[must_use]
    pub fn white_dim(&self) -> usize {
        if self.zca { self.dim() } else { self.deviations.len() }
    }

    /// The white form of the columns of `signals` (`d × N`), `white_dim() × N`.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if the length is no multiple of `d`.
    pub fn transform(&self, signals: &[T]) -> Result<Vec<T>, ModelError> {
        let (dim, k) = (self.dim(), self.deviations.len());
        check::non_empty("whitening", dim.min(k))?;
        check::len("signals", signals.len() / dim * dim, signals.len())?;
        let centred: Vec<T> =
            signals.chunks_exact(dim).flat_map(|y| y.iter().zip(&self.mean).map(|(&v, &m)| v - m)).collect();
        let mut out = self.along_axes(&centred)?;
        for t in out.chunks_exact_mut(k) {
            t.iter_mut().zip(&self.deviations).for_each(|(t, &s)| *t /= s);
        }
        if self.zca { self.off_axes(&out) } else { Ok(out) }
    }

    /// The signals of white ones (`white_dim() × N`): exact if no direction was dropped, else what the directions kept say.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if the length is no multiple of `white_dim()`.
    pub fn inverse(&self, white: &[T]) -> Result<Vec<T>, ModelError> {
        let (width, k) = (self.white_dim(), self.deviations.len());
        check::non_empty("whitening", width.min(k))?;
        check::len("white signals", white.len() / width * width, white.len())?;
        let mut t = if self.zca { self.along_axes(white)? } else { white.to_vec() };
        for t in t.chunks_exact_mut(k) {
            t.iter_mut().zip(&self.deviations).for_each(|(t, &s)| *t *= s);
        }
        let mut out = self.off_axes(&t)?;
        for y in out.chunks_exact_mut(self.dim()) {
            y.iter_mut().zip(&self.mean).for_each(|(v, &m)| *v += m);
        }
        Ok(out)
    }

    fn along_axes(&self, y: &[T]) -> Result<Vec<T>, ModelError> {
        let directions = Dense::from_column_major(&self.directions, self.dim(), self.deviations.len())?;
        let n = y.len() / self.dim();
        let mut out = vec![T::zero(); n * directions.ncols()];
        directions.apply_adjoint_block(y, n, &mut out);
        Ok(out)
    }

    fn off_axes(&self, t: &[T]) -> Result<Vec<T>, ModelError> {
        let directions = Dense::from_column_major(&self.directions, self.dim(), self.deviations.len())?;
        let n = t.len() / self.deviations.len();
        let mut out = vec![T::zero(); n * self.dim()];
        directions.apply_block(t, n, &mut out);
        Ok(out)
    }

    /// Whether lengths fit, numbers are finite, and deviations are positive.
    pub(crate) fn validate(&self) -> Result<(), ModelError> {
        let k = self.deviations.len();
        check::non_empty("whitening", self.dim().min(k))?;
        check::len("directions", self.dim().saturating_mul(k), self.directions.len())?;
        check::finite("mean", &self.mean)?;
        check::finite("directions", &self.directions)?;
        self.deviations.iter().try_for_each(|&s| check::positive("deviation", s))?;
        Ok(())
    }
}
