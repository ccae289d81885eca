//! `spm denoise`, `compare`, `omp`, `ksvd` and the common options end to end.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Folder, json, read_npy, refused, spm};
use spm_linalg::testing::Rng;

const SIDE: usize = 48;

/// A disc and a ramp, values in `[0, 1]`, with noise of standard deviation `sigma`.
fn picture(f: &Folder, name: &str, sigma: f64) -> std::path::PathBuf {
    let mut rng = Rng::new(7);
    let data: Vec<f64> = (0..SIDE * SIDE)
        .map(|k| {
            let (i, j) = ((k / SIDE) as f64 - 24.0, (k % SIDE) as f64 - 24.0);
            let clean = if i * i + j * j < 200.0 { 0.8 } else { 0.2 + 0.004 * (j + 24.0) };
            (clean + sigma * rng.normal::<f64>()).clamp(0.0, 1.0)
        })
        .collect();
    let pgm: Vec<u8> = format!("P5\n{SIDE} {SIDE}\n255\n")
        .into_bytes()
        .into_iter()
        .chain(data.iter().map(|v| (v * 255.0).round() as u8))
        .collect();
    let path = f.path(name);
    std::fs::write(&path, pgm).unwrap();
    path
}

#[test]
fn denoising_gets_closer_to_the_clean_picture() {
    let f = Folder::new();
    let (clean, noisy) = (picture(&f, "clean.pgm", 0.0), picture(&f, "noisy.pgm", 0.1));
    let before = json("compare {} {}", &[&clean, &noisy], 0);
    let out = f.path("out.png");
    for how in ["--sigma 25", "--weight 0.15"] {
        let words = format!("denoise {{}} -o {{}} --method tv {how} --reference {{}}");
        let j = json(&words, &[&noisy, &out, &clean], 0);
        let (after, was) = (j["psnr"].as_f64().unwrap(), before["psnr"].as_f64().unwrap());
        assert!(after > was + 5.0, "{how}: {was} -> {after} dB");
        assert!(j["ssim"].as_f64().unwrap() > before["ssim"].as_f64().unwrap());
        assert!(j["gap"].as_f64().unwrap() <= 1e-3 * j["objective"].as_f64().unwrap());
        let again = json("compare {} {}", &[&clean, &out], 0);
        assert!((again["psnr"].as_f64().unwrap() - after).abs() < 0.1);
    }
    let floats = f.path("out.npy");
    json("denoise {} -o {} --weight 0.1", &[&noisy, &floats], 0);
    assert_eq!(read_npy(&floats).0, [SIDE, SIDE]);
}

#[test]
fn a_learned_dictionary_denoises() {
    let f = Folder::new();
    let (clean, noisy) = (picture(&f, "clean.pgm", 0.0), picture(&f, "noisy.pgm", 0.1));
    let before = json("compare {} {}", &[&clean, &noisy], 0)["psnr"].as_f64().unwrap();
    let (out, atoms) = (f.path("out.png"), f.path("atoms.png"));
    let words = "denoise {} -o {} --method ksvd --sigma 25.5 --reference {} --dictionary {} --threads 2";
    let j = json(words, &[&noisy, &out, &clean, &atoms], 0);
    assert!(j["psnr"].as_f64().unwrap() > before + 6.0, "{before} -> {j}");
    assert_eq!((&j["status"], &j["atoms"]), (&"converged".into(), &256.into()));
    assert!(atoms.exists() && j["ssim"].is_number());
    let j = json("denoise {} -o {} --method ksvd --paper", &[&noisy, &out], 0);
    assert!((j["sigma"].as_f64().unwrap() - 25.0).abs() < 5.0, "{j}");
    assert_eq!(spm("denoise {} -o {} --method ksvd --weight 1", &[&noisy, &out]).status.code(), Some(2));
}

