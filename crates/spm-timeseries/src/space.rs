//! The splines of a line or of a ring, whichever the problem is on.

use crate::double::Double;
use crate::dual::Dual;
use crate::problem::Problem;
use crate::ring::RingSpace;
use crate::spline::{SIZE, SplineSpace};

/// The candidate splines of a search for knots.
#[derive(Debug)]
pub(crate) enum Space {
    Line(SplineSpace),
    Ring(RingSpace),
}

impl Space {
    pub(crate) fn new(p: &Problem) -> Self {
        if p.ring { Self::Ring(RingSpace::new(p)) } else { Self::Line(SplineSpace::new(p)) }
    }

    /// The spline with these knots and signs of least objective, with its dual and its jumps; `false` if the data don't determine it.
    pub(crate) fn fit(
        &mut self,
        p: &Problem,
        knots: &[usize],
        signs: &[f64],
        dual: &mut Dual,
        jump: &mut [f64],
    ) -> bool {
        match self {
            Self::Line(s) => s.fit(p, knots, signs, dual, jump),
            Self::Ring(s) => s.fit(p, knots, signs, dual, jump),
        }
    }

    /// Where the data don't determine the last fit: for each function that depends on those before it the jumps, at `count` knots, of the
    /// combination that vanishes at every observed value.
    pub(crate) fn free_jumps(&self, count: usize, order: usize) -> Vec<Vec<f64>> {
        let (dependent, cholesky) = match self {
            Self::Line(s) => s.dependent(),
            Self::Ring(s) => s.dependent(),
        };
        let (gram, diagonals, moments) = self.equations();
        let (mut rows, mut places) = (Vec::new(), Vec::new());
        self.rows(count, order, &mut rows, &mut places);
        let entry = |a: usize, b: usize| {
            let (low, d) = (a.min(b), a.abs_diff(b));
            if d < diagonals { gram[low * diagonals + d] } else { 0.0 }
        };
        let jumps = |&function: &usize| {
            // The dependent ones are left out of the solution.
            let mut theta: Vec<f64> = (0..moments.len()).map(|j| -entry(j, function)).collect();
            cholesky.solve_in_place(&mut theta);
            theta[function] = 1.0;
            let jump = |(r, p): (&[f64], &[usize])| r.iter().zip(p).map(|(r, &p)| r * theta[p]).sum();
            rows.chunks_exact(order + 1).zip(places.chunks_exact(order + 1)).map(jump).collect()
        };
        dependent.iter().map(jumps).collect()
    }

    /// The functions with these knots, and the normal equations of the fit without a penalty.
    pub(crate) fn assemble(&mut self, p: &Problem, knots: &[usize], hold: &[f64]) {
        match self {
            Self::Line(s) => s.assemble(p, knots, hold),
            Self::Ring(s) => s.assemble(p, knots),
        }
    }

    /// With the Huber loss, which is for lines: the normal equations with the weights `hold`.
    pub(crate) fn normal_equations(&mut self, p: &Problem, hold: &[f64]) {
        if let Self::Line(s) = self {
            s.normal_equations(p, hold);
        }
    }

    /// With the Huber loss: `x ←` the spline with these coefficients, to the precision of `f64`.
    pub(crate) fn combine(&self, theta: &[f64], x: &mut [Double]) {
        if let Self::Line(s) = self {
            s.combine(theta, x);
        }
    }

    /// Makes the dual's sums come to 0, as those of a ring do anyway.
    pub(crate) fn close(&mut self, p: &Problem, dual: &mut Dual) {
        if let Self::Line(s) = self {
            s.close(p, dual);
        }
    }

    /// The normal equations `gram θ = moments`, a symmetric band stored as for the Cholesky factorisation, and how many diagonals it has.
    pub(crate) fn equations(&self) -> (&[f64], usize, &[f64]) {
        match self {
            Self::Line(s) => {
                let (gram, moments, _) = s.equations();
                (gram, gram.len() / moments.len(), moments)
            }
            Self::Ring(s) => s.equations(),
        }
    }

    /// `D^(k)` on a piece as a row over K functions, on a line.
    pub(crate) fn slope_row(&self, piece: usize, order: usize) -> [Double; SIZE] {
        match self {
            Self::Line(s) => s.slope_row(piece, order),
            Self::Ring(_) => [Double::default(); SIZE],
        }
    }

    /// `D^(k) x` on a piece of the last fit, on a line.
    pub(crate) fn slope(&self, piece: usize, order: usize) -> f64 {
        match self {
            Self::Line(s) => s.slope(piece, order),
            Self::Ring(_) => 0.0,
        }
    }

    /// The diagonals of the normal equations with any weights on the jumps added.
    pub(crate) fn width(&self, order: usize) -> usize {
        match self {
            Self::Line(_) => order + 1,
            Self::Ring(_) => 2 * order + 1,
        }
    }

    /// The jump at each of `count` knots as the sum of K + 1 coefficients times the entries of θ at `places`.
    pub(crate) fn rows(&self, count: usize, order: usize, rows: &mut Vec<f64>, places: &mut Vec<usize>) {
        rows.clear();
        places.clear();
        match self {
            Self::Line(s) => {
                let (_, _, jumps) = s.equations();
                for l in 0..count {
                    // The real knot l is number l + K of the extended sequence.
                    rows.extend((l..=l + order).map(|j| jumps[j * (order + 1) + l + order - j].hi));
                    places.extend(l..=l + order);
                }
            }
            Self::Ring(s) => s.rows(order, rows, places),
        }
    }
}
