//! Every function of the catalogue obeys the laws, in both precisions.

use spm_linalg::testing::{
    check_group, check_prox, check_separable, check_smooth, functions, group_functions, separable_functions,
    smooth_functions, try_check_precisions,
};
use spm_linalg::{Scalar, SeparableProx, Workspace};

fn obey<T: Scalar>() {
    for (_, g, n) in functions::<T>() {
        check_prox(g.as_ref(), n);
    }
    for (_, g, n) in separable_functions::<T>() {
        check_separable(g.as_ref(), n);
    }
    for (_, g, n) in group_functions::<T>() {
        check_group(g.as_ref(), n);
    }
    for (_, f) in smooth_functions::<T>() {
        check_smooth(f.as_ref());
    }
}

#[test]
fn all_functions_obey_the_laws_in_double_precision() {
    obey::<f64>();
}

#[test]
fn all_functions_obey_the_laws_in_single_precision() {
    obey::<f32>();
}

#[test]
fn both_precisions_agree() {
    for ((name, g, n), (other, h, _)) in functions::<f32>().into_iter().zip(functions::<f64>()) {
        assert_eq!(name, other);
        // A prox that jumps may fall on either side of the jump.
        if g.facts().convex {
            try_check_precisions(g.as_ref(), h.as_ref(), n).unwrap_or_else(|e| panic!("{name}: {e}"));
        }
    }
}

/// A dual point just outside the domain by rounding would make a duality gap infinite.
fn dual_points_are_feasible<T: Scalar>() {
    let mut rng = spm_linalg::testing::Rng::new(5);
    for (name, g, n) in functions::<T>() {
        // Without an own projection the rounding of Moreau's identity is that of the entries.
        let by_moreau = ["PrecomposeDiagonal", "Bounded", "Tv1d"].contains(&name);
        if !g.facts().convex || by_moreau {
            continue;
        }
        for scale in [1e-2, 1.0, 1e3] {
            for step in [0.3, 1.0, 7.0] {
                let x: Vec<T> = (0..n).map(|_| T::of(scale) * rng.normal::<T>()).collect();
                let mut u = vec![T::nan(); n];
                let returned =
                    g.prox_conj_into(&x, T::of(step), &mut u, Workspace::new(g.scratch_conj(n)).stack());
                assert!(returned.is_finite(), "{name}: {g:?}");
                if let Some(value) = g.conj_value(&u, Workspace::new(g.scratch(n)).stack()) {
                    assert!(value.is_finite(), "{name}: {g:?} at {x:?} gives {u:?}, step {step}");
                }
            }
        }
    }
}

#[test]
fn dual_projections_stay_in_the_domain() {
    dual_points_are_feasible::<f64>();
    dual_points_are_feasible::<f32>();
}

/// Norms know no scale: at 1e12, 1e-12 or further from 1 the prox is the same picture.
fn scale_free<T: Scalar>(far: f64) {
    let mut rng = spm_linalg::testing::Rng::new(11);
    for (name, g, n) in functions::<T>() {
        if !g.facts().positively_homogeneous || name == "Tilted" {
            continue;
        }
        let x: Vec<T> = (0..n).map(|_| T::of(2.0) * rng.normal::<T>()).collect();
        let run = |a: T| {
            let scaled: Vec<T> = x.iter().map(|&v| a * v).collect();
            let mut out = vec![T::nan(); n];
            let value = g.prox_into(&scaled, a, &mut out, Workspace::new(g.scratch(n)).stack());
            (out.iter().map(|&v| v / a).collect::<Vec<T>>(), value / a)
        };
        let (p, value) = run(T::one());
        for a in [1e12, 1e-12, far, far.recip()].map(T::of) {
            let (q, other) = run(a);
            let off = p.iter().zip(&q).map(|(&p, &q)| (p - q).abs()).fold(T::zero(), T::max);
            let bound = T::of(1e3) * T::epsilon();
            assert!(
                off <= bound && (other - value).abs() <= bound,
                "{name}: {g:?} at {a:e}: {q:?} for {p:?}"
            );
            let polar = |u: &[T]| g.polar(u, Workspace::new(g.scratch(n)).stack());
            if let (Some(one), Some(all)) = (polar(&x), polar(&x.iter().map(|&v| a * v).collect::<Vec<T>>()))
            {
                let same = all / a == one || (all / a - one).abs() <= bound * one;
                assert!(same, "{name}: {g:?} at {a:e}: polar {all:e} for {one:e}");
            }
        }
    }
}

