//! Step sizes of gradient methods.

use spm_linalg::{LinalgError, Scalar, Smooth, Workspace, check, vecops};

use crate::SolveError;

/// How a gradient method chooses its step.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[non_exhaustive]
pub enum StepSize<T> {
    /// `1/L` where the function knows its Lipschitz constant, backtracking otherwise.
    #[default]
    Auto,
    /// `1/L` with the function's Lipschitz constant, [`SolveError::MissingBound`] if it has none.
    Lipschitz,
    /// The given step, finite and `> 0`. At most `1/L` is sure to converge.
    Fixed(T),
    /// Starts from the curvature along the first gradient and halves the step whenever the quadratic upper
    /// bound fails (Beck and Teboulle 2009, section 4); never grows it.
    Backtracking,
}

impl<T: Scalar> StepSize<T> {
    /// Requires the step of [`StepSize::Fixed`] to be finite and `> 0`.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`].
    pub fn validate(&self) -> Result<(), LinalgError> {
        match *self {
            Self::Fixed(t) => check::positive("step", t),
            _ => Ok(()),
        }
    }

    /// The first step at `x` and whether it is to be checked by backtracking.
    pub(crate) fn resolve(
        self,
        f: &dyn Smooth<T>,
        x: &[T],
        ws: &mut Workspace,
    ) -> Result<(T, bool), SolveError> {
        match (self, f.lipschitz()) {
            (Self::Fixed(t), _) => Ok((t, false)),
            (Self::Auto | Self::Lipschitz, Some(l)) => Ok((reciprocal(l), false)),
            (Self::Lipschitz, None) => {
                Err(SolveError::MissingBound { what: "Lipschitz constant of the gradient" })
            }
            (Self::Auto | Self::Backtracking, _) => {
                Ok((reciprocal(curvature_along_gradient(f, x, ws)), true))
            }
        }
    }
}

/// `1/l`, or 1 where that is not a positive number: a flat function takes any step.
fn reciprocal<T: Scalar>(l: T) -> T {
    let t = l.recip();
    if t.is_finite() && t > T::zero() { t } else { T::one() }
}

/// `‖∇f(x + h d) − ∇f(x)‖ / (h ‖d‖)` with `d = ∇f(x)`: at most the Lipschitz constant, exact to rounding along
/// `d` for a quadratic. The probe starts at 1 % of `x` (of 1 where `x` is 0) and is made shorter while the gradient
/// overflows there, longer while its change drowns in rounding.
fn curvature_along_gradient<T: Scalar>(f: &dyn Smooth<T>, x: &[T], ws: &mut Workspace) -> T {
    let n = f.dim();
    let (mut grad, mut probe, mut there) = (vec![T::zero(); n], vec![T::zero(); n], vec![T::zero(); n]);
    f.value_grad_into(x, &mut grad, ws.stack());
    let size = vecops::norm(&grad);
    if !size.is_finite() || size == T::zero() {
        return T::zero();
    }
    let reach = vecops::norm(x);
    let mut length = T::of(0.01) * if reach > T::zero() { reach } else { T::one() };
    let mut curvature = T::zero();
    for _ in 0..16 {
        for ((q, &v), &d) in probe.iter_mut().zip(x).zip(&grad) {
            *q = v - length * (d / size);
        }
        f.value_grad_into(&probe, &mut there, ws.stack());
        let change = vecops::sq_dist(&there, &grad).sqrt();
        if !change.is_finite() {
            length *= T::of(0.01);
            continue;
        }
        curvature = change / length;
        if change > T::of(1e-3) * size {
            break;
        }
        length *= T::of(1000.0);
    }
    curvature
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use spm_linalg::Dense;

    use super::*;
    use crate::loss::{LossOf, Poisson, Quadratic};

    #[test]
    fn the_probe_finds_the_curvature_of_a_quadratic_at_any_scale() {
        for scale in [1e-12_f64, 1.0, 1e12] {
            let data = [3.0 * scale, 4.0 * scale];
            let a = Dense::from_column_major(&data, 2, 1).unwrap();
            let f = LossOf::new(Quadratic::new(&[1.0, 1.0]).unwrap(), a).unwrap();
            let mut ws = Workspace::new(f.scratch());
            let (t, checked) = StepSize::Auto.resolve(&f, &[0.0], &mut ws).unwrap();
            assert!(checked && (t * 25.0 * scale * scale - 1.0).abs() < 1e-6, "{t}");
            assert!(matches!(
                StepSize::Lipschitz.resolve(&f, &[0.0], &mut ws),
                Err(SolveError::MissingBound { .. })
            ));
        }
    }

    #[test]
    fn flat_and_exploding_functions_still_get_a_step() {
        let zero = Dense::from_column_major(&[0.0], 1, 1).unwrap();
        let flat = LossOf::new(Quadratic::new(&[1.0]).unwrap(), zero).unwrap().with_norm(0.0).unwrap();
        let mut ws = Workspace::new(flat.scratch());
        assert_eq!(StepSize::Auto.resolve(&flat, &[0.0], &mut ws).unwrap(), (1.0, false));
        let steep = Dense::from_column_major(&[1e6], 1, 1).unwrap();
        let f = LossOf::new(Poisson::new(&[0.0]).unwrap(), steep).unwrap();
        let (t, checked) = StepSize::Auto.resolve(&f, &[0.0], &mut ws).unwrap();
        assert!(checked && t > 0.0 && t < 1e-3);
    }
}
