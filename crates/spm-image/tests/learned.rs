//! Denoising, inpainting and super-resolution with learned dictionaries: gains, edge cases, cancellation.
#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;

use spm_image::denoise_ksvd::KsvdDenoise;
use spm_image::inpaint::{KsvdInpaint, fill_smoothly};
use spm_image::metrics::psnr;
use spm_image::resize::Bicubic;
use spm_image::superres::{SuperResMethod, SuperResTrainer};
use spm_image::{Gray, Image, ImageError, Rgb, estimate_sigma};
use spm_linalg::testing::Rng;
use spm_solvers::Status;

/// Stripes, a disc and a ramp; what K-SVD is made for.
fn clean(h: usize, w: usize) -> Gray<f32> {
    let value = |k: usize| {
        let (i, j) = ((k / w) as f32, (k % w) as f32);
        let (u, v) = (i - h as f32 / 2.0, j - w as f32 / 2.0);
        if u * u + v * v < 150.0 { 0.8 } else { 0.4 + 0.15 * (0.9 * i + 0.5 * j).sin() + 0.002 * j }
    };
    Gray::new(h, w, (0..h * w).map(value).collect()).unwrap()
}

fn noisy<const C: usize>(image: &Image<f32, C>, sigma: f32, seed: u64) -> Image<f32, C> {
    let mut rng = Rng::new(seed);
    let data = image.data().iter().map(|&v| v + sigma * rng.normal::<f64>() as f32).collect();
    Image::new(image.height(), image.width(), data).unwrap()
}

fn quick() -> KsvdDenoise<f32> {
    KsvdDenoise::new().n_atoms(100).max_iter(6).training_patches(3000)
}

#[test]
fn a_pattern_comes_out_of_the_noise_and_no_choice_does_harm() {
    let x = clean(64, 72);
    let y = noisy(&x, 0.1, 1);
    let quality = |o: &KsvdDenoise<f32>| psnr(x.view(), o.run(y.view()).unwrap().image.view(), 1.0).unwrap();
    let before = psnr(x.view(), y.view(), 1.0).unwrap();
    let plain = quality(&quick().sigma(0.1).rounds(0).second_pass(0.0));
    let boosted = quality(&quick().sigma(0.1).second_pass(0.0));
    let second = quality(&quick().sigma(0.1));
    assert!(plain > before + 7.0, "{before} -> {plain}");
    assert!(boosted > plain - 0.05, "{plain} -> {boosted}");
    assert!(second > boosted + 0.02, "{boosted} -> {second}");
    let estimated = quality(&quick());
    assert!(estimated > second - 1.0, "{second} -> {estimated}");
}

#[test]
fn the_noise_level_is_found() {
    let flat = Gray::<f32>::new(80, 81, vec![0.5; 80 * 81]).unwrap();
    for sigma in [0.01, 0.1, 1.0] {
        let found = estimate_sigma(noisy(&flat, sigma, 3).view());
        assert!((found - sigma).abs() < 0.05 * sigma, "{sigma}: {found}");
    }
    // Clipping hides half of the noise; a drawing on a flat ground has none.
    let dark = Gray::<f32>::zeros(80, 81).unwrap();
    let clipped: Vec<f32> = noisy(&flat, 0.1, 4).data().iter().map(|v| v.max(0.45)).collect();
    let found = estimate_sigma(Gray::new(80, 81, clipped).unwrap().view());
    assert!(found > 0.04 && found < 0.11, "{found}");
    let disc =
        |k: usize| if (k / 81).abs_diff(40).pow(2) + (k % 81).abs_diff(40).pow(2) < 500 { 1.0 } else { 0.5 };
    let mut drawing: Vec<f32> = (0..80 * 81).map(disc).collect();
    drawing[0] = 0.0;
    assert_eq!(estimate_sigma(Gray::new(80, 81, drawing).unwrap().view()), 0.0);
    assert_eq!(estimate_sigma(dark.view()), 0.0);
    for (h, w) in [(1, 1), (3, 9), (9, 3)] {
        assert_eq!(estimate_sigma(Gray::<f64>::zeros(h, w).unwrap().view()), 0.0);
    }
}

