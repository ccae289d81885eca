//! From maps to one number an image, and from the numbers of good images to a decision.

use spm_linalg::{LinalgError, check};

use super::Map;

/// How strange the strangest places are: the mean of the top share of a z map, minus a part of its median.
///
/// Places within [`BORDER`] of the border of the grid are left out where the grid is large enough. The median is what the
/// whole part has in common, such as another light.
pub(super) fn pool(z: &Map, share: f64) -> Pooled {
    let border = if z.rows.min(z.cols) >= 8 * BORDER { BORDER } else { 0 };
    let mut inner: Vec<f32> = (border..z.rows - border)
        .flat_map(|i| z.values[i * z.cols + border..(i + 1) * z.cols - border].iter().copied())
        .collect();
    inner.sort_unstable_by(f32::total_cmp);
    let top = ((share * inner.len() as f64).round() as usize).clamp(1, inner.len());
    let mean = inner[inner.len() - top..].iter().map(|&v| f64::from(v)).sum::<f64>() / top as f64;
    let median = f64::from(inner[inner.len() / 2]);
    Pooled { score: mean - OFFSET * median, median }
}

/// What [`pool`] finds.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pooled {
    pub(super) score: f64,
    pub(super) median: f64,
}

const BORDER: usize = 1;
/// Share of the median that is taken off.
const OFFSET: f64 = 0.5;

/// Mean and standard deviation of a number over good images that the detector has not seen.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Calibration {
    /// Mean.
    pub mean: f64,
    /// Standard deviation, of `n − 1`.
    pub deviation: f64,
    /// How many images.
    pub count: usize,
}

/// A threshold and how often good images really exceed it.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Threshold {
    /// Larger scores are defective.
    pub value: f64,
    /// The false alarms asked for.
    pub false_alarm: f64,
    /// The rate of false alarms lies in this interval with a confidence of 95 %, as far as the number of good images tells.
    pub interval: (f64, f64),
}

impl Calibration {
    /// Of at least two numbers.
    ///
    /// # Errors
    /// [`LinalgError::Shape`] for fewer, [`LinalgError::NonFinite`].
    pub fn new(values: &[f64]) -> Result<Self, LinalgError> {
        check::len("good images at least", 2, values.len().min(2))?;
        check::finite("scores of good images", values)?;
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
        Ok(Self { mean, deviation: variance.sqrt().max(1e-6), count: values.len() })
    }

    /// The number in standard deviations from the mean.
    #[must_use]
    pub fn standardize(&self, value: f64) -> f64 {
        (value - self.mean) / self.deviation
    }

    /// The chance that a good image has a number this large or larger: the upper tail of Student's distribution for one
    /// more draw from a normal of which `count` draws are known.
    #[must_use]
    pub fn p_value(&self, value: f64) -> f64 {
        let n = self.count as f64;
        student_tail(self.standardize(value) / (1.0 + 1.0 / n).sqrt(), n - 1.0)
    }

    /// The number that a good image exceeds with probability `false_alarm`, and how uncertain that is.
    ///
    /// The interval is from the sampling error of the quantile of a normal,
    /// `se² = 1/n + z²/(2(n − 1))` standard deviations.
    ///
    /// # Errors
    /// [`LinalgError::InvalidParam`] unless `0 < false_alarm < 1`.
    pub fn threshold(&self, false_alarm: f64) -> Result<Threshold, LinalgError> {
        if !(false_alarm > 0.0 && false_alarm < 1.0) {
            let (name, expected) = ("false_alarm", "in (0, 1)");
            return Err(LinalgError::InvalidParam { name, expected, got: false_alarm });
        }
        let n = self.count as f64;
        let (mut low, mut high) = (-1e6, 1e6);
        for _ in 0..200 {
            let middle = 0.5 * (low + high);
            if student_tail(middle, n - 1.0) > false_alarm { low = middle } else { high = middle }
        }
        let z = high * (1.0 + 1.0 / n).sqrt();
        let error = 1.96 * (1.0 / n + z * z / (2.0 * (n - 1.0))).sqrt();
        Ok(Threshold {
            value: self.mean + z * self.deviation,
            false_alarm,
            interval: (normal_tail(z + error), normal_tail(z - error)),
        })
    }

    pub(super) fn validate(&self) -> Result<(), LinalgError> {
        check::finite("mean of scores", &[self.mean])?;
        check::positive("deviation of scores", self.deviation)?;
        check::len("good images at least", 2, self.count.min(2))
    }
}

