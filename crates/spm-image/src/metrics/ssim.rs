//! The structural similarity index.

use spm_linalg::{LinalgError, Scalar, check, vecops};

use crate::error::same_size;
use crate::{Image, ImageError, ImageRef, par};

/// The window over which local means and variances are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Window {
    /// Equal weights on a square of this odd side, at least 3.
    Uniform(usize),
    /// A Gaussian of this standard deviation, cut at 3.5 standard deviations (radius 5 for 1.5).
    Gaussian(f64),
}

/// The structural similarity index (SSIM) of two images, as a mean or as a map.
///
/// $$ \mathrm{SSIM} = \frac{(2 \mu_a \mu_b + c_1)(2 \sigma_{ab} + c_2)}{(\mu_a^2 + \mu_b^2 + c_1)(\sigma_a^2 + \sigma_b^2 + c_2)},
/// \qquad c_i = (k_i\, \text{range})^2 $$
///
/// Plain text: `(2 ma mb + c1)(2 vab + c2) / ((ma² + mb² + c1)(va + vb + c2))` with local means `m` and (co)variances `v`.
///
/// [`Ssim::uniform`] is the default of scikit-image: a 7×7 window and the sample covariance (division by 48, not 49).
/// [`Ssim::gaussian`] is Wang, Bovik, Sheikh and Simoncelli (2004), "Image quality assessment: from error visibility to
/// structural similarity": a Gaussian window of standard deviation 1.5, 11×11, and the population covariance. The mean is over
/// all positions where the window lies inside the image, and over the channels.
///
/// | option | `uniform` | `gaussian` | meaning |
/// |---|---|---|---|
/// | `window` | `Uniform(7)` | `Gaussian(1.5)` | where local moments are taken |
/// | `data_range` | required | required | distance between the least and largest possible value |
/// | `sample_covariance` | true | false | divide by `N − 1`, `N` the pixels of the window |
/// | `k1`, `k2` | 0.01, 0.03 | 0.01, 0.03 | what keeps the quotient stable |
///
/// O(pixels·window side) time; memory is a few rows a task, plus the map if asked for.
///
/// ```
/// use spm_image::{Gray, metrics::Ssim};
/// let a = Gray::new(8, 8, (0..64).map(|k| f64::from(k % 5) / 4.0).collect())?;
/// assert_eq!(Ssim::uniform(1.0).mean(a.view(), a.view())?, 1.0);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Ssim {
    /// Where local moments are taken.
    pub window: Window,
    /// Distance between the least and the largest possible value.
    pub data_range: f64,
    /// Whether covariances are divided by `N − 1` instead of `N`, the number of pixels in the window.
    pub sample_covariance: bool,
    /// Stabilises the luminance term.
    pub k1: f64,
    /// Stabilises the contrast term.
    pub k2: f64,
}

impl Ssim {
    /// A uniform 7×7 window with sample covariance, the default of scikit-image.
    #[must_use]
    pub fn uniform(data_range: f64) -> Self {
        Self { window: Window::Uniform(7), data_range, sample_covariance: true, k1: 0.01, k2: 0.03 }
    }

    /// A Gaussian 11×11 window of standard deviation 1.5, as Wang et al. (2004).
    #[must_use]
    pub fn gaussian(data_range: f64) -> Self {
        Self { window: Window::Gaussian(1.5), data_range, sample_covariance: false, k1: 0.01, k2: 0.03 }
    }

    /// Sets the window.
    #[must_use]
    pub fn window(mut self, window: Window) -> Self {
        self.window = window;
        self
    }

    /// Sets whether covariances are divided by `N − 1`.
    #[must_use]
    pub fn sample_covariance(mut self, on: bool) -> Self {
        self.sample_covariance = on;
        self
    }

    /// Sets the two stabilising constants.
    #[must_use]
    pub fn constants(mut self, k1: f64, k2: f64) -> Self {
        (self.k1, self.k2) = (k1, k2);
        self
    }

    /// Requires every option to lie in its range.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`].
    pub fn validate(&self) -> Result<(), ImageError> {
        check::positive("data_range", self.data_range)?;
        check::non_negative("k1", self.k1)?;
        check::non_negative("k2", self.k2)?;
        match self.window {
            Window::Uniform(side) if side < 3 || side % 2 == 0 => Err(LinalgError::InvalidParam {
                name: "window side",
                expected: "odd and >= 3",
                got: side as f64,
            }
            .into()),
            Window::Uniform(_) => Ok(()),
            Window::Gaussian(sigma) if !(sigma > 0.0 && sigma <= 1e6) => Err(LinalgError::InvalidParam {
                name: "window standard deviation",
                expected: "> 0 and at most 1e6",
                got: sigma,
            }
            .into()),
            Window::Gaussian(_) => Ok(()),
        }
    }

