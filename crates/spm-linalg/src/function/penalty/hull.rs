//! The taut string by one hull.
//!
//! As with the [cone](super::cone) the straight lines from the last bend (the apex) that stay in the tube are kept. When a node's gap
//! lies outside, the string bends at the near wall, and its next bends are among the corners of that wall's hull: of the greatest
//! convex minorant of the upper wall, or of the least concave majorant of the lower one. The apex moves along it until the gap is
//! in sight; all earlier gaps leave more room towards the far wall, so that nothing else is looked at again. The hull is made when
//! it is needed, up to the present node, and kept as long as the string bends that way: each node joins a hull of either wall
//! at most once, linear time on every input.
//!
//! Source: Lee and Preparata 1984, *Euclidean shortest paths in the presence of rectilinear barriers* (funnel); of its two chains
//! one is enough here, since what has been passed on the far side is a single line.

use super::tube::{Apex, Goal, Line};
use crate::{MemStack, Scalar, StackReq};

/// Nodes that are added to the hull at once.
const BLOCK: usize = 64;

/// Temporary memory to pull `n` elements tight.
pub(super) fn hull_scratch(n: usize) -> StackReq {
    let mut cap = first_capacity(n);
    let mut req = StackReq::new::<Segment>(cap);
    while cap < n + 2 * BLOCK {
        cap = next_capacity(cap, n);
        req = req.and(StackReq::new::<Segment>(cap));
    }
    req
}

fn first_capacity(n: usize) -> usize {
    (n + 2 * BLOCK).min(1024)
}

fn next_capacity(cap: usize, n: usize) -> usize {
    (4 * cap).min(n + 2 * BLOCK)
}

/// One straight piece of the hull: it ends at node `end`, rises by `f` over the width `w`.
///
/// The two floats are kept apart: side by side they are stored one by one and loaded as a pair, which stalls.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
struct Segment {
    f: f64,
    end: usize,
    w: f64,
}

/// The hull of the near wall from the apex on, a double-ended queue in a borrowed slice.
///
/// Seen from inside the tube both walls bend the same way: the upper one is stored with the other sign, as if it were the lower.
struct Hull<'a> {
    buf: &'a mut [Segment],
    head: usize,
    tail: usize,
    /// `1` for the lower wall, `-1` for the upper one, `0` for none yet.
    sign: f64,
    /// The node up to which all have been added, and what lies between the end of the last piece and that.
    upto: usize,
    f: f64,
    w: f64,
    /// The end of the last piece, and the string's height above `F` there.
    end: usize,
    offset: f64,
}

impl<'a> Hull<'a> {
    fn new(buf: &'a mut [Segment]) -> Self {
        Self { buf, head: 0, tail: 0, sign: 0.0, upto: 0, f: 0.0, w: 0.0, end: 0, offset: 0.0 }
    }

    /// An empty one from `node` on, where the string is `offset` above `F`.
    fn restart(&mut self, node: usize, offset: f64, sign: f64) {
        (self.head, self.tail, self.sign) = (0, 0, sign);
        (self.upto, self.f, self.w) = (node, 0.0, 0.0);
        (self.end, self.offset) = (node, sign * offset);
    }

    /// The same in a larger slice.
    fn moved(self, to: &mut [Segment]) -> Hull<'_> {
        let used = &self.buf[self.head..self.tail];
        to[..used.len()].copy_from_slice(used);
        Hull { buf: to, head: 0, tail: self.tail - self.head, ..self }
    }

    /// How many more there is room for, after moving them to the front if that is half of the slice.
    fn room(&mut self) -> usize {
        if self.head * 2 >= self.buf.len() {
            self.buf.copy_within(self.head..self.tail, 0);
            self.tail -= self.head;
            self.head = 0;
        }
        self.buf.len() - self.tail
    }

    fn first(&self) -> Option<Segment> {
        (self.head < self.tail).then(|| self.buf[self.head])
    }

    /// Adds the next nodes, up to `node`, a block at most, for which there is room.
    #[inline(never)]
    fn extend<L: Line>(&mut self, line: L, node: usize) {
        let stop = node.min(self.upto + BLOCK);
        let (sign, from) = (self.sign, self.tail);
        let (mut f, mut w) = (self.f, self.w);
        // First those where the wall bends into the tube, the lower where the values fall: gathered without a branch behind the
        // hull, `f` and `w` in sums from the end of its last piece.
        let corners = &mut self.buf[from..from + BLOCK];
        let mut count = 0;
        let mut y = sign * line.y(self.upto);
        for end in self.upto + 1..=stop {
            let (v, before) = (line.w(end - 1), y);
            y = sign * line.y(end);
            f += v * before;
            w += v;
            corners[count % BLOCK] = Segment { f, end, w };
            count += usize::from(!L::UNIT || y < before);
        }
        let (mut past_f, mut past_w) = (0.0, 0.0);
        for k in from..from + count {
            let Segment { f, end, w } = self.buf[k];
            self.push(line, end, f - past_f, w - past_w);
            (past_f, past_w) = (f, w);
        }
        (self.upto, self.f, self.w) = (stop, f - past_f, w - past_w);
    }

    /// A piece from the end of the last to node `end`, `f` and `w` the sums between; the pieces that then no longer bend towards
    /// the wall become part of it. Products, since widths are positive.
    #[inline(always)]
    fn push<L: Line>(&mut self, line: L, end: usize, f: f64, w: f64) {
        let offset = -line.radius(end - 1);
        let mut s = Segment { f: f + (offset - self.offset), end, w: line.width(self.end, end, w) };
        (self.end, self.offset) = (end, offset);
        while self.tail > self.head {
            let last = self.buf[self.tail - 1];
            if last.f * s.w > s.f * last.w {
                break;
            }
            s.f += last.f;
            s.w += last.w;
            self.tail -= 1;
        }
        self.buf[self.tail] = s;
        self.tail += 1;
    }
}

