//! Laws of functions with a proximal operator.

use std::panic::{AssertUnwindSafe, catch_unwind};

use faer::dyn_stack::MemBuffer;

use super::{LawViolation, Rng};
use crate::vecops::{dot, norm, sq_dist, sq_norm};
use crate::{MemStack, Prox, Scalar, StackReq};

/// The steps at which every law is tried.
pub(super) const STEPS: [f64; 4] = [0.23, 0.7, 1.0, 3.1];

/// Panics unless `g` obeys every law of a function with a proximal operator on vectors of length `n`.
///
/// See [`try_check_prox`] for the list.
///
/// # Panics
/// With the law and the numbers of the first violation.
///
/// ```
/// spm_linalg::testing::check_prox(&spm_linalg::penalty::L1::new(0.5)?, 7);
/// # Ok::<(), spm_linalg::LinalgError>(())
/// ```
#[track_caller]
pub fn check_prox<T: Scalar>(g: &dyn Prox<T>, n: usize) {
    if let Err(violation) = try_check_prox(g, n) {
        panic!("{g:?}: {violation}");
    }
}

/// Tries to refute what `g` claims, on random vectors of length `n` at three scales and four steps.
///
/// | law | statement |
/// |---|---|
/// | dimension | `dim()` is `n` if fixed |
/// | scratch | a call on exactly the declared bytes, filled with rubbish, does not panic |
/// | output | the output is overwritten, never read, and the same for the same input |
/// | value | the number returned is `value(out)`, finite |
/// | minimiser | no perturbation, no other point of the domain has a smaller prox objective |
/// | firmly nonexpansive | if convex |
/// | convexity | if convex, no midpoint lies above its chord |
/// | indicator | if an indicator: value 0, idempotent, independent of the step |
/// | separability | if separable, an entry of the output depends on the same entry of the input alone |
/// | homogeneity | if positively homogeneous: value and prox scale |
/// | moreau | if convex, `prox_conj_into` is Moreau's identity |
/// | conjugate | `conj_value` obeys the Fenchel-Young inequality, with equality at subgradients |
/// | polar | if known: a gauge, bounds `⟨u, x⟩ / g(x)`, is attained, and is 1 on the boundary of the dual ball |
///
/// # Errors
/// The first violation found.
pub fn try_check_prox<T: Scalar>(g: &dyn Prox<T>, n: usize) -> Result<(), LawViolation> {
    if let Some(d) = g.dim() {
        ensure(d == n, "dimension", || format!("dim() is {d}, checked with n = {n}"))?;
    }
    let lab = Lab::new(g, n);
    let points = lab.points();
    for (k, x) in points.iter().enumerate() {
        for step in STEPS {
            let step = T::of(step);
            lab.minimiser(x, step, k as u64)?;
            lab.conjugate(x, step)?;
        }
    }
    lab.pairs(&points)?;
    lab.young(&points)?;
    lab.separability(&points)
}

pub(super) fn ensure(
    ok: bool,
    law: &'static str,
    detail: impl FnOnce() -> String,
) -> Result<(), LawViolation> {
    if ok { Ok(()) } else { Err(LawViolation { law, detail: detail() }) }
}

/// Calls `f` on a stack of exactly `req` bytes, all ones (NaN, seen as a float).
fn on_exact_scratch<R>(req: StackReq, f: impl FnOnce(&mut MemStack) -> R) -> Result<R, LawViolation> {
    let mut buffer = MemBuffer::new(req);
    for byte in buffer.iter_mut() {
        byte.write(0xff);
    }
    catch_unwind(AssertUnwindSafe(|| f(MemStack::new(&mut buffer)))).map_err(|cause| LawViolation {
        law: "scratch",
        detail: format!(
            "panic on the declared {} bytes: {}",
            req.size_bytes(),
            cause
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| cause.downcast_ref::<&str>().copied())
                .unwrap_or("not enough memory")
        ),
    })
}

