//! Laws of functions with a coordinate form or a group form.

use super::LawViolation;
use super::prox::{Lab, STEPS, ensure};
use crate::vecops::{norm, sq_dist};
use crate::{GroupProx, Scalar, SeparableProx};

/// Panics unless the coordinate form of `g` agrees with its vector form on vectors of length `n`; see
/// [`try_check_separable`].
///
/// # Panics
/// With the law and the numbers of the first violation.
#[track_caller]
pub fn check_separable<T: Scalar>(g: &dyn SeparableProx<T>, n: usize) {
    if let Err(violation) = try_check_separable(g, n) {
        panic!("{g:?}: {violation}");
    }
}

/// Tries to refute that the coordinate form of `g` agrees with its vector form.
///
/// | law | statement |
/// |---|---|
/// | facts | separability is declared |
/// | coordinates | values add up and prox entries agree |
/// | subdifferential | the distance is 0 at prox points with the slope `(p − x)/step`; if convex it grows at least as `1/step` times the distance from them |
///
/// # Errors
/// The first violation found.
pub fn try_check_separable<T: Scalar>(g: &dyn SeparableProx<T>, n: usize) -> Result<(), LawViolation> {
    let facts = g.facts();
    ensure(facts.separable, "facts", || "SeparableProx without the separable fact".into())?;
    let lab = Lab::new(&g, n);
    for x in lab.points() {
        for step in STEPS {
            let step = T::of(step);
            let (p, value) = lab.prox(&x, step)?;
            let sum: T = p.iter().enumerate().map(|(j, &v)| g.value_at(j, v)).sum();
            let size = T::one() + value.abs() + norm(&x);
            ensure((sum - value).abs() <= lab.tol * size, "coordinates", || {
                format!("values add up to {sum:e}, not {value:e}")
            })?;
            for (j, (&p, &x)) in p.iter().zip(&x).enumerate() {
                let at = g.prox_at(j, x, step);
                ensure((at - p).abs() <= lab.tol * size, "coordinates", || {
                    format!("prox_at({j}) is {at:e}, the vector form has {p:e}")
                })?;
                let distance = g.subdiff_distance_at(j, p, (p - x) / step);
                ensure(distance <= lab.tol * size * (T::one() + step.recip()), "subdifferential", || {
                    format!("distance {distance:e} at the prox point {p:e} of {x:e}, step {step}")
                })?;
                if let Some((slope, curvature)) = g.expansion_at(j, p) {
                    let distance = g.subdiff_distance_at(j, p, -slope);
                    ensure(distance <= lab.tol * (T::one() + slope.abs()), "expansion", || {
                        format!("slope {slope:e} at {p:e} is {distance:e} off the subdifferential")
                    })?;
                    let w = p + p * T::of(1e-3);
                    // Unless the curvature jumps in between.
                    if let Some((there, beyond)) = g.expansion_at(j, w)
                        && (beyond - curvature).abs() <= T::of(0.1) * curvature.abs()
                    {
                        let change = there - slope;
                        let expected = curvature * (w - p);
                        let slack = T::of(0.01) * expected.abs() + lab.tol * (T::one() + slope.abs());
                        ensure((change - expected).abs() <= slack, "expansion", || {
                            format!(
                                "the slope at {p:e} changes by {change:e}, the curvature says {expected:e}"
                            )
                        })?;
                    }
                }
                for off in [-0.7, -0.1, 0.1, 0.7] {
                    let w = p + T::of(off);
                    let distance = g.subdiff_distance_at(j, w, (w - x) / step);
                    let least = T::of(off).abs() / step;
                    let grown = distance >= least * (T::one() - lab.tol) - lab.tol * size / step;
                    ensure(!facts.convex || grown, "subdifferential", || {
                        format!(
                            "distance {distance:e} < {least:e} at {off} from the prox point {p:e}, step {step}"
                        )
                    })?;
                }
            }
        }
    }
    Ok(())
}

/// Panics unless the group form of `g` agrees with its vector form on vectors of length `n`; see
/// [`try_check_group`].
///
/// # Panics
/// With the law and the numbers of the first violation.
#[track_caller]
pub fn check_group<T: Scalar>(g: &dyn GroupProx<T>, n: usize) {
    if let Err(violation) = try_check_group(g, n) {
        panic!("{g:?}: {violation}");
    }
}

/// Tries to refute that the group form of `g` agrees with its vector form.
///
/// | law | statement |
/// |---|---|
/// | groups | they cover `0..n` in order |
/// | coordinates | values add up and prox blocks agree, outputs overwritten |
/// | subdifferential | the distance is 0 at prox points with the slope `(p − x)/step`; if convex it grows at least as `1/step` times the distance from them |
///
/// # Errors
/// The first violation found.
pub fn try_check_group<T: Scalar>(g: &dyn GroupProx<T>, n: usize) -> Result<(), LawViolation> {
    let convex = g.facts().convex;
    let lab = Lab::new(&g, n);
    let mut end = 0;
    for k in 0..g.n_groups() {
        let range = g.group(k);
        ensure(range.start == end, "groups", || {
            format!("group {k} is {range:?}, expected to start at {end}")
        })?;
        end = range.end;
    }
    ensure(end == n, "groups", || format!("they end at {end}, not at {n}"))?;
    for x in lab.points() {
        for step in STEPS {
            let step = T::of(step);
            let (p, value) = lab.prox(&x, step)?;
            let size = T::one() + value.abs() + norm(&x);
            let mut sum = T::zero();
            for k in 0..g.n_groups() {
                let range = g.group(k);
                let (x, p) = (&x[range.clone()], &p[range]);
                let mut out = vec![T::nan(); x.len()];
                sum += g.prox_group_into(k, x, step, &mut out);
                let far = sq_dist(&out, p).sqrt();
                ensure(far <= lab.tol * size, "coordinates", || {
                    format!("group {k} has the prox {out:?}, the vector form {p:?}")
                })?;
                let slope = |w: &[T]| w.iter().zip(x).map(|(&w, &x)| (w - x) / step).collect::<Vec<T>>();
                let distance = g.subdiff_distance_group(k, p, &slope(p));
                ensure(distance <= lab.tol * size * (T::one() + step.recip()), "subdifferential", || {
                    format!("distance {distance:e} at the prox point {p:?} of {x:?}, step {step}")
                })?;
                for off in [-0.7, 0.1] {
                    let w: Vec<T> = p.iter().map(|&v| v + T::of(off)).collect();
                    let distance = g.subdiff_distance_group(k, &w, &slope(&w));
                    let least = sq_dist(&w, p).sqrt() / step;
                    let grown = distance >= least * (T::one() - lab.tol) - lab.tol * size / step;
                    ensure(!convex || grown, "subdifferential", || {
                        format!("distance {distance:e} < {least:e} at {off} from the prox point {p:?}")
                    })?;
                }
            }
            ensure((sum - value).abs() <= lab.tol * size, "coordinates", || {
                format!("values add up to {sum:e}, not {value:e}")
            })?;
        }
    }
    Ok(())
}
