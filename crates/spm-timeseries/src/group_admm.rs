//! ADMM for trends with common knots.

use std::marker::PhantomData;

use spm_linalg::Scalar;
use spm_linalg::factor::BandedCholesky;
use spm_solvers::{Certificate, Iteration, Progress, SolveError};

use crate::group_problem::GroupProblem;

/// Over-relaxation.
const RELAX: f64 = 1.6;
/// Iterations between certificates and changes of rho.
const EVERY: usize = 10;

/// The best point so far.
#[derive(Debug)]
pub(crate) struct Best {
    pub(crate) x: Vec<f64>,
    pub(crate) z: Vec<f64>,
    pub(crate) certificate: Certificate<f64>,
}

/// ADMM on `min f(X) + g(Z)`, `Z = D X`, scaled multiplier `v`.
#[derive(Debug)]
pub(crate) struct GroupAdmm<T> {
    pub(crate) p: GroupProblem,
    pub(crate) best: Best,
    rho: f64,
    /// Of `W + rho DᵀD`, one for every channel or one for all.
    factors: Vec<BandedCholesky<f64>>,
    band: Vec<f64>,
    x: Vec<f64>,
    z: Vec<f64>,
    v: Vec<f64>,
    dx: Vec<f64>,
    z_before: Vec<f64>,
    back: Vec<f64>,
    candidate: Vec<f64>,
    dual: Vec<f64>,
    iter: usize,
    scalar: PhantomData<T>,
}

impl<T: Scalar> GroupAdmm<T> {
    /// Starts at one polynomial a channel. `D` has a row and `lambda > 0`.
    pub(crate) fn new(mut p: GroupProblem) -> Result<Self, SolveError> {
        let mut x = vec![0.0; p.y.len()];
        let z = vec![0.0; p.channels() * p.m];
        p.integrate(&z, &mut x);
        let best = Best { x: x.clone(), z: z.clone(), certificate: Certificate::new(p.scale, 0.0) };
        let (mut factors, mut band) = p.room();
        let rho = p.lambda;
        p.factor(rho, &mut band, &mut factors)?;
        Ok(Self {
            rho,
            factors,
            band,
            v: z.clone(),
            dx: z.clone(),
            z_before: z.clone(),
            dual: z.clone(),
            back: x.clone(),
            candidate: x.clone(),
            x,
            z,
            best,
            iter: 0,
            p,
            scalar: PhantomData,
        })
    }

    fn judge(&mut self) {
        for (u, v) in self.dual.iter_mut().zip(&self.v) {
            *u = self.rho * v;
        }
        self.p.integrate(&self.z, &mut self.candidate);
        self.p.make_feasible(&mut self.dual, &mut self.back);
        let found = self.p.certificate(&self.candidate, &self.z, &self.dual, &self.back);
        if found.gap() < self.best.certificate.gap() {
            self.best.certificate = found;
            self.best.x.copy_from_slice(&self.candidate);
            self.best.z.copy_from_slice(&self.z);
        }
    }

    /// `|Dᵀ dual|`.
    fn force(&mut self) -> f64 {
        self.p.adjoint(&self.dual, &mut self.back);
        norm(&self.back)
    }

    /// Residual balancing: relative to the sizes of what they are residuals of, and ever more rarely, so that rho settles.
    fn balance(&mut self) -> Result<(), SolveError> {
        let primal = self.dx.iter().zip(&self.z).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
        let size = norm(&self.dx).max(1e-300);
        for (d, (a, b)) in self.dual.iter_mut().zip(self.z.iter().zip(&self.z_before)) {
            *d = self.rho * (a - b);
        }
        let dual = self.force();
        for (d, v) in self.dual.iter_mut().zip(&self.v) {
            *d = self.rho * v;
        }
        let force = self.force().max(1e-300);
        let balance = ((primal / size) / (dual / force).max(1e-300)).sqrt();
        if balance.is_finite() && !(0.5..=2.0).contains(&balance) {
            let factor = balance.clamp(0.1, 10.0);
            self.rho *= factor;
            self.v.iter_mut().for_each(|v| *v /= factor);
            self.p.factor(self.rho, &mut self.band, &mut self.factors)?;
        }
        Ok(())
    }
}

fn norm(v: &[f64]) -> f64 {
    v.iter().map(|v| v * v).sum::<f64>().sqrt()
}

impl<T: Scalar> Iteration<T> for GroupAdmm<T> {
    fn step(&mut self) -> Result<(), SolveError> {
        self.iter += 1;
        let m = self.p.m;
        for (d, (z, v)) in self.dual.iter_mut().zip(self.z.iter().zip(&self.v)) {
            *d = self.rho * (z - v);
        }
        self.p.adjoint(&self.dual, &mut self.x);
        for (x, (w, y)) in self.x.iter_mut().zip(self.p.w.iter().zip(&self.p.y)) {
            *x += w * y;
        }
        let last = self.factors.len() - 1;
        for (c, x) in self.x.chunks_exact_mut(self.p.n).enumerate() {
            self.factors[c.min(last)].solve_in_place(x);
        }
        self.p.differences(&self.x, &mut self.dx);
        self.z_before.copy_from_slice(&self.z);
        let radius = self.p.lambda / self.rho;
        for i in 0..m {
            let mut square = 0.0;
            for k in (i..self.z.len()).step_by(m) {
                let h = RELAX * self.dx[k] + (1.0 - RELAX) * self.z[k] + self.v[k];
                self.v[k] = h;
                square += h * h;
            }
            let norm = square.sqrt();
            let keep = if norm > radius { 1.0 - radius / norm } else { 0.0 };
            for k in (i..self.z.len()).step_by(m) {
                let h = self.v[k];
                self.z[k] = keep * h;
                self.v[k] = h - self.z[k];
            }
        }
        if self.iter.is_multiple_of(EVERY) {
            self.judge();
            if (self.iter / EVERY).is_power_of_two() {
                self.balance()?;
            }
        }
        Ok(())
    }

    fn progress(&self) -> Progress<T> {
        let (c, scale) = (self.best.certificate, self.p.units.objective());
        Progress::new(self.iter, T::of(c.relative_gap(self.p.scale)))
            .objective(T::of(scale * c.primal))
            .gap(T::of(scale * c.gap()))
    }

    /// Nothing: the values are in other units and another layout.
    fn iterate(&self) -> &[T] {
        &[]
    }
}