/// A function under test.
pub(super) struct Lab<'a, T: Scalar> {
    g: &'a dyn Prox<T>,
    n: usize,
    /// Relative rounding allowed.
    pub(super) tol: T,
}

impl<'a, T: Scalar> Lab<'a, T> {
    pub(super) fn new(g: &'a dyn Prox<T>, n: usize) -> Self {
        Self { g, n, tol: T::of(2e3) * T::epsilon() * T::of_usize(n + 4) }
    }

    /// Zero, a constant, alternating signs and random vectors at three scales.
    pub(super) fn points(&self) -> Vec<Vec<T>> {
        let mut rng = Rng::new(17);
        let mut points = vec![vec![T::zero(); self.n], vec![T::of(1.5); self.n]];
        points.push((0..self.n).map(|i| if i % 2 == 0 { T::of(2.0) } else { T::of(-2.0) }).collect());
        for scale in [0.1, 1.0, 1.0, 10.0, 10.0] {
            points.push((0..self.n).map(|_| T::of(scale) * rng.normal::<T>()).collect());
        }
        points
    }

    pub(super) fn prox(&self, x: &[T], step: T) -> Result<(Vec<T>, T), LawViolation> {
        self.overwrites("prox_into", self.g.scratch(self.n), |out, stack| {
            self.g.prox_into(x, step, out, stack)
        })
    }

    fn prox_conj(&self, x: &[T], step: T) -> Result<(Vec<T>, T), LawViolation> {
        self.overwrites("prox_conj_into", self.g.scratch_conj(self.n), |out, stack| {
            self.g.prox_conj_into(x, step, out, stack)
        })
    }

    fn conj_value(&self, u: &[T]) -> Result<Option<T>, LawViolation> {
        on_exact_scratch(self.g.scratch(self.n), |stack| self.g.conj_value(u, stack))
    }

    fn polar(&self, u: &[T]) -> Result<Option<T>, LawViolation> {
        on_exact_scratch(self.g.scratch(self.n), |stack| self.g.polar(u, stack))
    }

    /// Runs `f` on outputs full of NaN and full of a large number: the results must be the same.
    fn overwrites(
        &self,
        what: &str,
        req: StackReq,
        f: impl Fn(&mut [T], &mut MemStack) -> T,
    ) -> Result<(Vec<T>, T), LawViolation> {
        let mut out = vec![T::nan(); self.n];
        let value = on_exact_scratch(req, |stack| f(&mut out, stack))?;
        let mut again = vec![T::of(1e3); self.n];
        let value_again = on_exact_scratch(req, |stack| f(&mut again, stack))?;
        ensure(out.iter().all(|v| v.is_finite()), "output", || {
            format!("{what} left or made a NaN or an infinity: {out:?}")
        })?;
        ensure(out == again && (value == value_again || value.is_nan()), "output", || {
            format!("{what} reads its output or is not deterministic: {out:?} and {again:?}")
        })?;
        Ok((out, value))
    }

    /// `g(z) + ‖z − x‖²/(2 step)`.
    fn objective(&self, z: &[T], x: &[T], step: T) -> T {
        self.g.value(z) + T::of(0.5) * sq_dist(z, x) / step
    }

