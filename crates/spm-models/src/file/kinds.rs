//! The kinds of model that can be saved.

use serde::Serialize;
use serde::de::DeserializeOwned;
use spm_linalg::{Scalar, check};

use super::Shape;
use crate::dictionary::Encoder;
use crate::preprocess::FittedWhitening;
use crate::{Dictionary, GlmModel, LinearModel, ModelError, MultiTaskModel};

/// A model that can be saved.
///
/// To add a kind, give it a number of its own (downstream crates: 1000 and up), say what its arrays are called, and check
/// in [`validate`](Self::validate) everything the methods of the model rely on: a file can hold anything.
pub trait Model: Serialize + DeserializeOwned {
    /// The number of this kind; never reused.
    const KIND: u32;
    /// What it is called.
    const NAME: &'static str;
    /// Bytes of one number: 4 or 8.
    const SCALAR_BYTES: usize;

    /// Names and shapes of the arrays, rows first.
    fn shapes(&self) -> Vec<Shape>;

    /// Whether the model makes sense: dimensions fit, all numbers are finite and in their domain.
    ///
    /// # Errors
    /// [`ModelError`] naming what is wrong.
    fn validate(&self) -> Result<(), ModelError>;
}

impl<T: Scalar + Serialize + DeserializeOwned> Model for LinearModel<T> {
    const KIND: u32 = 1;
    const NAME: &'static str = "linear model";
    const SCALAR_BYTES: usize = size_of::<T>();

    fn shapes(&self) -> Vec<Shape> {
        vec![Shape::new("coef", &[self.coef.len()])]
    }

    fn validate(&self) -> Result<(), ModelError> {
        Self::validate(self)
    }
}

impl<T: Scalar + Serialize + DeserializeOwned> Model for MultiTaskModel<T> {
    const KIND: u32 = 5;
    const NAME: &'static str = "linear model of several targets";
    const SCALAR_BYTES: usize = size_of::<T>();

    fn shapes(&self) -> Vec<Shape> {
        let t = self.intercept.len();
        vec![Shape::new("coef", &[self.coef.len() / t.max(1), t]), Shape::new("intercept", &[t])]
    }

    fn validate(&self) -> Result<(), ModelError> {
        Self::validate(self)
    }
}

impl<T: Scalar + Serialize + DeserializeOwned> Model for GlmModel<T> {
    const KIND: u32 = 4;
    const NAME: &'static str = "generalized linear model";
    const SCALAR_BYTES: usize = size_of::<T>();

    fn shapes(&self) -> Vec<Shape> {
        vec![Shape::new("coef", &[self.predictor.coef.len()])]
    }

    fn validate(&self) -> Result<(), ModelError> {
        Self::validate(self)
    }
}

/// Decoding goes through [`Dictionary::new`], so that no dictionary without unit norms exists.
impl<T: Scalar + Serialize + DeserializeOwned> Model for Dictionary<T> {
    const KIND: u32 = 2;
    const NAME: &'static str = "dictionary";
    const SCALAR_BYTES: usize = size_of::<T>();

    fn shapes(&self) -> Vec<Shape> {
        vec![Shape::new("atoms", &[self.dim(), self.n_atoms()])]
    }

    fn validate(&self) -> Result<(), ModelError> {
        check::finite("dictionary", self.atoms())?;
        Ok(())
    }
}

impl<T: Scalar + Serialize + DeserializeOwned> Model for FittedWhitening<T> {
    const KIND: u32 = 40;
    const NAME: &'static str = "whitening";
    const SCALAR_BYTES: usize = size_of::<T>();

    fn shapes(&self) -> Vec<Shape> {
        let (dim, k) = (self.dim(), self.deviations.len());
        vec![Shape::new("mean", &[dim]), Shape::new("deviations", &[k]), Shape::new("directions", &[dim, k])]
    }

    fn validate(&self) -> Result<(), ModelError> {
        Self::validate(self)
    }
}

/// A dictionary with coder, normalisation and whitening.
impl<T: Scalar + Serialize + DeserializeOwned> Model for Encoder<T> {
    const KIND: u32 = 3;
    const NAME: &'static str = "encoder";
    const SCALAR_BYTES: usize = size_of::<T>();

    fn shapes(&self) -> Vec<Shape> {
        let mut shapes = self.dictionary.shapes();
        shapes.extend(self.whitening.iter().flat_map(Model::shapes));
        shapes
    }

    fn validate(&self) -> Result<(), ModelError> {
        Model::validate(&self.dictionary)?;
        Self::validate(self)
    }
}
