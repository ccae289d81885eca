#![doc = include_str!("../README.md")]

mod active;
mod changepoint;
mod cv;
mod diagnostics;
mod double;
mod error;
mod fused;
mod graph;
mod interior;
mod lambda_max;
mod multivariate;
mod n_knots;
mod pelt;
mod predict;
mod problem;
mod restricted;
mod search;
mod select;
mod series;
mod spline;
mod trend;

pub use changepoint::{ChangePoint, ChangePoints, MergeJumps};
pub use cv::{CvTrend, TrendCv};
pub use diagnostics::{Diagnostics, noise_level};
pub use error::TimeSeriesError;
pub use fused::{FittedFused, FusedLasso, Segment};
pub use graph::{FittedGraph, GraphFused};
pub use lambda_max::{fused_lambda_max, trend_lambda_max};
pub use multivariate::{FittedGroup, GroupTrend};
pub use n_knots::{KnotTrend, TrendWithKnots};
pub use pelt::Pelt;
pub use predict::{Piece, Prediction};
pub use select::{Criterion, SelectedTrend, TrendSelect};
pub use series::Series;
pub use trend::{FittedTrend, Knot, TrendFilter};
