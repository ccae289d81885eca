//! Shapes whose outline is made of circular arcs and straight lines: known curvature, and an image of them.

use spm_linalg::{LinalgError, check};

use super::refine::arc;
use crate::{Gray, ImageError};

/// Rows of samples a pixel; along the row the coverage is exact.
const ROWS: usize = 16;

/// A closed outline of arcs, each with its length and curvature (0: straight), joined without corners.
///
/// For tests of what measures curvature, and for examples.
#[derive(Debug, Clone, PartialEq)]
pub struct ArcShape {
    /// End of each arc along the outline, and its curvature.
    arcs: Vec<(f64, f64)>,
    /// Direction in which the outline starts.
    direction: f64,
}

impl ArcShape {
    /// The outline that runs through `(length, curvature)` in turn, starting in the direction of the first axis.
    ///
    /// # Errors
    /// [`ImageError::Linalg`] if a length is not positive, or the outline does not close to 1e-6 of its length.
    pub fn new(arcs: &[(f64, f64)]) -> Result<Self, ImageError> {
        check::non_empty("arcs", arcs.len())?;
        let mut end = 0.0;
        let mut out = Self { arcs: Vec::with_capacity(arcs.len()), direction: 0.0 };
        for &(length, curvature) in arcs {
            check::positive("length of an arc", length)?;
            check::finite("curvature of an arc", &[curvature])?;
            end += length;
            out.arcs.push((end, curvature));
        }
        let (open, _) = out.walk(end);
        let miss = open[0].hypot(open[1]);
        if miss > 1e-6 * end {
            let expected = "an outline that closes";
            return Err(LinalgError::InvalidParam { name: "arcs", expected, got: miss }.into());
        }
        Ok(out)
    }

    /// A dumbbell like a long bone: heads of radius 50 and 40, fillets of radius 30, a straight shaft 36 wide with a notch of
    /// radius 16 on one side.
    #[must_use]
    pub fn bone() -> Self {
        let (heads, fillet, half, notch, shaft) = ([50.0_f64, 40.0], 30.0_f64, 18.0, 16.0, 60.0);
        let lean = heads.map(|r| std::f64::consts::FRAC_PI_2 - ((half + fillet) / (r + fillet)).asin());
        let swing = std::f64::consts::FRAC_PI_4;
        let wide = 4.0 * notch * swing.sin();
        let head = |k: usize| {
            let around = std::f64::consts::PI + 2.0 * lean[k];
            [
                (fillet * lean[k], -fillet.recip()),
                (heads[k] * around, heads[k].recip()),
                (fillet * lean[k], -fillet.recip()),
            ]
        };
        let cut = [
            (notch * swing, notch.recip()),
            (2.0 * notch * swing, -notch.recip()),
            (notch * swing, notch.recip()),
        ];
        let half_shaft = (0.5 * shaft, 0.0);
        let mut arcs = vec![(0.5 * (shaft + wide), 0.0)];
        arcs.extend(head(1));
        arcs.push(half_shaft);
        arcs.extend(cut);
        arcs.push(half_shaft);
        arcs.extend(head(0));
        arcs.push((0.5 * (shaft + wide), 0.0));
        Self::new(&arcs).expect("the dumbbell closes")
    }

    /// The same shape, larger by a factor; `factor` is positive and finite, or [`render`](Self::render) refuses it.
    #[must_use]
    pub fn scaled(mut self, factor: f64) -> Self {
        self.arcs
            .iter_mut()
            .for_each(|(end, curvature)| (*end, *curvature) = (*end * factor, *curvature / factor));
        self
    }

    /// The same shape turned about its start by an angle in radians, from the first axis to the second.
    #[must_use]
    pub fn rotated(mut self, angle: f64) -> Self {
        self.direction += angle;
        self
    }

    /// The length of the outline.
    #[must_use]
    pub fn length(&self) -> f64 {
        self.arcs[self.arcs.len() - 1].0
    }

    /// The curvature at an arc length.
    #[must_use]
    pub fn curvature_at(&self, s: f64) -> f64 {
        let k = self.arcs.partition_point(|a| a.0 <= s);
        self.arcs[k.min(self.arcs.len() - 1)].1
    }

    /// The point at an arc length; the outline starts at the origin.
    #[must_use]
    pub fn point_at(&self, s: f64) -> [f64; 2] {
        self.walk(s).0
    }

    /// Point and direction at an arc length.
    fn walk(&self, s: f64) -> ([f64; 2], f64) {
        let (mut p, mut angle, mut start) = ([0.0; 2], self.direction, 0.0);
        for &(end, curvature) in &self.arcs {
            let step = end.min(s) - start;
            (p, angle) = arc(p, angle, curvature, step);
            start = end;
            if s <= end {
                break;
            }
        }
        (p, angle)
    }

    /// An image with 1 inside and 0 outside, edge pixels by the area covered, and where the origin of the outline is in it.
    ///
    /// # Errors
    /// [`ImageError::Linalg`] for a margin that is not finite or too large for an image.
    pub fn render(&self, margin: f64) -> Result<(Gray<f64>, [f64; 2]), ImageError> {
        check::non_negative("margin", margin)?;
        let count = (20.0 * self.length()).ceil().max(64.0) as usize;
        let polygon: Vec<[f64; 2]> =
            (0..count).map(|i| self.point_at(self.length() * i as f64 / count as f64)).collect();
        let ends = |c: usize| {
            polygon.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), p| (a.min(p[c]), b.max(p[c])))
        };
        let ((left, right), (top, bottom)) = (ends(0), ends(1));
        let origin = [margin - left, margin - top];
        let (h, w) = (
            (bottom - top + 2.0 * margin).ceil() as usize + 1,
            (right - left + 2.0 * margin).ceil() as usize + 1,
        );
        let mut data = Gray::<f64>::zeros(h, w)?.into_data();
        let mut crossings: Vec<Vec<f64>> = vec![Vec::new(); h * ROWS];
        for (i, a) in polygon.iter().enumerate() {
            let b = polygon[(i + 1) % count];
            let row = |y: f64| ((y + origin[1] + 0.5) * ROWS as f64 - 0.5).ceil().max(0.0) as usize;
            for (r, crossing) in
                crossings.iter_mut().enumerate().take(row(a[1].max(b[1]))).skip(row(a[1].min(b[1])))
            {
                let y = (r as f64 + 0.5) / ROWS as f64 - 0.5 - origin[1];
                crossing.push(a[0] + (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + origin[0] + 0.5);
            }
        }
        for (r, crossing) in crossings.iter_mut().enumerate() {
            crossing.sort_by(f64::total_cmp);
            for pair in crossing.chunks_exact(2) {
                for j in pair[0].max(0.0) as usize..(pair[1].ceil() as usize).min(w) {
                    let covered = (pair[1].min(j as f64 + 1.0) - pair[0].max(j as f64)).max(0.0);
                    data[r / ROWS * w + j] += covered / ROWS as f64;
                }
            }
        }
        Ok((Gray::new(h, w, data)?, origin))
    }
}
