//! The exact 1-D total variation solution: the taut string, in linear time on every input.
//!
//! With `F_i` the cumulative sum of `w y` and `W_i` that of `w`, the solution is the slope of the shortest path from
//! `(0, 0)` to `(W_n, F_n)` that passes node `i` within `r_i` of `F_i`. The path is pulled through a funnel: from the
//! last fixed node (the apex) run the greatest convex minorant of the upper wall and the least concave majorant of
//! the lower wall. Each element enters both chains once and leaves them once.

use std::ops::Range;

use crate::{MemStack, Scalar, StackReq, Workspace, check};

/// The exact minimiser of $\tfrac12 \sum_i w_i (y_i - x_i)^2 + \lambda \sum_i e_i |x_{i+1} - x_i|$.
///
/// In plain text: `x ← argmin 1/2 sum w[i] (y[i] - x[i])^2 + lambda sum e[i] |x[i+1] - x[i]|`. Entries of one segment
/// are the same number, bit for bit. O(n) time on every input; `scratch` is [`tv1d_scratch`], touched only as far
/// as needed. Sums are taken in `f64` for both scalar types.
///
/// | argument | length | range |
/// |---|---|---|
/// | `y` | n | finite |
/// | `weights` | n | finite, `>= 0`; 0 marks a missing `y`; `None` is 1 everywhere |
/// | `lambda` | | finite, `>= 0` |
/// | `edge_weights` | n − 1 | finite, `>= 0`; 0 cuts the signal there; `None` is 1 everywhere |
///
/// A missing stretch takes the value on its left up to the last of its cheapest edges and the value on its right
/// after it: with equal edge weights it carries the last observation forward. Missing ends take the nearest value;
/// with nothing observed `x = 0`.
///
/// Source: Davies and Kovac 2001, *Local extremes, runs, strings and multiresolution*, section 2 (taut string);
/// Lee and Preparata 1984 (funnel).
///
/// # Panics
/// If a length differs from the table. The values are not checked.
///
/// ```
/// use spm_linalg::{Workspace, penalty::{tv1d_into, tv1d_scratch}};
/// let mut x = [0.0; 4];
/// tv1d_into(&[0.0, 1.0, 5.0, 6.0], None, 1.0, None, &mut x, Workspace::new(tv1d_scratch::<f64>(4)).stack());
/// assert_eq!(x, [1.0, 1.0, 5.0, 5.0]);
/// ```
pub fn tv1d_into<T: Scalar>(
    y: &[T],
    weights: Option<&[T]>,
    lambda: T,
    edge_weights: Option<&[T]>,
    x: &mut [T],
    stack: &mut MemStack,
) {
    check_lengths(y, weights, edge_weights, x);
    match weights {
        Some(w) if w.contains(&T::zero()) => {
            with_missing(y, w, lambda, edge_weights, x, stack, |line, x, stack| pull(line, x, stack));
        }
        None if edge_weights.is_none() => pull(Unit::new(y, lambda), x, stack),
        _ => pull(Weighted { y, w: weights, e: edge_weights, lambda: lambda.as_f64() }, x, stack),
    }
}

/// [`tv1d_into`] as two halves that `join` may run at the same time, or one after the other: the result is the same.
///
/// The halves are pulled tight from both ends towards the middle, each with its end free; what is still loose then, two
/// funnels, is pulled tight across the middle. Allocates its temporary memory.
///
/// # Panics
/// As [`tv1d_into`], and unless `join` runs both.
///
/// ```
/// use spm_linalg::penalty::tv1d_halves_into;
/// let mut x = [0.0; 4];
/// tv1d_halves_into(&[0.0, 1.0, 5.0, 6.0], None, 1.0, None, &mut x, |a, b| {
///     a();
///     b();
/// });
/// assert_eq!(x, [1.0, 1.0, 5.0, 5.0]);
/// ```
pub fn tv1d_halves_into<T: Scalar>(
    y: &[T],
    weights: Option<&[T]>,
    lambda: T,
    edge_weights: Option<&[T]>,
    x: &mut [T],
    join: impl FnOnce(&mut (dyn FnMut() + Send), &mut (dyn FnMut() + Send)),
) {
    check_lengths(y, weights, edge_weights, x);
    match weights {
        Some(w) if w.contains(&T::zero()) => {
            let mut ws = Workspace::new(StackReq::new::<T>(y.len()).array(3));
            with_missing(y, w, lambda, edge_weights, x, ws.stack(), |line, x, _| halves(line, x, join));
        }
        None if edge_weights.is_none() => halves(Unit::new(y, lambda), x, join),
        _ => halves(Weighted { y, w: weights, e: edge_weights, lambda: lambda.as_f64() }, x, join),
    }
}