    /// The mean index, 1 for equal images.
    ///
    /// # Errors
    /// [`ImageError::SizeMismatch`]; [`ImageError::TooSmall`] if the window does not fit; an option out of range.
    pub fn mean<T: Scalar, const C: usize>(
        &self,
        a: ImageRef<'_, T, C>,
        b: ImageRef<'_, T, C>,
    ) -> Result<f64, ImageError> {
        Ok(self.run(a, b, false)?.0.ssim)
    }

    /// The mean index and the index at every pixel, the borders mirrored (`d c b a | a b c d`).
    ///
    /// The mean leaves out the rim where the window sticks out.
    ///
    /// # Errors
    /// As [`Ssim::mean`].
    pub fn map<T: Scalar, const C: usize>(
        &self,
        a: ImageRef<'_, T, C>,
        b: ImageRef<'_, T, C>,
    ) -> Result<(f64, Image<f64, C>), ImageError> {
        let (means, map) = self.run(a, b, true)?;
        Ok((means.ssim, Image::from_parts(a.height(), a.width(), map)))
    }

    /// Mean index and mean contrast-structure term, and the map if asked for.
    pub(super) fn run<T: Scalar, const C: usize>(
        &self,
        a: ImageRef<'_, T, C>,
        b: ImageRef<'_, T, C>,
        want_map: bool,
    ) -> Result<(Terms, Vec<f64>), ImageError> {
        self.validate()?;
        same_size(a.size(), b.size())?;
        let weights = self.weights();
        let side = weights.len();
        let (height, width) = a.size();
        if side > height || side > width {
            return Err(ImageError::TooSmall { what: "the window", size: (side, side), image: a.size() });
        }
        let pixels = (side * side) as f64;
        let job = Job {
            height,
            width,
            weights: &weights,
            c1: (self.k1 * self.data_range).powi(2),
            c2: (self.k2 * self.data_range).powi(2),
            covariance: if self.sample_covariance { pixels / (pixels - 1.0) } else { 1.0 },
            want_map,
        };
        let mut total = Terms::default();
        let mut map = Vec::with_capacity(if want_map { C * height * width } else { 0 });
        for c in 0..C {
            let bands: Vec<usize> = (0..height).step_by(BAND).collect();
            let parts = par::map(bands, |first| {
                vecops::dispatch(Band { job: &job, a: a.plane(c), b: b.plane(c), first })
            });
            for (terms, rows) in parts {
                total.ssim += terms.ssim;
                total.contrast += terms.contrast;
                map.extend(rows);
            }
        }
        let n = (C * (height - side + 1) * (width - side + 1)) as f64;
        Ok((Terms { ssim: total.ssim / n, contrast: total.contrast / n }, map))
    }

    /// The weights of the window along one axis; they sum to 1.
    fn weights(&self) -> Vec<f64> {
        match self.window {
            Window::Uniform(side) => vec![1.0 / side as f64; side],
            Window::Gaussian(sigma) => {
                let radius = (3.5 * sigma + 0.5) as usize;
                let raw: Vec<f64> = (0..=2 * radius)
                    .map(|k| (-0.5 * ((k as f64 - radius as f64) / sigma).powi(2)).exp())
                    .collect();
                let sum: f64 = raw.iter().sum();
                raw.iter().map(|g| g / sum).collect()
            }
        }
    }
}

/// Sums, then means, of the index and of its contrast-structure factor.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Terms {
    pub(super) ssim: f64,
    pub(super) contrast: f64,
}

/// Rows a task; sums are folded in the order of the tasks.
const BAND: usize = 64;

/// The moments: means of a, b, a², b², ab.
const MOMENTS: usize = 5;

struct Job<'a> {
    height: usize,
    width: usize,
    weights: &'a [f64],
    c1: f64,
    c2: f64,
    covariance: f64,
    want_map: bool,
}

/// The rows from `first` on, at most [`BAND`].
struct Band<'a, T> {
    job: &'a Job<'a>,
    a: &'a [T],
    b: &'a [T],
    first: usize,
}