/// How far has been looked from the apex, and the straight lines that are left.
#[derive(Clone, Copy)]
struct View {
    node: usize,
    f: f64,
    width: f64,
    low: f64,
    high: f64,
    low_at: usize,
    high_at: usize,
}

impl View {
    fn new(node: usize) -> Self {
        let (low, high) = (f64::NEG_INFINITY, f64::INFINITY);
        Self { node, f: 0.0, width: 0.0, low, high, low_at: node, high_at: node }
    }
}

/// Pulls tight from `apex` on, moving it, to the goal, or as far as is sure if the goal has no offset.
pub(super) fn pull_by_hull<T: Scalar, L: Line>(
    line: L,
    x: &mut [T],
    apex: &mut Apex,
    goal: Goal,
    stack: &mut MemStack,
) {
    let n = goal.node - apex.node;
    let (mut buf, stack) = stack.make_with(first_capacity(n), |_| Segment::default());
    resume(line, x, apex, goal, n, View::new(apex.node), Hull::new(&mut buf), None, stack);
}

/// Continues, `n` elements in all; calls itself with a larger queue when that is full. `bend` is the height above `F` of the
/// string at the present node if that is out of sight behind the near wall.
#[allow(clippy::too_many_arguments)]
fn resume<T: Scalar, L: Line>(
    line: L,
    x: &mut [T],
    apex: &mut Apex,
    goal: Goal,
    n: usize,
    view: View,
    hull: Hull<'_>,
    mut bend: Option<f64>,
    stack: &mut MemStack,
) {
    let inside = goal.node - usize::from(goal.offset.is_some());
    let (mut at, mut hull) = (*apex, Hull { buf: hull.buf, ..hull });
    let View { mut node, mut f, mut width, mut low, mut high, mut low_at, mut high_at } = view;
    loop {
        if bend.is_none() {
            let mut r = f64::INFINITY;
            for [y, w, radius] in line.each(node, inside) {
                node += 1;
                r = radius;
                f += w * y;
                width += w;
                let (top, bottom) = (f + (r - at.offset), f - (r + at.offset));
                let inverse = 1.0 / width;
                let (top, bottom) = (top * inverse, bottom * inverse);
                low_at = if bottom >= low { node } else { low_at };
                high_at = if top <= high { node } else { high_at };
                low = if bottom > low { bottom } else { low };
                high = if top < high { top } else { high };
                if low > high || !L::UNIT && r == 0.0 {
                    break;
                }
            }
            let fall = if low > high {
                // This node has moved the other side only.
                let fall = low_at != node;
                bend = Some(if fall { r } else { -r });
                fall
            } else if r == 0.0 {
                at.fix_rarely(line, x, goal, node, 0.0);
                View { node, f, width, low, high, low_at, high_at } = View::new(node);
                hull.sign = 0.0;
                continue;
            } else {
                let Some(offset) = goal.offset else { break };
                node = goal.node;
                f += line.w(inside) * line.y(inside);
                width += line.w(inside);
                let slope = (f + (offset - at.offset)) / width;
                if slope >= low && slope <= high {
                    at.fix_rarely(line, x, goal, node, offset);
                    break;
                }
                bend = Some(offset);
                slope < low
            };
            let sign = if fall { 1.0 } else { -1.0 };
            if L::UNIT {
                // As long as the values go on that way the next node's gap leaves less room still.
                let stop = inside.min(node + BLOCK);
                while node < stop && sign * line.y(node) < sign * line.y(node - 1) {
                    f += line.y(node);
                    width += 1.0;
                    node += 1;
                }
            }
            if hull.sign != sign {
                let end = if fall { low_at } else { high_at };
                at.fix_rarely(line, x, goal, end, -sign * line.radius(end - 1));
                hull.restart(end, at.offset, sign);
                [f, width] = line.sums(end, node, 0.0);
            }
        }
        let seen = node.min(inside);
        while hull.upto < seen {
            if hull.room() < BLOCK {
                *apex = at;
                let cap = next_capacity(hull.buf.len(), n);
                let (mut buf, stack) = stack.make_with(cap, |_| Segment::default());
                let view = View { node, f, width, low, high, low_at, high_at };
                return resume(line, x, apex, goal, n, view, hull.moved(&mut buf), bend, stack);
            }
            hull.extend(line, seen);
        }
        let Some(height) = bend.take() else { break };
        let (sign, w) = (hull.sign, line.w(node - 1));
        let mut rise = sign * (f + (height - at.offset));
        let mut first = hull.first();
        while let Some(s) = first.filter(|s| s.end != node && s.f * width > rise * s.w) {
            let offset = -sign * line.radius(s.end - 1);
            rise -= s.f;
            f -= sign * s.f - (offset - at.offset);
            // However far the apex moves, the last element is left.
            width = (width - s.w).max(w);
            at.fix(line, x, goal, s.end, offset);
            hull.head += 1;
            first = hull.first();
        }
        if node > inside {
            at.fix_rarely(line, x, goal, node, height);
            break;
        }
        let near = first.map_or((f64::NEG_INFINITY, node), |s| (s.f / s.w, s.end));
        let far = rise / width;
        (low, low_at, high, high_at) =
            if sign > 0.0 { (near.0, near.1, far, node) } else { (-far, node, -near.0, near.1) };
        if !L::UNIT && height == 0.0 {
            at.fix_rarely(line, x, goal, node, 0.0);
            View { node, f, width, low, high, low_at, high_at } = View::new(node);
            hull.sign = 0.0;
        }
    }
    *apex = at;
}
