//! Where a defect is.

use std::collections::VecDeque;

/// A connected region of strange pixels.
#[derive(Debug, Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Region {
    /// Pixels of the image.
    pub area: usize,
    /// Upper row, left column, height and width, in pixels of the image.
    pub bounds: (usize, usize, usize, usize),
    /// Row and column of the strangest place.
    pub peak: (usize, usize),
    /// How strange it is, in standard deviations above what is normal there.
    pub peak_z: f32,
}

/// Regions of `values` (`rows × cols`) above `level`, joined along edges and corners, strangest first.
pub(super) fn regions(values: &[f32], rows: usize, cols: usize, level: f32) -> Vec<Region> {
    let mut seen = vec![false; values.len()];
    let mut found = Vec::new();
    let mut queue = VecDeque::new();
    for start in 0..values.len() {
        if seen[start] || values[start] <= level {
            continue;
        }
        seen[start] = true;
        queue.push_back(start);
        let (mut area, mut peak) = (0, start);
        let (mut low, mut high) = ((rows, cols), (0, 0));
        while let Some(k) = queue.pop_front() {
            let (i, j) = (k / cols, k % cols);
            area += 1;
            low = (low.0.min(i), low.1.min(j));
            high = (high.0.max(i), high.1.max(j));
            if values[k] > values[peak] {
                peak = k;
            }
            for i in i.saturating_sub(1)..(i + 2).min(rows) {
                for j in j.saturating_sub(1)..(j + 2).min(cols) {
                    let n = i * cols + j;
                    if !seen[n] && values[n] > level {
                        seen[n] = true;
                        queue.push_back(n);
                    }
                }
            }
        }
        found.push(Region {
            area,
            bounds: (low.0, low.1, high.0 - low.0 + 1, high.1 - low.1 + 1),
            peak: (peak / cols, peak % cols),
            peak_z: values[peak],
        });
    }
    found.sort_by(|a, b| b.peak_z.total_cmp(&a.peak_z));
    found
}

impl Region {
    /// The same region where a value stands for a block of `block` pixels and the first begins at `origin`.
    pub(super) fn scaled(self, block: usize, origin: (usize, usize)) -> Self {
        let (i, j, h, w) = self.bounds;
        Self {
            area: self.area * block * block,
            bounds: (origin.0 + i * block, origin.1 + j * block, h * block, w * block),
            peak: (origin.0 + self.peak.0 * block + block / 2, origin.1 + self.peak.1 * block + block / 2),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_at_corners_and_sorted() {
        #[rustfmt::skip]
        let v = [
            5.0, 0.0, 0.0, 0.0,
            0.0, 4.0, 0.0, 9.0,
            0.0, 0.0, 0.0, 8.0,
        ];
        let r = regions(&v, 3, 4, 1.0);
        assert_eq!(r.len(), 2);
        assert_eq!((r[0].area, r[0].bounds, r[0].peak, r[0].peak_z), (2, (1, 3, 2, 1), (1, 3), 9.0));
        assert_eq!((r[1].area, r[1].bounds), (2, (0, 0, 2, 2)));
        assert_eq!(r[1].scaled(3, (1, 0)).bounds, (1, 0, 6, 6));
        assert!(regions(&v, 3, 4, 9.0).is_empty());
    }
}
