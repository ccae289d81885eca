//! Normalisation of every signal by itself.

use spm_linalg::{LinalgError, Scalar, check};

/// Takes the mean off every signal and, if asked to, divides it by its standard deviation; [`Moments::undo`] is the inverse.
///
/// $y_i \leftarrow (y_i - m_i)/s_i$ with the mean $m_i$ and the standard deviation $s_i$ of the known entries of signal `i` (the root of the
/// mean squared deviation). In plain text: as said. Unknown entries have no influence and are left as they are; a constant signal (its
/// deviation at most `floor`) is only centred, and one of which nothing is known stays.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `scale` | false | | whether to divide by the standard deviation |
/// | `floor` | 0 | finite, `>= 0` | signals with at most this standard deviation are not divided |
///
/// Time and memory `O(d N)` and `O(N)`.
///
/// ```
/// use spm_models::preprocess::Normalizer;
/// let mut y = [1.0, 3.0, 5.0, 5.0];
/// let moments = Normalizer::new().scale(true).apply(&mut y, 2)?;
/// assert_eq!(y, [-1.0, 1.0, 0.0, 0.0]);
/// moments.undo(&mut y, 2)?;
/// assert_eq!(y, [1.0, 3.0, 5.0, 5.0]);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Normalizer<T> {
    /// Whether to divide by the standard deviation.
    pub scale: bool,
    /// Signals with at most this standard deviation are not divided.
    pub floor: T,
}

/// The mean of every signal and what it was divided by.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Moments<T> {
    /// The means, 0 where nothing is known.
    pub mean: Vec<T>,
    /// The divisors: standard deviations, or 1.
    pub deviation: Vec<T>,
}

impl<T: Scalar> Default for Normalizer<T> {
    fn default() -> Self {
        Self { scale: false, floor: T::zero() }
    }
}

impl<T: Scalar> Normalizer<T> {
    /// Centring alone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets whether to divide by the standard deviation.
    #[must_use]
    pub fn scale(mut self, on: bool) -> Self {
        self.scale = on;
        self
    }

    /// Sets the standard deviation up to which signals are not divided.
    #[must_use]
    pub fn floor(mut self, floor: T) -> Self {
        self.floor = floor;
        self
    }

    /// Normalises the columns of `signals` (`dim × N`) in place.
    ///
    /// # Errors
    /// [`LinalgError::Empty`] for `dim = 0`, [`LinalgError::Shape`] if the length is no multiple of `dim`, [`LinalgError::NonFiniteAt`] naming entry
    /// and signal, [`LinalgError::InvalidParam`] for a bad `floor`. The signals are then as before.
    pub fn apply(&self, signals: &mut [T], dim: usize) -> Result<Moments<T>, LinalgError> {
        self.run(signals, None, dim)
    }

    /// As [`apply`](Self::apply), from the entries where `known`, of the same length, is true.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), a NaN counting only where `known`.
    pub fn apply_masked(
        &self,
        signals: &mut [T],
        known: &[bool],
        dim: usize,
    ) -> Result<Moments<T>, LinalgError> {
        check::len("known entries", signals.len(), known.len())?;
        self.run(signals, Some(known), dim)
    }

    fn run(&self, signals: &mut [T], known: Option<&[bool]>, dim: usize) -> Result<Moments<T>, LinalgError> {
        check::non_negative("floor", self.floor)?;
        check::non_empty("signal", dim)?;
        check::len("signals", signals.len() / dim * dim, signals.len())?;
        let shown = |i: usize| known.is_none_or(|known| known[i]);
        if let Some(i) = (0..signals.len()).find(|&i| shown(i) && !signals[i].is_finite()) {
            return Err(LinalgError::NonFiniteAt { what: "signals", row: i % dim, col: i / dim });
        }
        let n = signals.len() / dim;
        let mut moments = Moments { mean: Vec::with_capacity(n), deviation: Vec::with_capacity(n) };
        for (i, y) in signals.chunks_exact_mut(dim).enumerate() {
            let at = |f: &usize| shown(i * dim + f);
            let count = T::of_usize((0..dim).filter(at).count().max(1));
            let mean = (0..dim).filter(at).map(|f| y[f]).sum::<T>() / count;
            let square = (0..dim).filter(at).map(|f| (y[f] - mean) * (y[f] - mean)).sum::<T>() / count;
            let deviation = square.sqrt();
            let divisor = if self.scale && deviation > self.floor { deviation } else { T::one() };
            for f in (0..dim).filter(at) {
                y[f] = (y[f] - mean) / divisor;
            }
            moments.mean.push(mean);
            moments.deviation.push(divisor);
        }
        Ok(moments)
    }
}

