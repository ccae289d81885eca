//! Level sets of an image as ordered closed curves with sub-pixel coordinates: marching squares.

use spm_linalg::{LinalgError, Scalar};

use super::level::{Split, noise_level, otsu};
use crate::tv::TvDenoise;
use crate::{Image, ImageError, ImageRef};

const NONE: usize = usize::MAX;
/// Weight of the automatic total variation, in units of the noise.
const WEIGHT: f64 = 2.0;
/// A shape with more of its outline than this along the border of the image is looked into, so often at most, as long as the
/// classes in it differ by this share of the first contrast.
const BORDER: f64 = 0.25;
const DEEPEST: usize = 4;
const FAINTEST: f64 = 0.2;
/// Noise below this share of the range is not worth denoising.
const QUIET: f64 = 0.01;

/// A closed curve, its first point not repeated at the end.
///
/// Coordinates are `[column, row]`, pixel centres at whole numbers, rows downwards. The shape lies such that the area
/// `1/2 sum (x y' - x' y)` is positive, so that convex parts have positive curvature.
#[derive(Debug, Clone, PartialEq)]
pub struct Contour {
    points: Vec<[f64; 2]>,
}

impl Contour {
    /// A closed polygon, turned round if its area is negative.
    ///
    /// # Errors
    /// [`ImageError::Linalg`] for fewer than three points, a coordinate that is not finite, or no area.
    pub fn new(mut points: Vec<[f64; 2]>) -> Result<Self, ImageError> {
        if let Some(index) = points.iter().position(|p| !(p[0].is_finite() && p[1].is_finite())) {
            return Err(LinalgError::NonFinite { what: "contour", index }.into());
        }
        points.dedup();
        if points.len() > 1 && points.first() == points.last() {
            points.pop();
        }
        let size = area(&points);
        if points.len() < 3 || size == 0.0 || !size.is_finite() {
            let expected = "at least three different points around an area";
            return Err(
                LinalgError::InvalidParam { name: "contour", expected, got: points.len() as f64 }.into()
            );
        }
        if size < 0.0 {
            points.reverse();
        }
        Ok(Self { points })
    }

    /// The points, `[column, row]`.
    #[must_use]
    pub fn points(&self) -> &[[f64; 2]] {
        &self.points
    }

    /// The area inside.
    #[must_use]
    pub fn area(&self) -> f64 {
        area(&self.points)
    }

    /// The length of the polygon.
    #[must_use]
    pub fn length(&self) -> f64 {
        (0..self.points.len())
            .map(|i| distance(self.points[i], self.points[(i + 1) % self.points.len()]))
            .sum()
    }

    /// About `length / spacing` points at equal arc length.
    #[must_use]
    pub(super) fn resampled(&self, spacing: f64) -> Vec<[f64; 2]> {
        let (p, total) = (&self.points, self.length());
        let count = ((total / spacing).round() as usize).max(3);
        let mut out = Vec::with_capacity(count);
        let (mut i, mut walked) = (0, 0.0);
        for k in 0..count {
            let want = total * k as f64 / count as f64;
            let mut step = distance(p[i], p[(i + 1) % p.len()]);
            while walked + step < want && i + 1 < p.len() {
                walked += step;
                i += 1;
                step = distance(p[i], p[(i + 1) % p.len()]);
            }
            let (a, b) = (p[i], p[(i + 1) % p.len()]);
            let s = if step > 0.0 { ((want - walked) / step).min(1.0) } else { 0.0 };
            out.push([a[0] + s * (b[0] - a[0]), a[1] + s * (b[1] - a[1])]);
        }
        out
    }
}

fn area(p: &[[f64; 2]]) -> f64 {
    // About the first point, so that a far-away shape loses no digits.
    let at = |i: usize| [p[i][0] - p[0][0], p[i][1] - p[0][1]];
    (1..p.len().saturating_sub(1)).map(|i| 0.5 * (at(i)[0] * at(i + 1)[1] - at(i + 1)[0] * at(i)[1])).sum()
}

pub(super) fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

