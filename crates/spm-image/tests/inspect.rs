//! Defect detection on synthetic parts and textures whose defects are known.
#![allow(clippy::unwrap_used)]

use spm_image::inspect::{InspectionModel, Inspector, Light, Method, Planes, Registration, Scope};
use spm_image::{Gray, ImageError, Rgb};
use spm_linalg::testing::Rng;

const SIDE: usize = 48;

/// For images as small as these.
fn small() -> Inspector {
    let mut inspector = Inspector::default();
    (inspector.patch, inspector.stride) = (6, 3);
    inspector
}

/// A part: a frame and a bar, with smooth light and noise.
fn part(rng: &mut Rng) -> Vec<f64> {
    noisy_part(rng, 0.02)
}

fn noisy_part(rng: &mut Rng, noise: f64) -> Vec<f64> {
    let (gain, tilt) = (1.0 + 0.1 * rng.normal::<f64>(), 0.05 * rng.normal::<f64>());
    (0..SIDE * SIDE)
        .map(|k| {
            let (i, j) = (k / SIDE, k % SIDE);
            let frame = i < 4 || j < 4 || i >= SIDE - 4 || j >= SIDE - 4;
            let bar = (20..26).contains(&i) && j > 10;
            let clean = if frame {
                0.3
            } else if bar {
                0.7
            } else {
                0.5
            };
            gain * clean * (1.0 + tilt * (j as f64 / SIDE as f64 - 0.5)) + noise * rng.normal::<f64>()
        })
        .collect()
}

/// A dark scratch; its pixels.
fn scratch(rng: &mut Rng, image: &mut [f64]) -> Vec<usize> {
    let (top, left) =
        (8 + (rng.uniform::<f64>() * 20.0) as usize, 8 + (rng.uniform::<f64>() * 20.0) as usize);
    let pixels: Vec<usize> = (0..12).flat_map(|d| [0, 1].map(|e| (top + d) * SIDE + left + d + e)).collect();
    pixels.iter().for_each(|&k| image[k] *= 0.7);
    pixels
}

/// A texture without places: noise smoothed along one direction.
fn texture(rng: &mut Rng) -> Vec<f64> {
    let noise: Vec<f64> = (0..SIDE * SIDE).map(|_| rng.normal()).collect();
    (0..SIDE * SIDE)
        .map(|k| {
            let (i, j) = (k / SIDE, k % SIDE);
            let sum: f64 = (0..5).map(|d| noise[i * SIDE + (j + d) % SIDE]).sum();
            0.5 + 0.03 * sum
        })
        .collect()
}

fn planes(inspector: &Inspector, data: Vec<f64>) -> Planes {
    let preparation = inspector.preparation((SIDE, SIDE), 1).unwrap();
    preparation.apply(Gray::new(SIDE, SIDE, data).unwrap().view()).unwrap()
}

fn train(inspector: &Inspector, good: &[Planes]) -> InspectionModel {
    let preparation = inspector.preparation((SIDE, SIDE), 1).unwrap();
    inspector.train(preparation, good, &mut |_, _| ()).unwrap()
}

/// The share of pairs in the right order.
fn auc(good: &[f64], bad: &[f64]) -> f64 {
    let won = |b: f64| {
        good.iter()
            .map(|&g| {
                if b > g {
                    1.0
                } else if b < g {
                    0.0
                } else {
                    0.5
                }
            })
            .sum::<f64>()
    };
    bad.iter().map(|&b| won(b)).sum::<f64>() / (good.len() * bad.len()) as f64
}

