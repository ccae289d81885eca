//! Outlines and curvature of shapes with known curvature.
#![allow(clippy::unwrap_used, missing_docs)]

use spm_image::contour::{ArcShape, Contour, Curvature, CurvatureProfile, Outline, Part, PartKind};
use spm_image::{Gray, ImageError};
use spm_linalg::testing::Rng;

fn noisy(image: &Gray<f64>, sigma: f64, seed: u64) -> Gray<f64> {
    let mut rng = Rng::new(seed);
    let data = image.data().iter().map(|v| v + sigma * rng.normal::<f64>()).collect();
    Gray::new(image.height(), image.width(), data).unwrap()
}

/// Truth at each point of the profile: the curvature where the outline is nearest.
fn truth(shape: &ArcShape, origin: [f64; 2], points: &[[f64; 2]]) -> Vec<f64> {
    let count = (shape.length() * 8.0) as usize;
    let at: Vec<([f64; 2], f64)> = (0..count)
        .map(|i| (i as f64 + 0.5) / count as f64 * shape.length())
        .map(|s| (shape.point_at(s), shape.curvature_at(s)))
        .collect();
    let near = |p: &[f64; 2]| {
        let d = |q: &[f64; 2]| (p[0] - q[0] - origin[0]).powi(2) + (p[1] - q[1] - origin[1]).powi(2);
        at.iter().map(|(q, k)| (d(q), *k)).reduce(|a, b| if b.0 < a.0 { b } else { a }).unwrap().1
    };
    points.iter().map(near).collect()
}

fn rms(a: &[f64], b: &[f64]) -> f64 {
    (a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / a.len() as f64).sqrt()
}

/// The best that smoothing the raw curvature by any Gaussian window does.
fn best_gaussian(profile: &CurvatureProfile, truth: &[f64]) -> f64 {
    let n = profile.raw.len();
    let smooth = |width: f64| -> f64 {
        let reach = (4.0 * width).ceil() as isize;
        let g: Vec<f64> = (-reach..=reach).map(|d| (-0.5 * (d as f64 / width).powi(2)).exp()).collect();
        let sum: f64 = g.iter().sum();
        let at = |i: usize| {
            let around = (-reach..=reach).zip(&g);
            around
                .map(|(d, g)| g * profile.raw[(i as isize + d).rem_euclid(n as isize) as usize])
                .sum::<f64>()
                / sum
        };
        rms(&(0..n).map(at).collect::<Vec<_>>(), truth)
    };
    (2..40).map(|w| smooth(0.5 * f64::from(w))).fold(f64::INFINITY, f64::min)
}

/// Radii of the bone at other sizes, noise and angles. The bounds of noisy ones are four times the least standard deviation that
/// any unbiased estimate can have (Cramér and Rao) when every pixel of the edge has this noise and the number of arcs is known; with
/// noise 0.08 that is 1.2 % of the fillets at size 1 and 0.4 % at size 2.
#[test]
fn radii_of_bones_of_other_sizes() {
    for (size, noise, turn, heads, fillets, notch) in [
        (1.0, 0.0, 0.3, 0.002, 0.01, 0.02),
        (1.0, 0.08, 0.785, 0.002, 0.048, 0.033),
        (1.4, 0.04, 0.0, 0.002, 0.02, 0.02),
        (2.0, 0.08, 0.3, 0.002, 0.02, 0.02),
    ] {
        let (clean, _) = ArcShape::bone().scaled(size).rotated(turn).render(12.0).unwrap();
        let image = noisy(&clean, noise, 7);
        let p = Curvature::new().of(&Outline::new().find(image.view()).unwrap()).unwrap();
        assert_eq!(p.parts.len(), 12, "size {size}, noise {noise}: {:?}", p.parts);
        for (radius, count, bound) in
            [(50.0, 1, heads), (40.0, 1, heads), (-30.0, 4, fillets), (-16.0, 1, notch)]
        {
            let error = |a: &Part| ((a.curvature * radius * size).recip() - 1.0).abs();
            let found = p.parts.iter().filter(|a| error(a) < bound).count();
            assert_eq!(found, count, "size {size}, noise {noise}, radius {radius}: {:?}", p.parts);
        }
    }
}

