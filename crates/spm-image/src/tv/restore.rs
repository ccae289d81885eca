//! Total variation with any data term, weights, missing values, in two or three dimensions, with any number of channels.

use std::ops::ControlFlow;
use std::time::Duration;

use spm_linalg::{LinalgError, Scalar, check};
use spm_solvers::{Certificate, Control, Progress, Report, Status, run, stop};

use super::grid::{Grid, GridSolver};
use super::{Coupling, Fidelity, TvDenoised};
use crate::options::setters;
use crate::{Image, ImageError, ImageRef};

/// Restores an image or a volume: the minimiser of `Σ w f(x; b) + λ TV(x)`.
///
/// $$ \min_x \sum_i w_i f(x_i; b_i) + \lambda\, \mathrm{TV}(x) $$
///
/// Plain text: `min Σ w·f(x; b) + lambda · TV(x)`, sums over pixels and channels. Pixels of weight 0 are missing and filled in;
/// [`Fidelity`] says what `f` is, [`Coupling`] what the total variation of a pixel is.
///
/// | option | default | range | meaning |
/// |---|---|---|---|
/// | `lambda` | required | `> 0` | weight of the total variation |
/// | `fidelity` | `Squared` | | the data term |
/// | `coupling` | `Isotropic` | | which differences are measured together |
/// | `tol` | `1e-4` | `>= 0` | duality gap relative to the objective |
/// | `max_iter` | 20 000 | | iterations at most |
/// | `time_limit` | none | | wall time at most |
///
/// The result lies between the least and the largest datum of its channel: clipping lowers both terms. With these bounds as part of
/// the problem the dual bound is finite for every dual variable, missing pixels included, and the certificate needs no
/// feasible point.
///
/// Method: Chambolle and Pock (2011), in double precision: algorithm 2 where the data term is strongly convex (squared, no weight 0),
/// else algorithm 1, the ratio of the steps adapted a few times. Rows are worked on in parallel in bands; the bits do not depend on the number of threads. O(n) an iteration. Memory: `3 + a` copies of
/// the data for `a` axes. For plain denoising of images [`super::TvDenoise`] is several times faster.
///
/// ```
/// use spm_image::{Gray, tv::{Fidelity, TvRestore}};
/// // A white image with a black outlier: absolute deviations ignore it.
/// let mut data = vec![1.0; 49];
/// data[24] = 0.0;
/// let image = Gray::new(7, 7, data)?;
/// let out = TvRestore::new(0.7_f64).fidelity(Fidelity::Absolute).image(image.view(), None)?;
/// assert!(out.status().is_converged() && (out.image.get(0, 3, 3) - 1.0).abs() < 1e-3);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct TvRestore<T = f64> {
    /// The weight of the total variation.
    pub lambda: T,
    /// The data term.
    pub fidelity: Fidelity,
    /// Which differences are measured together.
    pub coupling: Coupling,
    /// The duality gap to reach, relative to the objective.
    pub tol: T,
    /// At most this many iterations.
    pub max_iter: usize,
    /// At most this much wall time.
    pub time_limit: Option<Duration>,
}

/// Values on a grid of two or three axes: `channels` planes (or volumes) one after the other, each in row-major order.
#[derive(Debug, Clone, Copy)]
pub struct Samples<'a, T> {
    /// Lengths of the axes, slowest first: `[height, width]` or `[depth, height, width]`.
    pub shape: &'a [usize],
    /// The values, `channels · Π shape` of them.
    pub values: &'a [T],
    /// A weight `>= 0` for every value; 0: missing, the value is not looked at. `None`: 1 everywhere.
    pub weights: Option<&'a [T]>,
    /// A factor `>= 0` for every difference, axis after axis, each laid out as one channel (the last along its axis is not
    /// used). `None`: 1.
    pub edges: Option<&'a [T]>,
}

