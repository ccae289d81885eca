//! Group and graph fused lasso: reference solutions, independent certificates, equivalences.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use spm_linalg::testing::Rng;
use spm_timeseries::{FusedLasso, GraphFused, GroupTrend, Series, TrendFilter, trend_lambda_max};

fn normal(n: usize, seed: u64) -> Vec<f64> {
    let mut rng = Rng::new(seed);
    (0..n).map(|_| rng.normal::<f64>()).collect()
}

/// Objective and bound of the graph problem from its definition, at a dual variable that is checked for feasibility.
fn certify(
    y: &[f64],
    w: &[f64],
    edges: &[(usize, usize)],
    c: &[f64],
    lambda: f64,
    x: &[f64],
    u: &[f64],
) -> (f64, f64) {
    let mut back = vec![0.0; y.len()];
    let mut primal = 0.0;
    for (e, &(a, b)) in edges.iter().enumerate() {
        assert!(u[e].abs() <= lambda * c[e] * (1.0 + 1e-12), "edge {e}: {} {}", u[e], lambda * c[e]);
        back[a] -= u[e];
        back[b] += u[e];
        primal += lambda * c[e] * (x[a] - x[b]).abs();
    }
    let mut dual = 0.0;
    for i in 0..y.len() {
        primal += 0.5 * w[i] * (y[i] - x[i]).powi(2);
        dual += back[i] * y[i] - 0.5 * back[i] * back[i] / w[i];
    }
    (primal, dual)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(80))]
    #[test]
    fn any_graph_is_solved_with_a_certificate(
        n in 1_usize..30, density in 0.0_f64..3.0, lambda in 0.0_f64..3.0, seed in 0_u64..10_000,
    ) {
        let mut rng = Rng::new(seed);
        let pick = |rng: &mut Rng| ((rng.uniform::<f64>() * n as f64) as usize).min(n - 1);
        let edges: Vec<(usize, usize)> = (0..(density * n as f64) as usize)
            .map(|_| (pick(&mut rng), pick(&mut rng)))
            .filter(|(a, b)| a != b)
            .collect();
        let c: Vec<f64> = edges.iter().map(|_| rng.uniform::<f64>() * 2.0).collect();
        let w: Vec<f64> = (0..n).map(|_| 0.2 + rng.uniform::<f64>()).collect();
        let y: Vec<f64> = (0..n).map(|_| 3.0 * rng.normal::<f64>() + 100.0).collect();
        let fit = GraphFused::new(lambda).edge_weights(c.clone()).weights(w.clone()).fit(&y, &edges).unwrap();
        let (primal, dual) = certify(&y, &w, &edges, &c, lambda, fit.x(), fit.dual());
        prop_assert!(primal - dual <= 1e-9 * (1.0 + primal), "{primal} {dual}");
        prop_assert!((fit.objective() - primal).abs() <= 1e-9 * (1.0 + primal));
        prop_assert!(fit.certificate().gap() <= 1e-9 * (1.0 + primal));
    }
}

#[test]
fn a_path_is_the_fused_lasso() {
    let y: Vec<f64> =
        normal(300, 1).iter().enumerate().map(|(i, v)| v + f64::from((i / 60 % 2) as u8) * 3.0).collect();
    let path: Vec<(usize, usize)> =
        (0..299).map(|i| if i % 3 == 0 { (i + 1, i) } else { (i, i + 1) }).collect();
    for lambda in [0.0, 0.3, 2.0, 20.0, 1e4] {
        let line = FusedLasso::new(lambda).fit(Series::new(&y)).unwrap();
        let graph = GraphFused::new(lambda).fit(&y, &path).unwrap();
        for (a, b) in line.x().iter().zip(graph.x()) {
            assert!((a - b).abs() < 1e-10, "lambda {lambda}: {a} {b}");
        }
        let pieces = |x: &[f64]| x.windows(2).filter(|p| p[0] != p[1]).count();
        assert_eq!(pieces(line.x()), pieces(graph.x()), "lambda {lambda}");
    }
}

#[test]
fn graphs_at_the_ends_of_the_range() {
    let edges = [(0, 1), (2, 3)];
    let y = [1.0_f64, 3.0, 10.0, 20.0];
    // Two pieces that no edge joins have their own means.
    assert_eq!(GraphFused::new(1e9).fit(&y, &edges).unwrap().x(), [2.0, 2.0, 15.0, 15.0]);
    let same = GraphFused::new(0.0).fit(&y, &edges).unwrap();
    assert!(same.x().iter().zip(&y).all(|(a, b)| (a - b).abs() < 1e-13));
    assert_eq!(GraphFused::new(1.0).fit(&[5.0], &[]).unwrap().x(), [5.0]);
    assert!(
        GraphFused::new(1.0).fit(&[1.0_f32, 1.0, 4.0], &[(0, 1), (1, 2)]).unwrap().certificate().gap() < 1e-6
    );
    assert!(GraphFused::new(1.0).fit(&y, &[(0, 4)]).is_err());
    assert!(GraphFused::new(1.0).fit(&y, &[(1, 1)]).is_err());
    assert!(GraphFused::new(-1.0).fit(&y, &edges).is_err());
    assert!(GraphFused::new(f64::NAN).fit(&y, &edges).is_err());
    assert!(GraphFused::<f64>::new(1.0).fit(&[], &[]).is_err());
    assert!(GraphFused::new(1.0).fit(&[1.0, f64::NAN], &[]).is_err());
    assert!(GraphFused::new(1.0).weights(vec![0.0; 4]).fit(&y, &edges).is_err());
    assert!(GraphFused::new(1.0).edge_weights(vec![1.0]).fit(&y, &edges).is_err());
    for scale in [1e-12, 1e12] {
        let z: Vec<f64> = normal(50, 2).iter().map(|v| v * scale).collect();
        let ring: Vec<(usize, usize)> = (0..50).map(|i| (i, (i + 1) % 50)).collect();
        let fit = GraphFused::new(0.7 * scale).fit(&z, &ring).unwrap();
        assert!(fit.certificate().gap() <= 1e-10 * fit.objective());
    }
}

