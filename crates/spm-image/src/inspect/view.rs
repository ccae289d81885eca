//! What an expert sees of a part.

use super::planes::{Planes, median};

/// What an expert sees of a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum View {
    /// The planes as they are.
    Plain,
    /// The planes without the medians of rows and columns.
    Local,
    /// The medians of rows.
    Rows,
    /// The medians of columns.
    Columns,
}

impl View {
    /// Whether it sees whole rows or columns alone.
    #[must_use]
    pub fn is_line(self) -> bool {
        matches!(self, Self::Rows | Self::Columns)
    }

    /// What each of `views` sees of `part`. Of medians, every run of `patch` neighbours becomes one place: the `c`-th plane of the
    /// `k`-th neighbour is plane `c · patch + k`.
    #[must_use]
    pub fn all(views: &[Self], part: &Planes, patch: usize) -> Vec<Planes> {
        let (local, rows, columns) = separate(part);
        let see = |view: &Self| match view {
            Self::Plain => part.clone(),
            Self::Local => local.clone(),
            Self::Rows => runs(&rows, part.size().0, patch),
            Self::Columns => runs(&columns, part.size().1, patch),
        };
        views.iter().map(see).collect()
    }

    /// Height and width of what is seen of a part of this size, its channels, and the side and distance of patches on it.
    pub(super) fn lattice(
        self,
        part: (usize, usize),
        of: super::Lattice,
    ) -> ((usize, usize), super::Lattice) {
        let n = match self {
            Self::Plain | Self::Local => return (part, of),
            Self::Rows => part.0,
            Self::Columns => part.1,
        };
        let run = of.patch.min(n);
        ((n + 1 - run, 1), super::Lattice { channels: of.channels * run, patch: 1, stride: of.stride })
    }
}

/// The planes with the median of every row, then of every column taken off; and these medians, channel after channel.
pub(super) fn separate(part: &Planes) -> (Planes, Vec<f32>, Vec<f32>) {
    let (h, w) = part.size();
    let mut data = part.data().to_vec();
    let (mut rows, mut columns) = (Vec::new(), Vec::new());
    let mut line = Vec::with_capacity(h.max(w));
    for plane in data.chunks_exact_mut(h * w) {
        for row in plane.chunks_exact_mut(w) {
            line.clear();
            line.extend_from_slice(row);
            let middle = median(&mut line);
            row.iter_mut().for_each(|v| *v -= middle);
            rows.push(middle);
        }
        for j in 0..w {
            line.clear();
            line.extend(plane.iter().skip(j).step_by(w));
            let middle = median(&mut line);
            plane.iter_mut().skip(j).step_by(w).for_each(|v| *v -= middle);
            columns.push(middle);
        }
    }
    (part.with_data(data), rows, columns)
}

/// Every run of `patch` values of lines of length `n`.
fn runs(lines: &[f32], n: usize, patch: usize) -> Planes {
    let run = patch.min(n);
    let places = n + 1 - run;
    let of_line = |line: &[f32]| (0..run).flat_map(|k| line[k..k + places].to_vec()).collect::<Vec<f32>>();
    let data: Vec<f32> = lines.chunks_exact(n).flat_map(of_line).collect();
    Planes::from_finite(lines.len() / n * run, places, 1, data)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_part_is_what_is_local_and_its_rows_and_columns() {
        let data: Vec<f32> = (0..2 * 5 * 7).map(|k| ((k * k) as f32 * 0.37).sin()).collect();
        let part = Planes::new(2, 5, 7, data).unwrap();
        let (local, rows, columns) = separate(&part);
        for (k, v) in part.data().iter().enumerate() {
            let (c, i, j) = (k / 35, k / 7 % 5, k % 7);
            assert!((local.data()[k] + rows[c * 5 + i] + columns[c * 7 + j] - v).abs() < 1e-6);
        }
        let seen = &View::all(&[View::Columns], &part, 3)[0];
        assert_eq!((seen.channels(), seen.size()), (6, (5, 1)));
        for c in 0..2 {
            for k in 0..3 {
                assert_eq!(seen.data()[(c * 3 + k) * 5..][..5], columns[c * 7 + k..][..5]);
            }
        }
        assert_eq!(View::all(&[View::Rows], &part, 9)[0].size(), (1, 1), "a run is at most the whole line");
    }
}
