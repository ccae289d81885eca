//! `spm tv1d` and `spm trend` end to end.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Folder, json, read_npy, refused, spm};
use spm_linalg::testing::Rng;

fn steps(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed);
    (0..n).map(|i| f64::from(u8::from(i > n / 3)) * 2.0 + 0.3 * rng.normal::<f64>()).collect()
}

/// Differences of order `k + 1` of evenly spaced values.
fn differences(x: &[f64], k: usize) -> Vec<f64> {
    let mut d = x.to_vec();
    for _ in 0..=k {
        d = d.windows(2).map(|w| w[1] - w[0]).collect();
    }
    d
}

/// Duality gap of `½‖y − x‖² + λ‖D^(k+1) x‖₁` with the dual point that the residual itself defines, `Dᵀu = y − x`.
fn gap(y: &[f64], x: &[f64], lambda: f64, k: usize) -> (f64, f64) {
    let primal = y.iter().zip(x).map(|(a, b)| (a - b).powi(2)).sum::<f64>() / 2.0
        + lambda * differences(x, k).iter().map(|v| v.abs()).sum::<f64>();
    // u is the (k+1)-fold running sum of the residual, up to sign; what does not fit (the last k+1 sums) must be ~0.
    let mut u: Vec<f64> = y.iter().zip(x).map(|(a, b)| a - b).collect();
    for _ in 0..=k {
        let mut sum = 0.0;
        u = u[..u.len() - 1]
            .iter()
            .map(|v| {
                sum -= v;
                sum
            })
            .collect();
    }
    let largest = u.iter().fold(0.0_f64, |m, v| m.max(v.abs()));
    let s = (lambda / largest).min(1.0);
    // Dᵀu, entry by entry.
    let mut v: Vec<f64> = u.iter().map(|t| s * t).collect();
    for _ in 0..=k {
        let mut w = vec![0.0; v.len() + 1];
        for (i, t) in v.iter().enumerate() {
            w[i] -= t;
            w[i + 1] += t;
        }
        v = w;
    }
    let dual = v.iter().zip(y).map(|(a, b)| a * b - a * a / 2.0).sum::<f64>();
    (primal, primal - dual)
}

#[test]
fn tv1d_is_exact() {
    let f = Folder::new();
    let y = steps(300, 1);
    let yp = f.npy("y.npy", &[300], &y);
    let out = f.path("x.npy");
    let j = json("tv1d {} -o {} --lambda 2", &[&yp, &out], 0);
    let (shape, x) = read_npy(&out);
    assert_eq!(shape, [300]);
    let (objective, g) = gap(&y, &x, 2.0, 0);
    assert!(g.abs() <= 1e-10 * objective, "gap {g}");
    assert!((j["objective"].as_f64().unwrap() - objective).abs() <= 1e-12 * objective);
    let segments = 1 + x.windows(2).filter(|w| w[0] != w[1]).count();
    assert_eq!(j["segments"].as_u64(), Some(segments as u64));
    assert!(segments < 30);
    assert_eq!(j["status"], "converged");
    assert!(j["gap"].as_f64().unwrap().abs() <= 1e-9 * objective);
    json("tv1d {} -o {} --lambda 0", &[&yp, &out], 0);
    assert_eq!(read_npy(&out).1, y);
}

#[test]
fn tv1d_weights_and_sparse_part() {
    let f = Folder::new();
    let y = steps(60, 2);
    let yp = f.npy("y.npy", &[60], &y);
    let w = f.npy("w.npy", &[60], &[1.0; 60]);
    let mut cut = vec![1.0; 59];
    cut[19] = 0.0;
    let v = f.npy("v.npy", &[59], &cut);
    let out = f.path("x.npy");
    json("tv1d {} -o {} --lambda 1e6 --weights {} --edge-weights {}", &[&yp, &out, &w, &v], 0);
    let x = read_npy(&out).1;
    let mean = |s: &[f64]| s.iter().sum::<f64>() / s.len() as f64;
    assert!((x[0] - mean(&y[..20])).abs() < 1e-9 && (x[59] - mean(&y[20..])).abs() < 1e-9);
    json("tv1d {} -o {} --lambda 1 --lambda-sparse 100", &[&yp, &out], 0);
    assert!(read_npy(&out).1.iter().all(|&v| v == 0.0));
}