/// The outline of the largest shape in an image.
///
/// Noise is taken out by total variation first, then the level set is traced by marching squares (Lorensen and Cline
/// 1987 in two dimensions; where four crossings meet in a cell, the mean of its corners says which side is connected). The
/// curve around the largest area is the outline; holes and specks are other curves. A shape that touches the border
/// of the image is closed half a pixel outside.
///
/// Without a level, where more than a quarter of the outline runs along the border, the shape is only the surroundings of the
/// wanted one, as the body is of a bone: its values are split again by Otsu's method, until the outline lies within the
/// image or the classes differ by less than a fifth of the first two; then the first outline stays.
///
/// | parameter | default | range | meaning |
/// |---|---|---|---|
/// | `level` | [`otsu_level`](super::otsu_level) of the denoised image, or within its bright (dark) part | finite | value at the boundary |
/// | `dark` | false | | the shape is darker than what is around it |
/// | `tv` | twice the noise | finite, `>= 0` | weight of the total variation; none by default if the noise, the median of 2 × 2 differences, is below 1 % of the range |
///
/// O(pixels) after the denoising.
///
/// ```
/// use spm_image::{Gray, contour::Outline};
/// // A disc of radius 12, its edge one pixel wide.
/// let disc = |k: usize| (12.5 - ((k % 32) as f64 - 16.0).hypot((k / 32) as f64 - 16.0)).clamp(0.0, 1.0);
/// let image = Gray::new(32, 32, (0..1024).map(disc).collect())?;
/// let contour = Outline::new().find(image.view())?;
/// assert!((contour.length() / (24.0 * std::f64::consts::PI) - 1.0).abs() < 0.01);
/// # Ok::<(), spm_image::ImageError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Outline {
    /// Value at the boundary.
    pub level: Option<f64>,
    /// Whether the shape is darker than what is around it.
    pub dark: bool,
    /// Weight of the total variation.
    pub tv: Option<f64>,
}

impl Outline {
    /// With the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the value at the boundary.
    #[must_use]
    pub fn level(mut self, level: f64) -> Self {
        self.level = Some(level);
        self
    }

    /// Looks for a dark shape.
    #[must_use]
    pub fn dark(mut self) -> Self {
        self.dark = true;
        self
    }

    /// Sets the weight of the total variation; 0 for none.
    #[must_use]
    pub fn tv(mut self, tv: f64) -> Self {
        self.tv = Some(tv);
        self
    }

    /// Finds the outline.
    ///
    /// # Errors
    /// [`ImageError::Linalg`] for a parameter out of range; [`ImageError::NoShape`] if no pixel lies on the shape's side of the
    /// level, as in a constant image.
    pub fn find<T: Scalar>(&self, image: ImageRef<'_, T>) -> Result<Contour, ImageError> {
        let (h, w) = image.size();
        let mut data: Vec<f64> = image.data().iter().map(|v| v.as_f64()).collect();
        if let Some(level) = self.level {
            spm_linalg::check::finite("level", &[level])?;
        }
        let (low, high) = range(&data);
        let weight = match self.tv {
            Some(tv) => tv,
            None => {
                let noise = noise_level(image);
                if noise > QUIET * (high - low) { WEIGHT * noise } else { 0.0 }
            }
        };
        if weight != 0.0 {
            let noisy = Image::<f64>::new(h, w, data)?;
            data = TvDenoise::new(weight).tol(1e-4).denoise(noisy.view())?.image.into_data();
        }
        let sign = if self.dark { -1.0 } else { 1.0 };
        let trace = |level: f64| largest_curve(&data, h, w, level, sign);
        if let Some(level) = self.level {
            return finish(trace(level), level);
        }
        let whole = otsu(data.iter().copied()).ok_or(ImageError::NoShape { level: low })?;
        let first = trace(whole.level);
        // Most of a shape that runs along the border lies outside of the image: what is wanted lies in it.
        let mut curve = first.clone();
        let mut level = whole.level;
        for _ in 0..DEEPEST {
            match &curve {
                Some(points) if along_border(points, h, w) > BORDER => {}
                Some(_) => return finish(curve, level),
                None => break,
            }
            let within = data.iter().copied().filter(|v| sign * (v - level) > 0.0);
            match otsu(within) {
                Some(Split { level: next, contrast }) if contrast >= FAINTEST * whole.contrast => {
                    level = next
                }
                _ => break,
            }
            curve = trace(level);
        }
        finish(first, whole.level)
    }
}

