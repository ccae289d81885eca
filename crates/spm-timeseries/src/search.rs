//! The trend filter solved: a search for the knots, with an interior point where that stalls.

use spm_linalg::Scalar;
use spm_solvers::{Certificate, Iteration, Progress, SolveError};

use crate::active::{ActiveSet, Attempt};
use crate::coarse::coarse_knots;
use crate::interior::Barrier;
use crate::problem::Problem;

/// The barrier gap, relative to the objective, at which knots are first guessed, and the factor to the next guess.
const FIRST: f64 = 1e-3;
const FALL: f64 = 1e-2;
/// Rounds of a search without halving the gap after which it is given up, and of a descent, where the gap may rise between.
const IDLE: usize = 8;
const IDLE_DESCENT: usize = 24;
/// The relative gap below which no interior-point steps are taken.
const NEAR: f64 = 1e-6;
/// Rounds taken after the tolerance is reached while the dual still leaves its box.
const POLISH: usize = 4;

/// Rounds of the active set from a start (none, or the knots of another fit); where they stall, interior-point steps give
/// a new start. Each candidate has a duality gap; the best one is the iterate.
///
/// A round solves the problem restricted to the candidate knots, refits the spline on those that jump, and adds the peaks
/// of the dual outside its box: column generation, finite because the objective falls. It needs a few rounds for every
/// doubling of the knots and each is O(n K²), so the series is never seen by an ill-conditioned system. A long series starts from the
/// knots of its [means](coarse_knots).
#[derive(Debug)]
pub(crate) struct TrendSearch<T> {
    p: Problem,
    tol: f64,
    out: Vec<T>,
    iter: usize,
    active: ActiveSet,
    barrier: Option<Box<Barrier>>,
    best: Attempt,
    phase: Phase,
}

/// What the next iteration does.
#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Interior-point steps until the relative barrier gap is at most `trigger`.
    Barrier { trigger: f64 },
    /// Rounds of the active set.
    Knots(Rounds),
    /// Rounding has taken over: further steps change nothing.
    Done,
}

/// How a search for the knots goes.
#[derive(Debug, Clone, Copy)]
struct Rounds {
    smallest: f64,
    idle: usize,
    last: f64,
    /// The last round changed nothing.
    stuck: bool,
    /// The barrier gap to go on to if this search fails.
    next: Option<f64>,
}

impl Rounds {
    fn new(next: Option<f64>) -> Self {
        Self { smallest: f64::INFINITY, idle: 0, last: f64::INFINITY, stuck: false, next }
    }
}

/// Where `lambda` is so small that most rows are knots, these to start with: the rows whose jump in the data is more than
/// `lambda` can take off it alone.
fn start_from_data(p: &Problem, fixed: &mut [f64]) {
    let (y, width) = (p.filled(), p.d.order() + 1);
    let jump = |j: usize| {
        let (mut jump, mut stiffness) = (0.0, 0.0);
        for (l, r) in p.rows[j * width..][..width].iter().enumerate() {
            let i = (j + l) % y.len();
            jump += r * y[i];
            stiffness += r * r / p.w[i];
        }
        if jump.abs() > p.lambda * stiffness && p.may[usize::from(jump > 0.0)] { jump.signum() } else { 0.0 }
    };
    if 2 * (0..p.m()).filter(|&j| jump(j) != 0.0).count() > p.m() {
        for (j, fixed) in fixed.iter_mut().enumerate() {
            *fixed = jump(j);
        }
    }
}

impl<T: Scalar> TrendSearch<T> {
    /// Starts with the given knots (rows of `D` and the signs of their jumps). `p` has at least one row, `0 < lambda < lambda_max`
    /// and `n >= 2`. `tol` is the relative gap that the caller wants, `n_out` the length of the user's series. O(n).
    pub(crate) fn new(p: Problem, tol: f64, n_out: usize, start: impl Iterator<Item = (usize, f64)>) -> Self {
        let mut active = ActiveSet::new(&p);
        let mut cold = true;
        for (row, sign) in start {
            active.fixed[row] = sign;
            cold = false;
        }
        if cold {
            start_from_data(&p, &mut active.fixed);
            if active.fixed.iter().all(|f| *f == 0.0) {
                for (row, sign) in coarse_knots(&p) {
                    active.fixed[row] = sign;
                }
            }
        }
        let best = Attempt {
            x: p.poly.clone(),
            knots: Vec::new(),
            jumps: Vec::new(),
            primal: p.null_objective(),
            gap: p.null_objective(),
        };
        let phase = Phase::Knots(Rounds::new(Some(FIRST)));
        let mut out =
            Self { tol, out: vec![T::zero(); n_out], iter: 0, active, barrier: None, best, phase, p };
        out.p.write(&out.best.x, &mut out.out);
        out
    }