/// The outline of the bone: 12 parts, the straight shaft below cut nowhere, the notch three arcs of one radius.
#[test]
fn curvature_of_a_noisy_bone() {
    let shape = ArcShape::bone();
    let (clean, origin) = shape.render(14.0).unwrap();
    let (mut error, mut gauss, mut raw, mut smooth) = (0.0, 0.0, 0.0, 0.0);
    let seeds = 5;
    for seed in 0..seeds {
        let image = noisy(&clean, 0.08, seed);
        let p = Curvature::new().of(&Outline::new().find(image.view()).unwrap()).unwrap();
        let t = truth(&shape, origin, &p.points);
        let of = |v: &[f64]| rms(v, &t) / seeds as f64;
        (error, smooth, raw) = (error + of(&p.curvature()), smooth + of(&p.smooth), raw + of(&p.raw));
        gauss += best_gaussian(&p, &t) / seeds as f64;
        assert!(p.status.is_converged() && p.seam < 1e-6);
        for radius in [50.0, 40.0] {
            let near =
                p.parts.iter().map(|a| (a.radius() / radius - 1.0).abs()).fold(f64::INFINITY, f64::min);
            assert!(near < 0.002, "seed {seed}: radius {radius} missed by {near}");
        }
        let fillets = p.parts.iter().filter(|a| (-1.0 / 25.0..-1.0 / 36.0).contains(&a.curvature)).count();
        assert_eq!(fillets, 4, "seed {seed}: {:?}", p.parts);
        let notch: Vec<f64> =
            p.parts.iter().filter(|a| a.curvature < -1.0 / 20.0).map(|a| a.radius()).collect();
        assert_eq!(notch.len(), 1, "seed {seed}: {:?}", p.parts);
        assert!((notch[0] / 16.0 - 1.0).abs() < 0.03, "seed {seed}: {notch:?}");
    }
    // A boundary off by d pixels costs d times the square of its step of curvature. The squares of the twelve steps are 0.056 together:
    // a fifth of a pixel off each, on an outline 760 long, is an error of 0.0038.
    let bound = (0.2 * 0.056 / shape.length()).sqrt();
    assert!(error < bound && error < 0.6 * gauss && smooth < gauss && raw > 0.08, "{error} {gauss}");
}

fn disc(size: usize, radius: f64, centre: [f64; 2]) -> Gray<f64> {
    let value = |k: usize| {
        let d = ((k % size) as f64 - centre[0]).hypot((k / size) as f64 - centre[1]);
        (radius + 0.5 - d).clamp(0.0, 1.0)
    };
    Gray::new(size, size, (0..size * size).map(value).collect()).unwrap()
}

#[test]
fn circles_ellipses_and_rounded_rectangles() {
    for (radius, noise) in [(30.0, 0.0), (30.0, 0.08), (12.0, 0.03)] {
        let image = noisy(&disc(80, radius, [39.3, 40.1]), noise, 1);
        let contour = Outline::new().find(image.view()).unwrap();
        let p = Curvature::new().of(&contour).unwrap();
        // One part, whose radius is that of the length. Noise e of the points across the curve lengthens chords of length 1 by e², and
        // total variation leaves e < 0.08 of the noise: 0.64 %; pixels and chords add less than 0.3 %.
        assert_eq!(p.parts.len(), 1);
        assert!((p.parts[0].radius() / radius - 1.0).abs() < 0.01, "{radius}: {:?}", p.parts);
        assert!(p.curvature().iter().all(|k| (k * p.parts[0].radius() - 1.0).abs() < 1e-9));
        assert!((contour.area() / (std::f64::consts::PI * radius * radius) - 1.0).abs() < 0.02);
    }
    // An ellipse has no arcs: the parts approximate a curvature between b / a² and a / b².
    let (a, b) = (40.0_f64, 25.0_f64);
    let point = |i: i32| {
        let t = f64::from(i) * 0.002 * std::f64::consts::TAU;
        [a * t.cos(), b * t.sin()]
    };
    let p = Curvature::new().of(&Contour::new((0..500).map(point).collect()).unwrap()).unwrap();
    for (k, q) in p.smooth.iter().zip(&p.points) {
        let t = (q[1] / b).atan2(q[0] / a);
        let exact = a * b / ((a * t.sin()).powi(2) + (b * t.cos()).powi(2)).powf(1.5);
        assert!((k - exact).abs() < 0.006, "{k} {exact}");
    }
    // Half circles joined by quarter turns: a rounded rectangle.
    let (turn, radius) = (std::f64::consts::FRAC_PI_2, 10.0);
    let side = |l: f64| [(l, 0.0), (turn * radius, 1.0 / radius)];
    let arcs: Vec<(f64, f64)> = [side(50.0), side(30.0), side(50.0), side(30.0)].concat();
    let (image, _) = ArcShape::new(&arcs).unwrap().render(6.0).unwrap();
    let p = Curvature::new().of(&Outline::new().find(image.view()).unwrap()).unwrap();
    let (straight, round): (Vec<Part>, Vec<Part>) =
        p.parts.iter().copied().partition(|a| a.kind == PartKind::Straight);
    assert_eq!((straight.len(), round.len()), (4, 4), "{:?}", p.parts);
    assert!(round.iter().all(|a| (a.radius() / radius - 1.0).abs() < 0.015), "{round:?}");
}

