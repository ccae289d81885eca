//! An active set method for a quadratic that is known by its matrix, with an L1 penalty.

use spm_linalg::factor::UpdatingCholesky;
use spm_linalg::{LinalgError, Scalar, check, vecops};

use crate::{Iteration, Progress, SolveError};

/// The Lasso in covariance form: a strongly convex quadratic with an L1 penalty, by an active set.
///
/// Minimises
/// $$F(w) = \tfrac12 w^\top Q w - b^\top w + \sum_j \lambda_j |w_j|, \qquad Q \succeq \mu I,\ \mu > 0,$$
/// in plain text `F(w) = 1/2 w'Qw - b'w + sum_j lambda_j |w_j|` with `Q` p × p and all eigenvalues at least `mu > 0`.
///
/// One [`step`](Iteration::step) takes in the coordinate that promises the largest decrease, walks towards the minimiser over those in
/// play, with their signs, by a Cholesky factor that is updated, and lets those go whose coefficient reaches 0 on the way;
/// coordinates with `lambda_j = 0` cross it. The objective falls with every step, so no set comes twice and the minimiser is
/// reached after finitely many, about as many as it has nonzeros, however badly `Q` is conditioned. A coordinate that rounding keeps
/// out of the factor is left to an epoch of coordinate descent.
///
/// [`Progress::residual`] is the largest violation of the optimality conditions. [`Progress::gap`] is rigorous: with
/// `c = b − Qw` and `e` the part of `c` beyond `±lambda`, the point `w + Q⁻¹e` is dual feasible, and the gap there is
/// `Σ (lambda_j |w_j| − w_j (c_j − e_j)) + ½ eᵀQ⁻¹e`, the last term at most `‖e‖²/(2 mu)`.
///
/// A step costs O(p s + s²) for s coordinates in play; memory O(p²/2), reserved and touched only when used.
///
/// Sources: Osborne, Presnell and Turlach 2000, *A new approach to variable selection*; Lee et al. 2007, *Efficient sparse
/// coding algorithms*, algorithm 1.
///
/// ```
/// use spm_solvers::{Control, Iteration, QuadraticL1, run, stop::Gap};
/// let (q, b) = ([2.0_f64, 0.0, 0.0, 1e-6], [3.0, 0.1]);
/// let mut solver = QuadraticL1::new(&q, &b, &[1.0, 1.0], 1e-6)?;
/// let report = run(&mut solver, Control::new(10, &mut Gap { tol: 1e-12 }))?;
/// assert!(report.status.is_converged());
/// assert!((solver.iterate()[0] - 1.0).abs() < 1e-12 && solver.iterate()[1] == 0.0);
/// # Ok::<(), spm_solvers::SolveError>(())
/// ```
#[derive(Debug)]
pub struct QuadraticL1<'a, T> {
    q: &'a [T],
    b: &'a [T],
    lambda: &'a [T],
    mu: T,
    w: Vec<T>,
    /// `b − Qw`.
    pull: Vec<T>,
    factor: UpdatingCholesky<T>,
    /// The coordinates in the factor, in its order; the sign of each; whether a coordinate is among them.
    active: Vec<usize>,
    signs: Vec<T>,
    is_active: Vec<bool>,
    /// Coordinates that the factor refused since it last lost one.
    refused: Vec<bool>,
    /// What the correlations of the coordinates in play lack; the change that makes up for it; a new row of the factor.
    missing: Vec<T>,
    change: Vec<T>,
    cross: Vec<T>,
    iter: usize,
    objective: T,
    violation: T,
    gap: T,
}

impl<'a, T: Scalar> QuadraticL1<'a, T> {
    /// The problem with `q` p × p symmetric, `b` and `lambda` of length p, and a lower bound `mu` of the eigenvalues of `q`, started at 0.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] for lengths that disagree, [`LinalgError::NonFinite`] for a NaN or an infinity,
    /// [`LinalgError::InvalidParam`] for a negative `lambda` or a `mu` that is not positive.
    pub fn new(q: &'a [T], b: &'a [T], lambda: &'a [T], mu: T) -> Result<Self, SolveError> {
        let p = b.len();
        check::len("Q", p * p, q.len())?;
        check::len("lambda", p, lambda.len())?;
        check::finite("Q", q)?;
        check::finite("b", b)?;
        check::all_non_negative("lambda", lambda)?;
        check::positive("mu", mu)?;
        if let Some(j) = (0..p).find(|&j| q[j * p + j] < mu) {
            let (name, expected) = ("Q: diagonal", ">= mu");
            return Err(LinalgError::InvalidParam { name, expected, got: q[j * p + j].as_f64() }.into());
        }
        let mut this = Self {
            q,
            b,
            lambda,
            mu,
            w: vec![T::zero(); p],
            pull: b.to_vec(),
            factor: UpdatingCholesky::with_capacity(p).dependence_tol(T::of(8.0) * T::epsilon()),
            active: Vec::with_capacity(p),
            signs: Vec::with_capacity(p),
            is_active: vec![false; p],
            refused: vec![false; p],
            missing: Vec::with_capacity(p),
            change: Vec::with_capacity(p),
            cross: Vec::with_capacity(p),
            iter: 0,
            objective: T::zero(),
            violation: T::zero(),
            gap: T::zero(),
        };
        this.judge();
        Ok(this)
    }

