//! What is learned from images: denoising, inpainting, super-resolution.

use serde_json::{Value, json};
use sparse_modeling::image::Gray;
use sparse_modeling::image::denoise_ksvd::KsvdDenoise;
use sparse_modeling::image::inpaint::{KsvdInpaint, fill_smoothly};
use sparse_modeling::image::metrics::psnr;
use sparse_modeling::image::resize::Bicubic;
use sparse_modeling::image::superres::{SuperResMethod, SuperResTrainer};

use crate::scenes::{halved, missing, noisy, scene};
use crate::{Meter, SIGMA, row};

const MISSING: [f64; 4] = [0.25, 0.5, 0.75, 0.8];

pub(crate) fn single(image: &Gray<f64>) -> Gray<f32> {
    let data = image.data().iter().map(|&v| v as f32).collect();
    Gray::new(image.height(), image.width(), data).unwrap()
}

/// In single precision, as the methods' documentation advises.
pub(crate) fn solve(clean: &Gray<f64>, meter: &Meter) {
    let (truth, image) = (single(clean), single(&noisy(clean, SIGMA)));
    for (solver, method) in [
        ("ours", KsvdDenoise::new()),
        ("ours-paper", KsvdDenoise::paper()),
        ("ours-unboosted", KsvdDenoise::new().rounds(0).second_pass(0.0)),
    ] {
        let method = method.sigma(SIGMA as f32);
        let (out, time) = meter.time(|| method.run(image.view()).unwrap());
        let quality = psnr(out.image.view(), truth.view(), 1.0).unwrap();
        row(format!("ksvd-{}-sigma-25", clean.width()), solver, 0.0, method.max_iter, time, quality, 0.0);
    }
    inpaint(clean, meter);
    enlarge(clean, meter);
}

/// Missing pixels at random: the photograph, at half and at a quarter of its size.
fn inpaint(photo: &Gray<f64>, meter: &Meter) {
    let half = halved(photo);
    let sizes: [(&Gray<f64>, &[f64]); 3] =
        [(photo, &[0.5]), (&half, &MISSING), (&halved(&half), &[0.25, 0.5, 0.75, 0.8])];
    for (clean, shares) in sizes {
        let clean = single(clean);
        for &share in shares {
            let gone = missing(clean.data().len(), share);
            let problem = format!("inpaint-{}-missing-{share}", clean.width());
            let quality = |x: &Gray<f32>| psnr(x.view(), clean.view(), 1.0).unwrap();
            let method = KsvdInpaint::new();
            let (out, time) = meter.time(|| method.run(clean.view(), &gone).unwrap().image);
            row(problem.clone(), "ours", 0.0, method.rounds, time, quality(&out), 0.0);
            let (out, time) = meter.time(|| fill_smoothly(clean.view(), &gone).unwrap());
            row(problem, "ours-smooth", 0.0, 0, time, quality(&out), 0.0);
        }
    }
}

/// Coupled dictionaries learned from the made scene alone, applied to the photograph.
fn enlarge(photo: &Gray<f64>, meter: &Meter) {
    for scale in [2, 3, 4] {
        let mut trainer = SuperResTrainer::new(scale);
        (trainer.method, trainer.atoms, trainer.patches) = (SuperResMethod::Zeyde, 256, 30_000);
        let (trained, time) = meter.time(|| trainer.train(&[scene(512)]).unwrap());
        row(format!("superres-train-x{scale}"), "ours", 0.0, trainer.max_iter, time, 0.0, 0.0);
        let model = trained.model;
        let (h, w) = (photo.height() / scale, photo.width() / scale);
        let clean = cut(photo, (h * scale, w * scale), 0);
        let small = Bicubic::new().resize(clean.view(), (h, w)).unwrap();
        let (inner, border) = ((h * scale - 2 * scale, w * scale - 2 * scale), scale);
        let quality = |x: &Gray<f64>| {
            psnr(cut(x, inner, border).view(), cut(&clean, inner, border).view(), 1.0).unwrap()
        };
        let problem = format!("superres-x{scale}");
        let (x, time) = meter.time(|| model.upscale(small.view()).unwrap());
        row(problem.clone(), "ours", 0.0, 0, time, quality(&x), 0.0);
        let (x, time) = meter.time(|| Bicubic::new().resize(small.view(), clean.size()).unwrap());
        row(problem, "bicubic", 0.0, 0, time, quality(&x), 0.0);
    }
}

fn cut(image: &Gray<f64>, (h, w): (usize, usize), border: usize) -> Gray<f64> {
    let at = |k: usize| image.get(0, border + k / w, border + k % w);
    Gray::new(h, w, (0..h * w).map(at).collect()).unwrap()
}

pub(crate) fn dump(photo: &Gray<f64>, write: &dyn Fn(&str, &[f64]), problems: &mut Value) {
    write("photo", photo.data());
    write("photo-noisy", noisy(photo, SIGMA).data());
    let half = halved(photo);
    write("half", half.data());
    problems["half"] = json!([half.height(), half.width()]);
    problems["missing"] = json!(MISSING);
    for share in MISSING {
        let gone = missing(half.data().len(), share);
        write(&format!("missing-{share}"), &gone.iter().map(|&m| f64::from(u8::from(m))).collect::<Vec<_>>());
    }
}

/// 24 megapixels: the photograph again and again, each time with other noise.
pub(crate) fn large(photo: &Gray<f64>) {
    let (h, w) = (4000, 6000);
    let clean = |k: usize| photo.get(0, k / w % photo.height(), k % w % photo.width());
    let mut rng = spm_linalg::testing::Rng::new(18);
    let noise = (0..h * w).map(|k| (clean(k) + SIGMA * rng.normal::<f64>()) as f32).collect();
    let image = Gray::new(h, w, noise).unwrap();
    let meter = Meter { repeat: 1, held: 0.0 };
    let method = KsvdDenoise::new().sigma(SIGMA as f32);
    let (out, time) = meter.time(|| method.run(image.view()).unwrap().image);
    let wrong: f64 = out.data().iter().enumerate().map(|(k, &v)| (f64::from(v) - clean(k)).powi(2)).sum();
    let quality = -10.0 * (wrong / (h * w) as f64).log10();
    row("ksvd-24-megapixels-sigma-25".to_owned(), "ours", 0.0, method.max_iter, time, quality, 0.0);
}