#[test]
fn a_gray_image_in_three_channels_is_denoised_as_gray() {
    let y = noisy(&clean(40, 40), 0.08, 5);
    let three = Rgb::new(40, 40, y.data().repeat(3)).unwrap();
    let options = quick().sigma(0.08);
    let (one, all) = (options.run(y.view()).unwrap(), options.run(three.view()).unwrap());
    for c in 0..3 {
        assert_eq!(all.image.plane(c), one.image.data());
    }
}

#[test]
fn colour_gains_more_than_its_channels_alone() {
    let g = clean(56, 56);
    let data: Vec<f32> = [1.0, 0.8, 0.5].iter().flat_map(|&s| g.data().iter().map(move |v| s * v)).collect();
    let x = Rgb::new(56, 56, data).unwrap();
    let y = noisy(&x, 0.1, 9);
    let options = quick().sigma(0.1);
    let joint = options.run(y.view()).unwrap();
    assert_eq!(joint.dictionary.unwrap().dim(), 192);
    let apart: Vec<f32> = (0..3)
        .flat_map(|c| {
            let plane = Gray::new(56, 56, y.plane(c).to_vec()).unwrap();
            options.run(plane.view()).unwrap().image.into_data()
        })
        .collect();
    let apart = Rgb::new(56, 56, apart).unwrap();
    let db = |a: &Rgb<f32>| psnr(x.view(), a.view(), 1.0).unwrap();
    assert!(db(&joint.image) > db(&apart) + 0.5, "{} {}", db(&joint.image), db(&apart));
}

#[test]
fn bands_make_no_seams() {
    // Narrow and high: several bands; a constant image stays constant, and the last band may have a single row.
    let (h, w) = (90_000, 17);
    let y = Gray::<f32>::new(h, w, vec![0.25; h * w]).unwrap();
    let out = quick().sigma(0.1).training_patches(100).rounds(0).run(y.view()).unwrap();
    assert!(out.image.data().iter().all(|v| (v - 0.25).abs() < 1e-5));
}

#[test]
fn the_ends_of_the_range() {
    let y = noisy(&clean(24, 24), 0.1, 2);
    let same = quick().sigma(0.0).run(y.view()).unwrap();
    assert!(same.image == y && same.dictionary.is_none());
    let huge = quick().sigma(1e6).run(y.view()).unwrap();
    assert!(huge.image.data().iter().all(|v| v.is_finite()));
    let small = Gray::<f32>::zeros(1, 30).unwrap();
    assert!(matches!(quick().sigma(0.1).run(small.view()), Err(ImageError::TooSmall { .. })));
    for bad in [
        quick().sigma(-1.0),
        quick().sigma(f32::NAN),
        quick().patch(1),
        quick().gain(0.0),
        quick().rho(2.0),
        quick().second_pass(-0.1),
    ] {
        assert!(matches!(bad.run(y.view()), Err(ImageError::Linalg(_))), "{bad:?}");
    }
    let spread: Vec<f32> = (0..256).map(|k| if k % 3 == 0 { 3e38 } else { -3e38 }).collect();
    let spread = Gray::new(16, 16, spread).unwrap();
    assert!(matches!(quick().sigma(0.1).run(spread.view()), Err(ImageError::Linalg(_))));
}

#[test]
fn watching_and_stopping() {
    let y = noisy(&clean(32, 32), 0.1, 2);
    let mut seen = Vec::new();
    let options = quick().sigma(0.1);
    let all = options
        .run_watched(y.view(), &mut |s| {
            seen.push((s.what, s.done, s.total));
            ControlFlow::Continue(())
        })
        .unwrap();
    assert_eq!(all.status, Status::Converged);
    assert_eq!(seen.last(), Some(&("denoise", 4, 4)));
    assert_eq!(seen[0], ("dictionary", 1, 6));
    let stopped = options.run_watched(y.view(), &mut |_| ControlFlow::Break(())).unwrap();
    assert_eq!(stopped.status, Status::Interrupted);
    assert_eq!(stopped.image, y);
}