/// On a ring no value is the first, and the last is joined to it.
#[test]
fn tv1d_of_a_ring() {
    let f = Folder::new();
    let mut y = vec![5.0, 0.2, -0.2, 0.0, 4.8, 5.2];
    let (yp, out) = (f.npy("y.npy", &[6], &y), f.path("x.npy"));
    let j = json("tv1d {} -o {} --lambda 0.3 --circular", &[&yp, &out], 0);
    assert_eq!(j["segments"], 2);
    assert!(j["gap"].as_f64().unwrap() < 1e-12 && (j["lambda_max"].as_f64().unwrap() - 3.75).abs() < 1e-12);
    let mut x = read_npy(&out).1;
    assert!((x[0] - 4.8).abs() < 1e-12 && (x[2] - 0.2).abs() < 1e-12, "{x:?}");
    y.rotate_left(2);
    x.rotate_left(2);
    json("tv1d {} -o {} --lambda 0.3 --circular", &[&f.npy("y.npy", &[6], &y), &out], 0);
    assert_eq!(read_npy(&out).1, x);
    let line = f.npy("v.npy", &[5], &[1.0; 5]);
    refused("tv1d {} -o {} --lambda 1 --circular --edge-weights {}", &[&yp, &out, &line], "v.npy: ");
    assert_eq!(spm("tv1d {} -o {} --lambda 1 --circular --merge 3", &[&yp, &out]).status.code(), Some(2));
}

#[test]
fn a_trend_of_a_ring() {
    let f = Folder::new();
    // A roof whose ridge is at index 0.
    let mut y: Vec<f64> = (0..12).map(|i| (f64::from(i) - 6.0).abs()).collect();
    let (yp, out) = (f.npy("y.npy", &[12], &y), f.path("x.npy"));
    let at = (f.npy("at.npy", &[2], &[11.5, -0.5]), f.path("values.npy"));
    let j = json("trend {} -o {} --lambda 0.1 --circular --at {} --at-out {}", &[&yp, &out, &at.0, &at.1], 0);
    assert_eq!((&j["knots"], &j["knot_positions"]), (&2.into(), &serde_json::json!([6.0, 0.0])));
    assert!(j["gap"].as_f64().unwrap() <= 1e-8 * j["objective"].as_f64().unwrap());
    assert_eq!(j["extrapolated"], 0);
    let (mut x, values) = (read_npy(&out).1, read_npy(&at.1).1);
    assert!((values[0] - 0.5 * (x[11] + x[0])).abs() < 1e-12 && values[0] == values[1], "{values:?}");
    y.rotate_left(5);
    x.rotate_left(5);
    json("trend {} -o {} --lambda 0.1 --circular", &[&f.npy("y.npy", &[12], &y), &out], 0);
    assert!(read_npy(&out).1.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-12));
    json("trend {} -o {} --order 2 --lambda-ratio 0.1 --circular", &[&yp, &out], 0);
    json("trend {} -o {} --order 0 --lambda 0.1 --circular", &[&yp, &out], 0);
    assert_eq!(
        spm("trend {} -o {} --lambda 0.1 --circular --loss huber --delta 1", &[&yp, &out]).status.code(),
        Some(2),
    );
    assert_eq!(
        spm("trend {} -o {} --lambda 1 --circular --shape convex", &[&yp, &out]).status.code(),
        Some(2)
    );
}

