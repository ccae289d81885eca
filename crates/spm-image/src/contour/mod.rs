//! Outlines of shapes and their curvature.
//!
//! [`Outline`] finds the outline of the largest shape in an image as a closed sub-pixel curve, [`Curvature`] turns a
//! [`Contour`] into curvature along arc length and into its parts: corners, circular arcs with radii, straight parts.

mod arc_shape;
mod arcs;
mod curvature;
mod level;
mod merge;
mod outline;
mod refine;

pub use arc_shape::ArcShape;
pub use arcs::{Part, PartKind};
pub use curvature::{Curvature, CurvatureProfile};
pub use level::otsu_level;
pub use outline::{Contour, Outline};