#[test]
fn polygons_have_corners() {
    let triangle = vec![[0.0, 0.0], [60.0, 0.0], [10.0, 50.0]];
    for points in [triangle.clone(), triangle.into_iter().rev().collect()] {
        let contour = Contour::new(points).unwrap();
        assert!((contour.area() - 1500.0).abs() < 1e-9);
        let p = Curvature::new().of(&contour).unwrap();
        let corners: Vec<_> = p.parts.iter().filter(|a| a.kind == PartKind::Corner).collect();
        assert_eq!(corners.len(), 3, "{:?}", p.parts);
        for a in corners {
            let at = p.point_at(a.start + 0.5 * a.length);
            let near = [[0.0, 0.0], [60.0, 0.0], [10.0, 50.0]];
            assert!(near.iter().any(|q: &[f64; 2]| (q[0] - at[0]).hypot(q[1] - at[1]) < 3.0), "{at:?}");
        }
    }
}

#[test]
fn a_square_of_pixels_has_four_corners() {
    let inside = |k: usize| (10..50).contains(&(k % 64)) && (15..45).contains(&(k / 64));
    let square = Gray::new(64, 64, (0..4096).map(|k| f64::from(u8::from(inside(k)))).collect()).unwrap();
    for image in [square.clone(), noisy(&square, 0.05, 4)] {
        let p = Curvature::new().of(&Outline::new().find(image.view()).unwrap()).unwrap();
        let corners = p.parts.iter().filter(|a| a.kind == PartKind::Corner).count();
        assert_eq!((corners, p.parts.len()), (4, 8), "{:?}", p.parts);
        assert!(
            p.parts.iter().all(|a| a.kind == PartKind::Straight
                || (a.turn() / std::f64::consts::FRAC_PI_2 - 1.0).abs() < 0.02)
        );
    }
}

/// Three classes: what surrounds the disc fills a strip across the image, and is not the shape.
#[test]
fn a_shape_within_surroundings_that_leave_the_image() {
    let inside = disc(64, 14.0, [31.0, 33.0]);
    let strip = |k: usize| if (10..56).contains(&(k / 64)) { 0.4 } else { 0.0 };
    let data = inside.data().iter().enumerate().map(|(k, v)| strip(k) + 0.4 * v).collect();
    let image = Gray::new(64, 64, data).unwrap();
    let dark = Gray::new(64, 64, image.data().iter().map(|v| 1.0 - v).collect()).unwrap();
    let exact = std::f64::consts::PI * 14.0 * 14.0;
    for noise in [0.0, 0.05] {
        let found = Outline::new().find(noisy(&image, noise, 3).view()).unwrap();
        assert!((found.area() / exact - 1.0).abs() < 0.02, "{}", found.area());
        let found = Outline::new().dark().find(noisy(&dark, noise, 3).view()).unwrap();
        assert!((found.area() / exact - 1.0).abs() < 0.02, "{}", found.area());
    }
    // Without anything in it the strip is the shape, noise or none.
    let empty = Gray::new(64, 64, (0..64 * 64).map(strip).collect()).unwrap();
    for noise in [0.0, 0.05] {
        let found = Outline::new().find(noisy(&empty, noise, 5).view()).unwrap();
        assert!((found.area() / (46.0 * 64.0) - 1.0).abs() < 0.03, "{}", found.area());
    }
}