fn check_lengths<T>(y: &[T], weights: Option<&[T]>, edge_weights: Option<&[T]>, x: &[T]) {
    let n = y.len();
    check::dim("tv1d_into x", n, x.len());
    check::dim("tv1d_into weights", n, weights.map_or(n, <[T]>::len));
    let edges = n.saturating_sub(1);
    check::dim("tv1d_into edge_weights", edges, edge_weights.map_or(edges, <[T]>::len));
}

/// Temporary memory of [`tv1d_into`] for `n` values: about 120 bytes a value are reserved, far fewer touched on most data.
#[must_use]
pub fn tv1d_scratch<T: Scalar>(n: usize) -> StackReq {
    let mut req = StackReq::new::<T>(n).array(3);
    let mut cap = first_capacity(n);
    loop {
        req = req.and(StackReq::new::<Segment>(2 * cap));
        if cap > n {
            return req;
        }
        cap = next_capacity(cap, n);
    }
}

fn first_capacity(n: usize) -> usize {
    (n + 1).min(1024)
}

fn next_capacity(cap: usize, n: usize) -> usize {
    (4 * cap).min(n + 1)
}

/// The data as the string sees them.
trait Line: Copy + Send + Sync {
    fn y(self, i: usize) -> f64;
    fn w(self, i: usize) -> f64;
    /// The radius of the tube between elements `i` and `i + 1`.
    fn radius(self, i: usize) -> f64;
    /// The radius after the last element.
    fn end(self) -> f64 {
        0.0
    }
    /// Where the elements `a .. b` of `n` are in the output.
    fn place(self, a: usize, b: usize, _n: usize) -> Range<usize> {
        a..b
    }
}

/// The elements on one side of `mid`, seen from that end of the line: with `FLIP` from the right.
#[derive(Clone, Copy)]
struct Half<L, const FLIP: bool> {
    line: L,
    n: usize,
    mid: usize,
}

impl<L: Line, const FLIP: bool> Line for Half<L, FLIP> {
    #[inline(always)]
    fn y(self, i: usize) -> f64 {
        self.line.y(if FLIP { self.n - 1 - i } else { i })
    }
    #[inline(always)]
    fn w(self, i: usize) -> f64 {
        self.line.w(if FLIP { self.n - 1 - i } else { i })
    }
    #[inline(always)]
    fn radius(self, i: usize) -> f64 {
        self.line.radius(if FLIP { self.n - 2 - i } else { i })
    }
    fn end(self) -> f64 {
        self.line.radius(self.mid - 1)
    }
    #[inline(always)]
    fn place(self, a: usize, b: usize, n: usize) -> Range<usize> {
        if FLIP { n - b..n - a } else { a..b }
    }
}

#[derive(Clone, Copy)]
struct Unit<'a, T> {
    y: &'a [T],
    r: f64,
}

impl<'a, T: Scalar> Unit<'a, T> {
    fn new(y: &'a [T], lambda: T) -> Self {
        // A radius beyond the range of the sums acts as an infinite one.
        Self { y, r: lambda.as_f64().min(1e150) }
    }
}

impl<T: Scalar> Line for Unit<'_, T> {
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
}

#[derive(Clone, Copy)]
struct Weighted<'a, T> {
    y: &'a [T],
    w: Option<&'a [T]>,
    e: Option<&'a [T]>,
    lambda: f64,
}

impl<T: Scalar> Line for Weighted<'_, T> {
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
}

/// One straight piece of a chain: it ends at node `end` (before element `end`), rises by `f` over the width `w`.
///
/// The two floats are kept apart: side by side they are stored one by one and loaded as a pair, which stalls.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
struct Segment {
    f: f64,
    end: usize,
    w: f64,
}

impl Segment {
    /// Whether the slope is below that of `other`; products, since widths are positive.
    #[inline(always)]
    fn below(self, other: Self) -> bool {
        self.f * other.w < other.f * self.w
    }
}

/// A double-ended queue in a borrowed slice.
struct Chain<'a> {
    buf: &'a mut [Segment],
    head: usize,
    tail: usize,
}

