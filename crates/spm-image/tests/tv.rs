//! Total variation denoising: closed forms, a slow twin, certificates, awkward input.
#![allow(clippy::unwrap_used)]

use std::ops::ControlFlow;
use std::time::Duration;

use proptest::prelude::*;
use spm_image::tv::{Coupling, TvDenoise, TvDiscrepancy, total_variation};
use spm_image::{Gray, Image};
use spm_linalg::operator::Gradient;
use spm_linalg::testing::Rng;
use spm_linalg::{LinearOperator, Scalar, StackReq, Workspace, vecops};
use spm_solvers::Status;

const COUPLINGS: [Coupling; 3] = [Coupling::Isotropic, Coupling::Anisotropic, Coupling::Vectorial];

fn random<T: Scalar, const C: usize>(h: usize, w: usize, seed: u64) -> Image<T, C> {
    let mut rng = Rng::new(seed);
    let data = (0..C * h * w)
        .map(|k| {
            let (i, j) = ((k / w) % h, k % w);
            T::of(if i * 2 < h && j * 3 < 2 * w { 0.8 } else { 0.2 }) + T::of(0.1) * rng.normal::<T>()
        })
        .collect();
    Image::new(h, w, data).unwrap()
}

fn objective<const C: usize>(b: &Image<f64, C>, x: &Image<f64, C>, lambda: f64, coupling: Coupling) -> f64 {
    0.5 * vecops::sq_dist(b.data(), x.data()) + lambda * total_variation(x.view(), coupling)
}

/// Plain projected gradient on the dual, through the gradient operator: the slow twin.
fn slow<const C: usize>(
    b: &Image<f64, C>,
    lambda: f64,
    coupling: Coupling,
    iterations: usize,
) -> Image<f64, C> {
    let (h, w) = b.size();
    let n = h * w;
    let grad = Gradient::new([h, w]).unwrap();
    let mut ws = Workspace::new(StackReq::EMPTY);
    let mut p = vec![0.0; C * 2 * n];
    let mut x = b.data().to_vec();
    let (mut g, mut d) = (vec![0.0; 2 * n], vec![0.0; n]);
    for _ in 0..iterations {
        for c in 0..C {
            grad.apply_adjoint(&p[c * 2 * n..(c + 1) * 2 * n], &mut d, ws.stack());
            for k in 0..n {
                x[c * n + k] = b.data()[c * n + k] - d[k];
            }
            grad.apply(&x[c * n..(c + 1) * n], &mut g, ws.stack());
            vecops::axpy(0.125, &g, &mut p[c * 2 * n..(c + 1) * 2 * n]);
        }
        for k in 0..n {
            let joint: f64 = (0..C).map(|c| p[c * 2 * n + k].powi(2) + p[c * 2 * n + n + k].powi(2)).sum();
            for c in 0..C {
                let (v, u) = (c * 2 * n + k, c * 2 * n + n + k);
                match coupling {
                    Coupling::Anisotropic => {
                        p[v] = p[v].clamp(-lambda, lambda);
                        p[u] = p[u].clamp(-lambda, lambda);
                    }
                    _ => {
                        let norm =
                            if coupling == Coupling::Vectorial { joint.sqrt() } else { p[v].hypot(p[u]) };
                        let s = (lambda / norm).min(1.0);
                        p[v] *= s;
                        p[u] *= s;
                    }
                }
            }
        }
    }
    Image::new(h, w, x).unwrap()
}

fn check<T: Scalar, const C: usize>(
    b: &Image<T, C>,
    lambda: f64,
    coupling: Coupling,
    tol: f64,
) -> Image<f64, C> {
    let out = TvDenoise::new(T::of(lambda)).coupling(coupling).tol(T::of(tol)).denoise(b.view()).unwrap();
    assert!(
        out.status().is_converged(),
        "{coupling:?} {lambda}: gap {} after {}",
        out.relative_gap(),
        out.iterations()
    );
    let up = |i: &Image<T, C>| {
        Image::<f64, C>::new(i.height(), i.width(), i.data().iter().map(|v| v.as_f64()).collect()).unwrap()
    };
    let (b, x) = (up(b), up(&out.image));
    let primal = objective(&b, &x, T::of(lambda).as_f64(), coupling);
    assert!(
        (primal - out.certificate.primal).abs() <= 1e-12 * primal.max(f64::MIN_POSITIVE),
        "objective is as stated"
    );
    assert!(out.certificate.gap() <= tol * (1.0 + 1e-6) * primal);
    x
}

