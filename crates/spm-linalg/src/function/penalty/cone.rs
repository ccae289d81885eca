//! The taut string by looking ahead from its last bend.
//!
//! From the last bend the straight lines that stay in the tube as far as has been looked form a cone. When a node's gap lies
//! wholly outside of it the string must bend where the cone's near side was decided, and the next look starts from
//! there. One division an element and one branch that is hard to foresee a bend, but elements between a bend and the node that
//! decided it are looked at again.
//!
//! Source: Condat 2013, *A direct algorithm for 1-D total variation denoising*, whose `umin`, `umax` are the cone in another form.

use std::hint::select_unpredictable;

use super::tube::{Apex, Goal, Line};
use crate::Scalar;

/// Elements looked at for one that is fixed, on average, before this is given up, and what part of all is looked at beyond.
const LOOKS: usize = 8;
const BEYOND: usize = 16;

/// From this length on a sum of several parts is worth its time: it is nearer to the exact one.
const LONG: usize = 64;

/// Pulls tight from `apex` on, moving it, to the goal, or as far as is sure if the goal has no offset. `false` if it stopped
/// before, since looking ahead cost too much: O(n) on every input.
pub(super) fn pull_by_cone<T: Scalar, L: Line>(line: L, x: &mut [T], apex: &mut Apex, goal: Goal) -> bool {
    let start = apex.node;
    let spare = (goal.node - start) / BEYOND;
    let (mut at, mut looks) = (*apex, 0);
    while at.node < goal.node && looks <= LOOKS * (at.node - start) + spare {
        let Some((end, offset, slope, seen)) = next_bend(line, at, goal) else {
            *apex = at;
            return true;
        };
        looks += seen;
        if end - at.node < LONG {
            at.run(line, x, goal, end, offset, slope);
        } else {
            at.fix_rarely(line, x, goal, end, offset);
        }
    }
    *apex = at;
    at.node == goal.node
}

/// The next node where the string is fixed, its offset there, the slope up to it, and how many elements were looked at; `None` if
/// it is loose up to the goal.
#[inline(always)]
fn next_bend<L: Line>(line: L, apex: Apex, goal: Goal) -> Option<(usize, f64, f64, usize)> {
    let about = line.y(apex.node);
    let (mut f, mut width) = (0.0, 0.0);
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    let mut node = apex.node + 1;
    let (mut low_at, mut high_at) = (node, node);
    let inside = goal.node - usize::from(goal.offset.is_some());
    let mut each = line.each(apex.node, inside);
    if let Some([_, w, r]) = each.next() {
        // The gap of the first node is the cone.
        width = w;
        (low, high) = (-(r + apex.offset) / w, (r - apex.offset) / w);
        if !L::UNIT && r == 0.0 {
            return Some((node, 0.0, about + low, 1));
        }
    }
    for [y, w, r] in each {
        node += 1;
        f += w * (y - about);
        width += w;
        let (top, bottom) = (f + (r - apex.offset), f - (r + apex.offset));
        let inverse = 1.0 / width;
        let (top, bottom) = (top * inverse, bottom * inverse);
        // The cone's slope next to the gap.
        let slope = least(greatest(bottom, low), high);
        // Of equals the last: a longer piece.
        low_at = if bottom >= low { node } else { low_at };
        high_at = if top <= high { node } else { high_at };
        (low, high) = (greatest(bottom, low), least(top, high));
        if low > high {
            let end = select_unpredictable(top < slope, low_at, high_at);
            return Some((end, line.radius(end - 1).copysign(top - slope), about + slope, node - apex.node));
        }
        if !L::UNIT && r == 0.0 {
            return Some((node, 0.0, about + top, node - apex.node));
        }
    }
    let offset = goal.offset?;
    let (y, w) = (line.y(inside), line.w(inside));
    let slope = (f + w * (y - about) + (offset - apex.offset)) / (width + w);
    let seen = goal.node - apex.node;
    Some(if slope < low {
        (low_at, -line.radius(low_at - 1), about + low, seen)
    } else if slope > high {
        (high_at, line.radius(high_at - 1), about + high, seen)
    } else {
        (goal.node, offset, about + slope, seen)
    })
}

/// The smaller by a strict comparison, which is one instruction.
#[inline(always)]
fn least(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

/// The larger by a strict comparison.
#[inline(always)]
fn greatest(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}
