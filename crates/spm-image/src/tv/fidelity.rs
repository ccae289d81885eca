//! How a pixel's distance from its datum is measured.

/// The data term of one value, times its weight: `w f(x; b)`.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Fidelity {
    /// `½ (x − b)²`: Gaussian noise. The default.
    #[default]
    Squared,
    /// `|x − b|`: outliers, salt and pepper; keeps contrast.
    Absolute,
    /// `(x − b)²/(2 delta)` up to `|x − b| = delta`, `|x − b| − delta/2` beyond: Gaussian noise with outliers.
    Huber {
        /// Where the quadratic part ends, `> 0`, in units of the image values.
        delta: f64,
    },
    /// `x − b + b log(b/x)` for counts `b >= 0`: Poisson noise (the Kullback-Leibler divergence).
    Poisson,
    /// 0 if `x = b`, else infinite: what is given stays as it is.
    Exact,
}

impl Fidelity {
    /// `f(x; b)`, where finite.
    #[inline(always)]
    pub(super) fn value(self, x: f64, b: f64) -> f64 {
        let d = x - b;
        match self {
            Self::Squared => 0.5 * d * d,
            Self::Absolute => d.abs(),
            Self::Huber { delta } => {
                if d.abs() <= delta {
                    0.5 * d * d / delta
                } else {
                    d.abs() - 0.5 * delta
                }
            }
            Self::Exact => 0.0,
            Self::Poisson if b == 0.0 => x,
            Self::Poisson => d + b * (b / x).ln(),
        }
    }

    /// `argmin_x t f(x; b) + ½(x − v)²`.
    #[inline(always)]
    pub(super) fn prox(self, v: f64, b: f64, t: f64) -> f64 {
        let d = v - b;
        match self {
            Self::Exact => b,
            Self::Squared => (v + t * b) / (1.0 + t),
            Self::Absolute => b + (d - d.clamp(-t, t)),
            Self::Huber { delta } => v - t * (d / (delta + t)).clamp(-1.0, 1.0),
            Self::Poisson => {
                let m = v - t;
                0.5 * (m + (m * m + 4.0 * t * b).sqrt())
            }
        }
    }

    /// `argmax_x s x − w f(x; b)` in `[lo, hi]`.
    #[inline(always)]
    pub(super) fn conjugate_point(self, s: f64, b: f64, w: f64, lo: f64, hi: f64) -> f64 {
        let far = if s > 0.0 { hi } else { lo };
        let inside = match self {
            Self::Exact if w > 0.0 => b,
            Self::Squared if w > 0.0 => b + s / w,
            Self::Absolute if s.abs() <= w => b,
            Self::Huber { delta } if s.abs() < w => b + delta * s / w,
            Self::Poisson if s < w => b * w / (w - s),
            _ => far,
        };
        inside.clamp(lo, hi)
    }

    /// By how much `f` grows when all values are multiplied by `scale` (any factor will do for the exact term: the one of TV).
    pub(super) fn unit(self, scale: f64) -> f64 {
        if self == Self::Squared { scale * scale } else { scale }
    }

    /// The same for values divided by `scale`.
    pub(super) fn scaled(self, scale: f64) -> Self {
        match self {
            Self::Huber { delta } => Self::Huber { delta: delta / scale },
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Fidelity; 4] =
        [Fidelity::Squared, Fidelity::Absolute, Fidelity::Huber { delta: 0.3 }, Fidelity::Poisson];

    /// Proximal point and conjugate against a fine grid.
    #[test]
    fn closed_forms_are_the_optima() {
        let grid: Vec<f64> = (0..=4000).map(|k| f64::from(k) / 1000.0).collect();
        for f in ALL {
            for b in [0.0, 0.4, 1.7] {
                for v in [-0.5, 0.2, 1.0, 2.5] {
                    for t in [0.1, 1.0, 2.0] {
                        let of = |x: f64| t * f.value(x, b) + 0.5 * (x - v).powi(2);
                        let found = f.prox(v, b, t).max(0.0);
                        let best = grid.iter().map(|&x| of(x.max(1e-12))).fold(f64::INFINITY, f64::min);
                        assert!(of(found.max(1e-12)) <= best + 1e-9, "{f:?} {b} {v} {t}");
                        for w in [0.0, 1.0, 2.0] {
                            let s = v;
                            let of =
                                |x: f64| s * x - if w == 0.0 { 0.0 } else { w * f.value(x.max(1e-12), b) };
                            let found = f.conjugate_point(s, b, w, 0.0, 4.0);
                            let best = grid.iter().map(|&x| of(x)).fold(f64::NEG_INFINITY, f64::max);
                            assert!(of(found) >= best - 1e-9, "{f:?} {b} {s} {w}");
                        }
                    }
                }
            }
        }
    }
}
