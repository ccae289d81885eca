//! Total variation denoising.

use std::ops::ControlFlow;
use std::time::Duration;

use spm_linalg::{LinearOperator, Scalar, check, operator::Gradient};
use spm_solvers::{Certificate, Control, Iteration, Progress, Report, Status, StopRule, run};

use super::certificate::certificate;
use super::kernel::Geometry;
use super::primal_dual::PrimalDual;
use super::splitting::Splitting;
use super::{Coupling, total_variation};
use crate::options::setters;
use crate::{Image, ImageError, ImageRef};

/// Denoises an image: the minimiser of `½‖x − b‖² + λ TV(x)`.
///
/// $$ \min_x \tfrac12 \lVert x - b \rVert_2^2 + \lambda\, \mathrm{TV}(x) $$
///
/// Plain text: `min ½ Σ (x − b)² + lambda · TV(x)`, sums over pixels and channels, never means.
///
/// The image `b` has `C` channels; [`Coupling`] says what the total variation of a pixel is.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `lambda` | required | `>= 0` | how much: 0 returns the image, from some value on every channel is its mean |
/// | `coupling` | `Isotropic` | | which differences are measured together |
/// | `tol` | `1e-4` | `>= 0` | duality gap relative to the objective |
/// | `max_iter` | 10 000 | | iterations at most |
/// | `time_limit` | none | | wall time at most |
///
/// The result carries its certificate: objective and dual bound, recomputed in double precision from the data, the image
/// returned and the dual variable. [`Status::Converged`] means that this certified gap is at most `tol` times the
/// objective; a `tol` beyond the precision of `T` ends as [`Status::MaxIterations`].
///
/// Method: Chambolle and Pock (2011), "A first-order primal-dual algorithm for convex problems with applications to
/// imaging", algorithm 2, in one pass over the image an iteration; error `O(1/k²)`. It runs in single precision as far as
/// that carries and in double precision from there; the anisotropic problem goes on from there by exact solutions along rows and
/// columns in turn (Chambolle, Tan and Vaiter 2017), at some 20 iterations a digit. Rows are worked on in parallel in bands; the
/// bits of the result do not depend on the number of threads.
///
/// Time O(pixels) an iteration, some 70 iterations to a gap of 1e-3 and 150 to 1e-4 on a photograph. Memory: five single
/// precision copies of the image, and five of double precision if the tolerance asks for it.
///
/// ```
/// use spm_image::{Gray, tv::TvDenoise};
/// // A step of height 1 between two constant halves moves by 2λ/8 on either side (8 pixels a side, 4 edges).
/// let img = Gray::<f64>::new(4, 4, [0.0, 0.0, 1.0, 1.0].repeat(4))?;
/// let out = TvDenoise::new(0.1).tol(1e-10).denoise(img.view())?;
/// assert!(out.status().is_converged());
/// assert!((out.image.get(0, 2, 1) - 0.05_f64).abs() < 1e-5);
/// assert!((out.image.get(0, 2, 2) - 0.95_f64).abs() < 1e-5);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TvDenoise<T = f64> {
    /// The weight of the total variation, `>= 0`, in units of the image values.
    pub lambda: T,
    /// Which differences are measured together.
    pub coupling: Coupling,
    /// The duality gap to reach, relative to the objective.
    pub tol: T,
    /// At most this many iterations.
    pub max_iter: usize,
    /// At most this much wall time.
    pub time_limit: Option<Duration>,
}

/// A denoised image with the proof of how good it is.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct TvDenoised<T, const C: usize = 1> {
    /// The image. Not clamped: every value lies between the least and the largest value of its channel anyway, up to the
    /// tolerance.
    pub image: Image<T, C>,
    /// The weight that was used.
    pub lambda: T,
    /// Objective and lower bound of the optimum, in units of the objective stated at [`TvDenoise`].
    pub certificate: Certificate<f64>,
    /// How the run ended. The residual is the certified gap relative to the objective.
    pub report: Report<f64>,
}

