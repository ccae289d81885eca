//! The x-update of a separable quadratic under a banded operator.

use spm_linalg::factor::BandedCholesky;
use spm_linalg::{LinalgError, LinearOperator, Scalar, Workspace, check, vecops};

use super::{Scales, XUpdate};
use crate::SolveError;

/// For `f(x) = ½ Σ w_j (x_j − b_j)²` and `K` with a banded `KᵀK`, a difference operator say: banded Cholesky of
/// `diag(w) + rho KᵀK`.
///
/// Weights of 0 are missing values, as long as the rest determines them. With half bandwidth `h` (the order of the
/// difference) construction costs `2h + 1` products with `K` and its adjoint, a change of `rho` O(n h²), a solve O(n h);
/// memory O(n h).
///
/// Source: Golub and Van Loan 2013, *Matrix Computations*, section 4.3.
#[derive(Debug)]
pub struct BandedUpdate<T: Scalar> {
    weights: Vec<T>,
    linear: Vec<T>,
    ktk: Vec<T>,
    band: Vec<T>,
    width: usize,
    factor: BandedCholesky<T>,
}

impl<T: Scalar> BandedUpdate<T> {
    /// Reads the band of `KᵀK`, `half_bandwidth` subdiagonals, off products with `K`.
    ///
    /// # Errors
    /// [`SolveError::Linalg`] unless weights are finite and `>= 0`, `b` is finite and as long, the columns of `k` as many,
    /// and `KᵀK` has no entries outside the band.
    pub fn new(
        weights: &[T],
        b: &[T],
        k: &dyn LinearOperator<T>,
        half_bandwidth: usize,
    ) -> Result<Self, SolveError> {
        let n = weights.len();
        check::len("centre b", n, b.len())?;
        check::len("columns of K", n, k.ncols())?;
        check::all_non_negative("weights", weights)?;
        check::finite("centre b", b)?;
        let ktk = gram_band(k, half_bandwidth)?;
        Ok(Self {
            weights: weights.to_vec(),
            linear: weights.iter().zip(b).map(|(&w, &b)| w * b).collect(),
            band: ktk.clone(),
            ktk,
            width: half_bandwidth + 1,
            factor: BandedCholesky::new(n, half_bandwidth),
        })
    }
}

/// The lower band of `KᵀK`, column by column. Columns `2h + 1` apart do not overlap, so one product reads many.
fn gram_band<T: Scalar>(k: &dyn LinearOperator<T>, h: usize) -> Result<Vec<T>, SolveError> {
    let n = k.ncols();
    let stride = 2 * h + 1;
    let mut ws = Workspace::new(k.scratch());
    let (mut x, mut image, mut y) = (vec![T::zero(); n], vec![T::zero(); k.nrows()], vec![T::zero(); n]);
    let mut band = vec![T::zero(); n * (h + 1)];
    for first in 0..stride.min(n) {
        x.fill(T::zero());
        x.iter_mut().skip(first).step_by(stride).for_each(|v| *v = T::one());
        k.apply(&x, &mut image, ws.stack());
        k.apply_adjoint(&image, &mut y, ws.stack());
        for j in (first..n).step_by(stride) {
            for d in 0..=h.min(n - 1 - j) {
                band[j * (h + 1) + d] = y[j + d];
            }
        }
    }
    check::finite("operator K", &band)?;
    // A wrong bandwidth folds outside entries into the band: a product with another vector tells.
    x.iter_mut().enumerate().for_each(|(i, v)| *v = T::of((i as f64 * 0.7 + 0.3).sin()));
    k.apply(&x, &mut image, ws.stack());
    k.apply_adjoint(&image, &mut y, ws.stack());
    let size = vecops::norm_inf(&y).max(vecops::norm_inf(&band));
    for j in 0..n {
        for d in 0..=h.min(n - 1 - j) {
            let entry = band[j * (h + 1) + d];
            y[j + d] -= entry * x[j];
            if d > 0 {
                y[j] -= entry * x[j + d];
            }
        }
    }
    if vecops::norm_inf(&y) <= T::of(64.0) * T::of_usize(stride) * T::epsilon() * size {
        Ok(band)
    } else {
        Err(SolveError::Linalg(LinalgError::InvalidParam {
            name: "half_bandwidth",
            expected: "at least the half bandwidth of KᵀK",
            got: h as f64,
        }))
    }
}

impl<T: Scalar> XUpdate<T> for BandedUpdate<T> {
    fn dim(&self) -> usize {
        self.weights.len()
    }

    fn prepare(&mut self, rho: T) -> Result<(), SolveError> {
        for (b, &v) in self.band.iter_mut().zip(&self.ktk) {
            *b = rho * v;
        }
        for (b, &w) in self.band.iter_mut().step_by(self.width).zip(&self.weights) {
            *b += w;
        }
        Ok(self.factor.factor(&self.band)?)
    }

    fn solve_into(&mut self, q: &[T], _tol: T, x: &mut [T]) -> Result<T, SolveError> {
        check::dim("BandedUpdate q", self.dim(), q.len());
        check::dim("BandedUpdate x", self.dim(), x.len());
        for ((x, &q), &c) in x.iter_mut().zip(q).zip(&self.linear) {
            *x = q + c;
        }
        self.factor.solve_in_place(x);
        Ok(T::zero())
    }

    fn scales(&self) -> Scales<T> {
        let curvature = vecops::sum(&self.weights) / T::of_usize(self.dim().max(1));
        Scales { gradient: vecops::norm(&self.linear), curvature }
    }
}
