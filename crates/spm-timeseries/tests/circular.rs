//! Signals on a ring: the graph's solution, optimality from the definition, turns of the ring, and the ends of the range.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use spm_linalg::Scalar;
use spm_linalg::testing::Rng;
use spm_timeseries::{FusedLasso, GraphFused, MergeJumps, Series};

fn normal(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed);
    (0..n).map(|_| rng.normal::<f64>()).collect()
}

fn turned<T: Copy>(v: &[T], by: usize) -> Vec<T> {
    let mut v = v.to_vec();
    v.rotate_left(by);
    v
}

fn close(a: &[f64], b: &[f64], tol: f64) {
    for (i, (p, q)) in a.iter().zip(b).enumerate() {
        assert!((p - q).abs() <= tol, "{i}: {p} {q}");
    }
}

/// How far `x` is from optimal: from one jump on `u` is known, and so all the way round; it must stay in its range, be at its bound at
/// every jump and meet itself. Without a jump some start must do.
fn violation(y: &[f64], w: &[f64], e: &[f64], lambda: f64, x: &[f64]) -> f64 {
    let n = y.len();
    let d = |i: usize| x[(i + 1) % n] - x[i];
    let start = (0..n).find(|&i| d(i) != 0.0);
    let Some(start) = start else {
        let (mut u, mut lo, mut hi) = (0.0, f64::NEG_INFINITY, f64::INFINITY);
        for i in 0..n {
            u -= w[i] * (y[i] - x[i]);
            (lo, hi) = (f64::max(lo, u - lambda * e[i]), f64::min(hi, u + lambda * e[i]));
        }
        return f64::max(lo - hi, u.abs());
    };
    let mut u = lambda * e[start] * d(start).signum();
    let mut worst = 0.0_f64;
    for i in (start + 1..n).chain(0..=start) {
        u -= w[i] * (y[i] - x[i]);
        let r = lambda * e[i];
        worst = worst.max(if d(i) == 0.0 { u.abs() - r } else { (u - r * d(i).signum()).abs() });
    }
    worst
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn a_ring_is_the_graph_and_optimal(
        n in 2_usize..40, lambda in 0.0_f64..3.0, offset in -50.0_f64..50.0, seed in 0_u64..100_000,
    ) {
        let mut rng = Rng::new(seed);
        let y: Vec<f64> = normal(n, seed + 1).iter().map(|v| 2.0 * v + offset).collect();
        let w: Vec<f64> = (0..n).map(|_| 0.2 + rng.uniform::<f64>()).collect();
        let mut e: Vec<f64> = (0..n).map(|_| 0.1 + 2.0 * rng.uniform::<f64>()).collect();
        if seed % 5 == 0 {
            e[seed as usize % n] = 0.0;
        }
        let edges: Vec<(usize, usize)> = (0..n).map(|i| (i, (i + 1) % n)).collect();
        let graph = GraphFused::new(lambda).weights(w.clone()).edge_weights(e.clone()).fit(&y, &edges).unwrap();
        let model = FusedLasso::new(lambda).edge_weights(e.clone()).circular();
        let fit = model.fit(Series::new(&y).weights(&w)).unwrap();
        close(fit.x(), graph.x(), 1e-9);
        prop_assert!((fit.objective() - graph.objective()).abs() <= 1e-9 * (1.0 + graph.objective()));
        prop_assert!(fit.certificate().gap() <= 1e-12 * (1.0 + fit.objective()), "{}", fit.certificate().gap());
        prop_assert!(violation(&y, &w, &e, lambda, fit.x()) <= 1e-11);
        // From lambda_max on there is one level on every piece between cuts, below it more.
        let top = model.lambda_max(Series::new(&y).weights(&w)).unwrap();
        prop_assert_eq!(top, fit.lambda_max());
        let at = |lambda: f64| {
            let fit = FusedLasso::new(lambda).edge_weights(e.clone()).circular().fit(Series::new(&y).weights(&w)).unwrap();
            assert!(fit.certificate().gap() <= 1e-12 * (1.0 + fit.objective()), "{}", fit.certificate().gap());
            fit.segments().len()
        };
        prop_assert_eq!(at(top), 1);
        prop_assert!(at(top * (1.0 - 1e-9)) > 1);
    }

    /// Turning the ring turns the result, to the bit, with gaps at any place.
    #[test]
    fn no_value_is_the_first(
        n in 3_usize..40, lambda in 0.0_f64..2.0, by in 0_usize..40, gaps in 0.0_f64..0.7, seed in 0_u64..100_000,
    ) {
        let (by, mut rng) = (by % n, Rng::new(seed));
        let mut y = normal(n, seed + 1);
        for v in &mut y {
            if rng.uniform::<f64>() < gaps {
                *v = f64::NAN;
            }
        }
        y[n / 2] = 1.0;
        let w: Vec<f64> = (0..n).map(|_| 0.5 + rng.uniform::<f64>()).collect();
        // Ties among the edges of a gap, too.
        let e: Vec<f64> = (0..n).map(|_| 1.0 + (2.0 * rng.uniform::<f64>()).floor()).collect();
        for sparse in [0.0, 0.2] {
            let fit = |by: usize| {
                let (y, w) = (turned(&y, by), turned(&w, by));
                let model = FusedLasso::new(lambda).lambda_sparse(sparse).edge_weights(turned(&e, by)).circular();
                model.fit(Series::new(&y).weights(&w)).unwrap()
            };
            let (a, b) = (fit(0), fit(by));
            prop_assert_eq!(turned(a.x(), by), b.x());
            prop_assert!(a.certificate().gap() <= 1e-12 * (1.0 + a.objective()), "{}", a.certificate().gap());
            prop_assert!((a.objective() - b.objective()).abs() <= 1e-12 * (1.0 + a.objective()));
            prop_assert_eq!(a.segments().len(), b.segments().len());
        }
    }

    /// Nearby points are no better, with a sparse term and unequal weights.
    #[test]
    fn the_sparse_term_is_certified(n in 1_usize..20, lambda in 0.0_f64..2.0, sparse in 0.01_f64..2.0, seed in 0_u64..100_000) {
        let mut rng = Rng::new(seed);
        let y = normal(n, seed + 1);
        let w: Vec<f64> = (0..n).map(|_| 0.2 + rng.uniform::<f64>()).collect();
        let fit = FusedLasso::new(lambda).lambda_sparse(sparse).circular().fit(Series::new(&y).weights(&w)).unwrap();
        let objective = |x: &[f64]| {
            let jumps: f64 = (0..n).map(|i| (x[(i + 1) % n] - x[i]).abs()).sum();
            let values: f64 = (0..n).map(|i| 0.5 * w[i] * (y[i] - x[i]).powi(2) + sparse * x[i].abs()).sum();
            values + lambda * jumps
        };
        prop_assert!((fit.objective() - objective(fit.x())).abs() <= 1e-12 * (1.0 + fit.objective()));
        prop_assert!(fit.certificate().gap() <= 1e-12 * (1.0 + fit.objective()), "{}", fit.certificate().gap());
        for _ in 0..50 {
            let size = 10.0_f64.powf(-4.0 * rng.uniform::<f64>());
            let moved: Vec<f64> = fit.x().iter().map(|v| v + size * rng.normal::<f64>()).collect();
            prop_assert!(objective(&moved) >= fit.objective() * (1.0 - 1e-12));
        }
    }
}