#[test]
fn missing_pixels_are_filled_and_given_ones_kept() {
    let f = Folder::new();
    let clean = picture(&f, "clean.pgm", 0.0);
    let mask: Vec<f64> = (0..SIDE * SIDE).map(|k| f64::from(u8::from(k * 7 % 10 < 3))).collect();
    let mp = f.npy("mask.npy", &[SIDE, SIDE], &mask);
    let (out, picture_out) = (f.path("out.npy"), f.path("out.png"));
    for method in ["ksvd", "smooth"] {
        let words = format!("inpaint {{}} -o {{}} --mask {{}} --method {method} --reference {{}}");
        let j = json(&words, &[&clean, &out, &mp, &clean], 0);
        assert!(j["psnr"].as_f64().unwrap() > 30.0 && j["status"] == "converged", "{method}: {j}");
        json(&words, &[&clean, &picture_out, &mp, &clean], 0);
        let pixels = std::fs::read(&clean).unwrap();
        let pixels = &pixels[pixels.len() - SIDE * SIDE..];
        let kept = read_npy(&out)
            .1
            .iter()
            .zip(pixels)
            .zip(&mask)
            .all(|((&v, &p), &m)| m != 0.0 || v == f64::from(p) / 255.0);
        assert!(kept, "{method}");
    }
    let wrong = f.npy("wrong.npy", &[2, 3], &[0.0; 6]);
    refused("inpaint {} -o {} --mask {}", &[&clean, &f.path("none.png"), &wrong], "wrong.npy");
    let all = f.npy("all.npy", &[SIDE, SIDE], &[1.0; SIDE * SIDE]);
    refused("inpaint {} -o {} --mask {}", &[&clean, &f.path("none.png"), &all], "all.npy");
}

#[test]
fn a_model_is_trained_on_a_folder_and_enlarges() {
    let f = Folder::new();
    let clean = picture(&f, "clean.pgm", 0.0);
    let folder = f.path("folder");
    std::fs::create_dir(&folder).unwrap();
    std::fs::copy(picture(&f, "p.pgm", 0.02), folder.join("a.pgm")).unwrap();
    std::fs::write(folder.join("notes.txt"), "not an image").unwrap();
    let (model, out) = (f.path("m.spm"), f.path("out.png"));
    for method in ["zeyde", "anchored"] {
        let words = format!("superres-train {{}} -o {{}} --scale 2 --method {method} --atoms 16 --iters 2");
        let j = json(&words, &[&folder, &model], 0);
        assert!(j["patches"].as_u64().unwrap() > 100 && j["atoms"] == 16, "{j}");
        let j = json("superres {} -o {} --scale 2 --model {}", &[&clean, &out, &model], 0);
        assert_eq!((&j["status"], &j["scale"]), (&"converged".into(), &2.into()));
        assert!(out.exists());
    }
    assert!(json("info {}", &[&model], 0)["kind"].as_str().unwrap().contains("super"));
    refused("superres {} -o {} --scale 3 --model {}", &[&clean, &out, &model], "m.spm");
    for scale in 2..=4 {
        let j = json(&format!("superres {{}} -o {{}} --scale {scale}"), &[&clean, &out], 0);
        assert_eq!((j["scale"].as_u64().unwrap(), j["model"].as_str().unwrap()), (scale, "built-in"));
        assert_eq!(j["atoms"], 512);
    }
    refused("superres {} -o {} --model {}", &[&clean, &out, &clean], "clean.pgm");
    refused("superres-train {} -o {} --scale 2", &[&f.path("nowhere"), &model], "nowhere");
}

#[test]
fn identical_pictures() {
    let f = Folder::new();
    let clean = picture(&f, "clean.pgm", 0.0);
    let j = json("compare {} {}", &[&clean, &clean], 0);
    assert_eq!(j["mse"], 0.0);
    assert_eq!(j["ssim"], 1.0);
    assert!(j["psnr"].is_null(), "an infinite value is null");
}