    fn column(&self, j: usize) -> &'a [T] {
        let p = self.b.len();
        &self.q[j * p..(j + 1) * p]
    }

    /// How far coordinate `j` is from optimal, in units of its correlation.
    fn violation_at(&self, j: usize) -> T {
        let (c, w, lambda) = (self.pull[j], self.w[j], self.lambda[j]);
        if w == T::zero() { (c.abs() - lambda).max(T::zero()) } else { (c - lambda * w.signum()).abs() }
    }

    /// Correlations, objective, violation and gap from the iterate alone.
    fn judge(&mut self) {
        self.pull.copy_from_slice(self.b);
        for j in 0..self.w.len() {
            if self.w[j] != T::zero() {
                vecops::axpy(-self.w[j], self.column(j), &mut self.pull);
            }
        }
        let half = T::of(0.5);
        let (mut objective, mut gap, mut excess, mut worst) = (T::zero(), T::zero(), T::zero(), T::zero());
        for j in 0..self.w.len() {
            let (c, w, lambda) = (self.pull[j], self.w[j], self.lambda[j]);
            let inside = c.min(lambda).max(-lambda);
            objective += lambda * w.abs() - half * w * (self.b[j] + c);
            gap += lambda * w.abs() - w * inside;
            excess += (c - inside) * (c - inside);
            worst = worst.max(self.violation_at(j));
        }
        self.objective = objective;
        self.violation = worst;
        self.gap = gap.max(T::zero()) + half * excess / self.mu;
    }

    /// The coordinate outside the factor that promises the largest decrease.
    fn most_promising(&self) -> Option<usize> {
        let mut best = (T::zero(), None);
        for j in (0..self.w.len()).filter(|&j| !self.is_active[j] && !self.refused[j]) {
            let v = self.violation_at(j);
            let promise = v * v / self.q[j * self.b.len() + j];
            if promise > best.0 {
                best = (promise, Some(j));
            }
        }
        best.1
    }

    /// Puts coordinate `j` in play; `false` if rounding keeps it out.
    fn take_in(&mut self, j: usize) -> bool {
        let column = self.column(j);
        self.cross.clear();
        self.cross.extend(self.active.iter().map(|&i| column[i]));
        if self.factor.append(&self.cross, column[j]).is_err() {
            self.refused[j] = true;
            return false;
        }
        let side = if self.w[j] == T::zero() { self.pull[j] } else { self.w[j] };
        self.active.push(j);
        self.signs.push(side.signum());
        self.is_active[j] = true;
        true
    }

    fn let_go(&mut self, place: usize) {
        self.factor.remove(place);
        self.signs.remove(place);
        self.is_active[self.active.remove(place)] = false;
        self.refused.fill(false);
    }

    /// Walks to the minimiser over the coordinates in play; those that reach 0 on the way leave.
    fn settle(&mut self) {
        self.missing.clear();
        for (&j, &sign) in self.active.iter().zip(&self.signs) {
            self.missing.push(self.pull[j] - self.lambda[j] * sign);
        }
        let newest = self.active.last().copied();
        while !self.active.is_empty() {
            self.change.clear();
            self.change.extend_from_slice(&self.missing);
            self.factor.solve_in_place(&mut self.change);
            let (mut step, mut leaves) = (T::one(), None);
            for (k, (&j, &change)) in self.active.iter().zip(&self.change).enumerate() {
                let w = self.w[j];
                if self.lambda[j] > T::zero() && (w + change) * self.signs[k] <= T::zero() {
                    let reach = -w / change;
                    if reach < step || reach.is_nan() {
                        (step, leaves) = (reach.max(T::zero()), Some(k));
                    }
                }
            }
            for (&j, &change) in self.active.iter().zip(&self.change) {
                self.w[j] += step * change;
            }
            let Some(gone) = leaves else { return };
            let j = self.active[gone];
            self.w[j] = T::zero();
            self.missing.iter_mut().for_each(|v| *v *= T::one() - step);
            self.missing.remove(gone);
            self.let_go(gone);
            // Its correlation was beyond lambda by rounding alone.
            self.refused[j] = step == T::zero() && Some(j) == newest;
        }
    }

    /// Minimises over each coordinate once.
    fn epoch(&mut self) {
        let p = self.b.len();
        for j in 0..p {
            let (curvature, old) = (self.q[j * p + j], self.w[j]);
            let new = vecops::soft_threshold(self.pull[j] + curvature * old, self.lambda[j]) / curvature;
            if new != old {
                vecops::axpy(old - new, self.column(j), &mut self.pull);
                self.w[j] = new;
            }
        }
        self.factor.clear();
        self.active.clear();
        self.signs.clear();
        self.is_active.fill(false);
        self.refused.fill(false);
        for j in 0..p {
            if self.w[j] != T::zero() {
                let _ = self.take_in(j);
            }
        }
    }
}