impl Chain<'_> {
    #[inline(always)]
    fn is_empty(&self) -> bool {
        self.head == self.tail
    }
    #[inline(always)]
    fn front(&self) -> Segment {
        self.buf[self.head]
    }
    #[inline(always)]
    fn push(&mut self, s: Segment) {
        self.buf[self.tail] = s;
        self.tail += 1;
    }
    /// Makes room for one more; `false` if the slice is too small.
    #[inline(always)]
    fn reserve(&mut self) -> bool {
        if self.tail < self.buf.len() {
            return true;
        }
        if self.head * 2 < self.buf.len() {
            return false;
        }
        self.buf.copy_within(self.head..self.tail, 0);
        self.tail -= self.head;
        self.head = 0;
        true
    }
}

/// Where the string is fixed so far.
#[derive(Debug, Clone, Copy)]
struct Apex {
    node: usize,
    /// The string's height above `F` at the node: `0` at the ends, `±radius` inside.
    offset: f64,
    /// The slope before the node.
    slope: f64,
}

/// Pulls the string tight over the whole signal, piece by piece between cuts (edges of radius 0).
fn pull<T: Scalar, L: Line>(line: L, x: &mut [T], stack: &mut MemStack) {
    start(line, x, stack, |_, _, _| ());
}

/// Pulls tight from the first element on; `rest` gets what is loose at the end.
fn start<T: Scalar, L: Line>(
    line: L,
    x: &mut [T],
    stack: &mut MemStack,
    rest: impl FnOnce(Apex, &[Segment], &[Segment]),
) {
    let n = x.len();
    if n == 0 {
        return;
    }
    let cap = first_capacity(n);
    let apex = Apex { node: 0, offset: 0.0, slope: 0.0 };
    let (mut buf, stack) = stack.make_with(2 * cap, |_| Segment::default());
    let (up, low) = buf.split_at_mut(cap);
    let (up, low) = (Chain { buf: up, head: 0, tail: 0 }, Chain { buf: low, head: 0, tail: 0 });
    resume(line, x, 0, apex, up, low, stack, rest);
}

/// What is loose of a half: from the last fixed node the two chains to the gate in the middle.
struct Loose {
    apex: Apex,
    up: Vec<Segment>,
    low: Vec<Segment>,
}

impl Loose {
    fn of<T: Scalar>(line: impl Line, x: &mut [T]) -> Self {
        let mut out = None;
        let mut ws = Workspace::new(tv1d_scratch::<T>(x.len()));
        start(line, x, ws.stack(), |apex, up, low| {
            out = Some(Self { apex, up: up.to_vec(), low: low.to_vec() });
        });
        out.expect("a half has elements")
    }
}

/// Pulls both halves tight, then the string across the middle.
fn halves<T: Scalar, L: Line>(
    line: L,
    x: &mut [T],
    join: impl FnOnce(&mut (dyn FnMut() + Send), &mut (dyn FnMut() + Send)),
) {
    let (n, mid) = (x.len(), x.len() / 2);
    if mid == 0 {
        pull(line, x, Workspace::new(tv1d_scratch::<T>(n)).stack());
        return;
    }
    let (mut left, mut right) = (None, None);
    let (first, last) = x.split_at_mut(mid);
    join(&mut || left = Some(Loose::of(Half::<L, false> { line, n, mid }, first)), &mut || {
        right = Some(Loose::of(Half::<L, true> { line, n, mid }, last));
    });
    let left = left.expect("join runs both");
    let right = right.expect("join runs both");
    if line.radius(mid - 1) > 0.0 {
        across(line, x, left, right);
    }
}

