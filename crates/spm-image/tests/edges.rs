//! The ends of the range: single rows and pixels, extreme weights and scales, grey in colour, threads, metrics.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use spm_image::metrics::{Ssim, Window, ms_ssim, mse, psnr};
use spm_image::tv::{Coupling, TvDenoise, TvDiscrepancy};
use spm_image::{Border, Gray, Image, ImageError, PatchAverage, PatchGrid, Rgb};
use spm_linalg::Scalar;
use spm_linalg::testing::Rng;

const COUPLINGS: [Coupling; 3] = [Coupling::Isotropic, Coupling::Anisotropic, Coupling::Vectorial];

fn random<T: Scalar>(h: usize, w: usize, seed: u64) -> Gray<T> {
    let mut rng = Rng::new(seed);
    let step = |k: usize| if k % w * 2 < w { 0.2 } else { 0.7 };
    Gray::new(h, w, (0..h * w).map(|k| T::of(step(k)) + T::of(0.1) * rng.normal::<T>()).collect()).unwrap()
}

fn small_shapes_at_every_weight<T: Scalar>() {
    for (h, w) in [(1, 1), (1, 2), (2, 1), (2, 2), (1, 9), (9, 1), (1, 70), (70, 1), (33, 2), (2, 33)] {
        let b = random::<T>(h, w, (h * 100 + w) as u64);
        for coupling in COUPLINGS {
            for lambda in [0.0, 1e-12, 1e-3, 0.1, 1.0, 30.0, 1e12] {
                let out = TvDenoise::new(T::of(lambda)).coupling(coupling).denoise(b.view()).unwrap();
                assert!(
                    out.status().is_converged(),
                    "{h}x{w} {coupling:?} {lambda}: {:?} after {}",
                    out.certificate,
                    out.iterations()
                );
                assert!(out.certificate.dual <= out.certificate.primal * (1.0 + 1e-12));
                assert!(out.image.data().iter().all(|v| v.is_finite()));
                if lambda == 0.0 {
                    assert_eq!(out.image, b);
                }
                if lambda == 1e12 {
                    assert!(out.image.data().iter().all(|v| *v == out.image.data()[0]));
                }
            }
        }
    }
}

#[test]
fn small_shapes_in_double_precision() {
    small_shapes_at_every_weight::<f64>();
}

#[test]
fn small_shapes_in_single_precision() {
    small_shapes_at_every_weight::<f32>();
}

#[test]
fn a_row_is_the_fused_lasso_closed_form() {
    // Two pixels: they approach each other by lambda on either side, then meet.
    for (h, w) in [(1, 2), (2, 1)] {
        let b = Gray::new(h, w, vec![0.0_f64, 1.0]).unwrap();
        for coupling in COUPLINGS {
            for (lambda, want) in [(0.1, [0.1, 0.9]), (0.4, [0.4, 0.6]), (0.5, [0.5, 0.5]), (7.0, [0.5, 0.5])]
            {
                let out = TvDenoise::new(lambda).coupling(coupling).tol(1e-10).denoise(b.view()).unwrap();
                assert!(out.status().is_converged());
                for (x, want) in out.image.data().iter().zip(want) {
                    assert!((x - want).abs() < 1e-4, "{coupling:?} {lambda}: {x}");
                }
            }
        }
    }
}

#[test]
fn values_of_any_scale_in_both_precisions() {
    fn one<T: Scalar>(scale: f64) {
        let b = random::<T>(20, 15, 2);
        let x = TvDenoise::new(T::of(0.1)).denoise(b.view()).unwrap();
        let scaled = Gray::new(20, 15, b.data().iter().map(|v| *v * T::of(scale)).collect()).unwrap();
        let y = TvDenoise::new(T::of(0.1 * scale)).denoise(scaled.view()).unwrap();
        assert!(x.status().is_converged() && y.status().is_converged());
        for (p, q) in x.image.data().iter().zip(y.image.data()) {
            assert!((p.as_f64() - q.as_f64() / scale).abs() < 5e-3, "{scale}");
        }
        assert!((y.certificate.primal / scale / scale / x.certificate.primal - 1.0).abs() < 1e-3);
        let d = TvDiscrepancy::new(T::of(0.1 * scale)).denoise(scaled.view()).unwrap();
        assert!(d.status().is_converged());
    }
    for scale in [1e-12, 1e-6, 1e6, 1e12] {
        one::<f64>(scale);
        one::<f32>(scale);
    }
}

