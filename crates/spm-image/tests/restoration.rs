//! Restoration beyond plain denoising: certificates, equivalences, precision, threads.
#![allow(clippy::unwrap_used)]

use spm_image::denoise_ksvd::KsvdDenoise;
use spm_image::inpaint::KsvdInpaint;
use spm_image::metrics::psnr;
use spm_image::mri::{Complex, KSpace, Mri, Reconstruction, mask};
use spm_image::superres::SuperResTrainer;
use spm_image::tv::{
    Coupling, Fidelity, Samples, Tgv, TvDeblur, TvDenoise, TvDenoised, TvDiscrepancy, TvRestore,
    TvSelfSupervised, TvSure,
};
use spm_image::wavelet::Wavelet;
use spm_image::{Gray, ImageError, Rgb};
use spm_linalg::Scalar;
use spm_linalg::testing::Rng;

/// A disc on a ramp.
fn scene<T: Scalar>(h: usize, w: usize) -> Gray<T> {
    let at = |k: usize| {
        let (i, j) = ((k / w) as f64 / h as f64 - 0.45, (k % w) as f64 / w as f64 - 0.5);
        T::of(0.3 + 0.4 * j + if i.hypot(j) < 0.25 { 0.4 } else { 0.0 })
    };
    Gray::new(h, w, (0..h * w).map(at).collect()).unwrap()
}

fn noisy<T: Scalar>(clean: &Gray<T>, sigma: f64) -> Gray<T> {
    let mut rng = Rng::new(5);
    let data = clean.data().iter().map(|&v| v + T::of(sigma) * rng.normal::<T>()).collect();
    Gray::new(clean.height(), clean.width(), data).unwrap()
}

fn certified<T: Scalar, const C: usize>(out: &TvDenoised<T, C>, tol: f64) {
    assert!(out.status().is_converged(), "{:?}: gap {:e}", out.status(), out.relative_gap());
    assert!((0.0..=tol).contains(&out.relative_gap()), "gap {:e}", out.relative_gap());
}

fn complex(image: &Gray<f64>) -> Vec<Complex> {
    image.data().iter().map(|&v| Complex::new(v, 0.0)).collect()
}

/// Measurements of a real image with complex noise, through a mask that is not symmetric.
fn measured(h: usize, w: usize, coils: Vec<Complex>) -> KSpace {
    let m = mask::random((h, w), 2.5, 0.05, 3).unwrap();
    let clean = KSpace::measure((h, w), m.clone(), &complex(&scene(h, w)), coils.clone()).unwrap();
    let mut rng = Rng::new(8);
    let noise = |v: &Complex| v + Complex::new(rng.normal(), rng.normal()) * 0.01;
    let values = clean.values().iter().map(noise).collect();
    if coils.is_empty() {
        KSpace::new((h, w), m, values).unwrap()
    } else {
        KSpace::with_coils((h, w), m, values, coils).unwrap()
    }
}

/// Smooth complex sensitivities whose squares add up to about 1.
fn sensitivities(h: usize, w: usize, coils: usize) -> Vec<Complex> {
    let of = |k: usize| {
        let (q, i, j) = (k / (h * w), k / w % h, k % w);
        let turn = std::f64::consts::TAU * q as f64 / coils as f64;
        let along = (i as f64 / h as f64 - 0.5) * turn.sin() + (j as f64 / w as f64 - 0.5) * turn.cos();
        Complex::from_polar((0.6 + 0.7 * along) / (coils as f64).sqrt(), turn + along)
    };
    (0..coils * h * w).map(of).collect()
}

fn error(out: &Reconstruction, truth: &Gray<f64>) -> f64 {
    let wrong: f64 = out.image.iter().zip(truth.data()).map(|(a, b)| (a - b).norm_sqr()).sum();
    (wrong / truth.data().iter().map(|v| v * v).sum::<f64>()).sqrt()
}

/// The half spectrum of a real image against the whole spectrum of the same image seen through one coil of sensitivity 1.
#[test]
fn a_real_image_from_half_or_all_of_its_spectrum() {
    for (h, w) in [(24, 30), (17, 21), (1, 40), (40, 1)] {
        for wavelet in [false, true] {
            let mri = Mri::new(0.01).real(true).tol(1e-6).max_iter(5000);
            let mri = if wavelet { mri.wavelet(Wavelet::Db2, 0.003) } else { mri };
            let half = mri.reconstruct(&measured(h, w, vec![])).unwrap();
            let one = vec![Complex::new(1.0, 0.0); h * w];
            let whole = mri.reconstruct(&measured(h, w, one)).unwrap();
            for out in [&half, &whole] {
                assert!(out.status().is_converged() && out.relative_gap() <= 1e-6, "{h} x {w}");
                assert!(out.image.iter().all(|v| v.im == 0.0));
            }
            let (a, b) = (half.certificate, whole.certificate);
            assert!((a.primal - b.primal).abs() <= 2e-6 * a.primal, "{h} x {w}: {} {}", a.primal, b.primal);
            assert!(a.dual <= b.primal * (1.0 + 1e-12) && b.dual <= a.primal * (1.0 + 1e-12));
        }
    }
}