    fn minimiser(&self, x: &[T], step: T, seed: u64) -> Result<(), LawViolation> {
        let facts = self.g.facts();
        let (p, returned) = self.prox(x, step)?;
        let value = self.g.value(&p);
        let size = T::one() + value.abs() + sq_norm(x) / step + norm(x);
        ensure(value.is_finite() && (returned - value).abs() <= self.tol * size, "value", || {
            format!("prox_into returned {returned:e} and value(out) is {value:e} at step {step}")
        })?;
        let best = self.objective(&p, x, step);
        let beaten = |z: &[T], who: &str| {
            let other = self.objective(z, x, step);
            ensure(other >= best - self.tol * size, "minimiser", || {
                format!("{who} has the objective {other:e} < {best:e} at step {step}: {z:?} for {p:?}")
            })
        };
        let mut rng = Rng::new(seed);
        let mut z = vec![T::zero(); self.n];
        for radius in [1e-3, 1e-2, 0.1, 1.0, 5.0] {
            for _ in 0..6 {
                for (z, &p) in z.iter_mut().zip(&p) {
                    *z = p + T::of(radius) * rng.normal::<T>();
                }
                beaten(&z, "a random neighbour")?;
                // A neighbour inside the domain, whatever that is.
                let (inside, _) = self.prox(&z, step)?;
                beaten(&inside, "a point of the domain")?;
            }
        }
        for a in [0.0, 0.5, 0.9, 0.999, 1.001, 1.1, 2.0] {
            let a = T::of(a);
            beaten(&p.iter().map(|&v| a * v).collect::<Vec<_>>(), "a multiple")?;
            beaten(
                &p.iter().zip(x).map(|(&p, &x)| p + (a - T::one()) * (x - p)).collect::<Vec<_>>(),
                "a point towards the input",
            )?;
        }
        for j in 0..self.n {
            for v in [T::zero(), x[j], p[j] + T::of(0.01), p[j] - T::of(0.01)] {
                z.copy_from_slice(&p);
                z[j] = v;
                beaten(&z, "a change of one entry")?;
            }
        }
        if facts.indicator {
            let (again, _) = self.prox(&p, step)?;
            let (other, _) = self.prox(x, T::of(2.0) * step)?;
            let bound = self.tol * (T::one() + norm(x));
            ensure(value == T::zero() && returned == T::zero(), "indicator", || {
                format!("value {value:e}, returned {returned:e} at a projected point")
            })?;
            ensure(sq_dist(&again, &p).sqrt() <= bound, "indicator", || {
                format!("not idempotent: {again:?} from {p:?}")
            })?;
            ensure(sq_dist(&other, &p).sqrt() <= bound, "indicator", || {
                format!("depends on the step: {other:?} and {p:?}")
            })?;
        }
        if facts.positively_homogeneous {
            let a = T::of(2.5);
            let scaled: Vec<T> = x.iter().map(|&v| a * v).collect();
            let (q, _) = self.prox(&scaled, a * step)?;
            let far = p.iter().zip(&q).map(|(&p, &q)| (a * p - q).abs()).fold(T::zero(), T::max);
            ensure(far <= self.tol * (T::one() + norm(x)), "homogeneity", || {
                format!("prox of {a}x at step {a}·{step} is {q:?}, {a} times {p:?} expected")
            })?;
            let stretched: Vec<T> = p.iter().map(|&v| a * v).collect();
            let (left, right) = (self.g.value(&stretched), a * value);
            ensure((left - right).abs() <= self.tol * size, "homogeneity", || {
                format!("g({a}p) = {left:e}, {a}·g(p) = {right:e}")
            })?;
        }
        Ok(())
    }

    fn conjugate(&self, x: &[T], step: T) -> Result<(), LawViolation> {
        if !self.g.facts().convex {
            return Ok(());
        }
        let scaled: Vec<T> = x.iter().map(|&v| v / step).collect();
        let (p, g_p) = self.prox(&scaled, step.recip())?;
        let (u, returned) = self.prox_conj(x, step)?;
        let size = T::one() + norm(x);
        for ((&u, &p), &x) in u.iter().zip(&p).zip(x) {
            let expected = x - step * p;
            ensure((u - expected).abs() <= self.tol * size, "moreau", || {
                format!("prox of the conjugate has {u:e}, Moreau's identity {expected:e} at step {step}")
            })?;
        }
        // u is a subgradient of g at p: Fenchel-Young holds with equality.
        let expected = dot(&u, &p) - g_p;
        let size = size + norm(&u) * norm(&p) + g_p.abs();
        ensure((returned - expected).abs() <= self.tol * size, "conjugate", || {
            format!("prox_conj_into returned {returned:e}, Fenchel's equality gives {expected:e}")
        })?;
        if let Some(value) = self.conj_near(&u)? {
            let bound = (self.tol + T::epsilon().sqrt()) * size;
            ensure((value - expected).abs() <= bound, "conjugate", || {
                format!("conj_value is {value:e}, Fenchel's equality gives {expected:e} at {u:?}")
            })?;
        }
        if let Some(polar) = self.polar(&u)? {
            let bound = self.tol * size;
            ensure(polar <= T::one() + bound, "polar", || {
                format!("polar is {polar:e} > 1 at the subgradient {u:?}")
            })?;
            // ⟨u, p⟩ = g(p): the supremum in the polar is attained at p, so that it is at least 1.
            if g_p > T::of(0.01) && polar.is_finite() {
                ensure(polar >= T::one() - bound / g_p, "polar", || {
                    format!("polar is {polar:e} < 1 at a boundary point {u:?}")
                })?;
            }
        }
        Ok(())
    }

