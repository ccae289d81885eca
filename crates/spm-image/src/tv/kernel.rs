//! One row at a time: the fused passes over an image that the primal-dual iteration is made of.
//!
//! Rows hold their channels one after the other (`channels·width` values), so that a band of rows is one slice. The
//! dual variable `z` is in units of λ: its pixels lie in the unit ball, and inside it the projection multiplies by
//! exactly 1.

use spm_linalg::Scalar;
use spm_linalg::vecops;

use super::Coupling;

/// Shape of the image and the norm of its pixels' gradients.
#[derive(Debug, Clone, Copy)]
pub(super) struct Geometry {
    pub(super) height: usize,
    pub(super) width: usize,
    pub(super) channels: usize,
    pub(super) coupling: Coupling,
}

impl Geometry {
    /// Values in a row.
    pub(super) fn row(&self) -> usize {
        self.channels * self.width
    }

    /// The coupling that decides the arithmetic: vectorial is isotropic for one channel.
    fn effective(&self) -> Coupling {
        match self.coupling {
            Coupling::Vectorial if self.channels == 1 => Coupling::Isotropic,
            c => c,
        }
    }
}

/// `1/√max(s, 1)`: what scales a vector of squared norm `s` into the unit ball.
#[inline(always)]
fn shrink<W: Scalar>(s: W) -> W {
    let s = if s > W::one() { s } else { W::one() };
    s.sqrt().recip()
}

#[inline(always)]
fn clip<W: Scalar>(v: W) -> W {
    let v = if v > W::one() { W::one() } else { v };
    if v < -W::one() { -W::one() } else { v }
}

/// `z ← P(z + step·∇x)` on one row; `below` is the next row of `x` (the row itself at the bottom: no difference).
/// `norm` is scratch of `width` values.
#[inline(always)]
pub(super) fn dual_row<W: Scalar>(
    g: &Geometry,
    step: W,
    x: &[W],
    below: &[W],
    v: &mut [W],
    h: &mut [W],
    norm: &mut [W],
) {
    let w = g.width;
    let channels =
        x.chunks_exact(w).zip(below.chunks_exact(w)).zip(v.chunks_exact_mut(w).zip(h.chunks_exact_mut(w)));
    let coupling = g.effective();
    if coupling == Coupling::Vectorial {
        norm.fill(W::zero());
    }
    for ((x, below), (v, h)) in channels {
        // Every slice of one length: the bounds checks go and the loop is vectorised.
        let last = w - 1;
        let (x0, x1) = (&x[..last], &x[1..w]);
        let (b0, v0, h0, n0) = (&below[..last], &mut v[..last], &mut h[..last], &mut norm[..last]);
        match coupling {
            Coupling::Isotropic => {
                for j in 0..last {
                    let a = v0[j] + step * (b0[j] - x0[j]);
                    let b = h0[j] + step * (x1[j] - x0[j]);
                    let s = shrink(a * a + b * b);
                    v0[j] = a * s;
                    h0[j] = b * s;
                }
            }
            Coupling::Anisotropic => {
                for j in 0..last {
                    v0[j] = clip(v0[j] + step * (b0[j] - x0[j]));
                    h0[j] = clip(h0[j] + step * (x1[j] - x0[j]));
                }
            }
            Coupling::Vectorial => {
                for j in 0..last {
                    let a = v0[j] + step * (b0[j] - x0[j]);
                    let b = h0[j] + step * (x1[j] - x0[j]);
                    v0[j] = a;
                    h0[j] = b;
                    n0[j] += a * a + b * b;
                }
            }
        }
        // The last column has no horizontal difference.
        let a = v[last] + step * (below[last] - x[last]);
        if coupling == Coupling::Vectorial {
            v[last] = a;
            norm[last] += a * a;
        } else {
            v[last] = clip(a);
        }
    }
    if coupling == Coupling::Vectorial {
        for s in norm[..w].iter_mut() {
            *s = shrink(*s);
        }
        for (v, h) in v.chunks_exact_mut(w).zip(h.chunks_exact_mut(w)) {
            for ((v, h), &s) in v.iter_mut().zip(h).zip(&norm[..w]) {
                *v *= s;
                *h *= s;
            }
        }
    }
}

