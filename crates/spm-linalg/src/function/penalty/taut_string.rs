//! The taut string by a funnel.
//!
//! From the last fixed node (the apex) run the greatest convex minorant of the upper wall and the least concave majorant of
//! the lower wall. Each element enters both chains once and leaves them once: linear time on every input.

use super::tube::{Apex, Goal, Line};
use crate::{MemStack, Scalar, StackReq};

/// Every so many nodes both walls are looked at although one would do: on a long rise or fall it fixes the string, and the chains
/// stay short.
const BOTH: usize = 64;

/// Temporary memory to pull `n` elements tight.
pub(super) fn funnel_scratch(n: usize) -> StackReq {
    let mut cap = first_capacity(n);
    let mut req = StackReq::new::<Segment>(2 * cap);
    while cap <= n {
        cap = next_capacity(cap, n);
        req = req.and(StackReq::new::<Segment>(2 * cap));
    }
    req
}

fn first_capacity(n: usize) -> usize {
    (n + 1).min(1024)
}

fn next_capacity(cap: usize, n: usize) -> usize {
    (4 * cap).min(n + 1)
}

/// One straight piece of a chain: it ends at node `end`, rises by `f` over the width `w`.
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
    /// From a node to itself.
    fn empty(end: usize) -> Self {
        Self { f: 0.0, end, w: 0.0 }
    }
}

/// The chain along one wall, a double-ended queue in a borrowed slice and its last piece, and what lies between its end and the
/// present node. An empty chain has a last piece of width 0.
///
/// Seen from inside the tube both walls bend the same way: rises along the lower one are stored with the other sign.
struct Wall<'a> {
    buf: &'a mut [Segment],
    head: usize,
    tail: usize,
    last: Segment,
    f: f64,
    w: f64,
    /// The string's height above `F` where the chain ends, towards the wall.
    offset: f64,
}

impl<'a> Wall<'a> {
    fn new(buf: &'a mut [Segment], node: usize, offset: f64) -> Self {
        Self { buf, head: 0, tail: 0, last: Segment::empty(node), f: 0.0, w: 0.0, offset }
    }

    /// The same in a larger slice.
    fn moved(self, to: &mut [Segment]) -> Wall<'_> {
        let used = &self.buf[self.head..self.tail];
        to[..used.len()].copy_from_slice(used);
        Wall { buf: to, head: 0, tail: self.tail - self.head, ..self }
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

    /// The first piece, of width 0 if the chain is empty.
    #[inline(always)]
    fn first(&self) -> Segment {
        if self.head == self.tail { self.last } else { self.buf[self.head] }
    }

    #[inline(always)]
    fn drop_first(&mut self) {
        if self.head == self.tail {
            self.last = Segment::empty(self.last.end);
        } else {
            self.head += 1;
        }
    }

    /// A straight piece from the end of the chain to node `end`, `offset` above `F` towards the wall; the chain's pieces that then
    /// no longer bend towards it become part of it. Products, since widths are positive. Is it the only piece then?
    #[inline(always)]
    fn reach<L: Line>(&mut self, line: L, end: usize, offset: f64) -> bool {
        let w = line.width(self.last.end, end, self.w);
        let mut s = Segment { f: self.f + (offset - self.offset), end, w };
        (self.f, self.w, self.offset) = (0.0, 0.0, offset);
        let last = self.last;
        if last.f * s.w < s.f * last.w {
            self.buf[self.tail] = last;
            self.tail += 1;
        } else {
            s.f += last.f;
            s.w += last.w;
            while self.tail > self.head {
                let last = self.buf[self.tail - 1];
                if last.f * s.w < s.f * last.w {
                    break;
                }
                s.f += last.f;
                s.w += last.w;
                self.tail -= 1;
            }
        }
        self.last = s;
        self.tail == self.head
    }
}

