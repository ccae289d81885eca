//! Defect detection: from images of good parts to a decision with a picture.
//!
//! [`Inspector::train`] learns what good parts look like from good parts alone; [`InspectionModel::score`] says of each image how
//! strange it is, with the chance that a good part is as strange, and [`InspectionModel::localize`] where.
//!
//! 1. [`Preparation`]: means over blocks of pixels, divided by the median brightness. Optionally parts are brought over one
//!    another ([`Registration`]).
//! 2. Experts: [`Detector`]s that each have a [`View`] of the planes: without the medians of rows and columns, these medians
//!    alone, or the planes as they are ([`Light`]). A detector models the patch at every place of a grid by a Gaussian, by a small dictionary, or both
//!    ([`Method`]); or one model holds for all places ([`Scope`]). Which of the two is decided by which gives the
//!    higher density to good parts it has not seen.
//! 3. Calibration: the good parts are dealt into folds, and each is judged by a detector that has not seen its fold. From these
//!    maps come the mean and deviation at every place, a z map of every image, the mean of its top share as the
//!    score, and the [`Calibration`] that turns scores into p-values and a rate of false alarms into a threshold.
//!
//! 4. With examples of defective parts, a [`SecondStage`] on top, if it does better on parts held out.
//!
//! Everything a detector computes is `f32`: an image has 8 to 16 bits, and a model is half as large.
//!
//! ```
//! use spm_image::Gray;
//! use spm_image::inspect::Inspector;
//! // Parts with a bright bar, each with other noise.
//! let part = |seed: usize| {
//!     let value = |k: usize| if k / 24 % 24 < 12 { 0.7 } else { 0.4 } + ((k * 7919 + seed * 104_729) % 1009) as f64 * 5e-5;
//!     (0..24 * 24).map(value).collect::<Vec<f64>>()
//! };
//! let inspector = Inspector::default();
//! let preparation = inspector.preparation((24, 24), 1)?;
//! let planes = |data| preparation.apply(Gray::new(24, 24, data)?.view());
//! let good = (0..20).map(|seed| planes(part(seed))).collect::<Result<Vec<_>, _>>()?;
//! let model = inspector.train(preparation, &good, &mut |_, _| ())?;
//! let mut scratched = part(99);
//! (0..20).for_each(|i| scratched[(i + 2) * 24 + i] = 0.2);
//! let found = model.score(&[planes(part(98))?, planes(scratched)?])?;
//! assert!(!found[0].defective && found[1].defective);
//! # Ok::<(), spm_image::ImageError>(())
//! ```

mod additive;
mod appearance;
mod calibration;
mod detector;
mod explain;
mod inspector;
mod model;
mod planes;
mod regions;
mod registration;
mod second_stage;
mod view;
mod zscore;

pub use calibration::{Calibration, Threshold};
pub use detector::{AnyDetector, Detector, Lattice, Map, PatchDetector, Scope};
pub use explain::{Explanation, Reconstruction};
pub use inspector::{Inspector, Light, Method};
pub use model::{Expert, Finding, InspectionModel, Localization};
pub use planes::{Planes, Preparation};
pub use regions::Region;
pub use registration::Registration;
pub use second_stage::{Comparison, HeldOut, SecondStage};
pub use view::View;