impl<T: Scalar, const C: usize> TvDenoised<T, C> {
    /// Why the run ended.
    #[must_use]
    pub fn status(&self) -> Status {
        self.report.status
    }

    /// Iterations used.
    #[must_use]
    pub fn iterations(&self) -> usize {
        self.report.last.iter
    }

    /// The certified duality gap relative to the objective.
    #[must_use]
    pub fn relative_gap(&self) -> f64 {
        self.certificate.relative_gap(self.certificate.primal)
    }
}

impl<T: Scalar> TvDenoise<T> {
    /// Denoising with weight `lambda` and the default options.
    #[must_use]
    pub fn new(lambda: T) -> Self {
        Self { lambda, coupling: Coupling::default(), tol: T::of(1e-4), max_iter: 10_000, time_limit: None }
    }

    setters!(coupling, tol, max_iter, time_limit);

    /// Requires every option to lie in its range.
    ///
    /// # Errors
    /// [`spm_linalg::LinalgError::InvalidParam`].
    pub fn validate(&self) -> Result<(), ImageError> {
        check::non_negative("lambda", self.lambda)?;
        check::non_negative("tol", self.tol)?;
        Ok(())
    }

    /// Denoises.
    ///
    /// # Errors
    /// An option out of range.
    pub fn denoise<const C: usize>(&self, image: ImageRef<'_, T, C>) -> Result<TvDenoised<T, C>, ImageError> {
        self.denoise_with(image, &mut |_| ControlFlow::Continue(()))
    }

    /// Denoises and tells `progress` after every iteration; [`ControlFlow::Break`] ends the run early with
    /// [`Status::Interrupted`].
    ///
    /// # Errors
    /// An option out of range.
    pub fn denoise_with<const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        progress: &mut dyn FnMut(&Progress<f64>) -> ControlFlow<()>,
    ) -> Result<TvDenoised<T, C>, ImageError> {
        self.validate()?;
        let problem = Problem::new(image, self.coupling);
        match problem.trivial(self) {
            Some(done) => Ok(done),
            None => problem.solve(problem.start(self.lambda), self, progress),
        }
    }
}

/// The problem in normal form: channels of mean 0, largest absolute value 1.
#[derive(Debug)]
pub(super) struct Problem<'a, T, const C: usize> {
    image: ImageRef<'a, T, C>,
    geometry: Geometry,
    means: [f64; C],
    pub(super) scale: f64,
    norm: f64,
}

impl<'a, T: Scalar, const C: usize> Problem<'a, T, C> {
    pub(super) fn new(image: ImageRef<'a, T, C>, coupling: Coupling) -> Self {
        let (height, width) = image.size();
        let means = core::array::from_fn(|c| mean(image.plane(c)));
        let scale = (0..C).map(|c| distance_inf(image.plane(c), means[c])).fold(0.0, f64::max);
        let norm = Gradient::new([height, width]).ok().and_then(|g| g.norm_bound()).unwrap_or(8.0_f64.sqrt());
        Self { image, geometry: Geometry { height, width, channels: C, coupling }, means, scale, norm }
    }

    /// The solution where it is known: `λ = 0`, constant channels, `λ` so large that the means are optimal or so small that the
    /// image is, to the last digit.
    pub(super) fn trivial(&self, options: &TvDenoise<T>) -> Option<TvDenoised<T, C>> {
        let lambda = options.lambda;
        if lambda == T::zero() {
            return Some(self.package(
                self.image.to_image(),
                lambda,
                Certificate::new(0.0, 0.0),
                Status::Converged,
                0,
            ));
        }
        let normal = lambda.as_f64() / self.scale;
        if self.scale > 0.0 && normal < TINY {
            return Some(self.same_image(options));
        }
        // A pixel of ∇ᵀz is at most 4, so below 1/4 the value 1 can't vanish.
        if self.scale > 0.0 && (normal < 0.25 || normal < self.flow()) {
            return None;
        }
        Some(self.mean_image(lambda))
    }