/// Pulls tight from `apex` on, moving it, to the goal, or as far as is sure if the goal has no offset.
pub(super) fn pull_by_funnel<T: Scalar, L: Line>(
    line: L,
    x: &mut [T],
    apex: &mut Apex,
    goal: Goal,
    stack: &mut MemStack,
) {
    let n = goal.node - apex.node;
    let cap = first_capacity(n);
    let (mut buf, stack) = stack.make_with(2 * cap, |_| Segment::default());
    let (up, low) = buf.split_at_mut(cap);
    let walls = [Wall::new(up, apex.node, apex.offset), Wall::new(low, apex.node, -apex.offset)];
    resume(line, x, apex.node, apex, goal, n, walls, stack);
}

/// Continues at element `start`, `n` in all; calls itself with larger queues when these are full.
#[allow(clippy::too_many_arguments)]
fn resume<T: Scalar, L: Line>(
    line: L,
    x: &mut [T],
    mut start: usize,
    apex: &mut Apex,
    goal: Goal,
    n: usize,
    walls: [Wall<'_>; 2],
    stack: &mut MemStack,
) {
    let [mut up, mut low] = walls;
    while start < goal.node {
        let room = up.room().min(low.room());
        if room == 0 {
            let cap = next_capacity(up.buf.len(), n);
            let (mut buf, stack) = stack.make_with(2 * cap, |_| Segment::default());
            let (first, second) = buf.split_at_mut(cap);
            return resume(line, x, start, apex, goal, n, [up.moved(first), low.moved(second)], stack);
        }
        let stop = goal.node.min(start + room);
        let mut next = line.y(start);
        for i in start..stop {
            let (node, last) = (i + 1, i + 1 == goal.node);
            let (y, w) = (next, line.w(i));
            if !last {
                next = line.y(node);
            }
            up.f += w * y;
            low.f -= w * y;
            if !L::UNIT {
                up.w += w;
                low.w += w;
            }
            let pinned = if last { goal.offset } else { (!L::UNIT && line.radius(i) == 0.0).then_some(0.0) };
            if let Some(offset) = pinned {
                // The path to this node is what is then left of the upper chain.
                push::<true, T, L>(line, x, apex, goal, &mut up, &mut low, node, offset, w);
                for k in up.head..up.tail {
                    let end = up.buf[k].end;
                    apex.fix(line, x, goal, end, line.radius(end - 1));
                }
                apex.fix(line, x, goal, node, offset);
                (up, low) = (Wall::new(up.buf, node, offset), Wall::new(low.buf, node, -offset));
            } else if L::UNIT && !last && node % BOTH != 0 {
                // A wall bends into the tube on one side only, the upper where the values rise.
                if next > y {
                    push::<true, T, L>(line, x, apex, goal, &mut up, &mut low, node, line.radius(i), w);
                } else if next < y {
                    push::<false, T, L>(line, x, apex, goal, &mut low, &mut up, node, line.radius(i), w);
                }
            } else {
                push::<true, T, L>(line, x, apex, goal, &mut up, &mut low, node, line.radius(i), w);
                push::<false, T, L>(line, x, apex, goal, &mut low, &mut up, node, line.radius(i), w);
            }
        }
        start = stop;
    }
}

/// Adds `node`, whose last element has the weight `w`, to the chain of one side; where it leaves no straight way past the other
/// chain the string is fixed along that.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
fn push<const UP: bool, T: Scalar, L: Line>(
    line: L,
    x: &mut [T],
    apex: &mut Apex,
    goal: Goal,
    own: &mut Wall<'_>,
    other: &mut Wall<'_>,
    node: usize,
    offset: f64,
    w: f64,
) {
    if own.reach(line, node, offset) {
        let mut s = own.last;
        let mut first = other.first();
        while first.end != node && s.f * first.w + first.f * s.w < 0.0 {
            other.drop_first();
            s.f += first.f;
            // However far the apex moves, the last element is left.
            s.w = (s.w - first.w).max(w);
            let r = line.radius(first.end - 1);
            apex.fix(line, x, goal, first.end, if UP { -r } else { r });
            first = other.first();
        }
        own.last = s;
        (own.head, own.tail) = (0, 0);
    }
}