#[test]
fn agrees_with_the_slow_twin() {
    fn one<const C: usize>(h: usize, w: usize) {
        let b = random::<f64, C>(h, w, 5);
        for coupling in COUPLINGS {
            for lambda in [0.02, 0.3] {
                let twin = slow(&b, lambda, coupling, 20_000);
                let x = check(&b, lambda, coupling, 1e-8);
                let (p, q) = (objective(&b, &twin, lambda, coupling), objective(&b, &x, lambda, coupling));
                assert!((p - q).abs() < 1e-6 * p, "{coupling:?} {lambda} {p} {q}");
                let apart = vecops::sq_dist(twin.data(), x.data()).sqrt();
                assert!(apart < 1e-3 * vecops::norm(b.data()), "{coupling:?} {lambda} {apart}");
            }
        }
    }
    one::<1>(7, 6);
    one::<3>(5, 4);
    one::<1>(1, 12);
    one::<2>(12, 1);
}

#[test]
fn bands_join_without_a_seam() {
    // More rows than a band: a transposed image must give the transposed result.
    let b = random::<f64, 1>(75, 9, 8);
    let transpose = |i: &Gray<f64>| {
        let (h, w) = i.size();
        Gray::new(w, h, (0..h * w).map(|k| i.get(0, k % h, k / h)).collect()).unwrap()
    };
    for coupling in [Coupling::Isotropic, Coupling::Anisotropic] {
        let x = check(&b, 0.1, coupling, 1e-8);
        let y = check(&transpose(&b), 0.1, coupling, 1e-8);
        if coupling == Coupling::Anisotropic {
            assert!(vecops::sq_dist(x.data(), transpose(&y).data()).sqrt() < 1e-3);
        }
        let twin = slow(&b, 0.1, coupling, 5000);
        assert!(vecops::sq_dist(x.data(), twin.data()).sqrt() < 1e-3, "{coupling:?}");
    }
}

#[test]
fn trivial_cases_are_exact() {
    let b = random::<f64, 3>(6, 5, 1);
    for coupling in COUPLINGS {
        let out = TvDenoise::new(0.0).coupling(coupling).denoise(b.view()).unwrap();
        assert_eq!((out.image, out.certificate.gap(), out.report.last.iter), (b.clone(), 0.0, 0));
        let out = TvDenoise::new(1e30).coupling(coupling).denoise(b.view()).unwrap();
        assert!(out.status().is_converged() && out.certificate.gap() == 0.0);
        for c in 0..3 {
            let mean = b.plane(c).iter().sum::<f64>() / 30.0;
            assert!(out.image.plane(c).iter().all(|v| (v - mean).abs() < 1e-14));
        }
        let flat = Image::<f64, 3>::new(4, 4, vec![0.3; 48]).unwrap();
        assert_eq!(TvDenoise::new(0.5).coupling(coupling).denoise(flat.view()).unwrap().image, flat);
        let dot = Image::<f64, 3>::new(1, 1, vec![0.1, 0.2, 0.3]).unwrap();
        assert_eq!(TvDenoise::new(0.5).coupling(coupling).denoise(dot.view()).unwrap().image, dot);
    }
}

#[test]
fn tiny_lambda_keeps_the_image() {
    let b = random::<f64, 2>(9, 8, 12);
    for lambda in [1e-3, 1e-6, 1e-10, 1e-13, 1e-16, 1e-50] {
        for coupling in COUPLINGS {
            let x = check(&b, lambda, coupling, 1e-6);
            // The minimiser is b − λ∇ᵀz, and x is as near to it as the gap says.
            let slack = (2e-6 * lambda * total_variation(b.view(), coupling)).sqrt();
            let largest = b.data().iter().zip(x.data()).fold(0.0_f64, |m, (b, x)| m.max((b - x).abs()));
            assert!(largest <= 4.0 * lambda + slack + 1e-15, "{coupling:?} {lambda}: {largest}");
        }
    }
}

#[test]
fn large_lambda_below_the_mean_converges() {
    let b = random::<f64, 1>(20, 30, 4);
    for lambda in [1.0, 3.0, 10.0] {
        for coupling in COUPLINGS {
            check(&b, lambda, coupling, 1e-4);
        }
    }
}

#[test]
fn scale_and_offset_do_not_matter() {
    let b = random::<f64, 1>(17, 13, 2);
    let x = check(&b, 0.1, Coupling::Isotropic, 1e-6);
    for (scale, offset) in [(1e12, 0.0), (1e-12, 0.0), (1.0, 1e6), (255.0, -3.0)] {
        let scaled = Gray::new(17, 13, b.data().iter().map(|v| v * scale + offset).collect()).unwrap();
        let y = check(&scaled, 0.1 * scale, Coupling::Isotropic, 1e-6);
        for (p, q) in x.data().iter().zip(y.data()) {
            assert!((p - (q - offset) / scale).abs() < 1e-3, "{scale} {offset}");
        }
    }
}