#[test]
fn integer_weights_are_repeated_points() {
    let y = normal(30, 5);
    let times: Vec<usize> = (0..30).map(|i| 1 + i % 3).collect();
    let w: Vec<f64> = times.iter().map(|&t| t as f64).collect();
    let repeated: Vec<f64> = y.iter().zip(&times).flat_map(|(&v, &t)| vec![v; t]).collect();
    for lambda in [0.1, 0.7, 3.0] {
        let model = FusedLasso::new(lambda).circular();
        let (a, b) =
            (model.fit(Series::new(&y).weights(&w)).unwrap(), model.fit(Series::new(&repeated)).unwrap());
        let expanded: Vec<f64> = a.x().iter().zip(&times).flat_map(|(&v, &t)| vec![v; t]).collect();
        close(&expanded, b.x(), 1e-12);
        assert!((a.lambda_max() / b.lambda_max() - 1.0).abs() < 1e-14);
    }
}

#[test]
fn a_cut_ring_is_a_line() {
    let y = normal(25, 7);
    let e: Vec<f64> = (0..25).map(|i| f64::from(u8::from(i != 24))).collect();
    for lambda in [0.0, 0.5, 100.0] {
        let ring = FusedLasso::new(lambda).edge_weights(e.clone()).circular().fit(Series::new(&y)).unwrap();
        let line = FusedLasso::new(lambda).edge_weights(e[..24].to_vec()).fit(Series::new(&y)).unwrap();
        assert_eq!((ring.x(), ring.lambda_max()), (line.x(), line.lambda_max()));
        let (y, e) = (turned(&y, 9), turned(&e, 9));
        let away = FusedLasso::new(lambda).edge_weights(e).circular().fit(Series::new(&y)).unwrap();
        assert_eq!(away.x(), turned(line.x(), 9));
    }
}