impl<T: Scalar> vecops::Kernel for Band<'_, T> {
    type Output = (Terms, Vec<f64>);

    /// Sums over the inner pixels, and the rows of the map.
    #[inline(always)]
    fn call(self) -> (Terms, Vec<f64>) {
        self.job.band(self.a, self.b, self.first)
    }
}

impl Job<'_> {
    #[inline(always)]
    fn band<T: Scalar>(&self, a: &[T], b: &[T], first: usize) -> (Terms, Vec<f64>) {
        let (w, radius) = (self.width, self.weights.len() / 2);
        let last = (first + BAND).min(self.height);
        // Variances do not depend on a shift; without one, a large mean would cancel their digits.
        let shift = a[first * w].as_f64();
        // Horizontally filtered rows first − radius .. last + radius, mirrored at the borders.
        let stride = MOMENTS * w;
        let mut filtered = vec![0.0; (last - first + 2 * radius) * stride];
        let mut padded = vec![0.0; MOMENTS * (w + 2 * radius)];
        for (k, out) in filtered.chunks_exact_mut(stride).enumerate() {
            let i = mirror((first + k) as isize - radius as isize, self.height);
            self.filter_row(&a[i * w..(i + 1) * w], &b[i * w..(i + 1) * w], shift, &mut padded, out);
        }
        let mut terms = Terms::default();
        let mut map = Vec::with_capacity(if self.want_map { (last - first) * w } else { 0 });
        let mut moments = vec![0.0; stride];
        let (mut ssim, mut contrast) = (vec![0.0; w], vec![0.0; w]);
        for i in first..last {
            moments.fill(0.0);
            for (k, &g) in self.weights.iter().enumerate() {
                let row = &filtered[(i - first + k) * stride..][..stride];
                for (m, &v) in moments.iter_mut().zip(row) {
                    *m += g * v;
                }
            }
            self.index_row(&moments, shift, &mut ssim, &mut contrast);
            if i >= radius && i + radius < self.height {
                terms.ssim += vecops::sum(&ssim[radius..w - radius]);
                terms.contrast += vecops::sum(&contrast[radius..w - radius]);
            }
            if self.want_map {
                map.extend_from_slice(&ssim);
            }
        }
        (terms, map)
    }

    #[inline(always)]
    fn filter_row<T: Scalar>(&self, a: &[T], b: &[T], shift: f64, padded: &mut [f64], out: &mut [f64]) {
        let (w, radius) = (self.width, self.weights.len() / 2);
        let n = w + 2 * radius;
        let (pa, rest) = padded.split_at_mut(n);
        let (pb, rest) = rest.split_at_mut(n);
        let (paa, rest) = rest.split_at_mut(n);
        let (pbb, pab) = rest.split_at_mut(n);
        for k in 0..n {
            let j = mirror(k as isize - radius as isize, w);
            (pa[k], pb[k]) = (a[j].as_f64() - shift, b[j].as_f64() - shift);
        }
        for k in 0..n {
            (paa[k], pbb[k], pab[k]) = (pa[k] * pa[k], pb[k] * pb[k], pa[k] * pb[k]);
        }
        out.fill(0.0);
        for (out, padded) in out.chunks_exact_mut(w).zip(padded.chunks_exact(n)) {
            for (k, &g) in self.weights.iter().enumerate() {
                for (o, &v) in out.iter_mut().zip(&padded[k..k + w]) {
                    *o += g * v;
                }
            }
        }
    }

    #[inline(always)]
    fn index_row(&self, moments: &[f64], shift: f64, ssim: &mut [f64], contrast: &mut [f64]) {
        let w = self.width;
        for j in 0..w {
            let (ma, mb) = (moments[j], moments[w + j]);
            let va = self.covariance * (moments[2 * w + j] - ma * ma);
            let vb = self.covariance * (moments[3 * w + j] - mb * mb);
            let vab = self.covariance * (moments[4 * w + j] - ma * mb);
            let (ma, mb) = (ma + shift, mb + shift);
            contrast[j] = ratio(2.0 * vab + self.c2, va + vb + self.c2);
            ssim[j] = contrast[j] * ratio(2.0 * ma * mb + self.c1, ma * ma + mb * mb + self.c1);
        }
    }
}

/// A quotient, 1 where both are 0 (two flat black windows without stabilising constants).
#[inline(always)]
fn ratio(p: f64, q: f64) -> f64 {
    if q == 0.0 { 1.0 } else { p / q }
}

