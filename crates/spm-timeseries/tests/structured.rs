//! Group and graph fused lasso: reference solutions, independent certificates, equivalences.
#![allow(clippy::unwrap_used, missing_docs)]

use proptest::prelude::*;
use spm_linalg::testing::Rng;
use spm_timeseries::{FusedLasso, GraphFused, GroupTrend, Series, TrendFilter};

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
        let group = GroupTrend::new(order, lambda).tol(1e-9).fit(&y, 1).unwrap();
        assert!(group.status().is_converged(), "order {order}: gap {}", group.certificate().gap());
        assert!((one.objective() - group.objective()).abs() <= 1e-7 * one.objective(), "order {order}");
        // A second channel without data changes nothing; channels that are equal share their knots.
        let pair: Vec<f64> = y.iter().flat_map(|v| [*v, 0.0]).collect();
        let two = GroupTrend::new(order, lambda).tol(1e-9).fit(&pair, 2).unwrap();
        assert!((two.objective() - one.objective()).abs() <= 1e-7 * one.objective(), "order {order}");
        let twice: Vec<f64> = y.iter().flat_map(|v| [*v, *v]).collect();
        let both = GroupTrend::new(order, lambda * 2.0_f64.sqrt()).tol(1e-9).fit(&twice, 2).unwrap();
        assert!((both.objective() - 2.0 * one.objective()).abs() <= 1e-7 * one.objective(), "order {order}");
    }
}

#[test]
fn groups_at_the_ends_of_the_range() {
    let y = normal(40, 4);
    let same = GroupTrend::new(1, 0.0).fit(&y, 2).unwrap();
    assert_eq!((same.x(), same.certificate().gap(), same.knots().len()), (&y[..], 0.0, 18));
    let flat = GroupTrend::new(0, 1e6).fit(&y, 2).unwrap();
    assert!(flat.knots().is_empty() && flat.status().is_converged());
    for n in 1..=3 {
        let fit = GroupTrend::new(2, 1.0).fit(&y[..2 * n], 2).unwrap();
        assert!(fit.x().iter().zip(&y).all(|(a, b)| (a - b).abs() < 1e-12) && fit.knots().is_empty());
    }
    let single: Vec<f32> = y.iter().map(|v| *v as f32).collect();
    assert!(GroupTrend::new(0, 1.0_f32).fit(&single, 4).unwrap().status().is_converged());
    assert!(GroupTrend::new(0, 1.0).fit(&y, 3).is_err());
    assert!(GroupTrend::new(0, 1.0).fit(&y, 0).is_err());
    assert!(GroupTrend::new(9, 1.0).fit(&y, 2).is_err());
    assert!(GroupTrend::new(0, f64::NAN).fit(&y, 2).is_err());
    assert!(GroupTrend::new(0, 1.0).fit(&[1.0, f64::NAN], 1).is_err());
    assert!(GroupTrend::<f64>::new(0, 1.0).fit(&[], 1).is_err());
    assert_eq!(GroupTrend::new(2, 5.0).max_iter(3).fit(&y, 1).unwrap().status().as_str(), "max_iterations");
}