#[test]
fn a_grey_image_in_colour() {
    // Three equal channels: each by itself if uncoupled; coupled, three channels share one norm √3 |∇x|,
    // so that lambda counts as lambda/√3 in each.
    let grey = random::<f64>(18, 14, 6);
    let colour = Rgb::new(18, 14, grey.data().repeat(3)).unwrap();
    for (coupling, factor) in
        [(Coupling::Isotropic, 1.0), (Coupling::Anisotropic, 1.0), (Coupling::Vectorial, 3.0_f64.sqrt())]
    {
        let a = TvDenoise::new(0.1).coupling(coupling).tol(1e-9).denoise(grey.view()).unwrap();
        let b = TvDenoise::new(0.1 * factor).coupling(coupling).tol(1e-9).denoise(colour.view()).unwrap();
        assert!(a.status().is_converged() && b.status().is_converged());
        for c in 0..3 {
            assert_eq!(b.image.plane(c), b.image.plane(0), "{coupling:?}");
            for (p, q) in a.image.data().iter().zip(b.image.plane(c)) {
                assert!((p - q).abs() < 2e-4, "{coupling:?}: {p} {q}");
            }
        }
        assert!((b.certificate.primal / a.certificate.primal - 3.0).abs() < 1e-7);
    }
}

#[cfg(feature = "rayon")]
#[test]
fn one_two_and_four_threads_give_the_same_bits() {
    let grey = random::<f64>(150, 40, 9);
    let colour = Rgb::new(150, 40, grey.data().repeat(3)).unwrap();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let tv: Vec<_> = COUPLINGS
                .iter()
                .map(|c| TvDenoise::new(0.1).coupling(*c).tol(1e-6).denoise(colour.view()).unwrap())
                .map(|out| (out.image, out.certificate, out.report.last.iter))
                .collect();
            let auto = TvDiscrepancy::new(0.1).denoise(grey.view()).unwrap();
            let ssim = Ssim::gaussian(1.0).map(grey.view(), auto.image.view()).unwrap();
            (tv, auto.image, auto.certificate, ssim)
        })
    };
    let one = with(1);
    assert!(one == with(2));
    assert!(one == with(4));
}

#[test]
fn discrepancy_removes_what_it_says() {
    for seed in 0..4 {
        let b = random::<f64>(30, 25, seed);
        let n = b.data().len() as f64;
        let mean = b.data().iter().sum::<f64>() / n;
        let deviation = (b.data().iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n).sqrt();
        for coupling in COUPLINGS {
            for share in [1e-3, 0.03, 0.3, 0.6, 0.9, 0.99] {
                let sigma = share * deviation;
                let out = TvDiscrepancy::new(sigma).coupling(coupling).denoise(b.view()).unwrap();
                let removed = mse(b.view(), out.image.view()).unwrap().sqrt();
                assert!(out.status().is_converged());
                assert!((removed / sigma - 1.0).abs() < 0.02, "{coupling:?} {share}: {}", removed / sigma);
            }
            for share in [1.0 + 1e-9, 1.5, 1e6] {
                let out = TvDiscrepancy::new(share * deviation).coupling(coupling).denoise(b.view()).unwrap();
                assert!(out.status().is_converged() && out.certificate.gap() == 0.0);
                assert!(out.image.data().iter().all(|v| (v - mean).abs() < 1e-14));
                // The weight it reports is one at which the mean is the answer.
                let again = TvDenoise::new(out.lambda).coupling(coupling).denoise(b.view()).unwrap();
                assert!(again.image.data().iter().all(|v| (v - mean).abs() < 1e-3));
            }
        }
    }
    let flat = Gray::new(3, 3, vec![0.4; 9]).unwrap();
    assert_eq!(TvDiscrepancy::new(0.1).denoise(flat.view()).unwrap().image, flat);
    let dot = Gray::new(1, 1, vec![0.4]).unwrap();
    assert_eq!(TvDiscrepancy::new(0.1).denoise(dot.view()).unwrap().image, dot);
}