#[test]
fn several_coils() {
    let (h, w) = (32, 36);
    let truth = scene(h, w);
    let four = Mri::new(0.005).tol(1e-5).reconstruct(&measured(h, w, sensitivities(h, w, 4))).unwrap();
    assert!(four.status().is_converged() && four.relative_gap() <= 1e-5);
    assert!(error(&four, &truth) < 0.05, "{}", error(&four, &truth));
}

#[test]
fn slopes_survive_generalised_variation() {
    let clean: Gray<f64> = scene(48, 40);
    let b = noisy(&clean, 0.05);
    let loose = Tgv::new(0.08).tol(1e-3).denoise(b.view()).unwrap();
    let tight = Tgv::new(0.08).tol(1e-5).max_iter(50_000).denoise(b.view()).unwrap();
    certified(&loose, 1e-3);
    certified(&tight, 1e-5);
    let (l, t) = (loose.certificate, tight.certificate);
    assert!(l.dual <= t.primal && t.dual <= l.primal && t.primal <= l.primal * (1.0 + 1e-5));
    // Without slopes it is total variation, which costs at least as much.
    let tv = TvDenoise::new(0.08).tol(1e-6).denoise(b.view()).unwrap();
    assert!(t.dual <= tv.certificate.primal);
    let quality = |x: &Gray<f64>| psnr(clean.view(), x.view(), 1.0).unwrap();
    assert!(quality(&tight.image) > quality(&tv.image) + 0.5);
    // A very stiff field of slopes leaves total variation of what a plane does not explain.
    let stiff = Tgv::new(0.08).ratio(1e4).tol(1e-3).max_iter(50_000).denoise(b.view()).unwrap();
    assert!(stiff.certificate.primal >= t.dual);
    // In single precision, in colour, of any size.
    let single = Gray::<f32>::new(48, 40, b.data().iter().map(|&v| v as f32).collect()).unwrap();
    let out = Tgv::new(0.08_f32).denoise(single.view()).unwrap();
    certified(&out, 1e-3);
    let three = Rgb::new(48, 40, b.data().repeat(3)).unwrap();
    // Three equal channels are one of √3 times the contrast: the weights are divided by it.
    let colour = Tgv::new(0.08 * 3.0_f64.sqrt()).tol(1e-5).max_iter(50_000).denoise(three.view()).unwrap();
    assert!((colour.certificate.primal - 3.0 * t.primal).abs() < 1e-4 * t.primal);
    for (h, w) in [(1, 9), (9, 1), (3, 3), (33, 2)] {
        for scale in [1e-12, 1.0, 1e12] {
            let data: Vec<f64> = noisy(&scene::<f64>(h, w), 0.1).data().iter().map(|v| scale * v).collect();
            let out = Tgv::new(0.1 * scale).denoise(Gray::new(h, w, data).unwrap().view()).unwrap();
            certified(&out, 1e-3);
        }
    }
    // A plane costs nothing: its gap can't be relative to the objective.
    let plane =
        Gray::new(20, 15, (0..300).map(|k| 0.02 * f64::from(k / 15) - 0.03 * f64::from(k % 15)).collect())
            .unwrap();
    let out = Tgv::new(0.1).denoise(plane.view()).unwrap();
    assert!(out.status().is_converged(), "{:?}", out.report);
    assert!(plane.data().iter().zip(out.image.data()).all(|(a, b)| (a - b).abs() < 1e-3));
    let dot = Gray::new(1, 1, vec![0.5]).unwrap();
    let kernel = Gray::new(1, 1, vec![2.0]).unwrap();
    let out = TvDeblur::new(0.1).deblur(dot.view(), kernel.view()).unwrap();
    assert!(out.status().is_converged() && (out.image.get(0, 0, 0) - 0.25_f64).abs() < 1e-6);
    assert_eq!(Tgv::new(0.0).denoise(b.view()).unwrap().image, b);
    assert!(Tgv::new(-1.0).denoise(b.view()).is_err() && Tgv::new(1.0).ratio(0.0).denoise(b.view()).is_err());
}

