//! Slow and obvious twins of the clever kernels, and equivalences between functions.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use spm_linalg::calculus::{Bounded, Conjugate, MoreauEnvelope, PrecomposeTightFrame, Translated};
use spm_linalg::penalty::{
    ElasticNet, GroupL2, Huber, L1, L2, L21, Linf, Mcp, NonNegL1, Nuclear, Scad, Slope, SparseGroup,
    WeightedL1,
};
use spm_linalg::set::{Affine, Bounds, Cardinality, L1Ball, NonNeg, Simplex};
use spm_linalg::{Dense, Prox, SeparableProx, Smooth, Workspace};

fn prox(g: &dyn Prox<f64>, x: &[f64], step: f64) -> Vec<f64> {
    let mut out = vec![f64::NAN; x.len()];
    g.prox_into(x, step, &mut out, Workspace::new(g.scratch(x.len())).stack());
    out
}

fn polar(g: &dyn Prox<f64>, u: &[f64]) -> f64 {
    g.polar(u, Workspace::new(g.scratch(u.len())).stack()).unwrap()
}

fn close(a: &[f64], b: &[f64], tol: f64) -> bool {
    a.len() == b.len() && a.iter().zip(b).all(|(a, b)| (a - b).abs() <= tol)
}

/// The root of a decreasing function by bisection.
fn bisect(mut lo: f64, mut hi: f64, f: impl Fn(f64) -> f64) -> f64 {
    for _ in 0..200 {
        let mid = 0.5 * (lo + hi);
        if f(mid) > 0.0 { lo = mid } else { hi = mid }
    }
    0.5 * (lo + hi)
}

fn simplex_twin(x: &[f64], r: f64) -> Vec<f64> {
    let top = x.iter().copied().fold(f64::MIN, f64::max);
    let cut = bisect(top - r, top, |t| x.iter().map(|v| (v - t).max(0.0)).sum::<f64>() - r);
    x.iter().map(|v| (v - cut).max(0.0)).collect()
}

fn l1_ball_twin(x: &[f64], r: f64) -> Vec<f64> {
    let sizes: Vec<f64> = x.iter().map(|v| v.abs()).collect();
    if sizes.iter().sum::<f64>() <= r {
        return x.to_vec();
    }
    simplex_twin(&sizes, r).iter().zip(x).map(|(p, v)| p * v.signum()).collect()
}

/// Decreasing regression by the min-max formula over all intervals.
fn slope_twin(x: &[f64], w: &[f64], step: f64) -> Vec<f64> {
    let mut order: Vec<usize> = (0..x.len()).collect();
    order.sort_by(|&i, &j| x[j].abs().total_cmp(&x[i].abs()));
    let z: Vec<f64> = order.iter().zip(w).map(|(&i, w)| x[i].abs() - step * w).collect();
    let mean = |a: usize, b: usize| z[a..=b].iter().sum::<f64>() / (b - a + 1) as f64;
    let mut out = vec![0.0; x.len()];
    for (k, &i) in order.iter().enumerate() {
        let largest = |a: usize| (k..z.len()).map(|b| mean(a, b)).fold(f64::MIN, f64::max);
        let level = (0..=k).map(largest).fold(f64::MAX, f64::min);
        out[i] = level.max(0.0) * x[i].signum();
    }
    out
}

/// Singular value thresholding by one-sided Jacobi rotations of the columns.
fn nuclear_twin(x: &[f64], m: usize, n: usize, t: f64) -> Vec<f64> {
    let mut a: Vec<Vec<f64>> = x.chunks(m).map(<[f64]>::to_vec).collect();
    let mut v: Vec<Vec<f64>> =
        (0..n).map(|j| (0..n).map(|i| f64::from(u8::from(i == j))).collect()).collect();
    let dot = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(a, b)| a * b).sum::<f64>();
    for _ in 0..60 {
        for p in 0..n {
            for q in p + 1..n {
                let angle = 0.5 * (2.0 * dot(&a[p], &a[q])).atan2(dot(&a[p], &a[p]) - dot(&a[q], &a[q]));
                let (s, c) = angle.sin_cos();
                for cols in [&mut a, &mut v] {
                    for i in 0..cols[p].len() {
                        let (x, y) = (cols[p][i], cols[q][i]);
                        (cols[p][i], cols[q][i]) = (c * x + s * y, c * y - s * x);
                    }
                }
            }
        }
    }
    let mut out = vec![0.0; m * n];
    for (a, v) in a.iter().zip(&v) {
        let sigma = dot(a, a).sqrt();
        for j in 0..n {
            for i in 0..m {
                out[j * m + i] += if sigma > t { (sigma - t) / sigma * a[i] * v[j] } else { 0.0 };
            }
        }
    }
    out
}