#[test]
fn one_channel_is_the_trend_filter() {
    for order in 0..=2 {
        let y: Vec<f64> =
            normal(80, 3).iter().enumerate().map(|(i, v)| v + (i as f64 / 9.0).sin() * 4.0).collect();
        let lambda = [2.0, 6.0, 15.0][order];
        let one = TrendFilter::new(order, lambda).fit(Series::new(&y)).unwrap();
        let group = GroupTrend::new(order, lambda).tol(1e-9).fit(Series::new(&y), 1).unwrap();
        assert!(group.status().is_converged(), "order {order}: gap {}", group.certificate().gap());
        assert!((one.objective() - group.objective()).abs() <= 1e-7 * one.objective(), "order {order}");
        // A second channel without data changes nothing; channels that are equal share their knots.
        let pair: Vec<f64> = y.iter().flat_map(|v| [*v, 0.0]).collect();
        let two = GroupTrend::new(order, lambda).tol(1e-9).fit(Series::new(&pair), 2).unwrap();
        assert!((two.objective() - one.objective()).abs() <= 1e-7 * one.objective(), "order {order}");
        let twice: Vec<f64> = y.iter().flat_map(|v| [*v, *v]).collect();
        let both =
            GroupTrend::new(order, lambda * 2.0_f64.sqrt()).tol(1e-9).fit(Series::new(&twice), 2).unwrap();
        assert!((both.objective() - 2.0 * one.objective()).abs() <= 1e-7 * one.objective(), "order {order}");
    }
}

/// Weights, missing values and uneven times: of one channel the trend filter, whose solver has nothing in common with this one.
#[test]
fn one_channel_with_weights_gaps_and_uneven_times_is_the_trend_filter() {
    let mut rng = Rng::new(9);
    let w: Vec<f64> = (0..70).map(|_| 0.2 + 2.0 * rng.uniform::<f64>()).collect();
    let mut t = vec![-3.0];
    (1..70).for_each(|i| t.push(t[i - 1] + 0.3 + rng.uniform::<f64>()));
    let mut y: Vec<f64> =
        t.iter().map(|t| 4.0 * (t / 5.0).sin() + 0.5 * rng.normal::<f64>() + 40.0).collect();
    [0, 13, 14, 15, 40, 69].iter().for_each(|&i| y[i] = f64::NAN);
    for order in 0..=2 {
        let series = Series::new(&y).weights(&w).positions(&t);
        let lambda = 0.03 * trend_lambda_max(series, order).unwrap();
        let one = TrendFilter::new(order, lambda).fit(series).unwrap();
        let group = GroupTrend::new(order, lambda).tol(1e-9).fit(series, 1).unwrap();
        assert!(group.status().is_converged(), "order {order}: gap {}", group.certificate().gap());
        assert!((one.objective() / group.objective() - 1.0).abs() < 1e-6, "order {order}");
        assert!((one.lambda_max() / group.lambda_max() - 1.0).abs() < 1e-9, "order {order}");
        // Within a gap the place of a knot can be free.
        for i in (0..70).filter(|&i| !y[i].is_nan()) {
            assert!(
                (one.x()[i] - group.x()[i]).abs() < 0.02,
                "order {order}, {i}: {} {}",
                one.x()[i],
                group.x()[i]
            );
        }
        // In other units.
        let (far, late): (Vec<f64>, Vec<f64>) =
            (y.iter().map(|v| v * 1e12).collect(), t.iter().map(|t| t * 1e-3).collect());
        let scaled = Series::new(&far).weights(&w).positions(&late);
        let other = GroupTrend::new(order, lambda * 1e12 * 1e-3_f64.powi(order as i32))
            .tol(1e-9)
            .fit(scaled, 1)
            .unwrap();
        assert!((other.objective() / group.objective() / 1e24 - 1.0).abs() < 1e-6, "order {order}");
    }
}