#[test]
fn scratched_parts_stand_out_and_the_scratch_is_found() {
    let mut rng = Rng::new(1);
    for method in [Method::Gaussian, Method::Dictionary, Method::Combined] {
        let mut inspector = small();
        inspector.method = method;
        let mut draw = |n: usize| (0..n).map(|_| planes(&inspector, part(&mut rng))).collect::<Vec<_>>();
        let (good, unseen) = (draw(30), draw(60));
        let model = train(&inspector, &good);
        assert_eq!(model.scope(), Scope::Position);
        let (position, anywhere) = model.evidence().unwrap();
        assert!(position > anywhere);
        let mut scratches = Vec::new();
        let bad: Vec<Planes> = (0..20)
            .map(|_| {
                let mut image = part(&mut rng);
                scratches.push(scratch(&mut rng, &mut image));
                planes(&inspector, image)
            })
            .collect();
        let (fine, found) = (model.score(&unseen).unwrap(), model.score(&bad).unwrap());
        let scores = |f: &[spm_image::inspect::Finding]| f.iter().map(|f| f.score).collect::<Vec<f64>>();
        assert!(auc(&scores(&fine), &scores(&found)) > 0.98, "{method:?}");
        // 5 % of 60 are asked for; 12 or more has a chance of 1e-4 at 5 % and is below 20 % of error in the threshold.
        let alarms = fine.iter().filter(|f| f.defective).count();
        assert!(alarms < 12, "{method:?}: {alarms} false alarms of 60");
        assert!(fine.iter().all(|f| !f.unseen_look));
        for (finding, pixels) in found.iter().zip(&scratches) {
            assert_eq!(finding.defective, finding.p_value < 0.05);
            let place = model.localize(finding, (SIDE, SIDE)).unwrap();
            let z = place.z.data();
            let inside: Vec<f64> = pixels.iter().map(|&k| f64::from(z[k])).collect();
            let outside: Vec<f64> =
                (0..z.len()).filter(|k| !pixels.contains(k)).map(|k| f64::from(z[k])).collect();
            assert!(auc(&outside, &inside) > 0.9, "{method:?}");
        }
        let hits = found
            .iter()
            .zip(&scratches)
            .filter(|(f, pixels)| {
                let place = model.localize(f, (SIDE, SIDE)).unwrap();
                place.regions.first().is_some_and(|r| {
                    let (top, left, h, w) = r.bounds;
                    pixels.iter().any(|k| {
                        (top..top + h).contains(&(k / SIDE)) && (left..left + w).contains(&(k % SIDE))
                    })
                })
            })
            .count();
        assert!(hits >= 18, "{method:?}: {hits} of 20");
    }
}

#[test]
fn a_texture_is_told_from_a_part_and_its_defects_are_found() {
    let mut rng = Rng::new(2);
    let inspector = small();
    let good: Vec<Planes> = (0..12).map(|_| planes(&inspector, texture(&mut rng))).collect();
    let model = train(&inspector, &good);
    assert_eq!(model.scope(), Scope::Anywhere);
    let (mut inside, mut outside) = (Vec::new(), Vec::new());
    for _ in 0..10 {
        let mut image = texture(&mut rng);
        // A square in which the texture runs the other way.
        let other = texture(&mut rng);
        let (top, left) = (10, 20);
        let hit = |k: usize| (top..top + 12).contains(&(k / SIDE)) && (left..left + 12).contains(&(k % SIDE));
        for k in (0..image.len()).filter(|&k| hit(k)) {
            image[k] = other[(k % SIDE) * SIDE + k / SIDE];
        }
        let finding = model.score(&[planes(&inspector, image)]).unwrap().pop().unwrap();
        let place = model.localize(&finding, (SIDE, SIDE)).unwrap();
        for (k, &z) in place.z.data().iter().enumerate() {
            if hit(k) { inside.push(f64::from(z)) } else { outside.push(f64::from(z)) }
        }
    }
    let pixel_auc = auc(&outside, &inside);
    // Patches that overlap the square reach 5 pixels beyond it: 22² − 12² of the 48² − 12² pixels outside may be as strange as those
    // inside, and lose half of the comparisons on average; all others must lose theirs.
    let ring = f64::from(22 * 22 - 144) / f64::from(48 * 48 - 144);
    assert!(pixel_auc > 1.0 - 0.5 * ring, "{pixel_auc}");
    // Any size will do.
    let preparation = inspector.preparation((SIDE, SIDE), 1).unwrap();
    let small =
        preparation.apply(Gray::new(20, 30, texture(&mut rng)[..600].to_vec()).unwrap().view()).unwrap();
    assert!(model.score(&[small]).is_ok());
}

