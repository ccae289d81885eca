//! Joint coding of groups of signals.

use spm_linalg::factor::ThinSvd;
use spm_linalg::penalty::GroupL2;
use spm_linalg::{Dense, LinalgError, LinearOperator, Scalar, check, vecops};
use spm_solvers::stop::Gap;
use spm_solvers::{BlockDescent, Certificate, Control, Iteration, SolveError, run};

use super::{Coder, Codes};
use crate::dictionary::parallel::map_blocks;
use crate::linear::default_tol;

/// Joint coding: the signals of a group share their atoms, by $\min_X \tfrac12 \|Y - D X\|_F^2 + \lambda \sum_j \|X_{j,:}\|_2$.
///
/// In plain text: half the squared residual of all signals of a group plus `lambda` times the sum over atoms of the 2-norm of the
/// atom's coefficients in the group (the L2,1 norm). An atom is used by a whole group or by none of it. A group of one signal is Lasso
/// coding. A mean instead of the sum, `1/(2n)·‖Y − D X‖² + alpha·Σ‖X_j‖`, is `lambda = n·alpha`.
///
/// The penalty does not change when signals of a group are rotated into one another, so a group of `n` signals is solved as one of `rank Y <= d`,
/// by [`BlockDescent`]. [`certificates`](Self::certificates) judges the codes by themselves; one that was not found to `tol` in `max_iter` epochs has a larger
/// gap.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `lambda` | required | finite, `> 0` | weight of the L2,1 norm |
/// | `group` | none: all signals | `> 0` | this many signals in a row are a group; the last may be smaller |
/// | `tol` | 1e-6 (1.2e-4 in `f32`) | finite, `> 0` | duality gap relative to the objective at zero, `½‖Y‖²` |
/// | `max_iter` | 100 000 | | epochs a group |
///
/// Time `O(d n min(d, n))` a group for the rotation, `O(d K rank)` an epoch. Groups are coded on all cores.
///
/// Sources: Obozinski, Taskar, Jordan 2010, *Joint covariate selection and joint subspace selection for multiple classification problems*;
/// Tropp 2006, *Algorithms for simultaneous sparse approximation II*.
///
/// ```
/// use spm_models::dictionary::{Coder, Dictionary, JointCoder};
/// let d = Dictionary::new(vec![1.0, 0.0, 0.0, 1.0], 2)?;
/// // The rows of X before shrinkage: (3, 4) of norm 5, (0.5, 0) of norm 0.5.
/// let (y, coder) = ([3.0, 0.5, 4.0, 0.0], JointCoder::new(1.0_f64));
/// let codes = coder.code(d.as_dense(), &y)?;
/// assert_eq!((codes.column(0).0, codes.column(1).0), (&[0][..], &[0][..]));
/// assert!((codes.column(0).1[0] - 2.4).abs() < 1e-6 && (codes.column(1).1[0] - 3.2).abs() < 1e-6);
/// assert!(coder.certificates(d.as_dense(), &y, &codes)?[0].gap() < 1e-5);
/// # Ok::<(), spm_models::ModelError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct JointCoder<T> {
    /// Weight of the L2,1 norm.
    pub lambda: T,
    /// Signals a group; `None` for all in one.
    pub group: Option<usize>,
    /// Duality gap, relative to the objective at zero, at which a group is done.
    pub tol: T,
    /// At most this many epochs a group.
    pub max_iter: usize,
}

impl<T: Scalar> JointCoder<T> {
    /// Codes with this weight of the L2,1 norm, all signals in one group.
    #[must_use]
    pub fn new(lambda: T) -> Self {
        Self { lambda, group: None, tol: default_tol(), max_iter: 100_000 }
    }

    /// Sets how many signals in a row are a group.
    #[must_use]
    pub fn group(mut self, size: usize) -> Self {
        self.group = Some(size);
        self
    }

    /// Sets the tolerance.
    #[must_use]
    pub fn tol(mut self, tol: T) -> Self {
        self.tol = tol;
        self
    }

    /// Sets the largest number of epochs.
    #[must_use]
    pub fn max_iter(mut self, max_iter: usize) -> Self {
        self.max_iter = max_iter;
        self
    }

    /// Checks the options.
    ///
    /// # Errors
    /// [`LinalgError`] naming the first that is out of range.
    pub fn validate(&self) -> Result<(), LinalgError> {
        check::positive("lambda", self.lambda)?;
        check::positive("tol", self.tol)?;
        check::non_empty("group of signals", self.group.unwrap_or(1))
    }