/// The index mirrored into `0..n`, the border pixel repeated: `d c b a | a b c d | d c b a`.
#[inline(always)]
fn mirror(i: isize, n: usize) -> usize {
    let n = n as isize;
    let i = if i < 0 { -1 - i } else { i };
    (if i >= n { 2 * n - 1 - i } else { i }) as usize
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use spm_linalg::testing::Rng;

    /// Straight from the definition, one window at a time.
    fn slow(a: &Image<f64>, b: &Image<f64>, s: &Ssim) -> f64 {
        let g = s.weights();
        let r = g.len() / 2;
        let (h, w) = a.size();
        let n = (g.len() * g.len()) as f64;
        let cov = if s.sample_covariance { n / (n - 1.0) } else { 1.0 };
        let (c1, c2) = ((s.k1 * s.data_range).powi(2), (s.k2 * s.data_range).powi(2));
        let mut sum = 0.0;
        for i in r..h - r {
            for j in r..w - r {
                let win = |f: &dyn Fn(f64, f64) -> f64| -> f64 {
                    let mut t = 0.0;
                    for (k, gk) in g.iter().enumerate() {
                        for (l, gl) in g.iter().enumerate() {
                            t += gk * gl * f(a.get(0, i + k - r, j + l - r), b.get(0, i + k - r, j + l - r));
                        }
                    }
                    t
                };
                let (ma, mb) = (win(&|p, _| p), win(&|_, q| q));
                let va = cov * win(&|p, _| (p - ma).powi(2));
                let vb = cov * win(&|_, q| (q - mb).powi(2));
                let vab = cov * win(&|p, q| (p - ma) * (q - mb));
                sum += (2.0 * ma * mb + c1) * (2.0 * vab + c2) / ((ma * ma + mb * mb + c1) * (va + vb + c2));
            }
        }
        sum / ((h - 2 * r) * (w - 2 * r)) as f64
    }

    #[test]
    fn agrees_with_the_definition() {
        let mut rng = Rng::new(1);
        // More rows than one band.
        let a = Image::new(70, 13, (0..910).map(|_| rng.uniform()).collect()).unwrap();
        let b = Image::new(70, 13, a.data().iter().map(|v| 0.8 * v + 0.1 * rng.uniform::<f64>()).collect())
            .unwrap();
        for s in [
            Ssim::uniform(1.0),
            Ssim::gaussian(1.0),
            Ssim::uniform(1.0).window(Window::Uniform(11)).sample_covariance(false).constants(0.02, 0.05),
        ] {
            let (mean, map) = s.map(a.view(), b.view()).unwrap();
            assert!((mean - slow(&a, &b, &s)).abs() < 1e-12);
            assert_eq!(map.size(), (70, 13));
            assert_eq!(mean, s.mean(a.view(), b.view()).unwrap());
        }
    }

    #[test]
    fn a_large_mean_does_not_cancel() {
        let mut rng = Rng::new(2);
        let a = Image::new(9, 9, (0..81).map(|_| rng.uniform::<f64>()).collect()).unwrap();
        let b = Image::new(9, 9, a.data().iter().map(|v| v + 0.1 * rng.normal::<f64>()).collect()).unwrap();
        let up =
            |x: &Image<f64>| Image::<f64>::new(9, 9, x.data().iter().map(|v| v + 1e6).collect()).unwrap();
        let s = Ssim::uniform(1.0).constants(0.0, 0.03);
        let contrast = s.run(a.view(), b.view(), false).unwrap().0.contrast;
        let shifted = s.run(up(&a).view(), up(&b).view(), false).unwrap().0.contrast;
        assert!((contrast - shifted).abs() < 1e-8, "{contrast} {shifted}");
    }

    #[test]
    fn refuses() {
        let a = Image::<f64>::zeros(6, 9).unwrap();
        assert!(matches!(Ssim::uniform(1.0).mean(a.view(), a.view()), Err(ImageError::TooSmall { .. })));
        let b = Image::<f64>::zeros(9, 6).unwrap();
        assert!(matches!(Ssim::uniform(1.0).mean(a.view(), b.view()), Err(ImageError::SizeMismatch { .. })));
        assert!(Ssim::uniform(0.0).validate().is_err());
        assert!(Ssim::uniform(1.0).window(Window::Uniform(4)).validate().is_err());
        assert!(Ssim::uniform(1.0).window(Window::Gaussian(f64::NAN)).validate().is_err());
    }
}