/// Two channels that jump together, and a graph: a path is the plain fused lasso.
#[test]
fn several_channels_and_graphs() {
    let f = Folder::new();
    let y: Vec<f64> = (0..40).flat_map(|i| if i < 20 { [0.0, 1.0] } else { [3.0, -1.0] }).collect();
    let yp = f.npy("y2.npy", &[40, 2], &y);
    let out = f.path("x.npy");
    let j = json("tv1d {} -o {} --lambda 0.1", &[&yp, &out], 0);
    assert_eq!((&j["channels"], &j["segments"], &j["change_points"][0]), (&2.into(), &2.into(), &20.into()));
    assert_eq!(read_npy(&out).0, [40, 2]);
    // The jump is 13^(1/2), the pull on each level lambda / 20 along it.
    let (x, pull) = (read_npy(&out).1, 0.1 / 20.0 / 13.0_f64.sqrt());
    assert!((x[0] - 3.0 * pull).abs() < 5e-4 && (x[79] + 1.0 - 2.0 * pull).abs() < 5e-4, "{x:?}");
    let j = json("trend {} -o {} --order 1 --lambda 0.1", &[&yp, &out], 0);
    assert!(j["knots"].as_u64().unwrap() >= 2 && j["gap"].as_f64().unwrap() < 1e-5);
    // Weights, a gap in one channel, times, and lambda as a share of the largest.
    let mut holes = y.clone();
    holes[21] = f64::NAN;
    let (hp, tp) = (
        f.npy("h.npy", &[40, 2], &holes),
        f.npy("t.npy", &[40], &(0..40).map(|i| 0.5 * f64::from(i)).collect::<Vec<_>>()),
    );
    let (w, wide) = (f.npy("w.npy", &[40], &[2.0; 40]), f.npy("ww.npy", &[40, 2], &[2.0; 80]));
    for weights in [&w, &wide] {
        let j = json(
            "trend {} -o {} --order 1 --lambda-ratio 0.1 --x {} --weights {}",
            &[&hp, &out, &tp, weights],
            0,
        );
        assert_eq!(j["missing"], 1);
        assert!(
            j["knot_positions"].as_array().unwrap().iter().any(|k| (k.as_f64().unwrap() - 9.75).abs() < 2.0),
            "{j}"
        );
        assert!((j["lambda"].as_f64().unwrap() / j["lambda_max"].as_f64().unwrap() - 0.1).abs() < 1e-9);
        assert!(read_npy(&out).1.iter().all(|v| v.is_finite()));
    }
    for words in [
        "trend {} -o {} --lambda 1 --shape convex",
        "trend {} -o {} --cv",
        "tv1d {} -o {} --lambda 1 --merge 3",
    ] {
        assert_eq!(spm(words, &[&yp, &out]).status.code(), Some(2), "{words}");
    }

    let y = steps(60, 4);
    let yp = f.npy("y.npy", &[60], &y);
    let edges: Vec<f64> = (0..59).flat_map(|i| [f64::from(i), f64::from(i + 1)]).collect();
    let ep = f.npy("e.npy", &[59, 2], &edges);
    let line = json("tv1d {} -o {} --lambda 1.5", &[&yp, &out], 0);
    let x = read_npy(&out).1;
    let graph = json("tv1d {} -o {} --lambda 1.5 --edges {}", &[&yp, &out, &ep], 0);
    assert!(x.iter().zip(&read_npy(&out).1).all(|(a, b)| (a - b).abs() < 1e-9));
    assert_eq!(line["segments"], graph["segments"]);
    for bad in [&[0.0, 60.0][..], &[3.0, 3.0], &[0.5, 1.0], &[-1.0, 1.0]] {
        let bad = f.npy("bad.npy", &[1, 2], bad);
        refused("tv1d {} -o {} --lambda 1 --edges {}", &[&yp, &out, &bad], "bad.npy: ");
    }
}

#[test]
fn a_season_and_outliers_beside_the_trend() {
    let f = Folder::new();
    let season = [1.0, -1.0, 0.5, -0.5];
    let mut y: Vec<f64> = (0..80).map(|i| 0.1 * f64::from(i) + season[i as usize % 4]).collect();
    let yp = f.npy("y.npy", &[80], &y);
    let (out, side) = (f.path("x.npy"), f.path("side.npy"));
    let j = json("trend {} -o {} --lambda 5 --season 4 --season-out {}", &[&yp, &out, &side], 0);
    assert_eq!(j["status"], "converged");
    let found = read_npy(&side).1;
    assert!(found.iter().zip(&season).all(|(a, b)| (a - b).abs() < 1e-3), "{found:?}");
    assert!(j["residual_rms"].as_f64().unwrap() < 1e-3);

    y.iter_mut().enumerate().for_each(|(i, v)| *v -= season[i % 4]);
    y[31] += 9.0;
    let yp = f.npy("y.npy", &[80], &y);
    let j = json("trend {} -o {} --lambda 50 --loss huber --delta 0.5 --outliers {}", &[&yp, &out, &side], 0);
    assert_eq!(j["outliers"], 1);
    let found = read_npy(&side).1;
    assert!((found[31] - 8.5).abs() < 0.5 && found.iter().filter(|v| **v != 0.0).count() == 1);
}

