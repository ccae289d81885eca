//! Rules that make new functions from old ones, one a file.
//!
//! | rule | function |
//! |---|---|
//! | [`Scaled`] | `a·g(x)` |
//! | [`Translated`] | `g(x − b)` |
//! | [`Tilted`] | `g(x) + ⟨c, x⟩` |
//! | [`Bounded`] | `g(x)` within bounds, `g` separable |
//! | [`SeparableSum`] | `Σ g_i(x_i)` over blocks |
//! | [`PrecomposeDiagonal`] | `g(D x)`, `D` diagonal, `g` separable |
//! | [`PrecomposeTightFrame`] | `g(A x)`, `A Aᵀ = μ I` |
//! | [`Conjugate`] | `g*(x)` |
//! | [`MoreauEnvelope`] | `min_z g(z) + ‖z − x‖²/(2γ)`, smooth |

mod bounded;
mod conjugate;
mod moreau_envelope;
mod precompose_diagonal;
mod precompose_tight_frame;
mod scaled;
mod separable_sum;
mod tilted;
mod translated;

pub use bounded::Bounded;
pub use conjugate::Conjugate;
pub use moreau_envelope::MoreauEnvelope;
pub use precompose_diagonal::PrecomposeDiagonal;
pub use precompose_tight_frame::PrecomposeTightFrame;
pub use scaled::Scaled;
pub use separable_sum::SeparableSum;
pub use tilted::Tilted;
pub use translated::Translated;

use crate::{LinalgError, Prox, Scalar};

/// Requires a function that declares convexity.
fn require_convex<T: Scalar>(g: &dyn Prox<T>) -> Result<(), LinalgError> {
    if g.facts().convex {
        return Ok(());
    }
    Err(LinalgError::MissingProperty { name: "g", expected: "a function that declares convexity" })
}