    /// The image itself. With `z = ∇b/|∇b|` the gap is `½λ²‖∇ᵀz‖² <= 4λ²n`.
    fn same_image(&self, options: &TvDenoise<T>) -> TvDenoised<T, C> {
        let lambda = options.lambda.as_f64();
        let primal = lambda * total_variation(self.image, self.geometry.coupling).as_f64();
        let dual = primal - 4.0 * lambda * lambda * self.image.data().len() as f64;
        let certificate = Certificate::new(primal, dual);
        let converged = certificate.gap() <= options.tol.as_f64() * primal;
        let status = if converged { Status::Converged } else { Status::MaxIterations };
        self.package(self.image.to_image(), options.lambda, certificate, status, 0)
    }

    /// The channel means, which are optimal for this `lambda`.
    pub(super) fn mean_image(&self, lambda: T) -> TvDenoised<T, C> {
        let (h, w) = self.image.size();
        let data = self.means.iter().flat_map(|&m| std::iter::repeat_n(T::of(m), h * w)).collect();
        let objective = 0.5 * self.scale * self.scale * self.energy();
        let certificate = Certificate::new(objective, objective);
        self.package(Image::from_parts(h, w, data), lambda, certificate, Status::Converged, 0)
    }

    /// `‖b − means‖²` in normal form.
    pub(super) fn energy(&self) -> f64 {
        let sum = |c: usize| -> f64 {
            self.image.plane(c).iter().map(|v| ((v.as_f64() - self.means[c]) / self.scale).powi(2)).sum()
        };
        if self.scale == 0.0 { 0.0 } else { (0..C).map(sum).sum() }
    }

    /// A λ (in normal form) from which on the means are optimal: the size of a flow that carries every pixel's surplus away,
    /// down the columns first, then along the rows.
    pub(super) fn flow(&self) -> f64 {
        let (h, w) = self.image.size();
        let value = |c: usize, k: usize| (self.image.plane(c)[k].as_f64() - self.means[c]) / self.scale;
        let mut column = vec![0.0; C * w];
        for c in 0..C {
            for k in 0..h * w {
                column[c * w + k % w] += value(c, k) / h as f64;
            }
        }
        // The flow along the rows, the same in each.
        let mut across = vec![0.0; C * w];
        for c in 0..C {
            let mut sum = 0.0;
            for j in 0..w {
                sum += column[c * w + j];
                across[c * w + j] = if j + 1 < w { sum } else { 0.0 };
            }
        }
        let mut down = vec![0.0; C * w];
        let mut largest = 0.0_f64;
        for i in 0..h {
            for j in 0..w {
                let mut joint = 0.0;
                for c in 0..C {
                    let k = c * w + j;
                    down[k] = if i + 1 < h { down[k] + value(c, i * w + j) - column[k] } else { 0.0 };
                    let (v, u) = (down[k].abs(), across[k].abs());
                    match self.geometry.coupling {
                        Coupling::Anisotropic => largest = largest.max(v).max(u),
                        Coupling::Isotropic => largest = largest.max(v.hypot(u)),
                        Coupling::Vectorial => joint += v * v + u * u,
                    }
                }
                largest = largest.max(joint.sqrt());
            }
        }
        largest
    }

    /// The iteration in single precision, at its start.
    pub(super) fn start(&self, lambda: T) -> PrimalDual<f32> {
        PrimalDual::new(self.geometry, self.rows(), lambda.as_f64() / self.scale, self.norm)
    }

    /// Moves the iteration on to another `lambda`.
    pub(super) fn restart(&self, it: &mut PrimalDual<f32>, lambda: T) {
        it.restart(lambda.as_f64() / self.scale, self.norm);
    }