#[test]
fn trend_filtering_is_certified() {
    let f = Folder::new();
    let mut rng = Rng::new(3);
    let y: Vec<f64> = (0..200).map(|i| (i as f64 / 20.0).sin() * 5.0 + 0.2 * rng.normal::<f64>()).collect();
    let yp = f.npy("y.npy", &[200], &y);
    let out = f.path("x.npy");
    for order in 0..=2 {
        let j = json(&format!("trend {{}} -o {{}} --order {order} --lambda 3"), &[&yp, &out], 0);
        let x = read_npy(&out).1;
        let (objective, g) = gap(&y, &x, 3.0, order);
        assert!(g.abs() <= 1e-6 * objective, "order {order}: gap {g} of {objective}");
        assert!((j["objective"].as_f64().unwrap() - objective).abs() <= 1e-9 * objective);
        assert!(j["gap"].as_f64().unwrap() <= 1e-6 * objective);
        let j = json(&format!("trend {{}} -o {{}} --order {order} --lambda-ratio 1.01"), &[&yp, &out], 0);
        assert!(j["lambda"].as_f64().unwrap() > j["lambda_max"].as_f64().unwrap());
        let x = read_npy(&out).1;
        assert!(differences(&x, order).iter().all(|d| d.abs() < 1e-7), "order {order}: not a polynomial");
    }
}

#[test]
fn gaps_and_positions() {
    let f = Folder::new();
    let mut y = steps(80, 4);
    let even: Vec<f64> = (0..80).map(f64::from).collect();
    let yp = f.npy("y.npy", &[80], &y);
    let t = f.npy("t.npy", &[80], &even);
    let (a, b) = (f.path("a.npy"), f.path("b.npy"));
    json("trend {} -o {} --order 1 --lambda 2", &[&yp, &a], 0);
    json("trend {} -o {} --order 1 --lambda 2 --x {}", &[&yp, &b, &t], 0);
    for (u, v) in read_npy(&a).1.iter().zip(&read_npy(&b).1) {
        assert!((u - v).abs() < 1e-4, "{u} and {v}");
    }
    y[10] = f64::NAN;
    y[11] = f64::NAN;
    let holes = f.npy("holes.npy", &[80], &y);
    json("trend {} -o {} --order 1 --lambda 2", &[&holes, &a], 0);
    assert!(read_npy(&a).1.iter().all(|v| v.is_finite()));
    json("tv1d {} -o {} --lambda 2", &[&holes, &a], 0);
    assert!(read_npy(&a).1.iter().all(|v| v.is_finite()));
}

#[test]
fn plots_are_written_and_bad_input_is_refused() {
    let f = Folder::new();
    let yp = f.npy("y.npy", &[40], &steps(40, 5));
    let (out, svg) = (f.path("x.npy"), f.path("p.svg"));
    json("trend {} -o {} --order 1 --lambda 2 --plot {}", &[&yp, &out, &svg], 0);
    assert!(std::fs::read_to_string(&svg).unwrap().contains("<svg"));
    std::fs::remove_file(&out).unwrap();
    let empty = f.npy("empty.npy", &[0], &[]);
    let infinite = f.npy("inf.npy", &[3], &[1.0, f64::INFINITY, 2.0]);
    let short = f.npy("short.npy", &[3], &[1.0, 2.0, 3.0]);
    let back = f.npy("back.npy", &[40], &(0..40).rev().map(f64::from).collect::<Vec<_>>());
    refused("tv1d {} -o {} --lambda 1", &[&empty, &out], "empty.npy");
    refused("tv1d {} -o {} --lambda 1", &[&infinite, &out], "inf.npy");
    refused("tv1d {} -o {} --lambda 1 --weights {}", &[&yp, &out, &short], "expected");
    refused("trend {} -o {} --order 1 --lambda 1 --x {}", &[&yp, &out, &back], "increasing");
    assert_eq!(spm("trend {} -o {} --order 1 --lambda -1", &[&yp, &out]).status.code(), Some(2));
    assert!(!out.exists());
}