/// Restored values with the proof of how good they are.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Restored<T> {
    /// In the layout of the data.
    pub values: Vec<T>,
    /// Objective and lower bound of the optimum.
    pub certificate: Certificate<f64>,
    /// How the run ended.
    pub report: Report<f64>,
}

impl<T: Scalar> TvRestore<T> {
    /// Restoration with weight `lambda` and the default options.
    #[must_use]
    pub fn new(lambda: T) -> Self {
        Self {
            lambda,
            fidelity: Fidelity::default(),
            coupling: Coupling::default(),
            tol: T::of(1e-4),
            max_iter: 20_000,
            time_limit: None,
        }
    }

    /// Sets the data term.
    #[must_use]
    pub fn fidelity(mut self, fidelity: Fidelity) -> Self {
        self.fidelity = fidelity;
        self
    }

    setters!(coupling, tol, max_iter, time_limit);

    /// Restores an image; `weights` are laid out as its data.
    ///
    /// # Errors
    /// As [`TvRestore::restore`].
    pub fn image<const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        weights: Option<&[T]>,
    ) -> Result<TvDenoised<T, C>, ImageError> {
        self.image_with(image, weights, &mut |_| ControlFlow::Continue(()))
    }

    /// [`TvRestore::image`], telling `progress` after every iteration.
    ///
    /// # Errors
    /// As [`TvRestore::restore`].
    pub fn image_with<const C: usize>(
        &self,
        image: ImageRef<'_, T, C>,
        weights: Option<&[T]>,
        progress: &mut dyn FnMut(&Progress<f64>) -> ControlFlow<()>,
    ) -> Result<TvDenoised<T, C>, ImageError> {
        let (h, w) = image.size();
        let samples = Samples { shape: &[h, w], values: image.data(), weights, edges: None };
        let out = self.restore_with(samples, progress)?;
        let image = Image::from_parts(h, w, out.values);
        Ok(TvDenoised { image, lambda: self.lambda, certificate: out.certificate, report: out.report })
    }

    /// Restores values on a grid.
    ///
    /// # Errors
    /// [`LinalgError::Shape`], [`LinalgError::Empty`];
    /// [`LinalgError::NonFinite`]; [`LinalgError::InvalidParam`]: an option out of range, a negative weight, only
    /// weights of 0 in a channel, negative counts for [`Fidelity::Poisson`], or a number of axes other than 2 and 3.
    pub fn restore(&self, samples: Samples<'_, T>) -> Result<Restored<T>, ImageError> {
        self.restore_with(samples, &mut |_| ControlFlow::Continue(()))
    }

    /// [`TvRestore::restore`], telling `progress` after every iteration.
    ///
    /// # Errors
    /// As [`TvRestore::restore`].
    pub fn restore_with(
        &self,
        samples: Samples<'_, T>,
        progress: &mut dyn FnMut(&Progress<f64>) -> ControlFlow<()>,
    ) -> Result<Restored<T>, ImageError> {
        check::positive("lambda", self.lambda)?;
        check::non_negative("tol", self.tol)?;
        if let Fidelity::Huber { delta } = self.fidelity {
            check::positive("delta", delta)?;
        }
        let channels = channels(samples)?;
        let n = samples.values.len() / channels;
        let given = |k: usize| samples.weights.is_none_or(|w| w[k] > T::zero());
        let bounds = bounds(samples, channels)?;
        if self.fidelity == Fidelity::Poisson
            && let Some(&(low, _)) = bounds.iter().find(|b| b.0 < 0.0)
        {
            return Err(LinalgError::InvalidParam { name: "counts", expected: "at least 0", got: low }.into());
        }
        let scale = bounds.iter().map(|b| b.0.abs().max(b.1.abs())).fold(0.0, f64::max);
        let scale = if scale > 0.0 { scale } else { 1.0 };
        let fidelity = self.fidelity.scaled(scale);
        let unit = self.fidelity.unit(scale);
        let grid = Grid {
            shape: samples.shape.to_vec(),
            channels,
            coupling: self.coupling,
            fidelity,
            lambda: self.lambda.as_f64() * scale / unit,
            bounds: bounds.iter().map(|b| (b.0 / scale, b.1 / scale)).collect(),
        };
        // A missing value starts at the middle of its channel.
        let value = |k: usize| {
            let (low, high) = grid.bounds[k / n];
            if given(k) { samples.values[k].as_f64() / scale } else { 0.5 * (low + high) }
        };
        let weight = |k: usize| samples.weights.map_or(1.0, |w| w[k].as_f64());
        let edge = |k: usize| samples.edges.map_or(1.0, |e| e[k].as_f64());
        let edges: Option<&dyn Fn(usize) -> f64> = samples.edges.map(|_| &edge as _);
        let mut solver = GridSolver::new(&grid, &value, &weight, edges);
        let mut stop = stop::Residual { tol: self.tol.as_f64() };
        let mut observer = |p: &Progress<f64>, _: &[f64]| progress(p);
        let mut control = Control::new(self.max_iter, &mut stop);
        control.observer = Some(&mut observer);
        control.time_limit = self.time_limit;
        let mut report = run(&mut solver, control)?;
        let (values, certificate) = solver.finish();
        if certificate.gap() <= self.tol.as_f64() * certificate.primal {
            report.status = Status::Converged;
        }
        let certificate = Certificate::new(certificate.primal * unit, certificate.dual * unit);
        report.last.objective = Some(certificate.primal);
        report.last.gap = Some(certificate.gap());
        report.last.residual = certificate.relative_gap(certificate.primal);
        let restored = |(k, v): (usize, f64)| {
            let keep = self.fidelity == Fidelity::Exact && given(k);
            if keep { samples.values[k] } else { T::of(v * scale) }
        };
        Ok(Restored { values: values.into_iter().enumerate().map(restored).collect(), certificate, report })
    }
}

