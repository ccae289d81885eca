//! From signals to codes and back: normalisation, whitening, dictionary and coder in one.

use spm_linalg::{Scalar, check};

use super::{AnyCoder, Coder, Codes, Dictionary};
use crate::ModelError;
use crate::preprocess::{FittedWhitening, Moments, Normalizer};

/// All that turns signals into sparse codes and codes into signals; a model file holds it (feature `serde`, [`crate::file`]).
///
/// [`encode`](Self::encode): every signal is normalised by itself, whitened, then coded; [`decode`](Self::decode) is `D x`, un-whitened, with mean and
/// deviation put back. Both steps before the coder are optional. With whitening the atoms are those of white signals.
///
/// | part | default | meaning |
/// |---|---|---|
/// | `dictionary` | required | `d × K`, with `d` the length of a signal, or of a white one |
/// | `coder` | required | any of the coders of this crate |
/// | `normalizer` | none | takes off the mean of every signal, may divide by its deviation |
/// | `whitening` | none | of the normalised signals |
///
/// ```
/// use spm_models::dictionary::{Dictionary, Encoder, Omp};
/// use spm_models::preprocess::Normalizer;
/// let s = 0.5_f64.sqrt();
/// let encoder = Encoder::new(Dictionary::new(vec![s, -s], 2)?, Omp::with_k(1)).normalizer(Normalizer::new());
/// let encoded = encoder.encode(&[7.0, 3.0])?;
/// assert_eq!(encoded.codes.nnz(), 1);
/// let back = encoder.decode(&encoded)?;
/// assert!((back[0] - 7.0).abs() < 1e-12 && (back[1] - 3.0).abs() < 1e-12);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(bound(deserialize = "T: Scalar + serde::Deserialize<'de>"))
)]
#[non_exhaustive]
pub struct Encoder<T> {
    /// The dictionary.
    pub dictionary: Dictionary<T>,
    /// How signals are coded.
    pub coder: AnyCoder<T>,
    /// What is done to every signal by itself, first.
    pub normalizer: Option<Normalizer<T>>,
    /// What is done to normalised signals before they are coded.
    pub whitening: Option<FittedWhitening<T>>,
}

/// The codes of signals and what normalisation took off.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Encoded<T> {
    /// The sparse codes.
    pub codes: Codes<T>,
    /// Means and deviations; `None` without normalisation.
    pub moments: Option<Moments<T>>,
}

impl<T: Scalar> Encoder<T> {
    /// A dictionary and a coder.
    #[must_use]
    pub fn new(dictionary: Dictionary<T>, coder: impl Into<AnyCoder<T>>) -> Self {
        Self { dictionary, coder: coder.into(), normalizer: None, whitening: None }
    }

    /// Sets the normalisation of every signal.
    #[must_use]
    pub fn normalizer(mut self, normalizer: Normalizer<T>) -> Self {
        self.normalizer = Some(normalizer);
        self
    }

    /// Sets the whitening of normalised signals.
    #[must_use]
    pub fn whitening(mut self, whitening: FittedWhitening<T>) -> Self {
        self.whitening = Some(whitening);
        self
    }

    /// The length of a signal.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.whitening.as_ref().map_or(self.dictionary.dim(), FittedWhitening::dim)
    }

    /// Checks that the parts fit and their numbers are in range.
    ///
    /// # Errors
    /// [`ModelError::Linalg`] naming what is wrong.
    pub fn validate(&self) -> Result<(), ModelError> {
        self.coder.validate()?;
        if let Some(normalizer) = &self.normalizer {
            check::non_negative("floor", normalizer.floor)?;
        }
        if let Some(whitening) = &self.whitening {
            whitening.validate()?;
            check::len("atoms for white signals", whitening.white_dim(), self.dictionary.dim())?;
        }
        Ok(())
    }

    /// Codes the columns of `signals` (`dim × N`, column-major).
    ///
    /// # Errors
    /// As [`validate`](Self::validate); [`ModelError::Linalg`] for a wrong length or a NaN, naming entry and signal.
    pub fn encode(&self, signals: &[T]) -> Result<Encoded<T>, ModelError> {
        self.validate()?;
        let mut y = signals.to_vec();
        let moments = self.normalizer.map(|n| n.apply(&mut y, self.dim())).transpose()?;
        if let Some(whitening) = &self.whitening {
            y = whitening.transform(&y)?;
        }
        Ok(Encoded { codes: self.coder.code(self.dictionary.as_dense(), &y)?, moments })
    }

    /// The signals that the codes stand for, `dim × N`.
    ///
    /// # Errors
    /// As [`validate`](Self::validate); [`ModelError::Linalg`] if the codes are of another encoder.
    pub fn decode(&self, encoded: &Encoded<T>) -> Result<Vec<T>, ModelError> {
        self.validate()?;
        check::len("atoms of the codes", self.dictionary.n_atoms(), encoded.codes.n_atoms())?;
        let mut y = encoded.codes.reconstruct(self.dictionary.as_dense());
        if let Some(whitening) = &self.whitening {
            y = whitening.inverse(&y)?;
        }
        if let Some(moments) = &encoded.moments {
            moments.undo(&mut y, self.dim())?;
        }
        Ok(y)
    }
}