#[test]
fn the_start_of_a_contour_does_not_matter() {
    let shape = ArcShape::bone();
    let points: Vec<[f64; 2]> =
        (0..1500).map(|i| shape.point_at(shape.length() * f64::from(i) / 1500.0)).collect();
    let of = |shift: usize| {
        let mut p = points.clone();
        p.rotate_left(shift);
        Curvature::new().of(&Contour::new(p).unwrap()).unwrap()
    };
    let (a, b) = (of(0), of(400));
    assert_eq!(a.parts.len(), b.parts.len());
    let mut radii = [&a, &b].map(|p| p.parts.iter().map(|q| q.curvature).collect::<Vec<_>>());
    radii.iter_mut().for_each(|r| r.sort_by(f64::total_cmp));
    assert!(radii[0].iter().zip(&radii[1]).all(|(a, b)| (a - b).abs() < 2e-3), "{radii:?}");
}

#[test]
fn hostile_images_and_contours_are_refused() {
    let one = Gray::new(1, 1, vec![0.5]).unwrap();
    assert!(matches!(Outline::new().find(one.view()), Err(ImageError::NoShape { .. })));
    let flat = Gray::new(8, 8, vec![1.0; 64]).unwrap();
    assert!(Outline::new().find(flat.view()).is_err());
    assert!(Outline::new().level(2.0).find(flat.view()).is_err());
    assert!(Outline::new().level(f64::NAN).find(flat.view()).is_err());
    assert!(Outline::new().tv(-1.0).find(flat.view()).is_err());
    // The whole image is the shape: a rectangle half a pixel outside.
    let all = Outline::new().level(0.5).find(flat.view()).unwrap();
    assert!((all.area() - 64.0).abs() < 1.0);
    // A dark disc, and the same inverted.
    let light = disc(40, 12.0, [20.0, 20.0]);
    let dark = Gray::new(40, 40, light.data().iter().map(|v| 1.0 - v).collect()).unwrap();
    let (a, b) =
        (Outline::new().find(light.view()).unwrap(), Outline::new().dark().find(dark.view()).unwrap());
    assert!((a.area() - b.area()).abs() < 1e-9);
    // The largest of two, not the first.
    let mut two = light.data().to_vec();
    two[42] = 1.0;
    two[0] = 1.0;
    let found = Outline::new().find(Gray::new(40, 40, two).unwrap().view()).unwrap();
    assert!((found.area() / a.area() - 1.0).abs() < 0.02);
    for bad in
        [vec![], vec![[0.0, 0.0]; 9], vec![[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]], vec![[0.0, f64::NAN]; 3]]
    {
        assert!(Contour::new(bad).is_err());
    }
    let eight: Vec<[f64; 2]> = (0..200)
        .map(|i| 0.01 * std::f64::consts::PI * f64::from(i))
        .map(|t| [40.0 * t.sin(), 20.0 * (2.0 * t + 0.3).sin()])
        .collect();
    if let Ok(c) = Contour::new(eight) {
        assert!(Curvature::new().of(&c).is_err());
    }
    let tiny = Contour::new(vec![[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]).unwrap();
    assert!(Curvature::new().of(&tiny).is_err());
    assert!(Curvature::new().spacing(0.0).of(&a).is_err());
    assert!(Curvature::new().lambda(-1.0).of(&a).is_err());
    assert!(ArcShape::new(&[(1.0, 0.0)]).is_err());
}

#[test]
fn single_precision_and_any_threads() {
    let image = disc(40, 12.0, [20.0, 20.0]);
    let single = Gray::new(40, 40, image.data().iter().map(|&v| v as f32).collect()).unwrap();
    let (a, b) = (Outline::new().find(image.view()).unwrap(), Outline::new().find(single.view()).unwrap());
    assert!((a.area() / b.area() - 1.0).abs() < 1e-4);
    assert_eq!(Curvature::new().of(&a).unwrap(), Curvature::new().of(&a).unwrap());
}