/// The curve around the largest area where the values are above the level (below it for a negative sign).
fn largest_curve(data: &[f64], h: usize, w: usize, level: f64, sign: f64) -> Option<Vec<[f64; 2]>> {
    // Above 0 is inside. A frame as far outside as the brightest pixel is inside closes every curve half way.
    let (low, high) = range(data);
    let frame = if sign < 0.0 { low - level } else { level - high };
    let frame = if frame < 0.0 { frame } else { -1.0 };
    let (rows, columns) = (h + 2, w + 2);
    let mut field = vec![frame; rows * columns];
    for i in 0..h {
        for j in 0..w {
            field[(i + 1) * columns + j + 1] = sign * (data[i * w + j] - level);
        }
    }
    let curves = marching_squares(&field, rows, columns);
    let largest = curves.into_iter().map(|c| (area(&c), c)).reduce(|a, b| if b.0 > a.0 { b } else { a });
    let (_, points) = largest.filter(|(size, _)| *size > 0.0)?;
    Some(points.into_iter().map(|p| [p[0] - 1.0, p[1] - 1.0]).collect())
}

fn finish(curve: Option<Vec<[f64; 2]>>, level: f64) -> Result<Contour, ImageError> {
    Contour::new(curve.ok_or(ImageError::NoShape { level })?)
}

/// The share of a closed curve outside of the outermost pixels' centres.
fn along_border(points: &[[f64; 2]], h: usize, w: usize) -> f64 {
    let outside =
        |p: [f64; 2]| p[0] < 0.0 || p[1] < 0.0 || p[0] > (w as f64) - 1.0 || p[1] > (h as f64) - 1.0;
    let (mut along, mut all) = (0.0, 0.0);
    for (i, &p) in points.iter().enumerate() {
        let q = points[(i + 1) % points.len()];
        all += distance(p, q);
        along += if outside(p) && outside(q) { distance(p, q) } else { 0.0 };
    }
    along / all
}

fn range(v: &[f64]) -> (f64, f64) {
    v.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), &v| (a.min(v), b.max(v)))
}

/// The zero level set of a field that is negative on its border, inside on the left of every curve.
fn marching_squares(field: &[f64], rows: usize, columns: usize) -> Vec<Vec<[f64; 2]>> {
    let inside = |i: usize, j: usize| field[i * columns + j] > 0.0;
    // Crossings of the horizontal edge right of a pixel, then of the vertical edge below it; where each goes on to.
    let (right, below) =
        (|i: usize, j: usize| i * columns + j, |i: usize, j: usize| (rows + i) * columns + j);
    let mut next = vec![NONE; 2 * rows * columns];
    for i in 0..rows - 1 {
        for j in 0..columns - 1 {
            let corners = [(i, j), (i, j + 1), (i + 1, j + 1), (i + 1, j)];
            let edges = [right(i, j), below(i, j + 1), right(i + 1, j), below(i, j)];
            let within = corners.map(|(i, j)| inside(i, j));
            let leaves = |e: usize| within[e] && !within[(e + 1) % 4];
            let enters = |e: usize| !within[e] && within[(e + 1) % 4];
            let saddle = (0..4).filter(|&e| leaves(e)).count() == 2;
            let joined = saddle && corners.iter().map(|&(i, j)| field[i * columns + j]).sum::<f64>() > 0.0;
            // Round an outside corner to the next edge, round an inside one to the one before.
            let turn = if joined { 1 } else { 3 };
            for e in (0..4).filter(|&e| leaves(e)) {
                let to = (1..4).map(|k| (e + k * turn) % 4).find(|&e| enters(e));
                next[edges[e]] = to.map_or(NONE, |to| edges[to]);
            }
        }
    }
    let place = |edge: usize| {
        let (i, j, vertical) = match edge.checked_sub(rows * columns) {
            None => (edge / columns, edge % columns, false),
            Some(e) => (e / columns, e % columns, true),
        };
        let a = field[i * columns + j];
        let b = if vertical { field[(i + 1) * columns + j] } else { field[i * columns + j + 1] };
        let s = a / (a - b);
        if vertical { [j as f64, i as f64 + s] } else { [j as f64 + s, i as f64] }
    };
    let mut curves = Vec::new();
    for start in 0..next.len() {
        let mut curve = Vec::new();
        let mut edge = start;
        while next[edge] != NONE {
            curve.push(place(edge));
            edge = std::mem::replace(&mut next[edge], NONE);
        }
        if !curve.is_empty() {
            curves.push(curve);
        }
    }
    curves
}