/// Beyond single precision the anisotropic problem goes on by exact solutions on lines.
#[test]
fn anisotropic_to_the_last_digits() {
    for (h, w) in [(70, 45), (1, 50), (50, 1), (2, 2)] {
        let b = noisy(&scene::<f64>(h, w), 0.1);
        let solver = TvDenoise::new(0.15).coupling(Coupling::Anisotropic).tol(1e-11).max_iter(3000);
        let out = solver.denoise(b.view()).unwrap();
        certified(&out, 1e-11);
        let rgb = Rgb::new(h, w, b.data().repeat(3)).unwrap();
        let colour = solver.denoise(rgb.view()).unwrap();
        certified(&colour, 1e-11);
        assert!((colour.certificate.primal - 3.0 * out.certificate.primal).abs() < 1e-9);
    }
}

#[test]
fn the_least_estimated_error_beats_removing_all_noise() {
    let clean: Gray<f64> = scene(64, 64);
    let b = noisy(&clean, 0.1);
    let quality = |x: &Gray<f64>| psnr(clean.view(), x.view(), 1.0).unwrap();
    let sure = TvSure::new(0.1).denoise(b.view()).unwrap();
    assert!(quality(&sure.result.image) > quality(&TvDiscrepancy::new(0.1).denoise(b.view()).unwrap().image));
    let best = [0.02, 0.04, 0.06, 0.08, 0.1, 0.13, 0.16, 0.2, 0.25]
        .map(|l| quality(&TvDenoise::new(l).denoise(b.view()).unwrap().image))
        .into_iter()
        .fold(0.0, f64::max);
    assert!(quality(&sure.result.image) > best - 0.2);
}

#[test]
fn prediction_chooses_a_weight_without_the_noise_level() {
    let clean: Gray<f64> = scene(64, 64);
    for sigma in [0.1, 0.3] {
        let b = noisy(&clean, sigma);
        let quality = |x: &Gray<f64>| psnr(clean.view(), x.view(), 1.0).unwrap();
        let found = TvSelfSupervised::new().denoise(b.view()).unwrap();
        certified(&found.result, 1e-4);
        let (before, after) = (quality(&b), quality(&found.result.image));
        assert!(after > before + 6.0, "{sigma}: {before} -> {after}, lambda {}", found.result.lambda);
        // The loss has the variance of the noise in it.
        assert!(found.mean_squared_error > 0.6 * sigma * sigma, "{sigma}");
        // The units of the image do not matter.
        let scaled = Gray::new(64, 64, b.data().iter().map(|v| 1e6 * v + 1e5).collect()).unwrap();
        let again = TvSelfSupervised::new().denoise(scaled.view()).unwrap();
        assert!((again.result.lambda / (1e6 * found.result.lambda) - 1.0).abs() < 0.1);
    }
}

fn bits<T: Scalar>(v: &[T]) -> Vec<u64> {
    v.iter().map(|v| v.as_f64().to_bits()).collect()
}

