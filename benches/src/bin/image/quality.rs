//! What each choice is worth, in PSNR, over photographs.
//!
//! A problem is named after the method, the photograph and the noise or the share of missing pixels.

use sparse_modeling::image::denoise_ksvd::KsvdDenoise;
use sparse_modeling::image::inpaint::{KsvdInpaint, fill_smoothly};
use sparse_modeling::image::metrics::psnr;
use sparse_modeling::image::tv::{Tgv, TvDenoise, TvDiscrepancy, TvSelfSupervised, TvSure};
use sparse_modeling::image::{Gray, estimate_sigma};

use crate::learned::single;
use crate::scenes::{middle, missing, noisy, photograph};
use crate::{Meter, row};

/// Side of the middle of a photograph that is looked at.
const SIDE: usize = 256;

/// Deviations of the noise, in grey levels.
const SIGMAS: [f64; 3] = [10.0, 25.0, 50.0];

/// Every choice on the middle of every photograph.
pub(crate) fn measure(paths: &[&str]) {
    for path in paths {
        let name = std::path::Path::new(path).file_stem().unwrap_or_default().to_string_lossy();
        let clean = middle(&photograph(path), SIDE);
        learned(&name, &clean);
        weights(&name, &clean);
        fill(&name, &clean);
    }
}

/// Denoising by K-SVD: the paper, then one choice after the other.
fn learned(name: &str, clean: &Gray<f64>) {
    let (meter, truth) = (Meter::new(1), single(clean));
    for sigma in SIGMAS {
        let image = single(&noisy(clean, sigma / 255.0));
        let best = KsvdDenoise::new();
        let coding = best.clone().rounds(0).second_pass(0.0);
        for (choice, method) in [
            ("paper of 2006", KsvdDenoise::paper()),
            ("and coding by least squares", coding.clone().max_iter(10)),
            ("and 20 iterations on 40 000 patches", coding.clone()),
            ("and boosting", best.clone().second_pass(0.0)),
            ("and a second pass: the default", best.clone()),
            ("the default without boosting", best.clone().rounds(0)),
            ("the default, patches of 12", best.clone().patch(12)),
        ] {
            let method = method.sigma((sigma / 255.0) as f32);
            let (out, time) = meter.time(|| method.run(image.view()).unwrap());
            let quality = psnr(out.image.view(), truth.view(), 1.0).unwrap();
            row(format!("ksvd {name} {sigma}"), choice, 0.0, method.max_iter, time, quality, 0.0);
        }
    }
}

/// Total variation: the rules that choose the weight, against the best weight there is.
fn weights(name: &str, clean: &Gray<f64>) {
    let meter = Meter::new(1);
    for sigma in SIGMAS {
        let noisy = noisy(clean, sigma / 255.0);
        let found = estimate_sigma(noisy.view());
        let sure = |sigma| TvSure::new(sigma).denoise(noisy.view()).unwrap().result;
        let best = || {
            let grid = (0..25).map(|k| TvDenoise::new(sigma / 255.0 * 0.1 * 1.17_f64.powi(k)).tol(1e-3));
            let all = grid.map(|method| method.denoise(noisy.view()).unwrap().image);
            let quality = |x: &Gray<f64>| psnr(clean.view(), x.view(), 1.0).unwrap();
            all.max_by(|a, b| quality(a).total_cmp(&quality(b))).unwrap()
        };
        let rules: [(&str, &dyn Fn() -> Gray<f64>); 6] = [
            ("the best weight, by the clean image", &best),
            ("SURE, level known", &|| sure(sigma / 255.0).image),
            ("SURE, level estimated", &|| sure(found).image),
            ("J-invariance, no level", &|| {
                TvSelfSupervised::new().denoise(noisy.view()).unwrap().result.image
            }),
            ("discrepancy, level known", &|| {
                TvDiscrepancy::new(sigma / 255.0).denoise(noisy.view()).unwrap().image
            }),
            ("TGV, weight by SURE", &|| {
                Tgv::new(sure(sigma / 255.0).lambda).denoise(noisy.view()).unwrap().image
            }),
        ];
        for (rule, method) in rules {
            let (x, time) = meter.time(method);
            let quality = psnr(clean.view(), x.view(), 1.0).unwrap();
            row(format!("weight {name} {sigma}"), rule, 0.0, 0, time, quality, 0.0);
        }
    }
}

/// Missing pixels at random, in per cent.
fn fill(name: &str, clean: &Gray<f64>) {
    let (meter, clean) = (Meter::new(1), single(clean));
    for percent in [25, 50, 75, 80] {
        let gone = missing(clean.data().len(), f64::from(percent) / 100.0);
        let methods: [(&str, &dyn Fn() -> Gray<f32>); 2] = [
            ("smooth (biharmonic)", &|| fill_smoothly(clean.view(), &gone).unwrap()),
            ("K-SVD", &|| KsvdInpaint::new().run(clean.view(), &gone).unwrap().image),
        ];
        for (choice, method) in methods {
            let (x, time) = meter.time(method);
            let quality = psnr(x.view(), clean.view(), 1.0).unwrap();
            row(format!("fill {name} {percent}"), choice, 0.0, 0, time, quality, 0.0);
        }
    }
}
