//! The second look at a noisy patch, with a first estimate of it at hand.

use spm_linalg::factor::UpdatingCholesky;
use spm_linalg::{Dense, Scalar, vecops};

/// The coefficients of least mean squared error, where those of a first estimate say how large each is.
///
/// $$ \min_a \lVert y - D_S a \rVert_2^2 + \sigma^2 \sum_{j \in S} a_j^2 / p_j^2 $$
///
/// Plain text: `p` are the coefficients of the first estimate on its support `S`, `y` the noisy patch, `sigma` its noise. With the atoms
/// orthonormal, `a_j = p_j²/(p_j² + sigma²)·⟨d_j, y⟩`: an empirical Wiener filter. In `b_j = a_j·sigma/p_j` the equations are
/// `(I + SGS) b = S Dᵀ y` with `S = diag(p/sigma)`, whose eigenvalues are at least 1. O(d k² + k³).
#[derive(Debug)]
pub(super) struct Wiener<T> {
    sigma: T,
    factor: UpdatingCholesky<T>,
    /// `⟨d_j, s_k d_k⟩` of a new atom with those before; the right side, then `b`; the atoms and `p/sigma`.
    cross: Vec<T>,
    values: Vec<T>,
    kept: Vec<(usize, T)>,
}

impl<T: Scalar> Wiener<T> {
    /// For noise of deviation `sigma > 0` and supports of at most `most` atoms.
    pub(super) fn new(sigma: T, most: usize) -> Self {
        Self {
            sigma,
            factor: UpdatingCholesky::with_capacity(most),
            cross: Vec::with_capacity(most),
            values: Vec::with_capacity(most),
            kept: Vec::with_capacity(most),
        }
    }

    /// Adds `D a` to `out`; `1/(1 + Σ p²/(p² + sigma²))`, which falls with the noise that is left: a weight for the patch.
    pub(super) fn add(
        &mut self,
        atoms: Dense<'_, T>,
        (support, pilot): (&[u32], &[T]),
        noisy: &[T],
        out: &mut [T],
    ) -> T {
        self.factor.clear();
        self.values.clear();
        self.kept.clear();
        let mut freedom = T::one();
        for (&j, &p) in support.iter().zip(pilot) {
            let (j, s) = (j as usize, p / self.sigma);
            let atom = atoms.col(j);
            self.cross.clear();
            self.cross.extend(self.kept.iter().map(|&(k, t)| s * t * vecops::dot(atom, atoms.col(k))));
            // What rounding makes dependent is left out: the others say the same.
            if self.factor.append(&self.cross, T::one() + s * s * vecops::sq_norm(atom)).is_ok() {
                self.kept.push((j, s));
                self.values.push(s * vecops::dot(atom, noisy));
                freedom += s * s / (T::one() + s * s);
            }
        }
        self.factor.solve_in_place(&mut self.values);
        for (&(j, s), &b) in self.kept.iter().zip(&self.values) {
            vecops::axpy(s * b, atoms.col(j), out);
        }
        freedom.recip()
    }
}

#[cfg(test)]
mod tests {
    use super::Wiener;
    use spm_linalg::Dense;

    #[test]
    fn orthonormal_atoms_are_shrunk_one_by_one() {
        let identity = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let atoms = Dense::from_column_major(&identity, 3, 3).unwrap();
        let mut out = [0.0, 1.0, 0.0];
        let weight = Wiener::new(2.0, 3).add(atoms, (&[2, 0], &[4.0, 2.0]), &[3.0, 9.0, 5.0], &mut out);
        assert!((out[0] - 1.5_f64).abs() < 1e-14 && out[1] == 1.0 && (out[2] - 4.0).abs() < 1e-14, "{out:?}");
        assert!((weight - 1.0 / (1.0 + 0.5 + 0.8)).abs() < 1e-15);
    }

    #[test]
    fn oblique_atoms_solve_the_stated_problem() {
        let d = [0.6, 0.8, 1.0, 0.0_f64];
        let atoms = Dense::from_column_major(&d, 2, 2).unwrap();
        let (y, p, sigma) = ([0.7, -0.4], [0.9, -0.3], 0.25);
        let mut out = [0.0, 0.0];
        Wiener::new(sigma, 2).add(atoms, (&[0, 1], &p), &y, &mut out);
        // The coefficients of the result, and the gradient of the objective there.
        let a = [out[1] / 0.8, out[0] - 0.6 * out[1] / 0.8];
        for j in 0..2 {
            let slope: f64 = (0..2).map(|i| d[2 * j + i] * (out[i] - y[i])).sum();
            assert!((slope + sigma * sigma * a[j] / (p[j] * p[j])).abs() < 1e-13);
        }
    }

    #[test]
    fn extreme_scales_stay_finite() {
        let d = [1.0_f32, 0.0, 1.0, 1e-4];
        let atoms = Dense::from_column_major(&d, 2, 2).unwrap();
        for unit in [1e-30_f32, 1.0, 1e12] {
            let mut out = [0.0, 0.0];
            Wiener::new(1e-6 * unit, 2).add(atoms, (&[0, 1], &[unit, unit]), &[unit, unit], &mut out);
            assert!(out.iter().all(|v| v.is_finite()), "{unit}: {out:?}");
        }
    }
}