#[test]
fn extreme_scales_are_ordinary() {
    scale_free::<f64>(1e150);
    scale_free::<f32>(1e18);
}

/// A NaN must not look like an optimum: it shows in the prox, and no dual value, polar or distance hides it.
fn nan_stays_visible<T: Scalar>() {
    for (name, g, n) in functions::<T>() {
        for j in 0..n {
            let mut x: Vec<T> = (0..n).map(|i| T::of(0.3 * (i as f64 + 1.0))).collect();
            x[j] = T::nan();
            let prox = |x: &[T]| {
                let mut p = vec![T::zero(); n];
                g.prox_into(x, T::one(), &mut p, Workspace::new(g.scratch(n)).stack());
                p
            };
            let prox_conj = |x: &[T]| {
                let mut u = vec![T::zero(); n];
                g.prox_conj_into(x, T::one(), &mut u, Workspace::new(g.scratch_conj(n)).stack());
                u
            };
            // A projection onto a single point sees nothing of its input.
            let shows = |map: &dyn Fn(&[T]) -> Vec<T>| {
                let constant = map(&vec![T::of(9.0); n]) == map(&vec![T::of(-9.0); n]);
                constant || map(&x).iter().any(|v| v.is_nan())
            };
            assert!(shows(&prox), "{name}: {g:?} hides a NaN: {:?}", prox(&x));
            let convex = g.facts().convex;
            assert!(!convex || shows(&prox_conj), "{name}: {g:?} hides a NaN: {:?}", prox_conj(&x));
            let conj = g.conj_value(&x, Workspace::new(g.scratch(n)).stack());
            assert!(conj.is_none_or(|v| v.is_nan() || v == T::infinity()), "{name}: {g:?} conj {conj:?}");
            let polar = g.polar(&x, Workspace::new(g.scratch(n)).stack());
            assert!(polar.is_none_or(|v| v.is_nan() || v == T::infinity()), "{name}: {g:?} polar {polar:?}");
        }
    }
    for (name, g, n) in separable_functions::<T>() {
        for j in 0..n {
            for w in [T::zero(), T::one(), -T::one()] {
                let distance = g.subdiff_distance_at(j, w, T::nan());
                assert!(distance.is_nan() || distance == T::infinity(), "{name}: {g:?} at {w}: {distance}");
            }
            assert!(g.prox_at(j, T::nan(), T::one()).is_nan(), "{name}: {g:?}");
        }
    }
    for (name, g, n) in group_functions::<T>() {
        for k in 0..g.n_groups() {
            let grad = vec![T::nan(); g.group(k).len()];
            for w in [T::zero(), T::one()] {
                let distance = g.subdiff_distance_group(k, &vec![w; grad.len()], &grad);
                assert!(distance.is_nan(), "{name} of length {n}: {g:?} at {w}: {distance}");
            }
        }
    }
}

#[test]
fn a_nan_stays_visible() {
    nan_stays_visible::<f64>();
    nan_stays_visible::<f32>();
}

/// A reference or box is the function itself: no method falls back to its default.
#[test]
fn references_and_boxes_forward_everything() {
    let mut known = 0;
    for (name, g, n) in separable_functions::<f64>() {
        let by_reference: &dyn SeparableProx<f64> = &&*g;
        for j in 0..n {
            assert_eq!(by_reference.expansion_at(j, 0.7), g.expansion_at(j, 0.7), "{name}");
            known += usize::from(by_reference.expansion_at(j, 0.7).is_some());
        }
    }
    assert!(known > 0);
}

#[test]
fn empty_vectors_are_accepted() {
    for (name, g, _) in functions::<f64>() {
        if g.dim().is_none() && !name.contains("Simplex") && !format!("{g:?}").contains("Simplex") {
            let value = g.prox_into(&[], 1.0, &mut [], Workspace::new(g.scratch(0)).stack());
            assert_eq!(value, 0.0, "{name}");
            g.prox_conj_into(&[], 1.0, &mut [], Workspace::new(g.scratch_conj(0)).stack());
        }
    }
}