    /// The objective of every group and a lower bound of its optimum, from signals and codes alone: with `R = Y − D X` and
    /// `θ = R·min(1, lambda/max_j ‖Rᵀd_j‖)` the bound is `½‖Y‖² − ½‖Y − θ‖²`.
    ///
    /// # Errors
    /// As [`validate`](Self::validate); [`LinalgError::Shape`] if signals and codes do not fit.
    pub fn certificates(
        &self,
        dictionary: Dense<'_, T>,
        signals: &[T],
        codes: &Codes<T>,
    ) -> Result<Vec<Certificate<T>>, SolveError> {
        self.validate()?;
        let (dim, n_atoms) = (dictionary.nrows(), dictionary.ncols());
        check::len("atoms of the codes", n_atoms, codes.n_atoms())?;
        check::len("signals", dim * codes.n_signals(), signals.len())?;
        let size = self.group.unwrap_or(codes.n_signals()).max(1);
        let certificate = |(g, y): (usize, &[T])| {
            let n = y.len() / dim;
            let mut r = y.to_vec();
            let mut sq_rows = vec![T::zero(); n_atoms];
            for (i, r) in (g * size..).zip(r.chunks_exact_mut(dim)) {
                codes.add_reconstruction(dictionary, i, -T::one(), r);
                let (atoms, x) = codes.column(i);
                atoms.iter().zip(x).for_each(|(&j, &x)| sq_rows[j as usize] += x * x);
            }
            let mut c = vec![T::zero(); n_atoms * n];
            dictionary.apply_adjoint_block(&r, n, &mut c);
            let most = (0..n_atoms)
                .map(|j| c[j..].iter().step_by(n_atoms).map(|&v| v * v).sum::<T>().sqrt())
                .fold(T::zero(), T::max);
            let half = T::of(0.5);
            let shrink = if most > self.lambda { self.lambda / most } else { T::one() };
            let sq_residual = vecops::sq_norm(&r);
            let primal = half * sq_residual + self.lambda * sq_rows.iter().map(|&sq| sq.sqrt()).sum::<T>();
            // ½‖Y‖² − ½‖Y − θ‖² = ⟨θ, Y⟩ − ½‖θ‖².
            let dual = shrink * vecops::dot(&r, y) - half * shrink * shrink * sq_residual;
            Certificate::new(primal, dual)
        };
        Ok(signals.chunks((size * dim).max(1)).enumerate().map(certificate).collect())
    }

    /// The codes of one group.
    fn one(&self, dictionary: Dense<'_, T>, y: &[T]) -> Result<Codes<T>, SolveError> {
        let (dim, n_atoms) = (dictionary.nrows(), dictionary.ncols());
        let n = y.len() / dim;
        let at_zero = T::of(0.5) * vecops::sq_norm(y);
        check::finite("squared norm of a group of signals", &[at_zero])?;
        // Y = U S Vᵀ: the columns of U S are coded, Vᵀ turns their codes back.
        let svd = ThinSvd::from_column_major(y, dim, n)?;
        let rank = svd.rank(T::epsilon());
        if rank == 0 {
            let mut codes = Codes::new(n_atoms);
            (0..n).for_each(|_| codes.push(&[], &[]));
            return Ok(codes);
        }
        let turned: Vec<T> = (0..rank)
            .flat_map(|q| svd.u().col(q).iter().map(|&u| u * svd.s()[q]).collect::<Vec<T>>())
            .collect();
        let penalty = GroupL2::new(self.lambda, &vec![rank; n_atoms], vec![T::one(); n_atoms])?;
        let order: Vec<usize> = (0..n_atoms).collect();
        let mut solver = BlockDescent::new(dictionary, &turned, rank, T::one(), penalty, &order)?;
        // The solver's dual point may be better than the one that follows from the codes: it is the latter that must do.
        let wanted = self.tol * at_zero;
        let mut tol = wanted;
        loop {
            let report = run(&mut solver, Control::new(self.max_iter, &mut Gap { tol }))?;
            let codes = turned_back(solver.iterate(), rank, &svd, n_atoms, n);
            let certificate = self.certificates(dictionary, y, &codes)?[0];
            tol *= T::of(0.25);
            if certificate.gap() <= wanted || !report.status.is_converged() || tol <= T::epsilon() * at_zero {
                return Ok(codes);
            }
        }
    }
}

/// Codes of `n` signals from those of the `rank` columns of `U S`, `rank` numbers an atom.
fn turned_back<T: Scalar>(x: &[T], rank: usize, svd: &ThinSvd<T>, n_atoms: usize, n: usize) -> Codes<T> {
    let rows: Vec<(u32, &[T])> =
        (0..).zip(x.chunks_exact(rank)).filter(|(_, row)| row.iter().any(|v| *v != T::zero())).collect();
    let atoms: Vec<u32> = rows.iter().map(|row| row.0).collect();
    let mut values = vec![T::zero(); atoms.len()];
    let mut codes = Codes::new(n_atoms);
    for i in 0..n {
        for (value, (_, row)) in values.iter_mut().zip(&rows) {
            *value = row.iter().enumerate().map(|(q, &z)| z * svd.v()[(i, q)]).sum();
        }
        codes.push(&atoms, &values);
    }
    codes
}

impl<T: Scalar> Coder<T> for JointCoder<T> {
    fn code(&self, dictionary: Dense<'_, T>, signals: &[T]) -> Result<Codes<T>, SolveError> {
        self.validate()?;
        let (dim, n_atoms) = (dictionary.nrows(), dictionary.ncols());
        check::non_empty("dictionary", dim.min(n_atoms))?;
        check::len("signals", signals.len() / dim * dim, signals.len())?;
        dictionary.check_finite("dictionary")?;
        if let Err(LinalgError::NonFinite { what, index }) = check::finite("signals", signals) {
            return Err(LinalgError::NonFiniteAt { what, row: index % dim, col: index / dim }.into());
        }
        let size = self.group.unwrap_or(signals.len() / dim).max(1) * dim;
        let groups = map_blocks(
            signals.len().div_ceil(size),
            || (),
            |g, ()| self.one(dictionary, &signals[g * size..signals.len().min((g + 1) * size)]),
        );
        let mut all = Codes::new(n_atoms);
        for group in groups {
            all.append(&group?);
        }
        Ok(all)
    }
}