#[test]
fn the_weight_of_a_trend_is_chosen() {
    let f = Folder::new();
    let mut rng = Rng::new(6);
    let mut y: Vec<f64> =
        (0..120).map(|i| 10.0 - f64::from(60 - i).abs() / 6.0 + 0.3 * rng.normal::<f64>()).collect();
    y[40] = f64::NAN;
    let yp = f.npy("y.npy", &[120], &y);
    let (out, svg) = (f.path("x.npy"), f.path("p.svg"));
    let j = json("trend {} -o {} --order 1 --cv --plot {}", &[&yp, &out, &svg], 0);
    assert!(j["lambda_1se"].as_f64().unwrap() >= j["lambda"].as_f64().unwrap());
    assert_eq!(j["lambdas"].as_array().unwrap().len(), j["cv_error"].as_array().unwrap().len());
    assert!(j["lambda"].as_f64().unwrap() < j["lambda_max"].as_f64().unwrap());
    assert_eq!(j["missing"], 1);
    assert!((j["sigma"].as_f64().unwrap() - 0.3).abs() < 0.1);
    assert!(std::fs::read_to_string(&svg).unwrap().contains("missing"));
    let simple = json("trend {} -o {} --order 1 --cv --folds 4 --one-se", &[&yp, &out], 0);
    assert_eq!(simple["lambda"], simple["lambda_1se"]);
    let j = json("trend {} -o {} --order 1 --criterion bic", &[&yp, &out], 0);
    assert_eq!(j["degrees_of_freedom"].as_u64(), Some(j["knots"].as_u64().unwrap() + 2));
    let at = f.npy("at.npy", &[3], &[59.5, 60.5, 130.0]);
    let values = f.path("values.npy");
    let j = json("trend {} -o {} --order 1 --knots 1 --at {} --at-out {}", &[&yp, &out, &at, &values], 0);
    assert_eq!((&j["knots"], &j["exact"], &j["extrapolated"]), (&1.into(), &true.into(), &1.into()));
    assert_eq!(j["slopes"].as_array().unwrap().len(), 2);
    assert_eq!(read_npy(&values).1.len(), 3);
    refused("trend {} -o {} --order 1 --cv --folds 200", &[&yp, &out], "folds");
    assert_eq!(spm("trend {} -o {} --order 1 --cv --knots 2", &[&yp, &out]).status.code(), Some(2));
}

#[test]
fn jumps_are_merged_into_change_points() {
    let f = Folder::new();
    let yp = f.npy("y.npy", &[300], &steps(300, 7));
    let out = f.path("x.npy");
    let j = json("tv1d {} -o {} --lambda 2 --merge 5", &[&yp, &out], 0);
    assert_eq!(j["change_points"], serde_json::json!([101]));
    assert!((j["sizes"][0].as_f64().unwrap() - 2.0).abs() < 0.1);
}

#[test]
fn huber_and_shapes() {
    let f = Folder::new();
    let out = f.path("x.npy");
    let mut y: Vec<f64> =
        (0..200).map(|i| (f64::from(i) / 50.0).powi(2) + 0.1 * (f64::from(i * i)).sin()).collect();
    y[60] = 40.0;
    y[140] = -30.0;
    let yp = f.npy("y.npy", &[200], &y);
    let j = json("trend {} -o {} --order 1 --lambda-ratio 0.01 --loss huber", &[&yp, &out], 0);
    assert!(j["delta"].as_f64().unwrap() > 0.0);
    assert!(j["gap"].as_f64().unwrap() <= 1e-8 * j["objective"].as_f64().unwrap());
    let (_, x) = read_npy(&out);
    assert!((x[60] - 1.44).abs() < 0.3 && (x[140] - 7.84).abs() < 0.3, "{} {}", x[60], x[140]);
    json("trend {} -o {} --order 1 --lambda-ratio 0.001 --shape convex", &[&yp, &out], 0);
    let (_, x) = read_npy(&out);
    assert!(x.windows(3).all(|p| p[0] - 2.0 * p[1] + p[2] > -1e-9));
    json("trend {} -o {} --order 1 --lambda-ratio 0.001 --shape increasing", &[&yp, &out], 0);
    let (_, x) = read_npy(&out);
    assert!(x.windows(2).all(|p| p[1] - p[0] > -1e-12));
    refused("trend {} -o {} --order 3 --lambda 1 --shape convex", &[&yp, &out], "order");
}
