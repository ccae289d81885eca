//! The pictures and measurements, made or from a photograph.

use sparse_modeling::image::mri::{Complex, KSpace, mask, phantom};
use sparse_modeling::image::{Gray, Rgb, io};
use spm_linalg::testing::Rng;

/// Discs, a ramp and texture.
pub(crate) fn scene(side: usize) -> Gray<f64> {
    let mut rng = Rng::new(11);
    let discs: Vec<(f64, f64, f64, f64)> = (0..40)
        .map(|_| (rng.uniform(), rng.uniform(), 0.02 + 0.13 * rng.uniform::<f64>(), rng.uniform()))
        .collect();
    let pixel = |k: usize| {
        let (i, j) = ((k / side) as f64 / side as f64, (k % side) as f64 / side as f64);
        let mut v = 0.3 + 0.3 * i;
        for &(ci, cj, r, level) in &discs {
            if (i - ci).hypot(j - cj) < r {
                v = level;
            }
        }
        if j > 0.7 { v + 0.05 * (200.0 * i).sin() * (170.0 * j).cos() } else { v }
    };
    Gray::new(side, side, (0..side * side).map(pixel).collect()).unwrap()
}

pub(crate) fn noisy(clean: &Gray<f64>, sigma: f64) -> Gray<f64> {
    let mut rng = Rng::new(12);
    let data = clean.data().iter().map(|v| v + sigma * rng.normal::<f64>()).collect();
    Gray::new(clean.height(), clean.width(), data).unwrap()
}

pub(crate) fn photograph(path: &str) -> Gray<f64> {
    io::read(path).unwrap().0.into_gray()
}

pub(crate) fn lines(side: usize) -> usize {
    (22 * side / 256).max(16)
}

/// A section of a head: the phantom, shaded and with fine structure, as the anatomy has that the phantom lacks.
pub(crate) fn head(side: usize) -> Vec<Complex> {
    let shade = |k: usize| {
        let (i, j) = ((k / side) as f64 / side as f64 - 0.5, (k % side) as f64 / side as f64 - 0.5);
        let folds = (60.0 * i + 8.0 * (25.0 * j).sin()).sin() * (45.0 * j + 6.0 * (30.0 * i).cos()).cos();
        1.0 - 0.6 * (i * i + j * j) + 0.12 * folds
    };
    phantom(side).unwrap().iter().enumerate().map(|(k, v)| v * shade(k)).collect()
}

/// The head through a mask of one in four rows or pixels of its spectrum, with noise of deviation 0.005.
pub(crate) fn head_kspace(side: usize, rows: bool) -> (Vec<Complex>, KSpace) {
    let image = head(side);
    let mask = if rows {
        mask::cartesian((side, side), 4.0, 0.08, 1)
    } else {
        mask::random((side, side), 4.0, 0.04, 1)
    };
    let mut rng = Rng::new(14);
    let mut noise = |v: &Complex| v + Complex::new(rng.normal(), rng.normal()) * 0.005;
    let clean = KSpace::measure((side, side), mask.unwrap(), &image, vec![]).unwrap();
    let values = clean.values().iter().map(&mut noise).collect();
    (image, KSpace::new((side, side), clean.mask().to_vec(), values).unwrap())
}

/// The scene in three colours with noise.
pub(crate) fn colours(side: usize) -> Rgb<f64> {
    let clean = scene(side);
    let data: Vec<f64> =
        [1.0, 0.7, 0.4].iter().flat_map(|s| clean.data().iter().map(move |v| s * v)).collect();
    let mut rng = Rng::new(15);
    Rgb::new(side, side, data.iter().map(|v| v + 0.1 * rng.normal::<f64>()).collect()).unwrap()
}

/// Balls in a cube, with noise.
pub(crate) fn volume(side: usize) -> Vec<f64> {
    let mut rng = Rng::new(16);
    let balls: Vec<[f64; 5]> = (0..20).map(|_| [(); 5].map(|()| rng.uniform::<f64>())).collect();
    let n = side as f64;
    let at = |k: usize| {
        let (a, b, c) = ((k / side / side) as f64 / n, (k / side % side) as f64 / n, (k % side) as f64 / n);
        let inside = |s: &&[f64; 5]| (a - s[0]).hypot(b - s[1]).hypot(c - s[2]) < 0.05 + 0.15 * s[3];
        balls.iter().rfind(inside).map_or(0.2, |s| s[4])
    };
    (0..side * side * side).map(|k| at(k) + 0.1 * rng.normal::<f64>()).collect()
}

/// Every second pixel of every second row after a mean over two by two.
pub(crate) fn halved(image: &Gray<f64>) -> Gray<f64> {
    let (h, w) = (image.height() / 2, image.width() / 2);
    let v = |i, j| image.get(0, i, j);
    let mean = |k: usize| {
        let (i, j) = (2 * (k / w), 2 * (k % w));
        0.25 * (v(i, j) + v(i + 1, j) + v(i, j + 1) + v(i + 1, j + 1))
    };
    Gray::new(h, w, (0..h * w).map(mean).collect()).unwrap()
}

/// The middle `side × side` pixels, or as many as there are.
pub(crate) fn middle(image: &Gray<f64>, side: usize) -> Gray<f64> {
    let (h, w) = (image.height().min(side), image.width().min(side));
    let (i, j) = ((image.height() - h) / 2, (image.width() - w) / 2);
    Gray::new(h, w, (0..h * w).map(|k| image.get(0, i + k / w, j + k % w)).collect()).unwrap()
}

/// Which pixels are missing, at random.
pub(crate) fn missing(n: usize, share: f64) -> Vec<bool> {
    let mut rng = Rng::new(17);
    (0..n).map(|_| rng.uniform::<f64>() < share).collect()
}

pub(crate) fn kspace(side: usize) -> (Vec<Complex>, KSpace) {
    let image = phantom(side).unwrap();
    let mask = mask::radial((side, side), lines(side)).unwrap();
    let kspace = KSpace::measure((side, side), mask, &image, vec![]).unwrap();
    (image, kspace)
}
