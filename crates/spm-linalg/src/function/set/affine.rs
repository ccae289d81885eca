//! The solutions of a linear system.

use crate::function::kernels::{dims, indicator, slack};
use crate::vecops::{axpy, dot, norm, scale};
use crate::{Dense, Facts, LinalgError, MemStack, Prox, Scalar, StackReq, check};

/// The indicator of the solutions of a consistent linear system, $\{x : A x = b\}$.
///
/// In plain text: `A x = b` with `A` dense, `m × n`, any rank. Its prox is the orthogonal projection; its conjugate
/// is `⟨u, x₀⟩` for `u` in the row space of `A`, `x₀` any solution, `+∞` elsewhere. Construction O(m²n); projection
/// O(m n); memory `m n` for an orthonormal basis of the row space. No temporaries for the projection.
///
/// | parameter | range | meaning |
/// |---|---|---|
/// | `a` | finite, `m × n` | the matrix |
/// | `b` | finite, length `m`, in the range of `a` | right-hand side |
///
/// Membership is tested relative to the sizes of `x` and of the smallest solution. The basis comes from
/// Gram-Schmidt with every vector orthogonalised twice (Giraud, Langou, Rozložník and van den Eshof 2005, *Rounding
/// error analysis of the classical Gram-Schmidt orthogonalization process*); a row whose remainder is rounding is
/// taken as dependent.
///
/// Source: Parikh and Boyd 2014, *Proximal Algorithms*, section 6.2.
///
/// ```
/// use spm_linalg::{Dense, Prox, Workspace, set::Affine};
/// let g = Affine::new(Dense::from_column_major(&[1.0, 1.0], 1, 2)?, &[2.0])?;
/// let mut out = [0.0_f64; 2];
/// g.prox_into(&[3.0, 1.0], 1.0, &mut out, Workspace::new(g.scratch(2)).stack());
/// assert!((out[0] - 2.0).abs() < 1e-15 && out[1].abs() < 1e-15);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Affine<T> {
    n: usize,
    /// Orthonormal basis of the row space, one vector after the other.
    basis: Vec<T>,
    /// `⟨q, x⟩` for every basis vector `q` and every solution `x`.
    levels: Vec<T>,
}

impl<T: Scalar> Affine<T> {
    /// The solutions of `a x = b`.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] unless `b` has one entry a row, [`LinalgError::NonFinite`] or
    /// [`LinalgError::NonFiniteAt`] for a NaN or an infinity, [`LinalgError::InvalidParam`] if the system has no
    /// solution.
    pub fn new(a: Dense<'_, T>, b: &[T]) -> Result<Self, LinalgError> {
        let mat = a.as_faer();
        let (m, n) = (mat.nrows(), mat.ncols());
        check::len("b", m, b.len())?;
        check::finite("b", b)?;
        a.check_finite("a")?;
        let mut set = Self { n, basis: Vec::new(), levels: Vec::new() };
        for (i, &rhs) in b.iter().enumerate() {
            let mut row: Vec<T> = (0..n).map(|j| mat[(i, j)]).collect();
            let size = norm(&row);
            if size > T::zero() {
                scale(size.recip(), &mut row);
            }
            // What the rows so far say about ⟨row, x⟩, and the remainder of the row.
            let mut known = T::zero();
            for _ in 0..2 {
                for (q, &level) in set.basis.chunks_exact(n.max(1)).zip(&set.levels) {
                    let c = dot(q, &row);
                    known += c * level;
                    axpy(-c, q, &mut row);
                }
            }
            let (rest, scaled_rhs) = (norm(&row), if size > T::zero() { rhs / size } else { rhs });
            let rounding = slack::<T>(8 * (m + n));
            if rest <= rounding {
                let bound = rounding * (scaled_rhs.abs() + norm(&set.levels)) * T::of_usize(m + n);
                if (scaled_rhs - known).abs() > bound {
                    return Err(LinalgError::InvalidParam {
                        name: "b",
                        expected: "in the range of a",
                        got: rhs.as_f64(),
                    });
                }
                continue;
            }
            scale(rest.recip(), &mut row);
            set.basis.extend_from_slice(&row);
            set.levels.push((scaled_rhs - known) / rest);
        }
        Ok(set)
    }

    /// The rank of the matrix.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.levels.len()
    }

    fn constraints(&self) -> impl Iterator<Item = (&[T], T)> {
        self.basis.chunks_exact(self.n.max(1)).zip(self.levels.iter().copied())
    }

    fn rounding(&self) -> T {
        slack::<T>(8 * (self.n + self.levels.len()))
    }
}

impl<T: Scalar> Prox<T> for Affine<T> {
    fn value(&self, x: &[T]) -> T {
        check::dim("Affine::value x", self.n, x.len());
        let bound = self.rounding() * (norm(x) + norm(&self.levels));
        indicator(self.constraints().all(|(q, level)| (dot(q, x) - level).abs() <= bound))
    }

    fn prox_into(&self, x: &[T], _step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        dims("Affine::prox_into", Some(self.n), x.len(), out.len());
        out.copy_from_slice(x);
        for (q, level) in self.constraints() {
            let c = dot(q, out) - level;
            axpy(-c, q, out);
        }
        T::zero()
    }

    /// For the conjugate.
    fn scratch(&self, n: usize) -> StackReq {
        StackReq::new::<T>(n)
    }

    fn dim(&self) -> Option<usize> {
        Some(self.n)
    }

    fn facts(&self) -> Facts {
        Facts::default().convex().indicator()
    }

    /// Exact: a combination of the basis of the row space.
    fn prox_conj_into(&self, x: &[T], step: T, out: &mut [T], _stack: &mut MemStack) -> T {
        dims("Affine::prox_conj_into", Some(self.n), x.len(), out.len());
        out.fill(T::zero());
        let mut value = T::zero();
        for (q, level) in self.constraints() {
            let c = dot(q, x) - step * level;
            axpy(c, q, out);
            value += c * level;
        }
        value
    }

    fn scratch_conj(&self, _n: usize) -> StackReq {
        StackReq::EMPTY
    }

    fn conj_value(&self, u: &[T], stack: &mut MemStack) -> Option<T> {
        check::dim("Affine::conj_value u", self.n, u.len());
        let (mut rest, _) = stack.make_with(u.len(), |i| u[i]);
        let mut value = T::zero();
        for (q, level) in self.constraints() {
            let c = dot(q, u);
            axpy(-c, q, &mut rest);
            value += c * level;
        }
        Some(if norm(&rest) <= self.rounding() * norm(u) { value } else { T::infinity() })
    }
}
