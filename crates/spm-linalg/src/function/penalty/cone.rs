//! The taut string by looking ahead from its last bend.
//!
//! From the last bend the straight lines that stay in the tube as far as has been looked form a cone. When a node's gap lies
//! wholly outside of it the string must bend where the cone's near side was decided, and the next look starts from
//! there. Two divisions' worth of arithmetic an element and hardly a branch, but elements between a bend and the node that
//! decided it are looked at again.
//!
//! Source: Condat 2013, *A direct algorithm for 1-D total variation denoising*, whose `umin`, `umax` are the cone in another form.

use super::tube::{Apex, Goal, Line};
use crate::Scalar;

/// Elements looked at for one that is fixed, on average, before this is given up, and how many beyond to start with.
const LOOKS: usize = 8;
const START: usize = 512;

/// Pulls tight from `apex` on, moving it, to the goal, or as far as is sure if the goal has no offset. `false` if it stopped
/// before, since looking ahead cost too much: O(n) on every input.
pub(super) fn pull_by_cone<T: Scalar, L: Line>(line: L, x: &mut [T], apex: &mut Apex, goal: Goal) -> bool {
    let start = apex.node;
    let mut looks = 0;
    while apex.node < goal.node {
        let Some((end, offset, seen)) = next_bend(line, *apex, goal) else { return true };
        looks += seen;
        apex.fix(line, x, end, offset);
        if looks > LOOKS * (apex.node - start) + START && apex.node < goal.node {
            return false;
        }
    }
    true
}

/// The next node where the string is fixed, its offset there, and how many elements were looked at; `None` if it is loose up to
/// the goal.
#[inline(always)]
fn next_bend<L: Line>(line: L, apex: Apex, goal: Goal) -> Option<(usize, f64, usize)> {
    let about = line.y(apex.node);
    let (mut f, mut width) = (0.0, 0.0);
    let (mut low, mut high) = (f64::NEG_INFINITY, f64::INFINITY);
    let (mut low_at, mut high_at) = (0, 0);
    let mut node = apex.node;
    let inside = goal.node - usize::from(goal.offset.is_some());
    for [y, w, r] in line.each(apex.node, inside) {
        node += 1;
        f += w * (y - about);
        width += w;
        let (top, bottom) = (f + (r - apex.offset), f - (r + apex.offset));
        let (top, bottom) = if L::UNIT {
            let inverse = 1.0 / width;
            (top * inverse, bottom * inverse)
        } else {
            (top / width, bottom / width)
        };
        if (top < low) | (bottom > high) {
            let (end, side) = if top < low { (low_at, -1.0) } else { (high_at, 1.0) };
            return Some((end, side * line.radius(end - 1), node - apex.node));
        }
        if !L::UNIT && r == 0.0 {
            return Some((node, 0.0, node - apex.node));
        }
        // Of equals the last: a longer piece. The values by a strict comparison, which is one instruction.
        high_at = if top <= high { node } else { high_at };
        high = if top < high { top } else { high };
        low_at = if bottom >= low { node } else { low_at };
        low = if bottom > low { bottom } else { low };
    }
    let offset = goal.offset?;
    let (y, w) = (line.y(inside), line.w(inside));
    let slope = (f + w * (y - about) + (offset - apex.offset)) / (width + w);
    let seen = goal.node - apex.node;
    Some(if slope < low {
        (low_at, -line.radius(low_at - 1), seen)
    } else if slope > high {
        (high_at, line.radius(high_at - 1), seen)
    } else {
        (goal.node, offset, seen)
    })
}
