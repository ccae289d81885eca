//! Features of the patches of an interpolated image.

/// Pixels of the small image along a side of a patch.
pub(super) const PATCH: usize = 3;

/// Where the patches of an image enlarged by `scale` lie, and their features.
#[derive(Debug)]
pub(super) struct Features {
    scale: usize,
    width: usize,
    planes: [Vec<f32>; 4],
}

impl Features {
    /// The four difference images of an interpolated image: first and second differences over `scale` pixels, the border repeated.
    pub(super) fn new(image: &[f32], height: usize, width: usize, scale: usize) -> Self {
        let (back, ahead) = (scale / 2, scale - scale / 2);
        let at = |i: usize, j: usize| image[i.min(height - 1) * width + j.min(width - 1)];
        let plane = |f: &dyn Fn(usize, usize) -> f32| {
            (0..height * width).map(|k| f(k / width, k % width)).collect::<Vec<f32>>()
        };
        let planes = [
            plane(&|i, j| at(i, j + ahead) - at(i, j.saturating_sub(back))),
            plane(&|i, j| at(i + ahead, j) - at(i.saturating_sub(back), j)),
            plane(&|i, j| 0.5 * (at(i, j + scale) - 2.0 * at(i, j) + at(i, j.saturating_sub(scale)))),
            plane(&|i, j| 0.5 * (at(i + scale, j) - 2.0 * at(i, j) + at(i.saturating_sub(scale), j))),
        ];
        Self { scale, width, planes }
    }

    /// Values of a patch of features.
    pub(super) fn len(scale: usize) -> usize {
        4 * area(scale)
    }

    /// The features of the patch whose upper left pixel is `(i, j)` of the small image.
    pub(super) fn patch_into(&self, i: usize, j: usize, out: &mut [f32]) {
        let side = PATCH * self.scale;
        for (plane, out) in self.planes.iter().zip(out.chunks_exact_mut(side * side)) {
            copy_patch(plane, self.width, self.scale, (i, j), out);
        }
    }
}

/// Pixels of a large patch.
pub(super) fn area(scale: usize) -> usize {
    (PATCH * scale) * (PATCH * scale)
}

/// Copies the large patch that belongs to pixel `(i, j)` of the small image.
pub(super) fn copy_patch(plane: &[f32], width: usize, scale: usize, (i, j): (usize, usize), out: &mut [f32]) {
    let side = PATCH * scale;
    for (r, row) in out.chunks_exact_mut(side).enumerate() {
        row.copy_from_slice(&plane[(i * scale + r) * width + j * scale..][..side]);
    }
}
