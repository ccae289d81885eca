//! Patches: extraction, averaging, their adjoint, and dictionaries of them.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use spm_image::dictionary::SparseReconstruction;
use spm_image::{Border, Gray, Image, ImageError, PatchAverage, PatchGrid};
use spm_linalg::testing::{Rng, check_operator};
use spm_linalg::{Dense, LinalgError};
use spm_solvers::batch_omp::Limit;

fn random<const C: usize>(h: usize, w: usize, seed: u64) -> Image<f64, C> {
    let mut rng = Rng::new(seed);
    Image::new(h, w, (0..C * h * w).map(|_| rng.uniform()).collect()).unwrap()
}

/// Which pixels a patch covers, from first principles.
fn corners(n: usize, p: usize, s: usize, border: Border) -> Vec<usize> {
    let mut out: Vec<usize> = (0..).map(|k| k * s).take_while(|a| a + p <= n).collect();
    if border == Border::Cover && *out.last().unwrap() != n - p {
        out.push(n - p);
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Columns are the right pixels; extract, then average, is the identity where there are patches and 0 elsewhere.
    #[test]
    fn extract_then_average_is_the_identity(
        (h, ph) in (1_usize..9).prop_flat_map(|h| (Just(h), 1..=h)),
        (w, pw) in (1_usize..9).prop_flat_map(|w| (Just(w), 1..=w)),
        sh in 1_usize..10, sw in 1_usize..10, block in 1_usize..7, cover in any::<bool>(), seed in any::<u64>(),
    ) {
        let border = if cover { Border::Cover } else { Border::Drop };
        let img = random::<2>(h, w, seed);
        let grid = PatchGrid::<2>::new((h, w), (ph, pw), (sh, sw), border).unwrap();
        let (rows, cols) = (corners(h, ph, sh, border), corners(w, pw, sw, border));
        prop_assert_eq!(grid.counts(), (rows.len(), cols.len()));
        let all = grid.extract(img.view()).unwrap();
        let mut expected = Vec::new();
        let mut covered = vec![false; h * w];
        for &i in &rows {
            for &j in &cols {
                for c in 0..2 {
                    for r in 0..ph {
                        for q in 0..pw {
                            expected.push(img.get(c, i + r, j + q));
                            covered[(i + r) * w + j + q] = true;
                        }
                    }
                }
            }
        }
        prop_assert_eq!(&all, &expected);
        let mut average = PatchAverage::new(grid);
        let mut streamed = Vec::new();
        for range in grid.blocks(block) {
            let mut buffer = vec![f64::NAN; grid.dim() * range.len()];
            grid.extract_into(img.view(), range.clone(), &mut buffer).unwrap();
            average.add(range, &buffer);
            streamed.extend(buffer);
        }
        prop_assert_eq!(&streamed, &all);
        let black = average.clone().finish();
        let filled = average.finish_with(img.view(), 0.5).unwrap();
        for (k, &v) in img.data().iter().enumerate() {
            let want = if covered[k % (h * w)] { v } else { 0.0 };
            prop_assert!((black.data()[k] - want).abs() <= 1e-15);
            prop_assert!((filled.data()[k] - v).abs() <= 1e-15);
        }
        if cover && sh <= ph && sw <= pw {
            prop_assert!(covered.iter().all(|&c| c));
        }
    }
}

#[test]
fn the_operator_obeys_the_laws() {
    for (image, patch, stride) in
        [((5, 4), (2, 3), (1, 1)), ((7, 3), (3, 2), (2, 3)), ((1, 6), (1, 4), (1, 3))]
    {
        for border in [Border::Cover, Border::Drop] {
            check_operator::<f64>(&PatchGrid::<1>::new(image, patch, stride, border).unwrap().operator());
            check_operator::<f32>(&PatchGrid::<2>::new(image, patch, stride, border).unwrap().operator());
        }
    }
}

#[test]
fn weights_count() {
    // Two patches over one pixel, values 1 and 4 with weights 1 and 2.
    let grid = PatchGrid::<1>::new((1, 3), (1, 2), (1, 1), Border::Cover).unwrap();
    let mut average = PatchAverage::new(grid);
    average.add_weighted(0..2, &[1.0, 1.0, 4.0, 4.0], &[1.0, 2.0]);
    assert_eq!(average.weights(), [1.0, 3.0, 2.0]);
    assert_eq!(average.finish().data(), [1.0, 3.0, 4.0]);
}

#[test]
fn misfits_are_typed_errors() {
    let e = PatchGrid::<1>::overlapping((4, 7), (5, 5)).unwrap_err();
    assert!(matches!(e, ImageError::TooSmall { size: (5, 5), image: (4, 7), .. }), "{e}");
    assert!(e.to_string().contains("5 x 5") && e.to_string().contains("4 x 7"));
    assert!(PatchGrid::<1>::new((4, 4), (0, 2), (1, 1), Border::Drop).is_err());
    assert!(PatchGrid::<1>::new((4, 4), (2, 2), (0, 1), Border::Drop).is_err());
    let grid = PatchGrid::<1>::overlapping((4, 4), (2, 2)).unwrap();
    assert!(matches!(grid.extract(random::<1>(4, 5, 0).view()), Err(ImageError::SizeMismatch { .. })));
}

#[test]
fn a_complete_dictionary_returns_the_image() {
    let identity: Vec<f64> = (0..16).map(|k| if k % 5 == 0 { 1.0 } else { 0.0 }).collect();
    let d = Dense::from_column_major(&identity, 4, 4).unwrap();
    let img: Gray<f64> = random(40, 31, 3);
    for remove_mean in [false, true] {
        let all = SparseReconstruction::new((2, 2), Limit { k: 4, eps: 0.0 }).remove_mean(remove_mean);
        let out = all.run(img.view(), d).unwrap();
        assert_eq!(out.patches, 39 * 30);
        for (x, b) in out.image.data().iter().zip(img.data()) {
            assert!((x - b).abs() < 1e-12);
        }
    }
    // Nothing allowed: patches become their means.
    let out = SparseReconstruction::new((2, 2), Limit { k: 0, eps: 0.0 })
        .stride((2, 2))
        .run(img.view(), d)
        .unwrap();
    assert_eq!(out.mean_nnz, 0.0);
    let mean = 0.25 * (img.get(0, 0, 0) + img.get(0, 0, 1) + img.get(0, 1, 0) + img.get(0, 1, 1));
    assert!((out.image.get(0, 1, 1) - mean).abs() < 1e-15);
    let e = SparseReconstruction::new((3, 2), Limit { k: 1, eps: 0.0 }).run(img.view(), d).unwrap_err();
    assert!(matches!(e, ImageError::Linalg(LinalgError::Shape { expected: 6, got: 4, .. })));
}