/// Which of `n` pixels are missing, a share of them at random.
fn random_mask(n: usize, share: f64, seed: u64) -> Vec<bool> {
    let mut rng = Rng::new(seed);
    (0..n).map(|_| (rng.below(1000) as f64) < 1000.0 * share).collect()
}

fn without<const C: usize>(image: &Image<f32, C>, missing: &[bool], value: f32) -> Image<f32, C> {
    let n = missing.len();
    let data =
        image.data().iter().enumerate().map(|(k, &v)| if missing[k % n] { value } else { v }).collect();
    Image::new(image.height(), image.width(), data).unwrap()
}

#[test]
fn a_pattern_grows_over_its_holes_and_given_pixels_keep_their_bits() {
    let x = clean(56, 60);
    let db = |a: &Gray<f32>| psnr(x.view(), a.view(), 1.0).unwrap();
    for (share, gain) in [(0.3, 1.0), (0.6, 0.3)] {
        let missing = random_mask(56 * 60, share, 4);
        let (zero, one) = (without(&x, &missing, 0.0), without(&x, &missing, 9.0));
        let smooth = fill_smoothly(zero.view(), &missing).unwrap();
        let out = KsvdInpaint::new().n_atoms(100).run(zero.view(), &missing).unwrap();
        assert!(db(&out.image) > db(&smooth) + gain, "{share}: {} {}", db(&smooth), db(&out.image));
        for image in [&smooth, &out.image] {
            let kept = image
                .data()
                .iter()
                .zip(x.data())
                .zip(&missing)
                .all(|((a, b), &gone)| gone || a.to_bits() == b.to_bits());
            assert!(kept);
        }
        assert_eq!(fill_smoothly(one.view(), &missing).unwrap(), smooth, "what lies under the mask counts");
    }
}

#[test]
fn holes_larger_than_a_patch_and_colour() {
    let g = clean(72, 72);
    let x =
        Rgb::new(72, 72, [1.0, 0.7, 0.4].iter().flat_map(|s| g.data().iter().map(move |v| s * v)).collect())
            .unwrap();
    let missing: Vec<bool> =
        (0..72 * 72).map(|k| (30..46).contains(&(k / 72)) && (5..20).contains(&(k % 72))).collect();
    let holes = without(&x, &missing, 0.0);
    let out = KsvdInpaint::new().rounds(6).run(holes.view(), &missing).unwrap();
    assert_eq!(out.dictionary.unwrap().dim(), 192);
    assert!(
        psnr(x.view(), out.image.view(), 1.0).unwrap() > psnr(x.view(), holes.view(), 1.0).unwrap() + 10.0
    );
    let gray = Rgb::new(72, 72, g.data().repeat(3)).unwrap();
    let quick = KsvdInpaint::new().rounds(2).n_atoms(64);
    let (three, one) = (quick.run(gray.view(), &missing).unwrap(), quick.run(g.view(), &missing).unwrap());
    assert_eq!(three.image.plane(2), one.image.data());
}

#[test]
fn the_ends_of_the_range_of_inpainting() {
    let flat = Gray::<f32>::new(12, 13, vec![0.5; 156]).unwrap();
    let all = vec![true; 156];
    let quick = KsvdInpaint::<f32>::new().rounds(2).n_atoms(16);
    assert!(matches!(quick.run(flat.view(), &all), Err(ImageError::Linalg(_))));
    assert!(matches!(quick.run(flat.view(), &all[1..]), Err(ImageError::Linalg(_))));
    let mut one = all.clone();
    one[77] = false;
    let filled = quick.run(without(&flat, &one, 0.0).view(), &one).unwrap();
    assert!(filled.image.data().iter().all(|v| (v - 0.5).abs() < 1e-4), "one pixel says it all");
    let none = vec![false; 156];
    assert_eq!(quick.run(flat.view(), &none).unwrap().image, flat);
    let thin = Gray::<f32>::new(1, 5, vec![0.0, 0.2, 9.0, 0.6, 0.8]).unwrap();
    let filled = quick.run(thin.view(), &[false, false, true, false, false]).unwrap();
    assert!((filled.image.data()[2] - 0.4).abs() < 1e-3, "thinner than a patch: smoothly");
    let y = noisy(&clean(24, 24), 0.05, 2);
    let mask = random_mask(576, 0.2, 9);
    let denoised = quick.clone().sigma(0.05).run(y.view(), &mask).unwrap();
    assert!(denoised.image.data() != y.data());
    let stopped = quick.run_watched(y.view(), &mask, &mut |_| ControlFlow::Break(())).unwrap();
    assert_eq!(stopped.status, Status::Interrupted);
    for bad in [quick.clone().patch(1), quick.clone().rounds(0), quick.clone().sigma(-1.0)] {
        assert!(bad.run(y.view(), &mask).is_err());
    }
}