/// `P(Z > z)` for a standard normal.
fn normal_tail(z: f64) -> f64 {
    student_tail(z, 1e7)
}

/// `P(T > t)` for Student's distribution with `df` degrees of freedom: half of `I_x(df/2, 1/2)` at `x = df/(df + t²)`.
fn student_tail(t: f64, df: f64) -> f64 {
    let tail = 0.5 * incomplete_beta(df / (df + t * t), 0.5 * df, 0.5);
    if t >= 0.0 { tail } else { 1.0 - tail }
}

/// The regularised incomplete beta function by its continued fraction (DLMF 8.17.22), evaluated by Lentz's method.
fn incomplete_beta(x: f64, a: f64, b: f64) -> f64 {
    if x <= 0.0 || x >= 1.0 {
        return if x <= 0.0 { 0.0 } else { 1.0 };
    }
    // The fraction converges fast below the mean; above, the complement does.
    if x > (a + 1.0) / (a + b + 2.0) {
        return 1.0 - incomplete_beta(1.0 - x, b, a);
    }
    let front = (a * x.ln() + b * (-x).ln_1p() - log_beta(a, b)).exp() / a;
    let (mut c, mut d, mut f) = (1.0, 0.0, 1.0);
    let away = |v: f64| if v.abs() < 1e-300 { 1e-300 } else { v };
    for k in 0..1000 {
        let m = f64::from(k / 2);
        let term = match k {
            0 => 1.0,
            k if k % 2 == 0 => m * (b - m) * x / ((a + 2.0 * m - 1.0) * (a + 2.0 * m)),
            _ => -(a + m) * (a + b + m) * x / ((a + 2.0 * m) * (a + 2.0 * m + 1.0)),
        };
        d = away(1.0 + term * d).recip();
        c = away(1.0 + term / c);
        f *= c * d;
        if (c * d - 1.0).abs() < 1e-15 {
            break;
        }
    }
    // f is 1 + 1/(1 + …): the fraction wanted is f − 1.
    front * (f - 1.0)
}

/// `log B(a, b)`. For large `a` and small `b` the difference of log gammas loses digits; `b` is 1/2 or `a` is here.
fn log_beta(a: f64, b: f64) -> f64 {
    log_gamma(a) + log_gamma(b) - log_gamma(a + b)
}

/// `log Γ(x)` for `x > 0`: Stirling's series (DLMF 5.11.1) after shifting the argument beyond 10.
fn log_gamma(mut x: f64) -> f64 {
    let mut shift = 0.0;
    while x < 10.0 {
        shift += x.ln();
        x += 1.0;
    }
    let r = 1.0 / (x * x);
    let series = (1.0 / 12.0 - r * (1.0 / 360.0 - r * (1.0 / 1260.0 - r / 1680.0))) / x;
    (x - 0.5) * x.ln() - x + 0.5 * core::f64::consts::TAU.ln() + series - shift
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn tails_of_student_and_normal() {
        // Closed forms for 1 and 2 degrees of freedom; tables for the others.
        for t in [-3.0_f64, -0.5, 0.0, 0.7, 2.0, 30.0] {
            let one = 0.5 - t.atan() / core::f64::consts::PI;
            assert!((student_tail(t, 1.0) - one).abs() < 1e-12, "{t}");
            let two = 0.5 - t / (2.0 * (2.0 + t * t).sqrt());
            assert!((student_tail(t, 2.0) - two).abs() < 1e-12, "{t}");
        }
        assert!((student_tail(1.671_093, 59.0) - 0.05).abs() < 1e-6);
        assert!((normal_tail(1.644_853_6) - 0.05).abs() < 1e-6);
        assert!((normal_tail(3.090_232_3) - 0.001).abs() < 1e-7);
    }

    #[test]
    fn threshold_has_the_p_value_asked_for() {
        let c = Calibration::new(&[1.0, 2.0, 2.5, 3.0, 4.0, 2.2]).unwrap();
        for alpha in [0.2, 0.05, 1e-3] {
            let t = c.threshold(alpha).unwrap();
            assert!((c.p_value(t.value) - alpha).abs() < 1e-9);
            assert!(t.interval.0 < alpha && alpha < t.interval.1, "{t:?}");
        }
        assert!(c.threshold(0.0).is_err() && c.threshold(f64::NAN).is_err());
        assert!(Calibration::new(&[1.0]).is_err());
    }
}