#[test]
fn registration_finds_shifts_and_undoes_them() {
    let mut rng = Rng::new(3);
    let mut inspector = small();
    let shifted = |data: &[f64], di: usize, dj: usize| -> Vec<f64> {
        (0..SIDE * SIDE)
            .map(|k| {
                let (i, j) = ((k / SIDE + SIDE - di) % SIDE, (k % SIDE + SIDE - dj) % SIDE);
                data[i * SIDE + j]
            })
            .collect()
    };
    let first = part(&mut rng);
    let registration = Registration::new(&planes(&inspector, first.clone()), 5);
    let other = part(&mut rng);
    let moved = registration.shift(&planes(&inspector, shifted(&other, 3, 2))).unwrap();
    assert_eq!(moved, (3, 2));
    // Parts that lie anyhow: moved over one another they are judged as if they lay alike.
    let mut anyhow = |n: usize| -> Vec<Planes> {
        (0..n)
            .map(|_| {
                let (di, dj) = ((rng.uniform::<f64>() * 4.0) as usize, (rng.uniform::<f64>() * 4.0) as usize);
                planes(&inspector, shifted(&part(&mut rng), di, dj))
            })
            .collect()
    };
    let good = anyhow(24);
    inspector.scope = Some(Scope::Position);
    let loose = train(&inspector, &good);
    inspector.reach = 5;
    let tight = train(&inspector, &good);
    let mut image = part(&mut Rng::new(9));
    scratch(&mut Rng::new(9), &mut image);
    let bad = [planes(&inspector, shifted(&image, 2, 3))];
    let p = |m: &InspectionModel| m.score(&bad).unwrap()[0].p_value;
    assert!(p(&tight) < 1e-3 && p(&tight) < p(&loose), "{} {}", p(&tight), p(&loose));
}

#[test]
fn a_look_never_seen_is_told() {
    let mut rng = Rng::new(4);
    let inspector = small();
    let good: Vec<Planes> = (0..24).map(|_| planes(&inspector, part(&mut rng))).collect();
    let model = train(&inspector, &good);
    // Three times the noise all over.
    let noisy: Vec<f64> = part(&mut rng).iter().map(|v| v + 0.06 * rng.normal::<f64>()).collect();
    let finding = model.score(&[planes(&inspector, noisy)]).unwrap().pop().unwrap();
    assert!(finding.unseen_look && finding.raised > 4.0);
}

#[test]
fn reconstruction_shows_the_scratch_and_atoms_make_up_a_patch() {
    let mut rng = Rng::new(5);
    let inspector = small();
    let good: Vec<Planes> = (0..24).map(|_| planes(&inspector, part(&mut rng))).collect();
    let model = train(&inspector, &good);
    let mut image = part(&mut rng);
    let pixels = scratch(&mut rng, &mut image);
    let fine = model.reconstruct(&good[0]).unwrap();
    let bad = planes(&inspector, image);
    let made = model.reconstruct(&bad).unwrap();
    assert!(fine.psnr > 25.0 && fine.ssim > 0.5 && made.psnr < fine.psnr);
    let residual = made.residual.data();
    let mean = residual.iter().sum::<f32>() / residual.len() as f32;
    let there = pixels.iter().map(|&k| residual[k]).sum::<f32>() / pixels.len() as f32;
    assert!(there > 1.5 * mean);
    let finding = model.score(std::slice::from_ref(&bad)).unwrap().pop().unwrap();
    let place = model.localize(&finding, (SIDE, SIDE)).unwrap();
    let why = model.explain(&bad, &place.regions[0]).unwrap();
    let dictionary = model.dictionary().dictionary();
    let mut sum = vec![0.0_f32; why.patch.len()];
    for &(j, v) in &why.atoms {
        sum.iter_mut().zip(dictionary.atom(j)).for_each(|(s, a)| *s += v * a);
    }
    assert!(!why.atoms.is_empty() && why.atoms.len() <= model.dictionary().k());
    assert!(sum.iter().zip(&why.sum).all(|(a, b)| (a - b).abs() < 1e-5));
}