impl<T: Scalar> Moments<T> {
    /// Puts deviation and mean back, in all entries: `y ← y·s + m`. Fits reconstructions of the normalised signals as well.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] if there are not as many signals of length `dim`.
    pub fn undo(&self, signals: &mut [T], dim: usize) -> Result<(), LinalgError> {
        check::non_empty("signal", dim)?;
        check::len("signals", self.mean.len() * dim, signals.len())?;
        for ((y, &mean), &deviation) in signals.chunks_exact_mut(dim).zip(&self.mean).zip(&self.deviation) {
            y.iter_mut().for_each(|v| *v = *v * deviation + mean);
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn round_trip<T: Scalar>() {
        let values = [1.0, 2.0, 6.0, 4.0, 4.0, 4.0, 0.0, 9.0, 9.0, 7.0, 7.0, 7.0];
        let known = [true, true, true, true, true, true, true, false, true, false, false, false];
        let before: Vec<T> = values.iter().map(|&v| T::of(v)).collect();
        let close = |a: &[T], b: &[T]| a.iter().zip(b).all(|(a, b)| (*a - *b).abs() < T::of(1e-5));
        for scale in [false, true] {
            let normalizer = Normalizer::new().scale(scale);
            let mut y = before.clone();
            let moments = normalizer.apply(&mut y, 3).unwrap();
            assert_eq!(moments.mean[0], T::of(3.0));
            assert_eq!(&y[3..6], &[T::zero(); 3], "constant");
            assert!(y.chunks(3).all(|y| y.iter().copied().sum::<T>().abs() < T::of(1e-5)));
            if scale {
                assert!((y[..3].iter().map(|&v| v * v).sum::<T>() - T::of(3.0)).abs() < T::of(1e-5));
            }
            moments.undo(&mut y, 3).unwrap();
            assert!(close(&y, &before));
            // Known entries alone, whatever the others are.
            let mut y = before.clone();
            y.iter_mut().zip(&known).filter(|(_, k)| !**k).for_each(|(v, _)| *v = T::nan());
            let moments = normalizer.apply_masked(&mut y, &known, 3).unwrap();
            assert_eq!(moments.mean[2], T::of(4.5));
            assert_eq!((moments.mean[3], moments.deviation[3]), (T::zero(), T::one()));
            assert!(y.iter().zip(&known).all(|(v, &k)| v.is_nan() != k));
            moments.undo(&mut y, 3).unwrap();
            assert!(y.iter().zip(&before).all(|(a, b)| a.is_nan() || (*a - *b).abs() < T::of(1e-5)));
        }
    }

    #[test]
    fn undo_is_the_inverse() {
        round_trip::<f64>();
        round_trip::<f32>();
    }

    #[test]
    fn bad_input_changes_nothing() {
        let mut y = [1.0, f64::NAN, 2.0, 3.0];
        let at = LinalgError::NonFiniteAt { what: "signals", row: 1, col: 0 };
        assert_eq!(Normalizer::new().apply(&mut y, 2), Err(at));
        assert_eq!((y[0], y[2], y[3]), (1.0, 2.0, 3.0));
        assert!(Normalizer::new().apply(&mut y, 3).is_err());
        assert!(Normalizer::new().apply(&mut y, 0).is_err());
        assert!(Normalizer::new().floor(-1.0).apply(&mut [1.0], 1).is_err());
        assert!(Normalizer::new().apply_masked(&mut y, &[true], 2).is_err());
        let moments = Normalizer::new().apply(&mut [1.0, 2.0], 2).unwrap();
        assert!(moments.undo(&mut [0.0; 4], 2).is_err());
    }
}
