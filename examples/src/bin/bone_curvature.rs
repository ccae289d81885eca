//! The curvature of a bone-like outline from a noisy image, against the truth.
//!
//! `cargo run --release -p spm-examples --bin bone_curvature`

use sparse_modeling::image::Gray;
use sparse_modeling::image::contour::{ArcShape, Curvature, Outline};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let bone = ArcShape::bone();
    let (clean, origin) = bone.render(14.0)?;
    println!("image {:?}, outline {:.1} pixels long, noise 0.08", clean.size(), bone.length());
    println!("root mean square error of curvature (1 / pixel)");
    println!("seed   raw     best Gaussian   trend filter   parts");
    let mut last = None;
    for seed in 0..5_u64 {
        let image = noisy(&clean, 0.08, seed)?;
        let profile = Curvature::new().of(&Outline::new().find(image.view())?)?;
        let truth: Vec<f64> = profile.points.iter().map(|p| nearest(&bone, origin, *p)).collect();
        let error = |v: &[f64]| {
            (v.iter().zip(&truth).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / v.len() as f64).sqrt()
        };
        let gauss =
            (2..40).map(|w| error(&gaussian(&profile.raw, 0.5 * f64::from(w)))).fold(f64::INFINITY, f64::min);
        let (raw, smooth, parts) = (error(&profile.raw), error(&profile.smooth), error(&profile.curvature()));
        println!("{seed}      {raw:.4}  {gauss:.4}          {smooth:.4}         {parts:.4}");
        last = Some(profile);
    }
    println!("\nparts of the last:");
    for part in last.iter().flat_map(|p| &p.parts) {
        println!(
            "{:?}: from {:.1}, length {:.1}, radius {:.2}",
            part.kind,
            part.start,
            part.length,
            part.radius()
        );
    }
    Ok(())
}

/// Normal noise by Box and Muller from a linear congruential generator: reproducible without a library.
fn noisy(image: &Gray<f64>, sigma: f64, seed: u64) -> Result<Gray<f64>, Box<dyn std::error::Error>> {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(1);
    let mut uniform = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((state >> 11) as f64 + 0.5) / 9_007_199_254_740_992.0
    };
    let mut normal = || (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos();
    let data = image.data().iter().map(|v| v + sigma * normal()).collect();
    Ok(Gray::new(image.height(), image.width(), data)?)
}

/// The curvature of the true outline where it is nearest.
fn nearest(bone: &ArcShape, origin: [f64; 2], p: [f64; 2]) -> f64 {
    let count = (bone.length() * 8.0) as usize;
    let at = |i: usize| (i as f64 + 0.5) / count as f64 * bone.length();
    let distance = |i: &usize| {
        let q = bone.point_at(at(*i));
        (p[0] - q[0] - origin[0]).hypot(p[1] - q[1] - origin[1])
    };
    let best = (0..count).min_by(|a, b| distance(a).total_cmp(&distance(b))).unwrap_or(0);
    bone.curvature_at(at(best))
}

/// A closed series smoothed by a Gaussian window.
fn gaussian(v: &[f64], width: f64) -> Vec<f64> {
    let (n, reach) = (v.len() as isize, (4.0 * width).ceil() as isize);
    let weight = |d: isize| (-0.5 * (d as f64 / width).powi(2)).exp();
    let sum: f64 = (-reach..=reach).map(weight).sum();
    let at =
        |i: isize| (-reach..=reach).map(|d| weight(d) * v[(i + d).rem_euclid(n) as usize]).sum::<f64>() / sum;
    (0..n).map(at).collect()
}