#[test]
fn bad_input_is_refused_by_name() {
    let mut rng = Rng::new(6);
    let inspector = small();
    let preparation = inspector.preparation((SIDE, SIDE), 1).unwrap();
    let good: Vec<Planes> = (0..8).map(|_| planes(&inspector, part(&mut rng))).collect();
    let mut quiet = |_: &'static str, _: f64| ();
    assert!(inspector.train(preparation, &good[..7], &mut quiet).is_err());
    let model = inspector.train(preparation, &good, &mut quiet).unwrap();
    let small = preparation.apply(Gray::new(20, 20, vec![0.5; 400]).unwrap().view()).unwrap();
    if model.scope() == Scope::Position {
        assert!(matches!(model.score(std::slice::from_ref(&small)), Err(ImageError::SizeMismatch { .. })));
    }
    let mut mixed = good.clone();
    mixed.push(small);
    assert!(matches!(inspector.train(preparation, &mixed, &mut quiet), Err(ImageError::SizeMismatch { .. })));
    let color = Rgb::new(SIDE, SIDE, vec![0.5; 3 * SIDE * SIDE]).unwrap();
    assert!(preparation.apply(color.view()).is_err());
    let mut wrong = inspector;
    wrong.false_alarm = 1.0;
    assert!(wrong.train(preparation, &good, &mut quiet).is_err());
    // Parts that are all the same, and black ones, are no reason to fail.
    for value in [0.0, 0.5] {
        let flat = vec![planes(&inspector, vec![value; SIDE * SIDE]); 8];
        let model = inspector.train(preparation, &flat, &mut quiet).unwrap();
        assert!(!model.score(&flat[..1]).unwrap()[0].defective);
        assert!(model.score(&good[..1]).unwrap()[0].defective);
    }
    // A picture of one pixel.
    let tiny = inspector.preparation((1, 1), 1).unwrap();
    let dot = tiny.apply(Gray::new(1, 1, vec![0.5]).unwrap().view()).unwrap();
    assert!(inspector.train(tiny, &vec![dot; 8], &mut quiet).is_ok());
}

#[test]
fn colour_parts_and_both_views_of_light() {
    let mut rng = Rng::new(7);
    let mut inspector = small();
    inspector.light = Light::Both;
    let preparation = inspector.preparation((SIDE, SIDE), 3).unwrap();
    let mut colour = |defect: bool| {
        let data: Vec<f64> = part(&mut rng).repeat(3);
        let mut image = Rgb::new(SIDE, SIDE, data).unwrap().into_data();
        image.iter_mut().for_each(|v| *v += 0.02 * rng.normal::<f64>());
        if defect {
            // Red where all is grey: as bright as before.
            for k in (0..100).map(|k| (30 + k / 10) * SIDE + 20 + k % 10) {
                image[k] += 0.15;
                image[SIDE * SIDE + k] -= 0.075;
            }
        }
        preparation.apply(Rgb::new(SIDE, SIDE, image).unwrap().view()).unwrap()
    };
    let good: Vec<Planes> = (0..24).map(|_| colour(false)).collect();
    let model = inspector.train(preparation, &good, &mut |_, _| ()).unwrap();
    assert_eq!(model.experts().len(), 2);
    let found = model.score(&[colour(true)]).unwrap();
    assert!(found[0].p_value < 1e-3, "{}", found[0].p_value);
}

#[cfg(feature = "serde")]
#[test]
fn a_saved_model_scores_alike_and_a_damaged_one_is_refused() {
    use spm_models::file;
    let mut rng = Rng::new(8);
    for (method, defective) in [(Method::Gaussian, 0), (Method::Combined, 0), (Method::Gaussian, 12)] {
        let mut inspector = small();
        (inspector.method, inspector.reach) = (method, 2);
        let good: Vec<Planes> = (0..16).map(|_| planes(&inspector, part(&mut rng))).collect();
        let dark: Vec<Planes> = (0..defective).map(|_| planes(&inspector, dull(&mut rng))).collect();
        let preparation = inspector.preparation((SIDE, SIDE), 1).unwrap();
        let model = inspector.train_with_defective(preparation, &good, &dark, &mut |_, _| ()).unwrap();
        assert_eq!(model.comparison().is_some_and(|c| c.adopted), defective > 0);
        let bytes = file::to_bytes(&model).unwrap();
        let back: InspectionModel = file::from_bytes(&bytes).unwrap();
        assert_eq!(back, model);
        assert_eq!(back.score(&good).unwrap(), model.score(&good).unwrap());
        assert_eq!(file::inspect_bytes(&bytes).unwrap().name, "inspection");
        let mut cut = bytes.clone();
        cut[200] ^= 1;
        assert!(file::from_bytes::<InspectionModel>(&cut).is_err());
    }
}

#[cfg(feature = "rayon")]
#[test]
fn threads_and_company_do_not_change_a_bit() {
    let mut rng = Rng::new(10);
    let mut inspector = small();
    inspector.method = Method::Combined;
    let good: Vec<Planes> = (0..16).map(|_| planes(&inspector, part(&mut rng))).collect();
    let bad: Vec<Planes> = (0..12).map(|_| planes(&inspector, dull(&mut rng))).collect();
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let preparation = inspector.preparation((SIDE, SIDE), 1).unwrap();
            let model = inspector.train_with_defective(preparation, &good, &bad, &mut |_, _| ()).unwrap();
            let found = model.score(&good).unwrap();
            (model, found)
        })
    };
    let (one, many) = (with(1), with(3));
    assert!(one.0.comparison().is_some());
    assert_eq!(one, many);
    for (k, part) in good.iter().enumerate() {
        let alone = one.0.score(std::slice::from_ref(part)).unwrap();
        assert_eq!(alone[0], one.1[k], "part {k}");
    }
}