#[test]
fn codes_and_dictionaries() {
    let f = Folder::new();
    let mut rng = Rng::new(3);
    let (n, d, k) = (300, 9, 12);
    let atoms: Vec<f64> = rng.normals(k * d);
    let mut y = vec![0.0; n * d];
    for row in y.chunks_mut(d) {
        for _ in 0..2 {
            let (a, c) = (rng.below(k), 1.0 + rng.normal::<f64>());
            (0..d).for_each(|i| row[i] += c * atoms[a * d + i]);
        }
    }
    let yp = f.npy("y.npy", &[n, d], &y);
    let (dict, codes) = (f.path("d.npy"), f.path("c.npy"));
    let words = "ksvd {} -o {} --atoms 12 --k 2 --iters 15 --codes {} --init samples";
    let j = json(words, &[&yp, &dict, &codes], 0);
    let errors: Vec<f64> = j["errors"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect();
    assert_eq!(errors.len(), 15);
    assert!(errors[14] < 0.7 * errors[0], "{errors:?}");
    let (shape, atoms) = read_npy(&dict);
    assert_eq!(shape, [k, d]);
    for a in atoms.chunks(d) {
        assert!((a.iter().map(|v| v * v).sum::<f64>() - 1.0).abs() < 1e-12);
    }
    let j = json("omp {} {} -o {} --k 2", &[&dict, &yp, &codes], 0);
    let (shape, c) = read_npy(&codes);
    assert_eq!(shape, [n, k]);
    assert!(c.chunks(k).all(|row| row.iter().filter(|v| **v != 0.0).count() <= 2));
    let mut square = 0.0;
    for (row, code) in y.chunks(d).zip(c.chunks(k)) {
        for i in 0..d {
            let fit: f64 = (0..k).map(|a| code[a] * atoms[a * d + i]).sum();
            square += (row[i] - fit).powi(2);
        }
    }
    let rmse = (square / (n * d) as f64).sqrt();
    assert!((j["rmse"].as_f64().unwrap() - rmse).abs() < 1e-12);
    assert!(j["mean_nnz"].as_f64().unwrap() <= 2.0);
    let j = json("omp {} {} -o {} --eps 0.5 --rule ols", &[&dict, &yp, &codes], 0);
    assert!(j["mean_nnz"].as_f64().unwrap() > 0.0);
    json("omp {} {} -o {} --k 2 --f32", &[&dict, &yp, &codes], 0);
    let model = f.path("d.spm");
    json("ksvd {} -o {} --atoms 12 --k 2 --iters 3 --f32", &[&yp, &model], 0);
    let j = json("info {}", &[&model], 0);
    assert!(j["kind"].as_str().unwrap().contains("dictionary"), "{j}");
    json("omp {} {} -o {} --k 2", &[&model, &yp, &codes], 0);
}

#[test]
fn other_coders_and_encoders() {
    let f = Folder::new();
    let mut rng = Rng::new(8);
    let y: Vec<f64> = rng.normals::<f64>(60 * 9).iter().map(|v| v + 3.0).collect();
    let yp = f.npy("y.npy", &[60, 9], &y);
    let (dict, model, enc, out) = (f.path("d.npy"), f.path("d.spm"), f.path("e.spm"), f.path("c.npy"));
    json("ksvd {} -o {} --atoms 12 --k 2 --iters 2", &[&yp, &dict], 0);
    // Convex codes come with objective and gap; a group has one support.
    for words in [
        "lasso --lambda 1",
        "lars --lambda 1",
        "lasso --lambda 1 --positive",
        "l21 --lambda 9",
        "l21 --lambda 4 --group 20",
    ] {
        let j = json(&format!("omp {{}} {{}} -o {{}} --method {words}"), &[&dict, &yp, &out], 0);
        let (objective, gap) = (j["objective"].as_f64().unwrap(), j["gap"].as_f64().unwrap());
        let at_zero = 0.5 * y.iter().map(|v| v * v).sum::<f64>();
        assert!(objective <= at_zero && (0.0..=1e-6 * at_zero).contains(&gap), "{words}: {j}");
        let (_, codes) = read_npy(&out);
        let support = |i: usize| codes[i * 12..][..12].iter().map(|v| *v != 0.0).collect::<Vec<bool>>();
        assert!(!words.starts_with("l21") || (0..20).all(|i| support(i) == support(0)), "{words}");
    }
    for words in [
        "lars --k 3",
        "lars --eps 1",
        "nonneg --k 2",
        "soft --lambda 1",
        "hard --lambda 1 --k 3",
        "iht --k 2",
        "cosamp --k 2 --f32",
    ] {
        let j = json(&format!("omp {{}} {{}} -o {{}} --method {words}"), &[&dict, &yp, &out], 0);
        assert!(j["gap"].is_null() && j["rmse"].as_f64().unwrap() > 0.0, "{words}: {j}");
    }
    for words in ["lasso", "lasso --k 2 --lambda 1", "omp --lambda 1", "l21 --k 3", "lars --group 2 --k 1"] {
        let words = format!("omp {{}} {{}} -o {{}} --method {words}");
        assert_eq!(spm(&words, &[&dict, &yp, &out]).status.code(), Some(2), "{words}");
    }
    // An encoder: centred signals, its own coder, and the error of the signals as they are.
    let words = "ksvd {} -o {} --atoms 12 --k 3 --iters 4 --center --positive --encoder {}";
    json(words, &[&yp, &model, &enc], 0);
    assert_eq!(json("info {}", &[&enc], 0)["kind"], "encoder");
    let j = json("omp {} {} -o {}", &[&enc, &yp, &out], 0);
    assert_eq!((read_npy(&out).0, j["mean_nnz"].as_f64().unwrap()), (vec![60, 12], 3.0));
    let centred: f64 = y
        .chunks(9)
        .map(|y| {
            let mean = y.iter().sum::<f64>() / 9.0;
            y.iter().map(|v| (v - mean).powi(2)).sum::<f64>()
        })
        .sum();
    assert!(j["rmse"].as_f64().unwrap() < (centred / 540.0).sqrt());
    assert_eq!(spm("omp {} {} -o {} --k 2", &[&enc, &yp, &out]).status.code(), Some(2));
    // Atoms leave a model file as an array, and start another training.
    json("info {} --atoms {}", &[&enc, &out], 0);
    let (shape, atoms) = read_npy(&out);
    assert_eq!(shape, [12, 9]);
    assert!(atoms.iter().all(|v| *v >= 0.0));
    json("ksvd {} -o {} --atoms 12 --k 2 --iters 1 --init {}", &[&yp, &dict, &model], 0);
    refused("omp {} {} -o {}", &[&enc, &dict, &f.path("no/c.npy")], "c.npy");
}

#[test]
fn missing_entries_and_other_methods() {
    let f = Folder::new();
    let mut rng = Rng::new(4);
    let (n, d, k) = (400, 8, 10);
    let atoms: Vec<f64> = rng.normals(k * d);
    let whole: Vec<f64> = (0..n)
        .flat_map(|_| {
            let (a, b) = (rng.below(k), rng.below(k));
            (0..d).map(|i| 2.0 * atoms[a * d + i] - atoms[b * d + i]).collect::<Vec<_>>()
        })
        .collect();
    let mask: Vec<f64> = (0..n * d).map(|_| f64::from(u8::from(rng.below(5) > 0))).collect();
    let holes = |hole: f64| -> Vec<f64> {
        whole.iter().zip(&mask).map(|(&v, &m)| if m == 0.0 { hole } else { v }).collect()
    };
    let (nan, zero) = (f.npy("nan.npy", &[n, d], &holes(f64::NAN)), f.npy("zero.npy", &[n, d], &holes(7.0)));
    let mask = f.npy("mask.npy", &[n, d], &mask);
    let (da, db, out) = (f.path("a.npy"), f.path("b.npy"), f.path("c.npy"));
    // A mask and NaN say the same, and what stands in a gap does not matter.
    let a = json("ksvd {} -o {} --atoms 10 --k 2 --iters 8 --missing", &[&nan, &da], 0);
    let b = json("ksvd {} -o {} --atoms 10 --k 2 --iters 8 --mask {}", &[&zero, &db, &mask], 0);
    assert_eq!((a["errors"].as_array().unwrap().len(), &a["errors"]), (8, &b["errors"]));
    assert_eq!(read_npy(&da), read_npy(&db));
    let a = json("omp {} {} -o {} --k 2 --missing", &[&da, &nan, &out], 0);
    let codes = read_npy(&out);
    let b = json("omp {} {} -o {} --k 2 --mask {} --f32", &[&da, &zero, &out, &mask], 0);
    assert!((a["rmse"].as_f64().unwrap() - b["rmse"].as_f64().unwrap()).abs() < 1e-4);
    assert_eq!(codes.0, [n, k]);
    refused("omp {} {} -o {} --k 2 --mask {}", &[&da, &zero, &out, &da], "a.npy");
    refused("ksvd {} -o {} --atoms 3 --k 1 --mask {}", &[&zero, &db, &da], "a.npy");
    let yp = f.npy("y.npy", &[n, d], &whole);
    for method in ["approximate", "exact", "online"] {
        let words = format!("ksvd {{}} -o {{}} --atoms 10 --k 2 --iters 8 --method {method} --codes {{}}");
        let j = json(&words, &[&yp, &db, &out], 0);
        let errors = j["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 8, "{method}");
        assert!(errors[7].as_f64() < errors[0].as_f64(), "{method}: {errors:?}");
        assert_eq!(read_npy(&out).0, [n, k]);
    }
    let online = "ksvd {} -o {} --atoms 10 --k 2 --method online --missing";
    assert_eq!(spm(online, &[&nan, &db]).status.code(), Some(2));
}

#[test]
fn the_same_bytes_for_any_number_of_threads() {
    let f = Folder::new();
    let noisy = picture(&f, "noisy.pgm", 0.1);
    let mut rng = Rng::new(5);
    let yp = f.npy("y.npy", &[2000, 16], &rng.normals(2000 * 16));
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for threads in [1, 2, 4] {
        let outs = [f.path("a.npy"), f.path("b.npy"), f.path("c.npy")];
        json(&format!("denoise {{}} -o {{}} --weight 0.1 --threads {threads}"), &[&noisy, &outs[0]], 0);
        let words = format!("ksvd {{}} -o {{}} --codes {{}} --atoms 32 --k 3 --iters 3 --threads {threads}");
        json(&words, &[&yp, &outs[1], &outs[2]], 0);
        let bytes = outs.iter().flat_map(|p| std::fs::read(p).unwrap()).collect();
        seen.push(bytes);
    }
    assert!(seen[0] == seen[1] && seen[1] == seen[2]);
}

#[test]
fn bad_input_is_refused_in_one_line() {
    let f = Folder::new();
    let clean = picture(&f, "clean.pgm", 0.0);
    let mut small = b"P5\n4 4\n255\n".to_vec();
    small.extend([0_u8; 16]);
    let tiny = f.path("tiny.pgm");
    std::fs::write(&tiny, &small).unwrap();
    let broken = f.text("broken.png", "not a picture");
    let d = f.npy("d.npy", &[4, 3], &[1.0; 12]);
    let y = f.npy("y.npy", &[5, 2], &[1.0; 10]);
    let nan = f.npy("nan.npy", &[2, 3], &[1.0, 2.0, f64::NAN, 3.0, 4.0, 5.0]);
    let out = f.path("o.npy");
    refused("denoise {} -o {} --weight 0.1", &[&broken, &out], "broken.png");
    assert_eq!(spm("denoise {} -o {} --weight -1", &[&clean, &out]).status.code(), Some(2));
    refused("compare {} {}", &[&clean, &tiny], "48");
    refused("omp {} {} -o {} --k 2", &[&d, &y, &out], "expected");
    refused("omp {} {} -o {} --k 2", &[&d, &nan, &out], "nan.npy");
    refused("ksvd {} -o {} --atoms 2 --k 1 --iters 2", &[&nan, &out], "nan.npy");
    assert!(!out.exists());
    assert_eq!(spm("omp a b -o c", &[]).status.code(), Some(2), "--k or --eps is needed");
}

#[test]
fn curvature_of_a_square_in_an_image_and_of_its_contour() {
    let f = Folder::new();
    let inside = |k: usize| (10..50).contains(&(k % 64)) && (15..45).contains(&(k / 64));
    let image = f.npy(
        "square.npy",
        &[64, 64],
        &(0..4096).map(|k| f64::from(u8::from(inside(k)))).collect::<Vec<_>>(),
    );
    let (curve, svg, picture) = (f.path("curve.csv"), f.path("p.svg"), f.path("outline.svg"));
    let j = json("curvature {} -o {} --plot {} --plot-outline {}", &[&image, &curve, &svg, &picture], 0);
    assert_eq!(j["corners"].as_array().unwrap().len(), 4, "{j}");
    assert!((j["area"].as_f64().unwrap() - 1200.0).abs() < 10.0);
    let text = std::fs::read_to_string(&curve).unwrap();
    assert!(text.starts_with("arc_length,column,row,curvature,smooth,raw\n"));
    assert_eq!(text.lines().count() as u64, j["points"].as_u64().unwrap() + 1);
    assert!(std::fs::read_to_string(&svg).unwrap().contains("<svg"));
    assert!(std::fs::read_to_string(&picture).unwrap().contains("<svg"));
    // The curve that was written is a contour again.
    let again = json("curvature {} -o {}", &[&curve, &f.path("again.csv")], 0);
    assert_eq!(again["corners"].as_array().unwrap().len(), 4);
    let flat = f.npy("flat.npy", &[8, 8], &[1.0; 64]);
    refused("curvature {} -o {}", &[&flat, &curve], "flat.npy");
    let line = f.text("line.csv", "x,y\n0,0\n1,1\n2,2\n");
    refused("curvature {} -o {}", &[&line, &curve], "line.csv");
}

/// A real bone is made of parts longer than the wiggles of its outline, and of sharp corners.
#[test]
fn the_parts_of_a_vertebra() {
    let f = Folder::new();
    let image =
        std::path::Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/image/ct_vertebra.npy"));
    let j = json("curvature {} -o {}", &[image, &f.path("c.csv")], 0);
    let parts = j["parts"].as_array().unwrap();
    assert!((14..=20).contains(&parts.len()), "{parts:?}");
    let short = |p: &&serde_json::Value| p["length"].as_f64().unwrap() < 5.0;
    assert!(parts.iter().filter(short).all(|p| p["kind"] == "corner"), "{parts:?}");
    assert!(parts.iter().filter(short).count() <= 4, "{parts:?}");
    // The spinous process, at the bottom.
    let corners = j["corners"].as_array().unwrap();
    let near = |c: &serde_json::Value| {
        (c["column"].as_f64().unwrap() - 59.0).hypot(c["row"].as_f64().unwrap() - 81.0) < 3.0
    };
    assert!(corners.iter().any(near), "{corners:?}");
}

#[test]
fn the_noise_level_is_found_and_other_losses_work() {
    let f = Folder::new();
    let (clean, noisy) = (picture(&f, "clean.pgm", 0.0), picture(&f, "noisy.pgm", 0.1));
    let out = f.path("out.png");
    let before = json("compare {} {}", &[&clean, &noisy], 0)["psnr"].as_f64().unwrap();
    for how in [
        "",
        "--auto",
        "--weight 1.1 --loss absolute",
        "--weight 0.8 --loss huber",
        "--weight 0.2 --loss poisson",
    ] {
        let j = json(&format!("denoise {{}} -o {{}} {how} --reference {{}}"), &[&noisy, &out, &clean], 0);
        assert!(j["psnr"].as_f64().unwrap() > before + 3.0, "{how}: {before} -> {}", j["psnr"]);
        assert!(j["gap"].as_f64().unwrap() <= 1e-3 * j["objective"].as_f64().unwrap());
        if how.is_empty() || how == "--auto" {
            let sigma = j["sigma"].as_f64().unwrap();
            assert!((20.0..30.0).contains(&sigma), "{sigma}");
            assert!(j["weight"].as_f64().unwrap() > 0.0 && j["estimated_mse"].as_f64().unwrap() < 0.003);
        }
    }
    let quality = |how: &str| {
        let words = format!("denoise {{}} -o {{}} --sigma 25.5 --choose {how} --reference {{}}");
        let j = json(&words, &[&noisy, &out, &clean], 0);
        assert_eq!(j["chosen_by"], how);
        j["psnr"].as_f64().unwrap()
    };
    assert!(quality("sure") >= quality("discrepancy"));
    let predicted = json("denoise {} -o {} --choose prediction --reference {}", &[&noisy, &out, &clean], 0);
    assert_eq!(predicted["chosen_by"], "prediction");
    assert!(predicted["psnr"].as_f64().unwrap() > quality("sure") - 0.5 && predicted.get("sigma").is_none());
    assert_eq!(spm("denoise {} -o {} --choose prediction --sigma 9", &[&noisy, &out]).status.code(), Some(2));
    // The method asked for, whatever chose its weight.
    let by = |words: &str| json(&format!("denoise {{}} -o {{}} {words}"), &[&noisy, &out], 0);
    let tgv = by("--method tgv --sigma 25.5 --choose discrepancy --tol 1e-3");
    let weight = tgv["weight"].as_f64().unwrap();
    let same = by(&format!("--method tgv --weight {weight} --tol 1e-3"));
    assert_eq!(tgv["objective"], same["objective"]);
    assert_eq!(spm("denoise {} -o {} --sigma 25 --loss huber", &[&noisy, &out]).status.code(), Some(2));
    let kernel = f.npy("k.npy", &[1, 3], &[0.25, 0.5, 0.25]);
    json("denoise {} -o {} --weight 0.02 --blur {}", &[&noisy, &out, &kernel], 0);
}

#[test]
fn inpainting_keeps_what_is_given() {
    let f = Folder::new();
    let clean = picture(&f, "clean.pgm", 0.0);
    let mask: Vec<f64> = (0..SIDE * SIDE).map(|k| f64::from(u8::from(k * 7919 % 100 < 50))).collect();
    let mask_file = f.npy("mask.npy", &[SIDE, SIDE], &mask);
    let out = f.path("out.npy");
    let j =
        json("inpaint {} -o {} --mask {} --method tv --reference {}", &[&clean, &out, &mask_file, &clean], 0);
    assert!(j["psnr"].as_f64().unwrap() > 25.0, "{}", j["psnr"]);
    let (_, filled) = read_npy(&out);
    let pgm = std::fs::read(&clean).unwrap();
    let given = &pgm[pgm.len() - SIDE * SIDE..];
    for k in (0..SIDE * SIDE).filter(|&k| mask[k] == 0.0) {
        assert_eq!(filled[k], f64::from(given[k]) / 255.0);
    }
    json("inpaint {} -o {} --mask {} --method tv --weight 0.02", &[&clean, &out, &mask_file], 0);
    let all = f.npy("all.npy", &[SIDE, SIDE], &vec![1.0; SIDE * SIDE]);
    refused("inpaint {} -o {} --mask {} --method tv", &[&clean, &f.path("no.png"), &all], "all.npy");
    let small = f.npy("small.npy", &[2, 2], &[1.0; 4]);
    refused("inpaint {} -o {} --mask {} --method tv", &[&clean, &f.path("no.png"), &small], "small.npy");
}

#[test]
fn magnetic_resonance_from_a_few_coefficients() {
    let f = Folder::new();
    let clean = picture(&f, "clean.pgm", 0.0);
    let out = f.path("out.npy");
    let j = json(
        "mri {} -o {} --simulate random:3 --lambda 0.0005 --wavelet db4 --wavelet-lambda 0.0002 --real --max-iter 5000",
        &[&clean, &out],
        0,
    );
    let psnr = j["psnr"].as_f64().unwrap();
    assert!(psnr > j["psnr_zero_filled"].as_f64().unwrap() + 3.0, "{j}");
    assert!(j["gap"].as_f64().unwrap() <= 1e-4 * j["objective"].as_f64().unwrap() * 1.0001);
    assert_eq!(read_npy(&out).0, [SIDE, SIDE]);
    // A constant as k-space: only the zero frequency, in numpy's normalisation.
    let mut k = vec![0.0; 64];
    k[0] = 0.5 * 64.0;
    let k = f.npy("k.npy", &[8, 8], &k);
    let ones = f.npy("ones.npy", &[8, 8], &[1.0; 64]);
    json("mri {} -o {} --mask {} --lambda 0.01", &[&k, &out, &ones], 0);
    assert!(read_npy(&out).1.iter().all(|v| (v - 0.5).abs() < 1e-3));
    refused(
        "mri {} -o {} --mask {} --lambda 0.1",
        &[&k, &f.path("no.npy"), &f.npy("m.npy", &[3], &[1.0; 3])],
        "m.npy",
    );
    assert_eq!(
        spm("mri {} -o {} --lambda 0.1 --as complex", &[&k, &f.path("no.png")]).status.code(),
        Some(2)
    );
}