/// Pulls the string tight from the left half's apex to the right half's, past the vertices of their chains.
///
/// Seen from the left, the right half's upper chain is a lower wall and its segments come in reverse order.
fn across<T: Scalar, L: Line>(line: L, x: &mut [T], left: Loose, right: Loose) {
    let n = x.len();
    let goal = n - right.apex.node;
    let mut apex = left.apex;
    // Both walls from the left apex on, as stacks of segments that are not yet passed.
    let turn = |chain: &[Segment]| -> Vec<Segment> {
        let starts = core::iter::once(right.apex.node).chain(chain.iter().map(|s| s.end));
        let mut out: Vec<Segment> =
            chain.iter().zip(starts).map(|(s, a)| Segment { end: n - a, ..*s }).collect();
        out.reverse();
        out
    };
    let (above, below) = (turn(&right.low), turn(&right.up));
    let (mut up, mut low) = (left.up, left.low);
    let (mut up_head, mut low_head) = (0, 0);
    let (mut a, mut b) = (0, 0);
    while a < above.len() {
        if b < below.len() && below[b].end < above[a].end {
            let mut s = below[b];
            b += 1;
            // However far the apex moves, the last element is left.
            let own = line.w(s.end - 1);
            while low.len() > low_head && !s.below(low[low.len() - 1]) {
                if let Some(last) = low.pop() {
                    s.f += last.f;
                    s.w += last.w;
                }
            }
            if low.len() == low_head {
                while up_head < up.len() && up[up_head].end < s.end && up[up_head].below(s) {
                    let first = up[up_head];
                    up_head += 1;
                    s.f -= first.f;
                    s.w = (s.w - first.w).max(own);
                    fix(line, x, n, &mut apex, first, line.radius(first.end - 1));
                }
            }
            low.push(s);
        } else {
            let mut s = above[a];
            a += 1;
            // However far the apex moves, the last element is left.
            let own = line.w(s.end - 1);
            while up.len() > up_head && !up[up.len() - 1].below(s) {
                if let Some(last) = up.pop() {
                    s.f += last.f;
                    s.w += last.w;
                }
            }
            if up.len() == up_head {
                while low_head < low.len() && s.below(low[low_head]) {
                    let first = low[low_head];
                    low_head += 1;
                    s.f -= first.f;
                    s.w = (s.w - first.w).max(own);
                    fix(line, x, n, &mut apex, first, -line.radius(first.end - 1));
                }
            }
            up.push(s);
        }
    }
    for s in &up[up_head..] {
        let offset = if s.end == goal { -right.apex.offset } else { line.radius(s.end - 1) };
        fix(line, x, n, &mut apex, *s, offset);
    }
}

/// Continues at element `i`; calls itself with larger queues when these are full.
#[allow(clippy::too_many_arguments)]
fn resume<T: Scalar, L: Line>(
    line: L,
    x: &mut [T],
    mut i: usize,
    mut apex: Apex,
    mut up: Chain<'_>,
    mut low: Chain<'_>,
    stack: &mut MemStack,
    rest: impl FnOnce(Apex, &[Segment], &[Segment]),
) {
    let n = x.len();
    while i < n {
        if !(up.reserve() && low.reserve()) {
            let cap = next_capacity(up.buf.len(), n);
            let (mut buf, stack) = stack.make_with(2 * cap, |_| Segment::default());
            let (up_buf, low_buf) = buf.split_at_mut(cap);
            let grow = |to: &mut [Segment], from: &Chain<'_>| {
                let used = &from.buf[from.head..from.tail];
                to[..used.len()].copy_from_slice(used);
                used.len()
            };
            let (up_tail, low_tail) = (grow(up_buf, &up), grow(low_buf, &low));
            let up = Chain { buf: up_buf, head: 0, tail: up_tail };
            let low = Chain { buf: low_buf, head: 0, tail: low_tail };
            return resume(line, x, i, apex, up, low, stack, rest);
        }
        let r = if i + 1 < n { line.radius(i) } else { line.end() };
        let (w, f) = (line.w(i), line.w(i) * line.y(i));

        // The upper wall: slopes of the chain increase.
        let at = if up.is_empty() { apex.offset } else { line.radius(i - 1) };
        let mut s = Segment { end: i + 1, f: f + r - at, w };
        while !up.is_empty() && !up.buf[up.tail - 1].below(s) {
            up.tail -= 1;
            let last = up.buf[up.tail];
            s.f += last.f;
            s.w += last.w;
        }
        if up.is_empty() {
            while !low.is_empty() && s.below(low.front()) {
                let first = low.front();
                low.head += 1;
                s.f -= first.f;
                s.w = (s.w - first.w).max(w);
                fix(line, x, n, &mut apex, first, -line.radius(first.end - 1));
            }
        }
        up.push(s);
        if r == 0.0 {
            // The string is pinned at this node: what is left of the upper chain is the path to it.
            for k in up.head..up.tail {
                let s = up.buf[k];
                let offset = if s.end == i + 1 { 0.0 } else { line.radius(s.end - 1) };
                fix(line, x, n, &mut apex, s, offset);
            }
            apex.offset = 0.0;
            (up.head, up.tail, low.head, low.tail) = (0, 0, 0, 0);
            i += 1;
            continue;
        }

        // The lower wall: slopes decrease.
        let at = if low.is_empty() { apex.offset } else { -line.radius(i - 1) };
        let mut s = Segment { end: i + 1, f: f - r - at, w };
        while !low.is_empty() && !s.below(low.buf[low.tail - 1]) {
            low.tail -= 1;
            let last = low.buf[low.tail];
            s.f += last.f;
            s.w += last.w;
        }
        if low.is_empty() {
            while up.front().end <= i && up.front().below(s) {
                let first = up.front();
                up.head += 1;
                s.f -= first.f;
                s.w = (s.w - first.w).max(w);
                fix(line, x, n, &mut apex, first, line.radius(first.end - 1));
            }
        }
        low.push(s);
        i += 1;
    }
    rest(apex, &up.buf[up.head..up.tail], &low.buf[low.head..low.tail]);
}