#[test]
fn a_line_through_the_whole_part_is_a_defect_and_light_is_not() {
    let mut rng = Rng::new(11);
    let mut inspector = small();
    let good: Vec<Planes> = (0..30).map(|_| planes(&inspector, part(&mut rng))).collect();
    let lined = |rng: &mut Rng, row: bool, at: usize| {
        let mut image = part(rng);
        (0..SIDE).for_each(|k| image[if row { at * SIDE + k } else { k * SIDE + at }] *= 0.7);
        planes(&inspector, image)
    };
    let bad: Vec<Planes> = (0..10).map(|k| lined(&mut rng, k % 2 == 0, 9 + 3 * k)).collect();
    let fine: Vec<Planes> = (0..60).map(|_| planes(&inspector, part(&mut rng))).collect();
    let model = train(&inspector, &good);
    let found = model.score(&bad).unwrap();
    for (k, finding) in found.iter().enumerate() {
        assert!(finding.p_value < 1e-3, "line {k}: {}", finding.p_value);
        let region = model.localize(finding, (SIDE, SIDE)).unwrap().regions[0];
        let (top, left, height, width) = region.bounds;
        let (first, count) = if k % 2 == 0 { (top, height) } else { (left, width) };
        assert!((first..first + count).contains(&(9 + 3 * k)), "line {k}: {region:?}");
    }
    // Tilts of light are in all of these; the bound is that of the scratches above.
    assert!(model.score(&fine).unwrap().iter().filter(|f| f.defective).count() < 12);
    inspector.light = Light::Ignore;
    let blind = train(&inspector, &good).score(&bad).unwrap();
    let missed = blind.iter().zip(&found).filter(|(b, f)| b.p_value > f.p_value).count();
    assert_eq!(missed, bad.len(), "without the lines they are harder to see");
}

/// A part with less noise than good parts have: nothing about it is strange in the sense of a large deviation.
fn dull(rng: &mut Rng) -> Vec<f64> {
    noisy_part(rng, 0.006)
}

#[test]
fn defective_examples_help_or_change_nothing() {
    let mut rng = Rng::new(12);
    let inspector = small();
    let preparation = inspector.preparation((SIDE, SIDE), 1).unwrap();
    let draw = |n: usize, make: &mut dyn FnMut() -> Vec<f64>| -> Vec<Planes> {
        (0..n).map(|_| planes(&inspector, make())).collect()
    };
    let good = draw(40, &mut || part(&mut rng));
    let unseen = draw(60, &mut || part(&mut rng));
    let bad = draw(24, &mut || dull(&mut rng));
    let more = draw(60, &mut || dull(&mut rng));
    let learn = |defective: &[Planes]| {
        inspector.train_with_defective(preparation, &good, defective, &mut |_, _| ()).unwrap()
    };
    let alone = learn(&[]);
    assert!(alone.comparison().is_none());
    let scores = |model: &InspectionModel, of: &[Planes]| -> Vec<f64> {
        model.score(of).unwrap().iter().map(|f| f.score).collect()
    };
    let order = |model: &InspectionModel| auc(&scores(model, &unseen), &scores(model, &more));

    let taught = learn(&bad);
    let comparison = taught.comparison().unwrap();
    assert!(comparison.adopted && comparison.parts == (40, 24), "{comparison:?}");
    assert!(comparison.second.log_loss < comparison.one_class.log_loss);
    assert!(order(&taught) > 0.95 && order(&alone) < 0.8, "{} {}", order(&taught), order(&alone));
    assert!(taught.score(&unseen).unwrap().iter().filter(|f| f.defective).count() < 12);

    // Good parts given as defective teach nothing: the second stage is not used, and all is as without.
    for wrong in [&unseen[..24], &unseen[24..48]] {
        let misled = learn(wrong);
        assert!(!misled.comparison().unwrap().adopted, "{:?}", misled.comparison());
        assert_eq!(misled.score(&more).unwrap(), alone.score(&more).unwrap());
    }
    assert!(inspector.train_with_defective(preparation, &good, &bad[..3], &mut |_, _| ()).is_err());
}
