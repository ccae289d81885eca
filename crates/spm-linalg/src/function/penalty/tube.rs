//! The tube that a taut string runs in.

use std::ops::Range;

use crate::Scalar;

/// The data as the string sees them.
pub(super) trait Line: Copy + Send + Sync {
    /// All weights are 1 and all radii equal and positive.
    const UNIT: bool;
    fn y(self, i: usize) -> f64;
    fn w(self, i: usize) -> f64;
    /// The radius of the tube between elements `i` and `i + 1`.
    fn radius(self, i: usize) -> f64;
    /// Value, weight and radius behind of the elements `a .. b`, all but the last of the line.
    fn each(self, a: usize, b: usize) -> impl Iterator<Item = [f64; 3]>;
    /// `[Σ w (y − about), Σ w]` over the elements `a .. b`.
    fn sums(self, a: usize, b: usize, about: f64) -> [f64; 2];
    /// The sum of the weights of the elements `a .. b`, which has been found to be `sum`.
    fn width(self, a: usize, b: usize, sum: f64) -> f64;
    /// Where the elements `a .. b` are in an output of length `len`.
    fn place(self, a: usize, b: usize, len: usize) -> Range<usize>;
}

/// A line of length `n`, seen from the right.
#[derive(Clone, Copy)]
pub(super) struct Flip<L> {
    pub(super) line: L,
    pub(super) n: usize,
}

impl<L: Line> Line for Flip<L> {
    const UNIT: bool = L::UNIT;
    #[inline(always)]
    fn y(self, i: usize) -> f64 {
        self.line.y(self.n - 1 - i)
    }
    #[inline(always)]
    fn w(self, i: usize) -> f64 {
        self.line.w(self.n - 1 - i)
    }
    #[inline(always)]
    fn radius(self, i: usize) -> f64 {
        self.line.radius(self.n - 2 - i)
    }
    #[inline(always)]
    fn each(self, a: usize, b: usize) -> impl Iterator<Item = [f64; 3]> {
        (a..b).map(move |i| [self.y(i), self.w(i), self.radius(i)])
    }
    #[inline(always)]
    fn sums(self, a: usize, b: usize, about: f64) -> [f64; 2] {
        self.line.sums(self.n - b, self.n - a, about)
    }
    #[inline(always)]
    fn width(self, a: usize, b: usize, sum: f64) -> f64 {
        self.line.width(a, b, sum)
    }
    #[inline(always)]
    fn place(self, a: usize, b: usize, len: usize) -> Range<usize> {
        len - b..len - a
    }
}

/// Values of weight 1 in a tube of one radius.
#[derive(Clone, Copy)]
pub(super) struct Unit<'a, T> {
    y: &'a [T],
    r: f64,
}

impl<'a, T: Scalar> Unit<'a, T> {
    pub(super) fn new(y: &'a [T], lambda: T) -> Self {
        // A radius beyond the range of the sums acts as an infinite one.
        Self { y, r: lambda.as_f64().min(1e150) }
    }
}

impl<T: Scalar> Line for Unit<'_, T> {
    const UNIT: bool = true;
    #[inline(always)]
    fn y(self, i: usize) -> f64 {
        self.y[i].as_f64()
    }
    #[inline(always)]
    fn w(self, _i: usize) -> f64 {
        1.0
    }
    #[inline(always)]
    fn radius(self, _i: usize) -> f64 {
        self.r
    }
    #[inline(always)]
    fn each(self, a: usize, b: usize) -> impl Iterator<Item = [f64; 3]> {
        self.y[a..b].iter().map(move |v| [v.as_f64(), 1.0, self.r])
    }
    #[inline(always)]
    fn sums(self, a: usize, b: usize, about: f64) -> [f64; 2] {
        let mut sum = [0.0; 4];
        let chunks = self.y[a..b].chunks_exact(4);
        let rest = chunks.remainder();
        for chunk in chunks {
            for (s, v) in sum.iter_mut().zip(chunk) {
                *s += v.as_f64() - about;
            }
        }
        for v in rest {
            sum[0] += v.as_f64() - about;
        }
        [(sum[0] + sum[1]) + (sum[2] + sum[3]), (b - a) as f64]
    }
    #[inline(always)]
    fn width(self, a: usize, b: usize, _sum: f64) -> f64 {
        // One instruction, from a signed integer.
        (b - a) as i64 as f64
    }
    #[inline(always)]
    fn place(self, a: usize, b: usize, _len: usize) -> Range<usize> {
        a..b
    }
}

