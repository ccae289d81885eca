#![doc = include_str!("../README.md")]

mod double;
mod error;
mod fused;
mod interior;
mod lambda_max;
mod problem;
mod series;
mod spline;
mod trend;

pub use error::TimeSeriesError;
pub use fused::{FittedFused, FusedLasso, Segment};
pub use lambda_max::{fused_lambda_max, trend_lambda_max};
pub use series::Series;
pub use trend::{FittedTrend, Knot, TrendFilter};
