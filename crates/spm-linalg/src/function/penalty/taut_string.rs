//! The exact 1-D total variation solution: the taut string, in linear time on every input.
//!
//! With `F_i` the cumulative sum of `w y` and `W_i` that of `w`, the solution is the slope of the shortest path from
//! `(0, 0)` to `(W_n, F_n)` that passes node `i` within `r_i` of `F_i`. The path is pulled through a funnel: from the
//! last fixed node (the apex) run the greatest convex minorant of the upper wall and the least concave majorant of
//! the lower wall. Each element enters both chains once and leaves them once.

use crate::{MemStack, Scalar, StackReq, check};

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
    let n = y.len();
    check::dim("tv1d_into x", n, x.len());
    check::dim("tv1d_into weights", n, weights.map_or(n, <[T]>::len));
    let edges = n.saturating_sub(1);
    check::dim("tv1d_into edge_weights", edges, edge_weights.map_or(edges, <[T]>::len));
    match weights {
        Some(w) if w.contains(&T::zero()) => with_missing(y, w, lambda, edge_weights, x, stack),
        None if edge_weights.is_none() => {
            // A radius beyond the range of the sums acts as an infinite one.
            let line = Unit { y, r: lambda.as_f64().min(1e150) };
            pull(line, x, stack);
        }
        _ => pull(Weighted { y, w: weights, e: edge_weights, lambda: lambda.as_f64() }, x, stack),
    }
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
trait Line: Copy {
    fn y(self, i: usize) -> f64;
    fn w(self, i: usize) -> f64;
    /// The radius of the tube between elements `i` and `i + 1`.
    fn radius(self, i: usize) -> f64;
}

#[derive(Clone, Copy)]
struct Unit<'a, T> {
    y: &'a [T],
    r: f64,
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
    let n = x.len();
    if n == 0 {
        return;
    }
    let cap = first_capacity(n);
    let apex = Apex { node: 0, offset: 0.0, slope: 0.0 };
    let (mut buf, stack) = stack.make_with(2 * cap, |_| Segment::default());
    let (up, low) = buf.split_at_mut(cap);
    let (up, low) = (Chain { buf: up, head: 0, tail: 0 }, Chain { buf: low, head: 0, tail: 0 });
    resume(line, x, 0, apex, up, low, stack);
}

/// Continues at element `i`; calls itself with larger queues when these are full.
fn resume<T: Scalar, L: Line>(
    line: L,
    x: &mut [T],
    mut i: usize,
    mut apex: Apex,
    mut up: Chain<'_>,
    mut low: Chain<'_>,
    stack: &mut MemStack,
) {
    let n = x.len();
    while i < n {
        if !(up.reserve() && low.reserve()) {
            let cap = next_capacity(up.buf.len(), n);
            let (mut buf, stack) = stack.make_with(2 * cap, |_| Segment::default());
            let (up_buf, low_buf) = buf.split_at_mut(cap);
            let mut grown = [(up_buf, &up), (low_buf, &low)].map(|(to, from)| {
                let used = &from.buf[from.head..from.tail];
                to[..used.len()].copy_from_slice(used);
                Some(Chain { tail: used.len(), buf: to, head: 0 })
            });
            if let [Some(up), Some(low)] = [grown[0].take(), grown[1].take()] {
                resume(line, x, i, apex, up, low, stack);
            }
            return;
        }
        let r = if i + 1 < n { line.radius(i) } else { 0.0 };
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
                fix(line, x, &mut apex, first, -line.radius(first.end - 1));
            }
        }
        up.push(s);
        if r == 0.0 {
            // The string is pinned at this node: what is left of the upper chain is the path to it.
            for k in up.head..up.tail {
                let s = up.buf[k];
                let offset = if s.end == i + 1 { 0.0 } else { line.radius(s.end - 1) };
                fix(line, x, &mut apex, s, offset);
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
                fix(line, x, &mut apex, first, line.radius(first.end - 1));
            }
        }
        low.push(s);
        i += 1;
    }
}

/// Fixes the string up to the end of `s`, where it runs `offset` above `F`.
#[inline]
fn fix<T: Scalar, L: Line>(line: L, x: &mut [T], apex: &mut Apex, s: Segment, offset: f64) {
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
    x[apex.node..s.end].fill(T::of(v));
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
    pull(line, &mut x[..m], stack);

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