/// The steps of one iteration of the primal update.
#[derive(Debug, Clone, Copy)]
pub(super) struct PrimalStep<W> {
    pub(super) tau: W,
    pub(super) theta: W,
    pub(super) lambda: W,
}

/// `x ← (x + τ(b − λ∇ᵀz)) / (1 + τ)` and `x̄ ← x + θ(x − x_old)` on one row; `above` is the row of `v` before.
#[inline(always)]
pub(super) fn primal_row<W: Scalar>(
    g: &Geometry,
    s: PrimalStep<W>,
    b: &[W],
    above: &[W],
    v: &[W],
    h: &[W],
    x: &mut [W],
    xbar: &mut [W],
) {
    let w = g.width;
    let inv = (W::one() + s.tau).recip();
    let (tb, tl) = (s.tau * inv, s.tau * inv * s.lambda);
    for c in 0..g.channels {
        let at = c * w..(c + 1) * w;
        let (b, above, v, h) = (&b[at.clone()], &above[at.clone()], &v[at.clone()], &h[at.clone()]);
        let (x, xbar) = (&mut x[at.clone()], &mut xbar[at]);
        let new = inv * x[0] + tb * b[0] - tl * (above[0] - v[0] - h[0]);
        xbar[0] = new + s.theta * (new - x[0]);
        x[0] = new;
        let n = w - 1;
        let (b, above, v, h0, h1) = (&b[1..w], &above[1..w], &v[1..w], &h[..n], &h[1..w]);
        let (x, xbar) = (&mut x[1..w], &mut xbar[1..w]);
        for j in 0..n {
            let div = (above[j] - v[j]) + (h0[j] - h1[j]);
            let old = x[j];
            let new = inv * old + tb * b[j] - tl * div;
            xbar[j] = new + s.theta * (new - old);
            x[j] = new;
        }
    }
}

/// The duality gap and the primal objective of one row, summed; `scratch` holds `4·width` values.
///
/// The gap is `½‖x − (b − λ∇ᵀz)‖² + λ Σ (|∇x| − ⟨z, ∇x⟩)`, a sum of terms that are all `>= 0`: nothing cancels.
#[inline(always)]
pub(super) fn gap_row<W: Scalar>(
    g: &Geometry,
    lambda: W,
    b: &[W],
    x: &[W],
    below: &[W],
    above: &[W],
    v: &[W],
    h: &[W],
    scratch: &mut [W],
) -> (f64, f64) {
    let w = g.width;
    let half = W::of(0.5);
    let coupling = g.effective();
    let (gap, rest) = scratch[..4 * w].split_at_mut(w);
    let (objective, rest) = rest.split_at_mut(w);
    let (norm, inner) = rest.split_at_mut(w);
    gap.fill(W::zero());
    objective.fill(W::zero());
    norm.fill(W::zero());
    inner.fill(W::zero());
    for c in 0..g.channels {
        let at = c * w..(c + 1) * w;
        let (b, x, below) = (&b[at.clone()], &x[at.clone()], &below[at.clone()]);
        let (above, v, h) = (&above[at.clone()], &v[at.clone()], &h[at]);
        for j in 0..w {
            let left = if j > 0 { h[j - 1] } else { W::zero() };
            let residual = x[j] - b[j];
            let off = residual + lambda * ((above[j] - v[j]) + (left - h[j]));
            gap[j] += half * off * off;
            objective[j] += half * residual * residual;
        }
        for j in 0..w {
            let dv = below[j] - x[j];
            let dh = if j + 1 < w { x[j + 1] - x[j] } else { W::zero() };
            inner[j] += v[j] * dv + h[j] * dh;
            norm[j] += match coupling {
                Coupling::Isotropic => (dv * dv + dh * dh).sqrt(),
                Coupling::Anisotropic => dv.abs() + dh.abs(),
                Coupling::Vectorial => dv * dv + dh * dh,
            };
        }
    }
    for j in 0..w {
        let n = if coupling == Coupling::Vectorial { norm[j].sqrt() } else { norm[j] };
        let slack = n - inner[j];
        gap[j] += lambda * if slack > W::zero() { slack } else { W::zero() };
        objective[j] += lambda * n;
    }
    (vecops::sum(gap).as_f64(), vecops::sum(objective).as_f64())
}