/// Values missing in one channel only: almost what a weight of almost nothing gives, and lower bounds that hold.
#[test]
fn channels_with_gaps_of_their_own() {
    let mut rng = Rng::new(10);
    let mut y: Vec<f64> = (0..60)
        .flat_map(|i| [f64::from((i - 30_i32).abs()), f64::from((i - 30_i32).abs()) * -0.5 + 7.0])
        .map(|v| v + rng.normal::<f64>())
        .collect();
    for order in 0..=2 {
        let complete = y.clone();
        (10..22).for_each(|i| y[2 * i + 1] = f64::NAN);
        y[0] = f64::NAN;
        let w: Vec<f64> = y.iter().map(|v| if v.is_nan() { 1e-7 } else { 1.0 }).collect();
        let model = GroupTrend::new(order, [3.0, 20.0, 60.0][order]).tol(1e-8);
        let gaps = model.fit(Series::new(&y), 2).unwrap();
        let light = model.fit(Series::new(&complete).weights(&w), 2).unwrap();
        assert!(gaps.status().is_converged() && !gaps.knots().is_empty(), "order {order}: {gaps:?}");
        assert!((gaps.objective() / light.objective() - 1.0).abs() < 1e-4, "order {order}");
        let rough = model.clone().tol(1e-2).fit(Series::new(&y), 2).unwrap();
        assert!(rough.certificate().dual <= gaps.objective() * (1.0 + 1e-12), "order {order}");
        assert!(rough.objective() >= gaps.certificate().dual * (1.0 - 1e-12), "order {order}");
        let top = model.lambda_max(Series::new(&y), 2).unwrap();
        let knots = |share: f64| {
            GroupTrend::new(order, share * top).tol(1e-7).fit(Series::new(&y), 2).unwrap().knots().len()
        };
        assert!(knots(0.9) > 0 && knots(1.0) == 0, "order {order}");
        // What is missing in every channel is as if it were not there.
        if order < 2 {
            let rows = |f: &dyn Fn(usize) -> bool| -> Vec<f64> {
                (0..60).filter(|i| f(*i)).map(|i| i as f64).collect()
            };
            let keep = |i: usize| !(25..31).contains(&i);
            let t = rows(&keep);
            let short: Vec<f64> =
                t.iter().flat_map(|&i| [complete[2 * i as usize], complete[2 * i as usize + 1]]).collect();
            let long: Vec<f64> = (0..120).map(|k| if keep(k / 2) { complete[k] } else { f64::NAN }).collect();
            let a = model.fit(Series::new(&short).positions(&t), 2).unwrap();
            let b = model.fit(Series::new(&long), 2).unwrap();
            assert!((a.objective() / b.objective() - 1.0).abs() < 1e-6, "order {order}");
        }
        y = complete;
    }
}

#[test]
fn groups_at_the_ends_of_the_range() {
    let y = normal(40, 4);
    let same = GroupTrend::new(1, 0.0).fit(Series::new(&y), 2).unwrap();
    assert_eq!((same.x(), same.certificate().gap(), same.knots().len()), (&y[..], 0.0, 18));
    let flat = GroupTrend::new(0, 1e6).fit(Series::new(&y), 2).unwrap();
    assert!(flat.knots().is_empty() && flat.status().is_converged());
    for n in 1..=3 {
        let fit = GroupTrend::new(2, 1.0).fit(Series::new(&y[..2 * n]), 2).unwrap();
        assert!(fit.x().iter().zip(&y).all(|(a, b)| (a - b).abs() < 1e-12) && fit.knots().is_empty());
    }
    let single: Vec<f32> = y.iter().map(|v| *v as f32).collect();
    assert!(GroupTrend::new(0, 1.0_f32).fit(Series::new(&single), 4).unwrap().status().is_converged());
    assert!(GroupTrend::new(0, 1.0).fit(Series::new(&y), 3).is_err());
    assert!(GroupTrend::new(0, 1.0).fit(Series::new(&y), 0).is_err());
    assert!(GroupTrend::new(9, 1.0).fit(Series::new(&y), 2).is_err());
    assert!(GroupTrend::new(0, f64::NAN).fit(Series::new(&y), 2).is_err());
    // The second channel has no value, or too few for its degree, or times that stand still.
    assert!(GroupTrend::new(0, 1.0).fit(Series::new(&[1.0, f64::NAN]), 2).is_err());
    let few = [1.0, 1.0, 2.0, f64::NAN, 3.0, f64::NAN, 4.0, 2.0];
    assert!(GroupTrend::new(2, 1.0).fit(Series::new(&few), 2).is_err());
    assert!(GroupTrend::new(1, 1.0).fit(Series::new(&few), 2).is_ok());
    assert!(GroupTrend::new(0, 1.0).fit(Series::new(&few).positions(&[0.0, 1.0, 1.0, 2.0]), 2).is_err());
    assert!(GroupTrend::new(0, 1.0).fit(Series::new(&few).weights(&[1.0; 4]), 2).is_err());
    assert!(GroupTrend::new(0, 1.0).fit(Series::new(&[1.0, f64::INFINITY]), 1).is_err());
    assert!(GroupTrend::<f64>::new(0, 1.0).fit(Series::new(&[]), 1).is_err());
    assert_eq!(
        GroupTrend::new(2, 5.0).max_iter(3).fit(Series::new(&y), 1).unwrap().status().as_str(),
        "max_iterations"
    );
}