    /// `‖x − b‖²` at the current iterate, in normal form.
    pub(super) fn removed(&self, it: &PrimalDual<f32>) -> f64 {
        let b: Vec<f32> = self.rows();
        it.iterate().iter().zip(&b).map(|(x, b)| f64::from(x - b).powi(2)).sum()
    }

    /// Runs from `single` until the certified gap is small enough, in double precision if single does not do.
    pub(super) fn solve(
        &self,
        mut single: PrimalDual<f32>,
        options: &TvDenoise<T>,
        progress: &mut dyn FnMut(&Progress<f64>) -> ControlFlow<()>,
    ) -> Result<TvDenoised<T, C>, ImageError> {
        let tol = options.tol.as_f64();
        let first = self.phase(&mut single, options, Duration::ZERO, true, progress)?;
        let out = self.finish(single.iterate(), single.dual(), options, first);
        if out.relative_gap() <= tol || first.status != Status::Converged {
            return Ok(out);
        }
        drop(out);
        let lambda = options.lambda.as_f64() / self.scale;
        if self.geometry.coupling == Coupling::Anisotropic {
            let z: Vec<f64> = single.dual().0.iter().map(|z| f64::from(*z).clamp(-1.0, 1.0)).collect();
            let (shape, iter) = ((self.geometry.row(), self.geometry.width), first.last.iter);
            drop(single);
            let mut exact = Splitting::new(self.rows(), shape, lambda, &z, iter);
            let second = self.phase(&mut exact, options, first.elapsed, false, progress)?;
            return Ok(self.finish(exact.iterate(), exact.dual(), options, second));
        }
        let mut double = single.convert::<f64>(self.rows(), lambda);
        drop(single);
        let second = self.phase(&mut double, options, first.elapsed, false, progress)?;
        Ok(self.finish(double.iterate(), double.dual(), options, second))
    }

    /// One run of the driver. In single precision, a gap that no longer shrinks also ends it.
    fn phase<W: Scalar>(
        &self,
        it: &mut dyn Iteration<W>,
        options: &TvDenoise<T>,
        spent: Duration,
        may_stall: bool,
        progress: &mut dyn FnMut(&Progress<f64>) -> ControlFlow<()>,
    ) -> Result<Report<f64>, ImageError> {
        let unit = self.scale * self.scale;
        let to_f64 = |p: &Progress<W>| {
            let mut out = Progress::new(p.iter, p.residual.as_f64());
            out.objective = p.objective.map(|v| v.as_f64() * unit);
            out.gap = p.gap.map(|v| v.as_f64() * unit);
            out
        };
        let mut stop = Stop { tol: options.tol.as_f64(), may_stall, best: f64::INFINITY, best_iter: 0 };
        let mut observer = |p: &Progress<W>, _: &[W]| progress(&to_f64(p));
        let mut control = Control::new(options.max_iter.saturating_sub(it.progress().iter), &mut stop);
        control.observer = Some(&mut observer);
        control.time_limit = options.time_limit.map(|limit| limit.saturating_sub(spent));
        let report = run(it, control)?;
        Ok(Report::new(report.status, to_f64(&report.last), spent + report.elapsed))
    }

    /// The result at the current iterate, its status decided by the certificate.
    fn finish<W: Scalar>(
        &self,
        rows: &[W],
        (v, u): (&[W], &[W]),
        options: &TvDenoise<T>,
        report: Report<f64>,
    ) -> TvDenoised<T, C> {
        let (h, w) = self.image.size();
        let mut data = vec![T::zero(); C * h * w];
        for (c, plane) in data.chunks_exact_mut(h * w).enumerate() {
            for (to, from) in plane.chunks_exact_mut(w).zip(rows.chunks_exact(w).skip(c).step_by(C)) {
                for (to, from) in to.iter_mut().zip(from) {
                    *to = T::of(self.means[c] + self.scale * from.as_f64());
                }
            }
        }
        let mut image = Image::from_parts(h, w, data);
        let lambda = options.lambda.as_f64();
        let certify = |x| certificate(self.image, x, &self.means, lambda, self.geometry.coupling, v, u);
        let mut certificate = certify(image.view());
        if lambda < ROUNDED * self.scale && certificate.gap() > options.tol.as_f64() * certificate.primal {
            // Where the change is less than a rounding step of `T`, the data themselves may be nearer to the solution.
            let unchanged = certify(self.image);
            if unchanged.primal < certificate.primal {
                (image, certificate) = (self.image.to_image(), unchanged);
            }
        }
        let status = match report.status {
            _ if certificate.gap() <= options.tol.as_f64() * certificate.primal => Status::Converged,
            Status::Converged => Status::MaxIterations,
            other => other,
        };
        let mut out = self.package(image, options.lambda, certificate, status, report.last.iter);
        out.report.elapsed = report.elapsed;
        out
    }

