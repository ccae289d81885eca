//! The dual of the trend filter at a spline, in double-double.

use crate::double::Double;
use crate::flat::Flat;
use crate::problem::Problem;
use crate::spline::{SIZE, divisors, gap, span};

/// A spline's values and its dual, in double-double.
#[derive(Debug)]
pub(crate) struct Dual {
    pub(crate) x: Vec<Double>,
    /// Row `j` of the dual.
    pub(crate) u: Vec<Double>,
    /// What the sums come to in the K rows before the first: 0 for an exact solution.
    pub(crate) ends: Vec<Double>,
    /// A polynomial taken off `w (y − x)` before it is summed, so that the sums come to 0.
    pub(crate) off: Vec<f64>,
    /// Where `D^(k) x` is held at 0, see [`Flat`], from the last on.
    pub(crate) flats: Vec<Flat>,
    /// The weights of the quadratic in place of the loss: those of the data for squared errors.
    pub(crate) hold: Vec<f64>,
}

impl Dual {
    /// `hold ←` the weights of the Huber loss at `x`: of its second derivative, or of the quadratic that touches it from above.
    /// Returns the largest change, relative to the weights of the data.
    pub(crate) fn weigh(&mut self, p: &Problem, newton: bool) -> f64 {
        let mut change = 0.0_f64;
        if p.delta == f64::INFINITY {
            return change;
        }
        for (i, hold) in self.hold.iter_mut().enumerate().filter(|(i, _)| p.w[*i] > 0.0) {
            let d = (p.y[i] - self.x[i].hi).abs();
            let far = if newton { 0.0 } else { p.delta / d };
            let now = p.w[i] * if d <= p.delta { 1.0 } else { far };
            change = change.max((now - *hold).abs() / p.w[i]);
            *hold = now;
        }
        change
    }

    pub(crate) fn new(p: &Problem) -> Self {
        let zero = Double::default();
        Self {
            x: vec![zero; p.y.len()],
            u: vec![zero; p.m()],
            ends: vec![zero; p.d.order()],
            off: vec![0.0; p.y.len()],
            flats: Vec::new(),
            hold: p.w.clone(),
        }
    }

    /// `u ←` the solution of `Dᵀ u = w (y − x)` from the last row on.
    pub(crate) fn integrate(&mut self, p: &Problem) {
        match (p.uneven, p.d.order()) {
            (false, 2) => self.integrate_order::<2>(p),
            (false, 3) => self.integrate_order::<3>(p),
            (false, 4) => self.integrate_order::<4>(p),
            _ => self.integrate_order::<0>(p),
        }
    }

    /// Order `K` on an even grid, or any problem if `K` is 0.
    fn integrate_order<const K: usize>(&mut self, p: &Problem) {
        let order = if K == 0 { p.d.order() } else { K };
        let share = divisors(p);
        let mut sums = [Double::default(); SIZE];
        let mut flats = self.flats.iter().peekable();
        for i in (0..self.x.len()).rev() {
            let mut v = Double::new(0.0);
            if p.w[i] > 0.0 {
                v = Double::new(p.y[i]) - self.x[i];
                if v.hi.abs() > p.delta {
                    v = Double::new(p.delta.copysign(v.hi));
                }
                if p.w[i] != 1.0 {
                    v = v * Double::new(p.w[i]);
                }
            }
            v = v - Double::new(self.off[i]);
            if K == 0 {
                v = v * share;
            }
            for l in 1..=order {
                sums[l] = sums[l] + v;
                v = if K == 0 && p.uneven && l < order { sums[l] * span(p, i, l) } else { sums[l] };
            }
            if let Some(flat) = flats.next_if(|flat| flat.to + order - 2 == i) {
                sums[order] = sums[order] + flat.pull;
                v = sums[order];
            }
            match i.checked_sub(order) {
                Some(j) => self.u[j] = v,
                None => self.ends[i] = v,
            }
        }
    }

    /// `out[..K] ←` what `w (y − x) − Dᵀ u` is at the first K points; elsewhere it is 0 by construction.
    pub(crate) fn leftover(&self, p: &Problem, out: &mut [f64]) {
        let order = self.ends.len();
        let mut v: [Double; SIZE] = [Double::default(); SIZE];
        v[1..=order].copy_from_slice(&self.ends);
        // Level j lives on the rows −j … K−1−j, at v[1 ..= K]; it takes the rows a − 1 and a of level j + 1.
        for j in (0..order).rev() {
            for a in 1..=order {
                let above = if a < order { v[a + 1] } else { Double::default() };
                v[a] = v[a] - above;
                if p.uneven && j > 0 {
                    v[a] = v[a] / gap(p, a - 1, j);
                }
            }
        }
        for (o, v) in out.iter_mut().zip(&v[1..=order]) {
            *o = v.hi;
        }
    }
}