#[test]
fn metrics_at_their_limits() {
    let flat = |v: f64| Gray::new(16, 12, vec![v; 192]).unwrap();
    assert_eq!(psnr(flat(0.3).view(), flat(0.3).view(), 1.0).unwrap(), f64::INFINITY);
    assert!((psnr(flat(0.0).view(), flat(1.0).view(), 1.0).unwrap()).abs() < 1e-12);
    assert!((psnr(flat(0.0).view(), flat(255.0).view(), 255.0).unwrap()).abs() < 1e-12);
    for ssim in [Ssim::uniform(1.0), Ssim::gaussian(1.0)] {
        assert_eq!(ssim.mean(flat(0.0).view(), flat(0.0).view()).unwrap(), 1.0);
        assert!((ssim.mean(flat(0.3).view(), flat(0.3).view()).unwrap() - 1.0).abs() < 1e-12);
        // Constants: only the luminance term differs.
        let want = (2.0 * 0.2 * 0.6 + 1e-4) / (0.04 + 0.36 + 1e-4);
        assert!((ssim.mean(flat(0.2).view(), flat(0.6).view()).unwrap() - want).abs() < 1e-12);
        // No stabilising constants: 0/0 on constant images must not become a silent NaN.
        let bare = ssim.constants(0.0, 0.0).mean(flat(0.3).view(), flat(0.3).view()).unwrap();
        assert!(!bare.is_nan(), "{bare}");
    }
    let small = Gray::new(6, 40, vec![0.5; 240]).unwrap();
    for e in [
        Ssim::uniform(1.0).mean(small.view(), small.view()).unwrap_err(),
        Ssim::gaussian(1.0).map(small.view(), small.view()).unwrap_err(),
        ms_ssim(small.view(), small.view(), 1.0).unwrap_err(),
    ] {
        assert!(matches!(e, ImageError::TooSmall { image: (6, 40), .. }), "{e}");
    }
    let e = Ssim::uniform(1.0).window(Window::Uniform(9)).mean(small.view(), small.view()).unwrap_err();
    assert!(matches!(e, ImageError::TooSmall { size: (9, 9), .. }));
    assert!(Ssim::uniform(1.0).window(Window::Uniform(5)).mean(small.view(), small.view()).is_ok());
    for range in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert!(psnr(small.view(), small.view(), range).is_err());
        assert!(Ssim::uniform(range).mean(small.view(), small.view()).is_err());
    }
    assert!(matches!(psnr(small.view(), flat(0.5).view(), 1.0), Err(ImageError::SizeMismatch { .. })));
}

#[test]
fn a_patch_as_large_as_the_image() {
    let b = random::<f64>(5, 7, 1);
    for stride in [(1, 1), (5, 7), (100, 100)] {
        for border in [Border::Cover, Border::Drop] {
            let grid = PatchGrid::<1>::new((5, 7), (5, 7), stride, border).unwrap();
            assert_eq!((grid.len(), grid.dim()), (1, 35));
            let all = grid.extract(b.view()).unwrap();
            assert_eq!(all, b.data());
            let mut average = PatchAverage::new(grid);
            average.add(0..1, &all);
            assert_eq!(average.finish(), b);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// The maximum principle: no value leaves the range of its channel by more than the tolerance allows.
    #[test]
    fn the_range_is_kept(h in 1_usize..12, w in 1_usize..12, lambda in 1e-3_f64..2.0, seed in any::<u64>(), which in 0_usize..2) {
        let b = random::<f64>(h, w, seed);
        let out = TvDenoise::new(lambda).coupling(COUPLINGS[which]).tol(1e-9).denoise(b.view()).unwrap();
        let (lo, hi) = b.data().iter().fold((f64::MAX, f64::MIN), |(a, c), v| (a.min(*v), c.max(*v)));
        let slack = (2.0 * out.certificate.gap()).sqrt() + 1e-12;
        prop_assert!(out.image.data().iter().all(|v| *v >= lo - slack && *v <= hi + slack));
        let image: Image<f64, 1> = out.image;
        prop_assert_eq!(image.size(), (h, w));
    }
}