#[test]
fn rings_at_the_ends_of_the_range() {
    let model = |lambda: f64| FusedLasso::new(lambda).circular();
    // One value is its own neighbour; two are neighbours twice.
    for lambda in [0.0, 0.7, 1e9] {
        let fit = model(lambda).fit(Series::new(&[-3.5])).unwrap();
        assert_eq!((fit.x(), fit.lambda_max(), fit.objective()), (&[-3.5][..], 0.0, 0.0));
        let fit = model(lambda).edge_weights(vec![2.0]).fit(Series::new(&[-3.5])).unwrap();
        assert_eq!(fit.x(), [-3.5]);
    }
    let fit = model(0.5).fit(Series::new(&[0.0, 4.0])).unwrap();
    assert_eq!((fit.x(), fit.lambda_max()), (&[1.0, 3.0][..], 1.0));
    let fit = model(0.25).fit(Series::new(&[0.0, 0.0, 3.0])).unwrap();
    assert_eq!((fit.x(), fit.lambda_max()), (&[0.25, 0.25, 2.5][..], 1.0));
    // Constants stay, and lie at every lambda's end.
    let fit = model(0.1).fit(Series::new(&[0.1; 7])).unwrap();
    assert_eq!((fit.x(), fit.lambda_max(), fit.segments().len()), (&[0.1; 7][..], 0.0, 1));
    assert_eq!(fit.segments()[0].range, 0..7);
    // Ties of either wall.
    let comb = [0.0, 1.0, 0.0, 1.0, 0.0, 1.0];
    for lambda in [0.0, 0.1, 0.25, 0.3] {
        let fit = model(lambda).fit(Series::new(&comb)).unwrap();
        let l = f64::min(2.0 * lambda, 0.5);
        close(fit.x(), &[l, 1.0 - l, l, 1.0 - l, l, 1.0 - l], 1e-15);
    }
    // A gap across the seam goes with the value before it; one observed value is everything.
    let fit = model(0.1).fit(Series::new(&[f64::NAN, 1.0, 1.0, 3.0, 3.0, f64::NAN])).unwrap();
    close(fit.x(), &[2.9, 1.1, 1.1, 2.9, 2.9, 2.9], 1e-15);
    assert_eq!(fit.segments()[1].range, 3..7);
    for lambda in [0.0, 1.0] {
        let fit = model(lambda).fit(Series::new(&[f64::NAN, f64::NAN, 5.0, f64::NAN])).unwrap();
        assert_eq!((fit.x(), fit.lambda_max()), (&[5.0; 4][..], 0.0));
    }
    // Misuse is named.
    assert!(model(1.0).fit(Series::new(&[])).is_err());
    assert!(model(1.0).fit(Series::new(&[f64::NAN])).is_err());
    let short = model(1.0).edge_weights(vec![1.0; 2]).fit(Series::new(&[1.0; 3])).unwrap_err();
    assert!(short.to_string().contains("edge_weights"), "{short}");
    let merged = MergeJumps::new().fit(Series::new(&comb), &model(0.1).fit(Series::new(&comb)).unwrap());
    assert!(merged.unwrap_err().to_string().contains("circular"));
}

#[test]
fn scales_of_values_and_weights() {
    let (y, w) = (normal(50, 9), vec![1.0; 50]);
    let plain = FusedLasso::new(0.4).circular().fit(Series::new(&y)).unwrap();
    for s in [1e-12, 1e12] {
        let (ys, ws): (Vec<f64>, Vec<f64>) = y.iter().zip(&w).map(|(y, w)| (s * y, s * w)).unzip();
        let a = FusedLasso::new(0.4 * s).circular().fit(Series::new(&ys)).unwrap();
        let b = FusedLasso::new(0.4 * s).circular().fit(Series::new(&y).weights(&ws)).unwrap();
        close(a.x(), &plain.x().iter().map(|v| s * v).collect::<Vec<_>>(), 1e-13 * s);
        close(b.x(), plain.x(), 1e-13);
        assert!(
            a.certificate().gap() <= 1e-12 * a.objective() && b.certificate().gap() <= 1e-12 * b.objective()
        );
    }
    let far: Vec<f64> = y.iter().map(|v| v + 1e8).collect();
    let fit = FusedLasso::new(0.4).circular().fit(Series::new(&far)).unwrap();
    close(fit.x(), &plain.x().iter().map(|v| v + 1e8).collect::<Vec<_>>(), 1e-7);
}

fn both_precisions<T: Scalar>(n: usize, tol: f64) {
    let y: Vec<T> = normal(n, 11)
        .iter()
        .enumerate()
        .map(|(i, v)| T::of(v + (7.0 * i as f64 / n as f64).floor()))
        .collect();
    let fit = FusedLasso::new(T::of(3.0)).circular().fit(Series::new(&y)).unwrap();
    assert!(fit.certificate().gap().as_f64() <= tol * fit.objective().as_f64(), "{:?}", fit.certificate());
    let by = n / 3;
    let again = FusedLasso::new(T::of(3.0)).circular().fit(Series::new(&turned(&y, by))).unwrap();
    let worst =
        turned(fit.x(), by).iter().zip(again.x()).fold(0.0, |m: f64, (a, b)| m.max((*a - *b).abs().as_f64()));
    assert!(worst <= 10.0 * tol, "{worst}");
}

/// Long enough to be solved as two halves.
#[test]
fn long_rings_in_both_precisions() {
    both_precisions::<f64>(70_000, 1e-12);
    both_precisions::<f32>(70_000, 1e-5);
    both_precisions::<f32>(50, 1e-5);
}