/// Images of edges and stripes at many angles, larger than life: what the small ones below are made of.
fn edges(side: usize, seed: u64) -> Gray<f32> {
    let mut rng = Rng::new(seed);
    let angles: Vec<(f32, f32)> = (0..6)
        .map(|_| {
            let a = rng.below(360) as f32;
            (a.to_radians().cos(), a.to_radians().sin())
        })
        .collect();
    let value = |k: usize| {
        let (i, j) = ((k / side) as f32, (k % side) as f32);
        let waves: f32 = angles
            .iter()
            .enumerate()
            .map(|(n, (c, s))| ((c * i + s * j) * (0.12 + 0.03 * n as f32)).sin().signum())
            .sum();
        0.5 + 0.07 * waves
    };
    Gray::new(side, side, (0..side * side).map(value).collect()).unwrap()
}

#[test]
fn trained_models_enlarge_better_than_bicubic_interpolation() {
    let (scale, bicubic) = (2, Bicubic::new());
    let images: Vec<Gray<f32>> = (0..3).map(|k| edges(96, k)).collect();
    let truth = edges(80, 11);
    let small = bicubic.resize(truth.view(), (40, 40)).unwrap();
    let db = |a: &Gray<f32>| psnr(truth.view(), a.view(), 1.0).unwrap();
    let before = db(&bicubic.resize(small.view(), (80, 80)).unwrap());
    for method in [SuperResMethod::Zeyde, SuperResMethod::Anchored] {
        let trainer = SuperResTrainer::new(scale).method(method).atoms(64).max_iter(4).patches(6000);
        let trained = trainer.train(&images).unwrap();
        let model = &trained.model;
        assert_eq!((trained.status, model.n_atoms(), model.scale), (Status::Converged, 64, 2));
        let large = model.upscale(small.view()).unwrap();
        assert!(db(&large) > before + 0.5, "{method:?}: {before} -> {}", db(&large));
        // A grey image in colours stays grey, up to rounding.
        let rgb = Rgb::new(40, 40, small.data().repeat(3)).unwrap();
        let colour = model.upscale_rgb(rgb.view()).unwrap();
        assert!((0..3).all(|c| colour.plane(c).iter().zip(large.data()).all(|(a, b)| (a - b).abs() < 1e-5)));
        #[cfg(feature = "serde")]
        {
            let bytes = spm_models::file::to_bytes(model).unwrap();
            let back: spm_image::superres::SuperResModel = spm_models::file::from_bytes(&bytes).unwrap();
            assert_eq!(&back, model);
        }
        let thin = Gray::<f32>::zeros(2, 9).unwrap();
        assert!(matches!(model.upscale(thin.view()), Err(ImageError::TooSmall { .. })));
        let mut broken = model.clone();
        broken.atoms.pop();
        assert!(broken.validate().is_err() && broken.upscale(small.view()).is_err());
    }
    let flat = vec![Gray::<f32>::new(40, 40, vec![0.5; 1600]).unwrap()];
    assert!(matches!(SuperResTrainer::new(2).train(&flat), Err(ImageError::Linalg(_))));
    assert!(SuperResTrainer::new(5).train(&images).is_err());
    assert!(SuperResTrainer::new(2).train::<f32>(&[]).is_err());
}