impl<T: Scalar> Iteration<T> for QuadraticL1<'_, T> {
    fn step(&mut self) -> Result<(), SolveError> {
        let mut entered = false;
        while let Some(j) = self.most_promising() {
            if self.take_in(j) {
                entered = true;
                break;
            }
        }
        if !entered && self.refused.contains(&true) {
            self.epoch();
        }
        self.settle();
        self.judge();
        self.iter += 1;
        Ok(())
    }

    fn progress(&self) -> Progress<T> {
        Progress::new(self.iter, self.violation).objective(self.objective).gap(self.gap)
    }

    fn iterate(&self) -> &[T] {
        &self.w
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use spm_linalg::testing::Rng;

    use super::*;
    use crate::{Control, run, stop::Gap};

    /// `Q` with eigenvalues from 1 down to `mu`, evenly spaced in the logarithm.
    fn conditioned(rng: &mut Rng, p: usize, mu: f64) -> Vec<f64> {
        let mut basis: Vec<f64> = rng.normals(p * p);
        for j in 0..p {
            for i in 0..j {
                let (before, rest) = basis.split_at_mut(j * p);
                let along = vecops::dot(&before[i * p..(i + 1) * p], &rest[..p]);
                vecops::axpy(-along, &before[i * p..(i + 1) * p], &mut rest[..p]);
            }
            let size = vecops::norm(&basis[j * p..(j + 1) * p]);
            vecops::scale(size.recip(), &mut basis[j * p..(j + 1) * p]);
        }
        let mut q = vec![0.0; p * p];
        for k in 0..p {
            let value = mu.powf(k as f64 / (p - 1) as f64);
            for j in 0..p {
                let scaled = value * basis[k * p + j];
                vecops::axpy(scaled, &basis[k * p..(k + 1) * p], &mut q[j * p..(j + 1) * p]);
            }
        }
        q
    }

    #[test]
    fn ends_at_the_minimiser_however_badly_conditioned() {
        let p = 40;
        for (seed, mu) in [(1, 0.5), (2, 1e-4), (3, 1e-8), (4, 1e-6)] {
            let mut rng = Rng::new(seed);
            let q = conditioned(&mut rng, p, mu);
            let b: Vec<f64> = rng.normals(p);
            for share in [0.5, 0.1, 1e-3] {
                let mut lambda = vec![share * vecops::norm_inf(&b); p];
                lambda[3] = 0.0;
                let mut solver = QuadraticL1::new(&q, &b, &lambda, 0.5 * mu).unwrap();
                let report =
                    run(&mut solver, Control::new(2000, &mut Gap { tol: 1e-9 + 1e-10 / mu })).unwrap();
                assert!(report.status.is_converged(), "{mu} {share}: {report:?}");
                let w = solver.iterate().to_vec();
                let size = 1.0 + vecops::norm_1(&w);
                for j in 0..p {
                    let c = b[j] - vecops::dot(&q[j * p..(j + 1) * p], &w);
                    let off = if w[j] == 0.0 {
                        (c.abs() - lambda[j]).max(0.0)
                    } else {
                        (c - lambda[j] * w[j].signum()).abs()
                    };
                    assert!(off < 1e-9 * size, "{mu} {share}: coordinate {j} off by {off:e}");
                }
            }
        }
    }

    #[test]
    fn the_gap_bounds_the_distance_to_the_minimum() {
        let p = 12;
        let mut rng = Rng::new(7);
        let q = conditioned(&mut rng, p, 1e-3);
        let b: Vec<f64> = rng.normals(p);
        let lambda = vec![0.1; p];
        let mut solver = QuadraticL1::new(&q, &b, &lambda, 1e-3).unwrap();
        let mut seen = Vec::new();
        for _ in 0..60 {
            let at = solver.progress();
            seen.push((at.objective.unwrap(), at.gap.unwrap()));
            solver.step().unwrap();
        }
        let (least, last) = *seen.last().unwrap();
        let noise = 1e-13 * least.abs();
        assert!(last < noise);
        assert!(seen.iter().all(|(objective, gap)| objective - least <= gap + noise), "{seen:?}");
        assert!(seen.windows(2).all(|pair| pair[1].0 <= pair[0].0 + noise), "{seen:?}");
    }

    #[test]
    fn refuses_what_is_not_strongly_convex() {
        assert!(QuadraticL1::new(&[1.0], &[1.0], &[1.0], 0.0).is_err());
        assert!(QuadraticL1::new(&[0.5], &[1.0], &[1.0], 1.0).is_err());
        assert!(QuadraticL1::new(&[1.0], &[f64::NAN], &[1.0], 1.0).is_err());
        assert!(QuadraticL1::new(&[1.0], &[1.0], &[-1.0], 1.0).is_err());
    }
}