    /// At most so many rounds of the active set, as long as they lead somewhere and the tolerance is not reached.
    pub(crate) fn rounds(&mut self, most: usize) {
        let mut rounds = Rounds::new(None);
        for _ in 0..most {
            if !self.round(&mut rounds) || self.best.gap <= self.tol * self.best.primal {
                break;
            }
        }
    }

    pub(crate) fn problem(&self) -> &Problem {
        &self.p
    }

    pub(crate) fn best(&self) -> &Attempt {
        &self.best
    }

    /// The best attempt's certificate in the data's units.
    pub(crate) fn certificate(&self) -> Certificate<T> {
        let scale = self.p.units.objective();
        Certificate::new(T::of(scale * self.best.primal), T::of(scale * (self.best.primal - self.best.gap)))
    }

    /// A round of the search for the knots; `false` if it leads nowhere.
    fn round(&mut self, rounds: &mut Rounds) -> bool {
        // Where rounding makes the restricted problem refuse the peak of the dual, the exact fit decides.
        if !rounds.stuck && !self.active.descends() {
            self.active.restrict(&self.p);
        }
        let Some((primal, gap)) = self.active.attempt(&self.p) else { return false };
        if gap < self.best.gap {
            for (b, x) in self.best.x.iter_mut().zip(&self.active.dual.x) {
                *b = x.hi;
            }
            self.best.knots.clone_from(&self.active.knots);
            self.best.jumps.clone_from(&self.active.jumps);
            (self.best.primal, self.best.gap) = (primal, gap);
            self.p.write(&self.best.x, &mut self.out);
        }
        // Near the solution, or where a round changes nothing, knots are told apart only beyond the precision of `f64`.
        let determined = !self.active.is_undetermined();
        let repeats = determined && (gap - rounds.last).abs() < 1e-6 * rounds.last;
        if self.p.delta == f64::INFINITY && self.p.slope == 0.0 && (repeats || self.best.gap <= NEAR * primal)
        {
            self.active.descend(true);
        }
        rounds.stuck = determined && !rounds.stuck && gap >= rounds.last * (1.0 - 1e-6);
        rounds.last = gap;
        if gap < 0.5 * rounds.smallest {
            (rounds.smallest, rounds.idle) = (gap, 0);
        } else {
            rounds.idle += 1;
        }
        let added = self.active.add_peaks(&self.p);
        added && rounds.idle < if self.active.descends() { IDLE_DESCENT } else { IDLE }
    }

    /// An interior-point step; at its end the next phase.
    fn interior(&mut self, trigger: f64) -> Phase {
        let barrier = self.barrier.get_or_insert_with(|| Box::new(Barrier::new(&self.p)));
        // Past the precision of the numbers the direction breaks down; the knots are searched from there.
        let worked = barrier.newton(&self.p).is_ok() && barrier.is_finite();
        let gap = barrier.gap();
        let relative = gap / self.best.primal;
        let last = !(worked && relative >= 1e-18);
        if worked
            && relative <= 1e-9
            && gap < 1e-3 * self.best.gap
            && barrier.attempt(&self.p, &mut self.best)
        {
            self.p.write(&self.best.x, &mut self.out);
        }
        if !last && relative > trigger {
            return Phase::Barrier { trigger };
        }
        if worked {
            barrier.guess(&self.p, &mut self.active.fixed);
            self.active.descend(false);
        }
        Phase::Knots(Rounds::new((!last).then_some(f64::min(trigger, relative) * FALL)))
    }
}

impl<T: Scalar> Iteration<T> for TrendSearch<T> {
    fn step(&mut self) -> Result<(), SolveError> {
        self.iter += 1;
        self.phase = match self.phase {
            Phase::Done => Phase::Done,
            Phase::Barrier { trigger } => self.interior(trigger),
            Phase::Knots(mut rounds) => {
                let mut goes_on = self.round(&mut rounds);
                // Within the tolerance, a few rounds more commonly find the exact knots.
                for _ in 0..POLISH {
                    if !(goes_on && self.best.gap <= self.tol * self.best.primal) {
                        break;
                    }
                    goes_on = self.round(&mut rounds);
                }
                match rounds.next {
                    _ if goes_on => Phase::Knots(rounds),
                    // Near the solution the interior point is less exact than what there is.
                    Some(trigger)
                        if self.best.gap > NEAR * self.best.primal && self.p.is_plain() && !self.p.ring =>
                    {
                        Phase::Barrier { trigger }
                    }
                    _ => Phase::Done,
                }
            }
        };
        Ok(())
    }

    /// Objective and gap of the best attempt in the data's units; the residual is their ratio.
    fn progress(&self) -> Progress<T> {
        let scale = self.p.units.objective();
        let relative = self.best.gap / self.best.primal;
        Progress::new(self.iter, T::of(relative))
            .objective(T::of(scale * self.best.primal))
            .gap(T::of(scale * self.best.gap))
    }

    fn iterate(&self) -> &[T] {
        &self.out
    }
}