    fn package(
        &self,
        image: Image<T, C>,
        lambda: T,
        certificate: Certificate<f64>,
        status: Status,
        iter: usize,
    ) -> TvDenoised<T, C> {
        let relative = certificate.relative_gap(certificate.primal);
        let last = Progress::new(iter, relative).objective(certificate.primal).gap(certificate.gap());
        TvDenoised { image, lambda, certificate, report: Report::new(status, last, Duration::ZERO) }
    }

    /// The data in normal form, in the row layout of the kernels.
    fn rows<W: Scalar>(&self) -> Vec<W> {
        let (h, w) = self.image.size();
        let mut out = vec![W::zero(); C * h * w];
        for c in 0..C {
            let plane = self.image.plane(c).chunks_exact(w);
            for (to, from) in out.chunks_exact_mut(w).skip(c).step_by(C).zip(plane) {
                for (to, from) in to.iter_mut().zip(from) {
                    *to = W::of((from.as_f64() - self.means[c]) / self.scale);
                }
            }
        }
        out
    }
}

/// Below this `λ` (in normal form) the solution is the image, to double precision.
const TINY: f64 = 1e-14;

/// Below this `λ` (in normal form) the rounding of a single-precision result can matter to the objective.
const ROUNDED: f64 = 1e-4;

/// The mean, exact for a constant and safe against overflow.
fn mean<T: Scalar>(v: &[T]) -> f64 {
    let first = v[0].as_f64();
    if v.iter().all(|v| v.as_f64() == first) {
        return first;
    }
    // Partial sums of a few thousand values each: fast and accurate in either precision.
    let n = v.len() as f64;
    let direct = v.chunks(4096).map(|c| c.iter().map(|v| v.as_f64()).sum::<f64>()).sum::<f64>() / n;
    if direct.is_finite() { direct } else { v.iter().map(|v| v.as_f64() / n).sum() }
}

/// `max |v − m|`, in lanes that the compiler can keep side by side.
fn distance_inf<T: Scalar>(v: &[T], m: f64) -> f64 {
    let mut lanes = [0.0_f64; 8];
    let mut chunks = v.chunks_exact(8);
    for chunk in &mut chunks {
        for (lane, v) in lanes.iter_mut().zip(chunk) {
            let d = (v.as_f64() - m).abs();
            *lane = if d > *lane { d } else { *lane };
        }
    }
    chunks.remainder().iter().map(|v| (v.as_f64() - m).abs()).chain(lanes).fold(0.0, f64::max)
}

/// Stops on the relative gap, or when it has not fallen by a tenth for long.
#[derive(Debug)]
struct Stop {
    tol: f64,
    may_stall: bool,
    best: f64,
    best_iter: usize,
}

impl<W: Scalar> StopRule<W> for Stop {
    fn done(&mut self, p: &Progress<W>) -> bool {
        let residual = p.residual.as_f64();
        if residual < 0.9 * self.best {
            (self.best, self.best_iter) = (residual, p.iter);
        }
        let patience = 50.max(p.iter / 3);
        residual <= self.tol || (self.may_stall && p.iter >= self.best_iter + patience)
    }
}