fn vector(n: std::ops::Range<usize>) -> impl Strategy<Value = Vec<f64>> {
    // Quarters make ties common.
    prop::collection::vec(prop_oneof![(-20..20_i32).prop_map(|k| f64::from(k) / 4.0), -5.0..5.0_f64], n)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn simplex_and_balls_and_maximum_norm(x in vector(1..40), r in 0.01..30.0_f64) {
        prop_assert!(close(&prox(&Simplex::new(r).unwrap(), &x, 1.0), &simplex_twin(&x, r), 1e-12));
        let ball = l1_ball_twin(&x, r);
        prop_assert!(close(&prox(&L1Ball::new(r).unwrap(), &x, 1.0), &ball, 1e-12));
        let rest: Vec<f64> = x.iter().zip(&ball).map(|(x, p)| x - p).collect();
        prop_assert!(close(&prox(&Linf::new(0.5 * r).unwrap(), &x, 2.0), &rest, 1e-12));
    }

    #[test]
    fn slope_is_the_min_max_formula(x in vector(1..25), mut w in prop::collection::vec(0.0..3.0_f64, 25), step in 0.1..3.0_f64) {
        w.truncate(x.len());
        w.sort_by(|a, b| b.total_cmp(a));
        let g = Slope::new(w.clone()).unwrap();
        prop_assert!(close(&prox(&g, &x, step), &slope_twin(&x, &w, step), 1e-12));
    }

    #[test]
    fn nuclear_is_jacobi(x in vector(12..13), t in 0.0..4.0_f64) {
        for (m, n) in [(4, 3), (3, 4), (12, 1), (1, 12)] {
            let g = Nuclear::new(t, m, n).unwrap();
            prop_assert!(close(&prox(&g, &x, 1.0), &nuclear_twin(&x, m, n, t), 1e-9));
        }
    }

    #[test]
    fn cardinality_keeps_the_largest(x in vector(1..20), k in 0..20_usize) {
        let mut order: Vec<usize> = (0..x.len()).collect();
        order.sort_by(|&i, &j| x[j].abs().total_cmp(&x[i].abs()));
        let mut twin = vec![0.0; x.len()];
        for &i in order.iter().take(k) {
            twin[i] = x[i];
        }
        prop_assert_eq!(prox(&Cardinality::new(k), &x, 1.0), twin);
    }

    /// A grid of 200 001 points against the closed forms, at every relation of step and concavity.
    #[test]
    fn concave_penalties_are_globally_minimised(v in -6.0..6.0_f64, step in 0.05..6.0_f64, shape in 1.05..5.0_f64) {
        let mcp = Mcp::new(1.0, shape).unwrap();
        let scad = Scad::new(1.0, shape).unwrap();
        for g in [&mcp as &dyn SeparableProx<f64>, &scad] {
            let objective = |z: f64| g.value_at(0, z) + (z - v) * (z - v) / (2.0 * step);
            let best = (-2000..=2000).map(|k| objective(f64::from(k) * 0.0035)).fold(f64::MAX, f64::min);
            let p = g.prox_at(0, v, step);
            prop_assert!(objective(p) <= best + 1e-12, "{:?} {} {} {}", g, v, step, p);
        }
    }

    #[test]
    fn equivalences(x in vector(6..7), step in 0.1..3.0_f64) {
        let l1 = prox(&L1::new(0.7).unwrap(), &x, step);
        let same: [Box<dyn Prox<f64>>; 6] = [
            Box::new(WeightedL1::new(vec![0.7; 6]).unwrap()),
            Box::new(ElasticNet::new(0.7, 0.0).unwrap()),
            Box::new(GroupL2::new(0.7, &[1; 6], vec![1.0; 6]).unwrap()),
            Box::new(L21::new(0.7, 6, 1).unwrap()),
            Box::new(Slope::new(vec![0.7; 6]).unwrap()),
            Box::new(SparseGroup::new(0.7, GroupL2::sqrt_sizes(0.0, &[2, 4]).unwrap()).unwrap()),
        ];
        for g in &same {
            prop_assert!(close(&prox(g, &x, step), &l1, 1e-12), "{:?}", g);
            prop_assert!((polar(g, &x) - polar(&L1::new(0.7).unwrap(), &x)).abs() < 1e-12, "{:?}", g);
        }
        let l2 = prox(&L2::new(0.7).unwrap(), &x, step);
        let same: [Box<dyn Prox<f64>>; 4] = [
            Box::new(GroupL2::new(0.7, &[6], vec![1.0]).unwrap()),
            Box::new(L21::new(0.7, 1, 6).unwrap()),
            Box::new(Nuclear::new(0.7, 6, 1).unwrap()),
            Box::new(SparseGroup::new(0.0, GroupL2::new(0.7, &[6], vec![1.0]).unwrap()).unwrap()),
        ];
        for g in &same {
            prop_assert!(close(&prox(g, &x, step), &l2, 1e-12), "{:?}", g);
            prop_assert!((polar(g, &x) - polar(&L2::new(0.7).unwrap(), &x)).abs() < 1e-11, "{:?}", g);
        }
        let linf = prox(&Linf::new(0.7).unwrap(), &x, step);
        let mut first = vec![0.0; 6];
        first[0] = 0.7;
        prop_assert!(close(&prox(&Slope::new(first).unwrap(), &x, step), &linf, 1e-12));
        prop_assert!(close(&prox(&Conjugate::new(L1Ball::new(0.7).unwrap()).unwrap(), &x, step), &linf, 1e-12));
        let bounded = Bounded::new(L1::new(0.7).unwrap(), Bounds::uniform(0.0, f64::INFINITY).unwrap()).unwrap();
        let positive = NonNegL1::new(0.7).unwrap();
        prop_assert_eq!(prox(&bounded, &x, step), prox(&positive, &x, step));
        for (j, &v) in x.iter().enumerate() {
            for w in [0.0, 0.5, -0.5] {
                prop_assert_eq!(bounded.subdiff_distance_at(j, w, v), positive.subdiff_distance_at(j, w, v));
            }
        }
    }

    #[test]
    fn the_envelope_of_the_norm_is_huber(x in vector(5..6)) {
        let envelope = MoreauEnvelope::new(L1::new(0.8).unwrap(), 0.5, 5).unwrap();
        let value = Smooth::value(&envelope, &x, Workspace::new(envelope.scratch()).stack());
        prop_assert!((value - Huber::new(0.8, 0.4).unwrap().value(&x)).abs() < 1e-12);
    }
}