#[test]
fn single_precision() {
    let b = random::<f32, 3>(15, 11, 3);
    for coupling in COUPLINGS {
        check(&b, 0.1, coupling, 1e-4);
        check(&b, 0.1, coupling, 1e-5);
    }
}

#[test]
fn not_converging_is_a_status() {
    let b = random::<f64, 1>(30, 30, 6);
    let out = TvDenoise::new(0.1).max_iter(3).denoise(b.view()).unwrap();
    assert_eq!((out.status(), out.iterations()), (Status::MaxIterations, 3));
    assert!(out.certificate.gap() > 0.0 && out.certificate.gap().is_finite());
    let out = TvDenoise::new(0.1).tol(0.0).max_iter(50).denoise(b.view()).unwrap();
    assert_eq!(out.status(), Status::MaxIterations);
    let out = TvDenoise::new(0.1).tol(0.0).time_limit(Duration::ZERO).denoise(b.view()).unwrap();
    assert_eq!(out.status(), Status::TimeLimit);
    let mut seen = 0;
    let out = TvDenoise::new(0.1).denoise_with(b.view(), &mut |_| {
        seen += 1;
        if seen == 5 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    assert_eq!(out.unwrap().status(), Status::Interrupted);
    assert!(TvDenoise::new(-1.0).denoise(b.view()).is_err());
    assert!(TvDenoise::new(0.1).tol(f64::NAN).denoise(b.view()).is_err());
}

#[test]
fn iterations_stay_few() {
    let b = random::<f64, 1>(64, 64, 9);
    for (coupling, most) in [(Coupling::Isotropic, 250), (Coupling::Anisotropic, 400)] {
        let out = TvDenoise::new(0.1).coupling(coupling).denoise(b.view()).unwrap();
        assert!(out.iterations() <= most, "{coupling:?}: {}", out.iterations());
    }
}

#[test]
fn discrepancy_removes_the_noise() {
    let b = random::<f64, 1>(40, 30, 7);
    for sigma in [0.02, 0.1, 0.2] {
        let out = TvDiscrepancy::new(sigma).denoise(b.view()).unwrap();
        let removed = (vecops::sq_dist(b.data(), out.image.data()) / 1200.0).sqrt();
        assert!((removed / sigma - 1.0).abs() < 0.02, "{sigma} {removed}");
        assert!(out.status().is_converged());
    }
    assert_eq!(TvDiscrepancy::new(0.0).denoise(b.view()).unwrap().image, b);
    let mean = b.data().iter().sum::<f64>() / 1200.0;
    let out = TvDiscrepancy::new(5.0).denoise(b.view()).unwrap();
    assert!(out.image.data().iter().all(|v| (v - mean).abs() < 1e-14));
    assert!(TvDiscrepancy::new(f64::NAN).denoise(b.view()).is_err());
}

#[cfg(feature = "rayon")]
#[test]
fn threads_do_not_change_a_bit() {
    let b = random::<f64, 2>(140, 20, 11);
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| TvDenoise::new(0.1).coupling(Coupling::Vectorial).denoise(b.view()).unwrap())
    };
    let (one, two) = (with(1), with(2));
    assert_eq!((one.image, one.certificate), (two.image, two.certificate));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The certificate bounds the suboptimality, and the minimiser beats its neighbours.
    #[test]
    fn certified(h in 1_usize..40, w in 1_usize..9, lambda in 0.001_f64..0.5, seed in any::<u64>(), which in 0_usize..3) {
        let b = random::<f64, 2>(h, w, seed);
        let x = check(&b, lambda, COUPLINGS[which], 1e-4);
        let best = objective(&b, &x, lambda, COUPLINGS[which]);
        let mut rng = Rng::new(seed ^ 1);
        for scale in [1e-3, 1e-1] {
            let other = Image::new(h, w, x.data().iter().map(|v| v + scale * rng.normal::<f64>()).collect()).unwrap();
            prop_assert!(objective(&b, &other, lambda, COUPLINGS[which]) >= best * (1.0 - 1e-4));
        }
        for c in 0..2 {
            // Total variation moves no mass between channels or out of the image.
            let sum = |i: &Image<f64, 2>| i.plane(c).iter().sum::<f64>();
            prop_assert!((sum(&b) - sum(&x)).abs() <= 0.05 * (h * w) as f64);
        }
    }
}
