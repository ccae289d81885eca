//! Information criteria along a path.

use spm_linalg::Scalar;

use crate::linear::FittedPath;

/// A price for the number of features, against the fit: the smallest value names the model.
///
/// With the mean squared residual `s²`, `n` observations, `p` features of which `k` are selected:
///
/// | criterion | value |
/// |---|---|
/// | `Aic` | `n ln s² + 2k` |
/// | `Bic` | `n ln s² + k ln n` |
/// | `Ebic(gamma)` | `n ln s² + k ln n + 2·gamma·ln(p over k)`, for p large against n |
///
/// The number of selected features is an unbiased estimate of the degrees of freedom of the Lasso (Zou, Hastie and Tibshirani
/// 2007); for the elastic net it is an upper bound. Points with `k >= n − 1`, and points that interpolate the data, have no
/// value: there the variance is not estimated but fitted away.
///
/// Sources: Akaike 1974; Schwarz 1978; Chen and Chen 2008, equation 1.
///
/// ```
/// use spm_models::{Criterion, Design, ElasticNetPath, Fit, Xy};
/// let x: Vec<f64> = (0..60).map(|i| f64::from(i * i % 31) - 15.0).collect();
/// let y: Vec<f64> = (0..30).map(|i| 0.5 * x[i] + f64::from(i as u32 % 5) - 2.0).collect();
/// let path = ElasticNetPath::lasso().fit(Xy::new(Design::dense(&x, 30, 2)?, &y))?;
/// let best = Criterion::Bic.choose(&path).unwrap();
/// assert_eq!(path.points[best].nonzeros[0].0, 0);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Criterion<T = f64> {
    /// Akaike's: prediction.
    Aic,
    /// Schwarz's: consistent for fixed p.
    Bic,
    /// The extended criterion with its `gamma` in `[0, 1]`: consistent for growing p.
    Ebic(T),
}

impl<T: Scalar> Criterion<T> {
    /// The criterion at every point of the path; `None` where it does not apply.
    #[must_use]
    pub fn values(&self, path: &FittedPath<T>) -> Vec<Option<T>> {
        let n = T::of_usize(path.n_observations);
        let at_zero = path.objective_at_zero + path.objective_at_zero;
        let interpolated = T::of(1e3) * T::epsilon() * at_zero;
        path.points
            .iter()
            .map(|point| {
                let k = point.nnz();
                if k + 1 >= path.n_observations || point.mean_squared_error <= interpolated {
                    return None;
                }
                let fit = n * point.mean_squared_error.ln();
                let price = match *self {
                    Self::Aic => T::of_usize(2 * k),
                    Self::Bic => T::of_usize(k) * n.ln(),
                    Self::Ebic(gamma) => {
                        let choices = log_choose::<T>(path.n_features, k);
                        T::of_usize(k) * n.ln() + T::of(2.0) * gamma * choices
                    }
                };
                Some(fit + price)
            })
            .collect()
    }

    /// The point of smallest value; of the largest `alpha` if several share it, `None` if there is no value at all.
    #[must_use]
    pub fn choose(&self, path: &FittedPath<T>) -> Option<usize> {
        let mut best: Option<(usize, T)> = None;
        for (k, value) in self.values(path).into_iter().enumerate() {
            let Some(value) = value else { continue };
            let better = best.is_none_or(|(b, v)| {
                value < v || (value == v && path.points[k].alpha > path.points[b].alpha)
            });
            if better {
                best = Some((k, value));
            }
        }
        best.map(|b| b.0)
    }
}

/// `ln (p over k)`. O(k).
fn log_choose<T: Scalar>(p: usize, k: usize) -> T {
    (1..=k.min(p - k.min(p))).map(|i| (T::of_usize(p + 1 - i) / T::of_usize(i)).ln()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn binomials() {
        assert!((log_choose::<f64>(10, 3) - 120f64.ln()).abs() < 1e-12);
        assert!((log_choose::<f64>(10, 7) - 120f64.ln()).abs() < 1e-12);
        assert_eq!(log_choose::<f64>(10, 0), 0.0);
        assert_eq!(log_choose::<f64>(10, 10), 0.0);
    }
}