/// Checks the shapes; how many channels there are.
fn channels<T: Scalar>(samples: Samples<'_, T>) -> Result<usize, ImageError> {
    let axes = samples.shape.len();
    if axes != 2 && axes != 3 {
        let (name, expected) = ("axes of a grid", "2 or 3");
        return Err(LinalgError::InvalidParam { name, expected, got: axes as f64 }.into());
    }
    let mut n = 1_usize;
    for &side in samples.shape {
        check::non_empty("grid axis", side)?;
        n = n.checked_mul(side).ok_or(LinalgError::InvalidParam {
            name: "grid shape",
            expected: "small enough to address",
            got: side as f64,
        })?;
    }
    check::non_empty("values", samples.values.len())?;
    let channels = samples.values.len().div_ceil(n);
    check::len("values", channels * n, samples.values.len())?;
    if let Some(w) = samples.weights {
        check::len("weights", samples.values.len(), w.len())?;
        check::all_non_negative("weights", w)?;
    }
    if let Some(e) = samples.edges {
        check::len("edge factors", axes * n, e.len())?;
        check::all_non_negative("edge factors", e)?;
    }
    Ok(channels)
}

/// The least and the largest value given in every channel.
fn bounds<T: Scalar>(samples: Samples<'_, T>, channels: usize) -> Result<Vec<(f64, f64)>, ImageError> {
    let n = samples.values.len() / channels;
    let mut out = vec![(f64::INFINITY, f64::NEG_INFINITY); channels];
    for (k, v) in samples.values.iter().enumerate() {
        if samples.weights.is_none_or(|w| w[k] > T::zero()) {
            let v = v.as_f64();
            if !v.is_finite() {
                return Err(LinalgError::NonFinite { what: "values", index: k }.into());
            }
            let b = &mut out[k / n];
            *b = (b.0.min(v), b.1.max(v));
        }
    }
    if out.iter().any(|b| b.0 > b.1) {
        let (name, expected) = ("share of missing pixels", "below 1: nothing is given");
        return Err(LinalgError::InvalidParam { name, expected, got: 1.0 }.into());
    }
    Ok(out)
}