/// Fixes the string up to the end of `s`, where it runs `offset` above `F`.
#[inline]
fn fix<T: Scalar, L: Line>(line: L, x: &mut [T], n: usize, apex: &mut Apex, s: Segment, offset: f64) {
    let rise = offset - apex.offset;
    let mut v = if s.end - apex.node == 1 {
        let (y, w) = (line.y(apex.node), line.w(apex.node));
        if rise == 0.0 { y } else { y + rise / w }
    } else {
        // The mean once more from the data, about a value near it, so that no rounding of the queue remains.
        let about = line.y(apex.node);
        let (mut sum, mut width) = ([0.0; 4], [0.0; 4]);
        let mut j = apex.node;
        while j + 4 <= s.end {
            for l in 0..4 {
                let w = line.w(j + l);
                sum[l] += w * (line.y(j + l) - about);
                width[l] += w;
            }
            j += 4;
        }
        for j in j..s.end {
            sum[0] += line.w(j) * (line.y(j) - about);
            width[0] += line.w(j);
        }
        about
            + ((sum[0] + sum[1]) + (sum[2] + sum[3]) + rise) / ((width[0] + width[1]) + (width[2] + width[3]))
    };
    // Past a node on the upper wall the slope is higher, past one on the lower wall lower: rounding can't undo it.
    if apex.offset > 0.0 {
        v = v.max(apex.slope);
    } else if apex.offset < 0.0 {
        v = v.min(apex.slope);
    }
    x[line.place(apex.node, s.end, n)].fill(T::of(v));
    *apex = Apex { node: s.end, offset, slope: v };
}

/// Leaves the missing values out, joins the edges across them at the cheapest one, and fills them in afterwards.
fn with_missing<T: Scalar>(
    y: &[T],
    w: &[T],
    lambda: T,
    edge_weights: Option<&[T]>,
    x: &mut [T],
    stack: &mut MemStack,
    solve: impl FnOnce(Weighted<'_, T>, &mut [T], &mut MemStack),
) {
    let n = y.len();
    let edge = |i: usize| edge_weights.map_or(T::one(), |e| e[i]);
    let m = w.iter().filter(|w| **w > T::zero()).count();
    if m == 0 {
        x.fill(T::zero());
        return;
    }
    let (mut seen_y, stack) = stack.make_with(m, |_| T::zero());
    let (mut seen_w, stack) = stack.make_with(m, |_| T::zero());
    let (mut seen_e, stack) = stack.make_with(m, |_| T::infinity());
    let mut k = 0;
    for i in 0..n {
        if k > 0 {
            seen_e[k - 1] = seen_e[k - 1].min(edge(i - 1));
        }
        if w[i] > T::zero() {
            (seen_y[k], seen_w[k]) = (y[i], w[i]);
            k += 1;
        }
    }
    let line = Weighted { y: &seen_y, w: Some(&seen_w), e: Some(&seen_e), lambda: lambda.as_f64() };
    solve(line, &mut x[..m], stack);

    // Spread the observed values from the back, then fill the gaps.
    let mut k = m;
    for i in (0..n).rev() {
        if w[i] > T::zero() {
            k -= 1;
            x[i] = x[k];
        }
    }
    let mut left: Option<usize> = None;
    for i in 0..n {
        if w[i] > T::zero() {
            let value = x[i];
            match left {
                None => x[..i].fill(value),
                Some(a) => {
                    let jump = (a..i).fold(a, |best, j| if edge(j) <= edge(best) { j } else { best });
                    let before = x[a];
                    x[a + 1..=jump].fill(before);
                    x[jump + 1..i].fill(value);
                }
            }
            left = Some(i);
        }
    }
    if let Some(a) = left {
        let value = x[a];
        x[a + 1..].fill(value);
    }
}
