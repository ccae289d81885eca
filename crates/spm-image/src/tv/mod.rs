//! Total variation of images: what it is ([`Coupling`], [`total_variation`]) and denoising with it
//! ([`TvDenoise`]; the weight from the noise level: [`TvDiscrepancy`], [`TvSure`]; without it: [`TvSelfSupervised`]), deblurring ([`TvDeblur`]), and any other data term,
//! weights and missing pixels, in two and three dimensions ([`TvRestore`]).

mod certificate;
mod deblur;
mod denoise;
mod discrepancy;
mod fidelity;
mod golden;
mod grid;
mod kernel;
mod primal_dual;
mod restore;
mod self_supervised;
mod splitting;
mod sure;
mod tgv;
mod tgv_step;

pub use deblur::TvDeblur;
pub use denoise::{TvDenoise, TvDenoised};
pub use discrepancy::TvDiscrepancy;
pub use fidelity::Fidelity;
pub use restore::{Restored, Samples, TvRestore};
pub use self_supervised::TvSelfSupervised;
pub use sure::{TvChosen, TvSure};
pub use tgv::Tgv;

use spm_linalg::Scalar;

use crate::ImageRef;

/// Which differences of a pixel are measured together.
///
/// With `v_c`, `h_c` the vertical and horizontal forward differences of channel `c` at a pixel (0 at the far border),
/// the total variation is the sum over all pixels of one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Coupling {
    /// `Σ_c √(v_c² + h_c²)`: every channel by itself, no direction preferred. The default.
    #[default]
    Isotropic,
    /// `Σ_c |v_c| + |h_c|`: prefers edges along the axes; the channels are independent.
    Anisotropic,
    /// `√(Σ_c v_c² + h_c²)`: edges of the channels attract one another, so colours do not bleed. The same as
    /// [`Coupling::Isotropic`] for one channel.
    Vectorial,
}

/// The total variation `TV(x)` of an image, every pixel difference with weight 1.
///
/// O(C·height·width) time, no memory.
///
/// ```
/// use spm_image::{Gray, tv::{Coupling, total_variation}};
/// let img = Gray::new(2, 2, vec![0.0, 3.0, 4.0, 4.0])?;
/// assert_eq!(total_variation(img.view(), Coupling::Isotropic), 5.0 + 1.0);
/// assert_eq!(total_variation(img.view(), Coupling::Anisotropic), 7.0 + 1.0);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[must_use]
pub fn total_variation<T: Scalar, const C: usize>(x: ImageRef<'_, T, C>, coupling: Coupling) -> T {
    let (h, w) = x.size();
    let mut total = T::zero();
    for i in 0..h {
        // One partial sum a row keeps the rounding error small.
        let mut row = T::zero();
        for j in 0..w {
            let mut joint = T::zero();
            for c in 0..C {
                let p = x.plane(c);
                let k = i * w + j;
                let v = if i + 1 < h { p[k + w] - p[k] } else { T::zero() };
                let u = if j + 1 < w { p[k + 1] - p[k] } else { T::zero() };
                match coupling {
                    Coupling::Isotropic => row += v.hypot(u),
                    Coupling::Anisotropic => row += v.abs() + u.abs(),
                    Coupling::Vectorial => joint = joint.hypot(v.hypot(u)),
                }
            }
            row += joint;
        }
        total += row;
    }
    total
}