/// Values of any positive weight in a tube of any radii.
#[derive(Clone, Copy)]
pub(super) struct Weighted<'a, T> {
    pub(super) y: &'a [T],
    pub(super) w: Option<&'a [T]>,
    pub(super) e: Option<&'a [T]>,
    pub(super) lambda: f64,
}

impl<T: Scalar> Line for Weighted<'_, T> {
    const UNIT: bool = false;
    #[inline(always)]
    fn y(self, i: usize) -> f64 {
        self.y[i].as_f64()
    }
    #[inline(always)]
    fn w(self, i: usize) -> f64 {
        self.w.map_or(1.0, |w| w[i].as_f64())
    }
    #[inline(always)]
    fn radius(self, i: usize) -> f64 {
        (self.e.map_or(1.0, |e| e[i].as_f64()) * self.lambda).min(1e150)
    }
    #[inline(always)]
    fn each(self, a: usize, b: usize) -> impl Iterator<Item = [f64; 3]> {
        (a..b).map(move |i| [self.y(i), self.w(i), self.radius(i)])
    }
    #[inline(always)]
    fn sums(self, a: usize, b: usize, about: f64) -> [f64; 2] {
        let (mut sum, mut width) = (0.0, 0.0);
        for i in a..b {
            let w = self.w(i);
            sum += w * (self.y(i) - about);
            width += w;
        }
        [sum, width]
    }
    #[inline(always)]
    fn width(self, _a: usize, _b: usize, sum: f64) -> f64 {
        sum
    }
    #[inline(always)]
    fn place(self, a: usize, b: usize, _len: usize) -> Range<usize> {
        a..b
    }
}

/// Where to pull the string to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Goal {
    /// The last node; node `i` is before element `i`.
    pub(super) node: usize,
    /// The string's height above `F` there; `None` if it may be anywhere in the tube.
    pub(super) offset: Option<f64>,
}

/// Where the string is fixed so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Apex {
    pub(super) node: usize,
    /// The string's height above `F` at the node: `0` at the ends, `±radius` inside.
    pub(super) offset: f64,
    /// The slope before the node.
    slope: f64,
}

impl Apex {
    /// Fixes the string up to node `end`, where it runs `offset` above `F`. The slope is taken from the data, about a value near it,
    /// so that no rounding of the search remains.
    #[inline(always)]
    pub(super) fn fix<T: Scalar, L: Line>(
        &mut self,
        line: L,
        x: &mut [T],
        goal: Goal,
        end: usize,
        offset: f64,
    ) {
        let rise = offset - self.offset;
        let about = line.y(self.node);
        let slope = if end - self.node == 1 {
            if rise == 0.0 { about } else { about + rise / line.w(self.node) }
        } else {
            let [sum, width] = line.sums(self.node, end, about);
            about + (sum + rise) / width
        };
        self.run(line, x, goal, end, offset, slope);
    }

    /// [`fix`](Self::fix) as a call, where that is rare.
    #[inline(never)]
    pub(super) fn fix_rarely<T: Scalar, L: Line>(
        &mut self,
        line: L,
        x: &mut [T],
        goal: Goal,
        end: usize,
        offset: f64,
    ) {
        self.fix(line, x, goal, end, offset);
    }

    /// Fixes the string up to node `end`, where it runs `offset` above `F`: its slope in between is the solution there.
    #[inline(always)]
    pub(super) fn run<T: Scalar, L: Line>(
        &mut self,
        line: L,
        x: &mut [T],
        goal: Goal,
        end: usize,
        offset: f64,
        mut slope: f64,
    ) {
        // Past a node on the upper wall the slope is higher, past one on the lower wall lower: rounding can't undo it.
        if (slope - self.slope) * self.offset < 0.0 {
            slope = self.slope;
        }
        let (len, mut rest) = (x.len(), self.node);
        // A few at once, whatever is needed: what is beyond is written later.
        if rest + FEW <= goal.node {
            x[line.place(rest, rest + FEW, len)].copy_from_slice(&[T::of(slope); FEW]);
            rest += FEW;
        }
        if rest < end {
            x[line.place(rest, end, len)].fill(T::of(slope));
        }
        *self = Self { node: end, offset, slope };
    }
}

/// Most pieces are not longer.
const FEW: usize = 4;