    /// `conj_value` at `u`, or just inside where `u` is outside the domain by rounding.
    fn conj_near(&self, u: &[T]) -> Result<Option<T>, LawViolation> {
        match self.conj_value(u)? {
            Some(value) if !value.is_finite() => {}
            value => return Ok(value),
        }
        // The domain of the conjugate is convex: the mean of subgradients is inside it.
        let mut inner = vec![T::zero(); self.n];
        let starts = [0.3, -0.3, 2.0, -2.0];
        for v in starts {
            let (w, _) = self.prox_conj(&vec![T::of(v); self.n], T::one())?;
            for (i, &w) in inner.iter_mut().zip(&w) {
                *i += w / T::of(starts.len() as f64);
            }
        }
        let eta = T::epsilon().sqrt() * T::of(0.1);
        let nudged: Vec<T> = u.iter().zip(&inner).map(|(&u, &i)| u + eta * (i - u)).collect();
        self.conj_value(&nudged)
    }

    fn pairs(&self, points: &[Vec<T>]) -> Result<(), LawViolation> {
        let facts = self.g.facts();
        if !facts.convex {
            return Ok(());
        }
        for (i, x) in points.iter().enumerate() {
            let near: Vec<T> =
                x.iter().enumerate().map(|(k, &v)| v + T::of(1e-2) * T::of((k as f64).cos())).collect();
            for y in points[..i].iter().chain([&near]) {
                for step in STEPS {
                    let step = T::of(step);
                    let ((p, gp), (q, gq)) = (self.prox(x, step)?, self.prox(y, step)?);
                    let dp: Vec<T> = p.iter().zip(&q).map(|(&a, &b)| a - b).collect();
                    let dx: Vec<T> = x.iter().zip(y).map(|(&a, &b)| a - b).collect();
                    let (inner, sq) = (dot(&dp, &dx), sq_norm(&dp));
                    let size = T::one() + sq_norm(x) + sq_norm(y) + sq_norm(&p) + sq_norm(&q);
                    ensure(inner >= sq - self.tol * size, "firmly nonexpansive", || {
                        format!("⟨p − q, x − y⟩ = {inner:e} < ‖p − q‖² = {sq:e} at step {step}: {x:?}, {y:?}")
                    })?;
                    let half = T::of(0.5);
                    let middle: Vec<T> = p.iter().zip(&q).map(|(&a, &b)| half * (a + b)).collect();
                    let (above, chord) = (self.g.value(&middle), half * (gp + gq));
                    ensure(above <= chord + self.tol * (size + chord.abs()), "convexity", || {
                        format!("value {above:e} at the midpoint of {p:?} and {q:?}, whose mean is {chord:e}")
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Fenchel-Young and polar inequalities at unrelated points, and the polar as a gauge.
    fn young(&self, points: &[Vec<T>]) -> Result<(), LawViolation> {
        let facts = self.g.facts();
        for u in points {
            let conj = self.conj_value(u)?;
            let polar = self.polar(u)?;
            ensure(polar.is_none() || facts.positively_homogeneous, "polar", || {
                "known although the function does not declare positive homogeneity".into()
            })?;
            for x in points {
                let (p, value) = self.prox(x, T::one())?;
                let inner = dot(u, &p);
                let size = T::one() + norm(u) * norm(&p) + value.abs();
                if let Some(conj) = conj {
                    ensure(conj >= inner - value - self.tol * size, "conjugate", || {
                        format!("conj_value {conj:e} < ⟨u, x⟩ − g(x) = {:e} at u = {u:?}", inner - value)
                    })?;
                }
                if let Some(polar) = polar {
                    let bound = if value == T::zero() { T::zero() } else { polar * value };
                    ensure(inner <= bound + self.tol * size || polar == T::infinity(), "polar", || {
                        format!("⟨u, x⟩ = {inner:e} > polar(u)·g(x) = {bound:e} at u = {u:?}")
                    })?;
                }
            }
            if let Some(polar) = polar {
                self.gauge(u, polar)?;
            }
        }
        Ok(())
    }

    fn gauge(&self, u: &[T], polar: T) -> Result<(), LawViolation> {
        let a = T::of(2.5);
        let scaled: Vec<T> = u.iter().map(|&v| a * v).collect();
        let stretched = self.polar(&scaled)?.unwrap_or_else(T::nan);
        ensure(
            polar >= T::zero()
                && (stretched == a * polar || (stretched - a * polar).abs() <= self.tol * stretched),
            "polar",
            || format!("polar({a}u) = {stretched:e}, {a}·polar(u) = {:e}", a * polar),
        )?;
        if !(polar > T::zero() && polar.is_finite()) {
            return Ok(());
        }
        // Divided by the polar a dual point is feasible; a little further out it is not.
        for (factor, feasible) in [(T::one() - T::epsilon().sqrt(), true), (T::of(1.01), false)] {
            let v: Vec<T> = u.iter().map(|&v| v * (factor / polar)).collect();
            if let Some(conj) = self.conj_value(&v)? {
                ensure((conj == T::zero()) == feasible, "polar", || {
                    format!("conj_value is {conj:e} at {factor}·u/polar(u), polar {polar:e}")
                })?;
            }
        }
        Ok(())
    }

    fn separability(&self, points: &[Vec<T>]) -> Result<(), LawViolation> {
        if !self.g.facts().separable {
            return Ok(());
        }
        for x in points {
            let (p, _) = self.prox(x, T::one())?;
            for j in 0..self.n {
                let mut y = x.clone();
                y[j] += T::of(1.7);
                let (q, _) = self.prox(&y, T::one())?;
                let others = (0..self.n).filter(|&i| i != j).all(|i| p[i] == q[i]);
                ensure(others, "separability", || format!("entry {j} changes others: {p:?} and {q:?}"))?;
            }
        }
        Ok(())
    }
}

/// Tries to refute that the same function built in both precisions gives the same prox, to single precision.
///
/// # Errors
/// A violation of the law `precision`.
pub fn try_check_precisions(g32: &dyn Prox<f32>, g64: &dyn Prox<f64>, n: usize) -> Result<(), LawViolation> {
    let single = Lab::new(g32, n);
    let double = Lab::new(g64, n);
    for x in single.points() {
        let x64: Vec<f64> = x.iter().map(|&v| f64::from(v)).collect();
        for step in STEPS {
            let (p, value) = single.prox(&x, step as f32)?;
            let (q, expected) = double.prox(&x64, f64::from(step as f32))?;
            let size = 1.0 + norm(&x64) + expected.abs();
            let far = p.iter().zip(&q).map(|(&p, &q)| (f64::from(p) - q).abs()).fold(0.0, f64::max);
            let bound = 1e-5 * size * (n + 4) as f64;
            ensure(far <= bound && (f64::from(value) - expected).abs() <= bound, "precision", || {
                format!("{p:?}, value {value:e} in single, {q:?}, value {expected:e} in double precision")
            })?;
        }
    }
    Ok(())
}
