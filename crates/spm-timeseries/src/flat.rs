//! Pieces of a trend whose k-th derivative is held at 0, since it may have one sign only: the level stretches of a monotone line.
//!
//! The k-th derivative of a trend of order k is constant between knots. Where it comes out with the forbidden sign it is held at 0, by a multiplier for
//! each row of `D^(k)` in the piece, of which only the sum acts on splines with these knots; the dual of the trend is then free to choose
//! how it is spread.

use spm_linalg::factor::BandedCholesky;

use crate::double::Double;
use crate::dual::Dual;
use crate::problem::Problem;
use crate::spline::SIZE;

/// A piece between knots whose `D^(k) x` is held at 0, and the pull of that: with `v >= 0` the multipliers of its rows of `D^(k)` and `s` the
/// sign that these may have, the differences of `u` have `s v` more than the data give them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Flat {
    /// The piece, counted from the first; its rows of `D^(k)` are `from .. to`.
    pub(crate) piece: usize,
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// The sum of `s v`.
    pub(crate) pull: Double,
}

/// What holding pieces flat does to the fit: their rows of `D^(k)` over the functions, the moves of the coefficients that pulling on them makes, and
/// how these change the rows.
#[derive(Debug, Default)]
pub(crate) struct FlatRows {
    rows: Vec<[Double; SIZE]>,
    moves: Vec<Vec<f64>>,
    /// The Schur complement of the rows, dense.
    schur: Option<BandedCholesky<f64>>,
}

impl FlatRows {
    /// For these pieces, without a pull yet, in a fit of `count` functions whose normal equations are factorised; `row(piece)` is
    /// `D^(k)` there over the functions from that number on. `false` if the rows depend on one another. O(count) a piece, and their
    /// number cubed.
    pub(crate) fn prepare(
        &mut self,
        flats: &mut [Flat],
        normal: &BandedCholesky<f64>,
        count: usize,
        row: impl Fn(usize) -> [Double; SIZE],
    ) -> bool {
        self.rows.clear();
        self.moves.clear();
        self.schur = None;
        for flat in &mut *flats {
            flat.pull = Double::default();
            let row = row(flat.piece);
            let mut moves = vec![0.0; count];
            for (m, r) in moves[flat.piece..].iter_mut().zip(&row) {
                *m = r.hi;
            }
            normal.solve_in_place(&mut moves);
            self.rows.push(row);
            self.moves.push(moves);
        }
        let held = flats.len();
        if held == 0 {
            return true;
        }
        let mut schur = vec![0.0; held * held];
        for (a, moves) in self.moves.iter().enumerate() {
            for b in a..held {
                let terms = self.rows[b].iter().zip(&moves[flats[b].piece..]).map(|(r, m)| r.hi * m);
                schur[a * held + b - a] = terms.sum();
            }
        }
        let mut cholesky = BandedCholesky::new(held, held - 1);
        let independent = cholesky.factor(&schur).is_ok();
        self.schur = Some(cholesky);
        independent
    }

    /// Corrects a step of the coefficients, and the pulls, so that the pieces are flat after it.
    pub(crate) fn correct(&self, flats: &mut [Flat], theta: &[Double], step: &mut [f64]) {
        let Some(schur) = &self.schur else { return };
        let slope = |(flat, row): (&Flat, &[Double; SIZE])| {
            let from = flat.piece;
            let terms = row.iter().zip(theta[from..].iter().zip(&step[from..]));
            terms.fold(Double::default(), |s, (&r, (&t, &d))| s + (t + Double::new(d)) * r).hi
        };
        let mut slopes: Vec<f64> = flats.iter().zip(&self.rows).map(slope).collect();
        schur.solve_in_place(&mut slopes);
        for ((flat, moves), s) in flats.iter_mut().zip(&self.moves).zip(slopes) {
            flat.pull = flat.pull - Double::new(s);
            for (d, m) in step.iter_mut().zip(moves) {
                *d -= s * m;
            }
        }
    }
}

impl Dual {
    /// Spreads the pull of each flat piece over its rows, from the last on: no more than keeps `u` above `-lambda` (for the sign 1), and at the
    /// first the rest. Where `u` leaves its box beyond such a row, both may be knots: `bends ←` these rows.
    pub(crate) fn spread(&mut self, p: &Problem, bends: &mut Vec<usize>) {
        bends.clear();
        let bound = Double::new(p.lambda);
        for flat in &self.flats {
            let (mut left, mut before) = (flat.pull, self.u.get(flat.to - 1).copied().unwrap_or_default());
            let (mut now, mut held) = (before, None);
            for q in (flat.from.max(1)..flat.to).rev() {
                let u = self.u[q - 1];
                let start = if q == flat.to - 1 { flat.pull } else { Double::default() };
                now = now + (u - before - start);
                before = u;
                let missing = (-bound - now * Double::new(p.slope)).hi;
                if q == flat.from {
                    now = now + left;
                } else if missing > 0.0 && left.hi * p.slope > 0.0 {
                    let step = if missing < left.hi * p.slope {
                        (-bound - now * Double::new(p.slope)) * Double::new(p.slope)
                    } else {
                        left
                    };
                    now = now + step;
                    left = left - step;
                    held = Some(q - 1);
                } else if now.hi * p.slope > p.lambda * (1.0 + 1e-12) {
                    bends.extend(held.take());
                }
                self.u[q - 1] = now;
            }
        }
    }

    /// The smallest `lambda` at which a polynomial held flat throughout is the solution: its dual may rise freely towards the sign of the
    /// slope, and no further than the box on its way.
    pub(crate) fn flat_bound(&self, slope: f64, pull: Double) -> f64 {
        let (mut low, mut bound) = (0.0_f64, 0.0_f64);
        for u in self.u.iter().rev() {
            let c = slope * (*u - pull).hi;
            bound = bound.max(0.5 * (c - low)).max(c);
            low = low.min(c);
        }
        bound.max(-slope * pull.hi - low)
    }
}
