//! Cosine dictionaries, for 1-D signals and for square patches stored row by row.
//!
//! Entry `(i, j)` of a `p × p` patch is entry `i·p + j` of its signal.

use core::f64::consts::PI;

use spm_linalg::{LinalgError, Scalar, check};

use super::Dictionary;
use crate::ModelError;

/// The orthonormal DCT-II basis of `R^n`: `n` atoms, `d_u[i] = a_u cos(u(2i+1)π/(2n))`.
///
/// `a_0 = sqrt(1/n)`, else `sqrt(2/n)`.
///
/// # Errors
/// [`LinalgError::Empty`] for `n = 0`.
pub fn orthonormal_1d<T: Scalar>(n: usize) -> Result<Dictionary<T>, ModelError> {
    Dictionary::normalized(cosines(n), n)
}

/// The orthonormal 2-D DCT-II basis of `p × p` patches: atom `u·p + v` is `d_u d_vᵀ` of [`orthonormal_1d`].
///
/// ```
/// let d = spm_models::dictionary::dct::orthonormal_2d::<f64>(8)?;
/// assert_eq!((d.dim(), d.n_atoms()), (64, 64));
/// assert!(d.atom(0).iter().all(|v| (v - 0.125).abs() < 1e-15));
/// # Ok::<(), spm_models::ModelError>(())
/// ```
///
/// # Errors
/// [`LinalgError::Empty`] for `p = 0`.
pub fn orthonormal_2d<T: Scalar>(p: usize) -> Result<Dictionary<T>, ModelError> {
    separable(&orthonormal_1d::<f64>(p)?)
}

/// An overcomplete cosine frame of `R^n`: `k` atoms `cos(i j π/k)`, the mean removed for `j > 0`, unit norm.
///
/// Source: Elad and Aharon 2006, section III; their 8 × 8, 256-atom dictionary is `overcomplete_2d(8, 16)`.
///
/// # Errors
/// [`LinalgError::Empty`] for `n = 0` or `k = 0`; [`LinalgError::InvalidParam`] for `n = 1`, `k > 1`.
pub fn overcomplete_1d<T: Scalar>(n: usize, k: usize) -> Result<Dictionary<T>, ModelError> {
    check::non_empty("dictionary", n.min(k))?;
    if n == 1 && k > 1 {
        let expected = "1 for signals of length 1";
        return Err(LinalgError::InvalidParam { name: "number of atoms", expected, got: k as f64 }.into());
    }
    let mut atoms = Vec::with_capacity(n * k);
    for j in 0..k {
        let start = atoms.len();
        atoms.extend((0..n).map(|i| (i as f64 * j as f64 * PI / k as f64).cos()));
        if j > 0 {
            let mean = atoms[start..].iter().sum::<f64>() / n as f64;
            atoms[start..].iter_mut().for_each(|v| *v -= mean);
        }
    }
    convert(Dictionary::normalized(atoms, n)?)
}

/// The separable overcomplete cosine frame of `p × p` patches: atom `a·k + b` is `d_a d_bᵀ` of [`overcomplete_1d`].
///
/// # Errors
/// As [`overcomplete_1d`].
pub fn overcomplete_2d<T: Scalar>(p: usize, k: usize) -> Result<Dictionary<T>, ModelError> {
    separable(&overcomplete_1d::<f64>(p, k)?)
}

/// Plain products of cosines on `p × p` patches, **not** normalised, column-major `p² × n_atoms`:
/// `cos(u(2i+1)π/(2p))·cos(v(2j+1)π/(2p))`.
///
/// Row by row in `(u, v)` when `n_atoms = p²`; fewer atoms are the first of the zig-zag
/// `(0,0) (0,1) (1,0) (2,0) (1,1) (0,2) …`. This is the dictionary of the Python package spm-image; pass it to a
/// coder as it is, or to [`Dictionary::normalized`].
///
/// # Errors
/// [`LinalgError::InvalidParam`] unless `1 <= n_atoms <= p²`.
pub fn cosine_products<T: Scalar>(n_atoms: usize, p: usize) -> Result<Vec<T>, ModelError> {
    if n_atoms == 0 || n_atoms > p.saturating_mul(p) {
        let expected = "between 1 and the number of pixels";
        return Err(
            LinalgError::InvalidParam { name: "number of atoms", expected, got: n_atoms as f64 }.into()
        );
    }
    let base = cosines::<f64>(p);
    let mut order: Vec<(usize, usize)> = (0..p * p).map(|k| (k / p, k % p)).collect();
    if n_atoms < p * p {
        // Anti-diagonals; odd ones run downwards, even ones upwards.
        order.sort_by_key(|&(u, v)| (u + v, if (u + v) % 2 == 1 { u } else { v }));
    }
    let mut atoms = Vec::with_capacity(n_atoms * p * p);
    for &(u, v) in &order[..n_atoms] {
        push_product(&mut atoms, &base[u * p..][..p], &base[v * p..][..p]);
    }
    Ok(atoms)
}

/// `cos(u(2i+1)π/(2n))`, column-major `n × n`.
fn cosines<T: Scalar>(n: usize) -> Vec<T> {
    let at = |u: usize, i: usize| (u as f64 * (2 * i + 1) as f64 * PI / (2 * n) as f64).cos();
    (0..n * n).map(|k| T::of(at(k / n, k % n))).collect()
}

fn push_product<T: Scalar>(atoms: &mut Vec<T>, column: &[f64], row: &[f64]) {
    for &a in column {
        atoms.extend(row.iter().map(|&b| T::of(a * b)));
    }
}

fn separable<T: Scalar>(base: &Dictionary<f64>) -> Result<Dictionary<T>, ModelError> {
    let k = base.n_atoms();
    let mut atoms = Vec::with_capacity(k * k * base.dim() * base.dim());
    for a in 0..k {
        for b in 0..k {
            push_product(&mut atoms, base.atom(a), base.atom(b));
        }
    }
    Dictionary::new(atoms, base.dim() * base.dim())
}

fn convert<T: Scalar>(d: Dictionary<f64>) -> Result<Dictionary<T>, ModelError> {
    let dim = d.dim();
    Dictionary::new(d.into_atoms().into_iter().map(T::of).collect(), dim)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use spm_linalg::vecops;

    #[test]
    fn orthonormal_bases_are() {
        for d in [orthonormal_1d::<f64>(7).unwrap(), orthonormal_2d::<f64>(5).unwrap()] {
            for i in 0..d.n_atoms() {
                for j in 0..d.n_atoms() {
                    let want = f64::from(u8::from(i == j));
                    assert!((vecops::dot(d.atom(i), d.atom(j)) - want).abs() < 1e-14);
                }
            }
        }
    }

    #[test]
    fn sizes_at_the_edge() {
        assert!(orthonormal_1d::<f64>(0).is_err());
        assert_eq!(orthonormal_2d::<f32>(1).unwrap().atoms(), [1.0]);
        assert!(overcomplete_1d::<f64>(1, 2).is_err());
        assert_eq!(overcomplete_1d::<f64>(1, 1).unwrap().atoms(), [1.0]);
        assert_eq!(overcomplete_2d::<f32>(8, 16).unwrap().n_atoms(), 256);
        assert!(cosine_products::<f64>(65, 8).is_err());
        assert!(cosine_products::<f64>(0, 8).is_err());
        assert_eq!(cosine_products::<f64>(1, 8).unwrap(), [1.0; 64]);
    }
}