#[test]
fn known_points() {
    // A box as a box of another centre, a hyperplane as a frame.
    let moved = Translated::new(Bounds::uniform(-1.0, 1.0).unwrap(), vec![2.0, 0.0]).unwrap();
    assert_eq!(prox(&moved, &[0.0, 3.0], 1.0), [1.0, 1.0]);
    let row = Dense::from_column_major(&[3.0, 4.0], 1, 2).unwrap();
    let plane = Affine::new(row, &[25.0]).unwrap();
    assert!(close(&prox(&plane, &[0.0, 0.0], 1.0), &[3.0, 4.0], 1e-14));
    let frame = PrecomposeTightFrame::new(Bounds::uniform(25.0, 25.0).unwrap(), row, 25.0).unwrap();
    assert!(close(&prox(&frame, &[1.0, -2.0], 1.0), &prox(&plane, &[1.0, -2.0], 1.0), 1e-14));
    // Entries far above the radius: the sum stays accurate.
    let p = prox(&Simplex::new(1.0).unwrap(), &[1e12, 1e12 + 0.25, 1.0], 1.0);
    assert_eq!(p, [0.375, 0.625, 0.0]);
    assert_eq!(prox(&Linf::new(1.0).unwrap(), &[0.25, -0.5], 1.0), [0.0, 0.0]);
}

#[test]
fn bad_parameters_are_refused() {
    for bad in [-1.0, f64::NAN, f64::INFINITY] {
        assert!(L1::new(bad).is_err() && L2::new(bad).is_err() && Linf::new(bad).is_err());
        assert!(ElasticNet::new(0.1, bad).is_err() && NonNegL1::new(bad).is_err());
        assert!(WeightedL1::new(vec![0.1, bad]).is_err() && L21::new(bad, 2, 2).is_err());
        assert!(Huber::new(0.1, bad).is_err() && Mcp::new(0.1, bad).is_err() && Scad::new(0.1, bad).is_err());
        assert!(Simplex::new(bad).is_err() && L1Ball::new(bad).is_err());
        assert!(Translated::new(NonNeg, vec![f64::NAN]).is_err());
    }
    assert!(Scad::new(1.0, 1.0).is_err() && Simplex::new(0.0).is_err());
    assert!(Slope::new(vec![1.0, 2.0]).is_err());
    assert!(GroupL2::new(1.0, &[2, 0], vec![1.0, 1.0]).is_err());
    assert!(GroupL2::new(1.0, &[2], vec![1.0, 1.0]).is_err());
    assert!(Bounds::uniform(1.0, 0.0).is_err() && Bounds::uniform(f64::NAN, 0.0).is_err());
    let refused = Conjugate::new(Mcp::new(1.0, 2.0).unwrap()).unwrap_err();
    assert_eq!(refused.to_string(), "g must be a function that declares convexity");
    assert!(MoreauEnvelope::new(Mcp::new(1.0, 2.0).unwrap(), 1.0, 3).is_err());
    assert!(MoreauEnvelope::new(WeightedL1::new(vec![1.0]).unwrap(), 1.0, 3).is_err());
    let row = Dense::from_column_major(&[1.0, 1.0], 1, 2).unwrap();
    assert!(PrecomposeTightFrame::new(L1::new(1.0).unwrap(), row, 1.0).is_err());
    // x₁ + x₂ = 1 and x₁ + x₂ = 2.
    let twice = Dense::from_column_major(&[1.0; 4], 2, 2).unwrap();
    assert!(Affine::new(twice, &[1.0, 2.0]).is_err());
    assert_eq!(Affine::new(twice, &[1.0, 1.0]).unwrap().rank(), 1);
}
