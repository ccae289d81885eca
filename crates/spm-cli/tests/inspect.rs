//! `spm inspect` end to end.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Folder, json, refused, spm};
use spm_linalg::testing::Rng;

const SIDE: usize = 48;

/// A chequered part, or the same with a dark scratch.
fn part(f: &Folder, name: &str, seed: u64, scratched: bool) -> std::path::PathBuf {
    let mut rng = Rng::new(seed);
    let pixels = (0..SIDE * SIDE).map(|k| {
        let (i, j) = (k / SIDE, k % SIDE);
        let bar = if (i / 6 + j / 6).is_multiple_of(2) { 160.0 } else { 110.0 };
        let scratch =
            if scratched && (30..40).contains(&i) && (i - 20..i - 17).contains(&j) { 0.7 } else { 1.0 };
        (bar * scratch + 4.0 * rng.normal::<f64>()).clamp(0.0, 255.0) as u8
    });
    let bytes: Vec<u8> = format!("P5\n{SIDE} {SIDE}\n255\n").into_bytes().into_iter().chain(pixels).collect();
    let path = f.path(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn inspecting_a_folder() {
    let f = Folder::new();
    for k in 0..20 {
        part(&f, &format!("good/{k:02}.pgm"), k, false);
    }
    let model = f.path("model.spm");
    let j = json("inspect train {} -o {}", &[&f.path("good"), &model], 0);
    assert_eq!((&j["images"], &j["scope"], &j["skipped"]), (&20.into(), &"position".into(), &0.into()));
    let interval = j["false_alarm_interval"].as_array().unwrap();
    assert!(interval[0].as_f64().unwrap() < 0.05 && interval[1].as_f64().unwrap() > 0.05);
    let info = json("info {}", &[&model], 0);
    assert_eq!(info["kind"], "inspection");

    // Two good parts and two scratched ones; a file that is no image, and one of another size.
    for k in 0..4 {
        part(&f, &format!("parts/{k}.pgm"), 100 + k, k >= 2);
    }
    let (csv, report, maps) = (f.path("scores.csv"), f.path("report.html"), f.path("maps"));
    let words = "inspect score {} {} --csv {} --report {} --heatmaps {} --false-alarm 1%";
    let parts = f.path("parts");
    let files: [&std::path::Path; 5] = [&model, &parts, &csv, &report, &maps];
    let j = json(words, &files, 0);
    assert_eq!((&j["images"], &j["defective"]), (&4.into(), &2.into()));
    assert!(j["seconds_per_image"].as_f64().unwrap() > 0.0 && j["threshold"].as_f64().unwrap() > 1.6);
    let first = std::fs::read(&csv).unwrap();
    std::fs::write(f.path("parts/bad.png"), "no image").unwrap();
    std::fs::write(f.path("parts/small.pgm"), b"P5\n2 1\n255\nab").unwrap();
    let j = json(words, &files, 1);
    assert_eq!((&j["images"], &j["skipped"]), (&4.into(), &2.into()));
    assert_eq!(std::fs::read(&csv).unwrap(), first, "the others are judged as before");
    let text = String::from_utf8(first).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "path,score,defective");
    let flags: Vec<&str> = lines[1..].iter().map(|l| l.rsplit(',').next().unwrap()).collect();
    assert_eq!(flags, ["0", "0", "1", "1"]);
    assert_eq!(std::fs::read_dir(&maps).unwrap().count(), 4);
    let html = std::fs::read_to_string(&report).unwrap();
    assert!(
        html.contains("3.pgm") && html.contains("data:image/png") && !html.contains("src=\"http"),
        "self-contained"
    );

    // A list says the same as a folder; what can't be used is left out of training, too.
    let list = f.text("list.txt", "# parts\nparts/3.pgm\n\nparts/gone.pgm\n");
    let j = json("inspect score {} {} --csv {}", &[&model, &list, &csv], 1);
    assert_eq!((&j["images"], &j["defective"], &j["skipped"]), (&1.into(), &1.into(), &1.into()));
    std::fs::write(f.path("good/bad.png"), "no image").unwrap();
    let again = f.path("again.spm");
    let j = json("inspect train {} -o {}", &[&f.path("good"), &again], 1);
    assert_eq!(j["images"], 20);
    assert_eq!(std::fs::read(&again).unwrap(), std::fs::read(&model).unwrap());
}

#[test]
fn defective_examples_are_compared_with_going_without() {
    let f = Folder::new();
    for k in 0..20 {
        part(&f, &format!("good/{k:02}.pgm"), k, false);
    }
    for k in 0..8 {
        part(&f, &format!("bad/{k}.pgm"), 50 + k, true);
    }
    std::fs::write(f.path("bad/no.png"), "no image").unwrap();
    let model = f.path("model.spm");
    let j = json("inspect train {} --defective {} -o {}", &[&f.path("good"), &f.path("bad"), &model], 1);
    assert_eq!((&j["defective"], &j["skipped"]), (&8.into(), &1.into()));
    let stage = &j["second_stage"];
    // The scratch is found without examples: they can't do better, and what is used is no worse.
    assert!(stage["adopted"].is_boolean() && stage["one_class"]["detected"] == 8);
    let j = json("inspect score {} {}", &[&model, &f.path("bad")], 1);
    assert_eq!(j["defective"], 8);
    let plain = spm("inspect train {} --defective {} -o {}", &[&f.path("good"), &f.path("bad"), &model]);
    assert!(String::from_utf8(plain.stdout).unwrap().contains("held-out parts"));
}

#[test]
fn inspection_refuses_what_makes_no_sense() {
    let f = Folder::new();
    let model = f.path("model.spm");
    let empty = f.text("empty.txt", "\n");
    refused("inspect train {} -o {}", &[&empty, &model], "empty.txt");
    let one = part(&f, "few/1.pgm", 1, false);
    let few = f.path("few");
    refused("inspect train {} -o {}", &[&few, &model], "good parts");
    assert_eq!(spm("inspect train {} -o {} --false-alarm 0", &[&few, &model]).status.code(), Some(2));
    refused("inspect score {} {}", &[&one, &few], "1.pgm");
    assert!(!model.exists());
}