/// A name and what gives the bits of a result.
type Method = (&'static str, Box<dyn Fn() -> Vec<u64> + Sync>);

fn same_bits<const N: usize>(methods: [Method; N]) {
    for (name, method) in methods {
        let with =
            |threads| rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap().install(&method);
        let one = with(1);
        assert!([2, 3].into_iter().all(|threads| with(threads) == one), "{name}");
    }
}

#[test]
fn threads_do_not_change_a_bit() {
    let flat = |out: Reconstruction| bits(&out.image.iter().flat_map(|v| [v.re, v.im]).collect::<Vec<f64>>());
    let kernel = Gray::new(1, 3, vec![0.25, 0.5, 0.25]).unwrap();
    let view = noisy(&scene::<f64>(90, 110), 0.1);
    let single = noisy(&scene::<f32>(60, 50), 0.1);
    let missing: Vec<bool> = (0..3000).map(|k| k * 7 % 10 < 3).collect();
    let (v1, v2, v3, v4) = (view.clone(), view.clone(), view.clone(), view);
    let (s1, s2, s3) = (single.clone(), single.clone(), single);
    same_bits([
        (
            "MRI, real",
            Box::new(move || {
                flat(Mri::new(0.01).real(true).max_iter(40).reconstruct(&measured(150, 130, vec![])).unwrap())
            }),
        ),
        (
            "MRI, wavelet",
            Box::new(move || {
                let mri = Mri::new(0.01).wavelet(Wavelet::Db4, 0.01).max_iter(20);
                flat(mri.reconstruct(&measured(150, 130, vec![])).unwrap())
            }),
        ),
        (
            "MRI, coils",
            Box::new(move || {
                let kspace = measured(64, 40, sensitivities(64, 40, 3));
                flat(Mri::new(0.01).max_iter(10).reconstruct(&kspace).unwrap())
            }),
        ),
        (
            "deblurring",
            Box::new(move || {
                let out = TvDeblur::new(0.01).max_iter(30).deblur(v1.view(), kernel.view()).unwrap();
                bits(out.image.data())
            }),
        ),
        (
            "restoration",
            Box::new(move || {
                let method = TvRestore::new(0.5).fidelity(Fidelity::Huber { delta: 0.05 }).max_iter(60);
                bits(method.image(v2.view(), None).unwrap().image.data())
            }),
        ),
        (
            "generalised",
            Box::new(move || bits(Tgv::new(0.1).max_iter(60).denoise(v3.view()).unwrap().image.data())),
        ),
        (
            "anisotropic",
            Box::new(move || {
                let method = TvDenoise::new(0.1).coupling(Coupling::Anisotropic).tol(1e-9);
                bits(method.denoise(v4.view()).unwrap().image.data())
            }),
        ),
        (
            "K-SVD",
            Box::new(move || {
                let method = KsvdDenoise::new().sigma(0.1).n_atoms(64).max_iter(2);
                bits(method.run(s1.view()).unwrap().image.data())
            }),
        ),
        (
            "inpainting",
            Box::new(move || {
                let method = KsvdInpaint::new().n_atoms(64).rounds(3);
                bits(method.run(s2.view(), &missing).unwrap().image.data())
            }),
        ),
        (
            "super-resolution",
            Box::new(move || {
                let mut trainer = SuperResTrainer::new(2);
                (trainer.atoms, trainer.max_iter, trainer.neighbours) = (16, 2, 64);
                let trained = trainer.train(std::slice::from_ref(&s3)).unwrap();
                bits(trained.model.upscale(s3.view()).unwrap().data())
            }),
        ),
    ]);
}

#[test]
fn single_precision_carries_the_certificate() {
    let b = noisy(&scene::<f32>(40, 33), 0.05);
    let kernel = Gray::new(3, 1, vec![0.2_f32, 0.6, 0.2]).unwrap();
    certified(&TvDeblur::new(0.02_f32).deblur(b.view(), kernel.view()).unwrap(), 1e-4);
    for fidelity in [Fidelity::Squared, Fidelity::Absolute, Fidelity::Huber { delta: 0.1 }] {
        let method = TvRestore::new(0.3_f32).fidelity(fidelity).tol(1e-3);
        certified(&method.image(b.view(), None).unwrap(), 1e-3);
    }
}

#[test]
fn awkward_images() {
    let kernel = Gray::new(1, 1, vec![1.0]).unwrap();
    for (h, w) in [(1, 1), (1, 12), (12, 1), (2, 3)] {
        for scale in [1e-12, 1.0, 1e12] {
            let b = Gray::new(h, w, (0..h * w).map(|k| scale * (0.2 + (k * 7 % 5) as f64 / 5.0)).collect())
                .unwrap();
            certified(&TvDeblur::new(0.05 * scale).deblur(b.view(), kernel.view()).unwrap(), 1e-4);
            for fidelity in [Fidelity::Squared, Fidelity::Absolute, Fidelity::Poisson] {
                let lambda = if fidelity == Fidelity::Squared { 0.05 * scale } else { 0.4 };
                let method = TvRestore::new(lambda).fidelity(fidelity);
                certified(&method.image(b.view(), None).unwrap(), 1e-4);
            }
        }
        // Constant: nothing to do.
        let flat = Gray::new(h, w, vec![0.25; h * w]).unwrap();
        for x in [
            Tgv::new(0.1).denoise(flat.view()).unwrap().image,
            TvSure::new(0.1).denoise(flat.view()).unwrap().result.image,
            TvSelfSupervised::new().denoise(flat.view()).unwrap().result.image,
        ] {
            assert_eq!(x, flat);
        }
        // Nothing given.
        let none = vec![0.0; h * w];
        let samples = Samples { shape: &[h, w], values: flat.data(), weights: Some(&none), edges: None };
        assert!(matches!(TvRestore::new(0.1).restore(samples), Err(ImageError::Linalg(_))));
        assert!(KsvdInpaint::new().run(flat.view(), &vec![true; h * w]).is_err());
    }
    // An image of zeros through every mask.
    let zero = KSpace::new((4, 4), vec![true; 16], vec![Complex::new(0.0, 0.0); 16]).unwrap();
    let out = Mri::new(0.1).real(true).reconstruct(&zero).unwrap();
    assert!(out.status().is_converged() && out.image.iter().all(|v| v.norm() == 0.0));
    let grey: Gray<f64> = noisy(&scene(20, 20), 0.1);
    let colour = Rgb::new(20, 20, grey.data().repeat(3)).unwrap();
    let (one, three) = (
        TvRestore::new(0.2).fidelity(Fidelity::Absolute).tol(1e-6).image(grey.view(), None).unwrap(),
        TvRestore::new(0.2).fidelity(Fidelity::Absolute).tol(1e-6).image(colour.view(), None).unwrap(),
    );
    assert!((three.certificate.primal - 3.0 * one.certificate.primal).abs() < 1e-4 * one.certificate.primal);
}
